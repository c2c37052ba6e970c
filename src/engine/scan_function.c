/* SPDX-License-Identifier: MIT */
/* Table functions of ours: SELECT ... FROM name('text', ...), with projection, row estimate and one scan a thread.
 *
 * DuckDB asks for column 0 when it needs none (count(*)). */
#include "engine/engine_internal.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Freed with the last of the plan, its runs and scans: DuckDB may drop the plan first. */
struct bound {
    struct pf_arena *arena;
    atomic_int users;
    const struct pf_table_function *function;
    struct pf_scan_bind bind;
    void *plan;
};

/* One execution, shared by its threads. */
struct run {
    struct bound *bound;
    void *run;
};

struct scan {
    struct pf_arena *arena;
    struct bound *bound;
    uint32_t *projection;
    void *scan; /* opened by the first read: only then DuckDB shows the run */
    struct pf_scan_out out;
};

static void release_bound(void *data) {
    struct bound *bound = data;
    if (atomic_fetch_sub(&bound->users, 1) == 1) pf_arena_free(bound->arena);
}

static void free_scan(void *data) {
    struct scan *scan = data;
    if (scan->scan) scan->bound->function->close(scan->scan);
    release_bound(scan->bound);
    pf_arena_free(scan->arena);
}

static void free_run(void *data) {
    struct run *run = data;
    if (run->run) run->bound->function->stop(run->run);
    release_bound(run->bound);
    free(run);
}

static enum pf_code bind_scan(duckdb_bind_info info, struct bound *bound, struct pf_error *err) {
    const struct pf_table_function *function = bound->function;
    idx_t count = duckdb_bind_get_parameter_count(info);
    pf_str *parameters = PF_ARENA_ARRAY(bound->arena, pf_str, count);
    for (idx_t i = 0; i < count; i++) {
        duckdb_value value = duckdb_bind_get_parameter(info, i);
        if (!duckdb_is_null_value(value)) {
            char *text = duckdb_get_varchar(value);
            parameters[i] = pf_arena_str(bound->arena, pf_str_from_cstr(text));
            duckdb_free(text);
        }
        duckdb_destroy_value(&value);
    }
    bound->bind.row_count = -1;
    bound->bind.max_threads = 1;
    PF_TRY(function->bind(function->context, parameters, bound->arena, &bound->bind, &bound->plan, err));
    for (size_t i = 0; i < bound->bind.column_count; i++) {
        const struct pf_column *column = &bound->bind.columns[i];
        duckdb_logical_type logical = type_to_duckdb(column->type);
        if (!logical)
            PF_FAIL(err, PF_UNSUPPORTED, "%s: column '%.*s' of type %.*s", function->name, PF_STR_ARG(column->name),
                    PF_STR_ARG(column->type->sql));
        duckdb_bind_add_result_column(info, pf_arena_cstr(bound->arena, column->name), logical);
        duckdb_destroy_logical_type(&logical);
    }
    if (bound->bind.row_count >= 0) duckdb_bind_set_cardinality(info, (idx_t)bound->bind.row_count, true);
    return PF_OK;
}

static void on_bind(duckdb_bind_info info) {
    struct pf_error err;
    struct pf_arena *arena = pf_arena_new(NULL, "scan");
    struct bound *bound = PF_ARENA_NEW(arena, struct bound);
    bound->arena = arena;
    bound->users = 1;
    bound->function = duckdb_bind_get_extra_info(info);
    if (bind_scan(info, bound, &err) == PF_OK) {
        duckdb_bind_set_bind_data(info, bound, release_bound);
        return;
    }
    char text[ENGINE_ERROR_TEXT_BYTES];
    engine_error_text(&err, text, sizeof text);
    duckdb_bind_set_error(info, text);
    pf_arena_free(arena);
}

static enum pf_code start_run(struct bound *bound, struct run **out_run, struct pf_error *err) {
    const struct pf_table_function *function = bound->function;
    struct run *run = calloc(1, sizeof *run);
    if (!run) PF_FAIL(err, PF_NO_MEMORY, "start a scan");
    run->bound = bound;
    if (function->start) {
        enum pf_code code = function->start(function->context, bound->plan, &run->run, err);
        if (code != PF_OK) {
            free(run);
            return code;
        }
    }
    atomic_fetch_add(&bound->users, 1);
    *out_run = run;
    return PF_OK;
}

