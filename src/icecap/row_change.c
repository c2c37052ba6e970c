/* SPDX-License-Identifier: MIT */
#include "icecap/row_change.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "icecap/clauses.h"
#include "icecap/whole_files.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TRIES = 10, LONGEST_PAUSE_MS = 500, MAX_MESSAGE = 200 };

/* One try, on one state of the table. */
struct attempt {
    struct icecap_call *call;
    struct row_change *change;
    struct target *target;
    struct places places;
    int64_t updated; /* rows that go and come again are counted once: those that come for these */
    struct place_deletes deletes;
    struct pf_data_file *files; /* new data files */
    size_t file_count;
    pf_str *helpers; /* delete files that never become the table's */
    size_t helper_count;
    int64_t new_rows, moved_rows; /* moved: out of files that are rewritten */
    bool must_keep;               /* the outcome is unknown: its files may be the table's */
};

/* ---- SQL ---- */

pf_str row_change_alias(const struct head_name *table, pf_str alias, struct pf_arena *arena) {
    return pf_sql_quote_name(alias.len ? alias : table->name, arena);
}

pf_str row_change_relation(struct icecap_call *call, const struct target *target, pf_str alias) {
    struct pf_arena *arena = call->arena;
    const struct pf_table *table = target->table;
    pf_str name = pf_arena_printf(arena, "%.*s$positions", PF_STR_ARG(table->id.name));
    return pf_arena_printf(arena, "%.*s.%.*s AS %.*s", PF_STR_ARG(pf_sql_quote_name(table->id.space, arena)),
                           PF_STR_ARG(pf_sql_quote_name(name, arena)), PF_STR_ARG(alias));
}

/* ---- rows that go ---- */

enum { PLACE_ACTION, PLACE_FILE, PLACE_POSITION, PLACE_TEXT, PLACE_COLUMNS };

static enum pf_code fail_as_asked(const struct pf_chunk *chunk, uint64_t row, struct pf_error *err) {
    const struct pf_vec *texts = &chunk->columns[PLACE_TEXT];
    if (!pf_vec_is_valid(texts, row)) PF_FAIL(err, PF_INVALID, "a row came to the clause ERROR");
    pf_str text = pf_string_view(&((const union pf_string *)texts->data)[row]);
    text = pf_str_slice(text, 0, MAX_MESSAGE);
    PF_FAIL(err, PF_INVALID, "a row came to the clause ERROR: %.*s", PF_STR_ARG(text));
}

static enum pf_code take_places(void *context, const struct pf_chunk *chunk, struct pf_error *err) {
    struct attempt *attempt = context;
    const struct row_change *change = attempt->change;
    const int32_t *actions = chunk->columns[PLACE_ACTION].data;
    const int64_t *files = chunk->columns[PLACE_FILE].data, *positions = chunk->columns[PLACE_POSITION].data;
    bool is_new = false;
    for (uint64_t i = 0; i < chunk->row_count; i++) {
        if (actions[i] < change->error_action_count) return fail_as_asked(chunk, i, err);
        PF_TRY(places_add(&attempt->places, files[i], positions[i], &is_new, err));
        attempt->updated += is_new && actions[i] == change->error_action_count;
        if (is_new || !change->forbids_twice) continue;
        PF_FAIL(
            err, PF_INVALID,
            "a row of table %.*s is matched by several rows of the source: make the source unique on the columns of "
            "the condition",
            PF_STR_ARG(attempt->target->table->full_name));
    }
    return PF_OK;
}

static enum pf_code find_places(struct attempt *attempt, struct pf_error *err) {
    struct icecap_call *call = attempt->call;
    const struct row_change *change = attempt->change;
    const struct pf_column *columns;
    size_t count;
    PF_TRY(places_open(call, attempt->target->table, &attempt->places, err));
    if (!change->places_sql.len) return PF_OK;
    PF_TRY(pf_query_bind(call->query, change->places_sql, &columns, &count, err));
    if (count != PLACE_COLUMNS) PF_FAIL(err, PF_BUG, "the places of rows have %zu columns", count);
    pf_str name = change->rows_sql.len ? clause_find_volatile(pf_query_functions(call->query)) : PF_STR_EMPTY;
    if (name.len) {
        PF_FAIL(
            err, PF_UNSUPPORTED,
            "%.*s() in a condition or source would give other rows each time it is read: first put what it gives into "
            "a table (CREATE TABLE … AS SELECT)",
            PF_STR_ARG(name));
    }
    return pf_query_read(call->query, take_places, attempt, err);
}

