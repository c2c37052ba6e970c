/* SPDX-License-Identifier: MIT */
#include "iceberg/cell.h"
#include "iceberg/schema.h"

#include "support/test.h"

#include <math.h>

/* A table of one column `c` (id 1), partitioned by one transform of it; one file; one predicate. */
struct scene {
    struct pf_test *test;
    struct pf_iceberg_type type;
    struct pf_iceberg_field field;
    struct pf_iceberg_schema schema;
    struct pf_partition_field partition_field;
    struct pf_partition_spec spec;
    struct pf_table_metadata metadata;
    struct pf_column_stats stats;
    struct pf_data_file file;
    pf_str cell;
};

static void set_scene(struct scene *scene, struct pf_test *test, const char *type, const char *transform) {
    *scene = (struct scene){.test = test};
    CHECK_TRUE(schema_parse_primitive(pf_str_from_cstr(type), &scene->type));
    scene->field = (struct pf_iceberg_field){.id = 1, .name = PF_STR("c"), .type = &scene->type};
    scene->schema = (struct pf_iceberg_schema){.fields = &scene->field, .field_count = 1};
    scene->partition_field = (struct pf_partition_field){.source_id = 1, .field_id = 1000, .name = PF_STR("p")};
    CHECK_OK(pf_transform_parse(pf_str_from_cstr(transform), &scene->partition_field.transform, &test->err));
    scene->spec = (struct pf_partition_spec){.fields = &scene->partition_field, .field_count = 1};
    scene->metadata = (struct pf_table_metadata){
        .schemas = &scene->schema, .schema_count = 1, .specs = &scene->spec, .spec_count = 1};
    scene->stats =
        (struct pf_column_stats){.field_id = 1, .size_bytes = -1, .value_count = -1, .null_count = -1, .nan_count = -1};
    scene->file = (struct pf_data_file){.record_count = 10, .columns = &scene->stats, .column_count = 1};
}

static pf_str cell_of(struct scene *scene, const char *text) {
    struct cell_value value;
    if (!text) return PF_STR_EMPTY;
    if (!cell_from_stats(&scene->type, pf_str_from_cstr(text), scene->test->arena, &value)) FAIL("no value: %s", text);
    return cell_encode(&scene->type, &value, scene->test->arena);
}

static void set_bounds(struct scene *scene, const char *lower, const char *upper) {
    scene->stats.lower = cell_of(scene, lower);
    scene->stats.upper = cell_of(scene, upper);
}

static bool keeps(struct scene *scene, enum pf_predicate_kind kind, const char *sql_type, const char *text) {
    struct pf_literal literal = {pf_str_from_cstr(sql_type), pf_str_from_cstr(text)};
    struct pf_predicate predicate = {PF_STR("C"), kind, &literal, text ? 1 : 0};
    struct pf_pruner *pruner = pf_pruner_new(&scene->metadata, &scene->schema, &predicate, 1, scene->test->arena);
    return pf_pruner_keeps_file(pruner, &scene->file);
}

#define EQ PF_PREDICATE_EQ
#define NE PF_PREDICATE_NE
#define LT PF_PREDICATE_LT
#define LE PF_PREDICATE_LE
#define GT PF_PREDICATE_GT
#define GE PF_PREDICATE_GE

TEST(compares_constants_with_bounds) {
    struct scene s;
    set_scene(&s, test, "int", "void");
    set_bounds(&s, "10", "20");
    CHECK_FALSE(keeps(&s, EQ, "INTEGER", "9"));
    CHECK_TRUE(keeps(&s, EQ, "INTEGER", "10"));
    CHECK_TRUE(keeps(&s, EQ, "INTEGER", "20"));
    CHECK_FALSE(keeps(&s, EQ, "INTEGER", "21"));
    CHECK_FALSE(keeps(&s, LT, "INTEGER", "10"));
    CHECK_TRUE(keeps(&s, LT, "INTEGER", "11"));
    CHECK_FALSE(keeps(&s, LE, "INTEGER", "9"));
    CHECK_TRUE(keeps(&s, LE, "INTEGER", "10"));
    CHECK_FALSE(keeps(&s, GT, "INTEGER", "20"));
    CHECK_TRUE(keeps(&s, GT, "INTEGER", "19"));
    CHECK_FALSE(keeps(&s, GE, "INTEGER", "21"));
    CHECK_TRUE(keeps(&s, GE, "INTEGER", "20"));
    CHECK_TRUE(keeps(&s, NE, "INTEGER", "10"));
    set_bounds(&s, "7", "7");
    CHECK_FALSE(keeps(&s, NE, "INTEGER", "7"));
    CHECK_TRUE(keeps(&s, NE, "INTEGER", "8"));
}

