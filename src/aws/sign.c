/* SPDX-License-Identifier: MIT */
/* Signature Version 4: canonical request -> string to sign -> signature, each step a function over bytes. */
#include "aws/aws.h"

#include <ctype.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

enum { HASH_BYTES = SHA256_DIGEST_LENGTH, MAX_CANONICAL_BYTES = 1 << 20, DATE_BYTES = 8, TIME_BYTES = 16 };

/* ---- hashes ---- */

static void to_hex(const unsigned char *bytes, size_t count, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * count] = 0;
}

static void hash_hex(pf_str bytes, char out[PF_AWS_SIGNATURE_BYTES + 1]) {
    unsigned char hash[HASH_BYTES];
    SHA256((const unsigned char *)(bytes.len ? bytes.ptr : ""), bytes.len, hash);
    to_hex(hash, HASH_BYTES, out);
}

pf_str pf_aws_hash(pf_str bytes, struct pf_arena *arena) {
    char hex[PF_AWS_SIGNATURE_BYTES + 1];
    hash_hex(bytes, hex);
    return pf_arena_str(arena, pf_str_from(hex, PF_AWS_SIGNATURE_BYTES));
}

static void keyed_hash(const void *key, size_t key_bytes, pf_str text, unsigned char out[HASH_BYTES]) {
    unsigned int size = HASH_BYTES;
    HMAC(EVP_sha256(), key, (int)key_bytes, (const unsigned char *)text.ptr, text.len, out, &size);
}

/* ---- scope and key ---- */

struct scope {
    char time[TIME_BYTES + 1]; /* 20260131T123456Z */
    pf_str text;               /* 20260131/us-east-1/s3/aws4_request */
};

static struct scope make_scope(const struct pf_aws_signing *signing, struct pf_arena *arena) {
    struct scope scope;
    struct tm fields;
    time_t seconds = (time_t)(signing->time_ms / 1000);
    gmtime_r(&seconds, &fields);
    strftime(scope.time, sizeof scope.time, "%Y%m%dT%H%M%SZ", &fields);
    scope.text = pf_arena_printf(arena, "%.*s/%.*s/%.*s/aws4_request", DATE_BYTES, scope.time,
                                 PF_STR_ARG(signing->region), PF_STR_ARG(signing->service));
    return scope;
}

static void derive(const struct pf_aws_signing *signing, const struct scope *scope, struct pf_arena *arena,
                   unsigned char key[HASH_BYTES]) {
    pf_str start = pf_arena_printf(arena, "AWS4%.*s", PF_STR_ARG(signing->keys->secret_access_key));
    keyed_hash(start.ptr, start.len, pf_str_from(scope->time, DATE_BYTES), key);
    keyed_hash(key, HASH_BYTES, signing->region, key);
    keyed_hash(key, HASH_BYTES, signing->service, key);
    keyed_hash(key, HASH_BYTES, PF_STR("aws4_request"), key);
}

static void get_key(const struct pf_aws_signing *signing, const struct scope *scope, struct pf_arena *arena,
                    unsigned char key[HASH_BYTES]) {
    struct pf_aws_signing_key *kept = signing->key;
    pf_str secret = signing->keys->secret_access_key;
    bool fits = kept && scope->text.len < sizeof kept->scope && secret.len < sizeof kept->secret;
    if (fits && pf_str_equal(pf_str_from_cstr(kept->scope), scope->text) &&
        pf_str_equal(pf_str_from_cstr(kept->secret), secret)) {
        memcpy(key, kept->key, HASH_BYTES);
        return;
    }
    derive(signing, scope, arena, key);
    if (!fits) return;
    memcpy(kept->scope, scope->text.ptr, scope->text.len);
    kept->scope[scope->text.len] = 0;
    memcpy(kept->secret, secret.ptr, secret.len);
    kept->secret[secret.len] = 0;
    memcpy(kept->key, key, HASH_BYTES);
}

/* ---- canonical request ---- */

