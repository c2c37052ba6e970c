/* SPDX-License-Identifier: MIT */
/* LOGICAL_GET: lake tables (lake_scan('name')) and a few pure table functions. */
#include "planner/read_duckdb_json.h"

#include <string.h>

/* Filters that DuckDB pushed into a scan, as expressions over one column. NULL: nothing that must be checked. */
static enum pf_code read_table_filter(struct reader *reader, pf_json *json, const struct pf_expr *column,
                                      const struct pf_expr **out_expr, struct pf_error *err);

static struct pf_expr *new_boolean(struct reader *reader, enum pf_expr_kind kind, uint32_t arg_count) {
    struct pf_expr *expr = PF_ARENA_NEW(reader->arena, struct pf_expr);
    expr->kind = kind;
    expr->type = pf_sql_type_simple(reader->arena, "BOOLEAN");
    expr->args = PF_ARENA_ARRAY(reader->arena, const struct pf_expr *, arg_count);
    expr->arg_count = arg_count;
    return expr;
}

static enum pf_code read_filter_values(struct reader *reader, pf_json *json, const struct pf_expr *column,
                                       const struct pf_expr **out_expr, struct pf_error *err) {
    pf_json *values = pf_json_get(json, "values");
    struct pf_expr *expr = new_boolean(reader, PF_EXPR_IN, (uint32_t)pf_json_count(values) + 1);
    if (expr->arg_count < 2) PF_FAIL(err, PF_INVALID, "plan: an IN filter without values");
    expr->args[0] = column;
    for (struct pf_json_each each = pf_json_each(values); pf_json_next(&each);) {
        struct pf_expr *value = PF_ARENA_NEW(reader->arena, struct pf_expr);
        PF_TRY(read_constant(reader, each.value, value, err));
        expr->args[each.index + 1] = value;
    }
    *out_expr = expr;
    return PF_OK;
}

static enum pf_code read_filter_children(struct reader *reader, pf_json *json, bool is_or, const struct pf_expr *column,
                                         const struct pf_expr **out_expr, struct pf_error *err) {
    pf_json *list = pf_json_get(json, "child_filters");
    struct pf_expr *expr = new_boolean(reader, is_or ? PF_EXPR_OR : PF_EXPR_AND, (uint32_t)pf_json_count(list));
    expr->arg_count = 0;
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        const struct pf_expr *child = NULL;
        PF_TRY(read_table_filter(reader, each.value, column, &child, err));
        if (child)
            expr->args[expr->arg_count++] = child;
        else if (is_or)
            return PF_OK; /* one branch is always true */
    }
    if (expr->arg_count) *out_expr = expr;
    return PF_OK;
}

static enum pf_code read_table_filter(struct reader *reader, pf_json *json, const struct pf_expr *column,
                                      const struct pf_expr **out_expr, struct pf_error *err) {
    pf_str type = pf_json_get_str(json, "filter_type", PF_STR_EMPTY);
    if (reader->depth >= MAX_NESTING) PF_FAIL(err, PF_UNSUPPORTED, "plan: nested more than %d deep", MAX_NESTING);
    if (pf_str_equal(type, PF_STR("OPTIONAL_FILTER")) || pf_str_equal(type, PF_STR("DYNAMIC_FILTER")) ||
        pf_str_equal(type, PF_STR("BLOOM_FILTER")))
        return PF_OK; /* they only skip rows that another operator drops */
    if (pf_str_equal(type, PF_STR("IS_NULL")) || pf_str_equal(type, PF_STR("IS_NOT_NULL"))) {
        bool is_not = pf_str_equal(type, PF_STR("IS_NOT_NULL"));
        struct pf_expr *expr = new_boolean(reader, is_not ? PF_EXPR_IS_NOT_NULL : PF_EXPR_IS_NULL, 1);
        expr->args[0] = column;
        *out_expr = expr;
        return PF_OK;
    }
    if (pf_str_equal(type, PF_STR("CONSTANT_COMPARISON"))) {
        struct pf_expr *expr = new_boolean(reader, PF_EXPR_COMPARE, 2);
        struct pf_expr *constant = PF_ARENA_NEW(reader->arena, struct pf_expr);
        expr->name = comparison_sql(pf_json_get_str(json, "comparison_type", PF_STR_EMPTY));
        if (!expr->name.len) PF_FAIL(err, PF_UNSUPPORTED, "plan: a scan filter by an unknown comparison");
        PF_TRY(read_constant(reader, pf_json_get(json, "constant"), constant, err));
        expr->args[0] = column;
        expr->args[1] = constant;
        *out_expr = expr;
        return PF_OK;
    }
    if (pf_str_equal(type, PF_STR("IN_FILTER"))) return read_filter_values(reader, json, column, out_expr, err);
    if (pf_str_equal(type, PF_STR("CONJUNCTION_AND")) || pf_str_equal(type, PF_STR("CONJUNCTION_OR"))) {
        reader->depth++;
        enum pf_code code =
            read_filter_children(reader, json, pf_str_equal(type, PF_STR("CONJUNCTION_OR")), column, out_expr, err);
        reader->depth--;
        return code;
    }
    if (pf_str_equal(type, PF_STR("EXPRESSION_FILTER"))) {
        const struct pf_expr *expr;
        PF_TRY(read_expr(reader, pf_json_get(json, "expr"), &expr, err));
        *out_expr = pf_expr_substitute(expr, &column, 1, reader->arena);
        if (*out_expr) return PF_OK;
    }
    PF_FAIL(err, PF_UNSUPPORTED, "plan: a scan filter of kind %.*s", PF_STR_ARG(type));
}

