/* SPDX-License-Identifier: MIT */
/* Statistics of new files and the snapshots made of them. */
#include "iceberg/iceberg.h"

#include "support/test.h"

static struct pf_table_metadata *make_table(struct pf_test *test, const struct pf_property *properties, size_t count) {
    static const struct pf_sql_column columns[] = {{{"s", 1}, {"VARCHAR", 7}, false},
                                                   {{"y", 1}, {"BLOB", 4}, false},
                                                   {{"d", 1}, {"DOUBLE", 6}, false},
                                                   {{"l", 1}, {"STRUCT(x INTEGER)[]", 19}, false}};
    struct pf_iceberg_schema *schema = PF_ARENA_NEW(test->arena, struct pf_iceberg_schema);
    struct pf_table_create create = {.uuid = PF_STR("u"),
                                     .location = PF_STR("/t"),
                                     .schema = schema,
                                     .now_ms = 1000,
                                     .properties = properties,
                                     .property_count = count};
    struct pf_table_metadata *metadata;
    CHECK_OK(pf_iceberg_schema_from_sql(columns, 4, test->arena, schema, &create.last_column_id, &test->err));
    CHECK_OK(pf_table_metadata_create(&create, test->arena, &metadata, &test->err));
    return metadata;
}

static struct pf_column_stats stats_of(struct pf_test *test, const struct pf_table_metadata *metadata, const char *path,
                                       const char *min, const char *max) {
    struct pf_stats_text text = {.path = pf_str_from_cstr(path),
                                 .min = pf_str_from_cstr(min),
                                 .max = pf_str_from_cstr(max),
                                 .size_bytes = 9,
                                 .value_count = 5,
                                 .null_count = 1};
    struct pf_data_file file = {.path = PF_STR("/f")};
    CHECK_OK(pf_data_file_set_stats(&file, metadata, &text, 1, test->arena, &test->err));
    return file.columns[0];
}

TEST(text_bounds_are_cut_to_16_characters_and_rounded_up) {
    struct pf_table_metadata *t = make_table(test, NULL, 0);
    struct pf_column_stats stats = stats_of(test, t, "\"s\"", "abc", "abc");
    CHECK_STR(stats.lower, "abc");
    CHECK_STR(stats.upper, "abc");
    stats = stats_of(test, t, "\"s\"", "0123456789abcdefgh", "0123456789abcdefgh");
    CHECK_STR(stats.lower, "0123456789abcdef");
    CHECK_STR(stats.upper, "0123456789abcdeg");
    /* The last character is the greatest there is: the one before it is incremented. */
    stats = stats_of(test, t, "\"s\"", "a", "0123456789abcde\xf4\x8f\xbf\xbfz");
    CHECK_STR(stats.upper, "0123456789abcdf");
    /* Below the surrogates, and from one to two bytes. */
    stats = stats_of(test, t, "\"s\"", "a", "0123456789abcde\xed\x9f\xbfz");
    CHECK_STR(stats.upper, "0123456789abcde\xee\x80\x80");
    stats = stats_of(test, t, "\"s\"", "a", "0123456789abcde\x7fz");
    CHECK_STR(stats.upper, "0123456789abcde\xc2\x80");
}

TEST(there_is_no_upper_bound_where_nothing_can_be_incremented) {
    struct pf_table_metadata *t = make_table(test, NULL, 0);
    const char *hex = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"; /* 17 bytes */
    struct pf_column_stats stats = stats_of(test, t, "\"y\"", "00", hex);
    CHECK_NULL(stats.upper.ptr);
    CHECK_STR(stats.lower, pf_str_from("\0", 1));
    stats = stats_of(test, t, "\"y\"", "00", "00112233445566778899AABBCCDDEEFF01");
    CHECK_STR(stats.upper, pf_str_from("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xef", 15));
}

TEST(zeros_of_bounds_hold_both_signs) {
    struct pf_table_metadata *t = make_table(test, NULL, 0);
    struct pf_column_stats stats = stats_of(test, t, "\"d\"", "0.0", "-0.0");
    CHECK_STR(stats.lower, pf_str_from("\0\0\0\0\0\0\0\x80", 8));
    CHECK_STR(stats.upper, pf_str_from("\0\0\0\0\0\0\0\0", 8));
}

