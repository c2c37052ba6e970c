/* SPDX-License-Identifier: MIT */
/* A small lake for the tests of the catalog: tables of (id BIGINT, name VARCHAR), data files without content. */
#ifndef PF_TESTS_CATALOG_LAKE_H
#define PF_TESTS_CATALOG_LAKE_H

#include "catalog/catalog.h"
#include "store/store.h"

#include "support/test.h"

struct lake {
    struct pf_store *store;
    struct pf_catalog *catalog;
};

struct lake lake_open(struct pf_test *test);
/* Another catalog over the same store, as another process has it. */
struct pf_catalog *lake_other_catalog(struct pf_test *test, struct lake *lake);
void lake_close(struct lake *lake);

struct pf_table_id lake_id(const char *name);
struct pf_table_spec lake_spec(struct pf_test *test, const char *name);
struct pf_table *lake_create(struct pf_test *test, struct lake *lake, const char *name);
struct pf_table *lake_load(struct pf_test *test, struct lake *lake, const char *name);

/* An entry for a file of `rows` rows with ids from `first_id` on; the object is put. */
struct pf_data_file lake_file(struct lake *lake, const struct pf_table *table, const char *name, int64_t first_id,
                              int64_t rows, struct pf_arena *arena, struct pf_error *err);
void lake_append(struct pf_test *test, struct lake *lake, const char *table, const char *file, int64_t first_id,
                 int64_t rows);
struct pf_file_list lake_plan(struct pf_test *test, struct lake *lake, const char *table);

/* The first key in the folder of the table that ends so. */
pf_str lake_find_key(struct pf_test *test, struct lake *lake, const char *table, const char *ending);
/* Keys in the folder of the table. */
size_t lake_count_keys(struct pf_test *test, struct lake *lake, const char *table);

#endif
