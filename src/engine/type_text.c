/* SPDX-License-Identifier: MIT */
/* Types as SQL text, both ways; pure.
 *
 *     type   = base { "[" [ length ] "]" }
 *     base   = name [ "(" number { "," number } ")" ] | STRUCT "(" field { "," field } ")" | UNION "(" ... ")"
 *            | MAP "(" type "," type ")" | ENUM "(" string { "," string } ")"
 *     field  = name type */
#include "engine/engine_internal.h"

#include <string.h>

enum { MAX_DEPTH = 64, MAX_FIELDS = 100000 };

static const struct {
    enum pf_type_id id;
    const char *name;
} NAMES[] = {
#define X(name, sql, width) {PF_TYPE_##name, sql},
    PF_TYPES(X)
#undef X
        {PF_TYPE_BOOLEAN, "BOOL"},
    {PF_TYPE_BOOLEAN, "LOGICAL"},
    {PF_TYPE_TINYINT, "INT1"},
    {PF_TYPE_SMALLINT, "INT2"},
    {PF_TYPE_SMALLINT, "SHORT"},
    {PF_TYPE_INTEGER, "INT"},
    {PF_TYPE_INTEGER, "INT4"},
    {PF_TYPE_INTEGER, "SIGNED"},
    {PF_TYPE_BIGINT, "INT8"},
    {PF_TYPE_BIGINT, "LONG"},
    {PF_TYPE_HUGEINT, "INT128"},
    {PF_TYPE_FLOAT, "REAL"},
    {PF_TYPE_FLOAT, "FLOAT4"},
    {PF_TYPE_DOUBLE, "FLOAT8"},
    {PF_TYPE_DECIMAL, "NUMERIC"},
    {PF_TYPE_DECIMAL, "DEC"},
    {PF_TYPE_VARCHAR, "STRING"},
    {PF_TYPE_VARCHAR, "TEXT"},
    {PF_TYPE_VARCHAR, "CHAR"},
    {PF_TYPE_VARCHAR, "JSON"},
    {PF_TYPE_BLOB, "BYTEA"},
    {PF_TYPE_BLOB, "BINARY"},
    {PF_TYPE_BLOB, "VARBINARY"},
    {PF_TYPE_BIT, "BITSTRING"},
    {PF_TYPE_TIME_TZ, "TIME WITH TIME ZONE"},
    {PF_TYPE_TIMESTAMP, "DATETIME"},
    {PF_TYPE_TIMESTAMP_TZ, "TIMESTAMP WITH TIME ZONE"},
    {PF_TYPE_SQLNULL, "NULL"},
    {PF_TYPE_BIGNUM, "VARINT"},
};

static const char *name_of(enum pf_type_id id) {
    static const char *const TEXTS[] = {
#define X(name, sql, width) sql,
        PF_TYPES(X)
#undef X
    };
    return TEXTS[id];
}

static uint8_t bytes_of(const struct pf_type *type) {
    static const uint8_t BYTES[] = {
#define X(name, sql, width) width,
        PF_TYPES(X)
#undef X
    };
    if (type->id == PF_TYPE_DECIMAL) return type->width <= 4 ? 2 : type->width <= 9 ? 4 : type->width <= 18 ? 8 : 16;
    if (type->id == PF_TYPE_ENUM) return type->value_count <= 0xff ? 1 : type->value_count <= 0xffff ? 2 : 4;
    return BYTES[type->id];
}

/* ---- printing ---- */

static void put_type(struct pf_buf *out, const struct pf_type *type) {
    if (type->sql.len) {
        pf_buf_put_str(out, type->sql);
        return;
    }
    switch (type->id) {
    case PF_TYPE_DECIMAL: pf_buf_printf(out, "DECIMAL(%d,%d)", type->width, type->scale); return;
    case PF_TYPE_LIST:
        put_type(out, &type->children[0]);
        pf_buf_put_cstr(out, "[]");
        return;
    case PF_TYPE_ARRAY:
        put_type(out, &type->children[0]);
        pf_buf_printf(out, "[%u]", type->value_count);
        return;
    case PF_TYPE_MAP:
        pf_buf_put_cstr(out, "MAP(");
        put_type(out, &type->children[0]);
        pf_buf_put_cstr(out, ", ");
        put_type(out, &type->children[1]);
        pf_buf_put_char(out, ')');
        return;
    case PF_TYPE_STRUCT:
    case PF_TYPE_UNION:
        pf_buf_printf(out, "%s(", name_of(type->id));
        for (uint32_t i = 0; i < type->child_count; i++) {
            if (i) pf_buf_put_cstr(out, ", ");
            sql_put_name(out, type->names[i]);
            pf_buf_put_char(out, ' ');
            put_type(out, &type->children[i]);
        }
        pf_buf_put_char(out, ')');
        return;
    case PF_TYPE_ENUM:
        pf_buf_put_cstr(out, "ENUM(");
        for (uint32_t i = 0; i < type->value_count; i++) {
            if (i) pf_buf_put_cstr(out, ", ");
            sql_put_string(out, type->names[i]);
        }
        pf_buf_put_char(out, ')');
        return;
    default: pf_buf_put_cstr(out, name_of(type->id)); return;
    }
}

