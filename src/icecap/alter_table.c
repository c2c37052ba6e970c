/* SPDX-License-Identifier: MIT */
/* ALTER TABLE [IF EXISTS] t
 *     RENAME TO name | SET (key = value, …) | RESET (key, …) | SET PARTITIONED BY (…) | SET SORTED BY (…)
 *     | ADD [COLUMN] a TYPE | DROP [COLUMN] a | RENAME [COLUMN] a TO b | ALTER [COLUMN] a {TYPE t | DROP NOT NULL}
 *     | CREATE BRANCH|TAG name [AS OF VERSION n] | DROP BRANCH|TAG name
 *
 * Each is one commit of the updates that the REST protocol has, checked against the table that was looked at. */
#include "icecap/define.h"
#include "icecap/statement.h"

#include "base/buf.h"

enum { MAX_UPDATES_BYTES = 16 << 20 };

enum alteration {
    ALTER_RENAME,
    ALTER_SET,
    ALTER_RESET,
    ALTER_PARTITIONS,
    ALTER_ORDER,
    ALTER_ADD,
    ALTER_DROP,
    ALTER_RENAME_COLUMN,
    ALTER_TYPE,
    ALTER_NULLABLE,
    ALTER_MAKE_REF,
    ALTER_DROP_REF
};

struct alter_table {
    struct head_name table;
    bool if_exists, is_tag, has_version;
    enum alteration kind;
    struct define_properties properties; /* SET; RESET: their keys */
    struct define_terms terms;
    struct define_column column; /* ADD; its name: of the other changes of a column, and of a ref */
    pf_str new_name;
    int64_t version;
};

/* ---- parse ---- */

static enum pf_code parse_keys(struct head *head, struct define_properties *properties, struct pf_error *err) {
    size_t capacity = 0;
    PF_TRY(head_need_symbol(head, '(', err));
    do {
        struct pf_property property = {0};
        if (head->token.kind == PF_SQL_STRING) {
            PF_TRY(head_need_text(head, "the key of a property", &property.key, err));
        } else if (head->token.kind == PF_SQL_QUOTED_NAME) {
            PF_TRY(head_need_name(head, "the key of a property", &property.key, err));
        } else {
            property.key = head_take_until(head, NULL);
        }
        if (!property.key.len) return head_fail(head, "the key of a property", err);
        PF_ARENA_PUSH(head->arena, properties->items, properties->count, capacity) = property;
    } while (head_take_symbol(head, ','));
    return head_need_symbol(head, ')', err);
}

static enum pf_code parse_set(struct head *head, struct alter_table *alter, struct pf_error *err) {
    if (head_take_words(head, "partitioned by")) {
        alter->kind = ALTER_PARTITIONS;
        return define_parse_terms(head, false, &alter->terms, err);
    }
    if (head_take_words(head, "sorted by")) {
        alter->kind = ALTER_ORDER;
        return define_parse_terms(head, true, &alter->terms, err);
    }
    alter->kind = ALTER_SET;
    return define_parse_properties(head, &alter->properties, err);
}

static bool take_ref(struct head *head, struct alter_table *alter) {
    alter->is_tag = head_take(head, "tag");
    return alter->is_tag || head_take(head, "branch");
}

static enum pf_code parse_make_ref(struct head *head, struct alter_table *alter, struct pf_error *err) {
    alter->kind = ALTER_MAKE_REF;
    if (!take_ref(head, alter)) return head_fail(head, "BRANCH or TAG", err);
    PF_TRY(head_need_name(head, "a name", &alter->column.name, err));
    alter->has_version = head_take_words(head, "as of version");
    return alter->has_version ? head_need_number(head, "the id of a snapshot", &alter->version, err) : PF_OK;
}

static enum pf_code parse_alter_column(struct head *head, struct alter_table *alter, struct pf_error *err) {
    (void)head_take(head, "column");
    PF_TRY(head_need_name(head, "the name of a column", &alter->column.name, err));
    if (head_take_words(head, "drop not null")) {
        alter->kind = ALTER_NULLABLE;
        return PF_OK;
    }
    if (head_take_words(head, "set not null")) {
        PF_FAIL(err, PF_UNSUPPORTED, "SET NOT NULL is not supported: rows that the table has had may have NULLs");
    }
    alter->kind = ALTER_TYPE;
    (void)head_take_words(head, "set data");
    PF_TRY(head_need(head, "type", err));
    return define_parse_type(head, &alter->column.type, err);
}

