/* SPDX-License-Identifier: MIT */
/* Iceberg's types as DuckDB's SQL, and the other way: a parser of the types DuckDB 1.5 prints. */
#include "iceberg/schema.h"

#include <stdio.h>
#include <string.h>

enum { MAX_SQL_TYPE_BYTES = 16 << 20, MAX_TYPE_DEPTH = 100 };

/* ---- to SQL ---- */

static void put_quoted(pf_str name, char quote, struct pf_buf *out) {
    pf_buf_put_char(out, quote);
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == quote) pf_buf_put_char(out, quote);
        pf_buf_put_char(out, name.ptr[i]);
    }
    pf_buf_put_char(out, quote);
}

static const char *plain_sql(enum pf_iceberg_kind kind) {
    switch (kind) {
    case PF_ICEBERG_BOOLEAN: return "BOOLEAN";
    case PF_ICEBERG_INT: return "INTEGER";
    case PF_ICEBERG_LONG: return "BIGINT";
    case PF_ICEBERG_FLOAT: return "FLOAT";
    case PF_ICEBERG_DOUBLE: return "DOUBLE";
    case PF_ICEBERG_DATE: return "DATE";
    case PF_ICEBERG_TIME: return "TIME";
    case PF_ICEBERG_TIMESTAMP: return "TIMESTAMP";
    case PF_ICEBERG_TIMESTAMPTZ: return "TIMESTAMP WITH TIME ZONE";
    case PF_ICEBERG_TIMESTAMP_NS: return "TIMESTAMP_NS";
    case PF_ICEBERG_STRING: return "VARCHAR";
    case PF_ICEBERG_UUID: return "UUID";
    case PF_ICEBERG_FIXED:
    case PF_ICEBERG_BINARY: return "BLOB";
    default: return NULL;
    }
}

static enum pf_code put_type(const struct pf_iceberg_type *type, struct pf_buf *out, struct pf_error *err) {
    const char *plain = plain_sql(type->kind);
    if (plain) {
        pf_buf_put_cstr(out, plain);
        return PF_OK;
    }
    switch (type->kind) {
    case PF_ICEBERG_DECIMAL: pf_buf_printf(out, "DECIMAL(%d,%d)", type->precision, type->scale); return PF_OK;
    case PF_ICEBERG_LIST:
        PF_TRY(put_type(type->fields[0].type, out, err));
        pf_buf_put_cstr(out, "[]");
        return PF_OK;
    case PF_ICEBERG_MAP:
        pf_buf_put_cstr(out, "MAP(");
        PF_TRY(put_type(type->fields[0].type, out, err));
        pf_buf_put_cstr(out, ", ");
        PF_TRY(put_type(type->fields[1].type, out, err));
        pf_buf_put_char(out, ')');
        return PF_OK;
    case PF_ICEBERG_STRUCT:
        if (type->field_count == 0) PF_FAIL(err, PF_UNSUPPORTED, "a struct without fields has no SQL type");
        pf_buf_put_cstr(out, "STRUCT(");
        for (size_t i = 0; i < type->field_count; i++) {
            if (i) pf_buf_put_cstr(out, ", ");
            put_quoted(type->fields[i].name, '"', out);
            pf_buf_put_char(out, ' ');
            PF_TRY(put_type(type->fields[i].type, out, err));
        }
        pf_buf_put_char(out, ')');
        return PF_OK;
    default: PF_FAIL(err, PF_UNSUPPORTED, "columns of the Iceberg type %.*s can't be read", PF_STR_ARG(type->text));
    }
}

enum pf_code pf_iceberg_type_sql(const struct pf_iceberg_type *type, struct pf_arena *arena, pf_str *out_sql,
                                 struct pf_error *err) {
    struct pf_buf buf;
    pf_str sql;
    pf_buf_init(&buf, MAX_SQL_TYPE_BYTES);
    enum pf_code code = put_type(type, &buf, err);
    if (code == PF_OK) code = pf_buf_finish(&buf, "SQL type", &sql, err);
    if (code == PF_OK) *out_sql = pf_arena_str(arena, sql);
    pf_buf_clear(&buf);
    return code;
}