void type_finish(struct pf_type *type, struct pf_arena *arena) {
    type->value_bytes = bytes_of(type);
    if (!type->sql.len) {
        struct pf_buf buf;
        pf_buf_init(&buf, SIZE_MAX / 2);
        put_type(&buf, type);
        type->sql = pf_arena_str(arena, pf_buf_view(&buf));
        pf_buf_clear(&buf);
    }
    if (type->id == PF_TYPE_MAP) {
        static const pf_str ENTRY_NAMES[] = {{"key", 3}, {"value", 5}};
        struct pf_type *children = PF_ARENA_ARRAY(arena, struct pf_type, 3);
        memcpy(children, type->children, 2 * sizeof *children);
        children[2] =
            (struct pf_type){.id = PF_TYPE_STRUCT, .child_count = 2, .children = children, .names = ENTRY_NAMES};
        type->children = children;
        type_finish(&children[2], arena);
    }
}

/* ---- parsing ---- */

struct parser {
    struct pf_sql_scanner scanner;
    struct pf_sql_token token; /* looked at, not taken */
    struct pf_arena *arena;
    pf_str whole;
    struct pf_error *err;
    int depth;
};

static void advance(struct parser *parser) {
    parser->token = pf_sql_scan_next(&parser->scanner);
}

static enum pf_code not_a_type(struct parser *parser) {
    PF_FAIL(parser->err, PF_INVALID, "not a type: '%.*s' (at '%.*s')", PF_STR_ARG(pf_str_slice(parser->whole, 0, 200)),
            PF_STR_ARG(pf_str_slice(parser->token.text, 0, 60)));
}

static bool is_symbol(const struct parser *parser, char c) {
    return parser->token.kind == PF_SQL_SYMBOL && parser->token.text.ptr[0] == c;
}

static bool take_symbol(struct parser *parser, char c) {
    if (!is_symbol(parser, c)) return false;
    advance(parser);
    return true;
}

static enum pf_code parse_number(struct parser *parser, int64_t max, int64_t *out_value) {
    int64_t value;
    if (parser->token.kind != PF_SQL_NUMBER || !pf_str_to_i64(parser->token.text, &value) || value < 0 || value > max)
        return not_a_type(parser);
    advance(parser);
    *out_value = value;
    return PF_OK;
}

static enum pf_code parse_type(struct parser *parser, struct pf_type *out_type);

static enum pf_code parse_fields(struct parser *parser, struct pf_type *type) {
    struct pf_type *children = NULL;
    pf_str *names = NULL;
    size_t capacity = 0, name_capacity = 0;
    do {
        if (parser->token.kind != PF_SQL_WORD && parser->token.kind != PF_SQL_QUOTED_NAME) return not_a_type(parser);
        if (type->child_count == MAX_FIELDS) return not_a_type(parser);
        pf_str name = pf_arena_str(parser->arena, pf_sql_token_name(&parser->token, parser->arena));
        advance(parser);
        struct pf_type child = {0};
        PF_TRY(parse_type(parser, &child));
        PF_ARENA_PUSH(parser->arena, children, type->child_count, capacity) = child;
        uint32_t name_count = type->child_count - 1;
        PF_ARENA_PUSH(parser->arena, names, name_count, name_capacity) = name;
    } while (take_symbol(parser, ','));
    type->children = children;
    type->names = names;
    return PF_OK;
}

static pf_str string_value(struct parser *parser) {
    pf_str text = parser->token.text;
    char *value = pf_arena_alloc(parser->arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 1; i + 1 < text.len; i++) {
        value[len++] = text.ptr[i];
        if (text.ptr[i] == '\'') i++;
    }
    return pf_str_from(value, len);
}

static enum pf_code parse_entries(struct parser *parser, struct pf_type *type) {
    pf_str *names = NULL;
    size_t capacity = 0;
    do {
        if (parser->token.kind != PF_SQL_STRING || parser->token.text.ptr[0] != '\'') return not_a_type(parser);
        PF_ARENA_PUSH(parser->arena, names, type->value_count, capacity) = string_value(parser);
        advance(parser);
    } while (take_symbol(parser, ','));
    type->names = names;
    return PF_OK;
}

static enum pf_code parse_map(struct parser *parser, struct pf_type *type) {
    struct pf_type *children = PF_ARENA_ARRAY(parser->arena, struct pf_type, 2);
    PF_TRY(parse_type(parser, &children[0]));
    if (!take_symbol(parser, ',')) return not_a_type(parser);
    PF_TRY(parse_type(parser, &children[1]));
    type->children = children;
    type->child_count = 2;
    return PF_OK;
}

