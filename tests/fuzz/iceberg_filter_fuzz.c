/* SPDX-License-Identifier: MIT */
/* The filter of a scan that a client asks for: read, asked about a file, printed as what is left of it, and read again. */
#include "base/json.h"
#include "iceberg/iceberg.h"
#include "support/fuzz.h"

#include <stdlib.h>

static const struct pf_iceberg_type types[] = {{.kind = PF_ICEBERG_LONG, .text = {"long", 4}},
                                               {.kind = PF_ICEBERG_STRING, .text = {"string", 6}},
                                               {.kind = PF_ICEBERG_TIMESTAMPTZ, .text = {"timestamptz", 11}},
                                               {.kind = PF_ICEBERG_DECIMAL, .precision = 9, .scale = 2},
                                               {.kind = PF_ICEBERG_DOUBLE, .text = {"double", 6}},
                                               {.kind = PF_ICEBERG_BINARY, .text = {"binary", 6}}};
static const struct pf_iceberg_field inner[] = {{.id = 7, .name = {"b", 1}, .type = &types[0]}};
static const struct pf_iceberg_type struct_type = {.kind = PF_ICEBERG_STRUCT, .fields = inner, .field_count = 1};
static const struct pf_iceberg_field fields[] = {
    {.id = 1, .name = {"a", 1}, .type = &types[0]}, {.id = 2, .name = {"t", 1}, .type = &types[1]},
    {.id = 3, .name = {"z", 1}, .type = &types[2]}, {.id = 4, .name = {"d", 1}, .type = &types[3]},
    {.id = 5, .name = {"x", 1}, .type = &types[4]}, {.id = 6, .name = {"s", 1}, .type = &struct_type},
    {.id = 8, .name = {"y", 1}, .type = &types[5]}};
static const struct pf_iceberg_schema schema = {.fields = fields, .field_count = 7};
static const struct pf_partition_field partition_fields[] = {
    {.source_id = 1, .field_id = 1000, .name = {"p0", 2}, .transform = {PF_TRANSFORM_BUCKET, 4, {"bucket[4]", 9}}},
    {.source_id = 3, .field_id = 1001, .name = {"p1", 2}, .transform = {PF_TRANSFORM_DAY, 0, {"day", 3}}},
    {.source_id = 2,
     .field_id = 1002,
     .name = {"p2", 2},
     .transform = {PF_TRANSFORM_TRUNCATE, 2, {"truncate[2]", 11}}}};
static const struct pf_partition_spec specs[] = {{.id = 0, .fields = partition_fields, .field_count = 3}};
static const struct pf_table_metadata table = {
    .format_version = 2, .schemas = &schema, .schema_count = 1, .specs = specs, .spec_count = 1};
static const pf_str cells[] = {{"\1\0\0\0", 4}, {"\7\0\0\0", 4}, {"ab", 2}};
static const struct pf_column_stats stats[] = {{1, -1, 9, 1, -1, {"\1\0\0\0\0\0\0\0", 8}, {"\11\0\0\0\0\0\0\0", 8}},
                                               {2, -1, 9, 0, -1, {"abc", 3}, {"abd", 3}}};
static const struct pf_data_file file = {.path = {"/f", 2},
                                         .format = {"PARQUET", 7},
                                         .partition = cells,
                                         .partition_count = 3,
                                         .record_count = 9,
                                         .columns = stats,
                                         .column_count = 2};

static bool ask(pf_str text, struct pf_arena *arena, struct pf_buf *residual) {
    const struct pf_filter *filter;
    struct pf_manifest_file manifest = {.spec_id = 0};
    struct pf_json_out out;
    pf_json *root;
    if (pf_json_parse(text, arena, "filter", &root, NULL) != PF_OK) return false;
    if (pf_filter_read(root, &table, &schema, true, arena, &filter, NULL) != PF_OK) return false;
    (void)pf_filter_keeps_manifest(filter, &manifest);
    /* Statistics skip no less than the partition alone. */
    if (pf_filter_keeps_file(filter, &file) && !pf_filter_keeps_partition(filter, &file)) abort();
    pf_json_begin(&out, residual);
    pf_filter_put_residual(filter, &file, &out, arena);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    struct pf_buf residual, again;
    pf_buf_init(&residual, 1 << 20);
    pf_buf_init(&again, 1 << 20);
    if (ask(pf_str_from((const char *)data, size), arena, &residual) && !residual.failed) {
        if (!ask(pf_buf_view(&residual), arena, &again)) abort();
    }
    pf_buf_clear(&residual);
    pf_buf_clear(&again);
    pf_arena_free(arena);
    return 0;
}