static void put_field_ids(const struct pf_iceberg_field *field, struct pf_buf *out) {
    const struct pf_iceberg_type *type = field->type;
    if (type->field_count == 0) {
        pf_buf_printf(out, "%d", field->id);
        return;
    }
    pf_buf_printf(out, "{__duckdb_field_id: %d", field->id);
    for (size_t i = 0; i < type->field_count; i++) {
        pf_buf_put_cstr(out, ", ");
        put_quoted(type->fields[i].name, '\'', out);
        pf_buf_put_cstr(out, ": ");
        put_field_ids(&type->fields[i], out);
    }
    pf_buf_put_char(out, '}');
}

pf_str pf_iceberg_field_ids_sql(const struct pf_iceberg_schema *schema, struct pf_arena *arena) {
    struct pf_buf buf;
    pf_buf_init(&buf, SIZE_MAX / 2);
    pf_buf_put_char(&buf, '{');
    for (size_t i = 0; i < schema->field_count; i++) {
        if (i) pf_buf_put_cstr(&buf, ", ");
        put_quoted(schema->fields[i].name, '\'', &buf);
        pf_buf_put_cstr(&buf, ": ");
        put_field_ids(&schema->fields[i], &buf);
    }
    pf_buf_put_char(&buf, '}');
    pf_str sql = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return sql;
}

/* ---- from SQL ---- */

struct type_parser {
    pf_str rest;
    pf_str column;
    struct pf_arena *arena;
    struct pf_error *err;
    int depth;
};

static enum pf_code parse_type(struct type_parser *parser, const struct pf_iceberg_type **out_type);

static void skip_blanks(struct type_parser *parser) {
    while (parser->rest.len && (parser->rest.ptr[0] == ' ' || parser->rest.ptr[0] == '\n')) {
        parser->rest = pf_str_slice(parser->rest, 1, parser->rest.len);
    }
}

static bool take(struct type_parser *parser, char c) {
    skip_blanks(parser);
    if (parser->rest.len == 0 || parser->rest.ptr[0] != c) return false;
    parser->rest = pf_str_slice(parser->rest, 1, parser->rest.len);
    return true;
}

static bool is_word_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80);
}

static pf_str take_word(struct type_parser *parser) {
    size_t length = 0;
    skip_blanks(parser);
    while (length < parser->rest.len && is_word_char(parser->rest.ptr[length])) length++;
    pf_str word = pf_str_slice(parser->rest, 0, length);
    parser->rest = pf_str_slice(parser->rest, length, parser->rest.len);
    return word;
}

/* A name, quoted or not. Empty: there is none. */
static pf_str take_name(struct type_parser *parser) {
    if (!take(parser, '"')) return take_word(parser);
    char *name = pf_arena_alloc(parser->arena, parser->rest.len + 1);
    size_t length = 0, i = 0;
    for (; i < parser->rest.len; i++) {
        if (parser->rest.ptr[i] == '"') {
            if (i + 1 >= parser->rest.len || parser->rest.ptr[i + 1] != '"') break;
            i++;
        }
        name[length++] = parser->rest.ptr[i];
    }
    parser->rest = pf_str_slice(parser->rest, i + 1, parser->rest.len);
    return pf_str_from(name, length);
}

static enum pf_code fail_syntax(struct type_parser *parser) {
    PF_FAIL(parser->err, PF_INVALID, "column %.*s: can't read its type near '%.*s'", PF_STR_ARG(parser->column),
            PF_STR_ARG(parser->rest));
}

