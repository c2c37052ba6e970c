/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

TEST(carries_a_task_from_push_to_event) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_cursor cursor = {0};
    begin(test, sync, "q1");
    push(test, sync, "q1", 3, 2);
    struct pf_sync_claim first = claim(test, sync, "w1", 5000);
    CHECK_STR(first.query_id, "q1");
    CHECK_INT(first.stage_id, 3);
    CHECK_INT(first.task_id, 0);
    CHECK_INT(first.attempt, 1);
    CHECK_STR(first.payload, "task 0");
    CHECK_STR(first.worker_id, "w1");
    pf_str stage;
    CHECK_OK(pf_sync_stage_payload(sync, PF_STR("q1"), 3, test->arena, &stage, &test->err));
    CHECK_STR(stage, "the stage");
    struct pf_sync_claim second = claim(test, sync, "w2", 5000);
    CHECK_STR(second.payload, "task 1");
    claim_nothing(test, sync);
    no_event(test, sync, "q1", &cursor);
    CHECK_OK(pf_sync_publish(sync, &second, PF_STR("a\0b\r\n"), &test->err));
    struct pf_sync_event event = next_event(test, sync, "q1", &cursor);
    CHECK_INT(event.kind, PF_SYNC_DONE);
    CHECK_INT(event.stage_id, 3);
    CHECK_INT(event.task_id, 1);
    CHECK_INT(event.attempt, 1);
    CHECK_STR(event.worker_id, "w2");
    CHECK_STR(event.payload, PF_STR("a\0b\r\n"));
    no_event(test, sync, "q1", &cursor);
    CHECK_OK(pf_sync_publish(sync, &first, PF_STR(""), &test->err));
    CHECK_INT(next_event(test, sync, "q1", &cursor).task_id, 0);
    struct pf_sync_cursor again = {0}; /* another coordinator sees all of it */
    struct pf_sync_event *events;
    size_t count;
    CHECK_OK(pf_sync_wait_events(sync, PF_STR("q1"), &again, 0, test->arena, &events, &count, &test->err));
    CHECK_INT(count, 2);
    CHECK_STR(again.id, cursor.id);
}

TEST(keeps_the_record_after_the_end) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 3);
    CHECK_OK(pf_sync_record_put(sync, PF_STR("q1"), PF_STR("{\"state\":\"done\"}"), 60000, &test->err));
    CHECK_OK(pf_sync_query_end(sync, PF_STR("q1"), PF_STR("c1"), &test->err));
    CHECK_OK(pf_sync_query_end(sync, PF_STR("q1"), PF_STR("c1"), &test->err));
    pf_str record;
    CHECK_OK(pf_sync_record_get(sync, PF_STR("q1"), test->arena, &record, &test->err));
    CHECK_STR(record, "{\"state\":\"done\"}");
    CHECK_FAILS(pf_sync_record_get(sync, PF_STR("q2"), test->arena, &record, &test->err), PF_NOT_FOUND, "q2");
    CHECK_FAILS(pf_sync_record_get(sync, PF_STR("q {"), test->arena, &record, &test->err), PF_INVALID, "query id");
    claim_nothing(test, sync);
    struct pf_sync_cursor cursor = {0};
    struct pf_sync_event *events;
    size_t count;
    CHECK_CODE(pf_sync_wait_events(sync, PF_STR("q1"), &cursor, 0, test->arena, &events, &count, &test->err),
               PF_NOT_FOUND);
    struct pf_sync_stage stage = {.payload = PF_STR("s")};
    CHECK_CODE(pf_sync_stage_push(sync, PF_STR("q1"), &stage, &test->err), PF_NOT_FOUND);
    CHECK_CODE(pf_sync_stage_payload(sync, PF_STR("q1"), 0, test->arena, &record, &test->err), PF_NOT_FOUND);
}

TEST(refuses_to_begin_twice) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "q1");
    begin(test, sync, "q1"); /* the same coordinator: as after a lost answer */
    struct pf_sync_query_options options = {.coordinator_id = PF_STR("c2")};
    CHECK_FAILS(pf_sync_query_begin(sync, PF_STR("q1"), &options, &test->err), PF_CONFLICT, "q1 is open already");
}

