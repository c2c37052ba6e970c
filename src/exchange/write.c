/* SPDX-License-Identifier: MIT */
/* The writer: COPY ... (FORMAT exchange).
 *
 *   chunk -> rows by partition -> column buffers of each partition -> block -> object
 *
 * A partition's buffers become a block when they are large enough; sink.c says where it goes. When the budget for
 * buffers is used up, all blocks go there at once, small as they are. */
#include "exchange/sink.h"

#include "base/clock.h"
#include "exchange/summarize_keys.h"

#include <string.h>

enum { MIN_BLOCK_BYTES = 32 << 10, MAX_BLOCK_BYTES = 1 << 20, MAX_BLOCK_ROWS = 1 << 16, MAX_WAIT_MS = 10000 };

/* ---- bind ---- */

static enum pf_code read_options(const struct pf_copy_bind *bind, pf_str *out_name, int64_t *out_partitions,
                                 pf_str *out_names, pf_str *out_keys, struct pf_error *err) {
    for (size_t i = 0; i < bind->option_count; i++) {
        const struct pf_copy_option *option = &bind->options[i];
        bool is_good = true;
        if (pf_str_equal(option->name, PF_STR("output")))
            *out_name = option->value;
        else if (pf_str_equal(option->name, PF_STR("columns")))
            *out_names = option->value;
        else if (pf_str_equal(option->name, PF_STR("keys")))
            *out_keys = option->value;
        else if (pf_str_equal(option->name, PF_STR("partitions")))
            is_good = pf_str_to_i64(option->value, out_partitions) && *out_partitions >= 1 &&
                      *out_partitions <= PF_EXCHANGE_MAX_PARTITIONS;
        else
            is_good = false;
        if (!is_good)
            PF_FAIL(err, PF_INVALID, "FORMAT exchange: option %.*s = '%.*s'", PF_STR_ARG(option->name),
                    PF_STR_ARG(option->value));
    }
    return PF_OK;
}

/* COLUMNS 'a,b': else they are c0, c1 ... */
static void name_columns(struct pf_column *columns, size_t count, pf_str names, struct pf_arena *arena) {
    for (size_t i = 0; i < count; i++) {
        pf_str name = PF_STR_EMPTY;
        if (!names.len || !pf_str_next(&names, ',', &name) || !name.len) name = pf_arena_printf(arena, "c%zu", i);
        columns[i].name = pf_arena_str(arena, name);
    }
}

/* KEYS '0,2'. */
static enum pf_code bind_keys(struct output *output, pf_str keys, size_t column_count, struct pf_error *err) {
    pf_str one;
    output->bound.key_count = 0;
    while (keys.len && pf_str_next(&keys, ',', &one)) {
        int64_t column;
        bool is_good = pf_str_to_i64(one, &column) && column >= 0 && (size_t)column < column_count &&
                       output->bound.key_count < PF_EXCHANGE_MAX_KEY_COLUMNS;
        if (!is_good) PF_FAIL(err, PF_INVALID, "FORMAT exchange: keys has '%.*s'", PF_STR_ARG(one));
        output->bound.key_columns[output->bound.key_count++] = (int)column;
    }
    return PF_OK;
}

static enum pf_code bind_writer(void *context, const struct pf_copy_bind *bind, struct pf_arena *arena, void **out_plan,
                                struct pf_error *err) {
    struct pf_exchange *exchange = context;
    pf_str name = PF_STR_EMPTY, names = PF_STR_EMPTY, keys = PF_STR_EMPTY;
    int64_t partitions = 1;
    PF_TRY(read_options(bind, &name, &partitions, &names, &keys, err));
    struct output *output = outputs_find(exchange, name);
    if (!output) PF_FAIL(err, PF_NOT_FOUND, "FORMAT exchange: output '%.*s' was not begun", PF_STR_ARG(name));
    size_t skip = partitions > 1 ? 1 : 0;
    if (bind->column_count <= skip) PF_FAIL(err, PF_INVALID, "FORMAT exchange: no columns to write");
    if (skip && bind->columns[0].type->id != PF_TYPE_USMALLINT)
        PF_FAIL(err, PF_INVALID, "FORMAT exchange: the partition number is %.*s, not USMALLINT",
                PF_STR_ARG(bind->columns[0].type->sql));
    struct plan *plan = PF_ARENA_NEW(arena, struct plan);
    size_t count = bind->column_count - skip;
    struct pf_column *columns = PF_ARENA_ARRAY(arena, struct pf_column, count);
    memcpy(columns, bind->columns + skip, count * sizeof *columns);
    name_columns(columns, count, names, arena);
    *plan = (struct plan){exchange, output, columns, (uint32_t)count, (uint32_t)partitions};
    PF_TRY(format_schema_print(columns, count, output->arena, &output->bound.schema, err));
    PF_TRY(bind_keys(output, keys, count, err));
    output->bound.partition_count = (int)partitions;
    output->bound.is_bound = true;
    *out_plan = plan;
    return PF_OK;
}

