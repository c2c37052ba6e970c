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

#include "catalog/catalog.h"
#include "engine/engine.h"
#include "store/store.h"

struct pf_stack;
struct pf_query;

enum pf_route {
    PF_ROUTE_AUTO,
    PF_ROUTE_LOCAL,
    PF_ROUTE_FLEET,
    PF_ROUTE_MONOSTORE,
    PF_ROUTE_ATHENA,
    PF_ROUTE_METADATA,
    PF_ROUTE_CACHE
};
const char *pf_route_name(enum pf_route route); /* "fleet" */
bool pf_route_from(pf_str name, enum pf_route *out_route);

/* Which objects of the exchange go through Redis: small ones (exchange_media.c), none, all. */
enum pf_exchange_redis { PF_EXCHANGE_REDIS_AUTO, PF_EXCHANGE_REDIS_NONE, PF_EXCHANGE_REDIS_ALL };

struct pf_stack_options {
    pf_str store_url;                      /* file:///path, s3://bucket/prefix */
    struct pf_store_options store_options; /* of the coordinator and its workers */
    bool spreads_files;                    /* over hashed prefixes, where a table's properties say nothing */
    int64_t cache_memory_bytes;            /* of a worker's memory, for data of a store without files; 0: a quarter */
    /* Who knows the tables; `url` empty: the store itself; "function:<name>": the catalog function, run by us from
     * `catalog_bootstrap` (empty: functions/catalog/bootstrap near the program). */
    struct pf_catalog_remote_options catalog;
    pf_str catalog_bootstrap;
    pf_str exchange_path; /* directory for slices; empty: tmpfs if there is one, else in the store */
    pf_str exchange_url;  /* "auto", "folder", "store", or URLs of stores with commas between them */
    enum pf_exchange_redis exchange_redis;
    pf_str redis_url; /* empty: a child of ours on a Unix socket */
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
    bool is_read_only;       /* statements that change something are refused */
    const struct pf_statement_handler *statements; /* that change something; NULL: only queries are run */
    int64_t result_cache_bytes;                    /* memory for results that are kept; 0: none are */
    int64_t result_cache_stale_ms; /* how old may be what it knows of a table's state; 0: it looks each time */
};
void pf_stack_default_options(struct pf_stack_options *options);

enum pf_code pf_stack_open(const struct pf_stack_options *options, struct pf_stack **out_stack, struct pf_error *err)
    PF_MUST_CHECK;
/* Cancels what runs, ends the workers and Redis, removes temporary objects. */
struct pf_stack *pf_stack_close(struct pf_stack *stack);

