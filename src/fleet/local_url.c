/* SPDX-License-Identifier: MIT */
/* Function URLs: plain HTTP to one function. */
#include "base/buf.h"
#include "fleet/local.h"

static int status_of(enum pf_code code) {
    switch (code) {
    case PF_THROTTLED: return 429;
    case PF_TOO_LARGE: return 413;
    case PF_TIMEOUT: return 504;
    default: return 502;
    }
}

/* {"Message":…}, as the service answers by itself. */
static void refuse(struct pf_http_request *request, struct pf_http_response *response, int status, pf_str message) {
    struct pf_buf json;
    pf_buf_init(&json, 1 << 16);
    pf_buf_put_cstr(&json, "{\"Message\":");
    pf_buf_put_json_str(&json, message);
    pf_buf_put_char(&json, '}');
    pf_http_respond(request, response, status, "application/json", pf_arena_str(request->arena, pf_buf_view(&json)));
    pf_buf_clear(&json);
}

static enum pf_code answer_url(struct local_function *function, struct pf_http_request *request,
                               struct pf_http_response *response, struct pf_error *err) {
    pf_str event;
    PF_TRY(pf_lambda_event_from_request(request, &event, err));
    struct invocation *invocation;
    PF_TRY(local_submit(function->fleet, function, event, true, &invocation, err));
    enum pf_code code = local_wait(function->fleet, invocation, 0, request, err);
    if (code == PF_OK) {
        pf_str answer = pf_str_from(invocation->answer, invocation->answer_len);
        if (invocation->has_failed)
            code = pf_error_set(err, PF_REMOTE, __FILE__, __LINE__, "function %s failed: %.*s", function->options.name,
                                PF_STR_ARG(pf_str_slice(answer, 0, answer.len < 500 ? answer.len : 500)));
        else
            code = pf_lambda_event_to_response(answer, request, response, err);
    }
    local_release(function->fleet, invocation);
    return code;
}

void local_handle_url(void *context, struct pf_http_request *request, struct pf_http_response *response) {
    struct pf_error err;
    enum pf_code code = answer_url(context, request, response, &err);
    if (code != PF_OK)
        refuse(request, response, status_of(code), pf_arena_str(request->arena, pf_str_from_cstr(err.message)));
}
