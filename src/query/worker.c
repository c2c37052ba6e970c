/* SPDX-License-Identifier: MIT */
/* A worker: pulls tasks until there are none for a while.
 *
 *   claim -> stage (kept from the task before, if the same) -> run -> publish and claim, or fail -> ...
 *
 * A second thread keeps the lease of the running task alive and interrupts it when it is not wanted any more. A worker
 * whose Redis is gone, or whose heartbeat failed for longer than a lease, gives up: somebody else has its task. */
#include "query/query_internal.h"

#include "base/budget.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "fleet/fleet.h"
#include "query/affinity.h"
#include "query/deleted_rows.h"
#include "query/hot_columns.h"
#include "query/run_task.h"
#include "query/seal.h"
#include "query/store_event.h"
#include "query/store_slices.h"
#include "query/write_task.h"
#include "sync/sync.h"

#include <stdio.h>
#include <unistd.h>

/* BEAT_MS: a stop reaches a running statement within that time. */
enum { HEART_TICK_MS = 50, BEAT_MS = 700 };
/* An idle worker is woken; if its wake is lost, the coordinator sends another one. So it need not look often: thousands
 * of them share one Redis. */
enum { CLAIM_WAIT_MS = 5000 };
/* The last fifth of an invocation's time is for the task at hand: who is killed there loses it, and all in memory. */
enum { ROOM_FOR_LAST = 5 };

/* Who gets what of the worker's memory. DuckDB's part includes hot columns; what it doesn't count is in the rest. A
 * sink normally has far less than all buffers may have. */
enum { ENGINE_QUARTERS = 3, HOT_SHARE = 3 /* of the engine's: a third */, BUFFERS_SHARE = 4, SINK_SHARE = 8 };

struct pf_worker {
    struct pf_arena *arena;
    pf_str id;
    pf_str write_path; /* files on their way to a store without folders */
    int64_t lease_ms, idle_ms;
    struct pf_sync *sync;
    struct pf_budget *buffers; /* of the exchange; NULL: no limit */
    struct pf_exchange *exchange;
    struct small_slices small_slices;
    struct store_slices *store_slices; /* NULL: the exchange has a folder */
    struct deleted_rows *deleted_rows;
    struct pf_store *store;
    struct pf_cache *cache;
    struct pf_engine *engine;
    struct pf_session *session;
    struct hot_columns *hot;
    int64_t last_claim_ms; /* by the wall: no task is claimed later in this invocation */
    int64_t task_number;   /* makes names unique in this process */
    bool is_broken;        /* no statement runs any more */
    /* the stage of the last task */
    struct pf_arena *stage_arena;
    pf_str stage_query;
    int stage_id;
    struct stage_message stage;
    struct seen_files seen;

    pthread_t heart;
    bool has_heart;
    pthread_cond_t changed;
    struct {
        pthread_mutex_t mutex;
        bool is_closing, is_cancelled;
        bool is_pulling;                   /* between two invocations nobody expects a sign of life */
        const struct pf_sync_claim *claim; /* what runs now */
        int64_t next_beat_ms, next_sign_ms, lost_at_ms;
    } locked;
};

/* ---- heartbeat ---- */

static void beat(struct pf_worker *worker, const struct pf_sync_claim *claim) {
    bool is_cancelled = false;
    struct pf_error err;
    enum pf_code code = pf_sync_heartbeat(worker->sync, claim, worker->lease_ms, &is_cancelled, &err);
    int64_t now_ms = pf_clock_mono_ms();
    pthread_mutex_lock(&worker->locked.mutex);
    if (code == PF_OK) worker->locked.lost_at_ms = now_ms + worker->lease_ms;
    if (code != PF_OK && now_ms > worker->locked.lost_at_ms) is_cancelled = true;
    const struct pf_sync_claim *now = worker->locked.claim;
    bool is_same = now && now->stage_id == claim->stage_id && now->task_id == claim->task_id &&
                   pf_str_equal(now->query_id, claim->query_id);
    if (is_same && is_cancelled) {
        worker->locked.is_cancelled = true;
        pf_session_interrupt(worker->session);
    }
    pthread_mutex_unlock(&worker->locked.mutex);
}

