/* SPDX-License-Identifier: MIT */
/* Which route a statement takes: a small cost model, all of it and its constants in choose_route.c; docs/routing.md has
 * the figures behind them. Pure. */
#ifndef PF_QUERY_CHOOSE_ROUTE_H
#define PF_QUERY_CHOOSE_ROUTE_H

#include "query/query.h"

struct route_facts {
    enum pf_route asked;
    bool is_select;       /* only SELECT can be spread */
    bool fleet_is_remote; /* workers have cores that this machine hasn't */
    int local_cores, worker_count;
    int64_t table_bytes; /* of every table the statement names */
    int table_count;
    bool is_pruned;     /* the statement is planned: scan_bytes is known */
    int64_t scan_bytes; /* of the columns it reads in the files that may have rows for it */
};

struct route_choice {
    enum pf_route route;
    pf_str reason; /* a literal, for EXPLAIN and the record */
};

struct route_choice choose_route(const struct route_facts *facts);
/* Whether planning the statement and pruning its files (a few milliseconds) may change the choice: only where whole
 * tables would go to the fleet. A query on small tables never pays for that. */
bool route_depends_on_pruning(const struct route_facts *facts);

#endif
