/* SPDX-License-Identifier: MIT */
#include "query/affinity.h"

#include "support/test.h"

enum { FILES = 2000, WORKERS = 200 };

struct world {
    pf_str workers[WORKERS];
    struct affinity_file files[FILES];
    struct affinity_item items[FILES];
    int places[FILES];
};

static struct world *make_world(struct pf_test *test, const char *name) {
    struct world *world = PF_ARENA_NEW(test->arena, struct world);
    for (int i = 0; i < WORKERS; i++) world->workers[i] = pf_arena_printf(test->arena, "worker-%s-%d", name, i);
    for (int i = 0; i < FILES; i++) {
        world->files[i] = (struct affinity_file){
            affinity_key(pf_arena_printf(test->arena, "s3://lake/main/%s/data/%d.parquet", name, i), 0), 1 + i % 3};
        world->items[i] = (struct affinity_item){&world->files[i], 1};
    }
    return world;
}

static void place(struct pf_test *test, struct world *world, size_t worker_count, int *out_places) {
    struct affinity_ring *ring = affinity_ring_new(world->workers, worker_count, test->arena);
    affinity_place(ring, world->items, FILES, test->arena, out_places);
}

static int64_t most_loaded(const struct world *world, const int *places, int64_t *out_total) {
    int64_t loads[WORKERS] = {0}, most = 0;
    *out_total = 0;
    for (int i = 0; i < FILES; i++) {
        loads[places[i]] += world->files[i].weight;
        *out_total += world->files[i].weight;
    }
    for (int i = 0; i < WORKERS; i++) most = loads[i] > most ? loads[i] : most;
    return most;
}

TEST(nobody_gets_more_than_a_quarter_above_the_share) {
    static const size_t counts[] = {2, 3, 10, 50, WORKERS};
    static const char *const names[] = {"orders", "lineitem", "x"};
    for (size_t n = 0; n < 3; n++) {
        struct world *world = make_world(test, names[n]);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            int64_t total;
            place(test, world, counts[i], world->places);
            int64_t most = most_loaded(world, world->places, &total);
            CHECK_TRUE(most <= total / (int64_t)counts[i] * 125 / 100 + 1);
        }
    }
}

TEST(the_same_files_go_to_the_same_workers) {
    struct world *world = make_world(test, "orders");
    int *again = PF_ARENA_ARRAY(test->arena, int, FILES);
    place(test, world, 50, world->places);
    pf_str first = world->workers[0]; /* the order in which workers are known does not matter */
    world->workers[0] = world->workers[49];
    world->workers[49] = first;
    place(test, world, 50, again);
    for (int i = 0; i < FILES; i++) {
        int wanted = world->places[i] == 0 ? 49 : world->places[i] == 49 ? 0 : world->places[i];
        CHECK_INT(again[i], wanted);
    }
}

TEST(a_worker_that_goes_moves_few_files) {
    struct world *world = make_world(test, "orders");
    int *fewer = PF_ARENA_ARRAY(test->arena, int, FILES), moved = 0;
    place(test, world, 50, world->places);
    place(test, world, 49, fewer);
    for (int i = 0; i < FILES; i++) moved += world->places[i] != fewer[i];
    CHECK_TRUE(moved >= FILES / 50 / 2); /* its own */
    CHECK_TRUE(moved <= FILES / 6);      /* and some that had overflowed; without a ring it would be nearly all */
}

TEST(half_of_the_files_stay_where_they_are_without_the_others) {
    struct world *world = make_world(test, "orders");
    int *some = PF_ARENA_ARRAY(test->arena, int, FILES), moved = 0;
    place(test, world, 20, world->places);
    struct affinity_ring *ring = affinity_ring_new(world->workers, 20, test->arena);
    affinity_place(ring, world->items, FILES / 2, test->arena, some); /* another query, which prunes more */
    for (int i = 0; i < FILES / 2; i++) moved += world->places[i] != some[i];
    CHECK_TRUE(moved <= FILES / 2 / 4);
}

TEST(a_task_goes_where_most_of_its_rows_belong) {
    pf_str workers[] = {PF_STR("a"), PF_STR("b"), PF_STR("c"), PF_STR("d")};
    struct affinity_ring *ring = affinity_ring_new(workers, 4, test->arena);
    int together = 0, of = 0;
    for (int i = 0; i < 200; i++) {
        struct affinity_file files[] = {{affinity_key(PF_STR("small"), i), 1}, {affinity_key(PF_STR("large"), i), 9}};
        struct affinity_item items[] = {{files, 2}, {files + 1, 1}};
        int pair[2];
        /* Each by itself: the load has no say. */
        affinity_place(ring, &items[0], 1, test->arena, &pair[0]);
        affinity_place(ring, &items[1], 1, test->arena, &pair[1]);
        together += pair[0] == pair[1];
        of++;
    }
    CHECK_INT(together, of);
}

TEST(what_reads_no_files_goes_nowhere) {
    pf_str workers[] = {PF_STR("a"), PF_STR("b")};
    struct affinity_item items[2] = {{NULL, 0}, {NULL, 0}};
    int places[2];
    affinity_place(affinity_ring_new(workers, 2, test->arena), items, 2, test->arena, places);
    CHECK_INT(places[0], -1);
    CHECK_INT(places[1], -1);
}

TEST(knows_what_it_has_read) {
    struct seen_files *seen = PF_ARENA_NEW(test->arena, struct seen_files);
    struct task_split splits[] = {{.path = PF_STR("a.parquet"), .first_row = 0, .last_row = -1},
                                  {.path = PF_STR("b.parquet"), .first_row = 0, .last_row = 99},
                                  {.path = PF_STR("b.parquet"), .first_row = 100, .last_row = -1}};
    struct task_input inputs[] = {{.splits = splits, .split_count = 2}, {.split_count = 0}};
    struct task_message task = {inputs, 2};
    int files, warm;
    seen_files_count(seen, &task, &files, &warm);
    CHECK_INT(files, 2);
    CHECK_INT(warm, 0);
    inputs[0].split_count = 3;
    seen_files_count(seen, &task, &files, &warm);
    CHECK_INT(files, 3);
    CHECK_INT(warm, 2);
    seen_files_count(seen, &task, &files, &warm);
    CHECK_INT(warm, 3);
}
