/* SPDX-License-Identifier: MIT */
/* Avro schemas from JSON (Avro 1.11 specification, Schema Declaration), with the ids that Iceberg adds. */
#include "iceberg/avro.h"

#include "base/json.h"

enum { MAX_SCHEMA_DEPTH = 64, MAX_NAMED_TYPES = 20000 };

struct schema_parser {
    struct pf_arena *arena;
    struct pf_error *err;
    const struct avro_type **named;
    size_t named_count, named_capacity;
    int depth;
};

static enum pf_code parse_type(struct schema_parser *parser, pf_json *json, const struct avro_type **out_type);

static pf_str without_namespace(pf_str name) {
    size_t start = name.len;
    while (start > 0 && name.ptr[start - 1] != '.') start--;
    return pf_str_slice(name, start, name.len);
}

static int id_of(pf_json *json, const char *key) {
    int64_t id = pf_json_get_i64(json, key, -1);
    return id < 0 || id > INT32_MAX ? -1 : (int)id;
}

static const struct avro_type *primitive(pf_str name) {
    static const struct {
        const char *name;
        struct avro_type type;
    } primitives[] = {{"null", {.kind = AVRO_NULL}},   {"boolean", {.kind = AVRO_BOOLEAN}},
                      {"int", {.kind = AVRO_INT}},     {"long", {.kind = AVRO_LONG}},
                      {"float", {.kind = AVRO_FLOAT}}, {"double", {.kind = AVRO_DOUBLE}},
                      {"bytes", {.kind = AVRO_BYTES}}, {"string", {.kind = AVRO_STRING}}};
    for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++) {
        if (pf_str_equal(name, pf_str_from_cstr(primitives[i].name))) return &primitives[i].type;
    }
    return NULL;
}

static enum pf_code parse_name(struct schema_parser *parser, pf_str name, const struct avro_type **out_type) {
    const struct avro_type *found = primitive(name);
    pf_str shorter = without_namespace(name);
    for (size_t i = parser->named_count; i > 0 && !found; i--) {
        if (pf_str_equal(parser->named[i - 1]->name, shorter)) found = parser->named[i - 1];
    }
    if (!found) PF_FAIL(parser->err, PF_CORRUPT, "Avro schema: type '%.*s' is not known", PF_STR_ARG(name));
    *out_type = found;
    return PF_OK;
}

/* Before its fields are parsed, so that they may refer to it. */
static enum pf_code add_named(struct schema_parser *parser, pf_json *json, struct avro_type *type) {
    type->name = without_namespace(pf_json_get_str(json, "name", PF_STR_EMPTY));
    if (type->name.len == 0) PF_FAIL(parser->err, PF_CORRUPT, "Avro schema: a type without a name");
    if (parser->named_count == MAX_NAMED_TYPES) PF_FAIL(parser->err, PF_TOO_LARGE, "Avro schema: too many types");
    PF_ARENA_PUSH(parser->arena, parser->named, parser->named_count, parser->named_capacity) = type;
    return PF_OK;
}

static enum pf_code parse_record(struct schema_parser *parser, pf_json *json, struct avro_type *type) {
    pf_json *fields = pf_json_get(json, "fields");
    PF_TRY(add_named(parser, json, type));
    if (!yyjson_is_arr(fields)) PF_FAIL(parser->err, PF_CORRUPT, "Avro schema: a record without fields");
    type->fields = PF_ARENA_ARRAY(parser->arena, struct avro_field, pf_json_count(fields));
    type->field_count = pf_json_count(fields);
    for (struct pf_json_each each = pf_json_each(fields); pf_json_next(&each);) {
        struct avro_field *field = &type->fields[each.index];
        field->name = pf_json_get_str(each.value, "name", PF_STR_EMPTY);
        field->id = id_of(each.value, "field-id");
        PF_TRY(parse_type(parser, pf_json_get(each.value, "type"), &field->type));
    }
    return PF_OK;
}

