/* SPDX-License-Identifier: MIT */
#include "query/query_log.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "query/task.h"
#include "sync/sync.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_ROW_BYTES = 64 << 10,
    MAX_WAITING_ROWS = 100000, /* in memory; more are dropped, and counted */
    MAX_STREAM_ROWS = 200000,  /* of one log in Redis; older ones are dropped, and reported */
    MAX_STATEMENT_BYTES = 4000,
    TICK_MS = 500,
    CARE_EVERY_MS = 5000,
    RETRY_MS = 1000,
    FLUSH_MS = 5000,
    CLOSE_MS = 5000,
};

struct rows {
    char **items;
    size_t count, capacity;
};

struct query_log {
    pf_str writer_id;
    char host[64];
    pthread_t thread;
    pthread_cond_t noted, written;
    int64_t batch_number; /* of the thread alone */
    struct {
        pthread_mutex_t mutex;
        struct rows rows[LOG_KIND_COUNT];
        int64_t noted_count, written_count, dropped_count; /* written: or given up */
        bool is_closing;
    } locked;
};

/* ---- noting ---- */

static void note(struct query_log *log, enum log_kind kind, struct pf_buf *json) {
    struct rows *rows = &log->locked.rows[kind];
    pf_str text = pf_buf_view(json);
    pthread_mutex_lock(&log->locked.mutex);
    bool is_full = rows->count >= MAX_WAITING_ROWS || json->failed;
    if (!is_full && rows->count == rows->capacity) {
        size_t capacity = rows->capacity ? rows->capacity * 2 : 64;
        char **items = realloc(rows->items, capacity * sizeof *items);
        if (items) rows->items = items, rows->capacity = capacity;
        is_full = items == NULL;
    }
    char *copy = is_full ? NULL : strndup(text.ptr, text.len);
    if (copy) {
        rows->items[rows->count++] = copy;
        log->locked.noted_count++;
    } else {
        log->locked.dropped_count++;
    }
    pthread_cond_signal(&log->noted);
    pthread_mutex_unlock(&log->locked.mutex);
    pf_buf_clear(json);
}

static void begin_row(struct pf_buf *buf, struct pf_json_out *out) {
    pf_buf_init(buf, MAX_ROW_BYTES);
    pf_json_begin(out, buf);
    pf_json_open_object(out);
}

static void put_text(struct pf_json_out *out, const char *name, pf_str text) {
    if (text.len) pf_json_field_str(out, name, text);
}

static void put_time(struct pf_json_out *out, const char *name, int64_t wall_ms) {
    char text[PF_CLOCK_TEXT_BYTES];
    pf_json_field_str(out, name, pf_clock_format(wall_ms, text));
}

static void put_failure(struct pf_json_out *out, enum pf_code code, pf_str message) {
    if (code == PF_OK) return;
    pf_json_field_str(out, "error_code", pf_str_from_cstr(pf_code_name(code)));
    put_text(out, "error_message", message);
}

void query_log_query(struct pf_stack *stack, struct running *running) {
    if (!stack->log) return;
    const struct pf_query_stats *stats = &running->locked.stats;
    struct pf_buf buf;
    struct pf_json_out out;
    begin_row(&buf, &out);
    pf_json_field_str(&out, "id", running->id);
    put_time(&out, "started", running->started_wall_ms);
    put_time(&out, "ended", running->started_wall_ms + (pf_clock_mono_ms() - running->started_mono_ms));
    pf_json_field_str(&out, "state", pf_str_from_cstr(running_state_name(running->locked.state)));
    pf_json_field_str(&out, "route", pf_str_from_cstr(pf_route_name(stats->route)));
    put_text(&out, "reason", stats->reason);
    pf_json_field_str(&out, "statement", pf_str_slice(running->sql, 0, MAX_STATEMENT_BYTES));
    put_text(&out, "user_name", running->user);
    put_text(&out, "client", running->client);
    put_failure(&out, running->locked.failure.code, pf_str_from_cstr(running->locked.failure.message));
    pf_json_field_f64(&out, "planning_ms", (double)stats->plan_us / 1000);
    pf_json_field_f64(&out, "elapsed_ms", (double)stats->wall_us / 1000);
    pf_json_field_i64(&out, "stages", stats->stage_count);
    pf_json_field_i64(&out, "tasks", stats->task_count);
    pf_json_field_i64(&out, "retries", stats->retry_count);
    pf_json_field_i64(&out, "workers", stats->worker_count);
    pf_json_field_i64(&out, "scanned_bytes", stats->scanned_bytes);
    pf_json_field_i64(&out, "exchanged_bytes", stats->exchanged_bytes);
    pf_json_field_i64(&out, "rows", stats->rows);
    pf_json_field_str(&out, "server", pf_str_from_cstr(stack->log->host));
    pf_json_close_object(&out);
    note(stack->log, LOG_QUERIES, &buf);
}

