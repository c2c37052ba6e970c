/* SPDX-License-Identifier: MIT */
/* Signatures that AWS published: the cases of its "Signature Version 4 Test Suite", and the examples of the S3 API
 * reference ("Authenticating Requests"). */
#include "aws/aws.h"

#include "support/test.h"

#include <string.h>

static const int64_t SUITE_TIME_MS = 1440938160000; /* 2015-08-30T12:36:00Z */
static const int64_t S3_TIME_MS = 1369353600000;    /* 2013-05-24T00:00:00Z */

struct suite_case {
    const char *name, *method, *path, *query, *headers, *body, *signature;
};

/* Queries and headers as "name=value" and "name:value", one a line; Host and X-Amz-Date are in all. */
static const struct suite_case SUITE[] = {
    {"get-vanilla", "GET", "/", "", "", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-empty-query-key", "GET", "/", "Param1=value1", "", "",
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-vanilla-query-order-key-case", "GET", "/", "Param2=value2\nParam1=value1", "", "",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-unreserved", "GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", "", "",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8", "GET", "/\xe1\x88\xb4", "", "", "",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-space", "GET", "/example space/", "", "", "",
     "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {"get-relative", "GET", "/example/..", "", "", "",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-relative-relative", "GET", "/example1/example2/../..", "", "", "",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash", "GET", "//", "", "", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-dot-slash", "GET", "/./", "", "", "",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-header-key-duplicate", "GET", "/", "", "My-Header1:value2\nMy-Header1:value2\nMy-Header1:value1", "",
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"get-header-value-order", "GET", "/", "",
     "My-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2", "",
     "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
    {"get-header-value-trim", "GET", "/", "", "My-Header1: value1\nMy-Header2: \"a   b   c\"", "",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"post-vanilla", "POST", "/", "", "", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-vanilla-query", "POST", "/", "Param1=value1", "", "",
     "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
    {"post-x-www-form-urlencoded", "POST", "/", "", "Content-Type:application/x-www-form-urlencoded", "Param1=value1",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
};

static void add_lines(struct pf_http_fields *fields, const char *lines, char separator, struct pf_arena *arena) {
    pf_str rest = pf_str_from_cstr(lines), line;
    while (rest.len && pf_str_next(&rest, '\n', &line)) {
        size_t at = pf_str_find_char(line, separator, 0);
        pf_http_fields_add(fields, arena, pf_str_slice(line, 0, at), pf_str_slice(line, at + 1, line.len));
    }
}

TEST(signs_as_the_test_suite_of_aws_says) {
    struct pf_aws_keys keys = {.access_key_id = PF_STR("AKIDEXAMPLE"),
                               .secret_access_key = PF_STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")};
    struct pf_aws_signing_key kept = {{0}, {0}, {0}};
    for (size_t i = 0; i < sizeof SUITE / sizeof *SUITE; i++) {
        const struct suite_case *each = &SUITE[i];
        struct pf_http_fields headers = {0}, query = {0};
        pf_http_fields_add(&headers, test->arena, PF_STR("Host"), PF_STR("example.amazonaws.com"));
        add_lines(&headers, each->headers, ':', test->arena);
        add_lines(&query, each->query, '=', test->arena);
        struct pf_aws_signing signing = {
            .keys = &keys,
            .region = PF_STR("us-east-1"),
            .service = PF_STR("service"),
            .time_ms = SUITE_TIME_MS,
            .method = pf_str_from_cstr(each->method),
            .path = pf_str_from_cstr(each->path),
            .query = query.items,
            .query_count = query.count,
            .headers = headers.items,
            .header_count = headers.count,
            .payload_hash = pf_aws_hash(pf_str_from_cstr(each->body), test->arena),
            .key = &kept,
        };
        struct pf_aws_signed result;
        pf_aws_sign(&signing, test->arena, &result);
        if (strcmp(result.signature, each->signature) != 0) FAIL("%s: %s", each->name, result.signature);
    }
}

/* ---- S3 ---- */

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct pf_aws_keys S3_KEYS = {
    .access_key_id = {"AKIAIOSFODNN7EXAMPLE", 20},
    .secret_access_key = {"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 40},
};

static struct pf_aws_signing s3_signing(const char *path, const struct pf_http_fields *headers,
                                        const struct pf_http_fields *query, pf_str hash) {
    return (struct pf_aws_signing){
        .keys = &S3_KEYS,
        .region = PF_STR("us-east-1"),
        .service = PF_STR("s3"),
        .time_ms = S3_TIME_MS,
        .path = pf_str_from_cstr(path),
        .query = query->items,
        .query_count = query->count,
        .headers = headers->items,
        .header_count = headers->count,
        .payload_hash = hash,
        .is_s3 = true,
    };
}

static void check_s3(struct pf_test *test, const char *method, const char *path, const char *query_lines,
                     const char *header_lines, const char *body, const char *signature) {
    struct pf_http_fields headers = {0}, query = {0};
    pf_http_fields_add(&headers, test->arena, PF_STR("Host"), PF_STR("examplebucket.s3.amazonaws.com"));
    add_lines(&headers, header_lines, ':', test->arena);
    add_lines(&query, query_lines, '=', test->arena);
    struct pf_aws_signing signing =
        s3_signing(path, &headers, &query, pf_aws_hash(pf_str_from_cstr(body), test->arena));
    signing.method = pf_str_from_cstr(method);
    struct pf_aws_signed result;
    pf_aws_sign(&signing, test->arena, &result);
    CHECK_STR(result.signature, signature);
    CHECK_CONTAINS(result.headers.items[result.headers.count - 1].value,
                   "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                   "SignedHeaders=");
}

TEST(signs_as_the_examples_of_s3_say) {
    check_s3(test, "GET", "/test.txt", "", "Range:bytes=0-9", "",
             "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    check_s3(test, "PUT", "/test$file.text", "",
             "Date:Fri, 24 May 2013 00:00:00 GMT\nx-amz-storage-class:REDUCED_REDUNDANCY", "Welcome to Amazon S3.",
             "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    check_s3(test, "GET", "/", "lifecycle=", "", "",
             "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    check_s3(test, "GET", "/", "max-keys=2\nprefix=J", "", "",
             "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(signs_a_url_as_the_example_of_s3_says) {
    struct pf_http_fields headers = {0}, query = {0};
    pf_http_fields_add(&headers, test->arena, PF_STR("Host"), PF_STR("examplebucket.s3.amazonaws.com"));
    struct pf_aws_signing signing = s3_signing("/test.txt", &headers, &query, PF_AWS_UNSIGNED_PAYLOAD);
    struct pf_aws_signed result;
    pf_aws_presign(&signing, 86400, test->arena, &result);
    CHECK_STR(result.target,
              "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%"
              "2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-"
              "Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(signs_chunks_as_the_example_of_s3_says) {
    struct pf_http_fields headers = {0}, query = {0};
    pf_http_fields_add(&headers, test->arena, PF_STR("Host"), PF_STR("s3.amazonaws.com"));
    add_lines(&headers,
              "x-amz-storage-class:REDUCED_REDUNDANCY\nContent-Encoding:aws-chunked\nx-amz-decoded-content-length:66560"
              "\nContent-Length:66824",
              ':', test->arena);
    struct pf_aws_signing signing =
        s3_signing("/examplebucket/chunkObject.txt", &headers, &query, PF_AWS_STREAMING_PAYLOAD);
    signing.method = PF_STR("PUT");
    struct pf_aws_signed result;
    pf_aws_sign(&signing, test->arena, &result);
    CHECK_STR(result.signature, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
    char *chunk = pf_arena_alloc(test->arena, 65536);
    memset(chunk, 'a', 65536);
    char first[PF_AWS_SIGNATURE_BYTES + 1], second[PF_AWS_SIGNATURE_BYTES + 1], last[PF_AWS_SIGNATURE_BYTES + 1];
    pf_aws_sign_chunk(&signing, result.signature, pf_str_from(chunk, 65536), first);
    pf_aws_sign_chunk(&signing, first, pf_str_from(chunk, 1024), second);
    pf_aws_sign_chunk(&signing, second, PF_STR_EMPTY, last);
    CHECK_STR(pf_str_from(first, 64), "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
    CHECK_STR(pf_str_from(second, 64), "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
    CHECK_STR(pf_str_from(last, 64), "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
}

TEST(sends_the_session_token_under_the_name_that_is_asked) {
    struct pf_aws_keys keys = S3_KEYS;
    keys.session_token = PF_STR("TOKEN");
    struct pf_http_fields headers = {0}, query = {0};
    pf_http_fields_add(&headers, test->arena, PF_STR("Host"), PF_STR("h"));
    struct pf_aws_signing signing = s3_signing("/k", &headers, &query, PF_STR(EMPTY));
    struct pf_aws_signed result;
    signing.keys = &keys;
    pf_aws_sign(&signing, test->arena, &result);
    CHECK_STR(pf_http_header(&result.headers, "x-amz-security-token"), "TOKEN");
    CHECK_CONTAINS(pf_http_header(&result.headers, "authorization"), "x-amz-date;x-amz-security-token");
    signing.token_header = "x-amz-s3session-token";
    pf_aws_sign(&signing, test->arena, &result);
    CHECK_STR(pf_http_header(&result.headers, "x-amz-s3session-token"), "TOKEN");
    CHECK_STR(pf_http_header(&result.headers, "x-amz-security-token"), "");
}
