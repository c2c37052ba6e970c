/* SPDX-License-Identifier: MIT */
/* Table metadata as JSON, format versions 1 to 3, in the order in which Iceberg's Java library writes it. */
#include "iceberg/update.h"

enum { MAX_METADATA_BYTES = 512 << 20 };

void metadata_write_properties(const struct pf_property *properties, size_t count, struct pf_json_out *out) {
    for (size_t i = 0; i < count; i++) {
        pf_json_put_key(out, properties[i].key);
        pf_json_put_str(out, properties[i].value);
    }
}

/* Version 1 has the current schema and spec once more, where its first readers look for them. */
static void write_schemas(const struct pf_table_metadata *metadata, struct pf_json_out *out) {
    const struct pf_iceberg_schema *current = pf_table_metadata_current_schema(metadata);
    if (metadata->format_version == 1 && current) {
        pf_json_key(out, "schema");
        schema_write(current, out);
    }
    pf_json_field_i64(out, "current-schema-id", metadata->current_schema_id);
    pf_json_key(out, "schemas");
    pf_json_open_array(out);
    for (size_t i = 0; i < metadata->schema_count; i++) schema_write(&metadata->schemas[i], out);
    pf_json_close_array(out);
}

void metadata_write_spec(const struct pf_partition_spec *spec, struct pf_json_out *out) {
    pf_json_open_object(out);
    pf_json_field_i64(out, "spec-id", spec->id);
    pf_json_key(out, "fields");
    schema_write_partition_fields(spec, out);
    pf_json_close_object(out);
}

static void write_specs(const struct pf_table_metadata *metadata, struct pf_json_out *out) {
    const struct pf_partition_spec *current = pf_table_metadata_spec(metadata, metadata->default_spec_id);
    if (metadata->format_version == 1 && current) {
        pf_json_key(out, "partition-spec");
        schema_write_partition_fields(current, out);
    }
    pf_json_field_i64(out, "default-spec-id", metadata->default_spec_id);
    pf_json_key(out, "partition-specs");
    pf_json_open_array(out);
    for (size_t i = 0; i < metadata->spec_count; i++) metadata_write_spec(&metadata->specs[i], out);
    pf_json_close_array(out);
    pf_json_field_i64(out, "last-partition-id", metadata->last_partition_id);
}

void metadata_write_sort_order(const struct pf_sort_order *order, struct pf_json_out *out) {
    pf_json_open_object(out);
    pf_json_field_i64(out, "order-id", order->id);
    pf_json_key(out, "fields");
    pf_json_open_array(out);
    for (size_t i = 0; i < order->field_count; i++) {
        const struct pf_sort_field *field = &order->fields[i];
        pf_json_open_object(out);
        pf_json_field_str(out, "transform", field->transform.text);
        pf_json_field_i64(out, "source-id", field->source_id);
        pf_json_field_str(out, "direction", field->is_descending ? PF_STR("desc") : PF_STR("asc"));
        pf_json_field_str(out, "null-order", field->is_nulls_first ? PF_STR("nulls-first") : PF_STR("nulls-last"));
        pf_json_close_object(out);
    }
    pf_json_close_array(out);
    pf_json_close_object(out);
}

static void write_sort_orders(const struct pf_table_metadata *metadata, struct pf_json_out *out) {
    pf_json_field_i64(out, "default-sort-order-id", metadata->default_sort_order_id);
    pf_json_key(out, "sort-orders");
    pf_json_open_array(out);
    for (size_t i = 0; i < metadata->sort_order_count; i++) metadata_write_sort_order(&metadata->sort_orders[i], out);
    pf_json_close_array(out);
}

void metadata_write_snapshot(const struct pf_snapshot *snapshot, int format_version, struct pf_json_out *out) {
    pf_json_open_object(out);
    if (format_version > 1) pf_json_field_i64(out, "sequence-number", snapshot->sequence_number);
    pf_json_field_i64(out, "snapshot-id", snapshot->id);
    if (snapshot->parent_id != -1) pf_json_field_i64(out, "parent-snapshot-id", snapshot->parent_id);
    pf_json_field_i64(out, "timestamp-ms", snapshot->timestamp_ms);
    if (snapshot->operation.len || snapshot->summary_count) {
        pf_json_key(out, "summary");
        pf_json_open_object(out);
        pf_json_field_str(out, "operation", snapshot->operation.len ? snapshot->operation : PF_STR("overwrite"));
        metadata_write_properties(snapshot->summary, snapshot->summary_count, out);
        pf_json_close_object(out);
    }
    if (snapshot->manifest_list.len) {
        pf_json_field_str(out, "manifest-list", snapshot->manifest_list);
    } else {
        pf_json_key(out, "manifests");
        pf_json_open_array(out);
        for (size_t i = 0; i < snapshot->manifest_count; i++) pf_json_put_str(out, snapshot->manifests[i]);
        pf_json_close_array(out);
    }
    if (snapshot->schema_id >= 0) pf_json_field_i64(out, "schema-id", snapshot->schema_id);
    if (format_version >= 3 && snapshot->first_row_id >= 0) {
        pf_json_field_i64(out, "first-row-id", snapshot->first_row_id);
        pf_json_field_i64(out, "added-rows", snapshot->added_rows >= 0 ? snapshot->added_rows : 0);
    }
    pf_json_close_object(out);
}

