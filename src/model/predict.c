/* SPDX-License-Identifier: MIT */
/* A query on functions, as discrete events in virtual time.
 *
 * Workers are in a heap by the time at which they are free. The earliest takes the next task: a claim waits for a round
 * trip and for its turn at Redis, which does one thing at a time; then the task reads, works and writes; then it
 * publishes. A stage ends with its last task, since stages meet at a barrier; then the coordinator plans the next one.
 * All times are seconds. */
#include "model/model.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_TASKS = 200000, TREE_WIDTH = 32, PARALLEL_GETS = 16, ENVIRONMENTS_PER_BURST = 1000 };
static const double MB_PER_VCPU = 1769, MAX_VCPUS = 6;
static const double BURST_MB = 300, BURST_MB_S = 1230, STEADY_MB_S = 77; /* network of one function */
static const double BURST_PERIOD_S = 10;        /* in which a function may grow by ENVIRONMENTS_PER_BURST */
static const double GET_MB = 8;                 /* one ranged read of a scan */
static const double REPARTITION_ABOVE_MB = 256; /* of an output that a plan for little data broadcasts */
static const double CALL_S = 0.004;             /* between two invocations by one caller */
static const double PLAN_S = 0.003, STAGE_S = 0.002, PUBLISH_KB = 1, CLAIM_KB = 1.5;
static const double LATE_FACTOR = 2, LATE_SHARE = 0.75; /* a second attempt: so much later than the middle task, once
                                                           that share of the stage is done */
static const double IDLE_S = 1;                         /* a worker without work waits that long before it goes */

void pf_fleet_model_default(struct pf_fleet_model *model) {
    *model = (struct pf_fleet_model){
        .workers = 4096,
        .memory_mb = 3538,
        .function_copies = 10,
        .cpu_factor = 1.0,
        .task_s = 1.0,
        .redis_us = 60,
        .redis_gb_s = 5,
        .slow_tasks = 0.003,
        .slow_factor = 4,
        .speculates = true,
        .seed = 1,
    };
}

struct world {
    const struct pf_fleet_model *model;
    struct pf_random random;
    double *free_s, *started_s, *busy_until_s; /* by worker */
    int *heap;                                 /* workers by free_s */
    double redis_free_s;
    double *claims_ms;
    size_t claim_count;
    struct pf_prediction out;
};

/* ---- the heap ---- */

static void sink(struct world *world, int at, int count) {
    int *heap = world->heap;
    for (;;) {
        int least = at, left = 2 * at + 1, right = left + 1;
        if (left < count && world->free_s[heap[left]] < world->free_s[heap[least]]) least = left;
        if (right < count && world->free_s[heap[right]] < world->free_s[heap[least]]) least = right;
        if (least == at) return;
        int swapped = heap[at];
        heap[at] = heap[least];
        heap[least] = swapped;
        at = least;
    }
}

static void make_heap(struct world *world) {
    int count = world->model->workers;
    for (int at = count / 2; at-- > 0;) sink(world, at, count);
}

/* ---- how workers come to life ---- */

static double sample_s(struct world *world, enum pf_latency latency) {
    return pf_latency_sample(latency, &world->random) / 1e3;
}

/* A tree: worker i is invoked by worker (i - 1) / TREE_WIDTH, one call after the other. A cold fleet grows by so many
 * environments a period and function, whoever asks. */
static void start_workers(struct world *world) {
    const struct pf_fleet_model *model = world->model;
    int per_period = ENVIRONMENTS_PER_BURST * model->function_copies;
    for (int i = 0; i < model->workers; i++) {
        double asked_s = PLAN_S, place = i < TREE_WIDTH ? i : (i - TREE_WIDTH) % TREE_WIDTH;
        if (i >= TREE_WIDTH) asked_s = world->started_s[(i - TREE_WIDTH) / TREE_WIDTH];
        double there_s = asked_s + (place + 1) * CALL_S + sample_s(world, PF_LATENCY_INVOKE);
        if (model->is_cold) there_s = fmax(there_s, PLAN_S + BURST_PERIOD_S * (i / per_period));
        there_s += sample_s(world, model->is_cold ? PF_LATENCY_COLD_START : PF_LATENCY_WARM_START);
        world->started_s[i] = world->free_s[i] = world->busy_until_s[i] = there_s;
        world->heap[i] = i;
    }
    make_heap(world);
}

/* ---- one task ---- */

