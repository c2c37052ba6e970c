/* SPDX-License-Identifier: MIT */
/* Functions, aggregates and windows as SQL: infix operators, named fields, lambdas, frames. */
#include "planner/emit_sql.h"

#include "planner/read_duckdb_json.h"

#include <string.h>

static bool is_listed(pf_str name, const char *list) {
    pf_str rest = pf_str_from_cstr(list), one;
    while (pf_str_next(&rest, ' ', &one))
        if (pf_str_equal(name, one)) return true;
    return false;
}

/* Some names are words of the grammar. */
static void print_name(struct pf_buf *buf, struct pf_arena *arena, pf_str name) {
    bool is_word = name.len > 0 && !is_listed(name, "left right position overlay extract grouping row array map values "
                                                    "interval nullif coalesce unnest if replace glob not and or in is "
                                                    "like time date timestamp substring trim struct cast");
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || c == '_' || (i && c >= '0' && c <= '9'))) is_word = false;
    }
    pf_buf_put_str(buf, is_word ? name : quote_name(arena, name));
}

/* ---- DECIMAL arithmetic ---- */

/* DuckDB derives the type of a + b from the types of a and b. It did so before constants were folded and casts moved;
 * where the printed operands would give another type, a cast restores it (binder rules of DuckDB 1.5). */
static bool operand_width(const struct pf_expr *expr, int *width, int *scale) {
    if (bare_decimal(expr, width, scale)) return true;
    if (!pf_str_equal(expr->type->id, PF_STR("DECIMAL"))) return false;
    *width = expr->type->width;
    *scale = expr->type->scale;
    return true;
}

static bool has_same_decimal_type(const struct pf_expr *expr) {
    int width[2], scale[2];
    if (expr->arg_count != 2 || !operand_width(expr->args[0], &width[0], &scale[0]) ||
        !operand_width(expr->args[1], &width[1], &scale[1]))
        return false;
    int result_width, result_scale;
    int widest = width[0] > width[1] ? width[0] : width[1];
    if (pf_str_equal(expr->name, PF_STR("*"))) {
        result_width = width[0] + width[1];
        result_scale = scale[0] + scale[1];
        if (result_width > 18 && widest <= 18 && result_scale < 18) result_width = 18;
    } else if (is_listed(expr->name, "+ -")) {
        int before[2] = {width[0] - scale[0], width[1] - scale[1]};
        result_scale = scale[0] > scale[1] ? scale[0] : scale[1];
        result_width = (before[0] > before[1] ? before[0] : before[1]) + result_scale + 1;
        if (result_width > 18 && widest <= 18) result_width = 18;
    } else
        return false;
    if (result_width > 38) result_width = 38;
    return result_width == expr->type->width && result_scale == expr->type->scale;
}

/* ---- functions ---- */

static enum pf_code print_operator_call(struct expr_printer *printer, const struct pf_expr *expr,
                                        struct pf_error *err) {
    pf_buf_put_char(printer->buf, '(');
    for (uint32_t i = 0; i < expr->arg_count; i++) {
        const struct pf_expr *arg = expr->args[i];
        if (i || expr->arg_count == 1) pf_buf_printf(printer->buf, i ? " %.*s " : "%.*s ", PF_STR_ARG(expr->name));
        int width, scale;
        if (bare_decimal(arg, &width, &scale) && is_listed(expr->name, "+ - *"))
            print_constant(printer, arg, true);
        else
            PF_TRY(print_expr(printer, arg, err));
    }
    pf_buf_put_char(printer->buf, ')');
    return PF_OK;
}

