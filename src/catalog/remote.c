/* SPDX-License-Identifier: MIT */
/* Requests to another catalog: configuration, retries, errors. */
#include "catalog/remote.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"

#include <stdlib.h>

enum {
    ATTEMPTS = 5,
    FIRST_PAUSE_MS = 100,
    LONGEST_PAUSE_MS = 10000,
    MAX_REPLY_BYTES = 512 << 20,
    MAX_URL_BYTES = 16 << 10,
    MAX_PAGES = 100000,
    CALL_TIMEOUT_MS = 60000
};

/* ---- open and close ---- */

enum pf_code remote_open(const struct pf_catalog_remote_options *options, struct remote **out_remote,
                         struct pf_error *err) {
    if (!pf_str_starts_with(options->url, PF_STR("https://")) && !pf_str_starts_with(options->url, PF_STR("http://"))) {
        PF_FAIL(err, PF_INVALID, "catalog '%.*s': expected the https:// URL of a REST catalog",
                PF_STR_ARG(options->url));
    }
    if (options->credential.len && pf_str_find_char(options->credential, ':', 0) == SIZE_MAX) {
        PF_FAIL(err, PF_INVALID, "catalog %.*s: the credential is not of the form client-id:secret",
                PF_STR_ARG(options->url));
    }
    struct pf_arena *arena = pf_arena_new(NULL, "remote catalog");
    struct remote *remote = PF_ARENA_NEW(arena, struct remote);
    *remote = (struct remote){
        .arena = arena,
        .url = pf_arena_str(arena, options->url),
        .warehouse = pf_arena_str(arena, options->warehouse),
        .token_given = pf_arena_str(arena, options->token),
        .credential = pf_arena_str(arena, options->credential),
        .scope = options->scope.len ? pf_arena_str(arena, options->scope) : PF_STR("catalog"),
        .oauth_url = pf_arena_str(arena, options->oauth_url),
        .signing_service = pf_arena_str(arena, options->signing_service),
        .signing_region = pf_arena_str(arena, options->signing_region),
    };
    while (pf_str_ends_with(remote->url, PF_STR("/"))) remote->url.len--;
    if (pf_str_ends_with(remote->url, PF_STR("/v1"))) remote->url.len -= 3;
    pthread_mutex_init(&remote->config_mutex, NULL);
    pthread_mutex_init(&remote->token.mutex, NULL);
    remote->known = remote_known_new();
    const char *ca_path = options->ca_path.len ? pf_arena_cstr(arena, options->ca_path) : NULL;
    struct pf_http_client_options http = {.ca_path = ca_path};
    struct pf_aws_chain_options chain = {.ca_path = ca_path};
    enum pf_code code = pf_http_client_open(&http, &remote->http, err);
    if (code == PF_OK && remote->signing_service.len) code = pf_aws_chain_open(&chain, &remote->chain, err);
    if (code != PF_OK) {
        pf_error_wrap(err, code, "catalog %.*s", PF_STR_ARG(remote->url));
        remote_close(remote);
        return code;
    }
    if (remote->chain && !remote->signing_region.len) {
        remote->signing_region = pf_aws_chain_region(remote->chain, arena);
        if (!remote->signing_region.len) remote->signing_region = PF_STR("us-east-1");
    }
    *out_remote = remote;
    return PF_OK;
}

struct remote *remote_close(struct remote *remote) {
    if (!remote) return NULL;
    remote_known_free(remote->known);
    pf_aws_chain_close(remote->chain);
    pf_http_client_close(remote->http);
    free(remote->token.bearer);
    pthread_mutex_destroy(&remote->token.mutex);
    pthread_mutex_destroy(&remote->config_mutex);
    pf_arena_free(remote->arena);
    return NULL;
}

/* ---- one request ---- */

static pf_str full_url(const struct remote *remote, const struct remote_request *request, pf_str prefix,
                       struct pf_arena *arena) {
    struct pf_buf buf;
    pf_buf_init(&buf, MAX_URL_BYTES);
    pf_buf_printf(&buf, "%.*s/v1/%.*s%.*s", PF_STR_ARG(remote->url), PF_STR_ARG(prefix), PF_STR_ARG(request->path));
    for (size_t i = 0; i < request->query_count; i++) {
        pf_buf_printf(&buf, "%c%.*s=%.*s", i ? '&' : '?',
                      PF_STR_ARG(pf_http_encode(arena, request->query[i].name, false)),
                      PF_STR_ARG(pf_http_encode(arena, request->query[i].value, false)));
    }
    pf_str url = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return url;
}

