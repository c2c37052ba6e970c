/* SPDX-License-Identifier: MIT */
/* Aggregates from partial aggregates: which calls decompose, into what, and how the parts come together.
 *
 *   op        AGGREGATE g: avg(x), count(*)
 *   partial   AGGREGATE g: sum(x), count(x), count(*)            in the tasks
 *   merge     PROJECT g, #1 / #2, #3
 *               AGGREGATE g: sum(#1), sum(#2), sum(#3)           above the dataset
 *
 * With grouping sets the partial rows carry grouping(all groups) as one more group, which tells a NULL of the data
 * from a NULL of the set they belong to. */
#include "planner/streams.h"

#include <assert.h>
#include <string.h>

static bool is_one_of(pf_str name, const char *list) {
    pf_str rest = pf_str_from_cstr(list), one;
    while (pf_str_next(&rest, ' ', &one))
        if (pf_str_equal(name, one)) return true;
    return false;
}

static struct pf_expr *new_call(struct cutter *cutter, const char *name, const struct pf_sql_type *type,
                                const struct pf_expr *const *args, uint32_t arg_count) {
    struct pf_expr *expr = PF_ARENA_NEW(cutter->arena, struct pf_expr);
    expr->kind = PF_EXPR_AGGREGATE;
    expr->name = pf_arena_str(cutter->arena, pf_str_from_cstr(name));
    expr->type = type;
    expr->args = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, arg_count);
    if (arg_count) memcpy(expr->args, args, arg_count * sizeof *args);
    expr->arg_count = arg_count;
    return expr;
}

static const struct pf_expr *merge_call(struct cutter *cutter, const char *name, const struct pf_sql_type *type,
                                        uint32_t part, const struct pf_sql_type *part_type) {
    const struct pf_expr *arg = pf_expr_column(cutter->arena, part, part_type);
    return new_call(cutter, name, type, &arg, 1);
}

static const struct pf_sql_type *sum_type(struct cutter *cutter, const struct pf_sql_type *type) {
    if (is_one_of(type->id, "TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT"))
        return pf_sql_type_simple(cutter->arena, "HUGEINT");
    if (is_one_of(type->id, "FLOAT DOUBLE")) return pf_sql_type_simple(cutter->arena, "DOUBLE");
    if (!is_one_of(type->id, "DECIMAL")) return NULL;
    struct pf_sql_type *sum = PF_ARENA_NEW(cutter->arena, struct pf_sql_type);
    *sum = *type;
    sum->width = 38;
    sum->sql = pf_arena_printf(cutter->arena, "DECIMAL(38,%d)", type->scale);
    return sum;
}

static void one_part(struct call_split *split, const struct pf_expr *part, const struct pf_expr *merge,
                     const char *final) {
    *split = (struct call_split){.parts = {part}, .merges = {merge}, .part_count = 1, .final = final};
}

static bool split_average(struct cutter *cutter, const struct pf_expr *call, struct call_split *out_split) {
    const struct pf_sql_type *sum = sum_type(cutter, call->args[0]->type);
    if (!sum || !is_one_of(call->type->id, "DOUBLE")) return false;
    const struct pf_sql_type *count = pf_sql_type_simple(cutter->arena, "BIGINT");
    struct pf_expr *parts[2] = {new_call(cutter, "sum", sum, call->args, 1),
                                new_call(cutter, "count", count, call->args, 1)};
    for (int i = 0; i < 2; i++) parts[i]->filter = call->filter;
    *out_split = (struct call_split){
        .parts = {parts[0], parts[1]},
        .merges = {merge_call(cutter, "sum", sum, 0, sum),
                   merge_call(cutter, "sum", pf_sql_type_simple(cutter->arena, "HUGEINT"), 1, count)},
        .part_count = 2,
        .final = "(CAST({0} AS DOUBLE) / CAST({1} AS DOUBLE))"};
    return true;
}

