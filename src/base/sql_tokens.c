/* SPDX-License-Identifier: MIT */
#include "base/sql_tokens.h"

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}
static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
static bool starts_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}
static bool is_in_word(char c) {
    return starts_word(c) || is_digit(c) || c == '$';
}

static char char_at(pf_str s, size_t at) {
    return at < s.len ? s.ptr[at] : '\0';
}

/* Comments of both kinds; those with a star nest in DuckDB's grammar. */
static size_t skip_blanks(pf_str s) {
    size_t at = 0;
    while (at < s.len) {
        if (is_blank(s.ptr[at])) {
            at++;
        } else if (s.ptr[at] == '-' && char_at(s, at + 1) == '-') {
            while (at < s.len && s.ptr[at] != '\n') at++;
        } else if (s.ptr[at] == '/' && char_at(s, at + 1) == '*') {
            int depth = 0;
            do {
                if (s.ptr[at] == '/' && char_at(s, at + 1) == '*')
                    depth++, at += 2;
                else if (s.ptr[at] == '*' && char_at(s, at + 1) == '/')
                    depth--, at += 2;
                else
                    at++;
            } while (depth > 0 && at < s.len);
        } else {
            break;
        }
    }
    return at < s.len ? at : s.len;
}

/* From the opening quote to behind the closing one; doubled quotes belong to it, with `escapes` backslashes too. */
static size_t quoted_length(pf_str s, char quote, bool escapes) {
    size_t at = 1;
    while (at < s.len) {
        if (escapes && s.ptr[at] == '\\') {
            at += 2;
        } else if (s.ptr[at] != quote) {
            at++;
        } else if (char_at(s, at + 1) == quote) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    return s.len;
}

/* $tag$ text $tag$; 0 if this isn't one. */
static size_t dollar_length(pf_str s) {
    size_t end = 1;
    while (end < s.len && is_in_word(s.ptr[end]) && s.ptr[end] != '$') end++;
    if (char_at(s, end) != '$' || is_digit(char_at(s, 1))) return 0;
    pf_str tag = pf_str_slice(s, 0, end + 1);
    size_t close = pf_str_find(s, tag, end + 1);
    return close == SIZE_MAX ? s.len : close + tag.len;
}

static size_t word_length(pf_str s) {
    size_t at = 1;
    while (at < s.len && is_in_word(s.ptr[at])) at++;
    return at;
}

static size_t number_length(pf_str s) {
    size_t at = 1;
    while (at < s.len && (is_in_word(s.ptr[at]) || s.ptr[at] == '.')) at++;
    return at;
}

struct pf_sql_token pf_sql_scan_next(struct pf_sql_scanner *scanner) {
    pf_str s = pf_str_slice(scanner->rest, skip_blanks(scanner->rest), scanner->rest.len);
    struct pf_sql_token token = {PF_SQL_END, PF_STR_EMPTY};
    size_t length = 0;
    if (!s.len) {
        scanner->rest = s;
        return token;
    }
    char c = s.ptr[0];
    if (c == '\'') {
        token.kind = PF_SQL_STRING;
        length = quoted_length(s, '\'', false);
    } else if ((c == 'e' || c == 'E') && char_at(s, 1) == '\'') {
        token.kind = PF_SQL_STRING;
        length = 1 + quoted_length(pf_str_slice(s, 1, s.len), '\'', true);
    } else if (c == '"') {
        token.kind = PF_SQL_QUOTED_NAME;
        length = quoted_length(s, '"', false);
    } else if (c == '$' && (length = dollar_length(s)) != 0) {
        token.kind = PF_SQL_STRING;
    } else if (starts_word(c)) {
        token.kind = PF_SQL_WORD;
        length = word_length(s);
    } else if (is_digit(c)) {
        token.kind = PF_SQL_NUMBER;
        length = number_length(s);
    } else {
        token.kind = PF_SQL_SYMBOL;
        length = 1;
    }
    if (length > s.len) length = s.len;
    token.text = pf_str_slice(s, 0, length);
    scanner->rest = pf_str_slice(s, length, s.len);
    return token;
}

bool pf_sql_token_is(const struct pf_sql_token *token, const char *word) {
    return token->kind == PF_SQL_WORD && pf_str_equal_nocase(token->text, pf_str_from_cstr(word));
}

pf_str pf_sql_token_name(const struct pf_sql_token *token, struct pf_arena *arena) {
    if (token->kind != PF_SQL_QUOTED_NAME) return token->text;
    char *name = pf_arena_alloc(arena, token->text.len + 1);
    size_t len = 0;
    for (size_t i = 1; i + 1 < token->text.len; i++) {
        name[len++] = token->text.ptr[i];
        if (token->text.ptr[i] == '"') i++;
    }
    return pf_str_from(name, len);
}

static pf_str quote(pf_str text, char mark, struct pf_arena *arena) {
    char *out = pf_arena_alloc(arena, text.len * 2 + 3);
    size_t length = 0;
    out[length++] = mark;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == mark) out[length++] = mark;
        out[length++] = text.ptr[i];
    }
    out[length++] = mark;
    out[length] = 0;
    return pf_str_from(out, length);
}

pf_str pf_sql_quote_name(pf_str name, struct pf_arena *arena) {
    return quote(name, '"', arena);
}

pf_str pf_sql_quote_text(pf_str text, struct pf_arena *arena) {
    return quote(text, '\'', arena);
}
