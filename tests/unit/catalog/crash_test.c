/* SPDX-License-Identifier: MIT */
/* The process dies before, or after, each single call that a commit makes to the store, one after the other: the table can be
 * read, it has all of the change or nothing of it, and what was acknowledged is there. */
#include "catalog/catalog.h"

#include "faulty_store.h"
#include "lake.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_CALLS = 200, DIED = 99 };

/* What is done to table "t", which has the files a and b of 10 rows each. */
struct scene {
    const char *name;
    enum pf_code (*run)(struct pf_test *test, struct lake *lake, struct pf_arena *arena);
    int64_t rows_before, rows_after;
    size_t deletes_before, deletes_after;
};

static enum pf_code append(struct pf_test *test, struct lake *lake, struct pf_arena *arena) {
    struct pf_table *table;
    PF_TRY(pf_catalog_load(lake->catalog, lake_id("t"), arena, &table, &test->err));
    struct pf_data_file file = lake_file(lake, table, "c", 20, 5, arena, &test->err);
    return pf_catalog_append(lake->catalog, table, &file, 1, arena, NULL, &test->err);
}

/* As an update does it: rows of `a` go, others come. */
static enum pf_code update(struct pf_test *test, struct lake *lake, struct pf_arena *arena) {
    struct pf_table *table;
    struct pf_file_list list;
    PF_TRY(pf_catalog_load(lake->catalog, lake_id("t"), arena, &table, &test->err));
    PF_TRY(pf_catalog_plan_files(lake->catalog, table, NULL, 0, arena, &list, &test->err));
    struct pf_data_file added[2] = {lake_file(lake, table, "c", 20, 5, arena, &test->err),
                                    lake_file(lake, table, "d", 0, 5, arena, &test->err)};
    added[1].content = PF_FILE_POSITION_DELETES;
    added[1].columns = NULL;
    added[1].column_count = 0;
    struct pf_rows_change change = {
        .added = added, .added_count = 2, .needed_files = &list.files[0].path, .needed_count = 1};
    return pf_catalog_change_rows(lake->catalog, table, &change, arena, NULL, &test->err);
}

/* Copy on write: one file in the place of another. */
static enum pf_code replace(struct pf_test *test, struct lake *lake, struct pf_arena *arena) {
    struct pf_table *table;
    struct pf_file_list list;
    PF_TRY(pf_catalog_load(lake->catalog, lake_id("t"), arena, &table, &test->err));
    PF_TRY(pf_catalog_plan_files(lake->catalog, table, NULL, 0, arena, &list, &test->err));
    struct pf_data_file added = lake_file(lake, table, "c", 20, 7, arena, &test->err);
    struct pf_rows_change change = {
        .added = &added, .added_count = 1, .removed = list.files[0].entry, .removed_count = 1};
    return pf_catalog_change_rows(lake->catalog, table, &change, arena, NULL, &test->err);
}

static const struct scene SCENES[] = {
    {"append", append, 20, 25, 0, 0}, {"update", update, 20, 25, 0, 1}, {"replace", replace, 20, 17, 0, 0}};

static void set_up(struct pf_test *test, struct lake *lake) {
    struct pf_error err;
    (void)!pf_catalog_drop(lake->catalog, lake_id("t"), true, &err);
    lake_create(test, lake, "t");
    lake_append(test, lake, "t", "a", 0, 10);
    lake_append(test, lake, "t", "b", 10, 10);
}

/* In a process of its own, over a store that ends it. Says "done" through the pipe once the change is acknowledged. */
static void run_and_die(struct pf_test *test, const struct scene *scene, int call, bool is_after, int to_parent) {
    struct faulty_plan plan = {.dying_call = call, .dies_after = is_after, .death = DIED};
    struct lake lake = lake_open(test), faulty = {0};
    struct pf_catalog_options options = {.warehouse = PF_STR("wh")};
    struct pf_arena *arena = pf_arena_new(NULL, "child");
    faulty.store = faulty_store_open(lake.store, &plan);
    if (pf_catalog_open(faulty.store, &options, &faulty.catalog, &test->err) != PF_OK) _exit(2);
    if (scene->run(test, &faulty, arena) != PF_OK) {
        fprintf(stderr, "%s, call %d: %s\n", scene->name, call, test->err.message);
        _exit(3);
    }
    if (write(to_parent, "done", 4) != 4) _exit(4);
    _exit(0);
}

/* True if the child came to its end. */
static bool try_call(struct pf_test *test, const struct scene *scene, int call, bool is_after) {
    struct lake lake = lake_open(test);
    int pipes[2], status = -1;
    char word[8] = "";
    set_up(test, &lake);
    CHECK_INT(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) run_and_die(test, scene, call, is_after, pipes[1]);
    close(pipes[1]);
    bool is_acknowledged = read(pipes[0], word, sizeof word) == 4;
    close(pipes[0]);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED));

    struct pf_file_list list = lake_plan(test, &lake, "t");
    bool is_before = list.row_count == scene->rows_before && list.delete_count == scene->deletes_before;
    bool is_done = list.row_count == scene->rows_after && list.delete_count == scene->deletes_after;
    if (!is_before && !is_done) FAIL("%s, call %d: %lld rows", scene->name, call, (long long)list.row_count);
    if (is_acknowledged && !is_done) FAIL("%s, call %d: an acknowledged change is lost", scene->name, call);
    struct pf_table *table = lake_load(test, &lake, "t");
    CHECK_INT(pf_snapshot_summary_i64(table->snapshot, PF_STR("total-records")), list.row_count);
    lake_append(test, &lake, "t", "next", 1000, 1); /* it goes on */
    CHECK_INT(lake_plan(test, &lake, "t").row_count, list.row_count + 1);
    lake_close(&lake);
    return WEXITSTATUS(status) == 0;
}

static void die_at_every_call(struct pf_test *test, const struct scene *scene) {
    for (int is_after = 0; is_after < 2; is_after++) {
        int call = 1;
        while (!try_call(test, scene, call, is_after != 0)) {
            if (++call > MAX_CALLS) FAIL("%s does not come to its end", scene->name);
        }
        CHECK_TRUE(call > 5); /* pointer, manifest, list, metadata, pointer */
    }
}

TEST_WITH_LIMIT(an_append_survives_death_at_every_call, 120) {
    die_at_every_call(test, &SCENES[0]);
}

TEST_WITH_LIMIT(an_update_survives_death_at_every_call, 120) {
    die_at_every_call(test, &SCENES[1]);
}

TEST_WITH_LIMIT(a_replacement_survives_death_at_every_call, 120) {
    die_at_every_call(test, &SCENES[2]);
}
