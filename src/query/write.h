/* SPDX-License-Identifier: MIT */
/* Rows of a statement that become data files. */
#ifndef PF_QUERY_WRITE_H
#define PF_QUERY_WRITE_H

#include "query/data_files.h"
#include "query/query_internal.h"

struct pf_stage;
struct run;

/* The root of the plan as stages whose tasks write. */
enum pf_code write_root(struct run *run, const struct pf_stage *stages, size_t count, struct pf_error *err)
    PF_MUST_CHECK;
/* The files of the tasks that are done; also if the run failed. NULL is fine. */
enum pf_code write_collect(const struct run *run, struct data_files *files, struct pf_error *err) PF_MUST_CHECK;
/* Removes what attempts that did not win have left: everything with that prefix but `files`. */
void write_sweep(struct pf_query *query, pf_str prefix, const struct data_files *files);

/* stack.c: where files are written that go to a store without folders. */
pf_str stack_write_path(const struct pf_stack *stack, struct pf_arena *arena);

#endif
