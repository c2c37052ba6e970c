/* SPDX-License-Identifier: MIT */
/* Putting, getting and removing at the end of a query. What was left behind is found by sweep_slices.c. */
#include "query/store_slices_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { CLOSE_LIMIT_MS = 20000 };
/* One read of one producer's slices is one request. */
static const int64_t PART_BYTES = 512 << 20;

/* ---- where a key lies ---- */

static size_t place_of(const struct store_slices *slices, pf_str key, int *out_digit) {
    XXH64_hash_t hash = XXH3_64bits(key.ptr, key.len);
    *out_digit = (int)(hash / slices->store_count % SLICES_DIGITS);
    return (size_t)(hash % slices->store_count);
}

static pf_str object_key(const struct store_slices *slices, pf_str key, int digit, struct pf_arena *arena) {
    return pf_arena_printf(arena, SLICES_ROOT "/%x/%.*s/%.*s", (unsigned)digit, PF_STR_ARG(slices->group),
                           PF_STR_ARG(key));
}

/* ---- callbacks ---- */

static enum pf_code put_slices(void *context, pf_str key, const pf_str *pieces, size_t count, struct pf_error *err) {
    struct store_slices *slices = context;
    struct pf_arena *arena = pf_arena_new(NULL, "put slices");
    int digit;
    size_t place = place_of(slices, key, &digit);
    enum pf_code code =
        pf_store_put_pieces(slices->stores[place], object_key(slices, key, digit, arena), pieces, count, err);
    pf_arena_free(arena);
    return code;
}

/* The reads that go to one of the stores, and which they are for the caller. */
struct getting {
    const struct store_slices *slices;
    const struct pf_exchange_watch *watch;
    size_t *indexes;
};

static bool is_cancelled(void *context) {
    const struct getting *getting = context;
    const struct pf_exchange_watch *watch = getting->watch;
    if (watch->is_cancelled && watch->is_cancelled(watch->context)) return true;
    return getting->slices->is_cancelled && getting->slices->is_cancelled(getting->slices->context);
}

static void pass_on(void *context, size_t index) {
    const struct getting *getting = context;
    getting->watch->on_read(getting->watch->context, getting->indexes[index]);
}

static enum pf_code get_slices(void *context, const struct pf_exchange_read *reads, size_t count,
                               const struct pf_exchange_watch *watch, struct pf_error *err) {
    struct store_slices *slices = context;
    struct pf_arena *arena = pf_arena_new(NULL, "get slices");
    struct pf_store_read *store_reads = PF_ARENA_ARRAY(arena, struct pf_store_read, count);
    struct getting getting = {slices, watch, PF_ARENA_ARRAY(arena, size_t, count)};
    struct pf_store_watch store_watch = {is_cancelled, watch->on_read ? pass_on : NULL, &getting};
    enum pf_code code = PF_OK;
    for (size_t place = 0; place < slices->store_count && code == PF_OK; place++) {
        size_t found = 0;
        for (size_t i = 0; i < count; i++) {
            int digit;
            if (place_of(slices, reads[i].key, &digit) != place) continue;
            getting.indexes[found] = i;
            store_reads[found++] = (struct pf_store_read){
                .key = object_key(slices, reads[i].key, digit, arena),
                .offset = (int64_t)reads[i].offset,
                .length = (int64_t)reads[i].size_bytes,
                .to = reads[i].to,
            };
        }
        if (found) code = pf_store_read_each(slices->stores[place], store_reads, found, &store_watch, err);
    }
    pf_arena_free(arena);
    return code;
}

static enum pf_code delete_keys(struct store_slices *slices, const pf_str *keys, size_t count, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "remove slices");
    pf_str *found = PF_ARENA_ARRAY(arena, pf_str, count);
    enum pf_code code = PF_OK;
    for (size_t place = 0; place < slices->store_count && code == PF_OK; place++) {
        size_t found_count = 0;
        for (size_t i = 0; i < count; i++) {
            int digit;
            if (place_of(slices, keys[i], &digit) == place)
                found[found_count++] = object_key(slices, keys[i], digit, arena);
        }
        if (found_count) code = pf_store_delete_many(slices->stores[place], found, found_count, err);
    }
    pf_arena_free(arena);
    return code;
}

static void remove_slices(void *context, const pf_str *keys, size_t count) {
    struct pf_error err;
    if (delete_keys(context, keys, count, &err) != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "objects of the exchange stay until a sweep", &err);
    }
}

struct pf_exchange_io store_slices_io(struct store_slices *slices) {
    return (struct pf_exchange_io){.context = slices, .put = put_slices, .get = get_slices, .remove = remove_slices};
}

/* ---- at the end of a query: a thread, so that nobody waits for it ---- */

struct removal {
    struct removal *next;
    struct pf_arena *arena;
    pf_str query_id; /* empty: all of the group */
    pf_str *keys;
    size_t count;
    bool is_thorough;
};

static enum pf_code remove_prefix(struct store_slices *slices, pf_str rest, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "remove slices");
    enum pf_code code = PF_OK;
    for (size_t place = 0; place < slices->store_count; place++) {
        for (int digit = 0; digit < SLICES_DIGITS && code == PF_OK; digit++) {
            pf_str prefix = object_key(slices, rest, digit, arena);
            code = pf_store_delete_prefix(slices->stores[place], prefix, NULL, err);
        }
    }
    pf_arena_free(arena);
    return code;
}

