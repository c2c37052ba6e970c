/* SPDX-License-Identifier: MIT */
/* DuckDB, and the only module that knows it: instances, sessions, streamed rows, plans, functions of ours.
 *
 * Values cross this border as pf_vec: DuckDB's own vector memory seen through plain structs, so that other modules
 * read and write columns without duckdb.h.
 * Threads: an engine is shared; a session belongs to one thread at a time, but pf_session_interrupt may be called
 * from any. */
#ifndef PF_ENGINE_ENGINE_H
#define PF_ENGINE_ENGINE_H

#include "base/arena.h"

/* ---- types and vectors ---- */

/* name, SQL name, bytes per value in a vector (0: nested). DuckDB 1.5 logical types. */
#define PF_TYPES(X)                                                                                                    \
    X(INVALID, "INVALID", 0)                                                                                           \
    X(SQLNULL, "\"NULL\"", 4)                                                                                          \
    X(BOOLEAN, "BOOLEAN", 1)                                                                                           \
    X(TINYINT, "TINYINT", 1)                                                                                           \
    X(SMALLINT, "SMALLINT", 2)                                                                                         \
    X(INTEGER, "INTEGER", 4)                                                                                           \
    X(BIGINT, "BIGINT", 8)                                                                                             \
    X(HUGEINT, "HUGEINT", 16)                                                                                          \
    X(UTINYINT, "UTINYINT", 1)                                                                                         \
    X(USMALLINT, "USMALLINT", 2)                                                                                       \
    X(UINTEGER, "UINTEGER", 4)                                                                                         \
    X(UBIGINT, "UBIGINT", 8)                                                                                           \
    X(UHUGEINT, "UHUGEINT", 16)                                                                                        \
    X(FLOAT, "FLOAT", 4)                                                                                               \
    X(DOUBLE, "DOUBLE", 8)                                                                                             \
    X(DECIMAL, "DECIMAL", 0) /* 2, 4, 8 or 16 bytes by width */                                                        \
    X(VARCHAR, "VARCHAR", 16)                                                                                          \
    X(BLOB, "BLOB", 16)                                                                                                \
    X(BIT, "BIT", 16)                                                                                                  \
    X(BIGNUM, "BIGNUM", 16)                                                                                            \
    X(GEOMETRY, "GEOMETRY", 16)                                                                                        \
    X(DATE, "DATE", 4)                                                                                                 \
    X(TIME, "TIME", 8)                                                                                                 \
    X(TIME_NS, "TIME_NS", 8)                                                                                           \
    X(TIME_TZ, "TIMETZ", 8)                                                                                            \
    X(TIMESTAMP, "TIMESTAMP", 8)                                                                                       \
    X(TIMESTAMP_S, "TIMESTAMP_S", 8)                                                                                   \
    X(TIMESTAMP_MS, "TIMESTAMP_MS", 8)                                                                                 \
    X(TIMESTAMP_NS, "TIMESTAMP_NS", 8)                                                                                 \
    X(TIMESTAMP_TZ, "TIMESTAMPTZ", 8)                                                                                  \
    X(INTERVAL, "INTERVAL", 16)                                                                                        \
    X(UUID, "UUID", 16)                                                                                                \
    X(ENUM, "ENUM", 0) /* 1, 2 or 4 bytes by dictionary size */                                                        \
    X(LIST, "LIST", 0)                                                                                                 \
    X(ARRAY, "ARRAY", 0)                                                                                               \
    X(STRUCT, "STRUCT", 0)                                                                                             \
    X(MAP, "MAP", 0)                                                                                                   \
    X(UNION, "UNION", 0)

enum pf_type_id {
#define X(name, sql, width) PF_TYPE_##name,
    PF_TYPES(X)
#undef X
};

