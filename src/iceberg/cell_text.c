/* SPDX-License-Identifier: MIT */
/* Text of constants and statistics, as DuckDB 1.5 prints them, to values. Whatever is out of the ordinary (infinity,
 * years before Christ, fractions that don't fit) isn't read: callers then do without the value. */
#include "iceberg/cell.h"

#include <string.h>

static bool take_digits(pf_str *text, size_t min, size_t max, int64_t *out_number) {
    int64_t number = 0;
    size_t used = 0;
    while (used < text->len && used < max && text->ptr[used] >= '0' && text->ptr[used] <= '9') {
        number = number * 10 + (text->ptr[used] - '0');
        used++;
    }
    if (used < min) return false;
    *text = pf_str_slice(*text, used, text->len);
    *out_number = number;
    return true;
}

static bool take_char(pf_str *text, char c) {
    if (text->len == 0 || text->ptr[0] != c) return false;
    *text = pf_str_slice(*text, 1, text->len);
    return true;
}

static bool take_date(pf_str *text, int64_t *out_days) {
    int64_t year, month, day;
    if (!take_digits(text, 4, 7, &year) || !take_char(text, '-') || !take_digits(text, 2, 2, &month) ||
        !take_char(text, '-') || !take_digits(text, 2, 2, &day)) {
        return false;
    }
    if (month < 1 || month > 12 || day < 1 || day > 31) return false;
    *out_days = cell_days_from_date(year, (int)month, (int)day);
    return true;
}

/* Up to nine digits of a fraction, as nanoseconds. */
static bool take_fraction(pf_str *text, int64_t *out_ns) {
    *out_ns = 0;
    if (!take_char(text, '.')) return true;
    size_t before = text->len;
    int64_t number;
    if (!take_digits(text, 1, 9, &number)) return false;
    for (size_t used = before - text->len; used < 9; used++) number *= 10;
    *out_ns = number;
    return true;
}

static bool take_time(pf_str *text, int64_t *out_ns) {
    int64_t hour, minute, second, fraction_ns;
    if (!take_digits(text, 2, 2, &hour) || !take_char(text, ':') || !take_digits(text, 2, 2, &minute) ||
        !take_char(text, ':') || !take_digits(text, 2, 2, &second) || !take_fraction(text, &fraction_ns)) {
        return false;
    }
    if (hour > 24 || minute > 59 || second > 59) return false;
    *out_ns = ((hour * 60 + minute) * 60 + second) * 1000000000 + fraction_ns;
    return true;
}

/* +00, -03:30, +05:53:28 */
static bool take_offset(pf_str *text, int64_t *out_seconds) {
    bool is_negative = take_char(text, '-');
    if (!is_negative && !take_char(text, '+')) return false;
    int64_t hours, minutes = 0, seconds = 0;
    if (!take_digits(text, 2, 2, &hours)) return false;
    if (take_char(text, ':') && !take_digits(text, 2, 2, &minutes)) return false;
    if (take_char(text, ':') && !take_digits(text, 2, 2, &seconds)) return false;
    *out_seconds = (hours * 60 + minutes) * 60 + seconds;
    if (is_negative) *out_seconds = -*out_seconds;
    return true;
}

static bool read_timestamp(pf_str text, bool has_offset, int64_t ns_per_unit, int64_t *out_number) {
    int64_t days, ns = 0, offset_s = 0, number;
    if (!take_date(&text, &days)) return false;
    if (take_char(&text, ' ') && !take_time(&text, &ns)) return false;
    if (has_offset && !take_offset(&text, &offset_s)) return false;
    if (text.len || ns % ns_per_unit) return false;
    int64_t in_day = ns / ns_per_unit - offset_s * (1000000000 / ns_per_unit);
    if (__builtin_mul_overflow(days, 86400000000000 / ns_per_unit, &number)) return false;
    return !__builtin_add_overflow(number, in_day, out_number);
}

