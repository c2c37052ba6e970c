/* SPDX-License-Identifier: MIT */
/* Views of another catalog. */
#include "catalog/remote.h"

#include "base/json.h"

enum { MAX_BODY_BYTES = 16 << 20 };

static enum pf_code value_text(pf_json *value, struct pf_arena *arena, pf_str *out_text, struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_str text;
    pf_buf_init(&buf, MAX_BODY_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_put_value(&out, value);
    enum pf_code code = pf_buf_finish(&buf, "view", &text, err);
    if (code == PF_OK) *out_text = pf_arena_str(arena, text);
    pf_buf_clear(&buf);
    return code;
}

enum pf_code remote_load_view(struct remote *remote, struct pf_table_id id, struct pf_arena *arena,
                              struct pf_view **out_view, struct pf_error *err) {
    struct remote_request request = {.method = "GET"};
    struct remote_reply reply;
    PF_TRY(remote_object_path(remote, id, "views", arena, &request.path, err));
    PF_TRY(remote_send(remote, &request, arena, &reply, err));
    struct pf_view *view = PF_ARENA_NEW(arena, struct pf_view);
    view->id = (struct pf_table_id){pf_arena_str(arena, id.space), pf_arena_str(arena, id.name)};
    view->metadata_path = pf_json_get_str(reply.json, "metadata-location", PF_STR_EMPTY);
    view->etag = view->metadata_path;
    PF_TRY(value_text(pf_json_get(reply.json, "metadata"), arena, &view->metadata_json, err));
    *out_view = view;
    return PF_OK;
}

static enum pf_code post(struct remote *remote, struct pf_table_id id, bool is_new, pf_str body, struct pf_arena *arena,
                         struct pf_error *err) {
    struct remote_request request = {.method = "POST", .body = body, .is_change = true};
    struct remote_reply reply;
    PF_TRY(is_new ? remote_space_path(remote, id.space, "views", arena, &request.path, err)
                  : remote_object_path(remote, id, "views", arena, &request.path, err));
    return remote_send(remote, &request, arena, &reply, err);
}

enum pf_code remote_create_view(struct remote *remote, struct pf_table_id id, pf_json *request, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "view");
    pf_str body;
    enum pf_code code = value_text(request, scratch, &body, err);
    if (code == PF_OK) code = post(remote, id, true, body, scratch, err);
    pf_arena_free(scratch);
    return code;
}

enum pf_code remote_change_view(struct remote *remote, const struct pf_table_change *change, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "view");
    pf_str requirements = PF_STR("[]"), updates = PF_STR("[]");
    enum pf_code code = PF_OK;
    if (change->requirements) code = value_text(change->requirements, scratch, &requirements, err);
    if (code == PF_OK && change->updates) code = value_text(change->updates, scratch, &updates, err);
    pf_str body = pf_arena_printf(scratch, "{\"requirements\":%.*s,\"updates\":%.*s}", PF_STR_ARG(requirements),
                                  PF_STR_ARG(updates));
    if (code == PF_OK) code = post(remote, change->id, false, body, scratch, err);
    pf_arena_free(scratch);
    return code;
}
