/* SPDX-License-Identifier: MIT */
#include "plans.h"

#include "base/buf.h"
#include "planner/planner.h"
#include "support/test.h"

#include <string.h>

enum { MB = 1 << 20 };

static const struct pf_table_facts FACTS[] = {
    {.scan_name = {"main.big@1", 10}, .row_count = 100000000, .size_bytes = 2000LL * MB, .file_count = 20},
    {.scan_name = {"main.large@1", 12}, .row_count = 80000000, .size_bytes = 1500LL * MB, .file_count = 20},
    {.scan_name = {"main.tiny@1", 11}, .row_count = 10, .size_bytes = 1000, .file_count = 1}};

static struct pf_plan *plan_of(struct pf_test *test, const char *json) {
    struct pf_plan *plan;
    CHECK_OK(pf_planner_read(pf_str_from_cstr(json), PF_STR_EMPTY, FACTS, 3, test->arena, &plan, &test->err));
    return plan;
}

static struct pf_step next_of(struct pf_test *test, const struct pf_plan *plan, int first_stage_id) {
    struct pf_planner_options options;
    struct pf_step step;
    pf_planner_default_options(&options);
    CHECK_OK(pf_planner_next(plan, &options, first_stage_id, test->arena, &step, &test->err));
    return step;
}

static struct pf_plan *finish(struct pf_test *test, const struct pf_plan *plan, const struct pf_stage *stage,
                              int64_t rows, int64_t bytes) {
    struct pf_dataset dataset = {
        .stage_id = stage->id, .partition_count = stage->partition_count, .row_count = rows, .size_bytes = bytes};
    return pf_planner_replace(plan, stage, &dataset, test->arena);
}

TEST(reads_small_tables_in_the_last_fragment) {
    struct pf_step step = next_of(test, plan_of(test, PLAN(COUNT_BY_G(SCAN("tiny")))), 1);
    CHECK_INT(step.kind, PF_STEP_LAST);
    CHECK_INT(step.last.input_count, 1);
    CHECK_INT(step.last.inputs[0].role, PF_ROLE_WHOLE);
}

TEST(ends_after_one_stage_if_the_partial_rows_are_few) {
    struct pf_plan *plan = plan_of(test, PLAN(COUNT_BY_G(SCAN("big"))));
    struct pf_step step = next_of(test, plan, 1);
    CHECK_INT(step.kind, PF_STEP_STAGES);
    CHECK_INT(step.stage_count, 1);
    CHECK_INT(step.stages[0].exchange, PF_EXCHANGE_REPARTITION);
    CHECK_INT(step.stages[0].spread, PF_SPREAD_SPLITS);
    step = next_of(test, finish(test, plan, &step.stages[0], 100, 4000), 2);
    CHECK_INT(step.kind, PF_STEP_LAST);
    CHECK_INT(step.last.inputs[0].role, PF_ROLE_WHOLE);
    CHECK_INT(step.last.inputs[0].stage_id, 1);
}

TEST(merges_over_partitions_if_the_partial_rows_are_many) {
    struct pf_plan *plan = plan_of(test, PLAN(COUNT_BY_G(SCAN("big"))));
    struct pf_step step = next_of(test, plan, 1);
    int partitions = step.stages[0].partition_count;
    step = next_of(test, finish(test, plan, &step.stages[0], 50000000, 1000LL * MB), 2);
    CHECK_INT(step.kind, PF_STEP_STAGES);
    CHECK_INT(step.stages[0].spread, PF_SPREAD_PARTITIONS);
    CHECK_INT(step.stages[0].input_partition_count, partitions);
    CHECK_INT(step.stages[0].exchange, PF_EXCHANGE_GATHER);
}

static struct pf_step join_after(struct pf_test *test, int64_t rows, int64_t bytes) {
    struct pf_plan *plan = plan_of(
        test, PLAN(JOIN("INNER", SCAN("big"),
                        FILTER(COMPARE("COMPARE_EQUAL", REF(1, "VARCHAR"), CONSTANT("{\"id\":\"VARCHAR\"}", "\"a\"")),
                               SCAN("large")))));
    struct pf_step step = next_of(test, plan, 1);
    CHECK_INT(step.kind, PF_STEP_STAGES);
    for (size_t i = 0; i < step.stage_count; i++) {
        bool is_large = pf_str_equal(step.stages[i].fragment.inputs[0].scan_name, PF_STR("main.large@1"));
        plan = finish(test, plan, &step.stages[i], is_large ? rows : 100000000, is_large ? bytes : 2000LL * MB);
    }
    return next_of(test, plan, 10);
}

