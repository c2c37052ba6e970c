/* SPDX-License-Identifier: MIT */
/* What the files of query/ share: the stack's parts, a running query, its progress. */
#ifndef PF_QUERY_INTERNAL_H
#define PF_QUERY_INTERNAL_H

#include "catalog/catalog.h"
#include "exchange/exchange.h"
#include "plan/plan.h"
#include "query/exchange_media.h"
#include "query/query.h"
#include "query/small_slices.h"

#include <pthread.h>
#include <stdatomic.h>

struct data_files;
struct deleted_rows;
struct kept;
struct pf_fleet;
struct pf_fragment;
struct pf_redis;
struct pf_sync;
struct result_cache;
struct result_hits;

enum {
    MAX_ATTEMPTS = 3,        /* of one task */
    RECORD_KEEP = 1000,      /* finished queries whose records this process keeps */
    RECORD_TTL_MS = 3600000, /* in Redis */
    MAX_SQL_BYTES = 1 << 20,
    CLIENT_TURNS = 256,        /* clients whose turn is remembered */
    USUAL_TASK_BYTES = 8 << 20 /* what --task-size is without being set */
};

/* ---- progress of a query: written by its thread, read by others, under the stack's mutex ---- */

struct stage_progress {
    int id;
    pf_str title, exchange, single_reason;
    int tasks, done, retries, extra_attempts;
    int kept_tasks, home_tasks; /* kept for the worker that has their files; of them those that ran there */
    int reads, warm_reads;      /* read by tasks; of them those that the worker had read before */
    int64_t rows, bytes, scanned_bytes;
    struct pf_exchange_use use;                         /* written as output, read as input */
    int64_t scanned_files, skipped_files, skipped_rows; /* skipped: by partitions and statistics of files */
    int64_t started_ms, ended_ms;                       /* monotonic; ended 0: runs */
};

enum query_state { QUERY_WAITING, QUERY_PLANNING, QUERY_RUNNING, QUERY_DONE, QUERY_FAILED, QUERY_CANCELLED };

enum stop_reason { STOP_NOT, STOP_CANCELLED, STOP_TIMEOUT };

struct running {
    struct running *next, *previous;
    pf_str id, sql, client, user;
    int64_t started_wall_ms, started_mono_ms, deadline_mono_ms; /* deadline 0: none */
    int64_t started_mono_ns;
    atomic_int stop;              /* enum stop_reason */
    bool is_waiting, is_admitted; /* both and the ticket: by the stack's mutex */
    int64_t ticket;
    bool is_foreign;       /* another coordinator has the query: its keys, files and record are not ours any more */
    pf_str coordinator_id; /* ours, for the record */
    int64_t kept_until_wall_ms; /* its result can be asked for until then; 0: it isn't kept */
    struct {                    /* by the stack's mutex */
        enum query_state state;
        struct pf_session *session; /* what a stop interrupts */
        struct pf_query_stats stats;
        struct stage_progress *stages;
        size_t stage_count, stage_capacity;
        struct pf_error failure;
    } locked;
};

/* ---- the stack ---- */

/* When a client's query was last admitted: clients take turns. */
struct client_turn {
    uint64_t client_hash;
    int64_t turn; /* 0: nobody's */
};

struct finished_record {
    char id[40];
    char *json;
};

struct defined_view {
    pf_str space, name, mark;
    uint64_t change; /* number of its last definition */
};

struct pf_stack {
    struct pf_arena *arena;
    struct pf_stack_options options; /* strings in the arena, defaults filled in */
    pf_str coordinator_id, run_path;
    struct exchange_media media; /* of the exchange */
    bool owns_exchange_path;
    pf_str redis_prefix; /* of our keys: the option, and what else must be equal for sharing a Redis */
    struct pf_store *store;
    struct pf_cache *cache; /* of the engines in this process */
    struct pf_catalog *catalog;
    struct deleted_rows *deleted_rows; /* of the engines below */

