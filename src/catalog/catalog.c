/* SPDX-License-Identifier: MIT */
#include "catalog/catalog.h"

#include "catalog/catalog_internal.h"

#include "store/store.h"

#include <stdlib.h>

enum { MAX_NAME_BYTES = 200, DEFAULT_READERS = 8, DEFAULT_COMMIT_WAIT_MS = 60000 };
static const int64_t DEFAULT_CACHE_BYTES = (int64_t)256 << 20;

static pf_str without_slash(pf_str path) {
    while (path.len > 1 && path.ptr[path.len - 1] == '/') path.len--;
    return path;
}

enum pf_code pf_catalog_open(struct pf_store *store, const struct pf_catalog_options *options,
                             struct pf_catalog **out_catalog, struct pf_error *err) {
    struct pf_catalog_options given = options ? *options : (struct pf_catalog_options){0};
    if (given.warehouse.len) {
        enum pf_code code = pf_store_check_key(given.warehouse, err);
        if (code != PF_OK) return pf_error_wrap(err, code, "open catalog: warehouse");
    }
    for (size_t i = 0; i < given.foreign_root_count; i++) {
        pf_str root = without_slash(given.foreign_roots[i]);
        if (root.len < 2 || root.ptr[0] != '/' || pf_str_find(root, PF_STR("/.."), 0) != SIZE_MAX) {
            PF_FAIL(err, PF_INVALID, "open catalog: foreign root '%.*s' is no absolute directory below /",
                    PF_STR_ARG(given.foreign_roots[i]));
        }
    }
    struct pf_arena *arena = pf_arena_new(NULL, "catalog");
    struct pf_catalog *catalog = PF_ARENA_NEW(arena, struct pf_catalog);
    catalog->store = store;
    catalog->arena = arena;
    catalog->pointers = given.pointers;
    catalog->warehouse = pf_arena_str(arena, given.warehouse);
    catalog->reader_count = given.reader_count > 0 ? given.reader_count : DEFAULT_READERS;
    catalog->commit_wait_ms = given.commit_wait_ms > 0 ? given.commit_wait_ms : DEFAULT_COMMIT_WAIT_MS;
    catalog->cache = cache_new(given.cache_bytes > 0 ? given.cache_bytes : DEFAULT_CACHE_BYTES);
    catalog->foreign_roots = PF_ARENA_ARRAY(arena, pf_str, given.foreign_root_count);
    catalog->foreign_root_count = given.foreign_root_count;
    for (size_t i = 0; i < given.foreign_root_count; i++) {
        catalog->foreign_roots[i] = pf_arena_str(arena, without_slash(given.foreign_roots[i]));
    }
    if (given.remote.url.len) {
        enum pf_code code = remote_open(&given.remote, &catalog->remote, err);
        if (code != PF_OK) {
            pf_catalog_close(catalog);
            return code;
        }
    }
    *out_catalog = catalog;
    return PF_OK;
}

struct pf_catalog *pf_catalog_close(struct pf_catalog *catalog) {
    if (!catalog) return NULL;
    remote_close(catalog->remote);
    cache_free(catalog->cache);
    pf_arena_free(catalog->arena);
    return NULL;
}

void pf_catalog_get_stats(struct pf_catalog *catalog, struct pf_catalog_stats *out_stats) {
    *out_stats = (struct pf_catalog_stats){
        .pointer_reads = catalog->pointer_reads,
        .object_reads = catalog->object_reads,
        .commit_retries = catalog->commit_retries,
    };
    cache_get_stats(catalog->cache, &out_stats->cache_hits, &out_stats->cache_bytes, &out_stats->cache_entries);
}

/* ---- names ---- */

static enum pf_code check_name(pf_str name, const char *what, struct pf_error *err) {
    if (!name.len) PF_FAIL(err, PF_INVALID, "%s: the name is empty", what);
    if (name.len > MAX_NAME_BYTES) {
        PF_FAIL(err, PF_INVALID, "%s '%.60s...': the name has %zu bytes, the limit is %d", what, name.ptr, name.len,
                MAX_NAME_BYTES);
    }
    if (pf_str_find_char(name, '.', 0) != SIZE_MAX || pf_str_find_char(name, '/', 0) != SIZE_MAX) {
        PF_FAIL(err, PF_INVALID, "%s '%.*s': a name has no '.' and no '/'; tables are written namespace.table", what,
                PF_STR_ARG(name));
    }
    enum pf_code code = pf_store_check_key(name, err);
    return code == PF_OK ? PF_OK : pf_error_wrap(err, code, "%s '%.*s'", what, PF_STR_ARG(name));
}

