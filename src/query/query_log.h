/* SPDX-License-Identifier: MIT */
/* What happened, as rows of system.queries, system.tasks and system.audit.
 *
 *   a query, a task, an act ends -> a row as JSON, in memory -> (a thread of the stack) a stream in Redis
 *     -> (the same, every few minutes) a file of the Iceberg table, with the id of its last row in the snapshot's summary
 *
 * query_log.c has the rows and the thread, system_tables.c the tables. A row is in the table or in the stream, and the
 * id in the summary says where the one ends and the other begins: so a SELECT finds each row once, and a move that is
 * tried twice happens once. */
#ifndef PF_QUERY_QUERY_LOG_H
#define PF_QUERY_QUERY_LOG_H

#include "query/query_internal.h"

struct pf_sync_event;
struct task_result;

enum log_kind { LOG_QUERIES, LOG_TASKS, LOG_AUDIT, LOG_KIND_COUNT };

/* Starts the thread; Redis is started with the first row. */
enum pf_code query_log_open(struct pf_stack *stack, struct pf_error *err) PF_MUST_CHECK;
/* Writes what is left, for a few seconds at most. A Redis of our own dies with us: its rows are moved. */
void query_log_close(struct pf_stack *stack);

/* All of these only take note, and do nothing if there is no log. */
void query_log_query(struct pf_stack *stack, struct running *running);
/* `result`: of a task that is done, else NULL. */
void query_log_task(struct pf_stack *stack, pf_str query_id, const struct pf_sync_event *event,
                    const struct task_result *result);
void query_log_audit(struct pf_stack *stack, pf_str client, const char *action, pf_str object, enum pf_code outcome);

/* Waits until what was noted up to now is in Redis. PF_TIMEOUT after a few seconds. */
enum pf_code query_log_flush(struct pf_stack *stack, struct pf_error *err) PF_MUST_CHECK;

/* ---- system_tables.c ---- */

/* "system.queries" … is one of them? */
bool system_table_kind(struct pf_table_id id, enum log_kind *out_kind);
pf_str system_table_log(enum log_kind kind); /* "queries" */

/* Loads the table, made if it isn't there, and what is not in it yet as a file of JSON lines: empty if there is nothing,
 * else read it with `out_reader_sql` (a SELECT of the table's columns). `out_tail_id`: the last row's. */
struct system_tail {
    struct pf_table *table;
    pf_str reader_sql, last_id;
    int64_t row_count;
};
enum pf_code system_table_open(struct pf_stack *stack, enum log_kind kind, struct pf_arena *arena,
                               struct system_tail *out_tail, struct pf_error *err) PF_MUST_CHECK;

/* Rows of the stream into the table, and out of the stream. Only if there are many or old ones, unless `all`. */
enum pf_code system_table_move(struct pf_stack *stack, enum log_kind kind, bool all, int64_t *out_rows,
                               struct pf_error *err) PF_MUST_CHECK;

#endif
