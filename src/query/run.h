/* SPDX-License-Identifier: MIT */
/* A spread query while it runs: its stages, what their tasks made, what went wrong so far. What the files of the
 * coordinator share: coordinator.c (steps and events), stage_run.c (one stage), lineage.c (losses), speculate.c
 * (stragglers), recover.c (Redis or the query's keys are gone). Everything belongs to the query's thread. */
#ifndef PF_QUERY_RUN_H
#define PF_QUERY_RUN_H

#include "planner/planner.h"
#include "query/make_tasks.h"
#include "query/query_internal.h"
#include "sync/sync.h"

enum {
    MAX_WORKERS_SEEN = 1024,
    MAX_RERUNS = 3,      /* of one task whose output was lost */
    MAX_BLOCKS = 6,      /* how often one task may find an input lost */
    MAX_RESTORES = 3,    /* of a query's queue */
    ATTEMPT_STRIDE = 100 /* attempts of a restored queue start that much higher: keys of objects stay unique */
};

struct task_state {
    bool is_done;
    bool is_wanted;  /* to be queued (again) with the next push */
    bool is_blocked; /* an input was lost: queued again when it is back */
    bool has_extra;  /* a second attempt runs beside the first */
    int reruns, blocks;
};

struct stage_run {
    struct pf_arena *arena;
    const struct pf_stage *stage;
    struct task_list list; /* its message's outputs are as of the first push */
    pf_str *payloads;      /* of the tasks, encoded */
    pf_str *workers;       /* task i was kept for this one (affinity.h) with the first push; NULL: for nobody */
    pf_str mark;
    struct task_state *tasks;
    struct stage_output output;
    size_t left;      /* tasks that are not done */
    int64_t *took_ms; /* of those that are */
    size_t took_count;
    int extra_count;
};

struct run {
    struct pf_query *query;
    struct pf_stack *stack;
    struct pf_arena *arena;
    const struct pf_plan *plan;
    struct pf_planner_options options;
    struct pf_sync_cursor cursor;
    struct stage_run **stages; /* finished ones, too: the lineage */
    size_t stage_count, stage_capacity;
    int next_stage_id;
    int first_attempt; /* of tasks that are queued now */
    struct pf_sync_event *history;
    size_t history_count, history_capacity; /* results from before this coordinator */

    int64_t next_care_ms, next_record_ms;
    int64_t steal_at_ms; /* when tasks that are kept for workers are for all; 0: none are */
    int quiet_cares;     /* rounds of care since a task ended */
    int idle_cares;      /* rounds of care since anything waited or ran, or was heard of */
    int64_t lost_before; /* environments lost when the last task ended */
    int restores, mends;
    bool has_changes;        /* a task may be wanted again, or blocked: lineage_unblock has something to look at */
    bool must_mend;          /* the queue, outside of what may fail because Redis is silent */
    bool is_hopeless;        /* the error at hand is the query's end, whatever its code */
    bool differs;            /* the stages of the coordinator before were cut in another way */
    int64_t silent_since_ms; /* Redis has not answered since; 0: it does */
    pf_str workers[MAX_WORKERS_SEEN];
    int worker_count;
};

/* ---- stage_run.c ---- */

/* The tasks of a stage, not queued yet. `write`: what they make of their rows; NULL: slices for the exchange. Results from before this coordinator count. */
enum pf_code stage_run_make(struct run *run, const struct pf_stage *stage, const struct pf_write *write,
                            struct stage_run **out_stage, struct pf_error *err) PF_MUST_CHECK;
/* The same for tasks that are there already; `arena` becomes the stage's. */
enum pf_code stage_run_add(struct run *run, const struct pf_stage *stage, const struct task_list *list,
                           struct pf_arena *arena, struct stage_run **out_stage, struct pf_error *err) PF_MUST_CHECK;
/* Queues the tasks that are wanted. `is_again`: the stage was pushed before; its inputs may have changed, its tasks
 * may have run. */
enum pf_code stage_run_push(struct run *run, struct stage_run *stage, bool is_again, struct pf_error *err)
    PF_MUST_CHECK;
