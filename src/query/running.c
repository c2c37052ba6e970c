/* SPDX-License-Identifier: MIT */
/* The list of queries of this process: who is admitted, how far each is, and the records of those that ended. */
#include "query/query_internal.h"
#include "query/query_log.h"
#include "query/result_hits.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "sync/sync.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum {
    MAX_RECORD_BYTES = 1 << 20,
    MAX_WAITING_FACTOR = 16,
    ADMISSION_TICK_MS = 100,
    ADMISSION_MS = 60000,
    MAX_RECORD_SQL = 4000
};

static const char *const state_names[] = {"waiting", "planning", "running", "done", "failed", "cancelled"};

const char *running_state_name(enum query_state state) {
    return state_names[state];
}

/* ---- admission ---- */

static void link_locked(struct pf_stack *stack, struct running *running) {
    running->next = stack->locked.first;
    if (running->next) running->next->previous = running;
    stack->locked.first = running;
}

static void unlink_locked(struct pf_stack *stack, struct running *running) {
    if (running->next) running->next->previous = running->previous;
    if (running->previous) {
        running->previous->next = running->next;
    } else {
        stack->locked.first = running->next;
    }
    running->next = running->previous = NULL;
}

static bool id_is_taken_locked(struct pf_stack *stack, pf_str id) {
    for (struct running *other = stack->locked.first; other; other = other->next) {
        if (pf_str_equal(other->id, id)) return true;
    }
    return false;
}

/* Queries of one client, by what they do. */
static int count_of_client_locked(const struct pf_stack *stack, pf_str client, bool is_admitted) {
    int count = 0;
    for (const struct running *other = stack->locked.first; other; other = other->next) {
        if (other->is_admitted == is_admitted && pf_str_equal(other->client, client)) count++;
    }
    return count;
}

/* The entry of a client; if it has none, the one that was used the longest ago. */
static struct client_turn *find_turn_locked(struct pf_stack *stack, pf_str client, bool *out_is_known) {
    uint64_t hash = XXH64(client.ptr, client.len, 0);
    struct client_turn *oldest = &stack->locked.turns[0];
    for (size_t i = 0; i < CLIENT_TURNS; i++) {
        struct client_turn *entry = &stack->locked.turns[i];
        *out_is_known = entry->turn && entry->client_hash == hash;
        if (*out_is_known) return entry;
        if (entry->turn < oldest->turn) oldest = entry;
    }
    return oldest;
}

static int64_t last_turn_locked(struct pf_stack *stack, pf_str client) {
    bool is_known;
    const struct client_turn *entry = find_turn_locked(stack, client, &is_known);
    return is_known ? entry->turn : 0;
}

static void note_turn_locked(struct pf_stack *stack, pf_str client) {
    bool is_known;
    struct client_turn *entry = find_turn_locked(stack, client, &is_known);
    *entry = (struct client_turn){XXH64(client.ptr, client.len, 0), ++stack->locked.next_turn};
}

/* Who is next: the client with the fewest running queries; of those the one that was served the longest ago; of its
 * queries the oldest. */
static bool goes_before_locked(struct pf_stack *stack, const struct running *a, const struct running *b) {
    if (pf_str_equal(a->client, b->client)) return a->ticket < b->ticket;
    int of_a = count_of_client_locked(stack, a->client, true), of_b = count_of_client_locked(stack, b->client, true);
    if (of_a != of_b) return of_a < of_b;
    int64_t turn_a = last_turn_locked(stack, a->client), turn_b = last_turn_locked(stack, b->client);
    return turn_a != turn_b ? turn_a < turn_b : a->ticket < b->ticket;
}

/* Fills free places. Those that wait look at is_admitted. */
static void admit_waiting_locked(struct pf_stack *stack) {
    while (stack->locked.running_count < stack->options.max_running) {
        struct running *chosen = NULL;
        for (struct running *other = stack->locked.first; other; other = other->next) {
            if (other->is_admitted || !other->is_waiting) continue;
            if (!chosen || goes_before_locked(stack, other, chosen)) chosen = other;
        }
        if (!chosen) return;
        chosen->is_admitted = true;
        chosen->is_waiting = false;
        note_turn_locked(stack, chosen->client);
        chosen->locked.state = QUERY_PLANNING;
        stack->locked.running_count++;
        stack->locked.waiting_count--;
    }
}

