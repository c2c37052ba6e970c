/* SPDX-License-Identifier: MIT */
/* Everything that must be right before a Redis is of use, in the order in which it goes wrong. */
#include "base/id.h"
#include "sync/redis_tls.h"
#include "sync/topology.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PINGS = 21, FAR_US = 5000, SOCKET_MS = 2000 };

static void broken(struct pf_sync_diagnosis *out, pf_str text, const char *mend) {
    *out = (struct pf_sync_diagnosis){PF_SYNC_BROKEN, text, pf_str_from_cstr(mend)};
}

static void broken_by(struct pf_sync_diagnosis *out, const struct pf_error *err, const char *mend,
                      struct pf_arena *arena) {
    broken(out, pf_arena_str(arena, pf_str_from_cstr(err->message)), mend);
}

/* --- the way there --- */

static struct addrinfo *resolve(const struct redis_url *url, struct pf_arena *arena, struct pf_sync_diagnosis *out) {
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char port[16];
    snprintf(port, sizeof port, "%d", url->port);
    int status = getaddrinfo(url->host, port, &wanted, &found);
    if (status == 0) return found;
    broken(out, pf_arena_printf(arena, "name resolution: %s: %s", url->host, gai_strerror(status)),
           "correct the host in --redis-url, or look at /etc/resolv.conf (in a VPC: its DNS settings)");
    return NULL;
}

static pf_str address_text(const struct addrinfo *address, struct pf_arena *arena) {
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return PF_STR("?");
    }
    return pf_arena_printf(arena, "%s:%s", host, port);
}

