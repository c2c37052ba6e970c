/* SPDX-License-Identifier: MIT */
/* A Redis of the test's own and a connection to it. */
#ifndef PF_TESTS_UNIT_SYNC_FIXTURE_H
#define PF_TESTS_UNIT_SYNC_FIXTURE_H

#include "base/clock.h"
#include "support/test.h"
#include "sync/sync.h"

struct fixture {
    struct pf_redis *redis;
    struct pf_sync *sync;
};

static inline void close_fixture(void *what) {
    struct fixture *fixture = what;
    fixture->sync = pf_sync_close(fixture->sync);
    fixture->redis = pf_redis_stop(fixture->redis);
}

static inline struct fixture *open_fixture(struct pf_test *test) {
    struct fixture *fixture = PF_ARENA_NEW(test->arena, struct fixture);
    struct pf_redis_options options = {.run_path = pf_test_folder()};
    CHECK_OK(pf_redis_spawn(&options, &fixture->redis, &test->err));
    struct pf_sync_options sync_options = {.url = pf_str_from_cstr(pf_redis_url(fixture->redis)), .command_ms = 2000};
    CHECK_OK(pf_sync_open(&sync_options, &fixture->sync, &test->err));
    pf_arena_defer(test->arena, close_fixture, fixture);
    return fixture;
}

static inline void begin(struct pf_test *test, struct pf_sync *sync, const char *id) {
    struct pf_sync_query_options options = {.record_json = PF_STR("{}"), .coordinator_id = PF_STR("c1")};
    CHECK_OK(pf_sync_query_begin(sync, pf_str_from_cstr(id), &options, &test->err));
}

static inline void push_tasks(struct pf_test *test, struct pf_sync *sync, const char *id, int stage_id, int count,
                              bool replaces) {
    pf_str *tasks = PF_ARENA_ARRAY(test->arena, pf_str, (size_t)count);
    for (int i = 0; i < count; i++) tasks[i] = pf_arena_printf(test->arena, "task %d", i);
    struct pf_sync_stage stage = {
        .id = stage_id, .payload = PF_STR("the stage"), .tasks = tasks, .task_count = count, .replaces = replaces};
    CHECK_OK(pf_sync_stage_push(sync, pf_str_from_cstr(id), &stage, &test->err));
}

static inline void push(struct pf_test *test, struct pf_sync *sync, const char *id, int stage_id, int count) {
    push_tasks(test, sync, id, stage_id, count, false);
}

static inline void push_for_another_run(struct pf_test *test, struct pf_sync *sync, const char *id, int stage_id,
                                        int count) {
    push_tasks(test, sync, id, stage_id, count, true);
}

static inline struct pf_sync_claim claim(struct pf_test *test, struct pf_sync *sync, const char *worker,
                                         int64_t lease_ms) {
    struct pf_sync_claim claim = {0};
    CHECK_OK(pf_sync_claim(sync, pf_str_from_cstr(worker), 1000, lease_ms, test->arena, &claim, &test->err));
    return claim;
}

static inline void claim_nothing(struct pf_test *test, struct pf_sync *sync) {
    struct pf_sync_claim claim;
    CHECK_CODE(pf_sync_claim(sync, PF_STR("w9"), 0, 1000, test->arena, &claim, &test->err), PF_NOT_FOUND);
}

/* Exactly one more event. */
static inline struct pf_sync_event next_event(struct pf_test *test, struct pf_sync *sync, const char *id,
                                              struct pf_sync_cursor *cursor) {
    struct pf_sync_event *events = NULL;
    size_t count = 0;
    CHECK_OK(pf_sync_wait_events(sync, pf_str_from_cstr(id), cursor, 1000, test->arena, &events, &count, &test->err));
    CHECK_INT(count, 1);
    return events[0];
}

static inline void no_event(struct pf_test *test, struct pf_sync *sync, const char *id, struct pf_sync_cursor *cursor) {
    struct pf_sync_event *events = NULL;
    size_t count = 7;
    CHECK_OK(pf_sync_wait_events(sync, pf_str_from_cstr(id), cursor, 0, test->arena, &events, &count, &test->err));
    CHECK_INT(count, 0);
}

#endif
