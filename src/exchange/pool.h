/* SPDX-License-Identifier: MIT */
/* Buffers that outlive a task: what costs is memory that was never touched before (page faults), so it is kept.
 *
 * Sizes are powers of two. Threads: safe. Bytes in use and kept are reserved from the exchange's budget; when that is
 * used up, what is kept goes first. */
#ifndef PF_EXCHANGE_POOL_H
#define PF_EXCHANGE_POOL_H

#include "base/budget.h"

struct pool;

struct pool *pool_new(int64_t keep_bytes, struct pf_budget *budget);
struct pool *pool_free(struct pool *pool);
int64_t pool_kept_bytes(struct pool *pool);

struct buffer {
    char *ptr;
    size_t len, capacity;
};
/* Room for `extra` bytes behind `len`, which stay in place. PF_NO_MEMORY when the budget is used up: at once, or, for
 * buffer_reserve, when others did not give anything back for a while. */
enum pf_code buffer_reserve(struct pool *pool, struct buffer *buffer, size_t extra, struct pf_error *err) PF_MUST_CHECK;
enum pf_code buffer_try_reserve(struct pool *pool, struct buffer *buffer, size_t extra, struct pf_error *err)
    PF_MUST_CHECK;
void buffer_clear(struct pool *pool, struct buffer *buffer);

#endif
