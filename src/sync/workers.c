/* SPDX-License-Identifier: MIT */
/* Who is alive, and what to do about those who are not. */
#include "sync/connection.h"
#include "sync/ready.h"

static enum pf_code put_worker(struct pf_sync *sync, pf_str worker_id, pf_str facts_json, int64_t ttl_ms,
                               bool must_exist, struct pf_error *err) {
    PF_TRY(check_id(worker_id, "worker id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    pf_str keys[] = {sync->alive_key, sync->facts_key};
    pf_str args[] = {worker_id, batch_number(&batch, ttl_ms), must_exist ? PF_STR("1") : PF_STR("0"), facts_json};
    batch_add_script(&batch, SCRIPT_WORKER_PUT, keys, 2, args, 4);
    enum pf_code code = batch_run(&batch, 0, "register a worker", err);
    if (code == PF_OK && !reply_is(batch.replies[0], "ok")) {
        code = pf_error_set(err, PF_NOT_FOUND, __FILE__, __LINE__, "worker %.*s is not registered any more",
                            PF_STR_ARG(worker_id));
    }
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_worker_register(struct pf_sync *sync, pf_str worker_id, pf_str facts_json, int64_t ttl_ms,
                                     struct pf_error *err) {
    return put_worker(sync, worker_id, facts_json, ttl_ms, false, err);
}

enum pf_code pf_sync_worker_refresh(struct pf_sync *sync, pf_str worker_id, int64_t ttl_ms, struct pf_error *err) {
    return put_worker(sync, worker_id, PF_STR_EMPTY, ttl_ms, true, err);
}

static void add_removal(struct batch *batch, pf_str worker_id) {
    BATCH_ADD(batch, PF_STR("ZREM"), batch->sync->alive_key, worker_id);
    BATCH_ADD(batch, PF_STR("HDEL"), batch->sync->facts_key, worker_id);
}

enum pf_code pf_sync_worker_remove(struct pf_sync *sync, pf_str worker_id, struct pf_error *err) {
    PF_TRY(check_id(worker_id, "worker id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    add_removal(&batch, worker_id);
    enum pf_code code = batch_run(&batch, 0, "remove a worker", err);
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_worker_list(struct pf_sync *sync, struct pf_arena *arena, struct pf_sync_worker **out_workers,
                                 size_t *out_count, struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true);
    batch_add_script(&batch, SCRIPT_WORKER_LIST, (const pf_str[]){sync->alive_key, sync->facts_key}, 2, NULL, 0);
    enum pf_code code = batch_run(&batch, 0, "list workers", err);
    if (code == PF_OK) {
        const valkeyReply *list = batch.replies[0];
        size_t count = list->elements / 3;
        struct pf_sync_worker *workers = PF_ARENA_ARRAY(arena, struct pf_sync_worker, count);
        for (size_t i = 0; i < count; i++) {
            workers[i].id = pf_arena_str(arena, reply_text(list->element[3 * i]));
            workers[i].facts_json = pf_arena_str(arena, reply_text(list->element[3 * i + 1]));
            workers[i].left_ms = reply_number(list->element[3 * i + 2]);
        }
        *out_workers = workers;
        *out_count = count;
    }
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_worker_count(struct pf_sync *sync, int *out_count, struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true);
    batch_add_script(&batch, SCRIPT_WORKER_COUNT, &sync->alive_key, 1, NULL, 0);
    enum pf_code code = batch_run(&batch, 0, "count workers", err);
    if (code == PF_OK) *out_count = (int)reply_number(batch.replies[0]);
    batch_clear(&batch);
    return code;
}

static enum pf_code list_queries(struct pf_sync *sync, struct pf_arena *arena, pf_str **out_ids, size_t *out_count,
                                 struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_ADD(&batch, PF_STR("SMEMBERS"), sync->queries_key);
    enum pf_code code = batch_run(&batch, 0, "list queries", err);
    if (code == PF_OK) {
        size_t count = batch.replies[0]->elements;
        pf_str *ids = PF_ARENA_ARRAY(arena, pf_str, count);
        for (size_t i = 0; i < count; i++) ids[i] = pf_arena_str(arena, reply_text(batch.replies[0]->element[i]));
        *out_ids = ids;
        *out_count = count;
    }
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_release_worker(struct pf_sync *sync, pf_str worker_id, int *out_count, struct pf_error *err) {
    PF_TRY(check_id(worker_id, "worker id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    pf_str *ids = NULL;
    size_t count = 0;
    enum pf_code code = list_queries(sync, batch.arena, &ids, &count, err);
    for (size_t i = 0; code == PF_OK && i < count; i++) {
        BATCH_SCRIPT(&batch, SCRIPT_EXPIRE, batch_key(&batch, ids[i], "q"), worker_id);
    }
    add_removal(&batch, worker_id);
    if (code == PF_OK) code = batch_run(&batch, 0, "release a worker's tasks", err);
    int lost = 0;
    for (size_t i = 0; code == PF_OK && i < count; i++) {
        lost += (int)reply_number(reply_element(batch.replies[i], 0));
        code = ready_wake(sync, ids[i], reply_number(reply_element(batch.replies[i], 1)), err);
    }
    if (code == PF_OK && out_count) *out_count = lost;
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_lapsed(struct pf_sync *sync, struct pf_arena *arena, pf_str **out_query_ids, size_t *out_count,
                            struct pf_error *err) {
    pf_str *ids = NULL;
    size_t count = 0, lapsed = 0;
    PF_TRY(list_queries(sync, arena, &ids, &count, err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    for (size_t i = 0; i < count; i++) {
        batch_add_script(&batch, SCRIPT_LAPSED, (const pf_str[]){batch_key(&batch, ids[i], "q")}, 1, NULL, 0);
    }
    enum pf_code code = count > 0 ? batch_run(&batch, 0, "look for queries without a coordinator", err) : PF_OK;
    for (size_t i = 0; code == PF_OK && i < count; i++) {
        if (reply_is(batch.replies[i], "lapsed")) ids[lapsed++] = ids[i];
    }
    batch_clear(&batch);
    if (code != PF_OK) return code;
    *out_query_ids = ids;
    *out_count = lapsed;
    return PF_OK;
}

/* Whose coordinator is gone: their keys are deleted; 'gone' also says that there were none. */
static enum pf_code sweep_queries(struct pf_sync *sync, int64_t grace_ms, pf_str *ids, size_t *count,
                                  struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true);
    for (size_t i = 0; i < *count; i++) {
        BATCH_SCRIPT(&batch, SCRIPT_SWEEP, batch_key(&batch, ids[i], "q"), batch_number(&batch, grace_ms));
    }
    enum pf_code code = batch_run(&batch, 0, "sweep queries", err);
    size_t gone = 0;
    for (size_t i = 0; code == PF_OK && i < *count; i++) {
        if (reply_is(batch.replies[i], "gone")) ids[gone++] = ids[i];
    }
    if (code == PF_OK) *count = gone;
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_sweep(struct pf_sync *sync, int64_t grace_ms, struct pf_arena *arena, pf_str **out_query_ids,
                           size_t *out_count, struct pf_error *err) {
    pf_str *ids = NULL;
    size_t count = 0;
    PF_TRY(list_queries(sync, arena, &ids, &count, err));
    if (count > 0) PF_TRY(sweep_queries(sync, grace_ms, ids, &count, err));
    struct batch batch;
    batch_begin(&batch, sync, false); /* who removes the id is the one that is told */
    for (size_t i = 0; i < count; i++) ready_add_forget(&batch, ids[i]);
    enum pf_code code = count > 0 ? batch_run(&batch, 0, "sweep queries", err) : PF_OK;
    size_t ours = 0;
    for (size_t i = 0; code == PF_OK && i < count; i++) {
        if (reply_number(batch.replies[i]) == 1) ids[ours++] = ids[i];
    }
    batch_clear(&batch);
    if (code != PF_OK) return code;
    *out_query_ids = ids;
    *out_count = ours;
    return PF_OK;
}
