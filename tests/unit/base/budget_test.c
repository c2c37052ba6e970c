/* SPDX-License-Identifier: MIT */
#include "base/budget.h"

#include "base/clock.h"
#include "support/test.h"

#include <pthread.h>

TEST(grants_up_to_the_limit_and_then_says_no) {
    struct pf_budget *budget = pf_budget_new("test", 100);
    CHECK_OK(pf_budget_reserve(budget, 60, 0, &test->err));
    CHECK_OK(pf_budget_reserve(budget, 40, 0, &test->err));
    CHECK_FAILS(pf_budget_reserve(budget, 1, 0, &test->err), PF_NO_MEMORY, "100 of 100 in use");
    pf_budget_release(budget, 60);
    CHECK_INT(pf_budget_used(budget), 40);
    CHECK_INT(pf_budget_peak(budget), 100);
    CHECK_OK(pf_budget_reserve(budget, 60, 0, &test->err));
    pf_budget_release(budget, 100);
    CHECK_NULL(pf_budget_free(budget));
    CHECK_NULL(pf_budget_free(NULL));
}

TEST(refuses_at_once_what_can_never_fit) {
    struct pf_budget *budget = pf_budget_new("test", 100);
    int64_t before_ms = pf_clock_mono_ms();
    CHECK_FAILS(pf_budget_reserve(budget, 101, 5000, &test->err), PF_NO_MEMORY, "whole budget is 100");
    CHECK_FAILS(pf_budget_reserve(budget, -1, 5000, &test->err), PF_NO_MEMORY, "-1");
    CHECK_TRUE(pf_clock_mono_ms() - before_ms < 1000);
    pf_budget_free(budget);
}

static void *release_later(void *budget) {
    pf_clock_sleep_ms(30);
    pf_budget_release(budget, 100);
    return NULL;
}

TEST(waits_for_another_thread_to_release) {
    struct pf_budget *budget = pf_budget_new("test", 100);
    pthread_t thread;
    CHECK_OK(pf_budget_reserve(budget, 100, 0, &test->err));
    pthread_create(&thread, NULL, release_later, budget);
    CHECK_OK(pf_budget_reserve(budget, 50, 10000, &test->err));
    pthread_join(thread, NULL);
    CHECK_FAILS(pf_budget_reserve(budget, 60, 20, &test->err), PF_NO_MEMORY, "after 20 ms");
    pf_budget_release(budget, 50);
    pf_budget_free(budget);
}
