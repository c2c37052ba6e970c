/* SPDX-License-Identifier: MIT */
/* Rows of a table by where they are: collected from a SELECT of table$positions, turned into delete files. */
#ifndef PF_ICECAP_PLACES_H
#define PF_ICECAP_PLACES_H

#include "icecap/statement.h"

struct place_file {
    int64_t number; /* pf_iceberg_file_number */
    const struct pf_scan_file *file;
    struct pf_row_set *rows; /* NULL: none so far */
};
struct places {
    struct pf_arena *arena;
    const struct pf_table *table;
    struct pf_file_list list; /* all files of its snapshot */
    struct place_file *files; /* by number */
    size_t last;              /* rows of a file come together */
    int64_t row_count;
};

/* None yet. */
enum pf_code places_open(struct icecap_call *call, const struct pf_table *table, struct places *out_places,
                         struct pf_error *err) PF_MUST_CHECK;
/* `*out_is_new`: the row was not among them. */
enum pf_code places_add(struct places *places, int64_t number, int64_t position, bool *out_is_new, struct pf_error *err)
    PF_MUST_CHECK;
/* Adds the rows of a bound SELECT (pf_query_bind) whose first columns are _file_number and _pos. */
enum pf_code places_read(struct icecap_call *call, struct places *places, struct pf_error *err) PF_MUST_CHECK;

/* What deletes the rows: files that are new, and files that go. */
struct place_deletes {
    struct pf_data_file *added, *removed;
    size_t added_count, removed_count, added_capacity, removed_capacity;
    pf_str *needed; /* data files that lose some of their rows */
    size_t needed_count, needed_capacity;
};
/* Stores delete files (version 2) or deletion vectors (version 3) under `prefix`; a file that has no row left goes
 * whole. */
enum pf_code places_write_deletes(struct icecap_call *call, const struct places *places, pf_str prefix,
                                  struct place_deletes *out_deletes, struct pf_error *err) PF_MUST_CHECK;

/* Instead: the data files that lose rows go, and what stays in them is read once more. */
struct place_rewrite {
    struct pf_file_list part;     /* for pf_query_define_part: those files, without the rows that go */
    struct place_deletes deletes; /* no added files, nothing needed */
    pf_str *helpers;              /* URIs of the delete files that `part` is read with */
    size_t helper_count;
};
enum pf_code places_plan_rewrite(struct icecap_call *call, const struct places *places,
                                 const struct place_deletes *deletes, struct place_rewrite *out_rewrite,
                                 struct pf_error *err) PF_MUST_CHECK;

#endif
