/* SPDX-License-Identifier: MIT */
/* Each query on plain DuckDB over the source files and on the stack over a lake that they were loaded into, in one
 * process and one run, so that the ratio means something. The fastest of the runs counts on both sides; results are
 * compared once. */
#include "roles/roles_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "catalog/catalog.h"
#include "roles/bench_data.h"
#include "roles/bench_rows.h"
#include "roles/bench_scheduler.h"

#include <unistd.h>

struct bench {
    const struct pf_config *config;
    struct pf_arena *arena;
    struct pf_engine *engine;
    struct pf_session *session;
    struct pf_stack *stack;
    enum pf_route route;
    pf_str data, store_url;
    bool is_json, shows_progress;
    struct pf_json_out json;
    struct pf_buf buf;
    double plain_ms, stack_ms; /* sums */
    int failed_count;
};

struct measured {
    double plain_ms, stack_ms;
    struct pf_query_stats stats;
    pf_str difference; /* empty: results are equal */
};

/* ---- preparation ---- */

/* The given lake, else one of the bench's own that stays for the next time. */
static void choose_store(struct bench *bench) {
    pf_str scale = pf_config_text(bench->config, PF_CONFIG_SF);
    const char *home = getenv("HOME");
    bench->store_url = pf_config_is_given(bench->config, PF_CONFIG_STORE_URL)
                           ? pf_config_text(bench->config, PF_CONFIG_STORE_URL)
                           : pf_arena_printf(bench->arena, "file://%s/.cache/puffindb/bench/tpch-%.*s",
                                             home ? home : "/tmp", PF_STR_ARG(scale));
}

static enum pf_code open_plain(struct bench *bench, struct pf_error *err) {
    PF_TRY(pf_engine_open(&(struct pf_engine_options){.keep_order = true}, &bench->engine, err));
    PF_TRY(pf_session_open(bench->engine, &bench->session, err));
    for (int i = 0; i < TPCH_TABLE_COUNT; i++) {
        pf_str pattern;
        PF_TRY(find_bench_table(bench->data, tpch_tables[i], bench->arena, &pattern, err));
        PF_TRY(pf_session_run(bench->session,
                              pf_arena_printf(bench->arena, "CREATE VIEW %s AS SELECT * FROM read_parquet('%.*s')",
                                              tpch_tables[i], PF_STR_ARG(pattern)),
                              err));
    }
    return PF_OK;
}

static int64_t rows_in_lake(struct bench *bench, const char *table) {
    struct pf_catalog *catalog = pf_stack_catalog(bench->stack);
    struct pf_arena *arena = pf_arena_new(NULL, "table");
    struct pf_table *loaded;
    struct pf_table_totals totals = {.row_count = -1};
    struct pf_table_id id = {PF_STR_EMPTY, pf_str_from_cstr(table)};
    if (pf_catalog_load(catalog, id, arena, &loaded, NULL) != PF_OK ||
        pf_catalog_totals(catalog, loaded, &totals, NULL) != PF_OK) {
        totals.row_count = -1;
    }
    pf_arena_free(arena);
    return totals.row_count;
}

static enum pf_code load_table(struct bench *bench, const char *table, struct pf_error *err) {
    pf_str pattern, text;
    int64_t expected = 0;
    struct pf_load_result result;
    pf_str count = pf_arena_printf(bench->arena, "SELECT count(*) FROM %s", table);
    PF_TRY(pf_session_scalar(bench->session, count, bench->arena, &text, err));
    if (pf_str_to_i64(text, &expected) && rows_in_lake(bench, table) == expected) return PF_OK;
    if (bench->shows_progress) fprintf(stderr, "loading %s\n", table);
    PF_TRY(find_bench_table(bench->data, table, bench->arena, &pattern, err));
    struct pf_load_options options = {
        .table = pf_str_from_cstr(table), .paths = &pattern, .path_count = 1, .replace = true};
    return pf_load(bench->stack, &options, &result, err);
}

