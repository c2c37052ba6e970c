/* SPDX-License-Identifier: MIT */
/* One thread's part of an output: what it has collected, and where that goes.
 *
 * Where a block goes depends on the medium:
 *   directory: appended to the file at once (its index says where each partition's blocks are: readers map the file)
 *   store:     kept in memory by partition, so that each partition is one range; an object is put when enough is there
 *   small:     as in the store, if all of the sink's rows are little enough in the end
 * The kept blocks are put as they lie, piece by piece: an object is never in memory twice. */
#ifndef PF_EXCHANGE_SINK_H
#define PF_EXCHANGE_SINK_H

#include "exchange/build_block.h"
#include "exchange/exchange_internal.h"

struct plan {
    struct pf_exchange *exchange;
    struct output *output;
    const struct pf_column *columns; /* without the partition number */
    uint32_t column_count, partition_count;
};

/* One thread's part of an output. */
struct sink {
    struct pf_arena *arena;
    const struct plan *plan;
    struct pool *pool;
    struct block_builder *partitions;
    uint64_t block_bytes;
    struct scratch scratch;
    struct column_mark *marks;           /* of the block that grows, with a budget */
    uint32_t *counts, *starts, *touched; /* of the chunk at hand */
    struct buffer order;
    /* the object being made */
    pf_str key;
    struct object_file file; /* directory */
    struct buffer *kept;     /* store, small: blocks by partition */
    uint64_t kept_bytes, raw_bytes;
    struct buffer out; /* of a file: bytes on their way; else header and index */
    uint64_t position; /* bytes in the file */
    struct format_entry *entries;
    size_t entry_count, entry_capacity;
    struct pf_exchange_slice *slices;
    int64_t rows;
    struct key_summary *keys; /* one a column of KEYS */
};

/* Makes a block of what a partition has collected. */
enum pf_code sink_flush_partition(struct sink *sink, uint32_t partition, struct pf_error *err) PF_MUST_CHECK;
/* The budget is used up: writes all there is, though the blocks are small, and gives the memory back. */
enum pf_code sink_flush_all(struct sink *sink, struct pf_error *err) PF_MUST_CHECK;
/* After the last row. */
enum pf_code sink_write_rest(struct sink *sink, struct pf_error *err) PF_MUST_CHECK;

#endif
