/* SPDX-License-Identifier: MIT */
/* A task as its worker sees it: claim, heartbeat, publish or fail. One round trip each; a claim that has to wait takes
 * a few, one that goes along with a publish none. */
#include "base/clock.h"
#include "sync/connection.h"
#include "sync/ready.h"

#include <string.h>

static void read_claim(const valkeyReply *reply, pf_str query_id, pf_str worker_id, struct pf_arena *arena,
                       struct pf_sync_claim *out_claim) {
    out_claim->query_id = pf_arena_str(arena, query_id);
    out_claim->stage_id = (int)reply_number(reply->element[0]);
    out_claim->task_id = (int)reply_number(reply->element[1]);
    out_claim->attempt = (int)reply_number(reply->element[2]);
    out_claim->payload = pf_arena_str(arena, reply_text(reply->element[3]));
    out_claim->worker_id = pf_arena_str(arena, worker_id);
}

/* If there is a hint: the claim. Then the look for the next hint. */
static void add_claim(struct batch *batch, const struct ready_hint *hint, const struct ready_hint *dry,
                      pf_str worker_id, int64_t lease_ms) {
    struct pf_sync *sync = batch->sync;
    pf_str query_id = pf_str_from_cstr(hint->query_id);
    if (query_id.len) {
        pf_str nonce = pf_arena_printf(batch->arena, "%.*s.%lld", PF_STR_ARG(sync->nonce_base),
                                       (long long)atomic_fetch_add(&sync->next_nonce, 1));
        BATCH_SCRIPT(batch, SCRIPT_CLAIM, batch_key(batch, query_id, "q"), worker_id, batch_number(batch, lease_ms),
                     nonce);
    }
    ready_add_next(batch, dry);
}

/* One try with the hint, which is then the next one; PF_NOT_FOUND if it was no good. `dry`: the hint before, if it
 * was no good either. `*out_again_ms`: if it is not 0, the query has tasks that this worker may have after that time. */
static enum pf_code try_claim(struct pf_sync *sync, struct ready_hint *hint, const struct ready_hint *dry,
                              pf_str worker_id, int64_t lease_ms, struct pf_arena *arena,
                              struct pf_sync_claim *out_claim, int64_t *out_again_ms, struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true); /* the nonce makes it so */
    add_claim(&batch, hint, dry, worker_id, lease_ms);
    pf_str query_id = pf_str_from_cstr(hint->query_id);
    enum pf_code code = batch_run(&batch, 0, "claim a task", err);
    bool is_ours = code == PF_OK && query_id.len && batch.replies[0]->elements == 4;
    bool is_kept = code == PF_OK && query_id.len && batch.replies[0]->elements == 1;
    *out_again_ms = is_kept ? reply_number(batch.replies[0]->element[0]) : 0;
    if (is_ours) read_claim(batch.replies[0], query_id, worker_id, arena, out_claim);
    if (code == PF_OK) ready_read_hint(batch.replies[batch.count - 1], hint);
    batch_clear(&batch);
    return code == PF_OK && !is_ours ? PF_NOT_FOUND : code;
}

/* Until there is work, or until what is kept for others may be stolen; then the hint is that query's, and `kept` is
 * none any more. The hint is unset when the time is over. */
static enum pf_code wait_for_work(struct pf_sync *sync, pf_str worker_id, struct pf_deadline deadline,
                                  struct ready_hint *kept, int64_t again_ms, struct ready_hint *out_hint,
                                  struct pf_error *err) {
    int64_t left_ms = pf_deadline_left_ms(deadline);
    bool may_steal = ready_hint_is_set(kept) && again_ms <= left_ms;
    *out_hint = (struct ready_hint){0};
    if (left_ms <= 0) return PF_OK;
    PF_TRY(ready_wait(sync, worker_id, may_steal ? again_ms : left_ms, out_hint, err));
    if (may_steal && !ready_hint_is_set(out_hint)) *out_hint = *kept;
    *kept = (struct ready_hint){0};
    return PF_OK;
}

enum pf_code pf_sync_claim(struct pf_sync *sync, pf_str worker_id, int64_t wait_ms, int64_t lease_ms,
                           struct pf_arena *arena, struct pf_sync_claim *out_claim, struct pf_error *err) {
    PF_TRY(check_id(worker_id, "worker id", err));
    struct pf_deadline deadline = pf_deadline_in(wait_ms);
    struct ready_hint hint, dry = {0}, kept = {0};
    int64_t again_ms = 0;
    int kept_in_a_row = 0;
    ready_get_hint(sync, &hint);
    for (;;) {
        struct ready_hint tried = hint;
        int64_t kept_ms = 0;
        enum pf_code code = try_claim(sync, &hint, &dry, worker_id, lease_ms, arena, out_claim, &kept_ms, err);
        if (code != PF_NOT_FOUND) {
            if (code == PF_OK) ready_set_hint(sync, &hint);
            return code;
        }
        dry = kept_ms > 0 ? (struct ready_hint){0} : tried;
        if (kept_ms > 0) {
            again_ms = kept_in_a_row > 0 && again_ms < kept_ms ? again_ms : kept_ms;
            kept = tried;
        }
        kept_in_a_row = kept_ms > 0 ? kept_in_a_row + 1 : 0;
        /* It was the only one: drop it, look again. */
        bool is_same = ready_hint_is_set(&hint) && ready_hints_are_equal(&hint, &dry);
        if (is_same) hint = (struct ready_hint){0};
        bool is_kept = kept_in_a_row > 1 || (kept_in_a_row == 1 && strcmp(hint.query_id, kept.query_id) == 0);
        if (is_same || (ready_hint_is_set(&hint) && !is_kept)) continue;
        kept_in_a_row = 0;
        PF_TRY(wait_for_work(sync, worker_id, deadline, &kept, again_ms, &hint, err));
        if (!ready_hint_is_set(&hint)) {
            ready_set_hint(sync, &hint);
            PF_FAIL(err, PF_NOT_FOUND, "no task to claim");
        }
    }
}

