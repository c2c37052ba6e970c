/* SPDX-License-Identifier: MIT */
/* One statement, one file, one entry of STATEMENTS in icecap.c.
 *
 * To add a statement:
 *   1. write <statement>.c with a const struct icecap_statement: the words it begins with, and three functions;
 *   2. declare it below, list it in icecap.c;
 *   3. describe it in docs/sql-writes.md, test it in tests/icecap/.
 *
 *   parse     reads the head with the calls of head.h; pure. What it finds is its own struct, made in head->arena.
 *             Queries inside stay text (views into the statement).
 *   run       does it. Tools, from the outside in:
 *               target.h       a table that rows go into: loaded, checked, how its files are written, the commit
 *               define.h       columns, partitions, sort orders, properties -> requests of the REST protocol
 *               query/query.h  pf_query_bind and pf_query_write: the SELECT inside, on whatever route, into files
 *               catalog/       everything else about tables
 *             It sets call->outcome: the object as soon as it is known, has_count for statements about rows.
 *             A statement that fails leaves no file and no snapshot: files are named by target->write.prefix, and
 *             pf_query_remove_files removes what has that prefix.
 *             It may be run twice: by a client that did not hear the answer and sends it again with the same query id,
 *             and by a server that takes the query over. Commits carry the id in their summary (ICECAP_MARK), and
 *             target_find_done looks for it first.
 *   explain   the plan of the query inside, and a line about what is written. */
#ifndef PF_ICECAP_STATEMENT_H
#define PF_ICECAP_STATEMENT_H

#include "catalog/catalog.h"
#include "icecap/head.h"
#include "query/query.h"

struct icecap_call {
    struct pf_query *query;
    struct pf_stack *stack;
    struct pf_catalog *catalog;
    struct pf_arena *arena;
    struct pf_outcome *outcome;
};

struct icecap_statement {
    const char *verb, *noun; /* "create" "table"; noun NULL: none. "or replace", "temp" and "if exists" don't count */
    const char *kind;        /* "CREATE TABLE" */
    enum pf_code (*parse)(struct head *head, void **out_parsed, struct pf_error *err);
    enum pf_code (*run)(struct icecap_call *call, const void *parsed, struct pf_error *err);
    enum pf_code (*explain)(struct icecap_call *call, const void *parsed, struct pf_buf *out, struct pf_error *err);
};

extern const struct icecap_statement icecap_insert, icecap_create_table, icecap_drop_table, icecap_alter_table,
    icecap_create_schema, icecap_drop_schema, icecap_delete, icecap_truncate, icecap_update, icecap_merge;

/* What most statements say to EXPLAIN: one line. */
enum pf_code icecap_explain_line(struct pf_buf *out, const char *what, pf_str object);

#endif
