/* SPDX-License-Identifier: MIT */
/* Two writers: one reads a table, the other commits, then the first one commits. Each of Iceberg's rules in both ways. */
#include "catalog/catalog.h"

#include "lake.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- files ---- */

static struct pf_data_file entry_of(struct pf_test *test, struct lake *lake, const char *name) {
    struct pf_file_list list = lake_plan(test, lake, "t");
    for (size_t i = 0; i < list.count; i++) {
        if (pf_str_ends_with(list.files[i].path, pf_str_from_cstr(name))) return *list.files[i].entry;
    }
    FAIL("no file %s", name);
}

static struct pf_data_file delete_entry(struct pf_test *test, struct lake *lake, const char *name, int64_t rows) {
    struct pf_table *table = lake_load(test, lake, "t");
    struct pf_data_file file = lake_file(lake, table, name, 0, rows, test->arena, &test->err);
    CHECK_TRUE(file.path.len > 0);
    file.content = PF_FILE_POSITION_DELETES;
    file.columns = NULL;
    file.column_count = 0;
    file.first_row_id = file.content_offset = file.content_size_bytes = -1;
    return file;
}

static struct pf_data_file vector_entry(struct pf_test *test, struct lake *lake, const char *name, pf_str data_path) {
    struct pf_data_file file = delete_entry(test, lake, name, 1);
    file.format = PF_STR("PUFFIN");
    file.referenced_data_file = data_path;
    file.content_offset = 4;
    file.content_size_bytes = 40;
    return file;
}

static struct pf_data_file data_entry(struct pf_test *test, struct lake *lake, const char *name, int64_t first,
                                      int64_t rows) {
    struct pf_data_file file = lake_file(lake, lake_load(test, lake, "t"), name, first, rows, test->arena, &test->err);
    CHECK_TRUE(file.path.len > 0);
    return file;
}

/* ---- commits ---- */

static enum pf_code commit(struct pf_test *test, struct lake *lake, const struct pf_table *read,
                           struct pf_rows_change change) {
    struct pf_table *after;
    return pf_catalog_change_rows(lake->catalog, read, &change, test->arena, &after, &test->err);
}

/* What DELETE does where rows are deleted by files: `minds`: what UPDATE and MERGE do. */
static enum pf_code delete_rows(struct pf_test *test, struct lake *lake, const struct pf_table *read, const char *name,
                                const char *data_name, bool minds) {
    struct pf_data_file deletes = delete_entry(test, lake, name, 1);
    pf_str needed = PF_STR_EMPTY;
    struct pf_file_list list;
    CHECK_OK(pf_catalog_plan_files(lake->catalog, read, NULL, 0, test->arena, &list, &test->err));
    for (size_t i = 0; i < list.count; i++) {
        if (pf_str_ends_with(list.files[i].path, pf_str_from_cstr(data_name))) needed = list.files[i].path;
    }
    CHECK_TRUE(needed.len > 0);
    return commit(test, lake, read,
                  (struct pf_rows_change){.added = &deletes,
                                          .added_count = 1,
                                          .needed_files = &needed,
                                          .needed_count = 1,
                                          .minds_deleted_files = minds,
                                          .minds_new_deletes = minds});
}

static enum pf_code remove_file(struct pf_test *test, struct lake *lake, const struct pf_table *read,
                                struct pf_data_file removed) {
    return commit(test, lake, read, (struct pf_rows_change){.removed = &removed, .removed_count = 1});
}

static struct lake open_with_table(struct pf_test *test) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    lake_append(test, &lake, "t", "a", 0, 10);
    lake_append(test, &lake, "t", "b", 10, 10);
    return lake;
}

static struct lake open_with_version_3(struct pf_test *test) {
    struct lake lake = lake_open(test);
    struct pf_table_spec spec = lake_spec(test, "t");
    struct pf_table *table;
    CHECK_OK(pf_catalog_stage(lake.catalog, &spec, test->arena, &table, &test->err));
    struct pf_table_metadata *metadata = PF_ARENA_NEW(test->arena, struct pf_table_metadata);
    *metadata = *table->metadata;
    metadata->format_version = 3;
    metadata->next_row_id = 0;
    table->metadata = metadata;
    CHECK_OK(pf_catalog_create_staged(lake.catalog, table, test->arena, &table, &test->err));
    lake_append(test, &lake, "t", "a", 0, 10);
    lake_append(test, &lake, "t", "b", 10, 10);
    return lake;
}

