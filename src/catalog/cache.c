/* SPDX-License-Identifier: MIT */
#include "catalog/cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 4096 };

struct cache {
    int64_t limit_bytes;
    struct {
        pthread_mutex_t mutex;
        struct cached *buckets[BUCKETS];
        struct cached *newest, *oldest;
        int64_t size_bytes, count, hits;
        int64_t held_count; /* not listed any more, but acquired */
        bool is_closed;     /* freed with the last of those */
    } locked;
};

struct cache *cache_new(int64_t limit_bytes) {
    struct cache *cache = calloc(1, sizeof *cache);
    if (!cache) abort();
    cache->limit_bytes = limit_bytes;
    pthread_mutex_init(&cache->locked.mutex, NULL);
    return cache;
}

static struct cached **bucket_locked(struct cache *cache, pf_str path) {
    return &cache->locked.buckets[pf_str_hash(path) % BUCKETS];
}

static struct cached *find_locked(struct cache *cache, enum cached_kind kind, pf_str path) {
    struct cached *entry = *bucket_locked(cache, path);
    while (entry && !(entry->kind == kind && pf_str_equal(entry->path, path))) entry = entry->next_in_bucket;
    return entry;
}

static void unlink_use_locked(struct cache *cache, struct cached *entry) {
    *(entry->newer ? &entry->newer->older : &cache->locked.newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->locked.oldest) = entry->newer;
    entry->newer = entry->older = NULL;
}

static void use_locked(struct cache *cache, struct cached *entry) {
    entry->older = cache->locked.newest;
    if (entry->older) entry->older->newer = entry;
    cache->locked.newest = entry;
    if (!cache->locked.oldest) cache->locked.oldest = entry;
}

static void free_entry(struct cached *entry) {
    pf_arena_free(entry->arena);
} /* the entry lies in its arena */

/* Out of the cache; true if nobody holds it, so that the caller frees it without the lock. */
static bool unlist_locked(struct cache *cache, struct cached *entry) {
    struct cached **link = bucket_locked(cache, entry->path);
    while (*link != entry) link = &(*link)->next_in_bucket;
    *link = entry->next_in_bucket;
    unlink_use_locked(cache, entry);
    entry->next_in_bucket = NULL;
    entry->is_listed = false;
    cache->locked.size_bytes -= entry->size_bytes;
    cache->locked.count--;
    if (entry->references) cache->locked.held_count++;
    return entry->references == 0;
}

/* Entries to free, as a list by next_in_bucket. */
static struct cached *evict_locked(struct cache *cache) {
    struct cached *unused = NULL;
    while (cache->locked.size_bytes > cache->limit_bytes && cache->locked.oldest) {
        struct cached *entry = cache->locked.oldest;
        if (!unlist_locked(cache, entry)) continue;
        entry->next_in_bucket = unused;
        unused = entry;
    }
    return unused;
}

static void free_entries(struct cached *entries) {
    while (entries) {
        struct cached *entry = entries;
        entries = entry->next_in_bucket;
        free_entry(entry);
    }
}

static void destroy(struct cache *cache) {
    pthread_mutex_destroy(&cache->locked.mutex);
    free(cache);
}

struct cache *cache_free(struct cache *cache) {
    if (!cache) return NULL;
    pthread_mutex_lock(&cache->locked.mutex);
    cache->limit_bytes = -1;
    struct cached *unused = evict_locked(cache);
    cache->locked.is_closed = true;
    bool is_unused = !cache->locked.held_count;
    pthread_mutex_unlock(&cache->locked.mutex);
    free_entries(unused);
    if (is_unused) destroy(cache);
    return NULL;
}

struct cached *cache_acquire(struct cache *cache, enum cached_kind kind, pf_str path) {
    pthread_mutex_lock(&cache->locked.mutex);
    struct cached *entry = find_locked(cache, kind, path);
    if (entry) {
        entry->references++;
        cache->locked.hits++;
        unlink_use_locked(cache, entry);
        use_locked(cache, entry);
    }
    pthread_mutex_unlock(&cache->locked.mutex);
    return entry;
}

struct cached *cache_add(struct cache *cache, enum cached_kind kind, pf_str path, struct pf_arena *arena,
                         const void *value, size_t more_bytes) {
    struct cached *entry = PF_ARENA_NEW(arena, struct cached);
    *entry = (struct cached){.value = value,
                             .cache = cache,
                             .arena = arena,
                             .kind = kind,
                             .path = pf_arena_str(arena, path),
                             .references = 1,
                             .is_listed = true};
    entry->size_bytes = (int64_t)(pf_arena_used(arena) + more_bytes);
    pthread_mutex_lock(&cache->locked.mutex);
    struct cached *there = find_locked(cache, kind, path), *unused = NULL;
    if (there) {
        there->references++;
    } else {
        struct cached **bucket = bucket_locked(cache, path);
        entry->next_in_bucket = *bucket;
        *bucket = entry;
        use_locked(cache, entry);
        cache->locked.size_bytes += entry->size_bytes;
        cache->locked.count++;
        unused = evict_locked(cache);
    }
    pthread_mutex_unlock(&cache->locked.mutex);
    free_entries(unused);
    if (!there) return entry;
    free_entry(entry);
    return there;
}

void cache_release(void *cached) {
    struct cached *entry = cached;
    struct cache *cache = entry->cache;
    pthread_mutex_lock(&cache->locked.mutex);
    assert(entry->references > 0);
    bool is_unused = --entry->references == 0 && !entry->is_listed;
    if (is_unused) cache->locked.held_count--;
    bool is_last = cache->locked.is_closed && !cache->locked.held_count;
    pthread_mutex_unlock(&cache->locked.mutex);
    if (is_unused) free_entry(entry);
    if (is_last) destroy(cache);
}

const void *cache_hold(struct cached *entry, struct pf_arena *arena) {
    pf_arena_defer(arena, cache_release, entry);
    return entry->value;
}

void cache_get_stats(struct cache *cache, int64_t *out_hits, int64_t *out_bytes, int64_t *out_entries) {
    pthread_mutex_lock(&cache->locked.mutex);
    *out_hits = cache->locked.hits;
    *out_bytes = cache->locked.size_bytes;
    *out_entries = cache->locked.count;
    pthread_mutex_unlock(&cache->locked.mutex);
}
