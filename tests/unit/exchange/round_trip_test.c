/* SPDX-License-Identifier: MIT */
#include "exchange_support.h"

/* Writes `table` in `partitions` parts, reads each and all: the same rows. The table's first column is `id`. */
static void check_round_trip(struct pf_test *test, struct bench *bench, int partitions) {
    char query[200];
    if (partitions > 1)
        snprintf(query, sizeof query, "SELECT (hash(id) %% %d)::USMALLINT, * FROM t", partitions);
    else
        snprintf(query, sizeof query, "SELECT * FROM t");
    struct pf_exchange_output output = bench_write(test, bench, query, partitions);
    CHECK_INT(output.partition_count, partitions);
    bench_bind(test, bench, &output, 0, 0);
    CHECK_STR(bench_ask(test, bench, "SELECT count(*) FROM ((FROM t) EXCEPT ALL (FROM exchange_read('in')))"), "0");
    CHECK_STR(bench_ask(test, bench, "SELECT count(*) FROM ((FROM exchange_read('in')) EXCEPT ALL (FROM t))"), "0");
    CHECK_STR(bench_ask(test, bench, "SELECT (SELECT count(*) FROM t) = (SELECT count(*) FROM exchange_read('in'))"),
              "true");
    pf_exchange_unbind_input(bench->exchange, PF_STR("in"));
    for (int p = 0; p < partitions && partitions > 1; p += partitions > 8 ? 7 : 1) {
        bench_bind(test, bench, &output, p, 2);
        snprintf(
            query, sizeof query,
            "SELECT count(*) FROM ((FROM t WHERE hash(id) %% %d IN (%d, %d)) EXCEPT ALL (FROM exchange_read('in')))",
            partitions, p, p + 1);
        CHECK_STR(bench_ask(test, bench, query), "0");
        snprintf(query, sizeof query,
                 "SELECT count(*) = (SELECT count(*) FROM t WHERE hash(id) %% %d IN (%d, %d)) FROM exchange_read('in')",
                 partitions, p, p + 1);
        CHECK_STR(bench_ask(test, bench, query), "true");
        pf_exchange_unbind_input(bench->exchange, PF_STR("in"));
    }
}

static void make_table(struct pf_test *test, struct bench *bench, const char *query) {
    CHECK_OK(pf_session_run(bench->session, pf_arena_printf(test->arena, "CREATE OR REPLACE TABLE t AS %s", query),
                            &test->err));
}

TEST_WITH_LIMIT(carries_every_type, 60) {
    struct bench *bench = bench_open_files(test, 2);
    make_table(test, bench, "SELECT row_number() OVER () AS id, * FROM test_all_types()");
    check_round_trip(test, bench, 1);
    check_round_trip(test, bench, 4);
    make_table(test, bench, "SELECT range AS id, a.* FROM range(1000), test_all_types() a");
    check_round_trip(test, bench, 3);
}

TEST_WITH_LIMIT(carries_any_number_of_partitions, 60) {
    struct bench *bench = bench_open_files(test, 2);
    make_table(test, bench,
               "SELECT range AS id, CASE WHEN range % 7 = 0 THEN NULL ELSE 'a text of some length ' || range END s, "
               "[range, NULL, range * 2][1:(range % 4)::INT] l, {'x': range::DECIMAL(30,3), 'y': [range::VARCHAR]} st "
               "FROM range(50000)");
    static const int COUNTS[] = {1, 2, 3, 16, 64};
    for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++) check_round_trip(test, bench, COUNTS[i]);
    make_table(test, bench, "SELECT range AS id FROM range(3)"); /* most partitions are empty */
    check_round_trip(test, bench, 64);
}

TEST_WITH_LIMIT(carries_nested_rows_of_many_sizes, 60) {
    struct bench *bench = bench_open_files(test, 2);
    make_table(test, bench,
               "SELECT range AS id, range(range % 3000) big, "
               "CASE WHEN range % 5 = 0 THEN NULL ELSE [[x::VARCHAR for x in range(range % 9)], NULL, []] END ll, "
               "map([range, range + 1], [[range], NULL]) m, "
               "CASE WHEN range % 3 = 0 THEN union_value(n := range) ELSE union_value(n := range + 1) END u, "
               "[range, NULL]::BIGINT[2] arr, [[1, range], NULL]::BIGINT[2][2] arr2, "
               "CASE WHEN range % 4 = 0 THEN NULL ELSE {'a': NULL, 'b': {'c': [{'d': range}]}} END st, "
               "repeat('x', (range * 37 % 5000)::INT) long FROM range(3000)");
    check_round_trip(test, bench, 1);
    check_round_trip(test, bench, 5);
}

