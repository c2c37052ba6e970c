/* SPDX-License-Identifier: MIT */
/* Substitution: a finished stage's operator gives way to its dataset, and the rest of the plan takes notice (adapt.h).
 * Unchanged subtrees are shared. */
#include "planner/planner.h"

#include "planner/adapt.h"

#include <string.h>

struct change {
    const struct pf_stage *stage;
    const struct pf_dataset *dataset;
    struct pf_arena *arena;
    bool is_replaced;
};

static struct pf_op *copy_with_children(struct pf_arena *arena, const struct pf_op *op) {
    struct pf_op *copy = PF_ARENA_NEW(arena, struct pf_op);
    *copy = *op;
    copy->children = PF_ARENA_ARRAY(arena, const struct pf_op *, op->child_count);
    memcpy(copy->children, op->children, op->child_count * sizeof *op->children);
    return copy;
}

static const struct pf_op *change_op(struct change *change, const struct pf_op *op) {
    if (op->id == change->stage->replaced_op_id && op != change->stage->replacement && !change->is_replaced) {
        change->is_replaced = true; /* the replacement may hold a copy with children of the replaced one */
        return change_op(change, change->stage->replacement);
    }
    if (op->kind == PF_OP_DATASET && op->dataset_stage_id == change->dataset->stage_id) {
        struct pf_op *filled = PF_ARENA_NEW(change->arena, struct pf_op);
        *filled = *op;
        filled->dataset = change->dataset;
        return filled;
    }
    struct pf_op *copy = NULL;
    for (uint32_t i = 0; i < op->child_count; i++) {
        const struct pf_op *child = change_op(change, op->children[i]);
        if (child == op->children[i]) continue;
        if (!copy) copy = copy_with_children(change->arena, op);
        copy->children[i] = child;
    }
    return copy ? copy : op;
}

/* ---- CTEs that are datasets ---- */

/* The definition of a CTE is what a stage made, or the union of what several made, and all have ended. */
static bool is_finished(const struct pf_op *op) {
    if (op->kind == PF_OP_DATASET) return op->dataset != NULL;
    if (op->kind != PF_OP_UNION) return false;
    for (uint32_t i = 0; i < op->child_count; i++)
        if (!is_finished(op->children[i])) return false;
    return true;
}

struct resolution {
    const struct pf_op *definition;
    int cte_index, next_op_id;
    struct pf_arena *arena;
};

static struct pf_op *copy_definition(struct resolution *resolution, const struct pf_op *op, uint32_t column_count) {
    struct pf_op *copy = PF_ARENA_NEW(resolution->arena, struct pf_op);
    *copy = *op;
    copy->id = resolution->next_op_id++;
    copy->column_count = column_count;
    copy->children = PF_ARENA_ARRAY(resolution->arena, const struct pf_op *, op->child_count);
    for (uint32_t i = 0; i < op->child_count; i++)
        copy->children[i] = copy_definition(resolution, op->children[i], column_count);
    return copy;
}

static const struct pf_op *resolve_references(struct resolution *resolution, const struct pf_op *op) {
    if (op->kind == PF_OP_CTE_REF && op->cte_index == resolution->cte_index)
        return copy_definition(resolution, resolution->definition, op->column_count);
    struct pf_op *copy = NULL;
    for (uint32_t i = 0; i < op->child_count; i++) {
        const struct pf_op *child = resolve_references(resolution, op->children[i]);
        if (child == op->children[i]) continue;
        if (!copy) copy = copy_with_children(resolution->arena, op);
        copy->children[i] = child;
    }
    return copy ? copy : op;
}

/* Each reference becomes a leaf of its own, so that a fragment can divide one and read another whole. */
static const struct pf_op *resolve_ctes(const struct pf_op *op, struct pf_plan *plan, struct pf_arena *arena) {
    if (op->kind == PF_OP_CTE && is_finished(op->children[0])) {
        struct resolution resolution = {op->children[0], op->cte_index, plan->next_op_id, arena};
        const struct pf_op *body = resolve_references(&resolution, op->children[1]);
        plan->next_op_id = resolution.next_op_id;
        return resolve_ctes(body, plan, arena);
    }
    struct pf_op *copy = NULL;
    for (uint32_t i = 0; i < op->child_count; i++) {
        const struct pf_op *child = resolve_ctes(op->children[i], plan, arena);
        if (child == op->children[i]) continue;
        if (!copy) copy = copy_with_children(arena, op);
        copy->children[i] = child;
    }
    return copy ? copy : op;
}

struct pf_plan *pf_planner_replace(const struct pf_plan *plan, const struct pf_stage *stage,
                                   const struct pf_dataset *dataset, struct pf_arena *arena) {
    struct pf_dataset *kept = PF_ARENA_NEW(arena, struct pf_dataset);
    *kept = *dataset;
    kept->stage_id = stage->id;
    struct change change = {.stage = stage, .dataset = kept, .arena = arena};
    struct pf_plan *changed = PF_ARENA_NEW(arena, struct pf_plan);
    *changed = *plan;
    if (stage->next_op_id > changed->next_op_id) changed->next_op_id = stage->next_op_id;
    changed->root = resolve_ctes(change_op(&change, plan->root), changed, arena);
    if (kept->key_count) changed->root = push_key_filters(changed->root, stage->id, changed, arena);
    if (!kept->row_count && !kept->is_estimate) changed->root = drop_empty(changed->root, arena);
    return changed;
}
