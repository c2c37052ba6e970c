/* SPDX-License-Identifier: MIT */
/* Windows that share no PARTITION BY expression, as one operator each, so that each can be spread by its own:
 *
 *   WINDOW a over (partition by x), b over (partition by y)      PROJECT in the old order
 *                                                                  WINDOW b over (partition by y)
 *                                                                    WINDOW a over (partition by x)
 *
 * Those without PARTITION BY come last, together: the others are spread below them. */
#include "planner/streams.h"

#include <string.h>

/* Windows that have an expression in common. */
struct window_group {
    const struct pf_expr **common;
    uint32_t common_count;
    uint32_t *members; /* positions among the operator's exprs */
    uint32_t member_count;
};

static uint32_t intersect(const struct window_group *group, const struct pf_window *window,
                          const struct pf_expr **out_exprs) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->common_count; i++)
        for (uint32_t j = 0; j < window->partition_count; j++)
            if (pf_expr_equal(group->common[i], window->partitions[j])) {
                out_exprs[count++] = group->common[i];
                break;
            }
    return count;
}

static bool suits(const struct window_group *group, const struct pf_window *window, const struct pf_expr **scratch) {
    if (!group->common_count || !window->partition_count)
        return group->common_count == 0 && window->partition_count == 0;
    return intersect(group, window, scratch) > 0;
}

static uint32_t make_groups(struct cutter *cutter, const struct pf_op *op, struct window_group *groups) {
    uint32_t count = 0;
    for (uint32_t w = 0; w < op->expr_count; w++) {
        const struct pf_window *window = op->exprs[w]->window;
        const struct pf_expr **both =
            PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, window->partition_count + 64u);
        uint32_t g = 0;
        while (g < count && (groups[g].common_count > 64 || !suits(&groups[g], window, both))) g++;
        if (g == count) {
            groups[count++] = (struct window_group){
                .common = window->partitions,
                .common_count = window->partition_count,
                .members = PF_ARENA_ARRAY(cutter->arena, uint32_t, op->expr_count),
            };
        } else if (groups[g].common_count) {
            groups[g].common_count = intersect(&groups[g], window, both);
            groups[g].common = both;
        }
        groups[g].members[groups[g].member_count++] = w;
    }
    return count;
}

static const struct pf_op *stack_windows(struct cutter *cutter, const struct pf_op *op,
                                         const struct window_group *groups, uint32_t group_count) {
    uint32_t own = op->column_count - op->expr_count, at = own;
    uint32_t *places = PF_ARENA_ARRAY(cutter->arena, uint32_t, op->expr_count);
    const struct pf_op *top = op->children[0];
    for (uint32_t pass = 0; pass < 2; pass++) /* those without partitions in the second */
        for (uint32_t g = 0; g < group_count; g++) {
            const struct window_group *group = &groups[g];
            if ((group->common_count == 0) != (pass == 1)) continue;
            struct pf_op *window = new_op(cutter, PF_OP_WINDOW, 1, at + group->member_count);
            window->children[0] = top;
            window->rows = op->rows;
            window->exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, group->member_count);
            window->expr_count = group->member_count;
            for (uint32_t i = 0; i < at; i++) window->types[i] = i < own ? op->types[i] : top->types[i];
            for (uint32_t m = 0; m < group->member_count; m++) {
                window->exprs[m] = op->exprs[group->members[m]];
                window->types[at + m] = op->types[own + group->members[m]];
                places[group->members[m]] = at + m;
            }
            at += group->member_count;
            top = window;
        }
    struct pf_op *project = new_op(cutter, PF_OP_PROJECT, 1, op->column_count);
    project->children[0] = top;
    project->rows = op->rows;
    project->exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, op->column_count);
    project->expr_count = op->column_count;
    for (uint32_t i = 0; i < op->column_count; i++) {
        project->types[i] = op->types[i];
        project->exprs[i] = pf_expr_column(cutter->arena, i < own ? i : places[i - own], op->types[i]);
    }
    return project;
}

const struct pf_op *rewrite_windows(struct cutter *cutter, const struct pf_op *op) {
    struct pf_op *copy = NULL;
    for (uint32_t i = 0; i < op->child_count; i++) {
        const struct pf_op *child = rewrite_windows(cutter, op->children[i]);
        if (child == op->children[i]) continue;
        if (!copy) {
            copy = PF_ARENA_NEW(cutter->arena, struct pf_op);
            *copy = *op;
            copy->children = PF_ARENA_ARRAY(cutter->arena, const struct pf_op *, op->child_count);
            memcpy(copy->children, op->children, op->child_count * sizeof *op->children);
        }
        copy->children[i] = child;
    }
    if (copy) op = copy;
    if (op->kind != PF_OP_WINDOW || op->expr_count < 2) return op;
    struct window_group *groups = PF_ARENA_ARRAY(cutter->arena, struct window_group, op->expr_count);
    uint32_t group_count = make_groups(cutter, op, groups);
    return group_count > 1 ? stack_windows(cutter, op, groups, group_count) : op;
}
