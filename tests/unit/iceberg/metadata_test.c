/* SPDX-License-Identifier: MIT */
#include "iceberg/schema.h"

#include "support/test.h"

static const char v2_table[] =
    "{\"format-version\":2,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\",\"location\":\"s3://b/t/\","
    "\"last-sequence-number\":34,\"last-updated-ms\":1602638573590,\"last-column-id\":6,\"current-schema-id\":1,"
    "\"schemas\":[{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"x\",\"required\":true,\"type\":"
    "\"long\"}]},"
    "{\"type\":\"struct\",\"schema-id\":1,\"identifier-field-ids\":[1],\"fields\":["
    "{\"id\":1,\"name\":\"x\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"y\",\"required\":false,\"type\":\"decimal(9, 2)\",\"doc\":\"a \\\"comment\\\"\"},"
    "{\"id\":3,\"name\":\"s\",\"required\":false,\"type\":{\"type\":\"struct\",\"fields\":["
    "{\"id\":4,\"name\":\"l\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":5,\"element\":\"string\","
    "\"element-required\":true}}]}},"
    "{\"id\":6,\"name\":\"m\",\"required\":false,\"type\":{\"type\":\"map\",\"key-id\":7,\"key\":\"string\",\"value-"
    "id\":8,"
    "\"value\":\"fixed[4]\",\"value-required\":false}}]}],"
    "\"default-spec-id\":0,\"partition-specs\":[{\"spec-id\":0,\"fields\":[{\"name\":\"x_bucket\",\"transform\":"
    "\"bucket[4]\","
    "\"source-id\":1,\"field-id\":1000}]}],\"last-partition-id\":1000,\"default-sort-order-id\":3,\"sort-orders\":["
    "{\"order-id\":3,\"fields\":[{\"transform\":\"identity\",\"source-id\":2,\"direction\":\"desc\",\"null-order\":"
    "\"nulls-last\"}]}],"
    "\"properties\":{\"read.split.target.size\":\"134217728\"},\"current-snapshot-id\":3055729675574597004,"
    "\"refs\":{\"main\":{\"snapshot-id\":3055729675574597004,\"type\":\"branch\"},"
    "\"old\":{\"snapshot-id\":3051729675574597004,\"type\":\"tag\",\"max-ref-age-ms\":10}},"
    "\"snapshots\":[{\"snapshot-id\":3051729675574597004,\"timestamp-ms\":1515100955770,\"sequence-number\":0,"
    "\"summary\":{\"operation\":\"append\"},\"manifest-list\":\"s3://a/b/1.avro\",\"schema-id\":0},"
    "{\"snapshot-id\":3055729675574597004,\"parent-snapshot-id\":3051729675574597004,\"timestamp-ms\":1555100955770,"
    "\"sequence-number\":1,\"summary\":{\"operation\":\"append\",\"total-records\":\"12\"},\"manifest-list\":\"s3://a/"
    "b/2.avro\",\"schema-id\":1}],"
    "\"snapshot-log\":[{\"snapshot-id\":3051729675574597004,\"timestamp-ms\":1515100955770},"
    "{\"snapshot-id\":3055729675574597004,\"timestamp-ms\":1555100955770}],"
    "\"metadata-log\":[{\"metadata-file\":\"s3://b/t/metadata/v1.json\",\"timestamp-ms\":1515100955770}]}";

static struct pf_table_metadata *read_v2(struct pf_test *test) {
    struct pf_table_metadata *metadata;
    CHECK_OK(pf_table_metadata_read(pf_str_from_cstr(v2_table), PF_STR("v2"), test->arena, &metadata, &test->err));
    return metadata;
}

TEST(reads_a_v2_table) {
    struct pf_table_metadata *metadata = read_v2(test);
    CHECK_STR(metadata->location, "s3://b/t");
    CHECK_INT(metadata->current_snapshot_id, 3055729675574597004);
    const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(metadata);
    CHECK_UINT(schema->field_count, 4);
    CHECK_INT(schema->identifier_field_ids[0], 1);
    CHECK_INT(schema->fields[1].type->precision, 9);
    CHECK_STR(schema->fields[1].doc, "a \"comment\"");
    CHECK_STR(pf_iceberg_schema_find_id(schema, 5)->name, "element");
    CHECK_INT(pf_iceberg_schema_find_id(schema, 8)->type->length, 4);
    CHECK_NULL(pf_iceberg_schema_find_id(schema, 99));
    CHECK_INT(metadata->specs[0].fields[0].transform.width, 4);
    CHECK_TRUE(metadata->sort_orders[0].fields[0].is_descending);
    CHECK_STR(pf_table_metadata_property(metadata, PF_STR("read.split.target.size"), PF_STR("")), "134217728");
    CHECK_INT(pf_snapshot_summary_i64(pf_table_metadata_current_snapshot(metadata), PF_STR("total-records")), 12);
    CHECK_INT(pf_snapshot_summary_i64(pf_table_metadata_current_snapshot(metadata), PF_STR("nothing")), -1);
}

