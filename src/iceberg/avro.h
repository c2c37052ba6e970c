/* SPDX-License-Identifier: MIT */
/* Avro object container files, as far as manifests need them: schemas with Iceberg's field ids, a cursor over the
 * binary encoding, blocks of any codec; and a writer.
 *
 * Everything read is foreign: counts and lengths are checked against the bytes that are left, depth is limited. A
 * cursor that met something wrong is `failed` and gives zeros from then on; callers look once per record. */
#ifndef PF_ICEBERG_AVRO_H
#define PF_ICEBERG_AVRO_H

#include "iceberg/codec.h"

enum avro_kind {
    AVRO_NULL,
    AVRO_BOOLEAN,
    AVRO_INT,
    AVRO_LONG,
    AVRO_FLOAT,
    AVRO_DOUBLE,
    AVRO_BYTES,
    AVRO_STRING,
    AVRO_FIXED,
    AVRO_ENUM,
    AVRO_ARRAY,
    AVRO_MAP,
    AVRO_RECORD,
    AVRO_UNION
};

struct avro_type;
struct avro_field {
    pf_str name;
    int id; /* field-id, element-id, key-id, value-id; -1: none */
    const struct avro_type *type;
};
struct avro_type {
    enum avro_kind kind;
    pf_str name;               /* record, fixed, enum: without the namespace */
    size_t size;               /* FIXED */
    struct avro_field *fields; /* RECORD: fields; UNION: branches; ARRAY, MAP: one */
    size_t field_count;
    bool is_decimal; /* BYTES, FIXED: big-endian unscaled number */
};

enum pf_code avro_schema_parse(pf_str json, struct pf_arena *arena, const struct avro_type **out_type,
                               struct pf_error *err) PF_MUST_CHECK;

struct avro_cursor {
    const unsigned char *at, *end;
    const char *failed; /* what is wrong; NULL: nothing */
    size_t steps_left;  /* so that types without bytes (null, empty records) can't be nested into endless work */
};

struct avro_cursor avro_cursor_over(pf_str bytes);
void avro_fail(struct avro_cursor *cursor, const char *why);
int64_t avro_take_wide_long(struct avro_cursor *cursor);
/* A zigzag varint. One and two bytes, which is nearly all that manifests have, are read where they are asked for. */
static inline int64_t avro_take_long(struct avro_cursor *cursor) {
    const unsigned char *at = cursor->at;
    if (cursor->end - at < 2 || (at[0] & at[1] & 0x80)) return avro_take_wide_long(cursor);
    uint64_t number = at[0];
    cursor->at = at + 1;
    if (number & 0x80) {
        number = (number & 0x7f) | (uint64_t)at[1] << 7;
        cursor->at = at + 2;
    }
    return (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
}
/* Length and bytes. */
static inline pf_str avro_take_bytes(struct avro_cursor *cursor) {
    int64_t length = avro_take_long(cursor);
    if (length < 0 || length > cursor->end - cursor->at) {
        avro_fail(cursor, length < 0 ? "a negative length" : "data ends too early");
        return PF_STR("");
    }
    pf_str bytes = {(const char *)cursor->at, (size_t)length};
    cursor->at += length;
    return bytes;
}
void avro_skip(struct avro_cursor *cursor, const struct avro_type *type);

/* Values through the writer's type, unions with null included. NULL gives false (and 0, empty). */
bool avro_take_i64(struct avro_cursor *cursor, const struct avro_type *type, int64_t *out_number); /* int, long */
bool avro_take_bool(struct avro_cursor *cursor, const struct avro_type *type, bool *out_value);
/* string, bytes, fixed */
bool avro_take_str(struct avro_cursor *cursor, const struct avro_type *type, pf_str *out_bytes);
const struct avro_type *avro_take_union(struct avro_cursor *cursor, const struct avro_type *type);
/* Leaves the cursor at the value: NULL if it is null, else the branch's type. */
static inline const struct avro_type *avro_take_branch(struct avro_cursor *cursor, const struct avro_type *type) {
    if (type->kind == AVRO_UNION) return avro_take_union(cursor, type);
    return type->kind == AVRO_NULL || cursor->failed ? NULL : type;
}

/* Items that are a number, and a number or bytes: Avro has no maps with integer keys. `*out_is_bytes`: of the values. */
bool avro_is_pair(const struct avro_type *item, bool *out_is_bytes);
void avro_skip_pairs(struct avro_cursor *cursor, size_t count, bool is_bytes);

/* Items of an array block by block: while ((n = avro_take_block(cursor))) for each of n: ...; counts that are negative
 * (followed by a size) are handled, and none is above the bytes left. 0: the end, or failed. */
size_t avro_take_block(struct avro_cursor *cursor);

struct avro_meta {
    pf_str key, value;
};
struct avro_file {
    const struct avro_type *schema;
    struct avro_meta *meta;
    size_t meta_count;
    enum codec codec;
    pf_str sync;
    struct avro_cursor rest; /* the blocks */
    size_t unpacked_bytes;   /* so far, against a limit per file */
};
enum pf_code avro_file_open(pf_str bytes, struct pf_arena *arena, struct avro_file *out_file, struct pf_error *err)
    PF_MUST_CHECK;
pf_str avro_file_meta(const struct avro_file *file, pf_str key); /* empty: not there */
/* The next block, unpacked into the arena. `*out_count` 0: the end. */
enum pf_code avro_file_next_block(struct avro_file *file, struct pf_arena *arena, size_t *out_count,
                                  struct avro_cursor *out_cursor, struct pf_error *err) PF_MUST_CHECK;

/* The same in two steps, for blocks that several threads unpack. */
struct avro_block {
    size_t count; /* of records; not checked yet */
    pf_str packed;
};
/* The next block as it lies in the file. `out_block->count` 0: the end. */
enum pf_code avro_file_next_packed(struct avro_file *file, struct avro_block *out_block, struct pf_error *err)
    PF_MUST_CHECK;
/* Over the scratch, where it lasts until the next one, or right over the file if that is not compressed. At most
 * `max_bytes`. */
enum pf_code avro_block_open(const struct avro_block *block, enum codec codec, size_t max_bytes, struct pf_buf *scratch,
                             struct avro_cursor *out_cursor, struct pf_error *err) PF_MUST_CHECK;
/* What the blocks of one file may unpack to in all. */
#define AVRO_MAX_FILE_BYTES ((size_t)2 << 30)

/* ---- writing ---- */

struct avro_writer {
    struct pf_buf file, block;
    size_t block_count;
    unsigned char sync[16];
    enum pf_code code; /* the first failure */
};
void avro_writer_open(struct avro_writer *writer, pf_str schema, const struct avro_meta *meta, size_t meta_count,
                      pf_str sync_seed);
void avro_put_long(struct pf_buf *out, int64_t number);
void avro_put_bytes(struct pf_buf *out, pf_str bytes);
/* After the record's values were put into writer->block. */
void avro_writer_end_record(struct avro_writer *writer);
/* Moves the file into the arena and frees the writer, whatever happened. */
enum pf_code avro_writer_close(struct avro_writer *writer, struct pf_arena *arena, pf_str *out_bytes,
                               struct pf_error *err) PF_MUST_CHECK;

#endif
