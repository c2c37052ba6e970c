/* SPDX-License-Identifier: MIT */
/* What the files of the cache share.
 *
 *   entry   an object: a memfd of its size, a link that leads to it, its decoded footer
 *   piece   the footer, a column chunk or a Bloom filter: absent, being fetched, or present
 *
 * A hold pins entries (the memfd stays open, the path good) and pieces (the bytes stay). Pieces that nobody pins are
 * in the list of what may be evicted, the least recently used last. All of it under the cache's mutex; who marks a
 * piece as being fetched fetches it without the mutex, and others wait for him. */
#ifndef PF_STORE_CACHE_INTERNAL_H
#define PF_STORE_CACHE_INTERNAL_H

#include "store/parquet_footer.h"
#include "store/store.h"

#include <pthread.h>

enum { SKETCH_SIZE = 1 << 16 };

enum piece_state { PIECE_ABSENT, PIECE_FETCHING, PIECE_PRESENT };

struct piece {
    struct entry *entry;
    struct piece *newer, *older; /* in the list of what may be evicted */
    int64_t offset, length;
    int pins;
    unsigned char state;
};

enum footer_state { FOOTER_ABSENT, FOOTER_FETCHING, FOOTER_PRESENT };

struct entry {
    struct entry *next; /* of the same bucket */
    struct entry *newer, *older;
    struct pf_arena *arena;
    pf_str key, path;
    int fd;
    int64_t size_bytes;
    int pins;
    enum footer_state footer_state;
    int64_t footer_bytes;
    struct parquet_footer footer;
    struct piece *pieces;     /* by row group and leaf, chunk and filter by turns; of a plain object one: all of it */
    struct piece **by_offset; /* those that have a length */
    size_t piece_count, by_offset_count;
};

enum { ENTRY_BUCKETS = 4096 };

struct pf_cache {
    struct pf_store *store;
    struct pf_arena *arena;
    struct pf_cache_options options;
    size_t max_entries;
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t fetched;
        struct entry *buckets[ENTRY_BUCKETS];
        struct entry *newest_entry, *oldest_entry; /* those that nobody pins */
        struct piece *newest, *oldest;
        int64_t next_name, held_bytes, pinned_bytes;
        uint32_t touches;
        unsigned char sketch[SKETCH_SIZE];
        struct pf_cache_counters counters;
    } locked;
};

/* ---- cache_entry.c ---- */

/* The entry of an object, pinned; made if it isn't there. */
enum pf_code entry_pin_locked(struct pf_cache *cache, pf_str key, int64_t size_bytes, bool is_plain,
                              struct entry **out_entry, struct pf_error *err) PF_MUST_CHECK;
void entry_unpin_locked(struct pf_cache *cache, struct entry *entry);
/* One that nobody pins. */
void entry_drop_locked(struct pf_cache *cache, struct entry *entry);
/* Decodes the footer, whose bytes are there; `out_footer` NULL: only how long it is. */
enum pf_code entry_read_footer(struct entry *entry, struct pf_arena **out_arena, struct parquet_footer *out_footer,
                               int64_t *out_footer_bytes, struct pf_error *err) PF_MUST_CHECK;
/* Takes it in, with its arena; makes the pieces. */
void entry_set_footer_locked(struct pf_cache *cache, struct entry *entry, struct pf_arena *arena,
                             const struct parquet_footer *footer, int64_t footer_bytes);
/* The first of `by_offset` that starts at or behind `offset`. */
size_t entry_find_piece(const struct entry *entry, int64_t offset);
/* The kernel lets go of the pages that lie wholly inside. */
void entry_punch(const struct entry *entry, int64_t offset, int64_t length);
/* Readers that keep decoded footers see that the file has not changed. */
void entry_set_times(const struct entry *entry);
void entries_free(struct pf_cache *cache);

/* ---- cache_policy.c ---- */

void piece_pin_locked(struct pf_cache *cache, struct piece *piece);
void piece_unpin_locked(struct pf_cache *cache, struct piece *piece);
/* Down to the budget, by what was used less. */
void policy_shrink_locked(struct pf_cache *cache);
/* Room for what is about to be fetched, whatever is in the way. */
void policy_make_room_locked(struct pf_cache *cache, int64_t wanted_bytes, int64_t limit_bytes);
void piece_evict_locked(struct pf_cache *cache, struct piece *piece);

#endif
