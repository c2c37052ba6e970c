/* SPDX-License-Identifier: MIT */
/* The prompt: lines with history and completion (libedit), statements over several lines until a semicolon, commands
 * that begin with a backslash.
 *
 * Ctrl-C: while a query runs it is cancelled; at the prompt the line is thrown away. libedit calls back without a
 * context, so what completion offers hangs on one static pointer while the shell runs. */
#include "roles/session.h"

#include "base/file.h"
#include "base/json.h"
#include "roles/statements.h"

#include <editline/readline.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HISTORY_LINES = 2000, MAX_STATEMENT_BYTES = 16 << 20 };

static const char *const keywords[] = {
    "ALL",         "AND",       "AS",           "ASC",         "BETWEEN", "BY",     "CASE",
    "CAST",        "COPY",      "COUNT(",       "CREATE",      "DELETE",  "DESC",   "DESCRIBE",
    "DISTINCT",    "DROP",      "ELSE",         "END",         "EXCEPT",  "EXISTS", "EXPLAIN ANALYZE",
    "EXPLAIN",     "FILTER",    "FROM",         "GROUP BY",    "HAVING",  "IN",     "INNER JOIN",
    "INSERT INTO", "INTERSECT", "INTERVAL",     "IS NOT NULL", "IS NULL", "JOIN",   "LEFT JOIN",
    "LIKE",        "LIMIT",     "NOT",          "NULL",        "OFFSET",  "ON",     "OR",
    "ORDER BY",    "OVER",      "PARTITION BY", "QUALIFY",     "SELECT",  "SUM(",   "SUMMARIZE",
    "TABLE",       "THEN",      "UNION ALL",    "UNION",       "UPDATE",  "USING",  "VALUES",
    "WHEN",        "WHERE",     "WITH"};

struct shell {
    struct sql_session *session;
    struct pf_arena *tables_arena; /* of `names` and `tables` */
    pf_json *tables;               /* of GET /v1/tables; NULL: unknown */
    const char **names;            /* tables and columns, for completion */
    size_t name_count, name_capacity;
    bool has_names, must_end;
};

static struct shell *completing_shell;

/* ---- tables ---- */

static enum pf_code load_tables(struct shell *shell, struct pf_error *err) {
    pf_str json;
    pf_json *root;
    struct pf_arena *arena = pf_arena_new(NULL, "tables");
    enum pf_code code = client_get(shell->session->client, PF_STR("/v1/tables"), arena, &json, err);
    if (code == PF_OK) code = pf_json_parse(json, arena, "tables", &root, err);
    if (code != PF_OK) {
        pf_arena_free(arena);
        return code;
    }
    pf_arena_free(shell->tables_arena);
    shell->tables_arena = arena;
    shell->tables = pf_json_get(root, "tables");
    shell->names = NULL;
    shell->name_count = shell->name_capacity = 0;
    return PF_OK;
}

static void add_name(struct shell *shell, pf_str name) {
    PF_ARENA_PUSH(shell->tables_arena, shell->names, shell->name_count, shell->name_capacity) =
        pf_arena_cstr(shell->tables_arena, name);
}

/* main is where names without a namespace are looked up. */
static pf_str short_name(pf_str name) {
    return pf_str_starts_with(name, PF_STR("main.")) ? pf_str_slice(name, 5, name.len) : name;
}

static void collect_names(struct shell *shell) {
    shell->has_names = true;
    if (load_tables(shell, NULL) != PF_OK) return;
    for (struct pf_json_each table = pf_json_each(shell->tables); pf_json_next(&table);) {
        add_name(shell, short_name(pf_json_get_str(table.value, "name", PF_STR_EMPTY)));
        for (struct pf_json_each column = pf_json_each(pf_json_get(table.value, "columns")); pf_json_next(&column);) {
            add_name(shell, pf_json_get_str(column.value, "name", PF_STR_EMPTY));
        }
    }
}

