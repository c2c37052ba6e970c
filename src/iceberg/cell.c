/* SPDX-License-Identifier: MIT */
#include "iceberg/cell.h"

#include <math.h>
#include <string.h>

bool cell_is_primitive(const struct pf_iceberg_type *type) {
    return type->kind <= PF_ICEBERG_BINARY;
}

bool cell_is_float(const struct pf_iceberg_type *type) {
    return type->kind == PF_ICEBERG_FLOAT || type->kind == PF_ICEBERG_DOUBLE;
}

enum cell_form cell_form_of(const struct pf_iceberg_type *type) {
    switch (type->kind) {
    case PF_ICEBERG_FLOAT:
    case PF_ICEBERG_DOUBLE: return CELL_FLOAT;
    case PF_ICEBERG_DECIMAL: return CELL_DECIMAL;
    case PF_ICEBERG_STRING:
    case PF_ICEBERG_UUID:
    case PF_ICEBERG_FIXED:
    case PF_ICEBERG_BINARY: return CELL_BYTES;
    default: return CELL_INTEGER;
    }
}

static uint64_t little_endian(pf_str cell) {
    uint64_t number = 0;
    for (size_t i = cell.len; i > 0; i--) number = number << 8 | (unsigned char)cell.ptr[i - 1];
    return number;
}

static bool decode_i32(pf_str cell, int64_t *out_number) {
    if (cell.len != 4) return false;
    *out_number = (int32_t)little_endian(cell);
    return true;
}

static bool decode_i64(pf_str cell, int64_t *out_number) {
    if (cell.len == 4) return decode_i32(cell, out_number);
    if (cell.len != 8) return false;
    *out_number = (int64_t)little_endian(cell);
    return true;
}

static bool decode_float(pf_str cell, bool may_be_double, double *out_real) {
    uint64_t bits = little_endian(cell);
    if (cell.len == 4) {
        uint32_t low = (uint32_t)bits;
        float real;
        memcpy(&real, &low, sizeof real);
        *out_real = (double)real;
        return true;
    }
    if (cell.len != 8 || !may_be_double) return false;
    memcpy(out_real, &bits, sizeof *out_real);
    return true;
}

static bool decode_decimal(pf_str cell, cell_i128 *out_decimal) {
    if (cell.len == 0) return false;
    bool is_negative = ((unsigned char)cell.ptr[0] & 0x80) != 0;
    unsigned char sign = is_negative ? 0xff : 0;
    cell_u128 number = is_negative ? ~(cell_u128)0 : 0;
    size_t skipped = 0;
    while (cell.len - skipped > 16) {
        if ((unsigned char)cell.ptr[skipped] != sign) return false;
        skipped++;
    }
    if (skipped && (((unsigned char)cell.ptr[skipped] & 0x80) != 0) != is_negative) return false;
    for (size_t i = skipped; i < cell.len; i++) number = number << 8 | (unsigned char)cell.ptr[i];
    *out_decimal = (cell_i128)number;
    return true;
}

/* A bound of a column that was a date before it was promoted (v3) counts days. */
static bool decode_timestamp(pf_str cell, int64_t units_per_day, int64_t *out_number) {
    if (cell.len != 4) return decode_i64(cell, out_number);
    int64_t days;
    return decode_i32(cell, &days) && !__builtin_mul_overflow(days, units_per_day, out_number);
}

bool cell_decode(const struct pf_iceberg_type *type, pf_str cell, struct cell_value *out_value) {
    struct cell_value value = {.form = cell_form_of(type)};
    bool ok = false;
    if (!cell.ptr) return false;
    switch (type->kind) {
    case PF_ICEBERG_BOOLEAN:
        ok = cell.len == 1;
        value.integer = ok && cell.ptr[0] != 0;
        break;
    case PF_ICEBERG_INT:
    case PF_ICEBERG_DATE: ok = decode_i32(cell, &value.integer); break;
    case PF_ICEBERG_LONG: ok = decode_i64(cell, &value.integer); break;
    case PF_ICEBERG_TIME:
    case PF_ICEBERG_TIMESTAMPTZ:
    case PF_ICEBERG_TIMESTAMPTZ_NS: ok = cell.len == 8 && decode_i64(cell, &value.integer); break;
    case PF_ICEBERG_TIMESTAMP: ok = decode_timestamp(cell, 86400000000, &value.integer); break;
    case PF_ICEBERG_TIMESTAMP_NS: ok = decode_timestamp(cell, 86400000000000, &value.integer); break;
    case PF_ICEBERG_FLOAT: ok = decode_float(cell, false, &value.real); break;
    case PF_ICEBERG_DOUBLE: ok = decode_float(cell, true, &value.real); break;
    case PF_ICEBERG_DECIMAL: ok = decode_decimal(cell, &value.decimal); break;
    case PF_ICEBERG_UUID:
        ok = cell.len == 16;
        value.bytes = cell;
        break;
    case PF_ICEBERG_FIXED:
    case PF_ICEBERG_STRING:
    case PF_ICEBERG_BINARY:
        ok = true;
        value.bytes = cell;
        break;
    default: break;
    }
    if (ok) *out_value = value;
    return ok;
}

