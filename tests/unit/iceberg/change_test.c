/* SPDX-License-Identifier: MIT */
/* Snapshots in which files come and go, in tables of all format versions. */
#include "iceberg/iceberg.h"

#include "support/test.h"

#include <stdio.h>

static const struct pf_manifest_columns all_columns = {.all = true};

static struct pf_commit new_table(struct pf_test *test, int version, const struct pf_property *properties,
                                  size_t count) {
    static const struct pf_sql_column columns[] = {{{"a", 1}, {"BIGINT", 6}, false}};
    struct pf_iceberg_schema *schema = PF_ARENA_NEW(test->arena, struct pf_iceberg_schema);
    struct pf_table_create create = {.uuid = PF_STR("u"),
                                     .location = PF_STR("/t"),
                                     .schema = schema,
                                     .now_ms = 1000,
                                     .properties = properties,
                                     .property_count = count};
    struct pf_commit commit = {.metadata_path = PF_STR("/t/metadata/00000-a.metadata.json")};
    CHECK_OK(pf_iceberg_schema_from_sql(columns, 1, test->arena, schema, &create.last_column_id, &test->err));
    CHECK_OK(pf_table_metadata_create(&create, test->arena, &commit.metadata, &test->err));
    commit.metadata->format_version = version;
    commit.metadata->next_row_id = version >= 3 ? 0 : -1;
    return commit;
}

static struct pf_data_file data_file(const char *path, int64_t rows) {
    return (struct pf_data_file){.path = pf_str_from_cstr(path),
                                 .record_count = rows,
                                 .size_bytes = 100,
                                 .sort_order_id = -1,
                                 .first_row_id = -1,
                                 .content_offset = -1,
                                 .content_size_bytes = -1};
}

static struct pf_data_file delete_file(const char *path, int64_t rows) {
    struct pf_data_file file = data_file(path, rows);
    file.content = PF_FILE_POSITION_DELETES;
    return file;
}

static struct pf_data_file vector(const char *path, int64_t offset, const char *data_path, int64_t rows) {
    struct pf_data_file file = delete_file(path, rows);
    file.format = PF_STR("PUFFIN");
    file.referenced_data_file = pf_str_from_cstr(data_path);
    file.content_offset = offset;
    file.content_size_bytes = 40;
    return file;
}

static pf_str object_at(const struct pf_commit *commits, size_t count, pf_str path) {
    for (size_t c = 0; c < count; c++) {
        for (size_t i = 0; i < commits[c].object_count; i++) {
            if (pf_str_equal(commits[c].objects[i].path, path)) return commits[c].objects[i].bytes;
        }
    }
    return PF_STR_EMPTY;
}

/* A table with all commits so far: the last one is the current. */
struct table {
    struct pf_test *test;
    struct pf_commit commits[64];
    size_t count;
};

static const struct pf_commit *current(const struct table *table) {
    return &table->commits[table->count - 1];
}

static const struct pf_snapshot *snapshot(const struct table *table) {
    return pf_table_metadata_current_snapshot(current(table)->metadata);
}

/* As readers see it: the list and the manifests from their bytes. */
static struct pf_manifest_list read_list(const struct table *table) {
    struct pf_manifest_list list = {0};
    struct pf_test *test = table->test;
    if (!snapshot(table)) return list;
    pf_str path = snapshot(table)->manifest_list;
    CHECK_OK(
        pf_manifest_list_read(object_at(table->commits, table->count, path), path, test->arena, &list, &test->err));
    return list;
}

static struct pf_manifest *read_manifest(const struct table *table, const struct pf_manifest_file *file) {
    struct pf_test *test = table->test;
    struct pf_manifest *manifest = PF_ARENA_NEW(test->arena, struct pf_manifest);
    CHECK_OK(pf_manifest_read(object_at(table->commits, table->count, file->path), file, current(table)->metadata,
                              &all_columns, test->arena, manifest, &test->err));
    return manifest;
}

static const struct pf_data_file *find_file(const struct table *table, const char *path) {
    struct pf_manifest_list list = read_list(table);
    for (size_t i = 0; i < list.count; i++) {
        struct pf_manifest *manifest = read_manifest(table, &list.manifests[i]);
        for (size_t k = 0; k < manifest->count; k++) {
            if (pf_str_equal(manifest->files[k].path, pf_str_from_cstr(path))) return &manifest->files[k];
        }
    }
    return NULL;
}

