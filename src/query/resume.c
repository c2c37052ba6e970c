/* SPDX-License-Identifier: MIT */
#include "query/resume.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "query/store_slices.h"
#include "sync/sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_JOB_BYTES = 2 << 20,
    MAX_RESUMING = 16, /* at once */
    MAX_KEPT = 64,
    MAX_KEPT_ROWS = 1000000,
    KEPT_MS = 600000,
};

/* ---- the job ---- */

pf_str resume_job(const struct pf_query *query, struct pf_arena *arena) {
    if (query->explain != EXPLAIN_NOT) return PF_STR_EMPTY;
    const struct running *running = &query->running;
    int64_t left_ms = running->deadline_mono_ms ? running->deadline_mono_ms - pf_clock_mono_ms() : 0;
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_JOB_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    /* Of a statement that writes all of it, not the SELECT that runs now. */
    pf_json_field_str(&out, "sql", query->write ? running->sql : query->sql);
    pf_json_field_i64(&out, "deadline_wall_ms", running->deadline_mono_ms ? pf_clock_wall_ms() + left_ms : 0);
    pf_json_field_i64(&out, "max_rows", query->max_rows);
    pf_json_field_i64(&out, "workers",
                      query->planned_workers ? query->planned_workers : query->stack->options.worker_count);
    pf_json_close_object(&out);
    pf_str job = buf.failed ? PF_STR_EMPTY : pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return job;
}

struct resumption {
    struct pf_stack *stack;
    struct pf_arena *arena;
    struct resume_options options;
};

static enum pf_code read_job(pf_str query_id, pf_str job, struct resumption *resumption, struct pf_error *err) {
    pf_json *root = NULL;
    pf_str sql;
    PF_TRY(pf_json_parse(job, resumption->arena, "job", &root, err));
    PF_TRY(pf_json_need_str(root, "sql", "job", &sql, err));
    int64_t deadline_ms = pf_json_get_i64(root, "deadline_wall_ms", 0);
    int64_t left_ms = deadline_ms ? deadline_ms - pf_clock_wall_ms() : 0;
    resumption->options = (struct resume_options){
        .query = {.sql = sql,
                  .route = PF_ROUTE_FLEET,
                  .timeout_ms = deadline_ms && left_ms <= 0 ? 1 : left_ms,
                  .max_rows = pf_json_get_i64(root, "max_rows", 0),
                  .id = pf_arena_str(resumption->arena, query_id)},
        .planned_workers = (int)pf_json_get_i64(root, "workers", 0),
    };
    return PF_OK;
}

static void end_resumption(struct resumption *resumption) {
    struct pf_stack *stack = resumption->stack;
    pf_arena_free(resumption->arena);
    pthread_mutex_lock(&stack->locked.mutex);
    stack->locked.resuming_count--;
    pthread_mutex_unlock(&stack->locked.mutex);
}

static void *run_resumption(void *context) {
    struct resumption *resumption = context;
    query_resume(resumption->stack, &resumption->options);
    end_resumption(resumption);
    return NULL;
}

/* ---- who is without a coordinator ---- */

/* We run it: our own lease is over because we were silent. The query's thread will see to it. */
static bool begin_resumption(struct pf_stack *stack, pf_str query_id) {
    pthread_mutex_lock(&stack->locked.mutex);
    bool may = !stack->locked.is_closing && stack->locked.resuming_count < MAX_RESUMING;
    for (struct running *running = stack->locked.first; running; running = running->next) {
        if (pf_str_equal(running->id, query_id)) may = false;
    }
    if (may) stack->locked.resuming_count++;
    pthread_mutex_unlock(&stack->locked.mutex);
    return may;
}

static enum pf_code start_resumption(struct resumption *resumption, struct pf_error *err) {
    pthread_t thread;
    int status = pthread_create(&thread, NULL, run_resumption, resumption);
    if (status != 0) PF_FAIL_ERRNO(err, status, "start a thread");
    pthread_detach(thread);
    return PF_OK;
}