TEST_WITH_LIMIT(makes_several_blocks_and_objects, 120) {
    struct pf_exchange_options options;
    pf_exchange_default_options(&options);
    options.directory = pf_str_from_cstr(pf_test_folder());
    options.memory_bytes = 1 << 20; /* small blocks */
    struct bench *bench = bench_open(test, &options, 2);
    make_table(test, bench,
               "SELECT range AS id, range * 3 AS b, 'text number ' || (range % 1000) AS s FROM range(400000)");
    check_round_trip(test, bench, 16);
    /* A store: objects of a megabyte, each partition one range of them. */
    struct memory *memory = memory_new(test);
    options.store = memory_io(memory);
    options.directory = PF_STR_EMPTY;
    options.scratch_directory = pf_str_from_cstr(pf_test_folder());
    options.object_max_bytes = 1 << 20;
    struct bench *other = bench_open(test, &options, 2);
    make_table(test, other,
               "SELECT range AS id, hash(range) AS b, 'text number ' || hash(range % 1000) AS s FROM range(300000)");
    check_round_trip(test, other, 16);
    CHECK_TRUE(memory->count >= 4);
    struct pf_exchange_stats stats;
    pf_exchange_get_stats(other->exchange, &stats);
    CHECK_INT(stats.written_objects[PF_MEDIUM_STORE], memory->count);
    CHECK_INT(stats.written_objects[PF_MEDIUM_DIRECTORY], 0);
}

TEST(keeps_small_outputs_as_one_string) {
    struct pf_exchange_options options;
    struct memory *memory = memory_new(test);
    pf_exchange_default_options(&options);
    options.directory = pf_str_from_cstr(pf_test_folder());
    options.small = memory_io(memory);
    struct bench *bench = bench_open(test, &options, 1);
    make_table(test, bench, "SELECT range AS id, 'a text of more than twelve bytes' s, [range] l FROM range(500)");
    check_round_trip(test, bench, 8);
    check_round_trip(test, bench, 1);
    CHECK_INT(memory->count, 2);
    memory->get_count = 0;
    struct pf_exchange_output output =
        bench_write(test, bench, "SELECT (id % 4)::USMALLINT, * FROM t WHERE id % 4 <> 2", 4);
    CHECK_INT(output.object_count, 1);
    CHECK_INT(output.objects[0].medium, PF_MEDIUM_SMALL);
    bench_bind(test, bench, &output, 1, 2);
    CHECK_STR(bench_ask(test, bench, "SELECT sum(c0) || ' ' || count(*) FROM exchange_read('in')"), "31125 125");
    pf_exchange_unbind_input(bench->exchange, PF_STR("in"));
    CHECK_INT(memory->get_count, 1); /* adjacent partitions are one range */
    bench_bind(test, bench, &output, 2, 1);
    CHECK_STR(bench_ask(test, bench, "SELECT count(*) FROM exchange_read('in')"), "0");
    CHECK_INT(memory->get_count, 1); /* nothing is read for an empty slice */
    pf_exchange_unbind_input(bench->exchange, PF_STR("in"));
    make_table(test, bench, "SELECT range AS id, hash(range) h FROM range(20000)");
    check_round_trip(test, bench, 4);
    struct pf_exchange_stats stats;
    pf_exchange_get_stats(bench->exchange, &stats);
    CHECK_INT(stats.written_objects[PF_MEDIUM_SMALL], 3);
    CHECK_INT(stats.written_objects[PF_MEDIUM_DIRECTORY], 1);
}

static struct bench *open_store(struct pf_test *test, struct memory *memory, enum pf_exchange_codec codec) {
    struct pf_exchange_options options;
    pf_exchange_default_options(&options);
    options.scratch_directory = pf_str_from_cstr(pf_test_folder());
    options.store = memory_io(memory);
    options.small = memory_io(memory);
    options.small_object_bytes = 0;
    options.small_slice_bytes = 1000;
    options.memory_bytes = 1 << 20; /* many blocks; a window of the least size */
    options.object_max_bytes = 50 << 10;
    options.codec = codec;
    return bench_open(test, &options, 2);
}