void query_log_task(struct pf_stack *stack, pf_str query_id, const struct pf_sync_event *event,
                    const struct task_result *result) {
    static const char *const states[] = {[PF_SYNC_DONE] = "done",
                                         [PF_SYNC_FAILED] = "failed",
                                         [PF_SYNC_LOST] = "lost",
                                         [PF_SYNC_CANCELLED] = "cancelled"};
    if (!stack->log) return;
    struct pf_buf buf;
    struct pf_json_out out;
    begin_row(&buf, &out);
    pf_json_field_str(&out, "query_id", query_id);
    pf_json_field_i64(&out, "stage", event->stage_id);
    pf_json_field_i64(&out, "task", event->task_id);
    pf_json_field_i64(&out, "attempt", event->attempt);
    put_text(&out, "worker", event->worker_id);
    put_time(&out, "ended", pf_clock_wall_ms());
    pf_json_field_str(&out, "state", pf_str_from_cstr(states[event->kind]));
    put_failure(&out, event->code, event->message);
    if (event->kind == PF_SYNC_DONE) pf_json_field_i64(&out, "elapsed_ms", event->took_ms);
    if (result) {
        pf_json_field_i64(&out, "rows", result->rows);
        pf_json_field_i64(&out, "bytes", result->bytes);
    }
    pf_json_close_object(&out);
    note(stack->log, LOG_TASKS, &buf);
}

void query_log_audit(struct pf_stack *stack, pf_str client, const char *action, pf_str object, enum pf_code outcome) {
    if (!stack->log) return;
    struct pf_arena *arena = pf_arena_new(NULL, "audit");
    struct pf_buf buf;
    struct pf_json_out out;
    begin_row(&buf, &out);
    pf_json_field_str(&out, "id", pf_id_ulid(arena));
    put_time(&out, "happened", pf_clock_wall_ms());
    put_text(&out, "client", client);
    pf_json_field_str(&out, "action", pf_str_from_cstr(action));
    put_text(&out, "object", pf_str_slice(object, 0, MAX_STATEMENT_BYTES));
    pf_json_field_str(&out, "outcome", pf_str_from_cstr(pf_code_name(outcome)));
    pf_json_field_str(&out, "server", pf_str_from_cstr(stack->log->host));
    pf_json_close_object(&out);
    note(stack->log, LOG_AUDIT, &buf);
    pf_arena_free(arena);
}

enum pf_code query_log_flush(struct pf_stack *stack, struct pf_error *err) {
    struct query_log *log = stack->log;
    if (!log) return PF_OK;
    struct pf_deadline deadline = pf_deadline_in(FLUSH_MS);
    pthread_mutex_lock(&log->locked.mutex);
    int64_t wanted = log->locked.noted_count;
    while (log->locked.written_count < wanted && pf_deadline_left_ms(deadline) > 0) {
        pf_condition_wait_ms(&log->written, &log->locked.mutex, pf_deadline_left_ms(deadline));
    }
    bool is_done = log->locked.written_count >= wanted;
    pthread_mutex_unlock(&log->locked.mutex);
    if (!is_done) PF_FAIL(err, PF_TIMEOUT, "the query log could not be written to Redis within %d ms", FLUSH_MS);
    return PF_OK;
}

