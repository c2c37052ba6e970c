/* SPDX-License-Identifier: MIT */
/* What a client of the REST protocol asks of a table: requirements, checked against the table as it is, and updates,
 * applied to it. Source: the protocol's OpenAPI document (TableRequirement, TableUpdate); where it is silent, what
 * Iceberg's Java library does (TableMetadata.Builder), since all clients are tested against that. */
#include "iceberg/update.h"

#include <string.h>

enum { LAST_VERSION = 3, MAX_METADATA_LOG = 100 };

enum pf_code update_need_i64(pf_json *json, const char *key, int64_t *out_value, struct pf_error *err) {
    return pf_json_need_i64(json, key, "update", out_value, err);
}

enum pf_code update_need_int(pf_json *json, const char *key, int *out_value, struct pf_error *err) {
    int64_t value;
    PF_TRY(update_need_i64(json, key, &value, err));
    if (value < INT32_MIN || value > INT32_MAX) PF_FAIL(err, PF_INVALID, "'%s' is %lld", key, (long long)value);
    *out_value = (int)value;
    return PF_OK;
}

enum pf_code update_need_str(pf_json *json, const char *key, pf_str *out_value, struct pf_error *err) {
    return pf_json_need_str(json, key, "update", out_value, err);
}

/* ---- single values ---- */

static enum pf_code assign_uuid(struct update *update, pf_json *json, struct pf_error *err) {
    pf_str uuid;
    PF_TRY(update_need_str(json, "uuid", &uuid, err));
    if (uuid.len != 36) PF_FAIL(err, PF_INVALID, "'%.*s' is no uuid", PF_STR_ARG(pf_str_slice(uuid, 0, 60)));
    update->is_changed |= !pf_str_equal_nocase(uuid, update->next->table_uuid);
    update->next->table_uuid = uuid;
    return PF_OK;
}

static enum pf_code upgrade_version(struct update *update, pf_json *json, struct pf_error *err) {
    int version;
    PF_TRY(update_need_int(json, "format-version", &version, err));
    bool is_first = update->is_new && !update->next->schema_count; /* a new table's version, no upgrade */
    if (version < 1 || (version < update->next->format_version && !is_first)) {
        PF_FAIL(err, PF_INVALID, "Cannot downgrade v%d table to v%d", update->next->format_version, version);
    }
    if (version > LAST_VERSION) {
        PF_FAIL(err, PF_INVALID, "Cannot upgrade table to unsupported format version: v%d (supported: v%d)", version,
                LAST_VERSION);
    }
    update->is_changed |= version != update->next->format_version;
    update->next->format_version = version;
    if (version >= 3 && update->next->next_row_id < 0) update->next->next_row_id = 0;
    return PF_OK;
}

static enum pf_code set_location(struct update *update, pf_json *json, struct pf_error *err) {
    pf_str location;
    PF_TRY(update_need_str(json, "location", &location, err));
    while (location.len > 1 && pf_str_ends_with(location, PF_STR("/"))) location.len--;
    if (!location.len) PF_FAIL(err, PF_INVALID, "'location' is empty");
    update->is_changed |= !pf_str_equal(location, update->next->location);
    update->next->location = location;
    return PF_OK;
}

/* ---- properties ---- */

static void set_property(struct update *update, struct pf_property *properties, size_t *count, pf_str key,
                         pf_str value) {
    size_t at = 0;
    while (at < *count && !pf_str_equal(properties[at].key, key)) at++;
    if (at == *count) ++*count;
    properties[at] = (struct pf_property){key, value};
    update->is_changed = true;
}

static enum pf_code set_properties(struct update *update, pf_json *json, struct pf_error *err) {
    struct pf_table_metadata *next = update->next;
    pf_json *updates = pf_json_get(json, "updates");
    if (!updates) updates = pf_json_get(json, "updated"); /* its name in early clients */
    if (!yyjson_is_obj(updates)) PF_FAIL(err, PF_INVALID, "'updates' is missing");
    struct pf_property *properties =
        PF_ARENA_ARRAY(update->arena, struct pf_property, next->property_count + pf_json_count(updates));
    if (next->property_count) memcpy(properties, next->properties, next->property_count * sizeof *properties);
    for (struct pf_json_each each = pf_json_each(updates); pf_json_next(&each);) {
        if (!yyjson_is_str(each.value)) {
            PF_FAIL(err, PF_INVALID, "property '%.*s' is no text", PF_STR_ARG(each.key));
        }
        set_property(update, properties, &next->property_count, each.key, pf_json_as_str(each.value, PF_STR_EMPTY));
    }
    next->properties = properties;
    return PF_OK;
}

