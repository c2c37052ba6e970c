/* SPDX-License-Identifier: MIT */
/* Streams through joins. A join runs in a stream if one side is read whole by every task (broadcast, or a small scan
 * read again), or if both sides are partitioned alike. Otherwise a side becomes a stage first:
 *
 *   the smaller side is small enough   -> broadcast it, decide again when its size is known
 *   it may or may not be               -> partition it by the join keys; read it whole if it turned out small
 *   both are large                     -> partition both by the join keys, at once
 *   no keys to partition by            -> broadcast the smaller side whatever its size
 *
 * Which side may be read whole follows from the kind of the join: a row of the other side must not be seen unmatched
 * by a task that has only a part of it. */
#include "planner/adapt.h"
#include "planner/join_sides.h"

#include <string.h>

static void find_sides_allowed(struct join_sides *sides) {
    const struct pf_join *join = sides->op->join;
    for (int side = 0; side < 2; side++) sides->may_drop[side] = join_may_drop_unmatched(join, side);
    switch (join->kind) {
    case PF_JOIN_INNER:
        sides->may_whole[0] = !join->is_asof;
        sides->may_whole[1] = true;
        return;
    case PF_JOIN_LEFT:
    case PF_JOIN_SEMI:
    case PF_JOIN_ANTI:
    case PF_JOIN_MARK:
    case PF_JOIN_SINGLE: sides->may_whole[1] = true; return;
    case PF_JOIN_RIGHT:
    case PF_JOIN_RIGHT_SEMI:
    case PF_JOIN_RIGHT_ANTI: sides->may_whole[0] = true; return;
    default: /* FULL, POSITIONAL: neither */ return;
    }
}

static bool is_equality(pf_str op) {
    return pf_str_equal(op, PF_STR("=")) || pf_str_equal(op, PF_STR("IS NOT DISTINCT FROM"));
}

static void find_keys(struct cutter *cutter, struct join_sides *sides) {
    const struct pf_join *join = sides->op->join;
    for (int side = 0; side < 2; side++)
        sides->keys[side] = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, join->condition_count);
    /* MARK decides between false and NULL by rows of all partitions. */
    if (join->kind == PF_JOIN_MARK || join->kind == PF_JOIN_POSITIONAL) return;
    for (uint32_t i = 0; i < join->condition_count; i++) {
        const struct pf_join_condition *condition = &join->conditions[i];
        if (!is_equality(condition->op) || !pf_sql_type_equal(condition->left->type, condition->right->type) ||
            condition->left->kind == PF_EXPR_CONSTANT || condition->right->kind == PF_EXPR_CONSTANT ||
            pf_expr_is_volatile(condition->left) || pf_expr_is_volatile(condition->right))
            continue;
        sides->keys[0][sides->key_count] = condition->left;
        sides->keys[1][sides->key_count++] = condition->right;
    }
}

/* ---- what comes out ---- */

/* The columns of a side in the output; NULL where they don't come out. */
static const struct pf_expr **output_columns(struct cutter *cutter, const struct pf_op *op, int side) {
    uint32_t left_count = op->children[0]->column_count, count = op->children[side]->column_count;
    enum pf_join_kind kind = op->join->kind;
    bool is_right_only = kind == PF_JOIN_RIGHT_SEMI || kind == PF_JOIN_RIGHT_ANTI;
    bool is_left_only = kind == PF_JOIN_SEMI || kind == PF_JOIN_ANTI || kind == PF_JOIN_MARK;
    const struct pf_expr **columns = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, count);
    if ((side == 0 && is_right_only) || (side == 1 && is_left_only)) return columns;
    uint32_t first = side == 1 && !is_right_only ? left_count : 0;
    for (uint32_t i = 0; i < count; i++)
        columns[i] = pf_expr_column(cutter->arena, first + i, op->children[side]->types[i]);
    return columns;
}

