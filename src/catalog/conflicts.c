/* SPDX-License-Identifier: MIT */
/* Do commits of others since a statement read a table leave what it found true? The rules are those of Iceberg's Java
 * library (MergingSnapshotProducer), under their names:
 *
 *   validateDataFilesExist                a file whose rows are deleted must be there, or a compaction moved the rows
 *   validateDeletedFiles                  the same for files that were deleted: an update must not bring rows back
 *   validateNoConflictingDeleteFiles      no new deletes among the rows that were looked at
 *   validateNoNewDeletesForDataFiles      no new deletes in files that are replaced: the new files would lack them
 *   validateNoConflictingDataFiles        no new rows among those that were looked at (serializable)
 *   validateAddedDVs                      a file has one deletion vector
 *
 * What others did is read from the snapshots between: the entries that each of them added or deleted. */
#include "catalog/catalog_internal.h"

enum { MAX_SNAPSHOTS = 100000 };

struct inspection {
    struct pf_catalog *catalog;
    const struct pf_table *now;
    const struct pf_rows_change *change;
    const struct pf_pruner *pruner;
    struct pf_arena *arena;
    const struct pf_snapshot *snapshot;  /* that is looked at */
    const struct pf_data_file **deletes; /* new ones that are of the replaced files, perhaps */
    size_t delete_count, delete_capacity;
};

/* ---- sets of paths ---- */

static bool has_path(const pf_str *paths, size_t count, pf_str path) {
    for (size_t i = 0; i < count; i++) {
        if (pf_str_equal(paths[i], path)) return true;
    }
    return false;
}

static bool is_vector(const struct pf_data_file *file) {
    return file->content == PF_FILE_POSITION_DELETES && pf_str_equal(file->format, PF_STR("PUFFIN"));
}

static bool adds_vector_for(const struct pf_rows_change *change, pf_str data_path) {
    for (size_t i = 0; i < change->added_count; i++) {
        const struct pf_data_file *file = &change->added[i];
        if (is_vector(file) && pf_str_equal(file->referenced_data_file, data_path)) return true;
    }
    return false;
}

static bool did(const struct inspection *inspection, const char *operation) {
    return pf_str_equal(inspection->snapshot->operation, pf_str_from_cstr(operation));
}

/* ---- one entry of a commit of others ---- */

static enum pf_code look_at_added_data(const struct inspection *inspection, const struct pf_data_file *file,
                                       struct pf_error *err) {
    bool counts = inspection->change->minds_new_data && (did(inspection, "append") || did(inspection, "overwrite"));
    if (!counts || !pf_pruner_keeps_file(inspection->pruner, file)) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "snapshot %lld added file '%.*s', which may have rows that the statement would have seen",
            (long long)inspection->snapshot->id, PF_STR_ARG(file->path));
}

static enum pf_code look_at_deleted_data(const struct inspection *inspection, const struct pf_data_file *file,
                                         struct pf_error *err) {
    const struct pf_rows_change *change = inspection->change;
    bool counts = did(inspection, "overwrite") || did(inspection, "replace") ||
                  (change->minds_deleted_files && did(inspection, "delete"));
    if (!counts || !has_path(change->needed_files, change->needed_count, file->path)) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "snapshot %lld removed file '%.*s', whose rows the statement changes",
            (long long)inspection->snapshot->id, PF_STR_ARG(file->path));
}

static enum pf_code look_at_added_deletes(struct inspection *inspection, const struct pf_data_file *file,
                                          struct pf_error *err) {
    const struct pf_rows_change *change = inspection->change;
    if (is_vector(file) && adds_vector_for(change, file->referenced_data_file)) {
        PF_FAIL(err, PF_CONFLICT, "snapshot %lld deleted rows of the same file '%.*s'",
                (long long)inspection->snapshot->id, PF_STR_ARG(file->referenced_data_file));
    }
    if (!did(inspection, "overwrite") && !did(inspection, "delete")) return PF_OK;
    PF_ARENA_PUSH(inspection->arena, inspection->deletes, inspection->delete_count, inspection->delete_capacity) = file;
    if (!change->minds_new_deletes || !pf_pruner_keeps_partition(inspection->pruner, file)) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "snapshot %lld deleted rows that the statement may have seen (delete file '%.*s')",
            (long long)inspection->snapshot->id, PF_STR_ARG(file->path));
}

