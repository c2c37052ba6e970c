/* SPDX-License-Identifier: MIT */
/* The plan JSON and the estimates -> struct pf_plan. Foreign bytes: nothing in them may crash us, nesting is bounded.
 *
 * Two documents describe one tree: json_serialize_plan gives operators and expressions, EXPLAIN (FORMAT json) of the
 * logical plan gives "Estimated Cardinality" per operator. They are joined by position in pre-order; if the numbers
 * of operators differ, the estimates come from the facts alone (estimate.c). */
#include "planner/read_duckdb_json.h"

#include "planner/streams.h"

#include <string.h>

static size_t count_operators(pf_json *op, int depth) {
    size_t count = 1;
    if (depth > MAX_NESTING) return count;
    for (struct pf_json_each each = pf_json_each(pf_json_get(op, "children")); pf_json_next(&each);)
        count += count_operators(each.value, depth + 1);
    return count;
}

static void collect_estimates(pf_json *op, double *estimates, size_t *count, int depth) {
    if (depth > MAX_NESTING) return;
    estimates[(*count)++] = (double)pf_json_get_i64(pf_json_get(op, "extra_info"), "Estimated Cardinality", -1);
    for (struct pf_json_each each = pf_json_each(pf_json_get(op, "children")); pf_json_next(&each);)
        collect_estimates(each.value, estimates, count, depth + 1);
}

/* Whatever is wrong with the estimates, planning goes on without them. */
static void read_estimates(struct reader *reader, pf_str estimates_json, pf_json *plan_root) {
    pf_json *root;
    if (!estimates_json.len || pf_json_parse(estimates_json, reader->arena, "estimates", &root, NULL) != PF_OK) return;
    pf_json *top = yyjson_is_arr(root) ? yyjson_arr_get_first(root) : root;
    size_t count = count_operators(top, 0);
    if (count != count_operators(plan_root, 0)) return;
    double *estimates = PF_ARENA_ARRAY(reader->arena, double, count);
    collect_estimates(top, estimates, &reader->estimate_count, 0);
    reader->estimates = estimates;
}

/* Each reference is below the operator that defines it. `defined` is the path of definitions in scope. */
struct scope {
    const struct pf_op *op;
    const struct scope *outer;
};

static enum pf_code check_references(const struct pf_op *op, const struct scope *outer, struct pf_error *err) {
    if (op->kind == PF_OP_CTE_REF) {
        for (const struct scope *scope = outer; scope; scope = scope->outer)
            if (scope->op->cte_index == op->cte_index && scope->op->children[0]->column_count >= op->column_count)
                return PF_OK;
        PF_FAIL(err, PF_INVALID, "plan: a reference to CTE %d, which isn't there", op->cte_index);
    }
    struct scope scope = {.op = op, .outer = outer};
    bool defines = op->kind == PF_OP_CTE || op->kind == PF_OP_RECURSIVE;
    for (const struct scope *other = outer; defines && other; other = other->outer)
        if (other->op->cte_index == op->cte_index) PF_FAIL(err, PF_INVALID, "plan: CTE %d twice", op->cte_index);
    for (uint32_t i = 0; i < op->child_count; i++)
        PF_TRY(check_references(op->children[i], defines && i == 1 ? &scope : outer, err));
    return PF_OK;
}

/* The names of the result as far as the plan knows them; the caller may know better (pf_planner_name_columns). */
static pf_str default_name(const struct pf_op *op, uint32_t column, struct pf_arena *arena) {
    for (;;) {
        const struct pf_expr *expr = NULL;
        if (op->kind == PF_OP_PROJECT)
            expr = op->exprs[column];
        else if (op->kind == PF_OP_AGGREGATE && column < op->group_count)
            expr = op->groups[column];
        else if (op->kind == PF_OP_SCAN && op->column_names[column].len)
            return op->column_names[column];
        else if (op->kind == PF_OP_CTE || (op->kind == PF_OP_JOIN && op->child_count)) {
            const struct pf_op *left = op->children[0];
            bool is_right_only = op->kind == PF_OP_JOIN &&
                                 (op->join->kind == PF_JOIN_RIGHT_SEMI || op->join->kind == PF_JOIN_RIGHT_ANTI);
            if (op->kind == PF_OP_CTE || is_right_only)
                op = op->children[1];
            else if (column < left->column_count)
                op = left;
            else if (op->join->kind == PF_JOIN_MARK)
                break;
            else {
                column -= left->column_count;
                op = op->children[1];
            }
            continue;
        } else if (op->child_count == 1 && column < op->children[0]->column_count && op->kind != PF_OP_AGGREGATE &&
                   op->kind != PF_OP_TABLE_FUNCTION) {
            op = op->children[0];
            continue;
        }
        if (expr && expr->alias.len) return expr->alias;
        if (expr && expr->kind == PF_EXPR_COLUMN && op->child_count == 1) {
            column = expr->column;
            op = op->children[0];
            continue;
        }
        break;
    }
    return pf_arena_printf(arena, "column%u", column);
}

