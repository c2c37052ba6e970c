/* SPDX-License-Identifier: MIT */
/* Namespaces: a folder, and an object in it that keeps the properties of those that were made for themselves. A
 * namespace is there if it has that object, a table, a view, or a namespace below it; main always is. */
#include "catalog/catalog_internal.h"

#include "base/json.h"
#include "store/store.h"

#include <string.h>

enum { MAX_NAMESPACE_BYTES = 1 << 20, CHANGE_ATTEMPTS = 50 };

static pf_str marker_key(const struct pf_catalog *catalog, pf_str space, struct pf_arena *arena) {
    return pf_arena_printf(arena, "%.*s/namespace.json", PF_STR_ARG(catalog_space_key(catalog, space, arena)));
}

static enum pf_code print_marker(const struct pf_property *properties, size_t count, struct pf_arena *arena,
                                 pf_str *out_text, struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_NAMESPACE_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_i64(&out, "format-version", 1);
    pf_json_key(&out, "properties");
    pf_json_open_object(&out);
    for (size_t i = 0; i < count; i++) {
        pf_json_put_key(&out, properties[i].key);
        pf_json_put_str(&out, properties[i].value);
    }
    pf_json_close_object(&out);
    pf_json_close_object(&out);
    pf_str text;
    enum pf_code code = pf_buf_finish(&buf, "namespace", &text, err);
    if (code == PF_OK) *out_text = pf_arena_str(arena, text);
    pf_buf_clear(&buf);
    return code;
}

/* PF_NOT_FOUND: there is no marker. */
static enum pf_code read_marker(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena,
                                struct pf_property **out_properties, size_t *out_count, pf_str *out_etag,
                                struct pf_error *err) {
    pf_str bytes;
    pf_json *root;
    PF_TRY(pointers_get(catalog, marker_key(catalog, space, arena), arena, &bytes, out_etag, err));
    if (pf_json_parse(bytes, arena, "namespace", &root, err) != PF_OK)
        return pf_error_wrap(err, PF_CORRUPT, "namespace %.*s", PF_STR_ARG(space));
    pf_json *map = pf_json_get(root, "properties");
    struct pf_property *properties = PF_ARENA_ARRAY(arena, struct pf_property, pf_json_count(map));
    for (struct pf_json_each each = pf_json_each(map); pf_json_next(&each);)
        properties[each.index] = (struct pf_property){each.key, pf_json_as_str(each.value, PF_STR_EMPTY)};
    *out_properties = properties;
    *out_count = pf_json_count(map);
    return PF_OK;
}

/* ---- being there ---- */

static enum pf_code has_content(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena, bool *out_has,
                                struct pf_error *err) {
    pf_str *names;
    size_t count = 0;
    PF_TRY(pf_catalog_list_tables(catalog, space, arena, &names, &count, err));
    if (!count) PF_TRY(pf_catalog_list_views(catalog, space, arena, &names, &count, err));
    *out_has = count > 0;
    return PF_OK;
}

enum pf_code catalog_space_has_own(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena, bool *out_has,
                                   struct pf_error *err) {
    PF_TRY(pointers_exist(catalog, marker_key(catalog, space, arena), out_has, err));
    if (*out_has) return PF_OK;
    return has_content(catalog, space, arena, out_has, err);
}

static bool is_below(pf_str space, pf_str parent) {
    return space.len > parent.len && pf_str_starts_with(space, parent) && space.ptr[parent.len] == '.';
}

static enum pf_code has_children(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena, bool *out_has,
                                 struct pf_error *err) {
    pf_str *names;
    size_t count = 0;
    PF_TRY(pf_catalog_list_namespaces(catalog, arena, &names, &count, err));
    *out_has = false;
    for (size_t i = 0; i < count; i++) *out_has |= is_below(names[i], space);
    return PF_OK;
}

static enum pf_code exists(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena, bool *out_exists,
                           struct pf_error *err) {
    PF_TRY(catalog_check_space(space, err));
    *out_exists = pf_str_equal(space, PF_DEFAULT_NAMESPACE);
    if (*out_exists) return PF_OK;
    PF_TRY(catalog_space_has_own(catalog, space, arena, out_exists, err));
    return *out_exists ? PF_OK : has_children(catalog, space, arena, out_exists, err);
}

enum pf_code pf_catalog_namespace_exists(struct pf_catalog *catalog, pf_str space, bool *out_exists,
                                         struct pf_error *err) {
    if (catalog->remote) return remote_namespace_exists(catalog->remote, space, out_exists, err);
    struct pf_arena *scratch = pf_arena_new(NULL, "namespace");
    enum pf_code code = exists(catalog, space, scratch, out_exists, err);
    pf_arena_free(scratch);
    return code;
}

static enum pf_code need(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena, struct pf_error *err) {
    bool is_there = false;
    PF_TRY(exists(catalog, space, arena, &is_there, err));
    if (!is_there) PF_FAIL(err, PF_NOT_FOUND, "Namespace does not exist: %.*s", PF_STR_ARG(space));
    return PF_OK;
}

/* ---- changing ---- */

