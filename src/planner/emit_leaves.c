/* SPDX-License-Identifier: MIT */
/* Leaves as FROM items: scans, datasets, constants, table functions, references to CTEs. */
#include "planner/emit_sql.h"

#include "planner/read_duckdb_json.h"
#include "planner/streams.h"

static bool is_aligned(const struct emitter *emitter, int op_id) {
    for (uint32_t i = 0; i < emitter->aligned_count; i++)
        if (emitter->aligned_ids[i] == op_id) return true;
    return false;
}

static struct pf_input *add_input(struct emitter *emitter, const struct pf_op *op) {
    struct pf_input input = {.role = op->id == emitter->driving_id ? PF_ROLE_DRIVING
                                     : is_aligned(emitter, op->id) ? PF_ROLE_ALIGNED
                                                                   : PF_ROLE_WHOLE};
    for (uint32_t i = 0; i < emitter->split_count; i++) input.may_split |= op->id == emitter->split_ids[i];
    PF_ARENA_PUSH(emitter->arena, emitter->inputs, emitter->input_count, emitter->input_capacity) = input;
    return &emitter->inputs[emitter->input_count - 1];
}

static enum pf_code emit_scan(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block) {
    pf_str alias = new_alias(emitter);
    if (emitter->is_fragment) {
        size_t number = emitter->input_count;
        struct pf_input *input = add_input(emitter, op);
        input->kind = PF_INPUT_SCAN;
        input->scan_name = op->scan_name;
        input->columns = PF_ARENA_ARRAY(emitter->arena, pf_str, op->column_count);
        for (uint32_t i = 0; i < op->column_count; i++)
            if (need[i] && op->column_names[i].len) input->columns[input->column_count++] = op->column_names[i];
        block->from = pf_arena_printf(emitter->arena, "${%zu} AS %.*s", number, PF_STR_ARG(alias));
    } else
        block->from = pf_arena_printf(emitter->arena, "lake_scan(%.*s) AS %.*s",
                                      PF_STR_ARG(quote_string(emitter->arena, op->scan_name)), PF_STR_ARG(alias));
    for (uint32_t i = 0; i < op->column_count; i++) {
        if (!need[i]) continue;
        /* A row number stands for "any column": count(*) needs none, and nobody can name it. */
        if (!op->column_names[i].len)
            block->columns[i] = PF_STR("CAST(1 AS BIGINT)");
        else
            block->columns[i] = pf_arena_printf(emitter->arena, "%.*s.%.*s", PF_STR_ARG(alias),
                                                PF_STR_ARG(quote_name(emitter->arena, op->column_names[i])));
    }
    return PF_OK;
}

static enum pf_code emit_dataset(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block,
                                 struct pf_error *err) {
    pf_str alias = new_alias(emitter);
    if (!emitter->is_fragment) PF_FAIL(err, PF_BUG, "print SQL: a plan with datasets");
    size_t number = emitter->input_count;
    struct pf_input *input = add_input(emitter, op);
    input->kind = PF_INPUT_DATASET;
    input->stage_id = op->dataset_stage_id;
    block->from = pf_arena_printf(emitter->arena, "${%zu} AS %.*s", number, PF_STR_ARG(alias));
    for (uint32_t i = 0; i < op->column_count; i++) {
        if (!need[i]) continue;
        if (op->dataset_columns[i] < 0) PF_FAIL(err, PF_BUG, "print SQL: column %u of a dataset was dropped", i);
        block->columns[i] = pf_arena_printf(emitter->arena, "%.*s.c%d", PF_STR_ARG(alias), op->dataset_columns[i]);
    }
    return PF_OK;
}