/* "/a/./b//../c" is "/a/c": services other than S3. */
static pf_str normalize_path(pf_str path, struct pf_arena *arena) {
    pf_str *parts = PF_ARENA_ARRAY(arena, pf_str, path.len + 1);
    size_t count = 0;
    pf_str rest = path, part, last = PF_STR_EMPTY;
    while (pf_str_next(&rest, '/', &part)) {
        last = part;
        if (!part.len || pf_str_equal(part, PF_STR("."))) continue;
        if (!pf_str_equal(part, PF_STR(".."))) {
            parts[count++] = part;
        } else if (count) {
            count--;
        }
    }
    bool is_folder =
        pf_str_ends_with(path, PF_STR("/")) || pf_str_equal(last, PF_STR(".")) || pf_str_equal(last, PF_STR(".."));
    pf_str joined = PF_STR("");
    for (size_t i = 0; i < count; i++) {
        joined = pf_arena_printf(arena, "%.*s/%.*s", PF_STR_ARG(joined), PF_STR_ARG(parts[i]));
    }
    return is_folder || !count ? pf_arena_printf(arena, "%.*s/", PF_STR_ARG(joined)) : joined;
}

static int compare_fields(const void *left, const void *right) {
    const struct pf_http_field *a = left, *b = right;
    int order = pf_str_compare(a->name, b->name);
    return order ? order : pf_str_compare(a->value, b->value);
}

static pf_str print_query(const struct pf_http_field *query, size_t count, struct pf_arena *arena) {
    struct pf_http_field *sorted = PF_ARENA_ARRAY(arena, struct pf_http_field, count);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = (struct pf_http_field){pf_http_encode(arena, query[i].name, false),
                                           pf_http_encode(arena, query[i].value, false)};
    }
    if (count) qsort(sorted, count, sizeof *sorted, compare_fields);
    struct pf_buf buf;
    pf_buf_init(&buf, MAX_CANONICAL_BYTES);
    for (size_t i = 0; i < count; i++) {
        pf_buf_printf(&buf, "%s%.*s=%.*s", i ? "&" : "", PF_STR_ARG(sorted[i].name), PF_STR_ARG(sorted[i].value));
    }
    pf_str text = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return text;
}

/* Runs of blanks are one blank. */
static pf_str fold_blanks(pf_str value, struct pf_arena *arena) {
    char *folded = pf_arena_alloc(arena, value.len + 1);
    size_t length = 0;
    value = pf_str_trim(value);
    for (size_t i = 0; i < value.len; i++) {
        bool is_blank = isspace((unsigned char)value.ptr[i]) != 0;
        if (is_blank && length && folded[length - 1] == ' ') continue;
        folded[length++] = is_blank ? ' ' : value.ptr[i];
    }
    return pf_str_from(folded, length);
}

struct sortable {
    pf_str name, value;
    size_t position; /* of equal names the values stay in order */
};

static int compare_sortable(const void *left, const void *right) {
    const struct sortable *a = left, *b = right;
    int order = pf_str_compare(a->name, b->name);
    return order ? order : (a->position > b->position) - (a->position < b->position);
}

/* Both lists of the canonical request: the headers, and their names. */
static void print_headers(const struct pf_http_fields *headers, struct pf_arena *arena, pf_str *out_headers,
                          pf_str *out_names) {
    struct sortable *sorted = PF_ARENA_ARRAY(arena, struct sortable, headers->count);
    for (size_t i = 0; i < headers->count; i++) {
        char *lower = pf_arena_cstr(arena, headers->items[i].name);
        for (char *c = lower; *c; c++) *c = (char)tolower((unsigned char)*c);
        sorted[i] = (struct sortable){pf_str_from_cstr(lower), fold_blanks(headers->items[i].value, arena), i};
    }
    if (headers->count) qsort(sorted, headers->count, sizeof *sorted, compare_sortable);
    struct pf_buf lines, names;
    pf_buf_init(&lines, MAX_CANONICAL_BYTES);
    pf_buf_init(&names, MAX_CANONICAL_BYTES);
    for (size_t i = 0; i < headers->count; i++) {
        bool is_same = i && pf_str_equal(sorted[i].name, sorted[i - 1].name);
        if (is_same) {
            lines.len--; /* the line's end: one more value */
            pf_buf_printf(&lines, ",%.*s\n", PF_STR_ARG(sorted[i].value));
        } else {
            pf_buf_printf(&lines, "%.*s:%.*s\n", PF_STR_ARG(sorted[i].name), PF_STR_ARG(sorted[i].value));
            pf_buf_printf(&names, "%s%.*s", i ? ";" : "", PF_STR_ARG(sorted[i].name));
        }
    }
    *out_headers = pf_arena_str(arena, pf_buf_view(&lines));
    *out_names = pf_arena_str(arena, pf_buf_view(&names));
    pf_buf_clear(&lines);
    pf_buf_clear(&names);
}

