/* SPDX-License-Identifier: MIT */
#include "roles/roles_internal.h"

#include "base/file.h"
#include "roles/session.h"
#include "roles/statements.h"

#include <unistd.h>

enum { MAX_SCRIPT_BYTES = 64 << 20 };

/* A running server with the same lake, if there is one: its workers are warm. An explicit --store-url is looked for
 * there too, and run here if no server has it. */
static enum pf_code open_client(struct pf_role_call *call, struct client **out_client, struct pf_error *err) {
    struct pf_stack_options options;
    pf_str url = pf_config_text(call->config, PF_CONFIG_URL);
    bool is_embedded = pf_config_number(call->config, PF_CONFIG_EMBEDDED) != 0;
    if (url.len == 0 && !is_embedded) url = find_local_server(call->config, call->arena);
    if (url.len && !is_embedded) return client_open_url(url, out_client, err);
    stack_options_from(call->config, &options);
    return client_open_embedded(&options, out_client, err);
}

static enum pf_code run_script(struct sql_session *session, pf_str script, struct pf_error *err) {
    pf_str statement;
    bool is_ended;
    while (next_statement(&script, &statement, &is_ended)) PF_TRY(run_statement(session, statement, err));
    return PF_OK;
}

static enum pf_code read_standard_input(struct pf_arena *arena, pf_str *out_text, struct pf_error *err) {
    struct pf_buf buf;
    pf_buf_init(&buf, MAX_SCRIPT_BYTES);
    for (;;) {
        char *room = pf_buf_reserve(&buf, 64 << 10);
        ssize_t got = room ? read(STDIN_FILENO, room, 64 << 10) : 0;
        if (got <= 0) break;
        buf.len += (size_t)got;
    }
    pf_str text;
    enum pf_code code = pf_buf_finish(&buf, "the script on standard input", &text, err);
    if (code == PF_OK) *out_text = pf_arena_str(arena, text);
    pf_buf_clear(&buf);
    return code;
}

/* The statements to run: `*out_is_prompt` if the user is to type them. */
static enum pf_code find_script(struct pf_role_call *call, pf_str *out_script, bool *out_is_prompt,
                                struct pf_error *err) {
    const struct pf_config *config = call->config;
    pf_str file = pf_config_text(config, PF_CONFIG_FILE), command = pf_config_text(config, PF_CONFIG_COMMAND);
    bool has_command = pf_config_is_given(config, PF_CONFIG_COMMAND);
    int sources = (config->argument_count > 0) + has_command + (file.len > 0);
    *out_is_prompt = false;
    if (sources > 1 || config->argument_count > 1) {
        PF_FAIL(err, PF_INVALID, "SQL comes from one place: an argument (in quotes), -c, -f or standard input");
    }
    if (config->argument_count) return *out_script = pf_str_from_cstr(config->arguments[0]), PF_OK;
    if (has_command) return *out_script = command, PF_OK;
    if (file.len && !pf_str_equal(file, PF_STR("-"))) {
        return pf_file_read(file.ptr, MAX_SCRIPT_BYTES, call->arena, out_script, err);
    }
    *out_is_prompt = file.len == 0 && isatty(STDIN_FILENO);
    return *out_is_prompt ? PF_OK : read_standard_input(call->arena, out_script, err);
}

static int report_query_failure(const struct sql_session *session, const struct pf_error *err) {
    fprintf(stderr, "Error: %s\n", err->message);
    return session->is_lost ? PF_EXIT_UNREACHABLE : PF_EXIT_FAILED;
}

static int run_sql(struct pf_role_call *call) {
    const struct pf_config *config = call->config;
    struct pf_error err = {0};
    pf_str script = PF_STR_EMPTY, statement;
    bool is_prompt, is_ended;
    enum pf_code code = find_script(call, &script, &is_prompt, &err);
    if (code == PF_INVALID) return report_misuse("sql", "%s", err.message);
    if (code != PF_OK) return fprintf(stderr, "puffindb sql: %s\n", err.message), PF_EXIT_USAGE;
    pf_str look_ahead = script;
    if (!is_prompt && !next_statement(&look_ahead, &statement, &is_ended)) {
        return report_misuse("sql", "no SQL to run");
    }
    struct sql_session session = {
        .format = pf_config_text(config, PF_CONFIG_FORMAT),
        .route = pf_config_text(config, PF_CONFIG_ROUTE),
        .timeout_ms = pf_config_number(config, PF_CONFIG_TIMEOUT),
        .max_rows = pf_config_number(config, PF_CONFIG_MAX_ROWS),
        .shows_progress = wants_progress(config),
        .shows_time = true,
        .arena = call->arena,
    };
    if (open_client(call, &session.client, &err) != PF_OK) return report_failure("sql", &err);
    int status = PF_EXIT_OK;
    catch_interrupts();
    if (is_prompt) {
        status = run_shell(&session, pf_config_text(config, PF_CONFIG_HISTORY));
    } else if (run_script(&session, script, &err) != PF_OK) {
        status = report_query_failure(&session, &err);
    }
    client_close(session.client);
    return status;
}

const struct pf_role pf_role_sql = {
    "sql",
    PF_FOR_SQL,
    "run SQL, or type it at a prompt",
    "sql [SQL] [OPTIONS]",
    "Runs the statements given as an argument, with -c, in a file (-f) or on standard input; without any of them, and\n"
    "on a terminal, it reads them from a prompt (\\? there lists its commands).\n"
    "Asks the server at --url, else the one at --listen if it has the same lake, else runs everything by itself.\n"
    "Exit status: 0 all went well, 1 a statement failed (the ones behind it are not run), 2 wrong usage,\n"
    "3 the service can't be reached.",
    "  puffindb sql \"SELECT count(*) FROM orders\"\n"
    "  puffindb sql -f report.sql --format csv > report.csv\n"
    "  echo 'SELECT 1; SELECT 2' | puffindb sql\n"
    "  puffindb sql --url http://127.0.0.1:8642 --route fleet \"EXPLAIN SELECT …\"\n",
    run_sql,
};
