/* SPDX-License-Identifier: MIT */
#include "icecap/clauses.h"

#include "base/buf.h"

#include <stdio.h>
#include <time.h>

static bool is_one_of(const struct head *head, const char *const *words) {
    for (; words && *words; words++) {
        if (head_is(head, *words)) return true;
    }
    return false;
}

static bool opens(const struct head *head) {
    return head_is_symbol(head, '(') || head_is_symbol(head, '[') || head_is_symbol(head, '{');
}

static bool closes(const struct head *head) {
    return head_is_symbol(head, ')') || head_is_symbol(head, ']') || head_is_symbol(head, '}');
}

enum pf_code clause_take(struct head *head, const char *const *words, bool stops_at_comma, const char *what,
                         pf_str *out_text, struct pf_error *err) {
    size_t from = head_offset(head);
    int depth = 0, cases = 0;
    bool is_distinct = false;
    for (; !head_is_end(head); head_next(head)) {
        bool is_outside = depth == 0 && cases == 0;
        if (is_outside && closes(head)) break;
        if (is_outside && stops_at_comma && head_is_symbol(head, ',')) break;
        if (is_outside && is_one_of(head, words) && !(is_distinct && head_is(head, "from"))) break;
        if (opens(head)) depth++;
        if (closes(head)) depth--;
        if (head_is(head, "case")) cases++;
        if (head_is(head, "end") && cases) cases--;
        is_distinct = head_is(head, "distinct");
    }
    pf_str text = pf_str_trim(pf_str_slice(head->sql, from, head_offset(head)));
    if (!text.len) return head_fail(head, what, err);
    *out_text = text;
    return PF_OK;
}

enum pf_code clause_take_alias(struct head *head, const char *const *words, pf_str *out_alias, struct pf_error *err) {
    *out_alias = PF_STR_EMPTY;
    bool is_name = head->token.kind == PF_SQL_WORD || head->token.kind == PF_SQL_QUOTED_NAME;
    if (!head_take(head, "as") && (!is_name || is_one_of(head, words))) return PF_OK;
    return head_need_name(head, "an alias", out_alias, err);
}

enum pf_code clause_refuse_returning(const struct head *head, struct pf_error *err) {
    if (!head_is(head, "returning")) return PF_OK;
    PF_FAIL(err, PF_UNSUPPORTED, "RETURNING is not supported: SELECT the rows before or afterwards");
}

enum pf_code clause_take_list(struct head *head, pf_str **out_items, size_t *out_count, struct pf_error *err) {
    pf_str *items = NULL;
    size_t count = 0, capacity = 0;
    PF_TRY(head_need_symbol(head, '(', err));
    do {
        pf_str item;
        PF_TRY(clause_take(head, NULL, true, "an expression", &item, err));
        PF_ARENA_PUSH(head->arena, items, count, capacity) = item;
    } while (head_take_symbol(head, ','));
    PF_TRY(head_need_symbol(head, ')', err));
    *out_items = items;
    *out_count = count;
    return PF_OK;
}

static enum pf_code assign(struct head *head, struct assignments *assignments, pf_str column, pf_str sql,
                           struct pf_error *err) {
    for (size_t i = 0; i < assignments->count; i++) {
        if (!pf_str_equal_nocase(assignments->items[i].column, column)) continue;
        PF_FAIL(err, PF_INVALID, "column '%.*s' is set twice", PF_STR_ARG(column));
    }
    PF_ARENA_PUSH(head->arena, assignments->items, assignments->count, assignments->capacity) =
        (struct assignment){column, sql};
    return PF_OK;
}

/* (b, c) = (1, 2) or ROW(1, 2) */
static enum pf_code take_several(struct head *head, struct assignments *assignments, struct pf_error *err) {
    pf_str *columns, *values;
    size_t column_count, value_count;
    PF_TRY(head_need_names(head, &columns, &column_count, err));
    PF_TRY(head_need_symbol(head, '=', err));
    (void)head_take(head, "row");
    PF_TRY(clause_take_list(head, &values, &value_count, err));
    if (column_count != value_count) {
        PF_FAIL(err, PF_INVALID, "%zu columns are set to %zu values", column_count, value_count);
    }
    for (size_t i = 0; i < column_count; i++) PF_TRY(assign(head, assignments, columns[i], values[i], err));
    return PF_OK;
}

