/* SPDX-License-Identifier: MIT */
/* The clauses of MERGE as two SELECTs: the rows that go, and those that come.
 *
 * pf_clause is the number of the clause that a row comes to, -1 for none: one CASE over the clauses of the case at hand. The
 * expressions of a clause are only evaluated for its rows, since they stand in a CASE on pf_clause. DuckDB 1.5 does not let
 * other columns name one that has a subquery: then the CASE is written out in its places. */
#include "icecap/merge.h"

#include "base/buf.h"

enum { MAX_SQL_BYTES = 64 << 20 };

/* What happens to rows of the table, as row_change counts them. */
enum { GOES_ERROR, GOES_UPDATED, GOES_DELETED };

struct planner {
    struct icecap_call *call;
    struct pf_arena *arena;
    const struct target *target;
    const struct merge *merge;
    pf_str alias, relation;
    const struct pf_column *source; /* its columns, if a clause takes them all */
    size_t source_count;
    pf_str source_alias;
    struct pf_buf *out;
    struct pf_error *err;
};

static const enum merge_match MATCHES[] = {MERGE_MATCHED, MERGE_NOT_MATCHED, MERGE_NOT_MATCHED_BY_SOURCE};

static bool goes(const struct merge_clause *clause) {
    return clause->action == MERGE_ERROR || clause->action == MERGE_DELETE || clause->action == MERGE_UPDATE;
}

static bool comes(const struct merge_clause *clause) {
    return clause->action == MERGE_UPDATE || clause->action == MERGE_INSERT;
}

static bool has_any(const struct planner *planner, enum merge_match match, bool (*is_it)(const struct merge_clause *)) {
    for (size_t i = 0; i < planner->merge->clause_count; i++) {
        const struct merge_clause *clause = &planner->merge->clauses[i];
        if (clause->match == match && is_it(clause)) return true;
    }
    return false;
}

/* ---- pieces ---- */

static bool has_query(pf_str sql) {
    static const char *const words[] = {"select", "from", "values", "table"};
    struct pf_sql_scanner scanner = {sql};
    for (struct pf_sql_token token = pf_sql_scan_next(&scanner); token.kind != PF_SQL_END;
         token = pf_sql_scan_next(&scanner)) {
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            if (pf_sql_token_is(&token, words[i])) return true;
        }
    }
    return false;
}

static bool has_queries(const struct planner *planner, enum merge_match match) {
    for (size_t i = 0; i < planner->merge->clause_count; i++) {
        const struct merge_clause *clause = &planner->merge->clauses[i];
        if (clause->match == match && has_query(clause->condition_sql)) return true;
    }
    return false;
}

static void put_case(struct planner *planner, enum merge_match match) {
    pf_buf_put_cstr(planner->out, "CASE");
    for (size_t i = 0; i < planner->merge->clause_count; i++) {
        const struct merge_clause *clause = &planner->merge->clauses[i];
        if (clause->match != match) continue;
        if (clause->condition_sql.len) {
            pf_buf_printf(planner->out, " WHEN (%.*s\n) THEN %zu", PF_STR_ARG(clause->condition_sql), i);
        } else {
            pf_buf_printf(planner->out, " WHEN true THEN %zu", i);
        }
    }
    pf_buf_put_cstr(planner->out, " ELSE -1 END");
}

/* As a column. */
static void put_clause_column(struct planner *planner, enum merge_match match) {
    put_case(planner, match);
    pf_buf_put_cstr(planner->out, " AS pf_clause");
}

/* In other expressions. */
static void put_clause_number(struct planner *planner, enum merge_match match) {
    if (has_queries(planner, match)) {
        pf_buf_put_char(planner->out, '(');
        put_case(planner, match);
        pf_buf_put_char(planner->out, ')');
    } else {
        pf_buf_put_cstr(planner->out, "pf_clause");
    }
}

static void put_relations(struct planner *planner, enum merge_match match) {
    const struct merge *merge = planner->merge;
    bool has_table = match != MERGE_NOT_MATCHED, has_source = match != MERGE_NOT_MATCHED_BY_SOURCE;
    pf_str first = has_table ? planner->relation : merge->source_sql;
    pf_buf_printf(planner->out, " FROM %.*s", PF_STR_ARG(first));
    if (has_table && has_source) {
        pf_buf_printf(planner->out, ", %.*s WHERE (%.*s\n)", PF_STR_ARG(merge->source_sql),
                      PF_STR_ARG(merge->condition_sql));
        return;
    }
    pf_str other = has_table ? merge->source_sql : planner->relation;
    pf_buf_printf(planner->out, " WHERE NOT EXISTS (SELECT 1 FROM %.*s WHERE (%.*s\n))", PF_STR_ARG(other),
                  PF_STR_ARG(merge->condition_sql));
}

