/* SPDX-License-Identifier: MIT */
/* Columns of a Parquet file as columns of a schema: expressions, which tests/judges runs against what Spark reads. */
#include "iceberg/iceberg.h"
#include "support/test.h"

static struct pf_iceberg_schema schema_of(struct pf_test *test, const char *fields) {
    struct pf_iceberg_schema schema;
    pf_str json = pf_arena_printf(test->arena, "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[%s]}", fields);
    CHECK_OK(pf_iceberg_schema_parse(json, test->arena, &schema, &test->err));
    return schema;
}

#define FIELD(id, name, type) "{\"id\":" #id ",\"name\":\"" name "\",\"required\":false,\"type\":" type "}"
#define STRUCT(fields) "{\"type\":\"struct\",\"fields\":[" fields "]}"
#define LIST(id, type) "{\"type\":\"list\",\"element-id\":" #id ",\"element-required\":false,\"element\":" type "}"
#define ROW(text, id, children)                                                                                        \
    { .name = PF_STR(text), .field_id = id, .child_count = children }

static const pf_str no_mapping;

/* The expression of the only field. */
static pf_str one(struct pf_test *test, const char *field, pf_str mapping, const struct pf_parquet_row *rows,
                  size_t count) {
    struct pf_iceberg_schema schema = schema_of(test, field);
    pf_str expression = PF_STR_EMPTY;
    CHECK_OK(pf_iceberg_file_columns(&schema, mapping, NULL, 0, rows, count, test->arena, &expression, &test->err));
    return expression;
}

TEST(columns_are_found_by_id_and_named_as_the_file_names_them) {
    static const struct pf_parquet_row rows[] = {ROW("root", -1, 2), ROW("a", 7, 0), ROW("odd \"b", 1, 0)};
    CHECK_STR(one(test, FIELD(1, "a", "\"int\""), no_mapping, rows, 3), "\"odd \"\"b\"");
}

TEST(columns_that_a_file_lacks_have_their_default_or_nothing) {
    static const struct pf_parquet_row rows[] = {ROW("root", -1, 1), ROW("a", 7, 0)};
    CHECK_STR(one(test, FIELD(1, "a", "\"int\""), no_mapping, rows, 2), "CAST(NULL AS INTEGER)");
    CHECK_STR(one(test, "{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"string\",\"initial-default\":\"it's\"}",
                  no_mapping, rows, 2),
              "CAST('it''s' AS VARCHAR)");
}

TEST(constants_of_the_partition_come_before_defaults) {
    static const struct pf_parquet_row rows[] = {ROW("root", -1, 1), ROW("a", 7, 0)};
    static const struct pf_partition_constant constants[] = {{1, PF_STR("5")}, {2, {0}}};
    struct pf_iceberg_schema schema = schema_of(test, FIELD(1, "x", "\"int\"") "," FIELD(2, "y", "\"int\""));
    pf_str out[2];
    CHECK_OK(pf_iceberg_file_columns(&schema, no_mapping, constants, 2, rows, 2, test->arena, out, &test->err));
    CHECK_STR(out[0], "'5'");
    CHECK_STR(out[1], "CAST(NULL AS INTEGER)");
}

TEST(structs_that_changed_are_taken_apart) {
    static const struct pf_parquet_row rows[] = {ROW("root", -1, 1), ROW("s", 1, 2), ROW("x", 2, 0), ROW("old", 3, 0)};
    CHECK_STR(
        one(test, FIELD(1, "s", STRUCT(FIELD(2, "x", "\"long\"") "," FIELD(3, "old", "\"int\""))), no_mapping, rows, 4),
        "\"s\"");
    CHECK_STR(
        one(test, FIELD(1, "s", STRUCT(FIELD(3, "new", "\"int\"") "," FIELD(9, "z", "\"date\""))), no_mapping, rows, 4),
        "CASE WHEN \"s\" IS NULL THEN NULL ELSE struct_pack(\"new\" := struct_extract(\"s\", 'old'), \"z\" := "
        "CAST(NULL AS DATE)) END");
}

