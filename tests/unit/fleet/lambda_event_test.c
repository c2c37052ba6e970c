/* SPDX-License-Identifier: MIT */
#include "fleet/fleet.h"
#include "net/net.h"
#include "support/test.h"

#include <string.h>

TEST(reads_an_http_event) {
    pf_str event = pf_test_read_file(TEST_DATA("fuzz/corpus/fleet_lambda_event/post.json"));
    struct pf_http_request request;
    CHECK_TRUE(pf_lambda_event_is_http(event));
    CHECK_OK(pf_lambda_event_to_request(event, test->arena, &request, &test->err));
    CHECK_STR(request.method, "POST");
    CHECK_STR(request.path, "/v1/query x");
    CHECK_STR(request.target, "/v1/query%20x?a=1&b=%C3%A4");
    CHECK_STR(pf_http_parameter(&request.query, "b"), "ä");
    CHECK_STR(pf_http_header(&request.headers, "Content-Type"), "text/plain");
    CHECK_STR(pf_http_header(&request.headers, "Cookie"), "c=1; d=2");
    CHECK_STR(request.body, "SELECT 1");
    CHECK_STR(request.peer, "1.2.3.4");
    CHECK_FALSE(pf_http_is_gone(&request));
}

TEST(knows_events_that_are_not_http) {
    CHECK_FALSE(pf_lambda_event_is_http(PF_STR("{\"redis_url\":\"x\"}")));
    CHECK_FALSE(pf_lambda_event_is_http(PF_STR("{\"requestContext\":{}}")));
    CHECK_FALSE(pf_lambda_event_is_http(PF_STR("\"requestContext\"")));
    CHECK_FALSE(pf_lambda_event_is_http(PF_STR("")));
    struct pf_http_request request;
    CHECK_CODE(pf_lambda_event_to_request(PF_STR("{}"), test->arena, &request, &test->err), PF_INVALID);
    CHECK_CODE(pf_lambda_event_to_request(PF_STR("{\"requestContext\":{\"http\":{\"method\":\"GET\"}},\"body\":\"*\","
                                                 "\"isBase64Encoded\":true}"),
                                          test->arena, &request, &test->err),
               PF_INVALID);
}

static pf_str answer_of(struct pf_test *test, pf_str body) {
    struct pf_http_response response = {.status = 200, .body = body};
    pf_str answer;
    CHECK_OK(pf_lambda_event_from_response(&response, false, test->arena, &answer, &test->err));
    return answer;
}

TEST(writes_text_and_bytes) {
    CHECK_CONTAINS(answer_of(test, PF_STR("a \"b\" ä\n")), "\"isBase64Encoded\":false,\"body\":\"a \\\"b\\\" ä\\n\"");
    CHECK_CONTAINS(answer_of(test, PF_STR("\xff")), "\"isBase64Encoded\":true,\"body\":\"/w==\"");
    CHECK_CONTAINS(answer_of(test, PF_STR("\xff\x01")), "\"body\":\"/wE=\"");
    CHECK_CONTAINS(answer_of(test, PF_STR("\xff\x01\x02")), "\"body\":\"/wEC\"");
    CHECK_CONTAINS(answer_of(test, PF_STR("a\0b")), "\"isBase64Encoded\":true");
    CHECK_CONTAINS(answer_of(test, PF_STR("\xed\xa0\x80")), "\"isBase64Encoded\":true");
}

TEST(joins_headers_of_the_same_name) {
    struct pf_http_request request = {.arena = test->arena};
    struct pf_http_response response = {.status = 303};
    pf_http_add_header(&request, &response, "Vary", PF_STR("a"));
    pf_http_add_header(&request, &response, "Set-Cookie", PF_STR("x=1"));
    pf_http_add_header(&request, &response, "vary", PF_STR("b"));
    pf_http_add_header(&request, &response, "Set-Cookie", PF_STR("y=2"));
    pf_str answer;
    CHECK_OK(pf_lambda_event_from_response(&response, false, test->arena, &answer, &test->err));
    CHECK_STR(answer, "{\"statusCode\":303,\"headers\":{\"Vary\":\"a, b\"},\"cookies\":[\"x=1\",\"y=2\"],"
                      "\"isBase64Encoded\":false,\"body\":\"\"}");
}

struct source {
    int64_t left;
    int ended, completed;
};

static enum pf_code produce(void *context, char *buf, size_t capacity, size_t *out_len, bool *out_end) {
    struct source *source = context;
    if (source->left < 0) return PF_REMOTE;
    *out_len = (int64_t)capacity < source->left ? capacity : (size_t)source->left;
    memset(buf, 'x', *out_len);
    source->left -= (int64_t)*out_len;
    *out_end = source->left == 0;
    return PF_OK;
}

static void end_source(void *context, bool is_complete) {
    struct source *source = context;
    source->ended++;
    source->completed += is_complete;
}

