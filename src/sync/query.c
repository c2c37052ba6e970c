/* SPDX-License-Identifier: MIT */
/* A query as its coordinator sees it: begin, stages, events, end. What the scripts do: scripts.c. */
#include "base/clock.h"
#include "sync/connection.h"
#include "sync/ready.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_TTL_MS = 3600 * 1000,
    DEFAULT_LEASE_MS = 10 * 1000,
    DEFAULT_ATTEMPTS = 3,
    PUSH_TASKS = 500, /* per script call, so that none of them holds up the server for long */
    PUSH_BYTES = 1 << 20,
    EVENTS_PER_READ = 1000,
};

static int64_t or_default(int64_t value, int64_t fallback) {
    return value > 0 ? value : fallback;
}

enum pf_code pf_sync_query_begin(struct pf_sync *sync, pf_str query_id, const struct pf_sync_query_options *options,
                                 struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    pf_str ttl = batch_number(&batch, or_default(options->ttl_ms, DEFAULT_TTL_MS));
    pf_str lease = batch_number(&batch, or_default(options->coordinator_lease_ms, DEFAULT_LEASE_MS));
    pf_str max = batch_number(&batch, or_default(options->max_attempts, DEFAULT_ATTEMPTS));
    BATCH_SCRIPT(&batch, SCRIPT_BEGIN, batch_key(&batch, query_id, "q"), options->coordinator_id, lease, max, ttl,
                 options->job);
    batch_then(&batch);
    BATCH_ADD(&batch, PF_STR("SADD"), sync->queries_key, query_id);
    BATCH_ADD(&batch, PF_STR("SET"), batch_key(&batch, query_id, "record"), options->record_json, PF_STR("PX"), ttl);
    enum pf_code code = batch_run(&batch, 0, "begin a query", err);
    if (code == PF_OK && !reply_is(batch.replies[0], "ok")) {
        code = pf_error_set(err, PF_CONFLICT, __FILE__, __LINE__, "query %.*s is open already", PF_STR_ARG(query_id));
    }
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_record_put(struct pf_sync *sync, pf_str query_id, pf_str record_json, int64_t ttl_ms,
                                struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_ADD(&batch, PF_STR("SET"), batch_key(&batch, query_id, "record"), record_json, PF_STR("PX"),
              batch_number(&batch, or_default(ttl_ms, DEFAULT_TTL_MS)));
    enum pf_code code = batch_run(&batch, 0, "write a query's record", err);
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_record_get(struct pf_sync *sync, pf_str query_id, struct pf_arena *arena, pf_str *out_record_json,
                                struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_ADD(&batch, PF_STR("GET"), batch_key(&batch, query_id, "record"));
    enum pf_code code = batch_run(&batch, 0, "read a query's record", err);
    if (code == PF_OK && reply_is_nil(batch.replies[0])) {
        code = pf_error_set(err, PF_NOT_FOUND, __FILE__, __LINE__, "query %.*s: unknown or forgotten",
                            PF_STR_ARG(query_id));
    }
    if (code == PF_OK) *out_record_json = pf_arena_str(arena, reply_text(batch.replies[0]));
    batch_clear(&batch);
    return code;
}

enum pf_code check_state(const valkeyReply *state, pf_str query_id, struct pf_error *err) {
    if (reply_is(state, "open")) return PF_OK;
    if (reply_is(state, "cancelled")) PF_FAIL(err, PF_CANCELLED, "query %.*s was cancelled", PF_STR_ARG(query_id));
    if (reply_is(state, "taken")) PF_FAIL(err, PF_CONFLICT, "query %.*s has another coordinator", PF_STR_ARG(query_id));
    PF_FAIL(err, PF_NOT_FOUND, "query %.*s is not open", PF_STR_ARG(query_id));
}

enum pf_code pf_sync_query_cancel(struct pf_sync *sync, pf_str query_id, struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_SCRIPT(&batch, SCRIPT_CANCEL, batch_key(&batch, query_id, "q"), query_id);
    enum pf_code code = batch_run(&batch, 0, "cancel a query", err);
    if (code == PF_OK && reply_is_nil(batch.replies[0])) code = check_state(batch.replies[0], query_id, err);
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_query_end(struct pf_sync *sync, pf_str query_id, pf_str coordinator_id, struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    ready_add_forget(&batch, query_id);
    batch_then(&batch);
    BATCH_SCRIPT(&batch, SCRIPT_END, batch_key(&batch, query_id, "q"), coordinator_id);
    enum pf_code code = batch_run(&batch, 0, "end a query", err);
    if (code == PF_OK && reply_is(batch.replies[1], "taken")) {
        batch_clear(&batch);
        batch_begin(&batch, sync, true);
        BATCH_ADD(&batch, PF_STR("SADD"), sync->queries_key, query_id);
        code = batch_run(&batch, 0, "leave a query to another coordinator", err);
        if (code == PF_OK) {
            code = pf_error_set(err, PF_CONFLICT, __FILE__, __LINE__, "query %.*s has another coordinator",
                                PF_STR_ARG(query_id));
        }
    }
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_query_job(struct pf_sync *sync, pf_str query_id, struct pf_arena *arena, pf_str *out_job,
                               struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_ADD(&batch, PF_STR("HGET"), batch_key(&batch, query_id, "q"), PF_STR("job"));
    enum pf_code code = batch_run(&batch, 0, "read a query's job", err);
    if (code == PF_OK && reply_is_nil(batch.replies[0])) code = check_state(NULL, query_id, err);
    if (code == PF_OK) *out_job = pf_arena_str(arena, reply_text(batch.replies[0]));
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_coordinator_heartbeat(struct pf_sync *sync, pf_str query_id, pf_str coordinator_id,
                                           int64_t lease_ms, bool *out_cancelled, struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_SCRIPT(&batch, SCRIPT_COORDINATE, batch_key(&batch, query_id, "q"), coordinator_id,
                 batch_number(&batch, or_default(lease_ms, DEFAULT_LEASE_MS)));
    enum pf_code code = batch_run(&batch, 0, "extend the coordinator's lease", err);
    const valkeyReply *state = code == PF_OK ? reply_element(batch.replies[0], 0) : NULL;
    if (code == PF_OK && !reply_is(state, "cancelled")) code = check_state(state, query_id, err);
    if (code == PF_OK) *out_cancelled = reply_is(state, "cancelled");
    if (code == PF_OK) code = ready_wake(sync, query_id, reply_number(reply_element(batch.replies[0], 1)), err);
    batch_clear(&batch);
    return code;
}

/* --- stages and tasks --- */

enum { PUSH_WORDS = 7 }; /* in front of the tasks */

static pf_str worker_of(const struct pf_sync_stage *stage, int task) {
    return stage->workers && stage->tasks[task].len ? stage->workers[task] : PF_STR_EMPTY;
}

static int add_push(struct batch *batch, pf_str query_id, const struct pf_sync_stage *stage, int first) {
    pf_str words[PUSH_WORDS + 2 * PUSH_TASKS] = {
        stage->coordinator_id,
        batch_number(batch, stage->first_attempt > 0 ? stage->first_attempt : 1),
        batch_number(batch, stage->id),
        stage->mark,
        batch_number(batch, first),
        batch_number(batch, or_default(stage->steal_ms, PF_SYNC_STEAL_MS)),
        stage->replaces ? PF_STR("1") : PF_STR("0"),
    };
    size_t size_bytes = 0;
    int taken = 0;
    while (first + taken < stage->task_count && taken < PUSH_TASKS && (taken == 0 || size_bytes < PUSH_BYTES)) {
        size_bytes += stage->tasks[first + taken].len;
        words[PUSH_WORDS + 2 * taken] = worker_of(stage, first + taken);
        words[PUSH_WORDS + 2 * taken + 1] = stage->tasks[first + taken];
        taken++;
    }
    pf_str key = batch_key(batch, query_id, "q");
    batch_add_script(batch, SCRIPT_PUSH, &key, 1, words, 2 * (size_t)taken + PUSH_WORDS);
    return taken;
}

static int by_text(const void *a, const void *b) {
    return pf_str_compare(*(const pf_str *)a, *(const pf_str *)b);
}

/* Wakes each worker that has tasks of its own, and as many of the others as there are tasks for anybody. */
static void add_wakes(struct batch *batch, pf_str query_id, const struct pf_sync_stage *stage) {
    pf_str *workers = PF_ARENA_ARRAY(batch->arena, pf_str, (size_t)stage->task_count);
    size_t count = 0, distinct = 0;
    int64_t for_anybody = 0;
    for (int i = 0; i < stage->task_count; i++) {
        pf_str worker = worker_of(stage, i);
        if (worker.len) workers[count++] = worker;
        for_anybody += stage->tasks[i].len && !worker.len;
    }
    if (count > 0) qsort(workers, count, sizeof *workers, by_text);
    for (size_t i = 0; i < count; i++) {
        if (distinct == 0 || !pf_str_equal(workers[distinct - 1], workers[i])) workers[distinct++] = workers[i];
    }
    for (size_t first = 0; first == 0 || first < distinct; first += READY_MAX_WORKERS) {
        size_t some = distinct - first < READY_MAX_WORKERS ? distinct - first : READY_MAX_WORKERS;
        ready_add_for(batch, query_id, first == 0 ? for_anybody : 0, workers + first, some);
    }
}

static enum pf_code check_workers(const struct pf_sync_stage *stage, struct pf_error *err) {
    for (int i = 0; i < stage->task_count; i++) {
        pf_str worker = worker_of(stage, i);
        if (worker.len) PF_TRY(check_id(worker, "worker id", err));
    }
    return PF_OK;
}

enum pf_code pf_sync_stage_push(struct pf_sync *sync, pf_str query_id, const struct pf_sync_stage *stage,
                                struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    PF_TRY(check_workers(stage, err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_SCRIPT(&batch, SCRIPT_STAGE, batch_key(&batch, query_id, "q"), batch_number(&batch, stage->id),
                 stage->payload, stage->coordinator_id, stage->mark, stage->replaces ? PF_STR("1") : PF_STR("0"));
    for (int first = 0; first < stage->task_count;) first += add_push(&batch, query_id, stage, first);
    size_t last = batch.count - 1;
    batch_then(&batch);
    if (stage->task_count > 0) add_wakes(&batch, query_id, stage);
    enum pf_code code = batch_run(&batch, 0, "queue a stage", err);
    if (code == PF_OK && reply_is(batch.replies[0], "differs")) {
        code = pf_error_set(err, PF_INVALID, __FILE__, __LINE__, "query %.*s has another stage %d",
                            PF_STR_ARG(query_id), stage->id);
    }
    if (code == PF_OK) code = check_state(batch.replies[last], query_id, err);
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_speculate(struct pf_sync *sync, pf_str query_id, int stage_id, int task_id, struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_SCRIPT(&batch, SCRIPT_SPECULATE, batch_key(&batch, query_id, "q"),
                 pf_arena_printf(batch.arena, "%d:%d", stage_id, task_id));
    batch_then(&batch);
    ready_add(&batch, query_id, 1);
    enum pf_code code = batch_run(&batch, 0, "queue a second attempt", err);
    if (code == PF_OK && reply_is(batch.replies[0], "unknown")) {
        code = pf_error_set(err, PF_NOT_FOUND, __FILE__, __LINE__, "query %.*s has no task %d:%d", PF_STR_ARG(query_id),
                            stage_id, task_id);
    } else if (code == PF_OK) {
        code = check_state(batch.replies[0], query_id, err);
    }
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_expire(struct pf_sync *sync, pf_str query_id, int *out_count, int *out_waiting,
                            struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_SCRIPT(&batch, SCRIPT_EXPIRE, batch_key(&batch, query_id, "q"), PF_STR_EMPTY);
    enum pf_code code = batch_run(&batch, 0, "look for lost tasks", err);
    if (code == PF_OK) code = ready_wake(sync, query_id, reply_number(reply_element(batch.replies[0], 1)), err);
    if (code == PF_OK && out_count) *out_count = (int)reply_number(reply_element(batch.replies[0], 0));
    if (code == PF_OK && out_waiting) *out_waiting = (int)reply_number(reply_element(batch.replies[0], 1));
    batch_clear(&batch);
    return code;
}

/* "stage:task[:attempt]" */
static void read_ref(pf_str text, int *out_stage_id, int *out_task_id, int *out_attempt) {
    int *const places[] = {out_stage_id, out_task_id, out_attempt};
    pf_str part;
    for (size_t i = 0; i < 3 && pf_str_next(&text, ':', &part); i++) {
        int64_t number = 0;
        pf_str_to_i64(part, &number);
        *places[i] = (int)number;
    }
}

static void read_running(const valkeyReply *list, struct pf_arena *arena, struct pf_sync_running **out_running,
                         size_t *out_count, int *out_waiting) {
    size_t count = list->elements / 3;
    struct pf_sync_running *running = PF_ARENA_ARRAY(arena, struct pf_sync_running, count);
    for (size_t i = 0; i < count; i++) {
        valkeyReply *const *fields = list->element + 1 + 3 * i;
        read_ref(reply_text(fields[0]), &running[i].stage_id, &running[i].task_id, &running[i].attempt);
        running[i].age_ms = reply_number(fields[1]);
        running[i].worker_id = pf_arena_str(arena, reply_text(fields[2]));
    }
    *out_running = running;
    *out_count = count;
    *out_waiting = list->elements ? (int)reply_number(list->element[0]) : 0;
}

enum pf_code pf_sync_running(struct pf_sync *sync, pf_str query_id, struct pf_arena *arena,
                             struct pf_sync_running **out_running, size_t *out_count, int *out_waiting,
                             struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    batch_add_script(&batch, SCRIPT_RUNNING, (const pf_str[]){batch_key(&batch, query_id, "q")}, 1, NULL, 0);
    enum pf_code code = batch_run(&batch, 0, "look what runs", err);
    if (code == PF_OK) read_running(batch.replies[0], arena, out_running, out_count, out_waiting);
    batch_clear(&batch);
    return code;
}

/* --- events --- */

static void read_field(char name, const valkeyReply *value, struct pf_arena *arena, struct pf_sync_event *event) {
    pf_str text = reply_text(value);
    char first = text.len ? text.ptr[0] : 0;
    switch (name) {
    case 'k':
        event->kind = first == 'D'   ? PF_SYNC_DONE
                      : first == 'F' ? PF_SYNC_FAILED
                      : first == 'L' ? PF_SYNC_LOST
                                     : PF_SYNC_CANCELLED;
        break;
    case 't': read_ref(text, &event->stage_id, &event->task_id, &event->attempt); break;
    case 'a': event->attempt = (int)reply_number(value); break;
    case 'w': event->worker_id = pf_arena_str(arena, text); break;
    case 'p': event->payload = pf_arena_str(arena, text); break;
    case 'm': event->message = pf_arena_str(arena, text); break;
    case 'c': event->code = pf_code_from_name(text); break;
    case 'f': event->is_final = first == '1'; break;
    case 'u': event->took_ms = reply_number(value); break;
    default: break;
    }
}

static void read_events(const valkeyReply *entries, struct pf_sync_cursor *cursor, struct pf_arena *arena,
                        struct pf_sync_event **out_events, size_t *out_count) {
    struct pf_sync_event *events = PF_ARENA_ARRAY(arena, struct pf_sync_event, entries->elements);
    for (size_t i = 0; i < entries->elements; i++) {
        const valkeyReply *entry = entries->element[i];
        if (entry->elements < 2) continue;
        const valkeyReply *fields = entry->element[1];
        for (size_t j = 0; j + 1 < fields->elements; j += 2) {
            pf_str name = reply_text(fields->element[j]);
            read_field(name.len ? name.ptr[0] : 0, fields->element[j + 1], arena, &events[i]);
        }
        if (events[i].kind == PF_SYNC_LOST) {
            events[i].code = PF_TIMEOUT;
            events[i].message = PF_STR("the worker died or was silent for too long");
        }
        pf_str id = reply_text(entry->element[0]);
        snprintf(cursor->id, sizeof cursor->id, "%.*s", PF_STR_ARG(id));
    }
    *out_events = events;
    *out_count = entries->elements;
}

enum pf_code pf_sync_wait_events(struct pf_sync *sync, pf_str query_id, struct pf_sync_cursor *cursor, int64_t wait_ms,
                                 struct pf_arena *arena, struct pf_sync_event **out_events, size_t *out_count,
                                 struct pf_error *err) {
    PF_TRY(check_id(query_id, "query id", err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    pf_str words[9] = {PF_STR("XREAD"), PF_STR("COUNT"), batch_number(&batch, EVENTS_PER_READ)};
    size_t count = 3;
    if (wait_ms > 0) { /* BLOCK 0 would mean for ever */
        words[count++] = PF_STR("BLOCK");
        words[count++] = batch_number(&batch, wait_ms);
    }
    words[count++] = PF_STR("STREAMS");
    words[count++] = batch_key(&batch, query_id, "events");
    words[count++] = cursor->id[0] ? pf_str_from_cstr(cursor->id) : PF_STR("0");
    batch_add(&batch, words, count);
    BATCH_ADD(&batch, PF_STR("EXISTS"), batch_key(&batch, query_id, "q"));
    enum pf_code code = batch_run(&batch, wait_ms, "wait for events", err);
    if (code == PF_OK) {
        const valkeyReply *streams = batch.replies[0];
        bool has_events = streams->elements == 1 && streams->element[0]->elements == 2;
        if (has_events) {
            read_events(streams->element[0]->element[1], cursor, arena, out_events, out_count);
        } else if (reply_number(batch.replies[1]) == 0) {
            code = check_state(NULL, query_id, err);
        } else {
            *out_events = NULL;
            *out_count = 0;
        }
    }
    batch_clear(&batch);
    return code;
}