    pthread_mutex_t
        start_mutex; /* guards the parts below until they are there; then they stay, but for broken engines */
    struct pf_engine *_Atomic planner_engine, *_Atomic local_engine;
    struct pf_engine *_Atomic last_engine; /* of last fragments: reads the exchange */
    struct pf_engine **broken_engines;     /* replaced; closed with the stack, since queries may still use them */
    size_t broken_count, broken_capacity;
    struct pf_exchange *exchange;
    struct small_slices small_slices;  /* of the exchange */
    struct store_slices *store_slices; /* NULL: it has a folder */
    struct pf_redis *redis;
    struct pf_sync *sync;
    struct pf_fleet *fleet;
    struct pf_sync *catalog_sync;   /* where the pointers are; NULL: in the store */
    struct pf_fleet *catalog_fleet; /* of the catalog function; NULL: none */
    pf_str worker_event;
    size_t view_count, view_capacity; /* of the local engine */
    struct defined_view *views;
    uint64_t view_change; /* number of the last definition of any */

    struct query_log *log;        /* NULL: nothing is logged */
    struct kept *kept;            /* results of queries that were taken over: resume.c */
    struct result_cache *results; /* NULL: none are kept */
    struct result_hits *hits;     /* with it */
    pthread_t keeper, tender;
    bool has_keeper, has_tender;
    pthread_cond_t changed; /* a query was admitted or ended; the stack is closing */
    struct {
        pthread_mutex_t mutex;
        bool is_closing;
        struct running *first;
        int running_count, waiting_count, resuming_count;
        int64_t next_ticket, next_turn;
        struct client_turn turns[CLIENT_TURNS];
        struct finished_record records[RECORD_KEEP];
        size_t record_next;
        struct pf_sync *sync; /* as above; for the keeper and the fleet's threads */
        struct pf_fleet *fleet;
    } locked;
};

/* stack.c: parts that start when they are first needed. */
enum pf_code stack_need_planner(struct pf_stack *stack, struct pf_error *err) PF_MUST_CHECK;
enum pf_code stack_need_local(struct pf_stack *stack, struct pf_error *err) PF_MUST_CHECK;
enum pf_code stack_need_fleet(struct pf_stack *stack, struct pf_error *err)
    PF_MUST_CHECK; /* sync, exchange and last_engine too */
enum pf_code stack_need_sync(struct pf_stack *stack, struct pf_error *err) PF_MUST_CHECK;
/* After an internal error of DuckDB, which makes the whole database unusable: puts new engines in the place of broken
 * ones. */
void stack_replace_broken_engines(struct pf_stack *stack);
/* Brings workers to life; returns at once. */
enum pf_code stack_wake_workers(struct pf_stack *stack, int count, struct pf_error *err) PF_MUST_CHECK;

/* keeper.c: time limits, cancellation, Redis, orphans. */
enum pf_code keeper_start(struct pf_stack *stack, struct pf_error *err) PF_MUST_CHECK;
void keeper_stop(struct pf_stack *stack);

/* running.c: the list of queries and their records. */
enum pf_code running_admit(struct pf_stack *stack, struct running *running, struct pf_error *err) PF_MUST_CHECK;
void running_end(struct pf_stack *stack, struct running *running, enum pf_code code, const struct pf_error *err);
void running_set_state(struct pf_stack *stack, struct running *running, enum query_state state);
/* The session that a stop interrupts from now on; NULL for none. */
void running_set_session(struct pf_stack *stack, struct running *running, struct pf_session *session);
/* PF_CANCELLED or PF_TIMEOUT once the query has been told to stop. */
enum pf_code running_check(const struct running *running, struct pf_error *err) PF_MUST_CHECK;
/* What an interrupted statement means: the reason of the stop instead of "interrupted". */
enum pf_code running_explain_stop(const struct running *running, enum pf_code code, struct pf_error *err);
const char *running_state_name(enum query_state state);
pf_str running_record_json(struct pf_stack *stack, struct running *running, struct pf_arena *arena);

/* ---- tables of a statement ---- */

