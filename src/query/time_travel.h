/* SPDX-License-Identifier: MIT */
/* Tables as of another time, and their metadata as tables: names with a tail.
 *
 *   t@version=<snapshot id>    t@branch=<name>    t$<metadata table>    t$files@version=<snapshot id> */
#ifndef PF_QUERY_TIME_TRAVEL_H
#define PF_QUERY_TIME_TRAVEL_H

#include "engine/engine.h"
#include "query/query_internal.h"
#include "query/task.h"

/* Replaces every AT (…) of a statement by a name with a tail. PF_NOT_FOUND if the table has no such state. */
enum pf_code time_travel_rewrite(struct pf_stack *stack, struct pf_session *session, struct pf_arena *arena,
                                 pf_str *sql, struct pf_error *err) PF_MUST_CHECK;

struct table_name {
    pf_str table, kind, state; /* kind: behind $; state: behind @; empty where there is none */
};
struct table_name split_table_name(pf_str name);
enum pf_code table_in_state(const struct pf_table *table, pf_str state, struct pf_arena *arena,
                            struct pf_table **out_table, struct pf_error *err) PF_MUST_CHECK;

#endif
