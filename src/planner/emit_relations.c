/* SPDX-License-Identifier: MIT */
/* Operators over one or more inputs as blocks. Leaves: emit_leaves.c, joins: emit_joins.c. */
#include "planner/emit_sql.h"

#include <string.h>

static enum pf_code emit_child(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block,
                               struct pf_error *err) {
    bool *child_need = PF_ARENA_ARRAY(emitter->arena, bool, op->children[0]->column_count);
    need_child(op, 0, need, child_need);
    return emit_op(emitter, op->children[0], child_need, block, err);
}

/* The child as a block whose columns are names and that takes more clauses. */
static enum pf_code emit_open_child(struct emitter *emitter, const struct pf_op *op, const bool *need,
                                    struct block *block, struct pf_error *err) {
    PF_TRY(emit_child(emitter, op, need, block, err));
    if (block->is_closed || !block->is_plain) block_wrap(emitter, block);
    return PF_OK;
}

static enum pf_code emit_filter(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block,
                                struct pf_error *err) {
    size_t first_input = emitter->input_count;
    PF_TRY(emit_open_child(emitter, op, need, block, err));
    pf_str *texts = PF_ARENA_ARRAY(emitter->arena, pf_str, op->expr_count + 1);
    texts[0] = block->where;
    for (uint32_t i = 0; i < op->expr_count; i++)
        PF_TRY(emit_expr(emitter, op->exprs[i], block->columns, block->column_count, &texts[i + 1], err));
    block->where = join_texts(emitter->arena, texts, op->expr_count + 1, " AND ");
    if (op->children[0]->kind == PF_OP_SCAN && emitter->is_fragment && first_input < emitter->input_count)
        add_predicates(emitter, op->children[0], op, &emitter->inputs[first_input]);
    for (uint32_t i = 0; i < block->column_count; i++)
        if (!need[i]) block->columns[i] = PF_STR_EMPTY;
    return PF_OK;
}

static enum pf_code emit_project(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block,
                                 struct pf_error *err) {
    bool only_columns = true;
    for (uint32_t i = 0; i < op->expr_count; i++)
        if (need[i] && op->exprs[i]->kind != PF_EXPR_COLUMN) only_columns = false;
    PF_TRY(emit_child(emitter, op, need, block, err));
    if (block->distinct.len || (!only_columns && (block->is_closed || !block->is_plain))) block_wrap(emitter, block);
    pf_str *columns = PF_ARENA_ARRAY(emitter->arena, pf_str, op->expr_count);
    for (uint32_t i = 0; i < op->expr_count; i++)
        if (need[i]) PF_TRY(emit_expr(emitter, op->exprs[i], block->columns, block->column_count, &columns[i], err));
    block->columns = columns;
    block->column_count = op->expr_count;
    block->is_plain = block->is_plain && only_columns;
    return PF_OK;
}

/* GROUP BY 1, 2 or GROUPING SETS ((a, b), (a), ()). */
static pf_str group_clause(struct emitter *emitter, const struct pf_op *op, const pf_str *groups) {
    struct pf_arena *arena = emitter->arena;
    if (!op->grouping_set_count) {
        if (!op->group_count) return PF_STR_EMPTY;
        return pf_arena_printf(arena, " GROUP BY %.*s", PF_STR_ARG(join_texts(arena, groups, op->group_count, ", ")));
    }
    pf_str *sets = PF_ARENA_ARRAY(arena, pf_str, op->grouping_set_count);
    pf_str *members = PF_ARENA_ARRAY(arena, pf_str, op->group_count);
    for (uint32_t s = 0; s < op->grouping_set_count; s++) {
        uint32_t count = 0;
        for (uint32_t g = 0; g < op->group_count; g++)
            if (op->grouping_sets[s] >> g & 1) members[count++] = groups[g];
        sets[s] = pf_arena_printf(arena, "(%.*s)", PF_STR_ARG(join_texts(arena, members, count, ", ")));
    }
    return pf_arena_printf(arena, " GROUP BY GROUPING SETS (%.*s)",
                           PF_STR_ARG(join_texts(arena, sets, op->grouping_set_count, ", ")));
}

