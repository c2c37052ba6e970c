/* SPDX-License-Identifier: MIT */
/* A disjunction over both sides of a join says something about each of them, which DuckDB 1.5 doesn't push down:
 *
 *   FILTER (p AND l) OR (q AND m)            FILTER (p AND l) OR (q AND m)
 *     JOIN                            ->       JOIN
 *       a     (p, q: over a)                     FILTER p OR q
 *       b     (l, m: over b)                       a
 *                                                FILTER l OR m
 *                                                  b
 *
 * The disjunction stays where it was; what is added only drops rows early. So it must fail for no row, and may leave out
 * any part of a conjunction, but no branch. */
#include "planner/streams.h"

#include <string.h>

enum { MAX_BRANCHES = 64 };
/* Without statistics, DuckDB's guess for a filter. */
static const double KEPT_SHARE = 0.2;

/* ---- one side's part of a disjunction ---- */

struct side_check {
    uint32_t first, end; /* the side's columns */
    bool is_outside;
};

static void check_one(void *context, const struct pf_expr *expr) {
    struct side_check *check = context;
    switch (expr->kind) {
    case PF_EXPR_COLUMN:
        if (expr->column < check->first || expr->column >= check->end) check->is_outside = true;
        return;
    case PF_EXPR_CONSTANT:
    case PF_EXPR_COMPARE:
    case PF_EXPR_AND:
    case PF_EXPR_OR:
    case PF_EXPR_NOT:
    case PF_EXPR_IS_NULL:
    case PF_EXPR_IS_NOT_NULL:
    case PF_EXPR_IN:
    case PF_EXPR_BETWEEN: return;
    default: check->is_outside = true; /* might fail for a row that nobody would have looked at */
    }
}

static bool is_of_side(const struct pf_expr *expr, uint32_t first, uint32_t end) {
    struct side_check check = {first, end, false};
    pf_expr_walk(expr, check_one, &check);
    return !check.is_outside;
}

static const struct pf_expr *combine(struct cutter *cutter, enum pf_expr_kind kind, const struct pf_sql_type *type,
                                     const struct pf_expr **exprs, uint32_t count) {
    if (count == 1) return exprs[0];
    struct pf_expr *expr = PF_ARENA_NEW(cutter->arena, struct pf_expr);
    *expr = (struct pf_expr){.kind = kind, .type = type, .args = exprs, .arg_count = count};
    return expr;
}

/* What the disjunction says about the columns from `first` to `end`; NULL: nothing. */
static const struct pf_expr *part_of_side(struct cutter *cutter, const struct pf_expr *disjunction, uint32_t first,
                                          uint32_t end) {
    if (disjunction->kind != PF_EXPR_OR || disjunction->arg_count > MAX_BRANCHES) return NULL;
    const struct pf_expr **branches = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, disjunction->arg_count);
    for (uint32_t b = 0; b < disjunction->arg_count; b++) {
        const struct pf_expr *branch = disjunction->args[b];
        bool is_and = branch->kind == PF_EXPR_AND;
        uint32_t count = is_and ? branch->arg_count : 1, kept = 0;
        const struct pf_expr *const *parts = is_and ? branch->args : &disjunction->args[b];
        const struct pf_expr **own = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, count);
        for (uint32_t i = 0; i < count; i++)
            if (is_of_side(parts[i], first, end)) own[kept++] = parts[i];
        if (!kept) return NULL;
        branches[b] = combine(cutter, PF_EXPR_AND, disjunction->type, own, kept);
    }
    return combine(cutter, PF_EXPR_OR, disjunction->type, branches, disjunction->arg_count);
}

/* ---- into the sides of a join ---- */

static const struct pf_op *with_child(struct cutter *cutter, const struct pf_op *op, uint32_t at,
                                      const struct pf_op *child) {
    if (op->children[at] == child) return op;
    struct pf_op *copy = PF_ARENA_NEW(cutter->arena, struct pf_op);
    *copy = *op;
    copy->children = PF_ARENA_ARRAY(cutter->arena, const struct pf_op *, op->child_count);
    memcpy(copy->children, op->children, op->child_count * sizeof *op->children);
    copy->children[at] = child;
    return copy;
}

static bool has_branch(const struct pf_expr *disjunction, const struct pf_expr *branch) {
    for (uint32_t i = 0; i < disjunction->arg_count; i++)
        if (pf_expr_equal(disjunction->args[i], branch)) return true;
    return false;
}

/* DuckDB does push down what all branches say about one column, in its own order. */
static bool is_told(const struct pf_op *op, const struct pf_expr *condition) {
    for (uint32_t i = 0; op->kind == PF_OP_FILTER && i < op->expr_count; i++) {
        const struct pf_expr *told = op->exprs[i];
        if (pf_expr_equal(told, condition)) return true;
        if (told->kind != PF_EXPR_OR || condition->kind != PF_EXPR_OR) continue;
        uint32_t found = 0;
        for (uint32_t b = 0; b < told->arg_count; b++) found += has_branch(condition, told->args[b]);
        if (found == told->arg_count) return true;
    }
    return false;
}