static bool take_number(struct type_parser *parser, int *out_number) {
    int64_t number;
    if (!pf_str_to_i64(take_word(parser), &number) || number < 0 || number > INT32_MAX) return false;
    *out_number = (int)number;
    return true;
}

static const struct pf_iceberg_type *make_primitive(struct type_parser *parser, pf_str text) {
    struct pf_iceberg_type *type = PF_ARENA_NEW(parser->arena, struct pf_iceberg_type);
    bool ok = schema_parse_primitive(text, type);
    return ok ? type : NULL;
}

static const struct pf_iceberg_type *make_decimal(struct type_parser *parser, int precision, int scale) {
    return make_primitive(parser, pf_arena_printf(parser->arena, "decimal(%d, %d)", precision, scale));
}

/* Types without parameters, and what becomes of them. Without an Iceberg type: what the user can do. */
static const struct {
    const char *sql, *iceberg, *mend;
} plain_types[] = {
    {"BOOLEAN", "boolean", NULL},
    {"BOOL", "boolean", NULL},
    {"TINYINT", "int", NULL},
    {"SMALLINT", "int", NULL},
    {"INTEGER", "int", NULL},
    {"INT", "int", NULL},
    {"BIGINT", "long", NULL},
    {"UTINYINT", "int", NULL},
    {"USMALLINT", "int", NULL},
    {"UINTEGER", "long", NULL},
    {"UBIGINT", "decimal(20, 0)", NULL},
    {"HUGEINT", NULL, "CAST it to BIGINT or DECIMAL(38,0)"},
    {"UHUGEINT", NULL, "CAST it to BIGINT or DECIMAL(38,0)"},
    {"BIGNUM", NULL, "CAST it to DECIMAL(38,0) or VARCHAR"},
    {"FLOAT", "float", NULL},
    {"REAL", "float", NULL},
    {"DOUBLE", "double", NULL},
    {"DATE", "date", NULL},
    {"TIME", "time", NULL},
    {"TIME_NS", NULL, "CAST it to TIME"},
    {"TIMETZ", NULL, "CAST it to TIME or VARCHAR"},
    {"TIMESTAMP", "timestamp", NULL},
    {"DATETIME", "timestamp", NULL},
    {"TIMESTAMP_S", "timestamp", NULL},
    {"TIMESTAMP_MS", "timestamp", NULL},
    {"TIMESTAMP_NS", NULL, "CAST it to TIMESTAMP (microseconds)"},
    {"TIMESTAMPTZ", "timestamptz", NULL},
    {"INTERVAL", NULL, "CAST it to VARCHAR, or store its parts as numbers"},
    {"VARCHAR", "string", NULL},
    {"TEXT", "string", NULL},
    {"STRING", "string", NULL},
    {"JSON", "string", NULL},
    {"UUID", "uuid", NULL},
    {"BLOB", "binary", NULL},
    {"BYTEA", "binary", NULL},
    {"BIT", NULL, "CAST it to VARCHAR"},
    {"VARIANT", NULL, "CAST it to JSON"},
    {"GEOMETRY", NULL, "convert it with ST_AsWKB or ST_AsText"},
    {"NULL", NULL, "CAST it to the type it should have: all its values are NULL"},
};