/* A connected, blocking socket with a limit on each call; -1 with errno. */
static int connect_to(const struct addrinfo *address, int64_t limit_ms) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), failure = 0;
    if (fd < 0) return -1;
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        socklen_t size = sizeof failure;
        failure = errno;
        if (failure == EINPROGRESS) failure = poll(&wait, 1, (int)limit_ms) == 1 ? 0 : ETIMEDOUT;
        if (failure == 0) getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    }
    if (failure) {
        close(fd);
        errno = failure;
        return -1;
    }
    struct timeval limit = {.tv_sec = SOCKET_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

static int connect_to_any(const struct redis_url *url, int64_t limit_ms, struct pf_arena *arena,
                          struct pf_sync_diagnosis *out) {
    struct addrinfo *found = resolve(url, arena, out);
    pf_str tried = PF_STR_EMPTY;
    int fd = -1;
    for (struct addrinfo *each = found; each && fd < 0; each = each->ai_next) {
        fd = connect_to(each, limit_ms);
        if (fd >= 0) break;
        tried = pf_arena_printf(arena, "%.*s%s%.*s: %s", PF_STR_ARG(tried), tried.len ? "; " : "",
                                PF_STR_ARG(address_text(each, arena)), strerror(errno));
    }
    if (found && fd < 0) {
        broken(out, pf_arena_printf(arena, "TCP: %s is %.*s", url->host, PF_STR_ARG(tried)),
               "start Redis there, correct the port, or open it to this machine (security group, firewall)");
    }
    if (found) freeaddrinfo(found);
    return fd;
}

static bool check_way(const struct redis_url *url, const struct pf_sync_options *options, struct pf_arena *arena,
                      struct pf_sync_diagnosis *out) {
    struct pf_error err;
    if (url->unix_path) return true;
    int fd = connect_to_any(url, options->connect_ms > 0 ? options->connect_ms : SOCKET_MS, arena, out);
    if (fd < 0) return false;
    pf_str wrong = PF_STR_EMPTY;
    struct ssl_ctx_st *tls = NULL;
    if (url->has_tls && redis_tls_open(options->ca_path, &tls, &err) != PF_OK) {
        broken_by(out, &err, "name a file of certificates (PEM) with --redis-ca", arena);
        close(fd);
        return false;
    }
    if (tls) wrong = redis_tls_explain(tls, url->host, fd, arena);
    redis_tls_close(tls);
    close(fd);
    if (wrong.len == 0) return true;
    broken(out, pf_arena_printf(arena, "TLS: %.*s: %.*s", PF_STR_ARG(url->label), PF_STR_ARG(wrong)),
           "give the certificate of its issuer with --redis-ca, and in --redis-url the name that the certificate is "
           "for; without TLS it is redis://");
    return false;
}

/* --- rights --- */

/* One command of each kind that we need, on a key of our own. */
static const char *const probes[] = {
    "SET %k 1 PX 1000",   "GET %k",
    "GETRANGE %k 0 0",    "UNLINK %k",
    "HSET %k a 1",        "HGET %k a",
    "UNLINK %k",          "SADD %k a",
    "SMEMBERS %k",        "UNLINK %k",
    "RPUSH %k a",         "LMOVE %k %k LEFT RIGHT",
    "BLPOP %k 1",         "ZADD %k 1 a",
    "ZRANGE %k 0 -1",     "UNLINK %k",
    "XADD %k * a 1",      "XREAD COUNT 1 STREAMS %k 0",
    "XRANGE %k - +",      "XTRIM %k MINID = 1-1",
    "PEXPIRE %k 1000",    "UNLINK %k",
    "SCRIPT LOAD return", "TIME",
    "INFO memory",
};

static struct node *node_of_probe(struct pf_sync *sync, pf_str key) {
    struct node *node = topology_find(sync, slot_of_key(key));
    return node ? node : sync->home;
}

/* The reply; its caller frees it. */
static valkeyReply *probe(struct pf_sync *sync, const char *text, pf_str key, struct pf_error *err) {
    pf_str words[8], rest = pf_str_from_cstr(text), word;
    size_t count = 0;
    valkeyReply *reply = NULL;
    while (count < 8 && rest.len && pf_str_next(&rest, ' ', &word)) {
        words[count++] = pf_str_equal(word, PF_STR("%k")) ? key : pf_arena_str(sync->arena, word);
    }
    enum pf_code code = node_ask(node_of_probe(sync, key), words, count, sync->command_ms, &reply, err);
    return code == PF_OK ? reply : NULL;
}

static bool check_rights(struct pf_sync *sync, struct pf_arena *arena, struct pf_sync_diagnosis *out) {
    struct pf_error err = {0};
    pf_str denied = PF_STR_EMPTY;
    pf_str key =
        pf_arena_printf(arena, "%.*s:{doctor-%.*s}:k", PF_STR_ARG(sync->prefix), PF_STR_ARG(pf_id_ulid(arena)));
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        valkeyReply *reply = probe(sync, probes[i], key, &err);
        if (!reply) {
            broken_by(out, &err, "see the log of that server", arena);
            return false;
        }
        pf_str text = reply_text(reply), name, rest = pf_str_from_cstr(probes[i]);
        pf_str_next(&rest, ' ', &name);
        bool is_error = reply->type == VALKEY_REPLY_ERROR;
        bool is_denied = is_error && pf_str_starts_with(text, PF_STR("NOPERM"));
        if (is_denied && pf_str_find(text, PF_STR("key"), 0) != SIZE_MAX) {
            broken(out,
                   pf_arena_printf(arena, "rights: the user may not touch keys that begin with %.*s: %.*s",
                                   PF_STR_ARG(sync->prefix), PF_STR_ARG(text)),
                   "ACL SETUSER … ~PREFIX:*, or another --redis-prefix");
            freeReplyObject(reply);
            return false;
        }
        bool is_known = pf_str_find(denied, name, 0) != SIZE_MAX;
        if (is_denied && !is_known) {
            denied = pf_arena_printf(arena, "%.*s%s%.*s", PF_STR_ARG(denied), denied.len ? ", " : "", PF_STR_ARG(name));
        } else if (is_error && !is_denied) {
            reply_fail(text, sync->url.label, probes[i], &err);
            broken_by(out, &err, "see the log of that server", arena);
            freeReplyObject(reply);
            return false;
        }
        freeReplyObject(reply);
    }
    if (denied.len == 0) return true;
    broken(out,
           pf_arena_printf(arena, "rights: the user %s may not run %.*s", sync->url.user ? sync->url.user : "default",
                           PF_STR_ARG(denied)),
           "give it the rights that docs/redis.md lists (ACL SETUSER)");
    return false;
}

/* --- the cluster and its memory --- */

/* "name:value" of a line of INFO. */
static pf_str info_value(pf_str info, const char *name) {
    size_t at = pf_str_find(info, pf_str_from_cstr(name), 0);
    if (at == SIZE_MAX) return PF_STR_EMPTY;
    pf_str rest = pf_str_slice(info, at + strlen(name), info.len), value;
    return pf_str_next(&rest, '\r', &value) ? value : rest;
}

static bool check_memory(const struct node *node, pf_str info, struct pf_arena *arena, struct pf_sync_diagnosis *out) {
    int64_t used = 0, max = 0;
    pf_str policy = info_value(info, "maxmemory_policy:");
    pf_str_to_i64(info_value(info, "used_memory:"), &used);
    pf_str_to_i64(info_value(info, "maxmemory:"), &max);
    if (policy.len && !pf_str_equal(policy, PF_STR("noeviction"))) {
        out->health = PF_SYNC_POOR;
        out->text = pf_arena_printf(arena, "%.*s: maxmemory-policy %.*s: when it is full, keys of running queries go",
                                    PF_STR_ARG(node->label), PF_STR_ARG(policy));
        out->mend =
            PF_STR("CONFIG SET maxmemory-policy noeviction, or the parameter group's; queries fail clearly then");
        return false;
    }
    if (max > 0 && used > max / 10 * 9) {
        out->health = PF_SYNC_POOR;
        out->text = pf_arena_printf(arena, "%.*s: %lld of %lld MB are in use", PF_STR_ARG(node->label),
                                    (long long)(used >> 20), (long long)(max >> 20));
        out->mend = PF_STR("give it more memory (maxmemory)");
        return false;
    }
    return true;
}

