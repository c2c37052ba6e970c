/* SPDX-License-Identifier: MIT */
/* metadata.json of format versions 1 to 3 into struct pf_table_metadata. What a version leaves out is filled in:
 * a v1 table has one schema and one spec, sequence number 0 everywhere and no refs. */
#include "iceberg/codec.h"
#include "iceberg/schema.h"
#include "iceberg/update.h"

enum { MAX_METADATA_BYTES = 512 << 20, LAST_VERSION = 3, LAST_PARTITION_ID_OF_NONE = 999 };

/* Errors of base/json say "invalid input"; a stored file that can't be read is corrupt. */
static enum pf_code need_i64(pf_json *json, const char *key, int64_t *out_value, struct pf_error *err) {
    enum pf_code code = pf_json_need_i64(json, key, "metadata", out_value, err);
    return code == PF_OK ? PF_OK : PF_CORRUPT;
}

static enum pf_code need_int(pf_json *json, const char *key, int *out_value, struct pf_error *err) {
    int64_t value;
    PF_TRY(need_i64(json, key, &value, err));
    if (value < -1 || value > INT32_MAX) PF_FAIL(err, PF_CORRUPT, "'%s' is %lld", key, (long long)value);
    *out_value = (int)value;
    return PF_OK;
}

/* Absent or null: the fallback. Anything else that is no int: PF_CORRUPT. */
static enum pf_code get_int(pf_json *json, const char *key, int fallback, int *out_value, struct pf_error *err) {
    pf_json *value = pf_json_get(json, key);
    if (!value || yyjson_is_null(value)) {
        *out_value = fallback;
        return PF_OK;
    }
    return need_int(json, key, out_value, err);
}

static enum pf_code read_schemas(pf_json *root, struct pf_arena *arena, struct pf_table_metadata *metadata,
                                 struct pf_error *err) {
    pf_json *list = pf_json_get(root, "schemas");
    pf_json *only = pf_json_get(root, "schema");
    bool has_list = pf_json_count(list) > 0;
    if (!has_list && (metadata->format_version > 1 || !only)) PF_FAIL(err, PF_CORRUPT, "'schemas' is missing");
    size_t count = has_list ? pf_json_count(list) : 1;
    struct pf_iceberg_schema *schemas = PF_ARENA_ARRAY(arena, struct pf_iceberg_schema, count);
    metadata->schemas = schemas;
    metadata->schema_count = count;
    if (!has_list) {
        enum pf_code code = schema_read(only, arena, &schemas[0], err);
        if (code != PF_OK) return pf_error_wrap(err, code, "schema");
        metadata->current_schema_id = schemas[0].id;
        return PF_OK;
    }
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        enum pf_code code = schema_read(each.value, arena, &schemas[each.index], err);
        if (code != PF_OK) return pf_error_wrap(err, code, "schemas[%zu]", each.index);
    }
    PF_TRY(need_int(root, "current-schema-id", &metadata->current_schema_id, err));
    if (!pf_table_metadata_current_schema(metadata)) {
        PF_FAIL(err, PF_CORRUPT, "current-schema-id %d is not among the schemas", metadata->current_schema_id);
    }
    return PF_OK;
}

static enum pf_code read_specs(pf_json *root, struct pf_arena *arena, struct pf_table_metadata *metadata,
                               struct pf_error *err) {
    pf_json *list = pf_json_get(root, "partition-specs");
    pf_json *only = pf_json_get(root, "partition-spec");
    int last_id = LAST_PARTITION_ID_OF_NONE;
    bool has_list = yyjson_is_arr(list);
    if (!has_list && metadata->format_version > 1) PF_FAIL(err, PF_CORRUPT, "'partition-specs' is missing");
    size_t count = has_list ? pf_json_count(list) : 1;
    struct pf_partition_spec *specs = PF_ARENA_ARRAY(arena, struct pf_partition_spec, count);
    if (!has_list && only) {
        enum pf_code code = schema_read_partition_fields(only, arena, &specs[0], err);
        if (code != PF_OK) return pf_error_wrap(err, code, "partition-spec");
    }
    for (struct pf_json_each each = pf_json_each(has_list ? list : NULL); pf_json_next(&each);) {
        struct pf_partition_spec *spec = &specs[each.index];
        enum pf_code code = need_int(each.value, "spec-id", &spec->id, err);
        if (code == PF_OK) code = schema_read_partition_fields(pf_json_get(each.value, "fields"), arena, spec, err);
        if (code != PF_OK) return pf_error_wrap(err, code, "partition-specs[%zu]", each.index);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < specs[i].field_count; k++) {
            if (specs[i].fields[k].field_id > last_id) last_id = specs[i].fields[k].field_id;
        }
    }
    metadata->specs = specs;
    metadata->spec_count = count;
    PF_TRY(get_int(root, "default-spec-id", count ? specs[0].id : 0, &metadata->default_spec_id, err));
    if (!pf_table_metadata_spec(metadata, metadata->default_spec_id)) {
        PF_FAIL(err, PF_CORRUPT, "default-spec-id %d is not among the partition specs", metadata->default_spec_id);
    }
    return get_int(root, "last-partition-id", last_id, &metadata->last_partition_id, err);
}

