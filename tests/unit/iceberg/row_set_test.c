/* SPDX-License-Identifier: MIT */
/* Deletion vectors that are written are those that are read. */
#include "iceberg/iceberg.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static struct pf_deleted_rows *read_back(struct pf_test *test, const struct pf_row_set *set) {
    struct pf_deleted_rows *rows = NULL;
    CHECK_OK(pf_deletion_vector_read(pf_deletion_vector_write(set, test->arena), test->arena, &rows, &test->err));
    return rows;
}

/* Every position of the set, those around them, and nothing else. */
static void check_same(struct pf_test *test, const struct pf_row_set *set) {
    struct pf_deleted_rows *rows = read_back(test, set);
    size_t hint = 0;
    int64_t count = 0;
    CHECK_INT(pf_deleted_rows_count(rows), pf_row_set_count(set));
    for (int64_t at = pf_row_set_next(set, 0); at >= 0; at = pf_row_set_next(set, at + 1), count++) {
        CHECK_TRUE(pf_deleted_rows_has(rows, at, &hint));
        CHECK_INT(pf_deleted_rows_has(rows, at + 1, &hint), pf_row_set_has(set, at + 1));
        if (at) CHECK_INT(pf_deleted_rows_has(rows, at - 1, &hint), pf_row_set_has(set, at - 1));
    }
    CHECK_INT(count, pf_row_set_count(set));
    struct pf_row_set *again = pf_row_set_new(test->arena);
    pf_row_set_add_deleted(again, rows);
    CHECK_STR(pf_deletion_vector_write(again, test->arena), pf_deletion_vector_write(set, test->arena));
}

TEST(an_empty_set_is_an_empty_vector) {
    struct pf_row_set *set = pf_row_set_new(test->arena);
    CHECK_INT(pf_row_set_next(set, 0), -1);
    check_same(test, set);
}

TEST(a_position_is_added_once) {
    struct pf_row_set *set = pf_row_set_new(test->arena);
    CHECK_TRUE(pf_row_set_add(set, 7));
    CHECK_FALSE(pf_row_set_add(set, 7));
    CHECK_FALSE(pf_row_set_failed(set));
    CHECK_FALSE(pf_row_set_add(set, -1));
    CHECK_TRUE(pf_row_set_failed(set));
    CHECK_FALSE(pf_row_set_add(set, PF_MAX_ROW_POSITION + 1));
    CHECK_INT(pf_row_set_count(set), 1);
}

TEST(runs_arrays_and_bitmaps_are_written_and_read) {
    struct pf_row_set *set = pf_row_set_new(test->arena);
    for (int64_t i = 0; i < 65536; i++) pf_row_set_add(set, i);              /* all of a chunk */
    for (int64_t i = 0; i < 65536; i += 2) pf_row_set_add(set, 65536 + i);   /* a bitmap */
    for (int64_t i = 0; i < 4096; i++) pf_row_set_add(set, 131072 + 16 * i); /* the largest array */
    check_same(test, set);
    for (int64_t i = 0; i < 4097; i++) pf_row_set_add(set, 196608 + 15 * i); /* the smallest bitmap */
    for (int64_t i = 0; i < 100; i++) pf_row_set_add(set, 262143 - i);       /* up to a chunk's end */
    pf_row_set_add(set, ((int64_t)1 << 32) + 5);                             /* another 32-bit bitmap */
    pf_row_set_add(set, PF_MAX_ROW_POSITION);
    check_same(test, set);
}

TEST(without_runs_there_is_an_offset_table) {
    struct pf_row_set *set = pf_row_set_new(test->arena);
    for (int64_t i = 0; i < 6; i++) pf_row_set_add(set, i * 65536 + 3);
    check_same(test, set);
}

TEST(random_sets_come_back) {
    unsigned seed = 1;
    for (int round = 0; round < 60; round++) {
        struct pf_row_set *set = pf_row_set_new(test->arena);
        int64_t position = 0;
        int gap = 1 + rand_r(&seed) % (round % 3 == 0 ? 2 : round % 3 == 1 ? 40 : 9000);
        int count = rand_r(&seed) % 9000;
        for (int i = 0; i < count; i++) {
            position += 1 + rand_r(&seed) % gap;
            pf_row_set_add(set, position);
        }
        check_same(test, set);
    }
}

TEST(a_puffin_file_says_where_its_vectors_lie) {
    struct pf_row_set *first = pf_row_set_new(test->arena), *second = pf_row_set_new(test->arena);
    pf_row_set_add(first, 1);
    for (int i = 0; i < 100; i++) pf_row_set_add(second, 3 * i);
    struct pf_puffin_vector vectors[] = {
        {.blob = pf_deletion_vector_write(first, test->arena), .referenced_data_file = PF_STR("/a"), .cardinality = 1},
        {.blob = pf_deletion_vector_write(second, test->arena),
         .referenced_data_file = PF_STR("/b"),
         .cardinality = 100}};
    struct pf_puffin puffin;
    pf_str file;
    CHECK_OK(pf_puffin_write(vectors, 2, test->arena, &file, &test->err));
    CHECK_OK(pf_puffin_read(file, PF_STR("x.puffin"), test->arena, &puffin, &test->err));
    CHECK_UINT(puffin.blob_count, 2);
    for (size_t i = 0; i < 2; i++) {
        struct pf_deleted_rows *rows;
        CHECK_STR(puffin.blobs[i].type, "deletion-vector-v1");
        CHECK_STR(puffin.blobs[i].referenced_data_file, vectors[i].referenced_data_file);
        CHECK_INT(puffin.blobs[i].cardinality, vectors[i].cardinality);
        CHECK_INT(puffin.blobs[i].offset, vectors[i].out_offset);
        CHECK_INT(puffin.blobs[i].snapshot_id, -1);
        size_t from = (size_t)puffin.blobs[i].offset;
        pf_str blob = pf_str_slice(file, from, from + (size_t)puffin.blobs[i].size_bytes);
        CHECK_OK(pf_deletion_vector_read(blob, test->arena, &rows, &test->err));
        CHECK_INT(pf_deleted_rows_count(rows), vectors[i].cardinality);
    }
}
