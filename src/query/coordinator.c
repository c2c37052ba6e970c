/* SPDX-License-Identifier: MIT */
/* The coordinator: asks the planner which stages can run, runs them on the fleet, puts datasets in their place, asks
 * again, and streams the last fragment here.
 *
 *   plan -> next -> stages ---- push tasks -> wait for events -> outputs --+
 *            ^                                                            |
 *            +------------------ replace each by its dataset <------------+
 *            |
 *            +-> last fragment -> rows
 *
 * All stages of one step run at once. What may go wrong on the way is told by events: a task that failed or was lost
 * is tried again by the queue itself; the coordinator only hears of it, and gives up when a failure is final. */
#include "query/make_tasks.h"
#include "query/query_internal.h"
#include "query/run_task.h"

#include "base/clock.h"
#include "base/log.h"
#include "fleet/fleet.h"
#include "planner/planner.h"
#include "sync/sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WAIT_MS = 250,
    CARE_EVERY_MS = 1000,
    COORDINATOR_LEASE_MS = 15000,
    MAX_STEPS = 1000,
    MAX_LOST_IN_A_ROW = 12, /* workers that end without finishing a task in between */
    MAX_WORKERS_SEEN = 1024
};

struct run {
    struct pf_query *query;
    struct pf_stack *stack;
    struct pf_arena *arena;
    const struct pf_plan *plan;
    struct pf_planner_options options;
    struct pf_sync_cursor cursor;
    struct stage_output *outputs;
    size_t output_count, output_capacity;
    int next_stage_id;
    int64_t next_care_ms;
    int quiet_cares;     /* rounds of care since a task ended */
    int64_t lost_before; /* environments lost when the last task ended */
    pf_str workers[MAX_WORKERS_SEEN];
    int worker_count;
};

static struct stage_outputs outputs_of(const struct run *run) {
    return (struct stage_outputs){run->outputs, run->output_count};
}

/* ---- progress ---- */

static const char *exchange_name(const struct pf_stage *stage) {
    static const char *const names[] = {"gather", "broadcast", "repartition"};
    return names[stage->exchange];
}

static void report_stage(struct run *run, const struct pf_stage *stage, const struct task_list *list) {
    struct running *running = &run->query->running;
    struct stage_progress progress = {
        .id = stage->id,
        .title = pf_arena_str(run->arena, stage->title),
        .exchange = pf_str_from_cstr(exchange_name(stage)),
        .single_reason = pf_arena_str(run->arena, stage->single_reason.why),
        .tasks = (int)list->count,
        .scanned_bytes = list->scan_bytes,
        .scanned_files = list->scan_files,
        .skipped_files = list->skipped_files,
        .skipped_rows = list->skipped_rows,
        .started_ms = pf_clock_mono_ms(),
    };
    if (stage->exchange == PF_EXCHANGE_REPARTITION) {
        progress.exchange = pf_arena_printf(run->arena, "repartition by %.*s into %d", PF_STR_ARG(stage->keys_text),
                                            stage->partition_count);
    }
    run->query->stats.stage_count++;
    run->query->stats.task_count += (int)list->count;
    run->query->stats.scanned_bytes += list->scan_bytes;
    pthread_mutex_lock(&run->stack->locked.mutex);
    PF_ARENA_PUSH(run->arena, running->locked.stages, running->locked.stage_count, running->locked.stage_capacity) =
        progress;
    running->locked.stats = run->query->stats;
    pthread_mutex_unlock(&run->stack->locked.mutex);
}

static void report_event(struct run *run, int stage_id, const struct task_result *result, bool is_retry) {
    struct running *running = &run->query->running;
    pthread_mutex_lock(&run->stack->locked.mutex);
    for (size_t i = 0; i < running->locked.stage_count; i++) {
        struct stage_progress *progress = &running->locked.stages[i];
        if (progress->id != stage_id) continue;
        progress->retries += is_retry;
        if (!result) continue;
        progress->rows += result->rows;
        progress->bytes += result->bytes;
        if (++progress->done == progress->tasks) progress->ended_ms = pf_clock_mono_ms();
    }
    running->locked.stats = run->query->stats;
    pthread_mutex_unlock(&run->stack->locked.mutex);
}

static void count_worker(struct run *run, pf_str worker) {
    for (int i = 0; i < run->worker_count; i++) {
        if (pf_str_equal(run->workers[i], worker)) return;
    }
    if (run->worker_count < MAX_WORKERS_SEEN) run->workers[run->worker_count++] = pf_arena_str(run->arena, worker);
    run->query->stats.worker_count = run->worker_count;
}

/* ---- one stage ---- */

