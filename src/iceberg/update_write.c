/* SPDX-License-Identifier: MIT */
/* A change of a table as the REST protocol sends it. The requirements are those that Iceberg's Java library sends
 * (UpdateRequirements): whoever changed the same thing meanwhile is noticed, other changes are not. */
#include "iceberg/update.h"

enum { MAX_UPDATES_BYTES = 64 << 20 };

struct printer {
    struct pf_buf requirements_buf, updates_buf;
    struct pf_json_out requirements, updates;
};

static void open_item(struct pf_json_out *out, const char *kind, const char *name) {
    pf_json_open_object(out);
    pf_json_field_str(out, kind, pf_str_from_cstr(name));
}

static void put_number(struct pf_json_out *out, const char *action, const char *key, int64_t value) {
    open_item(out, "action", action);
    pf_json_field_i64(out, key, value);
    pf_json_close_object(out);
}

static void put_text(struct pf_json_out *out, const char *action, const char *key, pf_str value) {
    open_item(out, "action", action);
    pf_json_field_str(out, key, value);
    pf_json_close_object(out);
}

/* Everything but snapshots of a table that is not there yet. */
static void print_new(struct printer *printer, const struct pf_table_metadata *next) {
    struct pf_json_out *out = &printer->updates;
    const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(next);
    const struct pf_partition_spec *spec = pf_table_metadata_spec(next, next->default_spec_id);
    open_item(&printer->requirements, "type", "assert-create");
    pf_json_close_object(&printer->requirements);
    put_text(out, "assign-uuid", "uuid", next->table_uuid);
    put_number(out, "upgrade-format-version", "format-version", next->format_version);
    if (schema) {
        open_item(out, "action", "add-schema");
        pf_json_key(out, "schema");
        schema_write(schema, out);
        pf_json_field_i64(out, "last-column-id", next->last_column_id);
        pf_json_close_object(out);
        put_number(out, "set-current-schema", "schema-id", -1);
    }
    if (spec) {
        open_item(out, "action", "add-spec");
        pf_json_key(out, "spec");
        metadata_write_spec(spec, out);
        pf_json_close_object(out);
        put_number(out, "set-default-spec", "spec-id", -1);
    }
    for (size_t i = 0; i < next->sort_order_count; i++) {
        if (next->sort_orders[i].id != next->default_sort_order_id) continue;
        open_item(out, "action", "add-sort-order");
        pf_json_key(out, "sort-order");
        metadata_write_sort_order(&next->sort_orders[i], out);
        pf_json_close_object(out);
        put_number(out, "set-default-sort-order", "sort-order-id", -1);
    }
    put_text(out, "set-location", "location", next->location);
}

static const struct pf_property *find_property(const struct pf_table_metadata *metadata, pf_str key) {
    for (size_t i = 0; metadata && i < metadata->property_count; i++)
        if (pf_str_equal(metadata->properties[i].key, key)) return &metadata->properties[i];
    return NULL;
}

static void print_set_properties(struct pf_json_out *out, const struct pf_table_metadata *base,
                                 const struct pf_table_metadata *next) {
    bool has_some = false;
    for (size_t i = 0; i < next->property_count; i++) {
        const struct pf_property *property = &next->properties[i], *before = find_property(base, property->key);
        if (before && pf_str_equal(before->value, property->value)) continue;
        if (!has_some) {
            open_item(out, "action", "set-properties");
            pf_json_key(out, "updates");
            pf_json_open_object(out);
        }
        has_some = true;
        metadata_write_properties(property, 1, out);
    }
    if (!has_some) return;
    pf_json_close_object(out);
    pf_json_close_object(out);
}

static void print_removed_properties(struct pf_json_out *out, const struct pf_table_metadata *base,
                                     const struct pf_table_metadata *next) {
    bool has_some = false;
    for (size_t i = 0; base && i < base->property_count; i++) {
        if (find_property(next, base->properties[i].key)) continue;
        if (!has_some) {
            open_item(out, "action", "remove-properties");
            pf_json_key(out, "removals");
            pf_json_open_array(out);
        }
        has_some = true;
        pf_json_put_str(out, base->properties[i].key);
    }
    if (!has_some) return;
    pf_json_close_array(out);
    pf_json_close_object(out);
}

static const struct pf_snapshot_ref *find_ref(const struct pf_table_metadata *metadata, pf_str name) {
    for (size_t i = 0; metadata && i < metadata->ref_count; i++)
        if (pf_str_equal(metadata->refs[i].name, name)) return &metadata->refs[i];
    return NULL;
}

static void require_ref(struct printer *printer, pf_str name, const struct pf_snapshot_ref *before) {
    struct pf_json_out *out = &printer->requirements;
    open_item(out, "type", "assert-ref-snapshot-id");
    pf_json_field_str(out, "ref", name);
    pf_json_key(out, "snapshot-id");
    if (before)
        pf_json_put_i64(out, before->snapshot_id);
    else
        pf_json_put_null(out);
    pf_json_close_object(out);
}

