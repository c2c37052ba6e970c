/* SPDX-License-Identifier: MIT */
/* Statements that are no queries. */
#ifndef PF_QUERY_STATEMENT_H
#define PF_QUERY_STATEMENT_H

#include "query/query_internal.h"

/* Does the stack's handler know query->sql? */
bool statement_is_known(const struct pf_query *query);
/* Runs or explains it; its answer is in query->rows then. */
enum pf_code statement_start(struct pf_query *query, struct pf_error *err) PF_MUST_CHECK;
void statement_log(const struct pf_outcome *outcome); /* nothing for a query */

#endif
