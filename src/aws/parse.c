/* SPDX-License-Identifier: MIT */
/* The little that AWS asks for of XML, ini and dates. Pure; every answer is a view or a copy. */
#include "aws/aws.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- XML ---- */

/* The element that starts at `at` ('<'): true if its name is `tag`; where its start tag ends, and if it is empty. */
static bool is_start_of(pf_str xml, size_t at, pf_str tag, size_t *out_end, bool *out_is_empty) {
    if (!pf_str_starts_with(pf_str_slice(xml, at + 1, SIZE_MAX), tag)) return false;
    size_t behind = at + 1 + tag.len;
    if (behind >= xml.len) return false;
    char c = xml.ptr[behind];
    if (c != '>' && c != '/' && !isspace((unsigned char)c)) return false;
    size_t end = pf_str_find_char(xml, '>', behind);
    if (end == SIZE_MAX) return false;
    *out_end = end + 1;
    *out_is_empty = xml.ptr[end - 1] == '/';
    return true;
}

bool pf_xml_find(pf_str xml, const char *tag, size_t *at, pf_str *out_inner) {
    pf_str name = pf_str_from_cstr(tag);
    char closing[80];
    int length = snprintf(closing, sizeof closing, "</%s>", tag);
    size_t start, from = at ? *at : 0;
    bool is_empty;
    for (;; from++) {
        from = pf_str_find_char(xml, '<', from);
        if (from == SIZE_MAX) return false;
        if (is_start_of(xml, from, name, &start, &is_empty)) break;
    }
    size_t end = start;
    if (!is_empty) end = pf_str_find(xml, pf_str_from(closing, (size_t)length), start);
    if (end == SIZE_MAX) return false;
    if (at) *at = is_empty ? start : end + (size_t)length;
    *out_inner = pf_str_slice(xml, start, end);
    return true;
}

/* "&amp;" and "&#xA;" at `at`: the bytes they stand for, and how long they are; 0 if it is none. */
static size_t read_entity(pf_str text, size_t at, char out[4], size_t *out_bytes) {
    static const struct {
        const char *name;
        char c;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    pf_str rest = pf_str_slice(text, at, text.len);
    *out_bytes = 1;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (!pf_str_starts_with(rest, pf_str_from_cstr(named[i].name))) continue;
        out[0] = named[i].c;
        return strlen(named[i].name);
    }
    size_t end = pf_str_find_char(rest, ';', 0);
    if (!pf_str_starts_with(rest, PF_STR("&#")) || end == SIZE_MAX || end > 10) return 0;
    bool is_hex = rest.len > 2 && (rest.ptr[2] == 'x' || rest.ptr[2] == 'X');
    uint32_t code = 0;
    for (size_t i = is_hex ? 3 : 2; i < end; i++) {
        int c = tolower((unsigned char)rest.ptr[i]);
        int digit = isdigit(c) ? c - '0' : is_hex && c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return 0;
        code = code * (is_hex ? 16u : 10u) + (uint32_t)digit;
        if (code > 0x10ffff) return 0;
    }
    if (code < 0x80) {
        out[0] = (char)code;
    } else if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6), out[1] = (char)(0x80 | (code & 63)), *out_bytes = 2;
    } else if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12), out[1] = (char)(0x80 | (code >> 6 & 63));
        out[2] = (char)(0x80 | (code & 63)), *out_bytes = 3;
    } else {
        out[0] = (char)(0xf0 | code >> 18), out[1] = (char)(0x80 | (code >> 12 & 63));
        out[2] = (char)(0x80 | (code >> 6 & 63)), out[3] = (char)(0x80 | (code & 63)), *out_bytes = 4;
    }
    return end + 1;
}

pf_str pf_xml_text(pf_str xml, const char *tag, struct pf_arena *arena) {
    pf_str inner;
    if (!pf_xml_find(xml, tag, NULL, &inner)) return PF_STR_EMPTY;
    char *text = pf_arena_alloc(arena, inner.len + 1);
    size_t length = 0;
    for (size_t i = 0; i < inner.len;) {
        size_t bytes = 1, taken = 0;
        if (inner.ptr[i] == '&') {
            char decoded[4];
            taken = read_entity(inner, i, decoded, &bytes); /* never longer than what it stands for */
            if (taken) memcpy(text + length, decoded, bytes);
        }
        if (!taken) {
            text[length] = inner.ptr[i];
            taken = 1;
        }
        length += bytes;
        i += taken;
    }
    return pf_str_from(text, length);
}

void pf_xml_put_text(struct pf_buf *out, pf_str text) {
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '&': pf_buf_put_cstr(out, "&amp;"); break;
        case '<': pf_buf_put_cstr(out, "&lt;"); break;
        case '>': pf_buf_put_cstr(out, "&gt;"); break;
        case '"': pf_buf_put_cstr(out, "&quot;"); break;
        default: pf_buf_put_char(out, text.ptr[i]);
        }
    }
}

/* ---- ini ---- */

