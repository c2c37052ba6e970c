/* SPDX-License-Identifier: MIT */
#include "query/run.h"

#include "support/test.h"

static const int64_t siblings[] = {900, 100, 500, 400, 600, 450, 550, 480};
enum { SIBLINGS = sizeof siblings / sizeof *siblings };

TEST(calls_a_task_slow_that_takes_three_times_as_long_as_the_median) {
    CHECK_TRUE(is_straggler(1600, siblings, SIBLINGS, 9, 0));
    CHECK_FALSE(is_straggler(1400, siblings, SIBLINGS, 9, 0));
}

TEST(nobody_is_slow_before_half_of_the_stage_is_done) {
    CHECK_TRUE(is_straggler(60000, siblings, SIBLINGS, 16, 0));
    CHECK_FALSE(is_straggler(60000, siblings, SIBLINGS, 17, 0));
    CHECK_FALSE(is_straggler(60000, siblings, 0, 1, 0)); /* a single task has no siblings */
}

TEST(short_tasks_are_never_slow) {
    static const int64_t quick[] = {5, 5, 6, 7};
    CHECK_FALSE(is_straggler(900, quick, 4, 5, 0));
    CHECK_TRUE(is_straggler(1100, quick, 4, 5, 0));
}

TEST(only_a_share_of_the_tasks_gets_a_second_attempt) {
    int64_t times[64];
    for (int i = 0; i < 64; i++) times[i] = 10;
    CHECK_FALSE(is_straggler(60000, times, 8, 9, 1));
    CHECK_TRUE(is_straggler(60000, times, 60, 64, 7));
    CHECK_FALSE(is_straggler(60000, times, 60, 64, 8));
}
