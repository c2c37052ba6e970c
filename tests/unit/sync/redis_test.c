/* SPDX-License-Identifier: MIT */
/* The server of our own, connections that break, workers, small values. */
#include "fixture.h"
#include "sync/redis_url.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(reads_urls) {
    struct redis_url url;
    CHECK_OK(redis_url_parse(PF_STR("redis://me:p%40s:s@host:7000/3"), test->arena, &url, &test->err));
    CHECK_STR(url.host, "host");
    CHECK_STR(url.user, "me");
    CHECK_STR(url.password, "p@s:s");
    CHECK_INT(url.port, 7000);
    CHECK_INT(url.database, 3);
    CHECK_STR(url.label, "redis://host:7000/3");
    CHECK_OK(redis_url_parse(PF_STR("rediss://:pw@[::1]:1"), test->arena, &url, &test->err));
    CHECK_TRUE(url.has_tls);
    CHECK_STR(url.host, "::1");
    CHECK_NULL(url.user);
    CHECK_OK(redis_url_parse(PF_STR("redis://h"), test->arena, &url, &test->err));
    CHECK_INT(url.port, 6379);
    CHECK_OK(redis_url_parse(PF_STR("unix:///a/b%20c.sock?db=2"), test->arena, &url, &test->err));
    CHECK_STR(url.unix_path, "/a/b c.sock");
    CHECK_INT(url.database, 2);
    static const char *const bad[] = {"",
                                      "http://h",
                                      "redis://",
                                      "redis://h:x",
                                      "redis://:secret@h:99999",
                                      "unix://",
                                      "redis://secret%zz@h",
                                      "unix:///a?x=1",
                                      "redis://h/secret",
                                      "redis://[::1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_FAILS(redis_url_parse(pf_str_from_cstr(bad[i]), test->arena, &url, &test->err), PF_INVALID, "redis://");
        CHECK_TRUE(pf_str_find(pf_str_from_cstr(test->err.message), PF_STR("secret"), 0) == SIZE_MAX);
    }
}

TEST(runs_a_server_in_a_private_folder) {
    struct fixture *fixture = open_fixture(test);
    struct stat status;
    CHECK_INT(stat(pf_test_folder(), &status), 0);
    pf_str socket = pf_str_from_cstr(pf_redis_url(fixture->redis) + strlen("unix://"));
    CHECK_INT(stat(socket.ptr, &status), 0);
    CHECK_TRUE(pf_redis_is_alive(fixture->redis));
    CHECK_OK(pf_sync_ping(fixture->sync, &test->err));
    close_fixture(fixture);
    CHECK_INT(stat(socket.ptr, &status), -1);
}

TEST(one_server_per_folder) {
    struct pf_redis_options options = {.run_path = pf_test_folder()};
    struct pf_redis *redis = NULL, *second = NULL;
    CHECK_OK(pf_redis_spawn(&options, &redis, &test->err));
    CHECK_FAILS(pf_redis_spawn(&options, &second, &test->err), PF_CONFLICT, options.run_path);
    CHECK_TRUE(pf_redis_is_alive(redis));
    pf_redis_stop(redis);
    CHECK_OK(pf_redis_spawn(&options, &second, &test->err));
    pf_redis_stop(second);
}

TEST(says_how_to_get_a_server) {
    struct pf_redis *redis = NULL;
    struct pf_redis_options options = {.run_path = pf_test_folder()};
    setenv("PATH", "/nonexistent", 1);
    CHECK_FAILS(pf_redis_spawn(&options, &redis, &test->err), PF_NOT_FOUND, "apt-get install redis-server");
    char folder[200];
    memset(folder, 'x', sizeof folder - 1);
    folder[sizeof folder - 1] = 0;
    options.run_path = folder;
    CHECK_FAILS(pf_redis_spawn(&options, &redis, &test->err), PF_INVALID, "too long a path");
    options = (struct pf_redis_options){.run_path = pf_test_folder(), .program = "/bin/false"};
    CHECK_FAILS(pf_redis_spawn(&options, &redis, &test->err), PF_REMOTE, "redis.log");
}

TEST(names_the_url_but_not_the_password) {
    struct pf_sync *sync = NULL;
    struct pf_sync_options options = {.url = PF_STR("redis://:secret@127.0.0.1:1/0")};
    CHECK_FAILS(pf_sync_open(&options, &sync, &test->err), PF_REMOTE, "redis://127.0.0.1:1/0");
    CHECK_TRUE(pf_str_find(pf_str_from_cstr(test->err.message), PF_STR("secret"), 0) == SIZE_MAX);
    options.url = PF_STR("unix:///nonexistent/redis.sock");
    CHECK_FAILS(pf_sync_open(&options, &sync, &test->err), PF_REMOTE, "check that Redis runs there");
}