/* ---- columns ---- */

static enum pf_code push_column(struct reader *reader, pf_json *json, struct pf_op *op, int64_t index,
                                struct pf_error *err) {
    pf_json *types = pf_json_get(json, "returned_types"), *names = pf_json_get(json, "names");
    op->types =
        op->column_count
            ? op->types
            : PF_ARENA_ARRAY(reader->arena, const struct pf_sql_type *,
                             2 * pf_json_count(pf_json_get(json, "column_indexes")) +
                                 pf_json_count(pf_json_get(pf_json_get(json, "table_filters"), "filters")) + 64);
    if (index < 0 || index >= (int64_t)pf_json_count(names)) { /* a row number or "no column": count(*) asks so */
        op->types[op->column_count] = pf_sql_type_simple(reader->arena, "BIGINT");
        op->column_names[op->column_count++] = PF_STR_EMPTY;
        return PF_OK;
    }
    PF_TRY(read_type(reader, yyjson_arr_get(types, (size_t)index), &op->types[op->column_count], err));
    op->column_names[op->column_count++] =
        pf_arena_str(reader->arena, pf_json_as_str(yyjson_arr_get(names, (size_t)index), PF_STR_EMPTY));
    return PF_OK;
}

static enum pf_code read_scan_columns(struct reader *reader, pf_json *json, struct pf_op *op, struct pf_error *err) {
    pf_json *list = pf_json_get(json, "column_indexes");
    size_t count = pf_json_count(list);
    if (count > MAX_COLUMNS) PF_FAIL(err, PF_UNSUPPORTED, "plan: a scan of %zu columns", count);
    if (pf_json_get_i64(json, "ordinality_idx", -1) >= 0) PF_FAIL(err, PF_UNSUPPORTED, "plan: WITH ORDINALITY");
    op->column_names = PF_ARENA_ARRAY(reader->arena, pf_str, 2 * count + 64);
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        if (!pf_str_equal(pf_json_get_str(each.value, "index_type", PF_STR("FULL_READ")), PF_STR("FULL_READ")))
            PF_FAIL(err, PF_UNSUPPORTED, "plan: a scan of a part of a column");
        PF_TRY(push_column(reader, json, op, pf_json_get_i64(each.value, "index", -1), err));
    }
    return PF_OK;
}

/* Position in the scan's output of a table column; it is added if it isn't there. */
static enum pf_code need_column(struct reader *reader, pf_json *json, struct pf_op *scan, int64_t index,
                                uint32_t *out_position, struct pf_error *err) {
    for (struct pf_json_each each = pf_json_each(pf_json_get(json, "column_indexes")); pf_json_next(&each);)
        if (pf_json_get_i64(each.value, "index", -1) == index) {
            *out_position = (uint32_t)each.index;
            return PF_OK;
        }
    if (index < 0 || index >= (int64_t)pf_json_count(pf_json_get(json, "names")) ||
        scan->column_count >= pf_json_count(pf_json_get(json, "column_indexes")) + 64)
        PF_FAIL(err, PF_INVALID, "plan: a scan filter on column %lld", (long long)index);
    *out_position = scan->column_count;
    return push_column(reader, json, scan, index, err);
}

