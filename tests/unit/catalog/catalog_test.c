/* SPDX-License-Identifier: MIT */
#include "catalog/catalog.h"

#include "lake.h"

#include <pthread.h>
#include <string.h>

static pf_str join(struct pf_test *test, const pf_str *names, size_t count) {
    pf_str all = PF_STR("");
    for (size_t i = 0; i < count; i++) {
        all = pf_arena_printf(test->arena, "%.*s%s%.*s", PF_STR_ARG(all), i ? " " : "", PF_STR_ARG(names[i]));
    }
    return all;
}

static pf_str tables(struct pf_test *test, struct lake *lake, const char *space) {
    pf_str *names;
    size_t count;
    CHECK_OK(pf_catalog_list_tables(lake->catalog, pf_str_from_cstr(space), test->arena, &names, &count, &test->err));
    return join(test, names, count);
}

static pf_str namespaces(struct pf_test *test, struct lake *lake) {
    pf_str *names;
    size_t count;
    CHECK_OK(pf_catalog_list_namespaces(lake->catalog, test->arena, &names, &count, &test->err));
    return join(test, names, count);
}

TEST(lists_tables_by_namespace) {
    struct lake lake = lake_open(test);
    CHECK_STR(namespaces(test, &lake), "main");
    CHECK_STR(tables(test, &lake, "main"), "");
    lake_create(test, &lake, "orders");
    lake_create(test, &lake, "customers");
    struct pf_table_spec spec = lake_spec(test, "events");
    spec.id.space = PF_STR("audit");
    CHECK_OK(pf_catalog_create(lake.catalog, &spec, test->arena, NULL, &test->err));
    CHECK_STR(namespaces(test, &lake), "audit main");
    CHECK_STR(tables(test, &lake, ""), "customers orders");
    CHECK_STR(tables(test, &lake, "audit"), "events");
    CHECK_STR(tables(test, &lake, "nowhere"), "");
    lake_close(&lake);
}

TEST(reads_names_and_says_what_is_wrong_with_others) {
    struct pf_table_id id;
    CHECK_OK(pf_table_id_parse(PF_STR("orders"), &id, &test->err));
    CHECK_STR(id.space, "main");
    CHECK_STR(id.name, "orders");
    CHECK_OK(pf_table_id_parse(PF_STR("a b.ü"), &id, &test->err));
    CHECK_STR(id.space, "a b");
    CHECK_STR(id.name, "ü");
    CHECK_FAILS(pf_table_id_parse(PF_STR(""), &id, &test->err), PF_INVALID, "the name is empty");
    CHECK_FAILS(pf_table_id_parse(PF_STR(".x"), &id, &test->err), PF_INVALID, "the namespace is empty");
    CHECK_FAILS(pf_table_id_parse(PF_STR("x."), &id, &test->err), PF_INVALID, "the name is empty");
    CHECK_OK(pf_table_id_parse(PF_STR("a.b.c"), &id, &test->err));
    CHECK_STR(id.space, "a.b");
    CHECK_STR(id.name, "c");
    CHECK_FAILS(pf_table_id_parse(PF_STR("a..c"), &id, &test->err), PF_INVALID, "the name is empty");
    CHECK_FAILS(pf_table_id_parse(PF_STR("a/b"), &id, &test->err), PF_INVALID, "no '.' and no '/'");
    CHECK_FAILS(pf_table_id_parse(PF_STR("a\nb"), &id, &test->err), PF_INVALID, "control character");
    char long_name[300];
    memset(long_name, 'x', sizeof long_name);
    CHECK_FAILS(pf_table_id_parse(pf_str_from(long_name, sizeof long_name), &id, &test->err), PF_INVALID, "300 bytes");
}

TEST(creates_once_in_any_case_of_letters) {
    struct lake lake = lake_open(test);
    struct pf_table *table = lake_create(test, &lake, "Orders");
    CHECK_STR(table->full_name, "main.Orders");
    CHECK_NULL(table->snapshot);
    CHECK_UINT(table->schema->field_count, 2);
    CHECK_TRUE(pf_str_starts_with(table->metadata->location, PF_STR("file:///")));
    struct pf_table_spec spec = lake_spec(test, "ORDERS");
    CHECK_FAILS(pf_catalog_create(lake.catalog, &spec, test->arena, NULL, &test->err), PF_CONFLICT,
                "there is a table 'main.Orders' already");
    CHECK_STR(lake_load(test, &lake, "oRDERS")->id.name, "Orders");
    struct pf_table *none;
    CHECK_FAILS(pf_catalog_load(lake.catalog, lake_id("order"), test->arena, &none, &test->err), PF_NOT_FOUND,
                "there is no table 'main.order'");
    struct pf_table_totals totals;
    CHECK_OK(pf_catalog_totals(lake.catalog, table, &totals, &test->err));
    CHECK_INT(totals.row_count, 0);
    CHECK_TRUE(totals.is_exact);
    CHECK_UINT(lake_plan(test, &lake, "Orders").count, 0);
    lake_close(&lake);
}