TEST_WITH_LIMIT(reads_a_store_ahead_in_any_order, 120) {
    struct memory *memory = memory_new(test);
    struct bench *bench = open_store(test, memory, PF_CODEC_ZSTD);
    make_table(test, bench,
               "SELECT range AS id, hash(range) AS b, 'text number ' || hash(range % 1000) AS s FROM range(120000)");
    check_round_trip(test, bench, 16);
    memory->is_backwards = true;
    check_round_trip(test, bench, 3);
    memory->count = 0; /* every write has the same keys */
    struct pf_exchange_output output = bench_write(test, bench, "SELECT (id % 5)::USMALLINT, * FROM t", 5);
    CHECK_TRUE(output.object_count > 10);
    memory->get_count = memory->batch_count = 0;
    bench_bind(test, bench, &output, 1, 3);
    CHECK_STR(bench_ask(test, bench, "SELECT count(*) FROM exchange_read('in')"), "72000");
    struct pf_exchange_reads reads = {0};
    pf_exchange_add_reads(bench->exchange, PF_STR("in"), &reads);
    CHECK_INT(memory->get_count, output.object_count); /* three partitions of each are one range */
    CHECK_INT(reads.ranges[PF_MEDIUM_STORE], output.object_count);
    CHECK_TRUE(memory->batch_count < memory->get_count / 4);
    CHECK_TRUE(reads.bytes[PF_MEDIUM_STORE] > output.size_bytes / 5 * 2 &&
               reads.bytes[PF_MEDIUM_STORE] < output.size_bytes / 5 * 4);
    /* Stopped half-way, what was read ahead is given back. */
    CHECK_STR(bench_ask(test, bench, "SELECT count(*) FROM (FROM exchange_read('in') LIMIT 10)"), "10");
    pf_exchange_unbind_input(bench->exchange, PF_STR("in"));
    /* One of them is lost: the error names it. */
    memory_remove(memory, &output.objects[7].key, 1);
    bench_bind(test, bench, &output, 0, 0);
    CHECK_FAILS(pf_session_run(bench->session, PF_STR("SELECT max(c2) FROM exchange_read('in')"), &test->err),
                PF_NOT_FOUND, pf_arena_cstr(test->arena, output.objects[7].key));
    pf_exchange_unbind_input(bench->exchange, PF_STR("in"));
    CHECK_CODE(pf_exchange_check_object(bench->exchange, &output.objects[7], &test->err), PF_NOT_FOUND);
    CHECK_OK(pf_exchange_check_object(bench->exchange, &output.objects[8], &test->err));
    pf_exchange_remove_output(bench->exchange, &output, false);
    size_t left = 0;
    for (size_t i = 0; i < memory->count; i++) left += pf_str_equal(memory->items[i].key, output.objects[8].key);
    CHECK_INT(left, 0);
}

TEST(goes_by_the_size_of_slices_as_they_travel) {
    struct memory *memory = memory_new(test);
    struct bench *bench = open_store(test, memory, PF_CODEC_LZ4);
    const char *four = "SELECT (range % 4)::USMALLINT, range % 3 FROM range(1000)",
               *random = "SELECT (range % 4)::USMALLINT, hash(range) FROM range(1000)";
    struct pf_exchange_output output = bench_write(test, bench, four, 4); /* 8,000 bytes that compress well */
    CHECK_INT(output.objects[0].medium, PF_MEDIUM_SMALL);
    CHECK_TRUE(output.size_bytes < 4000 && output.raw_bytes > 8000 && output.raw_bytes < 9000);
    output = bench_write(test, bench, random, 4); /* 8,000 that do not: over 1,000 a slice */
    CHECK_INT(output.objects[0].medium, PF_MEDIUM_STORE);
    CHECK_TRUE(output.size_bytes > 8000 && output.size_bytes < 9000);
    memory->is_full = true;
    CHECK_FAILS(try_write(test, bench, four, 4, &output), PF_NO_MEMORY, "full");
}

TEST(takes_the_folder_where_redis_is_full) {
    struct pf_exchange_options options;
    struct memory *memory = memory_new(test);
    pf_exchange_default_options(&options);
    options.directory = pf_str_from_cstr(pf_test_folder());
    options.small = memory_io(memory);
    memory->is_full = true;
    struct bench *bench = bench_open(test, &options, 1);
    make_table(test, bench, "SELECT range AS id, 'a text of more than twelve bytes' s, [range] l FROM range(500)");
    check_round_trip(test, bench, 8);
    struct pf_exchange_stats stats;
    pf_exchange_get_stats(bench->exchange, &stats);
    CHECK_INT(stats.written_objects[PF_MEDIUM_DIRECTORY], 1);
    CHECK_INT(stats.written_objects[PF_MEDIUM_SMALL], 0);
}

