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

size_t most_extra_attempts(size_t task_count) {
    return task_count / MAX_EXTRA_SHARE ? task_count / MAX_EXTRA_SHARE : 1;
}

int64_t straggler_age_ms(const int64_t *took_ms, size_t took_count, size_t task_count) {
    if (took_count == 0 || took_count * DONE_SHARE < task_count) return INT64_MAX;
    int64_t *sorted = malloc(took_count * sizeof *sorted);
    if (!sorted) return INT64_MAX;
    for (size_t i = 0; i < took_count; i++) sorted[i] = took_ms[i];
    qsort(sorted, took_count, sizeof *sorted, compare_times);
    int64_t median_ms = sorted[took_count / 2];
    free(sorted);
    int64_t age_ms = TIMES_AS_LONG * median_ms + 1;
    return age_ms < MIN_AGE_MS ? MIN_AGE_MS : age_ms;
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

static enum pf_code help_one(struct run *run, struct stage_run *stage, const struct pf_sync_running *slow,
                             struct pf_error *err) {
    PF_TRY(pf_sync_speculate(run->stack->sync, run->query->running.id, slow->stage_id, slow->task_id, err));
    stage->tasks[slow->task_id].has_extra = true;
    stage->extra_count++;
    report_extra(run, stage, slow);
    return PF_OK;
}

static enum pf_code help_stage(struct run *run, struct stage_run *stage, const struct pf_sync_running *running,
                               size_t count, struct pf_error *err) {
    int64_t age_ms = -1; /* worth a look at all tasks that are done once, and only if it matters */
    for (size_t i = 0; i < count; i++) {
        const struct pf_sync_running *one = &running[i];
        if (one->stage_id != stage->stage->id || one->age_ms < MIN_AGE_MS) continue;
        if (one->task_id < 0 || (size_t)one->task_id >= stage->output.count) continue;
        if (stage->tasks[one->task_id].is_done || stage->tasks[one->task_id].has_extra) continue;
        if ((size_t)stage->extra_count >= most_extra_attempts(stage->output.count)) return PF_OK;
        if (age_ms < 0) age_ms = straggler_age_ms(stage->took_ms, stage->took_count, stage->output.count);
        if (one->age_ms >= age_ms) PF_TRY(help_one(run, stage, one, err));
    }
    return PF_OK;
}

enum pf_code speculate(struct run *run, const struct pf_sync_running *running, size_t count, struct pf_error *err) {
    for (size_t i = 0; i < run->stage_count; i++) {
        if (run->stages[i]->left) PF_TRY(help_stage(run, run->stages[i], running, count, err));
    }
    return PF_OK;
}
