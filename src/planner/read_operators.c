/* SPDX-License-Identifier: MIT */
/* DuckDB's logical operators -> struct pf_op: one reader per operator, listed in a table. Joins: read_joins.c. */
#include "planner/read_duckdb_json.h"

#include <string.h>

struct pf_op *reader_new_op(struct reader *reader, enum pf_op_kind kind, uint32_t child_count, uint32_t column_count) {
    struct pf_op *op = PF_ARENA_NEW(reader->arena, struct pf_op);
    op->kind = kind;
    op->id = reader->next_op_id++;
    op->children = PF_ARENA_ARRAY(reader->arena, const struct pf_op *, child_count);
    op->child_count = child_count;
    op->types = PF_ARENA_ARRAY(reader->arena, const struct pf_sql_type *, column_count);
    op->column_count = column_count;
    op->rows = -1;
    op->limit.count = -1;
    op->limit.percent = -1;
    return op;
}

struct pf_op *reader_project(struct reader *reader, const struct pf_op *child, const uint32_t *columns,
                             uint32_t count) {
    struct pf_op *op = reader_new_op(reader, PF_OP_PROJECT, 1, count);
    op->children[0] = child;
    op->exprs = PF_ARENA_ARRAY(reader->arena, const struct pf_expr *, count);
    op->expr_count = count;
    op->rows = child->rows;
    for (uint32_t i = 0; i < count; i++) {
        op->types[i] = child->types[columns[i]];
        op->exprs[i] = pf_expr_column(reader->arena, columns[i], op->types[i]);
    }
    return op;
}

/* ---- columns exist ---- */

struct column_check {
    uint32_t limit;
    bool is_bad;
};

static void check_column(void *context, const struct pf_expr *expr) {
    struct column_check *check = context;
    if (expr->kind == PF_EXPR_COLUMN && expr->column >= check->limit) check->is_bad = true;
}

static void check_columns_in(void *context, const struct pf_expr *expr) {
    pf_expr_walk(expr, check_column, context);
}

enum pf_code check_columns(const struct pf_op *op, struct pf_error *err) {
    struct column_check check = {0};
    for (uint32_t i = 0; i < op->child_count; i++) check.limit += op->children[i]->column_count;
    pf_op_visit_exprs(op, check_columns_in, &check);
    for (uint32_t i = 0; op->join && i < op->join->condition_count; i++) {
        struct column_check side = {.limit = op->children[0]->column_count};
        pf_expr_walk(op->join->conditions[i].left, check_column, &side);
        side.limit = op->children[1]->column_count;
        pf_expr_walk(op->join->conditions[i].right, check_column, &side);
        if (side.is_bad) check.is_bad = true;
    }
    if (check.is_bad) PF_FAIL(err, PF_INVALID, "plan: %s names a column that isn't there", pf_op_kind_name(op->kind));
    return PF_OK;
}

/* ---- helpers ---- */

typedef enum pf_code read_op_fn(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err);

static enum pf_code read_children(struct reader *reader, pf_json *json, uint32_t count, const struct pf_op ***out,
                                  struct pf_error *err) {
    pf_json *list = pf_json_get(json, "children");
    if (pf_json_count(list) != count)
        PF_FAIL(err, PF_INVALID, "plan: an operator with %zu children instead of %u", pf_json_count(list), count);
    const struct pf_op **children = PF_ARENA_ARRAY(reader->arena, const struct pf_op *, count);
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        struct pf_op *child;
        PF_TRY(read_operator(reader, each.value, &child, err));
        children[each.index] = child;
    }
    *out = children;
    return PF_OK;
}

/* An operator over one child: the child's columns come first. */
static enum pf_code over_child(struct reader *reader, pf_json *json, enum pf_op_kind kind, struct pf_op **out_op,
                               struct pf_error *err) {
    const struct pf_op **children;
    PF_TRY(read_children(reader, json, 1, &children, err));
    struct pf_op *op = reader_new_op(reader, kind, 1, children[0]->column_count);
    op->children = children;
    for (uint32_t i = 0; i < op->column_count; i++) op->types[i] = children[0]->types[i];
    *out_op = op;
    return PF_OK;
}

