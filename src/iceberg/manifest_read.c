/* SPDX-License-Identifier: MIT */
/* Manifests: the writer's Avro schema is walked for each entry and its field ids say where a value goes. Statistics of
 * columns nobody asked for are passed over without being stored. */
#include "iceberg/manifest.h"
#include "iceberg/schema.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    struct pf_arena *arena;
    const struct pf_manifest_file *file;
    const struct pf_manifest_columns *columns;
    const struct pf_partition_spec *spec;
    int *partition_positions; /* of the Avro record's fields in the spec; -1: not in it */
    size_t partition_matches;
    struct pf_column_stats *stats; /* of the entry being read; the array is used again for the next */
    size_t stat_count, stat_capacity, stat_hint;
    struct pf_arena *scratch;
    bool copies; /* blocks are unpacked over each other: what is kept of them is copied */
};

static pf_str keep(const struct reader *reader, pf_str bytes) {
    return reader->copies && bytes.ptr ? pf_arena_str(reader->arena, bytes) : bytes;
}

static void take_kept_str(struct reader *reader, struct avro_cursor *cursor, const struct avro_type *type,
                          pf_str *out_bytes) {
    if (avro_take_str(cursor, type, out_bytes)) *out_bytes = keep(reader, *out_bytes);
}

/* ---- column statistics: six maps into one array ---- */

static bool is_wanted(const struct reader *reader, int id) {
    if (reader->columns->all) return true;
    for (size_t i = 0; i < reader->columns->count; i++) {
        if (reader->columns->ids[i] == id) return true;
    }
    return false;
}

/* The maps name their columns in the same order, so the next one is nearly always where the hint says. */
static struct pf_column_stats *stats_of(struct reader *reader, int id) {
    if (reader->stat_hint < reader->stat_count && reader->stats[reader->stat_hint].field_id == id) {
        return &reader->stats[reader->stat_hint++];
    }
    for (size_t i = 0; i < reader->stat_count; i++) {
        if (reader->stats[i].field_id != id) continue;
        reader->stat_hint = i + 1;
        return &reader->stats[i];
    }
    PF_ARENA_PUSH(reader->scratch, reader->stats, reader->stat_count, reader->stat_capacity) = (struct pf_column_stats){
        .field_id = id, .size_bytes = -1, .value_count = -1, .null_count = -1, .nan_count = -1};
    reader->stat_hint = reader->stat_count;
    return &reader->stats[reader->stat_count - 1];
}

static void store_stat(struct pf_column_stats *stats, int map, int64_t number, pf_str bytes) {
    if (number < 0) number = -1;
    switch (map) {
    case FIELD_COLUMN_SIZES: stats->size_bytes = number; break;
    case FIELD_VALUE_COUNTS: stats->value_count = number; break;
    case FIELD_NULL_COUNTS: stats->null_count = number; break;
    case FIELD_NAN_COUNTS: stats->nan_count = number; break;
    case FIELD_LOWER_BOUNDS: stats->lower = bytes; break;
    default: stats->upper = bytes; break;
    }
}

/* An array of records of a key and a value (Avro has no maps with integer keys). */
static void read_stat_map(struct reader *reader, struct avro_cursor *cursor, const struct avro_type *type, int map) {
    bool is_bounds = map == FIELD_LOWER_BOUNDS || map == FIELD_UPPER_BOUNDS;
    type = avro_take_branch(cursor, type);
    if (!type) return;
    const struct avro_type *item = type->kind == AVRO_ARRAY ? type->fields[0].type : NULL;
    if (!item || item->kind != AVRO_RECORD || item->field_count != 2) {
        avro_fail(cursor, "column statistics are no list of keys and values");
        return;
    }
    reader->stat_hint = 0;
    for (size_t n = avro_take_block(cursor); n > 0; n = avro_take_block(cursor)) {
        for (size_t i = 0; i < n && !cursor->failed; i++) {
            int64_t key, number = -1;
            pf_str bytes = PF_STR_EMPTY;
            bool has_key = avro_take_i64(cursor, item->fields[0].type, &key);
            if (!has_key || key < 0 || key > INT32_MAX || !is_wanted(reader, (int)key)) {
                avro_skip(cursor, item->fields[1].type);
                continue;
            }
            if (is_bounds) {
                take_kept_str(reader, cursor, item->fields[1].type, &bytes);
            } else if (!avro_take_i64(cursor, item->fields[1].type, &number)) {
                number = -1;
            }
            store_stat(stats_of(reader, (int)key), map, number, bytes);
        }
    }
}