/* first(x): a task without rows gives NULL, which must not win over another task's row. */
static void split_first(struct cutter *cutter, const struct pf_expr *call, struct call_split *out_split) {
    const struct pf_sql_type *count = pf_sql_type_simple(cutter->arena, "BIGINT");
    struct pf_expr *rows = new_call(cutter, "count_star", count, NULL, 0);
    rows->filter = call->filter;
    char *name = pf_arena_cstr(cutter->arena, call->name);
    struct pf_expr *merge = PF_ARENA_NEW(cutter->arena, struct pf_expr);
    *merge = *merge_call(cutter, name, call->type, 0, call->type);
    const struct pf_expr *count_column = pf_expr_column(cutter->arena, 1, count);
    merge->filter =
        pf_expr_template(cutter->arena, pf_sql_type_simple(cutter->arena, "BOOLEAN"), "({0} > 0)", &count_column, 1);
    *out_split = (struct call_split){
        .parts = {call, rows},
        .merges = {merge, merge_call(cutter, "sum", pf_sql_type_simple(cutter->arena, "HUGEINT"), 1, count)},
        .part_count = 2,
        .final = "{0}"};
}

/* arg_max(x, y) ignores rows where x or y is NULL; so must the y that goes with it. */
static void split_arg(struct cutter *cutter, const struct pf_expr *call, bool is_max, struct call_split *out_split) {
    const struct pf_sql_type *order_type = call->args[1]->type;
    struct pf_expr *order = new_call(cutter, is_max ? "max" : "min", order_type, &call->args[1], 1);
    const struct pf_expr *conditions[2] = {call->args[0], call->filter};
    order->filter = pf_expr_template(cutter->arena, pf_sql_type_simple(cutter->arena, "BOOLEAN"),
                                     call->filter ? "({0} IS NOT NULL AND {1})" : "({0} IS NOT NULL)", conditions,
                                     call->filter ? 2 : 1);
    const struct pf_expr *columns[2] = {pf_expr_column(cutter->arena, 0, call->type),
                                        pf_expr_column(cutter->arena, 1, order_type)};
    *out_split =
        (struct call_split){.parts = {call, order},
                            .merges = {new_call(cutter, is_max ? "arg_max" : "arg_min", call->type, columns, 2),
                                       merge_call(cutter, is_max ? "max" : "min", order_type, 1, order_type)},
                            .part_count = 2,
                            .final = "{0}"};
}

/* Number, mean and squared distance from it, of each part; merged without cancellation (Chan, Golub, LeVeque). */
static bool split_variance(struct cutter *cutter, const struct pf_expr *call, struct call_split *out_split) {
    static const struct {
        const char *names, *final;
    } FINALS[] = {
#define SUMS                                                                                                           \
    "list_sum(list_transform({0}, lambda p: p.s + p.n * pow(p.m - list_sum(list_transform({0}, lambda q: q.n * q.m)) " \
    "/ list_sum(list_transform({0}, lambda q: q.n)), 2)))"
#define ROWS "list_sum(list_transform({0}, lambda q: q.n))"
        {"var_samp variance", "CASE WHEN " ROWS " > 1 THEN " SUMS " / (" ROWS " - 1) END"},
        {"var_pop", "CASE WHEN " ROWS " > 0 THEN " SUMS " / " ROWS " END"},
        {"stddev_samp stddev", "CASE WHEN " ROWS " > 1 THEN sqrt(" SUMS " / (" ROWS " - 1)) END"},
        {"stddev_pop", "CASE WHEN " ROWS " > 0 THEN sqrt(" SUMS " / " ROWS ") END"}};
    for (size_t i = 0; i < sizeof FINALS / sizeof *FINALS; i++) {
        if (!is_one_of(call->name, FINALS[i].names)) continue;
        struct pf_sql_type *type = PF_ARENA_NEW(cutter->arena, struct pf_sql_type);
        *type = (struct pf_sql_type){.id = PF_STR("STRUCT"), .sql = PF_STR("STRUCT(n DOUBLE, m DOUBLE, s DOUBLE)")};
        struct pf_sql_type *list = PF_ARENA_NEW(cutter->arena, struct pf_sql_type);
        *list = (struct pf_sql_type){.id = PF_STR("LIST"), .sql = PF_STR("STRUCT(n DOUBLE, m DOUBLE, s DOUBLE)[]")};
        const struct pf_expr *args[2] = {call->args[0], call->filter};
        const struct pf_expr *part = pf_expr_template(
            cutter->arena, type,
            call->filter ? "CAST({'n': count({0}) FILTER (WHERE {1}), 'm': avg({0}) FILTER (WHERE {1}), 's': "
                           "var_pop({0}) FILTER (WHERE {1}) * count({0}) FILTER (WHERE {1})} AS STRUCT(n DOUBLE, m "
                           "DOUBLE, s DOUBLE))"
                         : "CAST({'n': count({0}), 'm': avg({0}), 's': var_pop({0}) * count({0})} AS STRUCT(n DOUBLE, "
                           "m DOUBLE, s DOUBLE))",
            args, call->filter ? 2 : 1);
        const struct pf_expr *column = pf_expr_column(cutter->arena, 0, type);
        struct pf_expr *merge = new_call(cutter, "list", list, &column, 1);
        merge->filter =
            pf_expr_template(cutter->arena, pf_sql_type_simple(cutter->arena, "BOOLEAN"), "({0}.n > 0)", &column, 1);
        one_part(out_split, part, merge, FINALS[i].final);
        return true;
    }
    return false;
}

