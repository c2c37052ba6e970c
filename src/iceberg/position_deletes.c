/* SPDX-License-Identifier: MIT */
/* A position delete file (spec, Position Delete Files): the Parquet file with two columns,
 *
 *   file_path  string  id 2147483546   a dictionary of the paths, then runs of their numbers
 *   pos        long    id 2147483545   plain
 *
 * sorted by both, in one row group. It is written here and not by the engine because it is small, always of this form, and
 * made where the commit is made. Formats: parquet-format (Thrift compact protocol, RLE hybrid encoding). */
#include "iceberg/iceberg.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum {
    MAX_FILE_BYTES = 1 << 30,
    PAGE_ROWS = 131072,
    ZSTD_LEVEL = 3,
    MAX_PATHS = 1 << 20,
    /* parquet.thrift */
    TYPE_INT64 = 2,
    TYPE_BYTE_ARRAY = 6,
    ENCODING_PLAIN = 0,
    ENCODING_RLE = 3,
    ENCODING_RLE_DICTIONARY = 8,
    CODEC_ZSTD = 6,
    PAGE_DATA = 0,
    PAGE_DICTIONARY = 2,
    CONVERTED_UTF8 = 0,
    /* Thrift compact types */
    THRIFT_I32 = 5,
    THRIFT_I64 = 6,
    THRIFT_BINARY = 8,
    THRIFT_LIST = 9,
    THRIFT_STRUCT = 12
};
static const int32_t PATH_ID = PF_DELETE_PATH_FIELD, POSITION_ID = 2147483545;

/* ---- Thrift, compact protocol ---- */

struct thrift {
    struct pf_buf *out;
    int last_id; /* of the struct at hand */
};

static void put_varint(struct pf_buf *out, uint64_t number) {
    for (; number >= 0x80; number >>= 7) pf_buf_put_char(out, (char)(number | 0x80));
    pf_buf_put_char(out, (char)number);
}

static void put_field(struct thrift *thrift, int id, int type) {
    pf_buf_put_char(thrift->out, (char)((id - thrift->last_id) << 4 | type));
    thrift->last_id = id;
}

static void put_int(struct thrift *thrift, int id, int type, int64_t number) {
    put_field(thrift, id, type);
    put_varint(thrift->out, (uint64_t)number << 1 ^ (uint64_t)(number >> 63));
}

static void put_text(struct thrift *thrift, int id, pf_str text) {
    put_field(thrift, id, THRIFT_BINARY);
    put_varint(thrift->out, text.len);
    pf_buf_put_str(thrift->out, text);
}

static struct thrift open_struct(struct thrift *thrift, int id) {
    put_field(thrift, id, THRIFT_STRUCT);
    return (struct thrift){thrift->out, 0};
}

static void close_struct(struct thrift *thrift) {
    pf_buf_put_char(thrift->out, 0);
}

static void put_list(struct thrift *thrift, int id, int type, int count) {
    put_field(thrift, id, THRIFT_LIST);
    pf_buf_put_char(thrift->out, (char)(count << 4 | type)); /* fewer than 15 */
}

/* ---- pages ---- */

struct column {
    int64_t dictionary_offset, data_offset; /* -1: no dictionary */
    int64_t plain_bytes, file_bytes;        /* with headers */
    pf_str min, max;
};

static void put_page(struct pf_buf *file, struct column *column, int page_type, pf_str plain, int64_t value_count,
                     int encoding, struct pf_buf *packed) {
    pf_buf_reset(packed);
    size_t bound = ZSTD_compressBound(plain.len), from = file->len;
    char *room = pf_buf_reserve(packed, bound);
    size_t size = room ? ZSTD_compress(room, bound, plain.ptr, plain.len, ZSTD_LEVEL) : 0;
    if (!room || ZSTD_isError(size)) {
        file->failed = true;
        return;
    }
    struct thrift header = {file, 0};
    put_int(&header, 1, THRIFT_I32, page_type);
    put_int(&header, 2, THRIFT_I32, (int64_t)plain.len);
    put_int(&header, 3, THRIFT_I32, (int64_t)size);
    struct thrift page = open_struct(&header, page_type == PAGE_DATA ? 5 : 7);
    put_int(&page, 1, THRIFT_I32, value_count);
    put_int(&page, 2, THRIFT_I32, encoding);
    if (page_type == PAGE_DATA) {
        put_int(&page, 3, THRIFT_I32, ENCODING_RLE); /* of levels, which required columns don't have */
        put_int(&page, 4, THRIFT_I32, ENCODING_RLE);
    }
    close_struct(&page);
    close_struct(&header);
    column->plain_bytes += (int64_t)(file->len - from) + (int64_t)plain.len;
    pf_buf_put(file, packed->ptr, size);
    column->file_bytes += (int64_t)(file->len - from);
}

