/* SPDX-License-Identifier: MIT */
/* An exchange with an engine, and media in memory, for one test. */
#ifndef PF_TESTS_UNIT_EXCHANGE_EXCHANGE_SUPPORT_H
#define PF_TESTS_UNIT_EXCHANGE_EXCHANGE_SUPPORT_H

#include "base/buf.h"
#include "exchange/exchange.h"
#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Keys and values; stands for Redis or for the store. */
struct memory {
    pthread_mutex_t mutex;
    struct pf_arena *arena;
    struct {
        pf_str key, value;
    } items[1000];
    size_t count;
    int get_count, batch_count;
    bool is_full, is_backwards; /* puts are refused; reads are answered last to first */
};

static inline enum pf_code memory_put(void *context, pf_str key, const pf_str *pieces, size_t count,
                                      struct pf_error *err) {
    struct memory *memory = context;
    if (memory->is_full) PF_FAIL(err, PF_NO_MEMORY, "put '%.*s': full", PF_STR_ARG(key));
    struct pf_buf all;
    pf_buf_init(&all, 1 << 30);
    for (size_t i = 0; i < count; i++) pf_buf_put_str(&all, pieces[i]);
    pthread_mutex_lock(&memory->mutex);
    memory->items[memory->count].key = pf_arena_str(memory->arena, key);
    memory->items[memory->count++].value = pf_arena_str(memory->arena, pf_buf_view(&all));
    pthread_mutex_unlock(&memory->mutex);
    pf_buf_clear(&all);
    return PF_OK;
}

static inline enum pf_code memory_get(void *context, const struct pf_exchange_read *reads, size_t count,
                                      const struct pf_exchange_watch *watch, struct pf_error *err) {
    struct memory *memory = context;
    for (size_t r = 0; r < count; r++) {
        const struct pf_exchange_read *read = &reads[memory->is_backwards ? count - 1 - r : r];
        pthread_mutex_lock(&memory->mutex);
        pf_str found = PF_STR_EMPTY;
        for (size_t i = 0; i < memory->count; i++)
            if (pf_str_equal(memory->items[i].key, read->key)) found = memory->items[i].value;
        memory->get_count++;
        pthread_mutex_unlock(&memory->mutex);
        if (!found.ptr) PF_FAIL(err, PF_NOT_FOUND, "no key '%.*s'", PF_STR_ARG(read->key));
        pf_str part = pf_str_slice(found, read->offset, read->offset + read->size_bytes);
        if (part.len != read->size_bytes) PF_FAIL(err, PF_CORRUPT, "'%.*s' is too short", PF_STR_ARG(read->key));
        if (watch->is_cancelled && watch->is_cancelled(watch->context)) PF_FAIL(err, PF_CANCELLED, "cancelled");
        memcpy(read->to, part.ptr, part.len);
        if (watch->on_read) watch->on_read(watch->context, (size_t)(read - reads));
    }
    memory->batch_count++;
    return PF_OK;
}

static inline void memory_remove(void *context, const pf_str *keys, size_t count) {
    struct memory *memory = context;
    pthread_mutex_lock(&memory->mutex);
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < memory->count; i++)
            if (pf_str_equal(memory->items[i].key, keys[k])) memory->items[i--] = memory->items[--memory->count];
    pthread_mutex_unlock(&memory->mutex);
}

static inline struct memory *memory_new(struct pf_test *test) {
    struct memory *memory = PF_ARENA_NEW(test->arena, struct memory);
    memory->arena = test->arena;
    pthread_mutex_init(&memory->mutex, NULL);
    return memory;
}
static inline struct pf_exchange_io memory_io(struct memory *memory) {
    return (struct pf_exchange_io){.context = memory, .put = memory_put, .get = memory_get, .remove = memory_remove};
}

struct bench {
    struct pf_exchange *exchange;
    struct pf_engine *engine;
    struct pf_session *session;
};

static inline void bench_close(void *what) {
    struct bench *bench = what;
    pf_session_close(bench->session);
    pf_engine_close(bench->engine);
    pf_exchange_close(bench->exchange);
}

static inline struct bench *bench_open(struct pf_test *test, const struct pf_exchange_options *options, int threads) {
    struct bench *bench = PF_ARENA_NEW(test->arena, struct bench);
    struct pf_engine_options engine = {.threads = threads};
    CHECK_OK(pf_exchange_open(options, &bench->exchange, &test->err));
    CHECK_OK(pf_engine_open(&engine, &bench->engine, &test->err));
    CHECK_OK(pf_exchange_register(bench->exchange, bench->engine, &test->err));
    CHECK_OK(pf_session_open(bench->engine, &bench->session, &test->err));
    pf_arena_defer(test->arena, bench_close, bench);
    return bench;
}

/* Files in a folder of the test. */
static inline struct bench *bench_open_files(struct pf_test *test, int threads) {
    struct pf_exchange_options options;
    pf_exchange_default_options(&options);
    options.directory = pf_str_from_cstr(pf_test_folder());
    return bench_open(test, &options, threads);
}

static inline enum pf_code try_write(struct pf_test *test, struct bench *bench, const char *query, int partitions,
                                     struct pf_exchange_output *out_output) {
    pf_str path;
    PF_TRY(pf_exchange_begin_output(bench->exchange, PF_STR("out"), PF_STR("q/1/0.0"), test->arena, &path, &test->err));
    pf_str sql = pf_arena_printf(
        test->arena, "COPY (%s) TO '%.*s' (FORMAT exchange, OUTPUT 'out', PARTITIONS %d, PER_THREAD_OUTPUT true)",
        query, PF_STR_ARG(path), partitions);
    enum pf_code code = pf_session_run(bench->session, sql, &test->err);
    if (code == PF_OK)
        return pf_exchange_take_output(bench->exchange, PF_STR("out"), test->arena, out_output, &test->err);
    pf_exchange_drop_output(bench->exchange, PF_STR("out"));
    return code;
}

static inline struct pf_exchange_output bench_write(struct pf_test *test, struct bench *bench, const char *query,
                                                    int partitions) {
    struct pf_exchange_output output = {0}, again = {0};
    pf_str json = PF_STR_EMPTY;
    CHECK_OK(try_write(test, bench, query, partitions, &output));
    /* As it travels. */
    CHECK_OK(pf_exchange_output_encode(&output, test->arena, &json, &test->err));
    CHECK_OK(pf_exchange_output_decode(json, test->arena, &again, &test->err));
    CHECK_INT(again.rows, output.rows);
    CHECK_INT(again.size_bytes, output.size_bytes);
    return again;
}

static inline void bench_bind(struct pf_test *test, struct bench *bench, const struct pf_exchange_output *output,
                              int first, int count) {
    struct pf_exchange_input input = {
        .name = PF_STR("in"), .outputs = output, .output_count = 1, .first_partition = first, .partition_count = count};
    CHECK_OK(pf_exchange_bind_input(bench->exchange, &input, &test->err));
}

static inline pf_str bench_ask(struct pf_test *test, struct bench *bench, const char *sql) {
    pf_str text;
    CHECK_OK(pf_session_scalar(bench->session, pf_str_from_cstr(sql), test->arena, &text, &test->err));
    return text;
}

#endif