static void take_over(struct pf_stack *stack, struct pf_sync *sync, pf_str query_id) {
    struct pf_error err = {0};
    pf_str job = PF_STR_EMPTY;
    bool is_cancelled = false;
    if (!begin_resumption(stack, query_id)) return;
    struct pf_arena *arena = pf_arena_new(NULL, "resumption");
    struct resumption *resumption = PF_ARENA_NEW(arena, struct resumption);
    *resumption = (struct resumption){.stack = stack, .arena = arena};
    enum pf_code code = pf_sync_query_job(sync, query_id, arena, &job, &err);
    if (code == PF_OK && job.len == 0) code = PF_UNSUPPORTED; /* the sweep removes it */
    if (code == PF_OK) {
        code = pf_sync_coordinator_heartbeat(sync, query_id, stack->coordinator_id, coordinator_lease_ms(stack),
                                             &is_cancelled, &err);
    }
    if (code == PF_OK && is_cancelled) {
        (void)!pf_sync_query_end(sync, query_id, stack->coordinator_id, NULL);
        (void)!pf_exchange_remove_files(stack->exchange, query_id, NULL);
        if (stack->store_slices) store_slices_remove_query(stack->store_slices, query_id, NULL, 0, true);
        code = PF_CANCELLED;
    }
    if (code == PF_OK) code = read_job(query_id, job, resumption, &err);
    if (code == PF_OK) {
        pf_log_text(PF_LOG_WARN, "the coordinator of a query is gone: taking it over", "query_id", query_id);
        code = start_resumption(resumption, &err);
    }
    if (code == PF_OK) return;
    if (code != PF_CONFLICT && code != PF_NOT_FOUND && code != PF_UNSUPPORTED && code != PF_CANCELLED) {
        pf_log_failure(PF_LOG_WARN, "a query without coordinator was not taken over", &err);
    }
    end_resumption(resumption);
}

void resume_look(struct pf_stack *stack, struct pf_sync *sync) {
    struct pf_arena *arena = pf_arena_new(NULL, "lapsed");
    struct pf_error err;
    pf_str *ids = NULL;
    size_t count = 0;
    enum pf_code code = pf_sync_lapsed(sync, arena, &ids, &count, &err);
    if (code == PF_OK && count > 0) code = stack_need_fleet(stack, &err);
    if (code == PF_OK) {
        for (size_t i = 0; i < count; i++) take_over(stack, sync, ids[i]);
    }
    pf_arena_free(arena);
}

/* ---- kept results ---- */

struct kept {
    struct kept *next;
    struct pf_arena *arena; /* of all below */
    pf_str query_id, table;
    struct pf_column *names;
    size_t name_count;
    int64_t until_mono_ms;
};

static void drop(struct pf_stack *stack, struct kept *kept) {
    struct pf_session *session = NULL;
    if (pf_session_open(stack->last_engine, &session, NULL) == PF_OK) {
        pf_str sql = pf_arena_printf(kept->arena, "DROP TABLE IF EXISTS %.*s", PF_STR_ARG(kept->table));
        (void)!pf_session_run(session, sql, NULL); /* else it stays in memory until the process ends */
    }
    pf_session_close(session);
    pf_arena_free(kept->arena);
}

static void add_kept(struct pf_query *query, pf_str table) {
    struct pf_stack *stack = query->stack;
    struct pf_arena *arena = pf_arena_new(NULL, "kept result");
    struct kept *kept = PF_ARENA_NEW(arena, struct kept);
    *kept = (struct kept){.arena = arena,
                          .query_id = pf_arena_str(arena, query->running.id),
                          .table = pf_arena_str(arena, table),
                          .names = PF_ARENA_ARRAY(arena, struct pf_column, query->column_name_count),
                          .name_count = query->column_name_count,
                          .until_mono_ms = pf_clock_mono_ms() + KEPT_MS};
    for (size_t i = 0; i < kept->name_count; i++) {
        kept->names[i].name = pf_arena_str(arena, query->column_names[i].name);
    }
    pthread_mutex_lock(&stack->locked.mutex);
    kept->next = stack->kept;
    stack->kept = kept;
    query->running.kept_until_wall_ms = pf_clock_wall_ms() + KEPT_MS;
    pthread_mutex_unlock(&stack->locked.mutex);
}

