/* SPDX-License-Identifier: MIT */
/* Puffin files: Magic, blobs …, Magic, FooterPayload, its size, Flags, Magic (Puffin spec). */
#include "base/json.h"
#include "iceberg/iceberg.h"

#include <lz4frame.h>
#include <string.h>

enum { MAGIC_BYTES = 4, TAIL_BYTES = 12, FLAG_COMPRESSED = 1, MAX_FOOTER_BYTES = 64 << 20, MAX_FILE_BYTES = 1 << 30 };
enum { ROW_POSITION_FIELD = 2147483545 }; /* the metadata column _pos */
static const char MAGIC[MAGIC_BYTES] = {'P', 'F', 'A', '1'};

static uint32_t get_u32(const char *bytes) {
    uint32_t number = 0;
    for (int i = 3; i >= 0; i--) number = number << 8 | (unsigned char)bytes[i];
    return number;
}

static enum pf_code decompress(pf_str payload, struct pf_buf *out, struct pf_error *err) {
    LZ4F_dctx *context = NULL;
    size_t left = 1, at = 0;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) PF_FAIL(err, PF_NO_MEMORY, "LZ4");
    while (left != 0 && !LZ4F_isError(left)) {
        char *room = pf_buf_reserve(out, 64 << 10);
        size_t made = 64 << 10, used = payload.len - at;
        if (!room) break;
        left = LZ4F_decompress(context, room, &made, payload.ptr + at, &used, NULL);
        out->len += made;
        at += used;
        if (made == 0 && used == 0) break;
    }
    LZ4F_freeDecompressionContext(context);
    if (left != 0 || at != payload.len) PF_FAIL(err, PF_CORRUPT, "the footer can't be decompressed");
    return PF_OK;
}

static enum pf_code read_blobs(pf_str json, pf_str file, struct pf_arena *arena, struct pf_puffin *puffin,
                               struct pf_error *err) {
    pf_json *root;
    enum pf_code code = pf_json_parse(json, arena, "footer", &root, err);
    if (code != PF_OK) return pf_error_wrap(err, PF_CORRUPT, "its footer is no JSON");
    pf_json *list = pf_json_get(root, "blobs");
    if (!list) PF_FAIL(err, PF_CORRUPT, "its footer names no blobs");
    puffin->blobs = PF_ARENA_ARRAY(arena, struct pf_puffin_blob, pf_json_count(list));
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        pf_json *properties = pf_json_get(each.value, "properties");
        struct pf_puffin_blob blob = {
            .type = pf_json_get_str(each.value, "type", PF_STR_EMPTY),
            .compression = pf_json_get_str(each.value, "compression-codec", PF_STR_EMPTY),
            .snapshot_id = pf_json_get_i64(each.value, "snapshot-id", -1),
            .sequence_number = pf_json_get_i64(each.value, "sequence-number", -1),
            .offset = pf_json_get_i64(each.value, "offset", -1),
            .size_bytes = pf_json_get_i64(each.value, "length", -1),
            .referenced_data_file = pf_json_get_str(properties, "referenced-data-file", PF_STR_EMPTY),
            .cardinality = pf_json_get_i64(properties, "cardinality", -1),
        };
        bool is_inside = blob.offset >= MAGIC_BYTES && blob.size_bytes >= 0 && blob.size_bytes <= (int64_t)file.len &&
                         blob.offset <= (int64_t)file.len - blob.size_bytes;
        if (!is_inside) PF_FAIL(err, PF_CORRUPT, "blob %zu lies outside the file", each.index);
        puffin->blobs[puffin->blob_count++] = blob;
    }
    return PF_OK;
}

