/* SPDX-License-Identifier: MIT */
/* How a table changes: optimistic, without a lock.
 *
 *   load the pointer -> make the next snapshot -> store its objects under new names -> move the pointer if it is
 *   still the one loaded
 *
 * 1. Until the pointer moves nobody sees the new objects; afterwards nothing of the commit is missing.
 * 2. PF_CONFLICT: another commit came first. Its state becomes the base of the next try.
 * 3. A reply that got lost (PF_REMOTE, PF_TIMEOUT) says nothing. Then the table's history is asked whether the commit
 *    is in it; the move is only repeated while the pointer is still the one that was expected.
 * 4. Objects of a try are deleted only when it is certain that it failed. */
#include "catalog/catalog_internal.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "store/store.h"

enum { FIRST_PAUSE_MS = 2, LONGEST_PAUSE_MS = 250, LOOKS = 8, LOOK_PAUSE_MS = 50 };

struct change {
    struct pf_catalog *catalog;
    const struct pf_table *table; /* as the caller loaded or staged it */
    const struct pf_data_file *files;
    size_t file_count;
    bool is_replace;
    const struct pf_mark *mark;        /* NULL: none */
    const struct pf_rows_change *rows; /* NULL: files are appended or replace all */
};

void catalog_pause_before_retry(struct pf_catalog *catalog, int attempt) {
    int64_t longest = FIRST_PAUSE_MS;
    for (int i = 0; i < attempt && longest < LONGEST_PAUSE_MS; i++) longest *= 2;
    uint32_t random = 0;
    pf_random_bytes(&random, sizeof random);
    catalog->commit_retries++;
    pf_clock_sleep_ms(random % (longest + 1));
}

/* ---- objects of one try ---- */

enum pf_code catalog_put_object(struct pf_catalog *catalog, const struct pf_table *table, pf_str path, pf_str bytes,
                                struct pf_error *err) {
    pf_str key;
    if (!pf_store_key_of(catalog->store, path, &key)) {
        PF_FAIL(err, PF_UNSUPPORTED, "table %.*s: '%.*s' lies outside the store '%.*s', so the table can only be read",
                PF_STR_ARG(table->full_name), PF_STR_ARG(path), PF_STR_ARG(pf_store_url(catalog->store)));
    }
    enum pf_code code = pf_store_put(catalog->store, key, bytes, err);
    return code == PF_OK ? PF_OK : pf_error_wrap(err, code, "commit to %.*s", PF_STR_ARG(table->full_name));
}

void catalog_delete_quietly(struct pf_catalog *catalog, pf_str path) {
    pf_str key;
    struct pf_error err;
    if (!pf_store_key_of(catalog->store, path, &key)) return;
    if (pf_store_delete(catalog->store, key, &err) != PF_OK) {
        pf_log_failure(PF_LOG_DEBUG, "tolerated: an object that nobody needs could not be deleted", &err);
    }
}

static void delete_objects(struct pf_catalog *catalog, const struct pf_commit *commit) {
    for (size_t i = 0; i < commit->object_count; i++) catalog_delete_quietly(catalog, commit->objects[i].path);
}

static enum pf_code put_objects(struct pf_catalog *catalog, const struct pf_table *table,
                                const struct pf_commit *commit, struct pf_error *err) {
    for (size_t i = 0; i < commit->object_count; i++) {
        /* Another catalog writes the metadata itself. */
        if (catalog->remote && pf_str_equal(commit->objects[i].path, commit->metadata_path)) continue;
        enum pf_code code = catalog_put_object(catalog, table, commit->objects[i].path, commit->objects[i].bytes, err);
        if (code == PF_OK) continue;
        delete_objects(catalog, commit);
        return code;
    }
    return PF_OK;
}

/* ---- what became of a try ---- */

enum outcome { OUTCOME_DONE, OUTCOME_LOST, OUTCOME_STILL_OPEN, OUTCOME_UNKNOWN };

