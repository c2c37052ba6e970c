/* SPDX-License-Identifier: MIT */
/* Which columns are worth holding is a question of rent and price. Reading a column from its file costs one unit,
 * building it into a table about BUILD_PRICE: so a split whose reads since the last build add up to the price of all
 * its wanted columns is built. At the worst that doubles the cost of the best decision; what is read once or twice
 * costs nothing more.
 *
 *   entry  (path, rows, options) -> columns asked for so far, the table that holds some of them
 *   table  hot.t<N>: the columns that were asked for; replaced when others have paid for it
 *
 * A table is built from the file at its path, or, where files are objects, from what the cache has of it.
 * Data files never change under a path. Local ones are checked by size and time of change all the same: that costs a
 * system call, and somebody's repaired file is read anew. */
#include "query/hot_columns.h"

#include "base/buf.h"
#include "base/log.h"
#include "query/render_scan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

enum {
    BUCKETS = 1024,
    MAX_ENTRIES = 20000,
    MAX_SPLITS = 64,   /* of one scan: each is a branch of a UNION ALL */
    BUILD_PRICE = 8,   /* of a column, in reads of it */
    NARROW_BYTES = 16, /* of a value: such a column is held although it was read once */
    UNKNOWN_VALUE_BYTES = 20,
    MAX_SQL_BYTES_OF_BUILD = 1 << 20,
};

struct hot_column {
    pf_str name, type;
    int64_t reads, value_bytes;
    bool is_held, is_chosen; /* chosen: for the table that is being built */
};

struct entry {
    struct entry *next;
    struct pf_arena *arena;
    uint64_t hash;
    pf_str path, options;
    pf_str open_path; /* while a table is built: where its columns can be read */
    int64_t first_row, last_row;
    struct hot_column *columns;
    size_t column_count, column_capacity;
    int64_t reads; /* of columns, since the last build */
    int64_t table; /* 0: none */
    int64_t size_bytes, last_use;
    int64_t stamp; /* of the file, when the table was built */
    bool is_refused;
};

struct hot_columns {
    struct pf_session *session;
    struct task_files_options files; /* store NULL: paths are opened as they are */
    int64_t budget_bytes, clock, next_table;
    struct entry *buckets[BUCKETS];
    size_t entry_count;
    struct hot_columns_stats stats;
};

struct hot_columns *hot_columns_new(struct pf_session *session, const struct task_files_options *files,
                                    int64_t budget_bytes) {
    struct hot_columns *hot = calloc(1, sizeof *hot);
    if (!hot) return NULL;
    hot->session = session;
    if (files) hot->files = *files;
    hot->budget_bytes = budget_bytes;
    hot->next_table = 1;
    return hot;
}

struct hot_columns *hot_columns_free(struct hot_columns *hot) {
    for (size_t i = 0; hot && i < BUCKETS; i++)
        while (hot->buckets[i]) {
            struct entry *next = hot->buckets[i]->next;
            pf_arena_free(hot->buckets[i]->arena);
            hot->buckets[i] = next;
        }
    free(hot);
    return NULL;
}

void hot_columns_get_stats(const struct hot_columns *hot, struct hot_columns_stats *out_stats) {
    *out_stats = hot->stats;
}

/* ---- entries ---- */

static uint64_t hash_of(const struct task_split *split, pf_str options) {
    uint64_t seed = (uint64_t)split->first_row * 31 + (uint64_t)split->last_row;
    return XXH3_64bits_withSeed(split->path.ptr, split->path.len, XXH3_64bits_withSeed(options.ptr, options.len, seed));
}

static void forget_those_without_table(struct hot_columns *hot) {
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct entry **link = &hot->buckets[i]; *link;) {
            struct entry *entry = *link;
            if (entry->table) {
                link = &entry->next;
                continue;
            }
            *link = entry->next;
            pf_arena_free(entry->arena);
            hot->entry_count--;
        }
}

