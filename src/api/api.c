/* SPDX-License-Identifier: MIT */
/* Finds the route of a request, says no to what may not be, and turns errors into answers. */
#include "api/api_internal.h"
#include "api/iceberg_rest.h"

#include "base/json.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

struct route {
    const char *method, *pattern; /* {} stands for one part of a path */
    enum pf_code (*run)(struct api_call *call, struct pf_error *err);
};

static const struct route routes[] = {
    {"GET", "/", show_index},
    {"GET", "/healthz", show_health},
    {"POST", "/v1/query", run_query_from_body},
    {"GET", "/v1/query", run_query_from_url},
    {"GET", "/v1/query/{}", show_query},
    {"GET", "/v1/query/{}/result", show_result},
    {"DELETE", "/v1/query/{}", cancel_query},
    {"GET", "/v1/tables", list_tables},
    {"GET", "/r/{}", send_kept_result},
};
enum { ROUTE_COUNT = sizeof routes / sizeof *routes };

struct pf_api *pf_api_new(const struct pf_api_options *options) {
    struct pf_api *api = calloc(1, sizeof *api);
    if (!api) abort();
    api->options = *options;
    api->watch = watch_new(options->stack);
    return api;
}

struct pf_api *pf_api_free(struct pf_api *api) {
    if (!api) return NULL;
    watch_free(api->watch);
    free(api);
    return NULL;
}

pf_str pf_api_error_json(struct pf_arena *arena, const struct pf_error *err, pf_str query_id) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, 64 << 10);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_str(&out, "code", pf_str_from_cstr(pf_code_name(err->code)));
    pf_json_field_str(&out, "message", pf_str_from_cstr(err->message));
    pf_json_key(&out, "query_id");
    if (query_id.len) {
        pf_json_put_str(&out, query_id);
    } else {
        pf_json_put_null(&out);
    }
    pf_json_field_bool(&out, "retryable", pf_code_is_retryable(err->code));
    pf_json_close_object(&out);
    pf_str json = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return json;
}

void api_respond_json(const struct api_call *call, int status, pf_str json) {
    pf_http_add_header(call->request, call->response, "Cache-Control", PF_STR("no-store"));
    pf_http_respond(call->request, call->response, status, "application/json",
                    pf_arena_printf(call->request->arena, "%.*s\n", PF_STR_ARG(json)));
}

void api_respond_error(const struct api_call *call, const struct pf_error *err, pf_str query_id) {
    pf_str json = pf_api_error_json(call->request->arena, err, query_id);
    if (query_id.len) pf_http_add_header(call->request, call->response, "X-Puffin-Query-Id", query_id);
    bool is_busy = err->code == PF_THROTTLED || err->code == PF_REMOTE;
    if (is_busy) pf_http_add_header(call->request, call->response, "Retry-After", PF_STR("1"));
    api_respond_json(call, pf_code_http_status(err->code),
                     pf_arena_printf(call->request->arena, "{\"error\":%.*s}", PF_STR_ARG(json)));
}

/* A status that no code has (405, 415): `code` is the nearest. */
static void respond_status(const struct api_call *call, int status, enum pf_code code, pf_str message) {
    struct pf_error err = {.code = code};
    size_t length = message.len < sizeof err.message - 1 ? message.len : sizeof err.message - 1;
    memcpy(err.message, message.ptr, length);
    pf_str json = pf_api_error_json(call->request->arena, &err, PF_STR_EMPTY);
    api_respond_json(call, status, pf_arena_printf(call->request->arena, "{\"error\":%.*s}", PF_STR_ARG(json)));
}

static bool path_matches(const char *pattern, pf_str path, pf_str *out_id) {
    const char *hole = strstr(pattern, "{}");
    if (!hole) return pf_str_equal(path, pf_str_from_cstr(pattern));
    pf_str head = pf_str_from(pattern, (size_t)(hole - pattern));
    if (!pf_str_starts_with(path, head) || path.len == head.len) return false;
    pf_str tail = pf_str_from_cstr(hole + 2);
    if (!pf_str_ends_with(path, tail) || path.len <= head.len + tail.len) return false;
    pf_str id = pf_str_slice(path, head.len, path.len - tail.len);
    if (pf_str_find_char(id, '/', 0) != SIZE_MAX) return false;
    *out_id = id;
    return true;
}

/* "GET, HEAD, POST"; empty if no route has the path. */
static pf_str allowed_methods(struct pf_arena *arena, pf_str path) {
    pf_str list = PF_STR_EMPTY, id;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!path_matches(routes[i].pattern, path, &id)) continue;
        bool is_get = strcmp(routes[i].method, "GET") == 0;
        list = pf_arena_printf(arena, "%.*s%s%s", PF_STR_ARG(list), list.len ? ", " : "",
                               is_get ? "GET, HEAD" : routes[i].method);
    }
    return list.len ? pf_arena_printf(arena, "%.*s, OPTIONS", PF_STR_ARG(list)) : list;
}

