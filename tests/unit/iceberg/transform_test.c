/* SPDX-License-Identifier: MIT */
/* Vectors of the spec: Appendix B (hashes) and the section on transforms. */
#include "iceberg/schema.h"
#include "iceberg/transform.h"

#include "support/test.h"

static struct cell_value value_of(struct pf_test *test, const char *type_text, const char *sql_type, const char *text,
                                  struct pf_iceberg_type *out_type) {
    struct cell_value value;
    CHECK_TRUE(schema_parse_primitive(pf_str_from_cstr(type_text), out_type));
    struct pf_literal literal = {pf_str_from_cstr(sql_type), pf_str_from_cstr(text)};
    if (!cell_from_literal(out_type, literal, test->arena, &value)) FAIL("'%s' is no %s", text, type_text);
    return value;
}

TEST(hashes_as_the_spec_says) {
    static const struct {
        const char *type, *sql, *text;
        int32_t hash;
    } vectors[] = {
        {"int", "INTEGER", "34", 2017239379},
        {"long", "BIGINT", "34", 2017239379},
        {"decimal(9,2)", "DECIMAL(9,2)", "14.20", -500754589},
        {"date", "DATE", "2017-11-16", -653330422},
        {"time", "TIME", "22:31:08", -662762989},
        {"timestamp", "TIMESTAMP", "2017-11-16 22:31:08", -2047944441},
        {"timestamp", "TIMESTAMP", "2017-11-16 22:31:08.000001", -1207196810},
        {"timestamptz", "TIMESTAMP WITH TIME ZONE", "2017-11-16 14:31:08-08", -2047944441},
        {"timestamptz", "TIMESTAMP WITH TIME ZONE", "2017-11-16 14:31:08.000001-08:00", -1207196810},
        {"timestamp_ns", "TIMESTAMP_NS", "2017-11-16 22:31:08", -2047944441},
        {"timestamp_ns", "TIMESTAMP_NS", "2017-11-16 22:31:08.000001001", -1207196810},
        {"string", "VARCHAR", "iceberg", 1210000089},
        {"uuid", "UUID", "f79c3e09-677c-4bbd-a479-3f349cb785e7", 1488055340},
        {"fixed[4]", "BLOB", "\\x00\\x01\\x02\\x03", -188683207},
        {"binary", "BLOB", "\\x00\\x01\\x02\\x03", -188683207},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct pf_iceberg_type type;
        uint32_t hash;
        struct cell_value value = value_of(test, vectors[i].type, vectors[i].sql, vectors[i].text, &type);
        CHECK_TRUE(transform_hash(&type, &value, &hash));
        CHECK_INT((int32_t)hash, vectors[i].hash);
    }
}

TEST(does_not_hash_booleans_and_floats) {
    struct pf_iceberg_type type;
    uint32_t hash;
    struct cell_value value = value_of(test, "double", "DOUBLE", "1.0", &type);
    CHECK_FALSE(transform_hash(&type, &value, &hash));
    struct pf_transform bucket;
    CHECK_OK(pf_transform_parse(PF_STR("bucket[4]"), &bucket, &test->err));
    CHECK_NULL(transform_result_type(&bucket, &type));
}

static int64_t apply_integer(struct pf_test *test, const char *transform_text, const char *type_text, const char *sql,
                             const char *text) {
    struct pf_transform transform;
    struct pf_iceberg_type type;
    struct cell_value result;
    CHECK_OK(pf_transform_parse(pf_str_from_cstr(transform_text), &transform, &test->err));
    struct cell_value value = value_of(test, type_text, sql, text, &type);
    CHECK_TRUE(transform_value(&transform, &type, &value, &result));
    return result.form == CELL_DECIMAL ? (int64_t)result.decimal : result.integer;
}

TEST(truncates_towards_minus_infinity) {
    CHECK_INT(apply_integer(test, "truncate[10]", "int", "INTEGER", "1"), 0);
    CHECK_INT(apply_integer(test, "truncate[10]", "int", "INTEGER", "-1"), -10);
    CHECK_INT(apply_integer(test, "truncate[10]", "long", "BIGINT", "-10"), -10);
    CHECK_INT(apply_integer(test, "truncate[50]", "decimal(9,2)", "DECIMAL(9,2)", "10.65"), 1050);
    CHECK_INT(apply_integer(test, "truncate[10]", "decimal(9,2)", "DECIMAL(9,2)", "-0.05"), -10);
}

