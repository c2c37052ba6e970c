/* SPDX-License-Identifier: MIT */
/* Updates of snapshots and refs. */
#include "iceberg/update.h"

#include <string.h>

#define MAIN_BRANCH PF_STR("main")

/* ---- snapshots ---- */

/* What two commits at once do to each other is a conflict, which the client mends by trying again. */
static enum pf_code check_order(const struct pf_table_metadata *next, const struct pf_snapshot *snapshot,
                                struct pf_error *err) {
    if (next->format_version >= 2 && snapshot->parent_id != -1 &&
        snapshot->sequence_number <= next->last_sequence_number) {
        PF_FAIL(err, PF_CONFLICT, "Cannot add snapshot with sequence number %lld older than last sequence number %lld",
                (long long)snapshot->sequence_number, (long long)next->last_sequence_number);
    }
    if (next->format_version < 3) return PF_OK;
    if (snapshot->first_row_id < 0) PF_FAIL(err, PF_INVALID, "Cannot add a snapshot: first-row-id is null");
    if (snapshot->first_row_id < next->next_row_id) {
        PF_FAIL(err, PF_CONFLICT, "Cannot add a snapshot, first-row-id is behind table next-row-id: %lld < %lld",
                (long long)snapshot->first_row_id, (long long)next->next_row_id);
    }
    if (snapshot->added_rows < 0) PF_FAIL(err, PF_INVALID, "Cannot add a snapshot: added-rows is null");
    return PF_OK;
}

enum pf_code update_add_snapshot(struct update *update, pf_json *json, struct pf_error *err) {
    struct pf_table_metadata *next = update->next;
    struct pf_snapshot snapshot = {0};
    if (metadata_read_snapshot(pf_json_get(json, "snapshot"), update->arena, &snapshot, err) != PF_OK)
        return pf_error_wrap(err, PF_INVALID, "snapshot");
    if (!next->schema_count) PF_FAIL(err, PF_INVALID, "a snapshot is added before there is a schema");
    if (pf_table_metadata_snapshot(next, snapshot.id)) {
        PF_FAIL(err, PF_INVALID, "Snapshot already exists for: %lld", (long long)snapshot.id);
    }
    PF_TRY(check_order(next, &snapshot, err));
    struct pf_snapshot *snapshots = PF_ARENA_ARRAY(update->arena, struct pf_snapshot, next->snapshot_count + 1);
    if (next->snapshot_count) memcpy(snapshots, next->snapshots, next->snapshot_count * sizeof *snapshots);
    snapshots[next->snapshot_count++] = snapshot;
    next->snapshots = snapshots;
    next->last_updated_ms = snapshot.timestamp_ms;
    if (next->format_version >= 2 && snapshot.sequence_number > next->last_sequence_number) {
        next->last_sequence_number = snapshot.sequence_number;
    }
    if (next->format_version >= 3) next->next_row_id = snapshot.first_row_id + snapshot.added_rows;
    update->has_time = update->is_changed = true;
    return PF_OK;
}

static bool is_listed(pf_json *ids, int64_t id) {
    for (struct pf_json_each each = pf_json_each(ids); pf_json_next(&each);)
        if (pf_json_as_i64(each.value, -1) == id) return true;
    return false;
}

/* History has no gaps: it begins behind the last snapshot that is gone. */
static void cut_log(struct update *update) {
    struct pf_table_metadata *next = update->next;
    size_t first = 0;
    for (size_t i = 0; i < next->snapshot_log_count; i++)
        if (!pf_table_metadata_snapshot(next, next->snapshot_log[i].snapshot_id)) first = i + 1;
    next->snapshot_log += first;
    next->snapshot_log_count -= first;
}

static void drop_dangling_refs(struct update *update) {
    struct pf_table_metadata *next = update->next;
    struct pf_snapshot_ref *kept = PF_ARENA_ARRAY(update->arena, struct pf_snapshot_ref, next->ref_count);
    size_t count = 0;
    for (size_t i = 0; i < next->ref_count; i++)
        if (pf_table_metadata_snapshot(next, next->refs[i].snapshot_id)) kept[count++] = next->refs[i];
    next->refs = kept;
    next->ref_count = count;
}

enum pf_code update_remove_snapshots(struct update *update, pf_json *json, struct pf_error *err) {
    struct pf_table_metadata *next = update->next;
    pf_json *ids = pf_json_get(json, "snapshot-ids");
    if (!yyjson_is_arr(ids)) PF_FAIL(err, PF_INVALID, "'snapshot-ids' is missing");
    struct pf_snapshot *kept = PF_ARENA_ARRAY(update->arena, struct pf_snapshot, next->snapshot_count);
    size_t count = 0, kept_base = 0;
    for (size_t i = 0; i < next->snapshot_count; i++) {
        if (is_listed(ids, next->snapshots[i].id)) continue;
        kept[count++] = next->snapshots[i];
        kept_base += i < update->base_snapshot_count;
    }
    if (count == next->snapshot_count) return PF_OK;
    next->snapshots = kept;
    next->snapshot_count = count;
    update->base_snapshot_count = kept_base;
    if (!pf_table_metadata_current_snapshot(next)) next->current_snapshot_id = -1;
    drop_dangling_refs(update);
    cut_log(update);
    update->is_changed = true;
    return PF_OK;
}