static enum pf_code read_footer(pf_str file, struct pf_arena *arena, struct pf_puffin *puffin, struct pf_error *err) {
    if (file.len < 2 * MAGIC_BYTES + TAIL_BYTES || memcmp(file.ptr, MAGIC, MAGIC_BYTES) != 0 ||
        memcmp(file.ptr + file.len - MAGIC_BYTES, MAGIC, MAGIC_BYTES) != 0) {
        PF_FAIL(err, PF_CORRUPT, "it does not begin and end with PFA1");
    }
    const char *tail = file.ptr + file.len - TAIL_BYTES;
    size_t size_bytes = get_u32(tail), room = file.len - 2 * MAGIC_BYTES - TAIL_BYTES;
    uint32_t flags = get_u32(tail + 4);
    if (size_bytes > room || memcmp(tail - size_bytes - MAGIC_BYTES, MAGIC, MAGIC_BYTES) != 0) {
        PF_FAIL(err, PF_CORRUPT, "its footer has no beginning");
    }
    pf_str payload = pf_str_from(tail - size_bytes, size_bytes);
    if (flags & ~(uint32_t)FLAG_COMPRESSED) PF_FAIL(err, PF_UNSUPPORTED, "its footer has the unknown flags %x", flags);
    if (flags & FLAG_COMPRESSED) {
        struct pf_buf plain;
        pf_buf_init(&plain, MAX_FOOTER_BYTES);
        enum pf_code code = decompress(payload, &plain, err);
        if (code == PF_OK) payload = pf_arena_str(arena, pf_buf_view(&plain));
        pf_buf_clear(&plain);
        PF_TRY(code);
    }
    return read_blobs(payload, file, arena, puffin, err);
}

enum pf_code pf_puffin_read(pf_str file, pf_str path, struct pf_arena *arena, struct pf_puffin *out_puffin,
                            struct pf_error *err) {
    struct pf_puffin puffin = {0};
    enum pf_code code = read_footer(file, arena, &puffin, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "Puffin file '%.*s'", PF_STR_ARG(path));
    *out_puffin = puffin;
    return PF_OK;
}

/* ---- writing ---- */

static void put_vector(struct pf_json_out *json, const struct pf_puffin_vector *vector, struct pf_arena *arena) {
    pf_json_open_object(json);
    pf_json_field_str(json, "type", PF_STR("deletion-vector-v1"));
    pf_json_key(json, "fields");
    pf_json_open_array(json);
    pf_json_put_i64(json, ROW_POSITION_FIELD);
    pf_json_close_array(json);
    pf_json_field_i64(json, "snapshot-id", -1); /* both are inherited from the manifest's entry */
    pf_json_field_i64(json, "sequence-number", -1);
    pf_json_field_i64(json, "offset", vector->out_offset);
    pf_json_field_i64(json, "length", (int64_t)vector->blob.len);
    pf_json_key(json, "properties");
    pf_json_open_object(json);
    pf_json_field_str(json, "referenced-data-file", vector->referenced_data_file);
    pf_json_field_str(json, "cardinality", pf_arena_printf(arena, "%lld", (long long)vector->cardinality));
    pf_json_close_object(json);
    pf_json_close_object(json);
}

static void put_footer(struct pf_buf *out, const struct pf_puffin_vector *vectors, size_t count,
                       struct pf_arena *arena) {
    struct pf_json_out json;
    pf_buf_put(out, MAGIC, MAGIC_BYTES);
    size_t from = out->len;
    pf_json_begin(&json, out);
    pf_json_open_object(&json);
    pf_json_key(&json, "blobs");
    pf_json_open_array(&json);
    for (size_t i = 0; i < count; i++) put_vector(&json, &vectors[i], arena);
    pf_json_close_array(&json);
    pf_json_key(&json, "properties");
    pf_json_open_object(&json);
    pf_json_field_str(&json, "created-by", PF_STR("PuffinDB"));
    pf_json_close_object(&json);
    pf_json_close_object(&json);
    uint32_t size_bytes = (uint32_t)(out->len - from);
    char tail[8] = {(char)size_bytes, (char)(size_bytes >> 8), (char)(size_bytes >> 16), (char)(size_bytes >> 24)};
    pf_buf_put(out, tail, sizeof tail); /* and the flags: none */
    pf_buf_put(out, MAGIC, MAGIC_BYTES);
}

enum pf_code pf_puffin_write(struct pf_puffin_vector *vectors, size_t count, struct pf_arena *arena, pf_str *out_file,
                             struct pf_error *err) {
    struct pf_buf out;
    pf_str file;
    pf_buf_init(&out, MAX_FILE_BYTES);
    pf_buf_put(&out, MAGIC, MAGIC_BYTES);
    for (size_t i = 0; i < count; i++) {
        vectors[i].out_offset = (int64_t)out.len;
        pf_buf_put_str(&out, vectors[i].blob);
    }
    put_footer(&out, vectors, count, arena);
    enum pf_code code = pf_buf_finish(&out, "Puffin file", &file, err);
    if (code == PF_OK) *out_file = pf_arena_str(arena, file);
    pf_buf_clear(&out);
    return code;
}
