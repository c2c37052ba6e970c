/* SPDX-License-Identifier: MIT */
/* Memory in front of the store: objects as sparse memfds.
 *
 *   acquire: pin entries -> fetch the footers that are missing (all at once) -> pin the pieces that the columns and
 *            rows need -> fetch those that are missing (all at once, neighbours in one request) -> paths
 *   release: unpin; what is over the budget goes (cache_policy.c)
 *
 * A reader finds a file of the object's size in which only the footer and those pieces are filled; everywhere else are
 * zeros, which are no Parquet page, so that a reader who strays fails and does not get wrong rows.
 * Two that need the same piece fetch it once. Nobody waits for another while he has something of his own to fetch, so
 * nobody waits for ever. */
#include "store/cache_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* A guess at a footer that is not known yet: most are smaller. */
static const int64_t MIN_TAIL_BYTES = 8 << 10, MAX_TAIL_BYTES = 64 << 10, TAIL_SHARE = 64;
/* A gap between two pieces is read as well if it is small, absolutely or beside them: a request costs more. */
static const int64_t SMALL_GAP_BYTES = 32 << 10, MAX_GAP_BYTES = 1 << 20, GAP_SHARE = 8, MAX_SPAN_BYTES = 64 << 20;
/* What may be in use at once, in budgets. */
enum { IN_USE_BUDGETS = 4, MIN_ENTRIES = 64, TICK_MS = 200 };

struct pf_cache_hold {
    struct pf_cache *cache;
    struct pf_arena *arena;
    struct entry **entries; /* one a need */
    size_t entry_count;
    struct piece **pieces;
    size_t piece_count, piece_capacity;
};

/* An acquire under way. */
struct acquiring {
    struct pf_cache *cache;
    struct pf_cache_hold *hold;
    struct pf_cache_need *needs;
    size_t count;
    bool (*is_cancelled)(void *context);
    void *context;
    struct pf_arena *scratch;
    struct pf_cache_counters counters;
};

/* ---- open and close ---- */

static enum pf_code make_links_folder(struct pf_cache *cache, pf_str directory, struct pf_error *err) {
    pf_str path = pf_arena_str(cache->arena, directory);
    while (pf_str_ends_with(path, PF_STR("/"))) path.len--;
    cache->options.link_directory = pf_arena_str(cache->arena, path);
    return pf_file_make_directories(cache->options.link_directory.ptr, err);
}

enum pf_code pf_cache_open(struct pf_store *store, const struct pf_cache_options *options, struct pf_cache **out_cache,
                           struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "cache");
    struct pf_cache *cache = PF_ARENA_NEW(arena, struct pf_cache);
    struct rlimit files = {.rlim_cur = 1024};
    cache->arena = arena;
    cache->store = store;
    cache->options = *options;
    cache->options.link_directory = PF_STR_EMPTY;
    /* Half of the descriptors there may be: connections, spill files and the engine have theirs. */
    getrlimit(RLIMIT_NOFILE, &files);
    cache->max_entries = files.rlim_cur / 2 < (1 << 16) ? (size_t)files.rlim_cur / 2 : (size_t)1 << 16;
    if (cache->max_entries < MIN_ENTRIES) cache->max_entries = MIN_ENTRIES;
    pthread_mutex_init(&cache->locked.mutex, NULL);
    pf_condition_init(&cache->locked.fetched);
    enum pf_code code = PF_OK;
    if (!pf_store_has_files(store)) code = make_links_folder(cache, options->link_directory, err);
    if (code != PF_OK) {
        pf_cache_close(cache);
        return code;
    }
    *out_cache = cache;
    return PF_OK;
}

struct pf_cache *pf_cache_close(struct pf_cache *cache) {
    if (!cache) return NULL;
    entries_free(cache);
    if (cache->options.link_directory.len) (void)!pf_file_remove_tree(cache->options.link_directory.ptr, NULL);
    pthread_cond_destroy(&cache->locked.fetched);
    pthread_mutex_destroy(&cache->locked.mutex);
    pf_arena_free(cache->arena);
    return NULL;
}

