/* SPDX-License-Identifier: MIT */
#include "iceberg/avro.h"

#include "support/test.h"

#include <string.h>

static const char record_schema[] =
    "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"n\",\"type\":[\"null\",\"long\"],\"field-id\":7},"
    "{\"name\":\"list\",\"type\":{\"type\":\"array\",\"items\":\"int\",\"element-id\":8},\"field-id\":9},"
    "{\"name\":\"text\",\"type\":\"string\"}]}";

TEST(what_is_written_is_read) {
    struct avro_writer writer;
    struct avro_file file;
    struct avro_cursor cursor;
    struct avro_meta meta = {PF_STR("format-version"), PF_STR("2")};
    pf_str bytes;
    size_t count, total = 0;
    avro_writer_open(&writer, pf_str_from_cstr(record_schema), &meta, 1, PF_STR("seed"));
    for (int64_t i = 0; i < 20000; i++) { /* several blocks */
        avro_put_long(&writer.block, 1);
        avro_put_long(&writer.block, i - 10000);
        avro_put_long(&writer.block, 2);
        avro_put_long(&writer.block, i);
        avro_put_long(&writer.block, -i);
        avro_put_long(&writer.block, 0);
        avro_put_bytes(&writer.block, PF_STR("text"));
        avro_writer_end_record(&writer);
    }
    CHECK_OK(avro_writer_close(&writer, test->arena, &bytes, &test->err));
    CHECK_OK(avro_file_open(bytes, test->arena, &file, &test->err));
    CHECK_STR(avro_file_meta(&file, PF_STR("format-version")), "2");
    CHECK_INT(file.schema->fields[0].id, 7);
    CHECK_INT(file.schema->fields[2].id, -1);
    for (;;) {
        CHECK_OK(avro_file_next_block(&file, test->arena, &count, &cursor, &test->err));
        if (count == 0) break;
        for (size_t i = 0; i < count; i++, total++) {
            int64_t number;
            CHECK_TRUE(avro_take_i64(&cursor, file.schema->fields[0].type, &number));
            if (number != (int64_t)total - 10000) FAIL("record %zu has %lld", total, (long long)number);
            avro_skip(&cursor, file.schema->fields[1].type);
            avro_skip(&cursor, file.schema->fields[2].type);
        }
        CHECK_NULL(cursor.failed);
        CHECK_TRUE(cursor.at == cursor.end);
    }
    CHECK_UINT(total, 20000);
}

/* Compressed so well that the first guess of the room is far too small. */
TEST(a_block_of_one_letter_is_unpacked) {
    enum { LENGTH = 5000000 };
    struct pf_buf packed, small, large;
    char *letters = pf_arena_alloc(test->arena, LENGTH);
    memset(letters, 'x', LENGTH);
    pf_buf_init(&packed, 2 * LENGTH);
    pf_buf_init(&small, LENGTH - 1);
    pf_buf_init(&large, 2 * LENGTH);
    CHECK_OK(codec_deflate(pf_str_from(letters, LENGTH), &packed, &test->err));
    CHECK_TRUE(packed.len < LENGTH / 500);
    CHECK_OK(codec_decompress_into(CODEC_DEFLATE, pf_buf_view(&packed), &large, &test->err));
    CHECK_STR(pf_buf_view(&large), pf_str_from(letters, LENGTH));
    CHECK_FAILS(codec_decompress_into(CODEC_DEFLATE, pf_buf_view(&packed), &small, &test->err), PF_TOO_LARGE, "");
    pf_buf_reset(&large);
    packed.len -= 3;
    CHECK_FAILS(codec_decompress_into(CODEC_DEFLATE, pf_buf_view(&packed), &large, &test->err), PF_CORRUPT, "early");
    pf_buf_clear(&packed);
    pf_buf_clear(&small);
    pf_buf_clear(&large);
}

TEST(pairs_are_skipped_to_the_byte) {
    for (size_t count = 0; count < 40; count++) {
        for (int width = 0; width < 63; width += 3) {
            struct pf_buf numbers, texts;
            pf_buf_init(&numbers, 10000);
            pf_buf_init(&texts, 100000);
            for (size_t i = 0; i < count; i++) {
                int64_t key = (int64_t)1 << (((size_t)width + i * 5) % 31);
                avro_put_long(&numbers, key);
                avro_put_long(&numbers, (int64_t)1 << (((size_t)width + i * 3) % 63));
                avro_put_long(&texts, key);
                avro_put_bytes(&texts, pf_str_from("0123456789012345678901234567890123456789", (i * 11) % 40));
            }
            avro_put_long(&numbers, 12345);
            avro_put_long(&texts, 12345);
            struct avro_cursor cursor = avro_cursor_over(pf_buf_view(&numbers));
            avro_skip_pairs(&cursor, count, false);
            CHECK_INT(avro_take_long(&cursor), 12345);
            CHECK_TRUE(cursor.at == cursor.end);
            cursor = avro_cursor_over(pf_buf_view(&texts));
            avro_skip_pairs(&cursor, count, true);
            CHECK_INT(avro_take_long(&cursor), 12345);
            CHECK_TRUE(cursor.at == cursor.end);
            cursor = avro_cursor_over(pf_buf_view(&numbers));
            avro_skip_pairs(&cursor, count + 1, false);
            CHECK_NOT_NULL(cursor.failed);
            pf_buf_clear(&numbers);
            pf_buf_clear(&texts);
        }
    }
}