static int64_t beat_every_ms(const struct pf_worker *worker) {
    return worker->lease_ms / 4 < BEAT_MS ? worker->lease_ms / 4 : BEAT_MS;
}

/* Also without a task: who is silent for longer than a lease is taken for hung, and replaced. */
static enum pf_code give_sign(struct pf_worker *worker, struct pf_error *err) {
    char facts[64];
    snprintf(facts, sizeof facts, "{\"pid\":%d}", (int)getpid());
    return pf_sync_worker_register(worker->sync, worker->id, pf_str_from_cstr(facts), worker->lease_ms, err);
}

static void *beat_heart(void *context) {
    struct pf_worker *worker = context;
    pthread_mutex_lock(&worker->locked.mutex);
    while (!worker->locked.is_closing) {
        pf_condition_wait_ms(&worker->changed, &worker->locked.mutex, HEART_TICK_MS);
        if (worker->locked.is_cancelled && worker->locked.claim) pf_session_interrupt(worker->session);
        int64_t now_ms = pf_clock_mono_ms();
        if (worker->locked.is_pulling && now_ms >= worker->locked.next_sign_ms) {
            worker->locked.next_sign_ms = now_ms + worker->lease_ms / 4;
            pthread_mutex_unlock(&worker->locked.mutex);
            (void)!give_sign(worker, NULL);
            pthread_mutex_lock(&worker->locked.mutex);
        }
        const struct pf_sync_claim *claim = worker->locked.claim;
        if (!claim || now_ms < worker->locked.next_beat_ms) continue;
        worker->locked.next_beat_ms = now_ms + beat_every_ms(worker);
        /* The claim may be over before the beat is: it beats for a copy. */
        struct pf_arena *arena = pf_arena_new(NULL, "heartbeat");
        struct pf_sync_claim copy = *claim;
        copy.query_id = pf_arena_str(arena, claim->query_id);
        copy.worker_id = pf_arena_str(arena, claim->worker_id);
        copy.payload = PF_STR_EMPTY;
        pthread_mutex_unlock(&worker->locked.mutex);
        beat(worker, &copy);
        pf_arena_free(arena);
        pthread_mutex_lock(&worker->locked.mutex);
    }
    pthread_mutex_unlock(&worker->locked.mutex);
    return NULL;
}

static void set_claim(struct pf_worker *worker, const struct pf_sync_claim *claim) {
    pthread_mutex_lock(&worker->locked.mutex);
    worker->locked.claim = claim;
    worker->locked.is_cancelled = false;
    worker->locked.next_beat_ms = pf_clock_mono_ms() + beat_every_ms(worker);
    worker->locked.lost_at_ms = pf_clock_mono_ms() + worker->lease_ms;
    pthread_mutex_unlock(&worker->locked.mutex);
}

static bool was_cancelled(struct pf_worker *worker) {
    pthread_mutex_lock(&worker->locked.mutex);
    bool is_cancelled = worker->locked.is_cancelled;
    pthread_mutex_unlock(&worker->locked.mutex);
    return is_cancelled;
}

/* ---- open and close ---- */

static bool task_was_cancelled(void *context) {
    return was_cancelled(context);
}

static enum pf_code open_exchange(struct pf_worker *worker, pf_json *event, struct pf_error *err) {
    struct exchange_media media;
    struct pf_exchange_options options;
    struct pf_store_options store;
    PF_TRY(exchange_media_from_json(pf_json_get(event, "exchange"), worker->arena, &media, err));
    store_options_from_json(pf_json_get(event, "store"), &store);
    struct store_slices_options slices = {
        .urls = media.urls,
        .url_count = media.url_count,
        .group = media.group,
        .store_options = &store,
        .is_cancelled = task_was_cancelled,
        .context = worker,
    };
    if (media.url_count) PF_TRY(store_slices_open(&slices, &worker->store_slices, err));
    atomic_store(&worker->small_slices.sync, worker->sync);
    exchange_media_options(&media, &worker->small_slices, worker->store_slices, &options);
    int64_t memory_bytes = pf_json_get_i64(event, "memory_bytes", 0);
    if (memory_bytes > 0) {
        worker->buffers = pf_budget_new("exchange buffers", memory_bytes / BUFFERS_SHARE);
        options.budget = worker->buffers;
        if (options.memory_bytes > memory_bytes / SINK_SHARE) options.memory_bytes = memory_bytes / SINK_SHARE;
        /* What is kept for an object must leave room for what else the task needs. */
        if (options.object_max_bytes > options.memory_bytes) options.object_max_bytes = options.memory_bytes;
    }
    return pf_exchange_open(&options, &worker->exchange, err);
}

