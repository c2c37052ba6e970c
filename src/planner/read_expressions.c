/* SPDX-License-Identifier: MIT */
/* DuckDB's bound expressions -> struct pf_expr: one reader per expression class, listed in a table. */
#include "planner/read_duckdb_json.h"

#include <string.h>

pf_str comparison_sql(pf_str duckdb_type) {
    static const struct {
        const char *type, *sql;
    } NAMES[] = {{"COMPARE_EQUAL", "="},
                 {"COMPARE_NOTEQUAL", "<>"},
                 {"COMPARE_LESSTHAN", "<"},
                 {"COMPARE_LESSTHANOREQUALTO", "<="},
                 {"COMPARE_GREATERTHAN", ">"},
                 {"COMPARE_GREATERTHANOREQUALTO", ">="},
                 {"COMPARE_DISTINCT_FROM", "IS DISTINCT FROM"},
                 {"COMPARE_NOT_DISTINCT_FROM", "IS NOT DISTINCT FROM"}};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (pf_str_equal(duckdb_type, pf_str_from_cstr(NAMES[i].type))) return pf_str_from_cstr(NAMES[i].sql);
    return PF_STR_EMPTY;
}

static enum pf_code read_args(struct reader *reader, struct pf_expr *expr, pf_json *const *values, uint32_t count,
                              struct pf_error *err) {
    expr->args = PF_ARENA_ARRAY(reader->arena, const struct pf_expr *, count);
    expr->arg_count = count;
    for (uint32_t i = 0; i < count; i++) PF_TRY(read_expr(reader, values[i], &expr->args[i], err));
    return PF_OK;
}

static enum pf_code read_boolean_type(struct reader *reader, struct pf_expr *expr) {
    expr->type = pf_sql_type_simple(reader->arena, "BOOLEAN");
    return PF_OK;
}

static enum pf_code read_ref(struct reader *reader, pf_json *json, struct pf_expr *expr, struct pf_error *err) {
    int64_t index;
    PF_TRY(pf_json_need_i64(json, "index", "plan: a column", &index, err));
    if (index < 0 || index >= MAX_COLUMNS) PF_FAIL(err, PF_INVALID, "plan: column number %lld", (long long)index);
    expr->kind = reader->is_in_lambda ? PF_EXPR_LAMBDA_REF : PF_EXPR_COLUMN;
    expr->column = (uint32_t)index;
    return read_type(reader, pf_json_get(json, "return_type"), &expr->type, err);
}

/* The binder leaves these in the arguments of table functions over a correlated column: by table and position. */
static enum pf_code read_column_ref(struct reader *reader, pf_json *json, struct pf_expr *expr, struct pf_error *err) {
    pf_json *binding = pf_json_get(json, "binding");
    int64_t table = pf_json_get_i64(binding, "table_index", -1), column = pf_json_get_i64(binding, "column_index", -1);
    if (table < 0 || table != reader->binding_table || column < 0 || column >= MAX_COLUMNS)
        PF_FAIL(err, PF_UNSUPPORTED, "plan: a column that was not resolved");
    expr->kind = PF_EXPR_COLUMN;
    expr->column = (uint32_t)column;
    return read_type(reader, pf_json_get(json, "return_type"), &expr->type, err);
}

static enum pf_code read_constant_expr(struct reader *reader, pf_json *json, struct pf_expr *expr,
                                       struct pf_error *err) {
    return read_constant(reader, pf_json_get(json, "value"), expr, err);
}

static enum pf_code read_comparison(struct reader *reader, pf_json *json, struct pf_expr *expr, struct pf_error *err) {
    pf_str type = pf_json_get_str(json, "type", PF_STR_EMPTY);
    expr->kind = PF_EXPR_COMPARE;
    expr->name = comparison_sql(type);
    if (!expr->name.len) PF_FAIL(err, PF_UNSUPPORTED, "plan: comparison %.*s", PF_STR_ARG(type));
    PF_TRY(read_boolean_type(reader, expr));
    return read_args(reader, expr, (pf_json *[]){pf_json_get(json, "left"), pf_json_get(json, "right")}, 2, err);
}

