/* SPDX-License-Identifier: MIT */
#include "iceberg/codec.h"

#include <libdeflate.h>
#include <snappy-c.h>
#include <zstd.h>

enum { DEFLATE_LEVEL = 6, FIRST_GUESS = 4, MIN_STEP_BYTES = 16 << 10 };

enum pf_code codec_from_name(pf_str name, enum codec *out_codec, struct pf_error *err) {
    static const struct {
        const char *name;
        enum codec codec;
    } names[] = {{"", CODEC_NULL},
                 {"null", CODEC_NULL},
                 {"deflate", CODEC_DEFLATE},
                 {"snappy", CODEC_SNAPPY},
                 {"zstandard", CODEC_ZSTANDARD}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!pf_str_equal(name, pf_str_from_cstr(names[i].name))) continue;
        *out_codec = names[i].codec;
        return PF_OK;
    }
    PF_FAIL(err, PF_UNSUPPORTED, "Avro codec '%.*s' (known: null, deflate, snappy, zstandard)", PF_STR_ARG(name));
}

/* Room for the next step of a decompressor: a multiple of the input first, then doubling, never above the maximum. */
static size_t grow_output(struct pf_buf *out, size_t input_bytes) {
    size_t step = out->len ? out->len : input_bytes * FIRST_GUESS;
    if (step < MIN_STEP_BYTES) step = MIN_STEP_BYTES;
    if (step > out->max_bytes - out->len) step = out->max_bytes - out->len;
    return step && pf_buf_reserve(out, step) ? step : 0;
}

/* Deflate does not say how much it unpacks to: the room that the buffer has by now is tried first, then twice as much. */
static enum pf_code inflate_with(struct libdeflate_decompressor *decompressor, bool is_gzip, pf_str bytes,
                                 struct pf_buf *out, struct pf_error *err) {
    size_t most = out->max_bytes - out->len, room = out->capacity > out->len ? out->capacity - out->len : 0;
    const void *input = bytes.len ? bytes.ptr : "";
    if (room < bytes.len * FIRST_GUESS) room = bytes.len * FIRST_GUESS;
    if (room < MIN_STEP_BYTES) room = MIN_STEP_BYTES;
    for (;; room *= 2) {
        size_t unpacked = 0;
        if (room > most) room = most;
        char *at = pf_buf_reserve(out, room ? room : 1);
        if (!at) PF_FAIL(err, PF_TOO_LARGE, "more than %zu bytes when decompressed", out->max_bytes);
        enum libdeflate_result result =
            is_gzip ? libdeflate_gzip_decompress_ex(decompressor, input, bytes.len, at, room, NULL, &unpacked)
                    : libdeflate_deflate_decompress_ex(decompressor, input, bytes.len, at, room, NULL, &unpacked);
        if (result == LIBDEFLATE_SUCCESS) {
            out->len += unpacked;
            return PF_OK;
        }
        if (result != LIBDEFLATE_INSUFFICIENT_SPACE) {
            PF_FAIL(err, PF_CORRUPT, "inflate: the data is damaged or ends too early");
        }
        if (room == most) PF_FAIL(err, PF_TOO_LARGE, "more than %zu bytes when decompressed", out->max_bytes);
    }
}

static enum pf_code inflate_all(pf_str bytes, bool is_gzip, struct pf_buf *out, struct pf_error *err) {
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    if (!decompressor) PF_FAIL(err, PF_NO_MEMORY, "libdeflate_alloc_decompressor");
    enum pf_code code = inflate_with(decompressor, is_gzip, bytes, out, err);
    libdeflate_free_decompressor(decompressor);
    return code;
}

