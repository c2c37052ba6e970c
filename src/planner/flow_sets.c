/* SPDX-License-Identifier: MIT */
/* Streams through unions and other sets, and through CTEs.
 *
 * A union is no barrier: the stream above it has one alternative per input, and becomes one stage per input, in which
 * only that branch of the union is printed. If all inputs are partitioned alike, the union is one aligned stream. */
#include "planner/streams.h"

#include <string.h>

static void add_inputs(struct stream *out, const struct stream *child) {
    out->scan_bytes += child->scan_bytes;
    out->dataset_bytes += child->dataset_bytes;
    out->is_blocked |= child->is_blocked;
    out->is_pinned |= child->is_pinned;
    out->is_volatile |= child->is_volatile;
}

static bool has_key_set(const struct stream *stream, const struct key_set *set) {
    for (uint32_t s = 0; s < stream->key_set_count; s++) {
        bool is_same = stream->key_sets[s].count == set->count;
        for (uint32_t i = 0; is_same && i < set->count; i++)
            is_same = pf_expr_equal(stream->key_sets[s].exprs[i], set->exprs[i]);
        if (is_same) return true;
    }
    return false;
}

/* All inputs in the same number of partitions; with the same keys, if `needs_keys`. */
static bool merge_aligned(struct cutter *cutter, const struct stream *children, uint32_t count, bool needs_keys,
                          struct stream *out) {
    uint32_t leaf_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!children[i].partition_count || children[i].partition_count != children[0].partition_count ||
            children[i].alternative_count != 1)
            return false;
        leaf_count += children[i].alternatives[0].aligned_count;
    }
    out->key_set_count = 0;
    for (uint32_t s = 0; s < children[0].key_set_count; s++) {
        bool is_common = true;
        for (uint32_t i = 1; i < count; i++) is_common &= has_key_set(&children[i], &children[0].key_sets[s]);
        if (is_common) out->key_sets[out->key_set_count++] = children[0].key_sets[s];
    }
    if (needs_keys && !out->key_set_count) return false;
    struct alternative *all = PF_ARENA_NEW(cutter->arena, struct alternative);
    all->aligned_ids = PF_ARENA_ARRAY(cutter->arena, int, leaf_count);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < children[i].alternatives[0].aligned_count; k++)
            all->aligned_ids[all->aligned_count++] = children[i].alternatives[0].aligned_ids[k];
    out->alternatives = all;
    out->alternative_count = 1;
    out->partition_count = children[0].partition_count;
    return true;
}

static void add_alternatives(struct cutter *cutter, const struct pf_op *op, uint32_t branch, const struct stream *child,
                             struct stream *out) {
    for (uint32_t i = 0; i < child->alternative_count; i++) {
        const struct alternative *from = &child->alternatives[i];
        struct alternative *to = new_alternative(cutter, out);
        *to = *from;
        to->choices = PF_ARENA_ARRAY(cutter->arena, struct branch_choice, from->choice_count + 1u);
        if (from->choice_count) memcpy(to->choices, from->choices, from->choice_count * sizeof *to->choices);
        to->choices[to->choice_count++] = (struct branch_choice){op->id, branch};
    }
}

static enum pf_code flow_children(struct cutter *cutter, const struct pf_op *op, const bool *need,
                                  struct stream *children, bool **needs, struct stream *out, struct pf_error *err) {
    double rows = 0, planned = 0;
    *out = (struct stream){0};
    for (uint32_t i = 0; i < op->child_count; i++) {
        needs[i] = PF_ARENA_ARRAY(cutter->arena, bool, op->children[i]->column_count);
        need_child(op, i, need, needs[i]);
        PF_TRY(flow(cutter, op->children[i], needs[i], &children[i], err));
        add_inputs(out, &children[i]);
        rows += children[i].rows;
        planned += children[i].planned_rows;
    }
    out->rows = rows;
    out->planned_rows = planned;
    return PF_OK;
}

