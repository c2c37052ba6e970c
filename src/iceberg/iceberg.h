/* SPDX-License-Identifier: MIT */
/* Iceberg, the table format: bytes in, structs out, and back. No I/O, no clock, no randomness: whoever calls reads and
 * writes the objects and passes ids and times.
 *
 * Reading: pf_table_metadata_read -> pf_table_metadata_snapshot -> pf_manifest_list_read -> pf_pruner_keeps_manifest ->
 * pf_manifest_read -> pf_data_file_check, pf_pruner_keeps_file -> pf_iceberg_read_mapping.
 * Writing: pf_iceberg_schema_from_sql, pf_table_metadata_create; pf_data_file_set_stats, pf_iceberg_append ->
 * store every object of the commit, then move the catalog's pointer to commit.metadata_path.
 *
 * Strings are views into the input or into the arena given. Read results are immutable and may be shared by threads.
 * Spec: https://iceberg.apache.org/spec/. Names in comments are those of the spec. */
#ifndef PF_ICEBERG_ICEBERG_H
#define PF_ICEBERG_ICEBERG_H

#include "base/json.h"
#include "plan/plan.h"

/* ---- types and schemas ---- */

enum pf_iceberg_kind {
    PF_ICEBERG_BOOLEAN,
    PF_ICEBERG_INT,
    PF_ICEBERG_LONG,
    PF_ICEBERG_FLOAT,
    PF_ICEBERG_DOUBLE,
    PF_ICEBERG_DECIMAL,
    PF_ICEBERG_DATE,
    PF_ICEBERG_TIME,
    PF_ICEBERG_TIMESTAMP,
    PF_ICEBERG_TIMESTAMPTZ,
    PF_ICEBERG_TIMESTAMP_NS,
    PF_ICEBERG_TIMESTAMPTZ_NS,
    PF_ICEBERG_STRING,
    PF_ICEBERG_UUID,
    PF_ICEBERG_FIXED,
    PF_ICEBERG_BINARY,
    PF_ICEBERG_STRUCT,
    PF_ICEBERG_LIST,
    PF_ICEBERG_MAP,
    PF_ICEBERG_UNKNOWN, /* v3: always null */
    PF_ICEBERG_OTHER    /* variant, geometry, geography or newer: `text` names it; can't be read */
};

struct pf_iceberg_field;
struct pf_iceberg_type {
    enum pf_iceberg_kind kind;
    int precision, scale;                  /* DECIMAL */
    int length;                            /* FIXED */
    const struct pf_iceberg_field *fields; /* STRUCT: its fields; LIST: element; MAP: key, value */
    size_t field_count;
    pf_str text; /* of a primitive, as in metadata: "decimal(10,2)" */
};

struct pf_iceberg_field {
    int id;
    pf_str name;
    bool is_required;
    const struct pf_iceberg_type *type;
    pf_str doc;
    pf_str initial_default, write_default; /* JSON single values; empty: none */
};

struct pf_iceberg_schema {
    int id;
    const struct pf_iceberg_field *fields;
    size_t field_count;
    const int *identifier_field_ids;
    size_t identifier_field_count;
};

const struct pf_iceberg_field *
pf_iceberg_schema_find(const struct pf_iceberg_schema *schema,
                       pf_str name); /* top level; exact, else the only one that differs in case; NULL */
const struct pf_iceberg_field *pf_iceberg_schema_find_id(const struct pf_iceberg_schema *schema,
                                                         int id); /* at any depth; NULL */

/* DuckDB's SQL for a type: "DECIMAL(10,2)", "STRUCT(\"a\" INTEGER, \"b\" VARCHAR[])". PF_UNSUPPORTED for OTHER. */
enum pf_code pf_iceberg_type_sql(const struct pf_iceberg_type *type, struct pf_arena *arena, pf_str *out_sql,
                                 struct pf_error *err) PF_MUST_CHECK;

struct pf_sql_column {
    pf_str name, type; /* SQL type as DuckDB prints it */
    bool is_required;
};
/* A schema with fresh field ids from 1. Types Iceberg lacks become the nearest one that loses nothing (TINYINT -> int,
 * UINTEGER -> long ...); write such columns with CAST to pf_iceberg_type_sql of the result. PF_UNSUPPORTED, with the
 * column and the mend, where there is none. */
enum pf_code pf_iceberg_schema_from_sql(const struct pf_sql_column *columns, size_t count, struct pf_arena *arena,
                                        struct pf_iceberg_schema *out_schema, int *out_last_column_id,
                                        struct pf_error *err) PF_MUST_CHECK;
/* The value of COPY's FIELD_IDS option: {'a': 1, 'l': {__duckdb_field_id: 2, element: 3}}. */
pf_str pf_iceberg_field_ids_sql(const struct pf_iceberg_schema *schema, struct pf_arena *arena);

/* ---- partitions and sort orders ---- */

