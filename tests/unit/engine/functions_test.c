/* SPDX-License-Identifier: MIT */
#include "engine_support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a copy function that prints rows, and fails where it is told to ---- */

struct printer {
    pthread_mutex_t mutex;
    struct pf_buf text;
    pf_str fail_at; /* "bind", "open", "write", "finish" */
    char seen_options[200];
    atomic_int opened, finished, abandoned;
};

static enum pf_code fail_if(struct printer *printer, const char *where, struct pf_error *err) {
    if (pf_str_equal(printer->fail_at, pf_str_from_cstr(where)))
        PF_FAIL(err, PF_THROTTLED, "told to fail in %s", where);
    return PF_OK;
}

static enum pf_code bind_copy(void *context, const struct pf_copy_bind *bind, struct pf_arena *arena, void **out_plan,
                              struct pf_error *err) {
    struct printer *printer = context;
    struct pf_buf text;
    pf_buf_init(&text, 4096);
    for (size_t i = 0; i < bind->option_count; i++)
        pf_buf_printf(&text, "%.*s=%.*s;", PF_STR_ARG(bind->options[i].name), PF_STR_ARG(bind->options[i].value));
    pf_str *options = PF_ARENA_NEW(arena, pf_str);
    *options = pf_arena_str(arena, pf_buf_view(&text));
    pf_buf_clear(&text);
    *out_plan = options;
    return fail_if(printer, "bind", err);
}

static enum pf_code open_copy(void *context, void *plan, pf_str path, void **out_sink, struct pf_error *err) {
    struct printer *printer = context;
    CHECK_TRUE(path.len > 0);
    snprintf(printer->seen_options, sizeof printer->seen_options, "%.*s", PF_STR_ARG(*(pf_str *)plan));
    PF_TRY(fail_if(printer, "open", err));
    atomic_fetch_add(&printer->opened, 1);
    *out_sink = printer;
    return PF_OK;
}

static enum pf_code write_copy(void *sink, const struct pf_chunk *chunk, struct pf_error *err) {
    struct printer *printer = sink;
    PF_TRY(fail_if(printer, "write", err));
    pthread_mutex_lock(&printer->mutex);
    for (uint64_t i = 0; i < chunk->row_count; i++) {
        for (uint32_t k = 0; k < chunk->column_count; k++) {
            if (k) pf_buf_put_char(&printer->text, '|');
            pf_vec_print(&chunk->columns[k], i, &printer->text);
        }
        pf_buf_put_char(&printer->text, '\n');
    }
    pthread_mutex_unlock(&printer->mutex);
    return PF_OK;
}

static enum pf_code finish_copy(void *sink, struct pf_error *err) {
    struct printer *printer = sink;
    atomic_fetch_add(&printer->finished, 1);
    return fail_if(printer, "finish", err);
}

static void abandon_copy(void *sink) {
    atomic_fetch_add(&((struct printer *)sink)->abandoned, 1);
}

static void free_printer(void *what) {
    struct printer *printer = what;
    pf_buf_clear(&printer->text);
    pthread_mutex_destroy(&printer->mutex);
}

static struct printer *register_printer(struct pf_test *test, struct bench *bench) {
    struct printer *printer = PF_ARENA_NEW(test->arena, struct printer);
    pthread_mutex_init(&printer->mutex, NULL);
    pf_buf_init(&printer->text, 1 << 26);
    pf_arena_defer(test->arena, free_printer, printer);
    struct pf_copy_function function = {"printer",  printer,     bind_copy,   open_copy,
                                        write_copy, finish_copy, abandon_copy};
    CHECK_OK(pf_engine_register_copy(bench->engine, &function, &test->err));
    return printer;
}

static enum pf_code copy_to(struct pf_test *test, struct bench *bench, const char *query, const char *options) {
    pf_str sql = pf_arena_printf(test->arena, "COPY (%s) TO '%s/out' (FORMAT printer, OVERWRITE_OR_IGNORE%s)", query,
                                 pf_test_folder(), options);
    return pf_session_run(bench->session, sql, &test->err);
}

TEST(copies_rows_to_a_function_of_ours) {
    struct bench *bench = bench_open_plain(test);
    struct printer *printer = register_printer(test, bench);
    CHECK_OK(copy_to(test, bench, "SELECT 1 AS a, ['x', NULL] AS b, NULL::DATE AS c",
                     ", partitions 16, output 'o 1', flag"));
    CHECK_STR(pf_buf_view(&printer->text), "1|[x, NULL]|NULL\n");
    CHECK_CONTAINS(pf_str_from_cstr(printer->seen_options), "partitions=16;");
    CHECK_CONTAINS(pf_str_from_cstr(printer->seen_options), "output=o 1;");
    CHECK_INT(printer->finished, 1);
    CHECK_INT(printer->abandoned, 0);
    /* Vectors that joins leave behind are flat when they come. */
    pf_buf_reset(&printer->text);
    CHECK_OK(copy_to(
        test, bench,
        "SELECT {'s': b.s, 'l': [b.s]}, b.s FROM range(3) a(i) JOIN (SELECT range i, 'text number ' || range s FROM "
        "range(2)) b ON a.i % 2 = b.i ORDER BY a.i",
        ""));
    CHECK_STR(pf_buf_view(&printer->text), "{'s': text number 0, 'l': [text number 0]}|text number 0\n"
                                           "{'s': text number 1, 'l': [text number 1]}|text number 1\n"
                                           "{'s': text number 0, 'l': [text number 0]}|text number 0\n");
}

