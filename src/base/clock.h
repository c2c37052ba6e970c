/* SPDX-License-Identifier: MIT */
/* Time: monotonic for durations and limits, wall for what people and files read. */
#ifndef PF_BASE_CLOCK_H
#define PF_BASE_CLOCK_H

#include "base/str.h"

#include <pthread.h>

int64_t pf_clock_mono_ns(void);
int64_t pf_clock_mono_ms(void);
int64_t pf_clock_wall_ms(void); /* since 1970-01-01T00:00:00Z */
void pf_clock_sleep_ms(int64_t ms);

enum { PF_CLOCK_TEXT_BYTES = 32 };
/* "2026-01-31T12:34:56.789Z" (RFC 3339) */
pf_str pf_clock_format(int64_t wall_ms, char text[PF_CLOCK_TEXT_BYTES]);

/* A point in time by which something must be over. */
struct pf_deadline {
    int64_t mono_ms;
};
struct pf_deadline pf_deadline_in(int64_t ms);
int64_t pf_deadline_left_ms(struct pf_deadline deadline); /* never negative */

/* Condition variables whose waits end by the monotonic clock: both calls go together. */
void pf_condition_init(pthread_cond_t *condition);
/* With `mutex` held. False once `wait_ms` are over; true may also mean nothing: look at what was waited for. */
bool pf_condition_wait_ms(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t wait_ms);

#endif
