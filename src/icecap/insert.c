/* SPDX-License-Identifier: MIT */
/* [WITH …] INSERT INTO table [(columns)] [BY NAME | BY POSITION] {SELECT … | VALUES … | DEFAULT VALUES} */
#include "icecap/target.h"

#include "base/buf.h"

struct insert {
    struct head_name table;
    pf_str *columns;
    size_t column_count; /* 0: all */
    bool by_name, is_defaults;
    pf_str source_sql;
};

/* ---- parse ---- */

static enum pf_code check_tail(const struct head *head, pf_str source, struct pf_error *err) {
    if (head_text_has(source, "returning")) {
        PF_FAIL(err, PF_UNSUPPORTED, "RETURNING is not supported: SELECT the rows afterwards");
    }
    if (head_text_has(source, "conflict")) {
        PF_FAIL(err, PF_UNSUPPORTED, "ON CONFLICT is not supported: Iceberg tables have no keys; use MERGE");
    }
    (void)head;
    return PF_OK;
}

/* A word that can't be an alias, because it begins what follows. */
static bool is_source(const struct head *head) {
    static const char *const words[] = {"select", "values", "from", "with", "by", "default", "table"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (head_is(head, words[i])) return true;
    }
    return head_is_symbol(head, '(');
}

/* INSERT INTO t (SELECT …) has no list of columns. */
static bool begins_columns(const struct head *head) {
    struct head inside = *head;
    if (!head_take_symbol(&inside, '(')) return false;
    return !head_is(&inside, "select") && !head_is(&inside, "values") && !head_is(&inside, "from") &&
           !head_is(&inside, "with") && !head_is_symbol(&inside, '(');
}

static enum pf_code parse(struct head *head, void **out_parsed, struct pf_error *err) {
    struct insert *insert = PF_ARENA_NEW(head->arena, struct insert);
    pf_str alias;
    PF_TRY(head_need(head, "insert", err));
    if (head_is(head, "or")) {
        PF_FAIL(err, PF_UNSUPPORTED, "INSERT OR … is not supported: Iceberg tables have no keys; use MERGE");
    }
    PF_TRY(head_need(head, "into", err));
    PF_TRY(head_need_table(head, &insert->table, err));
    if (head_take(head, "as") || !is_source(head)) PF_TRY(head_need_name(head, "SELECT or VALUES", &alias, err));
    if (begins_columns(head)) PF_TRY(head_need_names(head, &insert->columns, &insert->column_count, err));
    insert->by_name = head_take_words(head, "by name");
    if (!insert->by_name) (void)head_take_words(head, "by position");
    insert->is_defaults = head_take_words(head, "default values");
    if (insert->is_defaults) {
        *out_parsed = insert;
        return head_need_end(head, err);
    }
    if (!is_source(head)) return head_fail(head, "SELECT, VALUES or DEFAULT VALUES", err);
    insert->source_sql = head_rest(head);
    PF_TRY(check_tail(head, insert->source_sql, err));
    if (insert->by_name && insert->column_count) {
        PF_FAIL(err, PF_INVALID, "BY NAME takes the columns from the SELECT: leave the list of columns out");
    }
    if (head->with_sql.len) {
        insert->source_sql =
            pf_arena_printf(head->arena, "%.*s (%.*s\n)", PF_STR_ARG(head->with_sql), PF_STR_ARG(insert->source_sql));
    }
    *out_parsed = insert;
    return PF_OK;
}

/* ---- VALUES (…, DEFAULT) ---- */

static bool is_symbol(const struct pf_sql_token *token, char a, char b) {
    return token->kind == PF_SQL_SYMBOL && (token->text.ptr[0] == a || token->text.ptr[0] == b);
}

/* DEFAULT is no expression: it is replaced by the column's. `fields`: what the values of a row are for. */
static enum pf_code put_defaults(struct icecap_call *call, const struct target *target,
                                 const struct pf_iceberg_field *const *fields, size_t count, pf_str source,
                                 pf_str *out_sql, struct pf_error *err) {
    struct pf_sql_scanner scanner = {source};
    struct pf_sql_token token = pf_sql_scan_next(&scanner), before = {0};
    struct pf_buf sql;
    size_t taken = 0, place = 0;
    int depth = 0;
    *out_sql = source;
    if (!pf_sql_token_is(&token, "values")) return PF_OK;
    pf_buf_init(&sql, SIZE_MAX / 2);
    enum pf_code code = PF_OK;
    while (token.kind != PF_SQL_END && code == PF_OK) {
        struct pf_sql_token next = pf_sql_scan_next(&scanner);
        bool is_default = depth == 1 && pf_sql_token_is(&token, "default") && is_symbol(&before, '(', ',') &&
                          is_symbol(&next, ')', ',');
        if (is_default && place < count) {
            pf_str value;
            size_t at = (size_t)(token.text.ptr - source.ptr);
            code = target_default_sql(call, target, fields[place], &value, err);
            if (code != PF_OK) break;
            pf_buf_put_str(&sql, pf_str_slice(source, taken, at));
            pf_buf_put_str(&sql, value);
            taken = at + token.text.len;
        }
        if (is_symbol(&token, '(', '[')) depth++;
        if (is_symbol(&token, ')', ']')) depth--;
        if (depth == 0) place = 0;
        if (depth == 1 && is_symbol(&token, ',', ',')) place++;
        before = token;
        token = next;
    }
    pf_buf_put_str(&sql, pf_str_slice(source, taken, source.len));
    if (code == PF_OK && taken) *out_sql = pf_arena_str(call->arena, pf_buf_view(&sql));
    pf_buf_clear(&sql);
    return code;
}

