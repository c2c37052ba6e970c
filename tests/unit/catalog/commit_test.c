/* SPDX-License-Identifier: MIT */
/* Commits: races, rebases, lost replies, failures in the middle. */
#include "catalog/catalog.h"

#include "faulty_store.h"
#include "lake.h"

#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 8, APPENDS = 20 };

/* One process: its own store and catalog, `count` appends of files named after it. */
static int append_many(struct pf_test *test, int process, int count) {
    struct lake lake = lake_open(test);
    for (int i = 0; i < count; i++) {
        struct pf_arena *arena = pf_arena_new(NULL, "append");
        struct pf_table *table;
        char name[64];
        snprintf(name, sizeof name, "p%d-%d.parquet", process, i);
        enum pf_code code = pf_catalog_load(lake.catalog, lake_id("t"), arena, &table, &test->err);
        if (code == PF_OK) {
            int64_t first = (process * 1000 + i) * 10;
            struct pf_data_file file = lake_file(&lake, table, name, first, 10, arena, &test->err);
            code = pf_catalog_append(lake.catalog, table, &file, 1, arena, NULL, &test->err);
        }
        pf_arena_free(arena);
        if (code == PF_OK) continue;
        fprintf(stderr, "append %d of process %d: %s\n", i, process, test->err.message);
        return 1;
    }
    lake_close(&lake);
    return 0;
}

TEST_WITH_LIMIT(loses_no_append_of_eight_processes, 120) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    pid_t children[PROCESSES];
    for (int p = 0; p < PROCESSES; p++) {
        children[p] = fork();
        if (children[p] == 0) _exit(append_many(test, p, APPENDS));
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status = -1;
        CHECK_INT(waitpid(children[p], &status, 0), children[p]);
        CHECK_INT(status, 0);
    }
    struct pf_file_list list = lake_plan(test, &lake, "t");
    CHECK_UINT(list.count, PROCESSES * APPENDS);
    CHECK_INT(list.row_count, PROCESSES * APPENDS * 10);
    struct pf_table *table = lake_load(test, &lake, "t");
    CHECK_UINT(table->metadata->snapshot_count, PROCESSES * APPENDS);
    CHECK_INT(table->snapshot->sequence_number, PROCESSES * APPENDS);
    /* Losers left nothing: data, manifest, list and metadata for each append, the first metadata, the pointer. */
    CHECK_UINT(lake_count_keys(test, &lake, "t"), 4 * PROCESSES * APPENDS + 2);
    lake_close(&lake);
}

TEST_WITH_LIMIT(keeps_a_table_whole_when_writers_are_killed, 60) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    size_t before = 0;
    for (int round = 0; round < 25; round++) {
        pid_t child = fork();
        if (child == 0) _exit(append_many(test, round, 1000));
        pf_clock_sleep_ms(5 + round % 7);
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        struct pf_file_list list = lake_plan(test, &lake, "t");
        CHECK_TRUE(list.count >= before);
        CHECK_INT(list.row_count, (int64_t)list.count * 10);
        before = list.count;
    }
    CHECK_TRUE(before > 0);
    lake_append(test, &lake, "t", "last", 0, 10);
    CHECK_UINT(lake_plan(test, &lake, "t").count, before + 1);
    lake_close(&lake);
}

TEST(replaces_all_files_that_are_there_by_then) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    lake_append(test, &lake, "t", "a", 0, 10);
    struct pf_table *old = lake_load(test, &lake, "t"), *after;
    lake_append(test, &lake, "t", "b", 10, 10);
    struct pf_data_file file = lake_file(&lake, old, "c", 500, 7, test->arena, &test->err);
    CHECK_OK(pf_catalog_replace(lake.catalog, old, &file, 1, test->arena, &after, &test->err));
    CHECK_INT(lake_plan(test, &lake, "t").row_count, 7);
    struct pf_table *past;
    CHECK_OK(pf_table_at_snapshot(after, after->snapshot->parent_id, test->arena, &past, &test->err));
    struct pf_file_list list;
    CHECK_OK(pf_catalog_plan_files(lake.catalog, past, NULL, 0, test->arena, &list, &test->err));
    CHECK_INT(list.row_count, 20);
    CHECK_OK(pf_catalog_replace(lake.catalog, after, NULL, 0, test->arena, &after, &test->err));
    CHECK_UINT(lake_plan(test, &lake, "t").count, 0);
    lake_append(test, &lake, "t", "d", 0, 3);
    CHECK_INT(lake_plan(test, &lake, "t").row_count, 3);
    lake_close(&lake);
}