TEST(reads_a_side_whole_that_turned_out_small) {
    struct pf_step step = join_after(test, 1000, 20000);
    CHECK_INT(step.kind, PF_STEP_STAGES);
    int whole = 0;
    for (size_t i = 0; i < step.stages[0].fragment.input_count; i++)
        whole += step.stages[0].fragment.inputs[i].role == PF_ROLE_WHOLE;
    CHECK_INT(whole, 1);
}

TEST(aligns_sides_that_are_both_large) {
    struct pf_plan *plan = plan_of(test, PLAN(JOIN("INNER", SCAN("big"), SCAN("large"))));
    struct pf_step step = next_of(test, plan, 1);
    CHECK_INT(step.stage_count, 2); /* nothing is to be learnt from either */
    for (size_t i = 0; i < 2; i++) plan = finish(test, plan, &step.stages[i], 50000000, 1000LL * MB);
    step = next_of(test, plan, 10);
    CHECK_INT(step.kind, PF_STEP_STAGES);
    const struct pf_stage *stage = &step.stages[0];
    CHECK_INT(stage->spread, PF_SPREAD_PARTITIONS);
    CHECK_INT(stage->fragment.inputs[0].role, PF_ROLE_ALIGNED);
    CHECK_INT(stage->fragment.inputs[1].role, PF_ROLE_ALIGNED);
}

TEST(cuts_the_inner_side_of_a_left_join_down_to_what_the_small_outer_side_matches) {
    struct pf_plan *plan = plan_of(test, PLAN(JOIN("LEFT", SCAN("tiny"), SCAN("big"))));
    struct pf_step step = next_of(test, plan, 1);
    CHECK_INT(step.kind, PF_STEP_STAGES);
    CHECK_INT(step.stage_count, 1);
    CHECK_STR(step.stages[0].title, "scan big, with tiny, semi join");
    step = next_of(test, finish(test, plan, &step.stages[0], 12, 200), 2);
    CHECK_INT(step.kind, PF_STEP_LAST); /* tiny is read where its rows meet what is left of big */
}

TEST(partitions_a_bare_table_after_the_filtered_one) {
    struct pf_step step = join_after(test, 50000000, 1000LL * MB);
    CHECK_INT(step.stage_count, 1);
    CHECK_STR(step.stages[0].title, "scan big");
    CHECK_INT(step.stages[0].exchange, PF_EXCHANGE_REPARTITION);
}

TEST(partitions_both_sides_of_a_left_join_if_both_are_large) {
    struct pf_plan *plan = plan_of(test, PLAN(JOIN("LEFT", SCAN("large"), SCAN("big"))));
    struct pf_step step = next_of(test, plan, 1);
    CHECK_INT(step.stage_count, 2);
    for (size_t i = 0; i < step.stage_count; i++) CHECK_INT(step.stages[i].fragment.input_count, 1);
}

/* ---- keys of a finished side ---- */

static pf_str KEY_TEXTS[] = {{"7", 1}, {"900", 3}};

/* A filtered side of a join with `big` has ended; its keys are known, all two of them or only their range. */
static struct pf_step join_after_keys(struct pf_test *test, const char *kind, bool is_listed, int64_t rows) {
    struct pf_plan *plan = plan_of(
        test,
        strcmp(kind, "LEFT") == 0
            ? PLAN(JOIN("LEFT", SCAN("big"),
                        FILTER(COMPARE("COMPARE_EQUAL", REF(1, "VARCHAR"), CONSTANT("{\"id\":\"VARCHAR\"}", "\"a\"")),
                               SCAN("large"))))
            : PLAN(JOIN("INNER", SCAN("big"),
                        FILTER(COMPARE("COMPARE_EQUAL", REF(1, "VARCHAR"), CONSTANT("{\"id\":\"VARCHAR\"}", "\"a\"")),
                               SCAN("large")))));
    struct pf_step step = next_of(test, plan, 1);
    CHECK_INT(step.kind, PF_STEP_STAGES);
    CHECK_INT(step.stage_count, 1);
    const struct pf_stage *stage = &step.stages[0];
    struct pf_key_values keys = {.column = 0,
                                 .type = PF_STR("BIGINT"),
                                 .min = KEY_TEXTS[0],
                                 .max = KEY_TEXTS[1],
                                 .is_listed = is_listed,
                                 .values = KEY_TEXTS,
                                 .value_count = is_listed ? 2 : 0};
    struct pf_dataset dataset = {.stage_id = stage->id,
                                 .partition_count = stage->partition_count,
                                 .row_count = rows,
                                 .size_bytes = rows * 9,
                                 .keys = &keys,
                                 .key_count = stage->key_column_count};
    return next_of(test, pf_planner_replace(plan, stage, &dataset, test->arena), 10);
}