static void put_which(struct planner *planner, enum merge_match match, bool (*is_it)(const struct merge_clause *)) {
    const char *separator = " IN (";
    pf_buf_put_cstr(planner->out, " AND ");
    put_clause_number(planner, match);
    for (size_t i = 0; i < planner->merge->clause_count; i++) {
        const struct merge_clause *clause = &planner->merge->clauses[i];
        if (clause->match != match || !is_it(clause)) continue;
        pf_buf_printf(planner->out, "%s%zu", separator, i);
        separator = ", ";
    }
    pf_buf_put_char(planner->out, ')');
}

/* ---- rows that go ---- */

static void put_kind(struct planner *planner, enum merge_match match) {
    pf_buf_put_cstr(planner->out, ", CAST(CASE ");
    put_clause_number(planner, match);
    for (size_t i = 0; i < planner->merge->clause_count; i++) {
        const struct merge_clause *clause = &planner->merge->clauses[i];
        if (clause->match != match || !goes(clause)) continue;
        int kind = clause->action == MERGE_ERROR    ? GOES_ERROR
                   : clause->action == MERGE_UPDATE ? GOES_UPDATED
                                                    : GOES_DELETED;
        pf_buf_printf(planner->out, " WHEN %zu THEN %d", i, kind);
    }
    pf_buf_put_cstr(planner->out, " END AS INTEGER) AS pf_kind");
}

static void put_message(struct planner *planner, enum merge_match match) {
    pf_buf_put_cstr(planner->out, ", CAST(CASE ");
    put_clause_number(planner, match);
    for (size_t i = 0; i < planner->merge->clause_count; i++) {
        const struct merge_clause *clause = &planner->merge->clauses[i];
        if (clause->match != match || !clause->message_sql.len) continue;
        pf_buf_printf(planner->out, " WHEN %zu THEN CAST((%.*s\n) AS VARCHAR)", i, PF_STR_ARG(clause->message_sql));
    }
    pf_buf_put_cstr(planner->out, " WHEN -1 THEN NULL END AS VARCHAR) AS pf_text");
}

static void put_places(struct planner *planner, enum merge_match match) {
    bool has_table = match != MERGE_NOT_MATCHED;
    pf_buf_put_cstr(planner->out, "SELECT pf_kind, pf_file, pf_pos, pf_text FROM (SELECT ");
    put_clause_column(planner, match);
    put_kind(planner, match);
    if (has_table) {
        pf_buf_printf(planner->out, ", %.*s._file_number AS pf_file, %.*s._pos AS pf_pos", PF_STR_ARG(planner->alias),
                      PF_STR_ARG(planner->alias));
    } else {
        pf_buf_put_cstr(planner->out, ", CAST(NULL AS BIGINT) AS pf_file, CAST(NULL AS BIGINT) AS pf_pos");
    }
    put_message(planner, match);
    put_relations(planner, match);
    put_which(planner, match, goes);
    pf_buf_put_char(planner->out, ')');
}

/* ---- rows that come ---- */

/* The source's column for a field of the table: by name, or by place. */
static enum pf_code put_source_column(struct planner *planner, const struct merge_clause *clause, size_t field_at,
                                      bool *out_is_there) {
    const struct pf_iceberg_schema *schema = planner->target->table->schema;
    const struct pf_iceberg_field *field = &schema->fields[field_at];
    const char *what = clause->action == MERGE_UPDATE ? "UPDATE" : "INSERT";
    size_t at = field_at;
    *out_is_there = true;
    if (!clause->by_name && planner->source_count != schema->field_count) {
        PF_FAIL(planner->err, PF_INVALID,
                "%s takes the columns of the source by position: the table has %zu, the source %zu", what,
                schema->field_count, planner->source_count);
    }
    if (clause->by_name) {
        for (at = 0; at < planner->source_count; at++) {
            if (pf_str_equal_nocase(planner->source[at].name, field->name)) break;
        }
        *out_is_there = at < planner->source_count;
        if (!*out_is_there) return PF_OK;
    }
    pf_str type;
    PF_TRY(pf_iceberg_type_sql(field->type, planner->arena, &type, planner->err));
    pf_buf_printf(planner->out, "CAST(%.*s.%.*s AS %.*s)", PF_STR_ARG(planner->source_alias),
                  PF_STR_ARG(pf_sql_quote_name(planner->source[at].name, planner->arena)), PF_STR_ARG(type));
    return PF_OK;
}

