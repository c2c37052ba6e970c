/* SPDX-License-Identifier: MIT */
#include "query/small_slices.h"

#include "base/buf.h"
#include "sync/sync.h"

#include <string.h>

enum { SMALL_TTL_MS = 3600000 };

/* Keys are <query>/<stage>/<task>.<attempt>...: the first part carries the hash tag. */
static enum pf_code split_key(const struct small_slices *slices, pf_str key, struct pf_sync **out_sync,
                              pf_str *out_query, pf_str *out_rest, struct pf_error *err) {
    size_t slash = pf_str_find_char(key, '/', 0);
    if (slash == SIZE_MAX) PF_FAIL(err, PF_BUG, "slice key '%.*s' names no query", PF_STR_ARG(key));
    *out_sync = atomic_load(&slices->sync);
    if (!*out_sync) PF_FAIL(err, PF_BUG, "slice '%.*s': there is no connection to Redis", PF_STR_ARG(key));
    *out_query = pf_str_slice(key, 0, slash);
    *out_rest = pf_str_slice(key, slash + 1, key.len);
    return PF_OK;
}

static enum pf_code put_small(void *context, pf_str key, const pf_str *pieces, size_t count, struct pf_error *err) {
    struct pf_sync *sync;
    pf_str query_id, rest, bytes;
    struct pf_buf all;
    PF_TRY(split_key(context, key, &sync, &query_id, &rest, err));
    pf_buf_init(&all, PF_SYNC_MAX_SMALL_BYTES);
    for (size_t i = 0; i < count; i++) pf_buf_put_str(&all, pieces[i]);
    enum pf_code code = pf_buf_finish(&all, "small slices", &bytes, err);
    if (code == PF_OK) code = pf_sync_put_small(sync, query_id, rest, bytes, SMALL_TTL_MS, err);
    pf_buf_clear(&all);
    return code;
}

/* Reads of one query, which is what an input has. */
static enum pf_code get_ranges(const struct small_slices *slices, const struct pf_exchange_read *reads, size_t count,
                               struct pf_error *err) {
    struct pf_sync *sync;
    pf_str query_id;
    struct pf_arena *arena = pf_arena_new(NULL, "small slices");
    struct pf_sync_range *ranges = PF_ARENA_ARRAY(arena, struct pf_sync_range, count);
    enum pf_code code = PF_OK;
    for (size_t i = 0; i < count && code == PF_OK; i++) {
        code = split_key(slices, reads[i].key, &sync, &query_id, &ranges[i].key, err);
        ranges[i].offset = (int64_t)reads[i].offset;
        ranges[i].length = (int64_t)reads[i].size_bytes;
    }
    if (code == PF_OK) code = pf_sync_get_small(sync, query_id, ranges, count, arena, err);
    for (size_t i = 0; i < count && code == PF_OK; i++) memcpy(reads[i].to, ranges[i].bytes.ptr, ranges[i].bytes.len);
    pf_arena_free(arena);
    return code;
}

/* Of several reads only one by one tells which of them has nothing to read. */
static enum pf_code get_small(void *context, const struct pf_exchange_read *reads, size_t count,
                              const struct pf_exchange_watch *watch, struct pf_error *err) {
    enum pf_code code = count ? get_ranges(context, reads, count, err) : PF_OK;
    for (size_t i = 0; code == PF_NOT_FOUND && i < count; i++) {
        enum pf_code one = get_ranges(context, &reads[i], 1, err);
        if (one != PF_OK) return pf_error_wrap(err, one, "exchange object '%.*s'", PF_STR_ARG(reads[i].key));
        if (i + 1 == count) code = PF_OK;
    }
    for (size_t i = 0; code == PF_OK && watch->on_read && i < count; i++) watch->on_read(watch->context, i);
    return code;
}

static void remove_small(void *context, const pf_str *keys, size_t count) {
    struct pf_sync *sync;
    pf_str query_id, rest;
    for (size_t i = 0; i < count; i++) {
        if (split_key(context, keys[i], &sync, &query_id, &rest, NULL) != PF_OK) continue;
        (void)!pf_sync_drop_small(sync, query_id, rest, NULL); /* else it goes with the query */
    }
}

struct pf_exchange_io small_slices_io(struct small_slices *slices) {
    return (struct pf_exchange_io){.context = slices, .put = put_small, .get = get_small, .remove = remove_small};
}