static enum pf_code open_engine(struct pf_worker *worker, pf_json *event, struct pf_error *err) {
    pf_json *list = pf_json_get(event, "directories");
    size_t count = 0, capacity = 0;
    pf_str *directories = NULL;
    if (pf_cache_directory(worker->cache).len) {
        PF_ARENA_PUSH(worker->arena, directories, count, capacity) = pf_cache_directory(worker->cache);
    }
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        PF_ARENA_PUSH(worker->arena, directories, count, capacity) =
            pf_arena_str(worker->arena, pf_json_as_str(each.value, PF_STR_EMPTY));
    }
    pf_str run_path = pf_json_get_str(event, "run_path", PF_STR("/tmp"));
    worker->write_path =
        pf_arena_printf(worker->arena, "%.*s/write-%.*s", PF_STR_ARG(run_path), PF_STR_ARG(worker->id));
    PF_ARENA_PUSH(worker->arena, directories, count, capacity) = worker->write_path;
    struct pf_engine_options options = {
        .threads = (int)pf_json_get_i64(event, "threads", 1),
        .memory_limit_bytes = pf_json_get_i64(event, "memory_bytes", 0) / 4 * ENGINE_QUARTERS,
        .temp_directory =
            pf_arena_printf(worker->arena, "%.*s/spill-%.*s", PF_STR_ARG(run_path), PF_STR_ARG(worker->id)),
        .allowed_directories = directories,
        .allowed_directory_count = count,
        .is_locked = true,
        .memory_database = PF_STR(HOT_DATABASE),
        .disabled_optimizers = pf_json_get_str(event, "disabled_optimizers", PF_STR_EMPTY),
    };
    PF_TRY(pf_engine_open(&options, &worker->engine, err));
    PF_TRY(pf_exchange_register(worker->exchange, worker->engine, err));
    worker->deleted_rows = deleted_rows_new();
    PF_TRY(deleted_rows_register(worker->deleted_rows, worker->engine, err));
    PF_TRY(data_files_register(worker->engine, err));
    PF_TRY(pf_session_open(worker->engine, &worker->session, err));
    struct task_files_options files = {worker->store, worker->cache, task_was_cancelled, worker};
    bool has_files = pf_store_has_files(worker->store);
    worker->hot = hot_columns_new(worker->session, has_files ? NULL : &files, options.memory_limit_bytes / HOT_SHARE);
    if (!worker->hot) PF_FAIL(err, PF_NO_MEMORY, "open a worker");
    return PF_OK;
}

/* The store, and memory in front of it. */
static enum pf_code open_store(struct pf_worker *worker, pf_json *event, struct pf_error *err) {
    pf_str url;
    struct pf_store_options options = {0};
    PF_TRY(pf_json_need_str(event, "store_url", "worker event", &url, err));
    store_options_from_json(pf_json_get(event, "store"), &options);
    PF_TRY(pf_store_open(url, &options, &worker->store, err));
    pf_str run_path = pf_json_get_str(event, "run_path", PF_STR("/tmp"));
    struct pf_cache_options cache = {
        .budget_bytes = pf_json_get_i64(event, "cache_bytes", 0),
        .link_directory =
            pf_arena_printf(worker->arena, "%.*s/cache-%.*s", PF_STR_ARG(run_path), PF_STR_ARG(worker->id)),
    };
    return pf_cache_open(worker->store, &cache, &worker->cache, err);
}

