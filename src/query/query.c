/* SPDX-License-Identifier: MIT */
/* A query from its start to its end: admission, statement, tables, route, rows, clean-up. The steps are in the order
 * of the functions. */
#include "query/query_internal.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "query/choose_route.h"
#include "query/keep_result.h"
#include "query/query_log.h"
#include "query/resume.h"
#include "query/statement.h"
#include "query/task_files.h"
#include "query/time_travel.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <unistd.h>

enum { MAX_EXPLAIN_BYTES = 16 << 20, MAX_CATALOG_RETRIES = 3, MAX_ID_BYTES = 36 };

/* ---- the statement ---- */

static bool take_word(pf_str *rest, const char *word) {
    pf_str text = pf_str_trim(*rest), wanted = pf_str_from_cstr(word);
    if (!pf_str_equal_nocase(pf_str_slice(text, 0, wanted.len), wanted)) return false;
    if (text.len == wanted.len || (!isspace((unsigned char)text.ptr[wanted.len]) && text.ptr[wanted.len] != '(')) {
        return false;
    }
    *rest = pf_str_trim(pf_str_slice(text, wanted.len, text.len));
    return true;
}

/* Comments and blanks in front, a semicolon behind. */
static pf_str strip(pf_str sql) {
    for (;;) {
        sql = pf_str_trim(sql);
        if (pf_str_starts_with(sql, PF_STR("--"))) {
            size_t end = pf_str_find_char(sql, '\n', 0);
            sql = end == SIZE_MAX ? PF_STR_EMPTY : pf_str_slice(sql, end + 1, sql.len);
        } else if (pf_str_starts_with(sql, PF_STR("/*"))) {
            size_t end = pf_str_find(sql, PF_STR("*/"), 2);
            sql = end == SIZE_MAX ? PF_STR_EMPTY : pf_str_slice(sql, end + 2, sql.len);
        } else {
            break;
        }
    }
    while (sql.len && (sql.ptr[sql.len - 1] == ';' || isspace((unsigned char)sql.ptr[sql.len - 1]))) sql.len--;
    return sql;
}

/* DuckDB has a catalog of that name, and finds `system.queries` ambiguous. */
static void qualify_system_tables(struct pf_query *query, const struct pf_statement *statement) {
    for (size_t i = 0; i < statement->table_count; i++) {
        const struct pf_table_name *name = &statement->tables[i];
        enum log_kind kind;
        if (name->catalog.len || !system_table_kind((struct pf_table_id){name->schema, name->name}, &kind)) continue;
        query->sql = pf_sql_qualify(query->sql, name->schema, name->name, PF_STR("memory"), query->arena);
    }
}

static enum pf_code take_explain(struct pf_query *query, struct pf_error *err) {
    query->sql = strip(query->sql);
    if (query->sql.len == 0) PF_FAIL(err, PF_INVALID, "the statement is empty");
    if (!take_word(&query->sql, "explain")) return PF_OK;
    query->explain = take_word(&query->sql, "analyze") ? EXPLAIN_ANALYZE : EXPLAIN_PLAN;
    query->sql = pf_arena_str(query->arena, strip(query->sql));
    if (query->sql.len == 0) PF_FAIL(err, PF_INVALID, "EXPLAIN of nothing: a statement must follow");
    return PF_OK;
}

enum pf_code query_parse(struct pf_query *query, struct pf_error *err) {
    struct pf_session *session = NULL;
    PF_TRY(pf_session_open(query->stack->planner_engine, &session, err));
    enum pf_code code = time_travel_rewrite(query->stack, session, query->arena, &query->sql, err);
    if (code == PF_OK) code = pf_session_parse(session, query->sql, query->arena, &query->bound, err);
    if (code == PF_OK) code = keep_result_judge(query, session, &query->bound, err);
    pf_session_close(session);
    PF_TRY(code);
    qualify_system_tables(query, &query->bound);
    if (query->bound.kind == PF_STATEMENT_OTHER || query->bound.kind == PF_STATEMENT_EXPLAIN) {
        PF_FAIL(err, PF_UNSUPPORTED, "%.*s statements are not supported%s", PF_STR_ARG(query->bound.kind_text),
                query->stack->options.statements ? "" : ": only SELECT, SHOW, DESCRIBE and EXPLAIN are");
    }
    query->is_select = query->bound.kind == PF_STATEMENT_SELECT;
    return PF_OK;
}