static enum pf_code prepare(struct bench *bench, struct pf_error *err) {
    struct pf_stack_options options;
    PF_TRY(find_bench_data(bench->config, bench->arena, &bench->data, err));
    choose_store(bench);
    PF_TRY(open_plain(bench, err));
    stack_options_from(bench->config, &options);
    options.store_url = bench->store_url;
    PF_TRY(pf_stack_open(&options, &bench->stack, err));
    for (int i = 0; i < TPCH_TABLE_COUNT; i++) PF_TRY(load_table(bench, tpch_tables[i], err));
    return PF_OK;
}

/* ---- measuring ---- */

/* `rows` may be NULL. */
static enum pf_code run_plain(struct bench *bench, pf_str sql, struct bench_rows *rows, double *out_ms,
                              struct pf_error *err) {
    struct pf_rows *result;
    const struct pf_chunk *chunk = NULL;
    int64_t before_ns = pf_clock_mono_ns();
    PF_TRY(pf_session_query(bench->session, sql, &result, err));
    enum pf_code code;
    while ((code = pf_rows_next(result, &chunk, err)) == PF_OK && chunk) {
        if (rows) bench_rows_add(rows, chunk);
    }
    pf_rows_close(result);
    *out_ms = (double)(pf_clock_mono_ns() - before_ns) / 1e6;
    return code;
}

static enum pf_code run_stack(struct bench *bench, pf_str sql, struct bench_rows *rows, struct measured *measured,
                              double *out_ms, struct pf_error *err) {
    struct pf_query *query;
    const struct pf_chunk *chunk = NULL;
    struct pf_query_options options = {
        .sql = sql, .route = bench->route, .timeout_ms = pf_config_number(bench->config, PF_CONFIG_TIMEOUT)};
    int64_t before_ns = pf_clock_mono_ns();
    PF_TRY(pf_query_start(bench->stack, &options, &query, err));
    enum pf_code code;
    while ((code = pf_query_next_chunk(query, &chunk, err)) == PF_OK && chunk) {
        if (rows) bench_rows_add(rows, chunk);
    }
    *out_ms = (double)(pf_clock_mono_ns() - before_ns) / 1e6;
    pf_query_get_stats(query, &measured->stats);
    measured->stats.reason = PF_STR_EMPTY; /* it ends with the query */
    pf_query_free(query);
    return code;
}

/* The first run of each side gives the rows and warms what can be warm; it counts only if it is the only one. */
static enum pf_code measure(struct bench *bench, pf_str sql, struct measured *measured, struct pf_arena *arena,
                            struct pf_error *err) {
    int64_t runs = pf_config_number(bench->config, PF_CONFIG_RUNS);
    struct bench_rows expected = {.arena = arena}, actual = {.arena = arena};
    double ms;
    PF_TRY(run_plain(bench, sql, &expected, &measured->plain_ms, err));
    enum pf_code code = run_stack(bench, sql, &actual, measured, &measured->stack_ms, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "on the stack");
    if (!bench_rows_are_equal(&expected, &actual, bench->arena, &measured->difference)) return PF_OK;
    for (int64_t run = 1; run < runs; run++) {
        PF_TRY(run_plain(bench, sql, NULL, &ms, err));
        if (ms < measured->plain_ms) measured->plain_ms = ms;
        PF_TRY(run_stack(bench, sql, NULL, measured, &ms, err));
        if (ms < measured->stack_ms) measured->stack_ms = ms;
    }
    return PF_OK;
}

/* ---- output ---- */

static void print_header(const struct bench *bench) {
    if (bench->is_json) return;
    printf("TPC-H at scale factor %.*s, plain DuckDB %s and route %s, fastest of %lld runs\n\n",
           PF_STR_ARG(pf_config_text(bench->config, PF_CONFIG_SF)), pf_engine_version(), pf_route_name(bench->route),
           (long long)pf_config_number(bench->config, PF_CONFIG_RUNS));
    printf("query  route     stages  tasks  exchanged      plain       here  ratio  result\n");
}

