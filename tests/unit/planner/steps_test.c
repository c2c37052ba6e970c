/* SPDX-License-Identifier: MIT */
#include "plans.h"

#include "base/buf.h"
#include "planner/planner.h"
#include "support/test.h"

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
    struct pf_step step = join_after(test, 50000000, 1000LL * MB);
    CHECK_INT(step.kind, PF_STEP_STAGES);
    const struct pf_stage *stage = &step.stages[0];
    CHECK_INT(stage->spread, PF_SPREAD_PARTITIONS);
    CHECK_INT(stage->fragment.inputs[0].role, PF_ROLE_ALIGNED);
    CHECK_INT(stage->fragment.inputs[1].role, PF_ROLE_ALIGNED);
}

TEST(never_reads_the_outer_side_of_a_left_join_whole) {
    struct pf_plan *plan = plan_of(test, PLAN(JOIN("LEFT", SCAN("tiny"), SCAN("big"))));
    struct pf_step step = next_of(test, plan, 1);
    CHECK_INT(step.kind, PF_STEP_STAGES);
    for (size_t i = 0; i < step.stage_count; i++) CHECK_INT(step.stages[i].fragment.input_count, 1);
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
