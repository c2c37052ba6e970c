/* SPDX-License-Identifier: MIT */
/* Runtime filters: which keys a finished side of a join has goes into the scans of the other side, where it skips
 * files, row groups and rows before they are exchanged or probed.
 *
 *   JOIN a = b                                 JOIN a = b
 *     DATASET a: 3 to 900, 12 values             DATASET a
 *     PROJECT                          ->        PROJECT
 *       FILTER day > ...                           FILTER day > ... AND b BETWEEN 3 AND 900 AND b IN (...)
 *         SCAN b                                     SCAN b
 *
 * A filter may go down as long as a row it drops could only have ended in that join, unmatched. It is an addition: the
 * join itself still decides. */
#include "planner/adapt.h"

#include <string.h>

enum { MAX_DEPTH = 200 };

struct pusher {
    struct pf_arena *arena;
    struct pf_plan *plan; /* counts operators */
    int stage_id;
};

/* ---- where a column comes from ---- */

/* The child and its column behind a column of the output that only copies it; NULL: none, or not only that. */
static const struct pf_op *source_of(const struct pf_op *op, uint32_t *column) {
    const struct pf_expr *expr = NULL;
    switch (op->kind) {
    case PF_OP_FILTER:
    case PF_OP_ORDER:
    case PF_OP_LIMIT:
    case PF_OP_DISTINCT:
    case PF_OP_SAMPLE: return op->children[0];
    case PF_OP_WINDOW:
    case PF_OP_UNNEST: return *column < op->children[0]->column_count ? op->children[0] : NULL;
    case PF_OP_PROJECT:
        if (op->child_count && *column < op->expr_count) expr = op->exprs[*column];
        break;
    case PF_OP_AGGREGATE:
        if (*column < op->group_count) expr = op->groups[*column];
        break;
    case PF_OP_JOIN: {
        enum pf_join_kind kind = op->join->kind;
        bool is_right_only = kind == PF_JOIN_RIGHT_SEMI || kind == PF_JOIN_RIGHT_ANTI;
        uint32_t left_count = op->children[0]->column_count;
        if (is_right_only) return op->children[1];
        if (*column < left_count) return op->children[0];
        *column -= left_count;
        return kind != PF_JOIN_MARK && *column < op->children[1]->column_count ? op->children[1] : NULL;
    }
    default: return NULL;
    }
    if (!expr || expr->kind != PF_EXPR_COLUMN) return NULL;
    *column = expr->column;
    return op->children[0];
}

/* The values of a column, or more than those, if it comes from the finished stage. */
static const struct pf_key_values *values_of(const struct pusher *pusher, const struct pf_op *op, uint32_t column) {
    for (int depth = 0; op && depth < MAX_DEPTH; depth++) {
        if (op->kind != PF_OP_DATASET) {
            op = source_of(op, &column);
            continue;
        }
        if (!op->dataset || op->dataset_stage_id != pusher->stage_id || column >= op->column_count) return NULL;
        for (size_t i = 0; i < op->dataset->key_count; i++)
            if (op->dataset->keys[i].column == op->dataset_columns[column]) return &op->dataset->keys[i];
        return NULL;
    }
    return NULL;
}

/* ---- the filter ---- */

static struct pf_expr *new_condition(struct pusher *pusher, enum pf_expr_kind kind, uint32_t arg_count) {
    struct pf_sql_type *type = PF_ARENA_NEW(pusher->arena, struct pf_sql_type);
    *type = (struct pf_sql_type){.id = PF_STR("BOOLEAN"), .sql = PF_STR("BOOLEAN")};
    struct pf_expr *expr = PF_ARENA_NEW(pusher->arena, struct pf_expr);
    expr->kind = kind;
    expr->type = type;
    expr->args = PF_ARENA_ARRAY(pusher->arena, const struct pf_expr *, arg_count);
    expr->arg_count = arg_count;
    return expr;
}

static const struct pf_expr *new_literal(struct pusher *pusher, const struct pf_sql_type *type, pf_str text) {
    struct pf_expr *expr = PF_ARENA_NEW(pusher->arena, struct pf_expr);
    *expr = (struct pf_expr){.kind = PF_EXPR_CONSTANT, .type = type, .text = text};
    return expr;
}