TEST(lists_of_new_and_old_writers_are_lists) {
    static const struct pf_parquet_row three[] = {
        ROW("root", -1, 1),
        {.name = PF_STR("l"), .field_id = 1, .child_count = 1, .converted_type = PF_STR("LIST")},
        {.name = PF_STR("bag"), .field_id = -1, .child_count = 1, .is_repeated = true},
        ROW("array_element", 2, 1),
        ROW("a", 3, 0)};
    static const struct pf_parquet_row two[] = {
        ROW("root", -1, 1),
        {.name = PF_STR("l"), .field_id = 1, .child_count = 1, .logical_type = PF_STR("ListType()")},
        {.name = PF_STR("array"), .field_id = 2, .child_count = 1, .is_repeated = true},
        ROW("a", 3, 0)};
    const char *field = FIELD(1, "l", LIST(2, STRUCT(FIELD(3, "b", "\"int\""))));
    const char *expected = "list_transform(\"l\", lambda pf_e1: CASE WHEN pf_e1 IS NULL THEN NULL ELSE "
                           "struct_pack(\"b\" := struct_extract(pf_e1, 'a')) END)";
    CHECK_STR(one(test, field, no_mapping, three, 5), expected);
    CHECK_STR(one(test, field, no_mapping, two, 4), expected);
}

TEST(names_are_mapped_where_a_file_has_no_ids) {
    static const struct pf_parquet_row rows[] = {
        ROW("root", -1, 3),
        ROW("A", -1, 0),
        ROW("b", 2, 0),
        {.name = PF_STR("l"), .field_id = -1, .child_count = 1, .converted_type = PF_STR("LIST")},
        {.name = PF_STR("list"), .field_id = -1, .child_count = 1, .is_repeated = true},
        ROW("item", -1, 1),
        ROW("x", -1, 0)};
    pf_str mapping =
        PF_STR("[{\"field-id\":1,\"names\":[\"a\",\"A\"]},{\"field-id\":9,\"names\":[\"b\"]},{\"field-id\":3,"
               "\"names\":[\"l\"],\"fields\":[{\"field-id\":4,\"names\":[\"element\"],\"fields\":[{\"field-id\":5,"
               "\"names\":[\"x\"]}]}]}]");
    CHECK_STR(one(test, FIELD(1, "a", "\"int\""), mapping, rows, 7), "\"A\"");
    CHECK_STR(one(test, FIELD(2, "n", "\"int\""), mapping, rows, 7), "\"b\"");
    CHECK_STR(one(test, FIELD(9, "n", "\"int\""), mapping, rows, 7), "CAST(NULL AS INTEGER)");
    CHECK_STR(one(test, FIELD(3, "l", LIST(4, STRUCT(FIELD(5, "x", "\"int\"")))), mapping, rows, 7), "\"l\"");
}

TEST(files_that_cannot_be_understood_are_refused) {
    static const struct pf_parquet_row plain[] = {ROW("root", -1, 1), ROW("a", -1, 0)};
    static const struct pf_parquet_row torn[] = {ROW("root", -1, 3), ROW("a", 1, 0)};
    static const struct pf_parquet_row leaf[] = {ROW("root", -1, 1), ROW("s", 1, 0)};
    struct pf_iceberg_schema schema = schema_of(test, FIELD(1, "s", STRUCT(FIELD(2, "x", "\"int\""))));
    pf_str out[1];
    CHECK_FAILS(pf_iceberg_file_columns(&schema, no_mapping, NULL, 0, plain, 2, test->arena, out, &test->err),
                PF_UNSUPPORTED, "no field ids");
    CHECK_FAILS(pf_iceberg_file_columns(&schema, no_mapping, NULL, 0, torn, 2, test->arena, out, &test->err),
                PF_CORRUPT, "no tree");
    CHECK_FAILS(pf_iceberg_file_columns(&schema, no_mapping, NULL, 0, leaf, 2, test->arena, out, &test->err),
                PF_CORRUPT, "another kind");
}