bool split_call(struct cutter *cutter, const struct pf_expr *call, bool has_groups, struct call_split *out_split) {
    const struct pf_sql_type *huge = pf_sql_type_simple(cutter->arena, "HUGEINT");
    char *name = pf_arena_cstr(cutter->arena, call->name);
    if (call->sort_count) return false;
    if (is_one_of(call->name, "min max bool_and bool_or bit_and bit_or any_value") && call->arg_count == 1) {
        struct pf_expr *part = PF_ARENA_NEW(cutter->arena, struct pf_expr);
        *part = *call;
        part->is_distinct = false; /* makes no difference to them */
        one_part(out_split, part, merge_call(cutter, name, call->type, 0, call->type), "{0}");
        return true;
    }
    if (call->is_distinct) return false;
    if (is_one_of(call->name, "count_if countif")) { /* NULL over no rows, unlike the others */
        one_part(out_split, call, merge_call(cutter, "sum", call->type, 0, call->type), "{0}");
        return true;
    }
    if (is_one_of(call->name, "count_star count")) {
        one_part(out_split, call, merge_call(cutter, "sum", huge, 0, call->type),
                 has_groups ? "{0}" : "coalesce({0}, 0)");
        return true;
    }
    if (call->arg_count == 1 && is_one_of(call->name, "sum bit_xor product")) {
        if (is_one_of(call->name, "sum") && !sum_type(cutter, call->args[0]->type)) return false;
        one_part(out_split, call, merge_call(cutter, name, call->type, 0, call->type), "{0}");
        return true;
    }
    if (call->arg_count == 1 && is_one_of(call->name, "avg mean")) return split_average(cutter, call, out_split);
    if (call->arg_count == 1 && is_one_of(call->name, "first last arbitrary")) {
        split_first(cutter, call, out_split);
        return true;
    }
    if (call->arg_count == 2 && is_one_of(call->name, "arg_max max_by arg_min min_by")) {
        split_arg(cutter, call, is_one_of(call->name, "arg_max max_by"), out_split);
        return true;
    }
    return call->arg_count == 1 && split_variance(cutter, call, out_split);
}

static void add_grouping_id(struct cutter *cutter, struct pf_op *partial) {
    partial->grouping_functions = PF_ARENA_NEW(cutter->arena, uint64_t);
    partial->grouping_orders = pf_arena_alloc(cutter->arena, sizeof *partial->grouping_orders);
    partial->grouping_lengths = PF_ARENA_NEW(cutter->arena, uint8_t);
    partial->grouping_function_count = 1;
    partial->grouping_lengths[0] = (uint8_t)partial->group_count;
    for (uint32_t g = 0; g < partial->group_count; g++) {
        partial->grouping_functions[0] |= (uint64_t)1 << g;
        partial->grouping_orders[0][g] = (uint8_t)g;
    }
}

