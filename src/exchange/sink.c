/* SPDX-License-Identifier: MIT */
#include "exchange/sink.h"

#include <stdlib.h>
#include <string.h>

/* ---- header and index ---- */

static enum pf_code put_header(struct sink *sink, struct buffer *out, struct pf_error *err) {
    pf_str schema = sink->plan->output->bound.schema;
    size_t padded = format_align(schema.len);
    struct format_header header = {.magic = FORMAT_OBJECT_MAGIC,
                                   .version = FORMAT_VERSION,
                                   .partition_count = sink->plan->partition_count,
                                   .schema_bytes = (uint32_t)schema.len,
                                   .column_count = sink->plan->column_count};
    PF_TRY(buffer_reserve(sink->pool, out, sizeof header + padded, err));
    char *to = out->ptr + out->len + sizeof header;
    memset(to, 0, padded);
    memcpy(to, schema.ptr, schema.len);
    header.checksum = format_checksum(&header, sizeof header - 8, to, padded);
    memcpy(out->ptr + out->len, &header, sizeof header);
    out->len += sizeof header + padded;
    return PF_OK;
}

static int compare_entries(const void *a, const void *b) {
    const struct format_entry *left = a, *right = b;
    if (left->partition != right->partition) return left->partition < right->partition ? -1 : 1;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

/* The index and the tail; `position` is where they start. */
static enum pf_code put_index(struct sink *sink, struct buffer *out, uint64_t position, struct pf_error *err) {
    size_t bytes = sink->entry_count * sizeof *sink->entries;
    struct format_tail tail = {.index_offset = position,
                               .entry_count = sink->entry_count,
                               .row_count = (uint64_t)sink->rows,
                               .magic = FORMAT_OBJECT_MAGIC};
    if (sink->entry_count) qsort(sink->entries, sink->entry_count, sizeof *sink->entries, compare_entries);
    tail.checksum = format_checksum(&tail, sizeof tail - 16, sink->entries, bytes);
    PF_TRY(buffer_reserve(sink->pool, out, bytes + sizeof tail, err));
    if (bytes) memcpy(out->ptr + out->len, sink->entries, bytes);
    memcpy(out->ptr + out->len + bytes, &tail, sizeof tail);
    out->len += bytes + sizeof tail;
    return PF_OK;
}

static void add_entry(struct sink *sink, uint32_t partition, uint64_t offset, uint64_t size_bytes, uint64_t rows) {
    struct format_entry entry = {offset, size_bytes, partition, (uint32_t)rows};
    PF_ARENA_PUSH(sink->arena, sink->entries, sink->entry_count, sink->entry_capacity) = entry;
    sink->slices[partition].size_bytes += size_bytes;
    sink->slices[partition].rows += (int64_t)rows;
    sink->rows += (int64_t)rows;
}

static void name_object(struct sink *sink) {
    int number = atomic_fetch_add(&sink->plan->output->next_object, 1);
    sink->key = pf_arena_printf(sink->arena, "%.*s.%d.px", PF_STR_ARG(sink->plan->output->key), number);
}

/* The object is where it belongs: note it, start afresh. */
static void end_object(struct sink *sink, enum pf_medium medium, uint64_t size_bytes) {
    struct pf_exchange *exchange = sink->plan->exchange;
    struct pf_exchange_object object = {.medium = medium,
                                        .key = sink->key,
                                        .size_bytes = (int64_t)size_bytes,
                                        .raw_bytes = (int64_t)(sink->raw_bytes ? sink->raw_bytes : size_bytes),
                                        .rows = sink->rows,
                                        .slices = sink->slices};
    output_add(sink->plan->output, &object);
    atomic_fetch_add(&exchange->written_bytes, (long long)size_bytes);
    atomic_fetch_add(&exchange->written_objects[medium], 1);
    memset(sink->slices, 0, sink->plan->partition_count * sizeof *sink->slices);
    sink->entry_count = 0;
    sink->rows = 0;
    sink->raw_bytes = 0;
    sink->key = PF_STR_EMPTY;
}

/* ---- directory ---- */

static enum pf_code write_out(struct sink *sink, struct pf_error *err) {
    PF_TRY(object_file_write(&sink->file, sink->out.ptr, sink->out.len, err));
    sink->position += sink->out.len;
    sink->out.len = 0;
    return PF_OK;
}

static enum pf_code start_file(struct sink *sink, struct pf_error *err) {
    name_object(sink);
    PF_TRY(object_file_create(sink->plan->exchange, sink->key, sink->arena, &sink->file, err));
    sink->position = 0;
    PF_TRY(put_header(sink, &sink->out, err));
    return write_out(sink, err);
}

static enum pf_code append_to_file(struct sink *sink, uint32_t partition, struct pf_error *err) {
    struct block_builder *block = &sink->partitions[partition];
    uint64_t rows = block->row_count;
    if (sink->file.fd < 0) PF_TRY(start_file(sink, err));
    PF_TRY(block_builder_print(sink->pool, block, sink->plan->column_count, partition, PF_CODEC_NONE, &sink->scratch,
                               &sink->out, err));
    add_entry(sink, partition, sink->position, sink->out.len, rows);
    return write_out(sink, err);
}

static enum pf_code finish_file(struct sink *sink, struct pf_error *err) {
    PF_TRY(put_index(sink, &sink->out, sink->position, err));
    PF_TRY(write_out(sink, err));
    PF_TRY(object_file_close(&sink->file, err));
    end_object(sink, PF_MEDIUM_DIRECTORY, sink->position);
    return PF_OK;
}

/* ---- kept blocks: small, and store ---- */

static enum pf_code put_kept(struct sink *sink, enum pf_medium medium, struct pf_error *err);

/* The object is put when it is large enough. */
static enum pf_code keep_block(struct sink *sink, uint32_t partition, struct pf_error *err) {
    const struct plan *plan = sink->plan;
    struct block_builder *block = &sink->partitions[partition];
    struct buffer *kept = &sink->kept[partition];
    uint64_t rows = block->row_count, start = kept->len;
    for (uint32_t i = 0; i < plan->column_count; i++) sink->raw_bytes += column_builder_size(&block->columns[i]);
    PF_TRY(block_builder_print(sink->pool, block, plan->column_count, partition, plan->exchange->options.codec,
                               &sink->scratch, kept, err));
    sink->kept_bytes += kept->len - start;
    add_entry(sink, partition, start, kept->len - start, rows); /* offset in its partition for now */
    const struct pf_exchange_options *options = &plan->exchange->options;
    enum pf_medium medium = choose_large_medium(options);
    /* Of a small one: the last block, the header and the index come on top. */
    int64_t most = medium == PF_MEDIUM_SMALL ? options->small_max_bytes / 2 : options->object_max_bytes;
    return (int64_t)sink->kept_bytes >= most ? put_kept(sink, medium, err) : PF_OK;
}

/* Header, blocks by partition, index: `*out_pieces` points to all of them. */
static enum pf_code assemble(struct sink *sink, struct pf_arena *arena, pf_str **out_pieces, size_t *out_count,
                             uint64_t *out_size_bytes, struct pf_error *err) {
    pf_str *pieces = PF_ARENA_ARRAY(arena, pf_str, (size_t)sink->plan->partition_count + 2);
    size_t count = 1;
    sink->out.len = 0;
    PF_TRY(put_header(sink, &sink->out, err));
    size_t header_bytes = sink->out.len;
    uint64_t position = header_bytes;
    for (uint32_t p = 0; p < sink->plan->partition_count; p++) {
        if (!sink->kept[p].len) continue;
        sink->slices[p].offset = position;
        pieces[count++] = pf_str_from(sink->kept[p].ptr, sink->kept[p].len);
        position += sink->kept[p].len;
    }
    for (size_t i = 0; i < sink->entry_count; i++)
        sink->entries[i].offset += sink->slices[sink->entries[i].partition].offset;
    PF_TRY(put_index(sink, &sink->out, position, err));
    pieces[0] = pf_str_from(sink->out.ptr, header_bytes);
    pieces[count++] = pf_str_from(sink->out.ptr + header_bytes, sink->out.len - header_bytes);
    *out_pieces = pieces;
    *out_count = count;
    *out_size_bytes = position + sink->out.len - header_bytes;
    return PF_OK;
}

static enum pf_code write_file(struct sink *sink, const pf_str *pieces, size_t count, struct pf_error *err) {
    PF_TRY(object_file_create(sink->plan->exchange, sink->key, sink->arena, &sink->file, err));
    for (size_t i = 0; i < count; i++) PF_TRY(object_file_write(&sink->file, pieces[i].ptr, pieces[i].len, err));
    return object_file_close(&sink->file, err);
}

/* What the small medium refuses, because it is too large after all or because Redis is full, goes where large ones go. */
static enum pf_code put_object(struct sink *sink, enum pf_medium *medium, const pf_str *pieces, size_t count,
                               uint64_t size_bytes, struct pf_error *err) {
    struct pf_exchange *exchange = sink->plan->exchange;
    const struct pf_exchange_options *options = &exchange->options;
    const struct pf_exchange_io *io = medium_io(exchange, *medium);
    if (*medium == PF_MEDIUM_SMALL) {
        enum pf_code code = PF_NO_MEMORY;
        if ((int64_t)size_bytes <= options->small_max_bytes) code = io->put(io->context, sink->key, pieces, count, err);
        if (code != PF_NO_MEMORY) return code;
        *medium = options->directory.len ? PF_MEDIUM_DIRECTORY : PF_MEDIUM_STORE;
        io = medium_io(exchange, *medium);
    }
    return *medium == PF_MEDIUM_DIRECTORY ? write_file(sink, pieces, count, err)
                                          : io->put(io->context, sink->key, pieces, count, err);
}

static enum pf_code put_kept(struct sink *sink, enum pf_medium medium, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "exchange put");
    pf_str *pieces = NULL;
    size_t count = 0;
    uint64_t size_bytes = 0;
    name_object(sink);
    enum pf_code code = assemble(sink, arena, &pieces, &count, &size_bytes, err);
    if (code == PF_OK) code = put_object(sink, &medium, pieces, count, size_bytes, err);
    pf_arena_free(arena);
    if (code != PF_OK) return pf_error_wrap(err, code, "put exchange object '%.*s'", PF_STR_ARG(sink->key));
    for (uint32_t p = 0; p < sink->plan->partition_count; p++) buffer_clear(sink->pool, &sink->kept[p]);
    sink->kept_bytes = 0;
    sink->out.len = 0;
    end_object(sink, medium, size_bytes);
    return PF_OK;
}

