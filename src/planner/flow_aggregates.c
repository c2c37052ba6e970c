/* SPDX-License-Identifier: MIT */
/* Streams through aggregates and the like: operators that need the rows of a group in one place. */
#include "planner/streams.h"

#include <string.h>

/* Keys of the child that are among `exprs` become columns of the output. */
static void map_through(struct cutter *cutter, struct stream *stream, const struct pf_expr *const *exprs,
                        uint32_t count, const struct pf_op *op) {
    uint32_t kept = 0;
    for (uint32_t s = 0; s < stream->key_set_count; s++) {
        struct key_set set = stream->key_sets[s];
        const struct pf_expr **mapped = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, set.count);
        bool is_complete = true;
        for (uint32_t k = 0; k < set.count; k++) {
            mapped[k] = NULL;
            for (uint32_t i = 0; i < count && !mapped[k]; i++)
                if (pf_expr_equal(set.exprs[k], exprs[i])) mapped[k] = pf_expr_column(cutter->arena, i, op->types[i]);
            if (!mapped[k]) is_complete = false;
        }
        if (is_complete) stream->key_sets[kept++] = (struct key_set){mapped, set.count};
    }
    stream->key_set_count = kept;
}

/* Groups that are in every grouping set: rows that differ in one of them never meet. */
static uint32_t common_groups(struct cutter *cutter, const struct pf_op *op, const struct pf_expr ***out_exprs) {
    const struct pf_expr **exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, op->group_count);
    uint32_t count = 0;
    for (uint32_t g = 0; g < op->group_count; g++) {
        bool is_in_all = true;
        for (uint32_t s = 0; s < op->grouping_set_count; s++)
            if (g >= 64 || !(op->grouping_sets[s] >> g & 1)) is_in_all = false;
        if (is_in_all && op->groups[g]->kind != PF_EXPR_CONSTANT) exprs[count++] = op->groups[g];
    }
    *out_exprs = exprs;
    return count;
}

/* Rows must meet: in partitions by `keys`, or, without keys, in one place for `reason`. */
static enum pf_code bring_together(struct cutter *cutter, const struct pf_op *op, const bool *child_need,
                                   const struct stream *child, const struct pf_expr **keys, uint32_t key_count,
                                   const char *reason, struct stream *out, struct pf_error *err) {
    out->is_blocked = true;
    if (!key_count) return gather(cutter, op->children[0], child, child_need, reason, err);
    double bytes = child->rows * row_bytes(op->children[0], child_need);
    return repartition(cutter, op->children[0], child, child_need, keys, key_count,
                       choose_partition_count(cutter, bytes), err);
}

static enum pf_code cut_partial(struct cutter *cutter, const struct pf_op *op, const struct stream *child,
                                struct aggregate_split *split, double rows, struct stream *out, struct pf_error *err) {
    bool *all = PF_ARENA_ARRAY(cutter->arena, bool, split->partial->column_count);
    for (uint32_t i = 0; i < split->partial->column_count; i++) {
        uint32_t part = i - split->partial->group_count;
        bool is_part = i >= split->partial->group_count && part < split->partial->expr_count;
        all[i] = !is_part || !split->partial->exprs[part]->is_unread;
    }
    double bytes = rows * row_bytes(split->partial, all);
    int partition_count = split->key_count ? choose_partition_count(cutter, bytes) : 1;
    struct cut cut = {.op = split->partial,
                      .stream = child,
                      .need = all,
                      .exchange = partition_count > 1 ? PF_EXCHANGE_REPARTITION : PF_EXCHANGE_GATHER,
                      .keys = partition_count > 1 ? split->keys : NULL,
                      .key_count = partition_count > 1 ? split->key_count : 0,
                      .partition_count = partition_count,
                      .rows = rows,
                      .is_gathered = partition_count <= 1,
                      .title = "partial aggregate"};
    const struct pf_op *leaf;
    size_t first_stage;
    PF_TRY(cut_stages(cutter, &cut, &leaf, &first_stage, err));
    finish_cut(cutter, first_stage, op->id, merge_aggregate(cutter, op, split, leaf));
    out->is_blocked = true;
    return PF_OK;
}

