/* SPDX-License-Identifier: MIT */
#include "roles/statements.h"

#include <ctype.h>

static char at(pf_str s, size_t i) {
    return i < s.len ? s.ptr[i] : 0;
}

static size_t skip_to_end_of_line(pf_str s, size_t i) {
    size_t end = pf_str_find_char(s, '\n', i);
    return end == SIZE_MAX ? s.len : end + 1;
}

/* Block comments nest, as in Postgres. */
static size_t skip_block_comment(pf_str s, size_t i) {
    int depth = 0;
    while (i < s.len) {
        if (at(s, i) == '/' && at(s, i + 1) == '*') {
            depth++;
            i += 2;
        } else if (at(s, i) == '*' && at(s, i + 1) == '/') {
            i += 2;
            if (--depth == 0) return i;
        } else {
            i++;
        }
    }
    return s.len;
}

/* A doubled quote opens the next part at once, so it needs no care. In E'…' a backslash hides the quote behind it. */
static size_t skip_quotes(pf_str s, size_t i, bool has_escapes) {
    char quote = s.ptr[i++];
    for (; i < s.len; i++) {
        if (has_escapes && s.ptr[i] == '\\') {
            i++;
        } else if (s.ptr[i] == quote) {
            return i + 1;
        }
    }
    return s.len;
}

static bool is_name_char(char c) {
    return isalnum((unsigned char)c) || c == '_' || (c & 0x80);
}

/* $$…$$ and $tag$…$tag$; a lone $ (parameters) is skipped. */
static size_t skip_dollar_quotes(pf_str s, size_t i) {
    size_t end = i + 1;
    if (isdigit((unsigned char)at(s, end))) return end;
    while (is_name_char(at(s, end))) end++;
    if (at(s, end) != '$') return i + 1;
    pf_str tag = pf_str_slice(s, i, end + 1);
    size_t close = pf_str_find(s, tag, end + 1);
    return close == SIZE_MAX ? s.len : close + tag.len;
}

/* Over one token, comment or blank. */
static size_t skip_one(pf_str s, size_t i) {
    char c = s.ptr[i];
    if (c == '-' && at(s, i + 1) == '-') return skip_to_end_of_line(s, i);
    if (c == '/' && at(s, i + 1) == '*') return skip_block_comment(s, i);
    if (c == '\'' || c == '"') return skip_quotes(s, i, false);
    if ((c == 'e' || c == 'E') && at(s, i + 1) == '\'') return skip_quotes(s, i + 1, true);
    if (c == '$') return skip_dollar_quotes(s, i);
    if (!is_name_char(c)) return i + 1;
    while (i < s.len && (is_name_char(s.ptr[i]) || s.ptr[i] == '$')) i++;
    return i;
}

static bool is_blank_or_comment(pf_str s, size_t i) {
    char c = s.ptr[i], next = at(s, i + 1);
    return isspace((unsigned char)c) || (c == '-' && next == '-') || (c == '/' && next == '*');
}

bool next_statement(pf_str *rest, pf_str *out_statement, bool *out_is_ended) {
    pf_str s = *rest;
    size_t start = 0;
    while (start < s.len && (is_blank_or_comment(s, start) || s.ptr[start] == ';')) start = skip_one(s, start);
    if (start >= s.len) {
        *rest = PF_STR_EMPTY;
        return false;
    }
    size_t end = start;
    while (end < s.len && s.ptr[end] != ';') end = skip_one(s, end);
    *out_is_ended = end < s.len;
    *out_statement = pf_str_trim(pf_str_slice(s, start, end));
    *rest = end < s.len ? pf_str_slice(s, end + 1, s.len) : PF_STR_EMPTY;
    return true;
}

pf_str first_word(pf_str statement) {
    size_t start = 0;
    while (start < statement.len && (is_blank_or_comment(statement, start) || statement.ptr[start] == '(')) {
        start = skip_one(statement, start);
    }
    size_t end = start;
    while (end < statement.len && is_name_char(statement.ptr[end])) end++;
    return pf_str_slice(statement, start, end);
}
