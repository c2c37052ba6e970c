/* SPDX-License-Identifier: MIT */
/* Queries of coordinators that died: taken over, finished, and their results kept for whoever asks.
 *
 *   keeper -> a query's lease is over -> heartbeat with our id: one coordinator gets it -> a thread runs the statement
 *   again; stages that are done are found in the query's events -> the rows become a table in memory -> record "done"
 *
 * Kept results are limited in number, rows and time. */
#ifndef PF_QUERY_RESUME_H
#define PF_QUERY_RESUME_H

#include "query/query_internal.h"

/* What another coordinator needs, as JSON; empty for what can't be taken over (EXPLAIN). */
pf_str resume_job(const struct pf_query *query, struct pf_arena *arena);

/* Takes over what can be. By the keeper, now and then. */
void resume_look(struct pf_stack *stack, struct pf_sync *sync);

/* Runs the last fragment of a query that was taken over, and keeps its rows. PF_TOO_LARGE over the limit. */
enum pf_code resume_keep(struct pf_query *query, pf_str sql, struct pf_error *err) PF_MUST_CHECK;

/* The statement that reads a kept result, and the names of its columns. PF_NOT_FOUND if there is none. */
enum pf_code resume_find(struct pf_stack *stack, pf_str query_id, struct pf_arena *arena, pf_str *out_sql,
                         const struct pf_column **out_names, size_t *out_count, struct pf_error *err) PF_MUST_CHECK;

/* Drops results whose time is over. */
void resume_drop_old(struct pf_stack *stack);
void resume_free(struct pf_stack *stack);

/* query.c: one query from start to end. */
struct resume_options {
    struct pf_query_options query;
    int planned_workers;
};
void query_resume(struct pf_stack *stack, const struct resume_options *options);

#endif