TEST(truncates_text_by_characters_and_bytes_by_bytes) {
    struct pf_iceberg_type type;
    struct cell_value result,
        value = value_of(test, "string", "VARCHAR", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z", &type);
    struct pf_transform truncate;
    CHECK_OK(pf_transform_parse(PF_STR("truncate[3]"), &truncate, &test->err));
    CHECK_TRUE(transform_value(&truncate, &type, &value, &result));
    CHECK_STR(result.bytes, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    value = value_of(test, "binary", "BLOB", "\\xC3\\xA9\\xE2\\x82", &type);
    CHECK_TRUE(transform_value(&truncate, &type, &value, &result));
    CHECK_STR(result.bytes, "\xc3\xa9\xe2");
}

TEST(counts_years_months_days_and_hours_from_1970_rounding_down) {
    CHECK_INT(apply_integer(test, "year", "date", "DATE", "2017-11-16"), 47);
    CHECK_INT(apply_integer(test, "month", "date", "DATE", "2017-11-16"), 574);
    CHECK_INT(apply_integer(test, "day", "date", "DATE", "2017-11-16"), 17486);
    CHECK_INT(apply_integer(test, "year", "date", "DATE", "1969-12-31"), -1);
    CHECK_INT(apply_integer(test, "month", "date", "DATE", "1969-12-31"), -1);
    CHECK_INT(apply_integer(test, "month", "date", "DATE", "1968-12-31"), -13);
    CHECK_INT(apply_integer(test, "year", "timestamp", "TIMESTAMP", "1969-12-31 23:59:59.999999"), -1);
    CHECK_INT(apply_integer(test, "day", "timestamp", "TIMESTAMP", "1969-12-31 23:59:59"), -1);
    CHECK_INT(apply_integer(test, "hour", "timestamp", "TIMESTAMP", "1969-12-31 23:59:59"), -1);
    CHECK_INT(apply_integer(test, "hour", "timestamp_ns", "TIMESTAMP_NS", "1970-01-01 01:00:00"), 1);
    CHECK_INT(apply_integer(test, "year", "date", "DATE", "2000-02-29"), 30);
    CHECK_INT(apply_integer(test, "month", "date", "DATE", "0001-01-01"), -1969 * 12);
}

TEST(reads_transforms_and_keeps_unknown_ones) {
    struct pf_transform transform;
    CHECK_OK(pf_transform_parse(PF_STR("bucket[16]"), &transform, &test->err));
    CHECK_INT(transform.kind, PF_TRANSFORM_BUCKET);
    CHECK_INT(transform.width, 16);
    CHECK_OK(pf_transform_parse(PF_STR("zorder"), &transform, &test->err));
    CHECK_INT(transform.kind, PF_TRANSFORM_UNKNOWN);
    CHECK_FAILS(pf_transform_parse(PF_STR("bucket[0]"), &transform, &test->err), PF_INVALID, "bucket[0]");
    CHECK_FAILS(pf_transform_parse(PF_STR("truncate[x]"), &transform, &test->err), PF_INVALID, "truncate[x]");
}

TEST(partition_values_of_constants_become_cells) {
    struct pf_transform day;
    struct pf_iceberg_type type = {.kind = PF_ICEBERG_TIMESTAMP, .text = PF_STR("timestamp")};
    pf_str cell;
    CHECK_OK(pf_transform_parse(PF_STR("day"), &day, &test->err));
    struct pf_literal literal = {PF_STR("TIMESTAMP"), PF_STR("1970-01-03 12:00:00")};
    CHECK_OK(pf_transform_apply(&day, &type, literal, test->arena, &cell, &test->err));
    CHECK_TRUE(pf_str_equal(cell, pf_str_from("\x02\0\0\0", 4)));
    literal.text = PF_STR("infinity");
    CHECK_FAILS(pf_transform_apply(&day, &type, literal, test->arena, &cell, &test->err), PF_INVALID, "infinity");
    type = (struct pf_iceberg_type){.kind = PF_ICEBERG_STRING, .text = PF_STR("string")};
    CHECK_FAILS(pf_transform_apply(&day, &type, literal, test->arena, &cell, &test->err), PF_UNSUPPORTED, "string");
}
