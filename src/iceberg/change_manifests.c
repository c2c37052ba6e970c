/* SPDX-License-Identifier: MIT */
/* Manifests of the next snapshot. The same choice of what is read and merged is made twice: before the manifests are
 * read (pf_change_reads), and when they are there. */
#include "iceberg/change.h"

enum { USUAL_MIN_COUNT = 100, USUAL_TARGET_BYTES = 8 << 20 };

static enum pf_manifest_content manifest_content(const struct pf_data_file *file) {
    return file->content == PF_FILE_DATA ? PF_MANIFEST_DATA : PF_MANIFEST_DELETES;
}

/* ---- which manifests are merged ---- */

/* Manifests of one spec and content are put together, in their order, up to the target size. */
struct merge_plan {
    int *groups; /* by manifest; 0: none */
    int group_count;
};

static int64_t number_property(const struct pf_table_metadata *metadata, pf_str key, int64_t usual) {
    int64_t value = usual;
    return pf_str_to_i64(pf_table_metadata_property(metadata, key, PF_STR_EMPTY), &value) && value > 0 ? value : usual;
}

static bool may_merge(const struct pf_manifest_file *file, int64_t target_bytes) {
    return !pf_manifest_file_is_dead(file) && file->size_bytes >= 0 && file->size_bytes < target_bytes &&
           !file->key_metadata.len;
}

static bool is_alike(const struct pf_manifest_file *a, const struct pf_manifest_file *b) {
    return a->spec_id == b->spec_id && a->content == b->content;
}

/* Groups those that are like manifest `first`, if they are many. */
static void plan_group(const struct pf_manifest_list *list, size_t first, int64_t min_count, int64_t target_bytes,
                       struct merge_plan *plan) {
    int64_t count = 0, bytes = 0;
    size_t last = SIZE_MAX; /* the one that began the group */
    for (size_t i = first; i < list->count; i++) {
        count += is_alike(&list->manifests[first], &list->manifests[i]) && may_merge(&list->manifests[i], target_bytes);
    }
    if (count < min_count) return;
    for (size_t i = first; i < list->count; i++) {
        const struct pf_manifest_file *file = &list->manifests[i];
        if (!is_alike(&list->manifests[first], file) || !may_merge(file, target_bytes)) continue;
        if (last == SIZE_MAX || bytes + file->size_bytes > target_bytes) {
            plan->group_count++;
            bytes = 0;
            last = i;
        }
        plan->groups[i] = plan->group_count;
        bytes += file->size_bytes;
    }
}

static struct merge_plan plan_merges(const struct pf_change *change, struct pf_arena *arena) {
    const struct pf_manifest_list *list = change->manifests;
    struct merge_plan plan = {PF_ARENA_ARRAY(arena, int, list->count), 0};
    pf_str enabled =
        pf_table_metadata_property(change->metadata, PF_STR("commit.manifest-merge.enabled"), PF_STR("true"));
    if (pf_str_equal_nocase(enabled, PF_STR("false"))) return plan;
    int64_t min_count =
        number_property(change->metadata, PF_STR("commit.manifest.min-count-to-merge"), USUAL_MIN_COUNT);
    int64_t target_bytes =
        number_property(change->metadata, PF_STR("commit.manifest.target-size-bytes"), USUAL_TARGET_BYTES);
    for (size_t i = 0; i < list->count; i++) {
        bool is_first = may_merge(&list->manifests[i], target_bytes);
        for (size_t k = 0; k < i && is_first; k++) {
            is_first =
                !is_alike(&list->manifests[i], &list->manifests[k]) || !may_merge(&list->manifests[k], target_bytes);
        }
        if (is_first) plan_group(list, i, min_count, target_bytes, &plan);
    }
    return plan;
}

/* Sequence numbers of its live files lie between the two of the manifest. */
static bool may_have(const struct pf_manifest_file *manifest, const struct pf_data_file *file) {
    return manifest->spec_id == file->spec_id && manifest->content == manifest_content(file) &&
           file->sequence_number >= manifest->min_sequence_number && file->sequence_number <= manifest->sequence_number;
}

void pf_change_reads(const struct pf_change *change, struct pf_arena *arena, bool **out_reads) {
    const struct pf_manifest_list *list = change->manifests;
    *out_reads = PF_ARENA_ARRAY(arena, bool, list ? list->count : 0);
    if (!list) return;
    struct merge_plan plan = plan_merges(change, arena);
    for (size_t i = 0; i < list->count; i++) {
        bool is_read = plan.groups[i] > 0;
        for (size_t k = 0; k < change->removed_count && !is_read; k++) {
            is_read = may_have(&list->manifests[i], &change->removed[k]);
        }
        (*out_reads)[i] = is_read && !pf_manifest_file_is_dead(&list->manifests[i]);
    }
}

/* ---- removed files ---- */

/* An open table by path and place, at most half full. */
struct removed_set {
    const struct pf_data_file **slots;
    bool *is_found;
    size_t size;
};

