/* SPDX-License-Identifier: MIT */
/* Lost datasets are made again from their lineage.
 *
 * A slice may be gone or damaged when it is read: Redis failed over or was flushed, a file was removed or has other
 * bytes. The reader then fails with PF_NOT_FOUND or PF_CORRUPT and names the object, and the object's name says who made
 * it: <query>/<stage>/<task>.<attempt>.<which run of it>.<number>. So
 *
 *   reader fails -> its maker's result is forgotten, the maker is queued again, the reader is blocked
 *   maker done   -> the stage of the reader is pushed again, with the new inputs, and the blocked readers run
 *
 * If the maker finds its own inputs lost, the same happens one stage further up. Readers that were queued before and
 * still hold the old names fail in the same way, find that the maker has made a later attempt, and just run again.
 * One loss seldom comes alone: with the first one all inputs of the reader's stage are looked at. */
#include "query/run.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DIGITS = 9 };

/* Takes "<digits><end>" from the front of `rest`. */
static bool take_number(pf_str *rest, char end, int *out_number) {
    size_t length = 0;
    int number = 0;
    while (length < rest->len && length < MAX_DIGITS && rest->ptr[length] >= '0' && rest->ptr[length] <= '9') {
        number = number * 10 + (rest->ptr[length++] - '0');
    }
    if (length == 0 || length == rest->len || rest->ptr[length] != end) return false;
    *rest = pf_str_slice(*rest, length + 1, rest->len);
    *out_number = number;
    return true;
}

bool lineage_find_object(pf_str query_id, pf_str text, struct object_name *out_name) {
    for (size_t at = 0; (at = pf_str_find(text, query_id, at)) != SIZE_MAX; at += query_id.len) {
        struct object_name name;
        pf_str rest = pf_str_slice(text, at + query_id.len, text.len);
        if (!pf_str_starts_with(rest, PF_STR("/"))) continue;
        rest = pf_str_slice(rest, 1, rest.len);
        if (!take_number(&rest, '/', &name.stage_id) || !take_number(&rest, '.', &name.task_id) ||
            !take_number(&rest, '.', &name.attempt)) {
            continue;
        }
        *out_name = name;
        return true;
    }
    return false;
}

static bool is_loss(enum pf_code code) {
    return code == PF_NOT_FOUND || code == PF_CORRUPT;
}

static void log_loss(const struct run *run, const struct object_name *name, const char *text) {
    struct pf_log_context before = pf_log_set_context((struct pf_log_context){.query = run->query->running.id});
    struct pf_error failure = {.code = PF_NOT_FOUND};
    snprintf(failure.message, sizeof failure.message, "stage %d, task %d, attempt %d: %s", name->stage_id,
             name->task_id, name->attempt, text);
    pf_log_failure(PF_LOG_WARN, "output lost: the task runs again", &failure);
    pf_log_set_context(before);
}

/* Whether the present result of a task came from that attempt. An output without objects can't be lost. */
static bool is_of_attempt(const struct run *run, const struct stage_run *maker, const struct object_name *name) {
    const struct pf_exchange_output *output = &maker->output.outputs[name->task_id];
    char prefix[128];
    snprintf(prefix, sizeof prefix, "%.*s/%d/%d.%d.", PF_STR_ARG(run->query->running.id), name->stage_id, name->task_id,
             name->attempt);
    for (size_t i = 0; i < output->object_count; i++) {
        if (pf_str_starts_with(output->objects[i].key, pf_str_from_cstr(prefix))) return true;
    }
    return false;
}

static enum pf_code forget(struct run *run, struct stage_run *maker, const struct object_name *name, const char *text,
                           struct pf_error *err) {
    struct task_state *task = &maker->tasks[name->task_id];
    if (++task->reruns > MAX_RERUNS) {
        RUN_FAIL(run, err, PF_REMOTE, "stage %d, task %d: its output was lost %d times, the last time: %s",
                 name->stage_id, name->task_id, task->reruns, text);
    }
    log_loss(run, name, text);
    stage_run_forget(run, maker, (size_t)name->task_id);
    return PF_OK;
}

/* ---- what else is gone ---- */

static enum pf_code check_task(struct run *run, struct stage_run *maker, size_t task_id, struct pf_error *err) {
    const struct pf_exchange_output *output = &maker->output.outputs[task_id];
    for (size_t i = 0; i < output->object_count; i++) {
        struct pf_error found = {0};
        struct object_name name;
        enum pf_code code = pf_exchange_check_object(run->stack->exchange, &output->objects[i], &found);
        if (!is_loss(code)) continue; /* there, or nobody can tell now */
        if (!lineage_find_object(run->query->running.id, output->objects[i].key, &name)) {
            PF_FAIL(err, PF_BUG, "exchange object '%.*s' has no maker", PF_STR_ARG(output->objects[i].key));
        }
        return forget(run, maker, &name, found.message, err);
    }
    return PF_OK;
}

static enum pf_code check_stage(struct run *run, struct stage_run *maker, struct pf_error *err) {
    for (size_t i = 0; i < maker->output.count; i++) {
        if (maker->tasks[i].is_done) PF_TRY(check_task(run, maker, i, err));
    }
    return PF_OK;
}

