/* SPDX-License-Identifier: MIT */
/* Expressions as values: compare, walk, substitute columns. */
#include "plan/plan.h"

#include <string.h>

const char *pf_expr_kind_name(enum pf_expr_kind kind) {
    static const char *const NAMES[] = {
#define X(name) #name,
        PF_EXPRS(X)
#undef X
    };
    return kind < PF_EXPR_KIND_COUNT ? NAMES[kind] : "?";
}

const char *pf_op_kind_name(enum pf_op_kind kind) {
    static const char *const NAMES[] = {
#define X(name) #name,
        PF_OPS(X)
#undef X
    };
    return kind < PF_OP_KIND_COUNT ? NAMES[kind] : "?";
}

const char *pf_join_kind_name(enum pf_join_kind kind) {
    static const char *const NAMES[] = {
#define X(name, sql) #name,
        PF_JOINS(X)
#undef X
    };
    return kind < PF_JOIN_KIND_COUNT ? NAMES[kind] : "?";
}

const char *pf_join_kind_sql(enum pf_join_kind kind) {
    static const char *const TEXTS[] = {
#define X(name, sql) sql,
        PF_JOINS(X)
#undef X
    };
    return kind < PF_JOIN_KIND_COUNT ? TEXTS[kind] : "?";
}

bool pf_sql_type_equal(const struct pf_sql_type *a, const struct pf_sql_type *b) {
    return a == b || (a && b && pf_str_equal(a->sql, b->sql));
}

pf_str pf_sql_type_null(const struct pf_sql_type *type, struct pf_arena *arena) {
    if (type->null_sql.len) return type->null_sql;
    return pf_arena_printf(arena, "CAST(NULL AS %.*s)", PF_STR_ARG(type->sql));
}

int pf_sql_type_bytes(const struct pf_sql_type *type) {
    static const struct {
        const char *id;
        int bytes;
    } WIDTHS[] = {{"BOOLEAN", 1},  {"TINYINT", 1},   {"UTINYINT", 1}, {"SMALLINT", 2},  {"USMALLINT", 2},
                  {"INTEGER", 4},  {"UINTEGER", 4},  {"FLOAT", 4},    {"DATE", 4},      {"ENUM", 2},
                  {"HUGEINT", 16}, {"UHUGEINT", 16}, {"UUID", 16},    {"INTERVAL", 16}, {"VARCHAR", 24},
                  {"BLOB", 32},    {"LIST", 64},     {"MAP", 64},     {"STRUCT", 48},   {"ARRAY", 64}};
    if (!type) return 8;
    if (pf_str_equal(type->id, PF_STR("DECIMAL"))) return type->width > 18 ? 16 : type->width > 9 ? 8 : 4;
    for (size_t i = 0; i < sizeof WIDTHS / sizeof *WIDTHS; i++)
        if (pf_str_equal(type->id, pf_str_from_cstr(WIDTHS[i].id))) return WIDTHS[i].bytes;
    return 8;
}

static bool exprs_equal(const struct pf_expr *const *a, const struct pf_expr *const *b, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (!pf_expr_equal(a[i], b[i])) return false;
    return true;
}

static bool sorts_equal(const struct pf_sort *a, const struct pf_sort *b, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (a[i].is_descending != b[i].is_descending || a[i].nulls_first != b[i].nulls_first ||
            !pf_expr_equal(a[i].expr, b[i].expr))
            return false;
    return true;
}

bool pf_expr_equal(const struct pf_expr *a, const struct pf_expr *b) {
    if (a == b) return true;
    if (!a || !b || a->kind != b->kind || a->arg_count != b->arg_count || a->column != b->column ||
        a->is_null != b->is_null || a->is_negated != b->is_negated || a->is_try != b->is_try ||
        a->is_distinct != b->is_distinct || a->is_unread != b->is_unread || a->lower_inclusive != b->lower_inclusive ||
        a->upper_inclusive != b->upper_inclusive || a->sort_count != b->sort_count ||
        a->lambda_parameter_count != b->lambda_parameter_count)
        return false;
    /* Two window calls are never taken for one: their frames would have to be compared too. */
    if (a->window || b->window) return false;
    return pf_sql_type_equal(a->type, b->type) && pf_str_equal(a->name, b->name) && pf_str_equal(a->text, b->text) &&
           pf_str_equal(a->sql, b->sql) && exprs_equal(a->args, b->args, a->arg_count) &&
           pf_expr_equal(a->filter, b->filter) && sorts_equal(a->sorts, b->sorts, a->sort_count) &&
           pf_expr_equal(a->lambda, b->lambda);
}

typedef void visit_fn(void *context, const struct pf_expr *expr);

static void walk_sorts(const struct pf_sort *sorts, uint32_t count, visit_fn *visit, void *context) {
    for (uint32_t i = 0; i < count; i++) pf_expr_walk(sorts[i].expr, visit, context);
}

