/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

pf_str pf_str_from(const char *ptr, size_t len) {
    return (pf_str){ptr, len};
}

pf_str pf_str_from_cstr(const char *text) {
    return text ? (pf_str){text, strlen(text)} : PF_STR_EMPTY;
}

bool pf_str_equal(pf_str a, pf_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool pf_str_equal_nocase(pf_str a, pf_str b) {
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

int pf_str_compare(pf_str a, pf_str b) {
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared ? memcmp(a.ptr, b.ptr, shared) : 0;
    if (order != 0) return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool pf_str_starts_with(pf_str s, pf_str prefix) {
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

bool pf_str_ends_with(pf_str s, pf_str suffix) {
    return s.len >= suffix.len && (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

size_t pf_str_find(pf_str s, pf_str needle, size_t from) {
    if (from > s.len || needle.len > s.len - from) return SIZE_MAX;
    if (needle.len == 0) return from;
    const char *hit = memmem(s.ptr + from, s.len - from, needle.ptr, needle.len);
    return hit ? (size_t)(hit - s.ptr) : SIZE_MAX;
}

size_t pf_str_find_char(pf_str s, char c, size_t from) {
    if (from >= s.len) return SIZE_MAX;
    const char *hit = memchr(s.ptr + from, c, s.len - from);
    return hit ? (size_t)(hit - s.ptr) : SIZE_MAX;
}

pf_str pf_str_slice(pf_str s, size_t from, size_t to) {
    if (to > s.len) to = s.len;
    if (from >= to) return PF_STR_EMPTY;
    return (pf_str){s.ptr + from, to - from};
}

pf_str pf_str_trim(pf_str s) {
    while (s.len && isspace((unsigned char)s.ptr[0])) s = (pf_str){s.ptr + 1, s.len - 1};
    while (s.len && isspace((unsigned char)s.ptr[s.len - 1])) s.len--;
    return s;
}

bool pf_str_next(pf_str *rest, char separator, pf_str *out_piece) {
    if (rest->ptr == NULL) return false;
    size_t at = pf_str_find_char(*rest, separator, 0);
    if (at == SIZE_MAX) {
        *out_piece = *rest;
        *rest = PF_STR_EMPTY;
        return true;
    }
    *out_piece = (pf_str){rest->ptr, at};
    *rest = (pf_str){rest->ptr + at + 1, rest->len - at - 1};
    return true;
}

/* Numbers are short: a copy with a zero byte lets libc parse them. */
static bool copy_number(pf_str s, char *text, size_t size) {
    if (s.len == 0 || s.len >= size || isspace((unsigned char)s.ptr[0])) return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = 0;
    return true;
}

bool pf_str_to_i64(pf_str s, int64_t *out_value) {
    char text[32];
    char *end = NULL;
    if (!copy_number(s, text, sizeof text)) return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end != text + s.len) return false;
    *out_value = value;
    return true;
}

bool pf_str_to_f64(pf_str s, double *out_value) {
    char text[64];
    char *end = NULL;
    if (!copy_number(s, text, sizeof text)) return false;
    errno = 0;
    double value = strtod(text, &end);
    if (errno != 0 || end != text + s.len) return false;
    *out_value = value;
    return true;
}

bool pf_str_to_bytes(pf_str s, int64_t *out_bytes) {
    static const struct {
        const char *suffix;
        double factor;
    } units[] = {{"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"TiB", 1099511627776.0},
                 {"KB", 1e3},     {"MB", 1e6},        {"GB", 1e9},           {"TB", 1e12},
                 {"B", 1.0},      {"", 1.0}};
    s = pf_str_trim(s);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        pf_str suffix = pf_str_from_cstr(units[i].suffix);
        if (s.len < suffix.len || !pf_str_equal_nocase(pf_str_slice(s, s.len - suffix.len, s.len), suffix)) continue;
        double value;
        if (!pf_str_to_f64(pf_str_trim(pf_str_slice(s, 0, s.len - suffix.len)), &value)) return false;
        if (!(value >= 0) || value * units[i].factor > 9e18) return false;
        *out_bytes = (int64_t)(value * units[i].factor);
        return true;
    }
    return false;
}

size_t pf_str_utf8_length(pf_str s, size_t at) {
    const unsigned char *text = (const unsigned char *)s.ptr + at;
    unsigned char c = text[0];
    size_t length = c < 0x80                ? 1
                    : c >= 0xc2 && c < 0xe0 ? 2
                    : c >= 0xe0 && c < 0xf0 ? 3
                    : c >= 0xf0 && c < 0xf5 ? 4
                                            : 0;
    if (length == 0 || length > s.len - at) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) return 0;
    }
    if (c == 0xe0 && text[1] < 0xa0) return 0;
    if (c == 0xed && text[1] >= 0xa0) return 0;
    if (c == 0xf0 && text[1] < 0x90) return 0;
    if (c == 0xf4 && text[1] >= 0x90) return 0;
    return length;
}

bool pf_str_is_utf8(pf_str s) {
    for (size_t at = 0, length; at < s.len; at += length) {
        length = pf_str_utf8_length(s, at);
        if (!length) return false;
    }
    return true;
}

uint64_t pf_str_hash(pf_str s) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < s.len; i++) hash = (hash ^ (unsigned char)s.ptr[i]) * 1099511628211u;
    return hash;
}
