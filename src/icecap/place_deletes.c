/* SPDX-License-Identifier: MIT */
/* Collected rows -> what a snapshot needs to be without them.
 *
 *   all rows of a file          the file goes, with what deleted rows of it alone
 *   version 2                   a position delete file a partition (write.delete.granularity = file: a data file)
 *   version 3                   one deletion vector a data file, with the rows that were deleted before; the older vector
 *                               goes. Position delete files from before an upgrade are taken into the vector. */
#include "icecap/places.h"

#include "base/buf.h"
#include "base/id.h"
#include "store/store.h"

#include <stdlib.h>

enum { MAX_FILES_IN_STATEMENT = 2000 };
static const int64_t MAX_ROWS_OF_FILE = 64 << 20;
static const size_t MAX_PUFFIN_BYTES = (size_t)256 << 20;

struct writing {
    struct icecap_call *call;
    const struct places *places;
    struct pf_store *store;
    pf_str prefix;
    int number; /* of the next file */
    struct place_deletes deletes;
    struct pf_error *err;
};

static bool is_vector(const struct pf_data_file *file) {
    return file->content == PF_FILE_POSITION_DELETES && pf_str_equal(file->format, PF_STR("PUFFIN"));
}

static enum pf_code put_object(struct writing *writing, const char *ending, pf_str bytes, pf_str *out_uri) {
    struct pf_arena *arena = writing->call->arena;
    pf_str key = pf_arena_printf(arena, "%.*s%.*s-deletes-%d%s", PF_STR_ARG(writing->prefix),
                                 PF_STR_ARG(pf_id_ulid(arena)), writing->number++, ending);
    PF_TRY(pf_store_put(writing->store, key, bytes, writing->err));
    *out_uri = pf_store_uri(writing->store, key, arena);
    return PF_OK;
}

static void add(struct writing *writing, const struct pf_data_file *file) {
    struct place_deletes *deletes = &writing->deletes;
    PF_ARENA_PUSH(writing->call->arena, deletes->added, deletes->added_count, deletes->added_capacity) = *file;
}

static void take_away(struct writing *writing, const struct pf_data_file *file) {
    struct place_deletes *deletes = &writing->deletes;
    PF_ARENA_PUSH(writing->call->arena, deletes->removed, deletes->removed_count, deletes->removed_capacity) = *file;
}

static void need(struct writing *writing, const struct pf_scan_file *file) {
    struct place_deletes *deletes = &writing->deletes;
    PF_ARENA_PUSH(writing->call->arena, deletes->needed, deletes->needed_count, deletes->needed_capacity) = file->path;
}

/* The deletes that were there and are about this file alone. */
static void take_own_deletes_away(struct writing *writing, const struct pf_scan_file *file) {
    for (size_t i = 0; i < file->delete_count; i++) {
        const struct pf_data_file *entry = writing->places->list.deletes[file->deletes[i]].entry;
        bool is_own =
            entry->content == PF_FILE_POSITION_DELETES && pf_str_equal(entry->referenced_data_file, file->path);
        if (is_own) take_away(writing, entry);
    }
}

static void take_file_away(struct writing *writing, const struct pf_scan_file *file) {
    take_away(writing, file->entry);
    take_own_deletes_away(writing, file);
}

/* ---- version 2 ---- */

static int compare_partitions(const void *a, const void *b) {
    const struct pf_data_file *x = (*(const struct place_file *const *)a)->file->entry;
    const struct pf_data_file *y = (*(const struct place_file *const *)b)->file->entry;
    if (x->spec_id != y->spec_id) return x->spec_id < y->spec_id ? -1 : 1;
    for (size_t i = 0; i < x->partition_count && i < y->partition_count; i++) {
        bool has_x = x->partition[i].ptr != NULL, has_y = y->partition[i].ptr != NULL;
        int order = has_x != has_y ? has_x - has_y : has_x ? pf_str_compare(x->partition[i], y->partition[i]) : 0;
        if (order) return order;
    }
    return 0;
}

static enum pf_code write_group(struct writing *writing, const struct place_file *const *files, size_t count) {
    struct pf_arena *arena = writing->call->arena;
    struct pf_position_deletes *items = PF_ARENA_ARRAY(arena, struct pf_position_deletes, count);
    struct pf_data_file entry;
    pf_str bytes;
    for (size_t i = 0; i < count; i++) items[i] = (struct pf_position_deletes){files[i]->file->path, files[i]->rows};
    struct pf_arena *scratch = pf_arena_new(NULL, "delete file");
    enum pf_code code = pf_position_deletes_write(items, count, scratch, &bytes, &entry, writing->err);
    if (code == PF_OK) code = put_object(writing, ".parquet", bytes, &entry.path);
    if (code == PF_OK) { /* its statistics lie in the scratch arena */
        struct pf_column_stats *stats = PF_ARENA_ARRAY(arena, struct pf_column_stats, entry.column_count);
        for (size_t i = 0; i < entry.column_count; i++) {
            stats[i] = entry.columns[i];
            stats[i].lower = pf_arena_str(arena, stats[i].lower);
            stats[i].upper = pf_arena_str(arena, stats[i].upper);
        }
        entry.columns = stats;
        entry.referenced_data_file = pf_arena_str(arena, entry.referenced_data_file);
        entry.spec_id = files[0]->file->entry->spec_id;
        entry.partition = files[0]->file->entry->partition;
        entry.partition_count = files[0]->file->entry->partition_count;
        add(writing, &entry);
    }
    pf_arena_free(scratch);
    return code;
}

