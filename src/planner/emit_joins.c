/* SPDX-License-Identifier: MIT */
/* Joins as SQL. MARK and SINGLE have no join syntax: they become IN, ANY and EXISTS, and a guarded LEFT JOIN. */
#include "planner/emit_sql.h"

#include <string.h>

struct join_parts {
    const struct pf_op *op;
    struct block sides[2];
    pf_str *both; /* columns of the left, then of the right side */
    uint32_t both_count;
};

/* A side as one FROM item, or as a chain of joins where it comes first. */
static void make_item(struct emitter *emitter, struct block *side, bool may_be_join) {
    if (side->with.len || side->where.len || side->is_closed || !side->is_plain || (side->is_join && !may_be_join) ||
        !side->from.len)
        block_wrap(emitter, side);
}

static enum pf_code emit_sides(struct emitter *emitter, const struct pf_op *op, const bool *need,
                               struct join_parts *parts, struct pf_error *err) {
    parts->op = op;
    for (uint32_t i = 0; i < 2; i++) {
        bool *child_need = PF_ARENA_ARRAY(emitter->arena, bool, op->children[i]->column_count);
        need_child(op, i, need, child_need);
        PF_TRY(emit_op(emitter, op->children[i], child_need, &parts->sides[i], err));
    }
    return PF_OK;
}

static void join_columns(struct emitter *emitter, struct join_parts *parts) {
    uint32_t left = parts->sides[0].column_count, right = parts->sides[1].column_count;
    parts->both = PF_ARENA_ARRAY(emitter->arena, pf_str, left + right);
    parts->both_count = left + right;
    for (uint32_t i = 0; i < left; i++) parts->both[i] = parts->sides[0].columns[i];
    for (uint32_t i = 0; i < right; i++) parts->both[left + i] = parts->sides[1].columns[i];
}

static enum pf_code emit_condition(struct emitter *emitter, const struct join_parts *parts,
                                   const struct pf_join_condition *condition, pf_str *out_sql, struct pf_error *err) {
    pf_str left, right;
    PF_TRY(emit_expr(emitter, condition->left, parts->sides[0].columns, parts->sides[0].column_count, &left, err));
    PF_TRY(emit_expr(emitter, condition->right, parts->sides[1].columns, parts->sides[1].column_count, &right, err));
    *out_sql = pf_arena_printf(emitter->arena, "%.*s %.*s %.*s", PF_STR_ARG(left), PF_STR_ARG(condition->op),
                               PF_STR_ARG(right));
    return PF_OK;
}

/* Of a MARK join: decides between false and NULL; the others say which rows are compared with. */
static bool is_value_condition(const struct pf_join_condition *condition) {
    return !pf_str_equal(condition->op, PF_STR("IS NOT DISTINCT FROM"));
}

/* All conditions and the residual, joined by AND; "true" if there are none. */
static enum pf_code emit_on(struct emitter *emitter, const struct join_parts *parts, bool without_values,
                            pf_str *out_sql, struct pf_error *err) {
    const struct pf_join *join = parts->op->join;
    pf_str *texts = PF_ARENA_ARRAY(emitter->arena, pf_str, join->condition_count + 1);
    for (uint32_t i = 0; i < join->condition_count; i++)
        if (!without_values || !is_value_condition(&join->conditions[i]))
            PF_TRY(emit_condition(emitter, parts, &join->conditions[i], &texts[i], err));
    if (join->residual)
        PF_TRY(emit_expr(emitter, join->residual, parts->both, parts->both_count, &texts[join->condition_count], err));
    *out_sql = join_texts(emitter->arena, texts, join->condition_count + 1, " AND ");
    if (!out_sql->len) *out_sql = PF_STR("true");
    return PF_OK;
}

static void take_columns(struct block *block, const pf_str *columns, uint32_t count, const bool *need) {
    for (uint32_t i = 0; i < count && i < block->column_count; i++)
        if (need[i]) block->columns[i] = columns[i];
}

static enum pf_code emit_plain_join(struct emitter *emitter, struct join_parts *parts, const bool *need,
                                    struct block *block, struct pf_error *err) {
    const struct pf_join *join = parts->op->join;
    bool is_swapped = join->kind == PF_JOIN_RIGHT_SEMI || join->kind == PF_JOIN_RIGHT_ANTI;
    struct block *first = &parts->sides[is_swapped], *second = &parts->sides[!is_swapped];
    make_item(emitter, first, true);
    make_item(emitter, second, false);
    join_columns(emitter, parts);
    pf_str on;
    PF_TRY(emit_on(emitter, parts, false, &on, err));
    bool is_cross = join->kind == PF_JOIN_INNER && !join->condition_count && !join->residual;
    if (is_cross || join->kind == PF_JOIN_POSITIONAL)
        block->from = pf_arena_printf(emitter->arena, "%.*s %s %.*s", PF_STR_ARG(first->from),
                                      is_cross ? "CROSS JOIN" : "POSITIONAL JOIN", PF_STR_ARG(second->from));
    else
        block->from = pf_arena_printf(emitter->arena, "%.*s %s%s %.*s ON %.*s", PF_STR_ARG(first->from),
                                      join->is_asof ? "ASOF " : "", pf_join_kind_sql(join->kind),
                                      PF_STR_ARG(second->from), PF_STR_ARG(on));
    block->is_join = true;
    bool is_one_sided = is_swapped || join->kind == PF_JOIN_SEMI || join->kind == PF_JOIN_ANTI;
    if (is_one_sided)
        take_columns(block, first->columns, first->column_count, need);
    else
        take_columns(block, parts->both, parts->both_count, need);
    return PF_OK;
}

