/* SPDX-License-Identifier: MIT */
/* The Runtime API against a process that does not keep to it: the test asks in its place. The process is a shell that
 * writes down where its API is and waits. */
#include "base/clock.h"
#include "base/file.h"
#include "fleet/fleet.h"
#include "net/net.h"
#include "support/test.h"

#include <pthread.h>

struct rogue {
    struct pf_fleet *fleet;
    struct pf_http_client *client;
    pf_str api;
    pthread_t thread;
    enum pf_code code;
    struct pf_error err;
    pf_str answer;
    struct pf_arena *arena;
};

static void *call_function(void *context) {
    struct rogue *rogue = context;
    rogue->code =
        pf_fleet_invoke(rogue->fleet, "f", PF_STR("the event"), 15000, rogue->arena, &rogue->answer, &rogue->err);
    return NULL;
}

static void start_call(struct rogue *rogue) {
    rogue->code = PF_BUG;
    pthread_create(&rogue->thread, NULL, call_function, rogue);
}

static struct rogue *open_rogue(struct pf_test *test) {
    struct rogue *rogue = PF_ARENA_NEW(test->arena, struct rogue);
    pf_str path = pf_arena_printf(test->arena, "%s/api", pf_test_folder());
    const char *argv[] = {"sh", "-c", "printf %s $AWS_LAMBDA_RUNTIME_API >$OUT.new; mv $OUT.new $OUT; exec sleep 60",
                          NULL};
    const char *env[] = {pf_arena_printf(test->arena, "OUT=%.*s", PF_STR_ARG(path)).ptr, NULL};
    struct pf_function function = {.name = "f", .argv = argv, .env = env};
    struct pf_local_fleet_options options = {.functions = &function, .function_count = 1};
    CHECK_OK(pf_fleet_open_local(&options, &rogue->fleet, &test->err));
    CHECK_OK(pf_http_client_open(NULL, &rogue->client, &test->err));
    rogue->arena = pf_arena_new(NULL, "rogue");
    start_call(rogue);
    for (int i = 0; i < 1000; i++) {
        if (pf_file_read(path.ptr, 100, test->arena, &rogue->api, NULL) == PF_OK) return rogue;
        pf_clock_sleep_ms(5);
    }
    FAIL("the process did not start");
}

static void close_rogue(struct rogue *rogue) {
    pf_fleet_close(rogue->fleet);
    pf_http_client_close(rogue->client);
    pf_arena_free(rogue->arena);
}

static struct pf_http_reply ask(struct pf_test *test, struct rogue *rogue, const char *method, const char *path,
                                pf_str body) {
    struct pf_http_call call = {
        .method = pf_str_from_cstr(method),
        .url = pf_arena_printf(test->arena, "http://%.*s/2018-06-01/runtime/%s", PF_STR_ARG(rogue->api), path),
        .body = body,
        .timeout_ms = 5000};
    struct pf_http_reply reply;
    CHECK_OK(pf_http_send(rogue->client, &call, test->arena, &reply, &test->err));
    return reply;
}

static const char *path_of(struct pf_test *test, const struct pf_http_reply *next, const char *what) {
    pf_str id = pf_http_header(&next->headers, "Lambda-Runtime-Aws-Request-Id");
    return pf_arena_printf(test->arena, "invocation/%.*s/%s", PF_STR_ARG(id), what).ptr;
}

TEST(speaks_the_runtime_api) {
    struct rogue *rogue = open_rogue(test);
    struct pf_http_reply next = ask(test, rogue, "GET", "invocation/next", PF_STR_EMPTY);
    CHECK_INT(next.status, 200);
    CHECK_STR(next.body, "the event");
    CHECK_INT(pf_http_header(&next.headers, "Lambda-Runtime-Aws-Request-Id").len, 36);
    CHECK_CONTAINS(pf_http_header(&next.headers, "Lambda-Runtime-Invoked-Function-Arn"), ":function:f");
    int64_t deadline_ms = 0;
    CHECK_TRUE(pf_str_to_i64(pf_http_header(&next.headers, "Lambda-Runtime-Deadline-Ms"), &deadline_ms));
    CHECK_TRUE(deadline_ms > pf_clock_wall_ms());
    struct pf_http_reply reply = ask(test, rogue, "POST", path_of(test, &next, "response"), PF_STR("done"));
    CHECK_INT(reply.status, 202);
    pthread_join(rogue->thread, NULL);
    CHECK_INT(rogue->code, PF_OK);
    CHECK_STR(rogue->answer, "done");
    close_rogue(rogue);
}

