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
 * is tried again by the queue itself; the coordinator only hears of it. It acts when a failure is final (lineage.c says
 * whether that can be mended), when a task is slow (speculate.c), and when Redis is silent or has lost keys
 * (recover.c). A coordinator that takes a query over does the same, and finds the results of finished tasks in the
 * events of the query. */
#include "query/describe_files.h"
#include "query/query_internal.h"
#include "query/query_log.h"
#include "query/resume.h"
#include "query/run.h"
#include "query/run_task.h"
#include "query/write.h"

#include "base/clock.h"
#include "base/log.h"
#include "fleet/fleet.h"
#include "query/store_slices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WAIT_MS = 250,
    CARE_EVERY_MS = 500,
    CARES_PER_WORKER = 2, /* quiet ones, until one more worker comes to life */
    IDLE_CARES = 3,       /* with nothing waiting and nothing running, until the queue is mended */
    RECORD_EVERY_MS = 2000,
    MAX_STEPS = 1000,
    MAX_LOST_IN_A_ROW = 12, /* workers that end without finishing a task in between */
};

int64_t coordinator_lease_ms(const struct pf_stack *stack) {
    return stack->options.lease_ms + stack->options.lease_ms / 2;
}

/* ---- events ---- */

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

static enum pf_code take_event(struct run *run, const struct pf_sync_event *event, struct pf_error *err) {
    struct stage_run *stage = run_find_stage(run, event->stage_id);
    switch (event->kind) {
    case PF_SYNC_CANCELLED: PF_FAIL(err, PF_CANCELLED, "query %.*s was cancelled", PF_STR_ARG(run->query->running.id));
    case PF_SYNC_DONE:
        if (!stage) return PF_OK; /* of a plan that was given up */
        return stage_run_take(run, stage, event, err);
    case PF_SYNC_FAILED:
    case PF_SYNC_LOST:
        log_retry(run, event);
        query_log_task(run->stack, run->query->running.id, event, NULL);
        run_count_retry(run, event->stage_id);
        if (!event->is_final) return PF_OK;
        if (event->kind == PF_SYNC_FAILED) return lineage_mend(run, event, err);
        PF_FAIL(err, PF_REMOTE,
                "stage %d, task %d: %d workers in a row died or fell silent while they worked on "
                "it (out of memory? see --worker-memory)",
                event->stage_id, event->task_id, event->attempt);
    default: return PF_OK;
    }
}

/* Until when events are waited for. */
static int64_t choose_wait_ms(const struct run *run) {
    int64_t left_ms = run->steal_at_ms - pf_clock_mono_ms();
    if (run->steal_at_ms == 0 || left_ms > WAIT_MS) return WAIT_MS;
    return left_ms < 1 ? 1 : left_ms;
}

/* Once tasks that were kept for workers may be stolen, idle workers are told of those that are left. */
static enum pf_code let_steal(struct run *run, struct pf_error *err) {
    if (run->steal_at_ms == 0 || pf_clock_mono_ms() < run->steal_at_ms) return PF_OK;
    run->steal_at_ms = 0;
    if (run_tasks_left(run) == 0) return PF_OK;
    enum pf_code code = pf_sync_expire(run->stack->sync, run->query->running.id, NULL, NULL, err);
    return code == PF_OK ? PF_OK : recover(run, code, err);
}

static enum pf_code take_events(struct run *run, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "events");
    struct pf_sync_event *events = NULL;
    size_t count = 0, left = run_tasks_left(run);
    enum pf_code code = pf_sync_wait_events(run->stack->sync, run->query->running.id, &run->cursor, choose_wait_ms(run),
                                            scratch, &events, &count, err);
    if (code == PF_OK) run->silent_since_ms = 0;
    if (code != PF_OK) code = recover(run, code, err);
    for (size_t i = 0; i < count && code == PF_OK; i++) {
        /* Its own calls to sync may fail as well; a failure of the query comes back as it is. */
        code = take_event(run, &events[i], err);
    }
    if (count > 0 && code == PF_OK) code = lineage_unblock(run, err);
    /* Who is behind with events sees an empty queue while the results are still to be read. */
    if (count > 0) run->idle_cares = 0;
    pf_arena_free(scratch);
    if (run_tasks_left(run) < left) {
        run->lost_before = -1;
        run->quiet_cares = 0;
    }
    return code;
}