struct stage_work {
    double cpu_s, scan_mb, read_mb, write_mb; /* of one task */
    double producers;                         /* whose slices it reads */
    double slice_kb;                          /* one of them */
    double consumer_slice_kb;                 /* of what it writes, for one consumer */
    double output_mb;                         /* of all tasks */
    int tasks;
};

static bool is_in_redis(const struct pf_fleet_model *model, double slice_kb) {
    if (model->medium != PF_MEDIUM_BY_SIZE) return model->medium == PF_MEDIUM_REDIS_ONLY;
    return slice_kb * 1000 < (double)pf_price_worth_bytes(PF_PRICE_S3_GET);
}

static double transfer_s(double mb) {
    return mb <= BURST_MB ? mb / BURST_MB_S : BURST_MB / BURST_MB_S + (mb - BURST_MB) / STEADY_MB_S;
}

/* Reads of a scan overlap with the work on what is there; the first bytes are waited for. */
static double scan_s(struct world *world, const struct stage_work *work) {
    if (work->scan_mb <= 0 || pf_random_unit(&world->random) < world->model->warm_reads) return 0;
    world->out.usage.gets += 1 + ceil(work->scan_mb / GET_MB); /* and the footer */
    return 2 * sample_s(world, PF_LATENCY_S3_GET) + transfer_s(work->scan_mb);
}

static double fetch_s(struct world *world, const struct stage_work *work) {
    if (work->producers <= 0) return 0;
    if (is_in_redis(world->model, work->slice_kb)) {
        world->out.usage.redis_kb += fmax(work->read_mb * 1e3, work->producers);
        return sample_s(world, PF_LATENCY_REDIS) + transfer_s(work->read_mb);
    }
    world->out.usage.gets += work->producers;
    double rounds = ceil(work->producers / PARALLEL_GETS), first_s = sample_s(world, PF_LATENCY_S3_GET);
    return first_s + (rounds - 1) * pf_latency_quantile(PF_LATENCY_S3_GET, 0.5) / 1e3 + transfer_s(work->read_mb);
}

static double store_s(struct world *world, const struct stage_work *work) {
    if (work->write_mb <= 0) return 0;
    if (is_in_redis(world->model, work->consumer_slice_kb)) {
        world->out.usage.redis_kb += work->write_mb * 1e3;
        return sample_s(world, PF_LATENCY_REDIS) + transfer_s(work->write_mb);
    }
    world->out.usage.puts += 1;
    return sample_s(world, PF_LATENCY_S3_PUT) + transfer_s(work->write_mb);
}

static double vcpus_of(const struct pf_fleet_model *model) {
    double vcpus = model->memory_mb / MB_PER_VCPU;
    return fmin(vcpus, MAX_VCPUS);
}

static double task_s(struct world *world, const struct stage_work *work) {
    const struct pf_fleet_model *model = world->model;
    double cpu_s = work->cpu_s / (vcpus_of(model) * model->cpu_factor);
    double took_s = fmax(scan_s(world, work), 0) + fetch_s(world, work);
    /* DuckDB works on what has come while the rest comes. */
    took_s = fmax(took_s, pf_latency_quantile(PF_LATENCY_REDIS, 0.5) / 1e3 + cpu_s) + fmin(took_s, cpu_s) * 0.15;
    took_s += store_s(world, work);
    if (pf_random_unit(&world->random) < model->slow_tasks) took_s *= model->slow_factor;
    return took_s;
}

/* ---- a stage ---- */

