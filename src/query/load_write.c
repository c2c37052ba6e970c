/* SPDX-License-Identifier: MIT */
/* DuckDB writes the Parquet files; what RETURN_STATS says of them becomes manifest entries. */
#include "query/load.h"

#include "base/clock.h"
#include "query/task.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ROW_GROUP_ROWS = 122880, PROGRESS_EVERY_MS = 100 };

/* ---- progress ---- */

struct watch {
    const struct load_write *write;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool is_over; /* under the mutex */
};

static void *report_progress(void *context) {
    struct watch *watch = context;
    const struct load_write *write = watch->write;
    pthread_mutex_lock(&watch->mutex);
    while (!watch->is_over) {
        int64_t until_ms = pf_clock_wall_ms() + PROGRESS_EVERY_MS;
        struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
        pthread_cond_timedwait(&watch->ended, &watch->mutex, &until);
        if (watch->is_over) break;
        double share = pf_session_progress(write->session);
        if (share < 0 || share > 1) continue;
        write->on_progress(write->context, share, (int64_t)(share * (double)write->expected_rows));
    }
    pthread_mutex_unlock(&watch->mutex);
    return NULL;
}

/* ---- RETURN_STATS ---- */

static pf_str text_at(const struct pf_vec *vec, uint64_t row, struct pf_arena *arena) {
    if (!pf_vec_is_valid(vec, row)) return PF_STR_EMPTY;
    return pf_arena_str(arena, pf_string_view(&((const union pf_string *)vec->data)[row]));
}

static int64_t number_at(const struct pf_vec *vec, uint64_t row) {
    return pf_vec_is_valid(vec, row) ? (int64_t)((const uint64_t *)vec->data)[row] : -1;
}

static int64_t number_of(pf_str text) {
    int64_t value = -1;
    return pf_str_to_i64(text, &value) ? value : -1;
}

/* One entry of MAP(VARCHAR, VARCHAR): "min", "null_count" ... */
static void take_fact(struct pf_stats_text *stats, pf_str name, pf_str value) {
    if (pf_str_equal(name, PF_STR("min"))) stats->min = value;
    if (pf_str_equal(name, PF_STR("max"))) stats->max = value;
    if (pf_str_equal(name, PF_STR("column_size_bytes"))) stats->size_bytes = number_of(value);
    if (pf_str_equal(name, PF_STR("num_values"))) stats->value_count = number_of(value);
    if (pf_str_equal(name, PF_STR("null_count"))) stats->null_count = number_of(value);
    if (pf_str_equal(name, PF_STR("has_nan"))) {
        stats->has_has_nan = true;
        stats->has_nan = pf_str_equal(value, PF_STR("true"));
    }
}

/* A row of MAP(VARCHAR, MAP(VARCHAR, VARCHAR)). */
static struct pf_stats_text *read_stats(const struct pf_vec *vec, uint64_t row, struct pf_arena *arena,
                                        size_t *out_count) {
    *out_count = 0;
    if (!pf_vec_is_valid(vec, row)) return NULL;
    struct pf_list_entry columns = ((const struct pf_list_entry *)vec->data)[row];
    const struct pf_vec *paths = &vec->children[0].children[0], *facts = &vec->children[0].children[1];
    const struct pf_vec *names = &facts->children[0].children[0], *values = &facts->children[0].children[1];
    struct pf_stats_text *all = PF_ARENA_ARRAY(arena, struct pf_stats_text, columns.length);
    for (uint64_t c = 0; c < columns.length; c++) {
        uint64_t at = columns.offset + c;
        struct pf_stats_text *stats = &all[c];
        *stats = (struct pf_stats_text){
            .path = text_at(paths, at, arena), .size_bytes = -1, .value_count = -1, .null_count = -1};
        struct pf_list_entry entry = ((const struct pf_list_entry *)facts->data)[at];
        for (uint64_t f = entry.offset; f < entry.offset + entry.length; f++) {
            /* An empty text is a value: its pointer tells it from none. */
            pf_str value = pf_vec_is_valid(values, f) ? text_at(values, f, arena) : PF_STR_EMPTY;
            take_fact(stats, text_at(names, f, arena), value);
        }
    }
    *out_count = columns.length;
    return all;
}

struct files {
    struct pf_data_file *items;
    size_t count, capacity;
};

enum { COLUMN_FILENAME, COLUMN_COUNT, COLUMN_SIZE, COLUMN_FOOTER, COLUMN_STATISTICS };