static enum pf_code push_stage(struct run *run, const struct pf_stage *stage, struct stage_output *out_output,
                               struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(run->arena, "tasks");
    struct task_list list;
    enum pf_code code =
        make_tasks(run->stack, &run->query->tables, &(struct stage_outputs){run->outputs, run->output_count}, stage,
                   scratch, &list, err);
    if (code == PF_OK) {
        pf_str *payloads = PF_ARENA_ARRAY(scratch, pf_str, list.count);
        for (size_t i = 0; i < list.count; i++) payloads[i] = task_message_encode(&list.tasks[i], scratch);
        report_stage(run, stage, &list);
        struct pf_sync_stage pushed = {.id = stage->id,
                                       .payload = stage_message_encode(&list.message, scratch),
                                       .tasks = payloads,
                                       .task_count = (int)list.count};
        code = pf_sync_stage_push(run->stack->sync, run->query->running.id, &pushed, err);
        *out_output = (struct stage_output){
            .stage_id = stage->id,
            .outputs_json = PF_ARENA_ARRAY(run->arena, pf_str, list.count),
            .outputs = PF_ARENA_ARRAY(run->arena, struct pf_exchange_output, list.count),
            .count = list.count,
        };
    }
    pf_arena_free(scratch);
    return code;
}

static struct stage_output *find_stage(struct stage_output *stages, size_t count, int stage_id) {
    for (size_t i = 0; i < count; i++) {
        if (stages[i].stage_id == stage_id) return &stages[i];
    }
    return NULL;
}

static enum pf_code take_result(struct run *run, struct stage_output *stage, const struct pf_sync_event *event,
                                bool *out_is_new, struct pf_error *err) {
    if (event->task_id < 0 || (size_t)event->task_id >= stage->count) {
        PF_FAIL(err, PF_BUG, "stage %d has no task %d", stage->stage_id, event->task_id);
    }
    *out_is_new = stage->outputs_json[event->task_id].len == 0;
    if (!*out_is_new) return PF_OK;
    struct task_result result;
    pf_str payload = pf_arena_str(run->arena, event->payload);
    PF_TRY(task_result_decode(payload, run->arena, &result, err));
    PF_TRY(pf_exchange_output_decode(result.output_json, run->arena, &stage->outputs[event->task_id], err));
    stage->outputs_json[event->task_id] = result.output_json;
    run->query->stats.exchanged_bytes += result.bytes;
    count_worker(run, result.worker);
    report_event(run, stage->stage_id, &result, false);
    return PF_OK;
}

static void log_retry(const struct run *run, const struct pf_sync_event *event) {
    struct pf_arena *arena = pf_arena_new(NULL, "log");
    struct pf_error failure = {.code = event->code};
    snprintf(failure.message, sizeof failure.message, "%.*s", PF_STR_ARG(event->message));
    struct pf_log_context context = {
        .query = run->query->running.id,
        .stage = pf_arena_printf(arena, "%d", event->stage_id),
        .task = pf_arena_printf(arena, "%d.%d", event->task_id, event->attempt),
        .worker = event->worker_id,
    };
    struct pf_log_context before = pf_log_set_context(context);
    if (event->kind == PF_SYNC_LOST) {
        pf_log(PF_LOG_WARN,
               event->is_final ? "task lost for good: its worker died or was silent too long"
                               : "task lost: its worker died or was silent too long; queued again",
               NULL);
    } else {
        pf_log_failure(PF_LOG_WARN, event->is_final ? "task failed for good" : "task failed; queued again", &failure);
    }
    pf_log_set_context(before);
    pf_arena_free(arena);
}

static enum pf_code take_event(struct run *run, struct stage_output *stages, size_t count,
                               const struct pf_sync_event *event, size_t *left, struct pf_error *err) {
    struct stage_output *stage = find_stage(stages, count, event->stage_id);
    bool is_new = false;
    switch (event->kind) {
    case PF_SYNC_CANCELLED: PF_FAIL(err, PF_CANCELLED, "query %.*s was cancelled", PF_STR_ARG(run->query->running.id));
    case PF_SYNC_DONE:
        if (!stage) return PF_OK; /* of a stage that is over: a late second attempt */
        PF_TRY(take_result(run, stage, event, &is_new, err));
        *left -= is_new;
        return PF_OK;
    case PF_SYNC_FAILED:
    case PF_SYNC_LOST:
        log_retry(run, event);
        run->query->stats.retry_count++;
        report_event(run, event->stage_id, NULL, true);
        if (!event->is_final) return PF_OK;
        if (event->kind == PF_SYNC_LOST) {
            PF_FAIL(err, PF_REMOTE,
                    "stage %d, task %d: %d workers in a row died or fell silent while they worked on "
                    "it (out of memory? see --worker-memory)",
                    event->stage_id, event->task_id, event->attempt);
        }
        PF_FAIL(err, event->code == PF_OK ? PF_BUG : event->code, "stage %d, task %d, attempt %d on worker %.*s: %.*s",
                event->stage_id, event->task_id, event->attempt, PF_STR_ARG(event->worker_id),
                PF_STR_ARG(event->message));
    default: return PF_OK;
    }
}