/* Avro: the block, then the big-endian CRC-32 of what it holds. */
static enum pf_code unsnap(pf_str bytes, struct pf_buf *out, struct pf_error *err) {
    size_t size_bytes;
    if (bytes.len < 4) PF_FAIL(err, PF_CORRUPT, "snappy: %zu bytes", bytes.len);
    pf_str block = pf_str_slice(bytes, 0, bytes.len - 4);
    if (snappy_uncompressed_length(block.ptr, block.len, &size_bytes) != SNAPPY_OK) {
        PF_FAIL(err, PF_CORRUPT, "snappy: no length");
    }
    char *room = pf_buf_reserve(out, size_bytes ? size_bytes : 1);
    if (!room) PF_FAIL(err, PF_TOO_LARGE, "%zu bytes when decompressed, more than %zu", size_bytes, out->max_bytes);
    if (snappy_uncompress(block.ptr, block.len, room, &size_bytes) != SNAPPY_OK) PF_FAIL(err, PF_CORRUPT, "snappy");
    out->len += size_bytes;
    uint32_t expected = 0;
    for (size_t i = block.len; i < bytes.len; i++) expected = expected << 8 | (unsigned char)bytes.ptr[i];
    if (libdeflate_crc32(0, room, size_bytes) != expected) PF_FAIL(err, PF_CORRUPT, "snappy: checksum");
    return PF_OK;
}

static enum pf_code run_unzstd(ZSTD_DStream *stream, pf_str bytes, struct pf_buf *out, struct pf_error *err) {
    ZSTD_inBuffer input = {bytes.ptr, bytes.len, 0};
    size_t left = 1;
    while (left != 0 || input.pos < input.size) {
        size_t room = grow_output(out, bytes.len);
        if (room == 0) PF_FAIL(err, PF_TOO_LARGE, "more than %zu bytes when decompressed", out->max_bytes);
        ZSTD_outBuffer output = {out->ptr + out->len, room, 0};
        left = ZSTD_decompressStream(stream, &output, &input);
        out->len += output.pos;
        if (ZSTD_isError(left)) PF_FAIL(err, PF_CORRUPT, "zstandard: %s", ZSTD_getErrorName(left));
        if (left != 0 && input.pos == input.size && output.pos < output.size) {
            PF_FAIL(err, PF_CORRUPT, "zstandard: data ends too early");
        }
    }
    return PF_OK;
}

static enum pf_code unzstd(pf_str bytes, struct pf_buf *out, struct pf_error *err) {
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (!stream) PF_FAIL(err, PF_NO_MEMORY, "ZSTD_createDStream");
    enum pf_code code = run_unzstd(stream, bytes, out, err);
    ZSTD_freeDStream(stream);
    return code;
}

enum pf_code codec_decompress_into(enum codec codec, pf_str bytes, struct pf_buf *out, struct pf_error *err) {
    switch (codec) {
    case CODEC_DEFLATE: return inflate_all(bytes, false, out, err);
    case CODEC_GZIP: return inflate_all(bytes, true, out, err);
    case CODEC_SNAPPY: return unsnap(bytes, out, err);
    case CODEC_ZSTANDARD: return unzstd(bytes, out, err);
    case CODEC_NULL: break;
    }
    pf_buf_put_str(out, bytes);
    if (out->failed) PF_FAIL(err, PF_TOO_LARGE, "%zu bytes, more than %zu", bytes.len, out->max_bytes);
    return PF_OK;
}

enum pf_code codec_decompress(enum codec codec, pf_str bytes, size_t max_bytes, struct pf_arena *arena,
                              pf_str *out_bytes, struct pf_error *err) {
    struct pf_buf out;
    if (codec == CODEC_NULL) {
        *out_bytes = bytes;
        return PF_OK;
    }
    pf_buf_init(&out, max_bytes);
    enum pf_code code = codec_decompress_into(codec, bytes, &out, err);
    if (code == PF_OK) *out_bytes = pf_arena_str(arena, pf_buf_view(&out));
    pf_buf_clear(&out);
    return code;
}

enum pf_code codec_deflate(pf_str bytes, struct pf_buf *out, struct pf_error *err) {
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(DEFLATE_LEVEL);
    if (!compressor) PF_FAIL(err, PF_NO_MEMORY, "libdeflate_alloc_compressor");
    size_t bound = libdeflate_deflate_compress_bound(compressor, bytes.len), packed = 0;
    char *room = pf_buf_reserve(out, bound);
    if (room) packed = libdeflate_deflate_compress(compressor, bytes.len ? bytes.ptr : "", bytes.len, room, bound);
    libdeflate_free_compressor(compressor);
    if (packed == 0) PF_FAIL(err, PF_TOO_LARGE, "deflate: over %zu bytes", out->max_bytes);
    out->len += packed;
    return PF_OK;
}
