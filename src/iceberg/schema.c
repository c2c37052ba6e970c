/* SPDX-License-Identifier: MIT */
#include "iceberg/schema.h"

#include <stdio.h>
#include <string.h>

enum {
    MAX_JSON_TEXT_BYTES = 64 << 20,
    FIRST_PARTITION_FIELD_ID = 1000,
    ROW_ID_FIELD = 2147483540,
    ROW_SEQUENCE_FIELD = 2147483539,
    FILE_FIELD = 2147483646,
    POSITION_FIELD = 2147483645
};

/* ---- looking things up ---- */

const struct pf_iceberg_field *pf_iceberg_schema_find(const struct pf_iceberg_schema *schema, pf_str name) {
    const struct pf_iceberg_field *found = NULL;
    size_t matches = 0;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct pf_iceberg_field *field = &schema->fields[i];
        if (pf_str_equal(field->name, name)) return field;
        if (pf_str_equal_nocase(field->name, name)) {
            found = field;
            matches++;
        }
    }
    return matches == 1 ? found : NULL;
}

static const struct pf_iceberg_field *find_id(const struct pf_iceberg_field *fields, size_t count, int id) {
    for (size_t i = 0; i < count; i++) {
        if (fields[i].id == id) return &fields[i];
    }
    for (size_t i = 0; i < count; i++) {
        const struct pf_iceberg_field *below = find_id(fields[i].type->fields, fields[i].type->field_count, id);
        if (below) return below;
    }
    return NULL;
}

const struct pf_iceberg_field *pf_iceberg_schema_find_id(const struct pf_iceberg_schema *schema, int id) {
    return find_id(schema->fields, schema->field_count, id);
}

static int greatest_id(const struct pf_iceberg_field *fields, size_t count) {
    int greatest = 0;
    for (size_t i = 0; i < count; i++) {
        int below = greatest_id(fields[i].type->fields, fields[i].type->field_count);
        if (fields[i].id > greatest) greatest = fields[i].id;
        if (below > greatest) greatest = below;
    }
    return greatest;
}

int schema_greatest_id(const struct pf_iceberg_schema *schema) {
    return greatest_id(schema->fields, schema->field_count);
}

const struct pf_iceberg_type *schema_source_type(const struct pf_table_metadata *metadata, int source_id) {
    const struct pf_iceberg_schema *current = pf_table_metadata_current_schema(metadata);
    const struct pf_iceberg_field *field = current ? pf_iceberg_schema_find_id(current, source_id) : NULL;
    for (size_t i = metadata->schema_count; i > 0 && !field; i--) {
        field = pf_iceberg_schema_find_id(&metadata->schemas[i - 1], source_id);
    }
    return field ? field->type : NULL;
}

bool schema_types_equal(const struct pf_iceberg_type *a, const struct pf_iceberg_type *b) {
    if (a->kind != b->kind || a->field_count != b->field_count) return false;
    if (a->precision != b->precision || a->scale != b->scale || a->length != b->length) return false;
    if (a->kind == PF_ICEBERG_OTHER && !pf_str_equal(a->text, b->text)) return false;
    for (size_t i = 0; i < a->field_count; i++) {
        const struct pf_iceberg_field *x = &a->fields[i], *y = &b->fields[i];
        if (x->id != y->id || !pf_str_equal(x->name, y->name) || !schema_types_equal(x->type, y->type)) return false;
    }
    return true;
}

pf_str schema_json_text(pf_json *json, struct pf_arena *arena) {
    if (!json) return PF_STR_EMPTY;
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_JSON_TEXT_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_put_value(&out, json);
    pf_str text = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return text;
}

/* ---- reading ---- */

static bool parse_arguments(pf_str text, const char *open, char close, int *numbers, size_t count) {
    pf_str prefix = pf_str_from_cstr(open);
    if (!pf_str_starts_with(text, prefix) || text.len <= prefix.len || text.ptr[text.len - 1] != close) return false;
    pf_str rest = pf_str_slice(text, prefix.len, text.len - 1), piece;
    for (size_t i = 0; i < count; i++) {
        int64_t number;
        if (!pf_str_next(&rest, ',', &piece) || !pf_str_to_i64(pf_str_trim(piece), &number)) return false;
        if (number < 0 || number > INT32_MAX) return false;
        numbers[i] = (int)number;
    }
    return rest.len == 0;
}

