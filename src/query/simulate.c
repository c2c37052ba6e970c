/* SPDX-License-Identifier: MIT */
/* The coordinator and the queue as they are, with workers that do everything but the work: they claim a task, read it,
 * sleep for as long as it would take, and publish a result.
 *
 * The coordinator's side is the code of queries (run.h): a stage is put together by hand, then pushed and waited for as
 * any other. There is no fleet: the workers are threads of this process, a few of them to a pf_sync. */
#include "query/affinity.h"
#include "query/run.h"
#include "query/seal.h"

#include "base/clock.h"
#include "base/id.h"
#include "model/model.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    WORKERS_PER_SYNC = 8,
    STACK_BYTES = 256 << 10,
    SIMULATED_LEASE_MS = 600000,
    CLAIM_MS = 2000,
    PATIENCE_MS = 60000,
    SPLITS_PER_TASK = 2
};

struct crowd {
    const struct pf_simulation_options *options;
    struct pf_arena *arena;
    pf_str redis_url;
    struct pf_sync **syncs;
    pthread_t *threads;
    int started;
    atomic_int next_worker, ready, failures;
    atomic_bool is_over;
    atomic_llong pushed_ns, worker_cpu_ns;
    atomic_size_t claim_count;
    int64_t *claims_ns; /* as many as there are tasks in all runs */
    size_t claim_capacity;
    struct {
        pthread_mutex_t mutex;
        struct pf_error first; /* of the failures */
    } locked;
};

/* ---- a worker ---- */

static void sleep_for_task(const struct crowd *crowd, struct pf_random *random) {
    double us = (double)crowd->options->task_us;
    if (us <= 0) return;
    /* Most tasks of a stage are alike; a few are much longer. */
    us *= 0.8 + 0.4 * pf_random_unit(random);
    if (pf_random_unit(random) < crowd->options->slow_tasks) us *= 10;
    struct timespec pause = {(time_t)(us / 1e6), (long)(fmod(us, 1e6) * 1e3)};
    nanosleep(&pause, NULL);
}

static enum pf_code make_result(struct seen_files *seen, const struct pf_sync_claim *claim, struct pf_arena *arena,
                                pf_str *out_json, struct pf_error *err) {
    struct task_message task;
    struct task_result result = {.worker = claim->worker_id, .rows = 1, .bytes = 0};
    struct pf_exchange_output output = {.schema = PF_STR("[[\"n\",\"BIGINT\"]]"), .partition_count = 1};
    pf_str message, label = task_label(claim->query_id, claim->stage_id, claim->task_id, arena);
    PF_TRY(unseal_message(label, claim->payload, &message, err));
    PF_TRY(task_message_decode(message, arena, &task, err));
    seen_files_count(seen, &task, &result.reads, &result.warm_reads);
    PF_TRY(pf_exchange_output_encode(&output, arena, &result.output_json, err));
    *out_json = seal_message(label, task_result_encode(&result, arena), arena);
    return PF_OK;
}

static void note_claim(struct crowd *crowd, int64_t asked_ns) {
    int64_t pushed_ns = atomic_load(&crowd->pushed_ns), from_ns = asked_ns > pushed_ns ? asked_ns : pushed_ns;
    size_t at = atomic_fetch_add(&crowd->claim_count, 1);
    if (at < crowd->claim_capacity) crowd->claims_ns[at] = pf_clock_mono_ns() - from_ns;
}

/* Before the end is known; then calls fail because the query is gone. */
static void note_failure(struct crowd *crowd, const struct pf_error *failure) {
    if (atomic_load(&crowd->is_over)) return;
    pthread_mutex_lock(&crowd->locked.mutex);
    if (atomic_fetch_add(&crowd->failures, 1) == 0) crowd->locked.first = *failure;
    pthread_mutex_unlock(&crowd->locked.mutex);
}

/* A worker's task, and what its text lives in; no query id: it has none. */
struct simulated_turn {
    struct pf_arena *arena;
    struct pf_sync_claim claim;
};

