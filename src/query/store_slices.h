/* SPDX-License-Identifier: MIT */
/* Outputs of tasks as objects of one store or several: the exchange's callbacks over store, and how they go away.
 *
 *   <url>/temporary/<digit>/<group>/<query>/<stage>/<task>.<attempt>.<run>.<number>.px
 *
 * S3 counts requests by prefix: the digit, one of sixteen, and the store, if there are several, come from a hash of what
 * is behind them, so that the objects of one stage are spread over all. A group is what one coordinator with a Redis of
 * its own writes, or all that share one. A lifecycle rule for temporary/ is the net under all of this.
 * Threads: all of it may be called from any. */
#ifndef PF_QUERY_STORE_SLICES_H
#define PF_QUERY_STORE_SLICES_H

#include "exchange/exchange.h"
#include "store/store.h"

struct store_slices;
struct store_slices_options {
    const pf_str *urls; /* of stores: s3://bucket/prefix */
    size_t url_count;
    pf_str group;
    bool owns_group; /* what is left of it goes at close */
    const struct pf_store_options *store_options;
    bool (*is_cancelled)(void *context); /* may be NULL; reads end with PF_CANCELLED */
    void *context;
};
enum pf_code store_slices_open(const struct store_slices_options *options, struct store_slices **out_slices,
                               struct pf_error *err) PF_MUST_CHECK;
/* NULL is fine. Ends removals that are under way, for some seconds. */
struct store_slices *store_slices_close(struct store_slices *slices);
/* The callbacks; `slices` outlives the exchange. */
struct pf_exchange_io store_slices_io(struct store_slices *slices);

/* A group of one process; its name tells others on this machine whether the process still lives. */
pf_str store_slices_own_group(struct pf_arena *arena);

/* The query is over: a thread removes these objects, a thousand to a request. `is_thorough`: there may be more of the
 * query than these, of attempts that came to nothing; they are looked for, too. */
void store_slices_remove_query(struct store_slices *slices, pf_str query_id, const pf_str *keys, size_t count,
                               bool is_thorough);

/* Removes what nobody else will: of this group, objects older than `older_than_ms` of queries that are over; of groups
 * of processes that died here, all; of any other group, what is older than a day. */
struct store_slices_sweep {
    int64_t older_than_ms;
    bool (*is_over)(void *context, pf_str query_id);
    void *context;
};
enum pf_code store_slices_sweep(struct store_slices *slices, const struct store_slices_sweep *sweep, int64_t *out_count,
                                struct pf_error *err) PF_MUST_CHECK;

#endif
