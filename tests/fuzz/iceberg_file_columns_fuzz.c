/* SPDX-License-Identifier: MIT */
/* Expressions for a file's columns: schema, name mapping and file schema from the same bytes, separated by newlines. */
#include "iceberg/iceberg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    pf_str rest = pf_str_from((const char *)data, size), json = PF_STR_EMPTY, mapping = PF_STR_EMPTY, line;
    struct pf_iceberg_schema schema;
    struct pf_parquet_row *rows = NULL;
    size_t count = 0, capacity = 0;
    bool has_schema = pf_str_next(&rest, '\n', &json) && pf_iceberg_schema_parse(json, arena, &schema, NULL) == PF_OK;
    if (!pf_str_next(&rest, '\n', &mapping)) mapping = PF_STR_EMPTY;
    while (has_schema && count < 1000 && pf_str_next(&rest, '\n', &line)) { /* name, then two digits and flags */
        char flags = line.len > 2 ? line.ptr[2] : 0;
        PF_ARENA_PUSH(arena, rows, count, capacity) = (struct pf_parquet_row){
            .name = pf_str_slice(line, 3, line.len),
            .field_id = line.len ? line.ptr[0] - '0' : -1,
            .child_count = line.len > 1 ? line.ptr[1] - '0' : 0,
            .is_repeated = flags == 'r',
            .converted_type = flags == 'l'   ? PF_STR("LIST")
                              : flags == 'm' ? PF_STR("MAP")
                                             : PF_STR_EMPTY,
        };
    }
    if (has_schema && schema.field_count < 1000) {
        pf_str *out = PF_ARENA_ARRAY(arena, pf_str, schema.field_count);
        enum pf_code code = pf_iceberg_file_columns(&schema, mapping, NULL, 0, rows, count, arena, out, NULL);
        for (size_t i = 0; code == PF_OK && i < schema.field_count; i++) {
            if (!out[i].len) __builtin_trap();
        }
    }
    pf_arena_free(arena);
    return 0;
}
