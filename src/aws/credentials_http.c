/* SPDX-License-Identifier: MIT */
/* Providers that are asked over HTTP: STS with a web identity, the container's endpoint, the EC2 instance's metadata
 * service (version 2 only: with a session token). */
#include "aws/credentials.h"

#include "base/file.h"
#include "base/json.h"

#include <string.h>

enum { TOKEN_TTL_S = 21600, LOCAL_CONNECT_MS = 1000, LOCAL_TIMEOUT_MS = 5000, STS_TIMEOUT_MS = 15000 };

/* ---- answers ---- */

static enum pf_code check_keys(const struct pf_aws_keys *keys, struct pf_error *err) {
    if (!keys->access_key_id.len || !keys->secret_access_key.len) {
        PF_FAIL(err, PF_DENIED, "the answer has no access key");
    }
    return PF_OK;
}

enum pf_code credentials_from_json(pf_str json, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                                   struct pf_error *err) {
    pf_json *root;
    PF_TRY(pf_json_parse(json, arena, "credentials", &root, err));
    struct pf_aws_keys keys = {
        .access_key_id = pf_json_get_str(root, "AccessKeyId", PF_STR_EMPTY),
        .secret_access_key = pf_json_get_str(root, "SecretAccessKey", PF_STR_EMPTY),
        .session_token = pf_json_get_str(root, "Token", PF_STR_EMPTY),
    };
    pf_str code = pf_json_get_str(root, "Code", PF_STR("Success"));
    if (!pf_str_equal(code, PF_STR("Success"))) { /* an instance says so with status 200 */
        pf_str why = pf_str_slice(pf_json_get_str(root, "Message", PF_STR_EMPTY), 0, 300);
        PF_FAIL(err, PF_DENIED, "%.*s: %.*s", PF_STR_ARG(pf_str_slice(code, 0, 80)), PF_STR_ARG(why));
    }
    PF_TRY(check_keys(&keys, err));
    pf_str expires = pf_json_get_str(root, "Expiration", PF_STR_EMPTY);
    if (expires.len && !pf_aws_time_from(expires, &keys.expires_ms)) {
        PF_FAIL(err, PF_DENIED, "the answer's Expiration '%.*s' is no time", PF_STR_ARG(pf_str_slice(expires, 0, 40)));
    }
    *out_keys = keys;
    return PF_OK;
}

enum pf_code credentials_from_xml(pf_str xml, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                                  struct pf_error *err) {
    struct pf_aws_keys keys = {
        .access_key_id = pf_xml_text(xml, "AccessKeyId", arena),
        .secret_access_key = pf_xml_text(xml, "SecretAccessKey", arena),
        .session_token = pf_xml_text(xml, "SessionToken", arena),
    };
    PF_TRY(check_keys(&keys, err));
    pf_str expires = pf_xml_text(xml, "Expiration", arena);
    if (expires.len && !pf_aws_time_from(expires, &keys.expires_ms)) {
        PF_FAIL(err, PF_DENIED, "the answer's Expiration '%.*s' is no time", PF_STR_ARG(pf_str_slice(expires, 0, 40)));
    }
    *out_keys = keys;
    return PF_OK;
}

/* PF_OK only for 200; the message of a refusal has the beginning of the body. */
static enum pf_code ask(struct pf_http_client *client, const struct pf_http_call *call, struct pf_arena *arena,
                        pf_str *out_body, struct pf_error *err) {
    struct pf_http_call limited = *call;
    struct pf_http_reply reply;
    limited.max_body_bytes = MAX_CREDENTIALS_REPLY_BYTES;
    PF_TRY(pf_http_send(client, &limited, arena, &reply, err));
    if (reply.status != 200) {
        PF_FAIL(err, PF_DENIED, "%.*s answered %d: %.*s", PF_STR_ARG(pf_str_slice(call->url, 0, 200)), reply.status,
                PF_STR_ARG(pf_str_slice(pf_str_trim(reply.body), 0, 300)));
    }
    *out_body = reply.body;
    return PF_OK;
}

