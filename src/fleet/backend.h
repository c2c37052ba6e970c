/* SPDX-License-Identifier: MIT */
/* What a place that runs functions must offer; fleet.c calls nothing else. */
#ifndef PF_FLEET_BACKEND_H
#define PF_FLEET_BACKEND_H

#include "fleet/fleet.h"

struct fleet_backend {
    const char *name;
    enum pf_code (*invoke)(struct pf_fleet *fleet, const char *function, pf_str event, int64_t timeout_ms,
                           struct pf_arena *arena, pf_str *out_answer, struct pf_error *err);
    enum pf_code (*ensure)(struct pf_fleet *fleet, const char *function, int worker_count, pf_str event,
                           struct pf_error *err);
    void (*get_status)(struct pf_fleet *fleet, const char *function, struct pf_fleet_status *out_status);
    void (*list)(struct pf_fleet *fleet, const char *function, struct pf_arena *arena,
                 struct pf_fleet_environment **out_environments, size_t *out_count);
    void (*close)(struct pf_fleet *fleet);
};

/* The first member of each back end's struct. */
struct pf_fleet {
    const struct fleet_backend *backend;
};

#endif
