/* SPDX-License-Identifier: MIT */
/* Manifests in parts: the blocks of the file are found first, without unpacking them, and say how many entries each has.
 * So every part knows where its entries go, and parts can be read in any order, by several threads. */
#include "iceberg/manifest_entry.h"
#include "iceberg/schema.h"

#include <stdatomic.h>

/* A manifest is some MB: what is far above cannot be one. An entry names a file, so that it takes bytes of the manifest
 * however well they are packed. */
enum { MAX_ENTRIES = 4 << 20, MAX_ENTRIES_PER_BYTE = 4, PART_BYTES = 64 << 10 };

struct part {
    size_t first_block, block_count, first_entry;
};

struct pf_manifest_reader {
    struct manifest_layout layout;
    struct avro_block *blocks;
    size_t block_count, block_capacity;
    struct part *parts;
    size_t part_count, part_capacity;
    struct pf_data_file *files;
    size_t count;
    _Atomic size_t unpacked_bytes; /* so far, by all threads */
};

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

static void bind_partition(struct manifest_layout *layout, const struct avro_type *record, struct pf_arena *arena) {
    layout->partition_positions = PF_ARENA_ARRAY(arena, int, record->field_count);
    for (size_t i = 0; i < record->field_count; i++) {
        int position = position_in_spec(layout->spec, &record->fields[i]);
        for (size_t k = 0; k < i; k++) {
            if (layout->partition_positions[k] == position) position = -1;
        }
        layout->partition_positions[i] = position;
        if (position >= 0) layout->partition_matches++;
    }
}

/* The spec is the one the manifest list names; without a list (v1) the file's own header names it. */
static enum pf_code find_spec(struct manifest_layout *layout, const struct avro_file *avro,
                              const struct pf_table_metadata *metadata, struct pf_error *err) {
    int64_t id = layout->file->spec_id;
    if (id < 0 && !pf_str_to_i64(avro_file_meta(avro, PF_STR("partition-spec-id")), &id)) id = 0;
    layout->spec = id >= 0 && id <= INT32_MAX ? pf_table_metadata_spec(metadata, (int)id) : NULL;
    if (!layout->spec) {
        PF_FAIL(err, PF_CORRUPT, "partition spec %lld is not in the table's metadata", (long long)id);
    }
    return PF_OK;
}

static enum pf_code open_layout(struct manifest_layout *layout, pf_str bytes, const struct pf_table_metadata *metadata,
                                struct pf_arena *arena, struct avro_file *avro, struct pf_error *err) {
    if (layout->file->key_metadata.len) {
        PF_FAIL(err, PF_UNSUPPORTED, "the manifest is encrypted: encrypted tables can't be read");
    }
    PF_TRY(avro_file_open(bytes, arena, avro, err));
    if (avro->schema->kind != AVRO_RECORD) PF_FAIL(err, PF_CORRUPT, "the Avro schema is no record");
    manifest_name_fields(avro->schema, entry_names, sizeof entry_names / sizeof *entry_names);
    const struct avro_type *file_record = field_record(avro->schema, FIELD_DATA_FILE);
    if (!file_record) PF_FAIL(err, PF_CORRUPT, "the Avro schema has no data_file");
    manifest_name_fields(file_record, file_names, sizeof file_names / sizeof *file_names);
    PF_TRY(find_spec(layout, avro, metadata, err));
    const struct avro_type *partition = field_record(file_record, FIELD_PARTITION);
    if (partition) bind_partition(layout, partition, arena);
    layout->schema = avro->schema;
    layout->codec = avro->codec;
    return PF_OK;
}

/* ---- parts ---- */

static enum pf_code find_blocks(struct pf_manifest_reader *reader, struct avro_file *avro, struct pf_arena *arena,
                                struct pf_error *err) {
    size_t part_bytes = PART_BYTES;
    struct avro_block block;
    for (;;) {
        PF_TRY(avro_file_next_packed(avro, &block, err));
        if (block.count == 0) return PF_OK;
        if (block.count / MAX_ENTRIES_PER_BYTE > block.packed.len) {
            PF_FAIL(err, PF_CORRUPT, "Avro block: %zu entries in %zu bytes", block.count, block.packed.len);
        }
        if (block.count > MAX_ENTRIES - reader->count) {
            PF_FAIL(err, PF_TOO_LARGE, "the manifest has more than %d entries", MAX_ENTRIES);
        }
        if (part_bytes >= PART_BYTES) {
            struct part part = {.first_block = reader->block_count, .first_entry = reader->count};
            PF_ARENA_PUSH(arena, reader->parts, reader->part_count, reader->part_capacity) = part;
            part_bytes = 0;
        }
        part_bytes += block.packed.len;
        reader->count += block.count;
        reader->parts[reader->part_count - 1].block_count++;
        PF_ARENA_PUSH(arena, reader->blocks, reader->block_count, reader->block_capacity) = block;
    }
}

static enum pf_code open_manifest(struct pf_manifest_reader *reader, pf_str bytes,
                                  const struct pf_table_metadata *metadata, struct pf_arena *arena,
                                  struct pf_error *err) {
    struct avro_file avro;
    PF_TRY(open_layout(&reader->layout, bytes, metadata, arena, &avro, err));
    PF_TRY(find_blocks(reader, &avro, arena, err));
    reader->files = PF_ARENA_ARRAY(arena, struct pf_data_file, reader->count);
    return PF_OK;
}

