/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include "support/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* In a folder; or, for tests/store/run, below the URL that PF_TEST_STORE_URL names. */
static struct pf_store *open_store(struct pf_test *test) {
    struct pf_store *store = NULL;
    struct pf_store_options options = {.is_volatile = true};
    const char *url = getenv("PF_TEST_STORE_URL");
    pf_str where = url ? pf_arena_printf(test->arena, "%s/%s", url, test->name) : pf_str_from_cstr(pf_test_folder());
    CHECK_OK(pf_store_open(where, &options, &store, &test->err));
    return store;
}

static void put(struct pf_test *test, struct pf_store *store, const char *key, const char *bytes) {
    CHECK_OK(pf_store_put(store, pf_str_from_cstr(key), pf_str_from_cstr(bytes), &test->err));
}

static pf_str get(struct pf_test *test, struct pf_store *store, const char *key) {
    pf_str bytes;
    CHECK_OK(pf_store_get(store, pf_str_from_cstr(key), PF_RANGE_ALL, test->arena, &bytes, &test->err));
    return bytes;
}

/* The keys and prefixes of all pages, joined with blanks. */
static pf_str list(struct pf_test *test, struct pf_store *store, const char *prefix, bool is_flat, size_t limit) {
    pf_str all = PF_STR(""), after = PF_STR_EMPTY;
    do {
        struct pf_store_list_options options = {
            .prefix = pf_str_from_cstr(prefix), .is_flat = is_flat, .after = after, .limit = limit};
        struct pf_store_page page = {0};
        CHECK_OK(pf_store_list(store, &options, test->arena, &page, &test->err));
        CHECK_TRUE(!limit || page.object_count + page.prefix_count <= limit);
        for (size_t i = 0; i < page.object_count; i++) {
            all = pf_arena_printf(test->arena, "%.*s%s%.*s", PF_STR_ARG(all), all.len ? " " : "",
                                  PF_STR_ARG(page.objects[i].key));
        }
        for (size_t i = 0; i < page.prefix_count; i++) {
            all = pf_arena_printf(test->arena, "%.*s%s%.*s", PF_STR_ARG(all), all.len ? " " : "",
                                  PF_STR_ARG(page.prefixes[i]));
        }
        after = page.next_after;
    } while (after.len);
    return all;
}

TEST(reads_back_what_was_put_and_replaces_it) {
    struct pf_store *store = open_store(test);
    put(test, store, "a/b/c.txt", "one");
    CHECK_STR(get(test, store, "a/b/c.txt"), "one");
    put(test, store, "a/b/c.txt", "twotwo");
    CHECK_STR(get(test, store, "a/b/c.txt"), "twotwo");
    put(test, store, "empty", "");
    CHECK_STR(get(test, store, "empty"), "");
    CHECK_OK(pf_store_put_temporary(store, PF_STR("t"), PF_STR("x"), &test->err));
    CHECK_STR(get(test, store, "t"), "x");
    struct pf_store_object object;
    CHECK_OK(pf_store_stat(store, PF_STR("a/b/c.txt"), &object, &test->err));
    CHECK_INT(object.size_bytes, 6);
    CHECK_TRUE(object.modified_ms > 1600000000000);
    pf_store_close(store);
}

