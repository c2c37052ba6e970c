/* SPDX-License-Identifier: MIT */
/* What the sql role remembers between statements, and how it runs one. */
#ifndef PF_ROLES_SESSION_H
#define PF_ROLES_SESSION_H

#include "roles/client.h"
#include "roles/roles_internal.h"

struct sql_session {
    struct client *client;
    pf_str format, route; /* in `arena` */
    int64_t timeout_ms, max_rows;
    bool shows_progress, shows_time;
    bool is_lost; /* the last statement failed because the service did not answer */
    struct pf_arena *arena;
};

/* Runs one statement and prints its rows on stdout. The error is not printed. */
enum pf_code run_statement(struct sql_session *session, pf_str sql, struct pf_error *err) PF_MUST_CHECK;
/* Rows that are there already, as a table: columns [{"name","type"},…], one JSON array a row. */
void print_rows(pf_str columns_json, const pf_str *rows, size_t row_count, pf_str footer);

/* Reads lines with history and completion until \q or the end of the input; a pf_exit. */
int run_shell(struct sql_session *session, pf_str history_path);

#endif
