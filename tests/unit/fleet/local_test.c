/* SPDX-License-Identifier: MIT */
/* The local fleet with processes that are this test program itself: with PF_TEST_FUNCTION set it is a function. */
#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "fleet/fleet.h"
#include "net/net.h"
#include "support/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- inside the function --- */

static enum pf_code obey(void *context, const struct pf_invocation *invocation, struct pf_arena *arena,
                         pf_str *out_answer, struct pf_error *err) {
    int *calls = context;
    pf_str rest = invocation->event, verb;
    int64_t number = 0;
    (*calls)++;
    pf_str_next(&rest, ' ', &verb);
    pf_str_to_i64(rest, &number);
    if (pf_str_equal(verb, PF_STR("sleep"))) pf_clock_sleep_ms(number);
    if (pf_str_equal(verb, PF_STR("exit"))) exit((int)number);
    if (pf_str_equal(verb, PF_STR("fail"))) PF_FAIL(err, PF_NOT_FOUND, "no such \"thing\"");
    if (pf_str_equal(verb, PF_STR("big"))) {
        *out_answer = pf_str_from(pf_arena_alloc(arena, (size_t)number), (size_t)number);
        return PF_OK;
    }
    if (pf_str_equal(verb, PF_STR("left"))) {
        *out_answer = pf_arena_printf(arena, "%lld", (long long)(invocation->deadline_wall_ms - pf_clock_wall_ms()));
        return PF_OK;
    }
    *out_answer = pf_arena_printf(arena, "pid %d call %d worker %.*s memory %s echo %.*s", (int)getpid(), *calls,
                                  PF_STR_ARG(pf_runtime_worker_id(arena)), getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
                                  PF_STR_ARG(invocation->event));
    return PF_OK;
}

__attribute__((constructor)) static void be_a_function(void) {
    const char *kind = getenv("PF_TEST_FUNCTION");
    if (!kind) return;
    int calls = 0;
    struct pf_error err = {.code = PF_OK};
    if (strcmp(kind, "hang") == 0) pf_clock_sleep_ms(60000);
    if (strcmp(kind, "exit") == 0) _exit(3);
    if (strcmp(kind, "init") == 0) {
        pf_error_set(&err, PF_INVALID, __FILE__, __LINE__, "a bad setting");
        _exit(pf_runtime_report_init_failure(&err, NULL) == PF_OK ? 4 : 5);
    }
    unsetenv("PF_TEST_FUNCTION");
    _exit(pf_runtime_loop(obey, &calls, &err) == PF_OK ? 0 : 1);
}

/* --- outside --- */

struct farm {
    struct pf_fleet *fleet;
    atomic_int lost;
    char lost_id[64];
};

static void on_worker_lost(void *context, pf_str worker_id) {
    struct farm *farm = context;
    snprintf(farm->lost_id, sizeof farm->lost_id, "%.*s", PF_STR_ARG(worker_id));
    atomic_fetch_add(&farm->lost, 1);
}

static struct farm *open_farm(struct pf_test *test, const char *kind, struct pf_function function) {
    struct farm *farm = PF_ARENA_NEW(test->arena, struct farm);
    char *path = pf_arena_alloc(test->arena, 4096);
    CHECK_OK(pf_process_self_path(path, 4096, &test->err));
    const char *argv[] = {path, NULL};
    const char *env[] = {pf_arena_printf(test->arena, "PF_TEST_FUNCTION=%s", kind).ptr, NULL};
    function.name = "f";
    function.argv = argv;
    function.env = env;
    struct pf_local_fleet_options options = {
        .functions = &function, .function_count = 1, .on_worker_lost = on_worker_lost, .context = farm};
    CHECK_OK(pf_fleet_open_local(&options, &farm->fleet, &test->err));
    return farm;
}

static pf_str call(struct pf_test *test, struct farm *farm, const char *event) {
    pf_str answer;
    CHECK_OK(pf_fleet_invoke(farm->fleet, "f", pf_str_from_cstr(event), 10000, test->arena, &answer, &test->err));
    return answer;
}

static struct pf_fleet_status status_of(struct farm *farm) {
    struct pf_fleet_status status;
    pf_fleet_get_status(farm->fleet, "f", &status);
    return status;
}

#define WAIT_FOR(condition)                                                                                            \
    do {                                                                                                               \
        for (int tries_ = 0; tries_ < 1000 && !(condition); tries_++) pf_clock_sleep_ms(5);                            \
        CHECK_TRUE(condition);                                                                                         \
    } while (0)