static enum pf_code do_task(struct crowd *crowd, struct pf_sync *sync, struct simulated_turn *turn,
                            struct seen_files *seen, struct pf_random *random, struct pf_error *err) {
    struct simulated_turn next = {.arena = pf_arena_new(NULL, "simulated task")};
    pf_str json;
    sleep_for_task(crowd, random);
    enum pf_code code = make_result(seen, &turn->claim, turn->arena, &json, err);
    int64_t asked_ns = pf_clock_mono_ns();
    if (code == PF_OK) {
        code = pf_sync_publish_and_claim(sync, &turn->claim, json, SIMULATED_LEASE_MS, next.arena, &next.claim, err);
    }
    if (next.claim.query_id.len) note_claim(crowd, asked_ns);
    bool is_fine = code == PF_OK || code == PF_CONFLICT || code == PF_CANCELLED;
    if (!is_fine) (void)!pf_sync_query_cancel(sync, turn->claim.query_id, NULL); /* nobody else would end it */
    pf_arena_free(turn->arena);
    *turn = next;
    return is_fine ? PF_OK : code;
}

static void take_simulated_turn(struct crowd *crowd, struct pf_sync *sync, pf_str name, struct simulated_turn *turn,
                                struct seen_files *seen, struct pf_random *random) {
    struct pf_error err;
    enum pf_code code = PF_OK;
    if (!turn->claim.query_id.len) {
        int64_t asked_ns = pf_clock_mono_ns();
        code = pf_sync_claim(sync, name, CLAIM_MS, SIMULATED_LEASE_MS, turn->arena, &turn->claim, &err);
        if (code == PF_OK) note_claim(crowd, asked_ns);
    }
    if (code == PF_OK) code = do_task(crowd, sync, turn, seen, random, &err);
    if (code != PF_OK && code != PF_NOT_FOUND) note_failure(crowd, &err);
}

static int64_t thread_cpu_ns(void) {
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

static void *run_simulated_worker(void *context) {
    struct crowd *crowd = context;
    int number = atomic_fetch_add(&crowd->next_worker, 1);
    struct pf_sync *sync = crowd->syncs[number / WORKERS_PER_SYNC];
    struct pf_random random = {crowd->options->seed + (uint64_t)number};
    struct pf_arena *arena = pf_arena_new(NULL, "simulated worker");
    struct seen_files *seen = PF_ARENA_NEW(arena, struct seen_files);
    pf_str name = pf_arena_printf(arena, "simulated-%d", number);
    struct pf_error err;
    if (pf_sync_worker_register(sync, name, PF_STR("{}"), SIMULATED_LEASE_MS, &err) != PF_OK) {
        note_failure(crowd, &err);
    }
    atomic_fetch_add(&crowd->ready, 1);
    struct simulated_turn turn = {.arena = pf_arena_new(NULL, "simulated task")};
    while (!atomic_load(&crowd->is_over)) take_simulated_turn(crowd, sync, name, &turn, seen, &random);
    pf_arena_free(turn.arena);
    atomic_fetch_add(&crowd->worker_cpu_ns, thread_cpu_ns());
    pf_arena_free(arena);
    return NULL;
}

/* ---- all of them ---- */

static enum pf_code start_crowd(struct crowd *crowd, struct pf_error *err) {
    int count = crowd->options->workers, syncs = (count + WORKERS_PER_SYNC - 1) / WORKERS_PER_SYNC;
    crowd->syncs = PF_ARENA_ARRAY(crowd->arena, struct pf_sync *, (size_t)syncs);
    crowd->threads = PF_ARENA_ARRAY(crowd->arena, pthread_t, (size_t)count);
    for (int i = 0; i < syncs; i++) {
        struct pf_sync_options options = {.url = crowd->redis_url,
                                          .connect_ms = PATIENCE_MS,
                                          .command_ms = PATIENCE_MS,
                                          .retry_ms = PATIENCE_MS,
                                          .max_connections = WORKERS_PER_SYNC + 1,
                                          .allows_insecure = true};
        PF_TRY(pf_sync_open(&options, &crowd->syncs[i], err));
    }
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK_BYTES);
    int status = 0;
    while (crowd->started < count && status == 0) {
        status = pthread_create(&crowd->threads[crowd->started], &small, run_simulated_worker, crowd);
        crowd->started += status == 0;
    }
    pthread_attr_destroy(&small);
    if (status != 0) PF_FAIL_ERRNO(err, status, "start worker %d of %d", crowd->started + 1, count);
    while (atomic_load(&crowd->ready) < count) pf_clock_sleep_ms(1);
    return PF_OK;
}

static void stop_crowd(struct crowd *crowd) {
    atomic_store(&crowd->is_over, true);
    for (int i = 0; i < crowd->started; i++) pthread_join(crowd->threads[i], NULL);
    int syncs = crowd->syncs ? (crowd->options->workers + WORKERS_PER_SYNC - 1) / WORKERS_PER_SYNC : 0;
    for (int i = 0; i < syncs; i++) crowd->syncs[i] = pf_sync_close(crowd->syncs[i]);
}

