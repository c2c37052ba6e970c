/* SPDX-License-Identifier: MIT */
#include "query/affinity.h"
#include "query/query_log.h"
#include "query/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "query/seal.h"

#include <string.h>
#include <xxhash.h>

struct stage_run *run_find_stage(const struct run *run, int stage_id) {
    for (size_t i = 0; i < run->stage_count; i++) {
        if (run->stages[i]->stage->id == stage_id) return run->stages[i];
    }
    return NULL;
}

struct stage_outputs run_outputs(const struct run *run, struct pf_arena *arena) {
    struct stage_output *items = PF_ARENA_ARRAY(arena, struct stage_output, run->stage_count);
    for (size_t i = 0; i < run->stage_count; i++) items[i] = run->stages[i]->output;
    return (struct stage_outputs){items, run->stage_count};
}

size_t run_tasks_left(const struct run *run) {
    size_t left = 0;
    for (size_t i = 0; i < run->stage_count; i++) left += run->stages[i]->left;
    return left;
}

/* ---- progress ---- */

static const char *exchange_name(const struct pf_stage *stage) {
    static const char *const names[] = {"gather", "broadcast", "repartition"};
    return names[stage->exchange];
}

struct stage_progress *run_progress_locked(struct run *run, int stage_id) {
    struct running *running = &run->query->running;
    for (size_t i = 0; i < running->locked.stage_count; i++) {
        if (running->locked.stages[i].id == stage_id) return &running->locked.stages[i];
    }
    return NULL;
}

static void report_stage(struct run *run, const struct stage_run *made) {
    struct running *running = &run->query->running;
    const struct pf_stage *stage = made->stage;
    struct stage_progress progress = {
        .id = stage->id,
        .title = pf_arena_str(run->arena, stage->title),
        .exchange = pf_str_from_cstr(made->list.message.write ? "written" : exchange_name(stage)),
        .single_reason = pf_arena_str(run->arena, stage->single_reason.why),
        .tasks = (int)made->output.count,
        .scanned_bytes = made->list.scan_bytes,
        .scanned_files = made->list.scan_files,
        .skipped_files = made->list.skipped_files,
        .skipped_rows = made->list.skipped_rows,
        .started_ms = pf_clock_mono_ms(),
    };
    if (stage->exchange == PF_EXCHANGE_REPARTITION) {
        progress.exchange = pf_arena_printf(run->arena, "repartition by %.*s into %d", PF_STR_ARG(stage->keys_text),
                                            stage->partition_count);
    }
    run->query->stats.stage_count++;
    run->query->stats.task_count += (int)made->output.count;
    run->query->stats.scanned_bytes += made->list.scan_bytes;
    pthread_mutex_lock(&run->stack->locked.mutex);
    PF_ARENA_PUSH(run->arena, running->locked.stages, running->locked.stage_count, running->locked.stage_capacity) =
        progress;
    running->locked.stats = run->query->stats;
    pthread_mutex_unlock(&run->stack->locked.mutex);
}

/* Where the result came from: how many of the files that its worker read it had read before. */
static void report_reads(struct run *run, const struct stage_run *stage, const struct pf_sync_event *event,
                         const struct task_result *result) {
    bool is_home = stage->workers && pf_str_equal(stage->workers[event->task_id], event->worker_id);
    run->query->stats.read_count += result->reads;
    run->query->stats.warm_read_count += result->warm_reads;
    query_add_reads(run->query, &result->store_reads);
    struct pf_exchange_use use = result->exchange_reads;
    exchange_use_add_output(&use, &stage->output.outputs[event->task_id]);
    exchange_use_add(&run->query->stats.exchange, &use);
    pthread_mutex_lock(&run->stack->locked.mutex);
    struct stage_progress *progress = run_progress_locked(run, stage->stage->id);
    exchange_use_add(&progress->use, &use);
    progress->home_tasks += is_home;
    progress->reads += result->reads;
    progress->warm_reads += result->warm_reads;
    pthread_mutex_unlock(&run->stack->locked.mutex);
}

/* `sign` is -1 when a result is taken back. */
static void report_result(struct run *run, const struct stage_run *stage, const struct pf_exchange_output *output,
                          int sign) {
    if (!stage->list.message.write) run->query->stats.exchanged_bytes += sign * output->size_bytes;
    pthread_mutex_lock(&run->stack->locked.mutex);
    struct stage_progress *progress = run_progress_locked(run, stage->stage->id);
    progress->rows += sign * output->rows;
    progress->bytes += sign * output->size_bytes;
    progress->done += sign;
    progress->ended_ms = progress->done == progress->tasks ? pf_clock_mono_ms() : 0;
    run->query->running.locked.stats = run->query->stats;
    pthread_mutex_unlock(&run->stack->locked.mutex);
}