/* ---- nobody else ---- */

TEST(deletes_and_removals_are_committed) {
    struct lake lake = open_with_table(test);
    CHECK_OK(delete_rows(test, &lake, lake_load(test, &lake, "t"), "d", "/a", false));
    struct pf_file_list list = lake_plan(test, &lake, "t");
    CHECK_UINT(list.delete_count, 1);
    CHECK_OK(remove_file(test, &lake, lake_load(test, &lake, "t"), entry_of(test, &lake, "/b")));
    CHECK_UINT(lake_plan(test, &lake, "t").count, 1);
    struct pf_table *table = lake_load(test, &lake, "t");
    CHECK_STR(table->snapshot->operation, "delete");
    CHECK_INT(pf_snapshot_summary_i64(table->snapshot, PF_STR("total-position-deletes")), 1);
    CHECK_INT(pf_snapshot_summary_i64(table->snapshot, PF_STR("total-records")), 10);
    lake_close(&lake);
}

/* ---- validateDataFilesExist, validateDeletedFiles ---- */

TEST(a_delete_in_a_file_that_was_compacted_is_a_conflict) {
    struct lake lake = open_with_table(test);
    struct pf_table *read = lake_load(test, &lake, "t");
    struct pf_data_file removed[] = {entry_of(test, &lake, "/a"), entry_of(test, &lake, "/b")};
    struct pf_data_file added = data_entry(test, &lake, "ab", 0, 20);
    CHECK_OK(commit(test, &lake, read,
                    (struct pf_rows_change){.added = &added,
                                            .added_count = 1,
                                            .removed = removed,
                                            .removed_count = 2,
                                            .is_rewrite = true,
                                            .data_sequence_number = read->snapshot->sequence_number}));
    CHECK_FAILS(delete_rows(test, &lake, read, "d", "/a", false), PF_CONFLICT, "removed file");
    CHECK_INT(lake_plan(test, &lake, "t").row_count, 20);
    lake_close(&lake);
}

TEST(a_delete_in_a_file_that_was_deleted_is_none_but_an_update_is) {
    struct lake lake = open_with_table(test);
    struct pf_table *read = lake_load(test, &lake, "t");
    CHECK_OK(remove_file(test, &lake, read, entry_of(test, &lake, "/a")));
    CHECK_FAILS(delete_rows(test, &lake, read, "d1", "/a", true), PF_CONFLICT, "removed file");
    CHECK_OK(delete_rows(test, &lake, read, "d2", "/a", false));
    lake_close(&lake);
}

TEST(a_file_is_removed_once) {
    struct lake lake = open_with_table(test);
    struct pf_table *read = lake_load(test, &lake, "t");
    struct pf_data_file file = entry_of(test, &lake, "/a");
    CHECK_OK(remove_file(test, &lake, read, file));
    CHECK_FAILS(remove_file(test, &lake, read, file), PF_CONFLICT, "not in the table any more");
    lake_close(&lake);
}

/* ---- new deletes ---- */

TEST(new_deletes_are_a_conflict_for_updates_only) {
    struct lake lake = open_with_table(test);
    struct pf_table *read = lake_load(test, &lake, "t");
    CHECK_OK(delete_rows(test, &lake, read, "d1", "/a", false));
    CHECK_OK(delete_rows(test, &lake, read, "d2", "/a", false));
    CHECK_FAILS(delete_rows(test, &lake, read, "d3", "/a", true), PF_CONFLICT, "deleted rows");
    CHECK_INT(pf_snapshot_summary_i64(lake_load(test, &lake, "t")->snapshot, PF_STR("total-position-deletes")), 2);
    lake_close(&lake);
}

