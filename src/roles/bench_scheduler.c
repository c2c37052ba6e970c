/* SPDX-License-Identifier: MIT */
/* Two parts. Placement: the real coordinator, queue and Redis with pretended workers, in real time. Prediction: what
 * TPC-H would take and cost on functions, in virtual time (model/). docs/scheduler.md explains both. */
#include "roles/bench_scheduler.h"

#include "base/file.h"
#include "base/json.h"
#include "model/model.h"
#include "roles/bench_data.h"
#include "roles/roles_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_SCALES = 16, MAX_JSON_BYTES = 16 << 20 };

struct scheduler_bench {
    const struct pf_config *config;
    struct pf_arena *arena;
    bool is_json;
    struct pf_buf buf;
    struct pf_json_out json;
    struct pf_fleet_model model;
    double scales[MAX_SCALES];
    int scale_count;
    bool wanted[TPCH_QUERY_COUNT + 1];
};

/* ---- placement ---- */

static void print_placement(const struct scheduler_bench *bench, const struct pf_simulation_options *options,
                            const struct pf_simulation *done) {
    printf("Placement: %d tasks on %d workers, real Redis, %s\n\n", options->tasks, options->workers,
           options->task_us ? pf_arena_cstr(bench->arena, pf_arena_printf(bench->arena, "tasks of %.1f ms",
                                                                          (double)options->task_us / 1e3))
                            : "empty tasks");
    printf("run   queued ms   all ms  tasks/s  coordinator CPU ms  at home %%  warm reads %%\n");
    for (int i = 0; i < done->run_count; i++) {
        const struct pf_simulation_run *run = &done->runs[i];
        printf("%3d  %10.1f  %7.1f  %7.0f  %18.1f  %9.1f  %12.1f\n", i + 1, run->push_ms, run->wall_ms,
               options->tasks / run->wall_ms * 1e3, run->coordinator_cpu_ms,
               run->kept_tasks ? 100.0 * run->home_tasks / run->kept_tasks : 0,
               run->reads ? 100.0 * run->warm_reads / run->reads : 0);
    }
    printf("\nclaim p50 %.2f ms, p99 %.2f ms; a task costs Redis %.2f commands in %.2f round trips, %.0f bytes and "
           "%.1f us of CPU\n",
           done->claim_p50_ms, done->claim_p99_ms, done->commands_per_task, done->round_trips_per_task,
           done->bytes_per_task, done->redis_us_per_task);
}

static void put_placement(struct pf_json_out *json, const struct pf_simulation_options *options,
                          const struct pf_simulation *done) {
    pf_json_key(json, "placement");
    pf_json_open_object(json);
    pf_json_field_i64(json, "tasks", options->tasks);
    pf_json_field_i64(json, "workers", options->workers);
    pf_json_field_f64(json, "task_ms", (double)options->task_us / 1e3);
    pf_json_field_f64(json, "claim_p50_ms", done->claim_p50_ms);
    pf_json_field_f64(json, "claim_p99_ms", done->claim_p99_ms);
    pf_json_field_f64(json, "commands_per_task", done->commands_per_task);
    pf_json_field_f64(json, "round_trips_per_task", done->round_trips_per_task);
    pf_json_field_f64(json, "bytes_per_task", done->bytes_per_task);
    pf_json_field_f64(json, "redis_us_per_task", done->redis_us_per_task);
    pf_json_key(json, "runs");
    pf_json_open_array(json);
    for (int i = 0; i < done->run_count; i++) {
        const struct pf_simulation_run *run = &done->runs[i];
        pf_json_open_object(json);
        pf_json_field_f64(json, "push_ms", run->push_ms);
        pf_json_field_f64(json, "wall_ms", run->wall_ms);
        pf_json_field_f64(json, "coordinator_cpu_ms", run->coordinator_cpu_ms);
        pf_json_field_i64(json, "kept_tasks", run->kept_tasks);
        pf_json_field_i64(json, "home_tasks", run->home_tasks);
        pf_json_field_i64(json, "reads", run->reads);
        pf_json_field_i64(json, "warm_reads", run->warm_reads);
        pf_json_field_i64(json, "second_attempts", run->second_attempts);
        pf_json_field_i64(json, "mends", run->mends);
        pf_json_close_object(json);
    }
    pf_json_close_array(json);
    pf_json_close_object(json);
}