/* ---- MARK ---- */

/* No value: EXISTS. Several: (a, b) IN (SELECT x, y ...). */
static enum pf_code emit_mark_values(struct emitter *emitter, const struct join_parts *parts, pf_str out_texts[2],
                                     pf_str *out_op, struct pf_error *err) {
    const struct pf_join *join = parts->op->join;
    uint32_t count = 0;
    pf_str *texts[2] = {PF_ARENA_ARRAY(emitter->arena, pf_str, join->condition_count),
                        PF_ARENA_ARRAY(emitter->arena, pf_str, join->condition_count)};
    for (uint32_t i = 0; i < join->condition_count; i++) {
        const struct pf_join_condition *condition = &join->conditions[i];
        if (!is_value_condition(condition)) continue;
        for (int side = 0; side < 2; side++)
            PF_TRY(emit_expr(emitter, side ? condition->right : condition->left, parts->sides[side].columns,
                             parts->sides[side].column_count, &texts[side][count], err));
        *out_op = condition->op;
        count++;
        if (count > 1 && !pf_str_equal(condition->op, PF_STR("=")))
            PF_FAIL(err, PF_UNSUPPORTED, "plan: a MARK join on several values");
    }
    for (int side = 0; side < 2; side++) out_texts[side] = join_texts(emitter->arena, texts[side], count, ", ");
    if (count > 1) out_texts[0] = pf_arena_printf(emitter->arena, "(%.*s)", PF_STR_ARG(out_texts[0]));
    return PF_OK;
}

static enum pf_code emit_mark(struct emitter *emitter, struct join_parts *parts, const bool *need, struct block *block,
                              struct pf_error *err) {
    struct block *left = &parts->sides[0], *right = &parts->sides[1];
    make_item(emitter, left, true);
    if (right->is_closed || !right->is_plain || right->with.len) block_wrap(emitter, right);
    join_columns(emitter, parts);
    *block = (struct block){
        .from = left->from, .is_join = left->is_join, .columns = block->columns, .column_count = block->column_count};
    take_columns(block, left->columns, left->column_count, need);
    if (!need[left->column_count]) {
        block->is_plain = true;
        return PF_OK;
    }
    pf_str on;
    PF_TRY(emit_on(emitter, parts, true, &on, err));
    pf_str conditions[2] = {right->where, pf_str_equal(on, PF_STR("true")) ? PF_STR_EMPTY : on};
    pf_str where = join_texts(emitter->arena, conditions, 2, " AND ");
    if (where.len) where = pf_arena_printf(emitter->arena, " WHERE %.*s", PF_STR_ARG(where));
    pf_str *mark = &block->columns[left->column_count];
    pf_str texts[2], op = PF_STR_EMPTY;
    PF_TRY(emit_mark_values(emitter, parts, texts, &op, err));
    bool is_equal = pf_str_equal(op, PF_STR("="));
    if (!op.len)
        *mark = pf_arena_printf(emitter->arena, "EXISTS (SELECT 1 FROM %.*s%.*s)", PF_STR_ARG(right->from),
                                PF_STR_ARG(where));
    else
        *mark = pf_arena_printf(emitter->arena, "(%.*s %.*s%s (SELECT %.*s FROM %.*s%.*s))", PF_STR_ARG(texts[0]),
                                PF_STR_ARG(is_equal ? PF_STR("IN") : op), is_equal ? "" : " ANY", PF_STR_ARG(texts[1]),
                                PF_STR_ARG(right->from), PF_STR_ARG(where));
    return PF_OK;
}

/* ---- SINGLE ---- */

static bool is_equality(pf_str op) {
    return pf_str_equal(op, PF_STR("=")) || pf_str_equal(op, PF_STR("IS NOT DISTINCT FROM"));
}

#define TOO_MANY_ROWS                                                                                                  \
    "More than one row returned by a subquery used as an expression - scalar subqueries can only return a single row."