TEST(new_deletes_in_a_file_that_is_replaced_are_a_conflict) {
    struct lake lake = open_with_table(test);
    struct pf_table *read = lake_load(test, &lake, "t");
    struct pf_data_file removed = entry_of(test, &lake, "/a"), added = data_entry(test, &lake, "c", 0, 9);
    struct pf_rows_change change = {.added = &added, .added_count = 1, .removed = &removed, .removed_count = 1};
    CHECK_OK(delete_rows(test, &lake, read, "d1", "/b", false)); /* of another file, as far as one can tell: of all */
    CHECK_FAILS(commit(test, &lake, read, change), PF_CONFLICT, "were deleted by");
    CHECK_OK(commit(test, &lake, lake_load(test, &lake, "t"), change));
    CHECK_INT(lake_plan(test, &lake, "t").row_count, 19);
    lake_close(&lake);
}

TEST(a_file_that_goes_whole_may_have_new_deletes) {
    struct lake lake = open_with_table(test);
    struct pf_table *read = lake_load(test, &lake, "t");
    struct pf_data_file file = entry_of(test, &lake, "/a");
    CHECK_OK(delete_rows(test, &lake, read, "d1", "/a", false));
    CHECK_OK(remove_file(test, &lake, read, file));
    lake_close(&lake);
}

TEST(a_file_has_one_deletion_vector) {
    struct lake lake = open_with_version_3(test);
    struct pf_table *read = lake_load(test, &lake, "t");
    pf_str a = entry_of(test, &lake, "/a").path, b = entry_of(test, &lake, "/b").path;
    struct pf_data_file first = vector_entry(test, &lake, "v1", a), second = vector_entry(test, &lake, "v2", a);
    struct pf_data_file other = vector_entry(test, &lake, "v3", b);
    CHECK_OK(commit(test, &lake, read, (struct pf_rows_change){.added = &first, .added_count = 1}));
    CHECK_FAILS(commit(test, &lake, read, (struct pf_rows_change){.added = &second, .added_count = 1}), PF_CONFLICT,
                "deleted rows of the same file");
    CHECK_OK(commit(test, &lake, read, (struct pf_rows_change){.added = &other, .added_count = 1}));
    CHECK_UINT(lake_plan(test, &lake, "t").delete_count, 2);
    lake_close(&lake);
}

/* ---- new rows ---- */

TEST(new_rows_are_a_conflict_if_isolation_is_serializable_and_they_match) {
    struct lake lake = open_with_table(test);
    struct pf_table *read = lake_load(test, &lake, "t");
    struct pf_data_file added = data_entry(test, &lake, "new", 0, 1);
    struct pf_rows_change change = {.added = &added, .added_count = 1};
    lake_append(test, &lake, "t", "c", 100, 10);
    CHECK_OK(commit(test, &lake, read, change));
    change.minds_new_data = true;
    CHECK_FAILS(commit(test, &lake, read, change), PF_CONFLICT, "added file");
    struct pf_literal value = {.type = PF_STR("BIGINT"), .text = PF_STR("50")};
    struct pf_predicate predicate = {
        .column = PF_STR("id"), .kind = PF_PREDICATE_EQ, .values = &value, .value_count = 1};
    change.predicates = &predicate;
    change.predicate_count = 1;
    struct pf_data_file third = data_entry(test, &lake, "third", 50, 1);
    change.added = &third;
    CHECK_OK(commit(test, &lake, read, change));
    value.text = PF_STR("105");
    CHECK_FAILS(commit(test, &lake, read, change), PF_CONFLICT, "added file");
    lake_close(&lake);
}

TEST(history_that_is_gone_is_a_conflict) {
    struct lake lake = open_with_table(test);
    struct pf_table *read = lake_load(test, &lake, "t"), other = *read;
    struct pf_snapshot unknown = *read->snapshot;
    unknown.id = 4711;
    other.snapshot = &unknown;
    struct pf_data_file added = data_entry(test, &lake, "new", 0, 1);
    struct pf_rows_change change = {.added = &added, .added_count = 1};
    CHECK_FAILS(commit(test, &lake, &other, change), PF_CONFLICT, "4711");
    lake_close(&lake);
}

