/* SPDX-License-Identifier: MIT */
/* The real coordinator, queue and Redis, with two hundred workers that only pretend. */
#include "query/query.h"
#include "support/test.h"

static struct pf_simulation_options small_options(void) {
    return (struct pf_simulation_options){
        .run_path = pf_test_folder(), .tasks = 2000, .workers = 200, .runs = 1, .seed = 7};
}

TEST_WITH_LIMIT(two_hundred_workers_do_all_tasks_in_few_round_trips, 120) {
    struct pf_simulation_options options = small_options();
    struct pf_simulation done;
    CHECK_OK(pf_simulate(&options, test->arena, &done, &test->err));
    CHECK_INT(done.run_count, 1);
    CHECK_INT(done.runs[0].reads, 2 * options.tasks); /* each task once: none lost, none counted twice */
    CHECK_TRUE(done.claim_p50_ms > 0 && done.claim_p99_ms >= done.claim_p50_ms);
    /* One publishes and claims the next; the rest is what workers pay to wait for work at the beginning and the end. */
    CHECK_TRUE(done.round_trips_per_task >= 1);
    CHECK_TRUE(done.round_trips_per_task <= 2.2);
    CHECK_INT(done.runs[0].mends, 0);
    CHECK_TRUE(done.bytes_per_task > 0 && done.redis_us_per_task > 0);
}

TEST_WITH_LIMIT(repeated_tasks_come_to_the_worker_that_has_their_files, 120) {
    struct pf_simulation_options options = small_options();
    options.tasks = 1000;
    options.workers = 50;
    options.runs = 3;
    options.task_us = 1000;
    struct pf_simulation done;
    CHECK_OK(pf_simulate(&options, test->arena, &done, &test->err));
    CHECK_INT(done.runs[0].warm_reads, 0);
    for (int i = 1; i < 3; i++) {
        CHECK_INT(done.runs[i].reads, 2 * options.tasks);
        CHECK_INT(done.runs[i].kept_tasks, options.tasks);
        /* Chance alone would give one in fifty, and a busy machine makes workers late. */
        CHECK_TRUE(done.runs[i].warm_reads > done.runs[i].reads / 5);
    }
}