/* The right side, one row per key, with the number of rows behind it. */
static enum pf_code group_right(struct emitter *emitter, struct join_parts *parts, pf_str *out_item, pf_str alias,
                                struct pf_error *err) {
    const struct pf_join *join = parts->op->join;
    struct block *right = &parts->sides[1];
    if (right->is_closed || !right->is_plain) block_wrap(emitter, right);
    uint32_t key_count = join->condition_count;
    pf_str *parts_sql = PF_ARENA_ARRAY(emitter->arena, pf_str, key_count + right->column_count + 1);
    pf_str *keys = PF_ARENA_ARRAY(emitter->arena, pf_str, key_count);
    for (uint32_t i = 0; i < key_count; i++) {
        PF_TRY(emit_expr(emitter, join->conditions[i].right, right->columns, right->column_count, &keys[i], err));
        parts_sql[i] = pf_arena_printf(emitter->arena, "%.*s AS k%u", PF_STR_ARG(keys[i]), i);
    }
    for (uint32_t i = 0; i < right->column_count; i++)
        if (right->columns[i].len)
            parts_sql[key_count + i] =
                pf_arena_printf(emitter->arena, "first(%.*s) AS c%u", PF_STR_ARG(right->columns[i]), i);
    parts_sql[key_count + right->column_count] = PF_STR("count(*) AS matches");
    pf_str list = join_texts(emitter->arena, parts_sql, key_count + right->column_count + 1, ", ");
    pf_str by = join_texts(emitter->arena, keys, key_count, ", ");
    *out_item =
        pf_arena_printf(emitter->arena, "(%.*sSELECT %.*s FROM %.*s%s%.*s%s%.*s) AS %.*s", PF_STR_ARG(right->with),
                        PF_STR_ARG(list), PF_STR_ARG(right->from), right->where.len ? " WHERE " : "",
                        PF_STR_ARG(right->where), key_count ? " GROUP BY " : "", PF_STR_ARG(by), PF_STR_ARG(alias));
    return PF_OK;
}

static enum pf_code emit_single(struct emitter *emitter, struct join_parts *parts, const bool *need,
                                struct block *block, struct pf_error *err) {
    const struct pf_join *join = parts->op->join;
    struct block *left = &parts->sides[0];
    for (uint32_t i = 0; i < join->condition_count; i++)
        if (!is_equality(join->conditions[i].op)) PF_FAIL(err, PF_UNSUPPORTED, "plan: a SINGLE join not on equality");
    if (join->residual) PF_FAIL(err, PF_UNSUPPORTED, "plan: a SINGLE join with a residual");
    make_item(emitter, left, true);
    pf_str alias = new_alias(emitter), item;
    PF_TRY(group_right(emitter, parts, &item, alias, err));
    pf_str *on = PF_ARENA_ARRAY(emitter->arena, pf_str, join->condition_count + 1);
    for (uint32_t i = 0; i < join->condition_count; i++) {
        pf_str text;
        PF_TRY(emit_expr(emitter, join->conditions[i].left, left->columns, left->column_count, &text, err));
        on[i] = pf_arena_printf(emitter->arena, "%.*s %.*s %.*s.k%u", PF_STR_ARG(text),
                                PF_STR_ARG(join->conditions[i].op), PF_STR_ARG(alias), i);
    }
    pf_str on_text = join_texts(emitter->arena, on, join->condition_count, " AND ");
    block->from = pf_arena_printf(emitter->arena, "%.*s LEFT JOIN %.*s ON %.*s", PF_STR_ARG(left->from),
                                  PF_STR_ARG(item), PF_STR_ARG(on_text.len ? on_text : PF_STR("true")));
    block->is_join = true;
    take_columns(block, left->columns, left->column_count, need);
    const struct pf_op *right_op = parts->op->children[1];
    for (uint32_t i = 0; i < right_op->column_count; i++) {
        if (!need[left->column_count + i]) continue;
        block->is_plain = false;
        block->columns[left->column_count + i] = pf_arena_printf(
            emitter->arena,
            "CASE WHEN %.*s.matches > 1 THEN CAST(error('" TOO_MANY_ROWS "') AS %.*s) ELSE %.*s.c%u END",
            PF_STR_ARG(alias), PF_STR_ARG(right_op->types[i]->sql), PF_STR_ARG(alias), i);
    }
    return PF_OK;
}

enum pf_code emit_join(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block,
                       struct pf_error *err) {
    struct join_parts parts = {0};
    PF_TRY(emit_sides(emitter, op, need, &parts, err));
    block_init(emitter, block, op->column_count);
    if (op->join->kind == PF_JOIN_MARK) return emit_mark(emitter, &parts, need, block, err);
    if (op->join->kind == PF_JOIN_SINGLE) return emit_single(emitter, &parts, need, block, err);
    return emit_plain_join(emitter, &parts, need, block, err);
}
