/* SPDX-License-Identifier: MIT */
/* Which results may be kept, and by what name: the steps of a query that have to do with the result cache. */
#ifndef PF_QUERY_KEEP_RESULT_H
#define PF_QUERY_KEEP_RESULT_H

#include "query/query_internal.h"

/* The verdict about the statement, if the query asks for it or is explained. */
enum pf_code keep_result_judge(struct pf_query *query, struct pf_session *session, const struct pf_statement *statement,
                               struct pf_error *err) PF_MUST_CHECK;
/* Names the result once the tables are known, or says why it can't be kept: query->result_hash, result_reason. */
void keep_result_name(struct pf_query *query, const struct pf_statement *statement);
/* True: it was there. The query is answered and has no rows. */
bool keep_result_take(struct pf_query *query);
/* After the query was bound: takes the name back if another one moved a view that it reads. */
void keep_result_check_views(struct pf_query *query);
/* Lines of EXPLAIN; `is_first`: what comes before the route. */
void keep_result_explain(const struct pf_query *query, bool is_first, struct pf_buf *out);

#endif
