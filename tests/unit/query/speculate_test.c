/* SPDX-License-Identifier: MIT */
#include "query/run.h"

#include "support/test.h"

static const int64_t siblings[] = {900, 100, 500, 400, 600, 450, 550, 480};
enum { SIBLINGS = sizeof siblings / sizeof *siblings };

TEST(calls_a_task_slow_that_takes_three_times_as_long_as_the_median) {
    CHECK_INT(straggler_age_ms(siblings, SIBLINGS, 9), 1501);
}

TEST(nobody_is_slow_before_half_of_the_stage_is_done) {
    CHECK_INT(straggler_age_ms(siblings, SIBLINGS, 16), 1501);
    CHECK_INT(straggler_age_ms(siblings, SIBLINGS, 17), INT64_MAX);
    CHECK_INT(straggler_age_ms(siblings, 0, 1), INT64_MAX); /* a single task has no siblings */
}

TEST(short_tasks_are_never_slow) {
    static const int64_t quick[] = {5, 5, 6, 7};
    CHECK_INT(straggler_age_ms(quick, 4, 5), 1000);
}

TEST(only_a_share_of_the_tasks_gets_a_second_attempt) {
    CHECK_INT(most_extra_attempts(1), 1);
    CHECK_INT(most_extra_attempts(9), 1);
    CHECK_INT(most_extra_attempts(64), 8);
}
