/* SPDX-License-Identifier: MIT */
/* The next snapshot of a table: files come, files go.
 *
 *   added files ---------------------------> manifests of ADDED entries      \
 *   manifests with removed files ----------> rewritten: EXISTING, DELETED      > manifest list -> snapshot -> metadata
 *   many small manifests ------------------> merged: EXISTING                 |
 *   all others with a live file -----------> as they are                     /
 *
 * Everything is made in memory; the caller stores the objects, then moves the pointer. A lost race costs unreferenced
 * objects, never data. Spec: Snapshots, Manifests, Optimistic Concurrency. */
#include "iceberg/change.h"

#include <string.h>

void change_add_object(struct change_builder *builder, pf_str path, pf_str bytes) {
    PF_ARENA_PUSH(builder->arena, builder->objects, builder->object_count, builder->object_capacity) =
        (struct pf_object){path, bytes};
}

bool change_is_vector(const struct pf_data_file *file) {
    return file->content == PF_FILE_POSITION_DELETES && pf_str_equal(file->format, PF_STR("PUFFIN"));
}

/* ---- the new metadata ---- */

static void add_snapshot(struct change_builder *builder, const struct pf_snapshot *snapshot,
                         struct pf_table_metadata *next) {
    const struct pf_table_metadata *base = builder->base;
    struct pf_snapshot *snapshots = PF_ARENA_ARRAY(builder->arena, struct pf_snapshot, base->snapshot_count + 1);
    if (base->snapshot_count) memcpy(snapshots, base->snapshots, base->snapshot_count * sizeof *snapshots);
    snapshots[base->snapshot_count] = *snapshot;
    next->snapshots = snapshots;
    next->snapshot_count = base->snapshot_count + 1;
    next->current_snapshot_id = snapshot->id;

    struct pf_log_entry *log = PF_ARENA_ARRAY(builder->arena, struct pf_log_entry, base->snapshot_log_count + 1);
    if (base->snapshot_log_count) memcpy(log, base->snapshot_log, base->snapshot_log_count * sizeof *log);
    log[base->snapshot_log_count] =
        (struct pf_log_entry){.timestamp_ms = snapshot->timestamp_ms, .snapshot_id = snapshot->id};
    next->snapshot_log = log;
    next->snapshot_log_count = base->snapshot_log_count + 1;
}

static void move_main(struct change_builder *builder, int64_t snapshot_id, struct pf_table_metadata *next) {
    const struct pf_table_metadata *base = builder->base;
    struct pf_snapshot_ref *refs = PF_ARENA_ARRAY(builder->arena, struct pf_snapshot_ref, base->ref_count + 1);
    size_t count = base->ref_count, at = count;
    if (count) memcpy(refs, base->refs, count * sizeof *refs);
    for (size_t i = 0; i < count; i++) {
        if (pf_str_equal(refs[i].name, PF_STR("main"))) at = i;
    }
    if (at == count) refs[count++] = (struct pf_snapshot_ref){PF_STR("main"), 0, true, -1, -1, -1};
    refs[at].snapshot_id = snapshot_id;
    next->refs = refs;
    next->ref_count = count;
}

static void log_previous(struct change_builder *builder, struct pf_table_metadata *next, struct pf_commit *commit) {
    const struct pf_table_metadata *base = builder->base;
    const struct pf_log_entry *log;
    if (builder->change->metadata_path.len == 0) return;
    size_t dropped = pf_table_metadata_log(next, base, builder->change->metadata_path, builder->arena, &log);
    pf_str deletes =
        pf_table_metadata_property(base, PF_STR("write.metadata.delete-after-commit.enabled"), PF_STR("false"));
    if (!pf_str_equal_nocase(deletes, PF_STR("true")) || dropped == 0) return;
    pf_str *paths = PF_ARENA_ARRAY(builder->arena, pf_str, dropped);
    for (size_t i = 0; i < dropped; i++) paths[i] = log[i].metadata_path;
    commit->expired_metadata_paths = paths;
    commit->expired_metadata_count = dropped;
}

static enum pf_code write_metadata(struct change_builder *builder, const struct pf_snapshot *snapshot,
                                   struct pf_commit *commit, struct pf_error *err) {
    struct pf_table_metadata *next = PF_ARENA_NEW(builder->arena, struct pf_table_metadata);
    pf_str json;
    *next = *builder->base;
    next->last_sequence_number = builder->sequence_number;
    next->last_updated_ms = builder->timestamp_ms;
    if (next->format_version >= 3) next->next_row_id = snapshot->first_row_id + snapshot->added_rows;
    add_snapshot(builder, snapshot, next);
    move_main(builder, snapshot->id, next);
    log_previous(builder, next, commit);
    PF_TRY(pf_table_metadata_write(next, builder->arena, &json, err));
    commit->metadata_path = pf_table_metadata_next_path(builder->base, builder->change->metadata_path,
                                                        builder->change->metadata_uuid, builder->arena);
    change_add_object(builder, commit->metadata_path, json);
    commit->metadata = next;
    return PF_OK;
}

/* ---- what can't be ---- */

