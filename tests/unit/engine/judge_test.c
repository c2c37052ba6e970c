/* SPDX-License-Identifier: MIT */
#include "engine_support.h"

static struct pf_repeatability judged(struct pf_test *test, struct bench *bench, const char *sql) {
    struct pf_statement statement;
    struct pf_repeatability verdict;
    CHECK_OK(pf_session_parse(bench->session, pf_str_from_cstr(sql), test->arena, &statement, &test->err));
    CHECK_OK(pf_session_judge(bench->session, &statement, test->arena, &verdict, &test->err));
    return verdict;
}

TEST(takes_what_depends_on_its_tables_alone_for_repeatable) {
    static const char *const CASES[] = {
        "SELECT 1",
        "SELECT count(*), sum(a + b * 2), avg(c) FROM t WHERE d LIKE 'x%' GROUP BY ALL",
        "WITH q AS (SELECT upper(a) AS u FROM t) SELECT * FROM q JOIN s USING (u) ORDER BY ALL LIMIT 3",
        "SELECT row_number() OVER (ORDER BY x), lag(x) OVER (), rank() OVER (ORDER BY y) FROM t",
        "SELECT extract(year FROM d), d + INTERVAL 1 DAY, d::VARCHAR, CASE WHEN a THEN 1 END FROM t",
        "SELECT list_transform([1, 2], x -> x + 1), {'a': 1}, [a FOR a IN b], list_sum(l), nullif(a, b) FROM t",
        "SELECT * FROM range(10) r(i), unnest([1, 2]) u(j), generate_series(1, 3)",
        "SELECT t.current_date, count(DISTINCT a) FILTER (WHERE b) FROM t QUALIFY count(*) OVER () > 1",
        "SELECT coalesce(a, b), a IN (SELECT c FROM s), EXISTS (FROM s), substring(n, 1, 2), trim(n) FROM t",
        "SELECT date_trunc('month', d), strftime(d, '%Y'), regexp_matches(n, 'a'), quantile_cont(x, 0.5) FROM t",
    };
    struct bench *bench = bench_open_plain(test);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct pf_repeatability verdict = judged(test, bench, CASES[i]);
        CHECK_STR(verdict.reason, "");
        CHECK_UINT(verdict.fingerprint.len, 64);
    }
}

TEST(takes_all_else_for_changing) {
    static const char *const CASES[][2] = {
        {"SELECT random()", "random"},
        {"SELECT Random() FROM t", "andom"},
        {"SELECT now() - INTERVAL 1 DAY", "now"},
        {"SELECT CURRENT_DATE FROM t", "CURRENT_DATE"},
        {"SELECT a FROM t WHERE d < current_timestamp", "current_timestamp"},
        {"SELECT localtime", "localtime"},
        {"SELECT localtimestamp FROM t", "localtimestamp"},
        {"SELECT get_current_timestamp()", "get_current_timestamp"},
        {"SELECT current_localtimestamp()", "current_localtimestamp"},
        {"SELECT user", "user"},
        {"SELECT session_user()", "session_user"},
        {"SELECT age(d) FROM t", "age"},
        {"SELECT ago(INTERVAL 1 HOUR)", "ago"},
        {"SELECT nextval('s')", "nextval"},
        {"SELECT getvariable('x')", "getvariable"},
        {"SELECT current_setting('threads')", "current_setting"},
        {"SELECT uuid(), gen_random_uuid()", "uuid"},
        {"SELECT setseed(0.5)", "setseed"},
        {"SELECT txid_current()", "txid_current"},
        {"SELECT current_schemas(true)", "current_schemas"},
        {"SELECT unheard_of(a) FROM t", "unheard_of"},
        {"SELECT * FROM read_csv('x.csv')", "read_csv"},
        {"SELECT * FROM read_parquet('x.parquet')", "read_parquet"},
        {"SELECT * FROM glob('*')", "glob"},
        {"SELECT * FROM duckdb_tables()", "duckdb_tables"},
        {"SELECT * FROM duckdb_settings()", "duckdb_settings"},
        {"SELECT * FROM query('SELECT 1')", "query"},
        {"SELECT * FROM query_table('t')", "query_table"},
        {"SELECT * FROM histogram(t, a)", "histogram"},
        {"SELECT (SELECT max(a) FROM s WHERE b > (SELECT random()))", "random"},
        {"WITH q AS (SELECT now() AS n) SELECT * FROM q", "now"},
        {"SELECT * FROM range(random()::INT)", "random"},
        {"SELECT sum(a) OVER (ORDER BY random()) FROM t", "random"},
        {"SELECT a FROM t ORDER BY random()", "random"},
        {"SELECT sum(a) FILTER (WHERE random() > 0.5) FROM t", "random"},
        {"SELECT list_transform(l, x -> x + random()) FROM t", "random"},
        {"SELECT * FROM t TABLESAMPLE 10%", "SAMPLE"},
        {"SELECT * FROM t USING SAMPLE 5", "SAMPLE"},
        {"SELECT * FROM t AT (VERSION => 3)", "AT"},
        {"SELECT * FROM (DESCRIBE t)", "DESCRIBE"},
        {"SHOW TABLES", "SHOW"},
        {"SUMMARIZE t", "SUMMARIZE"},
        {"EXPLAIN SELECT 1", "EXPLAIN"},
        {"PIVOT t ON a USING sum(b)", "PIVOT"},
        {"INSERT INTO t VALUES (1)", "INSERT"},
    };
    struct bench *bench = bench_open_plain(test);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        CHECK_CONTAINS(judged(test, bench, CASES[i][0]).reason, CASES[i][1]);
    }
}

