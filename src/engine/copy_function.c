/* SPDX-License-Identifier: MIT */
/* Copy functions of ours: COPY ... TO 'path' (FORMAT name, ...).
 *
 * DuckDB calls bind once, then opens a sink per file (with PER_THREAD_OUTPUT: per thread). A sink that was not
 * finished is abandoned when DuckDB drops its state. Column names don't reach the C API. */
#include "engine/engine_internal.h"

#include <stdatomic.h>

/* Freed with the last of the plan and its sinks: DuckDB may drop the plan first. */
struct bound {
    struct pf_arena *arena;
    atomic_int users;
    const struct pf_copy_function *function;
    struct pf_column *columns;
    size_t column_count;
    void *plan;
};

struct sink {
    struct pf_arena *arena;
    struct bound *bound;
    void *sink; /* NULL once finished */
    struct pf_chunk chunk;
};

static void release_bound(void *data) {
    struct bound *bound = data;
    if (atomic_fetch_sub(&bound->users, 1) == 1) pf_arena_free(bound->arena);
}

static void free_sink(void *data) {
    struct sink *sink = data;
    if (sink->sink) sink->bound->function->abandon(sink->sink);
    release_bound(sink->bound);
    pf_arena_free(sink->arena);
}

static pf_str value_text(duckdb_value value, struct pf_arena *arena) {
    /* duckdb_get_varchar throws for NULL. */
    if (!value || duckdb_is_null_value(value)) return PF_STR_EMPTY;
    char *text = duckdb_get_varchar(value);
    pf_str copy = pf_arena_str(arena, pf_str_from_cstr(text));
    duckdb_free(text);
    return copy;
}

/* Options come as one STRUCT, names in upper case; NULL if there are none. */
static void read_options(duckdb_copy_function_bind_info info, struct pf_arena *arena, struct pf_copy_bind *bind) {
    duckdb_value options = duckdb_copy_function_bind_get_options(info);
    if (options && !duckdb_is_null_value(options)) {
        duckdb_logical_type type = duckdb_get_value_type(options); /* borrowed from the value */
        idx_t count = duckdb_get_type_id(type) == DUCKDB_TYPE_STRUCT ? duckdb_struct_type_child_count(type) : 0;
        struct pf_copy_option *list = PF_ARENA_ARRAY(arena, struct pf_copy_option, count);
        for (idx_t i = 0; i < count; i++) {
            char *name = duckdb_struct_type_child_name(type, i);
            char *lower = pf_arena_cstr(arena, pf_str_from_cstr(name));
            for (char *c = lower; *c; c++)
                if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
            duckdb_free(name);
            duckdb_value value = duckdb_get_struct_child(options, i);
            if (value && duckdb_get_type_id(duckdb_get_value_type(value)) == DUCKDB_TYPE_LIST &&
                duckdb_get_list_size(value) == 1) {
                duckdb_value only = duckdb_get_list_child(value, 0);
                duckdb_destroy_value(&value);
                value = only;
            }
            list[i] = (struct pf_copy_option){pf_str_from_cstr(lower), value_text(value, arena)};
            duckdb_destroy_value(&value);
        }
        bind->options = list;
        bind->option_count = count;
    }
    duckdb_destroy_value(&options);
}

static enum pf_code bind_copy(duckdb_copy_function_bind_info info, struct bound *bound, struct pf_error *err) {
    struct pf_copy_bind bind = {0};
    bound->column_count = duckdb_copy_function_bind_get_column_count(info);
    bound->columns = PF_ARENA_ARRAY(bound->arena, struct pf_column, bound->column_count);
    for (size_t i = 0; i < bound->column_count; i++) {
        struct pf_type *type = PF_ARENA_NEW(bound->arena, struct pf_type);
        duckdb_logical_type logical = duckdb_copy_function_bind_get_column_type(info, i);
        enum pf_code code = type_from_duckdb(logical, bound->arena, type, err);
        duckdb_destroy_logical_type(&logical);
        PF_TRY(code);
        bound->columns[i].type = type;
    }
    read_options(info, bound->arena, &bind);
    bind.columns = bound->columns;
    bind.column_count = bound->column_count;
    const struct pf_copy_function *function = bound->function;
    return function->bind(function->context, &bind, bound->arena, &bound->plan, err);
}