/* After an inner join l = r, rows are partitioned by r as they are by l. */
static void add_equal_keys(struct cutter *cutter, const struct join_sides *sides, struct stream *out) {
    if (sides->op->join->kind != PF_JOIN_INNER) return;
    const struct pf_expr **columns[2] = {output_columns(cutter, sides->op, 0), output_columns(cutter, sides->op, 1)};
    for (uint32_t s = 0; s < out->key_set_count; s++) {
        struct key_set set = out->key_sets[s];
        for (uint32_t i = 0; i < set.count; i++)
            for (uint32_t k = 0; k < sides->key_count; k++)
                for (int side = 0; side < 2; side++) {
                    uint32_t counts[2] = {sides->op->children[0]->column_count, sides->op->children[1]->column_count};
                    const struct pf_expr *own =
                        pf_expr_substitute(sides->keys[side][k], columns[side], counts[side], cutter->arena);
                    const struct pf_expr *other =
                        pf_expr_substitute(sides->keys[!side][k], columns[!side], counts[!side], cutter->arena);
                    if (!own || !other || !pf_expr_equal(own, set.exprs[i])) continue;
                    const struct pf_expr **exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, set.count);
                    memcpy(exprs, set.exprs, set.count * sizeof *exprs);
                    exprs[i] = other;
                    stream_add_keys(out, exprs, set.count);
                }
    }
}

/* The join as part of the stream of `side`. */
static void join_stream(struct cutter *cutter, const struct join_sides *sides, int side, struct stream *out) {
    double rows = out->rows, planned = out->planned_rows;
    const struct stream *streams = sides->streams;
    *out = streams[side];
    out->rows = rows;
    out->planned_rows = planned;
    out->is_light = false;
    out->is_volatile = streams[0].is_volatile || streams[1].is_volatile;
    out->is_pinned = streams[0].is_pinned || streams[1].is_pinned;
    out->scan_bytes = streams[0].scan_bytes + streams[1].scan_bytes;
    out->dataset_bytes = streams[0].dataset_bytes + streams[1].dataset_bytes;
    const struct pf_expr **columns = output_columns(cutter, sides->op, side);
    stream_map_keys(cutter, out, columns, sides->op->children[side]->column_count);
    add_equal_keys(cutter, sides, out);
}

/* ---- both sides partitioned alike ---- */

static bool is_key_pair(const struct join_sides *sides, const struct pf_expr *left, const struct pf_expr *right) {
    for (uint32_t k = 0; k < sides->key_count; k++)
        if (pf_expr_equal(sides->keys[0][k], left) && pf_expr_equal(sides->keys[1][k], right)) return true;
    return false;
}

static bool are_aligned(const struct join_sides *sides, const struct key_set **out_left) {
    const struct stream *left = &sides->streams[0], *right = &sides->streams[1];
    if (left->partition_count != right->partition_count || !left->partition_count || left->alternative_count != 1 ||
        right->alternative_count != 1)
        return false;
    for (uint32_t l = 0; l < left->key_set_count; l++)
        for (uint32_t r = 0; r < right->key_set_count; r++) {
            const struct key_set *a = &left->key_sets[l], *b = &right->key_sets[r];
            bool is_match = a->count == b->count;
            for (uint32_t i = 0; i < a->count && is_match; i++) is_match = is_key_pair(sides, a->exprs[i], b->exprs[i]);
            if (!is_match) continue;
            *out_left = a;
            return true;
        }
    return false;
}

static void align(struct cutter *cutter, const struct join_sides *sides, struct stream *out) {
    enum pf_join_kind kind = sides->op->join->kind;
    bool is_right = kind == PF_JOIN_RIGHT || kind == PF_JOIN_RIGHT_SEMI || kind == PF_JOIN_RIGHT_ANTI;
    const struct alternative *a = &sides->streams[0].alternatives[0], *b = &sides->streams[1].alternatives[0];
    struct alternative *both = PF_ARENA_NEW(cutter->arena, struct alternative);
    both->aligned_ids = PF_ARENA_ARRAY(cutter->arena, int, a->aligned_count + b->aligned_count);
    for (uint32_t i = 0; i < a->aligned_count; i++) both->aligned_ids[both->aligned_count++] = a->aligned_ids[i];
    for (uint32_t i = 0; i < b->aligned_count; i++) both->aligned_ids[both->aligned_count++] = b->aligned_ids[i];
    both->split_ids = PF_ARENA_ARRAY(cutter->arena, int, a->split_count + b->split_count);
    for (uint32_t i = 0; i < a->split_count && sides->may_whole[1]; i++)
        both->split_ids[both->split_count++] = a->split_ids[i];
    for (uint32_t i = 0; i < b->split_count && sides->may_whole[0]; i++)
        both->split_ids[both->split_count++] = b->split_ids[i];
    join_stream(cutter, sides, is_right, out);
    out->alternatives = both;
    if (kind == PF_JOIN_FULL) stream_drop_keys(out); /* unmatched rows have NULL there */
}

