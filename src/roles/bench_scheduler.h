/* SPDX-License-Identifier: MIT */
/* `puffindb bench scheduler`. */
#ifndef PF_ROLES_BENCH_SCHEDULER_H
#define PF_ROLES_BENCH_SCHEDULER_H

#include "roles/roles.h"

/* A pf_exit. */
int run_bench_scheduler(struct pf_role_call *call);

#endif
