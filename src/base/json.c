/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 512 };

static void free_doc(void *doc) {
    yyjson_doc_free(doc);
}

/* yyjson parses without recursion, but everybody who walks a document recurses: so the depth is checked here. */
static bool is_too_deep(pf_str text) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            if (c == '\\') i++;
            if (c == '"') in_string = false;
            continue;
        }
        if (c == '"') in_string = true;
        if (c == '[' || c == '{') {
            if (++depth > MAX_DEPTH) return true;
        }
        if ((c == ']' || c == '}') && depth) depth--;
    }
    return false;
}

enum pf_code pf_json_parse(pf_str text, struct pf_arena *arena, const char *what, pf_json **out_root,
                           struct pf_error *err) {
    if (text.len == 0) PF_FAIL(err, PF_INVALID, "%s: empty, expected JSON", what);
    if (is_too_deep(text)) PF_FAIL(err, PF_INVALID, "%s: JSON nested deeper than %d", what, MAX_DEPTH);
    yyjson_read_err read_err;
    /* Without INSITU the input is only read, despite the missing const. */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, YYJSON_READ_NOFLAG, NULL, &read_err);
    if (!doc) PF_FAIL(err, PF_INVALID, "%s: not JSON: %s at byte %zu", what, read_err.msg, read_err.pos);
    pf_arena_defer(arena, free_doc, doc);
    *out_root = yyjson_doc_get_root(doc);
    return PF_OK;
}

pf_json *pf_json_get(pf_json *object, const char *key) {
    return yyjson_obj_get(object, key);
}

pf_str pf_json_as_str(pf_json *value, pf_str fallback) {
    if (!yyjson_is_str(value)) return fallback;
    return (pf_str){yyjson_get_str(value), yyjson_get_len(value)};
}

int64_t pf_json_as_i64(pf_json *value, int64_t fallback) {
    int64_t number;
    if (yyjson_is_sint(value)) return yyjson_get_sint(value);
    if (yyjson_is_uint(value) && yyjson_get_uint(value) <= INT64_MAX) return (int64_t)yyjson_get_uint(value);
    if (yyjson_is_str(value) && pf_str_to_i64(pf_json_as_str(value, PF_STR_EMPTY), &number)) return number;
    return fallback;
}

pf_str pf_json_get_str(pf_json *object, const char *key, pf_str fallback) {
    return pf_json_as_str(yyjson_obj_get(object, key), fallback);
}

int64_t pf_json_get_i64(pf_json *object, const char *key, int64_t fallback) {
    return pf_json_as_i64(yyjson_obj_get(object, key), fallback);
}

double pf_json_get_f64(pf_json *object, const char *key, double fallback) {
    pf_json *value = yyjson_obj_get(object, key);
    return yyjson_is_num(value) ? yyjson_get_num(value) : fallback;
}

bool pf_json_get_bool(pf_json *object, const char *key, bool fallback) {
    pf_json *value = yyjson_obj_get(object, key);
    return yyjson_is_bool(value) ? yyjson_get_bool(value) : fallback;
}

enum pf_code pf_json_need_str(pf_json *object, const char *key, const char *what, pf_str *out_value,
                              struct pf_error *err) {
    pf_json *value = yyjson_obj_get(object, key);
    if (!yyjson_is_str(value)) PF_FAIL(err, PF_INVALID, "%s: field '%s' must be a string", what, key);
    *out_value = pf_json_as_str(value, PF_STR_EMPTY);
    return PF_OK;
}

enum pf_code pf_json_need_i64(pf_json *object, const char *key, const char *what, int64_t *out_value,
                              struct pf_error *err) {
    pf_json *value = yyjson_obj_get(object, key);
    if (pf_json_as_i64(value, 0) != pf_json_as_i64(value, 1)) {
        PF_FAIL(err, PF_INVALID, "%s: field '%s' must be an integer", what, key);
    }
    *out_value = pf_json_as_i64(value, 0);
    return PF_OK;
}

struct pf_json_each pf_json_each(pf_json *container) {
    struct pf_json_each each = {.index = SIZE_MAX, .is_object = yyjson_is_obj(container)};
    if (!container || !unsafe_yyjson_is_ctn(container)) return each;
    each.count = unsafe_yyjson_get_len(container);
    if (each.count) each.next = unsafe_yyjson_get_first(container);
    return each;
}