static bool has_equal_texts(const pf_str *texts, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = i + 1; k < count; k++)
            if (pf_str_equal(texts[i], texts[k])) return true;
    return false;
}

/* GROUPING SETS ((a, a), (a)) would be taken for ((a), (a)): groups with equal texts get names of their own. */
static void name_groups(struct emitter *emitter, struct block *block, pf_str *groups, uint32_t group_count) {
    uint32_t own = block->column_count;
    pf_str *columns = PF_ARENA_ARRAY(emitter->arena, pf_str, own + group_count);
    memcpy(columns, block->columns, own * sizeof *columns);
    memcpy(columns + own, groups, group_count * sizeof *columns);
    block->columns = columns;
    block->column_count = own + group_count;
    block_wrap(emitter, block);
    memcpy(groups, block->columns + own, group_count * sizeof *groups);
    block->column_count = own;
}

static enum pf_code emit_aggregate(struct emitter *emitter, const struct pf_op *op, const bool *need,
                                   struct block *block, struct pf_error *err) {
    PF_TRY(emit_open_child(emitter, op, need, block, err));
    pf_str *columns = PF_ARENA_ARRAY(emitter->arena, pf_str, op->column_count);
    pf_str *groups = PF_ARENA_ARRAY(emitter->arena, pf_str, op->group_count);
    for (uint32_t i = 0; i < op->group_count; i++) {
        PF_TRY(emit_expr(emitter, op->groups[i], block->columns, block->column_count, &groups[i], err));
        if (op->groups[i]->kind == PF_EXPR_CONSTANT) /* GROUP BY 1 would mean a column number */
            groups[i] = pf_arena_printf(emitter->arena, "(SELECT %.*s)", PF_STR_ARG(groups[i]));
    }
    if (op->grouping_set_count && has_equal_texts(groups, op->group_count))
        name_groups(emitter, block, groups, op->group_count);
    for (uint32_t i = 0; i < op->group_count; i++)
        if (need[i]) columns[i] = groups[i];
    for (uint32_t i = 0; i < op->expr_count; i++)
        if (need[op->group_count + i])
            PF_TRY(emit_expr(emitter, op->exprs[i], block->columns, block->column_count, &columns[op->group_count + i],
                             err));
    for (uint32_t i = 0; i < op->grouping_function_count; i++) {
        pf_str *args = PF_ARENA_ARRAY(emitter->arena, pf_str, op->grouping_lengths[i]);
        for (uint32_t g = 0; g < op->grouping_lengths[i]; g++) args[g] = groups[op->grouping_orders[i][g]];
        uint32_t column = op->group_count + op->expr_count + i;
        if (need[column])
            columns[column] =
                pf_arena_printf(emitter->arena, "grouping(%.*s)",
                                PF_STR_ARG(join_texts(emitter->arena, args, op->grouping_lengths[i], ", ")));
    }
    block->tail = group_clause(emitter, op, groups);
    bool has_aggregate = false;
    for (uint32_t i = op->group_count; i < op->column_count; i++) has_aggregate |= columns[i].len > 0;
    /* Without groups and needed aggregates there would be nothing that makes it one row. */
    if (!op->group_count && !has_aggregate) block->tail = PF_STR(" HAVING count(*) >= 0");
    block->columns = columns;
    block->column_count = op->column_count;
    block->is_plain = false;
    block->is_closed = true;
    return PF_OK;
}

static enum pf_code emit_distinct(struct emitter *emitter, const struct pf_op *op, const bool *need,
                                  struct block *block, struct pf_error *err) {
    PF_TRY(emit_open_child(emitter, op, need, block, err));
    block->distinct = PF_STR("DISTINCT ");
    if (op->expr_count) {
        pf_str *texts = PF_ARENA_ARRAY(emitter->arena, pf_str, op->expr_count);
        for (uint32_t i = 0; i < op->expr_count; i++)
            PF_TRY(emit_expr(emitter, op->exprs[i], block->columns, block->column_count, &texts[i], err));
        block->distinct = pf_arena_printf(emitter->arena, "DISTINCT ON (%.*s) ",
                                          PF_STR_ARG(join_texts(emitter->arena, texts, op->expr_count, ", ")));
    }
    if (op->sort_count) {
        pf_str sorts;
        PF_TRY(emit_sorts(emitter, op->sorts, op->sort_count, block->columns, block->column_count, &sorts, err));
        block->tail = pf_arena_printf(emitter->arena, " ORDER BY %.*s", PF_STR_ARG(sorts));
    }
    block->is_closed = true;
    return PF_OK;
}

