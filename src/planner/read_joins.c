/* SPDX-License-Identifier: MIT */
/* Joins of a serialised plan. A DELIM_JOIN becomes an ordinary join below two CTEs: the duplicate-eliminated side,
 * and the distinct keys of it, which the DELIM_GETs on the other side read. So nothing above knows delim joins. */
#include "planner/read_duckdb_json.h"

#include <string.h>

static bool join_kind_from(pf_str name, enum pf_join_kind *out_kind) {
    if (pf_str_equal(name, PF_STR("OUTER"))) name = PF_STR("FULL");
    for (int kind = 0; kind < PF_JOIN_KIND_COUNT; kind++) {
        if (!pf_str_equal(name, pf_str_from_cstr(pf_join_kind_name((enum pf_join_kind)kind)))) continue;
        *out_kind = (enum pf_join_kind)kind;
        return true;
    }
    return false;
}

static enum pf_code read_conditions(struct reader *reader, pf_json *json, struct pf_join *join, struct pf_error *err) {
    pf_json *list = pf_json_get(json, "conditions");
    size_t count = pf_json_count(list);
    join->conditions = PF_ARENA_ARRAY(reader->arena, struct pf_join_condition, count);
    join->condition_count = (uint32_t)count;
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        struct pf_join_condition *condition = &join->conditions[each.index];
        pf_str type = pf_json_get_str(each.value, "comparison", PF_STR_EMPTY);
        condition->op = comparison_sql(type);
        if (!condition->op.len) PF_FAIL(err, PF_UNSUPPORTED, "plan: join condition %.*s", PF_STR_ARG(type));
        PF_TRY(read_expr(reader, pf_json_get(each.value, "left"), &condition->left, err));
        PF_TRY(read_expr(reader, pf_json_get(each.value, "right"), &condition->right, err));
    }
    pf_json *predicate = get_value(json, "predicate");
    if (!predicate) predicate = get_value(json, "condition");
    return predicate ? read_expr(reader, predicate, &join->residual, err) : PF_OK;
}

/* ---- equalities inside a residual ---- */

static void note_column(void *context, const struct pf_expr *expr) {
    *(bool *)context |= expr->kind == PF_EXPR_COLUMN;
}

/* The expression over one side's own columns; NULL if it reads the other side, or no column at all. */
static const struct pf_expr *over_side(struct reader *reader, const struct pf_expr *expr,
                                       const struct pf_op *const sides[2], int side) {
    uint32_t left_count = sides[0]->column_count, count = left_count + sides[1]->column_count;
    const struct pf_expr **columns = PF_ARENA_ARRAY(reader->arena, const struct pf_expr *, count);
    bool has_column = false;
    for (uint32_t i = 0; i < sides[side]->column_count; i++)
        columns[(side ? left_count : 0) + i] = pf_expr_column(reader->arena, i, sides[side]->types[i]);
    pf_expr_walk(expr, note_column, &has_column);
    return has_column ? pf_expr_substitute(expr, columns, count, reader->arena) : NULL;
}

static bool condition_from(struct reader *reader, const struct pf_expr *expr, const struct pf_op *const sides[2],
                           struct pf_join_condition *out_condition) {
    if (expr->kind != PF_EXPR_COMPARE || !pf_str_equal(expr->name, PF_STR("="))) return false;
    for (int side = 0; side < 2; side++) {
        const struct pf_expr *left = over_side(reader, expr->args[side], sides, 0);
        const struct pf_expr *right = over_side(reader, expr->args[!side], sides, 1);
        if (!left || !right) continue;
        *out_condition = (struct pf_join_condition){left, right, PF_STR("=")};
        return true;
    }
    return false;
}

/* a LEFT JOIN b ON a.k = b.k AND a.v > 5 comes as one expression: its equalities are what sides can be partitioned by. */
static void take_equalities(struct reader *reader, const struct pf_op *const sides[2], struct pf_join *join) {
    const struct pf_expr *residual = join->residual;
    if (!residual || join->is_asof || join->kind == PF_JOIN_MARK || join->kind == PF_JOIN_SINGLE ||
        join->kind == PF_JOIN_POSITIONAL)
        return;
    bool is_and = residual->kind == PF_EXPR_AND;
    uint32_t count = is_and ? residual->arg_count : 1, taken = 0;
    const struct pf_expr *const *parts = is_and ? residual->args : &join->residual;
    struct pf_join_condition *conditions =
        PF_ARENA_ARRAY(reader->arena, struct pf_join_condition, join->condition_count + count);
    struct pf_expr *rest = PF_ARENA_NEW(reader->arena, struct pf_expr);
    *rest = *residual;
    rest->args = PF_ARENA_ARRAY(reader->arena, const struct pf_expr *, count);
    rest->arg_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (condition_from(reader, parts[i], sides, &conditions[join->condition_count + taken]))
            taken++;
        else
            rest->args[rest->arg_count++] = parts[i];
    }
    if (!taken) return;
    if (join->condition_count) memcpy(conditions, join->conditions, join->condition_count * sizeof *conditions);
    join->conditions = conditions;
    join->condition_count += taken;
    join->residual = rest->arg_count > 1 ? rest : rest->arg_count ? rest->args[0] : NULL;
}