static enum pf_code read_conjunction(struct reader *reader, pf_json *json, struct pf_expr *expr, struct pf_error *err) {
    pf_str type = pf_json_get_str(json, "type", PF_STR_EMPTY);
    expr->kind = pf_str_equal(type, PF_STR("CONJUNCTION_OR")) ? PF_EXPR_OR : PF_EXPR_AND;
    PF_TRY(read_boolean_type(reader, expr));
    PF_TRY(read_exprs(reader, pf_json_get(json, "children"), &expr->args, &expr->arg_count, err));
    if (!expr->arg_count) PF_FAIL(err, PF_INVALID, "plan: a conjunction of nothing");
    return PF_OK;
}

static enum pf_code read_cast(struct reader *reader, pf_json *json, struct pf_expr *expr, struct pf_error *err) {
    expr->kind = PF_EXPR_CAST;
    expr->is_try = pf_json_get_bool(json, "try_cast", false);
    PF_TRY(read_type(reader, pf_json_get(json, "return_type"), &expr->type, err));
    return read_args(reader, expr, (pf_json *[]){pf_json_get(json, "child")}, 1, err);
}

static enum pf_code read_case(struct reader *reader, pf_json *json, struct pf_expr *expr, struct pf_error *err) {
    pf_json *checks = pf_json_get(json, "case_checks");
    size_t count = pf_json_count(checks);
    expr->kind = PF_EXPR_CASE;
    PF_TRY(read_type(reader, pf_json_get(json, "return_type"), &expr->type, err));
    pf_json **values = PF_ARENA_ARRAY(reader->arena, pf_json *, count * 2 + 1);
    for (struct pf_json_each each = pf_json_each(checks); pf_json_next(&each);) {
        values[each.index * 2] = pf_json_get(each.value, "when_expr");
        values[each.index * 2 + 1] = pf_json_get(each.value, "then_expr");
    }
    values[count * 2] = pf_json_get(json, "else_expr");
    return read_args(reader, expr, values, (uint32_t)(count * 2 + 1), err);
}

static enum pf_code read_between(struct reader *reader, pf_json *json, struct pf_expr *expr, struct pf_error *err) {
    expr->kind = PF_EXPR_BETWEEN;
    expr->lower_inclusive = pf_json_get_bool(json, "lower_inclusive", false);
    expr->upper_inclusive = pf_json_get_bool(json, "upper_inclusive", false);
    PF_TRY(read_boolean_type(reader, expr));
    pf_json *values[] = {pf_json_get(json, "input"), pf_json_get(json, "lower"), pf_json_get(json, "upper")};
    return read_args(reader, expr, values, 3, err);
}

static enum pf_code read_bound_operator(struct reader *reader, pf_json *json, struct pf_expr *expr,
                                        struct pf_error *err) {
    static const struct {
        const char *type;
        enum pf_expr_kind kind;
        uint32_t min_args;
        bool is_negated;
    } KINDS[] = {
        {"OPERATOR_IS_NULL", PF_EXPR_IS_NULL, 1, false}, {"OPERATOR_IS_NOT_NULL", PF_EXPR_IS_NOT_NULL, 1, false},
        {"OPERATOR_NOT", PF_EXPR_NOT, 1, false},         {"OPERATOR_COALESCE", PF_EXPR_COALESCE, 1, false},
        {"OPERATOR_TRY", PF_EXPR_TRY, 1, false},         {"COMPARE_IN", PF_EXPR_IN, 2, false},
        {"COMPARE_NOT_IN", PF_EXPR_IN, 2, true}};
    pf_str type = pf_json_get_str(json, "type", PF_STR_EMPTY);
    PF_TRY(read_type(reader, pf_json_get(json, "return_type"), &expr->type, err));
    PF_TRY(read_exprs(reader, pf_json_get(json, "children"), &expr->args, &expr->arg_count, err));
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (!pf_str_equal(type, pf_str_from_cstr(KINDS[i].type))) continue;
        if (expr->arg_count < KINDS[i].min_args) PF_FAIL(err, PF_INVALID, "plan: %s without arguments", KINDS[i].type);
        expr->kind = KINDS[i].kind;
        expr->is_negated = KINDS[i].is_negated;
        return PF_OK;
    }
    PF_FAIL(err, PF_UNSUPPORTED, "plan: operator %.*s", PF_STR_ARG(type));
}