/* ---- route ---- */

/* Plans the statement and prunes its files. One that can't be spread stays here, with the reason. */
static enum pf_code prune(struct pf_query *query, struct route_facts *facts, struct route_choice *out_choice,
                          struct pf_error *err) {
    struct pf_plan *plan = NULL;
    struct pf_error why;
    enum pf_code code = make_plan(query, &plan, &why);
    if (code == PF_OK) code = scan_bytes_of(query, plan, &facts->scan_bytes, &why);
    query->column_name_count = 0;
    if (code == PF_UNSUPPORTED) {
        out_choice->route = PF_ROUTE_LOCAL;
        out_choice->reason = pf_arena_str(query->arena, pf_str_from_cstr(why.message));
        return PF_OK;
    }
    if (code != PF_OK && err) *err = why;
    PF_TRY(code);
    facts->is_pruned = true;
    *out_choice = choose_route(facts);
    return PF_OK;
}

enum pf_code query_choose_route(struct pf_query *query, struct pf_error *err) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct route_facts facts = {
        .asked = query->asked,
        .is_select = query->is_select,
        .fleet_is_remote = query->stack->options.workers_have_own_cores,
        .local_cores = cores > 0 ? (int)cores : 1,
        .worker_count = query->stack->options.worker_count,
        .table_bytes = query->tables.size_bytes,
        .table_count = (int)query->tables.count,
    };
    struct route_choice choice = choose_route(&facts);
    if (query->tables.has_metadata_tables && choice.route == PF_ROUTE_FLEET) {
        choice = (struct route_choice){PF_ROUTE_LOCAL, PF_STR("metadata tables are read here")};
    } else if (route_depends_on_pruning(&facts)) {
        PF_TRY(prune(query, &facts, &choice, err));
    }
    for (size_t i = 0; i < query->tables.count; i++) {
        if (query->tables.items[i].tail_sql.len == 0) continue;
        choice.route = PF_ROUTE_LOCAL;
        choice.reason = PF_STR("the newest rows of system tables are in Redis, and read where the query came in");
    }
    query->route = query->stats.route = choice.route;
    query->stats.reason = choice.reason;
    return PF_OK;
}

/* ---- running here ---- */

static bool query_was_stopped(void *context) {
    return running_check(&((const struct pf_query *)context)->running, NULL) != PF_OK;
}

void query_add_reads(struct pf_query *query, const struct task_reads *reads) {
    query->stats.store_requests += reads->requests;
    query->stats.store_bytes += reads->received_bytes;
    query->stats.store_hedges += reads->hedges;
    query->stats.store_retries += reads->retries;
    query->stats.store_kept_bytes += reads->kept_bytes;
}

enum pf_code query_acquire_files(struct pf_query *query, const struct stage_message *stage,
                                 const struct task_message *task, struct task_files *out_files, struct pf_error *err) {
    struct pf_stack *stack = query->stack;
    struct task_files_options options = {stack->store, stack->cache, query_was_stopped, query};
    enum pf_code code = task_files_acquire(&options, stage, task, query->arena, out_files, err);
    PF_TRY(running_explain_stop(&query->running, code, err));
    query_add_reads(query, &out_files->reads);
    if (out_files->hold) {
        PF_ARENA_PUSH(query->arena, query->holds, query->hold_count, query->hold_capacity) = out_files->hold;
    }
    return PF_OK;
}

void query_release_files(struct pf_query *query) {
    while (query->hold_count) pf_cache_release(query->holds[--query->hold_count]);
}

static void name_objects(struct pf_query *query, struct pf_error *err) {
    for (size_t i = 0; i < query->hold_count; i++) pf_cache_name_objects(query->holds[i], err);
}

