/* SPDX-License-Identifier: MIT */
/* DuckDB's logical types to ours and back. */
#include "engine/engine_internal.h"

#include <string.h>

const struct pf_type type_of_tag = {.id = PF_TYPE_UTINYINT, .value_bytes = 1, .sql = {"UTINYINT", 8}};

static enum pf_type_id id_of(duckdb_type type) {
    switch (type) {
    case DUCKDB_TYPE_SQLNULL: return PF_TYPE_SQLNULL;
    case DUCKDB_TYPE_BOOLEAN: return PF_TYPE_BOOLEAN;
    case DUCKDB_TYPE_TINYINT: return PF_TYPE_TINYINT;
    case DUCKDB_TYPE_SMALLINT: return PF_TYPE_SMALLINT;
    case DUCKDB_TYPE_INTEGER: return PF_TYPE_INTEGER;
    case DUCKDB_TYPE_BIGINT: return PF_TYPE_BIGINT;
    case DUCKDB_TYPE_HUGEINT: return PF_TYPE_HUGEINT;
    case DUCKDB_TYPE_UTINYINT: return PF_TYPE_UTINYINT;
    case DUCKDB_TYPE_USMALLINT: return PF_TYPE_USMALLINT;
    case DUCKDB_TYPE_UINTEGER: return PF_TYPE_UINTEGER;
    case DUCKDB_TYPE_UBIGINT: return PF_TYPE_UBIGINT;
    case DUCKDB_TYPE_UHUGEINT: return PF_TYPE_UHUGEINT;
    case DUCKDB_TYPE_FLOAT: return PF_TYPE_FLOAT;
    case DUCKDB_TYPE_DOUBLE: return PF_TYPE_DOUBLE;
    case DUCKDB_TYPE_DECIMAL: return PF_TYPE_DECIMAL;
    case DUCKDB_TYPE_VARCHAR: return PF_TYPE_VARCHAR;
    case DUCKDB_TYPE_BLOB: return PF_TYPE_BLOB;
    case DUCKDB_TYPE_BIT: return PF_TYPE_BIT;
    case DUCKDB_TYPE_BIGNUM: return PF_TYPE_BIGNUM;
    case DUCKDB_TYPE_GEOMETRY: return PF_TYPE_GEOMETRY;
    case DUCKDB_TYPE_DATE: return PF_TYPE_DATE;
    case DUCKDB_TYPE_TIME: return PF_TYPE_TIME;
    case DUCKDB_TYPE_TIME_NS: return PF_TYPE_TIME_NS;
    case DUCKDB_TYPE_TIME_TZ: return PF_TYPE_TIME_TZ;
    case DUCKDB_TYPE_TIMESTAMP: return PF_TYPE_TIMESTAMP;
    case DUCKDB_TYPE_TIMESTAMP_S: return PF_TYPE_TIMESTAMP_S;
    case DUCKDB_TYPE_TIMESTAMP_MS: return PF_TYPE_TIMESTAMP_MS;
    case DUCKDB_TYPE_TIMESTAMP_NS: return PF_TYPE_TIMESTAMP_NS;
    case DUCKDB_TYPE_TIMESTAMP_TZ: return PF_TYPE_TIMESTAMP_TZ;
    case DUCKDB_TYPE_INTERVAL: return PF_TYPE_INTERVAL;
    case DUCKDB_TYPE_UUID: return PF_TYPE_UUID;
    case DUCKDB_TYPE_ENUM: return PF_TYPE_ENUM;
    case DUCKDB_TYPE_LIST: return PF_TYPE_LIST;
    case DUCKDB_TYPE_ARRAY: return PF_TYPE_ARRAY;
    case DUCKDB_TYPE_STRUCT: return PF_TYPE_STRUCT;
    case DUCKDB_TYPE_MAP: return PF_TYPE_MAP;
    case DUCKDB_TYPE_UNION: return PF_TYPE_UNION;
    default: return PF_TYPE_INVALID;
    }
}

