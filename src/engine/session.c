/* SPDX-License-Identifier: MIT */
/* Sessions: one connection each; statements whose rows nobody wants, small questions, interrupt and progress. */
#include "engine/engine_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum pf_code connection_run(duckdb_connection connection, pf_str sql, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "run");
    duckdb_result result;
    enum pf_code code = PF_OK;
    if (duckdb_query(connection, pf_arena_cstr(arena, sql), &result) != DuckDBSuccess)
        code = engine_error_from_text(duckdb_result_error(&result), err);
    duckdb_destroy_result(&result);
    pf_arena_free(arena);
    return code;
}

static enum pf_code take_first_text(duckdb_result *result, struct pf_arena *arena, pf_str *out_text,
                                    struct pf_error *err) {
    duckdb_data_chunk chunk = duckdb_fetch_chunk(*result);
    if (!chunk) {
        const char *message = duckdb_result_error(result);
        if (message && *message) return engine_error_from_text(message, err);
        PF_FAIL(err, PF_NOT_FOUND, "no row");
    }
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 0);
    uint64_t *validity = duckdb_vector_get_validity(vector);
    bool is_text = duckdb_column_type(result, 0) == DUCKDB_TYPE_VARCHAR && duckdb_data_chunk_get_size(chunk) > 0;
    if (is_text && (!validity || duckdb_validity_row_is_valid(validity, 0)))
        *out_text = pf_arena_str(arena, pf_string_view(duckdb_vector_get_data(vector)));
    else
        *out_text = PF_STR_EMPTY;
    duckdb_destroy_data_chunk(&chunk);
    return PF_OK;
}

enum pf_code connection_ask(duckdb_connection connection, const char *sql, pf_str parameter, struct pf_arena *arena,
                            pf_str *out_text, struct pf_error *err) {
    duckdb_prepared_statement statement = NULL;
    duckdb_result result;
    memset(&result, 0, sizeof result);
    enum pf_code code = PF_OK;
    if (duckdb_prepare(connection, sql, &statement) != DuckDBSuccess ||
        duckdb_bind_varchar_length(statement, 1, parameter.ptr ? parameter.ptr : "", parameter.len) != DuckDBSuccess)
        code = engine_error_from_text(duckdb_prepare_error(statement), err);
    else if (duckdb_execute_prepared(statement, &result) != DuckDBSuccess)
        code = engine_error_from_text(duckdb_result_error(&result), err);
    else
        code = take_first_text(&result, arena, out_text, err);
    duckdb_destroy_result(&result);
    duckdb_destroy_prepare(&statement);
    return code;
}

bool pf_engine_is_broken(struct pf_engine *engine) {
    duckdb_connection connection = NULL;
    struct pf_error err = {0};
    if (duckdb_connect(engine->database, &connection) != DuckDBSuccess) return true;
    enum pf_code code = connection_run(connection, PF_STR("SELECT 1"), &err);
    duckdb_disconnect(&connection);
    return code != PF_OK && pf_str_find(pf_str_from_cstr(err.message), PF_STR("invalidated"), 0) != SIZE_MAX;
}

enum pf_code pf_session_open(struct pf_engine *engine, struct pf_session **out_session, struct pf_error *err) {
    struct pf_session *session = calloc(1, sizeof *session);
    if (!session) PF_FAIL(err, PF_NO_MEMORY, "open a session");
    session->engine = engine;
    enum pf_code code = PF_OK;
    if (duckdb_connect(engine->database, &session->connection) != DuckDBSuccess)
        code = pf_error_set(err, PF_NO_MEMORY, __FILE__, __LINE__, "connect to DuckDB");
    if (code == PF_OK) /* progress is counted only where a bar would be shown */
        code = connection_run(session->connection,
                              PF_STR("SET enable_progress_bar=true; SET enable_progress_bar_print=false; "
                                     "SET progress_bar_time=0; SET streaming_buffer_size='4MB'"),
                              err);
    if (code == PF_OK && engine->is_planner)
        code = connection_run(session->connection, PF_STR("SET explain_output='optimized_only'"), err);
    if (code != PF_OK) {
        pf_session_close(session);
        return code;
    }
    *out_session = session;
    return PF_OK;
}

struct pf_session *pf_session_close(struct pf_session *session) {
    if (!session) return NULL;
    assert(!session->rows);
    if (session->connection) duckdb_disconnect(&session->connection);
    free(session);
    return NULL;
}