/* ---- the coordinator ---- */

static void open_simulated_stack(struct pf_stack *stack, const struct pf_simulation_options *options,
                                 struct pf_arena *arena) {
    stack->arena = arena;
    stack->options = (struct pf_stack_options){
        .store_url = PF_STR("s3://simulated"), .worker_count = options->workers, .lease_ms = SIMULATED_LEASE_MS};
    stack->coordinator_id = pf_id_ulid(arena);
    pthread_mutex_init(&stack->locked.mutex, NULL);
}

/* Tasks that read files, the same ones in each run. */
static struct task_list make_simulated_tasks(const struct pf_simulation_options *options, struct pf_arena *arena) {
    struct task_list list = {.count = (size_t)options->tasks};
    list.message = (struct stage_message){.sql = PF_STR("SELECT count(*) AS n FROM ${0}"), .partition_count = 1};
    list.message.input_count = 1;
    list.message.inputs = PF_ARENA_NEW(arena, struct stage_input);
    *list.message.inputs = (struct stage_input){.kind = PF_INPUT_SCAN, .role = PF_ROLE_DRIVING};
    list.tasks = PF_ARENA_ARRAY(arena, struct task_message, list.count);
    for (size_t i = 0; i < list.count; i++) {
        struct task_input *input = PF_ARENA_NEW(arena, struct task_input);
        input->splits = PF_ARENA_ARRAY(arena, struct task_split, SPLITS_PER_TASK);
        input->split_count = SPLITS_PER_TASK;
        input->output_count = -1;
        for (size_t j = 0; j < SPLITS_PER_TASK; j++) {
            input->splits[j].path =
                pf_arena_printf(arena, "s3://simulated/lake/main/t/data/%08zu.parquet", i * SPLITS_PER_TASK + j);
            input->splits[j].last_row = -1;
        }
        list.tasks[i] = (struct task_message){input, 1};
    }
    return list;
}

static enum pf_code run_once(struct crowd *crowd, struct pf_stack *stack, struct pf_simulation_run *out_run,
                             struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "simulated query");
    struct pf_query *query = PF_ARENA_NEW(arena, struct pf_query);
    struct pf_stage *stage = PF_ARENA_NEW(arena, struct pf_stage);
    struct stage_run *made = NULL;
    *stage = (struct pf_stage){.title = PF_STR("simulated"), .partition_count = 1, .exchange = PF_EXCHANGE_GATHER};
    query->arena = arena;
    query->stack = stack;
    query->sql = PF_STR("SELECT");
    query->running.id = pf_id_ulid(arena);
    struct run *run = query->run = PF_ARENA_NEW(arena, struct run);
    *run = (struct run){.query = query, .stack = stack, .arena = arena, .first_attempt = 1, .lost_before = -1};
    struct task_list list = make_simulated_tasks(crowd->options, arena);
    enum pf_code code = begin_in_redis(run, err);
    if (code == PF_OK) code = stage_run_add(run, stage, &list, pf_arena_new(arena, "stage"), &made, err);
    int64_t before_ns = pf_clock_mono_ns(), cpu_ns = thread_cpu_ns();
    atomic_store(&crowd->pushed_ns, before_ns);
    if (code == PF_OK) code = stage_run_push(run, made, false, err);
    out_run->push_ms = (double)(pf_clock_mono_ns() - before_ns) / 1e6;
    if (code == PF_OK) code = run_wait_for_stages(run, err);
    out_run->wall_ms = (double)(pf_clock_mono_ns() - before_ns) / 1e6;
    out_run->coordinator_cpu_ms = (double)(thread_cpu_ns() - cpu_ns) / 1e6;
    if (code == PF_OK) {
        const struct stage_progress *progress = &query->running.locked.stages[0];
        out_run->kept_tasks = progress->kept_tasks;
        out_run->home_tasks = progress->home_tasks;
        out_run->reads = progress->reads;
        out_run->warm_reads = progress->warm_reads;
        out_run->second_attempts = progress->extra_attempts;
        out_run->mends = run->mends;
    }
    if (query->is_spread) {
        enum pf_code end = pf_sync_query_end(stack->sync, query->running.id, stack->coordinator_id, err);
        if (code == PF_OK) code = end;
    }
    pf_arena_free(arena);
    return code;
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void count_claims(const struct crowd *crowd, struct pf_simulation *out) {
    size_t count = atomic_load(&crowd->claim_count);
    if (count > crowd->claim_capacity) count = crowd->claim_capacity;
    if (count == 0) return;
    qsort(crowd->claims_ns, count, sizeof *crowd->claims_ns, by_number);
    size_t middle = count / 2, late = count * 99 / 100;
    out->claim_p50_ms = (double)crowd->claims_ns[middle] / 1e6;
    out->claim_p99_ms = (double)crowd->claims_ns[late] / 1e6;
}