/* WINDOW and UNNEST: the child's columns, then one per expression. */
static enum pf_code emit_extended(struct emitter *emitter, const struct pf_op *op, const bool *need,
                                  struct block *block, struct pf_error *err) {
    PF_TRY(emit_open_child(emitter, op, need, block, err));
    pf_str *columns = PF_ARENA_ARRAY(emitter->arena, pf_str, op->column_count);
    uint32_t own = op->column_count - op->expr_count;
    for (uint32_t i = 0; i < own; i++)
        if (need[i]) columns[i] = block->columns[i];
    for (uint32_t i = 0; i < op->expr_count; i++)
        if (need[own + i] || op->kind == PF_OP_UNNEST)
            PF_TRY(emit_expr(emitter, op->exprs[i], block->columns, block->column_count, &columns[own + i], err));
    block->columns = columns;
    block->column_count = op->column_count;
    block->is_plain = false;
    block->is_closed = true;
    if (op->kind == PF_OP_UNNEST) block_wrap(emitter, block); /* unnest() makes rows only at the top of a SELECT */
    return PF_OK;
}

/* LIMIT by an expression over the child: its value in the first row. */
static enum pf_code emit_limit_expr(struct emitter *emitter, const struct pf_op *op, const bool *need,
                                    struct block *block, struct pf_error *err) {
    struct block below;
    PF_TRY(emit_child(emitter, op, need, &below, err));
    pf_str name = pf_arena_printf(emitter->arena, "l%d", ++emitter->next_alias);
    pf_str select = block_select(emitter, &below), texts[2] = {PF_STR_EMPTY, PF_STR_EMPTY};
    pf_str *columns = PF_ARENA_ARRAY(emitter->arena, pf_str, below.column_count);
    for (uint32_t i = 0; i < below.column_count; i++)
        if (below.columns[i].len) columns[i] = pf_arena_printf(emitter->arena, "%.*s.c%u", PF_STR_ARG(name), i);
    const struct pf_expr *exprs[2] = {op->limit.count_expr, op->limit.offset_expr};
    for (int i = 0; i < 2; i++) {
        pf_str value;
        if (!exprs[i]) continue;
        PF_TRY(emit_expr(emitter, exprs[i], columns, below.column_count, &value, err));
        texts[i] = pf_arena_printf(emitter->arena, " %s (SELECT %.*s FROM %.*s LIMIT 1)", i ? "OFFSET" : "LIMIT",
                                   PF_STR_ARG(value), PF_STR_ARG(name));
    }
    if (!texts[0].len && op->limit.count >= 0)
        texts[0] = pf_arena_printf(emitter->arena, " LIMIT %lld", (long long)op->limit.count);
    if (!texts[1].len && op->limit.offset)
        texts[1] = pf_arena_printf(emitter->arena, " OFFSET %lld", (long long)op->limit.offset);
    block_init(emitter, block, op->column_count);
    block->with =
        pf_arena_printf(emitter->arena, "WITH %.*s AS MATERIALIZED (%.*s) ", PF_STR_ARG(name), PF_STR_ARG(select));
    block->from = name;
    block->tail = join_texts(emitter->arena, texts, 2, "");
    for (uint32_t i = 0; i < op->column_count; i++)
        if (need[i]) block->columns[i] = columns[i];
    block->is_closed = true;
    return PF_OK;
}

