/* SPDX-License-Identifier: MIT */
/* Manifests from the cache, or fetched and decoded by several threads.
 *
 * Each manifest that is missing is opened by one thread, which fetches it and finds its parts; parts are decoded by
 * whoever is free, so that one large manifest keeps all threads busy as well as many small ones do. Who reads the last
 * part of a manifest puts it into the cache. Threads that find nothing to do wait while another still opens one. */
#include "catalog/catalog_internal.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { PART_BYTES = 64 << 10 }; /* about that much of a manifest is worth a thread */

/* A manifest that is being read. */
struct opened {
    size_t at; /* in `wanted` */
    struct pf_arena *arena;
    struct pf_manifest_reader *reader;
    struct catalog_manifest *manifest;
    struct pf_arena **part_arenas;
    size_t part_count, next_part, done_count;
    _Atomic size_t lost_count; /* files that can't be placed */
};

struct reading {
    struct pf_catalog *catalog;
    const struct pf_table *table;
    const struct catalog_manifests_wanted *wanted;
    const pf_str *keys; /* in the cache, by position in `wanted` */
    struct cached **entries;
    const size_t *missing; /* positions to read */
    size_t missing_count;
    struct opened *opened; /* by position in `missing`; a slot belongs to who opens it until it is counted as opened */
    _Atomic int fetched;
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t changed;
        size_t next, opening_count;
        struct opened **ready; /* opened, with parts that nobody has taken; the last is taken from first */
        size_t ready_count;
        enum pf_code code; /* of the first failure: then no more is begun */
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

/* ---- where files are ---- */

/* A file whose place is known. Most files lie beside the one before: then only the name has to be looked at. */
struct neighbour {
    pf_str path;
    size_t folder_bytes, key_at; /* the key is the end of the path */
    pf_str local_folder;         /* empty: there are no local paths */
    size_t local_at;             /* the local path too, from there; SIZE_MAX: it is another */
};

static size_t folder_length(pf_str path) {
    const char *slash = path.len ? memrchr(path.ptr, '/', path.len) : NULL;
    return slash ? (size_t)(slash + 1 - path.ptr) : 0;
}

static struct neighbour neighbour_of(pf_str path, const struct catalog_place *place) {
    struct neighbour known = {.path = path, .folder_bytes = folder_length(path), .local_at = SIZE_MAX};
    known.key_at = path.len - (place->key.len < path.len ? place->key.len : path.len);
    bool is_below = place->key.len && pf_str_ends_with(path, place->key) && known.key_at < known.folder_bytes;
    if (!is_below) return (struct neighbour){0};
    known.local_folder = pf_str_slice(place->local_path, 0, folder_length(place->local_path));
    if (known.local_folder.len && pf_str_ends_with(path, place->local_path)) {
        known.local_at = path.len - place->local_path.len;
    }
    return known;
}

/* One of eight bytes is a slash, or below '-' or above '~'. */
static bool has_odd_byte(uint64_t bytes) {
    const uint64_t ones = 0x0101010101010101u, high_bits = ones * 0x80;
    uint64_t slash = bytes ^ ones * '/', is_slash = (slash - ones) & ~slash;
    uint64_t is_low = (bytes - ones * '-') & ~bytes, is_high = bytes | (bytes + ones);
    return ((is_slash | is_low | is_high) & high_bits) != 0;
}

/* No name that could lead elsewhere, or that a store might refuse. */
static bool is_plain_name(pf_str name) {
    uint64_t bytes;
    if (name.len < sizeof bytes || name.ptr[0] == '.') return false;
    for (size_t at = 0; at + sizeof bytes < name.len; at += sizeof bytes) {
        memcpy(&bytes, name.ptr + at, sizeof bytes);
        if (has_odd_byte(bytes)) return false;
    }
    memcpy(&bytes, name.ptr + name.len - sizeof bytes, sizeof bytes);
    return !has_odd_byte(bytes);
}

static bool place_beside(pf_str path, const struct neighbour *known, struct pf_arena *arena,
                         struct catalog_place *out_place) {
    size_t folder = known->folder_bytes;
    if (folder == 0 || path.len > known->path.len || path.len <= folder) return false;
    if (memcmp(path.ptr, known->path.ptr, folder) != 0) return false;
    pf_str name = {path.ptr + folder, path.len - folder};
    if (!is_plain_name(name)) return false;
    out_place->key = pf_str_slice(path, known->key_at, path.len);
    if (known->local_at != SIZE_MAX) {
        out_place->local_path = pf_str_slice(path, known->local_at, path.len);
    } else if (known->local_folder.len) {
        out_place->local_path = pf_arena_printf(arena, "%.*s%.*s", PF_STR_ARG(known->local_folder), PF_STR_ARG(name));
    }
    return true;
}

/* Where the files are does not change either. What can't be placed stays empty for now; returns how many. */
static size_t place_files(struct pf_catalog *catalog, const struct pf_manifest *entries, struct pf_arena *arena,
                          struct catalog_place *places) {
    struct neighbour known = {0};
    size_t lost = 0;
    for (size_t i = 0; i < entries->count; i++) {
        pf_str path = entries->files[i].path;
        if (entries->files[i].status == PF_ENTRY_DELETED) continue;
        if (place_beside(path, &known, arena, &places[i])) continue;
        if (catalog_locate(catalog, path, arena, &places[i], NULL) == PF_OK) {
            known = neighbour_of(path, &places[i]);
        } else {
            lost++;
        }
    }
    return lost;
}

/* A file that may not be read is told when it is needed. */
static void note_place_errors(struct pf_catalog *catalog, struct catalog_manifest *manifest, struct pf_arena *arena) {
    size_t count = manifest->manifest.count;
    manifest->place_errors = PF_ARENA_ARRAY(arena, struct pf_error, count);
    for (size_t i = 0; i < count; i++) {
        struct catalog_place *place = &manifest->places[i];
        const struct pf_data_file *file = &manifest->manifest.files[i];
        if (place->key.len || place->local_path.len || file->status == PF_ENTRY_DELETED) continue;
        (void)!catalog_locate(catalog, file->path, arena, place, &manifest->place_errors[i]);
    }
}

/* ---- opening a manifest ---- */

static enum pf_code get_bytes(struct reading *reading, pf_str path, struct pf_arena *arena, pf_str *out_bytes,
                              struct pf_error *err) {
    struct cached *entry = cache_acquire(reading->catalog->cache, CACHED_BYTES, path);
    if (!entry) {
        struct pf_arena *own = pf_arena_new(NULL, "manifest bytes");
        pf_str *bytes = PF_ARENA_NEW(own, pf_str);
        enum pf_code code = catalog_read_object(reading->catalog, path, own, bytes, err);
        if (code != PF_OK) {
            pf_arena_free(own);
            return code;
        }
        reading->fetched++;
        entry = cache_add(reading->catalog->cache, CACHED_BYTES, path, own, bytes, 0);
    }
    *out_bytes = *(const pf_str *)cache_hold(entry, arena);
    return PF_OK;
}

static void free_arena(void *arena) {
    pf_arena_free(arena);
}

static enum pf_code wrap(const struct reading *reading, size_t at, enum pf_code code, struct pf_error *err) {
    return pf_error_wrap(err, code, "table %.*s: manifest '%.*s'", PF_STR_ARG(reading->table->full_name),
                         PF_STR_ARG(reading->wanted->files[at]->path));
}

static enum pf_code open_manifest(struct reading *reading, size_t at, struct opened *opened, struct pf_error *err) {
    /* The bytes stay with the manifest: without compression its strings are views into them. */
    const struct pf_manifest_file *file = reading->wanted->files[at];
    pf_str bytes;
    opened->at = at;
    opened->arena = pf_arena_new(NULL, "manifest");
    enum pf_code code = get_bytes(reading, file->path, opened->arena, &bytes, err);
    if (code == PF_OK) {
        code = pf_manifest_open(bytes, file, reading->table->metadata, columns_of(reading->wanted, at), opened->arena,
                                &opened->reader, err);
    }
    if (code != PF_OK) return wrap(reading, at, code, err);
    opened->part_count = pf_manifest_part_count(opened->reader);
    opened->part_arenas = PF_ARENA_ARRAY(opened->arena, struct pf_arena *, opened->part_count);
    opened->manifest = PF_ARENA_NEW(opened->arena, struct catalog_manifest);
    opened->manifest->places =
        PF_ARENA_ARRAY(opened->arena, struct catalog_place, pf_manifest_entry_count(opened->reader));
    return PF_OK;
}

static void finish_manifest(struct reading *reading, struct opened *opened) {
    struct pf_arena *arena = opened->arena;
    size_t part_bytes = 0;
    for (size_t i = 0; i < opened->part_count; i++) part_bytes += pf_arena_used(opened->part_arenas[i]);
    pf_manifest_finish(opened->reader, &opened->manifest->manifest);
    if (opened->lost_count) note_place_errors(reading->catalog, opened->manifest, arena);
    for (size_t i = 0; i < opened->part_count; i++) pf_arena_defer(arena, free_arena, opened->part_arenas[i]);
    opened->arena = NULL; /* it is the cache's now */
    reading->entries[opened->at] = cache_add(reading->catalog->cache, CACHED_MANIFEST, reading->keys[opened->at], arena,
                                             opened->manifest, part_bytes);
}

static enum pf_code read_part(struct reading *reading, struct opened *opened, size_t part, struct pf_error *err) {
    struct pf_manifest entries;
    struct pf_arena *arena = opened->part_arenas[part] = pf_arena_new(NULL, "part of a manifest");
    enum pf_code code = pf_manifest_read_part(opened->reader, part, arena, &entries, err);
    if (code != PF_OK) return wrap(reading, opened->at, code, err);
    size_t first = pf_manifest_part_start(opened->reader, part);
    opened->lost_count += place_files(reading->catalog, &entries, arena, &opened->manifest->places[first]);
    return PF_OK;
}

/* ---- sharing the work ---- */

static void note_failure_locked(struct reading *reading, enum pf_code code, const struct pf_error *err) {
    if (code == PF_OK || reading->locked.code != PF_OK) return;
    reading->locked.code = code;
    if (reading->locked.err) *reading->locked.err = *err;
}

/* Called with the lock, returns with it. */
static void open_next_locked(struct reading *reading) {
    size_t turn = reading->locked.next++;
    struct opened *opened = &reading->opened[turn];
    struct pf_error err;
    reading->locked.opening_count++;
    pthread_mutex_unlock(&reading->locked.mutex);
    enum pf_code code = open_manifest(reading, reading->missing[turn], opened, &err);
    if (code == PF_OK && opened->part_count == 0) finish_manifest(reading, opened);
    pthread_mutex_lock(&reading->locked.mutex);
    reading->locked.opening_count--;
    note_failure_locked(reading, code, &err);
    if (code == PF_OK && opened->part_count) reading->locked.ready[reading->locked.ready_count++] = opened;
    pthread_cond_broadcast(&reading->locked.changed);
}

static void read_part_locked(struct reading *reading) {
    struct opened *opened = reading->locked.ready[reading->locked.ready_count - 1];
    size_t part = opened->next_part++;
    struct pf_error err;
    if (opened->next_part == opened->part_count) reading->locked.ready_count--;
    pthread_mutex_unlock(&reading->locked.mutex);
    enum pf_code code = read_part(reading, opened, part, &err);
    pthread_mutex_lock(&reading->locked.mutex);
    note_failure_locked(reading, code, &err);
    bool is_last = code == PF_OK && ++opened->done_count == opened->part_count;
    if (!is_last) return;
    pthread_mutex_unlock(&reading->locked.mutex);
    finish_manifest(reading, opened);
    pthread_mutex_lock(&reading->locked.mutex);
}

static void *read_some(void *context) {
    struct reading *reading = context;
    pthread_mutex_lock(&reading->locked.mutex);
    while (reading->locked.code == PF_OK) {
        if (reading->locked.ready_count) {
            read_part_locked(reading);
        } else if (reading->locked.next < reading->missing_count) {
            open_next_locked(reading);
        } else if (reading->locked.opening_count) {
            pthread_cond_wait(&reading->locked.changed, &reading->locked.mutex);
        } else {
            break;
        }
    }
    pthread_mutex_unlock(&reading->locked.mutex);
    return NULL;
}

/* A thread for each manifest, since it may have to be fetched; for the parts of a few as many as there are processors. */
static size_t count_threads(const struct reading *reading) {
    int64_t parts = 0;
    for (size_t i = 0; i < reading->missing_count; i++) {
        int64_t size_bytes = reading->wanted->files[reading->missing[i]]->size_bytes;
        parts += 1 + (size_bytes > 0 ? size_bytes / PART_BYTES : 0);
    }
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t limit = (size_t)reading->catalog->reader_count, count = reading->missing_count;
    if (processors > 0 && count < (size_t)processors) {
        count = parts < processors ? (size_t)parts : (size_t)processors;
    }
    return count < limit ? count : limit;
}

static enum pf_code read_all(struct reading *reading, struct pf_arena *arena) {
    size_t threads = count_threads(reading), started = 0;
    pthread_t *handles = PF_ARENA_ARRAY(arena, pthread_t, threads);
    reading->opened = PF_ARENA_ARRAY(arena, struct opened, reading->missing_count);
    reading->locked.ready = PF_ARENA_ARRAY(arena, struct opened *, reading->missing_count);
    pthread_mutex_init(&reading->locked.mutex, NULL);
    pthread_cond_init(&reading->locked.changed, NULL);
    /* This thread is one of them; where no other can be made it does all. */
    while (started + 1 < threads && pthread_create(&handles[started], NULL, read_some, reading) == 0) started++;
    read_some(reading);
    for (size_t i = 0; i < started; i++) pthread_join(handles[i], NULL);
    pthread_cond_destroy(&reading->locked.changed);
    pthread_mutex_destroy(&reading->locked.mutex);
    for (size_t i = 0; i < reading->missing_count; i++) { /* of a failure */
        struct opened *opened = &reading->opened[i];
        if (!opened->arena) continue;
        for (size_t k = 0; k < opened->part_count; k++) pf_arena_free(opened->part_arenas[k]);
        pf_arena_free(opened->arena);
    }
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
        const void *manifest = cache_hold(reading.entries[i], arena);
        if (code == PF_OK) out_manifests[i] = manifest;
    }
    *out_read_count = reading.fetched;
    pf_arena_free(scratch);
    return code;
}
