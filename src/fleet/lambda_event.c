/* SPDX-License-Identifier: MIT */
/* HTTP requests as events of a function URL, payload format 2.0, and the answers to them: the function's side. Pure.
 * https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads */
#include "base/buf.h"
#include "base/json.h"
#include "fleet/event_body.h"
#include "fleet/fleet.h"
#include "net/net.h"

#include <string.h>

enum { STREAM_PIECE_BYTES = 64 << 10 };

/* --- requests --- */

static pf_json *http_part(pf_json *root) {
    return pf_json_get(pf_json_get(root, "requestContext"), "http");
}

bool pf_lambda_event_is_http(pf_str event) {
    if (pf_str_find(event, PF_STR("\"requestContext\""), 0) == SIZE_MAX) return false;
    struct pf_arena *arena = pf_arena_new(NULL, "event");
    pf_json *root = NULL;
    bool is_http = pf_json_parse(event, arena, "event", &root, NULL) == PF_OK &&
                   pf_json_get_str(http_part(root), "method", PF_STR_EMPTY).len > 0;
    pf_arena_free(arena);
    return is_http;
}

static void read_headers(pf_json *root, struct pf_http_request *request) {
    for (struct pf_json_each each = pf_json_each(pf_json_get(root, "headers")); pf_json_next(&each);) {
        pf_http_fields_add(&request->headers, request->arena, pf_arena_str(request->arena, each.key),
                           pf_arena_str(request->arena, pf_json_as_str(each.value, PF_STR_EMPTY)));
    }
    struct pf_buf cookies;
    pf_buf_init(&cookies, 1 << 20);
    for (struct pf_json_each each = pf_json_each(pf_json_get(root, "cookies")); pf_json_next(&each);) {
        if (cookies.len) pf_buf_put_cstr(&cookies, "; ");
        pf_buf_put_str(&cookies, pf_json_as_str(each.value, PF_STR_EMPTY));
    }
    if (cookies.len) {
        pf_http_fields_add(&request->headers, request->arena, PF_STR("cookie"),
                           pf_arena_str(request->arena, pf_buf_view(&cookies)));
    }
    pf_buf_clear(&cookies);
}

enum pf_code pf_lambda_event_to_request(pf_str event, struct pf_arena *arena, struct pf_http_request *out_request,
                                        struct pf_error *err) {
    pf_json *root = NULL;
    struct pf_http_request request = {.arena = arena};
    PF_TRY(pf_json_parse(event, arena, "HTTP event", &root, err));
    pf_json *http = http_part(root);
    PF_TRY(pf_json_need_str(http, "method", "HTTP event: requestContext.http", &request.method, err));
    pf_str path = pf_json_get_str(root, "rawPath", pf_json_get_str(http, "path", PF_STR("/")));
    pf_str query = pf_json_get_str(root, "rawQueryString", PF_STR_EMPTY);
    request.target = pf_arena_printf(arena, "%.*s%s%.*s", PF_STR_ARG(path), query.len ? "?" : "", PF_STR_ARG(query));
    PF_TRY(pf_http_parse_target(request.target, arena, &request.path, &request.query, err));
    request.is_head = pf_str_equal(request.method, PF_STR("HEAD"));
    if (request.is_head) request.method = PF_STR("GET");
    request.peer = pf_json_get_str(http, "sourceIp", PF_STR_EMPTY);
    PF_TRY(event_body_read(root, arena, &request.body, err));
    read_headers(root, &request);
    *out_request = request;
    return PF_OK;
}

/* --- answers --- */

static enum pf_code read_stream(struct pf_http_stream *stream, struct pf_buf *body) {
    bool is_over = false;
    enum pf_code code = PF_OK;
    while (code == PF_OK && !is_over && !body->failed) {
        size_t length = 0;
        char *room = pf_buf_reserve(body, STREAM_PIECE_BYTES);
        if (!room) break;
        code = stream->next(stream->context, room, STREAM_PIECE_BYTES, &length, &is_over);
        if (code == PF_OK) body->len += length;
    }
    if (stream->end) stream->end(stream->context, code == PF_OK && is_over);
    return code;
}

static bool is_cookie(const struct pf_http_field *field) {
    return pf_str_equal_nocase(field->name, PF_STR("Set-Cookie"));
}

static bool has_come_before(const struct pf_http_fields *headers, size_t index) {
    for (size_t i = 0; i < index; i++) {
        if (pf_str_equal_nocase(headers->items[i].name, headers->items[index].name)) return true;
    }
    return false;
}

/* An object has each name once, so values of the same name are joined; cookies can't be and have their own list. */
static void put_headers(struct pf_json_out *out, const struct pf_http_fields *headers, struct pf_arena *arena) {
    pf_json_key(out, "headers");
    pf_json_open_object(out);
    for (size_t i = 0; i < headers->count; i++) {
        const struct pf_http_field *field = &headers->items[i];
        if (is_cookie(field) || has_come_before(headers, i)) continue;
        pf_str value = field->value;
        for (size_t j = i + 1; j < headers->count; j++) {
            if (!pf_str_equal_nocase(headers->items[j].name, field->name)) continue;
            value = pf_arena_printf(arena, "%.*s, %.*s", PF_STR_ARG(value), PF_STR_ARG(headers->items[j].value));
        }
        pf_json_field_str(out, pf_arena_cstr(arena, field->name), value);
    }
    pf_json_close_object(out);
    pf_json_key(out, "cookies");
    pf_json_open_array(out);
    for (size_t i = 0; i < headers->count; i++) {
        if (is_cookie(&headers->items[i])) pf_json_put_str(out, headers->items[i].value);
    }
    pf_json_close_array(out);
}

enum pf_code pf_lambda_event_from_response(struct pf_http_response *response, bool is_head, struct pf_arena *arena,
                                           pf_str *out_answer, struct pf_error *err) {
    struct pf_buf body, json;
    pf_buf_init(&body, PF_FLEET_MAX_EVENT_BYTES + STREAM_PIECE_BYTES);
    pf_buf_init(&json, PF_FLEET_MAX_EVENT_BYTES);
    enum pf_code code = PF_OK;
    if (response->stream.next && is_head) {
        if (response->stream.end) response->stream.end(response->stream.context, false);
    } else if (response->stream.next) {
        code = read_stream(&response->stream, &body);
        if (code != PF_OK) pf_error_set(err, code, __FILE__, __LINE__, "the answer broke off: %s", pf_code_text(code));
    } else if (!is_head) {
        pf_buf_put_str(&body, response->body);
    }
    struct pf_json_out out;
    pf_json_begin(&out, &json);
    pf_json_open_object(&out);
    pf_json_field_i64(&out, "statusCode", response->status);
    put_headers(&out, &response->headers, arena);
    event_body_put(&out, body.len ? pf_buf_view(&body) : PF_STR(""));
    pf_json_close_object(&out);
    pf_str text = PF_STR_EMPTY;
    if (code == PF_OK && (body.failed || pf_buf_finish(&json, "answer of a function", &text, NULL) != PF_OK)) {
        code = pf_error_set(err, PF_TOO_LARGE, __FILE__, __LINE__,
                            "the answer is larger than the 6 MiB that a function may give");
    }
    if (code == PF_OK) *out_answer = pf_arena_str(arena, text);
    pf_buf_clear(&body);
    pf_buf_clear(&json);
    return code;
}
