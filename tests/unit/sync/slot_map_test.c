/* SPDX-License-Identifier: MIT */
#include "support/test.h"
#include "sync/slot_map.h"

#include <string.h>

TEST(finds_the_slot_of_a_key) {
    /* From the cluster specification and CLUSTER KEYSLOT of Redis 7.0.15. */
    CHECK_INT(slot_of_key(PF_STR("123456789")), 12739);
    CHECK_INT(slot_of_key(PF_STR("foo")), 12182);
    CHECK_INT(slot_of_key(PF_STR("{user1000}.following")), slot_of_key(PF_STR("{user1000}.followers")));
    CHECK_INT(slot_of_key(PF_STR("foo{}{bar}")), 8363);
    CHECK_INT(slot_of_key(PF_STR("foo{{bar}}zap")), slot_of_key(PF_STR("{bar")));
    CHECK_INT(slot_of_key(PF_STR("foo{bar}{zap}")), slot_of_key(PF_STR("bar")));
    CHECK_INT(slot_of_key(PF_STR("foo{bar")), slot_of_key(PF_STR("foo{bar")));
    CHECK_INT(slot_of_key(PF_STR("")), 0);
}

#define SLOT_OF(...)                                                                                                   \
    slot_of_command((const pf_str[]){__VA_ARGS__}, sizeof((const pf_str[]){__VA_ARGS__}) / sizeof(pf_str))

TEST(finds_the_key_of_a_command) {
    int foo = slot_of_key(PF_STR("foo"));
    CHECK_INT(SLOT_OF(PF_STR("GET"), PF_STR("foo")), foo);
    CHECK_INT(SLOT_OF(PF_STR("EVALSHA"), PF_STR("sha"), PF_STR("1"), PF_STR("foo"), PF_STR("bar")), foo);
    CHECK_INT(SLOT_OF(PF_STR("XREAD"), PF_STR("COUNT"), PF_STR("1"), PF_STR("STREAMS"), PF_STR("foo"), PF_STR("0")),
              foo);
    CHECK_INT(SLOT_OF(PF_STR("PING")), NO_SLOT);
    CHECK_INT(SLOT_OF(PF_STR("XREAD"), PF_STR("STREAMS")), NO_SLOT);
}

static bool read_redirect(const char *text, bool *out_is_ask, int *out_slot, struct slot_address *out_address) {
    return slot_redirect_read(pf_str_from_cstr(text), out_is_ask, out_slot, out_address);
}

TEST(reads_redirections) {
    bool is_ask = true;
    int slot = 0;
    struct slot_address address = {0};
    CHECK_TRUE(read_redirect("MOVED 3999 127.0.0.1:6381", &is_ask, &slot, &address));
    CHECK_FALSE(is_ask);
    CHECK_INT(slot, 3999);
    CHECK_STR(address.host, "127.0.0.1");
    CHECK_INT(address.port, 6381);
    CHECK_TRUE(read_redirect("ASK 0 ::1:1", &is_ask, &slot, &address));
    CHECK_TRUE(is_ask);
    CHECK_STR(address.host, "::1");
    CHECK_TRUE(read_redirect("MOVED 16383 :7000", &is_ask, &slot, &address));
    CHECK_STR(address.host, ""); /* that of the node which said so */
    static const char *const bad[] = {"MOVED",           "MOVED 1",     "MOVED 16384 a:1", "MOVED -1 a:1",
                                      "MOVED 1 a",       "MOVED 1 a:0", "MOVED 1 a:65536", "MOVE 1 a:1",
                                      "MOVED 1 a b:700", "ASK x a:1",   "MOVED 1 a:1\r\nx"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_FALSE(read_redirect(bad[i], &is_ask, &slot, &address));
    }
}

/* As if a server had said this. */
static enum pf_code read_map(struct pf_test *test, const char *bytes, bool wants_names, struct slot_map *out_map) {
    valkeyReader *reader = valkeyReaderCreate();
    void *reply = NULL;
    valkeyReaderFeed(reader, bytes, strlen(bytes));
    CHECK_INT(valkeyReaderGetReply(reader, &reply), VALKEY_OK);
    CHECK_TRUE(reply != NULL);
    enum pf_code code = slot_map_read(reply, wants_names, test->arena, out_map, &test->err);
    freeReplyObject(reply);
    valkeyReaderFree(reader);
    return code;
}

TEST(reads_the_map_of_slots) {
    static const char bytes[] = "*2\r\n"
                                "*4\r\n:0\r\n:5460\r\n"
                                "*4\r\n$9\r\n127.0.0.1\r\n:7000\r\n$1\r\na\r\n*2\r\n$8\r\nhostname\r\n$5\r\nalpha\r\n"
                                "*3\r\n$9\r\n127.0.0.1\r\n:7003\r\n$1\r\nd\r\n"
                                "*3\r\n:5461\r\n:16383\r\n"
                                "*3\r\n$-1\r\n:7001\r\n$1\r\nb\r\n";
    struct slot_map map;
    CHECK_OK(read_map(test, bytes, false, &map));
    CHECK_INT(map.range_count, 2);
    CHECK_INT(map.ranges[0].last, 5460);
    CHECK_STR(map.ranges[0].master.host, "127.0.0.1");
    CHECK_INT(map.ranges[0].master.port, 7000);
    CHECK_INT(map.replica_count, 1);
    CHECK_INT(map.replicas[0].port, 7003);
    CHECK_STR(map.ranges[1].master.host, "");
    CHECK_OK(read_map(test, bytes, true, &map)); /* with TLS: the name, which the certificate is for */
    CHECK_STR(map.ranges[0].master.host, "alpha");
    CHECK_OK(read_map(test, "*0\r\n", false, &map)); /* nobody has any slot yet */
    CHECK_INT(map.range_count, 0);
}

TEST(refuses_maps_that_make_no_sense) {
    static const char *const bad[] = {
        "+OK\r\n",
        "*1\r\n*2\r\n:0\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:9\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:0\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$3\r\na b\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:7\r\n:1\r\n",
        "*1\r\n*3\r\n$1\r\n0\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
    };
    struct slot_map map;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_FAILS(read_map(test, bad[i], false, &map), PF_REMOTE, "CLUSTER SLOTS");
    }
}