/* Drops calls nobody reads: they would be computed, carried and merged for nothing. */
static const struct pf_op *without_unread_calls(struct cutter *cutter, const struct pf_op *op, const bool *need) {
    bool is_all_read = true;
    for (uint32_t i = 0; i < op->expr_count; i++) is_all_read &= need[op->group_count + i];
    if (is_all_read) return op;
    struct pf_op *copy = copy_op(cutter, op, op->children[0]);
    copy->id = op->id;
    copy->exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, op->expr_count);
    for (uint32_t i = 0; i < op->expr_count; i++) {
        copy->exprs[i] = op->exprs[i];
        if (need[op->group_count + i]) continue;
        struct pf_expr *nothing = PF_ARENA_NEW(cutter->arena, struct pf_expr);
        nothing->kind = PF_EXPR_AGGREGATE;
        nothing->name = PF_STR("any_value");
        nothing->type = op->exprs[i]->type;
        nothing->args = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, 1);
        struct pf_expr *null = PF_ARENA_NEW(cutter->arena, struct pf_expr);
        *null = (struct pf_expr){.kind = PF_EXPR_CONSTANT, .type = nothing->type, .is_null = true};
        nothing->args[0] = null;
        nothing->arg_count = 1;
        nothing->is_unread = true;
        copy->exprs[i] = nothing;
    }
    return copy;
}

enum pf_code flow_aggregate(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                            struct pf_error *err) {
    struct stream child;
    bool *child_need = PF_ARENA_ARRAY(cutter->arena, bool, op->children[0]->column_count);
    need_child(op, 0, need, child_need);
    PF_TRY(flow(cutter, op->children[0], child_need, &child, err));
    *out = child;
    out->is_light = false;
    out->rows = estimate_rows(op, &child, &out->planned_rows);
    if (child.is_blocked || child.is_pinned) return PF_OK;
    const struct pf_expr **common;
    uint32_t common_count = common_groups(cutter, op, &common);
    if (stream_is_partitioned_by(&child, common, common_count)) {
        map_through(cutter, out, op->groups, op->group_count, op);
        stream_drop_splits(cutter, out);
        return PF_OK;
    }
    if (stream_is_cheap(cutter, &child)) {
        stream_make_whole(cutter, out);
        return PF_OK;
    }
    struct aggregate_split split;
    const struct pf_op *read = without_unread_calls(cutter, op, need);
    if (!op->is_partial_merge && split_aggregate(cutter, read, &split)) {
        double rows = out->rows;
        if (!op->group_count) rows = cutter->options->worker_count;
        return cut_partial(cutter, read, &child, &split, rows, out, err);
    }
    return bring_together(cutter, op, child_need, &child, common, common_count,
                          "an aggregate without GROUP BY that has no partial form", out, err);
}

enum pf_code flow_distinct(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                           struct pf_error *err) {
    struct stream child;
    bool *child_need = PF_ARENA_ARRAY(cutter->arena, bool, op->children[0]->column_count);
    need_child(op, 0, need, child_need);
    PF_TRY(flow(cutter, op->children[0], child_need, &child, err));
    *out = child;
    out->is_light = false;
    out->rows = estimate_rows(op, &child, &out->planned_rows);
    if (child.is_blocked || child.is_pinned) return PF_OK;
    const struct pf_expr **keys = op->exprs;
    uint32_t key_count = op->expr_count;
    if (!key_count) {
        keys = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, op->column_count);
        for (key_count = 0; key_count < op->column_count; key_count++)
            keys[key_count] = pf_expr_column(cutter->arena, key_count, op->types[key_count]);
    }
    if (stream_is_partitioned_by(&child, keys, key_count)) {
        stream_drop_splits(cutter, out);
        return PF_OK;
    }
    if (stream_is_cheap(cutter, &child)) {
        stream_make_whole(cutter, out);
        return PF_OK;
    }
    int partition_count = key_count ? choose_partition_count(cutter, out->rows * row_bytes(op, child_need)) : 1;
    struct cut cut = {.op = op,
                      .stream = &child,
                      .need = child_need,
                      .exchange = partition_count > 1 ? PF_EXCHANGE_REPARTITION : PF_EXCHANGE_GATHER,
                      .keys = partition_count > 1 ? keys : NULL,
                      .key_count = partition_count > 1 ? key_count : 0,
                      .partition_count = partition_count,
                      .rows = out->rows,
                      .is_gathered = partition_count <= 1,
                      .title = "partial distinct"};
    const struct pf_op *leaf;
    size_t first_stage;
    PF_TRY(cut_stages(cutter, &cut, &leaf, &first_stage, err));
    finish_cut(cutter, first_stage, op->id, copy_op(cutter, op, leaf));
    out->is_blocked = true;
    return PF_OK;
}