TEST(pushing_a_stage_again_changes_nothing) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 3);
    struct pf_sync_claim first = claim(test, sync, "w1", 5000);
    push(test, sync, "q1", 0, 3);
    claim(test, sync, "w1", 5000);
    CHECK_OK(pf_sync_publish(sync, &first, PF_STR("x"), &test->err));
    push(test, sync, "q1", 0, 3);
    claim(test, sync, "w1", 5000);
    claim_nothing(test, sync);
}

TEST(queries_take_turns) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "big");
    begin(test, sync, "small");
    push(test, sync, "big", 0, 2000);
    push(test, sync, "small", 0, 10);
    int before = 0;
    for (int small = 0; small < 10;) {
        struct pf_sync_claim one = claim(test, sync, "w1", 60000);
        if (pf_str_equal(one.query_id, PF_STR("small")))
            small++;
        else
            before++;
    }
    CHECK_TRUE(before < 200);
}

TEST(first_publish_wins) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_cursor cursor = {0};
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 1);
    struct pf_sync_claim slow = claim(test, sync, "w1", 60000);
    CHECK_OK(pf_sync_speculate(sync, PF_STR("q1"), 0, 0, &test->err));
    CHECK_OK(pf_sync_speculate(sync, PF_STR("q1"), 0, 0, &test->err)); /* one waits already */
    struct pf_sync_claim fast = claim(test, sync, "w2", 60000);
    CHECK_INT(fast.attempt, 2);
    claim_nothing(test, sync);
    bool is_cancelled = true;
    CHECK_OK(pf_sync_heartbeat(sync, &slow, 60000, &is_cancelled, &test->err));
    CHECK_FALSE(is_cancelled);
    CHECK_OK(pf_sync_publish(sync, &fast, PF_STR("fast"), &test->err));
    CHECK_OK(pf_sync_publish(sync, &fast, PF_STR("fast"), &test->err)); /* as after a lost answer: still ours */
    CHECK_OK(pf_sync_heartbeat(sync, &slow, 60000, &is_cancelled, &test->err));
    CHECK_TRUE(is_cancelled);
    CHECK_CODE(pf_sync_publish(sync, &slow, PF_STR("slow"), &test->err), PF_CONFLICT);
    CHECK_STR(next_event(test, sync, "q1", &cursor).payload, "fast");
    no_event(test, sync, "q1", &cursor);
    CHECK_OK(pf_sync_speculate(sync, PF_STR("q1"), 0, 0, &test->err));
    claim_nothing(test, sync);
    CHECK_CODE(pf_sync_speculate(sync, PF_STR("q1"), 0, 5, &test->err), PF_NOT_FOUND);
}

TEST(a_publish_takes_the_next_task_along) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_cursor cursor = {0};
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 3);
    struct pf_sync_claim first = claim(test, sync, "w1", 60000), second, third, none;
    struct pf_sync_counters before, after;
    pf_sync_count(sync, &before);
    CHECK_OK(pf_sync_publish_and_claim(sync, &first, PF_STR("0"), 60000, test->arena, &second, &test->err));
    pf_sync_count(sync, &after);
    CHECK_INT(after.round_trips - before.round_trips, 1);
    CHECK_INT(second.task_id, 1);
    CHECK_STR(second.worker_id, "w1");
    CHECK_STR(second.payload, "task 1");
    /* Another attempt was first: the next task is ours all the same. */
    CHECK_OK(pf_sync_speculate(sync, PF_STR("q1"), 0, 1, &test->err));
    struct pf_sync_claim extra = claim(test, sync, "w2", 60000);
    CHECK_INT(extra.task_id, 1);
    CHECK_OK(pf_sync_publish(sync, &extra, PF_STR("1"), &test->err));
    CHECK_CODE(pf_sync_publish_and_claim(sync, &second, PF_STR("late"), 60000, test->arena, &third, &test->err),
               PF_CONFLICT);
    CHECK_INT(third.task_id, 2);
    CHECK_OK(pf_sync_publish_and_claim(sync, &third, PF_STR("2"), 60000, test->arena, &none, &test->err));
    CHECK_INT(none.query_id.len, 0);
    struct pf_sync_event *events;
    size_t count;
    CHECK_OK(pf_sync_wait_events(sync, PF_STR("q1"), &cursor, 1000, test->arena, &events, &count, &test->err));
    CHECK_INT(count, 3);
    for (int i = 0; i < 3; i++) CHECK_INT(events[i].task_id, i);
    CHECK_OK(pf_sync_query_end(sync, PF_STR("q1"), PF_STR("c1"), &test->err));
    CHECK_CODE(pf_sync_publish_and_claim(sync, &third, PF_STR("2"), 60000, test->arena, &none, &test->err),
               PF_CANCELLED);
    CHECK_INT(none.query_id.len, 0);
}