static enum pf_code remove_properties(struct update *update, pf_json *json, struct pf_error *err) {
    struct pf_table_metadata *next = update->next;
    pf_json *removals = pf_json_get(json, "removals");
    if (!removals) removals = pf_json_get(json, "removed");
    if (!yyjson_is_arr(removals)) PF_FAIL(err, PF_INVALID, "'removals' is missing");
    struct pf_property *kept = PF_ARENA_ARRAY(update->arena, struct pf_property, next->property_count);
    size_t count = 0;
    for (size_t i = 0; i < next->property_count; i++) {
        bool is_removed = false;
        for (struct pf_json_each each = pf_json_each(removals); pf_json_next(&each);)
            is_removed |= pf_str_equal(pf_json_as_str(each.value, PF_STR_EMPTY), next->properties[i].key);
        if (!is_removed) kept[count++] = next->properties[i];
    }
    update->is_changed |= count != next->property_count;
    next->properties = kept;
    next->property_count = count;
    return PF_OK;
}

/* ---- lists that are carried over as JSON ---- */

/* The list without the entry whose `key` is `id`, and with `added` (may be NULL) at its end. */
static enum pf_code change_list(struct update *update, pf_str *list, const char *key, pf_str id, pf_json *added,
                                struct pf_error *err) {
    pf_json *root = NULL;
    struct pf_buf buf;
    struct pf_json_out out;
    if (list->len) PF_TRY(pf_json_parse(*list, update->arena, "list of the metadata", &root, err));
    pf_buf_init(&buf, 64 << 20);
    pf_json_begin(&out, &buf);
    pf_json_open_array(&out);
    size_t count = 0;
    for (struct pf_json_each each = pf_json_each(root); pf_json_next(&each);) {
        if (pf_str_equal(schema_json_text(pf_json_get(each.value, key), update->arena), id)) continue;
        pf_json_put_value(&out, each.value);
        count++;
    }
    if (added) pf_json_put_value(&out, added), count++;
    pf_json_close_array(&out);
    pf_str text;
    enum pf_code code = pf_buf_finish(&buf, "list of the metadata", &text, err);
    if (code == PF_OK) *list = count ? pf_arena_str(update->arena, text) : PF_STR_EMPTY;
    pf_buf_clear(&buf);
    update->is_changed = true;
    return code;
}

static enum pf_code set_in_list(struct update *update, pf_str *list, pf_json *entry, const char *key,
                                struct pf_error *err) {
    pf_json *id = pf_json_get(entry, key);
    if (!id) PF_FAIL(err, PF_INVALID, "'%s' is missing", key);
    return change_list(update, list, key, schema_json_text(id, update->arena), entry, err);
}

static enum pf_code remove_from_list(struct update *update, pf_str *list, pf_json *json, const char *key,
                                     struct pf_error *err) {
    pf_json *id = pf_json_get(json, key);
    if (!id) PF_FAIL(err, PF_INVALID, "'%s' is missing", key);
    return change_list(update, list, key, schema_json_text(id, update->arena), NULL, err);
}

static enum pf_code set_statistics(struct update *update, pf_json *json, struct pf_error *err) {
    return set_in_list(update, &update->next->statistics, pf_json_get(json, "statistics"), "snapshot-id", err);
}

static enum pf_code remove_statistics(struct update *update, pf_json *json, struct pf_error *err) {
    return remove_from_list(update, &update->next->statistics, json, "snapshot-id", err);
}

static enum pf_code set_partition_statistics(struct update *update, pf_json *json, struct pf_error *err) {
    return set_in_list(update, &update->next->partition_statistics, pf_json_get(json, "partition-statistics"),
                       "snapshot-id", err);
}

static enum pf_code remove_partition_statistics(struct update *update, pf_json *json, struct pf_error *err) {
    return remove_from_list(update, &update->next->partition_statistics, json, "snapshot-id", err);
}

static enum pf_code add_encryption_key(struct update *update, pf_json *json, struct pf_error *err) {
    return set_in_list(update, &update->next->encryption_keys, pf_json_get(json, "encryption-key"), "key-id", err);
}

static enum pf_code remove_encryption_key(struct update *update, pf_json *json, struct pf_error *err) {
    return remove_from_list(update, &update->next->encryption_keys, json, "key-id", err);
}

/* ---- all of them ---- */

