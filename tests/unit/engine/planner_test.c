/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "engine_support.h"

#include <pthread.h>
#include <stdio.h>

static struct bench *open_planner(struct pf_test *test) {
    struct pf_engine_options options = {.threads = 1, .is_planner = true, .is_locked = true};
    return bench_open(test, &options);
}

static void define(struct pf_test *test, struct bench *bench, const char *name, const char *scan_name,
                   const char *columns, int64_t row_count) {
    pf_str *names = PF_ARENA_ARRAY(test->arena, pf_str, 8), *types = PF_ARENA_ARRAY(test->arena, pf_str, 8);
    struct pf_table_shape shape = {.schema = PF_STR("main"),
                                   .name = pf_str_from_cstr(name),
                                   .scan_name = pf_str_from_cstr(scan_name),
                                   .column_names = names,
                                   .column_types = types,
                                   .row_count = row_count};
    pf_str rest = pf_str_from_cstr(columns), part;
    while (pf_str_next(&rest, ';', &part)) {
        size_t space = pf_str_find_char(part, ' ', 0);
        names[shape.column_count] = pf_str_slice(part, 0, space);
        types[shape.column_count++] = pf_str_slice(part, space + 1, part.len);
    }
    CHECK_OK(pf_engine_define_table(bench->engine, &shape, &test->err));
}

static void define_all(struct pf_test *test, struct bench *bench) {
    define(test, bench, "fact", "main.fact@1", "k BIGINT;d INTEGER;v DECIMAL(15,2);t STRUCT(a INTEGER, b VARCHAR[])",
           6000000);
    define(test, bench, "dim", "main.dim@1", "d INTEGER;name VARCHAR", 100);
    define(test, bench, "mid", "main.mid@1", "k BIGINT;x VARCHAR", 150000);
}

/* Operators in pre-order. */
static int count_plan_operators(pf_json *op) {
    int count = 1;
    for (struct pf_json_each each = pf_json_each(pf_json_get(op, "children")); pf_json_next(&each);)
        count += count_plan_operators(each.value);
    return count;
}

TEST(plans_with_estimates_of_the_same_shape) {
    struct bench *bench = open_planner(test);
    struct pf_plan_texts texts;
    define_all(test, bench);
    CHECK_OK(
        pf_session_plan(bench->session,
                        PF_STR("SELECT name, x, sum(v) FROM fact JOIN dim USING (d) JOIN mid USING (k) WHERE x = 'a' "
                               "GROUP BY ALL ORDER BY 3 DESC LIMIT 10"),
                        test->arena, &texts, &test->err));
    pf_json *plan, *estimates;
    CHECK_OK(pf_json_parse(texts.plan_json, test->arena, "plan", &plan, &test->err));
    CHECK_OK(pf_json_parse(texts.estimates_json, test->arena, "estimates", &estimates, &test->err));
    struct pf_json_each plans = pf_json_each(pf_json_get(plan, "plans")), tops = pf_json_each(estimates);
    CHECK_TRUE(pf_json_next(&plans));
    CHECK_TRUE(pf_json_next(&tops));
    CHECK_TRUE(count_plan_operators(plans.value) >= 7);
    CHECK_INT(count_plan_operators(tops.value), count_plan_operators(plans.value));
    CHECK_CONTAINS(texts.plan_json, "main.fact@1");
    CHECK_CONTAINS(texts.estimates_json, "6000000");
    CHECK_CONTAINS(texts.estimates_json, "Estimated Cardinality");
}

/* The larger table is probed, the smaller one built (DuckDB's right child). */
TEST(orders_joins_by_row_counts) {
    struct bench *bench = open_planner(test);
    struct pf_plan_texts texts;
    const char *sql = "SELECT count(*) FROM a JOIN b ON a.k = b.k";
    for (int turn = 0; turn < 2; turn++) {
        define(test, bench, "a", turn ? "main.a@2" : "main.a@1", "k BIGINT", turn ? 10 : 1000000);
        define(test, bench, "b", turn ? "main.b@2" : "main.b@1", "k BIGINT", turn ? 1000000 : 10);
        CHECK_OK(pf_session_plan(bench->session, pf_str_from_cstr(sql), test->arena, &texts, &test->err));
        size_t a = pf_str_find(texts.plan_json, turn ? PF_STR("main.a@2") : PF_STR("main.a@1"), 0);
        size_t b = pf_str_find(texts.plan_json, turn ? PF_STR("main.b@2") : PF_STR("main.b@1"), 0);
        CHECK_TRUE(a != SIZE_MAX && b != SIZE_MAX);
        CHECK_TRUE(turn ? b < a : a < b);
    }
}

