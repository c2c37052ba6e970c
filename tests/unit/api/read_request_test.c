/* SPDX-License-Identifier: MIT */
#include "api/read_request.h"

#include "support/test.h"

static struct pf_http_request post(struct pf_test *test, const char *type, const char *body) {
    struct pf_http_request http = {
        .arena = test->arena, .method = PF_STR("POST"), .path = PF_STR("/v1/query"), .body = pf_str_from_cstr(body)};
    if (type) pf_http_fields_add(&http.headers, test->arena, PF_STR("Content-Type"), pf_str_from_cstr(type));
    return http;
}

static struct pf_http_request get(struct pf_test *test, const char *target) {
    struct pf_http_request http = {.arena = test->arena, .method = PF_STR("GET")};
    CHECK_OK(pf_http_parse_target(pf_str_from_cstr(target), test->arena, &http.path, &http.query, &test->err));
    return http;
}

TEST(reads_sql_from_a_plain_body) {
    static const char *const types[] = {NULL, "text/plain; charset=utf-8", "application/sql",
                                        "application/x-www-form-urlencoded"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct pf_http_request http = post(test, types[i], "SELECT 1");
        struct query_request request = {.route = PF_ROUTE_LOCAL};
        CHECK_TRUE(can_read_body(&http));
        CHECK_OK(read_query_body(&http, &request, &test->err));
        CHECK_STR(request.sql, "SELECT 1");
        CHECK_STR(request.format->name, "json");
        CHECK_INT(request.route, PF_ROUTE_LOCAL);
    }
    struct pf_http_request http = post(test, "application/xml", "<sql/>");
    CHECK_FALSE(can_read_body(&http));
}