static int compare_stats(const void *a, const void *b) {
    int x = ((const struct pf_column_stats *)a)->field_id, y = ((const struct pf_column_stats *)b)->field_id;
    return (x > y) - (x < y);
}

static void keep_stats(struct reader *reader, struct pf_data_file *file) {
    if (reader->stat_count == 0) return;
    for (size_t i = 1; i < reader->stat_count; i++) {
        if (reader->stats[i - 1].field_id < reader->stats[i].field_id) continue;
        qsort(reader->stats, reader->stat_count, sizeof *reader->stats, compare_stats);
        break;
    }
    struct pf_column_stats *kept = PF_ARENA_ARRAY(reader->arena, struct pf_column_stats, reader->stat_count);
    memcpy(kept, reader->stats, reader->stat_count * sizeof *kept);
    file->columns = kept;
    file->column_count = reader->stat_count;
}

/* ---- partition tuples ---- */

static pf_str cell_of_number(struct reader *reader, int64_t number, size_t width) {
    char *bytes = pf_arena_alloc(reader->arena, width);
    for (size_t i = 0; i < width; i++) bytes[i] = (char)((uint64_t)number >> (8 * i));
    return pf_str_from(bytes, width);
}

/* Avro's encodings of bytes, floats and fixed are those of cells; only numbers differ. */
static pf_str read_cell(struct reader *reader, struct avro_cursor *cursor, const struct avro_type *type) {
    type = avro_take_branch(cursor, type);
    if (!type) return PF_STR_EMPTY;
    const unsigned char *start = cursor->at;
    pf_str bytes;
    switch (type->kind) {
    case AVRO_INT:
    case AVRO_LONG: {
        int64_t number = avro_take_long(cursor);
        return cell_of_number(reader, number, type->kind == AVRO_INT ? 4 : 8);
    }
    case AVRO_BYTES:
    case AVRO_STRING: return keep(reader, avro_take_bytes(cursor));
    case AVRO_BOOLEAN:
    case AVRO_FLOAT:
    case AVRO_DOUBLE:
    case AVRO_FIXED:
        avro_skip(cursor, type);
        bytes = pf_str_from((const char *)start, (size_t)(cursor->at - start));
        return cursor->failed ? PF_STR_EMPTY : keep(reader, bytes);
    default: avro_fail(cursor, "a partition value of a nested type"); return PF_STR_EMPTY;
    }
}

static void read_partition(struct reader *reader, struct avro_cursor *cursor, const struct avro_type *type,
                           struct pf_data_file *file) {
    type = avro_take_branch(cursor, type);
    if (!type) return;
    if (type->kind != AVRO_RECORD) {
        avro_fail(cursor, "the partition is no record");
        return;
    }
    size_t count = reader->spec->field_count;
    pf_str *cells = PF_ARENA_ARRAY(reader->arena, pf_str, count);
    for (size_t i = 0; i < type->field_count && !cursor->failed; i++) {
        int position = reader->partition_positions ? reader->partition_positions[i] : -1;
        if (position < 0) {
            avro_skip(cursor, type->fields[i].type);
        } else {
            cells[position] = read_cell(reader, cursor, type->fields[i].type);
        }
    }
    /* A tuple with holes says nothing about what is missing: then it isn't used at all. */
    if (reader->partition_matches < count) return;
    file->partition = cells;
    file->partition_count = count;
}

/* ---- entries ---- */