static enum pf_code code_of(int status, bool is_change) {
    switch (status) {
    case 400:
    case 422: return PF_INVALID;
    case 401:
    case 403:
    case 419: return PF_DENIED;
    case 404: return PF_NOT_FOUND;
    case 405:
    case 406:
    case 501: return PF_UNSUPPORTED;
    case 409: return PF_CONFLICT;
    case 429: return PF_THROTTLED;
    case 503: return is_change ? PF_REMOTE : PF_THROTTLED;
    default: return PF_REMOTE;
    }
}

/* {"error":{"message":…,"type":…,"code":…}}, or whatever a proxy between us says. */
static enum pf_code fail_with(const struct remote *remote, const struct remote_request *request,
                              const struct pf_http_reply *reply, struct pf_arena *arena, struct pf_error *err) {
    pf_json *root = NULL, *error = NULL;
    if (pf_json_parse(reply->body, arena, "error", &root, NULL) == PF_OK) error = pf_json_get(root, "error");
    pf_str message = pf_json_get_str(error, "message", PF_STR_EMPTY);
    pf_str type = pf_json_get_str(error, "type", PF_STR_EMPTY);
    if (!message.len) message = pf_json_get_str(root, "message", PF_STR_EMPTY); /* gateways of AWS */
    if (!message.len) message = PF_STR("no explanation");
    enum pf_code code = code_of(reply->status, request->is_change);
    PF_FAIL(err, code, "catalog %.*s: %.*s%s%.300s (%s %.200s: status %d)", PF_STR_ARG(remote->url), PF_STR_ARG(type),
            type.len ? ": " : "", pf_arena_cstr(arena, message), request->method, pf_arena_cstr(arena, request->path),
            reply->status);
}

static enum pf_code send_once(struct remote *remote, const struct remote_request *request, pf_str url, bool is_refused,
                              struct pf_arena *arena, struct pf_http_reply *out_reply, struct pf_error *err) {
    struct pf_http_fields headers = {0};
    if (request->body.len) pf_http_fields_add(&headers, arena, PF_STR("Content-Type"), PF_STR("application/json"));
    pf_http_fields_add(&headers, arena, PF_STR("Accept"), PF_STR("application/json"));
    if (request->if_none_match.len)
        pf_http_fields_add(&headers, arena, PF_STR("If-None-Match"), request->if_none_match);
    PF_TRY(remote_authorize(remote, request, url, is_refused, arena, &headers, err));
    struct pf_http_call call = {
        .method = pf_str_from_cstr(request->method),
        .url = url,
        .headers = headers.items,
        .header_count = headers.count,
        .body = request->body,
        .timeout_ms = CALL_TIMEOUT_MS,
        .max_body_bytes = MAX_REPLY_BYTES,
    };
    remote->requests++;
    return pf_http_send(remote->http, &call, arena, out_reply, err);
}

static void pause_before_retry(struct remote *remote, int attempt, const struct pf_http_reply *reply) {
    int64_t longest = FIRST_PAUSE_MS << attempt, asked_s;
    uint32_t random;
    pf_random_bytes(&random, sizeof random);
    int64_t pause_ms = longest / 2 + random % (longest / 2 + 1);
    if (reply && pf_str_to_i64(pf_http_header(&reply->headers, "Retry-After"), &asked_s) && asked_s >= 0)
        pause_ms = asked_s > LONGEST_PAUSE_MS / 1000 ? LONGEST_PAUSE_MS : asked_s * 1000;
    remote->retries++;
    pf_clock_sleep_ms(pause_ms);
}

/* A change is sent again only if it was refused before it began: 429, or no connection at all. */
static bool is_worth_another_try(const struct remote_request *request, enum pf_code code, int status) {
    if (status == 429) return true;
    if (request->is_change) return false;
    return status ? status == 500 || status >= 502 : code == PF_REMOTE || code == PF_TIMEOUT;
}

/* `arena` gets the reply of the last try. */
static enum pf_code send(struct remote *remote, const struct remote_request *request, pf_str prefix,
                         struct pf_arena *arena, struct pf_http_reply *out_reply, struct pf_error *err) {
    pf_str url = full_url(remote, request, prefix, arena);
    bool is_refused = false;
    for (int attempt = 0;; attempt++) {
        struct pf_http_reply reply = {0};
        enum pf_code code = send_once(remote, request, url, is_refused, arena, &reply, err);
        if (code != PF_OK) pf_error_wrap(err, code, "catalog %.*s", PF_STR_ARG(remote->url));
        bool is_fine = code == PF_OK && (reply.status / 100 == 2 || reply.status == 304);
        if (is_fine) {
            *out_reply = reply;
            return PF_OK;
        }
        bool is_over = reply.status == 401 || reply.status == 419; /* the token */
        if (is_over && !is_refused) {
            is_refused = true;
            continue;
        }
        if (attempt + 1 >= ATTEMPTS || !is_worth_another_try(request, code, reply.status))
            return code == PF_OK ? fail_with(remote, request, &reply, arena, err) : code;
        pause_before_retry(remote, attempt, reply.status ? &reply : NULL);
    }
}

