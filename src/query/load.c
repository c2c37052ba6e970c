/* SPDX-License-Identifier: MIT */
#include "query/load.h"

#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "query/query_internal.h"
#include "query/query_log.h"
#include "store/store.h"

#include <unistd.h>

/* Small loads become several files as well, so that a fleet has something to share. */
static const int64_t MAX_FILE_BYTES = (int64_t)128 << 20, MIN_FILE_BYTES = (int64_t)16 << 20;
enum { FILES_WANTED = 8 };

/* A load on its way; everything in one arena. */
struct loading {
    const struct load_env *env;
    const struct pf_load_options *options;
    struct pf_arena *arena;
    struct pf_table_id id;
    struct load_input input;
    struct pf_engine *engine;
    struct pf_session *session;
    struct load_columns columns; /* of the files */
    pf_str reader_sql;
    struct pf_table *table;
    bool is_new;
    struct pf_table_spec spec;       /* if it is */
    pf_str scratch_directory;        /* empty: files are written where they belong */
    pf_str data_prefix, file_prefix; /* keys of the new files: data_prefix/file_prefix-<n>.parquet */
    struct data_files written;
    struct pf_data_file *files;
    size_t file_count;
};

/* ---- reading the inputs ---- */

static void close_session(void *session) {
    pf_session_close(session);
}
static void close_engine(void *engine) {
    pf_engine_close(engine);
}

static enum pf_code open_engine(struct loading *loading, struct pf_error *err) {
    const struct load_env *env = loading->env;
    /* Not locked: the statements are ours, and inputs may be anywhere; extensions are never loaded by themselves. */
    struct pf_engine_options options = {
        .threads = env->threads > 0 ? env->threads : (int)sysconf(_SC_NPROCESSORS_ONLN),
        .memory_limit_bytes = env->memory_limit_bytes,
        .temp_directory = env->temp_directory,
        .keep_order = true,
    };
    PF_TRY(pf_engine_open(&options, &loading->engine, err));
    pf_arena_defer(loading->arena, close_engine, loading->engine);
    PF_TRY(pf_session_open(loading->engine, &loading->session, err));
    pf_arena_defer(loading->arena, close_session, loading->session);
    return PF_OK;
}

static enum pf_code describe(struct loading *loading, struct pf_error *err) {
    const struct pf_column *columns;
    size_t count = 0;
    pf_str sql = pf_arena_printf(loading->arena, "SELECT * FROM %.*s", PF_STR_ARG(loading->reader_sql));
    PF_TRY(pf_session_result_columns(loading->session, sql, loading->arena, &columns, &count, err));
    struct load_columns found = {PF_ARENA_ARRAY(loading->arena, struct pf_sql_column, count), count};
    for (size_t i = 0; i < count; i++) {
        found.items[i] = (struct pf_sql_column){.name = columns[i].name, .type = columns[i].type->sql};
    }
    loading->columns = found;
    return PF_OK;
}

static enum pf_code read_columns(struct loading *loading, struct pf_error *err) {
    loading->reader_sql = load_reader_sql(&loading->input, NULL, 0, loading->arena);
    PF_TRY(describe(loading, err));
    if (loading->is_new || loading->input.format == LOAD_PARQUET) return PF_OK;
    /* Text has no types but those it is read as: the table's, then. */
    struct load_columns wished;
    PF_TRY(load_wish_columns(&loading->columns, loading->table->schema, loading->arena, &wished, err));
    loading->reader_sql = load_reader_sql(&loading->input, wished.items, wished.count, loading->arena);
    return describe(loading, err);
}

/* 0 where only reading it all would tell. */
static int64_t count_rows(struct loading *loading) {
    if (loading->input.format != LOAD_PARQUET || !loading->options->on_progress) return 0;
    pf_str text, sql = pf_arena_printf(loading->arena, "SELECT count(*) FROM %.*s", PF_STR_ARG(loading->reader_sql));
    int64_t rows = 0;
    if (pf_session_scalar(loading->session, sql, loading->arena, &text, NULL) != PF_OK) return 0;
    return pf_str_to_i64(text, &rows) ? rows : 0;
}

/* ---- the table ---- */

static enum pf_code load_table(struct loading *loading, struct pf_error *err) {
    PF_TRY(pf_table_id_parse(loading->options->table, &loading->id, err));
    enum pf_code code = pf_catalog_load(loading->env->catalog, loading->id, loading->arena, &loading->table, err);
    if (code != PF_OK && code != PF_NOT_FOUND) return code;
    loading->is_new = code == PF_NOT_FOUND;
    if (!loading->is_new) return PF_OK;
    /* A table that is there but lacks an object is not a new one. */
    bool exists = false;
    PF_TRY(pf_catalog_exists(loading->env->catalog, loading->id, &exists, NULL));
    return exists ? code : PF_OK;
}

