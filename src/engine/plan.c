/* SPDX-License-Identifier: MIT */
/* DuckDB's optimised plan of a statement as JSON, and its row estimates.
 *
 * The plan (json_serialize_plan) carries no cardinalities. EXPLAIN (FORMAT json) of the logical optimised plan does,
 * and its tree has the same shape, operator by operator; the planner joins the two by position. Without it (a second
 * planning failed or was cut short) a query is planned from table facts alone. */
#include "engine/engine_internal.h"

#include <assert.h>

static enum pf_code read_plan_answer(pf_str text, struct pf_arena *arena, struct pf_error *err) {
    /* Plans are large; only an answer that is an error is parsed here. */
    static const char ERROR_START[] = "{\"error\":true";
    if (!pf_str_starts_with(text, pf_str_from_cstr(ERROR_START))) return PF_OK;
    struct engine_json_error failure;
    PF_TRY(engine_json_read_error(text, arena, &failure, err));
    enum pf_code code = failure.code;
    /* A statement that binds but can't be serialised runs in one place. */
    if (code == PF_BUG || code == PF_CORRUPT) code = PF_UNSUPPORTED;
    PF_FAIL(err, code, "%.*s", PF_STR_ARG(failure.message));
}

static enum pf_code ask_estimates(struct pf_session *session, pf_str sql, struct pf_arena *arena, pf_str *out_json) {
    struct pf_rows *rows;
    const struct pf_chunk *chunk;
    pf_str explain = pf_arena_printf(arena, "EXPLAIN (FORMAT json) %.*s", PF_STR_ARG(sql));
    PF_TRY(pf_session_query(session, explain, &rows, NULL));
    enum pf_code code = pf_rows_next(rows, &chunk, NULL);
    if (code == PF_OK && chunk && chunk->column_count == 2 && chunk->columns[1].type->id == PF_TYPE_VARCHAR) {
        const union pf_string *texts = chunk->columns[1].data;
        *out_json = pf_arena_str(arena, pf_string_view(&texts[0]));
    }
    pf_rows_close(rows);
    return code;
}

enum pf_code pf_session_plan(struct pf_session *session, pf_str sql, struct pf_arena *arena,
                             struct pf_plan_texts *out_texts, struct pf_error *err) {
    assert(!session->rows);
    if (session->engine->is_locked) PF_TRY(sql_check_allowed(sql, err));
    struct pf_plan_texts texts = {0};
    PF_TRY(connection_ask(session->connection, "SELECT json_serialize_plan($1::VARCHAR, optimize := true)::VARCHAR",
                          sql, arena, &texts.plan_json, err));
    PF_TRY(read_plan_answer(texts.plan_json, arena, err));
    if (ask_estimates(session, sql, arena, &texts.estimates_json) == PF_CANCELLED)
        PF_FAIL(err, PF_CANCELLED, "planning was interrupted");
    *out_texts = texts;
    return PF_OK;
}
