/* SPDX-License-Identifier: MIT */
/* What a task costs beside its work: empty tasks through a real Redis, from claim to publish.
 *
 *   sync_tasks [TASKS [WORKERS]]      default: 2000 tasks, 1 worker
 *
 * Each worker is a thread that does what a worker does for a task: claim, one heartbeat less, publish. Prints one JSON
 * object: tasks, workers, wall_ms (first push to last event), and p50_us and p99_us of claim + publish, where the wait
 * for work is no part of it: all tasks are queued before the workers start. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "sync/sync.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LEASE_MS = 60000,
    WAIT_MS = 200,
    PATIENCE_MS = 30000,
    COME_AGAIN_US = 1000,
    MAX_TASKS = 1000000,
    MAX_WORKERS = 4000,
    STACK_BYTES = 256 << 10
};

struct bench {
    struct pf_sync *sync;
    int task_count, worker_count;
    atomic_int started, done;
    int64_t *claim_to_publish_ns; /* by task */
};

struct worker {
    struct bench *bench;
    pthread_t thread;
    int number;
};

static void stop_on(enum pf_code code, const struct pf_error *err, const char *what) {
    if (code == PF_OK) return;
    fprintf(stderr, "sync_tasks: %s: %s\n", what, err->message);
    _exit(1);
}

/* A thousand connects at once fill the listener's backlog: some callers have to come again, as real workers do. */
static bool must_come_again(enum pf_code code) {
    if (!pf_code_is_retryable(code)) return false;
    usleep(COME_AGAIN_US);
    return true;
}

static void publish(struct bench *bench, const struct pf_sync_claim *claim) {
    struct pf_error err;
    enum pf_code code;
    do code = pf_sync_publish(bench->sync, claim, PF_STR("{}"), &err);
    while (must_come_again(code));
    stop_on(code, &err, "publish");
}

static void *work(void *argument) {
    struct worker *worker = argument;
    struct bench *bench = worker->bench;
    struct pf_error err;
    char name[32];
    snprintf(name, sizeof name, "worker-%d", worker->number);
    while (atomic_load(&bench->done) < bench->task_count) {
        struct pf_arena *arena = pf_arena_new(NULL, "task");
        struct pf_sync_claim claim;
        int64_t before_ns = pf_clock_mono_ns();
        enum pf_code code = pf_sync_claim(bench->sync, pf_str_from_cstr(name), WAIT_MS, LEASE_MS, arena, &claim, &err);
        if (code == PF_OK) {
            publish(bench, &claim);
            bench->claim_to_publish_ns[claim.task_id] = pf_clock_mono_ns() - before_ns;
            atomic_fetch_add(&bench->done, 1);
        } else if (code != PF_NOT_FOUND && !must_come_again(code)) {
            stop_on(code, &err, "claim");
        }
        pf_arena_free(arena);
    }
    return NULL;
}

static void push_tasks(struct bench *bench) {
    struct pf_error err;
    pf_str *payloads = calloc((size_t)bench->task_count, sizeof *payloads);
    for (int i = 0; i < bench->task_count; i++) payloads[i] = PF_STR("{\"inputs\":[]}");
    struct pf_sync_query_options options = {.coordinator_id = PF_STR("bench"), .coordinator_lease_ms = LEASE_MS};
    stop_on(pf_sync_query_begin(bench->sync, PF_STR("bench"), &options, &err), &err, "begin");
    struct pf_sync_stage stage = {
        .payload = PF_STR("{\"sql\":\"SELECT 1\"}"), .tasks = payloads, .task_count = bench->task_count};
    stop_on(pf_sync_stage_push(bench->sync, PF_STR("bench"), &stage, &err), &err, "push");
    free(payloads);
}

static void wait_for_events(struct bench *bench) {
    struct pf_sync_cursor cursor = {0};
    struct pf_error err;
    for (int seen = 0; seen < bench->task_count;) {
        struct pf_arena *arena = pf_arena_new(NULL, "events");
        struct pf_sync_event *events;
        size_t count = 0;
        enum pf_code code =
            pf_sync_wait_events(bench->sync, PF_STR("bench"), &cursor, 1000, arena, &events, &count, &err);
        if (!must_come_again(code)) stop_on(code, &err, "events");
        for (size_t i = 0; i < count; i++) seen += events[i].kind == PF_SYNC_DONE;
        pf_arena_free(arena);
    }
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void run(struct bench *bench) {
    pthread_attr_t attributes;
    struct worker *workers = calloc((size_t)bench->worker_count, sizeof *workers);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int64_t before_ns = pf_clock_mono_ns();
    push_tasks(bench);
    for (int i = 0; i < bench->worker_count; i++) {
        workers[i] = (struct worker){.bench = bench, .number = i};
        if (pthread_create(&workers[i].thread, &attributes, work, &workers[i]) != 0) {
            fprintf(stderr, "sync_tasks: no more threads after %d\n", i);
            _exit(1);
        }
    }
    wait_for_events(bench);
    double wall_ms = (double)(pf_clock_mono_ns() - before_ns) / 1e6;
    for (int i = 0; i < bench->worker_count; i++) pthread_join(workers[i].thread, NULL);
    qsort(bench->claim_to_publish_ns, (size_t)bench->task_count, sizeof *bench->claim_to_publish_ns, by_value);
    printf("{\"tasks\":%d,\"workers\":%d,\"wall_ms\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n", bench->task_count,
           bench->worker_count, wall_ms, (double)bench->claim_to_publish_ns[bench->task_count / 2] / 1e3,
           (double)bench->claim_to_publish_ns[(int64_t)bench->task_count * 99 / 100] / 1e3);
    pthread_attr_destroy(&attributes);
    free(workers);
}

static int count_from(int argc, char **argv, int at, int fallback, int most) {
    int64_t value = fallback;
    if (argc > at && !pf_str_to_i64(pf_str_from_cstr(argv[at]), &value)) return 0;
    return value < 1 || value > most ? 0 : (int)value;
}

int main(int argc, char **argv) {
    struct bench bench = {.task_count = count_from(argc, argv, 1, 2000, MAX_TASKS),
                          .worker_count = count_from(argc, argv, 2, 1, MAX_WORKERS)};
    struct pf_redis *redis;
    struct pf_error err;
    char run_path[] = "/tmp/puffindb-bench-XXXXXX";
    if (!bench.task_count || !bench.worker_count) {
        fprintf(stderr, "sync_tasks [TASKS [WORKERS]]: 1 to %d tasks, 1 to %d workers\n", MAX_TASKS, MAX_WORKERS);
        return 2;
    }
    if (!mkdtemp(run_path)) return 1;
    bench.claim_to_publish_ns = calloc((size_t)bench.task_count, sizeof *bench.claim_to_publish_ns);
    stop_on(pf_redis_spawn(&(struct pf_redis_options){.run_path = run_path}, &redis, &err), &err, "redis");
    struct pf_sync_options options = {
        .url = pf_str_from_cstr(pf_redis_url(redis)), .connect_ms = PATIENCE_MS, .command_ms = PATIENCE_MS};
    stop_on(pf_sync_open(&options, &bench.sync, &err), &err, "open");
    run(&bench);
    pf_sync_close(bench.sync);
    pf_redis_stop(redis);
    stop_on(pf_file_remove_tree(run_path, &err), &err, "remove");
    free(bench.claim_to_publish_ns);
    return 0;
}
