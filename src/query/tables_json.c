/* SPDX-License-Identifier: MIT */
/* All tables of the catalog as JSON, for GET /v1/tables and the clients' completion. */
#include "query/query_internal.h"

#include "base/json.h"

#include <stdio.h>

enum { MAX_TABLES_BYTES = 64 << 20 };

static void put_table(struct pf_json_out *out, const struct lake_table *lake) {
    pf_json_open_object(out);
    pf_json_field_str(out, "name", lake->table->full_name);
    pf_json_field_i64(out, "rows", lake->totals.row_count);
    pf_json_field_i64(out, "bytes", lake->totals.size_bytes);
    pf_json_field_i64(out, "files", lake->totals.file_count);
    pf_json_key(out, "snapshot");
    if (lake->table->snapshot) {
        /* 63 bits: more than a JSON reader that uses doubles can hold */
        char digits[24];
        int length = snprintf(digits, sizeof digits, "%lld", (long long)lake->table->snapshot->id);
        pf_json_put_str(out, (pf_str){digits, (size_t)length});
    } else {
        pf_json_put_null(out);
    }
    pf_json_field_str(out, "metadata", lake->table->metadata_path);
    pf_json_key(out, "columns");
    pf_json_open_array(out);
    for (size_t i = 0; i < lake->column_count; i++) {
        pf_json_open_object(out);
        pf_json_field_str(out, "name", lake->column_names[i]);
        pf_json_field_str(out, "type", lake->column_types[i]);
        pf_json_close_object(out);
    }
    pf_json_close_array(out);
    pf_json_close_object(out);
}

enum pf_code pf_stack_tables_json(struct pf_stack *stack, struct pf_arena *arena, pf_str *out_json,
                                  struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "tables");
    struct lake_tables tables;
    struct pf_statement none = {0};
    enum pf_code code = resolve_tables(stack, &none, true, NULL, scratch, &tables, err);
    if (code == PF_OK) {
        struct pf_buf buf;
        struct pf_json_out out;
        pf_str json;
        pf_buf_init(&buf, MAX_TABLES_BYTES);
        pf_json_begin(&out, &buf);
        pf_json_open_object(&out);
        pf_json_key(&out, "tables");
        pf_json_open_array(&out);
        for (size_t i = 0; i < tables.count; i++) put_table(&out, &tables.items[i]);
        pf_json_close_array(&out);
        pf_json_close_object(&out);
        code = pf_buf_finish(&buf, "list of tables", &json, err);
        if (code == PF_OK) *out_json = pf_arena_str(arena, json);
        pf_buf_clear(&buf);
    }
    pf_arena_free(scratch);
    return code;
}