TEST(plans_the_files_that_were_appended) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    lake_append(test, &lake, "t", "a.parquet", 0, 100);
    lake_append(test, &lake, "t", "b.parquet", 100, 50);
    struct pf_file_list list = lake_plan(test, &lake, "t");
    CHECK_UINT(list.count, 2);
    CHECK_INT(list.row_count, 150);
    CHECK_INT(list.size_bytes, 8);
    CHECK_INT(list.manifest_count, 2);
    for (size_t i = 0; i < 2; i++) {
        struct pf_store_object object;
        CHECK_OK(pf_store_stat(lake.store, list.files[i].key, &object, &test->err));
        CHECK_TRUE(pf_str_ends_with(list.files[i].path, list.files[i].local_path));
    }
    struct pf_table_totals totals;
    CHECK_OK(pf_catalog_totals(lake.catalog, lake_load(test, &lake, "t"), &totals, &test->err));
    CHECK_INT(totals.row_count, 150);
    CHECK_INT(totals.size_bytes, 8);
    CHECK_INT(totals.file_count, 2);
    CHECK_TRUE(totals.is_exact);
    lake_close(&lake);
}

TEST(skips_files_by_their_bounds) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    struct pf_table *table = lake_load(test, &lake, "t");
    struct pf_data_file files[10];
    for (int i = 0; i < 10; i++) {
        char name[20] = {(char)('a' + i), 0};
        files[i] = lake_file(&lake, table, name, i * 100, 100, test->arena, &test->err);
    }
    CHECK_OK(pf_catalog_append(lake.catalog, table, files, 10, test->arena, &table, &test->err));
    struct pf_literal value = {PF_STR("BIGINT"), PF_STR("250")};
    struct pf_predicate predicate = {
        .column = PF_STR("id"), .kind = PF_PREDICATE_LT, .values = &value, .value_count = 1};
    struct pf_file_list list;
    CHECK_OK(pf_catalog_plan_files(lake.catalog, table, &predicate, 1, test->arena, &list, &test->err));
    CHECK_UINT(list.count, 3);
    CHECK_INT(list.skipped_file_count, 7);
    lake_close(&lake);
}

TEST(reads_one_pointer_where_nothing_changed) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    for (int i = 0; i < 20; i++) {
        char name[2] = {(char)('a' + i), 0};
        lake_append(test, &lake, "t", name, i * 10, 10);
    }
    struct pf_catalog *fresh = lake_other_catalog(test, &lake);
    struct pf_catalog_stats stats;
    for (int round = 0; round < 3; round++) {
        struct pf_arena *arena = pf_arena_new(NULL, "round");
        struct pf_table *table;
        struct pf_file_list list;
        CHECK_OK(pf_catalog_load(fresh, lake_id("t"), arena, &table, &test->err));
        CHECK_OK(pf_catalog_plan_files(fresh, table, NULL, 0, arena, &list, &test->err));
        CHECK_UINT(list.count, 20);
        CHECK_INT(list.read_manifest_count, round ? 0 : 20);
        pf_arena_free(arena);
        pf_catalog_get_stats(fresh, &stats);
        CHECK_INT(stats.pointer_reads, round + 1);
        CHECK_INT(stats.object_reads, 22);
    }
    CHECK_INT(stats.cache_entries, 42);
    pf_catalog_close(fresh);
    lake_close(&lake);
}