/* ---- blocks ---- */

enum pf_code sink_flush_partition(struct sink *sink, uint32_t partition, struct pf_error *err) {
    bool is_file = choose_large_medium(&sink->plan->exchange->options) == PF_MEDIUM_DIRECTORY;
    return is_file ? append_to_file(sink, partition, err) : keep_block(sink, partition, err);
}

enum pf_code sink_flush_all(struct sink *sink, struct pf_error *err) {
    for (uint32_t p = 0; p < sink->plan->partition_count; p++) {
        struct block_builder *block = &sink->partitions[p];
        if (block->row_count) PF_TRY(sink_flush_partition(sink, p, err));
        for (uint32_t i = 0; block->columns && i < sink->plan->column_count; i++)
            column_builder_clear(sink->pool, &block->columns[i]);
    }
    return sink->kept_bytes ? put_kept(sink, choose_large_medium(&sink->plan->exchange->options), err) : PF_OK;
}

/* ---- the end ---- */

/* As it is collected, before compression. */
static int64_t collected_bytes(const struct sink *sink, int *out_slice_count) {
    int64_t size_bytes = (int64_t)sizeof(struct format_header) + (int64_t)sizeof(struct format_tail) +
                         (int64_t)format_align(sink->plan->output->bound.schema.len);
    int slice_count = 0;
    for (uint32_t p = 0; p < sink->plan->partition_count; p++) {
        const struct block_builder *block = &sink->partitions[p];
        if (!block->row_count) continue;
        slice_count++;
        size_bytes += (int64_t)(block->size_bytes + sizeof(struct format_block) + sizeof(struct format_entry));
    }
    *out_slice_count = slice_count;
    return size_bytes;
}

