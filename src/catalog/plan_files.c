/* SPDX-License-Identifier: MIT */
/* Which files a scan reads: manifest list -> manifests that may matter -> files that may matter. */
#include "catalog/catalog_internal.h"

static enum pf_code add_file(struct pf_catalog *catalog, const struct pf_table *table, const struct pf_data_file *entry,
                             struct pf_arena *arena, struct pf_file_list *list, struct pf_error *err) {
    struct catalog_place place;
    enum pf_code code = catalog_locate(catalog, entry->path, arena, &place, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "table %.*s: data file", PF_STR_ARG(table->full_name));
    list->files[list->count++] = (struct pf_scan_file){
        .path = entry->path,
        .key = place.key,
        .local_path = place.local_path,
        .size_bytes = entry->size_bytes,
        .row_count = entry->record_count,
        .entry = entry,
    };
    list->row_count += entry->record_count;
    list->size_bytes += entry->size_bytes;
    return PF_OK;
}

static enum pf_code add_files(struct pf_catalog *catalog, const struct pf_table *table,
                              const struct pf_manifest *manifest, const struct pf_pruner *pruner,
                              struct pf_arena *arena, struct pf_file_list *list, struct pf_error *err) {
    for (size_t i = 0; i < manifest->count; i++) {
        const struct pf_data_file *entry = &manifest->files[i];
        if (entry->status == PF_ENTRY_DELETED) continue;
        PF_TRY(pf_data_file_check(entry, table->full_name, table->snapshot->id, err));
        if (pf_pruner_keeps_file(pruner, entry)) {
            PF_TRY(add_file(catalog, table, entry, arena, list, err));
        } else {
            list->skipped_file_count++;
        }
    }
    return PF_OK;
}

enum pf_code pf_catalog_plan_files(struct pf_catalog *catalog, const struct pf_table *table,
                                   const struct pf_predicate *predicates, size_t predicate_count,
                                   struct pf_arena *arena, struct pf_file_list *out_list, struct pf_error *err) {
    struct pf_file_list list = {0};
    const struct pf_manifest_list *all;
    if (!table->snapshot) {
        *out_list = list;
        return PF_OK;
    }
    PF_TRY(catalog_get_manifest_list(catalog, table, arena, &all, err));
    struct pf_pruner *pruner = pf_pruner_new(table->metadata, table->schema, predicates, predicate_count, arena);
    const struct pf_manifest_file **wanted = PF_ARENA_ARRAY(arena, const struct pf_manifest_file *, all->count);
    for (size_t i = 0; i < all->count; i++) {
        const struct pf_manifest_file *file = &all->manifests[i];
        if (pf_manifest_file_is_dead(file)) continue;
        list.manifest_count++;
        if (pf_pruner_keeps_manifest(pruner, file)) {
            wanted[i] = file;
        } else {
            list.skipped_manifest_count++;
        }
    }
    const struct pf_manifest **manifests = PF_ARENA_ARRAY(arena, const struct pf_manifest *, all->count);
    PF_TRY(catalog_get_manifests(catalog, table, wanted, all->count, arena, manifests, &list.read_manifest_count, err));
    size_t most = 0;
    for (size_t i = 0; i < all->count; i++) most += manifests[i] ? manifests[i]->count : 0;
    list.files = PF_ARENA_ARRAY(arena, struct pf_scan_file, most);
    for (size_t i = 0; i < all->count; i++) {
        if (manifests[i]) PF_TRY(add_files(catalog, table, manifests[i], pruner, arena, &list, err));
    }
    *out_list = list;
    return PF_OK;
}

/* ---- totals ---- */

/* Where the list does not count (version 1) or the summary does not say: all manifests. */
static enum pf_code count_all_files(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                    struct pf_table_totals *out_totals, struct pf_error *err) {
    struct pf_file_list files;
    PF_TRY(pf_catalog_plan_files(catalog, table, NULL, 0, arena, &files, err));
    *out_totals = (struct pf_table_totals){files.row_count, files.size_bytes, (int64_t)files.count, true};
    return PF_OK;
}

static enum pf_code count(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                          struct pf_table_totals *out_totals, struct pf_error *err) {
    struct pf_table_totals totals = {.is_exact = true};
    const struct pf_manifest_list *list;
    PF_TRY(catalog_get_manifest_list(catalog, table, arena, &list, err));
    bool is_known = true;
    for (size_t i = 0; i < list->count; i++) {
        const struct pf_manifest_file *file = &list->manifests[i];
        if (pf_manifest_file_is_dead(file)) continue;
        if (file->content == PF_MANIFEST_DELETES) {
            totals.is_exact = false;
            continue;
        }
        bool has_counts =
            file->added_rows >= 0 && file->existing_rows >= 0 && file->added_files >= 0 && file->existing_files >= 0;
        is_known = is_known && has_counts;
        if (!has_counts) continue;
        totals.row_count += file->added_rows + file->existing_rows;
        totals.file_count += file->added_files + file->existing_files;
    }
    totals.size_bytes = table->snapshot ? pf_snapshot_summary_i64(table->snapshot, PF_STR("total-files-size")) : 0;
    if (!is_known || totals.size_bytes < 0) {
        if (totals.is_exact) return count_all_files(catalog, table, arena, out_totals, err);
        /* Row-level deletes: an estimate is all there is. */
        if (totals.size_bytes < 0) totals.size_bytes = 0;
    }
    *out_totals = totals;
    return PF_OK;
}

enum pf_code pf_catalog_totals(struct pf_catalog *catalog, const struct pf_table *table,
                               struct pf_table_totals *out_totals, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "totals");
    enum pf_code code = count(catalog, table, scratch, out_totals, err);
    pf_arena_free(scratch);
    return code;
}
