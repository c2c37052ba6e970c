/* SPDX-License-Identifier: MIT */
/* The bytes of position delete files are judged by other readers (tests/icecap); here what the manifest says of them. */
#include "iceberg/iceberg.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pf_row_set *rows_of(struct pf_test *test, int64_t first, int64_t step, int64_t count) {
    struct pf_row_set *set = pf_row_set_new(test->arena);
    for (int64_t i = 0; i < count; i++) pf_row_set_add(set, first + i * step);
    return set;
}

/* For trying a file on other readers. */
static void keep_file(pf_str file) {
    const char *path = getenv("PUFFIN_KEEP_DELETE_FILE");
    FILE *out = path ? fopen(path, "wb") : NULL;
    if (!out) return;
    fwrite(file.ptr, 1, file.len, out);
    fclose(out);
}

TEST(a_delete_file_says_what_it_is_about) {
    struct pf_position_deletes deletes[] = {{PF_STR("file:///t/b.parquet"), rows_of(test, 5, 1, 300000)},
                                            {PF_STR("file:///t/a.parquet"), rows_of(test, 3, 7, 10)},
                                            {PF_STR("file:///t/c.parquet"), rows_of(test, 1, 1, 1)}};
    struct pf_data_file entry;
    pf_str file;
    CHECK_OK(pf_position_deletes_write(deletes, 3, test->arena, &file, &entry, &test->err));
    keep_file(file);
    CHECK_INT(entry.record_count, 300011);
    CHECK_UINT((size_t)entry.size_bytes, file.len);
    CHECK_INT(entry.content, PF_FILE_POSITION_DELETES);
    CHECK_INT(entry.columns[1].field_id, PF_DELETE_PATH_FIELD);
    CHECK_STR(entry.columns[1].lower, "file:///t/a.parquet");
    CHECK_STR(entry.columns[1].upper, "file:///t/c.parquet");
    CHECK_STR(entry.columns[0].lower, pf_str_from("\1\0\0\0\0\0\0\0", 8));
    CHECK_UINT(entry.referenced_data_file.len, 0);
    CHECK_TRUE(memcmp(file.ptr, "PAR1", 4) == 0 && memcmp(file.ptr + file.len - 4, "PAR1", 4) == 0);
    CHECK_OK(pf_position_deletes_write(deletes, 1, test->arena, &file, &entry, &test->err));
    CHECK_STR(entry.referenced_data_file, "file:///t/a.parquet");
}

TEST(a_delete_file_has_rows) {
    struct pf_position_deletes deletes[] = {{PF_STR("/a"), pf_row_set_new(test->arena)}};
    struct pf_data_file entry;
    pf_str file;
    CHECK_FAILS(pf_position_deletes_write(deletes, 1, test->arena, &file, &entry, &test->err), PF_INVALID,
                "without rows");
    CHECK_FAILS(pf_position_deletes_write(deletes, 0, test->arena, &file, &entry, &test->err), PF_INVALID,
                "0 data files");
}