static enum pf_code emit_sorted(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block,
                                struct pf_error *err) {
    if (op->limit.count_expr || op->limit.offset_expr) return emit_limit_expr(emitter, op, need, block, err);
    PF_TRY(emit_open_child(emitter, op, need, block, err));
    pf_str texts[3] = {PF_STR_EMPTY, PF_STR_EMPTY, PF_STR_EMPTY};
    if (op->sort_count) {
        pf_str sorts;
        PF_TRY(emit_sorts(emitter, op->sorts, op->sort_count, block->columns, block->column_count, &sorts, err));
        texts[0] = pf_arena_printf(emitter->arena, " ORDER BY %.*s", PF_STR_ARG(sorts));
    }
    if (op->kind == PF_OP_LIMIT) {
        if (op->limit.percent >= 0)
            texts[1] = pf_arena_printf(emitter->arena, " LIMIT %.17g %%", op->limit.percent);
        else if (op->limit.count >= 0)
            texts[1] = pf_arena_printf(emitter->arena, " LIMIT %lld", (long long)op->limit.count);
        if (op->limit.offset) texts[2] = pf_arena_printf(emitter->arena, " OFFSET %lld", (long long)op->limit.offset);
    }
    block->tail = join_texts(emitter->arena, texts, 3, "");
    block->is_closed = true;
    for (uint32_t i = 0; i < block->column_count; i++)
        if (!need[i]) block->columns[i] = PF_STR_EMPTY;
    return PF_OK;
}

static enum pf_code emit_sample(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block,
                                struct pf_error *err) {
    PF_TRY(emit_child(emitter, op, need, block, err));
    block_wrap(emitter, block);
    block->tail = pf_arena_printf(emitter->arena, " USING SAMPLE %.*s", PF_STR_ARG(op->sample_text));
    block->is_closed = true;
    return PF_OK;
}

static uint32_t chosen_branch(const struct emitter *emitter, int op_id) {
    for (uint32_t i = 0; i < emitter->choice_count; i++)
        if (emitter->choices[i].op_id == op_id) return emitter->choices[i].branch;
    return UINT32_MAX;
}

static enum pf_code emit_set(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block,
                             struct pf_error *err) {
    const char *word = op->kind == PF_OP_UNION       ? " UNION ALL "
                       : op->kind == PF_OP_INTERSECT ? (op->is_all ? " INTERSECT ALL " : " INTERSECT ")
                                                     : (op->is_all ? " EXCEPT ALL " : " EXCEPT ");
    uint32_t chosen = op->kind == PF_OP_UNION ? chosen_branch(emitter, op->id) : UINT32_MAX;
    pf_str *texts = PF_ARENA_ARRAY(emitter->arena, pf_str, op->child_count);
    for (uint32_t i = 0; i < op->child_count; i++) {
        if (chosen != UINT32_MAX && i != chosen) continue;
        bool *child_need = PF_ARENA_ARRAY(emitter->arena, bool, op->children[i]->column_count);
        need_child(op, i, need, child_need);
        struct block child;
        PF_TRY(emit_op(emitter, op->children[i], child_need, &child, err));
        if (chosen != UINT32_MAX) {
            *block = child;
            return PF_OK;
        }
        texts[i] = pf_arena_printf(emitter->arena, "(%.*s)", PF_STR_ARG(block_select(emitter, &child)));
    }
    pf_str alias = new_alias(emitter), all = join_texts(emitter->arena, texts, op->child_count, word);
    block_init(emitter, block, op->column_count);
    block->from = pf_arena_printf(emitter->arena, "(%.*s) AS %.*s", PF_STR_ARG(all), PF_STR_ARG(alias));
    for (uint32_t i = 0; i < op->column_count; i++)
        if (need[i]) block->columns[i] = pf_arena_printf(emitter->arena, "%.*s.c%u", PF_STR_ARG(alias), i);
    return PF_OK;
}

