/* SPDX-License-Identifier: MIT */
/* Aggregates over distinct values, without groups, as two levels of plain ones, which can be spread:
 *
 *   AGGREGATE count(DISTINCT x), sum(y)        PROJECT #0, #1
 *                                                AGGREGATE count(x), sum(part)
 *                                                  AGGREGATE BY x: sum(y) AS part
 *
 * With several arguments, each has an aggregate of its own over the same rows, and their single rows are joined:
 *
 *   AGGREGATE count(DISTINCT x), count(DISTINCT y)      JOIN (AGGREGATE count(DISTINCT x)) (AGGREGATE count(DISTINCT y))
 *
 * With groups it isn't needed: all rows of a group meet in one partition. */
#include "planner/streams.h"

#include <string.h>

enum { MAX_ARGUMENTS = 8 };

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

/* ---- several arguments ---- */

static void note_volatile(void *context, const struct pf_expr *expr) {
    *(bool *)context |= pf_expr_is_volatile(expr);
}

/* Cheap to read once more for each argument, and the same rows each time. */
static bool can_be_read_again(const struct pf_op *op) {
    bool is_volatile = false;
    pf_op_visit_exprs(op, note_volatile, &is_volatile);
    if (is_volatile || (op->kind != PF_OP_SCAN && op->kind != PF_OP_FILTER && op->kind != PF_OP_PROJECT &&
                        op->kind != PF_OP_UNION && op->kind != PF_OP_CTE_REF))
        return false;
    for (uint32_t i = 0; i < op->child_count; i++)
        if (!can_be_read_again(op->children[i])) return false;
    return true;
}

static const struct pf_op *copy_tree(struct cutter *cutter, const struct pf_op *op) {
    struct pf_op *copy = PF_ARENA_NEW(cutter->arena, struct pf_op);
    *copy = *op;
    copy->id = cutter->next_op_id++;
    copy->children = PF_ARENA_ARRAY(cutter->arena, const struct pf_op *, op->child_count);
    for (uint32_t i = 0; i < op->child_count; i++) copy->children[i] = copy_tree(cutter, op->children[i]);
    return copy;
}

/* The argument that each call is distinct over, numbered from 0; those with partial forms go with the first. Returns
 * how many there are; 0: the calls are not all of these kinds. */
static uint32_t number_arguments(struct cutter *cutter, const struct pf_op *op, uint32_t *out_numbers) {
    const struct pf_expr *values[MAX_ARGUMENTS];
    uint32_t count = 0;
    if (op->kind != PF_OP_AGGREGATE || op->group_count || op->grouping_set_count) return 0;
    for (uint32_t i = 0; i < op->expr_count; i++) {
        const struct pf_expr *call = op->exprs[i];
        struct call_split split;
        out_numbers[i] = 0;
        if (split_call(cutter, call, false, &split)) continue;
        if (!call->is_distinct || call->arg_count != 1 || call->filter || call->sort_count) return 0;
        uint32_t number = 0;
        while (number < count && !pf_expr_equal(values[number], call->args[0])) number++;
        if (number == MAX_ARGUMENTS) return 0;
        if (number == count) values[count++] = call->args[0];
        out_numbers[i] = number;
    }
    return count;
}

static struct pf_op *aggregate_of(struct cutter *cutter, const struct pf_op *op, const uint32_t *numbers,
                                  uint32_t number, uint32_t *places) {
    struct pf_op *own = new_op(cutter, PF_OP_AGGREGATE, 1, op->expr_count);
    own->children[0] = number ? copy_tree(cutter, op->children[0]) : op->children[0];
    own->exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, op->expr_count);
    own->rows = 1;
    for (uint32_t i = 0; i < op->expr_count; i++) {
        if (numbers[i] != number) continue;
        places[i] = own->expr_count;
        own->types[own->expr_count] = op->types[i];
        own->exprs[own->expr_count++] = op->exprs[i];
    }
    own->column_count = own->expr_count;
    return own;
}

static const struct pf_op *join_rows(struct cutter *cutter, const struct pf_op *left, const struct pf_op *right) {
    struct pf_op *join = new_op(cutter, PF_OP_JOIN, 2, left->column_count + right->column_count);
    join->children[0] = left;
    join->children[1] = right;
    join->rows = 1;
    join->join = PF_ARENA_NEW(cutter->arena, struct pf_join); /* INNER, no conditions */
    memcpy(join->types, left->types, left->column_count * sizeof *left->types);
    memcpy(join->types + left->column_count, right->types, right->column_count * sizeof *right->types);
    return join;
}

static const struct pf_op *split_arguments(struct cutter *cutter, const struct pf_op *op, const uint32_t *numbers,
                                           uint32_t count) {
    uint32_t *places = PF_ARENA_ARRAY(cutter->arena, uint32_t, op->expr_count);
    const struct pf_op *all = NULL;
    for (uint32_t number = 0; number < count; number++) {
        const struct pf_op *own = aggregate_of(cutter, op, numbers, number, places);
        uint32_t first = all ? all->column_count : 0;
        for (uint32_t i = 0; i < op->expr_count; i++)
            if (numbers[i] == number) places[i] += first;
        const struct pf_expr *value = find_distinct(cutter, own);
        if (value) own = split_levels(cutter, own, value);
        all = all ? join_rows(cutter, all, own) : own;
    }
    struct pf_op *project = new_op(cutter, PF_OP_PROJECT, 1, op->column_count);
    project->children[0] = all;
    project->rows = 1;
    project->exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, op->column_count);
    project->expr_count = op->column_count;
    for (uint32_t i = 0; i < op->column_count; i++) {
        project->types[i] = op->types[i];
        project->exprs[i] = pf_expr_column(cutter->arena, places[i], op->types[i]);
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
    if (value) return split_levels(cutter, op, value);
    uint32_t *numbers = PF_ARENA_ARRAY(cutter->arena, uint32_t, op->expr_count);
    uint32_t count = number_arguments(cutter, op, numbers);
    return count > 1 && can_be_read_again(op->children[0]) ? split_arguments(cutter, op, numbers, count) : op;
}