bool schema_parse_primitive(pf_str text, struct pf_iceberg_type *out_type) {
    static const struct {
        const char *name;
        enum pf_iceberg_kind kind;
    } names[] = {{"boolean", PF_ICEBERG_BOOLEAN},
                 {"int", PF_ICEBERG_INT},
                 {"long", PF_ICEBERG_LONG},
                 {"float", PF_ICEBERG_FLOAT},
                 {"double", PF_ICEBERG_DOUBLE},
                 {"date", PF_ICEBERG_DATE},
                 {"time", PF_ICEBERG_TIME},
                 {"timestamp", PF_ICEBERG_TIMESTAMP},
                 {"timestamptz", PF_ICEBERG_TIMESTAMPTZ},
                 {"timestamp_ns", PF_ICEBERG_TIMESTAMP_NS},
                 {"timestamptz_ns", PF_ICEBERG_TIMESTAMPTZ_NS},
                 {"string", PF_ICEBERG_STRING},
                 {"uuid", PF_ICEBERG_UUID},
                 {"binary", PF_ICEBERG_BINARY},
                 {"unknown", PF_ICEBERG_UNKNOWN}};
    struct pf_iceberg_type type = {.kind = PF_ICEBERG_OTHER, .text = text};
    int numbers[2];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (pf_str_equal(text, pf_str_from_cstr(names[i].name))) type.kind = names[i].kind;
    }
    if (pf_str_starts_with(text, PF_STR("decimal"))) {
        if (!parse_arguments(text, "decimal(", ')', numbers, 2)) return false;
        type.kind = PF_ICEBERG_DECIMAL;
        type.precision = numbers[0];
        type.scale = numbers[1];
        if (type.precision < 1 || type.precision > 38 || type.scale > type.precision) return false;
    }
    if (pf_str_starts_with(text, PF_STR("fixed"))) {
        if (!parse_arguments(text, "fixed[", ']', numbers, 1)) return false;
        type.kind = PF_ICEBERG_FIXED;
        type.length = numbers[0];
    }
    *out_type = type;
    return text.len > 0;
}

static bool is_id(int64_t id) {
    return id >= 0 && id <= INT32_MAX;
}

static enum pf_code read_field(pf_json *json, struct pf_arena *arena, struct pf_iceberg_field *field,
                               struct pf_error *err) {
    int64_t id;
    pf_str name;
    PF_TRY(pf_json_need_i64(json, "id", "field", &id, err));
    PF_TRY(pf_json_need_str(json, "name", "field", &name, err));
    if (!is_id(id)) PF_FAIL(err, PF_CORRUPT, "field '%.*s': id %lld", PF_STR_ARG(name), (long long)id);
    field->id = (int)id;
    field->name = name;
    field->is_required = pf_json_get_bool(json, "required", false);
    field->doc = pf_json_get_str(json, "doc", PF_STR_EMPTY);
    field->initial_default = schema_json_text(pf_json_get(json, "initial-default"), arena);
    field->write_default = schema_json_text(pf_json_get(json, "write-default"), arena);
    enum pf_code code = schema_read_type(pf_json_get(json, "type"), arena, &field->type, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "field '%.*s'", PF_STR_ARG(name));
    return PF_OK;
}

static enum pf_code read_fields(pf_json *json, struct pf_arena *arena, const struct pf_iceberg_field **out_fields,
                                size_t *out_count, struct pf_error *err) {
    pf_json *list = pf_json_get(json, "fields");
    if (!yyjson_is_arr(list)) PF_FAIL(err, PF_CORRUPT, "'fields' must be an array");
    size_t count = pf_json_count(list);
    struct pf_iceberg_field *fields = PF_ARENA_ARRAY(arena, struct pf_iceberg_field, count);
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        enum pf_code code = read_field(each.value, arena, &fields[each.index], err);
        if (code != PF_OK) return pf_error_wrap(err, PF_CORRUPT, "fields[%zu]", each.index);
    }
    *out_fields = fields;
    *out_count = count;
    return PF_OK;
}

