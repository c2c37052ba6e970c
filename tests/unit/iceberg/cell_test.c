/* SPDX-License-Identifier: MIT */
#include "iceberg/cell.h"
#include "iceberg/schema.h"

#include "support/test.h"

#include <math.h>

static struct pf_iceberg_type type_of(const char *text) {
    struct pf_iceberg_type type;
    CHECK_TRUE(schema_parse_primitive(pf_str_from_cstr(text), &type));
    return type;
}

#define CELL(literal) pf_str_from("" literal, sizeof(literal) - 1)

TEST(single_values_are_those_of_appendix_d) {
    static const struct {
        const char *type, *text;
        pf_str cell;
    } vectors[] = {
        {"boolean", "true", {"\x01", 1}},
        {"int", "-2", {"\xfe\xff\xff\xff", 4}},
        {"long", "1234567890123", {"\xcb\x04\xfb\x71\x1f\x01\0\0", 8}},
        {"float", "-4.5", {"\0\0\x90\xc0", 4}},
        {"double", "6.0", {"\0\0\0\0\0\0\x18\x40", 8}},
        {"date", "1970-01-02", {"\x01\0\0\0", 4}},
        {"date", "1969-12-31", {"\xff\xff\xff\xff", 4}},
        {"time", "00:00:00.000258", {"\x02\x01\0\0\0\0\0\0", 8}},
        {"timestamp", "1970-01-01 00:00:01", {"\x40\x42\x0f\0\0\0\0\0", 8}},
        {"timestamptz", "1970-01-01 01:00:01+01", {"\x40\x42\x0f\0\0\0\0\0", 8}},
        {"string", "iceberg", {"iceberg", 7}},
        {"uuid",
         "f79c3e09-677c-4bbd-a479-3f349cb785e7",
         {"\xf7\x9c\x3e\x09\x67\x7c\x4b\xbd\xa4\x79\x3f\x34\x9c\xb7\x85\xe7", 16}},
        {"binary", "00FF", {"\0\xff", 2}},
        {"decimal(9,2)", "14.20", {"\x05\x8c", 2}},
        {"decimal(9,2)", "-0.01", {"\xff", 1}},
        {"decimal(9,2)", "1.28", {"\0\x80", 2}},
        {"decimal(9,2)", "0.00", {"\0", 1}},
        {"decimal(38,0)",
         "99999999999999999999999999999999999999",
         {"\x4b\x3b\x4c\xa8\x5a\x86\xc4\x7a\x09\x8a\x22\x3f\xff\xff\xff\xff", 16}},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct pf_iceberg_type type = type_of(vectors[i].type);
        struct cell_value value, back;
        if (!cell_from_stats(&type, pf_str_from_cstr(vectors[i].text), test->arena, &value)) {
            FAIL("'%s' is no %s", vectors[i].text, vectors[i].type);
        }
        CHECK_STR(cell_encode(&type, &value, test->arena), vectors[i].cell);
        CHECK_TRUE(cell_decode(&type, vectors[i].cell, &back));
        CHECK_INT(cell_compare(&value, &back), 0);
    }
}

TEST(promoted_columns_keep_cells_of_the_old_width) {
    struct cell_value value;
    struct pf_iceberg_type type = type_of("long");
    CHECK_TRUE(cell_decode(&type, CELL("\xfe\xff\xff\xff"), &value));
    CHECK_INT(value.integer, -2);
    type = type_of("double");
    CHECK_TRUE(cell_decode(&type, CELL("\0\0\x90\xc0"), &value));
    CHECK_F64(value.real, -4.5, 0);
    type = type_of("timestamp");
    CHECK_TRUE(cell_decode(&type, CELL("\x01\0\0\0"), &value));
    CHECK_INT(value.integer, 86400000000);
    type = type_of("decimal(38,2)");
    CHECK_TRUE(cell_decode(&type, CELL("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\x8c"), &value));
    CHECK_INT((int64_t)value.decimal, 1420);
}