enum pf_code flow_union(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                        struct pf_error *err) {
    struct stream *children = PF_ARENA_ARRAY(cutter->arena, struct stream, op->child_count);
    bool **needs = PF_ARENA_ARRAY(cutter->arena, bool *, op->child_count);
    PF_TRY(flow_children(cutter, op, need, children, needs, out, err));
    if (out->is_blocked) return PF_OK;
    bool is_whole = true, is_light = true;
    uint32_t alternatives = 0;
    for (uint32_t i = 0; i < op->child_count; i++) {
        is_whole &= stream_is_whole(&children[i]);
        is_light &= children[i].is_light;
        alternatives += children[i].alternative_count;
    }
    out->is_light = is_light;
    if (is_whole || (out->is_pinned && alternatives <= op->child_count)) {
        for (uint32_t i = 0; i < op->child_count; i++) {
            if (!out->is_pinned || stream_is_whole(&children[i])) continue;
            out->is_blocked = true; /* beside the working table of a recursive CTE */
            PF_TRY(gather(cutter, op->children[i], &children[i], needs[i], "a recursive CTE", err));
        }
        stream_make_whole(cutter, out);
        return PF_OK;
    }
    if (merge_aligned(cutter, children, op->child_count, false, out)) return PF_OK;
    /* Inputs with different numbers of partitions, or very many: through datasets. */
    bool is_mixed = false;
    int partition_count = 0;
    for (uint32_t i = 0; i < op->child_count; i++) {
        if (!children[i].partition_count) continue;
        is_mixed |= partition_count && partition_count != children[i].partition_count;
        partition_count = children[i].partition_count;
    }
    if (is_mixed || alternatives > MAX_ALTERNATIVES) {
        out->is_blocked = true;
        for (uint32_t i = 0; i < op->child_count; i++) {
            struct cut cut = {.op = op->children[i],
                              .stream = &children[i],
                              .need = needs[i],
                              .exchange = PF_EXCHANGE_GATHER,
                              .rows = children[i].rows};
            bool is_dataset = children[i].is_light && !children[i].partition_count && children[i].scan_bytes <= 0;
            if (!is_dataset) PF_TRY(cut_here(cutter, &cut, err));
        }
        return PF_OK;
    }
    out->partition_count = partition_count;
    for (uint32_t i = 0; i < op->child_count; i++) add_alternatives(cutter, op, i, &children[i], out);
    return PF_OK;
}

/* INTERSECT and EXCEPT compare all columns of both inputs. */
enum pf_code flow_set(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                      struct pf_error *err) {
    struct stream children[2] = {0};
    bool *needs[2] = {0};
    PF_TRY(flow_children(cutter, op, need, children, needs, out, err));
    out->rows = children[0].rows;
    out->planned_rows = children[0].planned_rows;
    if (out->is_blocked) return PF_OK;
    if (merge_aligned(cutter, children, 2, true, out)) return PF_OK;
    if ((stream_is_cheap(cutter, &children[0]) && stream_is_cheap(cutter, &children[1]))) {
        stream_make_whole(cutter, out);
        return PF_OK;
    }
    out->is_blocked = true;
    const struct pf_expr **keys = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, op->column_count);
    for (uint32_t i = 0; i < op->column_count; i++) keys[i] = pf_expr_column(cutter->arena, i, op->types[i]);
    double bytes = 0;
    for (int i = 0; i < 2; i++) bytes += children[i].rows * row_bytes(op->children[i], needs[i]);
    int partition_count = choose_partition_count(cutter, bytes);
    if (partition_count < 2) partition_count = 2;
    struct key_set wanted = {keys, op->column_count};
    for (int i = 0; i < 2; i++) /* keep what a former step has partitioned */
        if (children[i].alternative_count == 1 && children[i].partition_count && has_key_set(&children[i], &wanted))
            partition_count = children[i].partition_count;
    for (int i = 0; i < 2; i++) {
        bool is_done = children[i].alternative_count == 1 && children[i].partition_count == partition_count &&
                       has_key_set(&children[i], &wanted);
        if (!is_done)
            PF_TRY(repartition(cutter, op->children[i], &children[i], needs[i], keys, op->column_count, partition_count,
                               err));
    }
    return PF_OK;
}