TEST(repeated_columns_have_sizes_only) {
    struct pf_column_stats stats = stats_of(test, make_table(test, NULL, 0), "\"l\".\"element\".\"x\"", "1", "2");
    CHECK_INT(stats.field_id, 6);
    CHECK_INT(stats.size_bytes, 9);
    CHECK_INT(stats.value_count, -1);
    CHECK_NULL(stats.lower.ptr);
}

TEST(properties_choose_the_statistics) {
    struct pf_property properties[] = {{PF_STR("write.metadata.metrics.default"), PF_STR("counts")},
                                       {PF_STR("write.metadata.metrics.column.y"), PF_STR("full")},
                                       {PF_STR("write.metadata.metrics.column.d"), PF_STR("none")}};
    struct pf_table_metadata *t = make_table(test, properties, 3);
    struct pf_column_stats stats = stats_of(test, t, "\"s\"", "a", "b");
    CHECK_INT(stats.value_count, 5);
    CHECK_NULL(stats.lower.ptr);
    stats = stats_of(test, t, "\"y\"", "00", "00112233445566778899AABBCCDDEEFF01");
    CHECK_UINT(stats.upper.len, 17);
    stats = stats_of(test, t, "\"d\"", "1.0", "2.0");
    CHECK_INT(stats.value_count, -1);
    CHECK_INT(stats.size_bytes, 9);
}

TEST(statistics_of_foreign_columns_are_refused) {
    struct pf_table_metadata *t = make_table(test, NULL, 0);
    struct pf_stats_text text = {.path = PF_STR("\"nothing\"")};
    struct pf_data_file file = {.path = PF_STR("/f")};
    CHECK_FAILS(pf_data_file_set_stats(&file, t, &text, 1, test->arena, &test->err), PF_INVALID, "\"nothing\"");
}

static const struct pf_data_file one_file = {
    .path = {"/t/data/a.parquet", 17}, .record_count = 10, .size_bytes = 100, .sort_order_id = -1};

static struct pf_commit commit_after(struct pf_test *test, const struct pf_commit *before, int64_t snapshot_id) {
    struct pf_append append = {.metadata = before->metadata,
                               .metadata_path = before->metadata_path,
                               .manifests = &before->manifests,
                               .files = &one_file,
                               .file_count = 1,
                               .snapshot_id = snapshot_id,
                               .now_ms = 2000 + snapshot_id,
                               .commit_uuid = pf_arena_printf(test->arena, "c%lld", (long long)snapshot_id),
                               .metadata_uuid = PF_STR("m")};
    struct pf_commit commit;
    CHECK_OK(pf_iceberg_append(&append, test->arena, &commit, &test->err));
    return commit;
}

TEST(appends_go_on_from_each_other) {
    struct pf_commit first = {.metadata = make_table(test, NULL, 0),
                              .metadata_path = PF_STR("/t/metadata/00000-a.metadata.json")};
    struct pf_commit commit = commit_after(test, &first, 5);
    CHECK_UINT(commit.object_count, 3);
    CHECK_STR(commit.objects[0].path, "/t/metadata/c5-m0.avro");
    CHECK_STR(commit.objects[1].path, "/t/metadata/snap-5-1-c5.avro");
    CHECK_STR(commit.metadata_path, "/t/metadata/00001-m.metadata.json");
    CHECK_STR(commit.objects[2].path, commit.metadata_path);
    commit = commit_after(test, &commit, 6);
    const struct pf_snapshot *now = pf_table_metadata_current_snapshot(commit.metadata);
    CHECK_INT(now->parent_id, 5);
    CHECK_INT(now->sequence_number, 2);
    CHECK_INT(pf_snapshot_summary_i64(now, PF_STR("total-records")), 20);
    CHECK_INT(pf_snapshot_summary_i64(now, PF_STR("changed-partition-count")), 1);
    CHECK_UINT(commit.manifests.count, 2);
    CHECK_INT(commit.manifests.manifests[0].sequence_number, 2);
    CHECK_UINT(commit.metadata->metadata_log_count, 2);
    CHECK_UINT(commit.metadata->snapshot_log_count, 2);
    CHECK_INT(pf_table_metadata_snapshot_ref(commit.metadata, PF_STR("main"))->id, 6);
}

