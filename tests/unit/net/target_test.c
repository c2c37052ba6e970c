/* SPDX-License-Identifier: MIT */
#include "net/net.h"
#include "support/test.h"

static pf_str path_of(struct pf_test *test, const char *target, struct pf_http_fields *query) {
    pf_str path;
    CHECK_OK(pf_http_parse_target(pf_str_from_cstr(target), test->arena, &path, query, &test->err));
    return path;
}

TEST(decodes_a_path_and_its_parameters) {
    struct pf_http_fields query;
    CHECK_STR(path_of(test, "/r/a%20b+c?sql=SELECT+1%2B1&x&=y&&z=1=2#part", &query), "/r/a b+c");
    CHECK_INT(query.count, 4);
    CHECK_STR(pf_http_parameter(&query, "sql"), "SELECT 1+1");
    CHECK_TRUE(pf_http_has_parameter(&query, "x"));
    CHECK_STR(pf_http_parameter(&query, "x"), "");
    CHECK_STR(pf_http_parameter(&query, "z"), "1=2");
    CHECK_FALSE(pf_http_has_parameter(&query, "X"));
}

TEST(takes_whole_urls_and_the_asterisk) {
    struct pf_http_fields query;
    CHECK_STR(path_of(test, "http://host:1/a?b=c", &query), "/a");
    CHECK_STR(pf_http_parameter(&query, "b"), "c");
    CHECK_STR(path_of(test, "https://host", &query), "/");
    CHECK_STR(path_of(test, "http://host?b=d", &query), "/");
    CHECK_STR(pf_http_parameter(&query, "b"), "d");
    CHECK_STR(path_of(test, "*", &query), "*");
    CHECK_STR(path_of(test, "?a=1", &query), "/");
}

TEST(refuses_bad_escapes_and_control_bytes) {
    static const char *const bad[] = {"/%", "/%4", "/%zz", "/?a=%g0", "/%00", "/a\tb", "a", "", "%2", "/\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pf_str path;
        struct pf_http_fields query;
        CHECK_CODE(pf_http_parse_target(pf_str_from_cstr(bad[i]), test->arena, &path, &query, &test->err), PF_INVALID);
    }
}

TEST(encodes_what_it_decodes) {
    pf_str text = PF_STR("a/b c%\xc3\xa4~-._+&=");
    CHECK_STR(pf_http_encode(test->arena, text, true), "a/b%20c%25%C3%A4~-._%2B%26%3D");
    CHECK_STR(pf_http_encode(test->arena, text, false), "a%2Fb%20c%25%C3%A4~-._%2B%26%3D");
    struct pf_http_fields query;
    pf_str pair = pf_arena_printf(test->arena, "k=%.*s", PF_STR_ARG(pf_http_encode(test->arena, text, false)));
    CHECK_OK(pf_http_parse_query(pair, test->arena, &query, &test->err));
    CHECK_STR(pf_http_parameter(&query, "k"), text);
}

TEST(maps_statuses_to_codes) {
    CHECK_INT(pf_code_from_http_status(200), PF_OK);
    CHECK_INT(pf_code_from_http_status(304), PF_OK);
    CHECK_INT(pf_code_from_http_status(404), PF_NOT_FOUND);
    CHECK_INT(pf_code_from_http_status(412), PF_CONFLICT);
    CHECK_INT(pf_code_from_http_status(429), PF_THROTTLED);
    CHECK_INT(pf_code_from_http_status(502), PF_REMOTE);
    CHECK_INT(pf_code_from_http_status(418), PF_INVALID);
    CHECK_STR(pf_http_status_text(404), "Not Found");
}
