/* SPDX-License-Identifier: MIT */
/* Statements that are no queries: a module above knows and runs them (struct pf_statement_handler). Here is how their
 * answers become rows, and what the record, the log and the audit say of them. */
#include "query/statement.h"

#include "base/buf.h"
#include "base/log.h"
#include "query/query_log.h"
#include "query/resume.h"

enum { MAX_EXPLAIN_TEXT = 16 << 20 };

bool statement_is_known(const struct pf_query *query) {
    const struct pf_statement_handler *handler = query->stack->options.statements;
    return handler && handler->knows(query->sql);
}

/* DuckDB's own answers: INSERT and the like have one row with `Count`, others have none, and a column `Success`. */
static enum pf_code show_outcome(struct pf_query *query, const struct pf_outcome *outcome, struct pf_error *err) {
    pf_str sql = PF_STR("SELECT true AS \"Success\" WHERE false");
    if (outcome->has_count) {
        sql = pf_arena_printf(query->arena, "SELECT CAST(%lld AS BIGINT) AS \"Count\"", (long long)outcome->row_count);
    }
    query->column_name_count = 0;
    PF_TRY(pf_session_open(query->is_resumed ? query->stack->last_engine : query->stack->local_engine, &query->session,
                           err));
    if (query->is_resumed) return resume_keep(query, sql, err);
    return pf_session_query(query->session, sql, &query->rows, err);
}

static void note(struct pf_query *query, const struct pf_outcome *outcome, enum pf_code code) {
    query->stats.outcome = *outcome;
    pf_str object = outcome->object;
    if (outcome->snapshot_id) {
        object = pf_arena_printf(query->arena, "%.*s, snapshot %lld: %lld rows, %lld files", PF_STR_ARG(object),
                                 (long long)outcome->snapshot_id, (long long)outcome->row_count,
                                 (long long)outcome->file_count);
    }
    query_log_audit(query->stack, query->running.client, pf_arena_cstr(query->arena, outcome->kind), object, code);
}

static enum pf_code run(struct pf_query *query, struct pf_error *err) {
    struct pf_outcome outcome = {0};
    if (query->stack->options.is_read_only) {
        PF_FAIL(err, PF_DENIED,
                "this server only reads (--read-only): send statements that change something to another");
    }
    query->route = query->stats.route = PF_ROUTE_LOCAL;
    query->stats.reason = PF_STR("the statement is run where it came in");
    enum pf_code code = query->stack->options.statements->run(query, query->sql, &outcome, err);
    query_close_rows(query);
    note(query, &outcome, code);
    return code == PF_OK ? show_outcome(query, &outcome, err) : code;
}

static enum pf_code explain(struct pf_query *query, struct pf_error *err) {
    struct pf_buf text;
    pf_str lines;
    if (query->explain == EXPLAIN_ANALYZE) {
        PF_FAIL(err, PF_UNSUPPORTED,
                "EXPLAIN ANALYZE of a statement that writes would write: use EXPLAIN, or "
                "EXPLAIN ANALYZE of its SELECT");
    }
    pf_buf_init(&text, MAX_EXPLAIN_TEXT);
    enum pf_code code = query->stack->options.statements->explain(query, query->sql, &text, err);
    if (code == PF_OK) code = pf_buf_finish(&text, "EXPLAIN", &lines, err);
    query->column_name_count = 0;
    if (code == PF_OK) code = query_show_lines(query, lines, err);
    pf_buf_clear(&text);
    return code;
}

enum pf_code statement_start(struct pf_query *query, struct pf_error *err) {
    return query->explain == EXPLAIN_NOT ? run(query, err) : explain(query, err);
}

void statement_log(const struct pf_outcome *outcome) {
    if (!outcome->kind.len) return;
    pf_log(PF_LOG_INFO, "statement done",
           "\"statement\":\"%.*s\",\"snapshot_id\":%lld,\"written_rows\":%lld,\"written_files\":%lld",
           PF_STR_ARG(outcome->kind), (long long)outcome->snapshot_id, (long long)outcome->row_count,
           (long long)outcome->file_count);
}
