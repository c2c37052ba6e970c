/* SPDX-License-Identifier: MIT */
/* Reads the exchange format; every size is checked before it is used. Pure. */
#include "exchange/format.h"

#include <inttypes.h>
#include <string.h>

/* The code stands behind the comma so that compilers see that it isn't PF_OK. */
#define CORRUPT(source, at, err, ...)                                                                                  \
    return ((void)pf_error_set((err), PF_CORRUPT, __FILE__, __LINE__, __VA_ARGS__),                                    \
            name_place((source), (uint64_t)(at), (err)), PF_CORRUPT)

static void name_place(const struct format_source *source, uint64_t at, struct pf_error *err) {
    (void)pf_error_wrap(err, PF_CORRUPT, "exchange object '%.*s' at byte %" PRIu64, PF_STR_ARG(source->name),
                        source->offset + at);
}

/* ---- objects ---- */

static enum pf_code read_header(const struct format_source *source, pf_str bytes, struct format_header *header,
                                pf_str *out_schema, struct pf_error *err) {
    if (bytes.len < sizeof *header + sizeof(struct format_tail))
        CORRUPT(source, 0, err, "%zu bytes are too few for an object", bytes.len);
    memcpy(header, bytes.ptr, sizeof *header);
    if (header->magic != FORMAT_OBJECT_MAGIC) CORRUPT(source, 0, err, "not an exchange object");
    if (header->version != FORMAT_VERSION)
        CORRUPT(source, 8, err, "format version %u, this program reads %d", header->version, FORMAT_VERSION);
    uint64_t room = bytes.len - sizeof *header - sizeof(struct format_tail);
    if (format_align(header->schema_bytes) > room) CORRUPT(source, 16, err, "the schema is cut off");
    const char *schema = bytes.ptr + sizeof *header;
    uint64_t checksum = format_checksum(header, sizeof *header - 8, schema, format_align(header->schema_bytes));
    if (checksum != header->checksum && !source->skip_checksums)
        CORRUPT(source, 0, err, "the checksum of the header differs");
    *out_schema = pf_str_from(schema, header->schema_bytes);
    return PF_OK;
}

static enum pf_code check_entries(const struct format_source *source, const struct format_header *header,
                                  const struct format_tail *tail, const struct format_entry *entries,
                                  struct pf_error *err) {
    uint64_t first = sizeof *header + format_align(header->schema_bytes), rows = 0;
    for (uint64_t i = 0; i < tail->entry_count; i++) {
        const struct format_entry *entry = &entries[i];
        bool is_inside = entry->offset >= first && entry->offset <= tail->index_offset &&
                         entry->size_bytes <= tail->index_offset - entry->offset &&
                         entry->size_bytes >= sizeof(struct format_block) && entry->offset % FORMAT_ALIGNMENT == 0;
        bool is_ordered = i == 0 || entry->partition >= entries[i - 1].partition;
        if (!is_inside || !is_ordered || entry->partition >= header->partition_count)
            CORRUPT(source, tail->index_offset + i * sizeof *entry, err, "index: block %llu is not in the object",
                    (unsigned long long)i);
        rows += entry->row_count;
    }
    if (rows != tail->row_count) CORRUPT(source, tail->index_offset, err, "index: the rows don't add up");
    return PF_OK;
}