static enum pf_code place(struct scheduler_bench *bench, struct pf_error *err) {
    const struct pf_config *config = bench->config;
    struct pf_simulation_options options = {
        .redis_url = pf_config_text(config, PF_CONFIG_REDIS_URL),
        .tasks = (int)pf_config_number(config, PF_CONFIG_TASKS),
        .workers = (int)pf_config_number(config, PF_CONFIG_PRETENDED_WORKERS),
        .runs = (int)pf_config_number(config, PF_CONFIG_RUNS),
        .task_us = pf_config_number(config, PF_CONFIG_TASK_TIME) * 1000,
        .slow_tasks = bench->model.slow_tasks,
        .seed = bench->model.seed,
    };
    if (options.tasks == 0) return PF_OK;
    char folder[] = "/tmp/puffindb-bench-XXXXXX";
    struct pf_simulation done;
    if (!mkdtemp(folder)) PF_FAIL_ERRNO(err, errno, "make a folder for Redis in /tmp");
    options.run_path = folder;
    enum pf_code code = pf_simulate(&options, bench->arena, &done, err);
    struct pf_error tolerated;
    (void)!pf_file_remove_tree(folder, &tolerated);
    PF_TRY(code);
    if (bench->is_json) {
        put_placement(&bench->json, &options, &done);
    } else {
        print_placement(bench, &options, &done);
    }
    return PF_OK;
}

/* ---- prediction ---- */

static void print_prediction(const struct pf_query_profile *query, const struct pf_prediction *one) {
    printf("%-6s %8d %9lld %9.2f %10.5f %9.1f %12.2f %12.2f\n", query->name, one->workers_used, (long long)one->tasks,
           one->seconds, one->dollars, one->start_s * 1e3, one->claim_p50_ms, one->claim_p99_ms);
}

static void put_prediction(struct pf_json_out *json, const char *name, const struct pf_prediction *one) {
    pf_json_open_object(json);
    pf_json_field_str(json, "query", pf_str_from_cstr(name));
    pf_json_field_i64(json, "workers", one->workers_used);
    pf_json_field_i64(json, "tasks", one->tasks);
    pf_json_field_i64(json, "second_attempts", one->second_attempts);
    pf_json_field_f64(json, "seconds", one->seconds);
    pf_json_field_f64(json, "dollars", one->dollars);
    pf_json_field_f64(json, "first_claim_ms", one->start_s * 1e3);
    pf_json_field_f64(json, "claim_p50_ms", one->claim_p50_ms);
    pf_json_field_f64(json, "claim_p99_ms", one->claim_p99_ms);
    pf_json_field_f64(json, "gb_s", one->usage.gb_s);
    pf_json_field_f64(json, "invocations", one->usage.invocations);
    pf_json_field_f64(json, "puts", one->usage.puts);
    pf_json_field_f64(json, "gets", one->usage.gets);
    pf_json_field_f64(json, "redis_kb", one->usage.redis_kb);
    pf_json_close_object(json);
}

static enum pf_code predict_scale(struct scheduler_bench *bench, double scale, struct pf_error *err) {
    struct pf_json_out *json = &bench->json;
    double seconds = 0, dollars = 0;
    if (bench->is_json) {
        pf_json_open_object(json);
        pf_json_field_f64(json, "scale_factor", scale);
        pf_json_key(json, "queries");
        pf_json_open_array(json);
    } else {
        printf("\nPrediction: TPC-H SF%g on up to %d %s functions of %d MB\n\n", scale, bench->model.workers,
               bench->model.is_cold ? "cold" : "warm", bench->model.memory_mb);
        printf("query   workers     tasks   seconds    dollars  1st claim ms claim p50 ms claim p99 ms\n");
    }
    for (int i = 0; i < PF_TPCH_QUERIES; i++) {
        struct pf_prediction one;
        if (!bench->wanted[i + 1]) continue;
        PF_TRY(pf_predict_best(&pf_tpch_profile[i], scale, &bench->model, &one, err));
        seconds += one.seconds;
        dollars += one.dollars;
        if (bench->is_json) {
            put_prediction(json, pf_tpch_profile[i].name, &one);
        } else {
            print_prediction(&pf_tpch_profile[i], &one);
        }
    }
    if (!bench->is_json) {
        printf("all    %27.2f %10.5f\n", seconds, dollars);
        return PF_OK;
    }
    pf_json_close_array(json);
    pf_json_field_f64(json, "seconds", seconds);
    pf_json_field_f64(json, "dollars", dollars);
    pf_json_close_object(json);
    return PF_OK;
}

