/* SPDX-License-Identifier: MIT */
/* What can run now: the plan's tree is walked bottom-up, and every subtree says how it can run.
 *
 *   stream    a subtree that can run as tasks over its inputs: over the splits of one scan, the producers of one
 *             dataset, the partitions of datasets that are partitioned alike; all its other inputs are read whole by
 *             every task. Filters, projections and joins with small sides extend a stream.
 *   cut       where a stream can't be extended (an aggregate needs the rows of a group together), it is cut: it
 *             becomes a stage, and the operator above is blocked until the stage's dataset is there.
 *
 * One walk collects all stages that can run now; nothing above a blocked operator is decided, because finished stages
 * will have told sizes by then. When a walk cuts nothing, the root's stream is the last fragment.
 *
 *        LIMIT sort                       blocked
 *          AGGREGATE                      cut: stage 2, partial aggregate, when stage 1 has ended
 *            JOIN                         stream over lineitem, orders read whole (if stage 1 turned out small)
 *              SCAN lineitem              stream over splits
 *              FILTER                     cut: stage 1, broadcast
 *                SCAN orders              stream over splits
 *
 * flow() dispatches; the functions per kind of operator are listed in FLOWS. */
#include "planner/streams.h"

#include <string.h>

void pf_planner_default_options(struct pf_planner_options *options) {
    *options = (struct pf_planner_options){.worker_count = 8,
                                           .partition_target_bytes = 64 << 20,
                                           .broadcast_max_bytes = 32 << 20,
                                           .replicated_scan_max_bytes = 2 << 20,
                                           .key_filter_min_bytes = (int64_t)1 << 30,
                                           .max_partitions = 512};
}

static enum pf_code flow_scan(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                              struct pf_error *err) {
    (void)err;
    *out = (struct stream){.is_light = true};
    out->rows = out->planned_rows = op->scan_rows;
    new_alternative(cutter, out)->driving_id = op->id;
    double bytes = op->scan_rows * row_bytes(op, need);
    out->scan_bytes = bytes < op->scan_bytes ? bytes : op->scan_bytes;
    return PF_OK;
}

static enum pf_code flow_dataset(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                                 struct pf_error *err) {
    (void)need, (void)err;
    const struct pf_dataset *dataset = op->dataset;
    *out = (struct stream){.is_light = true, .rows = op->rows, .planned_rows = op->rows < 1 ? 1 : op->rows};
    if (!dataset) { /* its stage hasn't ended */
        out->is_blocked = true;
        return PF_OK;
    }
    out->rows = (double)dataset->row_count;
    out->dataset_bytes = (double)dataset->size_bytes;
    struct alternative *alternative = new_alternative(cutter, out);
    if (dataset->partition_count > 1) {
        alternative->aligned_ids = PF_ARENA_NEW(cutter->arena, int);
        alternative->aligned_ids[0] = op->id;
        alternative->aligned_count = 1;
        alternative->split_ids = alternative->aligned_ids;
        alternative->split_count = 1;
        out->partition_count = dataset->partition_count;
        stream_add_keys(out, op->dataset_keys, op->dataset_key_count);
    } else if (!op->dataset_is_gathered)
        alternative->driving_id = op->id;
    return PF_OK;
}

static enum pf_code flow_constant(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                                  struct pf_error *err) {
    (void)need, (void)err;
    *out = (struct stream){.is_light = true};
    out->rows = out->planned_rows = op->kind == PF_OP_EMPTY ? 1 : op->rows > 1 ? op->rows : 1;
    stream_make_whole(cutter, out);
    return PF_OK;
}

static void note_volatile(void *context, const struct pf_expr *expr) {
    bool *is_volatile = context;
    *is_volatile |= pf_expr_is_volatile(expr);
}

/* FILTER, PROJECT, UNNEST, functions per row: they extend the stream of their child. */
static enum pf_code flow_rowwise(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                                 struct pf_error *err) {
    if (!op->child_count) return flow_constant(cutter, op, need, out, err);
    struct stream child;
    bool *child_need = PF_ARENA_ARRAY(cutter->arena, bool, op->children[0]->column_count);
    need_child(op, 0, need, child_need);
    PF_TRY(flow(cutter, op->children[0], child_need, &child, err));
    *out = child;
    out->rows = estimate_rows(op, &child, &out->planned_rows);
    pf_op_visit_exprs(op, note_volatile, &out->is_volatile);
    if (op->kind == PF_OP_TABLE_FUNCTION) stream_drop_keys(out);
    if (op->kind == PF_OP_FILTER || op->kind == PF_OP_UNNEST) return PF_OK;
    out->is_light = child.is_light && op->kind == PF_OP_PROJECT;
    if (op->kind != PF_OP_PROJECT) return PF_OK;
    const struct pf_expr **columns =
        PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, op->children[0]->column_count);
    for (uint32_t i = 0; i < op->expr_count; i++)
        if (op->exprs[i]->kind == PF_EXPR_COLUMN && !columns[op->exprs[i]->column])
            columns[op->exprs[i]->column] = pf_expr_column(cutter->arena, i, op->types[i]);
    stream_map_keys(cutter, out, columns, op->children[0]->column_count);
    return PF_OK;
}

