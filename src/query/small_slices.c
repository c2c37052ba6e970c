/* SPDX-License-Identifier: MIT */
#include "query/small_slices.h"

#include "sync/sync.h"

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

static enum pf_code put_small(void *context, pf_str key, pf_str bytes, struct pf_error *err) {
    struct pf_sync *sync;
    pf_str query_id, rest;
    PF_TRY(split_key(context, key, &sync, &query_id, &rest, err));
    return pf_sync_put_small(sync, query_id, rest, bytes, SMALL_TTL_MS, err);
}

static enum pf_code get_small(void *context, pf_str key, uint64_t offset, uint64_t size_bytes, struct pf_arena *arena,
                              pf_str *out_bytes, struct pf_error *err) {
    struct pf_sync *sync;
    pf_str query_id, rest;
    PF_TRY(split_key(context, key, &sync, &query_id, &rest, err));
    struct pf_sync_range range = {.key = rest, .offset = (int64_t)offset, .length = (int64_t)size_bytes};
    PF_TRY(pf_sync_get_small(sync, query_id, &range, 1, arena, err));
    *out_bytes = range.bytes;
    return PF_OK;
}

static void remove_small(void *context, pf_str key) {
    struct pf_sync *sync;
    pf_str query_id, rest;
    if (split_key(context, key, &sync, &query_id, &rest, NULL) != PF_OK) return;
    (void)!pf_sync_drop_small(sync, query_id, rest, NULL); /* else it goes with the query */
}

struct pf_exchange_io small_slices_io(struct small_slices *slices) {
    return (struct pf_exchange_io){.context = slices, .put = put_small, .get = get_small, .remove = remove_small};
}