TEST(cells_of_a_wrong_width_are_no_values) {
    struct cell_value value;
    struct pf_iceberg_type type = type_of("int");
    CHECK_FALSE(cell_decode(&type, CELL("\x01\0\0\0\0\0\0\0"), &value));
    CHECK_FALSE(cell_decode(&type, CELL(""), &value));
    CHECK_FALSE(cell_decode(&type, PF_STR_EMPTY, &value));
    type = type_of("float");
    CHECK_FALSE(cell_decode(&type, CELL("\0\0\0\0\0\0\x18\x40"), &value));
    type = type_of("uuid");
    CHECK_FALSE(cell_decode(&type, CELL("\x01"), &value));
    type = type_of("decimal(38,0)");
    CHECK_FALSE(cell_decode(&type, CELL("\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), &value));
    CHECK_FALSE(cell_decode(&type, CELL("\0\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), &value));
    CHECK_FALSE(cell_decode(&type, CELL(""), &value));
}

TEST(nan_is_the_greatest_and_zeros_are_equal) {
    struct cell_value nan_value = {.form = CELL_FLOAT, .real = NAN}, one = {.form = CELL_FLOAT, .real = INFINITY};
    struct cell_value zero = {.form = CELL_FLOAT, .real = 0.0}, minus = {.form = CELL_FLOAT, .real = -0.0};
    CHECK_INT(cell_compare(&nan_value, &one), 1);
    CHECK_INT(cell_compare(&one, &nan_value), -1);
    CHECK_INT(cell_compare(&nan_value, &nan_value), 0);
    CHECK_INT(cell_compare(&zero, &minus), 0);
}

static bool reads(struct pf_test *test, const char *type_text, const char *sql, const char *text) {
    struct pf_iceberg_type type = type_of(type_text);
    struct cell_value value;
    struct pf_literal literal = {pf_str_from_cstr(sql), pf_str_from_cstr(text)};
    return cell_from_literal(&type, literal, test->arena, &value);
}

TEST(constants_whose_comparison_would_need_a_cast_of_the_column_are_not_used) {
    CHECK_FALSE(reads(test, "date", "TIMESTAMP", "2020-01-01 00:00:00"));
    CHECK_FALSE(reads(test, "timestamptz", "TIMESTAMP", "2020-01-01 00:00:00"));
    CHECK_FALSE(reads(test, "timestamp", "TIMESTAMP WITH TIME ZONE", "2020-01-01 00:00:00+00"));
    CHECK_FALSE(reads(test, "int", "DOUBLE", "1"));
    CHECK_FALSE(reads(test, "int", "INTERVAL", "1"));
    CHECK_FALSE(reads(test, "double", "DECIMAL(2,1)", "0.1"));
    CHECK_FALSE(reads(test, "string", "BLOB", "a"));
    CHECK_TRUE(reads(test, "timestamp", "DATE", "2020-01-01"));
    CHECK_TRUE(reads(test, "decimal(9,2)", "INTEGER", "-7"));
}

TEST(constants_that_are_not_exactly_of_the_type_are_not_used) {
    CHECK_FALSE(reads(test, "decimal(9,2)", "DECIMAL(9,3)", "1.255"));
    CHECK_TRUE(reads(test, "decimal(9,2)", "DECIMAL(9,3)", "1.250"));
    CHECK_FALSE(reads(test, "decimal(38,0)", "HUGEINT", "999999999999999999999999999999999999999999"));
    CHECK_FALSE(reads(test, "timestamp", "TIMESTAMP_NS", "2020-01-01 00:00:00.000000001"));
    CHECK_FALSE(reads(test, "timestamp", "TIMESTAMP", "infinity"));
    CHECK_FALSE(reads(test, "date", "DATE", "0044-03-15 (BC)"));
    CHECK_FALSE(reads(test, "int", "BIGINT", "3000000000"));
    CHECK_FALSE(reads(test, "long", "HUGEINT", "99999999999999999999"));
    CHECK_FALSE(reads(test, "uuid", "UUID", "f79c3e09"));
    CHECK_TRUE(reads(test, "date", "DATE", "99999-01-01"));
}

TEST(float_constants_are_rounded_to_floats) {
    struct pf_iceberg_type type = type_of("float");
    struct cell_value value;
    struct pf_literal literal = {PF_STR("FLOAT"), PF_STR("0.1")};
    CHECK_TRUE(cell_from_literal(&type, literal, test->arena, &value));
    CHECK_F64(value.real, (double)0.1f, 0);
    literal.type = PF_STR("DOUBLE");
    CHECK_TRUE(cell_from_literal(&type, literal, test->arena, &value));
    CHECK_F64(value.real, 0.1, 0);
}

TEST(prefixes_are_counted_in_characters) {
    CHECK_UINT(cell_utf8_prefix(PF_STR("a\xc3\xa9z"), 2), 3);
    CHECK_UINT(cell_utf8_prefix(PF_STR("a\xc3\xa9z"), 99), 4);
    CHECK_UINT(cell_utf8_prefix(PF_STR(""), 2), 0);
    CHECK_UINT(cell_utf8_prefix(PF_STR("\xa9\xa9"), 1), 2);
}
