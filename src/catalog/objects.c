/* SPDX-License-Identifier: MIT */
/* The immutable objects of a table, decoded: from the cache, or read from the store or below a foreign root. */
#include "catalog/catalog_internal.h"

#include "base/file.h"
#include "store/store.h"

#include <pthread.h>

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

static enum pf_code read_object(struct pf_catalog *catalog, pf_str uri, struct pf_arena *arena, pf_str *out_bytes,
                                struct pf_error *err) {
    struct catalog_place place;
    catalog->object_reads++;
    PF_TRY(catalog_locate(catalog, uri, arena, &place, err));
    if (place.key.len) return pf_store_get(catalog->store, place.key, PF_RANGE_ALL, arena, out_bytes, err);
    return pf_file_read(pf_arena_cstr(arena, place.local_path), MAX_FOREIGN_BYTES, arena, out_bytes, err);
}

/* ---- decoded objects ---- */

static const void *hold(struct cached *entry, struct pf_arena *arena) {
    pf_arena_defer(arena, cache_release, entry);
    return entry->value;
}

enum pf_code catalog_get_metadata(struct pf_catalog *catalog, pf_str path, struct pf_arena *arena,
                                  const struct pf_table_metadata **out_metadata, struct pf_error *err) {
    struct cached *entry = cache_acquire(catalog->cache, CACHED_METADATA, path);
    if (!entry) {
        struct pf_arena *own = pf_arena_new(NULL, "table metadata");
        struct pf_table_metadata *metadata = NULL;
        pf_str bytes;
        enum pf_code code = read_object(catalog, path, own, &bytes, err);
        if (code == PF_OK) code = pf_table_metadata_read(bytes, path, own, &metadata, err);
        if (code != PF_OK) {
            pf_arena_free(own);
            return pf_error_wrap(err, code, "metadata '%.*s'", PF_STR_ARG(path));
        }
        entry = cache_add(catalog->cache, CACHED_METADATA, path, own, metadata);
    }
    *out_metadata = hold(entry, arena);
    return PF_OK;
}

enum pf_code pf_catalog_read_metadata(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                      pf_str *out_json, struct pf_error *err) {
    pf_str bytes;
    enum pf_code code = read_object(catalog, table->metadata_path, arena, &bytes, err);
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
        enum pf_code code = read_object(catalog, snapshot->manifest_list, own, &bytes, err);
        if (code == PF_OK) code = pf_manifest_list_read(bytes, snapshot->manifest_list, own, list, err);
        if (code != PF_OK) {
            pf_arena_free(own);
            return pf_error_wrap(err, code, "table %.*s: manifest list '%.*s'", PF_STR_ARG(table->full_name),
                                 PF_STR_ARG(snapshot->manifest_list));
        }
        entry = cache_add(catalog->cache, CACHED_MANIFEST_LIST, snapshot->manifest_list, own, list);
    }
    *out_list = hold(entry, arena);
    return PF_OK;
}

/* ---- manifests, several at once ---- */

struct reading {
    struct pf_catalog *catalog;
    const struct pf_table *table;
    const struct catalog_manifests_wanted *wanted;
    const pf_str *keys; /* in the cache, by position in `wanted` */
    struct cached **entries;
    const size_t *missing; /* positions to read */
    size_t missing_count;
    _Atomic size_t next;
    _Atomic int fetched;
    _Atomic bool is_over; /* somebody failed */
    struct {
        pthread_mutex_t mutex;
        enum pf_code code;
        struct pf_error *err;
    } locked;
};

/* The path, and which columns: another set of them is another decoding of the same bytes. */
static pf_str manifest_key(pf_str path, const struct pf_manifest_columns *columns, struct pf_arena *arena) {
    if (columns->all) return path;
    pf_str key = pf_arena_printf(arena, "%.*s\n", PF_STR_ARG(path));
    for (size_t i = 0; i < columns->count; i++) {
        key = pf_arena_printf(arena, "%.*s%d,", PF_STR_ARG(key), columns->ids[i]);
    }
    return key;
}

static const struct pf_manifest_columns *columns_of(const struct catalog_manifests_wanted *wanted, size_t at) {
    return wanted->files[at]->content == PF_MANIFEST_DELETES ? &wanted->deletes : &wanted->data;
}

static enum pf_code get_bytes(struct reading *reading, pf_str path, struct pf_arena *arena, pf_str *out_bytes,
                              struct pf_error *err) {
    struct cached *entry = cache_acquire(reading->catalog->cache, CACHED_BYTES, path);
    if (!entry) {
        struct pf_arena *own = pf_arena_new(NULL, "manifest bytes");
        pf_str *bytes = PF_ARENA_NEW(own, pf_str);
        enum pf_code code = read_object(reading->catalog, path, own, bytes, err);
        if (code != PF_OK) {
            pf_arena_free(own);
            return code;
        }
        reading->fetched++;
        entry = cache_add(reading->catalog->cache, CACHED_BYTES, path, own, bytes);
    }
    *out_bytes = *(const pf_str *)hold(entry, arena);
    return PF_OK;
}

