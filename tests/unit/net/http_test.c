/* SPDX-License-Identifier: MIT */
/* Server and client against each other, and the server against raw sockets. */
#include "base/clock.h"
#include "net/net.h"
#include "support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct site {
    struct pf_http_server *server;
    struct pf_http_client *client;
    atomic_int running, max_running, gone, ended, completed;
    atomic_llong produced;
};

struct source {
    struct site *site;
    int64_t left, piece_ms;
    enum pf_code fail_at_end;
};

static enum pf_code produce(void *context, char *buf, size_t capacity, size_t *out_len, bool *out_end) {
    struct source *source = context;
    size_t length = (int64_t)capacity < source->left ? capacity : (size_t)source->left;
    if (source->piece_ms) {
        length = length > 10 ? 10 : length;
        pf_clock_sleep_ms(source->piece_ms);
    }
    memset(buf, 'x', length);
    source->left -= (int64_t)length;
    atomic_fetch_add(&source->site->produced, (long long)length);
    *out_len = length;
    *out_end = source->left == 0 && source->fail_at_end == PF_OK;
    return source->left == 0 ? source->fail_at_end : PF_OK;
}

static void end_source(void *context, bool is_complete) {
    struct source *source = context;
    if (is_complete) atomic_fetch_add(&source->site->completed, 1);
    atomic_fetch_add(&source->site->ended, 1);
}

static void respond_stream(struct site *site, struct pf_http_request *request, struct pf_http_response *response) {
    struct source *source = PF_ARENA_NEW(request->arena, struct source);
    source->site = site;
    int64_t size = 0, piece_ms = 0;
    pf_str_to_i64(pf_http_parameter(&request->query, "bytes"), &size);
    pf_str_to_i64(pf_http_parameter(&request->query, "piece_ms"), &piece_ms);
    source->left = size;
    source->piece_ms = piece_ms;
    if (pf_http_has_parameter(&request->query, "fail")) source->fail_at_end = PF_REMOTE;
    response->stream = (struct pf_http_stream){.next = produce, .end = end_source, .context = source};
    if (pf_http_has_parameter(&request->query, "sized")) response->stream.size_bytes = size;
}

static void echo(struct pf_http_request *request, struct pf_http_response *response) {
    pf_str text = pf_arena_printf(request->arena, "%.*s %s[%.*s] q=%.*s h=%.*s body=%.*s", PF_STR_ARG(request->method),
                                  request->is_head ? "(head) " : "", PF_STR_ARG(request->path),
                                  PF_STR_ARG(pf_http_parameter(&request->query, "q")),
                                  PF_STR_ARG(pf_http_header(&request->headers, "x-test")), PF_STR_ARG(request->body));
    pf_http_respond(request, response, 200, "text/plain", text);
    pf_http_add_header(request, response, "X-Answer", PF_STR("yes"));
}

static void handle(void *context, struct pf_http_request *request, struct pf_http_response *response) {
    struct site *site = context;
    int running = atomic_fetch_add(&site->running, 1) + 1;
    if (running > atomic_load(&site->max_running)) atomic_store(&site->max_running, running);
    if (pf_str_equal(request->path, PF_STR("/stream"))) {
        respond_stream(site, request, response);
    } else if (pf_str_equal(request->path, PF_STR("/wait"))) {
        while (!pf_http_is_gone(request)) pf_clock_sleep_ms(5);
        atomic_fetch_add(&site->gone, 1);
    } else if (pf_str_equal(request->path, PF_STR("/sleep"))) {
        int64_t ms = 0;
        pf_str_to_i64(pf_http_parameter(&request->query, "ms"), &ms);
        pf_clock_sleep_ms(ms);
        pf_http_respond(request, response, 200, NULL, PF_STR("slept"));
    } else if (pf_str_equal(request->path, PF_STR("/redirect"))) {
        pf_http_respond(request, response, 303, NULL, PF_STR_EMPTY);
        pf_http_add_header(request, response, "Location", PF_STR("/elsewhere"));
    } else {
        echo(request, response);
    }
    atomic_fetch_sub(&site->running, 1);
}

static struct site *open_site(struct pf_test *test, struct pf_http_server_options options) {
    struct site *site = PF_ARENA_NEW(test->arena, struct site);
    options.address = PF_STR("127.0.0.1:0");
    options.handle = handle;
    options.context = site;
    CHECK_OK(pf_http_server_start(&options, &site->server, &test->err));
    CHECK_OK(pf_http_client_open(NULL, &site->client, &test->err));
    return site;
}

