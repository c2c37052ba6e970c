/* SPDX-License-Identifier: MIT */
/* Collects rows of one partition, column by column, and prints them as a block. One thread. */
#ifndef PF_EXCHANGE_BUILD_BLOCK_H
#define PF_EXCHANGE_BUILD_BLOCK_H

#include "exchange/exchange.h"
#include "exchange/format.h"
#include "exchange/pool.h"

struct column_builder {
    const struct pf_type *type;
    uint64_t row_count;
    bool has_nulls;
    struct buffer validity, values /* or lengths */, heap;
    struct column_builder *children;
    uint32_t child_count;
};
void column_builder_prepare(struct column_builder *column, const struct pf_type *type, struct pf_arena *arena);
void column_builder_clear(struct pool *pool, struct column_builder *column);

struct block_builder {
    struct column_builder *columns; /* NULL until there is a row */
    uint64_t row_count, size_bytes; /* so far, about */
};

/* Which rows of a vector: `rows[0..count)`, or all from 0 on if NULL. */
struct row_set {
    const uint32_t *rows;
    uint64_t count;
};
struct scratch {
    struct buffer rows[FORMAT_MAX_DEPTH]; /* of elements, a level of nesting each */
    struct buffer raw;                    /* before compression */
    struct ZSTD_CCtx_s *zstd;             /* NULL until it is needed */
};
/* Gives all of it back. */
void scratch_clear(struct pool *pool, struct scratch *scratch);
/* PF_NO_MEMORY at once when the budget is used up. */
enum pf_code column_builder_append(struct pool *pool, struct column_builder *column, const struct pf_vec *vec,
                                   struct row_set set, struct scratch *scratch, int depth, struct pf_error *err)
    PF_MUST_CHECK;
/* An append that failed half-way is taken back: marks as many as column_builder_count, in order; both functions give
 * the place behind theirs. */
struct column_mark {
    uint64_t row_count;
    size_t validity_bytes, values_bytes, heap_bytes;
    bool has_nulls;
};
size_t column_builder_count(const struct column_builder *column); /* itself and all below */
struct column_mark *column_builder_mark(const struct column_builder *column, struct column_mark *mark);
const struct column_mark *column_builder_take_back(struct column_builder *column, const struct column_mark *mark);

uint64_t column_builder_size(const struct column_builder *column); /* as printed */

/* Appends the block to `out` and empties the builder. One that compression does not make smaller by an eighth stays as
 * it is. */
enum pf_code block_builder_print(struct pool *pool, struct block_builder *block, uint32_t column_count,
                                 uint32_t partition, enum pf_exchange_codec codec, struct scratch *scratch,
                                 struct buffer *out, struct pf_error *err) PF_MUST_CHECK;

#endif