/* ---- CTEs ---- */

/* Once the definition is a dataset, pf_planner_replace puts it in the place of each reference. */

enum pf_code flow_cte(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                      struct pf_error *err) {
    const struct pf_op *definition = op->children[0];
    struct cte_scope scope = {.cte_index = op->cte_index, .definition = definition, .outer = cutter->scopes};
    bool *cte_need = PF_ARENA_ARRAY(cutter->arena, bool, definition->column_count);
    need_cte(op->children[1], need, op->cte_index, cte_need, cutter->arena);
    PF_TRY(flow(cutter, definition, cte_need, &scope.stream, err));
    /* Small enough to be computed wherever it is read; else it becomes a dataset that tasks can share out. */
    bool is_inline =
        !scope.stream.is_blocked && !scope.stream.is_volatile &&
        scope.stream.scan_bytes + scope.stream.dataset_bytes <= (double)cutter->options->replicated_scan_max_bytes;
    if (!scope.stream.is_blocked && !is_inline && !scope.stream.is_pinned) {
        struct cut cut = {.op = definition,
                          .stream = &scope.stream,
                          .need = cte_need,
                          .exchange = PF_EXCHANGE_GATHER,
                          .rows = scope.stream.rows};
        PF_TRY(cut_here(cutter, &cut, err));
        scope.stream.is_blocked = true;
    }
    cutter->scopes = &scope;
    enum pf_code code = flow(cutter, op->children[1], need, out, err);
    cutter->scopes = scope.outer;
    if (code == PF_OK && scope.stream.is_blocked) out->is_blocked = true;
    return code;
}

enum pf_code flow_cte_ref(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                          struct pf_error *err) {
    (void)need;
    const struct cte_scope *scope = cutter->scopes;
    while (scope && scope->cte_index != op->cte_index) scope = scope->outer;
    if (!scope) PF_FAIL(err, PF_BUG, "CTE %d isn't in scope", op->cte_index);
    *out = (struct stream){0};
    if (!scope->definition) { /* the working table of a recursive CTE */
        out->is_pinned = true;
        out->rows = out->planned_rows = 1;
        stream_make_whole(cutter, out);
    } else {
        *out = scope->stream;
        out->is_light = false;
        stream_make_whole(cutter, out);
    }
    return PF_OK;
}

/* Runs in one fragment; what it reads beside its working table is spread. */
enum pf_code flow_recursive(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                            struct pf_error *err) {
    (void)need;
    struct stream parts[2];
    *out = (struct stream){0};
    struct cte_scope scope = {.cte_index = op->cte_index, .outer = cutter->scopes};
    for (uint32_t i = 0; i < 2; i++) {
        bool *all = PF_ARENA_ARRAY(cutter->arena, bool, op->children[i]->column_count);
        memset(all, true, op->children[i]->column_count * sizeof *all);
        if (i == 1) cutter->scopes = &scope;
        enum pf_code code = flow(cutter, op->children[i], all, &parts[i], err);
        bool must_meet = code == PF_OK && !parts[i].is_blocked && !parts[i].is_pinned &&
                         !stream_is_cheap(cutter, &parts[i]) && !(parts[i].is_light && parts[i].scan_bytes <= 0);
        if (must_meet) {
            code = gather(cutter, op->children[i], &parts[i], all, "a recursive CTE", err);
            parts[i].is_blocked = true;
        }
        cutter->scopes = scope.outer;
        if (code != PF_OK) return code;
        add_inputs(out, &parts[i]);
    }
    out->is_pinned = false; /* its own working table ends here */
    out->rows = out->planned_rows = parts[0].rows * 10;
    stream_make_whole(cutter, out);
    return PF_OK;
}
