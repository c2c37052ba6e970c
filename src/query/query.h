/* SPDX-License-Identifier: MIT */
/* Queries: from a statement to rows, by whichever route is best.
 *
 * A pf_stack holds what a process needs to answer queries (engines, catalog, store, sync, fleet). A pf_query is one
 * statement on its way: pf_query_start plans and starts it, pf_query_next_chunk streams its rows, pf_query_free
 * ends it and cleans up. Its record (state, stages, tasks, bytes, rows) is readable by id while it runs and for a
 * while after.
 * Threads: a stack is shared; a pf_query belongs to one thread, pf_stack_cancel may be called from any. */
#ifndef PF_QUERY_QUERY_H
#define PF_QUERY_QUERY_H

#include "engine/engine.h"
#include "store/store.h"

struct pf_stack;
struct pf_query;

enum pf_route { PF_ROUTE_AUTO, PF_ROUTE_LOCAL, PF_ROUTE_FLEET, PF_ROUTE_MONOSTORE, PF_ROUTE_ATHENA, PF_ROUTE_METADATA };
const char *pf_route_name(enum pf_route route); /* "fleet" */
bool pf_route_from(pf_str name, enum pf_route *out_route);

struct pf_stack_options {
    pf_str store_url;                      /* file:///path, s3://bucket/prefix */
    struct pf_store_options store_options; /* of the coordinator and its workers */
    int64_t cache_memory_bytes;            /* of a worker's memory, for data of a store without files; 0: a quarter */
    pf_str exchange_path;                  /* directory for slices; empty: tmpfs if there is one, else in the store */
    pf_str redis_url;                      /* empty: a child of ours on a Unix socket */
    pf_str redis_ca, redis_prefix;
    bool has_query_log;    /* system.queries and the like get rows */
    int64_t log_move_ms;   /* that old they go from Redis into tables; 0: 5 min */
    int redis_connections; /* of this process, and of each worker, to one node; 0: 256 */
    bool redis_allows_insecure;
    pf_str run_path;             /* sockets, logs of children; made if missing */
    int worker_count;            /* 0: cores */
    bool workers_have_own_cores; /* which this process does not use: route auto may take the fleet */
    int64_t worker_memory_bytes, coordinator_memory_bytes; /* 0: a share of what the machine has */
    int64_t task_size_bytes; /* of data files that are worth a task; the planner's sizes go with it; 0: as usual */
    int64_t lease_ms;        /* of a task; a worker that is silent for longer has lost it */
    int64_t worker_idle_ms;  /* a worker without work for that long goes away */
    int max_running;         /* queries at once; more wait in line */
    bool takes_over;         /* finishes queries whose coordinator died; needs a redis_url */
};
void pf_stack_default_options(struct pf_stack_options *options);

enum pf_code pf_stack_open(const struct pf_stack_options *options, struct pf_stack **out_stack, struct pf_error *err)
    PF_MUST_CHECK;
/* Cancels what runs, ends the workers and Redis, removes temporary objects. */
struct pf_stack *pf_stack_close(struct pf_stack *stack);

struct pf_query_options {
    pf_str sql;
    enum pf_route route;
    int64_t timeout_ms; /* 0: the stack's default */
    int64_t max_rows;   /* 0: no limit */
    pf_str id;          /* empty: a new one */
    pf_str client;      /* who asks: when many wait, clients take turns; for the query log */
    pf_str user;        /* for the query log; may be empty */
};

/* Plans and starts. EXPLAIN and EXPLAIN ANALYZE are statements like others: their rows are lines of text. */
enum pf_code pf_query_start(struct pf_stack *stack, const struct pf_query_options *options, struct pf_query **out_query,
                            struct pf_error *err) PF_MUST_CHECK;
pf_str pf_query_id(const struct pf_query *query);
enum pf_route pf_query_route(const struct pf_query *query);
/* They live as long as the query. */
const struct pf_column *pf_query_columns(struct pf_query *query, size_t *out_count);
/* `*out_chunk` NULL at the end. */
enum pf_code pf_query_next_chunk(struct pf_query *query, const struct pf_chunk **out_chunk, struct pf_error *err)
    PF_MUST_CHECK;

