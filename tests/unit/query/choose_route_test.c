/* SPDX-License-Identifier: MIT */
#include "query/choose_route.h"
#include "support/test.h"

static struct route_facts large_select(void) {
    return (struct route_facts){.asked = PF_ROUTE_AUTO,
                                .is_select = true,
                                .fleet_is_remote = true,
                                .local_cores = 2,
                                .worker_count = 100,
                                .table_bytes = (int64_t)100 << 30,
                                .table_count = 2};
}

TEST(a_remote_fleet_takes_large_scans) {
    struct route_facts facts = large_select();
    CHECK_INT(choose_route(&facts).route, PF_ROUTE_FLEET);
}

TEST(a_small_query_does_not_pay_for_the_fleet) {
    struct route_facts facts = large_select();
    facts.table_bytes = 1 << 20;
    CHECK_INT(choose_route(&facts).route, PF_ROUTE_LOCAL);
}

TEST(what_pruning_leaves_decides) {
    struct route_facts facts = large_select();
    CHECK_TRUE(route_depends_on_pruning(&facts));
    facts.is_pruned = true;
    facts.scan_bytes = 1 << 20;
    CHECK_INT(choose_route(&facts).route, PF_ROUTE_LOCAL);
    facts.scan_bytes = (int64_t)50 << 30;
    CHECK_INT(choose_route(&facts).route, PF_ROUTE_FLEET);
}

TEST(a_choice_that_is_clear_needs_no_plan) {
    struct route_facts facts = large_select();
    facts.table_bytes = 1 << 20;
    CHECK_FALSE(route_depends_on_pruning(&facts));
    facts = large_select();
    facts.fleet_is_remote = false;
    CHECK_FALSE(route_depends_on_pruning(&facts));
    facts = large_select();
    facts.asked = PF_ROUTE_FLEET;
    CHECK_FALSE(route_depends_on_pruning(&facts));
}

TEST(workers_without_a_task_of_their_own_do_not_count) {
    struct route_facts facts = large_select();
    facts.is_pruned = true;
    facts.scan_bytes = 16 << 20; /* two tasks, however many workers there are */
    CHECK_INT(choose_route(&facts).route, PF_ROUTE_LOCAL);
}

TEST(workers_on_the_same_cores_are_no_gain) {
    struct route_facts facts = large_select();
    facts.fleet_is_remote = false;
    CHECK_INT(choose_route(&facts).route, PF_ROUTE_LOCAL);
}

TEST(what_is_asked_for_is_done) {
    struct route_facts facts = large_select();
    facts.fleet_is_remote = false;
    facts.asked = PF_ROUTE_FLEET;
    CHECK_INT(choose_route(&facts).route, PF_ROUTE_FLEET);
    facts.is_select = false;
    CHECK_INT(choose_route(&facts).route, PF_ROUTE_LOCAL);
}
