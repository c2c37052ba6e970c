/* SPDX-License-Identifier: MIT */
/* Finds the endpoint of a request and turns errors into the protocol's. */
#include "api/iceberg_rest.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PARTS = 8, MAX_ANSWER_BYTES = 512 << 20 };

/* What an error means to the client. */
enum subject { OF_CONFIG, OF_NAMESPACE, OF_TABLE, OF_VIEW };

struct endpoint {
    const char *method, *path; /* below /v1/{prefix}/; {n} is the namespace, {t} a table or view, {p} a plan */
    const char *shown;         /* as /v1/config lists it */
    rest_handler handle;
    enum subject subject;
    const char *conflict_type; /* of PF_CONFLICT */
    bool is_commit;            /* without an answer, its outcome is unknown */
};

#define EXISTS "AlreadyExistsException"
#define LOST "CommitFailedException"
#define NAMESPACE "/v1/{prefix}/namespaces/{namespace}"

static const struct endpoint endpoints[] = {
    {"GET", "namespaces", "/v1/{prefix}/namespaces", rest_list_namespaces, OF_NAMESPACE, EXISTS, false},
    {"POST", "namespaces", "/v1/{prefix}/namespaces", rest_create_namespace, OF_NAMESPACE, EXISTS, false},
    {"GET", "namespaces/{n}", NAMESPACE, rest_load_namespace, OF_NAMESPACE, EXISTS, false},
    {"HEAD", "namespaces/{n}", NAMESPACE, rest_has_namespace, OF_NAMESPACE, EXISTS, false},
    {"DELETE", "namespaces/{n}", NAMESPACE, rest_drop_namespace, OF_NAMESPACE, "NamespaceNotEmptyException", false},
    {"POST", "namespaces/{n}/properties", NAMESPACE "/properties", rest_change_namespace, OF_NAMESPACE, LOST, false},
    {"GET", "namespaces/{n}/tables", NAMESPACE "/tables", rest_list_tables, OF_NAMESPACE, EXISTS, false},
    {"POST", "namespaces/{n}/tables", NAMESPACE "/tables", rest_create_table, OF_NAMESPACE, EXISTS, true},
    {"GET", "namespaces/{n}/tables/{t}", NAMESPACE "/tables/{table}", rest_load_table, OF_TABLE, EXISTS, false},
    {"HEAD", "namespaces/{n}/tables/{t}", NAMESPACE "/tables/{table}", rest_has_table, OF_TABLE, EXISTS, false},
    {"POST", "namespaces/{n}/tables/{t}", NAMESPACE "/tables/{table}", rest_change_table, OF_TABLE, LOST, true},
    {"DELETE", "namespaces/{n}/tables/{t}", NAMESPACE "/tables/{table}", rest_drop_table, OF_TABLE, LOST, false},
    {"POST", "namespaces/{n}/register", NAMESPACE "/register", rest_register_table, OF_NAMESPACE, EXISTS, true},
    {"POST", "namespaces/{n}/tables/{t}/metrics", NAMESPACE "/tables/{table}/metrics", rest_report_metrics, OF_TABLE,
     LOST, false},
    {"POST", "namespaces/{n}/tables/{t}/plan", NAMESPACE "/tables/{table}/plan", rest_plan_scan, OF_TABLE, LOST, false},
    {"GET", "namespaces/{n}/tables/{t}/plan/{p}", NAMESPACE "/tables/{table}/plan/{plan-id}", rest_no_plan, OF_TABLE,
     LOST, false},
    {"DELETE", "namespaces/{n}/tables/{t}/plan/{p}", NAMESPACE "/tables/{table}/plan/{plan-id}", rest_no_plan, OF_TABLE,
     LOST, false},
    {"POST", "namespaces/{n}/tables/{t}/tasks", NAMESPACE "/tables/{table}/tasks", rest_fetch_scan_tasks, OF_TABLE,
     LOST, false},
    {"POST", "tables/rename", "/v1/{prefix}/tables/rename", rest_rename_table, OF_TABLE, EXISTS, false},
    {"POST", "transactions/commit", "/v1/{prefix}/transactions/commit", rest_commit_transaction, OF_TABLE, LOST, true},
    {"GET", "namespaces/{n}/views", NAMESPACE "/views", rest_list_views, OF_NAMESPACE, EXISTS, false},
    {"POST", "namespaces/{n}/views", NAMESPACE "/views", rest_create_view, OF_NAMESPACE, EXISTS, true},
    {"GET", "namespaces/{n}/views/{t}", NAMESPACE "/views/{view}", rest_load_view, OF_VIEW, EXISTS, false},
    {"HEAD", "namespaces/{n}/views/{t}", NAMESPACE "/views/{view}", rest_has_view, OF_VIEW, EXISTS, false},
    {"POST", "namespaces/{n}/views/{t}", NAMESPACE "/views/{view}", rest_change_view, OF_VIEW, LOST, true},
    {"DELETE", "namespaces/{n}/views/{t}", NAMESPACE "/views/{view}", rest_drop_view, OF_VIEW, LOST, false},
    {"POST", "views/rename", "/v1/{prefix}/views/rename", rest_rename_view, OF_VIEW, EXISTS, false},
    {"POST", "namespaces/{n}/register-view", NAMESPACE "/register-view", rest_register_view, OF_NAMESPACE, EXISTS,
     true},
};
enum { ENDPOINT_COUNT = sizeof endpoints / sizeof *endpoints };

