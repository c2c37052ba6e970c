/* SPDX-License-Identifier: MIT */
/* Tables by name: where their metadata is, which files a scan reads, and how a table changes.
 *
 * A table is <warehouse>/<namespace>/<table>/ in a store. Its pointer, metadata/pointer.json, names the current
 * metadata; a commit stores new objects, then moves the pointer if nobody else did (docs/formats/catalog.md).
 * Metadata, manifest lists and manifests are immutable: decoded ones are cached by path, so a table that did not
 * change costs one read of its pointer.
 * Errors name the table and the object. PF_CORRUPT: an object is not what it should be. PF_NOT_FOUND: no such table,
 * or an object of it is missing (the message says which).
 * Threads: a catalog may be shared; calls block on the store. */
#ifndef PF_CATALOG_CATALOG_H
#define PF_CATALOG_CATALOG_H

#include "iceberg/iceberg.h"

struct pf_catalog;
struct pf_store;
struct pf_sync;

/* Another catalog that speaks Iceberg's REST protocol, instead of pointers in the store. Who we are: a token, or client
 * id and secret of OAuth2, or the AWS credentials chain (a signing service), or nobody. */
struct pf_catalog_remote_options {
    pf_str url;        /* "https://host/path", without /v1; empty: none */
    pf_str warehouse;  /* what /v1/config is asked for; may be empty */
    pf_str token;      /* a bearer token */
    pf_str credential; /* "client-id:secret" */
    pf_str scope;      /* empty: "catalog" */
    pf_str oauth_url;  /* where tokens are; empty: as the catalog says, else <url>/v1/oauth/tokens */
    pf_str signing_service, signing_region; /* "glue", "s3tables", "lambda", "execute-api"; region empty: the chain's */
    pf_str ca_path;                         /* PEM; empty: the system's */
};

struct pf_catalog_options {
    pf_str warehouse;            /* prefix of keys without a slash at the end; empty: the root of the store */
    int64_t cache_bytes;         /* decoded metadata and manifests; 0: 256 MiB */
    int reader_count;            /* manifests that one plan reads at once; 0: 8 */
    const pf_str *foreign_roots; /* absolute directories outside the store whose files registered tables may have */
    size_t foreign_root_count;
    int64_t commit_wait_ms; /* how long a commit competes with others; 0: 60 s, then PF_CONFLICT */
    struct pf_catalog_remote_options remote;
    struct pf_sync *pointers; /* keep them in this Redis, which must outlive the catalog; NULL: in the store */
};

/* `options` may be NULL. The store must outlive the catalog. */
enum pf_code pf_catalog_open(struct pf_store *store, const struct pf_catalog_options *options,
                             struct pf_catalog **out_catalog, struct pf_error *err) PF_MUST_CHECK;
/* NULL is fine. Tables and file lists may outlive it, in their arenas. */
struct pf_catalog *pf_catalog_close(struct pf_catalog *catalog);

/* ---- names ---- */

#define PF_DEFAULT_NAMESPACE PF_STR("main")

struct pf_table_id {
    pf_str space, name; /* empty `space`: main */
};
/* "name" or "namespace.name"; PF_INVALID says what is wrong with it. */
enum pf_code pf_table_id_parse(pf_str text, struct pf_table_id *out_id, struct pf_error *err) PF_MUST_CHECK;

/* Sorted; main is always among them. */
enum pf_code pf_catalog_list_namespaces(struct pf_catalog *catalog, struct pf_arena *arena, pf_str **out_names,
                                        size_t *out_count, struct pf_error *err) PF_MUST_CHECK;