static void read_numbers(struct reader *reader, struct avro_cursor *cursor, const struct avro_type *type, bool is_ids,
                         struct pf_data_file *file) {
    int64_t *numbers = NULL;
    size_t count = 0, capacity = 0;
    type = avro_take_branch(cursor, type);
    if (!type) return;
    if (type->kind != AVRO_ARRAY) {
        avro_fail(cursor, "a list is no array");
        return;
    }
    for (size_t n = avro_take_block(cursor); n > 0; n = avro_take_block(cursor)) {
        for (size_t i = 0; i < n && !cursor->failed; i++) {
            int64_t number;
            avro_take_i64(cursor, type->fields[0].type, &number);
            PF_ARENA_PUSH(reader->arena, numbers, count, capacity) = number;
        }
    }
    if (!is_ids) {
        file->split_offsets = numbers;
        file->split_offset_count = count;
        return;
    }
    int *ids = PF_ARENA_ARRAY(reader->arena, int, count);
    for (size_t i = 0; i < count; i++) ids[i] = (int)numbers[i];
    file->equality_ids = ids;
    file->equality_id_count = count;
}

static int64_t take_or(struct avro_cursor *cursor, const struct avro_type *type, int64_t fallback) {
    int64_t number;
    return avro_take_i64(cursor, type, &number) ? number : fallback;
}

static int64_t take_count(struct avro_cursor *cursor, const struct avro_type *type, const char *what) {
    int64_t count = take_or(cursor, type, -1);
    if (count < 0) avro_fail(cursor, what);
    return count;
}

static pf_str upper_case(struct reader *reader, pf_str text) {
    if (pf_str_equal_nocase(text, PF_STR("parquet"))) return PF_STR("PARQUET");
    char *copy = pf_arena_cstr(reader->arena, text);
    for (size_t i = 0; i < text.len; i++) {
        if (copy[i] >= 'a' && copy[i] <= 'z') copy[i] = (char)(copy[i] - 'a' + 'A');
    }
    return pf_str_from(copy, text.len);
}

static void read_file_field(struct reader *reader, struct avro_cursor *cursor, const struct avro_field *field,
                            struct pf_data_file *file) {
    const struct avro_type *type = field->type;
    int64_t number;
    switch (field->id) {
    case FIELD_CONTENT:
        number = take_or(cursor, type, 0);
        if (number < 0 || number > 2) avro_fail(cursor, "a file of unknown content");
        file->content = (enum pf_file_content)number;
        break;
    case FIELD_FILE_PATH: take_kept_str(reader, cursor, type, &file->path); break;
    case FIELD_FILE_FORMAT:
        avro_take_str(cursor, type, &file->format);
        file->format = upper_case(reader, file->format);
        break;
    case FIELD_PARTITION: read_partition(reader, cursor, type, file); break;
    case FIELD_RECORD_COUNT: file->record_count = take_count(cursor, type, "no record count"); break;
    case FIELD_FILE_SIZE: file->size_bytes = take_count(cursor, type, "no file size"); break;
    case FIELD_COLUMN_SIZES:
        if (!reader->columns->all) {
            avro_skip(cursor, type);
            break;
        }
        read_stat_map(reader, cursor, type, field->id);
        break;
    case FIELD_VALUE_COUNTS:
    case FIELD_NULL_COUNTS:
    case FIELD_NAN_COUNTS:
    case FIELD_LOWER_BOUNDS:
    case FIELD_UPPER_BOUNDS:
        if (reader->columns->all || reader->columns->count) {
            read_stat_map(reader, cursor, type, field->id);
        } else {
            avro_skip(cursor, type);
        }
        break;
    case FIELD_KEY_METADATA: take_kept_str(reader, cursor, type, &file->key_metadata); break;
    case FIELD_SPLIT_OFFSETS: read_numbers(reader, cursor, type, false, file); break;
    case FIELD_EQUALITY_IDS: read_numbers(reader, cursor, type, true, file); break;
    case FIELD_SORT_ORDER_ID:
        number = take_or(cursor, type, -1);
        file->sort_order_id = number >= 0 && number <= INT32_MAX ? (int)number : -1;
        break;
    case FIELD_FIRST_ROW_ID: file->first_row_id = take_or(cursor, type, -1); break;
    case FIELD_REFERENCED_DATA_FILE: take_kept_str(reader, cursor, type, &file->referenced_data_file); break;
    case FIELD_CONTENT_OFFSET: file->content_offset = take_or(cursor, type, -1); break;
    case FIELD_CONTENT_SIZE: file->content_size_bytes = take_or(cursor, type, -1); break;
    default: avro_skip(cursor, type);
    }
}