static enum pf_code look_at_entry(struct inspection *inspection, const struct pf_data_file *file,
                                  struct pf_error *err) {
    if (file->snapshot_id != inspection->snapshot->id || file->status == PF_ENTRY_EXISTING) return PF_OK;
    bool is_data = file->content == PF_FILE_DATA, is_added = file->status == PF_ENTRY_ADDED;
    if (is_data && is_added) return look_at_added_data(inspection, file, err);
    if (is_data) return look_at_deleted_data(inspection, file, err);
    return is_added ? look_at_added_deletes(inspection, file, err) : PF_OK;
}

/* ---- the commits ---- */

static enum pf_code look_at_snapshot(struct inspection *inspection, struct pf_error *err) {
    static const int path_field = PF_DELETE_PATH_FIELD;
    struct pf_table table = *inspection->now;
    const struct pf_manifest_list *list;
    int read_count = 0;
    table.snapshot = inspection->snapshot;
    PF_TRY(catalog_get_manifest_list(inspection->catalog, &table, inspection->arena, &list, err));
    const struct pf_manifest_file **files =
        PF_ARENA_ARRAY(inspection->arena, const struct pf_manifest_file *, list->count);
    const struct catalog_manifest **manifests =
        PF_ARENA_ARRAY(inspection->arena, const struct catalog_manifest *, list->count);
    struct catalog_manifests_wanted wanted = {
        files, list->count, pf_pruner_field_ids(inspection->pruner), {.ids = &path_field, .count = 1}};
    for (size_t i = 0; i < list->count; i++) {
        if (list->manifests[i].added_snapshot_id == inspection->snapshot->id) files[i] = &list->manifests[i];
    }
    PF_TRY(catalog_get_manifests(inspection->catalog, &table, &wanted, inspection->arena, manifests, &read_count, err));
    for (size_t i = 0; i < list->count; i++) {
        for (size_t k = 0; manifests[i] && k < manifests[i]->manifest.count; k++) {
            PF_TRY(look_at_entry(inspection, &manifests[i]->manifest.files[k], err));
        }
    }
    return PF_OK;
}

/* Deletes that somebody added to files that the change replaces. */
static enum pf_code look_at_replaced(const struct inspection *inspection, struct pf_error *err) {
    const struct pf_rows_change *change = inspection->change;
    struct pf_delete_index *index;
    if (!inspection->delete_count) return PF_OK;
    PF_TRY(pf_delete_index_new(inspection->now->metadata, inspection->deletes, inspection->delete_count,
                               inspection->arena, &index, err));
    for (size_t i = 0; i < change->removed_count; i++) {
        const uint32_t *found;
        size_t count = 0;
        if (change->removed[i].content != PF_FILE_DATA) continue;
        PF_TRY(pf_delete_index_find(index, &change->removed[i], inspection->arena, &found, &count, err));
        if (!count || !change->added_count) continue; /* with nothing in its place, all of its rows go anyway */
        PF_FAIL(err, PF_CONFLICT, "rows of file '%.*s', which the statement replaces, were deleted by '%.*s'",
                PF_STR_ARG(change->removed[i].path), PF_STR_ARG(inspection->deletes[found[0]]->path));
    }
    return PF_OK;
}

static enum pf_code look_at_history(struct inspection *inspection, int64_t start_id, struct pf_error *err) {
    const struct pf_table_metadata *metadata = inspection->now->metadata;
    const struct pf_snapshot *at = pf_table_metadata_current_snapshot(metadata);
    for (int i = 0; i < MAX_SNAPSHOTS; i++) {
        if ((at ? at->id : -1) == start_id) return look_at_replaced(inspection, err);
        if (!at) break;
        inspection->snapshot = at;
        PF_TRY(look_at_snapshot(inspection, err));
        bool is_first = at->parent_id < 0;
        at = is_first ? NULL : pf_table_metadata_snapshot(metadata, at->parent_id);
        if (!at && !is_first) break; /* expired */
    }
    PF_FAIL(err, PF_CONFLICT, "snapshot %lld, which the statement read, is not in the table's history any more",
            (long long)start_id);
}

enum pf_code catalog_check_conflicts(struct pf_catalog *catalog, const struct pf_table *read,
                                     const struct pf_table *now, const struct pf_rows_change *change,
                                     struct pf_arena *arena, struct pf_error *err) {
    struct inspection inspection = {.catalog = catalog, .now = now, .change = change, .arena = arena};
    int64_t start_id = read->snapshot ? read->snapshot->id : -1;
    if (now->metadata->current_snapshot_id == start_id) return PF_OK;
    inspection.pruner = pf_pruner_new(now->metadata, now->schema, change->predicates, change->predicate_count, arena);
    enum pf_code code = look_at_history(&inspection, start_id, err);
    return code == PF_OK ? PF_OK : pf_error_wrap(err, code, "table %.*s", PF_STR_ARG(now->full_name));
}