/* ---- writing: the thread ---- */

/* The first rows of some log; they stay in it until they are written. */
static size_t peek_rows(struct query_log *log, enum log_kind *out_kind, pf_str *rows) {
    size_t count = 0;
    pthread_mutex_lock(&log->locked.mutex);
    for (int kind = 0; kind < LOG_KIND_COUNT && count == 0; kind++) {
        const struct rows *waiting = &log->locked.rows[kind];
        for (; count < waiting->count && count < PF_SYNC_LOG_MAX_BATCH; count++) {
            rows[count] = pf_str_from_cstr(waiting->items[count]);
        }
        *out_kind = (enum log_kind)kind;
    }
    pthread_mutex_unlock(&log->locked.mutex);
    return count;
}

static void drop_rows(struct query_log *log, enum log_kind kind, size_t count) {
    pthread_mutex_lock(&log->locked.mutex);
    struct rows *rows = &log->locked.rows[kind];
    for (size_t i = 0; i < count; i++) free(rows->items[i]);
    rows->count -= count;
    memmove(rows->items, rows->items + count, rows->count * sizeof *rows->items);
    log->locked.written_count += (int64_t)count;
    pthread_cond_broadcast(&log->written);
    pthread_mutex_unlock(&log->locked.mutex);
}

static enum pf_code write_rows(struct pf_stack *stack, struct pf_error *err) {
    struct query_log *log = stack->log;
    pf_str rows[PF_SYNC_LOG_MAX_BATCH];
    enum log_kind kind;
    for (size_t count; (count = peek_rows(log, &kind, rows)) > 0;) {
        PF_TRY(stack_need_sync(stack, err));
        int64_t dropped = 0;
        struct pf_sync_log_batch batch = {
            .log = system_table_log(kind),
            .writer_id = log->writer_id,
            .number = log->batch_number + 1,
            .entries = rows,
            .count = count,
            .max_entries = MAX_STREAM_ROWS,
        };
        PF_TRY(pf_sync_log_append(stack->sync, &batch, &dropped, err));
        log->batch_number++;
        drop_rows(log, kind, count);
        if (dropped > 0) {
            pf_log(PF_LOG_ERROR,
                   "the query log in Redis was full, its oldest rows are lost: nobody moves them into tables",
                   "\"log\":\"%.*s\",\"rows\":%lld", PF_STR_ARG(batch.log), (long long)dropped);
        }
    }
    return PF_OK;
}

static void report_dropped(struct query_log *log) {
    pthread_mutex_lock(&log->locked.mutex);
    int64_t dropped = log->locked.dropped_count;
    log->locked.dropped_count = 0;
    pthread_mutex_unlock(&log->locked.mutex);
    if (dropped == 0) return;
    pf_log(PF_LOG_ERROR, "rows of the query log were dropped: Redis takes none", "\"rows\":%lld", (long long)dropped);
}

static void move_rows(struct pf_stack *stack, bool all) {
    for (int kind = 0; kind < LOG_KIND_COUNT; kind++) {
        struct pf_error err;
        int64_t rows = 0;
        if (system_table_move(stack, (enum log_kind)kind, all, &rows, &err) != PF_OK) {
            pf_log_failure(PF_LOG_WARN, "the query log was not moved, it stays in Redis", &err);
        } else if (rows > 0) {
            pf_log(PF_LOG_INFO, "the query log was moved", "\"table\":\"system.%.*s\",\"rows\":%lld",
                   PF_STR_ARG(system_table_log((enum log_kind)kind)), (long long)rows);
        }
    }
}