/* ---- a step ---- */

static enum pf_code check_fleet(struct run *run, struct pf_error *err) {
    struct pf_fleet_status status;
    pf_fleet_get_status(run->stack->fleet, "engine", &status);
    if (run->lost_before < 0) run->lost_before = status.lost;
    if (status.lost - run->lost_before <= MAX_LOST_IN_A_ROW) return PF_OK;
    PF_FAIL(err, PF_REMOTE, "%lld workers in a row ended before they finished a task; their log: %.*s/workers.log",
            (long long)(status.lost - run->lost_before), PF_STR_ARG(run->stack->run_path));
}

/* Once a second: the lease on the query, tasks of silent workers, workers that went away. */
static enum pf_code take_care(struct run *run, int wanted_workers, struct pf_error *err) {
    int64_t now_ms = pf_clock_mono_ms();
    if (now_ms < run->next_care_ms) return PF_OK;
    run->next_care_ms = now_ms + CARE_EVERY_MS;
    run->quiet_cares++;
    bool is_cancelled = false;
    PF_TRY(pf_sync_coordinator_heartbeat(run->stack->sync, run->query->running.id, run->stack->coordinator_id,
                                         COORDINATOR_LEASE_MS, &is_cancelled, err));
    PF_TRY(pf_sync_expire(run->stack->sync, run->query->running.id, NULL, err));
    PF_TRY(check_fleet(run, err));
    /* A worker that hangs counts as alive: when nothing ends, one more comes to life each second. */
    return stack_wake_workers(run->stack, wanted_workers + run->quiet_cares - 1, err);
}

static enum pf_code wait_for_stages(struct run *run, struct stage_output *stages, size_t count, size_t left,
                                    struct pf_error *err) {
    int wanted = left > 1000 ? 1000 : (int)left;
    run->quiet_cares = 0;
    PF_TRY(stack_wake_workers(run->stack, wanted, err));
    while (left) {
        struct pf_arena *scratch = pf_arena_new(NULL, "events");
        struct pf_sync_event *events = NULL;
        size_t event_count = 0, left_before = left;
        enum pf_code code = pf_sync_wait_events(run->stack->sync, run->query->running.id, &run->cursor, WAIT_MS,
                                                scratch, &events, &event_count, err);
        for (size_t i = 0; i < event_count && code == PF_OK; i++) {
            code = take_event(run, stages, count, &events[i], &left, err);
        }
        pf_arena_free(scratch);
        if (left < left_before) {
            run->lost_before = -1;
            run->quiet_cares = 0;
        }
        if (code == PF_OK) code = running_check(&run->query->running, err);
        if (code == PF_OK) code = take_care(run, wanted, err);
        if (code != PF_OK) return running_explain_stop(&run->query->running, code, err);
    }
    return PF_OK;
}

static enum pf_code run_stages(struct run *run, const struct pf_stage *stages, size_t count, struct pf_error *err) {
    struct stage_output *outputs = PF_ARENA_ARRAY(run->arena, struct stage_output, count);
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        PF_TRY(push_stage(run, &stages[i], &outputs[i], err));
        left += outputs[i].count;
    }
    PF_TRY(wait_for_stages(run, outputs, count, left, err));
    for (size_t i = 0; i < count; i++) {
        struct pf_dataset dataset = dataset_of(&outputs[i], &stages[i], run->arena);
        PF_ARENA_PUSH(run->arena, run->outputs, run->output_count, run->output_capacity) = outputs[i];
        run->plan = pf_planner_replace(run->plan, &stages[i], &dataset, run->arena);
    }
    return PF_OK;
}

/* ---- the last fragment ---- */

static enum pf_code run_last(struct run *run, const struct pf_fragment *fragment, struct pf_error *err) {
    struct pf_query *query = run->query;
    struct task_list list;
    struct stage_outputs outputs = outputs_of(run);
    PF_TRY(make_single_task(run->stack, &query->tables, &outputs, fragment, run->arena, &list, err));
    query->stats.scanned_bytes += list.scan_bytes;
    PF_TRY(bind_inputs(run->stack->exchange, &list.message, &list.tasks[0], query->running.id, run->arena, err));
    query->bound_input_count = fragment->input_count;
    pf_str sql;
    PF_TRY(task_render_sql(&list.message, &list.tasks[0], query->running.id, run->arena, &sql, err));
    PF_TRY(pf_session_open(run->stack->last_engine, &query->session, err));
    running_set_session(run->stack, &query->running, query->session);
    return running_explain_stop(&query->running, pf_session_query(query->session, sql, &query->rows, err), err);
}

