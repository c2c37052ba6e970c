/* SPDX-License-Identifier: MIT */
#include "api/send_result.h"

#include "base/digest.h"

#include <string.h>

enum { COPIED_BYTES = 64 << 10, MAX_FRAME_BYTES = 64 << 10, FRAME_PARTS = 3 };

/* Head, body and tail, sent one after the other. */
struct result_sender {
    struct pf_result *result;
    pf_str parts[FRAME_PARTS];
    size_t part, taken;
};

static enum pf_code next_bytes(void *context, char *buf, size_t capacity, size_t *out_len, bool *out_end) {
    struct result_sender *sender = context;
    size_t length = 0;
    while (sender->part < FRAME_PARTS && length < capacity) {
        pf_str rest = pf_str_slice(sender->parts[sender->part], sender->taken, SIZE_MAX);
        size_t count = rest.len < capacity - length ? rest.len : capacity - length;
        if (count) memcpy(buf + length, rest.ptr, count);
        length += count;
        sender->taken += count;
        if (count < rest.len) break;
        sender->part++;
        sender->taken = 0;
    }
    *out_len = length;
    *out_end = sender->part == FRAME_PARTS;
    return PF_OK;
}

static void end_sending(void *context, bool is_complete) {
    struct result_sender *sender = context;
    (void)is_complete;
    sender->result = pf_result_release(sender->result);
}

/* A short answer goes out with one call of the system; a long one is not copied, and holds the result meanwhile. */
static void send_framed(const struct api_call *call, struct pf_result *result, const char *content_type, pf_str head,
                        pf_str tail) {
    struct pf_arena *arena = call->request->arena;
    struct pf_http_response *response = call->response;
    struct pf_result_facts facts;
    pf_result_get_facts(result, &facts);
    size_t size = head.len + facts.bytes.len + tail.len;
    response->status = 200;
    pf_http_add_header(call->request, response, "Content-Type", pf_str_from_cstr(content_type));
    if (size > COPIED_BYTES) {
        struct result_sender *sender = PF_ARENA_NEW(arena, struct result_sender);
        *sender = (struct result_sender){.result = result, .parts = {head, facts.bytes, tail}};
        response->stream = (struct pf_http_stream){
            .next = next_bytes, .end = end_sending, .context = sender, .size_bytes = (int64_t)size};
        return;
    }
    char *bytes = pf_arena_alloc(arena, size);
    if (head.len) memcpy(bytes, head.ptr, head.len);
    if (facts.bytes.len) memcpy(bytes + head.len, facts.bytes.ptr, facts.bytes.len);
    if (tail.len) memcpy(bytes + head.len + facts.bytes.len, tail.ptr, tail.len);
    response->body = pf_str_from(bytes, size);
    pf_result_release(result);
}

/* ---- to who asked the query ---- */

static pf_str join(struct pf_arena *arena, const pf_str *parts, size_t count) {
    size_t size = 0, at = 0;
    for (size_t i = 0; i < count; i++) size += parts[i].len;
    char *text = pf_arena_alloc(arena, size + 1);
    for (size_t i = 0; i < count; at += parts[i++].len) memcpy(text + at, parts[i].ptr, parts[i].len);
    return pf_str_from(text, size);
}

static pf_str address_of(struct pf_arena *arena, pf_str hash, const struct result_format *format) {
    return join(arena, (pf_str[]){PF_STR("/r/"), hash, PF_STR("."), pf_str_from_cstr(format->name)}, 4);
}

static pf_str etag_of(struct pf_arena *arena, pf_str hash, const struct result_format *format) {
    return join(arena, (pf_str[]){PF_STR("\""), hash, PF_STR("."), pf_str_from_cstr(format->name), PF_STR("\"")}, 5);
}

/* RFC 9110 section 13.1.2: one of a list, weakly compared, or any. */
static bool is_none_match(const struct pf_http_request *request, pf_str etag) {
    pf_str list = pf_http_header(&request->headers, "If-None-Match"), tag;
    while (pf_str_next(&list, ',', &tag)) {
        tag = pf_str_trim(tag);
        if (pf_str_starts_with(tag, PF_STR("W/"))) tag = pf_str_slice(tag, 2, tag.len);
        if (pf_str_equal(tag, etag) || pf_str_equal(tag, PF_STR("*"))) return true;
    }
    return false;
}

