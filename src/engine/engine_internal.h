/* SPDX-License-Identifier: MIT */
/* What the files of the engine share. Only this folder sees duckdb.h. */
#ifndef PF_ENGINE_ENGINE_INTERNAL_H
#define PF_ENGINE_ENGINE_INTERNAL_H

#include "base/buf.h"
#include "base/sql_tokens.h"
#include "engine/engine.h"

#include <duckdb.h>
#include <pthread.h>

struct planner_tables; /* tables.c */

struct pf_engine {
    struct pf_arena *arena; /* descriptions of registered functions */
    duckdb_database database;
    bool is_locked, is_planner;
    pthread_mutex_t range_join_mutex; /* held while a statement with an outer join is prepared: range_joins.c */
    struct {                          /* under `mutex`: our own connection, the tables and views it made */
        pthread_mutex_t mutex;
        duckdb_connection connection;
        struct planner_tables *tables;
        pf_str steady_functions; /* judge.c; empty until they are asked for */
    } locked;
};

struct pf_session {
    struct pf_engine *engine;
    duckdb_connection connection;
    struct pf_rows *rows;        /* open stream */
    _Atomic bool is_interrupted; /* by us, since the last statement began */
};

/* ---- errors (engine_error.c) ---- */

/* The one place where DuckDB's errors become ours: by the type its message starts with, or, if a callback of ours
 * raised it, by the code that engine_error_text put in. */
enum pf_code engine_error_from_text(const char *message, struct pf_error *err);
/* `err` as a message that engine_error_from_text reads back; for the set_error calls of the C API. */
void engine_error_text(const struct pf_error *err, char *text, size_t size_bytes);
enum { ENGINE_ERROR_TEXT_BYTES = 1200 };

/* ---- statements over the C API (session.c) ---- */

/* Runs statements on a connection, drops rows. */
enum pf_code connection_run(duckdb_connection connection, pf_str sql, struct pf_error *err) PF_MUST_CHECK;
/* Runs what is pending to its end, drops rows. */
enum pf_code pending_run(duckdb_pending_result pending, struct pf_error *err) PF_MUST_CHECK;
/* Calls SQL whose only parameter is a text and whose answer is one text. */
enum pf_code connection_ask(duckdb_connection connection, const char *sql, pf_str parameter, struct pf_arena *arena,
                            pf_str *out_text, struct pf_error *err) PF_MUST_CHECK;

/* What DuckDB's JSON functions answer when they fail: {"error":true,"error_type":...,"error_message":...}. */
struct engine_json_error {
    enum pf_code code;
    pf_str type, message;
};
enum pf_code engine_json_read_error(pf_str json, struct pf_arena *arena, struct engine_json_error *out_error,
                                    struct pf_error *err) PF_MUST_CHECK;

/* ---- text of SQL (scan_sql.c) ---- */

/* Statements separated by semicolons that have at least one token. */
int sql_count_statements(pf_str sql);
/* PF_DENIED for functions that get around the lock-down. */
enum pf_code sql_check_allowed(pf_str sql, struct pf_error *err) PF_MUST_CHECK;
/* "name" with quotes doubled. */
void sql_put_name(struct pf_buf *out, pf_str name);
void sql_put_string(struct pf_buf *out, pf_str text);

/* ---- range_joins.c ---- */

/* Around preparing a statement and making it pending: no IE join will keep rows without a partner. False: the statement
 * needs no such care. */
bool range_joins_begin_prepare(struct pf_session *session, pf_str sql);
void range_joins_end_prepare(struct pf_session *session, bool has_begun);

/* ---- types (types.c, type_text.c) ---- */

/* PF_UNSUPPORTED for types that can't cross (VARIANT). */
enum pf_code type_from_duckdb(duckdb_logical_type logical, struct pf_arena *arena, struct pf_type *out_type,
                              struct pf_error *err) PF_MUST_CHECK;
/* NULL if DuckDB can't make it; destroy with duckdb_destroy_logical_type. */
duckdb_logical_type type_to_duckdb(const struct pf_type *type);
/* Fills value_bytes, sql and, for MAP, the entries' type, from the other fields. */
void type_finish(struct pf_type *type, struct pf_arena *arena);
extern const struct pf_type type_of_tag; /* UTINYINT: the first child of a UNION's vector */

/* ---- vectors (vectors.c) ---- */

/* Makes children of `vec` for its type; once per result. */
void vec_prepare(struct pf_vec *vec, const struct pf_type *type, struct pf_arena *arena);
/* Points at the memory of `vector`; for each chunk. */
void vec_view(struct pf_vec *vec, duckdb_vector vector, uint64_t size);
void out_vec_prepare(struct pf_out_vec *vec, const struct pf_type *type, struct pf_arena *arena);
void out_vec_view(struct pf_out_vec *vec, duckdb_vector vector);

/* ---- printing (print_text.c, print_time.c, print_number.c, print_geometry.c) ---- */

void print_f64(double value, bool is_float, struct pf_buf *out);
void print_hugeint(__int128 value, struct pf_buf *out);
void print_uhugeint(unsigned __int128 value, struct pf_buf *out);
void print_decimal(__int128 value, int scale, struct pf_buf *out);
void print_bignum(pf_str bytes, struct pf_buf *out);
void print_date(int32_t days, struct pf_buf *out);
void print_time(int64_t units, int64_t units_per_second, struct pf_buf *out);
void print_time_tz(uint64_t bits, struct pf_buf *out);
/* `units_per_second`: 1, 1000, 1000000, 1000000000. `zone` is appended to finite ones. */
void print_timestamp(int64_t value, int64_t units_per_second, const char *zone, struct pf_buf *out);
void print_interval(int32_t months, int32_t days, int64_t micros, struct pf_buf *out);
void print_geometry(pf_str bytes, struct pf_buf *out);

/* ---- planner tables (tables.c) ---- */

enum pf_code tables_open(struct pf_engine *engine, struct pf_error *err) PF_MUST_CHECK;
struct planner_tables *tables_free(struct planner_tables *tables);

#endif
