/* SPDX-License-Identifier: MIT */
/* A worker: the process behind a function of the fleet. Invocations with the same event get the same, warm worker. */
#include "roles/roles_internal.h"

#include "base/log.h"
#include "fleet/fleet.h"

struct warm_worker {
    struct pf_worker *worker;
    struct pf_arena *arena; /* of `event` */
    pf_str event;
};

static void close_worker(struct warm_worker *warm) {
    warm->worker = pf_worker_close(warm->worker);
    warm->arena = pf_arena_free(warm->arena);
    warm->event = PF_STR_EMPTY;
}

static enum pf_code open_worker(struct warm_worker *warm, pf_str event, struct pf_error *err) {
    if (warm->worker && pf_str_equal(warm->event, event)) return PF_OK;
    close_worker(warm);
    PF_TRY(pf_worker_open(event, &warm->worker, err));
    warm->arena = pf_arena_new(NULL, "worker");
    warm->event = pf_arena_str(warm->arena, event);
    return PF_OK;
}

static enum pf_code work(void *context, const struct pf_invocation *invocation, struct pf_arena *arena,
                         pf_str *out_answer, struct pf_error *err) {
    struct warm_worker *warm = context;
    (void)arena;
    if (pf_lambda_event_is_http(invocation->event)) {
        PF_FAIL(err, PF_UNSUPPORTED, "this function works on tasks; HTTP requests go to puffindb serve");
    }
    enum pf_code code = open_worker(warm, invocation->event, err);
    if (code == PF_OK) code = pf_worker_run(warm->worker, invocation->deadline_wall_ms, err);
    if (code != PF_OK) {
        close_worker(warm); /* the next one starts from nothing */
        return code;
    }
    *out_answer = PF_STR("{\"status\":\"done\"}");
    return PF_OK;
}

static int run_function(struct pf_role_call *call) {
    struct warm_worker warm = {0};
    struct pf_error err = {0};
    if (call->config->argument_count) return report_misuse("function", "no arguments expected");
    enum pf_code code = pf_runtime_loop(work, &warm, &err);
    close_worker(&warm);
    if (code == PF_OK) return PF_EXIT_OK;
    if (code == PF_INVALID) return report_misuse("function", "%s", err.message);
    pf_log_failure(PF_LOG_ERROR, "function ended", &err);
    return report_failure("function", &err);
}

const struct pf_role pf_role_function = {
    "function",
    PF_FOR_FUNCTION,
    "a worker, started by the fleet",
    "function",
    "The custom runtime of a Lambda function, local or at AWS: takes invocations from the Runtime API that\n"
    "AWS_LAMBDA_RUNTIME_API names, and works on tasks of the queue. Nobody types this.",
    "",
    run_function,
};
