/* SPDX-License-Identifier: MIT */
/* The mutable objects of a catalog: pointers of tables and views, properties of namespaces. Small texts by key, in the
 * store beside the data, or in Redis. */
#include "catalog/catalog_internal.h"

#include "store/store.h"
#include "sync/sync.h"

#define SET_NAME PF_STR("catalog")

enum { DELETE_ATTEMPTS = 50 };

enum pf_code pointers_get(struct pf_catalog *catalog, pf_str key, struct pf_arena *arena, pf_str *out_text,
                          pf_str *out_etag, struct pf_error *err) {
    if (!catalog->pointers) return pf_store_get_versioned(catalog->store, key, arena, out_text, out_etag, err);
    return pf_sync_value_get(catalog->pointers, SET_NAME, key, arena, out_text, out_etag, err);
}

static enum pf_code change_one(struct pf_catalog *catalog, const struct pf_sync_value_change *change,
                               struct pf_arena *arena, pf_str *out_etag, struct pf_error *err) {
    return pf_sync_values_change(catalog->pointers, SET_NAME, change, 1, arena, out_etag, err);
}

enum pf_code pointers_put_if(struct pf_catalog *catalog, pf_str key, pf_str expected_etag, pf_str text,
                             struct pf_arena *arena, pf_str *out_etag, struct pf_error *err) {
    if (!catalog->pointers) return pf_store_put_if(catalog->store, key, expected_etag, text, arena, out_etag, err);
    struct pf_sync_value_change change = {.name = key, .expected_version = expected_etag, .text = text};
    return change_one(catalog, &change, arena, out_etag, err);
}

enum pf_code pointers_put_all_if(struct pf_catalog *catalog, const struct pointers_change *changes, size_t count,
                                 struct pf_arena *arena, struct pf_error *err) {
    struct pf_sync_value_change *all = PF_ARENA_ARRAY(arena, struct pf_sync_value_change, count);
    for (size_t i = 0; i < count; i++)
        all[i] = (struct pf_sync_value_change){
            .name = changes[i].key, .expected_version = changes[i].expected_etag, .text = changes[i].text};
    return pf_sync_values_change(catalog->pointers, SET_NAME, all, count, arena, NULL, err);
}

enum pf_code pointers_delete_if(struct pf_catalog *catalog, pf_str key, pf_str expected_etag, struct pf_arena *arena,
                                struct pf_error *err) {
    if (!catalog->pointers) return pf_store_delete_if(catalog->store, key, expected_etag, err);
    struct pf_sync_value_change change = {.name = key, .expected_version = expected_etag, .is_drop = true};
    return change_one(catalog, &change, arena, NULL, err);
}

enum pf_code pointers_delete(struct pf_catalog *catalog, pf_str key, struct pf_arena *arena, struct pf_error *err) {
    if (!catalog->pointers) return pf_store_delete(catalog->store, key, err);
    for (int attempt = 0; attempt < DELETE_ATTEMPTS; attempt++) {
        pf_str text, etag;
        enum pf_code code = pointers_get(catalog, key, arena, &text, &etag, err);
        if (code == PF_OK) code = pointers_delete_if(catalog, key, etag, arena, err);
        if (code == PF_NOT_FOUND) return PF_OK;
        if (code != PF_CONFLICT) return code;
        catalog_pause_before_retry(catalog, attempt);
    }
    PF_FAIL(err, PF_CONFLICT, "'%.*s' is changed by others all the time, so it was not deleted", PF_STR_ARG(key));
}

enum pf_code pointers_exist(struct pf_catalog *catalog, pf_str key, bool *out_exists, struct pf_error *err) {
    struct pf_store_object object;
    enum pf_code code;
    if (catalog->pointers) {
        struct pf_arena *scratch = pf_arena_new(NULL, "pointer");
        pf_str text, etag;
        code = pointers_get(catalog, key, scratch, &text, &etag, err);
        pf_arena_free(scratch);
    } else {
        code = pf_store_stat(catalog->store, key, &object, err);
    }
    *out_exists = code == PF_OK;
    return code == PF_NOT_FOUND ? PF_OK : code;
}

/* ---- folders ---- */

struct folders {
    pf_str *items;
    size_t count, capacity;
};

static enum pf_code list_in_store(struct pf_catalog *catalog, pf_str prefix, struct pf_arena *arena,
                                  struct folders *folders, struct pf_error *err) {
    struct pf_store_list_options options = {.prefix = prefix, .is_flat = true};
    do {
        struct pf_store_page page = {0};
        PF_TRY(pf_store_list(catalog->store, &options, arena, &page, err));
        for (size_t i = 0; i < page.prefix_count; i++) {
            pf_str name = pf_str_slice(page.prefixes[i], prefix.len, page.prefixes[i].len - 1);
            PF_ARENA_PUSH(arena, folders->items, folders->count, folders->capacity) = name;
        }
        options.after = page.next_after;
    } while (options.after.len);
    return PF_OK;
}

static enum pf_code list_in_redis(struct pf_catalog *catalog, pf_str prefix, struct pf_arena *arena,
                                  struct folders *folders, struct pf_error *err) {
    pf_str *keys;
    size_t count = 0;
    PF_TRY(pf_sync_value_names(catalog->pointers, SET_NAME, prefix, arena, &keys, &count, err));
    for (size_t i = 0; i < count; i++) {
        size_t slash = pf_str_find_char(keys[i], '/', prefix.len);
        if (slash == SIZE_MAX) continue;
        pf_str name = pf_str_slice(keys[i], prefix.len, slash);
        /* Sorted: the keys of a folder are neighbours. */
        if (folders->count && pf_str_equal(folders->items[folders->count - 1], name)) continue;
        PF_ARENA_PUSH(arena, folders->items, folders->count, folders->capacity) = name;
    }
    return PF_OK;
}

enum pf_code pointers_list_folders(struct pf_catalog *catalog, pf_str prefix, struct pf_arena *arena,
                                   pf_str **out_names, size_t *out_count, struct pf_error *err) {
    struct folders folders = {0};
    PF_TRY(catalog->pointers ? list_in_redis(catalog, prefix, arena, &folders, err)
                             : list_in_store(catalog, prefix, arena, &folders, err));
    *out_names = folders.items;
    *out_count = folders.count;
    return PF_OK;
}