static uint32_t make_conditions(struct pusher *pusher, const struct pf_op *scan, uint32_t column,
                                const struct pf_key_values *values, const struct pf_expr *out_exprs[2]) {
    const struct pf_sql_type *type = scan->types[column];
    const struct pf_expr *subject = pf_expr_column(pusher->arena, column, type);
    uint32_t count = 0;
    if (values->min.len) {
        struct pf_expr *between = new_condition(pusher, PF_EXPR_BETWEEN, 3);
        between->args[0] = subject;
        between->args[1] = new_literal(pusher, type, values->min);
        between->args[2] = new_literal(pusher, type, values->max);
        between->lower_inclusive = between->upper_inclusive = true;
        out_exprs[count++] = between;
    }
    if (values->is_listed && values->value_count && !(values->value_count == 1 && values->min.len)) {
        struct pf_expr *in = new_condition(pusher, PF_EXPR_IN, (uint32_t)values->value_count + 1);
        in->args[0] = subject;
        for (size_t i = 0; i < values->value_count; i++) in->args[i + 1] = new_literal(pusher, type, values->values[i]);
        out_exprs[count++] = in;
    }
    return count;
}

/* FILTER over the scan; one that is there already is kept, so that one filter gives all predicates. */
static const struct pf_op *filter_scan(struct pusher *pusher, const struct pf_op *scan, const struct pf_op *filter,
                                       uint32_t column, const struct pf_key_values *values) {
    const struct pf_expr *conditions[2];
    const struct pf_op *unchanged = filter ? filter : scan;
    if (column >= scan->column_count || !scan->column_names[column].len ||
        !pf_str_equal(scan->types[column]->sql, values->type))
        return unchanged;
    uint32_t count = make_conditions(pusher, scan, column, values, conditions);
    if (!count) return unchanged;
    struct pf_op *copy = PF_ARENA_NEW(pusher->arena, struct pf_op);
    uint32_t before = 0;
    if (filter) {
        *copy = *filter;
        before = filter->expr_count;
    } else {
        *copy = (struct pf_op){.kind = PF_OP_FILTER,
                               .id = pusher->plan->next_op_id++,
                               .child_count = 1,
                               .types = scan->types,
                               .column_count = scan->column_count,
                               .rows = scan->scan_rows,
                               .limit = scan->limit};
        copy->children = PF_ARENA_ARRAY(pusher->arena, const struct pf_op *, 1);
        copy->children[0] = scan;
    }
    copy->exprs = PF_ARENA_ARRAY(pusher->arena, const struct pf_expr *, before + count);
    for (uint32_t i = 0; i < before; i++) copy->exprs[i] = filter->exprs[i];
    for (uint32_t i = 0; i < count; i++) copy->exprs[before + i] = conditions[i];
    copy->expr_count = before + count;
    return copy;
}

/* ---- the way down ---- */

static bool has_column(const struct pf_expr *const *exprs, uint32_t count, uint32_t column) {
    for (uint32_t i = 0; i < count; i++)
        if (exprs[i]->kind == PF_EXPR_COLUMN && exprs[i]->column == column) return true;
    return false;
}

/* Whether dropping the rows of a child with some values of a column drops the rows with them here, and no others that
 * anybody would miss. */
static bool may_pass(const struct pf_op *op, uint32_t column) {
    switch (op->kind) {
    case PF_OP_FILTER:
    case PF_OP_PROJECT:
    case PF_OP_ORDER:
    case PF_OP_UNNEST: return true;
    case PF_OP_DISTINCT: return !op->expr_count || has_column(op->exprs, op->expr_count, column);
    case PF_OP_AGGREGATE:
        for (uint32_t s = 0; s < op->grouping_set_count; s++)
            if (column >= 64 || !(op->grouping_sets[s] >> column & 1)) return false;
        return column < op->group_count;
    case PF_OP_WINDOW:
        for (uint32_t w = 0; w < op->expr_count; w++)
            if (!has_column(op->exprs[w]->window->partitions, op->exprs[w]->window->partition_count, column))
                return false;
        return column < op->children[0]->column_count;
    case PF_OP_JOIN: { /* only into a side that is kept; the other one decides what becomes of it */
        bool is_left = column < op->children[0]->column_count;
        switch (op->join->kind) {
        case PF_JOIN_INNER: return is_left || !op->join->is_asof; /* ASOF: the next best row would match */
        case PF_JOIN_LEFT:
        case PF_JOIN_SINGLE:
        case PF_JOIN_MARK: return is_left;
        case PF_JOIN_RIGHT: return !is_left;
        case PF_JOIN_SEMI:
        case PF_JOIN_ANTI:
        case PF_JOIN_RIGHT_SEMI:
        case PF_JOIN_RIGHT_ANTI: return true;
        default: return false;
        }
    }
    default: return false;
    }
}

