/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "iceberg/iceberg.h"
#include "support/test.h"

static const struct pf_iceberg_type int_type = {.kind = PF_ICEBERG_INT, .text = {"int", 3}};
static const struct pf_iceberg_type text_type = {.kind = PF_ICEBERG_STRING, .text = {"string", 6}};
static const struct pf_iceberg_type date_type = {.kind = PF_ICEBERG_DATE, .text = {"date", 4}};
static const struct pf_iceberg_type double_type = {.kind = PF_ICEBERG_DOUBLE, .text = {"double", 6}};
static const struct pf_iceberg_type uuid_type = {.kind = PF_ICEBERG_UUID, .text = {"uuid", 4}};
static const struct pf_iceberg_field inner[] = {{.id = 6, .name = {"b", 1}, .type = &int_type}};
static const struct pf_iceberg_type struct_type = {.kind = PF_ICEBERG_STRUCT, .fields = inner, .field_count = 1};
static const struct pf_iceberg_field fields[] = {
    {.id = 1, .name = {"a", 1}, .type = &int_type},    {.id = 2, .name = {"t", 1}, .type = &text_type},
    {.id = 3, .name = {"day", 3}, .type = &date_type}, {.id = 4, .name = {"x", 1}, .type = &double_type},
    {.id = 5, .name = {"s", 1}, .type = &struct_type}, {.id = 7, .name = {"u", 1}, .type = &uuid_type}};
static const struct pf_iceberg_schema schema = {.fields = fields, .field_count = 6};
static const struct pf_partition_field partition_fields[] = {
    {.source_id = 3, .field_id = 1000, .name = {"p", 1}, .transform = {PF_TRANSFORM_MONTH, 0, {"month", 5}}}};
static const struct pf_partition_spec specs[] = {{.id = 0, .fields = partition_fields, .field_count = 1}};
static const struct pf_table_metadata table = {
    .format_version = 2, .schemas = &schema, .schema_count = 1, .specs = specs, .spec_count = 1};

/* A file of a from 10 to 20 without nulls, t from "apple" to "kiwi" with nulls, x from 1 to 2 with NaN, s.b is 7, of the
 * month 2020-02. */
static struct pf_data_file file_of(struct pf_test *test) {
    static const pf_str month = {"\x59\2\0\0", 4};
    static const struct pf_column_stats columns[] = {
        {1, -1, 10, 0, -1, {"\12\0\0\0", 4}, {"\24\0\0\0", 4}},
        {2, -1, 10, 3, -1, {"apple", 5}, {"kiwi", 4}},
        {4, -1, 10, 0, 2, {"\0\0\0\0\0\0\xf0\x3f", 8}, {"\0\0\0\0\0\0\0\x40", 8}},
        {6, -1, 10, 0, -1, {"\7\0\0\0", 4}, {"\7\0\0\0", 4}},
        {7, -1, 10, 0, -1, {"0000000000000000", 16}, {"0000000000000000", 16}}};
    (void)test;
    return (struct pf_data_file){.path = PF_STR("/f"),
                                 .format = PF_STR("PARQUET"),
                                 .partition = &month,
                                 .partition_count = 1,
                                 .record_count = 10,
                                 .columns = columns,
                                 .column_count = 5,
                                 .sort_order_id = -1,
                                 .content_offset = -1,
                                 .content_size_bytes = -1,
                                 .first_row_id = -1};
}

static const struct pf_filter *read_filter(struct pf_test *test, const char *json) {
    const struct pf_filter *filter = NULL;
    pf_json *root;
    CHECK_OK(pf_json_parse(pf_str_from_cstr(json), test->arena, "filter", &root, &test->err));
    CHECK_OK(pf_filter_read(root, &table, &schema, true, test->arena, &filter, &test->err));
    return filter;
}

static bool keeps(struct pf_test *test, const char *json) {
    struct pf_data_file file = file_of(test);
    return pf_filter_keeps_file(read_filter(test, json), &file);
}

