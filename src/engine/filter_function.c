/* SPDX-License-Identifier: MIT */
/* Conditions of ours over two numbers of a row: WHERE name('constant text', a, b).
 *
 * The text is read when the statement is bound; each thread opens the condition before its first rows. */
#include "engine/engine_internal.h"

#include <stdatomic.h>
#include <stdlib.h>

struct bound {
    struct pf_arena *arena;
    atomic_int users; /* copies of the plan share it */
    const struct pf_row_filter *function;
    pf_str parameter;
};

struct state {
    const struct pf_row_filter *function;
    void *filter;
};

struct pf_filter_io {
    struct pf_engine *engine;
    duckdb_client_context client;
};

struct registered {
    struct pf_row_filter function;
    struct pf_engine *engine;
};

static void release_bound(void *data) {
    struct bound *bound = data;
    if (atomic_fetch_sub(&bound->users, 1) == 1) pf_arena_free(bound->arena);
}

static void *copy_bound(void *data) {
    atomic_fetch_add(&((struct bound *)data)->users, 1);
    return data;
}

static void free_state(void *data) {
    struct state *state = data;
    state->function->close(state->filter);
    free(state);
}

static enum pf_code fold_text(duckdb_bind_info info, struct pf_arena *arena, pf_str *out_text, struct pf_error *err) {
    duckdb_client_context client = NULL;
    duckdb_value value = NULL;
    duckdb_expression argument = duckdb_scalar_function_bind_get_argument(info, 0);
    if (!argument || !duckdb_expression_is_foldable(argument)) {
        duckdb_destroy_expression(&argument);
        PF_FAIL(err, PF_INVALID, "the first argument must be a constant text");
    }
    duckdb_scalar_function_get_client_context(info, &client);
    duckdb_error_data failure = duckdb_expression_fold(client, argument, &value);
    bool ok = !duckdb_error_data_has_error(failure) && value && !duckdb_is_null_value(value);
    if (ok) {
        char *text = duckdb_get_varchar(value);
        *out_text = pf_arena_str(arena, pf_str_from_cstr(text));
        duckdb_free(text);
    }
    if (value) duckdb_destroy_value(&value);
    duckdb_destroy_error_data(&failure);
    duckdb_destroy_client_context(&client);
    duckdb_destroy_expression(&argument);
    if (!ok) PF_FAIL(err, PF_INVALID, "the first argument must be a constant text");
    return PF_OK;
}

static void on_bind(duckdb_bind_info info) {
    struct pf_error err;
    struct pf_arena *arena = pf_arena_new(NULL, "row filter");
    struct bound *bound = PF_ARENA_NEW(arena, struct bound);
    const struct registered *registered = duckdb_scalar_function_bind_get_extra_info(info);
    bound->arena = arena;
    bound->users = 1;
    bound->function = &registered->function;
    if (fold_text(info, arena, &bound->parameter, &err) == PF_OK) {
        duckdb_scalar_function_set_bind_data(info, bound, release_bound);
        duckdb_scalar_function_set_bind_data_copy(info, copy_bound);
        return;
    }
    char text[ENGINE_ERROR_TEXT_BYTES];
    engine_error_text(&err, text, sizeof text);
    duckdb_scalar_function_bind_set_error(info, text);
    pf_arena_free(arena);
}

static void on_init(duckdb_init_info info) {
    struct pf_error err;
    const struct bound *bound = duckdb_scalar_function_init_get_bind_data(info);
    const struct registered *registered = duckdb_scalar_function_init_get_extra_info(info);
    struct pf_filter_io io = {.engine = registered->engine};
    struct state *state = calloc(1, sizeof *state);
    if (!state) abort();
    state->function = bound->function;
    duckdb_scalar_function_init_get_client_context(info, &io.client);
    enum pf_code code = bound->function->open(bound->function->context, &io, bound->parameter, &state->filter, &err);
    duckdb_destroy_client_context(&io.client);
    if (code == PF_OK) {
        duckdb_scalar_function_init_set_state(info, state, free_state);
        return;
    }
    char text[ENGINE_ERROR_TEXT_BYTES];
    engine_error_text(&err, text, sizeof text);
    duckdb_scalar_function_init_set_error(info, text);
    free(state);
}

