/* SPDX-License-Identifier: MIT */
#include "engine_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Both columns of every row print the same text: our printing and DuckDB's cast. */
static int check_same_text(struct pf_test *test, struct bench *bench, pf_str sql) {
    struct pf_rows *rows;
    const struct pf_chunk *chunk;
    struct pf_buf ours, theirs;
    int count = 0;
    pf_buf_init(&ours, 1 << 24);
    pf_buf_init(&theirs, 1 << 24);
    CHECK_OK(pf_session_query(bench->session, sql, &rows, &test->err));
    for (;;) {
        CHECK_OK(pf_rows_next(rows, &chunk, &test->err));
        if (!chunk) break;
        for (uint64_t i = 0; i < chunk->row_count; i++, count++) {
            pf_buf_reset(&ours);
            pf_buf_reset(&theirs);
            pf_vec_print(&chunk->columns[0], i, &ours);
            pf_vec_print(&chunk->columns[1], i, &theirs);
            CHECK_STR(pf_buf_view(&ours), pf_buf_view(&theirs));
        }
    }
    pf_rows_close(rows);
    pf_buf_clear(&ours);
    pf_buf_clear(&theirs);
    return count;
}

TEST_WITH_LIMIT(prints_every_type_as_duckdb_does, 60) {
    struct bench *bench = bench_open_plain(test);
    pf_str names = bench_ask(test, bench, "SELECT column_name FROM (DESCRIBE SELECT * FROM test_all_types())", false),
           name;
    int columns = 0;
    while (pf_str_next(&names, '\n', &name)) {
        /* DuckDB's cast of the largest TIMESTAMPTZ is off by a millisecond (1.5.5 with ICU). */
        const char *where = pf_str_equal(name, PF_STR("timestamp_tz")) ? "WHERE timestamp_tz < '2200-01-01'" : "";
        pf_str sql = pf_arena_printf(test->arena, "SELECT \"%.*s\", \"%.*s\"::VARCHAR FROM test_all_types() %s",
                                     PF_STR_ARG(name), PF_STR_ARG(name), where);
        CHECK_TRUE(check_same_text(test, bench, sql) > 0);
        columns++;
    }
    CHECK_TRUE(columns >= 54);
}

TEST(prints_awkward_values_as_duckdb_does) {
    static const char *const VALUES[] = {
        "['a b', 'a,b', 'it''s', '', ' x', 'x ', 'NULL', 'a:b', 'a=b', 'a(b', 'a\"b', 'a\\b', 'a\\b,', '{', 'é']",
        "{'it''s': 1, 'b\"c': ['x']}",
        "map {'a b': 'c=d', 'k': NULL}",
        "[timestamp '2020-01-01 01:02:03']",
        "['\\x41'::blob, 'a''b'::blob]",
        "row(1, 'a')",
        "[union_value(k := 'a,b')]",
        "['[1,2]'::json]",
        "{'a': {'b': 'c,d'}}",
        "['a b'::enum('a b', 'c')]",
        "'GEOMETRYCOLLECTION(POINT(1 2), LINESTRING(0 0, 1.5 1), MULTIPOINT(1 2, EMPTY))'::geometry",
        "'POINT EMPTY'::geometry",
        "'POINT Z(1 2 3)'::geometry",
        "1e15::double",
        "1e16::double",
        "-0.0::double",
        "5e-324::double",
        "0.00001::double",
        "123456789012345678::double",
        "1e-45::float",
        "16777217::float",
        "123456.789::float",
        "3.4e38::float",
        "date '-0044-03-15'",
        "interval '-1 month -3 days -1.5 seconds'",
        "interval '14 months'",
        "'00:00:00+01:30'::timetz",
        "-1.05::decimal(38,10)",
        "-0.5::decimal(4,1)",
        "-123456789012345678901234567890::bignum",
        "0::bignum",
        "'-infinity'::timestamp",
        "[]::int[]",
        "map {}::map(int, int)",
        "[NULL, [NULL]]",
        "struct_pack(a := NULL)",
    };
    struct bench *bench = bench_open_plain(test);
    for (size_t i = 0; i < sizeof VALUES / sizeof *VALUES; i++) {
        pf_str sql = pf_arena_printf(test->arena, "SELECT v, v::VARCHAR FROM (SELECT %s AS v)", VALUES[i]);
        CHECK_INT(check_same_text(test, bench, sql), 1);
    }
}