TEST(blanks_and_comments_are_no_difference_and_all_else_is) {
    struct bench *bench = bench_open_plain(test);
    pf_str plain = judged(test, bench, "SELECT a,'x' FROM t WHERE b>1").fingerprint;
    static const char *const SAME[] = {"select  a , 'x'\nfrom t -- all\nwhere b > 1",
                                       "SELECT a,'x'FROM t WHERE/**/b>1;"};
    static const char *const OTHERS[] = {"SELECT A,'x' FROM t WHERE b>1",         "SELECT a,'X' FROM t WHERE b>1",
                                         "SELECT a,'x ' FROM t WHERE b>1",        "SELECT a,'x' FROM t WHERE b>2",
                                         "SELECT a,'x' FROM s WHERE b>1",         "SELECT a,'x' AS c FROM t WHERE b>1",
                                         "SELECT a,'x' FROM main.t WHERE b>1",    "SELECT a,'x' FROM t WHERE b>1.0",
                                         "SELECT a,'x' FROM t WHERE b>1 LIMIT 1", "SELECT 'x',a FROM t WHERE b>1"};
    for (size_t i = 0; i < sizeof SAME / sizeof *SAME; i++) {
        CHECK_STR(judged(test, bench, SAME[i]).fingerprint, pf_arena_cstr(test->arena, plain));
    }
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++) {
        CHECK_FALSE(pf_str_equal(judged(test, bench, OTHERS[i]).fingerprint, plain));
    }
    /* A text that looks like what is left out. */
    CHECK_FALSE(pf_str_equal(judged(test, bench, "SELECT '\"query_location\":1'").fingerprint,
                             judged(test, bench, "SELECT '\"query_location\":2'").fingerprint));
}

TEST(names_what_with_defines) {
    struct bench *bench = bench_open_plain(test);
    struct pf_repeatability verdict = judged(
        test, bench,
        "WITH a AS (SELECT 1), B AS (WITH c AS (SELECT 2) FROM c) SELECT * FROM a, b, (WITH d AS (FROM a) FROM d)");
    pf_str names = PF_STR_EMPTY;
    for (size_t i = 0; i < verdict.cte_count; i++) {
        names = pf_arena_printf(test->arena, "%.*s %.*s", PF_STR_ARG(names), PF_STR_ARG(verdict.cte_names[i]));
    }
    CHECK_UINT(verdict.cte_count, 4);
    CHECK_CONTAINS(names, "B");
    CHECK_CONTAINS(names, "d");
}
