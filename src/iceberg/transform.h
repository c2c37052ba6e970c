/* SPDX-License-Identifier: MIT */
/* Partition transforms over values (spec, Partition Transforms and Appendix B). */
#ifndef PF_ICEBERG_TRANSFORM_H
#define PF_ICEBERG_TRANSFORM_H

#include "iceberg/cell.h"

/* The hash that bucket[N] uses; false for types it doesn't take. */
bool transform_hash(const struct pf_iceberg_type *source, const struct cell_value *value, uint32_t *out_hash);

/* The type of partition values; NULL if the transform isn't known or doesn't take the type. */
const struct pf_iceberg_type *transform_result_type(const struct pf_transform *transform,
                                                    const struct pf_iceberg_type *source);
/* False where transform_result_type is NULL, and for void. The result may view the input. */
bool transform_value(const struct pf_transform *transform, const struct pf_iceberg_type *source,
                     const struct cell_value *value, struct cell_value *out_value);

#endif