static void put_prices(struct pf_json_out *json) {
    pf_json_key(json, "prices");
    pf_json_open_array(json);
    for (int i = 0; i < PF_PRICE_COUNT; i++) {
        const struct pf_price_row *row = pf_price((enum pf_price)i);
        pf_json_open_object(json);
        pf_json_field_str(json, "name", pf_str_from_cstr(row->name));
        pf_json_field_str(json, "unit", pf_str_from_cstr(row->unit));
        pf_json_field_f64(json, "dollars_per_million", row->dollars * 1e6);
        pf_json_field_str(json, "source", pf_str_from_cstr(row->source));
        pf_json_close_object(json);
    }
    pf_json_close_array(json);
}

static enum pf_code predict(struct scheduler_bench *bench, struct pf_error *err) {
    if (bench->is_json) {
        put_prices(&bench->json);
        pf_json_key(&bench->json, "predictions");
        pf_json_open_array(&bench->json);
    }
    enum pf_code code = PF_OK;
    for (int i = 0; i < bench->scale_count && code == PF_OK; i++) code = predict_scale(bench, bench->scales[i], err);
    if (bench->is_json) pf_json_close_array(&bench->json);
    return code;
}

/* ---- options ---- */

static enum pf_code read_scales(struct scheduler_bench *bench, struct pf_error *err) {
    bool is_given = pf_config_is_given(bench->config, PF_CONFIG_SF);
    pf_str list = is_given ? pf_config_text(bench->config, PF_CONFIG_SF) : PF_STR("100,1000,10000"), part;
    while (pf_str_next(&list, ',', &part)) {
        char *end;
        const char *text = pf_arena_cstr(bench->arena, pf_str_trim(part));
        double scale = strtod(text, &end);
        if (*text == 0 || *end != 0 || !isfinite(scale) || scale <= 0 || scale > 1e6) {
            PF_FAIL(err, PF_INVALID, "--sf: '%s' is no scale factor between 0 and 1000000", text);
        }
        if (bench->scale_count == MAX_SCALES) PF_FAIL(err, PF_INVALID, "--sf: at most %d scale factors", MAX_SCALES);
        bench->scales[bench->scale_count++] = scale;
    }
    return PF_OK;
}

static enum pf_code read_model(struct scheduler_bench *bench, struct pf_error *err) {
    const struct pf_config *config = bench->config;
    struct pf_fleet_model *model = &bench->model;
    pf_fleet_model_default(model);
    model->workers = (int)pf_config_number(config, PF_CONFIG_FUNCTIONS);
    model->memory_mb = (int)(pf_config_number(config, PF_CONFIG_FUNCTION_MEMORY) >> 20);
    model->is_cold = pf_config_number(config, PF_CONFIG_COLD) != 0;
    pf_str medium = pf_config_text(config, PF_CONFIG_MEDIUM);
    model->medium = pf_str_equal(medium, PF_STR("s3"))      ? PF_MEDIUM_S3_ONLY
                    : pf_str_equal(medium, PF_STR("redis")) ? PF_MEDIUM_REDIS_ONLY
                                                            : PF_MEDIUM_BY_SIZE;
    PF_TRY(read_query_list(pf_config_text(config, PF_CONFIG_QUERIES), bench->wanted, err));
    return read_scales(bench, err);
}

int run_bench_scheduler(struct pf_role_call *call) {
    struct pf_error err = {0};
    struct scheduler_bench bench = {.config = call->config, .arena = call->arena};
    bench.is_json = pf_config_number(call->config, PF_CONFIG_JSON) != 0 ||
                    pf_str_equal(pf_config_text(call->config, PF_CONFIG_BENCH_FORMAT), PF_STR("json"));
    enum pf_code code = read_model(&bench, &err);
    if (code != PF_OK) return report_misuse("bench", "%s", err.message);
    pf_buf_init(&bench.buf, MAX_JSON_BYTES);
    pf_json_begin(&bench.json, &bench.buf);
    if (bench.is_json) {
        pf_json_open_object(&bench.json);
        pf_json_field_str(&bench.json, "benchmark", PF_STR("scheduler"));
    }
    code = place(&bench, &err);
    if (code == PF_OK) code = predict(&bench, &err);
    if (bench.is_json && code == PF_OK) {
        pf_json_close_object(&bench.json);
        printf("%.*s\n", PF_STR_ARG(pf_buf_view(&bench.buf)));
    }
    pf_buf_clear(&bench.buf);
    return code == PF_OK        ? PF_EXIT_OK
           : code == PF_INVALID ? report_misuse("bench", "%s", err.message)
                                : report_failure("bench", &err);
}
