/* SPDX-License-Identifier: MIT */
/* Avro containers with any schema: every record is skipped; what fails, fails with a code. */
#include "iceberg/avro.h"
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    struct avro_file file;
    struct avro_cursor cursor;
    size_t count = 1;
    enum pf_code code = avro_file_open(pf_str_from((const char *)data, size), arena, &file, NULL);
    while (code == PF_OK && count > 0) {
        code = avro_file_next_block(&file, arena, &count, &cursor, NULL);
        for (size_t i = 0; code == PF_OK && i < count && !cursor.failed; i++) avro_skip(&cursor, file.schema);
    }
    pf_arena_free(arena);
    return 0;
}