TEST(reads_ranges_clamped_to_the_object) {
    struct pf_store *store = open_store(test);
    put(test, store, "k", "0123456789");
    struct {
        struct pf_range range;
        const char *expected;
    } cases[] = {{{0, -1}, "0123456789"}, {{3, 4}, "3456"}, {{8, 100}, "89"},         {{10, 5}, ""},
                 {{99, 5}, ""},           {{-3, 0}, "789"}, {{-99, 0}, "0123456789"}, {{4, 0}, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pf_str bytes;
        CHECK_OK(pf_store_get(store, PF_STR("k"), cases[i].range, test->arena, &bytes, &test->err));
        CHECK_STR(bytes, cases[i].expected);
    }
    pf_store_close(store);
}

TEST(names_url_and_key_of_what_is_missing) {
    struct pf_store *store = open_store(test);
    pf_str bytes, etag;
    struct pf_store_object object;
    CHECK_FAILS(pf_store_get(store, PF_STR("no/such"), PF_RANGE_ALL, test->arena, &bytes, &test->err), PF_NOT_FOUND,
                pf_arena_cstr(test->arena, pf_arena_printf(test->arena, "get 'file://%s/no/such': no such object",
                                                           pf_test_folder())));
    CHECK_FAILS(pf_store_get_versioned(store, PF_STR("no"), test->arena, &bytes, &etag, &test->err), PF_NOT_FOUND,
                "no such object");
    CHECK_FAILS(pf_store_stat(store, PF_STR("no"), &object, &test->err), PF_NOT_FOUND, "no such object");
    put(test, store, "file", "x");
    CHECK_FAILS(pf_store_get(store, PF_STR("file/below"), PF_RANGE_ALL, test->arena, &bytes, &test->err), PF_NOT_FOUND,
                "no such object");
    put(test, store, "folder/x", "x");
    CHECK_FAILS(pf_store_get(store, PF_STR("folder"), PF_RANGE_ALL, test->arena, &bytes, &test->err), PF_NOT_FOUND,
                "no such object");
    CHECK_FAILS(pf_store_put(store, PF_STR("file/below"), PF_STR("x"), &test->err), PF_INVALID, "a file stands where");
    CHECK_FAILS(pf_store_put(store, PF_STR("folder"), PF_STR("x"), &test->err), PF_INVALID, "a file stands where");
    CHECK_STR(list(test, store, "", false, 0), "file folder/x");
    pf_store_close(store);
}

TEST(refuses_keys_that_are_none) {
    struct pf_store *store = open_store(test);
    char long_part[300], long_key[1100];
    memset(long_part, 'x', sizeof long_part);
    memset(long_key, 'y', sizeof long_key);
    for (size_t i = 100; i < sizeof long_key; i += 100) long_key[i] = '/';
    pf_str bad[] = {PF_STR(""),
                    PF_STR("/abs"),
                    PF_STR("a//b"),
                    PF_STR("a/"),
                    PF_STR("../x"),
                    PF_STR("a/../b"),
                    PF_STR("."),
                    PF_STR("a/."),
                    PF_STR("a\0b"),
                    PF_STR("a\nb"),
                    PF_STR(".puffindb/tmp/x"),
                    PF_STR("a/.puffindb"),
                    {long_part, sizeof long_part},
                    {long_key, sizeof long_key}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pf_str bytes;
        CHECK_FAILS(pf_store_put(store, bad[i], PF_STR("x"), &test->err), PF_INVALID, "key '");
        CHECK_CODE(pf_store_get(store, bad[i], PF_RANGE_ALL, test->arena, &bytes, &test->err), PF_INVALID);
        CHECK_CODE(pf_store_delete(store, bad[i], &test->err), PF_INVALID);
    }
    CHECK_CODE(pf_store_delete_prefix(store, PF_STR(""), NULL, &test->err), PF_INVALID);
    CHECK_CODE(pf_store_delete_prefix(store, PF_STR("../"), NULL, &test->err), PF_INVALID);
    put(test, store, "..a/b..c/ü €/.hidden", "ok");
    CHECK_STR(list(test, store, "", false, 0), "..a/b..c/ü €/.hidden");
    pf_store_close(store);
}

TEST(lists_in_key_order_page_by_page) {
    struct pf_store *store = open_store(test);
    const char *keys[] = {"b/2", "a/x", "a-b", "a.txt", "a/y/z", "b/1", "c", "b/10", "a/y/a"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) put(test, store, keys[i], "1");
    const char *all = "a-b a.txt a/x a/y/a a/y/z b/1 b/10 b/2 c";
    for (size_t limit = 0; limit < 11; limit++) CHECK_STR(list(test, store, "", false, limit), all);
    for (size_t limit = 0; limit < 4; limit++) {
        CHECK_STR(list(test, store, "a", false, limit), "a-b a.txt a/x a/y/a a/y/z");
        CHECK_STR(list(test, store, "a/", false, limit), "a/x a/y/a a/y/z");
        CHECK_STR(list(test, store, "b/1", false, limit), "b/1 b/10");
    }
    CHECK_STR(list(test, store, "a/y", false, 0), "a/y/a a/y/z");
    CHECK_STR(list(test, store, "zz", false, 0), "");
    CHECK_STR(list(test, store, "a/x/", false, 0), "");
    CHECK_STR(list(test, store, "", true, 0), "a-b a.txt c a/ b/");
    CHECK_STR(list(test, store, "", true, 1), "a-b a.txt a/ b/ c");
    CHECK_STR(list(test, store, "a/", true, 0), "a/x a/y/");
    pf_str path;
    CHECK_OK(pf_store_local_directory(store, PF_STR("hollow/deep"), test->arena, &path, &test->err));
    CHECK_STR(list(test, store, "", true, 0), "a-b a.txt c a/ b/");
    pf_store_close(store);
}

TEST(deletes_objects_and_the_folders_they_leave_empty) {
    struct pf_store *store = open_store(test);
    put(test, store, "a/b/c", "x");
    put(test, store, "a/d", "x");
    CHECK_OK(pf_store_delete(store, PF_STR("a/b/c"), &test->err));
    CHECK_OK(pf_store_delete(store, PF_STR("a/b/c"), &test->err));
    CHECK_OK(pf_store_delete(store, PF_STR("a/d/e"), &test->err));
    char *path = pf_arena_cstr(test->arena, pf_arena_printf(test->arena, "%s/a/b", pf_test_folder()));
    CHECK_INT(access(path, F_OK), -1);
    CHECK_STR(list(test, store, "", false, 0), "a/d");
    put(test, store, "p/1", "x");
    put(test, store, "p/q/2", "x");
    put(test, store, "p2", "x");
    pf_str directory;
    CHECK_OK(pf_store_local_directory(store, PF_STR("p/hollow"), test->arena, &directory, &test->err));
    int64_t count = 0;
    CHECK_OK(pf_store_delete_prefix(store, PF_STR("p/"), &count, &test->err));
    CHECK_INT(count, 2);
    CHECK_STR(list(test, store, "", false, 0), "a/d p2");
    CHECK_OK(pf_store_delete_prefix(store, PF_STR("p"), &count, &test->err));
    CHECK_INT(count, 1);
    CHECK_OK(pf_store_delete_prefix(store, PF_STR("nothing/"), &count, &test->err));
    CHECK_INT(count, 0);
    pf_store_close(store);
}

TEST(puts_only_if_nobody_else_did) {
    struct pf_store *store = open_store(test);
    pf_str first, second, bytes, etag, key = PF_STR("t/pointer.json"), none = PF_STR_EMPTY;
    CHECK_OK(pf_store_put_if(store, key, none, PF_STR("v1"), test->arena, &first, &test->err));
    CHECK_FAILS(pf_store_put_if(store, key, none, PF_STR("v1"), test->arena, &etag, &test->err), PF_CONFLICT,
                "it exists already");
    CHECK_OK(pf_store_get_versioned(store, key, test->arena, &bytes, &etag, &test->err));
    CHECK_STR(etag, first);
    CHECK_OK(pf_store_put_if(store, key, first, PF_STR("v2"), test->arena, &second, &test->err));
    CHECK_FAILS(pf_store_put_if(store, key, first, PF_STR("v3"), test->arena, NULL, &test->err), PF_CONFLICT,
                "somebody else changed it");
    CHECK_STR(get(test, store, "t/pointer.json"), "v2");
    CHECK_FAILS(pf_store_delete_if(store, key, first, &test->err), PF_CONFLICT, "somebody else changed it");
    CHECK_OK(pf_store_delete_if(store, key, second, &test->err));
    CHECK_FAILS(pf_store_delete_if(store, key, second, &test->err), PF_NOT_FOUND, "no such object");
    CHECK_FAILS(pf_store_put_if(store, key, second, PF_STR("v4"), test->arena, NULL, &test->err), PF_CONFLICT,
                "it was deleted");
    CHECK_STR(list(test, store, "", false, 0), "");
    pf_store_close(store);
}

TEST(tells_uris_inside_from_those_outside) {
    struct pf_store *store = open_store(test);
    pf_str key;
    pf_str uri = pf_store_uri(store, PF_STR("a/b.parquet"), test->arena);
    CHECK_TRUE(pf_str_starts_with(uri, PF_STR("file:///")));
    CHECK_TRUE(pf_store_key_of(store, uri, &key));
    CHECK_STR(key, "a/b.parquet");
    CHECK_TRUE(pf_store_key_of(store, pf_str_slice(uri, 7, SIZE_MAX), &key));
    CHECK_STR(key, "a/b.parquet");
    pf_str one_slash = pf_arena_printf(test->arena, "file:%.*s", PF_STR_ARG(pf_str_slice(uri, 7, SIZE_MAX)));
    CHECK_TRUE(pf_store_key_of(store, one_slash, &key));
    CHECK_STR(key, "a/b.parquet");
    CHECK_FALSE(pf_store_key_of(store, PF_STR("file:///etc/passwd"), &key));
    CHECK_FALSE(pf_store_key_of(store, PF_STR("s3://bucket/x"), &key));
    CHECK_FALSE(pf_store_key_of(store, pf_store_uri(store, PF_STR("../x"), test->arena), &key));
    CHECK_FALSE(pf_store_key_of(store, pf_store_url(store), &key));
    pf_str path;
    CHECK_OK(pf_store_local_path(store, PF_STR("a/b.parquet"), test->arena, &path, &test->err));
    CHECK_STR(path, pf_str_slice(uri, 7, SIZE_MAX));
    pf_store_close(store);
}

TEST(opens_urls_and_says_what_is_wrong_with_others) {
    struct pf_store *store = NULL;
    pf_str folder = pf_str_from_cstr(pf_test_folder());
    pf_str url = pf_arena_printf(test->arena, "file://%.*s/made/here/", PF_STR_ARG(folder));
    CHECK_OK(pf_store_open(url, NULL, &store, &test->err));
    put(test, store, "x", "durable");
    CHECK_OK(pf_store_sync(store, PF_STR("x"), &test->err));
    CHECK_TRUE(pf_str_ends_with(pf_store_url(store), PF_STR("/made/here")));
    store = pf_store_close(store);
    struct pf_store_options existing = {.must_exist = true};
    url = pf_arena_printf(test->arena, "%.*s/nowhere", PF_STR_ARG(folder));
    CHECK_FAILS(pf_store_open(url, &existing, &store, &test->err), PF_NOT_FOUND, "there is no directory");
    url = pf_arena_printf(test->arena, "%.*s/made/here/x", PF_STR_ARG(folder));
    CHECK_FAILS(pf_store_open(url, NULL, &store, &test->err), PF_INVALID, "is not a directory");
    CHECK_FAILS(pf_store_open(PF_STR("gs://bucket/x"), NULL, &store, &test->err), PF_UNSUPPORTED, "no back end");
    CHECK_FAILS(pf_store_open(PF_STR("s3://b/x"), NULL, &store, &test->err), PF_INVALID, "no name of a bucket");
    CHECK_FAILS(pf_store_open(PF_STR("s3://bucket/a//b"), NULL, &store, &test->err), PF_INVALID, "empty part");
    CHECK_FAILS(pf_store_open(PF_STR("file://host/x"), NULL, &store, &test->err), PF_INVALID, "absolute path");
    CHECK_FAILS(pf_store_open(PF_STR(""), NULL, &store, &test->err), PF_INVALID, "empty");
    CHECK_FAILS(pf_store_open(PF_STR("/"), NULL, &store, &test->err), PF_INVALID, "no store");
    CHECK_NULL(store);
}

TEST(limits_what_one_read_takes) {
    struct pf_store *store = NULL;
    struct pf_store_options options = {.is_volatile = true, .max_get_bytes = 8};
    CHECK_OK(pf_store_open(pf_str_from_cstr(pf_test_folder()), &options, &store, &test->err));
    put(test, store, "k", "0123456789");
    pf_str bytes;
    CHECK_FAILS(pf_store_get(store, PF_STR("k"), PF_RANGE_ALL, test->arena, &bytes, &test->err), PF_TOO_LARGE,
                "limit of one read is 8");
    CHECK_OK(pf_store_get(store, PF_STR("k"), (struct pf_range){2, 8}, test->arena, &bytes, &test->err));
    CHECK_STR(bytes, "23456789");
    pf_store_close(store);
}

TEST(says_who_may_not_write_where) {
    struct pf_store *store = open_store(test);
    put(test, store, "locked/x", "x");
    char *path = pf_arena_cstr(test->arena, pf_arena_printf(test->arena, "%s/locked", pf_test_folder()));
    CHECK_INT(chmod(path, 0500), 0);
    if (geteuid() == 0) CHECK_INT(seteuid(65534), 0);
    CHECK_FAILS(pf_store_put(store, PF_STR("locked/y"), PF_STR("y"), &test->err), PF_DENIED,
                "permission denied for user id");
    if (getuid() == 0) CHECK_INT(seteuid(0), 0);
    CHECK_INT(chmod(path, 0700), 0);
    pf_store_close(store);
}

TEST(says_that_a_file_may_not_grow_and_leaves_nothing) {
    struct pf_store *store = open_store(test);
    put(test, store, "k", "old");
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = 1000, .rlim_max = RLIM_INFINITY};
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    char *bytes = pf_arena_alloc(test->arena, 5000);
    CHECK_FAILS(pf_store_put(store, PF_STR("k"), (pf_str){bytes, 5000}, &test->err), PF_TOO_LARGE, "ulimit -f");
    limit.rlim_cur = RLIM_INFINITY;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_STR(get(test, store, "k"), "old");
    int64_t left = -1;
    CHECK_OK(pf_store_sweep(store, 0, &left, &test->err));
    CHECK_INT(left, 0);
    pf_store_close(store);
}

