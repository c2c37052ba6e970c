/* SPDX-License-Identifier: MIT */
/* Opens and closes an exchange. */
#include "exchange/exchange_internal.h"

#include "base/file.h"

#include <stdlib.h>

void pf_exchange_default_options(struct pf_exchange_options *options) {
    *options = (struct pf_exchange_options){
        .small_object_bytes = 64 << 10,
        .small_max_bytes = 64 << 10,
        .object_max_bytes = 64 << 20,
        .memory_bytes = 64 << 20,
    };
}

static enum pf_code check_options(const struct pf_exchange_options *options, struct pf_error *err) {
    bool is_absolute = !options->directory.len || options->directory.ptr[0] == '/';
    if (!is_absolute)
        PF_FAIL(err, PF_INVALID, "exchange directory '%.*s' is not absolute", PF_STR_ARG(options->directory));
    if (!options->directory.len && !options->store.put)
        PF_FAIL(err, PF_INVALID, "an exchange needs a directory or a store");
    if (!options->directory.len && !options->scratch_directory.len)
        PF_FAIL(err, PF_INVALID, "an exchange without a directory needs a scratch directory");
    return PF_OK;
}

static pf_str without_slash(struct pf_arena *arena, pf_str path) {
    while (path.len > 1 && path.ptr[path.len - 1] == '/') path.len--;
    return pf_arena_str(arena, path);
}

enum pf_code pf_exchange_open(const struct pf_exchange_options *options, struct pf_exchange **out_exchange,
                              struct pf_error *err) {
    PF_TRY(check_options(options, err));
    struct pf_exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange) PF_FAIL(err, PF_NO_MEMORY, "open an exchange");
    struct pf_arena *arena = exchange->arena = pf_arena_new(NULL, "exchange");
    exchange->options = *options;
    exchange->options.directory = without_slash(arena, options->directory);
    pf_str scratch = options->scratch_directory.len ? options->scratch_directory : options->directory;
    exchange->copy_path = pf_arena_printf(arena, "%.*s/copy", PF_STR_ARG(without_slash(arena, scratch)));
    pthread_mutex_init(&exchange->locked.mutex, NULL);
    exchange->pool = pool_new(options->memory_bytes, options->budget);
    enum pf_code code = PF_OK;
    if (!exchange->pool) code = pf_error_set(err, PF_NO_MEMORY, __FILE__, __LINE__, "open an exchange");
    if (code == PF_OK && exchange->options.directory.len)
        code = pf_file_make_directories(exchange->options.directory.ptr, err);
    if (code == PF_OK) code = pf_file_make_directories(exchange->copy_path.ptr, err);
    if (code != PF_OK) {
        pf_exchange_close(exchange);
        return pf_error_wrap(err, code, "open the exchange");
    }
    *out_exchange = exchange;
    return PF_OK;
}

struct pf_exchange *pf_exchange_close(struct pf_exchange *exchange) {
    if (!exchange) return NULL;
    inputs_free(exchange);
    while (exchange->locked.outputs) {
        struct output *next = exchange->locked.outputs->next;
        output_free(exchange->locked.outputs);
        exchange->locked.outputs = next;
    }
    pool_free(exchange->pool);
    pthread_mutex_destroy(&exchange->locked.mutex);
    pf_arena_free(exchange->arena);
    free(exchange);
    return NULL;
}

enum pf_code pf_exchange_register(struct pf_exchange *exchange, struct pf_engine *engine, struct pf_error *err) {
    PF_TRY(register_writer(exchange, engine, err));
    return register_reader(exchange, engine, err);
}

void pf_exchange_get_stats(struct pf_exchange *exchange, struct pf_exchange_stats *out_stats) {
    *out_stats = (struct pf_exchange_stats){
        .written_bytes = atomic_load(&exchange->written_bytes),
        .read_bytes = atomic_load(&exchange->read_bytes),
        .pool_bytes = pool_kept_bytes(exchange->pool),
    };
    for (int i = 0; i < PF_MEDIUM_COUNT; i++)
        out_stats->written_objects[i] = atomic_load(&exchange->written_objects[i]);
}
