/* SPDX-License-Identifier: MIT */
#include "query/data_files.h"

#include "base/buf.h"
#include "base/file.h"
#include "iceberg/iceberg.h"
#include "query/task.h"

#include <unistd.h>

enum { MAX_SQL_TEXT = 64 << 20 };

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

static pf_str partition_name(size_t index, struct pf_arena *arena) {
    return pf_arena_printf(arena, "puffindb_partition_%zu", index);
}

/* A row of MAP(VARCHAR, VARCHAR): the partition columns and their values. */
static pf_str *read_partition(const struct pf_vec *vec, uint64_t row, size_t count, struct pf_arena *arena) {
    pf_str *found = PF_ARENA_ARRAY(arena, pf_str, count);
    if (!pf_vec_is_valid(vec, row)) return found;
    struct pf_list_entry entry = ((const struct pf_list_entry *)vec->data)[row];
    const struct pf_vec *names = &vec->children[0].children[0], *values = &vec->children[0].children[1];
    for (uint64_t at = entry.offset; at < entry.offset + entry.length; at++) {
        pf_str name = text_at(names, at, arena);
        for (size_t i = 0; i < count; i++) {
            if (!pf_str_equal(name, partition_name(i, arena))) continue;
            found[i] = text_at(values, at, arena);
            if (pf_vec_is_valid(values, at) && !found[i].ptr) found[i] = PF_STR("");
        }
    }
    return found;
}

enum { COLUMN_FILENAME, COLUMN_COUNT, COLUMN_SIZE, COLUMN_FOOTER, COLUMN_STATISTICS, COLUMN_PARTITION };

static enum pf_code take_files(const struct data_copy *copy, const struct pf_chunk *chunk, struct data_files *files,
                               struct pf_arena *arena, struct pf_error *err) {
    const struct pf_vec *columns = chunk->columns;
    size_t partition_count = copy->write->partition_count;
    if (chunk->column_count <= (partition_count ? COLUMN_PARTITION : COLUMN_STATISTICS)) {
        PF_FAIL(err, PF_BUG, "COPY returned %u columns", chunk->column_count);
    }
    for (uint64_t row = 0; row < chunk->row_count; row++) {
        struct pf_written_file file = {
            .path = text_at(&columns[COLUMN_FILENAME], row, arena),
            .row_count = number_at(&columns[COLUMN_COUNT], row),
            .size_bytes = number_at(&columns[COLUMN_SIZE], row),
        };
        if (file.row_count == 0) {
            unlink(file.path.ptr); /* else it stays as garbage that nobody refers to */
            continue;
        }
        file.stats = read_stats(&columns[COLUMN_STATISTICS], row, arena, &file.stats_count);
        if (partition_count) {
            file.partition = read_partition(&columns[COLUMN_PARTITION], row, partition_count, arena);
        }
        PF_ARENA_PUSH(arena, files->items, files->count, files->capacity) = file;
    }
    return PF_OK;
}

/* ---- COPY ---- */

/* The parts nest, so that each sees the columns of the one before: source, columns of the files, partitions. */
static void put_select(struct pf_buf *sql, const struct pf_write *write, pf_str source_sql, struct pf_arena *arena) {
    if (write->partition_count) {
        pf_buf_put_cstr(sql, "SELECT *");
        for (size_t i = 0; i < write->partition_count; i++) {
            pf_buf_printf(sql, ", %.*s AS %.*s", PF_STR_ARG(write->partitions[i]),
                          PF_STR_ARG(partition_name(i, arena)));
        }
        pf_buf_put_cstr(sql, " FROM (");
    }
    if (write->columns_sql.len) pf_buf_printf(sql, "SELECT %.*s FROM (", PF_STR_ARG(write->columns_sql));
    pf_buf_put_str(sql, source_sql);
    if (write->columns_sql.len) {
        /* A comment may end the source: hence the new line. */
        pf_buf_put_cstr(sql, "\n) AS s");
        if (write->column_count) {
            for (size_t i = 0; i < write->column_count; i++) pf_buf_printf(sql, "%sk%zu", i ? ", " : "(", i);
            pf_buf_put_char(sql, ')');
        }
    }
    if (write->partition_count) pf_buf_put_cstr(sql, ") AS w");
    if (write->order_sql.len) pf_buf_printf(sql, " ORDER BY %.*s", PF_STR_ARG(write->order_sql));
}

pf_str data_files_select_sql(const struct pf_write *write, pf_str source_sql, struct pf_arena *arena) {
    struct pf_buf sql;
    pf_buf_init(&sql, MAX_SQL_TEXT);
    put_select(&sql, write, source_sql, arena);
    pf_str text = sql.failed ? PF_STR_EMPTY : pf_arena_str(arena, pf_buf_view(&sql));
    pf_buf_clear(&sql);
    return text;
}

