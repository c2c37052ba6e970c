/* SPDX-License-Identifier: MIT */
/* One thread, one window of bytes:
 *
 *   sources -> batch (half a window) -> get, side by side -> ready, as they come -> scans take them
 *
 * Bytes count from the moment they are asked for until a scan has taken them; a batch starts when there is room for it
 * in the window. Buffers come from the pool, and so from the budget: without room there, nothing is read ahead, and only
 * when nothing is under way or ready is it waited for. */
#include "exchange/read_ahead.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

enum { MAX_BATCH = 64, WAIT_MS = 50, MIN_WINDOW_BYTES = 4 << 20, MAX_WINDOW_BYTES = 64 << 20, WINDOW_SHARE = 4 };

struct read_ahead {
    struct read_ahead *next_of_input;
    struct input *input; /* gone once the thread has ended */
    struct pool *pool;
    atomic_int owners;
    int64_t window_bytes;
    pthread_t thread;
    bool has_thread;
    atomic_bool is_stopping;
    size_t next; /* source; the thread's */
    pthread_cond_t changed;
    struct {
        pthread_mutex_t mutex;
        struct portion *ready; /* a ring is not needed: there is a place for each source */
        size_t ready_count, taken_count;
        int64_t ahead_bytes;
        bool is_over;
        enum pf_code code;
        struct pf_error failure;
    } locked;
};

struct batch {
    struct read_ahead *ahead;
    const struct source *sources[MAX_BATCH];
    struct pf_exchange_read reads[MAX_BATCH];
    struct buffer buffers[MAX_BATCH];
    size_t count;
};

/* ---- a batch ---- */

static bool is_cancelled(void *context) {
    const struct batch *batch = context;
    return atomic_load(&batch->ahead->is_stopping);
}

static void make_ready(void *context, size_t index) {
    struct batch *batch = context;
    struct read_ahead *ahead = batch->ahead;
    const struct source *source = batch->sources[index];
    struct portion portion = {.source = source, .offset = source->offset, .buffer = batch->buffers[index]};
    portion.bytes = pf_str_from(portion.buffer.ptr, source->size_bytes);
    batch->buffers[index] = (struct buffer){0};
    pthread_mutex_lock(&ahead->locked.mutex);
    ahead->locked.ready[ahead->locked.ready_count++] = portion;
    pthread_cond_broadcast(&ahead->changed);
    pthread_mutex_unlock(&ahead->locked.mutex);
}

/* False: there is no memory for it now. `is_alone`: nothing else will give any back, so it is waited for. */
static enum pf_code add_read(struct batch *batch, const struct source *source, bool is_alone, struct pf_error *err) {
    struct pool *pool = batch->ahead->pool;
    struct buffer buffer = {0};
    PF_TRY((is_alone ? buffer_reserve : buffer_try_reserve)(pool, &buffer, source->size_bytes, err));
    batch->sources[batch->count] = source;
    batch->buffers[batch->count] = buffer;
    batch->reads[batch->count++] =
        (struct pf_exchange_read){source->object->key, source->offset, source->size_bytes, buffer.ptr};
    return PF_OK;
}

static bool is_wanted(const struct source *source) {
    return source->object->medium == PF_MEDIUM_STORE;
}

static const struct source *peek(struct read_ahead *ahead) {
    const struct input *input = ahead->input;
    while (ahead->next < input->source_count && !is_wanted(&input->sources[ahead->next])) ahead->next++;
    return ahead->next < input->source_count ? &input->sources[ahead->next] : NULL;
}

/* As much as there is room for in half the window; one at least, unless memory is short and others will give some. */
static enum pf_code fill_batch(struct batch *batch, bool is_idle, struct pf_error *err) {
    struct read_ahead *ahead = batch->ahead;
    int64_t size_bytes = 0;
    for (const struct source *source; batch->count < MAX_BATCH && (source = peek(ahead)); ahead->next++) {
        bool is_alone = is_idle && batch->count == 0;
        if (batch->count && size_bytes + (int64_t)source->size_bytes > ahead->window_bytes / 2) break;
        enum pf_code code = add_read(batch, source, is_alone, err);
        if (code == PF_NO_MEMORY && !is_alone) break;
        PF_TRY(code);
        size_bytes += (int64_t)source->size_bytes;
    }
    pthread_mutex_lock(&ahead->locked.mutex);
    ahead->locked.ahead_bytes += size_bytes;
    pthread_mutex_unlock(&ahead->locked.mutex);
    return PF_OK;
}

/* Waits for room. `*out_is_idle`: scans have taken everything. */
static void wait_for_room(struct read_ahead *ahead, bool *out_is_idle) {
    pthread_mutex_lock(&ahead->locked.mutex);
    while (ahead->locked.ahead_bytes > ahead->window_bytes / 2 && !atomic_load(&ahead->is_stopping))
        pf_condition_wait_ms(&ahead->changed, &ahead->locked.mutex, WAIT_MS);
    *out_is_idle = ahead->locked.ahead_bytes == 0;
    pthread_mutex_unlock(&ahead->locked.mutex);
}