enum pf_code pf_catalog_create_namespace(struct pf_catalog *catalog, pf_str space, const struct pf_property *properties,
                                         size_t count, struct pf_error *err) {
    if (catalog->remote) return remote_create_namespace(catalog->remote, space, properties, count, err);
    struct pf_arena *scratch = pf_arena_new(NULL, "namespace");
    bool is_there = false;
    pf_str text;
    enum pf_code code = exists(catalog, space, scratch, &is_there, err);
    if (code == PF_OK && is_there)
        code = pf_error_set(err, PF_CONFLICT, __FILE__, __LINE__, "Namespace already exists: %.*s", PF_STR_ARG(space));
    if (code == PF_OK) code = print_marker(properties, count, scratch, &text, err);
    if (code == PF_OK)
        code = pointers_put_if(catalog, marker_key(catalog, space, scratch), PF_STR_EMPTY, text, scratch, NULL, err);
    pf_arena_free(scratch);
    return code;
}

static enum pf_code drop_namespace(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena,
                                   struct pf_error *err) {
    bool has_some = false;
    PF_TRY(need(catalog, space, arena, err));
    if (pf_str_equal(space, PF_DEFAULT_NAMESPACE)) PF_FAIL(err, PF_INVALID, "namespace main is always there");
    PF_TRY(has_content(catalog, space, arena, &has_some, err));
    if (!has_some) PF_TRY(has_children(catalog, space, arena, &has_some, err));
    if (has_some) PF_FAIL(err, PF_CONFLICT, "Namespace %.*s is not empty", PF_STR_ARG(space));
    return pointers_delete(catalog, marker_key(catalog, space, arena), arena, err);
}

enum pf_code pf_catalog_drop_namespace(struct pf_catalog *catalog, pf_str space, struct pf_error *err) {
    if (catalog->remote) return remote_drop_namespace(catalog->remote, space, err);
    struct pf_arena *scratch = pf_arena_new(NULL, "namespace");
    enum pf_code code = drop_namespace(catalog, space, scratch, err);
    pf_arena_free(scratch);
    return code;
}

enum pf_code pf_catalog_get_properties(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena,
                                       struct pf_property **out_properties, size_t *out_count, struct pf_error *err) {
    pf_str etag;
    if (catalog->remote) return remote_get_properties(catalog->remote, space, arena, out_properties, out_count, err);
    PF_TRY(need(catalog, space, arena, err));
    *out_properties = NULL;
    *out_count = 0;
    enum pf_code code = read_marker(catalog, space, arena, out_properties, out_count, &etag, err);
    return code == PF_NOT_FOUND ? PF_OK : code;
}

static size_t find(const struct pf_property *properties, size_t count, pf_str key) {
    size_t at = 0;
    while (at < count && !pf_str_equal(properties[at].key, key)) at++;
    return at;
}

/* `change->removed` says which removals were there. */
static size_t apply(const struct pf_property_change *change, struct pf_property *properties, size_t count,
                    bool *removed) {
    for (size_t i = 0; i < change->removal_count; i++) {
        size_t at = find(properties, count, change->removals[i]);
        removed[i] = at < count;
        if (removed[i]) properties[at] = properties[--count];
    }
    for (size_t i = 0; i < change->update_count; i++) {
        size_t at = find(properties, count, change->updates[i].key);
        if (at == count) count++;
        properties[at] = change->updates[i];
    }
    return count;
}

static enum pf_code change_properties(struct pf_catalog *catalog, pf_str space, const struct pf_property_change *change,
                                      bool *removed, struct pf_arena *arena, struct pf_error *err) {
    for (int attempt = 0; attempt < CHANGE_ATTEMPTS; attempt++) {
        struct pf_property *now = NULL;
        size_t count = 0;
        pf_str etag = PF_STR_EMPTY, text;
        PF_TRY(need(catalog, space, arena, err));
        enum pf_code code = read_marker(catalog, space, arena, &now, &count, &etag, err);
        if (code != PF_OK && code != PF_NOT_FOUND) return code;
        struct pf_property *next = PF_ARENA_ARRAY(arena, struct pf_property, count + change->update_count);
        if (count) memcpy(next, now, count * sizeof *next);
        PF_TRY(print_marker(next, apply(change, next, count, removed), arena, &text, err));
        code = pointers_put_if(catalog, marker_key(catalog, space, arena), etag, text, arena, NULL, err);
        if (code != PF_CONFLICT) return code;
        catalog_pause_before_retry(catalog, attempt);
    }
    PF_FAIL(err, PF_CONFLICT, "too many others change namespace %.*s", PF_STR_ARG(space));
}

enum pf_code pf_catalog_change_properties(struct pf_catalog *catalog, pf_str space,
                                          const struct pf_property_change *change, bool *out_removed,
                                          struct pf_error *err) {
    if (catalog->remote) return remote_change_properties(catalog->remote, space, change, out_removed, err);
    struct pf_arena *scratch = pf_arena_new(NULL, "namespace");
    enum pf_code code = change_properties(catalog, space, change, out_removed, scratch, err);
    pf_arena_free(scratch);
    return code;
}