static void close_site(struct site *site) {
    pf_http_client_close(site->client);
    pf_http_server_stop(site->server, 0);
}

static pf_str url_of(struct pf_test *test, struct site *site, const char *path) {
    return pf_arena_printf(test->arena, "http://127.0.0.1:%d%s", pf_http_server_port(site->server), path);
}

static struct pf_http_reply get(struct pf_test *test, struct site *site, const char *path) {
    struct pf_http_call call = {.url = url_of(test, site, path)};
    struct pf_http_reply reply;
    CHECK_OK(pf_http_send(site->client, &call, test->arena, &reply, &test->err));
    return reply;
}

static int connect_raw(struct site *site) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)pf_http_server_port(site->server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_raw(int fd, const char *text) {
    CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static pf_str read_all(struct pf_test *test, int fd) {
    char *text = pf_arena_alloc(test->arena, 1 << 20);
    size_t length = 0;
    for (ssize_t got; (got = recv(fd, text + length, (1 << 20) - length, 0)) > 0;) length += (size_t)got;
    return pf_str_from(text, length);
}

static bool becomes(atomic_int *value, int wanted) {
    for (int i = 0; i < 1000 && atomic_load(value) != wanted; i++) pf_clock_sleep_ms(5);
    return atomic_load(value) == wanted;
}

TEST(answers_with_all_parts_of_a_request) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    struct pf_http_field header = {PF_STR("X-Test"), PF_STR("some thing")};
    struct pf_http_call call = {.method = PF_STR("POST"),
                                .url = url_of(test, site, "/a%20b?q=1%262"),
                                .headers = &header,
                                .header_count = 1,
                                .body = PF_STR("hello")};
    struct pf_http_reply reply;
    CHECK_OK(pf_http_send(site->client, &call, test->arena, &reply, &test->err));
    CHECK_INT(reply.status, 200);
    CHECK_STR(reply.body, "POST [/a b] q=1&2 h=some thing body=hello");
    CHECK_STR(pf_http_header(&reply.headers, "x-answer"), "yes");
    CHECK_STR(pf_http_header(&reply.headers, "content-type"), "text/plain");
    call = (struct pf_http_call){.method = PF_STR("DELETE"), .url = url_of(test, site, "/x")};
    CHECK_OK(pf_http_send(site->client, &call, test->arena, &reply, &test->err));
    CHECK_STR(reply.body, "DELETE [/x] q= h= body=");
    close_site(site);
}

TEST(answers_head_without_a_body) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    int fd = connect_raw(site);
    send_raw(fd, "HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    pf_str answer = read_all(test, fd);
    CHECK_TRUE(pf_str_starts_with(answer, PF_STR("HTTP/1.1 200")));
    CHECK_CONTAINS(answer, "Content-Length: 27\r\n"); /* "GET (head) [/x] q= h= body=" would have been sent */
    CHECK_TRUE(pf_str_ends_with(answer, PF_STR("\r\n\r\n")));
    close(fd);
    struct pf_http_call call = {.method = PF_STR("HEAD"), .url = url_of(test, site, "/stream?bytes=1000")};
    struct pf_http_reply reply;
    CHECK_OK(pf_http_send(site->client, &call, test->arena, &reply, &test->err));
    CHECK_INT(reply.body.len, 0);
    CHECK_TRUE(becomes(&site->ended, 1));
    CHECK_INT(atomic_load(&site->produced), 0);
    close_site(site);
}

TEST(keeps_connections_alive) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    for (int i = 0; i < 20; i++) CHECK_INT(get(test, site, "/x").status, 200);
    struct pf_http_server_counters counters;
    pf_http_server_count(site->server, &counters);
    CHECK_INT(counters.requests, 20);
    CHECK_INT(counters.connections, 1);
    close_site(site);
}

