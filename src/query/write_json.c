/* SPDX-License-Identifier: MIT */
#include "query/write_json.h"

#include "base/buf.h"
#include "iceberg/iceberg.h"

enum { MAX_WRITTEN_BYTES = 64 << 20, STATS_MEMBERS = 7 };

/* ---- what is to be written ---- */

static void put_texts(struct pf_json_out *out, const char *key, const pf_str *texts, size_t count) {
    pf_json_key(out, key);
    pf_json_open_array(out);
    for (size_t i = 0; i < count; i++) pf_json_put_str(out, texts[i]);
    pf_json_close_array(out);
}

void write_put(struct pf_json_out *out, const struct pf_write *write) {
    pf_json_open_object(out);
    pf_json_field_str(out, "columns", write->columns_sql);
    pf_json_field_i64(out, "column_count", (int64_t)write->column_count);
    pf_json_field_str(out, "field_ids", write->field_ids_sql);
    put_texts(out, "partitions", write->partitions, write->partition_count);
    pf_json_field_str(out, "order", write->order_sql);
    pf_json_field_str(out, "prefix", write->prefix);
    pf_json_field_str(out, "compression", write->compression);
    pf_json_field_i64(out, "file_size", write->file_size_bytes);
    pf_json_field_i64(out, "row_group", write->row_group_rows);
    pf_json_field_bool(out, "bloom", write->has_bloom_filters);
    pf_json_field_bool(out, "spread", write->spreads_files > 0);
    pf_json_close_object(out);
}

enum pf_code write_get(pf_json *json, struct pf_arena *arena, const struct pf_write **out_write, struct pf_error *err) {
    *out_write = NULL;
    if (!json) return PF_OK;
    struct pf_write *write = PF_ARENA_NEW(arena, struct pf_write);
    PF_TRY(pf_json_need_str(json, "prefix", "stage message", &write->prefix, err));
    PF_TRY(pf_json_need_str(json, "compression", "stage message", &write->compression, err));
    pf_json *list = pf_json_get(json, "partitions");
    pf_str *partitions = PF_ARENA_ARRAY(arena, pf_str, pf_json_count(list));
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        partitions[each.index] = pf_json_as_str(each.value, PF_STR_EMPTY);
    }
    write->partitions = partitions;
    write->partition_count = pf_json_count(list);
    write->columns_sql = pf_json_get_str(json, "columns", PF_STR_EMPTY);
    int64_t columns = pf_json_get_i64(json, "column_count", 0);
    write->column_count = columns > 0 ? (size_t)columns : 0;
    write->field_ids_sql = pf_json_get_str(json, "field_ids", PF_STR_EMPTY);
    write->order_sql = pf_json_get_str(json, "order", PF_STR_EMPTY);
    write->file_size_bytes = pf_json_get_i64(json, "file_size", 0);
    write->row_group_rows = pf_json_get_i64(json, "row_group", 0);
    write->has_bloom_filters = pf_json_get_bool(json, "bloom", false);
    write->spreads_files = pf_json_get_bool(json, "spread", false);
    if (!write->prefix.len || write->file_size_bytes <= 0 || write->row_group_rows <= 0) {
        PF_FAIL(err, PF_INVALID, "stage message: it doesn't say where to write, or how much");
    }
    *out_write = write;
    return PF_OK;
}

/* ---- what was written ---- */

static void put_text_or_null(struct pf_json_out *out, pf_str text) {
    if (text.ptr) {
        pf_json_put_str(out, text);
    } else {
        pf_json_put_null(out);
    }
}

static void put_file(struct pf_json_out *out, const struct pf_written_file *file, size_t partition_count) {
    pf_json_open_object(out);
    pf_json_field_str(out, "path", file->path);
    pf_json_field_i64(out, "rows", file->row_count);
    pf_json_field_i64(out, "bytes", file->size_bytes);
    pf_json_key(out, "partition");
    pf_json_open_array(out);
    for (size_t i = 0; file->partition && i < partition_count; i++) put_text_or_null(out, file->partition[i]);
    pf_json_close_array(out);
    pf_json_key(out, "stats");
    pf_json_open_array(out);
    for (size_t i = 0; i < file->stats_count; i++) {
        const struct pf_stats_text *stats = &file->stats[i];
        pf_json_put_str(out, stats->path);
        put_text_or_null(out, stats->min);
        put_text_or_null(out, stats->max);
        pf_json_put_i64(out, stats->size_bytes);
        pf_json_put_i64(out, stats->value_count);
        pf_json_put_i64(out, stats->null_count);
        pf_json_put_i64(out, stats->has_has_nan ? stats->has_nan : -1);
    }
    pf_json_close_array(out);
    pf_json_close_object(out);
}

pf_str written_encode(const struct data_files *files, struct pf_arena *arena) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_WRITTEN_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_array(&out);
    for (size_t i = 0; i < files->count; i++) put_file(&out, &files->items[i], files->partition_count);
    pf_json_close_array(&out);
    pf_str text = buf.failed ? PF_STR_EMPTY : pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return text;
}

static pf_str get_text_or_null(pf_json *json, struct pf_arena *arena) {
    pf_str none = {0};
    return yyjson_is_str(json) ? pf_arena_str(arena, pf_json_as_str(json, PF_STR_EMPTY)) : none;
}

static void get_stats(pf_json *list, struct pf_arena *arena, struct pf_written_file *file) {
    struct pf_stats_text *all = PF_ARENA_ARRAY(arena, struct pf_stats_text, pf_json_count(list) / STATS_MEMBERS);
    file->stats_count = pf_json_count(list) / STATS_MEMBERS;
    file->stats = all;
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        if (each.index / STATS_MEMBERS >= file->stats_count) break;
        struct pf_stats_text *stats = &all[each.index / STATS_MEMBERS];
        int64_t number = pf_json_as_i64(each.value, -1);
        switch (each.index % STATS_MEMBERS) {
        case 0: stats->path = get_text_or_null(each.value, arena); break;
        case 1: stats->min = get_text_or_null(each.value, arena); break;
        case 2: stats->max = get_text_or_null(each.value, arena); break;
        case 3: stats->size_bytes = number; break;
        case 4: stats->value_count = number; break;
        case 5: stats->null_count = number; break;
        default: stats->has_has_nan = number >= 0; stats->has_nan = number > 0;
        }
    }
}

enum pf_code written_decode(pf_str json, struct pf_arena *arena, struct data_files *files, struct pf_error *err) {
    pf_json *root = NULL;
    PF_TRY(pf_json_parse(json, arena, "files that a task wrote", &root, err));
    for (struct pf_json_each each = pf_json_each(root); pf_json_next(&each);) {
        struct pf_written_file file = {0};
        PF_TRY(pf_json_need_str(each.value, "path", "a written file", &file.path, err));
        PF_TRY(pf_json_need_i64(each.value, "rows", "a written file", &file.row_count, err));
        PF_TRY(pf_json_need_i64(each.value, "bytes", "a written file", &file.size_bytes, err));
        pf_json *list = pf_json_get(each.value, "partition");
        pf_str *partition = PF_ARENA_ARRAY(arena, pf_str, pf_json_count(list));
        for (struct pf_json_each one = pf_json_each(list); pf_json_next(&one);) {
            partition[one.index] = get_text_or_null(one.value, arena);
        }
        file.path = pf_arena_str(arena, file.path);
        if (pf_json_count(list)) file.partition = partition;
        files->partition_count = pf_json_count(list);
        get_stats(pf_json_get(each.value, "stats"), arena, &file);
        PF_ARENA_PUSH(arena, files->items, files->count, files->capacity) = file;
    }
    return PF_OK;
}
