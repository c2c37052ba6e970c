/* SPDX-License-Identifier: MIT */
#include "iceberg/manifest.h"

#include "support/test.h"

#include <string.h>

static const struct pf_iceberg_type int_type = {.kind = PF_ICEBERG_INT, .text = {"int", 3}};
static const struct pf_iceberg_field int_field = {.id = 1, .name = {"a", 1}, .type = &int_type};
static const struct pf_iceberg_schema int_schema = {.fields = &int_field, .field_count = 1};
static const struct pf_partition_field by_a = {
    .source_id = 1, .field_id = 1000, .name = {"a", 1}, .transform = {PF_TRANSFORM_IDENTITY, 0, {"identity", 8}}};
static const struct pf_partition_spec specs[] = {{.id = 0}, {.id = 1, .fields = &by_a, .field_count = 1}};
static const struct pf_table_metadata table = {.format_version = 2,
                                               .location = {"/t", 2},
                                               .schemas = &int_schema,
                                               .schema_count = 1,
                                               .specs = specs,
                                               .spec_count = 2};
static const struct pf_manifest_columns all_columns = {.all = true};

/* A v1 manifest as a generic Avro writer makes it: no field ids, no sequence numbers, no content. */
static const char v1_schema[] =
    "{\"type\":\"record\",\"name\":\"manifest_entry\",\"fields\":[{\"name\":\"status\",\"type\":\"int\"},"
    "{\"name\":\"snapshot_id\",\"type\":[\"null\",\"long\"]},{\"name\":\"data_file\",\"type\":{\"type\":\"record\","
    "\"name\":"
    "\"r2\",\"fields\":[{\"name\":\"file_path\",\"type\":\"string\"},{\"name\":\"file_format\",\"type\":\"string\"},"
    "{\"name\":\"partition\",\"type\":{\"type\":\"record\",\"name\":\"r102\",\"fields\":[{\"name\":\"a\",\"type\":["
    "\"int\",\"null\"]}]}},"
    "{\"name\":\"record_count\",\"type\":\"long\"},{\"name\":\"file_size_in_bytes\",\"type\":\"long\"},"
    "{\"name\":\"block_size_in_bytes\",\"type\":\"long\"},{\"name\":\"strange\",\"type\":{\"type\":\"map\",\"values\":"
    "\"string\"}},"
    "{\"name\":\"value_counts\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"kv\","
    "\"fields\":["
    "{\"name\":\"key\",\"type\":\"int\"},{\"name\":\"value\",\"type\":\"long\"}]}}]}]}}]}";

static void put_v1_entry(struct avro_writer *writer, int status, const char *path, const char *format) {
    struct pf_buf *out = &writer->block;
    avro_put_long(out, status);
    avro_put_long(out, 0);
    avro_put_bytes(out, pf_str_from_cstr(path));
    avro_put_bytes(out, pf_str_from_cstr(format));
    avro_put_long(out, 0); /* the branch of int comes first here */
    avro_put_long(out, 42);
    avro_put_long(out, 10);
    avro_put_long(out, 1000);
    avro_put_long(out, 64 << 20);
    avro_put_long(out, 1);
    avro_put_bytes(out, PF_STR("key"));
    avro_put_bytes(out, PF_STR("value"));
    avro_put_long(out, 0);
    avro_put_long(out, 1);
    avro_put_long(out, -2); /* a block with a negative count and its size; keys not in order */
    avro_put_long(out, 4);
    avro_put_long(out, 2);
    avro_put_long(out, 20);
    avro_put_long(out, 1);
    avro_put_long(out, 10);
    avro_put_long(out, 0);
    avro_writer_end_record(writer);
}