static enum pf_code parse_rename(struct head *head, struct alter_table *alter, struct pf_error *err) {
    alter->kind = ALTER_RENAME;
    if (!head_take(head, "to")) {
        alter->kind = ALTER_RENAME_COLUMN;
        (void)head_take(head, "column");
        PF_TRY(head_need_name(head, "the name of a column", &alter->column.name, err));
        PF_TRY(head_need(head, "to", err));
    }
    return head_need_name(head, "a new name", &alter->new_name, err);
}

static enum pf_code parse_drop(struct head *head, struct alter_table *alter, struct pf_error *err) {
    alter->kind = take_ref(head, alter) ? ALTER_DROP_REF : ALTER_DROP;
    if (alter->kind == ALTER_DROP) (void)head_take(head, "column");
    return head_need_name(head, "a name", &alter->column.name, err);
}

static enum pf_code parse(struct head *head, void **out_parsed, struct pf_error *err) {
    struct alter_table *alter = PF_ARENA_NEW(head->arena, struct alter_table);
    enum pf_code code;
    PF_TRY(head_need(head, "alter table", err));
    alter->if_exists = head_take_words(head, "if exists");
    PF_TRY(head_need_table(head, &alter->table, err));
    if (head_take(head, "rename")) {
        code = parse_rename(head, alter, err);
    } else if (head_take(head, "set")) {
        code = parse_set(head, alter, err);
    } else if (head_take(head, "reset")) {
        alter->kind = ALTER_RESET;
        code = parse_keys(head, &alter->properties, err);
    } else if (head_take(head, "add")) {
        alter->kind = ALTER_ADD;
        (void)head_take(head, "column");
        code = define_parse_column(head, &alter->column, err);
    } else if (head_take(head, "drop")) {
        code = parse_drop(head, alter, err);
    } else if (head_take(head, "alter")) {
        code = parse_alter_column(head, alter, err);
    } else if (head_take(head, "create")) {
        code = parse_make_ref(head, alter, err);
    } else {
        code = head_fail(head, "RENAME, SET, RESET, ADD, DROP, ALTER or CREATE", err);
    }
    PF_TRY(code);
    *out_parsed = alter;
    return head_need_end(head, err);
}

/* ---- columns ---- */

static enum pf_code find_column(const struct pf_table *table, pf_str name, size_t *out_at, struct pf_error *err) {
    const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(table->metadata);
    const struct pf_iceberg_field *field = pf_iceberg_schema_find(schema, name);
    if (!field) {
        PF_FAIL(err, PF_INVALID, "table %.*s has no column '%.*s'", PF_STR_ARG(table->full_name), PF_STR_ARG(name));
    }
    *out_at = (size_t)(field - schema->fields);
    return PF_OK;
}

static enum pf_code check_is_new(const struct pf_table *table, pf_str name, struct pf_error *err) {
    if (!pf_iceberg_schema_find(pf_table_metadata_current_schema(table->metadata), name)) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "table %.*s has a column '%.*s' already", PF_STR_ARG(table->full_name), PF_STR_ARG(name));
}

/* Partitions and orders that use a column would be left without it. */
static enum pf_code check_is_unused(const struct pf_table *table, const struct pf_iceberg_field *field,
                                    struct pf_error *err) {
    const struct pf_table_metadata *metadata = table->metadata;
    const struct pf_partition_spec *spec = pf_table_metadata_spec(metadata, metadata->default_spec_id);
    bool is_used = false;
    for (size_t i = 0; spec && i < spec->field_count; i++) is_used |= spec->fields[i].source_id == field->id;
    for (size_t i = 0; i < metadata->sort_order_count; i++) {
        const struct pf_sort_order *order = &metadata->sort_orders[i];
        for (size_t k = 0; order->id == metadata->default_sort_order_id && k < order->field_count; k++) {
            is_used |= order->fields[k].source_id == field->id;
        }
    }
    if (!is_used) return PF_OK;
    PF_FAIL(err, PF_CONFLICT, "column '%.*s' is in the partitions or the order of table %.*s: change those first",
            PF_STR_ARG(field->name), PF_STR_ARG(table->full_name));
}

