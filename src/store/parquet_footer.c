/* SPDX-License-Identifier: MIT */
#include "store/parquet_footer.h"

#include <string.h>

/* Far above what writers make; below them nothing in here overflows. */
enum { MAX_DEPTH = 64, MAX_LEAVES = 1 << 20, MAX_GROUPS = 1 << 20, MAX_PLACES = 16 << 20 };

/* ---- thrift's compact protocol ---- */

enum wire_type {
    WIRE_STOP,
    WIRE_TRUE,
    WIRE_FALSE,
    WIRE_BYTE,
    WIRE_I16,
    WIRE_I32,
    WIRE_I64,
    WIRE_DOUBLE,
    WIRE_BINARY,
    WIRE_LIST,
    WIRE_SET,
    WIRE_MAP,
    WIRE_STRUCT
};

struct reader {
    const unsigned char *at, *end;
    bool failed; /* from then on everything reads as 0 and empty */
};

static uint64_t fail(struct reader *reader) {
    reader->failed = true;
    reader->at = reader->end;
    return 0;
}

static unsigned read_byte(struct reader *reader) {
    if (reader->at == reader->end) return (unsigned)fail(reader);
    return *reader->at++;
}

static uint64_t read_varint(struct reader *reader) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        unsigned byte = read_byte(reader);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return value;
    }
    return fail(reader);
}

static int64_t read_number(struct reader *reader) {
    uint64_t value = read_varint(reader);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static pf_str read_binary(struct reader *reader) {
    uint64_t length = read_varint(reader);
    if (length > (uint64_t)(reader->end - reader->at)) fail(reader);
    if (reader->failed) return PF_STR_EMPTY;
    pf_str text = pf_str_from((const char *)reader->at, length);
    reader->at += length;
    return text;
}

/* A list's element takes a byte at least, so a count beyond the rest is a lie. */
static size_t read_list(struct reader *reader, enum wire_type *out_type) {
    unsigned head = read_byte(reader);
    uint64_t count = head >> 4;
    *out_type = (enum wire_type)(head & 15);
    if (count == 15) count = read_varint(reader);
    if (count > (uint64_t)(reader->end - reader->at)) fail(reader);
    return reader->failed ? 0 : (size_t)count;
}

/* The next field of a struct; false at its end. `*id` is the field before, 0 at first. */
static bool read_field(struct reader *reader, int *id, enum wire_type *out_type) {
    unsigned head = read_byte(reader);
    if (reader->failed || (head & 15) == WIRE_STOP) return false;
    *out_type = (enum wire_type)(head & 15);
    int64_t next = head >> 4 ? *id + (int64_t)(head >> 4) : read_number(reader);
    if (next < 1 || next > INT16_MAX) return (bool)fail(reader);
    *id = (int)next;
    return !reader->failed;
}

static void skip(struct reader *reader, enum wire_type type, int depth);

static void skip_struct(struct reader *reader, int depth) {
    enum wire_type type;
    for (int id = 0; read_field(reader, &id, &type);) skip(reader, type, depth + 1);
}

static void skip_list(struct reader *reader, int depth) {
    enum wire_type type;
    size_t count = read_list(reader, &type);
    /* In lists a truth value takes a byte; as a field it is in the type. */
    for (size_t i = 0; i < count && !reader->failed; i++) {
        if (type == WIRE_TRUE || type == WIRE_FALSE) {
            read_byte(reader);
        } else {
            skip(reader, type, depth + 1);
        }
    }
}

static void skip_map(struct reader *reader, int depth) {
    uint64_t count = read_varint(reader);
    if (!count) return;
    unsigned types = read_byte(reader);
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        skip(reader, (enum wire_type)(types >> 4), depth + 1);
        skip(reader, (enum wire_type)(types & 15), depth + 1);
    }
}

static void skip(struct reader *reader, enum wire_type type, int depth) {
    if (depth > MAX_DEPTH) fail(reader);
    if (reader->failed) return;
    switch (type) {
    case WIRE_TRUE:
    case WIRE_FALSE: return;
    case WIRE_BYTE: read_byte(reader); return;
    case WIRE_I16:
    case WIRE_I32:
    case WIRE_I64: read_varint(reader); return;
    case WIRE_DOUBLE:
        if (reader->end - reader->at < 8) {
            fail(reader);
        } else {
            reader->at += 8;
        }
        return;
    case WIRE_BINARY: read_binary(reader); return;
    case WIRE_LIST:
    case WIRE_SET: skip_list(reader, depth); return;
    case WIRE_MAP: skip_map(reader, depth); return;
    case WIRE_STRUCT: skip_struct(reader, depth); return;
    default: fail(reader);
    }
}

static bool is_integer(enum wire_type type) {
    return type == WIRE_I16 || type == WIRE_I32 || type == WIRE_I64;
}

/* ---- the schema ---- */

struct element {
    pf_str name;
    int64_t child_count, field_id;
};