TEST(what_is_missing_or_wrong_keeps_the_file) {
    struct scene s;
    set_scene(&s, test, "int", "void");
    CHECK_TRUE(keeps(&s, EQ, "INTEGER", "9"));
    CHECK_TRUE(keeps(&s, PF_PREDICATE_IS_NULL, "", NULL));
    CHECK_TRUE(keeps(&s, PF_PREDICATE_IS_NOT_NULL, "", NULL));
    set_bounds(&s, "20", "10"); /* inverted */
    CHECK_TRUE(keeps(&s, EQ, "INTEGER", "99"));
    s.stats.lower = s.stats.upper = PF_STR("abc"); /* no int */
    CHECK_TRUE(keeps(&s, EQ, "INTEGER", "99"));
    set_bounds(&s, "10", NULL);
    CHECK_TRUE(keeps(&s, GT, "INTEGER", "99"));
    CHECK_FALSE(keeps(&s, LT, "INTEGER", "10"));
    CHECK_TRUE(keeps(&s, LT, "DOUBLE", "1.5")); /* the column would be cast */
    s.file.column_count = 0;
    CHECK_TRUE(keeps(&s, LT, "INTEGER", "10"));
}

TEST(counts_tell_about_nulls) {
    struct scene s;
    set_scene(&s, test, "int", "void");
    s.stats.value_count = 10;
    s.stats.null_count = 10;
    CHECK_FALSE(keeps(&s, EQ, "INTEGER", "9"));
    CHECK_FALSE(keeps(&s, NE, "INTEGER", "9"));
    CHECK_FALSE(keeps(&s, PF_PREDICATE_IS_NOT_NULL, "", NULL));
    CHECK_TRUE(keeps(&s, PF_PREDICATE_IS_NULL, "", NULL));
    s.stats.null_count = 0;
    CHECK_FALSE(keeps(&s, PF_PREDICATE_IS_NULL, "", NULL));
    CHECK_TRUE(keeps(&s, PF_PREDICATE_IS_NOT_NULL, "", NULL));
    s.stats.value_count = -1;
    s.stats.null_count = 10;
    CHECK_TRUE(keeps(&s, EQ, "INTEGER", "9"));
    s.file.record_count = 0;
    CHECK_FALSE(keeps(&s, EQ, "INTEGER", "9"));
}

TEST(nan_is_above_the_upper_bound) {
    struct scene s;
    set_scene(&s, test, "double", "void");
    set_bounds(&s, "1.0", "2.0");
    CHECK_TRUE(keeps(&s, GT, "DOUBLE", "5.0"));
    CHECK_TRUE(keeps(&s, GE, "DOUBLE", "5.0"));
    CHECK_FALSE(keeps(&s, LT, "DOUBLE", "1.0"));
    CHECK_FALSE(keeps(&s, EQ, "DOUBLE", "5.0"));
    CHECK_TRUE(keeps(&s, EQ, "DOUBLE", "nan"));
    s.stats.nan_count = 0;
    CHECK_FALSE(keeps(&s, GT, "DOUBLE", "5.0"));
    CHECK_FALSE(keeps(&s, EQ, "DOUBLE", "nan"));
    CHECK_TRUE(keeps(&s, LT, "DOUBLE", "nan"));
    CHECK_FALSE(keeps(&s, GT, "DOUBLE", "nan"));
    set_bounds(&s, "2.0", "2.0");
    CHECK_FALSE(keeps(&s, NE, "DOUBLE", "2.0"));
    s.stats.nan_count = -1;
    CHECK_TRUE(keeps(&s, NE, "DOUBLE", "2.0"));
    s.stats.nan_count = 0;
    set_bounds(&s, "-0.0", "-0.0");
    CHECK_TRUE(keeps(&s, EQ, "DOUBLE", "0.0"));
    set_bounds(&s, "nan", "nan"); /* not bounds */
    CHECK_TRUE(keeps(&s, EQ, "DOUBLE", "0.0"));
    set_bounds(&s, NULL, NULL);
    s.stats.value_count = s.stats.nan_count = 10;
    s.stats.null_count = 0;
    CHECK_FALSE(keeps(&s, LT, "DOUBLE", "5.0"));
    CHECK_TRUE(keeps(&s, GT, "DOUBLE", "5.0"));
    CHECK_TRUE(keeps(&s, PF_PREDICATE_IS_NOT_NULL, "", NULL));
}

