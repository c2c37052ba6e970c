/* SPDX-License-Identifier: MIT */
/* Expressions as SQL. Every binary operation gets parentheses: nobody has to know DuckDB's precedences. */
#include "planner/emit_sql.h"

#include <string.h>

/* An operand next to one that fixes the type. */
static enum pf_code print_operand(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) {
    if (expr->kind != PF_EXPR_CONSTANT) return print_expr(printer, expr, err);
    print_constant(printer, expr, true);
    return PF_OK;
}

static enum pf_code print_binary(struct expr_printer *printer, const struct pf_expr *left, pf_str op,
                                 const struct pf_expr *right, struct pf_error *err) {
    bool both_constant = left->kind == PF_EXPR_CONSTANT && right->kind == PF_EXPR_CONSTANT;
    pf_buf_put_char(printer->buf, '(');
    PF_TRY(both_constant ? print_expr(printer, left, err) : print_operand(printer, left, err));
    pf_buf_printf(printer->buf, " %.*s ", PF_STR_ARG(op));
    PF_TRY(both_constant ? print_expr(printer, right, err) : print_operand(printer, right, err));
    pf_buf_put_char(printer->buf, ')');
    return PF_OK;
}

static enum pf_code print_chain(struct expr_printer *printer, const struct pf_expr *expr, const char *separator,
                                struct pf_error *err) {
    pf_buf_put_char(printer->buf, '(');
    for (uint32_t i = 0; i < expr->arg_count; i++) {
        if (i) pf_buf_put_cstr(printer->buf, separator);
        PF_TRY(print_expr(printer, expr->args[i], err));
    }
    pf_buf_put_char(printer->buf, ')');
    return PF_OK;
}

static enum pf_code print_around(struct expr_printer *printer, const char *before, const struct pf_expr *expr,
                                 const char *after, struct pf_error *err) {
    pf_buf_put_cstr(printer->buf, before);
    PF_TRY(print_expr(printer, expr, err));
    pf_buf_put_cstr(printer->buf, after);
    return PF_OK;
}

static enum pf_code print_in(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) {
    PF_TRY(print_around(printer, "(", expr->args[0], expr->is_negated ? " NOT IN (" : " IN (", err));
    for (uint32_t i = 1; i < expr->arg_count; i++) {
        if (i > 1) pf_buf_put_cstr(printer->buf, ", ");
        PF_TRY(print_operand(printer, expr->args[i], err));
    }
    pf_buf_put_cstr(printer->buf, "))");
    return PF_OK;
}

static enum pf_code print_case(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) {
    pf_buf_put_cstr(printer->buf, "CASE");
    for (uint32_t i = 0; i + 1 < expr->arg_count; i += 2) {
        PF_TRY(print_around(printer, " WHEN ", expr->args[i], " THEN ", err));
        PF_TRY(print_expr(printer, expr->args[i + 1], err));
    }
    return print_around(printer, " ELSE ", expr->args[expr->arg_count - 1], " END", err);
}

static enum pf_code print_between(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) {
    if (expr->lower_inclusive && expr->upper_inclusive && !pf_expr_is_volatile(expr->args[0])) {
        pf_buf_put_char(printer->buf, '(');
        PF_TRY(print_expr(printer, expr->args[0], err));
        pf_buf_put_cstr(printer->buf, " BETWEEN ");
        PF_TRY(print_operand(printer, expr->args[1], err));
        pf_buf_put_cstr(printer->buf, " AND ");
        PF_TRY(print_operand(printer, expr->args[2], err));
        pf_buf_put_char(printer->buf, ')');
        return PF_OK;
    }
    pf_buf_put_char(printer->buf, '(');
    PF_TRY(
        print_binary(printer, expr->args[0], expr->lower_inclusive ? PF_STR(">=") : PF_STR(">"), expr->args[1], err));
    pf_buf_put_cstr(printer->buf, " AND ");
    PF_TRY(
        print_binary(printer, expr->args[0], expr->upper_inclusive ? PF_STR("<=") : PF_STR("<"), expr->args[2], err));
    pf_buf_put_char(printer->buf, ')');
    return PF_OK;
}

/* name is SQL in which {i} stands for args[i]. */
static enum pf_code print_template(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) {
    for (size_t i = 0; i < expr->name.len; i++) {
        char c = expr->name.ptr[i];
        bool is_place = c == '{' && i + 2 < expr->name.len && expr->name.ptr[i + 2] == '}' &&
                        expr->name.ptr[i + 1] >= '0' && (uint32_t)(expr->name.ptr[i + 1] - '0') < expr->arg_count;
        if (!is_place) {
            pf_buf_put_char(printer->buf, c);
            continue;
        }
        PF_TRY(print_expr(printer, expr->args[expr->name.ptr[i + 1] - '0'], err));
        i += 2;
    }
    return PF_OK;
}

static enum pf_code print_reference(struct expr_printer *printer, const pf_str *columns, uint32_t count,
                                    uint32_t column, struct pf_error *err) {
    if (column >= count || !columns[column].len) PF_FAIL(err, PF_BUG, "print SQL: column #%u isn't there", column);
    pf_buf_put_str(printer->buf, columns[column]);
    return PF_OK;
}