/* A reference to a CTE around the fragment: small, so it is computed here. */
static enum pf_code emit_definition(struct emitter *emitter, const struct pf_op *op, const bool *need,
                                    struct block *block, struct pf_error *err) {
    const struct cte_scope *scope = emitter->scopes;
    while (scope && scope->cte_index != op->cte_index) scope = scope->outer;
    if (!scope || !scope->definition) PF_FAIL(err, PF_BUG, "print SQL: CTE %d isn't in scope", op->cte_index);
    const struct cte_scope *outer = emitter->scopes;
    bool *all_need = PF_ARENA_ARRAY(emitter->arena, bool, scope->definition->column_count);
    for (uint32_t i = 0; i < op->column_count; i++) all_need[i] = need[i];
    emitter->scopes = scope->outer;
    enum pf_code code = emit_op(emitter, scope->definition, all_need, block, err);
    emitter->scopes = outer;
    block->column_count = op->column_count;
    return code;
}

static enum pf_code emit_cte_ref(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block,
                                 struct pf_error *err) {
    const struct cte_name *cte = emitter->ctes;
    while (cte && cte->cte_index != op->cte_index) cte = cte->outer;
    if (!cte) return emit_definition(emitter, op, need, block, err);
    pf_str alias = new_alias(emitter);
    block->from = pf_arena_printf(emitter->arena, "%.*s AS %.*s", PF_STR_ARG(cte->name), PF_STR_ARG(alias));
    for (uint32_t i = 0; i < op->column_count; i++)
        if (need[i]) block->columns[i] = pf_arena_printf(emitter->arena, "%.*s.c%u", PF_STR_ARG(alias), i);
    return PF_OK;
}

static enum pf_code emit_values(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block,
                                struct pf_error *err) {
    pf_str alias = new_alias(emitter);
    struct pf_buf buf;
    pf_buf_init(&buf, MAX_SQL_BYTES);
    struct expr_printer printer = {.emitter = emitter, .buf = &buf};
    enum pf_code code = PF_OK;
    pf_buf_put_cstr(&buf, "(VALUES ");
    for (uint32_t i = 0; i < op->expr_count && code == PF_OK; i++) {
        uint32_t column = i % op->column_count;
        pf_buf_put_cstr(&buf, column ? ", " : i ? ", (" : "(");
        /* One row fixes the types of all. */
        if (i >= op->column_count && op->exprs[i]->kind == PF_EXPR_CONSTANT)
            print_constant(&printer, op->exprs[i], true);
        else
            code = print_expr(&printer, op->exprs[i], err);
        if (column + 1 == op->column_count) pf_buf_put_char(&buf, ')');
    }
    pf_buf_printf(&buf, ") AS %.*s(", PF_STR_ARG(alias));
    for (uint32_t i = 0; i < op->column_count; i++) pf_buf_printf(&buf, "%sc%u", i ? ", " : "", i);
    pf_buf_put_char(&buf, ')');
    pf_str text;
    if (code == PF_OK) code = pf_buf_finish(&buf, "VALUES", &text, err);
    if (code == PF_OK) block->from = pf_arena_str(emitter->arena, text);
    pf_buf_clear(&buf);
    for (uint32_t i = 0; i < op->column_count; i++)
        if (need[i])
            block->columns[i] = pf_arena_printf(emitter->arena, "CAST(%.*s.c%u AS %.*s)", PF_STR_ARG(alias), i,
                                                PF_STR_ARG(op->types[i]->sql));
    block->is_plain = false;
    return code;
}