enum pf_code pending_run(duckdb_pending_result pending, struct pf_error *err) {
    duckdb_result result;
    memset(&result, 0, sizeof result);
    enum pf_code code = PF_OK;
    if (duckdb_execute_pending(pending, &result) != DuckDBSuccess) {
        const char *message = duckdb_result_error(&result);
        code = engine_error_from_text(message ? message : duckdb_pending_error(pending), err);
    }
    duckdb_destroy_result(&result);
    return code;
}

enum pf_code pf_session_run(struct pf_session *session, pf_str sql, struct pf_error *err) {
    assert(!session->rows);
    if (session->engine->is_locked) PF_TRY(sql_check_allowed(sql, err));
    if (sql_count_statements(sql) != 1 || !range_joins_begin_prepare(session, sql))
        return connection_run(session->connection, sql, err);
    struct pf_arena *arena = pf_arena_new(NULL, "run");
    duckdb_prepared_statement statement = NULL;
    duckdb_pending_result pending = NULL;
    enum pf_code code = PF_OK;
    if (duckdb_prepare(session->connection, pf_arena_cstr(arena, sql), &statement) != DuckDBSuccess)
        code = engine_error_from_text(duckdb_prepare_error(statement), err);
    else if (duckdb_pending_prepared(statement, &pending) != DuckDBSuccess)
        code = engine_error_from_text(duckdb_pending_error(pending), err);
    range_joins_end_prepare(session, true);
    if (code == PF_OK) code = pending_run(pending, err);
    duckdb_destroy_pending(&pending);
    duckdb_destroy_prepare(&statement);
    pf_arena_free(arena);
    return code;
}

void pf_session_interrupt(struct pf_session *session) {
    session->is_interrupted = true;
    duckdb_interrupt(session->connection);
}

double pf_session_progress(struct pf_session *session) {
    return duckdb_query_progress(session->connection).percentage / 100.0;
}

enum pf_code pf_session_scalar(struct pf_session *session, pf_str sql, struct pf_arena *arena, pf_str *out_text,
                               struct pf_error *err) {
    struct pf_rows *rows;
    PF_TRY(pf_session_query(session, sql, &rows, err));
    const struct pf_chunk *chunk;
    enum pf_code code = pf_rows_next(rows, &chunk, err);
    if (code == PF_OK && !chunk) code = pf_error_set(err, PF_NOT_FOUND, __FILE__, __LINE__, "no row");
    if (code == PF_OK && chunk) {
        struct pf_buf text;
        pf_buf_init(&text, SIZE_MAX / 2);
        if (pf_vec_is_valid(&chunk->columns[0], 0)) pf_vec_print(&chunk->columns[0], 0, &text);
        *out_text = pf_arena_str(arena, pf_buf_view(&text));
        pf_buf_clear(&text);
    }
    pf_rows_close(rows);
    return code;
}

static enum pf_code read_columns(duckdb_prepared_statement statement, struct pf_arena *arena,
                                 const struct pf_column **out_columns, size_t *out_count, struct pf_error *err) {
    size_t count = duckdb_prepared_statement_column_count(statement);
    struct pf_column *columns = PF_ARENA_ARRAY(arena, struct pf_column, count);
    for (size_t i = 0; i < count; i++) {
        const char *name = duckdb_prepared_statement_column_name(statement, i);
        columns[i].name = pf_arena_str(arena, pf_str_from_cstr(name));
        duckdb_free((void *)(uintptr_t)name);
        duckdb_logical_type logical = duckdb_prepared_statement_column_logical_type(statement, i);
        struct pf_type *type = PF_ARENA_NEW(arena, struct pf_type);
        enum pf_code code = type_from_duckdb(logical, arena, type, err);
        duckdb_destroy_logical_type(&logical);
        PF_TRY(code);
        columns[i].type = type;
    }
    *out_columns = columns;
    *out_count = count;
    return PF_OK;
}

enum pf_code pf_session_result_columns(struct pf_session *session, pf_str sql, struct pf_arena *arena,
                                       const struct pf_column **out_columns, size_t *out_count, struct pf_error *err) {
    assert(!session->rows);
    if (session->engine->is_locked) PF_TRY(sql_check_allowed(sql, err));
    duckdb_prepared_statement statement = NULL;
    enum pf_code code = PF_OK;
    if (duckdb_prepare(session->connection, pf_arena_cstr(arena, sql), &statement) != DuckDBSuccess)
        code = engine_error_from_text(duckdb_prepare_error(statement), err);
    else
        code = read_columns(statement, arena, out_columns, out_count, err);
    duckdb_destroy_prepare(&statement);
    return code;
}