/* avg(x) and sum(x) share sum(x). Returns where the part is. */
static uint32_t add_part(const struct pf_expr **parts, uint32_t *count, const struct pf_expr *part) {
    for (uint32_t i = 0; i < *count; i++)
        if (pf_expr_equal(parts[i], part)) return i;
    parts[*count] = part;
    return (*count)++;
}

/* The same set twice gives each group twice; nothing in partial rows could tell the two apart. */
static bool has_equal_sets(const struct pf_op *op) {
    for (uint32_t i = 0; i < op->grouping_set_count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (op->grouping_sets[i] == op->grouping_sets[k]) return true;
    return false;
}

bool split_aggregate(struct cutter *cutter, const struct pf_op *op, struct aggregate_split *out_split) {
    bool has_sets = op->grouping_set_count > 0;
    if (has_sets && (op->group_count > 60 || has_equal_sets(op))) return false;
    bool has_groups = op->group_count > 0;
    const struct pf_expr **parts =
        PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, op->expr_count *MAX_PARTS + 1u);
    uint32_t part_count = 0;
    for (uint32_t i = 0; i < op->expr_count; i++) {
        struct call_split call;
        if (!split_call(cutter, op->exprs[i], has_groups, &call)) return false;
        for (uint32_t p = 0; p < call.part_count; p++) add_part(parts, &part_count, call.parts[p]);
    }
    uint32_t count = op->group_count + part_count + has_sets;
    struct pf_op *partial = new_op(cutter, PF_OP_AGGREGATE, 1, count);
    partial->children[0] = op->children[0];
    partial->groups = op->groups;
    partial->group_count = op->group_count;
    partial->exprs = parts;
    partial->expr_count = part_count;
    partial->grouping_sets = op->grouping_sets;
    partial->grouping_set_count = op->grouping_set_count;
    if (has_sets) add_grouping_id(cutter, partial);
    for (uint32_t i = 0; i < op->group_count; i++) partial->types[i] = op->groups[i]->type;
    for (uint32_t i = 0; i < part_count; i++) partial->types[op->group_count + i] = parts[i]->type;
    if (has_sets) partial->types[count - 1] = pf_sql_type_simple(cutter->arena, "BIGINT");
    out_split->partial = partial;
    out_split->key_count = op->group_count + has_sets;
    out_split->keys = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, out_split->key_count);
    for (uint32_t i = 0; i < op->group_count; i++) {
        struct pf_expr *key = PF_ARENA_NEW(cutter->arena, struct pf_expr);
        *key = *pf_expr_column(cutter->arena, i, partial->types[i]);
        key->alias = op->groups[i]->alias;
        out_split->keys[i] = key;
    }
    if (has_sets)
        out_split->keys[op->group_count] = pf_expr_column(cutter->arena, count - 1, partial->types[count - 1]);
    return true;
}

/* grouping(a, b) from grouping(all groups). */
static const struct pf_expr *grouping_from_id(struct cutter *cutter, const struct pf_op *op, uint32_t function,
                                              const struct pf_expr *id) {
    pf_str text = PF_STR("CAST(0");
    uint32_t length = op->grouping_lengths[function];
    for (uint32_t i = 0; i < length; i++)
        text = pf_arena_printf(cutter->arena, "%.*s | ((({0} >> %u) & 1) << %u)", PF_STR_ARG(text),
                               op->group_count - 1u - op->grouping_orders[function][i], length - 1u - i);
    text = pf_arena_printf(cutter->arena, "%.*s AS BIGINT)", PF_STR_ARG(text));
    return pf_expr_template(cutter->arena, pf_sql_type_simple(cutter->arena, "BIGINT"), text.ptr, &id, 1);
}