enum pf_transform_kind {
    PF_TRANSFORM_IDENTITY,
    PF_TRANSFORM_BUCKET,
    PF_TRANSFORM_TRUNCATE,
    PF_TRANSFORM_YEAR,
    PF_TRANSFORM_MONTH,
    PF_TRANSFORM_DAY,
    PF_TRANSFORM_HOUR,
    PF_TRANSFORM_VOID,
    PF_TRANSFORM_UNKNOWN
};
struct pf_transform {
    enum pf_transform_kind kind;
    int32_t width; /* BUCKET: number of buckets; TRUNCATE */
    pf_str text;   /* "bucket[16]" */
};

struct pf_partition_field {
    int source_id, field_id;
    pf_str name;
    struct pf_transform transform; /* with several source-ids (v3): UNKNOWN */
};
struct pf_partition_spec {
    int id;
    const struct pf_partition_field *fields;
    size_t field_count;
};

struct pf_sort_field {
    int source_id;
    struct pf_transform transform;
    bool is_descending, is_nulls_first;
};
struct pf_sort_order {
    int id;
    const struct pf_sort_field *fields;
    size_t field_count;
};

enum pf_code pf_transform_parse(pf_str text, struct pf_transform *out_transform, struct pf_error *err) PF_MUST_CHECK;
/* The partition value of a constant of the source column. Cells are explained at pf_data_file. PF_INVALID if the text
 * is no such value, PF_UNSUPPORTED if the transform does not take the type. */
enum pf_code pf_transform_apply(const struct pf_transform *transform, const struct pf_iceberg_type *source,
                                struct pf_literal literal, struct pf_arena *arena, pf_str *out_cell,
                                struct pf_error *err) PF_MUST_CHECK;

/* What bucket is made of: (hash & INT32_MAX) % N, of the bytes that the spec names (Appendix B). */
uint32_t pf_iceberg_murmur3(pf_str bytes);

/* ---- table metadata ---- */

struct pf_property {
    pf_str key, value;
};

struct pf_snapshot {
    int64_t id, parent_id; /* parent_id -1: none */
    int64_t sequence_number, timestamp_ms;
    pf_str manifest_list;    /* path; empty in old v1 tables, which list `manifests` */
    const pf_str *manifests; /* paths */
    size_t manifest_count;
    pf_str operation;                  /* "append", "replace", "overwrite", "delete"; may be empty (v1) */
    const struct pf_property *summary; /* without the operation */
    size_t summary_count;
    int schema_id;                    /* -1: not recorded */
    int64_t first_row_id, added_rows; /* v3; -1: none */
};

struct pf_snapshot_ref {
    pf_str name;
    int64_t snapshot_id;
    bool is_branch;                                                     /* else a tag */
    int64_t min_snapshots_to_keep, max_snapshot_age_ms, max_ref_age_ms; /* -1: not set */
};

struct pf_log_entry {
    int64_t timestamp_ms, snapshot_id; /* of the snapshot log */
    pf_str metadata_path;              /* of the metadata log */
};

struct pf_table_metadata {
    int format_version;
    pf_str table_uuid, location; /* location without a slash at the end */
    int64_t last_sequence_number, last_updated_ms;
    int last_column_id, current_schema_id, default_spec_id, last_partition_id, default_sort_order_id;
    const struct pf_iceberg_schema *schemas;
    size_t schema_count;
    const struct pf_partition_spec *specs;
    size_t spec_count;
    const struct pf_sort_order *sort_orders;
    size_t sort_order_count;
    const struct pf_property *properties;
    size_t property_count;
    int64_t current_snapshot_id; /* -1: none */
    const struct pf_snapshot *snapshots;
    size_t snapshot_count;
    const struct pf_snapshot_ref *refs;
    size_t ref_count;
    const struct pf_log_entry *snapshot_log, *metadata_log;
    size_t snapshot_log_count, metadata_log_count;
    pf_str statistics, partition_statistics, encryption_keys; /* JSON, carried over as it is; empty: none */
    int64_t next_row_id;                                      /* v3; -1: none */
};

/* Reads metadata.json, also gzipped (told by its first bytes). `path` names it in errors.
 * PF_CORRUPT if it isn't valid, PF_UNSUPPORTED for a format version above 3. */
enum pf_code pf_table_metadata_read(pf_str bytes, pf_str path, struct pf_arena *arena,
                                    struct pf_table_metadata **out_metadata, struct pf_error *err) PF_MUST_CHECK;
/* The JSON text of a metadata file, unpacked if it is gzipped. */
enum pf_code pf_table_metadata_text(pf_str bytes, struct pf_arena *arena, pf_str *out_json, struct pf_error *err)
    PF_MUST_CHECK;
/* As JSON text, in the form of its format version. */
enum pf_code pf_table_metadata_write(const struct pf_table_metadata *metadata, struct pf_arena *arena, pf_str *out_json,
                                     struct pf_error *err) PF_MUST_CHECK;

