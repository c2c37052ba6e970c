/* SPDX-License-Identifier: MIT */
/* One thread that looks after the stack: stops queries at their time limit, starts Redis again when it died, ends
 * workers that hang, takes over queries whose coordinator died, and removes what others left behind. What may wait for
 * Redis is done by a second thread (tend), so that time limits hold while Redis is silent. */
#include "query/query_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "fleet/fleet.h"
#include "query/resume.h"
#include "query/store_slices.h"
#include "sync/sync.h"
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    TICK_MS = 20,
    CARE_EVERY_MS = 500,
    ORPHAN_FOLDER_LEASES = 4, /* younger folders may be of a query that is not in Redis yet */
    SWEEPS_PER_LIST = 40,     /* with the usual lease: ten minutes */
    MAX_SUSPECTS = 64
};

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
    if (pf_sync_sweep(sync, coordinator_lease_ms(stack), arena, &ids, &count, &err) != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "sweep of orphaned queries failed, tolerated", &err);
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        pf_log_text(PF_LOG_WARN, "removed a query whose coordinator is gone", "orphan", ids[i]);
        pf_str record = pf_arena_printf(arena,
                                        "{\"query_id\":\"%.*s\",\"state\":\"failed\",\"error\":{\"code\":\"REMOTE\","
                                        "\"message\":\"its coordinator died, and no other one could take it over\"}}",
                                        PF_STR_ARG(ids[i]));
        if (pf_sync_record_put(sync, ids[i], record, RECORD_TTL_MS, &err) != PF_OK) {
            pf_log_failure(PF_LOG_WARN, "record of an orphaned query not written, tolerated", &err);
        }
        if (pf_exchange_remove_files(stack->exchange, ids[i], &err) != PF_OK) {
            pf_log_failure(PF_LOG_WARN, "files of an orphaned query not removed, tolerated", &err);
        }
        if (stack->store_slices) store_slices_remove_query(stack->store_slices, ids[i], NULL, 0, true);
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
    bool goes_on = true;
    while (goes_on) {
        pthread_mutex_lock(&stack->locked.mutex);
        goes_on = tick_locked(stack);
        pthread_mutex_unlock(&stack->locked.mutex);
    }
    return NULL;
}

/* ---- orphaned folders of the exchange ---- */

static bool is_running_here(struct pf_stack *stack, pf_str query_id) {
    bool is_here = false;
    pthread_mutex_lock(&stack->locked.mutex);
    for (struct running *running = stack->locked.first; running; running = running->next) {
        is_here = is_here || pf_str_equal(running->id, query_id);
    }
    pthread_mutex_unlock(&stack->locked.mutex);
    return is_here;
}

static bool is_old(const struct pf_stack *stack, const char *path) {
    struct stat state;
    if (stat(path, &state) != 0 || !S_ISDIR(state.st_mode)) return false;
    int64_t age_ms = pf_clock_wall_ms() - (int64_t)state.st_mtime * 1000;
    return age_ms > ORPHAN_FOLDER_LEASES * coordinator_lease_ms(stack);
}

/* A worker that was slow to stop may have written after its query's files were removed. */
static void remove_orphaned_folders(struct pf_stack *stack, struct pf_sync *sync) {
    DIR *directory = stack->media.url_count ? NULL : opendir(stack->media.path.ptr);
    if (!directory) return;
    struct pf_arena *arena = pf_arena_new(NULL, "orphans");
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        pf_str id = pf_str_from_cstr(entry->d_name), job;
        pf_str path = pf_arena_printf(arena, "%.*s/%s", PF_STR_ARG(stack->media.path), entry->d_name);
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "copy") == 0 || !is_old(stack, path.ptr)) continue;
        if (is_running_here(stack, id) || pf_sync_query_job(sync, id, arena, &job, NULL) != PF_NOT_FOUND) continue;
        if (pf_exchange_remove_files(stack->exchange, id, NULL) == PF_OK) {
            pf_log_text(PF_LOG_INFO, "removed slices of a query that is over", "orphan", id);
        }
    }
    pf_arena_free(arena);
    closedir(directory);
}

/* The same for objects in stores. A list costs money: so not with each sweep. */
struct query_liveness {
    struct pf_stack *stack;
    struct pf_sync *sync;
};

static bool query_is_over(void *context, pf_str query_id) {
    const struct query_liveness *liveness = context;
    struct pf_arena *arena = pf_arena_new(NULL, "liveness");
    pf_str job;
    bool is_over = !is_running_here(liveness->stack, query_id) &&
                   pf_sync_query_job(liveness->sync, query_id, arena, &job, NULL) == PF_NOT_FOUND;
    pf_arena_free(arena);
    return is_over;
}

static void remove_orphaned_objects(struct pf_stack *stack, struct pf_sync *sync) {
    struct query_liveness liveness = {stack, sync};
    struct store_slices_sweep sweep = {ORPHAN_FOLDER_LEASES * coordinator_lease_ms(stack), query_is_over, &liveness};
    struct pf_error err;
    int64_t count = 0;
    if (store_slices_sweep(stack->store_slices, &sweep, &count, &err) != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "sweep of orphaned objects of the exchange failed, tolerated", &err);
    }
    if (count) {
        pf_log(PF_LOG_INFO, "removed objects of queries that are over", "\"objects\":%lld", (long long)count);
    }
}

/* ---- workers that hang ---- */

