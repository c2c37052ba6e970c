/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "engine_support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t resident_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    char line[128];
    long long pages = 0;
    if (file) {
        char *second = fgets(line, sizeof line, file) ? strchr(line, ' ') : NULL;
        if (second) pages = strtoll(second, NULL, 10);
        fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

TEST_WITH_LIMIT(streams_without_keeping_rows, 60) {
    struct bench *bench = bench_open_plain(test);
    struct pf_rows *rows;
    const struct pf_chunk *chunk;
    int64_t count = 0, sum = 0, before = resident_bytes();
    CHECK_OK(pf_session_query(bench->session, PF_STR("SELECT range, range AS b, range AS c FROM range(20000000)"),
                              &rows, &test->err));
    for (;;) {
        CHECK_OK(pf_rows_next(rows, &chunk, &test->err));
        if (!chunk) break;
        count += (int64_t)chunk->row_count;
        sum += ((const int64_t *)chunk->columns[0].data)[0] % 2;
    }
    pf_rows_close(rows);
    CHECK_INT(count, 20000000);
    CHECK_INT(sum, 0);                                 /* chunks begin at even numbers */
    CHECK_TRUE(resident_bytes() - before < 300 << 20); /* the rows are 480 MB */
}

TEST(closes_a_stream_that_was_not_read_to_its_end) {
    struct bench *bench = bench_open_plain(test);
    struct pf_rows *rows;
    const struct pf_chunk *chunk;
    CHECK_OK(pf_session_query(bench->session, PF_STR("SELECT * FROM range(100000000)"), &rows, &test->err));
    CHECK_OK(pf_rows_next(rows, &chunk, &test->err));
    pf_rows_close(rows);
    CHECK_STR(bench_ask(test, bench, "SELECT 1", false), "1");
}

static void *interrupt_later(void *what) {
    pf_clock_sleep_ms(200);
    pf_session_interrupt(what);
    return NULL;
}

TEST_WITH_LIMIT(stops_a_query_from_another_thread, 60) {
    struct bench *bench = bench_open_plain(test);
    pthread_t thread;
    pf_session_interrupt(bench->session); /* harmless */
    CHECK_STR(bench_ask(test, bench, "SELECT 1", false), "1");
    pthread_create(&thread, NULL, interrupt_later, bench->session);
    int64_t start = pf_clock_mono_ms();
    CHECK_FAILS(
        pf_session_run(bench->session,
                       PF_STR("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 7"),
                       &test->err),
        PF_CANCELLED, "");
    pthread_join(thread, NULL);
    CHECK_TRUE(pf_clock_mono_ms() - start < 10000);
    CHECK_STR(bench_ask(test, bench, "SELECT 2", false), "2");
}

TEST_WITH_LIMIT(stops_a_stream_from_another_thread, 60) {
    struct bench *bench = bench_open_plain(test);
    struct pf_rows *rows;
    const struct pf_chunk *chunk;
    pthread_t thread;
    CHECK_OK(pf_session_query(bench->session, PF_STR("SELECT * FROM range(100000000000)"), &rows, &test->err));
    pthread_create(&thread, NULL, interrupt_later, bench->session);
    enum pf_code code;
    do code = pf_rows_next(rows, &chunk, &test->err);
    while (code == PF_OK && chunk);
    pthread_join(thread, NULL);
    CHECK_INT(code, PF_CANCELLED);
    pf_rows_close(rows);
}

/* Each of these ends the process, or makes the instance unusable, where DuckDB 1.5 chooses its IE join. */
TEST(outer_joins_by_ranges_end_no_process) {
    static const char *const OUTER[] = {
        "SELECT count(*)::VARCHAR FROM (SELECT a.i FROM range(3000) a(i) LEFT JOIN range(3000) b(i) ON a.i BETWEEN b.i "
        "+ 10000 AND b.i + 20000)",
        "SELECT count(a.s)::VARCHAR || count(*) FROM (SELECT (range * 7) % 9000 AS i, {'x': range} AS s FROM "
        "range(3000)) a RIGHT JOIN range(5000) b(i) ON a.i >= b.i + 10000 AND a.i < b.i + 20000",
        "SELECT count(a.s)::VARCHAR || count(*) FROM (SELECT range AS i, {'x': range} AS s FROM range(3000)) a full "
        "JOIN range(5000) b(i) ON a.i > b.i + 10000 AND a.i < b.i + 20000"};
    static const char *const ANSWERS[] = {"3000", "05000", "30008000"};
    struct pf_engine_options options = {.threads = 2, .is_locked = true};
    struct bench *bench = bench_open(test, &options);
    for (size_t i = 0; i < sizeof OUTER / sizeof *OUTER; i++) {
        CHECK_STR(bench_ask(test, bench, OUTER[i], false), ANSWERS[i]);
        CHECK_OK(pf_session_run(bench->session, pf_str_from_cstr(OUTER[i]), &test->err));
    }
    CHECK_TRUE(!pf_engine_is_broken(bench->engine));
    /* Afterwards the setting is DuckDB's again. */
    CHECK_STR(bench_ask(test, bench, "SELECT current_setting('merge_join_threshold')::VARCHAR", false), "1000");
}

/* The text given to query() hides the join from what makes it harmless; a locked instance refuses query(). */
TEST(an_instance_that_an_internal_error_broke_is_told_apart) {
    struct pf_engine_options options = {.threads = 2};
    struct bench *bench = bench_open(test, &options);
    struct pf_rows *rows;
    CHECK_TRUE(!pf_engine_is_broken(bench->engine));
    CHECK_FAILS(pf_session_run(bench->session, PF_STR("SELECT error('mine')"), &test->err), PF_INVALID, "mine");
    CHECK_TRUE(!pf_engine_is_broken(bench->engine));
    CHECK_FAILS(pf_session_run(bench->session,
                               PF_STR("SELECT * FROM query('SELECT a.s, b.i FROM (SELECT (range * 7) % 9000 AS i, "
                                      "{''x'': range} AS s FROM range(3000)) a RIGHT JOIN range(5000) b(i) ON a.i >= "
                                      "b.i + 10000 AND a.i < b.i + 20000')"),
                               &test->err),
                PF_BUG, "INTERNAL Error");
    CHECK_TRUE(pf_engine_is_broken(bench->engine));
    /* Others on that instance are told to try again; that it was not their fault. */
    CHECK_FAILS(pf_session_query(bench->session, PF_STR("SELECT 1"), &rows, &test->err), PF_REMOTE, "invalidated");
    struct bench *next = bench_open(test, &options);
    CHECK_TRUE(!pf_engine_is_broken(next->engine));
    CHECK_STR(bench_ask(test, next, "SELECT 'fine'", false), "fine");
}

TEST(keeps_duckdbs_message_and_gives_it_a_code) {
    static const struct {
        const char *sql;
        enum pf_code code;
        const char *part;
    } CASES[] = {
        {"SELECT * FROM nope", PF_INVALID, "Table with name nope does not exist"},
        {"SELECT x FROM range(1)", PF_INVALID, "Referenced column \"x\" not found"},
        {"SELEC 1", PF_INVALID, "syntax error"},
        {"SELECT 'a'::INTEGER", PF_INVALID, "Could not convert string 'a'"},
        {"SELECT error('mine')", PF_INVALID, "mine"},
        {"SELECT * FROM read_parquet('/nowhere/x.parquet')", PF_NOT_FOUND, "No files found"},
        {"SELECT 1; SELECT 2", PF_UNSUPPORTED, "several statements"},
        {"", PF_INVALID, "empty"},
        {"-- nothing", PF_INVALID, "empty"},
        {"INSTALL httpfs_of_tomorrow", PF_REMOTE, ""},
    };
    struct bench *bench = bench_open_plain(test);
    struct pf_rows *rows;
    for (size_t i = 0; i + 1 < sizeof CASES / sizeof *CASES; i++)
        CHECK_FAILS(pf_session_query(bench->session, pf_str_from_cstr(CASES[i].sql), &rows, &test->err), CASES[i].code,
                    CASES[i].part);
}

TEST(finds_corrupt_parquet) {
    struct bench *bench = bench_open_plain(test);
    pf_str path = pf_arena_printf(test->arena, "%s/bad.parquet", pf_test_folder());
    FILE *file = fopen(path.ptr, "w");
    CHECK_NOT_NULL(file);
    for (int i = 0; i < 100; i++) fputs("this is not a file ", file);
    fclose(file);
    struct pf_rows *rows;
    pf_str sql = pf_arena_printf(test->arena, "SELECT * FROM read_parquet('%s')", path.ptr);
    CHECK_FAILS(pf_session_query(bench->session, sql, &rows, &test->err), PF_CORRUPT, "magic bytes");
}

TEST(runs_out_of_memory_with_an_error) {
    struct pf_engine_options options = {.threads = 1, .memory_limit_bytes = 20 << 20};
    struct bench *bench = bench_open(test, &options);
    CHECK_FAILS(
        pf_session_run(
            bench->session,
            PF_STR("SELECT count(*) FROM (SELECT DISTINCT range, range::VARCHAR || 'a long text' FROM range(5000000))"),
            &test->err),
        PF_NO_MEMORY, "Out of Memory");
    CHECK_STR(bench_ask(test, bench, "SELECT 1", false), "1");
}

TEST(runs_statements_that_duckdb_splits) {
    struct bench *bench = bench_open_plain(test);
    CHECK_OK(pf_session_run(bench->session,
                            PF_STR("CREATE TABLE c AS SELECT 'x' k, 2000 y, 1 p UNION ALL SELECT 'x', 2010, 2"),
                            &test->err));
    CHECK_STR(bench_ask(test, bench, "SELECT sum(\"2010\") FROM (PIVOT c ON y USING sum(p))", false), "2");
    CHECK_STR(bench_ask(test, bench, "PIVOT c ON y USING sum(p)", false), "x");
}

TEST(answers_small_questions) {
    struct bench *bench = bench_open_plain(test);
    pf_str text;
    CHECK_OK(pf_session_scalar(bench->session, PF_STR("SELECT 1.50::DECIMAL(4,2)"), test->arena, &text, &test->err));
    CHECK_STR(text, "1.50");
    CHECK_OK(pf_session_scalar(bench->session, PF_STR("SELECT NULL"), test->arena, &text, &test->err));
    CHECK_STR(text, "");
    CHECK_FAILS(pf_session_scalar(bench->session, PF_STR("SELECT 1 WHERE false"), test->arena, &text, &test->err),
                PF_NOT_FOUND, "no row");
}

static void *ask_many(void *what) {
    struct pf_engine *engine = what;
    struct pf_session *session;
    struct pf_arena *arena = pf_arena_new(NULL, "thread");
    struct pf_error err;
    intptr_t bad = pf_session_open(engine, &session, &err) != PF_OK;
    for (int i = 0; !bad && i < 20; i++) {
        pf_str text;
        bad = pf_session_scalar(session, PF_STR("SELECT sum(range) FROM range(100000)"), arena, &text, &err) != PF_OK ||
              !pf_str_equal(text, PF_STR("4999950000"));
    }
    if (!bad) pf_session_close(session);
    pf_arena_free(arena);
    return (void *)bad;
}

TEST_WITH_LIMIT(serves_sessions_of_several_threads, 60) {
    struct bench *bench = bench_open_plain(test);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, ask_many, bench->engine);
    for (int i = 0; i < 4; i++) {
        void *bad;
        pthread_join(threads[i], &bad);
        CHECK_NULL(bad);
    }
}
