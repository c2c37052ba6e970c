/* SPDX-License-Identifier: MIT */
/* Who we are to another catalog: a bearer token that is given, or one that OAuth2 gives for client id and secret
 * (RFC 6749 section 4.4), or a signature of AWS (SigV4). */
#include "catalog/remote.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

enum { TOKEN_TIMEOUT_MS = 30000, MAX_FORM_BYTES = 64 << 10, MAX_TOKEN_BYTES = 1 << 20, RENEW_BEFORE_MS = 60000 };

/* ---- OAuth2 ---- */

static void put_parameter(struct pf_buf *form, struct pf_arena *arena, const char *name, pf_str value) {
    pf_buf_printf(form, "%s%s=%.*s", form->len ? "&" : "", name, PF_STR_ARG(pf_http_encode(arena, value, false)));
}

static enum pf_code fetch_token(struct remote *remote, struct pf_arena *arena, pf_str *out_token, int64_t *out_until_ms,
                                struct pf_error *err) {
    size_t colon = pf_str_find_char(remote->credential, ':', 0);
    pf_str url = remote->oauth_url;
    if (!url.len) url = pf_arena_printf(arena, "%.*s/v1/oauth/tokens", PF_STR_ARG(remote->url));
    struct pf_buf form;
    pf_buf_init(&form, MAX_FORM_BYTES);
    put_parameter(&form, arena, "grant_type", PF_STR("client_credentials"));
    put_parameter(&form, arena, "client_id", pf_str_slice(remote->credential, 0, colon));
    put_parameter(&form, arena, "client_secret", pf_str_slice(remote->credential, colon + 1, SIZE_MAX));
    put_parameter(&form, arena, "scope", remote->scope);
    struct pf_http_field header = {PF_STR("Content-Type"), PF_STR("application/x-www-form-urlencoded")};
    struct pf_http_call call = {
        .method = PF_STR("POST"),
        .url = url,
        .headers = &header,
        .header_count = 1,
        .body = pf_arena_str(arena, pf_buf_view(&form)),
        .timeout_ms = TOKEN_TIMEOUT_MS,
        .max_body_bytes = MAX_TOKEN_BYTES,
    };
    pf_buf_clear(&form);
    struct pf_http_reply reply;
    pf_json *root = NULL;
    int64_t asked_ms = pf_clock_wall_ms();
    enum pf_code code = pf_http_send(remote->http, &call, arena, &reply, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "ask for a token");
    bool is_json = pf_json_parse(reply.body, arena, "token", &root, NULL) == PF_OK;
    pf_str token = pf_json_get_str(root, "access_token", PF_STR_EMPTY);
    if (reply.status == 200 && is_json && token.len) {
        int64_t lifetime_s = pf_json_get_i64(root, "expires_in", 0);
        *out_until_ms = lifetime_s > 0 ? asked_ms + lifetime_s * 1000 : 0;
        *out_token = token;
        return PF_OK;
    }
    pf_str why = pf_json_get_str(root, "error_description", pf_json_get_str(root, "error", PF_STR_EMPTY));
    if (!why.len) why = pf_json_get_str(pf_json_get(root, "error"), "message", PF_STR("no explanation"));
    PF_FAIL(err, reply.status / 100 == 5 ? PF_REMOTE : PF_DENIED,
            "%.*s gives no token for client '%.*s': status %d, %.*s; check --catalog-credential and --catalog-scope",
            PF_STR_ARG(url), PF_STR_ARG(pf_str_slice(remote->credential, 0, colon)), reply.status, PF_STR_ARG(why));
}

static bool is_fresh(const struct remote *remote) {
    if (!remote->token.bearer) return false;
    return !remote->token.until_ms || remote->token.until_ms - RENEW_BEFORE_MS > pf_clock_wall_ms();
}

static enum pf_code need_token(struct remote *remote, bool is_refused, struct pf_arena *arena, pf_str *out_token,
                               struct pf_error *err) {
    enum pf_code code = PF_OK;
    pthread_mutex_lock(&remote->token.mutex);
    if (is_refused || !is_fresh(remote)) {
        pf_str token;
        code = fetch_token(remote, arena, &token, &remote->token.until_ms, err);
        if (code == PF_OK) {
            free(remote->token.bearer);
            remote->token.bearer = strndup(token.ptr, token.len);
        }
    }
    if (code == PF_OK) *out_token = pf_arena_str(arena, pf_str_from_cstr(remote->token.bearer));
    pthread_mutex_unlock(&remote->token.mutex);
    return code;
}

/* ---- SigV4 ---- */

static pf_str host_of(pf_str url) {
    size_t from = pf_str_find(url, PF_STR("://"), 0) + 3;
    return pf_str_slice(url, from, pf_str_find_char(url, '/', from));
}

static enum pf_code sign(struct remote *remote, const struct remote_request *request, pf_str url, bool is_refused,
                         struct pf_arena *arena, struct pf_http_fields *headers, struct pf_error *err) {
    struct pf_aws_keys keys;
    PF_TRY(pf_aws_chain_get(remote->chain, arena, &keys, err));
    if (is_refused) {
        pf_aws_chain_drop(remote->chain, keys.access_key_id);
        PF_TRY(pf_aws_chain_get(remote->chain, arena, &keys, err));
    }
    size_t path_from = pf_str_find_char(url, '/', pf_str_find(url, PF_STR("://"), 0) + 3);
    pf_str hash = pf_aws_hash(request->body, arena);
    struct pf_http_field signed_headers[] = {{PF_STR("Host"), host_of(url)}, {PF_STR("X-Amz-Content-Sha256"), hash}};
    struct pf_aws_signing signing = {
        .keys = &keys,
        .region = remote->signing_region,
        .service = remote->signing_service,
        .time_ms = pf_clock_wall_ms(),
        .method = pf_str_from_cstr(request->method),
        /* As it is sent. Services other than S3 sign the path escaped once more, which is what happens to it now. */
        .path = pf_str_slice(url, path_from, pf_str_find_char(url, '?', path_from)),
        .query = request->query,
        .query_count = request->query_count,
        .headers = signed_headers,
        .header_count = sizeof signed_headers / sizeof *signed_headers,
        .payload_hash = hash,
    };
    struct pf_aws_signed result;
    pf_aws_sign(&signing, arena, &result);
    pf_http_fields_add(headers, arena, signed_headers[1].name, hash);
    for (size_t i = 0; i < result.headers.count; i++)
        pf_http_fields_add(headers, arena, result.headers.items[i].name, result.headers.items[i].value);
    return PF_OK;
}

enum pf_code remote_authorize(struct remote *remote, const struct remote_request *request, pf_str url, bool is_refused,
                              struct pf_arena *arena, struct pf_http_fields *headers, struct pf_error *err) {
    pf_str token = remote->token_given;
    enum pf_code code = PF_OK;
    if (remote->chain) {
        code = sign(remote, request, url, is_refused, arena, headers, err);
    } else {
        if (remote->credential.len) code = need_token(remote, is_refused, arena, &token, err);
        if (code == PF_OK && token.len)
            pf_http_fields_add(headers, arena, PF_STR("Authorization"),
                               pf_arena_printf(arena, "Bearer %.*s", PF_STR_ARG(token)));
    }
    return code;
}
