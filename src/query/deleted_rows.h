/* SPDX-License-Identifier: MIT */
/* Rows that position delete files and deletion vectors delete, as a condition of SQL:
 *
 *   SELECT ... FROM read_parquet([files]) WHERE lake_row_is_live('<parameter>', file_index, file_row_number)
 *
 * The parameter says, for each of the files, which deletes apply: see struct deleted_rows_file. A statement so carries
 * all that it needs, here and on workers, whenever it runs; what the deletes say is kept between statements. */
#ifndef PF_QUERY_DELETED_ROWS_H
#define PF_QUERY_DELETED_ROWS_H

#include "query/task.h"

struct pf_engine;
struct deleted_rows;

struct deleted_rows_file {
    const struct task_split *split;
    const struct task_delete *deletes; /* that split->deletes are positions in */
};

struct deleted_rows *deleted_rows_new(void);
struct deleted_rows *deleted_rows_free(struct deleted_rows *rows); /* after the engines that know it */
/* Registers lake_row_is_live. */
enum pf_code deleted_rows_register(struct deleted_rows *rows, struct pf_engine *engine, struct pf_error *err)
    PF_MUST_CHECK;

/* The condition's parameter for files in the order of file_index; equality deletes among the splits' are passed over. */
struct pf_buf;
void deleted_rows_put_parameter(struct pf_buf *out, const struct deleted_rows_file *files, size_t count);

#endif