/* ---- back pressure ---- */

static void mark_block(struct sink *sink, const struct block_builder *block) {
    uint32_t count = sink->plan->column_count;
    if (!sink->marks) {
        size_t mark_count = 0;
        for (uint32_t i = 0; i < count; i++) mark_count += column_builder_count(&block->columns[i]);
        sink->marks = PF_ARENA_ARRAY(sink->arena, struct column_mark, mark_count);
    }
    struct column_mark *mark = sink->marks;
    for (uint32_t i = 0; i < count; i++) mark = column_builder_mark(&block->columns[i], mark);
}

static void take_back(struct sink *sink, struct block_builder *block) {
    const struct column_mark *mark = sink->marks;
    for (uint32_t i = 0; i < sink->plan->column_count; i++) mark = column_builder_take_back(&block->columns[i], mark);
}

/* ---- rows ---- */

static enum pf_code append_columns(struct sink *sink, struct block_builder *block, const struct pf_chunk *chunk,
                                   struct row_set set, struct pf_error *err) {
    uint32_t skip = sink->plan->partition_count > 1 ? 1 : 0;
    block->size_bytes = 0;
    for (uint32_t i = 0; i < sink->plan->column_count; i++) {
        PF_TRY(column_builder_append(sink->pool, &block->columns[i], &chunk->columns[i + skip], set, &sink->scratch, 0,
                                     err));
        block->size_bytes += column_builder_size(&block->columns[i]);
    }
    return PF_OK;
}

/* With a budget: first room by flushing what this sink has, then by waiting for what others have. */
static enum pf_code append_within_budget(struct sink *sink, struct block_builder *block, const struct pf_chunk *chunk,
                                         struct row_set set, struct pf_error *err) {
    struct pf_deadline deadline = pf_deadline_in(MAX_WAIT_MS);
    /* What flushing needs is there before it is needed. */
    if (!sink->out.capacity) PF_TRY(buffer_reserve(sink->pool, &sink->out, sink->block_bytes * 3 / 2, err));
    for (;;) {
        mark_block(sink, block);
        enum pf_code code = append_columns(sink, block, chunk, set, err);
        if (code != PF_NO_MEMORY) return code;
        take_back(sink, block);
        bool is_late = pf_deadline_left_ms(deadline) == 0;
        PF_TRY(sink_flush_all(sink, is_late ? NULL : err));
        if (is_late) return code;
        pf_clock_sleep_ms(1);
    }
}

static enum pf_code append_rows(struct sink *sink, uint32_t partition, const struct pf_chunk *chunk, struct row_set set,
                                struct pf_error *err) {
    struct block_builder *block = &sink->partitions[partition];
    uint32_t count = sink->plan->column_count;
    if (!block->columns) {
        block->columns = PF_ARENA_ARRAY(sink->arena, struct column_builder, count);
        for (uint32_t i = 0; i < count; i++)
            column_builder_prepare(&block->columns[i], sink->plan->columns[i].type, sink->arena);
    }
    PF_TRY(
        (sink->plan->exchange->options.budget ? append_within_budget : append_columns)(sink, block, chunk, set, err));
    block->row_count += set.count;
    if (block->size_bytes >= sink->block_bytes || block->row_count + 2048 > MAX_BLOCK_ROWS)
        return sink_flush_partition(sink, partition, err);
    return PF_OK;
}

/* Sorts row numbers by partition, stably: `order` holds those of touched[0], then those of touched[1] ... */
static enum pf_code sort_rows(struct sink *sink, const struct pf_chunk *chunk, uint32_t *out_touched,
                              struct pf_error *err) {
    const uint16_t *partitions = chunk->columns[0].data;
    uint32_t rows = (uint32_t)chunk->row_count, touched = 0;
    sink->order.len = 0;
    PF_TRY(buffer_reserve(sink->pool, &sink->order, rows * sizeof(uint32_t), err));
    for (uint32_t i = 0; i < rows; i++) {
        if (!pf_vec_is_valid(&chunk->columns[0], i) || partitions[i] >= sink->plan->partition_count) {
            while (touched > 0) sink->counts[sink->touched[--touched]] = 0;
            PF_FAIL(err, PF_BUG, "FORMAT exchange: partition number %d of %u",
                    pf_vec_is_valid(&chunk->columns[0], i) ? partitions[i] : -1, sink->plan->partition_count);
        }
        if (sink->counts[partitions[i]]++ == 0) sink->touched[touched++] = partitions[i];
    }
    for (uint32_t i = 0, at = 0; i < touched; i++) {
        sink->starts[sink->touched[i]] = at;
        at += sink->counts[sink->touched[i]];
    }
    uint32_t *order = (uint32_t *)(void *)sink->order.ptr;
    for (uint32_t i = 0; i < rows; i++) order[sink->starts[partitions[i]]++] = i;
    *out_touched = touched;
    return PF_OK;
}