static enum pf_code take_files(const struct load_write *write, const struct pf_chunk *chunk, struct files *files,
                               struct pf_arena *arena, struct pf_error *err) {
    const struct pf_vec *columns = chunk->columns;
    if (chunk->column_count <= COLUMN_STATISTICS) PF_FAIL(err, PF_BUG, "COPY returned %u columns", chunk->column_count);
    for (uint64_t row = 0; row < chunk->row_count; row++) {
        int64_t rows = number_at(&columns[COLUMN_COUNT], row);
        if (rows == 0) continue;
        struct pf_data_file file = {
            .status = PF_ENTRY_ADDED,
            .path = text_at(&columns[COLUMN_FILENAME], row, arena),
            .format = PF_STR("PARQUET"),
            .spec_id = write->table->metadata->default_spec_id,
            .record_count = rows,
            .size_bytes = number_at(&columns[COLUMN_SIZE], row),
            .sort_order_id = -1,
            .content_offset = -1,
            .content_size_bytes = -1,
            .first_row_id = -1,
        };
        size_t count = 0;
        struct pf_stats_text *stats = read_stats(&columns[COLUMN_STATISTICS], row, arena, &count);
        PF_TRY(pf_data_file_set_stats(&file, write->table->metadata, stats, count, arena, err));
        PF_ARENA_PUSH(arena, files->items, files->count, files->capacity) = file;
    }
    return PF_OK;
}

/* ---- COPY ---- */

/* Binary values at the top level. */
static bool has_blobs(const struct pf_iceberg_schema *schema) {
    for (size_t i = 0; i < schema->field_count; i++) {
        enum pf_iceberg_kind kind = schema->fields[i].type->kind;
        if (kind == PF_ICEBERG_BINARY || kind == PF_ICEBERG_FIXED) return true;
    }
    return false;
}

/* Bloom filters serve `column = constant`. DuckDB 1.5 asks those of a BLOB for the constant's text, in which bytes beyond
 * ASCII are escaped, and skips row groups that have the value. Writing them is all columns or none. */
static const char *bloom_option(const struct load_write *write) {
    return has_blobs(write->table->schema) ? ", WRITE_BLOOM_FILTER false" : "";
}

static pf_str copy_sql(const struct load_write *write, struct pf_arena *arena) {
    pf_str directory = sql_quote_text(write->directory, arena);
    pf_str pattern = sql_quote_text(pf_arena_printf(arena, "%.*s-{i}", PF_STR_ARG(write->file_prefix)), arena);
    pf_str ids = pf_iceberg_field_ids_sql(write->table->schema, arena);
    /* One writer cuts the stream into files: each has a run of rows as they came, so bounds stay narrow. */
    return pf_arena_printf(arena,
                           "COPY (%.*s) TO %.*s (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %d, "
                           "FILE_SIZE_BYTES %lld, FILENAME_PATTERN %.*s, OVERWRITE_OR_IGNORE, FIELD_IDS %.*s, "
                           "RETURN_STATS%s)",
                           PF_STR_ARG(write->select_sql), PF_STR_ARG(directory), ROW_GROUP_ROWS,
                           (long long)write->file_size_bytes, PF_STR_ARG(pattern), PF_STR_ARG(ids),
                           bloom_option(write));
}

static enum pf_code run_copy(const struct load_write *write, struct pf_arena *arena, struct files *files,
                             struct pf_error *err) {
    struct pf_rows *rows;
    PF_TRY(pf_session_query(write->session, copy_sql(write, arena), &rows, err));
    enum pf_code code = PF_OK;
    for (const struct pf_chunk *chunk = NULL; code == PF_OK;) {
        code = pf_rows_next(rows, &chunk, err);
        if (code != PF_OK || !chunk) break;
        code = take_files(write, chunk, files, arena, err);
    }
    pf_rows_close(rows);
    return code;
}

enum pf_code load_write_files(const struct load_write *write, struct pf_arena *arena, struct pf_data_file **out_files,
                              size_t *out_count, struct pf_error *err) {
    struct files files = {0};
    struct watch watch = {.write = write};
    pthread_t watcher;
    pthread_mutex_init(&watch.mutex, NULL);
    pthread_cond_init(&watch.ended, NULL);
    bool is_watched = write->on_progress && pthread_create(&watcher, NULL, report_progress, &watch) == 0;
    enum pf_code code = run_copy(write, arena, &files, err);
    pthread_mutex_lock(&watch.mutex);
    watch.is_over = true;
    pthread_cond_signal(&watch.ended);
    pthread_mutex_unlock(&watch.mutex);
    if (is_watched) pthread_join(watcher, NULL);
    pthread_cond_destroy(&watch.ended);
    pthread_mutex_destroy(&watch.mutex);
    if (code != PF_OK) return code;
    *out_files = files.items;
    *out_count = files.count;
    return PF_OK;
}