static const struct pf_input *input_named(const struct pf_step *step, const char *scan_name) {
    static const struct pf_input none;
    const struct pf_fragment *fragment = step->kind == PF_STEP_LAST ? &step->last : &step->stages[0].fragment;
    for (size_t i = 0; i < fragment->input_count; i++)
        if (pf_str_equal(fragment->inputs[i].scan_name, pf_str_from_cstr(scan_name))) return &fragment->inputs[i];
    return &none;
}

TEST(filters_a_scan_by_the_keys_of_the_finished_side) {
    struct pf_step step = join_after_keys(test, "INNER", true, 2);
    const struct pf_input *big = input_named(&step, "main.big@1");
    CHECK_INT(big->predicate_count, 3);
    CHECK_INT(big->predicates[0].kind, PF_PREDICATE_GE);
    CHECK_INT(big->predicates[1].kind, PF_PREDICATE_LE);
    CHECK_STR(big->predicates[1].values[0].text, "900");
    CHECK_INT(big->predicates[2].kind, PF_PREDICATE_IN);
    CHECK_STR(big->predicates[2].values[0].text, "7");
    CHECK_CONTAINS(step.stages[0].fragment.sql, "IN (");
}

TEST(filters_a_scan_by_the_range_of_many_keys) {
    struct pf_step step = join_after_keys(test, "INNER", false, 1000);
    CHECK_INT(input_named(&step, "main.big@1")->predicate_count, 2);
}

TEST(filters_no_side_whose_rows_stay_without_a_match) {
    struct pf_step step = join_after_keys(test, "LEFT", true, 2);
    CHECK_INT(input_named(&step, "main.big@1")->predicate_count, 0);
}

TEST(reads_nothing_more_for_an_inner_join_with_no_rows) {
    struct pf_step step = join_after_keys(test, "INNER", true, 0);
    CHECK_INT(step.kind, PF_STEP_LAST);
    CHECK_INT(step.last.input_count, 0);
}

TEST(reads_the_outer_side_alone_if_the_other_one_has_no_rows) {
    struct pf_step step = join_after_keys(test, "LEFT", true, 0);
    CHECK_INT(step.kind, PF_STEP_STAGES);
    CHECK_INT(step.stage_count, 1);
    CHECK_STR(step.stages[0].title, "scan big");
}

TEST(gives_predicates_for_skipping_files) {
    struct pf_plan *plan = plan_of(
        test,
        PLAN(FILTER(COMPARE("COMPARE_LESSTHAN", CONSTANT("{\"id\":\"BIGINT\"}", "5"), REF(0, "BIGINT")), SCAN("big"))));
    struct pf_step step = next_of(test, plan, 1);
    CHECK_INT(step.stages[0].fragment.inputs[0].predicate_count, 1);
    struct pf_predicate *predicate = &step.stages[0].fragment.inputs[0].predicates[0];
    CHECK_STR(predicate->column, "k");
    CHECK_INT(predicate->kind, PF_PREDICATE_GT);
    CHECK_STR(predicate->values[0].text, "5");
    CHECK_STR(predicate->values[0].type, "BIGINT");
}

TEST(leaves_the_plan_as_it_was) {
    struct pf_plan *plan = plan_of(test, PLAN(COUNT_BY_G(SCAN("big"))));
    struct pf_step first = next_of(test, plan, 1);
    (void)finish(test, plan, &first.stages[0], 5, 5);
    struct pf_step again = next_of(test, plan, 1);
    CHECK_STR(again.stages[0].fragment.sql, first.stages[0].fragment.sql);
    CHECK_INT(again.stages[0].replaced_op_id, first.stages[0].replaced_op_id);
}

TEST(explains_all_steps) {
    struct pf_planner_options options;
    struct pf_buf buf;
    pf_planner_default_options(&options);
    pf_buf_init(&buf, 1 << 20);
    CHECK_OK(pf_planner_explain(plan_of(test, PLAN(COUNT_BY_G(SCAN("big")))), &options, &buf, &test->err));
    pf_str text = pf_arena_str(test->arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    CHECK_CONTAINS(text, "stage 1: scan big, partial aggregate\n  over splits, repartition by");
    CHECK_CONTAINS(text, "\nlast");
}
