/* SPDX-License-Identifier: MIT */
/* Endpoints of tables. */
#include "api/iceberg_rest.h"

#include <stdlib.h>
#include <xxhash.h>

enum { MAX_TABLE_BYTES = 1 << 30 };

static struct pf_table_id id_of(const struct rest_call *call) {
    return (struct pf_table_id){call->space, call->name};
}

enum pf_code rest_list_tables(struct rest_call *call, struct pf_error *err) {
    pf_str *names;
    size_t count = 0;
    PF_TRY(rest_need_namespace(call, call->space, err));
    PF_TRY(pf_catalog_list_tables(call->catalog, call->space, call->arena, &names, &count, err));
    return rest_answer_ids(call, names, count, err);
}

/* ---- answers with a table ---- */

static pf_str etag_of(const struct pf_table *table, bool is_refs_only, struct pf_arena *arena) {
    uint64_t hash = XXH3_64bits_withSeed(table->metadata_path.ptr, table->metadata_path.len, is_refs_only);
    return pf_arena_printf(arena, "\"%016llx\"", (unsigned long long)hash);
}

/* `metadata_json` as it is in the store or, for a staged table, as it will be. */
static enum pf_code answer_table(struct rest_call *call, const struct pf_table *table, pf_str metadata_json,
                                 bool is_refs_only, struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_TABLE_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    if (table->metadata_path.len) {
        pf_json_field_str(&out, "metadata-location", table->metadata_path);
        pf_http_add_header(call->request, call->response, "ETag", etag_of(table, is_refs_only, call->arena));
    }
    pf_json_key(&out, "metadata");
    pf_json_put_raw(&out, metadata_json);
    pf_json_key(&out, "config");
    pf_json_open_object(&out);
    pf_json_close_object(&out);
    pf_json_close_object(&out);
    return rest_answer(call, &buf, err);
}

static enum pf_code answer_stored(struct rest_call *call, const struct pf_table *table, struct pf_error *err) {
    pf_str json;
    PF_TRY(pf_catalog_read_metadata(call->catalog, table, call->arena, &json, err));
    return answer_table(call, table, json, false, err);
}

static bool is_referenced(const struct pf_table_metadata *metadata, int64_t snapshot_id) {
    for (size_t i = 0; i < metadata->ref_count; i++)
        if (metadata->refs[i].snapshot_id == snapshot_id) return true;
    return snapshot_id == metadata->current_snapshot_id;
}

/* Only the snapshots that branches and tags name. */
static enum pf_code write_refs_only(struct rest_call *call, const struct pf_table *table, pf_str *out_json,
                                    struct pf_error *err) {
    struct pf_table_metadata some = *table->metadata;
    struct pf_snapshot *kept = PF_ARENA_ARRAY(call->arena, struct pf_snapshot, some.snapshot_count);
    size_t count = 0;
    for (size_t i = 0; i < some.snapshot_count; i++)
        if (is_referenced(&some, some.snapshots[i].id)) kept[count++] = some.snapshots[i];
    some.snapshots = kept;
    some.snapshot_count = count;
    return pf_table_metadata_write(&some, call->arena, out_json, err);
}

enum pf_code rest_load_table(struct rest_call *call, struct pf_error *err) {
    struct pf_table *table;
    pf_str mode = pf_http_parameter(&call->request->query, "snapshots"), json;
    bool is_refs_only = pf_str_equal_nocase(mode, PF_STR("refs"));
    if (mode.len && !is_refs_only && !pf_str_equal_nocase(mode, PF_STR("all"))) {
        PF_FAIL(err, PF_INVALID, "snapshots is '%.*s', expected all or refs", PF_STR_ARG(mode));
    }
    PF_TRY(pf_catalog_load_exact(call->catalog, id_of(call), call->arena, &table, err));
    /* Always from the file: one that has vanished must not be hidden by a cache, ours or the client's. */
    PF_TRY(pf_catalog_read_metadata(call->catalog, table, call->arena, &json, err));
    pf_str known = pf_http_header(&call->request->headers, "If-None-Match");
    if (known.len && pf_str_equal(known, etag_of(table, is_refs_only, call->arena))) {
        call->response->status = 304;
        return PF_OK;
    }
    if (is_refs_only) PF_TRY(write_refs_only(call, table, &json, err));
    return answer_table(call, table, json, is_refs_only, err);
}

enum pf_code rest_has_table(struct rest_call *call, struct pf_error *err) {
    bool exists = false;
    PF_TRY(pf_catalog_exists(call->catalog, id_of(call), &exists, err));
    if (!exists) PF_FAIL(err, PF_NOT_FOUND, "there is no such table");
    return rest_answer_nothing(call);
}

/* ---- changes ---- */

