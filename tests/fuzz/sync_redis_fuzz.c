/* SPDX-License-Identifier: MIT */
/* What comes from Redis and from people: the first byte chooses. Replies go through libvalkey's reader first. */
#include "support/fuzz.h"
#include "sync/redis_url.h"
#include "sync/slot_map.h"

#include <assert.h>

static void check_map(const uint8_t *data, size_t size, struct pf_arena *arena, bool wants_names) {
    valkeyReader *reader = valkeyReaderCreate();
    struct slot_map map;
    void *reply = NULL;
    reader->maxelements = 1 << 16;
    valkeyReaderFeed(reader, (const char *)data, size);
    if (valkeyReaderGetReply(reader, &reply) == VALKEY_OK && reply &&
        slot_map_read(reply, wants_names, arena, &map, NULL) == PF_OK) {
        for (size_t i = 0; i < map.range_count; i++) {
            assert(map.ranges[i].first >= 0 && map.ranges[i].last < SLOT_COUNT);
            assert(map.ranges[i].first <= map.ranges[i].last);
            assert(map.ranges[i].master.port > 0 && map.ranges[i].master.port < 65536);
            assert(map.ranges[i].master.host.len <= MAX_HOST_BYTES);
        }
    }
    freeReplyObject(reply);
    valkeyReaderFree(reader);
}

static void check_redirect(pf_str text) {
    bool is_ask;
    int slot;
    struct slot_address address;
    if (!slot_redirect_read(text, &is_ask, &slot, &address)) return;
    assert(slot >= 0 && slot < SLOT_COUNT && address.port > 0 && address.host.len <= MAX_HOST_BYTES);
}

static void check_url(pf_str text, struct pf_arena *arena) {
    struct redis_url url;
    if (redis_url_parse(text, arena, &url, NULL) != PF_OK) return;
    assert((url.host != NULL) != (url.unix_path != NULL));
    assert(url.unix_path || (url.port >= 0 && url.port <= 65535));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    pf_str text = pf_str_from((const char *)data + 1, size - 1);
    switch (data[0] % 4) {
    case 0: check_map(data + 1, size - 1, arena, false); break;
    case 1: check_map(data + 1, size - 1, arena, true); break;
    case 2: check_redirect(text); break;
    default: check_url(text, arena); break;
    }
    assert(slot_of_key(text) >= 0 && slot_of_key(text) < SLOT_COUNT);
    pf_arena_free(arena);
    return 0;
}
