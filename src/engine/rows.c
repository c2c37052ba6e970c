/* SPDX-License-Identifier: MIT */
/* Streams the rows of one statement: DuckDB runs a few chunks ahead, memory stays bounded whatever the result's size.
 *
 * A statement of the user's may be several of DuckDB's: PIVOT first collects its values. All but the last run to
 * their end, the last one streams. */
#include "engine/engine_internal.h"

#include <assert.h>
#include <string.h>

struct pf_rows {
    struct pf_arena *arena;
    struct pf_session *session;
    duckdb_extracted_statements extracted;
    duckdb_prepared_statement statement;
    duckdb_pending_result pending;
    duckdb_result result;
    duckdb_data_chunk data;
    struct pf_column *columns;
    size_t column_count;
    struct pf_chunk chunk;
    bool is_finished;
};

/* A statement that is not the last: to its end. */
static enum pf_code run_first(struct pf_rows *rows, pf_str sql, duckdb_connection connection, idx_t index,
                              struct pf_error *err) {
    duckdb_prepared_statement statement = NULL;
    duckdb_pending_result pending = NULL;
    enum pf_code code = PF_OK;
    bool is_guarded = range_joins_begin_prepare(rows->session, sql);
    if (duckdb_prepare_extracted_statement(connection, rows->extracted, index, &statement) != DuckDBSuccess)
        code = engine_error_from_text(duckdb_prepare_error(statement), err);
    else if (duckdb_pending_prepared(statement, &pending) != DuckDBSuccess)
        code = engine_error_from_text(duckdb_pending_error(pending), err);
    range_joins_end_prepare(rows->session, is_guarded);
    if (code == PF_OK) code = pending_run(pending, err);
    duckdb_destroy_pending(&pending);
    duckdb_destroy_prepare(&statement);
    return code;
}

static enum pf_code prepare_last(struct pf_rows *rows, duckdb_connection connection, idx_t index,
                                 struct pf_error *err) {
    if (duckdb_prepare_extracted_statement(connection, rows->extracted, index, &rows->statement) != DuckDBSuccess)
        return engine_error_from_text(duckdb_prepare_error(rows->statement), err);
    if (duckdb_pending_prepared_streaming(rows->statement, &rows->pending) != DuckDBSuccess)
        return engine_error_from_text(duckdb_pending_error(rows->pending), err);
    return PF_OK;
}

static enum pf_code start_last(struct pf_rows *rows, struct pf_error *err) {
    if (duckdb_execute_pending(rows->pending, &rows->result) != DuckDBSuccess) {
        const char *message = duckdb_result_error(&rows->result);
        return engine_error_from_text(message ? message : duckdb_pending_error(rows->pending), err);
    }
    return PF_OK;
}

static enum pf_code start(struct pf_rows *rows, pf_str sql, struct pf_error *err) {
    duckdb_connection connection = rows->session->connection;
    idx_t count = duckdb_extract_statements(connection, pf_arena_cstr(rows->arena, sql), &rows->extracted);
    if (count == 0) {
        const char *message = duckdb_extract_statements_error(rows->extracted);
        if (message && *message) return engine_error_from_text(message, err);
        PF_FAIL(err, PF_INVALID, "the statement is empty");
    }
    if (count > 1 && sql_count_statements(sql) > 1)
        PF_FAIL(err, PF_UNSUPPORTED, "several statements at once (%llu): send them one by one",
                (unsigned long long)count);
    for (idx_t i = 0; i + 1 < count; i++) PF_TRY(run_first(rows, sql, connection, i, err));
    bool is_guarded = range_joins_begin_prepare(rows->session, sql);
    enum pf_code code = prepare_last(rows, connection, count - 1, err);
    range_joins_end_prepare(rows->session, is_guarded);
    return code == PF_OK ? start_last(rows, err) : code;
}

