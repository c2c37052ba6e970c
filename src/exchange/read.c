/* SPDX-License-Identifier: MIT */
/* The reader: exchange_read('name').
 *
 *   portion (a block of a mapped file, or all blocks of a fetched object) -> block -> views of the wanted columns
 *     -> DuckDB's vectors, filled from as many blocks as fit
 *
 * Fixed-width values are copied, strings point into the block. So a block's memory stays until DuckDB is done with
 * the chunk: mapped files until the input is unbound, fetched and decompressed bytes until the chunk after the next
 * is asked for. */
#include "exchange/inputs.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* Memory to let go later. */
struct held {
    struct held *next;
    struct buffer buffer;
};

struct scan {
    struct pf_arena *arena;
    struct scan_queue *queue;
    struct pool *pool; /* the queue may be gone when the scan is closed: DuckDB's threads do that in their own time */
    struct format_view *views;   /* one a projected column */
    struct format_view **wanted; /* one a column; NULL: not asked for */
    size_t projection_count;
    struct portion portions[MAX_PORTIONS]; /* from `portion_first` on */
    size_t portion_first, portion_count, portion_at;
    ZSTD_DCtx *zstd;             /* NULL until it is needed */
    uint64_t block_rows, row_at; /* of the block at hand */
    struct buffer raw;           /* it, if it was compressed */
    struct held *current, *previous, *spare;
};

/* ---- bind, open, close ---- */

static enum pf_code bind_reader(void *context, const pf_str *parameters, struct pf_arena *arena,
                                struct pf_scan_bind *out_bind, void **out_plan, struct pf_error *err) {
    struct input *input = inputs_find(context, parameters[0]);
    if (!input) PF_FAIL(err, PF_NOT_FOUND, "exchange_read: no input '%.*s'", PF_STR_ARG(parameters[0]));
    (void)arena;
    /* About a block of a megabyte each; objects that are fetched wait for the network. */
    int64_t threads = input->size_bytes / (1 << 20) + 1;
    if (threads < (int64_t)input->source_count) threads = (int64_t)input->source_count;
    *out_bind = (struct pf_scan_bind){
        .columns = input->columns,
        .column_count = input->column_count,
        .row_count = input->row_count,
        .max_threads = threads > 64 ? 64 : (int)threads,
    };
    *out_plan = input;
    return PF_OK;
}

static enum pf_code start_run(void *context, void *plan, void **out_run, struct pf_error *err) {
    (void)context;
    struct scan_queue *queue = calloc(1, sizeof *queue);
    if (!queue) PF_FAIL(err, PF_NO_MEMORY, "start an exchange scan");
    queue->input = plan;
    *out_run = queue;
    return PF_OK;
}

static void stop_run(void *run) {
    scan_queue_clear(run);
    free(run);
}

static enum pf_code open_reader(void *context, void *run, const uint32_t *projection, size_t projection_count,
                                void **out_scan, struct pf_error *err) {
    (void)context, (void)err;
    struct scan_queue *queue = run;
    struct pf_arena *arena = pf_arena_new(NULL, "exchange scan");
    struct scan *scan = PF_ARENA_NEW(arena, struct scan);
    scan->arena = arena;
    scan->queue = queue;
    scan->pool = queue->input->exchange->pool;
    scan->projection_count = projection_count;
    scan->views = PF_ARENA_ARRAY(arena, struct format_view, projection_count);
    scan->wanted = PF_ARENA_ARRAY(arena, struct format_view *, queue->input->column_count);
    for (size_t i = 0; i < projection_count; i++) {
        format_view_prepare(&scan->views[i], queue->input->columns[projection[i]].type, arena);
        scan->wanted[projection[i]] = &scan->views[i];
    }
    *out_scan = scan;
    return PF_OK;
}

static struct held *let_go(struct scan *scan, struct held *list) {
    while (list) {
        struct held *next = list->next;
        buffer_clear(scan->pool, &list->buffer);
        list->next = scan->spare;
        scan->spare = list;
        list = next;
    }
    return NULL;
}

/* Nothing more is read from the buffer, but vectors that were filled may point into it. */
static void hold(struct scan *scan, struct buffer *buffer) {
    if (!buffer->ptr) return;
    struct held *held = scan->spare;
    if (held)
        scan->spare = held->next;
    else
        held = PF_ARENA_NEW(scan->arena, struct held);
    *held = (struct held){scan->current, *buffer};
    scan->current = held;
    *buffer = (struct buffer){0};
}

static void close_reader(void *opaque) {
    struct scan *scan = opaque;
    let_go(scan, scan->previous);
    let_go(scan, scan->current);
    for (size_t i = scan->portion_first; i < scan->portion_count; i++)
        buffer_clear(scan->pool, &scan->portions[i].buffer);
    buffer_clear(scan->pool, &scan->raw);
    ZSTD_freeDCtx(scan->zstd);
    pf_arena_free(scan->arena);
}