TEST(follows_a_table_that_changes) {
    struct bench *bench = open_planner(test);
    struct pf_plan_texts texts;
    define(test, bench, "t", "main.t@1", "a INTEGER", 5);
    define(test, bench, "t", "main.t@1", "a INTEGER", 5);
    CHECK_FAILS(pf_session_plan(bench->session, PF_STR("SELECT b FROM t"), test->arena, &texts, &test->err), PF_INVALID,
                "\"b\"");
    define(test, bench, "T", "main.t@2", "a INTEGER;b TIMESTAMP WITH TIME ZONE", 7);
    CHECK_OK(pf_session_plan(bench->session, PF_STR("SELECT b FROM t"), test->arena, &texts, &test->err));
    CHECK_CONTAINS(texts.plan_json, "main.t@2");
    struct pf_table_shape other = {.schema = PF_STR("a.b"), .name = PF_STR("t"), .scan_name = PF_STR("a.b.t@1")};
    pf_str column = PF_STR("single"), type = PF_STR("VARCHAR");
    other.column_names = &column;
    other.column_types = &type;
    other.column_count = 1;
    CHECK_OK(pf_engine_define_table(bench->engine, &other, &test->err));
    CHECK_OK(pf_session_plan(bench->session, PF_STR("SELECT single FROM \"a.b\".t"), test->arena, &texts, &test->err));
    type = PF_STR("NONSENSE");
    other.scan_name = PF_STR("a.b.t@2");
    CHECK_FAILS(pf_engine_define_table(bench->engine, &other, &test->err), PF_INVALID, "unknown type 'NONSENSE'");
}

TEST(says_why_it_cannot_plan) {
    struct bench *bench = open_planner(test);
    struct pf_plan_texts texts;
    define_all(test, bench);
    CHECK_FAILS(pf_session_plan(bench->session, PF_STR("SELECT nope FROM fact"), test->arena, &texts, &test->err),
                PF_INVALID, "nope");
    CHECK_FAILS(pf_session_plan(bench->session, PF_STR("SELECT * FROM fict"), test->arena, &texts, &test->err),
                PF_INVALID, "fict");
    CHECK_FAILS(pf_session_plan(bench->session, PF_STR("PIVOT dim ON name"), test->arena, &texts, &test->err),
                PF_UNSUPPORTED, "");
    CHECK_FAILS(pf_session_run(bench->session, PF_STR("SELECT count(*) FROM fact"), &test->err), PF_INVALID,
                "for planning");
}

TEST(defines_views_for_running) {
    struct pf_engine_options options = {.threads = 1, .keep_order = true};
    struct bench *bench = bench_open(test, &options);
    CHECK_OK(pf_engine_define_view(bench->engine, PF_STR("lake"), PF_STR("v"), PF_STR("SELECT 1 AS a"), &test->err));
    CHECK_STR(bench_ask(test, bench, "SELECT a FROM lake.v", false), "1");
    CHECK_OK(pf_engine_define_view(bench->engine, PF_STR("lake"), PF_STR("v"), PF_STR("SELECT 2 AS a"), &test->err));
    CHECK_STR(bench_ask(test, bench, "SELECT a FROM lake.v", false), "2");
    struct pf_table_shape shape = {.name = PF_STR("t")};
    CHECK_FAILS(pf_engine_define_table(bench->engine, &shape, &test->err), PF_BUG, "planner");
}

static void *plan_many(void *what) {
    struct bench *bench = what;
    struct pf_session *session;
    struct pf_error err;
    intptr_t bad = pf_session_open(bench->engine, &session, &err) != PF_OK;
    for (int i = 0; !bad && i < 30; i++) {
        struct pf_arena *arena = pf_arena_new(NULL, "plan");
        struct pf_plan_texts texts;
        bad = pf_session_plan(session, PF_STR("SELECT a FROM t"), arena, &texts, &err) != PF_OK;
        if (bad) fprintf(stderr, "%s\n", err.message);
        pf_arena_free(arena);
    }
    if (!bad) pf_session_close(session);
    return (void *)bad;
}

TEST_WITH_LIMIT(plans_while_tables_change, 60) {
    struct bench *bench = open_planner(test);
    pthread_t threads[2];
    define(test, bench, "t", "main.t@0", "a INTEGER", 1);
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, plan_many, bench);
    for (int i = 1; i < 20; i++)
        define(test, bench, "t", pf_arena_printf(test->arena, "main.t@%d", i).ptr, "a INTEGER", i);
    for (int i = 0; i < 2; i++) {
        void *bad;
        pthread_join(threads[i], &bad);
        CHECK_NULL(bad);
    }
}
