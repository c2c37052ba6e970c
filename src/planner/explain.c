/* SPDX-License-Identifier: MIT */
/* Steps as text: titles of stages, and all steps of a plan. */
#include "planner/streams.h"

#include <string.h>

static void put_words(struct pf_buf *buf, const char *words) {
    if (buf->len) pf_buf_put_cstr(buf, ", ");
    pf_buf_put_cstr(buf, words);
}

/* "main.orders@123" -> "orders" */
static pf_str short_name(pf_str scan_name) {
    size_t at = pf_str_find_char(scan_name, '@', 0), dot = pf_str_find_char(scan_name, '.', 0);
    pf_str name = pf_str_slice(scan_name, 0, at == SIZE_MAX ? scan_name.len : at);
    return dot < name.len ? pf_str_slice(name, dot + 1, name.len) : name;
}

static void put_leaf(struct pf_buf *buf, const struct pf_op *op, const struct alternative *alternative) {
    bool is_driving = op->id == alternative->driving_id;
    for (uint32_t i = 0; i < alternative->aligned_count; i++) is_driving |= op->id == alternative->aligned_ids[i];
    if (op->kind == PF_OP_SCAN) {
        put_words(buf, is_driving ? "scan " : "with ");
        pf_buf_put_str(buf, short_name(op->scan_name));
    } else if (op->kind == PF_OP_DATASET) {
        put_words(buf, is_driving ? "read " : "with ");
        pf_buf_printf(buf, "stage %d", op->dataset_stage_id);
    }
}

static void put_op(struct pf_buf *buf, const struct pf_op *op, const struct alternative *alternative, const char *title,
                   bool is_top) {
    uint32_t chosen = UINT32_MAX;
    for (uint32_t i = 0; i < alternative->choice_count; i++)
        if (alternative->choices[i].op_id == op->id) chosen = alternative->choices[i].branch;
    for (uint32_t i = 0; i < op->child_count; i++)
        if (chosen == UINT32_MAX || chosen == i) put_op(buf, op->children[i], alternative, NULL, false);
    put_leaf(buf, op, alternative);
    static const char *const VERBS[PF_OP_KIND_COUNT] = {
        [PF_OP_AGGREGATE] = "aggregate", [PF_OP_DISTINCT] = "distinct",   [PF_OP_WINDOW] = "window",
        [PF_OP_UNNEST] = "unnest",       [PF_OP_ORDER] = "sort",          [PF_OP_LIMIT] = "limit",
        [PF_OP_SAMPLE] = "sample",       [PF_OP_JOIN] = "join",           [PF_OP_INTERSECT] = "intersect",
        [PF_OP_EXCEPT] = "except",       [PF_OP_RECURSIVE] = "recursive", [PF_OP_VALUES] = "values"};
    if (is_top && title)
        put_words(buf, title);
    else if (op->kind == PF_OP_JOIN && op->join->kind != PF_JOIN_INNER) {
        static const char *const JOINS[PF_JOIN_KIND_COUNT] = {
            [PF_JOIN_LEFT] = "left join",       [PF_JOIN_RIGHT] = "right join",
            [PF_JOIN_FULL] = "full join",       [PF_JOIN_SEMI] = "semi join",
            [PF_JOIN_ANTI] = "anti join",       [PF_JOIN_RIGHT_SEMI] = "semi join",
            [PF_JOIN_RIGHT_ANTI] = "anti join", [PF_JOIN_MARK] = "mark join",
            [PF_JOIN_SINGLE] = "single join",   [PF_JOIN_POSITIONAL] = "positional join"};
        put_words(buf, JOINS[op->join->kind]);
    } else if (VERBS[op->kind])
        put_words(buf, VERBS[op->kind]);
}

