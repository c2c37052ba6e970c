/* SPDX-License-Identifier: MIT */
/* The scope of delete files, rule by rule. */
#include "iceberg/iceberg.h"
#include "support/test.h"

#include <string.h>

/* Spec 0 is day-less (unpartitioned), 1 and 2 are partitioned by the int and the float column. */
static struct pf_table_metadata *make_table(struct pf_arena *arena) {
    static const struct pf_iceberg_type types[] = {{.kind = PF_ICEBERG_LONG}, {.kind = PF_ICEBERG_DOUBLE}};
    static const struct pf_iceberg_field fields[] = {{.id = 1, .name = PF_STR("a"), .type = &types[0]},
                                                     {.id = 2, .name = PF_STR("f"), .type = &types[1]}};
    static const struct pf_iceberg_schema schema = {.fields = fields, .field_count = 2};
    static const struct pf_partition_field by_a[] = {
        {1, 1000, PF_STR("a"), {PF_TRANSFORM_IDENTITY, 0, PF_STR("identity")}}};
    static const struct pf_partition_field by_f[] = {
        {2, 1001, PF_STR("f"), {PF_TRANSFORM_IDENTITY, 0, PF_STR("identity")}}};
    static const struct pf_partition_field dead[] = {{1, 1002, PF_STR("v"), {PF_TRANSFORM_VOID, 0, PF_STR("void")}}};
    static const struct pf_partition_spec specs[] = {{0, NULL, 0}, {1, by_a, 1}, {2, by_f, 1}, {3, dead, 1}};
    struct pf_table_metadata *metadata = PF_ARENA_NEW(arena, struct pf_table_metadata);
    metadata->schemas = &schema;
    metadata->schema_count = 1;
    metadata->specs = specs;
    metadata->spec_count = 4;
    return metadata;
}

static struct pf_data_file file_of(enum pf_file_content content, const char *path, int64_t sequence_number, int spec_id,
                                   const pf_str *cell) {
    return (struct pf_data_file){.content = content,
                                 .path = pf_str_from_cstr(path),
                                 .format = PF_STR("PARQUET"),
                                 .spec_id = spec_id,
                                 .partition = cell,
                                 .partition_count = spec_id == 0 ? 0 : 1,
                                 .sequence_number = sequence_number,
                                 .content_offset = -1,
                                 .content_size_bytes = -1};
}

static struct pf_data_file vector_of(const char *data_path, int64_t sequence_number, int spec_id, const pf_str *cell) {
    struct pf_data_file file = file_of(PF_FILE_POSITION_DELETES, "v.puffin", sequence_number, spec_id, cell);
    file.format = PF_STR("PUFFIN");
    file.content_offset = 4;
    file.content_size_bytes = 40;
    file.referenced_data_file = pf_str_from_cstr(data_path);
    return file;
}

/* "0,2": the deletes that apply. */
static pf_str applied(struct pf_test *test, const struct pf_data_file *deletes, size_t count,
                      const struct pf_data_file *file) {
    const struct pf_data_file *pointers[8];
    struct pf_delete_index *index;
    const uint32_t *found;
    size_t found_count;
    pf_str text = PF_STR_EMPTY;
    for (size_t i = 0; i < count; i++) pointers[i] = &deletes[i];
    CHECK_OK(pf_delete_index_new(make_table(test->arena), pointers, count, test->arena, &index, &test->err));
    CHECK_OK(pf_delete_index_find(index, file, test->arena, &found, &found_count, &test->err));
    for (size_t i = 0; i < found_count; i++) {
        text = pf_arena_printf(test->arena, "%.*s%s%u", PF_STR_ARG(text), i ? "," : "", found[i]);
    }
    return text;
}

static const pf_str one_int = {"\1\0\0\0", 4}, one_long = {"\1\0\0\0\0\0\0\0", 8}, two = {"\2\0\0\0", 4}, null = {0};

