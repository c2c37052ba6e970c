/* SPDX-License-Identifier: MIT */
#include "icecap/define.h"

#include "base/buf.h"
#include "engine/engine.h"

enum { MAX_REQUEST_BYTES = 64 << 20 };

/* ---- columns ---- */

static const char *const AFTER_TYPE[] = {"not",       "null",    "default", "primary", "unique", "check", "references",
                                         "generated", "collate", "as",      "comment", "first",  "after", NULL};

enum pf_code define_parse_type(struct head *head, pf_str *out_type, struct pf_error *err) {
    const struct pf_type *type;
    struct head before = *head;
    pf_str text = head_take_until(head, AFTER_TYPE);
    if (!text.len) return head_fail(head, "a type", err);
    enum pf_code code = pf_type_parse(text, head->arena, &type, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "at character %zu", head_offset(&before) + 1);
    *out_type = type->sql;
    return PF_OK;
}

enum pf_code define_parse_column(struct head *head, struct define_column *out_column, struct pf_error *err) {
    struct define_column column = {0};
    static const char *const ENDS[] = {"not", "null", NULL};
    PF_TRY(head_need_name(head, "the name of a column", &column.name, err));
    PF_TRY(define_parse_type(head, &column.type, err));
    for (;;) {
        if (head_take_words(head, "not null")) {
            column.is_required = true;
        } else if (head_take(head, "default")) {
            column.default_sql = head_take_until(head, ENDS);
            if (!column.default_sql.len) return head_fail(head, "the default", err);
        } else if (!head_take(head, "null")) {
            break;
        }
    }
    if (head_is(head, "primary") || head_is(head, "unique") || head_is(head, "check") || head_is(head, "references")) {
        PF_FAIL(err, PF_UNSUPPORTED,
                "column '%.*s': %.*s is not supported: Iceberg tables have no constraints but NOT NULL",
                PF_STR_ARG(column.name), PF_STR_ARG(head->token.text));
    }
    if (head_is(head, "generated") || head_is(head, "as") || head_is(head, "collate")) {
        PF_FAIL(err, PF_UNSUPPORTED, "column '%.*s': %.*s is not supported by Iceberg tables", PF_STR_ARG(column.name),
                PF_STR_ARG(head->token.text));
    }
    *out_column = column;
    return PF_OK;
}

/* ---- terms ---- */

/* Names of transforms in SQL, with those that Spark and Trino have. */
static const struct {
    const char *word, *transform;
    bool has_width;
} TRANSFORMS[] = {{"year", "year", false},        {"years", "year", false},        {"month", "month", false},
                  {"months", "month", false},     {"day", "day", false},           {"days", "day", false},
                  {"hour", "hour", false},        {"hours", "hour", false},        {"bucket", "bucket", true},
                  {"truncate", "truncate", true}, {"identity", "identity", false}, {"void", "void", false}};

/* bucket(16, c), or bucket(c, 16) as Trino has it. */
static enum pf_code parse_width_term(struct head *head, const char *transform, struct define_term *term,
                                     struct pf_error *err) {
    pf_str *path;
    int64_t width = 0;
    bool is_first = head->token.kind == PF_SQL_NUMBER;
    if (is_first) {
        PF_TRY(head_need_number(head, "a width", &width, err));
        PF_TRY(head_need_symbol(head, ',', err));
    }
    PF_TRY(head_need_path(head, &path, &term->path_count, err));
    if (!is_first) {
        PF_TRY(head_need_symbol(head, ',', err));
        PF_TRY(head_need_number(head, "a width", &width, err));
    }
    if (width < 1 || width > INT32_MAX) PF_FAIL(err, PF_INVALID, "%s: the width must be 1 or more", transform);
    term->path = path;
    term->transform = pf_arena_printf(head->arena, "%s[%lld]", transform, (long long)width);
    return PF_OK;
}

static enum pf_code parse_call(struct head *head, pf_str function, struct define_term *term, struct pf_error *err) {
    pf_str *path;
    for (size_t i = 0; i < sizeof TRANSFORMS / sizeof *TRANSFORMS; i++) {
        if (!pf_str_equal_nocase(function, pf_str_from_cstr(TRANSFORMS[i].word))) continue;
        if (TRANSFORMS[i].has_width) {
            PF_TRY(parse_width_term(head, TRANSFORMS[i].transform, term, err));
        } else {
            PF_TRY(head_need_path(head, &path, &term->path_count, err));
            term->path = path;
            term->transform = pf_str_from_cstr(TRANSFORMS[i].transform);
        }
        return head_need_symbol(head, ')', err);
    }
    PF_FAIL(err, PF_INVALID,
            "'%.*s' is no transform: year, month, day, hour, bucket(N, column) and truncate(N, column) are",
            PF_STR_ARG(function));
}

