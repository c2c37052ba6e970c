/* SPDX-License-Identifier: MIT */
/* The providers that are asked over HTTP, against a server that answers from a script: each request must be the next
 * of the script, down to the headers that carry tokens. */
#include "aws/aws.h"
#include "base/clock.h"
#include "base/file.h"
#include "net/net.h"
#include "support/test.h"

#include <pthread.h>
#include <stdio.h>

enum { MAX_VARIABLES = 8, MAX_STEPS = 8 };

struct step {
    const char *method, *target;
    const char *header, *value; /* must be there; NULL: none is asked for */
    const char *part;           /* of the request's body; NULL: any */
    int status;                 /* of the answer */
    const char *body;
};

struct site {
    struct pf_http_server *server;
    struct pf_aws_chain *chain;
    const char *variables[MAX_VARIABLES + 1]; /* the whole environment: nothing of this machine's gets in */
    size_t variable_count;
    struct {
        pthread_mutex_t mutex;
        struct step steps[MAX_STEPS];
        size_t step_count, done;
        char wrong[600]; /* what came instead of the next step */
    } locked;
};

static bool is_expected(const struct step *step, const struct pf_http_request *request) {
    pf_str value = step->header ? pf_http_header(&request->headers, step->header) : PF_STR_EMPTY;
    return pf_str_equal(request->method, pf_str_from_cstr(step->method)) &&
           pf_str_equal(request->target, pf_str_from_cstr(step->target)) &&
           pf_str_equal(value, pf_str_from_cstr(step->value)) &&
           (!step->part || pf_str_find(request->body, pf_str_from_cstr(step->part), 0) != SIZE_MAX);
}

static void handle(void *context, struct pf_http_request *request, struct pf_http_response *response) {
    struct site *site = context;
    pthread_mutex_lock(&site->locked.mutex);
    size_t at = site->locked.done;
    const struct step *step = at < site->locked.step_count ? &site->locked.steps[at] : NULL;
    if (step && is_expected(step, request)) {
        site->locked.done++;
        pf_http_respond(request, response, step->status, "text/plain", pf_str_from_cstr(step->body));
    } else {
        snprintf(site->locked.wrong, sizeof site->locked.wrong, "request %zu: %.*s %.*s [%.*s]", at,
                 PF_STR_ARG(request->method), PF_STR_ARG(request->target), PF_STR_ARG(request->body));
        pf_http_respond(request, response, 500, "text/plain", PF_STR("not in the script"));
    }
    pthread_mutex_unlock(&site->locked.mutex);
}

static struct site *open_site(struct pf_test *test) {
    struct site *site = PF_ARENA_NEW(test->arena, struct site);
    struct pf_http_server_options options = {.address = PF_STR("127.0.0.1:0"), .handle = handle, .context = site};
    pthread_mutex_init(&site->locked.mutex, NULL);
    CHECK_OK(pf_http_server_start(&options, &site->server, &test->err));
    return site;
}

/* "@" at the beginning of a value stands for the address of the site. */
static void set(struct pf_test *test, struct site *site, const char *name, const char *value) {
    CHECK_TRUE(site->variable_count < MAX_VARIABLES);
    pf_str text = pf_arena_printf(test->arena, "%s=%s", name, value);
    if (*value == '@') {
        text = pf_arena_printf(test->arena, "%s=http://127.0.0.1:%d%s", name, pf_http_server_port(site->server),
                               value + 1);
    }
    site->variables[site->variable_count++] = pf_arena_cstr(test->arena, text);
}

static void expect(struct site *site, struct step step) {
    pthread_mutex_lock(&site->locked.mutex);
    site->locked.steps[site->locked.step_count++] = step;
    pthread_mutex_unlock(&site->locked.mutex);
}

static enum pf_code get_keys(struct pf_test *test, struct site *site, struct pf_aws_keys *out_keys) {
    if (!site->chain) {
        struct pf_aws_chain_options options = {.environment = site->variables};
        CHECK_OK(pf_aws_chain_open(&options, &site->chain, &test->err));
    }
    return pf_aws_chain_get(site->chain, test->arena, out_keys, &test->err);
}

/* All of the script was asked for, and nothing else. */
static void check_script(struct site *site) {
    pthread_mutex_lock(&site->locked.mutex);
    CHECK_STR(site->locked.wrong, "");
    CHECK_INT(site->locked.done, site->locked.step_count);
    pthread_mutex_unlock(&site->locked.mutex);
}

static void close_site(struct site *site) {
    check_script(site);
    pf_aws_chain_close(site->chain);
    pf_http_server_stop(site->server, 0);
}

