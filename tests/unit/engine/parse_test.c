/* SPDX-License-Identifier: MIT */
#include "engine_support.h"

static const char *const KINDS[] = {"select", "explain", "show", "other"};

/* "kind TEXT tables functions" */
static pf_str parsed(struct pf_test *test, struct bench *bench, const char *sql) {
    struct pf_statement statement;
    struct pf_buf text;
    CHECK_OK(pf_session_parse(bench->session, pf_str_from_cstr(sql), test->arena, &statement, &test->err));
    pf_buf_init(&text, 1 << 16);
    pf_buf_printf(&text, "%s %.*s", KINDS[statement.kind], PF_STR_ARG(statement.kind_text));
    for (size_t i = 0; i < statement.table_count; i++) {
        const struct pf_table_name *table = &statement.tables[i];
        pf_buf_put_char(&text, ' ');
        if (table->catalog.len) pf_buf_printf(&text, "%.*s.", PF_STR_ARG(table->catalog));
        if (table->schema.len) pf_buf_printf(&text, "%.*s.", PF_STR_ARG(table->schema));
        pf_buf_put_str(&text, table->name);
    }
    if (statement.functions_text.len) pf_buf_printf(&text, " (%.*s)", PF_STR_ARG(statement.functions_text));
    pf_str copy = pf_arena_str(test->arena, pf_buf_view(&text));
    pf_buf_clear(&text);
    return copy;
}

TEST(tells_kind_tables_and_functions) {
    static const char *const CASES[][2] = {
        {"SELECT * FROM a.b.c, d WHERE x IN (SELECT y FROM e)", "select SELECT a.b.c d e"},
        {"WITH q AS (FROM f) SELECT count(*) FROM q JOIN g USING (x)", "select SELECT f q g (count_star)"},
        {"SELECT sum(x) OVER (), Lower('a') FROM t", "select SELECT t (sum,lower)"},
        {"SELECT * FROM \"My Table\".\"x\"\"y\";", "select SELECT My Table.x\"y"},
        {"FROM read_parquet('x')", "select FROM (read_parquet)"},
        {"VALUES (1)", "select VALUES"},
        {"(SELECT 1 FROM k)", "select SELECT k"},
        {"SELECT $1 FROM t", "select SELECT t"},
        {"SELECT * FROM t AT (VERSION => 3)", "select SELECT t"},
        {"SHOW TABLES", "show SHOW"},
        {"DESCRIBE orders", "show DESCRIBE orders"},
        {"SUMMARIZE s.t3", "show SUMMARIZE s.t3"},
        {"DESCRIBE SELECT * FROM o2", "show DESCRIBE o2"},
        {"EXPLAIN SELECT * FROM zz", "explain EXPLAIN zz"},
        {"explain analyze SELECT 1 FROM yy", "explain EXPLAIN ANALYZE yy"},
        {"EXPLAIN (FORMAT json) SELECT * FROM xx", "explain EXPLAIN xx"},
        {"EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM xx", "explain EXPLAIN ANALYZE xx"},
        {"INSERT INTO t SELECT * FROM s", "other INSERT t s"},
        {"WITH q AS (SELECT 1 FROM a) DELETE FROM t USING u", "other DELETE a t u"},
        {"CREATE TABLE x AS SELECT * FROM y", "other CREATE x y"},
        {"MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "other MERGE t s"},
        {"PIVOT cities ON year USING sum(pop)", "select PIVOT cities (sum)"},
        {"SELECT * FROM (PIVOT cities ON year IN (1, 2) USING sum(pop))", "select SELECT cities (sum)"},
        {"SET threads=1", "other SET"},
        {"CALL pragma_version()", "other CALL (pragma_version)"},
    };
    struct bench *bench = bench_open_plain(test);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) CHECK_STR(parsed(test, bench, CASES[i][0]), CASES[i][1]);
}

TEST(refuses_what_is_not_one_statement) {
    struct bench *bench = bench_open_plain(test);
    struct pf_statement statement;
    CHECK_FAILS(pf_session_parse(bench->session, PF_STR("SELECT * FROM"), test->arena, &statement, &test->err),
                PF_INVALID, "syntax error at end of input (at character 14)");
    CHECK_FAILS(pf_session_parse(bench->session, PF_STR("SELEC 1"), test->arena, &statement, &test->err), PF_INVALID,
                "SELEC");
    CHECK_FAILS(pf_session_parse(bench->session, PF_STR("SELECT 1; SELECT 2"), test->arena, &statement, &test->err),
                PF_UNSUPPORTED, "2 statements");
    CHECK_FAILS(pf_session_parse(bench->session, PF_STR(" ; -- x"), test->arena, &statement, &test->err), PF_INVALID,
                "empty");
}

TEST_WITH_LIMIT(reads_deep_expressions, 60) {
    struct bench *bench = bench_open_plain(test);
    struct pf_buf sql;
    pf_buf_init(&sql, 1 << 20);
    pf_buf_put_cstr(&sql, "SELECT 1");
    for (int i = 0; i < 600; i++) pf_buf_put_cstr(&sql, " + 1");
    pf_buf_put_cstr(&sql, " FROM deep");
    pf_str text = pf_arena_str(test->arena, pf_buf_view(&sql));
    pf_buf_clear(&sql);
    CHECK_CONTAINS(parsed(test, bench, text.ptr), "deep");
}

static pf_str qualified(struct pf_test *test, const char *sql) {
    return pf_sql_qualify(pf_str_from_cstr(sql), PF_STR("system"), PF_STR("queries"), PF_STR("memory"), test->arena);
}

TEST(puts_the_catalog_before_a_table) {
    CHECK_STR(qualified(test, "FROM system.queries"), "FROM memory.system.queries");
    CHECK_STR(qualified(test, "SELECT a.b FROM System . \"queries\" q, system.tasks -- system.queries"),
              "SELECT a.b FROM memory.System . \"queries\" q, system.tasks -- system.queries");
    CHECK_STR(qualified(test, "FROM memory.system.queries"), "FROM memory.system.queries");
    CHECK_STR(qualified(test, "SELECT 'system.queries', system.queries.id FROM (FROM system.queries)x"),
              "SELECT 'system.queries', memory.system.queries.id FROM (FROM memory.system.queries)x");
    CHECK_STR(qualified(test, ""), "");
}
