/* SPDX-License-Identifier: MIT */
#ifndef PF_CATALOG_CATALOG_INTERNAL_H
#define PF_CATALOG_CATALOG_INTERNAL_H

#include "catalog/cache.h"
#include "catalog/catalog.h"
#include "catalog/remote.h"

#include <stdatomic.h>

struct pf_catalog {
    struct pf_store *store;
    struct pf_arena *arena;
    pf_str warehouse;
    pf_str *foreign_roots; /* without a slash at the end */
    size_t foreign_root_count;
    int reader_count;
    int64_t commit_wait_ms;
    struct cache *cache;
    struct pf_sync *pointers; /* NULL: they are in the store */
    struct remote *remote;    /* NULL: names are pointers in the store */
    _Atomic int64_t pointer_reads, object_reads, commit_retries;
};

/* ---- names (catalog.c) ---- */

/* Fills in the default namespace. PF_INVALID says what is wrong with the name. */
enum pf_code catalog_check_id(struct pf_table_id *id, struct pf_error *err) PF_MUST_CHECK;
pf_str catalog_full_name(struct pf_table_id id, struct pf_arena *arena);
/* The names of a namespace's parts: "a" or "a.b". PF_INVALID says what is wrong. */
enum pf_code catalog_check_space(pf_str space, struct pf_error *err) PF_MUST_CHECK;
/* The key of a namespace's folder, without a slash at the end. */
pf_str catalog_space_key(const struct pf_catalog *catalog, pf_str space, struct pf_arena *arena);
/* It was made for itself, or has tables or views right in it (namespaces.c). */
enum pf_code catalog_space_has_own(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena, bool *out_has,
                                   struct pf_error *err) PF_MUST_CHECK;
/* The key of the table's folder, without a slash at the end. */
pf_str catalog_table_key(const struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena);
/* The one table whose name differs in case only; PF_NOT_FOUND if there is none, PF_INVALID if several. */
enum pf_code catalog_find_nocase(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                 struct pf_table_id *out_id, struct pf_error *err) PF_MUST_CHECK;

/* PF_CONFLICT if a table or view has that name (tables.c). */
enum pf_code catalog_check_is_free(struct pf_catalog *catalog, struct pf_table_id id, struct pf_error *err)
    PF_MUST_CHECK;
/* The same for the new name of a table or view (rename.c). */
enum pf_code catalog_check_new_name(struct pf_catalog *catalog, struct pf_table_id from, struct pf_table_id to,
                                    struct pf_error *err) PF_MUST_CHECK;
/* A URI for a new table or view (tables.c). */
enum pf_code catalog_new_location(struct pf_catalog *catalog, struct pf_table_id id, pf_str uuid,
                                  struct pf_arena *arena, pf_str *out_location, struct pf_error *err) PF_MUST_CHECK;

/* ---- objects (objects.c) ---- */

/* Where a file of a table is: in the store (key, maybe a path too) or below a foreign root (path). PF_DENIED elsewhere. */
struct catalog_place {
    pf_str key, local_path;
};
enum pf_code catalog_locate(struct pf_catalog *catalog, pf_str uri, struct pf_arena *arena,
                            struct catalog_place *out_place, struct pf_error *err) PF_MUST_CHECK;

/* Its bytes as they are stored. */
enum pf_code catalog_read_object(struct pf_catalog *catalog, pf_str uri, struct pf_arena *arena, pf_str *out_bytes,
                                 struct pf_error *err) PF_MUST_CHECK;

/* Metadata that came with an answer, so that nobody reads it again. */
enum pf_code catalog_put_metadata(struct pf_catalog *catalog, pf_str path, pf_str json, struct pf_arena *arena,
                                  const struct pf_table_metadata **out_metadata, struct pf_error *err) PF_MUST_CHECK;
