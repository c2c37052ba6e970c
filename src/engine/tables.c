/* SPDX-License-Identifier: MIT */
/* Planner tables: views over lake_scan('name'), a table function that has columns and a row count, but no rows.
 *
 * So DuckDB binds, optimises and orders joins as if the table were there. A scan name carries the snapshot; when it
 * changes, the view is replaced and the old shape stays for some more changes: a statement may be between the view and
 * the binding of its function. Also: views over any SELECT, for engines that run statements. */
#include "engine/engine_internal.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SHAPE_AGE 20

struct view {
    struct view *next;
    pf_str schema, name, definition; /* the scan name, or the SELECT; heap, freed with the view */
};

struct shape {
    struct shape *next; /* newest first */
    struct pf_arena *arena;
    struct pf_table_shape table;
    int64_t row_count;
    duckdb_logical_type *types;
    int age; /* how often it was replaced */
};

struct planner_tables {
    struct pf_arena *arena;
    struct view *views;
    struct {
        pthread_mutex_t mutex; /* of its own: binding takes it while the engine's is held by define */
        struct shape *shapes;
    } locked;
};

static struct shape *shape_free(struct shape *shape) {
    for (size_t i = 0; shape->types && i < shape->table.column_count; i++)
        duckdb_destroy_logical_type(&shape->types[i]);
    pf_arena_free(shape->arena);
    return NULL;
}

struct planner_tables *tables_free(struct planner_tables *tables) {
    if (!tables) return NULL;
    while (tables->locked.shapes) {
        struct shape *next = tables->locked.shapes->next;
        shape_free(tables->locked.shapes);
        tables->locked.shapes = next;
    }
    while (tables->views) {
        struct view *view = tables->views;
        tables->views = view->next;
        free((char *)(uintptr_t)view->definition.ptr);
        free(view);
    }
    pthread_mutex_destroy(&tables->locked.mutex);
    pf_arena_free(tables->arena);
    free(tables);
    return NULL;
}

/* ---- lake_scan ---- */

static void bind_lake_scan(duckdb_bind_info info) {
    struct planner_tables *tables = duckdb_bind_get_extra_info(info);
    duckdb_value value = duckdb_bind_get_parameter(info, 0);
    char *text = duckdb_is_null_value(value) ? NULL : duckdb_get_varchar(value);
    pf_str name = pf_str_from_cstr(text);
    bool is_known = false;
    pthread_mutex_lock(&tables->locked.mutex);
    for (struct shape *shape = tables->locked.shapes; shape && !is_known; shape = shape->next) {
        if (!pf_str_equal(shape->table.scan_name, name)) continue;
        is_known = true;
        for (size_t i = 0; i < shape->table.column_count; i++)
            duckdb_bind_add_result_column(info, shape->table.column_names[i].ptr, shape->types[i]);
        /* `true` means an estimate in DuckDB 1.5, `false` a hard maximum. */
        duckdb_bind_set_cardinality(info, (idx_t)shape->row_count, true);
    }
    pthread_mutex_unlock(&tables->locked.mutex);
    if (!is_known) {
        struct pf_error err;
        char message[ENGINE_ERROR_TEXT_BYTES];
        pf_error_set(&err, PF_NOT_FOUND, __FILE__, __LINE__, "lake_scan: no table '%.*s'", PF_STR_ARG(name));
        engine_error_text(&err, message, sizeof message);
        duckdb_bind_set_error(info, message);
    }
    duckdb_free(text);
    duckdb_destroy_value(&value);
}

static void init_lake_scan(duckdb_init_info info) {
    (void)info;
}

static void read_lake_scan(duckdb_function_info info, duckdb_data_chunk chunk) {
    (void)chunk;
    duckdb_function_set_error(info, "lake_scan is for planning: it has no rows");
}

enum pf_code tables_open(struct pf_engine *engine, struct pf_error *err) {
    struct planner_tables *tables = calloc(1, sizeof *tables);
    if (!tables) PF_FAIL(err, PF_NO_MEMORY, "open an engine");
    tables->arena = pf_arena_new(NULL, "planner tables");
    pthread_mutex_init(&tables->locked.mutex, NULL);
    engine->locked.tables = tables;
    if (!engine->is_planner) return PF_OK;
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    duckdb_table_function_set_name(function, "lake_scan");
    duckdb_table_function_add_parameter(function, text);
    duckdb_table_function_set_extra_info(function, tables, NULL);
    duckdb_table_function_set_bind(function, bind_lake_scan);
    duckdb_table_function_set_init(function, init_lake_scan);
    duckdb_table_function_set_function(function, read_lake_scan);
    duckdb_table_function_supports_projection_pushdown(function, true);
    duckdb_state state = duckdb_register_table_function(engine->locked.connection, function);
    duckdb_destroy_logical_type(&text);
    duckdb_destroy_table_function(&function);
    if (state != DuckDBSuccess) PF_FAIL(err, PF_BUG, "register lake_scan");
    return PF_OK;
}

