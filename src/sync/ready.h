/* SPDX-License-Identifier: MIT */
/* Which queries may have work for a worker: the keys under {all}, see scripts.c. */
#ifndef PF_SYNC_READY_H
#define PF_SYNC_READY_H

#include "sync/connection.h"

enum { READY_MAX_WORKERS = 1000 };

/* Adds to a batch: query `query_id` has work for about `count` workers; the next hint, after dropping `dry` if it has
 * had no work since (may be unset); the query has ended, with reply 1 if nobody knew. */
void ready_add(struct batch *batch, pf_str query_id, int64_t count);
/* The same, and the workers named have work of their own: at most READY_MAX_WORKERS. */
void ready_add_for(struct batch *batch, pf_str query_id, int64_t count, const pf_str *workers, size_t worker_count);
void ready_add_next(struct batch *batch, const struct ready_hint *dry);
void ready_add_forget(struct batch *batch, pf_str query_id);

/* ready_add by itself; nothing if `count` is 0. */
enum pf_code ready_wake(struct pf_sync *sync, pf_str query_id, int64_t count, struct pf_error *err) PF_MUST_CHECK;
/* Waits for work for `worker_id` or anybody; the hint is unset if there was none. */
enum pf_code ready_wait(struct pf_sync *sync, pf_str worker_id, int64_t wait_ms, struct ready_hint *out_hint,
                        struct pf_error *err) PF_MUST_CHECK;

/* The reply to ready_add_next. */
void ready_read_hint(const valkeyReply *reply, struct ready_hint *out_hint);
bool ready_hint_is_set(const struct ready_hint *hint);
bool ready_hints_are_equal(const struct ready_hint *a, const struct ready_hint *b);
/* What the process remembers from its latest claim. */
void ready_get_hint(struct pf_sync *sync, struct ready_hint *out_hint);
void ready_set_hint(struct pf_sync *sync, const struct ready_hint *hint);

#endif