static void redis_cli(struct pf_test *test, struct fixture *fixture, const char *command) {
    pf_str line = pf_arena_printf(test->arena, "redis-cli -s %s %s >/dev/null 2>&1",
                                  pf_redis_url(fixture->redis) + strlen("unix://"), command);
    CHECK_INT(system(line.ptr), 0);
}

TEST(refuses_other_hosts_without_protection) {
    struct pf_sync *sync = NULL;
    struct pf_sync_options options = {.url = PF_STR("redis://redis.invalid"), .connect_ms = 100};
    CHECK_FAILS(pf_sync_open(&options, &sync, &test->err), PF_DENIED, "no TLS and no password");
    CHECK_CONTAINS(test->err.message, "--redis-allow-insecure");
    options.url = PF_STR("redis://:pw@10.0.0.1:6379");
    CHECK_FAILS(pf_sync_open(&options, &sync, &test->err), PF_DENIED, "no TLS");
    options.url = PF_STR("rediss://127.example:6379");
    CHECK_FAILS(pf_sync_open(&options, &sync, &test->err), PF_DENIED, "no password");
    options.url = PF_STR("redis://redis.invalid");
    options.allows_insecure = true;
    CHECK_CODE(pf_sync_open(&options, &sync, &test->err), PF_REMOTE);
}

TEST(logs_in) {
    struct fixture *fixture = open_fixture(test);
    redis_cli(test, fixture, "config set requirepass pw");
    pf_str path = pf_str_from_cstr(pf_redis_url(fixture->redis));
    struct pf_sync_options options = {.url = path};
    struct pf_sync *sync = NULL;
    CHECK_FAILS(pf_sync_open(&options, &sync, &test->err), PF_DENIED, "check user and password");
    redis_cli(test, fixture, "-a pw config set port 46379");
    options.url = PF_STR("redis://:wrong@127.0.0.1:46379");
    CHECK_FAILS(pf_sync_open(&options, &sync, &test->err), PF_DENIED, "check user and password");
    options.url = PF_STR("redis://default:pw@127.0.0.1:46379/2");
    CHECK_OK(pf_sync_open(&options, &sync, &test->err));
    CHECK_OK(pf_sync_ping(sync, &test->err));
    pf_sync_close(sync);
}

static bool has_openssl(void) {
    return system("openssl version >/dev/null 2>&1") == 0;
}

/* The server listens with TLS as well, with a certificate for `name` that it signed itself. */
static const char *start_tls(struct pf_test *test, struct fixture *fixture, const char *name, int *out_port) {
    const char *folder = pf_test_folder();
    pf_str make = pf_arena_printf(test->arena,
                                  "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=%s -addext "
                                  "subjectAltName=%s -keyout %s/key.pem -out %s/cert.pem >/dev/null 2>&1",
                                  name, name, folder, folder);
    CHECK_INT(system(make.ptr), 0);
    *out_port = 20000 + (int)(getpid() % 20000);
    pf_str set = pf_arena_printf(test->arena,
                                 "config set tls-cert-file %s/cert.pem tls-key-file %s/key.pem tls-ca-cert-file "
                                 "%s/cert.pem tls-auth-clients no tls-port %d",
                                 folder, folder, folder, *out_port);
    redis_cli(test, fixture, set.ptr);
    return pf_arena_printf(test->arena, "%s/cert.pem", folder).ptr;
}

static enum pf_code open_tls(struct pf_test *test, int port, const char *host, const char *ca_path,
                             struct pf_sync **out_sync) {
    struct pf_sync_options options = {.url = pf_arena_printf(test->arena, "rediss://%s:%d", host, port),
                                      .ca_path = ca_path};
    return pf_sync_open(&options, out_sync, &test->err);
}

TEST(talks_tls_to_a_server_it_can_trust) {
    if (!has_openssl()) return;
    struct fixture *fixture = open_fixture(test);
    struct pf_sync *sync = NULL;
    int port = 0;
    const char *ca_path = start_tls(test, fixture, "IP:127.0.0.1", &port);
    CHECK_OK(open_tls(test, port, "127.0.0.1", ca_path, &sync));
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 2000);
    CHECK_STR(claim(test, sync, "w1", 1000).query_id, "q1");
    sync = pf_sync_close(sync);
    CHECK_FAILS(open_tls(test, port, "127.0.0.1", NULL, &sync), PF_REMOTE, "certificate");
    CHECK_FAILS(open_tls(test, port, "localhost", ca_path, &sync), PF_REMOTE, "start TLS");
    CHECK_FAILS(open_tls(test, port, "127.0.0.1", "/nonexistent.pem", &sync), PF_INVALID, "/nonexistent.pem");
    /* Plain text to the port of TLS: an error, no hang. */
    struct pf_sync_options plain = {.url = pf_arena_printf(test->arena, "redis://127.0.0.1:%d", port),
                                    .command_ms = 1000};
    CHECK_CODE(pf_sync_open(&plain, &sync, &test->err), PF_REMOTE);
}

