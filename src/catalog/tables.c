/* SPDX-License-Identifier: MIT */
/* Tables made and changed as clients of the REST protocol ask: the requirements are checked against the table as it is
 * now, and the updates applied to that, so a change that others do not disturb wins without the client trying again. */
#include "catalog/catalog_internal.h"

#include "base/clock.h"
#include "base/id.h"
#include "store/store.h"

/* ---- names ---- */

enum pf_code catalog_check_is_free(struct pf_catalog *catalog, struct pf_table_id id, struct pf_error *err) {
    bool exists = false;
    PF_TRY(pf_catalog_exists(catalog, id, &exists, err));
    if (exists) {
        PF_FAIL(err, PF_CONFLICT, "Table already exists: %.*s.%.*s", PF_STR_ARG(id.space), PF_STR_ARG(id.name));
    }
    PF_TRY(pf_catalog_view_exists(catalog, id, &exists, err));
    if (exists) {
        PF_FAIL(err, PF_CONFLICT, "View with same name already exists: %.*s.%.*s", PF_STR_ARG(id.space),
                PF_STR_ARG(id.name));
    }
    return PF_OK;
}

/* A folder of the table's own: its name's, unless an older table has left something there (or was renamed and still
 * has its files there). */
enum pf_code catalog_new_location(struct pf_catalog *catalog, struct pf_table_id id, pf_str uuid,
                                  struct pf_arena *arena, pf_str *out_location, struct pf_error *err) {
    pf_str key = catalog_table_key(catalog, id, arena);
    struct pf_store_list_options options = {.prefix = pf_arena_printf(arena, "%.*s/", PF_STR_ARG(key)), .limit = 1};
    struct pf_store_page page = {0};
    PF_TRY(pf_store_list(catalog->store, &options, arena, &page, err));
    if (page.object_count)
        key = pf_arena_printf(arena, "%.*s-%.*s", PF_STR_ARG(key), PF_STR_ARG(pf_str_slice(uuid, 0, 8)));
    *out_location = pf_store_uri(catalog->store, key, arena);
    return PF_OK;
}

/* ---- making ---- */

static struct pf_table *table_of(struct pf_table_id id, const struct pf_table_metadata *metadata,
                                 struct pf_arena *arena) {
    struct pf_table *table = PF_ARENA_NEW(arena, struct pf_table);
    *table = (struct pf_table){.id = {pf_arena_str(arena, id.space), pf_arena_str(arena, id.name)},
                               .full_name = catalog_full_name(id, arena),
                               .metadata = metadata,
                               .snapshot = pf_table_metadata_current_snapshot(metadata),
                               .schema = pf_table_metadata_current_schema(metadata)};
    return table;
}

/* Stores `next` and moves the pointer from `base` to it. */
static enum pf_code publish(struct pf_catalog *catalog, const struct pf_table *base, struct pf_table_metadata *next,
                            struct pf_arena *arena, struct pf_error *err) {
    struct pf_commit commit = {.metadata = next};
    const struct pf_log_entry *expired = NULL;
    size_t expired_count = 0;
    pf_str json;
    if (base->metadata_path.len)
        expired_count = pf_table_metadata_log(next, base->metadata, base->metadata_path, arena, &expired);
    PF_TRY(pf_table_metadata_write(next, arena, &json, err));
    commit.metadata_path = pf_table_metadata_next_path(next, base->metadata_path, pf_id_uuid(arena), arena);
    PF_TRY(catalog_put_object(catalog, base, commit.metadata_path, json, err));
    enum pf_code code = catalog_publish(catalog, base, &commit, err);
    if (code == PF_CONFLICT) catalog_delete_quietly(catalog, commit.metadata_path);
    if (code != PF_OK) return code;
    pf_str deletes =
        pf_table_metadata_property(next, PF_STR("write.metadata.delete-after-commit.enabled"), PF_STR("false"));
    for (size_t i = 0; pf_str_equal_nocase(deletes, PF_STR("true")) && i < expired_count; i++)
        catalog_delete_quietly(catalog, expired[i].metadata_path);
    return PF_OK;
}

static enum pf_code need_namespace(struct pf_catalog *catalog, pf_str space, struct pf_error *err) {
    bool exists = false;
    PF_TRY(pf_catalog_namespace_exists(catalog, space, &exists, err));
    if (!exists) PF_FAIL(err, PF_NOT_FOUND, "Namespace does not exist: %.*s", PF_STR_ARG(space));
    return PF_OK;
}

