/* SPDX-License-Identifier: MIT */
/* Values as text, the way DuckDB casts them to VARCHAR, and as JSON. The tests compare the former with DuckDB's casts.
 *
 * Inside lists, structs and maps a text is quoted when its parts could be mistaken for the container's. */
#include "engine/engine_internal.h"

#include <math.h>
#include <string.h>

static __int128 read_int128(const struct pf_vec *vec, uint64_t row) {
    __int128 value;
    memcpy(&value, (const char *)vec->data + row * sizeof value, sizeof value);
    return value;
}

#define AT(type) (((const type *)vec->data)[row])

static __int128 decimal_value(const struct pf_vec *vec, uint64_t row) {
    switch (vec->type->value_bytes) {
    case 2: return AT(int16_t);
    case 4: return AT(int32_t);
    case 8: return AT(int64_t);
    default: return read_int128(vec, row);
    }
}

static pf_str enum_value(const struct pf_vec *vec, uint64_t row) {
    uint32_t index = vec->type->value_bytes == 1   ? AT(uint8_t)
                     : vec->type->value_bytes == 2 ? AT(uint16_t)
                                                   : AT(uint32_t);
    return index < vec->type->value_count ? vec->type->names[index] : PF_STR_EMPTY;
}

static pf_str string_at(const struct pf_vec *vec, uint64_t row) {
    return pf_string_view((const union pf_string *)vec->data + row);
}

static void print_blob(pf_str bytes, struct pf_buf *out) {
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        bool is_plain = c >= 32 && c <= 126 && c != '\\' && c != '\'' && c != '"';
        if (is_plain)
            pf_buf_put_char(out, (char)c);
        else
            pf_buf_printf(out, "\\x%02X", c);
    }
}

/* One byte says how many bits at the front are padding. */
static void print_bits(pf_str bytes, struct pf_buf *out) {
    if (!bytes.len) return;
    size_t padding = (unsigned char)bytes.ptr[0] & 7;
    for (size_t bit = padding; bit < (bytes.len - 1) * 8; bit++)
        pf_buf_put_char(out, (unsigned char)bytes.ptr[1 + bit / 8] >> (7 - bit % 8) & 1 ? '1' : '0');
}

static void print_uuid(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    /* A signed number whose sign is turned, so that it sorts like its text. */
    unsigned __int128 value = (unsigned __int128)read_int128(vec, row) ^ ((unsigned __int128)1 << 127);
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) pf_buf_put_char(out, '-');
        pf_buf_put_char(out, "0123456789abcdef"[(int)(value >> (124 - 4 * i)) & 15]);
    }
}

static void print_integer(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    switch (vec->type->id) {
    case PF_TYPE_TINYINT: pf_buf_printf(out, "%d", AT(int8_t)); return;
    case PF_TYPE_SMALLINT: pf_buf_printf(out, "%d", AT(int16_t)); return;
    case PF_TYPE_INTEGER: pf_buf_printf(out, "%d", AT(int32_t)); return;
    case PF_TYPE_BIGINT: pf_buf_printf(out, "%lld", (long long)AT(int64_t)); return;
    case PF_TYPE_UTINYINT: pf_buf_printf(out, "%u", AT(uint8_t)); return;
    case PF_TYPE_USMALLINT: pf_buf_printf(out, "%u", AT(uint16_t)); return;
    case PF_TYPE_UINTEGER: pf_buf_printf(out, "%u", AT(uint32_t)); return;
    case PF_TYPE_UBIGINT: pf_buf_printf(out, "%llu", (unsigned long long)AT(uint64_t)); return;
    case PF_TYPE_HUGEINT: print_hugeint(read_int128(vec, row), out); return;
    default: print_uhugeint((unsigned __int128)read_int128(vec, row), out); return;
    }
}

static void print_moment(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    switch (vec->type->id) {
    case PF_TYPE_DATE: print_date(AT(int32_t), out); return;
    case PF_TYPE_TIME: print_time(AT(int64_t), 1000000, out); return;
    case PF_TYPE_TIME_NS: print_time(AT(int64_t), 1000000000, out); return;
    case PF_TYPE_TIME_TZ: print_time_tz(AT(uint64_t), out); return;
    case PF_TYPE_TIMESTAMP: print_timestamp(AT(int64_t), 1000000, "", out); return;
    case PF_TYPE_TIMESTAMP_S: print_timestamp(AT(int64_t), 1, "", out); return;
    case PF_TYPE_TIMESTAMP_MS: print_timestamp(AT(int64_t), 1000, "", out); return;
    case PF_TYPE_TIMESTAMP_NS: print_timestamp(AT(int64_t), 1000000000, "", out); return;
    default: print_timestamp(AT(int64_t), 1000000, "+00", out); return;
    }
}

static void print_span(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    struct {
        int32_t months, days;
        int64_t micros;
    } span;
    memcpy(&span, (const char *)vec->data + row * sizeof span, sizeof span);
    print_interval(span.months, span.days, span.micros, out);
}