TEST(creates_a_staged_table_with_its_first_files) {
    struct lake lake = lake_open(test);
    struct pf_table_spec spec = lake_spec(test, "t");
    struct pf_table *first, *second, *after;
    CHECK_OK(pf_catalog_stage(lake.catalog, &spec, test->arena, &first, &test->err));
    CHECK_OK(pf_catalog_stage(lake.catalog, &spec, test->arena, &second, &test->err));
    bool exists = true;
    CHECK_OK(pf_catalog_exists(lake.catalog, lake_id("t"), &exists, &test->err));
    CHECK_FALSE(exists);
    struct pf_data_file a = lake_file(&lake, first, "a", 0, 10, test->arena, &test->err);
    struct pf_data_file b = lake_file(&lake, second, "b", 0, 10, test->arena, &test->err);
    CHECK_OK(pf_catalog_append(lake.catalog, first, &a, 1, test->arena, &after, &test->err));
    CHECK_INT(lake_plan(test, &lake, "t").row_count, 10);
    CHECK_UINT(after->metadata->snapshot_count, 1);
    size_t keys = lake_count_keys(test, &lake, "t");
    CHECK_FAILS(pf_catalog_append(lake.catalog, second, &b, 1, test->arena, NULL, &test->err), PF_CONFLICT,
                "somebody else changed the table");
    CHECK_UINT(lake_count_keys(test, &lake, "t"), keys);
    lake_close(&lake);
}

TEST(does_not_append_to_another_table_of_that_name) {
    struct lake lake = lake_open(test);
    struct pf_table *old = lake_create(test, &lake, "t");
    struct pf_data_file file = lake_file(&lake, old, "a", 0, 10, test->arena, &test->err);
    CHECK_OK(pf_catalog_drop(lake.catalog, lake_id("t"), false, &test->err));
    CHECK_FAILS(pf_catalog_append(lake.catalog, old, &file, 1, test->arena, NULL, &test->err), PF_NOT_FOUND,
                "there is no table");
    lake_create(test, &lake, "t");
    CHECK_FAILS(pf_catalog_append(lake.catalog, old, &file, 1, test->arena, NULL, &test->err), PF_CONFLICT,
                "it was dropped and made anew");
    CHECK_UINT(lake_plan(test, &lake, "t").count, 0);
    lake_close(&lake);
}

/* ---- faults ---- */

static void swap_store(struct pf_test *test, struct lake *lake, struct pf_store *store) {
    pf_catalog_close(lake->catalog);
    struct lake with = {.store = store};
    lake->catalog = lake_other_catalog(test, &with);
}

TEST(finds_out_what_became_of_a_commit_without_reply) {
    struct lake lake = lake_open(test);
    struct faulty_plan plan = {0};
    lake_create(test, &lake, "t");
    struct pf_store *faulty = faulty_store_open(lake.store, &plan);
    swap_store(test, &lake, faulty);
    plan = (struct faulty_plan){.lost_replies = 1};
    lake_append(test, &lake, "t", "a", 0, 10);
    plan = (struct faulty_plan){.lost_requests = 2};
    lake_append(test, &lake, "t", "b", 10, 10);
    plan = (struct faulty_plan){.repeated = 1};
    lake_append(test, &lake, "t", "c", 20, 10);
    plan = (struct faulty_plan){.lost_replies = 1, .lost_requests = 1};
    lake_append(test, &lake, "t", "d", 30, 10);
    plan = (struct faulty_plan){0};
    struct pf_file_list list = lake_plan(test, &lake, "t");
    CHECK_UINT(list.count, 4);
    CHECK_UINT(lake_load(test, &lake, "t")->metadata->snapshot_count, 4);
    CHECK_UINT(lake_count_keys(test, &lake, "t"), 4 * 4 + 2);
    plan = (struct faulty_plan){.repeated = 1};
    struct pf_table_spec spec = lake_spec(test, "u");
    CHECK_OK(pf_catalog_create(lake.catalog, &spec, test->arena, NULL, &test->err));
    lake.catalog = pf_catalog_close(lake.catalog);
    pf_store_close(faulty);
    lake_close(&lake);
}

