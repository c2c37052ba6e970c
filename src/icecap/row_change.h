/* SPDX-License-Identifier: MIT */
/* What DELETE, UPDATE and MERGE come down to: rows of a table that go, and rows that come.
 *
 *   places_sql --bind, read--> places -> delete files     \
 *   rows_sql ---bind, write--> data files                  > one snapshot, or all of it anew if somebody else was there
 *
 * Both SELECTs read one snapshot of every table (query/query.h: pf_query_pin_tables). Rows that are updated go and come
 * again; in a version 3 table they keep their row id. */
#ifndef PF_ICECAP_ROW_CHANGE_H
#define PF_ICECAP_ROW_CHANGE_H

#include "icecap/places.h"
#include "icecap/target.h"

struct row_change {
    const char *verb; /* "delete", "update", "merge": of the properties write.<verb>.mode and .isolation-level */
    const struct head_name *table;
    pf_str alias; /* how the statement calls it */
    const void *parsed;
    /* Sets the SQL below, for the state of the table that the target has. */
    enum pf_code (*plan)(struct icecap_call *call, struct target *target, struct row_change *change,
                         struct pf_error *err);
    /* Columns: an action, _file_number, _pos, a text. Empty: no rows go. */
    pf_str places_sql;
    /* Columns: those of the table, then the row id that is kept or NULL. Empty: no rows come. */
    pf_str rows_sql;
    /* Actions: below this one are ERROR clauses, the text being the message; it itself is an update, a row that comes
     * again; above are deletes. */
    int error_action_count;
    bool forbids_twice;    /* MERGE: a row may be found once */
    bool takes_all;        /* every row of the table goes */
    pf_str only_where_sql; /* DELETE: the one condition, where there is nothing else to it */
};

#define ROW_CHANGE_COUNT PF_STR("puffindb.changed-rows") /* in the snapshot's summary */

/* Runs it, sets the outcome. */
enum pf_code row_change_run(struct icecap_call *call, struct row_change *change, struct pf_error *err) PF_MUST_CHECK;
enum pf_code row_change_explain(struct icecap_call *call, struct row_change *change, struct pf_buf *out,
                                struct pf_error *err) PF_MUST_CHECK;

/* ---- parts of SQL ---- */

/* "main"."t$positions@version=7" AS "alias" */
pf_str row_change_relation(struct icecap_call *call, const struct target *target, pf_str alias);
/* The statement's name for the table, quoted: its alias, or its own. */
pf_str row_change_alias(const struct head_name *table, pf_str alias, struct pf_arena *arena);

/* SET's columns are the table's. */
struct assignments;
enum pf_code update_check_columns(const struct target *target, const struct assignments *assignments,
                                  struct pf_error *err) PF_MUST_CHECK;
/* The new value of a column: what is assigned, as its type, or what it was. */
enum pf_code update_put_value(struct icecap_call *call, const struct target *target,
                              const struct assignments *assignments, const struct pf_iceberg_field *field, pf_str alias,
                              struct pf_buf *out, struct pf_error *err) PF_MUST_CHECK;

#endif
