/* SPDX-License-Identifier: MIT */
#include "catalog/catalog.h"

#include <string.h>

enum { MAX_NAME_BYTES = 200, MAX_SPACE_BYTES = 200, LEVEL_SEPARATOR = 0x1f };

static bool needs_escape(unsigned char c) {
    return c == '%' || c == '.' || c == '/' || c < 0x20 || c == 0x7f;
}

enum pf_code pf_rest_name_in(pf_str name, struct pf_arena *arena, pf_str *out_name, struct pf_error *err) {
    static const char digits[] = "0123456789ABCDEF";
    struct pf_buf buf;
    if (!name.len) PF_FAIL(err, PF_INVALID, "a name is empty");
    pf_buf_init(&buf, 3 * MAX_NAME_BYTES + 3);
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (needs_escape(c)) {
            char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
            pf_buf_put(&buf, escape, 3);
        } else {
            pf_buf_put_char(&buf, (char)c);
        }
    }
    bool is_too_long = buf.failed || buf.len > MAX_NAME_BYTES;
    if (!is_too_long) *out_name = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    if (is_too_long)
        PF_FAIL(err, PF_INVALID, "name '%.60s...' is longer than %d bytes", pf_arena_cstr(arena, name), MAX_NAME_BYTES);
    return PF_OK;
}

static int hex_value(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

pf_str pf_rest_name_out(pf_str name, struct pf_arena *arena) {
    char *text = pf_arena_alloc(arena, name.len + 1);
    size_t length = 0;
    for (size_t i = 0; i < name.len; i++) {
        int high = name.ptr[i] == '%' && i + 2 < name.len ? hex_value(name.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_value(name.ptr[i + 2]) : -1;
        if (low >= 0) {
            text[length++] = (char)(high << 4 | low);
            i += 2;
        } else {
            text[length++] = name.ptr[i];
        }
    }
    return pf_str_from(text, length);
}

static enum pf_code add_level(pf_str level, struct pf_arena *arena, pf_str *space, struct pf_error *err) {
    pf_str name;
    PF_TRY(pf_rest_name_in(level, arena, &name, err));
    *space = space->len ? pf_arena_printf(arena, "%.*s.%.*s", PF_STR_ARG(*space), PF_STR_ARG(name)) : name;
    if (space->len > MAX_SPACE_BYTES) PF_FAIL(err, PF_INVALID, "a namespace is longer than %d bytes", MAX_SPACE_BYTES);
    return PF_OK;
}

enum pf_code pf_rest_space_from_json(pf_json *levels, struct pf_arena *arena, pf_str *out_space, struct pf_error *err) {
    *out_space = PF_STR_EMPTY;
    if (!yyjson_is_arr(levels) || !pf_json_count(levels)) {
        PF_FAIL(err, PF_INVALID,
                "'namespace' is missing, or has no level (tables and namespaces at the root are not kept here)");
    }
    for (struct pf_json_each each = pf_json_each(levels); pf_json_next(&each);) {
        if (!yyjson_is_str(each.value)) PF_FAIL(err, PF_INVALID, "a level of the namespace is no text");
        PF_TRY(add_level(pf_json_as_str(each.value, PF_STR_EMPTY), arena, out_space, err));
    }
    return PF_OK;
}

enum pf_code pf_rest_space_from_text(pf_str text, struct pf_arena *arena, pf_str *out_space, struct pf_error *err) {
    pf_str rest = text, level;
    *out_space = PF_STR_EMPTY;
    if (!text.len) PF_FAIL(err, PF_INVALID, "the namespace is empty");
    while (pf_str_next(&rest, LEVEL_SEPARATOR, &level)) PF_TRY(add_level(level, arena, out_space, err));
    return PF_OK;
}

void pf_rest_put_space(struct pf_json_out *out, pf_str space, struct pf_arena *arena) {
    pf_str rest = space, level;
    pf_json_open_array(out);
    while (pf_str_next(&rest, '.', &level)) pf_json_put_str(out, pf_rest_name_out(level, arena));
    pf_json_close_array(out);
}

enum pf_code pf_rest_id_from_json(pf_json *json, struct pf_arena *arena, struct pf_table_id *out_id,
                                  struct pf_error *err) {
    pf_str name;
    PF_TRY(pf_json_need_str(json, "name", "identifier", &name, err));
    PF_TRY(pf_rest_name_in(name, arena, &out_id->name, err));
    return pf_rest_space_from_json(pf_json_get(json, "namespace"), arena, &out_id->space, err);
}

void pf_rest_put_id(struct pf_json_out *out, struct pf_table_id id, struct pf_arena *arena) {
    pf_json_open_object(out);
    pf_json_key(out, "namespace");
    pf_rest_put_space(out, id.space, arena);
    pf_json_field_str(out, "name", pf_rest_name_out(id.name, arena));
    pf_json_close_object(out);
}

pf_str pf_rest_shown(struct pf_table_id id, struct pf_arena *arena) {
    pf_str space = pf_rest_name_out(id.space, arena);
    if (!id.name.len) return space;
    return pf_arena_printf(arena, "%.*s.%.*s", PF_STR_ARG(space), PF_STR_ARG(pf_rest_name_out(id.name, arena)));
}
