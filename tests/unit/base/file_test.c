/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include "support/test.h"

#include <sys/stat.h>
#include <unistd.h>

static const char *inside(struct pf_test *test, const char *name) {
    return pf_arena_printf(test->arena, "%s/%s", pf_test_folder(), name).ptr;
}

TEST(writes_and_reads_whole_files) {
    const char *path = inside(test, "a");
    pf_str bytes;
    CHECK_OK(pf_file_write(path, PF_STR("one\0two"), &test->err));
    CHECK_OK(pf_file_read(path, 100, test->arena, &bytes, &test->err));
    CHECK_STR(bytes, PF_STR("one\0two"));
    CHECK_OK(pf_file_write(path, PF_STR(""), &test->err));
    CHECK_OK(pf_file_read(path, 100, test->arena, &bytes, &test->err));
    CHECK_UINT(bytes.len, 0);
    CHECK_OK(pf_file_read("/proc/self/comm", 100, test->arena, &bytes, &test->err));
    CHECK_TRUE(bytes.len > 0);
}

TEST(names_the_file_that_fails) {
    pf_str bytes = PF_STR("untouched");
    const char *path = inside(test, "a");
    CHECK_FAILS(pf_file_read(path, 10, test->arena, &bytes, &test->err), PF_NOT_FOUND, path);
    CHECK_OK(pf_file_write(path, PF_STR("12345678901"), &test->err));
    CHECK_FAILS(pf_file_read(path, 10, test->arena, &bytes, &test->err), PF_TOO_LARGE, "the limit is 10");
    CHECK_FAILS(pf_file_read(pf_test_folder(), 10, test->arena, &bytes, &test->err), PF_INVALID, "is a directory");
    CHECK_FAILS(pf_file_write(inside(test, "gone/b"), PF_STR("x"), &test->err), PF_NOT_FOUND, "gone/b");
    CHECK_STR(bytes, "untouched");
}

TEST(makes_and_removes_trees_without_following_links) {
    struct stat info;
    CHECK_OK(pf_file_make_directories(inside(test, "x/y/z"), &test->err));
    CHECK_OK(pf_file_make_directories(inside(test, "x/y/z/"), &test->err));
    CHECK_OK(pf_file_make_directories(inside(test, "kept"), &test->err));
    CHECK_OK(pf_file_write(inside(test, "kept/file"), PF_STR("1"), &test->err));
    CHECK_INT(symlink(inside(test, "kept"), inside(test, "x/link")), 0);
    CHECK_OK(pf_file_remove_tree(inside(test, "x"), &test->err));
    CHECK_INT(stat(inside(test, "x"), &info), -1);
    CHECK_INT(stat(inside(test, "kept/file"), &info), 0);
    CHECK_OK(pf_file_remove_tree(inside(test, "x"), &test->err));
    CHECK_CODE(pf_file_make_directories(inside(test, "kept/file/below"), &test->err), PF_NOT_FOUND);
    CHECK_FAILS(pf_file_make_directories(inside(test, "kept/file"), &test->err), PF_CONFLICT, "a file of that name");
}
