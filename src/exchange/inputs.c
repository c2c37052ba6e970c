/* SPDX-License-Identifier: MIT */
/* Inputs: bound by name, opened when a statement reads.
 *
 * Files are mapped once per input and stay mapped until it is unbound: strings that DuckDB sees point into them.
 * Of other objects each needs one range: small ones are fetched by the thread that needs them, many in one round trip,
 * those in the store by read_ahead.c. */
#include "exchange/inputs.h"

#include "exchange/read_ahead.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t SMALL_BATCH_BYTES = 4 << 20;

static struct input *input_free(struct input *input) {
    while (input->aheads) {
        struct read_ahead *next = read_ahead_next(input->aheads);
        read_ahead_release(input->aheads);
        input->aheads = next;
    }
    for (size_t i = 0; i < input->source_count; i++)
        if (input->sources[i].map) munmap(input->sources[i].map, input->sources[i].map_bytes);
    pthread_mutex_destroy(&input->mutex);
    pf_arena_free(input->arena);
    return NULL;
}

void inputs_free(struct pf_exchange *exchange) {
    while (exchange->locked.inputs) {
        struct input *next = exchange->locked.inputs->next;
        input_free(exchange->locked.inputs);
        exchange->locked.inputs = next;
    }
}

static struct input **find_locked(struct pf_exchange *exchange, pf_str name) {
    struct input **link = &exchange->locked.inputs;
    while (*link && !pf_str_equal((*link)->name, name)) link = &(*link)->next;
    return link;
}

struct input *inputs_find(struct pf_exchange *exchange, pf_str name) {
    pthread_mutex_lock(&exchange->locked.mutex);
    struct input *input = *find_locked(exchange, name);
    pthread_mutex_unlock(&exchange->locked.mutex);
    return input;
}

/* ---- bind ---- */

/* Same types in the same order; names may differ. */
static enum pf_code check_schema(pf_str schema, const struct input *input, struct pf_arena *arena,
                                 struct pf_error *err) {
    const struct pf_column *columns;
    size_t count;
    PF_TRY(format_schema_parse(schema, arena, &columns, &count, err));
    bool is_same = count == input->column_count;
    for (size_t i = 0; is_same && i < count; i++) is_same = pf_type_equal(columns[i].type, input->columns[i].type);
    if (!is_same)
        PF_FAIL(err, PF_INVALID, "exchange input '%.*s': outputs differ: %.*s and %.*s", PF_STR_ARG(input->name),
                PF_STR_ARG(pf_str_slice(input->schema, 0, 300)), PF_STR_ARG(pf_str_slice(schema, 0, 300)));
    return PF_OK;
}

static enum pf_code check_schemas(struct input *input, const struct pf_exchange_input *wanted, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "schemas");
    enum pf_code code = PF_OK;
    for (size_t i = 0; i < wanted->output_count && code == PF_OK; i++) {
        const struct pf_exchange_output *output = &wanted->outputs[i];
        if (!pf_str_equal(output->schema, input->schema)) code = check_schema(output->schema, input, arena, err);
    }
    pf_arena_free(arena);
    return code;
}

static void add_source(struct input *input, const struct pf_exchange_object *object, int partition_count) {
    struct source source = {0};
    int end = partition_count < input->first_partition + input->partition_count
                  ? partition_count
                  : input->first_partition + input->partition_count;
    for (int p = input->first_partition; p < end; p++) {
        const struct pf_exchange_slice *slice = &object->slices[p];
        if (!slice->rows) continue;
        if (!source.rows) source.offset = slice->offset;
        source.size_bytes = slice->offset + slice->size_bytes - source.offset;
        source.rows += slice->rows;
        input->size_bytes += (int64_t)slice->size_bytes;
    }
    if (!source.rows) return;
    struct pf_exchange_object *copy = PF_ARENA_NEW(input->arena, struct pf_exchange_object);
    *copy = *object;
    copy->key = pf_arena_str(input->arena, object->key);
    copy->slices = NULL;
    source.object = copy;
    input->sources[input->source_count++] = source;
    input->row_count += source.rows;
}

