/* SPDX-License-Identifier: MIT */
/* A table that rows go into: what its schema, partitions, order and properties say about its files, and the commit.
 *
 *   target_open -> target_find_done -> pf_query_bind -> target_set_columns -> target_append: pf_query_write, commit */
#ifndef PF_ICECAP_TARGET_H
#define PF_ICECAP_TARGET_H

#include "icecap/statement.h"

struct target {
    struct pf_table *table;
    bool is_new; /* staged: the commit makes it */
    struct pf_write write;
    bool is_written; /* files may be there */
    bool must_keep;  /* the outcome of the commit is unknown: its files may be the table's */
};

/* Loads the table; PF_NOT_FOUND, and PF_UNSUPPORTED for one that can't be written. Sets the outcome's object. */
enum pf_code target_open(struct icecap_call *call, const struct head_name *name, struct target *out_target,
                         struct pf_error *err) PF_MUST_CHECK;
/* The same for a table that pf_catalog_create_table staged. */
enum pf_code target_open_staged(struct icecap_call *call, struct pf_table *table, struct target *out_target,
                                struct pf_error *err) PF_MUST_CHECK;
/* Did this very query commit to the table already? Then the outcome is set from the snapshot, and there is nothing left to
 * do. */
bool target_find_done(struct icecap_call *call, const struct pf_table *table);

/* Where the value of a column comes from. */
struct target_source {
    pf_str sql; /* an expression over the bound SELECT's columns k0, k1 …; empty: none, its default is taken */
};
/* Sets target->write.columns_sql: casts to the table's types, defaults, and errors for NULLs that are not allowed.
 * `sources` by the fields of the schema; `column_count`: of the bound SELECT. */
enum pf_code target_set_columns(struct icecap_call *call, struct target *target, const struct target_source *sources,
                                size_t column_count, struct pf_error *err) PF_MUST_CHECK;
/* The names and ids of the files' columns: those of the table, or with more behind them. */
void target_set_names(struct target *target, const struct pf_iceberg_schema *schema, struct pf_arena *arena);
/* SQL for the default of a column, cast to its type; NULL where it has none. PF_INVALID if that is not allowed. */
enum pf_code target_default_sql(struct icecap_call *call, const struct target *target,
                                const struct pf_iceberg_field *field, pf_str *out_sql, struct pf_error *err)
    PF_MUST_CHECK;

/* Writes what is bound and adds it to the table in one snapshot. Sets the outcome. */
enum pf_code target_append(struct icecap_call *call, struct target *target, struct pf_error *err) PF_MUST_CHECK;
/* A line for EXPLAIN. */
void target_explain(const struct target *target, struct pf_buf *out);

/* The mark that a commit of this query leaves in the snapshot's summary. */
#define ICECAP_MARK PF_STR("puffindb.query-id")

/* ---- transform_sql.c: Iceberg's transforms as DuckDB's SQL ---- */

/* PF_UNSUPPORTED for transforms that are not known, or do not take the type. */
enum pf_code transform_sql(const struct pf_transform *transform, const struct pf_iceberg_type *type, pf_str value_sql,
                           struct pf_arena *arena, pf_str *out_sql, struct pf_error *err) PF_MUST_CHECK;
/* "s"."a" for the field with that id, through structs. False if it lies in a list or map, or is not there. */
bool field_path_sql(const struct pf_iceberg_schema *schema, int field_id, struct pf_arena *arena, pf_str *out_sql,
                    const struct pf_iceberg_type **out_type);

#endif
