/* SPDX-License-Identifier: MIT */
/* Opens an instance and locks it down.
 *
 * The order matters (measured on DuckDB 1.5): everything that a lock forbids comes before it; external access goes
 * last but one, the lock of the configuration last. */
#include "engine/engine_internal.h"

#include <stdlib.h>
#include <string.h>

/* Sessions still set these: they change how a session shows things, not what it may reach. */
#define UNLOCKED_CONFIGS                                                                                               \
    "['TimeZone','Calendar','explain_output','enable_progress_bar','enable_progress_bar_print','progress_bar_time',"   \
    "'streaming_buffer_size','default_null_order','default_order','search_path','schema',"                             \
    "'merge_join_threshold']"

/* json_serialize_plan fails with the first (its column bindings are resolved too early in DuckDB 1.5); the second puts
 * internal functions into plans. */
#define DEFAULT_DISABLED_OPTIMIZERS "compressed_materialization,column_lifetime"

const char *pf_engine_version(void) {
    return duckdb_library_version();
}

static enum pf_code check_version(struct pf_error *err) {
    const char *version = duckdb_library_version();
    if (strncmp(version, "v1.5.", 5) != 0)
        PF_FAIL(err, PF_UNSUPPORTED,
                "libduckdb is %s, but this program needs v1.5: install the library of deps/lock.json", version);
    return PF_OK;
}

static void put_setting(struct pf_buf *sql, const char *name, pf_str value) {
    pf_buf_printf(sql, "SET %s=", name);
    sql_put_string(sql, value);
    pf_buf_put_cstr(sql, ";\n");
}

static void put_bool(struct pf_buf *sql, const char *name, bool value) {
    pf_buf_printf(sql, "SET %s=%s;\n", name, value ? "true" : "false");
}

static void put_directories(struct pf_buf *sql, const struct pf_engine_options *options) {
    pf_buf_put_cstr(sql, "SET allowed_directories=[");
    for (size_t i = 0; i < options->allowed_directory_count; i++) {
        pf_str path = options->allowed_directories[i];
        if (i) pf_buf_put_char(sql, ',');
        struct pf_buf with_slash; /* a prefix: /data must not allow /database */
        pf_buf_init(&with_slash, 65536);
        pf_buf_put_str(&with_slash, path);
        if (!pf_str_ends_with(path, PF_STR("/"))) pf_buf_put_char(&with_slash, '/');
        sql_put_string(sql, pf_buf_view(&with_slash));
        pf_buf_clear(&with_slash);
    }
    pf_buf_put_cstr(sql, "];\n");
}

static void put_settings(struct pf_buf *sql, const struct pf_engine_options *options) {
    put_setting(sql, "GLOBAL TimeZone", PF_STR("UTC")); /* the same on every worker */
    put_bool(sql, "allow_persistent_secrets", false);
    put_bool(sql, "autoinstall_known_extensions", false);
    put_bool(sql, "autoload_known_extensions", false);
    put_bool(sql, "allow_community_extensions", false);
    put_setting(sql, "extension_directory", PF_STR("/nonexistent"));
    put_setting(sql, "home_directory", PF_STR("/nonexistent"));
    put_setting(sql, "temp_directory", options->temp_directory);
    if (options->memory_limit_bytes > 0)
        pf_buf_printf(sql, "SET memory_limit='%lldB';\n", (long long)options->memory_limit_bytes);
    if (options->threads > 0) pf_buf_printf(sql, "SET threads=%d;\n", options->threads);
    put_bool(sql, "preserve_insertion_order", options->keep_order);
    /* DuckDB 1.5 plans an ASOF join with few rows on its left as a loop; then it asks a C table function below for its
     * cardinality after it took its bind data away, and reads address zero. */
    pf_buf_put_cstr(sql, "SET GLOBAL asof_loop_join_threshold=0;\n");
    if (options->is_planner) {
        pf_str disabled = options->disabled_optimizers;
        put_setting(sql, "disabled_optimizers", disabled.len ? disabled : PF_STR(DEFAULT_DISABLED_OPTIMIZERS));
    } else {
        put_bool(sql, "parquet_metadata_cache", true);
        if (options->disabled_optimizers.len) put_setting(sql, "disabled_optimizers", options->disabled_optimizers);
    }
    if (options->memory_database.len) {
        pf_buf_put_cstr(sql, "ATTACH ':memory:' AS ");
        sql_put_name(sql, options->memory_database);
        pf_buf_put_cstr(sql, " (COMPRESS);\n");
    }
    if (!options->is_locked) return;
    put_directories(sql, options);
    pf_buf_put_cstr(sql, "SET allowed_configs=" UNLOCKED_CONFIGS ";\n");
    put_bool(sql, "enable_external_access", false);
    put_bool(sql, "lock_configuration", true);
}