pf_str pf_cache_directory(const struct pf_cache *cache) {
    return cache->options.link_directory;
}

void pf_cache_count(struct pf_cache *cache, struct pf_cache_counters *out_counters) {
    pthread_mutex_lock(&cache->locked.mutex);
    *out_counters = cache->locked.counters;
    out_counters->kept_bytes = cache->locked.held_bytes;
    pthread_mutex_unlock(&cache->locked.mutex);
}

/* ---- fetching ---- */

static enum pf_code fetch(const struct acquiring *acquiring, const struct pf_store_read *reads, size_t count,
                          struct pf_error *err) {
    if (!count) return PF_OK;
    return pf_store_read_many(acquiring->cache->store, reads, count, acquiring->is_cancelled, acquiring->context, err);
}

static enum pf_code name_entry(const struct pf_cache *cache, const struct entry *entry, enum pf_code code,
                               struct pf_error *err) {
    return pf_error_wrap(err, code, "'%.*s/%.*s'", PF_STR_ARG(pf_store_url(cache->store)), PF_STR_ARG(entry->key));
}

/* They end within the store's limits; the tick is for cancellations. */
static void wait_for_others_locked(struct pf_cache *cache) {
    pf_condition_wait_ms(&cache->locked.fetched, &cache->locked.mutex, TICK_MS);
}

static enum pf_code check_cancelled(const struct acquiring *acquiring, struct pf_error *err) {
    if (!acquiring->is_cancelled || !acquiring->is_cancelled(acquiring->context)) return PF_OK;
    PF_FAIL(err, PF_CANCELLED, "cancelled");
}

/* ---- footers ---- */

static struct pf_store_read tail_read(const struct entry *entry, int64_t length) {
    if (length > entry->size_bytes) length = entry->size_bytes;
    return (struct pf_store_read){
        .key = entry->key, .offset = entry->size_bytes - length, .length = length, .fd = entry->fd};
}

static int64_t guess_tail(const struct entry *entry) {
    int64_t guess = entry->size_bytes / TAIL_SHARE;
    return guess < MIN_TAIL_BYTES ? MIN_TAIL_BYTES : guess > MAX_TAIL_BYTES ? MAX_TAIL_BYTES : guess;
}

/* First a guess at how long they are, then the rest of the few that are longer. */
static enum pf_code fetch_tails(const struct acquiring *acquiring, struct entry *const *mine, size_t count,
                                struct pf_error *err) {
    struct pf_store_read *reads = PF_ARENA_ARRAY(acquiring->scratch, struct pf_store_read, count);
    size_t longer = 0;
    for (size_t i = 0; i < count; i++) reads[i] = tail_read(mine[i], guess_tail(mine[i]));
    PF_TRY(fetch(acquiring, reads, count, err));
    for (size_t i = 0; i < count; i++) {
        int64_t length;
        enum pf_code code = entry_read_footer(mine[i], NULL, NULL, &length, err);
        if (code != PF_OK) return name_entry(acquiring->cache, mine[i], code, err);
        if (length > guess_tail(mine[i])) {
            reads[longer] = tail_read(mine[i], length);
            reads[longer++].length -= guess_tail(mine[i]);
        }
    }
    return fetch(acquiring, reads, longer, err);
}

static enum pf_code take_footers(const struct acquiring *acquiring, struct entry *const *mine, size_t count,
                                 size_t *done, struct pf_error *err) {
    struct pf_cache *cache = acquiring->cache;
    PF_TRY(fetch_tails(acquiring, mine, count, err));
    for (*done = 0; *done < count; ++*done) {
        struct entry *entry = mine[*done];
        struct pf_arena *arena = NULL;
        struct parquet_footer footer;
        int64_t footer_bytes;
        enum pf_code code = entry_read_footer(entry, &arena, &footer, &footer_bytes, err);
        if (code != PF_OK) return name_entry(cache, entry, code, err);
        entry_set_times(entry);
        pthread_mutex_lock(&cache->locked.mutex);
        entry_set_footer_locked(cache, entry, arena, &footer, footer_bytes);
        cache->locked.counters.fetched_bytes += footer_bytes;
        pthread_mutex_unlock(&cache->locked.mutex);
    }
    return PF_OK;
}