static void on_rows(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
    const struct state *state = duckdb_scalar_function_get_state(info);
    const int64_t *a = duckdb_vector_get_data(duckdb_data_chunk_get_vector(input, 1));
    const int64_t *b = duckdb_vector_get_data(duckdb_data_chunk_get_vector(input, 2));
    state->function->test(state->filter, a, b, duckdb_data_chunk_get_size(input), duckdb_vector_get_data(output));
}

enum pf_code pf_engine_register_filter(struct pf_engine *engine, const struct pf_row_filter *function,
                                       struct pf_error *err) {
    struct registered *registered = PF_ARENA_NEW(engine->arena, struct registered);
    *registered = (struct registered){*function, engine};
    duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    duckdb_logical_type number = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_logical_type boolean = duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
    duckdb_scalar_function scalar = duckdb_create_scalar_function();
    duckdb_scalar_function_set_name(scalar, function->name);
    duckdb_scalar_function_add_parameter(scalar, text);
    duckdb_scalar_function_add_parameter(scalar, number);
    duckdb_scalar_function_add_parameter(scalar, number);
    duckdb_scalar_function_set_return_type(scalar, boolean);
    duckdb_scalar_function_set_extra_info(scalar, registered, NULL);
    duckdb_scalar_function_set_bind(scalar, on_bind);
    duckdb_scalar_function_set_init(scalar, on_init);
    duckdb_scalar_function_set_function(scalar, on_rows);
    pthread_mutex_lock(&engine->locked.mutex);
    duckdb_state state = duckdb_register_scalar_function(engine->locked.connection, scalar);
    pthread_mutex_unlock(&engine->locked.mutex);
    duckdb_destroy_scalar_function(&scalar);
    duckdb_destroy_logical_type(&text);
    duckdb_destroy_logical_type(&number);
    duckdb_destroy_logical_type(&boolean);
    if (state != DuckDBSuccess) PF_FAIL(err, PF_BUG, "register function %s", function->name);
    return PF_OK;
}

/* ---- files ---- */

struct pf_engine *pf_filter_io_engine(struct pf_filter_io *io) {
    return io->engine;
}

static enum pf_code read_range(duckdb_file_handle handle, int64_t offset, char *bytes, size_t size_bytes) {
    size_t at = 0;
    if (duckdb_file_handle_seek(handle, offset) != DuckDBSuccess) return PF_REMOTE;
    while (at < size_bytes) {
        int64_t got = duckdb_file_handle_read(handle, bytes + at, (int64_t)(size_bytes - at));
        if (got <= 0) return got == 0 ? PF_CORRUPT : PF_REMOTE;
        at += (size_t)got;
    }
    return PF_OK;
}

enum pf_code pf_filter_io_read(struct pf_filter_io *io, pf_str path, int64_t offset, size_t size_bytes,
                               struct pf_arena *arena, pf_str *out_bytes, struct pf_error *err) {
    duckdb_file_system files = duckdb_client_context_get_file_system(io->client);
    duckdb_file_open_options options = duckdb_create_file_open_options();
    duckdb_file_handle handle = NULL;
    enum pf_code code = PF_OK;
    duckdb_file_open_options_set_flag(options, DUCKDB_FILE_FLAG_READ, true);
    if (duckdb_file_system_open(files, pf_arena_cstr(arena, path), options, &handle) != DuckDBSuccess) {
        duckdb_error_data failure = duckdb_file_system_error_data(files);
        code = engine_error_from_text(duckdb_error_data_message(failure), err);
        duckdb_destroy_error_data(&failure);
    } else {
        char *bytes = pf_arena_alloc(arena, size_bytes + 1);
        code = read_range(handle, offset, bytes, size_bytes);
        if (code != PF_OK) {
            code = pf_error_set(err, code, __FILE__, __LINE__, "file '%.*s': it ends before byte %lld",
                                PF_STR_ARG(path), (long long)offset + (long long)size_bytes);
        } else {
            *out_bytes = pf_str_from(bytes, size_bytes);
        }
        duckdb_file_handle_close(handle);
        duckdb_destroy_file_handle(&handle);
    }
    duckdb_destroy_file_open_options(&options);
    duckdb_destroy_file_system(&files);
    return code;
}