void metadata_write_ref_fields(const struct pf_snapshot_ref *ref, struct pf_json_out *out) {
    pf_json_field_i64(out, "snapshot-id", ref->snapshot_id);
    pf_json_field_str(out, "type", ref->is_branch ? PF_STR("branch") : PF_STR("tag"));
    if (ref->min_snapshots_to_keep >= 0) pf_json_field_i64(out, "min-snapshots-to-keep", ref->min_snapshots_to_keep);
    if (ref->max_snapshot_age_ms >= 0) pf_json_field_i64(out, "max-snapshot-age-ms", ref->max_snapshot_age_ms);
    if (ref->max_ref_age_ms >= 0) pf_json_field_i64(out, "max-ref-age-ms", ref->max_ref_age_ms);
}

static void write_snapshots(const struct pf_table_metadata *metadata, struct pf_json_out *out) {
    if (metadata->format_version < 3 || metadata->current_snapshot_id != -1) {
        pf_json_field_i64(out, "current-snapshot-id", metadata->current_snapshot_id);
    }
    pf_json_key(out, "refs");
    pf_json_open_object(out);
    for (size_t i = 0; i < metadata->ref_count; i++) {
        pf_json_put_key(out, metadata->refs[i].name);
        pf_json_open_object(out);
        metadata_write_ref_fields(&metadata->refs[i], out);
        pf_json_close_object(out);
    }
    pf_json_close_object(out);
    pf_json_key(out, "snapshots");
    pf_json_open_array(out);
    for (size_t i = 0; i < metadata->snapshot_count; i++)
        metadata_write_snapshot(&metadata->snapshots[i], metadata->format_version, out);
    pf_json_close_array(out);
}

static void write_kept(const char *key, pf_str json, struct pf_json_out *out) {
    pf_json_key(out, key);
    pf_json_put_raw(out, json.len ? json : PF_STR("[]"));
}

static void write_logs(const struct pf_table_metadata *metadata, struct pf_json_out *out) {
    pf_json_key(out, "snapshot-log");
    pf_json_open_array(out);
    for (size_t i = 0; i < metadata->snapshot_log_count; i++) {
        pf_json_open_object(out);
        pf_json_field_i64(out, "timestamp-ms", metadata->snapshot_log[i].timestamp_ms);
        pf_json_field_i64(out, "snapshot-id", metadata->snapshot_log[i].snapshot_id);
        pf_json_close_object(out);
    }
    pf_json_close_array(out);
    pf_json_key(out, "metadata-log");
    pf_json_open_array(out);
    for (size_t i = 0; i < metadata->metadata_log_count; i++) {
        pf_json_open_object(out);
        pf_json_field_i64(out, "timestamp-ms", metadata->metadata_log[i].timestamp_ms);
        pf_json_field_str(out, "metadata-file", metadata->metadata_log[i].metadata_path);
        pf_json_close_object(out);
    }
    pf_json_close_array(out);
}

enum pf_code pf_table_metadata_write(const struct pf_table_metadata *metadata, struct pf_arena *arena, pf_str *out_json,
                                     struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_str json;
    pf_buf_init(&buf, MAX_METADATA_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_i64(&out, "format-version", metadata->format_version);
    pf_json_field_str(&out, "table-uuid", metadata->table_uuid);
    pf_json_field_str(&out, "location", metadata->location);
    if (metadata->format_version > 1) {
        pf_json_field_i64(&out, "last-sequence-number", metadata->last_sequence_number);
    }
    pf_json_field_i64(&out, "last-updated-ms", metadata->last_updated_ms);
    pf_json_field_i64(&out, "last-column-id", metadata->last_column_id);
    write_schemas(metadata, &out);
    write_specs(metadata, &out);
    write_sort_orders(metadata, &out);
    pf_json_key(&out, "properties");
    pf_json_open_object(&out);
    metadata_write_properties(metadata->properties, metadata->property_count, &out);
    pf_json_close_object(&out);
    if (metadata->format_version >= 3) {
        pf_json_field_i64(&out, "next-row-id", metadata->next_row_id > 0 ? metadata->next_row_id : 0);
    }
    write_snapshots(metadata, &out);
    if (metadata->encryption_keys.len) write_kept("encryption-keys", metadata->encryption_keys, &out);
    write_kept("statistics", metadata->statistics, &out);
    write_kept("partition-statistics", metadata->partition_statistics, &out);
    write_logs(metadata, &out);
    pf_json_close_object(&out);
    enum pf_code code = pf_buf_finish(&buf, "table metadata", &json, err);
    if (code == PF_OK) *out_json = pf_arena_str(arena, json);
    pf_buf_clear(&buf);
    return code;
}
