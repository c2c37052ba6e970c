/* SPDX-License-Identifier: MIT */
/* Operation and summary of a snapshot: what was added and removed, and totals that go on from those of the parent. Keys are
 * those of Iceberg's Java library (SnapshotSummary). */
#include "iceberg/change.h"

struct counts {
    int64_t data_files, delete_files, position_files, vectors, equality_files;
    int64_t records, bytes, position_deletes, equality_deletes;
};

static struct counts count_entries(const struct pf_data_file *files, size_t count, bool is_removed) {
    struct counts counts = {0};
    for (size_t i = 0; i < count; i++) {
        const struct pf_data_file *file = &files[i];
        if (is_removed && file->status == PF_ENTRY_DELETED) continue;
        bool is_vector = change_is_vector(file);
        counts.bytes += is_vector ? file->content_size_bytes : file->size_bytes;
        counts.delete_files += file->content != PF_FILE_DATA;
        counts.vectors += is_vector;
        switch (file->content) {
        case PF_FILE_DATA:
            counts.data_files++;
            counts.records += file->record_count;
            break;
        case PF_FILE_POSITION_DELETES:
            counts.position_files += !is_vector;
            counts.position_deletes += file->record_count;
            break;
        case PF_FILE_EQUALITY_DELETES:
            counts.equality_files++;
            counts.equality_deletes += file->record_count;
            break;
        }
    }
    return counts;
}

struct summary {
    struct change_builder *builder;
    struct pf_property *items;
    size_t count, capacity;
};

static void put_number(struct summary *summary, const char *key, int64_t number) {
    struct pf_arena *arena = summary->builder->arena;
    PF_ARENA_PUSH(arena, summary->items, summary->count, summary->capacity) =
        (struct pf_property){pf_str_from_cstr(key), pf_arena_printf(arena, "%lld", (long long)number)};
}

static void put_positive(struct summary *summary, const char *key, int64_t number) {
    if (number > 0) put_number(summary, key, number);
}

/* Where the parent doesn't say, neither do we. */
static void put_total(struct summary *summary, const char *key, int64_t added, int64_t removed) {
    const struct pf_snapshot *parent = summary->builder->parent;
    bool starts_anew = !parent || summary->builder->drops_all;
    int64_t before = starts_anew ? 0 : pf_snapshot_summary_i64(parent, pf_str_from_cstr(key));
    if (before < 0) return;
    put_number(summary, key, before + added - (starts_anew ? 0 : removed));
}

/* ---- partitions ---- */

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
static int64_t count_partitions(struct change_builder *builder) {
    const struct pf_change *change = builder->change;
    size_t total = change->added_count + change->removed_count, size = 16;
    int64_t distinct = 0;
    while (size < total * 2) size *= 2;
    const struct pf_data_file **table = PF_ARENA_ARRAY(builder->arena, const struct pf_data_file *, size);
    for (size_t i = 0; i < total; i++) {
        const struct pf_data_file *file =
            i < change->added_count ? &change->added[i] : &change->removed[i - change->added_count];
        size_t at = partition_hash(file) & (size - 1);
        while (table[at] && !same_partition(table[at], file)) at = (at + 1) & (size - 1);
        if (table[at]) continue;
        table[at] = file;
        distinct++;
    }
    return distinct;
}

/* ---- all of it ---- */

/* As Java's RowDelta and OverwriteFiles: rows that only go are "delete", whatever takes them away. */
static pf_str operation_of(const struct pf_change *change, const struct counts *added, const struct counts *removed) {
    if (change->is_rewrite) return PF_STR("replace");
    bool takes_away = removed->data_files > 0 || added->delete_files > 0;
    if (added->data_files > 0) return takes_away ? PF_STR("overwrite") : PF_STR("append");
    if (takes_away || removed->delete_files > 0) return PF_STR("delete");
    return PF_STR("append");
}

static void put_changes(struct summary *summary, const struct counts *added, const struct counts *removed) {
    put_positive(summary, "added-data-files", added->data_files);
    put_positive(summary, "deleted-data-files", removed->data_files);
    put_positive(summary, "added-delete-files", added->delete_files);
    put_positive(summary, "removed-delete-files", removed->delete_files);
    put_positive(summary, "added-position-delete-files", added->position_files);
    put_positive(summary, "removed-position-delete-files", removed->position_files);
    put_positive(summary, "added-dvs", added->vectors);
    put_positive(summary, "removed-dvs", removed->vectors);
    put_positive(summary, "added-equality-delete-files", added->equality_files);
    put_positive(summary, "removed-equality-delete-files", removed->equality_files);
    put_positive(summary, "added-records", added->records);
    put_positive(summary, "deleted-records", removed->records);
    put_positive(summary, "added-files-size", added->bytes);
    put_positive(summary, "removed-files-size", removed->bytes);
    put_positive(summary, "added-position-deletes", added->position_deletes);
    put_positive(summary, "removed-position-deletes", removed->position_deletes);
    put_positive(summary, "added-equality-deletes", added->equality_deletes);
    put_positive(summary, "removed-equality-deletes", removed->equality_deletes);
}

void change_summarise(struct change_builder *builder, struct pf_snapshot *snapshot) {
    const struct pf_change *change = builder->change;
    struct summary summary = {.builder = builder};
    struct counts added = count_entries(change->added, change->added_count, false);
    struct counts removed = count_entries(change->removed, change->removed_count, true);
    for (size_t i = 0; i < change->summary_count; i++) {
        PF_ARENA_PUSH(builder->arena, summary.items, summary.count, summary.capacity) = change->summary[i];
    }
    put_changes(&summary, &added, &removed);
    put_number(&summary, "changed-partition-count", count_partitions(builder));
    put_number(&summary, "manifests-created", builder->manifests_created);
    put_number(&summary, "manifests-kept", builder->manifests_kept);
    put_number(&summary, "manifests-replaced", builder->manifests_replaced);
    put_total(&summary, "total-records", added.records, removed.records);
    put_total(&summary, "total-files-size", added.bytes, removed.bytes);
    put_total(&summary, "total-data-files", added.data_files, removed.data_files);
    put_total(&summary, "total-delete-files", added.delete_files, removed.delete_files);
    put_total(&summary, "total-position-deletes", added.position_deletes, removed.position_deletes);
    put_total(&summary, "total-equality-deletes", added.equality_deletes, removed.equality_deletes);
    snapshot->operation = operation_of(change, &added, &removed);
    snapshot->summary = summary.items;
    snapshot->summary_count = summary.count;
}
