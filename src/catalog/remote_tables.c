/* SPDX-License-Identifier: MIT */
/* Tables (and what views have in common with them) of another catalog. */
#include "catalog/remote.h"

#include "base/json.h"

enum { MAX_BODY_BYTES = 64 << 20, MAX_TABLES = 1000000 };

/* ---- lists ---- */

struct names {
    struct pf_arena *arena;
    pf_str *items;
    size_t count, capacity;
};

static enum pf_code take_page(void *context, pf_json *page, struct pf_error *err) {
    struct names *names = context;
    for (struct pf_json_each each = pf_json_each(pf_json_get(page, "identifiers")); pf_json_next(&each);) {
        struct pf_table_id id;
        if (pf_rest_id_from_json(each.value, names->arena, &id, NULL) != PF_OK) continue; /* too long for us */
        PF_ARENA_PUSH(names->arena, names->items, names->count, names->capacity) = id.name;
    }
    if (names->count > MAX_TABLES) PF_FAIL(err, PF_TOO_LARGE, "more than %d tables in a namespace", MAX_TABLES);
    return PF_OK;
}

enum pf_code remote_list(struct remote *remote, pf_str space, const char *kind, struct pf_arena *arena,
                         pf_str **out_names, size_t *out_count, struct pf_error *err) {
    struct names names = {.arena = arena};
    pf_str path;
    PF_TRY(remote_space_path(remote, space, kind, arena, &path, err));
    enum pf_code code = remote_each_page(remote, path, PF_STR_EMPTY, arena, take_page, &names, err);
    if (code != PF_OK && code != PF_NOT_FOUND) return code; /* an unknown namespace has none */
    *out_names = names.items;
    *out_count = names.count;
    return PF_OK;
}

enum pf_code remote_exists(struct remote *remote, struct pf_table_id id, const char *kind, bool *out_exists,
                           struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "exists");
    struct remote_request request = {.method = "GET"};
    struct remote_reply reply;
    bool has_head = false;
    pf_str singular = pf_str_slice(pf_str_from_cstr(kind), 0, pf_str_from_cstr(kind).len - 1);
    pf_str head =
        pf_arena_printf(scratch, "HEAD /v1/{prefix}/namespaces/{namespace}/%s/{%.*s}", kind, PF_STR_ARG(singular));
    enum pf_code code = remote_offers(remote, head.ptr, &has_head, err);
    if (has_head) request.method = "HEAD";
    if (code == PF_OK) code = remote_object_path(remote, id, kind, scratch, &request.path, err);
    if (code == PF_OK) code = remote_send(remote, &request, scratch, &reply, err);
    pf_arena_free(scratch);
    *out_exists = code == PF_OK;
    return code == PF_NOT_FOUND ? PF_OK : code;
}

/* ---- reading ---- */

static pf_str metadata_text(pf_json *metadata, struct pf_arena *arena, struct pf_error *err, enum pf_code *out_code) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_str text = PF_STR_EMPTY;
    pf_buf_init(&buf, MAX_BODY_BYTES * 8);
    pf_json_begin(&out, &buf);
    pf_json_put_value(&out, metadata);
    *out_code = pf_buf_finish(&buf, "table metadata", &text, err);
    if (*out_code == PF_OK) text = pf_arena_str(arena, text);
    pf_buf_clear(&buf);
    return text;
}

/* A LoadTableResult. */
static enum pf_code read_table(struct remote *remote, const struct remote_reply *reply, struct pf_arena *arena,
                               struct remote_table *out_table, struct pf_error *err) {
    pf_json *metadata = pf_json_get(reply->json, "metadata");
    enum pf_code code;
    if (!yyjson_is_obj(metadata)) {
        PF_FAIL(err, PF_REMOTE, "catalog %.*s: an answer about a table has no metadata", PF_STR_ARG(remote->url));
    }
    out_table->metadata_json = metadata_text(metadata, arena, err, &code);
    out_table->metadata_location = pf_json_get_str(reply->json, "metadata-location", PF_STR_EMPTY);
    return code;
}

enum pf_code remote_load(struct remote *remote, struct pf_table_id id, bool is_fresh, struct pf_arena *arena,
                         struct remote_table *out_table, struct pf_error *err) {
    struct remote_request request = {.method = "GET"};
    struct remote_reply reply;
    struct remote_table table = {0};
    pf_str name = pf_arena_printf(arena, "%.*s.%.*s", PF_STR_ARG(id.space), PF_STR_ARG(id.name)), location;
    PF_TRY(remote_object_path(remote, id, "tables", arena, &request.path, err));
    bool is_known = !is_fresh && remote_known_get(remote->known, name, arena, &request.if_none_match, &location);
    PF_TRY(remote_send(remote, &request, arena, &reply, err));
    if (reply.status == 304 && is_known) {
        *out_table = (struct remote_table){.metadata_location = location};
        return PF_OK;
    }
    PF_TRY(read_table(remote, &reply, arena, &table, err));
    if (reply.etag.len && table.metadata_location.len)
        remote_known_put(remote->known, name, reply.etag, table.metadata_location);
    *out_table = table;
    return PF_OK;
}

