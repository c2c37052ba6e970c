/* SPDX-License-Identifier: MIT */
/* Everything the child needs is prepared before fork(2), because between fork and exec a threaded program may only
 * make async-signal-safe calls. A failed exec comes back as an errno through a close-on-exec pipe. */
#include "base/process.h"

#include "base/arena.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct spawn_request {
    char **argv, **env;
    const struct pf_process_options *options;
    pid_t parent, pid;
    int errno_value;
    bool is_done;
};

/* The forking thread and its one-element mailbox. It is never joined: it lives as long as the process. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct spawn_request *request;
    bool is_started;
} spawner = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, false};

static void redirect(int fd, const char *path, int flags) {
    int opened = open(path, flags | O_CLOEXEC, 0600);
    if (opened >= 0) dup2(opened, fd);
}

static void run_child(const struct spawn_request *request, int report_fd) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != request->parent) _exit(127); /* the parent died between fork and prctl */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0); /* a Ctrl-C at the terminal is for us; we decide what our children do */
    redirect(STDIN_FILENO, "/dev/null", O_RDONLY);
    redirect(STDOUT_FILENO, request->options->stdout_path ? request->options->stdout_path : "/dev/null",
             O_WRONLY | O_CREAT | O_APPEND);
    if (request->options->stderr_path) {
        redirect(STDERR_FILENO, request->options->stderr_path, O_WRONLY | O_CREAT | O_APPEND);
    }
    if (!request->options->directory || chdir(request->options->directory) == 0) {
        execvpe(request->argv[0], request->argv, request->env);
    }
    int errno_value = errno;
    ssize_t written = write(report_fd, &errno_value, sizeof errno_value);
    (void)written;
    _exit(127);
}

static void serve_request(struct spawn_request *request) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        request->errno_value = errno;
        return;
    }
    request->pid = fork();
    if (request->pid == 0) run_child(request, report[1]);
    if (request->pid < 0) request->errno_value = errno;
    close(report[1]);
    int errno_value = 0;
    if (request->pid > 0 && read(report[0], &errno_value, sizeof errno_value) == (ssize_t)sizeof errno_value) {
        request->errno_value = errno_value;
        waitpid(request->pid, NULL, 0);
    }
    close(report[0]);
}

static void *run_spawner(void *unused) {
    (void)unused;
    pthread_mutex_lock(&spawner.mutex);
    for (;;) {
        while (!spawner.request || spawner.request->is_done) pthread_cond_wait(&spawner.changed, &spawner.mutex);
        serve_request(spawner.request);
        spawner.request->is_done = true;
        pthread_cond_broadcast(&spawner.changed);
    }
    return NULL;
}

static int start_spawner_locked(void) {
    if (spawner.is_started) return 0;
    pthread_t thread;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int status = pthread_create(&thread, &detached, run_spawner, NULL);
    pthread_attr_destroy(&detached);
    spawner.is_started = status == 0;
    return status;
}

/* Ours, with the names in `added` replaced. */
static char **merge_env(struct pf_arena *arena, const char *const *added) {
    size_t count = 0, capacity = 0;
    char **merged = NULL;
    for (char **entry = environ; *entry; entry++) {
        bool is_replaced = false;
        size_t name_length = strcspn(*entry, "=") + 1;
        for (const char *const *addition = added; addition && *addition; addition++) {
            if (strncmp(*entry, *addition, name_length) == 0) is_replaced = true;
        }
        if (!is_replaced) PF_ARENA_PUSH(arena, merged, count, capacity) = *entry;
    }
    for (const char *const *addition = added; addition && *addition; addition++) {
        PF_ARENA_PUSH(arena, merged, count, capacity) = pf_arena_cstr(arena, pf_str_from_cstr(*addition));
    }
    PF_ARENA_PUSH(arena, merged, count, capacity) = NULL;
    return merged;
}

static char **copy_argv(struct pf_arena *arena, const char *const *argv) {
    size_t count = 0, capacity = 0;
    char **copy = NULL;
    for (; *argv; argv++) {
        PF_ARENA_PUSH(arena, copy, count, capacity) = pf_arena_cstr(arena, pf_str_from_cstr(*argv));
    }
    PF_ARENA_PUSH(arena, copy, count, capacity) = NULL;
    return copy;
}

enum pf_code pf_process_spawn(const struct pf_process_options *options, pid_t *out_pid, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "spawn");
    struct spawn_request request = {.argv = copy_argv(arena, options->argv),
                                    .env = merge_env(arena, options->env),
                                    .options = options,
                                    .parent = getpid()};
    pthread_mutex_lock(&spawner.mutex);
    request.errno_value = start_spawner_locked();
    if (request.errno_value == 0) {
        while (spawner.request) pthread_cond_wait(&spawner.changed, &spawner.mutex);
        spawner.request = &request;
        pthread_cond_broadcast(&spawner.changed);
        while (!request.is_done) pthread_cond_wait(&spawner.changed, &spawner.mutex);
        spawner.request = NULL;
        pthread_cond_broadcast(&spawner.changed);
    }
    pthread_mutex_unlock(&spawner.mutex);
    pf_arena_free(arena);
    if (request.errno_value != 0) PF_FAIL_ERRNO(err, request.errno_value, "start '%s'", options->argv[0]);
    *out_pid = request.pid;
    return PF_OK;
}

bool pf_process_wait(pid_t pid, int64_t wait_ms, int *out_status) {
    struct pf_deadline deadline = pf_deadline_in(wait_ms);
    for (int64_t pause_ms = 1;; pause_ms = pause_ms < 20 ? pause_ms * 2 : 20) {
        int status = 0;
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid || (ended < 0 && errno == ECHILD)) {
            if (out_status) *out_status = status;
            return true;
        }
        int64_t left_ms = pf_deadline_left_ms(deadline);
        if (left_ms == 0) return false;
        pf_clock_sleep_ms(pause_ms < left_ms ? pause_ms : left_ms);
    }
}

void pf_process_stop(pid_t pid, int64_t grace_ms) {
    if (pid <= 0) return;
    kill(pid, SIGTERM);
    if (pf_process_wait(pid, grace_ms, NULL)) return;
    kill(pid, SIGKILL);
    pf_process_wait(pid, 10000, NULL);
}

enum pf_code pf_process_self_path(char *path, size_t size_bytes, struct pf_error *err) {
    ssize_t length = readlink("/proc/self/exe", path, size_bytes - 1);
    if (length < 0) PF_FAIL_ERRNO(err, errno, "read /proc/self/exe");
    path[length] = 0;
    return PF_OK;
}
