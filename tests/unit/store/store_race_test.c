/* SPDX-License-Identifier: MIT */
/* Many processes and threads at one key, and processes that die in the middle. */
#include "store/store.h"

#include "base/clock.h"

#include "support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 16, INCREMENTS = 25, THREADS = 8 };

static struct pf_store *open_store(struct pf_test *test) {
    struct pf_store *store = NULL;
    struct pf_store_options options = {.is_volatile = true};
    const char *url = getenv("PF_TEST_STORE_URL"); /* see store_test.c */
    pf_str where = url ? pf_arena_printf(test->arena, "%s/%s", url, test->name) : pf_str_from_cstr(pf_test_folder());
    CHECK_OK(pf_store_open(where, &options, &store, &test->err));
    return store;
}

/* Adds one to a number, optimistically. */
static bool increment(struct pf_store *store, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "increment");
    enum pf_code code = PF_CONFLICT;
    while (code == PF_CONFLICT) {
        pf_str bytes = PF_STR("0"), etag = PF_STR_EMPTY;
        code = pf_store_get_versioned(store, PF_STR("d/counter"), arena, &bytes, &etag, err);
        if (code != PF_OK && code != PF_NOT_FOUND) break;
        int64_t value = 0;
        if (!pf_str_to_i64(bytes, &value)) break;
        pf_str next = pf_arena_printf(arena, "%lld", (long long)value + 1);
        code = pf_store_put_if(store, PF_STR("d/counter"), etag, next, arena, NULL, err);
    }
    pf_arena_free(arena);
    return code == PF_OK;
}

static void check_counter(struct pf_test *test, struct pf_store *store, int expected) {
    pf_str bytes;
    CHECK_OK(pf_store_get(store, PF_STR("d/counter"), PF_RANGE_ALL, test->arena, &bytes, &test->err));
    CHECK_STR(bytes, pf_arena_printf(test->arena, "%d", expected));
}

TEST_WITH_LIMIT(loses_no_update_of_sixteen_processes, 60) {
    struct pf_store *store = open_store(test);
    pid_t children[PROCESSES];
    for (int p = 0; p < PROCESSES; p++) {
        children[p] = fork();
        if (children[p] != 0) continue;
        bool ok = true;
        for (int i = 0; i < INCREMENTS && ok; i++) ok = increment(store, &test->err);
        if (!ok) fprintf(stderr, "%s\n", test->err.message);
        _exit(ok ? 0 : 1);
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status = -1;
        CHECK_INT(waitpid(children[p], &status, 0), children[p]);
        CHECK_INT(status, 0);
    }
    check_counter(test, store, PROCESSES * INCREMENTS);
    int64_t left = -1;
    CHECK_OK(pf_store_sweep(store, 0, &left, &test->err));
    CHECK_INT(left, 0);
    pf_store_close(store);
}

static void *run_thread(void *store) {
    struct pf_error err;
    for (int i = 0; i < INCREMENTS; i++) {
        if (!increment(store, &err)) return err.message[0] ? store : NULL;
    }
    return NULL;
}

TEST_WITH_LIMIT(loses_no_update_of_eight_threads, 60) {
    struct pf_store *store = open_store(test);
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++) CHECK_INT(pthread_create(&threads[t], NULL, run_thread, store), 0);
    for (int t = 0; t < THREADS; t++) {
        void *failed = NULL;
        CHECK_INT(pthread_join(threads[t], &failed), 0);
        CHECK_NULL(failed);
    }
    check_counter(test, store, THREADS * INCREMENTS);
    pf_store_close(store);
}

TEST_WITH_LIMIT(creates_once_whoever_tries, 60) {
    struct pf_store *store = open_store(test);
    for (int round = 0; round < 10; round++) {
        pf_str key = pf_arena_printf(test->arena, "new/%d", round);
        pid_t children[PROCESSES];
        for (int p = 0; p < PROCESSES; p++) {
            children[p] = fork();
            if (children[p] != 0) continue;
            _exit(pf_store_put_if(store, key, PF_STR_EMPTY, PF_STR("x"), test->arena, NULL, NULL) == PF_OK ? 7 : 0);
        }
        int winners = 0;
        for (int p = 0; p < PROCESSES; p++) {
            int status = -1;
            CHECK_INT(waitpid(children[p], &status, 0), children[p]);
            if (WIFEXITED(status) && WEXITSTATUS(status) == 7) winners++;
        }
        CHECK_INT(winners, 1);
    }
    pf_store_close(store);
}

