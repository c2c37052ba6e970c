/* SPDX-License-Identifier: MIT */
/* How long planning a scan takes: catalog_plan WAREHOUSE_FOLDER TABLE ROUNDS [COLUMN TYPE TEXT]
 *
 * All files of the table, or with a column those that may have COLUMN = TEXT: the first plan of this process, the
 * fastest with an empty cache ("cold": the catalog is opened anew, the page cache is warm), and the fastest with a full
 * one ("warm"); wall time and processor time of all threads, in ms. Prints JSON. */
#include "base/arena.h"
#include "base/clock.h"
#include "catalog/catalog.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void must(enum pf_code code, const struct pf_error *err) {
    if (code == PF_OK) return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

struct times {
    double wall_ms, processor_ms;
};

static struct times now(void) {
    struct timespec processor;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &processor);
    return (struct times){(double)pf_clock_mono_ns() / 1e6,
                          (double)processor.tv_sec * 1e3 + (double)processor.tv_nsec / 1e6};
}

static size_t plan(struct pf_catalog *catalog, pf_str name, const struct pf_predicate *predicate,
                   struct times *shortest) {
    struct pf_error err;
    struct pf_arena *arena = pf_arena_new(NULL, "plan");
    struct pf_table_id id;
    struct pf_table *table;
    struct pf_file_list files;
    struct times started = now();
    must(pf_table_id_parse(name, &id, &err), &err);
    must(pf_catalog_load(catalog, id, arena, &table, &err), &err);
    must(pf_catalog_plan_files(catalog, table, predicate, predicate ? 1 : 0, arena, &files, &err), &err);
    struct times ended = now();
    double wall_ms = ended.wall_ms - started.wall_ms, processor_ms = ended.processor_ms - started.processor_ms;
    if (wall_ms < shortest->wall_ms) shortest->wall_ms = wall_ms;
    if (processor_ms < shortest->processor_ms) shortest->processor_ms = processor_ms;
    size_t count = files.count;
    pf_arena_free(arena);
    return count;
}

static void print(const char *what, struct times times) {
    printf("\"%s\":%.3f,\"%s_cpu\":%.3f,", what, times.wall_ms, what, times.processor_ms);
}

static void measure(struct pf_store *store, pf_str name, int rounds, const struct pf_predicate *predicate) {
    struct times first = {1e9, 1e9}, cold = first, warm = first;
    struct pf_error err;
    struct pf_catalog *catalog = NULL;
    struct pf_catalog_options options = {.cache_bytes = (int64_t)4 << 30};
    size_t count = 0;
    for (int i = 0; i <= rounds; i++) {
        catalog = pf_catalog_close(catalog);
        must(pf_catalog_open(store, &options, &catalog, &err), &err);
        count = plan(catalog, name, predicate, i ? &cold : &first);
    }
    for (int i = 0; i < rounds; i++) plan(catalog, name, predicate, &warm);
    struct pf_catalog_stats stats;
    pf_catalog_get_stats(catalog, &stats);
    pf_catalog_close(catalog);
    printf("{");
    print("first", first);
    print("cold", cold);
    print("warm", warm);
    printf("\"files\":%zu,\"cache_bytes\":%lld}\n", count, (long long)stats.cache_bytes);
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
    struct pf_literal literal = {PF_STR_EMPTY, PF_STR_EMPTY};
    struct pf_predicate predicate = {PF_STR_EMPTY, PF_PREDICATE_EQ, &literal, 1};
    if (argc == 7) {
        literal = (struct pf_literal){pf_str_from_cstr(argv[5]), pf_str_from_cstr(argv[6])};
        predicate.column = pf_str_from_cstr(argv[4]);
    }
    measure(store, pf_str_from_cstr(argv[2]), rounds, argc == 7 ? &predicate : NULL);
    pf_store_close(store);
    return 0;
}