static enum pf_code put_default(struct planner *planner, const struct pf_iceberg_field *field) {
    pf_str sql;
    PF_TRY(target_default_sql(planner->call, planner->target, field, &sql, planner->err));
    pf_buf_put_str(planner->out, sql);
    return PF_OK;
}

/* Which of INSERT's values is for the field; SIZE_MAX: none. */
static enum pf_code find_value(const struct planner *planner, const struct merge_clause *clause, size_t field_at,
                               size_t *out_at) {
    const struct pf_iceberg_schema *schema = planner->target->table->schema;
    *out_at = SIZE_MAX;
    if (!clause->column_count) {
        if (clause->value_count != schema->field_count) {
            PF_FAIL(planner->err, PF_INVALID, "INSERT has %zu values for the table's %zu columns", clause->value_count,
                    schema->field_count);
        }
        *out_at = field_at;
        return PF_OK;
    }
    for (size_t i = 0; i < clause->column_count; i++) {
        const struct pf_iceberg_field *field = pf_iceberg_schema_find(schema, clause->columns[i]);
        if (!field) {
            PF_FAIL(planner->err, PF_INVALID, "table %.*s has no column '%.*s'",
                    PF_STR_ARG(planner->target->table->full_name), PF_STR_ARG(clause->columns[i]));
        }
        if (field == &schema->fields[field_at]) *out_at = i;
    }
    return PF_OK;
}

static enum pf_code put_inserted(struct planner *planner, const struct merge_clause *clause, size_t field_at) {
    const struct pf_iceberg_field *field = &planner->target->table->schema->fields[field_at];
    bool is_there = false;
    size_t at;
    if (clause->is_defaults) return put_default(planner, field);
    if (!clause->is_listed) {
        PF_TRY(put_source_column(planner, clause, field_at, &is_there));
        return is_there ? PF_OK : put_default(planner, field);
    }
    PF_TRY(find_value(planner, clause, field_at, &at));
    if (at == SIZE_MAX || pf_str_equal_nocase(clause->values[at], PF_STR("default")))
        return put_default(planner, field);
    pf_str type;
    PF_TRY(pf_iceberg_type_sql(field->type, planner->arena, &type, planner->err));
    pf_buf_printf(planner->out, "CAST((%.*s\n) AS %.*s)", PF_STR_ARG(clause->values[at]), PF_STR_ARG(type));
    return PF_OK;
}

static enum pf_code put_updated(struct planner *planner, const struct merge_clause *clause, size_t field_at) {
    const struct pf_iceberg_field *field = &planner->target->table->schema->fields[field_at];
    bool is_there = false;
    if (!clause->is_listed) PF_TRY(put_source_column(planner, clause, field_at, &is_there));
    if (is_there) return PF_OK;
    return update_put_value(planner->call, planner->target, &clause->assignments, field, planner->alias, planner->out,
                            planner->err);
}

static enum pf_code put_field(struct planner *planner, enum merge_match match, size_t field_at) {
    pf_buf_put_cstr(planner->out, ", CASE ");
    put_clause_number(planner, match);
    for (size_t i = 0; i < planner->merge->clause_count; i++) {
        const struct merge_clause *clause = &planner->merge->clauses[i];
        if (clause->match != match || !comes(clause)) continue;
        pf_buf_printf(planner->out, " WHEN %zu THEN ", i);
        bool is_update = clause->action == MERGE_UPDATE;
        PF_TRY(is_update ? put_updated(planner, clause, field_at) : put_inserted(planner, clause, field_at));
    }
    pf_buf_printf(planner->out, " END AS r%zu", field_at);
    return PF_OK;
}

static void put_row_id(struct planner *planner, enum merge_match match, size_t at) {
    pf_buf_put_cstr(planner->out, ", CAST(CASE ");
    put_clause_number(planner, match);
    for (size_t i = 0; i < planner->merge->clause_count; i++) {
        const struct merge_clause *clause = &planner->merge->clauses[i];
        if (clause->match != match || clause->action != MERGE_UPDATE) continue;
        pf_buf_printf(planner->out, " WHEN %zu THEN %.*s._row_id", i, PF_STR_ARG(planner->alias));
    }
    pf_buf_printf(planner->out, " WHEN -1 THEN NULL END AS BIGINT) AS r%zu", at);
}

