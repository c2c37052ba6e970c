/* SPDX-License-Identifier: MIT */
#include "exchange_support.h"

/* Writes `query` with KEYS over all its columns, and takes the description through JSON. */
static struct pf_exchange_output write_keys(struct pf_test *test, struct bench *bench, const char *name,
                                            const char *query, const char *keys) {
    struct pf_exchange_output output, again = {0};
    pf_str path, json, key = pf_arena_printf(test->arena, "q/1/%s", name);
    CHECK_OK(pf_exchange_begin_output(bench->exchange, PF_STR("out"), key, test->arena, &path, &test->err));
    pf_str sql = pf_arena_printf(test->arena,
                                 "COPY (%s) TO '%.*s' (FORMAT exchange, OUTPUT 'out', KEYS '%s', PER_THREAD_OUTPUT)",
                                 query, PF_STR_ARG(path), keys);
    CHECK_OK(pf_session_run(bench->session, sql, &test->err));
    CHECK_OK(pf_exchange_take_output(bench->exchange, PF_STR("out"), test->arena, &output, &test->err));
    CHECK_OK(pf_exchange_output_encode(&output, test->arena, &json, &test->err));
    CHECK_OK(pf_exchange_output_decode(json, test->arena, &again, &test->err));
    return again;
}

static pf_str list_of(struct pf_test *test, const struct pf_exchange_key_texts *texts) {
    pf_str list = PF_STR_EMPTY;
    for (size_t i = 0; i < texts->value_count; i++)
        list = pf_arena_printf(test->arena, "%.*s%s%.*s", PF_STR_ARG(list), i ? "|" : "", PF_STR_ARG(texts->values[i]));
    return list;
}

TEST(says_which_values_a_column_has) {
    struct bench *bench = bench_open_files(test, 1);
    struct pf_exchange_output output =
        write_keys(test, bench, "a",
                   "SELECT * FROM (VALUES (3::BIGINT, DATE '2020-01-31', 1.50::DECIMAL(9,2), 'x', 200::UTINYINT), "
                   "(-5, DATE '1999-12-01', -0.25, 'it''s', 7), (NULL, NULL, NULL, NULL, NULL), (3, DATE '2020-01-31', "
                   "1.5, 'x', 7))",
                   "0,1,2,3,4");
    static const struct {
        const char *type, *min, *max, *list;
    } WANTED[] = {{"BIGINT", "-5", "3", "3|-5"},
                  {"DATE", "1999-12-01", "2020-01-31", "2020-01-31|1999-12-01"},
                  {"DECIMAL(9,2)", "-0.25", "1.50", "1.50|-0.25"},
                  {"VARCHAR", "", "", "x|it's"},
                  {"UTINYINT", "7", "200", "200|7"}};
    for (int i = 0; i < 5; i++) {
        struct pf_exchange_key_texts texts;
        CHECK_TRUE(pf_exchange_merge_keys(&output, 1, i, test->arena, &texts));
        CHECK_STR(texts.type, WANTED[i].type);
        CHECK_STR(texts.min, WANTED[i].min);
        CHECK_STR(texts.max, WANTED[i].max);
        CHECK_STR(list_of(test, &texts), WANTED[i].list);
    }
}

TEST(keeps_only_the_range_of_many_values) {
    struct bench *bench = bench_open_files(test, 2);
    struct pf_exchange_output outputs[2] = {
        write_keys(test, bench, "a", "SELECT range * 3 AS k, range::VARCHAR AS s FROM range(200000)", "0,1"),
        write_keys(test, bench, "b", "SELECT -range AS k, 'one' AS s FROM range(10)", "0,1")};
    struct pf_exchange_key_texts texts;
    CHECK_TRUE(pf_exchange_merge_keys(outputs, 2, 0, test->arena, &texts));
    CHECK_FALSE(texts.is_listed);
    CHECK_STR(texts.min, "-9");
    CHECK_STR(texts.max, "599997");
    CHECK_FALSE(pf_exchange_merge_keys(outputs, 2, 1, test->arena, &texts)); /* too many strings have no range */
    CHECK_TRUE(pf_exchange_merge_keys(&outputs[1], 1, 1, test->arena, &texts));
    CHECK_STR(list_of(test, &texts), "one");
}

TEST(merges_lists_of_several_outputs) {
    struct bench *bench = bench_open_files(test, 1);
    struct pf_exchange_output outputs[3] = {
        write_keys(test, bench, "a", "SELECT * FROM (VALUES (1), (2)) AS t(k)", "0"),
        write_keys(test, bench, "b", "SELECT * FROM (VALUES (2), (5)) AS t(k)", "0"),
        write_keys(test, bench, "c", "SELECT 1 AS k WHERE false", "0")};
    struct pf_exchange_key_texts texts;
    CHECK_TRUE(pf_exchange_merge_keys(outputs, 3, 0, test->arena, &texts));
    CHECK_STR(list_of(test, &texts), "1|2|5");
}

TEST(says_nothing_where_it_does_not_know) {
    struct bench *bench = bench_open_files(test, 1);
    struct pf_exchange_output known = write_keys(test, bench, "a", "SELECT 1 AS k", "0");
    struct pf_exchange_output silent = bench_write(test, bench, "SELECT 1 AS k", 1);
    struct pf_exchange_output outputs[2] = {known, silent};
    struct pf_exchange_key_texts texts;
    CHECK_FALSE(pf_exchange_merge_keys(outputs, 2, 0, test->arena, &texts));
    CHECK_FALSE(pf_exchange_merge_keys(outputs, 1, 1, test->arena, &texts));
    known = write_keys(test, bench, "b", "SELECT 1.5::DOUBLE AS d, 'infinity'::DATE AS day", "0,1");
    CHECK_FALSE(pf_exchange_merge_keys(&known, 1, 0, test->arena, &texts)); /* not a type for it */
    CHECK_FALSE(pf_exchange_merge_keys(&known, 1, 1, test->arena, &texts));
}

TEST(refuses_keys_that_are_no_numbers) {
    struct pf_exchange_output output;
    static const char *const BAD[] = {
        "{\"v\":1,\"s\":\"[]\",\"p\":1,\"o\":[],\"k\":[{\"c\":0,\"t\":false,\"n\":1,\"x\":2,\"l\":[\"a\"]}]}",
        "{\"v\":1,\"s\":\"[]\",\"p\":1,\"o\":[],\"k\":[{\"c\":-1,\"t\":false,\"n\":1,\"x\":2}]}"};
    for (size_t i = 0; i < 2; i++)
        CHECK_INT(pf_exchange_output_decode(pf_str_from_cstr(BAD[i]), test->arena, &output, &test->err), PF_CORRUPT);
}