const struct pf_iceberg_schema *pf_table_metadata_schema(const struct pf_table_metadata *metadata, int id); /* NULL */
const struct pf_iceberg_schema *pf_table_metadata_current_schema(const struct pf_table_metadata *metadata);
const struct pf_partition_spec *pf_table_metadata_spec(const struct pf_table_metadata *metadata, int id); /* NULL */
/* Of a field at any depth, in the current schema or else another; NULL. */
const struct pf_iceberg_type *pf_table_metadata_type_of(const struct pf_table_metadata *metadata, int field_id);
pf_str pf_table_metadata_property(const struct pf_table_metadata *metadata, pf_str key, pf_str fallback);
pf_str pf_snapshot_summary(const struct pf_snapshot *snapshot, pf_str key, pf_str fallback);
/* Total rows and files as the snapshot's summary has them; -1 where it doesn't say. */
int64_t pf_snapshot_summary_i64(const struct pf_snapshot *snapshot, pf_str key);

/* Time travel. NULL: there is no such snapshot, or (current) the table has none yet. */
const struct pf_snapshot *pf_table_metadata_current_snapshot(const struct pf_table_metadata *metadata);
const struct pf_snapshot *pf_table_metadata_snapshot(const struct pf_table_metadata *metadata, int64_t snapshot_id);
const struct pf_snapshot *pf_table_metadata_snapshot_ref(const struct pf_table_metadata *metadata, pf_str name);
const struct pf_snapshot *pf_table_metadata_snapshot_at(const struct pf_table_metadata *metadata, int64_t timestamp_ms);
/* The schema to read a snapshot by id or time or a tag with: its own, if that is known. (Branches are read with the
 * current schema.) */
const struct pf_iceberg_schema *pf_table_metadata_schema_of(const struct pf_table_metadata *metadata,
                                                            const struct pf_snapshot *snapshot);

/* Where new files go: properties write.data.path and write.metadata.path, else below the location. No slash at the
 * end. */
pf_str pf_table_metadata_data_folder(const struct pf_table_metadata *metadata, struct pf_arena *arena);
pf_str pf_table_metadata_metadata_folder(const struct pf_table_metadata *metadata, struct pf_arena *arena);
/* Property write.object-storage.enabled: data files are spread over prefixes; false: they are not, -1: it says nothing. */
int pf_table_metadata_spreads_files(const struct pf_table_metadata *metadata);
/* Where a data file of that name goes below the data folder if they are spread, as Iceberg's object store layout has
 * it: "0101/0110/1001/10110010/<name>", twenty bits of the name's hash. */
pf_str pf_iceberg_spread_name(pf_str name, struct pf_arena *arena);
/* "<folder>/00004-<uuid>.metadata.json" behind "<folder>/00003-...": the number is taken from `previous_path` (empty:
 * 0). */
pf_str pf_table_metadata_next_path(const struct pf_table_metadata *metadata, pf_str previous_path, pf_str uuid,
                                   struct pf_arena *arena);

struct pf_table_create {
    pf_str uuid, location;
    const struct pf_iceberg_schema *schema; /* with ids, see pf_iceberg_schema_from_sql */
    int last_column_id;
    const struct pf_partition_spec *spec; /* NULL: not partitioned; field ids 0 are given from 1000 */
    const struct pf_property *properties;
    size_t property_count;
    int64_t now_ms;
};
/* A new, empty v2 table. */
enum pf_code pf_table_metadata_create(const struct pf_table_create *create, struct pf_arena *arena,
                                      struct pf_table_metadata **out_metadata, struct pf_error *err) PF_MUST_CHECK;

/* ---- changes as the REST protocol has them ---- */

/* A new table from a CreateTableRequest, with fresh field ids. PF_INVALID says what is wrong with the request. */
enum pf_code pf_table_metadata_from_request(pf_json *request, pf_str uuid, pf_str location, int64_t now_ms,
                                            struct pf_arena *arena, struct pf_table_metadata **out_metadata,
                                            struct pf_error *err) PF_MUST_CHECK;
/* A list of TableRequirement against the table as it is; `metadata` NULL: there is none. PF_CONFLICT: one fails;
 * PF_NOT_FOUND: it needs a table; PF_INVALID: it is none. */
enum pf_code pf_table_check_requirements(const struct pf_table_metadata *metadata, pf_json *requirements,
                                         struct pf_error *err) PF_MUST_CHECK;
/* The table after a list of TableUpdate; `base` NULL: a new one. What doesn't change is shared with the base, texts with
 * the JSON. PF_CONFLICT: a snapshot was made for an older state; PF_INVALID: an update is none or makes no sense. */
enum pf_code pf_table_apply_updates(const struct pf_table_metadata *base, pf_json *updates, int64_t now_ms,
                                    struct pf_arena *arena, struct pf_table_metadata **out_metadata,
                                    struct pf_error *err) PF_MUST_CHECK;
