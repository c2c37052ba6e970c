/* SPDX-License-Identifier: MIT */
/* A ready stream becomes stages: one per alternative, all with the same exchange. What stands for their rows in the
 * plan is a dataset leaf, or a union of several. */
#include "planner/streams.h"

#include <string.h>

struct pf_op *new_op(struct cutter *cutter, enum pf_op_kind kind, uint32_t child_count, uint32_t column_count) {
    struct pf_op *op = PF_ARENA_NEW(cutter->arena, struct pf_op);
    op->kind = kind;
    op->id = cutter->next_op_id++;
    op->children = PF_ARENA_ARRAY(cutter->arena, const struct pf_op *, child_count);
    op->child_count = child_count;
    op->types = PF_ARENA_ARRAY(cutter->arena, const struct pf_sql_type *, column_count);
    op->column_count = column_count;
    op->rows = -1;
    op->limit.count = -1;
    op->limit.percent = -1;
    return op;
}

struct pf_op *copy_op(struct cutter *cutter, const struct pf_op *op, const struct pf_op *child) {
    struct pf_op *copy = PF_ARENA_NEW(cutter->arena, struct pf_op);
    *copy = *op;
    copy->id = cutter->next_op_id++;
    copy->children = PF_ARENA_ARRAY(cutter->arena, const struct pf_op *, 1);
    copy->children[0] = child;
    return copy;
}

/* Why a one-task stage or the last fragment has more to do than would be natural. */
static pf_str collect_reasons(struct pf_arena *arena, const struct pf_op *op, pf_str found) {
    if (op->kind == PF_OP_DATASET && op->dataset_reason.len && pf_str_find(found, op->dataset_reason, 0) == SIZE_MAX)
        found = pf_arena_printf(arena, "%.*s%s%.*s", PF_STR_ARG(found), found.len ? "; " : "",
                                PF_STR_ARG(op->dataset_reason));
    for (uint32_t i = 0; i < op->child_count; i++) found = collect_reasons(arena, op->children[i], found);
    return found;
}

struct pf_reason reason_for(struct pf_arena *arena, const struct pf_op *op, const char *natural) {
    struct pf_reason reason = {.why = collect_reasons(arena, op, PF_STR_EMPTY)};
    reason.is_natural = reason.why.len == 0;
    if (reason.is_natural) reason.why = pf_str_from_cstr(natural);
    return reason;
}

enum pf_code make_fragment(struct cutter *cutter, const struct pf_op *op, const bool *need,
                           const struct alternative *alternative, struct emitter *emitter, struct block *block,
                           struct pf_error *err) {
    *emitter = (struct emitter){.arena = cutter->arena,
                                .is_fragment = true,
                                .driving_id = alternative->driving_id,
                                .aligned_ids = alternative->aligned_ids,
                                .aligned_count = alternative->aligned_count,
                                .split_ids = alternative->split_ids,
                                .split_count = alternative->split_count,
                                .choices = alternative->choices,
                                .choice_count = alternative->choice_count,
                                .scopes = cutter->scopes};
    return emit_op(emitter, op, need, block, err);
}

static enum pf_code partition_sql(struct emitter *emitter, const struct cut *cut, const struct block *block,
                                  pf_str *out_sql, struct pf_error *err) {
    pf_str *texts = PF_ARENA_ARRAY(emitter->arena, pf_str, cut->key_count);
    for (uint32_t i = 0; i < cut->key_count; i++) {
        PF_TRY(emit_expr(emitter, cut->keys[i], block->columns, block->column_count, &texts[i], err));
        /* The hash depends on the type: both sides of a join must see the same one. */
        if (cut->keys[i]->kind != PF_EXPR_COLUMN)
            texts[i] = pf_arena_printf(emitter->arena, "CAST(%.*s AS %.*s)", PF_STR_ARG(texts[i]),
                                       PF_STR_ARG(cut->keys[i]->type->sql));
    }
    *out_sql =
        pf_arena_printf(emitter->arena, "CAST(hash(%.*s) %% %d AS USMALLINT)",
                        PF_STR_ARG(join_texts(emitter->arena, texts, cut->key_count, ", ")), cut->partition_count);
    return PF_OK;
}

