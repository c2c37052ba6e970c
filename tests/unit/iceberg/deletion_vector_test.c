/* SPDX-License-Identifier: MIT */
/* Blobs are built here byte by byte, from the Roaring format specification. */
#include "base/buf.h"
#include "iceberg/iceberg.h"
#include "support/test.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

static void put_number(struct pf_buf *out, uint64_t number, int width) {
    for (int i = 0; i < width; i++) pf_buf_put_char(out, (char)(number >> (8 * i)));
}

static void put_big(struct pf_buf *out, uint32_t number) {
    for (int shift = 24; shift >= 0; shift -= 8) pf_buf_put_char(out, (char)(number >> shift));
}

static pf_str finish_blob(struct pf_buf *bitmap, struct pf_arena *arena) {
    struct pf_buf body, blob;
    pf_buf_init(&body, 1 << 20);
    pf_buf_put(&body, "\xd1\xd3\x39\x64", 4);
    pf_buf_put_str(&body, pf_buf_view(bitmap));
    pf_buf_init(&blob, 1 << 20);
    put_big(&blob, (uint32_t)body.len);
    pf_buf_put_str(&blob, pf_buf_view(&body));
    put_big(&blob, (uint32_t)libdeflate_crc32(0, (const unsigned char *)body.ptr, body.len));
    pf_str bytes = pf_arena_str(arena, pf_buf_view(&blob));
    pf_buf_clear(&body);
    pf_buf_clear(&blob);
    pf_buf_clear(bitmap);
    return bytes;
}

/* 1, 5 and 65535 in an array; every even number of the second chunk in a bitmap; at key 7, a run of 10 from 100. */
static pf_str all_kinds(struct pf_arena *arena) {
    struct pf_buf bitmap;
    pf_buf_init(&bitmap, 1 << 20);
    put_number(&bitmap, 2, 8);
    put_number(&bitmap, 0, 4);
    put_number(&bitmap, 12346, 4);
    put_number(&bitmap, 2, 4);
    put_number(&bitmap, 0, 2), put_number(&bitmap, 2, 2);
    put_number(&bitmap, 1, 2), put_number(&bitmap, 32767, 2);
    put_number(&bitmap, 0, 8); /* offsets: not looked at */
    put_number(&bitmap, 1, 2), put_number(&bitmap, 5, 2), put_number(&bitmap, 65535, 2);
    for (int i = 0; i < 8192; i++) pf_buf_put_char(&bitmap, 0x55);
    put_number(&bitmap, 7, 4);
    put_number(&bitmap, 12347, 4); /* one chunk with runs: no offsets below four */
    put_number(&bitmap, 1, 1);
    put_number(&bitmap, 3, 2), put_number(&bitmap, 9, 2);
    put_number(&bitmap, 1, 2), put_number(&bitmap, 100, 2), put_number(&bitmap, 9, 2);
    return finish_blob(&bitmap, arena);
}

static bool has(const struct pf_deleted_rows *rows, int64_t position) {
    size_t hint = 0, last_hint = 2;
    bool answer = pf_deleted_rows_has(rows, position, &hint);
    CHECK_TRUE(pf_deleted_rows_has(rows, position, &last_hint) == answer);
    return answer;
}

TEST(arrays_bitmaps_and_runs_are_read) {
    struct pf_deleted_rows *rows;
    CHECK_OK(pf_deletion_vector_read(all_kinds(test->arena), test->arena, &rows, &test->err));
    CHECK_INT(pf_deleted_rows_count(rows), 3 + 32768 + 10);
    CHECK_TRUE(has(rows, 1) && has(rows, 5) && has(rows, 65535));
    CHECK_FALSE(has(rows, 0) || has(rows, 2) || has(rows, 65534));
    CHECK_TRUE(has(rows, 65536) && has(rows, 65538) && has(rows, 131070));
    CHECK_FALSE(has(rows, 65537) || has(rows, 131071) || has(rows, 131072));
    int64_t run = ((int64_t)7 << 32) + (3 << 16) + 100;
    CHECK_TRUE(has(rows, run) && has(rows, run + 9));
    CHECK_FALSE(has(rows, run - 1) || has(rows, run + 10) || has(rows, run - ((int64_t)7 << 32)));
}

TEST(every_byte_of_a_vector_counts) {
    pf_str blob = all_kinds(test->arena);
    struct pf_deleted_rows *rows;
    for (size_t i = 0; i < blob.len; i += i < 64 ? 1 : 97) {
        char *copy = pf_arena_cstr(test->arena, blob);
        copy[i] ^= 1;
        CHECK_CODE(pf_deletion_vector_read(pf_str_from(copy, blob.len), test->arena, &rows, &test->err), PF_CORRUPT);
        CHECK_CODE(pf_deletion_vector_read(pf_str_slice(blob, 0, i), test->arena, &rows, &test->err), PF_CORRUPT);
    }
}

