/* SPDX-License-Identifier: MIT */
/* Which files a scan reads: manifest list -> manifests that may matter -> files that may matter. */
#include "catalog/catalog_internal.h"

struct planning {
    struct pf_catalog *catalog;
    const struct pf_table *table;
    const struct pf_pruner *pruner;
    const struct pf_filter *filter; /* instead of the pruner */
    struct pf_manifest_columns columns;
    const struct pf_manifest_list *all;
    const struct catalog_manifest **manifests; /* by position in `all`; NULL: skipped */
    const struct pf_delete_index *deletes;     /* NULL: there are none */
    struct pf_arena *arena;
    struct pf_file_list list;
};

static enum pf_code locate(const struct planning *plan, const struct catalog_manifest *manifest, size_t at,
                           const char *what, struct pf_error *err) {
    if (!manifest->place_errors || manifest->place_errors[at].code == PF_OK) return PF_OK;
    if (err) *err = manifest->place_errors[at];
    return pf_error_wrap(err, manifest->place_errors[at].code, "table %.*s: %s file",
                         PF_STR_ARG(plan->table->full_name), what);
}

static enum pf_code check(const struct planning *plan, const struct pf_data_file *entry, struct pf_error *err) {
    return pf_data_file_check(entry, plan->table->full_name, plan->table->snapshot->id, err);
}

static bool keeps_manifest(const struct planning *plan, const struct pf_manifest_file *file) {
    return plan->filter ? pf_filter_keeps_manifest(plan->filter, file) : pf_pruner_keeps_manifest(plan->pruner, file);
}

static bool keeps_partition(const struct planning *plan, const struct pf_data_file *file) {
    return plan->filter ? pf_filter_keeps_partition(plan->filter, file) : pf_pruner_keeps_partition(plan->pruner, file);
}

static bool keeps_file(const struct planning *plan, const struct pf_data_file *file) {
    return plan->filter ? pf_filter_keeps_file(plan->filter, file) : pf_pruner_keeps_file(plan->pruner, file);
}

/* ---- delete files ---- */

static enum pf_code add_delete(struct planning *plan, const struct catalog_manifest *manifest, size_t at,
                               struct pf_error *err) {
    const struct pf_data_file *entry = &manifest->manifest.files[at];
    PF_TRY(check(plan, entry, err));
    PF_TRY(locate(plan, manifest, at, "delete", err));
    plan->list.deletes[plan->list.delete_count++] =
        (struct pf_delete_file){.path = entry->path,
                                .key = manifest->places[at].key,
                                .local_path = manifest->places[at].local_path,
                                .entry = entry};
    return PF_OK;
}

static size_t count_entries(const struct planning *plan, enum pf_manifest_content content) {
    size_t count = 0;
    for (size_t i = 0; i < plan->all->count; i++) {
        bool counts = plan->manifests[i] && plan->all->manifests[i].content == content;
        if (counts) count += plan->manifests[i]->manifest.count;
    }
    return count;
}

/* A delete file is of use only where its partition is: statistics of its columns are not looked at, since a row that a
 * predicate wants may be deleted by keys that the predicate says nothing about. */
static enum pf_code index_deletes(struct planning *plan, struct pf_error *err) {
    size_t most = count_entries(plan, PF_MANIFEST_DELETES);
    if (most == 0) return PF_OK;
    plan->list.deletes = PF_ARENA_ARRAY(plan->arena, struct pf_delete_file, most);
    for (size_t i = 0; i < plan->all->count; i++) {
        const struct catalog_manifest *manifest = plan->manifests[i];
        if (!manifest || plan->all->manifests[i].content != PF_MANIFEST_DELETES) continue;
        for (size_t k = 0; k < manifest->manifest.count; k++) {
            const struct pf_data_file *entry = &manifest->manifest.files[k];
            bool is_live = entry->status != PF_ENTRY_DELETED;
            if (is_live && keeps_partition(plan, entry)) {
                PF_TRY(add_delete(plan, manifest, k, err));
            }
        }
    }
    size_t count = plan->list.delete_count;
    const struct pf_data_file **entries = PF_ARENA_ARRAY(plan->arena, const struct pf_data_file *, count);
    for (size_t i = 0; i < count; i++) entries[i] = plan->list.deletes[i].entry;
    struct pf_delete_index *index;
    enum pf_code code = pf_delete_index_new(plan->table->metadata, entries, count, plan->arena, &index, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "table %.*s", PF_STR_ARG(plan->table->full_name));
    for (size_t i = 0; i < count; i++) plan->list.deletes[i].scope = pf_delete_index_scope(index, entries[i]);
    plan->deletes = index;
    return PF_OK;
}

/* ---- data files ---- */