TEST(finds_snapshots_by_id_name_and_time) {
    struct pf_table_metadata *metadata = read_v2(test);
    CHECK_INT(pf_table_metadata_snapshot_ref(metadata, PF_STR("old"))->id, 3051729675574597004);
    CHECK_INT(pf_table_metadata_snapshot_at(metadata, 1555100955769)->id, 3051729675574597004);
    CHECK_INT(pf_table_metadata_snapshot_at(metadata, 1555100955770)->id, 3055729675574597004);
    CHECK_NULL(pf_table_metadata_snapshot_at(metadata, 1515100955769));
    CHECK_NULL(pf_table_metadata_snapshot(metadata, 1));
    const struct pf_snapshot *old = pf_table_metadata_snapshot(metadata, 3051729675574597004);
    CHECK_INT(pf_table_metadata_schema_of(metadata, old)->id, 0);
    CHECK_INT(pf_table_metadata_schema_of(metadata, NULL)->id, 1);
}

TEST(what_is_written_is_read_again) {
    struct pf_table_metadata *metadata = read_v2(test), *again;
    pf_str json, second;
    CHECK_OK(pf_table_metadata_write(metadata, test->arena, &json, &test->err));
    CHECK_OK(pf_table_metadata_read(json, PF_STR("again"), test->arena, &again, &test->err));
    CHECK_OK(pf_table_metadata_write(again, test->arena, &second, &test->err));
    CHECK_STR(second, json);
    CHECK_CONTAINS(json, "\"current-snapshot-id\":3055729675574597004,");
    CHECK_CONTAINS(json, "\"max-ref-age-ms\":10");
}

TEST(reads_a_v1_table) {
    struct pf_table_metadata *metadata;
    CHECK_OK(pf_table_metadata_read(
        PF_STR("{\"format-version\":1,\"location\":\"/t\",\"last-updated-ms\":1,\"last-column-id\":2,"
               "\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"x\",\"required\":true,\"type\":"
               "\"long\"}]},"
               "\"partition-spec\":[{\"name\":\"x\",\"transform\":\"identity\",\"source-id\":1},"
               "{\"name\":\"x_b\",\"transform\":\"bucket[2]\",\"source-id\":1}],\"properties\":{},"
               "\"current-snapshot-id\":7,\"snapshots\":[{\"snapshot-id\":7,\"timestamp-ms\":1,\"manifests\":[\"/t/"
               "m.avro\"]}]}"),
        PF_STR("v1"), test->arena, &metadata, &test->err));
    CHECK_INT(metadata->specs[0].fields[1].field_id, 1001);
    CHECK_INT(metadata->last_partition_id, 1001);
    CHECK_INT(metadata->last_sequence_number, 0);
    CHECK_STR(metadata->refs[0].name, "main");
    const struct pf_snapshot *snapshot = pf_table_metadata_current_snapshot(metadata);
    CHECK_INT(snapshot->sequence_number, 0);
    struct pf_manifest_list list;
    CHECK_OK(pf_manifest_list_from_paths(snapshot, test->arena, &list, &test->err));
    CHECK_STR(list.manifests[0].path, "/t/m.avro");
    pf_str json;
    CHECK_OK(pf_table_metadata_write(metadata, test->arena, &json, &test->err));
    CHECK_CONTAINS(json, "\"partition-spec\":[");
    CHECK_TRUE(pf_str_find(json, PF_STR("sequence-number"), 0) == SIZE_MAX);
}

TEST(no_snapshot_is_minus_one_null_or_absent) {
    static const char *const ways[] = {"\"current-snapshot-id\":-1,", "\"current-snapshot-id\":null,", ""};
    for (size_t i = 0; i < 3; i++) {
        struct pf_table_metadata *metadata;
        pf_str text =
            pf_arena_printf(test->arena,
                            "{\"format-version\":1,%s\"location\":\"/t\",\"last-updated-ms\":1,\"last-column-id\":0,"
                            "\"schema\":{\"type\":\"struct\",\"fields\":[]}}",
                            ways[i]);
        CHECK_OK(pf_table_metadata_read(text, PF_STR("t"), test->arena, &metadata, &test->err));
        CHECK_NULL(pf_table_metadata_current_snapshot(metadata));
    }
}

static void check_bad(struct pf_test *test, const char *from, const char *to, enum pf_code code, const char *part) {
    pf_str all = pf_str_from_cstr(v2_table), old = pf_str_from_cstr(from);
    size_t at = pf_str_find(all, old, 0);
    struct pf_table_metadata *metadata;
    CHECK_TRUE(at != SIZE_MAX);
    pf_str text = pf_arena_printf(test->arena, "%.*s%s%s", (int)at, all.ptr, to, all.ptr + at + old.len);
    CHECK_FAILS(pf_table_metadata_read(text, PF_STR("m.json"), test->arena, &metadata, &test->err), code, part);
    CHECK_CONTAINS(test->err.message, "m.json");
}