TEST(opens_a_sink_for_each_thread) {
    struct pf_engine_options options = {.threads = 2};
    struct bench *bench = bench_open(test, &options);
    struct printer *printer = register_printer(test, bench);
    CHECK_OK(
        copy_to(test, bench, "SELECT count(*) FROM range(1000000) GROUP BY range % 50000", ", PER_THREAD_OUTPUT true"));
    CHECK_TRUE(printer->opened >= 1 && printer->opened <= 3);
    CHECK_INT(printer->finished, printer->opened);
    CHECK_INT(printer->text.len, 50000 * 3);
}

TEST(keeps_the_code_of_a_failing_copy) {
    static const char *const PLACES[] = {"bind", "open", "write", "finish"};
    struct bench *bench = bench_open_plain(test);
    struct printer *printer = register_printer(test, bench);
    for (size_t i = 0; i < 4; i++) {
        printer->fail_at = pf_str_from_cstr(PLACES[i]);
        printer->opened = printer->finished = printer->abandoned = 0;
        CHECK_FAILS(copy_to(test, bench, "SELECT 1", ""), PF_THROTTLED, "told to fail in");
        CHECK_INT(printer->opened, printer->finished + printer->abandoned);
        CHECK_CONTAINS(pf_str_from_cstr(test->err.origin), "functions_test.c");
    }
    printer->fail_at = PF_STR_EMPTY;
    CHECK_OK(copy_to(test, bench, "SELECT 1", ""));
}

/* ---- a table function that counts, with nested columns ---- */

struct counter {
    const struct pf_column *columns;
    atomic_int runs, opened, closed;
    atomic_long next;
    bool fails;
};
enum { COUNTER_ROWS = 10000 };

static enum pf_code bind_scan(void *context, const pf_str *parameters, struct pf_arena *arena,
                              struct pf_scan_bind *out_bind, void **out_plan, struct pf_error *err) {
    struct counter *counter = context;
    struct pf_column *columns = PF_ARENA_ARRAY(arena, struct pf_column, 3);
    static const char *const TYPES[] = {"BIGINT", "VARCHAR", "STRUCT(\"n\" BIGINT[], \"s\" VARCHAR)"};
    if (!parameters[0].len) PF_FAIL(err, PF_NOT_FOUND, "no name");
    for (int i = 0; i < 3; i++) {
        columns[i].name = pf_arena_printf(arena, "col%d", i);
        PF_TRY(pf_type_parse(pf_str_from_cstr(TYPES[i]), arena, &columns[i].type, err));
    }
    *out_bind = (struct pf_scan_bind){columns, 3, COUNTER_ROWS, 2};
    *out_plan = counter;
    return PF_OK;
}

struct scan {
    struct counter *counter;
    uint32_t projection[3];
    size_t count;
};

static enum pf_code start_scan(void *context, void *plan, void **out_run, struct pf_error *err) {
    (void)plan, (void)err;
    struct counter *counter = context;
    counter->next = 0;
    atomic_fetch_add(&counter->runs, 1);
    *out_run = counter;
    return PF_OK;
}
static void stop_scan(void *run) {
    (void)run;
}

static enum pf_code open_scan(void *context, void *run, const uint32_t *projection, size_t count, void **out_scan,
                              struct pf_error *err) {
    (void)context, (void)err;
    struct scan *scan = calloc(1, sizeof *scan);
    CHECK_NOT_NULL(scan);
    scan->counter = run;
    scan->count = count;
    memcpy(scan->projection, projection, count * sizeof *projection);
    atomic_fetch_add(&scan->counter->opened, 1);
    *out_scan = scan;
    return PF_OK;
}

static void put_text(union pf_string *to, long number) {
    static const char TEXT[] = "a text that is longer than twelve bytes";
    memset(to, 0, sizeof *to);
    if (number % 2) {
        to->small.length = 1;
        to->small.inlined[0] = 'x';
    } else {
        to->large.length = sizeof TEXT - 1;
        memcpy(to->large.prefix, TEXT, 4);
        to->large.ptr = (char *)(uintptr_t)TEXT;
    }
}

