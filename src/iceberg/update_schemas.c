/* SPDX-License-Identifier: MIT */
/* Updates of schemas, partition specs and sort orders. Adding one that is there already is not an error: its id is
 * taken, since engines send what they have on every write. */
#include "iceberg/update.h"

#include <string.h>

enum { LAST_ADDED = -1 };

static enum pf_code as_invalid(enum pf_code code, struct pf_error *err) {
    return code == PF_OK ? PF_OK : pf_error_wrap(err, PF_INVALID, "not valid");
}

/* The id that a "set" update means. */
static enum pf_code chosen_id(pf_json *json, const char *key, int added, int *out_id, struct pf_error *err) {
    PF_TRY(update_need_int(json, key, out_id, err));
    if (*out_id != LAST_ADDED) return PF_OK;
    if (added < 0) PF_FAIL(err, PF_INVALID, "'%s' is -1, but nothing was added before", key);
    *out_id = added;
    return PF_OK;
}

static bool has_id(pf_json *ids, int id) {
    for (struct pf_json_each each = pf_json_each(ids); pf_json_next(&each);)
        if (pf_json_as_i64(each.value, -1) == id) return true;
    return false;
}

/* ---- schemas ---- */

/* What the types of two schemas don't say, as far as they are equal: a column that may be NULL from now on is a change. */
static bool says_the_same(const struct pf_iceberg_field *a, const struct pf_iceberg_field *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bool is_same = a[i].is_required == b[i].is_required && pf_str_equal(a[i].doc, b[i].doc) &&
                       pf_str_equal(a[i].initial_default, b[i].initial_default) &&
                       pf_str_equal(a[i].write_default, b[i].write_default);
        if (!is_same || !says_the_same(a[i].type->fields, b[i].type->fields, a[i].type->field_count)) return false;
    }
    return true;
}

static bool is_same_schema(const struct pf_iceberg_schema *a, const struct pf_iceberg_schema *b) {
    struct pf_iceberg_type left = {.kind = PF_ICEBERG_STRUCT, .fields = a->fields, .field_count = a->field_count};
    struct pf_iceberg_type right = {.kind = PF_ICEBERG_STRUCT, .fields = b->fields, .field_count = b->field_count};
    if (!schema_types_equal(&left, &right) || a->identifier_field_count != b->identifier_field_count) return false;
    if (!says_the_same(a->fields, b->fields, a->field_count)) return false;
    for (size_t i = 0; i < a->identifier_field_count; i++)
        if (a->identifier_field_ids[i] != b->identifier_field_ids[i]) return false;
    return true;
}

static bool needs_v3(const struct pf_iceberg_field *field) {
    const struct pf_iceberg_type *type = field->type;
    if (field->initial_default.len && !pf_str_equal(field->initial_default, PF_STR("null"))) return true;
    if (type->kind == PF_ICEBERG_TIMESTAMP_NS || type->kind == PF_ICEBERG_TIMESTAMPTZ_NS ||
        type->kind == PF_ICEBERG_UNKNOWN || type->kind == PF_ICEBERG_OTHER) {
        return true;
    }
    for (size_t i = 0; i < type->field_count; i++)
        if (needs_v3(&type->fields[i])) return true;
    return false;
}

enum pf_code update_add_schema(struct update *update, pf_json *json, struct pf_error *err) {
    struct pf_table_metadata *next = update->next;
    struct pf_iceberg_schema schema;
    PF_TRY(as_invalid(schema_read(pf_json_get(json, "schema"), update->arena, &schema, err), err));
    for (size_t i = 0; i < schema.field_count; i++) {
        if (next->format_version < 3 && needs_v3(&schema.fields[i])) {
            PF_FAIL(err, PF_INVALID, "Invalid schema for v%d: column '%.*s' has a type or default of format version 3",
                    next->format_version, PF_STR_ARG(schema.fields[i].name));
        }
    }
    int last = schema_greatest_id(&schema);
    int64_t asked = pf_json_get_i64(json, "last-column-id", -1);
    if (asked > last && asked <= INT32_MAX) last = (int)asked;
    if (last > next->last_column_id) next->last_column_id = last;
    int id = next->schema_count ? next->current_schema_id : 0;
    for (size_t i = 0; i < next->schema_count; i++) {
        if (is_same_schema(&next->schemas[i], &schema)) {
            update->added_schema_id = next->schemas[i].id;
            return PF_OK;
        }
        if (next->schemas[i].id >= id) id = next->schemas[i].id + 1;
    }
    schema.id = id;
    struct pf_iceberg_schema *schemas = PF_ARENA_ARRAY(update->arena, struct pf_iceberg_schema, next->schema_count + 1);
    if (next->schema_count) memcpy(schemas, next->schemas, next->schema_count * sizeof *schemas);
    schemas[next->schema_count++] = schema;
    next->schemas = schemas;
    update->added_schema_id = id;
    update->is_changed = true;
    return PF_OK;
}