TEST(errors_name_the_file_and_the_place) {
    check_bad(test, "\"format-version\":2", "\"format-version\":4", PF_UNSUPPORTED, "format-version 4");
    check_bad(test, "\"location\":\"s3://b/t/\",", "", PF_CORRUPT, "location");
    check_bad(test, "decimal(9, 2)", "decimal(99, 2)", PF_CORRUPT, "schemas[1]: fields[1]: field 'y'");
    check_bad(test, "\"element\":\"string\"", "\"element\":{\"type\":\"set\"}", PF_CORRUPT, "element: type 'set'");
    check_bad(test, "\"current-schema-id\":1", "\"current-schema-id\":5", PF_CORRUPT, "current-schema-id 5");
    check_bad(test, "\"current-snapshot-id\":3055729675574597004", "\"current-snapshot-id\":5", PF_CORRUPT, "5 is not");
    check_bad(test, "\"default-spec-id\":0", "\"default-spec-id\":9", PF_CORRUPT, "default-spec-id 9");
    check_bad(test, "bucket[4]", "bucket[]", PF_CORRUPT, "partition-specs[0]");
    check_bad(test, "\"manifest-list\":\"s3://a/b/2.avro\",", "", PF_CORRUPT, "snapshots[1]");
    check_bad(test, "\"last-column-id\":6", "\"last-column-id\":\"six\"", PF_CORRUPT, "last-column-id");
    check_bad(test, "}]}", "", PF_CORRUPT, "JSON");
}

TEST(new_tables_have_no_snapshot_and_ids_from_1000) {
    struct pf_sql_column columns[] = {{PF_STR("a"), PF_STR("INTEGER"), true},
                                      {PF_STR("t"), PF_STR("TIMESTAMP"), false}};
    struct pf_iceberg_schema schema;
    struct pf_partition_field fields[] = {{.source_id = 2, .name = PF_STR("t_day")},
                                          {.source_id = 1, .name = PF_STR("a")}};
    struct pf_partition_spec spec = {.fields = fields, .field_count = 2};
    struct pf_table_create create = {
        .uuid = PF_STR("u"), .location = PF_STR("s3://b/t/"), .schema = &schema, .spec = &spec, .now_ms = 5};
    struct pf_table_metadata *metadata;
    pf_str json;
    CHECK_OK(pf_transform_parse(PF_STR("day"), &fields[0].transform, &test->err));
    CHECK_OK(pf_transform_parse(PF_STR("identity"), &fields[1].transform, &test->err));
    CHECK_OK(pf_iceberg_schema_from_sql(columns, 2, test->arena, &schema, &create.last_column_id, &test->err));
    CHECK_OK(pf_table_metadata_create(&create, test->arena, &metadata, &test->err));
    CHECK_OK(pf_table_metadata_write(metadata, test->arena, &json, &test->err));
    CHECK_CONTAINS(json, "\"current-snapshot-id\":-1,\"refs\":{},\"snapshots\":[]");
    CHECK_CONTAINS(json, "\"source-id\":1,\"field-id\":1001}]}],\"last-partition-id\":1001");
    CHECK_CONTAINS(json, "{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"int\"}");
    fields[0].source_id = 77;
    CHECK_FAILS(pf_table_metadata_create(&create, test->arena, &metadata, &test->err), PF_INVALID, "t_day");
}

TEST(paths_of_new_files_follow_the_properties) {
    struct pf_property properties[] = {{PF_STR("write.metadata.path"), PF_STR("meta/")},
                                       {PF_STR("write.data.path"), PF_STR("s3://other/d")}};
    struct pf_table_metadata metadata = {.location = PF_STR("s3://b/t")};
    pf_str uuid = PF_STR("u");
    CHECK_STR(pf_table_metadata_data_folder(&metadata, test->arena), "s3://b/t/data");
    CHECK_STR(pf_table_metadata_next_path(&metadata, PF_STR_EMPTY, uuid, test->arena),
              "s3://b/t/metadata/00000-u.metadata.json");
    metadata.properties = properties;
    metadata.property_count = 2;
    CHECK_STR(pf_table_metadata_data_folder(&metadata, test->arena), "s3://other/d");
    CHECK_STR(
        pf_table_metadata_next_path(&metadata, PF_STR("s3://b/t/metadata/00041-x.metadata.json"), uuid, test->arena),
        "s3://b/t/meta/00042-u.metadata.json");
    CHECK_STR(pf_table_metadata_next_path(&metadata, PF_STR("s3://b/t/metadata/v7.metadata.json"), uuid, test->arena),
              "s3://b/t/meta/00000-u.metadata.json");
}

/* As PyIceberg's ObjectStoreLocationProvider has them. */
TEST(spreads_names_as_iceberg_does) {
    CHECK_STR(pf_iceberg_spread_name(PF_STR("a"), test->arena), "0101/0110/1001/10110010/a");
    CHECK_STR(pf_iceberg_spread_name(PF_STR("b"), test->arena), "1110/0111/1110/00000011/b");
    CHECK_STR(pf_iceberg_spread_name(PF_STR("d"), test->arena), "1001/0001/0100/01110011/d");
    CHECK_STR(pf_iceberg_spread_name(PF_STR("01m830hf8f1axdyf4rskq9ns3e-0.parquet"), test->arena),
              "1000/0101/0101/10000000/01m830hf8f1axdyf4rskq9ns3e-0.parquet");
}
