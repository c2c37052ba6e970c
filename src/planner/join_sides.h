/* SPDX-License-Identifier: MIT */
/* The two sides of a join while it is decided how it runs: flow_joins.c, reduce_sides.c. */
#ifndef PF_PLANNER_JOIN_SIDES_H
#define PF_PLANNER_JOIN_SIDES_H

#include "planner/streams.h"

struct join_sides {
    const struct pf_op *op;
    struct stream streams[2];
    bool *needs[2];
    double bytes[2];                /* of the rows that come out of each side */
    bool may_whole[2];              /* the kind of join allows every task to read this side whole */
    bool may_drop[2];               /* a row of this side without a match leaves no trace */
    const struct pf_expr **keys[2]; /* equality conditions: pairs of same type */
    uint32_t key_count;
    double rows; /* that come out of the join */
};

/* Cuts `side` down to the rows that have a match on the other side, which every task reads whole. Partitioned by
 * `keys`, or broadcast if there are none; `partition_count` 0: as many as are good. */
enum pf_code cut_matching(struct cutter *cutter, const struct join_sides *sides, int side, const struct pf_expr **keys,
                          uint32_t key_count, int partition_count, struct pf_error *err) PF_MUST_CHECK;
/* Whether that is allowed, and the keys of the other side, a dataset or little to scan, are few enough. */
bool can_cut_matching(const struct cutter *cutter, const struct join_sides *sides, int side);
/* Whether it is expected to be worth it. */
bool is_reduced_by_matching(const struct join_sides *sides, int side);

#endif
