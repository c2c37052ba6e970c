/* SPDX-License-Identifier: MIT */
/* Constants of a serialised plan -> text as DuckDB casts the value to VARCHAR, and SQL where text is not enough.
 *
 * DuckDB writes the raw storage: days, microseconds, unscaled decimals, 128-bit numbers as {upper, lower}. */
#include "planner/read_duckdb_json.h"

#include <stdio.h>
#include <string.h>

__extension__ typedef __int128 wide_int;
__extension__ typedef unsigned __int128 wide_uint;

static pf_str wide_text(struct pf_arena *arena, wide_uint magnitude, bool is_negative, int scale) {
    char digits[64];
    size_t at = sizeof digits;
    int written = 0;
    do {
        if (scale > 0 && written == scale) digits[--at] = '.';
        digits[--at] = (char)('0' + (int)(magnitude % 10));
        magnitude /= 10;
        written++;
    } while (magnitude || written <= scale);
    if (is_negative) digits[--at] = '-';
    return pf_arena_str(arena, pf_str_from(digits + at, sizeof digits - at));
}

/* JSON numbers and {upper, lower}. */
static wide_uint read_wide(pf_json *value, bool *out_negative, bool is_unsigned) {
    *out_negative = false;
    if (yyjson_is_obj(value)) {
        pf_json *upper = pf_json_get(value, "upper"), *lower = pf_json_get(value, "lower");
        wide_uint bits = (wide_uint)(yyjson_is_sint(upper) ? (uint64_t)yyjson_get_sint(upper) : yyjson_get_uint(upper));
        uint64_t low = yyjson_is_sint(lower) ? (uint64_t)yyjson_get_sint(lower) : yyjson_get_uint(lower);
        bits = bits << 64 | low;
        if (!is_unsigned && (bits >> 127)) {
            *out_negative = true;
            return (wide_uint)0 - bits;
        }
        return bits;
    }
    if (yyjson_is_uint(value)) return yyjson_get_uint(value);
    if (yyjson_is_sint(value)) {
        int64_t number = yyjson_get_sint(value);
        *out_negative = number < 0;
        return number < 0 ? (wide_uint)0 - (wide_uint)(wide_int)number : (wide_uint)number;
    }
    return 0;
}

static pf_str date_text(struct pf_arena *arena, int64_t days) {
    if (days >= INT32_MAX) return PF_STR("infinity");
    if (days <= -INT32_MAX) return PF_STR("-infinity");
    /* Days to civil date, proleptic Gregorian (H. Hinnant, "chrono-compatible low-level date algorithms"). */
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int64_t day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = yoe + era * 400 + (month <= 2);
    bool is_bc = year <= 0;
    return pf_arena_printf(arena, "%04lld-%02lld-%02lld%s", (long long)(is_bc ? 1 - year : year), (long long)month,
                           (long long)day, is_bc ? " (BC)" : "");
}

