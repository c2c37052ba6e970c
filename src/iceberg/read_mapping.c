/* SPDX-License-Identifier: MIT */
/* How DuckDB's read_parquet has to be told which columns a table has, when its files were written under several
 * schemas.
 *
 * By name is right as long as all schemas of the table have the same columns, and their names are Avro names as well:
 * Iceberg's Java library and PyIceberg change others in Parquet files ("a b" into "a_x20b"). Otherwise by field id,
 * `schema := MAP{id: {name, type, default_value}}`, which has its own limits in DuckDB 1.5: what is inside a nested
 * column is matched by name (a renamed field would be null), all defaults must be of one type (so they are text), and a
 * file without field ids would give nulls. Where these bite, by file: file_columns.c. */
#include "iceberg/schema.h"

#include <string.h>

enum { MAX_MAPPING_BYTES = 64 << 20 };
static const pf_str name_mapping_property = {"schema.name-mapping.default", 27};

static const struct pf_iceberg_field *top_level_id(const struct pf_iceberg_schema *schema, int id) {
    for (size_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].id == id) return &schema->fields[i];
    }
    return NULL;
}

/* May files written under `other` be read by name for this field? Compares names as DuckDB does, without case: a column
 * of another id under a like name would be taken for it. */
static bool is_same_under(const struct pf_iceberg_schema *other, const struct pf_iceberg_field *field) {
    const struct pf_iceberg_field *there = top_level_id(other, field->id);
    if (!there || !pf_str_equal(there->name, field->name) || !schema_types_equal(there->type, field->type))
        return false;
    for (size_t i = 0; i < other->field_count; i++) {
        if (other->fields[i].id != field->id && pf_str_equal_nocase(other->fields[i].name, field->name)) return false;
    }
    return true;
}

static bool is_wanted(const struct pf_iceberg_field *field, const pf_str *wanted, size_t count) {
    if (!wanted) return true;
    for (size_t i = 0; i < count; i++) {
        if (pf_str_equal_nocase(wanted[i], field->name)) return true;
    }
    return false;
}

/* A column that some schema had and the read one hasn't must not hide in files either: read_parquet takes the columns
 * of the first file and asks every other file for them. */
static bool has_same_columns(const struct pf_iceberg_schema *a, const struct pf_iceberg_schema *b) {
    if (a->field_count != b->field_count) return false;
    for (size_t i = 0; i < a->field_count; i++) {
        if (!is_same_under(b, &a->fields[i])) return false;
    }
    return true;
}

static void put_text(pf_str text, struct pf_buf *out) {
    pf_buf_put_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\'') pf_buf_put_char(out, '\'');
        pf_buf_put_char(out, text.ptr[i]);
    }
    pf_buf_put_char(out, '\'');
}

/* Blobs as DuckDB casts them from text: every byte as \xAB. The JSON single value is hexadecimal. */
static void put_blob_default(pf_str hex, struct pf_buf *out) {
    pf_buf_put_char(out, '\'');
    for (size_t i = 0; i + 1 < hex.len; i += 2) {
        pf_buf_put_cstr(out, "\\x");
        pf_buf_put(out, hex.ptr + i, 2);
    }
    pf_buf_put_char(out, '\'');
}

enum pf_code schema_default_text(const struct pf_iceberg_field *field, struct pf_arena *arena, pf_str *out_sql,
                                 struct pf_error *err) {
    pf_json *value = NULL;
    struct pf_buf sql;
    PF_TRY(pf_json_parse(field->initial_default, arena, "initial-default", &value, err));
    pf_str text = yyjson_is_str(value) ? pf_json_as_str(value, PF_STR_EMPTY) : field->initial_default;
    pf_buf_init(&sql, MAX_MAPPING_BYTES);
    if (field->type->kind == PF_ICEBERG_BINARY || field->type->kind == PF_ICEBERG_FIXED) {
        put_blob_default(text, &sql);
    } else {
        put_text(text, &sql);
    }
    *out_sql = pf_arena_str(arena, pf_buf_view(&sql));
    pf_buf_clear(&sql);
    return PF_OK;
}

static enum pf_code put_default(const struct pf_iceberg_field *field, struct pf_arena *arena, struct pf_buf *out,
                                struct pf_error *err) {
    pf_str text = PF_STR("NULL::VARCHAR");
    bool has_default = field->initial_default.len && !pf_str_equal(field->initial_default, PF_STR("null"));
    if (has_default) PF_TRY(schema_default_text(field, arena, &text, err));
    pf_buf_put_str(out, text);
    return PF_OK;
}

/* The same type, down to the last name, in all schemas that have the column. */
static bool never_changed(const struct pf_table_metadata *metadata, const struct pf_iceberg_field *field) {
    for (size_t i = 0; i < metadata->schema_count; i++) {
        const struct pf_iceberg_field *there = top_level_id(&metadata->schemas[i], field->id);
        if (there && !schema_types_equal(there->type, field->type)) return false;
    }
    return true;
}

static bool is_avro_name(pf_str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && !(i > 0 && c >= '0' && c <= '9')) return false;
    }
    return name.len > 0;
}

static bool has_avro_names_inside(const struct pf_iceberg_type *type) {
    for (size_t i = 0; i < type->field_count; i++) {
        if (!is_avro_name(type->fields[i].name) || !has_avro_names_inside(type->fields[i].type)) return false;
    }
    return true;
}

static bool has_plain_names(const struct pf_iceberg_schema *schema) {
    for (size_t i = 0; i < schema->field_count; i++) {
        if (!is_avro_name(schema->fields[i].name) || !has_avro_names_inside(schema->fields[i].type)) return false;
    }
    return true;
}

