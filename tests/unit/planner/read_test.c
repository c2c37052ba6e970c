/* SPDX-License-Identifier: MIT */
#include "plans.h"

#include "planner/planner.h"
#include "support/test.h"

static const struct pf_table_facts FACTS[] = {
    {.scan_name = {"main.t@1", 8}, .row_count = 1000, .size_bytes = 10000, .file_count = 1}};

static enum pf_code read_plan(struct pf_test *test, const char *json, struct pf_plan **out_plan) {
    return pf_planner_read(pf_str_from_cstr(json), PF_STR_EMPTY, FACTS, 1, test->arena, out_plan, &test->err);
}

static pf_str sql_of(struct pf_test *test, const char *json) {
    struct pf_plan *plan;
    pf_str sql;
    CHECK_OK(read_plan(test, json, &plan));
    CHECK_OK(pf_planner_print_sql(plan, test->arena, &sql, &test->err));
    return sql;
}

TEST(prints_a_filter_into_where) {
    CHECK_STR(
        sql_of(test, PLAN(FILTER(COMPARE("COMPARE_GREATERTHAN", REF(0, "BIGINT"), CONSTANT("{\"id\":\"BIGINT\"}", "5")),
                                 SCAN("t")))),
        "SELECT t1.\"k\" AS \"k\", t1.\"g\" AS \"g\" FROM lake_scan('main.t@1') AS t1 WHERE (t1.\"k\" > 5)");
}

TEST(names_the_result_as_the_caller_says) {
    struct pf_plan *plan;
    pf_str sql, names[] = {PF_STR("a"), PF_STR("a")};
    CHECK_OK(read_plan(test, PLAN(SCAN("t")), &plan));
    plan = pf_planner_name_columns(plan, names, 2, test->arena);
    CHECK_OK(pf_planner_print_sql(plan, test->arena, &sql, &test->err));
    CHECK_STR(sql, "SELECT t1.\"k\" AS \"a\", t1.\"g\" AS \"a\" FROM lake_scan('main.t@1') AS t1");
}

TEST(prints_constants_as_the_same_value_and_type) {
    static const struct {
        const char *json, *sql;
    } CASES[] = {
        {PLAN(PROJECT(CONSTANT("{\"id\":\"DATE\"}", "9204"), SCAN("t"))), "DATE '1995-03-15'"},
        {PLAN(PROJECT(CONSTANT("{\"id\":\"DATE\"}", "-1"), SCAN("t"))), "DATE '1969-12-31'"},
        {PLAN(PROJECT(CONSTANT("{\"id\":\"TIMESTAMP\"}", "-1"), SCAN("t"))), "TIMESTAMP '1969-12-31 23:59:59.999999'"},
        {PLAN(PROJECT(CONSTANT("{\"id\":\"TIMESTAMP\"}", "9223372036854775807"), SCAN("t"))), "TIMESTAMP 'infinity'"},
        {PLAN(PROJECT(CONSTANT("{\"id\":\"HUGEINT\"}", "{\"upper\":-1,\"lower\":18446744073709551611}"), SCAN("t"))),
         "CAST(-5 AS HUGEINT)"},
        {PLAN(PROJECT(CONSTANT("{\"id\":\"UHUGEINT\"}", "{\"upper\":-1,\"lower\":-1}"), SCAN("t"))),
         "CAST('340282366920938463463374607431768211455' AS UHUGEINT)"},
        {PLAN(PROJECT(CONSTANT("{\"id\":\"DECIMAL\",\"type_info\":{\"width\":10,\"scale\":2}}", "-5"), SCAN("t"))),
         "CAST('-0.05' AS DECIMAL(10,2))"},
        {PLAN(PROJECT(CONSTANT("{\"id\":\"UUID\"}", "{\"upper\":-9223372036854775808,\"lower\":1}"), SCAN("t"))),
         "CAST('00000000-0000-0000-0000-000000000001' AS UUID)"},
        {PLAN(PROJECT(CONSTANT("{\"id\":\"DOUBLE\"}", "NaN"), SCAN("t"))), "CAST('nan' AS DOUBLE)"},
        {PLAN(PROJECT(CONSTANT("{\"id\":\"DOUBLE\"}", "-Infinity"), SCAN("t"))), "CAST('-inf' AS DOUBLE)"},
        {PLAN(PROJECT(CONSTANT("{\"id\":\"VARCHAR\"}", "\"it's\""), SCAN("t"))), "'it''s'"},
        {PLAN(PROJECT(CONSTANT("{\"id\":\"VARCHAR\"}", "\"a\\u0000b\""), SCAN("t"))), "('a' || chr(0) || 'b')"},
        {PLAN(PROJECT(CONSTANT("{\"id\":\"INTERVAL\"}", "{\"months\":1,\"days\":2,\"micros\":3}"), SCAN("t"))),
         "CAST('1 months 2 days 3 microseconds' AS INTERVAL)"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) CHECK_CONTAINS(sql_of(test, CASES[i].json), CASES[i].sql);
}

TEST(refuses_by_name_what_it_does_not_know) {
    struct pf_plan *plan;
    CHECK_FAILS(read_plan(test, PLAN("{\"type\":\"LOGICAL_PIVOT\",\"children\":[]}"), &plan), PF_UNSUPPORTED,
                "LOGICAL_PIVOT");
    CHECK_FAILS(read_plan(test, PLAN(FILTER("{\"expression_class\":\"BOUND_PARAMETER\"}", SCAN("t"))), &plan),
                PF_UNSUPPORTED, "parameter");
    CHECK_FAILS(read_plan(test, PLAN(FILTER("{\"expression_class\":\"BOUND_MAGIC\"}", SCAN("t"))), &plan),
                PF_UNSUPPORTED, "BOUND_MAGIC");
    CHECK_FAILS(read_plan(test, PLAN("{\"type\":\"LOGICAL_GET\",\"name\":\"read_csv\"}"), &plan), PF_UNSUPPORTED,
                "read_csv");
}

TEST(refuses_what_is_no_plan) {
    struct pf_plan *plan;
    CHECK_CODE(read_plan(test, "", &plan), PF_UNSUPPORTED);
    CHECK_CODE(read_plan(test, "[1", &plan), PF_INVALID);
    CHECK_FAILS(read_plan(test, "{\"error\":true,\"error_message\":\"no such table\"}", &plan), PF_INVALID,
                "no such table");
    CHECK_FAILS(read_plan(test, PLAN(SCAN("unknown")), &plan), PF_INVALID, "main.unknown@1");
    CHECK_FAILS(read_plan(test, PLAN(PROJECT(REF(2, "BIGINT"), SCAN("t"))), &plan), PF_INVALID, "column");
    CHECK_FAILS(read_plan(test, PLAN("{\"type\":\"LOGICAL_CTE_REF\",\"cte_index\":3,\"chunk_types\":[]}"), &plan),
                PF_INVALID, "CTE 3");
}

TEST(bounds_nesting) {
    struct pf_plan *plan;
    char text[1 << 16];
    size_t at = 0;
    for (int i = 0; i < 300; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s",
                               i ? "{\"type\":\"LOGICAL_FILTER\",\"children\":[" : "{\"plans\":[");
    at += (size_t)snprintf(text + at, sizeof text - at, "%s", SCAN("t"));
    for (int i = 0; i < 300; i++) at += (size_t)snprintf(text + at, sizeof text - at, "]}");
    enum pf_code code = read_plan(test, text, &plan);
    CHECK_TRUE(code == PF_UNSUPPORTED || code == PF_INVALID);
}