/* The parts of lists and maps: an id, a type, and whether nulls may occur. */
static enum pf_code read_part(pf_json *json, const char *name, struct pf_arena *arena, struct pf_iceberg_field *field,
                              struct pf_error *err) {
    char key[32];
    int64_t id;
    snprintf(key, sizeof key, "%s-id", name);
    PF_TRY(pf_json_need_i64(json, key, "type", &id, err));
    if (!is_id(id)) PF_FAIL(err, PF_CORRUPT, "%s is %lld", key, (long long)id);
    snprintf(key, sizeof key, "%s-required", name);
    field->id = (int)id;
    field->name = pf_str_from_cstr(name);
    field->is_required = pf_json_get_bool(json, key, strcmp(name, "key") == 0);
    enum pf_code code = schema_read_type(pf_json_get(json, name), arena, &field->type, err);
    return code == PF_OK ? PF_OK : pf_error_wrap(err, code, "%s", name);
}

static enum pf_code read_nested_type(pf_json *json, struct pf_arena *arena, struct pf_iceberg_type *type,
                                     struct pf_error *err) {
    pf_str name;
    PF_TRY(pf_json_need_str(json, "type", "type", &name, err));
    if (pf_str_equal(name, PF_STR("struct"))) {
        type->kind = PF_ICEBERG_STRUCT;
        return read_fields(json, arena, &type->fields, &type->field_count, err);
    }
    bool is_list = pf_str_equal(name, PF_STR("list"));
    if (!is_list && !pf_str_equal(name, PF_STR("map"))) {
        PF_FAIL(err, PF_CORRUPT, "type '%.*s' is not known", PF_STR_ARG(name));
    }
    type->kind = is_list ? PF_ICEBERG_LIST : PF_ICEBERG_MAP;
    type->field_count = is_list ? 1 : 2;
    struct pf_iceberg_field *parts = PF_ARENA_ARRAY(arena, struct pf_iceberg_field, type->field_count);
    type->fields = parts;
    if (is_list) return read_part(json, "element", arena, &parts[0], err);
    PF_TRY(read_part(json, "key", arena, &parts[0], err));
    return read_part(json, "value", arena, &parts[1], err);
}

enum pf_code schema_read_type(pf_json *json, struct pf_arena *arena, const struct pf_iceberg_type **out_type,
                              struct pf_error *err) {
    struct pf_iceberg_type *type = PF_ARENA_NEW(arena, struct pf_iceberg_type);
    if (yyjson_is_str(json)) {
        pf_str text = pf_json_as_str(json, PF_STR_EMPTY);
        if (!schema_parse_primitive(text, type)) PF_FAIL(err, PF_CORRUPT, "'%.*s' is no type", PF_STR_ARG(text));
    } else {
        enum pf_code code = read_nested_type(json, arena, type, err);
        if (code != PF_OK) return code;
    }
    *out_type = type;
    return PF_OK;
}

enum pf_code schema_read(pf_json *json, struct pf_arena *arena, struct pf_iceberg_schema *out_schema,
                         struct pf_error *err) {
    struct pf_iceberg_schema schema = {0};
    int64_t id = pf_json_get_i64(json, "schema-id", 0);
    if (!yyjson_is_obj(json)) PF_FAIL(err, PF_CORRUPT, "schema must be an object");
    if (!is_id(id)) PF_FAIL(err, PF_CORRUPT, "schema-id is %lld", (long long)id);
    schema.id = (int)id;
    PF_TRY(read_fields(json, arena, &schema.fields, &schema.field_count, err));
    pf_json *list = pf_json_get(json, "identifier-field-ids");
    int *ids = PF_ARENA_ARRAY(arena, int, pf_json_count(list));
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        int64_t field_id = pf_json_as_i64(each.value, -1);
        if (!is_id(field_id)) PF_FAIL(err, PF_CORRUPT, "identifier-field-ids[%zu] is no id", each.index);
        ids[each.index] = (int)field_id;
    }
    schema.identifier_field_ids = ids;
    schema.identifier_field_count = pf_json_count(list);
    *out_schema = schema;
    return PF_OK;
}

enum pf_code schema_read_transform(pf_json *json, struct pf_arena *arena, struct pf_transform *out_transform,
                                   struct pf_error *err) {
    (void)arena;
    pf_str text;
    PF_TRY(pf_json_need_str(json, "transform", "field", &text, err));
    return pf_transform_parse(text, out_transform, err);
}