static enum pf_code read_token(pf_str path, struct pf_arena *arena, pf_str *out_token, struct pf_error *err) {
    PF_TRY(pf_file_read(pf_arena_cstr(arena, path), MAX_CREDENTIALS_FILE_BYTES, arena, out_token, err));
    *out_token = pf_str_trim(*out_token);
    return PF_OK;
}

/* ---- web identity ---- */

static pf_str sts_url(struct pf_aws_chain *chain, struct pf_arena *arena) {
    pf_str url = pf_aws_chain_setting(chain, "AWS_ENDPOINT_URL_STS", NULL, arena);
    pf_str region = pf_aws_chain_region(chain, arena);
    if (url.len) return url;
    if (!region.len) return PF_STR("https://sts.amazonaws.com/");
    return pf_arena_printf(arena, "https://sts.%.*s.amazonaws.com%s/", PF_STR_ARG(region),
                           pf_str_starts_with(region, PF_STR("cn-")) ? ".cn" : "");
}

enum pf_code credentials_from_web_identity(struct pf_aws_chain *chain, struct pf_arena *arena,
                                           struct pf_aws_keys *out_keys, struct pf_error *err) {
    pf_str path = pf_aws_chain_setting(chain, "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file", arena);
    pf_str role = pf_aws_chain_setting(chain, "AWS_ROLE_ARN", "role_arn", arena);
    pf_str session = pf_aws_chain_setting(chain, "AWS_ROLE_SESSION_NAME", "role_session_name", arena);
    if (!path.len) PF_FAIL(err, PF_NOT_FOUND, "AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    if (!role.len) PF_FAIL(err, PF_DENIED, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
    pf_str token, xml;
    enum pf_code code = read_token(path, arena, &token, err);
    if (code != PF_OK) return pf_error_wrap(err, PF_DENIED, "AWS_WEB_IDENTITY_TOKEN_FILE");
    pf_str body = pf_arena_printf(
        arena,
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=%.*s&RoleSessionName=%.*s&WebIdentityToken=%.*s",
        PF_STR_ARG(pf_http_encode(arena, role, false)),
        PF_STR_ARG(session.len ? pf_http_encode(arena, session, false) : PF_STR("puffindb")),
        PF_STR_ARG(pf_http_encode(arena, token, false)));
    struct pf_http_field type = {PF_STR("Content-Type"), PF_STR("application/x-www-form-urlencoded")};
    struct pf_http_call call = {
        .method = PF_STR("POST"),
        .url = sts_url(chain, arena),
        .headers = &type,
        .header_count = 1,
        .body = body,
        .timeout_ms = STS_TIMEOUT_MS,
    };
    PF_TRY(ask(chain->client, &call, arena, &xml, err));
    return credentials_from_xml(xml, arena, out_keys, err);
}

/* ---- container (ECS, EKS) ---- */

/* Plain HTTP only to addresses of this host and the two of the container services: the token must not leak. */
static bool may_be_asked_plainly(pf_str url) {
    static const char *const hosts[] = {"127.0.0.1",     "localhost",      "[::1]",
                                        "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
    pf_str rest = pf_str_slice(url, 7, url.len);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        pf_str host = pf_str_from_cstr(hosts[i]);
        char next = rest.len > host.len ? rest.ptr[host.len] : '/';
        if (pf_str_starts_with(rest, host) && (next == ':' || next == '/')) return true;
    }
    return false;
}

static enum pf_code container_url(struct pf_aws_chain *chain, struct pf_arena *arena, pf_str *out_url,
                                  struct pf_error *err) {
    pf_str relative = credentials_variable(chain, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    pf_str full = credentials_variable(chain, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!relative.len && !full.len) {
        PF_FAIL(err, PF_NOT_FOUND, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set");
    }
    if (relative.len) {
        *out_url = pf_arena_printf(arena, "http://169.254.170.2%.*s", PF_STR_ARG(relative));
        return PF_OK;
    }
    bool is_plain = pf_str_starts_with(full, PF_STR("http://"));
    if (!pf_str_starts_with(full, PF_STR("https://")) && !(is_plain && may_be_asked_plainly(full))) {
        PF_FAIL(err, PF_DENIED,
                "AWS_CONTAINER_CREDENTIALS_FULL_URI '%.*s' is neither https nor an address of this host",
                PF_STR_ARG(full));
    }
    *out_url = pf_arena_str(arena, full);
    return PF_OK;
}

enum pf_code credentials_from_container(struct pf_aws_chain *chain, struct pf_arena *arena,
                                        struct pf_aws_keys *out_keys, struct pf_error *err) {
    pf_str url, json, token = credentials_variable(chain, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    pf_str token_path = credentials_variable(chain, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    PF_TRY(container_url(chain, arena, &url, err));
    if (token_path.len) {
        enum pf_code code = read_token(token_path, arena, &token, err);
        if (code != PF_OK) return pf_error_wrap(err, PF_DENIED, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    }
    struct pf_http_field header = {PF_STR("Authorization"), token};
    struct pf_http_call call = {
        .url = url,
        .headers = &header,
        .header_count = token.len ? 1 : 0,
        .connect_ms = LOCAL_CONNECT_MS,
        .timeout_ms = LOCAL_TIMEOUT_MS,
    };
    PF_TRY(ask(chain->client, &call, arena, &json, err));
    return credentials_from_json(json, arena, out_keys, err);
}

/* ---- EC2 instance ---- */

static enum pf_code instance_token(struct pf_aws_chain *chain, pf_str base, struct pf_arena *arena, pf_str *out_token,
                                   struct pf_error *err) {
    struct pf_http_field ttl = {PF_STR("X-aws-ec2-metadata-token-ttl-seconds"),
                                pf_arena_printf(arena, "%d", TOKEN_TTL_S)};
    struct pf_http_call call = {
        .method = PF_STR("PUT"),
        .url = pf_arena_printf(arena, "%.*s/latest/api/token", PF_STR_ARG(base)),
        .headers = &ttl,
        .header_count = 1,
        .connect_ms = LOCAL_CONNECT_MS,
        .timeout_ms = LOCAL_TIMEOUT_MS,
    };
    return ask(chain->plain_client, &call, arena, out_token, err);
}

static enum pf_code instance_get(struct pf_aws_chain *chain, pf_str url, pf_str token, struct pf_arena *arena,
                                 pf_str *out_body, struct pf_error *err) {
    struct pf_http_field header = {PF_STR("X-aws-ec2-metadata-token"), token};
    struct pf_http_call call = {.url = url,
                                .headers = &header,
                                .header_count = 1,
                                .connect_ms = LOCAL_CONNECT_MS,
                                .timeout_ms = LOCAL_TIMEOUT_MS};
    return ask(chain->plain_client, &call, arena, out_body, err);
}

enum pf_code credentials_from_instance(struct pf_aws_chain *chain, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                                       struct pf_error *err) {
    pf_str base = credentials_variable(chain, "AWS_EC2_METADATA_SERVICE_ENDPOINT"), token, roles, json;
    if (pf_str_equal_nocase(credentials_variable(chain, "AWS_EC2_METADATA_DISABLED"), PF_STR("true"))) {
        PF_FAIL(err, PF_NOT_FOUND, "switched off by AWS_EC2_METADATA_DISABLED");
    }
    if (!base.len) base = PF_STR("http://169.254.169.254");
    while (pf_str_ends_with(base, PF_STR("/"))) base.len--;
    enum pf_code code = instance_token(chain, base, arena, &token, err);
    if (code != PF_OK) return pf_error_wrap(err, PF_NOT_FOUND, "no metadata service");
    pf_str folder = pf_arena_printf(arena, "%.*s/latest/meta-data/iam/security-credentials/", PF_STR_ARG(base));
    code = instance_get(chain, folder, token, arena, &roles, err);
    if (code != PF_OK) return pf_error_wrap(err, PF_NOT_FOUND, "the instance has no role");
    pf_str role, rest = pf_str_trim(roles);
    if (!pf_str_next(&rest, '\n', &role)) PF_FAIL(err, PF_NOT_FOUND, "the instance has no role");
    pf_str url = pf_arena_printf(arena, "%.*s%.*s", PF_STR_ARG(folder), PF_STR_ARG(pf_str_trim(role)));
    PF_TRY(instance_get(chain, url, token, arena, &json, err));
    return credentials_from_json(json, arena, out_keys, err);
}