static enum pf_code parse_term(struct head *head, bool is_sorted, struct define_term *out_term, struct pf_error *err) {
    struct define_term term = {.transform = PF_STR("identity")};
    pf_str *path;
    PF_TRY(head_need_path(head, &path, &term.path_count, err));
    term.path = path;
    if (term.path_count == 1 && head_take_symbol(head, '(')) PF_TRY(parse_call(head, path[0], &term, err));
    if (is_sorted) {
        if (!head_take(head, "asc")) term.is_descending = head_take(head, "desc");
        term.is_nulls_first = !term.is_descending; /* as Iceberg's libraries have it */
        if (head_take_words(head, "nulls first")) term.is_nulls_first = true;
        if (head_take_words(head, "nulls last")) term.is_nulls_first = false;
    }
    *out_term = term;
    return PF_OK;
}

enum pf_code define_parse_terms(struct head *head, bool is_sorted, struct define_terms *out_terms,
                                struct pf_error *err) {
    struct define_terms terms = {0};
    size_t capacity = 0;
    PF_TRY(head_need_symbol(head, '(', err));
    while (!head_is_symbol(head, ')')) {
        struct define_term term;
        PF_TRY(parse_term(head, is_sorted, &term, err));
        PF_ARENA_PUSH(head->arena, terms.items, terms.count, capacity) = term;
        if (!head_take_symbol(head, ',')) break;
    }
    *out_terms = terms;
    return head_need_symbol(head, ')', err);
}

/* ---- properties ---- */

/* 'key', "key", or key, write.format.default and format-version: words, dots and dashes. */
static enum pf_code parse_key(struct head *head, pf_str *out_key, struct pf_error *err) {
    if (head->token.kind == PF_SQL_STRING) return head_need_text(head, "a key", out_key, err);
    if (head->token.kind == PF_SQL_QUOTED_NAME) return head_need_name(head, "a key", out_key, err);
    size_t from = head_offset(head), end = from;
    while (!head_is_end(head) && !head_is_symbol(head, '=') && !head_is_symbol(head, ',') &&
           !head_is_symbol(head, ')')) {
        end = head_offset(head) + head->token.text.len;
        head_next(head);
    }
    if (end == from) return head_fail(head, "the key of a property", err);
    *out_key = pf_str_slice(head->sql, from, end);
    return PF_OK;
}

static enum pf_code parse_value(struct head *head, pf_str *out_value, struct pf_error *err) {
    if (head->token.kind == PF_SQL_STRING) return head_need_text(head, "a value", out_value, err);
    *out_value = head_take_until(head, NULL);
    return out_value->len ? PF_OK : head_fail(head, "the value of a property", err);
}

enum pf_code define_parse_properties(struct head *head, struct define_properties *out_properties,
                                     struct pf_error *err) {
    struct define_properties properties = {0};
    size_t capacity = 0;
    PF_TRY(head_need_symbol(head, '(', err));
    do {
        struct pf_property property;
        PF_TRY(parse_key(head, &property.key, err));
        PF_TRY(head_need_symbol(head, '=', err));
        PF_TRY(parse_value(head, &property.value, err));
        PF_ARENA_PUSH(head->arena, properties.items, properties.count, capacity) = property;
    } while (head_take_symbol(head, ','));
    *out_properties = properties;
    return head_need_symbol(head, ')', err);
}

/* ---- JSON ---- */

static enum pf_code find_column(const struct define_term *term, const struct pf_iceberg_schema *schema,
                                const struct pf_iceberg_field **out_field, struct pf_error *err) {
    const struct pf_iceberg_field *field = pf_iceberg_schema_find(schema, term->path[0]);
    for (size_t i = 1; i < term->path_count && field; i++) {
        struct pf_iceberg_schema inside = {.fields = field->type->fields, .field_count = field->type->field_count};
        field = field->type->kind == PF_ICEBERG_STRUCT ? pf_iceberg_schema_find(&inside, term->path[i]) : NULL;
    }
    if (!field) {
        PF_FAIL(err, PF_INVALID, "there is no column '%.*s'%s", PF_STR_ARG(term->path[0]),
                term->path_count > 1 ? ", or it has no such field" : "");
    }
    if (field->type->field_count) {
        PF_FAIL(err, PF_INVALID, "column '%.*s' has a nested type: partitions and orders are by plain values",
                PF_STR_ARG(field->name));
    }
    *out_field = field;
    return PF_OK;
}

/* As the Java library names the fields of partitions. */
static void put_field_name(struct pf_json_out *out, const struct define_term *term, pf_str column) {
    struct pf_buf name;
    size_t bracket = pf_str_find_char(term->transform, '[', 0);
    pf_str kind = pf_str_slice(term->transform, 0, bracket == SIZE_MAX ? term->transform.len : bracket);
    pf_buf_init(&name, 1 << 16);
    pf_buf_put_str(&name, column);
    if (pf_str_equal(kind, PF_STR("truncate"))) {
        pf_buf_put_cstr(&name, "_trunc");
    } else if (!pf_str_equal(kind, PF_STR("identity"))) {
        pf_buf_printf(&name, "_%.*s", PF_STR_ARG(kind));
    }
    pf_json_field_str(out, "name", pf_buf_view(&name));
    pf_buf_clear(&name);
}