static enum pf_code check_is_writable(const struct pf_table *table, struct pf_error *err) {
    const struct pf_partition_spec *spec = pf_table_metadata_spec(table->metadata, table->metadata->default_spec_id);
    for (size_t i = 0; spec && i < spec->field_count; i++) {
        if (spec->fields[i].transform.kind == PF_TRANSFORM_VOID) continue;
        PF_FAIL(err, PF_UNSUPPORTED,
                "table %.*s is partitioned by '%.*s': files can't be loaded into partitioned tables",
                PF_STR_ARG(table->full_name), PF_STR_ARG(spec->fields[i].name));
    }
    if (table->metadata->format_version != 2) {
        PF_FAIL(err, PF_UNSUPPORTED, "table %.*s has Iceberg format version %d: only version 2 can be written",
                PF_STR_ARG(table->full_name), table->metadata->format_version);
    }
    return PF_OK;
}

static enum pf_code stage_table(struct loading *loading, struct pf_error *err) {
    struct pf_iceberg_schema *schema = PF_ARENA_NEW(loading->arena, struct pf_iceberg_schema);
    int last_column_id = 0;
    PF_TRY(pf_iceberg_schema_from_sql(loading->columns.items, loading->columns.count, loading->arena, schema,
                                      &last_column_id, err));
    loading->spec = (struct pf_table_spec){.id = loading->id, .schema = schema, .last_column_id = last_column_id};
    return pf_catalog_stage(loading->env->catalog, &loading->spec, loading->arena, &loading->table, err);
}

/* ---- writing ---- */

static void remove_files(const struct loading *loading) {
    struct pf_error err;
    pf_str prefix = pf_arena_printf(loading->arena, "%.*s/%.*s", PF_STR_ARG(loading->data_prefix),
                                    PF_STR_ARG(loading->file_prefix));
    enum pf_code code = data_files_remove(loading->env->store, &loading->written, &err); /* not below the prefix */
    if (code == PF_OK) code = pf_store_delete_prefix(loading->env->store, prefix, NULL, &err);
    if (code != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "tolerated: files of a failed load could not be removed", &err);
    }
}

static void remove_scratch(void *context) {
    const struct loading *loading = context;
    (void)!pf_file_remove_tree(loading->scratch_directory.ptr, NULL);
}

static enum pf_code choose_directory(struct loading *loading, pf_str *out_directory, struct pf_error *err) {
    bool is_scratch;
    pf_str temporary = loading->env->temp_directory.len ? loading->env->temp_directory : PF_STR("/tmp");
    pf_str id = pf_arena_printf(loading->arena, "load-%.*s", PF_STR_ARG(loading->file_prefix));
    PF_TRY(data_files_directory(loading->env->store, loading->data_prefix, temporary, id, loading->arena, out_directory,
                                &is_scratch, err));
    if (!is_scratch) return PF_OK;
    loading->scratch_directory = *out_directory;
    pf_arena_defer(loading->arena, remove_scratch, loading);
    return PF_OK;
}

static enum pf_code make_entries(struct loading *loading, const struct data_files *files, struct pf_error *err) {
    loading->files = PF_ARENA_ARRAY(loading->arena, struct pf_data_file, files->count);
    loading->file_count = files->count;
    for (size_t i = 0; i < files->count; i++) {
        PF_TRY(
            pf_written_file_entry(&files->items[i], loading->table->metadata, loading->arena, &loading->files[i], err));
    }
    return PF_OK;
}