static void append_expr_types(struct reader *reader, struct pf_op *op) {
    const struct pf_sql_type **types =
        PF_ARENA_ARRAY(reader->arena, const struct pf_sql_type *, op->column_count + op->expr_count);
    if (op->column_count) memcpy(types, op->types, op->column_count * sizeof *types);
    for (uint32_t i = 0; i < op->expr_count; i++) types[op->column_count + i] = op->exprs[i]->type;
    op->types = types;
    op->column_count += op->expr_count;
}

static enum pf_code apply_map(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    pf_json *map = get_value(json, "projection_map");
    if (!map) map = get_value(json, "projections");
    if (!pf_json_count(map)) return PF_OK;
    uint32_t *columns = PF_ARENA_ARRAY(reader->arena, uint32_t, pf_json_count(map));
    for (struct pf_json_each each = pf_json_each(map); pf_json_next(&each);) {
        int64_t column = pf_json_as_i64(each.value, -1);
        if (column < 0 || column >= (*op)->column_count) PF_FAIL(err, PF_INVALID, "plan: projection map");
        columns[each.index] = (uint32_t)column;
    }
    *op = reader_project(reader, *op, columns, (uint32_t)pf_json_count(map));
    return PF_OK;
}

/* ---- one reader per operator ---- */

static enum pf_code read_filter(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    PF_TRY(over_child(reader, json, PF_OP_FILTER, op, err));
    PF_TRY(read_exprs(reader, pf_json_get(json, "expressions"), &(*op)->exprs, &(*op)->expr_count, err));
    PF_TRY(check_columns(*op, err));
    return apply_map(reader, json, op, err);
}

static enum pf_code read_projection(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    PF_TRY(over_child(reader, json, PF_OP_PROJECT, op, err));
    pf_json *below = yyjson_arr_get_first(pf_json_get(json, "children"));
    reader->binding_table = pf_json_get_i64(below, "table_index", -1);
    enum pf_code code = read_exprs(reader, pf_json_get(json, "expressions"), &(*op)->exprs, &(*op)->expr_count, err);
    reader->binding_table = -1;
    if (code != PF_OK) return code;
    (*op)->column_count = 0;
    append_expr_types(reader, *op);
    return PF_OK;
}

static enum pf_code read_order_by(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    PF_TRY(over_child(reader, json, PF_OP_ORDER, op, err));
    PF_TRY(read_sorts(reader, pf_json_get(json, "orders"), &(*op)->sorts, &(*op)->sort_count, err));
    PF_TRY(check_columns(*op, err));
    return apply_map(reader, json, op, err);
}

static enum pf_code read_top_n(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    PF_TRY(over_child(reader, json, PF_OP_LIMIT, op, err));
    (*op)->limit.count = pf_json_get_i64(json, "limit", 0);
    (*op)->limit.offset = pf_json_get_i64(json, "offset", 0);
    if ((*op)->limit.count < 0 || (*op)->limit.offset < 0) PF_FAIL(err, PF_INVALID, "plan: a negative limit");
    return read_sorts(reader, pf_json_get(json, "orders"), &(*op)->sorts, &(*op)->sort_count, err);
}

static enum pf_code read_limit_value(struct reader *reader, pf_json *json, bool is_offset, struct pf_limit *limit,
                                     struct pf_error *err) {
    pf_str type = pf_json_get_str(json, "type", PF_STR("UNSET"));
    int64_t *number = is_offset ? &limit->offset : &limit->count;
    if (pf_str_equal(type, PF_STR("UNSET"))) return PF_OK;
    if (pf_str_equal(type, PF_STR("CONSTANT_VALUE"))) {
        *number = pf_json_get_i64(json, "constant_integer", -1);
        if (*number < 0) PF_FAIL(err, PF_INVALID, "plan: a negative limit");
        return PF_OK;
    }
    if (pf_str_equal(type, PF_STR("CONSTANT_PERCENTAGE")) && !is_offset) {
        limit->percent = pf_json_get_f64(json, "constant_percentage", -1);
        return PF_OK;
    }
    if (pf_str_equal(type, PF_STR("EXPRESSION_VALUE")))
        return read_expr(reader, pf_json_get(json, "expression"), is_offset ? &limit->offset_expr : &limit->count_expr,
                         err);
    PF_FAIL(err, PF_UNSUPPORTED, "plan: limit of kind %.*s", PF_STR_ARG(type));
}