TEST(reads_streams_to_their_end) {
    struct source source = {.left = 1000000};
    struct pf_http_response response = {.status = 200,
                                        .stream = {.next = produce, .end = end_source, .context = &source}};
    pf_str answer;
    CHECK_OK(pf_lambda_event_from_response(&response, false, test->arena, &answer, &test->err));
    CHECK_TRUE(answer.len > 1000000);
    source.left = PF_FLEET_MAX_EVENT_BYTES;
    CHECK_FAILS(pf_lambda_event_from_response(&response, false, test->arena, &answer, &test->err), PF_TOO_LARGE,
                "6 MiB");
    source.left = 1LL << 40;
    CHECK_CODE(pf_lambda_event_from_response(&response, false, test->arena, &answer, &test->err), PF_TOO_LARGE);
    source.left = -1;
    CHECK_CODE(pf_lambda_event_from_response(&response, false, test->arena, &answer, &test->err), PF_REMOTE);
    CHECK_OK(pf_lambda_event_from_response(&response, true, test->arena, &answer, &test->err));
    CHECK_INT(source.ended, 5);
    CHECK_INT(source.completed, 2);
}

/* --- the service's side --- */

static struct pf_http_request request_of(struct pf_test *test, const char *method, const char *target, pf_str body) {
    struct pf_http_request request = {.arena = test->arena,
                                      .method = pf_str_from_cstr(method),
                                      .target = pf_str_from_cstr(target),
                                      .peer = PF_STR("127.0.0.1:4711"),
                                      .body = body};
    return request;
}

TEST(a_request_comes_back_the_same_from_its_event) {
    struct pf_http_request request = request_of(test, "POST", "/a%2Fb?x=1&y=%20", PF_STR("\xff\x01")), back;
    pf_http_fields_add(&request.headers, test->arena, PF_STR("X-One"), PF_STR("a"));
    pf_http_fields_add(&request.headers, test->arena, PF_STR("x-one"), PF_STR("b"));
    pf_http_fields_add(&request.headers, test->arena, PF_STR("Cookie"), PF_STR("c=1; d=2"));
    pf_str event;
    CHECK_OK(pf_lambda_event_from_request(&request, &event, &test->err));
    CHECK_TRUE(pf_lambda_event_is_http(event));
    CHECK_OK(pf_lambda_event_to_request(event, test->arena, &back, &test->err));
    CHECK_STR(back.method, "POST");
    CHECK_STR(back.target, "/a%2Fb?x=1&y=%20");
    CHECK_STR(back.path, "/a/b");
    CHECK_STR(back.body, "\xff\x01");
    CHECK_STR(back.peer, "127.0.0.1");
    CHECK_STR(pf_http_header(&back.headers, "X-One"), "a,b");
    CHECK_STR(pf_http_header(&back.headers, "cookie"), "c=1; d=2");
}

TEST(an_event_has_a_limit) {
    char *large = pf_arena_alloc(test->arena, PF_FLEET_MAX_EVENT_BYTES);
    memset(large, 'x', PF_FLEET_MAX_EVENT_BYTES);
    struct pf_http_request request = request_of(test, "POST", "/", pf_str_from(large, PF_FLEET_MAX_EVENT_BYTES));
    pf_str event;
    CHECK_FAILS(pf_lambda_event_from_request(&request, &event, &test->err), PF_TOO_LARGE, "6 MiB");
}

TEST(reads_answers) {
    struct pf_http_request request = request_of(test, "GET", "/", PF_STR_EMPTY);
    struct pf_http_response response = {.status = 200};
    CHECK_OK(
        pf_lambda_event_to_response(PF_STR("{\"statusCode\":404,\"headers\":{\"ETag\":\"x\"},\"cookies\":[\"a=1\"],"
                                           "\"body\":\"/wE=\",\"isBase64Encoded\":true}"),
                                    &request, &response, &test->err));
    CHECK_INT(response.status, 404);
    CHECK_STR(response.body, "\xff\x01");
    CHECK_STR(pf_http_header(&response.headers, "etag"), "x");
    CHECK_STR(pf_http_header(&response.headers, "Set-Cookie"), "a=1");
}

TEST(refuses_answers_that_are_none) {
    static const char *const answers[] = {"",
                                          "null",
                                          "[]",
                                          "{}",
                                          "{\"statusCode\":99}",
                                          "{\"statusCode\":\"ok\"}",
                                          "{\"statusCode\":200,\"body\":\"?\",\"isBase64Encoded\":true}"};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct pf_http_request request = request_of(test, "GET", "/", PF_STR_EMPTY);
        struct pf_http_response response = {.status = 200};
        CHECK_TRUE(pf_lambda_event_to_response(pf_str_from_cstr(answers[i]), &request, &response, &test->err) != PF_OK);
    }
}