TEST(equality_deletes_apply_to_older_files_only_position_deletes_to_those_of_their_commit_too) {
    struct pf_data_file deletes[] = {file_of(PF_FILE_EQUALITY_DELETES, "e", 5, 0, NULL),
                                     file_of(PF_FILE_POSITION_DELETES, "p", 5, 0, NULL)};
    static const char *const expected[] = {"0,1", "1", ""};
    for (int64_t sequence = 4; sequence <= 6; sequence++) {
        struct pf_data_file file = file_of(PF_FILE_DATA, "d", sequence, 0, NULL);
        CHECK_STR(applied(test, deletes, 2, &file), expected[sequence - 4]);
    }
}

TEST(a_partition_is_the_spec_and_the_tuple) {
    struct pf_data_file deletes[] = {
        file_of(PF_FILE_EQUALITY_DELETES, "e", 5, 1, &one_int), file_of(PF_FILE_POSITION_DELETES, "p", 5, 1, &one_int),
        file_of(PF_FILE_EQUALITY_DELETES, "n", 5, 1, &null),    file_of(PF_FILE_EQUALITY_DELETES, "g", 5, 0, NULL),
        file_of(PF_FILE_EQUALITY_DELETES, "void", 5, 3, &null), file_of(PF_FILE_POSITION_DELETES, "q", 5, 0, NULL)};
    struct pf_data_file in_one = file_of(PF_FILE_DATA, "d", 1, 1, &one_int);
    CHECK_STR(applied(test, deletes, 6, &in_one), "0,1,3,4");
    in_one.partition = &one_long; /* the column was promoted in between: the value is the same */
    CHECK_STR(applied(test, deletes, 6, &in_one), "0,1,3,4");
    struct pf_data_file in_two = file_of(PF_FILE_DATA, "d", 1, 1, &two);
    CHECK_STR(applied(test, deletes, 6, &in_two), "3,4");
    struct pf_data_file in_null = file_of(PF_FILE_DATA, "d", 1, 1, &null);
    CHECK_STR(applied(test, deletes, 6, &in_null), "2,3,4");
    struct pf_data_file other_spec = file_of(PF_FILE_DATA, "d", 1, 2, &one_long);
    CHECK_STR(applied(test, deletes, 6, &other_spec), "3,4");
    struct pf_data_file unpartitioned = file_of(PF_FILE_DATA, "d", 1, 0, NULL);
    CHECK_STR(applied(test, deletes, 6, &unpartitioned), "3,4,5");
}

TEST(partitions_of_floats_are_equal_by_bits_but_for_nan) {
    static const pf_str nan = {"\0\0\0\0\0\0\xf8\x7f", 8}, other_nan = {"\1\0\0\0\0\0\xf8\xff", 8};
    static const pf_str zero = {"\0\0\0\0\0\0\0\0", 8}, minus_zero = {"\0\0\0\0\0\0\0\x80", 8};
    struct pf_data_file deletes[] = {file_of(PF_FILE_EQUALITY_DELETES, "n", 5, 2, &nan),
                                     file_of(PF_FILE_EQUALITY_DELETES, "z", 5, 2, &zero)};
    struct pf_data_file file = file_of(PF_FILE_DATA, "d", 1, 2, &other_nan);
    CHECK_STR(applied(test, deletes, 2, &file), "0");
    file.partition = &zero;
    CHECK_STR(applied(test, deletes, 2, &file), "1");
    file.partition = &minus_zero;
    CHECK_STR(applied(test, deletes, 2, &file), "");
}

TEST(a_deletion_vector_takes_the_place_of_position_deletes) {
    struct pf_data_file deletes[] = {vector_of("d", 5, 0, NULL), file_of(PF_FILE_POSITION_DELETES, "p", 9, 0, NULL),
                                     file_of(PF_FILE_EQUALITY_DELETES, "e", 9, 0, NULL)};
    struct pf_data_file file = file_of(PF_FILE_DATA, "d", 5, 0, NULL), other = file_of(PF_FILE_DATA, "x", 5, 0, NULL);
    CHECK_STR(applied(test, deletes, 3, &file), "0,2");
    CHECK_STR(applied(test, deletes, 3, &other), "1,2");
}