enum pf_code resume_keep(struct pf_query *query, pf_str sql, struct pf_error *err) {
    pf_str table = pf_arena_printf(query->arena, "\"kept %.*s\"", PF_STR_ARG(query->running.id)), count_text;
    int64_t most = query->max_rows && query->max_rows < MAX_KEPT_ROWS ? query->max_rows : MAX_KEPT_ROWS, count = 0;
    pf_str drop_sql = pf_arena_printf(query->arena, "DROP TABLE IF EXISTS %.*s", PF_STR_ARG(table));
    PF_TRY(pf_session_run(query->session, drop_sql, err));
    PF_TRY(pf_session_run(
        query->session, pf_arena_printf(query->arena, "CREATE TABLE %.*s AS %.*s", PF_STR_ARG(table), PF_STR_ARG(sql)),
        err));
    PF_TRY(pf_session_scalar(query->session,
                             pf_arena_printf(query->arena, "SELECT count(*) FROM %.*s", PF_STR_ARG(table)),
                             query->arena, &count_text, err));
    pf_str_to_i64(count_text, &count);
    if (count > most) {
        PF_TRY(pf_session_run(query->session, drop_sql, err));
        PF_FAIL(err, PF_TOO_LARGE,
                "the result has more than %lld rows: too many to be kept for a client that asks later",
                (long long)most);
    }
    query->row_count = query->stats.rows = count;
    add_kept(query, table);
    return PF_OK;
}

enum pf_code resume_find(struct pf_stack *stack, pf_str query_id, struct pf_arena *arena, pf_str *out_sql,
                         const struct pf_column **out_names, size_t *out_count, struct pf_error *err) {
    bool is_running = false, is_found = false;
    pthread_mutex_lock(&stack->locked.mutex);
    for (struct running *running = stack->locked.first; running; running = running->next) {
        is_running = is_running || pf_str_equal(running->id, query_id);
    }
    for (const struct kept *kept = stack->kept; kept && !is_found; kept = kept->next) {
        if (!pf_str_equal(kept->query_id, query_id)) continue;
        struct pf_column *names = PF_ARENA_ARRAY(arena, struct pf_column, kept->name_count);
        for (size_t i = 0; i < kept->name_count; i++) names[i].name = pf_arena_str(arena, kept->names[i].name);
        *out_sql = pf_arena_printf(arena, "SELECT * FROM %.*s", PF_STR_ARG(kept->table));
        *out_names = names;
        *out_count = kept->name_count;
        is_found = true;
    }
    pthread_mutex_unlock(&stack->locked.mutex);
    if (is_running) PF_FAIL(err, PF_CONFLICT, "query '%.*s' has not ended yet", PF_STR_ARG(query_id));
    if (is_found) return PF_OK;
    PF_FAIL(err, PF_NOT_FOUND,
            "no result of query '%.*s' is kept here: results are kept of queries that this server took over from "
            "another one, for %d minutes",
            PF_STR_ARG(query_id), KEPT_MS / 60000);
}

/* Takes out the first that is to go: too old, or one too many (the newest come first). */
static struct kept *take_old(struct pf_stack *stack, bool all) {
    struct kept *old = NULL;
    int seen = 0;
    pthread_mutex_lock(&stack->locked.mutex);
    for (struct kept **link = &stack->kept; *link && !old;) {
        if (all || ++seen > MAX_KEPT || (*link)->until_mono_ms < pf_clock_mono_ms()) {
            old = *link;
            *link = old->next;
        } else {
            link = &(*link)->next;
        }
    }
    pthread_mutex_unlock(&stack->locked.mutex);
    return old;
}

void resume_drop_old(struct pf_stack *stack) {
    for (struct kept *old; (old = take_old(stack, false));) drop(stack, old);
}

void resume_free(struct pf_stack *stack) {
    for (struct kept *old; (old = take_old(stack, true));) drop(stack, old);
}
