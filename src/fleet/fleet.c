/* SPDX-License-Identifier: MIT */
#include "fleet/fleet.h"

#include "fleet/backend.h"

enum pf_code pf_fleet_invoke(struct pf_fleet *fleet, const char *function, pf_str event, int64_t timeout_ms,
                             struct pf_arena *arena, pf_str *out_answer, struct pf_error *err) {
    if (event.len > PF_FLEET_MAX_EVENT_BYTES) {
        PF_FAIL(err, PF_TOO_LARGE, "call function %s: the event has %zu bytes, the limit is %d", function, event.len,
                PF_FLEET_MAX_EVENT_BYTES);
    }
    return fleet->backend->invoke(fleet, function, event, timeout_ms, arena, out_answer, err);
}

enum pf_code pf_fleet_ensure(struct pf_fleet *fleet, const char *function, int worker_count, pf_str event,
                             struct pf_error *err) {
    if (event.len > PF_FLEET_MAX_ASYNC_EVENT_BYTES) {
        PF_FAIL(err, PF_TOO_LARGE, "start function %s: the event has %zu bytes, the limit is %d", function, event.len,
                PF_FLEET_MAX_ASYNC_EVENT_BYTES);
    }
    return fleet->backend->ensure(fleet, function, worker_count, event, err);
}

void pf_fleet_get_status(struct pf_fleet *fleet, const char *function, struct pf_fleet_status *out_status) {
    fleet->backend->get_status(fleet, function, out_status);
}

void pf_fleet_list(struct pf_fleet *fleet, const char *function, struct pf_arena *arena,
                   struct pf_fleet_environment **out_environments, size_t *out_count) {
    fleet->backend->list(fleet, function, arena, out_environments, out_count);
}

struct pf_fleet *pf_fleet_close(struct pf_fleet *fleet) {
    if (fleet) fleet->backend->close(fleet);
    return NULL;
}