static enum pf_code read_unnest(struct reader *reader, pf_json *json, struct pf_expr *expr, struct pf_error *err) {
    expr->kind = PF_EXPR_UNNEST;
    PF_TRY(read_type(reader, pf_json_get(json, "return_type"), &expr->type, err));
    return read_args(reader, expr, (pf_json *[]){pf_json_get(json, "child")}, 1, err);
}

static enum pf_code read_optional(struct reader *reader, pf_json *json, const struct pf_expr **out_expr,
                                  struct pf_error *err) {
    return json ? read_expr(reader, json, out_expr, err) : PF_OK;
}

static enum pf_code read_window(struct reader *reader, pf_json *json, struct pf_expr *expr, struct pf_error *err) {
    static const struct {
        const char *type, *function;
    } NAMES[] = {{"WINDOW_ROW_NUMBER", "row_number"},
                 {"WINDOW_RANK", "rank"},
                 {"WINDOW_RANK_DENSE", "dense_rank"},
                 {"WINDOW_NTILE", "ntile"},
                 {"WINDOW_PERCENT_RANK", "percent_rank"},
                 {"WINDOW_CUME_DIST", "cume_dist"},
                 {"WINDOW_FIRST_VALUE", "first_value"},
                 {"WINDOW_LAST_VALUE", "last_value"},
                 {"WINDOW_NTH_VALUE", "nth_value"},
                 {"WINDOW_LEAD", "lead"},
                 {"WINDOW_LAG", "lag"},
                 {"WINDOW_FILL", "fill"}};
    pf_str type = pf_json_get_str(json, "type", PF_STR_EMPTY);
    if (pf_str_equal(type, PF_STR("WINDOW_AGGREGATE"))) {
        PF_TRY(read_aggregate(reader, json, expr, err));
    } else {
        for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
            if (pf_str_equal(type, pf_str_from_cstr(NAMES[i].type))) expr->name = pf_str_from_cstr(NAMES[i].function);
        if (!expr->name.len) PF_FAIL(err, PF_UNSUPPORTED, "plan: window function %.*s", PF_STR_ARG(type));
        PF_TRY(read_type(reader, pf_json_get(json, "return_type"), &expr->type, err));
        PF_TRY(read_exprs(reader, pf_json_get(json, "children"), &expr->args, &expr->arg_count, err));
    }
    struct pf_window *window = PF_ARENA_NEW(reader->arena, struct pf_window);
    expr->kind = PF_EXPR_WINDOW;
    expr->window = window;
    expr->is_distinct = pf_json_get_bool(json, "distinct", false);
    PF_TRY(read_exprs(reader, pf_json_get(json, "partitions"), &window->partitions, &window->partition_count, err));
    PF_TRY(read_sorts(reader, pf_json_get(json, "orders"), &window->sorts, &window->sort_count, err));
    PF_TRY(read_sorts(reader, pf_json_get(json, "arg_orders"), &window->arg_sorts, &window->arg_sort_count, err));
    PF_TRY(read_optional(reader, get_value(json, "filters"), &expr->filter, err));
    PF_TRY(read_optional(reader, get_value(json, "start_expr"), &window->start_expr, err));
    PF_TRY(read_optional(reader, get_value(json, "end_expr"), &window->end_expr, err));
    PF_TRY(read_optional(reader, get_value(json, "offset_expr"), &window->offset, err));
    PF_TRY(read_optional(reader, get_value(json, "default_expr"), &window->fallback, err));
    window->start = pf_arena_str(reader->arena, pf_json_get_str(json, "start", PF_STR_EMPTY));
    window->end = pf_arena_str(reader->arena, pf_json_get_str(json, "end", PF_STR_EMPTY));
    pf_str exclude = pf_json_get_str(json, "exclude_clause", PF_STR_EMPTY);
    if (!pf_str_equal(exclude, PF_STR("NO_OTHER"))) window->exclude = pf_arena_str(reader->arena, exclude);
    window->ignore_nulls = pf_json_get_bool(json, "ignore_nulls", false);
    return PF_OK;
}

