/* SPDX-License-Identifier: MIT */
/* The cost model.
 *
 *   local:  bytes / (LOCAL_BYTES_PER_MS * cores here)
 *   fleet:  FLEET_START_MS + stages * FLEET_STAGE_MS + bytes / (WORKER_BYTES_PER_MS * workers at work)
 *
 * Bytes are compressed bytes of the columns read. A worker is at work if there is a task's worth of bytes for it.
 * Workers of the local fleet use the same cores as the engine in this process, so there the fleet never has more to
 * offer than the engine itself and costs the exchange besides: it is taken only when asked for. A remote fleet wins
 * as soon as its cores outweigh its start. The constants need to be right within a factor of two only: at the point
 * where both take equally long, a wrong choice costs little. */
#include "query/choose_route.h"

enum { FLEET_START_MS = 150, FLEET_STAGE_MS = 30, TYPICAL_STAGES = 3 };
static const double LOCAL_BYTES_PER_MS = 140e3;
static const double WORKER_BYTES_PER_MS = 110e3;
static const double TASK_BYTES = 8 << 20; /* make_tasks.c cuts no smaller ones */

static struct route_choice choice(enum pf_route route, const char *reason) {
    return (struct route_choice){route, pf_str_from_cstr(reason)};
}

static bool fleet_is_faster(const struct route_facts *facts) {
    double bytes = (double)(facts->is_pruned ? facts->scan_bytes : facts->table_bytes);
    double workers = bytes / TASK_BYTES < facts->worker_count ? bytes / TASK_BYTES : facts->worker_count;
    if (workers < 1) workers = 1;
    double local_ms = bytes / (LOCAL_BYTES_PER_MS * facts->local_cores);
    double fleet_ms = FLEET_START_MS + TYPICAL_STAGES * FLEET_STAGE_MS + bytes / (WORKER_BYTES_PER_MS * workers);
    return fleet_ms < local_ms;
}

struct route_choice choose_route(const struct route_facts *facts) {
    if (!facts->is_select) return choice(PF_ROUTE_LOCAL, "only SELECT can be spread over workers");
    if (facts->asked == PF_ROUTE_MONOSTORE) return choice(PF_ROUTE_LOCAL, "this process is the one big container");
    if (facts->asked != PF_ROUTE_AUTO) return choice(facts->asked, "asked for");
    if (facts->table_count == 0) return choice(PF_ROUTE_LOCAL, "no table is read");
    if (!facts->fleet_is_remote) return choice(PF_ROUTE_LOCAL, "the workers share this machine's cores");
    if (fleet_is_faster(facts)) return choice(PF_ROUTE_FLEET, "there is enough to read to pay for workers");
    return choice(PF_ROUTE_LOCAL, facts->is_pruned ? "too little is left to read to pay for workers"
                                                   : "the tables are too small to pay for workers");
}

bool route_depends_on_pruning(const struct route_facts *facts) {
    return facts->asked == PF_ROUTE_AUTO && !facts->is_pruned && choose_route(facts).route == PF_ROUTE_FLEET;
}
