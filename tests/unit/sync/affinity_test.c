/* SPDX-License-Identifier: MIT */
/* Tasks that are kept for the worker that has their data. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { LONG_MS = 60000 };

/* Task i is kept for workers[i]; "" for nobody. */
static void push_for(struct pf_test *test, struct pf_sync *sync, const char *id, const char *const *workers, int count,
                     int64_t steal_ms) {
    pf_str *tasks = PF_ARENA_ARRAY(test->arena, pf_str, (size_t)count);
    pf_str *names = PF_ARENA_ARRAY(test->arena, pf_str, (size_t)count);
    for (int i = 0; i < count; i++) {
        tasks[i] = pf_arena_printf(test->arena, "task %d", i);
        names[i] = pf_str_from_cstr(workers[i]);
    }
    struct pf_sync_stage stage = {
        .payload = PF_STR("the stage"), .tasks = tasks, .workers = names, .task_count = count, .steal_ms = steal_ms};
    CHECK_OK(pf_sync_stage_push(sync, pf_str_from_cstr(id), &stage, &test->err));
}

static void gets_nothing(struct pf_test *test, struct pf_sync *sync, const char *worker, int64_t wait_ms) {
    struct pf_sync_claim none;
    CHECK_CODE(pf_sync_claim(sync, pf_str_from_cstr(worker), wait_ms, LONG_MS, test->arena, &none, &test->err),
               PF_NOT_FOUND);
}

TEST(keeps_tasks_for_the_worker_that_has_their_data) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "q1");
    push_for(test, sync, "q1", (const char *const[]){"w2", "w1", "", "w1"}, 4, LONG_MS);
    CHECK_INT(claim(test, sync, "w1", LONG_MS).task_id, 1);
    CHECK_INT(claim(test, sync, "w1", LONG_MS).task_id, 3);
    CHECK_INT(claim(test, sync, "w1", LONG_MS).task_id, 2); /* what anybody may have comes after its own */
    gets_nothing(test, sync, "w1", 0);
    CHECK_INT(claim(test, sync, "w2", LONG_MS).task_id, 0); /* the query is still there for its worker */
    gets_nothing(test, sync, "w2", 0);
}

TEST(names_of_workers_that_begin_alike_are_told_apart) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "q1");
    push_for(test, sync, "q1", (const char *const[]){"w10", "w1", "w1!", "w1-a"}, 4, LONG_MS);
    CHECK_INT(claim(test, sync, "w1", LONG_MS).task_id, 1);
    gets_nothing(test, sync, "w1", 0);
    CHECK_INT(claim(test, sync, "w10", LONG_MS).task_id, 0);
    CHECK_INT(claim(test, sync, "w1!", LONG_MS).task_id, 2);
    CHECK_INT(claim(test, sync, "w1-a", LONG_MS).task_id, 3);
}

TEST(an_idle_worker_steals_when_the_time_has_come) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "q1");
    push_for(test, sync, "q1", (const char *const[]){"w2", "w2", "w3"}, 3, 50);
    int64_t before_ms = pf_clock_mono_ms();
    CHECK_INT(claim(test, sync, "w1", LONG_MS).task_id, 1); /* of the one who has most, the last */
    CHECK_TRUE(pf_clock_mono_ms() - before_ms >= 45);
    CHECK_INT(claim(test, sync, "w2", LONG_MS).task_id, 0);
    CHECK_INT(claim(test, sync, "w1", LONG_MS).task_id, 2); /* at once: the time is over */
    gets_nothing(test, sync, "w1", 0);
}

TEST(a_busy_query_does_not_hide_one_whose_tasks_are_kept) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "q1");
    begin(test, sync, "q2");
    push_for(test, sync, "q1", (const char *const[]){"w2"}, 1, 30);
    push_for(test, sync, "q2", (const char *const[]){"w3"}, 1, 30);
    struct pf_sync_claim first = claim(test, sync, "w1", LONG_MS), second = claim(test, sync, "w1", LONG_MS);
    CHECK_TRUE(!pf_str_equal(first.query_id, second.query_id));
    gets_nothing(test, sync, "w1", 0);
}

TEST(what_comes_again_is_for_anybody) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "q1");
    push_for(test, sync, "q1", (const char *const[]){"w1"}, 1, LONG_MS);
    struct pf_sync_claim first = claim(test, sync, "w1", LONG_MS);
    struct pf_error failure = {.code = PF_TIMEOUT, .message = "slow"};
    CHECK_OK(pf_sync_fail(sync, &first, &failure, false, &test->err));
    CHECK_INT(claim(test, sync, "w2", LONG_MS).attempt, 2);
}

TEST(the_end_and_a_cancel_leave_no_lanes) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "q1");
    push_for(test, sync, "q1", (const char *const[]){"w1", "w2"}, 2, LONG_MS);
    CHECK_OK(pf_sync_query_cancel(sync, PF_STR("q1"), &test->err));
    gets_nothing(test, sync, "w1", 0);
    CHECK_OK(pf_sync_query_end(sync, PF_STR("q1"), PF_STR("c1"), &test->err));
    begin(test, sync, "q1");
    gets_nothing(test, sync, "w2", 0);
    struct pf_sync_stage stage = {.payload = PF_STR("s"),
                                  .tasks = (const pf_str[]){PF_STR("t")},
                                  .workers = (const pf_str[]){PF_STR("a b")},
                                  .task_count = 1};
    CHECK_FAILS(pf_sync_stage_push(sync, PF_STR("q1"), &stage, &test->err), PF_INVALID, "worker id");
}

struct waiting {
    struct pf_sync *sync;
    const char *name;
    atomic_int task_id; /* -1: none */
    pthread_t thread;
};

static void *wait_and_claim(void *context) {
    struct waiting *waiting = context;
    struct pf_arena *arena = pf_arena_new(NULL, "waiting");
    struct pf_sync_claim one;
    enum pf_code code = pf_sync_claim(waiting->sync, pf_str_from_cstr(waiting->name), 3000, LONG_MS, arena, &one, NULL);
    atomic_store(&waiting->task_id, code == PF_OK ? one.task_id : -1);
    pf_arena_free(arena);
    return NULL;
}

static void start_waiting(struct waiting *waiting, struct pf_sync *sync, const char *name) {
    waiting->sync = sync;
    waiting->name = name;
    CHECK_INT(pthread_create(&waiting->thread, NULL, wait_and_claim, waiting), 0);
}

TEST(wakes_the_worker_that_has_the_data_and_nobody_else) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct waiting first, second;
    start_waiting(&first, sync, "w1");
    start_waiting(&second, sync, "w2");
    pf_clock_sleep_ms(100);
    begin(test, sync, "q1");
    push_for(test, sync, "q1", (const char *const[]){"w2"}, 1, LONG_MS);
    pthread_join(second.thread, NULL);
    CHECK_INT(atomic_load(&second.task_id), 0);
    pthread_join(first.thread, NULL);
    CHECK_INT(atomic_load(&first.task_id), -1);
}

TEST(the_coordinator_wakes_others_when_the_worker_does_not_come) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct waiting first;
    start_waiting(&first, sync, "w1");
    pf_clock_sleep_ms(100);
    begin(test, sync, "q1");
    push_for(test, sync, "q1", (const char *const[]){"dead"}, 1, 20);
    pf_clock_sleep_ms(30);
    CHECK_OK(pf_sync_expire(sync, PF_STR("q1"), NULL, NULL, &test->err));
    pthread_join(first.thread, NULL);
    CHECK_INT(atomic_load(&first.task_id), 0);
}
