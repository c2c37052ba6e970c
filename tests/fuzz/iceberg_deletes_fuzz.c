/* SPDX-License-Identifier: MIT */
/* Deletion vectors and Puffin footers. The first byte says which; the checksum of a vector is made right, or the fuzzer
 * would never get behind it. */
#include "iceberg/iceberg.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

static void read_vector(const uint8_t *data, size_t size, struct pf_arena *arena) {
    struct pf_deleted_rows *rows;
    size_t length = size + 4, hint = 0;
    char *blob = pf_arena_alloc(arena, length + 8);
    memcpy(blob + 4, "\xd1\xd3\x39\x64", 4);
    memcpy(blob + 8, data, size);
    uint32_t checksum = (uint32_t)libdeflate_crc32(0, blob + 4, length);
    for (size_t i = 0; i < 4; i++) {
        blob[i] = (char)(length >> (24 - 8 * i));
        blob[length + 4 + i] = (char)(checksum >> (24 - 8 * i));
    }
    if (pf_deletion_vector_read(pf_str_from(blob, length + 8), arena, &rows, NULL) != PF_OK) return;
    int64_t count = 0;
    for (int64_t position = 0; position < 300000; position++) count += pf_deleted_rows_has(rows, position, &hint);
    if (count > pf_deleted_rows_count(rows)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pf_puffin puffin;
    if (size == 0) return 0;
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    if (data[0] & 1) {
        read_vector(data + 1, size - 1, arena);
    } else {
        enum pf_code code =
            pf_puffin_read(pf_str_from((const char *)data + 1, size - 1), PF_STR("p"), arena, &puffin, NULL);
        for (size_t i = 0; code == PF_OK && i < puffin.blob_count; i++) {
            if (puffin.blobs[i].offset + puffin.blobs[i].size_bytes > (int64_t)size) abort();
        }
    }
    pf_arena_free(arena);
    return 0;
}