enum pf_code pf_catalog_create_table(struct pf_catalog *catalog, struct pf_table_id id, pf_json *request,
                                     bool is_staged, struct pf_arena *arena, struct pf_table **out_table,
                                     struct pf_error *err) {
    struct pf_table_metadata *metadata;
    PF_TRY(catalog_check_id(&id, err));
    if (catalog->remote) return catalog_remote_create_asked(catalog, id, request, arena, out_table, err);
    PF_TRY(need_namespace(catalog, id.space, err));
    PF_TRY(catalog_check_is_free(catalog, id, err));
    pf_str uuid = pf_id_uuid(arena), location = pf_json_get_str(request, "location", PF_STR_EMPTY);
    if (!location.len) PF_TRY(catalog_new_location(catalog, id, uuid, arena, &location, err));
    PF_TRY(pf_table_metadata_from_request(request, uuid, location, pf_clock_wall_ms(), arena, &metadata, err));
    struct pf_table *table = table_of(id, metadata, arena);
    if (!is_staged) {
        PF_TRY(publish(catalog, table, metadata, arena, err));
        return pf_catalog_load_exact(catalog, table->id, arena, out_table, err);
    }
    *out_table = table;
    return PF_OK;
}

/* ---- changing ---- */

static bool asks_for_a_new_table(pf_json *requirements) {
    for (struct pf_json_each each = pf_json_each(requirements); pf_json_next(&each);)
        if (pf_str_equal(pf_json_get_str(each.value, "type", PF_STR_EMPTY), PF_STR("assert-create"))) return true;
    return false;
}

static enum pf_code check_can_create(struct pf_catalog *catalog, struct pf_table_id id,
                                     const struct pf_table_change *change, struct pf_error *err) {
    bool exists = false;
    PF_TRY(need_namespace(catalog, id.space, err));
    PF_TRY(pf_catalog_exists(catalog, id, &exists, err));
    if (exists) PF_FAIL(err, PF_CONFLICT, "Requirement failed: table already exists");
    PF_TRY(catalog_check_is_free(catalog, id, err));
    return pf_table_check_requirements(NULL, change->requirements, err);
}

static enum pf_code create_by_updates(struct pf_catalog *catalog, struct pf_table_id id,
                                      const struct pf_table_change *change, struct pf_arena *arena,
                                      struct pf_error *err) {
    struct pf_table_metadata *next;
    PF_TRY(check_can_create(catalog, id, change, err));
    PF_TRY(pf_table_apply_updates(NULL, change->updates, pf_clock_wall_ms(), arena, &next, err));
    return publish(catalog, table_of(id, next, arena), next, arena, err);
}

/* `*out_is_race`: another commit came first, so that the next try may do. */
static enum pf_code change_once(struct pf_catalog *catalog, struct pf_table_id id, const struct pf_table_change *change,
                                struct pf_arena *arena, bool *out_is_race, struct pf_error *err) {
    struct pf_table *base;
    struct pf_table_metadata *next;
    PF_TRY(pf_catalog_load_exact(catalog, id, arena, &base, err));
    PF_TRY(pf_table_check_requirements(base->metadata, change->requirements, err));
    int64_t now_ms = pf_clock_wall_ms();
    if (now_ms < base->metadata->last_updated_ms) now_ms = base->metadata->last_updated_ms; /* never backwards */
    PF_TRY(pf_table_apply_updates(base->metadata, change->updates, now_ms, arena, &next, err));
    enum pf_code code = publish(catalog, base, next, arena, err);
    *out_is_race = code == PF_CONFLICT;
    return code;
}

enum pf_code pf_catalog_change_table(struct pf_catalog *catalog, const struct pf_table_change *change,
                                     struct pf_arena *arena, struct pf_table **out_table, struct pf_error *err) {
    struct pf_table_id id = change->id;
    if (catalog->remote) return catalog_remote_change(catalog, change, arena, out_table, err);
    PF_TRY(catalog_check_id(&id, err));
    if (asks_for_a_new_table(change->requirements)) {
        PF_TRY(create_by_updates(catalog, id, change, arena, err));
        return pf_catalog_load_exact(catalog, id, arena, out_table, err);
    }
    struct pf_deadline deadline = pf_deadline_in(catalog->commit_wait_ms);
    for (int attempt = 0;; attempt++) {
        struct pf_arena *scratch = pf_arena_new(NULL, "change");
        bool is_race = false;
        enum pf_code code = change_once(catalog, id, change, scratch, &is_race, err);
        pf_arena_free(scratch);
        if (code == PF_OK) break;
        if (!is_race || !pf_deadline_left_ms(deadline)) return code;
        catalog_pause_before_retry(catalog, attempt);
    }
    return pf_catalog_load_exact(catalog, id, arena, out_table, err);
}

