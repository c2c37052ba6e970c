/* SPDX-License-Identifier: MIT */
/* Binding a fragment's datasets and running it: on a worker as one task, in the coordinator as the last fragment. */
#ifndef PF_QUERY_RUN_TASK_H
#define PF_QUERY_RUN_TASK_H

#include "exchange/exchange.h"
#include "query/task_files.h"

/* Makes exchange_read('<prefix>.<i>') work for every dataset of the task. On failure nothing stays bound. */
enum pf_code bind_inputs(struct pf_exchange *exchange, const struct stage_message *stage,
                         const struct task_message *task, pf_str prefix, struct pf_arena *arena, struct pf_error *err)
    PF_MUST_CHECK;
/* Adds what was read of them so far. */
void add_input_reads(struct pf_exchange *exchange, size_t input_count, pf_str prefix, struct pf_exchange_use *sum);
void unbind_inputs(struct pf_exchange *exchange, size_t input_count, pf_str prefix);

/* Runs a task to its end: the fragment into the exchange under `key`, or into files whose names have it. `prefix` is unique
 * in this process. */
struct task_run {
    struct pf_exchange *exchange;
    struct pf_session *session;
    const struct stage_message *stage;
    const struct task_message *task;
    struct task_files_options files;
    pf_str prefix, key;
    pf_str write_path; /* files on their way to a store without folders */
};
enum pf_code run_task(const struct task_run *run, struct pf_arena *arena, struct task_result *out_result,
                      struct pf_error *err) PF_MUST_CHECK;

#endif
