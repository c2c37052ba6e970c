/* SPDX-License-Identifier: MIT */
/* Rows of a statement that become data files. */
#ifndef PF_QUERY_WRITE_H
#define PF_QUERY_WRITE_H

#include "query/data_files.h"
#include "query/query_internal.h"

/* stack.c: where files are written that go to a store without folders. */
pf_str stack_write_path(const struct pf_stack *stack, struct pf_arena *arena);

#endif