TEST_WITH_LIMIT(puts_everything_into_small_objects_if_told_to, 60) {
    struct pf_exchange_options options;
    struct memory *memory = memory_new(test);
    pf_exchange_default_options(&options);
    options.directory = pf_str_from_cstr(pf_test_folder());
    options.small = memory_io(memory);
    options.small_only = true;
    options.small_max_bytes = 1 << 20;
    struct bench *bench = bench_open(test, &options, 2);
    make_table(test, bench, "SELECT range AS id, hash(range) AS b FROM range(300000)");
    check_round_trip(test, bench, 64);
    check_round_trip(test, bench, 1);
    struct pf_exchange_stats stats;
    pf_exchange_get_stats(bench->exchange, &stats);
    CHECK_TRUE(stats.written_objects[PF_MEDIUM_SMALL] > 8);
    CHECK_INT(stats.written_objects[PF_MEDIUM_DIRECTORY] + stats.written_objects[PF_MEDIUM_STORE], 0);
}

TEST(keeps_the_schema_of_an_empty_output) {
    struct bench *bench = bench_open_files(test, 2);
    struct pf_exchange_output output =
        bench_write(test, bench, "SELECT 1::USMALLINT, 1 AS a, ['x'] AS b WHERE 1 = 2", 4);
    CHECK_INT(output.rows, 0);
    CHECK_INT(output.object_count, 0);
    bench_bind(test, bench, &output, 0, 0);
    CHECK_STR(
        bench_ask(
            test, bench,
            "SELECT string_agg(column_name || ' ' || column_type, ', ') FROM (DESCRIBE FROM exchange_read('in'))"),
        "c0 INTEGER, c1 VARCHAR[]");
    CHECK_STR(bench_ask(test, bench, "SELECT count(*) FROM exchange_read('in')"), "0");
    pf_exchange_unbind_input(bench->exchange, PF_STR("in"));
}

TEST(reads_only_the_columns_asked_for) {
    struct bench *bench = bench_open_files(test, 1);
    struct pf_exchange_output output =
        bench_write(test, bench, "SELECT range a, 'text ' || range b, [range] c, range * 2 d FROM range(10000)", 1);
    struct pf_exchange_input input = {
        .name = PF_STR("in"),
        .outputs = &output,
        .output_count = 1,
        .schema = PF_STR("[[\"a\",\"BIGINT\"],[\"b\",\"VARCHAR\"],[\"c\",\"BIGINT[]\"],[\"d\",\"BIGINT\"]]")};
    CHECK_OK(pf_exchange_bind_input(bench->exchange, &input, &test->err));
    CHECK_STR(bench_ask(test, bench, "SELECT sum(d) FROM exchange_read('in')"), "99990000");
    CHECK_STR(bench_ask(test, bench, "SELECT max(b) FROM exchange_read('in')"), "text 9999");
    CHECK_STR(bench_ask(test, bench, "SELECT sum(c[1]) + sum(a) FROM exchange_read('in') WHERE d > 100"), "99987450");
    CHECK_STR(
        bench_ask(test, bench, "SELECT count(*) FROM exchange_read('in') x JOIN exchange_read('in') y ON x.a = y.d"),
        "5000");
    CHECK_STR(
        bench_ask(test, bench,
                  "WITH RECURSIVE r AS (SELECT 0 n UNION ALL SELECT n + 1 FROM r JOIN exchange_read('in') ON a = n "
                  "WHERE n < 5) SELECT max(n) FROM r"),
        "5");
    pf_exchange_unbind_input(bench->exchange, PF_STR("in"));
    input.schema = PF_STR("[[\"a\",\"BIGINT\"]]");
    CHECK_FAILS(pf_exchange_bind_input(bench->exchange, &input, &test->err), PF_INVALID, "differ");
}

