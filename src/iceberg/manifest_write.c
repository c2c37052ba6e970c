/* SPDX-License-Identifier: MIT */
/* Manifests of format versions 1 to 3. Names, ids, defaults and the order of fields are those of Iceberg's Java library:
 * other readers look at all of them. What a version has not is left out, as there: version 1 knows no sequence numbers
 * and no delete files, version 3 adds row ids and where a deletion vector lies. */
#include "iceberg/manifest.h"
#include "iceberg/schema.h"
#include "iceberg/transform.h"

#include <string.h>

enum {
    MAX_SCHEMA_BYTES = 64 << 20,
    MAX_FIXED_NAMES = 64,
    UNUSED_BLOCK_BYTES = 64 << 20 /* version 1 requires a number that nobody reads; Java writes this one */
};

/* ---- the Avro schema ---- */

static void put_field(struct pf_buf *out, const char *name, const char *type, int id) {
    pf_buf_printf(out, "{\"name\":\"%s\",\"type\":\"%s\",\"field-id\":%d},", name, type, id);
}

static void put_optional(struct pf_buf *out, const char *name, const char *type, int id) {
    pf_buf_printf(out, "{\"name\":\"%s\",\"type\":[\"null\",%s],\"default\":null,\"field-id\":%d}", name, type, id);
}

/* A map with integer keys: an array of records k<key id>_v<value id>. */
static void put_map(struct pf_buf *out, const char *name, int id, int key_id, const char *value_type) {
    pf_buf_printf(out,
                  "{\"name\":\"%s\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":"
                  "\"k%d_v%d\",\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":%d},{\"name\":\"value\","
                  "\"type\":\"%s\",\"field-id\":%d}]},\"logicalType\":\"map\"}],\"default\":null,\"field-id\":%d},",
                  name, key_id, key_id + 1, key_id, value_type, key_id + 1, id);
}

static size_t decimal_bytes(int precision) {
    cell_i128 greatest = 1;
    unsigned char bytes[16];
    for (int i = 0; i < precision; i++) greatest *= 10;
    return cell_put_decimal(greatest - 1, bytes);
}

/* Named types are written out at their first use only. */
static void put_fixed(struct pf_buf *out, const char *logical, const char *name, size_t size, pf_str *names,
                      size_t *name_count, struct pf_arena *arena) {
    for (size_t i = 0; i < *name_count; i++) {
        if (!pf_str_equal(names[i], pf_str_from_cstr(name))) continue;
        pf_buf_printf(out, "\"%s\"", name);
        return;
    }
    if (*name_count < MAX_FIXED_NAMES) names[(*name_count)++] = pf_arena_str(arena, pf_str_from_cstr(name));
    pf_buf_printf(out, "{\"type\":\"fixed\",\"name\":\"%s\",\"size\":%zu%s}", name, size, logical);
}

static void put_value_type(struct pf_buf *out, const struct pf_iceberg_type *type, pf_str *names, size_t *name_count,
                           struct pf_arena *arena) {
    static const char *const plain[] = {
        [PF_ICEBERG_BOOLEAN] = "\"boolean\"",
        [PF_ICEBERG_INT] = "\"int\"",
        [PF_ICEBERG_LONG] = "\"long\"",
        [PF_ICEBERG_FLOAT] = "\"float\"",
        [PF_ICEBERG_DOUBLE] = "\"double\"",
        [PF_ICEBERG_DATE] = "{\"type\":\"int\",\"logicalType\":\"date\"}",
        [PF_ICEBERG_TIME] = "{\"type\":\"long\",\"logicalType\":\"time-micros\"}",
        [PF_ICEBERG_TIMESTAMP] = "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\",\"adjust-to-utc\":false}",
        [PF_ICEBERG_TIMESTAMPTZ] = "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\",\"adjust-to-utc\":true}",
        [PF_ICEBERG_STRING] = "\"string\"",
        [PF_ICEBERG_BINARY] = "\"bytes\"",
    };
    char name[64], logical[96];
    if (type->kind == PF_ICEBERG_DECIMAL) {
        snprintf(name, sizeof name, "decimal_%d_%d", type->precision, type->scale);
        snprintf(logical, sizeof logical, ",\"logicalType\":\"decimal\",\"precision\":%d,\"scale\":%d", type->precision,
                 type->scale);
        put_fixed(out, logical, name, decimal_bytes(type->precision), names, name_count, arena);
    } else if (type->kind == PF_ICEBERG_UUID) {
        put_fixed(out, ",\"logicalType\":\"uuid\"", "uuid_fixed", 16, names, name_count, arena);
    } else if (type->kind == PF_ICEBERG_FIXED) {
        snprintf(name, sizeof name, "fixed_%d", type->length);
        put_fixed(out, "", name, (size_t)type->length, names, name_count, arena);
    } else {
        pf_buf_put_cstr(out, plain[type->kind]);
    }
}

