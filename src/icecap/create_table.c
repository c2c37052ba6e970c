/* SPDX-License-Identifier: MIT */
/* CREATE TABLE [IF NOT EXISTS] table (column TYPE [NOT NULL], …) [PARTITIONED BY (…)] [SORTED BY (…)]
 *     [WITH (key = value, …)]
 * CREATE TABLE [IF NOT EXISTS] table [(column, …)] [PARTITIONED BY …] … AS SELECT … */
#include "icecap/define.h"
#include "icecap/target.h"

#include "base/buf.h"

struct create_table {
    struct head_name name;
    bool if_not_exists;
    struct define_table definition; /* its columns, unless there is a source */
    pf_str *names;                  /* of the columns of the source; NULL: as it has them */
    size_t name_count;
    pf_str source_sql; /* empty: an empty table */
};

/* ---- parse ---- */

static enum pf_code parse_columns(struct head *head, struct create_table *create, struct pf_error *err) {
    struct define_column *columns = NULL;
    size_t count = 0, capacity = 0;
    PF_TRY(head_need_symbol(head, '(', err));
    do {
        struct define_column column;
        bool is_constraint = head_is(head, "primary") || head_is(head, "unique") || head_is(head, "foreign") ||
                             head_is(head, "check") || head_is(head, "constraint");
        if (is_constraint) {
            PF_FAIL(err, PF_UNSUPPORTED, "%.*s is not supported: Iceberg tables have no constraints but NOT NULL",
                    PF_STR_ARG(head->token.text));
        }
        PF_TRY(define_parse_column(head, &column, err));
        PF_ARENA_PUSH(head->arena, columns, count, capacity) = column;
    } while (head_take_symbol(head, ','));
    create->definition.columns = columns;
    create->definition.column_count = count;
    return head_need_symbol(head, ')', err);
}

/* (a, b) AS SELECT …: names without types. */
static bool has_names_only(const struct head *head) {
    struct head ahead = *head;
    pf_str *names;
    size_t count;
    return head_need_names(&ahead, &names, &count, NULL) == PF_OK;
}

static enum pf_code parse_clauses(struct head *head, struct create_table *create, struct pf_error *err) {
    struct define_table *definition = &create->definition;
    for (;;) {
        if (head_take_words(head, "partitioned by") || head_take_words(head, "partition by")) {
            PF_TRY(define_parse_terms(head, false, &definition->partitions, err));
        } else if (head_take_words(head, "sorted by") || head_take_words(head, "order by")) {
            PF_TRY(define_parse_terms(head, true, &definition->order, err));
        } else if (head_take(head, "with") || head_take(head, "tblproperties")) {
            PF_TRY(define_parse_properties(head, &definition->properties, err));
        } else {
            return PF_OK;
        }
    }
}

static enum pf_code parse_source(struct head *head, struct create_table *create, struct pf_error *err) {
    create->source_sql = head_rest(head);
    return create->source_sql.len ? PF_OK : head_fail(head, "SELECT", err);
}

static enum pf_code parse(struct head *head, void **out_parsed, struct pf_error *err) {
    struct create_table *create = PF_ARENA_NEW(head->arena, struct create_table);
    PF_TRY(head_need(head, "create", err));
    if (head_is(head, "or")) {
        PF_FAIL(err, PF_UNSUPPORTED, "OR REPLACE is not supported: DROP TABLE IF EXISTS, then CREATE TABLE");
    }
    if (head_is(head, "temp") || head_is(head, "temporary")) {
        PF_FAIL(err, PF_UNSUPPORTED, "temporary tables are not supported: a query keeps nothing behind it; use WITH");
    }
    PF_TRY(head_need(head, "table", err));
    create->if_not_exists = head_take_words(head, "if not exists");
    PF_TRY(head_need_table(head, &create->name, err));
    if (head_is_symbol(head, '(')) {
        if (has_names_only(head)) {
            PF_TRY(head_need_names(head, &create->names, &create->name_count, err));
        } else {
            PF_TRY(parse_columns(head, create, err));
        }
    }
    PF_TRY(parse_clauses(head, create, err));
    bool has_columns = create->definition.column_count > 0;
    *out_parsed = create;
    if (has_columns) return head_need_end(head, err);
    if (!head_is(head, "as") && !create->name_count) return head_fail(head, "a list of columns, or AS", err);
    if (!head_is(head, "as")) return head_fail(head, "AS (the columns have no types)", err);
    head_next(head);
    return parse_source(head, create, err);
}

/* ---- run ---- */