/* ---- stages for a side ---- */

static enum pf_code cut_broadcast(struct cutter *cutter, const struct join_sides *sides, int side,
                                  struct pf_error *err) {
    struct cut cut = {.op = sides->op->children[side],
                      .stream = &sides->streams[side],
                      .need = sides->needs[side],
                      .exchange = PF_EXCHANGE_BROADCAST,
                      .rows = sides->streams[side].rows};
    if (sides->may_drop[!side]) {
        cut.value_keys = sides->keys[side];
        cut.value_key_count = sides->key_count;
    }
    return cut_here(cutter, &cut, err);
}

/* Keys for `side` that fit how the other side is partitioned already; 0: it isn't. */
static uint32_t keys_of_partner(struct cutter *cutter, const struct join_sides *sides, int side,
                                const struct pf_expr ***out_keys) {
    const struct stream *partner = &sides->streams[!side];
    if (!partner->partition_count || partner->alternative_count != 1) return 0;
    for (uint32_t s = 0; s < partner->key_set_count; s++) {
        const struct key_set *set = &partner->key_sets[s];
        const struct pf_expr **keys = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, set->count);
        uint32_t found = 0;
        for (uint32_t i = 0; i < set->count; i++)
            for (uint32_t k = 0; k < sides->key_count; k++)
                if (pf_expr_equal(sides->keys[!side][k], set->exprs[i])) {
                    keys[i] = sides->keys[side][k];
                    found++;
                    break;
                }
        if (found != set->count) continue;
        *out_keys = keys;
        return found;
    }
    return 0;
}

/* Partitions a side; where that pays, only its rows with a match on the other one. `is_first`: the other side waits for
 * what this one turns out to be. */
static enum pf_code cut_by_keys(struct cutter *cutter, const struct join_sides *sides, int side,
                                const struct pf_expr **keys, uint32_t key_count, int partition_count, bool is_first,
                                struct pf_error *err) {
    if (can_cut_matching(cutter, sides, side) && is_reduced_by_matching(sides, side))
        return cut_matching(cutter, sides, side, keys, key_count, partition_count, err);
    struct cut cut = {.op = sides->op->children[side],
                      .stream = &sides->streams[side],
                      .need = sides->needs[side],
                      .exchange = PF_EXCHANGE_REPARTITION,
                      .keys = keys,
                      .key_count = key_count,
                      .partition_count = partition_count,
                      .rows = sides->streams[side].rows};
    if (is_first && sides->may_drop[!side]) {
        cut.value_keys = sides->keys[side];
        cut.value_key_count = sides->key_count;
    }
    return cut_here(cutter, &cut, err);
}

/* Nothing filters it: its size is what the table says. */
static bool is_bare(const struct pf_op *op) {
    while (op->kind == PF_OP_PROJECT && op->child_count) op = op->children[0];
    return op->kind == PF_OP_SCAN;
}

/* The side to run first, because its real size may change what is done with the other one; -1: both at once. */
static int side_worth_waiting_for(const struct cutter *cutter, const struct join_sides *sides, int smaller) {
    bool is_open[2];
    for (int side = 0; side < 2; side++) {
        const struct stream *stream = &sides->streams[side];
        bool is_known = (stream->is_light && stream->scan_bytes <= 0) || is_bare(sides->op->children[side]);
        is_open[side] = !is_known && (sides->may_whole[side] || sides->may_drop[!side]);
    }
    if (is_open[smaller]) return smaller;
    if (is_open[!smaller]) return !smaller;
    bool may_fit =
        sides->may_whole[smaller] && sides->bytes[smaller] < 4 * (double)cutter->options->broadcast_max_bytes;
    return may_fit && !(sides->streams[smaller].is_light && sides->streams[smaller].scan_bytes <= 0) ? smaller : -1;
}