enum pf_code pf_manifest_open(pf_str bytes, const struct pf_manifest_file *file,
                              const struct pf_table_metadata *metadata, const struct pf_manifest_columns *columns,
                              struct pf_arena *arena, struct pf_manifest_reader **out_reader, struct pf_error *err) {
    struct pf_manifest_reader *reader = PF_ARENA_NEW(arena, struct pf_manifest_reader);
    reader->layout = (struct manifest_layout){.file = file, .columns = *columns};
    enum pf_code code = open_manifest(reader, bytes, metadata, arena, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "read manifest '%.*s'", PF_STR_ARG(file->path));
    *out_reader = reader;
    return PF_OK;
}

size_t pf_manifest_part_count(const struct pf_manifest_reader *reader) {
    return reader->part_count;
}

size_t pf_manifest_entry_count(const struct pf_manifest_reader *reader) {
    return reader->count;
}

size_t pf_manifest_part_start(const struct pf_manifest_reader *reader, size_t part) {
    return reader->parts[part].first_entry;
}

static enum pf_code read_block(struct pf_manifest_reader *reader, size_t number, struct manifest_decoder *decoder,
                               struct pf_buf *unpacked, struct pf_data_file *files, struct pf_error *err) {
    const struct avro_block *block = &reader->blocks[number];
    struct avro_cursor cursor;
    size_t before = reader->unpacked_bytes;
    size_t max = before < AVRO_MAX_FILE_BYTES ? AVRO_MAX_FILE_BYTES - before : 0;
    PF_TRY(avro_block_open(block, reader->layout.codec, max, unpacked, &cursor, err));
    reader->unpacked_bytes += (size_t)(cursor.end - cursor.at);
    for (size_t i = 0; i < block->count; i++) {
        manifest_read_entry(decoder, &cursor, &files[i]);
        if (cursor.failed) {
            PF_FAIL(err, PF_CORRUPT, "entry %zu: %s", (size_t)(&files[i] - reader->files), cursor.failed);
        }
    }
    return PF_OK;
}

static enum pf_code read_part(struct pf_manifest_reader *reader, const struct part *part,
                              struct manifest_decoder *decoder, struct pf_buf *unpacked, struct pf_error *err) {
    size_t first = part->first_entry;
    for (size_t i = 0; i < part->block_count; i++) {
        PF_TRY(read_block(reader, part->first_block + i, decoder, unpacked, &reader->files[first], err));
        first += reader->blocks[part->first_block + i].count;
    }
    return PF_OK;
}

enum pf_code pf_manifest_read_part(struct pf_manifest_reader *reader, size_t number, struct pf_arena *arena,
                                   struct pf_manifest *out_entries, struct pf_error *err) {
    const struct part *part = &reader->parts[number];
    size_t end = number + 1 < reader->part_count ? reader->parts[number + 1].first_entry : reader->count;
    struct manifest_decoder decoder = {.layout = &reader->layout, .arena = arena};
    struct pf_buf unpacked;
    decoder.scratch = pf_arena_new(NULL, "manifest");
    pf_buf_init(&unpacked, SIZE_MAX);
    enum pf_code code = read_part(reader, part, &decoder, &unpacked, err);
    pf_buf_clear(&unpacked);
    pf_arena_free(decoder.scratch);
    if (code != PF_OK) {
        return pf_error_wrap(err, code, "read manifest '%.*s'", PF_STR_ARG(reader->layout.file->path));
    }
    *out_entries = (struct pf_manifest){&reader->files[part->first_entry], end - part->first_entry};
    return PF_OK;
}

/* Files without a first row id of their own share out the manifest's, in order (v3, Row Lineage). */
static void inherit_row_id(struct pf_data_file *file, int64_t *next_row_id) {
    if (*next_row_id < 0 || file->first_row_id >= 0 || file->status == PF_ENTRY_DELETED) return;
    file->first_row_id = *next_row_id;
    if (__builtin_add_overflow(*next_row_id, file->record_count, next_row_id)) *next_row_id = -1;
}

void pf_manifest_finish(struct pf_manifest_reader *reader, struct pf_manifest *out_manifest) {
    const struct pf_manifest_file *file = reader->layout.file;
    int64_t next_row_id = file->content == PF_MANIFEST_DATA ? file->first_row_id : -1;
    for (size_t i = 0; next_row_id >= 0 && i < reader->count; i++) inherit_row_id(&reader->files[i], &next_row_id);
    *out_manifest = (struct pf_manifest){reader->files, reader->count};
}

enum pf_code pf_manifest_read(pf_str bytes, const struct pf_manifest_file *file,
                              const struct pf_table_metadata *metadata, const struct pf_manifest_columns *columns,
                              struct pf_arena *arena, struct pf_manifest *out_manifest, struct pf_error *err) {
    struct pf_manifest_reader *reader;
    struct pf_manifest entries;
    PF_TRY(pf_manifest_open(bytes, file, metadata, columns, arena, &reader, err));
    for (size_t i = 0; i < reader->part_count; i++) PF_TRY(pf_manifest_read_part(reader, i, arena, &entries, err));
    pf_manifest_finish(reader, out_manifest);
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