static enum pf_code run_local(struct pf_query *query, struct pf_error *err) {
    struct pf_stack *stack = query->stack;
    PF_TRY(define_local_views(query, err));
    running_set_state(stack, &query->running, QUERY_RUNNING);
    query->stats.scanned_bytes = query->tables.size_bytes;
    PF_TRY(pf_session_open(stack->local_engine, &query->session, err));
    running_set_session(stack, &query->running, query->session);
    enum pf_code code = pf_session_query(query->session, query->sql, &query->rows, err);
    return running_explain_stop(&query->running, code, err);
}

void query_close_rows(struct pf_query *query) {
    query->rows = pf_rows_close(query->rows);
    if (query->session) running_set_session(query->stack, &query->running, NULL);
    query->session = pf_session_close(query->session);
    query_release_files(query);
}

/* What can't be spread runs here, with the reason. */
static enum pf_code run_fleet(struct pf_query *query, struct pf_error *err) {
    pf_str reason = PF_STR_EMPTY;
    PF_TRY(stack_need_fleet(query->stack, err));
    enum pf_code code = coordinate(query, &reason, err);
    if (code != PF_UNSUPPORTED || query->is_spread || query->is_resumed || reason.len == 0) return code;
    query->route = query->stats.route = PF_ROUTE_LOCAL;
    query->stats.reason = reason;
    query->column_name_count = 0;
    return run_local(query, err);
}

enum pf_code query_run(struct pf_query *query, struct pf_error *err) {
    switch (query->route) {
    case PF_ROUTE_LOCAL: return run_local(query, err);
    case PF_ROUTE_FLEET: return run_fleet(query, err);
    default:
        PF_FAIL(err, PF_UNSUPPORTED, "route %s is not available here: use auto, local or fleet",
                pf_route_name(query->route));
    }
}

/* ---- rows ---- */

/* The first chunk may come late: a last fragment that finds a slice lost starts anew. */
enum pf_code query_take_chunk(struct pf_query *query, const struct pf_chunk **out_chunk, struct pf_error *err) {
    for (;;) {
        enum pf_code code = pf_rows_next(query->rows, out_chunk, err);
        if (code != PF_NOT_FOUND && code != PF_CORRUPT) return running_explain_stop(&query->running, code, err);
        if (query->stats.rows || !query->is_spread) return code;
        PF_TRY(coordinate_again(query, err));
    }
}

/* ---- EXPLAIN ---- */

/* Lines become rows by running a SELECT of them: one way for all rows. */
enum pf_code query_show_lines(struct pf_query *query, pf_str text, struct pf_error *err) {
    struct pf_buf sql;
    pf_str statement, line;
    pf_buf_init(&sql, 2 * MAX_EXPLAIN_BYTES);
    pf_buf_put_cstr(&sql, "SELECT unnest([");
    for (bool is_first = true; pf_str_next(&text, '\n', &line); is_first = false) {
        if (text.ptr == NULL && line.len == 0) break;
        if (!is_first) pf_buf_put_char(&sql, ',');
        pf_buf_put_str(&sql, pf_sql_quote_text(line, query->arena));
    }
    pf_buf_put_cstr(&sql, "]::VARCHAR[]) AS \"plan\"");
    enum pf_code code = pf_buf_finish(&sql, "EXPLAIN", &statement, err);
    if (code == PF_OK) code = pf_session_open(query->stack->local_engine, &query->session, err);
    if (code == PF_OK) code = pf_session_query(query->session, statement, &query->rows, err);
    pf_buf_clear(&sql);
    return code;
}

static enum pf_code drain(struct pf_query *query, struct pf_error *err) {
    const struct pf_chunk *chunk = NULL;
    do {
        PF_TRY(query_take_chunk(query, &chunk, err));
        if (chunk) query->stats.rows += (int64_t)chunk->row_count;
    } while (chunk);
    return PF_OK;
}

