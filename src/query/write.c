/* SPDX-License-Identifier: MIT */
/* The SELECT inside of a statement: bound, explained, run into data files. The tools of struct pf_statement_handler. */
#include "query/write.h"

#include "base/file.h"
#include "base/id.h"
#include "base/log.h"

enum { MAX_CATALOG_TRIES = 3, MAX_VIEW_TRIES = 20 };

struct pf_arena *pf_query_arena(struct pf_query *query) {
    return query->arena;
}

struct pf_stack *pf_query_stack(struct pf_query *query) {
    return query->stack;
}

/* ---- bind ---- */

/* Where the SELECT's columns can be known: metadata tables and rows that are in Redis are read here only. */
static bool binds_here(const struct lake_tables *tables) {
    for (size_t i = 0; i < tables->count; i++) {
        if (tables->items[i].kind.len || tables->items[i].tail_sql.len) return true;
    }
    return false;
}

static enum pf_code find_columns(struct pf_query *query, const struct pf_column **out_columns, size_t *out_count,
                                 struct pf_error *err) {
    struct pf_stack *stack = query->stack;
    struct pf_session *session = NULL;
    bool is_here = binds_here(&query->tables);
    PF_TRY(is_here ? define_local_views(query, err) : define_planner_tables(stack, &query->tables, err));
    PF_TRY(pf_session_open(is_here ? stack->local_engine : stack->planner_engine, &session, err));
    running_set_session(stack, &query->running, session);
    enum pf_code code = pf_session_result_columns(session, query->sql, query->arena, out_columns, out_count, err);
    running_set_session(stack, &query->running, NULL);
    pf_session_close(session);
    return running_explain_stop(&query->running, code, err);
}

static enum pf_code resolve(struct pf_query *query, struct pf_error *err) {
    query->tables = (struct lake_tables){0};
    PF_TRY(resolve_tables(query->stack, &query->bound, false, &query->pins, query->arena, &query->tables, err));
    return query_choose_route(query, err);
}

enum pf_code pf_query_bind(struct pf_query *query, pf_str select_sql, const struct pf_column **out_columns,
                           size_t *out_count, struct pf_error *err) {
    query_close_rows(query);
    /* What was written before is in the store: its keys go before the next ones are made. */
    if (query->is_spread) coordinate_clean_up(query, PF_OK);
    query->sql = pf_arena_str(query->arena, pf_str_trim(select_sql));
    PF_TRY(query_parse(query, err));
    if (!query->is_select) {
        PF_FAIL(err, PF_UNSUPPORTED, "%.*s does not go into a statement that writes: use SELECT",
                PF_STR_ARG(query->bound.kind_text));
    }
    PF_TRY(resolve(query, err));
    return find_columns(query, out_columns, out_count, err);
}

enum pf_code pf_query_explain(struct pf_query *query, const struct pf_write *write, struct pf_buf *out,
                              struct pf_error *err) {
    query->write = write;
    enum pf_code code = explain_plan(query, out, err);
    query->write = NULL;
    return code;
}

void pf_query_pin_tables(struct pf_query *query, const struct pf_table *first) {
    query->pins = (struct table_pins){.is_on = true};
    struct pf_table *table = PF_ARENA_NEW(query->arena, struct pf_table);
    *table = *first;
    PF_ARENA_PUSH(query->arena, query->pins.items, query->pins.count, query->pins.capacity) = table;
}

pf_str pf_query_functions(const struct pf_query *query) {
    return query->bound.functions_text;
}

/* ---- read ---- */

/* What the statement does next may be spread, too. */
static void end_reading(struct pf_query *query, enum pf_code code) {
    query_close_rows(query);
    coordinate_clean_up(query, code);
    query->column_name_count = 0;
}

/* Views of the local engine are everybody's: another statement on another snapshot may have put its own in their place before
 * ours was bound. */
static enum pf_code check_views(struct pf_query *query, struct pf_error *err) {
    if (query->route != PF_ROUTE_LOCAL || !query->pins.is_on || local_views_stayed(query)) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "another statement read the same tables in another state; try again");
}

static enum pf_code start_pinned(struct pf_query *query, struct pf_error *err) {
    enum pf_code code = PF_CONFLICT;
    for (int attempt = 0; attempt < MAX_VIEW_TRIES; attempt++) {
        if (attempt) {
            query_close_rows(query);
            PF_TRY(resolve(query, err));
        }
        code = query_run(query, err);
        if (code == PF_OK) code = check_views(query, err);
        if (code != PF_CONFLICT || query->is_spread) break;
    }
    return code;
}

enum pf_code pf_query_read(struct pf_query *query,
                           enum pf_code (*take)(void *context, const struct pf_chunk *chunk, struct pf_error *err),
                           void *context, struct pf_error *err) {
    const struct pf_chunk *chunk = NULL;
    enum pf_code code = start_pinned(query, err);
    while (code == PF_OK) {
        code = running_check(&query->running, err);
        if (code == PF_OK) code = query_take_chunk(query, &chunk, err);
        if (code != PF_OK || !chunk) break;
        code = take(context, chunk, err);
    }
    end_reading(query, code);
    return code;
}

/* ---- write ---- */

