/* SPDX-License-Identifier: MIT */
/* Views: a pointer like that of a table, <namespace>/<view>/view/pointer.json, and immutable metadata. */
#include "catalog/catalog_internal.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "store/store.h"

enum { POINTER_VERSION = 1, MAX_POINTER_BYTES = 64 << 10, CHANGE_ATTEMPTS = 50 };

struct view_pointer {
    pf_str uuid, metadata_location, etag;
};

static pf_str pointer_key(const struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena) {
    return pf_arena_printf(arena, "%.*s/view/pointer.json", PF_STR_ARG(catalog_table_key(catalog, id, arena)));
}

static enum pf_code read_pointer(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                 struct view_pointer *out_pointer, struct pf_error *err) {
    pf_str bytes, etag;
    pf_json *root;
    enum pf_code code = pointers_get(catalog, pointer_key(catalog, id, arena), arena, &bytes, &etag, err);
    if (code == PF_NOT_FOUND) {
        PF_FAIL(err, PF_NOT_FOUND, "View does not exist: %.*s.%.*s", PF_STR_ARG(id.space), PF_STR_ARG(id.name));
    }
    if (code != PF_OK) return code;
    if (pf_json_parse(bytes, arena, "pointer of a view", &root, err) != PF_OK)
        return pf_error_wrap(err, PF_CORRUPT, "view %.*s.%.*s", PF_STR_ARG(id.space), PF_STR_ARG(id.name));
    *out_pointer = (struct view_pointer){.uuid = pf_json_get_str(root, "view-uuid", PF_STR_EMPTY),
                                         .metadata_location = pf_json_get_str(root, "metadata-location", PF_STR_EMPTY),
                                         .etag = etag};
    if (pf_json_get_i64(root, "format-version", -1) != POINTER_VERSION || !out_pointer->metadata_location.len) {
        PF_FAIL(err, PF_CORRUPT, "view %.*s.%.*s: its pointer is not valid", PF_STR_ARG(id.space), PF_STR_ARG(id.name));
    }
    return PF_OK;
}

static enum pf_code move_pointer(struct pf_catalog *catalog, struct pf_table_id id, const struct view_pointer *pointer,
                                 struct pf_arena *arena, struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_POINTER_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_i64(&out, "format-version", POINTER_VERSION);
    pf_json_field_str(&out, "view-uuid", pointer->uuid);
    pf_json_field_str(&out, "metadata-location", pointer->metadata_location);
    pf_json_field_i64(&out, "updated-at-ms", pf_clock_wall_ms());
    pf_json_close_object(&out);
    pf_str text = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return pointers_put_if(catalog, pointer_key(catalog, id, arena), pointer->etag, text, arena, NULL, err);
}

/* Where the metadata goes: the property write.metadata.path, else below the location. No slash at the end. */
static enum pf_code metadata_folder(pf_str metadata_json, struct pf_arena *arena, pf_str *out_folder,
                                    struct pf_error *err) {
    pf_json *root;
    PF_TRY(pf_json_parse(metadata_json, arena, "view metadata", &root, err));
    pf_str folder = pf_json_get_str(pf_json_get(root, "properties"), "write.metadata.path", PF_STR_EMPTY);
    if (!folder.len) {
        folder = pf_arena_printf(arena, "%.*s/metadata", PF_STR_ARG(pf_json_get_str(root, "location", PF_STR_EMPTY)));
    }
    while (folder.len > 1 && pf_str_ends_with(folder, PF_STR("/"))) folder.len--;
    *out_folder = folder;
    return PF_OK;
}