/* Letters, digits and underscores; others as _x and their code, as Java does. */
static void put_avro_name(struct pf_buf *out, pf_str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_digit = c >= '0' && c <= '9';
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (i == 0 && is_digit) pf_buf_put_char(out, '_');
        if (is_letter || is_digit) {
            pf_buf_put_char(out, c);
        } else {
            pf_buf_printf(out, "_x%X", (unsigned char)c);
        }
    }
}

/* The type of each partition value. Void fields, and fields whose source column is gone, hold nulls only. */
static const struct pf_iceberg_type *value_type(const struct pf_table_metadata *metadata,
                                                const struct pf_partition_field *field) {
    static const struct pf_iceberg_type text = {.kind = PF_ICEBERG_STRING, .text = {"string", 6}};
    const struct pf_iceberg_type *source = schema_source_type(metadata, field->source_id);
    const struct pf_iceberg_type *type = source ? transform_result_type(&field->transform, source) : NULL;
    if (!type && source && field->transform.kind == PF_TRANSFORM_VOID && cell_is_primitive(source)) type = source;
    if (type && (type->kind == PF_ICEBERG_TIMESTAMP_NS || type->kind == PF_ICEBERG_TIMESTAMPTZ_NS)) type = &text;
    return type ? type : &text;
}

static void put_partition_schema(const struct manifest_write *write, struct pf_arena *arena, struct pf_buf *out) {
    pf_str names[MAX_FIXED_NAMES];
    size_t name_count = 0;
    pf_buf_put_cstr(out, "{\"name\":\"partition\",\"type\":{\"type\":\"record\",\"name\":\"r102\",\"fields\":[");
    for (size_t i = 0; i < write->spec->field_count; i++) {
        const struct pf_partition_field *field = &write->spec->fields[i];
        pf_buf_put_cstr(out, i ? ",{\"name\":\"" : "{\"name\":\"");
        put_avro_name(out, field->name);
        pf_buf_put_cstr(out, "\",\"type\":[\"null\",");
        put_value_type(out, value_type(write->metadata, field), names, &name_count, arena);
        pf_buf_printf(out, "],\"default\":null,\"field-id\":%d}", field->field_id);
    }
    pf_buf_printf(out, "]},\"field-id\":%d},", FIELD_PARTITION);
}