/* The blocks are made first: what counts is their size as it travels. */
static enum pf_code keep_rest(struct sink *sink, struct pf_error *err) {
    int slice_count = 0;
    for (uint32_t p = 0; p < sink->plan->partition_count; p++)
        if (sink->partitions[p].row_count) PF_TRY(keep_block(sink, p, err));
    for (uint32_t p = 0; p < sink->plan->partition_count; p++) slice_count += sink->kept[p].len > 0;
    if (!slice_count) return PF_OK;
    return put_kept(sink, choose_medium(&sink->plan->exchange->options, (int64_t)sink->kept_bytes, slice_count), err);
}

enum pf_code sink_write_rest(struct sink *sink, struct pf_error *err) {
    const struct pf_exchange_options *options = &sink->plan->exchange->options;
    int slice_count;
    int64_t size_bytes = collected_bytes(sink, &slice_count);
    if (!slice_count && !sink->entry_count) return PF_OK;
    bool is_file = choose_large_medium(options) == PF_MEDIUM_DIRECTORY;
    bool is_begun = sink->file.fd >= 0;
    if (!is_file || (!is_begun && choose_medium(options, size_bytes, slice_count) == PF_MEDIUM_SMALL))
        return keep_rest(sink, err);
    for (uint32_t p = 0; p < sink->plan->partition_count; p++)
        if (sink->partitions[p].row_count) PF_TRY(append_to_file(sink, p, err));
    return finish_file(sink, err);
}
