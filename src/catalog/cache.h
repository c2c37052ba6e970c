/* SPDX-License-Identifier: MIT */
/* Immutable objects (metadata, manifest lists, manifests decoded; manifests also as they are stored) by path, the least
 * recently used leave first.
 *
 * An entry is an arena and the value in it. Whoever acquired one keeps it alive, also when the cache has let go of it.
 * Threads: safe; values are read-only. */
#ifndef PF_CATALOG_CACHE_H
#define PF_CATALOG_CACHE_H

#include "base/arena.h"

enum cached_kind { CACHED_METADATA, CACHED_MANIFEST_LIST, CACHED_MANIFEST, CACHED_BYTES };

struct cache;
struct cached {
    const void *value;
    /* The cache's own. */
    struct cache *cache;
    struct pf_arena *arena;
    enum cached_kind kind;
    pf_str path;
    int64_t size_bytes, references;
    bool is_listed;
    struct cached *next_in_bucket, *newer, *older;
};

struct cache *cache_new(int64_t limit_bytes);
/* What is still held lives on until it is released. */
struct cache *cache_free(struct cache *cache);

/* NULL: not there. */
struct cached *cache_acquire(struct cache *cache, enum cached_kind kind, pf_str path);
/* Takes `arena`, which holds `value`; `more_bytes`: what it keeps alive besides. If somebody else was faster, gives that
 * entry and frees the arena. */
struct cached *cache_add(struct cache *cache, enum cached_kind kind, pf_str path, struct pf_arena *arena,
                         const void *value, size_t more_bytes);
/* The entry is released when the arena is freed. */
const void *cache_hold(struct cached *entry, struct pf_arena *arena);
/* Takes `void *` so that it can be deferred to an arena. */
void cache_release(void *cached);

void cache_get_stats(struct cache *cache, int64_t *out_hits, int64_t *out_bytes, int64_t *out_entries);

#endif