static void put_file_schema(const struct manifest_write *write, struct pf_arena *arena, struct pf_buf *out) {
    int version = write->metadata->format_version;
    if (version > 1) put_field(out, "content", "int", FIELD_CONTENT);
    put_field(out, "file_path", "string", FIELD_FILE_PATH);
    put_field(out, "file_format", "string", FIELD_FILE_FORMAT);
    put_partition_schema(write, arena, out);
    put_field(out, "record_count", "long", FIELD_RECORD_COUNT);
    put_field(out, "file_size_in_bytes", "long", FIELD_FILE_SIZE);
    if (version == 1) put_field(out, "block_size_in_bytes", "long", FIELD_BLOCK_SIZE);
    put_map(out, "column_sizes", FIELD_COLUMN_SIZES, 117, "long");
    put_map(out, "value_counts", FIELD_VALUE_COUNTS, 119, "long");
    put_map(out, "null_value_counts", FIELD_NULL_COUNTS, 121, "long");
    put_map(out, "nan_value_counts", FIELD_NAN_COUNTS, 138, "long");
    put_map(out, "lower_bounds", FIELD_LOWER_BOUNDS, 126, "bytes");
    put_map(out, "upper_bounds", FIELD_UPPER_BOUNDS, 129, "bytes");
    put_optional(out, "key_metadata", "\"bytes\"", FIELD_KEY_METADATA);
    pf_buf_put_char(out, ',');
    put_optional(out, "split_offsets", "{\"type\":\"array\",\"items\":\"long\",\"element-id\":133}",
                 FIELD_SPLIT_OFFSETS);
    pf_buf_put_char(out, ',');
    if (version > 1) {
        put_optional(out, "equality_ids", "{\"type\":\"array\",\"items\":\"int\",\"element-id\":136}",
                     FIELD_EQUALITY_IDS);
        pf_buf_put_char(out, ',');
    }
    put_optional(out, "sort_order_id", "\"int\"", FIELD_SORT_ORDER_ID);
    if (version >= 3) {
        pf_buf_put_char(out, ',');
        put_optional(out, "first_row_id", "\"long\"", FIELD_FIRST_ROW_ID);
    }
    if (version > 1) {
        pf_buf_put_char(out, ',');
        put_optional(out, "referenced_data_file", "\"string\"", FIELD_REFERENCED_DATA_FILE);
    }
    if (version >= 3) {
        pf_buf_put_char(out, ',');
        put_optional(out, "content_offset", "\"long\"", FIELD_CONTENT_OFFSET);
        pf_buf_put_char(out, ',');
        put_optional(out, "content_size_in_bytes", "\"long\"", FIELD_CONTENT_SIZE);
    }
}

static void put_entry_schema(const struct manifest_write *write, struct pf_arena *arena, struct pf_buf *out) {
    pf_buf_put_cstr(out, "{\"type\":\"record\",\"name\":\"manifest_entry\",\"fields\":[");
    put_field(out, "status", "int", FIELD_STATUS);
    if (write->metadata->format_version == 1) {
        pf_buf_printf(out, "{\"name\":\"snapshot_id\",\"type\":\"long\",\"field-id\":%d}", FIELD_SNAPSHOT_ID);
    } else {
        put_optional(out, "snapshot_id", "\"long\"", FIELD_SNAPSHOT_ID);
        pf_buf_put_char(out, ',');
        put_optional(out, "sequence_number", "\"long\"", FIELD_SEQUENCE_NUMBER);
        pf_buf_put_char(out, ',');
        put_optional(out, "file_sequence_number", "\"long\"", FIELD_FILE_SEQUENCE_NUMBER);
    }
    pf_buf_put_cstr(out, ",{\"name\":\"data_file\",\"type\":{\"type\":\"record\",\"name\":\"r2\",\"fields\":[");
    put_file_schema(write, arena, out);
    pf_buf_printf(out, "]},\"field-id\":%d}]}", FIELD_DATA_FILE);
}

/* ---- entries ---- */

static void put_optional_long(struct pf_buf *out, bool is_there, int64_t number) {
    avro_put_long(out, is_there);
    if (is_there) avro_put_long(out, number);
}

static void put_optional_bytes(struct pf_buf *out, pf_str bytes) {
    avro_put_long(out, bytes.ptr != NULL && bytes.len > 0);
    if (bytes.ptr && bytes.len) avro_put_bytes(out, bytes);
}

/* False: the cell is no value of the type. */
static bool put_cell(struct pf_buf *out, const struct pf_iceberg_type *type, pf_str cell) {
    struct cell_value value;
    if (!cell.ptr) {
        avro_put_long(out, 0);
        return true;
    }
    if (!cell_decode(type, cell, &value)) return false;
    avro_put_long(out, 1);
    switch (type->kind) {
    case PF_ICEBERG_BOOLEAN: pf_buf_put_char(out, (char)value.integer); break;
    case PF_ICEBERG_FLOAT: pf_buf_put_str(out, cell); break;
    case PF_ICEBERG_DOUBLE: {
        struct pf_arena *scratch = pf_arena_new(NULL, "cell");
        pf_buf_put_str(out, cell_encode(type, &value, scratch));
        pf_arena_free(scratch);
        break;
    }
    case PF_ICEBERG_DECIMAL: {
        size_t size = decimal_bytes(type->precision);
        for (size_t i = size; i > 0; i--) pf_buf_put_char(out, (char)(value.decimal >> (8 * (i - 1))));
        break;
    }
    case PF_ICEBERG_FIXED:
        if (cell.len != (size_t)type->length) return false;
        pf_buf_put_str(out, cell);
        break;
    case PF_ICEBERG_UUID: pf_buf_put_str(out, cell); break;
    case PF_ICEBERG_STRING:
    case PF_ICEBERG_BINARY: avro_put_bytes(out, cell); break;
    default: avro_put_long(out, value.integer);
    }
    return true;
}

