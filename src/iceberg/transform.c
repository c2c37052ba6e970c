/* SPDX-License-Identifier: MIT */
#include "iceberg/transform.h"

#include <string.h>

static uint32_t rotate(uint32_t x, int bits) {
    return x << bits | x >> (32 - bits);
}

static uint32_t mix(uint32_t block) {
    return rotate(block * 0xcc9e2d51u, 15) * 0x1b873593u;
}

/* Murmur3, 32-bit x86 variant, seed 0. */
uint32_t pf_iceberg_murmur3(pf_str bytes) {
    uint32_t hash = 0, tail = 0;
    size_t whole = bytes.len & ~(size_t)3;
    for (size_t i = 0; i < whole; i += 4) {
        uint32_t block = 0;
        for (size_t k = 4; k > 0; k--) block = block << 8 | (unsigned char)bytes.ptr[i + k - 1];
        hash = rotate(hash ^ mix(block), 13) * 5 + 0xe6546b64u;
    }
    for (size_t i = bytes.len; i > whole; i--) tail = tail << 8 | (unsigned char)bytes.ptr[i - 1];
    if (bytes.len > whole) hash ^= mix(tail);
    hash ^= (uint32_t)bytes.len;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    return hash ^ hash >> 16;
}

static uint32_t hash_long(int64_t number) {
    char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (char)((uint64_t)number >> (8 * i));
    return pf_iceberg_murmur3(pf_str_from(bytes, sizeof bytes));
}

bool transform_hash(const struct pf_iceberg_type *source, const struct cell_value *value, uint32_t *out_hash) {
    switch (source->kind) {
    case PF_ICEBERG_INT:
    case PF_ICEBERG_LONG:
    case PF_ICEBERG_DATE: /* the published vector of the spec is the hash of eight bytes */
    case PF_ICEBERG_TIME:
    case PF_ICEBERG_TIMESTAMP:
    case PF_ICEBERG_TIMESTAMPTZ: *out_hash = hash_long(value->integer); return true;
    case PF_ICEBERG_TIMESTAMP_NS:
    case PF_ICEBERG_TIMESTAMPTZ_NS: *out_hash = hash_long(cell_floor_div(value->integer, 1000)); return true;
    case PF_ICEBERG_DECIMAL: {
        unsigned char bytes[16];
        size_t length = cell_put_decimal(value->decimal, bytes);
        *out_hash = pf_iceberg_murmur3(pf_str_from((const char *)bytes, length));
        return true;
    }
    case PF_ICEBERG_STRING:
    case PF_ICEBERG_UUID:
    case PF_ICEBERG_FIXED:
    case PF_ICEBERG_BINARY: *out_hash = pf_iceberg_murmur3(value->bytes); return true;
    default: return false;
    }
}

static bool is_timestamp(enum pf_iceberg_kind kind) {
    return kind >= PF_ICEBERG_TIMESTAMP && kind <= PF_ICEBERG_TIMESTAMPTZ_NS;
}

static bool takes_type(enum pf_transform_kind transform, const struct pf_iceberg_type *source) {
    enum pf_iceberg_kind kind = source->kind;
    switch (transform) {
    case PF_TRANSFORM_IDENTITY: return cell_is_primitive(source);
    case PF_TRANSFORM_BUCKET:
        return cell_is_primitive(source) && kind != PF_ICEBERG_BOOLEAN && kind != PF_ICEBERG_FLOAT &&
               kind != PF_ICEBERG_DOUBLE;
    case PF_TRANSFORM_TRUNCATE:
        return kind == PF_ICEBERG_INT || kind == PF_ICEBERG_LONG || kind == PF_ICEBERG_DECIMAL ||
               kind == PF_ICEBERG_STRING || kind == PF_ICEBERG_BINARY;
    case PF_TRANSFORM_YEAR:
    case PF_TRANSFORM_MONTH:
    case PF_TRANSFORM_DAY: return kind == PF_ICEBERG_DATE || is_timestamp(kind);
    case PF_TRANSFORM_HOUR: return is_timestamp(kind);
    default: return false;
    }
}

const struct pf_iceberg_type *transform_result_type(const struct pf_transform *transform,
                                                    const struct pf_iceberg_type *source) {
    static const struct pf_iceberg_type int_type = {.kind = PF_ICEBERG_INT, .text = {"int", 3}};
    static const struct pf_iceberg_type date_type = {.kind = PF_ICEBERG_DATE, .text = {"date", 4}};
    if (!takes_type(transform->kind, source)) return NULL;
    switch (transform->kind) {
    case PF_TRANSFORM_IDENTITY:
    case PF_TRANSFORM_TRUNCATE: return source;
    case PF_TRANSFORM_DAY: return &date_type;
    default: return &int_type;
    }
}

static bool truncate_value(int32_t width, const struct pf_iceberg_type *source, const struct cell_value *value,
                           struct cell_value *out_value) {
    struct cell_value result = *value;
    if (source->kind == PF_ICEBERG_DECIMAL) {
        cell_i128 rest = value->decimal % width;
        result.decimal = value->decimal - (rest < 0 ? rest + width : rest);
    } else if (source->kind == PF_ICEBERG_STRING) {
        result.bytes.len = cell_utf8_prefix(value->bytes, (size_t)width);
    } else if (source->kind == PF_ICEBERG_BINARY) {
        result.bytes = pf_str_slice(value->bytes, 0, (size_t)width);
    } else {
        int64_t rest = value->integer % width;
        if (__builtin_sub_overflow(value->integer, rest < 0 ? rest + width : rest, &result.integer)) return false;
    }
    *out_value = result;
    return true;
}