struct canonical {
    pf_str path, query, names;
    char hash[PF_AWS_SIGNATURE_BYTES + 1];
};

static struct canonical canonicalize(const struct pf_aws_signing *signing, const struct pf_http_fields *headers,
                                     const struct pf_http_fields *query, struct pf_arena *arena) {
    struct canonical canonical = {0};
    pf_str lines, method = signing->method.len ? signing->method : PF_STR("GET");
    pf_str path = signing->is_s3 ? signing->path : normalize_path(signing->path, arena);
    canonical.path = pf_http_encode(arena, path, true);
    canonical.query = print_query(query->items, query->count, arena);
    print_headers(headers, arena, &lines, &canonical.names);
    pf_str signed_path = signing->is_path_encoded_twice ? pf_http_encode(arena, canonical.path, true) : canonical.path;
    pf_str text = pf_arena_printf(arena, "%.*s\n%.*s\n%.*s\n%.*s\n%.*s\n%.*s", PF_STR_ARG(method),
                                  PF_STR_ARG(signed_path), PF_STR_ARG(canonical.query), PF_STR_ARG(lines),
                                  PF_STR_ARG(canonical.names), PF_STR_ARG(signing->payload_hash));
    hash_hex(text, canonical.hash);
    return canonical;
}

/* ---- signatures ---- */

static void sign_text(const struct pf_aws_signing *signing, const struct scope *scope, pf_str text,
                      struct pf_arena *arena, char out_signature[PF_AWS_SIGNATURE_BYTES + 1]) {
    unsigned char key[HASH_BYTES], signature[HASH_BYTES];
    get_key(signing, scope, arena, key);
    keyed_hash(key, sizeof key, text, signature);
    to_hex(signature, sizeof signature, out_signature);
}

static void sign_canonical(const struct pf_aws_signing *signing, const struct scope *scope,
                           const struct canonical *canonical, struct pf_arena *arena, struct pf_aws_signed *out) {
    pf_str text =
        pf_arena_printf(arena, ALGORITHM "\n%s\n%.*s\n%s", scope->time, PF_STR_ARG(scope->text), canonical->hash);
    sign_text(signing, scope, text, arena, out->signature);
}

static void add_all(struct pf_http_fields *fields, const struct pf_http_field *items, size_t count,
                    struct pf_arena *arena) {
    for (size_t i = 0; i < count; i++) pf_http_fields_add(fields, arena, items[i].name, items[i].value);
}

static pf_str join_target(const struct canonical *canonical, struct pf_arena *arena) {
    if (!canonical->query.len) return canonical->path;
    return pf_arena_printf(arena, "%.*s?%.*s", PF_STR_ARG(canonical->path), PF_STR_ARG(canonical->query));
}

