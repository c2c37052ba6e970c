/* SPDX-License-Identifier: MIT */
/* Opens S3 as a store: where the bucket is, under which name the host is asked. Nothing is sent. */
#include "store/store_s3.h"

#include <string.h>

enum { DEFAULT_IN_FLIGHT = 16, MAX_IN_FLIGHT = 256, DEFAULT_TIMEOUT_MS = 60000 };
static const int64_t DEFAULT_PART_BYTES = 8 << 20;

/* Reads start as late after this; it is learnt from the answers. */
static const struct s3_pace FIRST_PACE = {
    .first_byte_ms = 200, .bytes_per_ms = 20e3, .hedge_tokens = 10, .retry_tokens = 500};

/* ---- names ---- */

static bool is_bucket_name(pf_str name) {
    if (name.len < 3 || name.len > 63) return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!is_good && !(c >= 'A' && c <= 'Z') && c != '_') return false;
    }
    return name.ptr[0] != '.' && name.ptr[0] != '-';
}

static enum pf_code split_url(struct s3_store *s3, pf_str url, struct pf_error *err) {
    pf_str rest = pf_str_slice(url, 5, url.len);
    size_t slash = pf_str_find_char(rest, '/', 0);
    s3->bucket = pf_arena_str(s3->store.arena, pf_str_slice(rest, 0, slash));
    pf_str prefix = slash == SIZE_MAX ? PF_STR_EMPTY : pf_str_slice(rest, slash + 1, rest.len);
    while (pf_str_ends_with(prefix, PF_STR("/"))) prefix.len--;
    if (!is_bucket_name(s3->bucket)) {
        PF_FAIL(err, PF_INVALID, "'%.*s' is no name of a bucket; give s3://bucket/prefix", PF_STR_ARG(s3->bucket));
    }
    if (prefix.len) PF_TRY(pf_store_check_key(prefix, err));
    s3->prefix = prefix.len ? pf_arena_printf(s3->store.arena, "%.*s/", PF_STR_ARG(prefix)) : PF_STR_EMPTY;
    s3->store.url = pf_arena_printf(s3->store.arena, "s3://%.*s%s%.*s", PF_STR_ARG(s3->bucket), prefix.len ? "/" : "",
                                    PF_STR_ARG(prefix));
    return PF_OK;
}

/* Directory buckets are named base--zone--x-s3. */
static pf_str zone_of(pf_str bucket) {
    pf_str name = pf_str_slice(bucket, 0, bucket.len - PF_STR("--x-s3").len);
    for (size_t at = name.len; at >= 2; at--) {
        if (name.ptr[at - 1] == '-' && name.ptr[at - 2] == '-') return pf_str_slice(name, at, name.len);
    }
    return PF_STR_EMPTY;
}

/* ---- the endpoint ---- */

static pf_str default_endpoint(const struct s3_store *s3) {
    struct pf_arena *arena = s3->store.arena;
    const char *end = pf_str_starts_with(s3->options.region, PF_STR("cn-")) ? ".cn" : "";
    pf_str zone = s3->is_express ? zone_of(s3->bucket) : PF_STR_EMPTY;
    if (zone.len) {
        return pf_arena_printf(arena, "https://s3express-%.*s.%.*s.amazonaws.com%s", PF_STR_ARG(zone),
                               PF_STR_ARG(s3->options.region), end);
    }
    return pf_arena_printf(arena, "https://s3.%.*s.amazonaws.com%s", PF_STR_ARG(s3->options.region), end);
}

static enum pf_code set_endpoint(struct s3_store *s3, pf_str endpoint, bool is_given, struct pf_error *err) {
    struct pf_arena *arena = s3->store.arena;
    while (pf_str_ends_with(endpoint, PF_STR("/"))) endpoint.len--;
    s3->is_tls = pf_str_starts_with(endpoint, PF_STR("https://"));
    size_t host_at = s3->is_tls ? 8 : 7;
    bool is_good = s3->is_tls || pf_str_starts_with(endpoint, PF_STR("http://"));
    pf_str host = is_good ? pf_str_slice(endpoint, host_at, endpoint.len) : PF_STR_EMPTY;
    if (!host.len || pf_str_find_char(host, '/', 0) != SIZE_MAX || pf_str_find_char(host, '@', 0) != SIZE_MAX) {
        PF_FAIL(err, PF_INVALID, "'%.*s' is no endpoint; give https://host or http://host:port", PF_STR_ARG(endpoint));
    }
    enum pf_s3_addressing addressing = s3->options.addressing;
    if (addressing == PF_S3_AUTO) {
        /* A dot in the bucket's name is one label too many for the certificate of *.s3.region.amazonaws.com. */
        bool has_dot = pf_str_find_char(s3->bucket, '.', 0) != SIZE_MAX;
        addressing = is_given || has_dot ? PF_S3_PATH : PF_S3_VIRTUAL;
    }
    bool is_path = addressing == PF_S3_PATH;
    s3->host = is_path ? pf_arena_str(arena, host)
                       : pf_arena_printf(arena, "%.*s.%.*s", PF_STR_ARG(s3->bucket), PF_STR_ARG(host));
    s3->base_path = is_path ? pf_arena_printf(arena, "/%.*s", PF_STR_ARG(s3->bucket)) : PF_STR_EMPTY;
    s3->base_url = pf_arena_printf(arena, "%s%.*s", s3->is_tls ? "https://" : "http://", PF_STR_ARG(s3->host));
    /* Browsers and libcurl leave the scheme's own port out of Host; so must the signature. */
    pf_str port = s3->is_tls ? PF_STR(":443") : PF_STR(":80");
    if (pf_str_ends_with(s3->host, port)) s3->host.len -= port.len;
    return PF_OK;
}

