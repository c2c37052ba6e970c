/* SPDX-License-Identifier: MIT */
/* Reading: whole objects in one piece with the server's checksum, ranges in parts side by side. No HEAD: what it would
 * tell comes with the first bytes. */
#include "store/store_s3.h"

#include <string.h>

static void set_range(struct s3_request *request, int64_t offset, int64_t length, struct pf_arena *arena) {
    pf_str range = offset < 0 ? pf_arena_printf(arena, "bytes=%lld", (long long)offset)
                   : length < 0
                       ? pf_arena_printf(arena, "bytes=%lld-", (long long)offset)
                       : pf_arena_printf(arena, "bytes=%lld-%lld", (long long)offset, (long long)(offset + length - 1));
    s3_add_header(request, "Range", range);
}

/* ---- parts ---- */

static size_t count_parts(const struct s3_store *s3, int64_t length) {
    int64_t part = s3->options.part_bytes;
    /* The last part is up to half as large again: no small rest of its own. */
    int64_t count = (length + part / 2 - 1) / part;
    return count > 0 ? (size_t)count : 1;
}

/* A read of which some parts are still to come. */
struct parted {
    const struct pf_store_watch *watch;
    size_t index, left;
};

static void end_part(struct s3_request *request) {
    struct parted *parted = request->context;
    if (request->reply.status == 206 && --parted->left == 0) {
        parted->watch->on_read(parted->watch->context, parted->index);
    }
}

static size_t add_parts(const struct s3_store *s3, const struct pf_store_read *read, struct s3_request *requests,
                        struct pf_arena *arena) {
    size_t count = count_parts(s3, read->length);
    for (size_t i = 0; i < count; i++) {
        int64_t from = (int64_t)i * s3->options.part_bytes;
        int64_t length = i + 1 < count ? s3->options.part_bytes : read->length - from;
        requests[i] = (struct s3_request){
            .method = "GET",
            .key = read->key,
            .has_target = true,
            .offset = read->offset + from,
            .length = length,
            .target = {read->to ? read->to + from : NULL, read->fd},
            .may_hedge = true,
        };
        set_range(&requests[i], read->offset + from, length, arena);
    }
    return count;
}

static enum pf_code check_answers(const struct s3_request *requests, size_t count, size_t *out_failed,
                                  struct pf_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (requests[i].reply.status != 416) continue;
        *out_failed = i;
        PF_FAIL(err, PF_CORRUPT, "the object has no byte %lld", (long long)requests[i].offset);
    }
    return PF_OK;
}

enum pf_code s3_read_many(struct pf_store *store, const struct pf_store_read *reads, size_t count,
                          const struct pf_store_watch *watch, struct pf_error *err) {
    struct s3_store *s3 = s3_of(store);
    struct pf_arena *scratch = pf_arena_new(NULL, "s3 read");
    struct s3_cancel cancel = {watch->is_cancelled, watch->context};
    size_t request_count = 0, failed = 0;
    for (size_t i = 0; i < count; i++) request_count += reads[i].length > 0 ? count_parts(s3, reads[i].length) : 0;
    struct s3_request *requests = PF_ARENA_ARRAY(scratch, struct s3_request, request_count);
    request_count = 0;
    struct parted *parted = PF_ARENA_ARRAY(scratch, struct parted, count);
    for (size_t i = 0; i < count; i++) {
        if (reads[i].length <= 0) continue;
        size_t first = request_count;
        request_count += add_parts(s3, &reads[i], requests + request_count, scratch);
        parted[i] = (struct parted){watch, i, request_count - first};
        for (size_t k = first; watch->on_read && k < request_count; k++) {
            requests[k].on_done = end_part;
            requests[k].context = &parted[i];
        }
    }
    enum pf_code code = s3_run(s3, requests, request_count, &cancel, scratch, &failed, err);
    if (code == PF_OK) code = check_answers(requests, request_count, &failed, err);
    if (code != PF_OK && request_count) {
        code = pf_error_wrap(err, code, "get '%.*s/%.*s'", PF_STR_ARG(store->url), PF_STR_ARG(requests[failed].key));
    }
    pf_arena_free(scratch);
    return code;
}

/* ---- one object ---- */

static enum pf_code get_once(struct s3_store *s3, pf_str key, const struct pf_range *range, struct pf_arena *arena,
                             struct s3_request *out_request, struct pf_error *err) {
    struct s3_request request = {
        .method = "GET",
        .key = key,
        .may_hedge = true,
        .max_body_bytes = (size_t)s3->store.options.max_get_bytes,
    };
    if (range) {
        set_range(&request, range->offset, range->length, arena);
    } else {
        s3_add_header(&request, "x-amz-checksum-mode", PF_STR("ENABLED"));
    }
    PF_TRY(s3_run(s3, &request, 1, NULL, arena, NULL, err));
    *out_request = request;
    return PF_OK;
}