static enum pf_code change_with(struct table *table, struct pf_change change) {
    struct pf_test *test = table->test;
    struct pf_manifest_list list = read_list(table);
    bool *reads;
    change.metadata = current(table)->metadata;
    change.metadata_path = current(table)->metadata_path;
    change.manifests = snapshot(table) ? &list : NULL;
    change.snapshot_id = (int64_t)table->count * 10;
    change.commit_uuid = pf_arena_printf(test->arena, "c%zu", table->count);
    change.metadata_uuid = PF_STR("m");
    pf_change_reads(&change, test->arena, &reads);
    const struct pf_manifest **contents = PF_ARENA_ARRAY(test->arena, const struct pf_manifest *, list.count);
    for (size_t i = 0; i < list.count; i++) contents[i] = reads[i] ? read_manifest(table, &list.manifests[i]) : NULL;
    change.contents = contents;
    enum pf_code code = pf_iceberg_change(&change, test->arena, &table->commits[table->count], &test->err);
    if (code == PF_OK) table->count++;
    return code;
}

static enum pf_code change_files(struct table *table, const struct pf_data_file *added, size_t added_count,
                                 const struct pf_data_file *removed, size_t removed_count) {
    return change_with(
        table, (struct pf_change){
                   .added = added, .added_count = added_count, .removed = removed, .removed_count = removed_count});
}

static struct table open_table(struct pf_test *test, int version) {
    struct table table = {.test = test, .count = 1};
    table.commits[0] = new_table(test, version, NULL, 0);
    return table;
}

static void add_file(struct table *table, const char *path, int64_t rows) {
    struct pf_data_file file = data_file(path, rows);
    CHECK_OK(change_files(table, &file, 1, NULL, 0));
}

static int64_t number(const struct table *table, const char *key) {
    return pf_snapshot_summary_i64(snapshot(table), pf_str_from_cstr(key));
}

TEST(a_removed_file_rewrites_its_manifest_and_no_other) {
    struct table table = open_table(test, 2);
    struct pf_data_file two[] = {data_file("/t/a", 10), data_file("/t/b", 20)};
    CHECK_OK(change_files(&table, two, 2, NULL, 0));
    add_file(&table, "/t/c", 30);
    struct pf_data_file removed = *find_file(&table, "/t/b"), added = data_file("/t/d", 5);
    CHECK_OK(change_files(&table, &added, 1, &removed, 1));
    CHECK_STR(snapshot(&table)->operation, "overwrite");
    struct pf_manifest_list list = read_list(&table);
    CHECK_UINT(list.count, 3);
    struct pf_manifest *rewritten = read_manifest(&table, &list.manifests[2]);
    CHECK_UINT(rewritten->count, 2);
    CHECK_INT(rewritten->files[0].status, PF_ENTRY_EXISTING);
    CHECK_INT(rewritten->files[0].sequence_number, 1);
    CHECK_INT(rewritten->files[0].snapshot_id, 10);
    CHECK_INT(rewritten->files[1].status, PF_ENTRY_DELETED);
    CHECK_INT(rewritten->files[1].snapshot_id, 30);
    CHECK_INT(rewritten->files[1].sequence_number, 1);
    CHECK_INT(list.manifests[2].existing_files, 1);
    CHECK_INT(list.manifests[2].deleted_rows, 20);
    CHECK_INT(list.manifests[2].min_sequence_number, 1);
    CHECK_INT(list.manifests[2].sequence_number, 3);
    CHECK_INT(list.manifests[1].added_snapshot_id, 20);
    CHECK_INT(number(&table, "total-data-files"), 3);
    CHECK_INT(number(&table, "total-records"), 45);
    CHECK_INT(number(&table, "deleted-records"), 20);
    CHECK_INT(number(&table, "manifests-replaced"), 1);
    CHECK_INT(number(&table, "manifests-kept"), 1);
    /* The next snapshot forgets the deleted entry. */
    removed = *find_file(&table, "/t/a");
    CHECK_INT(removed.status, PF_ENTRY_EXISTING);
    CHECK_OK(change_files(&table, NULL, 0, &removed, 1));
    CHECK_STR(snapshot(&table)->operation, "delete");
    CHECK_NULL(find_file(&table, "/t/b"));
    CHECK_INT(number(&table, "total-records"), 35);
}

TEST(a_file_that_is_gone_is_a_conflict) {
    struct table table = open_table(test, 2);
    add_file(&table, "/t/a", 10);
    struct pf_data_file removed = *find_file(&table, "/t/a");
    CHECK_OK(change_files(&table, NULL, 0, &removed, 1));
    CHECK_FAILS(change_files(&table, NULL, 0, &removed, 1), PF_CONFLICT, "'/t/a' is not in the table any more");
}