static enum pf_code check_inputs(struct run *run, const struct pf_fragment *fragment, struct pf_error *err) {
    for (size_t i = 0; i < fragment->input_count; i++) {
        if (fragment->inputs[i].kind != PF_INPUT_DATASET) continue;
        struct stage_run *maker = run_find_stage(run, fragment->inputs[i].stage_id);
        if (maker) PF_TRY(check_stage(run, maker, err));
    }
    return PF_OK;
}

enum pf_code lineage_check(struct run *run, struct pf_error *err) {
    for (size_t i = run->stage_count; i-- > 0;) { /* consumers first: what they miss counts for those before */
        if (run->stages[i]->left == 0) continue;
        PF_TRY(check_stage(run, run->stages[i], err));
        PF_TRY(check_inputs(run, &run->stages[i]->stage->fragment, err));
    }
    return PF_OK;
}

/* ---- again ---- */

static bool inputs_are_complete(const struct run *run, const struct pf_stage *stage) {
    for (size_t i = 0; i < stage->fragment.input_count; i++) {
        if (stage->fragment.inputs[i].kind != PF_INPUT_DATASET) continue;
        const struct stage_run *maker = run_find_stage(run, stage->fragment.inputs[i].stage_id);
        if (maker && maker->left) return false;
    }
    return true;
}

static bool has_blocked(const struct stage_run *stage) {
    for (size_t i = 0; i < stage->output.count; i++) {
        if (stage->tasks[i].is_blocked) return true;
    }
    return false;
}

static bool has_wanted(const struct stage_run *stage) {
    for (size_t i = 0; i < stage->output.count; i++) {
        if (stage->tasks[i].is_wanted) return true;
    }
    return false;
}

/* Tasks that are blocked until something else is done, or that could not be queued. */
static bool has_more_to_do(const struct run *run) {
    for (size_t i = 0; i < run->stage_count; i++) {
        if (run->stages[i]->left && (has_blocked(run->stages[i]) || has_wanted(run->stages[i]))) return true;
    }
    return false;
}

enum pf_code lineage_unblock(struct run *run, struct pf_error *err) {
    if (!run->has_changes) return PF_OK;
    for (size_t i = 0; i < run->stage_count; i++) {
        enum pf_code code;
        struct stage_run *stage = run->stages[i];
        if (stage->left == 0 || !inputs_are_complete(run, stage->stage)) continue;
        for (size_t k = 0; k < stage->output.count && has_blocked(stage); k++) {
            if (!stage->tasks[k].is_blocked) continue;
            stage->tasks[k].is_blocked = false;
            stage->tasks[k].is_wanted = true;
        }
        while (has_wanted(stage) && (code = stage_run_push(run, stage, true, err)) != PF_OK) {
            PF_TRY(recover(run, code, err));
        }
    }
    run->has_changes = has_more_to_do(run);
    return PF_OK;
}

static enum pf_code fail_query(const struct pf_sync_event *event, struct pf_error *err) {
    PF_FAIL(err, event->code == PF_OK ? PF_BUG : event->code, "stage %d, task %d, attempt %d on worker %.*s: %.*s",
            event->stage_id, event->task_id, event->attempt, PF_STR_ARG(event->worker_id), PF_STR_ARG(event->message));
}

/* The maker of the object that the text names is wanted again, unless it has run again since. False: the text names no
 * object of this query, so nothing of ours was lost. */
static enum pf_code find_lost(struct run *run, pf_str text, bool *out_is_ours, struct pf_error *err) {
    struct object_name name;
    *out_is_ours = lineage_find_object(run->query->running.id, text, &name);
    if (!*out_is_ours) return PF_OK;
    struct stage_run *maker = run_find_stage(run, name.stage_id);
    *out_is_ours = maker && name.task_id >= 0 && (size_t)name.task_id < maker->output.count;
    if (!*out_is_ours || !maker->tasks[name.task_id].is_done || !is_of_attempt(run, maker, &name)) return PF_OK;
    struct pf_arena *arena = pf_arena_new(NULL, "lost");
    enum pf_code code = forget(run, maker, &name, pf_arena_cstr(arena, text), err);
    pf_arena_free(arena);
    return code;
}

enum pf_code lineage_mend(struct run *run, const struct pf_sync_event *event, struct pf_error *err) {
    struct stage_run *reader = run_find_stage(run, event->stage_id);
    bool is_ours = false;
    if (!is_loss(event->code) || !reader || (size_t)event->task_id >= reader->output.count) {
        return fail_query(event, err);
    }
    PF_TRY(find_lost(run, event->message, &is_ours, err));
    if (!is_ours) return fail_query(event, err);
    struct task_state *task = &reader->tasks[event->task_id];
    if (task->is_done) return PF_OK;
    if (++task->blocks > MAX_BLOCKS) return fail_query(event, err);
    task->is_blocked = run->has_changes = true;
    PF_TRY(check_inputs(run, &reader->stage->fragment, err));
    return lineage_unblock(run, err);
}

enum pf_code lineage_mend_last(struct run *run, const struct pf_fragment *last, struct pf_error *err) {
    bool is_ours = false;
    struct pf_error failure = *err;
    if (!is_loss(failure.code)) return failure.code;
    PF_TRY(find_lost(run, pf_str_from_cstr(failure.message), &is_ours, err));
    if (!is_ours) {
        *err = failure;
        return failure.code;
    }
    PF_TRY(check_inputs(run, last, err));
    return lineage_unblock(run, err);
}