/* Sorted; an unknown namespace has no tables. */
enum pf_code pf_catalog_list_tables(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena,
                                    pf_str **out_names, size_t *out_count, struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_catalog_exists(struct pf_catalog *catalog, struct pf_table_id id, bool *out_exists,
                               struct pf_error *err) PF_MUST_CHECK;

/* ---- namespaces ---- */

/* A namespace may have levels: "a.b" lies below "a". */
enum pf_code pf_catalog_namespace_exists(struct pf_catalog *catalog, pf_str space, bool *out_exists,
                                         struct pf_error *err) PF_MUST_CHECK;
/* PF_CONFLICT if it is there. */
enum pf_code pf_catalog_create_namespace(struct pf_catalog *catalog, pf_str space, const struct pf_property *properties,
                                         size_t count, struct pf_error *err) PF_MUST_CHECK;
/* PF_NOT_FOUND; PF_CONFLICT if there is something in it. */
enum pf_code pf_catalog_drop_namespace(struct pf_catalog *catalog, pf_str space, struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_catalog_get_properties(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena,
                                       struct pf_property **out_properties, size_t *out_count, struct pf_error *err)
    PF_MUST_CHECK;
struct pf_property_change {
    const pf_str *removals;
    size_t removal_count;
    const struct pf_property *updates;
    size_t update_count;
};
/* All at once. `out_removed[i]`: removal i was there. */
enum pf_code pf_catalog_change_properties(struct pf_catalog *catalog, pf_str space,
                                          const struct pf_property_change *change, bool *out_removed,
                                          struct pf_error *err) PF_MUST_CHECK;

/* ---- reading ---- */

/* One state of a table. Lives as long as the arena it was loaded into; read-only. */
struct pf_table {
    struct pf_table_id id; /* as the catalog spells it */
    pf_str full_name;      /* "main.orders" */
    pf_str metadata_path;  /* URI; empty: staged, not in the catalog yet */
    pf_str pointer_etag;   /* of the pointer that was read */
    const struct pf_table_metadata *metadata;
    const struct pf_snapshot *snapshot;     /* that scans read; NULL: the table is empty */
    const struct pf_iceberg_schema *schema; /* of that snapshot */
};

/* The current state. A name that isn't there as it is spelled is looked for without regard to case. */
enum pf_code pf_catalog_load(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                             struct pf_table **out_table, struct pf_error *err) PF_MUST_CHECK;
/* The same, without looking for other spellings. */
enum pf_code pf_catalog_load_exact(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                   struct pf_table **out_table, struct pf_error *err) PF_MUST_CHECK;
/* Only where its metadata is: metadata_path of the current state, another one after each commit. Reads the pointer, looks
 * for no other spellings. */
enum pf_code pf_catalog_find_metadata(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                      pf_str *out_path, struct pf_error *err) PF_MUST_CHECK;
/* The table's metadata as its writer wrote it, read from the store. PF_NOT_FOUND if the file is gone. */
enum pf_code pf_catalog_read_metadata(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                      pf_str *out_json, struct pf_error *err) PF_MUST_CHECK;
/* The table as of another snapshot. PF_NOT_FOUND if it has none such. */
enum pf_code pf_table_at_snapshot(const struct pf_table *table, int64_t snapshot_id, struct pf_arena *arena,
                                  struct pf_table **out_table, struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_table_at_time(const struct pf_table *table, int64_t timestamp_ms, struct pf_arena *arena,
                              struct pf_table **out_table, struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_table_at_ref(const struct pf_table *table, pf_str ref, struct pf_arena *arena,
                             struct pf_table **out_table, struct pf_error *err) PF_MUST_CHECK;

/* Of the table's snapshot, nothing pruned. Cheap: the snapshot's summary, else the manifest list. */
struct pf_table_totals {
    int64_t row_count, size_bytes, file_count;
    bool is_exact; /* rows are counted, not estimated, and there are no row-level deletes */
};
enum pf_code pf_catalog_totals(struct pf_catalog *catalog, const struct pf_table *table,
                               struct pf_table_totals *out_totals, struct pf_error *err) PF_MUST_CHECK;

struct pf_scan_file {
    pf_str path;       /* as the manifest has it: a URI */
    pf_str key;        /* in the store; empty: outside of it */
    pf_str local_path; /* absolute; empty where there is none */
    int64_t size_bytes, row_count;
    const struct pf_data_file
        *entry;              /* partition, split offsets; statistics of the columns that predicates are about */
    const uint32_t *deletes; /* that apply to it: positions in the list's `deletes`, ascending */
    size_t delete_count;
    int scope; /* see pf_delete_index_scope */
};
struct pf_delete_file {
    pf_str path, key, local_path; /* as of a scan file */
    const struct pf_data_file *entry;
    int scope;
};
struct pf_file_list {
    struct pf_scan_file *files; /* in the order of the manifests */
    size_t count;
    struct pf_delete_file *deletes; /* those that apply to some of `files`, and perhaps others */
    size_t delete_count;
    int64_t row_count, size_bytes; /* sums over `files`, deleted rows included */
    int64_t skipped_file_count;    /* pruned by statistics or partition, in manifests that were read */
    int manifest_count, skipped_manifest_count, read_manifest_count; /* read: not from the cache */
};
/* The files that may have rows for which all predicates hold, each with the delete files that apply to it.
 * PF_UNSUPPORTED for files in other formats and the like (pf_data_file_check). PF_DENIED for files outside the store and
 * the foreign roots. */
enum pf_code pf_catalog_plan_files(struct pf_catalog *catalog, const struct pf_table *table,
                                   const struct pf_predicate *predicates, size_t predicate_count,
                                   struct pf_arena *arena, struct pf_file_list *out_list, struct pf_error *err)
    PF_MUST_CHECK;

/* Where a file of a table is: key and path are empty where it has none (struct pf_scan_file). */
enum pf_code pf_catalog_locate(struct pf_catalog *catalog, pf_str uri, struct pf_arena *arena, pf_str *out_key,
                               pf_str *out_local_path, struct pf_error *err) PF_MUST_CHECK;

/* The same for an expression of the REST protocol; entries have the statistics of these columns too. */
enum pf_code pf_catalog_plan_filtered(struct pf_catalog *catalog, const struct pf_table *table,
                                      const struct pf_filter *filter, const int *stats_ids, size_t stats_count,
                                      struct pf_arena *arena, struct pf_file_list *out_list, struct pf_error *err)
    PF_MUST_CHECK;

/* Of the table's snapshot: all manifests, and their contents in the same order. Empty if it has none. */
enum pf_code pf_catalog_manifest_list(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                      const struct pf_manifest_list **out_list, struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_catalog_manifests(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                  const struct pf_manifest *const **out_manifests, size_t *out_count,
                                  struct pf_error *err) PF_MUST_CHECK;

/* Local directories, with a slash at the end, in which the files of this table lie: for the engine's allow-list.
 * pf_catalog_directories: those of all tables (the store and the foreign roots). */
enum pf_code pf_table_directories(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                  pf_str **out_directories, size_t *out_count, struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_catalog_directories(struct pf_catalog *catalog, struct pf_arena *arena, pf_str **out_directories,
                                    size_t *out_count, struct pf_error *err) PF_MUST_CHECK;

/* ---- changing ---- */

struct pf_table_spec {
    struct pf_table_id id;
    const struct pf_iceberg_schema *schema; /* with ids: pf_iceberg_schema_from_sql */
    int last_column_id;
    const struct pf_partition_spec *partition; /* NULL: not partitioned */
    const struct pf_property *properties;
    size_t property_count;
};
/* A table that isn't in the catalog yet: its location and metadata are set, pf_catalog_append creates it together
 * with its first files. Stores nothing. PF_CONFLICT if there is a table of that name (in any case of letters). */
enum pf_code pf_catalog_stage(struct pf_catalog *catalog, const struct pf_table_spec *spec, struct pf_arena *arena,
                              struct pf_table **out_table, struct pf_error *err) PF_MUST_CHECK;
/* A staged table without files. `out_table` may be NULL. */
enum pf_code pf_catalog_create_staged(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                      struct pf_table **out_table, struct pf_error *err) PF_MUST_CHECK;
/* An empty table. `out_table` may be NULL. */
enum pf_code pf_catalog_create(struct pf_catalog *catalog, const struct pf_table_spec *spec, struct pf_arena *arena,
                               struct pf_table **out_table, struct pf_error *err) PF_MUST_CHECK;

/* Adds files, all or none. `files` have path (a URI below the table's data folder), size_bytes, record_count, format,
 * columns; they are durable already. Another commit meanwhile is no conflict: the files are added behind it. PF_CONFLICT if the
 * table is not the one loaded any more (dropped, made anew, other schema or spec), or if too many others commit.
 * PF_REMOTE with "unknown" in the message: the files may or may not be in the table, and must be kept. After any other
 * failure they are not in it. `out_table` (may be NULL) is the table after the commit. */
enum pf_code pf_catalog_append(struct pf_catalog *catalog, const struct pf_table *table,
                               const struct pf_data_file *files, size_t file_count, struct pf_arena *arena,
                               struct pf_table **out_table, struct pf_error *err) PF_MUST_CHECK;
/* How far a source has been read, kept in the summaries of snapshots: with it the files of the source get into the table
 * once, however often and by how many that is tried. */
struct pf_mark {
    pf_str name;          /* a property of the summary */
    pf_str before, after; /* empty `before`: there was none */
    bool is_unique;       /* instead of `before`: no snapshot that the table has may bear `after` */
};
/* The snapshot that bears this value of the mark; NULL if the table has none (any more). */
const struct pf_snapshot *pf_table_find_mark(const struct pf_table *table, pf_str name, pf_str value);
/* The value of the mark in the latest snapshot that has one; empty if there is none. */
pf_str pf_table_mark(const struct pf_table *table, pf_str name);
/* Forgets snapshots of a table that is only appended to, and deletes the objects that they alone had. Kept are those
 * younger than `keep_ms`, the newest `keep_count`, and all back to the latest value of each mark whose name begins with
 * `mark_prefix`. Nothing is done for fewer than `least_count`, on a history with other operations or branches, and where
 * the catalog is elsewhere. Readers of a snapshot must be done with it by then. */
struct pf_expire_options {
    int64_t keep_ms;
    size_t keep_count, least_count;
    pf_str mark_prefix;
};
enum pf_code pf_catalog_expire_history(struct pf_catalog *catalog, struct pf_table_id id,
                                       const struct pf_expire_options *options, size_t *out_count, struct pf_error *err)
    PF_MUST_CHECK;
/* pf_catalog_append, but only if the mark is `before` (a staged table has none), else PF_CONFLICT; it is `after` then. */
enum pf_code pf_catalog_append_marked(struct pf_catalog *catalog, const struct pf_table *table,
                                      const struct pf_data_file *files, size_t file_count, const struct pf_mark *mark,
                                      struct pf_arena *arena, struct pf_table **out_table, struct pf_error *err)
    PF_MUST_CHECK;
/* The same, and all files that were there go. */
enum pf_code pf_catalog_replace(struct pf_catalog *catalog, const struct pf_table *table,
                                const struct pf_data_file *files, size_t file_count, struct pf_arena *arena,
                                struct pf_table **out_table, struct pf_error *err) PF_MUST_CHECK;

/* What follows from rows that a statement found: files that come and files that go. */
struct pf_rows_change {
    const struct pf_data_file *added; /* data and delete files with spec_id and partition; durable already */
    size_t added_count;
    const struct pf_data_file *removed; /* live entries of the state that was read, delete files too */
    size_t removed_count;
    bool is_rewrite;              /* as in pf_change */
    int64_t data_sequence_number; /* likewise */
    /* Which commits of others are conflicts (conflicts.c has Iceberg's names). */
    const pf_str *needed_files; /* paths of data files with rows that added delete files delete */
    size_t needed_count;
    bool minds_deleted_files; /* a needed file that was deleted: the change brings its rows back elsewhere */
    bool minds_new_deletes;   /* rows that were looked at and are deleted by now */
    bool minds_new_data;      /* new rows that would have been looked at: serializable isolation */
    const struct pf_predicate *predicates; /* what was looked at; none: all */
    size_t predicate_count;
    const struct pf_property *summary; /* more for the snapshot's summary */
    size_t summary_count;
    const struct pf_mark *mark; /* as in pf_catalog_append_marked; NULL: none */
};
/* Commits it behind whatever others committed meanwhile, if that is no conflict. `table` is the state that was read.
 * Codes as of pf_catalog_append; PF_CONFLICT also for what the rules above forbid: then the statement may be run anew
 * on the table as it is. */
enum pf_code pf_catalog_change_rows(struct pf_catalog *catalog, const struct pf_table *table,
                                    const struct pf_rows_change *change, struct pf_arena *arena,
                                    struct pf_table **out_table, struct pf_error *err) PF_MUST_CHECK;

/* Where the next data files of the table go: keys "<prefix>/<anything>". PF_UNSUPPORTED if that lies outside the
 * store (a registered table is read-only then). */
enum pf_code pf_table_data_prefix(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                  pf_str *out_key_prefix, struct pf_error *err) PF_MUST_CHECK;

/* Forgets the table; with `purge` its objects go too, if they lie in its own folder. PF_NOT_FOUND if there is none. */
enum pf_code pf_catalog_drop(struct pf_catalog *catalog, struct pf_table_id id, bool purge, struct pf_error *err)
    PF_MUST_CHECK;
/* A table that somebody else wrote, read in place, as of this metadata. PF_CONFLICT if the name is taken, unless
 * `is_update`: then the name is moved to it. */
enum pf_code pf_catalog_register(struct pf_catalog *catalog, struct pf_table_id id, pf_str metadata_location,
                                 bool is_update, struct pf_error *err) PF_MUST_CHECK;

/* ---- as the REST protocol has it ---- */

/* From a CreateTableRequest. Staged: nothing is stored, the client commits it later with assert-create. PF_NOT_FOUND: no
 * such namespace; PF_CONFLICT: there is a table or view of that name. */
enum pf_code pf_catalog_create_table(struct pf_catalog *catalog, struct pf_table_id id, pf_json *request,
                                     bool is_staged, struct pf_arena *arena, struct pf_table **out_table,
                                     struct pf_error *err) PF_MUST_CHECK;
struct pf_table_change {
    struct pf_table_id id;
    pf_json *requirements, *updates; /* of a CommitTableRequest */
};
/* Checks and applies them to the table as it is now, again if others commit meanwhile. PF_CONFLICT: a requirement does
 * not hold, nothing was changed. PF_REMOTE: the outcome is unknown. */
enum pf_code pf_catalog_change_table(struct pf_catalog *catalog, const struct pf_table_change *change,
                                     struct pf_arena *arena, struct pf_table **out_table, struct pf_error *err)
    PF_MUST_CHECK;
/* Several tables: all are checked and prepared before the first is committed, each against the state that was checked.
 * With pointers in Redis all are changed or none, in one step. With pointers in the store, one after the other:
 * PF_CONFLICT: nothing was changed. PF_REMOTE: some tables were changed, another writer got at the next one. */
enum pf_code pf_catalog_change_tables(struct pf_catalog *catalog, const struct pf_table_change *changes, size_t count,
                                      struct pf_error *err) PF_MUST_CHECK;
/* Seen whole or not at all; the files stay where they are. PF_NOT_FOUND: no such table or namespace; PF_CONFLICT: the
 * new name is taken. */
enum pf_code pf_catalog_rename(struct pf_catalog *catalog, struct pf_table_id from, struct pf_table_id to,
                               struct pf_error *err) PF_MUST_CHECK;

/* Views: what they say is kept for clients, queries do not read them. */
struct pf_view {
    struct pf_table_id id;
    pf_str metadata_path, metadata_json, etag;
};
enum pf_code pf_catalog_list_views(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena, pf_str **out_names,
                                   size_t *out_count, struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_catalog_view_exists(struct pf_catalog *catalog, struct pf_table_id id, bool *out_exists,
                                    struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_catalog_load_view(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                  struct pf_view **out_view, struct pf_error *err) PF_MUST_CHECK;
/* From a CreateViewRequest. */
enum pf_code pf_catalog_create_view(struct pf_catalog *catalog, struct pf_table_id id, pf_json *request,
                                    struct pf_arena *arena, struct pf_view **out_view, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code pf_catalog_register_view(struct pf_catalog *catalog, struct pf_table_id id, pf_str metadata_location,
                                      struct pf_arena *arena, struct pf_view **out_view, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code pf_catalog_change_view(struct pf_catalog *catalog, const struct pf_table_change *change,
                                    struct pf_arena *arena, struct pf_view **out_view, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code pf_catalog_rename_view(struct pf_catalog *catalog, struct pf_table_id from, struct pf_table_id to,
                                    struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_catalog_drop_view(struct pf_catalog *catalog, struct pf_table_id id, struct pf_error *err)
    PF_MUST_CHECK;

/* ---- names of the REST protocol ---- */

/* The catalog's names have no dots and no slashes, the protocol's may: each level of a namespace, and each name, is
 * escaped (%2E), and the levels are joined by dots. */

/* A level or a name as the catalog has it. PF_INVALID if it is empty or too long. */
enum pf_code pf_rest_name_in(pf_str name, struct pf_arena *arena, pf_str *out_name, struct pf_error *err) PF_MUST_CHECK;
pf_str pf_rest_name_out(pf_str name, struct pf_arena *arena);
/* A namespace from a JSON list of levels, and back. */
enum pf_code pf_rest_space_from_json(pf_json *levels, struct pf_arena *arena, pf_str *out_space, struct pf_error *err)
    PF_MUST_CHECK;
/* From levels that are separated by the byte 0x1F. */
enum pf_code pf_rest_space_from_text(pf_str text, struct pf_arena *arena, pf_str *out_space, struct pf_error *err)
    PF_MUST_CHECK;
void pf_rest_put_space(struct pf_json_out *out, pf_str space, struct pf_arena *arena);
/* {"namespace":[...],"name":...} both ways. */
enum pf_code pf_rest_id_from_json(pf_json *json, struct pf_arena *arena, struct pf_table_id *out_id,
                                  struct pf_error *err) PF_MUST_CHECK;
void pf_rest_put_id(struct pf_json_out *out, struct pf_table_id id, struct pf_arena *arena);
/* For messages: "ns1.ns2.table" as the client wrote it. */
pf_str pf_rest_shown(struct pf_table_id id, struct pf_arena *arena);

struct pf_catalog_stats {
    int64_t pointer_reads, object_reads, cache_hits, cache_bytes, cache_entries, commit_retries;
};
void pf_catalog_get_stats(struct pf_catalog *catalog, struct pf_catalog_stats *out_stats);

#endif
