/* SPDX-License-Identifier: MIT */
/* The parameter is JSON, one array a file: ["<path as the table has it>", delete, ...], where a delete is
 * ["p", path] (a position delete file) or ["v", path, offset, size, rows] (a deletion vector).
 *
 * Sets of rows are kept by parameter, the least recently used go first. They are made under the mutex: the threads of a
 * statement all want the same one. */
#include "query/deleted_rows.h"

#include "base/json.h"
#include "engine/engine.h"
#include "iceberg/iceberg.h"

#include <pthread.h>
#include <stdlib.h>

enum { MAX_ENTRIES = 64, MAX_PARAMETER_BYTES = 48 << 20, MAX_POSITIONS = 256 << 20 };
static const size_t MAX_KEPT_BYTES = (size_t)256 << 20;

struct entry {
    struct entry *next; /* used longer ago */
    struct pf_arena *arena;
    pf_str parameter;
    const struct pf_deleted_rows **files; /* by file_index; NULL: nothing is deleted */
    size_t file_count;
    int users;
    bool is_listed;
};

struct deleted_rows {
    pthread_mutex_t mutex;
    struct entry *first;
};

/* One thread of one statement. */
struct filter {
    struct deleted_rows *owner;
    struct entry *entry;
    size_t hint;
};

/* ---- the parameter ---- */

void deleted_rows_put_parameter(struct pf_buf *out, const struct deleted_rows_file *files, size_t count) {
    struct pf_json_out json;
    pf_json_begin(&json, out);
    pf_json_open_array(&json);
    for (size_t i = 0; i < count; i++) {
        const struct task_split *split = files[i].split;
        pf_json_open_array(&json);
        pf_json_put_str(&json, split->data_path);
        for (size_t k = 0; k < split->delete_count; k++) {
            const struct task_delete *delete = &files[i].deletes[split->deletes[k]];
            if (delete->kind == TASK_DELETE_EQUALITY) continue;
            pf_json_open_array(&json);
            pf_json_put_str(&json, delete->kind == TASK_DELETE_VECTOR ? PF_STR("v") : PF_STR("p"));
            pf_json_put_str(&json, delete->path);
            if (delete->kind == TASK_DELETE_VECTOR) {
                pf_json_put_i64(&json, delete->offset);
                pf_json_put_i64(&json, delete->size_bytes);
                pf_json_put_i64(&json, delete->row_count);
            }
            pf_json_close_array(&json);
        }
        pf_json_close_array(&json);
    }
    pf_json_close_array(&json);
}

/* ---- loading ---- */

struct positions {
    int64_t *items;
    size_t count, capacity;
};

struct loading {
    struct pf_arena *arena, *scratch;
    struct pf_filter_io *io;
    struct entry *entry;
    pf_str *data_paths;          /* by file */
    struct positions *positions; /* by file */
    /* position delete files, each once, and the pairs (delete file, data file) that apply */
    pf_str *paths;
    size_t path_count, path_capacity;
    struct pair {
        pf_str data_path;
        uint64_t path_number;
        size_t file;
    } * pairs;
    size_t pair_count, pair_capacity;
    size_t total;
};

static enum pf_code load_vector(struct loading *loading, size_t file, pf_json *delete, struct pf_error *err) {
    int64_t numbers[3] = {-1, -1, -1};
    pf_str path = PF_STR_EMPTY, blob;
    for (struct pf_json_each each = pf_json_each(delete); pf_json_next(&each);) {
        if (each.index == 1) path = pf_json_as_str(each.value, PF_STR_EMPTY);
        if (each.index >= 2 && each.index < 5) numbers[each.index - 2] = pf_json_as_i64(each.value, -1);
    }
    if (numbers[0] < 0 || numbers[1] < 0 || numbers[1] > MAX_POSITIONS) {
        PF_FAIL(err, PF_INVALID, "deletion vector in '%.*s': place %lld, %lld bytes", PF_STR_ARG(path),
                (long long)numbers[0], (long long)numbers[1]);
    }
    struct pf_deleted_rows *rows;
    enum pf_code code =
        pf_filter_io_read(loading->io, path, numbers[0], (size_t)numbers[1], loading->arena, &blob, err);
    if (code == PF_OK) code = pf_deletion_vector_read(blob, loading->arena, &rows, err);
    if (code == PF_OK && numbers[2] >= 0 && pf_deleted_rows_count(rows) != numbers[2]) {
        code = pf_error_set(err, PF_CORRUPT, __FILE__, __LINE__, "it deletes %lld rows, the table says %lld",
                            (long long)pf_deleted_rows_count(rows), (long long)numbers[2]);
    }
    if (code != PF_OK) {
        return pf_error_wrap(err, code, "deletion vector of '%.*s' in '%.*s'", PF_STR_ARG(loading->data_paths[file]),
                             PF_STR_ARG(path));
    }
    loading->entry->files[file] = rows;
    return PF_OK;
}

