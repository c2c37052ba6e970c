/* SPDX-License-Identifier: MIT */
/* A new table as the REST protocol asks for one (CreateTableRequest): field ids are given anew, breadth before depth, as
 * Iceberg's Java library does it (TypeUtil.assignFreshIds), so that clients can foresee them. */
#include "iceberg/update.h"

#include <string.h>

enum { FIRST_PARTITION_FIELD_ID = 1000, FIRST_SORT_ORDER_ID = 1, LAST_VERSION = 3 };

struct ids {
    struct pf_arena *arena;
    int last;
    int *from, *to; /* old ids and what became of them */
    size_t count, from_capacity, to_count, to_capacity;
};

static int give_id(struct ids *ids, int old) {
    PF_ARENA_PUSH(ids->arena, ids->from, ids->count, ids->from_capacity) = old;
    PF_ARENA_PUSH(ids->arena, ids->to, ids->to_count, ids->to_capacity) = ++ids->last;
    return ids->last;
}

static int mapped(const struct ids *ids, int old) {
    for (size_t i = 0; i < ids->count; i++)
        if (ids->from[i] == old) return ids->to[i];
    return -1;
}

static const struct pf_iceberg_field *renumber(struct ids *ids, const struct pf_iceberg_field *fields, size_t count) {
    struct pf_iceberg_field *fresh = PF_ARENA_ARRAY(ids->arena, struct pf_iceberg_field, count);
    for (size_t i = 0; i < count; i++) {
        fresh[i] = fields[i];
        fresh[i].id = give_id(ids, fields[i].id);
    }
    for (size_t i = 0; i < count; i++) {
        if (!fields[i].type->field_count) continue;
        struct pf_iceberg_type *type = PF_ARENA_NEW(ids->arena, struct pf_iceberg_type);
        *type = *fields[i].type;
        type->fields = renumber(ids, type->fields, type->field_count);
        fresh[i].type = type;
    }
    return fresh;
}

static enum pf_code read_schema(pf_json *request, struct ids *ids, struct pf_iceberg_schema *schema,
                                struct pf_error *err) {
    struct pf_iceberg_schema given;
    if (!pf_json_get(request, "schema")) PF_FAIL(err, PF_INVALID, "'schema' is missing");
    if (schema_read(pf_json_get(request, "schema"), ids->arena, &given, err) != PF_OK)
        return pf_error_wrap(err, PF_INVALID, "schema");
    *schema = (struct pf_iceberg_schema){.id = 0, .field_count = given.field_count};
    schema->fields = renumber(ids, given.fields, given.field_count);
    int *identifiers = PF_ARENA_ARRAY(ids->arena, int, given.identifier_field_count);
    for (size_t i = 0; i < given.identifier_field_count; i++)
        identifiers[i] = mapped(ids, given.identifier_field_ids[i]);
    schema->identifier_field_ids = identifiers;
    schema->identifier_field_count = given.identifier_field_count;
    return PF_OK;
}

static enum pf_code read_spec(pf_json *request, const struct ids *ids, struct pf_table_metadata *metadata,
                              struct pf_error *err) {
    struct pf_partition_spec *spec = PF_ARENA_NEW(ids->arena, struct pf_partition_spec);
    pf_json *json = pf_json_get(request, "partition-spec");
    metadata->last_partition_id = FIRST_PARTITION_FIELD_ID - 1;
    if (json && !yyjson_is_null(json)) {
        pf_json *fields = pf_json_get(json, "fields");
        if (schema_read_partition_fields(fields, ids->arena, spec, err) != PF_OK)
            return pf_error_wrap(err, PF_INVALID, "partition-spec");
        struct pf_partition_field *fresh = PF_ARENA_ARRAY(ids->arena, struct pf_partition_field, spec->field_count);
        for (size_t i = 0; i < spec->field_count; i++) {
            fresh[i] = spec->fields[i];
            fresh[i].source_id = mapped(ids, fresh[i].source_id);
            fresh[i].field_id = ++metadata->last_partition_id;
            if (fresh[i].source_id < 0) {
                PF_FAIL(err, PF_INVALID, "Cannot find source column for partition field: %.*s",
                        PF_STR_ARG(fresh[i].name));
            }
        }
        spec->fields = fresh;
    }
    metadata->specs = spec;
    metadata->spec_count = 1;
    return PF_OK;
}