struct pf_type {
    enum pf_type_id id;
    uint8_t width, scale;           /* DECIMAL */
    uint8_t value_bytes;            /* of one value in a vector; 0 for nested */
    uint32_t child_count;           /* STRUCT, UNION: fields; LIST, ARRAY: 1; MAP: 2 (key, value) */
    const struct pf_type *children; /* MAP: behind its two lies the STRUCT of both, type of the entries' vector */
    const pf_str *names;            /* fields of STRUCT and UNION; entries of an ENUM (then value_count of them) */
    uint32_t value_count;           /* ENUM: entries; ARRAY: length */
    pf_str sql;                     /* as DuckDB reads it back, e.g. DECIMAL(15,2), STRUCT(a INTEGER, b VARCHAR[]) */
};

struct pf_column {
    pf_str name;
    const struct pf_type *type;
};

/* Reads a type as pf_type.sql prints it, and the usual aliases (INT, STRING, NUMERIC ...); pure. PF_INVALID if it
 * isn't one. */
enum pf_code pf_type_parse(pf_str sql, struct pf_arena *arena, const struct pf_type **out_type, struct pf_error *err)
    PF_MUST_CHECK;
bool pf_type_equal(const struct pf_type *a, const struct pf_type *b);

/* One string as DuckDB holds it: up to 12 bytes inline, else a prefix and a pointer. */
union pf_string {
    struct {
        uint32_t length;
        char inlined[12];
    } small;
    struct {
        uint32_t length;
        char prefix[4];
        char *ptr;
    } large;
};
static inline pf_str pf_string_view(const union pf_string *s) {
    return (pf_str){s->small.length <= 12 ? s->small.inlined : s->large.ptr, s->small.length};
}

struct pf_list_entry {
    uint64_t offset, length;
};

/* A view of one vector; valid until the chunk it came from is replaced.
 * LIST and MAP: data is pf_list_entry, children[0] the elements (MAP: a STRUCT of key and value); where every row is
 * NULL there are no elements to be seen.
 * ARRAY: children[0] holds rows * value_count elements. STRUCT: one child a field. UNION: children[0] is the tag
 * (UTINYINT), then the members. */
struct pf_vec {
    const struct pf_type *type;
    void *data;
    const uint64_t *validity; /* bit set = valid; NULL: all are */
    struct pf_vec *children;
    uint32_t child_count;
    uint64_t size; /* rows in this vector (for children: elements) */
};
static inline bool pf_vec_is_valid(const struct pf_vec *vec, uint64_t row) {
    return !vec->validity || (vec->validity[row >> 6] >> (row & 63) & 1);
}

struct pf_chunk {
    uint64_t row_count;
    uint32_t column_count;
    struct pf_vec *columns;
};

/* ---- instances and sessions ---- */

struct pf_engine;
struct pf_session;
struct pf_rows;

struct pf_engine_options {
    int threads;                /* 0: cores */
    int64_t memory_limit_bytes; /* 0: DuckDB's default */
    pf_str temp_directory;      /* spill; empty: none */
    const pf_str *allowed_directories;
    size_t allowed_directory_count; /* what SQL may read and write; ignored unless is_locked */
    bool keep_order;                /* preserve_insertion_order: true where users see the order, false on workers */
    bool is_locked;                 /* reference: no external access but the directories, no configuration change */
    bool is_planner;                /* lake_scan exists; the optimizers that plan JSON can't carry are switched off */
    pf_str memory_database;     /* a database of that name in memory, whose tables CHECKPOINT compresses; empty: none */
    pf_str disabled_optimizers; /* comma-separated; empty: of a planner those that plan JSON can't do with, else none */
};

enum pf_code pf_engine_open(const struct pf_engine_options *options, struct pf_engine **out_engine,
                            struct pf_error *err) PF_MUST_CHECK;
struct pf_engine *pf_engine_close(struct pf_engine *engine); /* NULL is fine; sessions must be closed before */
/* After an internal error DuckDB lets no statement of that database run any more: it must be opened anew. Asks it. */
bool pf_engine_is_broken(struct pf_engine *engine);
const char *pf_engine_version(void); /* "v1.5.5" */

enum pf_code pf_session_open(struct pf_engine *engine, struct pf_session **out_session, struct pf_error *err)
    PF_MUST_CHECK;