static size_t find_slot(const struct removed_set *set, const struct pf_data_file *file) {
    bool is_vector = change_is_vector(file);
    uint64_t hash = pf_str_hash(file->path) + (is_vector ? (uint64_t)file->content_offset * 0x9e3779b97f4a7c15u : 0);
    size_t at = (hash ^ hash >> 32) & (set->size - 1);
    while (set->slots[at]) {
        const struct pf_data_file *there = set->slots[at];
        bool is_it = pf_str_equal(there->path, file->path) && change_is_vector(there) == is_vector &&
                     (!is_vector || there->content_offset == file->content_offset);
        if (is_it) break;
        at = (at + 1) & (set->size - 1);
    }
    return at;
}

static struct removed_set make_removed_set(const struct pf_change *change, struct pf_arena *arena) {
    struct removed_set set = {.size = 16};
    while (set.size < change->removed_count * 2) set.size *= 2;
    set.slots = PF_ARENA_ARRAY(arena, const struct pf_data_file *, set.size);
    set.is_found = PF_ARENA_ARRAY(arena, bool, set.size);
    for (size_t i = 0; i < change->removed_count; i++) {
        set.slots[find_slot(&set, &change->removed[i])] = &change->removed[i];
    }
    return set;
}

static enum pf_code check_all_found(const struct removed_set *set, struct pf_error *err) {
    for (size_t i = 0; i < set->size; i++) {
        if (!set->slots[i] || set->is_found[i]) continue;
        PF_FAIL(err, PF_CONFLICT, "file '%.*s' is not in the table any more", PF_STR_ARG(set->slots[i]->path));
    }
    return PF_OK;
}

/* ---- writing ---- */

struct entries {
    struct pf_data_file *items;
    size_t count, capacity;
};

static enum pf_code write_part(struct change_builder *builder, int spec_id, enum pf_manifest_content content,
                               const struct pf_data_file *files, size_t count, struct pf_error *err) {
    struct manifest_write write = {
        .metadata = builder->base,
        .spec = pf_table_metadata_spec(builder->base, spec_id),
        .content = content,
        .path = pf_arena_printf(builder->arena, "%.*s/%.*s-m%d.avro", PF_STR_ARG(builder->folder),
                                PF_STR_ARG(builder->change->commit_uuid), builder->manifest_number),
        .snapshot_id = builder->change->snapshot_id,
        .sequence_number = builder->sequence_number,
        .data_sequence_number = builder->change->data_sequence_number,
    };
    struct pf_manifest_file file;
    pf_str bytes;
    if (!write.spec) PF_FAIL(err, PF_CORRUPT, "partition spec %d is not in the table's metadata", spec_id);
    PF_TRY(manifest_write(&write, files, count, builder->arena, &bytes, &file, err));
    builder->manifest_number++;
    builder->manifests_created++;
    change_add_object(builder, write.path, bytes);
    PF_ARENA_PUSH(builder->arena, builder->list.manifests, builder->list.count, builder->list_capacity) = file;
    return PF_OK;
}

static enum pf_code write_entries(struct change_builder *builder, int spec_id, enum pf_manifest_content content,
                                  const struct entries *entries, struct pf_error *err) {
    for (size_t from = 0; from < entries->count; from += FILES_PER_MANIFEST) {
        size_t count = entries->count - from > FILES_PER_MANIFEST ? FILES_PER_MANIFEST : entries->count - from;
        PF_TRY(write_part(builder, spec_id, content, entries->items + from, count, err));
    }
    return PF_OK;
}

static enum pf_code write_added(struct change_builder *builder, int spec_id, enum pf_manifest_content content,
                                struct pf_error *err) {
    const struct pf_change *change = builder->change;
    struct entries entries = {0};
    for (size_t i = 0; i < change->added_count; i++) {
        struct pf_data_file file = change->added[i];
        if (file.spec_id != spec_id || manifest_content(&file) != content) continue;
        file.status = PF_ENTRY_ADDED;
        if (file.format.len == 0) file.format = PF_STR("PARQUET");
        PF_ARENA_PUSH(builder->arena, entries.items, entries.count, entries.capacity) = file;
    }
    return write_entries(builder, spec_id, content, &entries, err);
}

static enum pf_code write_all_added(struct change_builder *builder, struct pf_error *err) {
    const struct pf_table_metadata *base = builder->base;
    for (size_t i = 0; i < builder->change->added_count; i++) {
        const struct pf_data_file *file = &builder->change->added[i];
        if (pf_table_metadata_spec(base, file->spec_id)) continue;
        PF_FAIL(err, PF_INVALID, "new file '%.*s': the table has no partition spec %d", PF_STR_ARG(file->path),
                file->spec_id);
    }
    for (size_t i = 0; i < base->spec_count; i++) {
        PF_TRY(write_added(builder, base->specs[i].id, PF_MANIFEST_DATA, err));
        PF_TRY(write_added(builder, base->specs[i].id, PF_MANIFEST_DELETES, err));
    }
    return PF_OK;
}