static enum pf_code add_table_filters(struct reader *reader, pf_json *json, struct pf_op *scan, struct pf_op **op,
                                      struct pf_error *err) {
    pf_json *filters = pf_json_get(pf_json_get(json, "table_filters"), "filters");
    size_t count = pf_json_count(filters);
    if (!count) return PF_OK;
    const struct pf_expr **exprs = PF_ARENA_ARRAY(reader->arena, const struct pf_expr *, count);
    uint32_t expr_count = 0;
    for (struct pf_json_each each = pf_json_each(filters); pf_json_next(&each);) {
        uint32_t position;
        const struct pf_expr *expr = NULL;
        PF_TRY(need_column(reader, json, scan, pf_json_get_i64(each.value, "key", -1), &position, err));
        const struct pf_expr *column = pf_expr_column(reader->arena, position, scan->types[position]);
        PF_TRY(read_table_filter(reader, pf_json_get(each.value, "value"), column, &expr, err));
        if (expr) exprs[expr_count++] = expr;
    }
    if (!expr_count) return PF_OK;
    struct pf_op *filter = reader_new_op(reader, PF_OP_FILTER, 1, scan->column_count);
    filter->children[0] = scan;
    filter->exprs = exprs;
    filter->expr_count = expr_count;
    memcpy(filter->types, scan->types, scan->column_count * sizeof *scan->types);
    *op = filter;
    return check_columns(filter, err);
}

static enum pf_code project_scan(struct reader *reader, pf_json *json, uint32_t column_count, struct pf_op **op,
                                 struct pf_error *err) {
    pf_json *ids = pf_json_get(json, "projection_ids");
    size_t count = pf_json_count(ids);
    if (!count && (*op)->column_count == column_count) return PF_OK;
    if (count > MAX_COLUMNS) PF_FAIL(err, PF_UNSUPPORTED, "plan: a scan of %zu columns", count);
    uint32_t *columns = PF_ARENA_ARRAY(reader->arena, uint32_t, count ? count : column_count);
    for (struct pf_json_each each = pf_json_each(ids); pf_json_next(&each);) {
        int64_t column = pf_json_as_i64(each.value, -1);
        if (column < 0 || column >= column_count) PF_FAIL(err, PF_INVALID, "plan: projection of a scan");
        columns[each.index] = (uint32_t)column;
    }
    for (uint32_t i = 0; !count && i < column_count; i++) columns[i] = i;
    *op = reader_project(reader, *op, columns, count ? (uint32_t)count : column_count);
    return PF_OK;
}

static enum pf_code read_lake_scan(struct reader *reader, pf_json *json, struct pf_op **out_op, struct pf_error *err) {
    struct pf_op *scan = reader_new_op(reader, PF_OP_SCAN, 0, 0);
    pf_str name = pf_json_get_str(yyjson_arr_get_first(pf_json_get(json, "parameters")), "value", PF_STR_EMPTY);
    if (!name.len) PF_FAIL(err, PF_INVALID, "plan: lake_scan without a name");
    scan->scan_name = pf_arena_str(reader->arena, name);
    scan->scan_rows = scan->scan_bytes = -1;
    for (size_t i = 0; i < reader->fact_count; i++)
        if (pf_str_equal(reader->facts[i].scan_name, name)) {
            scan->scan_rows = (double)reader->facts[i].row_count;
            scan->scan_bytes = (double)reader->facts[i].size_bytes;
        }
    if (scan->scan_rows < 0) PF_FAIL(err, PF_INVALID, "plan: no facts about table '%.*s'", PF_STR_ARG(scan->scan_name));
    scan->rows = scan->scan_rows;
    PF_TRY(read_scan_columns(reader, json, scan, err));
    uint32_t column_count = scan->column_count;
    struct pf_op *op = scan;
    PF_TRY(add_table_filters(reader, json, scan, &op, err));
    PF_TRY(project_scan(reader, json, column_count, &op, err));
    *out_op = op;
    return PF_OK;
}

/* With a child, the function runs once per row: its arguments are the child's first columns, `projected_input` the
 * child's columns that come out behind its own. */