/* Entries whose footer is nobody's yet become ours. True if others are at some. */
static bool claim_footers_locked(const struct acquiring *acquiring, struct entry **mine, size_t *count) {
    bool has_others = false;
    *count = 0;
    for (size_t i = 0; i < acquiring->count; i++) {
        struct entry *entry = acquiring->hold->entries[i];
        bool is_mine = false; /* one object may be needed twice */
        for (size_t j = 0; j < *count; j++) is_mine |= mine[j] == entry;
        if (entry->footer_state == FOOTER_FETCHING && !is_mine) has_others = true;
        if (entry->footer_state != FOOTER_ABSENT) continue;
        entry->footer_state = FOOTER_FETCHING;
        mine[(*count)++] = entry;
    }
    return has_others;
}

static enum pf_code get_footers(struct acquiring *acquiring, struct pf_error *err) {
    struct pf_cache *cache = acquiring->cache;
    struct entry **mine = PF_ARENA_ARRAY(acquiring->scratch, struct entry *, acquiring->count);
    for (;;) {
        size_t count, done = 0;
        pthread_mutex_lock(&cache->locked.mutex);
        bool has_others = claim_footers_locked(acquiring, mine, &count);
        if (!count && has_others) wait_for_others_locked(cache);
        pthread_mutex_unlock(&cache->locked.mutex);
        if (!count && !has_others) return PF_OK;
        if (!count) {
            PF_TRY(check_cancelled(acquiring, err));
            continue;
        }
        enum pf_code code = take_footers(acquiring, mine, count, &done, err);
        pthread_mutex_lock(&cache->locked.mutex);
        for (size_t i = 0; i < done; i++) acquiring->counters.fetched_bytes += mine[i]->footer_bytes;
        for (size_t i = done; i < count; i++) mine[i]->footer_state = FOOTER_ABSENT;
        pthread_cond_broadcast(&cache->locked.fetched);
        pthread_mutex_unlock(&cache->locked.mutex);
        PF_TRY(code);
    }
}

/* ---- pieces ---- */

static bool is_needed(const struct pf_cache_need *need, const struct parquet_leaf *leaf) {
    if (need->all_columns) return true;
    for (size_t i = 0; i < need->column_count; i++) {
        const struct pf_cache_column *column = &need->columns[i];
        if (pf_str_equal_nocase(column->name, leaf->column)) return true;
        if (column->field_id >= 0 && column->field_id == leaf->field_id) return true;
    }
    return false;
}

static void hold_piece_locked(struct acquiring *acquiring, struct piece *piece) {
    struct pf_cache_hold *hold = acquiring->hold;
    if (!piece->length) return;
    piece_pin_locked(acquiring->cache, piece);
    PF_ARENA_PUSH(hold->arena, hold->pieces, hold->piece_count, hold->piece_capacity) = piece;
    if (piece->state == PIECE_PRESENT) acquiring->counters.hit_bytes += piece->length;
}

static void hold_pieces_locked(struct acquiring *acquiring, const struct pf_cache_need *need, struct entry *entry) {
    const struct parquet_footer *footer = &entry->footer;
    if (need->is_plain) {
        hold_piece_locked(acquiring, &entry->pieces[0]);
        return;
    }
    bool *wanted = PF_ARENA_ARRAY(acquiring->scratch, bool, footer->leaf_count);
    for (size_t i = 0; i < footer->leaf_count; i++) wanted[i] = is_needed(need, &footer->leaves[i]);
    int64_t first_row = 0;
    for (size_t g = 0; g < footer->group_count; g++) {
        int64_t end_row = first_row + footer->groups[g].row_count;
        bool is_outside = end_row <= need->first_row || (need->last_row >= 0 && first_row > need->last_row);
        first_row = end_row;
        for (size_t i = 0; i < footer->leaf_count && !is_outside; i++) {
            struct piece *pair = &entry->pieces[2 * (g * footer->leaf_count + i)];
            if (!wanted[i]) continue;
            hold_piece_locked(acquiring, &pair[0]);
            hold_piece_locked(acquiring, &pair[1]);
        }
    }
}

