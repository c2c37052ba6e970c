/* SPDX-License-Identifier: MIT */
/* One statement: POST it with an id of our own, so that its record can be asked for meanwhile, and print what comes.
 * As a table the answer is JSON, taken apart while it arrives; other formats go to stdout as they are. */
#include "roles/session.h"

#include "base/id.h"
#include "base/json.h"
#include "net/net.h"
#include "roles/progress.h"
#include "roles/result_reader.h"
#include "roles/result_table.h"
#include "roles/statements.h"

#include <errno.h>

enum { TERMINAL_ROWS = 40, PIPE_ROWS = 10000, MAX_ROW_BYTES = 512 << 20, MAX_TABLE_BYTES = 1 << 30 };

struct running_statement {
    struct sql_session *session;
    struct pf_arena *arena;
    pf_str sql, id;
    struct progress *progress;
    atomic_bool must_stop;
    bool is_table, has_output;
    struct result_reader reader;
    struct result_table *table;
    struct pf_error failure; /* told by the answer itself */
    pf_str stats_json;
    char last_byte;
};

/* ---- as a table ---- */

static void take_member(void *context, pf_str key, pf_str text) {
    struct running_statement *running = context;
    if (pf_str_equal(key, PF_STR("columns"))) {
        enum pf_code code = result_table_set_columns(running->table, text, &running->failure);
        (void)code; /* kept in `failure` */
    } else if (pf_str_equal(key, PF_STR("stats"))) {
        running->stats_json = pf_arena_str(running->arena, text);
    } else if (pf_str_equal(key, PF_STR("error"))) {
        client_read_error(200, pf_arena_printf(running->arena, "{\"error\":%.*s}", PF_STR_ARG(text)),
                          &running->failure);
    }
}

static void take_row(void *context, pf_str text) {
    struct running_statement *running = context;
    result_table_add(running->table, text);
}

static pf_str footer_text(struct running_statement *running) {
    struct pf_arena *arena = running->arena;
    pf_json *stats = NULL;
    int64_t rows = result_table_row_count(running->table);
    if (running->stats_json.len == 0 || pf_json_parse(running->stats_json, arena, "stats", &stats, NULL) != PF_OK) {
        return counted(arena, rows, "row", "rows");
    }
    int64_t tasks = pf_json_get_i64(stats, "tasks", 0), shown_rows = is_terminal(stdout) ? TERMINAL_ROWS : PIPE_ROWS;
    pf_str left_out = rows > shown_rows ? pf_arena_printf(arena, " (%lld shown)", (long long)shown_rows) : PF_STR_EMPTY;
    pf_str spread =
        tasks > 0 ? pf_arena_printf(arena, ", %.*s in %.*s", PF_STR_ARG(counted(arena, tasks, "task", "tasks")),
                                    PF_STR_ARG(counted(arena, pf_json_get_i64(stats, "stages", 0), "stage", "stages")))
                  : PF_STR_EMPTY;
    return pf_arena_printf(arena, "%.*s%.*s · %.*s · %.*s%.*s", PF_STR_ARG(counted(arena, rows, "row", "rows")),
                           PF_STR_ARG(left_out), PF_STR_ARG(time_text(arena, pf_json_get_f64(stats, "elapsed_ms", 0))),
                           PF_STR_ARG(pf_json_get_str(stats, "route", PF_STR("?"))), PF_STR_ARG(spread));
}

static void write_out(const struct pf_buf *out) {
    fwrite(out->ptr, 1, out->len, stdout);
    fflush(stdout);
}

static void print_table(struct running_statement *running) {
    struct pf_buf out;
    pf_buf_init(&out, MAX_TABLE_BYTES);
    if (pf_str_equal_nocase(first_word(running->sql), PF_STR("explain"))) {
        result_table_print_lines(running->table, &out);
    } else {
        pf_str footer = running->session->shows_time ? footer_text(running) : PF_STR_EMPTY;
        result_table_print(running->table, terminal_width(stdout), footer, &out);
    }
    write_out(&out);
    pf_buf_clear(&out);
}

void print_rows(pf_str columns_json, const pf_str *rows, size_t row_count, pf_str footer) {
    struct result_table *table = result_table_new(row_count * 2 + 2);
    struct pf_buf out;
    pf_buf_init(&out, MAX_TABLE_BYTES);
    if (result_table_set_columns(table, columns_json, NULL) == PF_OK) {
        for (size_t i = 0; i < row_count; i++) result_table_add(table, rows[i]);
        result_table_print(table, terminal_width(stdout), footer, &out);
        write_out(&out);
    }
    pf_buf_clear(&out);
    result_table_free(table);
}

