/* SPDX-License-Identifier: MIT */
/* A large side of a join is cut down to its rows with a match before it is exchanged:
 *
 *   JOIN                                     stage: scan large, semi join with the keys of small
 *     small (finished, or little to scan)    JOIN
 *     large                           ->       small
 *                                              what is left of large
 *
 * That is how an outer join keeps a small outer side whole without partitioning the large other side, and how keys that
 * are few reduce rows that would travel for nothing. */
#include "planner/join_sides.h"

/* Rows left worth a pass over the keys. */
static const double WORTHWHILE = 0.5;
/* Of one row of an outer side. */
static const double TYPICAL_MATCHES = 5;

static bool is_dataset(const struct stream *stream) {
    return stream->is_light && stream->scan_bytes <= 0;
}

static double key_bytes(const struct join_sides *sides, int side) {
    double bytes = 1;
    for (uint32_t i = 0; i < sides->key_count; i++) bytes += pf_sql_type_bytes(sides->keys[side][i]->type);
    return bytes * sides->streams[side].rows;
}

static const struct pf_op *definition_of(const struct cutter *cutter, int cte_index) {
    const struct cte_scope *scope = cutter->scopes;
    while (scope && scope->cte_index != cte_index) scope = scope->outer;
    return scope ? scope->definition : NULL;
}

static bool reads_stage(const struct cutter *cutter, const struct pf_op *op, int stage_id) {
    if (op->kind == PF_OP_DATASET && op->dataset_stage_id == stage_id) return true;
    const struct pf_op *definition = op->kind == PF_OP_CTE_REF ? definition_of(cutter, op->cte_index) : NULL;
    if (definition && reads_stage(cutter, definition, stage_id)) return true;
    for (uint32_t i = 0; i < op->child_count; i++)
        if (reads_stage(cutter, op->children[i], stage_id)) return true;
    return false;
}

/* The side was made from the other one's rows (a correlated subquery): what it holds matches. */
static bool is_made_from(const struct cutter *cutter, const struct pf_op *side, const struct pf_op *other) {
    if (other->kind == PF_OP_DATASET) return reads_stage(cutter, side, other->dataset_stage_id);
    for (uint32_t i = 0; i < other->child_count; i++)
        if (is_made_from(cutter, side, other->children[i])) return true;
    return false;
}

bool can_cut_matching(const struct cutter *cutter, const struct join_sides *sides, int side) {
    const struct stream *stream = &sides->streams[side], *other = &sides->streams[!side];
    const struct pf_join *join = sides->op->join;
    if (!sides->may_drop[side] || join->is_asof || (!sides->key_count && (!join->condition_count || join->residual)))
        return false;
    if (stream->scan_bytes <= (double)cutter->options->replicated_scan_max_bytes || stream->is_pinned ||
        stream->is_volatile || is_made_from(cutter, sides->op->children[side], sides->op->children[!side]))
        return false;
    double limit = (double)cutter->options->broadcast_max_bytes;
    if (stream_can_be_read_whole(cutter, other)) return true;
    return is_dataset(other) && sides->key_count && key_bytes(sides, !side) <= limit &&
           other->dataset_bytes <= 8 * limit;
}

static double matching_rows(const struct join_sides *sides, int side) {
    enum pf_join_kind kind = sides->op->join->kind;
    double rows = sides->streams[side].rows, found = sides->rows;
    /* What comes out of these says nothing about matches: DuckDB takes the larger side's rows for an outer join. */
    bool is_unsaid = kind != PF_JOIN_INNER && kind != (side == 0 ? PF_JOIN_SEMI : PF_JOIN_RIGHT_SEMI);
    if (is_unsaid) found = TYPICAL_MATCHES * sides->streams[!side].rows;
    return found < rows ? found : rows;
}

bool is_reduced_by_matching(const struct join_sides *sides, int side) {
    return matching_rows(sides, side) < WORTHWHILE * sides->streams[side].rows;
}

static pf_str turned(pf_str op) {
    static const char *const PAIRS[][2] = {{"<", ">"}, {"<=", ">="}, {">", "<"}, {">=", "<="}};
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++)
        if (pf_str_equal(op, pf_str_from_cstr(PAIRS[i][0]))) return pf_str_from_cstr(PAIRS[i][1]);
    return op;
}

/* side SEMI JOIN other: on the equalities if there are any, which may leave more rows than the join will. */
static const struct pf_op *semi_join(struct cutter *cutter, const struct join_sides *sides, int side, double rows) {
    const struct pf_op *op = sides->op, *kept = op->children[side];
    struct pf_op *semi = new_op(cutter, PF_OP_JOIN, 2, kept->column_count);
    semi->children[0] = kept;
    semi->children[1] = op->children[!side];
    for (uint32_t i = 0; i < kept->column_count; i++) semi->types[i] = kept->types[i];
    semi->rows = rows;
    struct pf_join *join = PF_ARENA_NEW(cutter->arena, struct pf_join);
    join->kind = PF_JOIN_SEMI;
    join->conditions = PF_ARENA_ARRAY(cutter->arena, struct pf_join_condition, op->join->condition_count);
    for (uint32_t i = 0; i < op->join->condition_count; i++) {
        struct pf_join_condition condition = op->join->conditions[i];
        bool is_equality =
            pf_str_equal(condition.op, PF_STR("=")) || pf_str_equal(condition.op, PF_STR("IS NOT DISTINCT FROM"));
        if (sides->key_count && !is_equality) continue;
        if (side == 1) condition = (struct pf_join_condition){condition.right, condition.left, turned(condition.op)};
        join->conditions[join->condition_count++] = condition;
    }
    semi->join = join;
    return semi;
}

enum pf_code cut_matching(struct cutter *cutter, const struct join_sides *sides, int side, const struct pf_expr **keys,
                          uint32_t key_count, int partition_count, struct pf_error *err) {
    const struct stream *other = &sides->streams[!side];
    struct stream stream = sides->streams[side];
    double rows = matching_rows(sides, side);
    stream.rows = rows;
    stream.is_light = false;
    stream.scan_bytes += other->scan_bytes;
    stream.dataset_bytes += other->dataset_bytes;
    if (!partition_count)
        partition_count =
            choose_partition_count(cutter, rows * row_bytes(sides->op->children[side], sides->needs[side]));
    bool is_partitioned = key_count > 0 && partition_count > 1;
    struct cut cut = {.op = semi_join(cutter, sides, side, rows),
                      .stream = &stream,
                      .need = sides->needs[side],
                      .exchange = is_partitioned ? PF_EXCHANGE_REPARTITION : PF_EXCHANGE_BROADCAST,
                      .keys = is_partitioned ? keys : NULL,
                      .key_count = is_partitioned ? key_count : 0,
                      .partition_count = partition_count,
                      .rows = rows};
    const struct pf_op *leaf;
    size_t first_stage;
    PF_TRY(cut_stages(cutter, &cut, &leaf, &first_stage, err));
    finish_cut(cutter, first_stage, sides->op->children[side]->id, leaf);
    return PF_OK;
}