static enum pf_code open_sync(struct pf_worker *worker, pf_json *event, pf_str redis_url, struct pf_error *err) {
    pf_str ca_path = pf_json_get_str(event, "redis_ca", PF_STR_EMPTY);
    struct pf_sync_options options = {
        .url = redis_url,
        .prefix = pf_json_get_str(event, "redis_prefix", PF_STR_EMPTY),
        .ca_path = ca_path.len ? pf_arena_cstr(worker->arena, ca_path) : NULL,
        .max_connections = (int)pf_json_get_i64(event, "redis_connections", 0),
        .allows_insecure = pf_json_get_bool(event, "redis_allows_insecure", false),
    };
    return pf_sync_open(&options, &worker->sync, err);
}

static enum pf_code open_parts(struct pf_worker *worker, pf_str event_json, struct pf_error *err) {
    pf_json *event = NULL;
    pf_str redis_url;
    PF_TRY(pf_json_parse(event_json, worker->arena, "worker event", &event, err));
    PF_TRY(pf_json_need_str(event, "redis_url", "worker event", &redis_url, err));
    worker->lease_ms = pf_json_get_i64(event, "lease_ms", 10000);
    worker->idle_ms = pf_json_get_i64(event, "idle_ms", 5000);
    worker->id = pf_runtime_worker_id(worker->arena);
    if (worker->id.len == 0) worker->id = pf_id_ulid(worker->arena);
    PF_TRY(open_sync(worker, event, redis_url, err));
    PF_TRY(open_store(worker, event, err));
    PF_TRY(open_exchange(worker, event, err));
    PF_TRY(open_engine(worker, event, err));
    int status = pthread_create(&worker->heart, NULL, beat_heart, worker);
    if (status != 0) PF_FAIL_ERRNO(err, status, "start the heartbeat thread");
    worker->has_heart = true;
    return PF_OK;
}

enum pf_code pf_worker_open(pf_str event_json, struct pf_worker **out_worker, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "worker");
    struct pf_worker *worker = PF_ARENA_NEW(arena, struct pf_worker);
    worker->arena = arena;
    pthread_mutex_init(&worker->locked.mutex, NULL);
    pf_condition_init(&worker->changed);
    enum pf_code code = open_parts(worker, event_json, err);
    if (code != PF_OK) {
        pf_worker_close(worker);
        return code;
    }
    *out_worker = worker;
    return PF_OK;
}

struct pf_worker *pf_worker_close(struct pf_worker *worker) {
    if (!worker) return NULL;
    pthread_mutex_lock(&worker->locked.mutex);
    worker->locked.is_closing = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->locked.mutex);
    if (worker->has_heart) pthread_join(worker->heart, NULL);
    if (worker->sync && worker->id.len) (void)!pf_sync_worker_remove(worker->sync, worker->id, NULL);
    hot_columns_free(worker->hot);
    pf_session_close(worker->session);
    pf_engine_close(worker->engine);
    deleted_rows_free(worker->deleted_rows);
    pf_exchange_close(worker->exchange);
    store_slices_close(worker->store_slices);
    pf_budget_free(worker->buffers);
    pf_cache_close(worker->cache);
    pf_store_close(worker->store);
    pf_sync_close(worker->sync);
    pf_arena_free(worker->stage_arena);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->locked.mutex);
    pf_arena_free(worker->arena);
    return NULL;
}

/* ---- one task ---- */

static enum pf_code need_stage(struct pf_worker *worker, const struct pf_sync_claim *claim, struct pf_error *err) {
    /* A later attempt may be there because the stage was given other inputs. */
    if (claim->attempt == 1 && worker->stage_arena && worker->stage_id == claim->stage_id &&
        pf_str_equal(worker->stage_query, claim->query_id)) {
        return PF_OK;
    }
    worker->stage_arena = pf_arena_free(worker->stage_arena);
    struct pf_arena *arena = pf_arena_new(NULL, "stage");
    pf_str payload;
    enum pf_code code = pf_sync_stage_payload(worker->sync, claim->query_id, claim->stage_id, arena, &payload, err);
    pf_str label = stage_label(claim->query_id, claim->stage_id, arena);
    if (code == PF_OK) code = unseal_message(label, payload, &payload, err);
    if (code == PF_OK) code = stage_message_decode(payload, arena, &worker->stage, err);
    if (code != PF_OK) {
        pf_arena_free(arena);
        return code;
    }
    worker->stage_arena = arena;
    worker->stage_query = pf_arena_str(arena, claim->query_id);
    worker->stage_id = claim->stage_id;
    return PF_OK;
}