static const struct action {
    const char *name;
    enum pf_code (*apply)(struct update *update, pf_json *json, struct pf_error *err);
} actions[] = {
    {"assign-uuid", assign_uuid},
    {"upgrade-format-version", upgrade_version},
    {"add-schema", update_add_schema},
    {"set-current-schema", update_set_current_schema},
    {"remove-schemas", update_remove_schemas},
    {"add-spec", update_add_spec},
    {"set-default-spec", update_set_default_spec},
    {"remove-partition-specs", update_remove_specs},
    {"add-sort-order", update_add_sort_order},
    {"set-default-sort-order", update_set_default_sort_order},
    {"add-snapshot", update_add_snapshot},
    {"remove-snapshots", update_remove_snapshots},
    {"set-snapshot-ref", update_set_ref},
    {"remove-snapshot-ref", update_remove_ref},
    {"set-location", set_location},
    {"set-properties", set_properties},
    {"remove-properties", remove_properties},
    {"set-statistics", set_statistics},
    {"remove-statistics", remove_statistics},
    {"set-partition-statistics", set_partition_statistics},
    {"remove-partition-statistics", remove_partition_statistics},
    {"add-encryption-key", add_encryption_key},
    {"remove-encryption-key", remove_encryption_key},
};

static enum pf_code apply(struct update *update, pf_json *json, struct pf_error *err) {
    pf_str action;
    PF_TRY(update_need_str(json, "action", &action, err));
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (!pf_str_equal(action, pf_str_from_cstr(actions[i].name))) continue;
        enum pf_code code = actions[i].apply(update, json, err);
        return code == PF_OK ? PF_OK : pf_error_wrap(err, code, "%s", actions[i].name);
    }
    PF_FAIL(err, PF_INVALID, "unknown update '%.*s'", PF_STR_ARG(pf_str_slice(action, 0, 100)));
}

static enum pf_code check_is_whole(const struct pf_table_metadata *next, struct pf_error *err) {
    if (!next->table_uuid.len) PF_FAIL(err, PF_INVALID, "a new table needs a uuid (assign-uuid)");
    if (!next->location.len) PF_FAIL(err, PF_INVALID, "a new table needs a location (set-location)");
    if (!pf_table_metadata_current_schema(next)) PF_FAIL(err, PF_INVALID, "a new table needs a current schema");
    if (!pf_table_metadata_spec(next, next->default_spec_id)) {
        PF_FAIL(err, PF_INVALID, "a new table needs a default partition spec");
    }
    return PF_OK;
}

/* What a table that is made by updates alone starts from. */
static const struct pf_partition_spec UNPARTITIONED = {.id = 0};
static const struct pf_sort_order UNSORTED = {.id = 0};

static void begin_new(struct pf_table_metadata *next) {
    *next = (struct pf_table_metadata){.format_version = 2,
                                       .last_partition_id = 999,
                                       .current_schema_id = -1,
                                       .current_snapshot_id = -1,
                                       .next_row_id = -1,
                                       .sort_orders = &UNSORTED,
                                       .sort_order_count = 1};
}

enum pf_code pf_table_apply_updates(const struct pf_table_metadata *base, pf_json *updates, int64_t now_ms,
                                    struct pf_arena *arena, struct pf_table_metadata **out_metadata,
                                    struct pf_error *err) {
    struct pf_table_metadata *next = PF_ARENA_NEW(arena, struct pf_table_metadata);
    struct update update = {.arena = arena,
                            .now_ms = now_ms,
                            .next = next,
                            .added_schema_id = -1,
                            .added_spec_id = -1,
                            .added_order_id = -1,
                            .base_snapshot_count = base ? base->snapshot_count : 0,
                            .is_new = base == NULL};
    if (base)
        *next = *base;
    else
        begin_new(next);
    if (!yyjson_is_arr(updates)) PF_FAIL(err, PF_INVALID, "'updates' is no list");
    for (struct pf_json_each each = pf_json_each(updates); pf_json_next(&each);) {
        enum pf_code code = apply(&update, each.value, err);
        if (code != PF_OK) return pf_error_wrap(err, code, "updates[%zu]", each.index);
    }
    if (!next->spec_count) {
        next->specs = &UNPARTITIONED;
        next->spec_count = 1;
    }
    PF_TRY(check_is_whole(next, err));
    if (!update.has_time && (update.is_changed || !base)) next->last_updated_ms = now_ms;
    *out_metadata = next;
    return PF_OK;
}

size_t pf_table_metadata_log(struct pf_table_metadata *next, const struct pf_table_metadata *base, pf_str base_path,
                             struct pf_arena *arena, const struct pf_log_entry **out_expired) {
    struct pf_log_entry *log = PF_ARENA_ARRAY(arena, struct pf_log_entry, base->metadata_log_count + 1);
    size_t count = base->metadata_log_count;
    if (count) memcpy(log, base->metadata_log, count * sizeof *log);
    log[count++] = (struct pf_log_entry){.timestamp_ms = base->last_updated_ms, .metadata_path = base_path};
    int64_t most = MAX_METADATA_LOG;
    pf_str asked = pf_table_metadata_property(next, PF_STR("write.metadata.previous-versions-max"), PF_STR_EMPTY);
    if (asked.len && (!pf_str_to_i64(asked, &most) || most < 1)) most = 1;
    size_t dropped = count > (size_t)most ? count - (size_t)most : 0;
    next->metadata_log = log + dropped;
    next->metadata_log_count = count - dropped;
    *out_expired = log;
    return dropped;
}