TEST(position_delete_files_have_manifests_of_their_own) {
    struct table table = open_table(test, 2);
    add_file(&table, "/t/a", 10);
    struct pf_data_file deletes = delete_file("/t/a-deletes", 3);
    CHECK_OK(change_files(&table, &deletes, 1, NULL, 0));
    CHECK_STR(snapshot(&table)->operation, "delete");
    struct pf_manifest_list list = read_list(&table);
    CHECK_INT(list.manifests[0].content, PF_MANIFEST_DELETES);
    const struct pf_data_file *read = find_file(&table, "/t/a-deletes");
    CHECK_INT(read->content, PF_FILE_POSITION_DELETES);
    CHECK_INT(read->sequence_number, 2);
    CHECK_INT(number(&table, "added-position-deletes"), 3);
    CHECK_INT(number(&table, "added-position-delete-files"), 1);
    CHECK_INT(number(&table, "total-delete-files"), 1);
    CHECK_INT(number(&table, "total-records"), 10);
    /* An update: new rows and deletes at once. */
    struct pf_data_file update[] = {data_file("/t/b", 1), delete_file("/t/a-deletes-2", 1)};
    CHECK_OK(change_files(&table, update, 2, NULL, 0));
    CHECK_STR(snapshot(&table)->operation, "overwrite");
    CHECK_INT(number(&table, "total-position-deletes"), 4);
    struct pf_data_file gone[] = {*find_file(&table, "/t/a"), *find_file(&table, "/t/a-deletes"),
                                  *find_file(&table, "/t/a-deletes-2")};
    CHECK_OK(change_files(&table, NULL, 0, gone, 3));
    CHECK_INT(number(&table, "total-position-deletes"), 0);
    CHECK_INT(number(&table, "removed-delete-files"), 2);
    CHECK_INT(number(&table, "total-records"), 1);
}

TEST(rows_of_version_3_get_ids_that_stay) {
    struct table table = open_table(test, 3);
    struct pf_data_file two[] = {data_file("/t/a", 10), data_file("/t/b", 20)};
    CHECK_OK(change_files(&table, two, 2, NULL, 0));
    CHECK_INT(snapshot(&table)->first_row_id, 0);
    CHECK_INT(snapshot(&table)->added_rows, 30);
    CHECK_INT(current(&table)->metadata->next_row_id, 30);
    add_file(&table, "/t/c", 5);
    CHECK_INT(find_file(&table, "/t/b")->first_row_id, 10);
    CHECK_INT(find_file(&table, "/t/c")->first_row_id, 30);
    CHECK_INT(current(&table)->metadata->next_row_id, 35);
    /* A rewritten manifest gets ids of its own, its files keep theirs. */
    struct pf_data_file removed = *find_file(&table, "/t/a");
    CHECK_OK(change_files(&table, NULL, 0, &removed, 1));
    CHECK_INT(find_file(&table, "/t/b")->first_row_id, 10);
    CHECK_INT(find_file(&table, "/t/c")->first_row_id, 30);
    CHECK_INT(current(&table)->metadata->next_row_id, 55);
    add_file(&table, "/t/d", 1);
    CHECK_INT(find_file(&table, "/t/d")->first_row_id, 55);
}

TEST(deletion_vectors_replace_each_other) {
    struct table table = open_table(test, 3);
    add_file(&table, "/t/a", 10);
    struct pf_data_file first = vector("/t/v.puffin", 4, "/t/a", 2);
    CHECK_OK(change_files(&table, &first, 1, NULL, 0));
    const struct pf_data_file *read = find_file(&table, "/t/v.puffin");
    CHECK_STR(read->format, "PUFFIN");
    CHECK_STR(read->referenced_data_file, "/t/a");
    CHECK_INT(read->content_offset, 4);
    CHECK_INT(read->content_size_bytes, 40);
    CHECK_INT(number(&table, "added-dvs"), 1);
    CHECK_INT(number(&table, "added-files-size"), 40);
    struct pf_data_file second = vector("/t/w.puffin", 4, "/t/a", 5), old = *read;
    old.content_offset = 44;
    CHECK_FAILS(change_files(&table, &second, 1, &old, 1), PF_CONFLICT, "v.puffin");
    old.content_offset = 4;
    CHECK_OK(change_files(&table, &second, 1, &old, 1));
    CHECK_INT(find_file(&table, "/t/v.puffin")->status, PF_ENTRY_DELETED);
    CHECK_INT(number(&table, "total-position-deletes"), 5);
    CHECK_INT(number(&table, "total-delete-files"), 1);
    CHECK_INT(number(&table, "removed-dvs"), 1);
    struct pf_data_file positions = delete_file("/t/p.parquet", 1);
    CHECK_FAILS(change_files(&table, &positions, 1, NULL, 0), PF_UNSUPPORTED, "deletion vectors");
    second.referenced_data_file = PF_STR_EMPTY;
    CHECK_FAILS(change_files(&table, &second, 1, NULL, 0), PF_INVALID, "which file it is for");
}

