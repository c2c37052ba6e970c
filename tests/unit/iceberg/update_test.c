/* SPDX-License-Identifier: MIT */
/* Requirements and updates of the REST protocol, on metadata. */
#include "iceberg/iceberg.h"

#include "support/test.h"

static const char create_request[] =
    "{\"name\":\"t\",\"schema\":{\"type\":\"struct\",\"identifier-field-ids\":[30],\"fields\":["
    "{\"id\":30,\"name\":\"id\",\"type\":\"long\",\"required\":true},"
    "{\"id\":10,\"name\":\"tags\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":11,\"element\":"
    "\"string\","
    "\"element-required\":false}},"
    "{\"id\":20,\"name\":\"day\",\"type\":\"date\",\"required\":false}]},"
    "\"partition-spec\":{\"spec-id\":0,\"fields\":[{\"name\":\"d\",\"transform\":\"day\",\"source-id\":20}]},"
    "\"properties\":{\"a\":\"1\",\"format-version\":\"2\"}}";

static struct pf_table_metadata *make_table(struct pf_test *test) {
    pf_json *request;
    struct pf_table_metadata *metadata;
    CHECK_OK(pf_json_parse(pf_str_from_cstr(create_request), test->arena, "r", &request, &test->err));
    CHECK_OK(pf_table_metadata_from_request(request, PF_STR("9c12d441-03fe-4693-9a96-a0705ddf69c1"),
                                            PF_STR("s3://b/t/"), 1000, test->arena, &metadata, &test->err));
    return metadata;
}

static enum pf_code apply(struct pf_test *test, const struct pf_table_metadata *base, const char *updates,
                          struct pf_table_metadata **out_next) {
    pf_json *list;
    CHECK_OK(pf_json_parse(pf_str_from_cstr(updates), test->arena, "u", &list, &test->err));
    return pf_table_apply_updates(base, list, 2000, test->arena, out_next, &test->err);
}

static enum pf_code require(struct pf_test *test, const struct pf_table_metadata *metadata, const char *requirements) {
    pf_json *list;
    CHECK_OK(pf_json_parse(pf_str_from_cstr(requirements), test->arena, "r", &list, &test->err));
    return pf_table_check_requirements(metadata, list, &test->err);
}

TEST(gives_ids_breadth_before_depth) {
    struct pf_table_metadata *table = make_table(test);
    const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(table);
    CHECK_INT(schema->fields[0].id, 1);
    CHECK_INT(schema->fields[1].id, 2);
    CHECK_INT(schema->fields[2].id, 3);
    CHECK_INT(schema->fields[1].type->fields[0].id, 4);
    CHECK_INT(schema->identifier_field_ids[0], 1);
    CHECK_INT(table->last_column_id, 4);
    CHECK_INT(table->specs[0].fields[0].source_id, 3);
    CHECK_INT(table->specs[0].fields[0].field_id, 1000);
    CHECK_INT(table->last_partition_id, 1000);
    CHECK_STR(table->location, "s3://b/t");
    CHECK_UINT(table->property_count, 1);
}

TEST(what_is_there_already_is_not_added_again) {
    struct pf_table_metadata *table = make_table(test), *next;
    CHECK_OK(
        apply(test, table,
              "[{\"action\":\"add-spec\",\"spec\":{\"spec-id\":5,\"fields\":[{\"name\":\"d\",\"transform\":\"day\","
              "\"source-id\":3,\"field-id\":1000}]}},{\"action\":\"set-default-spec\",\"spec-id\":-1},"
              "{\"action\":\"add-sort-order\",\"sort-order\":{\"order-id\":9,\"fields\":[]}}]",
              &next));
    CHECK_UINT(next->spec_count, 1);
    CHECK_INT(next->default_spec_id, 0);
    CHECK_UINT(next->sort_order_count, 1);
}

