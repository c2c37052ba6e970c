/* SPDX-License-Identifier: MIT */
/* Forgets the old snapshots of a table that only ever grows: our own logs.
 *
 *   current <- s9 <- s8 <- ... <- s4 | <- s3 <- s2 <- s1      (each appended to its parent)
 *   kept: young, or among the newest,  forgotten: their manifest lists go, and the manifests that s4, the oldest kept,
 *   or needed for a mark               lists no more: merged into others since, no later snapshot has them either
 *
 * Data files stay: with nothing but appends the current snapshot has all of them. A history with anything else in it
 * (branches, rollbacks, other operations) is left alone. The commit comes first: a process that dies after it leaves
 * objects that nobody lists. */
#include "catalog/catalog_internal.h"

#include "base/clock.h"

#include <string.h>

enum { MAX_MARKS = 64 };

struct history {
    const struct pf_snapshot **chain; /* the current one first */
    size_t count, kept;
};

/* False: not a chain of appends that has all snapshots. */
static bool walk(const struct pf_table_metadata *metadata, struct pf_arena *arena, struct history *out_history) {
    const struct pf_snapshot *snapshot = pf_table_metadata_current_snapshot(metadata);
    struct history history = {PF_ARENA_ARRAY(arena, const struct pf_snapshot *, metadata->snapshot_count), 0, 0};
    for (; snapshot && history.count < metadata->snapshot_count; history.count++) {
        if (!pf_str_equal(snapshot->operation, PF_STR("append")) || !snapshot->manifest_list.len) return false;
        history.chain[history.count] = snapshot;
        snapshot = snapshot->parent_id < 0 ? NULL : pf_table_metadata_snapshot(metadata, snapshot->parent_id);
    }
    *out_history = history;
    return !snapshot && history.count == metadata->snapshot_count;
}

/* How far back the latest value of each mark is: pf_table_mark must find it. SIZE_MAX: too many marks. */
static size_t reach_of_marks(const struct history *history, pf_str mark_prefix) {
    pf_str names[MAX_MARKS];
    size_t name_count = 0, reach = 0;
    for (size_t i = 0; i < history->count; i++) {
        for (size_t p = 0; p < history->chain[i]->summary_count; p++) {
            pf_str key = history->chain[i]->summary[p].key;
            bool is_known = !pf_str_starts_with(key, mark_prefix);
            for (size_t n = 0; n < name_count && !is_known; n++) is_known = pf_str_equal(names[n], key);
            if (is_known) continue;
            if (name_count == MAX_MARKS) return SIZE_MAX;
            names[name_count++] = key;
            reach = i + 1;
        }
    }
    return reach;
}

static size_t count_kept(const struct history *history, const struct pf_expire_options *options) {
    int64_t limit_ms = pf_clock_wall_ms() - options->keep_ms;
    size_t kept = reach_of_marks(history, options->mark_prefix);
    if (kept < options->keep_count) kept = options->keep_count;
    if (kept < 1) kept = 1;
    while (kept < history->count && history->chain[kept]->timestamp_ms >= limit_ms) kept++;
    return kept;
}

/* ---- what goes ---- */

struct garbage {
    pf_str *paths;
    size_t count, capacity;
};

static enum pf_code list_of(struct pf_catalog *catalog, const struct pf_table *table,
                            const struct pf_snapshot *snapshot, struct pf_arena *arena,
                            const struct pf_manifest_list **out_list, struct pf_error *err) {
    struct pf_table *then;
    PF_TRY(pf_table_at_snapshot(table, snapshot->id, arena, &then, err));
    return pf_catalog_manifest_list(catalog, then, arena, out_list, err);
}

static bool has_path(const struct pf_manifest_list *list, pf_str path) {
    for (size_t i = 0; i < list->count; i++) {
        if (pf_str_equal(list->manifests[i].path, path)) return true;
    }
    return false;
}