static int compare_pieces(const void *left, const void *right) {
    const struct piece *a = *(struct piece *const *)left, *b = *(struct piece *const *)right;
    if (a->entry != b->entry) return a->entry < b->entry ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

/* Neighbours become one read. */
static size_t coalesce(struct piece *const *pieces, size_t count, struct pf_store_read *reads) {
    size_t read_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct piece *piece = pieces[i];
        struct pf_store_read *last = read_count ? &reads[read_count - 1] : NULL;
        int64_t end = piece->offset + piece->length;
        if (last && last->fd == piece->entry->fd) {
            int64_t last_end = last->offset + last->length, gap = piece->offset - last_end;
            int64_t allowed = (last->length + piece->length) / GAP_SHARE;
            if (allowed < SMALL_GAP_BYTES) allowed = SMALL_GAP_BYTES;
            if (allowed > MAX_GAP_BYTES) allowed = MAX_GAP_BYTES;
            if (gap <= allowed && end - last->offset <= MAX_SPAN_BYTES) {
                if (end > last_end) last->length = end - last->offset;
                continue;
            }
        }
        reads[read_count++] = (struct pf_store_read){
            .key = piece->entry->key, .offset = piece->offset, .length = piece->length, .fd = piece->entry->fd};
    }
    return read_count;
}

/* Nothing between the two is of use to anybody. */
static bool is_empty_locked(const struct entry *entry, int64_t from, int64_t to) {
    for (size_t i = entry_find_piece(entry, from); i < entry->by_offset_count; i++) {
        if (entry->by_offset[i]->offset >= to) return true;
        if (entry->by_offset[i]->state != PIECE_ABSENT) return false;
    }
    return true;
}

/* What was read only because it lay between is given back. */
static void punch_gaps_locked(struct piece *const *pieces, size_t count) {
    for (size_t i = 1; i < count; i++) {
        const struct piece *before = pieces[i - 1], *after = pieces[i];
        int64_t from = before->offset + before->length;
        bool is_gap = before->entry == after->entry && after->offset > from && after->offset - from <= MAX_GAP_BYTES;
        if (is_gap && is_empty_locked(before->entry, from, after->offset)) {
            entry_punch(before->entry, from, after->offset - from);
        }
    }
}

static enum pf_code fetch_pieces(struct acquiring *acquiring, struct piece **mine, size_t count, struct pf_error *err) {
    qsort(mine, count, sizeof *mine, compare_pieces);
    struct pf_store_read *reads = PF_ARENA_ARRAY(acquiring->scratch, struct pf_store_read, count);
    PF_TRY(fetch(acquiring, reads, coalesce(mine, count, reads), err));
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || mine[i]->entry != mine[i - 1]->entry) entry_set_times(mine[i]->entry);
    }
    return PF_OK;
}

static enum pf_code check_in_use_locked(const struct pf_cache *cache, struct pf_error *err) {
    int64_t limit = cache->options.budget_bytes * IN_USE_BUDGETS;
    if (cache->locked.pinned_bytes <= limit) return PF_OK;
    PF_FAIL(err, PF_NO_MEMORY,
            "the columns that are read at once have %lld MB, %lld MB may be in use: raise --cache-memory (%lld MB)",
            (long long)(cache->locked.pinned_bytes >> 20), (long long)(limit >> 20),
            (long long)(cache->options.budget_bytes >> 20));
}