/* Reads that were told, each once. */
struct told {
    int times[3];
    size_t count, stop_at; /* 0: never */
};

static void tell(void *context, size_t index) {
    struct told *told = context;
    told->times[index]++;
    told->count++;
}

static bool is_enough(void *context) {
    const struct told *told = context;
    return told->stop_at && told->count >= told->stop_at;
}

TEST_WITH_LIMIT(reads_each_of_many_and_deletes_many, 60) {
    struct pf_store *store = open_store(test);
    size_t large_bytes = 9 << 20; /* on its way in several buffers */
    char *large = pf_arena_alloc(test->arena, large_bytes), *back = pf_arena_alloc(test->arena, large_bytes);
    for (size_t i = 0; i < large_bytes; i++) large[i] = (char)(i * 2654435761u >> 13);
    pf_str pieces[] = {PF_STR("one"), PF_STR_EMPTY, pf_str_from(large, large_bytes), PF_STR("two")};
    CHECK_OK(pf_store_put_pieces(store, PF_STR("p/a"), pieces, 4, &test->err));
    CHECK_OK(pf_store_put_pieces(store, PF_STR("p/b"), pieces, 1, &test->err));
    CHECK_OK(pf_store_put_pieces(store, PF_STR("p/empty"), NULL, 0, &test->err));
    CHECK_STR(get(test, store, "p/b"), "one");
    CHECK_STR(get(test, store, "p/empty"), "");
    char start[5] = {0}, end[4] = {0};
    struct pf_store_read reads[] = {{.key = PF_STR("p/a"), .length = 4, .to = start},
                                    {.key = PF_STR("p/a"), .offset = 3, .length = (int64_t)large_bytes, .to = back},
                                    {.key = PF_STR("p/a"), .offset = 3 + (int64_t)large_bytes, .length = 3, .to = end}};
    struct told told = {0};
    struct pf_store_watch watch = {is_enough, tell, &told};
    CHECK_OK(pf_store_read_each(store, reads, 3, &watch, &test->err));
    CHECK_TRUE(memcmp(start, "one", 3) == 0 && start[3] == large[0] && memcmp(end, "two", 3) == 0);
    CHECK_INT(memcmp(back, large, large_bytes), 0);
    for (int i = 0; i < 3; i++) CHECK_INT(told.times[i], 1);
    struct pf_store_read lost[] = {reads[0], {.key = PF_STR("p/none"), .length = 4, .to = start}};
    CHECK_FAILS(pf_store_read_each(store, lost, 2, &watch, &test->err), PF_NOT_FOUND, "p/none");
    lost[1] = (struct pf_store_read){.key = PF_STR("p/b"), .length = 4, .to = start};
    CHECK_FAILS(pf_store_read_each(store, lost, 2, &watch, &test->err), PF_CORRUPT, "p/b");
    told = (struct told){.stop_at = 1, .count = 1};
    CHECK_CODE(pf_store_read_each(store, reads, 3, &watch, &test->err), PF_CANCELLED);
    pf_str keys[] = {PF_STR("p/a"), PF_STR("p/none"), PF_STR("p/empty")};
    CHECK_OK(pf_store_delete_many(store, keys, 3, &test->err));
    CHECK_STR(list(test, store, "p/", false, 0), "p/b");
    CHECK_OK(pf_store_delete_many(store, NULL, 0, &test->err));
    pf_store_close(store);
}
