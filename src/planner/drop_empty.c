/* SPDX-License-Identifier: MIT */
/* Short cuts for inputs that turned out empty: an inner join with nothing is nothing, and what it would have read is
 * never read. Operators that become empty keep their columns and types. */
#include "planner/adapt.h"

#include <string.h>

static struct pf_op *copy_of(const struct pf_op *op, struct pf_arena *arena) {
    struct pf_op *copy = PF_ARENA_NEW(arena, struct pf_op);
    *copy = *op;
    return copy;
}

/* The operator's rows, none; it keeps its id, as another stage of the step may be about to replace it. */
static const struct pf_op *nothing(const struct pf_op *op, struct pf_arena *arena) {
    struct pf_op *empty = PF_ARENA_NEW(arena, struct pf_op);
    *empty = (struct pf_op){.kind = PF_OP_EMPTY,
                            .id = op->id,
                            .types = op->types,
                            .column_count = op->column_count,
                            .limit = {.count = -1, .percent = -1}};
    return empty;
}

static bool is_empty(const struct pf_op *op) {
    if (op->kind == PF_OP_EMPTY) return true;
    return op->kind == PF_OP_DATASET && op->dataset && !op->dataset->is_estimate && op->dataset->row_count == 0;
}

static const struct pf_expr *null_of(const struct pf_sql_type *type, struct pf_arena *arena) {
    struct pf_expr *expr = PF_ARENA_NEW(arena, struct pf_expr);
    *expr = (struct pf_expr){.kind = PF_EXPR_CONSTANT, .type = type, .is_null = true};
    return expr;
}

/* The kept side's rows; the other side's columns are NULL. */
static const struct pf_op *keep_side(const struct pf_op *op, int side, struct pf_arena *arena) {
    uint32_t left_count = op->children[0]->column_count;
    enum pf_join_kind kind = op->join->kind;
    bool is_one_sided = kind == PF_JOIN_ANTI || kind == PF_JOIN_RIGHT_ANTI;
    struct pf_op *project = copy_of(op, arena);
    project->kind = PF_OP_PROJECT;
    project->join = NULL;
    project->child_count = 1;
    project->children = PF_ARENA_ARRAY(arena, const struct pf_op *, 1);
    project->children[0] = op->children[side];
    project->exprs = PF_ARENA_ARRAY(arena, const struct pf_expr *, op->column_count);
    project->expr_count = op->column_count;
    uint32_t first = side == 1 && !is_one_sided ? left_count : 0, count = op->children[side]->column_count;
    for (uint32_t i = 0; i < op->column_count; i++)
        project->exprs[i] = i >= first && i - first < count ? pf_expr_column(arena, i - first, op->types[i])
                                                            : null_of(op->types[i], arena);
    return project;
}

static const struct pf_op *shorten_join(const struct pf_op *op, struct pf_arena *arena) {
    bool left = is_empty(op->children[0]), right = is_empty(op->children[1]);
    if (!left && !right) return op;
    switch (op->join->kind) {
    case PF_JOIN_INNER:
    case PF_JOIN_SEMI:
    case PF_JOIN_RIGHT_SEMI: return nothing(op, arena);
    case PF_JOIN_LEFT:
    case PF_JOIN_SINGLE:
    case PF_JOIN_ANTI: return left ? nothing(op, arena) : keep_side(op, 0, arena);
    case PF_JOIN_RIGHT:
    case PF_JOIN_RIGHT_ANTI: return right ? nothing(op, arena) : keep_side(op, 1, arena);
    case PF_JOIN_MARK: return left ? nothing(op, arena) : op;
    case PF_JOIN_FULL:
    case PF_JOIN_POSITIONAL: return left && right ? nothing(op, arena) : keep_side(op, left, arena);
    default: return op;
    }
}

/* A union without its empty inputs. */
static const struct pf_op *shorten_union(const struct pf_op *op, struct pf_arena *arena) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < op->child_count; i++) kept += !is_empty(op->children[i]);
    if (kept == op->child_count) return op;
    if (kept == 0) return nothing(op, arena);
    struct pf_op *copy = copy_of(op, arena);
    copy->children = PF_ARENA_ARRAY(arena, const struct pf_op *, kept);
    copy->child_count = 0;
    for (uint32_t i = 0; i < op->child_count; i++)
        if (!is_empty(op->children[i])) copy->children[copy->child_count++] = op->children[i];
    return copy;
}

static bool gives_a_row_of_nothing(const struct pf_op *op) {
    for (uint32_t s = 0; s < op->grouping_set_count; s++)
        if (!op->grouping_sets[s]) return true;
    return !op->group_count;
}

static const struct pf_op *shorten(const struct pf_op *op, struct pf_arena *arena) {
    switch (op->kind) {
    case PF_OP_FILTER:
    case PF_OP_PROJECT:
    case PF_OP_DISTINCT:
    case PF_OP_WINDOW:
    case PF_OP_UNNEST:
    case PF_OP_ORDER:
    case PF_OP_LIMIT:
    case PF_OP_SAMPLE:
    case PF_OP_TABLE_FUNCTION: return op->child_count && is_empty(op->children[0]) ? nothing(op, arena) : op;
    case PF_OP_AGGREGATE: return is_empty(op->children[0]) && !gives_a_row_of_nothing(op) ? nothing(op, arena) : op;
    case PF_OP_JOIN: return shorten_join(op, arena);
    case PF_OP_UNION: return shorten_union(op, arena);
    case PF_OP_INTERSECT: return is_empty(op->children[0]) || is_empty(op->children[1]) ? nothing(op, arena) : op;
    case PF_OP_EXCEPT: return is_empty(op->children[0]) ? nothing(op, arena) : op;
    case PF_OP_CTE: return is_empty(op->children[1]) ? nothing(op, arena) : op;
    default: return op;
    }
}

const struct pf_op *drop_empty(const struct pf_op *op, struct pf_arena *arena) {
    struct pf_op *copy = NULL;
    for (uint32_t i = 0; i < op->child_count; i++) {
        const struct pf_op *child = drop_empty(op->children[i], arena);
        if (child == op->children[i]) continue;
        if (!copy) {
            copy = copy_of(op, arena);
            copy->children = PF_ARENA_ARRAY(arena, const struct pf_op *, op->child_count);
            memcpy(copy->children, op->children, op->child_count * sizeof *op->children);
        }
        copy->children[i] = child;
    }
    return shorten(copy ? copy : op, arena);
}