enum pf_code pf_sync_stage_payload(struct pf_sync *sync, pf_str query_id, int stage_id, struct pf_arena *arena,
                                   pf_str *out_payload, struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_ADD(&batch, PF_STR("HGET"), batch_key(&batch, query_id, "stages"), batch_number(&batch, stage_id));
    enum pf_code code = batch_run(&batch, 0, "read a stage", err);
    if (code == PF_OK && reply_is_nil(batch.replies[0])) {
        code = pf_error_set(err, PF_NOT_FOUND, __FILE__, __LINE__, "query %.*s, stage %d: gone", PF_STR_ARG(query_id),
                            stage_id);
    }
    if (code == PF_OK) *out_payload = pf_arena_str(arena, reply_text(batch.replies[0]));
    batch_clear(&batch);
    return code;
}

static pf_str task_name(struct batch *batch, const struct pf_sync_claim *claim) {
    return pf_arena_printf(batch->arena, "%d:%d", claim->stage_id, claim->task_id);
}

enum pf_code pf_sync_heartbeat(struct pf_sync *sync, const struct pf_sync_claim *claim, int64_t lease_ms,
                               bool *out_cancelled, struct pf_error *err) {
    PF_TRY(check_id(claim->query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_SCRIPT(&batch, SCRIPT_HEARTBEAT, batch_key(&batch, claim->query_id, "q"), task_name(&batch, claim),
                 batch_number(&batch, claim->attempt), batch_number(&batch, lease_ms));
    enum pf_code code = batch_run(&batch, 0, "extend a lease", err);
    if (code == PF_OK) *out_cancelled = !reply_is(batch.replies[0], "ok");
    batch_clear(&batch);
    return code;
}

static enum pf_code fail_over(const struct pf_sync_claim *claim, struct pf_error *err) {
    PF_FAIL(err, PF_CANCELLED, "query %.*s is over", PF_STR_ARG(claim->query_id));
}

static void add_publish(struct batch *batch, const struct pf_sync_claim *claim, pf_str result_payload) {
    BATCH_SCRIPT(batch, SCRIPT_PUBLISH, batch_key(batch, claim->query_id, "q"), task_name(batch, claim),
                 batch_number(batch, claim->attempt), claim->worker_id, result_payload);
}

static enum pf_code judge_publish(const valkeyReply *reply, const struct pf_sync_claim *claim, struct pf_error *err) {
    if (reply_is(reply, "over")) return fail_over(claim, err);
    if (!reply_is(reply, "lost")) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "another attempt of task %d:%d was first", claim->stage_id, claim->task_id);
}

enum pf_code pf_sync_publish(struct pf_sync *sync, const struct pf_sync_claim *claim, pf_str result_payload,
                             struct pf_error *err) {
    PF_TRY(check_id(claim->query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    add_publish(&batch, claim, result_payload);
    enum pf_code code = batch_run(&batch, 0, "publish a result", err);
    if (code == PF_OK) code = judge_publish(batch.replies[0], claim, err);
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_publish_and_claim(struct pf_sync *sync, const struct pf_sync_claim *claim, pf_str result_payload,
                                       int64_t lease_ms, struct pf_arena *arena, struct pf_sync_claim *out_next,
                                       struct pf_error *err) {
    struct ready_hint hint, none = {0};
    *out_next = (struct pf_sync_claim){0};
    ready_get_hint(sync, &hint);
    if (!ready_hint_is_set(&hint)) return pf_sync_publish(sync, claim, result_payload, err);
    PF_TRY(check_id(claim->query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    add_publish(&batch, claim, result_payload);
    add_claim(&batch, &hint, &none, claim->worker_id, lease_ms);
    enum pf_code code = batch_run(&batch, 0, "publish a result", err);
    if (code == PF_OK) {
        const valkeyReply *next = batch.replies[1];
        if (next->elements == 4) {
            read_claim(next, pf_str_from_cstr(hint.query_id), claim->worker_id, arena, out_next);
        }
        ready_read_hint(batch.replies[2], &hint);
        ready_set_hint(sync, &hint);
        code = judge_publish(batch.replies[0], claim, err);
    }
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_fail(struct pf_sync *sync, const struct pf_sync_claim *claim, const struct pf_error *failure,
                          bool is_retryable, struct pf_error *err) {
    PF_TRY(check_id(claim->query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    bool may_retry = is_retryable || pf_code_is_retryable(failure->code);
    BATCH_SCRIPT(&batch, SCRIPT_FAIL, batch_key(&batch, claim->query_id, "q"), task_name(&batch, claim),
                 batch_number(&batch, claim->attempt), claim->worker_id, pf_str_from_cstr(pf_code_name(failure->code)),
                 pf_str_from_cstr(failure->message), may_retry ? PF_STR("1") : PF_STR("0"));
    enum pf_code code = batch_run(&batch, 0, "report a failure", err);
    if (code == PF_OK && reply_is(reply_element(batch.replies[0], 0), "over")) code = fail_over(claim, err);
    if (code == PF_OK) code = ready_wake(sync, claim->query_id, reply_number(reply_element(batch.replies[0], 1)), err);
    batch_clear(&batch);
    return code;
}
