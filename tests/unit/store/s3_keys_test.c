/* SPDX-License-Identifier: MIT */
/* Keys that change under a running store: temporary ones that expire, and the sessions of S3 Express buckets. */
#include "base/clock.h"
#include "fake_s3.h"
#include "store/store_s3.h"

#include <stdlib.h>

enum { HOUR_MS = 3600000 };

static const struct fake_s3_request *request_at(const struct fake_s3 *s3, size_t at) {
    if (at >= s3->locked.request_count) FAIL("only %zu requests were sent", s3->locked.request_count);
    return &s3->locked.requests[at];
}

static pf_str end_in(struct pf_test *test, int64_t ms) {
    char text[PF_CLOCK_TEXT_BYTES];
    return pf_arena_str(test->arena, pf_clock_format(pf_clock_wall_ms() + ms, text));
}

/* ---- keys that expire ---- */

/* Keys TEMP1, TEMP2, …, each said to be good for an hour. */
static bool give_keys(struct fake_s3 *s3, struct pf_http_request *request, struct pf_http_response *response) {
    if (!pf_str_equal(request->path, PF_STR("/keys"))) return false;
    long long number = ++s3->state;
    pf_http_respond(request, response, 200, "application/json",
                    pf_arena_printf(request->arena,
                                    "{\"AccessKeyId\":\"TEMP%lld\",\"SecretAccessKey\":\"s\",\"Token\":\"T%lld\","
                                    "\"Expiration\":\"%.*s\"}",
                                    number, number, PF_STR_ARG(end_in(s3->test, HOUR_MS))));
    return true;
}

/* The first keys are refused from the fourth request on. */
static bool expire_first_keys(struct fake_s3 *s3, const struct fake_s3_request *seen, struct pf_http_request *request,
                              struct pf_http_response *response) {
    if (give_keys(s3, request, response)) return true;
    if (s3->locked.request_count <= 3 || !pf_str_equal(seen->token, PF_STR("T1"))) return false;
    fake_s3_refuse(request, response, 400, "ExpiredToken");
    return true;
}

static bool expire_all_keys(struct fake_s3 *s3, const struct fake_s3_request *seen, struct pf_http_request *request,
                            struct pf_http_response *response) {
    (void)seen;
    if (!give_keys(s3, request, response)) fake_s3_refuse(request, response, 400, "ExpiredToken");
    return true;
}

static struct fake_s3 *open_with_temporary_keys(struct pf_test *test) {
    struct fake_s3 *s3 = fake_s3_start(test);
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    pf_str url = pf_arena_printf(test->arena, "%s/keys", fake_s3_endpoint(s3));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", pf_arena_cstr(test->arena, url), 1);
    fake_s3_add(s3, "/bucket/k", PF_STR("bytes"));
    return s3;
}

TEST(goes_on_with_new_keys_when_the_old_ones_are_refused) {
    struct fake_s3 *s3 = open_with_temporary_keys(test);
    pf_str bytes;
    s3->answer = expire_first_keys;
    fake_s3_open(s3, "s3://bucket");
    for (int i = 0; i < 4; i++) {
        CHECK_OK(pf_store_get(s3->store, PF_STR("k"), PF_RANGE_ALL, test->arena, &bytes, &test->err));
        CHECK_STR(bytes, "bytes");
    }
    /* keys, get, get, get (refused), keys, get, get */
    CHECK_INT(s3->locked.request_count, 7);
    CHECK_STR(request_at(s3, 2)->token, "T1");
    CHECK_STR(request_at(s3, 3)->token, "T1");
    CHECK_STR(request_at(s3, 4)->target, "/keys");
    CHECK_STR(request_at(s3, 5)->token, "T2");
    CHECK_CONTAINS(request_at(s3, 5)->authorization, "Credential=TEMP2/");
    fake_s3_stop(s3);
}

/* New keys once, not for ever. */
TEST(says_that_keys_have_expired_if_the_new_ones_have_too) {
    struct fake_s3 *s3 = open_with_temporary_keys(test);
    pf_str bytes;
    s3->answer = expire_all_keys;
    fake_s3_open(s3, "s3://bucket");
    CHECK_FAILS(pf_store_get(s3->store, PF_STR("k"), PF_RANGE_ALL, test->arena, &bytes, &test->err), PF_DENIED,
                "the session token has expired: fetch new credentials (400 ExpiredToken)");
    CHECK_INT(s3->locked.request_count, 4); /* keys, get, keys, get */
    fake_s3_stop(s3);
}

/* ---- S3 Express ---- */

#define EXPRESS "base--use1-az4--x-s3"