static duckdb_type duckdb_id_of(enum pf_type_id id) {
    for (int type = DUCKDB_TYPE_INVALID; type <= DUCKDB_TYPE_GEOMETRY; type++)
        if (id_of((duckdb_type)type) == id) return (duckdb_type)type;
    return DUCKDB_TYPE_INVALID;
}

static pf_str take_text(char *text, struct pf_arena *arena) {
    pf_str copy = pf_arena_str(arena, pf_str_from_cstr(text));
    duckdb_free(text);
    return copy;
}

static enum pf_code child_from_duckdb(duckdb_logical_type logical, struct pf_arena *arena, struct pf_type *out_type,
                                      struct pf_error *err) {
    enum pf_code code = type_from_duckdb(logical, arena, out_type, err);
    duckdb_destroy_logical_type(&logical);
    return code;
}

static enum pf_code read_fields(duckdb_logical_type logical, bool is_union, struct pf_arena *arena,
                                struct pf_type *type, struct pf_error *err) {
    idx_t count = is_union ? duckdb_union_type_member_count(logical) : duckdb_struct_type_child_count(logical);
    struct pf_type *children = PF_ARENA_ARRAY(arena, struct pf_type, count);
    pf_str *names = PF_ARENA_ARRAY(arena, pf_str, count);
    for (idx_t i = 0; i < count; i++) {
        names[i] = take_text(
            is_union ? duckdb_union_type_member_name(logical, i) : duckdb_struct_type_child_name(logical, i), arena);
        PF_TRY(child_from_duckdb(is_union ? duckdb_union_type_member_type(logical, i)
                                          : duckdb_struct_type_child_type(logical, i),
                                 arena, &children[i], err));
    }
    type->children = children;
    type->names = names;
    type->child_count = (uint32_t)count;
    return PF_OK;
}

static void read_entries(duckdb_logical_type logical, struct pf_arena *arena, struct pf_type *type) {
    type->value_count = duckdb_enum_dictionary_size(logical);
    pf_str *names = PF_ARENA_ARRAY(arena, pf_str, type->value_count);
    for (uint32_t i = 0; i < type->value_count; i++)
        names[i] = take_text(duckdb_enum_dictionary_value(logical, i), arena);
    type->names = names;
}

static enum pf_code read_children(duckdb_logical_type logical, struct pf_arena *arena, struct pf_type *type,
                                  struct pf_error *err) {
    struct pf_type *children = PF_ARENA_ARRAY(arena, struct pf_type, 3);
    type->children = children;
    type->child_count = type->id == PF_TYPE_MAP ? 2 : 1;
    if (type->id == PF_TYPE_LIST)
        return child_from_duckdb(duckdb_list_type_child_type(logical), arena, &children[0], err);
    if (type->id == PF_TYPE_ARRAY) {
        type->value_count = (uint32_t)duckdb_array_type_array_size(logical);
        return child_from_duckdb(duckdb_array_type_child_type(logical), arena, &children[0], err);
    }
    PF_TRY(child_from_duckdb(duckdb_map_type_key_type(logical), arena, &children[0], err));
    return child_from_duckdb(duckdb_map_type_value_type(logical), arena, &children[1], err);
}