/* ---- requirements ---- */

static enum pf_code need_number(pf_json *json, const char *key, int64_t actual, const char *what,
                                struct pf_error *err) {
    int64_t wanted;
    PF_TRY(pf_json_need_i64(json, key, "requirement", &wanted, err));
    if (wanted == actual) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "Requirement failed: %s: expected id %lld != %lld", what, (long long)wanted,
            (long long)actual);
}

static enum pf_code need_ref(const struct pf_table_metadata *metadata, pf_json *json, struct pf_error *err) {
    pf_str name;
    PF_TRY(pf_json_need_str(json, "ref", "requirement", &name, err));
    pf_json *wanted = pf_json_get(json, "snapshot-id");
    const struct pf_snapshot_ref *ref = NULL;
    for (size_t i = 0; i < metadata->ref_count; i++)
        if (pf_str_equal(metadata->refs[i].name, name)) ref = &metadata->refs[i];
    const char *kind = !ref || ref->is_branch ? "branch" : "tag";
    bool must_not_be = !wanted || yyjson_is_null(wanted);
    if (must_not_be && ref) {
        PF_FAIL(err, PF_CONFLICT, "Requirement failed: %s %.*s was created concurrently", kind, PF_STR_ARG(name));
    }
    if (must_not_be) return PF_OK;
    int64_t id;
    PF_TRY(pf_json_need_i64(json, "snapshot-id", "requirement", &id, err));
    if (!ref) {
        PF_FAIL(err, PF_CONFLICT, "Requirement failed: branch or tag %.*s is missing, expected %lld", PF_STR_ARG(name),
                (long long)id);
    }
    if (ref->snapshot_id == id) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "Requirement failed: %s %.*s has changed: expected id %lld != %lld", kind,
            PF_STR_ARG(name), (long long)id, (long long)ref->snapshot_id);
}

static enum pf_code need_uuid(const struct pf_table_metadata *metadata, pf_json *json, struct pf_error *err) {
    pf_str uuid;
    PF_TRY(pf_json_need_str(json, "uuid", "requirement", &uuid, err));
    if (pf_str_equal_nocase(uuid, metadata->table_uuid)) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "Requirement failed: UUID does not match: expected %.*s != %.*s",
            PF_STR_ARG(metadata->table_uuid), PF_STR_ARG(uuid));
}

static enum pf_code check_requirement(const struct pf_table_metadata *metadata, pf_json *json, struct pf_error *err) {
    pf_str type;
    PF_TRY(pf_json_need_str(json, "type", "requirement", &type, err));
    bool is_create = pf_str_equal(type, PF_STR("assert-create"));
    if (is_create && metadata) PF_FAIL(err, PF_CONFLICT, "Requirement failed: table already exists");
    if (is_create) return PF_OK;
    if (!metadata) PF_FAIL(err, PF_NOT_FOUND, "there is no such table");
    if (pf_str_equal(type, PF_STR("assert-table-uuid"))) return need_uuid(metadata, json, err);
    if (pf_str_equal(type, PF_STR("assert-ref-snapshot-id"))) return need_ref(metadata, json, err);
    const struct {
        const char *type, *key, *what;
        int64_t actual;
    } numbers[] = {
        {"assert-last-assigned-field-id", "last-assigned-field-id", "last assigned field id changed",
         metadata->last_column_id},
        {"assert-current-schema-id", "current-schema-id", "current schema changed", metadata->current_schema_id},
        {"assert-last-assigned-partition-id", "last-assigned-partition-id", "last assigned partition id changed",
         metadata->last_partition_id},
        {"assert-default-spec-id", "default-spec-id", "default partition spec changed", metadata->default_spec_id},
        {"assert-default-sort-order-id", "default-sort-order-id", "default sort order changed",
         metadata->default_sort_order_id},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!pf_str_equal(type, pf_str_from_cstr(numbers[i].type))) continue;
        return need_number(json, numbers[i].key, numbers[i].actual, numbers[i].what, err);
    }
    PF_FAIL(err, PF_INVALID, "unknown requirement '%.*s'", PF_STR_ARG(pf_str_slice(type, 0, 100)));
}

enum pf_code pf_table_check_requirements(const struct pf_table_metadata *metadata, pf_json *requirements,
                                         struct pf_error *err) {
    for (struct pf_json_each each = pf_json_each(requirements); pf_json_next(&each);)
        PF_TRY(check_requirement(metadata, each.value, err));
    return PF_OK;
}
