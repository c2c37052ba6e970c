/* SPDX-License-Identifier: MIT */
/* Aggregates over distinct values, without groups, as two levels of plain ones, which can be spread:
 *
 *   AGGREGATE count(DISTINCT x), sum(y)        PROJECT #0, #1
 *                                                AGGREGATE count(x), sum(part)
 *                                                  AGGREGATE BY x: sum(y) AS part
 *
 * With groups it isn't needed: all rows of a group meet in one partition. */
#include "planner/streams.h"

/* All distinct calls are over the same one argument and the others have partial forms. */
static const struct pf_expr *find_distinct(struct cutter *cutter, const struct pf_op *op) {
    const struct pf_expr *value = NULL;
    if (op->kind != PF_OP_AGGREGATE || op->group_count || op->grouping_set_count) return NULL;
    for (uint32_t i = 0; i < op->expr_count; i++) {
        const struct pf_expr *call = op->exprs[i];
        struct call_split split;
        if (split_call(cutter, call, false, &split)) {
            for (uint32_t p = 0; p < split.part_count; p++)
                if (split.parts[p]->kind != PF_EXPR_AGGREGATE) return NULL;
            continue;
        }
        if (!call->is_distinct || call->arg_count != 1 || call->filter || call->sort_count ||
            (value && !pf_expr_equal(value, call->args[0])))
            return NULL;
        value = call->args[0];
    }
    return value;
}

static const struct pf_op *split_levels(struct cutter *cutter, const struct pf_op *op, const struct pf_expr *value) {
    uint32_t most = op->expr_count * MAX_PARTS + 1;
    struct pf_op *inner = new_op(cutter, PF_OP_AGGREGATE, 1, most), *outer = new_op(cutter, PF_OP_AGGREGATE, 1, most);
    struct pf_op *project = new_op(cutter, PF_OP_PROJECT, 1, op->column_count);
    inner->children[0] = op->children[0];
    outer->children[0] = inner;
    project->children[0] = outer;
    inner->groups = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, 1);
    inner->groups[0] = value;
    inner->group_count = inner->column_count = 1;
    inner->types[0] = value->type;
    inner->exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, most);
    outer->exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, most);
    outer->column_count = 0;
    outer->rows = project->rows = 1;
    project->exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, op->column_count);
    project->expr_count = op->column_count;
    for (uint32_t i = 0; i < op->expr_count; i++) {
        struct call_split split;
        uint32_t below[MAX_PARTS] = {0}, above[MAX_PARTS];
        const struct pf_expr *call = op->exprs[i];
        project->types[i] = op->types[i];
        if (!split_call(cutter, call, false, &split)) { /* distinct */
            struct pf_expr *plain = PF_ARENA_NEW(cutter->arena, struct pf_expr);
            *plain = *call;
            plain->is_distinct = false;
            plain->args = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, 1);
            plain->args[0] = pf_expr_column(cutter->arena, 0, value->type);
            outer->exprs[outer->expr_count++] = plain;
            outer->types[outer->column_count] = call->type;
            project->exprs[i] = pf_expr_column(cutter->arena, outer->column_count++, call->type);
            continue;
        }
        for (uint32_t p = 0; p < split.part_count; p++) {
            inner->exprs[inner->expr_count++] = split.parts[p];
            inner->types[inner->column_count] = split.parts[p]->type;
            below[p] = inner->column_count++;
        }
        for (uint32_t p = 0; p < split.part_count; p++) {
            outer->exprs[outer->expr_count++] = place_merge(cutter, split.merges[p], inner, below, split.part_count);
            outer->types[outer->column_count] = split.merges[p]->type;
            above[p] = outer->column_count++;
        }
        project->exprs[i] = final_value(cutter, call, &split, above);
    }
    return project;
}

const struct pf_op *rewrite_distinct(struct cutter *cutter, const struct pf_op *op) {
    struct pf_op *copy = NULL;
    for (uint32_t i = 0; i < op->child_count; i++) {
        const struct pf_op *child = rewrite_distinct(cutter, op->children[i]);
        if (child == op->children[i]) continue;
        if (!copy) {
            copy = PF_ARENA_NEW(cutter->arena, struct pf_op);
            *copy = *op;
            copy->children = PF_ARENA_ARRAY(cutter->arena, const struct pf_op *, op->child_count);
            for (uint32_t k = 0; k < op->child_count; k++) copy->children[k] = op->children[k];
        }
        copy->children[i] = child;
    }
    if (copy) op = copy;
    const struct pf_expr *value = find_distinct(cutter, op);
    return value ? split_levels(cutter, op, value) : op;
}
