/* SPDX-License-Identifier: MIT */
/* system.queries, system.tasks, system.audit: Iceberg tables whose newest rows are still in Redis. */
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "query/load.h"
#include "query/query_log.h"
#include "sync/sync.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MOVE_ROWS = 5000, /* so many are moved at once, sooner if the first is older than the option says */
    READ_ROWS = 1000, /* of a stream, in one reply */
    MAX_MOVE_ROWS = 20000,
    MAX_TAIL_BYTES = 256 << 20,
    TURN_MS = 60000,
    HISTORY_MS = 3600 * 1000, /* snapshots that are older may go: no statement reads for so long */
    HISTORY_SNAPSHOTS = 20,   /* but not so many of the newest, and not fewer at once */
    OPEN_TRIES = 10,
    FILE_KEEP_MS = 600 * 1000,
};

#define SYSTEM_SPACE PF_STR("system")

/* ---- what there is ---- */

struct system_table {
    pf_str name;
    const struct pf_sql_column *columns;
    size_t column_count;
};

#define COLUMN(name, type)                                                                                             \
    { PF_STR(name), PF_STR(type), false }
static const struct pf_sql_column query_columns[] = {
    COLUMN("id", "VARCHAR"),
    COLUMN("started", "TIMESTAMP WITH TIME ZONE"),
    COLUMN("ended", "TIMESTAMP WITH TIME ZONE"),
    COLUMN("state", "VARCHAR"), /* done, failed, cancelled */
    COLUMN("route", "VARCHAR"),
    COLUMN("reason", "VARCHAR"),
    COLUMN("statement", "VARCHAR"),
    COLUMN("user_name", "VARCHAR"),
    COLUMN("client", "VARCHAR"),
    COLUMN("error_code", "VARCHAR"),
    COLUMN("error_message", "VARCHAR"),
    COLUMN("planning_ms", "DOUBLE"),
    COLUMN("elapsed_ms", "DOUBLE"),
    COLUMN("stages", "INTEGER"),
    COLUMN("tasks", "INTEGER"),
    COLUMN("retries", "INTEGER"),
    COLUMN("workers", "INTEGER"),
    COLUMN("scanned_bytes", "BIGINT"),
    COLUMN("exchanged_bytes", "BIGINT"),
    COLUMN("rows", "BIGINT"),
    COLUMN("cost_usd", "DOUBLE"), /* NULL where nobody says what it cost */
    COLUMN("server", "VARCHAR"),
};
static const struct pf_sql_column task_columns[] = {
    COLUMN("query_id", "VARCHAR"),   COLUMN("stage", "INTEGER"),         COLUMN("task", "INTEGER"),
    COLUMN("attempt", "INTEGER"),    COLUMN("worker", "VARCHAR"),        COLUMN("ended", "TIMESTAMP WITH TIME ZONE"),
    COLUMN("state", "VARCHAR"), /* done, failed, lost */
    COLUMN("error_code", "VARCHAR"), COLUMN("error_message", "VARCHAR"), COLUMN("elapsed_ms", "BIGINT"),
    COLUMN("rows", "BIGINT"),        COLUMN("bytes", "BIGINT"),
};
static const struct pf_sql_column audit_columns[] = {
    COLUMN("id", "VARCHAR"),     COLUMN("happened", "TIMESTAMP WITH TIME ZONE"),
    COLUMN("client", "VARCHAR"), COLUMN("action", "VARCHAR"), /* load, cancel, start, stop */
    COLUMN("object", "VARCHAR"), COLUMN("outcome", "VARCHAR"),
    COLUMN("server", "VARCHAR"),
};
#undef COLUMN

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
static const struct system_table tables[LOG_KIND_COUNT] = {
    [LOG_QUERIES] = {PF_STR("queries"), query_columns, COUNT_OF(query_columns)},
    [LOG_TASKS] = {PF_STR("tasks"), task_columns, COUNT_OF(task_columns)},
    [LOG_AUDIT] = {PF_STR("audit"), audit_columns, COUNT_OF(audit_columns)},
};

bool system_table_kind(struct pf_table_id id, enum log_kind *out_kind) {
    if (!pf_str_equal_nocase(id.space, SYSTEM_SPACE)) return false;
    for (int kind = 0; kind < LOG_KIND_COUNT; kind++) {
        if (!pf_str_equal_nocase(id.name, tables[kind].name)) continue;
        *out_kind = (enum log_kind)kind;
        return true;
    }
    return false;
}