static enum pf_code read_limit(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    PF_TRY(over_child(reader, json, PF_OP_LIMIT, op, err));
    PF_TRY(read_limit_value(reader, pf_json_get(json, "limit_val"), false, &(*op)->limit, err));
    return read_limit_value(reader, pf_json_get(json, "offset_val"), true, &(*op)->limit, err);
}

static enum pf_code read_group_list(pf_json *list, uint32_t group_count, uint64_t *out_set, uint8_t *order,
                                    uint8_t *out_length, struct pf_error *err) {
    uint64_t set = 0;
    uint8_t length = 0;
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        int64_t group = pf_json_as_i64(each.value, -1);
        if (group < 0 || group >= group_count || length >= 64) PF_FAIL(err, PF_INVALID, "plan: a grouping set");
        set |= (uint64_t)1 << group;
        if (order) order[length] = (uint8_t)group;
        length++;
    }
    *out_set = set;
    if (out_length) *out_length = length;
    return PF_OK;
}

static enum pf_code read_groupings(struct reader *reader, pf_json *json, struct pf_op *op, struct pf_error *err) {
    pf_json *sets = pf_json_get(json, "grouping_sets"), *functions = pf_json_get(json, "grouping_functions");
    size_t set_count = pf_json_count(sets), function_count = pf_json_count(functions);
    uint64_t all = op->group_count >= 64 ? UINT64_MAX : ((uint64_t)1 << op->group_count) - 1;
    op->grouping_functions = PF_ARENA_ARRAY(reader->arena, uint64_t, function_count);
    op->grouping_orders = pf_arena_alloc_array(reader->arena, function_count, sizeof *op->grouping_orders);
    op->grouping_lengths = PF_ARENA_ARRAY(reader->arena, uint8_t, function_count);
    op->grouping_function_count = (uint32_t)function_count;
    for (struct pf_json_each each = pf_json_each(functions); pf_json_next(&each);)
        PF_TRY(read_group_list(each.value, op->group_count, &op->grouping_functions[each.index],
                               op->grouping_orders[each.index], &op->grouping_lengths[each.index], err));
    if (function_count && !set_count) PF_FAIL(err, PF_INVALID, "plan: grouping() without grouping sets");
    if (op->group_count > 64 && (set_count > 1 || function_count))
        PF_FAIL(err, PF_UNSUPPORTED, "plan: grouping sets over %u columns", op->group_count);
    if (op->group_count > 64) return PF_OK;
    op->grouping_sets = PF_ARENA_ARRAY(reader->arena, uint64_t, set_count);
    op->grouping_set_count = (uint32_t)set_count;
    for (struct pf_json_each each = pf_json_each(sets); pf_json_next(&each);)
        PF_TRY(read_group_list(each.value, op->group_count, &op->grouping_sets[each.index], NULL, NULL, err));
    if (set_count == 1 && op->grouping_sets[0] == all && !function_count) op->grouping_set_count = 0;
    return PF_OK;
}