static enum pf_code refuse_parameter(struct reader *reader, pf_json *json, struct pf_expr *expr, struct pf_error *err) {
    (void)reader, (void)json, (void)expr;
    PF_FAIL(err, PF_UNSUPPORTED, "plan: a parameter without a value");
}

typedef enum pf_code read_class_fn(struct reader *reader, pf_json *json, struct pf_expr *expr, struct pf_error *err);

static const struct {
    const char *name;
    read_class_fn *read;
} CLASSES[] = {{"BOUND_REF", read_ref},
               {"BOUND_CONSTANT", read_constant_expr},
               {"BOUND_COMPARISON", read_comparison},
               {"BOUND_CONJUNCTION", read_conjunction},
               {"BOUND_CAST", read_cast},
               {"BOUND_CASE", read_case},
               {"BOUND_BETWEEN", read_between},
               {"BOUND_OPERATOR", read_bound_operator},
               {"BOUND_FUNCTION", read_function},
               {"BOUND_AGGREGATE", read_aggregate},
               {"BOUND_WINDOW", read_window},
               {"BOUND_UNNEST", read_unnest},
               {"BOUND_COLUMN_REF", read_column_ref},
               {"BOUND_PARAMETER", refuse_parameter}};

enum pf_code read_expr(struct reader *reader, pf_json *json, const struct pf_expr **out_expr, struct pf_error *err) {
    pf_str name;
    PF_TRY(pf_json_need_str(json, "expression_class", "plan: an expression", &name, err));
    if (reader->depth >= MAX_NESTING) PF_FAIL(err, PF_UNSUPPORTED, "plan: nested more than %d deep", MAX_NESTING);
    for (size_t i = 0; i < sizeof CLASSES / sizeof *CLASSES; i++) {
        if (!pf_str_equal(name, pf_str_from_cstr(CLASSES[i].name))) continue;
        struct pf_expr *expr = PF_ARENA_NEW(reader->arena, struct pf_expr);
        expr->alias = pf_arena_str(reader->arena, pf_json_get_str(json, "alias", PF_STR_EMPTY));
        reader->depth++;
        enum pf_code code = CLASSES[i].read(reader, json, expr, err);
        reader->depth--;
        if (code == PF_OK) *out_expr = expr;
        return code;
    }
    PF_FAIL(err, PF_UNSUPPORTED, "plan: expression %.*s", PF_STR_ARG(name));
}

enum pf_code read_exprs(struct reader *reader, pf_json *list, const struct pf_expr ***out_exprs, uint32_t *out_count,
                        struct pf_error *err) {
    size_t count = pf_json_count(list);
    if (count > MAX_COLUMNS) PF_FAIL(err, PF_UNSUPPORTED, "plan: a list of %zu expressions", count);
    const struct pf_expr **exprs = PF_ARENA_ARRAY(reader->arena, const struct pf_expr *, count);
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);)
        PF_TRY(read_expr(reader, each.value, &exprs[each.index], err));
    *out_exprs = exprs;
    *out_count = (uint32_t)count;
    return PF_OK;
}

enum pf_code read_sorts(struct reader *reader, pf_json *list, struct pf_sort **out_sorts, uint32_t *out_count,
                        struct pf_error *err) {
    size_t count = pf_json_count(list);
    struct pf_sort *sorts = PF_ARENA_ARRAY(reader->arena, struct pf_sort, count);
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        struct pf_sort *sort = &sorts[each.index];
        PF_TRY(read_expr(reader, pf_json_get(each.value, "expression"), &sort->expr, err));
        sort->is_descending = pf_str_equal(pf_json_get_str(each.value, "type", PF_STR_EMPTY), PF_STR("DESCENDING"));
        pf_str nulls = pf_json_get_str(each.value, "null_order", PF_STR_EMPTY);
        sort->nulls_first = pf_str_equal(nulls, PF_STR("NULLS FIRST")) || pf_str_equal(nulls, PF_STR("NULLS_FIRST"));
    }
    *out_sorts = sorts;
    *out_count = (uint32_t)count;
    return PF_OK;
}