TEST(refuses_a_large_body_before_it_comes) {
    struct site *site = open_site(test, (struct pf_http_server_options){.max_body_bytes = 100});
    int fd = connect_raw(site);
    send_raw(fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n");
    pf_str answer = read_all(test, fd);
    CHECK_TRUE(pf_str_starts_with(answer, PF_STR("HTTP/1.1 413")));
    CHECK_CONTAINS(answer, "\"code\":\"TOO_LARGE\"");
    CHECK_CONTAINS(answer, "limit of 100 bytes");
    close(fd);
    close_site(site);
}

/* It writes all it has before it reads, as many clients do. */
TEST(lets_a_clumsy_client_see_that_its_body_is_too_large) {
    struct site *site = open_site(test, (struct pf_http_server_options){.max_body_bytes = 100});
    int fd = connect_raw(site);
    size_t size = 2 << 20;
    char *body = pf_arena_alloc(test->arena, size + 1);
    memset(body, 'x', size);
    send_raw(fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2097152\r\n\r\n");
    send_raw(fd, body);
    pf_str answer = read_all(test, fd);
    CHECK_TRUE(pf_str_starts_with(answer, PF_STR("HTTP/1.1 413")));
    close(fd);
    fd = connect_raw(site);
    send_raw(fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    CHECK_TRUE(pf_str_starts_with(read_all(test, fd), PF_STR("HTTP/1.1 413")));
    close(fd);
    close_site(site);
}

TEST(refuses_a_large_chunked_body) {
    struct site *site = open_site(test, (struct pf_http_server_options){.max_body_bytes = 100});
    struct source source = {.site = site, .left = 5000};
    struct pf_http_call call = {.method = PF_STR("POST"),
                                .url = url_of(test, site, "/x"),
                                .body_stream = {.next = produce, .end = end_source, .context = &source}};
    struct pf_http_reply reply;
    CHECK_OK(pf_http_send(site->client, &call, test->arena, &reply, &test->err));
    CHECK_INT(reply.status, 413);
    CHECK_INT(atomic_load(&site->ended), 1);
    source.left = 1 << 30; /* nobody takes a gigabyte to throw it away */
    CHECK_CODE(pf_http_send(site->client, &call, test->arena, &reply, &test->err), PF_REMOTE);
    CHECK_TRUE(source.left > 1 << 29);
    close_site(site);
}

TEST(takes_a_streamed_request_body) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    struct source source = {.site = site, .left = 3};
    struct pf_http_call call = {.method = PF_STR("PUT"),
                                .url = url_of(test, site, "/x"),
                                .body_stream = {.next = produce, .end = end_source, .context = &source}};
    struct pf_http_reply reply;
    CHECK_OK(pf_http_send(site->client, &call, test->arena, &reply, &test->err));
    CHECK_STR(reply.body, "PUT [/x] q= h= body=xxx");
    CHECK_INT(atomic_load(&site->completed), 1);
    close_site(site);
}

TEST(answers_bad_requests_with_400) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    static const char *const bad[] = {"GET /%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                                      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
                                      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                                      "GET / HTTP/1.1\r\n\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = connect_raw(site);
        send_raw(fd, bad[i]);
        shutdown(fd, SHUT_WR);
        pf_str answer = read_all(test, fd);
        bool is_refused = pf_str_starts_with(answer, PF_STR("HTTP/1.1 4")) || answer.len == 0;
        if (!is_refused) FAIL("request %zu: %.*s", i, PF_STR_ARG(answer));
        close(fd);
    }
    CHECK_INT(get(test, site, "/x").status, 200);
    close_site(site);
}

TEST(streams_a_body_of_any_length) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    CHECK_INT(get(test, site, "/stream?bytes=10000000").body.len, 10000000);
    CHECK_INT(get(test, site, "/stream?bytes=3000000&sized=1").body.len, 3000000);
    CHECK_INT(get(test, site, "/stream?bytes=0").body.len, 0);
    CHECK_TRUE(becomes(&site->ended, 3));
    CHECK_INT(atomic_load(&site->completed), 3);
    close_site(site);
}

TEST(cuts_a_stream_that_fails) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    struct pf_http_call call = {.url = url_of(test, site, "/stream?bytes=100000&fail=1")};
    struct pf_http_reply reply;
    CHECK_CODE(pf_http_send(site->client, &call, test->arena, &reply, &test->err), PF_REMOTE);
    CHECK_TRUE(becomes(&site->ended, 1));
    CHECK_INT(atomic_load(&site->completed), 0);
    close_site(site);
}

