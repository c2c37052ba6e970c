/* SPDX-License-Identifier: MIT */
/* Harness: the parent forks one child per test, waits with a limit, tidies up after it.
 *
 * Child: own process group, output into an unlinked file, test->err and the arena, then exit (which runs the leak
 * check). Parent: kills the whole group when the child ended or its time is over, so no test leaves a server behind. */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct pf_test_entry *first_entry, **last_link = &first_entry;
static struct pf_test *running;
static char folder_path[256]; /* of the running test; made by the parent, which also removes it */

void pf_test_register(struct pf_test_entry *entry) {
    *last_link = entry;
    last_link = &entry->next;
}

void pf_test_fail(const char *file, int line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    fflush(NULL);
    _exit(1);
}

void pf_test_check_true(bool actual, bool expected, const char *what, const char *file, int line) {
    if (actual != expected) pf_test_fail(file, line, "%s is %s", what, actual ? "true" : "false");
}

void pf_test_check_int(int64_t actual, int64_t expected, const char *what, const char *file, int line) {
    if (actual != expected) pf_test_fail(file, line, "%s is %" PRId64 ", expected %" PRId64, what, actual, expected);
}

void pf_test_check_uint(uint64_t actual, uint64_t expected, const char *what, const char *file, int line) {
    if (actual != expected) pf_test_fail(file, line, "%s is %" PRIu64 ", expected %" PRIu64, what, actual, expected);
}

void pf_test_check_f64(double actual, double expected, double tolerance, const char *what, const char *file, int line) {
    bool is_same = (isnan(actual) && isnan(expected)) || fabs(actual - expected) <= tolerance ||
                   (isinf(actual) && isinf(expected) && signbit(actual) == signbit(expected));
    if (!is_same) pf_test_fail(file, line, "%s is %.17g, expected %.17g", what, actual, expected);
}

void pf_test_check_str(pf_str actual, pf_str expected, const char *what, const char *file, int line) {
    if (pf_str_equal(actual, expected)) return;
    size_t at = 0;
    while (at < actual.len && at < expected.len && actual.ptr[at] == expected.ptr[at]) at++;
    pf_test_fail(file, line, "%s differs at byte %zu\n  actual   (%zu bytes): %.*s\n  expected (%zu bytes): %.*s", what,
                 at, actual.len, PF_STR_ARG(actual), expected.len, PF_STR_ARG(expected));
}

void pf_test_check_contains(pf_str text, pf_str part, const char *what, const char *file, int line) {
    if (pf_str_find(text, part, 0) != SIZE_MAX) return;
    pf_test_fail(file, line, "%s does not contain: %.*s\n  actual: %.*s", what, PF_STR_ARG(part), PF_STR_ARG(text));
}

void pf_test_check_null(const void *pointer, bool expected, const char *what, const char *file, int line) {
    if ((pointer == NULL) != expected) pf_test_fail(file, line, "%s is %sNULL", what, pointer ? "not " : "");
}

void pf_test_check_code(enum pf_code actual, enum pf_code expected, const char *part, const char *what,
                        const char *file, int line) {
    const char *message = running && actual != PF_OK ? running->err.message : "";
    const char *origin = running && actual != PF_OK ? running->err.origin : "";
    if (actual != expected) {
        pf_test_fail(file, line, "%s gives %s, expected %s\n  error: %s [%s]", what, pf_code_name(actual),
                     pf_code_name(expected), message, origin);
    }
    if (part && !strstr(message, part)) {
        pf_test_fail(file, line, "%s: the message does not contain '%s'\n  error: %s [%s]", what, part, message,
                     origin);
    }
}

const char *pf_test_folder(void) {
    return folder_path;
}

pf_str pf_test_read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) FAIL("open %s: %s", path, strerror(errno));
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *bytes = pf_arena_alloc(running->arena, (size_t)size + 1);
    if (fread(bytes, 1, (size_t)size, file) != (size_t)size) FAIL("read %s", path);
    fclose(file);
    return pf_str_from(bytes, (size_t)size);
}