static bool read_decimal(pf_str text, int scale, cell_i128 *out_decimal) {
    bool is_negative = take_char(&text, '-');
    cell_u128 number = 0;
    cell_u128 limit = ~(cell_u128)0 >> 5; /* room for one more digit without overflow */
    size_t digits = 0;
    int behind = -1;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && behind < 0) {
            behind = 0;
            continue;
        }
        if (c < '0' || c > '9') return false;
        if (behind >= scale) {
            if (c != '0') return false;
            continue;
        }
        if (number > limit) return false;
        number = number * 10 + (unsigned)(c - '0');
        digits++;
        if (behind >= 0) behind++;
    }
    if (digits == 0) return false;
    for (int i = behind < 0 ? 0 : behind; i < scale; i++) {
        if (number > limit) return false;
        number *= 10;
    }
    *out_decimal = is_negative ? -(cell_i128)number : (cell_i128)number;
    return true;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_hex(pf_str text, struct pf_arena *arena, pf_str *out_bytes) {
    if (text.len % 2) return false;
    char *bytes = pf_arena_alloc(arena, text.len / 2 + 1);
    for (size_t i = 0; i < text.len; i += 2) {
        int high = hex_digit(text.ptr[i]), low = hex_digit(text.ptr[i + 1]);
        if (high < 0 || low < 0) return false;
        bytes[i / 2] = (char)(high << 4 | low);
    }
    *out_bytes = pf_str_from(bytes, text.len / 2);
    return true;
}

static bool read_uuid(pf_str text, struct pf_arena *arena, pf_str *out_bytes) {
    char digits[32];
    size_t used = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '-') continue;
        if (used == sizeof digits) return false;
        digits[used++] = text.ptr[i];
    }
    return used == sizeof digits && read_hex(pf_str_from(digits, used), arena, out_bytes);
}

/* BLOB as VARCHAR: printable ASCII as it is, the rest as \xAB. */
static bool read_escaped_blob(pf_str text, struct pf_arena *arena, pf_str *out_bytes) {
    char *bytes = pf_arena_alloc(arena, text.len + 1);
    size_t used = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\\') {
            bytes[used++] = text.ptr[i];
            continue;
        }
        if (text.len - i < 4 || text.ptr[i + 1] != 'x') return false;
        int high = hex_digit(text.ptr[i + 2]), low = hex_digit(text.ptr[i + 3]);
        if (high < 0 || low < 0) return false;
        bytes[used++] = (char)(high << 4 | low);
        i += 3;
    }
    *out_bytes = pf_str_from(bytes, used);
    return true;
}

static bool read_boolean(pf_str text, int64_t *out_number) {
    bool is_true = pf_str_equal(text, PF_STR("true")) || pf_str_equal(text, PF_STR("1"));
    *out_number = is_true;
    return is_true || pf_str_equal(text, PF_STR("false")) || pf_str_equal(text, PF_STR("0"));
}

static bool read_integer(pf_str text, enum pf_iceberg_kind kind, int64_t *out_number) {
    if (!pf_str_to_i64(text, out_number)) return false;
    return kind != PF_ICEBERG_INT || (*out_number >= INT32_MIN && *out_number <= INT32_MAX);
}

static bool read_date(pf_str text, int64_t *out_days) {
    return take_date(&text, out_days) && text.len == 0 && *out_days <= INT32_MAX && *out_days >= INT32_MIN;
}

static bool read_time(pf_str text, int64_t *out_us) {
    int64_t ns;
    if (!take_time(&text, &ns) || text.len || ns % 1000) return false;
    *out_us = ns / 1000;
    return true;
}

static bool read_value(const struct pf_iceberg_type *type, pf_str text, struct pf_arena *arena,
                       struct cell_value *out_value) {
    struct cell_value value = {.form = cell_form_of(type)};
    bool ok = false;
    switch (type->kind) {
    case PF_ICEBERG_BOOLEAN: ok = read_boolean(text, &value.integer); break;
    case PF_ICEBERG_INT:
    case PF_ICEBERG_LONG: ok = read_integer(text, type->kind, &value.integer); break;
    case PF_ICEBERG_FLOAT:
    case PF_ICEBERG_DOUBLE: ok = pf_str_to_f64(text, &value.real); break;
    case PF_ICEBERG_DECIMAL: ok = read_decimal(text, type->scale, &value.decimal); break;
    case PF_ICEBERG_DATE: ok = read_date(text, &value.integer); break;
    case PF_ICEBERG_TIME: ok = read_time(text, &value.integer); break;
    case PF_ICEBERG_TIMESTAMP: ok = read_timestamp(text, false, 1000, &value.integer); break;
    case PF_ICEBERG_TIMESTAMPTZ: ok = read_timestamp(text, true, 1000, &value.integer); break;
    case PF_ICEBERG_TIMESTAMP_NS: ok = read_timestamp(text, false, 1, &value.integer); break;
    case PF_ICEBERG_TIMESTAMPTZ_NS: ok = read_timestamp(text, true, 1, &value.integer); break;
    case PF_ICEBERG_STRING:
        value.bytes = pf_arena_str(arena, text);
        ok = true;
        break;
    case PF_ICEBERG_UUID: ok = read_uuid(text, arena, &value.bytes); break;
    default: break;
    }
    if (ok) *out_value = value;
    return ok;
}