/* ---- care ---- */

static enum pf_code check_fleet(struct run *run, struct pf_error *err) {
    struct pf_fleet_status status;
    if (!run->stack->fleet) return PF_OK; /* workers are somebody else's */
    pf_fleet_get_status(run->stack->fleet, "engine", &status);
    if (run->lost_before < 0) run->lost_before = status.lost;
    if (status.lost - run->lost_before <= MAX_LOST_IN_A_ROW) return PF_OK;
    PF_FAIL(err, PF_REMOTE, "%lld workers in a row ended before they finished a task; their log: %.*s/workers.log",
            (long long)(status.lost - run->lost_before), PF_STR_ARG(run->stack->run_path));
}

/* When nothing waits: is what runs slow, and does anything run? */
static enum pf_code look_at_running(struct run *run, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "running");
    struct pf_sync_running *running = NULL;
    size_t count = 0;
    int waiting = 0;
    enum pf_code code =
        pf_sync_running(run->stack->sync, run->query->running.id, scratch, &running, &count, &waiting, err);
    if (code == PF_OK && waiting == 0) code = speculate(run, running, count, err);
    pf_arena_free(scratch);
    PF_TRY(code);
    run->idle_cares = waiting == 0 && count == 0 && run->quiet_cares > 0 ? run->idle_cares + 1 : 0;
    if (run->idle_cares < IDLE_CARES) return PF_OK;
    run->idle_cares = 0;
    run->must_mend = true;
    return PF_OK;
}

static enum pf_code put_record(struct run *run, int64_t now_ms, struct pf_error *err) {
    if (now_ms < run->next_record_ms) return PF_OK;
    run->next_record_ms = now_ms + RECORD_EVERY_MS;
    struct pf_arena *scratch = pf_arena_new(NULL, "record");
    pf_str json = running_record_json(run->stack, &run->query->running, scratch);
    enum pf_code code = pf_sync_record_put(run->stack->sync, run->query->running.id, json, RECORD_TTL_MS, err);
    pf_arena_free(scratch);
    return code;
}

static enum pf_code care_for_keys(struct run *run, int64_t now_ms, struct pf_error *err) {
    bool is_cancelled = false;
    PF_TRY(pf_sync_coordinator_heartbeat(run->stack->sync, run->query->running.id, run->stack->coordinator_id,
                                         coordinator_lease_ms(run->stack), &is_cancelled, err));
    int waiting = 0;
    PF_TRY(pf_sync_expire(run->stack->sync, run->query->running.id, NULL, &waiting, err));
    PF_TRY(put_record(run, now_ms, err));
    if (waiting == 0) return look_at_running(run, err);
    run->idle_cares = 0;
    return PF_OK;
}

/* Now and then: the lease on the query, tasks of silent workers, stragglers, workers that went away. */
static enum pf_code take_care(struct run *run, struct pf_error *err) {
    int64_t now_ms = pf_clock_mono_ms();
    if (now_ms < run->next_care_ms) return PF_OK;
    run->next_care_ms = now_ms + CARE_EVERY_MS;
    run->quiet_cares++;
    enum pf_code code = care_for_keys(run, now_ms, err);
    if (code != PF_OK) PF_TRY(recover(run, code, err));
    if (run->must_mend) PF_TRY(mend_queue(run, err));
    run->must_mend = false;
    PF_TRY(check_fleet(run, err));
    /* A worker that hangs counts as alive: when nothing ends, one more comes to life now and then. */
    size_t wanted = run_tasks_left(run);
    return stack_wake_workers(run->stack, (int)(wanted > 1000 ? 1000 : wanted) + run->quiet_cares / CARES_PER_WORKER,
                              err);
}