/* ---- several tables ---- */

struct prepared {
    struct pf_table *base;
    struct pf_table_metadata *next;
};

static enum pf_code prepare(struct pf_catalog *catalog, const struct pf_table_change *change, struct pf_arena *arena,
                            struct prepared *prepared, struct pf_error *err) {
    struct pf_table_id id = change->id;
    PF_TRY(catalog_check_id(&id, err));
    if (asks_for_a_new_table(change->requirements)) {
        PF_TRY(check_can_create(catalog, id, change, err));
        PF_TRY(pf_table_apply_updates(NULL, change->updates, pf_clock_wall_ms(), arena, &prepared->next, err));
        prepared->base = table_of(id, prepared->next, arena);
        return PF_OK;
    }
    PF_TRY(pf_catalog_load_exact(catalog, id, arena, &prepared->base, err));
    PF_TRY(pf_table_check_requirements(prepared->base->metadata, change->requirements, err));
    return pf_table_apply_updates(prepared->base->metadata, change->updates, pf_clock_wall_ms(), arena, &prepared->next,
                                  err);
}

/* The metadata of all is stored, then all pointers move at once. */
static enum pf_code publish_together(struct pf_catalog *catalog, const struct prepared *prepared, size_t count,
                                     struct pf_arena *arena, struct pf_error *err) {
    struct catalog_move *moves = PF_ARENA_ARRAY(arena, struct catalog_move, count);
    enum pf_code code = PF_OK;
    size_t stored = 0;
    for (; code == PF_OK && stored < count; stored++) {
        const struct pf_log_entry *expired = NULL;
        struct pf_table *base = prepared[stored].base;
        struct pf_table_metadata *next = prepared[stored].next;
        pf_str json;
        if (base->metadata_path.len) pf_table_metadata_log(next, base->metadata, base->metadata_path, arena, &expired);
        pf_str path = pf_table_metadata_next_path(next, base->metadata_path, pf_id_uuid(arena), arena);
        moves[stored] = (struct catalog_move){base, next, path};
        code = pf_table_metadata_write(next, arena, &json, err);
        if (code == PF_OK) code = catalog_put_object(catalog, base, path, json, err);
    }
    if (code == PF_OK) code = catalog_move_pointers(catalog, moves, count, err);
    for (size_t i = 0; code != PF_OK && !pf_code_is_retryable(code) && i < stored; i++)
        catalog_delete_quietly(catalog, moves[i].metadata_location);
    return code == PF_OK ? PF_OK : pf_error_wrap(err, code, "transaction over %zu tables", count);
}

/* `*out_is_race`: nothing was changed since others came first, another try may do. */
static enum pf_code change_tables(struct pf_catalog *catalog, const struct pf_table_change *changes, size_t count,
                                  struct pf_arena *arena, bool *out_is_race, struct pf_error *err) {
    struct prepared *prepared = PF_ARENA_ARRAY(arena, struct prepared, count);
    for (size_t i = 0; i < count; i++) {
        enum pf_code code = prepare(catalog, &changes[i], arena, &prepared[i], err);
        if (code != PF_OK) {
            return pf_error_wrap(err, code, "table %.*s.%.*s", PF_STR_ARG(changes[i].id.space),
                                 PF_STR_ARG(changes[i].id.name));
        }
    }
    *out_is_race = catalog->pointers != NULL;
    if (catalog->pointers) return publish_together(catalog, prepared, count, arena, err);
    for (size_t i = 0; i < count; i++) {
        enum pf_code code = publish(catalog, prepared[i].base, prepared[i].next, arena, err);
        if (code == PF_OK) continue;
        return pf_error_wrap(err, i ? PF_REMOTE : code, "table %.*s, after %zu of %zu tables were changed",
                             PF_STR_ARG(prepared[i].base->full_name), i, count);
    }
    return PF_OK;
}

enum pf_code pf_catalog_change_tables(struct pf_catalog *catalog, const struct pf_table_change *changes, size_t count,
                                      struct pf_error *err) {
    if (catalog->remote) return remote_commit_all(catalog->remote, changes, count, err);
    struct pf_deadline deadline = pf_deadline_in(catalog->commit_wait_ms);
    for (int attempt = 0;; attempt++) {
        struct pf_arena *scratch = pf_arena_new(NULL, "transaction");
        bool is_race = false;
        enum pf_code code = change_tables(catalog, changes, count, scratch, &is_race, err);
        pf_arena_free(scratch);
        if (code != PF_CONFLICT || !is_race || !pf_deadline_left_ms(deadline)) return code;
        catalog_pause_before_retry(catalog, attempt);
    }
}