/* The other way round, for a catalog that keeps the metadata itself: the requirements and updates, JSON lists, that make
 * `next` of `base`, whose current state they require. NULL `base`: a table made by this commit. Told are new snapshots,
 * references and properties; of a new table also schema, partition spec and sort order. */
enum pf_code pf_table_print_updates(const struct pf_table_metadata *base, const struct pf_table_metadata *next,
                                    struct pf_arena *arena, pf_str *out_requirements, pf_str *out_updates,
                                    struct pf_error *err) PF_MUST_CHECK;
/* A CreateTableRequest for a table like that. An empty location is left to the catalog. */
enum pf_code pf_table_print_create_request(pf_str name, const struct pf_table_metadata *metadata, bool is_staged,
                                           struct pf_arena *arena, pf_str *out_json, struct pf_error *err)
    PF_MUST_CHECK;
/* Puts the metadata file that is left behind into `next`'s log and forgets the oldest
 * (write.metadata.previous-versions-max); those are the first entries of `out_expired`, their number is returned. */
size_t pf_table_metadata_log(struct pf_table_metadata *next, const struct pf_table_metadata *base, pf_str base_path,
                             struct pf_arena *arena, const struct pf_log_entry **out_expired);

/* View metadata as JSON, from a CreateViewRequest; and after the requirements and updates of a CommitViewRequest, with the
 * codes of the calls for tables. https://iceberg.apache.org/view-spec/ */