/* DuckDB writes NaN, Infinity and -Infinity as they are, which JSON doesn't know: in quotes they can be read. */
static pf_str quote_special_numbers(pf_str text, struct pf_arena *arena) {
    static const char *const WORDS[] = {"NaN", "-NaN", "Infinity", "-Infinity"};
    static const char *const QUOTED[] = {"\"nan\"", "\"nan\"", "\"inf\"", "\"-inf\""};
    if (pf_str_find(text, PF_STR(":NaN"), 0) == SIZE_MAX && pf_str_find(text, PF_STR("Infinity"), 0) == SIZE_MAX)
        return text;
    struct pf_buf buf;
    pf_buf_init(&buf, text.len * 2 + 64);
    bool is_in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        size_t word = 0;
        while (!is_in_string && word < 4 &&
               !pf_str_starts_with(pf_str_slice(text, i, text.len), pf_str_from_cstr(WORDS[word])))
            word++;
        if (!is_in_string && word < 4) {
            pf_buf_put_cstr(&buf, QUOTED[word]);
            i += strlen(WORDS[word]) - 1;
            continue;
        }
        if (c == '"') is_in_string = !is_in_string;
        pf_buf_put_char(&buf, c);
        if (is_in_string && c == '\\' && i + 1 < text.len) pf_buf_put_char(&buf, text.ptr[++i]);
    }
    pf_str quoted = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return quoted;
}

enum pf_code pf_planner_read(pf_str plan_json, pf_str estimates_json, const struct pf_table_facts *facts,
                             size_t fact_count, struct pf_arena *arena, struct pf_plan **out_plan,
                             struct pf_error *err) {
    pf_json *document;
    if (!plan_json.len) PF_FAIL(err, PF_UNSUPPORTED, "plan: DuckDB can't serialise it (a BIT or BIGNUM constant?)");
    PF_TRY(pf_json_parse(quote_special_numbers(plan_json, arena), arena, "plan", &document, err));
    if (pf_json_get_bool(document, "error", false)) {
        pf_str message = pf_json_get_str(document, "error_message", PF_STR("unknown error"));
        PF_FAIL(err, PF_INVALID, "%.*s", PF_STR_ARG(message));
    }
    pf_json *plans = pf_json_get(document, "plans");
    if (pf_json_count(plans) != 1)
        PF_FAIL(err, PF_UNSUPPORTED, "plan: %zu statements instead of one", pf_json_count(plans));
    pf_json *root_json = yyjson_arr_get_first(plans);
    struct reader reader = {.arena = arena,
                            .facts = facts,
                            .fact_count = fact_count,
                            .next_op_id = 1,
                            .next_cte = FIRST_DELIM_CTE,
                            .binding_table = -1};
    read_estimates(&reader, estimates_json, root_json);
    struct pf_op *root;
    PF_TRY(read_operator(&reader, root_json, &root, err));
    PF_TRY(check_references(root, NULL, err));
    struct cutter cutter = {.arena = arena, .next_op_id = reader.next_op_id};
    struct pf_plan *plan = PF_ARENA_NEW(arena, struct pf_plan);
    plan->root = rewrite_windows(&cutter, rewrite_distinct(&cutter, rewrite_disjunctions(&cutter, root)));
    plan->next_op_id = cutter.next_op_id;
    plan->column_names = PF_ARENA_ARRAY(arena, pf_str, root->column_count);
    for (uint32_t i = 0; i < root->column_count; i++) plan->column_names[i] = default_name(root, i, arena);
    /* What can't be printed can't be cut either: say so now. */
    pf_str sql;
    PF_TRY(pf_planner_print_sql(plan, arena, &sql, err));
    *out_plan = plan;
    return PF_OK;
}

struct pf_plan *pf_planner_name_columns(const struct pf_plan *plan, const pf_str *names, size_t count,
                                        struct pf_arena *arena) {
    struct pf_plan *named = PF_ARENA_NEW(arena, struct pf_plan);
    *named = *plan;
    if (count != plan->root->column_count) return named;
    named->column_names = PF_ARENA_ARRAY(arena, pf_str, count);
    for (size_t i = 0; i < count; i++) named->column_names[i] = pf_arena_str(arena, names[i]);
    return named;
}

const char *pf_planner_disabled_optimizers(void) {
    /* regex_range compares text with BLOB constants, which no SQL can say; whoever runs the SQL does it again. */
    return "compressed_materialization,column_lifetime,late_materialization,join_filter_pushdown,"
           "top_n_window_elimination,common_subplan,window_self_join,regex_range";
}