static bool history_has(const struct pf_table *now, const struct pf_commit *commit) {
    if (pf_str_equal(now->metadata_path, commit->metadata_path)) return true;
    for (size_t i = 0; i < now->metadata->metadata_log_count; i++) {
        if (pf_str_equal(now->metadata->metadata_log[i].metadata_path, commit->metadata_path)) return true;
    }
    int64_t snapshot_id = commit->metadata->current_snapshot_id;
    return snapshot_id >= 0 && pf_table_metadata_snapshot(now->metadata, snapshot_id) != NULL;
}

/* Asks the table. STILL_OPEN: the pointer is the one that was expected. */
static enum outcome look(struct pf_catalog *catalog, const struct pf_table *base, const struct pf_commit *commit) {
    for (int attempt = 0; attempt < LOOKS; attempt++) {
        struct pf_arena *scratch = pf_arena_new(NULL, "look");
        struct pf_table *now = NULL;
        enum outcome outcome = OUTCOME_UNKNOWN;
        enum pf_code code = pf_catalog_load_exact(catalog, base->id, scratch, &now, NULL);
        if (code == PF_OK) {
            outcome = OUTCOME_LOST;
            if (pf_str_equal(now->pointer_etag, base->pointer_etag)) outcome = OUTCOME_STILL_OPEN;
            if (history_has(now, commit)) outcome = OUTCOME_DONE;
        } else if (code == PF_NOT_FOUND) {
            outcome = base->pointer_etag.len ? OUTCOME_LOST : OUTCOME_STILL_OPEN;
        }
        pf_arena_free(scratch);
        if (outcome != OUTCOME_UNKNOWN) return outcome;
        pf_clock_sleep_ms(LOOK_PAUSE_MS);
    }
    return OUTCOME_UNKNOWN;
}

enum pf_code catalog_publish(struct pf_catalog *catalog, const struct pf_table *base, const struct pf_commit *commit,
                             struct pf_error *err) {
    for (int attempt = 0;; attempt++) {
        enum pf_code code = catalog->remote
                                ? catalog_remote_move(catalog, base, commit->metadata, err)
                                : catalog_move_pointer(catalog, base->id, base->pointer_etag, commit->metadata,
                                                       commit->metadata_path, base->metadata_path, err);
        if (code == PF_OK) return PF_OK;
        /* Also after a conflict: a store that repeats a request may have met our own first one. */
        bool is_told = code != PF_CONFLICT && !pf_code_is_retryable(code);
        if (is_told) return code;
        enum outcome outcome = look(catalog, base, commit);
        if (outcome == OUTCOME_DONE) return PF_OK;
        /* Another catalog says no only when it means it. */
        bool is_refused = catalog->remote && code == PF_CONFLICT && outcome == OUTCOME_STILL_OPEN;
        if (is_refused) return code;
        if (outcome == OUTCOME_LOST) PF_FAIL(err, PF_CONFLICT, "somebody else changed the table");
        if (outcome == OUTCOME_UNKNOWN || attempt >= LOOKS) {
            return pf_error_wrap(err, PF_REMOTE, "the outcome is unknown, its files must be kept");
        }
        catalog_pause_before_retry(catalog, attempt);
    }
}

/* ---- marks ---- */

/* Commits of others leave snapshots without it between. */
pf_str pf_table_mark(const struct pf_table *table, pf_str name) {
    const struct pf_snapshot *snapshot = pf_table_metadata_current_snapshot(table->metadata);
    for (size_t i = 0; snapshot && i <= table->metadata->snapshot_count; i++) {
        pf_str value = pf_snapshot_summary(snapshot, name, PF_STR_EMPTY);
        if (value.len) return value;
        snapshot = snapshot->parent_id < 0 ? NULL : pf_table_metadata_snapshot(table->metadata, snapshot->parent_id);
    }
    return PF_STR_EMPTY;
}

const struct pf_snapshot *pf_table_find_mark(const struct pf_table *table, pf_str name, pf_str value) {
    for (size_t i = table->metadata->snapshot_count; i-- > 0;) {
        const struct pf_snapshot *snapshot = &table->metadata->snapshots[i];
        if (pf_str_equal(pf_snapshot_summary(snapshot, name, PF_STR_EMPTY), value)) return snapshot;
    }
    return NULL;
}