/* One FILTER: of a filter over a scan, all of it may skip files. */
static const struct pf_op *add_filter(struct cutter *cutter, const struct pf_op *op, const struct pf_expr *condition) {
    const struct pf_op *below = op->kind == PF_OP_FILTER ? op->children[0] : op;
    uint32_t before = op->kind == PF_OP_FILTER ? op->expr_count : 0;
    struct pf_op *filter = new_op(cutter, PF_OP_FILTER, 1, op->column_count);
    filter->children[0] = below;
    memcpy(filter->types, op->types, op->column_count * sizeof *op->types);
    filter->exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, before + 1);
    if (before) memcpy(filter->exprs, op->exprs, before * sizeof *op->exprs);
    filter->exprs[before] = condition;
    filter->expr_count = before + 1;
    filter->rows = op->rows > 0 ? op->rows * KEPT_SHARE : op->rows;
    return filter;
}

/* Below what only chooses or computes columns: where DuckDB's own filters are. */
static const struct pf_op *filter_side(struct cutter *cutter, const struct pf_op *op, const struct pf_expr *condition) {
    const struct pf_expr *below = NULL;
    if (op->kind == PF_OP_PROJECT && op->child_count)
        below = pf_expr_substitute(condition, op->exprs, op->expr_count, cutter->arena);
    if (!below || pf_expr_is_volatile(below)) return is_told(op, condition) ? op : add_filter(cutter, op, condition);
    const struct pf_op *child = filter_side(cutter, op->children[0], below);
    if (child == op->children[0]) return op;
    struct pf_op *copy = PF_ARENA_NEW(cutter->arena, struct pf_op);
    *copy = *with_child(cutter, op, 0, child);
    copy->rows = child->rows;
    return copy;
}

static bool may_filter_side(enum pf_join_kind kind, uint32_t side) {
    return kind == PF_JOIN_INNER || kind == (side ? PF_JOIN_RIGHT : PF_JOIN_LEFT);
}

/* `conjunct` holds for every row that is wanted of the join. */
static const struct pf_op *tell_sides(struct cutter *cutter, const struct pf_op *join, const struct pf_expr *conjunct) {
    uint32_t left_count = join->children[0]->column_count;
    for (uint32_t side = 0; side < 2; side++) {
        uint32_t first = side ? left_count : 0, count = join->children[side]->column_count;
        if (!may_filter_side(join->join->kind, side)) continue;
        const struct pf_expr *part = part_of_side(cutter, conjunct, first, first + count);
        if (!part) continue;
        const struct pf_expr **columns = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, first + count);
        for (uint32_t i = 0; i < count; i++)
            columns[first + i] = pf_expr_column(cutter->arena, i, join->children[side]->types[i]);
        part = pf_expr_substitute(part, columns, first + count, cutter->arena);
        if (part) join = with_child(cutter, join, side, filter_side(cutter, join->children[side], part));
    }
    return join;
}

/* The conjunct over `op`, whose columns it counts: into a join below, if only columns are chosen in between. */
static const struct pf_op *push_conjunct(struct cutter *cutter, const struct pf_op *op,
                                         const struct pf_expr *conjunct) {
    if (op->kind == PF_OP_JOIN && !op->join->is_asof) return tell_sides(cutter, op, conjunct);
    if (op->kind != PF_OP_PROJECT || !op->child_count) return op;
    const struct pf_expr *below = pf_expr_substitute(conjunct, op->exprs, op->expr_count, cutter->arena);
    if (!below || pf_expr_is_volatile(below)) return op;
    return with_child(cutter, op, 0, push_conjunct(cutter, op->children[0], below));
}

const struct pf_op *rewrite_disjunctions(struct cutter *cutter, const struct pf_op *op) {
    if (op->kind == PF_OP_FILTER) {
        const struct pf_op *child = op->children[0];
        for (uint32_t i = 0; i < op->expr_count; i++)
            if (op->exprs[i]->kind == PF_EXPR_OR) child = push_conjunct(cutter, child, op->exprs[i]);
        op = with_child(cutter, op, 0, child);
    }
    if (op->kind == PF_OP_JOIN && op->join->kind == PF_JOIN_INNER && !op->join->is_asof && op->join->residual) {
        const struct pf_expr *residual = op->join->residual;
        bool is_and = residual->kind == PF_EXPR_AND;
        uint32_t count = is_and ? residual->arg_count : 1;
        for (uint32_t i = 0; i < count; i++) op = tell_sides(cutter, op, is_and ? residual->args[i] : residual);
    }
    for (uint32_t i = 0; i < op->child_count; i++)
        op = with_child(cutter, op, i, rewrite_disjunctions(cutter, op->children[i]));
    return op;
}