static flow_fn *const FLOWS[PF_OP_KIND_COUNT] = {
    [PF_OP_SCAN] = flow_scan,         [PF_OP_DATASET] = flow_dataset,  [PF_OP_VALUES] = flow_constant,
    [PF_OP_EMPTY] = flow_constant,    [PF_OP_ONE_ROW] = flow_constant, [PF_OP_TABLE_FUNCTION] = flow_rowwise,
    [PF_OP_FILTER] = flow_rowwise,    [PF_OP_PROJECT] = flow_rowwise,  [PF_OP_AGGREGATE] = flow_aggregate,
    [PF_OP_DISTINCT] = flow_distinct, [PF_OP_WINDOW] = flow_window,    [PF_OP_UNNEST] = flow_rowwise,
    [PF_OP_ORDER] = flow_sorted,      [PF_OP_LIMIT] = flow_sorted,     [PF_OP_SAMPLE] = flow_sample,
    [PF_OP_JOIN] = flow_join,         [PF_OP_UNION] = flow_union,      [PF_OP_INTERSECT] = flow_set,
    [PF_OP_EXCEPT] = flow_set,        [PF_OP_CTE] = flow_cte,          [PF_OP_RECURSIVE] = flow_recursive,
    [PF_OP_CTE_REF] = flow_cte_ref,
};

enum pf_code flow(struct cutter *cutter, const struct pf_op *op, const bool *need, struct stream *out,
                  struct pf_error *err) {
    return FLOWS[op->kind](cutter, op, need, out, err);
}

/* ---- steps ---- */

static bool is_ordered(const struct pf_op *op) {
    for (;;) {
        if (op->kind == PF_OP_ORDER || op->kind == PF_OP_LIMIT) return op->sort_count > 0 || op->kind == PF_OP_LIMIT;
        if (op->kind == PF_OP_CTE)
            op = op->children[1];
        else if ((op->kind == PF_OP_PROJECT || op->kind == PF_OP_FILTER) && op->child_count)
            op = op->children[0];
        else
            return false;
    }
}

static enum pf_code make_last(struct cutter *cutter, const struct pf_plan *plan, const bool *need, struct pf_step *step,
                              struct pf_error *err) {
    struct emitter emitter;
    struct block block;
    struct alternative everything = {0};
    PF_TRY(make_fragment(cutter, plan->root, need, &everything, &emitter, &block, err));
    step->kind = PF_STEP_LAST;
    step->last = (struct pf_fragment){.sql = select_with_names(&emitter, &block, plan->column_names),
                                      .inputs = emitter.inputs,
                                      .input_count = emitter.input_count,
                                      .is_ordered = is_ordered(plan->root)};
    step->reason = reason_for(cutter->arena, plan->root,
                              step->last.is_ordered ? "the result is sorted here" : "the result is put together here");
    return PF_OK;
}

enum pf_code pf_planner_scans(const struct pf_plan *plan, struct pf_arena *arena, struct pf_input **out_inputs,
                              size_t *out_count, struct pf_error *err) {
    struct cutter cutter = {.arena = arena, .next_op_id = plan->next_op_id};
    struct emitter emitter;
    struct block block;
    struct alternative everything = {0};
    bool *need = PF_ARENA_ARRAY(arena, bool, plan->root->column_count);
    memset(need, true, plan->root->column_count * sizeof *need);
    PF_TRY(make_fragment(&cutter, plan->root, need, &everything, &emitter, &block, err));
    *out_inputs = emitter.inputs;
    *out_count = emitter.input_count;
    return PF_OK;
}

static enum pf_code next_step(struct cutter *cutter, const struct pf_plan *plan, struct pf_step *step,
                              struct pf_error *err) {
    const struct pf_op *root = plan->root;
    bool *need = PF_ARENA_ARRAY(cutter->arena, bool, root->column_count);
    memset(need, true, root->column_count * sizeof *need);
    struct stream stream;
    PF_TRY(flow(cutter, root, need, &stream, err));
    bool is_dataset = stream.is_light && stream.scan_bytes <= 0;
    bool is_root = cutter->options->root_is_stage && !stream.is_blocked && !cutter->stage_count;
    if (is_root) PF_TRY(gather(cutter, root, &stream, need, NULL, err));
    if (!is_root && !stream.is_blocked && !stream_is_cheap(cutter, &stream) && !is_dataset)
        PF_TRY(gather(cutter, root, &stream, need, NULL, err));
    if (cutter->stage_count) {
        step->kind = is_root ? PF_STEP_ROOT : PF_STEP_STAGES;
        step->stages = cutter->stages;
        step->stage_count = cutter->stage_count;
        for (size_t i = 0; i < step->stage_count; i++) step->stages[i].next_op_id = cutter->next_op_id;
        return PF_OK;
    }
    if (stream.is_blocked) PF_FAIL(err, PF_BUG, "planner: blocked, but no stage to run");
    return make_last(cutter, plan, need, step, err);
}

enum pf_code pf_planner_next(const struct pf_plan *plan, const struct pf_planner_options *options, int first_stage_id,
                             struct pf_arena *arena, struct pf_step *out_step, struct pf_error *err) {
    struct pf_planner_options used = *options;
    if (used.worker_count < 1) used.worker_count = 1;
    struct cutter cutter = {
        .arena = arena, .options = &used, .next_stage_id = first_stage_id, .next_op_id = plan->next_op_id};
    struct pf_step step = {0};
    struct pf_error why;
    enum pf_code code = next_step(&cutter, plan, &step, &why);
    if (code == PF_UNSUPPORTED) { /* can't be printed: an answer, not an error */
        step = (struct pf_step){.kind = PF_STEP_ONE_PLACE};
        step.reason.why = pf_arena_str(arena, pf_str_from_cstr(why.message));
        code = PF_OK;
    }
    if (code != PF_OK && err) *err = why;
    if (code == PF_OK) *out_step = step;
    return code;
}
