/* SPDX-License-Identifier: MIT */
/* Constants as SQL that binds to the same value and type. */
#include "planner/emit_sql.h"

#include "planner/read_duckdb_json.h"

#include <string.h>

static bool is_type(const struct pf_expr *expr, const char *id) {
    return pf_str_equal(expr->type->id, pf_str_from_cstr(id));
}

bool bare_decimal(const struct pf_expr *expr, int *out_width, int *out_scale) {
    if (expr->kind != PF_EXPR_CONSTANT || expr->is_null || !is_type(expr, "DECIMAL") || !expr->type->scale ||
        expr->text.len > 19)
        return false;
    pf_str text = expr->text;
    if (text.len && *text.ptr == '-') return false;
    *out_width = (int)text.len - 1;
    *out_scale = expr->type->scale;
    return true;
}

static void print_string(struct pf_buf *buf, struct pf_arena *arena, pf_str text) {
    if (!memchr(text.len ? text.ptr : "", 0, text.len)) {
        pf_buf_put_str(buf, quote_string(arena, text));
        return;
    }
    /* A statement ends at a zero byte. */
    pf_buf_put_char(buf, '(');
    for (size_t at = 0;;) {
        size_t end = pf_str_find_char(text, 0, at);
        bool is_last = end == SIZE_MAX;
        pf_buf_put_str(buf, quote_string(arena, pf_str_slice(text, at, is_last ? text.len : end)));
        if (is_last) break;
        pf_buf_put_cstr(buf, " || chr(0) || ");
        at = end + 1;
    }
    pf_buf_put_char(buf, ')');
}

void print_constant(struct expr_printer *printer, const struct pf_expr *expr, bool is_bare) {
    struct pf_buf *buf = printer->buf;
    struct pf_arena *arena = printer->emitter->arena;
    pf_str type = expr->type->sql;
    int width, scale;
    int64_t number;
    if (expr->is_null) {
        if (is_type(expr, "NULL"))
            pf_buf_put_cstr(buf, "NULL");
        else
            pf_buf_put_str(buf, pf_sql_type_null(expr->type, arena));
    } else if (expr->sql.len)
        pf_buf_put_str(buf, expr->sql);
    else if (pf_str_equal(type, PF_STR("VARCHAR")))
        print_string(buf, arena, expr->text);
    else if (is_type(expr, "BOOLEAN"))
        pf_buf_put_str(buf, expr->text);
    else if (is_type(expr, "DATE") || is_type(expr, "TIMESTAMP"))
        pf_buf_printf(buf, "%.*s '%.*s'", PF_STR_ARG(type), PF_STR_ARG(expr->text));
    else if (is_bare && bare_decimal(expr, &width, &scale))
        pf_buf_put_str(buf, expr->text);
    else if ((is_type(expr, "INTEGER") ||
              (is_bare && (is_type(expr, "BIGINT") || is_type(expr, "SMALLINT") || is_type(expr, "TINYINT")))) &&
             pf_str_to_i64(expr->text, &number) && number >= 0 && number < INT32_MAX)
        pf_buf_put_str(buf, expr->text);
    else if (pf_str_equal(type, PF_STR("JSON")) || is_type(expr, "VARCHAR")) {
        pf_buf_put_cstr(buf, "CAST(");
        print_string(buf, arena, expr->text);
        pf_buf_printf(buf, " AS %.*s)", PF_STR_ARG(type));
    } else if (pf_str_to_i64(expr->text, &number) && !is_type(expr, "ENUM"))
        pf_buf_printf(buf, "CAST(%.*s AS %.*s)", PF_STR_ARG(expr->text), PF_STR_ARG(type));
    else
        pf_buf_printf(buf, "CAST(%.*s AS %.*s)", PF_STR_ARG(quote_string(arena, expr->text)), PF_STR_ARG(type));
}