static const struct pf_op *with_child(struct pusher *pusher, const struct pf_op *op, uint32_t at,
                                      const struct pf_op *child) {
    if (op->children[at] == child) return op;
    struct pf_op *copy = PF_ARENA_NEW(pusher->arena, struct pf_op);
    *copy = *op;
    copy->children = PF_ARENA_ARRAY(pusher->arena, const struct pf_op *, op->child_count);
    memcpy(copy->children, op->children, op->child_count * sizeof *op->children);
    copy->children[at] = child;
    return copy;
}

static const struct pf_op *push(struct pusher *pusher, const struct pf_op *op, uint32_t column,
                                const struct pf_key_values *values, int depth) {
    if (depth > MAX_DEPTH) return op;
    if (op->kind == PF_OP_SCAN) return filter_scan(pusher, op, NULL, column, values);
    if (op->kind == PF_OP_FILTER && op->children[0]->kind == PF_OP_SCAN)
        return filter_scan(pusher, op->children[0], op, column, values);
    if (op->kind == PF_OP_CTE) {
        const struct pf_op *body = push(pusher, op->children[1], column, values, depth + 1);
        return with_child(pusher, op, 1, body);
    }
    if (op->kind == PF_OP_UNION || op->kind == PF_OP_INTERSECT || op->kind == PF_OP_EXCEPT) {
        for (uint32_t i = 0; i < op->child_count; i++)
            op = with_child(pusher, op, i, push(pusher, op->children[i], column, values, depth + 1));
        return op;
    }
    if (!op->child_count || !may_pass(op, column)) return op;
    uint32_t below = column;
    const struct pf_op *child = source_of(op, &below);
    if (!child) return op;
    uint32_t at = child == op->children[0] ? 0 : 1;
    return with_child(pusher, op, at, push(pusher, child, below, values, depth + 1));
}

double bytes_filtered_by(const struct pf_op *op, uint32_t column) {
    for (int depth = 0; op && depth < MAX_DEPTH; depth++) {
        if (op->kind == PF_OP_SCAN)
            return column < op->column_count && op->column_names[column].len ? op->scan_bytes : 0;
        if (op->kind == PF_OP_UNION) {
            double bytes = 0;
            for (uint32_t i = 0; i < op->child_count; i++) bytes += bytes_filtered_by(op->children[i], column);
            return bytes;
        }
        if (op->kind == PF_OP_CTE)
            op = op->children[1];
        else
            op = op->child_count && may_pass(op, column) ? source_of(op, &column) : NULL;
    }
    return 0;
}

/* ---- joins ---- */

bool join_may_drop_unmatched(const struct pf_join *join, int side) {
    switch (join->kind) {
    case PF_JOIN_INNER:
    case PF_JOIN_SEMI:
    case PF_JOIN_RIGHT_SEMI: return true;
    case PF_JOIN_LEFT:
    case PF_JOIN_ANTI:
    case PF_JOIN_SINGLE: return side == 1;
    case PF_JOIN_RIGHT:
    case PF_JOIN_RIGHT_ANTI: return side == 0;
    default: return false; /* FULL, POSITIONAL; MARK tells an empty side from one without a match */
    }
}

static const struct pf_op *filter_sides(struct pusher *pusher, const struct pf_op *op) {
    for (uint32_t i = 0; i < op->join->condition_count; i++) {
        const struct pf_join_condition *condition = &op->join->conditions[i];
        const struct pf_expr *exprs[2] = {condition->left, condition->right};
        if (!pf_str_equal(condition->op, PF_STR("=")) || exprs[0]->kind != PF_EXPR_COLUMN ||
            exprs[1]->kind != PF_EXPR_COLUMN)
            continue;
        for (uint32_t side = 0; side < 2; side++) {
            const struct pf_key_values *values = values_of(pusher, op->children[!side], exprs[!side]->column);
            if (!values || !join_may_drop_unmatched(op->join, (int)side)) continue;
            op = with_child(pusher, op, side, push(pusher, op->children[side], exprs[side]->column, values, 0));
        }
    }
    return op;
}

static const struct pf_op *walk(struct pusher *pusher, const struct pf_op *op) {
    for (uint32_t i = 0; i < op->child_count; i++) op = with_child(pusher, op, i, walk(pusher, op->children[i]));
    return op->kind == PF_OP_JOIN ? filter_sides(pusher, op) : op;
}

const struct pf_op *push_key_filters(const struct pf_op *root, int stage_id, struct pf_plan *plan,
                                     struct pf_arena *arena) {
    struct pusher pusher = {arena, plan, stage_id};
    return walk(&pusher, root);
}