TEST(new_specs_and_orders_get_new_ids) {
    struct pf_table_metadata *table = make_table(test), *next;
    CHECK_OK(apply(
        test, table,
        "[{\"action\":\"add-spec\",\"spec\":{\"spec-id\":0,\"fields\":[{\"name\":\"b\",\"transform\":\"bucket[4]\","
        "\"source-id\":1}]}},{\"action\":\"set-default-spec\",\"spec-id\":-1},"
        "{\"action\":\"add-sort-order\",\"sort-order\":{\"order-id\":0,\"fields\":[{\"transform\":\"identity\","
        "\"source-id\":1,\"direction\":\"asc\",\"null-order\":\"nulls-first\"}]}},"
        "{\"action\":\"set-default-sort-order\",\"sort-order-id\":-1},"
        "{\"action\":\"remove-partition-specs\",\"spec-ids\":[0]}]",
        &next));
    CHECK_INT(next->default_spec_id, 1);
    CHECK_UINT(next->spec_count, 1);
    CHECK_INT(next->specs[0].fields[0].field_id, 1001);
    CHECK_INT(next->default_sort_order_id, 1);
    CHECK_INT(next->last_updated_ms, 2000);
    CHECK_INT(table->default_spec_id, 0);
}

#define SNAPSHOT(id, parent, sequence)                                                                                 \
    "{\"action\":\"add-snapshot\",\"snapshot\":{\"snapshot-id\":" id parent ",\"sequence-number\":" sequence           \
    ",\"timestamp-ms\":1500,\"summary\":{\"operation\":\"append\"},\"manifest-list\":\"s3://b/" id ".avro\"}}"
#define MAIN(id) "{\"action\":\"set-snapshot-ref\",\"ref-name\":\"main\",\"type\":\"branch\",\"snapshot-id\":" id "}"

TEST(snapshots_come_and_go) {
    struct pf_table_metadata *table = make_table(test), *one, *two;
    CHECK_OK(apply(test, table, "[" SNAPSHOT("1", "", "1") "," MAIN("1") "]", &one));
    CHECK_INT(one->current_snapshot_id, 1);
    CHECK_INT(one->last_sequence_number, 1);
    CHECK_INT(one->snapshot_log[0].timestamp_ms, 1500);
    CHECK_OK(apply(test, one, "[" SNAPSHOT("2", ",\"parent-snapshot-id\":1", "2") "," MAIN("2") "]", &two));
    CHECK_UINT(two->snapshot_log_count, 2);
    CHECK_OK(apply(test, two, "[{\"action\":\"remove-snapshots\",\"snapshot-ids\":[1]}]", &one));
    CHECK_UINT(one->snapshot_count, 1);
    CHECK_UINT(one->snapshot_log_count, 1);
    CHECK_OK(apply(test, two, "[{\"action\":\"remove-snapshot-ref\",\"ref-name\":\"main\"}]", &one));
    CHECK_INT(one->current_snapshot_id, -1);
    CHECK_UINT(one->ref_count, 0);
}

TEST(a_snapshot_that_was_never_current_is_not_in_the_log) {
    struct pf_table_metadata *table = make_table(test), *next;
    CHECK_OK(apply(
        test, table,
        "[" SNAPSHOT("1", "", "1") "," MAIN("1") "," SNAPSHOT("2", ",\"parent-snapshot-id\":1", "2") "," MAIN("2") "]",
        &next));
    CHECK_UINT(next->snapshot_log_count, 1);
    CHECK_INT(next->snapshot_log[0].snapshot_id, 2);
}

