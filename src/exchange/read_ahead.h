/* SPDX-License-Identifier: MIT */
/* Fetches what a scan will need from the store while the scan works on what is there: the latency of an object store is
 * many times that of a mapped file, so one read after the other would mostly wait. */
#ifndef PF_EXCHANGE_READ_AHEAD_H
#define PF_EXCHANGE_READ_AHEAD_H

#include "exchange/inputs.h"

struct read_ahead;

/* Starts a thread that fetches the input's store objects; with the input's mutex held. It has two owners, who each
 * release it: the scan's run, which DuckDB may end long after the statement, and the input, when it is unbound. */
enum pf_code read_ahead_start(struct input *input, struct read_ahead **out_ahead, struct pf_error *err) PF_MUST_CHECK;
/* The next portion, in the order in which they come; any thread. `out_portion->source` NULL: that was all. Waits as long
 * as the medium's own limits allow. */
enum pf_code read_ahead_take(struct read_ahead *ahead, struct portion *out_portion, struct pf_error *err) PF_MUST_CHECK;
/* NULL is fine. The first of them ends the thread, which cancels what is under way, and gives the memory back. */
struct read_ahead *read_ahead_release(struct read_ahead *ahead);
/* The next one of the same input. */
struct read_ahead *read_ahead_next(const struct read_ahead *ahead);

#endif
