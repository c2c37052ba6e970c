/* SPDX-License-Identifier: MIT */
#include "query/result_cache.h"

#include "base/clock.h"
#include "support/test.h"

#include <pthread.h>
#include <string.h>

static pf_str hash_of(struct pf_test *test, int number) {
    return pf_digest_hex(pf_arena_printf(test->arena, "%d", number), pf_arena_alloc(test->arena, PF_DIGEST_CHARS));
}

static bool keep(struct pf_test *test, struct result_cache *cache, int number, const char *format, pf_str bytes) {
    struct pf_result_draft *draft =
        result_cache_draft(cache, &(struct result_draft_options){hash_of(test, number), format});
    for (size_t at = 0; at < bytes.len; at += 1000) pf_result_add(draft, pf_str_slice(bytes, at, at + 1000));
    struct pf_result *result = pf_result_keep(draft, number);
    pf_result_release(result);
    return result != NULL;
}

/* The bytes; empty if there is no such result. */
static pf_str found(struct pf_test *test, struct result_cache *cache, int number, const char *format) {
    struct pf_result *result = result_cache_find(cache, hash_of(test, number), format);
    if (!result) return PF_STR_EMPTY;
    struct pf_result_facts facts;
    pf_result_get_facts(result, &facts);
    CHECK_STR(facts.hash, pf_arena_cstr(test->arena, hash_of(test, number)));
    CHECK_INT(facts.row_count, number);
    pf_str bytes = pf_arena_str(test->arena, facts.bytes);
    pf_result_release(result);
    return bytes;
}

static pf_str many_bytes(struct pf_test *test, size_t count, char c) {
    char *bytes = pf_arena_alloc(test->arena, count);
    memset(bytes, c, count);
    return pf_str_from(bytes, count);
}

TEST(gives_back_what_was_kept_by_hash_and_format) {
    struct result_cache *cache = result_cache_new(1 << 20, 0);
    CHECK_STR(found(test, cache, 1, "json"), "");
    CHECK_TRUE(keep(test, cache, 1, "json", PF_STR("one")));
    CHECK_TRUE(keep(test, cache, 1, "csv", PF_STR("1")));
    CHECK_TRUE(keep(test, cache, 2, "json", PF_STR("two")));
    CHECK_STR(found(test, cache, 1, "json"), "one");
    CHECK_STR(found(test, cache, 1, "csv"), "1");
    CHECK_STR(found(test, cache, 2, "json"), "two");
    CHECK_STR(found(test, cache, 2, "csv"), "");
    CHECK_TRUE(keep(test, cache, 1, "json", PF_STR("again")));
    CHECK_STR(found(test, cache, 1, "json"), "again");
    result_cache_free(cache);
}

TEST(stays_within_its_budget_and_forgets_the_longest_unused) {
    enum { LIMIT = 100000, SIZE = 10000 };
    struct result_cache *cache = result_cache_new(LIMIT, 0);
    struct pf_result_counters counters;
    for (int i = 0; i < 50; i++) {
        CHECK_TRUE(keep(test, cache, i, "json", many_bytes(test, SIZE, (char)('a' + i % 26))));
        CHECK_UINT(found(test, cache, 0, "json").len, SIZE); /* used again and again */
        result_cache_get_counters(cache, &counters);
        CHECK_TRUE(counters.size_bytes <= LIMIT);
    }
    CHECK_INT(counters.kept, 50);
    CHECK_INT(counters.evicted, 50 - counters.results);
    CHECK_TRUE(counters.results >= 8);
    CHECK_STR(found(test, cache, 10, "json"), "");
    CHECK_UINT(found(test, cache, 49, "json").len, SIZE);
    result_cache_free(cache);
}

