/* SPDX-License-Identifier: MIT */
/* How the tables of another catalog become ours: its answers as pointers and cached metadata, our commits as its updates. */
#include "catalog/catalog_internal.h"

#include "base/json.h"

#include <xxhash.h>

/* A catalog may keep metadata where nobody sees it; then the metadata itself names it. */
static pf_str location_of(const struct remote_table *table, struct pf_arena *arena) {
    if (table->metadata_location.len || !table->metadata_json.len) return table->metadata_location;
    uint64_t hash = XXH3_64bits(table->metadata_json.ptr, table->metadata_json.len);
    return pf_arena_printf(arena, "catalog:%016llx", (unsigned long long)hash);
}

static enum pf_code load(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                         pf_str *out_location, const struct pf_table_metadata **out_metadata, struct pf_error *err) {
    struct remote_table table = {0};
    catalog->pointer_reads++;
    PF_TRY(remote_load(catalog->remote, id, false, arena, &table, err));
    *out_location = location_of(&table, arena);
    *out_metadata = catalog_peek_metadata(catalog, *out_location, arena);
    if (*out_metadata) return PF_OK;
    if (!table.metadata_json.len) { /* it did not change, but we forgot it */
        PF_TRY(remote_load(catalog->remote, id, true, arena, &table, err));
        *out_location = location_of(&table, arena);
    }
    return catalog_put_metadata(catalog, *out_location, table.metadata_json, arena, out_metadata, err);
}

enum pf_code catalog_remote_pointer(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                    struct catalog_pointer *out_pointer, struct pf_error *err) {
    const struct pf_table_metadata *metadata;
    pf_str location;
    PF_TRY(load(catalog, id, arena, &location, &metadata, err));
    *out_pointer =
        (struct catalog_pointer){.table_uuid = metadata->table_uuid, .metadata_location = location, .etag = location};
    return PF_OK;
}

static enum pf_code make_staged(struct pf_catalog *catalog, struct pf_table_id id, const struct remote_table *answer,
                                struct pf_arena *arena, struct pf_table **out_table, struct pf_error *err) {
    const struct pf_table_metadata *metadata;
    PF_TRY(catalog_put_metadata(catalog,
                                location_of(&(struct remote_table){.metadata_json = answer->metadata_json}, arena),
                                answer->metadata_json, arena, &metadata, err));
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

static enum pf_code create(struct pf_catalog *catalog, struct pf_table_id id, pf_str request_json, bool is_staged,
                           struct pf_arena *arena, struct pf_table **out_table, struct pf_error *err) {
    struct remote_table answer = {0};
    PF_TRY(remote_create(catalog->remote, id.space, request_json, arena, &answer, err));
    if (is_staged) return make_staged(catalog, id, &answer, arena, out_table, err);
    return pf_catalog_load_exact(catalog, id, arena, out_table, err);
}

/* As in a lake that knows its tables itself, where a namespace is there with its first table. Asked for first: a catalog
 * may stage a table without looking, and refuse the commit. */
static enum pf_code make_namespace(struct pf_catalog *catalog, pf_str space, struct pf_error *err) {
    bool exists = false;
    PF_TRY(remote_namespace_exists(catalog->remote, space, &exists, err));
    if (exists) return PF_OK;
    enum pf_code code = remote_create_namespace(catalog->remote, space, NULL, 0, err);
    return code == PF_CONFLICT ? PF_OK : code;
}

enum pf_code catalog_remote_create(struct pf_catalog *catalog, struct pf_table_id id,
                                   const struct pf_table_metadata *metadata, bool is_staged, struct pf_arena *arena,
                                   struct pf_table **out_table, struct pf_error *err) {
    pf_str json;
    bool can_stage = is_staged && remote_is_full(catalog->remote);
    PF_TRY(pf_table_print_create_request(pf_rest_name_out(id.name, arena), metadata, can_stage, arena, &json, err));
    PF_TRY(make_namespace(catalog, id.space, err));
    return create(catalog, id, json, can_stage, arena, out_table, err);
}

enum pf_code catalog_remote_create_asked(struct pf_catalog *catalog, struct pf_table_id id, pf_json *request,
                                         struct pf_arena *arena, struct pf_table **out_table, struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_str json;
    pf_buf_init(&buf, 64 << 20);
    pf_json_begin(&out, &buf);
    pf_json_put_value(&out, request);
    enum pf_code code = pf_buf_finish(&buf, "request", &json, err);
    if (code == PF_OK)
        code = create(catalog, id, json, pf_json_get_bool(request, "stage-create", false), arena, out_table, err);
    pf_buf_clear(&buf);
    return code;
}

enum pf_code catalog_remote_move(struct pf_catalog *catalog, const struct pf_table *base,
                                 const struct pf_table_metadata *next, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "updates");
    pf_str requirements, updates;
    enum pf_code code = pf_table_print_updates(base->metadata_path.len ? base->metadata : NULL, next, scratch,
                                               &requirements, &updates, err);
    if (code == PF_OK) code = remote_commit(catalog->remote, base->id, requirements, updates, err);
    pf_arena_free(scratch);
    return code;
}

/* ---- changes as the protocol has them ---- */

static enum pf_code list_text(pf_json *list, struct pf_arena *arena, pf_str *out_text, struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_str text;
    pf_buf_init(&buf, 64 << 20);
    pf_json_begin(&out, &buf);
    if (list) {
        pf_json_put_value(&out, list);
    } else {
        pf_json_put_raw(&out, PF_STR("[]"));
    }
    enum pf_code code = pf_buf_finish(&buf, "change", &text, err);
    if (code == PF_OK) *out_text = pf_arena_str(arena, text);
    pf_buf_clear(&buf);
    return code;
}

enum pf_code catalog_remote_change(struct pf_catalog *catalog, const struct pf_table_change *change,
                                   struct pf_arena *arena, struct pf_table **out_table, struct pf_error *err) {
    struct pf_table_id id = change->id;
    pf_str requirements, updates;
    PF_TRY(catalog_check_id(&id, err));
    PF_TRY(list_text(change->requirements, arena, &requirements, err));
    PF_TRY(list_text(change->updates, arena, &updates, err));
    PF_TRY(remote_commit(catalog->remote, id, requirements, updates, err));
    return pf_catalog_load_exact(catalog, id, arena, out_table, err);
}