enum pf_code format_read_object(const struct format_source *source, pf_str bytes, struct pf_arena *arena,
                                pf_str *out_schema, int *out_partition_count, const struct format_entry **out_entries,
                                size_t *out_count, struct pf_error *err) {
    struct format_header header;
    struct format_tail tail;
    pf_str schema;
    PF_TRY(read_header(source, bytes, &header, &schema, err));
    uint64_t tail_at = bytes.len - sizeof tail;
    memcpy(&tail, bytes.ptr + tail_at, sizeof tail);
    if (tail.magic != FORMAT_OBJECT_MAGIC) CORRUPT(source, tail_at, err, "no tail: the object is cut off");
    if (tail.index_offset > tail_at || tail.index_offset % FORMAT_ALIGNMENT != 0 ||
        tail.entry_count != (tail_at - tail.index_offset) / sizeof(struct format_entry) ||
        (tail_at - tail.index_offset) % sizeof(struct format_entry) != 0)
        CORRUPT(source, tail_at, err, "the index is not in the object");
    if (header.partition_count == 0 || header.partition_count > INT32_MAX)
        CORRUPT(source, 12, err, "%u partitions", header.partition_count);
    const char *index = bytes.ptr + tail.index_offset;
    uint64_t checksum = format_checksum(&tail, sizeof tail - 16, index, tail_at - tail.index_offset);
    if (checksum != tail.checksum && !source->skip_checksums)
        CORRUPT(source, tail.index_offset, err, "the checksum of the index differs");
    struct format_entry *entries = PF_ARENA_ARRAY(arena, struct format_entry, tail.entry_count);
    if (tail.entry_count) memcpy(entries, index, tail_at - tail.index_offset);
    PF_TRY(check_entries(source, &header, &tail, entries, err));
    *out_schema = schema;
    *out_partition_count = (int)header.partition_count;
    *out_entries = entries;
    *out_count = tail.entry_count;
    return PF_OK;
}

/* ---- blocks ---- */

enum pf_code format_read_block(const struct format_source *source, pf_str bytes, struct format_block *out_block,
                               pf_str *out_stored, uint64_t *out_size_bytes, struct pf_error *err) {
    struct format_block block;
    if (bytes.len < sizeof block) CORRUPT(source, 0, err, "block: %zu bytes are too few for its header", bytes.len);
    memcpy(&block, bytes.ptr, sizeof block);
    if (block.magic != FORMAT_BLOCK_MAGIC) CORRUPT(source, 0, err, "block: no block starts here");
    uint64_t room = bytes.len - sizeof block;
    if (block.stored_bytes > room || format_align(block.stored_bytes) > room)
        CORRUPT(source, 0, err, "block: %llu bytes, but only %llu are there", (unsigned long long)block.stored_bytes,
                (unsigned long long)room);
    if (block.row_count > FORMAT_MAX_BLOCK_ROWS || block.flags > FORMAT_BLOCK_IS_ZSTD ||
        block.raw_bytes % FORMAT_ALIGNMENT != 0 || (!block.flags && block.raw_bytes != block.stored_bytes))
        CORRUPT(source, 0, err, "block: its header contradicts itself");
    const char *stored = bytes.ptr + sizeof block;
    if (!source->skip_checksums &&
        format_checksum(&block, sizeof block - 8, stored, format_align(block.stored_bytes)) != block.checksum)
        CORRUPT(source, 0, err, "block: the checksum differs");
    *out_block = block;
    *out_stored = pf_str_from(stored, block.stored_bytes);
    *out_size_bytes = sizeof block + format_align(block.stored_bytes);
    return PF_OK;
}

/* ---- columns ---- */

void format_view_prepare(struct format_view *view, const struct pf_type *type, struct pf_arena *arena) {
    *view = (struct format_view){.type = type, .child_count = format_child_count(type)};
    if (view->child_count) view->children = PF_ARENA_ARRAY(arena, struct format_view, view->child_count);
    for (uint32_t i = 0; i < view->child_count; i++)
        format_view_prepare(&view->children[i], format_child_type(type, i), arena);
}

struct cursor {
    const struct format_source *source;
    const char *start; /* of the block's columns */
    const char *at, *end;
    int depth;
    struct pf_error *err;
};

static enum pf_code cut_off(struct cursor *cursor, const char *what) {
    CORRUPT(cursor->source, (uint64_t)(cursor->at - cursor->start), cursor->err, "column: %s not in the block", what);
}

/* `size_bytes` from here on, moved over with the zeros to a multiple of 8. */
static enum pf_code take(struct cursor *cursor, uint64_t size_bytes, const char *what, const char **out_bytes) {
    uint64_t room = (uint64_t)(cursor->end - cursor->at);
    if (size_bytes > room || format_align(size_bytes) > room) return cut_off(cursor, what);
    *out_bytes = cursor->at;
    cursor->at += format_align(size_bytes);
    return PF_OK;
}

/* Never overflows: a block has fewer than 2^24 rows at the top, and the sum of 2^32 lengths fits 64 bits. */
static uint64_t sum_of(const uint32_t *lengths, uint64_t count) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) sum += lengths[i];
    return sum;
}

