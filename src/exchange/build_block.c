/* SPDX-License-Identifier: MIT */
/* Scatter: the rows of one partition are gathered from a vector into buffers of their own, which are written out as
 * they are. Buffers keep their memory from block to block and, through the pool, from task to task. */
#include "exchange/build_block.h"

#include <lz4.h>
#include <string.h>
#include <zstd.h>

enum { ZSTD_LEVEL = 1 };

void column_builder_prepare(struct column_builder *column, const struct pf_type *type, struct pf_arena *arena) {
    *column = (struct column_builder){.type = type, .child_count = format_child_count(type)};
    if (column->child_count) column->children = PF_ARENA_ARRAY(arena, struct column_builder, column->child_count);
    for (uint32_t i = 0; i < column->child_count; i++)
        column_builder_prepare(&column->children[i], format_child_type(type, i), arena);
}

void column_builder_clear(struct pool *pool, struct column_builder *column) {
    buffer_clear(pool, &column->validity);
    buffer_clear(pool, &column->values);
    buffer_clear(pool, &column->heap);
    for (uint32_t i = 0; i < column->child_count; i++) column_builder_clear(pool, &column->children[i]);
}

static void reset(struct column_builder *column) {
    column->row_count = 0;
    column->has_nulls = false;
    column->validity.len = column->values.len = column->heap.len = 0;
    for (uint32_t i = 0; i < column->child_count; i++) reset(&column->children[i]);
}

static uint64_t row_of(struct row_set set, uint64_t i) {
    return set.rows ? set.rows[i] : i;
}

/* ---- validity ---- */

static enum pf_code append_validity(struct pool *pool, struct column_builder *column, const struct pf_vec *vec,
                                    struct row_set set, struct pf_error *err) {
    bool has_new = false;
    if (vec->validity)
        for (uint64_t i = 0; i < set.count && !has_new; i++) has_new = !pf_vec_is_valid(vec, row_of(set, i));
    if (!has_new && !column->has_nulls) return PF_OK;
    uint64_t bytes = format_validity_bytes(column->row_count + set.count);
    PF_TRY(buffer_try_reserve(pool, &column->validity, bytes - column->validity.len, err));
    memset(column->validity.ptr + column->validity.len, 0xff, bytes - column->validity.len);
    column->validity.len = bytes;
    column->has_nulls = true;
    if (!has_new) return PF_OK;
    uint64_t *words = (uint64_t *)(void *)column->validity.ptr;
    for (uint64_t i = 0; i < set.count; i++) {
        uint64_t at = column->row_count + i;
        if (!pf_vec_is_valid(vec, row_of(set, i))) words[at >> 6] &= ~((uint64_t)1 << (at & 63));
    }
    return PF_OK;
}

/* ---- values ---- */

#define GATHER(type)                                                                                                   \
    do {                                                                                                               \
        const type *from = vec->data;                                                                                  \
        type *to = (type *)(void *)(column->values.ptr + column->values.len);                                          \
        for (uint64_t i = 0; i < set.count; i++) to[i] = from[set.rows[i]];                                            \
    } while (0)

struct value16 {
    uint64_t low, high;
};

static enum pf_code append_fixed(struct pool *pool, struct column_builder *column, const struct pf_vec *vec,
                                 struct row_set set, struct pf_error *err) {
    size_t bytes = set.count * column->type->value_bytes;
    PF_TRY(buffer_try_reserve(pool, &column->values, bytes, err));
    if (!set.rows) {
        if (bytes) memcpy(column->values.ptr + column->values.len, vec->data, bytes);
    } else {
        switch (column->type->value_bytes) {
        case 1: GATHER(uint8_t); break;
        case 2: GATHER(uint16_t); break;
        case 4: GATHER(uint32_t); break;
        case 8: GATHER(uint64_t); break;
        default: GATHER(struct value16); break;
        }
    }
    column->values.len += bytes;
    return PF_OK;
}

