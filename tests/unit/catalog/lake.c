/* SPDX-License-Identifier: MIT */
#include "lake.h"

struct pf_catalog *lake_other_catalog(struct pf_test *test, struct lake *lake) {
    struct pf_catalog *catalog = NULL;
    struct pf_catalog_options options = {.warehouse = PF_STR("wh")};
    CHECK_OK(pf_catalog_open(lake->store, &options, &catalog, &test->err));
    return catalog;
}

struct lake lake_open(struct pf_test *test) {
    struct lake lake = {0};
    struct pf_store_options options = {.is_volatile = true};
    CHECK_OK(pf_store_open(pf_str_from_cstr(pf_test_folder()), &options, &lake.store, &test->err));
    lake.catalog = lake_other_catalog(test, &lake);
    return lake;
}

void lake_close(struct lake *lake) {
    lake->catalog = pf_catalog_close(lake->catalog);
    lake->store = pf_store_close(lake->store);
}

struct pf_table_id lake_id(const char *name) {
    return (struct pf_table_id){PF_STR_EMPTY, pf_str_from_cstr(name)};
}

struct pf_table_spec lake_spec(struct pf_test *test, const char *name) {
    static const struct pf_sql_column columns[] = {{PF_STR("id"), PF_STR("BIGINT"), false},
                                                   {PF_STR("name"), PF_STR("VARCHAR"), false}};
    struct pf_iceberg_schema *schema = PF_ARENA_NEW(test->arena, struct pf_iceberg_schema);
    struct pf_table_spec spec = {.id = lake_id(name), .schema = schema};
    CHECK_OK(pf_iceberg_schema_from_sql(columns, 2, test->arena, schema, &spec.last_column_id, &test->err));
    return spec;
}

struct pf_table *lake_create(struct pf_test *test, struct lake *lake, const char *name) {
    struct pf_table_spec spec = lake_spec(test, name);
    struct pf_table *table = NULL;
    CHECK_OK(pf_catalog_create(lake->catalog, &spec, test->arena, &table, &test->err));
    return table;
}

struct pf_table *lake_load(struct pf_test *test, struct lake *lake, const char *name) {
    struct pf_table *table = NULL;
    CHECK_OK(pf_catalog_load(lake->catalog, lake_id(name), test->arena, &table, &test->err));
    return table;
}

struct pf_data_file lake_file(struct lake *lake, const struct pf_table *table, const char *name, int64_t first_id,
                              int64_t rows, struct pf_arena *arena, struct pf_error *err) {
    struct pf_data_file file = {
        .format = PF_STR("PARQUET"), .record_count = rows, .size_bytes = 4, .sort_order_id = -1};
    pf_str prefix;
    if (pf_table_data_prefix(lake->catalog, table, arena, &prefix, err) != PF_OK) return file;
    pf_str key = pf_arena_printf(arena, "%.*s/%s", PF_STR_ARG(prefix), name);
    if (pf_store_put(lake->store, key, PF_STR("PAR1"), err) != PF_OK) return file;
    struct pf_stats_text stats = {
        .path = PF_STR("\"id\""),
        .min = pf_arena_printf(arena, "%lld", (long long)first_id),
        .max = pf_arena_printf(arena, "%lld", (long long)(first_id + rows - 1)),
        .size_bytes = 8,
        .value_count = rows,
        .null_count = 0,
    };
    if (pf_data_file_set_stats(&file, table->metadata, &stats, 1, arena, err) != PF_OK) return file;
    file.path = pf_store_uri(lake->store, key, arena);
    return file;
}

void lake_append(struct pf_test *test, struct lake *lake, const char *name, const char *file_name, int64_t first_id,
                 int64_t rows) {
    struct pf_table *table = lake_load(test, lake, name);
    struct pf_data_file file = lake_file(lake, table, file_name, first_id, rows, test->arena, &test->err);
    CHECK_TRUE(file.path.len > 0);
    CHECK_OK(pf_catalog_append(lake->catalog, table, &file, 1, test->arena, NULL, &test->err));
}

struct pf_file_list lake_plan(struct pf_test *test, struct lake *lake, const char *name) {
    struct pf_file_list list;
    CHECK_OK(
        pf_catalog_plan_files(lake->catalog, lake_load(test, lake, name), NULL, 0, test->arena, &list, &test->err));
    return list;
}

static struct pf_store_page list_keys(struct pf_test *test, struct lake *lake, const char *table) {
    struct pf_store_page page = {0};
    struct pf_store_list_options options = {.prefix = pf_arena_printf(test->arena, "wh/main/%s/", table),
                                            .limit = 100000};
    CHECK_OK(pf_store_list(lake->store, &options, test->arena, &page, &test->err));
    return page;
}

pf_str lake_find_key(struct pf_test *test, struct lake *lake, const char *table, const char *ending) {
    struct pf_store_page page = list_keys(test, lake, table);
    for (size_t i = 0; i < page.object_count; i++) {
        if (pf_str_ends_with(page.objects[i].key, pf_str_from_cstr(ending))) return page.objects[i].key;
    }
    FAIL("no object of table %s ends with %s", table, ending);
}

size_t lake_count_keys(struct pf_test *test, struct lake *lake, const char *table) {
    return list_keys(test, lake, table).object_count;
}