static enum pf_code write_files(struct loading *loading, struct pf_error *err) {
    struct load_write write = {
        .session = loading->session,
        .table = loading->table,
        .file_prefix = loading->file_prefix,
        .file_size_bytes = loading->input.size_bytes / FILES_WANTED,
        .expected_rows = count_rows(loading),
        .on_progress = loading->options->on_progress,
        .context = loading->options->context,
    };
    if (write.file_size_bytes > MAX_FILE_BYTES) write.file_size_bytes = MAX_FILE_BYTES;
    if (write.file_size_bytes < MIN_FILE_BYTES) write.file_size_bytes = MIN_FILE_BYTES;
    PF_TRY(load_select_sql(&loading->columns, loading->table->schema, loading->table->full_name, loading->reader_sql,
                           loading->arena, &write.select_sql, err));
    PF_TRY(choose_directory(loading, &write.directory, err));
    struct data_files files = {0};
    PF_TRY(load_write_files(&write, loading->arena, &files, err));
    int spreads_files = pf_table_metadata_spreads_files(loading->table->metadata);
    struct data_publication publication = {
        .store = loading->env->store,
        .scratch = loading->scratch_directory,
        .key_folder = loading->data_prefix,
        .is_spread = spreads_files < 0 ? loading->env->spreads_files : spreads_files != 0,
    };
    enum pf_code code = data_files_publish(&publication, &files, loading->arena, err);
    loading->written = files;
    PF_TRY(code);
    return make_entries(loading, &files, err);
}

static enum pf_code commit_files(struct loading *loading, struct pf_table **out_table, struct pf_error *err) {
    struct pf_catalog *catalog = loading->env->catalog;
    if (loading->options->replace) {
        return pf_catalog_replace(catalog, loading->table, loading->files, loading->file_count, loading->arena,
                                  out_table, err);
    }
    if (loading->file_count && loading->env->mark) {
        return pf_catalog_append_marked(catalog, loading->table, loading->files, loading->file_count,
                                        loading->env->mark, loading->arena, out_table, err);
    }
    if (loading->file_count) {
        return pf_catalog_append(catalog, loading->table, loading->files, loading->file_count, loading->arena,
                                 out_table, err);
    }
    /* Inputs without rows: a new table is made all the same, one that is there stays as it is. */
    if (loading->is_new) return pf_catalog_create_staged(catalog, loading->table, loading->arena, out_table, err);
    *out_table = loading->table;
    return PF_OK;
}

static void sum_up(const struct loading *loading, const struct pf_table *table, struct pf_load_result *out_result) {
    struct pf_load_result result = {
        .files = (int64_t)loading->file_count,
        .snapshot_id = table->snapshot ? table->snapshot->id : -1,
    };
    for (size_t i = 0; i < loading->file_count; i++) {
        result.rows += loading->files[i].record_count;
        result.bytes += loading->files[i].size_bytes;
    }
    if (loading->options->on_progress) loading->options->on_progress(loading->options->context, 1, result.rows);
    *out_result = result;
}

static enum pf_code run(struct loading *loading, struct pf_load_result *out_result, struct pf_error *err) {
    struct pf_table *after = NULL;
    PF_TRY(load_table(loading, err));
    PF_TRY(load_read_input(loading->options, loading->arena, &loading->input, err));
    if (!loading->is_new) PF_TRY(check_is_writable(loading->table, err));
    PF_TRY(open_engine(loading, err));
    PF_TRY(read_columns(loading, err));
    if (loading->is_new) PF_TRY(stage_table(loading, err));
    PF_TRY(pf_table_data_prefix(loading->env->catalog, loading->table, loading->arena, &loading->data_prefix, err));
    loading->file_prefix = pf_id_uuid(loading->arena);
    enum pf_code code = write_files(loading, err);
    bool is_written = code == PF_OK;
    if (is_written) code = commit_files(loading, &after, err);
    /* PF_REMOTE of a commit: it may have come through, and then the table has these files. */
    if (code != PF_OK && !(is_written && code == PF_REMOTE)) remove_files(loading);
    if (code != PF_OK) return code;
    sum_up(loading, after, out_result);
    return PF_OK;
}

enum pf_code load_files(const struct load_env *env, const struct pf_load_options *options,
                        struct pf_load_result *out_result, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "load");
    struct loading loading = {.env = env, .options = options, .arena = arena};
    enum pf_code code = run(&loading, out_result, err);
    pf_arena_free(arena);
    return code == PF_OK ? PF_OK : pf_error_wrap(err, code, "load '%.*s'", PF_STR_ARG(options->table));
}

enum pf_code pf_load(struct pf_stack *stack, const struct pf_load_options *options, struct pf_load_result *out_result,
                     struct pf_error *err) {
    struct load_env env = {
        .store = pf_stack_store(stack),
        .catalog = pf_stack_catalog(stack),
        .memory_limit_bytes = stack->options.coordinator_memory_bytes,
        .temp_directory = stack->run_path,
        .spreads_files = stack->options.spreads_files,
    };
    enum pf_code code = load_files(&env, options, out_result, err);
    query_log_audit(stack, PF_STR("load"), options->replace ? "replace" : "load", options->table, code);
    return code;
}
