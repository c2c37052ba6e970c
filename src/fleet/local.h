/* SPDX-License-Identifier: MIT */
/* Shared by the files of the local back end.
 *
 *   caller -- Invoke --> invocation --> queue of its function --> environment -- Runtime API --> process
 *
 * Threads: HTTP handlers (one per connection) move invocations; the monitor (local_monitor.c) alone starts and ends
 * processes, so an environment is freed by nobody else. Everything in the structs below that is not marked as fixed
 * is guarded by local_fleet.mutex; functions that need it held end in _locked.
 *
 * An invocation is referenced by its queue or its environment, and by the caller that waits for it (`has_caller`).
 * Who lets go last frees it: see local_settle_locked. */
#ifndef PF_FLEET_LOCAL_H
#define PF_FLEET_LOCAL_H

#include "fleet/backend.h"
#include "net/net.h"

#include <pthread.h>
#include <sys/types.h>

struct invocation {
    struct pf_arena *arena;          /* fixed; holds itself and the event */
    struct local_function *function; /* fixed */
    pf_str id, event;                /* fixed */
    int64_t deadline_wall_ms;        /* set when it starts to run */
    bool has_caller;                 /* somebody waits on `changed` and frees it */
    bool is_over, has_failed;
    char *answer; /* malloc; the error document if it failed */
    size_t answer_len;
    pthread_cond_t changed;
    struct invocation *next; /* in the queue */
};

struct environment {
    struct pf_arena *arena;          /* fixed */
    struct local_fleet *fleet;       /* fixed */
    struct local_function *function; /* fixed */
    pf_str worker_id;                /* fixed */
    struct pf_http_server *api;      /* fixed; its side of the Runtime API, on a port of its own */
    pid_t pid;
    int pid_fd; /* readable once the process has ended; -1: not available */
    enum pf_environment_state state;
    bool is_waiting; /* a request for the next invocation is open */
    bool is_ending;  /* told to end; not a loss */
    bool has_been_ready;
    char *init_error; /* malloc; what it said about a failed start */
    size_t init_error_len;
    int64_t started_ms, idle_since_ms, answered_ms, kill_at_ms;
    struct invocation *invocation; /* being worked on */
    pthread_cond_t changed;        /* for the request for the next invocation */
    struct environment *next;
};

struct local_function {
    struct pf_function options; /* fixed; strings in the fleet's arena */
    pf_str arn;                 /* fixed */
    struct local_fleet *fleet;  /* fixed */
    struct pf_http_server *url; /* fixed; NULL: no function URL */
    struct environment *environments;
    struct invocation *queue_head, *queue_tail;
    int queued, running, environment_count;
    int64_t started, lost, invoked;
};

struct local_fleet {
    struct pf_fleet base;
    struct pf_arena *arena;
    struct local_function *functions;
    size_t function_count;
    void (*on_worker_lost)(void *context, pf_str worker_id);
    void *context;
    struct pf_http_server *server; /* the Invoke side */
    pthread_t monitor;
    int wake_fd; /* an eventfd: the monitor looks again */
    pthread_mutex_t mutex;
    pthread_cond_t quiet; /* no callers any more */
    int callers;          /* who will still call local_release */
    bool is_closing;
};

/* NULL if there is none. `name` may be an ARN and have a qualifier. */
struct local_function *local_find(struct local_fleet *fleet, pf_str name);
void local_wake_monitor(struct local_fleet *fleet);

/* A new invocation in the function's queue or already with an idle environment. PF_THROTTLED if the line is full. */
enum pf_code local_submit(struct local_fleet *fleet, struct local_function *function, pf_str event, bool has_caller,
                          struct invocation **out_invocation, struct pf_error *err) PF_MUST_CHECK;
enum pf_code local_submit_locked(struct local_fleet *fleet, struct local_function *function, pf_str event,
                                 bool has_caller, struct invocation **out_invocation, struct pf_error *err)
    PF_MUST_CHECK;
/* Waits until it is over (PF_OK), the limit is reached, or `request` (may be NULL) has nobody waiting any more. In any
 * case the caller lets go with local_release. */
enum pf_code local_wait(struct local_fleet *fleet, struct invocation *invocation, int64_t timeout_ms,
                        const struct pf_http_request *request, struct pf_error *err) PF_MUST_CHECK;
void local_release(struct local_fleet *fleet, struct invocation *invocation);
/* Ends an invocation that has left queue and environment. */
void local_settle_locked(struct invocation *invocation, pf_str answer, bool has_failed);
/* With an error document made from type and message. */
void local_settle_failed_locked(struct invocation *invocation, const char *type, const char *message);
/* The oldest of the queue, taken out; NULL if it is empty. */
struct invocation *local_pop_locked(struct local_function *function);
/* {"errorMessage":…,"errorType":…} */
pf_str local_error_json(struct pf_arena *arena, const char *type, pf_str message);

void local_handle_invoke(void *fleet, struct pf_http_request *request, struct pf_http_response *response);
void local_handle_url(void *function, struct pf_http_request *request, struct pf_http_response *response);
void local_handle_runtime(void *environment, struct pf_http_request *request, struct pf_http_response *response);
void *local_run_monitor(void *fleet);

/* An environment that has just answered asks for the next invocation at once: for that long a waiting invocation is
 * left to it rather than to a new environment. */
enum { LOCAL_RETURN_MS = 50 };

/* --- local_environment.c --- */

/* Starts a process; the monitor calls it without the lock. */
enum pf_code local_environment_start(struct local_function *function, struct local_fleet *fleet,
                                     struct environment **out_environment, struct pf_error *err) PF_MUST_CHECK;
/* Its process has ended and nothing refers to it any more. */
void local_environment_free(struct environment *environment);

#endif
