/* SPDX-License-Identifier: MIT */
/* What is decided before a query would run: so there is no stack behind these requests. */
#include "api/api.h"

#include "base/json.h"
#include "support/test.h"

struct exchange {
    struct pf_http_request request;
    struct pf_http_response response;
};

static void add_header(struct exchange *exchange, const char *name, const char *value) {
    pf_http_fields_add(&exchange->request.headers, exchange->request.arena, pf_str_from_cstr(name),
                       pf_str_from_cstr(value));
}

static struct exchange prepare(struct pf_test *test, const char *method, const char *target) {
    struct exchange exchange = {.request = {.arena = test->arena, .method = pf_str_from_cstr(method)},
                                .response = {.status = 200}};
    exchange.request.target = pf_str_from_cstr(target);
    CHECK_OK(pf_http_parse_target(exchange.request.target, test->arena, &exchange.request.path, &exchange.request.query,
                                  &test->err));
    return exchange;
}

static void send(struct exchange *exchange, const char *allow_origin) {
    struct pf_api *api = pf_api_new(
        &(struct pf_api_options){.allow_origin = pf_str_from_cstr(allow_origin), .store_url = PF_STR("file:///lake")});
    pf_api_handle(api, &exchange->request, &exchange->response);
    pf_api_free(api);
}

static pf_str error_field(struct pf_test *test, struct exchange *exchange, const char *name) {
    pf_json *root;
    CHECK_OK(pf_json_parse(exchange->response.body, test->arena, "body", &root, &test->err));
    return pf_json_get_str(pf_json_get(root, "error"), name, PF_STR_EMPTY);
}

TEST(answers_unknown_paths_with_404) {
    static const char *const paths[] = {"/nothing", "/v1", "/v1/query/a/b", "/v1/query/", "/V1/query", "//"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct exchange exchange = prepare(test, "GET", paths[i]);
        send(&exchange, "");
        CHECK_INT(exchange.response.status, 404);
        CHECK_STR(error_field(test, &exchange, "code"), "NOT_FOUND");
        CHECK_CONTAINS(error_field(test, &exchange, "message"), paths[i]);
    }
}

TEST(answers_wrong_methods_with_405_and_the_right_ones) {
    struct exchange exchange = prepare(test, "PUT", "/v1/query");
    send(&exchange, "");
    CHECK_INT(exchange.response.status, 405);
    CHECK_STR(pf_http_header(&exchange.response.headers, "Allow"), "POST, GET, HEAD, OPTIONS");
    exchange = prepare(test, "POST", "/v1/query/q1");
    send(&exchange, "");
    CHECK_INT(exchange.response.status, 405);
    CHECK_STR(pf_http_header(&exchange.response.headers, "Allow"), "GET, HEAD, DELETE, OPTIONS");
}

TEST(answers_bad_requests_before_anything_runs) {
    struct exchange exchange = prepare(test, "POST", "/v1/query");
    add_header(&exchange, "Content-Type", "application/xml");
    send(&exchange, "");
    CHECK_INT(exchange.response.status, 415);
    exchange = prepare(test, "POST", "/v1/query");
    add_header(&exchange, "Content-Type", "application/json");
    exchange.request.body = PF_STR("{\"sql\":");
    send(&exchange, "");
    CHECK_INT(exchange.response.status, 400);
    CHECK_CONTAINS(error_field(test, &exchange, "message"), "at byte");
    exchange = prepare(test, "GET", "/v1/query/a%20b");
    send(&exchange, "");
    CHECK_INT(exchange.response.status, 400);
}

TEST(answers_head_of_a_query_without_running_it) {
    struct exchange exchange = prepare(test, "GET", "/v1/query?sql=SELECT+1&format=csv");
    exchange.request.is_head = true;
    send(&exchange, "");
    CHECK_INT(exchange.response.status, 200);
    CHECK_CONTAINS(pf_http_header(&exchange.response.headers, "Content-Type"), "text/csv");
    CHECK_UINT(exchange.response.body.len, 0);
    CHECK_TRUE(exchange.response.stream.next != NULL); /* a body of unknown length: no Content-Length */
}

TEST(tells_health_and_routes) {
    pf_json *root;
    struct exchange exchange = prepare(test, "GET", "/healthz");
    send(&exchange, "");
    CHECK_OK(pf_json_parse(exchange.response.body, test->arena, "body", &root, &test->err));
    CHECK_STR(pf_json_get_str(root, "service", PF_STR_EMPTY), "puffindb");
    CHECK_STR(pf_json_get_str(root, "store_url", PF_STR_EMPTY), "file:///lake");
    exchange = prepare(test, "GET", "/");
    send(&exchange, "");
    CHECK_OK(pf_json_parse(exchange.response.body, test->arena, "body", &root, &test->err));
    CHECK_NOT_NULL(pf_json_get(pf_json_get(root, "routes"), "POST /v1/query"));
}

TEST(refuses_web_pages_of_other_sites) {
    struct exchange exchange = prepare(test, "GET", "/healthz");
    add_header(&exchange, "Host", "127.0.0.1:8642");
    add_header(&exchange, "Origin", "https://evil.example");
    send(&exchange, "");
    CHECK_INT(exchange.response.status, 403);
    exchange = prepare(test, "GET", "/v1/query?sql=SELECT+1");
    add_header(&exchange, "Sec-Fetch-Site", "cross-site");
    send(&exchange, "");
    CHECK_INT(exchange.response.status, 403);
    exchange = prepare(test, "GET", "/healthz");
    add_header(&exchange, "Host", "127.0.0.1:8642");
    add_header(&exchange, "Origin", "http://127.0.0.1:8642");
    send(&exchange, "");
    CHECK_INT(exchange.response.status, 200);
    CHECK_UINT(pf_http_header(&exchange.response.headers, "Access-Control-Allow-Origin").len, 0);
}

TEST(lets_one_origin_in_if_told_to) {
    struct exchange exchange = prepare(test, "OPTIONS", "/v1/query");
    add_header(&exchange, "Origin", "https://app.example");
    add_header(&exchange, "Access-Control-Request-Method", "POST");
    send(&exchange, "https://app.example");
    CHECK_INT(exchange.response.status, 204);
    CHECK_STR(pf_http_header(&exchange.response.headers, "Access-Control-Allow-Origin"), "https://app.example");
    CHECK_CONTAINS(pf_http_header(&exchange.response.headers, "Access-Control-Allow-Methods"), "POST");
    exchange = prepare(test, "GET", "/healthz");
    add_header(&exchange, "Origin", "https://other.example");
    send(&exchange, "https://app.example");
    CHECK_INT(exchange.response.status, 403);
}

TEST(writes_errors_with_all_their_fields) {
    struct pf_error err = {.code = PF_THROTTLED, .message = "too \"many\""};
    CHECK_STR(pf_api_error_json(test->arena, &err, PF_STR("q7")),
              "{\"code\":\"THROTTLED\",\"message\":\"too \\\"many\\\"\",\"query_id\":\"q7\",\"retryable\":true}");
    CHECK_CONTAINS(pf_api_error_json(test->arena, &err, PF_STR_EMPTY), "\"query_id\":null");
}