static enum pf_code emit_cte(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block,
                             struct pf_error *err) {
    const struct pf_op *definition = op->children[0];
    bool *cte_need = PF_ARENA_ARRAY(emitter->arena, bool, definition->column_count);
    need_cte(op->children[1], need, op->cte_index, cte_need, emitter->arena);
    struct block below, body;
    PF_TRY(emit_op(emitter, definition, cte_need, &below, err));
    struct cte_name name = {.cte_index = op->cte_index,
                            .name = pf_arena_printf(emitter->arena, "w%d", ++emitter->next_alias),
                            .needed = cte_need,
                            .outer = emitter->ctes};
    emitter->ctes = &name;
    enum pf_code code = emit_op(emitter, op->children[1], need, &body, err);
    emitter->ctes = name.outer;
    if (code != PF_OK) return code;
    *block = body;
    pf_str inner =
        pf_str_starts_with(body.with, PF_STR("WITH "))
            ? pf_arena_printf(emitter->arena, ", %.*s", PF_STR_ARG(pf_str_slice(body.with, 5, body.with.len)))
            : PF_STR(" ");
    block->with = pf_arena_printf(emitter->arena, "WITH %.*s AS MATERIALIZED (%.*s)%.*s", PF_STR_ARG(name.name),
                                  PF_STR_ARG(block_select(emitter, &below)), PF_STR_ARG(inner));
    return PF_OK;
}

static enum pf_code emit_recursive(struct emitter *emitter, const struct pf_op *op, const bool *need,
                                   struct block *block, struct pf_error *err) {
    bool *all = PF_ARENA_ARRAY(emitter->arena, bool, op->column_count);
    memset(all, true, op->column_count * sizeof *all);
    struct block start, step;
    PF_TRY(emit_op(emitter, op->children[0], all, &start, err));
    struct cte_name name = {.cte_index = op->cte_index,
                            .name = pf_arena_printf(emitter->arena, "r%d", ++emitter->next_alias),
                            .needed = all,
                            .outer = emitter->ctes};
    emitter->ctes = &name;
    enum pf_code code = emit_op(emitter, op->children[1], all, &step, err);
    emitter->ctes = name.outer;
    if (code != PF_OK) return code;
    pf_str alias = new_alias(emitter);
    block_init(emitter, block, op->column_count);
    pf_str keys = PF_STR_EMPTY;
    for (uint32_t i = 0; i < op->expr_count; i++)
        keys = pf_arena_printf(emitter->arena, "%.*s%sc%u", PF_STR_ARG(keys), i ? ", " : " USING KEY (",
                               op->exprs[i]->column);
    pf_str select = pf_arena_printf(
        emitter->arena, "WITH RECURSIVE %.*s%.*s%s AS ((%.*s) UNION %s(%.*s)) SELECT * FROM %.*s",
        PF_STR_ARG(name.name), PF_STR_ARG(keys), keys.len ? ")" : "", PF_STR_ARG(block_select(emitter, &start)),
        op->is_all ? "ALL " : "", PF_STR_ARG(block_select(emitter, &step)), PF_STR_ARG(name.name));
    block->from = pf_arena_printf(emitter->arena, "(%.*s) AS %.*s", PF_STR_ARG(select), PF_STR_ARG(alias));
    for (uint32_t i = 0; i < op->column_count; i++)
        if (need[i]) block->columns[i] = pf_arena_printf(emitter->arena, "%.*s.c%u", PF_STR_ARG(alias), i);
    return PF_OK;
}

enum pf_code emit_op(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block,
                     struct pf_error *err) {
    switch (op->kind) {
    case PF_OP_FILTER: return emit_filter(emitter, op, need, block, err);
    case PF_OP_PROJECT: return emit_project(emitter, op, need, block, err);
    case PF_OP_AGGREGATE: return emit_aggregate(emitter, op, need, block, err);
    case PF_OP_DISTINCT: return emit_distinct(emitter, op, need, block, err);
    case PF_OP_WINDOW:
    case PF_OP_UNNEST: return emit_extended(emitter, op, need, block, err);
    case PF_OP_ORDER:
    case PF_OP_LIMIT: return emit_sorted(emitter, op, need, block, err);
    case PF_OP_SAMPLE: return emit_sample(emitter, op, need, block, err);
    case PF_OP_JOIN: return emit_join(emitter, op, need, block, err);
    case PF_OP_UNION:
    case PF_OP_INTERSECT:
    case PF_OP_EXCEPT: return emit_set(emitter, op, need, block, err);
    case PF_OP_CTE: return emit_cte(emitter, op, need, block, err);
    case PF_OP_RECURSIVE: return emit_recursive(emitter, op, need, block, err);
    default: return emit_leaf(emitter, op, need, block, err);
    }
}
