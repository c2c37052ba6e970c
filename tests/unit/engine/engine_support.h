/* SPDX-License-Identifier: MIT */
/* An engine and a session for one test. */
#ifndef PF_TESTS_UNIT_ENGINE_ENGINE_SUPPORT_H
#define PF_TESTS_UNIT_ENGINE_ENGINE_SUPPORT_H

#include "base/buf.h"
#include "engine/engine.h"
#include "support/test.h"

struct bench {
    struct pf_engine *engine;
    struct pf_session *session;
};

static inline void bench_close(void *what) {
    struct bench *bench = what;
    pf_session_close(bench->session);
    pf_engine_close(bench->engine);
}

/* Closed with the test's arena. */
static inline struct bench *bench_open(struct pf_test *test, const struct pf_engine_options *options) {
    struct bench *bench = PF_ARENA_NEW(test->arena, struct bench);
    CHECK_OK(pf_engine_open(options, &bench->engine, &test->err));
    CHECK_OK(pf_session_open(bench->engine, &bench->session, &test->err));
    pf_arena_defer(test->arena, bench_close, bench);
    return bench;
}

static inline struct bench *bench_open_plain(struct pf_test *test) {
    struct pf_engine_options options = {.threads = 2, .keep_order = true};
    return bench_open(test, &options);
}

/* The first column of all rows, joined with line ends. */
static inline pf_str bench_ask(struct pf_test *test, struct bench *bench, const char *sql, bool as_json) {
    struct pf_rows *rows;
    const struct pf_chunk *chunk;
    struct pf_buf text;
    pf_buf_init(&text, 1 << 28);
    CHECK_OK(pf_session_query(bench->session, pf_str_from_cstr(sql), &rows, &test->err));
    for (;;) {
        CHECK_OK(pf_rows_next(rows, &chunk, &test->err));
        if (!chunk) break;
        for (uint64_t i = 0; i < chunk->row_count; i++) {
            if (text.len) pf_buf_put_char(&text, '\n');
            if (as_json)
                pf_vec_print_json(&chunk->columns[0], i, &text);
            else
                pf_vec_print(&chunk->columns[0], i, &text);
        }
    }
    pf_rows_close(rows);
    pf_str copy = pf_arena_str(test->arena, pf_buf_view(&text));
    pf_buf_clear(&text);
    return copy;
}

#endif
