/* SPDX-License-Identifier: MIT */
/* Statements about rows, parsed only: what is one, and where others are wrong. */
#include "icecap/clauses.h"
#include "icecap/icecap.h"

#include "support/test.h"

static void check_kind(struct pf_test *test, const char *sql, const char *kind) {
    pf_str found = PF_STR_EMPTY;
    CHECK_OK(pf_icecap_parse(pf_str_from_cstr(sql), test->arena, &found, &test->err));
    CHECK_STR(found, kind);
}

static void check_fails(struct pf_test *test, const char *sql, enum pf_code code, const char *part) {
    pf_str found;
    CHECK_FAILS(pf_icecap_parse(pf_str_from_cstr(sql), test->arena, &found, &test->err), code, part);
}

TEST(statements_about_rows_are_parsed) {
    check_kind(test, "DELETE FROM t", "DELETE");
    check_kind(test, "delete from a.b.t as x using u, (select 1) v(i) where x.i = v.i -- end", "DELETE");
    check_kind(test, "WITH w AS (SELECT 1) DELETE FROM t WHERE i IN (FROM w);", "DELETE");
    check_kind(test, "TRUNCATE TABLE \"odd name\"", "TRUNCATE");
    check_kind(
        test, "UPDATE t SET a = CASE WHEN b THEN 1 ELSE (SELECT 2 FROM x) END, (c, d) = (1, f(2, 3)) FROM u WHERE true",
        "UPDATE");
    check_kind(test, "UPDATE t x SET a = b IS DISTINCT FROM c WHERE x.d IS NOT DISTINCT FROM 1", "UPDATE");
    check_kind(
        test,
        "MERGE INTO t USING (SELECT 1 AS i) s ON t.i = s.i WHEN MATCHED AND CASE WHEN s.i THEN true END THEN DELETE "
        "WHEN MATCHED THEN UPDATE SET a = CASE WHEN true THEN 1 END WHEN NOT MATCHED BY SOURCE THEN DO NOTHING "
        "WHEN NOT MATCHED BY TARGET THEN INSERT (i) VALUES (s.i)",
        "MERGE");
    check_kind(test, "MERGE INTO t AS a USING s b USING (i, j) WHEN NOT MATCHED THEN INSERT *", "MERGE");
    check_kind(test,
               "MERGE INTO t USING s ON true WHEN MATCHED THEN ERROR 'x' || 1 WHEN NOT MATCHED THEN INSERT BY NAME",
               "MERGE");
}

TEST(statements_about_rows_say_where_they_are_wrong) {
    check_fails(test, "DELETE t", PF_INVALID, "DELETE FROM is expected");
    check_fails(test, "DELETE FROM t WHERE", PF_INVALID, "a condition");
    check_fails(test, "DELETE FROM t WHERE a RETURNING *", PF_UNSUPPORTED, "RETURNING");
    check_fails(test, "DELETE FROM t WHERE a) b", PF_INVALID, "the end of the statement");
    check_fails(test, "UPDATE t SET", PF_INVALID, "the name of a column");
    check_fails(test, "UPDATE t SET a = 1, A = 2", PF_INVALID, "set twice");
    check_fails(test, "UPDATE t SET t.a = 1", PF_INVALID, "by its name alone");
    check_fails(test, "UPDATE t SET (a, b) = (1, 2, 3)", PF_INVALID, "2 columns are set to 3 values");
    check_fails(test, "MERGE INTO t USING s WHEN MATCHED THEN DELETE", PF_INVALID, "is expected");
    check_fails(test, "MERGE INTO t USING s ON true", PF_INVALID, "WHEN");
    check_fails(test, "MERGE INTO t USING s ON true WHEN MATCHED DELETE", PF_INVALID, "THEN");
    check_fails(test, "MERGE INTO t USING s ON true WHEN NOT MATCHED THEN DELETE", PF_INVALID, "BY SOURCE");
    check_fails(test, "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE WHEN MATCHED AND a THEN DELETE",
                PF_INVALID, "no row comes to it");
    check_fails(test, "MERGE INTO t USING s ON true WHEN NOT MATCHED THEN INSERT (a, b) VALUES (1)", PF_INVALID,
                "2 columns and has 1 values");
}

TEST(time_is_the_same_wherever_it_is_read) {
    pf_str sql =
        PF_STR("SELECT now(), current_date, t.now(), 'now()', current_timestamp, today (), a.current_date, now");
    CHECK_STR(clause_freeze_time(sql, INT64_C(1700000000123456), test->arena),
              "SELECT TIMESTAMPTZ '2023-11-14 22:13:20.123456+00', DATE '2023-11-14', t.now(), 'now()', "
              "TIMESTAMPTZ '2023-11-14 22:13:20.123456+00', DATE '2023-11-14', a.current_date, now");
}

TEST(functions_that_change_are_found) {
    CHECK_STR(clause_find_volatile(PF_STR("sum,random,lower")), "random");
    CHECK_UINT(clause_find_volatile(PF_STR("sum,randomize")).len, 0);
    CHECK_UINT(clause_find_volatile(PF_STR_EMPTY).len, 0);
}