static bool claim_pieces_locked(const struct acquiring *acquiring, struct piece **mine, size_t *count, int64_t *bytes) {
    const struct pf_cache_hold *hold = acquiring->hold;
    bool has_others = false;
    *count = 0;
    *bytes = 0;
    for (size_t i = 0; i < hold->piece_count; i++) {
        struct piece *piece = hold->pieces[i];
        if (piece->state == PIECE_FETCHING) has_others = true;
        if (piece->state == PIECE_ABSENT) mine[(*count)++] = piece;
    }
    /* Marked when all are known: a piece that is held twice is claimed once. */
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        if (mine[i]->state == PIECE_FETCHING) continue;
        mine[i]->state = PIECE_FETCHING;
        *bytes += mine[i]->length;
        mine[kept++] = mine[i];
    }
    *count = kept;
    return has_others;
}

static void settle_pieces_locked(struct acquiring *acquiring, struct piece *const *mine, size_t count, bool is_good) {
    struct pf_cache *cache = acquiring->cache;
    for (size_t i = 0; i < count; i++) {
        mine[i]->state = is_good ? PIECE_PRESENT : PIECE_ABSENT;
        if (!is_good) continue;
        cache->locked.held_bytes += mine[i]->length;
        cache->locked.counters.fetched_bytes += mine[i]->length;
        acquiring->counters.fetched_bytes += mine[i]->length;
    }
    if (is_good) punch_gaps_locked(mine, count);
    pthread_cond_broadcast(&cache->locked.fetched);
}

static enum pf_code get_pieces(struct acquiring *acquiring, struct pf_error *err) {
    struct pf_cache *cache = acquiring->cache;
    struct piece **mine = PF_ARENA_ARRAY(acquiring->scratch, struct piece *, acquiring->hold->piece_count);
    for (;;) {
        size_t count = 0;
        int64_t bytes = 0;
        pthread_mutex_lock(&cache->locked.mutex);
        enum pf_code code = check_in_use_locked(cache, err);
        bool has_others = code == PF_OK && claim_pieces_locked(acquiring, mine, &count, &bytes);
        if (count) policy_make_room_locked(cache, bytes, 2 * cache->options.budget_bytes);
        if (code == PF_OK && !count && has_others) wait_for_others_locked(cache);
        pthread_mutex_unlock(&cache->locked.mutex);
        PF_TRY(code);
        if (!count && !has_others) return PF_OK;
        if (!count) {
            PF_TRY(check_cancelled(acquiring, err));
            continue;
        }
        code = fetch_pieces(acquiring, mine, count, err);
        pthread_mutex_lock(&cache->locked.mutex);
        settle_pieces_locked(acquiring, mine, count, code == PF_OK);
        pthread_mutex_unlock(&cache->locked.mutex);
        PF_TRY(code);
    }
}

/* ---- acquire and release ---- */

static enum pf_code pin_entries(struct acquiring *acquiring, struct pf_error *err) {
    struct pf_cache *cache = acquiring->cache;
    struct pf_cache_hold *hold = acquiring->hold;
    for (size_t i = 0; i < acquiring->count; i++) {
        struct pf_cache_need *need = &acquiring->needs[i];
        struct pf_store_object object = {.size_bytes = need->size_bytes};
        if (need->size_bytes < 0) PF_TRY(pf_store_stat(cache->store, need->key, &object, err));
        if (!object.size_bytes) PF_FAIL(err, PF_CORRUPT, "'%.*s' is empty", PF_STR_ARG(need->key));
        pthread_mutex_lock(&cache->locked.mutex);
        enum pf_code code =
            entry_pin_locked(cache, need->key, object.size_bytes, need->is_plain, &hold->entries[i], err);
        if (code == PF_OK) hold->entry_count = i + 1;
        pthread_mutex_unlock(&cache->locked.mutex);
        PF_TRY(code);
        need->path = pf_arena_str(hold->arena, hold->entries[i]->path);
    }
    return PF_OK;
}

