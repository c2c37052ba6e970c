/* SPDX-License-Identifier: MIT */
/* Inside a function: a client of the Runtime API (2018-06-01), buffered answers. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "fleet/fleet.h"
#include "net/net.h"

#include <stdlib.h>

enum {
    MAX_ERRORS = 5,
    ERROR_PAUSE_MS = 100,
    CONNECTED_MS = 200, /* a call that failed after more than that had found somebody */
    POST_MS = 60000,
};

struct runtime {
    struct pf_http_client *client;
    struct pf_arena *arena;
    const char *api; /* host:port, perhaps with a path */
};

static enum pf_code open_runtime(struct runtime *runtime, struct pf_error *err) {
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
    if (!api || !*api) {
        PF_FAIL(err, PF_INVALID,
                "AWS_LAMBDA_RUNTIME_API is not set: this command is started by Lambda, or by 'puffindb serve'");
    }
    PF_TRY(pf_http_client_open(NULL, &runtime->client, err));
    runtime->arena = pf_arena_new(NULL, "runtime");
    runtime->api = pf_arena_cstr(runtime->arena, pf_str_from_cstr(api));
    return PF_OK;
}

static void close_runtime(struct runtime *runtime) {
    pf_http_client_close(runtime->client);
    pf_arena_free(runtime->arena);
}

static enum pf_code get_next(struct runtime *runtime, struct pf_arena *arena, struct pf_http_reply *out_reply,
                             struct pf_error *err) {
    struct pf_http_call call = {
        .url = pf_arena_printf(arena, "http://%s/2018-06-01/runtime/invocation/next", runtime->api),
        .timeout_ms = -1, /* an environment may be frozen for hours while it waits */
        .max_body_bytes = PF_FLEET_MAX_EVENT_BYTES + (1 << 20),
    };
    return pf_http_send(runtime->client, &call, arena, out_reply, err);
}

static enum pf_code post(struct runtime *runtime, struct pf_arena *arena, pf_str path, pf_str body, pf_str error_type,
                         int *out_status, struct pf_error *err) {
    struct pf_http_field headers[] = {{PF_STR("Content-Type"), PF_STR("application/json")},
                                      {PF_STR("Lambda-Runtime-Function-Error-Type"), error_type}};
    struct pf_http_call call = {
        .method = PF_STR("POST"),
        .url = pf_arena_printf(arena, "http://%s/2018-06-01/runtime/%.*s", runtime->api, PF_STR_ARG(path)),
        .headers = headers,
        .header_count = error_type.len ? 2 : 1,
        .body = body,
        .timeout_ms = POST_MS,
    };
    struct pf_http_reply reply;
    PF_TRY(pf_http_send(runtime->client, &call, arena, &reply, err));
    *out_status = reply.status;
    return PF_OK;
}

static pf_str failure_json(struct pf_arena *arena, const struct pf_error *failure) {
    struct pf_buf json;
    pf_buf_init(&json, 16384);
    pf_buf_put_cstr(&json, "{\"errorMessage\":");
    pf_buf_put_json_str(&json, pf_str_from_cstr(failure->message));
    pf_buf_printf(&json, ",\"errorType\":\"%s\",\"stackTrace\":[", pf_code_name(failure->code));
    pf_buf_put_json_str(&json, pf_str_from_cstr(failure->origin));
    pf_buf_put_cstr(&json, "]}");
    pf_str text = pf_arena_str(arena, pf_buf_view(&json));
    pf_buf_clear(&json);
    return text;
}

static enum pf_code post_failure(struct runtime *runtime, struct pf_arena *arena, pf_str path,
                                 const struct pf_error *failure, int *out_status, struct pf_error *err) {
    return post(runtime, arena, path, failure_json(arena, failure), pf_str_from_cstr(pf_code_name(failure->code)),
                out_status, err);
}