static enum pf_code print_lambda(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) {
    struct pf_arena *arena = printer->emitter->arena;
    uint32_t parameters = expr->lambda_parameter_count, first_capture = 1u + expr->lambda_has_initial;
    uint32_t count = parameters + expr->arg_count - first_capture;
    pf_str *columns = PF_ARENA_ARRAY(arena, pf_str, count);
    int depth = printer->emitter->lambda_depth++;
    for (uint32_t i = 0; i < parameters; i++) columns[parameters - 1 - i] = pf_arena_printf(arena, "x%d_%u", depth, i);
    for (uint32_t i = first_capture; i < expr->arg_count; i++) {
        struct pf_buf buf;
        pf_buf_init(&buf, MAX_SQL_BYTES);
        struct expr_printer capture = *printer;
        capture.buf = &buf;
        enum pf_code code = print_expr(&capture, expr->args[i], err);
        columns[parameters + i - first_capture] = pf_arena_str(arena, pf_buf_view(&buf));
        pf_buf_clear(&buf);
        if (code != PF_OK) return code;
    }
    print_name(printer->buf, arena, expr->name);
    pf_buf_put_char(printer->buf, '(');
    PF_TRY(print_expr(printer, expr->args[0], err));
    pf_buf_put_cstr(printer->buf, ", lambda ");
    for (uint32_t i = 0; i < parameters; i++)
        pf_buf_printf(printer->buf, "%s%.*s", i ? ", " : "", PF_STR_ARG(columns[parameters - 1 - i]));
    pf_buf_put_cstr(printer->buf, ": ");
    struct expr_printer body = *printer;
    body.lambda_columns = columns;
    body.lambda_column_count = count;
    PF_TRY(print_expr(&body, expr->lambda, err));
    if (expr->lambda_has_initial) {
        pf_buf_put_cstr(printer->buf, ", ");
        PF_TRY(print_expr(printer, expr->args[1], err));
    }
    pf_buf_put_char(printer->buf, ')');
    return PF_OK;
}

static enum pf_code print_struct(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) {
    pf_buf_put_char(printer->buf, '{');
    for (uint32_t i = 0; i < expr->arg_count; i++) {
        if (i) pf_buf_put_cstr(printer->buf, ", ");
        pf_buf_printf(printer->buf,
                      "%.*s: ", PF_STR_ARG(quote_string(printer->emitter->arena, expr->type->field_names[i])));
        PF_TRY(print_expr(printer, expr->args[i], err));
    }
    pf_buf_put_char(printer->buf, '}');
    return PF_OK;
}

static enum pf_code print_plain_call(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) {
    print_name(printer->buf, printer->emitter->arena, expr->name);
    pf_buf_put_char(printer->buf, '(');
    if (pf_str_equal(expr->name, PF_STR("union_value")) && expr->type->field_count)
        pf_buf_printf(printer->buf,
                      "%.*s := ", PF_STR_ARG(quote_name(printer->emitter->arena, expr->type->field_names[0])));
    PF_TRY(print_exprs(printer, expr->args, expr->arg_count, err));
    pf_buf_put_char(printer->buf, ')');
    return PF_OK;
}

/* list[from:to:step]: a bound that was left out is an empty list in the plan, which the function takes from the
 * parser only. */
static enum pf_code print_slice(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) {
    pf_buf_put_char(printer->buf, '(');
    PF_TRY(print_expr(printer, expr->args[0], err));
    pf_buf_put_cstr(printer->buf, ")");
    for (uint32_t i = 1; i < expr->arg_count; i++) {
        pf_buf_put_char(printer->buf, i == 1 ? '[' : ':');
        if (!pf_str_equal(expr->args[i]->type->id, PF_STR("LIST")))
            PF_TRY(print_expr(printer, expr->args[i], err));
        else if (i == 2 && expr->arg_count == 4)
            pf_buf_put_char(printer->buf, '-');
    }
    pf_buf_put_char(printer->buf, ']');
    return PF_OK;
}