static enum pf_code emit_table_function(struct emitter *emitter, const struct pf_op *op, const bool *need,
                                        struct block *block, struct pf_error *err) {
    struct block below = {0};
    uint32_t arg_count = op->expr_count, own_count = op->column_count;
    if (op->child_count) { /* exprs: the arguments, then the child's columns that come out last */
        bool *child_need = PF_ARENA_ARRAY(emitter->arena, bool, op->children[0]->column_count);
        need_child(op, 0, need, child_need);
        PF_TRY(emit_op(emitter, op->children[0], child_need, &below, err));
        block_wrap(emitter, &below);
        arg_count = op->arg_count;
        own_count = op->column_count - (op->expr_count - arg_count);
    }
    pf_str *texts = PF_ARENA_ARRAY(emitter->arena, pf_str, op->expr_count);
    for (uint32_t i = 0; i < op->expr_count; i++)
        PF_TRY(emit_expr(emitter, op->exprs[i], below.columns, below.column_count, &texts[i], err));
    pf_str args = join_texts(emitter->arena, texts, arg_count, ", "), alias = new_alias(emitter);
    block->from = pf_arena_printf(emitter->arena, "%.*s%s%.*s(%.*s) AS %.*s(%.*s)", PF_STR_ARG(below.from),
                                  op->child_count ? ", LATERAL " : "", PF_STR_ARG(op->scan_name), PF_STR_ARG(args),
                                  PF_STR_ARG(alias), PF_STR_ARG(op->column_aliases));
    block->is_join = op->child_count > 0;
    for (uint32_t i = 0; i < op->column_count; i++) {
        if (!need[i]) continue;
        if (i >= own_count)
            block->columns[i] = texts[arg_count + i - own_count];
        else if (op->column_names[i].len)
            block->columns[i] = pf_arena_printf(emitter->arena, "%.*s.%.*s", PF_STR_ARG(alias),
                                                PF_STR_ARG(quote_name(emitter->arena, op->column_names[i])));
        else
            block->columns[i] = PF_STR("CAST(1 AS BIGINT)");
    }
    return PF_OK;
}

enum pf_code emit_leaf(struct emitter *emitter, const struct pf_op *op, const bool *need, struct block *block,
                       struct pf_error *err) {
    block_init(emitter, block, op->column_count);
    switch (op->kind) {
    case PF_OP_SCAN: return emit_scan(emitter, op, need, block);
    case PF_OP_DATASET: return emit_dataset(emitter, op, need, block, err);
    case PF_OP_CTE_REF: return emit_cte_ref(emitter, op, need, block, err);
    case PF_OP_VALUES: return emit_values(emitter, op, need, block, err);
    case PF_OP_TABLE_FUNCTION: return emit_table_function(emitter, op, need, block, err);
    default: /* ONE_ROW, EMPTY */
        for (uint32_t i = 0; i < op->column_count; i++)
            if (need[i]) block->columns[i] = pf_sql_type_null(op->types[i], emitter->arena);
        block->from = pf_arena_printf(emitter->arena, "(SELECT 1) AS %.*s", PF_STR_ARG(new_alias(emitter)));
        if (op->kind == PF_OP_EMPTY) block->where = PF_STR("false");
        block->is_plain = false;
        return PF_OK;
    }
}

/* ---- predicates for skipping files ---- */

static bool literal_from(const struct pf_expr *expr, struct pf_literal *out_literal) {
    if (expr->kind != PF_EXPR_CONSTANT || expr->is_null || expr->sql.len) return false;
    *out_literal = (struct pf_literal){.type = expr->type->sql, .text = expr->text};
    return true;
}

static bool predicate_kind_from(pf_str op, bool is_swapped, enum pf_predicate_kind *out_kind) {
    static const struct {
        const char *op;
        enum pf_predicate_kind kind, swapped;
    } KINDS[] = {{"=", PF_PREDICATE_EQ, PF_PREDICATE_EQ}, {"<>", PF_PREDICATE_NE, PF_PREDICATE_NE},
                 {"<", PF_PREDICATE_LT, PF_PREDICATE_GT}, {"<=", PF_PREDICATE_LE, PF_PREDICATE_GE},
                 {">", PF_PREDICATE_GT, PF_PREDICATE_LT}, {">=", PF_PREDICATE_GE, PF_PREDICATE_LE}};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (pf_str_equal(op, pf_str_from_cstr(KINDS[i].op))) {
            *out_kind = is_swapped ? KINDS[i].swapped : KINDS[i].kind;
            return true;
        }
    return false;
}

struct predicate_list {
    struct emitter *emitter;
    const struct pf_op *scan;
    struct pf_input *input;
    size_t capacity;
};

