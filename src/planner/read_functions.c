/* SPDX-License-Identifier: MIT */
/* Function and aggregate calls of a serialised plan, with what the binder took out of their arguments. */
#include "planner/read_duckdb_json.h"

#include <string.h>

static bool is_named(pf_str name, const char *names) {
    pf_str rest = pf_str_from_cstr(names), one;
    while (pf_str_next(&rest, '|', &one))
        if (pf_str_equal_nocase(name, one)) return true;
    return false;
}

/* In the body, column 0 is the lambda's last parameter; after the parameters come the captured values. */
static enum pf_code read_lambda(struct reader *reader, pf_json *data, struct pf_expr *expr, struct pf_error *err) {
    bool is_reduce = is_named(expr->name, "list_reduce|array_reduce|reduce");
    if (!is_reduce && !is_named(expr->name, "list_transform|array_transform|list_apply|array_apply|apply|list_filter|"
                                            "array_filter|filter"))
        PF_FAIL(err, PF_UNSUPPORTED, "plan: a lambda in %.*s", PF_STR_ARG(expr->name));
    expr->lambda_parameter_count = (is_reduce ? 2u : 1u) + pf_json_get_bool(data, "has_index", false);
    expr->lambda_has_initial = is_reduce && pf_json_get_bool(data, "has_initial", false);
    bool was_in_lambda = reader->is_in_lambda;
    reader->is_in_lambda = true;
    enum pf_code code = read_expr(reader, pf_json_get(data, "lambda_expr"), &expr->lambda, err);
    reader->is_in_lambda = was_in_lambda;
    if (code == PF_OK && expr->arg_count < 1u + expr->lambda_has_initial)
        PF_FAIL(err, PF_INVALID, "plan: a lambda without a list");
    return code;
}

/* struct_insert(s, name := value): the names are the aliases of the values. */
static enum pf_code name_struct_values(struct reader *reader, pf_json *children, struct pf_expr *expr,
                                       struct pf_error *err) {
    pf_str text = pf_arena_printf(reader->arena, "%.*s({0}", PF_STR_ARG(expr->name));
    for (struct pf_json_each each = pf_json_each(children); pf_json_next(&each);) {
        if (each.index == 0) continue;
        pf_str name = pf_json_get_str(each.value, "alias", PF_STR_EMPTY);
        if (!name.len || pf_str_find_char(name, '{', 0) != SIZE_MAX || each.index > 9)
            PF_FAIL(err, PF_UNSUPPORTED, "plan: a field of %.*s called '%.*s'", PF_STR_ARG(expr->name),
                    PF_STR_ARG(name));
        text = pf_arena_printf(reader->arena, "%.*s, %.*s := {%zu}", PF_STR_ARG(text),
                               PF_STR_ARG(quote_name(reader->arena, name)), each.index);
    }
    expr->kind = PF_EXPR_TEMPLATE;
    expr->name = pf_arena_printf(reader->arena, "%.*s)", PF_STR_ARG(text));
    return PF_OK;
}

enum pf_code read_function(struct reader *reader, pf_json *json, struct pf_expr *expr, struct pf_error *err) {
    expr->kind = PF_EXPR_FUNCTION;
    pf_str name;
    PF_TRY(pf_json_need_str(json, "name", "plan: a function", &name, err));
    expr->name = pf_arena_str(reader->arena, name);
    expr->is_operator = pf_json_get_bool(json, "is_operator", false);
    PF_TRY(read_type(reader, pf_json_get(json, "return_type"), &expr->type, err));
    PF_TRY(read_exprs(reader, pf_json_get(json, "children"), &expr->args, &expr->arg_count, err));
    pf_json *data = get_value(json, "function_data");
    if (get_value(data, "lambda_expr")) return read_lambda(reader, data, expr, err);
    if (is_named(name, "struct_insert|struct_update"))
        return name_struct_values(reader, pf_json_get(json, "children"), expr, err);
    if (is_named(name, "remap_struct|list_transform|list_filter|list_reduce|list_apply") ||
        pf_str_starts_with(name, PF_STR("__internal")))
        PF_FAIL(err, PF_UNSUPPORTED, "plan: function %.*s", PF_STR_ARG(name));
    if (is_named(name, "struct_pack|union_value") && expr->type->field_count < expr->arg_count)
        PF_FAIL(err, PF_INVALID, "plan: %.*s with more values than fields", PF_STR_ARG(name));
    return PF_OK;
}

static void push_arg(struct reader *reader, struct pf_expr *expr, const struct pf_expr *arg) {
    const struct pf_expr **args = PF_ARENA_ARRAY(reader->arena, const struct pf_expr *, expr->arg_count + 1u);
    if (expr->arg_count) memcpy(args, expr->args, expr->arg_count * sizeof *args);
    args[expr->arg_count++] = arg;
    expr->args = args;
}