enum pf_code run_wait_for_stages(struct run *run, struct pf_error *err) {
    size_t wanted = run_tasks_left(run);
    run->quiet_cares = run->idle_cares = 0;
    if (wanted) PF_TRY(stack_wake_workers(run->stack, wanted > 1000 ? 1000 : (int)wanted, err));
    while (run_tasks_left(run)) {
        enum pf_code code = take_events(run, err);
        if (code == PF_OK) code = running_check(&run->query->running, err);
        if (code == PF_OK) code = let_steal(run, err);
        if (code == PF_OK) code = take_care(run, err);
        if (code != PF_OK) return running_explain_stop(&run->query->running, code, err);
    }
    return PF_OK;
}

/* ---- a step ---- */

enum pf_code run_stages(struct run *run, const struct pf_stage *stages, size_t count, const struct pf_write *write,
                        struct stage_run ***out_made, struct pf_error *err) {
    struct stage_run **made = PF_ARENA_ARRAY(run->arena, struct stage_run *, count);
    for (size_t i = 0; i < count; i++) {
        PF_TRY(stage_run_make(run, &stages[i], write, &made[i], err));
        enum pf_code code;
        while ((code = stage_run_push(run, made[i], false, err)) != PF_OK) {
            run->differs = code == PF_INVALID;
            PF_TRY(recover(run, code, err));
        }
        run->silent_since_ms = 0;
    }
    *out_made = made;
    return run_wait_for_stages(run, err);
}

static enum pf_code run_and_replace(struct run *run, const struct pf_stage *stages, size_t count,
                                    struct pf_error *err) {
    struct stage_run **made = NULL;
    PF_TRY(run_stages(run, stages, count, NULL, &made, err));
    for (size_t i = 0; i < count; i++) {
        struct pf_dataset dataset = dataset_of(&made[i]->output, &stages[i], run->arena);
        run->plan = pf_planner_replace(run->plan, &stages[i], &dataset, run->arena);
    }
    return PF_OK;
}

/* ---- the last fragment ---- */

static enum pf_code start_last(struct run *run, const struct pf_fragment *fragment, struct pf_error *err) {
    struct pf_query *query = run->query;
    struct task_list list;
    struct stage_outputs outputs = run_outputs(run, run->arena);
    PF_TRY(make_single_task(run->stack, &query->tables, &outputs, fragment, run->arena, &list, err));
    query->stats.scanned_bytes += list.scan_bytes;
    PF_TRY(bind_inputs(run->stack->exchange, &list.message, &list.tasks[0], query->running.id, run->arena, err));
    query->bound_input_count = fragment->input_count;
    query->last_is_counted = false;
    struct stage_message stage;
    struct task_message task;
    pf_str sql;
    struct task_files files;
    PF_TRY(query_acquire_files(query, &list.message, &list.tasks[0], &files, err));
    PF_TRY(pf_session_open(run->stack->last_engine, &query->session, err));
    PF_TRY(describe_files(query->session, &files.stage, &files.task, run->arena, &stage, &task, err));
    PF_TRY(task_render_sql(&stage, &task, query->running.id, run->arena, &sql, err));
    running_set_session(run->stack, &query->running, query->session);
    if (query->is_resumed) return resume_keep(query, sql, err);
    return pf_session_query(query->session, sql, &query->rows, err);
}

void coordinate_count_last(struct pf_query *query) {
    if (!query->bound_input_count || query->last_is_counted) return;
    query->last_is_counted = true;
    add_input_reads(query->stack->exchange, query->bound_input_count, query->running.id, &query->stats.exchange);
}

static void stop_last(struct pf_query *query) {
    query->rows = pf_rows_close(query->rows);
    coordinate_count_last(query);
    if (query->session) running_set_session(query->stack, &query->running, NULL);
    query->session = pf_session_close(query->session);
    query_release_files(query);
    if (query->bound_input_count) unbind_inputs(query->stack->exchange, query->bound_input_count, query->running.id);
    query->bound_input_count = 0;
}

/* What it reads may be lost by now; then it is made again, as for a task. */
static enum pf_code run_last(struct run *run, const struct pf_fragment *fragment, struct pf_error *err) {
    for (;;) {
        enum pf_code code = running_explain_stop(&run->query->running, start_last(run, fragment, err), err);
        if (code == PF_OK) return PF_OK;
        stop_last(run->query);
        PF_TRY(lineage_mend_last(run, fragment, err));
        PF_TRY(run_wait_for_stages(run, err));
    }
}

