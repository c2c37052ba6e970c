/* SPDX-License-Identifier: MIT */
/* An object in memory: a memfd, with a link to it that no other object ever had. Readers know a file by its path, and
 * some keep what they decoded of it; numbers of descriptors come again, names of links do not. */
#include "store/cache_internal.h"

#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct entry **find_link(struct pf_cache *cache, pf_str key) {
    struct entry **link = &cache->locked.buckets[pf_str_hash(key) % ENTRY_BUCKETS];
    while (*link && !pf_str_equal((*link)->key, key)) link = &(*link)->next;
    return link;
}

/* ---- the list of those that nobody uses ---- */

static void unlist(struct pf_cache *cache, struct entry *entry) {
    *(entry->newer ? &entry->newer->older : &cache->locked.newest_entry) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->locked.oldest_entry) = entry->newer;
    entry->newer = entry->older = NULL;
}

static void list_as_newest(struct pf_cache *cache, struct entry *entry) {
    entry->older = cache->locked.newest_entry;
    if (entry->older) entry->older->newer = entry;
    cache->locked.newest_entry = entry;
    if (!cache->locked.oldest_entry) cache->locked.oldest_entry = entry;
}

/* ---- making and dropping ---- */

static void free_entry(struct entry *entry) {
    if (entry->path.len) unlink(entry->path.ptr);
    if (entry->fd >= 0) close(entry->fd);
    pf_arena_free(entry->arena);
}

void entry_drop_locked(struct pf_cache *cache, struct entry *entry) {
    for (size_t i = 0; i < entry->piece_count; i++) {
        if (entry->pieces[i].state == PIECE_PRESENT) piece_evict_locked(cache, &entry->pieces[i]);
    }
    cache->locked.held_bytes -= entry->footer_bytes;
    cache->locked.counters.entries--;
    unlist(cache, entry);
    *find_link(cache, entry->key) = entry->next;
    free_entry(entry);
}

static enum pf_code make_file(struct pf_cache *cache, struct entry *entry, struct pf_error *err) {
    char target[64];
    size_t slash = entry->key.len;
    while (slash > 0 && entry->key.ptr[slash - 1] != '/') slash--;
    pf_str name = pf_str_slice(entry->key, slash, entry->key.len);
    entry->fd = memfd_create("puffindb", MFD_CLOEXEC);
    if (entry->fd < 0 || ftruncate(entry->fd, (off_t)entry->size_bytes) != 0) {
        PF_FAIL_ERRNO(err, errno, "memory for '%.*s'", PF_STR_ARG(entry->key));
    }
    snprintf(target, sizeof target, "/proc/self/fd/%d", entry->fd);
    entry->path = pf_arena_printf(entry->arena, "%.*s/%lld-%.*s", PF_STR_ARG(cache->options.link_directory),
                                  (long long)cache->locked.next_name++, PF_STR_ARG(pf_str_slice(name, 0, 180)));
    if (symlink(target, entry->path.ptr) != 0) {
        PF_FAIL_ERRNO(err, errno, "make the link '%.*s'", PF_STR_ARG(entry->path));
    }
    return PF_OK;
}

static enum pf_code make_locked(struct pf_cache *cache, pf_str key, int64_t size_bytes, struct entry **out_entry,
                                struct pf_error *err) {
    while ((size_t)cache->locked.counters.entries >= cache->max_entries && cache->locked.oldest_entry) {
        entry_drop_locked(cache, cache->locked.oldest_entry);
    }
    struct pf_arena *arena = pf_arena_new(NULL, "cached object");
    struct entry *entry = PF_ARENA_NEW(arena, struct entry);
    *entry = (struct entry){.arena = arena, .key = pf_arena_str(arena, key), .fd = -1, .size_bytes = size_bytes};
    enum pf_code code = make_file(cache, entry, err);
    if (code != PF_OK) {
        free_entry(entry);
        return code;
    }
    struct entry **link = find_link(cache, key);
    *link = entry;
    cache->locked.counters.entries++;
    *out_entry = entry;
    return PF_OK;
}

/* There is no footer to wait for. */
static void make_plain(struct entry *entry) {
    entry->pieces = PF_ARENA_NEW(entry->arena, struct piece);
    entry->pieces[0] = (struct piece){.entry = entry, .length = entry->size_bytes};
    entry->piece_count = 1;
    entry->footer_state = FOOTER_PRESENT;
}

enum pf_code entry_pin_locked(struct pf_cache *cache, pf_str key, int64_t size_bytes, bool is_plain,
                              struct entry **out_entry, struct pf_error *err) {
    struct entry *entry = *find_link(cache, key);
    if (!entry) {
        PF_TRY(make_locked(cache, key, size_bytes, &entry, err));
        if (is_plain) make_plain(entry);
    } else if (entry->pins == 0) {
        unlist(cache, entry);
    }
    entry->pins++;
    *out_entry = entry;
    return PF_OK;
}

