/* SPDX-License-Identifier: MIT */
/* Namespaces of another catalog. */
#include "catalog/remote.h"

#include "base/json.h"

enum { MAX_BODY_BYTES = 4 << 20, MAX_NAMESPACES = 100000 };

struct spaces {
    struct pf_arena *arena;
    pf_str *names;
    size_t count, capacity;
};

static enum pf_code take_page(void *context, pf_json *page, struct pf_error *err) {
    struct spaces *spaces = context;
    for (struct pf_json_each each = pf_json_each(pf_json_get(page, "namespaces")); pf_json_next(&each);) {
        pf_str space;
        /* Too long for us: as good as not there. */
        if (pf_rest_space_from_json(each.value, spaces->arena, &space, NULL) != PF_OK) continue;
        bool is_new = true;
        for (size_t i = 0; i < spaces->count && is_new; i++) is_new = !pf_str_equal(spaces->names[i], space);
        if (is_new) PF_ARENA_PUSH(spaces->arena, spaces->names, spaces->count, spaces->capacity) = space;
    }
    if (spaces->count > MAX_NAMESPACES) PF_FAIL(err, PF_TOO_LARGE, "more than %d namespaces", MAX_NAMESPACES);
    return PF_OK;
}

/* A list has one level; those that were found are asked for theirs in turn. */
enum pf_code remote_list_namespaces(struct remote *remote, struct pf_arena *arena, pf_str **out_names,
                                    size_t *out_count, struct pf_error *err) {
    struct spaces spaces = {.arena = arena};
    PF_TRY(remote_each_page(remote, PF_STR("namespaces"), PF_STR_EMPTY, arena, take_page, &spaces, err));
    for (size_t i = 0; remote_is_full(remote) && i < spaces.count; i++) {
        pf_str parent;
        PF_TRY(remote_parent_text(remote, spaces.names[i], arena, &parent, err));
        enum pf_code code = remote_each_page(remote, PF_STR("namespaces"), parent, arena, take_page, &spaces, err);
        if (code != PF_OK && code != PF_NOT_FOUND && code != PF_INVALID && code != PF_UNSUPPORTED) return code;
    }
    *out_names = spaces.names;
    *out_count = spaces.count;
    return PF_OK;
}

enum pf_code remote_namespace_exists(struct remote *remote, pf_str space, bool *out_exists, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "namespace");
    struct remote_request request = {.method = "GET"};
    struct remote_reply reply;
    enum pf_code code = remote_space_path(remote, space, NULL, scratch, &request.path, err);
    if (code == PF_OK) code = remote_send(remote, &request, scratch, &reply, err);
    pf_arena_free(scratch);
    *out_exists = code == PF_OK;
    return code == PF_NOT_FOUND ? PF_OK : code;
}

static void put_map(struct pf_json_out *out, const char *key, const struct pf_property *properties, size_t count) {
    pf_json_key(out, key);
    pf_json_open_object(out);
    for (size_t i = 0; i < count; i++) {
        pf_json_put_key(out, properties[i].key);
        pf_json_put_str(out, properties[i].value);
    }
    pf_json_close_object(out);
}

enum pf_code remote_create_namespace(struct remote *remote, pf_str space, const struct pf_property *properties,
                                     size_t count, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "namespace");
    struct remote_reply reply;
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_BODY_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_key(&out, "namespace");
    pf_rest_put_space(&out, space, scratch);
    put_map(&out, "properties", properties, count);
    pf_json_close_object(&out);
    struct remote_request request = {.method = "POST", .path = PF_STR("namespaces"), .is_change = true};
    enum pf_code code = pf_buf_finish(&buf, "namespace", &request.body, err);
    if (code == PF_OK) code = remote_send(remote, &request, scratch, &reply, err);
    pf_buf_clear(&buf);
    pf_arena_free(scratch);
    return code;
}

enum pf_code remote_drop_namespace(struct remote *remote, pf_str space, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "namespace");
    struct remote_request request = {.method = "DELETE", .is_change = true};
    struct remote_reply reply;
    enum pf_code code = remote_space_path(remote, space, NULL, scratch, &request.path, err);
    if (code == PF_OK) code = remote_send(remote, &request, scratch, &reply, err);
    pf_arena_free(scratch);
    return code;
}

enum pf_code remote_get_properties(struct remote *remote, pf_str space, struct pf_arena *arena,
                                   struct pf_property **out_properties, size_t *out_count, struct pf_error *err) {
    struct remote_request request = {.method = "GET"};
    struct remote_reply reply;
    PF_TRY(remote_space_path(remote, space, NULL, arena, &request.path, err));
    PF_TRY(remote_send(remote, &request, arena, &reply, err));
    pf_json *map = pf_json_get(reply.json, "properties");
    struct pf_property *properties = PF_ARENA_ARRAY(arena, struct pf_property, pf_json_count(map));
    for (struct pf_json_each each = pf_json_each(map); pf_json_next(&each);)
        properties[each.index] = (struct pf_property){each.key, pf_json_as_str(each.value, PF_STR_EMPTY)};
    *out_properties = properties;
    *out_count = pf_json_count(map);
    return PF_OK;
}

static bool is_listed(pf_json *list, pf_str wanted) {
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);)
        if (pf_str_equal(pf_json_as_str(each.value, PF_STR_EMPTY), wanted)) return true;
    return false;
}

static enum pf_code change_properties(struct remote *remote, pf_str space, const struct pf_property_change *change,
                                      bool *out_removed, struct pf_buf *buf, struct pf_arena *arena,
                                      struct pf_error *err) {
    struct pf_json_out out;
    struct remote_reply reply;
    pf_json_begin(&out, buf);
    pf_json_open_object(&out);
    pf_json_key(&out, "removals");
    pf_json_open_array(&out);
    for (size_t i = 0; i < change->removal_count; i++) pf_json_put_str(&out, change->removals[i]);
    pf_json_close_array(&out);
    put_map(&out, "updates", change->updates, change->update_count);
    pf_json_close_object(&out);
    struct remote_request request = {.method = "POST", .is_change = true};
    PF_TRY(pf_buf_finish(buf, "properties", &request.body, err));
    PF_TRY(remote_space_path(remote, space, "properties", arena, &request.path, err));
    PF_TRY(remote_send(remote, &request, arena, &reply, err));
    for (size_t i = 0; i < change->removal_count; i++)
        out_removed[i] = is_listed(pf_json_get(reply.json, "removed"), change->removals[i]);
    return PF_OK;
}

enum pf_code remote_change_properties(struct remote *remote, pf_str space, const struct pf_property_change *change,
                                      bool *out_removed, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "namespace");
    struct pf_buf buf;
    pf_buf_init(&buf, MAX_BODY_BYTES);
    enum pf_code code = change_properties(remote, space, change, out_removed, &buf, scratch, err);
    pf_buf_clear(&buf);
    pf_arena_free(scratch);
    return code;
}