/* NULL: not in the cache. */
const struct pf_table_metadata *catalog_peek_metadata(struct pf_catalog *catalog, pf_str path, struct pf_arena *arena);
/* Decoded objects, from the cache or read; each is held until `arena` is freed. */
enum pf_code catalog_get_metadata(struct pf_catalog *catalog, pf_str path, struct pf_arena *arena,
                                  const struct pf_table_metadata **out_metadata, struct pf_error *err) PF_MUST_CHECK;
/* Of the table's snapshot; empty if it has none. */
enum pf_code catalog_get_manifest_list(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                       const struct pf_manifest_list **out_list, struct pf_error *err) PF_MUST_CHECK;
/* Which manifests, and which of their statistics: a manifest is decoded once for each set of columns that is asked for,
 * and fetched once. */
struct catalog_manifests_wanted {
    const struct pf_manifest_file *const *files; /* NULL: not wanted */
    size_t count;
    struct pf_manifest_columns data, deletes; /* of manifests of either content */
};
struct catalog_manifest {
    struct pf_manifest manifest;
    struct catalog_place *places;  /* of its files, those of deleted entries left empty */
    struct pf_error *place_errors; /* NULL: all were found; else by file, code PF_OK for those that were */
};
/* `out_manifests[i]` stays NULL for what is not wanted. Reads several at once (read_manifests.c). `out_read_count`:
 * fetched. */
enum pf_code catalog_get_manifests(struct pf_catalog *catalog, const struct pf_table *table,
                                   const struct catalog_manifests_wanted *wanted, struct pf_arena *arena,
                                   const struct catalog_manifest **out_manifests, int *out_read_count,
                                   struct pf_error *err) PF_MUST_CHECK;

/* ---- mutable objects (pointers.c): as their namesakes of store.h ---- */

enum pf_code pointers_get(struct pf_catalog *catalog, pf_str key, struct pf_arena *arena, pf_str *out_text,
                          pf_str *out_etag, struct pf_error *err) PF_MUST_CHECK;
enum pf_code pointers_put_if(struct pf_catalog *catalog, pf_str key, pf_str expected_etag, pf_str text,
                             struct pf_arena *arena, pf_str *out_etag, struct pf_error *err) PF_MUST_CHECK;
/* All or none; only in Redis. */
struct pointers_change {
    pf_str key, expected_etag, text;
};
enum pf_code pointers_put_all_if(struct pf_catalog *catalog, const struct pointers_change *changes, size_t count,
                                 struct pf_arena *arena, struct pf_error *err) PF_MUST_CHECK;
enum pf_code pointers_delete_if(struct pf_catalog *catalog, pf_str key, pf_str expected_etag, struct pf_arena *arena,
                                struct pf_error *err) PF_MUST_CHECK;