static enum pf_code parse_plain(struct type_parser *parser, pf_str word, const struct pf_iceberg_type **out_type) {
    bool is_time = pf_str_equal_nocase(word, PF_STR("TIME")),
         is_timestamp = pf_str_equal_nocase(word, PF_STR("TIMESTAMP"));
    skip_blanks(parser);
    if ((is_time || is_timestamp) && pf_str_starts_with(parser->rest, PF_STR("WITH TIME ZONE"))) {
        parser->rest = pf_str_slice(parser->rest, PF_STR("WITH TIME ZONE").len, parser->rest.len);
        word = is_time ? PF_STR("TIMETZ") : PF_STR("TIMESTAMPTZ");
    }
    for (size_t i = 0; i < sizeof plain_types / sizeof *plain_types; i++) {
        if (!pf_str_equal_nocase(word, pf_str_from_cstr(plain_types[i].sql))) continue;
        if (!plain_types[i].iceberg) {
            PF_FAIL(parser->err, PF_UNSUPPORTED, "column %.*s: Iceberg has no type for %.*s without loss; %s",
                    PF_STR_ARG(parser->column), PF_STR_ARG(word), plain_types[i].mend);
        }
        *out_type = make_primitive(parser, pf_str_from_cstr(plain_types[i].iceberg));
        return PF_OK;
    }
    PF_FAIL(parser->err, PF_UNSUPPORTED, "column %.*s: no Iceberg type for %.*s; CAST it to one of DuckDB's own types",
            PF_STR_ARG(parser->column), PF_STR_ARG(word));
}

static enum pf_code parse_decimal(struct type_parser *parser, const struct pf_iceberg_type **out_type) {
    int precision = 18, scale = 3;
    if (take(parser, '(')) {
        scale = 0;
        if (!take_number(parser, &precision) || (take(parser, ',') && !take_number(parser, &scale)) ||
            !take(parser, ')')) {
            return fail_syntax(parser);
        }
    }
    *out_type = make_decimal(parser, precision, scale);
    return *out_type ? PF_OK : fail_syntax(parser);
}

static enum pf_code parse_struct(struct type_parser *parser, struct pf_iceberg_type *type) {
    struct pf_iceberg_field *fields = NULL;
    size_t count = 0, capacity = 0;
    type->kind = PF_ICEBERG_STRUCT;
    if (!take(parser, '(')) return fail_syntax(parser);
    do {
        struct pf_iceberg_field field = {.name = take_name(parser)};
        PF_TRY(parse_type(parser, &field.type));
        if (field.name.len == 0) {
            PF_FAIL(parser->err, PF_UNSUPPORTED, "column %.*s: fields of a struct need names",
                    PF_STR_ARG(parser->column));
        }
        PF_ARENA_PUSH(parser->arena, fields, count, capacity) = field;
    } while (take(parser, ','));
    type->fields = fields;
    type->field_count = count;
    return take(parser, ')') ? PF_OK : fail_syntax(parser);
}

static enum pf_code parse_map(struct type_parser *parser, struct pf_iceberg_type *type) {
    struct pf_iceberg_field *fields = PF_ARENA_ARRAY(parser->arena, struct pf_iceberg_field, 2);
    type->kind = PF_ICEBERG_MAP;
    type->fields = fields;
    type->field_count = 2;
    fields[0].name = PF_STR("key");
    fields[0].is_required = true;
    fields[1].name = PF_STR("value");
    if (!take(parser, '(')) return fail_syntax(parser);
    PF_TRY(parse_type(parser, &fields[0].type));
    if (!take(parser, ',')) return fail_syntax(parser);
    PF_TRY(parse_type(parser, &fields[1].type));
    return take(parser, ')') ? PF_OK : fail_syntax(parser);
}

/* ENUM('a', 'it''s'): its values are text. */
static enum pf_code parse_enum(struct type_parser *parser, const struct pf_iceberg_type **out_type) {
    bool in_quotes = false;
    size_t i = 0;
    skip_blanks(parser);
    for (; i < parser->rest.len; i++) {
        if (parser->rest.ptr[i] == '\'') in_quotes = !in_quotes;
        if (parser->rest.ptr[i] == ')' && !in_quotes) break;
    }
    if (i < parser->rest.len) i++;
    parser->rest = pf_str_slice(parser->rest, i, parser->rest.len);
    *out_type = make_primitive(parser, PF_STR("string"));
    return PF_OK;
}

