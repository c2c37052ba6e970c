/* SPDX-License-Identifier: MIT */
#include "base/config.h"

#include "support/test.h"

#include <string.h>
#include <unistd.h>

static enum pf_code read_into(struct pf_test *test, unsigned role, const char *const *argv,
                              const char *const *environment, struct pf_config *config) {
    int argc = 0;
    while (argv[argc]) argc++;
    return pf_config_read(role, argc, argv, environment, test->arena, config, &test->err);
}

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
static const char *const no_argv[] = {NULL};
static const char *const home_only[] = {"HOME=/home/ada", NULL};

TEST(starts_from_defaults) {
    struct pf_config config;
    CHECK_OK(read_into(test, PF_FOR_SERVE, no_argv, home_only, &config));
    CHECK_STR(pf_config_text(&config, PF_CONFIG_LISTEN), "127.0.0.1:8642");
    CHECK_STR(pf_config_text(&config, PF_CONFIG_STORE_URL), "file:///home/ada/.local/share/puffindb/lake");
    CHECK_INT(pf_config_number(&config, PF_CONFIG_TIMEOUT), 15 * 60 * 1000);
    CHECK_INT(pf_config_number(&config, PF_CONFIG_MAX_REQUEST), 4 << 20);
    CHECK_FALSE(pf_config_is_given(&config, PF_CONFIG_LISTEN));
    CHECK_UINT(config.argument_count, 0);
}

TEST(prefers_flag_to_variable_to_default) {
    static const char *const environment[] = {"PUFFINDB_TIMEOUT=2m", "PUFFINDB_WORKERS=7", NULL};
    struct pf_config config;
    CHECK_OK(read_into(test, PF_FOR_SERVE, ARGV("--timeout", "300ms"), environment, &config));
    CHECK_INT(pf_config_number(&config, PF_CONFIG_TIMEOUT), 300);
    CHECK_INT(config.values[PF_CONFIG_TIMEOUT].source, PF_FROM_FLAG);
    CHECK_INT(pf_config_number(&config, PF_CONFIG_WORKERS), 7);
    CHECK_INT(config.values[PF_CONFIG_WORKERS].source, PF_FROM_ENVIRONMENT);
}

TEST(takes_every_way_of_writing_a_flag) {
    struct pf_config config;
    CHECK_OK(read_into(test, PF_FOR_SQL,
                       ARGV("--format=csv", "-c", "SELECT 1", "--embedded", "x", "-fq.sql", "--", "--format", "-"),
                       home_only, &config));
    CHECK_STR(pf_config_text(&config, PF_CONFIG_FORMAT), "csv");
    CHECK_INT(pf_config_number(&config, PF_CONFIG_FORMAT), 3);
    CHECK_STR(pf_config_text(&config, PF_CONFIG_COMMAND), "SELECT 1");
    CHECK_INT(pf_config_number(&config, PF_CONFIG_EMBEDDED), 1);
    CHECK_TRUE(pf_str_ends_with(pf_config_text(&config, PF_CONFIG_FILE), PF_STR("/q.sql")));
    CHECK_UINT(config.argument_count, 3);
    CHECK_STR(pf_str_from_cstr(config.arguments[0]), "x");
    CHECK_STR(pf_str_from_cstr(config.arguments[2]), "-");
    CHECK_OK(read_into(test, PF_FOR_SQL, ARGV("--no-embedded"), home_only, &config));
    CHECK_INT(pf_config_number(&config, PF_CONFIG_EMBEDDED), 0);
}

TEST(has_one_flag_mean_what_its_role_needs) {
    struct pf_config config;
    CHECK_OK(read_into(test, PF_FOR_LOAD, ARGV("--format", "parquet"), home_only, &config));
    CHECK_STR(pf_config_text(&config, PF_CONFIG_LOAD_FORMAT), "parquet");
    CHECK_FAILS(read_into(test, PF_FOR_SQL, ARGV("--format", "parquet"), home_only, &config), PF_INVALID,
                "--format 'parquet': expected one of table|json|ndjson|csv");
}

TEST(makes_paths_and_store_urls_absolute) {
    struct pf_config config;
    char here[4096];
    CHECK_INT(chdir(pf_test_folder()), 0);
    CHECK_NOT_NULL(getcwd(here, sizeof here));
    CHECK_OK(read_into(test, PF_FOR_SERVE, ARGV("--store-url", "./lake/", "--run-path", "~/run"), home_only, &config));
    CHECK_STR(pf_config_text(&config, PF_CONFIG_STORE_URL), pf_arena_printf(test->arena, "file://%s/lake", here));
    CHECK_STR(pf_config_text(&config, PF_CONFIG_RUN_PATH), "/home/ada/run");
    CHECK_OK(read_into(test, PF_FOR_SERVE, ARGV("--store-url", "s3://bucket/prefix"), home_only, &config));
    CHECK_STR(pf_config_text(&config, PF_CONFIG_STORE_URL), "s3://bucket/prefix");
    CHECK_OK(read_into(test, PF_FOR_SERVE, ARGV("--store-url", "."), home_only, &config));
    CHECK_STR(pf_config_text(&config, PF_CONFIG_STORE_URL), pf_arena_printf(test->arena, "file://%s", here));
    CHECK_FAILS(read_into(test, PF_FOR_SERVE, ARGV("--store-url", "file://lake"), home_only, &config), PF_INVALID,
                "absolute path");
}