static enum pf_code read_aggregate_op(struct reader *reader, pf_json *json, struct pf_op **out_op,
                                      struct pf_error *err) {
    const struct pf_op **children;
    PF_TRY(read_children(reader, json, 1, &children, err));
    struct pf_op *op = reader_new_op(reader, PF_OP_AGGREGATE, 1, 0);
    op->children = children;
    PF_TRY(read_exprs(reader, pf_json_get(json, "groups"), &op->groups, &op->group_count, err));
    PF_TRY(read_exprs(reader, pf_json_get(json, "expressions"), &op->exprs, &op->expr_count, err));
    for (uint32_t i = 0; i < op->expr_count; i++)
        if (op->exprs[i]->kind != PF_EXPR_AGGREGATE) PF_FAIL(err, PF_INVALID, "plan: an aggregate that isn't one");
    PF_TRY(read_groupings(reader, json, op, err));
    uint32_t count = op->group_count + op->expr_count + op->grouping_function_count;
    op->types = PF_ARENA_ARRAY(reader->arena, const struct pf_sql_type *, count);
    op->column_count = count;
    for (uint32_t i = 0; i < op->group_count; i++) op->types[i] = op->groups[i]->type;
    for (uint32_t i = 0; i < op->expr_count; i++) op->types[op->group_count + i] = op->exprs[i]->type;
    for (uint32_t i = op->group_count + op->expr_count; i < count; i++)
        op->types[i] = pf_sql_type_simple(reader->arena, "BIGINT");
    *out_op = op;
    return PF_OK;
}

static bool is_all_columns(const struct pf_op *op) {
    if (op->expr_count != op->column_count) return false;
    for (uint32_t i = 0; i < op->expr_count; i++)
        if (op->exprs[i]->kind != PF_EXPR_COLUMN || op->exprs[i]->column != i) return false;
    return true;
}

static enum pf_code read_distinct(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    PF_TRY(over_child(reader, json, PF_OP_DISTINCT, op, err));
    PF_TRY(read_exprs(reader, pf_json_get(json, "distinct_targets"), &(*op)->exprs, &(*op)->expr_count, err));
    pf_json *orders = pf_json_get(pf_json_get(json, "order_by"), "orders");
    PF_TRY(read_sorts(reader, orders, &(*op)->sorts, &(*op)->sort_count, err));
    bool is_on = pf_str_equal(pf_json_get_str(json, "distinct_type", PF_STR_EMPTY), PF_STR("DISTINCT_ON"));
    if (!(*op)->expr_count || (!is_on && is_all_columns(*op))) (*op)->expr_count = (*op)->sort_count = 0;
    return PF_OK;
}

static enum pf_code read_window_op(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    PF_TRY(over_child(reader, json, PF_OP_WINDOW, op, err));
    PF_TRY(read_exprs(reader, pf_json_get(json, "expressions"), &(*op)->exprs, &(*op)->expr_count, err));
    for (uint32_t i = 0; i < (*op)->expr_count; i++)
        if ((*op)->exprs[i]->kind != PF_EXPR_WINDOW) PF_FAIL(err, PF_INVALID, "plan: a window that isn't one");
    append_expr_types(reader, *op);
    return PF_OK;
}

static enum pf_code read_unnest_op(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    PF_TRY(over_child(reader, json, PF_OP_UNNEST, op, err));
    PF_TRY(read_exprs(reader, pf_json_get(json, "expressions"), &(*op)->exprs, &(*op)->expr_count, err));
    append_expr_types(reader, *op);
    return PF_OK;
}

static enum pf_code read_sample(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    PF_TRY(over_child(reader, json, PF_OP_SAMPLE, op, err));
    pf_json *options = pf_json_get(json, "sample_options");
    struct pf_expr size = {0};
    PF_TRY(read_constant(reader, pf_json_get(options, "sample_size"), &size, err));
    pf_str method = pf_json_get_str(options, "method", PF_STR_EMPTY);
    if (!pf_str_equal_nocase(method, PF_STR("reservoir")) && !pf_str_equal_nocase(method, PF_STR("bernoulli")) &&
        !pf_str_equal_nocase(method, PF_STR("system")))
        PF_FAIL(err, PF_UNSUPPORTED, "plan: sampling by %.*s", PF_STR_ARG(method));
    bool is_percentage = pf_json_get_bool(options, "is_percentage", false);
    int64_t seed = pf_json_get_i64(options, "seed", -1);
    (*op)->sample_text = pf_arena_printf(reader->arena, "%.*s %s (%.*s", PF_STR_ARG(size.text),
                                         is_percentage ? "PERCENT" : "ROWS", PF_STR_ARG(method));
    (*op)->sample_text =
        seed >= 0 ? pf_arena_printf(reader->arena, "%.*s, %lld)", PF_STR_ARG((*op)->sample_text), (long long)seed)
                  : pf_arena_printf(reader->arena, "%.*s)", PF_STR_ARG((*op)->sample_text));
    return PF_OK;
}