TEST(keeps_what_is_in_use_when_the_cache_is_small) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    for (int i = 0; i < 6; i++) {
        char name[2] = {(char)('a' + i), 0};
        lake_append(test, &lake, "t", name, i * 10, 10);
    }
    struct pf_catalog *small = NULL;
    struct pf_catalog_options options = {.warehouse = PF_STR("wh"), .cache_bytes = 1};
    CHECK_OK(pf_catalog_open(lake.store, &options, &small, &test->err));
    struct pf_arena *arena = pf_arena_new(NULL, "small");
    struct pf_table *table;
    struct pf_file_list list;
    CHECK_OK(pf_catalog_load(small, lake_id("t"), arena, &table, &test->err));
    CHECK_OK(pf_catalog_plan_files(small, table, NULL, 0, arena, &list, &test->err));
    CHECK_UINT(list.count, 6);
    for (size_t i = 0; i < 6; i++) CHECK_INT(list.files[i].entry->record_count, 10);
    pf_arena_free(arena);
    struct pf_catalog_stats stats;
    pf_catalog_get_stats(small, &stats);
    CHECK_INT(stats.cache_entries, 0);
    CHECK_INT(stats.cache_bytes, 0);
    pf_catalog_close(small);
    lake_close(&lake);
}

static void *load_and_plan(void *context) {
    struct lake *lake = context;
    for (int i = 0; i < 30; i++) {
        struct pf_arena *arena = pf_arena_new(NULL, "thread");
        struct pf_table *table;
        struct pf_file_list list;
        bool is_good = pf_catalog_load(lake->catalog, lake_id("t"), arena, &table, NULL) == PF_OK &&
                       pf_catalog_plan_files(lake->catalog, table, NULL, 0, arena, &list, NULL) == PF_OK &&
                       list.count == 12;
        pf_arena_free(arena);
        if (!is_good) return lake;
    }
    return NULL;
}

TEST(serves_threads_with_a_cache_too_small_for_all) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    for (int i = 0; i < 12; i++) {
        char name[2] = {(char)('a' + i), 0};
        lake_append(test, &lake, "t", name, i * 10, 10);
    }
    pf_catalog_close(lake.catalog);
    struct pf_catalog_options options = {.warehouse = PF_STR("wh"), .cache_bytes = 100000, .reader_count = 3};
    CHECK_OK(pf_catalog_open(lake.store, &options, &lake.catalog, &test->err));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK_INT(pthread_create(&threads[i], NULL, load_and_plan, &lake), 0);
    for (int i = 0; i < 4; i++) {
        void *failed = NULL;
        CHECK_INT(pthread_join(threads[i], &failed), 0);
        CHECK_NULL(failed);
    }
    lake_close(&lake);
}

TEST(reads_the_past) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    lake_append(test, &lake, "t", "a", 0, 10);
    int64_t first = lake_load(test, &lake, "t")->snapshot->id;
    int64_t time_ms = lake_load(test, &lake, "t")->snapshot->timestamp_ms;
    lake_append(test, &lake, "t", "b", 10, 10);
    struct pf_table *now = lake_load(test, &lake, "t"), *then;
    struct pf_table_totals totals;
    CHECK_OK(pf_table_at_snapshot(now, first, test->arena, &then, &test->err));
    CHECK_OK(pf_catalog_totals(lake.catalog, then, &totals, &test->err));
    CHECK_INT(totals.row_count, 10);
    CHECK_OK(pf_table_at_ref(now, PF_STR("main"), test->arena, &then, &test->err));
    CHECK_INT(then->snapshot->id, now->snapshot->id);
    CHECK_OK(pf_table_at_time(now, time_ms + 3600000, test->arena, &then, &test->err));
    CHECK_INT(then->snapshot->id, now->snapshot->id);
    CHECK_FAILS(pf_table_at_time(now, 1000, test->arena, &then, &test->err), PF_NOT_FOUND, "no snapshot at that time");
    CHECK_FAILS(pf_table_at_snapshot(now, 17, test->arena, &then, &test->err), PF_NOT_FOUND, "no snapshot 17");
    CHECK_FAILS(pf_table_at_ref(now, PF_STR("v1"), test->arena, &then, &test->err), PF_NOT_FOUND, "branch or tag 'v1'");
    lake_close(&lake);
}