TEST(says_what_is_wrong_and_what_is_near) {
    static const char *const bad_variable[] = {"PUFFINDB_MEMORY=lots", NULL};
    struct pf_config config = {.argument_count = 77};
    CHECK_FAILS(read_into(test, PF_FOR_SERVE, ARGV("--stroe-url", "x"), home_only, &config), PF_INVALID,
                "unknown option --stroe-url; did you mean --store-url?");
    CHECK_FAILS(read_into(test, PF_FOR_SERVE, ARGV("--zzzzzzzz"), home_only, &config), PF_INVALID, "--zzzzzzzz");
    CHECK_FALSE(pf_str_find(pf_str_from_cstr(test->err.message), PF_STR("mean"), 0) != SIZE_MAX);
    CHECK_FAILS(read_into(test, PF_FOR_SERVE, ARGV("--replace"), home_only, &config), PF_INVALID, "other commands");
    CHECK_FAILS(read_into(test, PF_FOR_SERVE, ARGV("-x"), home_only, &config), PF_INVALID, "unknown option -x");
    CHECK_FAILS(read_into(test, PF_FOR_SERVE, ARGV("--listen"), home_only, &config), PF_INVALID, "needs a value");
    CHECK_FAILS(read_into(test, PF_FOR_SERVE, ARGV("--workers", "-1"), home_only, &config), PF_INVALID,
                "the least is 0");
    CHECK_FAILS(read_into(test, PF_FOR_SERVE, ARGV("--workers=many"), home_only, &config), PF_INVALID, "whole number");
    CHECK_FAILS(read_into(test, PF_FOR_SERVE, ARGV("--lease", "2h"), home_only, &config), PF_INVALID, "the most is");
    CHECK_FAILS(read_into(test, PF_FOR_SERVE, ARGV("--timeout", "soon"), home_only, &config), PF_INVALID, "30s");
    CHECK_FAILS(read_into(test, PF_FOR_SERVE, no_argv, bad_variable, &config), PF_INVALID, "PUFFINDB_MEMORY='lots'");
    CHECK_UINT(config.argument_count, 77);
}

TEST(reads_durations) {
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"300ms", 300}, {"30s", 30000}, {"1.5m", 90000}, {"2h", 7200000}, {"1d", 86400000}, {"45", 45000}};
    int64_t ms;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_TRUE(pf_duration_from(pf_str_from_cstr(cases[i].text), &ms));
        CHECK_INT(ms, cases[i].ms);
    }
    CHECK_FALSE(pf_duration_from(PF_STR("-1s"), &ms));
    CHECK_FALSE(pf_duration_from(PF_STR("s"), &ms));
    CHECK_FALSE(pf_duration_from(PF_STR(""), &ms));
    CHECK_FALSE(pf_duration_from(PF_STR("1 week"), &ms));
}

TEST(finds_misspelt_variables) {
    static const char *const environment[] = {"PUFFINDB_LISTEN=x", "PUFFINDB_LISTN=y", "PUFFIN=z", NULL};
    CHECK_STR(pf_str_from_cstr(pf_config_stray_variable(environment, test->arena)), "PUFFINDB_LISTN");
    CHECK_NULL(pf_config_stray_variable(home_only, test->arena));
}

TEST(has_a_complete_table_without_ambiguity) {
    for (int id = 0; id < PF_CONFIG_COUNT; id++) {
        const struct pf_option *option = &pf_options[id];
        CHECK_NOT_NULL(option->flag);
        CHECK_TRUE(strlen(option->help) > 5 && strlen(option->help) < 110);
        CHECK_TRUE(option->roles != 0);
        for (int other = 0; other < id; other++) {
            if (strcmp(option->flag, pf_options[other].flag) != 0) continue;
            CHECK_UINT(option->roles & pf_options[other].roles, 0);
        }
    }
}

TEST(prints_help_and_markdown) {
    struct pf_buf buf;
    pf_buf_init(&buf, 1 << 20);
    pf_config_print_options(PF_FOR_LOAD, &buf);
    CHECK_CONTAINS(pf_buf_view(&buf), "--replace");
    CHECK_TRUE(pf_str_find(pf_buf_view(&buf), PF_STR("--allow-origin"), 0) == SIZE_MAX);
    pf_buf_reset(&buf);
    pf_config_print_table(true, &buf);
    CHECK_CONTAINS(pf_buf_view(&buf), "| `--store-url URL` | `PUFFINDB_STORE_URL` |");
    CHECK_CONTAINS(pf_buf_view(&buf), "table\\|json");
    pf_buf_reset(&buf);
    pf_config_print_table(false, &buf);
    CHECK_CONTAINS(pf_buf_view(&buf), "PUFFINDB_REDIS_URL; used by");
    pf_buf_clear(&buf);
}