/* ---- rows that come ---- */

/* The columns of the table, and in version 3 the row ids that updated rows keep. */
static enum pf_code set_columns(struct attempt *attempt, size_t column_count, bool has_sequence, struct pf_error *err) {
    struct pf_arena *arena = attempt->call->arena;
    struct target *target = attempt->target;
    const struct pf_iceberg_schema *schema = target->table->schema;
    struct target_source *sources = PF_ARENA_ARRAY(arena, struct target_source, schema->field_count);
    if (column_count != schema->field_count + (has_sequence ? 2 : 1))
        PF_FAIL(err, PF_BUG, "new rows have %zu columns", column_count);
    for (size_t i = 0; i < schema->field_count; i++) sources[i].sql = pf_arena_printf(arena, "k%zu", i);
    PF_TRY(target_set_columns(attempt->call, target, sources, column_count, err));
    target->write.field_ids_sql = pf_iceberg_field_ids_sql(schema, arena);
    if (target->table->metadata->format_version < 3) return PF_OK;
    pf_str sequence = has_sequence ? pf_arena_printf(arena, "k%zu", schema->field_count + 1) : PF_STR("NULL");
    target->write.columns_sql = pf_arena_printf(
        arena, "%.*s, CAST(k%zu AS BIGINT) AS _row_id, CAST(%.*s AS BIGINT) AS _last_updated_sequence_number",
        PF_STR_ARG(target->write.columns_sql), schema->field_count, PF_STR_ARG(sequence));
    target_set_names(target, pf_iceberg_schema_with_lineage(schema, arena), arena);
    return PF_OK;
}

/* Statistics of the row ids are nobody's business. */
static void drop_lineage_stats(struct pf_written_file *file, struct pf_arena *arena) {
    struct pf_stats_text *kept = PF_ARENA_ARRAY(arena, struct pf_stats_text, file->stats_count);
    size_t count = 0;
    for (size_t i = 0; i < file->stats_count; i++) {
        bool is_lineage = pf_str_equal(file->stats[i].path, PF_STR("\"_row_id\"")) ||
                          pf_str_equal(file->stats[i].path, PF_STR("\"_last_updated_sequence_number\""));
        if (!is_lineage) kept[count++] = file->stats[i];
    }
    file->stats = kept;
    file->stats_count = count;
}

static enum pf_code take_files(struct attempt *attempt, struct pf_written_file *written, size_t count,
                               struct pf_error *err) {
    struct pf_arena *arena = attempt->call->arena;
    const struct pf_table_metadata *metadata = attempt->target->table->metadata;
    struct pf_data_file *files = PF_ARENA_ARRAY(arena, struct pf_data_file, attempt->file_count + count);
    if (attempt->file_count) memcpy(files, attempt->files, attempt->file_count * sizeof *files);
    for (size_t i = 0; i < count; i++) {
        if (metadata->format_version >= 3) drop_lineage_stats(&written[i], arena);
        PF_TRY(pf_written_file_entry(&written[i], metadata, arena, &files[attempt->file_count + i], err));
        attempt->new_rows += written[i].row_count;
    }
    attempt->files = files;
    attempt->file_count += count;
    return PF_OK;
}

static enum pf_code write_rows(struct attempt *attempt, struct pf_error *err) {
    struct icecap_call *call = attempt->call;
    const struct pf_column *columns;
    struct pf_written_file *written = NULL;
    size_t count = 0;
    if (!attempt->change->rows_sql.len) return PF_OK;
    PF_TRY(pf_query_bind(call->query, attempt->change->rows_sql, &columns, &count, err));
    PF_TRY(set_columns(attempt, count, false, err));
    count = 0;
    PF_TRY(pf_query_write(call->query, &attempt->target->write, &written, &count, err));
    return take_files(attempt, written, count, err);
}