/* ORDER needs everything; so does a LIMIT, but a part of each task's rows will do. */
enum pf_code flow_sorted(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                         struct pf_error *err) {
    struct stream child;
    bool *child_need = PF_ARENA_ARRAY(cutter->arena, bool, op->children[0]->column_count);
    need_child(op, 0, need, child_need);
    PF_TRY(flow(cutter, op->children[0], child_need, &child, err));
    *out = child;
    out->is_light = false;
    out->rows = estimate_rows(op, &child, &out->planned_rows);
    if (child.is_blocked || child.is_pinned) return PF_OK;
    bool is_leaf = child.is_light && child.scan_bytes <= 0;
    if (stream_is_cheap(cutter, &child) || (is_leaf && op->kind == PF_OP_ORDER)) {
        stream_make_whole(cutter, out);
        return PF_OK;
    }
    out->is_blocked = true;
    const struct pf_limit *limit = &op->limit;
    bool has_partial = op->kind == PF_OP_LIMIT && limit->count >= 0 && limit->percent < 0 && !limit->count_expr &&
                       !limit->offset_expr && limit->count <= (1 << 30) && limit->offset <= (1 << 30);
    if (!has_partial) return gather(cutter, op->children[0], &child, child_need, NULL, err);
    struct pf_op *partial = copy_op(cutter, op, op->children[0]);
    partial->limit.count += partial->limit.offset;
    partial->limit.offset = 0;
    struct cut cut = {.op = partial,
                      .stream = &child,
                      .need = child_need,
                      .exchange = PF_EXCHANGE_GATHER,
                      .rows = (double)partial->limit.count * cutter->options->worker_count,
                      .is_gathered = true,
                      .title = op->sort_count ? "partial top" : "partial limit"};
    if (cut.rows > child.rows) cut.rows = child.rows;
    const struct pf_op *leaf;
    size_t first_stage;
    PF_TRY(cut_stages(cutter, &cut, &leaf, &first_stage, err));
    finish_cut(cutter, first_stage, op->id, copy_op(cutter, op, leaf));
    return PF_OK;
}

/* PARTITION BY expressions that all windows of the operator share. */
static uint32_t common_partitions(struct cutter *cutter, const struct pf_op *op, const struct pf_expr ***out_exprs) {
    const struct pf_window *first = op->exprs[0]->window;
    const struct pf_expr **exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, first->partition_count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < first->partition_count; i++) {
        bool is_in_all = true;
        for (uint32_t w = 1; w < op->expr_count && is_in_all; w++) {
            const struct pf_window *window = op->exprs[w]->window;
            is_in_all = false;
            for (uint32_t j = 0; j < window->partition_count; j++)
                if (pf_expr_equal(first->partitions[i], window->partitions[j])) is_in_all = true;
        }
        if (is_in_all) exprs[count++] = first->partitions[i];
    }
    *out_exprs = exprs;
    return count;
}

/* Windows that nobody reads are not computed, and rows need not meet for them. */
static bool is_window_read(const struct pf_op *op, const bool *need) {
    for (uint32_t i = op->column_count - op->expr_count; i < op->column_count; i++)
        if (need[i]) return true;
    return false;
}

enum pf_code flow_window(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                         struct pf_error *err) {
    struct stream child;
    bool *child_need = PF_ARENA_ARRAY(cutter->arena, bool, op->children[0]->column_count);
    need_child(op, 0, need, child_need);
    PF_TRY(flow(cutter, op->children[0], child_need, &child, err));
    *out = child;
    out->is_light = false;
    out->rows = estimate_rows(op, &child, &out->planned_rows);
    if (child.is_blocked || child.is_pinned || !is_window_read(op, need)) return PF_OK;
    const struct pf_expr **common;
    uint32_t count = common_partitions(cutter, op, &common);
    if (stream_is_partitioned_by(&child, common, count)) {
        stream_drop_splits(cutter, out);
        return PF_OK;
    }
    if (stream_is_cheap(cutter, &child)) {
        stream_make_whole(cutter, out);
        return PF_OK;
    }
    return bring_together(cutter, op, child_need, &child, common, count,
                          "a window without a PARTITION BY that all windows share", out, err);
}

/* "10 PERCENT (bernoulli)": each row, or each vector of rows, by its own chance; a seed would mean the same rows again. */
static bool is_by_row(pf_str sample) {
    size_t open = pf_str_find_char(sample, '(', 0);
    pf_str method = pf_str_slice(sample, open == SIZE_MAX ? sample.len : open, sample.len);
    return pf_str_equal_nocase(method, PF_STR("(bernoulli)")) || pf_str_equal_nocase(method, PF_STR("(system)"));
}

enum pf_code flow_sample(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                         struct pf_error *err) {
    struct stream child;
    PF_TRY(flow(cutter, op->children[0], need, &child, err));
    *out = child;
    out->is_light = false;
    out->is_volatile = true;
    out->rows = estimate_rows(op, &child, &out->planned_rows);
    if (child.is_blocked || child.is_pinned || is_by_row(op->sample_text)) return PF_OK;
    if (stream_is_cheap(cutter, &child)) {
        stream_make_whole(cutter, out);
        return PF_OK;
    }
    out->is_blocked = true;
    return gather(cutter, op->children[0], &child, need, "a sample of the whole", err);
}