static void print_line(const struct bench *bench, int number, const struct measured *measured,
                       const struct pf_error *err, struct pf_arena *arena) {
    if (err->code != PF_OK) {
        printf("q%02d    failed: %s\n", number, err->message);
        return;
    }
    printf("q%02d    %-9s %6d %6d %10s %10s %10s %6.2f  %s\n", number, pf_route_name(measured->stats.route),
           measured->stats.stage_count, measured->stats.task_count,
           pf_arena_cstr(arena, bytes_text(arena, measured->stats.exchanged_bytes)),
           pf_arena_cstr(arena, time_text(arena, measured->plain_ms)),
           pf_arena_cstr(arena, time_text(arena, measured->stack_ms)), measured->stack_ms / measured->plain_ms,
           measured->difference.len ? pf_arena_cstr(arena, measured->difference) : "equal");
    fflush(stdout);
    (void)bench;
}

static void put_result(struct bench *bench, int number, const struct measured *measured, const struct pf_error *err) {
    struct pf_json_out *json = &bench->json;
    pf_json_open_object(json);
    pf_json_field_str(json, "query", pf_arena_printf(bench->arena, "q%02d", number));
    if (err->code != PF_OK) {
        pf_json_field_str(json, "error", pf_arena_str(bench->arena, pf_str_from_cstr(err->message)));
    } else {
        pf_json_field_str(json, "route", pf_str_from_cstr(pf_route_name(measured->stats.route)));
        pf_json_field_i64(json, "stages", measured->stats.stage_count);
        pf_json_field_i64(json, "tasks", measured->stats.task_count);
        pf_json_field_i64(json, "exchanged_bytes", measured->stats.exchanged_bytes);
        pf_json_field_f64(json, "plain_ms", measured->plain_ms);
        pf_json_field_f64(json, "ms", measured->stack_ms);
        pf_json_field_f64(json, "ratio", measured->stack_ms / measured->plain_ms);
        pf_json_field_bool(json, "is_equal", measured->difference.len == 0);
    }
    pf_json_close_object(json);
}

static void run_one(struct bench *bench, int number) {
    struct pf_arena *arena = pf_arena_new(NULL, "bench query");
    struct pf_error err = {0};
    struct measured measured = {0};
    pf_str sql;
    enum pf_code code = read_bench_query(bench->config, number, arena, &sql, &err);
    if (code == PF_OK) code = measure(bench, sql, &measured, arena, &err);
    err.code = code; /* a failure that was tolerated on the way may have left its own */
    if (code == PF_OK && measured.difference.len == 0) {
        bench->plain_ms += measured.plain_ms;
        bench->stack_ms += measured.stack_ms;
    } else {
        bench->failed_count++;
    }
    if (bench->is_json) {
        put_result(bench, number, &measured, &err);
    } else {
        print_line(bench, number, &measured, &err, arena);
    }
    pf_arena_free(arena);
}

static void print_sum(struct bench *bench) {
    double ratio = bench->plain_ms > 0 ? bench->stack_ms / bench->plain_ms : 0;
    if (!bench->is_json) {
        printf("\nsum    %35s %10s %10s %6.2f  %s\n", "",
               pf_arena_cstr(bench->arena, time_text(bench->arena, bench->plain_ms)),
               pf_arena_cstr(bench->arena, time_text(bench->arena, bench->stack_ms)), ratio,
               bench->failed_count ? "not all are equal" : "all equal");
        return;
    }
    pf_json_close_array(&bench->json);
    pf_json_field_f64(&bench->json, "plain_ms", bench->plain_ms);
    pf_json_field_f64(&bench->json, "ms", bench->stack_ms);
    pf_json_field_f64(&bench->json, "ratio", ratio);
    pf_json_close_object(&bench->json);
    printf("%.*s\n", PF_STR_ARG(pf_buf_view(&bench->buf)));
}

