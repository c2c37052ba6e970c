/* SPDX-License-Identifier: MIT */
/* Loading with a real engine; what others read of the result is judged in tests/load. */
#include "query/load.h"

#include "store/store.h"

#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct bench {
    struct pf_store *store;
    struct pf_catalog *catalog;
    struct pf_engine *engine;
    struct pf_session *session;
    double last_share;
    int64_t last_rows;
};

static struct bench open_bench(struct pf_test *test) {
    struct bench bench = {0};
    struct pf_store_options options = {.is_volatile = true};
    pf_str path = pf_arena_printf(test->arena, "%s/lake", pf_test_folder());
    CHECK_OK(pf_store_open(path, &options, &bench.store, &test->err));
    CHECK_OK(pf_catalog_open(bench.store, NULL, &bench.catalog, &test->err));
    struct pf_engine_options engine = {.threads = 1, .keep_order = true};
    CHECK_OK(pf_engine_open(&engine, &bench.engine, &test->err));
    CHECK_OK(pf_session_open(bench.engine, &bench.session, &test->err));
    return bench;
}

static void close_bench(struct bench *bench) {
    pf_session_close(bench->session);
    pf_engine_close(bench->engine);
    pf_catalog_close(bench->catalog);
    pf_store_close(bench->store);
}

static pf_str input(struct pf_test *test, const char *name) {
    return pf_arena_printf(test->arena, "%s/%s", pf_test_folder(), name);
}

static void write_text(struct pf_test *test, const char *name, const char *text) {
    FILE *file = fopen(pf_arena_cstr(test->arena, input(test, name)), "w");
    CHECK_NOT_NULL(file);
    CHECK_TRUE(fputs(text, file) >= 0);
    CHECK_INT(fclose(file), 0);
}

/* COPY (`select`) TO `name`, in the format of its ending. */
static void write_input(struct pf_test *test, struct bench *bench, const char *name, const char *select) {
    pf_str sql = pf_arena_printf(test->arena, "COPY (%s) TO '%.*s'", select, PF_STR_ARG(input(test, name)));
    CHECK_OK(pf_session_run(bench->session, sql, &test->err));
}

static void on_progress(void *context, double share, int64_t rows) {
    struct bench *bench = context;
    bench->last_share = share;
    bench->last_rows = rows;
}

static enum pf_code load_into(struct pf_test *test, struct bench *bench, const char *table, const char *name,
                              bool replace, struct pf_load_result *out_result) {
    pf_str path = input(test, name);
    struct load_env env = {.store = bench->store, .catalog = bench->catalog, .threads = 2};
    struct pf_load_options options = {.table = pf_str_from_cstr(table),
                                      .paths = &path,
                                      .path_count = 1,
                                      .replace = replace,
                                      .on_progress = on_progress,
                                      .context = bench};
    return load_files(&env, &options, out_result, &test->err);
}

static int64_t load(struct pf_test *test, struct bench *bench, const char *table, const char *name) {
    struct pf_load_result result;
    CHECK_OK(load_into(test, bench, table, name, false, &result));
    CHECK_F64(bench->last_share, 1, 0);
    CHECK_INT(bench->last_rows, result.rows);
    return result.rows;
}

/* read_parquet([...]) over the files of a table. */
static pf_str table_sql(struct pf_test *test, struct bench *bench, const char *name) {
    struct pf_table_id id;
    struct pf_table *table;
    struct pf_file_list list;
    CHECK_OK(pf_table_id_parse(pf_str_from_cstr(name), &id, &test->err));
    CHECK_OK(pf_catalog_load(bench->catalog, id, test->arena, &table, &test->err));
    CHECK_OK(pf_catalog_plan_files(bench->catalog, table, NULL, 0, test->arena, &list, &test->err));
    CHECK_TRUE(list.count > 0);
    pf_str sql = PF_STR("read_parquet([");
    for (size_t i = 0; i < list.count; i++) {
        sql = pf_arena_printf(test->arena, "%.*s%s'%.*s'", PF_STR_ARG(sql), i ? "," : "",
                              PF_STR_ARG(list.files[i].local_path));
    }
    return pf_arena_printf(test->arena, "%.*s])", PF_STR_ARG(sql));
}

