/* SPDX-License-Identifier: MIT */
/* Bytes that large buffers may take: reserve before you allocate.
 *
 * Threads: safe. A reservation either waits up to a limit or says PF_NO_MEMORY; nothing waits for ever. */
#ifndef PF_BASE_BUDGET_H
#define PF_BASE_BUDGET_H

#include "base/error.h"

struct pf_budget;

/* `name` is a literal; the budget is freed with pf_budget_free, when nothing is reserved any more. */
struct pf_budget *pf_budget_new(const char *name, int64_t limit_bytes);
struct pf_budget *pf_budget_free(struct pf_budget *budget);

/* PF_NO_MEMORY if it can never fit or does not within `wait_ms`. */
enum pf_code pf_budget_reserve(struct pf_budget *budget, int64_t size_bytes, int64_t wait_ms, struct pf_error *err)
    PF_MUST_CHECK;
void pf_budget_release(struct pf_budget *budget, int64_t size_bytes);
int64_t pf_budget_used(struct pf_budget *budget);
int64_t pf_budget_peak(struct pf_budget *budget);

#endif
