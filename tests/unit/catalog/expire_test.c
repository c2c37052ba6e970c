/* SPDX-License-Identifier: MIT */
/* Old snapshots are forgotten: what they alone had is gone, the rows and the marks are not. */
#include "lake.h"

enum { APPENDS = 30 };

static void append_marked(struct pf_test *test, struct lake *lake, const char *mark, int number) {
    struct pf_table *table = lake_load(test, lake, "t");
    pf_str name = pf_arena_printf(test->arena, "log.%s", mark), file = pf_arena_printf(test->arena, "f%d", number);
    struct pf_data_file data = lake_file(lake, table, file.ptr, number * 10, 10, test->arena, &test->err);
    struct pf_mark step = {.name = name, .before = pf_table_mark(table, name)};
    step.after = pf_arena_printf(test->arena, "%d", number);
    CHECK_OK(pf_catalog_append_marked(lake->catalog, table, &data, 1, &step, test->arena, NULL, &test->err));
}

static struct lake open_grown(struct pf_test *test) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    for (int i = 0; i < APPENDS; i++) append_marked(test, &lake, "a", i);
    return lake;
}

static size_t expire(struct pf_test *test, struct lake *lake, struct pf_expire_options options) {
    size_t count;
    CHECK_OK(pf_catalog_expire_history(lake->catalog, lake_id("t"), &options, &count, &test->err));
    return count;
}

TEST(forgets_old_snapshots_and_keeps_their_rows) {
    struct lake lake = open_grown(test);
    struct pf_expire_options options = {.keep_count = 5, .least_count = 10, .mark_prefix = PF_STR("log.")};
    size_t before = lake_count_keys(test, &lake, "t");
    CHECK_INT(expire(test, &lake, options), APPENDS - 5);
    struct pf_table *table = lake_load(test, &lake, "t");
    CHECK_INT(table->metadata->snapshot_count, 5);
    CHECK_STR(pf_table_mark(table, PF_STR("log.a")), "29");
    CHECK_INT(lake_plan(test, &lake, "t").row_count, APPENDS * 10);
    /* The manifest lists at least are gone. */
    CHECK_TRUE(lake_count_keys(test, &lake, "t") <= before - (APPENDS - 5) + 1);
    struct pf_catalog *other = lake_other_catalog(test, &lake);
    struct pf_table *seen;
    CHECK_OK(pf_catalog_load(other, lake_id("t"), test->arena, &seen, &test->err));
    for (size_t i = 0; i < seen->metadata->snapshot_count; i++) {
        struct pf_table *then;
        struct pf_file_list files;
        CHECK_OK(pf_table_at_snapshot(seen, seen->metadata->snapshots[i].id, test->arena, &then, &test->err));
        CHECK_OK(pf_catalog_plan_files(other, then, NULL, 0, test->arena, &files, &test->err));
        CHECK_INT(files.row_count, (APPENDS - 4 + (int64_t)i) * 10);
    }
    pf_catalog_close(other);
    append_marked(test, &lake, "a", APPENDS);
    CHECK_INT(lake_plan(test, &lake, "t").row_count, (APPENDS + 1) * 10);
    lake_close(&lake);
}

TEST(does_not_grow_with_the_number_of_commits) {
    struct lake lake = open_grown(test);
    struct pf_expire_options options = {.keep_count = 3, .least_count = 10, .mark_prefix = PF_STR("log.")};
    size_t most = 0;
    for (int i = APPENDS; i < 4 * APPENDS; i++) {
        append_marked(test, &lake, "a", i);
        (void)expire(test, &lake, options);
        size_t others = lake_count_keys(test, &lake, "t") - (size_t)(2 * (i + 1)); /* data file and manifest of each */
        if (i > 2 * APPENDS && others > most) most = others;
    }
    CHECK_INT(lake_plan(test, &lake, "t").row_count, 4 * APPENDS * 10);
    if (most > 60) FAIL("%zu objects besides data files and manifests", most);
    lake_close(&lake);
}

TEST(keeps_what_is_young_and_what_bears_a_mark) {
    struct lake lake = open_grown(test);
    struct pf_expire_options young = {.keep_ms = 3600000, .least_count = 1, .mark_prefix = PF_STR("log.")};
    CHECK_INT(expire(test, &lake, young), 0);
    append_marked(test, &lake, "b", APPENDS);
    for (int i = 1; i <= 10; i++) append_marked(test, &lake, "a", APPENDS + i);
    struct pf_expire_options options = {.keep_count = 2, .least_count = 1, .mark_prefix = PF_STR("log.")};
    CHECK_INT(expire(test, &lake, options), APPENDS);
    struct pf_table *table = lake_load(test, &lake, "t");
    CHECK_STR(pf_table_mark(table, PF_STR("log.b")), "30");
    CHECK_STR(pf_table_mark(table, PF_STR("log.a")), "40");
    CHECK_INT(expire(test, &lake, (struct pf_expire_options){.keep_count = 2, .least_count = 30}),
              0); /* not worth it */
    lake_close(&lake);
}

TEST(leaves_a_history_with_anything_but_appends_alone) {
    struct lake lake = open_grown(test);
    struct pf_table *table = lake_load(test, &lake, "t");
    struct pf_data_file data = lake_file(&lake, table, "new", 0, 10, test->arena, &test->err);
    CHECK_OK(pf_catalog_replace(lake.catalog, table, &data, 1, test->arena, NULL, &test->err));
    CHECK_INT(expire(test, &lake, (struct pf_expire_options){.keep_count = 1, .least_count = 1}), 0);
    CHECK_INT(lake_load(test, &lake, "t")->metadata->snapshot_count, APPENDS + 1);
    lake_close(&lake);
}