static enum pf_code append_strings(struct pool *pool, struct column_builder *column, const struct pf_vec *vec,
                                   struct row_set set, struct pf_error *err) {
    const union pf_string *strings = vec->data;
    PF_TRY(buffer_try_reserve(pool, &column->values, set.count * 4, err));
    uint32_t *lengths = (uint32_t *)(void *)(column->values.ptr + column->values.len);
    uint64_t total = 0;
    for (uint64_t i = 0; i < set.count; i++) { /* what a NULL holds is undefined */
        uint64_t row = row_of(set, i);
        lengths[i] = pf_vec_is_valid(vec, row) ? strings[row].small.length : 0;
        total += lengths[i];
    }
    PF_TRY(buffer_try_reserve(pool, &column->heap, total + sizeof strings->small.inlined, err));
    char *to = column->heap.ptr + column->heap.len;
    for (uint64_t i = 0; i < set.count; i++) {
        const union pf_string *string = &strings[row_of(set, i)];
        /* Inlined: always all twelve bytes, the next string writes over what was too much. */
        if (lengths[i] <= sizeof string->small.inlined)
            memcpy(to, string->small.inlined, sizeof string->small.inlined);
        else
            memcpy(to, string->large.ptr, lengths[i]);
        to += lengths[i];
    }
    column->values.len += set.count * 4;
    column->heap.len += total;
    return PF_OK;
}

static enum pf_code append_lists(struct pool *pool, struct column_builder *column, const struct pf_vec *vec,
                                 struct row_set set, struct scratch *scratch, int depth, struct pf_error *err) {
    const struct pf_list_entry *entries = vec->data;
    PF_TRY(buffer_try_reserve(pool, &column->values, set.count * 4, err));
    uint32_t *lengths = (uint32_t *)(void *)(column->values.ptr + column->values.len);
    uint64_t total = 0;
    for (uint64_t i = 0; i < set.count; i++) {
        uint64_t row = row_of(set, i);
        uint64_t length = pf_vec_is_valid(vec, row) ? entries[row].length : 0;
        if (length > UINT32_MAX) PF_FAIL(err, PF_TOO_LARGE, "a list of %llu elements", (unsigned long long)length);
        lengths[i] = (uint32_t)length;
        total += length;
    }
    struct buffer *rows = &scratch->rows[depth];
    rows->len = 0;
    PF_TRY(buffer_try_reserve(pool, rows, total * 4, err));
    uint32_t *elements = (uint32_t *)(void *)rows->ptr;
    for (uint64_t i = 0, at = 0; i < set.count; i++) {
        if (!lengths[i]) continue;
        uint64_t first = entries[row_of(set, i)].offset;
        for (uint64_t k = 0; k < lengths[i]; k++) elements[at++] = (uint32_t)(first + k);
    }
    column->values.len += set.count * 4;
    return column_builder_append(pool, &column->children[0], &vec->children[0], (struct row_set){elements, total},
                                 scratch, depth + 1, err);
}

static enum pf_code append_arrays(struct pool *pool, struct column_builder *column, const struct pf_vec *vec,
                                  struct row_set set, struct scratch *scratch, int depth, struct pf_error *err) {
    uint64_t length = column->type->value_count, total = set.count * length;
    struct buffer *rows = &scratch->rows[depth];
    rows->len = 0;
    PF_TRY(buffer_try_reserve(pool, rows, total * 4, err));
    uint32_t *elements = (uint32_t *)(void *)rows->ptr;
    for (uint64_t i = 0; i < set.count; i++)
        for (uint64_t k = 0; k < length; k++) elements[i * length + k] = (uint32_t)(row_of(set, i) * length + k);
    return column_builder_append(pool, &column->children[0], &vec->children[0], (struct row_set){elements, total},
                                 scratch, depth + 1, err);
}