static int64_t count_of_map(const struct pf_column_stats *stats, int map) {
    switch (map) {
    case FIELD_COLUMN_SIZES: return stats->size_bytes;
    case FIELD_VALUE_COUNTS: return stats->value_count;
    case FIELD_NULL_COUNTS: return stats->null_count;
    case FIELD_NAN_COUNTS: return stats->nan_count;
    case FIELD_LOWER_BOUNDS: return stats->lower.ptr ? 0 : -1;
    default: return stats->upper.ptr ? 0 : -1;
    }
}

static void put_stat_map(struct pf_buf *out, const struct pf_data_file *file, int map) {
    int64_t count = 0;
    for (size_t i = 0; i < file->column_count; i++) count += count_of_map(&file->columns[i], map) >= 0;
    avro_put_long(out, count > 0);
    if (count == 0) return;
    avro_put_long(out, count);
    for (size_t i = 0; i < file->column_count; i++) {
        const struct pf_column_stats *stats = &file->columns[i];
        int64_t number = count_of_map(stats, map);
        if (number < 0) continue;
        avro_put_long(out, stats->field_id);
        if (map == FIELD_LOWER_BOUNDS) {
            avro_put_bytes(out, stats->lower);
        } else if (map == FIELD_UPPER_BOUNDS) {
            avro_put_bytes(out, stats->upper);
        } else {
            avro_put_long(out, number);
        }
    }
    avro_put_long(out, 0);
}

static void put_offsets(struct pf_buf *out, const struct pf_data_file *file) {
    avro_put_long(out, file->split_offset_count > 0);
    if (!file->split_offset_count) return;
    avro_put_long(out, (int64_t)file->split_offset_count);
    for (size_t i = 0; i < file->split_offset_count; i++) avro_put_long(out, file->split_offsets[i]);
    avro_put_long(out, 0);
}

static void put_equality_ids(struct pf_buf *out, const struct pf_data_file *file) {
    avro_put_long(out, file->equality_id_count > 0);
    if (!file->equality_id_count) return;
    avro_put_long(out, (int64_t)file->equality_id_count);
    for (size_t i = 0; i < file->equality_id_count; i++) avro_put_long(out, file->equality_ids[i]);
    avro_put_long(out, 0);
}

static enum pf_code put_partition(const struct manifest_write *write, const struct pf_data_file *file,
                                  struct pf_buf *out, struct pf_error *err) {
    if (file->partition_count != write->spec->field_count) {
        PF_FAIL(err, PF_INVALID, "file '%.*s' has %zu partition values, spec %d of the table has %zu fields",
                PF_STR_ARG(file->path), file->partition_count, write->spec->id, write->spec->field_count);
    }
    for (size_t i = 0; i < file->partition_count; i++) {
        const struct pf_partition_field *field = &write->spec->fields[i];
        if (!put_cell(out, value_type(write->metadata, field), file->partition[i])) {
            PF_FAIL(err, PF_INVALID, "file '%.*s': partition value of %.*s is not of its type", PF_STR_ARG(file->path),
                    PF_STR_ARG(field->name));
        }
    }
    return PF_OK;
}

/* What all versions but the first have in front of the file. */
static void put_sequence_numbers(const struct manifest_write *write, const struct pf_data_file *file,
                                 struct pf_buf *out) {
    bool is_added = file->status == PF_ENTRY_ADDED;
    bool is_older = is_added && file->content == PF_FILE_DATA && write->data_sequence_number > 0;
    int64_t number = is_older ? write->data_sequence_number : file->sequence_number;
    put_optional_long(out, is_older || (!is_added && number >= 0), number);
    put_optional_long(out, !is_added && file->file_sequence_number >= 0, file->file_sequence_number);
}