enum pf_code update_set_current_schema(struct update *update, pf_json *json, struct pf_error *err) {
    int id;
    PF_TRY(chosen_id(json, "schema-id", update->added_schema_id, &id, err));
    if (!pf_table_metadata_schema(update->next, id)) PF_FAIL(err, PF_INVALID, "there is no schema %d", id);
    if (update->next->current_schema_id != id) update->is_changed = true;
    update->next->current_schema_id = id;
    return PF_OK;
}

enum pf_code update_remove_schemas(struct update *update, pf_json *json, struct pf_error *err) {
    struct pf_table_metadata *next = update->next;
    pf_json *ids = pf_json_get(json, "schema-ids");
    if (has_id(ids, next->current_schema_id)) {
        PF_FAIL(err, PF_INVALID, "schema %d is the current one and can't be removed", next->current_schema_id);
    }
    struct pf_iceberg_schema *kept = PF_ARENA_ARRAY(update->arena, struct pf_iceberg_schema, next->schema_count);
    size_t count = 0;
    for (size_t i = 0; i < next->schema_count; i++)
        if (!has_id(ids, next->schemas[i].id)) kept[count++] = next->schemas[i];
    update->is_changed |= count != next->schema_count;
    next->schemas = kept;
    next->schema_count = count;
    return PF_OK;
}

/* ---- partition specs ---- */

/* Field ids aside. */
static bool is_same_spec(const struct pf_partition_spec *a, const struct pf_partition_spec *b) {
    if (a->field_count != b->field_count) return false;
    for (size_t i = 0; i < a->field_count; i++) {
        const struct pf_partition_field *left = &a->fields[i], *right = &b->fields[i];
        if (left->source_id != right->source_id || !pf_str_equal(left->name, right->name) ||
            !pf_str_equal(left->transform.text, right->transform.text)) {
            return false;
        }
    }
    return true;
}

static enum pf_code check_sources(const struct update *update, const struct pf_partition_spec *spec,
                                  struct pf_error *err) {
    const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(update->next);
    for (size_t i = 0; i < spec->field_count; i++) {
        const struct pf_partition_field *field = &spec->fields[i];
        if (field->transform.kind == PF_TRANSFORM_VOID) continue; /* its column may be gone */
        if (!schema || !pf_iceberg_schema_find_id(schema, field->source_id)) {
            PF_FAIL(err, PF_INVALID, "Cannot find source column for partition field: %.*s (id %d)",
                    PF_STR_ARG(field->name), field->source_id);
        }
    }
    return PF_OK;
}

/* Fields that came without an id get the next ones. */
static void give_field_ids(struct update *update, pf_json *fields, struct pf_partition_spec *spec) {
    struct pf_partition_field *given = PF_ARENA_ARRAY(update->arena, struct pf_partition_field, spec->field_count);
    int last = update->next->last_partition_id;
    if (spec->field_count) memcpy(given, spec->fields, spec->field_count * sizeof *given);
    for (struct pf_json_each each = pf_json_each(fields); pf_json_next(&each);) {
        if (pf_json_get_i64(each.value, "field-id", -1) < 0) given[each.index].field_id = ++last;
        if (given[each.index].field_id > last) last = given[each.index].field_id;
    }
    spec->fields = given;
    update->next->last_partition_id = last;
}

enum pf_code update_add_spec(struct update *update, pf_json *json, struct pf_error *err) {
    struct pf_table_metadata *next = update->next;
    struct pf_partition_spec spec = {0};
    pf_json *fields = pf_json_get(pf_json_get(json, "spec"), "fields");
    PF_TRY(as_invalid(schema_read_partition_fields(fields, update->arena, &spec, err), err));
    PF_TRY(check_sources(update, &spec, err));
    int id = next->spec_count ? next->default_spec_id : 0;
    for (size_t i = 0; i < next->spec_count; i++) {
        if (is_same_spec(&next->specs[i], &spec)) {
            update->added_spec_id = next->specs[i].id;
            return PF_OK;
        }
        if (next->specs[i].id >= id) id = next->specs[i].id + 1;
    }
    give_field_ids(update, fields, &spec);
    spec.id = id;
    struct pf_partition_spec *specs = PF_ARENA_ARRAY(update->arena, struct pf_partition_spec, next->spec_count + 1);
    if (next->spec_count) memcpy(specs, next->specs, next->spec_count * sizeof *specs);
    specs[next->spec_count++] = spec;
    next->specs = specs;
    update->added_spec_id = id;
    update->is_changed = true;
    return PF_OK;
}

