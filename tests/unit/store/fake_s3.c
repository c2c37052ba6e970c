/* SPDX-License-Identifier: MIT */
#include "fake_s3.h"

#include <stdlib.h>
#include <string.h>

static pf_str header(struct fake_s3 *s3, const struct pf_http_request *request, const char *name) {
    return pf_arena_str(s3->test->arena, pf_http_header(&request->headers, name));
}

static const struct fake_s3_request *note_locked(struct fake_s3 *s3, const struct pf_http_request *request) {
    if (s3->locked.request_count == FAKE_S3_REQUESTS) return &s3->locked.requests[FAKE_S3_REQUESTS - 1];
    struct fake_s3_request *seen = &s3->locked.requests[s3->locked.request_count++];
    *seen = (struct fake_s3_request){
        .method = pf_arena_str(s3->test->arena, request->method),
        .target = pf_arena_str(s3->test->arena, request->target),
        .authorization = header(s3, request, "Authorization"),
        .token = header(s3, request, "X-Amz-Security-Token"),
        .session_token = header(s3, request, "x-amz-s3session-token"),
        .session_mode = header(s3, request, "x-amz-create-session-mode"),
    };
    return seen;
}

void fake_s3_refuse(struct pf_http_request *request, struct pf_http_response *response, int status, const char *code) {
    pf_http_respond(request, response, status, "application/xml",
                    pf_arena_printf(request->arena, "<Error><Code>%s</Code><Message>no</Message></Error>", code));
}

/* "bytes=5-9", "bytes=5-" and "bytes=-5". */
static void answer_with(struct pf_http_request *request, struct pf_http_response *response, pf_str bytes) {
    pf_str range = pf_http_header(&request->headers, "Range");
    int64_t first = 0, last = (int64_t)bytes.len - 1;
    if (!range.len) {
        pf_http_respond(request, response, 200, "application/octet-stream", bytes);
        return;
    }
    range = pf_str_slice(range, strlen("bytes="), range.len);
    size_t dash = pf_str_find_char(range, '-', 1);
    if (dash == SIZE_MAX) {
        (void)pf_str_to_i64(range, &first);
        first = first + (int64_t)bytes.len < 0 ? 0 : first + (int64_t)bytes.len;
    } else {
        (void)pf_str_to_i64(pf_str_slice(range, 0, dash), &first);
        if (dash + 1 < range.len) (void)pf_str_to_i64(pf_str_slice(range, dash + 1, range.len), &last);
    }
    if (last >= (int64_t)bytes.len) last = (int64_t)bytes.len - 1;
    if (first > last) {
        fake_s3_refuse(request, response, 416, "InvalidRange");
        return;
    }
    pf_http_respond(request, response, 206, "application/octet-stream",
                    pf_str_slice(bytes, (size_t)first, (size_t)last + 1));
    pf_http_add_header(
        request, response, "Content-Range",
        pf_arena_printf(request->arena, "bytes %lld-%lld/%zu", (long long)first, (long long)last, bytes.len));
}

static void handle(void *context, struct pf_http_request *request, struct pf_http_response *response) {
    struct fake_s3 *s3 = context;
    pthread_mutex_lock(&s3->locked.mutex);
    const struct fake_s3_request *seen = note_locked(s3, request);
    bool is_answered = s3->answer && s3->answer(s3, seen, request, response);
    pf_str bytes = PF_STR_EMPTY;
    for (size_t i = 0; i < s3->locked.object_count; i++) {
        if (pf_str_equal(s3->locked.objects[i].path, request->path)) bytes = s3->locked.objects[i].bytes;
    }
    pthread_mutex_unlock(&s3->locked.mutex);
    if (is_answered) return;
    if (bytes.len && pf_str_equal(request->method, PF_STR("GET"))) {
        answer_with(request, response, bytes);
    } else {
        fake_s3_refuse(request, response, 404, "NoSuchKey");
    }
}

struct fake_s3 *fake_s3_start(struct pf_test *test) {
    static const char *const others[] = {"AWS_PROFILE",
                                         "AWS_REGION",
                                         "AWS_CA_BUNDLE",
                                         "AWS_ENDPOINT_URL_S3",
                                         "AWS_SESSION_TOKEN",
                                         "AWS_WEB_IDENTITY_TOKEN_FILE",
                                         "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                         "AWS_CONTAINER_CREDENTIALS_FULL_URI"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) unsetenv(others[i]);
    setenv("AWS_ACCESS_KEY_ID", "LONGLIVED", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
    setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    struct fake_s3 *s3 = PF_ARENA_NEW(test->arena, struct fake_s3);
    struct pf_http_server_options options = {.address = PF_STR("127.0.0.1:0"), .handle = handle, .context = s3};
    s3->test = test;
    pthread_mutex_init(&s3->locked.mutex, NULL);
    CHECK_OK(pf_http_server_start(&options, &s3->server, &test->err));
    return s3;
}

const char *fake_s3_endpoint(const struct fake_s3 *s3) {
    return pf_arena_cstr(s3->test->arena,
                         pf_arena_printf(s3->test->arena, "http://127.0.0.1:%d", pf_http_server_port(s3->server)));
}

void fake_s3_open(struct fake_s3 *s3, const char *url) {
    struct pf_store_options options = {0};
    options.s3.endpoint = pf_str_from_cstr(fake_s3_endpoint(s3));
    options.s3.no_hedging = true; /* what is counted must not depend on time */
    struct pf_test *test = s3->test;
    CHECK_OK(pf_store_open(pf_str_from_cstr(url), &options, &s3->store, &test->err));
}

void fake_s3_add(struct fake_s3 *s3, const char *path, pf_str bytes) {
    pthread_mutex_lock(&s3->locked.mutex);
    CHECK_TRUE(s3->locked.object_count < FAKE_S3_OBJECTS);
    size_t at = s3->locked.object_count++;
    s3->locked.objects[at].path = pf_arena_str(s3->test->arena, pf_str_from_cstr(path));
    s3->locked.objects[at].bytes = bytes;
    pthread_mutex_unlock(&s3->locked.mutex);
}

pf_str fake_s3_pattern(struct fake_s3 *s3, size_t length, unsigned seed) {
    char *bytes = pf_arena_alloc(s3->test->arena, length);
    for (size_t i = 0; i < length; i++) bytes[i] = (char)(i * 31 + i / 4096 + seed * 7);
    return pf_str_from(bytes, length);
}

void fake_s3_stop(struct fake_s3 *s3) {
    pf_store_close(s3->store);
    pf_http_server_stop(s3->server, 0);
}