/* Stores the metadata and moves the pointer to it. */
static enum pf_code publish(struct pf_catalog *catalog, struct pf_table_id id, struct view_pointer pointer, pf_str json,
                            int version, struct pf_arena *arena, struct pf_error *err) {
    pf_str key, folder;
    PF_TRY(metadata_folder(json, arena, &folder, err));
    pointer.metadata_location = pf_arena_printf(arena, "%.*s/%05d-%.*s.metadata.json", PF_STR_ARG(folder), version,
                                                PF_STR_ARG(pf_id_uuid(arena)));
    if (!pf_store_key_of(catalog->store, pointer.metadata_location, &key)) {
        PF_FAIL(err, PF_UNSUPPORTED, "view %.*s.%.*s: '%.*s' lies outside the store", PF_STR_ARG(id.space),
                PF_STR_ARG(id.name), PF_STR_ARG(pointer.metadata_location));
    }
    PF_TRY(pf_store_put(catalog->store, key, json, err));
    enum pf_code code = move_pointer(catalog, id, &pointer, arena, err);
    if (code == PF_CONFLICT) catalog_delete_quietly(catalog, pointer.metadata_location);
    return code;
}

/* ---- reading ---- */

/* A catalog without views has none. */
static enum pf_code list_remote_views(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena,
                                      pf_str **out_names, size_t *out_count, struct pf_error *err) {
    bool has_views = false;
    PF_TRY(remote_offers(catalog->remote, "GET /v1/{prefix}/namespaces/{namespace}/views", &has_views, err));
    *out_count = 0;
    return has_views ? remote_list(catalog->remote, space, "views", arena, out_names, out_count, err) : PF_OK;
}

static enum pf_code remote_view_exists(struct pf_catalog *catalog, struct pf_table_id id, bool *out_exists,
                                       struct pf_error *err) {
    PF_TRY(remote_offers(catalog->remote, "GET /v1/{prefix}/namespaces/{namespace}/views/{view}", out_exists, err));
    return *out_exists ? remote_exists(catalog->remote, id, "views", out_exists, err) : PF_OK;
}

enum pf_code pf_catalog_list_views(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena, pf_str **out_names,
                                   size_t *out_count, struct pf_error *err) {
    pf_str *names = NULL;
    size_t count = 0, capacity = 0;
    PF_TRY(catalog_check_space(space, err));
    if (catalog->remote) return list_remote_views(catalog, space, arena, out_names, out_count, err);
    pf_str *folders, prefix = pf_arena_printf(arena, "%.*s/", PF_STR_ARG(catalog_space_key(catalog, space, arena)));
    size_t folder_count = 0;
    PF_TRY(pointers_list_folders(catalog, prefix, arena, &folders, &folder_count, err));
    for (size_t i = 0; i < folder_count; i++) {
        struct pf_table_id id = {space, folders[i]};
        bool exists = false;
        if (catalog_check_id(&id, NULL) != PF_OK) continue;
        PF_TRY(pf_catalog_view_exists(catalog, id, &exists, err));
        if (exists) PF_ARENA_PUSH(arena, names, count, capacity) = id.name;
    }
    *out_names = names;
    *out_count = count;
    return PF_OK;
}

enum pf_code pf_catalog_view_exists(struct pf_catalog *catalog, struct pf_table_id id, bool *out_exists,
                                    struct pf_error *err) {
    PF_TRY(catalog_check_id(&id, err));
    if (catalog->remote) return remote_view_exists(catalog, id, out_exists, err);
    struct pf_arena *scratch = pf_arena_new(NULL, "view");
    enum pf_code code = pointers_exist(catalog, pointer_key(catalog, id, scratch), out_exists, err);
    pf_arena_free(scratch);
    return code;
}

static enum pf_code read_metadata(struct pf_catalog *catalog, pf_str location, struct pf_arena *arena, pf_str *out_json,
                                  struct pf_error *err) {
    pf_str key;
    if (!pf_store_key_of(catalog->store, location, &key)) {
        PF_FAIL(err, PF_DENIED, "view metadata '%.*s' lies outside the store", PF_STR_ARG(location));
    }
    return pf_store_get(catalog->store, key, PF_RANGE_ALL, arena, out_json, err);
}

enum pf_code pf_catalog_load_view(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                  struct pf_view **out_view, struct pf_error *err) {
    struct view_pointer pointer;
    PF_TRY(catalog_check_id(&id, err));
    if (catalog->remote) return remote_load_view(catalog->remote, id, arena, out_view, err);
    PF_TRY(read_pointer(catalog, id, arena, &pointer, err));
    struct pf_view *view = PF_ARENA_NEW(arena, struct pf_view);
    *view = (struct pf_view){.id = {pf_arena_str(arena, id.space), pf_arena_str(arena, id.name)},
                             .metadata_path = pointer.metadata_location,
                             .etag = pointer.etag};
    enum pf_code code = read_metadata(catalog, pointer.metadata_location, arena, &view->metadata_json, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "view %.*s.%.*s", PF_STR_ARG(id.space), PF_STR_ARG(id.name));
    *out_view = view;
    return PF_OK;
}

