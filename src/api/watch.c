/* SPDX-License-Identifier: MIT */
#include "api/watch.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>

enum { LOOK_EVERY_MS = 50 };

struct watch {
    struct pf_stack *stack;
    pthread_t thread;
    pthread_cond_t changed;
    struct {
        pthread_mutex_t mutex;
        struct watch_entry *first;
        bool must_end;
    } locked;
};

/* Under the lock, so that an entry (and the request behind it) can't go away meanwhile. */
static void look_at_all_locked(struct watch *watch) {
    for (struct watch_entry *entry = watch->locked.first; entry; entry = entry->next) {
        if (entry->is_cancelled || !pf_http_is_gone(entry->request)) continue;
        /* A query that has not begun is not known yet: then the next look finds it. */
        entry->is_cancelled = pf_stack_cancel(watch->stack, entry->query_id, NULL) == PF_OK;
        if (entry->is_cancelled) pf_log_text(PF_LOG_INFO, "client went away", "query_id", entry->query_id);
    }
}

static void *run_watch(void *context) {
    struct watch *watch = context;
    pthread_mutex_lock(&watch->locked.mutex);
    while (!watch->locked.must_end) {
        if (!watch->locked.first) {
            pthread_cond_wait(&watch->changed, &watch->locked.mutex);
            continue;
        }
        if (!pf_condition_wait_ms(&watch->changed, &watch->locked.mutex, LOOK_EVERY_MS)) look_at_all_locked(watch);
    }
    pthread_mutex_unlock(&watch->locked.mutex);
    return NULL;
}

struct watch *watch_new(struct pf_stack *stack) {
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch) abort();
    watch->stack = stack;
    pf_condition_init(&watch->changed);
    pthread_mutex_init(&watch->locked.mutex, NULL);
    if (pthread_create(&watch->thread, NULL, run_watch, watch) != 0) abort();
    return watch;
}

struct watch *watch_free(struct watch *watch) {
    if (!watch) return NULL;
    pthread_mutex_lock(&watch->locked.mutex);
    watch->locked.must_end = true;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->locked.mutex);
    pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->locked.mutex);
    free(watch);
    return NULL;
}

/* The thread is woken for the first entry only: a signal for each would put its look off again and again. */
void watch_add(struct watch *watch, struct watch_entry *entry) {
    pthread_mutex_lock(&watch->locked.mutex);
    entry->previous = NULL;
    entry->next = watch->locked.first;
    if (entry->next) {
        entry->next->previous = entry;
    } else {
        pthread_cond_signal(&watch->changed);
    }
    watch->locked.first = entry;
    pthread_mutex_unlock(&watch->locked.mutex);
}

void watch_remove(struct watch *watch, struct watch_entry *entry) {
    pthread_mutex_lock(&watch->locked.mutex);
    if (entry->next) entry->next->previous = entry->previous;
    if (entry->previous) {
        entry->previous->next = entry->next;
    } else {
        watch->locked.first = entry->next;
    }
    pthread_mutex_unlock(&watch->locked.mutex);
}