struct restless {
    struct pf_sync *sync;
    atomic_int published, broken, other;
    atomic_bool is_over;
};

static void *work_restlessly(void *context) {
    struct restless *restless = context;
    while (!atomic_load(&restless->is_over)) {
        struct pf_arena *arena = pf_arena_new(NULL, "worker");
        struct pf_sync_claim one;
        enum pf_code code = pf_sync_claim(restless->sync, PF_STR("w"), 100, 60000, arena, &one, NULL);
        if (code == PF_OK) code = pf_sync_publish(restless->sync, &one, PF_STR("done"), NULL);
        if (code == PF_OK)
            atomic_fetch_add(&restless->published, 1);
        else if (code == PF_REMOTE)
            atomic_fetch_add(&restless->broken, 1), pf_clock_sleep_ms(5);
        else if (code != PF_NOT_FOUND && code != PF_CANCELLED)
            atomic_fetch_add(&restless->other, 1);
        pf_arena_free(arena);
    }
    return NULL;
}

TEST_WITH_LIMIT(workers_survive_a_redis_that_is_killed_again_and_again, 60) {
    struct fixture *fixture = open_fixture(test);
    struct restless *restless = PF_ARENA_NEW(test->arena, struct restless);
    pthread_t threads[8];
    restless->sync = fixture->sync;
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, work_restlessly, restless);
    for (int round = 0; round < 3; round++) {
        const char *id = pf_arena_printf(test->arena, "q%d", round).ptr;
        begin(test, fixture->sync, id);
        push(test, fixture->sync, id, 0, 20000);
        int before = atomic_load(&restless->published);
        for (int i = 0; i < 500 && atomic_load(&restless->published) < before + 50; i++) pf_clock_sleep_ms(5);
        CHECK_TRUE(atomic_load(&restless->published) >= before + 50);
        kill(pf_redis_pid(fixture->redis), SIGKILL);
        CHECK_OK(pf_redis_respawn(fixture->redis, &test->err));
    }
    atomic_store(&restless->is_over, true);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    CHECK_INT(atomic_load(&restless->other), 0);
    CHECK_TRUE(atomic_load(&restless->broken) > 0);
}

TEST(works_again_after_redis_was_killed) {
    struct fixture *fixture = open_fixture(test);
    struct pf_sync *sync = fixture->sync;
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 2);
    struct pf_sync_claim one = claim(test, sync, "w1", 60000), next;
    CHECK_INT(kill(pf_redis_pid(fixture->redis), SIGKILL), 0);
    int64_t started_ms = pf_clock_mono_ms();
    CHECK_FAILS(pf_sync_publish(sync, &one, PF_STR("x"), &test->err), PF_REMOTE, "unix:///");
    CHECK_CODE(pf_sync_claim(sync, PF_STR("w1"), 1000, 1000, test->arena, &next, &test->err), PF_REMOTE);
    CHECK_TRUE(pf_clock_mono_ms() - started_ms < 2500);
    for (int i = 0; i < 100 && pf_redis_is_alive(fixture->redis); i++) pf_clock_sleep_ms(10);
    CHECK_FALSE(pf_redis_is_alive(fixture->redis));
    CHECK_OK(pf_redis_respawn(fixture->redis, &test->err));
    CHECK_TRUE(pf_redis_is_alive(fixture->redis));
    bool is_cancelled = false;
    CHECK_OK(pf_sync_heartbeat(sync, &one, 1000, &is_cancelled, &test->err));
    CHECK_TRUE(is_cancelled); /* all is gone */
    begin(test, sync, "q2");
    push(test, sync, "q2", 0, 1);
    CHECK_STR(claim(test, sync, "w1", 1000).query_id, "q2");
}

struct waiter {
    struct pf_sync *sync;
    enum pf_code code;
    int64_t elapsed_ms;
};

