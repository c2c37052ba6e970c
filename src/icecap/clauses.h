/* SPDX-License-Identifier: MIT */
/* Clauses of DELETE, UPDATE and MERGE as text. Pure. */
#ifndef PF_ICECAP_CLAUSES_H
#define PF_ICECAP_CLAUSES_H

#include "icecap/head.h"

/* The text up to one of the words (a list that ends with NULL) outside of parentheses and CASE … END, or the end;
 * `stops_at_comma`: or a comma. IS DISTINCT FROM is no FROM. PF_INVALID if there is nothing. */
enum pf_code clause_take(struct head *head, const char *const *words, bool stops_at_comma, const char *what,
                         pf_str *out_text, struct pf_error *err) PF_MUST_CHECK;
/* [AS] name, if there is one that is not one of the words; else empty. */
enum pf_code clause_take_alias(struct head *head, const char *const *words, pf_str *out_alias, struct pf_error *err)
    PF_MUST_CHECK;
/* PF_UNSUPPORTED for RETURNING. */
enum pf_code clause_refuse_returning(const struct head *head, struct pf_error *err) PF_MUST_CHECK;

/* a = expression, (b, c) = (expression, expression) … */
struct assignment {
    pf_str column, sql; /* sql "DEFAULT" is the column's default */
};
struct assignments {
    struct assignment *items;
    size_t count, capacity;
};
enum pf_code clause_take_assignments(struct head *head, const char *const *words, struct assignments *out_assignments,
                                     struct pf_error *err) PF_MUST_CHECK;
/* (expression, expression …): the texts. */
enum pf_code clause_take_list(struct head *head, pf_str **out_items, size_t *out_count, struct pf_error *err)
    PF_MUST_CHECK;

/* now(), current_timestamp, current_date and the like as constants, so that two readings of a statement see the same time. */
pf_str clause_freeze_time(pf_str sql, int64_t now_us, struct pf_arena *arena);
/* The name of a function that is another one each time: random(), uuid() …; empty: none. `functions`: comma-separated. */
pf_str clause_find_volatile(pf_str functions);

#endif
