/* SPDX-License-Identifier: MIT */
/* Endpoints of namespaces. */
#include "api/iceberg_rest.h"

enum { MAX_LIST_BYTES = 64 << 20 };

enum pf_code rest_need_namespace(struct rest_call *call, pf_str space, struct pf_error *err) {
    bool exists = false;
    PF_TRY(pf_catalog_namespace_exists(call->catalog, space, &exists, err));
    if (exists) return PF_OK;
    PF_FAIL(err, PF_NOT_FOUND, "Namespace does not exist: %.*s",
            PF_STR_ARG(pf_rest_shown((struct pf_table_id){space, PF_STR_EMPTY}, call->arena)));
}

enum pf_code rest_answer_ids(struct rest_call *call, const pf_str *names, size_t count, struct pf_error *err) {
    pf_str next;
    size_t first, end;
    PF_TRY(rest_page(call, names, count, &first, &end, &next, err));
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_LIST_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_key(&out, "identifiers");
    pf_json_open_array(&out);
    for (size_t i = first; i < end; i++) pf_rest_put_id(&out, (struct pf_table_id){call->space, names[i]}, call->arena);
    pf_json_close_array(&out);
    if (next.len) pf_json_field_str(&out, "next-page-token", next);
    pf_json_close_object(&out);
    return rest_answer(call, &buf, err);
}

/* The level right below `parent`, or the empty string: ("a.b.c", "a") gives "a.b". */
static pf_str child_of(pf_str space, pf_str parent) {
    size_t from = 0;
    if (parent.len) {
        if (space.len <= parent.len || !pf_str_starts_with(space, parent) || space.ptr[parent.len] != '.')
            return PF_STR_EMPTY;
        from = parent.len + 1;
    }
    return pf_str_slice(space, 0, pf_str_find_char(space, '.', from));
}

enum pf_code rest_list_namespaces(struct rest_call *call, struct pf_error *err) {
    pf_str text = pf_http_parameter(&call->request->query, "parent"), parent = PF_STR_EMPTY, *all, next;
    size_t count = 0, kept = 0, first, end;
    if (text.len) {
        PF_TRY(pf_rest_space_from_text(text, call->arena, &parent, err));
        PF_TRY(rest_need_namespace(call, parent, err));
    }
    PF_TRY(pf_catalog_list_namespaces(call->catalog, call->arena, &all, &count, err));
    for (size_t i = 0; i < count; i++) { /* sorted, so equal ones are neighbours, but for "a", "a-", "a.b" */
        pf_str child = child_of(all[i], parent);
        bool is_new = child.len > 0;
        for (size_t k = 0; k < kept && is_new; k++) is_new = !pf_str_equal(all[k], child);
        if (is_new) all[kept++] = child;
    }
    PF_TRY(rest_page(call, all, kept, &first, &end, &next, err));
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_LIST_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_key(&out, "namespaces");
    pf_json_open_array(&out);
    for (size_t i = first; i < end; i++) pf_rest_put_space(&out, all[i], call->arena);
    pf_json_close_array(&out);
    if (next.len) pf_json_field_str(&out, "next-page-token", next);
    pf_json_close_object(&out);
    return rest_answer(call, &buf, err);
}

static enum pf_code answer_namespace(struct rest_call *call, pf_str space, struct pf_error *err) {
    struct pf_property *properties;
    size_t count = 0;
    PF_TRY(pf_catalog_get_properties(call->catalog, space, call->arena, &properties, &count, err));
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_LIST_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_key(&out, "namespace");
    pf_rest_put_space(&out, space, call->arena);
    pf_json_key(&out, "properties");
    pf_json_open_object(&out);
    for (size_t i = 0; i < count; i++) {
        pf_json_put_key(&out, properties[i].key);
        pf_json_put_str(&out, properties[i].value);
    }
    pf_json_close_object(&out);
    pf_json_close_object(&out);
    return rest_answer(call, &buf, err);
}

