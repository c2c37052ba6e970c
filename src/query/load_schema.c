/* SPDX-License-Identifier: MIT */
/* Do columns of files fit a table?
 *
 * By name. A column fits if every value of its type is one of the table's type (int into long, decimal(9,2) into
 * decimal(12,2)). A column that the files lack becomes NULL where that is allowed; one that the table lacks is an
 * error, so that nothing is dropped in silence. */
#include "query/load.h"

#include "base/buf.h"
#include "query/task.h"

/* ---- types ---- */

static bool type_fits(const struct pf_iceberg_type *from, const struct pf_iceberg_type *to);

static int digits_of(const struct pf_iceberg_type *type) {
    return type->kind == PF_ICEBERG_INT ? 10 : type->kind == PF_ICEBERG_LONG ? 19 : type->precision;
}

static bool number_fits(const struct pf_iceberg_type *from, const struct pf_iceberg_type *to) {
    bool is_whole = from->kind == PF_ICEBERG_INT || from->kind == PF_ICEBERG_LONG;
    switch (to->kind) {
    case PF_ICEBERG_LONG: return from->kind == PF_ICEBERG_INT;
    case PF_ICEBERG_DOUBLE: return from->kind == PF_ICEBERG_INT || from->kind == PF_ICEBERG_FLOAT;
    case PF_ICEBERG_DECIMAL: {
        if (!is_whole && from->kind != PF_ICEBERG_DECIMAL) return false;
        int scale = is_whole ? 0 : from->scale;
        return to->scale >= scale && to->precision - to->scale >= digits_of(from) - scale;
    }
    default: return false;
    }
}

static bool fields_fit(const struct pf_iceberg_type *from, const struct pf_iceberg_type *to) {
    if (from->field_count != to->field_count) return false;
    for (size_t i = 0; i < from->field_count; i++) {
        const struct pf_iceberg_field *other = NULL;
        for (size_t k = 0; k < to->field_count && !other; k++) {
            if (pf_str_equal_nocase(from->fields[i].name, to->fields[k].name)) other = &to->fields[k];
        }
        if (!other || !type_fits(from->fields[i].type, other->type)) return false;
    }
    return true;
}

static bool type_fits(const struct pf_iceberg_type *from, const struct pf_iceberg_type *to) {
    if (from->kind == PF_ICEBERG_UNKNOWN) return true;
    if (from->kind != to->kind) {
        bool is_finer = (from->kind == PF_ICEBERG_DATE && to->kind == PF_ICEBERG_TIMESTAMP) ||
                        (from->kind == PF_ICEBERG_FIXED && to->kind == PF_ICEBERG_BINARY);
        return is_finer || number_fits(from, to);
    }
    switch (from->kind) {
    case PF_ICEBERG_DECIMAL: return number_fits(from, to);
    case PF_ICEBERG_FIXED: return from->length == to->length;
    case PF_ICEBERG_STRUCT: return fields_fit(from, to);
    case PF_ICEBERG_LIST: return type_fits(from->fields[0].type, to->fields[0].type);
    case PF_ICEBERG_MAP:
        return type_fits(from->fields[0].type, to->fields[0].type) &&
               type_fits(from->fields[1].type, to->fields[1].type);
    case PF_ICEBERG_OTHER: return false;
    default: return true;
    }
}

/* ---- columns ---- */

static const struct pf_sql_column *find_column(const struct load_columns *columns, pf_str name) {
    const struct pf_sql_column *found = NULL;
    for (size_t i = 0; i < columns->count; i++) {
        if (pf_str_equal(columns->items[i].name, name)) return &columns->items[i];
        if (!found && pf_str_equal_nocase(columns->items[i].name, name)) found = &columns->items[i];
    }
    return found;
}

enum pf_code load_wish_columns(const struct load_columns *found, const struct pf_iceberg_schema *schema,
                               struct pf_arena *arena, struct load_columns *out_columns, struct pf_error *err) {
    struct load_columns wished = {PF_ARENA_ARRAY(arena, struct pf_sql_column, found->count), found->count};
    for (size_t i = 0; i < found->count; i++) {
        wished.items[i] = found->items[i];
        const struct pf_iceberg_field *field = pf_iceberg_schema_find(schema, found->items[i].name);
        if (field) PF_TRY(pf_iceberg_type_sql(field->type, arena, &wished.items[i].type, err));
    }
    *out_columns = wished;
    return PF_OK;
}

