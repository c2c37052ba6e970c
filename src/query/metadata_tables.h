/* SPDX-License-Identifier: MIT */
/* Metadata tables: t$snapshots and the like. */
#ifndef PF_QUERY_METADATA_TABLES_H
#define PF_QUERY_METADATA_TABLES_H

#include "query/query_internal.h"

bool metadata_table_is_known(pf_str kind);
/* A SELECT of its rows. PF_NOT_FOUND if there is no such kind. */
enum pf_code metadata_table_sql(struct pf_stack *stack, const struct pf_table *table, pf_str kind,
                                struct pf_arena *arena, pf_str *out_sql, struct pf_error *err) PF_MUST_CHECK;

#endif