TEST(reads_many_producers_at_once) {
    struct bench *bench = bench_open_files(test, 2);
    enum { PRODUCERS = 40 };
    struct pf_exchange_output outputs[PRODUCERS];
    for (int i = 0; i < PRODUCERS; i++) {
        pf_str path, key = pf_arena_printf(test->arena, "q/2/%d.0", i);
        CHECK_OK(pf_exchange_begin_output(bench->exchange, PF_STR("out"), key, test->arena, &path, &test->err));
        CHECK_OK(pf_session_run(
            bench->session,
            pf_arena_printf(test->arena,
                            "COPY (SELECT (range %% 4)::USMALLINT, range + %d, [range] FROM range(100)) TO '%.*s' "
                            "(FORMAT exchange, OUTPUT 'out', PARTITIONS 4, PER_THREAD_OUTPUT true)",
                            i * 100, PF_STR_ARG(path)),
            &test->err));
        CHECK_OK(pf_exchange_take_output(bench->exchange, PF_STR("out"), test->arena, &outputs[i], &test->err));
    }
    struct pf_exchange_input input = {.name = PF_STR("in"),
                                      .outputs = outputs,
                                      .output_count = PRODUCERS,
                                      .first_partition = 1,
                                      .partition_count = 1};
    CHECK_OK(pf_exchange_bind_input(bench->exchange, &input, &test->err));
    CHECK_FAILS(pf_exchange_bind_input(bench->exchange, &input, &test->err), PF_BUG, "twice");
    CHECK_STR(bench_ask(test, bench, "SELECT count(*) || ' ' || sum(c0) || ' ' || sum(c1[1]) FROM exchange_read('in')"),
              "1000 1999000 49000");
    pf_exchange_unbind_input(bench->exchange, PF_STR("in"));
    CHECK_OK(pf_exchange_remove_files(bench->exchange, PF_STR("q"), &test->err));
    CHECK_OK(pf_exchange_bind_input(bench->exchange, &input, &test->err));
    CHECK_FAILS(pf_session_run(bench->session, PF_STR("FROM exchange_read('in')"), &test->err), PF_NOT_FOUND, "q/2/");
    pf_exchange_unbind_input(bench->exchange, PF_STR("in"));
}

struct worker {
    struct bench *bench;
    int number;
    pthread_t thread;
    struct pf_error err;
    enum pf_code code;
};

static enum pf_code work(struct worker *worker, struct pf_session *session, struct pf_arena *arena) {
    struct pf_exchange *exchange = worker->bench->exchange;
    struct pf_error *err = &worker->err;
    for (int i = 0; i < 10; i++) {
        struct pf_exchange_output output;
        pf_str path, text, name = pf_arena_printf(arena, "n%d", worker->number);
        PF_TRY(pf_exchange_begin_output(exchange, name, pf_arena_printf(arena, "q/%d/%d.0", worker->number, i), arena,
                                        &path, err));
        PF_TRY(pf_session_run(
            session,
            pf_arena_printf(
                arena,
                "COPY (SELECT (range %% 8)::USMALLINT, range, range::VARCHAR || ' as a longer text' FROM range(20000)) "
                "TO '%.*s' (FORMAT exchange, OUTPUT '%s', PARTITIONS 8, PER_THREAD_OUTPUT true)",
                PF_STR_ARG(path), name.ptr),
            err));
        PF_TRY(pf_exchange_take_output(exchange, name, arena, &output, err));
        struct pf_exchange_input input = {.name = name, .outputs = &output, .output_count = 1};
        PF_TRY(pf_exchange_bind_input(exchange, &input, err));
        enum pf_code code = pf_session_scalar(
            session, pf_arena_printf(arena, "SELECT sum(c0) || max(c1) FROM exchange_read('%s')", name.ptr), arena,
            &text, err);
        pf_exchange_unbind_input(exchange, name);
        PF_TRY(code);
        if (!pf_str_equal(text, PF_STR("1999900009999 as a longer text")))
            PF_FAIL(err, PF_BUG, "wrong: %.*s", PF_STR_ARG(text));
    }
    return PF_OK;
}

static void *run_worker(void *what) {
    struct worker *worker = what;
    struct pf_session *session;
    struct pf_arena *arena = pf_arena_new(NULL, "worker");
    worker->code = pf_session_open(worker->bench->engine, &session, &worker->err);
    if (worker->code == PF_OK) {
        worker->code = work(worker, session, arena);
        pf_session_close(session);
    }
    pf_arena_free(arena);
    return NULL;
}

TEST_WITH_LIMIT(serves_several_tasks_at_once, 60) {
    struct bench *bench = bench_open_files(test, 2);
    struct worker workers[4];
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){.bench = bench, .number = i};
        pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(workers[i].thread, NULL);
        test->err = workers[i].err;
        CHECK_OK(workers[i].code);
    }
}