static enum pf_code copy_here(struct pf_query *query, struct data_copy *copy, struct data_files *files,
                              struct pf_error *err) {
    PF_TRY(pf_session_open(query->stack->local_engine, &query->session, err));
    running_set_session(query->stack, &query->running, query->session);
    copy->session = query->session;
    enum pf_code code = data_files_copy(copy, query->arena, files, err);
    query_close_rows(query);
    return running_explain_stop(&query->running, code, err);
}

static enum pf_code write_here(struct pf_query *query, const struct pf_write *write, struct data_files *files,
                               struct pf_error *err) {
    struct pf_stack *stack = query->stack;
    pf_str folder = data_files_folder(write->prefix),
           name = pf_str_slice(write->prefix, folder.len + 1, write->prefix.len);
    pf_str id = pf_id_ulid(query->arena);
    struct data_copy copy = {.write = write, .source_sql = query->sql};
    bool is_scratch = false;
    PF_TRY(define_local_views(query, err));
    running_set_state(stack, &query->running, QUERY_RUNNING);
    query->stats.scanned_bytes = query->tables.size_bytes;
    copy.file_prefix = pf_arena_printf(query->arena, "%.*s%.*s", PF_STR_ARG(name), PF_STR_ARG(id));
    PF_TRY(data_files_directory(stack->store, folder, stack_write_path(stack, query->arena), id, query->arena,
                                &copy.directory, &is_scratch, err));
    enum pf_code code = copy_here(query, &copy, files, err);
    if (code == PF_OK) {
        struct data_publication publication = {
            .store = stack->store,
            .scratch = is_scratch ? copy.directory : PF_STR_EMPTY,
            .key_folder = folder,
            .is_spread = write->spreads_files > 0,
        };
        code = data_files_publish(&publication, files, query->arena, err);
    }
    query->written = files->items;
    query->written_count = files->count;
    if (is_scratch) (void)!pf_file_remove_tree(copy.directory.ptr, NULL);
    return code;
}

/* What can't be spread is run here, with the reason. */
static enum pf_code write_on_fleet(struct pf_query *query, const struct pf_write *write, struct data_files *files,
                                   struct pf_error *err) {
    pf_str reason = PF_STR_EMPTY;
    PF_TRY(stack_need_fleet(query->stack, err));
    query->write = write;
    enum pf_code code = coordinate(query, &reason, err);
    query->write = NULL;
    query->column_name_count = 0;
    enum pf_code collected = write_collect(query->run, files, code == PF_OK ? err : NULL);
    if (code == PF_OK) code = collected;
    query->written = files->items;
    query->written_count = files->count;
    if (code == PF_OK) write_sweep(query, write->prefix, files);
    if (code != PF_UNSUPPORTED || query->is_spread || query->is_resumed || reason.len == 0) return code;
    query->route = query->stats.route = PF_ROUTE_LOCAL;
    query->stats.reason = reason;
    return write_here(query, write, files, err);
}

static enum pf_code write_once(struct pf_query *query, const struct pf_write *write, struct data_files *files,
                               struct pf_error *err) {
    /* Rows out of nothing: no worker has anything to read. */
    if (query->tables.count == 0) return write_here(query, write, files, err);
    switch (query->route) {
    case PF_ROUTE_LOCAL: return write_here(query, write, files, err);
    case PF_ROUTE_FLEET: return write_on_fleet(query, write, files, err);
    default:
        PF_FAIL(err, PF_UNSUPPORTED, "route %s is not available here: use auto, local or fleet",
                pf_route_name(query->route));
    }
}

static void forget_written(struct pf_query *query, struct data_files *files) {
    struct pf_error err;
    if (data_files_remove(query->stack->store, files, &err) != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "tolerated: files of a statement that is written anew could not be removed", &err);
    }
    *files = (struct data_files){0};
    query->written = NULL;
    query->written_count = 0;
}

enum pf_code pf_query_write(struct pf_query *query, const struct pf_write *write, struct pf_written_file **out_files,
                            size_t *out_count, struct pf_error *err) {
    struct data_files files = {0};
    enum pf_code code = PF_OK;
    struct pf_write *settled = PF_ARENA_NEW(query->arena, struct pf_write);
    *settled = *write;
    if (settled->spreads_files < 0) settled->spreads_files = query->stack->options.spreads_files;
    /* A conflict: a table changed between its resolution and its planning. */
    for (int attempt = 0; attempt < (query->pins.is_on ? MAX_VIEW_TRIES : MAX_CATALOG_TRIES); attempt++) {
        if (attempt > 0) PF_TRY(resolve(query, err));
        code = write_once(query, settled, &files, err);
        if (code == PF_OK) {
            code = check_views(query, err);
            if (code != PF_OK) forget_written(query, &files);
        }
        if (code != PF_CONFLICT || query->is_spread) break;
    }
    PF_TRY(code);
    *out_files = files.items;
    *out_count = files.count;
    return PF_OK;
}

void pf_query_remove_files(struct pf_query *query, pf_str prefix) {
    struct pf_error err;
    struct data_files spread = {.items = query->written, .count = query->written_count}; /* not below the prefix */
    enum pf_code code = data_files_remove(query->stack->store, &spread, &err);
    if (code == PF_OK) code = pf_store_delete_prefix(query->stack->store, prefix, NULL, &err);
    if (code != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "tolerated: files of a statement that failed could not be removed", &err);
    }
}
