/* SPDX-License-Identifier: MIT */
/* [WITH …] UPDATE table [[AS] alias] SET assignments [FROM relations] [WHERE condition] */
#include "icecap/clauses.h"
#include "icecap/row_change.h"

#include "base/buf.h"

enum { MAX_SQL_BYTES = 64 << 20 };

struct update {
    struct head_name table;
    pf_str alias, with_sql, from_sql, where_sql; /* empty: none */
    struct assignments assignments;
};

static enum pf_code parse(struct head *head, void **out_parsed, struct pf_error *err) {
    static const char *const behind_table[] = {"set", NULL};
    static const char *const behind_set[] = {"from", "where", "returning", NULL};
    static const char *const behind_from[] = {"where", "returning", NULL};
    static const char *const behind_where[] = {"returning", NULL};
    struct update *update = PF_ARENA_NEW(head->arena, struct update);
    update->with_sql = head->with_sql;
    PF_TRY(head_need(head, "update", err));
    PF_TRY(head_need_table(head, &update->table, err));
    PF_TRY(clause_take_alias(head, behind_table, &update->alias, err));
    PF_TRY(head_need(head, "set", err));
    PF_TRY(clause_take_assignments(head, behind_set, &update->assignments, err));
    if (head_take(head, "from")) PF_TRY(clause_take(head, behind_from, false, "relations", &update->from_sql, err));
    if (head_take(head, "where")) {
        PF_TRY(clause_take(head, behind_where, false, "a condition", &update->where_sql, err));
    }
    PF_TRY(clause_refuse_returning(head, err));
    *out_parsed = update;
    return head_need_end(head, err);
}

/* FROM table, relations WHERE condition */
static pf_str sources(struct icecap_call *call, const struct update *update, const struct target *target,
                      pf_str alias) {
    return pf_arena_printf(call->arena, " FROM %.*s%s%.*s%s%.*s%s",
                           PF_STR_ARG(row_change_relation(call, target, alias)), update->from_sql.len ? ", " : "",
                           PF_STR_ARG(update->from_sql), update->where_sql.len ? " WHERE (" : "",
                           PF_STR_ARG(update->where_sql), update->where_sql.len ? "\n)" : "");
}

/* A row that several rows of FROM match is updated by the one with the least values: DuckDB takes any. */
static pf_str once_a_row(struct icecap_call *call, const struct target *target, pf_str sql) {
    struct pf_buf out;
    size_t count = target->table->schema->field_count;
    pf_buf_init(&out, MAX_SQL_BYTES);
    pf_buf_put_cstr(&out, "SELECT ");
    for (size_t i = 0; i <= count; i++) pf_buf_printf(&out, "%sr%zu", i ? ", " : "", i);
    pf_buf_printf(&out, " FROM (SELECT *, row_number() OVER (PARTITION BY r%zu, r%zu ORDER BY ", count + 1, count + 2);
    for (size_t i = 0; i < count; i++) pf_buf_printf(&out, "%sr%zu", i ? ", " : "", i);
    pf_buf_printf(&out, ") AS r%zu FROM (%.*s)) WHERE r%zu = 1", count + 3, PF_STR_ARG(sql), count + 3);
    pf_str text = pf_arena_str(call->arena, pf_buf_view(&out));
    pf_buf_clear(&out);
    return text;
}

enum pf_code update_check_columns(const struct target *target, const struct assignments *assignments,
                                  struct pf_error *err) {
    for (size_t i = 0; i < assignments->count; i++) {
        if (pf_iceberg_schema_find(target->table->schema, assignments->items[i].column)) continue;
        PF_FAIL(err, PF_INVALID, "table %.*s has no column '%.*s'", PF_STR_ARG(target->table->full_name),
                PF_STR_ARG(assignments->items[i].column));
    }
    return PF_OK;
}

