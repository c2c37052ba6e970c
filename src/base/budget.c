/* SPDX-License-Identifier: MIT */
#include "base/budget.h"

#include "base/clock.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct pf_budget {
    const char *name;
    int64_t limit_bytes;
    pthread_cond_t released;
    struct {
        pthread_mutex_t mutex;
        int64_t used_bytes, peak_bytes;
    } locked;
};

struct pf_budget *pf_budget_new(const char *name, int64_t limit_bytes) {
    struct pf_budget *budget = calloc(1, sizeof *budget);
    if (!budget) abort();
    budget->name = name;
    budget->limit_bytes = limit_bytes;
    pf_condition_init(&budget->released);
    pthread_mutex_init(&budget->locked.mutex, NULL);
    return budget;
}

struct pf_budget *pf_budget_free(struct pf_budget *budget) {
    if (!budget) return NULL;
    assert(budget->locked.used_bytes == 0);
    pthread_cond_destroy(&budget->released);
    pthread_mutex_destroy(&budget->locked.mutex);
    free(budget);
    return NULL;
}

static bool fits_locked(struct pf_budget *budget, int64_t size_bytes) {
    return budget->locked.used_bytes <= budget->limit_bytes - size_bytes;
}

enum pf_code pf_budget_reserve(struct pf_budget *budget, int64_t size_bytes, int64_t wait_ms, struct pf_error *err) {
    if (size_bytes < 0 || size_bytes > budget->limit_bytes) {
        PF_FAIL(err, PF_NO_MEMORY, "%s: %lld bytes asked, the whole budget is %lld", budget->name,
                (long long)size_bytes, (long long)budget->limit_bytes);
    }
    struct pf_deadline deadline = pf_deadline_in(wait_ms);
    pthread_mutex_lock(&budget->locked.mutex);
    while (!fits_locked(budget, size_bytes) && pf_deadline_left_ms(deadline) > 0) {
        pf_condition_wait_ms(&budget->released, &budget->locked.mutex, pf_deadline_left_ms(deadline));
    }
    bool is_granted = fits_locked(budget, size_bytes);
    if (is_granted) budget->locked.used_bytes += size_bytes;
    if (budget->locked.used_bytes > budget->locked.peak_bytes) budget->locked.peak_bytes = budget->locked.used_bytes;
    int64_t used_bytes = budget->locked.used_bytes;
    pthread_mutex_unlock(&budget->locked.mutex);
    if (!is_granted) {
        PF_FAIL(err, PF_NO_MEMORY, "%s: %lld bytes asked, %lld of %lld in use after %lld ms", budget->name,
                (long long)size_bytes, (long long)used_bytes, (long long)budget->limit_bytes, (long long)wait_ms);
    }
    return PF_OK;
}

void pf_budget_release(struct pf_budget *budget, int64_t size_bytes) {
    pthread_mutex_lock(&budget->locked.mutex);
    budget->locked.used_bytes -= size_bytes;
    assert(budget->locked.used_bytes >= 0);
    pthread_cond_broadcast(&budget->released);
    pthread_mutex_unlock(&budget->locked.mutex);
}

int64_t pf_budget_used(struct pf_budget *budget) {
    pthread_mutex_lock(&budget->locked.mutex);
    int64_t used_bytes = budget->locked.used_bytes;
    pthread_mutex_unlock(&budget->locked.mutex);
    return used_bytes;
}

int64_t pf_budget_peak(struct pf_budget *budget) {
    pthread_mutex_lock(&budget->locked.mutex);
    int64_t peak_bytes = budget->locked.peak_bytes;
    pthread_mutex_unlock(&budget->locked.mutex);
    return peak_bytes;
}
