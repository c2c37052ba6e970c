/* SPDX-License-Identifier: MIT */
/* With a real engine: what is held must be what the file says. */
#include "query/hot_columns.h"

#include "support/test.h"

#include <string.h>

enum { BUDGET_BYTES = 64 << 20, ENOUGH_READS = 12 };

struct bench {
    struct pf_engine *engine;
    struct pf_session *session;
    struct hot_columns *hot;
    struct task_column *columns;
    size_t column_count;
    pf_str path;
};

static void close_bench(void *what) {
    struct bench *bench = what;
    hot_columns_free(bench->hot);
    pf_session_close(bench->session);
    pf_engine_close(bench->engine);
}

static void write_file(struct pf_test *test, struct bench *bench, const char *factor) {
    pf_str sql = pf_arena_printf(
        test->arena,
        "COPY (SELECT range AS id, CASE WHEN range %% 3 = 0 THEN NULL ELSE 'name ' || range END AS name, "
        "(range * %s)::DECIMAL(15,2) AS price, [range, range + 1] AS list, DATE '2000-01-01' + (range %% 900)::INTEGER "
        "AS day FROM range(5000)) TO '%.*s' (FORMAT parquet, ROW_GROUP_SIZE 2048)",
        factor, PF_STR_ARG(bench->path));
    CHECK_OK(pf_session_run(bench->session, sql, &test->err));
}

static struct bench *open_bench(struct pf_test *test, int64_t budget_bytes) {
    const struct task_column columns[] = {{PF_STR("id"), PF_STR("BIGINT"), -1},
                                          {PF_STR("name"), PF_STR("VARCHAR"), -1},
                                          {PF_STR("price"), PF_STR("DECIMAL(15,2)"), -1},
                                          {PF_STR("list"), PF_STR("BIGINT[]"), -1},
                                          {PF_STR("day"), PF_STR("DATE"), -1}};
    struct bench *bench = PF_ARENA_NEW(test->arena, struct bench);
    struct pf_engine_options options = {.threads = 1, .memory_database = PF_STR(HOT_DATABASE)};
    CHECK_OK(pf_engine_open(&options, &bench->engine, &test->err));
    CHECK_OK(pf_session_open(bench->engine, &bench->session, &test->err));
    bench->hot = hot_columns_new(bench->session, NULL, budget_bytes);
    bench->column_count = sizeof columns / sizeof *columns;
    bench->columns = PF_ARENA_ARRAY(test->arena, struct task_column, bench->column_count);
    memcpy(bench->columns, columns, sizeof columns);
    bench->path = pf_arena_printf(test->arena, "%s/data.parquet", pf_test_folder());
    pf_arena_defer(test->arena, close_bench, bench);
    write_file(test, bench, "1.5");
    return bench;
}

/* A digest of the rows first_row to last_row by these columns, read as a task does; `*out_is_held`: from memory. */
static pf_str ask(struct pf_test *test, struct bench *bench, size_t column_count, int64_t first_row, int64_t last_row,
                  bool *out_is_held) {
    struct task_split split = {.path = bench->path, .first_row = first_row, .last_row = last_row};
    struct stage_input input = {
        .kind = PF_INPUT_SCAN, .role = PF_ROLE_DRIVING, .columns = bench->columns, .column_count = column_count};
    struct stage_message stage = {.sql = PF_STR("SELECT md5(string_agg(x::VARCHAR, ';' ORDER BY x.id)) FROM ${0} x"),
                                  .inputs = &input,
                                  .input_count = 1};
    struct task_input part = {.splits = &split, .split_count = 1};
    struct task_message task = {.inputs = &part, .input_count = 1};
    pf_str sql, text;
    CHECK_OK(hot_columns_prepare(bench->hot, &stage, &task, test->arena, &test->err));
    CHECK_OK(task_render_sql(&stage, &task, PF_STR("t"), test->arena, &sql, &test->err));
    CHECK_OK(pf_session_scalar(bench->session, sql, test->arena, &text, &test->err));
    *out_is_held = split.held_as.len > 0;
    return text;
}

/* How many reads it takes until the answer comes from memory. */
static int reads_until_held(struct pf_test *test, struct bench *bench, size_t column_count, int64_t first_row,
                            int64_t last_row) {
    bool is_held = false;
    pf_str before = PF_STR_EMPTY;
    for (int i = 0; i < ENOUGH_READS; i++) {
        pf_str answer = ask(test, bench, column_count, first_row, last_row, &is_held);
        if (before.len) CHECK_STR(answer, before);
        before = answer;
        if (is_held) return i;
    }
    return ENOUGH_READS;
}

TEST(a_file_is_held_once_its_reads_have_paid_for_it) {
    struct bench *bench = open_bench(test, BUDGET_BYTES);
    int reads = reads_until_held(test, bench, bench->column_count, 0, -1);
    CHECK_TRUE(reads >= 2);
    CHECK_TRUE(reads < ENOUGH_READS);
    bool is_held;
    ask(test, bench, 2, 0, -1, &is_held); /* fewer columns are there as well */
    CHECK_TRUE(is_held);
    struct hot_columns_stats stats;
    hot_columns_get_stats(bench->hot, &stats);
    CHECK_INT(stats.builds, 1);
    CHECK_INT(stats.table_count, 1);
    CHECK_INT(stats.hits, 2);
    CHECK_TRUE(stats.held_bytes > 0);
}