static bool starts_with_nocase(pf_str text, const char *prefix) {
    size_t length = strlen(prefix);
    return text.len >= length && pf_str_equal_nocase(pf_str_slice(text, 0, length), pf_str_from_cstr(prefix));
}

static bool is_integer_type(pf_str type) {
    static const char *const names[] = {"TINYINT",   "SMALLINT", "INTEGER", "BIGINT",   "HUGEINT", "UTINYINT",
                                        "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "INT"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (starts_with_nocase(type, names[i])) return true;
    }
    return false;
}

/* Is a constant of this SQL type compared with the column as it is, without a cast of the column? */
static bool literal_suits(enum pf_iceberg_kind kind, pf_str type) {
    bool has_zone =
        pf_str_find(type, PF_STR("WITH TIME ZONE"), 0) != SIZE_MAX || starts_with_nocase(type, "TIMESTAMPTZ");
    switch (kind) {
    case PF_ICEBERG_BOOLEAN: return starts_with_nocase(type, "BOOL");
    case PF_ICEBERG_INT:
    case PF_ICEBERG_LONG: return is_integer_type(type) && !starts_with_nocase(type, "INTERVAL");
    case PF_ICEBERG_FLOAT:
    case PF_ICEBERG_DOUBLE: return starts_with_nocase(type, "FLOAT") || starts_with_nocase(type, "DOUBLE");
    case PF_ICEBERG_DECIMAL: return starts_with_nocase(type, "DECIMAL") || is_integer_type(type);
    case PF_ICEBERG_DATE: return pf_str_equal_nocase(type, PF_STR("DATE"));
    case PF_ICEBERG_TIME: return pf_str_equal_nocase(type, PF_STR("TIME"));
    case PF_ICEBERG_TIMESTAMP:
    case PF_ICEBERG_TIMESTAMP_NS:
        return !has_zone && (starts_with_nocase(type, "TIMESTAMP") || pf_str_equal_nocase(type, PF_STR("DATE")));
    case PF_ICEBERG_TIMESTAMPTZ:
    case PF_ICEBERG_TIMESTAMPTZ_NS: return has_zone;
    case PF_ICEBERG_STRING: return starts_with_nocase(type, "VARCHAR");
    case PF_ICEBERG_UUID: return pf_str_equal_nocase(type, PF_STR("UUID"));
    case PF_ICEBERG_FIXED:
    case PF_ICEBERG_BINARY: return pf_str_equal_nocase(type, PF_STR("BLOB"));
    default: return false;
    }
}

bool cell_from_literal(const struct pf_iceberg_type *type, struct pf_literal literal, struct pf_arena *arena,
                       struct cell_value *out_value) {
    if (!literal_suits(type->kind, literal.type)) return false;
    if (type->kind == PF_ICEBERG_FIXED || type->kind == PF_ICEBERG_BINARY) {
        struct cell_value value = {.form = CELL_BYTES};
        if (!read_escaped_blob(literal.text, arena, &value.bytes)) return false;
        *out_value = value;
        return true;
    }
    if (!read_value(type, literal.text, arena, out_value)) return false;
    /* '0.1'::FLOAT is not the double 0.1. */
    if (out_value->form == CELL_FLOAT && starts_with_nocase(literal.type, "FLOAT")) {
        out_value->real = (double)(float)out_value->real;
    }
    return true;
}

bool cell_from_stats(const struct pf_iceberg_type *type, pf_str text, struct pf_arena *arena,
                     struct cell_value *out_value) {
    if (type->kind == PF_ICEBERG_FIXED || type->kind == PF_ICEBERG_BINARY) {
        struct cell_value value = {.form = CELL_BYTES};
        if (!read_hex(text, arena, &value.bytes)) return false;
        *out_value = value;
        return true;
    }
    return read_value(type, text, arena, out_value);
}