void run_count_retry(struct run *run, int stage_id) {
    run->query->stats.retry_count++;
    pthread_mutex_lock(&run->stack->locked.mutex);
    struct stage_progress *progress = run_progress_locked(run, stage_id);
    if (progress) progress->retries++;
    run->query->running.locked.stats = run->query->stats;
    pthread_mutex_unlock(&run->stack->locked.mutex);
}

static void count_worker(struct run *run, pf_str worker) {
    for (int i = 0; i < run->worker_count; i++) {
        if (pf_str_equal(run->workers[i], worker)) return;
    }
    if (run->worker_count < MAX_WORKERS_SEEN) run->workers[run->worker_count++] = pf_arena_str(run->arena, worker);
    run->query->stats.worker_count = run->worker_count;
}

/* ---- results ---- */

enum pf_code stage_run_take(struct run *run, struct stage_run *stage, const struct pf_sync_event *event,
                            struct pf_error *err) {
    if (event->task_id < 0 || (size_t)event->task_id >= stage->output.count) {
        PF_FAIL(err, PF_BUG, "stage %d has no task %d", stage->stage->id, event->task_id);
    }
    struct task_state *task = &stage->tasks[event->task_id];
    if (task->is_done) return PF_OK;
    struct task_result result;
    struct pf_error damage;
    pf_str label = task_label(run->query->running.id, event->stage_id, event->task_id, run->arena);
    pf_str payload = pf_arena_str(run->arena, event->payload);
    struct pf_exchange_output *output = &stage->output.outputs[event->task_id];
    if (unseal_message(label, payload, &payload, &damage) != PF_OK) {
        /* Nobody knows where its output is: as if there were none. */
        pf_log_failure(PF_LOG_WARN, "a result is of no use: the task runs again", &damage);
        if (++task->reruns > MAX_RERUNS) RUN_FAIL(run, err, PF_REMOTE, "%s", damage.message);
        stage_run_forget(run, stage, (size_t)event->task_id);
        return PF_OK;
    }
    PF_TRY(task_result_decode(payload, run->arena, &result, err));
    if (stage->list.message.write) { /* files, and nothing in the exchange */
        *output = (struct pf_exchange_output){.rows = result.rows, .size_bytes = result.bytes};
    } else {
        PF_TRY(pf_exchange_output_decode(result.output_json, run->arena, output, err));
    }
    stage->output.outputs_json[event->task_id] = result.output_json;
    task->is_done = true;
    task->is_wanted = task->is_blocked = task->has_extra = false;
    stage->left--;
    if (stage->took_count < stage->output.count) stage->took_ms[stage->took_count++] = event->took_ms;
    count_worker(run, result.worker);
    query_log_task(run->stack, run->query->running.id, event, &result);
    report_reads(run, stage, event, &result);
    report_result(run, stage, output, 1);
    return PF_OK;
}

void stage_run_forget(struct run *run, struct stage_run *stage, size_t task_id) {
    struct task_state *task = &stage->tasks[task_id];
    task->is_wanted = run->has_changes = true;
    if (!task->is_done) return;
    task->is_done = false;
    stage->left++;
    report_result(run, stage, &stage->output.outputs[task_id], -1);
    run_count_retry(run, stage->stage->id);
}

/* ---- make and push ---- */

/* Another coordinator that cuts the stage in the same way finds the same mark. What the inputs are is left out: parts of
 * them may have been made anew since. */
static pf_str make_mark(const struct stage_run *stage) {
    XXH64_hash_t hash = XXH64(stage->list.message.sql.ptr, stage->list.message.sql.len, 1);
    for (size_t i = 0; i < stage->output.count; i++) {
        hash = XXH64(stage->payloads[i].ptr, stage->payloads[i].len, hash);
    }
    return pf_arena_printf(stage->arena, "%zu.%016llx", stage->output.count, (unsigned long long)hash);
}

enum pf_code stage_run_make(struct run *run, const struct pf_stage *stage, const struct pf_write *write,
                            struct stage_run **out_stage, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(run->arena, "stage");
    struct stage_outputs outputs = run_outputs(run, arena);
    struct task_list list;
    PF_TRY(make_tasks(run->stack, &run->query->tables, &outputs, stage, arena, &list, err));
    list.message.write = write;
    return stage_run_add(run, stage, &list, arena, out_stage, err);
}