TEST(comparisons_skip_by_statistics) {
    CHECK_TRUE(keeps(test, "{\"type\":\"eq\",\"term\":\"a\",\"value\":15}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"eq\",\"term\":\"a\",\"value\":21}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"lt\",\"term\":\"a\",\"value\":10}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"lt-eq\",\"term\":\"a\",\"value\":10}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"in\",\"term\":\"a\",\"values\":[1,2,30]}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"in\",\"term\":\"a\",\"values\":[1,12]}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"in\",\"term\":\"a\",\"values\":[]}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"not-in\",\"term\":\"a\",\"values\":[]}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"is-null\",\"term\":\"a\"}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"eq\",\"term\":\"s.b\",\"value\":8}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"not-eq\",\"term\":\"s.b\",\"value\":7}"));
    /* Out of the column's range, or of another type: nothing is known. */
    CHECK_TRUE(keeps(test, "{\"type\":\"eq\",\"term\":\"a\",\"value\":99999999999}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"eq\",\"term\":\"a\",\"value\":\"x\"}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"eq\",\"term\":{\"type\":\"transform\",\"transform\":\"bucket[4]\","
                           "\"term\":\"a\"},\"value\":99}"));
}

TEST(nulls_satisfy_what_is_negated) {
    CHECK_TRUE(keeps(test, "{\"type\":\"not-eq\",\"term\":\"t\",\"value\":\"b\"}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"not\",\"child\":{\"type\":\"not-null\",\"term\":\"a\"}}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"not\",\"child\":{\"type\":\"lt\",\"term\":\"a\",\"value\":20}}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"not\",\"child\":{\"type\":\"lt\",\"term\":\"a\",\"value\":21}}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"not\",\"child\":true}"));
}

TEST(nan_is_greatest) {
    CHECK_TRUE(keeps(test, "{\"type\":\"gt\",\"term\":\"x\",\"value\":3}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"lt\",\"term\":\"x\",\"value\":1.0}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"is-nan\",\"term\":\"x\"}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"not-nan\",\"term\":\"x\"}"));
}

TEST(prefixes_skip) {
    CHECK_TRUE(keeps(test, "{\"type\":\"starts-with\",\"term\":\"t\",\"value\":\"ap\"}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"starts-with\",\"term\":\"t\",\"value\":\"ki\"}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"starts-with\",\"term\":\"t\",\"value\":\"an\"}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"starts-with\",\"term\":\"t\",\"value\":\"z\"}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"starts-with\",\"term\":\"t\",\"value\":\"\"}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"not-starts-with\",\"term\":\"t\",\"value\":\"a\"}"));
}

/* Java orders them by signed numbers. */
TEST(uuids_are_compared_for_equality_only) {
    CHECK_FALSE(keeps(test, "{\"type\":\"eq\",\"term\":\"u\",\"value\":\"00000000-0000-0000-0000-000000000001\"}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"lt\",\"term\":\"u\",\"value\":\"00000000-0000-0000-0000-000000000001\"}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"gt\",\"term\":\"u\",\"value\":\"ffffffff-0000-0000-0000-000000000001\"}"));
}

TEST(and_and_or_are_followed) {
    const char *no = "{\"type\":\"eq\",\"term\":\"a\",\"value\":1}",
               *yes = "{\"type\":\"eq\",\"term\":\"a\",\"value\":11}";
    const pf_str cases[] = {pf_str_from_cstr(no), pf_str_from_cstr(yes)};
    for (int i = 0; i < 4; i++) {
        pf_str left = cases[i & 1], right = cases[i >> 1];
        for (int is_or = 0; is_or < 2; is_or++) {
            pf_str json = pf_arena_printf(test->arena, "{\"type\":\"%s\",\"left\":%.*s,\"right\":%.*s}",
                                          is_or ? "or" : "and", PF_STR_ARG(left), PF_STR_ARG(right));
            CHECK_INT(keeps(test, pf_arena_cstr(test->arena, json)), is_or ? i > 0 : i == 3);
        }
    }
}

static void has_residual(struct pf_test *test, const char *json, const char *expected) {
    struct pf_data_file file = file_of(test);
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, 10000);
    pf_json_begin(&out, &buf);
    pf_filter_put_residual(read_filter(test, json), &file, &out, test->arena);
    CHECK_STR(pf_buf_view(&buf), pf_str_from_cstr(expected));
    pf_buf_clear(&buf);
}