static pf_str v1_manifest(struct pf_test *test, int status, const char *path, const char *format) {
    struct avro_writer writer;
    struct avro_meta meta = {PF_STR("partition-spec-id"), PF_STR("1")};
    pf_str bytes;
    avro_writer_open(&writer, pf_str_from_cstr(v1_schema), &meta, 1, PF_STR("v1"));
    put_v1_entry(&writer, status, path, format);
    CHECK_OK(avro_writer_close(&writer, test->arena, &bytes, &test->err));
    return bytes;
}

TEST(v1_manifests_of_generic_writers_are_read_by_name) {
    struct pf_manifest_file file = {.path = PF_STR("m"), .spec_id = -1, .added_snapshot_id = 7};
    struct pf_manifest manifest;
    pf_str bytes = v1_manifest(test, 1, "/t/a.parquet", "parquet");
    CHECK_OK(pf_manifest_read(bytes, &file, &table, &all_columns, test->arena, &manifest, &test->err));
    CHECK_UINT(manifest.count, 1);
    const struct pf_data_file *entry = &manifest.files[0];
    CHECK_STR(entry->path, "/t/a.parquet");
    CHECK_STR(entry->format, "PARQUET");
    CHECK_INT(entry->content, PF_FILE_DATA);
    CHECK_INT(entry->spec_id, 1);
    CHECK_INT(entry->snapshot_id, 7);
    CHECK_INT(entry->sequence_number, 0);
    CHECK_STR(entry->partition[0], pf_str_from("\x2a\0\0\0", 4));
    CHECK_UINT(entry->column_count, 2);
    CHECK_INT(entry->columns[0].field_id, 1);
    CHECK_INT(entry->columns[0].value_count, 10);
    CHECK_INT(entry->columns[1].value_count, 20);
    CHECK_INT(entry->columns[1].null_count, -1);
    CHECK_NULL(entry->columns[1].lower.ptr);
}

TEST(only_wanted_statistics_are_kept) {
    struct pf_manifest_file file = {.path = PF_STR("m"), .spec_id = 1, .added_snapshot_id = 7};
    int id = 2;
    struct pf_manifest_columns none = {0}, one = {.ids = &id, .count = 1};
    struct pf_manifest manifest;
    pf_str bytes = v1_manifest(test, 1, "/t/a.parquet", "parquet");
    CHECK_OK(pf_manifest_read(bytes, &file, &table, &none, test->arena, &manifest, &test->err));
    CHECK_UINT(manifest.files[0].column_count, 0);
    CHECK_OK(pf_manifest_read(bytes, &file, &table, &one, test->arena, &manifest, &test->err));
    CHECK_UINT(manifest.files[0].column_count, 1);
    CHECK_INT(manifest.files[0].columns[0].value_count, 20);
}

TEST(a_tuple_of_another_spec_is_not_used) {
    static const struct pf_partition_field other = {.source_id = 1, .field_id = 1009, .name = {"b", 1}};
    static const struct pf_partition_spec other_spec = {.id = 1, .fields = &other, .field_count = 1};
    struct pf_table_metadata changed = table;
    struct pf_manifest_file file = {.path = PF_STR("m"), .spec_id = 1};
    struct pf_manifest manifest;
    changed.specs = &other_spec;
    changed.spec_count = 1;
    pf_str bytes = v1_manifest(test, 1, "/t/a.parquet", "parquet");
    CHECK_OK(pf_manifest_read(bytes, &file, &changed, &all_columns, test->arena, &manifest, &test->err));
    CHECK_UINT(manifest.files[0].partition_count, 0);
    file.spec_id = 5;
    CHECK_FAILS(pf_manifest_read(bytes, &file, &changed, &all_columns, test->arena, &manifest, &test->err), PF_CORRUPT,
                "read manifest 'm': partition spec 5");
}