static enum pf_code read_order(pf_json *request, const struct ids *ids, struct pf_table_metadata *metadata,
                               struct pf_error *err) {
    struct pf_sort_order *order = PF_ARENA_NEW(ids->arena, struct pf_sort_order);
    pf_json *json = pf_json_get(request, "write-order");
    if (json && !yyjson_is_null(json)) {
        if (metadata_read_sort_order(json, ids->arena, order, err) != PF_OK)
            return pf_error_wrap(err, PF_INVALID, "write-order");
        struct pf_sort_field *fresh = PF_ARENA_ARRAY(ids->arena, struct pf_sort_field, order->field_count);
        for (size_t i = 0; i < order->field_count; i++) {
            fresh[i] = order->fields[i];
            fresh[i].source_id = mapped(ids, fresh[i].source_id);
            if (fresh[i].source_id < 0) PF_FAIL(err, PF_INVALID, "write-order: there is no such source column");
        }
        order->fields = fresh;
        order->id = order->field_count ? FIRST_SORT_ORDER_ID : 0;
    }
    metadata->sort_orders = order;
    metadata->sort_order_count = 1;
    metadata->default_sort_order_id = order->id;
    return PF_OK;
}

/* What says something about the metadata itself is not kept as a property. */
static bool is_reserved(pf_str key) {
    static const char *const reserved[] = {"format-version",      "uuid",
                                           "snapshot-count",      "current-snapshot-summary",
                                           "current-snapshot-id", "current-snapshot-timestamp-ms",
                                           "current-schema",      "default-partition-spec",
                                           "default-sort-order"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (pf_str_equal(key, pf_str_from_cstr(reserved[i]))) return true;
    return false;
}

static enum pf_code read_properties(pf_json *request, struct pf_arena *arena, struct pf_table_metadata *metadata,
                                    struct pf_error *err) {
    pf_json *json = pf_json_get(request, "properties");
    struct pf_property *properties = PF_ARENA_ARRAY(arena, struct pf_property, pf_json_count(json));
    for (struct pf_json_each each = pf_json_each(json); pf_json_next(&each);) {
        pf_str value = pf_json_as_str(each.value, PF_STR_EMPTY);
        if (!yyjson_is_str(each.value)) PF_FAIL(err, PF_INVALID, "property '%.*s' is no text", PF_STR_ARG(each.key));
        if (pf_str_equal(each.key, PF_STR("format-version"))) {
            int64_t version = 0;
            if (!pf_str_to_i64(value, &version) || version < 1 || version > LAST_VERSION) {
                PF_FAIL(err, PF_INVALID, "Unsupported format version: v%.*s (supported: v%d)", PF_STR_ARG(value),
                        LAST_VERSION);
            }
            metadata->format_version = (int)version;
        }
        if (!is_reserved(each.key)) properties[metadata->property_count++] = (struct pf_property){each.key, value};
    }
    metadata->properties = properties;
    return PF_OK;
}

enum pf_code pf_table_metadata_from_request(pf_json *request, pf_str uuid, pf_str location, int64_t now_ms,
                                            struct pf_arena *arena, struct pf_table_metadata **out_metadata,
                                            struct pf_error *err) {
    struct ids ids = {.arena = arena};
    struct pf_table_metadata *metadata = PF_ARENA_NEW(arena, struct pf_table_metadata);
    struct pf_iceberg_schema *schema = PF_ARENA_NEW(arena, struct pf_iceberg_schema);
    *metadata = (struct pf_table_metadata){.format_version = 2,
                                           .table_uuid = uuid,
                                           .location = location,
                                           .last_updated_ms = now_ms,
                                           .current_snapshot_id = -1};
    while (metadata->location.len > 1 && pf_str_ends_with(metadata->location, PF_STR("/"))) metadata->location.len--;
    PF_TRY(read_schema(request, &ids, schema, err));
    metadata->schemas = schema;
    metadata->schema_count = 1;
    metadata->last_column_id = ids.last;
    PF_TRY(read_spec(request, &ids, metadata, err));
    PF_TRY(read_order(request, &ids, metadata, err));
    PF_TRY(read_properties(request, arena, metadata, err));
    metadata->next_row_id = metadata->format_version >= 3 ? 0 : -1;
    *out_metadata = metadata;
    return PF_OK;
}