/* ---- the call ---- */

static enum pf_code take_bytes(void *context, pf_str bytes) {
    struct running_statement *running = context;
    if (bytes.len == 0) return PF_OK;
    if (running->is_table) return result_reader_feed(&running->reader, bytes, &running->failure);
    if (!running->has_output) progress_hide(running->progress);
    running->has_output = true;
    running->last_byte = bytes.ptr[bytes.len - 1];
    if (fwrite(bytes.ptr, 1, bytes.len, stdout) == bytes.len) return PF_OK;
    return pf_error_set_errno(&running->failure, errno, __FILE__, __LINE__, "write to standard output");
}

static pf_str target_of(const struct running_statement *running) {
    const struct sql_session *session = running->session;
    return pf_arena_printf(running->arena, "/v1/query?id=%.*s&format=%.*s&route=%.*s&timeout_ms=%lld&max_rows=%lld",
                           PF_STR_ARG(running->id), PF_STR_ARG(running->is_table ? PF_STR("json") : session->format),
                           PF_STR_ARG(session->route), (long long)session->timeout_ms, (long long)session->max_rows);
}

/* Rows that went out as they came may have ended with an error: the record of the query knows. */
static enum pf_code ask_how_it_ended(struct running_statement *running, struct pf_error *err) {
    pf_json *record;
    pf_str text;
    pf_str target = pf_arena_printf(running->arena, "/v1/query/%.*s", PF_STR_ARG(running->id));
    if (client_get(running->session->client, target, running->arena, &text, NULL) != PF_OK) return PF_OK;
    if (pf_json_parse(text, running->arena, "record", &record, NULL) != PF_OK) return PF_OK;
    pf_str state = pf_json_get_str(record, "state", PF_STR_EMPTY);
    if (!pf_str_equal(state, PF_STR("failed")) && !pf_str_equal(state, PF_STR("cancelled"))) return PF_OK;
    return client_read_error(200, text, err);
}

static enum pf_code conclude(struct running_statement *running, enum pf_code code, int status, pf_str body,
                             struct pf_error *err) {
    if (atomic_load(&running->must_stop)) PF_FAIL(err, PF_CANCELLED, "cancelled");
    if (running->failure.code != PF_OK) {
        if (err) *err = running->failure;
        return running->failure.code;
    }
    if (code == PF_OK && status != 200) return client_read_error(status, body, err);
    if (!running->is_table) {
        enum pf_code ended = ask_how_it_ended(running, err);
        if (ended != PF_OK) return ended;
    }
    running->session->is_lost = code == PF_REMOTE;
    if (code != PF_OK || !running->is_table) return code;
    if (!result_reader_is_over(&running->reader)) PF_FAIL(err, PF_REMOTE, "the answer was cut");
    print_table(running);
    return PF_OK;
}

static enum pf_code send_statement(struct running_statement *running, struct pf_error *err) {
    struct sql_session *session = running->session;
    int status = 0;
    pf_str body = PF_STR_EMPTY;
    running->progress = progress_start(session->client, running->id, session->shows_progress, &running->must_stop);
    struct client_call call = {.method = "POST",
                               .target = target_of(running),
                               .body = running->sql,
                               .on_bytes = take_bytes,
                               .context = running,
                               .must_stop = &running->must_stop};
    enum pf_code code = client_send(session->client, &call, running->arena, &status, &body, err);
    running->progress = progress_stop(running->progress);
    return conclude(running, code, status, body, err);
}

enum pf_code run_statement(struct sql_session *session, pf_str sql, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "statement");
    struct running_statement *running = PF_ARENA_NEW(arena, struct running_statement);
    running->session = session;
    running->arena = arena;
    running->sql = sql;
    running->id = pf_id_ulid(arena);
    running->is_table = pf_str_equal(session->format, PF_STR("table"));
    running->table = result_table_new(is_terminal(stdout) ? TERMINAL_ROWS : PIPE_ROWS);
    result_reader_init(&running->reader, MAX_ROW_BYTES);
    running->reader.on_member = take_member;
    running->reader.on_row = take_row;
    running->reader.context = running;
    forget_interrupt();
    enum pf_code code = send_statement(running, err);
    fflush(stdout);
    result_reader_clear(&running->reader);
    result_table_free(running->table);
    pf_arena_free(arena);
    return code;
}