static struct entry *find_entry(struct hot_columns *hot, const struct task_split *split, pf_str options) {
    uint64_t hash = hash_of(split, options);
    struct entry **bucket = &hot->buckets[hash % BUCKETS];
    for (struct entry *entry = *bucket; entry; entry = entry->next) {
        if (entry->hash == hash && entry->first_row == split->first_row && entry->last_row == split->last_row &&
            pf_str_equal(entry->path, split->path) && pf_str_equal(entry->options, options))
            return entry;
    }
    if (hot->entry_count >= MAX_ENTRIES) forget_those_without_table(hot);
    struct pf_arena *arena = pf_arena_new(NULL, "hot columns");
    struct entry *entry = PF_ARENA_NEW(arena, struct entry);
    *entry = (struct entry){.next = *bucket, .arena = arena, .hash = hash};
    entry->path = pf_arena_str(arena, split->path);
    entry->options = pf_arena_str(arena, options);
    entry->first_row = split->first_row;
    entry->last_row = split->last_row;
    *bucket = entry;
    hot->entry_count++;
    return entry;
}

static struct hot_column *find_column(struct entry *entry, const struct task_column *wanted) {
    for (size_t i = 0; i < entry->column_count; i++) {
        struct hot_column *column = &entry->columns[i];
        if (pf_str_equal(column->name, wanted->name) && pf_str_equal(column->type, wanted->type)) return column;
    }
    struct hot_column column = {.name = pf_arena_str(entry->arena, wanted->name),
                                .type = pf_arena_str(entry->arena, wanted->type)};
    PF_ARENA_PUSH(entry->arena, entry->columns, entry->column_count, entry->column_capacity) = column;
    return &entry->columns[entry->column_count - 1];
}

static bool holds_all(struct entry *entry, const struct stage_input *input) {
    for (size_t i = 0; i < input->column_count; i++)
        if (!find_column(entry, &input->columns[i])->is_held) return false;
    return true;
}

/* Changes when the file does; 0 where that can't be told. */
static int64_t stamp_of(pf_str path) {
    struct stat state;
    if (!path.len || path.ptr[0] != '/' || stat(path.ptr, &state) != 0) return 0;
    return (int64_t)state.st_mtim.tv_sec * 1000003 + state.st_mtim.tv_nsec + (int64_t)state.st_size * 31;
}

/* ---- tables ---- */

static void drop_table(struct hot_columns *hot, struct entry *entry) {
    if (!entry->table) return;
    struct pf_arena *arena = pf_arena_new(NULL, "drop");
    pf_str sql = pf_arena_printf(arena, "DROP TABLE IF EXISTS " HOT_DATABASE ".t%lld", (long long)entry->table);
    struct pf_error err;
    if (pf_session_run(hot->session, sql, &err) != PF_OK)
        pf_log_failure(PF_LOG_WARN, "hot columns stay in memory, tolerated", &err);
    pf_arena_free(arena);
    entry->table = 0;
    entry->reads = 0;
    for (size_t i = 0; i < entry->column_count; i++) entry->columns[i].is_held = false;
    hot->stats.held_bytes -= entry->size_bytes;
    hot->stats.table_count--;
    entry->size_bytes = 0;
}

void hot_columns_drop_all(struct hot_columns *hot) {
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct entry *entry = hot->buckets[i]; entry; entry = entry->next) drop_table(hot, entry);
}

/* The least recently used go, but for `keep`. */
static void make_room(struct hot_columns *hot, const struct entry *keep) {
    while (hot->stats.held_bytes > hot->budget_bytes) {
        struct entry *oldest = NULL;
        for (size_t i = 0; i < BUCKETS; i++)
            for (struct entry *entry = hot->buckets[i]; entry; entry = entry->next)
                if (entry->table && entry != keep && (!oldest || entry->last_use < oldest->last_use)) oldest = entry;
        if (!oldest) return;
        drop_table(hot, oldest);
    }
}

