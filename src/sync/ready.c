/* SPDX-License-Identifier: MIT */
#include "sync/ready.h"

#include <stdio.h>
#include <string.h>

enum { READY_KEYS = 3 };

static void add_ready_script(struct batch *batch, enum sync_script script, const pf_str *args, size_t count) {
    const struct pf_sync *sync = batch->sync;
    pf_str keys[] = {sync->turns_key, sync->marks_key, sync->wakes_key, sync->queries_key};
    batch_add_script(batch, script, keys, script == SCRIPT_READY_FORGET ? READY_KEYS + 1 : READY_KEYS, args, count);
}

void ready_add(struct batch *batch, pf_str query_id, int64_t count) {
    ready_add_for(batch, query_id, count, NULL, 0);
}

void ready_add_for(struct batch *batch, pf_str query_id, int64_t count, const pf_str *workers, size_t worker_count) {
    pf_str words[2 + READY_MAX_WORKERS] = {query_id, batch_number(batch, count)};
    for (size_t i = 0; i < worker_count && i < READY_MAX_WORKERS; i++) words[2 + i] = workers[i];
    add_ready_script(batch, SCRIPT_READY_ADD, words, 2 + worker_count);
}

void ready_add_next(struct batch *batch, const struct ready_hint *dry) {
    pf_str args[] = {pf_str_from_cstr(dry->query_id), pf_str_from_cstr(dry->mark)};
    add_ready_script(batch, SCRIPT_READY_NEXT, args, 2);
}

void ready_add_forget(struct batch *batch, pf_str query_id) {
    add_ready_script(batch, SCRIPT_READY_FORGET, &query_id, 1);
}

enum pf_code ready_wake(struct pf_sync *sync, pf_str query_id, int64_t count, struct pf_error *err) {
    if (count <= 0) return PF_OK;
    struct batch batch;
    batch_begin(&batch, sync, true);
    ready_add(&batch, query_id, count);
    enum pf_code code = batch_run(&batch, 0, "wake workers", err);
    batch_clear(&batch);
    return code;
}

static void set_hint(struct ready_hint *hint, pf_str query_id, pf_str mark) {
    snprintf(hint->query_id, sizeof hint->query_id, "%.*s", PF_STR_ARG(query_id));
    snprintf(hint->mark, sizeof hint->mark, "%.*s", PF_STR_ARG(mark));
}

enum pf_code ready_wait(struct pf_sync *sync, pf_str worker_id, int64_t wait_ms, struct ready_hint *out_hint,
                        struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true); /* a wake that is lost with the connection: the query is still in turns */
    BATCH_ADD(&batch, PF_STR("BLPOP"),
              pf_arena_printf(batch.arena, "%.*s:%.*s", PF_STR_ARG(sync->wakes_key), PF_STR_ARG(worker_id)),
              sync->wakes_key,
              pf_arena_printf(batch.arena, "%lld.%03d", (long long)(wait_ms / 1000), (int)(wait_ms % 1000)));
    enum pf_code code = batch_run(&batch, wait_ms, "wait for a task", err);
    *out_hint = (struct ready_hint){0};
    if (code == PF_OK && batch.replies[0]->elements == 2) {
        pf_str wake = reply_text(batch.replies[0]->element[1]), query_id;
        pf_str_next(&wake, ' ', &query_id);
        set_hint(out_hint, query_id, wake);
    }
    batch_clear(&batch);
    return code;
}

void ready_read_hint(const valkeyReply *reply, struct ready_hint *out_hint) {
    set_hint(out_hint, reply_text(reply_element(reply, 0)), reply_text(reply_element(reply, 1)));
}

bool ready_hint_is_set(const struct ready_hint *hint) {
    return hint->query_id[0] != 0;
}

bool ready_hints_are_equal(const struct ready_hint *a, const struct ready_hint *b) {
    return strcmp(a->query_id, b->query_id) == 0 && strcmp(a->mark, b->mark) == 0;
}

void ready_get_hint(struct pf_sync *sync, struct ready_hint *out_hint) {
    pthread_mutex_lock(&sync->locked.mutex);
    *out_hint = sync->locked.hint;
    pthread_mutex_unlock(&sync->locked.mutex);
}

void ready_set_hint(struct pf_sync *sync, const struct ready_hint *hint) {
    pthread_mutex_lock(&sync->locked.mutex);
    sync->locked.hint = *hint;
    pthread_mutex_unlock(&sync->locked.mutex);
}