static enum pf_code explain(struct pf_query *query, struct pf_error *err) {
    struct pf_buf text;
    pf_buf_init(&text, MAX_EXPLAIN_BYTES);
    enum pf_code code = PF_OK;
    if (query->explain == EXPLAIN_PLAN) {
        keep_result_explain(query, true, &text);
        code = explain_plan(query, &text, err);
        if (code == PF_OK) keep_result_explain(query, false, &text);
    } else {
        code = query_run(query, err);
        if (code == PF_OK) code = drain(query, err);
        query->stats.wall_us = (pf_clock_mono_ns() - query->running.started_mono_ns) / 1000;
        coordinate_count_last(query);
        if (code == PF_OK) explain_analyzed(query, &text);
        query_close_rows(query);
        query->column_name_count = 0;
    }
    pf_str lines;
    if (code == PF_OK) code = pf_buf_finish(&text, "EXPLAIN", &lines, err);
    if (code == PF_OK) code = query_show_lines(query, lines, err);
    pf_buf_clear(&text);
    return code;
}

/* ---- start ---- */

/* DuckDB does not always name the file that it can't make sense of. */
static enum pf_code name_tables(struct pf_query *query, enum pf_code code, struct pf_error *err) {
    if (code != PF_OK) name_objects(query, err);
    if (code != PF_CORRUPT || query->is_spread || !query->tables.count || !err) return code;
    if (strncmp(err->message, "table ", 6) == 0) return code;
    pf_str names = query->tables.items[0].table->full_name;
    for (size_t i = 1; i < query->tables.count; i++) {
        names = pf_arena_printf(query->arena, "%.*s, %.*s", PF_STR_ARG(names),
                                PF_STR_ARG(query->tables.items[i].table->full_name));
    }
    return pf_error_wrap(err, code, "table%s %.*s", query->tables.count > 1 ? "s" : "", PF_STR_ARG(names));
}

static enum pf_code start_once(struct pf_query *query, struct pf_error *err) {
    bool all = query->bound.kind == PF_STATEMENT_SHOW;
    query->tables = (struct lake_tables){0};
    PF_TRY(resolve_tables(query->stack, &query->bound, all, &query->pins, query->arena, &query->tables, err));
    keep_result_name(query, &query->bound);
    if (keep_result_take(query)) return PF_OK;
    PF_TRY(query_choose_route(query, err));
    enum pf_code code = query->explain == EXPLAIN_NOT ? query_run(query, err) : explain(query, err);
    if (code == PF_OK) keep_result_check_views(query);
    return name_tables(query, code, err);
}

static enum pf_code start_kept(struct pf_query *query, pf_str query_id, struct pf_error *err) {
    pf_str sql;
    PF_TRY(
        resume_find(query->stack, query_id, query->arena, &sql, &query->column_names, &query->column_name_count, err));
    query->route = query->stats.route = PF_ROUTE_LOCAL;
    query->stats.reason = PF_STR("a result that was kept");
    PF_TRY(pf_session_open(query->stack->last_engine, &query->session, err));
    running_set_session(query->stack, &query->running, query->session);
    return pf_session_query(query->session, sql, &query->rows, err);
}

static enum pf_code start(struct pf_query *query, struct pf_error *err) {
    PF_TRY(stack_need_planner(query->stack, err));
    PF_TRY(stack_need_local(query->stack, err));
    PF_TRY(take_explain(query, err));
    if (statement_is_known(query)) return statement_start(query, err);
    PF_TRY(query_parse(query, err));
    enum pf_code code = PF_CONFLICT;
    /* A conflict: a table changed between its resolution and its planning. */
    for (int attempt = 0; code == PF_CONFLICT && !query->is_spread && attempt < MAX_CATALOG_RETRIES; attempt++) {
        query_close_rows(query);
        code = start_once(query, err);
    }
    return code;
}

static enum pf_code check_id(pf_str id, struct pf_error *err) {
    if (id.len > MAX_ID_BYTES) PF_FAIL(err, PF_INVALID, "query id is longer than %d characters", MAX_ID_BYTES);
    for (size_t i = 0; i < id.len; i++) {
        if (isalnum((unsigned char)id.ptr[i]) || id.ptr[i] == '-' || id.ptr[i] == '_') continue;
        PF_FAIL(err, PF_INVALID, "query id may hold letters, digits, '-' and '_' only");
    }
    return PF_OK;
}

