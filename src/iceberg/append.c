/* SPDX-License-Identifier: MIT */
/* The next snapshot of a table: new files, or new files instead of all old ones.
 *
 *   files ----> manifests of ADDED entries   \
 *   replaced -> manifests of DELETED entries  > manifest list -> snapshot -> metadata.json
 *   manifests of the current snapshot        /  (append only; those without a live file are left out)
 *
 * Everything is made in memory; the caller stores the objects, then moves the pointer. A lost race costs unreferenced
 * objects, never data. */
#include "iceberg/manifest.h"
#include "iceberg/schema.h"

#include <string.h>

enum { FILES_PER_MANIFEST = 10000 };

struct builder {
    const struct pf_append *append;
    const struct pf_table_metadata *base;
    const struct pf_snapshot *parent; /* NULL: none */
    struct pf_arena *arena;
    pf_str folder;
    int64_t sequence_number, timestamp_ms;
    struct pf_object *objects;
    size_t object_count, object_capacity;
    struct pf_manifest_list list;
    size_t list_capacity;
    int manifest_number;
};

static void add_object(struct builder *builder, pf_str path, pf_str bytes) {
    PF_ARENA_PUSH(builder->arena, builder->objects, builder->object_count, builder->object_capacity) =
        (struct pf_object){path, bytes};
}

static void add_manifest(struct builder *builder, struct pf_manifest_file file) {
    PF_ARENA_PUSH(builder->arena, builder->list.manifests, builder->list.count, builder->list_capacity) = file;
}

/* ---- manifests ---- */

static enum pf_code write_manifest(struct builder *builder, int spec_id, enum pf_manifest_content content,
                                   const struct pf_data_file *files, size_t count, struct pf_error *err) {
    struct manifest_write write = {
        .metadata = builder->base,
        .spec = pf_table_metadata_spec(builder->base, spec_id),
        .content = content,
        .path = pf_arena_printf(builder->arena, "%.*s/%.*s-m%d.avro", PF_STR_ARG(builder->folder),
                                PF_STR_ARG(builder->append->commit_uuid), builder->manifest_number),
        .snapshot_id = builder->append->snapshot_id,
        .sequence_number = builder->sequence_number,
    };
    struct pf_manifest_file file;
    pf_str bytes;
    if (!write.spec) PF_FAIL(err, PF_CORRUPT, "partition spec %d is not in the table's metadata", spec_id);
    PF_TRY(manifest_write(&write, files, count, builder->arena, &bytes, &file, err));
    builder->manifest_number++;
    add_object(builder, write.path, bytes);
    add_manifest(builder, file);
    return PF_OK;
}

static enum pf_code add_new_files(struct builder *builder, struct pf_error *err) {
    const struct pf_append *append = builder->append;
    struct pf_data_file *files = PF_ARENA_ARRAY(builder->arena, struct pf_data_file, append->file_count);
    for (size_t i = 0; i < append->file_count; i++) {
        files[i] = append->files[i];
        files[i].status = PF_ENTRY_ADDED;
        files[i].content = PF_FILE_DATA;
        files[i].spec_id = builder->base->default_spec_id;
        if (files[i].format.len == 0) files[i].format = PF_STR("PARQUET");
        if (files[i].path.len == 0 || files[i].record_count < 0 || files[i].size_bytes < 0) {
            PF_FAIL(err, PF_INVALID, "new file %zu ('%.*s') has no path, row count or size", i,
                    PF_STR_ARG(files[i].path));
        }
    }
    for (size_t from = 0; from < append->file_count; from += FILES_PER_MANIFEST) {
        size_t count = append->file_count - from;
        if (count > FILES_PER_MANIFEST) count = FILES_PER_MANIFEST;
        PF_TRY(write_manifest(builder, builder->base->default_spec_id, PF_MANIFEST_DATA, files + from, count, err));
    }
    return PF_OK;
}

static enum pf_manifest_content manifest_content(const struct pf_data_file *file) {
    return file->content == PF_FILE_DATA ? PF_MANIFEST_DATA : PF_MANIFEST_DELETES;
}