enum pf_code type_from_duckdb(duckdb_logical_type logical, struct pf_arena *arena, struct pf_type *out_type,
                              struct pf_error *err) {
    duckdb_type id = duckdb_get_type_id(logical);
    struct pf_type type = {.id = id_of(id)};
    switch (type.id) {
    case PF_TYPE_INVALID:
        if (id == DUCKDB_TYPE_VARIANT)
            PF_FAIL(err, PF_UNSUPPORTED, "a column has type VARIANT: cast it to JSON or to a type of its own");
        PF_FAIL(err, PF_UNSUPPORTED, "a column has a type that can't be read (number %d): cast it", (int)id);
    case PF_TYPE_DECIMAL:
        type.width = duckdb_decimal_width(logical);
        type.scale = duckdb_decimal_scale(logical);
        break;
    case PF_TYPE_ENUM: read_entries(logical, arena, &type); break;
    case PF_TYPE_STRUCT: PF_TRY(read_fields(logical, false, arena, &type, err)); break;
    case PF_TYPE_UNION: PF_TRY(read_fields(logical, true, arena, &type, err)); break;
    case PF_TYPE_LIST:
    case PF_TYPE_ARRAY:
    case PF_TYPE_MAP: PF_TRY(read_children(logical, arena, &type, err)); break;
    case PF_TYPE_VARCHAR: { /* JSON is an alias that keeps its meaning when text is parsed again */
        char *alias = duckdb_logical_type_get_alias(logical);
        if (alias && strcmp(alias, "JSON") == 0) type.sql = PF_STR("JSON");
        duckdb_free(alias);
        break;
    }
    default: break;
    }
    type_finish(&type, arena);
    *out_type = type;
    return PF_OK;
}

static duckdb_logical_type fields_to_duckdb(const struct pf_type *type) {
    struct pf_arena *arena = pf_arena_new(NULL, "type");
    duckdb_logical_type *children = PF_ARENA_ARRAY(arena, duckdb_logical_type, type->child_count);
    const char **names = PF_ARENA_ARRAY(arena, const char *, type->child_count);
    bool is_good = true;
    for (uint32_t i = 0; i < type->child_count; i++) {
        children[i] = type_to_duckdb(&type->children[i]);
        names[i] = pf_arena_cstr(arena, type->names[i]);
        is_good = is_good && children[i];
    }
    duckdb_logical_type made = NULL;
    if (is_good)
        made = type->id == PF_TYPE_UNION ? duckdb_create_union_type(children, names, type->child_count)
                                         : duckdb_create_struct_type(children, names, type->child_count);
    for (uint32_t i = 0; i < type->child_count; i++) duckdb_destroy_logical_type(&children[i]);
    pf_arena_free(arena);
    return made;
}

static duckdb_logical_type enum_to_duckdb(const struct pf_type *type) {
    struct pf_arena *arena = pf_arena_new(NULL, "type");
    const char **names = PF_ARENA_ARRAY(arena, const char *, type->value_count);
    for (uint32_t i = 0; i < type->value_count; i++) names[i] = pf_arena_cstr(arena, type->names[i]);
    duckdb_logical_type made = duckdb_create_enum_type(names, type->value_count);
    pf_arena_free(arena);
    return made;
}

duckdb_logical_type type_to_duckdb(const struct pf_type *type) {
    switch (type->id) {
    case PF_TYPE_DECIMAL: return duckdb_create_decimal_type(type->width, type->scale);
    case PF_TYPE_ENUM: return enum_to_duckdb(type);
    case PF_TYPE_STRUCT:
    case PF_TYPE_UNION: return fields_to_duckdb(type);
    case PF_TYPE_LIST:
    case PF_TYPE_ARRAY:
    case PF_TYPE_MAP: break;
    default: {
        duckdb_logical_type made = duckdb_create_logical_type(duckdb_id_of(type->id));
        if (made && pf_str_equal(type->sql, PF_STR("JSON"))) duckdb_logical_type_set_alias(made, "JSON");
        return made;
    }
    }
    duckdb_logical_type first = type_to_duckdb(&type->children[0]), second = NULL, made = NULL;
    if (type->id == PF_TYPE_MAP) {
        second = type_to_duckdb(&type->children[1]);
        if (first && second) made = duckdb_create_map_type(first, second);
    } else if (first) {
        made = type->id == PF_TYPE_LIST ? duckdb_create_list_type(first)
                                        : duckdb_create_array_type(first, type->value_count);
    }
    duckdb_destroy_logical_type(&first);
    duckdb_destroy_logical_type(&second);
    return made;
}
