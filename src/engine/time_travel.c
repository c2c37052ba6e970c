/* SPDX-License-Identifier: MIT */
/* Where a SELECT asks for a table as of another time: FROM t [AS x] AT (VERSION => …) or AT (TIMESTAMP => …). DuckDB's
 * parser knows the clause, but its binder only for catalogs that we can't make: so whoever calls replaces it. */
#include "engine/engine_internal.h"

#include "base/json.h"

#include <assert.h>

struct finder {
    pf_str sql;
    struct pf_arena *arena;
    struct pf_time_travel *items;
    size_t count, capacity;
    struct pf_error *err;
};

static bool is_symbol(const struct pf_sql_token *token, char c) {
    return token->kind == PF_SQL_SYMBOL && token->text.ptr[0] == c;
}

/* Is there a point in asking the parser? */
static bool may_travel(pf_str sql) {
    struct pf_sql_scanner scanner = {sql};
    for (struct pf_sql_token token = pf_sql_scan_next(&scanner); token.kind != PF_SQL_END;
         token = pf_sql_scan_next(&scanner)) {
        if (!pf_sql_token_is(&token, "at")) continue;
        struct pf_sql_scanner ahead = scanner;
        struct pf_sql_token open = pf_sql_scan_next(&ahead), unit = pf_sql_scan_next(&ahead);
        if (is_symbol(&open, '(') && (pf_sql_token_is(&unit, "version") || pf_sql_token_is(&unit, "timestamp")))
            return true;
    }
    return false;
}

/* Constants, functions and operators may say which; a query or a column may not. */
static bool is_plain_expression(pf_json *expression) {
    pf_str class = pf_json_get_str(expression, "class", PF_STR_EMPTY);
    if (pf_str_equal(class, PF_STR("SUBQUERY")) || pf_str_equal(class, PF_STR("COLUMN_REF"))) return false;
    for (struct pf_json_each each = pf_json_each(expression); pf_json_next(&each);) {
        if (!is_plain_expression(each.value)) return false;
    }
    return true;
}

static size_t offset_of(const struct finder *finder, pf_str text) {
    return (size_t)(text.ptr - finder->sql.ptr);
}

/* From the table's name at `location` to the clause's closing parenthesis. */
static enum pf_code take_clause(struct finder *finder, size_t location, struct pf_time_travel *point) {
    struct pf_sql_scanner scanner = {pf_str_slice(finder->sql, location, finder->sql.len)};
    struct pf_sql_token token = pf_sql_scan_next(&scanner);
    point->name_from = location;
    while (token.kind == PF_SQL_WORD || token.kind == PF_SQL_QUOTED_NAME) { /* a.b.c */
        point->name_to = offset_of(finder, token.text) + token.text.len;
        token = pf_sql_scan_next(&scanner);
        if (!is_symbol(&token, '.')) break;
        token = pf_sql_scan_next(&scanner);
    }
    while (token.kind != PF_SQL_END) {
        struct pf_sql_scanner ahead = scanner;
        struct pf_sql_token next = pf_sql_scan_next(&ahead);
        if (pf_sql_token_is(&token, "at") && is_symbol(&next, '(')) break;
        token = pf_sql_scan_next(&scanner);
    }
    if (token.kind == PF_SQL_END || !point->name_to)
        PF_FAIL(finder->err, PF_BUG, "AT clause: not found in the statement");
    point->at_from = offset_of(finder, token.text);
    token = pf_sql_scan_next(&scanner); /* ( */
    token = pf_sql_scan_next(&scanner); /* VERSION */
    while (token.kind != PF_SQL_END && !is_symbol(&token, '>')) token = pf_sql_scan_next(&scanner);
    size_t from = offset_of(finder, token.text) + token.text.len;
    int depth = 1;
    while (depth > 0 && token.kind != PF_SQL_END) {
        token = pf_sql_scan_next(&scanner);
        if (is_symbol(&token, '(')) depth++;
        if (is_symbol(&token, ')')) depth--;
    }
    if (token.kind == PF_SQL_END) PF_FAIL(finder->err, PF_BUG, "AT clause: no end in the statement");
    point->at_to = offset_of(finder, token.text) + token.text.len;
    point->expression = pf_str_trim(pf_str_slice(finder->sql, from, point->at_to - 1));
    return PF_OK;
}

static enum pf_code add_point(struct finder *finder, pf_json *table, pf_json *clause) {
    struct pf_time_travel point = {
        .table = {pf_json_get_str(table, "catalog_name", PF_STR_EMPTY),
                  pf_json_get_str(table, "schema_name", PF_STR_EMPTY),
                  pf_json_get_str(table, "table_name", PF_STR_EMPTY)},
        .has_alias = pf_json_get_str(table, "alias", PF_STR_EMPTY).len > 0,
        .is_timestamp = pf_str_equal_nocase(pf_json_get_str(clause, "unit", PF_STR_EMPTY), PF_STR("timestamp")),
    };
    int64_t location = pf_json_get_i64(table, "query_location", -1);
    if (!is_plain_expression(pf_json_get(clause, "expr"))) {
        PF_FAIL(finder->err, PF_INVALID, "table %.*s: what stands in AT (…) must be a constant",
                PF_STR_ARG(point.table.name));
    }
    if (location < 0 || (size_t)location >= finder->sql.len) {
        PF_FAIL(finder->err, PF_BUG, "AT clause of table %.*s: DuckDB does not say where",
                PF_STR_ARG(point.table.name));
    }
    PF_TRY(take_clause(finder, (size_t)location, &point));
    PF_ARENA_PUSH(finder->arena, finder->items, finder->count, finder->capacity) = point;
    return PF_OK;
}

static enum pf_code walk(struct finder *finder, pf_json *value) {
    pf_json *clause = pf_json_get(value, "at_clause");
    bool is_table = pf_str_equal(pf_json_get_str(value, "type", PF_STR_EMPTY), PF_STR("BASE_TABLE"));
    if (is_table && clause && pf_json_get(clause, "unit")) PF_TRY(add_point(finder, value, clause));
    for (struct pf_json_each each = pf_json_each(value); pf_json_next(&each);) PF_TRY(walk(finder, each.value));
    return PF_OK;
}

enum pf_code pf_session_time_travel(struct pf_session *session, pf_str sql, struct pf_arena *arena,
                                    struct pf_time_travel **out_points, size_t *out_count, struct pf_error *err) {
    struct finder finder = {.sql = sql, .arena = arena, .err = err};
    pf_str answer;
    pf_json *root;
    *out_points = NULL;
    *out_count = 0;
    assert(!session->rows);
    if (!may_travel(sql)) return PF_OK;
    PF_TRY(connection_ask(session->connection, "SELECT json_serialize_sql($1::VARCHAR)::VARCHAR", sql, arena, &answer,
                          err));
    if (pf_str_starts_with(answer, PF_STR("{\"error\":true"))) return PF_OK; /* the parser says so when it is parsed */
    PF_TRY(pf_json_parse(answer, arena, "statement", &root, err));
    PF_TRY(walk(&finder, root));
    *out_points = finder.items;
    *out_count = finder.count;
    return PF_OK;
}
