/* SPDX-License-Identifier: MIT */
/* Plans as the engine gives them to the planner, without the engine: for tests of the planner alone.
 *
 *   record_plans SCHEMA FACTS DISABLED_OPTIMIZERS FOLDER QUERY.sql...
 *
 * SCHEMA: CREATE TABLE statements; each table becomes a view over lake_scan('main.NAME@1'). FACTS: lines
 * "scan_name rows bytes files". Writes FOLDER/QUERY.json and FOLDER/QUERY.explain; a query that can't be planned is
 * named on stdout with DuckDB's message. */
#include <duckdb.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world {
    duckdb_connection connection, meta; /* meta: a bind callback must not use the connection that binds */
    const char *facts;
};

static char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "can't read %s\n", path);
        exit(1);
    }
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = calloc(1, size + 1);
    size_t got = fread(text, 1, size, file);
    fclose(file);
    while (got && (text[got - 1] == ';' || (unsigned char)text[got - 1] <= ' ')) text[--got] = 0;
    return text;
}

static void write_text(const char *folder, const char *query_path, const char *ending, const char *text) {
    const char *name = strrchr(query_path, '/');
    name = name ? name + 1 : query_path;
    char path[4096];
    snprintf(path, sizeof path, "%s/%.*s.%s", folder, (int)(strlen(name) - strlen(".sql")), name, ending);
    FILE *file = fopen(path, "wb");
    if (!file || fputs(text, file) < 0 || fclose(file)) {
        fprintf(stderr, "can't write %s\n", path);
        exit(1);
    }
}

static bool run(duckdb_connection connection, const char *sql) {
    duckdb_result result;
    bool is_done = duckdb_query(connection, sql, &result) == DuckDBSuccess;
    if (!is_done) fprintf(stderr, "%s\n", duckdb_result_error(&result));
    duckdb_destroy_result(&result);
    return is_done;
}

static void bind_scan(duckdb_bind_info info) {
    struct world *world = duckdb_bind_get_extra_info(info);
    duckdb_value parameter = duckdb_bind_get_parameter(info, 0);
    char *scan_name = duckdb_get_varchar(parameter);
    char sql[512];
    snprintf(sql, sizeof sql, "SELECT * FROM raw.%.*s LIMIT 0", (int)strcspn(scan_name + strlen("main."), "@"),
             scan_name + strlen("main."));
    duckdb_result result;
    duckdb_query(world->meta, sql, &result);
    for (idx_t i = 0; i < duckdb_column_count(&result); i++) {
        duckdb_logical_type type = duckdb_column_logical_type(&result, i);
        duckdb_bind_add_result_column(info, duckdb_column_name(&result, i), type);
        duckdb_destroy_logical_type(&type);
    }
    const char *fact = strstr(world->facts, scan_name);
    /* true: an estimate; false would make it a hard maximum too. */
    duckdb_bind_set_cardinality(info, fact ? (idx_t)atoll(fact + strlen(scan_name)) : 100, true);
    duckdb_destroy_result(&result);
    duckdb_free(scan_name);
    duckdb_destroy_value(&parameter);
}

static void init_scan(duckdb_init_info info) {
    (void)info;
}

static void run_scan(duckdb_function_info info, duckdb_data_chunk chunk) {
    (void)info;
    duckdb_data_chunk_set_size(chunk, 0);
}

static void register_scan(struct world *world) {
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    duckdb_table_function_set_name(function, "lake_scan");
    duckdb_table_function_add_parameter(function, text);
    duckdb_table_function_set_extra_info(function, world, NULL);
    duckdb_table_function_set_bind(function, bind_scan);
    duckdb_table_function_set_init(function, init_scan);
    duckdb_table_function_set_function(function, run_scan);
    duckdb_table_function_supports_projection_pushdown(function, true);
    duckdb_register_table_function(world->connection, function);
    duckdb_destroy_table_function(&function);
    duckdb_destroy_logical_type(&text);
}

static void make_views(struct world *world) {
    duckdb_result tables;
    duckdb_query(world->meta, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'raw'", &tables);
    for (idx_t i = 0; i < duckdb_row_count(&tables); i++) {
        char *name = duckdb_value_varchar(&tables, 0, i), sql[512];
        snprintf(sql, sizeof sql, "CREATE VIEW main.%s AS SELECT * FROM lake_scan('main.%s@1')", name, name);
        run(world->connection, sql);
        duckdb_free(name);
    }
    duckdb_destroy_result(&tables);
}

static void record(struct world *world, const char *folder, const char *path) {
    char *sql = read_text(path), *explain = malloc(strlen(sql) + 64);
    duckdb_prepared_statement statement;
    duckdb_prepare(world->connection, "SELECT json_serialize_plan($1::VARCHAR, optimize := true)::VARCHAR", &statement);
    duckdb_bind_varchar(statement, 1, sql);
    duckdb_result result;
    if (duckdb_execute_prepared(statement, &result) == DuckDBSuccess && !duckdb_value_is_null(&result, 0, 0)) {
        char *json = duckdb_value_varchar(&result, 0, 0);
        if (strncmp(json, "{\"error\":true", 13) == 0)
            printf("%s: %s\n", path, json);
        else if (!*json)
            printf("%s: not serialised\n", path); /* e.g. a BIT constant: its bytes are not UTF-8 */
        else
            write_text(folder, path, "json", json);
        duckdb_free(json);
    } else
        printf("%s: not serialised\n", path);
    duckdb_destroy_result(&result);
    duckdb_destroy_prepare(&statement);
    snprintf(explain, strlen(sql) + 64, "EXPLAIN (FORMAT json) %s", sql);
    if (duckdb_query(world->connection, explain, &result) == DuckDBSuccess) {
        char *json = duckdb_value_varchar(&result, 1, 0);
        write_text(folder, path, "explain", json);
        duckdb_free(json);
    }
    duckdb_destroy_result(&result);
    free(explain);
    free(sql);
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    duckdb_database database;
    struct world world = {.facts = read_text(argv[2])};
    char *schema = read_text(argv[1]), settings[1024];
    snprintf(settings, sizeof settings, "SET disabled_optimizers = '%s'; SET explain_output = 'optimized_only'",
             argv[3]);
    if (duckdb_open(NULL, &database) != DuckDBSuccess) return 1;
    duckdb_connect(database, &world.connection);
    duckdb_connect(database, &world.meta);
    bool is_ready = run(world.connection, "CREATE SCHEMA raw; USE raw") && run(world.connection, schema) &&
                    run(world.connection, "USE memory.main") && run(world.connection, settings);
    if (!is_ready) return 1;
    register_scan(&world);
    make_views(&world);
    for (int i = 5; i < argc; i++) record(&world, argv[4], argv[i]);
    duckdb_disconnect(&world.meta);
    duckdb_disconnect(&world.connection);
    duckdb_close(&database);
    free(schema);
    free((char *)world.facts);
    return 0;
}