static enum pf_code open_database(struct pf_engine *engine, struct pf_error *err) {
    duckdb_config config;
    if (duckdb_create_config(&config) != DuckDBSuccess) PF_FAIL(err, PF_NO_MEMORY, "make a DuckDB configuration");
    /* No threads before we say how many. */
    duckdb_set_config(config, "threads", "1");
    char *message = NULL;
    duckdb_state state = duckdb_open_ext(NULL, &engine->database, config, &message);
    duckdb_destroy_config(&config);
    if (state == DuckDBSuccess) return PF_OK;
    enum pf_code code = engine_error_from_text(message, err);
    duckdb_free(message);
    return code;
}

static enum pf_code configure(struct pf_engine *engine, const struct pf_engine_options *options, struct pf_error *err) {
    struct pf_buf sql;
    pf_buf_init(&sql, 1 << 20);
    put_settings(&sql, options);
    pf_str text;
    enum pf_code code = pf_buf_finish(&sql, "engine settings", &text, err);
    if (code == PF_OK) code = connection_run(engine->locked.connection, text, err);
    pf_buf_clear(&sql);
    return code;
}

static enum pf_code open_parts(struct pf_engine *engine, const struct pf_engine_options *options,
                               struct pf_error *err) {
    PF_TRY(open_database(engine, err));
    if (duckdb_connect(engine->database, &engine->locked.connection) != DuckDBSuccess)
        PF_FAIL(err, PF_NO_MEMORY, "connect to a new DuckDB instance");
    PF_TRY(configure(engine, options, err));
    return tables_open(engine, err);
}

enum pf_code pf_engine_open(const struct pf_engine_options *options, struct pf_engine **out_engine,
                            struct pf_error *err) {
    PF_TRY(check_version(err));
    struct pf_engine *engine = calloc(1, sizeof *engine);
    if (!engine) PF_FAIL(err, PF_NO_MEMORY, "open an engine");
    engine->arena = pf_arena_new(NULL, "engine");
    engine->is_locked = options->is_locked;
    engine->is_planner = options->is_planner;
    pthread_mutex_init(&engine->locked.mutex, NULL);
    pthread_mutex_init(&engine->range_join_mutex, NULL);
    enum pf_code code = open_parts(engine, options, err);
    if (code != PF_OK) {
        pf_engine_close(engine);
        return pf_error_wrap(err, code, "open DuckDB");
    }
    *out_engine = engine;
    return PF_OK;
}

struct pf_engine *pf_engine_close(struct pf_engine *engine) {
    if (!engine) return NULL;
    if (engine->locked.connection) duckdb_disconnect(&engine->locked.connection);
    if (engine->database) duckdb_close(&engine->database);
    tables_free(engine->locked.tables);
    pthread_mutex_destroy(&engine->locked.mutex);
    pthread_mutex_destroy(&engine->range_join_mutex);
    pf_arena_free(engine->arena);
    free(engine);
    return NULL;
}
