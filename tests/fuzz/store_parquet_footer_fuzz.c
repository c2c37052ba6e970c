/* SPDX-License-Identifier: MIT */
/* The footer of a Parquet file, as the cache reads it. */
#include "store/parquet_footer.h"

#include "support/fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    pf_str bytes = pf_str_from((const char *)data, size);
    struct parquet_footer footer = {0};
    int64_t length, file_bytes = (int64_t)size + 100000;
    if (size >= PARQUET_TAIL_BYTES) {
        pf_str tail = pf_str_slice(bytes, size - PARQUET_TAIL_BYTES, size);
        if (parquet_footer_length(tail, file_bytes, &length, NULL) == PF_OK && length > file_bytes) abort();
    }
    if (parquet_footer_read(bytes, file_bytes, arena, &footer, NULL) == PF_OK) {
        for (size_t g = 0; g < footer.group_count; g++) {
            for (size_t i = 0; i < footer.leaf_count; i++) {
                const struct parquet_place *chunk = &footer.groups[g].chunks[i], *filter = &footer.groups[g].filters[i];
                if (chunk->offset < 0 || chunk->length < 0 || chunk->offset + chunk->length > file_bytes) abort();
                if (filter->offset < 0 || filter->length < 0 || filter->offset + filter->length > file_bytes) abort();
            }
        }
    }
    pf_arena_free(arena);
    return 0;
}