static bool is_section(pf_str line, pf_str section) {
    pf_str name = pf_str_trim(pf_str_slice(line, 1, pf_str_find_char(line, ']', 0)));
    if (pf_str_starts_with(name, PF_STR("profile "))) name = pf_str_trim(pf_str_slice(name, 8, name.len));
    return pf_str_equal(name, section);
}

bool pf_ini_has_section(pf_str text, pf_str section) {
    pf_str line;
    while (pf_str_next(&text, '\n', &line)) {
        if (pf_str_starts_with(line, PF_STR("[")) && is_section(line, section)) return true;
    }
    return false;
}

/* A blank and '#' or ';' begin a comment behind a value. */
static pf_str without_comment(pf_str value) {
    for (size_t i = 1; i < value.len; i++) {
        bool is_mark = value.ptr[i] == '#' || value.ptr[i] == ';';
        if (is_mark && isspace((unsigned char)value.ptr[i - 1])) return pf_str_trim(pf_str_slice(value, 0, i));
    }
    return value;
}

bool pf_ini_find(pf_str text, pf_str section, pf_str key, pf_str *out_value) {
    pf_str line;
    bool is_inside = false, is_found = false;
    while (pf_str_next(&text, '\n', &line)) {
        if (!line.len || line.ptr[0] == '#' || line.ptr[0] == ';') continue;
        if (line.ptr[0] == '[') {
            is_inside = is_section(line, section);
            continue;
        }
        size_t equals = pf_str_find_char(line, '=', 0);
        if (!is_inside || isspace((unsigned char)line.ptr[0]) || equals == SIZE_MAX) continue;
        if (!pf_str_equal_nocase(pf_str_trim(pf_str_slice(line, 0, equals)), key)) continue;
        *out_value = without_comment(pf_str_trim(pf_str_slice(line, equals + 1, line.len)));
        is_found = true;
    }
    return is_found;
}

/* ---- dates ---- */

static bool read_digits(pf_str text, size_t at, size_t count, int *out_value) {
    int value = 0;
    if (at + count > text.len) return false;
    for (size_t i = at; i < at + count; i++) {
        if (!isdigit((unsigned char)text.ptr[i])) return false;
        value = value * 10 + (text.ptr[i] - '0');
    }
    *out_value = value;
    return true;
}

static bool to_ms(struct tm *fields, int64_t *out_ms) {
    if (fields->tm_mon < 0 || fields->tm_mon > 11 || fields->tm_mday < 1 || fields->tm_mday > 31) return false;
    if (fields->tm_hour > 23 || fields->tm_min > 59 || fields->tm_sec > 60) return false;
    *out_ms = (int64_t)timegm(fields) * 1000;
    return true;
}

bool pf_aws_time_from(pf_str text, int64_t *out_ms) {
    struct tm fields = {0};
    int year, month, offset_hours = 0, offset_minutes = 0;
    int64_t ms;
    if (!read_digits(text, 0, 4, &year) || !read_digits(text, 5, 2, &month) ||
        !read_digits(text, 8, 2, &fields.tm_mday) || !read_digits(text, 11, 2, &fields.tm_hour) ||
        !read_digits(text, 14, 2, &fields.tm_min) || !read_digits(text, 17, 2, &fields.tm_sec)) {
        return false;
    }
    fields.tm_year = year - 1900;
    fields.tm_mon = month - 1;
    size_t at = 19;
    if (at < text.len && text.ptr[at] == '.') {
        for (at++; at < text.len && isdigit((unsigned char)text.ptr[at]); at++) continue;
    }
    bool is_utc = at == text.len || (at + 1 == text.len && (text.ptr[at] == 'Z' || text.ptr[at] == 'z'));
    if (!is_utc) {
        if (text.ptr[at] != '+' && text.ptr[at] != '-') return false;
        if (!read_digits(text, at + 1, 2, &offset_hours) || !read_digits(text, text.len - 2, 2, &offset_minutes)) {
            return false;
        }
    }
    if (!to_ms(&fields, &ms)) return false;
    int64_t offset_ms = ((int64_t)offset_hours * 60 + offset_minutes) * 60000;
    *out_ms = is_utc || text.ptr[at] == '+' ? ms - offset_ms : ms + offset_ms;
    return true;
}

bool pf_http_date_from(pf_str text, int64_t *out_ms) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm fields = {0};
    int year;
    if (text.len != 29 || !read_digits(text, 5, 2, &fields.tm_mday) || !read_digits(text, 12, 4, &year) ||
        !read_digits(text, 17, 2, &fields.tm_hour) || !read_digits(text, 20, 2, &fields.tm_min) ||
        !read_digits(text, 23, 2, &fields.tm_sec)) {
        return false;
    }
    fields.tm_year = year - 1900;
    fields.tm_mon = -1;
    for (int i = 0; i < 12; i++) {
        if (memcmp(months + 3 * i, text.ptr + 8, 3) == 0) fields.tm_mon = i;
    }
    return to_ms(&fields, out_ms);
}
