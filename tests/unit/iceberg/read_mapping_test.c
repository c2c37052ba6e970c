/* SPDX-License-Identifier: MIT */
#include "iceberg/iceberg.h"

#include "support/test.h"

/* Tables of schemas 0 (old) and 1 (current). */
static struct pf_table_metadata *table_of(struct pf_test *test, const char *old_fields, const char *fields,
                                          const char *properties) {
    struct pf_table_metadata *metadata;
    pf_str json = pf_arena_printf(
        test->arena,
        "{\"format-version\":3,\"location\":\"/t\",\"last-updated-ms\":1,\"last-column-id\":9,\"current-schema-id\":1,"
        "\"schemas\":[{\"schema-id\":0,\"type\":\"struct\",\"fields\":[%s]},{\"schema-id\":1,\"type\":\"struct\","
        "\"fields\":[%s]}],\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}],\"properties\":{%s}}",
        old_fields, fields, properties);
    CHECK_OK(pf_table_metadata_read(json, PF_STR("t"), test->arena, &metadata, &test->err));
    return metadata;
}

static enum pf_code map(struct pf_test *test, const char *old_fields, const char *fields, const char *properties,
                        struct pf_read_mapping *mapping) {
    struct pf_table_metadata *metadata = table_of(test, old_fields, fields, properties);
    return pf_iceberg_read_mapping(metadata, pf_table_metadata_current_schema(metadata), NULL, 0, test->arena, mapping,
                                   &test->err);
}

#define A_INT "{\"id\":1,\"name\":\"a\",\"required\":false,\"type\":\"int\"}"
#define A_LONG "{\"id\":1,\"name\":\"a\",\"required\":false,\"type\":\"long\"}"
#define B_INT "{\"id\":2,\"name\":\"b\",\"required\":false,\"type\":\"int\"}"
#define A_AS_2 "{\"id\":2,\"name\":\"a\",\"required\":false,\"type\":\"int\"}"
#define ITS "{\"id\":1,\"name\":\"it's\",\"required\":false,\"type\":\"int\"}"
#define S_STRUCT                                                                                                       \
    "{\"id\":3,\"name\":\"s\",\"required\":false,\"type\":{\"type\":\"struct\",\"fields\":[{\"id\":4,\"name\":\"x\","  \
    "\"required\":false,\"type\":\"int\"}]}}"

#define S_CHANGED                                                                                                      \
    "{\"id\":3,\"name\":\"s\",\"required\":false,\"type\":{\"type\":\"struct\",\"fields\":[{\"id\":4,\"name\":\"y\","  \
    "\"required\":false,\"type\":\"int\"}]}}"

#define S_ODD                                                                                                          \
    "{\"id\":3,\"name\":\"s\",\"required\":false,\"type\":{\"type\":\"struct\",\"fields\":[{\"id\":4,\"name\":\"a "    \
    "b\","                                                                                                             \
    "\"required\":false,\"type\":\"int\"}]}}"

TEST(nested_columns_that_never_changed_may_be_new_or_renamed) {
    struct pf_read_mapping mapping;
    CHECK_OK(map(test, A_INT, A_INT "," S_STRUCT, "", &mapping));
    CHECK_STR(mapping.schema_sql, "MAP{1: {name: 'a', type: 'INTEGER', default_value: NULL::VARCHAR}, "
                                  "3: {name: 's', type: 'STRUCT(\"x\" INTEGER)', default_value: NULL::VARCHAR}}");
}

TEST(tables_that_never_changed_are_read_by_name) {
    struct pf_read_mapping mapping;
    CHECK_OK(map(test, A_INT "," S_STRUCT, A_INT "," S_STRUCT, "", &mapping));
    CHECK_TRUE(mapping.is_by_name);
    CHECK_OK(map(test, A_INT "," B_INT, B_INT "," A_INT, "", &mapping));
    CHECK_TRUE(mapping.is_by_name);
}