static void push_sql(struct reader *reader, struct pf_expr *expr, pf_str sql) {
    push_arg(reader, expr, pf_expr_template(reader->arena, expr->type, pf_arena_cstr(reader->arena, sql), NULL, 0));
}

/* quantiles: values with types, or plain numbers; a list if the aggregate gives a list. */
static enum pf_code push_quantiles(struct reader *reader, pf_json *data, struct pf_expr *expr, struct pf_error *err) {
    const char *sign =
        pf_json_get_bool(data, "desc", false) ? "-" : ""; /* quantile(x, -0.25) counts from the largest */
    pf_json *list = pf_json_get(data, "quantiles");
    if (!pf_json_count(list)) PF_FAIL(err, PF_UNSUPPORTED, "plan: a quantile without its fraction");
    pf_str text = PF_STR_EMPTY;
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        struct pf_expr constant = {0};
        if (yyjson_is_obj(each.value))
            PF_TRY(read_constant(reader, each.value, &constant, err));
        else
            constant.text = pf_arena_printf(reader->arena, "%.9g", yyjson_get_num(each.value));
        text = pf_arena_printf(reader->arena, "%.*s%s%s%.*s", PF_STR_ARG(text), each.index ? ", " : "", sign,
                               PF_STR_ARG(constant.text));
    }
    bool is_list = pf_str_equal(expr->type->id, PF_STR("LIST"));
    if (!is_list && pf_json_count(list) != 1) PF_FAIL(err, PF_INVALID, "plan: several quantiles for one value");
    push_sql(reader, expr, is_list ? pf_arena_printf(reader->arena, "[%.*s]", PF_STR_ARG(text)) : text);
    if (pf_json_get(data, "sample_size"))
        push_sql(reader, expr,
                 pf_arena_printf(reader->arena, "%lld", (long long)pf_json_get_i64(data, "sample_size", 0)));
    return PF_OK;
}

#define TEXT_AGGREGATES "string_agg|group_concat|listagg"
#define QUANTILES "quantile|quantile_cont|quantile_disc|approx_quantile|reservoir_quantile"
#define ALWAYS_FOLDED TEXT_AGGREGATES "|" QUANTILES

static enum pf_code restore_arguments(struct reader *reader, pf_json *data, struct pf_expr *expr,
                                      struct pf_error *err) {
    if (is_named(expr->name, TEXT_AGGREGATES)) {
        pf_str separator = pf_json_get_str(data, "separator", PF_STR_EMPTY);
        push_sql(reader, expr, quote_string(reader->arena, separator));
        return PF_OK;
    }
    if (is_named(expr->name, QUANTILES)) return push_quantiles(reader, data, expr, err);
    if (is_named(expr->name, "bitstring_agg")) {
        for (int i = 0; i < 2; i++) {
            struct pf_expr *constant = PF_ARENA_NEW(reader->arena, struct pf_expr);
            PF_TRY(read_constant(reader, pf_json_get(data, i ? "max" : "min"), constant, err));
            push_arg(reader, expr, constant);
        }
        return PF_OK;
    }
    PF_FAIL(err, PF_UNSUPPORTED, "plan: aggregate %.*s with folded arguments", PF_STR_ARG(expr->name));
}

enum pf_code read_aggregate(struct reader *reader, pf_json *json, struct pf_expr *expr, struct pf_error *err) {
    expr->kind = PF_EXPR_AGGREGATE;
    pf_str name;
    PF_TRY(pf_json_need_str(json, "name", "plan: an aggregate", &name, err));
    expr->name = pf_str_equal(name, PF_STR("sum_no_overflow")) ? PF_STR("sum") : pf_arena_str(reader->arena, name);
    PF_TRY(read_type(reader, pf_json_get(json, "return_type"), &expr->type, err));
    PF_TRY(read_exprs(reader, pf_json_get(json, "children"), &expr->args, &expr->arg_count, err));
    expr->is_distinct = pf_str_equal(pf_json_get_str(json, "aggregate_type", PF_STR_EMPTY), PF_STR("DISTINCT"));
    pf_json *filter = get_value(json, "filter");
    if (filter) PF_TRY(read_expr(reader, filter, &expr->filter, err));
    pf_json *sorts = pf_json_get(pf_json_get(json, "order_bys"), "orders");
    PF_TRY(read_sorts(reader, sorts, &expr->sorts, &expr->sort_count, err));
    /* A call that the optimizer copied, as out of a CTE, has lost its original arguments. */
    size_t original = pf_json_count(pf_json_get(json, "original_arguments"));
    bool is_copy = original == 0 && expr->arg_count == 1 && is_named(expr->name, ALWAYS_FOLDED);
    if (original <= expr->arg_count && !is_copy) return PF_OK;
    return restore_arguments(reader, pf_json_get(json, "function_data"), expr, err);
}
