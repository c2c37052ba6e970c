/* SPDX-License-Identifier: MIT */
/* The part of a Parquet file's footer that says where things are: column chunks and Bloom filters by row group.
 *
 * Pure: bytes in, structs out. Source: parquet.thrift of parquet-format 2.10, thrift's compact protocol. */
#ifndef PF_STORE_PARQUET_FOOTER_H
#define PF_STORE_PARQUET_FOOTER_H

#include "base/arena.h"

enum { PARQUET_TAIL_BYTES = 8 }; /* the footer's length and "PAR1" */

/* A leaf of the schema, with the column at the top that it belongs to. */
struct parquet_leaf {
    pf_str column;
    int field_id; /* -1: none */
};

struct parquet_place {
    int64_t offset, length; /* length 0: there is none */
};

struct parquet_group {
    int64_t row_count;
    struct parquet_place *chunks, *filters; /* one a leaf */
};

struct parquet_footer {
    struct parquet_leaf *leaves;
    size_t leaf_count;
    struct parquet_group *groups;
    size_t group_count;
    int64_t row_count;
};

/* How long the footer is, tail included, from the last PARQUET_TAIL_BYTES of a file of `file_bytes`. PF_CORRUPT. */
enum pf_code parquet_footer_length(pf_str tail, int64_t file_bytes, int64_t *out_length, struct pf_error *err)
    PF_MUST_CHECK;
/* `bytes` is the footer without its tail. Everything in the result lies inside the file. PF_CORRUPT, PF_UNSUPPORTED. */
enum pf_code parquet_footer_read(pf_str bytes, int64_t file_bytes, struct pf_arena *arena,
                                 struct parquet_footer *out_footer, struct pf_error *err) PF_MUST_CHECK;

#endif
