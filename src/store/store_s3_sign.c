/* SPDX-License-Identifier: MIT */
/* A request becomes a signed call. For S3 Express buckets the keys are those of a session, which is made and renewed
 * here (CreateSession). */
#include "store/store_s3.h"

#include "base/clock.h"

enum { SESSION_MARGIN_MS = 60000 };
#define EMPTY_HASH PF_STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

static void copy_keys(const struct pf_aws_keys *keys, struct pf_arena *arena, struct pf_aws_keys *out_keys) {
    *out_keys = *keys;
    out_keys->access_key_id = pf_arena_str(arena, keys->access_key_id);
    out_keys->secret_access_key = pf_arena_str(arena, keys->secret_access_key);
    out_keys->session_token = pf_arena_str(arena, keys->session_token);
}

static enum pf_code read_session(pf_str xml, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                                 struct pf_error *err) {
    struct pf_aws_keys keys = {
        .access_key_id = pf_xml_text(xml, "AccessKeyId", arena),
        .secret_access_key = pf_xml_text(xml, "SecretAccessKey", arena),
        .session_token = pf_xml_text(xml, "SessionToken", arena),
        .source = "CreateSession",
    };
    bool has_end = pf_aws_time_from(pf_xml_text(xml, "Expiration", arena), &keys.expires_ms);
    if (!keys.access_key_id.len || !keys.secret_access_key.len || !keys.session_token.len || !has_end) {
        PF_FAIL(err, PF_REMOTE, "the answer to CreateSession lacks keys");
    }
    *out_keys = keys;
    return PF_OK;
}

static enum pf_code make_session(struct s3_store *s3, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                                 struct pf_error *err) {
    struct s3_request request = {.method = "GET", .is_bucket = true, .is_session_call = true};
    s3_add_query(&request, "session", PF_STR_EMPTY);
    s3_add_header(&request, "x-amz-create-session-mode", PF_STR("ReadWrite"));
    PF_TRY(s3_run(s3, &request, 1, NULL, arena, NULL, err));
    return read_session(request.reply.body, arena, out_keys, err);
}

/* Two threads may both make one: both are good. */
static enum pf_code session_keys(struct s3_store *s3, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                                 struct pf_error *err) {
    pthread_mutex_lock(&s3->locked.mutex);
    bool is_good = s3->locked.session.expires_ms - pf_clock_wall_ms() > SESSION_MARGIN_MS;
    if (is_good) copy_keys(&s3->locked.session, arena, out_keys);
    pthread_mutex_unlock(&s3->locked.mutex);
    if (is_good) return PF_OK;
    struct pf_arena *own = pf_arena_new(NULL, "s3 session");
    struct pf_aws_keys keys;
    enum pf_code code = make_session(s3, own, &keys, err);
    if (code != PF_OK) {
        pf_arena_free(own);
        return code;
    }
    copy_keys(&keys, arena, out_keys);
    pthread_mutex_lock(&s3->locked.mutex);
    pf_arena_free(s3->locked.session_arena);
    s3->locked.session_arena = own;
    s3->locked.session = keys;
    pthread_mutex_unlock(&s3->locked.mutex);
    return PF_OK;
}

void s3_drop_keys(struct s3_store *s3) {
    struct pf_arena *scratch = pf_arena_new(NULL, "drop keys");
    struct pf_aws_keys keys;
    if (pf_aws_chain_get(s3->chain, scratch, &keys, NULL) == PF_OK) {
        pf_aws_chain_drop(s3->chain, keys.access_key_id);
    }
    pthread_mutex_lock(&s3->locked.mutex);
    s3->locked.session.expires_ms = 0;
    pthread_mutex_unlock(&s3->locked.mutex);
    pf_arena_free(scratch);
}

/* Over TLS nobody can change the body on the way, and a checksum is sent with it: hashing it as well would be for
 * nothing. Over plain HTTP the signature covers it. */
static pf_str payload_hash(const struct s3_store *s3, const struct s3_request *request, struct pf_arena *arena) {
    if (!request->body.len && !request->pieces) return EMPTY_HASH;
    if (request->pieces && !s3->is_tls) return request->piece_hash;
    return s3->is_tls ? PF_AWS_UNSIGNED_PAYLOAD : pf_aws_hash(request->body, arena);
}

static pf_str path_of(const struct s3_store *s3, const struct s3_request *request, struct pf_arena *arena) {
    if (request->is_bucket) {
        return s3->base_path.len ? pf_arena_printf(arena, "%.*s/", PF_STR_ARG(s3->base_path)) : PF_STR("/");
    }
    return pf_arena_printf(arena, "%.*s/%.*s%.*s", PF_STR_ARG(s3->base_path), PF_STR_ARG(s3->prefix),
                           PF_STR_ARG(request->key));
}

enum pf_code s3_sign(struct s3_store *s3, const struct s3_request *request, struct pf_arena *arena,
                     struct pf_http_call *out_call, struct pf_error *err) {
    struct pf_aws_keys keys;
    bool has_session = s3->is_express && !request->is_session_call;
    if (has_session) {
        PF_TRY(session_keys(s3, arena, &keys, err));
    } else {
        PF_TRY(pf_aws_chain_get(s3->chain, arena, &keys, err));
    }
    struct pf_http_fields headers = {0};
    pf_http_fields_add(&headers, arena, PF_STR("Host"), s3->host);
    for (size_t i = 0; i < request->header_count; i++) {
        pf_http_fields_add(&headers, arena, request->headers[i].name, request->headers[i].value);
    }
    struct pf_aws_signing_key key;
    pthread_mutex_lock(&s3->locked.mutex);
    key = s3->locked.key;
    pthread_mutex_unlock(&s3->locked.mutex);
    struct pf_aws_signing signing = {
        .keys = &keys,
        .region = s3->options.region,
        .service = s3->is_express ? PF_STR("s3express") : PF_STR("s3"),
        .time_ms = pf_clock_wall_ms(),
        .method = pf_str_from_cstr(request->method),
        .path = path_of(s3, request, arena),
        .query = request->query,
        .query_count = request->query_count,
        .headers = headers.items,
        .header_count = headers.count,
        .payload_hash = payload_hash(s3, request, arena),
        .is_s3 = true,
        .token_header = has_session ? "x-amz-s3session-token" : NULL,
        .key = &key,
    };
    struct pf_aws_signed result;
    pf_aws_sign(&signing, arena, &result);
    pthread_mutex_lock(&s3->locked.mutex);
    s3->locked.key = key;
    pthread_mutex_unlock(&s3->locked.mutex);
    for (size_t i = 0; i < result.headers.count; i++) {
        pf_http_fields_add(&headers, arena, result.headers.items[i].name, result.headers.items[i].value);
    }
    *out_call = (struct pf_http_call){
        .method = signing.method,
        .url = pf_arena_printf(arena, "%.*s%.*s", PF_STR_ARG(s3->base_url), PF_STR_ARG(result.target)),
        .headers = headers.items,
        .header_count = headers.count,
        .body = request->body,
        .max_body_bytes = request->max_body_bytes ? request->max_body_bytes : (size_t)S3_MAX_XML_BYTES,
    };
    return PF_OK;
}
