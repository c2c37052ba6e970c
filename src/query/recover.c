/* SPDX-License-Identifier: MIT */
/* What a coordinator does when Redis is silent, when the query's keys are gone, and when it takes a query over.
 *
 * The coordinator has in memory all that is in Redis but for the small slices, so a Redis that comes back empty is
 * filled again: tasks that are done stay done, the others are queued under later attempts, and slices that went with
 * Redis are made again (lineage.c). What it may not do is go on when another coordinator has the query: it was silent
 * for longer than its lease, and lost it. */
#include "query/run.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "query/resume.h"

#include <string.h>

enum { PATIENCE_MS = 10000, RETRY_MS = 50, MAX_MENDS = 5 };

static void log_run(const struct run *run, const char *text) {
    struct pf_log_context before = pf_log_set_context((struct pf_log_context){.query = run->query->running.id});
    pf_log(PF_LOG_WARN, text, NULL);
    pf_log_set_context(before);
}

enum pf_code begin_in_redis(struct run *run, struct pf_error *err) {
    struct pf_query *query = run->query;
    struct pf_sync_query_options options = {
        .record_json = running_record_json(query->stack, &query->running, query->arena),
        .job = resume_job(query, query->arena),
        .coordinator_id = query->stack->coordinator_id,
        .ttl_ms = RECORD_TTL_MS,
        .coordinator_lease_ms = coordinator_lease_ms(query->stack),
        .max_attempts = MAX_ATTEMPTS,
    };
    PF_TRY(pf_sync_query_begin(query->stack->sync, query->running.id, &options, err));
    query->is_spread = true;
    return PF_OK;
}

/* ---- another coordinator ---- */

static bool is_taken_over(const struct run *run) {
    struct pf_arena *arena = pf_arena_new(NULL, "record");
    pf_str json;
    pf_json *record = NULL;
    bool is_taken = false;
    if (pf_sync_record_get(run->stack->sync, run->query->running.id, arena, &json, NULL) == PF_OK &&
        pf_json_parse(json, arena, "record", &record, NULL) == PF_OK) {
        pf_str owner = pf_json_get_str(record, "coordinator", run->stack->coordinator_id);
        is_taken = !pf_str_equal(owner, run->stack->coordinator_id);
    }
    pf_arena_free(arena);
    return is_taken;
}

static enum pf_code give_up(struct run *run, struct pf_error *err) {
    run->query->running.is_foreign = true;
    RUN_FAIL(
        run, err, PF_REMOTE,
        "another coordinator has taken query %.*s over, because this one was silent for longer than %lld ms: ask it "
        "for /v1/query/%.*s",
        PF_STR_ARG(run->query->running.id), (long long)coordinator_lease_ms(run->stack),
        PF_STR_ARG(run->query->running.id));
}

/* ---- an empty Redis ---- */

static enum pf_code queue_all(struct run *run, struct pf_error *err) {
    for (size_t i = 0; i < run->stage_count; i++) {
        struct stage_run *stage = run->stages[i];
        for (size_t k = 0; k < stage->output.count; k++) {
            struct task_state *task = &stage->tasks[k];
            if (!task->is_done && !task->is_blocked) task->is_wanted = true;
        }
    }
    run->has_changes = true;
    return lineage_unblock(run, err);
}

static enum pf_code restore(struct run *run, struct pf_error *err) {
    if (++run->restores > MAX_RESTORES) {
        RUN_FAIL(run, err, PF_REMOTE, "Redis lost the keys of query %.*s %d times", PF_STR_ARG(run->query->running.id),
                 run->restores);
    }
    log_run(run, "Redis has lost the keys of the query: it is queued again");
    run->first_attempt += ATTEMPT_STRIDE;
    run->cursor = (struct pf_sync_cursor){0};
    PF_TRY(pf_sync_query_end(run->stack->sync, run->query->running.id, run->stack->coordinator_id, err));
    PF_TRY(begin_in_redis(run, err));
    PF_TRY(lineage_check(run, err));
    return queue_all(run, err);
}

/* ---- calls that failed ---- */

static enum pf_code wait_for_redis(struct run *run, enum pf_code code, struct pf_error *err) {
    int64_t now_ms = pf_clock_mono_ms();
    if (!run->silent_since_ms) {
        run->silent_since_ms = now_ms;
        log_run(run, "Redis does not answer: trying again for a while");
    }
    if (now_ms - run->silent_since_ms > PATIENCE_MS) return code;
    PF_TRY(running_check(&run->query->running, err));
    pf_clock_sleep_ms(RETRY_MS);
    return PF_OK;
}

enum pf_code recover(struct run *run, enum pf_code code, struct pf_error *err) {
    for (;;) {
        if (run->is_hopeless) return code;
        switch (code) {
        case PF_REMOTE:
        case PF_TIMEOUT: return wait_for_redis(run, code, err);
        case PF_CONFLICT: return give_up(run, err);
        case PF_NOT_FOUND: break;
        default: return code;
        }
        if (is_taken_over(run)) return give_up(run, err);
        code = restore(run, err);
        if (code == PF_OK) return PF_OK;
    }
}

enum pf_code mend_queue(struct run *run, struct pf_error *err) {
    if (++run->mends > MAX_MENDS) {
        RUN_FAIL(run, err, PF_REMOTE, "query %.*s: tasks vanished from the queue in Redis %d times",
                 PF_STR_ARG(run->query->running.id), run->mends);
    }
    log_run(run, "tasks vanished from the queue: they are queued again");
    return queue_all(run, err);
}

/* ---- taking over ---- */

enum pf_code recover_history(struct run *run, struct pf_error *err) {
    for (;;) {
        struct pf_sync_event *events = NULL;
        size_t count = 0;
        PF_TRY(pf_sync_wait_events(run->stack->sync, run->query->running.id, &run->cursor, 0, run->arena, &events,
                                   &count, err));
        for (size_t i = 0; i < count; i++) {
            if (events[i].kind == PF_SYNC_CANCELLED) {
                PF_FAIL(err, PF_CANCELLED, "query %.*s was cancelled", PF_STR_ARG(run->query->running.id));
            }
            if (events[i].attempt >= run->first_attempt + ATTEMPT_STRIDE) {
                run->first_attempt = events[i].attempt / ATTEMPT_STRIDE * ATTEMPT_STRIDE + 1;
            }
            if (events[i].kind != PF_SYNC_DONE) continue;
            PF_ARENA_PUSH(run->arena, run->history, run->history_count, run->history_capacity) = events[i];
        }
        if (count == 0) return PF_OK;
    }
}
