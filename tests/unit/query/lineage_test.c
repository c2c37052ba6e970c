/* SPDX-License-Identifier: MIT */
#include "query/run.h"

#include "support/test.h"

TEST(finds_the_maker_of_an_object_in_an_error) {
    struct object_name name = {0};
    CHECK_TRUE(lineage_find_object(PF_STR("q-1"), PF_STR("exchange object '/dev/shm/x/q-1/3/14.2.0.px': no such file"),
                                   &name));
    CHECK_INT(name.stage_id, 3);
    CHECK_INT(name.task_id, 14);
    CHECK_INT(name.attempt, 2);
    CHECK_TRUE(lineage_find_object(PF_STR("q-1"), PF_STR("q-1/0/0.101.7.px"), &name));
    CHECK_INT(name.attempt, 101);
}

TEST(passes_over_what_only_looks_like_one) {
    struct object_name name = {.stage_id = 7};
    CHECK_FALSE(lineage_find_object(PF_STR("q-1"), PF_STR("query q-1 was cancelled"), &name));
    CHECK_FALSE(lineage_find_object(PF_STR("q-1"), PF_STR("exchange object 'q-2/0/0.1.0.px'"), &name));
    CHECK_FALSE(lineage_find_object(PF_STR("q-1"), PF_STR("q-1/0/"), &name));
    CHECK_FALSE(lineage_find_object(PF_STR("q-1"), PF_STR_EMPTY, &name));
    CHECK_INT(name.stage_id, 7);
    CHECK_TRUE(lineage_find_object(PF_STR("q-1"), PF_STR("query q-1: q-1/1/2.3.0.px"), &name)); /* not the first */
    CHECK_INT(name.stage_id, 1);
}