enum pf_code print_function(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) {
    bool is_infix = expr->arg_count == 2 &&
                    is_listed(expr->name, "+ - * / // % ^ ** & | << >> || ~~ !~~ ~~* !~~* ~~~ -> ->> @> <@ && <-> <=>");
    bool is_prefix = expr->arg_count == 1 && is_listed(expr->name, "- + ~");
    bool is_decimal = pf_str_equal(expr->type->id, PF_STR("DECIMAL"));
    bool is_empty_list = !expr->arg_count && pf_str_equal(expr->name, PF_STR("list_value"));
    bool needs_cast = (is_decimal && !has_same_decimal_type(expr)) || is_empty_list ||
                      (pf_str_equal(expr->name, PF_STR("error")) && !pf_str_equal(expr->type->id, PF_STR("NULL"))) ||
                      pf_str_equal(expr->name, PF_STR("union_value"));
    if (needs_cast) pf_buf_put_cstr(printer->buf, "CAST(");
    if (expr->lambda)
        PF_TRY(print_lambda(printer, expr, err));
    else if (is_infix || is_prefix)
        PF_TRY(print_operator_call(printer, expr, err));
    else if (expr->arg_count > 2 && is_listed(expr->name, "array_slice list_slice"))
        PF_TRY(print_slice(printer, expr, err));
    else if (pf_str_equal(expr->name, PF_STR("struct_pack")) && expr->arg_count)
        PF_TRY(print_struct(printer, expr, err));
    else
        PF_TRY(print_plain_call(printer, expr, err));
    if (needs_cast) pf_buf_printf(printer->buf, " AS %.*s)", PF_STR_ARG(expr->type->sql));
    return PF_OK;
}

/* ---- aggregates ---- */

static enum pf_code print_filter(struct expr_printer *printer, const struct pf_expr *filter, struct pf_error *err) {
    if (!filter) return PF_OK;
    pf_buf_put_cstr(printer->buf, " FILTER (WHERE ");
    PF_TRY(print_expr(printer, filter, err));
    pf_buf_put_char(printer->buf, ')');
    return PF_OK;
}

static enum pf_code print_call(struct expr_printer *printer, const struct pf_expr *expr, const struct pf_sort *sorts,
                               uint32_t sort_count, struct pf_error *err) {
    if (pf_str_equal(expr->name, PF_STR("count_star"))) {
        pf_buf_put_cstr(printer->buf, "count(*)");
        return PF_OK;
    }
    print_name(printer->buf, printer->emitter->arena, expr->name);
    pf_buf_put_cstr(printer->buf, expr->is_distinct ? "(DISTINCT " : "(");
    PF_TRY(print_exprs(printer, expr->args, expr->arg_count, err));
    const struct pf_window *window = expr->window;
    if (window && window->offset) {
        pf_buf_put_cstr(printer->buf, ", ");
        PF_TRY(print_expr(printer, window->offset, err));
    }
    if (window && window->fallback) {
        if (!window->offset) pf_buf_put_cstr(printer->buf, ", 1");
        pf_buf_put_cstr(printer->buf, ", ");
        PF_TRY(print_expr(printer, window->fallback, err));
    }
    if (sort_count) {
        pf_buf_put_cstr(printer->buf, " ORDER BY ");
        PF_TRY(print_sorts(printer, sorts, sort_count, err));
    }
    if (window && window->ignore_nulls) pf_buf_put_cstr(printer->buf, " IGNORE NULLS");
    pf_buf_put_char(printer->buf, ')');
    return PF_OK;
}

/* Without the constants, which order nothing: printed as `(SELECT NULL)` they would not be equal to an argument, as
 * DuckDB wants it of the keys of a DISTINCT aggregate. */
static struct pf_sort *sorts_that_order(struct pf_arena *arena, const struct pf_expr *expr, uint32_t *out_count) {
    struct pf_sort *sorts = PF_ARENA_ARRAY(arena, struct pf_sort, expr->sort_count);
    *out_count = 0;
    for (uint32_t i = 0; i < expr->sort_count; i++)
        if (expr->sorts[i].expr->kind != PF_EXPR_CONSTANT) sorts[(*out_count)++] = expr->sorts[i];
    return sorts;
}

enum pf_code print_aggregate(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) {
    uint32_t sort_count;
    const struct pf_sort *sorts = sorts_that_order(printer->emitter->arena, expr, &sort_count);
    PF_TRY(print_call(printer, expr, sorts, sort_count, err));
    return print_filter(printer, expr->filter, err);
}

/* ---- windows ---- */

