/* SPDX-License-Identifier: MIT */
/* What the values of a column are, noted while rows pass: the smallest, the largest, and all of them while they are few.
 *
 * A consumer's scan skips files and rows by it. NULLs don't count. Numbers, dates and the like are kept as the bits of
 * a vector, widened to 64; strings only as a list. Not thread-safe: each sink has its own, merged at its end. */
#ifndef PF_EXCHANGE_SUMMARIZE_KEYS_H
#define PF_EXCHANGE_SUMMARIZE_KEYS_H

#include "exchange/exchange.h"

enum { SUMMARY_SLOTS = 1024, SUMMARY_MAX_TEXT_BYTES = 64 };

struct key_summary {
    struct pf_exchange_keys keys; /* lists in the order of arrival, in `arena` */
    const struct pf_type *type;
    struct pf_arena *arena;
    uint16_t slots[SUMMARY_SLOTS]; /* position in the list + 1; 0: free */
};

/* Whether columns of this type are summarised at all. */
bool key_summary_suits(const struct pf_type *type);
void key_summary_prepare(struct key_summary *summary, int column, const struct pf_type *type, struct pf_arena *arena);
void key_summary_add(struct key_summary *summary, const struct pf_vec *vec, uint64_t row_count);
/* Adds what another one has seen. */
void key_summary_merge(struct key_summary *summary, const struct pf_exchange_keys *other);

#endif
