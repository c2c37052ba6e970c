/* SPDX-License-Identifier: MIT */
/* View metadata, made and changed as clients of the REST protocol ask. https://iceberg.apache.org/view-spec/ */
#include "iceberg/update.h"

#include <string.h>

enum { MAX_VIEW_BYTES = 64 << 20, VIEW_VERSION = 1, DEFAULT_HISTORY = 10, LAST_ADDED = -1 };

/* What makes two versions the same is kept as JSON text. */
struct view_version {
    int id, schema_id;
    int64_t timestamp_ms;
    pf_str summary, representations, default_catalog, default_namespace;
    bool is_added; /* by this change */
};

struct view_log_entry {
    int64_t timestamp_ms;
    int version_id;
};

struct view {
    struct pf_arena *arena;
    pf_str uuid, location;
    int current_version_id;
    struct pf_iceberg_schema *schemas;
    struct view_version *versions;
    struct view_log_entry *log;
    struct pf_property *properties;
    size_t schema_count, schema_capacity, version_count, version_capacity, log_count, log_capacity, property_count,
        property_capacity;
    int added_schema_id, added_version_id;
    int previous_version_id; /* current before the change; -1: a new view */
};

static struct view_version *find_version(struct view *view, int id) {
    for (size_t i = 0; i < view->version_count; i++)
        if (view->versions[i].id == id) return &view->versions[i];
    return NULL;
}

/* ---- reading ---- */

static enum pf_code read_schema(struct view *view, pf_json *json, struct pf_iceberg_schema *schema,
                                struct pf_error *err) {
    if (schema_read(json, view->arena, schema, err) == PF_OK) return PF_OK;
    return pf_error_wrap(err, PF_INVALID, "schema");
}

static enum pf_code check_dialects(pf_json *representations, struct pf_error *err) {
    for (struct pf_json_each one = pf_json_each(representations); pf_json_next(&one);) {
        pf_str dialect = pf_json_get_str(one.value, "dialect", PF_STR_EMPTY);
        for (struct pf_json_each two = pf_json_each(representations); pf_json_next(&two) && two.index < one.index;) {
            if (!pf_str_equal_nocase(dialect, pf_json_get_str(two.value, "dialect", PF_STR_EMPTY))) continue;
            PF_FAIL(err, PF_INVALID, "Invalid view version: Cannot add multiple queries for dialect %.*s",
                    PF_STR_ARG(dialect));
        }
    }
    return PF_OK;
}

static enum pf_code read_version(struct view *view, pf_json *json, struct view_version *version, struct pf_error *err) {
    pf_json *representations = pf_json_get(json, "representations");
    if (!yyjson_is_obj(json)) PF_FAIL(err, PF_INVALID, "'view-version' is missing");
    PF_TRY(update_need_int(json, "version-id", &version->id, err));
    PF_TRY(update_need_int(json, "schema-id", &version->schema_id, err));
    PF_TRY(update_need_i64(json, "timestamp-ms", &version->timestamp_ms, err));
    if (!yyjson_is_arr(representations)) PF_FAIL(err, PF_INVALID, "'representations' is missing");
    if (!yyjson_is_arr(pf_json_get(json, "default-namespace"))) {
        PF_FAIL(err, PF_INVALID, "'default-namespace' is missing");
    }
    PF_TRY(check_dialects(representations, err));
    version->summary = schema_json_text(pf_json_get(json, "summary"), view->arena);
    version->representations = schema_json_text(representations, view->arena);
    version->default_catalog = schema_json_text(pf_json_get(json, "default-catalog"), view->arena);
    version->default_namespace = schema_json_text(pf_json_get(json, "default-namespace"), view->arena);
    return PF_OK;
}

static void put_property(struct view *view, pf_str key, pf_str value) {
    for (size_t i = 0; i < view->property_count; i++) {
        if (!pf_str_equal(view->properties[i].key, key)) continue;
        view->properties[i].value = value;
        return;
    }
    PF_ARENA_PUSH(view->arena, view->properties, view->property_count, view->property_capacity) =
        (struct pf_property){key, value};
}

static void put_properties(struct view *view, pf_json *map) {
    for (struct pf_json_each each = pf_json_each(map); pf_json_next(&each);)
        put_property(view, each.key, pf_json_as_str(each.value, PF_STR_EMPTY));
}

