/* SPDX-License-Identifier: MIT */
/* What the memory in front of the store keeps when there is not room for all, and what it asks the server for. */
#include "base/file.h"
#include "fake_s3.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OBJECT_BYTES = 64 << 10, OBJECTS = 12 };

struct bench {
    struct fake_s3 *s3;
    struct pf_cache *cache;
};

static struct bench open_bench(struct pf_test *test, int64_t budget_bytes) {
    struct bench bench = {.s3 = fake_s3_start(test)};
    struct pf_cache_options options = {.budget_bytes = budget_bytes};
    options.link_directory = pf_arena_printf(test->arena, "%s/links", pf_test_folder());
    for (int i = 0; i < OBJECTS; i++) {
        pf_str path = pf_arena_printf(test->arena, "/bucket/o%d", i);
        fake_s3_add(bench.s3, path.ptr, fake_s3_pattern(bench.s3, OBJECT_BYTES, (unsigned)i));
    }
    fake_s3_open(bench.s3, "s3://bucket");
    CHECK_OK(pf_cache_open(bench.s3->store, &options, &bench.cache, &test->err));
    return bench;
}

static void close_bench(struct bench *bench) {
    pf_cache_close(bench->cache);
    fake_s3_stop(bench->s3);
}

static struct pf_cache_need need_of(struct pf_test *test, int number) {
    return (struct pf_cache_need){
        .key = pf_arena_printf(test->arena, "o%d", number), .size_bytes = OBJECT_BYTES, .is_plain = true};
}

/* The reader finds the object's bytes at the path. */
static void check_bytes(struct pf_test *test, struct bench *bench, const struct pf_cache_need *need, int number) {
    pf_str bytes;
    CHECK_OK(pf_file_read(need->path.ptr, OBJECT_BYTES, test->arena, &bytes, &test->err));
    CHECK_INT(bytes.len, OBJECT_BYTES);
    CHECK_TRUE(memcmp(bytes.ptr, bench->s3->locked.objects[number].bytes.ptr, OBJECT_BYTES) == 0);
}

static struct pf_cache_hold *hold(struct pf_test *test, struct bench *bench, int number, int64_t *out_fetched) {
    struct pf_cache_need need = need_of(test, number);
    struct pf_cache_counters counters;
    struct pf_cache_hold *held;
    CHECK_OK(pf_cache_acquire(bench->cache, &need, 1, NULL, NULL, test->arena, &held, &counters, &test->err));
    CHECK_INT(counters.fetched_bytes + counters.hit_bytes, OBJECT_BYTES);
    check_bytes(test, bench, &need, number);
    *out_fetched = counters.fetched_bytes;
    return held;
}

/* True if it was there already. */
static bool use(struct pf_test *test, struct bench *bench, int number) {
    int64_t fetched;
    pf_cache_release(hold(test, bench, number, &fetched));
    return fetched == 0;
}

static int scan(struct pf_test *test, struct bench *bench, int from) {
    int found = 0;
    for (int i = from; i < OBJECTS; i++) found += use(test, bench, i);
    return found;
}

static int64_t kept_bytes(struct bench *bench) {
    struct pf_cache_counters counters;
    pf_cache_count(bench->cache, &counters);
    return counters.kept_bytes;
}

TEST(keeps_everything_that_fits) {
    struct bench bench = open_bench(test, OBJECTS * OBJECT_BYTES);
    CHECK_INT(scan(test, &bench, 0), 0);
    CHECK_INT(scan(test, &bench, 0), OBJECTS);
    CHECK_INT(bench.s3->locked.request_count, OBJECTS);
    CHECK_INT(kept_bytes(&bench), OBJECTS * OBJECT_BYTES);
    close_bench(&bench);
}

/* Least recently used alone would find nothing, ever. */
TEST(keeps_a_part_of_a_scan_that_is_larger_than_the_memory) {
    struct bench bench = open_bench(test, OBJECTS * OBJECT_BYTES / 3);
    CHECK_INT(scan(test, &bench, 0), 0);
    for (int round = 0; round < 4; round++) {
        int found = scan(test, &bench, 0);
        if (found < OBJECTS / 3 - 1) FAIL("round %d finds %d of %d objects, a third fits", round, found, OBJECTS);
        CHECK_TRUE(kept_bytes(&bench) <= OBJECTS * OBJECT_BYTES / 3);
    }
    close_bench(&bench);
}

