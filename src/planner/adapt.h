/* SPDX-License-Identifier: MIT */
/* How a plan changes when a stage has ended and its dataset is in place: rewrites of the tree, in the order in which
 * pf_planner_replace applies them. */
#ifndef PF_PLANNER_ADAPT_H
#define PF_PLANNER_ADAPT_H

#include "plan/plan.h"

/* push_filters.c: the keys of the finished stage filter the scans that it is joined with. */
const struct pf_op *push_key_filters(const struct pf_op *root, int stage_id, struct pf_plan *plan,
                                     struct pf_arena *arena);
/* Bytes of the tables whose scans a filter on this column would reach. */
double bytes_filtered_by(const struct pf_op *op, uint32_t column);
/* Whether a row of `side` that matches nothing leaves no trace in the join's result. */
bool join_may_drop_unmatched(const struct pf_join *join, int side);

/* drop_empty.c: what follows from datasets without rows. */
const struct pf_op *drop_empty(const struct pf_op *root, struct pf_arena *arena);

#endif