static void print_snapshots(struct printer *printer, const struct pf_table_metadata *base,
                            const struct pf_table_metadata *next) {
    struct pf_json_out *out = &printer->updates;
    for (size_t i = 0; i < next->snapshot_count; i++) {
        if (base && pf_table_metadata_snapshot(base, next->snapshots[i].id)) continue;
        open_item(out, "action", "add-snapshot");
        pf_json_key(out, "snapshot");
        metadata_write_snapshot(&next->snapshots[i], next->format_version, out);
        pf_json_close_object(out);
    }
    for (size_t i = 0; i < next->ref_count; i++) {
        const struct pf_snapshot_ref *ref = &next->refs[i], *before = find_ref(base, ref->name);
        if (before && before->snapshot_id == ref->snapshot_id) continue;
        if (base) require_ref(printer, ref->name, before);
        open_item(out, "action", "set-snapshot-ref");
        pf_json_field_str(out, "ref-name", ref->name);
        metadata_write_ref_fields(ref, out);
        pf_json_close_object(out);
    }
    for (size_t i = 0; base && i < base->ref_count; i++) {
        if (find_ref(next, base->refs[i].name)) continue;
        require_ref(printer, base->refs[i].name, &base->refs[i]);
        put_text(out, "remove-snapshot-ref", "ref-name", base->refs[i].name);
    }
}

static void require_base(struct printer *printer, const struct pf_table_metadata *base) {
    struct pf_json_out *out = &printer->requirements;
    open_item(out, "type", "assert-table-uuid");
    pf_json_field_str(out, "uuid", base->table_uuid);
    pf_json_close_object(out);
    open_item(out, "type", "assert-current-schema-id");
    pf_json_field_i64(out, "current-schema-id", base->current_schema_id);
    pf_json_close_object(out);
    open_item(out, "type", "assert-default-spec-id");
    pf_json_field_i64(out, "default-spec-id", base->default_spec_id);
    pf_json_close_object(out);
}

enum pf_code pf_table_print_updates(const struct pf_table_metadata *base, const struct pf_table_metadata *next,
                                    struct pf_arena *arena, pf_str *out_requirements, pf_str *out_updates,
                                    struct pf_error *err) {
    struct printer printer;
    pf_str requirements, updates;
    pf_buf_init(&printer.requirements_buf, MAX_UPDATES_BYTES);
    pf_buf_init(&printer.updates_buf, MAX_UPDATES_BYTES);
    pf_json_begin(&printer.requirements, &printer.requirements_buf);
    pf_json_begin(&printer.updates, &printer.updates_buf);
    pf_json_open_array(&printer.requirements);
    pf_json_open_array(&printer.updates);
    if (base)
        require_base(&printer, base);
    else
        print_new(&printer, next);
    print_set_properties(&printer.updates, base, next);
    print_removed_properties(&printer.updates, base, next);
    print_snapshots(&printer, base, next);
    pf_json_close_array(&printer.requirements);
    pf_json_close_array(&printer.updates);
    enum pf_code code = pf_buf_finish(&printer.requirements_buf, "requirements", &requirements, err);
    if (code == PF_OK) code = pf_buf_finish(&printer.updates_buf, "updates", &updates, err);
    if (code == PF_OK) {
        *out_requirements = pf_arena_str(arena, requirements);
        *out_updates = pf_arena_str(arena, updates);
    }
    pf_buf_clear(&printer.requirements_buf);
    pf_buf_clear(&printer.updates_buf);
    return code;
}

enum pf_code pf_table_print_create_request(pf_str name, const struct pf_table_metadata *metadata, bool is_staged,
                                           struct pf_arena *arena, pf_str *out_json, struct pf_error *err) {
    const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(metadata);
    const struct pf_partition_spec *spec = pf_table_metadata_spec(metadata, metadata->default_spec_id);
    struct pf_buf buf;
    struct pf_json_out out;
    pf_str json;
    if (!schema) PF_FAIL(err, PF_INVALID, "a table without schema");
    pf_buf_init(&buf, MAX_UPDATES_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_str(&out, "name", name);
    if (metadata->location.len) pf_json_field_str(&out, "location", metadata->location);
    pf_json_key(&out, "schema");
    schema_write(schema, &out);
    if (spec && spec->field_count) {
        pf_json_key(&out, "partition-spec");
        metadata_write_spec(spec, &out);
    }
    for (size_t i = 0; i < metadata->sort_order_count; i++) {
        const struct pf_sort_order *order = &metadata->sort_orders[i];
        if (order->id != metadata->default_sort_order_id || !order->field_count) continue;
        pf_json_key(&out, "write-order");
        metadata_write_sort_order(order, &out);
    }
    pf_json_field_bool(&out, "stage-create", is_staged);
    pf_json_key(&out, "properties");
    pf_json_open_object(&out);
    pf_json_put_key(&out, PF_STR("format-version"));
    pf_json_put_str(&out, pf_arena_printf(arena, "%d", metadata->format_version));
    metadata_write_properties(metadata->properties, metadata->property_count, &out);
    pf_json_close_object(&out);
    pf_json_close_object(&out);
    enum pf_code code = pf_buf_finish(&buf, "request", &json, err);
    if (code == PF_OK) *out_json = pf_arena_str(arena, json);
    pf_buf_clear(&buf);
    return code;
}
