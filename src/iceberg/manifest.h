/* SPDX-License-Identifier: MIT */
/* Field ids of manifests and manifest lists (spec, Manifests), and what reading and writing share. */
#ifndef PF_ICEBERG_MANIFEST_H
#define PF_ICEBERG_MANIFEST_H

#include "iceberg/avro.h"

enum manifest_field {
    FIELD_STATUS = 0,
    FIELD_SNAPSHOT_ID = 1,
    FIELD_DATA_FILE = 2,
    FIELD_SEQUENCE_NUMBER = 3,
    FIELD_FILE_SEQUENCE_NUMBER = 4,
    FIELD_FILE_PATH = 100,
    FIELD_FILE_FORMAT = 101,
    FIELD_PARTITION = 102,
    FIELD_RECORD_COUNT = 103,
    FIELD_FILE_SIZE = 104,
    FIELD_BLOCK_SIZE = 105,
    FIELD_COLUMN_SIZES = 108,
    FIELD_VALUE_COUNTS = 109,
    FIELD_NULL_COUNTS = 110,
    FIELD_LOWER_BOUNDS = 125,
    FIELD_UPPER_BOUNDS = 128,
    FIELD_KEY_METADATA = 131,
    FIELD_SPLIT_OFFSETS = 132,
    FIELD_CONTENT = 134,
    FIELD_EQUALITY_IDS = 135,
    FIELD_NAN_COUNTS = 137,
    FIELD_SORT_ORDER_ID = 140,
    FIELD_FIRST_ROW_ID = 142,
    FIELD_REFERENCED_DATA_FILE = 143,
    FIELD_CONTENT_OFFSET = 144,
    FIELD_CONTENT_SIZE = 145,

    FIELD_MANIFEST_PATH = 500,
    FIELD_MANIFEST_LENGTH = 501,
    FIELD_SPEC_ID = 502,
    FIELD_ADDED_SNAPSHOT_ID = 503,
    FIELD_ADDED_FILES = 504,
    FIELD_EXISTING_FILES = 505,
    FIELD_DELETED_FILES = 506,
    FIELD_PARTITIONS = 507,
    FIELD_CONTAINS_NULL = 509,
    FIELD_LOWER_BOUND = 510,
    FIELD_UPPER_BOUND = 511,
    FIELD_ADDED_ROWS = 512,
    FIELD_EXISTING_ROWS = 513,
    FIELD_DELETED_ROWS = 514,
    FIELD_LIST_SEQUENCE_NUMBER = 515,
    FIELD_LIST_MIN_SEQUENCE_NUMBER = 516,
    FIELD_LIST_CONTENT = 517,
    FIELD_CONTAINS_NAN = 518,
    FIELD_LIST_KEY_METADATA = 519,
    FIELD_LIST_FIRST_ROW_ID = 520
};

struct manifest_field_name {
    const char *name;
    int id;
};
/* Gives fields without an id (files of generic Avro writers) the id of their name. */
void manifest_name_fields(const struct avro_type *record, const struct manifest_field_name *names, size_t count);

/* One manifest of entries of one spec and one kind of content. */
struct manifest_write {
    const struct pf_table_metadata *metadata;
    const struct pf_partition_spec *spec;
    enum pf_manifest_content content;
    pf_str path;
    int64_t snapshot_id, sequence_number; /* of the commit that writes it */
    int64_t
        data_sequence_number; /* of ADDED data files whose rows are older than the commit; 0: they inherit its own */
};
/* In the form of the table's format version. ADDED entries leave their sequence numbers and row ids to be inherited,
 * others carry theirs. */
enum pf_code manifest_write(const struct manifest_write *write, const struct pf_data_file *files, size_t count,
                            struct pf_arena *arena, pf_str *out_bytes, struct pf_manifest_file *out_file,
                            struct pf_error *err) PF_MUST_CHECK;

struct manifest_list_write {
    int format_version;
    int64_t snapshot_id, parent_id /* -1: none */, sequence_number;
    int64_t first_row_id; /* version 3: of the snapshot */
};
/* Version 3: data manifests without a first row id get theirs here, in `list` too; `*out_next_row_id` is the first one that
 * is left then. `list` is changed in no other way. */
enum pf_code manifest_list_write(struct pf_manifest_list *list, const struct manifest_list_write *write,
                                 struct pf_arena *arena, pf_str *out_bytes, int64_t *out_next_row_id,
                                 struct pf_error *err) PF_MUST_CHECK;

/* Summaries of the partition values of files, by position of the spec's fields. */
const struct pf_field_summary *manifest_summarise(const struct manifest_write *write, const struct pf_data_file *files,
                                                  size_t count, struct pf_arena *arena);

#endif
