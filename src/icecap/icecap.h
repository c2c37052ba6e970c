/* SPDX-License-Identifier: MIT */
/* Icecap: the statements that change tables, and what makes them.
 *
 * DuckDB's parser tells which words are SQL, but only gives SELECT as JSON. So the heads of statements that write are
 * read here, and the queries inside of them are planned and run like any other: a statement is what its head says
 * about the rows of a SELECT. How one is added: statement.h.
 * Not here: writing the files (query/), snapshots (iceberg/), the commit (catalog/). */
#ifndef PF_ICECAP_ICECAP_H
#define PF_ICECAP_ICECAP_H

#include "query/query.h"

/* For pf_stack_options.statements. */
const struct pf_statement_handler *pf_icecap(void);

/* Reads a statement and changes nothing: for tests. Its kind as the record has it, "CREATE TABLE"; PF_INVALID says where it
 * is wrong. */
enum pf_code pf_icecap_parse(pf_str sql, struct pf_arena *arena, pf_str *out_kind, struct pf_error *err) PF_MUST_CHECK;

#endif
