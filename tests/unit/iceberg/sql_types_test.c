/* SPDX-License-Identifier: MIT */
#include "iceberg/iceberg.h"

#include "support/test.h"

static enum pf_code convert(struct pf_test *test, const char *sql, struct pf_iceberg_schema *schema) {
    struct pf_sql_column column = {PF_STR("c"), pf_str_from_cstr(sql), false};
    int last_id;
    return pf_iceberg_schema_from_sql(&column, 1, test->arena, schema, &last_id, &test->err);
}

static pf_str round_trip(struct pf_test *test, const char *sql) {
    struct pf_iceberg_schema schema;
    pf_str back;
    CHECK_OK(convert(test, sql, &schema));
    CHECK_OK(pf_iceberg_type_sql(schema.fields[0].type, test->arena, &back, &test->err));
    return back;
}

TEST(types_of_both_sides_stay) {
    static const char *const types[] = {"BOOLEAN",
                                        "INTEGER",
                                        "BIGINT",
                                        "FLOAT",
                                        "DOUBLE",
                                        "DATE",
                                        "TIME",
                                        "DECIMAL(38,10)",
                                        "TIMESTAMP",
                                        "VARCHAR",
                                        "UUID",
                                        "TIMESTAMP WITH TIME ZONE",
                                        "BLOB",
                                        "DOUBLE[]",
                                        "MAP(VARCHAR, DOUBLE[])",
                                        "STRUCT(\"a\" INTEGER, \"b \"\"c\" STRUCT(\"d\" DATE)[])[][]"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) CHECK_STR(round_trip(test, types[i]), types[i]);
}

TEST(types_iceberg_lacks_become_wider_ones) {
    CHECK_STR(round_trip(test, "TINYINT"), "INTEGER");
    CHECK_STR(round_trip(test, "USMALLINT"), "INTEGER");
    CHECK_STR(round_trip(test, "UINTEGER"), "BIGINT");
    CHECK_STR(round_trip(test, "UBIGINT"), "DECIMAL(20,0)");
    CHECK_STR(round_trip(test, "TIMESTAMP_S"), "TIMESTAMP");
    CHECK_STR(round_trip(test, "TIMESTAMPTZ"), "TIMESTAMP WITH TIME ZONE");
    CHECK_STR(round_trip(test, "ENUM('a', 'it''s)', 'c')[]"), "VARCHAR[]");
    CHECK_STR(round_trip(test, "JSON"), "VARCHAR");
    CHECK_STR(round_trip(test, "INTEGER[3]"), "INTEGER[]");
    CHECK_STR(round_trip(test, "decimal"), "DECIMAL(18,3)");
}

TEST(types_without_a_lossless_counterpart_are_refused_with_the_mend) {
    struct pf_iceberg_schema schema;
    CHECK_FAILS(convert(test, "HUGEINT", &schema), PF_UNSUPPORTED, "column c: Iceberg has no type for HUGEINT");
    CHECK_CONTAINS(test->err.message, "DECIMAL(38,0)");
    CHECK_FAILS(convert(test, "INTERVAL", &schema), PF_UNSUPPORTED, "CAST it to VARCHAR");
    CHECK_FAILS(convert(test, "TIME WITH TIME ZONE", &schema), PF_UNSUPPORTED, "TIMETZ");
    CHECK_FAILS(convert(test, "TIMESTAMP_NS[]", &schema), PF_UNSUPPORTED, "microseconds");
    CHECK_FAILS(convert(test, "UNION(a INTEGER, b VARCHAR)", &schema), PF_UNSUPPORTED, "UNION");
    CHECK_FAILS(convert(test, "\"NULL\"", &schema), PF_UNSUPPORTED, "all its values are NULL");
    CHECK_FAILS(convert(test, "mood", &schema), PF_UNSUPPORTED, "mood");
}

TEST(text_that_is_no_type_is_refused) {
    static const char *const bad[] = {"",         "STRUCT(",  "STRUCT(a INTEGER", "MAP(VARCHAR)", "DECIMAL(1,2,3)",
                                      "INTEGER]", "INTEGER[", "DECIMAL(39,0)",    "DECIMAL(2,5)", "STRUCT(\"a INTEGER)",
                                      "MAP()"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pf_iceberg_schema schema;
        if (convert(test, bad[i], &schema) == PF_OK) FAIL("'%s' is a type", bad[i]);
    }
}

TEST(ids_are_given_level_by_level) {
    struct pf_sql_column columns[] = {{PF_STR("a"), PF_STR("STRUCT(x INTEGER, y VARCHAR[])"), false},
                                      {PF_STR("b"), PF_STR("MAP(VARCHAR, INTEGER)"), true}};
    struct pf_iceberg_schema schema;
    int last_id;
    CHECK_OK(pf_iceberg_schema_from_sql(columns, 2, test->arena, &schema, &last_id, &test->err));
    CHECK_INT(last_id, 7);
    CHECK_STR(pf_iceberg_field_ids_sql(&schema, test->arena),
              "{'a': {__duckdb_field_id: 1, 'x': 3, 'y': {__duckdb_field_id: 4, 'element': 5}}, "
              "'b': {__duckdb_field_id: 2, 'key': 6, 'value': 7}}");
    columns[1].name = PF_STR("A");
    CHECK_FAILS(pf_iceberg_schema_from_sql(columns, 2, test->arena, &schema, &last_id, &test->err), PF_INVALID,
                "two columns");
}

TEST(types_that_duckdb_lacks_are_refused) {
    struct pf_iceberg_type variant = {.kind = PF_ICEBERG_OTHER, .text = PF_STR("variant")};
    pf_str sql;
    CHECK_FAILS(pf_iceberg_type_sql(&variant, test->arena, &sql, &test->err), PF_UNSUPPORTED, "variant");
}
