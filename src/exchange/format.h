/* SPDX-License-Identifier: MIT */
/* The exchange format, bytes only: docs/formats/exchange.md describes it.
 *
 *   object = header (48 bytes, then the schema text), blocks, index (24 bytes a block, by partition), tail (48 bytes)
 *   block  = header (48 bytes), columns
 *   column = size, flags, [validity], values; nested types: their columns inside
 *
 * Everything starts at a multiple of 8. Reading trusts nothing: each size is checked before it is used. */
#ifndef PF_EXCHANGE_FORMAT_H
#define PF_EXCHANGE_FORMAT_H

#include "engine/engine.h"

enum {
    FORMAT_VERSION = 1,
    FORMAT_ALIGNMENT = 8,
    FORMAT_MAX_BLOCK_ROWS = 1 << 24,
    FORMAT_MAX_DEPTH = 64,
    FORMAT_BLOCK_IS_LZ4 = 1, /* block flags: neither or one of these */
    FORMAT_BLOCK_IS_ZSTD = 2,
    FORMAT_COLUMN_HAS_NULLS = 1, /* column flags */
};
#define FORMAT_OBJECT_MAGIC 0x3158474e49464650ull /* "PFFINGX1" */
#define FORMAT_BLOCK_MAGIC 0x4b425850u            /* "PXBK" */

struct format_header { /* then the schema text, zeros to a multiple of 8 */
    uint64_t magic;
    uint32_t version, partition_count;
    uint32_t schema_bytes, column_count;
    uint64_t reserved[2];
    uint64_t checksum; /* of what is before it and of the schema */
};
struct format_block {
    uint32_t magic, flags;
    uint32_t partition, row_count;
    uint32_t column_count, reserved;
    uint64_t stored_bytes; /* what follows the header, without the zeros to a multiple of 8 */
    uint64_t raw_bytes;    /* decompressed; a multiple of 8 */
    uint64_t checksum;     /* of what is before it and of the stored bytes, zeros included */
};
struct format_entry {
    uint64_t offset, size_bytes; /* of the block, header included */
    uint32_t partition, row_count;
};
struct format_tail {
    uint64_t index_offset, entry_count;
    uint64_t row_count, reserved;
    uint64_t checksum; /* of the index and of what is before it here */
    uint64_t magic;
};
struct format_column {
    uint64_t size_bytes; /* this header included */
    uint32_t flags, reserved;
};

static inline uint64_t format_align(uint64_t size_bytes) {
    return (size_bytes + FORMAT_ALIGNMENT - 1) & ~(uint64_t)(FORMAT_ALIGNMENT - 1);
}
static inline uint64_t format_validity_bytes(uint64_t row_count) {
    return (row_count + 63) / 64 * 8;
}

/* How values of a type lie in a column. */
enum format_layout { LAYOUT_NONE, LAYOUT_FIXED, LAYOUT_STRING, LAYOUT_LIST, LAYOUT_ARRAY, LAYOUT_GROUP };
enum format_layout format_layout_of(const struct pf_type *type);
/* Child columns: MAP has one (the STRUCT of key and value), UNION its tag first. */
uint32_t format_child_count(const struct pf_type *type);
const struct pf_type *format_child_type(const struct pf_type *type, uint32_t i);

uint64_t format_checksum(const void *head, size_t head_bytes, const void *body, size_t body_bytes);

/* [["name","type"],...] */
enum pf_code format_schema_print(const struct pf_column *columns, size_t count, struct pf_arena *arena,
                                 pf_str *out_schema, struct pf_error *err) PF_MUST_CHECK;
enum pf_code format_schema_parse(pf_str schema, struct pf_arena *arena, const struct pf_column **out_columns,
                                 size_t *out_count, struct pf_error *err) PF_MUST_CHECK;

/* ---- reading ---- */

/* Where bytes come from, for errors and for how far they are trusted. */
struct format_source {
    pf_str name;         /* of the object */
    uint64_t offset;     /* of the first byte of what is read, in the object */
    bool skip_checksums; /* fuzzing */
};

/* A whole object: checks header, schema, index and tail. `*out_entries` points into `bytes` if it can. */
enum pf_code format_read_object(const struct format_source *source, pf_str bytes, struct pf_arena *arena,
                                pf_str *out_schema, int *out_partition_count, const struct format_entry **out_entries,
                                size_t *out_count, struct pf_error *err) PF_MUST_CHECK;

/* The block at the start of `bytes`: its header, checked with its checksum, and where the next one starts. */
enum pf_code format_read_block(const struct format_source *source, pf_str bytes, struct format_block *out_block,
                               pf_str *out_stored, uint64_t *out_size_bytes, struct pf_error *err) PF_MUST_CHECK;

/* A column of a block, ready to be read from row 0 on. */
struct format_view {
    const struct pf_type *type;
    uint64_t row_count;
    const uint64_t *validity; /* NULL: no nulls */
    const char *values;       /* LAYOUT_FIXED */
    const uint32_t *lengths;  /* LAYOUT_STRING, LAYOUT_LIST */
    const char *heap;         /* LAYOUT_STRING */
    uint64_t at;              /* cursor: bytes of the heap or rows of the child that earlier rows took */
    struct format_view *children;
    uint32_t child_count;
    uint64_t filled; /* elements of the child vector of the chunk being filled */
};
/* Makes the tree of children for a type; once per scan. */
void format_view_prepare(struct format_view *view, const struct pf_type *type, struct pf_arena *arena);
/* Points the wanted views at the columns of a decompressed block. `wanted[i]` NULL: column i is skipped. */
enum pf_code format_read_columns(const struct format_source *source, pf_str raw, uint32_t row_count,
                                 struct format_view *const *wanted, size_t column_count, struct pf_error *err)
    PF_MUST_CHECK;

#endif