/* ---- blocks ---- */

static enum pf_code decompress(struct scan *scan, const struct format_source *source, const struct format_block *block,
                               pf_str stored, pf_str *out_raw, struct pf_error *err) {
    if (block->raw_bytes > LZ4_MAX_INPUT_SIZE || stored.len > INT32_MAX)
        PF_FAIL(err, PF_CORRUPT, "exchange object '%.*s' at byte %llu: a compressed block of %llu bytes",
                PF_STR_ARG(source->name), (unsigned long long)source->offset, (unsigned long long)block->raw_bytes);
    PF_TRY(buffer_reserve(scan->pool, &scan->raw, block->raw_bytes + 1, err));
    uint64_t size;
    if (block->flags == FORMAT_BLOCK_IS_LZ4) {
        size = (uint64_t)LZ4_decompress_safe(stored.ptr, scan->raw.ptr, (int)stored.len, (int)block->raw_bytes);
    } else {
        if (!scan->zstd) scan->zstd = ZSTD_createDCtx();
        if (!scan->zstd) PF_FAIL(err, PF_NO_MEMORY, "start decompressing with zstd");
        size = ZSTD_decompressDCtx(scan->zstd, scan->raw.ptr, block->raw_bytes, stored.ptr, stored.len);
    }
    if (size != block->raw_bytes) /* errors of both are huge numbers */
        PF_FAIL(err, PF_CORRUPT, "exchange object '%.*s' at byte %llu: the block can't be decompressed",
                PF_STR_ARG(source->name), (unsigned long long)source->offset);
    *out_raw = pf_str_from(scan->raw.ptr, block->raw_bytes);
    return PF_OK;
}

static enum pf_code open_block(struct scan *scan, struct pf_error *err) {
    const struct input *input = scan->queue->input;
    const struct portion *portion = &scan->portions[scan->portion_first];
    struct format_source source = {portion->source->object->key, portion->offset + scan->portion_at, false};
    struct format_block block;
    pf_str stored, raw;
    uint64_t size_bytes;
    pf_str rest = pf_str_slice(portion->bytes, scan->portion_at, portion->bytes.len);
    PF_TRY(format_read_block(&source, rest, &block, &stored, &size_bytes, err));
    int partition = (int)block.partition - input->first_partition;
    if (partition < 0 || partition >= input->partition_count || block.column_count != input->column_count)
        PF_FAIL(err, PF_CORRUPT, "exchange object '%.*s' at byte %llu: a block of partition %u with %u columns",
                PF_STR_ARG(source.name), (unsigned long long)source.offset, block.partition, block.column_count);
    raw = stored;
    if (block.flags) PF_TRY(decompress(scan, &source, &block, stored, &raw, err));
    source.offset += sizeof block;
    PF_TRY(format_read_columns(&source, raw, block.row_count, scan->wanted, input->column_count, err));
    scan->portion_at += size_bytes;
    scan->block_rows = block.row_count;
    scan->row_at = 0;
    return PF_OK;
}

/* What vectors may still point into is held, and the next portion is at hand; none at the end. */
static enum pf_code next_portion(struct scan *scan, struct pf_error *err) {
    struct portion *done = &scan->portions[scan->portion_first];
    if (scan->portion_first < scan->portion_count) {
        hold(scan, &done->buffer);
        scan->portion_first++;
    }
    scan->portion_at = 0;
    if (scan->portion_first < scan->portion_count) return PF_OK;
    scan->portion_first = scan->portion_count = 0;
    return scan_queue_next(scan->queue, scan->portions, &scan->portion_count, err);
}

/* False at the end. */
static enum pf_code next_block(struct scan *scan, bool *out_has_block, struct pf_error *err) {
    *out_has_block = false;
    do {
        hold(scan, &scan->raw);
        bool has_portion = scan->portion_first < scan->portion_count;
        if (!has_portion || scan->portion_at >= scan->portions[scan->portion_first].bytes.len) {
            PF_TRY(next_portion(scan, err));
            if (!scan->portion_count) return PF_OK;
        }
        PF_TRY(open_block(scan, err));
    } while (scan->block_rows == 0);
    *out_has_block = true;
    return PF_OK;
}

/* ---- rows ---- */

struct span {
    uint64_t from, count; /* rows of the view */
    uint64_t to;          /* first row in the vector */
};

static void copy_validity(const struct format_view *view, struct span span, struct pf_out_vec *out) {
    uint64_t *bits = pf_out_vec_validity(out);
    for (uint64_t i = 0; i < span.count; i++) {
        uint64_t from = span.from + i, to = span.to + i;
        bool is_valid = view->type->id != PF_TYPE_SQLNULL && view->validity[from >> 6] >> (from & 63) & 1;
        if (!is_valid) bits[to >> 6] &= ~((uint64_t)1 << (to & 63));
    }
}