static void count_calls(const struct crowd *crowd, struct pf_stack *stack, int64_t *out_commands,
                        int64_t *out_round_trips) {
    int syncs = (crowd->options->workers + WORKERS_PER_SYNC - 1) / WORKERS_PER_SYNC;
    *out_commands = *out_round_trips = 0;
    for (int i = 0; i <= syncs; i++) {
        struct pf_sync_counters counters;
        pf_sync_count(i < syncs ? crowd->syncs[i] : stack->sync, &counters);
        *out_commands += counters.commands;
        *out_round_trips += counters.round_trips;
    }
}

static enum pf_code simulate_in(struct crowd *crowd, struct pf_stack *stack, struct pf_simulation *out,
                                struct pf_error *err) {
    struct pf_sync_server before, after;
    PF_TRY(start_crowd(crowd, err));
    int64_t commands[2], round_trips[2];
    count_calls(crowd, stack, &commands[0], &round_trips[0]);
    PF_TRY(pf_sync_server(stack->sync, &before, err));
    for (int i = 0; i < crowd->options->runs; i++) PF_TRY(run_once(crowd, stack, &out->runs[i], err));
    PF_TRY(pf_sync_server(stack->sync, &after, err));
    if (atomic_load(&crowd->failures)) {
        PF_FAIL(err, PF_REMOTE, "%d calls of simulated workers to Redis failed, the first with: %s",
                atomic_load(&crowd->failures), crowd->locked.first.message);
    }
    double tasks = (double)crowd->options->tasks * crowd->options->runs;
    count_calls(crowd, stack, &commands[1], &round_trips[1]);
    out->commands_per_task = (double)(commands[1] - commands[0]) / tasks;
    out->round_trips_per_task = (double)(round_trips[1] - round_trips[0]) / tasks;
    out->bytes_per_task = (double)(after.bytes - before.bytes) / tasks;
    out->redis_us_per_task = (after.cpu_s - before.cpu_s) * 1e6 / tasks;
    return PF_OK;
}

enum pf_code pf_simulate(const struct pf_simulation_options *options, struct pf_arena *arena,
                         struct pf_simulation *out_simulation, struct pf_error *err) {
    struct pf_sync_options sync = {
        .url = options->redis_url, .command_ms = PATIENCE_MS, .allows_insecure = options->redis_url.len > 0};
    struct pf_redis *redis = NULL;
    if (options->redis_url.len == 0) {
        PF_TRY(pf_redis_spawn(&(struct pf_redis_options){.run_path = options->run_path}, &redis, err));
        sync.url = pf_str_from_cstr(pf_redis_url(redis));
    }
    struct pf_arena *scratch = pf_arena_new(NULL, "simulation");
    struct pf_stack *stack = PF_ARENA_NEW(scratch, struct pf_stack);
    struct crowd *crowd = PF_ARENA_NEW(scratch, struct crowd);
    pthread_mutex_init(&crowd->locked.mutex, NULL);
    crowd->options = options;
    crowd->arena = scratch;
    crowd->redis_url = sync.url;
    crowd->claim_capacity = (size_t)options->tasks * (size_t)options->runs;
    crowd->claims_ns = PF_ARENA_ARRAY(scratch, int64_t, crowd->claim_capacity);
    *out_simulation = (struct pf_simulation){
        .runs = PF_ARENA_ARRAY(arena, struct pf_simulation_run, (size_t)options->runs), .run_count = options->runs};
    open_simulated_stack(stack, options, scratch);
    enum pf_code code = pf_sync_open(&sync, &stack->sync, err);
    if (code == PF_OK) code = simulate_in(crowd, stack, out_simulation, err);
    stop_crowd(crowd);
    count_claims(crowd, out_simulation);
    pf_sync_close(stack->sync);
    pthread_mutex_destroy(&stack->locked.mutex);
    pthread_mutex_destroy(&crowd->locked.mutex);
    pf_redis_stop(redis);
    pf_arena_free(scratch);
    return code;
}