TEST(runs_a_task_again_whose_output_was_lost) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_cursor cursor = {0};
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 1);
    struct pf_sync_claim first = claim(test, sync, "w1", 60000);
    CHECK_OK(pf_sync_publish(sync, &first, PF_STR("1"), &test->err));
    CHECK_STR(next_event(test, sync, "q1", &cursor).payload, "1");
    push_for_another_run(test, sync, "q1", 0, 1);
    push_for_another_run(test, sync, "q1", 0, 1);
    struct pf_sync_claim second = claim(test, sync, "w1", 60000);
    CHECK_INT(second.attempt, 2);
    claim_nothing(test, sync);
    CHECK_OK(pf_sync_publish(sync, &second, PF_STR("2"), &test->err));
    CHECK_STR(next_event(test, sync, "q1", &cursor).payload, "2");
}

TEST(tries_a_failed_task_three_times) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_cursor cursor = {0};
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 1);
    struct pf_error failure = {.code = PF_REMOTE, .message = "store: 'quoted' \"text\" broke off"};
    for (int attempt = 1; attempt <= 3; attempt++) {
        struct pf_sync_claim one = claim(test, sync, "w1", 60000);
        CHECK_INT(one.attempt, attempt);
        CHECK_OK(pf_sync_fail(sync, &one, &failure, false, &test->err));
        CHECK_OK(pf_sync_fail(sync, &one, &failure, false, &test->err)); /* counts once */
        struct pf_sync_event event = next_event(test, sync, "q1", &cursor);
        CHECK_INT(event.kind, PF_SYNC_FAILED);
        CHECK_INT(event.code, PF_REMOTE);
        CHECK_STR(event.message, failure.message);
        CHECK_INT(event.is_final, attempt == 3);
        CHECK_INT(event.attempt, attempt);
    }
    claim_nothing(test, sync);
}

TEST(does_not_retry_what_can_not_succeed) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_cursor cursor = {0};
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 2);
    struct pf_error failure = {.code = PF_INVALID, .message = "bad cast"};
    struct pf_sync_claim one = claim(test, sync, "w1", 60000), two = claim(test, sync, "w1", 60000);
    CHECK_OK(pf_sync_fail(sync, &one, &failure, false, &test->err));
    CHECK_TRUE(next_event(test, sync, "q1", &cursor).is_final);
    CHECK_OK(pf_sync_fail(sync, &two, &failure, true, &test->err)); /* the caller knows better */
    CHECK_FALSE(next_event(test, sync, "q1", &cursor).is_final);
    CHECK_INT(claim(test, sync, "w1", 60000).attempt, 2);
}