TEST(lets_a_slow_client_slow_the_producer) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    int fd = connect_raw(site);
    send_raw(fd, "GET /stream?bytes=1000000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    pf_clock_sleep_ms(300);
    long long before = atomic_load(&site->produced);
    pf_clock_sleep_ms(100);
    CHECK_INT(atomic_load(&site->produced), before);
    CHECK_TRUE(before < 100000000);
    close(fd); /* and a client that went away ends it */
    CHECK_TRUE(becomes(&site->ended, 1));
    CHECK_INT(atomic_load(&site->completed), 0);
    close_site(site);
}

TEST(tells_a_handler_that_its_client_left) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    int fd = connect_raw(site);
    send_raw(fd, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_TRUE(becomes(&site->running, 1));
    CHECK_INT(atomic_load(&site->gone), 0);
    close(fd);
    CHECK_TRUE(becomes(&site->gone, 1));
    close_site(site);
}

TEST(does_not_count_the_handlers_time_as_idle) {
    struct site *site = open_site(test, (struct pf_http_server_options){.idle_ms = 1000});
    CHECK_STR(get(test, site, "/sleep?ms=2300").body, "slept");
    CHECK_INT(get(test, site, "/stream?bytes=40&piece_ms=800").body.len, 40);
    close_site(site);
}

TEST(closes_idle_connections) {
    struct site *site = open_site(test, (struct pf_http_server_options){.idle_ms = 1000});
    int fd = connect_raw(site);
    send_raw(fd, "GET /x HTTP/1.1\r\nHost");
    int64_t started_ms = pf_clock_mono_ms();
    read_all(test, fd);
    CHECK_TRUE(pf_clock_mono_ms() - started_ms < 5000);
    close(fd);
    close_site(site);
}

struct many {
    struct site *site;
    pf_str url;
    atomic_int fine;
};

static void *send_many(void *context) {
    struct many *many = context;
    for (int i = 0; i < 50; i++) {
        struct pf_arena *arena = pf_arena_new(NULL, "call");
        struct pf_http_call call = {.url = many->url};
        struct pf_http_reply reply;
        if (pf_http_send(many->site->client, &call, arena, &reply, NULL) == PF_OK && reply.status == 200) {
            atomic_fetch_add(&many->fine, 1);
        }
        pf_arena_free(arena);
    }
    return NULL;
}

TEST(serves_many_connections_within_its_limit) {
    struct site *site = open_site(test, (struct pf_http_server_options){.max_connections = 4});
    struct many many = {.site = site, .url = url_of(test, site, "/sleep?ms=1")};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, send_many, &many);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK_INT(atomic_load(&many.fine), 200);
    CHECK_TRUE(atomic_load(&site->max_running) <= 4);
    close_site(site);
}

TEST(drains_before_it_stops) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    struct many many = {.site = site, .url = url_of(test, site, "/sleep?ms=10")};
    pthread_t thread;
    pthread_create(&thread, NULL, send_many, &many);
    pf_clock_sleep_ms(100);
    int fd = connect_raw(site);
    send_raw(fd, "GET /sleep?ms=300 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK_TRUE(becomes(&site->running, 2) || atomic_load(&site->running) == 1);
    pf_clock_sleep_ms(50);
    int64_t started_ms = pf_clock_mono_ms();
    pf_http_server_stop(site->server, 5000);
    CHECK_TRUE(pf_clock_mono_ms() - started_ms < 4000);
    CHECK_CONTAINS(read_all(test, fd), "slept");
    close(fd);
    pthread_join(thread, NULL);
    pf_http_client_close(site->client);
}

TEST(ends_waiting_handlers_when_it_stops) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    int fd = connect_raw(site);
    send_raw(fd, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    int idle = connect_raw(site);
    CHECK_TRUE(becomes(&site->running, 1));
    int64_t started_ms = pf_clock_mono_ms();
    pf_http_server_stop(site->server, 50);
    CHECK_TRUE(pf_clock_mono_ms() - started_ms < 3000);
    CHECK_INT(atomic_load(&site->gone), 1);
    close(fd);
    close(idle);
    pf_http_client_close(site->client);
}

