/* SPDX-License-Identifier: MIT */
/* Files into an Iceberg table, in one commit.
 *
 *   inputs -> DESCRIBE -> table (loaded or staged) -> SELECT with casts -> COPY into its data folder -> append
 *
 * Nobody sees the table change before all files are written; when anything fails they are removed again. */
#ifndef PF_QUERY_LOAD_H
#define PF_QUERY_LOAD_H

#include "catalog/catalog.h"
#include "query/data_files.h"

struct load_env {
    struct pf_store *store;
    struct pf_catalog *catalog;
    int threads;                /* 0: cores */
    int64_t memory_limit_bytes; /* 0: DuckDB's default */
    pf_str temp_directory;      /* spill, and files on their way to a store without a folder; empty: no spill */
    bool spreads_files;         /* where the table's properties say nothing */
    const struct pf_mark *mark; /* NULL: none; the table must be there, see pf_catalog_append_marked */
};

/* options->on_progress is called from another thread while files are written, once more from this one at the end. */
enum pf_code load_files(const struct load_env *env, const struct pf_load_options *options,
                        struct pf_load_result *out_result, struct pf_error *err) PF_MUST_CHECK;

/* ---- what the files of load share ---- */

enum load_format { LOAD_PARQUET, LOAD_CSV, LOAD_JSON };

struct load_input {
    enum load_format format;
    const pf_str *paths; /* patterns not expanded */
    size_t path_count;
    int64_t size_bytes; /* of the files, as far as known */
};
/* Checks the paths and finds the format (load_input.c). */
enum pf_code load_read_input(const struct pf_load_options *options, struct pf_arena *arena,
                             struct load_input *out_input, struct pf_error *err) PF_MUST_CHECK;
/* read_parquet([...]) and the like. `columns`: the types that a text format is to be read as; NULL: it guesses. */
pf_str load_reader_sql(const struct load_input *input, const struct pf_sql_column *columns, size_t column_count,
                       struct pf_arena *arena);

/* load_schema.c */
struct load_columns {
    struct pf_sql_column *items;
    size_t count;
};
/* The columns that a text format is read as, so that they become those of the schema: known names get its types. */
enum pf_code load_wish_columns(const struct load_columns *found, const struct pf_iceberg_schema *schema,
                               struct pf_arena *arena, struct load_columns *out_columns, struct pf_error *err)
    PF_MUST_CHECK;
/* SELECT that gives the columns of the schema, in order and type. PF_INVALID, naming the column, if they don't fit. */
enum pf_code load_select_sql(const struct load_columns *found, const struct pf_iceberg_schema *schema,
                             pf_str table_name, pf_str reader_sql, struct pf_arena *arena, pf_str *out_sql,
                             struct pf_error *err) PF_MUST_CHECK;

/* load_write.c */
struct load_write {
    struct pf_session *session;
    const struct pf_table *table;
    pf_str select_sql;
    pf_str directory;                       /* where the files go */
    pf_str file_prefix;                     /* of their names */
    int64_t file_size_bytes, expected_rows; /* 0 rows: unknown */
    void (*on_progress)(void *context, double share, int64_t rows);
    void *context;
};
/* The paths are DuckDB's. */
enum pf_code load_write_files(const struct load_write *write, struct pf_arena *arena, struct data_files *out_files,
                              struct pf_error *err) PF_MUST_CHECK;
/* Binary values at the top level. Bloom filters serve `column = constant`; DuckDB 1.5 asks those of a BLOB for the
 * constant's text, in which bytes beyond ASCII are escaped, and skips row groups that have the value. Writing them is
 * all columns or none. */
bool load_has_blobs(const struct pf_iceberg_schema *schema);

#endif
