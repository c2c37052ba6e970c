/* SPDX-License-Identifier: MIT */
/* FROM t AT (VERSION => 'x') becomes FROM "t@version=<snapshot>" AS t: a name that resolve_tables knows. */
#include "query/time_travel.h"

#include "base/buf.h"

#include <stdlib.h>

enum { MAX_TRAVEL_BYTES = 4 << 20 };

/* The value of an expression that the parser took for plain. */
static enum pf_code evaluate(struct pf_session *session, const struct pf_time_travel *point, struct pf_arena *arena,
                             pf_str *out_value, struct pf_error *err) {
    pf_str sql = pf_arena_printf(
        arena, point->is_timestamp ? "SELECT epoch_ms(CAST((%.*s) AS TIMESTAMPTZ))" : "SELECT CAST((%.*s) AS VARCHAR)",
        PF_STR_ARG(point->expression));
    enum pf_code code = pf_session_scalar(session, sql, arena, out_value, err);
    if (code == PF_OK && !out_value->len) code = pf_error_set(err, PF_INVALID, __FILE__, __LINE__, "it is NULL");
    if (code == PF_OK) return PF_OK;
    return pf_error_wrap(err, code, "table %.*s AT (%s => %.*s)", PF_STR_ARG(point->table.name),
                         point->is_timestamp ? "TIMESTAMP" : "VERSION", PF_STR_ARG(point->expression));
}

/* "version=<snapshot id>" or "branch=<name>". */
static enum pf_code find_state(const struct pf_table *table, const struct pf_time_travel *point, pf_str value,
                               struct pf_arena *arena, pf_str *out_state, struct pf_error *err) {
    const struct pf_table_metadata *metadata = table->metadata;
    struct pf_table *then;
    int64_t number;
    bool is_number = pf_str_to_i64(value, &number);
    if (point->is_timestamp) {
        if (!is_number)
            PF_FAIL(err, PF_INVALID, "table %.*s: no time '%.*s'", PF_STR_ARG(table->full_name), PF_STR_ARG(value));
        PF_TRY(pf_table_at_time(table, number, arena, &then, err));
    } else if (is_number && pf_table_metadata_snapshot(metadata, number)) {
        PF_TRY(pf_table_at_snapshot(table, number, arena, &then, err));
    } else if (is_number && !pf_table_metadata_snapshot_ref(metadata, value)) {
        return pf_table_at_snapshot(table, number, arena, &then, err); /* says that there is none */
    } else {
        PF_TRY(pf_table_at_ref(table, value, arena, &then, err));
        for (size_t i = 0; i < metadata->ref_count; i++) {
            bool is_branch = metadata->refs[i].is_branch && pf_str_equal(metadata->refs[i].name, value);
            if (is_branch) *out_state = pf_arena_printf(arena, "branch=%.*s", PF_STR_ARG(value));
            if (is_branch) return PF_OK;
        }
    }
    *out_state = pf_arena_printf(arena, "version=%lld", (long long)then->snapshot->id);
    return PF_OK;
}

static enum pf_code put_point(struct pf_stack *stack, struct pf_session *session, const struct pf_time_travel *point,
                              struct pf_arena *arena, struct pf_buf *out, struct pf_error *err) {
    struct pf_table *table;
    struct table_name name = split_table_name(point->table.name);
    pf_str value, state;
    PF_TRY(evaluate(session, point, arena, &value, err));
    PF_TRY(pf_catalog_load(stack->catalog, (struct pf_table_id){point->table.schema, name.table}, arena, &table, err));
    PF_TRY(find_state(table, point, value, arena, &state, err));
    pf_str full = pf_arena_printf(arena, "%.*s@%.*s", PF_STR_ARG(point->table.name), PF_STR_ARG(state));
    if (point->table.schema.len) {
        pf_buf_put_str(out, pf_sql_quote_name(point->table.schema, arena));
        pf_buf_put_char(out, '.');
    }
    pf_buf_put_str(out, pf_sql_quote_name(full, arena));
    if (!point->has_alias) pf_buf_printf(out, " AS %s", pf_sql_quote_name(point->table.name, arena).ptr);
    return PF_OK;
}

static int compare_points(const void *a, const void *b) {
    const struct pf_time_travel *x = a, *y = b;
    return (x->name_from > y->name_from) - (x->name_from < y->name_from);
}

static enum pf_code put_statement(struct pf_stack *stack, struct pf_session *session, pf_str sql,
                                  const struct pf_time_travel *points, size_t count, struct pf_arena *arena,
                                  struct pf_buf *out, struct pf_error *err) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (points[i].name_from < at) continue; /* the same table of the statement again */
        pf_buf_put_str(out, pf_str_slice(sql, at, points[i].name_from));
        PF_TRY(put_point(stack, session, &points[i], arena, out, err));
        pf_buf_put_str(out, pf_str_slice(sql, points[i].name_to, points[i].at_from));
        at = points[i].at_to;
    }
    pf_buf_put_str(out, pf_str_slice(sql, at, sql.len));
    return PF_OK;
}

enum pf_code time_travel_rewrite(struct pf_stack *stack, struct pf_session *session, struct pf_arena *arena,
                                 pf_str *sql, struct pf_error *err) {
    struct pf_time_travel *points;
    size_t count;
    pf_str text;
    PF_TRY(pf_session_time_travel(session, *sql, arena, &points, &count, err));
    if (!count) return PF_OK;
    qsort(points, count, sizeof *points, compare_points);
    struct pf_buf out;
    pf_buf_init(&out, MAX_TRAVEL_BYTES);
    enum pf_code code = put_statement(stack, session, *sql, points, count, arena, &out, err);
    if (code == PF_OK) code = pf_buf_finish(&out, "statement", &text, err);
    if (code == PF_OK) *sql = pf_arena_str(arena, text);
    pf_buf_clear(&out);
    return code;
}

struct table_name split_table_name(pf_str name) {
    struct table_name parts = {.table = name};
    size_t at = SIZE_MAX, dollar = SIZE_MAX;
    for (size_t i = pf_str_find_char(name, '@', 0); i != SIZE_MAX; i = pf_str_find_char(name, '@', i + 1)) at = i;
    if (at != SIZE_MAX) {
        parts.state = pf_str_slice(name, at + 1, name.len);
        parts.table = pf_str_slice(name, 0, at);
    }
    for (size_t i = pf_str_find_char(parts.table, '$', 0); i != SIZE_MAX;
         i = pf_str_find_char(parts.table, '$', i + 1)) {
        dollar = i;
    }
    if (dollar != SIZE_MAX) {
        parts.kind = pf_str_slice(parts.table, dollar + 1, parts.table.len);
        parts.table = pf_str_slice(parts.table, 0, dollar);
    }
    return parts;
}

enum pf_code table_in_state(const struct pf_table *table, pf_str state, struct pf_arena *arena,
                            struct pf_table **out_table, struct pf_error *err) {
    static const pf_str version = {"version=", 8}, branch = {"branch=", 7};
    int64_t snapshot_id;
    if (pf_str_starts_with(state, version) &&
        pf_str_to_i64(pf_str_slice(state, version.len, state.len), &snapshot_id)) {
        return pf_table_at_snapshot(table, snapshot_id, arena, out_table, err);
    }
    if (pf_str_starts_with(state, branch)) {
        return pf_table_at_ref(table, pf_str_slice(state, branch.len, state.len), arena, out_table, err);
    }
    PF_FAIL(err, PF_NOT_FOUND, "table %.*s: '@%.*s' is neither @version=<snapshot id> nor @branch=<name>",
            PF_STR_ARG(table->full_name), PF_STR_ARG(state));
}