/* ---- completion ---- */

/* Called with state 0 first, then until it returns NULL. */
static char *next_completion(const char *text, int state) {
    static size_t at;
    enum { KEYWORD_COUNT = sizeof keywords / sizeof *keywords };
    size_t length = strlen(text);
    if (state == 0) at = 0;
    while (at < KEYWORD_COUNT + completing_shell->name_count) {
        bool is_keyword = at < KEYWORD_COUNT;
        const char *word = is_keyword ? keywords[at] : completing_shell->names[at - KEYWORD_COUNT];
        at++;
        if (length > 0 && strncasecmp(word, text, length) == 0) return strdup(word);
    }
    return NULL;
}

static char **complete(const char *text, int start, int end) {
    (void)start;
    (void)end;
    if (!completing_shell->has_names) collect_names(completing_shell);
    rl_attempted_completion_over = 1; /* no file names */
    return rl_completion_matches(text, next_completion);
}

/* ---- commands ---- */

static void describe_all(struct shell *shell) {
    struct pf_arena *arena = pf_arena_new(NULL, "describe");
    size_t count = 0;
    pf_str *rows = PF_ARENA_ARRAY(arena, pf_str, pf_json_count(shell->tables));
    for (struct pf_json_each table = pf_json_each(shell->tables); pf_json_next(&table);) {
        pf_str name = short_name(pf_json_get_str(table.value, "name", PF_STR_EMPTY));
        pf_str size = bytes_text(arena, pf_json_get_i64(table.value, "bytes", 0));
        rows[count++] = pf_arena_printf(arena, "[\"%.*s\",%lld,%lld,\"%.*s\"]", PF_STR_ARG(name),
                                        (long long)pf_json_get_i64(table.value, "rows", 0),
                                        (long long)pf_json_get_i64(table.value, "files", 0), PF_STR_ARG(size));
    }
    if (count) {
        print_rows(PF_STR("[{\"name\":\"table\",\"type\":\"\"},{\"name\":\"rows\",\"type\":\"BIGINT\"},"
                          "{\"name\":\"files\",\"type\":\"BIGINT\"},{\"name\":\"size\",\"type\":\"\"}]"),
                   rows, count, PF_STR_EMPTY);
    } else {
        printf("No tables yet; puffindb load NAME FILE… makes one.\n");
    }
    pf_arena_free(arena);
}

static void describe_one(struct shell *shell, pf_str wanted) {
    for (struct pf_json_each table = pf_json_each(shell->tables); pf_json_next(&table);) {
        pf_str name = pf_json_get_str(table.value, "name", PF_STR_EMPTY);
        if (!pf_str_equal_nocase(name, wanted) && !pf_str_equal_nocase(short_name(name), wanted)) continue;
        struct pf_arena *arena = pf_arena_new(NULL, "describe");
        struct pf_buf row;
        size_t count = 0;
        pf_json *columns = pf_json_get(table.value, "columns");
        pf_str *rows = PF_ARENA_ARRAY(arena, pf_str, pf_json_count(columns));
        pf_buf_init(&row, 1 << 20);
        for (struct pf_json_each column = pf_json_each(columns); pf_json_next(&column);) {
            pf_buf_reset(&row);
            pf_buf_put_char(&row, '[');
            pf_buf_put_json_str(&row, pf_json_get_str(column.value, "name", PF_STR_EMPTY));
            pf_buf_put_char(&row, ',');
            pf_buf_put_json_str(&row, pf_json_get_str(column.value, "type", PF_STR_EMPTY));
            pf_buf_put_char(&row, ']');
            rows[count++] = pf_arena_str(arena, pf_buf_view(&row));
        }
        print_rows(PF_STR("[{\"name\":\"column\",\"type\":\"\"},{\"name\":\"type\",\"type\":\"\"}]"), rows, count,
                   counted(arena, pf_json_get_i64(table.value, "rows", 0), "row", "rows"));
        pf_buf_clear(&row);
        pf_arena_free(arena);
        return;
    }
    printf("No table '%.*s'; \\d lists them.\n", PF_STR_ARG(wanted));
}