static enum pf_code fill_input(struct input *input, const struct pf_exchange_input *wanted, struct pf_error *err) {
    pf_str schema = wanted->output_count ? wanted->outputs[0].schema : wanted->schema;
    if (!schema.len) PF_FAIL(err, PF_INVALID, "exchange input '%.*s' has no schema", PF_STR_ARG(wanted->name));
    input->schema = pf_arena_str(input->arena, schema);
    PF_TRY(format_schema_parse(input->schema, input->arena, &input->columns, &input->column_count, err));
    PF_TRY(check_schemas(input, wanted, err));
    if (wanted->schema.len && !pf_str_equal(wanted->schema, input->schema)) { /* other names */
        PF_TRY(check_schema(wanted->schema, input, input->arena, err));
        PF_TRY(format_schema_parse(pf_arena_str(input->arena, wanted->schema), input->arena, &input->columns,
                                   &input->column_count, err));
    }
    size_t object_count = 0;
    for (size_t i = 0; i < wanted->output_count; i++) object_count += wanted->outputs[i].object_count;
    input->sources = PF_ARENA_ARRAY(input->arena, struct source, object_count);
    for (size_t i = 0; i < wanted->output_count; i++)
        for (size_t k = 0; k < wanted->outputs[i].object_count; k++)
            add_source(input, &wanted->outputs[i].objects[k], wanted->outputs[i].partition_count);
    return PF_OK;
}

enum pf_code pf_exchange_bind_input(struct pf_exchange *exchange, const struct pf_exchange_input *wanted,
                                    struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "exchange input");
    struct input *input = PF_ARENA_NEW(arena, struct input);
    input->arena = arena;
    input->exchange = exchange;
    input->name = pf_arena_str(arena, wanted->name);
    input->first_partition = wanted->first_partition > 0 ? wanted->first_partition : 0;
    input->partition_count = wanted->partition_count > 0 ? wanted->partition_count : PF_EXCHANGE_MAX_PARTITIONS;
    pthread_mutex_init(&input->mutex, NULL);
    enum pf_code code = fill_input(input, wanted, err);
    if (code != PF_OK) {
        input_free(input);
        return code;
    }
    pthread_mutex_lock(&exchange->locked.mutex);
    bool is_taken = *find_locked(exchange, wanted->name) != NULL;
    if (!is_taken) {
        input->next = exchange->locked.inputs;
        exchange->locked.inputs = input;
    }
    pthread_mutex_unlock(&exchange->locked.mutex);
    if (!is_taken) return PF_OK;
    input_free(input);
    PF_FAIL(err, PF_BUG, "exchange input '%.*s' is bound twice", PF_STR_ARG(wanted->name));
}

void pf_exchange_unbind_input(struct pf_exchange *exchange, pf_str name) {
    pthread_mutex_lock(&exchange->locked.mutex);
    struct input **link = find_locked(exchange, name), *input = *link;
    if (input) *link = input->next;
    pthread_mutex_unlock(&exchange->locked.mutex);
    if (input) input_free(input);
}

/* ---- files ---- */

