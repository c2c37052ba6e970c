/* SPDX-License-Identifier: MIT */
/* A scan of splits as a relation of SQL. */
#ifndef PF_QUERY_RENDER_SCAN_H
#define PF_QUERY_RENDER_SCAN_H

#include "query/task.h"

struct pf_buf;

/* Appends "(SELECT columns FROM …)": the live rows of the splits, whose deletes are positions in `deletes`. */
void render_scan(struct pf_buf *out, const struct stage_input *input, const struct task_split *splits, size_t count,
                 const struct task_deletes *deletes);

#endif
