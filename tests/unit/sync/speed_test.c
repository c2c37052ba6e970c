/* SPDX-License-Identifier: MIT */
/* What a task costs when it does nothing. The figures are printed; the limits are loose, because tests run on builds
 * with sanitizers and on busy machines. PF_SPEED_WORKERS and PF_SPEED_TASKS change the size. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LATENCY_ROUNDS = 500, MAX_WORKERS = 2000 };

static double ms_from_ns(int64_t ns) {
    return (double)ns / 1e6;
}

static int compare_numbers(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

TEST_WITH_LIMIT(an_empty_task_costs_little, 60) {
    struct pf_sync *sync = open_fixture(test)->sync;
    static int64_t times_ns[LATENCY_ROUNDS];
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, LATENCY_ROUNDS);
    for (int i = 0; i < LATENCY_ROUNDS; i++) {
        int64_t started_ns = pf_clock_mono_ns();
        struct pf_sync_claim one = claim(test, sync, "w1", 60000);
        CHECK_OK(pf_sync_publish(sync, &one, PF_STR("done"), &test->err));
        times_ns[i] = pf_clock_mono_ns() - started_ns;
    }
    qsort(times_ns, LATENCY_ROUNDS, sizeof *times_ns, compare_numbers);
    int64_t median_ns = times_ns[LATENCY_ROUNDS / 2], slow_ns = times_ns[LATENCY_ROUNDS * 99 / 100];
    printf("claim to publish: median %.3f ms, 99%% %.3f ms\n", ms_from_ns(median_ns), ms_from_ns(slow_ns));
    CHECK_TRUE(median_ns < 20 * 1000000);
}

struct crowd {
    struct pf_sync *sync;
    atomic_int next_worker, failures;
    atomic_bool is_over;
};

static void *run_worker(void *context) {
    struct crowd *crowd = context;
    char name[16];
    snprintf(name, sizeof name, "w%d", atomic_fetch_add(&crowd->next_worker, 1));
    while (!atomic_load(&crowd->is_over)) {
        struct pf_arena *arena = pf_arena_new(NULL, "worker");
        struct pf_sync_claim one;
        enum pf_code code = pf_sync_claim(crowd->sync, pf_str_from_cstr(name), 500, 60000, arena, &one, NULL);
        if (code == PF_OK) code = pf_sync_publish(crowd->sync, &one, PF_STR("done"), NULL);
        if (code != PF_OK && code != PF_NOT_FOUND) atomic_fetch_add(&crowd->failures, 1);
        pf_arena_free(arena);
    }
    return NULL;
}

static int size_from(const char *name, int fallback, int max) {
    int64_t value = fallback;
    pf_str_to_i64(pf_str_from_cstr(getenv(name)), &value);
    return value > 0 && value <= max ? (int)value : fallback;
}

TEST_WITH_LIMIT(thousands_of_empty_tasks_flow, 120) {
    struct crowd *crowd = PF_ARENA_NEW(test->arena, struct crowd);
    crowd->sync = open_fixture(test)->sync;
    int workers = size_from("PF_SPEED_WORKERS", 50, MAX_WORKERS), tasks = size_from("PF_SPEED_TASKS", 10000, 1000000);
    pthread_t threads[MAX_WORKERS];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 << 10);
    for (int i = 0; i < workers; i++) CHECK_INT(pthread_create(&threads[i], &small, run_worker, crowd), 0);
    pthread_attr_destroy(&small);
    pf_clock_sleep_ms(400); /* all of them wait */
    begin(test, crowd->sync, "q1");
    struct pf_sync_cursor cursor = {0};
    int64_t started_ns = pf_clock_mono_ns();
    push(test, crowd->sync, "q1", 0, tasks);
    int64_t pushed_ns = pf_clock_mono_ns();
    for (size_t done = 0; done < (size_t)tasks;) {
        struct pf_sync_event *events = NULL;
        size_t count = 0;
        struct pf_arena *arena = pf_arena_new(NULL, "events");
        CHECK_OK(pf_sync_wait_events(crowd->sync, PF_STR("q1"), &cursor, 1000, arena, &events, &count, &test->err));
        pf_arena_free(arena);
        done += count;
    }
    int64_t done_ns = pf_clock_mono_ns();
    atomic_store(&crowd->is_over, true);
    for (int i = 0; i < workers; i++) pthread_join(threads[i], NULL);
    printf("%d empty tasks on %d workers: %.2f s, of that %.0f ms to queue them\n", tasks, workers,
           (double)(done_ns - started_ns) / 1e9, (double)(pushed_ns - started_ns) / 1e6);
    CHECK_INT(atomic_load(&crowd->failures), 0);
}
