/* SPDX-License-Identifier: MIT */
#include "icecap/target.h"

#include "base/sql_tokens.h"

/* ---- paths ---- */

static bool find_path(const struct pf_iceberg_field *fields, size_t count, int field_id, pf_str prefix,
                      struct pf_arena *arena, pf_str *out_sql, const struct pf_iceberg_type **out_type) {
    for (size_t i = 0; i < count; i++) {
        pf_str name = pf_sql_quote_name(fields[i].name, arena);
        pf_str path = prefix.len ? pf_arena_printf(arena, "%.*s.%.*s", PF_STR_ARG(prefix), PF_STR_ARG(name)) : name;
        if (fields[i].id == field_id) {
            *out_sql = path;
            *out_type = fields[i].type;
            return true;
        }
        if (fields[i].type->kind != PF_ICEBERG_STRUCT) continue;
        /* A struct's own field is not told from a table's column of another table: the parentheses do that. */
        pf_str inside = pf_arena_printf(arena, "(%.*s)", PF_STR_ARG(path));
        if (find_path(fields[i].type->fields, fields[i].type->field_count, field_id, inside, arena, out_sql, out_type))
            return true;
    }
    return false;
}

bool field_path_sql(const struct pf_iceberg_schema *schema, int field_id, struct pf_arena *arena, pf_str *out_sql,
                    const struct pf_iceberg_type **out_type) {
    return find_path(schema->fields, schema->field_count, field_id, PF_STR_EMPTY, arena, out_sql, out_type);
}

/* ---- transforms ---- */

/* date_diff counts the boundaries between, so that times before 1970 are rounded down as the spec wants it. */
static bool time_sql(const char *unit, const struct pf_iceberg_type *type, pf_str value, struct pf_arena *arena,
                     pf_str *out_sql) {
    switch (type->kind) {
    case PF_ICEBERG_DATE:
        *out_sql = pf_arena_printf(arena, "CAST(date_diff('%s', DATE '1970-01-01', %.*s) AS INTEGER)", unit,
                                   PF_STR_ARG(value));
        return unit[0] != 'h';
    case PF_ICEBERG_TIMESTAMP:
    case PF_ICEBERG_TIMESTAMPTZ:
    case PF_ICEBERG_TIMESTAMP_NS:
        /* By way of microseconds: a TIMESTAMPTZ as it is would be looked at in the session's time zone. */
        *out_sql = pf_arena_printf(
            arena, "CAST(date_diff('%s', TIMESTAMP '1970-01-01', make_timestamp(epoch_us(%.*s))) AS INTEGER)", unit,
            PF_STR_ARG(value));
        return true;
    default: return false;
    }
}

/* v - (((v % W) + W) % W), in the type of v: the remainder is never negative. */
static bool truncate_sql(int32_t width, const struct pf_iceberg_type *type, pf_str value, struct pf_arena *arena,
                         pf_str *out_sql) {
    pf_str v = value, sql;
    switch (type->kind) {
    case PF_ICEBERG_INT:
    case PF_ICEBERG_LONG:
        *out_sql =
            pf_arena_printf(arena, "CAST(%.*s - (((%.*s %% %d) + %d) %% %d) AS %s)", PF_STR_ARG(v), PF_STR_ARG(v),
                            width, width, width, type->kind == PF_ICEBERG_INT ? "INTEGER" : "BIGINT");
        return true;
    case PF_ICEBERG_DECIMAL:
        /* The width is one of the unscaled value. */
        sql = pf_arena_printf(arena, "(CAST(%d AS HUGEINT) * CAST('1e-%d' AS DECIMAL(38,%d)))", width, type->scale,
                              type->scale);
        *out_sql = pf_arena_printf(arena, "CAST(%.*s - (((%.*s %% %.*s) + %.*s) %% %.*s) AS DECIMAL(%d,%d))",
                                   PF_STR_ARG(v), PF_STR_ARG(v), PF_STR_ARG(sql), PF_STR_ARG(sql), PF_STR_ARG(sql),
                                   type->precision, type->scale);
        return true;
    case PF_ICEBERG_STRING: *out_sql = pf_arena_printf(arena, "left(%.*s, %d)", PF_STR_ARG(v), width); return true;
    case PF_ICEBERG_BINARY:
        *out_sql = pf_arena_printf(arena, "unhex(left(hex(%.*s), 2 * %d))", PF_STR_ARG(v), width);
        return true;
    default: return false;
    }
}

