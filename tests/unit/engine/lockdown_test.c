/* SPDX-License-Identifier: MIT */
#include "engine_support.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct bench *open_locked(struct pf_test *test, const char *folder) {
    pf_str *directories = PF_ARENA_ARRAY(test->arena, pf_str, 1);
    directories[0] = pf_arena_printf(test->arena, "%s/ok", folder);
    mkdir(directories[0].ptr, 0755);
    struct pf_engine_options options = {.threads = 2,
                                        .keep_order = true,
                                        .is_locked = true,
                                        .allowed_directories = directories,
                                        .allowed_directory_count = 1};
    return bench_open(test, &options);
}

static enum pf_code run(struct pf_test *test, struct bench *bench, const char *format, const char *folder) {
    struct pf_buf sql;
    pf_buf_init(&sql, 1 << 16);
    pf_str rest = pf_str_from_cstr(format), part;
    bool is_first = true;
    while (pf_str_next(&rest, '@', &part)) { /* @ stands for the folder */
        if (!is_first) pf_buf_put_cstr(&sql, folder);
        pf_buf_put_str(&sql, part);
        is_first = false;
    }
    enum pf_code code = pf_session_run(bench->session, pf_buf_view(&sql), &test->err);
    pf_buf_clear(&sql);
    return code;
}

TEST(stays_inside_the_allowed_folders) {
    const char *folder = pf_test_folder();
    struct bench *bench = open_locked(test, folder);
    pf_str outside = pf_arena_printf(test->arena, "%s/okay", folder);
    mkdir(outside.ptr, 0755); /* has the allowed one as a prefix */
    FILE *file = fopen(pf_arena_printf(test->arena, "%s/okay/f.csv", folder).ptr, "w");
    fputs("a\n1\n", file);
    fclose(file);
    CHECK_INT(symlink(outside.ptr, pf_arena_printf(test->arena, "%s/ok/link", folder).ptr), 0);
    CHECK_OK(run(test, bench, "COPY (SELECT 1 AS a) TO '@/ok/f.parquet'", folder));
    CHECK_OK(run(test, bench, "SELECT * FROM read_parquet('@/ok/f.parquet')", folder));
    static const char *const REFUSED[] = {
        "SELECT * FROM read_csv('@/okay/f.csv')",
        "SELECT * FROM '@/okay/f.csv'",
        "SELECT * FROM read_csv('@/ok/../okay/f.csv')",
        "SELECT * FROM read_csv('@/ok/link/f.csv')",
        "SELECT * FROM glob('@/okay/*')",
        "SELECT * FROM sniff_csv('@/okay/f.csv')",
        "SELECT * FROM parquet_metadata('@/okay/f.csv')",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM read_blob('/etc/passwd')",
        "COPY (SELECT 1) TO '@/okay/g.csv'",
        "ATTACH '@/okay/x.db'",
        "EXPORT DATABASE '@/okay/e'",
        "INSTALL httpfs",
        "LOAD '@/okay/x.duckdb_extension'",
        "SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')",
    };
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++) {
        enum pf_code code = run(test, bench, REFUSED[i], folder);
        if (code == PF_OK) FAIL("allowed: %s", REFUSED[i]);
        if (code != PF_DENIED && code != PF_UNSUPPORTED && code != PF_INVALID && code != PF_NOT_FOUND)
            FAIL("%s: %s %s", REFUSED[i], pf_code_name(code), test->err.message);
    }
    CHECK_INT(access(pf_arena_printf(test->arena, "%s/okay/g.csv", folder).ptr, F_OK), -1);
}

TEST(keeps_its_settings) {
    const char *folder = pf_test_folder();
    struct bench *bench = open_locked(test, folder);
    static const char *const REFUSED[] = {"SET threads=1",
                                          "SET memory_limit='1TB'",
                                          "SET enable_external_access=true",
                                          "SET lock_configuration=false",
                                          "SET allowed_directories=['/']",
                                          "SET autoinstall_known_extensions=true",
                                          "SET home_directory='/tmp'",
                                          "SET extension_directory='/tmp'",
                                          "SET temp_directory='/tmp'",
                                          "SET profiling_output='/tmp/p'",
                                          "SET allow_persistent_secrets=true",
                                          "RESET threads",
                                          "PRAGMA threads=1",
                                          "SET disabled_optimizers=''"};
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++)
        if (run(test, bench, REFUSED[i], folder) == PF_OK) FAIL("allowed: %s", REFUSED[i]);
    CHECK_OK(run(test, bench, "SET TimeZone='Europe/Berlin'", folder));
    CHECK_OK(run(test, bench, "SELECT * FROM duckdb_secrets()", folder));
}

TEST(refuses_functions_that_get_around_the_lock) {
    const char *folder = pf_test_folder();
    struct bench *bench = open_locked(test, folder);
    static const char *const REFUSED[] = {
        "CALL enable_logging(storage='file', storage_config={'path': '@/log'})",
        "SELECT * FROM Enable_Logging()",
        "SELECT * FROM \"enable_logging\"()",
        "SELECT * FROM enable_logging /* x */ ()",
        "SELECT 1; CALL enable_logging()",
        "PRAGMA enable_logging",
        "PRAGMA \"enable_logging\"",
        "FROM system.main.enable_logging()",
        "FROM query('CALL enable_' || 'logging()')",
        "SELECT json_execute_serialized_sql('{}')",
        "PREPARE p AS FROM enable_logging()",
        "CREATE MACRO m() AS TABLE FROM enable_logging()",
        "SELECT * FROM U&\"\\0065nable_logging\"()",
    };
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++)
        CHECK_FAILS(run(test, bench, REFUSED[i], folder), PF_DENIED, "not allowed");
    /* Words alone do no harm. */
    CHECK_OK(run(test, bench, "SELECT 'enable_logging()' AS query, $$query()$$ -- query(", folder));
    CHECK_STR(bench_ask(test, bench, "SELECT 1", false), "1");
}

TEST(says_which_version_of_duckdb_runs) {
    CHECK_TRUE(pf_str_starts_with(pf_str_from_cstr(pf_engine_version()), PF_STR("v1.5.")));
}