static enum pf_code put_rows(struct planner *planner, enum merge_match match) {
    size_t count = planner->target->table->schema->field_count;
    pf_buf_put_cstr(planner->out, "SELECT ");
    for (size_t i = 0; i <= count; i++) pf_buf_printf(planner->out, "%sr%zu", i ? ", " : "", i);
    pf_buf_put_cstr(planner->out, " FROM (SELECT ");
    put_clause_column(planner, match);
    for (size_t i = 0; i < count; i++) PF_TRY(put_field(planner, match, i));
    put_row_id(planner, match, count);
    put_relations(planner, match);
    put_which(planner, match, comes);
    pf_buf_put_char(planner->out, ')');
    return PF_OK;
}

/* ---- both ---- */

pf_str merge_source_alias(const struct merge *merge, struct pf_arena *arena) {
    struct head head;
    pf_str last = PF_STR_EMPTY;
    int depth = 0;
    head_begin(&head, merge->source_sql, arena);
    for (; !head_is_end(&head); head_next(&head)) {
        bool is_name = head.token.kind == PF_SQL_WORD || head.token.kind == PF_SQL_QUOTED_NAME;
        if (depth == 0 && is_name) last = pf_sql_token_name(&head.token, arena);
        if (head_is_symbol(&head, '(')) depth++;
        if (head_is_symbol(&head, ')')) depth--;
    }
    return last;
}

static enum pf_code bind_source(struct planner *planner) {
    bool is_wanted = false;
    for (size_t i = 0; i < planner->merge->clause_count; i++) {
        const struct merge_clause *clause = &planner->merge->clauses[i];
        is_wanted = is_wanted || (comes(clause) && !clause->is_listed && !clause->is_defaults);
    }
    if (!is_wanted) return PF_OK;
    planner->source_alias = pf_sql_quote_name(merge_source_alias(planner->merge, planner->arena), planner->arena);
    pf_str sql = pf_arena_printf(planner->arena, "%.*s SELECT * FROM %.*s", PF_STR_ARG(planner->merge->with_sql),
                                 PF_STR_ARG(planner->merge->source_sql));
    return pf_query_bind(planner->call->query, sql, &planner->source, &planner->source_count, planner->err);
}

/* UNION ALL over the cases that have such clauses; empty if none has. */
static enum pf_code put_cases(struct planner *planner, bool (*is_it)(const struct merge_clause *), pf_str *out_sql) {
    struct pf_buf out;
    pf_str text = PF_STR_EMPTY;
    size_t printed = 0;
    enum pf_code code = PF_OK;
    pf_buf_init(&out, MAX_SQL_BYTES);
    planner->out = &out;
    pf_buf_printf(&out, "%.*s ", PF_STR_ARG(planner->merge->with_sql));
    for (size_t i = 0; i < sizeof MATCHES / sizeof *MATCHES && code == PF_OK; i++) {
        if (!has_any(planner, MATCHES[i], is_it)) continue;
        if (printed++) pf_buf_put_cstr(&out, " UNION ALL ");
        if (is_it == goes) {
            put_places(planner, MATCHES[i]);
        } else {
            code = put_rows(planner, MATCHES[i]);
        }
    }
    if (code == PF_OK && printed) code = pf_buf_finish(&out, "MERGE", &text, planner->err);
    if (code == PF_OK) *out_sql = printed ? pf_arena_str(planner->arena, text) : PF_STR_EMPTY;
    pf_buf_clear(&out);
    return code;
}

static enum pf_code check_columns(const struct planner *planner) {
    for (size_t i = 0; i < planner->merge->clause_count; i++) {
        PF_TRY(update_check_columns(planner->target, &planner->merge->clauses[i].assignments, planner->err));
    }
    return PF_OK;
}

enum pf_code merge_plan(struct icecap_call *call, struct target *target, struct row_change *change,
                        struct pf_error *err) {
    const struct merge *merge = change->parsed;
    struct planner planner = {.call = call, .arena = call->arena, .target = target, .merge = merge, .err = err};
    planner.alias = row_change_alias(&merge->table, merge->alias, call->arena);
    planner.relation = row_change_relation(call, target, planner.alias);
    PF_TRY(check_columns(&planner));
    PF_TRY(bind_source(&planner));
    change->error_action_count = GOES_UPDATED;
    PF_TRY(put_cases(&planner, goes, &change->places_sql));
    return put_cases(&planner, comes, &change->rows_sql);
}