static enum pf_code execute(struct pf_worker *worker, const struct pf_sync_claim *claim, struct pf_arena *arena,
                            struct task_result *out_result, struct pf_error *err) {
    struct task_message task;
    PF_TRY(need_stage(worker, claim, err));
    pf_str label = task_label(claim->query_id, claim->stage_id, claim->task_id, arena), message;
    PF_TRY(unseal_message(label, claim->payload, &message, err));
    PF_TRY(task_message_decode(message, arena, &task, err));
    if (task.input_count != worker->stage.input_count) {
        PF_FAIL(err, PF_BUG, "task has %zu inputs, its stage %zu", task.input_count, worker->stage.input_count);
    }
    PF_TRY(hot_columns_prepare(worker->hot, &worker->stage, &task, arena, err));
    struct task_run run = {
        .exchange = worker->exchange,
        .session = worker->session,
        .stage = &worker->stage,
        .task = &task,
        .files = {worker->store, worker->cache, task_was_cancelled, worker},
        .prefix = pf_arena_printf(arena, "t%lld", (long long)worker->task_number++),
        /* A Redis that failed over may give the same attempt to two workers, or twice to one. */
        .key = pf_arena_printf(arena, "%.*s/%d/%d.%d.%.*s", PF_STR_ARG(claim->query_id), claim->stage_id,
                               claim->task_id, claim->attempt, PF_STR_ARG(pf_id_ulid(arena))),
        .write_path = worker->write_path,
    };
    struct task_result result;
    int reads, warm_reads;
    seen_files_count(&worker->seen, &task, &reads, &warm_reads);
    PF_TRY(run_task(&run, arena, &result, err));
    result.reads = reads;
    result.warm_reads = warm_reads;
    result.worker = worker->id;
    *out_result = result;
    return PF_OK;
}

/* What the attempt made is garbage: it goes at once, and not only with the query. */
static void drop_result(struct pf_worker *worker, const struct task_result *result, bool is_over,
                        struct pf_arena *arena) {
    struct pf_exchange_output output;
    if (worker->stage.write) {
        write_task_drop(worker->store, result, arena);
        return;
    }
    if (pf_exchange_output_decode(result->output_json, arena, &output, NULL) != PF_OK) return;
    pf_exchange_remove_output(worker->exchange, &output, is_over);
    pf_log(PF_LOG_INFO, is_over ? "the query is over: output dropped" : "another attempt was first: output dropped",
           NULL);
}

/* A fault of the input or of the statement fails the same way again; one of a service or of this worker may not. */
static bool is_worth_another_try(enum pf_code code) {
    return pf_code_is_retryable(code) || code == PF_NO_MEMORY || code == PF_CANCELLED;
}

/* A task that is ours, and what its text lives in; no query id: none. */
struct turn {
    struct pf_arena *arena;
    struct pf_sync_claim claim;
};

/* Takes the next task along, while there is time for one. */
static enum pf_code publish(struct pf_worker *worker, const struct pf_sync_claim *claim,
                            const struct task_result *result, struct pf_arena *arena, struct turn *next,
                            struct pf_error *err) {
    pf_str label = task_label(claim->query_id, claim->stage_id, claim->task_id, arena);
    pf_str sealed = seal_message(label, task_result_encode(result, arena), arena);
    enum pf_code code;
    if (pf_clock_wall_ms() < worker->last_claim_ms) {
        code = pf_sync_publish_and_claim(worker->sync, claim, sealed, worker->lease_ms, next->arena, &next->claim, err);
    } else {
        code = pf_sync_publish(worker->sync, claim, sealed, err);
    }
    if (code != PF_CONFLICT && code != PF_CANCELLED) return code;
    drop_result(worker, result, code == PF_CANCELLED, arena);
    return PF_OK;
}

