/* SPDX-License-Identifier: MIT */
/* The immutable objects of a table, decoded: from the cache, or read from the store or below a foreign root. */
#include "catalog/catalog_internal.h"

#include "base/file.h"
#include "store/store.h"

static const size_t MAX_FOREIGN_BYTES = (size_t)1 << 30;

/* ---- places ---- */

static pf_str path_of_uri(pf_str uri) {
    if (pf_str_starts_with(uri, PF_STR("file:///"))) return pf_str_slice(uri, 7, SIZE_MAX);
    if (pf_str_starts_with(uri, PF_STR("file:/"))) return pf_str_slice(uri, 5, SIZE_MAX);
    return uri;
}

static bool is_below_foreign_root(const struct pf_catalog *catalog, pf_str path) {
    if (pf_str_find(path, PF_STR("/../"), 0) != SIZE_MAX || pf_str_ends_with(path, PF_STR("/.."))) return false;
    if (pf_str_find_char(path, 0, 0) != SIZE_MAX) return false;
    for (size_t i = 0; i < catalog->foreign_root_count; i++) {
        pf_str root = catalog->foreign_roots[i];
        if (pf_str_starts_with(path, root) && (path.len == root.len || path.ptr[root.len] == '/')) return true;
    }
    return false;
}

enum pf_code catalog_locate(struct pf_catalog *catalog, pf_str uri, struct pf_arena *arena,
                            struct catalog_place *out_place, struct pf_error *err) {
    struct catalog_place place = {0};
    if (pf_store_key_of(catalog->store, uri, &place.key)) {
        enum pf_code code = pf_store_local_path(catalog->store, place.key, arena, &place.local_path, err);
        if (code != PF_OK && code != PF_UNSUPPORTED) return code;
    } else {
        pf_str path = path_of_uri(uri);
        if (!is_below_foreign_root(catalog, path)) {
            PF_FAIL(err, PF_DENIED, "'%.*s' lies outside the store '%.*s'; allow its folder as a foreign root",
                    PF_STR_ARG(uri), PF_STR_ARG(pf_store_url(catalog->store)));
        }
        place.local_path = path;
    }
    *out_place = place;
    return PF_OK;
}

enum pf_code pf_catalog_locate(struct pf_catalog *catalog, pf_str uri, struct pf_arena *arena, pf_str *out_key,
                               pf_str *out_local_path, struct pf_error *err) {
    struct catalog_place place;
    PF_TRY(catalog_locate(catalog, uri, arena, &place, err));
    *out_key = place.key;
    *out_local_path = place.local_path;
    return PF_OK;
}

enum pf_code catalog_read_object(struct pf_catalog *catalog, pf_str uri, struct pf_arena *arena, pf_str *out_bytes,
                                 struct pf_error *err) {
    struct catalog_place place;
    catalog->object_reads++;
    PF_TRY(catalog_locate(catalog, uri, arena, &place, err));
    if (place.key.len) return pf_store_get(catalog->store, place.key, PF_RANGE_ALL, arena, out_bytes, err);
    return pf_file_read(pf_arena_cstr(arena, place.local_path), MAX_FOREIGN_BYTES, arena, out_bytes, err);
}

/* ---- decoded objects ---- */

enum pf_code catalog_get_metadata(struct pf_catalog *catalog, pf_str path, struct pf_arena *arena,
                                  const struct pf_table_metadata **out_metadata, struct pf_error *err) {
    struct cached *entry = cache_acquire(catalog->cache, CACHED_METADATA, path);
    if (!entry) {
        struct pf_arena *own = pf_arena_new(NULL, "table metadata");
        struct pf_table_metadata *metadata = NULL;
        pf_str bytes;
        enum pf_code code = catalog_read_object(catalog, path, own, &bytes, err);
        if (code == PF_OK) code = pf_table_metadata_read(bytes, path, own, &metadata, err);
        if (code != PF_OK) {
            pf_arena_free(own);
            return pf_error_wrap(err, code, "metadata '%.*s'", PF_STR_ARG(path));
        }
        entry = cache_add(catalog->cache, CACHED_METADATA, path, own, metadata, 0);
    }
    *out_metadata = cache_hold(entry, arena);
    return PF_OK;
}

enum pf_code catalog_put_metadata(struct pf_catalog *catalog, pf_str path, pf_str json, struct pf_arena *arena,
                                  const struct pf_table_metadata **out_metadata, struct pf_error *err) {
    struct pf_arena *own = pf_arena_new(NULL, "table metadata");
    struct pf_table_metadata *metadata = NULL;
    enum pf_code code = pf_table_metadata_read(pf_arena_str(own, json), path, own, &metadata, err);
    if (code != PF_OK) {
        pf_arena_free(own);
        return code;
    }
    *out_metadata = cache_hold(cache_add(catalog->cache, CACHED_METADATA, path, own, metadata, 0), arena);
    return PF_OK;
}