static void put_u32(struct pf_buf *out, uint32_t number) {
    char bytes[4] = {(char)number, (char)(number >> 8), (char)(number >> 16), (char)(number >> 24)};
    pf_buf_put(out, bytes, sizeof bytes);
}

static void put_u64(struct pf_buf *out, uint64_t number) {
    put_u32(out, (uint32_t)number);
    put_u32(out, (uint32_t)(number >> 32));
}

struct writer {
    const struct pf_position_deletes *items; /* sorted by path */
    size_t count;
    int64_t row_count;
    struct pf_buf file, page, packed;
};

static int index_width(size_t count) {
    int width = 1;
    while (width < 31 && (size_t)1 << width < count) width++;
    return width;
}

static void put_dictionary(struct writer *writer, struct column *column) {
    pf_buf_reset(&writer->page);
    for (size_t i = 0; i < writer->count; i++) {
        put_u32(&writer->page, (uint32_t)writer->items[i].path.len);
        pf_buf_put_str(&writer->page, writer->items[i].path);
    }
    column->dictionary_offset = (int64_t)writer->file.len;
    put_page(&writer->file, column, PAGE_DICTIONARY, pf_buf_view(&writer->page), (int64_t)writer->count, ENCODING_PLAIN,
             &writer->packed);
}

/* Runs: the number of rows, then the number of the path. */
static void put_path_pages(struct writer *writer, struct column *column) {
    int width = index_width(writer->count);
    size_t at = 0;
    int64_t left = writer->count ? pf_row_set_count(writer->items[0].rows) : 0;
    column->data_offset = (int64_t)writer->file.len;
    for (int64_t done = 0; done < writer->row_count;) {
        int64_t wanted = writer->row_count - done < PAGE_ROWS ? writer->row_count - done : PAGE_ROWS;
        pf_buf_reset(&writer->page);
        pf_buf_put_char(&writer->page, (char)width);
        for (int64_t in_page = 0; in_page < wanted;) {
            int64_t run = left < wanted - in_page ? left : wanted - in_page;
            if (run) put_varint(&writer->page, (uint64_t)run << 1);
            for (int shift = 0; run && shift < width; shift += 8) pf_buf_put_char(&writer->page, (char)(at >> shift));
            in_page += run;
            left -= run;
            if (left == 0 && at + 1 < writer->count) left = pf_row_set_count(writer->items[++at].rows);
        }
        put_page(&writer->file, column, PAGE_DATA, pf_buf_view(&writer->page), wanted, ENCODING_RLE_DICTIONARY,
                 &writer->packed);
        done += wanted;
    }
}

static void put_position_pages(struct writer *writer, struct column *column) {
    int64_t in_page = 0, least = INT64_MAX, most = -1;
    pf_buf_reset(&writer->page);
    column->data_offset = (int64_t)writer->file.len;
    for (size_t i = 0; i < writer->count; i++) {
        const struct pf_row_set *rows = writer->items[i].rows;
        for (int64_t at = pf_row_set_next(rows, 0); at >= 0; at = pf_row_set_next(rows, at + 1)) {
            put_u64(&writer->page, (uint64_t)at);
            if (at < least) least = at;
            if (at > most) most = at;
            if (++in_page < PAGE_ROWS) continue;
            put_page(&writer->file, column, PAGE_DATA, pf_buf_view(&writer->page), in_page, ENCODING_PLAIN,
                     &writer->packed);
            pf_buf_reset(&writer->page);
            in_page = 0;
        }
    }
    if (in_page) {
        put_page(&writer->file, column, PAGE_DATA, pf_buf_view(&writer->page), in_page, ENCODING_PLAIN,
                 &writer->packed);
    }
    pf_buf_reset(&writer->page); /* holds the bounds from now on */
    put_u64(&writer->page, (uint64_t)least);
    put_u64(&writer->page, (uint64_t)most);
    column->min = pf_str_from(writer->page.ptr, 8);
    column->max = pf_str_from(writer->page.ptr + 8, 8);
}

