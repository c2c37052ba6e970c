/* SPDX-License-Identifier: MIT */
/* DuckDB writes Parquet files and says with RETURN_STATS what is in them: in a load, in a statement here, in a task on
 * a worker. */
#ifndef PF_QUERY_DATA_FILES_H
#define PF_QUERY_DATA_FILES_H

#include "query/query.h"

struct data_files {
    struct pf_written_file *items;
    size_t count, capacity;
    size_t partition_count; /* values of each */
};

struct data_copy {
    struct pf_session *session;
    const struct pf_write *write; /* columns_sql empty: the columns of the source as they are */
    pf_str source_sql;            /* a SELECT */
    pf_str directory;             /* local, where the files go */
    pf_str file_prefix;           /* of their names */
};
/* Files that have no rows are removed again. The paths are DuckDB's. */
enum pf_code data_files_copy(const struct data_copy *copy, struct pf_arena *arena, struct data_files *out_files,
                             struct pf_error *err) PF_MUST_CHECK;
/* The SELECT that is copied, for EXPLAIN. */
pf_str data_files_select_sql(const struct pf_write *write, pf_str source_sql, struct pf_arena *arena);

/* Paths become URIs, and the files durable. `scratch` (empty: the files lie in the store): the folder they were written
 * to; they become objects "<key_folder>/<name>", or spread below it (pf_iceberg_spread_name), and go from there. */
struct data_publication {
    struct pf_store *store;
    pf_str scratch, key_folder;
    bool is_spread;
};
enum pf_code data_files_publish(const struct data_publication *publication, struct data_files *files,
                                struct pf_arena *arena, struct pf_error *err) PF_MUST_CHECK;
/* Removes those that are objects of the store, when nobody will refer to them. */
enum pf_code data_files_remove(struct pf_store *store, const struct data_files *files, struct pf_error *err)
    PF_MUST_CHECK;

/* iceberg_murmur3 of what is written: what the transform bucket is made of. */
enum pf_code data_files_register(struct pf_engine *engine, struct pf_error *err) PF_MUST_CHECK;

/* The part of a prefix of keys before its last slash. */
pf_str data_files_folder(pf_str prefix);
/* Where a statement of `id` writes before it publishes: the store's own folder for `key_folder`; where the store has
 * none, a folder below `local` that is made, and that the caller removes: `*out_is_scratch`. */
enum pf_code data_files_directory(struct pf_store *store, pf_str key_folder, pf_str local, pf_str id,
                                  struct pf_arena *arena, pf_str *out_directory, bool *out_is_scratch,
                                  struct pf_error *err) PF_MUST_CHECK;

#endif
