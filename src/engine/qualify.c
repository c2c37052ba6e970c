/* SPDX-License-Identifier: MIT */
/* Names of tables in the text of a statement. */
#include "engine/engine_internal.h"

static bool is_name(const struct pf_sql_token *token, pf_str name, struct pf_arena *arena) {
    if (token->kind != PF_SQL_WORD && token->kind != PF_SQL_QUOTED_NAME) return false;
    return pf_str_equal_nocase(pf_sql_token_name(token, arena), name);
}

static bool is_dot(const struct pf_sql_token *token) {
    return token->kind == PF_SQL_SYMBOL && token->text.ptr[0] == '.';
}

pf_str pf_sql_qualify(pf_str sql, pf_str schema, pf_str name, pf_str catalog, struct pf_arena *arena) {
    struct pf_arena *scratch = pf_arena_new(NULL, "qualify");
    struct pf_sql_scanner scanner = {sql};
    struct pf_sql_token before = {PF_SQL_END, PF_STR_EMPTY}, token = pf_sql_scan_next(&scanner),
                        dot = pf_sql_scan_next(&scanner);
    struct pf_buf out;
    const char *copied = sql.ptr;
    pf_buf_init(&out, 2 * sql.len + 1024);
    while (token.kind != PF_SQL_END) {
        struct pf_sql_token next = pf_sql_scan_next(&scanner);
        if (is_name(&token, schema, scratch) && is_dot(&dot) && is_name(&next, name, scratch) && !is_dot(&before)) {
            pf_buf_put(&out, copied, (size_t)(token.text.ptr - copied));
            pf_buf_put_str(&out, catalog);
            pf_buf_put_char(&out, '.');
            copied = token.text.ptr;
        }
        before = token;
        token = dot;
        dot = next;
    }
    pf_buf_put(&out, copied, (size_t)(sql.ptr + sql.len - copied));
    pf_str text = out.failed ? sql : pf_arena_str(arena, pf_buf_view(&out));
    pf_buf_clear(&out);
    pf_arena_free(scratch);
    return text;
}