static struct element read_element(struct reader *reader) {
    struct element element = {.field_id = -1};
    enum wire_type type;
    for (int id = 0; read_field(reader, &id, &type);) {
        if (id == 4 && type == WIRE_BINARY) {
            element.name = read_binary(reader);
        } else if (id == 5 && is_integer(type)) {
            element.child_count = read_number(reader);
        } else if (id == 9 && is_integer(type)) {
            element.field_id = read_number(reader);
        } else {
            skip(reader, type, 0);
        }
    }
    return element;
}

/* The elements are the tree in depth-first order, the root first. */
static void read_schema(struct reader *reader, struct pf_arena *arena, struct parquet_footer *footer) {
    enum wire_type type;
    size_t count = read_list(reader, &type), capacity = 0, left_at[MAX_DEPTH], depth = 0;
    struct parquet_leaf top = {0};
    if (type != WIRE_STRUCT || count == 0) fail(reader);
    for (size_t i = 0; i < count && !reader->failed; i++) {
        struct element element = read_element(reader);
        if (element.child_count < 0 || element.child_count > (int64_t)count) fail(reader);
        if (reader->failed) return;
        if (i > 0) {
            while (depth > 0 && left_at[depth - 1] == 0) depth--;
            if (depth == 0) {
                fail(reader);
                return;
            }
            left_at[depth - 1]--;
            if (depth == 1) top = (struct parquet_leaf){pf_arena_str(arena, element.name), (int)element.field_id};
            if (!element.child_count) {
                PF_ARENA_PUSH(arena, footer->leaves, footer->leaf_count, capacity) = top;
                continue;
            }
        }
        if (depth == MAX_DEPTH) fail(reader);
        if (!reader->failed) left_at[depth++] = (size_t)element.child_count;
    }
    if (footer->leaf_count > MAX_LEAVES) fail(reader);
}

/* ---- row groups ---- */

struct chunk {
    int64_t data_offset, dictionary_offset, size_bytes, filter_offset, filter_bytes;
    bool is_elsewhere;
};

static void read_chunk_metadata(struct reader *reader, struct chunk *chunk) {
    enum wire_type type;
    for (int id = 0; read_field(reader, &id, &type);) {
        int64_t *target = id == 7    ? &chunk->size_bytes
                          : id == 9  ? &chunk->data_offset
                          : id == 11 ? &chunk->dictionary_offset
                          : id == 14 ? &chunk->filter_offset
                          : id == 15 ? &chunk->filter_bytes
                                     : NULL;
        if (target && is_integer(type)) {
            *target = read_number(reader);
        } else {
            skip(reader, type, 0);
        }
    }
}

static struct chunk read_chunk(struct reader *reader) {
    struct chunk chunk = {0};
    enum wire_type type;
    for (int id = 0; read_field(reader, &id, &type);) {
        if (id == 3 && type == WIRE_STRUCT) {
            read_chunk_metadata(reader, &chunk);
        } else {
            chunk.is_elsewhere |= id == 1;
            skip(reader, type, 0);
        }
    }
    return chunk;
}

/* As DuckDB does: a dictionary page, if there is one, lies before the data pages. */
static void place_chunk(const struct chunk *chunk, struct parquet_group *group, size_t leaf) {
    int64_t start = chunk->data_offset;
    if (chunk->dictionary_offset > 0 && chunk->dictionary_offset < start) start = chunk->dictionary_offset;
    group->chunks[leaf] = (struct parquet_place){start, chunk->size_bytes};
    if (chunk->filter_offset > 0) {
        group->filters[leaf] = (struct parquet_place){chunk->filter_offset, chunk->filter_bytes};
    }
}

struct file {
    struct parquet_footer *footer;
    int64_t end; /* of the data: where the footer starts */
    enum pf_code code;
    const char *problem;
};

static void refuse(struct reader *reader, struct file *file, enum pf_code code, const char *problem) {
    file->code = code;
    file->problem = problem;
    fail(reader);
}

static void read_columns(struct reader *reader, struct file *file, struct parquet_group *group,
                         struct pf_arena *arena) {
    enum wire_type type;
    size_t count = read_list(reader, &type), leaf_count = file->footer->leaf_count;
    if (reader->failed) return;
    if (type != WIRE_STRUCT || count != leaf_count) {
        refuse(reader, file, PF_CORRUPT, "a row group does not have the schema's columns");
        return;
    }
    group->chunks = PF_ARENA_ARRAY(arena, struct parquet_place, leaf_count);
    group->filters = PF_ARENA_ARRAY(arena, struct parquet_place, leaf_count);
    for (size_t i = 0; i < count && !reader->failed; i++) {
        struct chunk chunk = read_chunk(reader);
        if (reader->failed) return;
        if (chunk.is_elsewhere) {
            refuse(reader, file, PF_UNSUPPORTED, "its columns lie in other files");
        } else {
            place_chunk(&chunk, group, i);
        }
    }
}

static void read_group(struct reader *reader, struct file *file, struct parquet_group *group, struct pf_arena *arena) {
    enum wire_type type;
    for (int id = 0; read_field(reader, &id, &type);) {
        if (id == 1 && type == WIRE_LIST) {
            read_columns(reader, file, group, arena);
        } else if (id == 3 && is_integer(type)) {
            group->row_count = read_number(reader);
        } else {
            skip(reader, type, 0);
        }
    }
    if (!group->chunks || group->row_count < 0) fail(reader);
}