static struct pf_op *make_join(struct reader *reader, const struct pf_join *join, const struct pf_op *left,
                               const struct pf_op *right) {
    bool has_left = join->kind != PF_JOIN_RIGHT_SEMI && join->kind != PF_JOIN_RIGHT_ANTI;
    bool has_right = join->kind != PF_JOIN_SEMI && join->kind != PF_JOIN_ANTI && join->kind != PF_JOIN_MARK;
    uint32_t count =
        (has_left ? left->column_count : 0) + (has_right ? right->column_count : 0) + (join->kind == PF_JOIN_MARK);
    struct pf_op *op = reader_new_op(reader, PF_OP_JOIN, 2, count);
    op->join = join;
    op->children[0] = left;
    op->children[1] = right;
    uint32_t at = 0;
    for (uint32_t i = 0; has_left && i < left->column_count; i++) op->types[at++] = left->types[i];
    for (uint32_t i = 0; has_right && i < right->column_count; i++) op->types[at++] = right->types[i];
    if (join->kind == PF_JOIN_MARK) op->types[at] = pf_sql_type_simple(reader->arena, "BOOLEAN");
    return op;
}

/* left_projection_map, right_projection_map: which columns of a side come out; empty: all. */
static enum pf_code apply_maps(struct reader *reader, pf_json *json, struct pf_op **op, struct pf_error *err) {
    pf_json *maps[2] = {pf_json_get(json, "left_projection_map"), pf_json_get(json, "right_projection_map")};
    if (!pf_json_count(maps[0]) && !pf_json_count(maps[1])) return PF_OK;
    enum pf_join_kind kind = (*op)->join->kind;
    bool has_side[2] = {kind != PF_JOIN_RIGHT_SEMI && kind != PF_JOIN_RIGHT_ANTI,
                        kind != PF_JOIN_SEMI && kind != PF_JOIN_ANTI && kind != PF_JOIN_MARK};
    uint32_t *columns = PF_ARENA_ARRAY(reader->arena, uint32_t, (*op)->column_count);
    uint32_t count = 0, first = 0;
    for (int side = 0; side < 2; side++) {
        if (!has_side[side]) continue;
        uint32_t width = (*op)->children[side]->column_count;
        for (struct pf_json_each each = pf_json_each(maps[side]); pf_json_next(&each);) {
            int64_t column = pf_json_as_i64(each.value, -1);
            if (column < 0 || column >= width || count >= (*op)->column_count)
                PF_FAIL(err, PF_INVALID, "plan: projection map of a join");
            columns[count++] = first + (uint32_t)column;
        }
        for (uint32_t i = 0; !pf_json_count(maps[side]) && i < width; i++) columns[count++] = first + i;
        first += width;
    }
    if (kind == PF_JOIN_MARK) columns[count++] = first;
    *op = reader_project(reader, *op, columns, count);
    return PF_OK;
}

static struct pf_op *make_cte_ref(struct reader *reader, int cte_index, const struct pf_op *definition) {
    struct pf_op *op = reader_new_op(reader, PF_OP_CTE_REF, 0, definition->column_count);
    op->cte_index = cte_index;
    for (uint32_t i = 0; i < op->column_count; i++) op->types[i] = definition->types[i];
    op->rows = definition->rows;
    return op;
}

static struct pf_op *make_cte(struct reader *reader, int cte_index, const struct pf_op *definition,
                              const struct pf_op *body) {
    struct pf_op *op = reader_new_op(reader, PF_OP_CTE, 2, body->column_count);
    op->cte_index = cte_index;
    op->children[0] = definition;
    op->children[1] = body;
    for (uint32_t i = 0; i < op->column_count; i++) op->types[i] = body->types[i];
    op->rows = body->rows;
    return op;
}

struct delim {
    int side_cte, keys_cte, side;
    const struct pf_expr **keys;
    uint32_t key_count;
    uint32_t get_columns; /* of the widest DELIM_GET */
};