pf_str system_table_log(enum log_kind kind) {
    return tables[kind].name;
}

static enum pf_code load_or_make(struct pf_stack *stack, enum log_kind kind, struct pf_arena *arena,
                                 struct pf_table **out_table, struct pf_error *err) {
    struct pf_table_id id = {SYSTEM_SPACE, tables[kind].name};
    enum pf_code code = pf_catalog_load(stack->catalog, id, arena, out_table, err);
    if (code != PF_NOT_FOUND) return code;
    struct pf_iceberg_schema *schema = PF_ARENA_NEW(arena, struct pf_iceberg_schema);
    struct pf_table_spec spec = {.id = id, .schema = schema};
    PF_TRY(pf_iceberg_schema_from_sql(tables[kind].columns, tables[kind].column_count, arena, schema,
                                      &spec.last_column_id, err));
    code = pf_catalog_create(stack->catalog, &spec, arena, out_table, err);
    /* Another process was faster. */
    return code == PF_CONFLICT ? pf_catalog_load(stack->catalog, id, arena, out_table, err) : code;
}

/* ---- rows of a stream -> lines of a file ---- */

struct lines {
    pf_str path, last_id;
    int64_t count;
};

static bool is_row(pf_str json, struct pf_arena *arena) {
    pf_json *parsed = NULL;
    if (pf_str_find_char(json, '\n', 0) == SIZE_MAX && pf_json_parse(json, arena, "a row", &parsed, NULL) == PF_OK) {
        return true;
    }
    pf_log(PF_LOG_WARN, "an entry of the query log is not a row, left out", NULL);
    return false;
}

static enum pf_code read_lines(struct pf_stack *stack, enum log_kind kind, pf_str after_id, int64_t max_rows,
                               struct pf_arena *arena, struct pf_buf *buf, struct lines *lines, struct pf_error *err) {
    lines->last_id = after_id;
    for (size_t count = READ_ROWS; count == READ_ROWS && lines->count < max_rows;) {
        struct pf_arena *scratch = pf_arena_new(arena, "rows");
        struct pf_sync_log_entry *entries = NULL;
        enum pf_code code =
            pf_sync_log_read(stack->sync, tables[kind].name, lines->last_id, READ_ROWS, scratch, &entries, &count, err);
        for (size_t i = 0; code == PF_OK && i < count; i++) {
            if (!is_row(entries[i].json, scratch)) continue;
            pf_buf_put_str(buf, entries[i].json);
            pf_buf_put_char(buf, '\n');
            lines->count++;
        }
        if (code == PF_OK && count > 0) lines->last_id = pf_arena_str(arena, entries[count - 1].id);
        pf_arena_free(scratch);
        PF_TRY(code);
    }
    return PF_OK;
}

/* The ids of different Redis servers have nothing to do with each other: each stream has a mark of its own. */
static enum pf_code name_mark(struct pf_stack *stack, enum log_kind kind, struct pf_arena *arena, pf_str *out_name,
                              struct pf_error *err) {
    pf_str identity;
    PF_TRY(pf_sync_log_identity(stack->sync, tables[kind].name, arena, &identity, err));
    *out_name = pf_arena_printf(arena, "puffindb.log.%.*s", PF_STR_ARG(identity));
    return PF_OK;
}

/* Files that nobody wrote to for so long: whoever reads them has opened them long ago. */
static void remove_old_files(const char *folder) {
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        struct stat info;
        if (entry->d_name[0] == '.' || fstatat(dirfd(directory), entry->d_name, &info, 0) != 0) continue;
        if (info.st_mtime * 1000 + FILE_KEEP_MS < pf_clock_wall_ms()) unlinkat(dirfd(directory), entry->d_name, 0);
    }
    if (directory) closedir(directory);
}

static enum pf_code write_file(pf_str folder, pf_str path, pf_str text, struct pf_arena *arena, struct pf_error *err) {
    PF_TRY(pf_file_make_directories(folder.ptr, err));
    remove_old_files(folder.ptr);
    pf_str unique = pf_arena_printf(arena, "%.*s.%.*s", PF_STR_ARG(path), PF_STR_ARG(pf_id_ulid(arena)));
    PF_TRY(pf_file_write(unique.ptr, text, err));
    if (rename(unique.ptr, path.ptr) != 0) PF_FAIL_ERRNO(err, errno, "rename '%s'", unique.ptr);
    return PF_OK;
}

