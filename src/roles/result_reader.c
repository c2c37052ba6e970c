/* SPDX-License-Identifier: MIT */
/* A value is collected from its first byte to the ',', '}' or ']' behind it at the depth where it began. That depth is
 * 1 for members of the result, 2 for rows. */
#include "roles/result_reader.h"

#include <ctype.h>

enum { MAX_KEY_BYTES = 100 };

void result_reader_init(struct result_reader *reader, size_t max_value_bytes) {
    reader->depth = reader->value_depth = 0;
    reader->in_string = reader->is_escaped = reader->is_value = false;
    reader->is_after_colon = reader->in_rows = reader->is_over = false;
    pf_buf_init(&reader->value, max_value_bytes);
    pf_buf_init(&reader->key, MAX_KEY_BYTES);
}

void result_reader_clear(struct result_reader *reader) {
    pf_buf_clear(&reader->value);
    pf_buf_clear(&reader->key);
}

static void begin_value(struct result_reader *reader) {
    reader->is_value = true;
    reader->value_depth = reader->depth;
    pf_buf_reset(&reader->value);
}

static enum pf_code end_value(struct result_reader *reader, struct pf_error *err) {
    pf_str text;
    if (!reader->is_value) return PF_OK;
    reader->is_value = false;
    PF_TRY(pf_buf_finish(&reader->value, "a row of the result", &text, err));
    text = pf_str_trim(text);
    if (reader->in_rows && text.len) reader->on_row(reader->context, text);
    if (!reader->in_rows) reader->on_member(reader->context, pf_buf_view(&reader->key), text);
    return PF_OK;
}

static void take_string_char(struct result_reader *reader, char c) {
    if (reader->is_value) {
        pf_buf_put_char(&reader->value, c);
    } else if (c != '"' || reader->is_escaped) {
        pf_buf_put_char(&reader->key, c);
    }
    if (!reader->is_escaped && c == '"') reader->in_string = false;
    reader->is_escaped = !reader->is_escaped && c == '\\';
}

static void open_container(struct result_reader *reader, char c) {
    bool are_rows = c == '[' && reader->depth == 1 && reader->is_after_colon &&
                    pf_str_equal(pf_buf_view(&reader->key), PF_STR("rows"));
    if (reader->is_value) {
        pf_buf_put_char(&reader->value, c);
    } else if (!are_rows && (reader->is_after_colon || reader->in_rows)) {
        begin_value(reader);
        pf_buf_put_char(&reader->value, c);
    }
    reader->depth++;
    reader->is_after_colon = false;
    if (are_rows) reader->in_rows = true;
}

static enum pf_code close_container(struct result_reader *reader, char c, struct pf_error *err) {
    if (reader->is_value && reader->depth == reader->value_depth) PF_TRY(end_value(reader, err));
    if (--reader->depth < 0) PF_FAIL(err, PF_REMOTE, "the answer is not the JSON it should be");
    if (reader->is_value) pf_buf_put_char(&reader->value, c);
    if (reader->in_rows && reader->depth == 1) reader->in_rows = false;
    if (reader->depth == 0) reader->is_over = true;
    return PF_OK;
}

static enum pf_code take_char(struct result_reader *reader, char c, struct pf_error *err) {
    if (reader->in_string) return take_string_char(reader, c), PF_OK;
    switch (c) {
    case '{':
    case '[': open_container(reader, c); return PF_OK;
    case '}':
    case ']': return close_container(reader, c, err);
    case ',':
        if (reader->is_value && reader->depth == reader->value_depth) return end_value(reader, err);
        break;
    case ':':
        if (!reader->is_value) reader->is_after_colon = true;
        break;
    case '"':
        if (!reader->is_value && (reader->is_after_colon || reader->in_rows)) begin_value(reader);
        if (!reader->is_value) pf_buf_reset(&reader->key);
        reader->in_string = true;
        reader->is_after_colon = false;
        break;
    default:
        if (!reader->is_value && reader->is_after_colon && !isspace((unsigned char)c)) {
            begin_value(reader);
            reader->is_after_colon = false;
        }
    }
    if (reader->is_value) pf_buf_put_char(&reader->value, c);
    return PF_OK;
}

enum pf_code result_reader_feed(struct result_reader *reader, pf_str bytes, struct pf_error *err) {
    for (size_t i = 0; i < bytes.len; i++) PF_TRY(take_char(reader, bytes.ptr[i], err));
    return PF_OK;
}

size_t split_json_array(pf_str array, struct pf_arena *arena, pf_str **out_elements) {
    pf_str *elements = NULL;
    size_t count = 0, capacity = 0, start = 1;
    int depth = 0;
    bool in_string = false;
    for (size_t i = 1; i < array.len; i++) {
        char c = array.ptr[i];
        if (in_string) {
            if (c == '\\') i++;
            if (c == '"') in_string = false;
            continue;
        }
        if (c == '"') in_string = true;
        if (depth == 0 && (c == ',' || c == ']')) {
            pf_str element = pf_str_trim(pf_str_slice(array, start, i));
            if (element.len) PF_ARENA_PUSH(arena, elements, count, capacity) = element;
            start = i + 1;
        }
        if (c == '[' || c == '{') depth++;
        if (c == ']' || c == '}') depth--;
    }
    *out_elements = elements;
    return count;
}