pf_str stage_title(struct cutter *cutter, const struct cut *cut, const struct alternative *alternative) {
    struct pf_buf buf;
    pf_buf_init(&buf, 4096);
    put_op(&buf, cut->op, alternative, cut->title, true);
    pf_str title = pf_arena_str(cutter->arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return title;
}

/* ---- all steps ---- */

static void put_inputs(struct pf_buf *out, const struct pf_fragment *fragment) {
    static const char *const ROLES[] = {"driving", "aligned", "whole"};
    static const char *const OPS[] = {"=", "<>", "<", "<=", ">", ">=", "IN", "IS NULL", "IS NOT NULL"};
    for (size_t i = 0; i < fragment->input_count; i++) {
        const struct pf_input *input = &fragment->inputs[i];
        pf_buf_printf(out, "  ${%zu} %s ", i, ROLES[input->role]);
        if (input->kind == PF_INPUT_DATASET) {
            pf_buf_printf(out, "stage %d\n", input->stage_id);
            continue;
        }
        pf_buf_put_str(out, input->scan_name);
        for (size_t p = 0; p < input->predicate_count; p++) {
            const struct pf_predicate *predicate = &input->predicates[p];
            pf_buf_printf(out, "%s%.*s %s", p ? " AND " : " WHERE ", PF_STR_ARG(predicate->column),
                          OPS[predicate->kind]);
            for (size_t v = 0; v < predicate->value_count; v++)
                pf_buf_printf(out, " %.*s", PF_STR_ARG(predicate->values[v].text));
        }
        pf_buf_put_char(out, '\n');
    }
}

static void put_stage(struct pf_buf *out, const struct pf_stage *stage) {
    static const char *const EXCHANGES[] = {"gather", "broadcast", "repartition"};
    pf_buf_printf(out, "stage %d: %.*s\n  ", stage->id, PF_STR_ARG(stage->title));
    if (stage->spread == PF_SPREAD_ONE)
        pf_buf_put_cstr(out, "one task");
    else if (stage->spread == PF_SPREAD_SPLITS)
        pf_buf_put_cstr(out, "over splits");
    else
        pf_buf_printf(out, "over %d partitions", stage->input_partition_count);
    pf_buf_printf(out, ", %s", EXCHANGES[stage->exchange]);
    if (stage->partition_count > 1)
        pf_buf_printf(out, " by %.*s into %d", PF_STR_ARG(stage->keys_text), stage->partition_count);
    if (stage->single_reason.why.len) pf_buf_printf(out, " (%.*s)", PF_STR_ARG(stage->single_reason.why));
    pf_buf_printf(out, "\n  %.*s\n", PF_STR_ARG(stage->fragment.sql));
    put_inputs(out, &stage->fragment);
}

static void put_last(struct pf_buf *out, const struct pf_step *step) {
    if (step->kind == PF_STEP_ONE_PLACE) {
        pf_buf_printf(out, "one place: %.*s\n", PF_STR_ARG(step->reason.why));
        return;
    }
    pf_buf_put_cstr(out, "last");
    if (!step->reason.is_natural) pf_buf_printf(out, " (%.*s)", PF_STR_ARG(step->reason.why));
    pf_buf_printf(out, "\n  %.*s\n", PF_STR_ARG(step->last.sql));
    put_inputs(out, &step->last);
}

enum pf_code pf_planner_explain(const struct pf_plan *plan, const struct pf_planner_options *options,
                                struct pf_buf *out, struct pf_error *err) {
    enum { MAX_STEPS = 300 };
    struct pf_arena *arena = pf_arena_new(NULL, "explain");
    int next_stage_id = 1;
    enum pf_code code = PF_OK;
    struct pf_step step = {.kind = PF_STEP_STAGES};
    for (int i = 0; i < MAX_STEPS && code == PF_OK && step.kind == PF_STEP_STAGES; i++) {
        code = pf_planner_next(plan, options, next_stage_id, arena, &step, err);
        if (code != PF_OK) break;
        if (step.kind != PF_STEP_STAGES) put_last(out, &step);
        for (size_t s = 0; step.kind == PF_STEP_STAGES && s < step.stage_count; s++) {
            const struct pf_stage *stage = &step.stages[s];
            put_stage(out, stage);
            struct pf_dataset dataset = {.stage_id = stage->id,
                                         .partition_count = stage->partition_count,
                                         .row_count = stage->estimated_rows,
                                         .size_bytes = stage->estimated_bytes,
                                         .is_estimate = true};
            plan = pf_planner_replace(plan, stage, &dataset, arena);
        }
        if (step.kind == PF_STEP_STAGES) next_stage_id += (int)step.stage_count;
    }
    pf_arena_free(arena);
    if (code == PF_OK && step.kind == PF_STEP_STAGES) PF_FAIL(err, PF_BUG, "the plan never ends");
    return code;
}
