/* SPDX-License-Identifier: MIT */
/* From DuckDB's plan JSON to stages that workers can run: pure, no I/O, no clock, no globals.
 *
 * Planning works by substitution. pf_planner_next returns the stages that can run now; when one has ended, the
 * caller puts a dataset with exact counts in its place (pf_planner_replace) and asks again, until the answer is the
 * last fragment, whose rows are the result. Or the answer is a reason why the query runs in one place. */
#ifndef PF_PLANNER_PLANNER_H
#define PF_PLANNER_PLANNER_H

#include "plan/plan.h"

struct pf_planner_options {
    int worker_count;                  /* tasks worth making; at least 1 */
    int64_t partition_target_bytes;    /* size of one partition of a repartitioned dataset */
    int64_t broadcast_max_bytes;       /* a build side up to this size goes whole to every task */
    int64_t replicated_scan_max_bytes; /* a scan up to this size is read again by every task instead */
    int64_t key_filter_min_bytes;      /* a table scan of that size waits for the keys of a small filtered table */
    int max_partitions;
    bool root_is_stage; /* its rows are for tasks to write: PF_STEP_ROOT in place of PF_STEP_LAST */
};
void pf_planner_default_options(struct pf_planner_options *options);

/* What planning instances of DuckDB must switch off (SET disabled_optimizers): passes that break the serialisation or
 * make shapes which are worse to cut than what they replace. */
const char *pf_planner_disabled_optimizers(void);

/* Reads the plan. `facts` describe the tables by their scan name (the parameter of lake_scan).
 * PF_UNSUPPORTED names the operator or expression that isn't known; PF_INVALID for JSON that isn't a plan. */
enum pf_code pf_planner_read(pf_str plan_json, pf_str estimates_json, const struct pf_table_facts *facts,
                             size_t fact_count, struct pf_arena *arena, struct pf_plan **out_plan, struct pf_error *err)
    PF_MUST_CHECK;

/* The same plan with these names for the result's columns: the caller has them from preparing the statement. Without,
 * the names are the plan's aliases, which is not always what DuckDB would say. Duplicates are fine. */
struct pf_plan *pf_planner_name_columns(const struct pf_plan *plan, const pf_str *names, size_t count,
                                        struct pf_arena *arena);

/* The whole plan as one SQL statement over lake_scan('...') tables, with the result's column names. Property: the
 * same rows as the statement it came from. */
enum pf_code pf_planner_print_sql(const struct pf_plan *plan, struct pf_arena *arena, pf_str *out_sql,
                                  struct pf_error *err) PF_MUST_CHECK;

enum pf_step_kind {
    PF_STEP_STAGES,   /* run these (in any order, or at once), replace each, ask again */
    PF_STEP_LAST,     /* run this fragment in one place: its rows are the result */
    PF_STEP_ROOT,     /* run these stages, too: the rows of their tasks together are the result */
    PF_STEP_ONE_PLACE /* nothing can be spread: run the original statement, `reason` says why */
};

struct pf_step {
    enum pf_step_kind kind;
    struct pf_stage *stages; /* PF_STEP_STAGES, PF_STEP_ROOT: with all columns of the root, c0, c1 … */
    size_t stage_count;
    struct pf_fragment last; /* PF_STEP_LAST */
    struct pf_reason reason; /* PF_STEP_ONE_PLACE, PF_STEP_LAST; natural if nothing in it could have been spread */
};

/* `first_stage_id` numbers the stages of this step on from there. Never changes `plan`. */
enum pf_code pf_planner_next(const struct pf_plan *plan, const struct pf_planner_options *options, int first_stage_id,
                             struct pf_arena *arena, struct pf_step *out_step, struct pf_error *err) PF_MUST_CHECK;

/* The scans of the plan, each with its predicates and the columns that are read. */
enum pf_code pf_planner_scans(const struct pf_plan *plan, struct pf_arena *arena, struct pf_input **out_inputs,
                              size_t *out_count, struct pf_error *err) PF_MUST_CHECK;

/* A new plan in which the subtree that `stage` computed is the dataset it made. For EXPLAIN the dataset may carry
 * estimates instead of counts. */
struct pf_plan *pf_planner_replace(const struct pf_plan *plan, const struct pf_stage *stage,
                                   const struct pf_dataset *dataset, struct pf_arena *arena);

/* All steps as text, as if every stage made what is estimated: titles, spread, exchange, keys, SQL. For EXPLAIN and
 * tests. */
struct pf_buf;
enum pf_code pf_planner_explain(const struct pf_plan *plan, const struct pf_planner_options *options,
                                struct pf_buf *out, struct pf_error *err) PF_MUST_CHECK;

#endif