/* RANGE bounds come as `order key + offset`: the binder has added the key. */
static enum pf_code print_bound(struct expr_printer *printer, const struct pf_window *window, pf_str bound,
                                const struct pf_expr *expr, struct pf_error *err) {
    if (pf_str_starts_with(bound, PF_STR("UNBOUNDED_PRECEDING")))
        pf_buf_put_cstr(printer->buf, "UNBOUNDED PRECEDING");
    else if (pf_str_starts_with(bound, PF_STR("UNBOUNDED_FOLLOWING")))
        pf_buf_put_cstr(printer->buf, "UNBOUNDED FOLLOWING");
    else if (pf_str_starts_with(bound, PF_STR("CURRENT_ROW")))
        pf_buf_put_cstr(printer->buf, "CURRENT ROW");
    else {
        bool is_range = pf_str_ends_with(bound, PF_STR("_RANGE"));
        if (!expr) PF_FAIL(err, PF_INVALID, "plan: a window frame without its bound");
        if (is_range) {
            if (expr->kind == PF_EXPR_CAST) expr = expr->args[0];
            if (expr->kind != PF_EXPR_FUNCTION || expr->arg_count != 2 || !is_listed(expr->name, "+ -") ||
                window->sort_count != 1)
                PF_FAIL(err, PF_UNSUPPORTED, "plan: a RANGE frame of this shape");
            expr = expr->args[1];
        }
        PF_TRY(print_expr(printer, expr, err));
        bool is_following = pf_str_starts_with(bound, PF_STR("EXPR_FOLLOWING"));
        pf_buf_put_cstr(printer->buf, is_following ? " FOLLOWING" : " PRECEDING");
    }
    return PF_OK;
}

static enum pf_code print_frame(struct expr_printer *printer, const struct pf_window *window, struct pf_error *err) {
    bool is_default = pf_str_equal(window->start, PF_STR("UNBOUNDED_PRECEDING")) &&
                      pf_str_equal(window->end, PF_STR("CURRENT_ROW_RANGE")) && !window->exclude.len;
    if (is_default || !window->start.len || !window->end.len) return PF_OK;
    const char *unit = "ROWS";
    for (int i = 0; i < 2; i++) {
        pf_str bound = i ? window->end : window->start;
        if (pf_str_ends_with(bound, PF_STR("_RANGE")))
            unit = "RANGE";
        else if (pf_str_ends_with(bound, PF_STR("_GROUPS")))
            unit = "GROUPS";
    }
    pf_buf_printf(printer->buf, " %s BETWEEN ", unit);
    PF_TRY(print_bound(printer, window, window->start, window->start_expr, err));
    pf_buf_put_cstr(printer->buf, " AND ");
    PF_TRY(print_bound(printer, window, window->end, window->end_expr, err));
    if (!window->exclude.len) return PF_OK;
    static const char *const EXCLUDES[][2] = {{"CURRENT_ROW", "CURRENT ROW"}, {"GROUP", "GROUP"}, {"TIES", "TIES"}};
    for (size_t i = 0; i < 3; i++)
        if (pf_str_equal(window->exclude, pf_str_from_cstr(EXCLUDES[i][0]))) {
            pf_buf_printf(printer->buf, " EXCLUDE %s", EXCLUDES[i][1]);
            return PF_OK;
        }
    PF_FAIL(err, PF_UNSUPPORTED, "plan: EXCLUDE %.*s", PF_STR_ARG(window->exclude));
}

enum pf_code print_window(struct expr_printer *printer, const struct pf_expr *expr, struct pf_error *err) {
    const struct pf_window *window = expr->window;
    PF_TRY(print_call(printer, expr, window->arg_sorts, window->arg_sort_count, err));
    PF_TRY(print_filter(printer, expr->filter, err));
    pf_buf_put_cstr(printer->buf, " OVER (");
    if (window->partition_count) {
        pf_buf_put_cstr(printer->buf, "PARTITION BY ");
        PF_TRY(print_exprs(printer, window->partitions, window->partition_count, err));
        if (window->sort_count) pf_buf_put_char(printer->buf, ' ');
    }
    if (window->sort_count) {
        pf_buf_put_cstr(printer->buf, "ORDER BY ");
        PF_TRY(print_sorts(printer, window->sorts, window->sort_count, err));
    }
    PF_TRY(print_frame(printer, window, err));
    pf_buf_put_char(printer->buf, ')');
    return PF_OK;
}
