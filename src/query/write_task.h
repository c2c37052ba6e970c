/* SPDX-License-Identifier: MIT */
/* A task whose rows become files, on a worker. */
#ifndef PF_QUERY_WRITE_TASK_H
#define PF_QUERY_WRITE_TASK_H

#include "query/data_files.h"
#include "query/run_task.h"

/* The files are in the store, durable. On failure nothing of this attempt is left, as far as the store allows. */
enum pf_code write_task_files(const struct task_run *run, pf_str fragment, struct data_files *out_files,
                              struct pf_arena *arena, struct pf_error *err) PF_MUST_CHECK;
/* Another attempt was first, or the query is over: its files go. */
void write_task_drop(struct pf_store *store, const struct task_result *result, struct pf_arena *arena);

#endif