/* A map of texts. */
static enum pf_code read_properties(pf_json *map, struct pf_arena *arena, struct pf_property **out_properties,
                                    size_t *out_count, struct pf_error *err) {
    struct pf_property *properties = PF_ARENA_ARRAY(arena, struct pf_property, pf_json_count(map));
    for (struct pf_json_each each = pf_json_each(map); pf_json_next(&each);) {
        if (!yyjson_is_str(each.value)) PF_FAIL(err, PF_INVALID, "property '%.*s' is no text", PF_STR_ARG(each.key));
        properties[each.index] = (struct pf_property){each.key, pf_json_as_str(each.value, PF_STR_EMPTY)};
    }
    *out_properties = properties;
    *out_count = pf_json_count(map);
    return PF_OK;
}

enum pf_code rest_create_namespace(struct rest_call *call, struct pf_error *err) {
    struct pf_property *properties;
    size_t count = 0;
    pf_str space;
    PF_TRY(rest_need_body(call, err));
    PF_TRY(pf_rest_space_from_json(pf_json_get(call->body, "namespace"), call->arena, &space, err));
    PF_TRY(read_properties(pf_json_get(call->body, "properties"), call->arena, &properties, &count, err));
    PF_TRY(pf_catalog_create_namespace(call->catalog, space, properties, count, err));
    return answer_namespace(call, space, err);
}

enum pf_code rest_load_namespace(struct rest_call *call, struct pf_error *err) {
    return answer_namespace(call, call->space, err);
}

enum pf_code rest_has_namespace(struct rest_call *call, struct pf_error *err) {
    PF_TRY(rest_need_namespace(call, call->space, err));
    return rest_answer_nothing(call);
}

enum pf_code rest_drop_namespace(struct rest_call *call, struct pf_error *err) {
    PF_TRY(pf_catalog_drop_namespace(call->catalog, call->space, err));
    return rest_answer_nothing(call);
}

static void put_keys(struct pf_json_out *out, const char *name, const pf_str *keys, const bool *removed, bool wanted,
                     size_t count) {
    pf_json_key(out, name);
    pf_json_open_array(out);
    for (size_t i = 0; i < count; i++)
        if (!removed || removed[i] == wanted) pf_json_put_str(out, keys[i]);
    pf_json_close_array(out);
}

enum pf_code rest_change_namespace(struct rest_call *call, struct pf_error *err) {
    struct pf_property *updates;
    struct pf_property_change change = {0};
    PF_TRY(rest_need_body(call, err));
    pf_json *list = pf_json_get(call->body, "removals");
    pf_str *removals = PF_ARENA_ARRAY(call->arena, pf_str, pf_json_count(list));
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);)
        removals[each.index] = pf_json_as_str(each.value, PF_STR_EMPTY);
    PF_TRY(read_properties(pf_json_get(call->body, "updates"), call->arena, &updates, &change.update_count, err));
    change.removals = removals;
    change.removal_count = pf_json_count(list);
    change.updates = updates;
    pf_str *keys = PF_ARENA_ARRAY(call->arena, pf_str, change.update_count);
    for (size_t i = 0; i < change.update_count; i++) {
        keys[i] = updates[i].key;
        for (size_t k = 0; k < change.removal_count; k++) {
            if (!pf_str_equal(removals[k], keys[i])) continue;
            call->is_contradictory = true;
            PF_FAIL(err, PF_INVALID, "property '%.*s' is to be set and to be removed", PF_STR_ARG(keys[i]));
        }
    }
    bool *removed = PF_ARENA_ARRAY(call->arena, bool, change.removal_count);
    PF_TRY(pf_catalog_change_properties(call->catalog, call->space, &change, removed, err));
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_LIST_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    put_keys(&out, "updated", keys, NULL, true, change.update_count);
    put_keys(&out, "removed", removals, removed, true, change.removal_count);
    put_keys(&out, "missing", removals, removed, false, change.removal_count);
    pf_json_close_object(&out);
    return rest_answer(call, &buf, err);
}