/* Writers of two contents are killed at random moments: a reader only ever sees one of the two, whole. */
TEST_WITH_LIMIT(shows_whole_objects_however_a_writer_dies, 60) {
    struct pf_store *store = open_store(test);
    enum { SIZE = 200000 };
    char *a = pf_arena_alloc(test->arena, SIZE), *b = pf_arena_alloc(test->arena, SIZE);
    memset(a, 'a', SIZE);
    memset(b, 'b', SIZE);
    CHECK_OK(pf_store_put(store, PF_STR("k"), (pf_str){a, SIZE}, &test->err));
    unsigned seed = 1;
    for (int round = 0; round < 40; round++) {
        pid_t child = fork();
        if (child == 0) {
            for (int i = 0;; i++) {
                pf_str bytes = {i % 2 ? a : b, SIZE}, etag = PF_STR_EMPTY, old;
                struct pf_arena *arena = pf_arena_new(NULL, "writer");
                if (i % 3 == 0) {
                    if (pf_store_put(store, PF_STR("k"), bytes, NULL) != PF_OK) _exit(1);
                } else if (pf_store_get_versioned(store, PF_STR("k"), arena, &old, &etag, NULL) != PF_OK ||
                           pf_store_put_if(store, PF_STR("k"), etag, bytes, arena, NULL, NULL) != PF_OK) {
                    _exit(1);
                }
                pf_arena_free(arena);
            }
        }
        pf_clock_sleep_ms(1 + rand_r(&seed) % 12);
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        CHECK_TRUE(WIFSIGNALED(status));
        struct pf_arena *arena = pf_arena_new(NULL, "reader");
        pf_str seen;
        CHECK_OK(pf_store_get(store, PF_STR("k"), PF_RANGE_ALL, arena, &seen, &test->err));
        CHECK_UINT(seen.len, SIZE);
        CHECK_INT(memcmp(seen.ptr, seen.ptr[0] == 'a' ? a : b, SIZE), 0);
        pf_arena_free(arena);
    }
    /* Locks died with their owners; what was half written is swept, and was never listed. */
    struct pf_store_page page = {0};
    CHECK_OK(pf_store_list(store, &(struct pf_store_list_options){0}, test->arena, &page, &test->err));
    CHECK_UINT(page.object_count, 1);
    int64_t left = 0;
    CHECK_OK(pf_store_sweep(store, 3600 * 1000, &left, &test->err));
    CHECK_INT(left, 0);
    CHECK_OK(pf_store_sweep(store, 0, &left, &test->err));
    CHECK_TRUE(left > 0);
    pf_store_close(store);
}

TEST_WITH_LIMIT(survives_writers_and_deleters_of_one_folder, 60) {
    struct pf_store *store = open_store(test);
    pid_t children[4];
    for (int p = 0; p < 4; p++) {
        children[p] = fork();
        if (children[p] != 0) continue;
        char text[64];
        int length = snprintf(text, sizeof text, "deep/er/folder/%d", p);
        pf_str key = {text, (size_t)length};
        for (int i = 0; i < 300; i++) {
            if (pf_store_put(store, key, PF_STR("x"), &test->err) != PF_OK ||
                pf_store_delete(store, key, &test->err) != PF_OK) {
                fprintf(stderr, "%s\n", test->err.message);
                _exit(1);
            }
        }
        _exit(0);
    }
    for (int p = 0; p < 4; p++) {
        int status = -1;
        CHECK_INT(waitpid(children[p], &status, 0), children[p]);
        CHECK_INT(status, 0);
    }
    pf_store_close(store);
}

TEST(gives_up_on_a_lock_that_somebody_keeps) {
    struct pf_store *store = NULL;
    struct pf_store_options options = {.is_volatile = true, .lock_wait_ms = 50};
    CHECK_OK(pf_store_open(pf_str_from_cstr(pf_test_folder()), &options, &store, &test->err));
    pf_str etag;
    CHECK_OK(pf_store_put_if(store, PF_STR("k"), PF_STR_EMPTY, PF_STR("x"), test->arena, &etag, &test->err));
    CHECK_OK(pf_store_put_if(store, PF_STR("k"), etag, PF_STR("x"), test->arena, &etag, &test->err));
    char path[4096];
    snprintf(path, sizeof path, "%s/.puffindb/locks/%02x", pf_test_folder(),
             (unsigned)(pf_str_hash(PF_STR("k")) & 0xff));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK_TRUE(fd >= 0);
    CHECK_INT(flock(fd, LOCK_EX), 0);
    CHECK_FAILS(pf_store_put_if(store, PF_STR("k"), etag, PF_STR("y"), test->arena, NULL, &test->err), PF_TIMEOUT,
                "another process held");
    close(fd);
    CHECK_OK(pf_store_put_if(store, PF_STR("k"), etag, PF_STR("y"), test->arena, NULL, &test->err));
    pf_store_close(store);
}