/* ---- changing ---- */

static enum pf_code check_can_make(struct pf_catalog *catalog, struct pf_table_id id, struct pf_error *err) {
    bool exists = false;
    PF_TRY(pf_catalog_namespace_exists(catalog, id.space, &exists, err));
    if (!exists) PF_FAIL(err, PF_NOT_FOUND, "Namespace does not exist: %.*s", PF_STR_ARG(id.space));
    PF_TRY(pf_catalog_view_exists(catalog, id, &exists, err));
    if (exists) PF_FAIL(err, PF_CONFLICT, "View already exists: %.*s.%.*s", PF_STR_ARG(id.space), PF_STR_ARG(id.name));
    PF_TRY(pf_catalog_exists(catalog, id, &exists, err));
    if (exists) {
        PF_FAIL(err, PF_CONFLICT, "Table with same name already exists: %.*s.%.*s", PF_STR_ARG(id.space),
                PF_STR_ARG(id.name));
    }
    return PF_OK;
}

enum pf_code pf_catalog_create_view(struct pf_catalog *catalog, struct pf_table_id id, pf_json *request,
                                    struct pf_arena *arena, struct pf_view **out_view, struct pf_error *err) {
    pf_str json;
    PF_TRY(catalog_check_id(&id, err));
    if (catalog->remote) {
        PF_TRY(remote_create_view(catalog->remote, id, request, err));
        return pf_catalog_load_view(catalog, id, arena, out_view, err);
    }
    PF_TRY(check_can_make(catalog, id, err));
    struct view_pointer pointer = {.uuid = pf_id_uuid(arena)};
    pf_str location = pf_json_get_str(request, "location", PF_STR_EMPTY);
    if (!location.len) PF_TRY(catalog_new_location(catalog, id, pointer.uuid, arena, &location, err));
    while (location.len > 1 && pf_str_ends_with(location, PF_STR("/"))) location.len--;
    PF_TRY(pf_view_metadata_from_request(request, pointer.uuid, location, pf_clock_wall_ms(), arena, &json, err));
    PF_TRY(publish(catalog, id, pointer, json, 0, arena, err));
    return pf_catalog_load_view(catalog, id, arena, out_view, err);
}

enum pf_code pf_catalog_register_view(struct pf_catalog *catalog, struct pf_table_id id, pf_str metadata_location,
                                      struct pf_arena *arena, struct pf_view **out_view, struct pf_error *err) {
    struct view_pointer pointer = {.metadata_location = metadata_location};
    pf_str json;
    PF_TRY(catalog_check_id(&id, err));
    if (catalog->remote) PF_FAIL(err, PF_UNSUPPORTED, "views are registered with the other catalog itself");
    PF_TRY(check_can_make(catalog, id, err));
    PF_TRY(read_metadata(catalog, metadata_location, arena, &json, err));
    PF_TRY(pf_view_metadata_check(json, arena, &pointer.uuid, err));
    PF_TRY(move_pointer(catalog, id, &pointer, arena, err));
    return pf_catalog_load_view(catalog, id, arena, out_view, err);
}

static enum pf_code change_once(struct pf_catalog *catalog, const struct pf_table_change *change, struct pf_table_id id,
                                struct pf_arena *arena, bool *out_is_race, struct pf_error *err) {
    struct pf_view *base;
    pf_str json, uuid;
    PF_TRY(pf_catalog_load_view(catalog, id, arena, &base, err));
    PF_TRY(pf_view_metadata_check(base->metadata_json, arena, &uuid, err));
    PF_TRY(pf_view_metadata_change(base->metadata_json, change->requirements, change->updates, pf_clock_wall_ms(),
                                   arena, &json, err));
    size_t name = base->metadata_path.len;
    while (name > 0 && base->metadata_path.ptr[name - 1] != '/') name--;
    int64_t version = 0;
    pf_str digits = pf_str_slice(base->metadata_path, name, pf_str_find_char(base->metadata_path, '-', name));
    if (!pf_str_to_i64(digits, &version) || version < 0 || version > 99999) version = 0;
    struct view_pointer pointer = {.uuid = uuid, .etag = base->etag};
    enum pf_code code = publish(catalog, id, pointer, json, (int)version + 1, arena, err);
    *out_is_race = code == PF_CONFLICT;
    return code;
}