/* The fragment's SELECT: the partition number, then the needed columns, renumbered. */
static enum pf_code stage_sql(struct cutter *cutter, const struct cut *cut, const bool *need,
                              const struct alternative *alternative, struct pf_stage *stage, struct pf_error *err) {
    struct emitter emitter;
    struct block block;
    PF_TRY(make_fragment(cutter, cut->op, need, alternative, &emitter, &block, err));
    if (block.distinct.len || (block.is_closed && stage->partition_count > 1)) block_wrap(&emitter, &block);
    struct pf_buf buf;
    pf_buf_init(&buf, MAX_SQL_BYTES);
    pf_buf_put_str(&buf, block.with);
    pf_buf_put_cstr(&buf, "SELECT ");
    enum pf_code code = PF_OK;
    pf_str partition = PF_STR_EMPTY, sql;
    if (stage->partition_count > 1) code = partition_sql(&emitter, cut, &block, &partition, err);
    if (partition.len) pf_buf_printf(&buf, "%.*s AS p", PF_STR_ARG(partition));
    uint32_t written = 0;
    for (uint32_t i = 0; i < cut->op->column_count; i++) {
        if (!need[i]) continue;
        pf_buf_put_cstr(&buf, written || partition.len ? ", " : "");
        pf_buf_put_str(&buf, block.columns[i]);
        pf_buf_printf(&buf, " AS c%u", written++);
    }
    if (!written) pf_buf_put_cstr(&buf, partition.len ? ", true AS c0" : "true AS c0");
    if (block.from.len) pf_buf_put_cstr(&buf, " FROM ");
    pf_buf_put_str(&buf, block.from);
    if (block.where.len) pf_buf_put_cstr(&buf, " WHERE ");
    pf_buf_put_str(&buf, block.where);
    pf_buf_put_str(&buf, block.tail);
    if (code == PF_OK) code = pf_buf_finish(&buf, "SQL of a stage", &sql, err);
    if (code == PF_OK)
        stage->fragment = (struct pf_fragment){
            .sql = pf_arena_str(cutter->arena, sql), .inputs = emitter.inputs, .input_count = emitter.input_count};
    pf_buf_clear(&buf);
    return code;
}

