/* SPDX-License-Identifier: MIT */
/* What coordinators rely on when they make good a loss or take a query over. */
#include "fixture.h"

static void push_again(struct pf_test *test, struct pf_sync *sync, const struct pf_sync_stage *stage,
                       enum pf_code expected) {
    CHECK_CODE(pf_sync_stage_push(sync, PF_STR("q1"), stage, &test->err), expected);
}

TEST(only_the_owner_adds_stages_and_ends_the_query) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "q1"); /* c1's, for ten seconds */
    struct pf_sync_stage stage = {.id = 1, .payload = PF_STR("s"), .coordinator_id = PF_STR("c2")};
    push_again(test, sync, &stage, PF_CONFLICT);
    bool is_cancelled;
    CHECK_CODE(pf_sync_coordinator_heartbeat(sync, PF_STR("q1"), PF_STR("c2"), 60000, &is_cancelled, &test->err),
               PF_CONFLICT);
    CHECK_CODE(pf_sync_query_end(sync, PF_STR("q1"), PF_STR("c2"), &test->err), PF_CONFLICT);
    stage.coordinator_id = PF_STR("c1");
    push_again(test, sync, &stage, PF_OK);
    pf_str *ids;
    size_t count;
    CHECK_OK(pf_sync_sweep(sync, 0, test->arena, &ids, &count, &test->err));
    CHECK_INT(count, 0);
    CHECK_OK(pf_sync_query_end(sync, PF_STR("q1"), PF_STR("c1"), &test->err));
}

TEST(one_coordinator_takes_over_and_fences_the_other) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_query_options options = {
        .coordinator_id = PF_STR("c1"), .coordinator_lease_ms = 30, .job = PF_STR("{\"sql\":\"…\"}")};
    CHECK_OK(pf_sync_query_begin(sync, PF_STR("q1"), &options, &test->err));
    pf_str *ids, job;
    size_t count;
    CHECK_OK(pf_sync_lapsed(sync, test->arena, &ids, &count, &test->err));
    CHECK_INT(count, 0);
    pf_clock_sleep_ms(50);
    CHECK_OK(pf_sync_lapsed(sync, test->arena, &ids, &count, &test->err));
    CHECK_INT(count, 1);
    CHECK_STR(ids[0], "q1");
    CHECK_OK(pf_sync_query_job(sync, PF_STR("q1"), test->arena, &job, &test->err));
    CHECK_STR(job, "{\"sql\":\"…\"}");
    bool is_cancelled;
    CHECK_OK(pf_sync_coordinator_heartbeat(sync, PF_STR("q1"), PF_STR("c2"), 60000, &is_cancelled, &test->err));
    CHECK_CODE(pf_sync_coordinator_heartbeat(sync, PF_STR("q1"), PF_STR("c3"), 60000, &is_cancelled, &test->err),
               PF_CONFLICT);
    CHECK_CODE(pf_sync_coordinator_heartbeat(sync, PF_STR("q1"), PF_STR("c1"), 60000, &is_cancelled, &test->err),
               PF_CONFLICT);
    struct pf_sync_stage stage = {.id = 1, .payload = PF_STR("s"), .coordinator_id = PF_STR("c1")};
    push_again(test, sync, &stage, PF_CONFLICT);
    CHECK_CODE(pf_sync_query_job(sync, PF_STR("q9"), test->arena, &job, &test->err), PF_NOT_FOUND);
}

TEST(a_stage_with_other_tasks_is_not_taken_for_the_same) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "q1");
    const pf_str tasks[] = {PF_STR("a"), PF_STR("b"), PF_STR("c")};
    struct pf_sync_stage stage = {
        .id = 1, .payload = PF_STR("s"), .tasks = tasks, .task_count = 3, .mark = PF_STR("m1")};
    push_again(test, sync, &stage, PF_OK);
    stage.mark = PF_STR("m2");
    push_again(test, sync, &stage, PF_INVALID);
    stage.replaces = true;
    stage.payload = PF_STR("s2");
    push_again(test, sync, &stage, PF_OK);
    pf_str payload;
    CHECK_OK(pf_sync_stage_payload(sync, PF_STR("q1"), 1, test->arena, &payload, &test->err));
    CHECK_STR(payload, "s2");
    for (int i = 0; i < 3; i++) CHECK_STR(claim(test, sync, "w1", 5000).payload, tasks[i]);
    claim_nothing(test, sync);
}

TEST(queues_some_tasks_from_a_later_attempt_on) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "q1");
    const pf_str tasks[] = {PF_STR_EMPTY, PF_STR("b"), PF_STR_EMPTY};
    struct pf_sync_stage stage = {
        .id = 1, .payload = PF_STR("s"), .tasks = tasks, .task_count = 3, .first_attempt = 101};
    push_again(test, sync, &stage, PF_OK);
    struct pf_sync_claim only = claim(test, sync, "w1", 5000);
    CHECK_INT(only.task_id, 1);
    CHECK_INT(only.attempt, 101);
    claim_nothing(test, sync);
    CHECK_CODE(pf_sync_speculate(sync, PF_STR("q1"), 1, 0, &test->err), PF_NOT_FOUND);
}

