/* SPDX-License-Identifier: MIT */
/* Partition values as text. */
#include "iceberg/schema.h"
#include "iceberg/transform.h"

#include <math.h>

static pf_str print_day(int64_t days, struct pf_arena *arena) {
    int64_t year;
    int month;
    cell_date_from_days(days, &year, &month);
    int64_t day = days - cell_days_from_date(year, month, 1) + 1;
    return pf_arena_printf(arena, "%04lld-%02d-%02lld", (long long)year, month, (long long)day);
}

static pf_str print_moment(int64_t units, int64_t units_per_second, struct pf_arena *arena) {
    int64_t seconds = cell_floor_div(units, units_per_second), days = cell_floor_div(seconds, 86400);
    int64_t fraction = units - seconds * units_per_second, of_day = seconds - days * 86400;
    pf_str text = print_day(days, arena);
    text = pf_arena_printf(arena, "%.*s %02lld:%02lld:%02lld", PF_STR_ARG(text), (long long)(of_day / 3600),
                           (long long)(of_day / 60 % 60), (long long)(of_day % 60));
    if (!fraction) return text;
    int digits = units_per_second == 1000000 ? 6 : 9;
    text = pf_arena_printf(arena, "%.*s.%0*lld", PF_STR_ARG(text), digits, (long long)fraction);
    while (text.len && text.ptr[text.len - 1] == '0') text.len--;
    return text;
}

static pf_str print_decimal(cell_i128 unscaled, int scale, struct pf_arena *arena) {
    char digits[64];
    size_t at = sizeof digits;
    bool is_negative = unscaled < 0;
    cell_u128 rest = is_negative ? -(cell_u128)unscaled : (cell_u128)unscaled;
    for (int count = 0; rest || count <= scale; count++, rest /= 10) {
        if (count == scale && scale) digits[--at] = '.';
        digits[--at] = (char)('0' + (int)(rest % 10));
    }
    if (is_negative) digits[--at] = '-';
    return pf_arena_str(arena, pf_str_from(digits + at, sizeof digits - at));
}

static pf_str print_hex(pf_str bytes, bool is_uuid, struct pf_arena *arena) {
    static const char hex[] = "0123456789abcdef";
    char *text = pf_arena_alloc(arena, 2 * bytes.len + 5);
    size_t at = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        if (is_uuid && (i == 4 || i == 6 || i == 8 || i == 10)) text[at++] = '-';
        text[at++] = hex[(unsigned char)bytes.ptr[i] >> 4];
        text[at++] = hex[(unsigned char)bytes.ptr[i] & 15];
    }
    return pf_str_from(text, at);
}

pf_str cell_print(const struct pf_iceberg_type *type, const struct cell_value *value, struct pf_arena *arena) {
    switch (type->kind) {
    case PF_ICEBERG_BOOLEAN: return value->integer ? PF_STR("true") : PF_STR("false");
    case PF_ICEBERG_FLOAT: return pf_arena_printf(arena, "%.9g", value->real);
    case PF_ICEBERG_DOUBLE: return pf_arena_printf(arena, "%.17g", value->real);
    case PF_ICEBERG_DECIMAL: return print_decimal(value->decimal, type->scale, arena);
    case PF_ICEBERG_DATE: return print_day(value->integer, arena);
    case PF_ICEBERG_TIME: {
        pf_str text = print_moment(value->integer, 1000000, arena);
        return pf_str_slice(text, PF_STR("1970-01-01 ").len, text.len);
    }
    case PF_ICEBERG_TIMESTAMP: return print_moment(value->integer, 1000000, arena);
    case PF_ICEBERG_TIMESTAMP_NS: return print_moment(value->integer, 1000000000, arena);
    case PF_ICEBERG_TIMESTAMPTZ:
        return pf_arena_printf(arena, "%.*s+00", PF_STR_ARG(print_moment(value->integer, 1000000, arena)));
    case PF_ICEBERG_TIMESTAMPTZ_NS:
        return pf_arena_printf(arena, "%.*s+00", PF_STR_ARG(print_moment(value->integer, 1000000000, arena)));
    case PF_ICEBERG_STRING: return value->bytes;
    case PF_ICEBERG_UUID: return print_hex(value->bytes, true, arena);
    case PF_ICEBERG_FIXED:
    case PF_ICEBERG_BINARY: return print_hex(value->bytes, false, arena);
    default: return pf_arena_printf(arena, "%lld", (long long)value->integer);
    }
}

pf_str pf_partition_value_text(const struct pf_table_metadata *metadata, const struct pf_partition_field *field,
                               pf_str cell, struct pf_arena *arena) {
    const struct pf_iceberg_type *source = schema_source_type(metadata, field->source_id);
    const struct pf_iceberg_type *type = source ? transform_result_type(&field->transform, source) : NULL;
    struct cell_value value;
    int64_t year;
    int month;
    if (!cell.ptr) return PF_STR_EMPTY;
    if (!type || !cell_decode(type, cell, &value)) return print_hex(cell, false, arena);
    switch (field->transform.kind) {
    case PF_TRANSFORM_YEAR: return pf_arena_printf(arena, "%04lld", (long long)value.integer + 1970);
    case PF_TRANSFORM_MONTH:
        year = 1970 + cell_floor_div(value.integer, 12);
        month = (int)(value.integer - cell_floor_div(value.integer, 12) * 12) + 1;
        return pf_arena_printf(arena, "%04lld-%02d", (long long)year, month);
    case PF_TRANSFORM_DAY: return print_day(value.integer, arena);
    case PF_TRANSFORM_HOUR: {
        int64_t days = cell_floor_div(value.integer, 24);
        return pf_arena_printf(arena, "%.*s-%02lld", PF_STR_ARG(print_day(days, arena)),
                               (long long)(value.integer - days * 24));
    }
    default: return cell_print(type, &value, arena);
    }
}
