/* SPDX-License-Identifier: MIT */
/* A condition that speaks of nothing but identity partition columns holds for all rows of a file or for none: it is asked of
 * one row a file,
 *
 *   SELECT _file_number, _pos FROM (VALUES (17, 0, CAST('2024-01-01' AS DATE)), …) AS t(_file_number, _pos, day) WHERE …
 *
 * so DuckDB decides as it would for the rows, and no data file is read. If the condition names other columns, that statement
 * can't be bound, and the rows are looked at. */
#include "icecap/whole_files.h"

#include "base/buf.h"
#include "icecap/clauses.h"

enum { MAX_SQL_BYTES = 8 << 20, MAX_FILES = 20000 };

static bool is_constant(const struct target *target, const struct pf_partition_field *field,
                        const struct pf_iceberg_field **out_column) {
    if (field->transform.kind != PF_TRANSFORM_IDENTITY) return false;
    const struct pf_iceberg_schema *schema = target->table->schema;
    for (size_t i = 0; i < schema->field_count; i++) {
        enum pf_iceberg_kind kind = schema->fields[i].type->kind;
        bool has_text = kind != PF_ICEBERG_BINARY && kind != PF_ICEBERG_FIXED;
        if (schema->fields[i].id != field->source_id || !has_text) continue;
        *out_column = &schema->fields[i];
        return true;
    }
    return false;
}

static enum pf_code put_value(struct icecap_call *call, const struct target *target,
                              const struct pf_partition_field *field, const struct pf_iceberg_field *column,
                              pf_str cell, struct pf_buf *out, struct pf_error *err) {
    pf_str type;
    PF_TRY(pf_iceberg_type_sql(column->type, call->arena, &type, err));
    pf_str text = pf_partition_value_text(target->table->metadata, field, cell, call->arena);
    pf_str value = cell.ptr ? pf_sql_quote_text(text, call->arena) : PF_STR("NULL");
    pf_buf_printf(out, ", CAST(%.*s AS %.*s)", PF_STR_ARG(value), PF_STR_ARG(type));
    return PF_OK;
}

static enum pf_code put_file(struct icecap_call *call, const struct target *target, const struct place_file *file,
                             const struct pf_partition_spec *spec, struct pf_buf *out, struct pf_error *err) {
    const struct pf_data_file *entry = file->file->entry;
    const struct pf_iceberg_field *column;
    pf_buf_printf(out, "(CAST(%lld AS BIGINT), CAST(0 AS BIGINT)", (long long)file->number);
    for (size_t i = 0; i < spec->field_count && i < entry->partition_count; i++) {
        if (!is_constant(target, &spec->fields[i], &column)) continue;
        PF_TRY(put_value(call, target, &spec->fields[i], column, entry->partition[i], out, err));
    }
    pf_buf_put_char(out, ')');
    return PF_OK;
}

static enum pf_code make_sql(struct icecap_call *call, const struct target *target, const struct places *places,
                             pf_str alias, pf_str where_sql, pf_str *out_sql, struct pf_error *err) {
    const struct pf_table_metadata *metadata = target->table->metadata;
    const struct pf_partition_spec *spec = pf_table_metadata_spec(metadata, metadata->default_spec_id);
    const struct pf_iceberg_field *column;
    struct pf_buf out;
    pf_str sql;
    pf_buf_init(&out, MAX_SQL_BYTES);
    pf_buf_put_cstr(&out, "SELECT _file_number, _pos FROM (VALUES ");
    enum pf_code code = PF_OK;
    for (size_t i = 0; i < places->list.count && code == PF_OK; i++) {
        if (i) pf_buf_put_cstr(&out, ", ");
        code = put_file(call, target, &places->files[i], spec, &out, err);
    }
    pf_buf_printf(&out, ") AS %.*s(_file_number, _pos", PF_STR_ARG(alias));
    for (size_t i = 0; i < spec->field_count; i++) {
        if (!is_constant(target, &spec->fields[i], &column)) continue;
        pf_buf_printf(&out, ", %.*s", PF_STR_ARG(pf_sql_quote_name(column->name, call->arena)));
    }
    pf_buf_printf(&out, ") WHERE (%.*s\n)", PF_STR_ARG(where_sql));
    if (code == PF_OK) code = pf_buf_finish(&out, "the condition of a statement", &sql, err);
    if (code == PF_OK) *out_sql = pf_arena_str(call->arena, sql);
    pf_buf_clear(&out);
    return code;
}

/* All files are of the spec of now, with values for its identity fields, and no row of them was deleted before. */
static bool may_ask(const struct target *target, const struct places *places) {
    const struct pf_table_metadata *metadata = target->table->metadata;
    const struct pf_partition_spec *spec = pf_table_metadata_spec(metadata, metadata->default_spec_id);
    const struct pf_iceberg_field *column;
    bool has_constant = false;
    for (size_t i = 0; spec && i < spec->field_count; i++) {
        has_constant = has_constant || is_constant(target, &spec->fields[i], &column);
    }
    if (!has_constant || !places->list.count || places->list.count > MAX_FILES) return false;
    for (size_t i = 0; i < places->list.count; i++) {
        const struct pf_data_file *entry = places->files[i].file->entry;
        if (entry->spec_id != spec->id || entry->partition_count != spec->field_count) return false;
    }
    return true;
}

enum pf_code whole_files_find(struct icecap_call *call, const struct target *target, const struct places *places,
                              pf_str alias, pf_str where_sql, struct places *out_found, bool *out_is_known,
                              struct pf_error *err) {
    const struct pf_column *columns;
    size_t count;
    pf_str sql;
    struct pf_error not_bound;
    *out_is_known = false;
    if (!where_sql.len || !may_ask(target, places)) return PF_OK;
    PF_TRY(make_sql(call, target, places, alias, where_sql, &sql, err));
    enum pf_code code = pf_query_bind(call->query, sql, &columns, &count, &not_bound);
    if (code == PF_INVALID || code == PF_UNSUPPORTED) return PF_OK;
    if (code != PF_OK && err) *err = not_bound;
    PF_TRY(code);
    if (clause_find_volatile(pf_query_functions(call->query)).len) return PF_OK;
    struct places found;
    PF_TRY(places_open(call, target->table, &found, err));
    PF_TRY(places_read(call, &found, err));
    for (size_t i = 0; i < found.list.count; i++) {
        if (found.files[i].rows && found.files[i].file->delete_count) return PF_OK; /* how many rows are left there? */
    }
    *out_found = found;
    *out_is_known = true;
    return PF_OK;
}