enum pf_code coordinate_again(struct pf_query *query, struct pf_error *err) {
    stop_last(query);
    PF_TRY(lineage_mend_last(query->run, query->last, err));
    PF_TRY(run_wait_for_stages(query->run, err));
    return run_last(query->run, query->last, err);
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
    double scale = (double)stack->options.task_size_bytes / USUAL_TASK_BYTES;
    options->partition_target_bytes = (int64_t)((double)options->partition_target_bytes * scale);
    options->broadcast_max_bytes = (int64_t)((double)options->broadcast_max_bytes * scale);
    options->replicated_scan_max_bytes = (int64_t)((double)options->replicated_scan_max_bytes * scale);
    options->key_filter_min_bytes = (int64_t)((double)options->key_filter_min_bytes * scale);
}

static struct run *new_run(struct pf_query *query, const struct pf_plan *plan) {
    struct run *run = PF_ARENA_NEW(query->arena, struct run);
    *run = (struct run){.query = query,
                        .stack = query->stack,
                        .arena = query->arena,
                        .plan = plan,
                        .first_attempt = 1,
                        .lost_before = -1};
    planner_options(query->stack, &run->options);
    if (query->planned_workers) run->options.worker_count = query->planned_workers;
    run->options.root_is_stage = query->write != NULL;
    return run;
}

static enum pf_code begin(struct run *run, struct pf_error *err) {
    if (run->query->is_spread) return PF_OK;
    if (run->query->is_resumed && run->query->run_count == 1) {
        run->query->is_spread = true;
        return PF_OK;
    }
    enum pf_code code;
    while ((code = begin_in_redis(run, err)) != PF_OK) {
        if (code == PF_CONFLICT) return code; /* somebody else's query has that id */
        PF_TRY(recover(run, code, err));
    }
    return PF_OK;
}

static enum pf_code run_steps(struct run *run, pf_str *out_reason, struct pf_error *err) {
    struct pf_query *query = run->query;
    for (int step_number = 0; step_number < MAX_STEPS; step_number++) {
        struct pf_step *step = PF_ARENA_NEW(query->arena, struct pf_step);
        PF_TRY(pf_planner_next(run->plan, &run->options, run->next_stage_id, query->arena, step, err));
        if (step->kind == PF_STEP_ONE_PLACE) {
            *out_reason = step->reason.why;
            PF_FAIL(err, PF_UNSUPPORTED, "%.*s", PF_STR_ARG(step->reason.why));
        }
        if (step->reason.why.len && !step->reason.is_natural) query->stats.reason = step->reason.why;
        query->last = &step->last;
        if (step->kind == PF_STEP_LAST) return run_last(run, &step->last, err);
        PF_TRY(begin(run, err));
        running_set_state(query->stack, &query->running, QUERY_RUNNING);
        if (step->kind == PF_STEP_ROOT) return write_root(run, step->stages, step->stage_count, err);
        PF_TRY(run_and_replace(run, step->stages, step->stage_count, err));
        for (size_t i = 0; i < step->stage_count; i++) {
            if (step->stages[i].id >= run->next_stage_id) run->next_stage_id = step->stages[i].id + 1;
        }
    }
    PF_FAIL(err, PF_BUG, "planning did not come to an end after %d steps", MAX_STEPS);
}

/* What the coordinator before had done can't be used: its tables had other snapshots, or it was another version. */
static enum pf_code start_over(struct pf_query *query, const struct pf_plan *plan, pf_str *out_reason,
                               struct pf_error *err) {
    struct pf_stack *stack = query->stack;
    int first_attempt = query->run->first_attempt + ATTEMPT_STRIDE;
    pf_log_text(PF_LOG_INFO, "the query is started over: its stages were cut in another way", "query_id",
                query->running.id);
    query->stats.stage_count = query->stats.task_count = 0;
    query->stats.scanned_bytes = query->stats.exchanged_bytes = 0;
    query->stats.exchange = (struct pf_exchange_use){0};
    pthread_mutex_lock(&stack->locked.mutex);
    query->running.locked.stage_count = 0;
    pthread_mutex_unlock(&stack->locked.mutex);
    query->run = new_run(query, plan);
    query->run->first_attempt = first_attempt;
    PF_TRY(pf_sync_query_end(stack->sync, query->running.id, stack->coordinator_id, err));
    PF_TRY(begin_in_redis(query->run, err));
    return run_steps(query->run, out_reason, err);
}

