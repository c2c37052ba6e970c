/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <string.h>

static void append(struct pf_test *test, struct pf_sync *sync, int64_t number, int first, int count) {
    pf_str *entries = PF_ARENA_ARRAY(test->arena, pf_str, (size_t)count);
    for (int i = 0; i < count; i++) entries[i] = pf_arena_printf(test->arena, "{\"n\":%d}", first + i);
    struct pf_sync_log_batch batch = {.log = PF_STR("queries"),
                                      .writer_id = PF_STR("w"),
                                      .number = number,
                                      .entries = entries,
                                      .count = (size_t)count,
                                      .max_entries = 1000};
    CHECK_OK(pf_sync_log_append(sync, &batch, NULL, &test->err));
}

static size_t read_all(struct pf_test *test, struct pf_sync *sync, pf_str after, struct pf_sync_log_entry **out) {
    size_t count = 0;
    CHECK_OK(pf_sync_log_read(sync, PF_STR("queries"), after, 10000, test->arena, out, &count, &test->err));
    return count;
}

TEST(a_log_keeps_order_and_takes_a_batch_once) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_log_entry *entries;
    CHECK_INT(read_all(test, sync, PF_STR_EMPTY, &entries), 0);
    append(test, sync, 1, 0, 3);
    append(test, sync, 1, 0, 3); /* as after a lost answer */
    append(test, sync, 2, 3, 2);
    CHECK_INT(read_all(test, sync, PF_STR_EMPTY, &entries), 5);
    for (int i = 0; i < 5; i++) CHECK_STR(entries[i].json, pf_arena_printf(test->arena, "{\"n\":%d}", i));
    for (int i = 1; i < 5; i++) CHECK_TRUE(pf_sync_log_compare(entries[i - 1].id, entries[i].id) < 0);
    pf_str third = entries[2].id;
    CHECK_INT(read_all(test, sync, third, &entries), 2);
    CHECK_STR(entries[0].json, "{\"n\":3}");
    CHECK_OK(pf_sync_log_trim(sync, PF_STR("queries"), third, &test->err));
    CHECK_INT(read_all(test, sync, PF_STR_EMPTY, &entries), 2);
    int64_t count = 0, age_ms = -1;
    CHECK_OK(pf_sync_log_backlog(sync, PF_STR("queries"), &count, &age_ms, &test->err));
    CHECK_INT(count, 2);
    CHECK_TRUE(age_ms >= 0 && age_ms < 60000);
    CHECK_OK(pf_sync_log_backlog(sync, PF_STR("tasks"), &count, &age_ms, &test->err));
    CHECK_INT(count, 0);
    CHECK_INT(age_ms, 0);
}

TEST(a_log_has_a_maximum) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_log_entry *entries;
    int64_t dropped = 0, sum = 0;
    for (int i = 0; i < 10; i++) {
        pf_str batch_entries[PF_SYNC_LOG_MAX_BATCH];
        for (int j = 0; j < PF_SYNC_LOG_MAX_BATCH; j++) batch_entries[j] = PF_STR("{}");
        struct pf_sync_log_batch batch = {.log = PF_STR("queries"),
                                          .writer_id = PF_STR("w"),
                                          .number = i + 1,
                                          .entries = batch_entries,
                                          .count = PF_SYNC_LOG_MAX_BATCH,
                                          .max_entries = 1000};
        CHECK_OK(pf_sync_log_append(sync, &batch, &dropped, &test->err));
        sum += dropped;
    }
    size_t count = read_all(test, sync, PF_STR_EMPTY, &entries);
    CHECK_TRUE(count >= 1000 && count < 1200); /* the server drops whole nodes of 100 */
    CHECK_INT(sum, 5000 - (int64_t)count);
}

TEST(compares_ids_as_numbers) {
    CHECK_TRUE(pf_sync_log_compare(PF_STR("9-1"), PF_STR("10-0")) < 0);
    CHECK_TRUE(pf_sync_log_compare(PF_STR("10-10"), PF_STR("10-9")) > 0);
    CHECK_INT(pf_sync_log_compare(PF_STR("10-9"), PF_STR("10-9")), 0);
    CHECK_TRUE(pf_sync_log_compare(PF_STR_EMPTY, PF_STR("0-1")) < 0);
}

TEST(a_turn_is_one_process_s) {
    struct pf_sync *sync = open_fixture(test)->sync;
    bool is_ours = false;
    CHECK_OK(pf_sync_take_turn(sync, PF_STR("move"), PF_STR("a"), 200, &is_ours, &test->err));
    CHECK_TRUE(is_ours);
    CHECK_OK(pf_sync_take_turn(sync, PF_STR("move"), PF_STR("b"), 60000, &is_ours, &test->err));
    CHECK_FALSE(is_ours);
    CHECK_OK(pf_sync_take_turn(sync, PF_STR("move"), PF_STR("a"), 200, &is_ours, &test->err));
    CHECK_TRUE(is_ours);
    pf_clock_sleep_ms(300);
    CHECK_OK(pf_sync_take_turn(sync, PF_STR("move"), PF_STR("b"), 60000, &is_ours, &test->err));
    CHECK_TRUE(is_ours);
}