static enum pf_code check_added(const struct pf_change *change, const struct pf_data_file *file, struct pf_error *err) {
    int version = change->metadata->format_version;
    if (file->path.len == 0 || file->record_count < 0 || file->size_bytes < 0) {
        PF_FAIL(err, PF_INVALID, "new file '%.*s' has no path, row count or size", PF_STR_ARG(file->path));
    }
    if (file->content == PF_FILE_DATA) return PF_OK;
    if (version < 2) {
        PF_FAIL(err, PF_UNSUPPORTED,
                "the table at %.*s has format version 1, which has no delete files; upgrade it (table property "
                "format-version = 2)",
                PF_STR_ARG(change->metadata->location));
    }
    if (file->content != PF_FILE_POSITION_DELETES) return PF_OK;
    if (change_is_vector(file) != (version >= 3)) {
        PF_FAIL(err, PF_UNSUPPORTED, "delete file '%.*s': tables of version %d delete rows by %s",
                PF_STR_ARG(file->path), version, version >= 3 ? "deletion vectors" : "position delete files");
    }
    bool is_whole = !change_is_vector(file) ||
                    (file->referenced_data_file.len && file->content_offset >= 0 && file->content_size_bytes > 0);
    if (!is_whole) {
        PF_FAIL(err, PF_INVALID, "deletion vector in '%.*s' does not say where it lies or which file it is for",
                PF_STR_ARG(file->path));
    }
    return PF_OK;
}

static enum pf_code check_manifest(const struct change_builder *builder, const struct pf_manifest_file *file,
                                   struct pf_error *err) {
    if (file->size_bytes < 0) {
        PF_FAIL(err, PF_UNSUPPORTED, "manifest '%.*s' is of a v1 snapshot without a manifest list: rewrite the table",
                PF_STR_ARG(file->path));
    }
    bool needs_counts =
        builder->base->format_version >= 3 && file->content == PF_MANIFEST_DATA && file->first_row_id < 0;
    if (needs_counts && (file->added_rows < 0 || file->existing_rows < 0)) {
        PF_FAIL(err, PF_UNSUPPORTED,
                "manifest '%.*s' does not say how many rows it has, so they get no row ids: rewrite the manifests",
                PF_STR_ARG(file->path));
    }
    return PF_OK;
}

static enum pf_code check(const struct change_builder *builder, struct pf_error *err) {
    const struct pf_change *change = builder->change;
    const struct pf_table_metadata *base = change->metadata;
    if (base->format_version < 1 || base->format_version > 3) {
        PF_FAIL(err, PF_UNSUPPORTED, "the table at %.*s has format version %d: only 1 to 3 are written",
                PF_STR_ARG(base->location), base->format_version);
    }
    if (change->snapshot_id <= 0 || pf_table_metadata_snapshot(base, change->snapshot_id)) {
        PF_FAIL(err, PF_INVALID, "snapshot id %lld is not new", (long long)change->snapshot_id);
    }
    if (!change->manifests && !builder->drops_all && pf_table_metadata_current_snapshot(base)) {
        PF_FAIL(err, PF_INVALID, "the manifests of the current snapshot are missing");
    }
    for (size_t i = 0; change->manifests && !builder->drops_all && i < change->manifests->count; i++) {
        PF_TRY(check_manifest(builder, &change->manifests->manifests[i], err));
    }
    for (size_t i = 0; i < change->added_count; i++) PF_TRY(check_added(change, &change->added[i], err));
    return PF_OK;
}

/* ---- the snapshot ---- */

static void start(struct change_builder *builder) {
    const struct pf_change *change = builder->change;
    builder->base = change->metadata;
    builder->parent = pf_table_metadata_current_snapshot(change->metadata);
    builder->folder = pf_table_metadata_metadata_folder(change->metadata, builder->arena);
    builder->sequence_number = change->metadata->format_version > 1 ? change->metadata->last_sequence_number + 1 : 0;
    /* Time must not run backwards in the log, whatever the clock says. */
    builder->timestamp_ms =
        change->now_ms > change->metadata->last_updated_ms ? change->now_ms : change->metadata->last_updated_ms;
}

enum pf_code change_build(struct change_builder *builder, struct pf_commit *out_commit, struct pf_error *err) {
    struct pf_commit commit = {0};
    pf_str list_bytes;
    int64_t next_row_id = -1;
    start(builder);
    PF_TRY(check(builder, err));
    PF_TRY(change_write_manifests(builder, err));
    const struct pf_table_metadata *base = builder->base;
    struct pf_snapshot snapshot = {
        .id = builder->change->snapshot_id,
        .parent_id = builder->parent ? builder->parent->id : -1,
        .sequence_number = builder->sequence_number,
        .timestamp_ms = builder->timestamp_ms,
        .manifest_list =
            pf_arena_printf(builder->arena, "%.*s/snap-%lld-1-%.*s.avro", PF_STR_ARG(builder->folder),
                            (long long)builder->change->snapshot_id, PF_STR_ARG(builder->change->commit_uuid)),
        .schema_id = base->current_schema_id,
        .first_row_id = base->format_version < 3 ? -1
                        : base->next_row_id > 0  ? base->next_row_id
                                                 : 0,
        .added_rows = -1,
    };
    struct manifest_list_write write = {base->format_version, snapshot.id, snapshot.parent_id, snapshot.sequence_number,
                                        snapshot.first_row_id};
    PF_TRY(manifest_list_write(&builder->list, &write, builder->arena, &list_bytes, &next_row_id, err));
    if (base->format_version >= 3) snapshot.added_rows = next_row_id - snapshot.first_row_id;
    change_add_object(builder, snapshot.manifest_list, list_bytes);
    change_summarise(builder, &snapshot);
    PF_TRY(write_metadata(builder, &snapshot, &commit, err));
    commit.objects = builder->objects;
    commit.object_count = builder->object_count;
    commit.manifests = builder->list;
    *out_commit = commit;
    return PF_OK;
}

enum pf_code pf_iceberg_change(const struct pf_change *change, struct pf_arena *arena, struct pf_commit *out_commit,
                               struct pf_error *err) {
    struct change_builder builder = {.change = change, .arena = arena};
    return change_build(&builder, out_commit, err);
}
