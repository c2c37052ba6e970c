/* SPDX-License-Identifier: MIT */
/* The monitor: one thread that starts processes when invocations wait, ends those that idle for too long or take too
 * much time, and notices at once when one dies. It sleeps in poll(2) on the processes' descriptors. */
#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "fleet/local.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    GRACE_MS = 1500, /* from SIGTERM to SIGKILL */
    LONGEST_SLEEP_MS = 1000,
    BLIND_SLEEP_MS = 20, /* where the kernel can't tell us about a process's end */
    MAX_WATCHED = 4096,
};

static void send_signal(const struct environment *environment, int signal_number) {
    if (environment->pid > 0) kill(environment->pid, signal_number);
}

/* Ours to end: its process is asked first and killed later. */
static void end_locked(struct environment *environment, int64_t now_ms) {
    if (environment->is_ending) return;
    environment->is_ending = true;
    environment->kill_at_ms = now_ms + GRACE_MS;
    send_signal(environment, SIGTERM);
    pthread_cond_signal(&environment->changed);
}

static void fail_current_locked(struct environment *environment, const char *type, const char *message) {
    struct invocation *invocation = environment->invocation;
    if (!invocation) return;
    environment->invocation = NULL;
    environment->function->running--;
    local_settle_failed_locked(invocation, type, message);
}

/* Looks at the clock for one environment; returns when to look again. */
static int64_t check_times_locked(struct environment *environment, int64_t now_ms) {
    const struct pf_function *options = &environment->function->options;
    if (environment->is_ending) {
        if (now_ms >= environment->kill_at_ms) send_signal(environment, SIGKILL);
        return now_ms >= environment->kill_at_ms ? now_ms + GRACE_MS : environment->kill_at_ms;
    }
    switch (environment->state) {
    case PF_ENVIRONMENT_STARTING:
        if (now_ms >= environment->started_ms + options->init_ms) send_signal(environment, SIGKILL);
        return environment->started_ms + options->init_ms;
    case PF_ENVIRONMENT_IDLE:
        if (now_ms >= environment->idle_since_ms + options->idle_ms) end_locked(environment, now_ms);
        return environment->idle_since_ms + options->idle_ms;
    case PF_ENVIRONMENT_BUSY: break;
    }
    if (!environment->invocation) {
        int64_t return_ms = environment->answered_ms + LOCAL_RETURN_MS;
        return now_ms < return_ms ? return_ms : now_ms + LONGEST_SLEEP_MS;
    }
    int64_t left_ms = environment->invocation->deadline_wall_ms - pf_clock_wall_ms();
    if (left_ms <= 0) {
        fail_current_locked(environment, "Sandbox.Timedout", "the function's time limit was reached");
        send_signal(environment, SIGKILL);
    }
    return now_ms + (left_ms > 0 ? left_ms : LONGEST_SLEEP_MS);
}

/* --- ends --- */

static void describe_end(int status, char *text, size_t size_bytes) {
    if (WIFSIGNALED(status))
        snprintf(text, size_bytes, "the function was ended by signal %d", WTERMSIG(status));
    else
        snprintf(text, size_bytes, "the function exited with status %d", WEXITSTATUS(status));
}

/* A start that failed costs one waiting call, so a function that can't start does not start for ever. */
static void fail_start_locked(struct local_function *function, pf_str said, const char *message) {
    struct invocation *invocation = local_pop_locked(function);
    if (!invocation) return;
    if (said.len)
        local_settle_locked(invocation, said, true);
    else
        local_settle_failed_locked(invocation, "Runtime.ExitError", message);
}

static void unlink_locked(struct environment *environment) {
    struct environment **link = &environment->function->environments;
    while (*link != environment) link = &(*link)->next;
    *link = environment->next;
    environment->function->environment_count--;
}

static void bury(struct local_fleet *fleet, struct environment *environment, int status) {
    struct local_function *function = environment->function;
    char message[80];
    describe_end(status, message, sizeof message);
    pthread_mutex_lock(&fleet->mutex);
    environment->pid = 0;
    bool is_lost = !environment->is_ending;
    environment->is_ending = true;
    pthread_cond_signal(&environment->changed);
    fail_current_locked(environment, "Runtime.ExitError", message);
    if (!environment->has_been_ready) {
        fail_start_locked(function, pf_str_from(environment->init_error, environment->init_error_len), message);
    }
    if (is_lost) function->lost++;
    unlink_locked(environment);
    pthread_mutex_unlock(&fleet->mutex);
    if (is_lost) {
        pf_log_text(PF_LOG_DEBUG, message, "worker", environment->worker_id);
        if (fleet->on_worker_lost) fleet->on_worker_lost(fleet->context, environment->worker_id);
    }
    local_environment_free(environment);
}

