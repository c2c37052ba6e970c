/* SPDX-License-Identifier: MIT */
/* [WITH …] MERGE INTO table [[AS] alias] USING source [[AS] alias] {ON condition | USING (columns)}
 *   WHEN MATCHED [AND condition] THEN {UPDATE … | DELETE | INSERT … | DO NOTHING | ERROR [message]}
 *   WHEN NOT MATCHED [BY TARGET] [AND condition] THEN {INSERT … | DO NOTHING | ERROR [message]}
 *   WHEN NOT MATCHED BY SOURCE [AND condition] THEN {UPDATE … | DELETE | INSERT … | DO NOTHING | ERROR [message]}
 *
 * UPDATE [SET {a = expression, … | *}] [BY NAME | BY POSITION], INSERT [(columns)] {VALUES (…) | DEFAULT VALUES | *}
 * [BY NAME | BY POSITION], as DuckDB 1.5 has them. Of the clauses of one case the first whose condition holds is done.
 *
 * The three cases are three SELECTs, in which exactly those relations can be seen that the clauses may speak of:
 *
 *   matched               FROM table, source WHERE condition
 *   not matched           FROM source WHERE NOT EXISTS (FROM table WHERE condition)
 *   not matched by source FROM table WHERE NOT EXISTS (FROM source WHERE condition) */
#include "icecap/merge.h"
#include "icecap/clauses.h"

static const char *const behind_target[] = {"using", NULL};
static const char *const behind_source[] = {"on", "using", NULL};
static const char *const behind_condition[] = {"when", "returning", NULL};
static const char *const behind_when[] = {"then", NULL};
static const char *const behind_action[] = {"when", "returning", NULL};

/* ---- actions ---- */

/* BY NAME, BY POSITION, and the star that means nothing more. */
static void take_manner(struct head *head, struct merge_clause *clause) {
    for (;;) {
        if (head_take_words(head, "by name")) {
            clause->by_name = true;
        } else if (!head_take_words(head, "by position") && !head_take_symbol(head, '*')) {
            return;
        }
    }
}

static enum pf_code take_update(struct head *head, struct merge_clause *clause, struct pf_error *err) {
    clause->action = MERGE_UPDATE;
    take_manner(head, clause);
    if (!head_take(head, "set")) return PF_OK;
    if (head_is_symbol(head, '*')) {
        take_manner(head, clause);
        return PF_OK;
    }
    clause->is_listed = true;
    return clause_take_assignments(head, behind_action, &clause->assignments, err);
}

static enum pf_code pair_values(struct head *head, struct merge_clause *clause, struct pf_error *err) {
    pf_str *values;
    size_t count;
    PF_TRY(clause_take_list(head, &values, &count, err));
    if (clause->column_count && clause->column_count != count) {
        PF_FAIL(err, PF_INVALID, "INSERT names %zu columns and has %zu values", clause->column_count, count);
    }
    clause->values = values;
    clause->value_count = count;
    return PF_OK;
}

static enum pf_code take_insert(struct head *head, struct merge_clause *clause, struct pf_error *err) {
    clause->action = MERGE_INSERT;
    take_manner(head, clause);
    if (head_is_symbol(head, '(') && !clause->by_name) {
        PF_TRY(head_need_names(head, &clause->columns, &clause->column_count, err));
    }
    if (head_take_words(head, "default values")) {
        clause->is_defaults = true;
        return PF_OK;
    }
    if (head_take(head, "values")) {
        clause->is_listed = true;
        return pair_values(head, clause, err);
    }
    if (clause->column_count) return head_fail(head, "VALUES", err);
    return PF_OK;
}

static enum pf_code take_action(struct head *head, struct merge_clause *clause, struct pf_error *err) {
    bool is_source_only = clause->match == MERGE_NOT_MATCHED;
    if (is_source_only && (head_is(head, "update") || head_is(head, "delete"))) {
        PF_FAIL(err, PF_INVALID,
                "WHEN NOT MATCHED has no row of the table to change: use WHEN MATCHED or WHEN NOT MATCHED BY SOURCE");
    }
    if (head_take(head, "update")) return take_update(head, clause, err);
    if (head_take(head, "insert")) return take_insert(head, clause, err);
    if (head_take(head, "delete")) {
        clause->action = MERGE_DELETE;
        return PF_OK;
    }
    if (head_take_words(head, "do nothing")) {
        clause->action = MERGE_NOTHING;
        return PF_OK;
    }
    PF_TRY(head_need(head, "error", err));
    clause->action = MERGE_ERROR;
    if (head_is_end(head) || head_is(head, "when") || head_is(head, "returning")) return PF_OK;
    return clause_take(head, behind_action, false, "a message", &clause->message_sql, err);
}