enum pf_code column_builder_append(struct pool *pool, struct column_builder *column, const struct pf_vec *vec,
                                   struct row_set set, struct scratch *scratch, int depth, struct pf_error *err) {
    if (set.count == 0) return PF_OK;
    if (depth >= FORMAT_MAX_DEPTH) PF_FAIL(err, PF_UNSUPPORTED, "a type nested deeper than %d", FORMAT_MAX_DEPTH);
    PF_TRY(append_validity(pool, column, vec, set, err));
    switch (format_layout_of(column->type)) {
    case LAYOUT_NONE: break;
    case LAYOUT_FIXED: PF_TRY(append_fixed(pool, column, vec, set, err)); break;
    case LAYOUT_STRING: PF_TRY(append_strings(pool, column, vec, set, err)); break;
    case LAYOUT_LIST: PF_TRY(append_lists(pool, column, vec, set, scratch, depth, err)); break;
    case LAYOUT_ARRAY: PF_TRY(append_arrays(pool, column, vec, set, scratch, depth, err)); break;
    case LAYOUT_GROUP:
        for (uint32_t i = 0; i < column->child_count; i++)
            PF_TRY(column_builder_append(pool, &column->children[i], &vec->children[i], set, scratch, depth, err));
        break;
    }
    column->row_count += set.count;
    return PF_OK;
}

/* ---- taking back ---- */

size_t column_builder_count(const struct column_builder *column) {
    size_t count = 1;
    for (uint32_t i = 0; i < column->child_count; i++) count += column_builder_count(&column->children[i]);
    return count;
}

struct column_mark *column_builder_mark(const struct column_builder *column, struct column_mark *mark) {
    *mark++ = (struct column_mark){column->row_count, column->validity.len, column->values.len, column->heap.len,
                                   column->has_nulls};
    for (uint32_t i = 0; i < column->child_count; i++) mark = column_builder_mark(&column->children[i], mark);
    return mark;
}

const struct column_mark *column_builder_take_back(struct column_builder *column, const struct column_mark *mark) {
    column->row_count = mark->row_count;
    column->has_nulls = mark->has_nulls;
    column->validity.len = mark->validity_bytes;
    column->values.len = mark->values_bytes;
    column->heap.len = mark->heap_bytes;
    if (column->has_nulls && column->row_count % 64) { /* rows that follow are valid until they say otherwise */
        uint64_t *words = (uint64_t *)(void *)column->validity.ptr;
        words[column->row_count >> 6] |= UINT64_MAX << (column->row_count & 63);
    }
    mark++;
    for (uint32_t i = 0; i < column->child_count; i++) mark = column_builder_take_back(&column->children[i], mark);
    return mark;
}

/* ---- printing ---- */

uint64_t column_builder_size(const struct column_builder *column) {
    uint64_t size = sizeof(struct format_column);
    if (column->has_nulls) size += format_validity_bytes(column->row_count);
    size += format_align(column->values.len) + format_align(column->heap.len);
    for (uint32_t i = 0; i < column->child_count; i++) size += column_builder_size(&column->children[i]);
    return size;
}

static char *put_padded(char *to, const void *bytes, size_t size_bytes) {
    if (size_bytes) memcpy(to, bytes, size_bytes);
    size_t padding = format_align(size_bytes) - size_bytes;
    memset(to + size_bytes, 0, padding);
    return to + size_bytes + padding;
}

static char *print_column(const struct column_builder *column, char *to) {
    struct format_column header = {column_builder_size(column), column->has_nulls ? FORMAT_COLUMN_HAS_NULLS : 0, 0};
    to = put_padded(to, &header, sizeof header);
    if (column->has_nulls) to = put_padded(to, column->validity.ptr, format_validity_bytes(column->row_count));
    to = put_padded(to, column->values.ptr, column->values.len);
    to = put_padded(to, column->heap.ptr, column->heap.len);
    for (uint32_t i = 0; i < column->child_count; i++) to = print_column(&column->children[i], to);
    return to;
}