TEST(an_expired_lease_goes_to_another_worker) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_cursor cursor = {0};
    int lost = -1;
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 2);
    struct pf_sync_claim silent = claim(test, sync, "w1", 80), steady = claim(test, sync, "w2", 80);
    bool is_cancelled = true;
    CHECK_OK(pf_sync_heartbeat(sync, &steady, 60000, &is_cancelled, &test->err));
    CHECK_FALSE(is_cancelled);
    CHECK_OK(pf_sync_expire(sync, PF_STR("q1"), &lost, NULL, &test->err));
    CHECK_INT(lost, 0);
    pf_clock_sleep_ms(120);
    CHECK_OK(pf_sync_expire(sync, PF_STR("q1"), &lost, NULL, &test->err));
    CHECK_INT(lost, 1);
    struct pf_sync_event event = next_event(test, sync, "q1", &cursor);
    CHECK_INT(event.kind, PF_SYNC_LOST);
    CHECK_INT(event.task_id, silent.task_id);
    CHECK_STR(event.worker_id, "w1");
    CHECK_FALSE(event.is_final);
    CHECK_OK(pf_sync_heartbeat(sync, &silent, 60000, &is_cancelled, &test->err));
    CHECK_TRUE(is_cancelled);
    struct pf_sync_claim next = claim(test, sync, "w3", 60000);
    CHECK_INT(next.attempt, 2);
    CHECK_OK(pf_sync_publish(sync, &silent, PF_STR("late but first"), &test->err));
    CHECK_STR(next_event(test, sync, "q1", &cursor).payload, "late but first");
    CHECK_CODE(pf_sync_publish(sync, &next, PF_STR("x"), &test->err), PF_CONFLICT);
    CHECK_OK(pf_sync_publish(sync, &steady, PF_STR("y"), &test->err));
}

TEST(gives_up_a_task_that_is_lost_three_times) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_cursor cursor = {0};
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 1);
    for (int attempt = 1; attempt <= 3; attempt++) {
        CHECK_INT(claim(test, sync, "w1", 1).attempt, attempt);
        pf_clock_sleep_ms(20);
        CHECK_OK(pf_sync_expire(sync, PF_STR("q1"), NULL, NULL, &test->err));
        CHECK_INT(next_event(test, sync, "q1", &cursor).is_final, attempt == 3);
    }
    claim_nothing(test, sync);
}

TEST(releases_the_tasks_of_a_dead_worker) {
    struct pf_sync *sync = open_fixture(test)->sync;
    int lost = -1;
    begin(test, sync, "q1");
    begin(test, sync, "q2");
    push(test, sync, "q1", 0, 2);
    push(test, sync, "q2", 0, 1);
    CHECK_OK(pf_sync_worker_register(sync, PF_STR("w1"), PF_STR("{}"), 60000, &test->err));
    claim(test, sync, "w1", 60000);
    claim(test, sync, "w2", 60000);
    claim(test, sync, "w1", 60000);
    CHECK_OK(pf_sync_release_worker(sync, PF_STR("w1"), &lost, &test->err));
    CHECK_INT(lost, 2);
    CHECK_INT(claim(test, sync, "w3", 60000).attempt, 2);
    CHECK_INT(claim(test, sync, "w3", 60000).attempt, 2);
    claim_nothing(test, sync);
    int alive = -1;
    CHECK_OK(pf_sync_worker_count(sync, &alive, &test->err));
    CHECK_INT(alive, 0);
    CHECK_OK(pf_sync_release_worker(sync, PF_STR("w1"), &lost, &test->err));
    CHECK_INT(lost, 0);
}

TEST(cancels_from_anywhere) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_cursor cursor = {0};
    bool is_cancelled = false;
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 3);
    struct pf_sync_claim one = claim(test, sync, "w1", 60000);
    CHECK_OK(pf_sync_query_cancel(sync, PF_STR("q1"), &test->err));
    CHECK_OK(pf_sync_query_cancel(sync, PF_STR("q1"), &test->err));
    CHECK_INT(next_event(test, sync, "q1", &cursor).kind, PF_SYNC_CANCELLED);
    no_event(test, sync, "q1", &cursor);
    claim_nothing(test, sync);
    CHECK_OK(pf_sync_heartbeat(sync, &one, 60000, &is_cancelled, &test->err));
    CHECK_TRUE(is_cancelled);
    CHECK_CODE(pf_sync_publish(sync, &one, PF_STR("x"), &test->err), PF_CANCELLED);
    struct pf_sync_stage stage = {.id = 1, .payload = PF_STR("s")};
    CHECK_CODE(pf_sync_stage_push(sync, PF_STR("q1"), &stage, &test->err), PF_CANCELLED);
    is_cancelled = false;
    CHECK_OK(pf_sync_coordinator_heartbeat(sync, PF_STR("q1"), PF_STR("c1"), 1000, &is_cancelled, &test->err));
    CHECK_TRUE(is_cancelled);
    CHECK_OK(pf_sync_query_end(sync, PF_STR("q1"), PF_STR("c1"), &test->err));
    CHECK_FAILS(pf_sync_query_cancel(sync, PF_STR("q1"), &test->err), PF_NOT_FOUND, "q1 is not open");
    CHECK_CODE(pf_sync_coordinator_heartbeat(sync, PF_STR("q1"), PF_STR("c1"), 1000, &is_cancelled, &test->err),
               PF_NOT_FOUND);
}