TEST(numbers_of_all_sizes_survive) {
    static const int64_t numbers[] = {0, -1, 1, 63, 64, -64, -65, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    struct pf_buf buf;
    pf_buf_init(&buf, 1000);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) avro_put_long(&buf, numbers[i]);
    struct avro_cursor cursor = avro_cursor_over(pf_buf_view(&buf));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) CHECK_INT(avro_take_long(&cursor), numbers[i]);
    CHECK_NULL(cursor.failed);
    pf_buf_clear(&buf);
}

TEST(a_cursor_stops_at_numbers_that_never_end) {
    struct avro_cursor cursor = avro_cursor_over(PF_STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    CHECK_INT(avro_take_long(&cursor), 0);
    CHECK_STR(cursor.failed, "a number of more than 64 bits");
    cursor = avro_cursor_over(PF_STR("\x80"));
    avro_take_long(&cursor);
    CHECK_STR(cursor.failed, "data ends too early");
    cursor = avro_cursor_over(PF_STR("\x0a"
                                     "ab"));
    CHECK_STR(avro_take_bytes(&cursor), "");
    CHECK_NOT_NULL(cursor.failed);
}

TEST(blocks_with_negative_counts_carry_their_size) {
    /* -2 items of 2 bytes: 4, 5; then 1 item: 6; then the end. */
    struct avro_cursor cursor = avro_cursor_over(pf_str_from("\x03\x04\x08\x0a\x02\x0c\x00", 7));
    int64_t sum = 0;
    for (size_t n = avro_take_block(&cursor); n > 0; n = avro_take_block(&cursor)) {
        for (size_t i = 0; i < n; i++) sum = sum * 10 + avro_take_long(&cursor);
    }
    CHECK_NULL(cursor.failed);
    CHECK_INT(sum, 456);
}

TEST(counts_above_the_bytes_are_refused) {
    struct avro_cursor cursor = avro_cursor_over(PF_STR("\xfe\xff\xff\x7f\x01\x02"));
    CHECK_UINT(avro_take_block(&cursor), 0);
    CHECK_STR(cursor.failed, "a block count above its bytes");
    cursor = avro_cursor_over(PF_STR("\x03\x01\x02\x02"));
    CHECK_UINT(avro_take_block(&cursor), 0);
    CHECK_STR(cursor.failed, "a bad block count");
}

TEST(types_that_refer_to_themselves_end) {
    const struct avro_type *type;
    CHECK_OK(avro_schema_parse(PF_STR("{\"type\":\"record\",\"name\":\"a\",\"fields\":[{\"name\":\"x\",\"type\":\"a\"},"
                                      "{\"name\":\"y\",\"type\":\"a\"}]}"),
                               test->arena, &type, &test->err));
    struct avro_cursor cursor = avro_cursor_over(PF_STR("abc"));
    avro_skip(&cursor, type);
    CHECK_STR(cursor.failed, "nested too deep");
}

TEST(types_without_bytes_do_not_make_endless_work) {
    const struct avro_type *type;
    struct pf_buf json;
    pf_buf_init(&json, 1 << 20);
    for (int i = 0; i < 40; i++) {
        pf_buf_printf(&json, "{\"type\":\"record\",\"name\":\"r%d\",\"fields\":[{\"name\":\"y\",\"type\":", i);
    }
    pf_buf_put_cstr(&json, "\"null\"");
    for (int i = 39; i >= 0; i--) {
        if (i < 39) pf_buf_printf(&json, "},{\"name\":\"x\",\"type\":\"r%d\"", i + 1);
        pf_buf_put_cstr(&json, "}]}");
    }
    CHECK_OK(avro_schema_parse(pf_buf_view(&json), test->arena, &type, &test->err));
    struct avro_cursor cursor = avro_cursor_over(PF_STR("abc"));
    avro_skip(&cursor, type); /* 2^40 nulls */
    CHECK_NOT_NULL(cursor.failed);
    pf_buf_clear(&json);
}

TEST(schemas_name_their_types_with_and_without_namespaces) {
    const struct avro_type *type;
    CHECK_OK(avro_schema_parse(
        PF_STR("{\"type\":\"record\",\"name\":\"n.s.a\",\"fields\":[{\"name\":\"x\",\"type\":{"
               "\"type\":\"fixed\",\"name\":\"f\",\"size\":3}},{\"name\":\"y\",\"type\":\"n.s.f\"}]}"),
        test->arena, &type, &test->err));
    CHECK_STR(type->name, "a");
    CHECK_UINT(type->fields[1].type->size, 3);
    CHECK_FAILS(avro_schema_parse(PF_STR("\"nothing\""), test->arena, &type, &test->err), PF_CORRUPT, "nothing");
    CHECK_FAILS(avro_schema_parse(PF_STR("{\"type\":"), test->arena, &type, &test->err), PF_CORRUPT, "avro.schema");
    CHECK_FAILS(avro_schema_parse(PF_STR("{}"), test->arena, &type, &test->err), PF_CORRUPT, "missing");
}

static pf_str container(struct pf_test *test, const char *codec, pf_str block, bool good_sync) {
    struct pf_buf buf;
    pf_buf_init(&buf, 10000);
    pf_buf_put(&buf, "Obj\x01", 4);
    avro_put_long(&buf, -2); /* maps may have negative counts too */
    avro_put_long(&buf, 1);
    avro_put_bytes(&buf, PF_STR("avro.schema"));
    avro_put_bytes(&buf, PF_STR("\"long\""));
    avro_put_bytes(&buf, PF_STR("avro.codec"));
    avro_put_bytes(&buf, pf_str_from_cstr(codec));
    avro_put_long(&buf, 0);
    pf_buf_put(&buf, "0123456789abcdef", 16);
    avro_put_long(&buf, 2);
    avro_put_bytes(&buf, block);
    pf_buf_put(&buf, good_sync ? "0123456789abcdef" : "0123456789abcdeX", 16);
    pf_str bytes = pf_arena_str(test->arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return bytes;
}

static enum pf_code read_container(struct pf_test *test, pf_str bytes, struct avro_cursor *cursor) {
    struct avro_file file;
    size_t count;
    enum pf_code code = avro_file_open(bytes, test->arena, &file, &test->err);
    return code == PF_OK ? avro_file_next_block(&file, test->arena, &count, cursor, &test->err) : code;
}

TEST(reads_uncompressed_and_snappy_blocks) {
    struct avro_cursor cursor;
    CHECK_OK(read_container(test, container(test, "null", PF_STR("\x02\x04"), true), &cursor));
    CHECK_INT(avro_take_long(&cursor), 1);
    /* Length 2, a literal of 2 bytes, CRC-32 of what it holds. */
    pf_str block = PF_STR("\x02\x04\x02\x04\x74\x82\xb4\x64");
    CHECK_OK(read_container(test, container(test, "snappy", block, true), &cursor));
    CHECK_INT(avro_take_long(&cursor), 1);
    CHECK_FAILS(read_container(test, container(test, "snappy", PF_STR("\x02\x04\x02\x04\0\0\0\0"), true), &cursor),
                PF_CORRUPT, "checksum");
    CHECK_FAILS(read_container(test, container(test, "snappy", PF_STR("\x02"), true), &cursor), PF_CORRUPT, "snappy");
}

TEST(refuses_containers_that_are_damaged) {
    struct avro_cursor cursor;
    pf_str good = container(test, "null", PF_STR("\x02\x04"), true);
    CHECK_FAILS(read_container(test, PF_STR("PAR1"), &cursor), PF_CORRUPT, "not an Avro file");
    CHECK_FAILS(read_container(test, container(test, "null", PF_STR("\x02\x04"), false), &cursor), PF_CORRUPT, "sync");
    CHECK_FAILS(read_container(test, container(test, "xz", PF_STR("\x02"), true), &cursor), PF_UNSUPPORTED, "xz");
    CHECK_FAILS(read_container(test, container(test, "deflate", PF_STR("\xff\xff"), true), &cursor), PF_CORRUPT,
                "inflate");
    CHECK_FAILS(read_container(test, container(test, "zstandard", PF_STR("abcd"), true), &cursor), PF_CORRUPT,
                "zstandard");
    CHECK_FAILS(read_container(test, container(test, "null", PF_STR("\x02"), true), &cursor), PF_CORRUPT,
                "more records than bytes");
    for (size_t length = 4; length < good.len; length++) {
        enum pf_code code = read_container(test, pf_str_slice(good, 0, length), &cursor);
        bool ends_after_header = length == good.len - 20; /* a file without blocks */
        if (code != PF_CORRUPT && !ends_after_header) FAIL("%zu bytes: %s", length, pf_code_name(code));
    }
}