static enum pf_code read_view(pf_str json, struct view *view, struct pf_error *err) {
    pf_json *root;
    PF_TRY(pf_json_parse(json, view->arena, "view metadata", &root, err));
    int64_t version = pf_json_get_i64(root, "format-version", -1);
    if (version != VIEW_VERSION) PF_FAIL(err, PF_UNSUPPORTED, "view format-version %lld", (long long)version);
    view->uuid = pf_json_get_str(root, "view-uuid", PF_STR_EMPTY);
    view->location = pf_json_get_str(root, "location", PF_STR_EMPTY);
    PF_TRY(update_need_int(root, "current-version-id", &view->current_version_id, err));
    view->previous_version_id = view->current_version_id;
    for (struct pf_json_each each = pf_json_each(pf_json_get(root, "schemas")); pf_json_next(&each);) {
        struct pf_iceberg_schema schema;
        PF_TRY(read_schema(view, each.value, &schema, err));
        PF_ARENA_PUSH(view->arena, view->schemas, view->schema_count, view->schema_capacity) = schema;
    }
    for (struct pf_json_each each = pf_json_each(pf_json_get(root, "versions")); pf_json_next(&each);) {
        struct view_version one = {0};
        PF_TRY(read_version(view, each.value, &one, err));
        PF_ARENA_PUSH(view->arena, view->versions, view->version_count, view->version_capacity) = one;
    }
    for (struct pf_json_each each = pf_json_each(pf_json_get(root, "version-log")); pf_json_next(&each);) {
        PF_ARENA_PUSH(view->arena, view->log, view->log_count, view->log_capacity) =
            (struct view_log_entry){.timestamp_ms = pf_json_get_i64(each.value, "timestamp-ms", 0),
                                    .version_id = (int)pf_json_get_i64(each.value, "version-id", 0)};
    }
    put_properties(view, pf_json_get(root, "properties"));
    if (!view->uuid.len || !view->location.len || !find_version(view, view->current_version_id)) {
        PF_FAIL(err, PF_CORRUPT, "view-uuid, location or the current version is missing");
    }
    return PF_OK;
}

/* ---- writing ---- */

static void write_version(const struct view_version *version, struct pf_json_out *out) {
    pf_json_open_object(out);
    pf_json_field_i64(out, "version-id", version->id);
    pf_json_field_i64(out, "timestamp-ms", version->timestamp_ms);
    pf_json_field_i64(out, "schema-id", version->schema_id);
    pf_json_key(out, "summary");
    pf_json_put_raw(out, version->summary.len ? version->summary : PF_STR("{}"));
    if (version->default_catalog.len) {
        pf_json_key(out, "default-catalog");
        pf_json_put_raw(out, version->default_catalog);
    }
    pf_json_key(out, "default-namespace");
    pf_json_put_raw(out, version->default_namespace);
    pf_json_key(out, "representations");
    pf_json_put_raw(out, version->representations);
    pf_json_close_object(out);
}

static enum pf_code write_view(const struct view *view, pf_str *out_json, struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_VIEW_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_str(&out, "view-uuid", view->uuid);
    pf_json_field_i64(&out, "format-version", VIEW_VERSION);
    pf_json_field_str(&out, "location", view->location);
    pf_json_key(&out, "properties");
    pf_json_open_object(&out);
    for (size_t i = 0; i < view->property_count; i++) {
        pf_json_put_key(&out, view->properties[i].key);
        pf_json_put_str(&out, view->properties[i].value);
    }
    pf_json_close_object(&out);
    pf_json_key(&out, "schemas");
    pf_json_open_array(&out);
    for (size_t i = 0; i < view->schema_count; i++) schema_write(&view->schemas[i], &out);
    pf_json_close_array(&out);
    pf_json_field_i64(&out, "current-version-id", view->current_version_id);
    pf_json_key(&out, "versions");
    pf_json_open_array(&out);
    for (size_t i = 0; i < view->version_count; i++) write_version(&view->versions[i], &out);
    pf_json_close_array(&out);
    pf_json_key(&out, "version-log");
    pf_json_open_array(&out);
    for (size_t i = 0; i < view->log_count; i++) {
        pf_json_open_object(&out);
        pf_json_field_i64(&out, "timestamp-ms", view->log[i].timestamp_ms);
        pf_json_field_i64(&out, "version-id", view->log[i].version_id);
        pf_json_close_object(&out);
    }
    pf_json_close_array(&out);
    pf_json_close_object(&out);
    pf_str json;
    enum pf_code code = pf_buf_finish(&buf, "view metadata", &json, err);
    if (code == PF_OK) *out_json = pf_arena_str(view->arena, json);
    pf_buf_clear(&buf);
    return code;
}