static enum pf_code ask_number(struct hot_columns *hot, pf_str sql, struct pf_arena *arena, int64_t *out_number,
                               struct pf_error *err) {
    pf_str text;
    PF_TRY(pf_session_scalar(hot->session, sql, arena, &text, err));
    if (!pf_str_to_i64(text, out_number)) PF_FAIL(err, PF_BUG, "'%.*s' is not a number", PF_STR_ARG(text));
    return PF_OK;
}

static enum pf_code table_bytes(struct hot_columns *hot, struct pf_arena *arena, int64_t *out_bytes,
                                struct pf_error *err) {
    return ask_number(hot,
                      PF_STR("SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory() "
                             "WHERE tag = 'IN_MEMORY_TABLE'"),
                      arena, out_bytes, err);
}

/* Bytes of a value before it is compressed, about: by its type, or by what the file says. */
static int64_t value_bytes(pf_str type_text, int64_t file_bytes, int64_t file_rows, struct pf_arena *arena) {
    const struct pf_type *type = NULL;
    bool is_fixed = pf_type_parse(type_text, arena, &type, NULL) == PF_OK && type->child_count == 0 &&
                    type->value_bytes > 0 && type->value_bytes <= 8;
    if (is_fixed) return type->value_bytes;
    int64_t bytes = file_rows > 0 ? file_bytes / file_rows + 4 : 0;
    return bytes > UNKNOWN_VALUE_BYTES ? bytes : UNKNOWN_VALUE_BYTES;
}

static enum pf_code read_widths(struct hot_columns *hot, struct entry *entry, int64_t file_rows, struct pf_arena *arena,
                                struct pf_error *err) {
    for (size_t i = 0; i < entry->column_count; i++)
        entry->columns[i].value_bytes = value_bytes(entry->columns[i].type, 0, 0, arena);
    struct pf_rows *rows;
    const struct pf_chunk *chunk = NULL;
    pf_str sql = pf_arena_printf(arena,
                                 "SELECT split_part(path_in_schema, ', ', 1), sum(total_uncompressed_size)::BIGINT "
                                 "FROM parquet_metadata(%.*s) GROUP BY 1",
                                 PF_STR_ARG(pf_sql_quote_text(entry->open_path, arena)));
    PF_TRY(pf_session_query(hot->session, sql, &rows, err));
    enum pf_code code = pf_rows_next(rows, &chunk, err);
    for (; code == PF_OK && chunk; code = pf_rows_next(rows, &chunk, err)) {
        const union pf_string *names = chunk->columns[0].data;
        const int64_t *bytes = chunk->columns[1].data;
        for (uint64_t row = 0; row < chunk->row_count; row++)
            for (size_t i = 0; i < entry->column_count; i++)
                if (pf_str_equal(entry->columns[i].name, pf_string_view(&names[row])))
                    entry->columns[i].value_bytes = value_bytes(entry->columns[i].type, bytes[row], file_rows, arena);
    }
    pf_rows_close(rows);
    return code;
}

/* All columns that were ever asked for, if they fit; else those that are narrow or were asked for again. */
static enum pf_code choose_columns(struct hot_columns *hot, struct entry *entry, struct pf_arena *arena,
                                   struct pf_error *err) {
    int64_t file_rows, rows;
    pf_str count = pf_arena_printf(arena, "SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata(%.*s)",
                                   PF_STR_ARG(pf_sql_quote_text(entry->open_path, arena)));
    PF_TRY(ask_number(hot, count, arena, &file_rows, err));
    PF_TRY(read_widths(hot, entry, file_rows, arena, err));
    rows = (entry->last_row >= 0 && entry->last_row < file_rows ? entry->last_row + 1 : file_rows) - entry->first_row;
    int64_t all_bytes = 0, chosen_bytes = 0;
    for (size_t i = 0; i < entry->column_count; i++) all_bytes += rows * entry->columns[i].value_bytes;
    for (size_t i = 0; i < entry->column_count; i++) {
        struct hot_column *column = &entry->columns[i];
        column->is_chosen =
            all_bytes <= hot->budget_bytes / 2 || column->value_bytes <= NARROW_BYTES || column->reads >= 2;
        if (column->is_chosen) chosen_bytes += rows * column->value_bytes;
    }
    if (chosen_bytes <= hot->budget_bytes && chosen_bytes > 0) return PF_OK;
    PF_FAIL(err, PF_TOO_LARGE, "%lld bytes for hot columns, the budget is %lld", (long long)chosen_bytes,
            (long long)hot->budget_bytes);
}