static void add_query_headers(const struct api_call *call, const struct query_request *asked, bool was_there) {
    pf_http_add_header(call->request, call->response, "X-Puffin-Query-Id", asked->id);
    if (was_there) pf_http_add_header(call->request, call->response, "X-Puffin-Route", PF_STR("cache"));
    pf_http_add_header(call->request, call->response, "X-Puffin-Cache", was_there ? PF_STR("hit") : PF_STR("miss"));
}

void send_result_rows(const struct api_call *call, const struct query_request *asked, struct pf_result *result,
                      int64_t took_us) {
    struct pf_http_request *request = call->request;
    struct pf_result_facts facts;
    pf_result_get_facts(result, &facts);
    add_query_headers(call, asked, true);
    pf_http_add_header(request, call->response, "Content-Location",
                       address_of(request->arena, facts.hash, asked->format));
    bool is_get = pf_str_equal(request->method, PF_STR("GET"));
    if (is_get) {
        /* Weak: the head and the tail of JSON differ each time. */
        pf_str etag = etag_of(request->arena, facts.hash, asked->format);
        pf_http_add_header(request, call->response, "ETag",
                           pf_arena_printf(request->arena, "W/%.*s", PF_STR_ARG(etag)));
        pf_http_add_header(request, call->response, "Cache-Control", PF_STR("no-cache"));
        if (is_none_match(request, etag)) {
            call->response->status = 304;
            pf_result_release(result);
            return;
        }
    } else {
        pf_http_add_header(request, call->response, "Cache-Control", PF_STR("no-store"));
    }
    struct result_writer writer = {
        .format = asked->format, .query_id = asked->id, .row_count = (uint64_t)facts.row_count};
    struct pf_query_stats stats = {
        .route = PF_ROUTE_CACHE, .reason = PF_STR(PF_CACHE_REASON), .rows = facts.row_count, .wall_us = took_us};
    struct pf_buf frame;
    pf_buf_init(&frame, MAX_FRAME_BYTES);
    asked->format->head(&writer, &frame);
    size_t head_bytes = frame.len;
    asked->format->tail(&writer, &stats, &frame);
    pf_str text = pf_arena_str(request->arena, pf_buf_view(&frame));
    pf_buf_clear(&frame);
    send_framed(call, result, asked->format->content_type, pf_str_slice(text, 0, head_bytes),
                pf_str_slice(text, head_bytes, text.len));
}

void send_result_redirect(const struct api_call *call, const struct query_request *asked, struct pf_result *result,
                          bool was_there) {
    struct pf_http_request *request = call->request;
    struct pf_result_facts facts;
    pf_result_get_facts(result, &facts);
    pf_str address = address_of(request->arena, facts.hash, asked->format);
    add_query_headers(call, asked, was_there);
    pf_http_add_header(request, call->response, "Location", address);
    api_respond_json(call, 303, pf_arena_printf(request->arena, "{\"result\":\"%.*s\"}", PF_STR_ARG(address)));
    pf_result_release(result);
}

/* ---- to who knows the address ---- */

enum pf_code send_kept_result(struct api_call *call, struct pf_error *err) {
    struct pf_http_request *request = call->request;
    pf_str hash = pf_str_slice(call->id, 0, PF_DIGEST_CHARS);
    pf_str ending = pf_str_slice(call->id, PF_DIGEST_CHARS, SIZE_MAX);
    const struct result_format *format =
        pf_str_starts_with(ending, PF_STR(".")) ? find_format(pf_str_slice(ending, 1, SIZE_MAX)) : NULL;
    if (!format || !pf_digest_is_hex(hash)) {
        PF_FAIL(err, PF_NOT_FOUND,
                "no result has that name: names are 64 hexadecimal digits and .json, .ndjson or .csv");
    }
    struct pf_result *result = pf_stack_result_at(call->api->options.stack, hash, format->name);
    if (!result) {
        PF_FAIL(err, PF_NOT_FOUND, "result %.*s is not kept here (any more): ask the query again",
                PF_STR_ARG(call->id));
    }
    pf_str etag = etag_of(request->arena, hash, format);
    pf_http_add_header(request, call->response, "Cache-Control", PF_STR("public, max-age=31536000, immutable"));
    pf_http_add_header(request, call->response, "ETag", etag);
    if (is_none_match(request, etag)) {
        call->response->status = 304;
        pf_result_release(result);
        return PF_OK;
    }
    send_framed(call, result, format->content_type, pf_str_from_cstr(format->bare_head),
                pf_str_from_cstr(format->bare_tail));
    return PF_OK;
}