TEST(refuses_updates) {
    struct pf_table_metadata *table = make_table(test), *one, *next;
    CHECK_OK(apply(test, table, "[" SNAPSHOT("1", "", "1") "," MAIN("1") "]", &one));
    static const struct {
        const char *updates, *message;
        enum pf_code code;
    } cases[] = {
        {"{}", "no list", PF_INVALID},
        {"[{}]", "action", PF_INVALID},
        {"[{\"action\":\"x\"}]", "unknown update", PF_INVALID},
        {"[" SNAPSHOT("1", "", "2") "]", "already exists", PF_INVALID},
        {"[" SNAPSHOT("2", ",\"parent-snapshot-id\":1", "1") "]", "sequence number", PF_CONFLICT},
        {"[" MAIN("7") "]", "unknown snapshot", PF_INVALID},
        {"[{\"action\":\"set-snapshot-ref\",\"ref-name\":\"main\",\"type\":\"tag\",\"snapshot-id\":1}]", "branch",
         PF_INVALID},
        {"[{\"action\":\"remove-schemas\",\"schema-ids\":[0]}]", "current one", PF_INVALID},
        {"[{\"action\":\"remove-partition-specs\",\"spec-ids\":[0]}]", "default one", PF_INVALID},
        {"[{\"action\":\"set-default-spec\",\"spec-id\":-1}]", "nothing was added", PF_INVALID},
        {"[{\"action\":\"upgrade-format-version\",\"format-version\":1}]", "downgrade", PF_INVALID},
        {"[{\"action\":\"upgrade-format-version\",\"format-version\":4}]", "unsupported", PF_INVALID},
        {"[{\"action\":\"assign-uuid\",\"uuid\":\"x\"}]", "no uuid", PF_INVALID},
        {"[{\"action\":\"add-spec\",\"spec\":{\"fields\":[{\"name\":\"d\",\"transform\":\"day\",\"source-id\":77}]}}]",
         "source column", PF_INVALID},
        {"[{\"action\":\"add-schema\",\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":9,\"name\":\"n\","
         "\"required\":"
         "false,\"type\":\"timestamp_ns\"}]}}]",
         "format version 3", PF_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(apply(test, one, cases[i].updates, &next), cases[i].code, cases[i].message);
    CHECK_FAILS(apply(test, NULL, "[]", &next), PF_INVALID, "uuid");
}

TEST(version_3_counts_rows) {
    struct pf_table_metadata *table = make_table(test), *three, *next;
    CHECK_OK(apply(test, table, "[{\"action\":\"upgrade-format-version\",\"format-version\":3}]", &three));
    CHECK_INT(three->next_row_id, 0);
    CHECK_FAILS(apply(test, three, "[" SNAPSHOT("1", "", "1") "]", &next), PF_INVALID, "first-row-id");
    CHECK_OK(
        apply(test, three,
              "[{\"action\":\"add-snapshot\",\"snapshot\":{\"snapshot-id\":1,\"sequence-number\":1,\"timestamp-ms\":1,"
              "\"first-row-id\":0,\"added-rows\":7,\"manifest-list\":\"s3://b/1.avro\"}}]",
              &next));
    CHECK_INT(next->next_row_id, 7);
    pf_str json;
    struct pf_table_metadata *again;
    CHECK_OK(pf_table_metadata_write(next, test->arena, &json, &test->err));
    CHECK_OK(pf_table_metadata_read(json, PF_STR("m"), test->arena, &again, &test->err));
    CHECK_INT(again->next_row_id, 7);
    CHECK_INT(again->snapshots[0].added_rows, 7);
}

TEST(checks_requirements) {
    struct pf_table_metadata *table = make_table(test);
    CHECK_OK(require(test, NULL, "[{\"type\":\"assert-create\"}]"));
    CHECK_OK(require(test, table,
                     "[{\"type\":\"assert-table-uuid\",\"uuid\":\"9C12D441-03FE-4693-9A96-A0705DDF69C1\"},"
                     "{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\",\"snapshot-id\":null},"
                     "{\"type\":\"assert-last-assigned-field-id\",\"last-assigned-field-id\":4},"
                     "{\"type\":\"assert-last-assigned-partition-id\",\"last-assigned-partition-id\":1000},"
                     "{\"type\":\"assert-default-sort-order-id\",\"default-sort-order-id\":0}]"));
    CHECK_CODE(require(test, table, "[{\"type\":\"assert-create\"}]"), PF_CONFLICT);
    CHECK_CODE(require(test, NULL, "[{\"type\":\"assert-default-spec-id\",\"default-spec-id\":0}]"), PF_NOT_FOUND);
    CHECK_CODE(require(test, table, "[{\"type\":\"assert-default-spec-id\",\"default-spec-id\":1}]"), PF_CONFLICT);
    CHECK_CODE(require(test, table, "[{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\",\"snapshot-id\":1}]"),
               PF_CONFLICT);
    CHECK_CODE(require(test, table, "[{\"type\":\"assert-default-spec-id\"}]"), PF_INVALID);
    CHECK_CODE(require(test, table, "[{\"type\":\"x\"}]"), PF_INVALID);
}

TEST(the_log_of_metadata_files_is_bounded) {
    struct pf_table_metadata *table = make_table(test), *next;
    const struct pf_log_entry *expired;
    CHECK_OK(apply(test, table,
                   "[{\"action\":\"set-properties\",\"updates\":{\"write.metadata.previous-versions-max\":\"1\"}}]",
                   &next));
    CHECK_UINT(pf_table_metadata_log(next, table, PF_STR("m0"), test->arena, &expired), 0);
    struct pf_table_metadata later = *next;
    CHECK_UINT(pf_table_metadata_log(&later, next, PF_STR("m1"), test->arena, &expired), 1);
    CHECK_STR(expired[0].metadata_path, "m0");
    CHECK_STR(later.metadata_log[0].metadata_path, "m1");
}