/* ---- planning ---- */

enum pf_code make_plan(struct pf_query *query, struct pf_plan **out_plan, struct pf_error *err) {
    struct pf_stack *stack = query->stack;
    struct pf_session *session = NULL;
    struct pf_plan_texts texts;
    PF_TRY(define_planner_tables(stack, &query->tables, err));
    PF_TRY(pf_session_open(stack->planner_engine, &session, err));
    running_set_session(stack, &query->running, session);
    enum pf_code code = pf_session_plan(session, query->sql, query->arena, &texts, err);
    if (code == PF_OK) {
        code = pf_session_result_columns(session, query->sql, query->arena, &query->column_names,
                                         &query->column_name_count, err);
    }
    running_set_session(stack, &query->running, NULL);
    pf_session_close(session);
    PF_TRY(running_explain_stop(&query->running, code, err));
    struct pf_table_facts *facts = PF_ARENA_ARRAY(query->arena, struct pf_table_facts, query->tables.count);
    for (size_t i = 0; i < query->tables.count; i++) {
        const struct lake_table *lake = &query->tables.items[i];
        facts[i] = (struct pf_table_facts){lake->scan_name, lake->totals.row_count, lake->totals.size_bytes,
                                           (int)lake->totals.file_count};
    }
    return pf_planner_read(texts.plan_json, texts.estimates_json, facts, query->tables.count, query->arena, out_plan,
                           err);
}

void planner_options(const struct pf_stack *stack, struct pf_planner_options *options) {
    pf_planner_default_options(options);
    options->worker_count = stack->options.worker_count;
}

static enum pf_code begin_in_redis(struct pf_query *query, struct pf_error *err) {
    struct pf_sync_query_options options = {
        .record_json = running_record_json(query->stack, &query->running, query->arena),
        .coordinator_id = query->stack->coordinator_id,
        .ttl_ms = RECORD_TTL_MS,
        .coordinator_lease_ms = COORDINATOR_LEASE_MS,
        .max_attempts = MAX_ATTEMPTS,
    };
    PF_TRY(pf_sync_query_begin(query->stack->sync, query->running.id, &options, err));
    query->is_spread = true;
    return PF_OK;
}

enum pf_code coordinate(struct pf_query *query, pf_str *out_reason, struct pf_error *err) {
    struct pf_plan *plan = NULL;
    int64_t started_ns = pf_clock_mono_ns();
    enum pf_code code = make_plan(query, &plan, err);
    if (code == PF_UNSUPPORTED) *out_reason = pf_arena_str(query->arena, pf_str_from_cstr(err ? err->message : ""));
    PF_TRY(code);
    query->stats.plan_us = (pf_clock_mono_ns() - started_ns) / 1000;
    struct run *run = PF_ARENA_NEW(query->arena, struct run);
    *run = (struct run){.query = query, .stack = query->stack, .arena = query->arena, .plan = plan, .lost_before = -1};
    planner_options(query->stack, &run->options);
    for (int step_number = 0; step_number < MAX_STEPS; step_number++) {
        struct pf_step step;
        PF_TRY(pf_planner_next(run->plan, &run->options, run->next_stage_id, query->arena, &step, err));
        if (step.kind == PF_STEP_ONE_PLACE) {
            *out_reason = step.reason.why;
            PF_FAIL(err, PF_UNSUPPORTED, "%.*s", PF_STR_ARG(step.reason.why));
        }
        if (step.reason.why.len) query->stats.reason = step.reason.why;
        if (step.kind == PF_STEP_LAST) return run_last(run, &step.last, err);
        if (!query->is_spread) PF_TRY(begin_in_redis(query, err));
        running_set_state(query->stack, &query->running, QUERY_RUNNING);
        PF_TRY(run_stages(run, step.stages, step.stage_count, err));
        for (size_t i = 0; i < step.stage_count; i++) {
            if (step.stages[i].id >= run->next_stage_id) run->next_stage_id = step.stages[i].id + 1;
        }
    }
    PF_FAIL(err, PF_BUG, "planning did not come to an end after %d steps", MAX_STEPS);
}

void coordinate_clean_up(struct pf_query *query) {
    struct pf_error err;
    struct pf_stack *stack = query->stack;
    if (query->bound_input_count) unbind_inputs(stack->exchange, query->bound_input_count, query->running.id);
    query->bound_input_count = 0;
    if (!query->is_spread) return;
    query->is_spread = false;
    if (pf_sync_query_end(stack->sync, query->running.id, stack->coordinator_id, &err) != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "keys of the query stay in Redis until their time is over", &err);
    }
    if (pf_exchange_remove_files(stack->exchange, query->running.id, &err) != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "files of the query stay in the exchange directory", &err);
    }
}