/* `digits` of fraction at most; trailing zeros are left out. */
static pf_str time_text(struct pf_arena *arena, int64_t seconds, int64_t fraction, int digits) {
    pf_str text = pf_arena_printf(arena, "%02lld:%02lld:%02lld", (long long)(seconds / 3600),
                                  (long long)(seconds / 60 % 60), (long long)(seconds % 60));
    if (!fraction) return text;
    while (fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    return pf_arena_printf(arena, "%.*s.%0*lld", PF_STR_ARG(text), digits, (long long)fraction);
}

static pf_str timestamp_text(struct pf_arena *arena, int64_t value, int64_t per_second, int digits) {
    if (value == INT64_MAX) return PF_STR("infinity");
    if (value == -INT64_MAX) return PF_STR("-infinity");
    int64_t seconds = value / per_second, fraction = value % per_second;
    if (fraction < 0) {
        fraction += per_second;
        seconds--;
    }
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    return pf_arena_printf(arena, "%.*s %.*s", PF_STR_ARG(date_text(arena, days)),
                           PF_STR_ARG(time_text(arena, rest, fraction, digits)));
}

static pf_str offset_text(struct pf_arena *arena, int64_t seconds) {
    char sign = seconds < 0 ? '-' : '+';
    if (seconds < 0) seconds = -seconds;
    return pf_arena_printf(arena, "%c%02lld:%02lld:%02lld", sign, (long long)(seconds / 3600),
                           (long long)(seconds / 60 % 60), (long long)(seconds % 60));
}

static pf_str float_text(struct pf_arena *arena, pf_json *value, bool is_single) {
    if (yyjson_is_str(value)) return pf_json_as_str(value, PF_STR_EMPTY);
    double number = yyjson_get_num(value);
    if (number != number) return PF_STR("nan");
    if (number - number != 0) return number > 0 ? PF_STR("inf") : PF_STR("-inf");
    return pf_arena_printf(arena, "%.*g", is_single ? 9 : 17, number);
}

static pf_str uuid_text(struct pf_arena *arena, pf_json *value) {
    bool is_negative;
    wide_uint bits = read_wide(value, &is_negative, true) ^ ((wide_uint)1 << 127);
    uint64_t high = (uint64_t)(bits >> 64), low = (uint64_t)bits;
    return pf_arena_printf(arena, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
                           (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
                           (unsigned long long)(low & 0xffffffffffff));
}

static pf_str interval_text(struct pf_arena *arena, pf_json *value) {
    return pf_arena_printf(arena, "%lld months %lld days %lld microseconds",
                           (long long)pf_json_get_i64(value, "months", 0), (long long)pf_json_get_i64(value, "days", 0),
                           (long long)pf_json_get_i64(value, "micros", 0));
}

static pf_str enum_text(struct reader *reader, pf_json *type_json, int64_t index) {
    for (struct pf_json_each each = pf_json_each(pf_json_get(pf_json_get(type_json, "type_info"), "values"));
         pf_json_next(&each);)
        if ((int64_t)each.index == index) return pf_arena_str(reader->arena, pf_json_as_str(each.value, PF_STR_EMPTY));
    return PF_STR_EMPTY;
}

static bool is_one_of(pf_str id, const char *names) {
    pf_str rest = pf_str_from_cstr(names), name;
    while (pf_str_next(&rest, '|', &name))
        if (pf_str_equal(id, name)) return true;
    return false;
}

/* Scalars whose text casts back to the value. False: not a scalar. */
static bool scalar_text(struct reader *reader, pf_json *type_json, const struct pf_sql_type *type, pf_json *value,
                        pf_str *out_text) {
    struct pf_arena *arena = reader->arena;
    pf_str id = type->id;
    bool is_negative;
    int64_t number = pf_json_as_i64(value, 0);
    if (is_one_of(id, "VARCHAR|BLOB|CHAR"))
        *out_text = pf_arena_str(arena, pf_json_as_str(value, PF_STR_EMPTY));
    else if (is_one_of(id, "BOOLEAN"))
        *out_text = yyjson_get_bool(value) ? PF_STR("true") : PF_STR("false");
    else if (is_one_of(id, "TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|DECIMAL")) {
        wide_uint magnitude = read_wide(value, &is_negative, false);
        *out_text = wide_text(arena, magnitude, is_negative, type->scale);
    } else if (is_one_of(id, "UTINYINT|USMALLINT|UINTEGER|UBIGINT|UHUGEINT")) {
        wide_uint magnitude = read_wide(value, &is_negative, true);
        *out_text = wide_text(arena, magnitude, false, 0);
    } else if (is_one_of(id, "FLOAT|DOUBLE"))
        *out_text = float_text(arena, value, pf_str_equal(id, PF_STR("FLOAT")));
    else if (is_one_of(id, "DATE"))
        *out_text = date_text(arena, number);
    else if (is_one_of(id, "TIME"))
        *out_text = time_text(arena, number / 1000000, number % 1000000, 6);
    else if (is_one_of(id, "TIME_NS"))
        *out_text = time_text(arena, number / 1000000000, number % 1000000000, 9);
    else if (is_one_of(id, "TIME WITH TIME ZONE")) { /* 40 bits of microseconds, 24 bits of 57599 - offset */
        int64_t micros = (int64_t)((uint64_t)number >> 24);
        *out_text =
            pf_arena_printf(arena, "%.*s%.*s", PF_STR_ARG(time_text(arena, micros / 1000000, micros % 1000000, 6)),
                            PF_STR_ARG(offset_text(arena, 57599 - (number & 0xffffff))));
    } else if (is_one_of(id, "TIMESTAMP"))
        *out_text = timestamp_text(arena, number, 1000000, 6);
    else if (is_one_of(id, "TIMESTAMP_S"))
        *out_text = timestamp_text(arena, number, 1, 0);
    else if (is_one_of(id, "TIMESTAMP_MS"))
        *out_text = timestamp_text(arena, number, 1000, 3);
    else if (is_one_of(id, "TIMESTAMP_NS"))
        *out_text = timestamp_text(arena, number, 1000000000, 9);
    else if (is_one_of(id, "TIMESTAMP WITH TIME ZONE")) {
        pf_str text = timestamp_text(arena, number, 1000000, 6);
        bool is_finite = text.len && text.ptr[text.len - 1] != 'y';
        *out_text = is_finite ? pf_arena_printf(arena, "%.*s+00", PF_STR_ARG(text)) : text;
    } else if (is_one_of(id, "INTERVAL"))
        *out_text = interval_text(arena, value);
    else if (is_one_of(id, "UUID"))
        *out_text = uuid_text(arena, value);
    else if (is_one_of(id, "ENUM"))
        *out_text = enum_text(reader, type_json, number);
    else
        return false;
    return true;
}

/* The SQL of a constant, also inside nested ones. */
static pf_str constant_sql(struct reader *reader, const struct pf_expr *constant) {
    if (constant->is_null) return pf_sql_type_null(constant->type, reader->arena);
    if (constant->sql.len) return constant->sql;
    return pf_arena_printf(reader->arena, "CAST(%.*s AS %.*s)", PF_STR_ARG(quote_string(reader->arena, constant->text)),
                           PF_STR_ARG(constant->type->sql));
}

static enum pf_code read_children(struct reader *reader, pf_json *value, pf_str **out_texts, uint32_t *out_count,
                                  struct pf_error *err) {
    pf_json *list = pf_json_get(value, "children");
    pf_str *texts = PF_ARENA_ARRAY(reader->arena, pf_str, pf_json_count(list));
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        struct pf_expr child = {0};
        PF_TRY(read_constant(reader, each.value, &child, err));
        texts[each.index] = constant_sql(reader, &child);
    }
    *out_texts = texts;
    *out_count = (uint32_t)pf_json_count(list);
    return PF_OK;
}

static enum pf_code nested_sql(struct reader *reader, const struct pf_sql_type *type, pf_json *value, pf_str *out_sql,
                               struct pf_error *err) {
    bool is_struct = pf_str_equal(type->id, PF_STR("STRUCT")), is_map = pf_str_equal(type->id, PF_STR("MAP"));
    if (!is_struct && !is_map && !is_one_of(type->id, "LIST|ARRAY"))
        PF_FAIL(err, PF_UNSUPPORTED, "plan: a constant of type %.*s", PF_STR_ARG(type->id));
    pf_str *texts;
    uint32_t count;
    PF_TRY(read_children(reader, value, &texts, &count, err));
    bool has_names = is_struct && type->field_count && type->field_names[0].len;
    struct pf_buf buf;
    pf_buf_init(&buf, 1 << 26);
    pf_buf_put_cstr(&buf, "CAST(");
    pf_buf_put_cstr(&buf, is_map ? "map_from_entries([" : has_names ? "{" : is_struct ? "row(" : "[");
    for (uint32_t i = 0; i < count; i++) {
        if (i) pf_buf_put_cstr(&buf, ", ");
        if (has_names && i < type->field_count) {
            pf_buf_put_str(&buf, quote_string(reader->arena, type->field_names[i]));
            pf_buf_put_cstr(&buf, ": ");
        }
        pf_buf_put_str(&buf, texts[i]);
    }
    pf_buf_put_cstr(&buf, is_map ? "])" : has_names ? "}" : is_struct ? ")" : "]");
    pf_buf_printf(&buf, " AS %.*s)", PF_STR_ARG(type->sql));
    pf_str sql;
    enum pf_code code = pf_buf_finish(&buf, "a nested constant", &sql, err);
    if (code == PF_OK) {
        *out_sql = pf_arena_str(reader->arena, sql);
        if (is_struct && !has_names) /* a type with unnamed fields can't be written */
            *out_sql = pf_str_slice(*out_sql, 5, out_sql->len - type->sql.len - 5);
    }
    pf_buf_clear(&buf);
    return code;
}

enum pf_code read_constant(struct reader *reader, pf_json *json, struct pf_expr *out_expr, struct pf_error *err) {
    pf_json *type_json = pf_json_get(json, "type"), *value = pf_json_get(json, "value");
    PF_TRY(read_type(reader, type_json, &out_expr->type, err));
    out_expr->kind = PF_EXPR_CONSTANT;
    out_expr->is_null = pf_json_get_bool(json, "is_null", false) || pf_str_equal(out_expr->type->id, PF_STR("NULL"));
    if (out_expr->is_null) return PF_OK;
    if (scalar_text(reader, type_json, out_expr->type, value, &out_expr->text)) return PF_OK;
    if (reader->depth >= MAX_NESTING) PF_FAIL(err, PF_UNSUPPORTED, "plan: nested more than %d deep", MAX_NESTING);
    reader->depth++;
    enum pf_code code = nested_sql(reader, out_expr->type, value, &out_expr->sql, err);
    reader->depth--;
    return code;
}
