/* SPDX-License-Identifier: MIT */
#include "iceberg/cell.h"

static bool is_moment(enum pf_iceberg_kind kind) {
    return kind >= PF_ICEBERG_TIMESTAMP && kind <= PF_ICEBERG_TIMESTAMPTZ_NS;
}

static bool has_zone(enum pf_iceberg_kind kind) {
    return kind == PF_ICEBERG_TIMESTAMPTZ || kind == PF_ICEBERG_TIMESTAMPTZ_NS;
}

static bool is_counted(enum pf_iceberg_kind kind) {
    return kind == PF_ICEBERG_INT || kind == PF_ICEBERG_LONG || kind == PF_ICEBERG_DATE || kind == PF_ICEBERG_TIME ||
           is_moment(kind);
}

static bool from_integer(const struct pf_iceberg_type *type, int64_t number, struct pf_arena *arena,
                         struct cell_value *out_value) {
    bool is_narrow = type->kind == PF_ICEBERG_INT || type->kind == PF_ICEBERG_DATE;
    if (type->kind == PF_ICEBERG_DECIMAL) {
        return cell_from_stats(type, pf_arena_printf(arena, "%lld", (long long)number), arena, out_value);
    }
    if (!is_counted(type->kind) || (is_narrow && (number < INT32_MIN || number > INT32_MAX))) return false;
    *out_value = (struct cell_value){.form = CELL_INTEGER, .integer = number};
    return true;
}

/* "2020-01-01T10:00:00.5+00:00", with Z too, as SQL has it. */
static pf_str moment_text(pf_str text, bool is_zoned, struct pf_arena *arena) {
    char *copy = pf_arena_cstr(arena, text);
    size_t length = text.len;
    for (size_t i = 0; i < length; i++) {
        if (copy[i] == 'T') copy[i] = ' ';
    }
    if (is_zoned && length && copy[length - 1] == 'Z') {
        return pf_arena_printf(arena, "%.*s+00", (int)length - 1, copy);
    }
    return pf_str_from(copy, length);
}

/* Hours and minutes may stand without seconds: "10:00". */
static pf_str with_seconds(pf_str text, struct pf_arena *arena) {
    size_t colon = pf_str_find_char(text, ':', 0);
    bool is_short = colon != SIZE_MAX && (text.len == colon + 3 || text.ptr[colon + 3] != ':');
    if (!is_short || colon + 3 > text.len) return text;
    pf_str head = pf_str_slice(text, 0, colon + 3), tail = pf_str_slice(text, colon + 3, text.len);
    return pf_arena_printf(arena, "%.*s:00%.*s", PF_STR_ARG(head), PF_STR_ARG(tail));
}

bool cell_from_json(const struct pf_iceberg_type *type, pf_json *json, struct pf_arena *arena,
                    struct cell_value *out_value) {
    bool is_float = cell_is_float(type);
    struct cell_value value;
    if (type->kind == PF_ICEBERG_BOOLEAN) {
        if (!yyjson_is_bool(json)) return false;
        *out_value = (struct cell_value){.form = CELL_INTEGER, .integer = yyjson_get_bool(json)};
        return true;
    }
    if (yyjson_is_num(json) && is_float) {
        value = (struct cell_value){.form = CELL_FLOAT, .real = yyjson_get_num(json)};
    } else if (yyjson_is_sint(json) || (yyjson_is_uint(json) && yyjson_get_uint(json) <= INT64_MAX)) {
        return from_integer(type, yyjson_get_sint(json), arena, out_value);
    } else if (yyjson_is_str(json) && type->kind != PF_ICEBERG_INT && type->kind != PF_ICEBERG_LONG) {
        pf_str text = pf_json_as_str(json, PF_STR_EMPTY);
        if (is_moment(type->kind)) text = moment_text(text, has_zone(type->kind), arena);
        if (is_moment(type->kind) || type->kind == PF_ICEBERG_TIME) text = with_seconds(text, arena);
        if (!cell_from_stats(type, text, arena, &value)) return false;
    } else {
        return false;
    }
    if (type->kind == PF_ICEBERG_FLOAT) value.real = (double)(float)value.real;
    *out_value = value;
    return true;
}

void cell_put_json(const struct pf_iceberg_type *type, pf_str cell, struct pf_json_out *out, struct pf_arena *arena) {
    struct cell_value value;
    if (!cell_decode(type, cell, &value)) {
        pf_json_put_null(out);
        return;
    }
    switch (type->kind) {
    case PF_ICEBERG_BOOLEAN: pf_json_put_bool(out, value.integer != 0); return;
    case PF_ICEBERG_INT:
    case PF_ICEBERG_LONG: pf_json_put_i64(out, value.integer); return;
    case PF_ICEBERG_FLOAT:
    case PF_ICEBERG_DOUBLE: pf_json_put_f64(out, value.real); return;
    default: break;
    }
    pf_str text = cell_print(type, &value, arena);
    if (is_moment(type->kind)) {
        char *moment = pf_arena_cstr(arena, text);
        size_t blank = pf_str_find_char(text, ' ', 0);
        if (blank != SIZE_MAX) moment[blank] = 'T';
        text = pf_arena_printf(arena, "%s%s", moment, has_zone(type->kind) ? ":00" : ""); /* "+00" is there */
    }
    pf_json_put_str(out, text);
}