static enum pf_code read_columns(struct pf_rows *rows, struct pf_error *err) {
    struct pf_arena *arena = rows->arena;
    rows->column_count = duckdb_column_count(&rows->result);
    rows->columns = PF_ARENA_ARRAY(arena, struct pf_column, rows->column_count);
    rows->chunk.column_count = (uint32_t)rows->column_count;
    rows->chunk.columns = PF_ARENA_ARRAY(arena, struct pf_vec, rows->column_count);
    for (size_t i = 0; i < rows->column_count; i++) {
        rows->columns[i].name = pf_arena_str(arena, pf_str_from_cstr(duckdb_column_name(&rows->result, i)));
        struct pf_type *type = PF_ARENA_NEW(arena, struct pf_type);
        duckdb_logical_type logical = duckdb_column_logical_type(&rows->result, i);
        enum pf_code code = type_from_duckdb(logical, arena, type, err);
        duckdb_destroy_logical_type(&logical);
        if (code != PF_OK) return pf_error_wrap(err, code, "column '%.*s'", PF_STR_ARG(rows->columns[i].name));
        rows->columns[i].type = type;
        vec_prepare(&rows->chunk.columns[i], type, arena);
    }
    return PF_OK;
}

enum pf_code pf_session_query(struct pf_session *session, pf_str sql, struct pf_rows **out_rows, struct pf_error *err) {
    assert(!session->rows);
    if (session->engine->is_locked) PF_TRY(sql_check_allowed(sql, err));
    struct pf_arena *arena = pf_arena_new(NULL, "rows");
    struct pf_rows *rows = PF_ARENA_NEW(arena, struct pf_rows);
    rows->arena = arena;
    rows->session = session;
    session->rows = rows;
    session->is_interrupted = false;
    enum pf_code code = start(rows, sql, err);
    if (code == PF_OK) code = read_columns(rows, err);
    if (code != PF_OK) {
        pf_rows_close(rows);
        return code;
    }
    *out_rows = rows;
    return PF_OK;
}

const struct pf_column *pf_rows_columns(struct pf_rows *rows, size_t *out_count) {
    *out_count = rows->column_count;
    return rows->columns;
}

/* When one of DuckDB's threads fails it interrupts the others, and now and then it tells of one of those instead. Run once
 * more, rows dropped, the statement says why it failed. */
static enum pf_code find_reason(struct pf_rows *rows, struct pf_error *err) {
    if (rows->session->is_interrupted) return PF_CANCELLED;
    if (duckdb_prepared_statement_type(rows->statement) != DUCKDB_STATEMENT_TYPE_SELECT) return PF_CANCELLED;
    duckdb_destroy_result(&rows->result);
    duckdb_destroy_pending(&rows->pending);
    if (duckdb_pending_prepared_streaming(rows->statement, &rows->pending) != DuckDBSuccess)
        return engine_error_from_text(duckdb_pending_error(rows->pending), err);
    PF_TRY(start_last(rows, err));
    for (duckdb_data_chunk chunk; (chunk = duckdb_fetch_chunk(rows->result)) != NULL;)
        duckdb_destroy_data_chunk(&chunk);
    const char *message = duckdb_result_error(&rows->result);
    if (message && *message) return engine_error_from_text(message, err);
    PF_FAIL(err, PF_REMOTE, "the statement failed once, and then no more; please try again");
}

enum pf_code pf_rows_next(struct pf_rows *rows, const struct pf_chunk **out_chunk, struct pf_error *err) {
    *out_chunk = NULL;
    while (!rows->is_finished) {
        duckdb_destroy_data_chunk(&rows->data);
        rows->data = duckdb_fetch_chunk(rows->result);
        if (!rows->data) {
            rows->is_finished = true;
            const char *message = duckdb_result_error(&rows->result);
            if (!message || !*message) return PF_OK;
            enum pf_code code = engine_error_from_text(message, err);
            return code == PF_CANCELLED ? find_reason(rows, err) : code;
        }
        rows->chunk.row_count = duckdb_data_chunk_get_size(rows->data);
        if (rows->chunk.row_count == 0) continue;
        for (size_t i = 0; i < rows->column_count; i++)
            vec_view(&rows->chunk.columns[i], duckdb_data_chunk_get_vector(rows->data, i), rows->chunk.row_count);
        *out_chunk = &rows->chunk;
        return PF_OK;
    }
    return PF_OK;
}

struct pf_rows *pf_rows_close(struct pf_rows *rows) {
    if (!rows) return NULL;
    duckdb_destroy_data_chunk(&rows->data);
    duckdb_destroy_result(&rows->result);
    duckdb_destroy_pending(&rows->pending);
    duckdb_destroy_prepare(&rows->statement);
    duckdb_destroy_extracted(&rows->extracted);
    rows->session->rows = NULL;
    pf_arena_free(rows->arena);
    return NULL;
}