static enum pf_code check_mark(const struct change *change, const struct pf_table *now, struct pf_error *err) {
    if (!change->mark) return PF_OK;
    if (change->mark->is_unique) {
        if (!pf_table_find_mark(now, change->mark->name, change->mark->after)) return PF_OK;
        PF_FAIL(err, PF_CONFLICT, "table %.*s: there is a commit with %.*s '%.*s' already", PF_STR_ARG(now->full_name),
                PF_STR_ARG(change->mark->name), PF_STR_ARG(change->mark->after));
    }
    pf_str found = pf_table_mark(now, change->mark->name);
    if (pf_str_equal(found, change->mark->before)) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "table %.*s: '%.*s' is '%.*s' by now", PF_STR_ARG(now->full_name),
            PF_STR_ARG(change->mark->name), PF_STR_ARG(found));
}

/* ---- one try ---- */

static enum pf_code check_is_same(const struct pf_table *loaded, const struct pf_table *now, struct pf_error *err) {
    const struct pf_table_metadata *before = loaded->metadata, *after = now->metadata;
    const char *what = NULL;
    if (!pf_str_equal_nocase(before->table_uuid, after->table_uuid))
        what = "it was dropped and made anew";
    else if (before->current_schema_id != after->current_schema_id)
        what = "its schema was changed";
    else if (before->default_spec_id != after->default_spec_id)
        what = "its partitioning was changed";
    if (!what) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "table %.*s: %s meanwhile", PF_STR_ARG(now->full_name), what);
}

/* All live entries of the base. */
static enum pf_code read_live_files(const struct change *change, const struct pf_table *base,
                                    const struct pf_manifest_list *list, struct pf_arena *arena,
                                    struct pf_append *append, struct pf_error *err) {
    const struct pf_manifest_file **files = PF_ARENA_ARRAY(arena, const struct pf_manifest_file *, list->count);
    const struct catalog_manifest **manifests = PF_ARENA_ARRAY(arena, const struct catalog_manifest *, list->count);
    struct catalog_manifests_wanted wanted = {files, list->count, {.all = true}, {.all = true}};
    for (size_t i = 0; i < list->count; i++) {
        if (!pf_manifest_file_is_dead(&list->manifests[i])) files[i] = &list->manifests[i];
    }
    int read_count = 0;
    PF_TRY(catalog_get_manifests(change->catalog, base, &wanted, arena, manifests, &read_count, err));
    struct pf_data_file *live = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < list->count; i++) {
        for (size_t f = 0; manifests[i] && f < manifests[i]->manifest.count; f++) {
            const struct pf_data_file *file = &manifests[i]->manifest.files[f];
            if (file->status != PF_ENTRY_DELETED) PF_ARENA_PUSH(arena, live, count, capacity) = *file;
        }
    }
    append->replaced = live;
    append->replaced_count = count;
    return PF_OK;
}

/* Reads the manifests that `next` needs. */
static enum pf_code read_contents(const struct change *change, const struct pf_table *base, struct pf_arena *arena,
                                  struct pf_change *next, struct pf_error *err) {
    const struct pf_manifest_list *list = next->manifests;
    bool *reads;
    int read_count = 0;
    pf_change_reads(next, arena, &reads);
    const struct pf_manifest_file **files = PF_ARENA_ARRAY(arena, const struct pf_manifest_file *, list->count);
    const struct catalog_manifest **manifests = PF_ARENA_ARRAY(arena, const struct catalog_manifest *, list->count);
    const struct pf_manifest **contents = PF_ARENA_ARRAY(arena, const struct pf_manifest *, list->count);
    struct catalog_manifests_wanted wanted = {files, list->count, {.all = true}, {.all = true}};
    for (size_t i = 0; i < list->count; i++) files[i] = reads[i] ? &list->manifests[i] : NULL;
    PF_TRY(catalog_get_manifests(change->catalog, base, &wanted, arena, manifests, &read_count, err));
    for (size_t i = 0; i < list->count; i++) contents[i] = manifests[i] ? &manifests[i]->manifest : NULL;
    next->contents = contents;
    return PF_OK;
}