static enum pf_code find_table(struct icecap_call *call, const struct create_table *create, struct pf_table **out_table,
                               struct pf_error *err) {
    struct pf_table_id id = {create->name.space, create->name.name};
    bool exists = false;
    *out_table = NULL;
    enum pf_code code = pf_catalog_load(call->catalog, id, call->arena, out_table, err);
    if (code != PF_NOT_FOUND) return code;
    /* A table that is there but lacks an object is not a new one. */
    PF_TRY(pf_catalog_exists(call->catalog, id, &exists, NULL));
    return exists ? code : PF_OK;
}

static enum pf_code stage(struct icecap_call *call, const struct create_table *create,
                          const struct define_table *definition, bool is_staged, struct pf_table **out_table,
                          struct pf_error *err) {
    pf_json *request = NULL;
    struct pf_table_id id = {create->name.space.len ? create->name.space : PF_DEFAULT_NAMESPACE, create->name.name};
    PF_TRY(define_table_request(definition, id.name, call->arena, &request, err));
    enum pf_code code = pf_catalog_create_table(call->catalog, id, request, is_staged, call->arena, out_table, err);
    if (code == PF_OK) return PF_OK;
    return pf_error_wrap(err, code, "create table %.*s.%.*s", PF_STR_ARG(id.space), PF_STR_ARG(id.name));
}

/* sum() of whole numbers is a HUGEINT, which Iceberg lacks: the widest decimal holds all but the largest, and those fail. */
static pf_str storable_type(const struct pf_type *type) {
    bool is_huge = type->id == PF_TYPE_HUGEINT || type->id == PF_TYPE_UHUGEINT;
    return is_huge ? PF_STR("DECIMAL(38,0)") : type->sql;
}

/* The columns of the SELECT, in the types that Iceberg has. */
static enum pf_code bind_source(struct icecap_call *call, const struct create_table *create,
                                struct define_table *definition, size_t *out_count, struct pf_error *err) {
    const struct pf_column *columns = NULL;
    PF_TRY(pf_query_bind(call->query, create->source_sql, &columns, out_count, err));
    if (create->names && create->name_count != *out_count) {
        PF_FAIL(err, PF_INVALID, "%zu columns are named, but the query has %zu", create->name_count, *out_count);
    }
    struct define_column *defined = PF_ARENA_ARRAY(call->arena, struct define_column, *out_count);
    for (size_t i = 0; i < *out_count; i++) {
        defined[i] = (struct define_column){
            .name = pf_arena_str(call->arena, create->names ? create->names[i] : columns[i].name),
            .type = storable_type(columns[i].type),
        };
    }
    *definition = create->definition;
    definition->columns = defined;
    definition->column_count = *out_count;
    return PF_OK;
}

static enum pf_code prepare_source(struct icecap_call *call, const struct create_table *create, struct target *target,
                                   struct pf_error *err) {
    struct define_table definition;
    struct pf_table *table = NULL;
    size_t count = 0;
    PF_TRY(bind_source(call, create, &definition, &count, err));
    PF_TRY(stage(call, create, &definition, true, &table, err));
    PF_TRY(target_open_staged(call, table, target, err));
    struct target_source *sources = PF_ARENA_ARRAY(call->arena, struct target_source, count);
    for (size_t i = 0; i < count; i++) sources[i].sql = pf_arena_printf(call->arena, "k%zu", i);
    return target_set_columns(call, target, sources, count, err);
}

static enum pf_code run(struct icecap_call *call, const void *parsed, struct pf_error *err) {
    const struct create_table *create = parsed;
    struct pf_table *table = NULL;
    struct target target;
    call->outcome->object = create->name.text;
    PF_TRY(find_table(call, create, &table, err));
    if (table) {
        call->outcome->object = table->full_name;
        if (create->if_not_exists || target_find_done(call, table)) return PF_OK;
        PF_FAIL(err, PF_CONFLICT, "there is a table %.*s already: use IF NOT EXISTS, or DROP TABLE first",
                PF_STR_ARG(table->full_name));
    }
    if (!create->source_sql.len) {
        PF_TRY(stage(call, create, &create->definition, false, &table, err));
        call->outcome->object = table->full_name;
        return PF_OK;
    }
    PF_TRY(prepare_source(call, create, &target, err));
    return target_append(call, &target, err);
}

static enum pf_code explain(struct icecap_call *call, const void *parsed, struct pf_buf *out, struct pf_error *err) {
    const struct create_table *create = parsed;
    struct target target;
    if (!create->source_sql.len) return icecap_explain_line(out, "create table", create->name.text);
    PF_TRY(prepare_source(call, create, &target, err));
    target_explain(&target, out);
    return pf_query_explain(call->query, &target.write, out, err);
}

const struct icecap_statement icecap_create_table = {"create", "table", "CREATE TABLE", parse, run, explain};
