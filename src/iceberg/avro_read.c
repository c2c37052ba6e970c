/* SPDX-License-Identifier: MIT */
#include "iceberg/avro.h"

#include <string.h>

/* The limits are far above any sane manifest: 8 MB is Iceberg's target size, packed. */
enum { MAX_DEPTH = 64, MAX_META = 10000, SYNC_BYTES = 16, MIN_STEPS = 4096 };
static const size_t MAX_BLOCK_BYTES = (size_t)512 << 20;

/* ---- the cursor ---- */

struct avro_cursor avro_cursor_over(pf_str bytes) {
    const unsigned char *start = (const unsigned char *)(bytes.ptr ? bytes.ptr : "");
    return (struct avro_cursor){start, start + bytes.len, NULL, bytes.len * 4 + MIN_STEPS};
}

void avro_fail(struct avro_cursor *cursor, const char *why) {
    if (!cursor->failed) cursor->failed = why;
    cursor->at = cursor->end;
}

static size_t left(const struct avro_cursor *cursor) {
    return (size_t)(cursor->end - cursor->at);
}

int64_t avro_take_wide_long(struct avro_cursor *cursor) {
    uint64_t number = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (cursor->at == cursor->end) {
            avro_fail(cursor, "data ends too early");
            return 0;
        }
        unsigned char byte = *cursor->at++;
        if (shift == 63 && (byte & 0x7e)) break;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
    }
    avro_fail(cursor, "a number of more than 64 bits");
    return 0;
}

static pf_str take_raw(struct avro_cursor *cursor, uint64_t size_bytes) {
    if (size_bytes > left(cursor)) {
        avro_fail(cursor, "data ends too early");
        return PF_STR("");
    }
    pf_str bytes = pf_str_from((const char *)cursor->at, (size_t)size_bytes);
    cursor->at += size_bytes;
    return bytes;
}

size_t avro_take_block(struct avro_cursor *cursor) {
    int64_t count = avro_take_long(cursor);
    if (count < 0) {
        int64_t size_bytes = avro_take_long(cursor);
        if (count == INT64_MIN || size_bytes < 0) {
            avro_fail(cursor, "a bad block count");
            return 0;
        }
        count = -count;
    }
    if (cursor->failed) return 0;
    /* No item of a manifest is empty, so a count above the bytes left is an attack. */
    if ((uint64_t)count > left(cursor)) {
        avro_fail(cursor, "a block count above its bytes");
        return 0;
    }
    if ((uint64_t)count > cursor->steps_left) {
        avro_fail(cursor, "more items than bytes");
        return 0;
    }
    cursor->steps_left -= (size_t)count;
    return (size_t)count;
}

const struct avro_type *avro_take_union(struct avro_cursor *cursor, const struct avro_type *type) {
    for (int depth = 0; type->kind == AVRO_UNION; depth++) {
        int64_t branch = avro_take_long(cursor);
        if (branch < 0 || (uint64_t)branch >= type->field_count || depth > MAX_DEPTH) {
            avro_fail(cursor, "a branch that the union doesn't have");
            return NULL;
        }
        type = type->fields[branch].type;
    }
    return type->kind == AVRO_NULL || cursor->failed ? NULL : type;
}

static bool is_number(const struct avro_type *type) {
    return type->kind == AVRO_INT || type->kind == AVRO_LONG;
}

bool avro_is_pair(const struct avro_type *item, bool *out_is_bytes) {
    if (item->kind != AVRO_RECORD || item->field_count != 2 || !is_number(item->fields[0].type)) return false;
    const struct avro_type *value = item->fields[1].type;
    *out_is_bytes = value->kind == AVRO_BYTES || value->kind == AVRO_STRING;
    return *out_is_bytes || is_number(value);
}

/* A number ends with its only byte below 0x80, so eight bytes are looked at together. */
static void skip_numbers(struct avro_cursor *cursor, size_t count) {
    const uint64_t high_bits = 0x8080808080808080u, ones = 0x0101010101010101u;
    const unsigned char *at = cursor->at, *end = cursor->end;
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        size_t ends = (size_t)(((~word & high_bits) >> 7) * ones >> 56);
        if (ends >= count) break; /* the last one is found byte by byte */
        count -= ends;
        at += 8;
    }
    for (; count > 0 && at < end; at++) count -= *at < 0x80;
    cursor->at = at;
    if (count > 0) avro_fail(cursor, "data ends too early");
}