static enum pf_code read_set(struct reader *reader, pf_json *json, enum pf_op_kind kind, struct pf_op **out_op,
                             struct pf_error *err) {
    uint32_t count = (uint32_t)pf_json_count(pf_json_get(json, "children"));
    /* A union may have lost all inputs but one to the optimizer. */
    if (count < 1 || (kind != PF_OP_UNION && count != 2)) PF_FAIL(err, PF_INVALID, "plan: a set of %u inputs", count);
    const struct pf_op **children;
    PF_TRY(read_children(reader, json, count, &children, err));
    struct pf_op *op = reader_new_op(reader, kind, count, children[0]->column_count);
    op->children = children;
    op->is_all = pf_json_get_bool(json, "setop_all", false);
    for (uint32_t i = 0; i < op->column_count; i++) op->types[i] = children[0]->types[i];
    for (uint32_t i = 1; i < count; i++)
        if (children[i]->column_count != op->column_count)
            PF_FAIL(err, PF_INVALID, "plan: a set of inputs with different columns");
    *out_op = op;
    return PF_OK;
}

static enum pf_code read_union(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    return read_set(reader, json, PF_OP_UNION, op, err);
}

static enum pf_code read_intersect(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    return read_set(reader, json, PF_OP_INTERSECT, op, err);
}

static enum pf_code read_except(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    return read_set(reader, json, PF_OP_EXCEPT, op, err);
}

static enum pf_code read_cte(struct reader *reader, pf_json *json, struct pf_op **out_op, struct pf_error *err) {
    const struct pf_op **children;
    PF_TRY(read_children(reader, json, 2, &children, err));
    struct pf_op *op = reader_new_op(reader, PF_OP_CTE, 2, children[1]->column_count);
    op->children = children;
    op->cte_index = (int)pf_json_get_i64(json, "table_index", -1);
    for (uint32_t i = 0; i < op->column_count; i++) op->types[i] = children[1]->types[i];
    *out_op = op;
    return PF_OK;
}

static enum pf_code read_recursive(struct reader *reader, pf_json *json, struct pf_op **out_op, struct pf_error *err) {
    if (pf_json_get_bool(json, "ref_recurring", false) || pf_json_count(pf_json_get(json, "payload_aggregates")))
        PF_FAIL(err, PF_UNSUPPORTED, "plan: a recursive CTE that reads or aggregates its recurring table");
    PF_TRY(read_set(reader, json, PF_OP_UNION, out_op, err));
    (*out_op)->kind = PF_OP_RECURSIVE;
    PF_TRY(read_exprs(reader, pf_json_get(json, "key_targets"), &(*out_op)->exprs, &(*out_op)->expr_count, err));
    for (uint32_t i = 0; i < (*out_op)->expr_count; i++) {
        const struct pf_expr *key = (*out_op)->exprs[i];
        if (key->kind != PF_EXPR_COLUMN || key->column >= (*out_op)->column_count)
            PF_FAIL(err, PF_UNSUPPORTED, "plan: a key of a recursive CTE that is not a column");
    }
    (*out_op)->is_all = pf_json_get_bool(json, "union_all", false);
    (*out_op)->cte_index = (int)pf_json_get_i64(json, "table_index", -1);
    return PF_OK;
}