TEST(calls_a_function_and_keeps_it_warm) {
    struct farm *farm = open_farm(test, "loop", (struct pf_function){.memory_bytes = 512 << 20, .max_environments = 4});
    pf_str first = call(test, farm, "hello");
    CHECK_CONTAINS(first, "call 1 ");
    CHECK_CONTAINS(first, "memory 512 ");
    CHECK_CONTAINS(first, "echo hello");
    for (int i = 2; i < 10; i++) CHECK_CONTAINS(call(test, farm, "x"), pf_arena_printf(test->arena, "call %d ", i));
    WAIT_FOR(status_of(farm).idle == 1);
    struct pf_fleet_status status = status_of(farm);
    CHECK_INT(status.started, 1);
    CHECK_INT(status.invoked, 9);
    CHECK_INT(status.lost, 0);
    struct pf_fleet_environment *list;
    size_t count;
    pf_fleet_list(farm->fleet, "f", test->arena, &list, &count);
    CHECK_INT(count, 1);
    CHECK_CONTAINS(first, pf_arena_printf(test->arena, "pid %d ", list[0].pid));
    CHECK_CONTAINS(first, pf_arena_printf(test->arena, "worker %.*s ", PF_STR_ARG(list[0].worker_id)));
    pf_fleet_close(farm->fleet);
    CHECK_INT(kill(list[0].pid, 0), -1);
    CHECK_INT(atomic_load(&farm->lost), 0);
}

TEST(passes_failures_on_with_their_code) {
    struct farm *farm = open_farm(test, "loop", (struct pf_function){0});
    pf_str answer;
    CHECK_FAILS(pf_fleet_invoke(farm->fleet, "f", PF_STR("fail"), 10000, test->arena, &answer, &test->err),
                PF_NOT_FOUND, "no such \"thing\"");
    CHECK_FAILS(pf_fleet_invoke(farm->fleet, "g", PF_STR("x"), 10000, test->arena, &answer, &test->err), PF_NOT_FOUND,
                "'g'");
    CHECK_CONTAINS(call(test, farm, "x"), "call 2 "); /* still the same process */
    pf_fleet_close(farm->fleet);
}

TEST(refuses_what_is_too_large) {
    struct farm *farm = open_farm(test, "loop", (struct pf_function){0});
    pf_str answer, large = pf_str_from(pf_arena_alloc(test->arena, 7 << 20), 7 << 20);
    CHECK_FAILS(pf_fleet_invoke(farm->fleet, "f", large, 10000, test->arena, &answer, &test->err), PF_TOO_LARGE,
                "limit");
    CHECK_FAILS(pf_fleet_ensure(farm->fleet, "f", 1, large, &test->err), PF_TOO_LARGE, "limit");
    CHECK_FAILS(pf_fleet_invoke(farm->fleet, "f", PF_STR("big 7000000"), 10000, test->arena, &answer, &test->err),
                PF_TOO_LARGE, "7000000 bytes");
    CHECK_INT(call(test, farm, "big 6291456").len, 6291456);
    pf_fleet_close(farm->fleet);
}

struct caller {
    struct farm *farm;
    const char *event;
    enum pf_code code;
    struct pf_error err;
    int64_t elapsed_ms;
};

static void *run_caller(void *context) {
    struct caller *caller = context;
    struct pf_arena *arena = pf_arena_new(NULL, "caller");
    pf_str answer;
    int64_t started_ms = pf_clock_mono_ms();
    caller->code =
        pf_fleet_invoke(caller->farm->fleet, "f", pf_str_from_cstr(caller->event), 15000, arena, &answer, &caller->err);
    caller->elapsed_ms = pf_clock_mono_ms() - started_ms;
    pf_arena_free(arena);
    return NULL;
}

TEST(runs_calls_side_by_side_up_to_the_limit) {
    struct farm *farm = open_farm(test, "loop", (struct pf_function){.max_environments = 3});
    struct caller callers[9];
    pthread_t threads[9];
    for (int i = 0; i < 9; i++) {
        callers[i] = (struct caller){.farm = farm, .event = "sleep 150"};
        pthread_create(&threads[i], NULL, run_caller, &callers[i]);
    }
    WAIT_FOR(status_of(farm).busy == 3);
    CHECK_TRUE(status_of(farm).waiting > 0);
    for (int i = 0; i < 9; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 9; i++) CHECK_INT(callers[i].code, PF_OK);
    CHECK_INT(status_of(farm).started, 3);
    pf_fleet_close(farm->fleet);
}

