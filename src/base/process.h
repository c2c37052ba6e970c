/* SPDX-License-Identifier: MIT */
/* Child processes that never outlive us: Redis and the workers of the local fleet.
 *
 * A child gets SIGKILL from the kernel when this process ends, however it ends. That signal is tied to the thread
 * that forked, so all children are forked by one thread that lives as long as the process.
 * Threads: all calls are safe. */
#ifndef PF_BASE_PROCESS_H
#define PF_BASE_PROCESS_H

#include "base/error.h"

#include <sys/types.h>

struct pf_process_options {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH unless it has a slash */
    const char *const *env;  /* NULL-terminated "NAME=value", added to ours; may be NULL */
    const char *stderr_path; /* appended to; NULL: our stderr */
    const char *stdout_path; /* NULL: /dev/null */
    const char *directory;   /* working directory; NULL: ours */
};

/* PF_NOT_FOUND if there is no such program. */
enum pf_code pf_process_spawn(const struct pf_process_options *options, pid_t *out_pid, struct pf_error *err)
    PF_MUST_CHECK;
/* Reaps: true once the child has ended. `*out_status` as waitpid(2) gives it. Waits `wait_ms` at the most. */
bool pf_process_wait(pid_t pid, int64_t wait_ms, int *out_status);
/* SIGTERM, then SIGKILL after `grace_ms`; reaps. */
void pf_process_stop(pid_t pid, int64_t grace_ms);

/* The path of the running program. */
enum pf_code pf_process_self_path(char *path, size_t size_bytes, struct pf_error *err) PF_MUST_CHECK;

#endif
