/* SPDX-License-Identifier: MIT */
/* Endpoints of views. */
#include "api/iceberg_rest.h"

enum { MAX_VIEW_BYTES = 64 << 20 };

static struct pf_table_id id_of(const struct rest_call *call) {
    return (struct pf_table_id){call->space, call->name};
}

static enum pf_code answer_view(struct rest_call *call, const struct pf_view *view, struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_VIEW_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_str(&out, "metadata-location", view->metadata_path);
    pf_json_key(&out, "metadata");
    pf_json_put_raw(&out, view->metadata_json);
    pf_json_key(&out, "config");
    pf_json_open_object(&out);
    pf_json_close_object(&out);
    pf_json_close_object(&out);
    return rest_answer(call, &buf, err);
}

enum pf_code rest_list_views(struct rest_call *call, struct pf_error *err) {
    pf_str *names;
    size_t count = 0;
    PF_TRY(rest_need_namespace(call, call->space, err));
    PF_TRY(pf_catalog_list_views(call->catalog, call->space, call->arena, &names, &count, err));
    return rest_answer_ids(call, names, count, err);
}

enum pf_code rest_create_view(struct rest_call *call, struct pf_error *err) {
    struct pf_view *view;
    struct pf_table_id id = {.space = call->space};
    pf_str name;
    PF_TRY(rest_need_body(call, err));
    PF_TRY(pf_json_need_str(call->body, "name", "request", &name, err));
    PF_TRY(pf_rest_name_in(name, call->arena, &id.name, err));
    PF_TRY(pf_catalog_create_view(call->catalog, id, call->body, call->arena, &view, err));
    return answer_view(call, view, err);
}

enum pf_code rest_load_view(struct rest_call *call, struct pf_error *err) {
    struct pf_view *view;
    PF_TRY(pf_catalog_load_view(call->catalog, id_of(call), call->arena, &view, err));
    return answer_view(call, view, err);
}

enum pf_code rest_has_view(struct rest_call *call, struct pf_error *err) {
    bool exists = false;
    PF_TRY(pf_catalog_view_exists(call->catalog, id_of(call), &exists, err));
    if (!exists) PF_FAIL(err, PF_NOT_FOUND, "there is no such view");
    return rest_answer_nothing(call);
}

enum pf_code rest_change_view(struct rest_call *call, struct pf_error *err) {
    struct pf_view *view;
    PF_TRY(rest_need_body(call, err));
    struct pf_table_change change = {.id = id_of(call),
                                     .requirements = pf_json_get(call->body, "requirements"),
                                     .updates = pf_json_get(call->body, "updates")};
    PF_TRY(pf_catalog_change_view(call->catalog, &change, call->arena, &view, err));
    return answer_view(call, view, err);
}

enum pf_code rest_drop_view(struct rest_call *call, struct pf_error *err) {
    PF_TRY(pf_catalog_drop_view(call->catalog, id_of(call), err));
    return rest_answer_nothing(call);
}

enum pf_code rest_rename_view(struct rest_call *call, struct pf_error *err) {
    struct pf_table_id from, to;
    PF_TRY(rest_need_body(call, err));
    PF_TRY(pf_rest_id_from_json(pf_json_get(call->body, "source"), call->arena, &from, err));
    PF_TRY(pf_rest_id_from_json(pf_json_get(call->body, "destination"), call->arena, &to, err));
    PF_TRY(pf_catalog_rename_view(call->catalog, from, to, err));
    return rest_answer_nothing(call);
}

enum pf_code rest_register_view(struct rest_call *call, struct pf_error *err) {
    struct pf_view *view;
    struct pf_table_id id = {.space = call->space};
    pf_str name, location;
    PF_TRY(rest_need_body(call, err));
    PF_TRY(pf_json_need_str(call->body, "name", "request", &name, err));
    PF_TRY(pf_json_need_str(call->body, "metadata-location", "request", &location, err));
    PF_TRY(pf_rest_name_in(name, call->arena, &id.name, err));
    PF_TRY(pf_catalog_register_view(call->catalog, id, location, call->arena, &view, err));
    return answer_view(call, view, err);
}