static void push_predicate(struct predicate_list *list, const struct pf_expr *column, enum pf_predicate_kind kind,
                           const struct pf_literal *values, size_t value_count) {
    if (column->kind != PF_EXPR_COLUMN || column->column >= list->scan->column_count ||
        !list->scan->column_names[column->column].len)
        return;
    struct pf_predicate predicate = {.column = list->scan->column_names[column->column], .kind = kind};
    predicate.values = PF_ARENA_ARRAY(list->emitter->arena, struct pf_literal, value_count);
    predicate.value_count = value_count;
    for (size_t i = 0; i < value_count; i++) predicate.values[i] = values[i];
    PF_ARENA_PUSH(list->emitter->arena, list->input->predicates, list->input->predicate_count, list->capacity) =
        predicate;
}

static void add_in(struct predicate_list *list, const struct pf_expr *column, const struct pf_expr *const *values,
                   uint32_t count) {
    struct pf_literal *literals = PF_ARENA_ARRAY(list->emitter->arena, struct pf_literal, count);
    for (uint32_t i = 0; i < count; i++)
        if (!literal_from(values[i], &literals[i])) return;
    push_predicate(list, column, PF_PREDICATE_IN, literals, count);
}

/* a = 1 OR a = 2: DuckDB prints short IN lists so. */
static void add_or(struct predicate_list *list, const struct pf_expr *expr) {
    const struct pf_expr **values = PF_ARENA_ARRAY(list->emitter->arena, const struct pf_expr *, expr->arg_count);
    const struct pf_expr *column = NULL;
    for (uint32_t i = 0; i < expr->arg_count; i++) {
        const struct pf_expr *arg = expr->args[i];
        if (arg->kind != PF_EXPR_COMPARE || !pf_str_equal(arg->name, PF_STR("="))) return;
        if (column && !pf_expr_equal(column, arg->args[0])) return;
        column = arg->args[0];
        values[i] = arg->args[1];
    }
    if (column) add_in(list, column, values, expr->arg_count);
}

static void add_conjunct(struct predicate_list *list, const struct pf_expr *expr) {
    struct pf_literal literal;
    enum pf_predicate_kind kind;
    switch (expr->kind) {
    case PF_EXPR_AND:
        for (uint32_t i = 0; i < expr->arg_count; i++) add_conjunct(list, expr->args[i]);
        return;
    case PF_EXPR_COMPARE:
        for (int swapped = 0; swapped < 2; swapped++)
            if (literal_from(expr->args[!swapped], &literal) && predicate_kind_from(expr->name, swapped, &kind))
                push_predicate(list, expr->args[swapped], kind, &literal, 1);
        return;
    case PF_EXPR_BETWEEN:
        if (literal_from(expr->args[1], &literal))
            push_predicate(list, expr->args[0], expr->lower_inclusive ? PF_PREDICATE_GE : PF_PREDICATE_GT, &literal, 1);
        if (literal_from(expr->args[2], &literal))
            push_predicate(list, expr->args[0], expr->upper_inclusive ? PF_PREDICATE_LE : PF_PREDICATE_LT, &literal, 1);
        return;
    case PF_EXPR_IN:
        if (!expr->is_negated) add_in(list, expr->args[0], expr->args + 1, expr->arg_count - 1);
        return;
    case PF_EXPR_OR: add_or(list, expr); return;
    case PF_EXPR_IS_NULL:
    case PF_EXPR_IS_NOT_NULL:
        push_predicate(list, expr->args[0],
                       expr->kind == PF_EXPR_IS_NULL ? PF_PREDICATE_IS_NULL : PF_PREDICATE_IS_NOT_NULL, NULL, 0);
        return;
    default: return;
    }
}

void add_predicates(struct emitter *emitter, const struct pf_op *scan, const struct pf_op *filter,
                    struct pf_input *input) {
    struct predicate_list list = {.emitter = emitter, .scan = scan, .input = input};
    for (uint32_t i = 0; i < filter->expr_count; i++) add_conjunct(&list, filter->exprs[i]);
}
