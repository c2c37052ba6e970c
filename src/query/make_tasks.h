/* SPDX-License-Identifier: MIT */
/* A stage -> its message and its tasks: files pruned and cut into splits, partitions put together. */
#ifndef PF_QUERY_MAKE_TASKS_H
#define PF_QUERY_MAKE_TASKS_H

#include "query/query_internal.h"
#include "query/task.h"

/* What a finished stage left: one encoded and one decoded output a task. */
struct stage_output {
    int stage_id;
    pf_str *outputs_json;
    struct pf_exchange_output *outputs;
    size_t count;
};

struct stage_outputs {
    const struct stage_output *items;
    size_t count;
};

struct task_list {
    struct stage_message message;
    struct task_message *tasks;
    size_t count;
    int64_t scan_bytes; /* of the files left after pruning */
    int64_t scan_files, skipped_files, skipped_rows;
};

enum pf_code make_tasks(struct pf_stack *stack, const struct lake_tables *tables, const struct stage_outputs *outputs,
                        const struct pf_stage *stage, struct pf_arena *arena, struct task_list *out_list,
                        struct pf_error *err) PF_MUST_CHECK;

/* The one task that reads all of every input: for a fragment that runs in one place. */
enum pf_code make_single_task(struct pf_stack *stack, const struct lake_tables *tables,
                              const struct stage_outputs *outputs, const struct pf_fragment *fragment,
                              struct pf_arena *arena, struct task_list *out_list, struct pf_error *err) PF_MUST_CHECK;

/* All of them, as stage messages carry them. */
pf_str join_outputs(const struct stage_output *output, struct pf_arena *arena);

/* Sums of a stage's outputs, and the values of its key columns, as the planner wants them. */
struct pf_dataset dataset_of(const struct stage_output *output, const struct pf_stage *stage, struct pf_arena *arena);

#endif