/* No client may fill the line alone. */
static enum pf_code check_line_locked(struct pf_stack *stack, const struct running *running, struct pf_error *err) {
    int places = stack->options.max_running * MAX_WAITING_FACTOR;
    if (stack->locked.is_closing) PF_FAIL(err, PF_REMOTE, "the service is shutting down");
    if (id_is_taken_locked(stack, running->id)) {
        PF_FAIL(err, PF_CONFLICT, "a query with id '%.*s' is running", PF_STR_ARG(running->id));
    }
    if (stack->locked.waiting_count >= places) {
        PF_FAIL(err, PF_THROTTLED, "%d queries run and %d wait: try again later, or raise --max-running",
                stack->locked.running_count, stack->locked.waiting_count);
    }
    if (stack->locked.waiting_count == 0) return PF_OK;
    int own = count_of_client_locked(stack, running->client, false);
    if (own >= places / 2 + 1) {
        PF_FAIL(err, PF_THROTTLED, "%d queries of %.*s wait already: try again later, or raise --max-running", own,
                PF_STR_ARG(running->client));
    }
    return PF_OK;
}

enum pf_code running_admit(struct pf_stack *stack, struct running *running, struct pf_error *err) {
    pthread_mutex_lock(&stack->locked.mutex);
    enum pf_code code = check_line_locked(stack, running, err);
    if (code != PF_OK) {
        pthread_mutex_unlock(&stack->locked.mutex);
        return code;
    }
    struct pf_deadline patience = pf_deadline_in(ADMISSION_MS);
    link_locked(stack, running);
    running->ticket = ++stack->locked.next_ticket;
    running->is_waiting = true;
    stack->locked.waiting_count++;
    admit_waiting_locked(stack);
    while (!running->is_admitted && code == PF_OK) {
        pf_condition_wait_ms(&stack->changed, &stack->locked.mutex, ADMISSION_TICK_MS);
        code = running_check(running, err);
        if (code == PF_OK && !running->is_admitted && pf_deadline_left_ms(patience) == 0) {
            code = pf_error_set(err, PF_THROTTLED, __FILE__, __LINE__,
                                "no place came free in %d s (%d queries run and %d wait): try again later, or raise "
                                "--max-running",
                                ADMISSION_MS / 1000, stack->locked.running_count, stack->locked.waiting_count);
        }
    }
    if (!running->is_admitted) {
        stack->locked.waiting_count--;
        running->is_waiting = false;
        unlink_locked(stack, running);
    } else {
        code = PF_OK; /* a stop that came with it is noticed soon enough */
    }
    pthread_mutex_unlock(&stack->locked.mutex);
    return code;
}

void running_end(struct pf_stack *stack, struct running *running, enum pf_code code, const struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "record");
    pthread_mutex_lock(&stack->locked.mutex);
    if (code != PF_OK && err) running->locked.failure = *err;
    running->locked.state = code == PF_OK ? QUERY_DONE : code == PF_CANCELLED ? QUERY_CANCELLED : QUERY_FAILED;
    running->locked.session = NULL;
    pthread_mutex_unlock(&stack->locked.mutex);

    pf_str json = running_record_json(stack, running, arena);
    if (!running->is_foreign) query_log_query(stack, running);

    pthread_mutex_lock(&stack->locked.mutex);
    struct finished_record *record = &stack->locked.records[stack->locked.record_next++ % RECORD_KEEP];
    free(record->json);
    record->json = strndup(json.ptr, json.len);
    size_t id_length = running->id.len < sizeof record->id - 1 ? running->id.len : sizeof record->id - 1;
    memcpy(record->id, running->id.ptr, id_length);
    record->id[id_length] = 0;
    unlink_locked(stack, running);
    if (running->is_admitted) stack->locked.running_count--;
    admit_waiting_locked(stack);
    struct pf_sync *sync = stack->locked.sync;
    pthread_cond_broadcast(&stack->changed);
    pthread_mutex_unlock(&stack->locked.mutex);

    struct pf_error ignored;
    if (sync && !running->is_foreign && pf_sync_record_put(sync, running->id, json, RECORD_TTL_MS, &ignored) != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "record not kept in Redis, tolerated", &ignored);
    }
    pf_arena_free(arena);
}

/* ---- state ---- */

void running_set_state(struct pf_stack *stack, struct running *running, enum query_state state) {
    pthread_mutex_lock(&stack->locked.mutex);
    running->locked.state = state;
    pthread_mutex_unlock(&stack->locked.mutex);
}

void running_set_session(struct pf_stack *stack, struct running *running, struct pf_session *session) {
    pthread_mutex_lock(&stack->locked.mutex);
    running->locked.session = session;
    pthread_mutex_unlock(&stack->locked.mutex);
}