static enum pf_code fill_in(struct s3_store *s3, const struct pf_s3_options *given, struct pf_error *err) {
    struct pf_arena *arena = s3->store.arena;
    struct pf_s3_options *options = &s3->options;
    *options = *given;
    pf_str ca_path = given->ca_path;
    struct pf_aws_chain_options chain = {.ca_path = ca_path.len ? pf_arena_cstr(arena, ca_path) : NULL};
    PF_TRY(pf_aws_chain_open(&chain, &s3->chain, err));
    options->region = given->region.len ? pf_arena_str(arena, given->region) : pf_aws_chain_region(s3->chain, arena);
    if (!options->region.len) options->region = PF_STR("us-east-1");
    pf_str endpoint = given->endpoint.len ? pf_arena_str(arena, given->endpoint) : PF_STR_EMPTY;
    if (!endpoint.len) endpoint = pf_aws_chain_setting(s3->chain, "AWS_ENDPOINT_URL_S3", NULL, arena);
    if (!endpoint.len) endpoint = pf_aws_chain_setting(s3->chain, "AWS_ENDPOINT_URL", "endpoint_url", arena);
    if (!ca_path.len) ca_path = pf_aws_chain_setting(s3->chain, "AWS_CA_BUNDLE", "ca_bundle", arena);
    if (options->in_flight <= 0) options->in_flight = DEFAULT_IN_FLIGHT;
    if (options->in_flight > MAX_IN_FLIGHT) options->in_flight = MAX_IN_FLIGHT;
    if (options->part_bytes <= 0) options->part_bytes = DEFAULT_PART_BYTES;
    if (options->timeout_ms <= 0) options->timeout_ms = DEFAULT_TIMEOUT_MS;
    s3->is_express = pf_str_ends_with(s3->bucket, PF_STR("--x-s3"));
    PF_TRY(set_endpoint(s3, endpoint.len ? endpoint : default_endpoint(s3), endpoint.len > 0, err));
    struct pf_http_client_options client = {.ca_path = ca_path.len ? pf_arena_cstr(arena, ca_path) : NULL};
    return pf_http_client_open(&client, &s3->client, err);
}

/* ---- the back end ---- */

static void s3_close(struct pf_store *store) {
    struct s3_store *s3 = s3_of(store);
    pf_http_client_close(s3->client);
    pf_aws_chain_close(s3->chain);
    pthread_mutex_destroy(&s3->locked.mutex);
    pf_arena_free(s3->locked.session_arena);
    pf_arena_free(store->arena);
}

static bool s3_key_of(const struct pf_store *store, pf_str uri, pf_str *out_key) {
    static const char *const schemes[] = {"s3://", "s3a://", "s3n://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        pf_str scheme = pf_str_from_cstr(schemes[i]), root = pf_str_slice(store->url, 5, store->url.len);
        if (!pf_str_starts_with(uri, scheme)) continue;
        pf_str rest = pf_str_slice(uri, scheme.len, uri.len);
        if (!pf_str_starts_with(rest, root) || rest.len <= root.len || rest.ptr[root.len] != '/') return false;
        *out_key = pf_str_slice(rest, root.len + 1, rest.len);
        return true;
    }
    return false;
}

static void s3_count(const struct pf_store *store, struct pf_store_counters *out_counters) {
    const struct s3_store *s3 = s3_of(store);
    *out_counters = (struct pf_store_counters){
        .requests = atomic_load(&s3->requests),
        .received_bytes = atomic_load(&s3->received_bytes),
        .sent_bytes = atomic_load(&s3->sent_bytes),
        .retries = atomic_load(&s3->retries),
        .throttled = atomic_load(&s3->throttled),
        .hedges = atomic_load(&s3->hedges),
        .hedges_won = atomic_load(&s3->hedges_won),
    };
}

static const struct store_backend BACKEND = {
    .scheme = "s3",
    .close = s3_close,
    .key_of = s3_key_of,
    .get = s3_get,
    .read_many = s3_read_many,
    .get_versioned = s3_get_versioned,
    .stat = s3_stat,
    .list = s3_list,
    .put = s3_put,
    .put_pieces = s3_put_pieces,
    .put_if = s3_put_if,
    .delete = s3_delete,
    .delete_if = s3_delete_if,
    .delete_many = s3_delete_many,
    .delete_prefix = s3_delete_prefix,
    .sweep = s3_sweep,
    .count = s3_count,
};

enum pf_code store_s3_open(pf_str url, const struct pf_store_options *options, struct pf_store **out_store,
                           struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "s3 store");
    struct s3_store *s3 = PF_ARENA_NEW(arena, struct s3_store);
    s3->store = (struct pf_store){.backend = &BACKEND, .arena = arena, .options = *options};
    s3->locked.pace = FIRST_PACE;
    pthread_mutex_init(&s3->locked.mutex, NULL);
    enum pf_code code = split_url(s3, url, err);
    if (code == PF_OK) code = fill_in(s3, &options->s3, err);
    if (code != PF_OK) {
        s3_close(&s3->store);
        return code;
    }
    *out_store = &s3->store;
    return PF_OK;
}