static pf_str ask(struct pf_test *test, struct bench *bench, const char *format_with_table, pf_str table) {
    pf_str text, sql = PF_STR(""), rest = pf_str_from_cstr(format_with_table);
    for (pf_str piece; pf_str_next(&rest, '@', &piece);) {
        sql = pf_arena_printf(test->arena, "%.*s%.*s%.*s", PF_STR_ARG(sql), PF_STR_ARG(piece),
                              PF_STR_ARG(rest.len ? table : PF_STR_EMPTY));
    }
    CHECK_OK(pf_session_scalar(bench->session, sql, test->arena, &text, &test->err));
    return text;
}

static size_t count_objects(struct pf_test *test, struct bench *bench) {
    struct pf_store_page page = {0};
    CHECK_OK(pf_store_list(bench->store, &(struct pf_store_list_options){0}, test->arena, &page, &test->err));
    return page.object_count;
}

TEST(loads_parquet_csv_and_json_to_equal_tables) {
    struct bench bench = open_bench(test);
    const char *select = "SELECT i::BIGINT AS id, CASE WHEN i % 3 > 0 THEN 'name ' || i END AS name, "
                         "(i / 4)::DOUBLE AS share, DATE '2020-01-01' + i::INTEGER AS day FROM range(1000) r(i)";
    const char *names[] = {"a.parquet", "a.csv", "a.json"}, *tables[] = {"p", "c", "j"};
    for (int i = 0; i < 3; i++) {
        write_input(test, &bench, names[i], select);
        CHECK_INT(load(test, &bench, tables[i], names[i]), 1000);
        pf_str rows = table_sql(test, &bench, tables[i]);
        pf_str question = pf_arena_printf(test->arena, "SELECT count(*) FROM (%s EXCEPT ALL SELECT * FROM @ )", select);
        CHECK_STR(ask(test, &bench, question.ptr, rows), "0");
        CHECK_STR(ask(test, &bench, "SELECT count(*) FROM @ ", rows), "1000");
    }
    close_bench(&bench);
}

TEST(loads_every_type_that_iceberg_has) {
    struct bench bench = open_bench(test);
    write_input(test, &bench, "all.parquet",
                "SELECT true b, 1::TINYINT i8, 2::SMALLINT i16, 3::INTEGER i32, 4::BIGINT i64, 5::UTINYINT u8, "
                "6::USMALLINT u16, 7::UINTEGER u32, 1.5::FLOAT f, 2.5::DOUBLE d, 1.25::DECIMAL(9,2) m, "
                "'12345678901234567890123456789012345678'::DECIMAL(38,0) m38, DATE '0001-01-01' dt, TIME '23:59:59' t, "
                "TIMESTAMP '2020-01-01 01:02:03.456789' ts, TIMESTAMPTZ '2020-01-01 00:00:00+00' tz, 'text' s, "
                "'\\xAA\\x00'::BLOB x, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID u, "
                "{'a': 1, 'b': {'c': ['x', NULL]}} st, [[1, 2], NULL, []] l, MAP {'k': {'v': 1.5::DOUBLE}} mp "
                "UNION ALL BY NAME SELECT NULL AS b");
    CHECK_INT(load(test, &bench, "all", "all.parquet"), 2);
    pf_str rows = table_sql(test, &bench, "all");
    CHECK_STR(ask(test, &bench, "SELECT count(*) FROM @ WHERE m38 = '12345678901234567890123456789012345678'", rows),
              "1");
    CHECK_STR(ask(test, &bench, "SELECT st::VARCHAR || l::VARCHAR || mp::VARCHAR FROM @ WHERE b", rows),
              "{'a': 1, 'b': {'c': [x, NULL]}}[[1, 2], NULL, []]{k={'v': 1.5}}");
    CHECK_STR(ask(test, &bench, "SELECT x::VARCHAR || u || t || ts FROM @ WHERE b", rows),
              "\\xAA\\x00a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1123:59:592020-01-01 01:02:03.456789");
    CHECK_STR(ask(test, &bench, "SELECT count(*) FROM @ WHERE COLUMNS(*) IS NULL", rows), "1");
    close_bench(&bench);
}

TEST(refuses_types_that_iceberg_lacks_and_leaves_nothing) {
    struct bench bench = open_bench(test);
    struct pf_load_result result;
    write_input(test, &bench, "interval.parquet", "SELECT INTERVAL 1 DAY AS how_long");
    CHECK_FAILS(load_into(test, &bench, "t", "interval.parquet", false, &result), PF_UNSUPPORTED, "how_long");
    CHECK_UINT(count_objects(test, &bench), 0);
    close_bench(&bench);
}