TEST(a_vector_with_a_right_checksum_may_still_be_wrong) {
    static const struct {
        const char *bytes;
        size_t length;
        const char *problem;
    } cases[] = {
        {"\1\0\0\0\0\0\0\0\0\0\0\x80:0\0\0\0\0\0\0", 20, "beyond 2^63"},
        {"\1\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0", 16, "no Roaring bitmap"},
        {"\2\0\0\0\0\0\0\0\1\0\0\0:0\0\0\0\0\0\0\1\0\0\0:0\0\0\0\0\0\0", 32, "bitmaps are not in order"},
        {"\1\0\0\0\0\0\0\0\0\0\0\0:0\0\0\1\0\0\0\0\0\1\0\0\0\0\0\5\0\5\0", 32, "positions are not in order"},
        {"\1\0\0\0\0\0\0\0\0\0\0\0;0\0\0\1\0\0\1\0\1\0\xff\xff\5\0", 27, "runs are not in order"},
        {"\1\0\0\0\0\0\0\0\0\0\0\0;0\0\0\1\0\0\1\0\1\0\5\0\5\0", 27, "another number"},
        {"\1\0\0\0\0\0\0\0\0\0\0\0:0\0\0\1\0\0\0\0\0\xff\xff\0\0\0\0", 28, "ends too early"},
        {"\0\0\0\0\0\0\0\0x", 9, "bytes behind"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff", 8, "ends too early"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pf_buf bitmap;
        struct pf_deleted_rows *rows;
        pf_buf_init(&bitmap, 1 << 20);
        pf_buf_put(&bitmap, cases[i].bytes, cases[i].length);
        pf_str blob = finish_blob(&bitmap, test->arena);
        CHECK_FAILS(pf_deletion_vector_read(blob, test->arena, &rows, &test->err), PF_CORRUPT, cases[i].problem);
    }
}

TEST(positions_in_any_order_become_a_set) {
    int64_t positions[] = {70000, 3, -1, 3, 0, 200000, 70001, 3};
    struct pf_deleted_rows *rows = pf_deleted_rows_from(positions, 8, test->arena);
    CHECK_INT(pf_deleted_rows_count(rows), 5);
    CHECK_TRUE(has(rows, 0) && has(rows, 3) && has(rows, 70000) && has(rows, 70001) && has(rows, 200000));
    CHECK_FALSE(has(rows, 1) || has(rows, 69999) || has(rows, 200001));
    CHECK_INT(pf_deleted_rows_count(pf_deleted_rows_from(NULL, 0, test->arena)), 0);
}

static const char FOOTER[] =
    "{\"blobs\":[{\"type\":\"deletion-vector-v1\",\"fields\":[],\"snapshot-id\":-1,\"sequence-number\":-1,"
    "\"offset\":4,\"length\":3,\"properties\":{\"referenced-data-file\":\"f\",\"cardinality\":\"2\"}}]}";

static pf_str puffin(const char *footer, uint32_t flags, struct pf_arena *arena) {
    struct pf_buf file;
    pf_buf_init(&file, 1 << 20);
    pf_buf_put_cstr(&file, "PFA1abcPFA1");
    pf_buf_put_cstr(&file, footer);
    put_number(&file, strlen(footer), 4);
    put_number(&file, flags, 4);
    pf_buf_put_cstr(&file, "PFA1");
    pf_str bytes = pf_arena_str(arena, pf_buf_view(&file));
    pf_buf_clear(&file);
    return bytes;
}

TEST(a_puffin_file_tells_its_blobs) {
    struct pf_puffin file;
    CHECK_OK(pf_puffin_read(puffin(FOOTER, 0, test->arena), PF_STR("p"), test->arena, &file, &test->err));
    CHECK_UINT(file.blob_count, 1);
    CHECK_STR(file.blobs[0].type, "deletion-vector-v1");
    CHECK_STR(file.blobs[0].referenced_data_file, "f");
    CHECK_INT(file.blobs[0].cardinality, 2);
    CHECK_INT(file.blobs[0].offset, 4);
}

TEST(a_puffin_file_that_is_none_is_refused) {
    struct pf_puffin file;
    pf_str whole = puffin(FOOTER, 0, test->arena);
    for (size_t i = 0; i < whole.len; i++) {
        CHECK_CODE(pf_puffin_read(pf_str_slice(whole, 0, i), PF_STR("p"), test->arena, &file, &test->err), PF_CORRUPT);
    }
    CHECK_FAILS(pf_puffin_read(puffin(FOOTER, 2, test->arena), PF_STR("p"), test->arena, &file, &test->err),
                PF_UNSUPPORTED, "Puffin file 'p'");
    CHECK_FAILS(pf_puffin_read(puffin(FOOTER, 1, test->arena), PF_STR("p"), test->arena, &file, &test->err), PF_CORRUPT,
                "decompressed");
    CHECK_FAILS(pf_puffin_read(puffin("{\"blobs\":[{\"offset\":4,\"length\":900}]}", 0, test->arena), PF_STR("p"),
                               test->arena, &file, &test->err),
                PF_CORRUPT, "outside");
}