static enum pf_code read_column(struct cursor *cursor, uint64_t row_count, struct format_view *view);

static enum pf_code read_strings(struct cursor *cursor, struct format_view *view) {
    const char *bytes = NULL;
    PF_TRY(take(cursor, view->row_count * 4, "string lengths are", &bytes));
    view->lengths = (const uint32_t *)(const void *)bytes;
    PF_TRY(take(cursor, sum_of(view->lengths, view->row_count), "strings are", &view->heap));
    return PF_OK;
}

static enum pf_code read_lists(struct cursor *cursor, struct format_view *view) {
    const char *bytes = NULL;
    PF_TRY(take(cursor, view->row_count * 4, "list lengths are", &bytes));
    view->lengths = (const uint32_t *)(const void *)bytes;
    return read_column(cursor, sum_of(view->lengths, view->row_count), &view->children[0]);
}

static enum pf_code read_values(struct cursor *cursor, struct format_view *view) {
    const struct pf_type *type = view->type;
    /* Fits: rows are limited by the bytes of the block or by 2^24 times the lengths of arrays. */
    if (view->row_count > UINT64_MAX / 8 / (type->value_count ? type->value_count : 16))
        return cut_off(cursor, "so many values are");
    switch (format_layout_of(type)) {
    case LAYOUT_NONE: return PF_OK;
    case LAYOUT_FIXED: return take(cursor, view->row_count * type->value_bytes, "values are", &view->values);
    case LAYOUT_STRING: return read_strings(cursor, view);
    case LAYOUT_LIST: return read_lists(cursor, view);
    case LAYOUT_ARRAY: return read_column(cursor, view->row_count * type->value_count, &view->children[0]);
    case LAYOUT_GROUP:
        for (uint32_t i = 0; i < view->child_count; i++)
            PF_TRY(read_column(cursor, view->row_count, &view->children[i]));
        return PF_OK;
    }
    return PF_OK;
}

/* A column's size must be what its parts take. */
static enum pf_code read_column(struct cursor *cursor, uint64_t row_count, struct format_view *view) {
    struct format_column column;
    const char *start = cursor->at, *bytes = NULL;
    if (++cursor->depth > FORMAT_MAX_DEPTH) return cut_off(cursor, "so much nesting is");
    PF_TRY(take(cursor, sizeof column, "its header is", &bytes));
    memcpy(&column, bytes, sizeof column);
    if (column.flags & ~(uint32_t)FORMAT_COLUMN_HAS_NULLS) return cut_off(cursor, "these flags are");
    view->row_count = row_count;
    view->at = 0;
    view->validity = NULL;
    if (column.flags & FORMAT_COLUMN_HAS_NULLS) {
        PF_TRY(take(cursor, format_validity_bytes(row_count), "the validity is", &bytes));
        view->validity = (const uint64_t *)(const void *)bytes;
    }
    PF_TRY(read_values(cursor, view));
    if (column.size_bytes != (uint64_t)(cursor->at - start)) return cut_off(cursor, "a part of it is");
    cursor->depth--;
    return PF_OK;
}

enum pf_code format_read_columns(const struct format_source *source, pf_str raw, uint32_t row_count,
                                 struct format_view *const *wanted, size_t column_count, struct pf_error *err) {
    struct cursor cursor = {source, raw.ptr, raw.ptr, raw.ptr + raw.len, 0, err};
    for (size_t i = 0; i < column_count; i++) {
        struct format_column column;
        const char *ignored = NULL;
        if ((size_t)(cursor.end - cursor.at) < sizeof column) return cut_off(&cursor, "its header is");
        memcpy(&column, cursor.at, sizeof column);
        if (!wanted[i])
            PF_TRY(take(&cursor, column.size_bytes, "all of it is", &ignored));
        else
            PF_TRY(read_column(&cursor, row_count, wanted[i]));
        if (column.size_bytes < sizeof column) return cut_off(&cursor, "its size is");
    }
    if (cursor.at != cursor.end) return cut_off(&cursor, "what follows is");
    return PF_OK;
}
