/* SPDX-License-Identifier: MIT */
/* Renaming: the pointer moves, the files stay.
 *
 *   mark the old pointer with the new name -> make the new pointer, if there is none -> delete the old one
 *
 * From the mark on no commit through the old name succeeds, since its etag has changed; whoever reads a marked pointer
 * ends the rename first. So a process that dies in the middle leaves nothing that can be seen. If the new name is taken,
 * the mark goes again. */
#include "catalog/catalog_internal.h"

#include "store/store.h"

enum { RENAME_ATTEMPTS = 50 };

/* Makes the new pointer. PF_CONFLICT: the name is another table's. */
static enum pf_code make_new(struct pf_catalog *catalog, struct pf_table_id to, const struct catalog_pointer *pointer,
                             struct pf_arena *arena, struct pf_error *err) {
    struct catalog_pointer none = *pointer, there;
    none.etag = PF_STR_EMPTY;
    enum pf_code code = catalog_mark_pointer(catalog, to, &none, PF_STR_EMPTY, arena, NULL, err);
    if (code != PF_CONFLICT && !(code != PF_OK && pf_code_is_retryable(code))) return code;
    PF_TRY(catalog_read_pointer(catalog, to, arena, &there, err));
    if (pf_str_equal_nocase(there.table_uuid, pointer->table_uuid)) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "there is a table '%.*s.%.*s' already", PF_STR_ARG(to.space), PF_STR_ARG(to.name));
}

static enum pf_code finish(struct pf_catalog *catalog, struct pf_table_id from, const struct catalog_pointer *pointer,
                           struct pf_arena *arena, struct pf_error *err) {
    struct pf_table_id to;
    PF_TRY(pf_table_id_parse(pointer->moving_to, &to, err));
    enum pf_code code = make_new(catalog, to, pointer, arena, err);
    if (code == PF_CONFLICT) {
        struct pf_error undo;
        enum pf_code undone = catalog_mark_pointer(catalog, from, pointer, PF_STR_EMPTY, arena, NULL, &undo);
        if (undone != PF_OK && undone != PF_CONFLICT) return pf_error_wrap(err, undone, "undo: %s", undo.message);
        return PF_CONFLICT;
    }
    if (code != PF_OK) return code;
    code = catalog_delete_pointer(catalog, from, pointer->etag, err);
    /* Somebody else may have ended it meanwhile. */
    return code == PF_NOT_FOUND || code == PF_CONFLICT ? PF_OK : code;
}

enum pf_code catalog_finish_rename(struct pf_catalog *catalog, struct pf_table_id from,
                                   const struct catalog_pointer *pointer, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "rename");
    enum pf_code code = finish(catalog, from, pointer, scratch, err);
    pf_arena_free(scratch);
    return code;
}

enum pf_code catalog_check_new_name(struct pf_catalog *catalog, struct pf_table_id from, struct pf_table_id to,
                                    struct pf_error *err) {
    bool is_table = false, is_view = false;
    PF_TRY(pf_catalog_exists(catalog, to, &is_table, err));
    if (!is_table) PF_TRY(pf_catalog_view_exists(catalog, to, &is_view, err));
    if (!is_table && !is_view) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "Cannot rename %.*s.%.*s to %.*s.%.*s. %s already exists", PF_STR_ARG(from.space),
            PF_STR_ARG(from.name), PF_STR_ARG(to.space), PF_STR_ARG(to.name), is_table ? "Table" : "View");
}

static enum pf_code rename_table(struct pf_catalog *catalog, struct pf_table_id from, struct pf_table_id to,
                                 struct pf_arena *arena, struct pf_error *err) {
    bool exists = false;
    PF_TRY(catalog_check_id(&from, err));
    PF_TRY(catalog_check_id(&to, err));
    PF_TRY(pf_catalog_namespace_exists(catalog, to.space, &exists, err));
    if (!exists) PF_FAIL(err, PF_NOT_FOUND, "Namespace does not exist: %.*s", PF_STR_ARG(to.space));
    for (int attempt = 0; attempt < RENAME_ATTEMPTS; attempt++) {
        struct catalog_pointer pointer;
        enum pf_code code = catalog_read_pointer(catalog, from, arena, &pointer, err);
        if (code == PF_NOT_FOUND) {
            PF_FAIL(err, PF_NOT_FOUND, "Table does not exist: %.*s.%.*s", PF_STR_ARG(from.space),
                    PF_STR_ARG(from.name));
        }
        if (code != PF_OK) return code;
        PF_TRY(catalog_check_new_name(catalog, from, to, err));
        code = catalog_mark_pointer(catalog, from, &pointer, catalog_full_name(to, arena), arena, &pointer.etag, err);
        if (code == PF_CONFLICT) { /* a commit came first */
            catalog_pause_before_retry(catalog, attempt);
            continue;
        }
        if (code != PF_OK) return code;
        pointer.moving_to = catalog_full_name(to, arena);
        return finish(catalog, from, &pointer, arena, err);
    }
    PF_FAIL(err, PF_CONFLICT, "too many others change the table");
}

enum pf_code pf_catalog_rename(struct pf_catalog *catalog, struct pf_table_id from, struct pf_table_id to,
                               struct pf_error *err) {
    if (catalog->remote) return remote_rename(catalog->remote, "tables", from, to, err);
    struct pf_arena *scratch = pf_arena_new(NULL, "rename");
    enum pf_code code = rename_table(catalog, from, to, scratch, err);
    pf_arena_free(scratch);
    return code;
}