TEST(what_the_partition_says_is_not_asked_again) {
    const char *in_month = "{\"type\":\"lt\",\"term\":\"day\",\"value\":\"2020-02-10\"}";
    has_residual(test, "{\"type\":\"gt-eq\",\"term\":\"day\",\"value\":\"2020-02-01\"}", "true");
    has_residual(test, "{\"type\":\"lt\",\"term\":\"day\",\"value\":18322}", "true"); /* 2020-03-01 */
    has_residual(test, "{\"type\":\"lt\",\"term\":\"day\",\"value\":\"2020-02-01\"}", "false");
    has_residual(test, in_month, in_month);
    has_residual(test,
                 "{\"type\":\"and\",\"left\":{\"type\":\"gt\",\"term\":\"day\",\"value\":\"2020-01-31\"},"
                 "\"right\":{\"type\":\"not\",\"child\":{\"type\":\"eq\",\"term\":\"a\",\"value\":3}}}",
                 "{\"type\":\"not-eq\",\"term\":\"a\",\"value\":3}");
    has_residual(test, "{\"type\":\"is-null\",\"term\":\"day\"}", "false");
    has_residual(test, "true", "true");
}

TEST(newer_forms_are_read) {
    CHECK_FALSE(keeps(test, "{\"type\":\"eq\",\"left\":{\"type\":\"reference\",\"term\":\"a\"},"
                            "\"right\":{\"type\":\"literal\",\"value\":5}}"));
    CHECK_FALSE(keeps(test, "{\"type\":\"is-null\",\"child\":\"a\"}"));
    CHECK_TRUE(keeps(test, "{\"type\":\"literal\",\"value\":true}"));
    CHECK_TRUE(keeps(test, "null"));
}

TEST(refuses_what_is_no_expression) {
    static const struct {
        const char *json, *part;
    } cases[] = {{"7", "missing"},
                 {"{}", "unknown type"},
                 {"{\"type\":\"near\",\"term\":\"a\",\"value\":1}", "'near'"},
                 {"{\"type\":\"eq\",\"term\":\"a\"}", "no value"},
                 {"{\"type\":\"in\",\"term\":\"a\",\"values\":3}", "no list"},
                 {"{\"type\":\"eq\",\"value\":3}", "no term"},
                 {"{\"type\":\"and\",\"left\":true}", "missing"},
                 {"{\"type\":\"eq\",\"term\":\"A\",\"value\":3}", "Cannot find field 'A'"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct pf_filter *filter;
        pf_json *root;
        CHECK_OK(pf_json_parse(pf_str_from_cstr(cases[i].json), test->arena, "filter", &root, &test->err));
        CHECK_FAILS(pf_filter_read(root, &table, &schema, true, test->arena, &filter, &test->err), PF_INVALID,
                    cases[i].part);
    }
}

TEST(files_are_written_for_clients) {
    struct pf_data_file file = file_of(test);
    struct pf_manifest_columns stats = {.ids = (const int[]){2}, .count = 1};
    struct pf_buf buf;
    struct pf_json_out out;
    file.split_offsets = (const int64_t[]){4, 90};
    file.split_offset_count = 2;
    file.first_row_id = 40;
    file.sequence_number = 3;
    pf_buf_init(&buf, 10000);
    pf_json_begin(&out, &buf);
    CHECK_OK(pf_data_file_check_json(&file, &table, &test->err));
    pf_data_file_put_json(&file, &table, &stats, &out, test->arena);
    CHECK_STR(pf_buf_view(&buf),
              pf_str_from_cstr(
                  "{\"spec-id\":0,\"content\":\"data\",\"file-path\":\"/f\",\"file-format\":\"parquet\","
                  "\"partition\":[601],\"file-size-in-bytes\":0,\"record-count\":10,"
                  "\"value-counts\":{\"keys\":[2],\"values\":[10]},\"null-value-counts\":{\"keys\":[2],\"values\":[3]},"
                  "\"nan-value-counts\":{\"keys\":[],\"values\":[]},\"split-offsets\":[4,90],"
                  "\"first-row-id\":40,\"data-sequence-number\":3}"));
    pf_buf_clear(&buf);
}