/* ---- updates ---- */

static bool is_same_schema(const struct pf_iceberg_schema *a, const struct pf_iceberg_schema *b) {
    struct pf_iceberg_type left = {.kind = PF_ICEBERG_STRUCT, .fields = a->fields, .field_count = a->field_count};
    struct pf_iceberg_type right = {.kind = PF_ICEBERG_STRUCT, .fields = b->fields, .field_count = b->field_count};
    return schema_types_equal(&left, &right);
}

static int add_schema(struct view *view, struct pf_iceberg_schema schema) {
    int id = 0;
    for (size_t i = 0; i < view->schema_count; i++) {
        if (is_same_schema(&view->schemas[i], &schema)) return view->schemas[i].id;
        if (view->schemas[i].id >= id) id = view->schemas[i].id + 1;
    }
    schema.id = id;
    PF_ARENA_PUSH(view->arena, view->schemas, view->schema_count, view->schema_capacity) = schema;
    return view->added_schema_id = id;
}

static bool is_same_version(const struct view_version *a, const struct view_version *b) {
    return a->schema_id == b->schema_id && pf_str_equal(a->summary, b->summary) &&
           pf_str_equal(a->representations, b->representations) &&
           pf_str_equal(a->default_catalog, b->default_catalog) &&
           pf_str_equal(a->default_namespace, b->default_namespace);
}

static enum pf_code add_version(struct view *view, struct view_version version, struct pf_error *err) {
    if (version.schema_id == LAST_ADDED) {
        if (view->added_schema_id < 0)
            PF_FAIL(err, PF_INVALID, "Cannot set last added schema: no schema has been added");
        version.schema_id = view->added_schema_id;
    }
    bool has_schema = false;
    for (size_t i = 0; i < view->schema_count; i++) has_schema |= view->schemas[i].id == version.schema_id;
    if (!has_schema) PF_FAIL(err, PF_INVALID, "Cannot add version with unknown schema: %d", version.schema_id);
    for (size_t i = 0; i < view->version_count; i++) {
        if (is_same_version(&view->versions[i], &version)) {
            view->added_version_id = view->versions[i].id;
            return PF_OK;
        }
        if (view->versions[i].id >= version.id) version.id = view->versions[i].id + 1;
    }
    version.is_added = true;
    PF_ARENA_PUSH(view->arena, view->versions, view->version_count, view->version_capacity) = version;
    view->added_version_id = version.id;
    return PF_OK;
}

static enum pf_code set_current_version(struct view *view, int id, int64_t now_ms, struct pf_error *err) {
    if (id == LAST_ADDED) id = view->added_version_id;
    if (id < 0) PF_FAIL(err, PF_INVALID, "Cannot set last version id: no current version id has been set");
    const struct view_version *version = find_version(view, id);
    if (!version) PF_FAIL(err, PF_INVALID, "Cannot set current version to unknown version: %d", id);
    if (view->current_version_id == id) return PF_OK;
    view->current_version_id = id;
    PF_ARENA_PUSH(view->arena, view->log, view->log_count, view->log_capacity) =
        (struct view_log_entry){.timestamp_ms = version->is_added ? version->timestamp_ms : now_ms, .version_id = id};
    return PF_OK;
}

static void remove_properties(struct view *view, pf_json *keys) {
    size_t count = 0;
    for (size_t i = 0; i < view->property_count; i++) {
        bool is_removed = false;
        for (struct pf_json_each each = pf_json_each(keys); pf_json_next(&each);)
            is_removed |= pf_str_equal(pf_json_as_str(each.value, PF_STR_EMPTY), view->properties[i].key);
        if (!is_removed) view->properties[count++] = view->properties[i];
    }
    view->property_count = count;
}