static pf_str build_sql(const struct entry *entry, int64_t number, struct pf_arena *arena) {
    struct stage_input input = {.read_options = entry->options};
    struct task_split split = {.path = entry->open_path, .first_row = entry->first_row, .last_row = entry->last_row};
    struct task_deletes none = {0};
    struct pf_buf sql;
    input.columns = PF_ARENA_ARRAY(arena, struct task_column, entry->column_count);
    for (size_t i = 0; i < entry->column_count; i++) {
        const struct hot_column *column = &entry->columns[i];
        if (column->is_chosen) {
            input.columns[input.column_count++] = (struct task_column){.name = column->name, .type = column->type};
        }
    }
    pf_buf_init(&sql, MAX_SQL_BYTES_OF_BUILD);
    pf_buf_printf(&sql, "CREATE TABLE " HOT_DATABASE ".t%lld AS FROM ", (long long)number);
    render_scan(&sql, &input, &split, 1, &none);
    pf_buf_put_cstr(&sql, "; CHECKPOINT " HOT_DATABASE);
    pf_str text = sql.failed ? PF_STR_EMPTY : pf_arena_str(arena, pf_buf_view(&sql));
    pf_buf_clear(&sql);
    return text;
}

static enum pf_code build_table(struct hot_columns *hot, struct entry *entry, struct pf_arena *arena,
                                struct pf_error *err) {
    int64_t before_bytes, after_bytes, stamp = stamp_of(entry->path);
    PF_TRY(choose_columns(hot, entry, arena, err));
    drop_table(hot, entry);
    PF_TRY(table_bytes(hot, arena, &before_bytes, err));
    int64_t number = hot->next_table++;
    PF_TRY(pf_session_run(hot->session, build_sql(entry, number, arena), err));
    entry->table = number;
    hot->stats.builds++;
    hot->stats.table_count++;
    PF_TRY(table_bytes(hot, arena, &after_bytes, err));
    entry->size_bytes = after_bytes > before_bytes ? after_bytes - before_bytes : 1;
    hot->stats.held_bytes += entry->size_bytes;
    entry->stamp = stamp;
    entry->reads = 0;
    for (size_t i = 0; i < entry->column_count; i++) entry->columns[i].is_held = entry->columns[i].is_chosen;
    return PF_OK;
}

/* An object's columns come from the cache; most are there, since they have been read again and again. */
static enum pf_code open_file(struct hot_columns *hot, struct entry *entry, struct pf_arena *arena,
                              struct pf_cache_hold **out_hold, struct pf_error *err) {
    const struct task_files_options *files = &hot->files;
    struct pf_cache_need need = {.size_bytes = -1,
                                 .columns = PF_ARENA_ARRAY(arena, struct pf_cache_column, entry->column_count),
                                 .column_count = entry->column_count,
                                 .first_row = entry->first_row,
                                 .last_row = entry->last_row};
    struct pf_cache_column *columns = (struct pf_cache_column *)(uintptr_t)need.columns;
    *out_hold = NULL;
    entry->open_path = entry->path;
    if (!files->store || !pf_store_key_of(files->store, entry->path, &need.key)) return PF_OK;
    for (size_t i = 0; i < entry->column_count; i++) columns[i] = (struct pf_cache_column){entry->columns[i].name, -1};
    PF_TRY(pf_cache_acquire(files->cache, &need, 1, files->is_cancelled, files->context, arena, out_hold, NULL, err));
    entry->open_path = need.path;
    return PF_OK;
}

