/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/json.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Sends stderr to a file while `write_lines` runs. */
static pf_str logged(void (*write_lines)(void)) {
    char path[4096];
    snprintf(path, sizeof path, "%s/log", pf_test_folder());
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600), kept = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
    write_lines();
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(file);
    return pf_test_read_file(path);
}

static void write_three(void) {
    pf_log_setup("tester", PF_LOG_INFO);
    struct pf_log_context before =
        pf_log_set_context((struct pf_log_context){.query = PF_STR("q1"), .task = PF_STR("t\"2")});
    pf_log(PF_LOG_INFO, "stage done", "\"rows\":%d", 5);
    pf_log(PF_LOG_DEBUG, "not seen", NULL);
    pf_log_set_context(before);
    struct pf_error err = {.code = PF_REMOTE, .message = "gone \x01", .origin = "x.c:1"};
    pf_log_failure(PF_LOG_ERROR, "lost", &err);
}

TEST(writes_one_json_object_a_line_with_the_context) {
    pf_str text = logged(write_three), line;
    pf_json *json;
    CHECK_TRUE(pf_str_next(&text, '\n', &line));
    CHECK_OK(pf_json_parse(line, test->arena, "line", &json, &test->err));
    CHECK_STR(pf_json_get_str(json, "level", PF_STR_EMPTY), "info");
    CHECK_STR(pf_json_get_str(json, "role", PF_STR_EMPTY), "tester");
    CHECK_STR(pf_json_get_str(json, "query", PF_STR_EMPTY), "q1");
    CHECK_STR(pf_json_get_str(json, "task", PF_STR_EMPTY), "t\"2");
    CHECK_INT(pf_json_get_i64(json, "rows", 0), 5);
    CHECK_TRUE(pf_str_next(&text, '\n', &line));
    CHECK_OK(pf_json_parse(line, test->arena, "line", &json, &test->err));
    CHECK_STR(pf_json_get_str(json, "code", PF_STR_EMPTY), "REMOTE");
    CHECK_STR(pf_json_get_str(json, "error", PF_STR_EMPTY), "gone \x01");
    CHECK_NULL(pf_json_get(json, "query"));
    CHECK_TRUE(pf_str_next(&text, '\n', &line));
    CHECK_STR(line, "");
}

static void write_when_off(void) {
    pf_log_setup("tester", PF_LOG_OFF);
    pf_log(PF_LOG_ERROR, "not seen", NULL);
}

static void write_long_text(void) {
    char text[5000];
    memset(text, 'x', sizeof text);
    pf_log_setup("tester", PF_LOG_DEBUG);
    pf_log_text(PF_LOG_DEBUG, "statement", "sql", pf_str_from(text, sizeof text));
}

TEST(is_silent_when_off_and_cuts_long_text) {
    CHECK_STR(logged(write_when_off), "");
    pf_json *json;
    CHECK_OK(pf_json_parse(logged(write_long_text), test->arena, "line", &json, &test->err));
    CHECK_UINT(pf_json_get_str(json, "sql", PF_STR_EMPTY).len, 2000);
}

TEST(knows_its_levels_by_name) {
    enum pf_log_level level = PF_LOG_OFF;
    CHECK_TRUE(pf_log_level_from(PF_STR("debug"), &level));
    CHECK_INT(level, PF_LOG_DEBUG);
    CHECK_FALSE(pf_log_level_from(PF_STR("loud"), &level));
}