static enum pf_code apply(struct view *view, pf_json *json, int64_t now_ms, struct pf_error *err) {
    pf_str action, text;
    PF_TRY(update_need_str(json, "action", &action, err));
    if (pf_str_equal(action, PF_STR("add-schema"))) {
        struct pf_iceberg_schema schema;
        PF_TRY(read_schema(view, pf_json_get(json, "schema"), &schema, err));
        add_schema(view, schema);
    } else if (pf_str_equal(action, PF_STR("add-view-version"))) {
        struct view_version version = {0};
        PF_TRY(read_version(view, pf_json_get(json, "view-version"), &version, err));
        PF_TRY(add_version(view, version, err));
    } else if (pf_str_equal(action, PF_STR("set-current-view-version"))) {
        int id;
        PF_TRY(update_need_int(json, "view-version-id", &id, err));
        PF_TRY(set_current_version(view, id, now_ms, err));
    } else if (pf_str_equal(action, PF_STR("set-location"))) {
        PF_TRY(update_need_str(json, "location", &view->location, err));
    } else if (pf_str_equal(action, PF_STR("set-properties"))) {
        put_properties(view, pf_json_get(json, "updates"));
    } else if (pf_str_equal(action, PF_STR("remove-properties"))) {
        remove_properties(view, pf_json_get(json, "removals"));
    } else if (pf_str_equal(action, PF_STR("assign-uuid"))) {
        PF_TRY(update_need_str(json, "uuid", &text, err));
        if (!pf_str_equal_nocase(text, view->uuid)) PF_FAIL(err, PF_INVALID, "Cannot reassign uuid");
    } else if (pf_str_equal(action, PF_STR("upgrade-format-version"))) {
        int version;
        PF_TRY(update_need_int(json, "format-version", &version, err));
        if (version != VIEW_VERSION) PF_FAIL(err, PF_INVALID, "Cannot upgrade view to format version %d", version);
    } else {
        PF_FAIL(err, PF_INVALID, "unknown update '%.*s'", PF_STR_ARG(pf_str_slice(action, 0, 100)));
    }
    return PF_OK;
}

/* ---- what every change ends with ---- */

static pf_str property(const struct view *view, pf_str key) {
    for (size_t i = 0; i < view->property_count; i++)
        if (pf_str_equal(view->properties[i].key, key)) return view->properties[i].value;
    return PF_STR_EMPTY;
}

static bool has_dialect(pf_json *representations, pf_str dialect) {
    for (struct pf_json_each each = pf_json_each(representations); pf_json_next(&each);)
        if (pf_str_equal_nocase(pf_json_get_str(each.value, "dialect", PF_STR_EMPTY), dialect)) return true;
    return false;
}

/* An engine must not lose its text because another engine replaced the view. */
static enum pf_code check_dialects_stay(struct view *view, struct pf_error *err) {
    const struct view_version *before = find_version(view, view->previous_version_id);
    const struct view_version *after = find_version(view, view->current_version_id);
    pf_json *old, *new;
    if (!before || pf_str_equal_nocase(property(view, PF_STR("replace.drop-dialect.allowed")), PF_STR("true")))
        return PF_OK;
    PF_TRY(pf_json_parse(before->representations, view->arena, "representations", &old, err));
    PF_TRY(pf_json_parse(after->representations, view->arena, "representations", &new, err));
    for (struct pf_json_each each = pf_json_each(old); pf_json_next(&each);) {
        pf_str dialect = pf_json_get_str(each.value, "dialect", PF_STR_EMPTY);
        if (has_dialect(new, dialect)) continue;
        PF_FAIL(err, PF_INVALID,
                "Cannot replace view due to loss of view dialects (replace.drop-dialect.allowed=false): "
                "'%.*s' is missing in the new version",
                PF_STR_ARG(dialect));
    }
    return PF_OK;
}

/* The newest versions stay, those of this change and the current one in any case. */
static void expire_versions(struct view *view, size_t kept) {
    while (view->version_count > kept) {
        size_t oldest = view->version_count;
        for (size_t i = 0; i < view->version_count; i++) {
            const struct view_version *version = &view->versions[i];
            if (version->id == view->current_version_id || version->is_added) continue;
            if (oldest == view->version_count || version->id < view->versions[oldest].id) oldest = i;
        }
        if (oldest == view->version_count) return;
        view->version_count--;
        memmove(&view->versions[oldest], &view->versions[oldest + 1],
                (view->version_count - oldest) * sizeof *view->versions);
    }
}