struct lake_table {
    struct pf_table *table;
    pf_str view_name;                 /* as statements write it: orders, orders@version=7, orders$files */
    pf_str kind;                      /* not empty: a metadata table of `table` */
    const struct pf_file_list *files; /* NULL: those of its snapshot; else a part of them (part_tables.c) */
    struct pf_table_totals totals;
    pf_str scan_name;                       /* main.orders@<snapshot>.<schema>.<uuid's first part> */
    const struct pf_iceberg_schema *schema; /* the table's; with lineage two columns more, with positions four */
    bool has_lineage, has_positions;        /* positions: lineage as well */
    pf_str *column_names, *column_types;    /* of `schema` */
    size_t column_count;
    pf_str tail_sql; /* SELECT of rows that are not in its files yet; empty: none. Such tables are read here only. */
    uint64_t *view_change; /* number of its view's definition when the query had it defined */
};

struct lake_tables {
    struct lake_table *items;
    size_t count;
    int64_t size_bytes;
    bool has_metadata_tables;
};

/* States of tables that a statement goes on to read, whatever is committed meanwhile. */
struct table_pins {
    bool is_on; /* tables that are loaded are added */
    struct pf_table **items;
    size_t count, capacity;
    pf_str part_name; /* part_tables.c */
    const struct pf_table *part_table;
    const struct pf_file_list *part_files; /* NULL: no part */
};

/* part_tables.c. Is it the name of the part? */
bool find_part(const struct table_pins *pins, struct pf_table_id id, struct pf_arena *arena, struct lake_table *lake);
/* The files of a table that a scan reads: pf_catalog_plan_files, or those of the part. */
enum pf_code plan_lake_files(struct pf_stack *stack, const struct lake_table *lake,
                             const struct pf_predicate *predicates, size_t predicate_count, struct pf_arena *arena,
                             struct pf_file_list *out_list, struct pf_error *err) PF_MUST_CHECK;

/* resolve_tables.c; `pins` may be NULL. Names that the catalog doesn't know are left to the binder. `all`: every table there is. */
enum pf_code resolve_tables(struct pf_stack *stack, const struct pf_statement *statement, bool all,
                            struct table_pins *pins, struct pf_arena *arena, struct lake_tables *out_tables,
                            struct pf_error *err) PF_MUST_CHECK;
enum pf_code define_planner_tables(struct pf_stack *stack, const struct lake_tables *tables, struct pf_error *err)
    PF_MUST_CHECK;
struct task_column;
struct task_column lake_column(const struct lake_table *lake, size_t at);
const struct lake_table *find_lake_table(const struct lake_tables *tables, pf_str scan_name);

/* ---- a query ---- */

enum explain_kind { EXPLAIN_NOT, EXPLAIN_PLAN, EXPLAIN_ANALYZE };

struct pf_query {
    struct pf_stack *stack;
    struct pf_arena *arena;
    struct running running;
    pf_str sql; /* without EXPLAIN */
    enum explain_kind explain;
    enum pf_route asked, route;
    struct lake_tables tables;
    const struct pf_column *column_names; /* as the user wrote them (route fleet) */
    size_t column_name_count;
    struct pf_session *session; /* of the local engine: streams the rows */
    struct pf_rows *rows;
    int64_t max_rows, row_count;
    bool is_spread;      /* has keys in Redis and files in the exchange */
    bool is_resumed;     /* taken over from another coordinator: its result is kept, nobody waits for it */
    int planned_workers; /* as the coordinator before planned; 0: as many as there are */
    struct run *run;     /* of the coordinator */
    int run_count;       /* a statement may run several SELECTs, one behind the other */
    const struct pf_fragment *last;
    size_t bound_input_count; /* of the last fragment, in the local exchange */
    bool last_is_counted;
    struct pf_written_file *written; /* by pf_query_write */
    size_t written_count;
    struct pf_column *columns;
    struct pf_query_stats stats; /* the query thread's own; copied to running.locked */
    bool is_over, is_select;
    struct table_pins pins;
    struct pf_statement bound;    /* of the statement, or of the SELECT inside of it */
    const struct pf_write *write; /* NULL: its rows are for the client */
    const char *result_format;    /* as in the options */
    bool refreshes_result;
    struct pf_repeatability verdict;
    pf_str result_hash, result_reason; /* one of them; keep_result.c */
    struct pf_result *kept_result;     /* the answer, if it was there */
    struct pf_cache_hold **holds;      /* what its statements here read */
    size_t hold_count, hold_capacity;
};