enum pf_code catalog_check_space(pf_str space, struct pf_error *err) {
    pf_str rest = space, part;
    if (space.len > MAX_NAME_BYTES || !space.len) return check_name(space, "namespace", err);
    while (pf_str_next(&rest, '.', &part)) PF_TRY(check_name(part, "namespace", err));
    return pf_str_ends_with(space, PF_STR(".")) ? check_name(PF_STR_EMPTY, "namespace", err) : PF_OK;
}

enum pf_code catalog_check_id(struct pf_table_id *id, struct pf_error *err) {
    if (!id->space.len) id->space = PF_DEFAULT_NAMESPACE;
    PF_TRY(catalog_check_space(id->space, err));
    return check_name(id->name, "table", err);
}

enum pf_code pf_table_id_parse(pf_str text, struct pf_table_id *out_id, struct pf_error *err) {
    struct pf_table_id id = {PF_STR_EMPTY, text};
    size_t dot = text.len;
    while (dot > 0 && text.ptr[dot - 1] != '.') dot--;
    if (dot-- > 0) {
        id = (struct pf_table_id){pf_str_slice(text, 0, dot), pf_str_slice(text, dot + 1, SIZE_MAX)};
        if (!id.space.len) PF_FAIL(err, PF_INVALID, "table '%.*s': the namespace is empty", PF_STR_ARG(text));
    }
    PF_TRY(catalog_check_id(&id, err));
    *out_id = id;
    return PF_OK;
}

pf_str catalog_full_name(struct pf_table_id id, struct pf_arena *arena) {
    return pf_arena_printf(arena, "%.*s.%.*s", PF_STR_ARG(id.space), PF_STR_ARG(id.name));
}

pf_str catalog_space_key(const struct pf_catalog *catalog, pf_str space, struct pf_arena *arena) {
    return pf_arena_printf(arena, "%.*s%s%.*s", PF_STR_ARG(catalog->warehouse), catalog->warehouse.len ? "/" : "",
                           PF_STR_ARG(space));
}

pf_str catalog_table_key(const struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena) {
    return pf_arena_printf(arena, "%.*s/%.*s", PF_STR_ARG(catalog_space_key(catalog, id.space, arena)),
                           PF_STR_ARG(id.name));
}

/* ---- listing ---- */

struct names {
    pf_str *items;
    size_t count, capacity;
};

static int compare_names(const void *a, const void *b) {
    return pf_str_compare(*(const pf_str *)a, *(const pf_str *)b);
}

/* The folders right below `prefix` (which ends with a slash or is empty) that may be namespaces or tables, sorted. */
static enum pf_code list_folders(struct pf_catalog *catalog, pf_str prefix, struct pf_arena *arena,
                                 struct names *out_names, struct pf_error *err) {
    struct names names = {0};
    size_t count = 0;
    PF_TRY(pointers_list_folders(catalog, prefix, arena, &names.items, &names.count, err));
    for (size_t i = 0; i < names.count; i++)
        if (catalog_check_space(names.items[i], NULL) == PF_OK) names.items[count++] = names.items[i];
    names.count = names.capacity = count; /* what is pushed goes to a copy */
    if (names.count) qsort(names.items, names.count, sizeof *names.items, compare_names);
    *out_names = names;
    return PF_OK;
}

static enum pf_code give_sorted(struct names *names, pf_str **out_names, size_t *out_count) {
    if (names->count) qsort(names->items, names->count, sizeof *names->items, compare_names);
    *out_names = names->items;
    *out_count = names->count;
    return PF_OK;
}

enum pf_code pf_catalog_list_tables(struct pf_catalog *catalog, pf_str space, struct pf_arena *arena,
                                    pf_str **out_names, size_t *out_count, struct pf_error *err) {
    if (!space.len) space = PF_DEFAULT_NAMESPACE;
    PF_TRY(catalog_check_space(space, err));
    struct names names = {0};
    if (catalog->remote) {
        PF_TRY(remote_list(catalog->remote, space, "tables", arena, &names.items, &names.count, err));
        return give_sorted(&names, out_names, out_count);
    }
    pf_str prefix = pf_arena_printf(arena, "%.*s/", PF_STR_ARG(catalog_space_key(catalog, space, arena)));
    PF_TRY(list_folders(catalog, prefix, arena, &names, err));
    size_t count = 0;
    for (size_t i = 0; i < names.count; i++) {
        bool exists = false;
        PF_TRY(pf_catalog_exists(catalog, (struct pf_table_id){space, names.items[i]}, &exists, err));
        if (exists) names.items[count++] = names.items[i];
    }
    *out_names = names.items;
    *out_count = count;
    return PF_OK;
}

