/* SPDX-License-Identifier: MIT */
/* Counts statements and refuses a few functions before DuckDB sees the text. DuckDB's parser decides about everything
 * else. */
#include "engine/engine_internal.h"

int sql_count_statements(pf_str sql) {
    struct pf_sql_scanner scanner = {sql};
    int count = 0;
    bool is_empty = true;
    for (struct pf_sql_token token = pf_sql_scan_next(&scanner); token.kind != PF_SQL_END;
         token = pf_sql_scan_next(&scanner)) {
        bool is_end = token.kind == PF_SQL_SYMBOL && token.text.ptr[0] == ';';
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
    struct pf_sql_scanner scanner = {sql};
    struct pf_sql_token token = pf_sql_scan_next(&scanner);
    pf_str refused = PF_STR_EMPTY;
    bool is_pragma = false;
    while (token.kind != PF_SQL_END && !refused.len) {
        struct pf_sql_token next = pf_sql_scan_next(&scanner);
        bool is_called = next.kind == PF_SQL_SYMBOL && next.text.ptr[0] == '(';
        bool is_name = token.kind == PF_SQL_WORD || token.kind == PF_SQL_QUOTED_NAME;
        if (is_name && (is_called || is_pragma)) {
            pf_str name = pf_sql_token_name(&token, arena);
            if (is_refused(name)) refused = pf_arena_str(arena, name);
        }
        /* U&"..." spells names in hexadecimal. */
        if (token.kind == PF_SQL_WORD && pf_str_equal_nocase(token.text, PF_STR("u")) && next.text.len &&
            next.text.ptr[0] == '&' && scanner.rest.len && scanner.rest.ptr[0] == '"')
            refused = PF_STR("U&\"...\"");
        is_pragma = pf_sql_token_is(&token, "pragma");
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