/* A worker gives a sign of life more often than once a lease, with and without a task. One that is busy, by what the
 * fleet knows, and has given none for a lease while Redis answered is ended; its task goes to another one. */
struct suspect {
    int pid;
    int64_t since_ms;
};

struct tending {
    struct pf_stack *stack;
    struct suspect suspects[MAX_SUSPECTS];
    size_t suspect_count;
    int64_t next_sweep_ms;
    int sweeps_until_objects;
};

static bool has_sign(const struct pf_sync_worker *alive, size_t count, pf_str worker_id) {
    for (size_t i = 0; i < count; i++) {
        if (pf_str_equal(alive[i].id, worker_id)) return true;
    }
    return false;
}

static int64_t suspected_since(const struct tending *tending, int pid, int64_t now_ms) {
    for (size_t i = 0; i < tending->suspect_count; i++) {
        if (tending->suspects[i].pid == pid) return tending->suspects[i].since_ms;
    }
    return now_ms;
}

static void end_hung_workers(struct tending *tending, struct pf_sync *sync, struct pf_fleet *fleet) {
    struct pf_arena *arena = pf_arena_new(NULL, "hung");
    int64_t lease_ms = tending->stack->options.lease_ms, now_ms = pf_clock_mono_ms();
    struct pf_sync_worker *alive = NULL;
    struct pf_fleet_environment *there = NULL;
    size_t alive_count = 0, there_count = 0, suspect_count = 0;
    struct suspect suspects[MAX_SUSPECTS];
    pf_fleet_list(fleet, "engine", arena, &there, &there_count);
    bool is_known = pf_sync_worker_list(sync, arena, &alive, &alive_count, NULL) == PF_OK;
    for (size_t i = 0; i < there_count && is_known; i++) {
        const struct pf_fleet_environment *one = &there[i];
        if (one->state != PF_ENVIRONMENT_BUSY || one->pid <= 0 || one->age_ms < 2 * lease_ms) continue;
        if (has_sign(alive, alive_count, one->worker_id) || suspect_count == MAX_SUSPECTS) continue;
        int64_t since_ms = suspected_since(tending, one->pid, now_ms);
        if (now_ms - since_ms >= lease_ms) {
            pf_log_text(PF_LOG_WARN, "a worker hangs: it is ended", "hung_worker", one->worker_id);
            kill(one->pid, SIGKILL);
        }
        suspects[suspect_count++] = (struct suspect){one->pid, since_ms};
    }
    if (suspect_count) memcpy(tending->suspects, suspects, suspect_count * sizeof *suspects);
    tending->suspect_count = suspect_count;
    pf_arena_free(arena);
}

/* ---- the thread that may wait ---- */

static void sweep(struct tending *tending, struct pf_sync *sync) {
    if (pf_clock_mono_ms() < tending->next_sweep_ms) return;
    tending->next_sweep_ms = pf_clock_mono_ms() + coordinator_lease_ms(tending->stack);
    remove_orphans(tending->stack, sync);
    remove_orphaned_folders(tending->stack, sync);
    if (tending->stack->store_slices && --tending->sweeps_until_objects < 0) {
        tending->sweeps_until_objects = SWEEPS_PER_LIST;
        remove_orphaned_objects(tending->stack, sync);
    }
    resume_drop_old(tending->stack);
}

static void tend_once(struct tending *tending) {
    struct pf_stack *stack = tending->stack;
    pthread_mutex_lock(&stack->locked.mutex);
    struct pf_sync *sync = stack->locked.sync;
    struct pf_fleet *fleet = stack->locked.fleet;
    pthread_mutex_unlock(&stack->locked.mutex);
    if (sync) revive_redis(stack);
    if (!fleet && stack->options.takes_over) (void)!stack_need_fleet(stack, NULL); /* later, when Redis is there */
    if (!sync || !fleet) return;
    end_hung_workers(tending, sync, fleet);
    if (stack->options.takes_over) resume_look(stack, sync);
    sweep(tending, sync);
}

static void *tend(void *context) {
    struct pf_stack *stack = context;
    struct tending tending = {.stack = stack, .sweeps_until_objects = 1};
    pthread_mutex_lock(&stack->locked.mutex);
    while (!stack->locked.is_closing) {
        pthread_mutex_unlock(&stack->locked.mutex);
        tend_once(&tending);
        pthread_mutex_lock(&stack->locked.mutex);
        struct pf_deadline next = pf_deadline_in(CARE_EVERY_MS);
        while (!stack->locked.is_closing && pf_deadline_left_ms(next) > 0) {
            pf_condition_wait_ms(&stack->changed, &stack->locked.mutex, pf_deadline_left_ms(next));
        }
    }
    pthread_mutex_unlock(&stack->locked.mutex);
    return NULL;
}

enum pf_code keeper_start(struct pf_stack *stack, struct pf_error *err) {
    int status = pthread_create(&stack->keeper, NULL, keep, stack);
    if (status != 0) PF_FAIL_ERRNO(err, status, "start the keeper thread");
    stack->has_keeper = true;
    status = pthread_create(&stack->tender, NULL, tend, stack);
    if (status != 0) PF_FAIL_ERRNO(err, status, "start the keeper's second thread");
    stack->has_tender = true;
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
    if (stack->has_tender) pthread_join(stack->tender, NULL);
    stack->has_keeper = stack->has_tender = false;
}