static void read_groups(struct reader *reader, struct file *file, struct pf_arena *arena) {
    enum wire_type type;
    struct parquet_footer *footer = file->footer;
    size_t count = read_list(reader, &type);
    if (count > MAX_GROUPS || (count && (type != WIRE_STRUCT || !footer->leaf_count)) ||
        (footer->leaf_count && count > MAX_PLACES / footer->leaf_count)) {
        fail(reader);
        return;
    }
    footer->groups = PF_ARENA_ARRAY(arena, struct parquet_group, count);
    footer->group_count = count;
    for (size_t i = 0; i < count && !reader->failed; i++) read_group(reader, file, &footer->groups[i], arena);
}

/* ---- whole ---- */

/* Writers of old left the length of a filter out: it ends where the next thing starts. */
static int64_t next_start(const struct parquet_footer *footer, int64_t offset, int64_t end) {
    int64_t next = end;
    for (size_t g = 0; g < footer->group_count; g++) {
        for (size_t i = 0; i < footer->leaf_count; i++) {
            int64_t chunk = footer->groups[g].chunks[i].offset, filter = footer->groups[g].filters[i].offset;
            if (chunk > offset && chunk < next) next = chunk;
            if (filter > offset && filter < next) next = filter;
        }
    }
    return next;
}

static bool is_inside(const struct parquet_place *place, int64_t end) {
    return place->length >= 0 && place->offset >= 0 && place->offset <= end && place->length <= end - place->offset;
}

static enum pf_code check_places(struct parquet_footer *footer, int64_t end, struct pf_error *err) {
    for (size_t g = 0; g < footer->group_count; g++) {
        struct parquet_group *group = &footer->groups[g];
        if (group->row_count > INT64_MAX - footer->row_count) PF_FAIL(err, PF_CORRUPT, "it has too many rows");
        footer->row_count += group->row_count;
        for (size_t i = 0; i < footer->leaf_count; i++) {
            struct parquet_place *filter = &group->filters[i];
            if (filter->offset > 0 && filter->offset < end && !filter->length) {
                filter->length = next_start(footer, filter->offset, end) - filter->offset;
            }
            if (!is_inside(&group->chunks[i], end) || !is_inside(filter, end)) {
                PF_FAIL(err, PF_CORRUPT, "column '%.*s' of row group %zu lies outside the file",
                        PF_STR_ARG(footer->leaves[i].column), g);
            }
        }
    }
    return PF_OK;
}

enum pf_code parquet_footer_length(pf_str tail, int64_t file_bytes, int64_t *out_length, struct pf_error *err) {
    if (tail.len != PARQUET_TAIL_BYTES || file_bytes < PARQUET_TAIL_BYTES + 4) {
        PF_FAIL(err, PF_CORRUPT, "%lld bytes are too few for a Parquet file", (long long)file_bytes);
    }
    if (memcmp(tail.ptr + 4, "PARE", 4) == 0) PF_FAIL(err, PF_UNSUPPORTED, "it is an encrypted Parquet file");
    if (memcmp(tail.ptr + 4, "PAR1", 4) != 0) PF_FAIL(err, PF_CORRUPT, "it is no Parquet file (no PAR1 at its end)");
    const unsigned char *bytes = (const unsigned char *)tail.ptr;
    int64_t length =
        (int64_t)((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
    length += PARQUET_TAIL_BYTES;
    if (length > file_bytes - 4) PF_FAIL(err, PF_CORRUPT, "its footer is longer than the file");
    *out_length = length;
    return PF_OK;
}

enum pf_code parquet_footer_read(pf_str bytes, int64_t file_bytes, struct pf_arena *arena,
                                 struct parquet_footer *out_footer, struct pf_error *err) {
    struct parquet_footer footer = {0};
    struct reader reader = {(const unsigned char *)bytes.ptr, (const unsigned char *)bytes.ptr + bytes.len, false};
    struct file file = {.footer = &footer, .end = file_bytes - (int64_t)bytes.len - PARQUET_TAIL_BYTES};
    bool has_schema = false, has_groups = false;
    enum wire_type type;
    for (int id = 0; read_field(&reader, &id, &type);) {
        if (id == 2 && type == WIRE_LIST && !has_schema) {
            read_schema(&reader, arena, &footer);
            has_schema = true;
        } else if (id == 4 && type == WIRE_LIST && has_schema && !has_groups) {
            read_groups(&reader, &file, arena);
            has_groups = true;
        } else {
            skip(&reader, type, 0);
        }
    }
    if (file.problem) PF_FAIL(err, file.code, "%s", file.problem);
    if (reader.failed || !has_schema || !has_groups) PF_FAIL(err, PF_CORRUPT, "its footer makes no sense");
    PF_TRY(check_places(&footer, file.end, err));
    *out_footer = footer;
    return PF_OK;
}
