/* SPDX-License-Identifier: MIT */
/* Data and delete files as JSON, for scans that are planned for others (REST protocol, ContentFile).
 *
 * Bounds are left out, which the protocol allows: its document has them as typed values, its reference client reads the
 * bytes of the manifest, and nobody plans a second time by them. */
#include "iceberg/schema.h"
#include "iceberg/transform.h"

#include <math.h>

static void put_lower(struct pf_json_out *out, const char *key, pf_str text, struct pf_arena *arena) {
    char *copy = pf_arena_cstr(arena, text);
    for (size_t i = 0; i < text.len; i++) {
        if (copy[i] >= 'A' && copy[i] <= 'Z') copy[i] = (char)(copy[i] - 'A' + 'a');
    }
    pf_json_field_str(out, key, pf_str_from(copy, text.len));
}

static const struct pf_iceberg_type *type_of(const struct pf_table_metadata *metadata,
                                             const struct pf_partition_field *field) {
    const struct pf_iceberg_type *source = schema_source_type(metadata, field->source_id);
    return source ? transform_result_type(&field->transform, source) : NULL;
}

enum pf_code pf_data_file_check_json(const struct pf_data_file *file, const struct pf_table_metadata *metadata,
                                     struct pf_error *err) {
    const struct pf_partition_spec *spec = pf_table_metadata_spec(metadata, file->spec_id);
    for (size_t i = 0; spec && i < spec->field_count && i < file->partition_count; i++) {
        const struct pf_iceberg_type *type = type_of(metadata, &spec->fields[i]);
        struct cell_value value;
        if (!type || !cell_is_float(type) || !cell_decode(type, file->partition[i], &value)) continue;
        if (isfinite(value.real)) continue;
        PF_FAIL(err, PF_UNSUPPORTED,
                "file '%.*s' lies in a partition whose value of '%.*s' JSON does not have: plan the scan in the client",
                PF_STR_ARG(file->path), PF_STR_ARG(spec->fields[i].name));
    }
    return PF_OK;
}

static void put_partition(const struct pf_data_file *file, const struct pf_table_metadata *metadata,
                          struct pf_json_out *out, struct pf_arena *arena) {
    const struct pf_partition_spec *spec = pf_table_metadata_spec(metadata, file->spec_id);
    pf_json_key(out, "partition");
    pf_json_open_array(out);
    for (size_t i = 0; spec && i < spec->field_count; i++) {
        const struct pf_iceberg_type *type = type_of(metadata, &spec->fields[i]);
        if (type && i < file->partition_count) {
            cell_put_json(type, file->partition[i], out, arena);
        } else {
            pf_json_put_null(out);
        }
    }
    pf_json_close_array(out);
}

static bool has_id(const struct pf_manifest_columns *ids, int id) {
    for (size_t i = 0; i < ids->count; i++) {
        if (ids->ids[i] == id) return true;
    }
    return ids->all;
}

enum count { VALUES, NULLS, NANS };

static int64_t count_of(const struct pf_column_stats *column, enum count what) {
    return what == VALUES ? column->value_count : what == NULLS ? column->null_count : column->nan_count;
}

static void put_counts(const struct pf_data_file *file, const struct pf_manifest_columns *ids, enum count what,
                       const char *key, struct pf_json_out *out) {
    pf_json_key(out, key);
    pf_json_open_object(out);
    for (int is_value = 0; is_value < 2; is_value++) {
        pf_json_key(out, is_value ? "values" : "keys");
        pf_json_open_array(out);
        for (size_t i = 0; i < file->column_count; i++) {
            const struct pf_column_stats *column = &file->columns[i];
            int64_t count = count_of(column, what);
            if (count >= 0 && has_id(ids, column->field_id)) pf_json_put_i64(out, is_value ? count : column->field_id);
        }
        pf_json_close_array(out);
    }
    pf_json_close_object(out);
}

static void put_numbers(struct pf_json_out *out, const char *key, const int64_t *numbers, size_t count) {
    if (!count) return;
    pf_json_key(out, key);
    pf_json_open_array(out);
    for (size_t i = 0; i < count; i++) pf_json_put_i64(out, numbers[i]);
    pf_json_close_array(out);
}

static void put_if_known(struct pf_json_out *out, const char *key, int64_t number) {
    if (number >= 0) pf_json_field_i64(out, key, number);
}

static void put_deletes(const struct pf_data_file *file, struct pf_json_out *out) {
    if (file->equality_id_count) {
        pf_json_key(out, "equality-ids");
        pf_json_open_array(out);
        for (size_t i = 0; i < file->equality_id_count; i++) pf_json_put_i64(out, file->equality_ids[i]);
        pf_json_close_array(out);
    }
    if (file->referenced_data_file.len) pf_json_field_str(out, "referenced-data-file", file->referenced_data_file);
    put_if_known(out, "content-offset", file->content_offset);
    put_if_known(out, "content-size-in-bytes", file->content_size_bytes);
}

void pf_data_file_put_json(const struct pf_data_file *file, const struct pf_table_metadata *metadata,
                           const struct pf_manifest_columns *stats, struct pf_json_out *out, struct pf_arena *arena) {
    static const char *const contents[] = {"data", "position-deletes", "equality-deletes"};
    pf_json_open_object(out);
    pf_json_field_i64(out, "spec-id", file->spec_id);
    pf_json_field_str(out, "content", pf_str_from_cstr(contents[file->content]));
    pf_json_field_str(out, "file-path", file->path);
    put_lower(out, "file-format", file->format, arena);
    put_partition(file, metadata, out, arena);
    pf_json_field_i64(out, "file-size-in-bytes", file->size_bytes);
    pf_json_field_i64(out, "record-count", file->record_count);
    if (stats->all || stats->count) {
        put_counts(file, stats, VALUES, "value-counts", out);
        put_counts(file, stats, NULLS, "null-value-counts", out);
        put_counts(file, stats, NANS, "nan-value-counts", out);
    }
    put_numbers(out, "split-offsets", file->split_offsets, file->split_offset_count);
    put_if_known(out, "sort-order-id", file->sort_order_id);
    if (file->content == PF_FILE_DATA) {
        put_if_known(out, "first-row-id", file->first_row_id);
        if (file->first_row_id >= 0) put_if_known(out, "data-sequence-number", file->sequence_number);
    } else {
        put_deletes(file, out);
    }
    pf_json_close_object(out);
}