static void command_describe(struct shell *shell, pf_str argument) {
    struct pf_error err = {0};
    if (load_tables(shell, &err) != PF_OK) {
        fprintf(stderr, "Error: %s\n", err.message);
    } else if (argument.len) {
        describe_one(shell, argument);
    } else {
        describe_all(shell);
    }
    shell->has_names = false;
}

static void command_timing(struct shell *shell, pf_str argument) {
    (void)argument;
    shell->session->shows_time = !shell->session->shows_time;
    printf("Rows, time and route below results: %s\n", shell->session->shows_time ? "on" : "off");
}

static void run_and_report(struct shell *shell, pf_str sql) {
    struct pf_error err = {0};
    if (run_statement(shell->session, sql, &err) != PF_OK) fprintf(stderr, "Error: %s\n", err.message);
    forget_interrupt();
    shell->has_names = shell->has_names && pf_str_equal_nocase(first_word(sql), PF_STR("select"));
}

static void command_explain(struct shell *shell, pf_str argument) {
    struct pf_arena *arena = pf_arena_new(NULL, "explain");
    while (pf_str_ends_with(argument, PF_STR(";"))) argument.len--;
    if (argument.len) {
        run_and_report(shell, pf_arena_printf(arena, "EXPLAIN %.*s", PF_STR_ARG(argument)));
    } else {
        printf("\\explain SELECT …\n");
    }
    pf_arena_free(arena);
}

/* Sets one of an option's choices, or shows it. */
static void choose(struct shell *shell, enum pf_config_id id, pf_str word, pf_str *setting) {
    pf_str rest = pf_str_from_cstr(pf_options[id].choices), choice;
    bool is_known = word.len == 0;
    while (pf_str_next(&rest, '|', &choice)) {
        if (!pf_str_equal_nocase(choice, word)) continue;
        *setting = choice;
        is_known = true;
    }
    (void)shell;
    if (is_known) printf("%s is %.*s\n", pf_options[id].flag, PF_STR_ARG(*setting));
    if (!is_known || word.len == 0) printf("one of %s\n", pf_options[id].choices);
}

static void command_route(struct shell *shell, pf_str argument) {
    choose(shell, PF_CONFIG_ROUTE, argument, &shell->session->route);
}

static void command_format(struct shell *shell, pf_str argument) {
    choose(shell, PF_CONFIG_FORMAT, argument, &shell->session->format);
}

static void command_quit(struct shell *shell, pf_str argument) {
    (void)argument;
    shell->must_end = true;
}

static void command_help(struct shell *shell, pf_str argument);

static const struct {
    const char *name, *arguments, *help;
    void (*run)(struct shell *shell, pf_str argument);
} commands[] = {
    {"\\d", "[TABLE]", "tables, or the columns of one", command_describe},
    {"\\explain", "SQL", "how a statement would run", command_explain},
    {"\\format", "[NAME]", "how results are written: table, json, ndjson, csv", command_format},
    {"\\route", "[NAME]", "where queries run: auto, local, fleet, monostore, athena", command_route},
    {"\\timing", "", "rows, time and route below results, on or off", command_timing},
    {"\\?", "", "this list", command_help},
    {"\\q", "", "leave (Ctrl-D too)", command_quit},
};

static void command_help(struct shell *shell, pf_str argument) {
    (void)shell;
    (void)argument;
    printf("Statements end with ; and may have several lines. Ctrl-C cancels the query that runs, or the line.\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        printf("  %-9s %-8s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    }
}

