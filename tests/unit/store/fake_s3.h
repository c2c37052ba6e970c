/* SPDX-License-Identifier: MIT */
/* An S3 server in the test's own process, for what real servers can't be made to do: keys that expire, sessions, counts
 * of what was fetched. It reads whole objects and ranges, and checks no signature. */
#ifndef PF_TESTS_STORE_FAKE_S3_H
#define PF_TESTS_STORE_FAKE_S3_H

#include "net/net.h"
#include "store/store.h"
#include "support/test.h"

#include <pthread.h>

enum { FAKE_S3_OBJECTS = 64, FAKE_S3_REQUESTS = 512 };

/* As it came; in the arena of the test. */
struct fake_s3_request {
    pf_str method, target, authorization, token, session_token, session_mode;
};

struct fake_s3 {
    struct pf_test *test;
    struct pf_http_server *server;
    struct pf_store *store; /* what fake_s3_open opened */
    /* Answers by itself if it returns true; called under the mutex. */
    bool (*answer)(struct fake_s3 *s3, const struct fake_s3_request *seen, struct pf_http_request *request,
                   struct pf_http_response *response);
    int64_t state; /* for `answer` */
    struct {
        pthread_mutex_t mutex;
        struct {
            pf_str path, bytes; /* "/bucket/key" */
        } objects[FAKE_S3_OBJECTS];
        size_t object_count;
        struct fake_s3_request requests[FAKE_S3_REQUESTS];
        size_t request_count;
    } locked;
};

/* Starts the server; sets the environment so that the AWS settings of this machine are not seen. */
struct fake_s3 *fake_s3_start(struct pf_test *test);
/* "http://127.0.0.1:port" */
const char *fake_s3_endpoint(const struct fake_s3 *s3);
/* Opens `url` ("s3://bucket") there. */
void fake_s3_open(struct fake_s3 *s3, const char *url);
void fake_s3_add(struct fake_s3 *s3, const char *path, pf_str bytes);
/* Bytes that tell their place. */
pf_str fake_s3_pattern(struct fake_s3 *s3, size_t length, unsigned seed);
/* Error XML. */
void fake_s3_refuse(struct pf_http_request *request, struct pf_http_response *response, int status, const char *code);
void fake_s3_stop(struct fake_s3 *s3);

#endif