TEST(keeps_what_is_used_often_through_a_scan_of_all) {
    struct bench bench = open_bench(test, 4 * OBJECT_BYTES);
    for (int i = 0; i < 8; i++) {
        (void)use(test, &bench, 0);
        (void)use(test, &bench, 1);
    }
    CHECK_INT(scan(test, &bench, 2), 0);
    CHECK_TRUE(use(test, &bench, 0));
    CHECK_TRUE(use(test, &bench, 1));
    close_bench(&bench);
}

TEST(lets_go_of_what_is_not_used_any_more) {
    struct bench bench = open_bench(test, 4 * OBJECT_BYTES);
    for (int i = 0; i < 3; i++) {
        for (int number = 0; number < 4; number++) (void)use(test, &bench, number);
    }
    for (int i = 0; i < 12; i++) { /* now others, and more often */
        for (int number = 8; number < OBJECTS; number++) (void)use(test, &bench, number);
    }
    for (int number = 8; number < OBJECTS; number++) CHECK_TRUE(use(test, &bench, number));
    CHECK_FALSE(use(test, &bench, 0));
    close_bench(&bench);
}

TEST(takes_nothing_from_under_a_reader) {
    struct bench bench = open_bench(test, OBJECT_BYTES);
    struct pf_cache_hold *held[3];
    struct pf_cache_need need = need_of(test, 0);
    int64_t fetched;
    for (int i = 0; i < 3; i++) held[i] = hold(test, &bench, i, &fetched);
    CHECK_INT(scan(test, &bench, 3), 0);
    struct pf_cache_hold *again;
    CHECK_OK(pf_cache_acquire(bench.cache, &need, 1, NULL, NULL, test->arena, &again, NULL, &test->err));
    check_bytes(test, &bench, &need, 0);
    pf_cache_release(again);
    for (int i = 0; i < 3; i++) pf_cache_release(held[i]);
    CHECK_TRUE(kept_bytes(&bench) <= OBJECT_BYTES);
    close_bench(&bench);
}

TEST(refuses_more_than_may_be_in_use_at_once) {
    struct bench bench = open_bench(test, 2 * OBJECT_BYTES);
    struct pf_cache_need needs[OBJECTS];
    struct pf_cache_hold *held;
    for (int i = 0; i < OBJECTS; i++) needs[i] = need_of(test, i);
    CHECK_OK(pf_cache_acquire(bench.cache, needs, 8, NULL, NULL, test->arena, &held, NULL, &test->err));
    pf_cache_release(held);
    CHECK_FAILS(pf_cache_acquire(bench.cache, needs, 9, NULL, NULL, test->arena, &held, NULL, &test->err), PF_NO_MEMORY,
                "raise --cache-memory");
    CHECK_OK(pf_cache_acquire(bench.cache, needs, 8, NULL, NULL, test->arena, &held, NULL, &test->err));
    pf_cache_release(held);
    CHECK_TRUE(kept_bytes(&bench) <= 2 * OBJECT_BYTES);
    close_bench(&bench);
}

TEST(fetches_once_what_two_need_at_once) {
    struct bench bench = open_bench(test, OBJECTS * OBJECT_BYTES);
    struct pf_cache_need needs[3] = {need_of(test, 5), need_of(test, 5), need_of(test, 6)};
    struct pf_cache_hold *held;
    CHECK_OK(pf_cache_acquire(bench.cache, needs, 3, NULL, NULL, test->arena, &held, NULL, &test->err));
    check_bytes(test, &bench, &needs[1], 5);
    pf_cache_release(held);
    CHECK_INT(bench.s3->locked.request_count, 2);
    close_bench(&bench);
}

TEST(forgets_an_object_that_could_not_be_fetched) {
    struct bench bench = open_bench(test, OBJECTS * OBJECT_BYTES);
    struct pf_cache_need need = need_of(test, 99);
    struct pf_cache_hold *held;
    CHECK_FAILS(pf_cache_acquire(bench.cache, &need, 1, NULL, NULL, test->arena, &held, NULL, &test->err), PF_NOT_FOUND,
                "s3://bucket/o99");
    fake_s3_add(bench.s3, "/bucket/o99", fake_s3_pattern(bench.s3, OBJECT_BYTES, 99));
    CHECK_OK(pf_cache_acquire(bench.cache, &need, 1, NULL, NULL, test->arena, &held, NULL, &test->err));
    check_bytes(test, &bench, &need, OBJECTS);
    pf_cache_release(held);
    close_bench(&bench);
}
