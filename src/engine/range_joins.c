/* SPDX-License-Identifier: MIT */
/* Keeps DuckDB's IE join away from outer joins.
 *
 * In DuckDB 1.5 `a LEFT JOIN b ON a.i BETWEEN b.i + 10000 AND b.i + 20000` over 3,000 rows each reads address zero, and
 * a RIGHT or FULL one with a STRUCT among its columns has an internal error: the IE join, which takes two range
 * conditions at once, makes the rows without a partner in vectors that have no memory. Its piecewise merge join does
 * not, and takes its place where a side has fewer rows than merge_join_threshold. Inner joins would be far slower by it,
 * and the setting is of the whole instance; so it is raised only while a statement with an outer join is prepared and
 * made pending, which is when its operators are chosen (once more over Parquet files). */
#include "engine/engine_internal.h"

#include "base/log.h"

static bool has_outer_join(pf_str sql) {
    struct pf_sql_scanner scanner = {sql};
    for (struct pf_sql_token token = pf_sql_scan_next(&scanner); token.kind != PF_SQL_END;
         token = pf_sql_scan_next(&scanner))
        if (pf_sql_token_is(&token, "left") || pf_sql_token_is(&token, "right") || pf_sql_token_is(&token, "full"))
            return true;
    return false;
}

/* On the engine's own connection: on the session's it would close what is pending. A failure is not told: an instance
 * that can't set this can't prepare the statement, either, and says why. */
static void set_threshold(struct pf_engine *engine, const char *sql) {
    struct pf_error err = {0};
    pthread_mutex_lock(&engine->locked.mutex);
    if (connection_run(engine->locked.connection, pf_str_from_cstr(sql), &err) != PF_OK)
        pf_log_failure(PF_LOG_DEBUG, "range joins stay as they are", &err);
    pthread_mutex_unlock(&engine->locked.mutex);
}

bool range_joins_begin_prepare(struct pf_session *session, pf_str sql) {
    struct pf_engine *engine = session->engine;
    if (engine->is_planner || !has_outer_join(sql)) return false;
    pthread_mutex_lock(&engine->range_join_mutex);
    set_threshold(engine, "SET GLOBAL merge_join_threshold = 9223372036854775807");
    return true;
}

void range_joins_end_prepare(struct pf_session *session, bool has_begun) {
    if (!has_begun) return;
    set_threshold(session->engine, "SET GLOBAL merge_join_threshold = 1000"); /* DuckDB's default */
    pthread_mutex_unlock(&session->engine->range_join_mutex);
}