enum pf_code pf_catalog_change_view(struct pf_catalog *catalog, const struct pf_table_change *change,
                                    struct pf_arena *arena, struct pf_view **out_view, struct pf_error *err) {
    struct pf_table_id id = change->id;
    PF_TRY(catalog_check_id(&id, err));
    if (catalog->remote) {
        PF_TRY(remote_change_view(catalog->remote, change, err));
        return pf_catalog_load_view(catalog, id, arena, out_view, err);
    }
    for (int attempt = 0;; attempt++) {
        struct pf_arena *scratch = pf_arena_new(NULL, "view");
        bool is_race = false;
        enum pf_code code = change_once(catalog, change, id, scratch, &is_race, err);
        pf_arena_free(scratch);
        if (code == PF_OK) return pf_catalog_load_view(catalog, id, arena, out_view, err);
        if (!is_race || attempt >= CHANGE_ATTEMPTS) return code;
        catalog_pause_before_retry(catalog, attempt);
    }
}

/* The new pointer first: a view that has two names for a moment does no harm, since it is replaced as a whole. */
static enum pf_code rename_view(struct pf_catalog *catalog, struct pf_table_id from, struct pf_table_id to,
                                struct pf_arena *arena, struct pf_error *err) {
    struct view_pointer pointer;
    PF_TRY(catalog_check_id(&from, err));
    PF_TRY(catalog_check_id(&to, err));
    bool exists = false;
    PF_TRY(read_pointer(catalog, from, arena, &pointer, err));
    PF_TRY(pf_catalog_namespace_exists(catalog, to.space, &exists, err));
    if (!exists) PF_FAIL(err, PF_NOT_FOUND, "Namespace does not exist: %.*s", PF_STR_ARG(to.space));
    PF_TRY(catalog_check_new_name(catalog, from, to, err));
    pf_str etag = pointer.etag;
    pointer.etag = PF_STR_EMPTY;
    PF_TRY(move_pointer(catalog, to, &pointer, arena, err));
    enum pf_code code = pointers_delete_if(catalog, pointer_key(catalog, from, arena), etag, arena, err);
    if (code == PF_CONFLICT) { /* replaced meanwhile: then under the old name only */
        enum pf_code undone = pointers_delete(catalog, pointer_key(catalog, to, arena), arena, NULL);
        (void)undone;
    }
    return code == PF_NOT_FOUND ? PF_OK : code;
}

enum pf_code pf_catalog_rename_view(struct pf_catalog *catalog, struct pf_table_id from, struct pf_table_id to,
                                    struct pf_error *err) {
    if (catalog->remote) return remote_rename(catalog->remote, "views", from, to, err);
    struct pf_arena *scratch = pf_arena_new(NULL, "view");
    enum pf_code code = rename_view(catalog, from, to, scratch, err);
    pf_arena_free(scratch);
    return code;
}

enum pf_code pf_catalog_drop_view(struct pf_catalog *catalog, struct pf_table_id id, struct pf_error *err) {
    struct view_pointer pointer;
    PF_TRY(catalog_check_id(&id, err));
    if (catalog->remote) return remote_drop(catalog->remote, id, "views", false, err);
    struct pf_arena *scratch = pf_arena_new(NULL, "view");
    enum pf_code code = read_pointer(catalog, id, scratch, &pointer, err);
    if (code == PF_OK || code == PF_CORRUPT)
        code = pointers_delete(catalog, pointer_key(catalog, id, scratch), scratch, err);
    pf_arena_free(scratch);
    return code;
}