/* ---- answers ---- */

enum pf_code rest_answer(struct rest_call *call, struct pf_buf *json, struct pf_error *err) {
    pf_str text;
    enum pf_code code = pf_buf_finish(json, "answer", &text, err);
    if (code == PF_OK)
        pf_http_respond(call->request, call->response, 200, "application/json", pf_arena_str(call->arena, text));
    pf_buf_clear(json);
    return code;
}

enum pf_code rest_answer_nothing(struct rest_call *call) {
    call->response->status = 204;
    return PF_OK;
}

enum pf_code rest_need_body(const struct rest_call *call, struct pf_error *err) {
    if (yyjson_is_obj(call->body)) return PF_OK;
    PF_FAIL(err, PF_INVALID, "the request's body is no JSON object");
}

enum pf_code rest_page(const struct rest_call *call, const pf_str *names, size_t count, size_t *out_first,
                       size_t *out_end, pf_str *out_next, struct pf_error *err) {
    pf_str token = pf_http_parameter(&call->request->query, "pageToken");
    pf_str asked = pf_http_parameter(&call->request->query, "pageSize");
    int64_t size = INT32_MAX;
    if (asked.len && (!pf_str_to_i64(asked, &size) || size < 1)) {
        PF_FAIL(err, PF_INVALID, "pageSize is '%.*s', expected a positive number", PF_STR_ARG(asked));
    }
    size_t first = 0;
    while (token.len && first < count && pf_str_compare(names[first], token) <= 0) first++;
    *out_first = first;
    *out_end = count - first > (size_t)size ? first + (size_t)size : count;
    *out_next = *out_end < count ? names[*out_end - 1] : PF_STR_EMPTY;
    return PF_OK;
}

static void put_error(struct rest_call *call, int status, const char *type, pf_str message) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, 64 << 10);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_key(&out, "error");
    pf_json_open_object(&out);
    pf_json_field_str(&out, "message", message);
    pf_json_field_str(&out, "type", pf_str_from_cstr(type));
    pf_json_field_i64(&out, "code", status);
    pf_json_close_object(&out);
    pf_json_close_object(&out);
    pf_http_respond(call->request, call->response, status, "application/json",
                    pf_arena_str(call->arena, pf_buf_view(&buf)));
    pf_buf_clear(&buf);
}

/* The messages are those of the reference server: tests of clients read them. */
static void put_not_found(struct rest_call *call, const struct endpoint *endpoint, const struct pf_error *err) {
    pf_str message = pf_arena_str(call->arena, pf_str_from_cstr(err->message));
    struct pf_table_id id = {call->space, call->name};
    if (call->not_found_type) {
        put_error(call, 404, call->not_found_type, message);
    } else if (pf_str_find(message, PF_STR("Failed to open input stream"), 0) != SIZE_MAX) {
        put_error(call, 404, "NotFoundException", message);
    } else if (pf_str_find(message, PF_STR("Namespace does not exist"), 0) != SIZE_MAX ||
               endpoint->subject == OF_NAMESPACE) {
        put_error(call, 404, "NoSuchNamespaceException", message);
    } else if (endpoint->subject == OF_VIEW) {
        if (id.name.len)
            message =
                pf_arena_printf(call->arena, "View does not exist: %.*s", PF_STR_ARG(pf_rest_shown(id, call->arena)));
        put_error(call, 404, "NoSuchViewException", message);
    } else {
        if (id.name.len)
            message =
                pf_arena_printf(call->arena, "Table does not exist: %.*s", PF_STR_ARG(pf_rest_shown(id, call->arena)));
        put_error(call, 404, "NoSuchTableException", message);
    }
}

static void put_failure(struct rest_call *call, const struct endpoint *endpoint, const struct pf_error *err) {
    pf_str message = pf_arena_str(call->arena, pf_str_from_cstr(err->message));
    if (call->is_contradictory) {
        put_error(call, 422, "UnprocessableEntityException", message);
        return;
    }
    switch (err->code) {
    case PF_INVALID:
    case PF_TOO_LARGE: put_error(call, 400, "IllegalArgumentException", message); return;
    case PF_DENIED: put_error(call, 403, "ForbiddenException", message); return;
    case PF_NOT_FOUND: put_not_found(call, endpoint, err); return;
    case PF_UNSUPPORTED: put_error(call, 406, "UnsupportedOperationException", message); return;
    case PF_CONFLICT: put_error(call, 409, endpoint->conflict_type, message); return;
    case PF_THROTTLED:
        pf_http_add_header(call->request, call->response, "Retry-After", PF_STR("1"));
        put_error(call, 503, "ServiceUnavailableException", message);
        return;
    default: break;
    }
    pf_log_failure(PF_LOG_ERROR, "catalog request failed", err);
    /* 5xx on a commit: the client keeps its files. */
    put_error(call, endpoint->is_commit || !pf_code_is_retryable(err->code) ? 500 : 503,
              endpoint->is_commit ? "CommitStateUnknownException" : "ServiceFailureException", message);
}