/* When the claim is answered; Redis serves one after the other. */
static double claim_at(struct world *world, double from_s) {
    double asked_s = from_s + sample_s(world, PF_LATENCY_REDIS) / 2;
    double served_s = fmax(asked_s, world->redis_free_s) + world->model->redis_us / 1e6;
    world->redis_free_s = served_s;
    world->out.usage.redis_kb += CLAIM_KB + PUBLISH_KB;
    return served_s + sample_s(world, PF_LATENCY_REDIS) / 2;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Late tasks run once more, elsewhere; whoever is first counts. Returns when the stage is over. */
static double end_of(struct world *world, double *ends_s, double *took_s, const struct stage_work *work) {
    double *sorted = malloc((size_t)work->tasks * 2 * sizeof *sorted), last_s = 0;
    double *by_end = sorted + work->tasks;
    for (int i = 0; i < work->tasks; i++) {
        sorted[i] = took_s[i];
        by_end[i] = ends_s[i];
    }
    qsort(sorted, (size_t)work->tasks, sizeof *sorted, by_value);
    qsort(by_end, (size_t)work->tasks, sizeof *by_end, by_value);
    double middle_s = sorted[work->tasks / 2], mostly_done_s = by_end[(int)(LATE_SHARE * work->tasks)];
    for (int i = 0; i < work->tasks; i++) {
        double late_s = fmax(ends_s[i] - took_s[i] + LATE_FACTOR * middle_s, mostly_done_s);
        if (world->model->speculates && work->tasks > 1 && late_s < ends_s[i]) {
            double again_s = task_s(world, work);
            world->out.second_attempts++;
            world->out.work_s += again_s;
            ends_s[i] = fmin(ends_s[i], late_s + again_s);
        }
        last_s = fmax(last_s, ends_s[i]);
    }
    free(sorted);
    return last_s;
}

static double run_stage(struct world *world, const struct stage_work *work, double from_s) {
    int workers = world->model->workers;
    double *ends_s = malloc((size_t)work->tasks * 2 * sizeof *ends_s), *took_s = ends_s + work->tasks;
    for (int i = 0; i < workers; i++) world->free_s[i] = fmax(world->free_s[i], from_s);
    make_heap(world);
    for (int i = 0; i < work->tasks; i++) {
        int worker = world->heap[0];
        double asked_s = world->free_s[worker], claimed_s = claim_at(world, asked_s);
        world->claims_ms[world->claim_count++] = (claimed_s - asked_s) * 1e3;
        took_s[i] = task_s(world, work);
        world->out.work_s += took_s[i];
        ends_s[i] = claimed_s + took_s[i];
        world->free_s[worker] = world->busy_until_s[worker] = ends_s[i];
        if (i == 0 && world->out.start_s == 0) world->out.start_s = claimed_s;
        sink(world, 0, workers);
    }
    double end_s = end_of(world, ends_s, took_s, work);
    free(ends_s);
    world->out.tasks += work->tasks;
    return end_s + sample_s(world, PF_LATENCY_REDIS);
}

/* ---- a query ---- */

/* As many as the processor time is worth, but none that reads more than a burst of the network. */
static int count_tasks(const struct pf_fleet_model *model, const struct pf_stage_profile *stage, double cpu_s,
                       double read_mb) {
    double by_cpu = cpu_s / (model->task_s * vcpus_of(model) * model->cpu_factor), by_bytes = read_mb / BURST_MB;
    double wanted = ceil(fmax(by_cpu, by_bytes));
    if (stage->is_single || wanted < 1) return 1;
    return wanted > MAX_TASKS ? MAX_TASKS : (int)wanted;
}

/* What a stage leaves for the next one, which is taken to read all of it. */
struct flow {
    double mb;
    int producers;
    bool is_whole; /* each task reads all of it, not a part */
};

static struct stage_work make_work(const struct pf_fleet_model *model, const struct pf_query_profile *query,
                                   const struct pf_stage_profile *stage, double scale, struct flow *flow) {
    double factor = scale / pf_tpch_profile_scale, scan_mb = stage->scanned_mb * factor;
    double cpu_s = query->cpu_s * pow(factor, query->cpu_growth) * stage->cpu_share;
    struct stage_work work = {.output_mb = stage->output_mb * pow(factor, stage->output_growth)};
    work.tasks = count_tasks(model, stage, cpu_s, scan_mb + (flow->is_whole ? 0 : flow->mb));
    work.cpu_s = cpu_s / work.tasks;
    work.scan_mb = scan_mb / work.tasks;
    work.producers = flow->producers;
    work.read_mb = flow->is_whole ? flow->mb : flow->mb / work.tasks;
    work.slice_kb = flow->producers ? work.read_mb * 1e3 / flow->producers : 0;
    work.write_mb = work.output_mb / work.tasks;
    bool is_whole = stage->out == PF_SPREAD_BROADCAST_OUT && work.output_mb < REPARTITION_ABOVE_MB;
    bool is_one_slice = stage->out == PF_SPREAD_GATHER_OUT || is_whole;
    work.consumer_slice_kb = work.write_mb * 1e3 / (is_one_slice ? 1 : work.tasks);
    *flow = (struct flow){work.output_mb, work.tasks, is_whole};
    return work;
}

static size_t count_all_tasks(const struct pf_query_profile *query, double scale, const struct pf_fleet_model *model) {
    struct flow flow = {0};
    size_t count = 0;
    for (size_t i = 0; i < query->stage_count; i++) {
        count += (size_t)make_work(model, query, &query->stages[i], scale, &flow).tasks;
    }
    return count;
}

static double run_stages(struct world *world, const struct pf_query_profile *query, double scale) {
    const struct pf_fleet_model *model = world->model;
    struct flow flow = {0};
    double from_s = PLAN_S;
    for (size_t i = 0; i < query->stage_count; i++) {
        struct stage_work work = make_work(model, query, &query->stages[i], scale, &flow);
        from_s = run_stage(world, &work, from_s) + STAGE_S;
        from_s = fmax(from_s, world->redis_free_s);
        if (is_in_redis(model, work.consumer_slice_kb)) from_s += work.output_mb / 1e3 / model->redis_gb_s;
    }
    return from_s;
}

static void count_cost(struct world *world, double end_s) {
    const struct pf_fleet_model *model = world->model;
    double gb = model->memory_mb / 1024.0, billed_s = end_s; /* the coordinator is there all the time */
    for (int i = 0; i < model->workers; i++) {
        if (world->started_s[i] >= end_s) continue;
        double until_s = fmin(end_s, world->busy_until_s[i] + IDLE_S);
        billed_s += until_s - world->started_s[i];
        world->out.workers_used++;
    }
    world->out.usage.gb_s = billed_s * gb;
    world->out.usage.invocations = world->out.workers_used + 1;
    world->out.dollars = pf_usage_dollars(&world->out.usage);
}

static enum pf_code check_model(const struct pf_fleet_model *model, double scale, struct pf_error *err) {
    if (model->workers < 1 || model->workers > PF_MODEL_MAX_WORKERS) {
        PF_FAIL(err, PF_INVALID, "workers: 1 to %d, not %d", PF_MODEL_MAX_WORKERS, model->workers);
    }
    if (model->memory_mb < 128 || model->memory_mb > 10240) {
        PF_FAIL(err, PF_INVALID, "memory of a function: 128 to 10240 MB, not %d", model->memory_mb);
    }
    bool is_fine = scale > 0 && model->cpu_factor > 0 && model->task_s > 0 && model->redis_gb_s > 0 &&
                   model->function_copies > 0 && model->slow_factor >= 1;
    if (!is_fine) PF_FAIL(err, PF_INVALID, "scale, speeds, task length and copies of the function must be above 0");
    return PF_OK;
}

enum pf_code pf_predict_query(const struct pf_query_profile *query, double scale, const struct pf_fleet_model *model,
                              struct pf_prediction *out_prediction, struct pf_error *err) {
    PF_TRY(check_model(model, scale, err));
    struct pf_arena *arena = pf_arena_new(NULL, "prediction");
    size_t workers = (size_t)model->workers;
    struct world world = {.model = model, .random = {model->seed * 7919 + (uint64_t)model->workers}};
    world.free_s = PF_ARENA_ARRAY(arena, double, workers);
    world.started_s = PF_ARENA_ARRAY(arena, double, workers);
    world.busy_until_s = PF_ARENA_ARRAY(arena, double, workers);
    world.heap = PF_ARENA_ARRAY(arena, int, workers);
    world.claims_ms = PF_ARENA_ARRAY(arena, double, count_all_tasks(query, scale, model) + 1);
    start_workers(&world);
    world.out.seconds = run_stages(&world, query, scale);
    count_cost(&world, world.out.seconds);
    qsort(world.claims_ms, world.claim_count, sizeof *world.claims_ms, by_value);
    if (world.claim_count) {
        world.out.claim_p50_ms = world.claims_ms[world.claim_count / 2];
        world.out.claim_p99_ms = world.claims_ms[world.claim_count * 99 / 100];
    }
    *out_prediction = world.out;
    pf_arena_free(arena);
    return PF_OK;
}

enum pf_code pf_predict_best(const struct pf_query_profile *query, double scale, const struct pf_fleet_model *model,
                             struct pf_prediction *out_prediction, struct pf_error *err) {
    struct pf_fleet_model tried = *model;
    struct pf_prediction best = {0};
    for (tried.workers = 1; tried.workers <= model->workers; tried.workers *= 2) {
        struct pf_prediction one;
        PF_TRY(pf_predict_query(query, scale, &tried, &one, err));
        if (best.seconds == 0 || one.seconds * one.dollars < best.seconds * best.dollars) best = one;
    }
    if (best.seconds == 0) return check_model(model, scale, err);
    *out_prediction = best;
    return PF_OK;
}