/* ---- views ---- */

static struct view *find_view(struct planner_tables *tables, pf_str schema, pf_str name) {
    for (struct view *view = tables->views; view; view = view->next)
        if (pf_str_equal_nocase(view->name, name) && pf_str_equal_nocase(view->schema, schema)) return view;
    return NULL;
}

static void remember_view(struct planner_tables *tables, pf_str schema, pf_str name, pf_str definition) {
    struct view *view = find_view(tables, schema, name);
    if (!view) {
        view = calloc(1, sizeof *view);
        if (!view) return; /* the view is only made again next time */
        view->schema = pf_arena_str(tables->arena, schema);
        view->name = pf_arena_str(tables->arena, name);
        view->next = tables->views;
        tables->views = view;
    }
    free((char *)(uintptr_t)view->definition.ptr);
    char *copy = malloc(definition.len + 1);
    if (copy) memcpy(copy, definition.ptr, definition.len);
    view->definition = pf_str_from(copy, copy ? definition.len : 0);
}

static bool is_defined_locked(struct pf_engine *engine, pf_str schema, pf_str name, pf_str definition) {
    struct view *view = find_view(engine->locked.tables, schema, name);
    return view && pf_str_equal(view->definition, definition);
}

static enum pf_code make_view_locked(struct pf_engine *engine, pf_str schema, pf_str name, pf_str select_sql,
                                     struct pf_error *err) {
    struct pf_buf sql;
    pf_buf_init(&sql, 64 << 20);
    if (schema.len && !pf_str_equal_nocase(schema, PF_STR("main"))) {
        pf_buf_put_cstr(&sql, "CREATE SCHEMA IF NOT EXISTS memory.");
        sql_put_name(&sql, schema);
        pf_buf_put_cstr(&sql, ";\n");
    }
    /* With the catalog: a schema may be called like one, `system` for example. */
    pf_buf_put_cstr(&sql, "CREATE OR REPLACE VIEW memory.");
    sql_put_name(&sql, schema.len ? schema : PF_STR("main"));
    pf_buf_put_char(&sql, '.');
    sql_put_name(&sql, name);
    pf_buf_put_cstr(&sql, " AS ");
    pf_buf_put_str(&sql, select_sql);
    pf_str text;
    enum pf_code code = pf_buf_finish(&sql, "view", &text, err);
    if (code == PF_OK) code = connection_run(engine->locked.connection, text, err);
    pf_buf_clear(&sql);
    return code == PF_OK ? PF_OK : pf_error_wrap(err, code, "define %.*s.%.*s", PF_STR_ARG(schema), PF_STR_ARG(name));
}

enum pf_code pf_engine_define_view(struct pf_engine *engine, pf_str schema, pf_str name, pf_str select_sql,
                                   struct pf_error *err) {
    enum pf_code code = PF_OK;
    pthread_mutex_lock(&engine->locked.mutex);
    if (!is_defined_locked(engine, schema, name, select_sql)) {
        code = make_view_locked(engine, schema, name, select_sql, err);
        if (code == PF_OK) remember_view(engine->locked.tables, schema, name, select_sql);
    }
    pthread_mutex_unlock(&engine->locked.mutex);
    return code;
}

static void forget_view(struct planner_tables *tables, struct view *view) {
    struct view **link = &tables->views;
    while (*link != view) link = &(*link)->next;
    *link = view->next;
    free((char *)(uintptr_t)view->definition.ptr);
    free(view);
}

enum pf_code pf_engine_drop_view(struct pf_engine *engine, pf_str schema, pf_str name, struct pf_error *err) {
    enum pf_code code = PF_OK;
    pthread_mutex_lock(&engine->locked.mutex);
    struct view *view = find_view(engine->locked.tables, schema, name);
    if (view) {
        struct pf_buf sql;
        pf_buf_init(&sql, 1 << 16);
        pf_buf_put_cstr(&sql, "DROP VIEW IF EXISTS memory.");
        sql_put_name(&sql, view->schema.len ? view->schema : PF_STR("main"));
        pf_buf_put_char(&sql, '.');
        sql_put_name(&sql, view->name);
        code = connection_run(engine->locked.connection, pf_buf_view(&sql), err);
        pf_buf_clear(&sql);
        if (code == PF_OK) forget_view(engine->locked.tables, view);
    }
    pthread_mutex_unlock(&engine->locked.mutex);
    return code;
}