static enum pf_code write_position_files(struct writing *writing, const struct place_file **files, size_t count) {
    pf_str granularity = pf_table_metadata_property(writing->places->table->metadata,
                                                    PF_STR("write.delete.granularity"), PF_STR("partition"));
    bool is_by_file = pf_str_equal_nocase(granularity, PF_STR("file"));
    if (count) qsort(files, count, sizeof *files, compare_partitions);
    for (size_t from = 0, to; from < count; from = to) {
        int64_t rows = 0;
        for (to = from; to < count; to++) {
            bool is_of_group =
                to == from || (!is_by_file && rows < MAX_ROWS_OF_FILE && !compare_partitions(&files[from], &files[to]));
            if (!is_of_group) break;
            rows += pf_row_set_count(files[to]->rows);
        }
        PF_TRY(write_group(writing, files + from, to - from));
    }
    return PF_OK;
}

/* ---- version 3 ---- */

static enum pf_code read_vector(struct writing *writing, const struct pf_delete_file *file, struct pf_row_set *rows) {
    struct pf_arena *scratch = pf_arena_new(NULL, "deletion vector");
    struct pf_deleted_rows *deleted;
    pf_str bytes, key = file->key;
    struct pf_range range = {file->entry->content_offset, file->entry->content_size_bytes};
    enum pf_code code = PF_OK;
    if (!key.len) {
        code = pf_error_set(writing->err, PF_UNSUPPORTED, __FILE__, __LINE__, "'%.*s' lies outside the store",
                            PF_STR_ARG(file->path));
    }
    if (code == PF_OK) code = pf_store_get(writing->store, key, range, scratch, &bytes, writing->err);
    if (code == PF_OK) code = pf_deletion_vector_read(bytes, scratch, &deleted, writing->err);
    if (code == PF_OK) pf_row_set_add_deleted(rows, deleted);
    pf_arena_free(scratch);
    return code == PF_OK ? PF_OK
                         : pf_error_wrap(writing->err, code, "deletion vector in '%.*s'", PF_STR_ARG(file->path));
}

static bool has_old_deletes(const struct writing *writing, const struct place_file *file) {
    for (size_t i = 0; i < file->file->delete_count; i++) {
        const struct pf_data_file *entry = writing->places->list.deletes[file->file->deletes[i]].entry;
        if (entry->content == PF_FILE_POSITION_DELETES && !is_vector(entry)) return true;
    }
    return false;
}

/* Rows of files with position delete files from before an upgrade: those that the engine does not show any more. */
static enum pf_code add_old_deletes(struct writing *writing, const struct place_file *const *files, size_t count) {
    struct icecap_call *call = writing->call;
    const struct pf_table *table = writing->places->table;
    const struct pf_column *columns;
    size_t column_count;
    struct places live;
    struct pf_buf sql;
    if (!count) return PF_OK;
    pf_buf_init(&sql, 1 << 20);
    pf_buf_printf(
        &sql, "SELECT _file_number, _pos FROM %.*s.%.*s WHERE _file_number IN (",
        PF_STR_ARG(pf_sql_quote_name(table->id.space, call->arena)),
        PF_STR_ARG(pf_sql_quote_name(pf_arena_printf(call->arena, "%.*s$positions@version=%lld",
                                                     PF_STR_ARG(table->id.name), (long long)table->snapshot->id),
                                     call->arena)));
    for (size_t i = 0; i < count; i++) pf_buf_printf(&sql, "%s%lld", i ? "," : "", (long long)files[i]->number);
    pf_buf_put_char(&sql, ')');
    pf_str text = pf_arena_str(call->arena, pf_buf_view(&sql));
    pf_buf_clear(&sql);
    PF_TRY(places_open(call, table, &live, writing->err));
    PF_TRY(pf_query_bind(call->query, text, &columns, &column_count, writing->err));
    PF_TRY(places_read(call, &live, writing->err));
    for (size_t i = 0; i < count; i++) {
        const struct place_file *shown = &live.files[files[i] - writing->places->files];
        for (int64_t at = 0; at < files[i]->file->row_count; at++) {
            if (!shown->rows || !pf_row_set_has(shown->rows, at)) pf_row_set_add(files[i]->rows, at);
        }
    }
    return PF_OK;
}

