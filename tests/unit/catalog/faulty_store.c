/* SPDX-License-Identifier: MIT */
#include "faulty_store.h"

#include "store/store_internal.h"

#include <unistd.h>

struct faulty {
    struct pf_store store;
    struct pf_store *inner;
    struct faulty_plan *plan;
    bool is_cut;
};

static struct pf_store *inner_of(const struct pf_store *store) {
    return ((const struct faulty *)store)->inner;
}

/* Each call is one of these, around what the inner store does. */
static void before_call(const struct pf_store *store) {
    struct faulty_plan *plan = ((const struct faulty *)store)->plan;
    if (plan->dying_call == 1 && !plan->dies_after) _exit(plan->death);
}

static enum pf_code after_call(const struct pf_store *store, enum pf_code code) {
    struct faulty_plan *plan = ((const struct faulty *)store)->plan;
    if (plan->dying_call == 1) _exit(plan->death);
    if (plan->dying_call) plan->dying_call--;
    return code;
}

static void faulty_close(struct pf_store *store) {
    pf_arena_free(store->arena);
}

static bool faulty_key_of(const struct pf_store *store, pf_str uri, pf_str *out_key) {
    return inner_of(store)->backend->key_of(inner_of(store), uri, out_key);
}

static enum pf_code faulty_get(struct pf_store *store, pf_str key, struct pf_range range, struct pf_arena *arena,
                               pf_str *out_bytes, struct pf_error *err) {
    if (((struct faulty *)store)->is_cut) PF_FAIL(err, PF_REMOTE, "unreachable");
    before_call(store);
    return after_call(store, inner_of(store)->backend->get(inner_of(store), key, range, arena, out_bytes, err));
}

static enum pf_code faulty_get_versioned(struct pf_store *store, pf_str key, struct pf_arena *arena, pf_str *out_bytes,
                                         pf_str *out_etag, struct pf_error *err) {
    if (((struct faulty *)store)->is_cut) PF_FAIL(err, PF_REMOTE, "unreachable");
    before_call(store);
    return after_call(store,
                      inner_of(store)->backend->get_versioned(inner_of(store), key, arena, out_bytes, out_etag, err));
}

static enum pf_code faulty_stat(struct pf_store *store, pf_str key, struct pf_store_object *out_object,
                                struct pf_error *err) {
    before_call(store);
    return after_call(store, inner_of(store)->backend->stat(inner_of(store), key, out_object, err));
}

static enum pf_code faulty_list(struct pf_store *store, const struct pf_store_list_options *options,
                                struct pf_arena *arena, struct pf_store_page *out_page, struct pf_error *err) {
    before_call(store);
    return after_call(store, inner_of(store)->backend->list(inner_of(store), options, arena, out_page, err));
}

static enum pf_code faulty_put(struct pf_store *store, pf_str key, pf_str bytes, bool is_temporary,
                               struct pf_error *err) {
    struct faulty_plan *plan = ((struct faulty *)store)->plan;
    if (plan->failing_puts && --plan->failing_puts == 0) PF_FAIL(err, PF_NO_MEMORY, "the disk is full");
    before_call(store);
    return after_call(store, inner_of(store)->backend->put(inner_of(store), key, bytes, is_temporary, err));
}

static enum pf_code faulty_put_if(struct pf_store *store, pf_str key, pf_str expected_etag, pf_str bytes,
                                  struct pf_arena *arena, pf_str *out_etag, struct pf_error *err) {
    struct faulty *faulty = (struct faulty *)store;
    struct faulty_plan *plan = faulty->plan;
    struct pf_store *inner = faulty->inner;
    if (!plan->lost_replies && plan->lost_requests) {
        plan->lost_requests--;
        PF_FAIL(err, PF_REMOTE, "connection reset");
    }
    before_call(store);
    enum pf_code code =
        after_call(store, inner->backend->put_if(inner, key, expected_etag, bytes, arena, out_etag, err));
    if (plan->lost_replies) {
        plan->lost_replies--;
        faulty->is_cut = plan->reads_fail_too;
        PF_FAIL(err, PF_TIMEOUT, "no reply");
    }
    if (!plan->repeated) return code;
    plan->repeated--;
    return inner->backend->put_if(inner, key, expected_etag, bytes, arena, out_etag, err);
}

static enum pf_code faulty_delete(struct pf_store *store, pf_str key, struct pf_error *err) {
    before_call(store);
    return after_call(store, inner_of(store)->backend->delete (inner_of(store), key, err));
}

static enum pf_code faulty_sweep(struct pf_store *store, int64_t older_than_ms, int64_t *out_count,
                                 struct pf_error *err) {
    before_call(store);
    return after_call(store, inner_of(store)->backend->sweep(inner_of(store), older_than_ms, out_count, err));
}

static const struct store_backend faulty_backend = {
    .scheme = "faulty",
    .close = faulty_close,
    .key_of = faulty_key_of,
    .get = faulty_get,
    .get_versioned = faulty_get_versioned,
    .stat = faulty_stat,
    .list = faulty_list,
    .put = faulty_put,
    .put_if = faulty_put_if,
    .delete = faulty_delete,
    .sweep = faulty_sweep,
};

struct pf_store *faulty_store_open(struct pf_store *inner, struct faulty_plan *plan) {
    struct pf_arena *arena = pf_arena_new(NULL, "faulty store");
    struct faulty *faulty = PF_ARENA_NEW(arena, struct faulty);
    faulty->store = *inner;
    faulty->store.backend = &faulty_backend;
    faulty->store.arena = arena;
    faulty->inner = inner;
    faulty->plan = plan;
    return &faulty->store;
}