/* Rows behind `after_id` in a file of a folder that engines may read. `purpose`, and the same rows: the same file. */
static enum pf_code write_lines(struct pf_stack *stack, enum log_kind kind, const char *purpose, pf_str after_id,
                                int64_t max_rows, struct pf_arena *arena, struct lines *out_lines,
                                struct pf_error *err) {
    struct pf_buf buf;
    struct lines lines = {.count = 0};
    pf_str text;
    pf_buf_init(&buf, MAX_TAIL_BYTES);
    enum pf_code code = read_lines(stack, kind, after_id, max_rows, arena, &buf, &lines, err);
    if (code == PF_OK) code = pf_buf_finish(&buf, "the query log", &text, err);
    if (code == PF_OK && lines.count > 0) {
        pf_str folder = pf_arena_printf(arena, "%.*s/system", PF_STR_ARG(stack->media.path));
        lines.path = pf_arena_printf(arena, "%.*s/%s-%.*s-after-%.*s-to-%.*s.ndjson", PF_STR_ARG(folder), purpose,
                                     PF_STR_ARG(tables[kind].name), PF_STR_ARG(after_id), PF_STR_ARG(lines.last_id));
        code = write_file(folder, lines.path, text, arena, err);
    }
    pf_buf_clear(&buf);
    if (code == PF_OK) *out_lines = lines;
    return code;
}

/* ---- moving ---- */

static enum pf_code move_some(struct pf_stack *stack, enum log_kind kind, struct pf_arena *arena, int64_t *out_rows,
                              struct pf_error *err) {
    struct pf_table *table = NULL;
    struct lines lines;
    PF_TRY(load_or_make(stack, kind, arena, &table, err));
    pf_str name;
    PF_TRY(name_mark(stack, kind, arena, &name, err));
    pf_str before = pf_table_mark(table, name);
    PF_TRY(write_lines(stack, kind, "move", before, MAX_MOVE_ROWS, arena, &lines, err));
    *out_rows = lines.count;
    if (lines.count > 0) {
        struct pf_mark mark = {.name = name, .before = before, .after = lines.last_id};
        struct load_env env = {
            .store = stack->store,
            .catalog = stack->catalog,
            .threads = 1,
            .memory_limit_bytes = stack->options.coordinator_memory_bytes,
            .temp_directory = stack->run_path,
            .mark = &mark,
        };
        struct pf_load_options options = {
            .table = table->full_name, .paths = &lines.path, .path_count = 1, .format = PF_STR("json")};
        struct pf_load_result result;
        enum pf_code code = load_files(&env, &options, &result, err);
        unlink(lines.path.ptr);
        PF_TRY(code);
    }
    /* Also what an earlier move could not remove. */
    return lines.last_id.len ? pf_sync_log_trim(stack->sync, tables[kind].name, lines.last_id, err) : PF_OK;
}

static enum pf_code is_due(struct pf_stack *stack, enum log_kind kind, bool all, bool *out_is_due,
                           struct pf_error *err) {
    int64_t count = 0, age_ms = 0;
    PF_TRY(pf_sync_log_backlog(stack->sync, tables[kind].name, &count, &age_ms, err));
    *out_is_due = all ? count > 0 : count >= MOVE_ROWS || (count > 0 && age_ms >= stack->options.log_move_ms);
    return PF_OK;
}

/* Each move is a snapshot; without this their number would grow for ever. */
static void forget_history(struct pf_stack *stack, enum log_kind kind) {
    struct pf_table_id id = {SYSTEM_SPACE, tables[kind].name};
    struct pf_expire_options options = {.keep_ms = HISTORY_MS,
                                        .keep_count = HISTORY_SNAPSHOTS,
                                        .least_count = HISTORY_SNAPSHOTS,
                                        .mark_prefix = PF_STR("puffindb.log.")};
    struct pf_error err = {0};
    size_t count;
    if (pf_catalog_expire_history(stack->catalog, id, &options, &count, &err) != PF_OK) {
        pf_log_failure(PF_LOG_DEBUG, "old snapshots of the query log stay, the next move tries again", &err);
    }
}