static enum pf_code write_chunk(void *opaque, const struct pf_chunk *chunk, struct pf_error *err) {
    struct sink *sink = opaque;
    if (chunk->row_count == 0) return PF_OK;
    uint32_t skip = sink->plan->partition_count > 1 ? 1 : 0;
    for (size_t i = 0; i < sink->plan->output->bound.key_count; i++)
        key_summary_add(&sink->keys[i], &chunk->columns[(uint32_t)sink->keys[i].keys.column + skip], chunk->row_count);
    if (sink->plan->partition_count == 1)
        return append_rows(sink, 0, chunk, (struct row_set){NULL, chunk->row_count}, err);
    uint32_t touched;
    PF_TRY(sort_rows(sink, chunk, &touched, err));
    const uint32_t *rows = (const uint32_t *)(void *)sink->order.ptr;
    enum pf_code code = PF_OK;
    for (uint32_t i = 0; i < touched; i++) {
        uint32_t partition = sink->touched[i], count = sink->counts[partition];
        sink->counts[partition] = 0;
        if (code == PF_OK) code = append_rows(sink, partition, chunk, (struct row_set){rows, count}, err);
        rows += count;
    }
    return code;
}

/* ---- life of a sink ---- */

static enum pf_code open_writer(void *context, void *opaque, pf_str path, void **out_sink, struct pf_error *err) {
    (void)context, (void)path, (void)err;
    const struct plan *plan = opaque;
    struct pf_arena *arena = pf_arena_new(NULL, "exchange sink");
    struct sink *sink = PF_ARENA_NEW(arena, struct sink);
    sink->arena = arena;
    sink->plan = plan;
    sink->pool = plan->exchange->pool;
    sink->file.fd = -1;
    sink->partitions = PF_ARENA_ARRAY(arena, struct block_builder, plan->partition_count);
    sink->slices = PF_ARENA_ARRAY(arena, struct pf_exchange_slice, plan->partition_count);
    sink->kept = PF_ARENA_ARRAY(arena, struct buffer, plan->partition_count);
    sink->counts = PF_ARENA_ARRAY(arena, uint32_t, plan->partition_count);
    sink->starts = PF_ARENA_ARRAY(arena, uint32_t, plan->partition_count);
    sink->touched = PF_ARENA_ARRAY(arena, uint32_t, plan->partition_count);
    const struct output *output = plan->output;
    sink->keys = PF_ARENA_ARRAY(arena, struct key_summary, output->bound.key_count);
    for (size_t i = 0; i < output->bound.key_count; i++) {
        int column = output->bound.key_columns[i];
        key_summary_prepare(&sink->keys[i], column, plan->columns[column].type, arena);
    }
    /* Buffers are powers of two, so up to twice what is in them. */
    uint64_t share = (uint64_t)plan->exchange->options.memory_bytes / plan->partition_count / 2;
    /* Of a small object half is for blocks that are full, half for the last ones. */
    uint64_t most = (uint64_t)plan->exchange->options.small_max_bytes / 4;
    if (plan->exchange->options.small_only && share > most) share = most;
    sink->block_bytes = share < MIN_BLOCK_BYTES ? MIN_BLOCK_BYTES : share > MAX_BLOCK_BYTES ? MAX_BLOCK_BYTES : share;
    *out_sink = sink;
    return PF_OK;
}

static void abandon_sink(void *opaque) {
    struct sink *sink = opaque;
    if (sink->file.fd >= 0) object_file_remove(&sink->file);
    for (uint32_t p = 0; p < sink->plan->partition_count; p++) {
        for (uint32_t i = 0; sink->partitions[p].columns && i < sink->plan->column_count; i++)
            column_builder_clear(sink->pool, &sink->partitions[p].columns[i]);
        buffer_clear(sink->pool, &sink->kept[p]);
    }
    scratch_clear(sink->pool, &sink->scratch);
    buffer_clear(sink->pool, &sink->out);
    buffer_clear(sink->pool, &sink->order);
    pf_arena_free(sink->arena);
}

static enum pf_code finish_sink(void *opaque, struct pf_error *err) {
    struct sink *sink = opaque;
    enum pf_code code = sink_write_rest(sink, err);
    if (code == PF_OK) output_add_keys(sink->plan->output, sink->keys);
    abandon_sink(sink); /* a finished file is closed: it stays */
    return code;
}

enum pf_code register_writer(struct pf_exchange *exchange, struct pf_engine *engine, struct pf_error *err) {
    struct pf_copy_function function = {
        .name = "exchange",
        .context = exchange,
        .bind = bind_writer,
        .open = open_writer,
        .write = write_chunk,
        .finish = finish_sink,
        .abandon = abandon_sink,
    };
    return pf_engine_register_copy(engine, &function, err);
}
