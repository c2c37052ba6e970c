/* SPDX-License-Identifier: MIT */
/* The pointer: the one mutable object of a table (docs/formats/catalog.md). */
#include "catalog/catalog_internal.h"

#include "base/clock.h"
#include "base/json.h"
#include "store/store.h"

enum { POINTER_VERSION = 1, MAX_POINTER_BYTES = 64 << 10, MOST_RENAMES = 10 };

pf_str catalog_pointer_key(const struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena) {
    return pf_arena_printf(arena, "%.*s/metadata/pointer.json", PF_STR_ARG(catalog_table_key(catalog, id, arena)));
}

static enum pf_code parse_pointer(pf_str bytes, struct pf_arena *arena, struct catalog_pointer *out_pointer,
                                  struct pf_error *err) {
    pf_json *root;
    if (bytes.len > MAX_POINTER_BYTES) PF_FAIL(err, PF_CORRUPT, "%zu bytes are too many for a pointer", bytes.len);
    enum pf_code code = pf_json_parse(bytes, arena, "pointer", &root, err);
    if (code != PF_OK) return pf_error_wrap(err, PF_CORRUPT, "not valid JSON");
    int64_t version = pf_json_get_i64(root, "format-version", -1);
    if (version > POINTER_VERSION) {
        PF_FAIL(err, PF_UNSUPPORTED, "pointer version %lld is newer than this program", (long long)version);
    }
    struct catalog_pointer pointer = {
        .table_uuid = pf_json_get_str(root, "table-uuid", PF_STR_EMPTY),
        .metadata_location = pf_json_get_str(root, "metadata-location", PF_STR_EMPTY),
        .moving_to = pf_json_get_str(root, "moving-to", PF_STR_EMPTY),
    };
    if (version < 1 || !pointer.table_uuid.len || !pointer.metadata_location.len) {
        PF_FAIL(err, PF_CORRUPT, "format-version, table-uuid or metadata-location is missing");
    }
    *out_pointer = pointer;
    return PF_OK;
}

static enum pf_code read_pointer(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                 struct catalog_pointer *out_pointer, struct pf_error *err) {
    pf_str key = catalog_pointer_key(catalog, id, arena), bytes, etag;
    catalog->pointer_reads++;
    enum pf_code code = pointers_get(catalog, key, arena, &bytes, &etag, err);
    if (code != PF_OK) return code;
    struct catalog_pointer pointer;
    code = parse_pointer(bytes, arena, &pointer, err);
    if (code != PF_OK) {
        return pf_error_wrap(err, code, "table %.*s.%.*s: pointer '%.*s/%.*s'", PF_STR_ARG(id.space),
                             PF_STR_ARG(id.name), PF_STR_ARG(pf_store_url(catalog->store)), PF_STR_ARG(key));
    }
    pointer.etag = etag;
    *out_pointer = pointer;
    return PF_OK;
}

enum pf_code catalog_read_pointer(struct pf_catalog *catalog, struct pf_table_id id, struct pf_arena *arena,
                                  struct catalog_pointer *out_pointer, struct pf_error *err) {
    if (catalog->remote) return catalog_remote_pointer(catalog, id, arena, out_pointer, err);
    for (int attempt = 0; attempt < MOST_RENAMES; attempt++) {
        PF_TRY(read_pointer(catalog, id, arena, out_pointer, err));
        if (!out_pointer->moving_to.len) return PF_OK;
        enum pf_code code = catalog_finish_rename(catalog, id, out_pointer, err);
        if (code != PF_OK && code != PF_CONFLICT) return code;
    }
    PF_FAIL(err, PF_CONFLICT, "table %.*s.%.*s is being renamed all the time", PF_STR_ARG(id.space),
            PF_STR_ARG(id.name));
}

static pf_str print_pointer(pf_str table_uuid, pf_str location, pf_str previous, pf_str moving_to,
                            struct pf_arena *arena) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_POINTER_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_i64(&out, "format-version", POINTER_VERSION);
    pf_json_field_str(&out, "table-uuid", table_uuid);
    pf_json_field_str(&out, "metadata-location", location);
    if (previous.len) pf_json_field_str(&out, "previous-metadata-location", previous);
    if (moving_to.len) pf_json_field_str(&out, "moving-to", moving_to);
    pf_json_field_i64(&out, "updated-at-ms", pf_clock_wall_ms());
    pf_json_close_object(&out);
    pf_buf_put_char(&buf, '\n');
    pf_str text = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return text;
}

enum pf_code catalog_move_pointer(struct pf_catalog *catalog, struct pf_table_id id, pf_str expected_etag,
                                  const struct pf_table_metadata *metadata, pf_str metadata_location,
                                  pf_str previous_location, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "pointer");
    pf_str text = print_pointer(metadata->table_uuid, metadata_location, previous_location, PF_STR_EMPTY, scratch);
    enum pf_code code =
        pointers_put_if(catalog, catalog_pointer_key(catalog, id, scratch), expected_etag, text, scratch, NULL, err);
    pf_arena_free(scratch);
    return code;
}

enum pf_code catalog_move_pointers(struct pf_catalog *catalog, const struct catalog_move *moves, size_t count,
                                   struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "pointers");
    struct pointers_change *changes = PF_ARENA_ARRAY(scratch, struct pointers_change, count);
    for (size_t i = 0; i < count; i++) {
        const struct pf_table *base = moves[i].base;
        changes[i].key = catalog_pointer_key(catalog, base->id, scratch);
        changes[i].expected_etag = base->pointer_etag;
        changes[i].text = print_pointer(moves[i].next->table_uuid, moves[i].metadata_location, base->metadata_path,
                                        PF_STR_EMPTY, scratch);
    }
    enum pf_code code = pointers_put_all_if(catalog, changes, count, scratch, err);
    pf_arena_free(scratch);
    return code;
}

enum pf_code catalog_mark_pointer(struct pf_catalog *catalog, struct pf_table_id id,
                                  const struct catalog_pointer *pointer, pf_str moving_to, struct pf_arena *arena,
                                  pf_str *out_etag, struct pf_error *err) {
    pf_str text = print_pointer(pointer->table_uuid, pointer->metadata_location, PF_STR_EMPTY, moving_to, arena);
    return pointers_put_if(catalog, catalog_pointer_key(catalog, id, arena), pointer->etag, text, arena, out_etag, err);
}

enum pf_code catalog_delete_pointer(struct pf_catalog *catalog, struct pf_table_id id, pf_str expected_etag,
                                    struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "pointer");
    enum pf_code code =
        pointers_delete_if(catalog, catalog_pointer_key(catalog, id, scratch), expected_etag, scratch, err);
    pf_arena_free(scratch);
    return code;
}

enum pf_code pf_catalog_exists(struct pf_catalog *catalog, struct pf_table_id id, bool *out_exists,
                               struct pf_error *err) {
    PF_TRY(catalog_check_id(&id, err));
    if (catalog->remote) return remote_exists(catalog->remote, id, "tables", out_exists, err);
    struct pf_arena *scratch = pf_arena_new(NULL, "pointer");
    enum pf_code code = pointers_exist(catalog, catalog_pointer_key(catalog, id, scratch), out_exists, err);
    pf_arena_free(scratch);
    return code;
}
