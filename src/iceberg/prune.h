/* SPDX-License-Identifier: MIT */
/* Predicates that are bound already, for filters. */
#ifndef PF_ICEBERG_PRUNE_H
#define PF_ICEBERG_PRUNE_H

#include "iceberg/cell.h"

struct bound_predicate {
    enum pf_predicate_kind kind;
    const struct pf_iceberg_field *field;
    struct cell_value *values; /* of the column's type */
    size_t value_count;
};

/* Of predicates that must all hold, on fields of primitive types. */
struct pf_pruner *prune_new(const struct pf_table_metadata *metadata, const struct bound_predicate *predicates,
                            size_t count, struct pf_arena *arena);

#endif