TEST_WITH_LIMIT(prints_random_numbers_as_duckdb_does, 60) {
    struct bench *bench = bench_open_plain(test);
    static const char *const VALUES[] = {
        "(random() - 0.5) * pow(10, (random() * 40 - 20)::int)",
        "(range * 7919 - 5000000)::double / 100",
        "make_timestamp((random() * 4e15)::bigint - 2000000000000000)",
        "to_microseconds((random() * 1e12 - 5e11)::bigint) + to_months((random() * 100 - 50)::int)",
        "(random() * 1e9 - 5e8)::decimal(18,6)",
        "date '2000-01-01' + (random() * 4000000 - 2000000)::int",
    };
    CHECK_OK(pf_session_run(bench->session, PF_STR("SELECT setseed(0.42)"), &test->err));
    for (size_t i = 0; i < sizeof VALUES / sizeof *VALUES; i++) {
        CHECK_OK(pf_session_run(
            bench->session,
            pf_arena_printf(test->arena, "CREATE OR REPLACE TABLE r AS SELECT %s AS v FROM range(3000)", VALUES[i]),
            &test->err));
        CHECK_INT(check_same_text(test, bench, PF_STR("SELECT v, v::VARCHAR FROM r")), 3000);
    }
}

TEST(prints_floats_that_read_back) {
    struct bench *bench = bench_open_plain(test);
    CHECK_OK(pf_session_run(bench->session, PF_STR("SELECT setseed(0.42)"), &test->err));
    CHECK_OK(pf_session_run(bench->session,
                            PF_STR("CREATE TABLE f AS SELECT v, v::VARCHAR t FROM (SELECT ((random() - 0.5) * "
                                   "pow(10, (random() * 70 - 35)::int))::float v FROM range(5000))"),
                            &test->err));
    pf_str values = bench_ask(test, bench, "SELECT v FROM f", false), value;
    pf_str texts = bench_ask(test, bench, "SELECT t FROM f", false), text;
    int same = 0, count = 0;
    while (pf_str_next(&values, '\n', &value) && pf_str_next(&texts, '\n', &text)) {
        char ours[64], theirs[64];
        snprintf(ours, sizeof ours, "%.*s", PF_STR_ARG(value));
        snprintf(theirs, sizeof theirs, "%.*s", PF_STR_ARG(text));
        CHECK_TRUE(strtof(ours, NULL) == strtof(theirs, NULL));
        CHECK_TRUE(value.len <= text.len);
        same += pf_str_equal(value, text);
        count++;
    }
    CHECK_INT(count, 5000);
    CHECK_TRUE(same > 4900);
}

TEST(prints_json) {
    struct bench *bench = bench_open_plain(test);
    static const char *const CASES[][2] = {
        {"170141183460469231731687303715884105727::hugeint", "170141183460469231731687303715884105727"},
        {"1.50::decimal(4,2)", "1.50"},
        {"1.0::double", "1.0"},
        {"'nan'::double", "\"nan\""},
        {"'-infinity'::float", "\"-inf\""},
        {"true", "true"},
        {"NULL", "null"},
        {"date '2024-02-29'", "\"2024-02-29\""},
        {"'a\"b' || chr(10) || 'c'", "\"a\\\"b\\nc\""},
        {"[1, NULL, 3]", "[1,null,3]"},
        {"{'a': [{'b': 'x'}], 'c': NULL}", "{\"a\":[{\"b\":\"x\"}],\"c\":null}"},
        {"map {'k': 1, 'l': NULL}", "{\"k\":1,\"l\":null}"},
        {"map {1: [2]}", "{\"1\":[2]}"},
        {"row(1, 'x')", "[1,\"x\"]"},
        {"union_value(n := 5)", "5"},
        {"[1, 2]::int[2]", "[1,2]"},
        {"'\\xAA'::blob", "\"\\\\xAA\""},
        {"interval '1 day'", "\"1 day\""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        CHECK_STR(bench_ask(test, bench, pf_arena_printf(test->arena, "SELECT %s", CASES[i][0]).ptr, true),
                  CASES[i][1]);
}

TEST(prints_what_joins_and_nesting_make) {
    struct bench *bench = bench_open_plain(test);
    /* Joins give dictionary vectors, also inside structs and lists. */
    CHECK_STR(
        bench_ask(
            test, bench,
            "SELECT sum(hash({'k': a.i, 's': b.s, 'l': [b.s, a.i::varchar]}::varchar) % 1000) = "
            "       sum(hash(x) % 1000) FROM range(5000) a(i) JOIN (SELECT range i, 'v' || range s FROM range(50)) b "
            "ON a.i % 50 = b.i, LATERAL (SELECT {'k': a.i, 's': b.s, 'l': [b.s, a.i::varchar]}::varchar x)",
            false),
        "true");
    pf_str rows =
        bench_ask(test, bench,
                  "SELECT {'k': a.i, 's': b.s, 'l': [b.s, NULL]} FROM range(5000) a(i) JOIN "
                  "(SELECT range i, 'a longer text ' || range s FROM range(50)) b ON a.i % 50 = b.i ORDER BY a.i",
                  false);
    CHECK_TRUE(
        pf_str_starts_with(rows, PF_STR("{'k': 0, 's': a longer text 0, 'l': [a longer text 0, NULL]}\n{'k': 1, ")));
    CHECK_CONTAINS(rows, "{'k': 4999, 's': a longer text 49, 'l': [a longer text 49, NULL]}");
}
