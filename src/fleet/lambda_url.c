/* SPDX-License-Identifier: MIT */
/* HTTP requests as events of a function URL, payload format 2.0, and the answers to them: the service's side. Pure.
 * https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads */
#include "base/clock.h"
#include "base/id.h"
#include "fleet/event_body.h"
#include "fleet/fleet.h"
#include "net/net.h"

#include <string.h>

static bool is_repeated(const struct pf_http_fields *headers, size_t index) {
    for (size_t i = 0; i < index; i++) {
        if (pf_str_equal_nocase(headers->items[i].name, headers->items[index].name)) return true;
    }
    return false;
}

static bool is_cookie(const struct pf_http_field *field) {
    return pf_str_equal_nocase(field->name, PF_STR("Cookie"));
}

static void put_cookies(struct pf_json_out *out, const struct pf_http_fields *headers) {
    pf_json_key(out, "cookies");
    pf_json_open_array(out);
    for (size_t i = 0; i < headers->count; i++) {
        pf_str rest = headers->items[i].value, one;
        if (!is_cookie(&headers->items[i])) continue;
        while (pf_str_next(&rest, ';', &one)) pf_json_put_str(out, pf_str_trim(one));
    }
    pf_json_close_array(out);
}

/* Names in lower case; values of the same name joined by commas. */
static void put_headers(struct pf_json_out *out, const struct pf_http_request *request) {
    const struct pf_http_fields *headers = &request->headers;
    pf_json_key(out, "headers");
    pf_json_open_object(out);
    for (size_t i = 0; i < headers->count; i++) {
        const struct pf_http_field *field = &headers->items[i];
        if (is_cookie(field) || is_repeated(headers, i)) continue;
        pf_str value = field->value;
        for (size_t j = i + 1; j < headers->count; j++) {
            if (!pf_str_equal_nocase(headers->items[j].name, field->name)) continue;
            value =
                pf_arena_printf(request->arena, "%.*s,%.*s", PF_STR_ARG(value), PF_STR_ARG(headers->items[j].value));
        }
        char *name = pf_arena_cstr(request->arena, field->name);
        for (char *at = name; *at; at++)
            if (*at >= 'A' && *at <= 'Z') *at = (char)(*at - 'A' + 'a');
        pf_json_field_str(out, name, value);
    }
    pf_json_close_object(out);
}

static void put_context(struct pf_json_out *out, const struct pf_http_request *request, pf_str path) {
    pf_json_key(out, "requestContext");
    pf_json_open_object(out);
    pf_json_field_str(out, "requestId", pf_id_uuid(request->arena));
    pf_json_field_i64(out, "timeEpoch", pf_clock_wall_ms());
    pf_json_key(out, "http");
    pf_json_open_object(out);
    pf_json_field_str(out, "method", request->is_head ? PF_STR("HEAD") : request->method);
    pf_json_field_str(out, "path", path);
    pf_json_field_str(out, "protocol", PF_STR("HTTP/1.1"));
    pf_json_field_str(out, "sourceIp", pf_str_slice(request->peer, 0, pf_str_find_char(request->peer, ':', 0)));
    pf_json_field_str(out, "userAgent", pf_http_header(&request->headers, "User-Agent"));
    pf_json_close_object(out);
    pf_json_close_object(out);
}

enum pf_code pf_lambda_event_from_request(const struct pf_http_request *request, pf_str *out_event,
                                          struct pf_error *err) {
    size_t mark = pf_str_find_char(request->target, '?', 0);
    bool has_query = mark < request->target.len;
    pf_str path = pf_str_slice(request->target, 0, mark);
    struct pf_buf json;
    struct pf_json_out out;
    pf_buf_init(&json, PF_FLEET_MAX_EVENT_BYTES);
    pf_json_begin(&out, &json);
    pf_json_open_object(&out);
    pf_json_field_str(&out, "version", PF_STR("2.0"));
    pf_json_field_str(&out, "routeKey", PF_STR("$default"));
    pf_json_field_str(&out, "rawPath", path);
    pf_json_field_str(&out, "rawQueryString",
                      has_query ? pf_str_slice(request->target, mark + 1, request->target.len) : PF_STR_EMPTY);
    put_headers(&out, request);
    put_cookies(&out, &request->headers);
    put_context(&out, request, path);
    event_body_put(&out, request->body);
    pf_json_close_object(&out);
    pf_str text;
    enum pf_code code = pf_buf_finish(&json, "event of a function URL", &text, NULL);
    if (code == PF_OK)
        *out_event = pf_arena_str(request->arena, text);
    else
        code = pf_error_set(err, PF_TOO_LARGE, __FILE__, __LINE__, "the request is larger than the 6 MiB of an event");
    pf_buf_clear(&json);
    return code;
}

enum pf_code pf_lambda_event_to_response(pf_str answer, struct pf_http_request *request,
                                         struct pf_http_response *response, struct pf_error *err) {
    pf_json *root = NULL;
    PF_TRY(pf_json_parse(answer, request->arena, "answer of a function", &root, err));
    int64_t status = pf_json_get_i64(root, "statusCode", 0);
    if (status < 200 || status > 599) {
        PF_FAIL(err, PF_REMOTE, "the function's answer has no statusCode between 200 and 599");
    }
    pf_str body;
    PF_TRY(event_body_read(root, request->arena, &body, err));
    pf_http_respond(request, response, (int)status, NULL, pf_arena_str(request->arena, body));
    for (struct pf_json_each each = pf_json_each(pf_json_get(root, "headers")); pf_json_next(&each);) {
        pf_http_add_header(request, response, pf_arena_cstr(request->arena, each.key),
                           pf_arena_str(request->arena, pf_json_as_str(each.value, PF_STR_EMPTY)));
    }
    for (struct pf_json_each each = pf_json_each(pf_json_get(root, "cookies")); pf_json_next(&each);) {
        pf_http_add_header(request, response, "Set-Cookie",
                           pf_arena_str(request->arena, pf_json_as_str(each.value, PF_STR_EMPTY)));
    }
    return PF_OK;
}