/* What the hash of a value is taken of (spec, Appendix B), as DuckDB's BLOB, BIGINT or HUGEINT. */
static const struct {
    enum pf_iceberg_kind kind;
    const char *before, *behind;
} HASHED[] = {
    {PF_ICEBERG_INT, "CAST(", " AS BIGINT)"},
    {PF_ICEBERG_LONG, "CAST(", " AS BIGINT)"},
    {PF_ICEBERG_DATE, "CAST(date_diff('day', DATE '1970-01-01', ", ") AS BIGINT)"},
    {PF_ICEBERG_TIME, "CAST(date_diff('microsecond', TIME '00:00:00', ", ") AS BIGINT)"},
    {PF_ICEBERG_TIMESTAMP, "CAST(epoch_us(", ") AS BIGINT)"},
    {PF_ICEBERG_TIMESTAMPTZ, "CAST(epoch_us(", ") AS BIGINT)"},
    {PF_ICEBERG_TIMESTAMP_NS, "CAST(epoch_us(", ") AS BIGINT)"},
    {PF_ICEBERG_DECIMAL, "CAST(replace(CAST(", " AS VARCHAR), '.', '') AS HUGEINT)"},
    {PF_ICEBERG_STRING, "encode(", ")"},
    {PF_ICEBERG_UUID, "unhex(replace(CAST(", " AS VARCHAR), '-', ''))"},
    {PF_ICEBERG_FIXED, "CAST(", " AS BLOB)"},
    {PF_ICEBERG_BINARY, "CAST(", " AS BLOB)"},
};

static bool bucket_sql(int32_t count, const struct pf_iceberg_type *type, pf_str value, struct pf_arena *arena,
                       pf_str *out_sql) {
    for (size_t i = 0; i < sizeof HASHED / sizeof *HASHED; i++) {
        if (HASHED[i].kind != type->kind) continue;
        *out_sql = pf_arena_printf(arena, "((iceberg_murmur3(%s%.*s%s) & 2147483647) %% %d)", HASHED[i].before,
                                   PF_STR_ARG(value), HASHED[i].behind, count);
        return true;
    }
    return false;
}

enum pf_code transform_sql(const struct pf_transform *transform, const struct pf_iceberg_type *type, pf_str value_sql,
                           struct pf_arena *arena, pf_str *out_sql, struct pf_error *err) {
    bool is_done = false;
    switch (transform->kind) {
    case PF_TRANSFORM_IDENTITY: *out_sql = value_sql; return PF_OK;
    case PF_TRANSFORM_VOID: *out_sql = PF_STR("CAST(NULL AS INTEGER)"); return PF_OK;
    case PF_TRANSFORM_YEAR: is_done = time_sql("year", type, value_sql, arena, out_sql); break;
    case PF_TRANSFORM_MONTH: is_done = time_sql("month", type, value_sql, arena, out_sql); break;
    case PF_TRANSFORM_DAY: is_done = time_sql("day", type, value_sql, arena, out_sql); break;
    case PF_TRANSFORM_HOUR: is_done = time_sql("hour", type, value_sql, arena, out_sql); break;
    case PF_TRANSFORM_TRUNCATE: is_done = truncate_sql(transform->width, type, value_sql, arena, out_sql); break;
    case PF_TRANSFORM_BUCKET: is_done = bucket_sql(transform->width, type, value_sql, arena, out_sql); break;
    default: break;
    }
    if (is_done) return PF_OK;
    PF_FAIL(err, PF_UNSUPPORTED, "%.*s of %.*s can't be computed here", PF_STR_ARG(transform->text),
            PF_STR_ARG(type->text));
}
