/* SPDX-License-Identifier: MIT */
/* What stays when there is not room for all.
 *
 * Least recently used alone keeps nothing of a scan that is larger than the budget: each piece is thrown out just
 * before it is asked for again. So the piece that would go (the oldest) is weighed against the one that came last: it
 * goes only if it was used less, else the last one does. How often is counted in a sketch that also remembers pieces
 * that are gone, and forgets by halving (the idea of TinyLFU). A table of a size of three budgets keeps a third of its
 * pieces over any number of scans, and what is asked for more often drives out the rest. */
#include "store/cache_internal.h"

#include <string.h>

enum { MAX_USES = 255, HALVE_EVERY = 10 * SKETCH_SIZE / 16 };

static unsigned char *uses_of(struct pf_cache *cache, const struct piece *piece) {
    uint64_t hash = pf_str_hash(piece->entry->key) ^ (uint64_t)piece->offset * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
    hash *= 0xbf58476d1ce4e5b9u;
    return &cache->locked.sketch[(hash >> 40) % SKETCH_SIZE];
}

static void count_use(struct pf_cache *cache, const struct piece *piece) {
    unsigned char *uses = uses_of(cache, piece);
    if (*uses < MAX_USES) ++*uses;
    if (++cache->locked.touches < HALVE_EVERY) return;
    cache->locked.touches = 0;
    for (size_t i = 0; i < SKETCH_SIZE; i++) cache->locked.sketch[i] /= 2;
}

static bool is_listed(const struct pf_cache *cache, const struct piece *piece) {
    return piece->newer || piece->older || cache->locked.newest == piece;
}

static void unlist(struct pf_cache *cache, struct piece *piece) {
    if (!is_listed(cache, piece)) return;
    *(piece->newer ? &piece->newer->older : &cache->locked.newest) = piece->older;
    *(piece->older ? &piece->older->newer : &cache->locked.oldest) = piece->newer;
    piece->newer = piece->older = NULL;
}

static void list_as_newest(struct pf_cache *cache, struct piece *piece) {
    piece->newer = NULL;
    piece->older = cache->locked.newest;
    if (piece->older) piece->older->newer = piece;
    cache->locked.newest = piece;
    if (!cache->locked.oldest) cache->locked.oldest = piece;
}

void piece_pin_locked(struct pf_cache *cache, struct piece *piece) {
    count_use(cache, piece);
    if (piece->pins++ > 0) return;
    cache->locked.pinned_bytes += piece->length;
    unlist(cache, piece);
}

void piece_unpin_locked(struct pf_cache *cache, struct piece *piece) {
    if (--piece->pins > 0) return;
    cache->locked.pinned_bytes -= piece->length;
    if (piece->state == PIECE_PRESENT) list_as_newest(cache, piece);
}

void piece_evict_locked(struct pf_cache *cache, struct piece *piece) {
    unlist(cache, piece);
    piece->state = PIECE_ABSENT;
    cache->locked.held_bytes -= piece->length;
    cache->locked.counters.evicted_bytes += piece->length;
    entry_punch(piece->entry, piece->offset, piece->length);
}

void policy_shrink_locked(struct pf_cache *cache) {
    while (cache->locked.held_bytes > cache->options.budget_bytes && cache->locked.oldest) {
        struct piece *oldest = cache->locked.oldest, *newest = cache->locked.newest;
        piece_evict_locked(cache, *uses_of(cache, newest) > *uses_of(cache, oldest) ? oldest : newest);
    }
    /* Nothing but footers left: those of objects that were not asked for the longest. */
    while (cache->locked.held_bytes > cache->options.budget_bytes && cache->locked.oldest_entry) {
        entry_drop_locked(cache, cache->locked.oldest_entry);
    }
}

void policy_make_room_locked(struct pf_cache *cache, int64_t wanted_bytes, int64_t limit_bytes) {
    while (cache->locked.held_bytes + wanted_bytes > limit_bytes && cache->locked.oldest) {
        piece_evict_locked(cache, cache->locked.oldest);
    }
}