enum pf_code running_check(const struct running *running, struct pf_error *err) {
    switch (atomic_load(&running->stop)) {
    case STOP_CANCELLED: PF_FAIL(err, PF_CANCELLED, "query %.*s was cancelled", PF_STR_ARG(running->id));
    case STOP_TIMEOUT:
        PF_FAIL(err, PF_TIMEOUT, "query %.*s reached its time limit of %lld ms", PF_STR_ARG(running->id),
                (long long)(running->deadline_mono_ms - running->started_mono_ms));
    default: return PF_OK;
    }
}

enum pf_code running_explain_stop(const struct running *running, enum pf_code code, struct pf_error *err) {
    if (code == PF_OK) return PF_OK;
    enum pf_code stopped = running_check(running, err);
    return stopped != PF_OK ? stopped : code;
}

/* ---- record ---- */

static void put_stages(struct pf_json_out *out, const struct running *running) {
    pf_json_key(out, "stages");
    pf_json_open_array(out);
    for (size_t i = 0; i < running->locked.stage_count; i++) {
        const struct stage_progress *stage = &running->locked.stages[i];
        int64_t ended_ms = stage->ended_ms ? stage->ended_ms : pf_clock_mono_ms();
        pf_json_open_object(out);
        pf_json_field_i64(out, "id", stage->id);
        pf_json_field_str(out, "title", stage->title);
        pf_json_field_str(out, "exchange", stage->exchange);
        pf_json_field_i64(out, "tasks", stage->tasks);
        pf_json_field_i64(out, "done", stage->done);
        pf_json_field_i64(out, "retries", stage->retries);
        pf_json_field_i64(out, "extra_attempts", stage->extra_attempts);
        pf_json_field_i64(out, "rows", stage->rows);
        pf_json_field_i64(out, "bytes", stage->bytes);
        pf_json_field_i64(out, "scanned_bytes", stage->scanned_bytes);
        pf_json_field_i64(out, "scanned_files", stage->scanned_files);
        pf_json_field_i64(out, "skipped_files", stage->skipped_files);
        pf_json_field_i64(out, "skipped_rows", stage->skipped_rows);
        pf_json_field_i64(out, "kept_tasks", stage->kept_tasks);
        pf_json_field_i64(out, "home_tasks", stage->home_tasks);
        pf_json_field_i64(out, "reads", stage->reads);
        pf_json_field_i64(out, "warm_reads", stage->warm_reads);
        pf_json_field_i64(out, "ms", stage->started_ms ? ended_ms - stage->started_ms : 0);
        if (stage->single_reason.len) pf_json_field_str(out, "one_place_because", stage->single_reason);
        pf_json_close_object(out);
    }
    pf_json_close_array(out);
}

static void put_outcome(struct pf_json_out *out, const struct pf_outcome *outcome) {
    if (!outcome->kind.len) return;
    pf_json_field_str(out, "statement", outcome->kind);
    pf_json_field_str(out, "object", outcome->object);
    pf_json_field_i64(out, "written_rows", outcome->row_count);
    pf_json_field_i64(out, "written_files", outcome->file_count);
    if (outcome->snapshot_id) pf_json_field_i64(out, "snapshot_id", outcome->snapshot_id);
}

static void put_record_locked(struct pf_json_out *out, const struct running *running) {
    const struct pf_query_stats *stats = &running->locked.stats;
    char started[PF_CLOCK_TEXT_BYTES];
    pf_json_open_object(out);
    pf_json_field_str(out, "query_id", running->id);
    pf_json_field_str(out, "state", pf_str_from_cstr(state_names[running->locked.state]));
    pf_json_field_str(out, "route", pf_str_from_cstr(pf_route_name(stats->route)));
    pf_json_field_str(out, "reason", stats->reason);
    pf_json_field_str(out, "coordinator", running->coordinator_id);
    if (running->kept_until_wall_ms) {
        char until[PF_CLOCK_TEXT_BYTES];
        pf_json_field_str(out, "result_until", pf_clock_format(running->kept_until_wall_ms, until));
    }
    pf_json_field_str(out, "sql", pf_str_slice(running->sql, 0, MAX_RECORD_SQL));
    pf_json_field_str(out, "started", pf_clock_format(running->started_wall_ms, started));
    int64_t elapsed_ms = stats->wall_us ? stats->wall_us / 1000 : pf_clock_mono_ms() - running->started_mono_ms;
    pf_json_field_i64(out, "elapsed_ms", elapsed_ms);
    pf_json_field_i64(out, "rows", stats->rows);
    put_outcome(out, &stats->outcome);
    pf_json_field_i64(out, "workers", stats->worker_count);
    pf_json_field_i64(out, "retries", stats->retry_count);
    pf_json_field_i64(out, "extra_attempts", stats->extra_attempts);
    pf_json_field_i64(out, "scanned_bytes", stats->scanned_bytes);
    pf_json_field_i64(out, "exchanged_bytes", stats->exchanged_bytes);
    pf_json_field_i64(out, "store_requests", stats->store_requests);
    pf_json_field_i64(out, "store_bytes", stats->store_bytes);
    pf_json_field_i64(out, "store_kept_bytes", stats->store_kept_bytes);
    pf_json_field_i64(out, "reads", stats->read_count);
    pf_json_field_i64(out, "warm_reads", stats->warm_read_count);
    put_stages(out, running);
    if (running->locked.failure.code != PF_OK) {
        pf_json_key(out, "error");
        pf_json_open_object(out);
        pf_json_field_str(out, "code", pf_str_from_cstr(pf_code_name(running->locked.failure.code)));
        pf_json_field_str(out, "message", pf_str_from_cstr(running->locked.failure.message));
        pf_json_close_object(out);
    }
    pf_json_close_object(out);
}