/* ---- footer ---- */

static void put_schema_column(struct thrift *list, const char *name, int type, int32_t id, bool is_text) {
    struct thrift element = {list->out, 0};
    put_int(&element, 1, THRIFT_I32, type);
    put_int(&element, 3, THRIFT_I32, 0); /* required */
    put_text(&element, 4, pf_str_from_cstr(name));
    if (is_text) put_int(&element, 6, THRIFT_I32, CONVERTED_UTF8);
    put_int(&element, 9, THRIFT_I32, id);
    if (is_text) {
        struct thrift logical = open_struct(&element, 10);
        struct thrift string = open_struct(&logical, 1);
        close_struct(&string);
        close_struct(&logical);
    }
    close_struct(&element);
}

static void put_schema(struct thrift *footer) {
    put_list(footer, 2, THRIFT_STRUCT, 3);
    struct thrift root = {footer->out, 0};
    put_text(&root, 4, PF_STR("table"));
    put_int(&root, 5, THRIFT_I32, 2);
    close_struct(&root);
    put_schema_column(footer, "file_path", TYPE_BYTE_ARRAY, PATH_ID, true);
    put_schema_column(footer, "pos", TYPE_INT64, POSITION_ID, false);
}

static void put_column_chunk(struct thrift *list, const char *name, int type, const struct column *column,
                             int64_t row_count) {
    struct thrift chunk = {list->out, 0};
    bool has_dictionary = column->dictionary_offset >= 0;
    put_int(&chunk, 2, THRIFT_I64, has_dictionary ? column->dictionary_offset : column->data_offset);
    struct thrift meta = open_struct(&chunk, 3);
    put_int(&meta, 1, THRIFT_I32, type);
    put_list(&meta, 2, THRIFT_I32, has_dictionary ? 2 : 1);
    put_varint(meta.out, (uint64_t)(has_dictionary ? ENCODING_RLE_DICTIONARY : ENCODING_PLAIN) << 1);
    if (has_dictionary) put_varint(meta.out, (uint64_t)ENCODING_PLAIN << 1);
    put_list(&meta, 3, THRIFT_BINARY, 1);
    put_varint(meta.out, strlen(name));
    pf_buf_put_cstr(meta.out, name);
    put_int(&meta, 4, THRIFT_I32, CODEC_ZSTD);
    put_int(&meta, 5, THRIFT_I64, row_count);
    put_int(&meta, 6, THRIFT_I64, column->plain_bytes);
    put_int(&meta, 7, THRIFT_I64, column->file_bytes);
    put_int(&meta, 9, THRIFT_I64, column->data_offset);
    if (has_dictionary) put_int(&meta, 11, THRIFT_I64, column->dictionary_offset);
    struct thrift stats = open_struct(&meta, 12);
    put_int(&stats, 3, THRIFT_I64, 0); /* nulls */
    put_text(&stats, 5, column->max);
    put_text(&stats, 6, column->min);
    close_struct(&stats);
    close_struct(&meta);
    close_struct(&chunk);
}

static void put_footer(struct writer *writer, const struct column *paths, const struct column *positions) {
    size_t from = writer->file.len;
    struct thrift footer = {&writer->file, 0};
    put_int(&footer, 1, THRIFT_I32, 2); /* version */
    put_schema(&footer);
    put_int(&footer, 3, THRIFT_I64, writer->row_count);
    put_list(&footer, 4, THRIFT_STRUCT, 1);
    struct thrift group = {&writer->file, 0};
    put_list(&group, 1, THRIFT_STRUCT, 2);
    put_column_chunk(&group, "file_path", TYPE_BYTE_ARRAY, paths, writer->row_count);
    put_column_chunk(&group, "pos", TYPE_INT64, positions, writer->row_count);
    put_int(&group, 2, THRIFT_I64, paths->plain_bytes + positions->plain_bytes);
    put_int(&group, 3, THRIFT_I64, writer->row_count);
    close_struct(&group);
    put_list(&footer, 5, THRIFT_STRUCT, 1);
    struct thrift pair = {&writer->file, 0};
    put_text(&pair, 1, PF_STR("delete-type"));
    put_text(&pair, 2, PF_STR("position"));
    close_struct(&pair);
    put_text(&footer, 6, PF_STR("PuffinDB"));
    put_list(&footer, 7, THRIFT_STRUCT, 2); /* both columns are ordered by their type */
    for (int i = 0; i < 2; i++) {
        struct thrift order = {&writer->file, 0};
        struct thrift by_type = open_struct(&order, 1);
        close_struct(&by_type);
        close_struct(&order);
    }
    close_struct(&footer);
    put_u32(&writer->file, (uint32_t)(writer->file.len - from));
    pf_buf_put_cstr(&writer->file, "PAR1");
}

