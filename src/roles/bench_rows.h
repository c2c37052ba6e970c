/* SPDX-License-Identifier: MIT */
/* Results held for comparison: two engines may order ties and sum floats differently, and are right both. */
#ifndef PF_ROLES_BENCH_ROWS_H
#define PF_ROLES_BENCH_ROWS_H

#include "query/query.h"

struct bench_row {
    pf_str exact;   /* all cells but floating point ones, as text */
    double *floats; /* the others */
};

struct bench_rows {
    struct pf_arena *arena;
    struct bench_row *rows;
    size_t count, capacity, float_count;
};

void bench_rows_add(struct bench_rows *rows, const struct pf_chunk *chunk);
/* Sorts both. False: `*out_difference` says which row differs. */
bool bench_rows_are_equal(struct bench_rows *expected, struct bench_rows *actual, struct pf_arena *arena,
                          pf_str *out_difference);

#endif
