/* SPDX-License-Identifier: MIT */
/* Table metadata: what is read and can be written is read again, the same. Its columns become SQL. */
#include "iceberg/iceberg.h"
#include "support/fuzz.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    struct pf_table_metadata *metadata, *again;
    struct pf_read_mapping mapping;
    pf_str json, second, bytes = pf_str_from((const char *)data, size);
    if (pf_table_metadata_read(bytes, PF_STR("m"), arena, &metadata, NULL) == PF_OK) {
        const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(metadata);
        enum pf_code code = pf_iceberg_read_mapping(metadata, schema, NULL, 0, arena, &mapping, NULL);
        assert(code == PF_OK || code == PF_UNSUPPORTED || code == PF_INVALID);
        (void)pf_iceberg_field_ids_sql(schema, arena);
        (void)pf_table_metadata_next_path(metadata, metadata->location, PF_STR("u"), arena);
        (void)pf_table_metadata_snapshot_at(metadata, 0);
        if (pf_table_metadata_write(metadata, arena, &json, NULL) == PF_OK) {
            code = pf_table_metadata_read(json, PF_STR("again"), arena, &again, NULL);
            assert(code == PF_OK);
            code = pf_table_metadata_write(again, arena, &second, NULL);
            assert(code == PF_OK && pf_str_equal(json, second));
        }
    }
    struct pf_sql_column column = {{"c", 1}, bytes, false};
    struct pf_iceberg_schema schema;
    int last_id;
    if (size < 1000 && pf_iceberg_schema_from_sql(&column, 1, arena, &schema, &last_id, NULL) == PF_OK) {
        enum pf_code code = pf_iceberg_type_sql(schema.fields[0].type, arena, &json, NULL);
        assert(code == PF_OK);
    }
    pf_arena_free(arena);
    return 0;
}