/* ---- which column goes where ---- */

static enum pf_code find_field(const struct target *target, pf_str name, size_t *out_at, struct pf_error *err) {
    const struct pf_iceberg_schema *schema = target->table->schema;
    const struct pf_iceberg_field *field = pf_iceberg_schema_find(schema, name);
    if (!field) {
        PF_FAIL(err, PF_INVALID, "table %.*s has no column '%.*s'", PF_STR_ARG(target->table->full_name),
                PF_STR_ARG(name));
    }
    *out_at = (size_t)(field - schema->fields);
    return PF_OK;
}

/* The fields that the statement gives, in its order. */
static enum pf_code listed_fields(struct icecap_call *call, const struct insert *insert, const struct target *target,
                                  const struct pf_iceberg_field ***out_fields, size_t *out_count,
                                  struct pf_error *err) {
    const struct pf_iceberg_schema *schema = target->table->schema;
    size_t count = insert->column_count ? insert->column_count : schema->field_count;
    const struct pf_iceberg_field **fields = PF_ARENA_ARRAY(call->arena, const struct pf_iceberg_field *, count);
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        if (insert->column_count) PF_TRY(find_field(target, insert->columns[i], &at, err));
        fields[i] = &schema->fields[at];
    }
    *out_fields = fields;
    *out_count = count;
    return PF_OK;
}

static enum pf_code set_source(struct icecap_call *call, const struct target *target, struct target_source *sources,
                               size_t at, size_t column, struct pf_error *err) {
    if (sources[at].sql.len) {
        PF_FAIL(err, PF_INVALID, "column '%.*s' is given twice", PF_STR_ARG(target->table->schema->fields[at].name));
    }
    sources[at].sql = pf_arena_printf(call->arena, "k%zu", column);
    return PF_OK;
}

static enum pf_code match_columns(struct icecap_call *call, const struct insert *insert, struct target *target,
                                  const struct pf_column *columns, size_t count, struct pf_error *err) {
    const struct pf_iceberg_schema *schema = target->table->schema;
    struct target_source *sources = PF_ARENA_ARRAY(call->arena, struct target_source, schema->field_count);
    const struct pf_iceberg_field **fields = NULL;
    size_t field_count = 0, at = 0;
    PF_TRY(listed_fields(call, insert, target, &fields, &field_count, err));
    if (!insert->by_name && !insert->is_defaults && count != field_count) {
        PF_FAIL(err, PF_INVALID, "table %.*s: %zu columns are to be filled, but the query has %zu",
                PF_STR_ARG(target->table->full_name), field_count, count);
    }
    for (size_t i = 0; i < count && !insert->is_defaults; i++) {
        if (insert->by_name) {
            PF_TRY(find_field(target, columns[i].name, &at, err));
        } else {
            at = (size_t)(fields[i] - schema->fields);
        }
        PF_TRY(set_source(call, target, sources, at, i, err));
    }
    return target_set_columns(call, target, sources, count, err);
}

/* ---- run ---- */

/* The SELECT is bound, and how its rows are written is known. */
static enum pf_code prepare(struct icecap_call *call, const struct insert *insert, struct target *target,
                            struct pf_error *err) {
    const struct pf_iceberg_field **fields = NULL;
    const struct pf_column *columns = NULL;
    size_t field_count = 0, count = 0;
    pf_str source = PF_STR("SELECT 1");
    if (!insert->is_defaults) {
        PF_TRY(listed_fields(call, insert, target, &fields, &field_count, err));
        PF_TRY(put_defaults(call, target, fields, field_count, insert->source_sql, &source, err));
    }
    PF_TRY(pf_query_bind(call->query, source, &columns, &count, err));
    return match_columns(call, insert, target, columns, count, err);
}

static enum pf_code run(struct icecap_call *call, const void *parsed, struct pf_error *err) {
    const struct insert *insert = parsed;
    struct target target;
    PF_TRY(target_open(call, &insert->table, &target, err));
    if (target_find_done(call, target.table)) return PF_OK;
    PF_TRY(prepare(call, insert, &target, err));
    return target_append(call, &target, err);
}

static enum pf_code explain(struct icecap_call *call, const void *parsed, struct pf_buf *out, struct pf_error *err) {
    const struct insert *insert = parsed;
    struct target target;
    PF_TRY(target_open(call, &insert->table, &target, err));
    PF_TRY(prepare(call, insert, &target, err));
    target_explain(&target, out);
    return pf_query_explain(call->query, &target.write, out, err);
}

const struct icecap_statement icecap_insert = {"insert", NULL, "INSERT", parse, run, explain};