enum pf_code update_set_default_spec(struct update *update, pf_json *json, struct pf_error *err) {
    int id;
    PF_TRY(chosen_id(json, "spec-id", update->added_spec_id, &id, err));
    if (!pf_table_metadata_spec(update->next, id)) PF_FAIL(err, PF_INVALID, "there is no partition spec %d", id);
    if (update->next->default_spec_id != id) update->is_changed = true;
    update->next->default_spec_id = id;
    return PF_OK;
}

enum pf_code update_remove_specs(struct update *update, pf_json *json, struct pf_error *err) {
    struct pf_table_metadata *next = update->next;
    pf_json *ids = pf_json_get(json, "spec-ids");
    if (has_id(ids, next->default_spec_id)) {
        PF_FAIL(err, PF_INVALID, "partition spec %d is the default one and can't be removed", next->default_spec_id);
    }
    struct pf_partition_spec *kept = PF_ARENA_ARRAY(update->arena, struct pf_partition_spec, next->spec_count);
    size_t count = 0;
    for (size_t i = 0; i < next->spec_count; i++)
        if (!has_id(ids, next->specs[i].id)) kept[count++] = next->specs[i];
    update->is_changed |= count != next->spec_count;
    next->specs = kept;
    next->spec_count = count;
    return PF_OK;
}

/* ---- sort orders ---- */

static bool is_same_order(const struct pf_sort_order *a, const struct pf_sort_order *b) {
    if (a->field_count != b->field_count) return false;
    for (size_t i = 0; i < a->field_count; i++) {
        const struct pf_sort_field *left = &a->fields[i], *right = &b->fields[i];
        if (left->source_id != right->source_id || left->is_descending != right->is_descending ||
            left->is_nulls_first != right->is_nulls_first ||
            !pf_str_equal(left->transform.text, right->transform.text)) {
            return false;
        }
    }
    return true;
}

static const struct pf_sort_order *find_order(const struct pf_table_metadata *metadata, int id) {
    for (size_t i = 0; i < metadata->sort_order_count; i++)
        if (metadata->sort_orders[i].id == id) return &metadata->sort_orders[i];
    return NULL;
}

enum pf_code update_add_sort_order(struct update *update, pf_json *json, struct pf_error *err) {
    struct pf_table_metadata *next = update->next;
    struct pf_sort_order order = {0};
    PF_TRY(as_invalid(metadata_read_sort_order(pf_json_get(json, "sort-order"), update->arena, &order, err), err));
    const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(next);
    for (size_t i = 0; i < order.field_count; i++) {
        if (schema && pf_iceberg_schema_find_id(schema, order.fields[i].source_id)) continue;
        PF_FAIL(err, PF_INVALID, "Cannot find source column for sort field: id %d", order.fields[i].source_id);
    }
    int id = order.field_count ? 1 : 0; /* 0 is the order of the unsorted */
    for (size_t i = 0; i < next->sort_order_count; i++) {
        if (is_same_order(&next->sort_orders[i], &order)) {
            update->added_order_id = next->sort_orders[i].id;
            return PF_OK;
        }
        if (order.field_count && next->sort_orders[i].id >= id) id = next->sort_orders[i].id + 1;
    }
    order.id = id;
    struct pf_sort_order *orders = PF_ARENA_ARRAY(update->arena, struct pf_sort_order, next->sort_order_count + 1);
    if (next->sort_order_count) memcpy(orders, next->sort_orders, next->sort_order_count * sizeof *orders);
    orders[next->sort_order_count++] = order;
    next->sort_orders = orders;
    update->added_order_id = id;
    update->is_changed = true;
    return PF_OK;
}

enum pf_code update_set_default_sort_order(struct update *update, pf_json *json, struct pf_error *err) {
    int id;
    PF_TRY(chosen_id(json, "sort-order-id", update->added_order_id, &id, err));
    if (!find_order(update->next, id)) PF_FAIL(err, PF_INVALID, "there is no sort order %d", id);
    if (update->next->default_sort_order_id != id) update->is_changed = true;
    update->next->default_sort_order_id = id;
    return PF_OK;
}