TEST(drops_tasks_whose_coordinator_is_gone) {
    struct pf_sync *sync = open_fixture(test)->sync;
    bool is_cancelled;
    struct pf_sync_query_options options = {.coordinator_id = PF_STR("c1"), .coordinator_lease_ms = 50};
    CHECK_OK(pf_sync_query_begin(sync, PF_STR("q1"), &options, &test->err));
    push(test, sync, "q1", 0, 2);
    CHECK_CODE(pf_sync_coordinator_heartbeat(sync, PF_STR("q1"), PF_STR("c2"), 1000, &is_cancelled, &test->err),
               PF_CONFLICT);
    pf_clock_sleep_ms(80);
    claim_nothing(test, sync);
    /* Another one takes over: the tasks are there again. */
    CHECK_OK(pf_sync_coordinator_heartbeat(sync, PF_STR("q1"), PF_STR("c2"), 1000, &is_cancelled, &test->err));
    CHECK_CODE(pf_sync_coordinator_heartbeat(sync, PF_STR("q1"), PF_STR("c1"), 1000, &is_cancelled, &test->err),
               PF_CONFLICT);
    claim(test, sync, "w1", 60000);
    claim(test, sync, "w1", 60000);
}

TEST(sweeps_queries_without_coordinator_once) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_query_options options = {.coordinator_id = PF_STR("c1"), .coordinator_lease_ms = 50};
    CHECK_OK(pf_sync_query_begin(sync, PF_STR("q1"), &options, &test->err));
    begin(test, sync, "q2");
    push(test, sync, "q1", 0, 2);
    CHECK_OK(pf_sync_put_small(sync, PF_STR("q1"), PF_STR("k"), PF_STR("v"), 60000, &test->err));
    pf_str *ids = NULL;
    size_t count = 9;
    CHECK_OK(pf_sync_sweep(sync, 0, test->arena, &ids, &count, &test->err));
    CHECK_INT(count, 0);
    pf_clock_sleep_ms(80);
    CHECK_OK(pf_sync_sweep(sync, 10000, test->arena, &ids, &count, &test->err));
    CHECK_INT(count, 0);
    CHECK_OK(pf_sync_sweep(sync, 0, test->arena, &ids, &count, &test->err));
    CHECK_INT(count, 1);
    CHECK_STR(ids[0], "q1");
    CHECK_OK(pf_sync_sweep(sync, 0, test->arena, &ids, &count, &test->err));
    CHECK_INT(count, 0);
    struct pf_sync_range range = {.key = PF_STR("k"), .length = -1};
    CHECK_CODE(pf_sync_get_small(sync, PF_STR("q1"), &range, 1, test->arena, &test->err), PF_NOT_FOUND);
    claim_nothing(test, sync);
}

TEST(mends_a_queue_whose_wake_ups_were_lost) {
    struct fixture *fixture = open_fixture(test);
    struct pf_sync *sync = fixture->sync;
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 3);
    pf_str command =
        pf_arena_printf(test->arena, "redis-cli -s %s del pf:{all}:turns pf:{all}:marks pf:{all}:wakes >/dev/null",
                        pf_redis_url(fixture->redis) + strlen("unix://"));
    CHECK_INT(system(command.ptr), 0); /* as if three workers had died right after they woke up */
    claim_nothing(test, sync);
    CHECK_OK(pf_sync_expire(sync, PF_STR("q1"), NULL, NULL, &test->err));
    for (int i = 0; i < 3; i++) CHECK_INT(claim(test, sync, "w1", 60000).task_id, i);
}

/* --- many threads --- */

