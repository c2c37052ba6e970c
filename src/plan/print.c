/* SPDX-License-Identifier: MIT */
/* Plans as text for tests and people: one line per operator. SQL is printed by the planner. */
#include "plan/plan.h"

#include "base/buf.h"

static void print_list(const struct pf_expr *const *exprs, uint32_t count, struct pf_buf *out) {
    for (uint32_t i = 0; i < count; i++) {
        if (i) pf_buf_put_cstr(out, ", ");
        pf_expr_print(exprs[i], out);
    }
}

static void print_call(const char *name, const struct pf_expr *expr, struct pf_buf *out) {
    pf_buf_printf(out, "%s(", name);
    if (expr->is_distinct) pf_buf_put_cstr(out, "DISTINCT ");
    print_list(expr->args, expr->arg_count, out);
    pf_buf_put_char(out, ')');
    if (expr->filter) {
        pf_buf_put_cstr(out, " FILTER ");
        pf_expr_print(expr->filter, out);
    }
}

void pf_expr_print(const struct pf_expr *expr, struct pf_buf *out) {
    switch (expr->kind) {
    case PF_EXPR_COLUMN: pf_buf_printf(out, "#%u", expr->column); return;
    case PF_EXPR_LAMBDA_REF: pf_buf_printf(out, "$%u", expr->column); return;
    case PF_EXPR_CONSTANT:
        if (expr->is_null)
            pf_buf_put_cstr(out, "NULL");
        else if (expr->sql.len)
            pf_buf_put_str(out, expr->sql);
        else
            pf_buf_printf(out, "'%.*s'", PF_STR_ARG(expr->text));
        return;
    case PF_EXPR_CAST:
        print_list(expr->args, expr->arg_count, out);
        pf_buf_printf(out, "::%.*s", PF_STR_ARG(expr->type->sql));
        return;
    case PF_EXPR_COMPARE:
        pf_buf_put_char(out, '(');
        pf_expr_print(expr->args[0], out);
        pf_buf_printf(out, " %.*s ", PF_STR_ARG(expr->name));
        pf_expr_print(expr->args[1], out);
        pf_buf_put_char(out, ')');
        return;
    case PF_EXPR_FUNCTION:
    case PF_EXPR_AGGREGATE:
    case PF_EXPR_WINDOW: {
        char name[64];
        pf_str shown = pf_str_slice(expr->name, 0, sizeof name - 1);
        for (size_t i = 0; i < shown.len; i++) name[i] = shown.ptr[i];
        name[shown.len] = 0;
        print_call(name, expr, out);
        return;
    }
    default: print_call(pf_expr_kind_name(expr->kind), expr, out);
    }
}

static void print_details(const struct pf_op *op, struct pf_buf *out) {
    if (op->scan_name.len) pf_buf_printf(out, " %.*s", PF_STR_ARG(op->scan_name));
    if (op->join) {
        pf_buf_printf(out, " %s%s", op->join->is_asof ? "ASOF " : "", pf_join_kind_name(op->join->kind));
        for (uint32_t i = 0; i < op->join->condition_count; i++) {
            pf_buf_put_cstr(out, i ? " AND " : " ON ");
            pf_expr_print(op->join->conditions[i].left, out);
            pf_buf_printf(out, " %.*s ", PF_STR_ARG(op->join->conditions[i].op));
            pf_expr_print(op->join->conditions[i].right, out);
        }
        if (op->join->residual) {
            pf_buf_put_cstr(out, " RESIDUAL ");
            pf_expr_print(op->join->residual, out);
        }
    }
    if (op->group_count) {
        pf_buf_put_cstr(out, " BY ");
        print_list(op->groups, op->group_count, out);
    }
    if (op->grouping_set_count) pf_buf_printf(out, " SETS %u", op->grouping_set_count);
    if (op->expr_count) {
        pf_buf_put_cstr(out, " [");
        print_list(op->exprs, op->expr_count, out);
        pf_buf_put_char(out, ']');
    }
    for (uint32_t i = 0; i < op->sort_count; i++) {
        pf_buf_put_cstr(out, i ? ", " : " ORDER ");
        pf_expr_print(op->sorts[i].expr, out);
        if (op->sorts[i].is_descending) pf_buf_put_cstr(out, " DESC");
    }
    if (op->kind == PF_OP_LIMIT)
        pf_buf_printf(out, " LIMIT %lld OFFSET %lld", (long long)op->limit.count, (long long)op->limit.offset);
    if (op->kind == PF_OP_DATASET) {
        pf_buf_printf(out, " of stage %d", op->dataset_stage_id);
        if (op->dataset) pf_buf_printf(out, " x%d", op->dataset->partition_count);
    }
    if (op->kind == PF_OP_CTE || op->kind == PF_OP_CTE_REF || op->kind == PF_OP_RECURSIVE)
        pf_buf_printf(out, " %d", op->cte_index);
}

static void print_op(const struct pf_op *op, int depth, struct pf_buf *out) {
    pf_buf_printf(out, "%*s%s", depth * 2, "", pf_op_kind_name(op->kind));
    print_details(op, out);
    pf_buf_printf(out, " -> %u columns, %.0f rows\n", op->column_count, op->rows);
    for (uint32_t i = 0; i < op->child_count; i++) print_op(op->children[i], depth + 1, out);
}

void pf_op_print(const struct pf_op *op, struct pf_buf *out) {
    print_op(op, 0, out);
}
