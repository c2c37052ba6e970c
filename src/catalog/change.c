/* SPDX-License-Identifier: MIT */
/* Making, dropping and registering tables. */
#include "catalog/catalog_internal.h"

#include "base/clock.h"
#include "base/id.h"
#include "store/store.h"

#include <assert.h>

enum { DROP_ATTEMPTS = 50 };

/* ---- making ---- */

enum pf_code pf_catalog_stage(struct pf_catalog *catalog, const struct pf_table_spec *spec, struct pf_arena *arena,
                              struct pf_table **out_table, struct pf_error *err) {
    struct pf_table_id id = spec->id, there;
    PF_TRY(catalog_check_id(&id, err));
    enum pf_code code = catalog_find_nocase(catalog, id, arena, &there, err);
    if (code == PF_OK) {
        PF_FAIL(err, PF_CONFLICT, "there is a table '%.*s.%.*s' already", PF_STR_ARG(there.space),
                PF_STR_ARG(there.name));
    }
    if (code != PF_NOT_FOUND) return code;
    bool is_view = false;
    PF_TRY(pf_catalog_view_exists(catalog, id, &is_view, err));
    if (is_view)
        PF_FAIL(err, PF_CONFLICT, "there is a view '%.*s.%.*s' already", PF_STR_ARG(id.space), PF_STR_ARG(id.name));
    PF_TRY(pf_store_check_key(catalog_pointer_key(catalog, id, arena), err));
    pf_str uuid = pf_id_uuid(arena), location = PF_STR("chosen by the catalog");
    if (!catalog->remote) PF_TRY(catalog_new_location(catalog, id, uuid, arena, &location, err));
    struct pf_table_create create = {
        .uuid = uuid,
        .location = location,
        .schema = spec->schema,
        .last_column_id = spec->last_column_id,
        .spec = spec->partition,
        .properties = spec->properties,
        .property_count = spec->property_count,
        .now_ms = pf_clock_wall_ms(),
    };
    struct pf_table_metadata *metadata;
    code = pf_table_metadata_create(&create, arena, &metadata, err);
    if (code != PF_OK) {
        return pf_error_wrap(err, code, "create table %.*s.%.*s", PF_STR_ARG(id.space), PF_STR_ARG(id.name));
    }
    if (catalog->remote) metadata->location = PF_STR_EMPTY;
    if (catalog->remote) return catalog_remote_create(catalog, id, metadata, true, arena, out_table, err);
    struct pf_table *table = PF_ARENA_NEW(arena, struct pf_table);
    *table = (struct pf_table){
        .id = {pf_arena_str(arena, id.space), pf_arena_str(arena, id.name)},
        .full_name = catalog_full_name(id, arena),
        .metadata = metadata,
        .schema = pf_table_metadata_current_schema(metadata),
    };
    *out_table = table;
    return PF_OK;
}

static enum pf_code store_staged(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                 struct pf_error *err) {
    pf_str json = PF_STR_EMPTY, key = PF_STR_EMPTY;
    pf_str path = pf_table_metadata_next_path(table->metadata, PF_STR_EMPTY, pf_id_uuid(arena), arena);
    PF_TRY(pf_table_metadata_write(table->metadata, arena, &json, err));
    if (!pf_store_key_of(catalog->store, path, &key)) {
        PF_FAIL(err, PF_UNSUPPORTED, "metadata '%.*s' lies outside the store", PF_STR_ARG(path));
    }
    PF_TRY(pf_store_put(catalog->store, key, json, err));
    enum pf_code code =
        catalog_move_pointer(catalog, table->id, PF_STR_EMPTY, table->metadata, path, PF_STR_EMPTY, err);
    if (code == PF_OK || pf_code_is_retryable(code)) return code;
    struct catalog_pointer pointer;
    /* As in commit.c: the table that is there may be ours. */
    if (code == PF_CONFLICT && catalog_read_pointer(catalog, table->id, arena, &pointer, NULL) == PF_OK &&
        pf_str_equal(pointer.metadata_location, path)) {
        return PF_OK;
    }
    enum pf_code deleted = pf_store_delete(catalog->store, key, NULL);
    (void)deleted;
    return code;
}

enum pf_code pf_catalog_create_staged(struct pf_catalog *catalog, const struct pf_table *table, struct pf_arena *arena,
                                      struct pf_table **out_table, struct pf_error *err) {
    enum pf_code code = table->metadata_path.len ? PF_OK /* the catalog could not stage it */
                        : catalog->remote        ? catalog_remote_move(catalog, table, table->metadata, err)
                                                 : store_staged(catalog, table, arena, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "create table %.*s", PF_STR_ARG(table->full_name));
    return out_table ? pf_catalog_load_exact(catalog, table->id, arena, out_table, err) : PF_OK;
}

enum pf_code pf_catalog_create(struct pf_catalog *catalog, const struct pf_table_spec *spec, struct pf_arena *arena,
                               struct pf_table **out_table, struct pf_error *err) {
    struct pf_table *table = NULL;
    PF_TRY(pf_catalog_stage(catalog, spec, arena, &table, err));
    assert(table);
    return pf_catalog_create_staged(catalog, table, arena, out_table, err);
}

/* ---- dropping ---- */

/* The folder with the table's files: that of its name, unless it was renamed or made beside an older one. Another
 * folder than one of the warehouse was somebody else's choice, and may hold other things. */