static enum pf_code map_file(const struct input *input, struct source *source, pf_str path, struct pf_error *err) {
    int fd = open(path.ptr, O_RDONLY | O_CLOEXEC);
    if (fd < 0) PF_FAIL_ERRNO(err, errno, "exchange object '%.*s'", PF_STR_ARG(path));
    struct stat state;
    char *map = MAP_FAILED;
    enum pf_code code = PF_OK;
    if (fstat(fd, &state) != 0)
        code = pf_error_set_errno(err, errno, __FILE__, __LINE__, "exchange object '%.*s'", PF_STR_ARG(path));
    else if (state.st_size != source->object->size_bytes)
        code = pf_error_set(err, PF_CORRUPT, __FILE__, __LINE__, "exchange object '%.*s': %lld bytes instead of %lld",
                            PF_STR_ARG(path), (long long)state.st_size, (long long)source->object->size_bytes);
    else {
        map = mmap(NULL, (size_t)state.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
            code = pf_error_set_errno(err, errno, __FILE__, __LINE__, "map exchange object '%.*s'", PF_STR_ARG(path));
    }
    close(fd);
    if (code != PF_OK) return code;
    (void)input;
    source->map = map;
    source->map_bytes = (size_t)state.st_size;
    return PF_OK;
}

/* Maps the file and finds the wanted blocks; they lie side by side in the index. */
static enum pf_code open_file_locked(struct input *input, struct source *source, struct pf_error *err) {
    pf_str path = object_path(input->exchange, source->object->key, input->arena), schema;
    PF_TRY(map_file(input, source, path, err));
    struct format_source origin = {.name = path};
    const struct format_entry *entries;
    size_t count;
    int partitions;
    PF_TRY(format_read_object(&origin, pf_str_from(source->map, source->map_bytes), input->arena, &schema, &partitions,
                              &entries, &count, err));
    if (!pf_str_equal(schema, input->schema)) {
        struct pf_arena *arena = pf_arena_new(NULL, "schema");
        enum pf_code code = check_schema(schema, input, arena, err);
        pf_arena_free(arena);
        if (code != PF_OK) return pf_error_wrap(err, PF_CORRUPT, "exchange object '%.*s'", PF_STR_ARG(path));
    }
    size_t first = 0;
    int64_t rows = 0;
    while (first < count && (int)entries[first].partition < input->first_partition) first++;
    size_t end = first;
    for (; end < count && (int)entries[end].partition - input->first_partition < input->partition_count; end++)
        rows += entries[end].row_count;
    if (rows != source->rows)
        PF_FAIL(err, PF_CORRUPT, "exchange object '%.*s': %lld rows instead of %lld", PF_STR_ARG(path), (long long)rows,
                (long long)source->rows);
    source->entries = entries + first;
    source->entry_count = end - first;
    return PF_OK;
}

/* ---- portions ---- */

void pf_exchange_add_reads(struct pf_exchange *exchange, pf_str name, struct pf_exchange_reads *sum) {
    const struct input *input = inputs_find(exchange, name);
    for (int medium = 0; input && medium < PF_MEDIUM_COUNT; medium++) {
        sum->ranges[medium] += atomic_load(&input->ranges[medium]);
        sum->bytes[medium] += atomic_load(&input->bytes[medium]);
    }
}

static void count_read(struct input *input, const struct portion *portion) {
    enum pf_medium medium = portion->source->object->medium;
    if (medium != PF_MEDIUM_DIRECTORY) atomic_fetch_add(&input->ranges[medium], 1);
    atomic_fetch_add(&input->bytes[medium], (long long)portion->bytes.len);
    atomic_fetch_add(&input->exchange->read_bytes, (long long)portion->bytes.len);
}

/* Of small ones: as many as one round trip is for. */
struct small_batch {
    const struct source *sources[MAX_PORTIONS];
    size_t count;
};

static void take_small_locked(struct scan_queue *queue, struct small_batch *batch) {
    struct input *input = queue->input;
    uint64_t size_bytes = 0;
    for (; queue->locked.source < input->source_count && batch->count < MAX_PORTIONS; queue->locked.source++) {
        const struct source *source = &input->sources[queue->locked.source];
        if (source->object->medium == PF_MEDIUM_STORE) continue; /* read ahead */
        if (source->object->medium != PF_MEDIUM_SMALL) return;
        if (batch->count && size_bytes + source->size_bytes > SMALL_BATCH_BYTES) return;
        size_bytes += source->size_bytes;
        batch->sources[batch->count++] = source;
    }
}

static enum pf_code fetch_small(struct input *input, const struct small_batch *batch, struct portion *portions,
                                struct pf_error *err) {
    const struct pf_exchange_io *io = &input->exchange->options.small;
    struct pf_exchange_read reads[MAX_PORTIONS];
    struct pf_exchange_watch watch = {0};
    enum pf_code code = PF_OK;
    if (!io->get) PF_FAIL(err, PF_BUG, "exchange input '%.*s': nothing to fetch it with", PF_STR_ARG(input->name));
    for (size_t i = 0; i < batch->count; i++) {
        const struct source *source = batch->sources[i];
        portions[i] = (struct portion){.source = source, .offset = source->offset};
        if (code == PF_OK) code = buffer_reserve(input->exchange->pool, &portions[i].buffer, source->size_bytes, err);
        portions[i].bytes = pf_str_from(portions[i].buffer.ptr, source->size_bytes);
        reads[i] =
            (struct pf_exchange_read){source->object->key, source->offset, source->size_bytes, portions[i].buffer.ptr};
    }
    if (code == PF_OK) code = io->get(io->context, reads, batch->count, &watch, err);
    for (size_t i = 0; code != PF_OK && i < batch->count; i++) buffer_clear(input->exchange->pool, &portions[i].buffer);
    return code;
}

/* A file's next block in `portion`, or small objects to be fetched; neither: what is left is read ahead. */
static enum pf_code next_locked(struct scan_queue *queue, struct portion *portion, struct small_batch *batch,
                                struct pf_error *err) {
    struct input *input = queue->input;
    for (;;) {
        take_small_locked(queue, batch);
        if (batch->count || queue->locked.source == input->source_count) return PF_OK;
        struct source *source = &input->sources[queue->locked.source];
        if (!source->map) {
            PF_TRY(open_file_locked(input, source, err));
            atomic_fetch_add(&input->ranges[PF_MEDIUM_DIRECTORY], 1);
        }
        if (queue->locked.entry < source->entry_count) {
            const struct format_entry *entry = &source->entries[queue->locked.entry++];
            pf_str bytes = pf_str_from(source->map + entry->offset, entry->size_bytes);
            *portion = (struct portion){.source = source, .bytes = bytes, .offset = entry->offset};
            return PF_OK;
        }
        queue->locked.source++;
        queue->locked.entry = 0;
    }
}

/* The store is slow: it is asked before anything else is read. */
static enum pf_code begin_locked(struct scan_queue *queue, struct pf_error *err) {
    const struct input *input = queue->input;
    if (queue->locked.has_begun) return PF_OK;
    queue->locked.has_begun = true;
    for (size_t i = 0; i < input->source_count; i++) {
        if (input->sources[i].object->medium != PF_MEDIUM_STORE) continue;
        if (!input->exchange->options.store.get) {
            PF_FAIL(err, PF_BUG, "exchange object '%.*s': nothing to fetch it with",
                    PF_STR_ARG(input->sources[i].object->key));
        }
        return read_ahead_start(queue->input, &queue->locked.ahead, err);
    }
    return PF_OK;
}

void scan_queue_clear(struct scan_queue *queue) {
    queue->locked.ahead = read_ahead_release(queue->locked.ahead);
}

enum pf_code scan_queue_next(struct scan_queue *queue, struct portion *out_portions, size_t *out_count,
                             struct pf_error *err) {
    struct small_batch batch = {.count = 0};
    size_t count = 0;
    struct input *input = queue->input;
    out_portions[0] = (struct portion){0};
    pthread_mutex_lock(&input->mutex);
    enum pf_code code = begin_locked(queue, err);
    if (code == PF_OK) code = next_locked(queue, &out_portions[0], &batch, err);
    struct read_ahead *ahead = queue->locked.ahead;
    pthread_mutex_unlock(&input->mutex);
    PF_TRY(code);
    if (batch.count) {
        PF_TRY(fetch_small(input, &batch, out_portions, err));
        count = batch.count;
    } else if (!out_portions[0].source && ahead) {
        PF_TRY(read_ahead_take(ahead, &out_portions[0], err));
    }
    if (!count && out_portions[0].source) count = 1;
    for (size_t i = 0; i < count; i++) count_read(input, &out_portions[i]);
    *out_count = count;
    return PF_OK;
}
