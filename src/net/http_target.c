/* SPDX-License-Identifier: MIT */
/* Request targets and query strings: RFC 3986 escapes, and '+' for a blank in queries as forms write it. Pure. */
#include "net/net.h"

enum { MAX_PARAMETERS = 1000 };

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static enum pf_code decode(pf_str text, bool plus_is_blank, struct pf_arena *arena, pf_str *out_text,
                           struct pf_error *err) {
    char *decoded = pf_arena_alloc(arena, text.len + 1);
    size_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if ((unsigned char)c < 0x20 || c == 0x7f) PF_FAIL(err, PF_INVALID, "control byte in a URL");
        if (c == '+' && plus_is_blank) c = ' ';
        if (c == '%') {
            int high = i + 1 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) PF_FAIL(err, PF_INVALID, "'%%' without two hexadecimal digits in a URL");
            c = (char)(high * 16 + low);
            if (c == 0) PF_FAIL(err, PF_INVALID, "encoded zero byte in a URL");
            i += 2;
        }
        decoded[length++] = c;
    }
    *out_text = pf_str_from(decoded, length);
    return PF_OK;
}

enum pf_code pf_http_parse_query(pf_str text, struct pf_arena *arena, struct pf_http_fields *out_query,
                                 struct pf_error *err) {
    struct pf_http_fields query = {0};
    pf_str pair;
    while (pf_str_next(&text, '&', &pair)) {
        if (pair.len == 0) continue;
        if (query.count == MAX_PARAMETERS) PF_FAIL(err, PF_INVALID, "more than %d parameters in a URL", MAX_PARAMETERS);
        size_t equals = pf_str_find_char(pair, '=', 0);
        pf_str name, value = PF_STR("");
        PF_TRY(decode(pf_str_slice(pair, 0, equals), true, arena, &name, err));
        if (equals < pair.len) PF_TRY(decode(pf_str_slice(pair, equals + 1, pair.len), true, arena, &value, err));
        pf_http_fields_add(&query, arena, name, value);
    }
    *out_query = query;
    return PF_OK;
}

/* "http://host/path" is allowed in a request line (RFC 9112 section 3.2.2): only what follows the host counts. */
static pf_str strip_authority(pf_str target) {
    if (!pf_str_starts_with(target, PF_STR("http://")) && !pf_str_starts_with(target, PF_STR("https://")))
        return target;
    size_t host = pf_str_find(target, PF_STR("://"), 0) + 3;
    for (size_t i = host; i < target.len; i++) {
        if (target.ptr[i] == '/' || target.ptr[i] == '?') return pf_str_slice(target, i, target.len);
    }
    return PF_STR("/");
}

enum pf_code pf_http_parse_target(pf_str target, struct pf_arena *arena, pf_str *out_path,
                                  struct pf_http_fields *out_query, struct pf_error *err) {
    target = strip_authority(target);
    target = pf_str_slice(target, 0, pf_str_find_char(target, '#', 0));
    size_t question = pf_str_find_char(target, '?', 0);
    pf_str raw_path = pf_str_slice(target, 0, question), path;
    if (raw_path.len == 0 && question == 0) raw_path = PF_STR("/");
    PF_TRY(decode(raw_path, false, arena, &path, err));
    if (!pf_str_starts_with(path, PF_STR("/")) && !pf_str_equal(path, PF_STR("*"))) {
        PF_FAIL(err, PF_INVALID, "the request target must start with '/'");
    }
    struct pf_http_fields query = {0};
    if (question < target.len) {
        PF_TRY(pf_http_parse_query(pf_str_slice(target, question + 1, target.len), arena, &query, err));
    }
    *out_path = path;
    *out_query = query;
    return PF_OK;
}

static bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

pf_str pf_http_encode(struct pf_arena *arena, pf_str text, bool keep_slash) {
    static const char digits[] = "0123456789ABCDEF";
    char *encoded = pf_arena_alloc(arena, text.len * 3 + 1);
    size_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_unreserved(c) || (c == '/' && keep_slash)) {
            encoded[length++] = c;
        } else {
            encoded[length++] = '%';
            encoded[length++] = digits[(unsigned char)c >> 4];
            encoded[length++] = digits[(unsigned char)c & 15];
        }
    }
    return pf_str_from(encoded, length);
}