TEST(version_1_has_no_sequence_numbers_and_no_deletes) {
    struct table table = open_table(test, 1);
    add_file(&table, "/t/a", 10);
    add_file(&table, "/t/b", 20);
    CHECK_INT(snapshot(&table)->sequence_number, 0);
    struct pf_manifest_list list = read_list(&table);
    CHECK_UINT(list.count, 2);
    CHECK_INT(list.manifests[0].sequence_number, 0);
    CHECK_INT(list.manifests[0].added_rows, 20);
    CHECK_INT(find_file(&table, "/t/b")->record_count, 20);
    struct pf_data_file removed = *find_file(&table, "/t/a");
    CHECK_OK(change_files(&table, NULL, 0, &removed, 1));
    CHECK_INT(number(&table, "total-records"), 20);
    struct pf_data_file positions = delete_file("/t/p.parquet", 1);
    CHECK_FAILS(change_files(&table, &positions, 1, NULL, 0), PF_UNSUPPORTED, "version 1");
    /* What version 1 wrote is read in an upgraded table. */
    table.commits[table.count - 1].metadata->format_version = 2;
    CHECK_OK(change_files(&table, &positions, 1, NULL, 0));
    CHECK_INT(find_file(&table, "/t/b")->sequence_number, 0);
    CHECK_INT(find_file(&table, "/t/p.parquet")->sequence_number, 1);
}

TEST(an_upgraded_table_gives_ids_to_old_rows) {
    struct table table = open_table(test, 2);
    add_file(&table, "/t/a", 10);
    table.commits[table.count - 1].metadata->format_version = 3;
    table.commits[table.count - 1].metadata->next_row_id = 0;
    add_file(&table, "/t/b", 5);
    CHECK_INT(find_file(&table, "/t/b")->first_row_id, 0);
    CHECK_INT(find_file(&table, "/t/a")->first_row_id, 5);
    CHECK_INT(current(&table)->metadata->next_row_id, 15);
}

TEST(many_small_manifests_are_merged) {
    struct pf_property properties[] = {{PF_STR("commit.manifest.min-count-to-merge"), PF_STR("4")}};
    struct table table = {.test = test, .count = 1};
    table.commits[0] = new_table(test, 3, properties, 1);
    for (int i = 0; i < 4; i++)
        add_file(&table, pf_arena_cstr(test->arena, pf_arena_printf(test->arena, "/t/%d", i)), 10);
    CHECK_UINT(read_list(&table).count, 4);
    struct pf_data_file removed = *find_file(&table, "/t/1"), added = data_file("/t/4", 1);
    CHECK_OK(change_files(&table, &added, 1, &removed, 1));
    struct pf_manifest_list list = read_list(&table);
    CHECK_UINT(list.count, 2);
    CHECK_INT(list.manifests[1].existing_files, 3);
    CHECK_INT(list.manifests[1].deleted_files, 1);
    CHECK_INT(find_file(&table, "/t/3")->first_row_id, 30);
    CHECK_INT(find_file(&table, "/t/3")->sequence_number, 4);
    CHECK_INT(number(&table, "manifests-replaced"), 4);
    CHECK_INT(number(&table, "total-records"), 31);
}

TEST(a_rewrite_keeps_the_age_of_its_rows) {
    struct table table = open_table(test, 2);
    add_file(&table, "/t/a", 10);
    add_file(&table, "/t/b", 10);
    struct pf_data_file removed[] = {*find_file(&table, "/t/a"), *find_file(&table, "/t/b")};
    struct pf_data_file added = data_file("/t/ab", 20);
    CHECK_OK(change_with(&table, (struct pf_change){.added = &added,
                                                    .added_count = 1,
                                                    .removed = removed,
                                                    .removed_count = 2,
                                                    .is_rewrite = true,
                                                    .data_sequence_number = 2}));
    CHECK_STR(snapshot(&table)->operation, "replace");
    CHECK_INT(find_file(&table, "/t/ab")->sequence_number, 2);
    CHECK_INT(find_file(&table, "/t/ab")->file_sequence_number, 3);
    CHECK_INT(read_list(&table).manifests[0].min_sequence_number, 2);
    CHECK_INT(number(&table, "total-records"), 20);
}

TEST(files_of_unknown_specs_are_refused) {
    struct table table = open_table(test, 2);
    struct pf_data_file file = data_file("/t/a", 10);
    file.spec_id = 7;
    CHECK_FAILS(change_files(&table, &file, 1, NULL, 0), PF_INVALID, "no partition spec 7");
}