struct pf_session *pf_session_close(struct pf_session *session);

/* Runs one or more statements, drops their rows. */
enum pf_code pf_session_run(struct pf_session *session, pf_str sql, struct pf_error *err) PF_MUST_CHECK;
/* Runs one statement and streams its rows. The rows must be closed before the session is used again. */
enum pf_code pf_session_query(struct pf_session *session, pf_str sql, struct pf_rows **out_rows, struct pf_error *err)
    PF_MUST_CHECK;
/* Stops what the session does now: the call returns PF_CANCELLED. Any thread; harmless when nothing runs. */
void pf_session_interrupt(struct pf_session *session);
/* 0 to 1, negative when unknown. Any thread. */
double pf_session_progress(struct pf_session *session);

const struct pf_column *pf_rows_columns(struct pf_rows *rows, size_t *out_count);
/* `*out_chunk` NULL at the end; valid until the next call or close. */
enum pf_code pf_rows_next(struct pf_rows *rows, const struct pf_chunk **out_chunk, struct pf_error *err) PF_MUST_CHECK;
struct pf_rows *pf_rows_close(struct pf_rows *rows);

/* What a statement would return, without running it. */
enum pf_code pf_session_result_columns(struct pf_session *session, pf_str sql, struct pf_arena *arena,
                                       const struct pf_column **out_columns, size_t *out_count, struct pf_error *err)
    PF_MUST_CHECK;

/* The first value of the first row as text, for small questions; PF_NOT_FOUND without a row, empty for NULL. */
enum pf_code pf_session_scalar(struct pf_session *session, pf_str sql, struct pf_arena *arena, pf_str *out_text,
                               struct pf_error *err) PF_MUST_CHECK;

/* Text of one value as DuckDB casts it to VARCHAR (nested ones too); appended to `out`. */
struct pf_buf;
void pf_vec_print(const struct pf_vec *vec, uint64_t row, struct pf_buf *out);
/* JSON of one value: numbers as numbers (HUGEINT and DECIMAL too: exact digits), dates and the rest as strings,
 * nested as arrays and objects, NaN and infinities as strings, NULL as null. */
void pf_vec_print_json(const struct pf_vec *vec, uint64_t row, struct pf_buf *out);

/* ---- questions about statements ---- */

enum pf_statement_kind { PF_STATEMENT_SELECT, PF_STATEMENT_EXPLAIN, PF_STATEMENT_SHOW, PF_STATEMENT_OTHER };

struct pf_table_name {
    pf_str catalog, schema, name; /* empty where the statement gives none */
};

struct pf_statement {
    enum pf_statement_kind kind;
    pf_str kind_text;             /* "SELECT", "INSERT" ... for errors */
    struct pf_table_name *tables; /* base tables named anywhere in it; names of CTEs may be among them */
    size_t table_count;
    pf_str functions_text; /* comma-separated lower-case function names that occur */
    pf_str tree_json;      /* as DuckDB's parser has it; empty where JSON can't carry it */
};

/* Parses, binds nothing. PF_INVALID with DuckDB's message and position for a syntax error; PF_UNSUPPORTED for
 * several statements at once. */
enum pf_code pf_session_parse(struct pf_session *session, pf_str sql, struct pf_arena *arena,
                              struct pf_statement *out_statement, struct pf_error *err) PF_MUST_CHECK;

/* Whether a statement gives the same rows again as long as its tables stay as they are. */
struct pf_repeatability {
    pf_str reason;      /* why it may not; empty: it does */
    pf_str fingerprint; /* the same for texts that differ in blanks and comments only */
    pf_str *cte_names;  /* WITH names them: they need not be tables */
    size_t cte_count;
};
/* Binds nothing: says no where it can't tell. Not about names that are no tables of ours. */
enum pf_code pf_session_judge(struct pf_session *session, const struct pf_statement *statement, struct pf_arena *arena,
                              struct pf_repeatability *out_verdict, struct pf_error *err) PF_MUST_CHECK;