TEST(survives_answers_in_the_wrong_order) {
    struct rogue *rogue = open_rogue(test);
    CHECK_INT(ask(test, rogue, "POST", "invocation/no-such-id/response", PF_STR("x")).status, 400);
    CHECK_INT(ask(test, rogue, "POST", "invocation//error", PF_STR("x")).status, 400);
    CHECK_INT(ask(test, rogue, "POST", "invocation", PF_STR("x")).status, 404);
    CHECK_INT(ask(test, rogue, "POST", "invocation/next", PF_STR("x")).status, 404);
    CHECK_INT(ask(test, rogue, "GET", "../../etc/passwd", PF_STR_EMPTY).status, 404);
    struct pf_http_reply next = ask(test, rogue, "GET", "invocation/next", PF_STR_EMPTY);
    CHECK_INT(ask(test, rogue, "POST", "init/error", PF_STR("{}")).status, 403);
    CHECK_INT(ask(test, rogue, "POST", "invocation/other/response", PF_STR("x")).status, 400);
    CHECK_INT(ask(test, rogue, "POST", path_of(test, &next, "response"), PF_STR("1")).status, 202);
    CHECK_INT(ask(test, rogue, "POST", path_of(test, &next, "response"), PF_STR("2")).status, 400);
    CHECK_INT(ask(test, rogue, "POST", path_of(test, &next, "error"), PF_STR("3")).status, 400);
    pthread_join(rogue->thread, NULL);
    CHECK_STR(rogue->answer, "1");
    close_rogue(rogue);
}

TEST(fails_an_invocation_that_was_never_answered) {
    struct rogue *rogue = open_rogue(test);
    struct pf_http_reply next = ask(test, rogue, "GET", "invocation/next", PF_STR_EMPTY);
    CHECK_INT(next.status, 200);
    struct pf_http_call again = {
        .url = pf_arena_printf(test->arena, "http://%.*s/2018-06-01/runtime/invocation/next", PF_STR_ARG(rogue->api)),
        .timeout_ms = 300};
    struct pf_http_reply reply;
    CHECK_CODE(pf_http_send(rogue->client, &again, test->arena, &reply, &test->err), PF_TIMEOUT);
    pthread_join(rogue->thread, NULL);
    CHECK_INT(rogue->code, PF_REMOTE);
    CHECK_CONTAINS(rogue->err.message, "did not answer");
    close_rogue(rogue);
}

TEST(takes_any_bytes_as_an_error) {
    struct rogue *rogue = open_rogue(test);
    struct pf_http_reply next = ask(test, rogue, "GET", "invocation/next", PF_STR_EMPTY);
    CHECK_INT(ask(test, rogue, "POST", path_of(test, &next, "error"), PF_STR("\xff\0{[\"garbage")).status, 202);
    pthread_join(rogue->thread, NULL);
    CHECK_INT(rogue->code, PF_REMOTE);
    start_call(rogue);
    next = ask(test, rogue, "GET", "invocation/next", PF_STR_EMPTY);
    CHECK_INT(ask(test, rogue, "POST", path_of(test, &next, "error"), PF_STR("{\"errorType\":7}")).status, 202);
    pthread_join(rogue->thread, NULL);
    CHECK_INT(rogue->code, PF_REMOTE);
    close_rogue(rogue);
}

TEST(refuses_an_answer_that_is_too_large) {
    struct rogue *rogue = open_rogue(test);
    struct pf_http_reply next = ask(test, rogue, "GET", "invocation/next", PF_STR_EMPTY);
    pf_str large = pf_str_from(pf_arena_alloc(test->arena, 7 << 20), 7 << 20);
    CHECK_INT(ask(test, rogue, "POST", path_of(test, &next, "response"), large).status, 413);
    pthread_join(rogue->thread, NULL);
    CHECK_INT(rogue->code, PF_REMOTE);
    CHECK_CONTAINS(rogue->err.message, "ResponseSizeTooLarge");
    close_rogue(rogue);
}
