/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "support/test.h"

#include <string.h>

TEST(appends_and_grows_up_to_its_maximum) {
    struct pf_buf buf;
    pf_str bytes;
    pf_buf_init(&buf, 1000);
    for (int i = 0; i < 100; i++) pf_buf_printf(&buf, "%03d,", i);
    CHECK_OK(pf_buf_finish(&buf, "list", &bytes, &test->err));
    CHECK_UINT(bytes.len, 400);
    CHECK_STR(pf_str_slice(bytes, 396, 400), "099,");
    pf_buf_clear(&buf);
    CHECK_UINT(buf.len, 0);
}

TEST(fails_once_over_the_maximum_and_ignores_what_follows) {
    struct pf_buf buf;
    pf_str bytes = PF_STR("untouched");
    pf_buf_init(&buf, 5);
    pf_buf_put_cstr(&buf, "1234");
    pf_buf_put_cstr(&buf, "56");
    pf_buf_put_char(&buf, '7');
    CHECK_FAILS(pf_buf_finish(&buf, "answer", &bytes, &test->err), PF_TOO_LARGE, "answer");
    CHECK_STR(bytes, "untouched");
    CHECK_STR(pf_buf_view(&buf), "1234");
    CHECK_NULL(pf_buf_reserve(&buf, 1));
    pf_buf_reset(&buf);
    pf_buf_put_cstr(&buf, "12345");
    CHECK_OK(pf_buf_finish(&buf, "answer", &bytes, &test->err));
    pf_buf_clear(&buf);
}

TEST(formats_text_longer_than_its_first_guess) {
    struct pf_buf buf;
    pf_buf_init(&buf, 100000);
    char long_text[5000];
    memset(long_text, 'x', sizeof long_text);
    pf_buf_printf(&buf, "<%.*s>", (int)sizeof long_text, long_text);
    CHECK_UINT(buf.len, 5002);
    CHECK_INT(buf.ptr[5001], '>');
    pf_buf_clear(&buf);
}

TEST(writes_nothing_for_empty_views) {
    struct pf_buf buf;
    pf_buf_init(&buf, 10);
    pf_buf_put_str(&buf, PF_STR_EMPTY);
    pf_buf_put(&buf, NULL, 0);
    pf_buf_put_json_str(&buf, PF_STR_EMPTY);
    CHECK_STR(pf_buf_view(&buf), "\"\"");
    pf_buf_clear(&buf);
}

static pf_str json_of(struct pf_test *test, pf_str text) {
    struct pf_buf buf;
    pf_buf_init(&buf, 1000);
    pf_buf_put_json_str(&buf, text);
    pf_str copy = pf_arena_str(test->arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return copy;
}

TEST(escapes_json_strings) {
    CHECK_STR(json_of(test, PF_STR("a\"b\\c/d")), "\"a\\\"b\\\\c/d\"");
    CHECK_STR(json_of(test, PF_STR("\n\t\r\b\f")), "\"\\n\\t\\r\\u0008\\u000c\"");
    CHECK_STR(json_of(test, PF_STR("\x01\x1f\0z")), "\"\\u0001\\u001f\\u0000z\"");
    CHECK_STR(json_of(test, PF_STR("caf\xc3\xa9 \xf0\x9f\x90\xa7")), "\"caf\xc3\xa9 \xf0\x9f\x90\xa7\"");
}

TEST(replaces_bytes_that_are_not_utf8) {
    CHECK_STR(json_of(test, PF_STR("a\xff z")), "\"a\xef\xbf\xbd z\"");
    CHECK_STR(json_of(test, PF_STR("\xc3")), "\"\xef\xbf\xbd\"");
    CHECK_CONTAINS(json_of(test, PF_STR("\xc0\x80")), "\xef\xbf\xbd");         /* overlong */
    CHECK_CONTAINS(json_of(test, PF_STR("\xed\xa0\x80")), "\xef\xbf\xbd");     /* surrogate */
    CHECK_CONTAINS(json_of(test, PF_STR("\xf4\x90\x80\x80")), "\xef\xbf\xbd"); /* above U+10FFFF */
}

TEST(puts_whole_numbers) {
    static const int64_t numbers[] = {0, 7, -1, 10, 1234567890, INT64_MAX, INT64_MIN};
    struct pf_buf buf;
    pf_buf_init(&buf, 1000);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        pf_buf_reset(&buf);
        pf_buf_put_i64(&buf, numbers[i]);
        int64_t back;
        CHECK_TRUE(pf_str_to_i64(pf_buf_view(&buf), &back));
        CHECK_INT(back, numbers[i]);
    }
    CHECK_STR(pf_buf_view(&buf), "-9223372036854775808");
    pf_buf_clear(&buf);
}