/* A table with AT (VERSION => …) or AT (TIMESTAMP => …): bytes of the statement. */
struct pf_time_travel {
    struct pf_table_name table;
    bool has_alias, is_timestamp;
    size_t name_from, name_to; /* the name */
    size_t at_from, at_to;     /* the clause, behind name and alias */
    pf_str expression;         /* without columns and subqueries */
};
/* All of a SELECT; none in other statements. PF_INVALID for an expression that isn't constant. */
enum pf_code pf_session_time_travel(struct pf_session *session, pf_str sql, struct pf_arena *arena,
                                    struct pf_time_travel **out_points, size_t *out_count, struct pf_error *err)
    PF_MUST_CHECK;

/* Where `sql` says schema.name, it says catalog.schema.name then. */
pf_str pf_sql_qualify(pf_str sql, pf_str schema, pf_str name, pf_str catalog, struct pf_arena *arena);

/* A table for planning: bound through lake_scan(name), never read. */
struct pf_table_shape {
    pf_str schema, name; /* view schema.name */
    pf_str scan_name;    /* the parameter of lake_scan in the plan, e.g. main.orders@1234 */
    const pf_str *column_names;
    const pf_str *column_types; /* SQL */
    size_t column_count;
    int64_t row_count;
};
/* Makes or replaces the view; cheap when scan_name is as before. Only on an engine opened with is_planner. */
enum pf_code pf_engine_define_table(struct pf_engine *engine, const struct pf_table_shape *shape, struct pf_error *err)
    PF_MUST_CHECK;
/* A view schema.name over any SELECT (local execution over read_parquet). Cheap when `select_sql` is as before. */
enum pf_code pf_engine_define_view(struct pf_engine *engine, pf_str schema, pf_str name, pf_str select_sql,
                                   struct pf_error *err) PF_MUST_CHECK;

/* The view of a table that is gone, made by either of the calls above. Fine if there is none. */
enum pf_code pf_engine_drop_view(struct pf_engine *engine, pf_str schema, pf_str name, struct pf_error *err)
    PF_MUST_CHECK;

struct pf_plan_texts {
    pf_str plan_json;      /* json_serialize_plan: {"plans":[...]} */
    pf_str estimates_json; /* EXPLAIN (FORMAT json) of the logical optimised plan; empty if it can't be had */
};
/* PF_INVALID with DuckDB's message (unknown table or column, type error). PF_UNSUPPORTED when DuckDB can't
 * serialise the plan: the query then runs in one place. Time limit by pf_session_interrupt. */
enum pf_code pf_session_plan(struct pf_session *session, pf_str sql, struct pf_arena *arena,
                             struct pf_plan_texts *out_texts, struct pf_error *err) PF_MUST_CHECK;

/* ---- functions of ours inside DuckDB ---- */

/* COPY (SELECT ...) TO 'path' (FORMAT name, option value, ..., PER_THREAD_OUTPUT): one sink a thread.
 * DuckDB does not tell the names of the columns: they are empty. The callbacks run on DuckDB's threads; `sink` is used
 * by one thread at a time. */
struct pf_copy_option {
    pf_str name, value; /* lower-case name, value as text */
};
struct pf_copy_bind {
    const struct pf_column *columns;
    size_t column_count;
    const struct pf_copy_option *options;
    size_t option_count;
};
struct pf_copy_function {
    const char *name;
    void *context; /* outlives the engine */
    enum pf_code (*bind)(void *context, const struct pf_copy_bind *bind, struct pf_arena *arena, void **out_plan,
                         struct pf_error *err);
    enum pf_code (*open)(void *context, void *plan, pf_str path, void **out_sink, struct pf_error *err);
    enum pf_code (*write)(void *sink, const struct pf_chunk *chunk, struct pf_error *err);
    enum pf_code (*finish)(void *sink, struct pf_error *err); /* frees the sink too */
    void (*abandon)(void *sink);                              /* instead of finish, when the statement failed */
};
enum pf_code pf_engine_register_copy(struct pf_engine *engine, const struct pf_copy_function *function,
                                     struct pf_error *err) PF_MUST_CHECK;