/* The first environment whose process has ended, reaped; NULL if all live. */
static struct environment *find_dead(struct local_fleet *fleet, int *out_status) {
    struct environment *dead = NULL;
    pthread_mutex_lock(&fleet->mutex);
    for (size_t i = 0; i < fleet->function_count && !dead; i++) {
        for (struct environment *at = fleet->functions[i].environments; at && !dead; at = at->next) {
            if (pf_process_wait(at->pid, 0, out_status)) dead = at;
        }
    }
    pthread_mutex_unlock(&fleet->mutex);
    return dead;
}

/* --- starts --- */

static bool needs_environment_locked(const struct local_function *function) {
    int coming = 0;
    int64_t now_ms = pf_clock_mono_ms();
    for (const struct environment *at = function->environments; at; at = at->next) {
        bool is_returning =
            at->state == PF_ENVIRONMENT_BUSY && !at->invocation && now_ms < at->answered_ms + LOCAL_RETURN_MS;
        if ((at->state == PF_ENVIRONMENT_STARTING || is_returning) && !at->is_ending) coming++;
    }
    return function->queued > coming && function->environment_count < function->options.max_environments;
}

static bool start_one(struct local_fleet *fleet, struct local_function *function) {
    pthread_mutex_lock(&fleet->mutex);
    bool is_needed = !fleet->is_closing && needs_environment_locked(function);
    pthread_mutex_unlock(&fleet->mutex);
    if (!is_needed) return false;
    struct environment *environment = NULL;
    struct pf_error err;
    enum pf_code code = local_environment_start(function, fleet, &environment, &err);
    pthread_mutex_lock(&fleet->mutex);
    if (code == PF_OK) {
        environment->next = function->environments;
        function->environments = environment;
        function->environment_count++;
        function->started++;
    } else {
        fail_start_locked(function, PF_STR_EMPTY, err.message);
    }
    pthread_mutex_unlock(&fleet->mutex);
    return true;
}

/* --- the loop --- */

/* Who to watch, and for how long. Returns false when all is over. */
static bool plan_sleep(struct local_fleet *fleet, struct pollfd *watched, nfds_t *out_count, int64_t *out_ms) {
    int64_t now_ms = pf_clock_mono_ms(), until_ms = now_ms + LONGEST_SLEEP_MS;
    nfds_t count = 0;
    bool has_environments = false;
    watched[count++] = (struct pollfd){.fd = fleet->wake_fd, .events = POLLIN};
    pthread_mutex_lock(&fleet->mutex);
    for (size_t i = 0; i < fleet->function_count; i++) {
        struct invocation *waiting;
        while (fleet->is_closing && (waiting = local_pop_locked(&fleet->functions[i]))) {
            local_settle_failed_locked(waiting, pf_code_name(PF_CANCELLED), "the fleet ends");
        }
        for (struct environment *at = fleet->functions[i].environments; at; at = at->next) {
            if (fleet->is_closing) end_locked(at, now_ms);
            int64_t look_ms = check_times_locked(at, now_ms);
            if (at->pid_fd < 0 || count == MAX_WATCHED)
                look_ms = now_ms + BLIND_SLEEP_MS;
            else
                watched[count++] = (struct pollfd){.fd = at->pid_fd, .events = POLLIN};
            if (look_ms < until_ms) until_ms = look_ms;
            has_environments = true;
        }
    }
    bool is_over = fleet->is_closing && !has_environments;
    pthread_mutex_unlock(&fleet->mutex);
    *out_count = count;
    *out_ms = until_ms > now_ms ? until_ms - now_ms : 1;
    return !is_over;
}

void *local_run_monitor(void *context) {
    struct local_fleet *fleet = context;
    struct pollfd *watched = calloc(MAX_WATCHED, sizeof *watched);
    nfds_t count = 0;
    int64_t sleep_ms = 0;
    if (!watched) abort();
    while (plan_sleep(fleet, watched, &count, &sleep_ms)) {
        poll(watched, count, (int)sleep_ms);
        uint64_t wakes;
        ssize_t got = read(fleet->wake_fd, &wakes, sizeof wakes);
        (void)got;
        int status = 0;
        for (struct environment *dead; (dead = find_dead(fleet, &status));) bury(fleet, dead, status);
        for (size_t i = 0; i < fleet->function_count; i++) {
            while (start_one(fleet, &fleet->functions[i])) {
            }
        }
    }
    free(watched);
    return NULL;
}