static enum pf_code typed_leaf(struct reader *reader, pf_json *types, enum pf_op_kind kind, struct pf_op **out_op,
                               struct pf_error *err) {
    struct pf_op *op = reader_new_op(reader, kind, 0, 0);
    PF_TRY(read_types(reader, types, &op->types, &op->column_count, err));
    *out_op = op;
    return PF_OK;
}

static enum pf_code read_cte_ref(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    if (pf_json_get_bool(json, "is_recurring", false))
        PF_FAIL(err, PF_UNSUPPORTED, "plan: a reference to the recurring table of a CTE");
    PF_TRY(typed_leaf(reader, pf_json_get(json, "chunk_types"), PF_OP_CTE_REF, op, err));
    (*op)->cte_index = (int)pf_json_get_i64(json, "cte_index", -1);
    return PF_OK;
}

static enum pf_code read_delim_get_op(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    PF_TRY(typed_leaf(reader, pf_json_get(json, "chunk_types"), PF_OP_CTE_REF, op, err));
    return read_delim_get(reader, op, err);
}

static enum pf_code read_empty(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    return typed_leaf(reader, pf_json_get(json, "return_types"), PF_OP_EMPTY, op, err);
}

static enum pf_code read_dummy(struct reader *reader, pf_json *json, struct pf_op **out_op, struct pf_error *err) {
    (void)json, (void)err;
    *out_op = reader_new_op(reader, PF_OP_ONE_ROW, 0, 1);
    (*out_op)->types[0] = pf_sql_type_simple(reader->arena, "INTEGER");
    return PF_OK;
}

/* VALUES, or an IN list: values by column. */
static enum pf_code read_chunk_get(struct reader *reader, pf_json *json, struct pf_op **out_op, struct pf_error *err) {
    struct pf_op *op;
    pf_json *columns = pf_json_get(pf_json_get(json, "collection"), "values");
    PF_TRY(typed_leaf(reader, pf_json_get(json, "chunk_types"), PF_OP_VALUES, &op, err));
    *out_op = op;
    size_t row_count = pf_json_count(yyjson_arr_get_first(columns));
    if (!row_count) {
        op->kind = PF_OP_EMPTY;
        return PF_OK;
    }
    if (pf_json_count(columns) != op->column_count) PF_FAIL(err, PF_INVALID, "plan: values of a constant table");
    if (row_count > 1000000) PF_FAIL(err, PF_UNSUPPORTED, "plan: a constant table of %zu rows", row_count);
    op->expr_count = (uint32_t)row_count * op->column_count;
    op->exprs = PF_ARENA_ARRAY(reader->arena, const struct pf_expr *, op->expr_count);
    for (struct pf_json_each column = pf_json_each(columns); pf_json_next(&column);) {
        if (pf_json_count(column.value) != row_count) PF_FAIL(err, PF_INVALID, "plan: values of a constant table");
        for (struct pf_json_each row = pf_json_each(column.value); pf_json_next(&row);) {
            struct pf_expr *expr = PF_ARENA_NEW(reader->arena, struct pf_expr);
            PF_TRY(read_constant(reader, row.value, expr, err));
            op->exprs[row.index * op->column_count + column.index] = expr;
        }
    }
    op->rows = (double)row_count;
    return PF_OK;
}

static enum pf_code read_expression_get(struct reader *reader, pf_json *json, struct pf_op **out_op,
                                        struct pf_error *err) {
    const struct pf_op **children;
    struct pf_op *op;
    PF_TRY(read_children(reader, json, 1, &children, err));
    if (children[0]->kind != PF_OP_ONE_ROW) PF_FAIL(err, PF_UNSUPPORTED, "plan: VALUES over a table");
    PF_TRY(typed_leaf(reader, pf_json_get(json, "expr_types"), PF_OP_VALUES, &op, err));
    pf_json *rows = pf_json_get(json, "expressions");
    if (!op->column_count || pf_json_count(rows) > 1000000) PF_FAIL(err, PF_UNSUPPORTED, "plan: size of VALUES");
    op->expr_count = (uint32_t)pf_json_count(rows) * op->column_count;
    op->exprs = PF_ARENA_ARRAY(reader->arena, const struct pf_expr *, op->expr_count);
    for (struct pf_json_each row = pf_json_each(rows); pf_json_next(&row);) {
        const struct pf_expr **exprs;
        uint32_t count;
        PF_TRY(read_exprs(reader, row.value, &exprs, &count, err));
        if (count != op->column_count) PF_FAIL(err, PF_INVALID, "plan: a row of VALUES");
        memcpy(op->exprs + row.index * op->column_count, exprs, count * sizeof *exprs);
    }
    if (!op->expr_count) op->kind = PF_OP_EMPTY;
    op->rows = (double)pf_json_count(rows);
    *out_op = op;
    return PF_OK;
}

