/* SPDX-License-Identifier: MIT */
#include "icecap/head.h"

#include <string.h>

enum { MAX_PARTS = 16, SHOWN_BYTES = 40 };

/* ---- moving ---- */

static pf_str without_semicolon(pf_str sql) {
    sql = pf_str_trim(sql);
    while (sql.len && sql.ptr[sql.len - 1] == ';') sql = pf_str_trim(pf_str_slice(sql, 0, sql.len - 1));
    return sql;
}

void head_next(struct head *head) {
    head->token = pf_sql_scan_next(&head->scanner);
}

/* WITH a AS (…), b AS (…) in front of INSERT and the like; a query's own WITH is not taken. */
static void take_with(struct head *head) {
    static const char *const verbs[] = {"insert", "update", "delete", "merge"};
    struct head ahead = *head;
    int depth = 0;
    for (; !head_is_end(&ahead); head_next(&ahead)) {
        if (head_is_symbol(&ahead, '(')) depth++;
        if (head_is_symbol(&ahead, ')')) depth--;
        if (depth != 0) continue;
        if (head_is(&ahead, "select")) return;
        for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
            if (!head_is(&ahead, verbs[i])) continue;
            ahead.with_sql = pf_str_slice(head->sql, head_offset(head), head_offset(&ahead));
            *head = ahead;
            return;
        }
    }
}

void head_begin(struct head *head, pf_str sql, struct pf_arena *arena) {
    sql = without_semicolon(sql);
    *head = (struct head){.arena = arena, .sql = sql, .scanner = {sql}};
    head_next(head);
    if (head_is(head, "with")) take_with(head);
}

size_t head_offset(const struct head *head) {
    if (head->token.kind == PF_SQL_END) return head->sql.len;
    return (size_t)(head->token.text.ptr - head->sql.ptr);
}

/* ---- looking ---- */

bool head_is(const struct head *head, const char *word) {
    return pf_sql_token_is(&head->token, word);
}

bool head_is_symbol(const struct head *head, char symbol) {
    return head->token.kind == PF_SQL_SYMBOL && head->token.text.ptr[0] == symbol;
}

bool head_is_end(const struct head *head) {
    return head->token.kind == PF_SQL_END;
}

enum pf_code head_fail(const struct head *head, const char *expected, struct pf_error *err) {
    pf_str shown = pf_str_slice(head->token.text, 0, SHOWN_BYTES);
    if (head_is_end(head)) PF_FAIL(err, PF_INVALID, "the statement ends where %s is expected", expected);
    PF_FAIL(err, PF_INVALID, "'%.*s' at character %zu: %s is expected there", PF_STR_ARG(shown), head_offset(head) + 1,
            expected);
}

/* ---- taking ---- */

bool head_take(struct head *head, const char *word) {
    if (!head_is(head, word)) return false;
    head_next(head);
    return true;
}

bool head_take_words(struct head *head, const char *words) {
    struct head before = *head;
    pf_str rest = pf_str_from_cstr(words), word;
    while (pf_str_next(&rest, ' ', &word)) {
        if (head->token.kind == PF_SQL_WORD && pf_str_equal_nocase(head->token.text, word)) {
            head_next(head);
            continue;
        }
        *head = before;
        return false;
    }
    return true;
}

bool head_take_symbol(struct head *head, char symbol) {
    if (!head_is_symbol(head, symbol)) return false;
    head_next(head);
    return true;
}

enum pf_code head_need(struct head *head, const char *words, struct pf_error *err) {
    if (head_take_words(head, words)) return PF_OK;
    char expected[64] = "";
    for (size_t i = 0; words[i] && i + 1 < sizeof expected; i++) {
        expected[i] = words[i] >= 'a' && words[i] <= 'z' ? (char)(words[i] - 'a' + 'A') : words[i];
    }
    return head_fail(head, expected, err);
}

enum pf_code head_need_symbol(struct head *head, char symbol, struct pf_error *err) {
    char expected[4] = {'\'', symbol, '\'', 0};
    return head_take_symbol(head, symbol) ? PF_OK : head_fail(head, expected, err);
}

enum pf_code head_need_name(struct head *head, const char *what, pf_str *out_name, struct pf_error *err) {
    bool is_name = head->token.kind == PF_SQL_WORD || head->token.kind == PF_SQL_QUOTED_NAME;
    if (!is_name) return head_fail(head, what, err);
    *out_name = pf_sql_token_name(&head->token, head->arena);
    if (!out_name->len) return head_fail(head, what, err);
    head_next(head);
    return PF_OK;
}

