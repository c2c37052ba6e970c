/* SPDX-License-Identifier: MIT */
/* CREATE SCHEMA [IF NOT EXISTS] a[.b] [WITH (key = value, …)], DROP SCHEMA [IF EXISTS] a[.b]: namespaces of the catalog. */
#include "icecap/define.h"
#include "icecap/statement.h"

struct schema {
    pf_str space;
    bool if_exists; /* or if it does not */
    struct define_properties properties;
};

static enum pf_code parse_space(struct head *head, struct schema *schema, struct pf_error *err) {
    pf_str *parts;
    size_t count;
    PF_TRY(head_need_path(head, &parts, &count, err));
    for (size_t i = 0; i < count; i++) {
        schema->space =
            pf_arena_printf(head->arena, "%.*s%s%.*s", PF_STR_ARG(schema->space), i ? "." : "", PF_STR_ARG(parts[i]));
    }
    return PF_OK;
}

static enum pf_code parse_create(struct head *head, void **out_parsed, struct pf_error *err) {
    struct schema *schema = PF_ARENA_NEW(head->arena, struct schema);
    PF_TRY(head_need(head, "create schema", err));
    schema->if_exists = head_take_words(head, "if not exists");
    PF_TRY(parse_space(head, schema, err));
    if (head_take(head, "with")) PF_TRY(define_parse_properties(head, &schema->properties, err));
    *out_parsed = schema;
    return head_need_end(head, err);
}

static enum pf_code parse_drop(struct head *head, void **out_parsed, struct pf_error *err) {
    struct schema *schema = PF_ARENA_NEW(head->arena, struct schema);
    PF_TRY(head_need(head, "drop schema", err));
    schema->if_exists = head_take_words(head, "if exists");
    PF_TRY(parse_space(head, schema, err));
    if (head_is(head, "cascade")) {
        PF_FAIL(err, PF_UNSUPPORTED, "CASCADE is not supported: drop the tables of the schema first");
    }
    (void)head_take(head, "restrict");
    *out_parsed = schema;
    return head_need_end(head, err);
}

static enum pf_code run_create(struct icecap_call *call, const void *parsed, struct pf_error *err) {
    const struct schema *schema = parsed;
    struct pf_error why;
    call->outcome->object = schema->space;
    enum pf_code code = pf_catalog_create_namespace(call->catalog, schema->space, schema->properties.items,
                                                    schema->properties.count, &why);
    if (code == PF_CONFLICT && schema->if_exists) return PF_OK;
    if (code != PF_OK && err) *err = why;
    return code;
}

static enum pf_code run_drop(struct icecap_call *call, const void *parsed, struct pf_error *err) {
    const struct schema *schema = parsed;
    struct pf_error why;
    call->outcome->object = schema->space;
    enum pf_code code = pf_catalog_drop_namespace(call->catalog, schema->space, &why);
    if (code == PF_NOT_FOUND && schema->if_exists) return PF_OK;
    if (code != PF_OK && err) *err = why;
    return code;
}

static enum pf_code explain_create(struct icecap_call *call, const void *parsed, struct pf_buf *out,
                                   struct pf_error *err) {
    (void)call;
    (void)err;
    return icecap_explain_line(out, "create schema", ((const struct schema *)parsed)->space);
}

static enum pf_code explain_drop(struct icecap_call *call, const void *parsed, struct pf_buf *out,
                                 struct pf_error *err) {
    (void)call;
    (void)err;
    return icecap_explain_line(out, "drop schema", ((const struct schema *)parsed)->space);
}

const struct icecap_statement icecap_create_schema = {"create",     "schema",   "CREATE SCHEMA",
                                                      parse_create, run_create, explain_create};
const struct icecap_statement icecap_drop_schema = {"drop",     "schema", "DROP SCHEMA",
                                                    parse_drop, run_drop, explain_drop};
