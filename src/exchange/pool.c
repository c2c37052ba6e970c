/* SPDX-License-Identifier: MIT */
#include "exchange/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CLASS = 12, LAST_CLASS = 26, BUDGET_WAIT_MS = 10000 }; /* 4 KiB to 64 MiB are kept */

struct kept {
    struct kept *next;
};

struct pool {
    int64_t keep_bytes;
    struct pf_budget *budget;
    struct {
        pthread_mutex_t mutex;
        struct kept *classes[LAST_CLASS + 1];
        int64_t kept_bytes;
    } locked;
};

static int class_of(size_t size_bytes) {
    int size_class = FIRST_CLASS;
    while (((size_t)1 << size_class) < size_bytes) size_class++;
    return size_class;
}

struct pool *pool_new(int64_t keep_bytes, struct pf_budget *budget) {
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pool->keep_bytes = keep_bytes;
    pool->budget = budget;
    pthread_mutex_init(&pool->locked.mutex, NULL);
    return pool;
}

int64_t pool_kept_bytes(struct pool *pool) {
    pthread_mutex_lock(&pool->locked.mutex);
    int64_t bytes = pool->locked.kept_bytes;
    pthread_mutex_unlock(&pool->locked.mutex);
    return bytes;
}

static void free_kept(struct pool *pool) {
    struct kept *list = NULL;
    pthread_mutex_lock(&pool->locked.mutex);
    for (int i = 0; i <= LAST_CLASS; i++)
        while (pool->locked.classes[i]) {
            struct kept *kept = pool->locked.classes[i];
            pool->locked.classes[i] = kept->next;
            kept->next = list;
            list = kept;
        }
    int64_t size_bytes = pool->locked.kept_bytes;
    pool->locked.kept_bytes = 0;
    pthread_mutex_unlock(&pool->locked.mutex);
    while (list) {
        struct kept *next = list->next;
        free(list);
        list = next;
    }
    if (pool->budget) pf_budget_release(pool->budget, size_bytes);
}

struct pool *pool_free(struct pool *pool) {
    if (!pool) return NULL;
    free_kept(pool);
    pthread_mutex_destroy(&pool->locked.mutex);
    free(pool);
    return NULL;
}

static enum pf_code reserve(struct pool *pool, int64_t size_bytes, int64_t wait_ms, struct pf_error *err) {
    if (!pool->budget || pf_budget_reserve(pool->budget, size_bytes, 0, NULL) == PF_OK) return PF_OK;
    free_kept(pool);
    return pf_budget_reserve(pool->budget, size_bytes, wait_ms, err);
}

static enum pf_code take(struct pool *pool, int size_class, int64_t wait_ms, char **out_memory, struct pf_error *err) {
    int64_t size_bytes = (int64_t)1 << size_class;
    struct kept *kept = NULL;
    if (size_class <= LAST_CLASS) {
        pthread_mutex_lock(&pool->locked.mutex);
        kept = pool->locked.classes[size_class];
        if (kept) {
            pool->locked.classes[size_class] = kept->next;
            pool->locked.kept_bytes -= size_bytes;
        }
        pthread_mutex_unlock(&pool->locked.mutex);
    }
    if (!kept) {
        PF_TRY(reserve(pool, size_bytes, wait_ms, err));
        kept = malloc((size_t)size_bytes);
        if (!kept) {
            if (pool->budget) pf_budget_release(pool->budget, size_bytes);
            PF_FAIL(err, PF_NO_MEMORY, "exchange buffer of %lld bytes", (long long)size_bytes);
        }
    }
    *out_memory = (char *)kept;
    return PF_OK;
}

static void give(struct pool *pool, char *memory, int size_class) {
    int64_t size_bytes = (int64_t)1 << size_class;
    struct kept *kept = (struct kept *)(void *)memory;
    if (size_class <= LAST_CLASS) {
        pthread_mutex_lock(&pool->locked.mutex);
        bool is_room = pool->locked.kept_bytes + size_bytes <= pool->keep_bytes;
        if (is_room) {
            kept->next = pool->locked.classes[size_class];
            pool->locked.classes[size_class] = kept;
            pool->locked.kept_bytes += size_bytes;
        }
        pthread_mutex_unlock(&pool->locked.mutex);
        if (is_room) return;
    }
    free(kept);
    if (pool->budget) pf_budget_release(pool->budget, size_bytes);
}

static enum pf_code grow(struct pool *pool, struct buffer *buffer, size_t extra, int64_t wait_ms,
                         struct pf_error *err) {
    if (buffer->capacity - buffer->len >= extra) return PF_OK;
    if (extra > SIZE_MAX / 4 || buffer->len > SIZE_MAX / 4)
        PF_FAIL(err, PF_NO_MEMORY, "exchange buffer of %zu bytes", extra);
    int size_class = class_of(buffer->len + extra);
    char *memory;
    PF_TRY(take(pool, size_class, wait_ms, &memory, err));
    if (buffer->len) memcpy(memory, buffer->ptr, buffer->len);
    if (buffer->ptr) give(pool, buffer->ptr, class_of(buffer->capacity));
    buffer->ptr = memory;
    buffer->capacity = (size_t)1 << size_class;
    return PF_OK;
}

enum pf_code buffer_reserve(struct pool *pool, struct buffer *buffer, size_t extra, struct pf_error *err) {
    return grow(pool, buffer, extra, BUDGET_WAIT_MS, err);
}

enum pf_code buffer_try_reserve(struct pool *pool, struct buffer *buffer, size_t extra, struct pf_error *err) {
    return grow(pool, buffer, extra, 0, err);
}

void buffer_clear(struct pool *pool, struct buffer *buffer) {
    if (buffer->ptr) give(pool, buffer->ptr, class_of(buffer->capacity));
    *buffer = (struct buffer){0};
}