enum pf_code system_table_move(struct pf_stack *stack, enum log_kind kind, bool all, int64_t *out_rows,
                               struct pf_error *err) {
    bool is_ours = false, has_rows = false;
    *out_rows = 0;
    PF_TRY(is_due(stack, kind, all, &has_rows, err));
    if (!has_rows) return PF_OK;
    PF_TRY(pf_sync_take_turn(stack->sync, tables[kind].name, stack->coordinator_id, TURN_MS, &is_ours, err));
    for (int64_t rows = MAX_MOVE_ROWS; is_ours && rows >= MAX_MOVE_ROWS; *out_rows += rows) {
        struct pf_arena *arena = pf_arena_new(NULL, "move the log");
        enum pf_code code = move_some(stack, kind, arena, &rows, err);
        pf_arena_free(arena);
        PF_TRY(code);
    }
    if (is_ours && *out_rows > 0) forget_history(stack, kind);
    return PF_OK;
}

enum pf_code pf_stack_move_log(struct pf_stack *stack, int64_t *out_rows, struct pf_error *err) {
    int64_t sum = 0;
    PF_TRY(query_log_flush(stack, err));
    PF_TRY(stack_need_sync(stack, err));
    for (int kind = 0; kind < LOG_KIND_COUNT; kind++) {
        int64_t rows = 0;
        PF_TRY(system_table_move(stack, (enum log_kind)kind, true, &rows, err));
        sum += rows;
    }
    *out_rows = sum;
    return PF_OK;
}

/* ---- reading ---- */

static pf_str reader_sql(enum log_kind kind, pf_str path, struct pf_arena *arena) {
    const struct system_table *system = &tables[kind];
    struct pf_buf sql;
    pf_buf_init(&sql, 1 << 20);
    pf_buf_put_cstr(&sql, "SELECT ");
    for (size_t i = 0; i < system->column_count; i++) {
        pf_buf_printf(&sql, "%s\"%.*s\"", i ? ", " : "", PF_STR_ARG(system->columns[i].name));
    }
    pf_buf_printf(&sql, " FROM read_json('%.*s', format = 'newline_delimited', columns = {", PF_STR_ARG(path));
    for (size_t i = 0; i < system->column_count; i++) {
        pf_buf_printf(&sql, "%s\"%.*s\": '%.*s'", i ? ", " : "", PF_STR_ARG(system->columns[i].name),
                      PF_STR_ARG(system->columns[i].type));
    }
    pf_buf_put_cstr(&sql, "})");
    pf_str text = pf_arena_str(arena, pf_buf_view(&sql));
    pf_buf_clear(&sql);
    return text;
}

/* A move between the two reads would take rows out of the stream that the table, as it was loaded, does not have. */
static enum pf_code open_once(struct pf_stack *stack, enum log_kind kind, struct pf_arena *arena,
                              struct system_tail *out_tail, bool *out_is_whole, struct pf_error *err) {
    struct pf_table *table = NULL, *after = NULL;
    struct lines lines = {.count = 0};
    PF_TRY(load_or_make(stack, kind, arena, &table, err));
    pf_str name;
    PF_TRY(name_mark(stack, kind, arena, &name, err));
    pf_str mark = pf_table_mark(table, name);
    PF_TRY(write_lines(stack, kind, "tail", mark, INT64_MAX, arena, &lines, err));
    PF_TRY(load_or_make(stack, kind, arena, &after, err));
    *out_is_whole = pf_str_equal(mark, pf_table_mark(after, name));
    *out_tail = (struct system_tail){.table = table, .last_id = lines.last_id, .row_count = lines.count};
    if (lines.count > 0) out_tail->reader_sql = reader_sql(kind, lines.path, arena);
    return PF_OK;
}

enum pf_code system_table_open(struct pf_stack *stack, enum log_kind kind, struct pf_arena *arena,
                               struct system_tail *out_tail, struct pf_error *err) {
    PF_TRY(query_log_flush(stack, err));
    PF_TRY(stack_need_sync(stack, err));
    bool is_whole = false;
    for (int try = 0; !is_whole; try++) {
        if (try == OPEN_TRIES)
            PF_FAIL(err, PF_THROTTLED, "system.%.*s changes too often", PF_STR_ARG(tables[kind].name));
        PF_TRY(open_once(stack, kind, arena, out_tail, &is_whole, err));
    }
    return PF_OK;
}