TEST(says_that_a_port_is_in_use) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    struct pf_http_server *second = NULL;
    struct pf_http_server_options options = {.address = pf_http_server_address(site->server), .handle = handle};
    CHECK_FAILS(pf_http_server_start(&options, &second, &test->err), PF_CONFLICT, "the port is in use");
    static const char *const bad[] = {"127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "::1:80", "", "127.0.0.1:-1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        options.address = pf_str_from_cstr(bad[i]);
        CHECK_FAILS(pf_http_server_start(&options, &second, &test->err), PF_INVALID, "HOST:PORT");
    }
    options.address = PF_STR("192.0.2.1:0");
    CHECK_FAILS(pf_http_server_start(&options, &second, &test->err), PF_INVALID, "does not have that address");
    CHECK_NULL(second);
    close_site(site);
}

static enum pf_code count_bytes(void *context, int status, pf_str bytes) {
    int64_t *left = context;
    if (status != 200) return PF_BUG;
    *left -= (int64_t)bytes.len;
    return *left < 0 ? PF_NO_MEMORY : PF_OK;
}

static bool is_always_cancelled(void *context) {
    return context == NULL;
}

TEST(client_hands_over_a_body_as_it_comes) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    int64_t left = 1000000;
    struct pf_http_call call = {
        .url = url_of(test, site, "/stream?bytes=1000000"), .on_body = count_bytes, .context = &left};
    struct pf_http_reply reply;
    CHECK_OK(pf_http_send(site->client, &call, test->arena, &reply, &test->err));
    CHECK_INT(left, 0);
    CHECK_CODE(pf_http_send(site->client, &call, test->arena, &reply, &test->err), PF_NO_MEMORY);
    close_site(site);
}

TEST(client_keeps_its_limits) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    struct pf_http_call call = {.url = url_of(test, site, "/stream?bytes=10001"), .max_body_bytes = 10000};
    struct pf_http_reply reply;
    CHECK_FAILS(pf_http_send(site->client, &call, test->arena, &reply, &test->err), PF_TOO_LARGE, "limit of 10000");
    call = (struct pf_http_call){.url = url_of(test, site, "/sleep?ms=1000&secret=1"), .timeout_ms = 100};
    CHECK_FAILS(pf_http_send(site->client, &call, test->arena, &reply, &test->err), PF_TIMEOUT, "/sleep: ");
    CHECK_TRUE(pf_str_find(pf_str_from_cstr(test->err.message), PF_STR("secret"), 0) == SIZE_MAX);
    call = (struct pf_http_call){.url = url_of(test, site, "/wait"), .is_cancelled = is_always_cancelled};
    CHECK_CODE(pf_http_send(site->client, &call, test->arena, &reply, &test->err), PF_CANCELLED);
    close_site(site);
}

TEST(client_goes_only_where_it_is_told) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    setenv("http_proxy", "http://127.0.0.1:1/", 1);
    struct pf_http_reply reply = get(test, site, "/redirect");
    CHECK_INT(reply.status, 303);
    CHECK_STR(pf_http_header(&reply.headers, "location"), "/elsewhere");
    struct pf_http_call call = {.url = url_of(test, site, "/redirect"), .max_redirects = 2};
    CHECK_OK(pf_http_send(site->client, &call, test->arena, &reply, &test->err));
    CHECK_STR(reply.body, "GET [/elsewhere] q= h= body=");
    static const char *const bad[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http://"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        call = (struct pf_http_call){.url = pf_str_from_cstr(bad[i])};
        CHECK_CODE(pf_http_send(site->client, &call, test->arena, &reply, &test->err), PF_INVALID);
    }
    struct pf_http_field header = {PF_STR("X"), PF_STR("a\r\nY: b")};
    call = (struct pf_http_call){.url = url_of(test, site, "/x"), .headers = &header, .header_count = 1};
    CHECK_FAILS(pf_http_send(site->client, &call, test->arena, &reply, &test->err), PF_INVALID, "forbidden");
    close_site(site);
}

TEST(client_says_that_nobody_listens) {
    struct site *site = open_site(test, (struct pf_http_server_options){0});
    struct pf_http_call call = {.url = url_of(test, site, "/x?secret=1")};
    site->server = pf_http_server_stop(site->server, 0);
    struct pf_http_reply reply;
    CHECK_FAILS(pf_http_send(site->client, &call, test->arena, &reply, &test->err), PF_REMOTE, "GET http://127.0.0.1:");
    CHECK_TRUE(pf_str_find(pf_str_from_cstr(test->err.message), PF_STR("secret"), 0) == SIZE_MAX);
    close_site(site);
}