static enum pf_code read_partition_field(pf_json *json, size_t position, struct pf_arena *arena,
                                         struct pf_partition_field *field, struct pf_error *err) {
    pf_json *sources = pf_json_get(json, "source-ids");
    int64_t source_id = pf_json_get_i64(json, "source-id", -1);
    int64_t id = pf_json_get_i64(json, "field-id", FIRST_PARTITION_FIELD_ID + (int64_t)position);
    if (source_id < 0 && pf_json_count(sources)) source_id = pf_json_as_i64(yyjson_arr_get_first(sources), -1);
    if (!is_id(source_id)) PF_FAIL(err, PF_CORRUPT, "'source-id' must be a field id");
    if (!is_id(id)) PF_FAIL(err, PF_CORRUPT, "'field-id' is %lld", (long long)id);
    field->source_id = (int)source_id;
    field->field_id = (int)id;
    PF_TRY(pf_json_need_str(json, "name", "partition field", &field->name, err));
    PF_TRY(schema_read_transform(json, arena, &field->transform, err));
    if (pf_json_count(sources) > 1) field->transform.kind = PF_TRANSFORM_UNKNOWN;
    return PF_OK;
}

enum pf_code schema_read_partition_fields(pf_json *json, struct pf_arena *arena, struct pf_partition_spec *spec,
                                          struct pf_error *err) {
    if (!yyjson_is_arr(json)) PF_FAIL(err, PF_CORRUPT, "partition fields must be an array");
    size_t count = pf_json_count(json);
    struct pf_partition_field *fields = PF_ARENA_ARRAY(arena, struct pf_partition_field, count);
    for (struct pf_json_each each = pf_json_each(json); pf_json_next(&each);) {
        enum pf_code code = read_partition_field(each.value, each.index, arena, &fields[each.index], err);
        if (code != PF_OK) return pf_error_wrap(err, PF_CORRUPT, "fields[%zu]", each.index);
    }
    spec->fields = fields;
    spec->field_count = count;
    return PF_OK;
}

/* ---- writing ---- */

static void write_type(const struct pf_iceberg_type *type, struct pf_json_out *out);

static void write_fields(const struct pf_iceberg_field *fields, size_t count, struct pf_json_out *out) {
    pf_json_key(out, "fields");
    pf_json_open_array(out);
    for (size_t i = 0; i < count; i++) {
        pf_json_open_object(out);
        pf_json_field_i64(out, "id", fields[i].id);
        pf_json_field_str(out, "name", fields[i].name);
        pf_json_field_bool(out, "required", fields[i].is_required);
        pf_json_key(out, "type");
        write_type(fields[i].type, out);
        if (fields[i].doc.len) pf_json_field_str(out, "doc", fields[i].doc);
        if (fields[i].initial_default.len) {
            pf_json_key(out, "initial-default");
            pf_json_put_raw(out, fields[i].initial_default);
        }
        if (fields[i].write_default.len) {
            pf_json_key(out, "write-default");
            pf_json_put_raw(out, fields[i].write_default);
        }
        pf_json_close_object(out);
    }
    pf_json_close_array(out);
}

static void write_part(const struct pf_iceberg_field *part, const char *name, bool has_required,
                       struct pf_json_out *out) {
    char key[32];
    snprintf(key, sizeof key, "%s-id", name);
    pf_json_field_i64(out, key, part->id);
    pf_json_key(out, name);
    write_type(part->type, out);
    snprintf(key, sizeof key, "%s-required", name);
    if (has_required) pf_json_field_bool(out, key, part->is_required);
}

static void write_type(const struct pf_iceberg_type *type, struct pf_json_out *out) {
    switch (type->kind) {
    case PF_ICEBERG_STRUCT:
        pf_json_open_object(out);
        pf_json_field_str(out, "type", PF_STR("struct"));
        write_fields(type->fields, type->field_count, out);
        pf_json_close_object(out);
        break;
    case PF_ICEBERG_LIST:
        pf_json_open_object(out);
        pf_json_field_str(out, "type", PF_STR("list"));
        write_part(&type->fields[0], "element", true, out);
        pf_json_close_object(out);
        break;
    case PF_ICEBERG_MAP:
        pf_json_open_object(out);
        pf_json_field_str(out, "type", PF_STR("map"));
        write_part(&type->fields[0], "key", false, out);
        write_part(&type->fields[1], "value", true, out);
        pf_json_close_object(out);
        break;
    default: pf_json_put_str(out, type->text);
    }
}