/* Behind the header's place in `out`. `*out_stored_bytes` 0: not worth it, nothing is there. */
static enum pf_code compress_raw(struct pool *pool, enum pf_exchange_codec codec, struct scratch *scratch,
                                 struct buffer *out, uint64_t *out_stored_bytes, struct pf_error *err) {
    const struct buffer *raw = &scratch->raw;
    bool is_lz4 = codec == PF_CODEC_LZ4;
    size_t bound = is_lz4 ? (size_t)LZ4_compressBound((int)raw->len) : ZSTD_compressBound(raw->len), size;
    PF_TRY(buffer_reserve(pool, out, sizeof(struct format_block) + bound + FORMAT_ALIGNMENT, err));
    char *to = out->ptr + out->len + sizeof(struct format_block);
    if (is_lz4) {
        size = (size_t)LZ4_compress_default(raw->ptr, to, (int)raw->len, (int)bound);
    } else {
        if (!scratch->zstd) scratch->zstd = ZSTD_createCCtx();
        if (!scratch->zstd) PF_FAIL(err, PF_NO_MEMORY, "start compressing with zstd");
        size = ZSTD_compressCCtx(scratch->zstd, to, bound, raw->ptr, raw->len, ZSTD_LEVEL);
        if (ZSTD_isError(size)) PF_FAIL(err, PF_BUG, "zstd: %s", ZSTD_getErrorName(size));
    }
    *out_stored_bytes = size < raw->len - raw->len / 8 ? size : 0;
    return PF_OK;
}

void scratch_clear(struct pool *pool, struct scratch *scratch) {
    for (int i = 0; i < FORMAT_MAX_DEPTH; i++) buffer_clear(pool, &scratch->rows[i]);
    buffer_clear(pool, &scratch->raw);
    ZSTD_freeCCtx(scratch->zstd);
    scratch->zstd = NULL;
}

static void print_columns(const struct block_builder *block, uint32_t column_count, char *to) {
    for (uint32_t i = 0; i < column_count; i++) to = print_column(&block->columns[i], to);
}

enum pf_code block_builder_print(struct pool *pool, struct block_builder *block, uint32_t column_count,
                                 uint32_t partition, enum pf_exchange_codec codec, struct scratch *scratch,
                                 struct buffer *out, struct pf_error *err) {
    uint64_t raw_bytes = 0, packed_bytes = 0;
    for (uint32_t i = 0; i < column_count; i++) raw_bytes += column_builder_size(&block->columns[i]);
    struct format_block header = {.magic = FORMAT_BLOCK_MAGIC,
                                  .partition = partition,
                                  .row_count = (uint32_t)block->row_count,
                                  .column_count = column_count,
                                  .stored_bytes = raw_bytes,
                                  .raw_bytes = raw_bytes};
    if (codec != PF_CODEC_NONE && raw_bytes <= LZ4_MAX_INPUT_SIZE) {
        scratch->raw.len = 0;
        PF_TRY(buffer_reserve(pool, &scratch->raw, raw_bytes, err));
        print_columns(block, column_count, scratch->raw.ptr);
        scratch->raw.len = raw_bytes;
        PF_TRY(compress_raw(pool, codec, scratch, out, &packed_bytes, err));
    }
    if (packed_bytes) {
        header.flags = codec == PF_CODEC_LZ4 ? FORMAT_BLOCK_IS_LZ4 : FORMAT_BLOCK_IS_ZSTD;
        header.stored_bytes = packed_bytes;
    } else {
        PF_TRY(buffer_reserve(pool, out, sizeof header + raw_bytes, err));
        print_columns(block, column_count, out->ptr + out->len + sizeof header);
    }
    char *start = out->ptr + out->len, *stored = start + sizeof header;
    uint64_t padded = format_align(header.stored_bytes);
    memset(stored + header.stored_bytes, 0, padded - header.stored_bytes);
    header.checksum = format_checksum(&header, sizeof header - 8, stored, padded);
    memcpy(start, &header, sizeof header);
    out->len += sizeof header + padded;
    for (uint32_t i = 0; i < column_count; i++) reset(&block->columns[i]);
    block->row_count = block->size_bytes = 0;
    return PF_OK;
}