static void put_options(struct pf_buf *sql, const struct data_copy *copy, struct pf_arena *arena) {
    const struct pf_write *write = copy->write;
    bool is_partitioned = write->partition_count > 0;
    pf_str pattern =
        pf_arena_printf(arena, "%.*s-%s", PF_STR_ARG(copy->file_prefix), is_partitioned ? "{uuid}" : "{i}");
    pf_buf_printf(sql,
                  "FORMAT parquet, COMPRESSION %.*s, ROW_GROUP_SIZE %lld, FILENAME_PATTERN %.*s, OVERWRITE_OR_IGNORE, ",
                  PF_STR_ARG(write->compression), (long long)write->row_group_rows,
                  PF_STR_ARG(pf_sql_quote_text(pattern, arena)));
    /* One writer cuts the stream into files: each has a run of rows as they came, so bounds stay narrow. DuckDB does not
     * cut the files of partitions. */
    if (!is_partitioned) pf_buf_printf(sql, "FILE_SIZE_BYTES %lld, ", (long long)write->file_size_bytes);
    for (size_t i = 0; i < write->partition_count; i++) {
        pf_buf_printf(sql, "%s%.*s", i ? ", " : "HIVE_FILE_PATTERN false, PARTITION_BY (",
                      PF_STR_ARG(partition_name(i, arena)));
    }
    if (is_partitioned) pf_buf_put_cstr(sql, "), ");
    if (!write->has_bloom_filters) pf_buf_put_cstr(sql, "WRITE_BLOOM_FILTER false, ");
    if (write->field_ids_sql.len) pf_buf_printf(sql, "FIELD_IDS %.*s, ", PF_STR_ARG(write->field_ids_sql));
    pf_buf_put_cstr(sql, "RETURN_STATS");
}

static enum pf_code copy_sql(const struct data_copy *copy, struct pf_arena *arena, pf_str *out_sql,
                             struct pf_error *err) {
    struct pf_buf sql;
    pf_str text;
    pf_buf_init(&sql, MAX_SQL_TEXT);
    pf_buf_put_cstr(&sql, "COPY (");
    put_select(&sql, copy->write, copy->source_sql, arena);
    pf_buf_printf(&sql, ") TO %.*s (", PF_STR_ARG(pf_sql_quote_text(copy->directory, arena)));
    put_options(&sql, copy, arena);
    pf_buf_put_cstr(&sql, ")");
    enum pf_code code = pf_buf_finish(&sql, "a statement that writes", &text, err);
    if (code == PF_OK) *out_sql = pf_arena_str(arena, text);
    pf_buf_clear(&sql);
    return code;
}

enum pf_code data_files_copy(const struct data_copy *copy, struct pf_arena *arena, struct data_files *out_files,
                             struct pf_error *err) {
    struct pf_rows *rows;
    pf_str sql;
    out_files->partition_count = copy->write->partition_count;
    PF_TRY(copy_sql(copy, arena, &sql, err));
    PF_TRY(pf_session_query(copy->session, sql, &rows, err));
    enum pf_code code = PF_OK;
    for (const struct pf_chunk *chunk = NULL; code == PF_OK;) {
        code = pf_rows_next(rows, &chunk, err);
        if (code != PF_OK || !chunk) break;
        code = take_files(copy, chunk, out_files, arena, err);
    }
    pf_rows_close(rows);
    return code;
}

/* ---- manifest entries ---- */

/* What a transform makes of a value, for the types whose partition values have another. */
static const struct pf_iceberg_type *result_type(const struct pf_transform *transform,
                                                 const struct pf_iceberg_type *source) {
    static const struct pf_iceberg_type whole = {.kind = PF_ICEBERG_INT, .text = {"int", 3}};
    switch (transform->kind) {
    case PF_TRANSFORM_IDENTITY:
    case PF_TRANSFORM_TRUNCATE: return source;
    default: return &whole; /* days as well: their cells are those of an int */
    }
}

static enum pf_code set_partition(const struct pf_written_file *file, const struct pf_table_metadata *metadata,
                                  const struct pf_partition_spec *spec, struct pf_arena *arena,
                                  struct pf_data_file *entry, struct pf_error *err) {
    static const struct pf_transform as_it_is = {.kind = PF_TRANSFORM_IDENTITY, .text = {"identity", 8}};
    pf_str *cells = PF_ARENA_ARRAY(arena, pf_str, spec->field_count);
    for (size_t i = 0; i < spec->field_count; i++) {
        const struct pf_partition_field *field = &spec->fields[i];
        const struct pf_iceberg_type *source = pf_table_metadata_type_of(metadata, field->source_id);
        bool is_null = !file->partition || !file->partition[i].ptr || field->transform.kind == PF_TRANSFORM_VOID;
        if (is_null || !source) continue;
        const struct pf_iceberg_type *type = result_type(&field->transform, source);
        struct pf_literal literal = {.text = file->partition[i]};
        PF_TRY(pf_iceberg_type_sql(type, arena, &literal.type, err));
        enum pf_code code = pf_transform_apply(&as_it_is, type, literal, arena, &cells[i], err);
        if (code != PF_OK) return pf_error_wrap(err, code, "partition field '%.*s'", PF_STR_ARG(field->name));
    }
    entry->partition = cells;
    entry->partition_count = spec->field_count;
    return PF_OK;
}