static void *wait_for_task(void *context) {
    struct waiter *waiter = context;
    struct pf_arena *arena = pf_arena_new(NULL, "waiter");
    struct pf_sync_claim claim;
    int64_t started_ms = pf_clock_mono_ms();
    waiter->code = pf_sync_claim(waiter->sync, PF_STR("w1"), 8000, 1000, arena, &claim, NULL);
    waiter->elapsed_ms = pf_clock_mono_ms() - started_ms;
    pf_arena_free(arena);
    return NULL;
}

TEST(a_waiting_claim_notices_that_redis_died) {
    struct fixture *fixture = open_fixture(test);
    struct waiter waiter = {.sync = fixture->sync};
    pthread_t thread;
    pthread_create(&thread, NULL, wait_for_task, &waiter);
    pf_clock_sleep_ms(200);
    kill(pf_redis_pid(fixture->redis), SIGKILL);
    pthread_join(thread, NULL);
    CHECK_INT(waiter.code, PF_REMOTE);
    CHECK_TRUE(waiter.elapsed_ms < 4000);
}

TEST(a_waiting_claim_wakes_up_for_a_task) {
    struct fixture *fixture = open_fixture(test);
    struct waiter waiter = {.sync = fixture->sync};
    pthread_t thread;
    begin(test, fixture->sync, "q1");
    pthread_create(&thread, NULL, wait_for_task, &waiter);
    pf_clock_sleep_ms(200);
    push(test, fixture->sync, "q1", 0, 1);
    pthread_join(thread, NULL);
    CHECK_INT(waiter.code, PF_OK);
    CHECK_TRUE(waiter.elapsed_ms < 2000);
}

TEST(keeps_time_limits_when_redis_hangs) {
    struct fixture *fixture = open_fixture(test);
    int pid = pf_redis_pid(fixture->redis);
    kill(pid, SIGSTOP);
    int64_t started_ms = pf_clock_mono_ms();
    enum pf_code code = pf_sync_ping(fixture->sync, &test->err);
    kill(pid, SIGCONT);
    CHECK_INT(code, PF_TIMEOUT);
    CHECK_CONTAINS(test->err.message, "did not answer in time");
    CHECK_TRUE(pf_clock_mono_ms() - started_ms < 4000);
    CHECK_OK(pf_sync_ping(fixture->sync, &test->err));
}

TEST(loads_its_scripts_again_when_they_are_gone) {
    struct fixture *fixture = open_fixture(test);
    begin(test, fixture->sync, "q1");
    redis_cli(test, fixture, "script flush");
    push(test, fixture->sync, "q1", 0, 1200);
    redis_cli(test, fixture, "script flush");
    CHECK_INT(claim(test, fixture->sync, "w1", 1000).task_id, 0);
}

TEST(needs_few_round_trips) {
    struct pf_sync *sync = open_fixture(test)->sync;
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 10000);
    struct pf_sync_claim one = claim(test, sync, "w1", 1000);
    CHECK_OK(pf_sync_publish(sync, &one, PF_STR("x"), &test->err));
    struct pf_sync_counters before, after;
    pf_sync_count(sync, &before);
    one = claim(test, sync, "w1", 1000);
    CHECK_OK(pf_sync_publish(sync, &one, PF_STR("x"), &test->err));
    pf_sync_count(sync, &after);
    CHECK_INT(after.round_trips - before.round_trips, 2);
    CHECK_INT(after.connects, 1);
    push(test, sync, "q1", 1, 10000);
    pf_sync_count(sync, &before);
    CHECK_INT(before.round_trips - after.round_trips, 1);
}

TEST(leaves_nothing_behind) {
    struct fixture *fixture = open_fixture(test);
    struct pf_sync *sync = fixture->sync;
    begin(test, sync, "q1");
    push(test, sync, "q1", 0, 3);
    struct pf_error failure = {.code = PF_REMOTE, .message = "m"};
    struct pf_sync_claim one = claim(test, sync, "w1", 1000), two = claim(test, sync, "w1", 1000);
    CHECK_OK(pf_sync_publish(sync, &one, PF_STR("x"), &test->err));
    CHECK_OK(pf_sync_fail(sync, &two, &failure, true, &test->err));
    CHECK_OK(pf_sync_put_small(sync, PF_STR("q1"), PF_STR("k"), PF_STR("v"), 0, &test->err));
    /* Every key of the query dies by itself. */
    redis_cli(test, fixture,
              "eval 'for _, k in ipairs(redis.call(\"keys\", \"pf:{q1}*\")) do "
              "assert(redis.call(\"pttl\", k) > 0, k) end' 0 | (! grep -q ERR)");
    CHECK_OK(pf_sync_query_end(sync, PF_STR("q1"), PF_STR_EMPTY, &test->err));
    redis_cli(test, fixture, "keys '*' | (! grep -v -e '{all}:marks' -e record)");
}