struct pf_query_options {
    pf_str sql;
    enum pf_route route;
    int64_t timeout_ms;        /* 0: the stack's default */
    int64_t max_rows;          /* 0: no limit */
    pf_str id;                 /* empty: a new one */
    pf_str client;             /* who asks: when many wait, clients take turns; for the query log */
    pf_str user;               /* for the query log; may be empty */
    const char *result_format; /* a kept result may be the answer, and it is kept, as bytes of that format (one of
                                  PF_RESULT_FORMATS, a literal); NULL: neither */
    bool refreshes_result;     /* kept anew: one that is there is not the answer */
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

/* What a statement changed: for its answer, its record, the log and the audit. */
struct pf_outcome {
    pf_str kind;                                /* "INSERT"; empty: the statement is a query */
    pf_str object;                              /* "main.orders" */
    bool has_count;                             /* the answer is one row, the count; else it has no rows */
    int64_t row_count, file_count, snapshot_id; /* 0: no snapshot was made */
};

/* Data between stages, by where it went. */
struct pf_medium_use {
    int64_t objects, written_bytes; /* strings, files, PUTs */
    int64_t reads, read_bytes;      /* ranges of strings, files opened, GETs */
};
struct pf_exchange_use {
    struct pf_medium_use media[3]; /* Redis, folder, store */
};
/* Requests and bytes at list prices (src/model/prices.c); a folder costs nothing. */
double pf_exchange_use_dollars(const struct pf_exchange_use *use);

struct pf_query_stats {
    struct pf_outcome outcome;
    /* Data files that had to be fetched: requests with retries and hedges, what came, what was in memory already. */
    int64_t store_requests, store_bytes, store_hedges, store_retries, store_kept_bytes;
    enum pf_route route;
    pf_str reason; /* why this route */
    int stage_count, task_count, worker_count, retry_count, extra_attempts;
    int read_count, warm_read_count; /* read by tasks; of them those that their worker had read before */
    int64_t rows, scanned_bytes, exchanged_bytes, wall_us, plan_us;
    struct pf_exchange_use exchange;
};
void pf_query_get_stats(const struct pf_query *query, struct pf_query_stats *out_stats);
/* The result of a query that this process took over, as a query of its own; `options` without SQL and route.
 * PF_NOT_FOUND: not kept (any more); PF_CONFLICT: the query has not ended yet. */
enum pf_code pf_query_open_result(struct pf_stack *stack, pf_str query_id, const struct pf_query_options *options,
                                  struct pf_query **out_query, struct pf_error *err) PF_MUST_CHECK;
struct pf_query *pf_query_free(struct pf_query *query); /* NULL is fine; cancels what still runs */

/* ---- results that are kept ----
 *
 * The bytes of whole answers, by a hash of the statement and of the state of every table that it reads: none is ever out
 * of date. In memory, within a budget; the longest unused go first. docs/result_cache.md says what is kept. */
#define PF_RESULT_FORMATS                                                                                              \
    { "json", "ndjson", "csv" }
#define PF_CACHE_REASON "the answer was kept, and no table that it reads has changed"

struct pf_result; /* immutable, counted */
struct pf_result_facts {
    pf_str hash; /* 64 hexadecimal digits */
    pf_str bytes;
    int64_t row_count;
};
void pf_result_get_facts(const struct pf_result *result, struct pf_result_facts *out_facts);
struct pf_result *pf_result_release(struct pf_result *result); /* NULL is fine. Returns NULL */

/* The answer to a statement that was answered before, without planning anything: reads the pointers of its tables.
 * NULL: not there, ask pf_query_start. A result that is found has its record and its row in the log.
 * `arena` is for scratch. */
struct pf_result *pf_stack_find_result(struct pf_stack *stack, const struct pf_query_options *options,
                                       struct pf_arena *arena);
/* NULL: not there (any more). */
struct pf_result *pf_stack_result_at(struct pf_stack *stack, pf_str hash, const char *format);
/* After pf_query_start: the answer, if it was found after all; the query has no rows then. NULL: it has. */
struct pf_result *pf_query_take_result(struct pf_query *query);
/* What its result is kept by; empty, with the reason, if it isn't. */
pf_str pf_query_result_hash(const struct pf_query *query, pf_str *out_reason);

/* A result on its way into the cache. All of these take NULL. */
struct pf_result_draft;
struct pf_result_draft *pf_query_draft_result(struct pf_query *query);              /* NULL: not to be kept */
size_t pf_result_room(const struct pf_result_draft *draft);                         /* bytes that it may still get */
void pf_result_add(struct pf_result_draft *draft, pf_str bytes);                    /* gives up when it is too large */
struct pf_result *pf_result_keep(struct pf_result_draft *draft, int64_t row_count); /* NULL: it was too large */
struct pf_result_draft *pf_result_abandon(struct pf_result_draft *draft);

struct pf_result_counters {
    int64_t limit_bytes, size_bytes, results;
    int64_t hits, misses, unkeepable, kept, evicted, too_large;
    int64_t unlogged; /* hits without a row in the query log: there were too many a second */
};
/* False: there is no cache. `out_counters` may be NULL. */
bool pf_stack_count_results(struct pf_stack *stack, struct pf_result_counters *out_counters);

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

/* ---- statements that change something: icecap/ knows them ---- */

struct pf_buf;
struct pf_statement_handler {
    /* Is the statement one of these? Looks at its first words only. */
    bool (*knows)(pf_str sql);
    /* Runs it; pf_query_* below are its tools. Kind and object of the outcome are set as early as they are known: they
     * tell of failures, too. */
    enum pf_code (*run)(struct pf_query *query, pf_str sql, struct pf_outcome *out_outcome, struct pf_error *err);
    /* Says what run would do; changes nothing. */
    enum pf_code (*explain)(struct pf_query *query, pf_str sql, struct pf_buf *out, struct pf_error *err);
};

struct pf_arena *pf_query_arena(struct pf_query *query); /* lives as long as the query */
struct pf_stack *pf_query_stack(struct pf_query *query);

/* Plans a SELECT that stands inside a statement; the next calls are about it. Several may follow each other. */
enum pf_code pf_query_bind(struct pf_query *query, pf_str select_sql, const struct pf_column **out_columns,
                           size_t *out_count, struct pf_error *err) PF_MUST_CHECK;
/* The functions that occur in what is bound, lower case, with commas between. */
pf_str pf_query_functions(const struct pf_query *query);
/* From now on binding reads every table in the state that is seen first; `first` is that of its table. */
struct pf_table;
void pf_query_pin_tables(struct pf_query *query, const struct pf_table *first);
/* Runs what is bound, on its route, and hands its rows over. */
enum pf_code pf_query_read(struct pf_query *query,
                           enum pf_code (*take)(void *context, const struct pf_chunk *chunk, struct pf_error *err),
                           void *context, struct pf_error *err) PF_MUST_CHECK;

/* From now on `name`, in the table's namespace, stands for these files of the table with these deletes: its columns and row
 * lineage. One part at a time; the list must live as long as it is used. */
struct pf_file_list;
void pf_query_define_part(struct pf_query *query, pf_str name, const struct pf_table *table,
                          const struct pf_file_list *files);
void pf_query_forget_part(struct pf_query *query);

/* How its rows become Parquet files. */
struct pf_write {
    pf_str columns_sql;  /* select list over the columns k0, k1 … of the bound SELECT: the columns of the files */
    size_t column_count; /* of the bound SELECT */
    const pf_str *names; /* of the columns of the files */
    size_t name_count;
    pf_str field_ids_sql;     /* COPY's FIELD_IDS */
    const pf_str *partitions; /* expressions over the columns of the files: rows with equal values share files */
    size_t partition_count;
    bool is_distributed; /* rows of one partition meet in one task: fewer files, one exchange more */
    pf_str order_sql;    /* "\"a\" DESC NULLS LAST": of the rows in a file; empty: as they come */
    pf_str prefix;       /* of the files' keys, with nothing else's: <folder>/<id>- */
    pf_str compression;  /* "zstd" */
    int64_t file_size_bytes, row_group_rows; /* a file of a partition may be larger */
    bool has_bloom_filters;
    int spreads_files; /* over prefixes of an object store; -1: as pf_stack_options say */
};
struct pf_stats_text;
struct pf_written_file {
    pf_str path; /* a URI; durable */
    int64_t row_count, size_bytes;
    const pf_str *partition; /* values as text; ptr NULL: null */
    const struct pf_stats_text *stats;
    size_t stats_count;
};
/* EXPLAIN of what is bound, and would be written. */
enum pf_code pf_query_explain(struct pf_query *query, const struct pf_write *write, struct pf_buf *out,
                              struct pf_error *err) PF_MUST_CHECK;
/* Runs what is bound, on its route; files without rows are left out. After a failure, and if the files are not wanted
 * after all, pf_query_remove_files takes away what there is. */
enum pf_code pf_query_write(struct pf_query *query, const struct pf_write *write, struct pf_written_file **out_files,
                            size_t *out_count, struct pf_error *err) PF_MUST_CHECK;
void pf_query_remove_files(struct pf_query *query, pf_str prefix);
/* As manifests have it: with the statistics that the table keeps, of its current schema and default spec. */
struct pf_data_file;
struct pf_table_metadata;
enum pf_code pf_written_file_entry(const struct pf_written_file *file, const struct pf_table_metadata *metadata,
                                   struct pf_arena *arena, struct pf_data_file *out_entry, struct pf_error *err)
    PF_MUST_CHECK;

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
    int mends; /* how often tasks were taken for vanished from the queue */
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