enum pf_code pointers_delete(struct pf_catalog *catalog, pf_str key, struct pf_arena *arena, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code pointers_exist(struct pf_catalog *catalog, pf_str key, bool *out_exists, struct pf_error *err)
    PF_MUST_CHECK;
/* The names of the folders right below `prefix`, which ends with a slash. */
enum pf_code pointers_list_folders(struct pf_catalog *catalog, pf_str prefix, struct pf_arena *arena,
                                   pf_str **out_names, size_t *out_count, struct pf_error *err) PF_MUST_CHECK;

/* ---- pointers of tables (pointer.c) ---- */

struct catalog_pointer {
    pf_str table_uuid, metadata_location, etag;
    pf_str moving_to; /* "namespace.table": a rename is under way (rename.c); empty: none */
};
/* PF_NOT_FOUND: there is no such table. */
enum pf_code catalog_read_pointer(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                  struct catalog_pointer *out_pointer, struct pf_error *err) PF_MUST_CHECK;
/* Moves it from `expected_etag` (empty: makes it). PF_CONFLICT as pf_store_put_if. */
enum pf_code catalog_move_pointer(struct pf_catalog *catalog, struct pf_table_id id, pf_str expected_etag,
                                  const struct pf_table_metadata *metadata, pf_str metadata_location,
                                  pf_str previous_location, struct pf_error *err) PF_MUST_CHECK;
/* Several at once, all or none: only where pointers are in Redis. */
struct catalog_move {
    const struct pf_table *base;
    const struct pf_table_metadata *next;
    pf_str metadata_location;
};
enum pf_code catalog_move_pointers(struct pf_catalog *catalog, const struct catalog_move *moves, size_t count,
                                   struct pf_error *err) PF_MUST_CHECK;
enum pf_code catalog_delete_pointer(struct pf_catalog *catalog, struct pf_table_id id, pf_str expected_etag,
                                    struct pf_error *err) PF_MUST_CHECK;
/* The same pointer, with another `moving_to`. */
enum pf_code catalog_mark_pointer(struct pf_catalog *catalog, struct pf_table_id id,
                                  const struct catalog_pointer *pointer, pf_str moving_to, struct pf_arena *arena,
                                  pf_str *out_etag, struct pf_error *err) PF_MUST_CHECK;
/* Ends a rename that was begun, by whomever. PF_CONFLICT: the new name was taken, the old one stays. */
enum pf_code catalog_finish_rename(struct pf_catalog *catalog, struct pf_table_id from,
                                   const struct catalog_pointer *pointer, struct pf_error *err) PF_MUST_CHECK;
pf_str catalog_pointer_key(const struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena);

/* ---- through another catalog (remote_catalog.c) ---- */

/* As catalog_read_pointer: `etag` is where the metadata is, which the cache has then. */
enum pf_code catalog_remote_pointer(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                    struct catalog_pointer *out_pointer, struct pf_error *err) PF_MUST_CHECK;
/* A new table with the schema and so on of `metadata`; `is_staged`: made by the first commit, if the catalog can. */
enum pf_code catalog_remote_create(struct pf_catalog *catalog, struct pf_table_id id,
                                   const struct pf_table_metadata *metadata, bool is_staged, struct pf_arena *arena,
                                   struct pf_table **out_table, struct pf_error *err) PF_MUST_CHECK;
/* As pf_catalog_create_table. */
enum pf_code catalog_remote_create_asked(struct pf_catalog *catalog, struct pf_table_id id, pf_json *request,
                                         struct pf_arena *arena, struct pf_table **out_table, struct pf_error *err)
    PF_MUST_CHECK;
/* As pf_catalog_change_table. */
enum pf_code catalog_remote_change(struct pf_catalog *catalog, const struct pf_table_change *change,
                                   struct pf_arena *arena, struct pf_table **out_table, struct pf_error *err)
    PF_MUST_CHECK;
/* Once; the outcomes are those of catalog_move_pointer. */
enum pf_code catalog_remote_move(struct pf_catalog *catalog, const struct pf_table *base,
                                 const struct pf_table_metadata *next, struct pf_error *err) PF_MUST_CHECK;

/* ---- commits (conflicts.c, commit.c) ---- */

/* PF_CONFLICT: what others did since `read` was the table's state makes the change wrong. */
enum pf_code catalog_check_conflicts(struct pf_catalog *catalog, const struct pf_table *read,
                                     const struct pf_table *now, const struct pf_rows_change *change,
                                     struct pf_arena *arena, struct pf_error *err) PF_MUST_CHECK;

/* Makes an object of a commit durable. PF_UNSUPPORTED if it lies outside the store. */
enum pf_code catalog_put_object(struct pf_catalog *catalog, const struct pf_table *table, pf_str path, pf_str bytes,
                                struct pf_error *err) PF_MUST_CHECK;
/* An object that nobody needs any more. */
void catalog_delete_quietly(struct pf_catalog *catalog, pf_str path);
/* Moves the pointer from `base` (etag empty: a new table) to the commit, whose objects are stored. PF_CONFLICT:
 * certainly lost; PF_REMOTE: the outcome is unknown. */
enum pf_code catalog_publish(struct pf_catalog *catalog, const struct pf_table *base, const struct pf_commit *commit,
                             struct pf_error *err) PF_MUST_CHECK;
/* Sleeps for a random time, longer with each try. */
void catalog_pause_before_retry(struct pf_catalog *catalog, int attempt);

#endif
