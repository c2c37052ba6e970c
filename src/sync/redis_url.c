/* SPDX-License-Identifier: MIT */
#include "sync/redis_url.h"

#include <arpa/inet.h>
#include <string.h>

enum { DEFAULT_PORT = 6379 };

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool unescape(pf_str text, struct pf_arena *arena, char **out_text) {
    char *plain = pf_arena_alloc(arena, text.len + 1);
    size_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 1 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == 0) return false;
        plain[length++] = c;
    }
    plain[length] = 0;
    *out_text = plain;
    return true;
}

static bool parse_number(pf_str text, int max, int *out_number) {
    int64_t number = -1;
    if (!pf_str_to_i64(text, &number) || number < 0 || number > max) return false;
    *out_number = (int)number;
    return true;
}

static bool parse_user(pf_str text, struct pf_arena *arena, struct redis_url *url) {
    size_t colon = pf_str_find_char(text, ':', 0);
    pf_str user = pf_str_slice(text, 0, colon);
    if (user.len && !unescape(user, arena, &url->user)) return false;
    return colon == SIZE_MAX || unescape(pf_str_slice(text, colon + 1, text.len), arena, &url->password);
}

static bool parse_host(pf_str text, struct pf_arena *arena, struct redis_url *url) {
    pf_str host, port = PF_STR_EMPTY;
    if (pf_str_starts_with(text, PF_STR("["))) {
        size_t bracket = pf_str_find_char(text, ']', 0);
        if (bracket == SIZE_MAX) return false;
        host = pf_str_slice(text, 1, bracket);
        port = pf_str_slice(text, bracket + 1, text.len);
        if (port.len && port.ptr[0] != ':') return false;
        port = pf_str_slice(port, 1, port.len);
    } else {
        size_t colon = pf_str_find_char(text, ':', 0);
        host = pf_str_slice(text, 0, colon);
        if (colon != SIZE_MAX) port = pf_str_slice(text, colon + 1, text.len);
    }
    url->port = DEFAULT_PORT;
    if (port.len && !parse_number(port, 65535, &url->port)) return false;
    return host.len > 0 && unescape(host, arena, &url->host);
}

static bool parse_tcp(pf_str rest, struct pf_arena *arena, struct redis_url *url) {
    size_t slash = pf_str_find_char(rest, '/', 0);
    pf_str authority = pf_str_slice(rest, 0, slash);
    pf_str database = slash == SIZE_MAX ? PF_STR_EMPTY : pf_str_slice(rest, slash + 1, rest.len);
    if (database.len && !parse_number(database, 100000, &url->database)) return false;
    size_t at = SIZE_MAX;
    for (size_t i = 0; i < authority.len; i++) {
        if (authority.ptr[i] == '@') at = i;
    }
    if (at != SIZE_MAX) {
        if (!parse_user(pf_str_slice(authority, 0, at), arena, url)) return false;
        authority = pf_str_slice(authority, at + 1, authority.len);
    }
    url->label = pf_arena_printf(arena, "%s%.*s%s%.*s", url->has_tls ? "rediss://" : "redis://", PF_STR_ARG(authority),
                                 database.len ? "/" : "", PF_STR_ARG(database));
    return parse_host(authority, arena, url);
}

static bool parse_unix(pf_str rest, struct pf_arena *arena, struct redis_url *url) {
    size_t question = pf_str_find_char(rest, '?', 0);
    pf_str path = pf_str_slice(rest, 0, question);
    if (question != SIZE_MAX) {
        pf_str query = pf_str_slice(rest, question + 1, rest.len);
        if (!pf_str_starts_with(query, PF_STR("db=")) ||
            !parse_number(pf_str_slice(query, 3, query.len), 100000, &url->database)) {
            return false;
        }
    }
    url->label = pf_arena_printf(arena, "unix://%.*s", PF_STR_ARG(path));
    return path.len > 1 && path.ptr[0] == '/' && unescape(path, arena, &url->unix_path);
}

enum pf_code redis_url_parse(pf_str text, struct pf_arena *arena, struct redis_url *out_url, struct pf_error *err) {
    static const pf_str redis = {"redis://", 8}, rediss = {"rediss://", 9}, local = {"unix://", 7};
    struct redis_url url = {.has_tls = pf_str_starts_with(text, rediss)};
    bool is_fine = false;
    if (pf_str_starts_with(text, local)) {
        is_fine = parse_unix(pf_str_slice(text, local.len, text.len), arena, &url);
    } else if (url.has_tls || pf_str_starts_with(text, redis)) {
        is_fine = parse_tcp(pf_str_slice(text, url.has_tls ? rediss.len : redis.len, text.len), arena, &url);
    }
    if (!is_fine) {
        /* The text may hold a password, so it is not repeated. */
        PF_FAIL(err, PF_INVALID,
                "the Redis URL can't be read: write redis://[[user]:password@]host[:port][/db], rediss://… for TLS, or "
                "unix:///path.sock[?db=n]");
    }
    *out_url = url;
    return PF_OK;
}

static bool is_this_host(const char *host) {
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) == 1) return ntohl(address.s_addr) >> 24 == 127;
    return pf_str_equal_nocase(pf_str_from_cstr(host), PF_STR("localhost")) || strcmp(host, "::1") == 0;
}

/* Statements and rows go over this connection, and who reaches the server can make workers do anything. */
enum pf_code redis_url_check_safety(const struct redis_url *url, bool is_allowed, struct pf_error *err) {
    if (is_allowed || url->unix_path || is_this_host(url->host) || (url->has_tls && url->password)) return PF_OK;
    PF_FAIL(err, PF_DENIED,
            "%.*s is on another host and has no %s: use rediss://user:password@host, or say --redis-allow-insecure if "
            "nobody else is on that network",
            PF_STR_ARG(url->label),
            url->has_tls    ? "password"
            : url->password ? "TLS"
                            : "TLS and no password");
}