/* SELECT ... FROM name('text', ...): all parameters are VARCHAR. */
struct pf_scan_bind {
    const struct pf_column *columns;
    size_t column_count;
    int64_t row_count; /* estimate; negative: unknown */
    int max_threads;
};
struct pf_scan_out; /* where a scan puts its rows; see below */
struct pf_table_function {
    const char *name;
    int parameter_count;
    void *context;
    /* Columns live in `arena`, which lives as long as the statement. */
    enum pf_code (*bind)(void *context, const pf_str *parameters, struct pf_arena *arena, struct pf_scan_bind *out_bind,
                         void **out_plan, struct pf_error *err);
    /* Per thread. `projection` lists the wanted columns, by position in the bind. */
    enum pf_code (*open)(void *context, void *plan, const uint32_t *projection, size_t projection_count,
                         void **out_scan, struct pf_error *err);
    /* Fills up to `capacity` rows and sets out->row_count; 0 ends this thread's scan. */
    enum pf_code (*read)(void *scan, struct pf_scan_out *out, struct pf_error *err);
    void (*close)(void *scan);
    /* Optional, both or none: what the threads of one execution share; a plan may be executed several times (in a
     * recursive query). With them `open` gets the run in place of the plan. */
    enum pf_code (*start)(void *context, void *plan, void **out_run, struct pf_error *err);
    void (*stop)(void *run);
};
/* Writable vectors of the output chunk, one a projected column. Strings may point into memory that stays valid
 * until the statement ends. */
struct pf_scan_out {
    uint64_t capacity, row_count;
    uint32_t column_count;
    struct pf_out_vec *columns;
};
struct pf_out_vec {
    const struct pf_type *type;
    void *data;
    uint64_t *validity; /* NULL until pf_out_vec_validity */
    struct pf_out_vec *children;
    uint32_t child_count;
    void *handle;
};
uint64_t *pf_out_vec_validity(struct pf_out_vec *vec); /* all valid at first */
/* LIST and MAP: room for `size` child elements and that size set; children[0] pointers are valid afterwards. */
enum pf_code pf_out_vec_resize_list(struct pf_out_vec *vec, uint64_t size, struct pf_error *err) PF_MUST_CHECK;

enum pf_code pf_engine_register_scan(struct pf_engine *engine, const struct pf_table_function *function,
                                     struct pf_error *err) PF_MUST_CHECK;

/* A hash in SQL: name(BLOB), name(BIGINT) over eight bytes, little end first, and name(HUGEINT) over the fewest bytes, big end
 * first. NULL of NULL. */
struct pf_hash_function {
    const char *name;
    uint32_t (*hash)(pf_str bytes);
};
enum pf_code pf_engine_register_hash(struct pf_engine *engine, const struct pf_hash_function *function,
                                     struct pf_error *err) PF_MUST_CHECK;

/* A condition on two numbers of a row: SELECT ... WHERE name('constant text', a, b), a and b BIGINT and never NULL. */
struct pf_filter_io;
struct pf_row_filter {
    const char *name;
    void *context; /* outlives the engine */
    /* Per thread, before its first rows; `io` is valid during the call only. */
    enum pf_code (*open)(void *context, struct pf_filter_io *io, pf_str parameter, void **out_filter,
                         struct pf_error *err);
    void (*test)(void *filter, const int64_t *a, const int64_t *b, uint64_t count, bool *out_results);
    void (*close)(void *filter);
};
enum pf_code pf_engine_register_filter(struct pf_engine *engine, const struct pf_row_filter *function,
                                       struct pf_error *err) PF_MUST_CHECK;
/* For `open`: the engine, of which it may open a session, and bytes of a file that SQL may read. */
struct pf_engine *pf_filter_io_engine(struct pf_filter_io *io);
enum pf_code pf_filter_io_read(struct pf_filter_io *io, pf_str path, int64_t offset, size_t size_bytes,
                               struct pf_arena *arena, pf_str *out_bytes, struct pf_error *err) PF_MUST_CHECK;

#endif