/* ---- copy on write ---- */

static pf_str table_property(const struct attempt *attempt, const char *ending, const char *fallback) {
    pf_str key = pf_arena_printf(attempt->call->arena, "write.%s.%s", attempt->change->verb, ending);
    return pf_table_metadata_property(attempt->target->table->metadata, key, pf_str_from_cstr(fallback));
}

/* Version 1 has no delete files. */
static bool copies_on_write(const struct attempt *attempt) {
    return attempt->target->table->metadata->format_version < 2 ||
           pf_str_equal_nocase(table_property(attempt, "mode", "merge-on-read"), PF_STR("copy-on-write"));
}

/* The rows that stay in the files of `part`, into new files, with their row ids. */
static enum pf_code write_part(struct attempt *attempt, const struct pf_file_list *part, struct pf_error *err) {
    struct icecap_call *call = attempt->call;
    struct pf_arena *arena = call->arena;
    const struct pf_table *table = attempt->target->table;
    pf_str name = pf_arena_printf(arena, "pf_part_%.*s", PF_STR_ARG(pf_id_ulid(arena)));
    pf_str sql =
        pf_arena_printf(arena, "SELECT * FROM %.*s.%.*s", PF_STR_ARG(pf_sql_quote_name(table->id.space, arena)),
                        PF_STR_ARG(pf_sql_quote_name(name, arena)));
    const struct pf_column *columns;
    struct pf_written_file *written = NULL;
    size_t count = 0;
    int64_t rows = attempt->new_rows;
    pf_query_define_part(call->query, name, table, part);
    enum pf_code code = pf_query_bind(call->query, sql, &columns, &count, err);
    if (code == PF_OK) code = set_columns(attempt, count, true, err);
    if (code == PF_OK) code = pf_query_write(call->query, &attempt->target->write, &written, &count, err);
    if (code == PF_OK) code = take_files(attempt, written, count, err);
    pf_query_forget_part(call->query);
    attempt->moved_rows = attempt->new_rows - rows;
    attempt->new_rows = rows;
    return code;
}

static enum pf_code rewrite_files(struct attempt *attempt, struct pf_error *err) {
    struct place_rewrite rewrite;
    PF_TRY(places_plan_rewrite(attempt->call, &attempt->places, &attempt->deletes, &rewrite, err));
    if (rewrite.part.count) PF_TRY(write_part(attempt, &rewrite.part, err));
    attempt->deletes = rewrite.deletes;
    attempt->helpers = rewrite.helpers;
    attempt->helper_count = rewrite.helper_count;
    return PF_OK;
}

/* Delete files that only said what to leave out. */
static void remove_helpers(const struct attempt *attempt) {
    struct pf_store *store = pf_stack_store(attempt->call->stack);
    for (size_t i = 0; i < attempt->helper_count; i++) {
        pf_str key;
        struct pf_error err;
        if (!pf_store_key_of(store, attempt->helpers[i], &key)) continue;
        if (pf_store_delete(store, key, &err) != PF_OK) {
            pf_log_failure(PF_LOG_WARN, "tolerated: a helper file of a statement could not be removed", &err);
        }
    }
}

/* ---- the commit ---- */

/* Rows that go and come again are one, as DuckDB counts. */
static int64_t changed_rows(const struct attempt *attempt) {
    int64_t gone = attempt->places.row_count, come = attempt->new_rows;
    bool is_update = strcmp(attempt->change->verb, "update") == 0;
    if (is_update) return gone;
    return strcmp(attempt->change->verb, "merge") == 0 ? gone + come - attempt->updated : gone;
}