/* All but nested types and NULL. */
static void print_scalar(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    switch (vec->type->id) {
    case PF_TYPE_BOOLEAN: pf_buf_put_cstr(out, AT(uint8_t) ? "true" : "false"); return;
    case PF_TYPE_FLOAT: print_f64((double)AT(float), true, out); return;
    case PF_TYPE_DOUBLE: print_f64(AT(double), false, out); return;
    case PF_TYPE_DECIMAL: print_decimal(decimal_value(vec, row), vec->type->scale, out); return;
    case PF_TYPE_VARCHAR: pf_buf_put_str(out, string_at(vec, row)); return;
    case PF_TYPE_BLOB: print_blob(string_at(vec, row), out); return;
    case PF_TYPE_BIT: print_bits(string_at(vec, row), out); return;
    case PF_TYPE_BIGNUM: print_bignum(string_at(vec, row), out); return;
    case PF_TYPE_GEOMETRY: print_geometry(string_at(vec, row), out); return;
    case PF_TYPE_INTERVAL: print_span(vec, row, out); return;
    case PF_TYPE_UUID: print_uuid(vec, row, out); return;
    case PF_TYPE_ENUM: pf_buf_put_str(out, enum_value(vec, row)); return;
    case PF_TYPE_TINYINT:
    case PF_TYPE_SMALLINT:
    case PF_TYPE_INTEGER:
    case PF_TYPE_BIGINT:
    case PF_TYPE_UTINYINT:
    case PF_TYPE_USMALLINT:
    case PF_TYPE_UINTEGER:
    case PF_TYPE_UBIGINT:
    case PF_TYPE_HUGEINT:
    case PF_TYPE_UHUGEINT: print_integer(vec, row, out); return;
    default: print_moment(vec, row, out); return;
    }
}

static bool is_nested(const struct pf_type *type) {
    return type->id == PF_TYPE_LIST || type->id == PF_TYPE_ARRAY || type->id == PF_TYPE_STRUCT ||
           type->id == PF_TYPE_MAP || type->id == PF_TYPE_UNION;
}

/* The elements of a LIST, MAP or ARRAY value. */
static struct pf_list_entry elements_of(const struct pf_vec *vec, uint64_t row) {
    if (vec->type->id == PF_TYPE_ARRAY)
        return (struct pf_list_entry){row * vec->type->value_count, vec->type->value_count};
    return ((const struct pf_list_entry *)vec->data)[row];
}

/* NULL for a tag out of range. */
static const struct pf_vec *union_member(const struct pf_vec *vec, uint64_t row) {
    uint32_t tag = ((const uint8_t *)vec->children[0].data)[row];
    return tag + 1 < vec->child_count ? &vec->children[tag + 1] : NULL;
}

/* ---- text ---- */

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool needs_quotes(pf_str text) {
    if (!text.len || pf_str_equal_nocase(text, PF_STR("null"))) return true;
    if (is_blank(text.ptr[0]) || is_blank(text.ptr[text.len - 1])) return true;
    for (size_t i = 0; i < text.len; i++)
        if (strchr("\"'(),:=[]{}", text.ptr[i]) && text.ptr[i]) return true;
    return false;
}

static void print_inner(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    if (!pf_vec_is_valid(vec, row) || vec->type->id == PF_TYPE_SQLNULL || is_nested(vec->type)) {
        pf_vec_print(vec, row, out);
        return;
    }
    size_t start = out->len;
    print_scalar(vec, row, out);
    if (out->failed) return;
    pf_str text = pf_str_from(out->ptr + start, out->len - start);
    bool is_json = pf_str_equal(vec->type->sql, PF_STR("JSON"));
    if (is_json || !needs_quotes(text)) return;
    struct pf_buf copy;
    pf_buf_init(&copy, SIZE_MAX / 2);
    pf_buf_put_str(&copy, text);
    out->len = start;
    pf_buf_put_char(out, '\'');
    for (size_t i = 0; i < copy.len; i++) {
        if (copy.ptr[i] == '\'' || copy.ptr[i] == '\\') pf_buf_put_char(out, '\\');
        pf_buf_put_char(out, copy.ptr[i]);
    }
    pf_buf_put_char(out, '\'');
    pf_buf_clear(&copy);
}

static void print_list(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    struct pf_list_entry entry = elements_of(vec, row);
    bool is_map = vec->type->id == PF_TYPE_MAP;
    pf_buf_put_char(out, is_map ? '{' : '[');
    for (uint64_t i = 0; i < entry.length; i++) {
        if (i) pf_buf_put_cstr(out, ", ");
        if (is_map) {
            print_inner(&vec->children[0].children[0], entry.offset + i, out);
            pf_buf_put_char(out, '=');
            print_inner(&vec->children[0].children[1], entry.offset + i, out);
        } else {
            print_inner(&vec->children[0], entry.offset + i, out);
        }
    }
    pf_buf_put_char(out, is_map ? '}' : ']');
}