TEST(reads_how_the_result_cache_is_used) {
    static const struct {
        const char *target;
        enum cache_use cache;
        bool wants_redirect;
    } cases[] = {{"/v1/query?sql=a", CACHE_BY_ROUTE, false},
                 {"/v1/query?sql=a&cache=use&answer=redirect", CACHE_USE, true},
                 {"/v1/query?sql=a&cache=refresh&answer=rows", CACHE_REFRESH, false},
                 {"/v1/query?sql=a&cache=off", CACHE_OFF, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pf_http_request http = get(test, cases[i].target);
        struct query_request request = {0};
        CHECK_OK(read_query_url(&http, &request, &test->err));
        CHECK_INT(request.cache, cases[i].cache);
        CHECK_INT(request.wants_redirect, cases[i].wants_redirect);
    }
    struct query_request request = {0};
    struct pf_http_request http = get(test, "/v1/query?sql=a&cache=no");
    CHECK_FAILS(read_query_url(&http, &request, &test->err), PF_INVALID, "use, refresh, off");
    http = get(test, "/v1/query?sql=a&answer=303");
    CHECK_FAILS(read_query_url(&http, &request, &test->err), PF_INVALID, "rows, redirect");
}

TEST(reads_options_of_a_plain_body_from_the_query_string) {
    struct pf_http_request http = post(test, NULL, "SELECT 1");
    struct query_request request = {.route = PF_ROUTE_AUTO};
    CHECK_OK(pf_http_parse_query(PF_STR("format=csv&route=fleet&timeout_ms=5&max_rows=7&id=q-1"), test->arena,
                                 &http.query, &test->err));
    CHECK_OK(read_query_body(&http, &request, &test->err));
    CHECK_STR(request.format->name, "csv");
    CHECK_INT(request.route, PF_ROUTE_FLEET);
    CHECK_INT(request.timeout_ms, 5);
    CHECK_INT(request.max_rows, 7);
    CHECK_STR(request.id, "q-1");
}

TEST(reads_a_json_body) {
    struct pf_http_request http =
        post(test, "application/json", "{\"sql\":\"SELECT 'a'\",\"format\":\"ndjson\",\"route\":null,\"max_rows\":10}");
    struct query_request request = {.route = PF_ROUTE_AUTO};
    CHECK_OK(read_query_body(&http, &request, &test->err));
    CHECK_STR(request.sql, "SELECT 'a'");
    CHECK_STR(request.format->name, "ndjson");
    CHECK_INT(request.max_rows, 10);
}

TEST(names_what_is_wrong_in_a_json_body) {
    static const struct {
        const char *body, *message;
    } cases[] = {
        {"{\"sql\":\"SELECT 1\",\"colour\":1}", "unknown field 'colour'"},
        {"{\"sql\":5}", "field 'sql' must be a string"},
        {"{\"sql\":\"x\",\"timeout_ms\":\"5\"}", "field 'timeout_ms' must be a whole number"},
        {"{\"sql\":\"x\",\"timeout_ms\":1.5}", "field 'timeout_ms' must be a whole number"},
        {"{\"sql\":\"x\",\"max_rows\":-1}", "max_rows '-1'"},
        {"{\"sql\":\"x\",\"route\":\"moon\"}", "route 'moon' is none of auto"},
        {"{\"sql\":\"x\",\"format\":\"xml\"}", "format 'xml' is none of json"},
        {"{\"sql\":\"x\",\"id\":\"a b\"}", "id has 1 to 64"},
        {"{\"sql\":\"x\"", "at byte 10"},
        {"{\"sql\":\"  \"}", "no SQL"},
        {"{\"sql\":\"a\\u0000b\"}", "zero byte"},
        {"{}", "no SQL"},
        {"[1]", "expected a JSON object"},
        {"", "request body: empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pf_http_request http = post(test, "application/json", cases[i].body);
        struct query_request request = {.route = PF_ROUTE_AUTO};
        CHECK_FAILS(read_query_body(&http, &request, &test->err), PF_INVALID, cases[i].message);
    }
}

TEST(reads_sql_from_the_url) {
    struct pf_http_request http = get(test, "/v1/query?sql=SELECT%201+%2B+1&format=csv");
    struct query_request request = {.route = PF_ROUTE_AUTO};
    CHECK_OK(read_query_url(&http, &request, &test->err));
    CHECK_STR(request.sql, "SELECT 1 + 1");
    http = get(test, "/v1/query");
    request.sql = PF_STR_EMPTY;
    CHECK_FAILS(read_query_url(&http, &request, &test->err), PF_INVALID, "no SQL");
    http = get(test, "/v1/query?sql=x&speed=9");
    CHECK_FAILS(read_query_url(&http, &request, &test->err), PF_INVALID, "unknown parameter 'speed'");
}

TEST(chooses_the_format_by_accept) {
    static const struct {
        const char *accept, *name;
    } cases[] = {
        {"text/csv", "csv"},
        {"text/html, application/x-ndjson;q=0.5, text/csv;q=0.4", "ndjson"},
        {"application/json;q=0.1, text/csv", "csv"},
        {"TEXT/CSV; q=0.9", "csv"},
        {"application/jsonl", "ndjson"},
        {"text/csv;q=0", NULL},
        {"text/csv;q=x", NULL},
        {"*/*", NULL},
        {"", NULL},
        {",;,", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct result_format *format = choose_format(pf_str_from_cstr(cases[i].accept));
        CHECK_STR(format ? format->name : "none", cases[i].name ? cases[i].name : "none");
    }
}

TEST(accepts_only_harmless_query_ids) {
    CHECK_TRUE(is_query_id(PF_STR("01jd-x_Y9")));
    CHECK_FALSE(is_query_id(PF_STR("")));
    CHECK_FALSE(is_query_id(PF_STR("a/b")));
    CHECK_FALSE(is_query_id(PF_STR("a}b")));
    char text[65];
    for (size_t i = 0; i < sizeof text; i++) text[i] = 'x';
    CHECK_TRUE(is_query_id(pf_str_from(text, 64)));
    CHECK_FALSE(is_query_id(pf_str_from(text, 65)));
}