/* ---- configuration ---- */

static pf_str config_value(pf_json *root, const char *key) {
    pf_str value = pf_json_get_str(pf_json_get(root, "defaults"), key, PF_STR_EMPTY);
    return pf_json_get_str(pf_json_get(root, "overrides"), key, value);
}

/* A prefix may have slashes, which separate parts of the path; everything else in it is escaped. One that has escapes
 * already (S3 Tables: the ARN of a bucket) stands as it is. */
static pf_str prefix_text(pf_str prefix, struct pf_arena *arena) {
    while (pf_str_starts_with(prefix, PF_STR("/"))) prefix = pf_str_slice(prefix, 1, SIZE_MAX);
    while (pf_str_ends_with(prefix, PF_STR("/"))) prefix.len--;
    if (!prefix.len) return PF_STR_EMPTY;
    bool is_escaped = pf_str_find_char(prefix, '%', 0) != SIZE_MAX;
    pf_str text = is_escaped ? prefix : pf_http_encode(arena, prefix, true);
    return pf_arena_printf(arena, "%.*s/", PF_STR_ARG(text));
}

static enum pf_code configure_locked(struct remote *remote, struct pf_arena *scratch, struct pf_error *err) {
    struct pf_http_field query = {PF_STR("warehouse"), remote->warehouse};
    struct remote_request request = {
        .method = "GET", .path = PF_STR("config"), .query = &query, .query_count = remote->warehouse.len ? 1 : 0};
    struct pf_http_reply reply;
    pf_json *root = NULL;
    enum pf_code code = send(remote, &request, PF_STR_EMPTY, scratch, &reply, err);
    /* Not to be taken for a table that is not there. */
    if (code == PF_NOT_FOUND) return pf_error_wrap(err, PF_REMOTE, "is that the URL of a catalog?");
    if (code != PF_OK) return code;
    if (pf_json_parse(reply.body, scratch, "config", &root, err) != PF_OK || !yyjson_is_obj(root)) {
        PF_FAIL(err, PF_REMOTE,
                "catalog %.*s: what /v1/config answers is no JSON object: is that the URL of a catalog?",
                PF_STR_ARG(remote->url));
    }
    pf_str separator = config_value(root, "namespace-separator");
    remote->config.separator = separator.len ? pf_arena_str(remote->arena, separator) : PF_STR("%1F");
    remote->config.prefix = pf_arena_str(remote->arena, prefix_text(config_value(root, "prefix"), scratch));
    pf_str oauth_url = config_value(root, "oauth2-server-uri");
    if (!remote->oauth_url.len && oauth_url.len) remote->oauth_url = pf_arena_str(remote->arena, oauth_url);
    pf_json *endpoints = pf_json_get(root, "endpoints");
    remote->config.endpoint_count = pf_json_count(endpoints);
    if (remote->config.endpoint_count) {
        remote->config.endpoints = PF_ARENA_ARRAY(remote->arena, pf_str, remote->config.endpoint_count);
        for (struct pf_json_each each = pf_json_each(endpoints); pf_json_next(&each);)
            remote->config.endpoints[each.index] =
                pf_arena_str(remote->arena, pf_json_as_str(each.value, PF_STR_EMPTY));
    }
    remote->config.is_ready = true;
    return PF_OK;
}

static enum pf_code need_config(struct remote *remote, struct pf_error *err) {
    enum pf_code code = PF_OK;
    pthread_mutex_lock(&remote->config_mutex);
    if (!remote->config.is_ready) {
        struct pf_arena *scratch = pf_arena_new(NULL, "catalog configuration");
        code = configure_locked(remote, scratch, err);
        pf_arena_free(scratch);
    }
    pthread_mutex_unlock(&remote->config_mutex);
    return code;
}

/* ---- what the other files call ---- */

enum pf_code remote_send(struct remote *remote, const struct remote_request *request, struct pf_arena *arena,
                         struct remote_reply *out_reply, struct pf_error *err) {
    struct pf_http_reply reply;
    pf_json *root = NULL;
    PF_TRY(need_config(remote, err));
    PF_TRY(send(remote, request, remote->config.prefix, arena, &reply, err));
    if (reply.body.len && reply.status != 304 && pf_json_parse(reply.body, arena, "answer", &root, err) != PF_OK)
        return pf_error_wrap(err, PF_REMOTE, "catalog %.*s: %s %.*s", PF_STR_ARG(remote->url), request->method,
                             PF_STR_ARG(request->path));
    *out_reply = (struct remote_reply){
        .status = reply.status, .body = reply.body, .json = root, .etag = pf_http_header(&reply.headers, "ETag")};
    return PF_OK;
}