static void read_data_file(struct reader *reader, struct avro_cursor *cursor, const struct avro_type *type,
                           struct pf_data_file *file) {
    type = avro_take_branch(cursor, type);
    if (!type || type->kind != AVRO_RECORD) {
        avro_fail(cursor, "an entry without a data file");
        return;
    }
    for (size_t i = 0; i < type->field_count && !cursor->failed; i++) {
        read_file_field(reader, cursor, &type->fields[i], file);
    }
}

/* Sequence numbers are inherited by added files, and by all files of v1 manifests (their number is 0); snapshot ids by
 * all (spec, Sequence Number Inheritance). */
static void inherit(const struct pf_manifest_file *manifest, struct pf_data_file *file) {
    bool inherits = file->status == PF_ENTRY_ADDED || manifest->sequence_number == 0;
    if (file->snapshot_id < 0) file->snapshot_id = manifest->added_snapshot_id;
    if (file->sequence_number < 0 && inherits) file->sequence_number = manifest->sequence_number;
    if (file->file_sequence_number < 0 && inherits) file->file_sequence_number = manifest->sequence_number;
}

/* Files without a first row id of their own share out the manifest's, in order (v3, Row Lineage). */
static void inherit_row_id(struct pf_data_file *file, int64_t *next_row_id) {
    if (*next_row_id < 0 || file->first_row_id >= 0 || file->status == PF_ENTRY_DELETED) return;
    file->first_row_id = *next_row_id;
    if (__builtin_add_overflow(*next_row_id, file->record_count, next_row_id)) *next_row_id = -1;
}

static void read_entry(struct reader *reader, struct avro_cursor *cursor, const struct avro_type *root,
                       struct pf_data_file *file) {
    int64_t status = -1;
    *file = (struct pf_data_file){.spec_id = reader->spec->id,
                                  .record_count = -1,
                                  .size_bytes = -1,
                                  .sort_order_id = -1,
                                  .snapshot_id = -1,
                                  .sequence_number = -1,
                                  .file_sequence_number = -1,
                                  .content_offset = -1,
                                  .content_size_bytes = -1,
                                  .first_row_id = -1};
    reader->stat_count = 0;
    for (size_t i = 0; i < root->field_count && !cursor->failed; i++) {
        const struct avro_type *type = root->fields[i].type;
        switch (root->fields[i].id) {
        case FIELD_STATUS: status = take_or(cursor, type, -1); break;
        case FIELD_SNAPSHOT_ID: file->snapshot_id = take_or(cursor, type, -1); break;
        case FIELD_SEQUENCE_NUMBER: file->sequence_number = take_or(cursor, type, -1); break;
        case FIELD_FILE_SEQUENCE_NUMBER: file->file_sequence_number = take_or(cursor, type, -1); break;
        case FIELD_DATA_FILE: read_data_file(reader, cursor, type, file); break;
        default: avro_skip(cursor, type);
        }
    }
    if (status < 0 || status > 2) avro_fail(cursor, "an entry of unknown status");
    if (file->path.len == 0) avro_fail(cursor, "a file without a path");
    if (file->record_count < 0 || file->size_bytes < 0) avro_fail(cursor, "a file without its counts");
    if (cursor->failed) return;
    file->status = (enum pf_entry_status)status;
    if (file->format.len == 0) file->format = PF_STR("PARQUET");
    inherit(reader->file, file);
    keep_stats(reader, file);
}

/* ---- the schema of the manifest ---- */

static const struct manifest_field_name entry_names[] = {{"status", FIELD_STATUS},
                                                         {"snapshot_id", FIELD_SNAPSHOT_ID},
                                                         {"data_file", FIELD_DATA_FILE},
                                                         {"sequence_number", FIELD_SEQUENCE_NUMBER},
                                                         {"data_sequence_number", FIELD_SEQUENCE_NUMBER},
                                                         {"file_sequence_number", FIELD_FILE_SEQUENCE_NUMBER}};