static enum pf_code check_no_column_is_left(const struct load_columns *found, const struct pf_iceberg_schema *schema,
                                            pf_str table_name, struct pf_error *err) {
    for (size_t i = 0; i < found->count; i++) {
        pf_str name = found->items[i].name;
        if (pf_iceberg_schema_find(schema, name)) continue;
        PF_FAIL(err, PF_INVALID, "table %.*s has no column '%.*s', the files do; add it to the table or leave it out",
                PF_STR_ARG(table_name), PF_STR_ARG(name));
    }
    return PF_OK;
}

static enum pf_code check_fits(const struct pf_sql_column *column, const struct pf_iceberg_field *field,
                               pf_str table_name, struct pf_arena *arena, struct pf_error *err) {
    struct pf_iceberg_schema one;
    int last_id = 0;
    PF_TRY(pf_iceberg_schema_from_sql(column, 1, arena, &one, &last_id, err));
    if (type_fits(one.fields[0].type, field->type)) return PF_OK;
    pf_str wanted;
    PF_TRY(pf_iceberg_type_sql(field->type, arena, &wanted, err));
    PF_FAIL(err, PF_INVALID, "column '%.*s' of the files is %.*s, which does not fit %.*s of table %.*s without loss",
            PF_STR_ARG(column->name), PF_STR_ARG(column->type), PF_STR_ARG(wanted), PF_STR_ARG(table_name));
}

/* The expression for one column of the table. */
static enum pf_code put_column(struct pf_buf *sql, const struct load_columns *found,
                               const struct pf_iceberg_field *field, pf_str table_name, struct pf_arena *arena,
                               struct pf_error *err) {
    pf_str type, name = pf_sql_quote_name(field->name, arena);
    PF_TRY(pf_iceberg_type_sql(field->type, arena, &type, err));
    const struct pf_sql_column *column = find_column(found, field->name);
    if (column) {
        PF_TRY(check_fits(column, field, table_name, arena, err));
        pf_buf_printf(sql, "CAST(%.*s AS %.*s) AS %.*s", PF_STR_ARG(pf_sql_quote_name(column->name, arena)),
                      PF_STR_ARG(type), PF_STR_ARG(name));
        return PF_OK;
    }
    if (field->is_required) {
        PF_FAIL(err, PF_INVALID, "the files have no column '%.*s', which table %.*s requires", PF_STR_ARG(field->name),
                PF_STR_ARG(table_name));
    }
    if (field->write_default.len) {
        PF_FAIL(err, PF_UNSUPPORTED,
                "the files have no column '%.*s'; filling in the default of table %.*s is not supported",
                PF_STR_ARG(field->name), PF_STR_ARG(table_name));
    }
    pf_buf_printf(sql, "CAST(NULL AS %.*s) AS %.*s", PF_STR_ARG(type), PF_STR_ARG(name));
    return PF_OK;
}

enum pf_code load_select_sql(const struct load_columns *found, const struct pf_iceberg_schema *schema,
                             pf_str table_name, pf_str reader_sql, struct pf_arena *arena, pf_str *out_sql,
                             struct pf_error *err) {
    PF_TRY(check_no_column_is_left(found, schema, table_name, err));
    struct pf_buf sql;
    pf_buf_init(&sql, SIZE_MAX / 2);
    pf_buf_put_cstr(&sql, "SELECT ");
    enum pf_code code = PF_OK;
    for (size_t i = 0; code == PF_OK && i < schema->field_count; i++) {
        if (i) pf_buf_put_cstr(&sql, ", ");
        code = put_column(&sql, found, &schema->fields[i], table_name, arena, err);
    }
    pf_buf_printf(&sql, " FROM %.*s", PF_STR_ARG(reader_sql));
    if (code == PF_OK) *out_sql = pf_arena_str(arena, pf_buf_view(&sql));
    pf_buf_clear(&sql);
    return code;
}