void avro_skip_pairs(struct avro_cursor *cursor, size_t count, bool is_bytes) {
    const unsigned char *at = cursor->at;
    size_t i = 0;
    if (!is_bytes) {
        skip_numbers(cursor, 2 * count);
        return;
    }
    /* A key and a length of one byte each, as nearly all are. */
    for (; i < count && cursor->end - at >= 2 && !((at[0] | at[1]) & 0x80) && !(at[1] & 1); i++) {
        if (cursor->end - at - 2 < at[1] >> 1) break;
        at += 2 + (at[1] >> 1);
    }
    cursor->at = at;
    for (; i < count && !cursor->failed; i++) {
        avro_take_long(cursor);
        avro_take_bytes(cursor);
    }
}

static void skip_at_depth(struct avro_cursor *cursor, const struct avro_type *type, int depth) {
    if (depth > MAX_DEPTH || cursor->steps_left == 0) {
        avro_fail(cursor, "nested too deep");
        return;
    }
    cursor->steps_left--;
    bool is_bytes;
    switch (type->kind) {
    case AVRO_NULL: break;
    case AVRO_BOOLEAN: take_raw(cursor, 1); break;
    case AVRO_INT:
    case AVRO_LONG:
    case AVRO_ENUM: avro_take_long(cursor); break;
    case AVRO_FLOAT: take_raw(cursor, 4); break;
    case AVRO_DOUBLE: take_raw(cursor, 8); break;
    case AVRO_BYTES:
    case AVRO_STRING: avro_take_bytes(cursor); break;
    case AVRO_FIXED: take_raw(cursor, type->size); break;
    case AVRO_ARRAY:
    case AVRO_MAP:
        if (type->kind == AVRO_ARRAY && avro_is_pair(type->fields[0].type, &is_bytes)) {
            for (size_t count = avro_take_block(cursor); count > 0; count = avro_take_block(cursor)) {
                avro_skip_pairs(cursor, count, is_bytes);
            }
            break;
        }
        for (size_t count = avro_take_block(cursor); count > 0; count = avro_take_block(cursor)) {
            for (size_t i = 0; i < count && !cursor->failed; i++) {
                if (type->kind == AVRO_MAP) avro_take_bytes(cursor);
                skip_at_depth(cursor, type->fields[0].type, depth + 1);
            }
        }
        break;
    case AVRO_RECORD:
        for (size_t i = 0; i < type->field_count && !cursor->failed; i++) {
            skip_at_depth(cursor, type->fields[i].type, depth + 1);
        }
        break;
    case AVRO_UNION: {
        const struct avro_type *branch = avro_take_branch(cursor, type);
        if (branch) skip_at_depth(cursor, branch, depth + 1);
        break;
    }
    }
}

void avro_skip(struct avro_cursor *cursor, const struct avro_type *type) {
    skip_at_depth(cursor, type, 0);
}

bool avro_take_i64(struct avro_cursor *cursor, const struct avro_type *type, int64_t *out_number) {
    type = avro_take_branch(cursor, type);
    *out_number = 0;
    if (!type) return false;
    if (type->kind != AVRO_INT && type->kind != AVRO_LONG) {
        avro_fail(cursor, "a field that should be a number is none");
        return false;
    }
    *out_number = avro_take_long(cursor);
    return !cursor->failed;
}

bool avro_take_bool(struct avro_cursor *cursor, const struct avro_type *type, bool *out_value) {
    type = avro_take_branch(cursor, type);
    *out_value = false;
    if (!type) return false;
    if (type->kind != AVRO_BOOLEAN) {
        avro_fail(cursor, "a field that should be a boolean is none");
        return false;
    }
    pf_str byte = take_raw(cursor, 1);
    *out_value = byte.len && byte.ptr[0] != 0;
    return !cursor->failed;
}

bool avro_take_str(struct avro_cursor *cursor, const struct avro_type *type, pf_str *out_bytes) {
    type = avro_take_branch(cursor, type);
    *out_bytes = PF_STR_EMPTY;
    if (!type) return false;
    if (type->kind == AVRO_FIXED) {
        *out_bytes = take_raw(cursor, type->size);
    } else if (type->kind == AVRO_STRING || type->kind == AVRO_BYTES) {
        *out_bytes = avro_take_bytes(cursor);
    } else {
        avro_fail(cursor, "a field that should be text or bytes is neither");
    }
    return !cursor->failed;
}

/* ---- the container ---- */