static enum pf_code partition_sides(struct cutter *cutter, const struct join_sides *sides, int smaller,
                                    struct pf_error *err) {
    for (int side = 0; side < 2; side++) { /* one is partitioned already */
        const struct pf_expr **keys;
        uint32_t count = keys_of_partner(cutter, sides, side, &keys);
        if (count)
            return cut_by_keys(cutter, sides, side, keys, count, sides->streams[!side].partition_count, false, err);
    }
    double largest = sides->bytes[0] > sides->bytes[1] ? sides->bytes[0] : sides->bytes[1];
    int partition_count = choose_partition_count(cutter, largest);
    if (partition_count < 2) partition_count = 2;
    int awaited = side_worth_waiting_for(cutter, sides, smaller), first = awaited < 0 ? smaller : awaited;
    bool is_alone = awaited >= 0;
    PF_TRY(cut_by_keys(cutter, sides, first, sides->keys[first], sides->key_count, partition_count, is_alone, err));
    if (is_alone) return PF_OK;
    return cut_by_keys(cutter, sides, !first, sides->keys[!first], sides->key_count, partition_count, false, err);
}

/* ---- the decision ---- */

/* The rows of a dataset, or of what is computed from it cheaply: reading it whole costs no further stage. */
static bool is_dataset(const struct stream *stream) {
    return stream->is_light && stream->scan_bytes <= 0;
}

static enum pf_code bring_together(struct cutter *cutter, struct join_sides *sides, const char *reason,
                                   struct stream *out, struct pf_error *err) {
    for (int side = 0; side < 2; side++) {
        if (stream_is_cheap(cutter, &sides->streams[side]) || is_dataset(&sides->streams[side])) continue;
        out->is_blocked = true;
        PF_TRY(gather(cutter, sides->op->children[side], &sides->streams[side], sides->needs[side], reason, err));
    }
    if (out->is_blocked) return PF_OK;
    join_stream(cutter, sides, 0, out);
    stream_make_whole(cutter, out);
    return PF_OK;
}

/* The smaller side must not be read whole by tasks that have parts of the other one (the outer side of an outer join).
 * Then the larger one is cut down to what matches it. False: not so. */
static enum pf_code keep_outer_side(struct cutter *cutter, struct join_sides *sides, int outer, bool *out_is_done,
                                    struct pf_error *err) {
    double limit = (double)cutter->options->broadcast_max_bytes;
    *out_is_done = false;
    if (sides->may_whole[outer] || !sides->may_whole[!outer] || !is_reduced_by_matching(sides, !outer)) return PF_OK;
    if (can_cut_matching(cutter, sides, !outer)) {
        *out_is_done = true;
        return cut_matching(cutter, sides, !outer, sides->keys[!outer], sides->key_count, 0, err);
    }
    struct join_sides finished = *sides; /* how it would be if the outer side were a dataset */
    finished.streams[outer].scan_bytes = 0;
    finished.streams[outer].is_light = true;
    finished.streams[outer].dataset_bytes = sides->bytes[outer];
    bool is_scan = sides->streams[outer].scan_bytes > 0 || !sides->streams[outer].is_light;
    if (!is_scan || sides->bytes[outer] > limit / 4 || !can_cut_matching(cutter, &finished, !outer)) return PF_OK;
    *out_is_done = true;
    return cut_broadcast(cutter, sides, outer, err);
}