TEST(refuses_what_is_too_large_and_gives_its_memory_back) {
    enum { LIMIT = 80000 };
    struct result_cache *cache = result_cache_new(LIMIT, 0);
    struct pf_result_counters counters;
    CHECK_FALSE(keep(test, cache, 1, "json", many_bytes(test, LIMIT / 8 + 1, 'x')));
    CHECK_TRUE(keep(test, cache, 2, "json", many_bytes(test, LIMIT / 8, 'x')));
    /* Drafts have a limit over all, too: a quarter. */
    struct pf_result_draft *drafts[3];
    for (int i = 0; i < 3; i++) {
        drafts[i] = result_cache_draft(cache, &(struct result_draft_options){hash_of(test, 10 + i), "csv"});
        CHECK_UINT(pf_result_room(drafts[i]), LIMIT / 8);
        pf_result_add(drafts[i], many_bytes(test, LIMIT / 8, 'y'));
        CHECK_UINT(pf_result_room(drafts[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        struct pf_result *result = pf_result_keep(drafts[i], 0);
        CHECK_TRUE(result != NULL);
        pf_result_release(result);
    }
    CHECK_TRUE(pf_result_keep(drafts[2], 0) == NULL);
    result_cache_get_counters(cache, &counters);
    CHECK_INT(counters.too_large, 2);
    for (int i = 0; i < 100; i++) CHECK_TRUE(keep(test, cache, 1000 + i, "json", many_bytes(test, LIMIT / 8, 'z')));
    pf_result_abandon(result_cache_draft(cache, &(struct result_draft_options){hash_of(test, 1), "csv"}));
    pf_result_add(NULL, PF_STR("x"));
    CHECK_TRUE(pf_result_keep(NULL, 0) == NULL && pf_result_abandon(NULL) == NULL && pf_result_release(NULL) == NULL);
    result_cache_free(cache);
}

TEST(a_result_in_use_outlives_its_place) {
    struct result_cache *cache = result_cache_new(10000, 0);
    CHECK_TRUE(keep(test, cache, 1, "json", PF_STR("mine")));
    struct pf_result *mine = result_cache_find(cache, hash_of(test, 1), "json");
    for (int i = 2; i < 50; i++) CHECK_TRUE(keep(test, cache, i, "json", many_bytes(test, 1200, 'x')));
    CHECK_STR(found(test, cache, 1, "json"), "");
    struct pf_result_facts facts;
    pf_result_get_facts(mine, &facts);
    CHECK_STR(facts.bytes, "mine");
    pf_result_release(mine);
    result_cache_free(cache);
}

TEST(knows_statements_by_text_and_route) {
    struct result_cache *cache = result_cache_new(1 << 20, 0);
    struct pf_table_id tables[] = {{PF_STR("main"), PF_STR("orders")}, {PF_STR("s"), PF_STR("lineitem")}};
    struct known_statement none = {PF_STR("f0"), NULL, 0}, two = {PF_STR("f2"), tables, 2};
    result_cache_note_statement(cache, PF_STR("SELECT 1"), PF_ROUTE_AUTO, &none);
    result_cache_note_statement(cache, PF_STR("SELECT 2"), PF_ROUTE_AUTO, &two);
    CHECK_TRUE(result_cache_find_statement(cache, PF_STR("SELECT 1"), PF_ROUTE_FLEET) == NULL);
    CHECK_TRUE(result_cache_find_statement(cache, PF_STR("SELECT  1"), PF_ROUTE_AUTO) == NULL);
    const struct known_statement *known = result_cache_find_statement(cache, PF_STR("SELECT 2"), PF_ROUTE_AUTO);
    CHECK_STR(known->fingerprint, "f2");
    CHECK_UINT(known->table_count, 2);
    CHECK_STR(known->tables[1].space, "s");
    CHECK_STR(known->tables[1].name, "lineitem");
    result_cache_release_statement(cache, known);
    known = result_cache_find_statement(cache, PF_STR("SELECT 1"), PF_ROUTE_AUTO);
    CHECK_UINT(known->table_count, 0);
    result_cache_release_statement(cache, known);
    result_cache_note_statement(cache, many_bytes(test, 1 << 19, 'x'), PF_ROUTE_AUTO, &none);
    CHECK_TRUE(result_cache_find_statement(cache, many_bytes(test, 1 << 19, 'x'), PF_ROUTE_AUTO) == NULL);
    result_cache_free(cache);
}

TEST(states_of_tables_are_known_only_while_they_are_fresh) {
    pf_str path;
    struct pf_table_id id = {PF_STR("main"), PF_STR("t")};
    struct result_cache *cache = result_cache_new(1 << 20, 0);
    result_cache_note_state(cache, id, PF_STR("file:///1"));
    CHECK_FALSE(result_cache_find_state(cache, id, test->arena, &path));
    result_cache_free(cache);
    cache = result_cache_new(1 << 20, 60000);
    result_cache_note_state(cache, id, PF_STR("file:///1"));
    CHECK_TRUE(result_cache_find_state(cache, id, test->arena, &path));
    CHECK_STR(path, "file:///1");
    CHECK_FALSE(result_cache_find_state(cache, (struct pf_table_id){PF_STR("mai"), PF_STR("nt")}, test->arena, &path));
    result_cache_free(cache);
    cache = result_cache_new(1 << 20, 20);
    result_cache_note_state(cache, id, PF_STR("file:///1"));
    pf_clock_sleep_ms(40);
    CHECK_FALSE(result_cache_find_state(cache, id, test->arena, &path));
    result_cache_free(cache);
}

struct crowd {
    struct result_cache *cache;
    pf_str hashes[8];
    _Atomic int wrong;
};

/* Each result's bytes are its number's letter, all along. */
static void *use_cache(void *context) {
    struct crowd *crowd = context;
    char bytes[600];
    for (int i = 0; i < 3000; i++) {
        int number = (i * 7 + i / 13) % 8;
        struct pf_result *result = result_cache_find(crowd->cache, crowd->hashes[number], "json");
        if (result) {
            struct pf_result_facts facts;
            pf_result_get_facts(result, &facts);
            for (size_t at = 0; at < facts.bytes.len; at++) crowd->wrong += facts.bytes.ptr[at] != 'a' + number;
            pf_result_release(result);
            continue;
        }
        memset(bytes, 'a' + number, sizeof bytes);
        struct pf_result_draft *draft =
            result_cache_draft(crowd->cache, &(struct result_draft_options){crowd->hashes[number], "json"});
        pf_result_add(draft, pf_str_from(bytes, sizeof bytes));
        pf_result_release(pf_result_keep(draft, 0));
    }
    return NULL;
}

TEST(threads_use_it_at_once) {
    pthread_t threads[4];
    struct crowd crowd = {.cache = result_cache_new(5000, 0)};
    for (int i = 0; i < 8; i++) crowd.hashes[i] = hash_of(test, i);
    for (int i = 0; i < 4; i++) CHECK_INT(pthread_create(&threads[i], NULL, use_cache, &crowd), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    struct pf_result_counters counters;
    result_cache_get_counters(crowd.cache, &counters);
    CHECK_INT(crowd.wrong, 0);
    CHECK_TRUE(counters.evicted > 0 && counters.size_bytes <= 5000);
    result_cache_free(crowd.cache);
}