static enum pf_code put_entry(const struct manifest_write *write, const struct pf_data_file *file, struct pf_buf *out,
                              struct pf_error *err) {
    int version = write->metadata->format_version;
    bool is_added = file->status == PF_ENTRY_ADDED;
    int64_t snapshot_id = is_added ? write->snapshot_id : file->snapshot_id;
    avro_put_long(out, file->status);
    if (version == 1) {
        avro_put_long(out, snapshot_id);
    } else {
        put_optional_long(out, true, snapshot_id);
        put_sequence_numbers(write, file, out);
        avro_put_long(out, file->content);
    }
    avro_put_bytes(out, file->path);
    avro_put_bytes(out, file->format);
    PF_TRY(put_partition(write, file, out, err));
    avro_put_long(out, file->record_count);
    avro_put_long(out, file->size_bytes);
    if (version == 1) avro_put_long(out, UNUSED_BLOCK_BYTES);
    put_stat_map(out, file, FIELD_COLUMN_SIZES);
    put_stat_map(out, file, FIELD_VALUE_COUNTS);
    put_stat_map(out, file, FIELD_NULL_COUNTS);
    put_stat_map(out, file, FIELD_NAN_COUNTS);
    put_stat_map(out, file, FIELD_LOWER_BOUNDS);
    put_stat_map(out, file, FIELD_UPPER_BOUNDS);
    put_optional_bytes(out, file->key_metadata);
    put_offsets(out, file);
    if (version > 1) put_equality_ids(out, file);
    put_optional_long(out, file->sort_order_id >= 0, file->sort_order_id);
    /* Rows of a new file get their ids from its manifest's place in the list. */
    bool has_row_id = !is_added && file->content == PF_FILE_DATA && file->first_row_id >= 0;
    if (version >= 3) put_optional_long(out, has_row_id, file->first_row_id);
    if (version > 1) put_optional_bytes(out, file->referenced_data_file);
    if (version >= 3) {
        bool is_vector = file->content == PF_FILE_POSITION_DELETES && pf_str_equal(file->format, PF_STR("PUFFIN"));
        put_optional_long(out, is_vector, file->content_offset);
        put_optional_long(out, is_vector, file->content_size_bytes);
    }
    return PF_OK;
}

/* ---- summaries ---- */

static struct pf_field_summary summarise_field(const struct pf_iceberg_type *type, size_t position,
                                               const struct pf_data_file *files, size_t count, struct pf_arena *arena) {
    struct pf_field_summary summary = {.has_contains_nan = cell_is_float(type)};
    struct cell_value value, lower = {0}, upper = {0};
    bool has_bounds = false;
    for (size_t i = 0; i < count; i++) {
        pf_str cell = files[i].partition_count > position ? files[i].partition[position] : PF_STR_EMPTY;
        if (!cell.ptr) summary.contains_null = true;
        if (!cell_decode(type, cell, &value)) continue;
        if (cell_is_nan(&value)) {
            summary.contains_nan = true;
            continue;
        }
        if (!has_bounds || cell_compare(&value, &lower) < 0) lower = value;
        if (!has_bounds || cell_compare(&value, &upper) > 0) upper = value;
        has_bounds = true;
    }
    if (has_bounds) {
        summary.lower = cell_encode(type, &lower, arena);
        summary.upper = cell_encode(type, &upper, arena);
    }
    return summary;
}

const struct pf_field_summary *manifest_summarise(const struct manifest_write *write, const struct pf_data_file *files,
                                                  size_t count, struct pf_arena *arena) {
    size_t field_count = write->spec->field_count;
    struct pf_field_summary *summaries = PF_ARENA_ARRAY(arena, struct pf_field_summary, field_count);
    for (size_t i = 0; i < field_count; i++) {
        const struct pf_iceberg_type *type = value_type(write->metadata, &write->spec->fields[i]);
        summaries[i] = summarise_field(type, i, files, count, arena);
    }
    return summaries;
}