static void on_init(duckdb_init_info info) {
    struct pf_error err;
    struct run *run;
    struct bound *bound = duckdb_init_get_bind_data(info);
    duckdb_init_set_max_threads(info, bound->bind.max_threads > 0 ? (idx_t)bound->bind.max_threads : 1);
    if (start_run(bound, &run, &err) == PF_OK) {
        duckdb_init_set_init_data(info, run, free_run);
        return;
    }
    char text[ENGINE_ERROR_TEXT_BYTES];
    engine_error_text(&err, text, sizeof text);
    duckdb_init_set_error(info, text);
}

static enum pf_code prepare_scan(duckdb_init_info info, const struct bound *bound, struct scan *scan,
                                 struct pf_error *err) {
    idx_t count = duckdb_init_get_column_count(info);
    scan->projection = PF_ARENA_ARRAY(scan->arena, uint32_t, count);
    scan->out.column_count = (uint32_t)count;
    scan->out.capacity = duckdb_vector_size();
    scan->out.columns = PF_ARENA_ARRAY(scan->arena, struct pf_out_vec, count);
    for (idx_t i = 0; i < count; i++) {
        idx_t index = duckdb_init_get_column_index(info, i);
        if (index >= bound->bind.column_count)
            PF_FAIL(err, PF_BUG, "%s: no column %llu", bound->function->name, (unsigned long long)index);
        scan->projection[i] = (uint32_t)index;
        out_vec_prepare(&scan->out.columns[i], bound->bind.columns[index].type, scan->arena);
    }
    return PF_OK;
}

static void on_local_init(duckdb_init_info info) {
    struct pf_error err;
    struct pf_arena *arena = pf_arena_new(NULL, "scan thread");
    struct scan *scan = PF_ARENA_NEW(arena, struct scan);
    scan->arena = arena;
    scan->bound = duckdb_init_get_bind_data(info);
    if (prepare_scan(info, scan->bound, scan, &err) == PF_OK) {
        atomic_fetch_add(&scan->bound->users, 1);
        duckdb_init_set_init_data(info, scan, free_scan);
        return;
    }
    char text[ENGINE_ERROR_TEXT_BYTES];
    engine_error_text(&err, text, sizeof text);
    duckdb_init_set_error(info, text);
    pf_arena_free(arena);
}

static enum pf_code read_scan(struct scan *scan, const struct run *run, struct pf_error *err) {
    const struct pf_table_function *function = scan->bound->function;
    if (!scan->scan)
        PF_TRY(function->open(function->context, function->start ? run->run : scan->bound->plan, scan->projection,
                              scan->out.column_count, &scan->scan, err));
    return function->read(scan->scan, &scan->out, err);
}

static void on_read(duckdb_function_info info, duckdb_data_chunk data) {
    struct pf_error err;
    struct scan *scan = duckdb_function_get_local_init_data(info);
    scan->out.row_count = 0;
    for (uint32_t i = 0; i < scan->out.column_count; i++)
        out_vec_view(&scan->out.columns[i], duckdb_data_chunk_get_vector(data, i));
    if (read_scan(scan, duckdb_function_get_init_data(info), &err) == PF_OK) {
        duckdb_data_chunk_set_size(data, scan->out.row_count);
        return;
    }
    char text[ENGINE_ERROR_TEXT_BYTES];
    engine_error_text(&err, text, sizeof text);
    duckdb_function_set_error(info, text);
}

enum pf_code pf_engine_register_scan(struct pf_engine *engine, const struct pf_table_function *function,
                                     struct pf_error *err) {
    pthread_mutex_lock(&engine->locked.mutex);
    struct pf_table_function *kept = PF_ARENA_NEW(engine->arena, struct pf_table_function);
    *kept = *function;
    duckdb_table_function made = duckdb_create_table_function();
    duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    duckdb_table_function_set_name(made, function->name);
    for (int i = 0; i < function->parameter_count; i++) duckdb_table_function_add_parameter(made, text);
    duckdb_table_function_set_extra_info(made, kept, NULL);
    duckdb_table_function_set_bind(made, on_bind);
    duckdb_table_function_set_init(made, on_init);
    duckdb_table_function_set_local_init(made, on_local_init);
    duckdb_table_function_set_function(made, on_read);
    duckdb_table_function_supports_projection_pushdown(made, true);
    duckdb_state state = duckdb_register_table_function(engine->locked.connection, made);
    duckdb_destroy_logical_type(&text);
    duckdb_destroy_table_function(&made);
    pthread_mutex_unlock(&engine->locked.mutex);
    if (state != DuckDBSuccess) PF_FAIL(err, PF_BUG, "register table function %s", function->name);
    return PF_OK;
}