/* ---- configuration ---- */

static void put_config(struct rest_call *call) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, 64 << 10);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_key(&out, "defaults");
    pf_json_open_object(&out);
    pf_json_close_object(&out);
    pf_json_key(&out, "overrides");
    pf_json_open_object(&out);
    pf_json_close_object(&out);
    pf_json_key(&out, "endpoints");
    pf_json_open_array(&out);
    for (size_t i = 0; i < ENDPOINT_COUNT; i++)
        pf_json_put_str(&out, pf_arena_printf(call->arena, "%s %s", endpoints[i].method, endpoints[i].shown));
    pf_json_close_array(&out);
    pf_json_close_object(&out);
    pf_http_respond(call->request, call->response, 200, "application/json",
                    pf_arena_str(call->arena, pf_buf_view(&buf)));
    pf_buf_clear(&buf);
}

/* ---- routes ---- */

/* The parts of the path below /v1/, still encoded; 0 if there are too many. */
static size_t split_path(pf_str path, pf_str *parts) {
    pf_str rest = path, part;
    size_t count = 0;
    while (pf_str_next(&rest, '/', &part)) {
        if (count == MAX_PARTS) return 0;
        parts[count++] = part;
    }
    return count;
}

static enum pf_code decode(struct rest_call *call, pf_str part, pf_str *out_text, struct pf_error *err) {
    struct pf_http_fields query = {0};
    pf_str path;
    PF_TRY(
        pf_http_parse_target(pf_arena_printf(call->arena, "/%.*s", PF_STR_ARG(part)), call->arena, &path, &query, err));
    *out_text = pf_str_slice(path, 1, path.len);
    return PF_OK;
}

static bool fits(const struct endpoint *endpoint, const pf_str *parts, size_t count, pf_str *out_space,
                 pf_str *out_name) {
    pf_str rest = pf_str_from_cstr(endpoint->path), part;
    size_t at = 0;
    while (pf_str_next(&rest, '/', &part)) {
        if (at == count) return false;
        if (pf_str_equal(part, PF_STR("{n}")))
            *out_space = parts[at];
        else if (pf_str_equal(part, PF_STR("{t}")))
            *out_name = parts[at];
        else if (!pf_str_equal(part, PF_STR("{p}")) && !pf_str_equal(part, parts[at]))
            return false;
        at++;
    }
    return at == count;
}

static enum pf_code read_path(struct rest_call *call, pf_str space, pf_str name, struct pf_error *err) {
    pf_str text;
    if (space.len) {
        PF_TRY(decode(call, space, &text, err));
        PF_TRY(pf_rest_space_from_text(text, call->arena, &call->space, err));
    }
    if (name.len) {
        PF_TRY(decode(call, name, &text, err));
        PF_TRY(pf_rest_name_in(text, call->arena, &call->name, err));
    }
    return PF_OK;
}

static enum pf_code run(struct rest_call *call, const struct endpoint *endpoint, pf_str space, pf_str name,
                        struct pf_error *err) {
    PF_TRY(read_path(call, space, name, err));
    if (call->request->body.len && pf_json_parse(call->request->body, call->arena, "body", &call->body, err) != PF_OK)
        return pf_error_wrap(err, PF_INVALID, "the request's body");
    return endpoint->handle(call, err);
}

static void dispatch(struct rest_call *call, const char *method, pf_str path) {
    pf_str parts[MAX_PARTS];
    size_t count = split_path(path, parts);
    for (size_t i = 0; i < ENDPOINT_COUNT; i++) {
        pf_str space = PF_STR_EMPTY, name = PF_STR_EMPTY;
        struct pf_error err = {0};
        if (strcmp(endpoints[i].method, method) != 0 || !fits(&endpoints[i], parts, count, &space, &name)) continue;
        if (run(call, &endpoints[i], space, name, &err) != PF_OK) put_failure(call, &endpoints[i], &err);
        return;
    }
    put_error(call, 400, "BadRequestException",
              pf_arena_printf(call->arena, "no such endpoint: %s %.*s", method,
                              PF_STR_ARG(pf_str_slice(call->request->target, 0, 300))));
}

bool iceberg_rest_handle(struct pf_api *api, struct pf_http_request *request, struct pf_http_response *response) {
    static const pf_str root = {"/iceberg/v1/", 12};
    if (!pf_str_starts_with(request->target, root)) return false;
    struct rest_call call = {.catalog = pf_stack_catalog(api->options.stack),
                             .request = request,
                             .response = response,
                             .arena = request->arena};
    pf_str path = pf_str_slice(request->target, root.len, pf_str_find_char(request->target, '?', 0));
    const char *method = request->is_head ? "HEAD" : pf_arena_cstr(request->arena, request->method);
    if (pf_str_equal(path, PF_STR("config")) && strcmp(method, "GET") == 0)
        put_config(&call);
    else
        dispatch(&call, method, path);
    return true;
}