/* ---- changing ---- */

enum pf_code remote_create(struct remote *remote, pf_str space, pf_str request_json, struct pf_arena *arena,
                           struct remote_table *out_table, struct pf_error *err) {
    struct remote_request request = {.method = "POST", .body = request_json, .is_change = true};
    struct remote_reply reply;
    PF_TRY(remote_space_path(remote, space, "tables", arena, &request.path, err));
    PF_TRY(remote_send(remote, &request, arena, &reply, err));
    return read_table(remote, &reply, arena, out_table, err);
}

enum pf_code remote_commit(struct remote *remote, struct pf_table_id id, pf_str requirements, pf_str updates,
                           struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "commit");
    struct remote_request request = {.method = "POST", .is_change = true};
    struct remote_reply reply;
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_BODY_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_key(&out, "identifier");
    pf_rest_put_id(&out, id, scratch);
    pf_json_key(&out, "requirements");
    pf_json_put_raw(&out, requirements);
    pf_json_key(&out, "updates");
    pf_json_put_raw(&out, updates);
    pf_json_close_object(&out);
    enum pf_code code = pf_buf_finish(&buf, "commit", &request.body, err);
    if (code == PF_OK) code = remote_object_path(remote, id, "tables", scratch, &request.path, err);
    if (code == PF_OK) code = remote_send(remote, &request, scratch, &reply, err);
    pf_buf_clear(&buf);
    pf_arena_free(scratch);
    return code;
}

enum pf_code remote_commit_all(struct remote *remote, const struct pf_table_change *changes, size_t count,
                               struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "commit");
    struct remote_request request = {.method = "POST", .path = PF_STR("transactions/commit"), .is_change = true};
    struct remote_reply reply;
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_BODY_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_key(&out, "table-changes");
    pf_json_open_array(&out);
    for (size_t i = 0; i < count; i++) {
        pf_json_open_object(&out);
        pf_json_key(&out, "identifier");
        pf_rest_put_id(&out, changes[i].id, scratch);
        pf_json_key(&out, "requirements");
        pf_json_put_value(&out, changes[i].requirements);
        pf_json_key(&out, "updates");
        pf_json_put_value(&out, changes[i].updates);
        pf_json_close_object(&out);
    }
    pf_json_close_array(&out);
    pf_json_close_object(&out);
    enum pf_code code = pf_buf_finish(&buf, "transaction", &request.body, err);
    if (code == PF_OK) code = remote_send(remote, &request, scratch, &reply, err);
    pf_buf_clear(&buf);
    pf_arena_free(scratch);
    return code;
}

enum pf_code remote_drop(struct remote *remote, struct pf_table_id id, const char *kind, bool purge,
                         struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "drop");
    /* S3 Tables keeps the files itself: there a table goes with them or not at all. */
    bool asks_to_purge = purge || pf_str_equal(remote->signing_service, PF_STR("s3tables"));
    struct pf_http_field query = {PF_STR("purgeRequested"), asks_to_purge ? PF_STR("true") : PF_STR("false")};
    bool is_table = pf_str_equal(pf_str_from_cstr(kind), PF_STR("tables"));
    struct remote_request request = {
        .method = "DELETE", .query = &query, .query_count = is_table ? 1 : 0, .is_change = true};
    struct remote_reply reply;
    enum pf_code code = remote_object_path(remote, id, kind, scratch, &request.path, err);
    if (code == PF_OK) code = remote_send(remote, &request, scratch, &reply, err);
    pf_arena_free(scratch);
    return code;
}

enum pf_code remote_rename(struct remote *remote, const char *kind, struct pf_table_id from, struct pf_table_id to,
                           struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "rename");
    struct remote_request request = {
        .method = "POST", .path = pf_arena_printf(scratch, "%s/rename", kind), .is_change = true};
    struct remote_reply reply;
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_BODY_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_key(&out, "source");
    pf_rest_put_id(&out, from, scratch);
    pf_json_key(&out, "destination");
    pf_rest_put_id(&out, to, scratch);
    pf_json_close_object(&out);
    enum pf_code code = pf_buf_finish(&buf, "rename", &request.body, err);
    if (code == PF_OK) code = remote_send(remote, &request, scratch, &reply, err);
    pf_buf_clear(&buf);
    pf_arena_free(scratch);
    return code;
}

enum pf_code remote_register(struct remote *remote, struct pf_table_id id, pf_str metadata_location, bool is_update,
                             struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "register");
    struct remote_request request = {.method = "POST", .is_change = true};
    struct remote_reply reply;
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_BODY_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_str(&out, "name", pf_rest_name_out(id.name, scratch));
    pf_json_field_str(&out, "metadata-location", metadata_location);
    if (is_update) pf_json_field_bool(&out, "overwrite", true);
    pf_json_close_object(&out);
    enum pf_code code = pf_buf_finish(&buf, "register", &request.body, err);
    if (code == PF_OK) code = remote_space_path(remote, id.space, "register", scratch, &request.path, err);
    if (code == PF_OK) code = remote_send(remote, &request, scratch, &reply, err);
    pf_buf_clear(&buf);
    pf_arena_free(scratch);
    return code;
}