static enum pf_code commit(struct attempt *attempt, struct pf_error *err) {
    struct icecap_call *call = attempt->call;
    const struct place_deletes *deletes = &attempt->deletes;
    struct pf_table *after = NULL;
    size_t added_count = attempt->file_count + deletes->added_count;
    struct pf_outcome outcome = *call->outcome;
    outcome.has_count = true;
    outcome.row_count = changed_rows(attempt);
    outcome.file_count = (int64_t)added_count;
    if (added_count + deletes->removed_count == 0) { /* nothing changes: no snapshot */
        *call->outcome = outcome;
        return PF_OK;
    }
    struct pf_data_file *added = PF_ARENA_ARRAY(call->arena, struct pf_data_file, added_count);
    for (size_t i = 0; i < attempt->file_count; i++) added[i] = attempt->files[i];
    for (size_t i = 0; i < deletes->added_count; i++) added[attempt->file_count + i] = deletes->added[i];
    bool is_delete = strcmp(attempt->change->verb, "delete") == 0;
    pf_str count_text = pf_arena_printf(call->arena, "%lld", (long long)outcome.row_count);
    struct pf_property summary = {ROW_CHANGE_COUNT, count_text};
    struct pf_mark mark = {.name = ICECAP_MARK, .after = pf_query_id(call->query), .is_unique = true};
    struct pf_rows_change rows = {
        .added = added,
        .added_count = added_count,
        .removed = deletes->removed,
        .removed_count = deletes->removed_count,
        .needed_files = deletes->needed, /* copied on write: none */
        .needed_count = deletes->needed_count,
        .minds_deleted_files = !is_delete,
        .minds_new_deletes = !is_delete,
        .minds_new_data =
            !pf_str_equal_nocase(table_property(attempt, "isolation-level", "serializable"), PF_STR("snapshot")),
        .summary = &summary,
        .summary_count = 1,
        .mark = &mark,
    };
    enum pf_code code = pf_catalog_change_rows(call->catalog, attempt->target->table, &rows, call->arena, &after, err);
    attempt->must_keep = code == PF_REMOTE;
    PF_TRY(code);
    outcome.snapshot_id = after && after->snapshot ? after->snapshot->id : 0;
    *call->outcome = outcome;
    return PF_OK;
}

/* ---- a statement ---- */

static enum pf_code plan(struct attempt *attempt, struct pf_error *err) {
    struct row_change *change = attempt->change;
    int64_t now_us = pf_clock_wall_ms() * 1000;
    pf_query_pin_tables(attempt->call->query, attempt->target->table);
    PF_TRY(change->plan(attempt->call, attempt->target, change, err));
    change->places_sql = clause_freeze_time(change->places_sql, now_us, attempt->call->arena);
    change->rows_sql = clause_freeze_time(change->rows_sql, now_us, attempt->call->arena);
    return PF_OK;
}

/* Without a condition all files go, and what deleted rows of them. */
static enum pf_code take_all(struct attempt *attempt, struct pf_error *err) {
    struct icecap_call *call = attempt->call;
    struct place_deletes *deletes = &attempt->deletes;
    const struct pf_file_list *list = &attempt->places.list;
    PF_TRY(places_open(call, attempt->target->table, &attempt->places, err));
    bool is_counted = list->delete_count == 0; /* else the rows that are left have to be */
    if (!is_counted) PF_TRY(find_places(attempt, err));
    for (size_t i = 0; i < list->count; i++) {
        PF_ARENA_PUSH(call->arena, deletes->removed, deletes->removed_count, deletes->removed_capacity) =
            *list->files[i].entry;
    }
    for (size_t i = 0; i < list->delete_count; i++) {
        PF_ARENA_PUSH(call->arena, deletes->removed, deletes->removed_count, deletes->removed_capacity) =
            *list->deletes[i].entry;
    }
    if (is_counted) attempt->places.row_count = list->row_count;
    return commit(attempt, err);
}