TEST(a_change_of_the_schema_is_a_conflict) {
    struct lake lake = open_with_table(test);
    struct pf_table *read = lake_load(test, &lake, "t"), other = *read;
    struct pf_table_metadata metadata = *read->metadata;
    metadata.current_schema_id = 9;
    other.metadata = &metadata;
    CHECK_FAILS(remove_file(test, &lake, &other, entry_of(test, &lake, "/a")), PF_CONFLICT, "its schema was changed");
    lake_close(&lake);
}

/* ---- many writers ---- */

enum { WRITERS = 16, ROUNDS = 6 };

/* Appends a file and removes it again, in one table or one of its own; every second round it stays. */
static int churn(struct pf_test *test, int writer, const char *table_name) {
    struct lake lake = lake_open(test);
    for (int i = 0; i < ROUNDS; i++) {
        struct pf_arena *arena = pf_arena_new(NULL, "churn");
        struct pf_table *table, *after;
        char name[64];
        snprintf(name, sizeof name, "w%d-%d", writer, i);
        enum pf_code code = pf_catalog_load(lake.catalog, lake_id(table_name), arena, &table, &test->err);
        struct pf_data_file file = {0};
        if (code == PF_OK) file = lake_file(&lake, table, name, writer * 100, 10, arena, &test->err);
        struct pf_rows_change change = {.added = &file, .added_count = 1};
        if (code == PF_OK) code = pf_catalog_change_rows(lake.catalog, table, &change, arena, &after, &test->err);
        if (code == PF_OK && i % 2) {
            struct pf_file_list list;
            code = pf_catalog_plan_files(lake.catalog, after, NULL, 0, arena, &list, &test->err);
            for (size_t f = 0; code == PF_OK && f < list.count; f++) {
                if (!pf_str_ends_with(list.files[f].path, pf_str_from_cstr(name))) continue;
                change = (struct pf_rows_change){.removed = list.files[f].entry, .removed_count = 1};
                code = pf_catalog_change_rows(lake.catalog, after, &change, arena, NULL, &test->err);
            }
        }
        pf_arena_free(arena);
        if (code == PF_OK) continue;
        fprintf(stderr, "round %d of writer %d: %s\n", i, writer, test->err.message);
        return 1;
    }
    lake_close(&lake);
    return 0;
}

static void run_writers(struct pf_test *test, bool share) {
    struct lake lake = lake_open(test);
    pid_t children[WRITERS];
    char names[WRITERS][16];
    for (int w = 0; w < WRITERS; w++) {
        snprintf(names[w], sizeof names[w], "t%d", share ? 0 : w);
        if (!share || w == 0) lake_create(test, &lake, names[w]);
    }
    for (int w = 0; w < WRITERS; w++) {
        children[w] = fork();
        if (children[w] == 0) _exit(churn(test, w, names[w]));
    }
    for (int w = 0; w < WRITERS; w++) {
        int status = -1;
        CHECK_INT(waitpid(children[w], &status, 0), children[w]);
        CHECK_INT(status, 0);
    }
    for (int w = 0; w < (share ? 1 : WRITERS); w++) {
        int64_t writers = share ? WRITERS : 1;
        struct pf_table *table = lake_load(test, &lake, names[w]);
        CHECK_INT(lake_plan(test, &lake, names[w]).row_count, writers * (ROUNDS - ROUNDS / 2) * 10);
        CHECK_INT(pf_snapshot_summary_i64(table->snapshot, PF_STR("total-records")),
                  writers * (ROUNDS - ROUNDS / 2) * 10);
        CHECK_INT(table->snapshot->sequence_number, writers * (ROUNDS + ROUNDS / 2));
        CHECK_UINT(table->metadata->snapshot_count, (size_t)writers * (ROUNDS + ROUNDS / 2));
    }
    lake_close(&lake);
}

TEST_WITH_LIMIT(sixteen_writers_change_one_table, 120) {
    run_writers(test, true);
}

TEST_WITH_LIMIT(sixteen_writers_change_sixteen_tables, 120) {
    run_writers(test, false);
}