static enum pf_code parse_decimal(struct parser *parser, struct pf_type *type) {
    int64_t width = 18, scale = 3;
    if (take_symbol(parser, '(')) {
        PF_TRY(parse_number(parser, 38, &width));
        scale = 0;
        if (take_symbol(parser, ',')) PF_TRY(parse_number(parser, width, &scale));
        if (!take_symbol(parser, ')')) return not_a_type(parser);
    }
    if (width == 0) return not_a_type(parser);
    type->width = (uint8_t)width;
    type->scale = (uint8_t)scale;
    return PF_OK;
}

/* Takes the name, "WITH TIME ZONE" included. */
static enum pf_code parse_name(struct parser *parser, struct pf_type *type) {
    if (parser->token.kind != PF_SQL_WORD && parser->token.kind != PF_SQL_QUOTED_NAME) return not_a_type(parser);
    pf_str name = parser->token.text;
    bool is_json = pf_str_equal_nocase(name, PF_STR("JSON"));
    for (size_t i = 1; i < sizeof NAMES / sizeof *NAMES; i++)
        if (pf_str_equal_nocase(name, pf_str_from_cstr(NAMES[i].name))) {
            type->id = NAMES[i].id;
            break;
        }
    if (type->id == PF_TYPE_INVALID) return not_a_type(parser);
    advance(parser);
    if (is_json) type->sql = PF_STR("JSON");
    if (pf_sql_token_is(&parser->token, "with") && (type->id == PF_TYPE_TIMESTAMP || type->id == PF_TYPE_TIME)) {
        advance(parser);
        if (!pf_sql_token_is(&parser->token, "time")) return not_a_type(parser);
        advance(parser);
        if (!pf_sql_token_is(&parser->token, "zone")) return not_a_type(parser);
        advance(parser);
        type->id = type->id == PF_TYPE_TIME ? PF_TYPE_TIME_TZ : PF_TYPE_TIMESTAMP_TZ;
    }
    if (type->id == PF_TYPE_DOUBLE && pf_sql_token_is(&parser->token, "precision")) advance(parser);
    return PF_OK;
}

static enum pf_code parse_base(struct parser *parser, struct pf_type *type) {
    PF_TRY(parse_name(parser, type));
    if (type->id == PF_TYPE_DECIMAL) return parse_decimal(parser, type);
    bool is_nested =
        type->id == PF_TYPE_STRUCT || type->id == PF_TYPE_UNION || type->id == PF_TYPE_MAP || type->id == PF_TYPE_ENUM;
    if (type->id == PF_TYPE_LIST || type->id == PF_TYPE_ARRAY) return not_a_type(parser);
    if (!is_nested) {
        int64_t ignored; /* VARCHAR(20): DuckDB ignores the length too */
        if (type->id == PF_TYPE_VARCHAR && take_symbol(parser, '(')) {
            PF_TRY(parse_number(parser, INT64_MAX, &ignored));
            if (!take_symbol(parser, ')')) return not_a_type(parser);
        }
        return PF_OK;
    }
    if (!take_symbol(parser, '(')) return not_a_type(parser);
    if (type->id == PF_TYPE_MAP)
        PF_TRY(parse_map(parser, type));
    else if (type->id == PF_TYPE_ENUM)
        PF_TRY(parse_entries(parser, type));
    else
        PF_TRY(parse_fields(parser, type));
    if (!take_symbol(parser, ')')) return not_a_type(parser);
    return PF_OK;
}

static enum pf_code parse_type(struct parser *parser, struct pf_type *out_type) {
    struct pf_type type = {0};
    if (++parser->depth > MAX_DEPTH) return not_a_type(parser);
    PF_TRY(parse_base(parser, &type));
    type_finish(&type, parser->arena);
    while (take_symbol(parser, '[')) {
        if (++parser->depth > MAX_DEPTH) return not_a_type(parser);
        struct pf_type *child = PF_ARENA_NEW(parser->arena, struct pf_type);
        *child = type;
        type = (struct pf_type){.id = PF_TYPE_LIST, .child_count = 1, .children = child};
        if (!is_symbol(parser, ']')) {
            int64_t length;
            PF_TRY(parse_number(parser, 100000, &length));
            if (length == 0) return not_a_type(parser);
            type.id = PF_TYPE_ARRAY;
            type.value_count = (uint32_t)length;
        }
        if (!take_symbol(parser, ']')) return not_a_type(parser);
        type_finish(&type, parser->arena);
    }
    parser->depth--;
    *out_type = type;
    return PF_OK;
}

enum pf_code pf_type_parse(pf_str sql, struct pf_arena *arena, const struct pf_type **out_type, struct pf_error *err) {
    struct parser parser = {.scanner = {sql}, .arena = arena, .whole = sql, .err = err};
    struct pf_type *type = PF_ARENA_NEW(arena, struct pf_type);
    advance(&parser);
    PF_TRY(parse_type(&parser, type));
    if (parser.token.kind != PF_SQL_END) return not_a_type(&parser);
    *out_type = type;
    return PF_OK;
}

bool pf_type_equal(const struct pf_type *a, const struct pf_type *b) {
    return pf_str_equal(a->sql, b->sql);
}