TEST(notices_a_killed_environment_at_once) {
    struct farm *farm = open_farm(test, "loop", (struct pf_function){0});
    struct caller caller = {.farm = farm, .event = "sleep 10000"};
    pthread_t thread;
    pthread_create(&thread, NULL, run_caller, &caller);
    WAIT_FOR(status_of(farm).busy == 1);
    struct pf_fleet_environment *list;
    size_t count;
    pf_fleet_list(farm->fleet, "f", test->arena, &list, &count);
    int64_t started_ms = pf_clock_mono_ms();
    kill(list[0].pid, SIGKILL);
    pthread_join(thread, NULL);
    CHECK_TRUE(pf_clock_mono_ms() - started_ms < 1000);
    CHECK_INT(caller.code, PF_REMOTE);
    CHECK_CONTAINS(caller.err.message, "signal 9");
    WAIT_FOR(atomic_load(&farm->lost) == 1);
    CHECK_STR(farm->lost_id, list[0].worker_id);
    CHECK_CONTAINS(call(test, farm, "x"), "call 1 "); /* a new one */
    pf_fleet_close(farm->fleet);
    CHECK_INT(atomic_load(&farm->lost), 1);
}

TEST(notices_a_function_that_exits) {
    struct farm *farm = open_farm(test, "loop", (struct pf_function){0});
    pf_str answer;
    CHECK_FAILS(pf_fleet_invoke(farm->fleet, "f", PF_STR("exit 7"), 10000, test->arena, &answer, &test->err), PF_REMOTE,
                "exited with status 7");
    pf_fleet_close(farm->fleet);
}

TEST(ensures_workers) {
    struct farm *farm = open_farm(test, "loop", (struct pf_function){.max_environments = 3});
    int64_t started_ms = pf_clock_mono_ms();
    CHECK_OK(pf_fleet_ensure(farm->fleet, "f", 2, PF_STR("sleep 600"), &test->err));
    CHECK_TRUE(pf_clock_mono_ms() - started_ms < 200);
    WAIT_FOR(status_of(farm).busy == 2);
    CHECK_OK(pf_fleet_ensure(farm->fleet, "f", 2, PF_STR("sleep 600"), &test->err));
    CHECK_INT(status_of(farm).invoked, 2);
    CHECK_OK(pf_fleet_ensure(farm->fleet, "f", 50, PF_STR("sleep 600"), &test->err));
    CHECK_INT(status_of(farm).invoked, 3);
    WAIT_FOR(status_of(farm).busy == 3);
    WAIT_FOR(status_of(farm).idle == 3);
    CHECK_OK(pf_fleet_ensure(farm->fleet, "f", 1, PF_STR("sleep 600"), &test->err));
    WAIT_FOR(status_of(farm).busy == 1);
    CHECK_INT(status_of(farm).started, 3);
    pf_fleet_close(farm->fleet);
}

TEST(lets_idle_environments_go) {
    struct farm *farm = open_farm(test, "loop", (struct pf_function){.idle_ms = 100});
    call(test, farm, "x");
    WAIT_FOR(status_of(farm).idle == 1);
    WAIT_FOR(status_of(farm).idle == 0);
    CHECK_CONTAINS(call(test, farm, "x"), "call 1 ");
    CHECK_INT(status_of(farm).lost, 0);
    CHECK_INT(status_of(farm).started, 2);
    pf_fleet_close(farm->fleet);
    CHECK_INT(atomic_load(&farm->lost), 0);
}

TEST(ends_what_takes_too_long) {
    struct farm *farm = open_farm(test, "loop", (struct pf_function){.timeout_ms = 300});
    pf_str answer;
    int64_t left_ms = 0;
    CHECK_TRUE(pf_str_to_i64(call(test, farm, "left"), &left_ms) && left_ms > 0 && left_ms <= 300);
    CHECK_FAILS(pf_fleet_invoke(farm->fleet, "f", PF_STR("sleep 5000"), 10000, test->arena, &answer, &test->err),
                PF_REMOTE, "time limit");
    WAIT_FOR(atomic_load(&farm->lost) == 1);
    CHECK_FAILS(pf_fleet_invoke(farm->fleet, "f", PF_STR("sleep 200"), 50, test->arena, &answer, &test->err),
                PF_TIMEOUT, "no answer in time");
    pf_fleet_close(farm->fleet);
}

