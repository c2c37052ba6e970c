/* SPDX-License-Identifier: MIT */
/* The Invoke side: POST /2015-03-31/functions/{name or ARN}/invocations, as Lambda's API has it. */
#include "base/buf.h"
#include "fleet/local.h"

static void refuse(struct pf_http_request *request, struct pf_http_response *response, int status, const char *type,
                   pf_str message) {
    struct pf_buf json;
    pf_buf_init(&json, 1 << 16);
    pf_buf_printf(&json, "{\"Type\":\"%s\",\"Message\":", status < 500 ? "User" : "Service");
    pf_buf_put_json_str(&json, message);
    pf_buf_put_char(&json, '}');
    pf_str body = pf_arena_str(request->arena, pf_buf_view(&json));
    pf_buf_clear(&json);
    pf_http_respond(request, response, status, "application/json", body);
    pf_http_add_header(request, response, "x-amzn-ErrorType", pf_str_from_cstr(type));
}

static void refuse_submit(struct pf_http_request *request, struct pf_http_response *response, enum pf_code code,
                          const struct pf_error *err) {
    if (code == PF_THROTTLED) {
        refuse(request, response, 429, "TooManyRequestsException", pf_str_from_cstr(err->message));
    } else {
        refuse(request, response, 500, "ServiceException", pf_str_from_cstr(err->message));
    }
}

static void invoke_and_wait(struct local_fleet *fleet, struct local_function *function, struct pf_http_request *request,
                            struct pf_http_response *response) {
    struct pf_error err;
    struct invocation *invocation;
    enum pf_code code = local_submit(fleet, function, request->body, true, &invocation, &err);
    if (code != PF_OK) {
        refuse_submit(request, response, code, &err);
        return;
    }
    if (local_wait(fleet, invocation, 0, request, &err) == PF_OK) {
        pf_str answer = pf_arena_str(request->arena, pf_str_from(invocation->answer, invocation->answer_len));
        pf_http_respond(request, response, 200, "application/json", answer);
        if (invocation->has_failed) pf_http_add_header(request, response, "X-Amz-Function-Error", PF_STR("Unhandled"));
        pf_http_add_header(request, response, "X-Amz-Executed-Version", PF_STR("$LATEST"));
    } else {
        refuse(request, response, 500, "ServiceException", pf_str_from_cstr(err.message));
    }
    pf_http_add_header(request, response, "x-amzn-RequestId", pf_arena_str(request->arena, invocation->id));
    local_release(fleet, invocation);
}

static void invoke_only(struct local_fleet *fleet, struct local_function *function, struct pf_http_request *request,
                        struct pf_http_response *response) {
    struct pf_error err;
    if (request->body.len > PF_FLEET_MAX_ASYNC_EVENT_BYTES) {
        refuse(request, response, 413, "RequestTooLargeException", PF_STR("the limit of an Event invocation is 1 MiB"));
        return;
    }
    enum pf_code code = local_submit(fleet, function, request->body, false, NULL, &err);
    if (code != PF_OK)
        refuse_submit(request, response, code, &err);
    else
        pf_http_respond(request, response, 202, NULL, PF_STR_EMPTY);
}

/* "/2015-03-31/functions/NAME/invocations" */
static pf_str function_name(pf_str path) {
    static const pf_str prefix = {"/2015-03-31/functions/", 22}, suffix = {"/invocations", 12};
    if (!pf_str_starts_with(path, prefix) || !pf_str_ends_with(path, suffix)) return PF_STR_EMPTY;
    if (path.len < prefix.len + suffix.len) return PF_STR_EMPTY;
    return pf_str_slice(path, prefix.len, path.len - suffix.len);
}

void local_handle_invoke(void *context, struct pf_http_request *request, struct pf_http_response *response) {
    struct local_fleet *fleet = context;
    pf_str name = function_name(request->path);
    if (name.len == 0 || !pf_str_equal(request->method, PF_STR("POST"))) {
        refuse(request, response, 404, "UnknownOperationException", PF_STR("only Invoke is served here"));
        return;
    }
    struct local_function *function = local_find(fleet, name);
    if (!function) {
        refuse(request, response, 404, "ResourceNotFoundException",
               pf_arena_printf(request->arena, "Function not found: %.*s", PF_STR_ARG(name)));
        return;
    }
    pf_str type = pf_http_header(&request->headers, "X-Amz-Invocation-Type");
    if (type.len == 0 || pf_str_equal(type, PF_STR("RequestResponse"))) {
        invoke_and_wait(fleet, function, request, response);
    } else if (pf_str_equal(type, PF_STR("Event"))) {
        invoke_only(fleet, function, request, response);
    } else if (pf_str_equal(type, PF_STR("DryRun"))) {
        pf_http_respond(request, response, 204, NULL, PF_STR_EMPTY);
    } else {
        refuse(request, response, 400, "InvalidParameterValueException", PF_STR("unknown X-Amz-Invocation-Type"));
    }
}