static enum pf_code read_row_function(struct reader *reader, pf_json *json, struct pf_op *op, struct pf_error *err) {
    struct pf_op *child;
    PF_TRY(read_operator(reader, yyjson_arr_get_first(pf_json_get(json, "children")), &child, err));
    uint32_t arg_count = (uint32_t)pf_json_count(pf_json_get(json, "input_table_types"));
    pf_json *projected = pf_json_get(json, "projected_input");
    if (arg_count > child->column_count || pf_json_count(projected) > child->column_count ||
        op->column_count + pf_json_count(projected) > MAX_COLUMNS)
        PF_FAIL(err, PF_INVALID, "plan: arguments of table function %.*s", PF_STR_ARG(op->scan_name));
    op->children = PF_ARENA_ARRAY(reader->arena, const struct pf_op *, 1);
    op->children[0] = child;
    op->child_count = 1;
    uint32_t total = arg_count + (uint32_t)pf_json_count(projected);
    op->exprs = PF_ARENA_ARRAY(reader->arena, const struct pf_expr *, total);
    op->expr_count = total; /* the arguments, then what comes out */
    op->arg_count = arg_count;
    for (uint32_t i = 0; i < arg_count; i++) op->exprs[i] = pf_expr_column(reader->arena, i, child->types[i]);
    const struct pf_sql_type **types =
        PF_ARENA_ARRAY(reader->arena, const struct pf_sql_type *, op->column_count + pf_json_count(projected));
    if (op->column_count) memcpy(types, op->types, op->column_count * sizeof *types);
    op->types = types;
    for (struct pf_json_each each = pf_json_each(projected); pf_json_next(&each);) {
        int64_t column = pf_json_as_i64(each.value, -1);
        if (column < 0 || column >= child->column_count) PF_FAIL(err, PF_INVALID, "plan: input of a table function");
        op->exprs[arg_count + each.index] = pf_expr_column(reader->arena, (uint32_t)column, child->types[column]);
        op->types[op->column_count++] = child->types[column];
    }
    return PF_OK;
}

/* ("a", "b"): the user may have renamed what the function returns. */
static pf_str read_column_aliases(struct reader *reader, pf_json *names) {
    pf_str list = PF_STR_EMPTY;
    for (struct pf_json_each each = pf_json_each(names); pf_json_next(&each);)
        list = pf_arena_printf(reader->arena, "%.*s%s%.*s", PF_STR_ARG(list), each.index ? ", " : "",
                               PF_STR_ARG(quote_name(reader->arena, pf_json_as_str(each.value, PF_STR_EMPTY))));
    return list;
}

static enum pf_code read_table_function(struct reader *reader, pf_json *json, pf_str name, struct pf_op **out_op,
                                        struct pf_error *err) {
    static const char *const PURE[] = {"range", "generate_series", "repeat", "json_each", "json_tree"};
    bool is_pure = false;
    for (size_t i = 0; i < sizeof PURE / sizeof *PURE; i++)
        if (pf_str_equal(name, pf_str_from_cstr(PURE[i]))) is_pure = true;
    if (!is_pure) PF_FAIL(err, PF_UNSUPPORTED, "plan: table function %.*s", PF_STR_ARG(name));
    if (pf_json_count(pf_json_get(json, "named_parameters")) ||
        pf_json_count(pf_json_get(pf_json_get(json, "table_filters"), "filters")) ||
        pf_json_count(pf_json_get(json, "projection_ids")))
        PF_FAIL(err, PF_UNSUPPORTED, "plan: options of table function %.*s", PF_STR_ARG(name));
    struct pf_op *op = reader_new_op(reader, PF_OP_TABLE_FUNCTION, 0, 0);
    op->scan_name = pf_arena_str(reader->arena, name);
    op->column_aliases = read_column_aliases(reader, pf_json_get(json, "names"));
    PF_TRY(read_scan_columns(reader, json, op, err));
    *out_op = op;
    if (pf_json_count(pf_json_get(json, "children"))) return read_row_function(reader, json, op, err);
    pf_json *parameters = pf_json_get(json, "parameters");
    op->exprs = PF_ARENA_ARRAY(reader->arena, const struct pf_expr *, pf_json_count(parameters));
    op->expr_count = (uint32_t)pf_json_count(parameters);
    for (struct pf_json_each each = pf_json_each(parameters); pf_json_next(&each);) {
        struct pf_expr *expr = PF_ARENA_NEW(reader->arena, struct pf_expr);
        PF_TRY(read_constant(reader, each.value, expr, err));
        op->exprs[each.index] = expr;
    }
    return PF_OK;
}

enum pf_code read_get(struct reader *reader, pf_json *json, struct pf_op **out_op, struct pf_error *err) {
    pf_str name;
    PF_TRY(pf_json_need_str(json, "name", "plan: a scan", &name, err));
    if (pf_str_equal(name, PF_STR("lake_scan"))) return read_lake_scan(reader, json, out_op, err);
    return read_table_function(reader, json, name, out_op, err);
}