static enum pf_code make_rows_commit(const struct change *change, const struct pf_table *base, struct pf_arena *arena,
                                     struct pf_commit *out_commit, struct pf_error *err) {
    const struct pf_rows_change *rows = change->rows;
    struct pf_property *summary = PF_ARENA_ARRAY(arena, struct pf_property, rows->summary_count + 2);
    size_t summary_count = 0;
    summary[summary_count++] = (struct pf_property){PF_STR("engine-name"), PF_STR("puffindb")};
    for (size_t i = 0; i < rows->summary_count; i++) summary[summary_count++] = rows->summary[i];
    if (rows->mark) summary[summary_count++] = (struct pf_property){rows->mark->name, rows->mark->after};
    struct pf_change next = {
        .metadata = base->metadata,
        .metadata_path = base->metadata_path,
        .added = rows->added,
        .added_count = rows->added_count,
        .removed = rows->removed,
        .removed_count = rows->removed_count,
        .is_rewrite = rows->is_rewrite,
        .data_sequence_number = rows->data_sequence_number,
        .snapshot_id = pf_id_random_i63(),
        .now_ms = pf_clock_wall_ms(),
        .commit_uuid = pf_id_uuid(arena),
        .metadata_uuid = pf_id_uuid(arena),
        .summary = summary,
        .summary_count = summary_count,
    };
    struct pf_table current = *base;
    current.snapshot = pf_table_metadata_current_snapshot(base->metadata);
    if (current.snapshot) {
        PF_TRY(catalog_get_manifest_list(change->catalog, &current, arena, &next.manifests, err));
        PF_TRY(read_contents(change, &current, arena, &next, err));
    }
    return pf_iceberg_change(&next, arena, out_commit, err);
}

static enum pf_code make_commit(const struct change *change, const struct pf_table *base, struct pf_arena *arena,
                                struct pf_commit *out_commit, struct pf_error *err) {
    struct pf_property summary[2] = {{PF_STR("engine-name"), PF_STR("puffindb")}};
    if (change->mark) summary[1] = (struct pf_property){change->mark->name, change->mark->after};
    struct pf_append append = {
        .metadata = base->metadata,
        .metadata_path = base->metadata_path,
        .files = change->files,
        .file_count = change->file_count,
        .is_replace = change->is_replace,
        .snapshot_id = pf_id_random_i63(),
        .now_ms = pf_clock_wall_ms(),
        .commit_uuid = pf_id_uuid(arena),
        .metadata_uuid = pf_id_uuid(arena),
        .summary = summary,
        .summary_count = change->mark ? 2 : 1,
    };
    const struct pf_manifest_list *list = NULL;
    struct pf_table current = *base;
    current.snapshot = pf_table_metadata_current_snapshot(base->metadata);
    if (current.snapshot) {
        PF_TRY(catalog_get_manifest_list(change->catalog, &current, arena, &list, err));
        append.manifests = list;
        if (change->is_replace) PF_TRY(read_live_files(change, &current, list, arena, &append, err));
    }
    return pf_iceberg_append(&append, arena, out_commit, err);
}

/* `*out_is_race`: PF_CONFLICT that another try may mend. */
static enum pf_code try_once(const struct change *change, struct pf_arena *arena, int64_t *out_snapshot_id,
                             bool *out_is_race, struct pf_error *err) {
    const struct pf_table *base = change->table;
    struct pf_commit commit = {0};
    if (change->table->metadata_path.len) {
        struct pf_table *now;
        PF_TRY(pf_catalog_load_exact(change->catalog, change->table->id, arena, &now, err));
        PF_TRY(check_is_same(change->table, now, err));
        PF_TRY(check_mark(change, now, err));
        if (change->rows)
            PF_TRY(catalog_check_conflicts(change->catalog, change->table, now, change->rows, arena, err));
        base = now;
    }
    enum pf_code code = change->rows ? make_rows_commit(change, base, arena, &commit, err)
                                     : make_commit(change, base, arena, &commit, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "commit to %.*s", PF_STR_ARG(base->full_name));
    PF_TRY(put_objects(change->catalog, base, &commit, err));
    code = catalog_publish(change->catalog, base, &commit, err);
    if (code != PF_OK) {
        *out_is_race = code == PF_CONFLICT && base != change->table;
        if (code != PF_REMOTE) delete_objects(change->catalog, &commit);
        return pf_error_wrap(err, code, "commit to %.*s", PF_STR_ARG(base->full_name));
    }
    for (size_t i = 0; !change->catalog->remote && i < commit.expired_metadata_count; i++) {
        catalog_delete_quietly(change->catalog, commit.expired_metadata_paths[i]);
    }
    *out_snapshot_id = commit.metadata->current_snapshot_id;
    return PF_OK;
}

