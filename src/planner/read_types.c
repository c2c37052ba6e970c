/* SPDX-License-Identifier: MIT */
/* DuckDB's serialised logical types -> SQL types. */
#include "planner/read_duckdb_json.h"

pf_json *get_value(pf_json *object, const char *key) {
    pf_json *value = pf_json_get(object, key);
    return value && yyjson_is_null(value) ? NULL : value;
}

static pf_str quoted(struct pf_arena *arena, pf_str text, char quote) {
    size_t extra = 2;
    for (size_t i = 0; i < text.len; i++) extra += text.ptr[i] == quote;
    char *bytes = pf_arena_alloc(arena, text.len + extra + 1);
    size_t at = 0;
    bytes[at++] = quote;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == quote) bytes[at++] = quote;
        bytes[at++] = text.ptr[i];
    }
    bytes[at++] = quote;
    return pf_str_from(bytes, at);
}

pf_str quote_name(struct pf_arena *arena, pf_str name) {
    return quoted(arena, name, '"');
}

pf_str quote_string(struct pf_arena *arena, pf_str text) {
    return quoted(arena, text, '\'');
}

static enum pf_code read_enum(struct reader *reader, pf_json *info, struct pf_sql_type *type, struct pf_error *err) {
    struct pf_buf buf;
    pf_buf_init(&buf, 1 << 22);
    pf_buf_put_cstr(&buf, "ENUM(");
    for (struct pf_json_each each = pf_json_each(pf_json_get(info, "values")); pf_json_next(&each);) {
        if (each.index) pf_buf_put_cstr(&buf, ", ");
        pf_buf_put_str(&buf, quote_string(reader->arena, pf_json_as_str(each.value, PF_STR_EMPTY)));
    }
    pf_buf_put_char(&buf, ')');
    pf_str text;
    enum pf_code code = pf_buf_finish(&buf, "an ENUM type", &text, err);
    if (code == PF_OK) type->sql = pf_arena_str(reader->arena, text);
    pf_buf_clear(&buf);
    return code;
}

/* A NULL of a type that has unnamed fields somewhere: no cast can name it. */
static pf_str null_of(struct reader *reader, pf_str value) {
    return pf_arena_printf(reader->arena, "(CASE WHEN false THEN %.*s END)", PF_STR_ARG(value));
}

/* STRUCT(a INTEGER, ...) or UNION(...), whose first field is a hidden tag. */
static enum pf_code read_fields(struct reader *reader, pf_json *info, struct pf_sql_type *type, struct pf_error *err) {
    bool is_union = pf_str_equal(type->id, PF_STR("UNION"));
    pf_json *list = pf_json_get(info, "child_types");
    type->field_names = PF_ARENA_ARRAY(reader->arena, pf_str, pf_json_count(list));
    pf_str text = pf_arena_printf(reader->arena, "%.*s(", PF_STR_ARG(type->id));
    pf_str nulls = PF_STR_EMPTY;
    bool is_named = true, has_cast = true;
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        if (is_union && each.index == 0) continue;
        const struct pf_sql_type *field;
        PF_TRY(read_type(reader, pf_json_get(each.value, "second"), &field, err));
        pf_str name = pf_json_get_str(each.value, "first", PF_STR_EMPTY);
        const char *comma = type->field_count ? ", " : "";
        type->field_names[type->field_count++] = name;
        if (name.len)
            text = pf_arena_printf(reader->arena, "%.*s%s%.*s %.*s", PF_STR_ARG(text), comma,
                                   PF_STR_ARG(quote_name(reader->arena, name)), PF_STR_ARG(field->sql));
        else /* unnamed fields: no SQL type names them, but values can be made with row() */
            text = pf_arena_printf(reader->arena, "%.*s%s%.*s", PF_STR_ARG(text), comma, PF_STR_ARG(field->sql));
        is_named = is_named && name.len;
        has_cast = has_cast && name.len && !field->null_sql.len;
        pf_str label = name.len
                           ? pf_arena_printf(reader->arena, "%.*s := ", PF_STR_ARG(quote_name(reader->arena, name)))
                           : PF_STR_EMPTY;
        nulls = pf_arena_printf(reader->arena, "%.*s%s%.*s%.*s", PF_STR_ARG(nulls), comma, PF_STR_ARG(label),
                                PF_STR_ARG(pf_sql_type_null(field, reader->arena)));
    }
    if (!has_cast && !is_union) {
        type->null_sql = null_of(
            reader, pf_arena_printf(reader->arena, "%s(%.*s)", is_named ? "struct_pack" : "row", PF_STR_ARG(nulls)));
    }
    type->sql = pf_arena_printf(reader->arena, "%.*s)", PF_STR_ARG(text));
    return PF_OK;
}