enum pf_code pf_written_file_entry(const struct pf_written_file *file, const struct pf_table_metadata *metadata,
                                   struct pf_arena *arena, struct pf_data_file *out_entry, struct pf_error *err) {
    const struct pf_partition_spec *spec = pf_table_metadata_spec(metadata, metadata->default_spec_id);
    *out_entry = (struct pf_data_file){
        .status = PF_ENTRY_ADDED,
        .path = file->path,
        .format = PF_STR("PARQUET"),
        .spec_id = metadata->default_spec_id,
        .record_count = file->row_count,
        .size_bytes = file->size_bytes,
        .sort_order_id = -1,
        .content_offset = -1,
        .content_size_bytes = -1,
        .first_row_id = -1,
    };
    if (spec && spec->field_count) PF_TRY(set_partition(file, metadata, spec, arena, out_entry, err));
    return pf_data_file_set_stats(out_entry, metadata, file->stats, file->stats_count, arena, err);
}

/* ---- from files to objects ---- */

enum pf_code data_files_register(struct pf_engine *engine, struct pf_error *err) {
    static const struct pf_hash_function murmur3 = {"iceberg_murmur3", pf_iceberg_murmur3};
    return pf_engine_register_hash(engine, &murmur3, err);
}

pf_str data_files_folder(pf_str prefix) {
    size_t end = prefix.len;
    while (end > 0 && prefix.ptr[end - 1] != '/') end--;
    return pf_str_slice(prefix, 0, end ? end - 1 : 0);
}

enum pf_code data_files_directory(struct pf_store *store, pf_str key_folder, pf_str local, pf_str id,
                                  struct pf_arena *arena, pf_str *out_directory, bool *out_is_scratch,
                                  struct pf_error *err) {
    *out_is_scratch = !pf_store_has_files(store);
    if (!*out_is_scratch) return pf_store_local_directory(store, key_folder, arena, out_directory, err);
    *out_directory = pf_arena_printf(arena, "%.*s/%.*s", PF_STR_ARG(local), PF_STR_ARG(id));
    return pf_file_make_directories(out_directory->ptr, err);
}

static enum pf_code upload_file(const struct data_publication *publication, struct pf_written_file *file,
                                struct pf_arena *arena, struct pf_error *err) {
    pf_str scratch = publication->scratch, name = pf_str_slice(file->path, scratch.len + 1, file->path.len);
    if (!pf_str_starts_with(file->path, scratch)) {
        PF_FAIL(err, PF_BUG, "'%.*s' was written outside of '%.*s'", PF_STR_ARG(file->path), PF_STR_ARG(scratch));
    }
    if (publication->is_spread) name = pf_iceberg_spread_name(name, arena);
    pf_str key = pf_arena_printf(arena, "%.*s/%.*s", PF_STR_ARG(publication->key_folder), PF_STR_ARG(name));
    char *path = pf_arena_cstr(arena, file->path);
    struct pf_mapped_file mapped;
    PF_TRY(pf_file_map(path, &mapped, err));
    enum pf_code code = pf_store_put(publication->store, key, mapped.bytes, err);
    pf_file_unmap(&mapped);
    PF_TRY(code);
    unlink(path);
    file->path = pf_store_uri(publication->store, key, arena);
    return PF_OK;
}

enum pf_code data_files_publish(const struct data_publication *publication, struct data_files *files,
                                struct pf_arena *arena, struct pf_error *err) {
    struct pf_store *store = publication->store;
    for (size_t i = 0; i < files->count; i++) {
        pf_str key;
        struct pf_written_file *file = &files->items[i];
        if (publication->scratch.len) {
            PF_TRY(upload_file(publication, file, arena, err));
            continue;
        }
        if (!pf_store_key_of(store, file->path, &key)) {
            PF_FAIL(err, PF_BUG, "'%.*s' was written outside the store", PF_STR_ARG(file->path));
        }
        file->path = pf_store_uri(store, key, arena);
        PF_TRY(pf_store_sync(store, key, err));
    }
    return PF_OK;
}

enum pf_code data_files_remove(struct pf_store *store, const struct data_files *files, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "remove data files");
    pf_str *keys = PF_ARENA_ARRAY(arena, pf_str, files->count);
    size_t count = 0;
    for (size_t i = 0; i < files->count; i++) count += pf_store_key_of(store, files->items[i].path, &keys[count]);
    enum pf_code code = pf_store_delete_many(store, keys, count, err);
    pf_arena_free(arena);
    return code;
}