/* The rest of a long range, now that the first part has told the size of the object. */
static enum pf_code get_rest(struct s3_store *s3, pf_str key, pf_str first, int64_t offset, int64_t end,
                             struct pf_arena *arena, pf_str *out_bytes, struct pf_error *err) {
    char *bytes = pf_arena_alloc(arena, (size_t)(end - offset));
    memcpy(bytes, first.ptr, first.len);
    struct pf_store_read read = {
        .key = key,
        .offset = offset + (int64_t)first.len,
        .length = end - offset - (int64_t)first.len,
        .to = bytes + first.len,
        .fd = -1,
    };
    struct pf_arena *scratch = pf_arena_new(NULL, "s3 get");
    struct s3_request *requests = PF_ARENA_ARRAY(scratch, struct s3_request, count_parts(s3, read.length));
    size_t count = add_parts(s3, &read, requests, scratch), failed;
    enum pf_code code = s3_run(s3, requests, count, NULL, scratch, NULL, err);
    if (code == PF_OK) code = check_answers(requests, count, &failed, err);
    pf_arena_free(scratch);
    PF_TRY(code);
    *out_bytes = pf_str_from(bytes, (size_t)(end - offset));
    return PF_OK;
}

static enum pf_code get_range(struct s3_store *s3, pf_str key, struct pf_range range, struct pf_arena *arena,
                              pf_str *out_bytes, struct pf_error *err) {
    struct s3_request request;
    int64_t part = s3->options.part_bytes;
    bool is_long = range.offset >= 0 && (range.length < 0 || range.length > part + part / 2);
    struct pf_range first = is_long ? (struct pf_range){range.offset, part} : range;
    PF_TRY(get_once(s3, key, &first, arena, &request, err));
    if (request.reply.status == 416) {
        *out_bytes = PF_STR_EMPTY;
        return PF_OK;
    }
    int64_t total = s3_total_of(&request.reply);
    if (request.reply.status != 206 || total < 0) {
        PF_FAIL(err, PF_REMOTE, "the server answers ranges with %d", request.reply.status);
    }
    if (!is_long) {
        *out_bytes = request.reply.body;
        return PF_OK;
    }
    int64_t end = range.length < 0 || range.length > total - range.offset ? total : range.offset + range.length;
    if (end - range.offset > s3->store.options.max_get_bytes) {
        PF_FAIL(err, PF_TOO_LARGE, "%lld bytes are over the limit of %lld for one read",
                (long long)(end - range.offset), (long long)s3->store.options.max_get_bytes);
    }
    if (end - range.offset <= (int64_t)request.reply.body.len) {
        *out_bytes = request.reply.body;
        return PF_OK;
    }
    return get_rest(s3, key, request.reply.body, range.offset, end, arena, out_bytes, err);
}

enum pf_code s3_get(struct pf_store *store, pf_str key, struct pf_range range, struct pf_arena *arena,
                    pf_str *out_bytes, struct pf_error *err) {
    struct s3_store *s3 = s3_of(store);
    if (range.length == 0 && range.offset >= 0) {
        /* No range has no bytes, but the key must be there. */
        struct pf_store_object object;
        PF_TRY(s3_stat(store, key, &object, err));
        *out_bytes = PF_STR_EMPTY;
        return PF_OK;
    }
    if (range.offset != 0 || range.length >= 0) return get_range(s3, key, range, arena, out_bytes, err);
    struct s3_request request;
    PF_TRY(get_once(s3, key, NULL, arena, &request, err));
    *out_bytes = request.reply.body;
    return PF_OK;
}

enum pf_code s3_get_versioned(struct pf_store *store, pf_str key, struct pf_arena *arena, pf_str *out_bytes,
                              pf_str *out_etag, struct pf_error *err) {
    struct s3_request request;
    PF_TRY(get_once(s3_of(store), key, NULL, arena, &request, err));
    *out_bytes = request.reply.body;
    *out_etag = pf_http_header(&request.reply.headers, "ETag");
    if (!out_etag->len) PF_FAIL(err, PF_UNSUPPORTED, "the server gives no ETag, so nothing can be changed safely");
    return PF_OK;
}

/* A read of one byte: unlike HEAD, a refusal comes with its reason. */
enum pf_code s3_stat(struct pf_store *store, pf_str key, struct pf_store_object *out_object, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "s3 stat");
    struct s3_request request;
    enum pf_code code = get_once(s3_of(store), key, &(struct pf_range){0, 1}, scratch, &request, err);
    if (code == PF_OK) {
        struct pf_store_object object = {.key = key};
        object.size_bytes = request.reply.status == 416 ? 0 : s3_total_of(&request.reply);
        if (!pf_http_date_from(pf_http_header(&request.reply.headers, "Last-Modified"), &object.modified_ms)) {
            object.modified_ms = 0;
        }
        *out_object = object;
    }
    pf_arena_free(scratch);
    return code;
}
