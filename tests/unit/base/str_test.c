/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include "support/test.h"

TEST(compares_views_by_bytes_then_length) {
    CHECK_TRUE(pf_str_equal(PF_STR("abc"), PF_STR("abc")));
    CHECK_FALSE(pf_str_equal(PF_STR("abc"), PF_STR("abd")));
    CHECK_TRUE(pf_str_equal(PF_STR_EMPTY, PF_STR("")));
    CHECK_TRUE(pf_str_equal_nocase(PF_STR("SeLeCt"), PF_STR("select")));
    CHECK_TRUE(pf_str_compare(PF_STR("a"), PF_STR("b")) < 0);
    CHECK_TRUE(pf_str_compare(PF_STR("a\xff"), PF_STR("ab")) > 0);
    CHECK_TRUE(pf_str_compare(PF_STR("a"), PF_STR("ab")) < 0);
    CHECK_INT(pf_str_compare(PF_STR_EMPTY, PF_STR("")), 0);
    CHECK_STR(pf_str_from_cstr(NULL), "");
}

TEST(finds_prefixes_suffixes_and_parts) {
    CHECK_TRUE(pf_str_starts_with(PF_STR("orders"), PF_STR("ord")));
    CHECK_TRUE(pf_str_starts_with(PF_STR("orders"), PF_STR_EMPTY));
    CHECK_FALSE(pf_str_starts_with(PF_STR("or"), PF_STR("ord")));
    CHECK_TRUE(pf_str_ends_with(PF_STR("x.parquet"), PF_STR(".parquet")));
    CHECK_FALSE(pf_str_ends_with(PF_STR("et"), PF_STR(".parquet")));
    CHECK_UINT(pf_str_find(PF_STR("a--b--c"), PF_STR("--"), 0), 1);
    CHECK_UINT(pf_str_find(PF_STR("a--b--c"), PF_STR("--"), 2), 4);
    CHECK_UINT(pf_str_find(PF_STR("abc"), PF_STR("abcd"), 0), SIZE_MAX);
    CHECK_UINT(pf_str_find(PF_STR("abc"), PF_STR(""), 3), 3);
    CHECK_UINT(pf_str_find(PF_STR("abc"), PF_STR(""), 4), SIZE_MAX);
    CHECK_UINT(pf_str_find_char(PF_STR("a,b"), ',', 0), 1);
    CHECK_UINT(pf_str_find_char(PF_STR("a,b"), ',', 2), SIZE_MAX);
    CHECK_UINT(pf_str_find_char(PF_STR_EMPTY, ',', 0), SIZE_MAX);
}

TEST(slices_never_read_outside) {
    CHECK_STR(pf_str_slice(PF_STR("hello"), 1, 3), "el");
    CHECK_STR(pf_str_slice(PF_STR("hello"), 3, 99), "lo");
    CHECK_STR(pf_str_slice(PF_STR("hello"), 4, 2), "");
    CHECK_STR(pf_str_slice(PF_STR("hello"), 99, 100), "");
    CHECK_STR(pf_str_trim(PF_STR(" \t a b\n")), "a b");
    CHECK_STR(pf_str_trim(PF_STR("  ")), "");
}

TEST(cuts_at_separators_and_keeps_empty_pieces) {
    pf_str rest = PF_STR("a,,b,"), piece;
    CHECK_TRUE(pf_str_next(&rest, ',', &piece));
    CHECK_STR(piece, "a");
    CHECK_TRUE(pf_str_next(&rest, ',', &piece));
    CHECK_STR(piece, "");
    CHECK_TRUE(pf_str_next(&rest, ',', &piece));
    CHECK_STR(piece, "b");
    CHECK_TRUE(pf_str_next(&rest, ',', &piece));
    CHECK_STR(piece, "");
    CHECK_FALSE(pf_str_next(&rest, ',', &piece));
}

TEST(reads_whole_numbers_or_nothing) {
    int64_t i = 7;
    double d = 7;
    CHECK_TRUE(pf_str_to_i64(PF_STR("-9223372036854775808"), &i));
    CHECK_INT(i, INT64_MIN);
    CHECK_FALSE(pf_str_to_i64(PF_STR("9223372036854775808"), &i));
    CHECK_FALSE(pf_str_to_i64(PF_STR(" 1"), &i));
    CHECK_FALSE(pf_str_to_i64(PF_STR("1 "), &i));
    CHECK_FALSE(pf_str_to_i64(PF_STR(""), &i));
    CHECK_FALSE(pf_str_to_i64(PF_STR("12x"), &i));
    CHECK_FALSE(pf_str_to_i64(PF_STR("1\0"), &i));
    CHECK_INT(i, INT64_MIN);
    CHECK_TRUE(pf_str_to_f64(PF_STR("-1.5e3"), &d));
    CHECK_F64(d, -1500, 0);
    CHECK_FALSE(pf_str_to_f64(PF_STR("1e999"), &d));
    CHECK_FALSE(pf_str_to_f64(PF_STR("1.2.3"), &d));
}

TEST(reads_sizes_with_units) {
    int64_t bytes = -1;
    CHECK_TRUE(pf_str_to_bytes(PF_STR("4096"), &bytes));
    CHECK_INT(bytes, 4096);
    CHECK_TRUE(pf_str_to_bytes(PF_STR("64MB"), &bytes));
    CHECK_INT(bytes, 64000000);
    CHECK_TRUE(pf_str_to_bytes(PF_STR("1.5 GiB"), &bytes));
    CHECK_INT(bytes, 1610612736);
    CHECK_TRUE(pf_str_to_bytes(PF_STR("2kib"), &bytes));
    CHECK_INT(bytes, 2048);
    CHECK_FALSE(pf_str_to_bytes(PF_STR("-1MB"), &bytes));
    CHECK_FALSE(pf_str_to_bytes(PF_STR("MB"), &bytes));
    CHECK_FALSE(pf_str_to_bytes(PF_STR("nan"), &bytes));
    CHECK_FALSE(pf_str_to_bytes(PF_STR("99999999TB"), &bytes));
    CHECK_INT(bytes, 2048);
}

TEST(hashes_as_fnv_1a_does) {
    CHECK_UINT(pf_str_hash(PF_STR("")), 14695981039346656037u);
    CHECK_UINT(pf_str_hash(PF_STR("a")), 0xaf63dc4c8601ec8cu);
    CHECK_UINT(pf_str_hash(PF_STR("foobar")), 0x85944171f73967e8u);
}

TEST(tells_utf8_from_other_bytes) {
    static const char *const GOOD[] = {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\xa6", "a\xc3\xa4z"};
    static const char *const BAD[] = {"\xff",         "\xc3",     "a\x80",           "\xc0\xaf",
                                      "\xed\xa0\x80", "\xe2\x82", "\xf5\x80\x80\x80"};
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) CHECK_TRUE(pf_str_is_utf8(pf_str_from_cstr(GOOD[i])));
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) CHECK_TRUE(!pf_str_is_utf8(pf_str_from_cstr(BAD[i])));
}