enum pf_code print_expr(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) {
    struct pf_buf *buf = printer->buf;
    if (buf->failed) PF_FAIL(err, PF_TOO_LARGE, "print SQL: more than %d bytes", MAX_SQL_BYTES);
    switch (expr->kind) {
    case PF_EXPR_COLUMN: return print_reference(printer, printer->columns, printer->column_count, expr->column, err);
    case PF_EXPR_LAMBDA_REF:
        return print_reference(printer, printer->lambda_columns, printer->lambda_column_count, expr->column, err);
    case PF_EXPR_CONSTANT: print_constant(printer, expr, false); return PF_OK;
    case PF_EXPR_COMPARE: return print_binary(printer, expr->args[0], expr->name, expr->args[1], err);
    case PF_EXPR_AND: return print_chain(printer, expr, " AND ", err);
    case PF_EXPR_OR: return print_chain(printer, expr, " OR ", err);
    case PF_EXPR_NOT: return print_around(printer, "(NOT ", expr->args[0], ")", err);
    case PF_EXPR_IS_NULL: return print_around(printer, "(", expr->args[0], " IS NULL)", err);
    case PF_EXPR_IS_NOT_NULL: return print_around(printer, "(", expr->args[0], " IS NOT NULL)", err);
    case PF_EXPR_IN: return print_in(printer, expr, err);
    case PF_EXPR_COALESCE: pf_buf_put_cstr(buf, "coalesce"); return print_chain(printer, expr, ", ", err);
    case PF_EXPR_TRY: return print_around(printer, "TRY(", expr->args[0], ")", err);
    case PF_EXPR_CAST:
        PF_TRY(print_around(printer, expr->is_try ? "TRY_CAST(" : "CAST(", expr->args[0], " AS ", err));
        pf_buf_printf(buf, "%.*s)", PF_STR_ARG(expr->type->sql));
        return PF_OK;
    case PF_EXPR_CASE: return print_case(printer, expr, err);
    case PF_EXPR_BETWEEN: return print_between(printer, expr, err);
    case PF_EXPR_FUNCTION: return print_function(printer, expr, err);
    case PF_EXPR_AGGREGATE: return print_aggregate(printer, expr, err);
    case PF_EXPR_WINDOW: return print_window(printer, expr, err);
    case PF_EXPR_UNNEST: return print_around(printer, "unnest(", expr->args[0], ")", err);
    case PF_EXPR_TEMPLATE: return print_template(printer, expr, err);
    case PF_EXPR_KIND_COUNT: break;
    }
    PF_FAIL(err, PF_BUG, "print SQL: expression of kind %d", (int)expr->kind);
}

enum pf_code print_exprs(struct expr_printer *printer, const struct pf_expr *const *exprs, uint32_t count,
                         struct pf_error *err) {
    for (uint32_t i = 0; i < count; i++) {
        if (i) pf_buf_put_cstr(printer->buf, ", ");
        PF_TRY(print_expr(printer, exprs[i], err));
    }
    return PF_OK;
}

enum pf_code print_sorts(struct expr_printer *printer, const struct pf_sort *sorts, uint32_t count,
                         struct pf_error *err) {
    for (uint32_t i = 0; i < count; i++) {
        if (i) pf_buf_put_cstr(printer->buf, ", ");
        /* ORDER BY 1 would mean a column number. */
        bool is_constant = sorts[i].expr->kind == PF_EXPR_CONSTANT;
        if (is_constant) pf_buf_put_cstr(printer->buf, "(SELECT ");
        PF_TRY(print_expr(printer, sorts[i].expr, err));
        if (is_constant) pf_buf_put_char(printer->buf, ')');
        pf_buf_printf(printer->buf, " %s NULLS %s", sorts[i].is_descending ? "DESC" : "ASC",
                      sorts[i].nulls_first ? "FIRST" : "LAST");
    }
    return PF_OK;
}

static enum pf_code finish(struct emitter *emitter, struct pf_buf *buf, enum pf_code code, pf_str *out_sql,
                           struct pf_error *err) {
    pf_str sql;
    if (code == PF_OK) code = pf_buf_finish(buf, "SQL of a fragment", &sql, err);
    if (code == PF_OK) *out_sql = pf_arena_str(emitter->arena, sql);
    pf_buf_clear(buf);
    return code;
}

enum pf_code emit_expr(struct emitter *emitter, const struct pf_expr *expr, const pf_str *columns,
                       uint32_t column_count, pf_str *out_sql, struct pf_error *err) {
    struct pf_buf buf;
    pf_buf_init(&buf, MAX_SQL_BYTES);
    struct expr_printer printer = {.emitter = emitter, .buf = &buf, .columns = columns, .column_count = column_count};
    return finish(emitter, &buf, print_expr(&printer, expr, err), out_sql, err);
}

enum pf_code emit_sorts(struct emitter *emitter, const struct pf_sort *sorts, uint32_t count, const pf_str *columns,
                        uint32_t column_count, pf_str *out_sql, struct pf_error *err) {
    struct pf_buf buf;
    pf_buf_init(&buf, MAX_SQL_BYTES);
    struct expr_printer printer = {.emitter = emitter, .buf = &buf, .columns = columns, .column_count = column_count};
    return finish(emitter, &buf, print_sorts(&printer, sorts, count, err), out_sql, err);
}
