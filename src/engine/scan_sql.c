/* SPDX-License-Identifier: MIT */
/* Tokens of SQL: enough to count statements, to see the first words and to refuse a few functions before DuckDB sees
 * the text. DuckDB's parser decides about everything else. */
#include "engine/engine_internal.h"

#include <string.h>

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

struct sql_token sql_scan_next(struct sql_scanner *scanner) {
    pf_str s = pf_str_slice(scanner->rest, skip_blanks(scanner->rest), scanner->rest.len);
    struct sql_token token = {SQL_END, PF_STR_EMPTY};
    size_t length = 0;
    if (!s.len) {
        scanner->rest = s;
        return token;
    }
    char c = s.ptr[0];
    if (c == '\'') {
        token.kind = SQL_STRING;
        length = quoted_length(s, '\'', false);
    } else if ((c == 'e' || c == 'E') && char_at(s, 1) == '\'') {
        token.kind = SQL_STRING;
        length = 1 + quoted_length(pf_str_slice(s, 1, s.len), '\'', true);
    } else if (c == '"') {
        token.kind = SQL_QUOTED_NAME;
        length = quoted_length(s, '"', false);
    } else if (c == '$' && (length = dollar_length(s)) != 0) {
        token.kind = SQL_STRING;
    } else if (starts_word(c)) {
        token.kind = SQL_WORD;
        length = word_length(s);
    } else if (is_digit(c)) {
        token.kind = SQL_NUMBER;
        length = number_length(s);
    } else {
        token.kind = SQL_SYMBOL;
        length = 1;
    }
    if (length > s.len) length = s.len;
    token.text = pf_str_slice(s, 0, length);
    scanner->rest = pf_str_slice(s, length, s.len);
    return token;
}

bool sql_token_is(const struct sql_token *token, const char *word) {
    return token->kind == SQL_WORD && pf_str_equal_nocase(token->text, pf_str_from_cstr(word));
}

pf_str sql_token_name(const struct sql_token *token, struct pf_arena *arena) {
    if (token->kind != SQL_QUOTED_NAME) return token->text;
    char *name = pf_arena_alloc(arena, token->text.len + 1);
    size_t len = 0;
    for (size_t i = 1; i + 1 < token->text.len; i++) {
        name[len++] = token->text.ptr[i];
        if (token->text.ptr[i] == '"') i++;
    }
    return pf_str_from(name, len);
}

int sql_count_statements(pf_str sql) {
    struct sql_scanner scanner = {sql};
    int count = 0;
    bool is_empty = true;
    for (struct sql_token token = sql_scan_next(&scanner); token.kind != SQL_END; token = sql_scan_next(&scanner)) {
        bool is_end = token.kind == SQL_SYMBOL && token.text.ptr[0] == ';';
        if (!is_end && is_empty) count++;
        is_empty = is_end;
    }
    return count;
}

/* enable_logging writes files in spite of the lock-down and can poison the process (DuckDB 1.5); the others run text
 * that this check doesn't see. */
static bool is_refused(pf_str name) {
    static const char *const NAMES[] = {"enable_logging", "disable_logging", "json_execute_serialized_sql", "query"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (pf_str_equal_nocase(name, pf_str_from_cstr(NAMES[i]))) return true;
    return false;
}

enum pf_code sql_check_allowed(pf_str sql, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "check allowed");
    struct sql_scanner scanner = {sql};
    struct sql_token token = sql_scan_next(&scanner);
    pf_str refused = PF_STR_EMPTY;
    bool is_pragma = false;
    while (token.kind != SQL_END && !refused.len) {
        struct sql_token next = sql_scan_next(&scanner);
        bool is_called = next.kind == SQL_SYMBOL && next.text.ptr[0] == '(';
        bool is_name = token.kind == SQL_WORD || token.kind == SQL_QUOTED_NAME;
        if (is_name && (is_called || is_pragma)) {
            pf_str name = sql_token_name(&token, arena);
            if (is_refused(name)) refused = pf_arena_str(arena, name);
        }
        /* U&"..." spells names in hexadecimal. */
        if (token.kind == SQL_WORD && pf_str_equal_nocase(token.text, PF_STR("u")) && next.text.len &&
            next.text.ptr[0] == '&' && scanner.rest.len && scanner.rest.ptr[0] == '"')
            refused = PF_STR("U&\"...\"");
        is_pragma = sql_token_is(&token, "pragma");
        token = next;
    }
    enum pf_code code = PF_OK;
    if (refused.len)
        code = pf_error_set(err, PF_DENIED, __FILE__, __LINE__, "%.*s is not allowed here", PF_STR_ARG(refused));
    pf_arena_free(arena);
    return code;
}

static void put_quoted(struct pf_buf *out, pf_str text, char quote) {
    pf_buf_put_char(out, quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == quote) pf_buf_put_char(out, quote);
        pf_buf_put_char(out, text.ptr[i]);
    }
    pf_buf_put_char(out, quote);
}

void sql_put_name(struct pf_buf *out, pf_str name) {
    put_quoted(out, name, '"');
}
void sql_put_string(struct pf_buf *out, pf_str text) {
    put_quoted(out, text, '\'');
}