static void count_files(const struct manifest_write *write, const struct pf_data_file *files, size_t count,
                        struct pf_manifest_file *out_file) {
    int64_t min_sequence = write->sequence_number;
    for (size_t i = 0; i < count; i++) {
        if (files[i].status == PF_ENTRY_ADDED) {
            bool is_older = files[i].content == PF_FILE_DATA && write->data_sequence_number > 0;
            if (is_older && write->data_sequence_number < min_sequence) min_sequence = write->data_sequence_number;
            out_file->added_files++;
            out_file->added_rows += files[i].record_count;
        } else if (files[i].status == PF_ENTRY_EXISTING) {
            out_file->existing_files++;
            out_file->existing_rows += files[i].record_count;
            if (files[i].sequence_number < min_sequence) min_sequence = files[i].sequence_number;
        } else {
            out_file->deleted_files++;
            out_file->deleted_rows += files[i].record_count;
        }
    }
    out_file->min_sequence_number = min_sequence;
}

static size_t make_meta(const struct manifest_write *write, struct pf_arena *arena, struct avro_meta meta[6]) {
    struct pf_buf buf;
    struct pf_json_out out;
    const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(write->metadata);
    pf_buf_init(&buf, MAX_SCHEMA_BYTES);
    pf_json_begin(&out, &buf);
    schema_write(schema, &out);
    meta[0] = (struct avro_meta){PF_STR("schema"), pf_arena_str(arena, pf_buf_view(&buf))};
    pf_buf_reset(&buf);
    pf_json_begin(&out, &buf);
    schema_write_partition_fields(write->spec, &out);
    meta[1] = (struct avro_meta){PF_STR("partition-spec"), pf_arena_str(arena, pf_buf_view(&buf))};
    pf_buf_clear(&buf);
    meta[2] = (struct avro_meta){PF_STR("schema-id"), pf_arena_printf(arena, "%d", schema->id)};
    meta[3] = (struct avro_meta){PF_STR("partition-spec-id"), pf_arena_printf(arena, "%d", write->spec->id)};
    int version = write->metadata->format_version;
    meta[4] = (struct avro_meta){PF_STR("format-version"), pf_arena_printf(arena, "%d", version)};
    meta[5] =
        (struct avro_meta){PF_STR("content"), write->content == PF_MANIFEST_DATA ? PF_STR("data") : PF_STR("deletes")};
    return version == 1 ? 5 : 6;
}

enum pf_code manifest_write(const struct manifest_write *write, const struct pf_data_file *files, size_t count,
                            struct pf_arena *arena, pf_str *out_bytes, struct pf_manifest_file *out_file,
                            struct pf_error *err) {
    struct avro_meta meta[6];
    struct avro_writer writer;
    struct pf_buf schema;
    pf_str bytes;
    size_t meta_count = make_meta(write, arena, meta);
    pf_buf_init(&schema, MAX_SCHEMA_BYTES);
    put_entry_schema(write, arena, &schema);
    avro_writer_open(&writer, pf_buf_view(&schema), meta, meta_count, write->path);
    pf_buf_clear(&schema);
    enum pf_code entry_code = PF_OK;
    for (size_t i = 0; i < count && entry_code == PF_OK; i++) {
        entry_code = put_entry(write, &files[i], &writer.block, err);
        avro_writer_end_record(&writer);
    }
    enum pf_code code = avro_writer_close(&writer, arena, &bytes, entry_code == PF_OK ? err : NULL);
    if (entry_code != PF_OK) code = entry_code;
    if (code != PF_OK) return pf_error_wrap(err, code, "write manifest '%.*s'", PF_STR_ARG(write->path));
    struct pf_manifest_file file = {.path = write->path,
                                    .size_bytes = (int64_t)bytes.len,
                                    .spec_id = write->spec->id,
                                    .content = write->content,
                                    .sequence_number = write->sequence_number,
                                    .added_snapshot_id = write->snapshot_id,
                                    .first_row_id = -1};
    count_files(write, files, count, &file);
    file.partitions = manifest_summarise(write, files, count, arena);
    file.partition_count = write->spec->field_count;
    *out_bytes = bytes;
    *out_file = file;
    return PF_OK;
}