void pf_expr_walk(const struct pf_expr *expr, visit_fn *visit, void *context) {
    if (!expr) return;
    visit(context, expr);
    for (uint32_t i = 0; i < expr->arg_count; i++) pf_expr_walk(expr->args[i], visit, context);
    pf_expr_walk(expr->filter, visit, context);
    walk_sorts(expr->sorts, expr->sort_count, visit, context);
    pf_expr_walk(expr->lambda, visit, context);
    const struct pf_window *window = expr->window;
    if (!window) return;
    for (uint32_t i = 0; i < window->partition_count; i++) pf_expr_walk(window->partitions[i], visit, context);
    walk_sorts(window->sorts, window->sort_count, visit, context);
    walk_sorts(window->arg_sorts, window->arg_sort_count, visit, context);
    pf_expr_walk(window->start_expr, visit, context);
    pf_expr_walk(window->end_expr, visit, context);
    pf_expr_walk(window->offset, visit, context);
    pf_expr_walk(window->fallback, visit, context);
}

static void visit_one(const struct pf_expr *expr, visit_fn *visit, void *context) {
    if (expr) visit(context, expr);
}

void pf_op_visit_exprs(const struct pf_op *op, visit_fn *visit, void *context) {
    for (uint32_t i = 0; i < op->expr_count; i++) visit_one(op->exprs[i], visit, context);
    for (uint32_t i = 0; i < op->group_count; i++) visit_one(op->groups[i], visit, context);
    for (uint32_t i = 0; i < op->sort_count; i++) visit_one(op->sorts[i].expr, visit, context);
    visit_one(op->limit.count_expr, visit, context);
    visit_one(op->limit.offset_expr, visit, context);
    if (!op->join) return;
    for (uint32_t i = 0; i < op->join->condition_count; i++) {
        visit_one(op->join->conditions[i].left, visit, context);
        visit_one(op->join->conditions[i].right, visit, context);
    }
    visit_one(op->join->residual, visit, context);
}

/* Only expressions without aggregates and windows: those that may move through projections. */
const struct pf_expr *pf_expr_substitute(const struct pf_expr *expr, const struct pf_expr *const *columns,
                                         uint32_t column_count, struct pf_arena *arena) {
    if (expr->kind == PF_EXPR_COLUMN) return expr->column < column_count ? columns[expr->column] : NULL;
    if (expr->kind == PF_EXPR_AGGREGATE || expr->kind == PF_EXPR_WINDOW || expr->kind == PF_EXPR_UNNEST) return NULL;
    if (!expr->arg_count) return expr;
    struct pf_expr *copy = PF_ARENA_NEW(arena, struct pf_expr);
    *copy = *expr;
    copy->args = PF_ARENA_ARRAY(arena, const struct pf_expr *, expr->arg_count);
    for (uint32_t i = 0; i < expr->arg_count; i++) {
        copy->args[i] = pf_expr_substitute(expr->args[i], columns, column_count, arena);
        if (!copy->args[i]) return NULL;
    }
    return copy;
}

static void note_volatile(void *context, const struct pf_expr *expr) {
    static const char *const NAMES[] = {"random",  "uuid",    "gen_random_uuid", "uuidv4",  "uuidv7",
                                        "nextval", "currval", "setseed",         "sleep_ms"};
    bool *is_volatile = context;
    if (expr->kind != PF_EXPR_FUNCTION) return;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (pf_str_equal_nocase(expr->name, pf_str_from_cstr(NAMES[i]))) *is_volatile = true;
}

bool pf_expr_is_volatile(const struct pf_expr *expr) {
    bool is_volatile = false;
    pf_expr_walk(expr, note_volatile, &is_volatile);
    return is_volatile;
}

const struct pf_expr *pf_expr_column(struct pf_arena *arena, uint32_t column, const struct pf_sql_type *type) {
    struct pf_expr *expr = PF_ARENA_NEW(arena, struct pf_expr);
    expr->kind = PF_EXPR_COLUMN;
    expr->column = column;
    expr->type = type;
    return expr;
}

const struct pf_expr *pf_expr_template(struct pf_arena *arena, const struct pf_sql_type *type, const char *sql,
                                       const struct pf_expr *const *args, uint32_t arg_count) {
    struct pf_expr *expr = PF_ARENA_NEW(arena, struct pf_expr);
    expr->kind = PF_EXPR_TEMPLATE;
    expr->type = type;
    expr->name = pf_arena_str(arena, pf_str_from_cstr(sql));
    expr->args = PF_ARENA_ARRAY(arena, const struct pf_expr *, arg_count);
    if (arg_count) memcpy(expr->args, args, arg_count * sizeof *args);
    expr->arg_count = arg_count;
    return expr;
}

const struct pf_sql_type *pf_sql_type_simple(struct pf_arena *arena, const char *sql) {
    struct pf_sql_type *type = PF_ARENA_NEW(arena, struct pf_sql_type);
    type->id = type->sql = pf_arena_str(arena, pf_str_from_cstr(sql));
    return type;
}