enum pf_code pf_catalog_list_namespaces(struct pf_catalog *catalog, struct pf_arena *arena, pf_str **out_names,
                                        size_t *out_count, struct pf_error *err) {
    struct names names = {0};
    size_t count = 0;
    bool has_main = false;
    if (catalog->remote) {
        PF_TRY(remote_list_namespaces(catalog->remote, arena, &names.items, &names.count, err));
        return give_sorted(&names, out_names, out_count);
    }
    pf_str prefix = catalog_space_key(catalog, PF_STR_EMPTY, arena);
    PF_TRY(list_folders(catalog, prefix, arena, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        pf_str name = names.items[i];
        bool is_there = false, is_main = pf_str_equal(name, PF_DEFAULT_NAMESPACE);
        PF_TRY(catalog_space_has_own(catalog, name, arena, &is_there, err));
        has_main = has_main || is_main;
        if (is_there || is_main) names.items[count++] = name;
    }
    names.count = count;
    if (!has_main) PF_ARENA_PUSH(arena, names.items, names.count, names.capacity) = PF_DEFAULT_NAMESPACE;
    return give_sorted(&names, out_names, out_count);
}

enum pf_code catalog_find_nocase(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                 struct pf_table_id *out_id, struct pf_error *err) {
    pf_str *spaces, *tables;
    size_t space_count = 0, table_count = 0, found = 0;
    struct pf_table_id match = {0};
    PF_TRY(pf_catalog_list_namespaces(catalog, arena, &spaces, &space_count, err));
    for (size_t s = 0; s < space_count; s++) {
        if (!pf_str_equal_nocase(spaces[s], id.space)) continue;
        PF_TRY(pf_catalog_list_tables(catalog, spaces[s], arena, &tables, &table_count, err));
        for (size_t t = 0; t < table_count; t++) {
            if (!pf_str_equal_nocase(tables[t], id.name)) continue;
            match = (struct pf_table_id){spaces[s], tables[t]};
            found++;
        }
    }
    if (!found) {
        PF_FAIL(err, PF_NOT_FOUND, "there is no table '%.*s.%.*s'", PF_STR_ARG(id.space), PF_STR_ARG(id.name));
    }
    if (found > 1) {
        PF_FAIL(err, PF_INVALID, "table '%.*s.%.*s': %zu tables differ from that name only in case; write it as it is",
                PF_STR_ARG(id.space), PF_STR_ARG(id.name), found);
    }
    *out_id = match;
    return PF_OK;
}

/* ---- directories ---- */

enum pf_code pf_catalog_directories(struct pf_catalog *catalog, struct pf_arena *arena, pf_str **out_directories,
                                    size_t *out_count, struct pf_error *err) {
    pf_str *directories = PF_ARENA_ARRAY(arena, pf_str, catalog->foreign_root_count + 1), root;
    size_t count = 0;
    enum pf_code code = pf_store_local_directory(catalog->store, PF_STR_EMPTY, arena, &root, err);
    if (code != PF_OK && code != PF_UNSUPPORTED) return code;
    if (code == PF_OK) directories[count++] = pf_arena_printf(arena, "%.*s/", PF_STR_ARG(root));
    for (size_t i = 0; i < catalog->foreign_root_count; i++) {
        directories[count++] = pf_arena_printf(arena, "%.*s/", PF_STR_ARG(catalog->foreign_roots[i]));
    }
    *out_directories = directories;
    *out_count = count;
    return PF_OK;
}

enum pf_code pf_table_directories(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                  pf_str **out_directories, size_t *out_count, struct pf_error *err) {
    pf_str folders[] = {table->metadata->location, pf_table_metadata_data_folder(table->metadata, arena)};
    pf_str *directories = PF_ARENA_ARRAY(arena, pf_str, 2);
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        struct catalog_place place;
        enum pf_code code = catalog_locate(catalog, folders[i], arena, &place, err);
        if (code != PF_OK) return pf_error_wrap(err, code, "table %.*s", PF_STR_ARG(table->full_name));
        if (!place.local_path.len) continue;
        pf_str directory = pf_arena_printf(arena, "%.*s/", PF_STR_ARG(place.local_path));
        if (!count || !pf_str_starts_with(directory, directories[0])) directories[count++] = directory;
    }
    *out_directories = directories;
    *out_count = count;
    return PF_OK;
}

enum pf_code pf_table_data_prefix(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                  pf_str *out_key_prefix, struct pf_error *err) {
    pf_str key, folder = pf_table_metadata_data_folder(table->metadata, arena);
    if (!pf_store_key_of(catalog->store, folder, &key)) {
        PF_FAIL(err, PF_UNSUPPORTED,
                "table %.*s: its data folder '%.*s' lies outside the store '%.*s', so it can only be read",
                PF_STR_ARG(table->full_name), PF_STR_ARG(folder), PF_STR_ARG(pf_store_url(catalog->store)));
    }
    *out_key_prefix = key;
    return PF_OK;
}
