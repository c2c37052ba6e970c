/* SPDX-License-Identifier: MIT */
/* From a name to a state of a table. */
#include "catalog/catalog_internal.h"

static enum pf_code make_table(struct pf_catalog *catalog, struct pf_table_id id, const struct catalog_pointer *pointer,
                               struct pf_arena *arena, struct pf_table **out_table, struct pf_error *err) {
    const struct pf_table_metadata *metadata;
    pf_str full_name = catalog_full_name(id, arena);
    enum pf_code code = catalog_get_metadata(catalog, pointer->metadata_location, arena, &metadata, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "table %.*s", PF_STR_ARG(full_name));
    if (!pf_str_equal_nocase(metadata->table_uuid, pointer->table_uuid)) {
        PF_FAIL(err, PF_CORRUPT, "table %.*s: metadata '%.*s' is that of table uuid %.*s, the pointer says %.*s",
                PF_STR_ARG(full_name), PF_STR_ARG(pointer->metadata_location), PF_STR_ARG(metadata->table_uuid),
                PF_STR_ARG(pointer->table_uuid));
    }
    struct pf_table *table = PF_ARENA_NEW(arena, struct pf_table);
    *table = (struct pf_table){
        .id = {pf_arena_str(arena, id.space), pf_arena_str(arena, id.name)},
        .full_name = full_name,
        .metadata_path = pointer->metadata_location,
        .pointer_etag = pointer->etag,
        .metadata = metadata,
        .snapshot = pf_table_metadata_current_snapshot(metadata),
        .schema = pf_table_metadata_current_schema(metadata),
    };
    if (!table->schema) {
        PF_FAIL(err, PF_CORRUPT, "table %.*s: metadata '%.*s' has no current schema", PF_STR_ARG(full_name),
                PF_STR_ARG(pointer->metadata_location));
    }
    *out_table = table;
    return PF_OK;
}

enum pf_code pf_catalog_load_exact(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                   struct pf_table **out_table, struct pf_error *err) {
    struct catalog_pointer pointer;
    enum pf_code code = catalog_read_pointer(catalog, id, arena, &pointer, err);
    if (code == PF_NOT_FOUND) {
        PF_FAIL(err, PF_NOT_FOUND, "there is no table '%.*s.%.*s'", PF_STR_ARG(id.space), PF_STR_ARG(id.name));
    }
    if (code != PF_OK) return code;
    return make_table(catalog, id, &pointer, arena, out_table, err);
}

enum pf_code pf_catalog_load(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                             struct pf_table **out_table, struct pf_error *err) {
    PF_TRY(catalog_check_id(&id, err));
    struct catalog_pointer pointer;
    enum pf_code code = catalog_read_pointer(catalog, id, arena, &pointer, err);
    if (code == PF_OK) return make_table(catalog, id, &pointer, arena, out_table, err);
    if (code != PF_NOT_FOUND) return code;
    PF_TRY(catalog_find_nocase(catalog, id, arena, &id, err));
    return pf_catalog_load_exact(catalog, id, arena, out_table, err);
}

enum pf_code pf_catalog_find_metadata(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                      pf_str *out_path, struct pf_error *err) {
    struct catalog_pointer pointer;
    PF_TRY(catalog_check_id(&id, err));
    PF_TRY(catalog_read_pointer(catalog, id, arena, &pointer, err));
    *out_path = pointer.metadata_location;
    return PF_OK;
}

/* ---- time travel ---- */

static enum pf_code at(const struct pf_table *table, const struct pf_snapshot *snapshot, struct pf_arena *arena,
                       struct pf_table **out_table, struct pf_error *err) {
    const struct pf_iceberg_schema *schema = pf_table_metadata_schema_of(table->metadata, snapshot);
    if (!schema) {
        PF_FAIL(err, PF_CORRUPT, "table %.*s: metadata '%.*s' has no schema %d of snapshot %lld",
                PF_STR_ARG(table->full_name), PF_STR_ARG(table->metadata_path), snapshot->schema_id,
                (long long)snapshot->id);
    }
    struct pf_table *other = PF_ARENA_NEW(arena, struct pf_table);
    *other = *table;
    other->snapshot = snapshot;
    other->schema = schema;
    *out_table = other;
    return PF_OK;
}

enum pf_code pf_table_at_snapshot(const struct pf_table *table, int64_t snapshot_id, struct pf_arena *arena,
                                  struct pf_table **out_table, struct pf_error *err) {
    const struct pf_snapshot *snapshot = pf_table_metadata_snapshot(table->metadata, snapshot_id);
    if (snapshot) return at(table, snapshot, arena, out_table, err);
    PF_FAIL(err, PF_NOT_FOUND, "table %.*s has no snapshot %lld (any more)", PF_STR_ARG(table->full_name),
            (long long)snapshot_id);
}

enum pf_code pf_table_at_time(const struct pf_table *table, int64_t timestamp_ms, struct pf_arena *arena,
                              struct pf_table **out_table, struct pf_error *err) {
    const struct pf_snapshot *snapshot = pf_table_metadata_snapshot_at(table->metadata, timestamp_ms);
    if (snapshot) return at(table, snapshot, arena, out_table, err);
    PF_FAIL(err, PF_NOT_FOUND, "table %.*s had no snapshot at that time (%lld ms since 1970)",
            PF_STR_ARG(table->full_name), (long long)timestamp_ms);
}

enum pf_code pf_table_at_ref(const struct pf_table *table, pf_str ref, struct pf_arena *arena,
                             struct pf_table **out_table, struct pf_error *err) {
    const struct pf_snapshot *snapshot = pf_table_metadata_snapshot_ref(table->metadata, ref);
    const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(table->metadata);
    if (snapshot) {
        PF_TRY(at(table, snapshot, arena, out_table, err));
        for (size_t i = 0; i < table->metadata->ref_count; i++) {
            const struct pf_snapshot_ref *known = &table->metadata->refs[i];
            /* A branch is read as what it may become: with the table's current schema. */
            if (known->is_branch && schema && pf_str_equal(known->name, ref)) (*out_table)->schema = schema;
        }
        return PF_OK;
    }
    PF_FAIL(err, PF_NOT_FOUND, "table %.*s has no branch or tag '%.*s'", PF_STR_ARG(table->full_name), PF_STR_ARG(ref));
}