/* What is inside is matched by name: it must be there under the same name in all files. */
static bool can_be_read_by_id(const struct pf_table_metadata *metadata, const struct pf_iceberg_field *field) {
    return field->type->field_count == 0 || (has_avro_names_inside(field->type) && never_changed(metadata, field));
}

pf_str pf_iceberg_name_mapping(const struct pf_table_metadata *metadata) {
    return pf_table_metadata_property(metadata, name_mapping_property, PF_STR_EMPTY);
}

static enum pf_code put_field(const struct pf_iceberg_field *field, struct pf_arena *arena, struct pf_buf *out,
                              struct pf_error *err) {
    pf_str sql;
    enum pf_code code = pf_iceberg_type_sql(field->type, arena, &sql, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "column %.*s", PF_STR_ARG(field->name));
    pf_buf_printf(out, "%d: {name: ", field->id);
    put_text(field->name, out);
    pf_buf_put_cstr(out, ", type: ");
    put_text(sql, out);
    pf_buf_put_cstr(out, ", default_value: ");
    PF_TRY(put_default(field, arena, out, err));
    pf_buf_put_char(out, '}');
    return PF_OK;
}

static enum pf_code put_mapping(const struct pf_iceberg_schema *schema, const pf_str *wanted, size_t wanted_count,
                                struct pf_arena *arena, struct pf_buf *out, struct pf_error *err) {
    size_t used = 0;
    pf_buf_put_cstr(out, "MAP{");
    for (size_t i = 0; i < schema->field_count; i++) {
        if (!is_wanted(&schema->fields[i], wanted, wanted_count)) continue;
        if (used++) pf_buf_put_cstr(out, ", ");
        PF_TRY(put_field(&schema->fields[i], arena, out, err));
    }
    /* Rows are counted even when no column is asked for. */
    for (size_t i = 0; i < schema->field_count && used == 0; i++) {
        if (schema->fields[i].type->field_count) continue;
        used++;
        PF_TRY(put_field(&schema->fields[i], arena, out, err));
    }
    pf_buf_put_char(out, '}');
    return PF_OK;
}

pf_str pf_iceberg_dropped_column_name(int id, struct pf_arena *arena) {
    return pf_arena_printf(arena, "pf_dropped_%d", id);
}

static const struct pf_iceberg_field *newest_field(const struct pf_table_metadata *metadata, int id) {
    for (size_t i = metadata->schema_count; i > 0; i--) {
        const struct pf_iceberg_field *field = top_level_id(&metadata->schemas[i - 1], id);
        if (field) return field;
    }
    return NULL;
}

enum pf_code pf_iceberg_read_mapping_dropped(const struct pf_table_metadata *metadata,
                                             const struct pf_iceberg_schema *schema, const int *dropped_ids,
                                             size_t dropped_count, struct pf_arena *arena,
                                             struct pf_read_mapping *out_mapping, struct pf_error *err) {
    struct pf_iceberg_schema all = *schema;
    struct pf_iceberg_field *fields =
        PF_ARENA_ARRAY(arena, struct pf_iceberg_field, schema->field_count + dropped_count);
    memcpy(fields, schema->fields, schema->field_count * sizeof *fields);
    for (size_t i = 0; i < dropped_count; i++) {
        const struct pf_iceberg_field *field = newest_field(metadata, dropped_ids[i]);
        if (!field) PF_FAIL(err, PF_CORRUPT, "no schema of the table has field %d", dropped_ids[i]);
        fields[all.field_count] = *field;
        fields[all.field_count++].name = pf_iceberg_dropped_column_name(dropped_ids[i], arena);
    }
    all.fields = fields;
    return pf_iceberg_read_mapping(metadata, &all, NULL, 0, arena, out_mapping, err);
}

enum pf_code pf_iceberg_read_mapping(const struct pf_table_metadata *metadata, const struct pf_iceberg_schema *schema,
                                     const pf_str *wanted, size_t wanted_count, struct pf_arena *arena,
                                     struct pf_read_mapping *out_mapping, struct pf_error *err) {
    struct pf_read_mapping mapping = {.is_by_name = true};
    struct pf_buf buf;
    pf_str sql;
    for (size_t i = 0; i < metadata->schema_count; i++) {
        if (!has_same_columns(schema, &metadata->schemas[i])) mapping.is_by_name = false;
    }
    bool may_lack_ids = pf_iceberg_name_mapping(metadata).len > 0;
    mapping.is_by_name = mapping.is_by_name && !may_lack_ids && has_plain_names(schema);
    mapping.is_by_file = may_lack_ids;
    for (size_t i = 0; i < schema->field_count && !mapping.is_by_name; i++) {
        bool is_read = is_wanted(&schema->fields[i], wanted, wanted_count);
        if (is_read && !can_be_read_by_id(metadata, &schema->fields[i])) mapping.is_by_file = true;
    }
    if (mapping.is_by_name || mapping.is_by_file) {
        *out_mapping = mapping;
        return PF_OK;
    }
    pf_buf_init(&buf, MAX_MAPPING_BYTES);
    enum pf_code code = put_mapping(schema, wanted, wanted_count, arena, &buf, err);
    if (code == PF_OK) code = pf_buf_finish(&buf, "column mapping", &sql, err);
    if (code == PF_OK) mapping.schema_sql = pf_arena_str(arena, sql);
    pf_buf_clear(&buf);
    if (code == PF_OK) *out_mapping = mapping;
    return code;
}
