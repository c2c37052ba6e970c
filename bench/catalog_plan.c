/* SPDX-License-Identifier: MIT */
/* How long planning a scan takes: catalog_plan STORE_FOLDER TABLE ROUNDS [COLUMN TYPE TEXT]
 *
 * For each of "all" and, with a column, "one" (COLUMN = TEXT): the first plan, the fastest with an empty cache ("cold":
 * the catalog is opened anew, the page cache is warm), and the fastest with a full one ("warm"). Prints JSON, in ms. */
#include "base/arena.h"
#include "base/clock.h"
#include "catalog/catalog.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

static void must(enum pf_code code, const struct pf_error *err) {
    if (code == PF_OK) return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static size_t plan(struct pf_catalog *catalog, pf_str name, const struct pf_predicate *predicate, double *out_ms) {
    struct pf_error err;
    struct pf_arena *arena = pf_arena_new(NULL, "plan");
    struct pf_table_id id;
    struct pf_table *table;
    struct pf_file_list files;
    int64_t started_ns = pf_clock_mono_ns();
    must(pf_table_id_parse(name, &id, &err), &err);
    must(pf_catalog_load(catalog, id, arena, &table, &err), &err);
    must(pf_catalog_plan_files(catalog, table, predicate, predicate ? 1 : 0, arena, &files, &err), &err);
    *out_ms = (double)(pf_clock_mono_ns() - started_ns) / 1e6;
    size_t count = files.count;
    pf_arena_free(arena);
    return count;
}

static void measure(struct pf_store *store, pf_str name, int rounds, const struct pf_predicate *predicate,
                    const char *what) {
    double first = 0, cold = 1e9, warm = 1e9, ms;
    struct pf_error err;
    struct pf_catalog *catalog = NULL;
    struct pf_catalog_options options = {.cache_bytes = (int64_t)4 << 30};
    size_t count = 0;
    for (int i = 0; i < rounds; i++) {
        catalog = pf_catalog_close(catalog);
        must(pf_catalog_open(store, &options, &catalog, &err), &err);
        count = plan(catalog, name, predicate, &ms);
        if (i == 0) first = ms;
        if (ms < cold) cold = ms;
    }
    for (int i = 0; i < rounds; i++) {
        plan(catalog, name, predicate, &ms);
        if (ms < warm) warm = ms;
    }
    pf_catalog_close(catalog);
    printf("\"%s\":{\"first\":%.3f,\"cold\":%.3f,\"warm\":%.3f,\"files\":%zu}", what, first, cold, warm, count);
}

int main(int argc, char **argv) {
    struct pf_error err;
    struct pf_store *store;
    if (argc != 4 && argc != 7) {
        fprintf(stderr, "usage: catalog_plan WAREHOUSE_FOLDER TABLE ROUNDS [COLUMN TYPE TEXT]\n");
        return 2;
    }
    must(pf_store_open(pf_str_from_cstr(argv[1]), NULL, &store, &err), &err);
    int rounds = (int)strtol(argv[3], NULL, 10);
    printf("{");
    measure(store, pf_str_from_cstr(argv[2]), rounds, NULL, "all");
    if (argc == 7) {
        struct pf_literal literal = {pf_str_from_cstr(argv[5]), pf_str_from_cstr(argv[6])};
        struct pf_predicate predicate = {pf_str_from_cstr(argv[4]), PF_PREDICATE_EQ, &literal, 1};
        printf(",");
        measure(store, pf_str_from_cstr(argv[2]), rounds, &predicate, "one");
    }
    printf("}\n");
    pf_store_close(store);
    return 0;
}