static enum pf_code merge_old_deletes(struct writing *writing, const struct place_file *const *files, size_t count) {
    const struct place_file **old = PF_ARENA_ARRAY(writing->call->arena, const struct place_file *, count);
    size_t old_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct pf_scan_file *file = files[i]->file;
        for (size_t k = 0; k < file->delete_count; k++) {
            const struct pf_delete_file *delete = &writing->places->list.deletes[file->deletes[k]];
            if (is_vector(delete->entry)) PF_TRY(read_vector(writing, delete, files[i]->rows));
        }
        if (!has_old_deletes(writing, files[i])) continue;
        old[old_count++] = files[i];
        if (old_count < MAX_FILES_IN_STATEMENT) continue;
        PF_TRY(add_old_deletes(writing, old, old_count));
        old_count = 0;
    }
    return add_old_deletes(writing, old, old_count);
}

static enum pf_code write_puffin(struct writing *writing, const struct place_file *const *files,
                                 struct pf_puffin_vector *vectors, size_t count) {
    struct pf_arena *scratch = pf_arena_new(NULL, "Puffin file");
    pf_str bytes, uri;
    enum pf_code code = pf_puffin_write(vectors, count, scratch, &bytes, writing->err);
    int64_t size_bytes = code == PF_OK ? (int64_t)bytes.len : 0;
    if (code == PF_OK) code = put_object(writing, ".puffin", bytes, &uri);
    pf_arena_free(scratch);
    PF_TRY(code);
    for (size_t i = 0; i < count; i++) {
        const struct pf_data_file *data = files[i]->file->entry;
        struct pf_data_file entry = {
            .status = PF_ENTRY_ADDED,
            .content = PF_FILE_POSITION_DELETES,
            .path = uri,
            .format = PF_STR("PUFFIN"),
            .spec_id = data->spec_id,
            .partition = data->partition,
            .partition_count = data->partition_count,
            .record_count = vectors[i].cardinality,
            .size_bytes = size_bytes,
            .sort_order_id = -1,
            .referenced_data_file = data->path,
            .content_offset = vectors[i].out_offset,
            .content_size_bytes = (int64_t)vectors[i].blob.len,
            .first_row_id = -1,
        };
        add(writing, &entry);
    }
    return PF_OK;
}

static enum pf_code write_vectors(struct writing *writing, const struct place_file *const *files, size_t count) {
    struct pf_arena *arena = writing->call->arena;
    struct pf_puffin_vector *vectors = PF_ARENA_ARRAY(arena, struct pf_puffin_vector, count);
    for (size_t from = 0, to; from < count; from = to) {
        size_t bytes = 0;
        for (to = from; to < count && bytes < MAX_PUFFIN_BYTES; to++) {
            vectors[to].blob = pf_deletion_vector_write(files[to]->rows, arena);
            vectors[to].referenced_data_file = files[to]->file->path;
            vectors[to].cardinality = pf_row_set_count(files[to]->rows);
            bytes += vectors[to].blob.len;
        }
        PF_TRY(write_puffin(writing, files + from, vectors + from, to - from));
    }
    return PF_OK;
}

/* ---- all of it ---- */

/* Nothing is left of it. Version 2: earlier deletes may be of the same rows, so only files without any are sure. */
static bool goes_whole(const struct place_file *file, bool knows_all) {
    return pf_row_set_count(file->rows) == file->file->row_count && (knows_all || file->file->delete_count == 0);
}

static enum pf_code write_all(struct writing *writing) {
    const struct places *places = writing->places;
    bool has_vectors = places->table->metadata->format_version >= 3;
    const struct place_file **files = PF_ARENA_ARRAY(places->arena, const struct place_file *, places->list.count);
    size_t count = 0, left = 0;
    for (size_t i = 0; i < places->list.count; i++) {
        if (places->files[i].rows) files[count++] = &places->files[i];
    }
    if (has_vectors) PF_TRY(merge_old_deletes(writing, files, count));
    for (size_t i = 0; i < count; i++) {
        if (goes_whole(files[i], has_vectors)) {
            take_file_away(writing, files[i]->file);
            continue;
        }
        need(writing, files[i]->file);
        if (has_vectors) take_own_deletes_away(writing, files[i]->file);
        files[left++] = files[i];
    }
    return has_vectors ? write_vectors(writing, files, left) : write_position_files(writing, files, left);
}

enum pf_code places_write_deletes(struct icecap_call *call, const struct places *places, pf_str prefix,
                                  struct place_deletes *out_deletes, struct pf_error *err) {
    struct writing writing = {
        .call = call, .places = places, .store = pf_stack_store(call->stack), .prefix = prefix, .err = err};
    PF_TRY(write_all(&writing));
    *out_deletes = writing.deletes;
    return PF_OK;
}