enum pf_code clause_take_assignments(struct head *head, const char *const *words, struct assignments *out_assignments,
                                     struct pf_error *err) {
    struct assignments assignments = {0};
    do {
        pf_str column, sql;
        if (head_is_symbol(head, '(')) {
            PF_TRY(take_several(head, &assignments, err));
            continue;
        }
        PF_TRY(head_need_name(head, "the name of a column", &column, err));
        if (head_is_symbol(head, '.')) {
            PF_FAIL(err, PF_INVALID, "column '%.*s' is set by its name alone, without a table or the field of a struct",
                    PF_STR_ARG(column));
        }
        PF_TRY(head_need_symbol(head, '=', err));
        PF_TRY(clause_take(head, words, true, "an expression", &sql, err));
        PF_TRY(assign(head, &assignments, column, sql, err));
    } while (head_take_symbol(head, ','));
    *out_assignments = assignments;
    return PF_OK;
}

/* ---- time ---- */

struct clock_word {
    const char *name;
    bool is_function, is_keyword; /* now() is one only with parentheses, current_date also without */
    const char *type;
};

static const struct clock_word CLOCK_WORDS[] = {
    {"now", true, false, "TIMESTAMPTZ"},
    {"get_current_timestamp", true, false, "TIMESTAMPTZ"},
    {"transaction_timestamp", true, false, "TIMESTAMPTZ"},
    {"current_timestamp", true, true, "TIMESTAMPTZ"},
    {"current_localtimestamp", true, false, "TIMESTAMP"},
    {"localtimestamp", false, true, "TIMESTAMP"},
    {"today", true, false, "DATE"},
    {"current_date", true, true, "DATE"},
};

static pf_str clock_text(const struct clock_word *word, int64_t now_us, struct pf_arena *arena) {
    char date[32], time[32];
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(date, sizeof date, "%Y-%m-%d", &parts);
    strftime(time, sizeof time, "%H:%M:%S", &parts);
    pf_str type = pf_str_from_cstr(word->type);
    if (pf_str_equal(type, PF_STR("DATE"))) return pf_arena_printf(arena, "DATE '%s'", date);
    bool has_zone = pf_str_equal(type, PF_STR("TIMESTAMPTZ"));
    return pf_arena_printf(arena, "%s '%s %s.%06d%s'", word->type, date, time, (int)(now_us % 1000000),
                           has_zone ? "+00" : "");
}

static bool is_symbol(const struct pf_sql_token *token, char c) {
    return token->kind == PF_SQL_SYMBOL && token->text.ptr[0] == c;
}

/* Gives where the word ends, with its parentheses; 0: it is none. */
static size_t match_clock(const struct clock_word *word, const struct pf_sql_token *token, pf_str sql,
                          struct pf_sql_scanner behind) {
    if (!pf_sql_token_is(token, word->name)) return 0;
    struct pf_sql_token open = pf_sql_scan_next(&behind), close = pf_sql_scan_next(&behind);
    if (is_symbol(&open, '(')) {
        if (!word->is_function || !is_symbol(&close, ')')) return 0;
        return (size_t)(close.text.ptr - sql.ptr) + 1;
    }
    if (!word->is_keyword || is_symbol(&open, '.')) return 0;
    return (size_t)(token->text.ptr - sql.ptr) + token->text.len;
}

pf_str clause_freeze_time(pf_str sql, int64_t now_us, struct pf_arena *arena) {
    struct pf_sql_scanner scanner = {sql};
    struct pf_sql_token before = {0};
    struct pf_buf out;
    size_t taken = 0;
    pf_buf_init(&out, SIZE_MAX / 2);
    for (;;) {
        struct pf_sql_token token = pf_sql_scan_next(&scanner);
        if (token.kind == PF_SQL_END) break;
        for (size_t i = 0; i < sizeof CLOCK_WORDS / sizeof *CLOCK_WORDS && !is_symbol(&before, '.'); i++) {
            size_t end = match_clock(&CLOCK_WORDS[i], &token, sql, scanner);
            if (!end) continue;
            pf_buf_put_str(&out, pf_str_slice(sql, taken, (size_t)(token.text.ptr - sql.ptr)));
            pf_buf_put_str(&out, clock_text(&CLOCK_WORDS[i], now_us, arena));
            taken = end;
            scanner.rest = pf_str_slice(sql, end, sql.len);
            break;
        }
        before = token;
    }
    pf_buf_put_str(&out, pf_str_slice(sql, taken, sql.len));
    pf_str text = pf_arena_str(arena, pf_buf_view(&out));
    pf_buf_clear(&out);
    return text;
}

pf_str clause_find_volatile(pf_str functions) {
    static const char *const names[] = {"random", "setseed",      "uuid",     "gen_random_uuid", "uuidv4",
                                        "uuidv7", "nextval",      "currval",  "clock_timestamp", "get_current_time",
                                        "now",    "current_time", "localtime"};
    pf_str name;
    while (pf_str_next(&functions, ',', &name)) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (pf_str_equal(pf_str_trim(name), pf_str_from_cstr(names[i]))) return pf_str_from_cstr(names[i]);
        }
    }
    return PF_STR_EMPTY;
}