/* Deleted entries of one spec and content. */
static enum pf_code add_deleted_group(struct builder *builder, int spec_id, enum pf_manifest_content content,
                                      struct pf_error *err) {
    const struct pf_append *append = builder->append;
    struct pf_data_file *group = PF_ARENA_ARRAY(builder->arena, struct pf_data_file, append->replaced_count);
    size_t count = 0;
    for (size_t i = 0; i < append->replaced_count; i++) {
        const struct pf_data_file *file = &append->replaced[i];
        if (file->spec_id != spec_id || manifest_content(file) != content) continue;
        if (file->status == PF_ENTRY_DELETED) continue;
        group[count] = *file;
        group[count].status = PF_ENTRY_DELETED;
        group[count].snapshot_id = append->snapshot_id; /* the snapshot that deleted it */
        count++;
    }
    for (size_t from = 0; from < count; from += FILES_PER_MANIFEST) {
        size_t part = count - from > FILES_PER_MANIFEST ? FILES_PER_MANIFEST : count - from;
        PF_TRY(write_manifest(builder, spec_id, content, group + from, part, err));
    }
    return PF_OK;
}

static enum pf_code add_deleted_files(struct builder *builder, struct pf_error *err) {
    for (size_t i = 0; i < builder->base->spec_count; i++) {
        PF_TRY(add_deleted_group(builder, builder->base->specs[i].id, PF_MANIFEST_DATA, err));
        PF_TRY(add_deleted_group(builder, builder->base->specs[i].id, PF_MANIFEST_DELETES, err));
    }
    return PF_OK;
}

static void keep_old_manifests(struct builder *builder) {
    const struct pf_manifest_list *old = builder->append->manifests;
    for (size_t i = 0; old && i < old->count; i++) {
        if (!pf_manifest_file_is_dead(&old->manifests[i])) add_manifest(builder, old->manifests[i]);
    }
}

/* ---- the summary ---- */

struct totals {
    int64_t files, records, bytes, delete_files, position_deletes, equality_deletes;
};

static struct totals count_entries(const struct pf_data_file *files, size_t count) {
    struct totals totals = {0};
    for (size_t i = 0; i < count; i++) {
        if (files[i].status == PF_ENTRY_DELETED) continue;
        totals.bytes += files[i].size_bytes;
        if (files[i].content == PF_FILE_DATA) {
            totals.files++;
            totals.records += files[i].record_count;
        } else {
            totals.delete_files++;
            *(files[i].content == PF_FILE_POSITION_DELETES ? &totals.position_deletes : &totals.equality_deletes) +=
                files[i].record_count;
        }
    }
    return totals;
}

struct summary {
    struct builder *builder;
    struct pf_property *items;
    size_t count, capacity;
};

static void put_property(struct summary *summary, const char *key, int64_t number) {
    struct pf_arena *arena = summary->builder->arena;
    PF_ARENA_PUSH(arena, summary->items, summary->count, summary->capacity) =
        (struct pf_property){pf_str_from_cstr(key), pf_arena_printf(arena, "%lld", (long long)number)};
}

static void put_positive(struct summary *summary, const char *key, int64_t number) {
    if (number > 0) put_property(summary, key, number);
}

/* Totals go on from those of the parent; where it doesn't say, neither do we. */
static void put_total(struct summary *summary, const char *key, int64_t added, int64_t removed) {
    const struct pf_snapshot *parent = summary->builder->parent;
    bool starts_anew = !parent || summary->builder->append->is_replace;
    int64_t before = starts_anew ? 0 : pf_snapshot_summary_i64(parent, pf_str_from_cstr(key));
    if (before < 0) return;
    put_property(summary, key, before + added - (starts_anew ? 0 : removed));
}

static bool same_partition(const struct pf_data_file *a, const struct pf_data_file *b) {
    if (a->spec_id != b->spec_id || a->partition_count != b->partition_count) return false;
    for (size_t i = 0; i < a->partition_count; i++) {
        if (!a->partition[i].ptr != !b->partition[i].ptr || !pf_str_equal(a->partition[i], b->partition[i]))
            return false;
    }
    return true;
}

static uint64_t partition_hash(const struct pf_data_file *file) {
    uint64_t hash = (uint64_t)(unsigned)file->spec_id * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < file->partition_count; i++) {
        hash = (hash ^ pf_str_hash(file->partition[i])) * 0x9e3779b97f4a7c15u + (file->partition[i].ptr != NULL);
    }
    return hash ^ hash >> 32;
}