/* Field ids go on from the last that the table has given. */
static const struct pf_iceberg_field *with_next_ids(const struct pf_iceberg_field *fields, size_t count, int last_id,
                                                    struct pf_arena *arena) {
    struct pf_iceberg_field *shifted = PF_ARENA_ARRAY(arena, struct pf_iceberg_field, count);
    for (size_t i = 0; i < count; i++) {
        shifted[i] = fields[i];
        shifted[i].id += last_id;
        if (!fields[i].type->field_count) continue;
        struct pf_iceberg_type *type = PF_ARENA_NEW(arena, struct pf_iceberg_type);
        *type = *fields[i].type;
        type->fields = with_next_ids(type->fields, type->field_count, last_id, arena);
        shifted[i].type = type;
    }
    return shifted;
}

static enum pf_code field_of(const struct define_column *column, int last_id, struct pf_arena *arena,
                             struct pf_iceberg_field *out_field, struct pf_error *err) {
    struct pf_sql_column one = {.name = column->name, .type = column->type};
    struct pf_iceberg_schema schema;
    int last = 0;
    PF_TRY(pf_iceberg_schema_from_sql(&one, 1, arena, &schema, &last, err));
    *out_field = with_next_ids(schema.fields, 1, last_id, arena)[0];
    return PF_OK;
}

/* What old files can be read as (spec, Schema Evolution). */
static bool is_promotion(const struct pf_iceberg_type *from, const struct pf_iceberg_type *to) {
    if (from->kind == PF_ICEBERG_INT) return to->kind == PF_ICEBERG_INT || to->kind == PF_ICEBERG_LONG;
    if (from->kind == PF_ICEBERG_FLOAT) return to->kind == PF_ICEBERG_FLOAT || to->kind == PF_ICEBERG_DOUBLE;
    if (from->kind == PF_ICEBERG_DECIMAL) {
        return to->kind == PF_ICEBERG_DECIMAL && to->scale == from->scale && to->precision >= from->precision;
    }
    return from->kind == to->kind && from->field_count == 0;
}

static enum pf_code change_type(struct icecap_call *call, const struct alter_table *alter,
                                struct pf_iceberg_field *field, struct pf_error *err) {
    struct pf_iceberg_field wanted;
    PF_TRY(field_of(&alter->column, 0, call->arena, &wanted, err));
    if (!is_promotion(field->type, wanted.type)) {
        PF_FAIL(err, PF_UNSUPPORTED,
                "column '%.*s' can't become %.*s: INTEGER becomes BIGINT, FLOAT DOUBLE, and DECIMAL gets more digits",
                PF_STR_ARG(field->name), PF_STR_ARG(alter->column.type));
    }
    field->type = wanted.type;
    return PF_OK;
}

static enum pf_code add_column(struct icecap_call *call, const struct alter_table *alter, const struct pf_table *table,
                               struct pf_iceberg_field *out_field, struct pf_error *err) {
    PF_TRY(check_is_new(table, alter->column.name, err));
    if (alter->column.is_required || alter->column.default_sql.len) {
        PF_FAIL(err, PF_UNSUPPORTED,
                "a new column can't be NOT NULL or have a DEFAULT: the rows that are there have NULL");
    }
    return field_of(&alter->column, table->metadata->last_column_id, call->arena, out_field, err);
}