static void want_positions(struct loading *loading, size_t file, pf_json *delete) {
    pf_str path = PF_STR_EMPTY;
    for (struct pf_json_each each = pf_json_each(delete); pf_json_next(&each);) {
        if (each.index == 1) path = pf_json_as_str(each.value, PF_STR_EMPTY);
    }
    size_t number = 0;
    while (number < loading->path_count && !pf_str_equal(loading->paths[number], path)) number++;
    if (number == loading->path_count) {
        PF_ARENA_PUSH(loading->scratch, loading->paths, loading->path_count, loading->path_capacity) = path;
    }
    PF_ARENA_PUSH(loading->scratch, loading->pairs, loading->pair_count, loading->pair_capacity) =
        (struct pair){loading->data_paths[file], number, file};
}

static int compare_pairs(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    if (x->path_number != y->path_number) return x->path_number < y->path_number ? -1 : 1;
    return pf_str_compare(x->data_path, y->data_path);
}

static enum pf_code take_position(struct loading *loading, uint64_t path_number, pf_str data_path, int64_t position,
                                  const struct pair **last, struct pf_error *err) {
    struct pair wanted = {data_path, path_number, 0};
    if (!*last || compare_pairs(*last, &wanted) != 0) {
        *last = bsearch(&wanted, loading->pairs, loading->pair_count, sizeof wanted, compare_pairs);
    }
    if (!*last) return PF_OK; /* of another data file */
    if (++loading->total > MAX_POSITIONS) {
        PF_FAIL(err, PF_TOO_LARGE, "more than %d deleted rows at once: compact the table", MAX_POSITIONS);
    }
    struct positions *positions = &loading->positions[(*last)->file];
    PF_ARENA_PUSH(loading->scratch, positions->items, positions->count, positions->capacity) = position;
    return PF_OK;
}

static pf_str positions_sql(const struct loading *loading) {
    struct pf_buf sql;
    pf_buf_init(&sql, MAX_PARAMETER_BYTES);
    pf_buf_put_cstr(&sql, "SELECT CAST(file_index AS BIGINT), CAST(file_path AS VARCHAR), CAST(pos AS BIGINT) FROM "
                          "read_parquet([");
    for (size_t i = 0; i < loading->path_count; i++) {
        if (i) pf_buf_put_char(&sql, ',');
        pf_buf_put_str(&sql, pf_sql_quote_text(loading->paths[i], loading->scratch));
    }
    pf_buf_put_cstr(&sql, "], hive_partitioning=false)");
    if (loading->entry->file_count == 1) {
        pf_buf_printf(&sql, " WHERE file_path = %s", pf_sql_quote_text(loading->data_paths[0], loading->scratch).ptr);
    }
    pf_str text = sql.failed ? PF_STR_EMPTY : pf_arena_str(loading->scratch, pf_buf_view(&sql));
    pf_buf_clear(&sql);
    return text;
}

static enum pf_code read_positions(struct loading *loading, struct pf_session *session, struct pf_error *err) {
    struct pf_rows *rows = NULL;
    const struct pf_chunk *chunk = NULL;
    const struct pair *last = NULL;
    PF_TRY(pf_session_query(session, positions_sql(loading), &rows, err));
    enum pf_code code = pf_rows_next(rows, &chunk, err);
    while (code == PF_OK && chunk) {
        for (uint64_t i = 0; i < chunk->row_count && code == PF_OK; i++) {
            bool is_valid = pf_vec_is_valid(&chunk->columns[1], i) && pf_vec_is_valid(&chunk->columns[2], i);
            if (!is_valid) continue;
            pf_str path = pf_string_view((const union pf_string *)chunk->columns[1].data + i);
            code = take_position(loading, (uint64_t)((const int64_t *)chunk->columns[0].data)[i], path,
                                 ((const int64_t *)chunk->columns[2].data)[i], &last, err);
        }
        if (code == PF_OK) code = pf_rows_next(rows, &chunk, err);
    }
    pf_rows_close(rows);
    return code;
}

static enum pf_code load_positions(struct loading *loading, struct pf_error *err) {
    struct pf_session *session;
    if (!loading->path_count) return PF_OK;
    qsort(loading->pairs, loading->pair_count, sizeof *loading->pairs, compare_pairs);
    PF_TRY(pf_session_open(pf_filter_io_engine(loading->io), &session, err));
    enum pf_code code = read_positions(loading, session, err);
    pf_session_close(session);
    if (code != PF_OK) return pf_error_wrap(err, code, "position delete file '%.*s'", PF_STR_ARG(loading->paths[0]));
    for (size_t i = 0; i < loading->entry->file_count; i++) {
        struct positions *positions = &loading->positions[i];
        if (!positions->count) continue;
        loading->entry->files[i] = pf_deleted_rows_from(positions->items, positions->count, loading->arena);
    }
    return PF_OK;
}

