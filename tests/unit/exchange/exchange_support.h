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
    int get_count;
};

static inline enum pf_code memory_put(void *context, pf_str key, pf_str bytes, struct pf_error *err) {
    struct memory *memory = context;
    (void)err;
    pthread_mutex_lock(&memory->mutex);
    memory->items[memory->count].key = pf_arena_str(memory->arena, key);
    memory->items[memory->count++].value = pf_arena_str(memory->arena, bytes);
    pthread_mutex_unlock(&memory->mutex);
    return PF_OK;
}

static inline enum pf_code memory_get(void *context, pf_str key, uint64_t offset, uint64_t size_bytes,
                                      struct pf_arena *arena, pf_str *out_bytes, struct pf_error *err) {
    struct memory *memory = context;
    pthread_mutex_lock(&memory->mutex);
    pf_str found = PF_STR_EMPTY;
    for (size_t i = 0; i < memory->count; i++)
        if (pf_str_equal(memory->items[i].key, key)) found = memory->items[i].value;
    memory->get_count++;
    pthread_mutex_unlock(&memory->mutex);
    if (!found.ptr) PF_FAIL(err, PF_NOT_FOUND, "no key '%.*s'", PF_STR_ARG(key));
    char *copy = pf_arena_alloc(arena, size_bytes + 2);
    pf_str part = pf_str_slice(found, offset, offset + size_bytes);
    memcpy(copy + 1, part.ptr, part.len); /* not aligned, as in a reply */
    *out_bytes = pf_str_from(copy + 1, part.len);
    return PF_OK;
}

static inline struct memory *memory_new(struct pf_test *test) {
    struct memory *memory = PF_ARENA_NEW(test->arena, struct memory);
    memory->arena = test->arena;
    pthread_mutex_init(&memory->mutex, NULL);
    return memory;
}
static inline struct pf_exchange_io memory_io(struct memory *memory) {
    return (struct pf_exchange_io){.context = memory, .put = memory_put, .get = memory_get};
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