/* False when the stack is closing. */
static bool wait_for_rows(struct query_log *log, int64_t wait_ms) {
    pthread_mutex_lock(&log->locked.mutex);
    bool has_rows = false;
    for (int kind = 0; kind < LOG_KIND_COUNT; kind++) has_rows = has_rows || log->locked.rows[kind].count > 0;
    if (!log->locked.is_closing && (!has_rows || wait_ms > TICK_MS)) {
        pf_condition_wait_ms(&log->noted, &log->locked.mutex, wait_ms);
    }
    bool goes_on = !log->locked.is_closing;
    pthread_mutex_unlock(&log->locked.mutex);
    return goes_on;
}

static bool stack_has_sync(struct pf_stack *stack) {
    pthread_mutex_lock(&stack->locked.mutex);
    bool has = stack->locked.sync != NULL;
    pthread_mutex_unlock(&stack->locked.mutex);
    return has;
}

static void *run_log(void *context) {
    struct pf_stack *stack = context;
    struct pf_error err;
    int64_t care_ms = stack->options.log_move_ms < CARE_EVERY_MS ? stack->options.log_move_ms : CARE_EVERY_MS;
    int64_t next_care_ms = pf_clock_mono_ms() + care_ms;
    bool was_fine = true;
    while (wait_for_rows(stack->log, TICK_MS)) {
        bool is_fine = write_rows(stack, &err) == PF_OK;
        if (!is_fine && was_fine) pf_log_failure(PF_LOG_WARN, "the query log can't be written, trying again", &err);
        was_fine = is_fine;
        report_dropped(stack->log);
        if (!is_fine) pf_clock_sleep_ms(RETRY_MS);
        if (!is_fine || !stack_has_sync(stack) || pf_clock_mono_ms() < next_care_ms) continue;
        move_rows(stack, false);
        next_care_ms = pf_clock_mono_ms() + care_ms;
    }
    struct pf_deadline deadline = pf_deadline_in(CLOSE_MS);
    while (write_rows(stack, &err) != PF_OK && pf_deadline_left_ms(deadline) > 0) pf_clock_sleep_ms(50);
    if (stack->redis && stack_has_sync(stack)) move_rows(stack, true);
    return NULL;
}

/* ---- open and close ---- */

enum pf_code query_log_open(struct pf_stack *stack, struct pf_error *err) {
    struct query_log *log = PF_ARENA_NEW(stack->arena, struct query_log);
    log->writer_id = pf_id_ulid(stack->arena);
    if (gethostname(log->host, sizeof log->host - 1) != 0) log->host[0] = 0;
    pthread_mutex_init(&log->locked.mutex, NULL);
    pf_condition_init(&log->noted);
    pf_condition_init(&log->written);
    stack->log = log;
    int status = pthread_create(&log->thread, NULL, run_log, stack);
    if (status == 0) return PF_OK;
    stack->log = NULL;
    PF_FAIL_ERRNO(err, status, "start the thread of the query log");
}

void query_log_close(struct pf_stack *stack) {
    struct query_log *log = stack->log;
    if (!log) return;
    pthread_mutex_lock(&log->locked.mutex);
    log->locked.is_closing = true;
    pthread_cond_broadcast(&log->noted);
    pthread_mutex_unlock(&log->locked.mutex);
    pthread_join(log->thread, NULL);
    stack->log = NULL;
    int64_t lost = log->locked.dropped_count;
    for (int kind = 0; kind < LOG_KIND_COUNT; kind++) {
        lost += (int64_t)log->locked.rows[kind].count;
        for (size_t i = 0; i < log->locked.rows[kind].count; i++) free(log->locked.rows[kind].items[i]);
        free(log->locked.rows[kind].items);
    }
    if (lost > 0) pf_log(PF_LOG_ERROR, "rows of the query log are lost", "\"rows\":%lld", (long long)lost);
    pthread_cond_destroy(&log->noted);
    pthread_cond_destroy(&log->written);
    pthread_mutex_destroy(&log->locked.mutex);
}