static bool is_same_origin(pf_str origin, pf_str host) {
    size_t scheme_end = pf_str_find(origin, PF_STR("://"), 0);
    return scheme_end != SIZE_MAX && host.len &&
           pf_str_equal_nocase(pf_str_slice(origin, scheme_end + 3, SIZE_MAX), host);
}

static bool is_allowed_origin(const struct pf_api *api, pf_str origin) {
    pf_str allowed = api->options.allow_origin;
    return pf_str_equal(allowed, PF_STR("*")) || (allowed.len && pf_str_equal(allowed, origin));
}

/* Browsers send requests of any page to any address, text/plain even without asking first. They say so in Origin or
 * Sec-Fetch-Site; programs send neither. */
static bool comes_from_a_foreign_page(const struct api_call *call) {
    pf_str origin = pf_http_header(&call->request->headers, "Origin");
    pf_str host = pf_http_header(&call->request->headers, "Host");
    pf_str site = pf_http_header(&call->request->headers, "Sec-Fetch-Site");
    if (origin.len) return !is_same_origin(origin, host) && !is_allowed_origin(call->api, origin);
    return pf_str_equal(site, PF_STR("cross-site")) && !pf_str_equal(call->api->options.allow_origin, PF_STR("*"));
}

static void add_cors_headers(const struct api_call *call) {
    pf_str origin = pf_http_header(&call->request->headers, "Origin");
    if (!origin.len || !is_allowed_origin(call->api, origin)) return;
    pf_http_add_header(call->request, call->response, "Access-Control-Allow-Origin", call->api->options.allow_origin);
    pf_http_add_header(call->request, call->response, "Vary", PF_STR("Origin"));
    pf_http_add_header(call->request, call->response, "Access-Control-Expose-Headers",
                       PF_STR("X-Puffin-Query-Id, X-Puffin-Route, X-Puffin-Cache, Content-Location, ETag"));
}

static void answer_options(const struct api_call *call, pf_str methods) {
    struct pf_http_request *request = call->request;
    pf_http_add_header(request, call->response, "Allow", methods);
    if (pf_http_header(&request->headers, "Access-Control-Request-Method").len &&
        is_allowed_origin(call->api, pf_http_header(&request->headers, "Origin"))) {
        pf_http_add_header(request, call->response, "Access-Control-Allow-Methods", methods);
        pf_http_add_header(request, call->response, "Access-Control-Allow-Headers",
                           PF_STR("Content-Type, If-None-Match, X-Puffin-Query-Id"));
        pf_http_add_header(request, call->response, "Access-Control-Max-Age", PF_STR("600"));
    }
    call->response->status = 204;
}

static void run_route(const struct route *route, struct api_call *call) {
    struct pf_error err = {0};
    enum pf_code code = route->run(call, &err);
    if (code == PF_OK) return;
    if (code == PF_BUG || code == PF_CORRUPT) pf_log_failure(PF_LOG_ERROR, "request failed", &err);
    api_respond_error(call, &err, PF_STR_EMPTY);
}

void pf_api_handle(void *context, struct pf_http_request *request, struct pf_http_response *response) {
    struct api_call call = {context, request, response, PF_STR_EMPTY};
    add_cors_headers(&call);
    if (comes_from_a_foreign_page(&call)) {
        respond_status(&call, 403, PF_DENIED,
                       PF_STR("web pages of other sites may not call this API; "
                              "puffindb serve --allow-origin names one that may"));
        return;
    }
    if (iceberg_rest_handle(call.api, request, response)) return;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!pf_str_equal(request->method, pf_str_from_cstr(routes[i].method))) continue;
        if (!path_matches(routes[i].pattern, request->path, &call.id)) continue;
        run_route(&routes[i], &call);
        return;
    }
    pf_str methods = allowed_methods(request->arena, request->path);
    if (methods.len == 0) {
        respond_status(&call, 404, PF_NOT_FOUND,
                       pf_arena_printf(request->arena, "no such path: %.*s (GET / lists them)",
                                       PF_STR_ARG(pf_str_slice(request->path, 0, 200))));
        return;
    }
    if (pf_str_equal(request->method, PF_STR("OPTIONS"))) {
        answer_options(&call, methods);
        return;
    }
    pf_http_add_header(request, response, "Allow", methods);
    respond_status(&call, 405, PF_INVALID,
                   pf_arena_printf(request->arena, "%.*s is not a method of %.*s, which has %.*s",
                                   PF_STR_ARG(pf_str_slice(request->method, 0, 20)),
                                   PF_STR_ARG(pf_str_slice(request->path, 0, 200)), PF_STR_ARG(methods)));
}
