/* SPDX-License-Identifier: MIT */
/* Results as a box on the screen: the first and the last rows are kept, however many come. */
#ifndef PF_ROLES_RESULT_TABLE_H
#define PF_ROLES_RESULT_TABLE_H

#include "base/arena.h"
#include "base/buf.h"

struct result_table;

/* `max_rows`: shown at most, half of them from the start, half from the end. */
struct result_table *result_table_new(size_t max_rows);
struct result_table *result_table_free(struct result_table *table);

/* [{"name","type"},…] */
enum pf_code result_table_set_columns(struct result_table *table, pf_str columns_json, struct pf_error *err)
    PF_MUST_CHECK;
/* The JSON array of one row. */
void result_table_add(struct result_table *table, pf_str row_json);
int64_t result_table_row_count(const struct result_table *table);

/* `width`: columns of the screen, 0 for any width. `footer` goes below the box. */
void result_table_print(const struct result_table *table, int width, pf_str footer, struct pf_buf *out);
/* The first column alone, a line a row, without a box: EXPLAIN. */
void result_table_print_lines(const struct result_table *table, struct pf_buf *out);

/* How many cells of a terminal the text takes. */
size_t text_width(pf_str text);

#endif