TEST(keeps_all_objects_of_a_commit_whose_outcome_is_unknown) {
    struct lake lake = lake_open(test);
    struct faulty_plan plan = {0};
    struct pf_table *table = lake_create(test, &lake, "t");
    struct pf_data_file file = lake_file(&lake, table, "a", 0, 10, test->arena, &test->err);
    struct pf_store *faulty = faulty_store_open(lake.store, &plan);
    swap_store(test, &lake, faulty);
    plan = (struct faulty_plan){.lost_replies = 1, .reads_fail_too = true};
    CHECK_FAILS(pf_catalog_append(lake.catalog, table, &file, 1, test->arena, NULL, &test->err), PF_REMOTE,
                "the outcome is unknown");
    swap_store(test, &lake, lake.store);
    pf_store_close(faulty);
    /* It had come through. */
    CHECK_INT(lake_plan(test, &lake, "t").row_count, 10);
    lake_close(&lake);
}

TEST(leaves_nothing_of_a_commit_that_could_not_be_stored) {
    struct lake lake = lake_open(test);
    struct faulty_plan plan = {0};
    struct pf_table *table = lake_create(test, &lake, "t");
    struct pf_data_file file = lake_file(&lake, table, "a", 0, 10, test->arena, &test->err);
    size_t keys = lake_count_keys(test, &lake, "t");
    struct pf_store *faulty = faulty_store_open(lake.store, &plan);
    swap_store(test, &lake, faulty);
    for (int at = 1; at <= 3; at++) {
        plan = (struct faulty_plan){.failing_puts = at};
        CHECK_FAILS(pf_catalog_append(lake.catalog, table, &file, 1, test->arena, NULL, &test->err), PF_NO_MEMORY,
                    "commit to main.t: put 'file:///");
        CHECK_UINT(lake_count_keys(test, &lake, "t"), keys);
    }
    plan = (struct faulty_plan){.failing_puts = 4};
    CHECK_OK(pf_catalog_append(lake.catalog, table, &file, 1, test->arena, NULL, &test->err));
    lake.catalog = pf_catalog_close(lake.catalog);
    pf_store_close(faulty);
    lake_close(&lake);
}

TEST(appends_of_one_mark_happen_once) {
    struct lake lake = lake_open(test);
    struct pf_table *table = lake_create(test, &lake, "t");
    struct pf_mark first = {.name = PF_STR("source"), .after = PF_STR("10")};
    struct pf_mark second = {.name = PF_STR("source"), .before = PF_STR("10"), .after = PF_STR("20")};
    struct pf_data_file one = lake_file(&lake, table, "one.parquet", 0, 10, test->arena, &test->err);
    struct pf_data_file two = lake_file(&lake, table, "two.parquet", 10, 10, test->arena, &test->err);
    CHECK_STR(pf_table_mark(table, PF_STR("source")), "");
    CHECK_OK(pf_catalog_append_marked(lake.catalog, table, &one, 1, &first, test->arena, NULL, &test->err));
    CHECK_FAILS(pf_catalog_append_marked(lake.catalog, table, &one, 1, &first, test->arena, NULL, &test->err),
                PF_CONFLICT, "'source' is '10' by now");
    /* A commit of somebody else, who knows nothing of marks, comes between. */
    lake_append(test, &lake, "t", "other.parquet", 100, 10);
    table = lake_load(test, &lake, "t");
    CHECK_STR(pf_table_mark(table, PF_STR("source")), "10");
    CHECK_OK(pf_catalog_append_marked(lake.catalog, table, &two, 1, &second, test->arena, &table, &test->err));
    CHECK_STR(pf_table_mark(table, PF_STR("source")), "20");
    CHECK_STR(pf_table_mark(table, PF_STR("another")), "");
    CHECK_INT(lake_plan(test, &lake, "t").row_count, 30);
    lake_close(&lake);
}