TEST(damaged_manifests_name_the_file_and_the_entry) {
    struct pf_manifest_file file = {.path = PF_STR("s3://b/m.avro"), .spec_id = 1};
    struct pf_manifest manifest;
    CHECK_FAILS(pf_manifest_read(v1_manifest(test, 3, "/a", "parquet"), &file, &table, &all_columns, test->arena,
                                 &manifest, &test->err),
                PF_CORRUPT, "read manifest 's3://b/m.avro': entry 0: an entry of unknown status");
    CHECK_FAILS(pf_manifest_read(v1_manifest(test, 1, "", "parquet"), &file, &table, &all_columns, test->arena,
                                 &manifest, &test->err),
                PF_CORRUPT, "without a path");
    file.key_metadata = PF_STR("key");
    CHECK_FAILS(pf_manifest_read(v1_manifest(test, 1, "/a", "parquet"), &file, &table, &all_columns, test->arena,
                                 &manifest, &test->err),
                PF_UNSUPPORTED, "encrypted");
}

static const struct pf_column_stats stats[] = {{.field_id = 1,
                                                .size_bytes = 40,
                                                .value_count = 10,
                                                .null_count = 0,
                                                .nan_count = -1,
                                                .lower = {"\1\0\0\0", 4},
                                                .upper = {"\2\0\0\0", 4}}};

static pf_str write_entries(struct pf_test *test, const struct pf_data_file *files, size_t count,
                            struct pf_manifest_file *out_file) {
    struct manifest_write write = {
        .metadata = &table, .spec = &specs[1], .path = PF_STR("/t/m0.avro"), .snapshot_id = 99, .sequence_number = 5};
    pf_str bytes;
    CHECK_OK(manifest_write(&write, files, count, test->arena, &bytes, out_file, &test->err));
    return bytes;
}

TEST(added_entries_inherit_and_others_keep_their_numbers) {
    static const pf_str cell = {"\1\0\0\0", 4};
    struct pf_data_file files[] = {
        {.status = PF_ENTRY_ADDED,
         .path = PF_STR("/a"),
         .format = PF_STR("PARQUET"),
         .partition = &cell,
         .partition_count = 1,
         .record_count = 10,
         .size_bytes = 100,
         .columns = stats,
         .column_count = 1,
         .sort_order_id = -1},
        {.status = PF_ENTRY_EXISTING,
         .path = PF_STR("/b"),
         .format = PF_STR("PARQUET"),
         .partition = &(pf_str){0},
         .partition_count = 1,
         .record_count = 20,
         .size_bytes = 200,
         .sequence_number = 2,
         .file_sequence_number = 3,
         .snapshot_id = 55,
         .sort_order_id = 0},
        {.status = PF_ENTRY_DELETED,
         .path = PF_STR("/c"),
         .format = PF_STR("PARQUET"),
         .partition = &cell,
         .partition_count = 1,
         .record_count = 30,
         .size_bytes = 300,
         .sequence_number = 1,
         .file_sequence_number = 1,
         .snapshot_id = 99,
         .sort_order_id = 0},
    };
    struct pf_manifest_file file;
    struct pf_manifest manifest;
    pf_str bytes = write_entries(test, files, 3, &file);
    CHECK_INT(file.added_files, 1);
    CHECK_INT(file.existing_rows, 20);
    CHECK_INT(file.deleted_rows, 30);
    CHECK_INT(file.min_sequence_number, 2);
    CHECK_TRUE(file.partitions[0].contains_null);
    CHECK_STR(file.partitions[0].lower, cell);
    file.sequence_number = 8; /* a retried commit got another number */
    CHECK_OK(pf_manifest_read(bytes, &file, &table, &all_columns, test->arena, &manifest, &test->err));
    CHECK_INT(manifest.files[0].sequence_number, 8);
    CHECK_INT(manifest.files[0].file_sequence_number, 8);
    CHECK_INT(manifest.files[0].snapshot_id, 99);
    CHECK_INT(manifest.files[0].columns[0].size_bytes, 40);
    CHECK_INT(manifest.files[0].columns[0].nan_count, -1);
    CHECK_STR(manifest.files[0].columns[0].upper, stats[0].upper);
    CHECK_INT(manifest.files[1].sequence_number, 2);
    CHECK_INT(manifest.files[1].file_sequence_number, 3);
    CHECK_INT(manifest.files[1].snapshot_id, 55);
    CHECK_NULL(manifest.files[1].partition[0].ptr);
    CHECK_INT(manifest.files[2].status, PF_ENTRY_DELETED);
    CHECK_FALSE(pf_manifest_file_is_dead(&file));
}