/* An open table of files by partition, at most half full. */
static int64_t count_partitions(struct builder *builder) {
    const struct pf_append *append = builder->append;
    size_t total = append->file_count + (append->is_replace ? append->replaced_count : 0), size = 16;
    int64_t distinct = 0;
    while (size < total * 2) size *= 2;
    struct pf_data_file *table = PF_ARENA_ARRAY(builder->arena, struct pf_data_file, size);
    for (size_t i = 0; i < total; i++) {
        struct pf_data_file file = i < append->file_count ? append->files[i] : append->replaced[i - append->file_count];
        if (i < append->file_count) file.spec_id = builder->base->default_spec_id;
        size_t at = partition_hash(&file) & (size - 1);
        while (table[at].path.len && !same_partition(&table[at], &file)) at = (at + 1) & (size - 1);
        if (table[at].path.len) continue;
        table[at] = file;
        distinct++;
    }
    return distinct;
}

static void make_summary(struct builder *builder, struct pf_snapshot *snapshot) {
    const struct pf_append *append = builder->append;
    struct summary summary = {.builder = builder};
    struct totals added = count_entries(append->files, append->file_count), removed = {0};
    if (append->is_replace) removed = count_entries(append->replaced, append->replaced_count);
    for (size_t i = 0; i < append->summary_count; i++) {
        PF_ARENA_PUSH(builder->arena, summary.items, summary.count, summary.capacity) = append->summary[i];
    }
    put_positive(&summary, "added-data-files", added.files);
    put_positive(&summary, "deleted-data-files", removed.files);
    put_positive(&summary, "removed-delete-files", removed.delete_files);
    put_positive(&summary, "added-records", added.records);
    put_positive(&summary, "deleted-records", removed.records);
    put_positive(&summary, "added-files-size", added.bytes);
    put_positive(&summary, "removed-files-size", removed.bytes);
    put_positive(&summary, "removed-position-deletes", removed.position_deletes);
    put_positive(&summary, "removed-equality-deletes", removed.equality_deletes);
    put_property(&summary, "changed-partition-count", count_partitions(builder));
    put_total(&summary, "total-records", added.records, removed.records);
    put_total(&summary, "total-files-size", added.bytes, removed.bytes);
    put_total(&summary, "total-data-files", added.files, removed.files);
    put_total(&summary, "total-delete-files", 0, removed.delete_files);
    put_total(&summary, "total-position-deletes", 0, removed.position_deletes);
    put_total(&summary, "total-equality-deletes", 0, removed.equality_deletes);
    bool is_append = removed.files + removed.delete_files == 0;
    snapshot->operation = is_append ? PF_STR("append") : added.files == 0 ? PF_STR("delete") : PF_STR("overwrite");
    snapshot->summary = summary.items;
    snapshot->summary_count = summary.count;
}

/* ---- the new metadata ---- */

