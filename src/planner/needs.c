/* SPDX-License-Identifier: MIT */
/* Which columns an operator reads of its children: so that nothing is carried further than to its last reader. */
#include "planner/emit_sql.h"

#include <string.h>

struct marks {
    bool *flags;
    uint32_t count;
};

static void mark_one(void *context, const struct pf_expr *expr) {
    struct marks *marks = context;
    if (expr->kind == PF_EXPR_COLUMN && expr->column < marks->count) marks->flags[expr->column] = true;
}

static void mark_all(void *context, const struct pf_expr *expr) {
    pf_expr_walk(expr, mark_one, context);
}

static void mark_exprs(struct marks *marks, const struct pf_expr *const *exprs, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) pf_expr_walk(exprs[i], mark_one, marks);
}

static void copy_needs(struct marks *marks, const bool *need, uint32_t first, uint32_t count) {
    for (uint32_t i = 0; i < count && i < marks->count; i++) marks->flags[i] |= need[first + i];
}

static void need_of_join(const struct pf_op *op, uint32_t child, const bool *need, struct marks *marks) {
    const struct pf_join *join = op->join;
    uint32_t left_count = op->children[0]->column_count;
    bool is_right_only = join->kind == PF_JOIN_RIGHT_SEMI || join->kind == PF_JOIN_RIGHT_ANTI;
    bool is_left_only = join->kind == PF_JOIN_SEMI || join->kind == PF_JOIN_ANTI || join->kind == PF_JOIN_MARK;
    if (child == 0 && !is_right_only) copy_needs(marks, need, 0, left_count);
    if (child == 1 && !is_left_only) copy_needs(marks, need, is_right_only ? 0 : left_count, marks->count);
    for (uint32_t i = 0; i < join->condition_count; i++)
        pf_expr_walk(child ? join->conditions[i].right : join->conditions[i].left, mark_one, marks);
    if (!join->residual) return;
    uint32_t total = left_count + op->children[1]->column_count;
    bool flags[256] = {0};
    struct marks both = {flags, total < 256 ? total : 256};
    pf_expr_walk(join->residual, mark_one, &both);
    uint32_t first = child ? left_count : 0;
    for (uint32_t i = 0; i < marks->count; i++)
        if (first + i >= 256 || flags[first + i]) marks->flags[i] = true;
}

void need_child(const struct pf_op *op, uint32_t child, const bool *need, bool *child_need) {
    struct marks marks = {child_need, op->children[child]->column_count};
    switch (op->kind) {
    case PF_OP_JOIN: need_of_join(op, child, need, &marks); return;
    case PF_OP_PROJECT:
        for (uint32_t i = 0; i < op->expr_count; i++)
            if (need[i]) mark_exprs(&marks, &op->exprs[i], 1);
        return;
    case PF_OP_AGGREGATE:
        mark_exprs(&marks, op->groups, op->group_count);
        for (uint32_t i = 0; i < op->expr_count; i++)
            if (need[op->group_count + i]) mark_exprs(&marks, &op->exprs[i], 1);
        return;
    case PF_OP_WINDOW:
        copy_needs(&marks, need, 0, marks.count);
        for (uint32_t i = 0; i < op->expr_count; i++)
            if (need[marks.count + i]) mark_exprs(&marks, &op->exprs[i], 1);
        return;
    case PF_OP_DISTINCT:
        if (!op->expr_count) memset(child_need, true, marks.count * sizeof *child_need);
        break;
    case PF_OP_INTERSECT:
    case PF_OP_EXCEPT:
    case PF_OP_RECURSIVE: memset(child_need, true, marks.count * sizeof *child_need); return;
    case PF_OP_CTE: /* the definition's needs: need_cte */
        if (child == 1) copy_needs(&marks, need, 0, marks.count);
        return;
    case PF_OP_TABLE_FUNCTION: mark_exprs(&marks, op->exprs, op->expr_count); return;
    default: break;
    }
    copy_needs(&marks, need, 0, marks.count < op->column_count ? marks.count : op->column_count);
    pf_op_visit_exprs(op, mark_all, &marks);
}

void need_cte(const struct pf_op *body, const bool *need, int cte_index, bool *cte_need, struct pf_arena *arena) {
    if (body->kind == PF_OP_CTE_REF && body->cte_index == cte_index)
        for (uint32_t i = 0; i < body->column_count; i++) cte_need[i] |= need[i];
    for (uint32_t i = 0; i < body->child_count; i++) {
        bool *child_need = PF_ARENA_ARRAY(arena, bool, body->children[i]->column_count);
        if (body->kind == PF_OP_CTE && i == 0)
            need_cte(body->children[1], need, body->cte_index, child_need, arena);
        else
            need_child(body, i, need, child_need);
        need_cte(body->children[i], child_need, cte_index, cte_need, arena);
    }
}