TEST(manifests_carry_what_other_readers_look_for) {
    struct pf_data_file file = {.status = PF_ENTRY_ADDED,
                                .path = PF_STR("/a"),
                                .format = PF_STR("PARQUET"),
                                .partition = &(pf_str){0},
                                .partition_count = 1,
                                .sort_order_id = -1};
    struct pf_manifest_file entry;
    struct avro_file avro;
    pf_str bytes = write_entries(test, &file, 1, &entry);
    CHECK_OK(avro_file_open(bytes, test->arena, &avro, &test->err));
    CHECK_STR(avro_file_meta(&avro, PF_STR("format-version")), "2");
    CHECK_STR(avro_file_meta(&avro, PF_STR("content")), "data");
    CHECK_STR(avro_file_meta(&avro, PF_STR("partition-spec-id")), "1");
    CHECK_CONTAINS(avro_file_meta(&avro, PF_STR("schema")), "\"name\":\"a\"");
    CHECK_CONTAINS(avro_file_meta(&avro, PF_STR("partition-spec")), "\"field-id\":1000");
    CHECK_STR(avro.schema->name, "manifest_entry");
    CHECK_STR(avro.schema->fields[4].type->name, "r2");
    CHECK_STR(avro.schema->fields[4].type->fields[3].type->name, "r102");
    CHECK_INT(avro.schema->fields[4].type->fields[3].type->fields[0].id, 1000);
}

/* Many entries with many statistics, of which long keys and long values are some. */
static struct pf_data_file *many_files(struct pf_arena *arena, size_t count) {
    static const int ids[] = {1, 2, 3, 70, 9000, 2000000};
    static const pf_str cell = {"\1\0\0\0", 4};
    enum { COLUMNS = sizeof ids / sizeof *ids };
    struct pf_data_file *files = PF_ARENA_ARRAY(arena, struct pf_data_file, count);
    for (size_t i = 0; i < count; i++) {
        struct pf_column_stats *columns = PF_ARENA_ARRAY(arena, struct pf_column_stats, COLUMNS);
        for (size_t k = 0; k < COLUMNS; k++) {
            size_t length = (i * 7 + k * 31) % 90;
            char *bound = pf_arena_alloc(arena, length + 1);
            for (size_t c = 0; c < length; c++) bound[c] = (char)('a' + (i * 31 + c * c * 7 + k) % 26);
            columns[k] = (struct pf_column_stats){.field_id = ids[k],
                                                  .size_bytes = (int64_t)(i * 1000003 % 100000000),
                                                  .value_count = (int64_t)(i << (i % 50)),
                                                  .null_count = (int64_t)k,
                                                  .nan_count = -1,
                                                  .lower = {bound, length},
                                                  .upper = {bound, length}};
        }
        files[i] = (struct pf_data_file){.status = PF_ENTRY_ADDED,
                                         .path = pf_arena_printf(arena, "/data/%zu-%zx", i, i * 2654435761u),
                                         .format = PF_STR("PARQUET"),
                                         .partition = &cell,
                                         .partition_count = 1,
                                         .record_count = (int64_t)i,
                                         .size_bytes = 100,
                                         .columns = columns,
                                         .column_count = COLUMNS,
                                         .sort_order_id = -1};
    }
    return files;
}