/* Files of which the condition takes all rows, as their partitions tell. */
static enum pf_code take_whole_files(struct attempt *attempt, bool *out_is_done, struct pf_error *err) {
    struct icecap_call *call = attempt->call;
    const struct row_change *change = attempt->change;
    struct places found;
    if (!change->only_where_sql.len) return PF_OK;
    pf_str alias = row_change_alias(change->table, change->alias, call->arena);
    PF_TRY(places_open(call, attempt->target->table, &attempt->places, err));
    PF_TRY(whole_files_find(call, attempt->target, &attempt->places, alias, change->only_where_sql, &found, out_is_done,
                            err));
    if (!*out_is_done) return PF_OK;
    struct place_deletes *deletes = &attempt->deletes;
    attempt->places.row_count = 0;
    for (size_t i = 0; i < found.list.count; i++) {
        if (!found.files[i].rows) continue;
        attempt->places.row_count += found.files[i].file->row_count;
        PF_ARENA_PUSH(call->arena, deletes->removed, deletes->removed_count, deletes->removed_capacity) =
            *found.files[i].file->entry;
    }
    return PF_OK;
}

static enum pf_code run_attempt(struct attempt *attempt, struct pf_error *err) {
    struct icecap_call *call = attempt->call;
    PF_TRY(plan(attempt, err));
    if (attempt->change->takes_all) return take_all(attempt, err);
    bool is_done = false;
    PF_TRY(take_whole_files(attempt, &is_done, err));
    if (is_done) return commit(attempt, err);
    PF_TRY(find_places(attempt, err));
    attempt->target->is_written = true;
    PF_TRY(write_rows(attempt, err));
    PF_TRY(places_write_deletes(call, &attempt->places, attempt->target->write.prefix, &attempt->deletes, err));
    if (copies_on_write(attempt)) PF_TRY(rewrite_files(attempt, err));
    PF_TRY(commit(attempt, err));
    remove_helpers(attempt);
    return PF_OK;
}

static bool find_done(struct icecap_call *call, const struct pf_table *table) {
    const struct pf_snapshot *snapshot = pf_table_find_mark(table, ICECAP_MARK, pf_query_id(call->query));
    if (!snapshot) return false;
    int64_t rows = pf_snapshot_summary_i64(snapshot, ROW_CHANGE_COUNT);
    call->outcome->has_count = true;
    call->outcome->row_count = rows < 0 ? 0 : rows;
    call->outcome->snapshot_id = snapshot->id;
    return true;
}

static void pause_before_retry(int try) {
    int64_t pause_ms = (int64_t)5 << try;
    pf_clock_sleep_ms(pause_ms > LONGEST_PAUSE_MS ? LONGEST_PAUSE_MS : pause_ms);
}

enum pf_code row_change_run(struct icecap_call *call, struct row_change *change, struct pf_error *err) {
    for (int try = 0;; try++) {
        struct target target;
        PF_TRY(target_open(call, change->table, &target, err));
        if (find_done(call, target.table)) return PF_OK;
        struct row_change planned = *change;
        struct attempt attempt = {.call = call, .change = &planned, .target = &target};
        enum pf_code code = run_attempt(&attempt, err);
        if (code != PF_OK && target.is_written && !attempt.must_keep) {
            pf_query_remove_files(call->query, target.write.prefix);
        }
        /* Somebody changed what was read: the statement is about the table as it is now. */
        if (code != PF_CONFLICT || try + 1 == MAX_TRIES) return code;
        pause_before_retry(try);
    }
}

enum pf_code row_change_explain(struct icecap_call *call, struct row_change *change, struct pf_buf *out,
                                struct pf_error *err) {
    struct target target;
    const struct pf_column *columns;
    size_t count;
    PF_TRY(target_open(call, change->table, &target, err));
    struct row_change planned = *change;
    struct attempt attempt = {.call = call, .change = &planned, .target = &target};
    PF_TRY(plan(&attempt, err));
    if (planned.places_sql.len) {
        pf_buf_printf(out, "rows that go: by %s\n",
                      target.table->metadata->format_version >= 3 ? "deletion vectors, or with their file"
                                                                  : "position delete files, or with their file");
        PF_TRY(pf_query_bind(call->query, planned.places_sql, &columns, &count, err));
        PF_TRY(pf_query_explain(call->query, NULL, out, err));
    }
    if (!planned.rows_sql.len) return PF_OK;
    pf_buf_put_cstr(out, "rows that come: ");
    target_explain(&target, out);
    PF_TRY(pf_query_bind(call->query, planned.rows_sql, &columns, &count, err));
    return pf_query_explain(call->query, &target.write, out, err);
}
