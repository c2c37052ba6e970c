/* SPDX-License-Identifier: MIT */
#include "base/id.h"

#include "base/clock.h"
#include "support/test.h"

#include <string.h>

TEST(makes_ulids_that_sort_by_time) {
    pf_str first = pf_id_ulid(test->arena);
    pf_clock_sleep_ms(3);
    pf_str second = pf_id_ulid(test->arena);
    CHECK_UINT(first.len, 26);
    CHECK_UINT(strspn(first.ptr, "0123456789abcdefghjkmnpqrstvwxyz"), 26);
    CHECK_TRUE(pf_str_compare(first, second) < 0);
}

TEST(makes_version_4_uuids) {
    pf_str id = pf_id_uuid(test->arena);
    CHECK_UINT(id.len, 36);
    CHECK_INT(id.ptr[14], '4');
    CHECK_NOT_NULL(strchr("89ab", id.ptr[19]));
    CHECK_FALSE(pf_str_equal(id, pf_id_uuid(test->arena)));
}

TEST(makes_positive_snapshot_ids) {
    int64_t previous = 0;
    for (int i = 0; i < 100; i++) {
        int64_t id = pf_id_random_i63();
        CHECK_TRUE(id > 0 && id != previous);
        previous = id;
    }
}
