/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include "support/test.h"

TEST(formats_times_as_rfc_3339) {
    char text[PF_CLOCK_TEXT_BYTES];
    CHECK_STR(pf_clock_format(0, text), "1970-01-01T00:00:00.000Z");
    CHECK_STR(pf_clock_format(1769863696789, text), "2026-01-31T12:48:16.789Z");
    CHECK_STR(pf_clock_format(-1, text), "1969-12-31T23:59:59.999Z");
    CHECK_STR(pf_clock_format(-1000, text), "1969-12-31T23:59:59.000Z");
}

TEST(measures_and_sleeps_in_monotonic_time) {
    int64_t before_ms = pf_clock_mono_ms();
    struct pf_deadline deadline = pf_deadline_in(10);
    pf_clock_sleep_ms(15);
    pf_clock_sleep_ms(-5);
    CHECK_TRUE(pf_clock_mono_ms() - before_ms >= 14);
    CHECK_INT(pf_deadline_left_ms(deadline), 0);
    CHECK_TRUE(pf_deadline_left_ms(pf_deadline_in(60000)) > 50000);
    CHECK_TRUE(pf_clock_wall_ms() > 1700000000000);
}

TEST(a_timed_wait_ends) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition;
    pf_condition_init(&condition);
    pthread_mutex_lock(&mutex);
    int64_t before_ms = pf_clock_mono_ms();
    while (pf_condition_wait_ms(&condition, &mutex, 10)) { /* a wake-up without a reason is allowed */
    }
    CHECK_TRUE(pf_clock_mono_ms() - before_ms >= 9);
    while (pf_condition_wait_ms(&condition, &mutex, -5)) {
    }
    pthread_mutex_unlock(&mutex);
    pthread_cond_destroy(&condition);
}
