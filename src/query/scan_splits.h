/* SPDX-License-Identifier: MIT */
/* From the files of a table to splits of tasks: what of the file list a task has to know. */
#ifndef PF_QUERY_SCAN_SPLITS_H
#define PF_QUERY_SCAN_SPLITS_H

#include "query/query_internal.h"
#include "query/task.h"

/* What all splits of one scan share. */
struct split_source {
    const struct pf_file_list *files;
    struct task_deletes deletes; /* in the order of files->deletes */
    const struct pf_table_metadata *metadata;
    bool has_more, has_constants; /* splits say more of their files than where they are */
    struct pf_arena *arena;
};

/* Sets what `input`, whose columns are set, says about reading the table's files: by name, by id or by file, and the keys
 * of equality deletes. PF_UNSUPPORTED where deletes can't be applied. */
enum pf_code scan_source_open(const struct lake_table *lake, const struct pf_file_list *files, struct pf_arena *arena,
                              struct stage_input *input, struct split_source *out_source, struct pf_error *err)
    PF_MUST_CHECK;

/* Rows [first_row, last_row] of a file; its deletes are numbered as in the source. */
struct task_split scan_split(const struct split_source *source, const struct pf_scan_file *file, int64_t first_row,
                             int64_t last_row);
/* The deletes that some of the splits have; numbers them anew in the splits. */
struct task_deletes scan_take_deletes(const struct split_source *source, struct task_split *splits, size_t count,
                                      struct pf_arena *arena);

/* All files, whole, as splits of the input. */
void scan_take_all(const struct split_source *source, struct pf_arena *arena, struct task_split **out_splits,
                   size_t *out_count, struct task_deletes *out_deletes);

#endif
