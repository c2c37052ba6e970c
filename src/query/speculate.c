/* SPDX-License-Identifier: MIT */
/* Stragglers: near the end of a stage, a task that has run for much longer than its siblings took gets a second attempt.
 * The first to publish wins; the other one learns it with its heartbeat, stops, and removes what it made. */
#include "query/run.h"

#include "base/log.h"

#include <stdlib.h>

enum {
    MIN_AGE_MS = 1000,  /* below that a second attempt costs more than it may bring */
    TIMES_AS_LONG = 3,  /* as the median of the siblings */
    DONE_SHARE = 2,     /* one in so many must be done before anybody is called slow */
    MAX_EXTRA_SHARE = 8 /* one task in so many of a stage may have a second attempt, but one may always */
};

static int compare_times(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

bool is_straggler(int64_t age_ms, const int64_t *took_ms, size_t took_count, size_t task_count, int extra_count) {
    size_t most = task_count / MAX_EXTRA_SHARE ? task_count / MAX_EXTRA_SHARE : 1;
    if (age_ms < MIN_AGE_MS || took_count == 0 || took_count * DONE_SHARE < task_count) return false;
    if ((size_t)extra_count >= most) return false;
    int64_t *sorted = malloc(took_count * sizeof *sorted);
    if (!sorted) return false;
    for (size_t i = 0; i < took_count; i++) sorted[i] = took_ms[i];
    qsort(sorted, took_count, sizeof *sorted, compare_times);
    int64_t median_ms = sorted[took_count / 2];
    free(sorted);
    return age_ms > TIMES_AS_LONG * median_ms;
}

static void report_extra(struct run *run, const struct stage_run *stage, const struct pf_sync_running *slow) {
    run->query->stats.extra_attempts++;
    pthread_mutex_lock(&run->stack->locked.mutex);
    run_progress_locked(run, stage->stage->id)->extra_attempts++;
    run->query->running.locked.stats = run->query->stats;
    pthread_mutex_unlock(&run->stack->locked.mutex);
    pf_log(PF_LOG_INFO, "a task is slow: it gets a second attempt",
           "\"query_id\":\"%.*s\",\"slow_stage\":%d,\"slow_task\":%d,\"slow_worker\":\"%.*s\",\"age_ms\":%lld",
           PF_STR_ARG(run->query->running.id), slow->stage_id, slow->task_id, PF_STR_ARG(slow->worker_id),
           (long long)slow->age_ms);
}

enum pf_code speculate(struct run *run, const struct pf_sync_running *running, size_t count, struct pf_error *err) {
    for (size_t i = 0; i < count; i++) {
        struct stage_run *stage = run_find_stage(run, running[i].stage_id);
        if (!stage || running[i].task_id < 0 || (size_t)running[i].task_id >= stage->output.count) continue;
        struct task_state *task = &stage->tasks[running[i].task_id];
        if (task->is_done || task->has_extra) continue;
        if (!is_straggler(running[i].age_ms, stage->took_ms, stage->took_count, stage->output.count,
                          stage->extra_count)) {
            continue;
        }
        PF_TRY(pf_sync_task_again(run->stack->sync, run->query->running.id, running[i].stage_id, running[i].task_id,
                                  PF_SYNC_SPECULATE, err));
        task->has_extra = true;
        stage->extra_count++;
        report_extra(run, stage, &running[i]);
    }
    return PF_OK;
}