/* query.c: what a SELECT inside a statement needs as well. */
enum pf_code query_parse(struct pf_query *query, struct pf_error *err) PF_MUST_CHECK; /* query->sql into query->bound */
enum pf_code query_choose_route(struct pf_query *query, struct pf_error *err) PF_MUST_CHECK;
void query_close_rows(struct pf_query *query);
enum pf_code query_run(struct pf_query *query, struct pf_error *err)
    PF_MUST_CHECK; /* on its route; rows in query->rows */
enum pf_code query_take_chunk(struct pf_query *query, const struct pf_chunk **out_chunk, struct pf_error *err)
    PF_MUST_CHECK;

/* Lines become rows. */
enum pf_code query_show_lines(struct pf_query *query, pf_str text, struct pf_error *err) PF_MUST_CHECK;

/* local_views.c: the tables of the query as views of the local engine; what they need is fetched. */
enum pf_code define_local_views(struct pf_query *query, struct pf_error *err) PF_MUST_CHECK;
/* Number of the definition of a table's view; 0: there is none. With start_mutex. */
bool local_views_stayed(struct pf_query *query); /* nobody has defined them in another way since */
uint64_t local_view_change_locked(const struct pf_stack *stack, const struct lake_table *lake);

/* A name that the catalog does not know (any more): the engines forget the table, too. */
enum pf_code forget_views(struct pf_stack *stack, struct pf_table_id id, struct pf_error *err) PF_MUST_CHECK;

/* query.c: files for a statement here, held until its rows are closed. */
struct stage_message;
struct task_message;
struct task_files;
enum pf_code query_acquire_files(struct pf_query *query, const struct stage_message *stage,
                                 const struct task_message *task, struct task_files *out_files, struct pf_error *err)
    PF_MUST_CHECK;
void query_release_files(struct pf_query *query);
struct task_reads;
void query_add_reads(struct pf_query *query, const struct task_reads *reads);

/* coordinator.c: plans, runs all stages, and leaves the last fragment streaming in query->rows.
 * PF_UNSUPPORTED with `out_reason`: can't be spread, nothing was run. */
enum pf_code coordinate(struct pf_query *query, pf_str *out_reason, struct pf_error *err) PF_MUST_CHECK;
/* After the last fragment failed with `*err` before its first row: what it lost is made again and it starts anew. */
enum pf_code coordinate_again(struct pf_query *query, struct pf_error *err) PF_MUST_CHECK;
/* What the last fragment has read so far belongs to the query's stats. */
void coordinate_count_last(struct pf_query *query);
void coordinate_clean_up(struct pf_query *query, enum pf_code end_code); /* how the query ended */
int64_t coordinator_lease_ms(const struct pf_stack *stack);
struct pf_plan;
struct pf_planner_options;
enum pf_code make_plan(struct pf_query *query, struct pf_plan **out_plan, struct pf_error *err) PF_MUST_CHECK;
void planner_options(const struct pf_stack *stack, struct pf_planner_options *options);

/* scan_bytes.c: of the columns read in the files that are left after pruning. */
enum pf_code scan_bytes_of(struct pf_query *query, const struct pf_plan *plan, int64_t *out_bytes, struct pf_error *err)
    PF_MUST_CHECK;

/* explain.c: lines of text. The plan of route fleet without running it; of route local, DuckDB's own; what a query that
 * has run did. */
struct pf_buf;
enum pf_code explain_plan(struct pf_query *query, struct pf_buf *out, struct pf_error *err) PF_MUST_CHECK;
void explain_analyzed(const struct pf_query *query, struct pf_buf *out);

/* ---- the catalog function (catalog_function.c) ---- */

/* Starts it, and puts its URL in place of "function:<name>". */
enum pf_code catalog_function_start(struct pf_stack *stack, struct pf_catalog_remote_options *options,
                                    struct pf_error *err) PF_MUST_CHECK;

#endif