/* ---- the file ---- */

static int compare_paths(const void *a, const void *b) {
    const struct pf_position_deletes *x = a, *y = b;
    return pf_str_compare(x->path, y->path);
}

static void set_stats(struct pf_data_file *entry, const struct writer *writer, const struct column *paths,
                      const struct column *positions, struct pf_arena *arena) {
    struct pf_column_stats *stats = PF_ARENA_ARRAY(arena, struct pf_column_stats, 2);
    stats[0] = (struct pf_column_stats){.field_id = POSITION_ID,
                                        .size_bytes = positions->file_bytes,
                                        .value_count = writer->row_count,
                                        .nan_count = -1,
                                        .lower = pf_arena_str(arena, positions->min),
                                        .upper = pf_arena_str(arena, positions->max)};
    stats[1] = (struct pf_column_stats){.field_id = PATH_ID,
                                        .size_bytes = paths->file_bytes,
                                        .value_count = writer->row_count,
                                        .nan_count = -1,
                                        .lower = pf_arena_str(arena, paths->min),
                                        .upper = pf_arena_str(arena, paths->max)};
    *entry = (struct pf_data_file){
        .status = PF_ENTRY_ADDED,
        .content = PF_FILE_POSITION_DELETES,
        .format = PF_STR("PARQUET"),
        .record_count = writer->row_count,
        .size_bytes = (int64_t)writer->file.len,
        .columns = stats,
        .column_count = 2,
        .sort_order_id = -1,
        .content_offset = -1,
        .content_size_bytes = -1,
        .first_row_id = -1,
    };
    if (writer->count == 1) entry->referenced_data_file = pf_arena_str(arena, writer->items[0].path);
}

enum pf_code pf_position_deletes_write(struct pf_position_deletes *deletes, size_t count, struct pf_arena *arena,
                                       pf_str *out_file, struct pf_data_file *out_entry, struct pf_error *err) {
    struct writer writer = {.items = deletes, .count = count};
    struct column paths = {.dictionary_offset = -1}, positions = {.dictionary_offset = -1};
    pf_str file;
    if (!count || count > MAX_PATHS) PF_FAIL(err, PF_INVALID, "a delete file for %zu data files", count);
    qsort(deletes, count, sizeof *deletes, compare_paths);
    for (size_t i = 0; i < count; i++) {
        if (!pf_row_set_count(deletes[i].rows)) {
            PF_FAIL(err, PF_INVALID, "a delete file without rows of '%.*s'", PF_STR_ARG(deletes[i].path));
        }
        writer.row_count += pf_row_set_count(deletes[i].rows);
    }
    pf_buf_init(&writer.file, MAX_FILE_BYTES);
    pf_buf_init(&writer.page, MAX_FILE_BYTES);
    pf_buf_init(&writer.packed, MAX_FILE_BYTES);
    pf_buf_put_cstr(&writer.file, "PAR1");
    put_dictionary(&writer, &paths);
    put_path_pages(&writer, &paths);
    paths.min = deletes[0].path;
    paths.max = deletes[count - 1].path;
    put_position_pages(&writer, &positions);
    put_footer(&writer, &paths, &positions);
    enum pf_code code = pf_buf_finish(&writer.file, "position delete file", &file, err);
    if (code == PF_OK) {
        set_stats(out_entry, &writer, &paths, &positions, arena);
        *out_file = pf_arena_str(arena, file);
    }
    pf_buf_clear(&writer.file);
    pf_buf_clear(&writer.page);
    pf_buf_clear(&writer.packed);
    return code;
}