static enum pf_code put_fields(struct pf_json_out *out, const struct define_terms *terms, bool is_sorted,
                               const struct pf_iceberg_schema *schema, struct pf_error *err) {
    pf_json_key(out, "fields");
    pf_json_open_array(out);
    for (size_t i = 0; i < terms->count; i++) {
        const struct define_term *term = &terms->items[i];
        const struct pf_iceberg_field *field = NULL;
        PF_TRY(find_column(term, schema, &field, err));
        pf_json_open_object(out);
        pf_json_field_i64(out, "source-id", field->id);
        pf_json_field_str(out, "transform", term->transform);
        if (is_sorted) {
            pf_json_field_str(out, "direction", term->is_descending ? PF_STR("desc") : PF_STR("asc"));
            pf_json_field_str(out, "null-order", term->is_nulls_first ? PF_STR("nulls-first") : PF_STR("nulls-last"));
        } else {
            put_field_name(out, term, field->name);
        }
        pf_json_close_object(out);
    }
    pf_json_close_array(out);
    return PF_OK;
}

enum pf_code define_put_partition_fields(struct pf_json_out *out, const struct define_terms *terms,
                                         const struct pf_iceberg_schema *schema, struct pf_error *err) {
    return put_fields(out, terms, false, schema, err);
}

enum pf_code define_put_sort_fields(struct pf_json_out *out, const struct define_terms *terms,
                                    const struct pf_iceberg_schema *schema, struct pf_error *err) {
    return put_fields(out, terms, true, schema, err);
}

static enum pf_code make_schema(const struct define_table *table, struct pf_arena *arena,
                                struct pf_iceberg_schema *out_schema, struct pf_error *err) {
    struct pf_sql_column *columns = PF_ARENA_ARRAY(arena, struct pf_sql_column, table->column_count);
    int last_column_id = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct define_column *column = &table->columns[i];
        columns[i] = (struct pf_sql_column){column->name, column->type, column->is_required};
        for (size_t k = 0; k < i; k++) {
            if (!pf_str_equal_nocase(columns[k].name, column->name)) continue;
            PF_FAIL(err, PF_INVALID, "column '%.*s' is there twice", PF_STR_ARG(column->name));
        }
        if (column->default_sql.len) {
            PF_FAIL(err, PF_UNSUPPORTED,
                    "column '%.*s': DEFAULT needs Iceberg format version 3, and tables are made with version 2",
                    PF_STR_ARG(column->name));
        }
    }
    return pf_iceberg_schema_from_sql(columns, table->column_count, arena, out_schema, &last_column_id, err);
}

static enum pf_code put_request(struct pf_json_out *out, const struct define_table *table, pf_str name,
                                const struct pf_iceberg_schema *schema, struct pf_arena *arena, struct pf_error *err) {
    pf_json_open_object(out);
    pf_json_field_str(out, "name", name);
    pf_json_key(out, "schema");
    pf_json_put_raw(out, pf_iceberg_schema_json(schema, arena));
    pf_json_key(out, "partition-spec");
    pf_json_open_object(out);
    PF_TRY(define_put_partition_fields(out, &table->partitions, schema, err));
    pf_json_close_object(out);
    pf_json_key(out, "write-order");
    pf_json_open_object(out);
    pf_json_field_i64(out, "order-id", table->order.count ? 1 : 0);
    PF_TRY(define_put_sort_fields(out, &table->order, schema, err));
    pf_json_close_object(out);
    pf_json_key(out, "properties");
    pf_json_open_object(out);
    for (size_t i = 0; i < table->properties.count; i++) {
        pf_json_put_key(out, table->properties.items[i].key);
        pf_json_put_str(out, table->properties.items[i].value);
    }
    pf_json_close_object(out);
    pf_json_close_object(out);
    return PF_OK;
}

enum pf_code define_table_request(const struct define_table *table, pf_str name, struct pf_arena *arena,
                                  pf_json **out_request, struct pf_error *err) {
    struct pf_iceberg_schema schema;
    struct pf_buf buf;
    struct pf_json_out out;
    pf_str text = PF_STR_EMPTY;
    PF_TRY(make_schema(table, arena, &schema, err));
    pf_buf_init(&buf, MAX_REQUEST_BYTES);
    pf_json_begin(&out, &buf);
    enum pf_code code = put_request(&out, table, name, &schema, arena, err);
    if (code == PF_OK) code = pf_buf_finish(&buf, "the request to make a table", &text, err);
    if (code == PF_OK) code = pf_json_parse(pf_arena_str(arena, text), arena, "a new table", out_request, err);
    pf_buf_clear(&buf);
    return code;
}