static enum pf_code read_meta(struct avro_file *file, struct pf_arena *arena) {
    struct avro_cursor *cursor = &file->rest;
    size_t capacity = 0;
    for (size_t count = avro_take_block(cursor); count > 0; count = avro_take_block(cursor)) {
        for (size_t i = 0; i < count && !cursor->failed && file->meta_count < MAX_META; i++) {
            struct avro_meta meta = {avro_take_bytes(cursor), PF_STR_EMPTY};
            meta.value = avro_take_bytes(cursor);
            PF_ARENA_PUSH(arena, file->meta, file->meta_count, capacity) = meta;
        }
    }
    return cursor->failed ? PF_CORRUPT : PF_OK;
}

enum pf_code avro_file_open(pf_str bytes, struct pf_arena *arena, struct avro_file *out_file, struct pf_error *err) {
    struct avro_file file = {0};
    if (!pf_str_starts_with(bytes, PF_STR("Obj\x01"))) PF_FAIL(err, PF_CORRUPT, "not an Avro file");
    file.rest = avro_cursor_over(pf_str_slice(bytes, 4, bytes.len));
    if (read_meta(&file, arena) != PF_OK) PF_FAIL(err, PF_CORRUPT, "Avro header: %s", file.rest.failed);
    file.sync = take_raw(&file.rest, SYNC_BYTES);
    if (file.rest.failed) PF_FAIL(err, PF_CORRUPT, "Avro header: %s", file.rest.failed);
    PF_TRY(codec_from_name(avro_file_meta(&file, PF_STR("avro.codec")), &file.codec, err));
    PF_TRY(avro_schema_parse(avro_file_meta(&file, PF_STR("avro.schema")), arena, &file.schema, err));
    *out_file = file;
    return PF_OK;
}

pf_str avro_file_meta(const struct avro_file *file, pf_str key) {
    for (size_t i = 0; i < file->meta_count; i++) {
        if (pf_str_equal(file->meta[i].key, key)) return file->meta[i].value;
    }
    return PF_STR_EMPTY;
}

enum pf_code avro_file_next_packed(struct avro_file *file, struct avro_block *out_block, struct pf_error *err) {
    struct avro_cursor *rest = &file->rest;
    *out_block = (struct avro_block){0};
    while (out_block->count == 0) { /* empty blocks are allowed */
        if (rest->at == rest->end) return PF_OK;
        int64_t count = avro_take_long(rest);
        out_block->packed = avro_take_bytes(rest);
        pf_str sync = take_raw(rest, SYNC_BYTES);
        if (count < 0) avro_fail(rest, "a negative number of records");
        if (rest->failed) PF_FAIL(err, PF_CORRUPT, "Avro block: %s", rest->failed);
        if (!pf_str_equal(sync, file->sync)) PF_FAIL(err, PF_CORRUPT, "Avro block: the sync marker is wrong");
        out_block->count = (size_t)count;
    }
    return PF_OK;
}

static enum pf_code set_cursor(const struct avro_block *block, pf_str unpacked, struct avro_cursor *out_cursor,
                               struct pf_error *err) {
    if (block->count > unpacked.len) PF_FAIL(err, PF_CORRUPT, "Avro block: more records than bytes");
    *out_cursor = avro_cursor_over(unpacked);
    return PF_OK;
}

enum pf_code avro_block_open(const struct avro_block *block, enum codec codec, size_t max_bytes, struct pf_buf *scratch,
                             struct avro_cursor *out_cursor, struct pf_error *err) {
    if (codec == CODEC_NULL) return set_cursor(block, block->packed, out_cursor, err);
    pf_buf_reset(scratch);
    scratch->max_bytes = max_bytes < MAX_BLOCK_BYTES ? max_bytes : MAX_BLOCK_BYTES;
    PF_TRY(codec_decompress_into(codec, block->packed, scratch, err));
    return set_cursor(block, pf_buf_view(scratch), out_cursor, err);
}

enum pf_code avro_file_next_block(struct avro_file *file, struct pf_arena *arena, size_t *out_count,
                                  struct avro_cursor *out_cursor, struct pf_error *err) {
    struct avro_block block;
    pf_str unpacked = PF_STR("");
    size_t max = AVRO_MAX_FILE_BYTES - file->unpacked_bytes;
    PF_TRY(avro_file_next_packed(file, &block, err));
    if (block.count) {
        if (max > MAX_BLOCK_BYTES) max = MAX_BLOCK_BYTES;
        PF_TRY(codec_decompress(file->codec, block.packed, max, arena, &unpacked, err));
        file->unpacked_bytes += unpacked.len;
        PF_TRY(set_cursor(&block, unpacked, out_cursor, err));
    }
    *out_count = block.count;
    return PF_OK;
}
