/* SPDX-License-Identifier: MIT */
/* Manifests and manifest lists; what was read is pruned, and written again as a replaced file. */
#include "iceberg/iceberg.h"
#include "support/fuzz.h"

static const struct pf_iceberg_type long_type = {.kind = PF_ICEBERG_LONG, .text = {"long", 4}};
static const struct pf_iceberg_type text_type = {.kind = PF_ICEBERG_STRING, .text = {"string", 6}};
static const struct pf_iceberg_field fields[] = {{.id = 1, .name = {"a", 1}, .type = &long_type},
                                                 {.id = 2, .name = {"s", 1}, .type = &text_type}};
static const struct pf_iceberg_schema schema = {.fields = fields, .field_count = 2};
static const struct pf_partition_field partition_fields[] = {
    {.source_id = 1, .field_id = 1000, .name = {"p0", 2}, .transform = {PF_TRANSFORM_BUCKET, 4, {"bucket[4]", 9}}},
    {.source_id = 2, .field_id = 1001, .name = {"p1", 2}, .transform = {PF_TRANSFORM_IDENTITY, 0, {"identity", 8}}}};
static const struct pf_partition_spec specs[] = {{.id = 0}, {.id = 1, .fields = partition_fields, .field_count = 2}};
static const struct pf_table_metadata table = {.format_version = 2,
                                               .location = {"/t", 2},
                                               .schemas = &schema,
                                               .schema_count = 1,
                                               .specs = specs,
                                               .spec_count = 2,
                                               .current_snapshot_id = -1};

static struct pf_pruner *make_pruner(struct pf_arena *arena) {
    static struct pf_literal literals[] = {{{"BIGINT", 6}, {"5", 1}}, {{"VARCHAR", 7}, {"m", 1}}};
    static const struct pf_predicate predicates[] = {{{"a", 1}, PF_PREDICATE_EQ, &literals[0], 1},
                                                     {{"s", 1}, PF_PREDICATE_GT, &literals[1], 1}};
    return pf_pruner_new(&table, &schema, predicates, 2, arena);
}

static void read_manifest(pf_str bytes, struct pf_arena *arena) {
    struct pf_manifest_columns all = {.all = true};
    struct pf_manifest_file file = {.path = {"m", 1}, .spec_id = -1, .added_snapshot_id = 3};
    struct pf_manifest manifest;
    struct pf_commit commit;
    struct pf_pruner *pruner = make_pruner(arena);
    if (pf_manifest_read(bytes, &file, &table, &all, arena, &manifest, NULL) != PF_OK) return;
    for (size_t i = 0; i < manifest.count; i++) {
        (void)pf_pruner_keeps_file(pruner, &manifest.files[i]);
        if (pf_data_file_check(&manifest.files[i], PF_STR("t"), 1, NULL) != PF_OK) continue;
    }
    struct pf_append append = {.metadata = &table,
                               .is_replace = true,
                               .replaced = manifest.files,
                               .replaced_count = manifest.count,
                               .snapshot_id = 1,
                               .commit_uuid = {"c", 1},
                               .metadata_uuid = {"m", 1}};
    if (pf_iceberg_append(&append, arena, &commit, NULL) != PF_OK) return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    pf_str bytes = pf_str_from((const char *)data, size);
    struct pf_manifest_list list;
    read_manifest(bytes, arena);
    if (pf_manifest_list_read(bytes, PF_STR("l"), arena, &list, NULL) == PF_OK) {
        struct pf_pruner *pruner = make_pruner(arena);
        for (size_t i = 0; i < list.count; i++) (void)pf_pruner_keeps_manifest(pruner, &list.manifests[i]);
    }
    pf_arena_free(arena);
    return 0;
}