static enum pf_code fetch_batch(struct read_ahead *ahead, struct pf_error *err) {
    struct batch batch = {.ahead = ahead};
    const struct pf_exchange_io *io = &ahead->input->exchange->options.store;
    bool is_idle;
    wait_for_room(ahead, &is_idle);
    enum pf_code code = fill_batch(&batch, is_idle, err);
    if (code == PF_OK && batch.count) {
        struct pf_exchange_watch watch = {is_cancelled, make_ready, &batch};
        code = io->get(io->context, batch.reads, batch.count, &watch, err);
    } else if (code == PF_OK) {
        pf_clock_sleep_ms(1);
    }
    for (size_t i = 0; i < batch.count; i++) buffer_clear(ahead->pool, &batch.buffers[i]);
    return code;
}

/* ---- the thread ---- */

static void *run(void *opaque) {
    struct read_ahead *ahead = opaque;
    struct pf_error err = {0};
    enum pf_code code = PF_OK;
    while (code == PF_OK && peek(ahead) && !atomic_load(&ahead->is_stopping)) code = fetch_batch(ahead, &err);
    pthread_mutex_lock(&ahead->locked.mutex);
    ahead->locked.is_over = true;
    ahead->locked.code = code;
    ahead->locked.failure = err;
    pthread_cond_broadcast(&ahead->changed);
    pthread_mutex_unlock(&ahead->locked.mutex);
    return NULL;
}

/* Once; the owners follow one another in time. */
static void stop(struct read_ahead *ahead) {
    if (!ahead->has_thread) return;
    atomic_store(&ahead->is_stopping, true);
    pthread_join(ahead->thread, NULL);
    ahead->has_thread = false;
    for (size_t i = ahead->locked.taken_count; i < ahead->locked.ready_count; i++)
        buffer_clear(ahead->pool, &ahead->locked.ready[i].buffer);
}

static void free_all(struct read_ahead *ahead) {
    free(ahead->locked.ready);
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->locked.mutex);
    free(ahead);
}

enum pf_code read_ahead_start(struct input *input, struct read_ahead **out_ahead, struct pf_error *err) {
    struct read_ahead *ahead = calloc(1, sizeof *ahead);
    if (!ahead) PF_FAIL(err, PF_NO_MEMORY, "read ahead");
    const struct pf_exchange_options *options = &input->exchange->options;
    ahead->input = input;
    ahead->pool = input->exchange->pool;
    ahead->window_bytes = options->memory_bytes / WINDOW_SHARE;
    if (ahead->window_bytes < MIN_WINDOW_BYTES) ahead->window_bytes = MIN_WINDOW_BYTES;
    if (ahead->window_bytes > MAX_WINDOW_BYTES) ahead->window_bytes = MAX_WINDOW_BYTES;
    pthread_mutex_init(&ahead->locked.mutex, NULL);
    pf_condition_init(&ahead->changed);
    ahead->locked.ready = calloc(input->source_count, sizeof *ahead->locked.ready);
    int status = ahead->locked.ready ? pthread_create(&ahead->thread, NULL, run, ahead) : ENOMEM;
    ahead->has_thread = status == 0;
    if (status != 0) {
        free_all(ahead);
        PF_FAIL_ERRNO(err, status, "start reading ahead");
    }
    atomic_store(&ahead->owners, 2);
    ahead->next_of_input = input->aheads;
    input->aheads = ahead;
    *out_ahead = ahead;
    return PF_OK;
}

enum pf_code read_ahead_take(struct read_ahead *ahead, struct portion *out_portion, struct pf_error *err) {
    enum pf_code code = PF_OK;
    pthread_mutex_lock(&ahead->locked.mutex);
    while (ahead->locked.taken_count == ahead->locked.ready_count && !ahead->locked.is_over)
        pf_condition_wait_ms(&ahead->changed, &ahead->locked.mutex, WAIT_MS);
    if (ahead->locked.taken_count < ahead->locked.ready_count) {
        *out_portion = ahead->locked.ready[ahead->locked.taken_count++];
        ahead->locked.ahead_bytes -= (int64_t)out_portion->source->size_bytes;
        pthread_cond_broadcast(&ahead->changed);
    } else {
        code = ahead->locked.code;
        if (code != PF_OK && err) *err = ahead->locked.failure;
    }
    pthread_mutex_unlock(&ahead->locked.mutex);
    return code;
}

struct read_ahead *read_ahead_next(const struct read_ahead *ahead) {
    return ahead->next_of_input;
}

struct read_ahead *read_ahead_release(struct read_ahead *ahead) {
    if (!ahead) return NULL;
    stop(ahead);
    if (atomic_fetch_sub(&ahead->owners, 1) == 1) free_all(ahead);
    return NULL;
}