static void print_struct(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    bool has_names = vec->type->names[0].len > 0; /* row(1, 2) has none */
    pf_buf_put_char(out, has_names ? '{' : '(');
    for (uint32_t i = 0; i < vec->child_count; i++) {
        if (i) pf_buf_put_cstr(out, ", ");
        if (has_names) {
            pf_buf_put_char(out, '\'');
            for (size_t k = 0; k < vec->type->names[i].len; k++) {
                char c = vec->type->names[i].ptr[k];
                if (c == '\'' || c == '\\') pf_buf_put_char(out, '\\');
                pf_buf_put_char(out, c);
            }
            pf_buf_put_cstr(out, "': ");
        }
        print_inner(&vec->children[i], row, out);
    }
    pf_buf_put_char(out, has_names ? '}' : ')');
}

void pf_vec_print(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    if (!pf_vec_is_valid(vec, row) || vec->type->id == PF_TYPE_SQLNULL) {
        pf_buf_put_cstr(out, "NULL");
        return;
    }
    switch (vec->type->id) {
    case PF_TYPE_LIST:
    case PF_TYPE_ARRAY:
    case PF_TYPE_MAP: print_list(vec, row, out); return;
    case PF_TYPE_STRUCT: print_struct(vec, row, out); return;
    case PF_TYPE_UNION: {
        const struct pf_vec *member = union_member(vec, row);
        if (member) pf_vec_print(member, row, out);
        return;
    }
    default: print_scalar(vec, row, out); return;
    }
}

/* ---- JSON ---- */

static void put_as_json_string(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    if (vec->type->id == PF_TYPE_VARCHAR) {
        pf_buf_put_json_str(out, string_at(vec, row));
        return;
    }
    struct pf_buf text;
    pf_buf_init(&text, SIZE_MAX / 2);
    pf_vec_print(vec, row, &text);
    pf_buf_put_json_str(out, pf_buf_view(&text));
    pf_buf_clear(&text);
}

static void print_json_list(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    struct pf_list_entry entry = elements_of(vec, row);
    bool is_map = vec->type->id == PF_TYPE_MAP;
    pf_buf_put_char(out, is_map ? '{' : '[');
    for (uint64_t i = 0; i < entry.length; i++) {
        if (i) pf_buf_put_char(out, ',');
        if (is_map) {
            put_as_json_string(&vec->children[0].children[0], entry.offset + i, out);
            pf_buf_put_char(out, ':');
            pf_vec_print_json(&vec->children[0].children[1], entry.offset + i, out);
        } else {
            pf_vec_print_json(&vec->children[0], entry.offset + i, out);
        }
    }
    pf_buf_put_char(out, is_map ? '}' : ']');
}

static void print_json_struct(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    bool has_names = vec->type->names[0].len > 0;
    pf_buf_put_char(out, has_names ? '{' : '[');
    for (uint32_t i = 0; i < vec->child_count; i++) {
        if (i) pf_buf_put_char(out, ',');
        if (has_names) {
            pf_buf_put_json_str(out, vec->type->names[i]);
            pf_buf_put_char(out, ':');
        }
        pf_vec_print_json(&vec->children[i], row, out);
    }
    pf_buf_put_char(out, has_names ? '}' : ']');
}

void pf_vec_print_json(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    if (!pf_vec_is_valid(vec, row) || vec->type->id == PF_TYPE_SQLNULL) {
        pf_buf_put_cstr(out, "null");
        return;
    }
    switch (vec->type->id) {
    case PF_TYPE_LIST:
    case PF_TYPE_ARRAY:
    case PF_TYPE_MAP: print_json_list(vec, row, out); return;
    case PF_TYPE_STRUCT: print_json_struct(vec, row, out); return;
    case PF_TYPE_UNION: {
        const struct pf_vec *member = union_member(vec, row);
        if (member)
            pf_vec_print_json(member, row, out);
        else
            pf_buf_put_cstr(out, "null");
        return;
    }
    case PF_TYPE_FLOAT:
    case PF_TYPE_DOUBLE: {
        double value = vec->type->id == PF_TYPE_FLOAT ? (double)AT(float) : AT(double);
        if (isfinite(value))
            print_scalar(vec, row, out);
        else
            put_as_json_string(vec, row, out);
        return;
    }
    case PF_TYPE_BOOLEAN:
    case PF_TYPE_TINYINT:
    case PF_TYPE_SMALLINT:
    case PF_TYPE_INTEGER:
    case PF_TYPE_BIGINT:
    case PF_TYPE_HUGEINT:
    case PF_TYPE_UTINYINT:
    case PF_TYPE_USMALLINT:
    case PF_TYPE_UINTEGER:
    case PF_TYPE_UBIGINT:
    case PF_TYPE_UHUGEINT:
    case PF_TYPE_BIGNUM:
    case PF_TYPE_DECIMAL: print_scalar(vec, row, out); return;
    default: put_as_json_string(vec, row, out); return;
    }
}