static void run_in_this_process(const struct pf_test_entry *entry) {
    struct pf_test test = {.arena = pf_arena_new(NULL, "test"), .name = entry->name};
    running = &test;
    entry->run(&test);
    running = NULL;
    pf_arena_free(test.arena);
    fflush(NULL); /* a leak report ends the process without it */
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until `child` ends or `limit_ms` is over; then the group is gone in both cases. */
static bool wait_with_limit(pid_t child, int64_t limit_ms, int *out_status) {
    int64_t deadline = now_ms() + limit_ms;
    siginfo_t info = {0};
    bool is_over = false;
    for (useconds_t pause_us = 200; !is_over && now_ms() < deadline;
         pause_us = pause_us < 10000 ? pause_us * 2 : 10000) {
        /* WNOWAIT: the child stays a zombie, so that the number of its group can't be taken by another. */
        is_over = waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child;
        if (!is_over) usleep(pause_us);
    }
    kill(-child, SIGKILL);
    waitpid(child, out_status, 0);
    return is_over;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

static void show_output(FILE *output) {
    char line[4096];
    rewind(output);
    while (fgets(line, sizeof line, output)) printf("    %s%s", line, strchr(line, '\n') ? "" : "\n");
}

static void make_folder(void) {
    const char *temp = getenv("TMPDIR");
    snprintf(folder_path, sizeof folder_path, "%s/puffin-test-XXXXXX", temp && temp[0] ? temp : "/tmp");
    if (!mkdtemp(folder_path)) FAIL("no temporary folder %s: %s", folder_path, strerror(errno));
}

static void remove_folder(void) {
    nftw(folder_path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool run_in_child(const struct pf_test_entry *entry, bool is_verbose) {
    FILE *output = tmpfile();
    fflush(NULL);
    int64_t started_ms = now_ms();
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        if (output) {
            dup2(fileno(output), STDOUT_FILENO);
            dup2(fileno(output), STDERR_FILENO);
        }
        run_in_this_process(entry);
        exit(0);
    }
    setpgid(child, child);
    const char *limit_text = getenv("PF_TEST_LIMIT_S");
    int64_t limit_s = entry->limit_s;
    if (limit_text) (void)pf_str_to_i64(pf_str_from_cstr(limit_text), &limit_s);
    int status = 0;
    bool is_in_time = wait_with_limit(child, limit_s * 1000, &status);
    bool has_passed = is_in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    printf("%s %s (%" PRId64 " ms)", has_passed ? "ok  " : "FAIL", entry->name, now_ms() - started_ms);
    if (!is_in_time) {
        printf(" over its time limit of %" PRId64 " s", limit_s);
    } else if (WIFSIGNALED(status)) {
        printf(" killed by signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
    printf("%s%s\n", has_passed ? "" : " in ", has_passed ? "" : entry->file);
    if (output && (!has_passed || is_verbose)) show_output(output);
    if (output) fclose(output);
    return has_passed;
}

/* Read by the sanitizers' run time; the environment overrides. */
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void) {
    return "print_stacktrace=1";
}

static bool is_chosen(const struct pf_test_entry *entry, char **filters, int filter_count) {
    char full[512];
    snprintf(full, sizeof full, "%s:%s", entry->file, entry->name);
    for (int i = 0; i < filter_count; i++) {
        if (strstr(full, filters[i])) return true;
    }
    return filter_count == 0;
}

int main(int argc, char **argv) {
    bool list_only = false, is_verbose = false, has_fork = true;
    int first = 1;
    for (; first < argc && argv[first][0] == '-'; first++) {
        if (strcmp(argv[first], "--list") == 0) {
            list_only = true;
        } else if (strcmp(argv[first], "--verbose") == 0) {
            is_verbose = true;
        } else if (strcmp(argv[first], "--no-fork") == 0) {
            has_fork = false;
        } else {
            fprintf(stderr, "usage: %s [--list] [--verbose] [--no-fork] [SUBSTRING of file:name ...]\n", argv[0]);
            return 2;
        }
    }
    int passed = 0, failed = 0;
    for (const struct pf_test_entry *entry = first_entry; entry; entry = entry->next) {
        if (!is_chosen(entry, argv + first, argc - first)) continue;
        if (list_only) {
            printf("%s:%s\n", entry->file, entry->name);
            continue;
        }
        make_folder();
        if (has_fork) {
            bool has_passed = run_in_child(entry, is_verbose);
            passed += has_passed;
            failed += !has_passed;
        } else {
            run_in_this_process(entry);
            passed++;
        }
        remove_folder();
    }
    if (!list_only) printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