static int64_t units_per_hour(enum pf_iceberg_kind kind) {
    return kind == PF_ICEBERG_TIMESTAMP_NS || kind == PF_ICEBERG_TIMESTAMPTZ_NS ? 3600000000000 : 3600000000;
}

static int64_t time_part(enum pf_transform_kind transform, enum pf_iceberg_kind source, int64_t value) {
    if (transform == PF_TRANSFORM_HOUR) return cell_floor_div(value, units_per_hour(source));
    int64_t days = source == PF_ICEBERG_DATE ? value : cell_floor_div(value, units_per_hour(source) * 24);
    if (transform == PF_TRANSFORM_DAY) return days;
    int64_t year;
    int month;
    cell_date_from_days(days, &year, &month);
    return transform == PF_TRANSFORM_YEAR ? year - 1970 : (year - 1970) * 12 + month - 1;
}

bool transform_value(const struct pf_transform *transform, const struct pf_iceberg_type *source,
                     const struct cell_value *value, struct cell_value *out_value) {
    if (!takes_type(transform->kind, source)) return false;
    if (transform->kind == PF_TRANSFORM_IDENTITY) {
        *out_value = *value;
        return true;
    }
    if (transform->kind == PF_TRANSFORM_TRUNCATE) return truncate_value(transform->width, source, value, out_value);
    struct cell_value result = {.form = CELL_INTEGER};
    if (transform->kind == PF_TRANSFORM_BUCKET) {
        uint32_t hash;
        if (!transform_hash(source, value, &hash)) return false;
        result.integer = (int64_t)(hash & 0x7fffffff) % transform->width;
    } else {
        result.integer = time_part(transform->kind, source->kind, value->integer);
    }
    *out_value = result;
    return true;
}

static bool parse_width(pf_str text, const char *name, int32_t *out_width) {
    pf_str prefix = pf_str_from_cstr(name);
    int64_t width;
    if (!pf_str_starts_with(text, prefix) || !pf_str_ends_with(text, PF_STR("]"))) return false;
    if (!pf_str_to_i64(pf_str_slice(text, prefix.len, text.len - 1), &width)) return false;
    if (width < 1 || width > INT32_MAX) return false;
    *out_width = (int32_t)width;
    return true;
}

enum pf_code pf_transform_parse(pf_str text, struct pf_transform *out_transform, struct pf_error *err) {
    static const struct {
        const char *name;
        enum pf_transform_kind kind;
    } plain[] = {{"identity", PF_TRANSFORM_IDENTITY}, {"year", PF_TRANSFORM_YEAR}, {"month", PF_TRANSFORM_MONTH},
                 {"day", PF_TRANSFORM_DAY},           {"hour", PF_TRANSFORM_HOUR}, {"void", PF_TRANSFORM_VOID}};
    struct pf_transform transform = {.kind = PF_TRANSFORM_UNKNOWN, .text = text};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (pf_str_equal_nocase(text, pf_str_from_cstr(plain[i].name))) transform.kind = plain[i].kind;
    }
    if (parse_width(text, "bucket[", &transform.width)) transform.kind = PF_TRANSFORM_BUCKET;
    if (parse_width(text, "truncate[", &transform.width)) transform.kind = PF_TRANSFORM_TRUNCATE;
    if (transform.kind == PF_TRANSFORM_UNKNOWN &&
        (pf_str_starts_with(text, PF_STR("bucket")) || pf_str_starts_with(text, PF_STR("truncate")))) {
        PF_FAIL(err, PF_INVALID, "'%.*s' is no transform: expected e.g. bucket[16] with a width from 1 to 2147483647",
                PF_STR_ARG(text));
    }
    *out_transform = transform;
    return PF_OK;
}

enum pf_code pf_transform_apply(const struct pf_transform *transform, const struct pf_iceberg_type *source,
                                struct pf_literal literal, struct pf_arena *arena, pf_str *out_cell,
                                struct pf_error *err) {
    struct cell_value value, result;
    if (transform->kind == PF_TRANSFORM_VOID) {
        *out_cell = PF_STR_EMPTY;
        return PF_OK;
    }
    const struct pf_iceberg_type *result_type = transform_result_type(transform, source);
    if (!result_type) {
        PF_FAIL(err, PF_UNSUPPORTED, "transform %.*s does not take the type %.*s", PF_STR_ARG(transform->text),
                PF_STR_ARG(source->text));
    }
    if (!cell_from_literal(source, literal, arena, &value)) {
        PF_FAIL(err, PF_INVALID, "'%.*s' of type %.*s is no value of the type %.*s", PF_STR_ARG(literal.text),
                PF_STR_ARG(literal.type), PF_STR_ARG(source->text));
    }
    if (!transform_value(transform, source, &value, &result)) {
        PF_FAIL(err, PF_INVALID, "%.*s of '%.*s' is out of range", PF_STR_ARG(transform->text),
                PF_STR_ARG(literal.text));
    }
    *out_cell = cell_encode(result_type, &result, arena);
    return PF_OK;
}