TEST(text_is_ordered_by_unsigned_bytes_and_bounds_may_be_cut) {
    struct scene s;
    set_scene(&s, test, "string", "void");
    set_bounds(&s, "b", "z");
    CHECK_TRUE(keeps(&s, GT, "VARCHAR", "b"));
    CHECK_FALSE(keeps(&s, EQ, "VARCHAR", "\xc3\xa9"));
    CHECK_FALSE(keeps(&s, EQ, "VARCHAR", "za"));
    set_bounds(&s, "aaaaaaaaaaaaaaaa", "zzzzzzzzzzzzzzzz"); /* 16: may have been cut without rounding up */
    CHECK_TRUE(keeps(&s, EQ, "VARCHAR", "zzzzzzzzzzzzzzzzy"));
    CHECK_TRUE(keeps(&s, GT, "VARCHAR", "zzzzzzzzzzzzzzzz"));
    CHECK_FALSE(keeps(&s, GT, "VARCHAR", "zzzzzzzzzzzzzzz{"));
    set_bounds(&s, "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa");
    CHECK_TRUE(keeps(&s, NE, "VARCHAR", "aaaaaaaaaaaaaaaa"));
}

TEST(uuids_are_used_for_equality_only_where_both_bounds_are_the_same) {
    struct scene s;
    const char *low = "00000000-0000-4000-8000-000000000001", *high = "f0000000-0000-4000-8000-000000000001";
    set_scene(&s, test, "uuid", "void");
    set_bounds(&s, low, low);
    CHECK_FALSE(keeps(&s, EQ, "UUID", high));
    CHECK_TRUE(keeps(&s, EQ, "UUID", low));
    s.stats.upper = cell_of(&s, high);
    CHECK_TRUE(keeps(&s, EQ, "UUID", "f1000000-0000-4000-8000-000000000001"));
}

TEST(decimals_and_times_compare_by_value) {
    struct scene s;
    set_scene(&s, test, "decimal(38,4)", "void");
    set_bounds(&s, "-1234567890123456789012345678901234.0001", "0.0000");
    CHECK_FALSE(keeps(&s, GT, "DECIMAL(38,4)", "0.0000"));
    CHECK_TRUE(keeps(&s, LT, "DECIMAL(38,4)", "-1234567890123456789012345678901234.0000"));
    CHECK_FALSE(keeps(&s, LT, "DECIMAL(38,4)", "-1234567890123456789012345678901234.0001"));
    set_scene(&s, test, "timestamptz", "void");
    set_bounds(&s, "2020-01-01 00:00:00+00", "2020-01-01 12:00:00+00");
    CHECK_TRUE(keeps(&s, EQ, "TIMESTAMP WITH TIME ZONE", "2020-01-01 13:00:00+01"));
    CHECK_FALSE(keeps(&s, EQ, "TIMESTAMP WITH TIME ZONE", "2020-01-01 13:00:00+00"));
}

static void set_partition(struct scene *scene, int32_t number) {
    static char bytes[4];
    for (int i = 0; i < 4; i++) bytes[i] = (char)((uint32_t)number >> (8 * i));
    scene->cell = pf_str_from(bytes, 4);
    scene->file.partition = &scene->cell;
    scene->file.partition_count = 1;
}

TEST(buckets_know_equality_only) {
    struct scene s;
    set_scene(&s, test, "string", "bucket[16]");
    set_partition(&s, 1210000089 % 16); /* "iceberg" */
    CHECK_TRUE(keeps(&s, EQ, "VARCHAR", "iceberg"));
    CHECK_TRUE(keeps(&s, LT, "VARCHAR", "a"));
    CHECK_TRUE(keeps(&s, NE, "VARCHAR", "iceberg"));
    CHECK_FALSE(keeps(&s, PF_PREDICATE_IS_NULL, "", NULL));
    set_partition(&s, (1210000089 + 1) % 16);
    CHECK_FALSE(keeps(&s, EQ, "VARCHAR", "iceberg"));
    s.cell = PF_STR_EMPTY; /* null */
    CHECK_FALSE(keeps(&s, LT, "VARCHAR", "a"));
    CHECK_TRUE(keeps(&s, PF_PREDICATE_IS_NULL, "", NULL));
}