static enum pf_code work_on(struct pf_worker *worker, const struct pf_sync_claim *claim, struct turn *next,
                            struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "attempt");
    struct pf_error failure = {0};
    struct task_result result;
    pf_str stage_text = pf_arena_printf(arena, "%d", claim->stage_id);
    pf_str task_text = pf_arena_printf(arena, "%d.%d", claim->task_id, claim->attempt);
    struct pf_log_context before = pf_log_set_context((struct pf_log_context){
        .query = claim->query_id, .stage = stage_text, .task = task_text, .worker = worker->id});
    set_claim(worker, claim);
    enum pf_code code = execute(worker, claim, arena, &result, &failure);
    bool is_cancelled = was_cancelled(worker);
    set_claim(worker, NULL);
    if (code == PF_OK) {
        code = publish(worker, claim, &result, arena, next, err);
    } else if (is_cancelled) {
        pf_log(PF_LOG_INFO, "task stopped: not wanted any more", NULL);
        code = PF_OK;
    } else {
        if (code == PF_NO_MEMORY) hot_columns_drop_all(worker->hot); /* the next try has all of it */
        if (code == PF_BUG || code == PF_REMOTE) worker->is_broken = pf_engine_is_broken(worker->engine);
        pf_log_failure(PF_LOG_WARN, "task failed", &failure);
        code = pf_sync_fail(worker->sync, claim, &failure, is_worth_another_try(code), err);
        if (code == PF_NOT_FOUND || code == PF_CANCELLED || code == PF_CONFLICT) code = PF_OK;
    }
    pf_log_set_context(before);
    pf_arena_free(arena);
    return code;
}

static void set_pulling(struct pf_worker *worker, bool is_pulling) {
    pthread_mutex_lock(&worker->locked.mutex);
    worker->locked.is_pulling = is_pulling;
    worker->locked.next_sign_ms = pf_clock_mono_ms() + worker->lease_ms / 4;
    pthread_mutex_unlock(&worker->locked.mutex);
}

static int64_t min_ms(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Waits for a task if there is none at hand, and works on it; `turn` is the next one then, if that came along. */
static enum pf_code take_turn(struct pf_worker *worker, int64_t wait_ms, struct turn *turn, struct pf_error *err) {
    if (!turn->claim.query_id.len) {
        enum pf_code code = pf_sync_claim(worker->sync, worker->id, min_ms(wait_ms, CLAIM_WAIT_MS), worker->lease_ms,
                                          turn->arena, &turn->claim, err);
        if (code == PF_NOT_FOUND) turn->claim = (struct pf_sync_claim){0};
        if (code != PF_OK) return code;
    }
    struct turn next = {.arena = pf_arena_new(NULL, "claim")};
    enum pf_code code = work_on(worker, &turn->claim, &next, err);
    pf_arena_free(turn->arena);
    *turn = next;
    return code;
}

static enum pf_code pull(struct pf_worker *worker, int64_t deadline_wall_ms, struct pf_error *err) {
    struct pf_deadline idle = pf_deadline_in(worker->idle_ms);
    struct turn turn = {.arena = pf_arena_new(NULL, "claim")};
    worker->last_claim_ms = deadline_wall_ms - (deadline_wall_ms - pf_clock_wall_ms()) / ROOM_FOR_LAST;
    enum pf_code code = PF_OK;
    while (code == PF_OK && !worker->is_broken) {
        int64_t wait_ms = min_ms(pf_deadline_left_ms(idle), worker->last_claim_ms - pf_clock_wall_ms());
        if (wait_ms <= 0 && !turn.claim.query_id.len) break;
        code = take_turn(worker, wait_ms, &turn, err);
        if (code == PF_OK) idle = pf_deadline_in(worker->idle_ms);
        if (code == PF_NOT_FOUND) code = PF_OK;
    }
    pf_arena_free(turn.arena);
    /* No statement runs any more: whoever runs the worker opens a new one. */
    if (code == PF_OK && worker->is_broken) PF_FAIL(err, PF_BUG, "DuckDB broke in this worker, which ends");
    return code;
}

enum pf_code pf_worker_run(struct pf_worker *worker, int64_t deadline_wall_ms, struct pf_error *err) {
    PF_TRY(give_sign(worker, err));
    set_pulling(worker, true);
    enum pf_code code = pull(worker, deadline_wall_ms, err);
    set_pulling(worker, false);
    return code;
}