static pf_str record_json_locked(const struct running *running, struct pf_arena *arena) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_RECORD_BYTES);
    pf_json_begin(&out, &buf);
    put_record_locked(&out, running);
    pf_str json = buf.failed ? PF_STR("{}") : pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return json;
}

pf_str running_record_json(struct pf_stack *stack, struct running *running, struct pf_arena *arena) {
    pthread_mutex_lock(&stack->locked.mutex);
    pf_str json = record_json_locked(running, arena);
    pthread_mutex_unlock(&stack->locked.mutex);
    return json;
}

static pf_str find_record_locked(struct pf_stack *stack, pf_str query_id, struct pf_arena *arena) {
    for (struct running *running = stack->locked.first; running; running = running->next) {
        if (pf_str_equal(running->id, query_id)) return record_json_locked(running, arena);
    }
    for (size_t i = 0; i < RECORD_KEEP; i++) {
        const struct finished_record *record = &stack->locked.records[i];
        if (record->json && pf_str_equal(pf_str_from_cstr(record->id), query_id)) {
            return pf_arena_str(arena, pf_str_from_cstr(record->json));
        }
    }
    return PF_STR_EMPTY;
}

enum pf_code pf_stack_query_record(struct pf_stack *stack, pf_str query_id, struct pf_arena *arena, pf_str *out_json,
                                   struct pf_error *err) {
    pthread_mutex_lock(&stack->locked.mutex);
    pf_str json = find_record_locked(stack, query_id, arena);
    struct pf_sync *sync = stack->locked.sync;
    pthread_mutex_unlock(&stack->locked.mutex);
    if (!json.len && stack->hits) json = result_hits_record(stack, query_id, arena);
    if (json.len) {
        *out_json = json;
        return PF_OK;
    }
    if (sync) {
        enum pf_code code = pf_sync_record_get(sync, query_id, arena, out_json, err);
        if (code != PF_NOT_FOUND) return code;
    }
    PF_FAIL(err, PF_NOT_FOUND, "no query with id '%.*s' is known (records are kept for an hour)", PF_STR_ARG(query_id));
}

enum pf_code pf_stack_cancel(struct pf_stack *stack, pf_str query_id, struct pf_error *err) {
    bool is_ours = false;
    pthread_mutex_lock(&stack->locked.mutex);
    for (struct running *running = stack->locked.first; running; running = running->next) {
        if (!pf_str_equal(running->id, query_id)) continue;
        int expected = STOP_NOT;
        atomic_compare_exchange_strong(&running->stop, &expected, STOP_CANCELLED);
        if (running->locked.session) pf_session_interrupt(running->locked.session);
        is_ours = true;
    }
    struct pf_sync *sync = stack->locked.sync;
    pthread_mutex_unlock(&stack->locked.mutex);
    if (sync) {
        enum pf_code code = pf_sync_query_cancel(sync, query_id, is_ours ? NULL : err);
        if (!is_ours && code != PF_NOT_FOUND) return code;
    }
    if (!is_ours) PF_FAIL(err, PF_NOT_FOUND, "no query with id '%.*s' is running", PF_STR_ARG(query_id));
    query_log_audit(stack, PF_STR_EMPTY, "cancel", query_id, PF_OK);
    return PF_OK;
}