TEST(a_part_of_a_file_is_held_by_itself) {
    struct bench *bench = open_bench(test, BUDGET_BYTES);
    CHECK_TRUE(reads_until_held(test, bench, 3, 2048, 4095) < ENOUGH_READS);
    bool is_held;
    pf_str count = ask(test, bench, 3, 2048, 4095, &is_held);
    CHECK_TRUE(is_held);
    pf_str other = ask(test, bench, 3, 0, 2047, &is_held);
    CHECK_FALSE(is_held);
    CHECK_FALSE(pf_str_equal(count, other));
    CHECK_TRUE(reads_until_held(test, bench, 3, 4096, -1) < ENOUGH_READS);
}

TEST(a_column_that_is_not_held_is_read_from_the_file_until_it_has_paid_too) {
    struct bench *bench = open_bench(test, BUDGET_BYTES);
    CHECK_TRUE(reads_until_held(test, bench, 2, 0, -1) < ENOUGH_READS);
    bool is_held;
    ask(test, bench, 3, 0, -1, &is_held);
    CHECK_FALSE(is_held);
    CHECK_TRUE(reads_until_held(test, bench, 3, 0, -1) < ENOUGH_READS);
    ask(test, bench, 2, 0, -1, &is_held);
    CHECK_TRUE(is_held);
    struct hot_columns_stats stats;
    hot_columns_get_stats(bench->hot, &stats);
    CHECK_INT(stats.builds, 2);
    CHECK_INT(stats.table_count, 1);
}

TEST(a_file_that_changed_is_read_anew) {
    struct bench *bench = open_bench(test, BUDGET_BYTES);
    bool is_held;
    CHECK_TRUE(reads_until_held(test, bench, 3, 0, -1) < ENOUGH_READS);
    pf_str old = ask(test, bench, 3, 0, -1, &is_held);
    write_file(test, bench, "2.25");
    pf_str new = ask(test, bench, 3, 0, -1, &is_held);
    CHECK_FALSE(is_held);
    CHECK_FALSE(pf_str_equal(old, new));
}

static void check_is_never_held(struct pf_test *test, struct bench *bench, struct stage_input input,
                                struct task_split split) {
    struct stage_message stage = {.inputs = &input, .input_count = 1};
    struct task_input part = {.splits = &split, .split_count = 1};
    struct task_message task = {.inputs = &part, .input_count = 1};
    for (int i = 0; i < 2 * ENOUGH_READS; i++) {
        CHECK_OK(hot_columns_prepare(bench->hot, &stage, &task, test->arena, &test->err));
        CHECK_INT(split.held_as.len, 0);
    }
}

TEST(rows_that_are_not_just_what_the_file_says_are_read_from_it) {
    struct bench *bench = open_bench(test, BUDGET_BYTES);
    uint32_t position = 0;
    struct stage_input input = {.kind = PF_INPUT_SCAN, .columns = bench->columns, .column_count = 2};
    struct task_split split = {.path = bench->path, .last_row = -1};
    struct task_split with_deletes = split, with_constants = split;
    struct stage_input with_lineage = input, with_schema = input;
    with_deletes.deletes = &position;
    with_deletes.delete_count = 1;
    with_constants.constants_json = PF_STR("{\"1\":\"7\"}");
    with_lineage.has_lineage = true;
    with_schema.schema_json = PF_STR("{}");
    check_is_never_held(test, bench, input, with_deletes);
    check_is_never_held(test, bench, input, with_constants);
    check_is_never_held(test, bench, with_lineage, split);
    check_is_never_held(test, bench, with_schema, split);
}

TEST(what_does_not_fit_is_read_from_the_file) {
    struct bench *bench = open_bench(test, 1000);
    CHECK_INT(reads_until_held(test, bench, 3, 0, -1), ENOUGH_READS);
    struct hot_columns_stats stats;
    hot_columns_get_stats(bench->hot, &stats);
    CHECK_INT(stats.builds, 0);
}

TEST(dropping_all_gives_the_memory_back) {
    struct bench *bench = open_bench(test, BUDGET_BYTES);
    bool is_held;
    CHECK_TRUE(reads_until_held(test, bench, 3, 0, -1) < ENOUGH_READS);
    pf_str answer = ask(test, bench, 3, 0, -1, &is_held);
    hot_columns_drop_all(bench->hot);
    struct hot_columns_stats stats;
    hot_columns_get_stats(bench->hot, &stats);
    CHECK_INT(stats.table_count, 0);
    CHECK_INT(stats.held_bytes, 0);
    CHECK_STR(ask(test, bench, 3, 0, -1, &is_held), answer);
    CHECK_FALSE(is_held);
}