/* ---- refs ---- */

static bool was_added(const struct update *update, int64_t snapshot_id) {
    for (size_t i = update->base_snapshot_count; i < update->next->snapshot_count; i++)
        if (update->next->snapshots[i].id == snapshot_id) return true;
    return false;
}

/* A snapshot that this very commit added and replaced was never current. */
static void move_main(struct update *update, const struct pf_snapshot *snapshot) {
    struct pf_table_metadata *next = update->next;
    if (next->current_snapshot_id == snapshot->id) return;
    struct pf_log_entry *log = PF_ARENA_ARRAY(update->arena, struct pf_log_entry, next->snapshot_log_count + 1);
    size_t count = 0;
    bool is_passing = was_added(update, next->current_snapshot_id);
    for (size_t i = 0; i < next->snapshot_log_count; i++) {
        if (is_passing && next->snapshot_log[i].snapshot_id == next->current_snapshot_id) continue;
        log[count++] = next->snapshot_log[i];
    }
    bool is_new = was_added(update, snapshot->id);
    if (!is_new) next->last_updated_ms = update->now_ms;
    log[count++] = (struct pf_log_entry){.timestamp_ms = is_new ? snapshot->timestamp_ms : update->now_ms,
                                         .snapshot_id = snapshot->id};
    update->has_time = true;
    next->snapshot_log = log;
    next->snapshot_log_count = count;
    next->current_snapshot_id = snapshot->id;
}

static enum pf_code read_ref(pf_json *json, struct pf_snapshot_ref *ref, struct pf_error *err) {
    pf_str type;
    PF_TRY(update_need_str(json, "ref-name", &ref->name, err));
    PF_TRY(update_need_str(json, "type", &type, err));
    PF_TRY(update_need_i64(json, "snapshot-id", &ref->snapshot_id, err));
    ref->is_branch = pf_str_equal_nocase(type, PF_STR("branch"));
    if (!ref->is_branch && !pf_str_equal_nocase(type, PF_STR("tag"))) {
        PF_FAIL(err, PF_INVALID, "ref '%.*s': type '%.*s' is neither branch nor tag", PF_STR_ARG(ref->name),
                PF_STR_ARG(type));
    }
    ref->min_snapshots_to_keep = pf_json_get_i64(json, "min-snapshots-to-keep", -1);
    ref->max_snapshot_age_ms = pf_json_get_i64(json, "max-snapshot-age-ms", -1);
    ref->max_ref_age_ms = pf_json_get_i64(json, "max-ref-age-ms", -1);
    return PF_OK;
}

enum pf_code update_set_ref(struct update *update, pf_json *json, struct pf_error *err) {
    struct pf_table_metadata *next = update->next;
    struct pf_snapshot_ref ref = {0};
    PF_TRY(read_ref(json, &ref, err));
    bool is_main = pf_str_equal(ref.name, MAIN_BRANCH);
    const struct pf_snapshot *snapshot = pf_table_metadata_snapshot(next, ref.snapshot_id);
    if (!snapshot) {
        PF_FAIL(err, PF_INVALID, "Cannot set %.*s to unknown snapshot: %lld", PF_STR_ARG(ref.name),
                (long long)ref.snapshot_id);
    }
    if (is_main && !ref.is_branch) PF_FAIL(err, PF_INVALID, "main must be a branch");
    struct pf_snapshot_ref *refs = PF_ARENA_ARRAY(update->arena, struct pf_snapshot_ref, next->ref_count + 1);
    size_t at = next->ref_count;
    for (size_t i = 0; i < next->ref_count; i++) {
        refs[i] = next->refs[i];
        if (pf_str_equal(refs[i].name, ref.name)) at = i;
    }
    if (at == next->ref_count) next->ref_count++;
    refs[at] = ref;
    next->refs = refs;
    if (is_main) move_main(update, snapshot);
    update->is_changed = true;
    return PF_OK;
}

enum pf_code update_remove_ref(struct update *update, pf_json *json, struct pf_error *err) {
    struct pf_table_metadata *next = update->next;
    pf_str name;
    PF_TRY(update_need_str(json, "ref-name", &name, err));
    struct pf_snapshot_ref *kept = PF_ARENA_ARRAY(update->arena, struct pf_snapshot_ref, next->ref_count);
    size_t count = 0;
    for (size_t i = 0; i < next->ref_count; i++)
        if (!pf_str_equal(next->refs[i].name, name)) kept[count++] = next->refs[i];
    if (count == next->ref_count) return PF_OK;
    next->refs = kept;
    next->ref_count = count;
    if (pf_str_equal(name, MAIN_BRANCH)) next->current_snapshot_id = -1;
    update->is_changed = true;
    return PF_OK;
}