TEST(appends_and_replaces) {
    struct bench bench = open_bench(test);
    struct pf_load_result result;
    write_input(test, &bench, "1.parquet", "SELECT i::INTEGER a, 'x' b FROM range(10) r(i)");
    write_input(test, &bench, "2.parquet", "SELECT 'y' b, (i + 10)::SMALLINT A FROM range(5) r(i)");
    load(test, &bench, "space.t", "1.parquet");
    load(test, &bench, "space.t", "2.parquet");
    pf_str rows = table_sql(test, &bench, "space.t");
    CHECK_STR(ask(test, &bench, "SELECT count(*) || ' ' || sum(a) || ' ' || count_if(b = 'y') FROM @ ", rows),
              "15 105 5");
    CHECK_OK(load_into(test, &bench, "space.t", "2.parquet", true, &result));
    rows = table_sql(test, &bench, "space.t");
    CHECK_STR(ask(test, &bench, "SELECT count(*) || ' ' || sum(a) FROM @ ", rows), "5 60");
    CHECK_INT(result.rows, 5);
    CHECK_INT(result.files, 1);
    CHECK_TRUE(result.snapshot_id > 0 && result.bytes > 0);
    close_bench(&bench);
}

TEST(says_which_column_does_not_fit) {
    struct bench bench = open_bench(test);
    struct pf_load_result result;
    write_input(test, &bench, "t.parquet", "SELECT 1::INTEGER a, 1.5::DECIMAL(9,2) m, {'x': 1} s");
    load(test, &bench, "t", "t.parquet");
    size_t before = count_objects(test, &bench);
    struct {
        const char *select, *message;
    } cases[] = {
        {"SELECT 1::BIGINT a", "column 'a' of the files is BIGINT, which does not fit INTEGER of table main.t"},
        {"SELECT 'x' a", "column 'a' of the files is VARCHAR"},
        {"SELECT 1 b", "table main.t has no column 'b', the files do"},
        {"SELECT 1.5::DECIMAL(9,3) m", "column 'm' of the files is DECIMAL(9,3)"},
        {"SELECT 1.5::DECIMAL(10,2) m", "column 'm' of the files is DECIMAL(10,2)"},
        {"SELECT 1.5::DOUBLE m", "column 'm' of the files is DOUBLE"},
        {"SELECT {'x': 1, 'y': 2} s", "column 's' of the files is STRUCT"},
        {"SELECT {'y': 1} s", "column 's' of the files is STRUCT"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_input(test, &bench, "bad.parquet", cases[i].select);
        CHECK_FAILS(load_into(test, &bench, "t", "bad.parquet", false, &result), PF_INVALID, cases[i].message);
    }
    CHECK_UINT(count_objects(test, &bench), before);
    write_input(test, &bench, "good.parquet", "SELECT 1::TINYINT a, 7.5::DECIMAL(4,1) m, {'X': 2::SMALLINT} s");
    load(test, &bench, "t", "good.parquet");
    write_input(test, &bench, "few.parquet", "SELECT 3::INTEGER a");
    load(test, &bench, "t", "few.parquet");
    pf_str rows = table_sql(test, &bench, "t");
    CHECK_STR(ask(test, &bench,
                  "SELECT string_agg(a || ' ' || coalesce(m::VARCHAR, '-') || ' ' || coalesce(s::VARCHAR, '-'), "
                  "', ' ORDER BY a, m) FROM @ ",
                  rows),
              "1 1.50 {'x': 1}, 1 7.50 {'x': 2}, 3 - -");
    close_bench(&bench);
}

TEST(reads_text_as_the_types_of_the_table) {
    struct bench bench = open_bench(test);
    struct pf_load_result result;
    write_input(test, &bench, "t.parquet", "SELECT 1::INTEGER n, 'x' code, 1.5::DECIMAL(9,2) m, DATE '2020-01-01' d");
    load(test, &bench, "t", "t.parquet");
    write_text(test, "t.csv", "code,n,m,d\n007,2,2.25,2021-02-03\n,,,\n");
    write_text(test, "t.json", "{\"n\":3,\"code\":\"2021-01-01\",\"m\":0.1,\"d\":\"2022-03-04\"}\n");
    CHECK_INT(load(test, &bench, "t", "t.csv"), 2);
    CHECK_INT(load(test, &bench, "t", "t.json"), 1);
    pf_str rows = table_sql(test, &bench, "t");
    CHECK_STR(
        ask(test, &bench, "SELECT string_agg(n || '|' || code || '|' || m || '|' || d, ' ' ORDER BY n) FROM @ ", rows),
        "1|x|1.50|2020-01-01 2|007|2.25|2021-02-03 3|2021-01-01|0.10|2022-03-04");
    size_t before = count_objects(test, &bench);
    write_text(test, "bad.csv", "code,n,m,d\nx,99999999999,1,2021-01-01\n");
    CHECK_CODE(load_into(test, &bench, "t", "bad.csv", false, &result), PF_INVALID);
    write_text(test, "bad.json", "{\"n\":\"many\"}\n");
    CHECK_CODE(load_into(test, &bench, "t", "bad.json", false, &result), PF_INVALID);
    CHECK_UINT(count_objects(test, &bench), before);
    close_bench(&bench);
}

TEST(loads_many_files_by_pattern_with_columns_of_all) {
    struct bench bench = open_bench(test);
    struct pf_load_result result;
    write_input(test, &bench, "part-1.parquet", "SELECT 1 a, 'x' b");
    write_input(test, &bench, "part-2.parquet", "SELECT 2 a, 1.5::DOUBLE c");
    CHECK_OK(load_into(test, &bench, "t", "part-*.parquet", false, &result));
    CHECK_INT(result.rows, 2);
    pf_str rows = table_sql(test, &bench, "t");
    CHECK_STR(ask(test, &bench,
                  "SELECT string_agg(a || coalesce(b, '-') || coalesce(c::VARCHAR, '-'), ' ' ORDER BY a) FROM @ ",
                  rows),
              "1x- 2-1.5");
    /* A name that is also a pattern. */
    write_input(test, &bench, "plain.parquet", "SELECT 5 a");
    CHECK_INT(rename(input(test, "plain.parquet").ptr, input(test, "odd [1]'s.parquet").ptr), 0);
    CHECK_INT(load(test, &bench, "odd", "odd [1]'s.parquet"), 1);
    close_bench(&bench);
}

TEST(cuts_big_loads_into_files_that_keep_their_order) {
    struct bench bench = open_bench(test);
    struct pf_load_result result;
    write_input(test, &bench, "big.parquet",
                "SELECT i AS id, hash(i) h, hash(i + 1) k, hash(i + 2) l FROM range(1200000) r(i)");
    CHECK_OK(load_into(test, &bench, "big", "big.parquet", false, &result));
    CHECK_INT(result.rows, 1200000);
    CHECK_TRUE(result.files > 1);
    struct pf_table *table;
    struct pf_file_list list;
    struct pf_literal value = {PF_STR("BIGINT"), PF_STR("1000")};
    struct pf_predicate predicate = {
        .column = PF_STR("id"), .kind = PF_PREDICATE_LT, .values = &value, .value_count = 1};
    CHECK_OK(pf_catalog_load(bench.catalog, (struct pf_table_id){PF_STR_EMPTY, PF_STR("big")}, test->arena, &table,
                             &test->err));
    CHECK_OK(pf_catalog_plan_files(bench.catalog, table, &predicate, 1, test->arena, &list, &test->err));
    CHECK_UINT(list.count, 1);
    CHECK_INT(list.skipped_file_count, result.files - 1);
    close_bench(&bench);
}

TEST(says_what_is_wrong_with_an_input) {
    struct bench bench = open_bench(test);
    struct pf_load_result result;
    write_text(test, "broken.parquet", "this is no Parquet file, but long enough to be one");
    write_text(test, "data.txt", "x");
    CHECK_FAILS(load_into(test, &bench, "t", "broken.parquet", false, &result), PF_CORRUPT, "broken.parquet");
    CHECK_FAILS(load_into(test, &bench, "t", "none.parquet", false, &result), PF_NOT_FOUND, "there is no file");
    CHECK_FAILS(load_into(test, &bench, "t", "none*.parquet", false, &result), PF_NOT_FOUND, "none*.parquet");
    CHECK_FAILS(load_into(test, &bench, "t", "data.txt", false, &result), PF_INVALID, "doesn't tell the format");
    CHECK_FAILS(load_into(test, &bench, "t", "", false, &result), PF_INVALID, "doesn't tell the format");
    CHECK_INT(mkdir(pf_arena_cstr(test->arena, input(test, "dir.parquet")), 0700), 0);
    CHECK_FAILS(load_into(test, &bench, "t", "dir.parquet", false, &result), PF_INVALID, "is a folder");
    CHECK_FAILS(load_into(test, &bench, "a/b", "data.txt", false, &result), PF_INVALID, "namespace.table");
    pf_str paths[] = {PF_STR("x.csv"), PF_STR("y.json")};
    struct load_env env = {.store = bench.store, .catalog = bench.catalog, .threads = 1};
    struct pf_load_options options = {.table = PF_STR("t"), .paths = paths, .path_count = 2};
    CHECK_FAILS(load_files(&env, &options, &result, &test->err), PF_INVALID, "different formats");
    paths[0] = PF_STR("s3://bucket/x.csv");
    options.path_count = 1;
    CHECK_FAILS(load_files(&env, &options, &result, &test->err), PF_UNSUPPORTED, "only local files");
    options.path_count = 0;
    CHECK_FAILS(load_files(&env, &options, &result, &test->err), PF_INVALID, "no file to load");
    CHECK_UINT(count_objects(test, &bench), 0);
    close_bench(&bench);
}

TEST(says_what_may_not_be_read_or_written) {
    if (geteuid() == 0) CHECK_INT(chmod(pf_test_folder(), 0777), 0);
    struct bench bench = open_bench(test);
    struct pf_load_result result;
    write_input(test, &bench, "t.parquet", "SELECT 1 a");
    char *file = pf_arena_cstr(test->arena, input(test, "t.parquet")),
         *lake = pf_arena_cstr(test->arena, input(test, "lake"));
    CHECK_INT(chmod(lake, 0555), 0);
    if (geteuid() == 0) CHECK_INT(seteuid(65534), 0);
    CHECK_CODE(load_into(test, &bench, "t", "t.parquet", false, &result), PF_DENIED);
    if (getuid() == 0) CHECK_INT(seteuid(0), 0);
    CHECK_INT(chmod(lake, 0777), 0);
    CHECK_INT(chmod(file, 0), 0);
    /* access(2) asks for the real user. */
    if (getuid() == 0) CHECK_INT(setreuid(65534, 65534), 0);
    CHECK_FAILS(load_into(test, &bench, "t", "t.parquet", false, &result), PF_DENIED, "t.parquet");
    close_bench(&bench);
}

TEST(makes_a_table_of_files_without_rows) {
    struct bench bench = open_bench(test);
    struct pf_load_result result;
    write_input(test, &bench, "empty.parquet", "SELECT 1 a WHERE false");
    CHECK_INT(load(test, &bench, "t", "empty.parquet"), 0);
    write_input(test, &bench, "one.parquet", "SELECT 1 a");
    CHECK_INT(load(test, &bench, "t", "one.parquet"), 1);
    CHECK_INT(load(test, &bench, "t", "empty.parquet"), 0);
    CHECK_STR(ask(test, &bench, "SELECT count(*) FROM @ ", table_sql(test, &bench, "t")), "1");
    CHECK_OK(load_into(test, &bench, "t", "empty.parquet", true, &result));
    struct pf_table *table;
    struct pf_table_totals totals;
    CHECK_OK(pf_catalog_load(bench.catalog, (struct pf_table_id){PF_STR_EMPTY, PF_STR("t")}, test->arena, &table,
                             &test->err));
    CHECK_OK(pf_catalog_totals(bench.catalog, table, &totals, &test->err));
    CHECK_INT(totals.row_count, 0);
    CHECK_OK(load_into(test, &bench, "u", "empty.parquet", true, &result));
    close_bench(&bench);
}

/* A row in the middle of the second file can't be read: nothing of the first one stays. */
TEST(removes_the_files_of_a_load_that_fails_half_way) {
    struct bench bench = open_bench(test);
    struct pf_load_result result;
    write_input(test, &bench, "a1.csv", "SELECT i AS id, hash(i) h FROM range(600000) r(i)");
    pf_str append = pf_arena_printf(test->arena, "%s/a2.csv", pf_test_folder());
    write_input(test, &bench, "a2.csv", "SELECT i AS id, hash(i) h FROM range(300000) r(i)");
    FILE *file = fopen(pf_arena_cstr(test->arena, append), "a");
    CHECK_NOT_NULL(file);
    fputs("not a number,1\n", file);
    fclose(file);
    CHECK_FAILS(load_into(test, &bench, "t", "a*.csv", false, &result), PF_INVALID, "a2.csv");
    CHECK_UINT(count_objects(test, &bench), 0);
    bool exists = true;
    CHECK_OK(pf_catalog_exists(bench.catalog, (struct pf_table_id){PF_STR_EMPTY, PF_STR("t")}, &exists, &test->err));
    CHECK_FALSE(exists);
    close_bench(&bench);
}