enum pf_code update_put_value(struct icecap_call *call, const struct target *target,
                              const struct assignments *assignments, const struct pf_iceberg_field *field, pf_str alias,
                              struct pf_buf *out, struct pf_error *err) {
    pf_str type, sql = PF_STR_EMPTY;
    PF_TRY(pf_iceberg_type_sql(field->type, call->arena, &type, err));
    for (size_t i = 0; i < assignments->count; i++) {
        const struct pf_iceberg_field *assigned =
            pf_iceberg_schema_find(target->table->schema, assignments->items[i].column);
        if (assigned == field) sql = assignments->items[i].sql;
    }
    if (pf_str_equal_nocase(sql, PF_STR("default"))) PF_TRY(target_default_sql(call, target, field, &sql, err));
    if (sql.len) {
        pf_buf_printf(out, "CAST((%.*s\n) AS %.*s)", PF_STR_ARG(sql), PF_STR_ARG(type));
    } else {
        pf_buf_printf(out, "%.*s.%.*s", PF_STR_ARG(alias), PF_STR_ARG(pf_sql_quote_name(field->name, call->arena)));
    }
    return PF_OK;
}

/* r0, r1 … the columns, the row id; with FROM also where the row is. */
static enum pf_code put_rows(struct icecap_call *call, const struct update *update, const struct target *target,
                             pf_str alias, struct pf_buf *out, struct pf_error *err) {
    const struct pf_iceberg_schema *schema = target->table->schema;
    size_t count = schema->field_count;
    pf_buf_put_cstr(out, "SELECT ");
    for (size_t i = 0; i < count; i++) {
        PF_TRY(update_put_value(call, target, &update->assignments, &schema->fields[i], alias, out, err));
        pf_buf_printf(out, " AS r%zu, ", i);
    }
    pf_buf_printf(out, "%.*s._row_id AS r%zu", PF_STR_ARG(alias), count);
    if (update->from_sql.len) {
        pf_buf_printf(out, ", %.*s._file_number AS r%zu, %.*s._pos AS r%zu", PF_STR_ARG(alias), count + 1,
                      PF_STR_ARG(alias), count + 2);
    }
    pf_buf_put_str(out, sources(call, update, target, alias));
    return PF_OK;
}

static enum pf_code plan(struct icecap_call *call, struct target *target, struct row_change *change,
                         struct pf_error *err) {
    const struct update *update = change->parsed;
    struct pf_arena *arena = call->arena;
    pf_str alias = row_change_alias(&update->table, update->alias, arena), sql;
    struct pf_buf out;
    PF_TRY(update_check_columns(target, &update->assignments, err));
    change->places_sql = pf_arena_printf(
        arena, "%.*s SELECT CAST(0 AS INTEGER), %.*s._file_number, %.*s._pos, CAST(NULL AS VARCHAR)%.*s",
        PF_STR_ARG(update->with_sql), PF_STR_ARG(alias), PF_STR_ARG(alias),
        PF_STR_ARG(sources(call, update, target, alias)));
    pf_buf_init(&out, MAX_SQL_BYTES);
    enum pf_code code = put_rows(call, update, target, alias, &out, err);
    if (code == PF_OK) code = pf_buf_finish(&out, "UPDATE", &sql, err);
    if (code == PF_OK) {
        sql = pf_arena_str(arena, sql);
        if (update->from_sql.len) sql = once_a_row(call, target, sql);
        change->rows_sql = pf_arena_printf(arena, "%.*s %.*s", PF_STR_ARG(update->with_sql), PF_STR_ARG(sql));
    }
    pf_buf_clear(&out);
    return code;
}

static struct row_change change_of(const struct update *update) {
    return (struct row_change){
        .verb = "update", .table = &update->table, .alias = update->alias, .parsed = update, .plan = plan};
}

static enum pf_code run(struct icecap_call *call, const void *parsed, struct pf_error *err) {
    struct row_change change = change_of(parsed);
    return row_change_run(call, &change, err);
}

static enum pf_code explain(struct icecap_call *call, const void *parsed, struct pf_buf *out, struct pf_error *err) {
    struct row_change change = change_of(parsed);
    return row_change_explain(call, &change, out, err);
}

const struct icecap_statement icecap_update = {"update", NULL, "UPDATE", parse, run, explain};