/* Where the files are does not change either. A file that may not be read is told when it is needed. */
static void place_files(struct pf_catalog *catalog, struct pf_arena *arena, struct catalog_manifest *manifest) {
    size_t count = manifest->manifest.count;
    manifest->places = PF_ARENA_ARRAY(arena, struct catalog_place, count);
    for (size_t i = 0; i < count; i++) {
        const struct pf_data_file *file = &manifest->manifest.files[i];
        struct pf_error err = {0};
        if (file->status == PF_ENTRY_DELETED) continue;
        if (catalog_locate(catalog, file->path, arena, &manifest->places[i], &err) == PF_OK) continue;
        if (!manifest->place_errors) manifest->place_errors = PF_ARENA_ARRAY(arena, struct pf_error, count);
        manifest->place_errors[i] = err;
    }
}

static enum pf_code read_manifest(struct reading *reading, size_t at, struct pf_error *err) {
    /* The bytes stay with the manifest: without compression its strings are views into them. */
    const struct pf_manifest_file *file = reading->wanted->files[at];
    struct pf_arena *own = pf_arena_new(NULL, "manifest");
    struct catalog_manifest *manifest = PF_ARENA_NEW(own, struct catalog_manifest);
    pf_str bytes;
    enum pf_code code = get_bytes(reading, file->path, own, &bytes, err);
    if (code == PF_OK) {
        code = pf_manifest_read(bytes, file, reading->table->metadata, columns_of(reading->wanted, at), own,
                                &manifest->manifest, err);
    }
    if (code != PF_OK) {
        pf_arena_free(own);
        return pf_error_wrap(err, code, "table %.*s: manifest '%.*s'", PF_STR_ARG(reading->table->full_name),
                             PF_STR_ARG(file->path));
    }
    place_files(reading->catalog, own, manifest);
    reading->entries[at] = cache_add(reading->catalog->cache, CACHED_MANIFEST, reading->keys[at], own, manifest);
    return PF_OK;
}

static void *read_some(void *context) {
    struct reading *reading = context;
    while (!reading->is_over) {
        size_t turn = reading->next++;
        if (turn >= reading->missing_count) break;
        struct pf_error err;
        enum pf_code code = read_manifest(reading, reading->missing[turn], &err);
        if (code == PF_OK) continue;
        reading->is_over = true;
        pthread_mutex_lock(&reading->locked.mutex);
        if (reading->locked.code == PF_OK) {
            reading->locked.code = code;
            if (reading->locked.err) *reading->locked.err = err;
        }
        pthread_mutex_unlock(&reading->locked.mutex);
    }
    return NULL;
}

static enum pf_code read_all(struct reading *reading, struct pf_arena *arena) {
    size_t limit = (size_t)reading->catalog->reader_count, started = 0;
    size_t threads = reading->missing_count < limit ? reading->missing_count : limit;
    pthread_t *handles = PF_ARENA_ARRAY(arena, pthread_t, threads);
    pthread_mutex_init(&reading->locked.mutex, NULL);
    /* This thread is one of them; where no other can be made it does all. */
    while (started + 1 < threads && pthread_create(&handles[started], NULL, read_some, reading) == 0) started++;
    read_some(reading);
    for (size_t i = 0; i < started; i++) pthread_join(handles[i], NULL);
    pthread_mutex_destroy(&reading->locked.mutex);
    return reading->locked.code;
}

enum pf_code catalog_get_manifests(struct pf_catalog *catalog, const struct pf_table *table,
                                   const struct catalog_manifests_wanted *wanted, struct pf_arena *arena,
                                   const struct catalog_manifest **out_manifests, int *out_read_count,
                                   struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "read manifests");
    size_t *missing = PF_ARENA_ARRAY(scratch, size_t, wanted->count);
    pf_str *keys = PF_ARENA_ARRAY(scratch, pf_str, wanted->count);
    struct reading reading = {
        .catalog = catalog,
        .table = table,
        .wanted = wanted,
        .keys = keys,
        .entries = PF_ARENA_ARRAY(scratch, struct cached *, wanted->count),
        .missing = missing,
        .locked = {.err = err},
    };
    for (size_t i = 0; i < wanted->count; i++) {
        if (!wanted->files[i]) continue;
        keys[i] = manifest_key(wanted->files[i]->path, columns_of(wanted, i), scratch);
        reading.entries[i] = cache_acquire(catalog->cache, CACHED_MANIFEST, keys[i]);
        if (!reading.entries[i]) missing[reading.missing_count++] = i;
    }
    enum pf_code code = reading.missing_count ? read_all(&reading, scratch) : PF_OK;
    for (size_t i = 0; i < wanted->count; i++) {
        if (!reading.entries[i]) continue;
        const void *manifest = hold(reading.entries[i], arena);
        if (code == PF_OK) out_manifests[i] = manifest;
    }
    *out_read_count = reading.fetched;
    pf_arena_free(scratch);
    return code;
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