enum pf_code rest_create_table(struct rest_call *call, struct pf_error *err) {
    struct pf_table *table;
    struct pf_table_id id = {.space = call->space};
    pf_str name, json;
    PF_TRY(rest_need_body(call, err));
    PF_TRY(pf_json_need_str(call->body, "name", "request", &name, err));
    PF_TRY(pf_rest_name_in(name, call->arena, &id.name, err));
    bool is_staged = pf_json_get_bool(call->body, "stage-create", false);
    PF_TRY(pf_catalog_create_table(call->catalog, id, call->body, is_staged, call->arena, &table, err));
    if (!is_staged) return answer_stored(call, table, err);
    PF_TRY(pf_table_metadata_write(table->metadata, call->arena, &json, err));
    return answer_table(call, table, json, false, err);
}

enum pf_code rest_change_table(struct rest_call *call, struct pf_error *err) {
    struct pf_table *table;
    PF_TRY(rest_need_body(call, err));
    struct pf_table_change change = {.id = id_of(call),
                                     .requirements = pf_json_get(call->body, "requirements"),
                                     .updates = pf_json_get(call->body, "updates")};
    PF_TRY(pf_catalog_change_table(call->catalog, &change, call->arena, &table, err));
    return answer_stored(call, table, err);
}

enum pf_code rest_drop_table(struct rest_call *call, struct pf_error *err) {
    bool exists = false;
    bool is_purge = pf_str_equal_nocase(pf_http_parameter(&call->request->query, "purgeRequested"), PF_STR("true"));
    PF_TRY(pf_catalog_exists(call->catalog, id_of(call), &exists, err));
    if (!exists) PF_FAIL(err, PF_NOT_FOUND, "there is no such table");
    PF_TRY(pf_catalog_drop(call->catalog, id_of(call), is_purge, err));
    return rest_answer_nothing(call);
}

enum pf_code rest_rename_table(struct rest_call *call, struct pf_error *err) {
    struct pf_table_id from, to;
    PF_TRY(rest_need_body(call, err));
    PF_TRY(pf_rest_id_from_json(pf_json_get(call->body, "source"), call->arena, &from, err));
    PF_TRY(pf_rest_id_from_json(pf_json_get(call->body, "destination"), call->arena, &to, err));
    PF_TRY(pf_catalog_rename(call->catalog, from, to, err));
    return rest_answer_nothing(call);
}

enum pf_code rest_register_table(struct rest_call *call, struct pf_error *err) {
    struct pf_table *table;
    struct pf_table_id id = {.space = call->space};
    pf_str name, location;
    bool exists = false;
    PF_TRY(rest_need_body(call, err));
    PF_TRY(pf_json_need_str(call->body, "name", "request", &name, err));
    PF_TRY(pf_json_need_str(call->body, "metadata-location", "request", &location, err));
    PF_TRY(pf_rest_name_in(name, call->arena, &id.name, err));
    PF_TRY(rest_need_namespace(call, id.space, err));
    bool is_overwrite = pf_json_get_bool(call->body, "overwrite", false);
    PF_TRY(pf_catalog_exists(call->catalog, id, &exists, err));
    if (exists && !is_overwrite) {
        PF_FAIL(err, PF_CONFLICT, "Table already exists: %.*s", PF_STR_ARG(pf_rest_shown(id, call->arena)));
    }
    bool is_view = false;
    PF_TRY(pf_catalog_view_exists(call->catalog, id, &is_view, err));
    if (is_view) {
        PF_FAIL(err, PF_CONFLICT, "View with same name already exists: %.*s",
                PF_STR_ARG(pf_rest_shown(id, call->arena)));
    }
    PF_TRY(pf_catalog_register(call->catalog, id, location, is_overwrite, err));
    PF_TRY(pf_catalog_load_exact(call->catalog, id, call->arena, &table, err));
    return answer_stored(call, table, err);
}

enum pf_code rest_report_metrics(struct rest_call *call, struct pf_error *err) {
    pf_str type;
    PF_TRY(rest_need_body(call, err));
    PF_TRY(pf_json_need_str(call->body, "report-type", "report", &type, err));
    return rest_answer_nothing(call);
}

enum pf_code rest_commit_transaction(struct rest_call *call, struct pf_error *err) {
    PF_TRY(rest_need_body(call, err));
    pf_json *list = pf_json_get(call->body, "table-changes");
    if (!pf_json_count(list)) PF_FAIL(err, PF_INVALID, "'table-changes' is missing or empty");
    struct pf_table_change *changes = PF_ARENA_ARRAY(call->arena, struct pf_table_change, pf_json_count(list));
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        changes[each.index].requirements = pf_json_get(each.value, "requirements");
        changes[each.index].updates = pf_json_get(each.value, "updates");
        PF_TRY(pf_rest_id_from_json(pf_json_get(each.value, "identifier"), call->arena, &changes[each.index].id, err));
    }
    PF_TRY(pf_catalog_change_tables(call->catalog, changes, pf_json_count(list), err));
    return rest_answer_nothing(call);
}