TEST(times_before_1970_may_have_been_rounded_towards_zero) {
    struct scene s;
    set_scene(&s, test, "timestamp", "day");
    set_partition(&s, 0);
    CHECK_TRUE(keeps(&s, EQ, "TIMESTAMP", "1969-12-31 23:00:00"));
    CHECK_TRUE(keeps(&s, LT, "TIMESTAMP", "1969-12-31 23:00:00"));
    CHECK_FALSE(keeps(&s, EQ, "TIMESTAMP", "1970-01-02 23:00:00"));
    CHECK_FALSE(keeps(&s, LT, "TIMESTAMP", "1969-12-30 23:00:00"));
    set_partition(&s, 5);
    CHECK_TRUE(keeps(&s, GT, "TIMESTAMP", "1970-01-06 23:00:00"));
    CHECK_FALSE(keeps(&s, GT, "TIMESTAMP", "1970-01-07 00:00:00"));
    CHECK_FALSE(keeps(&s, LT, "TIMESTAMP", "1970-01-05 23:00:00"));
    CHECK_FALSE(keeps(&s, LT, "TIMESTAMP", "1970-01-06 00:00:00")); /* at most the day before */
    CHECK_TRUE(keeps(&s, LT, "TIMESTAMP", "1970-01-06 00:00:00.000001"));
}

TEST(identity_partitions_are_exact) {
    struct scene s;
    set_scene(&s, test, "int", "identity");
    set_partition(&s, 5);
    CHECK_TRUE(keeps(&s, EQ, "INTEGER", "5"));
    CHECK_FALSE(keeps(&s, NE, "INTEGER", "5"));
    CHECK_FALSE(keeps(&s, LT, "INTEGER", "5"));
    s.cell = PF_STR_EMPTY;
    CHECK_FALSE(keeps(&s, NE, "INTEGER", "6"));
    CHECK_FALSE(keeps(&s, PF_PREDICATE_IS_NOT_NULL, "", NULL));
    set_partition(&s, 5);
    s.file.spec_id = 77; /* a spec the table doesn't know */
    CHECK_TRUE(keeps(&s, EQ, "INTEGER", "6"));
}

TEST(unknown_transforms_are_ignored) {
    struct scene s;
    set_scene(&s, test, "int", "zorder");
    set_partition(&s, 5);
    CHECK_TRUE(keeps(&s, EQ, "INTEGER", "6"));
    set_scene(&s, test, "int", "void");
    set_partition(&s, 5);
    CHECK_TRUE(keeps(&s, EQ, "INTEGER", "6"));
}

TEST(manifests_are_skipped_by_their_summaries) {
    struct scene s;
    struct pf_literal literals[] = {{PF_STR("INTEGER"), PF_STR("5")}, {PF_STR("INTEGER"), PF_STR("50")}};
    struct pf_predicate predicate = {PF_STR("c"), PF_PREDICATE_IN, literals, 2};
    set_scene(&s, test, "int", "truncate[10]");
    struct pf_field_summary summary = {.lower = cell_of(&s, "10"), .upper = cell_of(&s, "40")};
    struct pf_manifest_file file = {.partitions = &summary, .partition_count = 1};
    struct pf_pruner *pruner = pf_pruner_new(&s.metadata, &s.schema, &predicate, 1, test->arena);
    CHECK_FALSE(pf_pruner_keeps_manifest(pruner, &file));
    literals[1].text = PF_STR("49");
    pruner = pf_pruner_new(&s.metadata, &s.schema, &predicate, 1, test->arena);
    CHECK_TRUE(pf_pruner_keeps_manifest(pruner, &file));
    predicate = (struct pf_predicate){PF_STR("c"), PF_PREDICATE_IS_NULL, NULL, 0};
    pruner = pf_pruner_new(&s.metadata, &s.schema, &predicate, 1, test->arena);
    CHECK_FALSE(pf_pruner_keeps_manifest(pruner, &file));
    summary.contains_null = true;
    CHECK_TRUE(pf_pruner_keeps_manifest(pruner, &file));
    file.partition_count = 0; /* none written */
    summary.contains_null = false;
    CHECK_TRUE(pf_pruner_keeps_manifest(pruner, &file));
}
