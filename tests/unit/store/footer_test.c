/* SPDX-License-Identifier: MIT */
/* Footers of real files: the corpus of the fuzz target, made by DuckDB from TPC-H. */
#include "store/parquet_footer.h"

#include "support/test.h"

#include <string.h>

static struct parquet_footer read_footer(struct pf_test *test, const char *path, int64_t file_bytes) {
    struct parquet_footer footer;
    CHECK_OK(parquet_footer_read(pf_test_read_file(path), file_bytes, test->arena, &footer, &test->err));
    return footer;
}

TEST(finds_the_columns_of_a_file) {
    struct parquet_footer footer =
        read_footer(test, TEST_DATA("fuzz/corpus/store_parquet_footer/orders"), (int64_t)1 << 30);
    CHECK_INT(footer.leaf_count, 9);
    CHECK_INT(footer.row_count, 7500);
    CHECK_STR(footer.leaves[0].column, "o_orderkey");
    CHECK_STR(footer.leaves[8].column, "o_comment");
    int64_t before = 4;
    for (size_t i = 0; i < footer.leaf_count; i++) {
        CHECK_TRUE(footer.groups[0].chunks[i].offset >= before && footer.groups[0].chunks[i].length > 0);
        before = footer.groups[0].chunks[i].offset;
    }
}

TEST(refuses_what_lies_outside_of_the_file) {
    struct parquet_footer footer;
    pf_str bytes = pf_test_read_file(TEST_DATA("fuzz/corpus/store_parquet_footer/orders"));
    CHECK_FAILS(parquet_footer_read(bytes, (int64_t)bytes.len + 100, test->arena, &footer, &test->err), PF_CORRUPT,
                "lies outside the file");
}

TEST(survives_every_cut_of_a_footer) {
    pf_str bytes = pf_test_read_file(TEST_DATA("fuzz/corpus/store_parquet_footer/nation"));
    for (size_t length = 0; length < bytes.len; length++) {
        struct parquet_footer footer;
        struct pf_arena *arena = pf_arena_new(NULL, "cut");
        enum pf_code code = parquet_footer_read(pf_str_slice(bytes, 0, length), 1 << 20, arena, &footer, NULL);
        CHECK_TRUE(code == PF_OK || code == PF_CORRUPT);
        pf_arena_free(arena);
    }
}

TEST(tells_other_files_by_their_end) {
    int64_t length;
    CHECK_OK(parquet_footer_length(PF_STR("\x10\0\0\0PAR1"), 1000, &length, &test->err));
    CHECK_INT(length, 24);
    CHECK_FAILS(parquet_footer_length(PF_STR("\x10\0\0\0PARE"), 1000, &length, &test->err), PF_UNSUPPORTED,
                "encrypted");
    CHECK_FAILS(parquet_footer_length(PF_STR("\x10\0\0\0abcd"), 1000, &length, &test->err), PF_CORRUPT, "no PAR1");
    CHECK_FAILS(parquet_footer_length(PF_STR("\xff\xff\0\0PAR1"), 1000, &length, &test->err), PF_CORRUPT, "longer");
}