static enum pf_code send_answer(struct runtime *runtime, struct pf_arena *arena, pf_str id, enum pf_code code,
                                pf_str answer, struct pf_error *failure, struct pf_error *err) {
    int status = 0;
    if (code == PF_OK && answer.len <= PF_FLEET_MAX_EVENT_BYTES) {
        pf_str path = pf_arena_printf(arena, "invocation/%.*s/response", PF_STR_ARG(id));
        return post(runtime, arena, path, answer, PF_STR_EMPTY, &status, err);
    }
    if (code == PF_OK) {
        pf_error_set(failure, PF_TOO_LARGE, __FILE__, __LINE__, "the answer has %zu bytes, a function may give %d",
                     answer.len, PF_FLEET_MAX_EVENT_BYTES);
    }
    pf_str path = pf_arena_printf(arena, "invocation/%.*s/error", PF_STR_ARG(id));
    return post_failure(runtime, arena, path, failure, &status, err);
}

static enum pf_code serve(struct runtime *runtime, pf_invocation_handler handle, void *context,
                          const struct pf_http_reply *next, struct pf_arena *arena, struct pf_error *err) {
    struct pf_invocation invocation = {
        .request_id = pf_http_header(&next->headers, "Lambda-Runtime-Aws-Request-Id"),
        .function_arn = pf_http_header(&next->headers, "Lambda-Runtime-Invoked-Function-Arn"),
        .event = next->body,
    };
    if (!pf_str_to_i64(pf_http_header(&next->headers, "Lambda-Runtime-Deadline-Ms"), &invocation.deadline_wall_ms)) {
        invocation.deadline_wall_ms = pf_clock_wall_ms() + 900000;
    }
    struct pf_error failure = {.code = PF_OK};
    pf_str answer = PF_STR("null");
    enum pf_code code = handle(context, &invocation, arena, &answer, &failure);
    if (code != PF_OK) failure.code = code;
    return send_answer(runtime, arena, invocation.request_id, code, answer, &failure, err);
}

/* One invocation. `*out_over` when the service wants no more of us. */
static enum pf_code serve_one(struct runtime *runtime, pf_invocation_handler handle, void *context, bool *out_over,
                              struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "invocation");
    struct pf_http_reply next;
    enum pf_code code = get_next(runtime, arena, &next, err);
    if (code == PF_OK && next.status == 200) {
        code = serve(runtime, handle, context, &next, arena, err);
    } else if (code == PF_OK && (next.status == 410 || next.status == 403)) {
        *out_over = true;
    } else if (code == PF_OK) {
        code = pf_error_set(err, PF_REMOTE, __FILE__, __LINE__, "the Runtime API answered with status %d", next.status);
        pf_clock_sleep_ms(ERROR_PAUSE_MS);
    }
    pf_arena_free(arena);
    return code;
}

enum pf_code pf_runtime_loop(pf_invocation_handler handle, void *context, struct pf_error *err) {
    struct runtime runtime;
    PF_TRY(open_runtime(&runtime, err));
    enum pf_code code = PF_OK;
    bool is_over = false, was_there = false;
    for (int errors = 0; !is_over && errors < MAX_ERRORS;) {
        int64_t started_ms = pf_clock_mono_ms();
        code = serve_one(&runtime, handle, context, &is_over, err);
        errors = code == PF_OK ? 0 : errors + 1;
        was_there |= code == PF_OK || pf_clock_mono_ms() - started_ms > CONNECTED_MS;
        if (code == PF_REMOTE && was_there && errors == 2) {
            /* It was there and is gone: the usual end. The second try told it from a hiccup. */
            code = PF_OK;
            is_over = true;
        }
    }
    close_runtime(&runtime);
    return code;
}

enum pf_code pf_runtime_report_init_failure(const struct pf_error *failure, struct pf_error *err) {
    struct runtime runtime;
    int status = 0;
    PF_TRY(open_runtime(&runtime, err));
    enum pf_code code = post_failure(&runtime, runtime.arena, PF_STR("init/error"), failure, &status, err);
    close_runtime(&runtime);
    return code;
}

pf_str pf_runtime_worker_id(struct pf_arena *arena) {
    /* "2026/01/31/[$LATEST]0123abcd": unique for an environment. */
    pf_str stream = pf_str_from_cstr(getenv("AWS_LAMBDA_LOG_STREAM_NAME"));
    size_t bracket = pf_str_find_char(stream, ']', 0);
    if (bracket != SIZE_MAX && bracket + 1 < stream.len) {
        return pf_arena_str(arena, pf_str_slice(stream, bracket + 1, stream.len));
    }
    return pf_id_ulid(arena);
}
