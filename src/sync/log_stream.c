/* SPDX-License-Identifier: MIT */
/* Logs as streams, all under "<log prefix>:{log}:". An id is "<ms>-<number>", by the server's clock. */
#include "base/clock.h"
#include "base/id.h"
#include "sync/connection.h"

#include <assert.h>
#include <string.h>

static pf_str log_key(struct batch *batch, pf_str log, pf_str name) {
    return pf_arena_printf(batch->arena, "%.*s:{log}:%.*s%s%.*s", PF_STR_ARG(batch->sync->log_prefix), PF_STR_ARG(log),
                           name.len ? ":" : "", PF_STR_ARG(name));
}

enum pf_code pf_sync_log_append(struct pf_sync *sync, const struct pf_sync_log_batch *batch, int64_t *out_dropped,
                                struct pf_error *err) {
    PF_TRY(check_id(batch->writer_id, "writer id", err));
    assert(batch->count <= PF_SYNC_LOG_MAX_BATCH);
    struct batch commands;
    batch_begin(&commands, sync, true);
    pf_str keys[] = {log_key(&commands, batch->log, PF_STR_EMPTY), log_key(&commands, batch->log, batch->writer_id)};
    pf_str words[2 + PF_SYNC_LOG_MAX_BATCH] = {batch_number(&commands, batch->number),
                                               batch_number(&commands, batch->max_entries)};
    memcpy(words + 2, batch->entries, batch->count * sizeof *words);
    batch_add_script(&commands, SCRIPT_LOG_APPEND, keys, 2, words, 2 + batch->count);
    enum pf_code code = batch_run(&commands, 0, "write to a log", err);
    if (code == PF_OK && out_dropped) *out_dropped = reply_number(commands.replies[0]);
    batch_clear(&commands);
    return code;
}

enum pf_code pf_sync_log_identity(struct pf_sync *sync, pf_str log, struct pf_arena *arena, pf_str *out_identity,
                                  struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true);
    pf_str key = log_key(&batch, log, PF_STR("identity"));
    BATCH_ADD(&batch, PF_STR("SET"), key, pf_id_ulid(batch.arena), PF_STR("NX"));
    BATCH_ADD(&batch, PF_STR("GET"), key);
    enum pf_code code = batch_run(&batch, 0, "name a log", err);
    if (code == PF_OK) *out_identity = pf_arena_str(arena, reply_text(batch.replies[1]));
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_log_read(struct pf_sync *sync, pf_str log, pf_str after_id, size_t max, struct pf_arena *arena,
                              struct pf_sync_log_entry **out_entries, size_t *out_count, struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true);
    pf_str from = after_id.len ? pf_arena_printf(batch.arena, "(%.*s", PF_STR_ARG(after_id)) : PF_STR("-");
    BATCH_ADD(&batch, PF_STR("XRANGE"), log_key(&batch, log, PF_STR_EMPTY), from, PF_STR("+"), PF_STR("COUNT"),
              batch_number(&batch, (int64_t)max));
    enum pf_code code = batch_run(&batch, 0, "read a log", err);
    if (code == PF_OK) {
        const valkeyReply *list = batch.replies[0];
        struct pf_sync_log_entry *entries = PF_ARENA_ARRAY(arena, struct pf_sync_log_entry, list->elements);
        for (size_t i = 0; i < list->elements; i++) {
            entries[i].id = pf_arena_str(arena, reply_text(reply_element(list->element[i], 0)));
            entries[i].json = pf_arena_str(arena, reply_text(reply_element(reply_element(list->element[i], 1), 1)));
        }
        *out_entries = entries;
        *out_count = list->elements;
    }
    batch_clear(&batch);
    return code;
}

static void read_id(pf_str id, int64_t *out_ms, int64_t *out_number) {
    pf_str ms;
    *out_ms = *out_number = 0;
    if (!pf_str_next(&id, '-', &ms)) return;
    pf_str_to_i64(ms, out_ms);
    pf_str_to_i64(id, out_number);
}

int pf_sync_log_compare(pf_str id, pf_str other) {
    int64_t ms, number, other_ms, other_number;
    read_id(id, &ms, &number);
    read_id(other, &other_ms, &other_number);
    if (ms != other_ms) return ms < other_ms ? -1 : 1;
    return number < other_number ? -1 : number > other_number;
}

enum pf_code pf_sync_log_trim(struct pf_sync *sync, pf_str log, pf_str id, struct pf_error *err) {
    int64_t ms, number;
    read_id(id, &ms, &number);
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_ADD(&batch, PF_STR("XTRIM"), log_key(&batch, log, PF_STR_EMPTY), PF_STR("MINID"), PF_STR("="),
              pf_arena_printf(batch.arena, "%lld-%lld", (long long)ms, (long long)number + 1));
    enum pf_code code = batch_run(&batch, 0, "shorten a log", err);
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_log_backlog(struct pf_sync *sync, pf_str log, int64_t *out_count, int64_t *out_age_ms,
                                 struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true);
    pf_str key = log_key(&batch, log, PF_STR_EMPTY);
    BATCH_ADD(&batch, PF_STR("XLEN"), key);
    BATCH_ADD(&batch, PF_STR("XRANGE"), key, PF_STR("-"), PF_STR("+"), PF_STR("COUNT"), PF_STR("1"));
    enum pf_code code = batch_run(&batch, 0, "look at a log", err);
    if (code == PF_OK) {
        int64_t ms, number, age_ms = 0;
        const valkeyReply *first = reply_element(batch.replies[1], 0);
        if (first) {
            read_id(reply_text(reply_element(first, 0)), &ms, &number);
            age_ms = pf_clock_wall_ms() - ms;
        }
        *out_count = reply_number(batch.replies[0]);
        *out_age_ms = age_ms > 0 ? age_ms : 0;
    }
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_take_turn(struct pf_sync *sync, pf_str name, pf_str owner_id, int64_t ttl_ms, bool *out_is_ours,
                               struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true);
    pf_str key = pf_arena_printf(batch.arena, "%.*s:{turn:%.*s}", PF_STR_ARG(sync->log_prefix), PF_STR_ARG(name));
    pf_str ttl = batch_number(&batch, ttl_ms);
    BATCH_ADD(&batch, PF_STR("SET"), key, owner_id, PF_STR("NX"), PF_STR("PX"), ttl);
    BATCH_ADD(&batch, PF_STR("GET"), key);
    enum pf_code code = batch_run(&batch, 0, "take a turn", err);
    bool is_ours = code == PF_OK && pf_str_equal(reply_text(batch.replies[1]), owner_id);
    bool is_new = code == PF_OK && reply_is(batch.replies[0], "OK");
    if (is_ours && !is_new) {
        struct batch again;
        batch_begin(&again, sync, true);
        BATCH_ADD(&again, PF_STR("PEXPIRE"), key, ttl);
        code = batch_run(&again, 0, "keep a turn", err);
        batch_clear(&again);
    }
    if (code == PF_OK) *out_is_ours = is_ours;
    batch_clear(&batch);
    return code;
}