TEST(a_task_that_failed_for_good_can_run_again) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_cursor cursor = {0};
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 1);
    struct pf_sync_claim first = claim(test, sync, "w1", 5000);
    push_for_another_run(test, sync, "q1", 0, 1); /* it runs already */
    claim_nothing(test, sync);
    struct pf_error failure = {.code = PF_CORRUPT, .message = "bad slice"};
    CHECK_OK(pf_sync_fail(sync, &first, &failure, false, &test->err));
    CHECK_TRUE(next_event(test, sync, "q1", &cursor).is_final);
    push_for_another_run(test, sync, "q1", 0, 1);
    push_for_another_run(test, sync, "q1", 0, 1);
    struct pf_sync_claim second = claim(test, sync, "w1", 5000);
    CHECK_INT(second.attempt, 2);
    claim_nothing(test, sync);
    CHECK_OK(pf_sync_publish(sync, &second, PF_STR("x"), &test->err));
    CHECK_STR(next_event(test, sync, "q1", &cursor).payload, "x");
}

TEST(queues_again_what_was_done_and_what_is_new_in_one_call) {
    struct pf_sync *sync = open_fixture(test)->sync;
    enum { TASKS = 1200, DONE = 700 }; /* several script calls */
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, DONE);
    for (int i = 0; i < DONE; i++) {
        struct pf_sync_claim one = claim(test, sync, "w1", 5000);
        CHECK_OK(pf_sync_publish(sync, &one, PF_STR("x"), &test->err));
    }
    push_for_another_run(test, sync, "q1", 0, TASKS);
    push_for_another_run(test, sync, "q1", 0, TASKS); /* as after a lost answer: they wait */
    int attempts[TASKS] = {0};
    for (int i = 0; i < TASKS; i++) {
        struct pf_sync_claim one = claim(test, sync, "w1", 5000);
        attempts[one.task_id] += one.attempt;
    }
    claim_nothing(test, sync);
    for (int i = 0; i < TASKS; i++) CHECK_INT(attempts[i], i < DONE ? 2 : 1);
}

TEST(tells_what_runs_and_for_how_long) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_cursor cursor = {0};
    struct pf_sync_running *running;
    size_t count;
    int waiting;
    begin(test, sync, "q1");
    push(test, sync, "q1", 7, 2);
    struct pf_sync_claim first = claim(test, sync, "w1", 5000);
    pf_clock_sleep_ms(30);
    CHECK_OK(pf_sync_running(sync, PF_STR("q1"), test->arena, &running, &count, &waiting, &test->err));
    CHECK_INT(count, 1);
    CHECK_INT(waiting, 1);
    CHECK_INT(running[0].stage_id, 7);
    CHECK_INT(running[0].task_id, 0);
    CHECK_INT(running[0].attempt, 1);
    CHECK_STR(running[0].worker_id, "w1");
    CHECK_TRUE(running[0].age_ms >= 25 && running[0].age_ms < 5000);
    CHECK_OK(pf_sync_publish(sync, &first, PF_STR("x"), &test->err));
    CHECK_TRUE(next_event(test, sync, "q1", &cursor).took_ms >= 25);
    CHECK_OK(pf_sync_running(sync, PF_STR("q1"), test->arena, &running, &count, &waiting, &test->err));
    CHECK_INT(count, 0);
}

TEST(a_small_value_after_the_end_is_refused) {
    struct pf_sync *sync = open_fixture(test)->sync;
    pf_str q1 = PF_STR("q1"), key = PF_STR("k");
    begin(test, sync, "q1");
    CHECK_OK(pf_sync_put_small(sync, q1, key, PF_STR("v"), 0, &test->err));
    CHECK_OK(pf_sync_drop_small(sync, q1, key, &test->err));
    CHECK_OK(pf_sync_drop_small(sync, q1, key, &test->err));
    struct pf_sync_range range = {.key = key, .length = -1};
    CHECK_CODE(pf_sync_get_small(sync, q1, &range, 1, test->arena, &test->err), PF_NOT_FOUND);
    CHECK_OK(pf_sync_query_cancel(sync, q1, &test->err));
    CHECK_CODE(pf_sync_put_small(sync, q1, key, PF_STR("v"), 0, &test->err), PF_CANCELLED);
    CHECK_OK(pf_sync_query_end(sync, q1, PF_STR_EMPTY, &test->err));
    CHECK_CODE(pf_sync_put_small(sync, q1, key, PF_STR("v"), 0, &test->err), PF_NOT_FOUND);
}