enum pf_code coordinate(struct pf_query *query, pf_str *out_reason, struct pf_error *err) {
    struct pf_plan *plan = NULL;
    int64_t started_ns = pf_clock_mono_ns();
    enum pf_code code = make_plan(query, &plan, err);
    if (code == PF_UNSUPPORTED) *out_reason = pf_arena_str(query->arena, pf_str_from_cstr(err ? err->message : ""));
    PF_TRY(code);
    query->stats.plan_us = (pf_clock_mono_ns() - started_ns) / 1000;
    query->run = new_run(query, plan);
    query->run_count++;
    if (query->is_resumed && query->run_count == 1) PF_TRY(recover_history(query->run, err));
    code = run_steps(query->run, out_reason, err);
    if (code != PF_OK && query->run->differs) code = start_over(query, plan, out_reason, err);
    return running_explain_stop(&query->running, code, err);
}

/* Only the coordinator that has the query may remove its keys and files. */
static enum pf_code end_in_redis(struct pf_query *query, struct pf_error *err) {
    if (query->running.is_foreign) return PF_CONFLICT;
    return pf_sync_query_end(query->stack->sync, query->running.id, query->stack->coordinator_id, err);
}

/* Nothing was tried twice, so that there are no objects but those of results. */
static bool has_only_results(const struct pf_query *query) {
    const struct pf_query_stats *stats = &query->stats;
    const struct run *run = query->run;
    if (stats->retry_count || stats->extra_attempts || query->is_resumed || run_tasks_left(run)) return false;
    for (size_t i = 0; i < run->stage_count; i++) {
        for (size_t k = 0; k < run->stages[i]->output.count; k++) {
            if (run->stages[i]->tasks[k].reruns || run->stages[i]->tasks[k].blocks) return false;
        }
    }
    return true;
}

static void remove_objects(struct pf_query *query, enum pf_code code) {
    const struct run *run = query->run;
    struct pf_arena *arena = pf_arena_new(NULL, "remove objects");
    size_t count = 0, capacity = 0;
    pf_str *keys = NULL;
    for (size_t i = 0; i < run->stage_count; i++) {
        for (size_t k = 0; k < run->stages[i]->output.count; k++) {
            const struct pf_exchange_output *output = &run->stages[i]->output.outputs[k];
            for (size_t o = 0; run->stages[i]->tasks[k].is_done && o < output->object_count; o++) {
                if (output->objects[o].medium != PF_MEDIUM_STORE) continue;
                PF_ARENA_PUSH(arena, keys, count, capacity) = output->objects[o].key;
            }
        }
    }
    bool is_thorough = code != PF_OK || !has_only_results(query);
    store_slices_remove_query(query->stack->store_slices, query->running.id, keys, count, is_thorough);
    pf_arena_free(arena);
}

void coordinate_clean_up(struct pf_query *query, enum pf_code end_code) {
    struct pf_error err;
    struct pf_stack *stack = query->stack;
    coordinate_count_last(query);
    if (query->bound_input_count) unbind_inputs(stack->exchange, query->bound_input_count, query->running.id);
    query->bound_input_count = 0;
    if (!query->is_spread) return;
    query->is_spread = false;
    enum pf_code code = end_in_redis(query, &err);
    if (code == PF_CONFLICT) {
        query->running.is_foreign = true;
        return;
    }
    if (code != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "keys of the query stay in Redis until a sweep or until their time is over", &err);
    }
    if (pf_exchange_remove_files(stack->exchange, query->running.id, &err) != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "files of the query stay in the exchange directory", &err);
    }
    if (stack->store_slices && query->run) remove_objects(query, end_code);
}