/* Sessions S1, S2, …; the first is good for as long as `first_ms`. */
static int64_t first_ms = HOUR_MS;

static bool give_sessions(struct fake_s3 *s3, const struct fake_s3_request *seen, struct pf_http_request *request,
                          struct pf_http_response *response) {
    (void)seen;
    if (!pf_str_equal(request->target, PF_STR("/" EXPRESS "/?session="))) return false;
    int64_t valid_ms = s3->state++ ? HOUR_MS : first_ms;
    pf_http_respond(
        request, response, 200, "application/xml",
        pf_arena_printf(request->arena,
                        "<?xml version=\"1.0\"?><CreateSessionResult><Credentials><SessionToken>ST%lld&amp;"
                        "</SessionToken><SecretAccessKey>x</SecretAccessKey><AccessKeyId>S%lld</AccessKeyId>"
                        "<Expiration>%.*s</Expiration></Credentials></CreateSessionResult>",
                        (long long)s3->state, (long long)s3->state, PF_STR_ARG(end_in(s3->test, valid_ms))));
    return true;
}

static struct fake_s3 *open_express(struct pf_test *test) {
    struct fake_s3 *s3 = fake_s3_start(test);
    s3->answer = give_sessions;
    fake_s3_add(s3, "/" EXPRESS "/k", PF_STR("bytes"));
    fake_s3_open(s3, "s3://" EXPRESS);
    return s3;
}

static void read_twice(struct pf_test *test, struct fake_s3 *s3) {
    pf_str bytes;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(pf_store_get(s3->store, PF_STR("k"), PF_RANGE_ALL, test->arena, &bytes, &test->err));
        CHECK_STR(bytes, "bytes");
    }
}

TEST(makes_a_session_for_an_express_bucket_and_keeps_it) {
    struct fake_s3 *s3 = open_express(test);
    read_twice(test, s3);
    CHECK_INT(s3->locked.request_count, 3);
    const struct fake_s3_request *session = request_at(s3, 0), *get = request_at(s3, 2);
    CHECK_STR(session->method, "GET");
    CHECK_STR(session->session_mode, "ReadWrite");
    CHECK_STR(session->session_token, "");
    CHECK_CONTAINS(session->authorization, "Credential=LONGLIVED/");
    CHECK_CONTAINS(session->authorization, "/us-east-1/s3express/aws4_request");
    CHECK_CONTAINS(session->authorization, "x-amz-create-session-mode");
    CHECK_STR(get->session_token, "ST1&");
    CHECK_STR(get->token, ""); /* the token of the session goes under its own name */
    CHECK_CONTAINS(get->authorization, "Credential=S1/");
    CHECK_CONTAINS(get->authorization, "x-amz-s3session-token");
    fake_s3_stop(s3);
}

TEST(makes_a_new_session_before_the_old_one_ends) {
    first_ms = 30000;
    struct fake_s3 *s3 = open_express(test);
    read_twice(test, s3);
    CHECK_INT(s3->locked.request_count, 4); /* session, get, session, get */
    CHECK_STR(request_at(s3, 1)->session_token, "ST1&");
    CHECK_STR(request_at(s3, 3)->session_token, "ST2&");
    fake_s3_stop(s3);
}

static bool refuse_first_session(struct fake_s3 *s3, const struct fake_s3_request *seen,
                                 struct pf_http_request *request, struct pf_http_response *response) {
    if (!pf_str_equal(seen->session_token, PF_STR("ST1&"))) return give_sessions(s3, seen, request, response);
    fake_s3_refuse(request, response, 400, "ExpiredToken");
    return true;
}

TEST(makes_a_new_session_when_the_old_one_is_refused) {
    struct fake_s3 *s3 = open_express(test);
    s3->answer = refuse_first_session;
    read_twice(test, s3);
    CHECK_INT(s3->locked.request_count, 5); /* session, get (refused), session, get, get */
    CHECK_STR(request_at(s3, 4)->session_token, "ST2&");
    fake_s3_stop(s3);
}

TEST(names_the_endpoint_of_a_zone) {
    struct pf_store *store;
    struct pf_store_options options = {.s3.region = PF_STR("us-west-2")};
    unsetenv("AWS_ENDPOINT_URL_S3");
    unsetenv("AWS_ENDPOINT_URL");
    CHECK_OK(pf_store_open(PF_STR("s3://" EXPRESS "/lake"), &options, &store, &test->err));
    CHECK_STR(s3_of(store)->base_url, "https://" EXPRESS ".s3express-use1-az4.us-west-2.amazonaws.com");
    CHECK_STR(pf_store_url(store), "s3://" EXPRESS "/lake");
    pf_store_close(store);
}