static enum pf_code take_clause(struct head *head, struct merge_clause *clause, struct pf_error *err) {
    PF_TRY(head_need(head, "when", err));
    clause->match = MERGE_MATCHED;
    if (head_take(head, "not")) {
        clause->match = MERGE_NOT_MATCHED;
        PF_TRY(head_need(head, "matched", err));
        if (head_take_words(head, "by source")) clause->match = MERGE_NOT_MATCHED_BY_SOURCE;
        (void)head_take_words(head, "by target");
    } else {
        PF_TRY(head_need(head, "matched", err));
    }
    if (head_take(head, "and")) {
        PF_TRY(clause_take(head, behind_when, false, "a condition", &clause->condition_sql, err));
    }
    PF_TRY(head_need(head, "then", err));
    return take_action(head, clause, err);
}

/* ---- the statement ---- */

static enum pf_code take_condition(struct head *head, struct merge *merge, struct pf_error *err) {
    if (head_take(head, "on")) {
        return clause_take(head, behind_condition, false, "a condition", &merge->condition_sql, err);
    }
    PF_TRY(head_need(head, "using", err));
    pf_str *names, condition = PF_STR_EMPTY;
    size_t count;
    PF_TRY(head_need_names(head, &names, &count, err));
    pf_str target = pf_sql_quote_name(merge->alias.len ? merge->alias : merge->table.name, head->arena);
    pf_str source = pf_sql_quote_name(merge_source_alias(merge, head->arena), head->arena);
    for (size_t i = 0; i < count; i++) {
        pf_str name = pf_sql_quote_name(names[i], head->arena);
        condition = pf_arena_printf(head->arena, "%.*s%s%.*s.%.*s = %.*s.%.*s", PF_STR_ARG(condition), i ? " AND " : "",
                                    PF_STR_ARG(target), PF_STR_ARG(name), PF_STR_ARG(source), PF_STR_ARG(name));
    }
    merge->condition_sql = condition;
    return PF_OK;
}

/* Not reached by any row; DuckDB 1.5 tries the one without a condition last, wherever it stands. */
static enum pf_code check_is_reached(const struct merge *merge, const struct merge_clause *next, struct pf_error *err) {
    static const char *const names[] = {"MATCHED", "NOT MATCHED", "NOT MATCHED BY SOURCE"};
    for (size_t i = 0; i < merge->clause_count; i++) {
        const struct merge_clause *clause = &merge->clauses[i];
        if (clause->match != next->match || clause->condition_sql.len) continue;
        PF_FAIL(err, PF_INVALID,
                "a clause WHEN %s follows one without a condition: no row comes to it; put it in front",
                names[next->match]);
    }
    return PF_OK;
}

static enum pf_code parse(struct head *head, void **out_parsed, struct pf_error *err) {
    struct merge *merge = PF_ARENA_NEW(head->arena, struct merge);
    size_t capacity = 0;
    merge->with_sql = head->with_sql;
    PF_TRY(head_need(head, "merge into", err));
    PF_TRY(head_need_table(head, &merge->table, err));
    PF_TRY(clause_take_alias(head, behind_target, &merge->alias, err));
    PF_TRY(head_need(head, "using", err));
    PF_TRY(clause_take(head, behind_source, false, "a source", &merge->source_sql, err));
    PF_TRY(take_condition(head, merge, err));
    do {
        struct merge_clause clause = {0};
        PF_TRY(clause_refuse_returning(head, err));
        PF_TRY(take_clause(head, &clause, err));
        PF_TRY(check_is_reached(merge, &clause, err));
        PF_ARENA_PUSH(head->arena, merge->clauses, merge->clause_count, capacity) = clause;
    } while (head_is(head, "when") || head_is(head, "returning"));
    *out_parsed = merge;
    return head_need_end(head, err);
}

static struct row_change change_of(const struct merge *merge) {
    return (struct row_change){.verb = "merge",
                               .table = &merge->table,
                               .alias = merge->alias,
                               .parsed = merge,
                               .plan = merge_plan,
                               .forbids_twice = true};
}

static enum pf_code run(struct icecap_call *call, const void *parsed, struct pf_error *err) {
    struct row_change change = change_of(parsed);
    return row_change_run(call, &change, err);
}

static enum pf_code explain(struct icecap_call *call, const void *parsed, struct pf_buf *out, struct pf_error *err) {
    struct row_change change = change_of(parsed);
    return row_change_explain(call, &change, out, err);
}

const struct icecap_statement icecap_merge = {"merge", NULL, "MERGE", parse, run, explain};
