/* SPDX-License-Identifier: MIT */
#include "roles/bench_data.h"
#include "roles/client.h"
#include "roles/roles_internal.h"

#include "support/test.h"

TEST(writes_counts_sizes_and_times_for_people) {
    CHECK_STR(count_text(test->arena, 0), "0");
    CHECK_STR(count_text(test->arena, 999), "999");
    CHECK_STR(count_text(test->arena, -1234567), "-1,234,567");
    CHECK_STR(count_text(test->arena, -123), "-123");
    CHECK_STR(bytes_text(test->arena, 0), "0 B");
    CHECK_STR(bytes_text(test->arena, 999), "999 B");
    CHECK_STR(bytes_text(test->arena, 1234), "1.2 kB");
    CHECK_STR(bytes_text(test->arena, 99999999), "100 MB");
    CHECK_STR(time_text(test->arena, 0.25), "0.2 ms");
    CHECK_STR(time_text(test->arena, 12.4), "12 ms");
    CHECK_STR(time_text(test->arena, 3456), "3.5 s");
    CHECK_STR(time_text(test->arena, 125000), "2 min 5 s");
    CHECK_STR(counted(test->arena, 1, "row", "rows"), "1 row");
    CHECK_STR(counted(test->arena, 2000, "row", "rows"), "2,000 rows");
}

TEST(reads_errors_of_the_api) {
    struct pf_error err = {0};
    CHECK_CODE(client_read_error(404, PF_STR("{\"error\":{\"code\":\"NOT_FOUND\",\"message\":\"no table\"}}"), &err),
               PF_NOT_FOUND);
    CHECK_STR(pf_str_from_cstr(err.message), "no table");
    CHECK_CODE(client_read_error(503, PF_STR("<html>"), &err), PF_REMOTE);
    CHECK_CONTAINS(pf_str_from_cstr(err.message), "HTTP status 503: <html>");
}

TEST(reads_lists_of_queries) {
    bool wanted[TPCH_QUERY_COUNT + 1];
    CHECK_OK(read_query_list(PF_STR_EMPTY, wanted, &test->err));
    CHECK_TRUE(wanted[1] && wanted[22]);
    CHECK_OK(read_query_list(PF_STR("1,6,20-22"), wanted, &test->err));
    CHECK_TRUE(wanted[1] && wanted[6] && wanted[20] && wanted[22]);
    CHECK_FALSE(wanted[2] || wanted[19]);
    CHECK_FAILS(read_query_list(PF_STR("0"), wanted, &test->err), PF_INVALID, "'0'");
    CHECK_FAILS(read_query_list(PF_STR("5-3"), wanted, &test->err), PF_INVALID, "'5-3'");
    CHECK_FAILS(read_query_list(PF_STR("1,,2"), wanted, &test->err), PF_INVALID, "''");
}

TEST(finds_roles_by_name) {
    for (const struct pf_role *const *role = pf_roles; *role; role++) {
        CHECK_TRUE(pf_find_role(pf_str_from_cstr((*role)->name)) == *role);
        CHECK_TRUE((*role)->summary[0] && (*role)->usage[0] && (*role)->text[0]);
    }
    CHECK_NULL(pf_find_role(PF_STR("nonsense")));
}
