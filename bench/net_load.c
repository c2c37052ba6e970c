/* SPDX-License-Identifier: MIT */
/* One request again and again over connections that stay open: how fast are the answers, how many come a second?
 *
 *   net_load PORT CONNECTIONS SECONDS BODY-FILE [PATH [EXPECTED]]
 *
 * Posts the file to 127.0.0.1. Each connection has one request under way. One thread, epoll; an answer that is not 200,
 * or has no EXPECTED in its head, ends the program. Prints a JSON object; load_share is the part of the time that this
 * program was busy itself: near 1 it, and not the server, was the limit. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 256, MAX_ANSWER_BYTES = 1 << 20, MAX_BODY_BYTES = 1 << 20, MAX_SAMPLES = 4000000 };
static const double WARM_UP_S = 0.3;

struct connection {
    int fd;
    size_t got_bytes;
    int64_t sent_ns;
    char answer[MAX_ANSWER_BYTES];
};

struct load {
    char *request;
    size_t request_bytes;
    const char *expected;
    struct connection *connections;
    float *samples_us;
    size_t sample_count, answer_count; /* answers: with those of the warm-up */
    int64_t measured_from_ns, end_ns;
};

static void fail(const char *what) {
    fprintf(stderr, "net_load: %s: %s\n", what, errno ? strerror(errno) : "wrong");
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static double busy_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void make_request(struct load *load, const char *body_path, const char *path) {
    static char body[MAX_BODY_BYTES];
    FILE *file = fopen(body_path, "rb");
    if (!file) fail(body_path);
    size_t size = fread(body, 1, sizeof body, file);
    fclose(file);
    size_t room = size + strlen(path) + 200;
    load->request = malloc(room);
    if (!load->request) fail("memory");
    int head = snprintf(load->request, room,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        path, size);
    memcpy(load->request + head, body, size);
    load->request_bytes = (size_t)head + size;
}

static void send_request(const struct load *load, struct connection *connection) {
    connection->got_bytes = 0;
    connection->sent_ns = now_ns();
    ssize_t sent = send(connection->fd, load->request, load->request_bytes, MSG_NOSIGNAL);
    if (sent != (ssize_t)load->request_bytes) fail("send");
}

/* By its length, or by its last chunk. */
static bool is_complete(struct connection *connection) {
    static const char last_chunk[] = "\r\n0\r\n\r\n";
    connection->answer[connection->got_bytes] = 0;
    const char *head_end = strstr(connection->answer, "\r\n\r\n");
    if (!head_end) return false;
    const char *length = strstr(connection->answer, "Content-Length: ");
    size_t body_bytes = connection->got_bytes - (size_t)(head_end + 4 - connection->answer);
    if (length && length < head_end) return body_bytes == strtoul(length + 16, NULL, 10);
    size_t tail = sizeof last_chunk - 1;
    return body_bytes > tail && !memcmp(connection->answer + connection->got_bytes - tail, last_chunk, tail);
}

static void check_answer(const struct load *load, const struct connection *connection) {
    errno = 0;
    bool is_fine = !strncmp(connection->answer, "HTTP/1.1 200", 12) &&
                   (!load->expected || strstr(connection->answer, load->expected));
    if (is_fine) return;
    fprintf(stderr, "%.600s\n", connection->answer);
    fail("answer");
}

static void take_bytes(struct load *load, struct connection *connection) {
    ssize_t got = recv(connection->fd, connection->answer + connection->got_bytes,
                       MAX_ANSWER_BYTES - 1 - connection->got_bytes, 0);
    if (got <= 0) fail("receive");
    connection->got_bytes += (size_t)got;
    if (!is_complete(connection)) return;
    check_answer(load, connection);
    load->answer_count++;
    int64_t now = now_ns();
    if (connection->sent_ns >= load->measured_from_ns && load->sample_count < MAX_SAMPLES) {
        load->samples_us[load->sample_count++] = (float)((double)(now - connection->sent_ns) / 1e3);
    }
    if (now < load->end_ns) send_request(load, connection);
}

static int open_connection(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void run(struct load *load, int port, int count) {
    struct epoll_event events[MAX_CONNECTIONS];
    int epoll = epoll_create1(0);
    load->connections = calloc((size_t)count, sizeof *load->connections);
    if (epoll < 0 || !load->connections) fail("epoll");
    for (int i = 0; i < count; i++) {
        struct connection *connection = &load->connections[i];
        connection->fd = open_connection(port);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0) fail("epoll");
        send_request(load, connection);
    }
    while (now_ns() < load->end_ns) {
        int ready = epoll_wait(epoll, events, MAX_CONNECTIONS, 100);
        for (int i = 0; i < ready; i++) take_bytes(load, events[i].data.ptr);
    }
}

static int compare(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    struct load load = {.expected = argc > 6 ? argv[6] : NULL};
    int count = argc > 4 ? (int)strtol(argv[2], NULL, 10) : 0;
    double seconds = argc > 4 ? strtod(argv[3], NULL) : 0;
    if (count < 1 || count > MAX_CONNECTIONS || seconds <= 0) {
        fprintf(stderr, "usage: net_load PORT CONNECTIONS SECONDS BODY-FILE [PATH [EXPECTED]]\n");
        return 2;
    }
    load.samples_us = malloc(MAX_SAMPLES * sizeof *load.samples_us);
    if (!load.samples_us) fail("memory");
    make_request(&load, argv[4], argc > 5 ? argv[5] : "/v1/query");
    load.measured_from_ns = now_ns() + (int64_t)(WARM_UP_S * 1e9);
    load.end_ns = load.measured_from_ns + (int64_t)(seconds * 1e9);
    double busy = busy_s();
    run(&load, (int)strtol(argv[1], NULL, 10), count);
    busy = busy_s() - busy;
    if (!load.sample_count) fail("no answer in time");
    qsort(load.samples_us, load.sample_count, sizeof *load.samples_us, compare);
    printf("{\"connections\":%d,\"answers\":%zu,\"all_answers\":%zu,\"per_second\":%.1f,\"p50_us\":%.1f,\"p99_us\":%."
           "1f,\"load_share\":%."
           "2f}\n",
           count, load.sample_count, load.answer_count, (double)load.sample_count / seconds,
           (double)load.samples_us[load.sample_count / 2], (double)load.samples_us[load.sample_count * 99 / 100],
           busy / (seconds + WARM_UP_S));
    return 0;
}