static enum pf_code build(struct hot_columns *hot, struct entry *entry, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "build");
    struct pf_cache_hold *hold;
    struct pf_error failure = {0};
    enum pf_code code = open_file(hot, entry, arena, &hold, &failure);
    if (code == PF_OK) code = build_table(hot, entry, arena, &failure);
    pf_cache_release(hold);
    entry->open_path = PF_STR_EMPTY;
    pf_arena_free(arena);
    if (code == PF_OK) {
        make_room(hot, entry);
        pf_log(PF_LOG_DEBUG, "hot columns built", "\"bytes\":%lld,\"held_bytes\":%lld,\"tables\":%lld",
               (long long)entry->size_bytes, (long long)hot->stats.held_bytes, (long long)hot->stats.table_count);
        return PF_OK;
    }
    drop_table(hot, entry);
    if (code == PF_CANCELLED) {
        if (err) *err = failure;
        return code;
    }
    /* A store that does not answer now is asked again when the file has been read so often once more. */
    entry->is_refused = !pf_code_is_retryable(code);
    entry->reads = 0;
    pf_log_failure(PF_LOG_DEBUG, "hot columns not built; the file is read as before", &failure);
    return PF_OK;
}

/* ---- a task ---- */

static enum pf_code prepare_split(struct hot_columns *hot, const struct stage_input *input, struct task_split *split,
                                  struct pf_arena *arena, bool *may_build, struct pf_error *err) {
    struct entry *entry = find_entry(hot, split, input->read_options);
    entry->last_use = ++hot->clock;
    if (entry->table && entry->stamp != stamp_of(entry->path)) drop_table(hot, entry);
    for (size_t i = 0; i < input->column_count; i++) find_column(entry, &input->columns[i])->reads++;
    bool is_held = holds_all(entry, input);
    if (!is_held) {
        entry->reads += (int64_t)input->column_count;
        bool is_paid = entry->reads >= BUILD_PRICE * (int64_t)entry->column_count;
        if (is_paid && *may_build && !entry->is_refused) {
            *may_build = false;
            PF_TRY(build(hot, entry, err));
            is_held = holds_all(entry, input);
        }
    }
    if (is_held) split->held_as = pf_arena_printf(arena, HOT_DATABASE ".t%lld", (long long)entry->table);
    hot->stats.hits += is_held;
    hot->stats.reads += !is_held;
    return PF_OK;
}

/* Rows are what the file says by its column names, and nothing that a table's metadata adds: no deleted rows, lineage,
 * constants of partitions, or columns that each file has in its own way. */
static bool is_plain(const struct stage_input *input, const struct task_split *split) {
    return !input->has_lineage && input->schema_json.len == 0 && split->constants_json.len == 0 &&
           split->delete_count == 0 && split->data_path.len == 0;
}

enum pf_code hot_columns_prepare(struct hot_columns *hot, struct stage_message *stage, struct task_message *task,
                                 struct pf_arena *arena, struct pf_error *err) {
    bool may_build = true;
    for (size_t i = 0; i < stage->input_count; i++) {
        struct stage_input *input = &stage->inputs[i];
        bool is_whole = input->role == PF_ROLE_WHOLE;
        struct task_split *splits = is_whole ? input->splits : task->inputs[i].splits;
        size_t count = is_whole ? input->split_count : task->inputs[i].split_count;
        for (size_t k = 0; k < count; k++) splits[k].held_as = PF_STR_EMPTY;
        if (input->kind != PF_INPUT_SCAN || input->column_count == 0 || count > MAX_SPLITS) continue;
        for (size_t k = 0; k < count; k++) {
            if (is_plain(input, &splits[k])) PF_TRY(prepare_split(hot, input, &splits[k], arena, &may_build, err));
        }
    }
    return PF_OK;
}