static void check_column(const struct pf_data_file *got, const struct pf_data_file *expected, int id) {
    const struct pf_column_stats *column = NULL, *other = NULL;
    for (size_t i = 0; i < got->column_count; i++) column = got->columns[i].field_id == id ? &got->columns[i] : column;
    for (size_t i = 0; i < expected->column_count; i++) {
        if (expected->columns[i].field_id == id) other = &expected->columns[i];
    }
    CHECK_TRUE(column && other);
    CHECK_INT(column->value_count, other->value_count);
    CHECK_INT(column->null_count, other->null_count);
    CHECK_STR(column->lower, other->lower);
    CHECK_STR(column->upper, other->upper);
}

TEST(parts_of_a_manifest_are_read_in_any_order) {
    enum { COUNT = 3000 };
    static const int wanted_ids[] = {9000, 2}, last_ids[] = {2000000};
    struct pf_manifest_columns choices[] = {
        {0}, {.all = true}, {.ids = wanted_ids, .count = 2}, {.ids = last_ids, .count = 1}};
    struct pf_data_file *files = many_files(test->arena, COUNT);
    struct pf_manifest_file file;
    pf_str bytes = write_entries(test, files, COUNT, &file);
    file.first_row_id = 1000;
    for (size_t c = 0; c < sizeof choices / sizeof *choices; c++) {
        struct pf_manifest_reader *reader;
        struct pf_manifest part, manifest;
        CHECK_OK(pf_manifest_open(bytes, &file, &table, &choices[c], test->arena, &reader, &test->err));
        size_t parts = pf_manifest_part_count(reader), seen = 0;
        CHECK_TRUE(parts > 3);
        CHECK_UINT(pf_manifest_entry_count(reader), COUNT);
        for (size_t i = parts; i > 0; i--) {
            CHECK_OK(pf_manifest_read_part(reader, i - 1, test->arena, &part, &test->err));
            seen += part.count;
            CHECK_UINT(pf_manifest_part_start(reader, i - 1), COUNT - seen);
        }
        pf_manifest_finish(reader, &manifest);
        CHECK_UINT(manifest.count, COUNT);
        int64_t row_id = 1000;
        for (size_t i = 0; i < COUNT; i++) {
            CHECK_STR(manifest.files[i].path, files[i].path);
            CHECK_INT(manifest.files[i].first_row_id, row_id);
            row_id += manifest.files[i].record_count;
            CHECK_UINT(manifest.files[i].column_count, choices[c].all ? files[i].column_count : choices[c].count);
            for (size_t k = 0; k < choices[c].count; k++) {
                check_column(&manifest.files[i], &files[i], choices[c].ids[k]);
            }
            for (size_t k = 0; choices[c].all && k < files[i].column_count; k++) {
                check_column(&manifest.files[i], &files[i], files[i].columns[k].field_id);
            }
        }
    }
}

TEST(a_part_that_is_damaged_names_its_entry) {
    struct pf_data_file *files = many_files(test->arena, 1000);
    struct pf_manifest_file file;
    struct pf_manifest manifest;
    pf_str bytes = write_entries(test, files, 1000, &file);
    char *damaged = pf_arena_cstr(test->arena, bytes);
    for (size_t i = 0; i < 200; i++) damaged[bytes.len / 2 + i] = (char)(i * 37);
    CHECK_FAILS(pf_manifest_read(pf_str_from(damaged, bytes.len), &file, &table, &all_columns, test->arena, &manifest,
                                 &test->err),
                PF_CORRUPT, "read manifest");
}

TEST(tuples_that_do_not_fit_the_spec_are_not_written) {
    struct manifest_write write = {.metadata = &table, .spec = &specs[1], .path = PF_STR("/t/m0.avro")};
    struct pf_data_file file = {.path = PF_STR("/a"), .format = PF_STR("PARQUET")};
    struct pf_manifest_file entry;
    pf_str bytes, bad = PF_STR("abc");
    CHECK_FAILS(manifest_write(&write, &file, 1, test->arena, &bytes, &entry, &test->err), PF_INVALID,
                "has 0 partition values");
    file.partition = &bad;
    file.partition_count = 1;
    CHECK_FAILS(manifest_write(&write, &file, 1, test->arena, &bytes, &entry, &test->err), PF_INVALID, "of its type");
}