static const struct manifest_field_name file_names[] = {{"content", FIELD_CONTENT},
                                                        {"file_path", FIELD_FILE_PATH},
                                                        {"file_format", FIELD_FILE_FORMAT},
                                                        {"partition", FIELD_PARTITION},
                                                        {"record_count", FIELD_RECORD_COUNT},
                                                        {"file_size_in_bytes", FIELD_FILE_SIZE},
                                                        {"column_sizes", FIELD_COLUMN_SIZES},
                                                        {"value_counts", FIELD_VALUE_COUNTS},
                                                        {"null_value_counts", FIELD_NULL_COUNTS},
                                                        {"nan_value_counts", FIELD_NAN_COUNTS},
                                                        {"lower_bounds", FIELD_LOWER_BOUNDS},
                                                        {"upper_bounds", FIELD_UPPER_BOUNDS},
                                                        {"key_metadata", FIELD_KEY_METADATA},
                                                        {"split_offsets", FIELD_SPLIT_OFFSETS},
                                                        {"equality_ids", FIELD_EQUALITY_IDS},
                                                        {"sort_order_id", FIELD_SORT_ORDER_ID},
                                                        {"first_row_id", FIELD_FIRST_ROW_ID},
                                                        {"referenced_data_file", FIELD_REFERENCED_DATA_FILE},
                                                        {"content_offset", FIELD_CONTENT_OFFSET},
                                                        {"content_size_in_bytes", FIELD_CONTENT_SIZE}};

static const struct avro_type *record_branch(const struct avro_type *type) {
    if (type->kind == AVRO_RECORD) return type;
    for (size_t i = 0; type->kind == AVRO_UNION && i < type->field_count; i++) {
        if (type->fields[i].type->kind == AVRO_RECORD) return type->fields[i].type;
    }
    return NULL;
}

static const struct avro_type *field_record(const struct avro_type *record, int id) {
    for (size_t i = 0; record && i < record->field_count; i++) {
        if (record->fields[i].id == id) return record_branch(record->fields[i].type);
    }
    return NULL;
}

static int position_in_spec(const struct pf_partition_spec *spec, const struct avro_field *field) {
    for (size_t i = 0; i < spec->field_count; i++) {
        if (field->id >= 0 && spec->fields[i].field_id == field->id) return (int)i;
    }
    for (size_t i = 0; i < spec->field_count; i++) {
        if (field->id < 0 && pf_str_equal(spec->fields[i].name, field->name)) return (int)i;
    }
    return -1;
}

static void bind_partition(struct reader *reader, const struct avro_type *record) {
    reader->partition_positions = PF_ARENA_ARRAY(reader->arena, int, record->field_count);
    for (size_t i = 0; i < record->field_count; i++) {
        int position = position_in_spec(reader->spec, &record->fields[i]);
        for (size_t k = 0; k < i; k++) {
            if (reader->partition_positions[k] == position) position = -1;
        }
        reader->partition_positions[i] = position;
        if (position >= 0) reader->partition_matches++;
    }
}

/* The spec is the one the manifest list names; without a list (v1) the file's own header names it. */
static enum pf_code find_spec(struct reader *reader, const struct avro_file *avro,
                              const struct pf_table_metadata *metadata, struct pf_error *err) {
    int64_t id = reader->file->spec_id;
    if (id < 0 && !pf_str_to_i64(avro_file_meta(avro, PF_STR("partition-spec-id")), &id)) id = 0;
    reader->spec = id >= 0 && id <= INT32_MAX ? pf_table_metadata_spec(metadata, (int)id) : NULL;
    if (!reader->spec) {
        PF_FAIL(err, PF_CORRUPT, "partition spec %lld is not in the table's metadata", (long long)id);
    }
    return PF_OK;
}