enum pf_code stage_run_add(struct run *run, const struct pf_stage *stage, const struct task_list *list,
                           struct pf_arena *arena, struct stage_run **out_stage, struct pf_error *err) {
    struct stage_run *made = PF_ARENA_NEW(arena, struct stage_run);
    made->arena = arena;
    made->stage = stage;
    made->list = *list;
    size_t count = made->left = made->list.count;
    made->payloads = PF_ARENA_ARRAY(arena, pf_str, count);
    made->tasks = PF_ARENA_ARRAY(arena, struct task_state, count);
    made->took_ms = PF_ARENA_ARRAY(arena, int64_t, count);
    made->output = (struct stage_output){
        .stage_id = stage->id,
        .outputs_json = PF_ARENA_ARRAY(arena, pf_str, count),
        .outputs = PF_ARENA_ARRAY(arena, struct pf_exchange_output, count),
        .count = count,
    };
    for (size_t i = 0; i < count; i++) {
        made->payloads[i] = seal_message(task_label(run->query->running.id, stage->id, (int)i, arena),
                                         task_message_encode(&made->list.tasks[i], arena), arena);
        made->tasks[i].is_wanted = true;
    }
    made->mark = make_mark(made);
    PF_ARENA_PUSH(run->arena, run->stages, run->stage_count, run->stage_capacity) = made;
    report_stage(run, made);
    for (size_t i = run->history_count; i-- > 0;) { /* the latest result of a task is the one that is there */
        if (run->history[i].stage_id == stage->id) PF_TRY(stage_run_take(run, made, &run->history[i], err));
    }
    *out_stage = made;
    return PF_OK;
}

/* The message with its inputs as they are now. */
static pf_str encode_message(const struct run *run, const struct stage_run *stage, bool is_again,
                             struct pf_arena *arena) {
    pf_str label = stage_label(run->query->running.id, stage->stage->id, arena);
    struct stage_message message = stage->list.message;
    if (!is_again) return seal_message(label, stage_message_encode(&message, arena), arena);
    message.inputs = PF_ARENA_ARRAY(arena, struct stage_input, message.input_count);
    for (size_t i = 0; i < message.input_count; i++) {
        message.inputs[i] = stage->list.message.inputs[i];
        if (message.inputs[i].kind != PF_INPUT_DATASET) continue;
        const struct stage_run *maker = run_find_stage(run, stage->stage->fragment.inputs[i].stage_id);
        if (maker) message.inputs[i].outputs_json = join_outputs(&maker->output, arena);
    }
    return seal_message(label, stage_message_encode(&message, arena), arena);
}

/* Chooses workers for the tasks. That is for speed alone: without an answer from Redis nobody is chosen. */
static void choose_workers(struct run *run, struct stage_run *stage) {
    if (place_tasks(run->stack, &stage->list, stage->arena, &stage->workers, NULL) != PF_OK || !stage->workers) return;
    int kept = 0;
    for (size_t i = 0; i < stage->output.count; i++) kept += stage->workers[i].len > 0;
    run->steal_at_ms = pf_clock_mono_ms() + affinity_steal_ms(run->stack);
    pthread_mutex_lock(&run->stack->locked.mutex);
    run_progress_locked(run, stage->stage->id)->kept_tasks = kept;
    pthread_mutex_unlock(&run->stack->locked.mutex);
}

enum pf_code stage_run_push(struct run *run, struct stage_run *stage, bool is_again, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(run->arena, "push");
    struct pf_sync *sync = run->stack->sync;
    pf_str query_id = run->query->running.id;
    pf_str *payloads = PF_ARENA_ARRAY(scratch, pf_str, stage->output.count);
    for (size_t i = 0; i < stage->output.count; i++) {
        if (stage->tasks[i].is_wanted) payloads[i] = stage->payloads[i];
    }
    if (!is_again) choose_workers(run, stage);
    struct pf_sync_stage pushed = {
        .id = stage->stage->id,
        .coordinator_id = run->stack->coordinator_id,
        .payload = encode_message(run, stage, is_again, scratch),
        .tasks = payloads,
        .workers = is_again ? NULL : stage->workers,
        .steal_ms = affinity_steal_ms(run->stack),
        .task_count = (int)stage->output.count,
        .first_attempt = run->first_attempt,
        .mark = stage->mark,
        .replaces = is_again,
    };
    enum pf_code code = pf_sync_stage_push(sync, query_id, &pushed, err);
    for (size_t i = 0; i < stage->output.count && code == PF_OK; i++) {
        stage->tasks[i].is_wanted = false;
        stage->tasks[i].has_extra = stage->tasks[i].has_extra && !is_again;
    }
    pf_arena_free(scratch);
    return code;
}