static void remove_now(struct store_slices *slices, const struct removal *removal) {
    struct pf_error err;
    enum pf_code code = removal->count ? delete_keys(slices, removal->keys, removal->count, &err) : PF_OK;
    if (code == PF_OK && removal->is_thorough) {
        pf_str rest =
            pf_arena_printf(removal->arena, "%.*s%s", PF_STR_ARG(removal->query_id), removal->query_id.len ? "/" : "");
        code = remove_prefix(slices, rest, &err);
    }
    if (code != PF_OK) pf_log_failure(PF_LOG_WARN, "objects of the exchange stay until a sweep", &err);
}

static void *run_remover(void *context) {
    struct store_slices *slices = context;
    struct pf_deadline deadline = {0};
    bool has_deadline = false;
    pthread_mutex_lock(&slices->locked.mutex);
    for (;;) {
        struct removal *removal = slices->locked.first;
        if (slices->locked.is_closing && !has_deadline) {
            has_deadline = true;
            deadline = pf_deadline_in(CLOSE_LIMIT_MS);
        }
        if (!removal && slices->locked.is_closing) break;
        if (!removal) {
            pf_condition_wait_ms(&slices->changed, &slices->locked.mutex, 1000);
            continue;
        }
        slices->locked.first = removal->next;
        if (!slices->locked.first) slices->locked.last = &slices->locked.first;
        pthread_mutex_unlock(&slices->locked.mutex);
        if (!has_deadline || pf_deadline_left_ms(deadline) > 0) remove_now(slices, removal);
        pf_arena_free(removal->arena);
        pthread_mutex_lock(&slices->locked.mutex);
    }
    pthread_mutex_unlock(&slices->locked.mutex);
    return NULL;
}

static struct removal *new_removal(pf_str query_id, const pf_str *keys, size_t count, bool is_thorough) {
    struct pf_arena *arena = pf_arena_new(NULL, "removal");
    struct removal *removal = PF_ARENA_NEW(arena, struct removal);
    *removal = (struct removal){.arena = arena,
                                .query_id = pf_arena_str(arena, query_id),
                                .keys = PF_ARENA_ARRAY(arena, pf_str, count),
                                .count = count,
                                .is_thorough = is_thorough};
    for (size_t i = 0; i < count; i++) removal->keys[i] = pf_arena_str(arena, keys[i]);
    return removal;
}

static void add_locked(struct store_slices *slices, struct removal *removal) {
    *slices->locked.last = removal;
    slices->locked.last = &removal->next;
    if (!slices->locked.has_remover) {
        slices->locked.has_remover = pthread_create(&slices->remover, NULL, run_remover, slices) == 0;
    }
    pthread_cond_broadcast(&slices->changed);
}

void store_slices_remove_query(struct store_slices *slices, pf_str query_id, const pf_str *keys, size_t count,
                               bool is_thorough) {
    if (!count && !is_thorough) return;
    struct removal *removal = new_removal(query_id, keys, count, is_thorough);
    pthread_mutex_lock(&slices->locked.mutex);
    slices->locked.is_suspect = slices->locked.is_suspect || is_thorough;
    add_locked(slices, removal);
    pthread_mutex_unlock(&slices->locked.mutex);
}

/* ---- open and close ---- */

enum pf_code store_slices_open(const struct store_slices_options *options, struct store_slices **out_slices,
                               struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "store slices");
    struct store_slices *slices = PF_ARENA_NEW(arena, struct store_slices);
    struct pf_store_options store = *options->store_options;
    store.s3.part_bytes = PART_BYTES;
    slices->arena = arena;
    slices->group = pf_arena_str(arena, options->group);
    slices->owns_group = options->owns_group;
    slices->is_cancelled = options->is_cancelled;
    slices->context = options->context;
    slices->stores = PF_ARENA_ARRAY(arena, struct pf_store *, options->url_count);
    slices->locked.last = &slices->locked.first;
    pthread_mutex_init(&slices->locked.mutex, NULL);
    pf_condition_init(&slices->changed);
    for (size_t i = 0; i < options->url_count; i++) {
        enum pf_code code = pf_store_open(options->urls[i], &store, &slices->stores[i], err);
        if (code != PF_OK) {
            store_slices_close(slices);
            return pf_error_wrap(err, code, "open the exchange");
        }
        slices->store_count++;
    }
    *out_slices = slices;
    return PF_OK;
}

struct store_slices *store_slices_close(struct store_slices *slices) {
    if (!slices) return NULL;
    pthread_mutex_lock(&slices->locked.mutex);
    slices->locked.is_closing = true;
    /* Who wrote to this group is gone by now: the last word on it. */
    if (slices->owns_group && slices->locked.is_suspect) {
        add_locked(slices, new_removal(PF_STR_EMPTY, NULL, 0, true));
    }
    pthread_cond_broadcast(&slices->changed);
    pthread_mutex_unlock(&slices->locked.mutex);
    if (slices->locked.has_remover) pthread_join(slices->remover, NULL);
    while (slices->locked.first) { /* without a thread there was nobody to take it */
        struct removal *next = slices->locked.first->next;
        pf_arena_free(slices->locked.first->arena);
        slices->locked.first = next;
    }
    for (size_t i = 0; i < slices->store_count; i++) pf_store_close(slices->stores[i]);
    pthread_cond_destroy(&slices->changed);
    pthread_mutex_destroy(&slices->locked.mutex);
    pf_arena_free(slices->arena);
    return NULL;
}