TEST(changed_tables_are_read_by_field_id) {
    struct pf_read_mapping mapping;
    CHECK_OK(map(test, A_INT, A_LONG, "", &mapping));
    CHECK_FALSE(mapping.is_by_name);
    CHECK_STR(mapping.schema_sql, "MAP{1: {name: 'a', type: 'BIGINT', default_value: NULL::VARCHAR}}");
    CHECK_OK(map(test, A_INT, ITS, "", &mapping));
    CHECK_STR(mapping.schema_sql, "MAP{1: {name: 'it''s', type: 'INTEGER', default_value: NULL::VARCHAR}}");
    CHECK_OK(map(test, A_INT, A_AS_2, "", &mapping)); /* dropped and added again */
    CHECK_STR(mapping.schema_sql, "MAP{2: {name: 'a', type: 'INTEGER', default_value: NULL::VARCHAR}}");
    CHECK_OK(map(test, A_INT "," B_INT, A_INT, "", &mapping)); /* dropped */
    CHECK_FALSE(mapping.is_by_name);
}

TEST(names_that_other_writers_change_are_read_by_field_id) {
    struct pf_read_mapping mapping;
    CHECK_OK(map(test, ITS, ITS, "", &mapping));
    CHECK_FALSE(mapping.is_by_name);
    CHECK_OK(map(test, ITS "," S_ODD, ITS "," S_ODD, "", &mapping));
    CHECK_TRUE(mapping.is_by_file);
    CHECK_OK(map(test, A_INT, ITS "," S_ODD, "", &mapping));
    CHECK_TRUE(mapping.is_by_file);
}

TEST(defaults_are_text_of_one_type) {
    struct pf_read_mapping mapping;
    CHECK_OK(map(test, A_INT,
                 A_INT ",{\"id\":5,\"name\":\"n\",\"required\":true,\"type\":\"long\",\"initial-default\":42},"
                       "{\"id\":6,\"name\":\"t\",\"required\":true,\"type\":\"string\",\"initial-default\":\"it's\"},"
                       "{\"id\":7,\"name\":\"y\",\"required\":true,\"type\":\"binary\",\"initial-default\":\"01FF\"}",
                 "", &mapping));
    CHECK_CONTAINS(mapping.schema_sql, "5: {name: 'n', type: 'BIGINT', default_value: '42'}");
    CHECK_CONTAINS(mapping.schema_sql, "default_value: 'it''s'}");
    CHECK_CONTAINS(mapping.schema_sql, "default_value: '\\x01\\xFF'}");
}

TEST(only_wanted_columns_need_a_mapping) {
    struct pf_table_metadata *metadata = table_of(test, A_INT "," S_STRUCT, A_INT "," B_INT "," S_CHANGED, "");
    const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(metadata);
    struct pf_read_mapping mapping;
    pf_str wanted[] = {PF_STR("B")};
    CHECK_OK(pf_iceberg_read_mapping(metadata, schema, NULL, 0, test->arena, &mapping, &test->err));
    CHECK_TRUE(mapping.is_by_file);
    CHECK_OK(pf_iceberg_read_mapping(metadata, schema, wanted, 1, test->arena, &mapping, &test->err));
    CHECK_STR(mapping.schema_sql, "MAP{2: {name: 'b', type: 'INTEGER', default_value: NULL::VARCHAR}}");
    CHECK_OK(pf_iceberg_read_mapping(metadata, schema, wanted, 0, test->arena, &mapping, &test->err));
    CHECK_STR(mapping.schema_sql, "MAP{1: {name: 'a', type: 'INTEGER', default_value: NULL::VARCHAR}}");
}

TEST(files_of_tables_with_a_name_mapping_are_asked) {
    struct pf_read_mapping mapping;
    CHECK_OK(map(test, A_INT, A_LONG, "\"schema.name-mapping.default\":\"[]\"", &mapping));
    CHECK_TRUE(mapping.is_by_file);
    CHECK_OK(map(test, A_INT, A_INT, "\"schema.name-mapping.default\":\"[]\"", &mapping));
    CHECK_TRUE(mapping.is_by_file && !mapping.is_by_name);
}