static enum pf_code acquire(struct acquiring *acquiring, struct pf_error *err) {
    struct pf_cache *cache = acquiring->cache;
    PF_TRY(pin_entries(acquiring, err));
    PF_TRY(get_footers(acquiring, err));
    pthread_mutex_lock(&cache->locked.mutex);
    for (size_t i = 0; i < acquiring->count; i++) {
        hold_pieces_locked(acquiring, &acquiring->needs[i], acquiring->hold->entries[i]);
    }
    cache->locked.counters.hit_bytes += acquiring->counters.hit_bytes;
    pthread_mutex_unlock(&cache->locked.mutex);
    return get_pieces(acquiring, err);
}

static enum pf_code take_paths(struct pf_store *store, struct pf_cache_need *needs, size_t count,
                               struct pf_arena *arena, struct pf_error *err) {
    for (size_t i = 0; i < count; i++) {
        PF_TRY(pf_store_local_path(store, needs[i].key, arena, &needs[i].path, err));
    }
    return PF_OK;
}

enum pf_code pf_cache_acquire(struct pf_cache *cache, struct pf_cache_need *needs, size_t count,
                              bool (*is_cancelled)(void *context), void *context, struct pf_arena *arena,
                              struct pf_cache_hold **out_hold, struct pf_cache_counters *out_counters,
                              struct pf_error *err) {
    struct pf_arena *own = pf_arena_new(NULL, "cache hold");
    struct pf_cache_hold *hold = PF_ARENA_NEW(own, struct pf_cache_hold);
    struct acquiring acquiring = {
        .cache = cache, .hold = hold, .needs = needs, .count = count, .is_cancelled = is_cancelled, .context = context};
    enum pf_code code;
    *hold = (struct pf_cache_hold){.cache = cache, .arena = own};
    if (pf_store_has_files(cache->store)) {
        code = take_paths(cache->store, needs, count, arena, err);
    } else {
        hold->entries = PF_ARENA_ARRAY(own, struct entry *, count);
        acquiring.scratch = pf_arena_new(NULL, "acquire");
        code = acquire(&acquiring, err);
        pf_arena_free(acquiring.scratch);
        for (size_t i = 0; i < count && code == PF_OK; i++) needs[i].path = pf_arena_str(arena, needs[i].path);
    }
    if (code != PF_OK) {
        pf_cache_release(hold);
        return code;
    }
    if (out_counters) *out_counters = acquiring.counters;
    *out_hold = hold;
    return PF_OK;
}

struct pf_cache_hold *pf_cache_release(struct pf_cache_hold *hold) {
    if (!hold) return NULL;
    struct pf_cache *cache = hold->cache;
    pthread_mutex_lock(&cache->locked.mutex);
    for (size_t i = 0; i < hold->piece_count; i++) piece_unpin_locked(cache, hold->pieces[i]);
    for (size_t i = 0; i < hold->entry_count; i++) entry_unpin_locked(cache, hold->entries[i]);
    policy_shrink_locked(cache);
    pthread_mutex_unlock(&cache->locked.mutex);
    pf_arena_free(hold->arena);
    return NULL;
}

void pf_cache_name_objects(const struct pf_cache_hold *hold, struct pf_error *err) {
    for (size_t i = 0; hold && err && i < hold->entry_count; i++) {
        const struct entry *entry = hold->entries[i];
        pf_str message = pf_str_from_cstr(err->message);
        size_t at = pf_str_find(message, entry->path, 0);
        if (at == SIZE_MAX) continue;
        struct pf_error named = *err;
        pf_str behind = pf_str_slice(message, at + entry->path.len, message.len);
        snprintf(named.message, sizeof named.message, "%.*s%.*s/%.*s%.*s", (int)at, message.ptr,
                 PF_STR_ARG(pf_store_url(hold->cache->store)), PF_STR_ARG(entry->key), PF_STR_ARG(behind));
        *err = named;
    }
}