void pf_aws_sign(const struct pf_aws_signing *signing, struct pf_arena *arena, struct pf_aws_signed *out_signed) {
    struct pf_aws_signed result = {0};
    struct scope scope = make_scope(signing, arena);
    const struct pf_aws_keys *keys = signing->keys;
    const char *token_header = signing->token_header ? signing->token_header : "X-Amz-Security-Token";
    pf_http_fields_add(&result.headers, arena, PF_STR("X-Amz-Date"), pf_arena_str(arena, pf_str_from_cstr(scope.time)));
    if (signing->is_s3) {
        pf_http_fields_add(&result.headers, arena, PF_STR("X-Amz-Content-Sha256"), signing->payload_hash);
    }
    if (keys->session_token.len) {
        pf_http_fields_add(&result.headers, arena, pf_str_from_cstr(token_header), keys->session_token);
    }
    struct pf_http_fields headers = {0}, query = {0};
    add_all(&headers, signing->headers, signing->header_count, arena);
    add_all(&headers, result.headers.items, result.headers.count, arena);
    add_all(&query, signing->query, signing->query_count, arena);
    struct canonical canonical = canonicalize(signing, &headers, &query, arena);
    sign_canonical(signing, &scope, &canonical, arena, &result);
    pf_str authorization = pf_arena_printf(arena, ALGORITHM " Credential=%.*s/%.*s, SignedHeaders=%.*s, Signature=%s",
                                           PF_STR_ARG(keys->access_key_id), PF_STR_ARG(scope.text),
                                           PF_STR_ARG(canonical.names), result.signature);
    pf_http_fields_add(&result.headers, arena, PF_STR("Authorization"), authorization);
    result.target = join_target(&canonical, arena);
    *out_signed = result;
}

void pf_aws_presign(const struct pf_aws_signing *signing, int64_t valid_s, struct pf_arena *arena,
                    struct pf_aws_signed *out_signed) {
    struct pf_aws_signed result = {0};
    struct scope scope = make_scope(signing, arena);
    const struct pf_aws_keys *keys = signing->keys;
    struct pf_http_fields headers = {0}, query = {0};
    pf_str lines, names;
    add_all(&headers, signing->headers, signing->header_count, arena);
    add_all(&query, signing->query, signing->query_count, arena);
    print_headers(&headers, arena, &lines, &names);
    pf_http_fields_add(&query, arena, PF_STR("X-Amz-Algorithm"), PF_STR(ALGORITHM));
    pf_http_fields_add(&query, arena, PF_STR("X-Amz-Credential"),
                       pf_arena_printf(arena, "%.*s/%.*s", PF_STR_ARG(keys->access_key_id), PF_STR_ARG(scope.text)));
    pf_http_fields_add(&query, arena, PF_STR("X-Amz-Date"), pf_arena_str(arena, pf_str_from_cstr(scope.time)));
    pf_http_fields_add(&query, arena, PF_STR("X-Amz-Expires"), pf_arena_printf(arena, "%lld", (long long)valid_s));
    pf_http_fields_add(&query, arena, PF_STR("X-Amz-SignedHeaders"), names);
    if (keys->session_token.len) {
        pf_http_fields_add(&query, arena, PF_STR("X-Amz-Security-Token"), keys->session_token);
    }
    struct canonical canonical = canonicalize(signing, &headers, &query, arena);
    sign_canonical(signing, &scope, &canonical, arena, &result);
    result.target =
        pf_arena_printf(arena, "%.*s&X-Amz-Signature=%s", PF_STR_ARG(join_target(&canonical, arena)), result.signature);
    *out_signed = result;
}

void pf_aws_sign_chunk(const struct pf_aws_signing *signing, const char previous[PF_AWS_SIGNATURE_BYTES], pf_str chunk,
                       char out_signature[PF_AWS_SIGNATURE_BYTES + 1]) {
    struct pf_arena *arena = pf_arena_new(NULL, "sign chunk");
    struct scope scope = make_scope(signing, arena);
    pf_str text = pf_arena_printf(arena, ALGORITHM "-PAYLOAD\n%s\n%.*s\n%.*s\n%.*s\n%.*s", scope.time,
                                  PF_STR_ARG(scope.text), PF_AWS_SIGNATURE_BYTES, previous,
                                  PF_STR_ARG(pf_aws_hash(PF_STR_EMPTY, arena)), PF_STR_ARG(pf_aws_hash(chunk, arena)));
    sign_text(signing, &scope, text, arena, out_signature);
    pf_arena_free(arena);
}