static void on_bind(duckdb_copy_function_bind_info info) {
    struct pf_error err;
    struct pf_arena *arena = pf_arena_new(NULL, "copy");
    struct bound *bound = PF_ARENA_NEW(arena, struct bound);
    bound->arena = arena;
    bound->users = 1;
    bound->function = duckdb_copy_function_bind_get_extra_info(info);
    if (bind_copy(info, bound, &err) == PF_OK) {
        duckdb_copy_function_bind_set_bind_data(info, bound, release_bound);
        return;
    }
    char text[ENGINE_ERROR_TEXT_BYTES];
    engine_error_text(&err, text, sizeof text);
    duckdb_copy_function_bind_set_error(info, text);
    pf_arena_free(arena);
}

static void on_global_init(duckdb_copy_function_global_init_info info) {
    struct pf_error err;
    struct bound *bound = duckdb_copy_function_global_init_get_bind_data(info);
    const struct pf_copy_function *function = bound->function;
    struct pf_arena *arena = pf_arena_new(NULL, "copy sink");
    struct sink *sink = PF_ARENA_NEW(arena, struct sink);
    sink->arena = arena;
    sink->bound = bound;
    sink->chunk.column_count = (uint32_t)bound->column_count;
    sink->chunk.columns = PF_ARENA_ARRAY(arena, struct pf_vec, bound->column_count);
    for (size_t i = 0; i < bound->column_count; i++)
        vec_prepare(&sink->chunk.columns[i], bound->columns[i].type, arena);
    pf_str path = pf_str_from_cstr(duckdb_copy_function_global_init_get_file_path(info));
    if (function->open(function->context, bound->plan, path, &sink->sink, &err) == PF_OK) {
        atomic_fetch_add(&bound->users, 1);
        duckdb_copy_function_global_init_set_global_state(info, sink, free_sink);
        return;
    }
    char text[ENGINE_ERROR_TEXT_BYTES];
    engine_error_text(&err, text, sizeof text);
    duckdb_copy_function_global_init_set_error(info, text);
    pf_arena_free(arena);
}

static void on_sink(duckdb_copy_function_sink_info info, duckdb_data_chunk data) {
    struct pf_error err;
    struct sink *sink = duckdb_copy_function_sink_get_global_state(info);
    sink->chunk.row_count = duckdb_data_chunk_get_size(data);
    for (size_t i = 0; i < sink->bound->column_count; i++)
        vec_view(&sink->chunk.columns[i], duckdb_data_chunk_get_vector(data, i), sink->chunk.row_count);
    if (sink->bound->function->write(sink->sink, &sink->chunk, &err) == PF_OK) return;
    char text[ENGINE_ERROR_TEXT_BYTES];
    engine_error_text(&err, text, sizeof text);
    duckdb_copy_function_sink_set_error(info, text);
}

static void on_finalize(duckdb_copy_function_finalize_info info) {
    struct pf_error err;
    struct sink *sink = duckdb_copy_function_finalize_get_global_state(info);
    void *inner = sink->sink;
    sink->sink = NULL;
    if (sink->bound->function->finish(inner, &err) == PF_OK) return;
    char text[ENGINE_ERROR_TEXT_BYTES];
    engine_error_text(&err, text, sizeof text);
    duckdb_copy_function_finalize_set_error(info, text);
}

enum pf_code pf_engine_register_copy(struct pf_engine *engine, const struct pf_copy_function *function,
                                     struct pf_error *err) {
    pthread_mutex_lock(&engine->locked.mutex);
    struct pf_copy_function *kept = PF_ARENA_NEW(engine->arena, struct pf_copy_function);
    *kept = *function;
    duckdb_copy_function made = duckdb_create_copy_function();
    duckdb_copy_function_set_name(made, function->name);
    duckdb_copy_function_set_extra_info(made, kept, NULL);
    duckdb_copy_function_set_bind(made, on_bind);
    duckdb_copy_function_set_global_init(made, on_global_init);
    duckdb_copy_function_set_sink(made, on_sink);
    duckdb_copy_function_set_finalize(made, on_finalize);
    duckdb_state state = duckdb_register_copy_function(engine->locked.connection, made);
    duckdb_destroy_copy_function(&made);
    pthread_mutex_unlock(&engine->locked.mutex);
    if (state != DuckDBSuccess) PF_FAIL(err, PF_BUG, "register copy function %s", function->name);
    return PF_OK;
}
