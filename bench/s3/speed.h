/* SPDX-License-Identifier: MIT */
/* What the programs that move bytes to and from one S3 object have in common, so that only the client differs: the
 * command line, where each range lies, the buffer, the clock, the line of JSON.
 *
 *   PROGRAM ENDPOINT BUCKET KEY OPERATION BYTES COUNT PARALLEL SIZE CA-FILE
 *
 * read: COUNT ranges of BYTES of an object of SIZE, PARALLEL at once, each to its place in memory. whole: the object
 * COUNT times, in pieces of 8 MB, PARALLEL at once. write: likewise, to the server. The memory is touched beforehand,
 * and what was read is checked afterwards. Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. */
#ifndef PF_BENCH_S3_SPEED_H
#define PF_BENCH_S3_SPEED_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { SPEED_PART_BYTES = 8 << 20 };

struct speed {
    const char *endpoint, *bucket, *key, *operation, *ca_path; /* ca_path: empty for plain HTTP */
    int64_t bytes, count, parallel, size;
    char *buffer; /* `size` bytes */
    double started_s, started_cpu_s;
};

static inline double speed_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline double speed_cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static inline char speed_byte(int64_t at) {
    return (char)(at * 31 + at / 4096);
}

static inline bool speed_is(const struct speed *speed, const char *operation) {
    return strcmp(speed->operation, operation) == 0;
}

static inline bool speed_open(int argc, char **argv, struct speed *out) {
    if (argc != 10) {
        fprintf(stderr, "%s ENDPOINT BUCKET KEY read|whole|write BYTES COUNT PARALLEL SIZE CA-FILE\n", argv[0]);
        return false;
    }
    *out = (struct speed){.endpoint = argv[1],
                          .bucket = argv[2],
                          .key = argv[3],
                          .operation = argv[4],
                          .bytes = strtoll(argv[5], NULL, 10),
                          .count = strtoll(argv[6], NULL, 10),
                          .parallel = strtoll(argv[7], NULL, 10),
                          .size = strtoll(argv[8], NULL, 10),
                          .ca_path = argv[9]};
    bool is_good = out->bytes > 0 && out->count > 0 && out->parallel > 0 && out->size >= out->bytes;
    out->buffer = is_good ? malloc((size_t)out->size) : NULL;
    bool is_write = speed_is(out, "write");
    for (int64_t i = 0; out->buffer && i < out->size; i++) out->buffer[i] = is_write ? speed_byte(i) : 0;
    return out->buffer != NULL;
}

/* Where range `number` of `read` lies: spread, and all places before one comes again. */
static inline int64_t speed_place(const struct speed *speed, int64_t number) {
    int64_t places = speed->size / speed->bytes;
    return number * 7919 % places * speed->bytes;
}

static inline void speed_begin(struct speed *speed) {
    speed->started_s = speed_now();
    speed->started_cpu_s = speed_cpu();
}

/* `requests` were sent. Prints, or fails if a byte is wrong. */
static inline int speed_end(struct speed *speed, int64_t requests) {
    double seconds = speed_now() - speed->started_s, cpu = speed_cpu() - speed->started_cpu_s;
    bool is_read = speed_is(speed, "read");
    struct rusage usage;
    for (int64_t i = 0; i < (is_read ? speed->count : 1); i++) {
        int64_t from = is_read ? speed_place(speed, i) : 0, to = is_read ? from + speed->bytes : speed->size;
        for (int64_t at = from; at < to; at += 997) {
            if (speed->buffer[at] == speed_byte(at)) continue;
            fprintf(stderr, "byte %lld is wrong\n", (long long)at);
            return 1;
        }
    }
    getrusage(RUSAGE_SELF, &usage);
    int64_t moved = speed->count * (is_read ? speed->bytes : speed->size);
    printf("{\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"bytes\":%lld,\"requests\":%lld,\"rss_kb\":%ld}\n", seconds, cpu,
           (long long)moved, (long long)requests, usage.ru_maxrss);
    return 0;
}

#endif