TEST(time_does_not_run_backwards) {
    struct pf_commit first = {.metadata = make_table(test, NULL, 0),
                              .metadata_path = PF_STR("/t/metadata/00000-a.metadata.json")};
    first.metadata->last_updated_ms = INT64_C(9000000000000);
    struct pf_commit commit = commit_after(test, &first, 5);
    CHECK_INT(pf_table_metadata_current_snapshot(commit.metadata)->timestamp_ms, INT64_C(9000000000000));
}

TEST(old_metadata_files_leave_the_log) {
    struct pf_property properties[] = {{PF_STR("write.metadata.previous-versions-max"), PF_STR("2")},
                                       {PF_STR("write.metadata.delete-after-commit.enabled"), PF_STR("true")}};
    struct pf_commit commit = {.metadata = make_table(test, properties, 2),
                               .metadata_path = PF_STR("/t/metadata/00000-a.metadata.json")};
    for (int64_t id = 1; id <= 3; id++) commit = commit_after(test, &commit, id);
    CHECK_UINT(commit.metadata->metadata_log_count, 2);
    CHECK_UINT(commit.expired_metadata_count, 1);
    CHECK_STR(commit.expired_metadata_paths[0], "/t/metadata/00000-a.metadata.json");
}

TEST(replacing_keeps_what_was_deleted_as_deleted_entries) {
    struct pf_commit commit = {.metadata = make_table(test, NULL, 0),
                               .metadata_path = PF_STR("/t/metadata/00000-a.metadata.json")};
    struct pf_manifest_columns all = {.all = true};
    struct pf_manifest old, deleted;
    commit = commit_after(test, &commit, 5);
    CHECK_OK(pf_manifest_read(commit.objects[0].bytes, &commit.manifests.manifests[0], commit.metadata, &all,
                              test->arena, &old, &test->err));
    struct pf_append append = {.metadata = commit.metadata,
                               .metadata_path = commit.metadata_path,
                               .manifests = &commit.manifests,
                               .is_replace = true,
                               .replaced = old.files,
                               .replaced_count = old.count,
                               .snapshot_id = 6,
                               .commit_uuid = PF_STR("c"),
                               .metadata_uuid = PF_STR("m")};
    struct pf_commit next;
    CHECK_OK(pf_iceberg_append(&append, test->arena, &next, &test->err));
    CHECK_UINT(next.manifests.count, 1);
    CHECK_INT(next.manifests.manifests[0].deleted_files, 1);
    CHECK_TRUE(pf_manifest_file_is_dead(&next.manifests.manifests[0]));
    CHECK_OK(pf_manifest_read(next.objects[0].bytes, &next.manifests.manifests[0], next.metadata, &all, test->arena,
                              &deleted, &test->err));
    CHECK_INT(deleted.files[0].status, PF_ENTRY_DELETED);
    CHECK_INT(deleted.files[0].sequence_number, 1);
    CHECK_INT(deleted.files[0].snapshot_id, 6);
    const struct pf_snapshot *snapshot = pf_table_metadata_current_snapshot(next.metadata);
    CHECK_STR(snapshot->operation, "delete");
    CHECK_INT(pf_snapshot_summary_i64(snapshot, PF_STR("total-records")), 0);
    CHECK_INT(pf_snapshot_summary_i64(snapshot, PF_STR("deleted-records")), 10);
    next = commit_after(test, &next, 7); /* the manifest of deleted entries is left behind */
    CHECK_UINT(next.manifests.count, 1);
}

TEST(what_cannot_be_appended_to_is_refused) {
    struct pf_commit first = {.metadata = make_table(test, NULL, 0)}, commit;
    struct pf_append append = {.metadata = first.metadata, .files = &one_file, .file_count = 1, .snapshot_id = 0};
    CHECK_FAILS(pf_iceberg_append(&append, test->arena, &commit, &test->err), PF_INVALID, "snapshot id 0");
    append.snapshot_id = 4;
    first.metadata->format_version = 4;
    CHECK_FAILS(pf_iceberg_append(&append, test->arena, &commit, &test->err), PF_UNSUPPORTED, "version 4");
    first.metadata->format_version = 2;
    struct pf_data_file nameless = {.record_count = 1};
    append.files = &nameless;
    CHECK_FAILS(pf_iceberg_append(&append, test->arena, &commit, &test->err), PF_INVALID, "no path");
}