TEST(drops_tables_and_leaves_their_objects_or_not) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    lake_append(test, &lake, "t", "a", 0, 10);
    size_t before = lake_count_keys(test, &lake, "t");
    CHECK_OK(pf_catalog_drop(lake.catalog, lake_id("T"), false, &test->err));
    CHECK_UINT(lake_count_keys(test, &lake, "t"), before - 1);
    CHECK_FAILS(pf_catalog_drop(lake.catalog, lake_id("t"), false, &test->err), PF_NOT_FOUND, "there is no table");
    /* The name's folder is not empty, so the new table has another: purging it takes nothing of the old one. */
    lake_create(test, &lake, "t");
    lake_append(test, &lake, "t", "b", 0, 10);
    CHECK_FALSE(pf_str_ends_with(lake_load(test, &lake, "t")->metadata->location, PF_STR("/t")));
    CHECK_OK(pf_catalog_drop(lake.catalog, lake_id("t"), true, &test->err));
    CHECK_UINT(lake_count_keys(test, &lake, "t"), before - 1);
    lake_create(test, &lake, "u");
    lake_append(test, &lake, "u", "c", 0, 10);
    CHECK_OK(pf_catalog_drop(lake.catalog, lake_id("u"), true, &test->err));
    CHECK_UINT(lake_count_keys(test, &lake, "u"), 0);
    CHECK_STR(tables(test, &lake, "main"), "");
    lake_close(&lake);
}

TEST(registers_a_table_in_place) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    lake_append(test, &lake, "t", "a", 0, 10);
    struct pf_table *table = lake_load(test, &lake, "t");
    CHECK_OK(pf_catalog_register(lake.catalog, lake_id("other"), table->metadata_path, false, &test->err));
    CHECK_INT(lake_plan(test, &lake, "other").row_count, 10);
    CHECK_OK(pf_catalog_register(lake.catalog, lake_id("T2"), table->metadata_path, false, &test->err));
    lake_append(test, &lake, "t", "b", 10, 10);
    CHECK_INT(lake_plan(test, &lake, "other").row_count, 10);
    pf_str now = lake_load(test, &lake, "t")->metadata_path;
    CHECK_FAILS(pf_catalog_register(lake.catalog, lake_id("other"), now, false, &test->err), PF_CONFLICT, "already");
    CHECK_OK(pf_catalog_register(lake.catalog, lake_id("other"), now, true, &test->err));
    CHECK_INT(lake_plan(test, &lake, "other").row_count, 20);
    pf_str *directories;
    size_t count = 0;
    CHECK_OK(pf_table_directories(lake.catalog, lake_load(test, &lake, "other"), test->arena, &directories, &count,
                                  &test->err));
    CHECK_UINT(count, 1);
    CHECK_TRUE(pf_str_ends_with(directories[0], PF_STR("/wh/main/t/")));
    CHECK_FAILS(pf_catalog_register(lake.catalog, lake_id("x"), PF_STR("file:///etc/passwd"), false, &test->err),
                PF_DENIED, "lies outside the store");
    lake_close(&lake);
}

/* A table in one store, registered in another catalog that may read below its folder. */
TEST(reads_tables_below_a_foreign_root_and_does_not_write_them) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    lake_append(test, &lake, "t", "a", 0, 10);
    pf_str location = lake_load(test, &lake, "t")->metadata_path;
    pf_str root = pf_arena_printf(test->arena, "%s/wh", pf_test_folder());
    pf_str path = pf_arena_printf(test->arena, "%s/second", pf_test_folder());
    struct pf_store *store = NULL;
    struct pf_catalog *catalog = NULL;
    struct pf_store_options store_options = {.is_volatile = true};
    struct pf_catalog_options options = {.foreign_roots = &root, .foreign_root_count = 1};
    CHECK_OK(pf_store_open(path, &store_options, &store, &test->err));
    CHECK_OK(pf_catalog_open(store, &options, &catalog, &test->err));
    struct pf_arena *arena = pf_arena_new(NULL, "foreign");
    CHECK_OK(pf_catalog_register(catalog, lake_id("seen"), location, false, &test->err));
    struct pf_table *table;
    struct pf_file_list list;
    CHECK_OK(pf_catalog_load(catalog, lake_id("seen"), arena, &table, &test->err));
    CHECK_OK(pf_catalog_plan_files(catalog, table, NULL, 0, arena, &list, &test->err));
    CHECK_UINT(list.count, 1);
    CHECK_UINT(list.files[0].key.len, 0);
    CHECK_TRUE(pf_str_starts_with(list.files[0].local_path, root));
    pf_str prefix, *directories;
    size_t count = 0;
    CHECK_OK(pf_catalog_directories(catalog, arena, &directories, &count, &test->err));
    CHECK_UINT(count, 2);
    CHECK_FAILS(pf_table_data_prefix(catalog, table, arena, &prefix, &test->err), PF_UNSUPPORTED, "can only be read");
    CHECK_FAILS(pf_catalog_append(catalog, table, list.files[0].entry, 1, arena, NULL, &test->err), PF_UNSUPPORTED,
                "can only be read");
    pf_str up = pf_arena_printf(arena, "file://%.*s/../second/x", PF_STR_ARG(root));
    CHECK_FAILS(pf_catalog_register(catalog, lake_id("y"), up, false, &test->err), PF_DENIED, "lies outside");
    pf_arena_free(arena);
    pf_catalog_close(catalog);
    pf_store_close(store);
    lake_close(&lake);
}

