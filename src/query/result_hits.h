/* SPDX-License-Identifier: MIT */
/* What is remembered of answers that the result cache gave: they come by the ten thousand a second, so the newest few
 * have a record, and so many a second a row in the query log; the others are counted.
 *
 * Threads: safe. */
#ifndef PF_QUERY_RESULT_HITS_H
#define PF_QUERY_RESULT_HITS_H

#include "query/query_internal.h"

struct result_hits;

struct result_hits *result_hits_new(void);
struct result_hits *result_hits_free(struct result_hits *hits);

struct result_hit {
    pf_str id, sql, client, user;
    int64_t row_count, took_ns;
};
void result_hits_note(struct pf_stack *stack, const struct result_hit *hit);
/* As pf_stack_query_record; empty if it isn't (any more) among the newest. */
pf_str result_hits_record(struct pf_stack *stack, pf_str query_id, struct pf_arena *arena);
int64_t result_hits_unlogged(const struct result_hits *hits); /* without a row in the log */

#endif