TEST(lists_survive_and_unknown_counts_stay_positive) {
    struct pf_field_summary summary = {.contains_null = true, .has_contains_nan = true, .lower = PF_STR("\1\0\0\0")};
    struct pf_manifest_file files[] = {
        {.path = PF_STR("/m0"),
         .size_bytes = 7,
         .spec_id = 1,
         .content = PF_MANIFEST_DELETES,
         .sequence_number = 3,
         .min_sequence_number = 2,
         .added_snapshot_id = 9,
         .added_files = 1,
         .deleted_files = 2,
         .added_rows = 3,
         .partitions = &summary,
         .partition_count = 1},
        {.path = PF_STR("/m1"), .added_files = -1, .existing_files = -1, .deleted_files = -1},
    };
    struct pf_manifest_list list = {files, 2}, again;
    struct manifest_list_write write = {.format_version = 2, .snapshot_id = 9, .parent_id = -1, .sequence_number = 3};
    pf_str bytes;
    int64_t next_row_id;
    CHECK_OK(manifest_list_write(&list, &write, test->arena, &bytes, &next_row_id, &test->err));
    CHECK_OK(pf_manifest_list_read(bytes, PF_STR("l"), test->arena, &again, &test->err));
    CHECK_UINT(again.count, 2);
    CHECK_INT(again.manifests[0].content, PF_MANIFEST_DELETES);
    CHECK_INT(again.manifests[0].min_sequence_number, 2);
    CHECK_INT(again.manifests[0].deleted_files, 2);
    CHECK_TRUE(again.manifests[0].partitions[0].contains_null);
    CHECK_TRUE(again.manifests[0].partitions[0].has_contains_nan);
    CHECK_FALSE(again.manifests[0].partitions[0].contains_nan);
    CHECK_STR(again.manifests[0].partitions[0].lower, summary.lower);
    CHECK_NULL(again.manifests[0].partitions[0].upper.ptr);
    CHECK_FALSE(pf_manifest_file_is_dead(&again.manifests[1]));
    CHECK_UINT(again.manifests[1].partition_count, 0);
    CHECK_FAILS(
        pf_manifest_list_read(pf_str_slice(bytes, 0, bytes.len - 1), PF_STR("l"), test->arena, &again, &test->err),
        PF_CORRUPT, "read manifest list 'l'");
}

TEST(files_that_are_not_plain_parquet_are_refused) {
    struct pf_data_file file = {.path = PF_STR("s3://b/x"), .format = PF_STR("PARQUET"), .content_offset = -1};
    CHECK_OK(pf_data_file_check(&file, PF_STR("n.t"), 5, &test->err));
    file.content = PF_FILE_POSITION_DELETES;
    CHECK_OK(pf_data_file_check(&file, PF_STR("n.t"), 5, &test->err));
    file.format = PF_STR("PUFFIN");
    CHECK_OK(pf_data_file_check(&file, PF_STR("n.t"), 5, &test->err));
    file.content = PF_FILE_EQUALITY_DELETES;
    CHECK_FAILS(pf_data_file_check(&file, PF_STR("n.t"), 5, &test->err), PF_UNSUPPORTED, "delete file 's3://b/x'");
    file.content = PF_FILE_DATA;
    file.format = PF_STR("ORC");
    CHECK_FAILS(pf_data_file_check(&file, PF_STR("n.t"), 5, &test->err), PF_UNSUPPORTED, "in the format ORC");
    file.format = PF_STR("PARQUET");
    file.key_metadata = PF_STR("k");
    CHECK_FAILS(pf_data_file_check(&file, PF_STR("n.t"), 5, &test->err), PF_UNSUPPORTED, "encrypted");
}