static struct pf_query *new_query(struct pf_stack *stack, const struct pf_query_options *options) {
    struct pf_arena *arena = pf_arena_new(NULL, "query");
    struct pf_query *query = PF_ARENA_NEW(arena, struct pf_query);
    query->stack = stack;
    query->arena = arena;
    query->sql = pf_arena_str(arena, options->sql);
    query->asked = options->route;
    query->max_rows = options->max_rows;
    query->result_format = options->result_format;
    query->refreshes_result = options->refreshes_result;
    query->running.client = pf_arena_str(arena, options->client);
    query->running.coordinator_id = stack->coordinator_id;
    query->running.id = options->id.len ? pf_arena_str(arena, options->id) : pf_id_ulid(arena);
    query->running.sql = query->sql;
    query->running.user = pf_arena_str(arena, options->user);
    query->running.started_wall_ms = pf_clock_wall_ms();
    query->running.started_mono_ns = pf_clock_mono_ns();
    query->running.started_mono_ms = query->running.started_mono_ns / 1000000;
    if (options->timeout_ms > 0) {
        query->running.deadline_mono_ms = query->running.started_mono_ms + options->timeout_ms;
    }
    return query;
}

static void log_end(const struct pf_query *query, enum pf_code code, const struct pf_error *err) {
    const struct pf_query_stats *stats = &query->stats;
    struct pf_log_context before = pf_log_set_context((struct pf_log_context){.query = query->running.id});
    if (code != PF_OK && err) {
        pf_log_failure(code == PF_BUG ? PF_LOG_ERROR : PF_LOG_INFO, "query failed", err);
    } else {
        pf_log(PF_LOG_INFO, "query done",
               "\"route\":\"%s\",\"stages\":%d,\"tasks\":%d,\"retries\":%d,\"rows\":%lld,\"wall_us\":%lld",
               pf_route_name(stats->route), stats->stage_count, stats->task_count, stats->retry_count,
               (long long)stats->rows, (long long)stats->wall_us);
        statement_log(&stats->outcome);
    }
    pf_log_set_context(before);
}

/* Once: the record is final, everything temporary is gone. */
static void end(struct pf_query *query, enum pf_code code, const struct pf_error *err) {
    if (query->is_over) return;
    query->is_over = true;
    query_close_rows(query);
    coordinate_clean_up(query, code);
    if (code == PF_BUG || code == PF_REMOTE) stack_replace_broken_engines(query->stack);
    if (!query->stats.wall_us) {
        query->stats.wall_us = (pf_clock_mono_ns() - query->running.started_mono_ns) / 1000;
    }
    pthread_mutex_lock(&query->stack->locked.mutex);
    query->running.locked.stats = query->stats;
    pthread_mutex_unlock(&query->stack->locked.mutex);
    log_end(query, code, err);
    running_end(query->stack, &query->running, code, err);
}

/* Admits, starts; on failure it is ended. */
static enum pf_code begin_query(struct pf_query *query, pf_str result_of, struct pf_error *err) {
    enum pf_code code = running_admit(query->stack, &query->running, err);
    bool is_listed = query->running.is_admitted;
    if (code == PF_OK) code = result_of.len ? start_kept(query, result_of, err) : start(query, err);
    if (code == PF_OK) return PF_OK;
    if (is_listed) end(query, code, err);
    query->is_over = true;
    return code;
}

void query_resume(struct pf_stack *stack, const struct resume_options *options) {
    struct pf_error err;
    struct pf_query *query = new_query(stack, &options->query);
    query->is_resumed = true;
    query->planned_workers = options->planned_workers;
    if (begin_query(query, PF_STR_EMPTY, &err) == PF_OK) end(query, PF_OK, NULL);
    pf_query_free(query);
}

enum pf_code pf_query_open_result(struct pf_stack *stack, pf_str query_id, const struct pf_query_options *options,
                                  struct pf_query **out_query, struct pf_error *err) {
    struct pf_error own;
    struct pf_query *query = new_query(stack, options);
    enum pf_code code = begin_query(query, query_id, err ? err : &own);
    if (code != PF_OK) {
        pf_query_free(query);
        return code;
    }
    *out_query = query;
    return PF_OK;
}