bool pf_json_next(struct pf_json_each *each) {
    if (++each->index >= each->count) return false;
    each->value = each->next;
    if (each->is_object) {
        each->key = pf_json_as_str(each->next, PF_STR_EMPTY);
        each->value = each->next + 1;
    }
    each->next = unsafe_yyjson_get_next(each->value);
    return true;
}

size_t pf_json_count(pf_json *container) {
    return container && unsafe_yyjson_is_ctn(container) ? unsafe_yyjson_get_len(container) : 0;
}

void pf_json_begin(struct pf_json_out *out, struct pf_buf *buf) {
    *out = (struct pf_json_out){.buf = buf};
}

static void separate(struct pf_json_out *out) {
    if (out->need_comma) pf_buf_put_char(out->buf, ',');
    out->need_comma = true;
}

static void open_with(struct pf_json_out *out, char c) {
    separate(out);
    pf_buf_put_char(out->buf, c);
    out->need_comma = false;
}

static void close_with(struct pf_json_out *out, char c) {
    pf_buf_put_char(out->buf, c);
    out->need_comma = true;
}

void pf_json_open_object(struct pf_json_out *out) {
    open_with(out, '{');
}

void pf_json_close_object(struct pf_json_out *out) {
    close_with(out, '}');
}

void pf_json_open_array(struct pf_json_out *out) {
    open_with(out, '[');
}

void pf_json_close_array(struct pf_json_out *out) {
    close_with(out, ']');
}

void pf_json_key(struct pf_json_out *out, const char *key) {
    separate(out);
    pf_buf_put_char(out->buf, '"');
    pf_buf_put_cstr(out->buf, key);
    pf_buf_put(out->buf, "\":", 2);
    out->need_comma = false;
}

void pf_json_put_key(struct pf_json_out *out, pf_str key) {
    pf_json_put_str(out, key);
    pf_buf_put_char(out->buf, ':');
    out->need_comma = false;
}

void pf_json_put_str(struct pf_json_out *out, pf_str value) {
    separate(out);
    pf_buf_put_json_str(out->buf, value);
}

void pf_json_put_i64(struct pf_json_out *out, int64_t value) {
    separate(out);
    pf_buf_put_i64(out->buf, value);
}

void pf_json_put_f64(struct pf_json_out *out, double value) {
    separate(out);
    if (isnan(value)) {
        pf_buf_put_cstr(out->buf, "\"NaN\"");
    } else if (isinf(value)) {
        pf_buf_put_cstr(out->buf, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else {
        /* yyjson prints the shortest digits that read back as the same number. */
        yyjson_val number;
        unsafe_yyjson_set_real(&number, value);
        size_t length = 0;
        char *text = yyjson_val_write(&number, YYJSON_WRITE_NOFLAG, &length);
        pf_buf_put(out->buf, text ? text : "null", text ? length : 4);
        free(text);
    }
}

void pf_json_put_bool(struct pf_json_out *out, bool value) {
    separate(out);
    pf_buf_put_cstr(out->buf, value ? "true" : "false");
}

void pf_json_put_null(struct pf_json_out *out) {
    separate(out);
    pf_buf_put_cstr(out->buf, "null");
}

void pf_json_put_raw(struct pf_json_out *out, pf_str json) {
    separate(out);
    pf_buf_put_str(out->buf, json);
}

void pf_json_put_value(struct pf_json_out *out, pf_json *value) {
    size_t length = 0;
    char *text = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &length);
    separate(out);
    if (text) {
        pf_buf_put(out->buf, text, length);
    } else {
        pf_buf_put_cstr(out->buf, "null");
    }
    free(text);
}

void pf_json_field_str(struct pf_json_out *out, const char *key, pf_str value) {
    pf_json_key(out, key);
    pf_json_put_str(out, value);
}

void pf_json_field_i64(struct pf_json_out *out, const char *key, int64_t value) {
    pf_json_key(out, key);
    pf_json_put_i64(out, value);
}

void pf_json_field_f64(struct pf_json_out *out, const char *key, double value) {
    pf_json_key(out, key);
    pf_json_put_f64(out, value);
}

void pf_json_field_bool(struct pf_json_out *out, const char *key, bool value) {
    pf_json_key(out, key);
    pf_json_put_bool(out, value);
}