static void run_command(struct shell *shell, pf_str line) {
    size_t blank = pf_str_find_char(line, ' ', 0);
    pf_str name = pf_str_slice(line, 0, blank), argument = pf_str_trim(pf_str_slice(line, name.len, line.len));
    if (pf_str_ends_with(name, PF_STR(";"))) name.len--;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (!pf_str_equal(name, pf_str_from_cstr(commands[i].name))) continue;
        commands[i].run(shell, argument);
        return;
    }
    printf("No command %.*s; \\? lists them.\n", PF_STR_ARG(name));
}

/* ---- lines ---- */

/* Runs the whole statements in `pending` and leaves what is not ended yet. */
static void run_ended_statements(struct shell *shell, struct pf_buf *pending) {
    struct pf_arena *arena = pf_arena_new(NULL, "lines");
    pf_str rest = pf_arena_str(arena, pf_buf_view(pending)), statement, before = rest;
    bool is_ended;
    pf_buf_reset(pending);
    while (next_statement(&rest, &statement, &is_ended)) {
        if (!is_ended) {
            pf_buf_put_str(pending, before);
            break;
        }
        run_and_report(shell, statement);
        before = rest;
    }
    pf_arena_free(arena);
}

static void remember(const char *history_path, pf_str line) {
    struct pf_arena *arena = pf_arena_new(NULL, "history");
    add_history(pf_arena_cstr(arena, line));
    if (history_path[0]) write_history(history_path);
    pf_arena_free(arena);
}

static void take_line(struct shell *shell, struct pf_buf *pending, pf_str line, const char *history_path) {
    pf_str words = pf_str_trim(line);
    if (words.len) remember(history_path, line);
    if (pending->len == 0 && pf_str_starts_with(words, PF_STR("\\"))) {
        run_command(shell, words);
        return;
    }
    bool is_word =
        pending->len == 0 && (pf_str_equal_nocase(words, PF_STR("quit")) || pf_str_equal_nocase(words, PF_STR("exit")));
    if (is_word) {
        shell->must_end = true;
        return;
    }
    pf_buf_put_str(pending, line);
    pf_buf_put_char(pending, '\n');
    if (pending->failed) {
        fprintf(stderr, "Error: the statement is too long\n");
        pf_buf_reset(pending);
        return;
    }
    run_ended_statements(shell, pending);
}

static void open_history(const char *path) {
    struct pf_arena *arena = pf_arena_new(NULL, "history");
    char *folder = pf_arena_cstr(arena, pf_str_from_cstr(path));
    char *slash = strrchr(folder, '/');
    using_history();
    stifle_history(HISTORY_LINES);
    if (slash && slash != folder) {
        *slash = 0;
        /* Without a folder there is no history; that is no reason to refuse the prompt. */
        if (pf_file_make_directories(folder, NULL) == PF_OK) read_history(path);
    }
    pf_arena_free(arena);
}

static char program_name[] = "puffindb";

int run_shell(struct sql_session *session, pf_str history_path) {
    struct shell shell = {.session = session};
    struct pf_buf pending;
    const char *path = history_path.len ? history_path.ptr : "";
    pf_buf_init(&pending, MAX_STATEMENT_BYTES);
    completing_shell = &shell;
    rl_readline_name = program_name;
    rl_attempted_completion_function = complete;
    open_history(path);
    printf("puffindb %s, %.*s. \\? for help.\n", PUFFIN_VERSION, PF_STR_ARG(client_name(session->client)));
    while (!shell.must_end) {
        forget_interrupt();
        char *line = readline(pending.len ? "    ...> " : "puffindb> ");
        if (line) {
            take_line(&shell, &pending, pf_str_from_cstr(line), path);
            free(line);
        } else if (was_interrupted()) {
            pf_buf_reset(&pending);
            printf("\n");
        } else {
            printf("\n");
            break;
        }
    }
    completing_shell = NULL;
    pf_buf_clear(&pending);
    pf_arena_free(shell.tables_arena);
    return PF_EXIT_OK;
}
