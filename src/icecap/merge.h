/* SPDX-License-Identifier: MIT */
/* MERGE: what merge.c parsed and merge_plan.c makes SQL of. */
#ifndef PF_ICECAP_MERGE_H
#define PF_ICECAP_MERGE_H

#include "icecap/clauses.h"
#include "icecap/row_change.h"

enum merge_match { MERGE_MATCHED, MERGE_NOT_MATCHED, MERGE_NOT_MATCHED_BY_SOURCE };
enum merge_action { MERGE_NOTHING, MERGE_ERROR, MERGE_DELETE, MERGE_UPDATE, MERGE_INSERT };

struct merge_clause {
    enum merge_match match;
    enum merge_action action;
    pf_str condition_sql, message_sql; /* empty: none */
    bool is_listed;                    /* the values are given; else they are the source's columns */
    bool by_name;                      /* which go by their names */
    bool is_defaults;                  /* INSERT DEFAULT VALUES */
    struct assignments assignments;    /* UPDATE */
    pf_str *columns, *values;          /* INSERT */
    size_t column_count, value_count;  /* columns 0: the table's */
};
struct merge {
    struct head_name table;
    pf_str alias, with_sql, source_sql, condition_sql;
    struct merge_clause *clauses;
    size_t clause_count;
};

/* By which the source's columns can be asked: the alias of "(…) [AS] alias" or "name [AS] alias", else the name. */
pf_str merge_source_alias(const struct merge *merge, struct pf_arena *arena);
/* row_change.plan. */
enum pf_code merge_plan(struct icecap_call *call, struct target *target, struct row_change *change,
                        struct pf_error *err) PF_MUST_CHECK;

#endif