/* The schema after the change. */
static enum pf_code change_columns(struct icecap_call *call, const struct alter_table *alter,
                                   const struct pf_table *table, struct pf_iceberg_schema *out_schema,
                                   struct pf_error *err) {
    const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(table->metadata);
    size_t count = schema->field_count, at = 0;
    struct pf_iceberg_field *fields = PF_ARENA_ARRAY(call->arena, struct pf_iceberg_field, count + 1);
    for (size_t i = 0; i < count; i++) fields[i] = schema->fields[i];
    if (alter->kind != ALTER_ADD) PF_TRY(find_column(table, alter->column.name, &at, err));
    switch (alter->kind) {
    case ALTER_ADD: PF_TRY(add_column(call, alter, table, &fields[count++], err)); break;
    case ALTER_DROP:
        PF_TRY(check_is_unused(table, &fields[at], err));
        for (size_t i = at; i + 1 < count; i++) fields[i] = fields[i + 1];
        count--;
        break;
    case ALTER_RENAME_COLUMN:
        PF_TRY(check_is_new(table, alter->new_name, err));
        fields[at].name = alter->new_name;
        break;
    case ALTER_TYPE: PF_TRY(change_type(call, alter, &fields[at], err)); break;
    default: fields[at].is_required = false;
    }
    if (count == 0) PF_FAIL(err, PF_INVALID, "the last column of a table can't be dropped: DROP TABLE");
    *out_schema = *schema;
    out_schema->fields = fields;
    out_schema->field_count = count;
    return PF_OK;
}

/* ---- updates ---- */

static void begin_update(struct pf_json_out *out, const char *action) {
    pf_json_open_object(out);
    pf_json_field_str(out, "action", pf_str_from_cstr(action));
}

static void put_use_last(struct pf_json_out *out, const char *action, const char *key) {
    begin_update(out, action);
    pf_json_field_i64(out, key, -1);
    pf_json_close_object(out);
}

static enum pf_code put_terms(struct pf_json_out *out, const struct alter_table *alter, const struct pf_table *table,
                              struct pf_error *err) {
    const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(table->metadata);
    bool is_order = alter->kind == ALTER_ORDER;
    begin_update(out, is_order ? "add-sort-order" : "add-spec");
    pf_json_key(out, is_order ? "sort-order" : "spec");
    pf_json_open_object(out);
    pf_json_field_i64(out, is_order ? "order-id" : "spec-id", is_order && !alter->terms.count ? 0 : 1);
    PF_TRY(is_order ? define_put_sort_fields(out, &alter->terms, schema, err)
                    : define_put_partition_fields(out, &alter->terms, schema, err));
    pf_json_close_object(out);
    pf_json_close_object(out);
    put_use_last(out, is_order ? "set-default-sort-order" : "set-default-spec", is_order ? "sort-order-id" : "spec-id");
    return PF_OK;
}

static void put_properties(struct pf_json_out *out, const struct alter_table *alter) {
    bool is_set = alter->kind == ALTER_SET;
    begin_update(out, is_set ? "set-properties" : "remove-properties");
    pf_json_key(out, is_set ? "updates" : "removals");
    if (is_set) {
        pf_json_open_object(out);
    } else {
        pf_json_open_array(out);
    }
    for (size_t i = 0; i < alter->properties.count; i++) {
        if (is_set) pf_json_put_key(out, alter->properties.items[i].key);
        pf_json_put_str(out, is_set ? alter->properties.items[i].value : alter->properties.items[i].key);
    }
    if (is_set) {
        pf_json_close_object(out);
    } else {
        pf_json_close_array(out);
    }
    pf_json_close_object(out);
}

static enum pf_code put_ref(struct pf_json_out *out, const struct alter_table *alter, const struct pf_table *table,
                            struct pf_error *err) {
    begin_update(out, alter->kind == ALTER_MAKE_REF ? "set-snapshot-ref" : "remove-snapshot-ref");
    pf_json_field_str(out, "ref-name", alter->column.name);
    if (alter->kind == ALTER_MAKE_REF) {
        int64_t version = alter->has_version ? alter->version : table->metadata->current_snapshot_id;
        if (pf_table_metadata_snapshot(table->metadata, version) == NULL) {
            PF_FAIL(err, PF_NOT_FOUND, "table %.*s has no snapshot%s to give a name to", PF_STR_ARG(table->full_name),
                    alter->has_version ? " of that id" : "");
        }
        pf_json_field_str(out, "type", alter->is_tag ? PF_STR("tag") : PF_STR("branch"));
        pf_json_field_i64(out, "snapshot-id", version);
    }
    pf_json_close_object(out);
    return PF_OK;
}