static void run_all(struct bench *bench, const bool wanted[TPCH_QUERY_COUNT + 1]) {
    pf_buf_init(&bench->buf, 1 << 20);
    pf_json_begin(&bench->json, &bench->buf);
    pf_json_open_object(&bench->json);
    pf_json_field_str(&bench->json, "benchmark", PF_STR("tpch"));
    pf_json_field_str(&bench->json, "scale_factor", pf_config_text(bench->config, PF_CONFIG_SF));
    pf_json_key(&bench->json, "queries");
    pf_json_open_array(&bench->json);
    print_header(bench);
    for (int number = 1; number <= TPCH_QUERY_COUNT && !was_interrupted(); number++) {
        if (wanted[number]) run_one(bench, number);
    }
    print_sum(bench);
    pf_buf_clear(&bench->buf);
}

static int run_bench(struct pf_role_call *call) {
    const struct pf_config *config = call->config;
    struct pf_error err = {0};
    bool wanted[TPCH_QUERY_COUNT + 1];
    bool is_tpch = config->argument_count == 1 && pf_str_equal(pf_str_from_cstr(config->arguments[0]), PF_STR("tpch"));
    bool is_scheduler =
        config->argument_count == 1 && pf_str_equal(pf_str_from_cstr(config->arguments[0]), PF_STR("scheduler"));
    if (is_scheduler) return run_bench_scheduler(call);
    if (!is_tpch) return report_misuse("bench", "expected the name of a benchmark: tpch or scheduler");
    if (read_query_list(pf_config_text(config, PF_CONFIG_QUERIES), wanted, &err) != PF_OK) {
        return report_misuse("bench", "%s", err.message);
    }
    struct bench bench = {.config = config,
                          .arena = call->arena,
                          .route = PF_ROUTE_FLEET,
                          .is_json = pf_config_number(config, PF_CONFIG_JSON) != 0 ||
                                     pf_str_equal(pf_config_text(config, PF_CONFIG_BENCH_FORMAT), PF_STR("json")),
                          .shows_progress = wants_progress(config)};
    if (pf_config_is_given(config, PF_CONFIG_ROUTE) &&
        !pf_route_from(pf_config_text(config, PF_CONFIG_ROUTE), &bench.route)) {
        return report_misuse("bench", "unknown route");
    }
    catch_interrupts();
    enum pf_code code = prepare(&bench, &err);
    int status = PF_EXIT_OK;
    if (code == PF_OK) {
        run_all(&bench, wanted);
        if (bench.failed_count) status = PF_EXIT_FAILED;
    } else {
        status = code == PF_INVALID ? report_misuse("bench", "%s", err.message) : report_failure("bench", &err);
    }
    pf_session_close(bench.session);
    pf_engine_close(bench.engine);
    pf_stack_close(bench.stack);
    return status;
}

const struct pf_role pf_role_bench = {
    "bench",
    PF_FOR_BENCH,
    "plain DuckDB and this, side by side",
    "bench tpch|scheduler [OPTIONS]",
    "tpch runs the 22 queries of TPC-H on plain DuckDB over Parquet files and on the stack over a lake that they were "
    "loaded\n"
    "into, checks that the results are equal, and prints both times. Route fleet unless --route says otherwise; "
    "without\n"
    "--store-url the lake is kept in ~/.cache/puffindb/bench. Exit status 1 if a query failed or results differ.\n\n"
    "scheduler has two parts. Placement: the coordinator, the queue and Redis as they are, with workers that do all "
    "but\n"
    "the work; how long it takes to place tasks, what a task costs Redis, how many find the worker that has their "
    "files.\n"
    "Prediction: what TPC-H would take and cost on functions at --sf (here a list; default 100,1000,10000), simulated "
    "in\n"
    "virtual time from what the queries need at SF10. docs/scheduler.md describes the model and its sources.",
    "  puffindb bench tpch --sf 1\n"
    "  puffindb bench tpch --sf 10 --queries 1,6,9-12 --runs 5 --workers 8\n"
    "  puffindb bench tpch --data /data/tpch --route auto --json\n"
    "  puffindb bench scheduler --tasks 100000 --pretended-workers 5000 --runs 1\n"
    "  puffindb bench scheduler --tasks 0 --sf 1000 --cold --function-memory 10240MiB --format json\n",
    run_bench,
};