static void copy_strings(struct format_view *view, struct span span, struct pf_out_vec *out) {
    union pf_string *to = (union pf_string *)out->data + span.to;
    const uint32_t *lengths = view->lengths + span.from;
    const char *heap = view->heap + view->at;
    for (uint64_t i = 0; i < span.count; i++) {
        uint32_t length = lengths[i];
        if (length <= sizeof to->small.inlined) {
            memset(&to[i], 0, sizeof to[i]);
            to[i].small.length = length;
            memcpy(to[i].small.inlined, heap, length);
        } else {
            to[i].large.length = length;
            memcpy(to[i].large.prefix, heap, sizeof to->large.prefix);
            to[i].large.ptr = (char *)(uintptr_t)heap;
        }
        heap += length;
    }
    view->at = (uint64_t)(heap - view->heap);
}

static enum pf_code copy_rows(struct format_view *view, struct span span, struct pf_out_vec *out, struct pf_error *err);

static enum pf_code copy_lists(struct format_view *view, struct span span, struct pf_out_vec *out,
                               struct pf_error *err) {
    struct pf_list_entry *to = (struct pf_list_entry *)out->data + span.to;
    uint64_t end = view->filled;
    for (uint64_t i = 0; i < span.count; i++) {
        to[i] = (struct pf_list_entry){end, view->lengths[span.from + i]};
        end += to[i].length;
    }
    struct span elements = {view->at, end - view->filled, view->filled};
    view->at += elements.count;
    view->filled = end;
    PF_TRY(pf_out_vec_resize_list(out, end, err));
    return copy_rows(&view->children[0], elements, &out->children[0], err);
}

static enum pf_code copy_rows(struct format_view *view, struct span span, struct pf_out_vec *out,
                              struct pf_error *err) {
    const struct pf_type *type = view->type;
    if (span.count == 0) return PF_OK;
    if (view->validity || type->id == PF_TYPE_SQLNULL) copy_validity(view, span, out);
    switch (format_layout_of(type)) {
    case LAYOUT_NONE: return PF_OK;
    case LAYOUT_FIXED:
        memcpy((char *)out->data + span.to * type->value_bytes, view->values + span.from * type->value_bytes,
               span.count * type->value_bytes);
        return PF_OK;
    case LAYOUT_STRING: copy_strings(view, span, out); return PF_OK;
    case LAYOUT_LIST: return copy_lists(view, span, out, err);
    case LAYOUT_ARRAY: {
        uint64_t length = type->value_count;
        struct span elements = {span.from * length, span.count * length, span.to * length};
        return copy_rows(&view->children[0], elements, &out->children[0], err);
    }
    case LAYOUT_GROUP:
        for (uint32_t i = 0; i < view->child_count; i++)
            PF_TRY(copy_rows(&view->children[i], span, &out->children[i], err));
        return PF_OK;
    }
    return PF_OK;
}

static void forget_filled(struct format_view *view) {
    view->filled = 0;
    for (uint32_t i = 0; i < view->child_count; i++) forget_filled(&view->children[i]);
}

static enum pf_code read_rows(void *opaque, struct pf_scan_out *out, struct pf_error *err) {
    struct scan *scan = opaque;
    scan->previous = let_go(scan, scan->previous);
    scan->previous = scan->current;
    scan->current = NULL;
    for (size_t i = 0; i < scan->projection_count; i++) forget_filled(&scan->views[i]);
    while (out->row_count < out->capacity) {
        if (scan->row_at == scan->block_rows) {
            bool has_block;
            PF_TRY(next_block(scan, &has_block, err));
            if (!has_block) return PF_OK;
        }
        uint64_t room = out->capacity - out->row_count, left = scan->block_rows - scan->row_at;
        struct span span = {scan->row_at, left < room ? left : room, out->row_count};
        for (size_t i = 0; i < scan->projection_count; i++)
            PF_TRY(copy_rows(&scan->views[i], span, &out->columns[i], err));
        scan->row_at += span.count;
        out->row_count += span.count;
    }
    return PF_OK;
}

enum pf_code register_reader(struct pf_exchange *exchange, struct pf_engine *engine, struct pf_error *err) {
    struct pf_table_function function = {
        .name = "exchange_read",
        .parameter_count = 1,
        .context = exchange,
        .bind = bind_reader,
        .open = open_reader,
        .read = read_rows,
        .close = close_reader,
        .start = start_run,
        .stop = stop_run,
    };
    return pf_engine_register_scan(engine, &function, err);
}