enum pf_code remote_each_page(struct remote *remote, pf_str path, pf_str parent, struct pf_arena *arena,
                              enum pf_code (*use)(void *context, pf_json *page, struct pf_error *err), void *context,
                              struct pf_error *err) {
    pf_str token = PF_STR_EMPTY;
    for (int page = 0; page < MAX_PAGES; page++) {
        struct pf_http_field query[2];
        struct remote_request request = {.method = "GET", .path = path, .query = query};
        struct remote_reply reply;
        if (parent.len) query[request.query_count++] = (struct pf_http_field){PF_STR("parent"), parent};
        /* The first page is asked for with an empty token: that says that we know about pages. */
        query[request.query_count++] = (struct pf_http_field){PF_STR("pageToken"), token};
        PF_TRY(remote_send(remote, &request, arena, &reply, err));
        PF_TRY(use(context, reply.json, err));
        token = pf_json_get_str(reply.json, "next-page-token", PF_STR_EMPTY);
        if (!token.len) return PF_OK;
    }
    PF_FAIL(err, PF_REMOTE, "catalog %.*s: the list %.*s does not end", PF_STR_ARG(remote->url), PF_STR_ARG(path));
}

enum pf_code remote_offers(struct remote *remote, const char *endpoint, bool *out_offers, struct pf_error *err) {
    pf_str wanted = pf_str_from_cstr(endpoint);
    PF_TRY(need_config(remote, err));
    /* Those of the protocol's first versions; the specification of /v1/config lists them. */
    bool offers = !remote->config.endpoints && !pf_str_starts_with(wanted, PF_STR("HEAD ")) &&
                  pf_str_find(wanted, PF_STR("view"), 0) == SIZE_MAX;
    for (size_t i = 0; i < remote->config.endpoint_count; i++)
        offers = offers || pf_str_equal(remote->config.endpoints[i], wanted);
    *out_offers = offers;
    return PF_OK;
}

static pf_str space_text(struct remote *remote, pf_str space, struct pf_arena *arena) {
    pf_str rest = space, level, text = PF_STR_EMPTY;
    while (pf_str_next(&rest, '.', &level)) {
        pf_str part = pf_http_encode(arena, pf_rest_name_out(level, arena), false);
        text = pf_arena_printf(arena, "%.*s%.*s%.*s", PF_STR_ARG(text),
                               PF_STR_ARG(text.len ? remote->config.separator : PF_STR_EMPTY), PF_STR_ARG(part));
    }
    return text;
}

enum pf_code remote_parent_text(struct remote *remote, pf_str space, struct pf_arena *arena, pf_str *out_text,
                                struct pf_error *err) {
    pf_str rest = space, level, text = PF_STR_EMPTY;
    PF_TRY(need_config(remote, err));
    pf_str separator = pf_rest_name_out(remote->config.separator, arena);
    while (pf_str_next(&rest, '.', &level)) {
        text = pf_arena_printf(arena, "%.*s%.*s%.*s", PF_STR_ARG(text), PF_STR_ARG(text.len ? separator : PF_STR_EMPTY),
                               PF_STR_ARG(pf_rest_name_out(level, arena)));
    }
    *out_text = text;
    return PF_OK;
}

bool remote_is_full(const struct remote *remote) {
    return !pf_str_equal(remote->signing_service, PF_STR("glue")) &&
           !pf_str_equal(remote->signing_service, PF_STR("s3tables"));
}

enum pf_code remote_space_path(struct remote *remote, pf_str space, const char *behind, struct pf_arena *arena,
                               pf_str *out_path, struct pf_error *err) {
    PF_TRY(need_config(remote, err)); /* the separator */
    *out_path = pf_arena_printf(arena, "namespaces/%.*s%s%s", PF_STR_ARG(space_text(remote, space, arena)),
                                behind ? "/" : "", behind ? behind : "");
    return PF_OK;
}

enum pf_code remote_object_path(struct remote *remote, struct pf_table_id id, const char *kind, struct pf_arena *arena,
                                pf_str *out_path, struct pf_error *err) {
    pf_str folder, name = pf_http_encode(arena, pf_rest_name_out(id.name, arena), false);
    PF_TRY(remote_space_path(remote, id.space, kind, arena, &folder, err));
    *out_path = pf_arena_printf(arena, "%.*s/%.*s", PF_STR_ARG(folder), PF_STR_ARG(name));
    return PF_OK;
}