struct pf_query_stats {
    /* Data files that had to be fetched: requests with retries and hedges, what came, what was in memory already. */
    int64_t store_requests, store_bytes, store_hedges, store_retries, store_kept_bytes;
    enum pf_route route;
    pf_str reason; /* why this route */
    int stage_count, task_count, worker_count, retry_count, extra_attempts;
    int read_count, warm_read_count; /* read by tasks; of them those that their worker had read before */
    int64_t rows, scanned_bytes, exchanged_bytes, wall_us, plan_us;
};
void pf_query_get_stats(const struct pf_query *query, struct pf_query_stats *out_stats);
/* The result of a query that this process took over, as a query of its own; `options` without SQL and route.
 * PF_NOT_FOUND: not kept (any more); PF_CONFLICT: the query has not ended yet. */
enum pf_code pf_query_open_result(struct pf_stack *stack, pf_str query_id, const struct pf_query_options *options,
                                  struct pf_query **out_query, struct pf_error *err) PF_MUST_CHECK;
struct pf_query *pf_query_free(struct pf_query *query); /* NULL is fine; cancels what still runs */

/* The record of a query as JSON: {"query_id","state":"planning|running|done|failed|cancelled","route","reason","sql",
 * "started","elapsed_ms","rows","stages":[{"id","title","exchange","tasks","done","rows","bytes","ms"}],"error":{...}}.
 * PF_NOT_FOUND for an id that is unknown or forgotten. */
enum pf_code pf_stack_query_record(struct pf_stack *stack, pf_str query_id, struct pf_arena *arena, pf_str *out_json,
                                   struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_stack_cancel(struct pf_stack *stack, pf_str query_id, struct pf_error *err) PF_MUST_CHECK;

/* {"tables":[{"name","rows","bytes","files","snapshot","columns":[{"name","type"}]}]} */
enum pf_code pf_stack_tables_json(struct pf_stack *stack, struct pf_arena *arena, pf_str *out_json,
                                  struct pf_error *err) PF_MUST_CHECK;

/* All rows of the query log that are in Redis into the tables system.queries, system.tasks and system.audit. */
enum pf_code pf_stack_move_log(struct pf_stack *stack, int64_t *out_rows, struct pf_error *err) PF_MUST_CHECK;

/* Parts of the stack that other roles use. */
struct pf_catalog;
struct pf_catalog *pf_stack_catalog(struct pf_stack *stack);
struct pf_store *pf_stack_store(struct pf_stack *stack);

/* The body of `puffindb function`: pulls tasks until the queue is empty for `idle_ms`, or most of the time until the
 * deadline, when the process may be killed, is over. */
struct pf_worker;
enum pf_code pf_worker_open(pf_str event_json, struct pf_worker **out_worker, struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_worker_run(struct pf_worker *worker, int64_t deadline_wall_ms, struct pf_error *err) PF_MUST_CHECK;
struct pf_worker *pf_worker_close(struct pf_worker *worker);

/* The coordinator and the queue at work with workers that only pretend: for `puffindb bench scheduler`. */
struct pf_simulation_options {
    pf_str redis_url;     /* empty: one of our own, in run_path */
    const char *run_path; /* made if missing */
    int tasks, workers, runs;
    int64_t task_us;   /* how long a worker sleeps for a task, give or take a fifth */
    double slow_tasks; /* share of tasks that take ten times as long */
    uint64_t seed;
};
struct pf_simulation_run {
    double push_ms, wall_ms; /* until all tasks are queued; until the last result is with the coordinator */
    double coordinator_cpu_ms;
    int kept_tasks, home_tasks, reads, warm_reads, second_attempts;
};
struct pf_simulation {
    struct pf_simulation_run *runs;
    int run_count;
    double claim_p50_ms, claim_p99_ms;
    /* Of Redis: commands sent, round trips they took, bytes in and out, processor time. */
    double commands_per_task, round_trips_per_task, bytes_per_task, redis_us_per_task;
};
enum pf_code pf_simulate(const struct pf_simulation_options *options, struct pf_arena *arena,
                         struct pf_simulation *out_simulation, struct pf_error *err) PF_MUST_CHECK;

/* Files -> Iceberg table. Appends if the table exists (the columns must fit), creates it otherwise. */
struct pf_load_options {
    pf_str table;        /* [namespace.]name */
    const pf_str *paths; /* local files or globs */
    size_t path_count;
    pf_str format; /* parquet, csv, json; empty: by the files' endings */
    bool replace;  /* drop the rows that are there */
    void (*on_progress)(void *context, double share, int64_t rows);
    void *context;
};
struct pf_load_result {
    int64_t rows, bytes, files, snapshot_id;
};
enum pf_code pf_load(struct pf_stack *stack, const struct pf_load_options *options, struct pf_load_result *out_result,
                     struct pf_error *err) PF_MUST_CHECK;

#endif