static pf_str keys_text(struct cutter *cutter, const struct cut *cut) {
    struct pf_buf buf;
    pf_buf_init(&buf, 1 << 16);
    for (uint32_t i = 0; i < cut->key_count; i++) {
        if (i) pf_buf_put_cstr(&buf, ", ");
        if (cut->keys[i]->alias.len)
            pf_buf_put_str(&buf, cut->keys[i]->alias);
        else
            pf_expr_print(cut->keys[i], &buf);
    }
    pf_str text = pf_arena_str(cutter->arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return text;
}

static struct pf_op *make_leaf(struct cutter *cutter, const struct cut *cut, const bool *need, int stage_id,
                               double rows) {
    const struct pf_op *op = cut->op;
    struct pf_op *leaf = new_op(cutter, PF_OP_DATASET, 0, op->column_count);
    leaf->rows = rows;
    leaf->dataset_stage_id = stage_id;
    leaf->dataset_columns = PF_ARENA_ARRAY(cutter->arena, int, op->column_count);
    int position = 0;
    for (uint32_t i = 0; i < op->column_count; i++) {
        leaf->types[i] = op->types[i];
        leaf->dataset_columns[i] = need[i] ? position++ : -1;
    }
    leaf->dataset_keys = cut->keys;
    leaf->dataset_key_count = cut->key_count;
    leaf->dataset_is_gathered = cut->is_gathered;
    if (cut->reason) leaf->dataset_reason = pf_arena_str(cutter->arena, pf_str_from_cstr(cut->reason));
    return leaf;
}

static void set_key_columns(struct cutter *cutter, const struct cut *cut, const struct pf_op *leaf,
                            struct pf_stage *stage) {
    enum { MAX_KEY_COLUMNS = 8 };
    stage->key_columns = PF_ARENA_ARRAY(cutter->arena, int, cut->value_key_count);
    for (uint32_t i = 0; i < cut->value_key_count && stage->key_column_count < MAX_KEY_COLUMNS; i++) {
        const struct pf_expr *key = cut->value_keys[i];
        if (key->kind != PF_EXPR_COLUMN || key->column >= leaf->column_count || leaf->dataset_columns[key->column] < 0)
            continue;
        int column = leaf->dataset_columns[key->column];
        bool is_new = true;
        for (size_t k = 0; k < stage->key_column_count; k++) is_new &= stage->key_columns[k] != column;
        if (is_new) stage->key_columns[stage->key_column_count++] = column;
    }
}

static enum pf_code cut_alternative(struct cutter *cutter, const struct cut *cut, const bool *need,
                                    const struct alternative *alternative, const struct pf_op **out_leaf,
                                    struct pf_error *err) {
    double rows = cut->rows / cut->stream->alternative_count;
    struct pf_stage stage = {
        .id = cutter->next_stage_id++,
        .spread = alternative->driving_id      ? PF_SPREAD_SPLITS
                  : alternative->aligned_count ? PF_SPREAD_PARTITIONS
                                               : PF_SPREAD_ONE,
        .input_partition_count = alternative->aligned_count ? cut->stream->partition_count : 0,
        .exchange = cut->exchange,
        .partition_count = cut->exchange == PF_EXCHANGE_REPARTITION ? cut->partition_count : 1,
        .estimated_rows = (int64_t)rows,
        .estimated_bytes = (int64_t)(rows * row_bytes(cut->op, need)),
    };
    PF_TRY(stage_sql(cutter, cut, need, alternative, &stage, err));
    stage.title = stage_title(cutter, cut, alternative);
    stage.keys_text = keys_text(cutter, cut);
    if (stage.spread == PF_SPREAD_ONE) stage.single_reason = reason_for(cutter->arena, cut->op, "little to read");
    double planned = cut->planned_rows > 0 ? cut->planned_rows / cut->stream->alternative_count : rows;
    *out_leaf = make_leaf(cutter, cut, need, stage.id, planned);
    set_key_columns(cutter, cut, *out_leaf, &stage);
    PF_ARENA_PUSH(cutter->arena, cutter->stages, cutter->stage_count, cutter->stage_capacity) = stage;
    return PF_OK;
}

struct key_marks {
    bool *need;
    uint32_t count;
};

static void mark_key(void *context, const struct pf_expr *expr) {
    struct key_marks *marks = context;
    if (expr->kind == PF_EXPR_COLUMN && expr->column < marks->count) marks->need[expr->column] = true;
}

enum pf_code cut_stages(struct cutter *cutter, const struct cut *cut, const struct pf_op **out_leaf,
                        size_t *out_first_stage, struct pf_error *err) {
    uint32_t count = cut->op->column_count;
    bool *need = PF_ARENA_ARRAY(cutter->arena, bool, count);
    memcpy(need, cut->need, count * sizeof *need);
    struct key_marks marks = {need, count};
    for (uint32_t i = 0; i < cut->key_count; i++) pf_expr_walk(cut->keys[i], mark_key, &marks);
    *out_first_stage = cutter->stage_count;
    uint32_t leaf_count = cut->stream->alternative_count;
    const struct pf_op **leaves = PF_ARENA_ARRAY(cutter->arena, const struct pf_op *, leaf_count);
    for (uint32_t i = 0; i < leaf_count; i++)
        PF_TRY(cut_alternative(cutter, cut, need, &cut->stream->alternatives[i], &leaves[i], err));
    *out_leaf = leaves[0];
    if (leaf_count == 1) return PF_OK;
    struct pf_op *all = new_op(cutter, PF_OP_UNION, 0, count);
    all->children = leaves;
    all->child_count = leaf_count;
    all->is_all = true;
    all->rows = cut->rows;
    if (count) memcpy(all->types, cut->op->types, count * sizeof *all->types);
    *out_leaf = all;
    return PF_OK;
}

void finish_cut(struct cutter *cutter, size_t first_stage, int replaced_op_id, const struct pf_op *replacement) {
    for (size_t i = first_stage; i < cutter->stage_count; i++) {
        cutter->stages[i].replaced_op_id = replaced_op_id;
        cutter->stages[i].replacement = replacement;
    }
}

enum pf_code cut_here(struct cutter *cutter, const struct cut *cut, struct pf_error *err) {
    const struct pf_op *leaf;
    size_t first_stage;
    struct cut own = *cut; /* what stands above was estimated with these rows */
    own.planned_rows = cut->stream->planned_rows;
    PF_TRY(cut_stages(cutter, &own, &leaf, &first_stage, err));
    finish_cut(cutter, first_stage, cut->op->id, leaf);
    return PF_OK;
}

enum pf_code gather(struct cutter *cutter, const struct pf_op *op, const struct stream *stream, const bool *need,
                    const char *reason, struct pf_error *err) {
    struct cut cut = {.op = op,
                      .stream = stream,
                      .need = need,
                      .exchange = PF_EXCHANGE_GATHER,
                      .rows = stream->rows,
                      .is_gathered = true,
                      .reason = reason};
    return cut_here(cutter, &cut, err);
}

enum pf_code repartition(struct cutter *cutter, const struct pf_op *op, const struct stream *stream, const bool *need,
                         const struct pf_expr **keys, uint32_t key_count, int partition_count, struct pf_error *err) {
    if (partition_count <= 1 || !key_count) return gather(cutter, op, stream, need, NULL, err);
    struct cut cut = {.op = op,
                      .stream = stream,
                      .need = need,
                      .exchange = PF_EXCHANGE_REPARTITION,
                      .keys = keys,
                      .key_count = key_count,
                      .partition_count = partition_count,
                      .rows = stream->rows};
    return cut_here(cutter, &cut, err);
}