void entry_unpin_locked(struct pf_cache *cache, struct entry *entry) {
    if (--entry->pins > 0) return;
    list_as_newest(cache, entry);
    /* Nothing was learnt of it: it may be no Parquet file, or gone. */
    if (entry->footer_state == FOOTER_ABSENT) entry_drop_locked(cache, entry);
}

void entries_free(struct pf_cache *cache) {
    for (size_t i = 0; i < ENTRY_BUCKETS; i++) {
        while (cache->locked.buckets[i]) {
            struct entry *entry = cache->locked.buckets[i];
            cache->locked.buckets[i] = entry->next;
            free_entry(entry);
        }
    }
}

/* ---- the footer ---- */

static enum pf_code read_back(const struct entry *entry, int64_t length, struct pf_arena *arena, pf_str *out_bytes,
                              struct pf_error *err) {
    char *bytes = pf_arena_alloc(arena, (size_t)length);
    ssize_t got = pread(entry->fd, bytes, (size_t)length, (off_t)(entry->size_bytes - length));
    if (got != (ssize_t)length) PF_FAIL_ERRNO(err, got < 0 ? errno : EIO, "read back '%.*s'", PF_STR_ARG(entry->key));
    *out_bytes = pf_str_from(bytes, (size_t)length);
    return PF_OK;
}

enum pf_code entry_read_footer(struct entry *entry, struct pf_arena **out_arena, struct parquet_footer *out_footer,
                               int64_t *out_footer_bytes, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "parquet footer");
    pf_str tail, bytes;
    int64_t length = 0;
    int64_t tail_bytes = entry->size_bytes < PARQUET_TAIL_BYTES ? entry->size_bytes : PARQUET_TAIL_BYTES;
    enum pf_code code = read_back(entry, tail_bytes, arena, &tail, err);
    if (code == PF_OK) code = parquet_footer_length(tail, entry->size_bytes, &length, err);
    if (code == PF_OK && !out_footer) { /* only how long it is */
        pf_arena_free(arena);
        *out_footer_bytes = length;
        return PF_OK;
    }
    if (code == PF_OK) code = read_back(entry, length, arena, &bytes, err);
    if (code == PF_OK) {
        bytes.len -= PARQUET_TAIL_BYTES;
        code = parquet_footer_read(bytes, entry->size_bytes, arena, out_footer, err);
    }
    if (code != PF_OK) {
        pf_arena_free(arena);
        return code;
    }
    *out_arena = arena;
    *out_footer_bytes = length;
    return PF_OK;
}

static int compare_offsets(const void *left, const void *right) {
    const struct piece *a = *(struct piece *const *)left, *b = *(struct piece *const *)right;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

static void sort_pieces(struct entry *entry) {
    entry->by_offset = PF_ARENA_ARRAY(entry->arena, struct piece *, entry->piece_count);
    for (size_t i = 0; i < entry->piece_count; i++) {
        if (entry->pieces[i].length) entry->by_offset[entry->by_offset_count++] = &entry->pieces[i];
    }
    if (entry->by_offset_count)
        qsort(entry->by_offset, entry->by_offset_count, sizeof(struct piece *), compare_offsets);
}

size_t entry_find_piece(const struct entry *entry, int64_t offset) {
    size_t low = 0, high = entry->by_offset_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entry->by_offset[middle]->offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void free_arena(void *arena) {
    pf_arena_free(arena);
}

void entry_set_footer_locked(struct pf_cache *cache, struct entry *entry, struct pf_arena *arena,
                             const struct parquet_footer *footer, int64_t footer_bytes) {
    size_t at = 0, count = 2 * footer->leaf_count * footer->group_count;
    /* The decoded footer lives as long as the entry. */
    pf_arena_defer(entry->arena, free_arena, arena);
    entry->footer = *footer;
    entry->pieces = PF_ARENA_ARRAY(entry->arena, struct piece, count);
    entry->piece_count = count;
    for (size_t g = 0; g < footer->group_count; g++) {
        for (size_t i = 0; i < footer->leaf_count; i++) {
            const struct parquet_place *chunk = &footer->groups[g].chunks[i], *filter = &footer->groups[g].filters[i];
            entry->pieces[at++] = (struct piece){.entry = entry, .offset = chunk->offset, .length = chunk->length};
            entry->pieces[at++] = (struct piece){.entry = entry, .offset = filter->offset, .length = filter->length};
        }
    }
    sort_pieces(entry);
    entry->footer_bytes = footer_bytes;
    entry->footer_state = FOOTER_PRESENT;
    cache->locked.held_bytes += footer_bytes;
}

/* ---- the file ---- */

void entry_punch(const struct entry *entry, int64_t offset, int64_t length) {
    int64_t page = (int64_t)sysconf(_SC_PAGESIZE);
    int64_t from = (offset + page - 1) / page * page, to = (offset + length) / page * page;
    if (to <= from) return;
    (void)!fallocate(entry->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from));
}

void entry_set_times(const struct entry *entry) {
    static const struct timespec LONG_AGO[2] = {{86400, 0}, {86400, 0}};
    (void)!futimens(entry->fd, LONG_AGO);
}