/* JSON as instances and containers give it. */
static const char *json_keys(struct pf_test *test, const char *id, int64_t valid_ms) {
    char text[PF_CLOCK_TEXT_BYTES];
    pf_str end = pf_clock_format(pf_clock_wall_ms() + valid_ms, text);
    return pf_arena_cstr(test->arena,
                         pf_arena_printf(test->arena,
                                         "{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":"
                                         "\"secret of %s\",\"Token\":\"token of %s\",\"Expiration\":\"%.*s\"}",
                                         id, id, id, PF_STR_ARG(end)));
}

static void check_keys(struct pf_test *test, const struct pf_aws_keys *keys, const char *id, const char *source) {
    CHECK_STR(keys->access_key_id, id);
    CHECK_STR(keys->secret_access_key, pf_arena_printf(test->arena, "secret of %s", id));
    CHECK_STR(keys->session_token, pf_arena_printf(test->arena, "token of %s", id));
    CHECK_STR(keys->source, source);
}

enum { HOUR_MS = 3600000, MINUTE_MS = 60000 };

/* ---- EC2 instance ---- */

#define TTL "X-aws-ec2-metadata-token-ttl-seconds"
#define TOKEN "X-aws-ec2-metadata-token"
#define FOLDER "/latest/meta-data/iam/security-credentials/"

static struct site *open_instance(struct pf_test *test) {
    struct site *site = open_site(test);
    set(test, site, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "@/");
    expect(site, (struct step){"PUT", "/latest/api/token", TTL, "21600", NULL, 200, "a session"});
    return site;
}

TEST(asks_the_instance_with_a_session_token) {
    struct site *site = open_instance(test);
    struct pf_aws_keys keys;
    expect(site, (struct step){"GET", FOLDER, TOKEN, "a session", NULL, 200, "the-role\nanother\n"});
    expect(site,
           (struct step){"GET", FOLDER "the-role", TOKEN, "a session", NULL, 200, json_keys(test, "IMDS", HOUR_MS)});
    CHECK_OK(get_keys(test, site, &keys));
    check_keys(test, &keys, "IMDS", "EC2 instance");
    CHECK_TRUE(keys.expires_ms - pf_clock_wall_ms() > HOUR_MS - MINUTE_MS);
    CHECK_OK(get_keys(test, site, &keys)); /* kept: nothing more is asked */
    close_site(site);
}