static enum pf_code open_manifest(struct reader *reader, pf_str bytes, const struct pf_table_metadata *metadata,
                                  struct avro_file *avro, struct pf_error *err) {
    if (reader->file->key_metadata.len) {
        PF_FAIL(err, PF_UNSUPPORTED, "the manifest is encrypted: encrypted tables can't be read");
    }
    PF_TRY(avro_file_open(bytes, reader->arena, avro, err));
    if (avro->schema->kind != AVRO_RECORD) PF_FAIL(err, PF_CORRUPT, "the Avro schema is no record");
    manifest_name_fields(avro->schema, entry_names, sizeof entry_names / sizeof *entry_names);
    const struct avro_type *file_record = field_record(avro->schema, FIELD_DATA_FILE);
    if (!file_record) PF_FAIL(err, PF_CORRUPT, "the Avro schema has no data_file");
    manifest_name_fields(file_record, file_names, sizeof file_names / sizeof *file_names);
    PF_TRY(find_spec(reader, avro, metadata, err));
    const struct avro_type *partition = field_record(file_record, FIELD_PARTITION);
    if (partition) bind_partition(reader, partition);
    return PF_OK;
}

static enum pf_code read_manifest(struct reader *reader, pf_str bytes, const struct pf_table_metadata *metadata,
                                  struct pf_buf *block, struct pf_manifest *manifest, struct pf_error *err) {
    struct avro_file avro;
    struct avro_cursor cursor;
    size_t count, capacity = 0;
    int64_t next_row_id = reader->file->content == PF_MANIFEST_DATA ? reader->file->first_row_id : -1;
    PF_TRY(open_manifest(reader, bytes, metadata, &avro, err));
    avro.scratch = block;
    reader->copies = avro.codec != CODEC_NULL;
    for (;;) {
        PF_TRY(avro_file_next_block(&avro, reader->arena, &count, &cursor, err));
        if (count == 0) return PF_OK;
        for (size_t i = 0; i < count; i++) {
            struct pf_data_file file;
            read_entry(reader, &cursor, avro.schema, &file);
            if (cursor.failed) PF_FAIL(err, PF_CORRUPT, "entry %zu: %s", manifest->count, cursor.failed);
            inherit_row_id(&file, &next_row_id);
            PF_ARENA_PUSH(reader->arena, manifest->files, manifest->count, capacity) = file;
        }
    }
}

enum pf_code pf_manifest_read(pf_str bytes, const struct pf_manifest_file *file,
                              const struct pf_table_metadata *metadata, const struct pf_manifest_columns *columns,
                              struct pf_arena *arena, struct pf_manifest *out_manifest, struct pf_error *err) {
    struct pf_manifest manifest = {0};
    struct reader reader = {.arena = arena, .file = file, .columns = columns};
    reader.scratch = pf_arena_new(NULL, "manifest");
    struct pf_buf block;
    pf_buf_init(&block, SIZE_MAX);
    enum pf_code code = read_manifest(&reader, bytes, metadata, &block, &manifest, err);
    pf_buf_clear(&block);
    pf_arena_free(reader.scratch);
    if (code != PF_OK) return pf_error_wrap(err, code, "read manifest '%.*s'", PF_STR_ARG(file->path));
    *out_manifest = manifest;
    return PF_OK;
}

/* ---- what can be read ---- */

enum pf_code pf_data_file_check(const struct pf_data_file *file, pf_str table_name, int64_t snapshot_id,
                                struct pf_error *err) {
    const char *what = file->content == PF_FILE_DATA ? "data" : "delete";
    bool is_vector = file->content == PF_FILE_POSITION_DELETES && pf_str_equal(file->format, PF_STR("PUFFIN"));
    if (file->key_metadata.len) {
        PF_FAIL(err, PF_UNSUPPORTED, "table %.*s: %s file '%.*s' of snapshot %lld is encrypted: not supported",
                PF_STR_ARG(table_name), what, PF_STR_ARG(file->path), (long long)snapshot_id);
    }
    if (!is_vector && !pf_str_equal(file->format, PF_STR("PARQUET"))) {
        PF_FAIL(err, PF_UNSUPPORTED,
                "table %.*s: %s file '%.*s' of snapshot %lld is in the format %.*s: only Parquet is read; rewrite "
                "its data files (compaction) with table property write.format.default = parquet",
                PF_STR_ARG(table_name), what, PF_STR_ARG(file->path), (long long)snapshot_id, PF_STR_ARG(file->format));
    }
    return PF_OK;
}