/* The call's parts are at `positions` of what it reads. */
const struct pf_expr *place_merge(struct cutter *cutter, const struct pf_expr *merge, const struct pf_op *below,
                                  const uint32_t *positions, uint32_t part_count) {
    struct pf_expr *placed = PF_ARENA_NEW(cutter->arena, struct pf_expr);
    *placed = *merge;
    const struct pf_expr *columns[MAX_PARTS];
    for (uint32_t i = 0; i < part_count; i++)
        columns[i] = pf_expr_column(cutter->arena, positions[i], below->types[positions[i]]);
    placed->args = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, merge->arg_count);
    for (uint32_t i = 0; i < merge->arg_count; i++)
        placed->args[i] = pf_expr_substitute(merge->args[i], columns, part_count, cutter->arena);
    if (merge->filter) placed->filter = pf_expr_substitute(merge->filter, columns, part_count, cutter->arena);
    return placed;
}

const struct pf_expr *final_value(struct cutter *cutter, const struct pf_expr *call, const struct call_split *split,
                                  const uint32_t *positions) {
    const struct pf_expr *columns[MAX_PARTS];
    for (uint32_t i = 0; i < split->part_count; i++)
        columns[i] = pf_expr_column(cutter->arena, positions[i], split->merges[i]->type);
    const struct pf_expr *value =
        strcmp(split->final, "{0}") == 0
            ? columns[0]
            : pf_expr_template(cutter->arena, call->type, split->final, columns, split->part_count);
    if (pf_sql_type_equal(value->type, call->type) && value->kind == PF_EXPR_COLUMN) return value;
    struct pf_expr *cast = PF_ARENA_NEW(cutter->arena, struct pf_expr);
    cast->kind = PF_EXPR_CAST;
    cast->type = call->type;
    cast->args = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, 1);
    cast->args[0] = value;
    cast->arg_count = 1;
    return cast;
}

const struct pf_op *merge_aggregate(struct cutter *cutter, const struct pf_op *op, const struct aggregate_split *split,
                                    const struct pf_op *leaf) {
    const struct pf_op *partial = split->partial;
    uint32_t group_count = split->key_count;
    struct pf_op *merge = new_op(cutter, PF_OP_AGGREGATE, 1, group_count + op->expr_count * MAX_PARTS);
    merge->children[0] = leaf;
    merge->groups = split->keys;
    merge->group_count = group_count;
    merge->exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, op->expr_count *MAX_PARTS);
    merge->is_partial_merge = true;
    merge->rows = op->rows;
    struct pf_op *project = new_op(cutter, PF_OP_PROJECT, 1, op->column_count);
    project->children[0] = merge;
    project->exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, op->column_count);
    project->expr_count = op->column_count;
    project->rows = op->rows;
    for (uint32_t i = 0; i < group_count; i++) merge->types[i] = split->keys[i]->type;
    for (uint32_t i = 0; i < op->group_count; i++) project->exprs[i] = pf_expr_column(cutter->arena, i, op->types[i]);
    uint32_t part_count = 0;
    const struct pf_expr **parts =
        PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, partial->expr_count + MAX_PARTS);
    for (uint32_t i = 0; i < op->expr_count; i++) {
        struct call_split call;
        uint32_t below[MAX_PARTS], above[MAX_PARTS];
        bool is_split = split_call(cutter, op->exprs[i], op->group_count > 0, &call);
        assert(is_split); /* split_aggregate has seen it */
        for (uint32_t p = 0; p < call.part_count; p++)
            below[p] = op->group_count + add_part(parts, &part_count, call.parts[p]);
        for (uint32_t p = 0; p < call.part_count; p++) {
            const struct pf_expr *placed = place_merge(cutter, call.merges[p], leaf, below, call.part_count);
            above[p] = group_count + add_part(merge->exprs, &merge->expr_count, placed);
            merge->types[above[p]] = placed->type;
        }
        project->exprs[op->group_count + i] = final_value(cutter, op->exprs[i], &call, above);
    }
    merge->column_count = group_count + merge->expr_count;
    const struct pf_expr *id = op->grouping_set_count
                                   ? pf_expr_column(cutter->arena, op->group_count, split->keys[op->group_count]->type)
                                   : NULL;
    for (uint32_t i = 0; i < op->grouping_function_count && id; i++)
        project->exprs[op->group_count + op->expr_count + i] = grouping_from_id(cutter, op, i, id);
    for (uint32_t i = 0; i < op->column_count; i++) project->types[i] = op->types[i];
    return project;
}