void schema_write(const struct pf_iceberg_schema *schema, struct pf_json_out *out) {
    pf_json_open_object(out);
    pf_json_field_str(out, "type", PF_STR("struct"));
    pf_json_field_i64(out, "schema-id", schema->id);
    if (schema->identifier_field_count) {
        pf_json_key(out, "identifier-field-ids");
        pf_json_open_array(out);
        for (size_t i = 0; i < schema->identifier_field_count; i++) {
            pf_json_put_i64(out, schema->identifier_field_ids[i]);
        }
        pf_json_close_array(out);
    }
    write_fields(schema->fields, schema->field_count, out);
    pf_json_close_object(out);
}

void schema_write_partition_fields(const struct pf_partition_spec *spec, struct pf_json_out *out) {
    pf_json_open_array(out);
    for (size_t i = 0; i < spec->field_count; i++) {
        const struct pf_partition_field *field = &spec->fields[i];
        pf_json_open_object(out);
        pf_json_field_str(out, "name", field->name);
        pf_json_field_str(out, "transform", field->transform.text);
        pf_json_field_i64(out, "source-id", field->source_id);
        pf_json_field_i64(out, "field-id", field->field_id);
        pf_json_close_object(out);
    }
    pf_json_close_array(out);
}

pf_str pf_iceberg_schema_json(const struct pf_iceberg_schema *schema, struct pf_arena *arena) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_JSON_TEXT_BYTES);
    pf_json_begin(&out, &buf);
    schema_write(schema, &out);
    pf_str json = buf.failed ? PF_STR_EMPTY : pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return json;
}

enum pf_code pf_iceberg_schema_parse(pf_str json, struct pf_arena *arena, struct pf_iceberg_schema *out_schema,
                                     struct pf_error *err) {
    pf_json *root;
    PF_TRY(pf_json_parse(json, arena, "schema", &root, err));
    return schema_read(root, arena, out_schema, err);
}

/* Columns of numbers behind those of the schema. */
static const struct pf_iceberg_schema *with_numbers(const struct pf_iceberg_schema *schema, const pf_str *names,
                                                    const int *ids, size_t count, struct pf_arena *arena) {
    static const struct pf_iceberg_type number = {.kind = PF_ICEBERG_LONG, .text = {"long", 4}};
    struct pf_iceberg_schema *all = PF_ARENA_NEW(arena, struct pf_iceberg_schema);
    struct pf_iceberg_field *fields = PF_ARENA_ARRAY(arena, struct pf_iceberg_field, schema->field_count + count);
    memcpy(fields, schema->fields, schema->field_count * sizeof *fields);
    for (size_t i = 0; i < count; i++) {
        fields[schema->field_count + i] = (struct pf_iceberg_field){.id = ids[i], .name = names[i], .type = &number};
    }
    *all = *schema;
    all->fields = fields;
    all->field_count = schema->field_count + count;
    return all;
}

const struct pf_iceberg_schema *pf_iceberg_schema_with_lineage(const struct pf_iceberg_schema *schema,
                                                               struct pf_arena *arena) {
    static const int ids[] = {ROW_ID_FIELD, ROW_SEQUENCE_FIELD};
    const pf_str names[] = {PF_ROW_ID_COLUMN, PF_ROW_SEQUENCE_COLUMN};
    return with_numbers(schema, names, ids, 2, arena);
}

const struct pf_iceberg_schema *pf_iceberg_schema_with_positions(const struct pf_iceberg_schema *schema,
                                                                 struct pf_arena *arena) {
    static const int ids[] = {FILE_FIELD, POSITION_FIELD};
    const pf_str names[] = {PF_FILE_COLUMN, PF_POSITION_COLUMN};
    return with_numbers(schema, names, ids, 2, arena);
}

int64_t pf_iceberg_file_number(pf_str path) {
    uint64_t hash = pf_str_hash(path);
    return (int64_t)((hash ^ hash >> 32) * 0x9e3779b97f4a7c15u >> 1);
}
