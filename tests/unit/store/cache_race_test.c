/* SPDX-License-Identifier: MIT */
/* Threads that read columns of Parquet objects through a memory that is far too small for them: whatever is fetched,
 * thrown out and fetched again meanwhile, a reader that holds a column finds its bytes. */
#include "fake_s3.h"
#include "store/parquet_footer.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OBJECTS = 5, THREADS = 6, ROUNDS = 120, MAX_COLUMNS = 16, MAX_NEEDS = 3 };

struct race {
    struct fake_s3 *s3;
    struct pf_cache *cache;
    struct parquet_footer footer; /* of every object */
    pf_str objects[OBJECTS];
    atomic_llong checked_bytes, kept_bytes;
};

struct reader {
    struct race *race;
    pthread_t thread;
    unsigned seed;
    char problem[300];
};

static unsigned next_random(struct reader *reader) {
    reader->seed = reader->seed * 1664525u + 1013904223u;
    return reader->seed >> 8;
}

/* The footer of a real file behind chunks of made-up bytes. */
static void make_objects(struct pf_test *test, struct race *race) {
    pf_str footer = pf_test_read_file(TEST_DATA("fuzz/corpus/store_parquet_footer/orders"));
    int64_t end = 4;
    CHECK_OK(parquet_footer_read(footer, (int64_t)1 << 30, test->arena, &race->footer, &test->err));
    CHECK_TRUE(race->footer.leaf_count <= MAX_COLUMNS);
    for (size_t i = 0; i < race->footer.leaf_count; i++) {
        const struct parquet_place *places[] = {&race->footer.groups[0].chunks[i], &race->footer.groups[0].filters[i]};
        for (size_t j = 0; j < 2; j++) {
            if (places[j]->offset + places[j]->length > end) end = places[j]->offset + places[j]->length;
        }
    }
    uint32_t length = (uint32_t)footer.len;
    for (unsigned i = 0; i < OBJECTS; i++) {
        pf_str bytes = fake_s3_pattern(race->s3, (size_t)end + footer.len + PARQUET_TAIL_BYTES, i);
        char *tail = (char *)(uintptr_t)bytes.ptr + end;
        memcpy(tail, footer.ptr, footer.len);
        memcpy(tail + footer.len, &length, sizeof length);
        memcpy(tail + footer.len + 4, "PAR1", 4);
        race->objects[i] = bytes;
        fake_s3_add(race->s3, pf_arena_printf(test->arena, "/bucket/o%u.parquet", i).ptr, bytes);
    }
}

static bool is_there(struct reader *reader, const struct pf_cache_need *need, pf_str object,
                     const struct parquet_place *place) {
    if (!place->length) return true;
    char *found = malloc((size_t)place->length);
    int fd = open(need->path.ptr, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : pread(fd, found, (size_t)place->length, (off_t)place->offset);
    bool is_right = got == (ssize_t)place->length && memcmp(found, object.ptr + place->offset, (size_t)got) == 0;
    if (!is_right) {
        snprintf(reader->problem, sizeof reader->problem, "'%.*s' at %lld: %zd of %lld bytes, or wrong ones",
                 PF_STR_ARG(need->path), (long long)place->offset, got, (long long)place->length);
    }
    if (fd >= 0) close(fd);
    free(found);
    atomic_fetch_add(&reader->race->checked_bytes, place->length);
    return is_right;
}

static void check_needs(struct reader *reader, const struct pf_cache_need *needs, const unsigned *numbers,
                        size_t count) {
    const struct parquet_footer *footer = &reader->race->footer;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < needs[i].column_count; j++) {
            size_t leaf = 0;
            while (!pf_str_equal(footer->leaves[leaf].column, needs[i].columns[j].name)) leaf++;
            pf_str object = reader->race->objects[numbers[i]];
            if (!is_there(reader, &needs[i], object, &footer->groups[0].chunks[leaf])) return;
            if (!is_there(reader, &needs[i], object, &footer->groups[0].filters[leaf])) return;
        }
    }
}

static void read_some(struct reader *reader, struct pf_arena *arena) {
    struct race *race = reader->race;
    struct pf_cache_need needs[MAX_NEEDS];
    struct pf_cache_column columns[MAX_NEEDS][MAX_COLUMNS];
    unsigned numbers[MAX_NEEDS];
    size_t count = 1 + next_random(reader) % MAX_NEEDS;
    for (size_t i = 0; i < count; i++) {
        unsigned wanted = next_random(reader) | 1u << next_random(reader) % race->footer.leaf_count;
        numbers[i] = next_random(reader) % OBJECTS;
        needs[i] = (struct pf_cache_need){.columns = columns[i], .last_row = -1};
        needs[i].key = pf_arena_printf(arena, "o%u.parquet", numbers[i]);
        needs[i].size_bytes = (int64_t)race->objects[numbers[i]].len;
        for (size_t leaf = 0; leaf < race->footer.leaf_count; leaf++) {
            if (!(wanted >> leaf & 1) || needs[i].column_count == 3) continue;
            columns[i][needs[i].column_count++] = (struct pf_cache_column){race->footer.leaves[leaf].column, -1};
        }
    }
    struct pf_cache_hold *hold;
    struct pf_error err = {0};
    struct pf_cache_counters counters;
    if (pf_cache_acquire(race->cache, needs, count, NULL, NULL, arena, &hold, &counters, &err) != PF_OK) {
        snprintf(reader->problem, sizeof reader->problem, "%s", err.message);
        return;
    }
    atomic_fetch_add(&race->kept_bytes, counters.hit_bytes);
    check_needs(reader, needs, numbers, count);
    pf_cache_release(hold);
}

static void *read_many(void *context) {
    struct reader *reader = context;
    for (int i = 0; i < ROUNDS && !*reader->problem; i++) {
        struct pf_arena *arena = pf_arena_new(NULL, "reader");
        read_some(reader, arena);
        pf_arena_free(arena);
    }
    return NULL;
}

TEST_WITH_LIMIT(readers_find_their_bytes_whatever_is_thrown_out, 60) {
    struct race *race = PF_ARENA_NEW(test->arena, struct race);
    struct reader *readers = PF_ARENA_ARRAY(test->arena, struct reader, THREADS);
    race->s3 = fake_s3_start(test);
    make_objects(test, race);
    fake_s3_open(race->s3, "s3://bucket");
    struct pf_cache_options options = {.budget_bytes = (int64_t)race->objects[0].len};
    options.link_directory = pf_arena_printf(test->arena, "%s/links", pf_test_folder());
    CHECK_OK(pf_cache_open(race->s3->store, &options, &race->cache, &test->err));
    for (unsigned i = 0; i < THREADS; i++) {
        readers[i] = (struct reader){.race = race, .seed = 77 + i};
        CHECK_INT(pthread_create(&readers[i].thread, NULL, read_many, &readers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) pthread_join(readers[i].thread, NULL);
    for (size_t i = 0; i < THREADS; i++) CHECK_STR(readers[i].problem, "");
    struct pf_cache_counters counters;
    pf_cache_count(race->cache, &counters);
    CHECK_TRUE(counters.evicted_bytes > 0); /* else it was no race */
    CHECK_TRUE(atomic_load(&race->checked_bytes) > 0 && atomic_load(&race->kept_bytes) > 0);
    CHECK_TRUE(counters.kept_bytes <= options.budget_bytes);
    pf_cache_close(race->cache);
    fake_s3_stop(race->s3);
}