static bool is_noted(const struct garbage *garbage, pf_str path) {
    for (size_t i = 0; i < garbage->count; i++) {
        if (pf_str_equal(garbage->paths[i], path)) return true;
    }
    return false;
}

static enum pf_code find_garbage(struct pf_catalog *catalog, const struct pf_table *table,
                                 const struct history *history, struct pf_arena *arena, struct garbage *garbage,
                                 struct pf_error *err) {
    const struct pf_manifest_list *kept, *list;
    PF_TRY(list_of(catalog, table, history->chain[history->kept - 1], arena, &kept, err));
    for (size_t i = history->kept; i < history->count; i++) {
        PF_TRY(list_of(catalog, table, history->chain[i], arena, &list, err));
        for (size_t m = 0; m < list->count; m++) {
            pf_str path = list->manifests[m].path;
            if (has_path(kept, path) || is_noted(garbage, path)) continue;
            PF_ARENA_PUSH(arena, garbage->paths, garbage->count, garbage->capacity) = path;
        }
        PF_ARENA_PUSH(arena, garbage->paths, garbage->count, garbage->capacity) = history->chain[i]->manifest_list;
    }
    return PF_OK;
}

/* ---- the commit ---- */

static enum pf_code forget(struct pf_catalog *catalog, const struct pf_table *table, const struct history *history,
                           struct pf_arena *arena, struct pf_error *err) {
    struct pf_buf text;
    pf_json *root;
    pf_buf_init(&text, 8 << 20);
    /* Old metadata files go as well, from now on. */
    pf_buf_printf(&text,
                  "{\"requirements\":[{\"type\":\"assert-table-uuid\",\"uuid\":\"%.*s\"}],\"updates\":["
                  "{\"action\":\"set-properties\",\"updates\":{\"write.metadata.delete-after-commit.enabled\":\"true\","
                  "\"write.metadata.previous-versions-max\":\"20\"}},"
                  "{\"action\":\"remove-snapshots\",\"snapshot-ids\":[",
                  PF_STR_ARG(table->metadata->table_uuid));
    for (size_t i = history->kept; i < history->count; i++) {
        pf_buf_printf(&text, "%s%lld", i > history->kept ? "," : "", (long long)history->chain[i]->id);
    }
    pf_buf_put_cstr(&text, "]}]}");
    pf_str json = pf_arena_str(arena, pf_buf_view(&text));
    bool has_failed = text.failed;
    pf_buf_clear(&text);
    if (has_failed) PF_FAIL(err, PF_TOO_LARGE, "too many snapshots at once");
    PF_TRY(pf_json_parse(json, arena, "a commit", &root, err));
    struct pf_table_change change = {
        .id = table->id, .requirements = pf_json_get(root, "requirements"), .updates = pf_json_get(root, "updates")};
    struct pf_table *after;
    return pf_catalog_change_table(catalog, &change, arena, &after, err);
}

enum pf_code pf_catalog_expire_history(struct pf_catalog *catalog, struct pf_table_id id,
                                       const struct pf_expire_options *options, size_t *out_count,
                                       struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "expire");
    struct pf_table *table;
    struct history history = {NULL, 0, 0};
    struct garbage garbage = {NULL, 0, 0};
    *out_count = 0;
    enum pf_code code = pf_catalog_load(catalog, id, arena, &table, err);
    bool is_due = code == PF_OK && !catalog->remote && walk(table->metadata, arena, &history);
    if (is_due) {
        history.kept = count_kept(&history, options);
        is_due = history.kept < history.count && history.count - history.kept >= options->least_count;
    }
    if (is_due) code = find_garbage(catalog, table, &history, arena, &garbage, err);
    if (is_due && code == PF_OK) code = forget(catalog, table, &history, arena, err);
    if (is_due && code == PF_OK) {
        for (size_t i = 0; i < garbage.count; i++) catalog_delete_quietly(catalog, garbage.paths[i]);
        *out_count = history.count - history.kept;
    }
    pf_arena_free(arena);
    return code;
}
