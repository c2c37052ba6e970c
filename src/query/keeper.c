/* SPDX-License-Identifier: MIT */
/* One thread that looks after the stack: stops queries at their time limit, starts Redis again when it died, removes
 * what queries of dead coordinators left behind. */
#include "query/query_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "sync/sync.h"

enum { TICK_MS = 20, CARE_EVERY_MS = 500, SWEEP_EVERY_MS = 30000, ORPHAN_GRACE_MS = 10000 };

static void stop_late_queries_locked(struct pf_stack *stack) {
    int64_t now_ms = pf_clock_mono_ms();
    for (struct running *running = stack->locked.first; running; running = running->next) {
        if (running->deadline_mono_ms && now_ms >= running->deadline_mono_ms) {
            int expected = STOP_NOT;
            atomic_compare_exchange_strong(&running->stop, &expected, STOP_TIMEOUT);
        }
        /* Again and again: an interrupt that comes between two statements is lost. */
        if (atomic_load(&running->stop) != STOP_NOT && running->locked.session) {
            pf_session_interrupt(running->locked.session);
        }
    }
}

static void revive_redis(struct pf_stack *stack) {
    struct pf_error err;
    pthread_mutex_lock(&stack->start_mutex);
    if (stack->redis && !pf_redis_is_alive(stack->redis)) {
        pf_log(PF_LOG_ERROR, "redis-server ended, starting it again", NULL);
        if (pf_redis_respawn(stack->redis, &err) != PF_OK) {
            pf_log_failure(PF_LOG_ERROR, "redis-server did not start", &err);
        }
    }
    pthread_mutex_unlock(&stack->start_mutex);
}

static void remove_orphans(struct pf_stack *stack, struct pf_sync *sync) {
    struct pf_arena *arena = pf_arena_new(NULL, "sweep");
    struct pf_error err;
    pf_str *ids = NULL;
    size_t count = 0;
    if (pf_sync_sweep(sync, ORPHAN_GRACE_MS, arena, &ids, &count, &err) != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "sweep of orphaned queries failed, tolerated", &err);
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        pf_log_text(PF_LOG_WARN, "removed a query whose coordinator is gone", "orphan", ids[i]);
        if (pf_exchange_remove_files(stack->exchange, ids[i], &err) != PF_OK) {
            pf_log_failure(PF_LOG_WARN, "files of an orphaned query not removed, tolerated", &err);
        }
    }
    pf_arena_free(arena);
}

static bool tick_locked(struct pf_stack *stack) {
    if (!stack->locked.is_closing) pf_condition_wait_ms(&stack->changed, &stack->locked.mutex, TICK_MS);
    stop_late_queries_locked(stack);
    return !stack->locked.is_closing;
}

static void *keep(void *context) {
    struct pf_stack *stack = context;
    int64_t next_care_ms = 0, next_sweep_ms = pf_clock_mono_ms() + SWEEP_EVERY_MS;
    for (;;) {
        pthread_mutex_lock(&stack->locked.mutex);
        bool goes_on = tick_locked(stack);
        struct pf_sync *sync = stack->locked.sync;
        pthread_mutex_unlock(&stack->locked.mutex);
        if (!goes_on) return NULL;
        int64_t now_ms = pf_clock_mono_ms();
        if (sync && now_ms >= next_care_ms) {
            next_care_ms = now_ms + CARE_EVERY_MS;
            revive_redis(stack);
        }
        if (sync && now_ms >= next_sweep_ms) {
            next_sweep_ms = now_ms + SWEEP_EVERY_MS;
            remove_orphans(stack, sync);
        }
    }
}

enum pf_code keeper_start(struct pf_stack *stack, struct pf_error *err) {
    int status = pthread_create(&stack->keeper, NULL, keep, stack);
    if (status != 0) PF_FAIL_ERRNO(err, status, "start the keeper thread");
    stack->has_keeper = true;
    return PF_OK;
}

void keeper_stop(struct pf_stack *stack) {
    pthread_mutex_lock(&stack->locked.mutex);
    stack->locked.is_closing = true;
    for (struct running *running = stack->locked.first; running; running = running->next) {
        int expected = STOP_NOT;
        atomic_compare_exchange_strong(&running->stop, &expected, STOP_CANCELLED);
        if (running->locked.session) pf_session_interrupt(running->locked.session);
    }
    pthread_cond_broadcast(&stack->changed);
    pthread_mutex_unlock(&stack->locked.mutex);
    if (stack->has_keeper) pthread_join(stack->keeper, NULL);
    stack->has_keeper = false;
}
