/* SPDX-License-Identifier: MIT */
/* Which route a statement takes: a small cost model, all of it and its constants in choose_route.c. */
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
};

struct route_choice {
    enum pf_route route;
    pf_str reason; /* a literal, for EXPLAIN and the record */
};

struct route_choice choose_route(const struct route_facts *facts);

#endif
