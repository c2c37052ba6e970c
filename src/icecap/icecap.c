/* SPDX-License-Identifier: MIT */
#include "icecap/icecap.h"

#include "base/buf.h"
#include "icecap/statement.h"

static const struct icecap_statement *const STATEMENTS[] = {
    &icecap_insert,      &icecap_create_table, &icecap_drop_table, &icecap_alter_table, &icecap_create_schema,
    &icecap_drop_schema, &icecap_delete,       &icecap_truncate,   &icecap_update,      &icecap_merge,
};
enum { STATEMENT_COUNT = sizeof STATEMENTS / sizeof *STATEMENTS };

/* ---- which statement ---- */

static bool verb_is_known(const struct head *head) {
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        if (head_is(head, STATEMENTS[i]->verb)) return true;
    }
    return false;
}

/* Words between verb and noun that say how, not what. */
static void skip_manners(struct head *head) {
    while (head_take_words(head, "or replace") || head_take(head, "temp") || head_take(head, "temporary")) continue;
}

static const struct icecap_statement *find_statement(const struct head *head) {
    struct head behind = *head;
    head_next(&behind);
    skip_manners(&behind);
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        const struct icecap_statement *statement = STATEMENTS[i];
        if (head_is(head, statement->verb) && (!statement->noun || head_is(&behind, statement->noun))) return statement;
    }
    return NULL;
}

static enum pf_code parse(pf_str sql, struct pf_arena *arena, const struct icecap_statement **out_statement,
                          void **out_parsed, struct pf_error *err) {
    struct head head;
    head_begin(&head, sql, arena);
    const struct icecap_statement *statement = find_statement(&head);
    if (!statement) {
        pf_str verb = head.token.text;
        head_next(&head);
        skip_manners(&head);
        PF_FAIL(err, PF_UNSUPPORTED,
                "%.*s %.*s is not supported (docs/sql-writes.md lists the statements that are, beside queries)",
                PF_STR_ARG(verb), PF_STR_ARG(head.token.text));
    }
    enum pf_code code = statement->parse(&head, out_parsed, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "%s", statement->kind);
    *out_statement = statement;
    return PF_OK;
}

/* ---- for the query module ---- */

static bool knows(pf_str sql) {
    struct pf_arena *arena = pf_arena_new(NULL, "look at a statement");
    struct head head;
    head_begin(&head, sql, arena);
    bool is_known = verb_is_known(&head);
    pf_arena_free(arena);
    return is_known;
}

static struct icecap_call begin_call(struct pf_query *query, struct pf_outcome *outcome) {
    struct pf_stack *stack = pf_query_stack(query);
    return (struct icecap_call){.query = query,
                                .stack = stack,
                                .catalog = pf_stack_catalog(stack),
                                .arena = pf_query_arena(query),
                                .outcome = outcome};
}

static enum pf_code run(struct pf_query *query, pf_str sql, struct pf_outcome *out_outcome, struct pf_error *err) {
    const struct icecap_statement *statement = NULL;
    void *parsed = NULL;
    struct icecap_call call = begin_call(query, out_outcome);
    PF_TRY(parse(sql, call.arena, &statement, &parsed, err));
    out_outcome->kind = pf_str_from_cstr(statement->kind);
    return statement->run(&call, parsed, err);
}

static enum pf_code explain(struct pf_query *query, pf_str sql, struct pf_buf *out, struct pf_error *err) {
    const struct icecap_statement *statement = NULL;
    void *parsed = NULL;
    struct pf_outcome outcome = {0};
    struct icecap_call call = begin_call(query, &outcome);
    PF_TRY(parse(sql, call.arena, &statement, &parsed, err));
    return statement->explain(&call, parsed, out, err);
}

enum pf_code icecap_explain_line(struct pf_buf *out, const char *what, pf_str object) {
    pf_buf_printf(out, "%s %.*s: one change of the catalog, no rows are read or written\n", what, PF_STR_ARG(object));
    return PF_OK;
}

const struct pf_statement_handler *pf_icecap(void) {
    static const struct pf_statement_handler handler = {knows, run, explain};
    return &handler;
}

enum pf_code pf_icecap_parse(pf_str sql, struct pf_arena *arena, pf_str *out_kind, struct pf_error *err) {
    const struct icecap_statement *statement = NULL;
    void *parsed = NULL;
    if (!knows(sql)) PF_FAIL(err, PF_UNSUPPORTED, "not a statement that writes");
    PF_TRY(parse(sql, arena, &statement, &parsed, err));
    *out_kind = pf_str_from_cstr(statement->kind);
    return PF_OK;
}