enum pf_code pf_view_metadata_from_request(pf_json *request, pf_str uuid, pf_str location, int64_t now_ms,
                                           struct pf_arena *arena, pf_str *out_json, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code pf_view_metadata_change(pf_str metadata_json, pf_json *requirements, pf_json *updates, int64_t now_ms,
                                     struct pf_arena *arena, pf_str *out_json, struct pf_error *err) PF_MUST_CHECK;
/* PF_CORRUPT or so if it isn't the metadata of a view. */
enum pf_code pf_view_metadata_check(pf_str metadata_json, struct pf_arena *arena, pf_str *out_uuid,
                                    struct pf_error *err) PF_MUST_CHECK;

/* ---- manifest lists and manifests ---- */

enum pf_manifest_content { PF_MANIFEST_DATA, PF_MANIFEST_DELETES };

struct pf_field_summary {
    bool contains_null, contains_nan, has_contains_nan;
    pf_str lower, upper; /* cells; ptr NULL: unknown */
};

struct pf_manifest_file {
    pf_str path;
    int64_t size_bytes;
    int spec_id;
    enum pf_manifest_content content;
    int64_t sequence_number, min_sequence_number, added_snapshot_id;
    int64_t added_files, existing_files, deleted_files, added_rows, existing_rows, deleted_rows; /* -1: unknown */
    const struct pf_field_summary *partitions; /* by position of the spec's fields; may be missing */
    size_t partition_count;
    pf_str key_metadata;  /* not empty: encrypted */
    int64_t first_row_id; /* v3; -1 */
};
struct pf_manifest_list {
    struct pf_manifest_file *manifests;
    size_t count;
};

enum pf_entry_status { PF_ENTRY_EXISTING, PF_ENTRY_ADDED, PF_ENTRY_DELETED };
enum pf_file_content { PF_FILE_DATA, PF_FILE_POSITION_DELETES, PF_FILE_EQUALITY_DELETES };

/* Counts -1 and bounds with ptr NULL: unknown. Bounds are outer bounds: never answer MIN or MAX from them. */
struct pf_column_stats {
    int field_id;
    int64_t size_bytes, value_count, null_count, nan_count;
    pf_str lower, upper;
};

/* One manifest entry, inherited values filled in. Partition values, bounds and summaries are *cells*: bytes in the
 * single-value serialisation of the spec (Appendix D); ptr NULL is null. */
struct pf_data_file {
    enum pf_entry_status status;
    enum pf_file_content content;
    pf_str path, format; /* format upper case: "PARQUET" */
    int spec_id;
    const pf_str *partition; /* by position of the spec's fields */
    size_t partition_count;
    int64_t record_count, size_bytes;
    const struct pf_column_stats *columns; /* ascending by field id */
    size_t column_count;
    const int64_t *split_offsets;
    size_t split_offset_count;
    const int *equality_ids;
    size_t equality_id_count;
    int sort_order_id; /* -1: none */
    int64_t snapshot_id, sequence_number, file_sequence_number;
    pf_str key_metadata, referenced_data_file;
    int64_t content_offset, content_size_bytes, first_row_id; /* deletion vectors, v3; -1 */
};
struct pf_manifest {
    struct pf_data_file *files; /* deleted entries too: see status */
    size_t count;
};

/* `path` names the file in errors. PF_CORRUPT if it isn't valid, PF_TOO_LARGE, PF_UNSUPPORTED (codec). */
enum pf_code pf_manifest_list_read(pf_str bytes, pf_str path, struct pf_arena *arena, struct pf_manifest_list *out_list,
                                   struct pf_error *err) PF_MUST_CHECK;

struct pf_manifest_columns {
    bool all;       /* statistics of all columns, with sizes: what appending and replacing need */
    const int *ids; /* else of these field ids only (see pf_pruner_field_ids) */
    size_t count;
};
/* `file` is the manifest's entry in the list: sequence numbers, snapshot id and spec are inherited from it. */
enum pf_code pf_manifest_read(pf_str bytes, const struct pf_manifest_file *file,
                              const struct pf_table_metadata *metadata, const struct pf_manifest_columns *columns,
                              struct pf_arena *arena, struct pf_manifest *out_manifest, struct pf_error *err)
    PF_MUST_CHECK;
/* The same in parts, which several threads may read at once, each into an arena of its own. Everything given and all
 * those arenas must live as long as the manifest. */
struct pf_manifest_reader;
enum pf_code pf_manifest_open(pf_str bytes, const struct pf_manifest_file *file,
                              const struct pf_table_metadata *metadata, const struct pf_manifest_columns *columns,
                              struct pf_arena *arena, struct pf_manifest_reader **out_reader, struct pf_error *err)
    PF_MUST_CHECK;
size_t pf_manifest_part_count(const struct pf_manifest_reader *reader);
size_t pf_manifest_entry_count(const struct pf_manifest_reader *reader);
/* The position of a part's first entry among all. */
size_t pf_manifest_part_start(const struct pf_manifest_reader *reader, size_t part);
/* `out_entries`: those of the part; their first row ids are set by the next call only. */
enum pf_code pf_manifest_read_part(struct pf_manifest_reader *reader, size_t part, struct pf_arena *arena,
                                   struct pf_manifest *out_entries, struct pf_error *err) PF_MUST_CHECK;
/* After all parts were read. */
void pf_manifest_finish(struct pf_manifest_reader *reader, struct pf_manifest *out_manifest);
/* The manifests of a v1 snapshot that has no manifest list, as far as known before they are read. */
enum pf_code pf_manifest_list_from_paths(const struct pf_snapshot *snapshot, struct pf_arena *arena,
                                         struct pf_manifest_list *out_list, struct pf_error *err) PF_MUST_CHECK;

/* PF_UNSUPPORTED, naming table, snapshot and file, for what can't be read: encrypted files, ORC, Avro. Call it for every
 * entry that isn't PF_ENTRY_DELETED, those of delete manifests too. */
enum pf_code pf_data_file_check(const struct pf_data_file *file, pf_str table_name, int64_t snapshot_id,
                                struct pf_error *err) PF_MUST_CHECK;
/* True if every file of it is gone: it need not be read. */
bool pf_manifest_file_is_dead(const struct pf_manifest_file *file);

/* A partition value for people: as DuckDB prints it; hours, days, months and years as dates. Empty for NULL. */
pf_str pf_partition_value_text(const struct pf_table_metadata *metadata, const struct pf_partition_field *field,
                               pf_str cell, struct pf_arena *arena);

/* ---- deleted rows ---- */

/* A set of row positions. Read-only once made: threads may share it. */
struct pf_deleted_rows;

/* A blob "deletion-vector-v1" (spec, Deletion Vectors): what lies at content_offset of the Puffin file. The set looks
 * into `blob`, which must outlive it. PF_CORRUPT if anything about it is wrong, its checksum first. */
enum pf_code pf_deletion_vector_read(pf_str blob, struct pf_arena *arena, struct pf_deleted_rows **out_rows,
                                     struct pf_error *err) PF_MUST_CHECK;
/* Of position delete files: in any order, with repetitions; `positions` is sorted in place. */
struct pf_deleted_rows *pf_deleted_rows_from(int64_t *positions, size_t count, struct pf_arena *arena);
/* `hint` begins as 0 and makes the next question for a position near by cheap. */
bool pf_deleted_rows_has(const struct pf_deleted_rows *rows, int64_t position, size_t *hint);
int64_t pf_deleted_rows_count(const struct pf_deleted_rows *rows);

struct pf_puffin_blob {
    pf_str type, compression; /* "deletion-vector-v1"; empty: not compressed */
    int64_t snapshot_id, sequence_number, offset, size_bytes;
    pf_str referenced_data_file; /* of deletion vectors; empty and -1: not said */
    int64_t cardinality;
};
struct pf_puffin {
    struct pf_puffin_blob *blobs;
    size_t blob_count;
};
/* What a Puffin file says to be in it. Deletion vectors are read without: manifests say where they lie. */
enum pf_code pf_puffin_read(pf_str file, pf_str path, struct pf_arena *arena, struct pf_puffin *out_puffin,
                            struct pf_error *err) PF_MUST_CHECK;

/* The column of position delete files that names data files: its bounds scope them. */
#define PF_DELETE_PATH_FIELD 2147483546

/* Which delete files apply to which data files (spec, Scan Planning). */
struct pf_delete_index;

/* `deletes` are live entries of delete manifests; they and `metadata` must outlive the index. PF_CORRUPT where a
 * delete file contradicts itself. */
enum pf_code pf_delete_index_new(const struct pf_table_metadata *metadata, const struct pf_data_file *const *deletes,
                                 size_t count, struct pf_arena *arena, struct pf_delete_index **out_index,
                                 struct pf_error *err) PF_MUST_CHECK;
/* Positions in `deletes` of those that apply to the data file, ascending. */
enum pf_code pf_delete_index_find(const struct pf_delete_index *index, const struct pf_data_file *file,
                                  struct pf_arena *arena, const uint32_t **out_found, size_t *out_count,
                                  struct pf_error *err) PF_MUST_CHECK;
/* Files and equality deletes of the same scope have the same partition. 0: a delete file that applies to all, or a data
 * file whose partition has no equality deletes. */
int pf_delete_index_scope(const struct pf_delete_index *index, const struct pf_data_file *file);

/* ---- pruning ---- */

struct pf_pruner;

/* Binds predicates (all must hold) to the schema that is read. What can't be used for pruning is ignored: a pruner
 * keeps too much rather than too little. `metadata` and the predicates must outlive it. Read-only after: threads may
 * share it. */
struct pf_pruner *pf_pruner_new(const struct pf_table_metadata *metadata, const struct pf_iceberg_schema *schema,
                                const struct pf_predicate *predicates, size_t count, struct pf_arena *arena);
bool pf_pruner_keeps_manifest(const struct pf_pruner *pruner, const struct pf_manifest_file *file);
bool pf_pruner_keeps_file(const struct pf_pruner *pruner, const struct pf_data_file *file);
/* Looks at the partition only: for delete files. */
bool pf_pruner_keeps_partition(const struct pf_pruner *pruner, const struct pf_data_file *file);
/* The columns whose statistics it looks at. */
struct pf_manifest_columns pf_pruner_field_ids(const struct pf_pruner *pruner);

/* An expression of the REST protocol over columns (filter.c): and, or, not, comparisons, nulls, NaN, lists, prefixes. What
 * can't be used to skip files (a transform of a column) keeps all of them. */
struct pf_filter;
/* `json` NULL: all rows. It, `metadata` and `schema` must outlive the filter. PF_INVALID: no expression, or no such
 * column. Read-only after: threads may share it. */
enum pf_code pf_filter_read(pf_json *json, const struct pf_table_metadata *metadata,
                            const struct pf_iceberg_schema *schema, bool is_case_sensitive, struct pf_arena *arena,
                            const struct pf_filter **out_filter, struct pf_error *err) PF_MUST_CHECK;
/* As the pruner's questions. */
bool pf_filter_keeps_manifest(const struct pf_filter *filter, const struct pf_manifest_file *file);
bool pf_filter_keeps_file(const struct pf_filter *filter, const struct pf_data_file *file);
bool pf_filter_keeps_partition(const struct pf_filter *filter, const struct pf_data_file *file);
struct pf_manifest_columns pf_filter_field_ids(const struct pf_filter *filter);
/* What of it rows of the file must still be tested for, given their partition. */
void pf_filter_put_residual(const struct pf_filter *filter, const struct pf_data_file *file, struct pf_json_out *out,
                            struct pf_arena *arena);

/* PF_UNSUPPORTED: a partition value that JSON lacks (NaN, infinity). Ask before writing it. */
enum pf_code pf_data_file_check_json(const struct pf_data_file *file, const struct pf_table_metadata *metadata,
                                     struct pf_error *err) PF_MUST_CHECK;
/* A file as the REST protocol has it, with counts of the columns whose ids are given; bounds are left out. */
void pf_data_file_put_json(const struct pf_data_file *file, const struct pf_table_metadata *metadata,
                           const struct pf_manifest_columns *stats, struct pf_json_out *out, struct pf_arena *arena);

/* ---- reading data files ---- */

/* How read_parquet gives a schema's columns. */
struct pf_read_mapping {
    bool is_by_name;   /* the files have the columns under these names and types: no schema parameter */
    bool is_by_file;   /* each file has to be asked for its columns: pf_iceberg_file_columns */
    pf_str schema_sql; /* else the value of `schema :=`; its columns are those wanted, in order */
};
/* `wanted`: names of columns, NULL for all. By file are read tables whose files may lack field ids (name mapping), and
 * nested columns that were changed inside or have names that writers of Parquet change. */
enum pf_code pf_iceberg_read_mapping(const struct pf_table_metadata *metadata, const struct pf_iceberg_schema *schema,
                                     const pf_str *wanted, size_t wanted_count, struct pf_arena *arena,
                                     struct pf_read_mapping *out_mapping, struct pf_error *err) PF_MUST_CHECK;
/* All columns of the schema by field id, and behind them dropped ones (at top level, of any schema of the table), under
 * the names of pf_iceberg_dropped_column_name. */
enum pf_code pf_iceberg_read_mapping_dropped(const struct pf_table_metadata *metadata,
                                             const struct pf_iceberg_schema *schema, const int *dropped_ids,
                                             size_t dropped_count, struct pf_arena *arena,
                                             struct pf_read_mapping *out_mapping, struct pf_error *err) PF_MUST_CHECK;
pf_str pf_iceberg_dropped_column_name(int id, struct pf_arena *arena);

/* One element of a Parquet file's schema, in the order and with the words of DuckDB's parquet_schema(). */
struct pf_parquet_row {
    pf_str name, converted_type, logical_type;
    int field_id;        /* -1: none */
    int64_t child_count; /* 0: a leaf */
    bool is_repeated;
};
/* A value of an identity partition field, for files that leave the column out; text.ptr NULL: null. */
struct pf_partition_constant {
    int field_id;
    pf_str text; /* as it is cast to the column's type */
};
/* For each field of the schema an expression over the columns of read_parquet([that file]). PF_UNSUPPORTED for a file
 * without field ids if there is no name mapping (empty). */
enum pf_code pf_iceberg_file_columns(const struct pf_iceberg_schema *schema, pf_str name_mapping,
                                     const struct pf_partition_constant *constants, size_t constant_count,
                                     const struct pf_parquet_row *rows, size_t row_count, struct pf_arena *arena,
                                     pf_str *out_expressions, struct pf_error *err) PF_MUST_CHECK;
/* A schema as in table metadata, for who calls that elsewhere. */
pf_str pf_iceberg_schema_json(const struct pf_iceberg_schema *schema, struct pf_arena *arena);
enum pf_code pf_iceberg_schema_parse(pf_str json, struct pf_arena *arena, struct pf_iceberg_schema *out_schema,
                                     struct pf_error *err) PF_MUST_CHECK;
/* The table's name mapping; empty: none. */
pf_str pf_iceberg_name_mapping(const struct pf_table_metadata *metadata);

/* Row lineage (v3): the columns that every row has besides those of its table. */
#define PF_ROW_ID_COLUMN PF_STR("_row_id")
#define PF_ROW_SEQUENCE_COLUMN PF_STR("_last_updated_sequence_number")
/* The schema with both behind its columns. */
const struct pf_iceberg_schema *pf_iceberg_schema_with_lineage(const struct pf_iceberg_schema *schema,
                                                               struct pf_arena *arena);
/* Where a row is: a number that stands for its file (pf_iceberg_file_number), and its position in it. */
#define PF_FILE_COLUMN PF_STR("_file_number")
#define PF_POSITION_COLUMN PF_STR("_pos")
const struct pf_iceberg_schema *pf_iceberg_schema_with_positions(const struct pf_iceberg_schema *schema,
                                                                 struct pf_arena *arena);
/* Of the path as the table has it, the same everywhere. Two files may share one: whoever goes back from it to a file must
 * look. */
int64_t pf_iceberg_file_number(pf_str path);

/* ---- writing ---- */

/* One column of COPY ... (RETURN_STATS): -1 and ptr NULL where it says nothing. */
struct pf_stats_text {
    pf_str path; /* "\"s\".\"a\"", as in the keys of column_statistics */
    pf_str min, max;
    int64_t size_bytes, value_count, null_count;
    bool has_nan, has_has_nan;
};
/* Sets file->columns: bounds cut to 16 characters, or what the properties write.metadata.metrics.* say. */
enum pf_code pf_data_file_set_stats(struct pf_data_file *file, const struct pf_table_metadata *metadata,
                                    const struct pf_stats_text *stats, size_t count, struct pf_arena *arena,
                                    struct pf_error *err) PF_MUST_CHECK;

/* A mutable set of row positions of one data file. */
struct pf_row_set;
struct pf_row_set *pf_row_set_new(struct pf_arena *arena);
/* True if the position was not in it. Positions are at most PF_MAX_ROW_POSITION, else false and `pf_row_set_failed`. */
#define PF_MAX_ROW_POSITION (((int64_t)1 << 40) - 1)
bool pf_row_set_add(struct pf_row_set *set, int64_t position);
bool pf_row_set_has(const struct pf_row_set *set, int64_t position);
int64_t pf_row_set_count(const struct pf_row_set *set);
bool pf_row_set_failed(const struct pf_row_set *set); /* a position was negative or too large */
/* The first position in the set from `from` on; -1: there is none. */
int64_t pf_row_set_next(const struct pf_row_set *set, int64_t from);
/* Adds all of them: an older deletion vector of the same file. */
void pf_row_set_add_deleted(struct pf_row_set *set, const struct pf_deleted_rows *rows);
/* The blob "deletion-vector-v1" with these rows. */
pf_str pf_deletion_vector_write(const struct pf_row_set *set, struct pf_arena *arena);

struct pf_puffin_vector {
    pf_str blob, referenced_data_file;
    int64_t cardinality;
    int64_t out_offset; /* set: where it lies in the file; its length is that of the blob */
};
/* A Puffin file of deletion vectors, with its footer. */
enum pf_code pf_puffin_write(struct pf_puffin_vector *vectors, size_t count, struct pf_arena *arena, pf_str *out_file,
                             struct pf_error *err) PF_MUST_CHECK;

struct pf_object {
    pf_str path, bytes;
};
struct pf_commit {
    struct pf_object *objects; /* to be stored before the pointer moves: manifests, manifest list, metadata */
    size_t object_count;
    pf_str metadata_path;
    struct pf_table_metadata *metadata; /* the new table metadata */
    struct pf_manifest_list manifests;  /* of the new snapshot */
    const pf_str
        *expired_metadata_paths; /* to be deleted after the commit (write.metadata.delete-after-commit.enabled) */
    size_t expired_metadata_count;
};
struct pf_position_deletes {
    pf_str path; /* of a data file */
    const struct pf_row_set *rows;
};
/* A position delete file with all rows of `deletes`, which is sorted here. `out_entry` has counts, sizes and statistics;
 * path, spec and partition are left to the caller. PF_TOO_LARGE beyond 1 GB. */
enum pf_code pf_position_deletes_write(struct pf_position_deletes *deletes, size_t count, struct pf_arena *arena,
                                       pf_str *out_file, struct pf_data_file *out_entry, struct pf_error *err)
    PF_MUST_CHECK;

/* What the next snapshot of a table changes. Files are told by their path, deletion vectors by their place in it too. */
struct pf_change {
    const struct pf_table_metadata *metadata;
    pf_str metadata_path; /* of `metadata`: goes to the metadata log; empty for a table just created and not stored */
    const struct pf_manifest_list *manifests; /* of the current snapshot; NULL if it has none */
    /* By manifest: what pf_change_reads asked for, read with columns.all; NULL for the others. */
    const struct pf_manifest *const *contents;
    /* New data files and delete files, with spec_id, partition, path, size_bytes, record_count, columns; format empty:
     * Parquet. Sequence numbers and row ids are set by readers. */
    const struct pf_data_file *added;
    size_t added_count;
    const struct pf_data_file *removed; /* live entries of the current snapshot, delete files too */
    size_t removed_count;
    bool is_rewrite;              /* the rows of the table stay the same: operation "replace" */
    int64_t data_sequence_number; /* of added data files whose rows are older (rewrites); 0: that of the snapshot */
    int64_t snapshot_id, now_ms;
    pf_str commit_uuid, metadata_uuid; /* in the names of new objects */
    const struct pf_property *summary; /* more for the snapshot's summary, e.g. engine-name */
    size_t summary_count;
};
/* Which manifests have to be read: those that may have removed files, and small ones that are to be merged (table
 * properties commit.manifest-merge.enabled, commit.manifest.min-count-to-merge, commit.manifest.target-size-bytes).
 * `out_reads`: one a manifest of the list. */
void pf_change_reads(const struct pf_change *change, struct pf_arena *arena, bool **out_reads);
/* Makes the next snapshot. After a lost race call it again with the new current metadata: nothing of it is stored yet.
 * PF_CONFLICT: a removed file is not in the table. PF_UNSUPPORTED: delete files in a version 1 table, position delete
 * files in a version 3 table, deletion vectors in an older one. */
enum pf_code pf_iceberg_change(const struct pf_change *change, struct pf_arena *arena, struct pf_commit *out_commit,
                               struct pf_error *err) PF_MUST_CHECK;

struct pf_append {
    const struct pf_table_metadata *metadata;
    pf_str metadata_path;
    const struct pf_manifest_list *manifests;
    /* path, size_bytes, record_count, format, columns, and partition of the default spec are used; content is data */
    const struct pf_data_file *files;
    size_t file_count;
    /* Replace: these (all live entries of the current snapshot, read with columns.all) are deleted. */
    bool is_replace;
    const struct pf_data_file *replaced;
    size_t replaced_count;
    int64_t snapshot_id, now_ms;
    pf_str commit_uuid, metadata_uuid; /* in the names of new objects */
    const struct pf_property *summary; /* more for the snapshot's summary, e.g. engine-name */
    size_t summary_count;
};

/* pf_iceberg_change with data files of the default spec, whose small manifests are left as they are. */
enum pf_code pf_iceberg_append(const struct pf_append *append, struct pf_arena *arena, struct pf_commit *out_commit,
                               struct pf_error *err) PF_MUST_CHECK;

#endif