static enum pf_code read_any_join(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    return read_join(reader, json, pf_json_get_str(json, "type", PF_STR_EMPTY), op, err);
}

static const struct {
    const char *type;
    read_op_fn *read;
} OPERATORS[] = {{"LOGICAL_GET", read_get},
                 {"LOGICAL_FILTER", read_filter},
                 {"LOGICAL_PROJECTION", read_projection},
                 {"LOGICAL_AGGREGATE_AND_GROUP_BY", read_aggregate_op},
                 {"LOGICAL_COMPARISON_JOIN", read_any_join},
                 {"LOGICAL_DELIM_JOIN", read_any_join},
                 {"LOGICAL_ANY_JOIN", read_any_join},
                 {"LOGICAL_ASOF_JOIN", read_any_join},
                 {"LOGICAL_POSITIONAL_JOIN", read_any_join},
                 {"LOGICAL_CROSS_PRODUCT", read_any_join},
                 {"LOGICAL_DELIM_GET", read_delim_get_op},
                 {"LOGICAL_ORDER_BY", read_order_by},
                 {"LOGICAL_TOP_N", read_top_n},
                 {"LOGICAL_LIMIT", read_limit},
                 {"LOGICAL_DISTINCT", read_distinct},
                 {"LOGICAL_WINDOW", read_window_op},
                 {"LOGICAL_UNNEST", read_unnest_op},
                 {"LOGICAL_SAMPLE", read_sample},
                 {"LOGICAL_UNION", read_union},
                 {"LOGICAL_INTERSECT", read_intersect},
                 {"LOGICAL_EXCEPT", read_except},
                 {"LOGICAL_MATERIALIZED_CTE", read_cte},
                 {"LOGICAL_RECURSIVE_CTE", read_recursive},
                 {"LOGICAL_CTE_REF", read_cte_ref},
                 {"LOGICAL_CHUNK_GET", read_chunk_get},
                 {"LOGICAL_EXPRESSION_GET", read_expression_get},
                 {"LOGICAL_EMPTY_RESULT", read_empty},
                 {"LOGICAL_DUMMY_SCAN", read_dummy}};

enum pf_code read_operator(struct reader *reader, pf_json *json, struct pf_op **out_op, struct pf_error *err) {
    pf_str type;
    PF_TRY(pf_json_need_str(json, "type", "plan: an operator", &type, err));
    if (reader->depth >= MAX_NESTING) PF_FAIL(err, PF_UNSUPPORTED, "plan: nested more than %d deep", MAX_NESTING);
    size_t position = reader->position++;
    for (size_t i = 0; i < sizeof OPERATORS / sizeof *OPERATORS; i++) {
        if (!pf_str_equal(type, pf_str_from_cstr(OPERATORS[i].type))) continue;
        struct pf_op *op = NULL;
        reader->depth++;
        enum pf_code code = OPERATORS[i].read(reader, json, &op, err);
        reader->depth--;
        if (code != PF_OK) return code;
        if (!op->join) PF_TRY(check_columns(op, err));
        if (position < reader->estimate_count && op->rows < 0) op->rows = reader->estimates[position];
        *out_op = op;
        return PF_OK;
    }
    PF_FAIL(err, PF_UNSUPPORTED, "plan: operator %.*s", PF_STR_ARG(type));
}
