/* SPDX-License-Identifier: MIT */
/* Where workers come from, and the loop that runs inside one.
 *
 * A fleet brings functions to life and carries bytes to them; it does not know what a task is. The local back end is
 * a stand-in for the Lambda service with its two HTTP sides: Invoke for callers and the Runtime API for the
 * processes it starts, so the same program, and Amazon's own runtime clients, run on both. */
#ifndef PF_FLEET_FLEET_H
#define PF_FLEET_FLEET_H

#include "base/arena.h"

/* --- callers: functions by name --- */

struct pf_fleet;

enum { PF_FLEET_MAX_EVENT_BYTES = 6 << 20, PF_FLEET_MAX_ASYNC_EVENT_BYTES = 1 << 20 };

/* Calls a function and waits. PF_OK: it answered. A function that failed: its error, PF_REMOTE unless it names a code
 * of ours ("errorType"). PF_THROTTLED: all environments are busy and the line is full. PF_TOO_LARGE: over 6 MiB. */
enum pf_code pf_fleet_invoke(struct pf_fleet *fleet, const char *function, pf_str event, int64_t timeout_ms,
                             struct pf_arena *arena, pf_str *out_answer, struct pf_error *err) PF_MUST_CHECK;

/* Makes sure that at least `worker_count` invocations of the function are running or about to, each with `event`.
 * Returns at once. `worker_count` above the fleet's limit is cut to it. */
enum pf_code pf_fleet_ensure(struct pf_fleet *fleet, const char *function, int worker_count, pf_str event,
                             struct pf_error *err) PF_MUST_CHECK;

struct pf_fleet_status {
    int starting, idle, busy, waiting; /* environments; invocations that wait for one */
    int64_t started, lost, invoked;    /* since the beginning */
};
void pf_fleet_get_status(struct pf_fleet *fleet, const char *function, struct pf_fleet_status *out_status);

struct pf_fleet_environment {
    pf_str worker_id;
    int pid; /* 0 if it isn't on this host */
    enum pf_environment_state { PF_ENVIRONMENT_STARTING, PF_ENVIRONMENT_IDLE, PF_ENVIRONMENT_BUSY } state;
    int64_t age_ms;
};
void pf_fleet_list(struct pf_fleet *fleet, const char *function, struct pf_arena *arena,
                   struct pf_fleet_environment **out_environments, size_t *out_count);

/* Ends all environments. NULL is fine; returns NULL. */
struct pf_fleet *pf_fleet_close(struct pf_fleet *fleet);

/* --- the local back end --- */

struct pf_function {
    const char *name;        /* copied, like everything below */
    const char *const *argv; /* NULL-terminated: {"/path/puffindb", "function", NULL} */
    const char *const *env;  /* NULL-terminated "NAME=value", added to ours; may be NULL */
    const char *directory;   /* working directory; NULL: ours */
    const char *log_path;    /* its stderr and stdout are appended there; NULL: our stderr */
    const char *handler;     /* _HANDLER, for runtimes that need it; may be NULL */
    int max_environments;    /* at once; 0: 1 */
    int64_t memory_bytes;    /* told to the function, not enforced; 0: 1 GiB */
    int64_t idle_ms;         /* a warm environment without work ends after that; 0: 60 s */
    int64_t init_ms;         /* from start to ready; 0: 30 s */
    int64_t timeout_ms;      /* of one invocation, after that the environment is killed; 0: 900 s */
    const char *url_address; /* where its function URL listens, "127.0.0.1:0"; NULL: it has none */
};

struct pf_local_fleet_options {
    const struct pf_function *functions;
    size_t function_count;
    pf_str address; /* of the HTTP sides; empty: 127.0.0.1:0 */
    /* An environment ended that should not have (killed, crashed, timed out). From a thread of the fleet; must not
     * call the fleet. pf_runtime_worker_id is what the process there called itself. */
    void (*on_worker_lost)(void *context, pf_str worker_id);
    void *context;
};

enum pf_code pf_fleet_open_local(const struct pf_local_fleet_options *options, struct pf_fleet **out_fleet,
                                 struct pf_error *err) PF_MUST_CHECK;
/* "127.0.0.1:41234": POST http://<address>/2015-03-31/functions/<name>/invocations */
pf_str pf_fleet_local_address(const struct pf_fleet *fleet);
/* "127.0.0.1:41235", where plain HTTP reaches the function; empty if it has no URL. */
pf_str pf_fleet_local_url_address(struct pf_fleet *fleet, const char *function);

/* --- inside a function --- */

struct pf_invocation {
    pf_str request_id, function_arn, event;
    int64_t deadline_wall_ms;
};

/* The answer goes into `arena`, which is freed after the answer was sent. A failure becomes the invocation's error
 * with the code's name as type. */
typedef enum pf_code (*pf_invocation_handler)(void *context, const struct pf_invocation *invocation,
                                              struct pf_arena *arena, pf_str *out_answer, struct pf_error *err);

/* Serves invocations, one at a time, until the Runtime API (AWS_LAMBDA_RUNTIME_API) is gone: then PF_OK.
 * PF_INVALID: the variable isn't set. */
enum pf_code pf_runtime_loop(pf_invocation_handler handle, void *context, struct pf_error *err) PF_MUST_CHECK;
/* Tells the service that this environment can't start, and why. */
enum pf_code pf_runtime_report_init_failure(const struct pf_error *failure, struct pf_error *err) PF_MUST_CHECK;
/* What this environment is called by its fleet: the same for all its invocations. */
pf_str pf_runtime_worker_id(struct pf_arena *arena);

/* --- HTTP events of function URLs (payload format 2.0) --- */

struct pf_http_request;
struct pf_http_response;

/* True if the event is an HTTP request rather than one of ours. */
bool pf_lambda_event_is_http(pf_str event);
/* Fills a request, in its arena, from an event. PF_INVALID if it isn't one. */
enum pf_code pf_lambda_event_to_request(pf_str event, struct pf_arena *arena, struct pf_http_request *out_request,
                                        struct pf_error *err) PF_MUST_CHECK;
/* The answer as JSON; a streamed body is read to its end. PF_TOO_LARGE over 6 MiB. */
enum pf_code pf_lambda_event_from_response(struct pf_http_response *response, bool is_head, struct pf_arena *arena,
                                           pf_str *out_answer, struct pf_error *err) PF_MUST_CHECK;

/* The service's side of the same: a request as event (PF_TOO_LARGE over 6 MiB), and a function's answer as response.
 * PF_INVALID or PF_REMOTE: it is no HTTP answer. */
enum pf_code pf_lambda_event_from_request(const struct pf_http_request *request, pf_str *out_event,
                                          struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_lambda_event_to_response(pf_str answer, struct pf_http_request *request,
                                         struct pf_http_response *response, struct pf_error *err) PF_MUST_CHECK;

#endif