static enum pf_code parse_container(struct schema_parser *parser, pf_json *json, bool is_array,
                                    struct avro_type *type) {
    type->fields = PF_ARENA_NEW(parser->arena, struct avro_field);
    type->field_count = 1;
    type->fields->id = id_of(json, is_array ? "element-id" : "value-id");
    return parse_type(parser, pf_json_get(json, is_array ? "items" : "values"), &type->fields->type);
}

static enum pf_code parse_object(struct schema_parser *parser, pf_json *json, const struct avro_type **out_type) {
    pf_json *inner = pf_json_get(json, "type");
    pf_str name = pf_json_as_str(inner, PF_STR_EMPTY);
    bool is_decimal = pf_str_equal(pf_json_get_str(json, "logicalType", PF_STR_EMPTY), PF_STR("decimal"));
    if (!yyjson_is_str(inner)) return parse_type(parser, inner, out_type); /* {"type": {"type": ...}} */
    struct avro_type *type = PF_ARENA_NEW(parser->arena, struct avro_type);
    type->is_decimal = is_decimal;
    *out_type = type;
    if (pf_str_equal(name, PF_STR("record"))) {
        type->kind = AVRO_RECORD;
        return parse_record(parser, json, type);
    }
    if (pf_str_equal(name, PF_STR("array")) || pf_str_equal(name, PF_STR("map"))) {
        bool is_array = pf_str_equal(name, PF_STR("array"));
        type->kind = is_array ? AVRO_ARRAY : AVRO_MAP;
        return parse_container(parser, json, is_array, type);
    }
    if (pf_str_equal(name, PF_STR("enum"))) {
        type->kind = AVRO_ENUM;
        return add_named(parser, json, type);
    }
    if (pf_str_equal(name, PF_STR("fixed"))) {
        int64_t size = pf_json_get_i64(json, "size", -1);
        if (size < 0 || size > INT32_MAX) PF_FAIL(parser->err, PF_CORRUPT, "Avro schema: fixed without a size");
        type->kind = AVRO_FIXED;
        type->size = (size_t)size;
        return add_named(parser, json, type);
    }
    const struct avro_type *plain;
    PF_TRY(parse_name(parser, name, &plain));
    *type = *plain;
    type->is_decimal = type->is_decimal || is_decimal;
    return PF_OK;
}

static enum pf_code parse_union(struct schema_parser *parser, pf_json *json, const struct avro_type **out_type) {
    struct avro_type *type = PF_ARENA_NEW(parser->arena, struct avro_type);
    type->kind = AVRO_UNION;
    type->fields = PF_ARENA_ARRAY(parser->arena, struct avro_field, pf_json_count(json));
    type->field_count = pf_json_count(json);
    for (struct pf_json_each each = pf_json_each(json); pf_json_next(&each);) {
        type->fields[each.index].id = -1;
        PF_TRY(parse_type(parser, each.value, &type->fields[each.index].type));
    }
    *out_type = type;
    return PF_OK;
}

static enum pf_code parse_type(struct schema_parser *parser, pf_json *json, const struct avro_type **out_type) {
    enum pf_code code;
    if (++parser->depth > MAX_SCHEMA_DEPTH) {
        PF_FAIL(parser->err, PF_TOO_LARGE, "Avro schema: deeper than %d", MAX_SCHEMA_DEPTH);
    }
    if (yyjson_is_str(json)) {
        code = parse_name(parser, pf_json_as_str(json, PF_STR_EMPTY), out_type);
    } else if (yyjson_is_arr(json)) {
        code = parse_union(parser, json, out_type);
    } else if (yyjson_is_obj(json)) {
        code = parse_object(parser, json, out_type);
    } else {
        PF_FAIL(parser->err, PF_CORRUPT, "Avro schema: a type is missing");
    }
    parser->depth--;
    return code;
}

enum pf_code avro_schema_parse(pf_str json, struct pf_arena *arena, const struct avro_type **out_type,
                               struct pf_error *err) {
    struct schema_parser parser = {.arena = arena, .err = err};
    pf_json *root;
    if (pf_json_parse(json, arena, "Avro schema", &root, err) != PF_OK) {
        return pf_error_wrap(err, PF_CORRUPT, "avro.schema");
    }
    return parse_type(&parser, root, out_type);
}