/* History has no gaps: it begins behind the last version that is gone. */
static void cut_log(struct view *view) {
    size_t first = 0;
    for (size_t i = 0; i < view->log_count; i++)
        if (!find_version(view, view->log[i].version_id)) first = i + 1;
    view->log += first;
    view->log_count -= first;
}

static enum pf_code finish(struct view *view, pf_str *out_json, struct pf_error *err) {
    int64_t kept = DEFAULT_HISTORY;
    pf_str text = property(view, PF_STR("version.history.num-entries"));
    if (text.len && (!pf_str_to_i64(text, &kept) || kept < 1)) {
        PF_FAIL(err, PF_INVALID, "version.history.num-entries must be positive but was %.*s", PF_STR_ARG(text));
    }
    PF_TRY(check_dialects_stay(view, err));
    expire_versions(view, (size_t)kept);
    cut_log(view);
    return write_view(view, out_json, err);
}

enum pf_code pf_view_metadata_from_request(pf_json *request, pf_str uuid, pf_str location, int64_t now_ms,
                                           struct pf_arena *arena, pf_str *out_json, struct pf_error *err) {
    struct view view = {.arena = arena, .uuid = uuid, .location = location};
    struct pf_iceberg_schema schema;
    struct view_version version = {0};
    view.current_version_id = view.previous_version_id = view.added_schema_id = view.added_version_id = -1;
    while (view.location.len > 1 && pf_str_ends_with(view.location, PF_STR("/"))) view.location.len--;
    if (!pf_json_get(request, "schema")) PF_FAIL(err, PF_INVALID, "'schema' is missing");
    PF_TRY(read_schema(&view, pf_json_get(request, "schema"), &schema, err));
    PF_TRY(read_version(&view, pf_json_get(request, "view-version"), &version, err));
    version.schema_id = add_schema(&view, schema);
    PF_TRY(add_version(&view, version, err));
    PF_TRY(set_current_version(&view, LAST_ADDED, now_ms, err));
    put_properties(&view, pf_json_get(request, "properties"));
    return finish(&view, out_json, err);
}

enum pf_code pf_view_metadata_change(pf_str metadata_json, pf_json *requirements, pf_json *updates, int64_t now_ms,
                                     struct pf_arena *arena, pf_str *out_json, struct pf_error *err) {
    struct view view = {.arena = arena, .added_schema_id = -1, .added_version_id = -1};
    PF_TRY(read_view(metadata_json, &view, err));
    for (struct pf_json_each each = pf_json_each(requirements); pf_json_next(&each);) {
        pf_str type = pf_json_get_str(each.value, "type", PF_STR_EMPTY);
        if (!pf_str_equal(type, PF_STR("assert-view-uuid"))) {
            PF_FAIL(err, PF_INVALID, "unknown requirement '%.*s' of a view", PF_STR_ARG(pf_str_slice(type, 0, 100)));
        }
        pf_str uuid = pf_json_get_str(each.value, "uuid", PF_STR_EMPTY);
        if (pf_str_equal_nocase(uuid, view.uuid)) continue;
        PF_FAIL(err, PF_CONFLICT, "Requirement failed: view UUID does not match: expected %.*s != %.*s",
                PF_STR_ARG(view.uuid), PF_STR_ARG(uuid));
    }
    if (!yyjson_is_arr(updates)) PF_FAIL(err, PF_INVALID, "'updates' is no list");
    for (struct pf_json_each each = pf_json_each(updates); pf_json_next(&each);) {
        enum pf_code code = apply(&view, each.value, now_ms, err);
        if (code != PF_OK) return pf_error_wrap(err, code, "updates[%zu]", each.index);
    }
    return finish(&view, out_json, err);
}

enum pf_code pf_view_metadata_check(pf_str metadata_json, struct pf_arena *arena, pf_str *out_uuid,
                                    struct pf_error *err) {
    struct view view = {.arena = arena};
    PF_TRY(read_view(metadata_json, &view, err));
    *out_uuid = view.uuid;
    return PF_OK;
}