enum pf_code head_need_path(struct head *head, pf_str **out_parts, size_t *out_count, struct pf_error *err) {
    pf_str *parts = PF_ARENA_ARRAY(head->arena, pf_str, MAX_PARTS);
    size_t count = 0;
    do {
        if (count == MAX_PARTS) return head_fail(head, "a name of fewer parts", err);
        PF_TRY(head_need_name(head, "a name", &parts[count], err));
        count++;
    } while (head_take_symbol(head, '.'));
    *out_parts = parts;
    *out_count = count;
    return PF_OK;
}

enum pf_code head_need_table(struct head *head, struct head_name *out_name, struct pf_error *err) {
    size_t from = head_offset(head), count = 0, first = 0;
    pf_str *parts;
    struct head_name name = {0};
    PF_TRY(head_need_path(head, &parts, &count, err));
    name.text = pf_str_trim(pf_str_slice(head->sql, from, head_offset(head)));
    name.name = parts[count - 1];
    /* What DuckDB calls its own catalog. */
    if (count > 2 && pf_str_equal_nocase(parts[0], PF_STR("memory"))) first = 1;
    for (size_t i = first; i + 1 < count; i++) {
        name.space = pf_arena_printf(head->arena, "%.*s%s%.*s", PF_STR_ARG(name.space), i > first ? "." : "",
                                     PF_STR_ARG(parts[i]));
    }
    *out_name = name;
    return PF_OK;
}

enum pf_code head_need_names(struct head *head, pf_str **out_names, size_t *out_count, struct pf_error *err) {
    pf_str *names = NULL;
    size_t count = 0, capacity = 0;
    PF_TRY(head_need_symbol(head, '(', err));
    do {
        pf_str name;
        PF_TRY(head_need_name(head, "the name of a column", &name, err));
        PF_ARENA_PUSH(head->arena, names, count, capacity) = name;
    } while (head_take_symbol(head, ','));
    PF_TRY(head_need_symbol(head, ')', err));
    *out_names = names;
    *out_count = count;
    return PF_OK;
}

/* 'it''s' without its quotes. */
static pf_str unquoted(pf_str text, struct pf_arena *arena) {
    char *out = pf_arena_alloc(arena, text.len + 1);
    size_t length = 0;
    for (size_t i = 1; i + 1 < text.len; i++) {
        out[length++] = text.ptr[i];
        if (text.ptr[i] == '\'') i++;
    }
    out[length] = 0;
    return pf_str_from(out, length);
}

enum pf_code head_need_text(struct head *head, const char *what, pf_str *out_text, struct pf_error *err) {
    pf_str text = head->token.text;
    bool is_plain =
        head->token.kind == PF_SQL_STRING && text.len >= 2 && text.ptr[0] == '\'' && text.ptr[text.len - 1] == '\'';
    if (!is_plain) return head_fail(head, what, err);
    *out_text = unquoted(text, head->arena);
    head_next(head);
    return PF_OK;
}

enum pf_code head_need_number(struct head *head, const char *what, int64_t *out_number, struct pf_error *err) {
    if (head->token.kind != PF_SQL_NUMBER || !pf_str_to_i64(head->token.text, out_number)) {
        return head_fail(head, what, err);
    }
    head_next(head);
    return PF_OK;
}

enum pf_code head_need_end(struct head *head, struct pf_error *err) {
    return head_is_end(head) ? PF_OK : head_fail(head, "the end of the statement", err);
}

/* ---- text ---- */

pf_str head_rest(const struct head *head) {
    return pf_str_slice(head->sql, head_offset(head), head->sql.len);
}

static bool is_one_of(const struct head *head, const char *const *words) {
    for (; words && *words; words++) {
        if (head_is(head, *words)) return true;
    }
    return false;
}

pf_str head_take_until(struct head *head, const char *const *words) {
    size_t from = head_offset(head);
    int depth = 0;
    for (; !head_is_end(head); head_next(head)) {
        bool is_outside = depth == 0;
        if (is_outside && (head_is_symbol(head, ',') || head_is_symbol(head, ')') || is_one_of(head, words))) break;
        if (head_is_symbol(head, '(') || head_is_symbol(head, '[') || head_is_symbol(head, '{')) depth++;
        if (head_is_symbol(head, ')') || head_is_symbol(head, ']') || head_is_symbol(head, '}')) depth--;
    }
    return pf_str_trim(pf_str_slice(head->sql, from, head_offset(head)));
}

bool head_text_has(pf_str text, const char *word) {
    struct pf_sql_scanner scanner = {text};
    int depth = 0;
    for (;;) {
        struct pf_sql_token token = pf_sql_scan_next(&scanner);
        if (token.kind == PF_SQL_END) return false;
        if (token.kind == PF_SQL_SYMBOL && token.text.ptr[0] == '(') depth++;
        if (token.kind == PF_SQL_SYMBOL && token.text.ptr[0] == ')') depth--;
        if (depth == 0 && pf_sql_token_is(&token, word)) return true;
    }
}