/* ---- shapes ---- */

/* The type as DuckDB knows it; asks DuckDB for spellings that pf_type_parse doesn't know. */
static duckdb_logical_type resolve_type(duckdb_connection connection, pf_str sql) {
    struct pf_arena *arena = pf_arena_new(NULL, "type");
    const struct pf_type *type;
    duckdb_logical_type logical = NULL;
    if (pf_type_parse(sql, arena, &type, NULL) == PF_OK) {
        logical = type_to_duckdb(type);
    } else {
        duckdb_prepared_statement statement = NULL;
        pf_str text = pf_arena_printf(arena, "SELECT CAST(NULL AS %.*s)", PF_STR_ARG(sql));
        if (duckdb_prepare(connection, text.ptr, &statement) == DuckDBSuccess &&
            duckdb_prepared_statement_column_count(statement) == 1)
            logical = duckdb_prepared_statement_column_logical_type(statement, 0);
        duckdb_destroy_prepare(&statement);
    }
    pf_arena_free(arena);
    return logical;
}

static enum pf_code make_shape(duckdb_connection connection, const struct pf_table_shape *table,
                               struct shape **out_shape, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "table shape");
    struct shape *shape = PF_ARENA_NEW(arena, struct shape);
    shape->arena = arena;
    shape->row_count = table->row_count > 0 ? table->row_count : 0;
    shape->table.schema = pf_arena_str(arena, table->schema);
    shape->table.name = pf_arena_str(arena, table->name);
    shape->table.scan_name = pf_arena_str(arena, table->scan_name);
    shape->table.column_count = table->column_count;
    shape->types = PF_ARENA_ARRAY(arena, duckdb_logical_type, table->column_count);
    pf_str *names = PF_ARENA_ARRAY(arena, pf_str, table->column_count);
    shape->table.column_names = names;
    for (size_t i = 0; i < table->column_count; i++) {
        names[i] = pf_arena_str(arena, table->column_names[i]);
        shape->types[i] = resolve_type(connection, table->column_types[i]);
        if (!shape->types[i]) {
            shape_free(shape);
            PF_FAIL(err, PF_INVALID, "table %.*s: column '%.*s' has an unknown type '%.*s'", PF_STR_ARG(table->name),
                    PF_STR_ARG(table->column_names[i]), PF_STR_ARG(table->column_types[i]));
        }
    }
    *out_shape = shape;
    return PF_OK;
}

static void add_shape(struct planner_tables *tables, struct shape *shape) {
    pthread_mutex_lock(&tables->locked.mutex);
    struct shape **link = &tables->locked.shapes;
    while (*link) {
        struct shape *other = *link;
        bool is_same_table = pf_str_equal_nocase(other->table.schema, shape->table.schema) &&
                             pf_str_equal_nocase(other->table.name, shape->table.name);
        if (is_same_table && other->age >= MAX_SHAPE_AGE) {
            *link = other->next;
            shape_free(other);
            continue;
        }
        if (is_same_table) other->age++;
        link = &other->next;
    }
    shape->next = tables->locked.shapes;
    tables->locked.shapes = shape;
    pthread_mutex_unlock(&tables->locked.mutex);
}

static enum pf_code define_table_locked(struct pf_engine *engine, const struct pf_table_shape *table,
                                        struct pf_error *err) {
    struct shape *shape;
    PF_TRY(make_shape(engine->locked.connection, table, &shape, err));
    add_shape(engine->locked.tables, shape);
    struct pf_buf sql;
    pf_buf_init(&sql, 1 << 20);
    pf_buf_put_cstr(&sql, "SELECT * FROM lake_scan(");
    sql_put_string(&sql, table->scan_name);
    pf_buf_put_char(&sql, ')');
    enum pf_code code = make_view_locked(engine, table->schema, table->name, pf_buf_view(&sql), err);
    pf_buf_clear(&sql);
    if (code == PF_OK) remember_view(engine->locked.tables, table->schema, table->name, table->scan_name);
    return code;
}

enum pf_code pf_engine_define_table(struct pf_engine *engine, const struct pf_table_shape *shape,
                                    struct pf_error *err) {
    if (!engine->is_planner) PF_FAIL(err, PF_BUG, "define a planner table: the engine isn't a planner's");
    enum pf_code code = PF_OK;
    pthread_mutex_lock(&engine->locked.mutex);
    if (!is_defined_locked(engine, shape->schema, shape->name, shape->scan_name))
        code = define_table_locked(engine, shape, err);
    pthread_mutex_unlock(&engine->locked.mutex);
    return code;
}