static enum pf_code make_stages(struct cutter *cutter, struct join_sides *sides, struct stream *out,
                                struct pf_error *err) {
    int smaller = sides->bytes[1] <= sides->bytes[0];
    bool is_done;
    PF_TRY(keep_outer_side(cutter, sides, smaller, &is_done, err));
    if (is_done) {
        out->is_blocked = true;
        return PF_OK;
    }
    if (!sides->may_whole[smaller] && sides->may_whole[!smaller]) smaller = !smaller;
    bool may_whole = sides->may_whole[smaller];
    double limit = (double)cutter->options->broadcast_max_bytes;
    if (!sides->key_count && !may_whole)
        return bring_together(cutter, sides,
                              sides->op->join->kind == PF_JOIN_POSITIONAL ? "a positional join"
                                                                          : "a full join without an equality",
                              out, err);
    if (!sides->key_count) { /* broadcast, whatever the size */
        if (is_dataset(&sides->streams[smaller])) {
            join_stream(cutter, sides, !smaller, out);
            return PF_OK;
        }
        out->is_blocked = true;
        return cut_broadcast(cutter, sides, smaller, err);
    }
    out->is_blocked = true;
    /* Known not to fit: it is a dataset, and stream_can_be_read_whole said no. */
    bool may_fit = may_whole && !is_dataset(&sides->streams[smaller]);
    /* An estimate over scans may be far off; over datasets it is a bound, or nearly, and a bare table is what it is. */
    bool is_known = sides->streams[smaller].scan_bytes <= 0 || is_bare(sides->op->children[smaller]);
    double trusted = is_known ? limit : limit / 4;
    if (may_fit && sides->bytes[smaller] <= trusted) return cut_broadcast(cutter, sides, smaller, err);
    return partition_sides(cutter, sides, smaller, err);
}

/* A small table that every task could read again is worth a stage of its own if its keys may spare a large scan most of
 * its files: they are known then when the splits are made. */
static bool keys_are_worth_a_stage(const struct cutter *cutter, const struct join_sides *sides, int small) {
    const struct stream *stream = &sides->streams[small];
    if (stream->scan_bytes <= 0 || stream->is_volatile || stream->is_pinned || !sides->may_drop[!small] ||
        is_bare(sides->op->children[small]))
        return false;
    for (uint32_t i = 0; i < sides->key_count; i++) {
        const struct pf_expr *key = sides->keys[!small][i];
        if (key->kind == PF_EXPR_COLUMN && sides->keys[small][i]->kind == PF_EXPR_COLUMN &&
            bytes_filtered_by(sides->op->children[!small], key->column) >=
                (double)cutter->options->key_filter_min_bytes)
            return true;
    }
    return false;
}

enum pf_code flow_join(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                       struct pf_error *err) {
    struct join_sides sides = {.op = op};
    for (uint32_t i = 0; i < 2; i++) {
        sides.needs[i] = PF_ARENA_ARRAY(cutter->arena, bool, op->children[i]->column_count);
        need_child(op, i, need, sides.needs[i]);
        PF_TRY(flow(cutter, op->children[i], sides.needs[i], &sides.streams[i], err));
        sides.bytes[i] = sides.streams[i].rows * row_bytes(op->children[i], sides.needs[i]);
    }
    const struct stream *left = &sides.streams[0], *right = &sides.streams[1];
    *out = (struct stream){0};
    out->rows = sides.rows = estimate_rows(op, sides.streams, &out->planned_rows);
    out->is_blocked = left->is_blocked || right->is_blocked;
    if (out->is_blocked) return PF_OK;
    find_sides_allowed(&sides);
    find_keys(cutter, &sides);
    if (left->is_pinned || right->is_pinned) return bring_together(cutter, &sides, "a recursive CTE", out, err);
    if (stream_is_whole(left) && stream_is_whole(right)) {
        join_stream(cutter, &sides, 0, out);
        return PF_OK;
    }
    const struct key_set *aligned;
    bool are_alike = are_aligned(&sides, &aligned);
    bool can_read[2];
    for (int i = 0; i < 2; i++) can_read[i] = sides.may_whole[i] && stream_can_be_read_whole(cutter, &sides.streams[i]);
    if (can_read[0] && can_read[1]) { /* the larger one drives */
        double inputs[2];
        for (int i = 0; i < 2; i++) inputs[i] = sides.streams[i].scan_bytes + sides.streams[i].dataset_bytes;
        can_read[inputs[0] > inputs[1] ? 0 : 1] = false;
    }
    if (are_alike && !can_read[0] && !can_read[1])
        align(cutter, &sides, out);
    else if (can_read[0] || can_read[1]) {
        int small = can_read[1];
        if (keys_are_worth_a_stage(cutter, &sides, small)) {
            out->is_blocked = true;
            return cut_broadcast(cutter, &sides, small, err);
        }
        join_stream(cutter, &sides, !small, out);
    } else
        return make_stages(cutter, &sides, out, err);
    return PF_OK;
}