static void add_snapshot(struct builder *builder, const struct pf_snapshot *snapshot, struct pf_table_metadata *next) {
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

static void move_main(struct builder *builder, int64_t snapshot_id, struct pf_table_metadata *next) {
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

static void log_previous(struct builder *builder, struct pf_table_metadata *next, struct pf_commit *commit) {
    const struct pf_table_metadata *base = builder->base;
    const struct pf_log_entry *log;
    if (builder->append->metadata_path.len == 0) return;
    size_t dropped = pf_table_metadata_log(next, base, builder->append->metadata_path, builder->arena, &log);
    pf_str deletes =
        pf_table_metadata_property(base, PF_STR("write.metadata.delete-after-commit.enabled"), PF_STR("false"));
    if (!pf_str_equal_nocase(deletes, PF_STR("true")) || dropped == 0) return;
    pf_str *paths = PF_ARENA_ARRAY(builder->arena, pf_str, dropped);
    for (size_t i = 0; i < dropped; i++) paths[i] = log[i].metadata_path;
    commit->expired_metadata_paths = paths;
    commit->expired_metadata_count = dropped;
}

static enum pf_code check(const struct pf_append *append, struct pf_error *err) {
    const struct pf_table_metadata *base = append->metadata;
    if (base->format_version != 2) {
        PF_FAIL(err, PF_UNSUPPORTED, "the table at %.*s has format version %d: only version 2 is written%s",
                PF_STR_ARG(base->location), base->format_version,
                base->format_version < 2 ? "; upgrade it first (table property format-version = 2)" : "");
    }
    if (append->snapshot_id <= 0 || pf_table_metadata_snapshot(base, append->snapshot_id)) {
        PF_FAIL(err, PF_INVALID, "snapshot id %lld is not new", (long long)append->snapshot_id);
    }
    if (!append->manifests && !append->is_replace && pf_table_metadata_current_snapshot(base)) {
        PF_FAIL(err, PF_INVALID, "the manifests of the current snapshot are missing");
    }
    for (size_t i = 0; append->manifests && i < append->manifests->count; i++) {
        if (append->manifests->manifests[i].size_bytes >= 0 || append->is_replace) continue;
        PF_FAIL(err, PF_UNSUPPORTED, "manifest '%.*s' is of a v1 snapshot without a manifest list: rewrite the table",
                PF_STR_ARG(append->manifests->manifests[i].path));
    }
    return PF_OK;
}

static enum pf_code write_metadata(struct builder *builder, struct pf_snapshot *snapshot, struct pf_commit *commit,
                                   struct pf_error *err) {
    struct pf_table_metadata *next = PF_ARENA_NEW(builder->arena, struct pf_table_metadata);
    pf_str json;
    *next = *builder->base;
    next->last_sequence_number = builder->sequence_number;
    next->last_updated_ms = builder->timestamp_ms;
    add_snapshot(builder, snapshot, next);
    move_main(builder, snapshot->id, next);
    log_previous(builder, next, commit);
    PF_TRY(pf_table_metadata_write(next, builder->arena, &json, err));
    commit->metadata_path = pf_table_metadata_next_path(builder->base, builder->append->metadata_path,
                                                        builder->append->metadata_uuid, builder->arena);
    add_object(builder, commit->metadata_path, json);
    commit->metadata = next;
    return PF_OK;
}

enum pf_code pf_iceberg_append(const struct pf_append *append, struct pf_arena *arena, struct pf_commit *out_commit,
                               struct pf_error *err) {
    struct pf_commit commit = {0};
    PF_TRY(check(append, err));
    struct builder builder = {.append = append, .base = append->metadata, .arena = arena};
    builder.parent = pf_table_metadata_current_snapshot(append->metadata);
    builder.folder = pf_table_metadata_metadata_folder(append->metadata, arena);
    builder.sequence_number = append->metadata->last_sequence_number + 1;
    /* Time must not run backwards in the log, whatever the clock says. */
    builder.timestamp_ms =
        append->now_ms > append->metadata->last_updated_ms ? append->now_ms : append->metadata->last_updated_ms;
    PF_TRY(add_new_files(&builder, err));
    if (append->is_replace) {
        PF_TRY(add_deleted_files(&builder, err));
    } else {
        keep_old_manifests(&builder);
    }
    struct pf_snapshot snapshot = {
        .id = append->snapshot_id,
        .parent_id = builder.parent ? builder.parent->id : -1,
        .sequence_number = builder.sequence_number,
        .timestamp_ms = builder.timestamp_ms,
        .manifest_list = pf_arena_printf(arena, "%.*s/snap-%lld-1-%.*s.avro", PF_STR_ARG(builder.folder),
                                         (long long)append->snapshot_id, PF_STR_ARG(append->commit_uuid)),
        .schema_id = append->metadata->current_schema_id,
        .first_row_id = -1,
        .added_rows = -1,
    };
    pf_str list_bytes;
    PF_TRY(manifest_list_write(&builder.list, snapshot.id, snapshot.parent_id, snapshot.sequence_number, arena,
                               &list_bytes, err));
    add_object(&builder, snapshot.manifest_list, list_bytes);
    make_summary(&builder, &snapshot);
    PF_TRY(write_metadata(&builder, &snapshot, &commit, err));
    commit.objects = builder.objects;
    commit.object_count = builder.object_count;
    commit.manifests = builder.list;
    *out_commit = commit;
    return PF_OK;
}
