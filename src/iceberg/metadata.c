/* SPDX-License-Identifier: MIT */
/* Table metadata in memory: looking things up, time travel, paths of new files, a new table. */
#include "iceberg/schema.h"
#include "iceberg/transform.h"

#include <string.h>

const struct pf_iceberg_schema *pf_table_metadata_schema(const struct pf_table_metadata *metadata, int id) {
    for (size_t i = 0; i < metadata->schema_count; i++) {
        if (metadata->schemas[i].id == id) return &metadata->schemas[i];
    }
    return NULL;
}

const struct pf_iceberg_schema *pf_table_metadata_current_schema(const struct pf_table_metadata *metadata) {
    return pf_table_metadata_schema(metadata, metadata->current_schema_id);
}

const struct pf_partition_spec *pf_table_metadata_spec(const struct pf_table_metadata *metadata, int id) {
    for (size_t i = 0; i < metadata->spec_count; i++) {
        if (metadata->specs[i].id == id) return &metadata->specs[i];
    }
    return NULL;
}

static pf_str find_property(const struct pf_property *properties, size_t count, pf_str key, pf_str fallback) {
    for (size_t i = 0; i < count; i++) {
        if (pf_str_equal(properties[i].key, key)) return properties[i].value;
    }
    return fallback;
}

pf_str pf_table_metadata_property(const struct pf_table_metadata *metadata, pf_str key, pf_str fallback) {
    return find_property(metadata->properties, metadata->property_count, key, fallback);
}

pf_str pf_snapshot_summary(const struct pf_snapshot *snapshot, pf_str key, pf_str fallback) {
    return find_property(snapshot->summary, snapshot->summary_count, key, fallback);
}

int64_t pf_snapshot_summary_i64(const struct pf_snapshot *snapshot, pf_str key) {
    int64_t number;
    pf_str text = pf_snapshot_summary(snapshot, key, PF_STR_EMPTY);
    return pf_str_to_i64(text, &number) && number >= 0 ? number : -1;
}

/* ---- time travel ---- */

const struct pf_snapshot *pf_table_metadata_snapshot(const struct pf_table_metadata *metadata, int64_t snapshot_id) {
    for (size_t i = metadata->snapshot_count; i > 0; i--) {
        if (metadata->snapshots[i - 1].id == snapshot_id) return &metadata->snapshots[i - 1];
    }
    return NULL;
}

const struct pf_snapshot *pf_table_metadata_current_snapshot(const struct pf_table_metadata *metadata) {
    if (metadata->current_snapshot_id == -1) return NULL;
    return pf_table_metadata_snapshot(metadata, metadata->current_snapshot_id);
}

const struct pf_snapshot *pf_table_metadata_snapshot_ref(const struct pf_table_metadata *metadata, pf_str name) {
    for (size_t i = 0; i < metadata->ref_count; i++) {
        if (!pf_str_equal(metadata->refs[i].name, name)) continue;
        return pf_table_metadata_snapshot(metadata, metadata->refs[i].snapshot_id);
    }
    return NULL;
}

/* By the log, not by parents: a rolled-back snapshot was current for a while (spec, Appendix F). */
const struct pf_snapshot *pf_table_metadata_snapshot_at(const struct pf_table_metadata *metadata,
                                                        int64_t timestamp_ms) {
    const struct pf_log_entry *last = NULL;
    for (size_t i = 0; i < metadata->snapshot_log_count; i++) {
        const struct pf_log_entry *entry = &metadata->snapshot_log[i];
        if (entry->timestamp_ms <= timestamp_ms && (!last || entry->timestamp_ms >= last->timestamp_ms)) last = entry;
    }
    return last ? pf_table_metadata_snapshot(metadata, last->snapshot_id) : NULL;
}

const struct pf_iceberg_schema *pf_table_metadata_schema_of(const struct pf_table_metadata *metadata,
                                                            const struct pf_snapshot *snapshot) {
    const struct pf_iceberg_schema *schema = NULL;
    if (snapshot && snapshot->schema_id >= 0) {
        schema = pf_table_metadata_schema(metadata, snapshot->schema_id);
    }
    return schema ? schema : pf_table_metadata_current_schema(metadata);
}

const struct pf_iceberg_type *pf_table_metadata_type_of(const struct pf_table_metadata *metadata, int field_id) {
    return schema_source_type(metadata, field_id);
}

/* ---- paths ---- */

static pf_str folder(const struct pf_table_metadata *metadata, pf_str key, const char *below, struct pf_arena *arena) {
    pf_str path = pf_table_metadata_property(metadata, key, PF_STR_EMPTY);
    while (path.len > 1 && pf_str_ends_with(path, PF_STR("/"))) path.len--;
    if (path.len == 0) return pf_arena_printf(arena, "%.*s/%s", PF_STR_ARG(metadata->location), below);
    bool is_absolute = path.ptr[0] == '/' || pf_str_find(path, PF_STR("://"), 0) != SIZE_MAX ||
                       pf_str_starts_with(path, PF_STR("file:"));
    if (is_absolute) return pf_arena_str(arena, path);
    return pf_arena_printf(arena, "%.*s/%.*s", PF_STR_ARG(metadata->location), PF_STR_ARG(path));
}