static enum pf_code read_sort_field(pf_json *json, struct pf_arena *arena, struct pf_sort_field *field,
                                    struct pf_error *err) {
    pf_json *sources = pf_json_get(json, "source-ids");
    int64_t source_id = pf_json_get_i64(json, "source-id", -1);
    if (source_id < 0 && pf_json_count(sources)) source_id = pf_json_as_i64(yyjson_arr_get_first(sources), -1);
    if (source_id < 0 || source_id > INT32_MAX) PF_FAIL(err, PF_CORRUPT, "'source-id' must be a field id");
    field->source_id = (int)source_id;
    PF_TRY(schema_read_transform(json, arena, &field->transform, err));
    field->is_descending = pf_str_equal_nocase(pf_json_get_str(json, "direction", PF_STR("asc")), PF_STR("desc"));
    field->is_nulls_first =
        pf_str_equal_nocase(pf_json_get_str(json, "null-order", PF_STR("nulls-first")), PF_STR("nulls-first"));
    return PF_OK;
}

enum pf_code metadata_read_sort_order(pf_json *json, struct pf_arena *arena, struct pf_sort_order *order,
                                      struct pf_error *err) {
    pf_json *fields = pf_json_get(json, "fields");
    PF_TRY(need_int(json, "order-id", &order->id, err));
    struct pf_sort_field *items = PF_ARENA_ARRAY(arena, struct pf_sort_field, pf_json_count(fields));
    for (struct pf_json_each field = pf_json_each(fields); pf_json_next(&field);) {
        enum pf_code code = read_sort_field(field.value, arena, &items[field.index], err);
        if (code != PF_OK) return pf_error_wrap(err, PF_CORRUPT, "fields[%zu]", field.index);
    }
    order->fields = items;
    order->field_count = pf_json_count(fields);
    return PF_OK;
}

static enum pf_code read_sort_orders(pf_json *root, struct pf_arena *arena, struct pf_table_metadata *metadata,
                                     struct pf_error *err) {
    pf_json *list = pf_json_get(root, "sort-orders");
    size_t count = pf_json_count(list) ? pf_json_count(list) : 1; /* v1: the unsorted order 0 */
    struct pf_sort_order *orders = PF_ARENA_ARRAY(arena, struct pf_sort_order, count);
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        enum pf_code code = metadata_read_sort_order(each.value, arena, &orders[each.index], err);
        if (code != PF_OK) return pf_error_wrap(err, code, "sort-orders[%zu]", each.index);
    }
    metadata->sort_orders = orders;
    metadata->sort_order_count = count;
    return get_int(root, "default-sort-order-id", 0, &metadata->default_sort_order_id, err);
}

/* Values that aren't strings are taken as their JSON text. `skip` is a key that is kept elsewhere. */
static const struct pf_property *read_properties(pf_json *json, pf_str skip, struct pf_arena *arena,
                                                 size_t *out_count) {
    struct pf_property *properties = PF_ARENA_ARRAY(arena, struct pf_property, pf_json_count(json));
    size_t count = 0;
    for (struct pf_json_each each = pf_json_each(yyjson_is_obj(json) ? json : NULL); pf_json_next(&each);) {
        if (skip.len && pf_str_equal(each.key, skip)) continue;
        pf_str value =
            yyjson_is_str(each.value) ? pf_json_as_str(each.value, PF_STR_EMPTY) : schema_json_text(each.value, arena);
        properties[count++] = (struct pf_property){each.key, value};
    }
    *out_count = count;
    return properties;
}