static enum pf_code load_all(struct loading *loading, struct pf_error *err) {
    struct entry *entry = loading->entry;
    pf_json *root;
    PF_TRY(pf_json_parse(entry->parameter, loading->scratch, "parameter of lake_row_is_live", &root, err));
    entry->file_count = pf_json_count(root);
    entry->files = PF_ARENA_ARRAY(loading->arena, const struct pf_deleted_rows *, entry->file_count);
    loading->data_paths = PF_ARENA_ARRAY(loading->scratch, pf_str, entry->file_count);
    loading->positions = PF_ARENA_ARRAY(loading->scratch, struct positions, entry->file_count);
    for (struct pf_json_each file = pf_json_each(root); pf_json_next(&file);) {
        for (struct pf_json_each each = pf_json_each(file.value); pf_json_next(&each);) {
            struct pf_json_each kind = pf_json_each(each.value);
            if (each.index == 0) {
                loading->data_paths[file.index] = pf_json_as_str(each.value, PF_STR_EMPTY);
            } else if (pf_json_next(&kind) && pf_str_equal(pf_json_as_str(kind.value, PF_STR_EMPTY), PF_STR("v"))) {
                PF_TRY(load_vector(loading, file.index, each.value, err));
            } else {
                want_positions(loading, file.index, each.value);
            }
        }
    }
    return load_positions(loading, err);
}

static enum pf_code load(struct pf_filter_io *io, pf_str parameter, struct entry **out_entry, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "deleted rows");
    struct entry *entry = PF_ARENA_NEW(arena, struct entry);
    struct loading loading = {.arena = arena, .io = io, .entry = entry};
    entry->arena = arena;
    entry->parameter = pf_arena_str(arena, parameter);
    loading.scratch = pf_arena_new(NULL, "load deleted rows");
    enum pf_code code = load_all(&loading, err);
    pf_arena_free(loading.scratch);
    if (code != PF_OK) {
        pf_arena_free(arena);
        return code;
    }
    *out_entry = entry;
    return PF_OK;
}

/* ---- what is kept ---- */

static void unlist_old_locked(struct deleted_rows *rows) {
    size_t kept_bytes = 0;
    int count = 0;
    for (struct entry **link = &rows->first; *link;) {
        struct entry *entry = *link;
        kept_bytes += pf_arena_used(entry->arena);
        if (++count == 1 || (count <= MAX_ENTRIES && kept_bytes <= MAX_KEPT_BYTES)) {
            link = &entry->next;
            continue;
        }
        *link = entry->next;
        entry->is_listed = false;
        if (entry->users == 0) pf_arena_free(entry->arena);
    }
}

static struct entry *take_from_list_locked(struct deleted_rows *rows, pf_str parameter) {
    for (struct entry **link = &rows->first; *link; link = &(*link)->next) {
        struct entry *entry = *link;
        if (!pf_str_equal(entry->parameter, parameter)) continue;
        *link = entry->next;
        return entry;
    }
    return NULL;
}

static enum pf_code open_filter(void *context, struct pf_filter_io *io, pf_str parameter, void **out_filter,
                                struct pf_error *err) {
    struct deleted_rows *rows = context;
    enum pf_code code = PF_OK;
    pthread_mutex_lock(&rows->mutex);
    struct entry *entry = take_from_list_locked(rows, parameter);
    if (!entry) code = load(io, parameter, &entry, err);
    if (code == PF_OK) {
        entry->users++;
        entry->is_listed = true;
        entry->next = rows->first;
        rows->first = entry;
        unlist_old_locked(rows);
    }
    pthread_mutex_unlock(&rows->mutex);
    PF_TRY(code);
    struct filter *filter = calloc(1, sizeof *filter);
    if (!filter) abort();
    filter->owner = rows;
    filter->entry = entry;
    *out_filter = filter;
    return PF_OK;
}

static void close_filter(void *data) {
    struct filter *filter = data;
    pthread_mutex_lock(&filter->owner->mutex);
    struct entry *entry = filter->entry;
    bool is_unused = --entry->users == 0 && !entry->is_listed;
    pthread_mutex_unlock(&filter->owner->mutex);
    if (is_unused) pf_arena_free(entry->arena);
    free(filter);
}

static void test_rows(void *data, const int64_t *files, const int64_t *positions, uint64_t count, bool *out_results) {
    struct filter *filter = data;
    const struct entry *entry = filter->entry;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t file = (uint64_t)files[i];
        const struct pf_deleted_rows *rows = file < entry->file_count ? entry->files[file] : NULL;
        out_results[i] = !rows || !pf_deleted_rows_has(rows, positions[i], &filter->hint);
    }
}

struct deleted_rows *deleted_rows_new(void) {
    struct deleted_rows *rows = calloc(1, sizeof *rows);
    if (!rows) abort();
    pthread_mutex_init(&rows->mutex, NULL);
    return rows;
}

struct deleted_rows *deleted_rows_free(struct deleted_rows *rows) {
    if (!rows) return NULL;
    while (rows->first) {
        struct entry *entry = rows->first;
        rows->first = entry->next;
        pf_arena_free(entry->arena);
    }
    pthread_mutex_destroy(&rows->mutex);
    free(rows);
    return NULL;
}

enum pf_code deleted_rows_register(struct deleted_rows *rows, struct pf_engine *engine, struct pf_error *err) {
    struct pf_row_filter function = {
        .name = "lake_row_is_live", .context = rows, .open = open_filter, .test = test_rows, .close = close_filter};
    return pf_engine_register_filter(engine, &function, err);
}