size_t cell_put_decimal(cell_i128 unscaled, unsigned char bytes[16]) {
    unsigned char all[16];
    cell_u128 rest = (cell_u128)unscaled;
    for (int i = 15; i >= 0; i--) {
        all[i] = (unsigned char)rest;
        rest >>= 8;
    }
    size_t from = 0;
    while (from < 15 &&
           ((all[from] == 0 && !(all[from + 1] & 0x80)) || (all[from] == 0xff && (all[from + 1] & 0x80)))) {
        from++;
    }
    memcpy(bytes, all + from, 16 - from);
    return 16 - from;
}

static pf_str put_little_endian(uint64_t number, size_t width, struct pf_arena *arena) {
    char *bytes = pf_arena_alloc(arena, width);
    for (size_t i = 0; i < width; i++) bytes[i] = (char)(number >> (8 * i));
    return pf_str_from(bytes, width);
}

pf_str cell_encode(const struct pf_iceberg_type *type, const struct cell_value *value, struct pf_arena *arena) {
    switch (type->kind) {
    case PF_ICEBERG_BOOLEAN: return put_little_endian(value->integer != 0, 1, arena);
    case PF_ICEBERG_INT:
    case PF_ICEBERG_DATE: return put_little_endian((uint64_t)value->integer, 4, arena);
    case PF_ICEBERG_FLOAT: {
        float real = (float)value->real;
        uint32_t bits;
        memcpy(&bits, &real, sizeof bits);
        return put_little_endian(bits, 4, arena);
    }
    case PF_ICEBERG_DOUBLE: {
        uint64_t bits;
        memcpy(&bits, &value->real, sizeof bits);
        return put_little_endian(bits, 8, arena);
    }
    case PF_ICEBERG_DECIMAL: {
        unsigned char bytes[16];
        size_t length = cell_put_decimal(value->decimal, bytes);
        return pf_arena_str(arena, pf_str_from((const char *)bytes, length));
    }
    case PF_ICEBERG_STRING:
    case PF_ICEBERG_UUID:
    case PF_ICEBERG_FIXED:
    case PF_ICEBERG_BINARY: return value->bytes.ptr ? value->bytes : PF_STR("");
    default: return put_little_endian((uint64_t)value->integer, 8, arena);
    }
}

bool cell_is_nan(const struct cell_value *value) {
    return value->form == CELL_FLOAT && isnan(value->real);
}

int cell_compare(const struct cell_value *a, const struct cell_value *b) {
    switch (a->form) {
    case CELL_INTEGER: return (a->integer > b->integer) - (a->integer < b->integer);
    case CELL_DECIMAL: return (a->decimal > b->decimal) - (a->decimal < b->decimal);
    case CELL_FLOAT:
        if (isnan(a->real) || isnan(b->real)) return (isnan(a->real) != 0) - (isnan(b->real) != 0);
        return (a->real > b->real) - (a->real < b->real);
    case CELL_BYTES: return pf_str_compare(a->bytes, b->bytes);
    }
    return 0;
}

int64_t cell_floor_div(int64_t a, int64_t b) {
    int64_t quotient = a / b;
    return a % b != 0 && (a % b < 0) != (b < 0) ? quotient - 1 : quotient;
}

/* Eras of 400 years that begin on March 1st, so that the leap day is the last of a year. */
int64_t cell_days_from_date(int64_t year, int month, int day) {
    year -= month <= 2;
    int64_t era = cell_floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

void cell_date_from_days(int64_t days, int64_t *out_year, int *out_month) {
    days += 719468;
    int64_t era = cell_floor_div(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    *out_month = (int)(month < 10 ? month + 3 : month - 9);
    *out_year = year_of_era + era * 400 + (*out_month <= 2);
}

size_t cell_utf8_prefix(pf_str text, size_t count) {
    size_t at = 0;
    while (at < text.len && count > 0) {
        at++;
        while (at < text.len && ((unsigned char)text.ptr[at] & 0xc0) == 0x80) at++;
        count--;
    }
    return at;
}