static enum pf_code read_sides(struct reader *reader, pf_json *json, struct delim *delim, struct pf_op *sides[2],
                               struct pf_error *err) {
    pf_json *children = pf_json_get(json, "children");
    if (pf_json_count(children) != 2) PF_FAIL(err, PF_INVALID, "plan: a join without two children");
    struct delim_scope *outer = reader->delims;
    struct delim_scope scope = {.keys_cte = delim ? delim->keys_cte : 0, .outer = outer};
    for (struct pf_json_each each = pf_json_each(children); pf_json_next(&each);) {
        if (delim && (int)each.index != delim->side) reader->delims = &scope;
        enum pf_code code = read_operator(reader, each.value, &sides[each.index], err);
        reader->delims = outer;
        if (code != PF_OK) return code;
    }
    if (delim) delim->get_columns = scope.column_count;
    return PF_OK;
}

static enum pf_code add_delim_ctes(struct reader *reader, const struct delim *delim, const struct pf_op *definition,
                                   struct pf_op **op, struct pf_error *err) {
    struct pf_op *keys = reader_new_op(reader, PF_OP_PROJECT, 1, delim->key_count);
    keys->children[0] = make_cte_ref(reader, delim->side_cte, definition);
    keys->exprs = delim->keys;
    keys->expr_count = delim->key_count;
    for (uint32_t i = 0; i < delim->key_count; i++) keys->types[i] = delim->keys[i]->type;
    keys->rows = definition->rows;
    PF_TRY(check_columns(keys, err));
    struct pf_op *distinct = reader_new_op(reader, PF_OP_DISTINCT, 1, delim->key_count);
    distinct->children[0] = keys;
    memcpy(distinct->types, keys->types, delim->key_count * sizeof *keys->types);
    distinct->rows = definition->rows;
    struct pf_op *inner = make_cte(reader, delim->keys_cte, distinct, *op);
    *op = make_cte(reader, delim->side_cte, definition, inner);
    return PF_OK;
}

enum pf_code read_join(struct reader *reader, pf_json *json, pf_str kind, struct pf_op **out_op, struct pf_error *err) {
    struct pf_join *join = PF_ARENA_NEW(reader->arena, struct pf_join);
    pf_str join_type = pf_json_get_str(json, "join_type", PF_STR("INNER"));
    bool is_delim = pf_str_equal(kind, PF_STR("LOGICAL_DELIM_JOIN"));
    if (!join_kind_from(join_type, &join->kind))
        PF_FAIL(err, PF_UNSUPPORTED, "plan: join type %.*s", PF_STR_ARG(join_type));
    if (pf_str_equal(kind, PF_STR("LOGICAL_POSITIONAL_JOIN"))) join->kind = PF_JOIN_POSITIONAL;
    join->is_asof = pf_str_equal(kind, PF_STR("LOGICAL_ASOF_JOIN"));
    struct delim delim = {0};
    if (is_delim) {
        delim.side_cte = reader->next_cte++;
        delim.keys_cte = reader->next_cte++;
        delim.side = pf_json_get_bool(json, "delim_flipped", false);
    }
    struct pf_op *sides[2] = {0};
    PF_TRY(read_sides(reader, json, is_delim ? &delim : NULL, sides, err));
    PF_TRY(read_conditions(reader, json, join, err));
    const struct pf_op *definition = sides[delim.side];
    if (is_delim) {
        pf_json *keys = pf_json_get(json, "duplicate_eliminated_columns");
        PF_TRY(read_exprs(reader, keys, &delim.keys, &delim.key_count, err));
        if (delim.key_count < delim.get_columns) PF_FAIL(err, PF_INVALID, "plan: DELIM_GET wider than its DELIM_JOIN");
        sides[delim.side] = make_cte_ref(reader, delim.side_cte, definition);
    }
    struct pf_op *op = make_join(reader, join, sides[0], sides[1]);
    PF_TRY(check_columns(op, err));
    take_equalities(reader, (const struct pf_op *const[2]){sides[0], sides[1]}, join);
    PF_TRY(apply_maps(reader, json, &op, err));
    if (is_delim) PF_TRY(add_delim_ctes(reader, &delim, definition, &op, err));
    *out_op = op;
    return PF_OK;
}

enum pf_code read_delim_get(struct reader *reader, struct pf_op **out_op, struct pf_error *err) {
    if (!reader->delims) PF_FAIL(err, PF_INVALID, "plan: DELIM_GET outside of a DELIM_JOIN");
    (*out_op)->cte_index = reader->delims->keys_cte;
    if ((*out_op)->column_count > reader->delims->column_count) reader->delims->column_count = (*out_op)->column_count;
    return PF_OK;
}