struct crowd {
    struct pf_sync *sync;
    atomic_int claimed, published, conflicts, failures, next_worker;
    atomic_int done[2][10000];
    int lease_ms, sleep_every;
    atomic_bool is_over;
};

static void work_on(struct crowd *crowd, const struct pf_sync_claim *claim, int number) {
    if (crowd->sleep_every && number % crowd->sleep_every == 0) pf_clock_sleep_ms(crowd->lease_ms * 2);
    enum pf_code code = pf_sync_publish(crowd->sync, claim, PF_STR("done"), NULL);
    if (code == PF_OK) {
        atomic_fetch_add(&crowd->published, 1);
        atomic_fetch_add(&crowd->done[claim->stage_id][claim->task_id], 1);
    } else if (code == PF_CONFLICT || code == PF_CANCELLED) {
        atomic_fetch_add(&crowd->conflicts, 1);
    } else {
        atomic_fetch_add(&crowd->failures, 1);
    }
}

static void *run_worker(void *context) {
    struct crowd *crowd = context;
    char name[16];
    snprintf(name, sizeof name, "w%d", atomic_fetch_add(&crowd->next_worker, 1));
    while (!atomic_load(&crowd->is_over)) {
        struct pf_arena *arena = pf_arena_new(NULL, "worker");
        struct pf_sync_claim claim;
        enum pf_code code =
            pf_sync_claim(crowd->sync, pf_str_from_cstr(name), 100, crowd->lease_ms, arena, &claim, NULL);
        if (code == PF_OK)
            work_on(crowd, &claim, atomic_fetch_add(&crowd->claimed, 1));
        else if (code != PF_NOT_FOUND)
            atomic_fetch_add(&crowd->failures, 1);
        pf_arena_free(arena);
    }
    return NULL;
}

static int64_t run_crowd(struct pf_test *test, struct crowd *crowd, int threads, int tasks) {
    pthread_t ids[64];
    struct pf_sync_cursor cursor = {0};
    begin(test, crowd->sync, "q1");
    for (int i = 0; i < threads; i++) pthread_create(&ids[i], NULL, run_worker, crowd);
    int64_t started_ns = pf_clock_mono_ns();
    push(test, crowd->sync, "q1", 0, tasks);
    push(test, crowd->sync, "q1", 1, tasks);
    for (int done = 0; done < 2 * tasks;) {
        struct pf_sync_event *events = NULL;
        size_t count = 0;
        CHECK_OK(pf_sync_wait_events(crowd->sync, PF_STR("q1"), &cursor, 50, test->arena, &events, &count, &test->err));
        for (size_t i = 0; i < count; i++) done += events[i].kind == PF_SYNC_DONE;
        CHECK_OK(pf_sync_expire(crowd->sync, PF_STR("q1"), NULL, NULL, &test->err));
    }
    int64_t elapsed_ns = pf_clock_mono_ns() - started_ns;
    atomic_store(&crowd->is_over, true);
    for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
    CHECK_INT(atomic_load(&crowd->failures), 0);
    CHECK_INT(atomic_load(&crowd->published), 2 * tasks);
    for (int i = 0; i < tasks; i++) CHECK_INT(atomic_load(&crowd->done[0][i]) + atomic_load(&crowd->done[1][i]), 2);
    return elapsed_ns;
}

TEST_WITH_LIMIT(many_workers_do_each_task_once, 60) {
    struct crowd *crowd = PF_ARENA_NEW(test->arena, struct crowd);
    crowd->sync = open_fixture(test)->sync;
    crowd->lease_ms = 60000;
    run_crowd(test, crowd, 16, 1000);
    CHECK_INT(atomic_load(&crowd->conflicts), 0);
    CHECK_INT(atomic_load(&crowd->claimed), 2000);
}

TEST_WITH_LIMIT(many_workers_survive_lost_leases, 60) {
    struct crowd *crowd = PF_ARENA_NEW(test->arena, struct crowd);
    crowd->sync = open_fixture(test)->sync;
    crowd->lease_ms = 40;
    crowd->sleep_every = 50;
    run_crowd(test, crowd, 16, 300);
    CHECK_TRUE(atomic_load(&crowd->claimed) >= 600);
}