static enum pf_code add_file(struct planning *plan, const struct catalog_manifest *manifest, size_t at,
                             struct pf_error *err) {
    const struct pf_data_file *entry = &manifest->manifest.files[at];
    struct pf_file_list *list = &plan->list;
    struct pf_scan_file *file = &list->files[list->count];
    PF_TRY(check(plan, entry, err));
    PF_TRY(locate(plan, manifest, at, "data", err));
    *file = (struct pf_scan_file){
        .path = entry->path,
        .key = manifest->places[at].key,
        .local_path = manifest->places[at].local_path,
        .size_bytes = entry->size_bytes,
        .row_count = entry->record_count,
        .entry = entry,
    };
    if (plan->deletes) {
        enum pf_code code =
            pf_delete_index_find(plan->deletes, entry, plan->arena, &file->deletes, &file->delete_count, err);
        if (code != PF_OK) return pf_error_wrap(err, code, "table %.*s", PF_STR_ARG(plan->table->full_name));
        if (file->delete_count) file->scope = pf_delete_index_scope(plan->deletes, entry);
    }
    list->count++;
    list->row_count += entry->record_count;
    list->size_bytes += entry->size_bytes;
    return PF_OK;
}

static enum pf_code add_files(struct planning *plan, const struct catalog_manifest *manifest, struct pf_error *err) {
    for (size_t i = 0; i < manifest->manifest.count; i++) {
        const struct pf_data_file *entry = &manifest->manifest.files[i];
        if (entry->status == PF_ENTRY_DELETED) continue;
        if (keeps_file(plan, entry)) {
            PF_TRY(add_file(plan, manifest, i, err));
        } else {
            plan->list.skipped_file_count++;
        }
    }
    return PF_OK;
}

static enum pf_code read_manifests(struct planning *plan, struct pf_error *err) {
    const struct pf_manifest_list *all = plan->all;
    struct pf_file_list *list = &plan->list;
    static const int path_field = PF_DELETE_PATH_FIELD;
    const struct pf_manifest_file **files = PF_ARENA_ARRAY(plan->arena, const struct pf_manifest_file *, all->count);
    struct catalog_manifests_wanted wanted = {files, all->count, plan->columns, {.ids = &path_field, .count = 1}};
    for (size_t i = 0; i < all->count; i++) {
        const struct pf_manifest_file *file = &all->manifests[i];
        if (pf_manifest_file_is_dead(file)) continue;
        list->manifest_count++;
        if (keeps_manifest(plan, file)) {
            files[i] = file;
        } else {
            list->skipped_manifest_count++;
        }
    }
    plan->manifests = PF_ARENA_ARRAY(plan->arena, const struct catalog_manifest *, all->count);
    return catalog_get_manifests(plan->catalog, plan->table, &wanted, plan->arena, plan->manifests,
                                 &list->read_manifest_count, err);
}

static enum pf_code run_plan(struct planning *plan, struct pf_file_list *out_list, struct pf_error *err) {
    PF_TRY(catalog_get_manifest_list(plan->catalog, plan->table, plan->arena, &plan->all, err));
    PF_TRY(read_manifests(plan, err));
    PF_TRY(index_deletes(plan, err));
    plan->list.files = PF_ARENA_ARRAY(plan->arena, struct pf_scan_file, count_entries(plan, PF_MANIFEST_DATA));
    for (size_t i = 0; i < plan->all->count; i++) {
        bool is_data = plan->manifests[i] && plan->all->manifests[i].content == PF_MANIFEST_DATA;
        if (is_data) PF_TRY(add_files(plan, plan->manifests[i], err));
    }
    *out_list = plan->list;
    return PF_OK;
}

enum pf_code pf_catalog_plan_files(struct pf_catalog *catalog, const struct pf_table *table,
                                   const struct pf_predicate *predicates, size_t predicate_count,
                                   struct pf_arena *arena, struct pf_file_list *out_list, struct pf_error *err) {
    struct planning plan = {.catalog = catalog, .table = table, .arena = arena};
    plan.pruner = pf_pruner_new(table->metadata, table->schema, predicates, predicate_count, arena);
    plan.columns = pf_pruner_field_ids(plan.pruner);
    return run_plan(&plan, out_list, err);
}

enum pf_code pf_catalog_plan_filtered(struct pf_catalog *catalog, const struct pf_table *table,
                                      const struct pf_filter *filter, const int *stats_ids, size_t stats_count,
                                      struct pf_arena *arena, struct pf_file_list *out_list, struct pf_error *err) {
    struct planning plan = {.catalog = catalog, .table = table, .filter = filter, .arena = arena};
    struct pf_manifest_columns tested = pf_filter_field_ids(filter);
    int *ids = PF_ARENA_ARRAY(arena, int, tested.count + stats_count);
    for (size_t i = 0; i < tested.count; i++) ids[i] = tested.ids[i];
    for (size_t i = 0; i < stats_count; i++) ids[tested.count + i] = stats_ids[i];
    plan.columns = (struct pf_manifest_columns){.ids = ids, .count = tested.count + stats_count};
    return run_plan(&plan, out_list, err);
}

/* ---- totals ---- */

/* Where the list does not count (version 1) or the summary does not say: all manifests. */
static enum pf_code count_all_files(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                    struct pf_table_totals *out_totals, struct pf_error *err) {
    struct pf_file_list files;
    PF_TRY(pf_catalog_plan_files(catalog, table, NULL, 0, arena, &files, err));
    *out_totals =
        (struct pf_table_totals){files.row_count, files.size_bytes, (int64_t)files.count, !files.delete_count};
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