static enum pf_code parse_base(struct type_parser *parser, const struct pf_iceberg_type **out_type) {
    pf_str word = take_name(parser);
    struct pf_iceberg_type *nested = PF_ARENA_NEW(parser->arena, struct pf_iceberg_type);
    if (word.len == 0) return fail_syntax(parser);
    if (pf_str_equal_nocase(word, PF_STR("DECIMAL")) || pf_str_equal_nocase(word, PF_STR("NUMERIC"))) {
        return parse_decimal(parser, out_type);
    }
    if (pf_str_equal_nocase(word, PF_STR("ENUM"))) return parse_enum(parser, out_type);
    if (pf_str_equal_nocase(word, PF_STR("UNION"))) {
        PF_FAIL(parser->err, PF_UNSUPPORTED,
                "column %.*s: Iceberg has no type for UNION without loss; make it a STRUCT or CAST it to VARCHAR",
                PF_STR_ARG(parser->column));
    }
    *out_type = nested;
    if (pf_str_equal_nocase(word, PF_STR("STRUCT"))) return parse_struct(parser, nested);
    if (pf_str_equal_nocase(word, PF_STR("MAP"))) return parse_map(parser, nested);
    return parse_plain(parser, word, out_type);
}

static enum pf_code parse_type(struct type_parser *parser, const struct pf_iceberg_type **out_type) {
    if (++parser->depth > MAX_TYPE_DEPTH) PF_FAIL(parser->err, PF_TOO_LARGE, "a type nested too deep");
    PF_TRY(parse_base(parser, out_type));
    while (take(parser, '[')) { /* lists; arrays of a fixed length are stored as lists */
        take_word(parser);
        if (!take(parser, ']')) return fail_syntax(parser);
        struct pf_iceberg_type *list = PF_ARENA_NEW(parser->arena, struct pf_iceberg_type);
        struct pf_iceberg_field *element = PF_ARENA_NEW(parser->arena, struct pf_iceberg_field);
        *element = (struct pf_iceberg_field){.name = PF_STR("element"), .type = *out_type};
        *list = (struct pf_iceberg_type){.kind = PF_ICEBERG_LIST, .fields = element, .field_count = 1};
        *out_type = list;
    }
    parser->depth--;
    return PF_OK;
}

/* As Iceberg's Java library: all fields of a level first, then what is below each. The parser made the fields, so
 * they may still be changed here. */
static void give_ids(const struct pf_iceberg_field *fields, size_t count, int *last_id) {
    for (size_t i = 0; i < count; i++) ((struct pf_iceberg_field *)(uintptr_t)&fields[i])->id = ++*last_id;
    for (size_t i = 0; i < count; i++) give_ids(fields[i].type->fields, fields[i].type->field_count, last_id);
}

enum pf_code pf_iceberg_schema_from_sql(const struct pf_sql_column *columns, size_t count, struct pf_arena *arena,
                                        struct pf_iceberg_schema *out_schema, int *out_last_column_id,
                                        struct pf_error *err) {
    struct pf_iceberg_field *fields = PF_ARENA_ARRAY(arena, struct pf_iceberg_field, count);
    int last_id = 0;
    if (count == 0) PF_FAIL(err, PF_INVALID, "a table needs at least one column");
    for (size_t i = 0; i < count; i++) {
        struct type_parser parser = {columns[i].type, columns[i].name, arena, err, 0};
        fields[i].name = columns[i].name;
        fields[i].is_required = columns[i].is_required;
        PF_TRY(parse_type(&parser, &fields[i].type));
        skip_blanks(&parser);
        if (parser.rest.len) return fail_syntax(&parser);
        for (size_t k = 0; k < i; k++) {
            if (!pf_str_equal_nocase(fields[k].name, fields[i].name)) continue;
            PF_FAIL(err, PF_INVALID, "two columns are named %.*s", PF_STR_ARG(fields[i].name));
        }
    }
    give_ids(fields, count, &last_id);
    *out_schema = (struct pf_iceberg_schema){.fields = fields, .field_count = count};
    *out_last_column_id = last_id;
    return PF_OK;
}