static enum pf_code read_nested(struct reader *reader, pf_json *info, struct pf_sql_type *type, struct pf_error *err) {
    const struct pf_sql_type *child;
    if (pf_str_equal(type->id, PF_STR("MAP"))) {
        pf_json *fields = pf_json_get(pf_json_get(pf_json_get(info, "child_type"), "type_info"), "child_types");
        pf_str texts[2] = {PF_STR_EMPTY, PF_STR_EMPTY}, nulls[2] = {PF_STR_EMPTY, PF_STR_EMPTY};
        bool has_cast = true;
        for (struct pf_json_each each = pf_json_each(fields); pf_json_next(&each) && each.index < 2;) {
            PF_TRY(read_type(reader, pf_json_get(each.value, "second"), &child, err));
            texts[each.index] = child->sql;
            nulls[each.index] = pf_sql_type_null(child, reader->arena);
            has_cast = has_cast && !child->null_sql.len;
        }
        if (!texts[1].len) PF_FAIL(err, PF_INVALID, "plan: a MAP type without key and value");
        type->sql = pf_arena_printf(reader->arena, "MAP(%.*s, %.*s)", PF_STR_ARG(texts[0]), PF_STR_ARG(texts[1]));
        if (!has_cast) {
            type->null_sql = null_of(reader, pf_arena_printf(reader->arena, "map([%.*s], [%.*s])", PF_STR_ARG(nulls[0]),
                                                             PF_STR_ARG(nulls[1])));
        }
        return PF_OK;
    }
    PF_TRY(read_type(reader, pf_json_get(info, "child_type"), &child, err));
    if (pf_str_equal(type->id, PF_STR("ARRAY")))
        type->sql = pf_arena_printf(reader->arena, "%.*s[%lld]", PF_STR_ARG(child->sql),
                                    (long long)pf_json_get_i64(info, "size", 0));
    else
        type->sql = pf_arena_printf(reader->arena, "%.*s[]", PF_STR_ARG(child->sql));
    if (child->null_sql.len && pf_str_equal(type->id, PF_STR("LIST")))
        type->null_sql = null_of(reader, pf_arena_printf(reader->arena, "[%.*s]", PF_STR_ARG(child->null_sql)));
    return PF_OK;
}

static enum pf_code read_type_here(struct reader *reader, pf_json *json, struct pf_sql_type *type,
                                   struct pf_error *err) {
    PF_TRY(pf_json_need_str(json, "id", "plan: a type", &type->id, err));
    pf_json *info = pf_json_get(json, "type_info");
    pf_str alias = pf_json_get_str(info, "alias", PF_STR_EMPTY);
    if (pf_str_equal(alias, PF_STR("JSON"))) {
        type->sql = alias;
        return PF_OK;
    }
    static const char *const REFUSED[] = {"INVALID",         "ANY",      "UNKNOWN", "USER",
                                          "AGGREGATE_STATE", "POINTER",  "TABLE",   "LAMBDA",
                                          "VARIANT",         "GEOMETRY", "TYPE",    "UNBOUND"};
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++)
        if (pf_str_equal(type->id, pf_str_from_cstr(REFUSED[i])))
            PF_FAIL(err, PF_UNSUPPORTED, "plan: a value of type %s", REFUSED[i]);
    if (pf_str_equal(type->id, PF_STR("DECIMAL"))) {
        type->width = (int)pf_json_get_i64(info, "width", 18);
        type->scale = (int)pf_json_get_i64(info, "scale", 0);
        if (type->width < 1 || type->width > 38 || type->scale < 0 || type->scale > type->width)
            PF_FAIL(err, PF_INVALID, "plan: DECIMAL(%d,%d)", type->width, type->scale);
        type->sql = pf_arena_printf(reader->arena, "DECIMAL(%d,%d)", type->width, type->scale);
        return PF_OK;
    }
    if (pf_str_equal(type->id, PF_STR("ENUM"))) return read_enum(reader, info, type, err);
    if (pf_str_equal(type->id, PF_STR("STRUCT")) || pf_str_equal(type->id, PF_STR("UNION")))
        return read_fields(reader, info, type, err);
    if (pf_str_equal(type->id, PF_STR("LIST")) || pf_str_equal(type->id, PF_STR("ARRAY")) ||
        pf_str_equal(type->id, PF_STR("MAP")))
        return read_nested(reader, info, type, err);
    type->sql = pf_str_equal(type->id, PF_STR("NULL")) ? PF_STR("\"NULL\"") : type->id;
    return PF_OK;
}

enum pf_code read_type(struct reader *reader, pf_json *json, const struct pf_sql_type **out_type,
                       struct pf_error *err) {
    if (reader->depth >= MAX_NESTING) PF_FAIL(err, PF_UNSUPPORTED, "plan: nested more than %d deep", MAX_NESTING);
    struct pf_sql_type *type = PF_ARENA_NEW(reader->arena, struct pf_sql_type);
    reader->depth++;
    enum pf_code code = read_type_here(reader, json, type, err);
    reader->depth--;
    if (code == PF_OK) *out_type = type;
    return code;
}

enum pf_code read_types(struct reader *reader, pf_json *list, const struct pf_sql_type ***out_types,
                        uint32_t *out_count, struct pf_error *err) {
    size_t count = pf_json_count(list);
    if (count > MAX_COLUMNS) PF_FAIL(err, PF_UNSUPPORTED, "plan: %zu columns", count);
    const struct pf_sql_type **types = PF_ARENA_ARRAY(reader->arena, const struct pf_sql_type *, count);
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);)
        PF_TRY(read_type(reader, each.value, &types[each.index], err));
    *out_types = types;
    *out_count = (uint32_t)count;
    return PF_OK;
}