TEST(says_that_redis_is_full) {
    struct fixture *fixture = open_fixture(test);
    begin(test, fixture->sync, "q1");
    redis_cli(test, fixture, "config set maxmemory 1mb");
    CHECK_FAILS(pf_sync_put_small(fixture->sync, PF_STR("q1"), PF_STR("k"), PF_STR("v"), 1000, &test->err),
                PF_NO_MEMORY, "memory limit");
}

TEST(knows_who_is_alive) {
    struct pf_sync *sync = open_fixture(test)->sync;
    struct pf_sync_worker *workers = NULL;
    size_t count = 9;
    int alive = -1;
    CHECK_OK(pf_sync_worker_register(sync, PF_STR("w1"), PF_STR("{\"cores\":2}"), 60000, &test->err));
    CHECK_OK(pf_sync_worker_register(sync, PF_STR("w2"), PF_STR("{}"), 50, &test->err));
    CHECK_OK(pf_sync_worker_count(sync, &alive, &test->err));
    CHECK_INT(alive, 2);
    pf_clock_sleep_ms(80);
    CHECK_OK(pf_sync_worker_count(sync, &alive, &test->err));
    CHECK_INT(alive, 1);
    CHECK_OK(pf_sync_worker_refresh(sync, PF_STR("w1"), 60000, &test->err));
    CHECK_FAILS(pf_sync_worker_refresh(sync, PF_STR("w2"), 1000, &test->err), PF_NOT_FOUND, "w2");
    CHECK_OK(pf_sync_worker_list(sync, test->arena, &workers, &count, &test->err));
    CHECK_INT(count, 1);
    CHECK_STR(workers[0].id, "w1");
    CHECK_STR(workers[0].facts_json, "{\"cores\":2}");
    CHECK_TRUE(workers[0].left_ms > 50000 && workers[0].left_ms <= 60000);
    CHECK_OK(pf_sync_worker_remove(sync, PF_STR("w1"), &test->err));
    CHECK_OK(pf_sync_worker_list(sync, test->arena, &workers, &count, &test->err));
    CHECK_INT(count, 0);
}

TEST(keeps_small_values) {
    struct pf_sync *sync = open_fixture(test)->sync;
    pf_str id = PF_STR("q1");
    begin(test, sync, "q1");
    CHECK_OK(pf_sync_put_small(sync, id, PF_STR("a b{}"), PF_STR("0123456789"), 60000, &test->err));
    CHECK_OK(pf_sync_put_small(sync, id, PF_STR("empty"), PF_STR(""), 60000, &test->err));
    struct pf_sync_range ranges[] = {{.key = PF_STR("a b{}"), .length = -1},
                                     {.key = PF_STR("a b{}"), .offset = 2, .length = 3},
                                     {.key = PF_STR("a b{}"), .offset = 7, .length = -1},
                                     {.key = PF_STR("empty"), .length = -1},
                                     {.key = PF_STR("nowhere"), .length = 0}};
    CHECK_OK(pf_sync_get_small(sync, id, ranges, 5, test->arena, &test->err));
    CHECK_STR(ranges[0].bytes, "0123456789");
    CHECK_STR(ranges[1].bytes, "234");
    CHECK_STR(ranges[2].bytes, "789");
    CHECK_STR(ranges[3].bytes, "");
    struct pf_sync_range bad[] = {{.key = PF_STR("a b{}"), .offset = 8, .length = 3},
                                  {.key = PF_STR("x"), .length = -1}};
    CHECK_FAILS(pf_sync_get_small(sync, id, bad, 1, test->arena, &test->err), PF_NOT_FOUND, "a b{}");
    CHECK_FAILS(pf_sync_get_small(sync, id, bad + 1, 1, test->arena, &test->err), PF_NOT_FOUND, "'x'");
    size_t size = PF_SYNC_MAX_SMALL_BYTES + 1;
    pf_str large = pf_str_from(pf_arena_alloc(test->arena, size), size);
    CHECK_FAILS(pf_sync_put_small(sync, id, PF_STR("l"), large, 0, &test->err), PF_TOO_LARGE, "limit");
    large.len--;
    CHECK_OK(pf_sync_put_small(sync, id, PF_STR("l"), large, 0, &test->err));
    struct pf_sync_range whole = {.key = PF_STR("l"), .length = -1};
    CHECK_OK(pf_sync_get_small(sync, id, &whole, 1, test->arena, &test->err));
    CHECK_INT(whole.bytes.len, PF_SYNC_MAX_SMALL_BYTES);
}
