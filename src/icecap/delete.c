/* SPDX-License-Identifier: MIT */
/* [WITH …] DELETE FROM table [[AS] alias] [USING relations] [WHERE condition]
 * TRUNCATE [TABLE] table */
#include "icecap/clauses.h"
#include "icecap/row_change.h"

struct delete_rows {
    struct head_name table;
    pf_str alias, with_sql, using_sql, where_sql; /* empty: none */
};

static enum pf_code parse_delete(struct head *head, void **out_parsed, struct pf_error *err) {
    static const char *const behind_table[] = {"using", "where", "returning", NULL};
    static const char *const behind_using[] = {"where", "returning", NULL};
    static const char *const behind_where[] = {"returning", NULL};
    struct delete_rows *delete = PF_ARENA_NEW(head->arena, struct delete_rows);
    delete->with_sql = head->with_sql;
    PF_TRY(head_need(head, "delete from", err));
    PF_TRY(head_need_table(head, &delete->table, err));
    PF_TRY(clause_take_alias(head, behind_table, &delete->alias, err));
    if (head_take(head, "using")) {
        PF_TRY(clause_take(head, behind_using, false, "relations", &delete->using_sql, err));
    }
    if (head_take(head, "where")) {
        PF_TRY(clause_take(head, behind_where, false, "a condition", &delete->where_sql, err));
    }
    PF_TRY(clause_refuse_returning(head, err));
    *out_parsed = delete;
    return head_need_end(head, err);
}

static enum pf_code parse_truncate(struct head *head, void **out_parsed, struct pf_error *err) {
    struct delete_rows *delete = PF_ARENA_NEW(head->arena, struct delete_rows);
    PF_TRY(head_need(head, "truncate", err));
    (void)head_take(head, "table");
    PF_TRY(head_need_table(head, &delete->table, err));
    *out_parsed = delete;
    return head_need_end(head, err);
}

static enum pf_code plan(struct icecap_call *call, struct target *target, struct row_change *change,
                         struct pf_error *err) {
    const struct delete_rows *delete = change->parsed;
    struct pf_arena *arena = call->arena;
    pf_str alias = row_change_alias(&delete->table, delete->alias, arena);
    (void)err;
    if (!delete->using_sql.len && !delete->with_sql.len) change->only_where_sql = delete->where_sql;
    change->takes_all = !delete->using_sql.len && !delete->where_sql.len;
    change->places_sql = pf_arena_printf(
        arena,
        "%.*s SELECT CAST(1 AS INTEGER), %.*s._file_number, %.*s._pos, CAST(NULL AS VARCHAR) FROM %.*s%s%.*s%s%.*s%s",
        PF_STR_ARG(delete->with_sql), PF_STR_ARG(alias), PF_STR_ARG(alias),
        PF_STR_ARG(row_change_relation(call, target, alias)), delete->using_sql.len ? ", " : "",
        PF_STR_ARG(delete->using_sql), delete->where_sql.len ? " WHERE (" : "", PF_STR_ARG(delete->where_sql),
        delete->where_sql.len ? "\n)" : "");
    return PF_OK;
}

static struct row_change change_of(const struct delete_rows *delete) {
    return (struct row_change){
        .verb = "delete", .table = &delete->table, .alias = delete->alias, .parsed = delete, .plan = plan};
}

static enum pf_code run(struct icecap_call *call, const void *parsed, struct pf_error *err) {
    struct row_change change = change_of(parsed);
    return row_change_run(call, &change, err);
}

static enum pf_code explain(struct icecap_call *call, const void *parsed, struct pf_buf *out, struct pf_error *err) {
    struct row_change change = change_of(parsed);
    return row_change_explain(call, &change, out, err);
}

const struct icecap_statement icecap_delete = {"delete", NULL, "DELETE", parse_delete, run, explain};
const struct icecap_statement icecap_truncate = {"truncate", NULL, "TRUNCATE", parse_truncate, run, explain};