/* The first result of a task counts; later ones are passed over. */
enum pf_code stage_run_take(struct run *run, struct stage_run *stage, const struct pf_sync_event *event,
                            struct pf_error *err) PF_MUST_CHECK;
/* The output of a task is of no use any more: the task is wanted again. */
void stage_run_forget(struct run *run, struct stage_run *stage, size_t task_id);
struct stage_run *run_find_stage(const struct run *run, int stage_id);
struct stage_outputs run_outputs(const struct run *run, struct pf_arena *arena);
size_t run_tasks_left(const struct run *run);

/* The part of the record that a stage has; NULL if there is none. With the stack's mutex held. */
struct stage_progress *run_progress_locked(struct run *run, int stage_id);
void run_count_retry(struct run *run, int stage_id);

/* ---- coordinator.c ---- */

/* Queues all tasks of the stages and waits for them. */
enum pf_code run_stages(struct run *run, const struct pf_stage *stages, size_t count, const struct pf_write *write,
                        struct stage_run ***out_made, struct pf_error *err) PF_MUST_CHECK;
/* Until no stage has tasks left; takes care of the query meanwhile. */
enum pf_code run_wait_for_stages(struct run *run, struct pf_error *err) PF_MUST_CHECK;

/* ---- lineage.c ---- */

/* A task failed for good. If that is because an input of it was lost, its maker runs again and then it; PF_OK. Else the
 * failure as the query's. */
enum pf_code lineage_mend(struct run *run, const struct pf_sync_event *event, struct pf_error *err) PF_MUST_CHECK;
/* The same for the last fragment, which failed with `*err`. PF_OK: wait for the stages, then try again. */
enum pf_code lineage_mend_last(struct run *run, const struct pf_fragment *last, struct pf_error *err) PF_MUST_CHECK;
/* Looks whether what the tasks of unfinished stages read and made is there, forgets what isn't. */
enum pf_code lineage_check(struct run *run, struct pf_error *err) PF_MUST_CHECK;
/* Queues tasks that are wanted again, and blocked ones whose inputs are complete again. */
enum pf_code lineage_unblock(struct run *run, struct pf_error *err) PF_MUST_CHECK;

/* Finds "<query>/<stage>/<task>.<attempt>." in the text of an error. */
struct object_name {
    int stage_id, task_id, attempt;
};
bool lineage_find_object(pf_str query_id, pf_str text, struct object_name *out_name);

/* ---- speculate.c ---- */

/* How old a task of a stage must be to count as a straggler; INT64_MAX: none does. `took_ms`: its siblings that are
 * done, in any order. */
int64_t straggler_age_ms(const int64_t *took_ms, size_t took_count, size_t task_count);
/* How many tasks of a stage may have a second attempt. */
size_t most_extra_attempts(size_t task_count);
/* Gives stragglers a second attempt. */
enum pf_code speculate(struct run *run, const struct pf_sync_running *running, size_t count, struct pf_error *err)
    PF_MUST_CHECK;

/* ---- recover.c ---- */

enum pf_code begin_in_redis(struct run *run, struct pf_error *err) PF_MUST_CHECK;
/* Raises `code` as the end of the query: recover does not look at it. */
#define RUN_FAIL(run, err, code, ...)                                                                                  \
    do {                                                                                                               \
        (run)->is_hopeless = true;                                                                                     \
        PF_FAIL((err), (code), __VA_ARGS__);                                                                           \
    } while (0)

/* After a call to sync that failed with `code`: PF_OK if it is worth trying again (Redis may come back; the queue was
 * restored), else why not. */
enum pf_code recover(struct run *run, enum pf_code code, struct pf_error *err) PF_MUST_CHECK;
/* Nothing waits and nothing runs, but tasks are not done: part of the queue was lost. */
enum pf_code mend_queue(struct run *run, struct pf_error *err) PF_MUST_CHECK;
/* What happened before this coordinator took the query over. */
enum pf_code recover_history(struct run *run, struct pf_error *err) PF_MUST_CHECK;

#endif