enum pf_code pf_query_start(struct pf_stack *stack, const struct pf_query_options *options, struct pf_query **out_query,
                            struct pf_error *err) {
    struct pf_error own;
    if (!err) err = &own;
    PF_TRY(check_id(options->id, err));
    if (options->sql.len > MAX_SQL_BYTES) {
        PF_FAIL(err, PF_TOO_LARGE, "the statement has %zu bytes, the limit is %d", options->sql.len, MAX_SQL_BYTES);
    }
    struct pf_query *query = new_query(stack, options);
    enum pf_code code = begin_query(query, PF_STR_EMPTY, err);
    if (code != PF_OK) {
        pf_query_free(query);
        return code;
    }
    *out_query = query;
    return PF_OK;
}

/* ---- rows ---- */

pf_str pf_query_id(const struct pf_query *query) {
    return query->running.id;
}

enum pf_route pf_query_route(const struct pf_query *query) {
    return query->route;
}

const struct pf_column *pf_query_columns(struct pf_query *query, size_t *out_count) {
    size_t count = 0;
    if (query->columns || query->is_over) {
        *out_count = query->column_name_count;
        return query->columns;
    }
    const struct pf_column *columns = pf_rows_columns(query->rows, &count);
    query->columns = PF_ARENA_ARRAY(query->arena, struct pf_column, count);
    for (size_t i = 0; i < count; i++) {
        /* The last fragment's own names are generated; the statement's are what the user wrote. */
        pf_str name = query->column_name_count == count ? query->column_names[i].name : columns[i].name;
        query->columns[i] = (struct pf_column){pf_arena_str(query->arena, name), columns[i].type};
        /* A copy by way of the type's text: it outlives the rows. */
        enum pf_code code = pf_type_parse(columns[i].type->sql, query->arena, &query->columns[i].type, NULL);
        assert(code == PF_OK);
    }
    query->column_name_count = count;
    *out_count = count;
    return query->columns;
}

enum pf_code pf_query_next_chunk(struct pf_query *query, const struct pf_chunk **out_chunk, struct pf_error *err) {
    struct pf_error own;
    if (!err) err = &own;
    const struct pf_chunk *chunk = NULL;
    if (query->is_over) {
        *out_chunk = NULL;
        return PF_OK;
    }
    if (query->route == PF_ROUTE_CACHE) {
        end(query, PF_OK, NULL);
        *out_chunk = NULL;
        return PF_OK;
    }
    enum pf_code code = running_check(&query->running, err);
    if (code == PF_OK) code = query_take_chunk(query, &chunk, err);
    if (code == PF_OK && chunk) {
        query->row_count += (int64_t)chunk->row_count;
        query->stats.rows = query->row_count;
        if (query->max_rows && query->row_count > query->max_rows) {
            code = pf_error_set(err, PF_TOO_LARGE, __FILE__, __LINE__,
                                "the result has more than %lld rows (max_rows): add a LIMIT or raise the limit",
                                (long long)query->max_rows);
        }
    }
    if (code != PF_OK || !chunk) end(query, code, err);
    PF_TRY(code);
    *out_chunk = chunk;
    return PF_OK;
}

void pf_query_get_stats(const struct pf_query *query, struct pf_query_stats *out_stats) {
    *out_stats = query->stats;
    if (!out_stats->wall_us) {
        out_stats->wall_us = (pf_clock_mono_ns() - query->running.started_mono_ns) / 1000;
    }
}

struct pf_query *pf_query_free(struct pf_query *query) {
    if (!query) return NULL;
    if (!query->is_over) {
        struct pf_error err;
        atomic_store(&query->running.stop, STOP_CANCELLED);
        enum pf_code code = pf_error_set(&err, PF_CANCELLED, __FILE__, __LINE__, "the rows were not read to their end");
        if (query->session) pf_session_interrupt(query->session);
        end(query, code, &err);
    }
    pf_result_release(query->kept_result);
    pf_arena_free(query->arena);
    return NULL;
}