static pf_str own_folder(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena) {
    struct pf_table *table;
    pf_str key, folder = catalog_table_key(catalog, id, arena);
    if (pf_catalog_load_exact(catalog, id, arena, &table, NULL) != PF_OK) return folder; /* broken */
    if (!pf_store_key_of(catalog->store, table->metadata->location, &key)) return folder;
    pf_str warehouse = catalog_space_key(catalog, PF_STR_EMPTY, arena);
    if (!pf_str_starts_with(key, warehouse) || key.len == warehouse.len) return folder;
    pf_str below = pf_str_slice(key, warehouse.len, key.len);
    size_t slash = pf_str_find_char(below, '/', 0);
    return slash != SIZE_MAX && slash + 1 < below.len ? key : folder; /* namespace/table */
}

/* The keys of the table's folder but the pointer: that one may be a new table's soon. */
static enum pf_code list_objects(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                 pf_str **out_keys, size_t *out_count, struct pf_error *err) {
    pf_str *keys = NULL, after = PF_STR_EMPTY;
    size_t count = 0, capacity = 0;
    pf_str prefix = pf_arena_printf(arena, "%.*s/", PF_STR_ARG(own_folder(catalog, id, arena)));
    do {
        struct pf_store_page page = {0};
        struct pf_store_list_options options = {.prefix = prefix, .after = after};
        PF_TRY(pf_store_list(catalog->store, &options, arena, &page, err));
        for (size_t i = 0; i < page.object_count; i++) {
            if (pf_str_ends_with(page.objects[i].key, PF_STR("/pointer.json"))) continue;
            PF_ARENA_PUSH(arena, keys, count, capacity) = page.objects[i].key;
        }
        after = page.next_after;
    } while (after.len);
    *out_keys = keys;
    *out_count = count;
    return PF_OK;
}

/* Works for tables whose metadata is broken, too. */
static enum pf_code find_name(struct pf_catalog *catalog, struct pf_table_id *id, struct pf_arena *arena,
                              struct pf_error *err) {
    PF_TRY(catalog_check_id(id, err));
    bool exists = false;
    PF_TRY(pf_catalog_exists(catalog, *id, &exists, err));
    return exists ? PF_OK : catalog_find_nocase(catalog, *id, arena, id, err);
}

static enum pf_code drop(struct pf_catalog *catalog, struct pf_table_id id, bool purge, struct pf_arena *arena,
                         struct pf_error *err) {
    PF_TRY(find_name(catalog, &id, arena, err));
    pf_str *keys = NULL, key = catalog_pointer_key(catalog, id, arena), bytes, etag;
    size_t count = 0;
    enum pf_code code = PF_CONFLICT;
    for (int attempt = 0; code == PF_CONFLICT && attempt < DROP_ATTEMPTS; attempt++) {
        /* The list is from before the drop, so that nothing of a table made anew is on it. */
        if (purge) PF_TRY(list_objects(catalog, id, arena, &keys, &count, err));
        PF_TRY(pointers_get(catalog, key, arena, &bytes, &etag, err));
        code = catalog_delete_pointer(catalog, id, etag, err);
    }
    for (size_t i = 0; code == PF_OK && i < count; i++) code = pf_store_delete(catalog->store, keys[i], err);
    return code == PF_OK ? PF_OK
                         : pf_error_wrap(err, code, "drop table %.*s.%.*s", PF_STR_ARG(id.space), PF_STR_ARG(id.name));
}

enum pf_code pf_catalog_drop(struct pf_catalog *catalog, struct pf_table_id id, bool purge, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "drop");
    enum pf_code code = catalog->remote ? find_name(catalog, &id, scratch, err) : PF_OK;
    if (code == PF_OK)
        code = catalog->remote ? remote_drop(catalog->remote, id, "tables", purge, err)
                               : drop(catalog, id, purge, scratch, err);
    pf_arena_free(scratch);
    return code;
}

/* ---- registering ---- */

static enum pf_code register_table(struct pf_catalog *catalog, struct pf_table_id id, pf_str location, bool is_update,
                                   struct pf_arena *arena, struct pf_error *err) {
    const struct pf_table_metadata *metadata;
    struct pf_table_id there;
    PF_TRY(catalog_check_id(&id, err));
    PF_TRY(catalog_get_metadata(catalog, location, arena, &metadata, err));
    struct catalog_pointer pointer = {0};
    enum pf_code code = catalog_find_nocase(catalog, id, arena, &there, err);
    if (code == PF_OK && !is_update) {
        PF_FAIL(err, PF_CONFLICT, "there is a table '%.*s.%.*s' already", PF_STR_ARG(there.space),
                PF_STR_ARG(there.name));
    }
    if (code != PF_OK && code != PF_NOT_FOUND) return code;
    if (code == PF_OK) {
        id = there;
        PF_TRY(catalog_read_pointer(catalog, id, arena, &pointer, err));
        if (pf_str_equal(pointer.metadata_location, location)) return PF_OK;
    }
    return catalog_move_pointer(catalog, id, pointer.etag, metadata, location, pointer.metadata_location, err);
}

enum pf_code pf_catalog_register(struct pf_catalog *catalog, struct pf_table_id id, pf_str metadata_location,
                                 bool is_update, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "register");
    enum pf_code code = catalog_check_id(&id, err);
    if (code == PF_OK)
        code = catalog->remote ? remote_register(catalog->remote, id, metadata_location, is_update, err)
                               : register_table(catalog, id, metadata_location, is_update, scratch, err);
    pf_arena_free(scratch);
    return code == PF_OK ? PF_OK : pf_error_wrap(err, code, "register table '%.*s'", PF_STR_ARG(id.name));
}