/* The table with the snapshot that was committed, even if others committed since. */
static enum pf_code load_committed(const struct change *change, int64_t snapshot_id, struct pf_arena *arena,
                                   struct pf_table **out_table, struct pf_error *err) {
    struct pf_table *now;
    PF_TRY(pf_catalog_load_exact(change->catalog, change->table->id, arena, &now, err));
    if (snapshot_id < 0 || pf_table_at_snapshot(now, snapshot_id, arena, out_table, NULL) != PF_OK) *out_table = now;
    return PF_OK;
}

static enum pf_code commit_change(const struct change *change, struct pf_arena *arena, struct pf_table **out_table,
                                  struct pf_error *err) {
    struct pf_deadline deadline = pf_deadline_in(change->catalog->commit_wait_ms);
    int64_t snapshot_id = -1;
    for (int attempt = 0;; attempt++) {
        struct pf_arena *scratch = pf_arena_new(NULL, "commit");
        bool is_race = false;
        enum pf_code code = try_once(change, scratch, &snapshot_id, &is_race, err);
        pf_arena_free(scratch);
        if (code == PF_OK) break;
        if (!is_race) return code;
        if (!pf_deadline_left_ms(deadline)) {
            return pf_error_wrap(err, PF_CONFLICT, "lost %d races in %lld ms", attempt + 1,
                                 (long long)change->catalog->commit_wait_ms);
        }
        catalog_pause_before_retry(change->catalog, attempt);
    }
    return out_table ? load_committed(change, snapshot_id, arena, out_table, err) : PF_OK;
}

enum pf_code pf_catalog_append(struct pf_catalog *catalog, const struct pf_table *table,
                               const struct pf_data_file *files, size_t file_count, struct pf_arena *arena,
                               struct pf_table **out_table, struct pf_error *err) {
    struct change change = {.catalog = catalog, .table = table, .files = files, .file_count = file_count};
    return commit_change(&change, arena, out_table, err);
}

enum pf_code pf_catalog_append_marked(struct pf_catalog *catalog, const struct pf_table *table,
                                      const struct pf_data_file *files, size_t file_count, const struct pf_mark *mark,
                                      struct pf_arena *arena, struct pf_table **out_table, struct pf_error *err) {
    struct change change = {.catalog = catalog, .table = table, .files = files, .file_count = file_count, .mark = mark};
    return commit_change(&change, arena, out_table, err);
}

enum pf_code pf_catalog_replace(struct pf_catalog *catalog, const struct pf_table *table,
                                const struct pf_data_file *files, size_t file_count, struct pf_arena *arena,
                                struct pf_table **out_table, struct pf_error *err) {
    struct change change = {.catalog = catalog,
                            .table = table,
                            .files = files,
                            .file_count = file_count,
                            .is_replace = table->metadata_path.len > 0};
    return commit_change(&change, arena, out_table, err);
}

enum pf_code pf_catalog_change_rows(struct pf_catalog *catalog, const struct pf_table *table,
                                    const struct pf_rows_change *rows, struct pf_arena *arena,
                                    struct pf_table **out_table, struct pf_error *err) {
    struct change change = {.catalog = catalog, .table = table, .rows = rows, .mark = rows->mark};
    return commit_change(&change, arena, out_table, err);
}