enum pf_code metadata_read_snapshot(pf_json *json, struct pf_arena *arena, struct pf_snapshot *snapshot,
                                    struct pf_error *err) {
    pf_json *summary = pf_json_get(json, "summary");
    pf_json *manifests = pf_json_get(json, "manifests");
    PF_TRY(need_i64(json, "snapshot-id", &snapshot->id, err));
    PF_TRY(need_i64(json, "timestamp-ms", &snapshot->timestamp_ms, err));
    snapshot->parent_id = pf_json_get_i64(json, "parent-snapshot-id", -1);
    snapshot->sequence_number = pf_json_get_i64(json, "sequence-number", 0);
    snapshot->manifest_list = pf_json_get_str(json, "manifest-list", PF_STR_EMPTY);
    snapshot->first_row_id = pf_json_get_i64(json, "first-row-id", -1);
    snapshot->added_rows = pf_json_get_i64(json, "added-rows", -1);
    PF_TRY(get_int(json, "schema-id", -1, &snapshot->schema_id, err));
    snapshot->operation = pf_json_get_str(summary, "operation", PF_STR_EMPTY);
    snapshot->summary = read_properties(summary, PF_STR("operation"), arena, &snapshot->summary_count);
    pf_str *paths = PF_ARENA_ARRAY(arena, pf_str, pf_json_count(manifests));
    for (struct pf_json_each each = pf_json_each(manifests); pf_json_next(&each);) {
        paths[each.index] = pf_json_as_str(each.value, PF_STR_EMPTY);
        if (paths[each.index].len == 0) PF_FAIL(err, PF_CORRUPT, "manifests[%zu] is no path", each.index);
    }
    snapshot->manifests = paths;
    snapshot->manifest_count = pf_json_count(manifests);
    if (snapshot->manifest_list.len == 0 && !manifests) PF_FAIL(err, PF_CORRUPT, "'manifest-list' is missing");
    return PF_OK;
}

static enum pf_code read_snapshots(pf_json *root, struct pf_arena *arena, struct pf_table_metadata *metadata,
                                   struct pf_error *err) {
    pf_json *list = pf_json_get(root, "snapshots");
    struct pf_snapshot *snapshots = PF_ARENA_ARRAY(arena, struct pf_snapshot, pf_json_count(list));
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        enum pf_code code = metadata_read_snapshot(each.value, arena, &snapshots[each.index], err);
        if (code != PF_OK) return pf_error_wrap(err, code, "snapshots[%zu]", each.index);
    }
    metadata->snapshots = snapshots;
    metadata->snapshot_count = pf_json_count(list);
    /* "None" is written as -1 by some, as null or not at all by others. */
    metadata->current_snapshot_id = pf_json_get_i64(root, "current-snapshot-id", -1);
    if (metadata->current_snapshot_id != -1 && !pf_table_metadata_current_snapshot(metadata)) {
        PF_FAIL(err, PF_CORRUPT, "current-snapshot-id %lld is not among the snapshots",
                (long long)metadata->current_snapshot_id);
    }
    return PF_OK;
}

static enum pf_code read_refs(pf_json *root, struct pf_arena *arena, struct pf_table_metadata *metadata,
                              struct pf_error *err) {
    pf_json *map = pf_json_get(root, "refs");
    size_t count = pf_json_count(map);
    struct pf_snapshot_ref *refs = PF_ARENA_ARRAY(arena, struct pf_snapshot_ref, count + 1);
    bool has_main = false;
    for (struct pf_json_each each = pf_json_each(map); pf_json_next(&each);) {
        struct pf_snapshot_ref *ref = &refs[each.index];
        enum pf_code code = need_i64(each.value, "snapshot-id", &ref->snapshot_id, err);
        if (code != PF_OK) return pf_error_wrap(err, code, "refs '%.*s'", PF_STR_ARG(each.key));
        ref->name = each.key;
        ref->is_branch = pf_str_equal(pf_json_get_str(each.value, "type", PF_STR("branch")), PF_STR("branch"));
        ref->min_snapshots_to_keep = pf_json_get_i64(each.value, "min-snapshots-to-keep", -1);
        ref->max_snapshot_age_ms = pf_json_get_i64(each.value, "max-snapshot-age-ms", -1);
        ref->max_ref_age_ms = pf_json_get_i64(each.value, "max-ref-age-ms", -1);
        has_main = has_main || pf_str_equal(each.key, PF_STR("main"));
    }
    if (!has_main && metadata->current_snapshot_id != -1) {
        refs[count++] = (struct pf_snapshot_ref){PF_STR("main"), metadata->current_snapshot_id, true, -1, -1, -1};
    }
    metadata->refs = refs;
    metadata->ref_count = count;
    return PF_OK;
}