const struct pf_table_metadata *catalog_peek_metadata(struct pf_catalog *catalog, pf_str path, struct pf_arena *arena) {
    struct cached *entry = cache_acquire(catalog->cache, CACHED_METADATA, path);
    return entry ? cache_hold(entry, arena) : NULL;
}

enum pf_code pf_catalog_read_metadata(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                      pf_str *out_json, struct pf_error *err) {
    pf_str bytes;
    if (catalog->remote) { /* which sent it, and may be the only one who can read the file */
        enum pf_code written = pf_table_metadata_write(table->metadata, arena, out_json, err);
        return written == PF_OK ? PF_OK : pf_error_wrap(err, written, "table %.*s", PF_STR_ARG(table->full_name));
    }
    enum pf_code code = catalog_read_object(catalog, table->metadata_path, arena, &bytes, err);
    if (code == PF_NOT_FOUND) {
        PF_FAIL(err, PF_NOT_FOUND, "Failed to open input stream for file: %.*s", PF_STR_ARG(table->metadata_path));
    }
    if (code == PF_OK) code = pf_table_metadata_text(bytes, arena, out_json, err);
    return code == PF_OK ? PF_OK : pf_error_wrap(err, code, "metadata '%.*s'", PF_STR_ARG(table->metadata_path));
}

enum pf_code catalog_get_manifest_list(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                       const struct pf_manifest_list **out_list, struct pf_error *err) {
    const struct pf_snapshot *snapshot = table->snapshot;
    if (!snapshot) {
        *out_list = PF_ARENA_NEW(arena, struct pf_manifest_list);
        return PF_OK;
    }
    if (!snapshot->manifest_list.len) {
        struct pf_manifest_list *list = PF_ARENA_NEW(arena, struct pf_manifest_list);
        PF_TRY(pf_manifest_list_from_paths(snapshot, arena, list, err));
        *out_list = list;
        return PF_OK;
    }
    struct cached *entry = cache_acquire(catalog->cache, CACHED_MANIFEST_LIST, snapshot->manifest_list);
    if (!entry) {
        struct pf_arena *own = pf_arena_new(NULL, "manifest list");
        struct pf_manifest_list *list = PF_ARENA_NEW(own, struct pf_manifest_list);
        pf_str bytes;
        enum pf_code code = catalog_read_object(catalog, snapshot->manifest_list, own, &bytes, err);
        if (code == PF_OK) code = pf_manifest_list_read(bytes, snapshot->manifest_list, own, list, err);
        if (code != PF_OK) {
            pf_arena_free(own);
            return pf_error_wrap(err, code, "table %.*s: manifest list '%.*s'", PF_STR_ARG(table->full_name),
                                 PF_STR_ARG(snapshot->manifest_list));
        }
        entry = cache_add(catalog->cache, CACHED_MANIFEST_LIST, snapshot->manifest_list, own, list, 0);
    }
    *out_list = cache_hold(entry, arena);
    return PF_OK;
}

enum pf_code pf_catalog_manifest_list(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                      const struct pf_manifest_list **out_list, struct pf_error *err) {
    return catalog_get_manifest_list(catalog, table, arena, out_list, err);
}

enum pf_code pf_catalog_manifests(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                  const struct pf_manifest *const **out_manifests, size_t *out_count,
                                  struct pf_error *err) {
    const struct pf_manifest_list *list;
    int read_count;
    PF_TRY(catalog_get_manifest_list(catalog, table, arena, &list, err));
    const struct pf_manifest_file **files = PF_ARENA_ARRAY(arena, const struct pf_manifest_file *, list->count);
    const struct catalog_manifest **found = PF_ARENA_ARRAY(arena, const struct catalog_manifest *, list->count);
    const struct pf_manifest **manifests = PF_ARENA_ARRAY(arena, const struct pf_manifest *, list->count);
    struct catalog_manifests_wanted wanted = {files, list->count, {.all = true}, {.all = true}};
    for (size_t i = 0; i < list->count; i++) files[i] = &list->manifests[i];
    PF_TRY(catalog_get_manifests(catalog, table, &wanted, arena, found, &read_count, err));
    for (size_t i = 0; i < list->count; i++) manifests[i] = &found[i]->manifest;
    *out_manifests = manifests;
    *out_count = list->count;
    return PF_OK;
}
