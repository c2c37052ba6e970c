/* SPDX-License-Identifier: MIT */
/* The Runtime API as an environment sees it (version 2018-06-01):
 *   GET  /2018-06-01/runtime/invocation/next            waits for an event
 *   POST /2018-06-01/runtime/invocation/{id}/response   the answer
 *   POST /2018-06-01/runtime/invocation/{id}/error      or why there is none
 *   POST /2018-06-01/runtime/init/error                 the function can't start
 * What comes from there is not trusted: a process may ask in any order and send anything. */
#include "base/clock.h"
#include "fleet/local.h"

#include <stdlib.h>
#include <string.h>

enum { CHECK_CLIENT_MS = 250, MAX_INIT_ERROR_BYTES = 64 << 10 };

static void refuse(struct pf_http_request *request, struct pf_http_response *response, int status, const char *type,
                   const char *message) {
    pf_http_respond(request, response, status, "application/json",
                    local_error_json(request->arena, type, pf_str_from_cstr(message)));
}

static void accept_post(struct pf_http_request *request, struct pf_http_response *response) {
    pf_http_respond(request, response, 202, "application/json", PF_STR("{\"status\":\"OK\"}\n"));
}

/* Takes the invocation from the environment and ends it. */
static void finish_locked(struct environment *environment, pf_str answer, bool has_failed) {
    struct invocation *invocation = environment->invocation;
    environment->invocation = NULL;
    environment->answered_ms = pf_clock_mono_ms();
    environment->function->running--;
    local_settle_locked(invocation, answer, has_failed);
}

static void take_from_queue_locked(struct environment *environment) {
    struct local_function *function = environment->function;
    environment->invocation = local_pop_locked(function);
    if (!environment->invocation) return;
    environment->state = PF_ENVIRONMENT_BUSY;
    environment->invocation->deadline_wall_ms = pf_clock_wall_ms() + function->options.timeout_ms;
    function->running++;
}

/* True with an invocation, or false if the environment must end or its process went away. */
static bool wait_for_invocation_locked(struct environment *environment, struct pf_http_request *request) {
    struct local_fleet *fleet = environment->fleet;
    environment->state = PF_ENVIRONMENT_IDLE;
    environment->has_been_ready = true;
    environment->idle_since_ms = pf_clock_mono_ms();
    environment->is_waiting = true;
    local_wake_monitor(fleet);
    bool is_gone = false;
    while (!environment->invocation && !environment->is_ending && !is_gone) {
        take_from_queue_locked(environment);
        if (environment->invocation) break;
        pf_condition_wait_ms(&environment->changed, &fleet->mutex, CHECK_CLIENT_MS);
        is_gone = pf_http_is_gone(request);
    }
    environment->is_waiting = false;
    return environment->invocation != NULL && !environment->is_ending;
}

static void hand_out(struct environment *environment, struct pf_http_request *request,
                     struct pf_http_response *response) {
    const struct invocation *invocation = environment->invocation;
    struct pf_arena *arena = request->arena;
    pf_http_respond(request, response, 200, "application/json", pf_arena_str(arena, invocation->event));
    pf_http_add_header(request, response, "Lambda-Runtime-Aws-Request-Id", pf_arena_str(arena, invocation->id));
    pf_http_add_header(request, response, "Lambda-Runtime-Deadline-Ms",
                       pf_arena_printf(arena, "%lld", (long long)invocation->deadline_wall_ms));
    pf_http_add_header(request, response, "Lambda-Runtime-Invoked-Function-Arn", environment->function->arn);
    pf_http_add_header(request, response, "Lambda-Runtime-Trace-Id",
                       PF_STR("Root=1-00000000-000000000000000000000000;Sampled=0"));
}

static void serve_next(struct environment *environment, struct pf_http_request *request,
                       struct pf_http_response *response) {
    pthread_mutex_lock(&environment->fleet->mutex);
    if (environment->is_waiting) {
        refuse(request, response, 403, "InvalidStateTransition", "another request for the next invocation is open");
    } else {
        if (environment->invocation) {
            struct invocation *unanswered = environment->invocation;
            environment->invocation = NULL;
            environment->function->running--;
            local_settle_failed_locked(unanswered, "Runtime.NoResponse", "the function did not answer");
        }
        if (wait_for_invocation_locked(environment, request))
            hand_out(environment, request, response);
        else
            refuse(request, response, 410, "EnvironmentEnds", "this environment ends");
    }
    pthread_mutex_unlock(&environment->fleet->mutex);
}

static void serve_answer(struct environment *environment, pf_str id, bool has_failed, struct pf_http_request *request,
                         struct pf_http_response *response) {
    pthread_mutex_lock(&environment->fleet->mutex);
    if (!environment->invocation || environment->is_waiting || !pf_str_equal(environment->invocation->id, id)) {
        refuse(request, response, 400, "InvalidRequestID", "no such invocation is running here");
    } else if (request->body.len > PF_FLEET_MAX_EVENT_BYTES) {
        pf_str why = local_error_json(request->arena, "Function.ResponseSizeTooLarge",
                                      PF_STR("the answer is larger than 6 MiB"));
        finish_locked(environment, why, true);
        refuse(request, response, 413, "RequestEntityTooLarge", "the answer is larger than 6 MiB");
    } else {
        finish_locked(environment, request->body, has_failed);
        accept_post(request, response);
    }
    pthread_mutex_unlock(&environment->fleet->mutex);
}

static void serve_init_error(struct environment *environment, struct pf_http_request *request,
                             struct pf_http_response *response) {
    pthread_mutex_lock(&environment->fleet->mutex);
    if (environment->has_been_ready) {
        refuse(request, response, 403, "InvalidStateTransition", "the function has started already");
    } else {
        pf_str said = pf_str_slice(request->body, 0, MAX_INIT_ERROR_BYTES);
        free(environment->init_error);
        environment->init_error = malloc(said.len + 1);
        environment->init_error_len = environment->init_error ? said.len : 0;
        if (environment->init_error && said.len) memcpy(environment->init_error, said.ptr, said.len);
        accept_post(request, response);
    }
    pthread_mutex_unlock(&environment->fleet->mutex);
}

void local_handle_runtime(void *context, struct pf_http_request *request, struct pf_http_response *response) {
    struct environment *environment = context;
    static const pf_str prefix = {"/2018-06-01/runtime/", 20}, invocation = {"invocation/", 11};
    bool is_post = pf_str_equal(request->method, PF_STR("POST"));
    pf_str rest = request->path;
    if (pf_str_starts_with(rest, prefix)) {
        rest = pf_str_slice(rest, prefix.len, rest.len);
        if (!is_post && !request->is_head && pf_str_equal(rest, PF_STR("invocation/next"))) {
            serve_next(environment, request, response);
            return;
        }
        if (is_post && pf_str_equal(rest, PF_STR("init/error"))) {
            serve_init_error(environment, request, response);
            return;
        }
        if (is_post && pf_str_starts_with(rest, invocation)) {
            rest = pf_str_slice(rest, invocation.len, rest.len);
            pf_str id;
            pf_str_next(&rest, '/', &id);
            bool has_failed = pf_str_equal(rest, PF_STR("error"));
            if (has_failed || pf_str_equal(rest, PF_STR("response"))) {
                serve_answer(environment, id, has_failed, request, response);
                return;
            }
        }
    }
    refuse(request, response, 404, "NotFound", "not part of the Runtime API");
}
