/* SPDX-License-Identifier: MIT */
/* How many rows and bytes: DuckDB's estimates, corrected by what finished stages have shown. */
#include "planner/streams.h"

static double without_estimate(const struct pf_op *op, const struct stream *children, bool is_planned) {
    double first = 1, second = 1;
    if (op->child_count > 0) first = is_planned ? children[0].planned_rows : children[0].rows;
    if (op->child_count > 1) second = is_planned ? children[1].planned_rows : children[1].rows;
    switch (op->kind) {
    case PF_OP_FILTER: return first * 0.2;
    case PF_OP_AGGREGATE: return op->group_count ? first * 0.25 : 1;
    case PF_OP_JOIN: return first > second ? first : second;
    case PF_OP_UNION: return first + second;
    default: return op->child_count ? first : 1;
    }
}

/* DuckDB multiplies where it knows nothing: a subquery's keys joined with their table (Q21 of TPC-H at SF1: 620 million
 * rows estimated, 300,000 found). A fan-out beyond this is not believed: partitions would be far too many, where of too
 * few the large ones are shared by several tasks. */
enum { MOST_FAN_OUT = 4 };

static bool has_equality(const struct pf_join *join) {
    for (uint32_t i = 0; i < join->condition_count; i++)
        if (pf_str_equal(join->conditions[i].op, PF_STR("=")) ||
            pf_str_equal(join->conditions[i].op, PF_STR("IS NOT DISTINCT FROM")))
            return true;
    return false;
}

static double most_joined_rows(const struct pf_op *op, const struct stream *children, double rows) {
    double left = children[0].rows, right = children[1].rows, most = rows;
    switch (op->join->kind) {
    case PF_JOIN_SEMI:
    case PF_JOIN_ANTI:
    case PF_JOIN_MARK:
    case PF_JOIN_SINGLE: most = left; break;
    case PF_JOIN_RIGHT_SEMI:
    case PF_JOIN_RIGHT_ANTI: most = right; break;
    default:
        if (has_equality(op->join)) most = MOST_FAN_OUT * (left > right ? left : right);
    }
    return rows < most ? rows : most;
}

double estimate_rows(const struct pf_op *op, const struct stream *children, double *out_planned) {
    double planned = op->rows >= 0 ? op->rows : without_estimate(op, children, true), rows = planned;
    if (op->rows < 0)
        rows = without_estimate(op, children, false);
    else
        for (uint32_t i = 0; i < op->child_count && i < 8; i++)
            if (children[i].planned_rows >= 1 && children[i].rows >= 0)
                rows *= children[i].rows / children[i].planned_rows;
    bool is_shrinking = op->kind != PF_OP_JOIN && op->kind != PF_OP_UNNEST && op->kind != PF_OP_UNION &&
                        op->kind != PF_OP_TABLE_FUNCTION && op->child_count == 1;
    if (is_shrinking && rows > children[0].rows) rows = children[0].rows;
    if (op->kind == PF_OP_JOIN && op->child_count == 2) rows = most_joined_rows(op, children, rows);
    if (op->kind == PF_OP_AGGREGATE && !op->group_count) rows = 1;
    if (op->kind == PF_OP_LIMIT && op->limit.count >= 0 && rows > (double)op->limit.count)
        rows = (double)op->limit.count;
    *out_planned = planned < 1 ? 1 : planned;
    return rows < 1 ? 1 : rows;
}

double row_bytes(const struct pf_op *op, const bool *need) {
    double bytes = 1;
    for (uint32_t i = 0; i < op->column_count; i++)
        if (need[i]) bytes += pf_sql_type_bytes(op->types[i]);
    return bytes;
}

int choose_partition_count(const struct cutter *cutter, double size_bytes) {
    const struct pf_planner_options *options = cutter->options;
    double target = options->partition_target_bytes > 0 ? (double)options->partition_target_bytes : 1;
    double count = size_bytes / target;
    int most = options->max_partitions > 1 ? options->max_partitions : 1;
    if (most > 65535) most = 65535; /* the partition number is a USMALLINT */
    if (count > most) return most;
    int partitions = (int)count + 1;
    if (partitions < options->worker_count) partitions = options->worker_count;
    return partitions > most ? most : partitions;
}
