/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "plan/plan.h"
#include "support/test.h"

static const struct pf_expr *add(struct pf_arena *arena, const struct pf_expr *left, const struct pf_expr *right) {
    struct pf_expr *expr = PF_ARENA_NEW(arena, struct pf_expr);
    *expr = (struct pf_expr){.kind = PF_EXPR_FUNCTION, .name = PF_STR("+"), .type = left->type, .arg_count = 2};
    expr->args = PF_ARENA_ARRAY(arena, const struct pf_expr *, 2);
    expr->args[0] = left;
    expr->args[1] = right;
    return expr;
}

static const struct pf_expr *call(struct pf_arena *arena, pf_str name) {
    struct pf_expr *expr = PF_ARENA_NEW(arena, struct pf_expr);
    *expr = (struct pf_expr){.kind = PF_EXPR_FUNCTION, .name = name, .type = pf_sql_type_simple(arena, "DOUBLE")};
    return expr;
}

static pf_str text_of(struct pf_arena *arena, const struct pf_expr *expr) {
    struct pf_buf buf;
    pf_buf_init(&buf, 1000);
    pf_expr_print(expr, &buf);
    pf_str text = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return text;
}

TEST(compares_expressions_by_value_and_type) {
    const struct pf_sql_type *bigint = pf_sql_type_simple(test->arena, "BIGINT");
    const struct pf_sql_type *integer = pf_sql_type_simple(test->arena, "INTEGER");
    const struct pf_expr *a = pf_expr_column(test->arena, 1, bigint), *b = pf_expr_column(test->arena, 1, bigint);
    CHECK_TRUE(pf_expr_equal(a, b));
    CHECK_TRUE(pf_expr_equal(add(test->arena, a, b), add(test->arena, b, a)));
    CHECK_FALSE(pf_expr_equal(a, pf_expr_column(test->arena, 2, bigint)));
    CHECK_FALSE(pf_expr_equal(a, pf_expr_column(test->arena, 1, integer)));
    CHECK_FALSE(pf_expr_equal(a, NULL));
}

TEST(replaces_columns_by_expressions) {
    const struct pf_sql_type *bigint = pf_sql_type_simple(test->arena, "BIGINT");
    const struct pf_expr *columns[] = {pf_expr_column(test->arena, 7, bigint), NULL};
    const struct pf_expr *first = pf_expr_column(test->arena, 0, bigint),
                         *second = pf_expr_column(test->arena, 1, bigint);
    const struct pf_expr *sum = pf_expr_substitute(add(test->arena, first, first), columns, 2, test->arena);
    CHECK_STR(text_of(test->arena, sum), "+(#7, #7)");
    CHECK_NULL(pf_expr_substitute(add(test->arena, first, second), columns, 2, test->arena));
    CHECK_NULL(pf_expr_substitute(pf_expr_column(test->arena, 5, bigint), columns, 2, test->arena));
}

TEST(knows_calls_that_give_another_value_each_time) {
    CHECK_TRUE(pf_expr_is_volatile(call(test->arena, PF_STR("random"))));
    CHECK_TRUE(
        pf_expr_is_volatile(add(test->arena, call(test->arena, PF_STR("pi")), call(test->arena, PF_STR("UUID")))));
    CHECK_FALSE(pf_expr_is_volatile(call(test->arena, PF_STR("pi"))));
}

TEST(estimates_widths_from_types) {
    struct pf_sql_type narrow = {.id = PF_STR("DECIMAL"), .width = 9}, wide = {.id = PF_STR("DECIMAL"), .width = 38};
    CHECK_INT(pf_sql_type_bytes(&narrow), 4);
    CHECK_INT(pf_sql_type_bytes(&wide), 16);
    CHECK_INT(pf_sql_type_bytes(pf_sql_type_simple(test->arena, "BOOLEAN")), 1);
    CHECK_INT(pf_sql_type_bytes(NULL), 8);
}

TEST(names_every_kind) {
    for (int kind = 0; kind < PF_OP_KIND_COUNT; kind++) CHECK_NOT_NULL(pf_op_kind_name((enum pf_op_kind)kind));
    for (int kind = 0; kind < PF_EXPR_KIND_COUNT; kind++) CHECK_NOT_NULL(pf_expr_kind_name((enum pf_expr_kind)kind));
    CHECK_STR(pf_join_kind_name(PF_JOIN_RIGHT_SEMI), "RIGHT_SEMI");
    CHECK_STR(pf_join_kind_sql(PF_JOIN_LEFT), "LEFT JOIN");
}