static bool check_nodes(struct pf_sync *sync, struct pf_arena *arena, int *out_count, struct pf_sync_diagnosis *out) {
    struct pf_error err;
    struct node *seen[MAX_NODES];
    int missing = 0, count = 0;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        struct node *node = topology_find(sync, sync->is_cluster ? slot : NO_SLOT);
        int i = 0;
        while (i < count && seen[i] != node) i++;
        missing += node == NULL;
        if (node && i == count) seen[count++] = node;
    }
    if (missing) {
        broken(out, pf_arena_printf(arena, "cluster: %d of %d hash slots have no node", missing, (int)SLOT_COUNT),
               "redis-cli --cluster check HOST:PORT, then --cluster fix");
        return false;
    }
    for (int i = 0; i < count; i++) {
        valkeyReply *reply = NULL;
        pf_str words[] = {PF_STR("INFO"), PF_STR("memory")};
        if (node_ask(seen[i], words, 2, sync->command_ms, &reply, &err) != PF_OK) {
            broken_by(out, &err,
                      "each node of the cluster must be reached from here, by the name or address that "
                      "CLUSTER SLOTS gives",
                      arena);
            return false;
        }
        bool is_fine = check_memory(seen[i], reply_text(reply), arena, out);
        freeReplyObject(reply);
        if (!is_fine) return false;
    }
    *out_count = count;
    return true;
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t median_ping_us(struct pf_sync *sync) {
    int64_t times[PINGS];
    for (int i = 0; i < PINGS; i++) {
        int64_t before_ns = pf_clock_mono_ns();
        struct pf_error ignored;
        if (pf_sync_ping(sync, &ignored) != PF_OK) return -1;
        times[i] = (pf_clock_mono_ns() - before_ns) / 1000;
    }
    qsort(times, PINGS, sizeof *times, by_number);
    return times[PINGS / 2];
}

static pf_str version_of(struct pf_sync *sync, struct pf_arena *arena) {
    valkeyReply *reply = NULL;
    pf_str words[] = {PF_STR("INFO"), PF_STR("server")};
    if (node_ask(sync->home, words, 2, sync->command_ms, &reply, NULL) != PF_OK) return PF_STR("?");
    pf_str version = pf_arena_str(arena, info_value(reply_text(reply), "redis_version:"));
    freeReplyObject(reply);
    return version;
}

static const char *mend_of(enum pf_code code) {
    switch (code) {
    case PF_DENIED:
        return "correct user and password in --redis-url (%3A for a colon in them, %40 for @), or the user's ACL";
    case PF_UNSUPPORTED: return "take Redis 6.2 or later, or Valkey";
    case PF_INVALID: return "correct --redis-url";
    default: return "start that server, mend --redis-url, or leave it empty to have one started";
    }
}

void pf_sync_diagnose(const struct pf_sync_options *options, struct pf_arena *arena,
                      struct pf_sync_diagnosis *out_diagnosis) {
    struct pf_error err = {0};
    struct redis_url url;
    struct pf_sync *sync = NULL;
    int nodes = 0;
    if (redis_url_parse(options->url, arena, &url, &err) != PF_OK) {
        broken_by(out_diagnosis, &err, mend_of(PF_INVALID), arena);
        return;
    }
    if (redis_url_check_safety(&url, options->allows_insecure, &err) != PF_OK) {
        broken_by(out_diagnosis, &err,
                  "rediss://user:password@host, or --redis-allow-insecure on a network of your own", arena);
        return;
    }
    if (!check_way(&url, options, arena, out_diagnosis)) return;
    enum pf_code code = pf_sync_open(options, &sync, &err);
    if (code != PF_OK) {
        broken_by(out_diagnosis, &err, mend_of(code), arena);
        return;
    }
    if (check_rights(sync, arena, out_diagnosis) && check_nodes(sync, arena, &nodes, out_diagnosis)) {
        int64_t ping_us = median_ping_us(sync);
        pf_str kind = sync->is_cluster ? pf_arena_printf(arena, "a cluster of %d", nodes) : PF_STR("one server");
        pf_str text = pf_arena_printf(arena, "%.*s: Redis %.*s, %.*s, %.2f ms away", PF_STR_ARG(url.label),
                                      PF_STR_ARG(version_of(sync, arena)), PF_STR_ARG(kind), (double)ping_us / 1000);
        bool is_far = ping_us < 0 || ping_us > FAR_US;
        *out_diagnosis = (struct pf_sync_diagnosis){
            is_far ? PF_SYNC_POOR : PF_SYNC_WELL, text,
            is_far ? PF_STR("each task waits for Redis twice: have it in the same network and zone") : PF_STR_EMPTY};
    }
    pf_sync_close(sync);
}