TEST(says_that_an_instance_has_no_role) {
    struct site *site = open_instance(test);
    struct pf_aws_keys keys;
    expect(site, (struct step){"GET", FOLDER, TOKEN, "a session", NULL, 404, "not here"});
    CHECK_FAILS(get_keys(test, site, &keys), PF_DENIED, "EC2 instance: the instance has no role");
    CHECK_CONTAINS(test->err.message, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    close_site(site);
}

TEST(tells_what_the_instance_says_instead_of_keys) {
    struct site *site = open_instance(test);
    struct pf_aws_keys keys;
    expect(site, (struct step){"GET", FOLDER, TOKEN, "a session", NULL, 200, "r"});
    expect(site,
           (struct step){"GET", FOLDER "r", TOKEN, "a session", NULL, 200,
                         "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"EC2 cannot assume the role\"}"});
    CHECK_FAILS(get_keys(test, site, &keys), PF_DENIED, "AssumeRoleUnauthorizedAccess: EC2 cannot assume the role");
    close_site(site);
}

TEST(leaves_the_instance_alone_if_told) {
    struct site *site = open_site(test);
    struct pf_aws_keys keys;
    set(test, site, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "@");
    set(test, site, "AWS_EC2_METADATA_DISABLED", "true");
    CHECK_FAILS(get_keys(test, site, &keys), PF_DENIED, "switched off by AWS_EC2_METADATA_DISABLED");
    close_site(site);
}

/* ---- container ---- */

static const char *write_token(struct pf_test *test, const char *text) {
    pf_str path = pf_arena_printf(test->arena, "%s/token", pf_test_folder());
    CHECK_OK(pf_file_write(pf_arena_cstr(test->arena, path), pf_str_from_cstr(text), &test->err));
    return pf_arena_cstr(test->arena, path);
}

TEST(asks_the_container_with_the_token_of_the_environment) {
    struct site *site = open_site(test);
    struct pf_aws_keys keys;
    set(test, site, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "@/v2/credentials?id=1");
    set(test, site, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc");
    expect(site, (struct step){"GET", "/v2/credentials?id=1", "Authorization", "Basic abc", NULL, 200,
                               json_keys(test, "ECS", HOUR_MS)});
    CHECK_OK(get_keys(test, site, &keys));
    check_keys(test, &keys, "ECS", "container");
    close_site(site);
}

/* A pod's token is renewed in its file: it is read for each request. */
TEST(reads_the_token_of_a_pod_anew) {
    struct site *site = open_site(test);
    struct pf_aws_keys keys;
    set(test, site, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "@/v1/credentials");
    set(test, site, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", write_token(test, "first\n"));
    expect(site, (struct step){"GET", "/v1/credentials", "Authorization", "first", NULL, 200,
                               json_keys(test, "EKS1", HOUR_MS)});
    expect(site, (struct step){"GET", "/v1/credentials", "Authorization", "second", NULL, 200,
                               json_keys(test, "EKS2", HOUR_MS)});
    CHECK_OK(get_keys(test, site, &keys));
    write_token(test, "second\n");
    pf_aws_chain_drop(site->chain, PF_STR("EKS1"));
    CHECK_OK(get_keys(test, site, &keys));
    check_keys(test, &keys, "EKS2", "container");
    close_site(site);
}

TEST(tells_the_containers_refusal_and_stops_there) {
    struct site *site = open_site(test);
    struct pf_aws_keys keys;
    set(test, site, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "@/c");
    set(test, site, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "@"); /* never asked: another identity than the one meant */
    expect(site, (struct step){"GET", "/c", NULL, NULL, NULL, 400, "{\"message\":\"no such task\"}"});
    CHECK_FAILS(get_keys(test, site, &keys), PF_DENIED, "container: ");
    CHECK_CONTAINS(test->err.message, "answered 400: {\"message\":\"no such task\"}");
    close_site(site);
}

TEST(sends_no_token_in_the_clear_to_strangers) {
    static const char *const urls[] = {"http://example.com/c", "http://127.0.0.1.example.com/c",
                                       "http://169.254.170.20/c", "ftp://127.0.0.1/c"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct site *site = open_site(test);
        struct pf_aws_keys keys;
        set(test, site, "AWS_CONTAINER_CREDENTIALS_FULL_URI", urls[i]);
        set(test, site, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret");
        CHECK_FAILS(get_keys(test, site, &keys), PF_DENIED, "is neither https nor an address of this host");
        close_site(site);
    }
}

/* ---- web identity ---- */

static struct site *open_web_identity(struct pf_test *test) {
    struct site *site = open_site(test);
    set(test, site, "AWS_ENDPOINT_URL_STS", "@/");
    set(test, site, "AWS_WEB_IDENTITY_TOKEN_FILE", write_token(test, "eyJ0+b/c=\n"));
    return site;
}

TEST(changes_a_web_identity_into_keys) {
    struct site *site = open_web_identity(test);
    struct pf_aws_keys keys;
    char end[PF_CLOCK_TEXT_BYTES];
    set(test, site, "AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
    set(test, site, "AWS_ROLE_SESSION_NAME", "me & you");
    pf_str xml = pf_arena_printf(
        test->arena,
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><SessionToken>token of STS"
        "</SessionToken><SecretAccessKey>secret of STS</SecretAccessKey><Expiration>%.*s</Expiration><AccessKeyId>STS"
        "</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        PF_STR_ARG(pf_clock_format(pf_clock_wall_ms() + HOUR_MS, end)));
    expect(site, (struct step){
                     "POST", "/", "Content-Type", "application/x-www-form-urlencoded",
                     "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
                     "RoleSessionName=me%20%26%20you&WebIdentityToken=eyJ0%2Bb%2Fc%3D",
                     200, pf_arena_cstr(test->arena, xml)});
    CHECK_OK(get_keys(test, site, &keys));
    check_keys(test, &keys, "STS", "web identity");
    CHECK_TRUE(keys.expires_ms > pf_clock_wall_ms());
    close_site(site);
}

TEST(says_what_a_web_identity_lacks) {
    struct site *site = open_web_identity(test);
    struct pf_aws_keys keys;
    CHECK_FAILS(get_keys(test, site, &keys), PF_DENIED, "AWS_ROLE_ARN is not");
    close_site(site);
    site = open_site(test);
    set(test, site, "AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
    set(test, site, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token");
    CHECK_FAILS(get_keys(test, site, &keys), PF_DENIED, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE");
    CHECK_CONTAINS(test->err.message, "/nonexistent/token");
    close_site(site);
}

TEST(tells_why_sts_refuses) {
    struct site *site = open_web_identity(test);
    struct pf_aws_keys keys;
    set(test, site, "AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
    expect(site,
           (struct step){"POST", "/", "Content-Type", "application/x-www-form-urlencoded", NULL, 400,
                         "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>Token expired: current "
                         "date must be before the expiration</Message></Error></ErrorResponse>"});
    CHECK_FAILS(get_keys(test, site, &keys), PF_DENIED, "ExpiredTokenException");
    CHECK_TRUE(pf_str_find(pf_str_from_cstr(test->err.message), PF_STR("eyJ0"), 0) == SIZE_MAX); /* not the token */
    close_site(site);
}

/* ---- refreshing ---- */

static struct site *open_container(struct pf_test *test) {
    struct site *site = open_site(test);
    set(test, site, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "@/c");
    return site;
}

static void expect_keys(struct pf_test *test, struct site *site, const char *id, int64_t valid_ms) {
    expect(site, (struct step){"GET", "/c", NULL, NULL, NULL, 200, json_keys(test, id, valid_ms)});
}

TEST(fetches_new_keys_before_the_old_ones_expire) {
    struct site *site = open_container(test);
    struct pf_aws_keys keys;
    expect_keys(test, site, "OLD", 4 * MINUTE_MS);
    expect_keys(test, site, "NEW", HOUR_MS);
    CHECK_OK(get_keys(test, site, &keys));
    check_keys(test, &keys, "OLD", "container");
    CHECK_OK(get_keys(test, site, &keys));
    check_keys(test, &keys, "NEW", "container");
    CHECK_OK(get_keys(test, site, &keys));
    close_site(site);
}

/* A service that fails for a moment stops nobody, and is not asked by every request. */
TEST(works_on_with_good_keys_while_new_ones_can_not_be_had) {
    struct site *site = open_container(test);
    struct pf_aws_keys keys;
    expect_keys(test, site, "OLD", 4 * MINUTE_MS);
    expect(site, (struct step){"GET", "/c", NULL, NULL, NULL, 503, "later"});
    for (int i = 0; i < 5; i++) {
        CHECK_OK(get_keys(test, site, &keys));
        check_keys(test, &keys, "OLD", "container");
    }
    close_site(site);
}

TEST(does_not_hand_out_keys_that_have_expired) {
    struct site *site = open_container(test);
    struct pf_aws_keys keys;
    expect_keys(test, site, "OLD", 300);
    expect(site, (struct step){"GET", "/c", NULL, NULL, NULL, 503, "later"});
    expect_keys(test, site, "NEW", HOUR_MS);
    CHECK_OK(get_keys(test, site, &keys));
    pf_clock_sleep_ms(400);
    CHECK_FAILS(get_keys(test, site, &keys), PF_DENIED, "refresh AWS credentials from container");
    CHECK_OK(get_keys(test, site, &keys));
    check_keys(test, &keys, "NEW", "container");
    close_site(site);
}

TEST(drops_only_the_keys_that_were_refused) {
    struct site *site = open_container(test);
    struct pf_aws_keys keys;
    expect_keys(test, site, "ONE", HOUR_MS);
    expect_keys(test, site, "TWO", HOUR_MS);
    CHECK_OK(get_keys(test, site, &keys));
    pf_aws_chain_drop(site->chain, PF_STR("ANOTHER"));
    CHECK_OK(get_keys(test, site, &keys));
    check_keys(test, &keys, "ONE", "container");
    pf_aws_chain_drop(site->chain, PF_STR("ONE"));
    CHECK_OK(get_keys(test, site, &keys));
    check_keys(test, &keys, "TWO", "container");
    close_site(site);
}

struct getter {
    struct site *site;
    pthread_t thread;
    char id[16];
};

static void *get_once(void *context) {
    struct getter *getter = context;
    struct pf_arena *arena = pf_arena_new(NULL, "getter");
    struct pf_aws_keys keys = {0};
    if (pf_aws_chain_get(getter->site->chain, arena, &keys, NULL) == PF_OK) {
        snprintf(getter->id, sizeof getter->id, "%.*s", PF_STR_ARG(keys.access_key_id));
    }
    pf_arena_free(arena);
    return NULL;
}

TEST(asks_once_for_all_threads) {
    struct site *site = open_container(test);
    struct pf_aws_chain_options options = {.environment = site->variables};
    struct getter getters[8] = {0};
    expect_keys(test, site, "SHARED", HOUR_MS);
    CHECK_OK(pf_aws_chain_open(&options, &site->chain, &test->err));
    for (size_t i = 0; i < 8; i++) {
        getters[i].site = site;
        CHECK_INT(pthread_create(&getters[i].thread, NULL, get_once, &getters[i]), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(getters[i].thread, NULL);
        CHECK_STR(getters[i].id, "SHARED");
    }
    close_site(site);
}