/* ---- broken objects ---- */

/* Loads and plans with a catalog that has nothing cached. */
static enum pf_code read_afresh(struct pf_test *test, struct lake *lake, struct pf_error *err) {
    struct pf_catalog *catalog = lake_other_catalog(test, lake);
    struct pf_arena *arena = pf_arena_new(NULL, "afresh");
    struct pf_table *table;
    struct pf_file_list list;
    enum pf_code code = pf_catalog_load(catalog, lake_id("t"), arena, &table, err);
    if (code == PF_OK) code = pf_catalog_plan_files(catalog, table, NULL, 0, arena, &list, err);
    pf_arena_free(arena);
    pf_catalog_close(catalog);
    return code;
}

TEST(names_the_object_that_is_corrupt_or_missing) {
    struct lake lake = lake_open(test);
    lake_create(test, &lake, "t");
    lake_append(test, &lake, "t", "a", 0, 10);
    pf_str current = lake_load(test, &lake, "t")->metadata_path, metadata;
    CHECK_TRUE(pf_store_key_of(lake.store, current, &metadata));
    pf_str manifest = lake_find_key(test, &lake, "t", "-m0.avro");
    pf_str list, pointer = PF_STR("wh/main/t/metadata/pointer.json");
    CHECK_TRUE(pf_store_key_of(lake.store, lake_load(test, &lake, "t")->snapshot->manifest_list, &list));
    struct {
        pf_str key;
        const char *what;
    } kinds[] = {{pointer, "pointer '"}, {metadata, "metadata '"}, {list, "manifest list '"}, {manifest, "manifest '"}};
    for (size_t i = 0; i < 4; i++) {
        pf_str good;
        CHECK_OK(pf_store_get(lake.store, kinds[i].key, PF_RANGE_ALL, test->arena, &good, &test->err));
        pf_str bad[] = {PF_STR(""), PF_STR("garbage"), pf_str_slice(good, 0, good.len / 2),
                        pf_str_slice(good, 0, good.len - 3)};
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
            CHECK_OK(pf_store_put(lake.store, kinds[i].key, bad[b], &test->err));
            CHECK_FAILS(read_afresh(test, &lake, &test->err), PF_CORRUPT, kinds[i].what);
            CHECK_OK(pf_store_put(lake.store, kinds[i].key, bad[b], &test->err));
            CHECK_FAILS(read_afresh(test, &lake, &test->err), PF_CORRUPT, "table main.t: ");
        }
        CHECK_OK(pf_store_delete(lake.store, kinds[i].key, &test->err));
        pf_str missing = i ? kinds[i].key : PF_STR("there is no table 'main.t'");
        CHECK_FAILS(read_afresh(test, &lake, &test->err), PF_NOT_FOUND, pf_arena_cstr(test->arena, missing));
        CHECK_OK(pf_store_put(lake.store, kinds[i].key, good, &test->err));
        CHECK_OK(read_afresh(test, &lake, &test->err));
    }
    lake_close(&lake);
}

TEST(does_not_believe_a_pointer_to_another_table) {
    struct lake lake = lake_open(test);
    struct pf_table *t = lake_create(test, &lake, "t");
    lake_create(test, &lake, "u");
    pf_str text =
        pf_arena_printf(test->arena, "{\"format-version\":1,\"table-uuid\":\"5b0e\",\"metadata-location\":\"%.*s\"}",
                        PF_STR_ARG(t->metadata_path));
    CHECK_OK(pf_store_put(lake.store, PF_STR("wh/main/t/metadata/pointer.json"), text, &test->err));
    CHECK_FAILS(read_afresh(test, &lake, &test->err), PF_CORRUPT, "the pointer says 5b0e");
    text = PF_STR("{\"format-version\":2,\"table-uuid\":\"5b0e\",\"metadata-location\":\"x\"}");
    CHECK_OK(pf_store_put(lake.store, PF_STR("wh/main/t/metadata/pointer.json"), text, &test->err));
    CHECK_FAILS(read_afresh(test, &lake, &test->err), PF_UNSUPPORTED, "newer than this program");
    lake_close(&lake);
}