TEST(position_deletes_of_one_path_apply_to_that_file) {
    struct pf_column_stats one = {.field_id = 2147483546, .lower = PF_STR("d"), .upper = PF_STR("d")};
    struct pf_column_stats many = {.field_id = 2147483546, .lower = PF_STR("c"), .upper = PF_STR("e")};
    struct pf_data_file deletes[] = {file_of(PF_FILE_POSITION_DELETES, "one", 5, 0, NULL),
                                     file_of(PF_FILE_POSITION_DELETES, "many", 5, 0, NULL),
                                     file_of(PF_FILE_POSITION_DELETES, "named", 5, 0, NULL)};
    deletes[0].columns = &one;
    deletes[1].columns = &many;
    deletes[0].column_count = deletes[1].column_count = 1;
    deletes[2].referenced_data_file = PF_STR("x");
    struct pf_data_file d = file_of(PF_FILE_DATA, "d", 1, 0, NULL), cd = file_of(PF_FILE_DATA, "cd", 1, 0, NULL);
    struct pf_data_file x = file_of(PF_FILE_DATA, "x", 1, 0, NULL), e1 = file_of(PF_FILE_DATA, "e1", 1, 0, NULL);
    CHECK_STR(applied(test, deletes, 3, &d), "0,1");
    CHECK_STR(applied(test, deletes, 3, &cd), "1");
    CHECK_STR(applied(test, deletes, 3, &x), "2");
    CHECK_STR(applied(test, deletes, 3, &e1), "1"); /* the upper bound may have been cut */
}

TEST(deletes_that_contradict_themselves_are_corrupt) {
    struct pf_data_file vectors[] = {vector_of("d", 5, 1, &one_int), vector_of("d", 5, 1, &one_int)};
    const struct pf_data_file *pointers[] = {&vectors[0], &vectors[1]};
    struct pf_table_metadata *metadata = make_table(test->arena);
    struct pf_delete_index *index;
    const uint32_t *found;
    size_t count;
    struct pf_data_file file = file_of(PF_FILE_DATA, "d", 1, 1, &one_int),
                        moved = file_of(PF_FILE_DATA, "d", 1, 1, &two);
    CHECK_OK(pf_delete_index_new(metadata, pointers, 2, test->arena, &index, &test->err));
    CHECK_FAILS(pf_delete_index_find(index, &file, test->arena, &found, &count, &test->err), PF_CORRUPT,
                "two deletion vectors");
    CHECK_FAILS(pf_delete_index_find(index, &moved, test->arena, &found, &count, &test->err), PF_CORRUPT,
                "another partition");
    vectors[0].content_offset = -1;
    CHECK_FAILS(pf_delete_index_new(metadata, pointers, 1, test->arena, &index, &test->err), PF_CORRUPT,
                "where it lies");
    vectors[0] = file_of(PF_FILE_EQUALITY_DELETES, "e", -1, 1, &one_int);
    CHECK_FAILS(pf_delete_index_new(metadata, pointers, 1, test->arena, &index, &test->err), PF_CORRUPT,
                "no sequence number");
}

TEST(scopes_tell_partitions_apart) {
    struct pf_data_file deletes[] = {file_of(PF_FILE_EQUALITY_DELETES, "a", 5, 1, &one_int),
                                     file_of(PF_FILE_EQUALITY_DELETES, "b", 5, 1, &two),
                                     file_of(PF_FILE_EQUALITY_DELETES, "g", 5, 0, NULL)};
    const struct pf_data_file *pointers[] = {&deletes[0], &deletes[1], &deletes[2]};
    struct pf_delete_index *index;
    struct pf_data_file in_one = file_of(PF_FILE_DATA, "d", 1, 1, &one_long),
                        in_null = file_of(PF_FILE_DATA, "d", 1, 1, &null);
    CHECK_OK(pf_delete_index_new(make_table(test->arena), pointers, 3, test->arena, &index, &test->err));
    CHECK_INT(pf_delete_index_scope(index, &deletes[2]), 0);
    CHECK_INT(pf_delete_index_scope(index, &in_null), 0);
    CHECK_INT(pf_delete_index_scope(index, &in_one), pf_delete_index_scope(index, &deletes[0]));
    CHECK_TRUE(pf_delete_index_scope(index, &deletes[0]) != pf_delete_index_scope(index, &deletes[1]));
}