static enum pf_code fill(struct pf_out_vec *vec, uint32_t column, long first, uint64_t rows, struct pf_error *err) {
    if (column == 0)
        for (uint64_t i = 0; i < rows; i++) ((int64_t *)vec->data)[i] = first + (long)i;
    if (column == 1)
        for (uint64_t i = 0; i < rows; i++) {
            put_text((union pf_string *)vec->data + i, first + (long)i);
            if ((first + (long)i) % 10 == 0) pf_out_vec_validity(vec)[i >> 6] &= ~((uint64_t)1 << (i & 63));
        }
    if (column == 2) { /* lists [row] and [] by turns */
        struct pf_out_vec *list = &vec->children[0], *text = &vec->children[1];
        uint64_t at = 0;
        PF_TRY(pf_out_vec_resize_list(list, rows, err));
        for (uint64_t i = 0; i < rows; i++) {
            bool has_one = (first + (long)i) % 2;
            ((struct pf_list_entry *)list->data)[i] = (struct pf_list_entry){at, has_one};
            if (has_one) ((int64_t *)list->children[0].data)[at++] = first + (long)i;
            put_text((union pf_string *)text->data + i, first + (long)i);
        }
    }
    return PF_OK;
}

static enum pf_code read_scan(void *opaque, struct pf_scan_out *out, struct pf_error *err) {
    struct scan *scan = opaque;
    if (scan->counter->fails) PF_FAIL(err, PF_CORRUPT, "told to fail");
    long first = atomic_fetch_add(&scan->counter->next, 1000);
    if (first >= COUNTER_ROWS) return PF_OK;
    out->row_count = 1000;
    for (size_t i = 0; i < scan->count; i++) PF_TRY(fill(&out->columns[i], scan->projection[i], first, 1000, err));
    return PF_OK;
}

static void close_scan(void *opaque) {
    struct scan *scan = opaque;
    atomic_fetch_add(&scan->counter->closed, 1);
    free(scan);
}

static struct counter *register_counter(struct pf_test *test, struct bench *bench) {
    struct counter *counter = PF_ARENA_NEW(test->arena, struct counter);
    struct pf_table_function function = {.name = "counter",
                                         .parameter_count = 1,
                                         .context = counter,
                                         .bind = bind_scan,
                                         .open = open_scan,
                                         .read = read_scan,
                                         .close = close_scan,
                                         .start = start_scan,
                                         .stop = stop_scan};
    CHECK_OK(pf_engine_register_scan(bench->engine, &function, &test->err));
    return counter;
}

TEST(scans_a_function_of_ours) {
    struct pf_engine_options options = {.threads = 2};
    struct bench *bench = bench_open(test, &options);
    struct counter *counter = register_counter(test, bench);
    CHECK_STR(bench_ask(test, bench, "SELECT count(*) FROM counter('x')", false), "10000");
    CHECK_STR(bench_ask(test, bench, "SELECT sum(col0) FROM counter('x')", false), "49995000");
    CHECK_STR(bench_ask(test, bench, "SELECT count(col1) || ' ' || sum(length(col1)) FROM counter('x')", false),
              "9000 161000");
    CHECK_STR(bench_ask(test, bench, "SELECT sum(col2.n[1]) || ' ' || sum(len(col2.n)) FROM counter('x')", false),
              "25000000 5000");
    CHECK_STR(bench_ask(test, bench, "SELECT col2 FROM counter('x') WHERE col0 = 4321", false),
              "{'n': [4321], 's': x}");
    CHECK_INT(counter->opened, counter->closed);
    CHECK_CONTAINS(bench_ask(test, bench, "SELECT explain_value FROM (SELECT 'x' AS explain_value)", false), "x");
}

TEST(scans_again_in_a_recursive_query) {
    struct bench *bench = bench_open_plain(test);
    struct counter *counter = register_counter(test, bench);
    CHECK_STR(
        bench_ask(
            test, bench,
            "WITH RECURSIVE r AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM r, (SELECT count(*) c FROM counter('x')) "
            "WHERE n < 3 AND c = 10000) SELECT max(n) FROM r",
            false),
        "3");
    CHECK_TRUE(counter->runs >= 1);
    CHECK_INT(counter->opened, counter->closed);
}

TEST(keeps_the_code_of_a_failing_scan) {
    struct bench *bench = bench_open_plain(test);
    struct counter *counter = register_counter(test, bench);
    CHECK_FAILS(pf_session_run(bench->session, PF_STR("FROM counter('')"), &test->err), PF_NOT_FOUND, "no name");
    counter->fails = true;
    CHECK_FAILS(pf_session_run(bench->session, PF_STR("FROM counter('x')"), &test->err), PF_CORRUPT, "told to fail");
    CHECK_INT(counter->opened, counter->closed);
}