TEST(says_why_a_function_does_not_start) {
    pf_str answer;
    struct farm *farm = open_farm(test, "init", (struct pf_function){0});
    CHECK_FAILS(pf_fleet_invoke(farm->fleet, "f", PF_STR("x"), 10000, test->arena, &answer, &test->err), PF_INVALID,
                "a bad setting");
    pf_fleet_close(farm->fleet);
    farm = open_farm(test, "exit", (struct pf_function){0});
    CHECK_FAILS(pf_fleet_invoke(farm->fleet, "f", PF_STR("x"), 10000, test->arena, &answer, &test->err), PF_REMOTE,
                "exited with status 3");
    CHECK_INT(status_of(farm).started, 1);
    pf_fleet_close(farm->fleet);
    farm = open_farm(test, "hang", (struct pf_function){.init_ms = 200});
    CHECK_FAILS(pf_fleet_invoke(farm->fleet, "f", PF_STR("x"), 10000, test->arena, &answer, &test->err), PF_REMOTE,
                "signal 9");
    pf_fleet_close(farm->fleet);
    struct pf_function missing = {.name = "f", .argv = (const char *const[]){"/nonexistent/program", NULL}};
    struct pf_local_fleet_options options = {.functions = &missing, .function_count = 1};
    struct pf_fleet *fleet;
    CHECK_OK(pf_fleet_open_local(&options, &fleet, &test->err));
    CHECK_FAILS(pf_fleet_invoke(fleet, "f", PF_STR("x"), 10000, test->arena, &answer, &test->err), PF_REMOTE,
                "/nonexistent/program");
    pf_fleet_close(fleet);
}

TEST(closes_while_calls_run) {
    struct farm *farm = open_farm(test, "loop", (struct pf_function){.max_environments = 2});
    struct caller callers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        callers[i] = (struct caller){.farm = farm, .event = "sleep 20000"};
        pthread_create(&threads[i], NULL, run_caller, &callers[i]);
    }
    WAIT_FOR(status_of(farm).busy == 2 && status_of(farm).waiting == 2);
    int64_t started_ms = pf_clock_mono_ms();
    pf_fleet_close(farm->fleet);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK_TRUE(pf_clock_mono_ms() - started_ms < 4000);
    for (int i = 0; i < 4; i++) CHECK_TRUE(callers[i].code == PF_CANCELLED || callers[i].code == PF_REMOTE);
}

/* --- over HTTP --- */

static struct pf_http_reply post(struct pf_test *test, pf_str url, const char *type, pf_str body) {
    struct pf_http_client *client;
    CHECK_OK(pf_http_client_open(NULL, &client, &test->err));
    struct pf_http_field header = {PF_STR("X-Amz-Invocation-Type"), pf_str_from_cstr(type)};
    struct pf_http_call http = {
        .method = PF_STR("POST"), .url = url, .headers = &header, .header_count = *type ? 1 : 0, .body = body};
    struct pf_http_reply reply;
    CHECK_OK(pf_http_send(client, &http, test->arena, &reply, &test->err));
    pf_http_client_close(client);
    return reply;
}

static struct pf_http_reply invoke(struct pf_test *test, struct farm *farm, const char *name, const char *type,
                                   pf_str body) {
    return post(test,
                pf_arena_printf(test->arena, "http://%.*s/2015-03-31/functions/%s/invocations",
                                PF_STR_ARG(pf_fleet_local_address(farm->fleet)), name),
                type, body);
}

TEST(serves_invoke_over_http) {
    struct farm *farm = open_farm(test, "loop", (struct pf_function){0});
    struct pf_http_reply reply = invoke(test, farm, "f", "", PF_STR("hello"));
    CHECK_INT(reply.status, 200);
    CHECK_CONTAINS(reply.body, "echo hello");
    CHECK_STR(pf_http_header(&reply.headers, "X-Amz-Executed-Version"), "$LATEST");
    CHECK_INT(pf_http_header(&reply.headers, "x-amzn-RequestId").len, 36);
    CHECK_STR(pf_http_header(&reply.headers, "X-Amz-Function-Error"), "");
    reply = invoke(test, farm, "arn%3Aaws%3Alambda%3Alocal%3A000000000000%3Afunction%3Af%3A$LATEST", "RequestResponse",
                   PF_STR("fail"));
    CHECK_INT(reply.status, 200);
    CHECK_STR(pf_http_header(&reply.headers, "X-Amz-Function-Error"), "Unhandled");
    CHECK_CONTAINS(reply.body, "\"errorType\":\"NOT_FOUND\"");
    CHECK_INT(invoke(test, farm, "f", "Event", PF_STR("x")).status, 202);
    CHECK_INT(invoke(test, farm, "f", "DryRun", PF_STR("x")).status, 204);
    CHECK_INT(invoke(test, farm, "f", "Nonsense", PF_STR("x")).status, 400);
    reply = invoke(test, farm, "nobody", "", PF_STR("x"));
    CHECK_INT(reply.status, 404);
    CHECK_STR(pf_http_header(&reply.headers, "x-amzn-ErrorType"), "ResourceNotFoundException");
    pf_str large = pf_str_from(pf_arena_alloc(test->arena, 7 << 20), 7 << 20);
    CHECK_INT(invoke(test, farm, "f", "Event", pf_str_slice(large, 0, 2 << 20)).status, 413);
    WAIT_FOR(status_of(farm).invoked == 3);
    pf_fleet_close(farm->fleet);
}