pf_str pf_table_metadata_data_folder(const struct pf_table_metadata *metadata, struct pf_arena *arena) {
    return folder(metadata, PF_STR("write.data.path"), "data", arena);
}

pf_str pf_table_metadata_metadata_folder(const struct pf_table_metadata *metadata, struct pf_arena *arena) {
    return folder(metadata, PF_STR("write.metadata.path"), "metadata", arena);
}

int pf_table_metadata_spreads_files(const struct pf_table_metadata *metadata) {
    pf_str text = pf_table_metadata_property(metadata, PF_STR("write.object-storage.enabled"), PF_STR_EMPTY);
    return text.len ? pf_str_equal_nocase(text, PF_STR("true")) : -1;
}

/* Iceberg 1.11, ObjectStoreLocationProvider: three folders of four bits, the other eight bits together. */
pf_str pf_iceberg_spread_name(pf_str name, struct pf_arena *arena) {
    char folders[] = "0000/0000/0000/00000000";
    uint32_t hash = pf_iceberg_murmur3(name);
    int bit = 20;
    for (char *at = folders; *at; at++) {
        if (*at != '/') *at = (hash >> --bit) & 1 ? '1' : '0';
    }
    return pf_arena_printf(arena, "%s/%.*s", folders, PF_STR_ARG(name));
}

static int64_t version_of_path(pf_str path) {
    int64_t version;
    size_t base = path.len;
    while (base > 0 && path.ptr[base - 1] != '/') base--;
    pf_str name = pf_str_slice(path, base, path.len);
    size_t dash = pf_str_find_char(name, '-', 0);
    if (dash == SIZE_MAX || !pf_str_to_i64(pf_str_slice(name, 0, dash), &version)) return -1;
    return version < 0 || version > INT32_MAX ? -1 : version;
}

pf_str pf_table_metadata_next_path(const struct pf_table_metadata *metadata, pf_str previous_path, pf_str uuid,
                                   struct pf_arena *arena) {
    pf_str where = pf_table_metadata_metadata_folder(metadata, arena);
    return pf_arena_printf(arena, "%.*s/%05lld-%.*s.metadata.json", PF_STR_ARG(where),
                           (long long)version_of_path(previous_path) + 1, PF_STR_ARG(uuid));
}

/* ---- a new table ---- */

static enum pf_code give_partition_ids(const struct pf_table_create *create, struct pf_arena *arena,
                                       struct pf_partition_spec *spec, int *last_id, struct pf_error *err) {
    size_t count = create->spec ? create->spec->field_count : 0;
    struct pf_partition_field *fields = PF_ARENA_ARRAY(arena, struct pf_partition_field, count);
    *last_id = 999;
    for (size_t i = 0; i < count; i++) {
        const struct pf_partition_field *field = &create->spec->fields[i];
        if (!pf_iceberg_schema_find_id(create->schema, field->source_id)) {
            PF_FAIL(err, PF_INVALID, "partition field '%.*s': the schema has no field with id %d",
                    PF_STR_ARG(field->name), field->source_id);
        }
        fields[i] = *field;
        if (fields[i].field_id == 0) fields[i].field_id = *last_id + 1;
        if (fields[i].field_id > *last_id) *last_id = fields[i].field_id;
    }
    spec->fields = fields;
    spec->field_count = count;
    return PF_OK;
}

enum pf_code pf_table_metadata_create(const struct pf_table_create *create, struct pf_arena *arena,
                                      struct pf_table_metadata **out_metadata, struct pf_error *err) {
    struct pf_table_metadata *metadata = PF_ARENA_NEW(arena, struct pf_table_metadata);
    struct pf_iceberg_schema *schema = PF_ARENA_NEW(arena, struct pf_iceberg_schema);
    struct pf_partition_spec *spec = PF_ARENA_NEW(arena, struct pf_partition_spec);
    struct pf_sort_order *order = PF_ARENA_NEW(arena, struct pf_sort_order);
    if (create->location.len == 0) PF_FAIL(err, PF_INVALID, "a table needs a location");
    *schema = *create->schema;
    schema->id = 0;
    metadata->format_version = 2;
    metadata->table_uuid = create->uuid;
    metadata->location = create->location;
    while (metadata->location.len > 1 && pf_str_ends_with(metadata->location, PF_STR("/"))) metadata->location.len--;
    metadata->last_updated_ms = create->now_ms;
    metadata->last_column_id = create->last_column_id;
    metadata->schemas = schema;
    metadata->schema_count = 1;
    PF_TRY(give_partition_ids(create, arena, spec, &metadata->last_partition_id, err));
    metadata->specs = spec;
    metadata->spec_count = 1;
    metadata->sort_orders = order;
    metadata->sort_order_count = 1;
    metadata->properties = create->properties;
    metadata->property_count = create->property_count;
    metadata->current_snapshot_id = -1;
    metadata->next_row_id = -1;
    *out_metadata = metadata;
    return PF_OK;
}
