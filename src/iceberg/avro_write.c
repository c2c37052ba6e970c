/* SPDX-License-Identifier: MIT */
#include "iceberg/avro.h"

#include <string.h>

enum { BLOCK_BYTES = 64 << 10, MAX_BLOCK_BYTES = 256 << 20, MAX_FILE_BYTES = 1 << 30 };

void avro_put_long(struct pf_buf *out, int64_t number) {
    uint64_t rest = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
    unsigned char bytes[10];
    size_t length = 0;
    while (rest >= 0x80) {
        bytes[length++] = (unsigned char)(rest | 0x80);
        rest >>= 7;
    }
    bytes[length++] = (unsigned char)rest;
    pf_buf_put(out, bytes, length);
}

void avro_put_bytes(struct pf_buf *out, pf_str bytes) {
    avro_put_long(out, (int64_t)bytes.len);
    pf_buf_put_str(out, bytes);
}

/* The marker only has to be unlikely inside the data, and the same for the same input. */
static void make_sync(pf_str seed, unsigned char sync[16]) {
    uint64_t hash = pf_str_hash(seed);
    for (size_t i = 0; i < 16; i++) {
        hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9u + 0x9e3779b97f4a7c15u;
        sync[i] = (unsigned char)(hash >> 40);
    }
}

void avro_writer_open(struct avro_writer *writer, pf_str schema, const struct avro_meta *meta, size_t meta_count,
                      pf_str sync_seed) {
    *writer = (struct avro_writer){.code = PF_OK};
    pf_buf_init(&writer->file, MAX_FILE_BYTES);
    pf_buf_init(&writer->block, MAX_BLOCK_BYTES);
    make_sync(sync_seed, writer->sync);
    pf_buf_put(&writer->file, "Obj\x01", 4);
    avro_put_long(&writer->file, (int64_t)meta_count + 2);
    avro_put_bytes(&writer->file, PF_STR("avro.schema"));
    avro_put_bytes(&writer->file, schema);
    avro_put_bytes(&writer->file, PF_STR("avro.codec"));
    avro_put_bytes(&writer->file, PF_STR("deflate"));
    for (size_t i = 0; i < meta_count; i++) {
        avro_put_bytes(&writer->file, meta[i].key);
        avro_put_bytes(&writer->file, meta[i].value);
    }
    avro_put_long(&writer->file, 0);
    pf_buf_put(&writer->file, writer->sync, sizeof writer->sync);
}

static enum pf_code flush_block(struct avro_writer *writer, struct pf_error *err) {
    struct pf_buf packed;
    pf_str bytes;
    if (writer->block_count == 0) return PF_OK;
    PF_TRY(pf_buf_finish(&writer->block, "Avro block", &bytes, err));
    pf_buf_init(&packed, MAX_BLOCK_BYTES);
    enum pf_code code = codec_deflate(bytes, &packed, err);
    if (code == PF_OK) {
        avro_put_long(&writer->file, (int64_t)writer->block_count);
        avro_put_bytes(&writer->file, pf_buf_view(&packed));
        pf_buf_put(&writer->file, writer->sync, sizeof writer->sync);
    }
    pf_buf_clear(&packed);
    pf_buf_reset(&writer->block);
    writer->block_count = 0;
    return code;
}

void avro_writer_end_record(struct avro_writer *writer) {
    writer->block_count++;
    if (writer->block.len < BLOCK_BYTES || writer->code != PF_OK) return;
    writer->code = flush_block(writer, NULL);
}

enum pf_code avro_writer_close(struct avro_writer *writer, struct pf_arena *arena, pf_str *out_bytes,
                               struct pf_error *err) {
    pf_str bytes;
    enum pf_code code = writer->code;
    if (code == PF_OK) {
        code = flush_block(writer, err);
    } else {
        pf_error_set(err, code, __FILE__, __LINE__, "Avro block of more than %d bytes", MAX_BLOCK_BYTES);
    }
    if (code == PF_OK) code = pf_buf_finish(&writer->file, "Avro file", &bytes, err);
    if (code == PF_OK) *out_bytes = pf_arena_str(arena, bytes);
    pf_buf_clear(&writer->file);
    pf_buf_clear(&writer->block);
    return code;
}
