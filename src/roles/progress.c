/* SPDX-License-Identifier: MIT */
#include "roles/progress.h"

#include "base/clock.h"
#include "base/json.h"
#include "roles/roles_internal.h"

#include <pthread.h>
#include <stdlib.h>

enum { LOOK_EVERY_MS = 20, FIRST_SHOWN_MS = 300, DRAW_EVERY_MS = 100, BAR_CELLS = 20 };

struct progress {
    struct client *client;
    struct pf_arena *arena;
    pf_str target; /* of the query's record */
    int64_t started_ms;
    atomic_bool must_end, *must_stop;
    pthread_t thread;
    struct {
        pthread_mutex_t mutex;
        bool is_shown, is_drawn;
    } locked;
};

/* "stage 2 of 3 · 14 of 32 tasks": stages that have tasks, as far as the plan has come. */
static pf_str stages_text(pf_json *record, struct pf_arena *arena, double *out_share) {
    int64_t task_count = 0, done_count = 0, stage_count = 0, stage = 0;
    for (struct pf_json_each each = pf_json_each(pf_json_get(record, "stages")); pf_json_next(&each);) {
        int64_t tasks = pf_json_get_i64(each.value, "tasks", 0), done = pf_json_get_i64(each.value, "done", 0);
        stage_count++;
        task_count += tasks;
        done_count += done;
        if (tasks > 0 && (done > 0 || stage == 0)) stage = stage_count;
    }
    *out_share = task_count ? (double)done_count / (double)task_count : 0;
    if (stage_count == 0) return pf_json_get_str(record, "state", PF_STR("waiting"));
    return pf_arena_printf(arena, "stage %lld of %lld · %lld of %lld tasks", (long long)stage, (long long)stage_count,
                           (long long)done_count, (long long)task_count);
}

static void draw(struct progress *progress, pf_str record_json, struct pf_arena *arena) {
    pf_json *record;
    double share = 0;
    if (pf_json_parse(record_json, arena, "record", &record, NULL) != PF_OK) return;
    pf_str text = stages_text(record, arena, &share);
    pf_str elapsed = time_text(arena, (double)(pf_clock_mono_ms() - progress->started_ms));
    int full = (int)(share * BAR_CELLS);
    pthread_mutex_lock(&progress->locked.mutex);
    if (progress->locked.is_shown) {
        fprintf(stderr, "\r\x1b[K");
        for (int i = 0; i < BAR_CELLS; i++) fputs(i < full ? "█" : "░", stderr);
        fprintf(stderr, " %.*s · %.*s", PF_STR_ARG(text), PF_STR_ARG(elapsed));
        fflush(stderr);
        progress->locked.is_drawn = true;
    }
    pthread_mutex_unlock(&progress->locked.mutex);
}

static void cancel(struct progress *progress) {
    struct pf_arena *arena = pf_arena_new(NULL, "cancel");
    int status = 0;
    pf_str body;
    atomic_store(progress->must_stop, true);
    enum pf_code code =
        client_send(progress->client, &(struct client_call){.method = "DELETE", .target = progress->target}, arena,
                    &status, &body, NULL);
    (void)code; /* the connection is cut too, which cancels as well */
    pf_arena_free(arena);
}

static bool is_shown(struct progress *progress) {
    pthread_mutex_lock(&progress->locked.mutex);
    bool shown = progress->locked.is_shown;
    pthread_mutex_unlock(&progress->locked.mutex);
    return shown;
}

static void *run_progress(void *context) {
    struct progress *progress = context;
    int64_t next_ms = progress->started_ms + FIRST_SHOWN_MS;
    while (!atomic_load(&progress->must_end)) {
        if (was_interrupted() && !atomic_load(progress->must_stop)) cancel(progress);
        if (pf_clock_mono_ms() >= next_ms && is_shown(progress)) {
            struct pf_arena *arena = pf_arena_new(NULL, "progress");
            pf_str record;
            if (client_get(progress->client, progress->target, arena, &record, NULL) == PF_OK) {
                draw(progress, record, arena);
            }
            pf_arena_free(arena);
            next_ms = pf_clock_mono_ms() + DRAW_EVERY_MS;
        }
        pf_clock_sleep_ms(LOOK_EVERY_MS);
    }
    return NULL;
}

struct progress *progress_start(struct client *client, pf_str query_id, bool shown, atomic_bool *must_stop) {
    struct pf_arena *arena = pf_arena_new(NULL, "progress");
    struct progress *progress = PF_ARENA_NEW(arena, struct progress);
    progress->client = client;
    progress->arena = arena;
    progress->target = pf_arena_printf(arena, "/v1/query/%.*s", PF_STR_ARG(query_id));
    progress->started_ms = pf_clock_mono_ms();
    progress->must_stop = must_stop;
    progress->locked.is_shown = shown;
    pthread_mutex_init(&progress->locked.mutex, NULL);
    if (pthread_create(&progress->thread, NULL, run_progress, progress) != 0) abort();
    return progress;
}

void progress_hide(struct progress *progress) {
    pthread_mutex_lock(&progress->locked.mutex);
    progress->locked.is_shown = false;
    if (progress->locked.is_drawn) {
        fprintf(stderr, "\r\x1b[K");
        fflush(stderr);
    }
    progress->locked.is_drawn = false;
    pthread_mutex_unlock(&progress->locked.mutex);
}

struct progress *progress_stop(struct progress *progress) {
    if (!progress) return NULL;
    atomic_store(&progress->must_end, true);
    pthread_join(progress->thread, NULL);
    progress_hide(progress);
    pthread_mutex_destroy(&progress->locked.mutex);
    pf_arena_free(progress->arena);
    return NULL;
}