/* The live entries of a manifest, those that are removed as deleted by this snapshot. Gives how many those are. */
static size_t take_entries(struct change_builder *builder, const struct pf_manifest *manifest,
                           const struct removed_set *removed, struct entries *entries) {
    size_t removed_count = 0;
    for (size_t i = 0; i < manifest->count; i++) {
        struct pf_data_file file = manifest->files[i];
        if (file.status == PF_ENTRY_DELETED) continue;
        size_t at = find_slot(removed, &file);
        file.status = PF_ENTRY_EXISTING;
        if (removed->slots[at]) {
            removed->is_found[at] = true;
            file.status = PF_ENTRY_DELETED;
            file.snapshot_id = builder->change->snapshot_id; /* the snapshot that deleted it */
            removed_count++;
        }
        PF_ARENA_PUSH(builder->arena, entries->items, entries->count, entries->capacity) = file;
    }
    return removed_count;
}

static enum pf_code merge_group(struct change_builder *builder, const struct merge_plan *plan, size_t first,
                                const struct removed_set *removed, struct pf_error *err) {
    const struct pf_manifest_list *list = builder->change->manifests;
    struct entries entries = {0};
    size_t removed_count = 0, member_count = 0;
    for (size_t i = first; i < list->count; i++) {
        if (plan->groups[i] != plan->groups[first]) continue;
        const struct pf_manifest *manifest = builder->change->contents ? builder->change->contents[i] : NULL;
        if (!manifest) {
            PF_FAIL(err, PF_INVALID, "manifest '%.*s' was not read", PF_STR_ARG(list->manifests[i].path));
        }
        removed_count += take_entries(builder, manifest, removed, &entries);
        member_count++;
    }
    if (member_count == 1 && removed_count == 0) { /* the last one did not fit to the others */
        builder->manifests_kept++;
        PF_ARENA_PUSH(builder->arena, builder->list.manifests, builder->list.count, builder->list_capacity) =
            list->manifests[first];
        return PF_OK;
    }
    builder->manifests_replaced += (int64_t)member_count;
    return write_entries(builder, list->manifests[first].spec_id, list->manifests[first].content, &entries, err);
}

static enum pf_code keep_or_rewrite(struct change_builder *builder, size_t at, const struct removed_set *removed,
                                    struct pf_error *err) {
    const struct pf_manifest_file *file = &builder->change->manifests->manifests[at];
    const struct pf_manifest *manifest = builder->change->contents ? builder->change->contents[at] : NULL;
    struct entries entries = {0};
    if (manifest && take_entries(builder, manifest, removed, &entries) > 0) {
        builder->manifests_replaced++;
        return write_entries(builder, file->spec_id, file->content, &entries, err);
    }
    builder->manifests_kept++;
    PF_ARENA_PUSH(builder->arena, builder->list.manifests, builder->list.count, builder->list_capacity) = *file;
    return PF_OK;
}

static enum pf_code write_old(struct change_builder *builder, const struct removed_set *removed, struct pf_error *err) {
    const struct pf_manifest_list *list = builder->change->manifests;
    if (!list) return PF_OK;
    struct merge_plan plan = {PF_ARENA_ARRAY(builder->arena, int, list->count), 0};
    if (!builder->keeps_small_manifests) plan = plan_merges(builder->change, builder->arena);
    bool *is_written = PF_ARENA_ARRAY(builder->arena, bool, (size_t)plan.group_count + 1);
    for (size_t i = 0; i < list->count; i++) {
        if (pf_manifest_file_is_dead(&list->manifests[i])) continue;
        int group = plan.groups[i];
        if (group == 0) {
            PF_TRY(keep_or_rewrite(builder, i, removed, err));
        } else if (!is_written[group]) {
            is_written[group] = true;
            PF_TRY(merge_group(builder, &plan, i, removed, err));
        }
    }
    return PF_OK;
}

/* All that was there goes: deleted entries, by spec and content. */
static enum pf_code write_removed(struct change_builder *builder, struct pf_error *err) {
    const struct pf_change *change = builder->change;
    for (size_t s = 0; s < builder->base->spec_count; s++) {
        for (int content = PF_MANIFEST_DATA; content <= PF_MANIFEST_DELETES; content++) {
            struct entries entries = {0};
            for (size_t i = 0; i < change->removed_count; i++) {
                struct pf_data_file file = change->removed[i];
                bool is_of_group =
                    file.spec_id == builder->base->specs[s].id && (int)manifest_content(&file) == content;
                if (!is_of_group || file.status == PF_ENTRY_DELETED) continue;
                file.status = PF_ENTRY_DELETED;
                file.snapshot_id = change->snapshot_id;
                PF_ARENA_PUSH(builder->arena, entries.items, entries.count, entries.capacity) = file;
            }
            PF_TRY(
                write_entries(builder, builder->base->specs[s].id, (enum pf_manifest_content)content, &entries, err));
        }
    }
    return PF_OK;
}

enum pf_code change_write_manifests(struct change_builder *builder, struct pf_error *err) {
    PF_TRY(write_all_added(builder, err));
    if (builder->drops_all) return write_removed(builder, err);
    struct removed_set removed = make_removed_set(builder->change, builder->arena);
    PF_TRY(write_old(builder, &removed, err));
    return check_all_found(&removed, err);
}