static enum pf_code read_logs(pf_json *root, struct pf_arena *arena, struct pf_table_metadata *metadata,
                              struct pf_error *err) {
    pf_json *snapshot_log = pf_json_get(root, "snapshot-log"), *metadata_log = pf_json_get(root, "metadata-log");
    struct pf_log_entry *entries = PF_ARENA_ARRAY(arena, struct pf_log_entry, pf_json_count(snapshot_log));
    for (struct pf_json_each each = pf_json_each(snapshot_log); pf_json_next(&each);) {
        PF_TRY(need_i64(each.value, "timestamp-ms", &entries[each.index].timestamp_ms, err));
        PF_TRY(need_i64(each.value, "snapshot-id", &entries[each.index].snapshot_id, err));
    }
    metadata->snapshot_log = entries;
    metadata->snapshot_log_count = pf_json_count(snapshot_log);
    entries = PF_ARENA_ARRAY(arena, struct pf_log_entry, pf_json_count(metadata_log));
    for (struct pf_json_each each = pf_json_each(metadata_log); pf_json_next(&each);) {
        PF_TRY(need_i64(each.value, "timestamp-ms", &entries[each.index].timestamp_ms, err));
        entries[each.index].metadata_path = pf_json_get_str(each.value, "metadata-file", PF_STR_EMPTY);
    }
    metadata->metadata_log = entries;
    metadata->metadata_log_count = pf_json_count(metadata_log);
    return PF_OK;
}

static pf_str keep_list(pf_json *root, const char *key, struct pf_arena *arena) {
    pf_json *list = pf_json_get(root, key);
    return pf_json_count(list) ? schema_json_text(list, arena) : PF_STR_EMPTY;
}

static enum pf_code read_metadata(pf_json *root, struct pf_arena *arena, struct pf_table_metadata *metadata,
                                  struct pf_error *err) {
    if (!yyjson_is_obj(root)) PF_FAIL(err, PF_CORRUPT, "not a JSON object");
    PF_TRY(need_int(root, "format-version", &metadata->format_version, err));
    if (metadata->format_version < 1) PF_FAIL(err, PF_CORRUPT, "format-version %d", metadata->format_version);
    if (metadata->format_version > LAST_VERSION) {
        PF_FAIL(err, PF_UNSUPPORTED, "format-version %d (known: 1 to %d)", metadata->format_version, LAST_VERSION);
    }
    metadata->location = pf_json_get_str(root, "location", PF_STR_EMPTY);
    if (metadata->location.len == 0) PF_FAIL(err, PF_CORRUPT, "'location' is missing");
    while (metadata->location.len > 1 && pf_str_ends_with(metadata->location, PF_STR("/"))) metadata->location.len--;
    metadata->table_uuid = pf_json_get_str(root, "table-uuid", PF_STR_EMPTY);
    PF_TRY(need_i64(root, "last-updated-ms", &metadata->last_updated_ms, err));
    PF_TRY(need_int(root, "last-column-id", &metadata->last_column_id, err));
    metadata->last_sequence_number = pf_json_get_i64(root, "last-sequence-number", 0);
    metadata->next_row_id = pf_json_get_i64(root, "next-row-id", -1);
    PF_TRY(read_schemas(root, arena, metadata, err));
    PF_TRY(read_specs(root, arena, metadata, err));
    PF_TRY(read_sort_orders(root, arena, metadata, err));
    metadata->properties =
        read_properties(pf_json_get(root, "properties"), PF_STR_EMPTY, arena, &metadata->property_count);
    PF_TRY(read_snapshots(root, arena, metadata, err));
    PF_TRY(read_refs(root, arena, metadata, err));
    PF_TRY(read_logs(root, arena, metadata, err));
    metadata->statistics = keep_list(root, "statistics", arena);
    metadata->partition_statistics = keep_list(root, "partition-statistics", arena);
    metadata->encryption_keys = keep_list(root, "encryption-keys", arena);
    return PF_OK;
}

static bool is_gzip(pf_str bytes) {
    return bytes.len > 2 && (unsigned char)bytes.ptr[0] == 0x1f && (unsigned char)bytes.ptr[1] == 0x8b;
}

enum pf_code pf_table_metadata_text(pf_str bytes, struct pf_arena *arena, pf_str *out_json, struct pf_error *err) {
    if (is_gzip(bytes)) return codec_decompress(CODEC_GZIP, bytes, MAX_METADATA_BYTES, arena, out_json, err);
    *out_json = bytes;
    return PF_OK;
}

enum pf_code pf_table_metadata_read(pf_str bytes, pf_str path, struct pf_arena *arena,
                                    struct pf_table_metadata **out_metadata, struct pf_error *err) {
    struct pf_table_metadata *metadata = PF_ARENA_NEW(arena, struct pf_table_metadata);
    pf_json *root = NULL;
    enum pf_code code = pf_table_metadata_text(bytes, arena, &bytes, err);
    if (code == PF_OK && pf_json_parse(bytes, arena, "table metadata", &root, err) != PF_OK) code = PF_CORRUPT;
    if (code == PF_OK) code = read_metadata(root, arena, metadata, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "read table metadata '%.*s'", PF_STR_ARG(path));
    *out_metadata = metadata;
    return PF_OK;
}
