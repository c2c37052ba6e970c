/* SPDX-License-Identifier: MIT */
#include "base/process.h"

#include "base/clock.h"
#include "base/file.h"
#include "support/test.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t run(struct pf_test *test, struct pf_process_options options) {
    pid_t pid = 0;
    CHECK_OK(pf_process_spawn(&options, &pid, &test->err));
    CHECK_TRUE(pid > 0);
    return pid;
}

TEST(runs_a_program_with_environment_folder_and_output) {
    const char *folder = pf_test_folder();
    pf_str out_path = pf_arena_printf(test->arena, "%s/out", folder);
    const char *argv[] = {"sh", "-c", "echo $COLOUR; pwd; exit 7", NULL}, *env[] = {"COLOUR=blue", NULL};
    int status = 0;
    pid_t pid = run(
        test, (struct pf_process_options){.argv = argv, .env = env, .stdout_path = out_path.ptr, .directory = folder});
    CHECK_TRUE(pf_process_wait(pid, 5000, &status));
    CHECK_INT(WEXITSTATUS(status), 7);
    CHECK_STR(pf_test_read_file(out_path.ptr), pf_arena_printf(test->arena, "blue\n%s\n", folder));
}

TEST(says_that_a_program_is_missing) {
    const char *argv[] = {"no-such-program-anywhere", NULL};
    struct pf_process_options options = {.argv = argv};
    pid_t pid = 0;
    CHECK_FAILS(pf_process_spawn(&options, &pid, &test->err), PF_NOT_FOUND, "no-such-program-anywhere");
    CHECK_INT(pid, 0);
}

TEST(stops_a_child_that_ignores_sigterm) {
    const char *argv[] = {"sh", "-c", "trap '' TERM; while :; do sleep 0.05; done", NULL};
    pid_t pid = run(test, (struct pf_process_options){.argv = argv});
    CHECK_FALSE(pf_process_wait(pid, 20, NULL));
    pf_process_stop(pid, 50);
    CHECK_INT(kill(pid, 0), -1);
}

TEST(kills_children_when_the_parent_is_killed) {
    const char *folder = pf_test_folder();
    pf_str out_path = pf_arena_printf(test->arena, "%s/pid", folder);
    pid_t parent = fork();
    if (parent == 0) {
        const char *argv[] = {"sh", "-c", "echo $$; exec sleep 60", NULL};
        struct pf_process_options options = {.argv = argv, .stdout_path = out_path.ptr};
        pid_t pid;
        if (pf_process_spawn(&options, &pid, NULL) != PF_OK) _exit(1);
        pause();
    }
    pf_str text = PF_STR_EMPTY;
    for (int i = 0; i < 200 && text.len == 0; i++) {
        pf_clock_sleep_ms(20);
        if (access(out_path.ptr, R_OK) == 0) text = pf_str_trim(pf_test_read_file(out_path.ptr));
    }
    int64_t grandchild = 0;
    CHECK_TRUE(pf_str_to_i64(text, &grandchild));
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    char state_path[64];
    snprintf(state_path, sizeof state_path, "/proc/%d/stat", (int)grandchild);
    for (int i = 0; i < 200; i++) {
        pf_str state;
        if (pf_file_read(state_path, 4096, test->arena, &state, NULL) != PF_OK) return;
        if (pf_str_find(state, PF_STR(") Z "), 0) != SIZE_MAX) return;
        pf_clock_sleep_ms(10);
    }
    FAIL("process %d outlived its parent", (int)grandchild);
}

TEST(knows_its_own_path) {
    char path[4096];
    CHECK_OK(pf_process_self_path(path, sizeof path, &test->err));
    CHECK_CONTAINS(pf_str_from_cstr(path), "test_base");
}