static enum pf_code put_updates(struct icecap_call *call, const struct alter_table *alter, const struct pf_table *table,
                                struct pf_json_out *out, struct pf_error *err) {
    struct pf_iceberg_schema schema;
    switch (alter->kind) {
    case ALTER_SET:
    case ALTER_RESET: put_properties(out, alter); return PF_OK;
    case ALTER_PARTITIONS:
    case ALTER_ORDER: return put_terms(out, alter, table, err);
    case ALTER_MAKE_REF:
    case ALTER_DROP_REF: return put_ref(out, alter, table, err);
    default:
        PF_TRY(change_columns(call, alter, table, &schema, err));
        begin_update(out, "add-schema");
        pf_json_key(out, "schema");
        pf_json_put_raw(out, pf_iceberg_schema_json(&schema, call->arena));
        pf_json_close_object(out);
        put_use_last(out, "set-current-schema", "schema-id");
        return PF_OK;
    }
}

static enum pf_code put_change(struct icecap_call *call, const struct alter_table *alter, const struct pf_table *table,
                               struct pf_json_out *out, struct pf_error *err) {
    pf_json_open_object(out);
    pf_json_key(out, "requirements");
    pf_json_open_array(out);
    pf_json_open_object(out);
    pf_json_field_str(out, "type", PF_STR("assert-table-uuid"));
    pf_json_field_str(out, "uuid", table->metadata->table_uuid);
    pf_json_close_object(out);
    pf_json_open_object(out);
    pf_json_field_str(out, "type", PF_STR("assert-current-schema-id"));
    pf_json_field_i64(out, "current-schema-id", table->metadata->current_schema_id);
    pf_json_close_object(out);
    pf_json_close_array(out);
    pf_json_key(out, "updates");
    pf_json_open_array(out);
    PF_TRY(put_updates(call, alter, table, out, err));
    pf_json_close_array(out);
    pf_json_close_object(out);
    return PF_OK;
}

/* ---- run ---- */

static enum pf_code change(struct icecap_call *call, const struct alter_table *alter, struct pf_table *table,
                           struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_str text = PF_STR_EMPTY;
    pf_json *json = NULL;
    pf_buf_init(&buf, MAX_UPDATES_BYTES);
    pf_json_begin(&out, &buf);
    enum pf_code code = put_change(call, alter, table, &out, err);
    if (code == PF_OK) code = pf_buf_finish(&buf, "the change of a table", &text, err);
    if (code == PF_OK) code = pf_json_parse(pf_arena_str(call->arena, text), call->arena, "a change", &json, err);
    pf_buf_clear(&buf);
    PF_TRY(code);
    struct pf_table_change asked = {table->id, pf_json_get(json, "requirements"), pf_json_get(json, "updates")};
    return pf_catalog_change_table(call->catalog, &asked, call->arena, &table, err);
}

static enum pf_code run(struct icecap_call *call, const void *parsed, struct pf_error *err) {
    const struct alter_table *alter = parsed;
    struct pf_table *table = NULL;
    struct pf_error why = {0};
    call->outcome->object = alter->table.text;
    struct pf_table_id id = {alter->table.space, alter->table.name};
    enum pf_code code = pf_catalog_load(call->catalog, id, call->arena, &table, &why);
    if (code == PF_NOT_FOUND && alter->if_exists) return PF_OK;
    if (code != PF_OK) {
        if (err) *err = why;
        return code;
    }
    call->outcome->object = table->full_name;
    if (alter->kind != ALTER_RENAME) return change(call, alter, table, err);
    return pf_catalog_rename(call->catalog, table->id, (struct pf_table_id){table->id.space, alter->new_name}, err);
}

static enum pf_code explain(struct icecap_call *call, const void *parsed, struct pf_buf *out, struct pf_error *err) {
    (void)call;
    (void)err;
    return icecap_explain_line(out, "alter table", ((const struct alter_table *)parsed)->table.text);
}

const struct icecap_statement icecap_alter_table = {"alter", "table", "ALTER TABLE", parse, run, explain};
