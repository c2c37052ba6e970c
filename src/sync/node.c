/* SPDX-License-Identifier: MIT */
#include "sync/node.h"

#include "sync/redis_tls.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static struct timeval timeval_from_ms(int64_t ms) {
    return (struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

/* --- errors --- */

enum pf_code connection_fail(const struct node *node, const valkeyContext *context, int errno_value, const char *what,
                             struct pf_error *err) {
    bool is_timeout =
        context && (context->err == VALKEY_ERR_TIMEOUT ||
                    (context->err == VALKEY_ERR_IO && (errno_value == EAGAIN || errno_value == ETIMEDOUT)));
    if (is_timeout) {
        PF_FAIL(err, PF_TIMEOUT, "%s on %.*s: Redis did not answer in time", what, PF_STR_ARG(node->label));
    }
    PF_FAIL(err, PF_REMOTE, "%s on %.*s: %s; check that Redis runs there", what, PF_STR_ARG(node->label),
            context ? context->errstr : "no memory for a connection");
}

/* --- opening --- */

static enum pf_code check_greeting(const struct node *node, valkeyContext *context, valkeyReply *reply,
                                   const char *what, struct pf_error *err) {
    if (!reply) return connection_fail(node, context, errno, what, err);
    enum pf_code code = PF_OK;
    if (reply->type == VALKEY_REPLY_ERROR) code = reply_fail(reply_text(reply), node->label, what, err);
    freeReplyObject(reply);
    return code;
}

static enum pf_code greet(const struct node *node, valkeyContext *context, struct pf_error *err) {
    const struct redis_url *url = &node->sync->url;
    const char *argv[3] = {"AUTH"};
    int count = 1;
    if (url->user && url->password) argv[count++] = url->user;
    if (url->password) argv[count++] = url->password;
    if (count > 1) {
        PF_TRY(check_greeting(node, context, valkeyCommandArgv(context, count, argv, NULL), "log in", err));
    }
    if (url->database == 0) return PF_OK;
    return check_greeting(node, context, valkeyCommand(context, "SELECT %d", url->database), "select the database",
                          err);
}

static int64_t at_most(int64_t value, int64_t max) {
    return value < max ? value : max;
}

static enum pf_code open_connection(struct node *node, struct pf_deadline deadline, struct connection *out_connection,
                                    struct pf_error *err) {
    struct pf_sync *sync = node->sync;
    int64_t left_ms = pf_deadline_left_ms(deadline) + 1;
    int64_t limit_ms = at_most(sync->command_ms, left_ms);
    struct timeval connect = timeval_from_ms(at_most(sync->connect_ms, left_ms)), command = timeval_from_ms(limit_ms);
    valkeyOptions options = {.connect_timeout = &connect, .command_timeout = &command};
    if (node->host) {
        VALKEY_OPTIONS_SET_TCP(&options, node->host, node->port);
    } else {
        VALKEY_OPTIONS_SET_UNIX(&options, sync->url.unix_path);
    }
    valkeyContext *context = valkeyConnectWithOptions(&options);
    enum pf_code code = PF_OK;
    if (!context || context->err) code = connection_fail(node, context, errno, "connect", err);
    if (code == PF_OK && sync->tls && !redis_tls_start(sync->tls, node->host, context)) {
        code = connection_fail(node, context, 0, "start TLS", err);
    }
    if (code == PF_OK && node->host) valkeyEnableKeepAlive(context);
    if (code == PF_OK) code = greet(node, context, err);
    if (code != PF_OK) {
        valkeyFree(context);
        return code;
    }
    atomic_fetch_add(&sync->connects, 1);
    *out_connection = (struct connection){.context = context, .limit_ms = limit_ms};
    return PF_OK;
}

/* --- the pool --- */

struct node *node_new(struct pf_sync *sync, pf_str host, int port) {
    struct pf_arena *arena = sync->arena;
    struct node *node = PF_ARENA_NEW(arena, struct node);
    node->sync = sync;
    node->host = host.len ? pf_arena_cstr(arena, host) : NULL;
    node->port = port;
    node->label = host.len
                      ? pf_arena_printf(arena, "%s://%.*s:%d", sync->tls ? "rediss" : "redis", PF_STR_ARG(host), port)
                      : sync->url.label;
    node->idle = calloc((size_t)sync->max_connections, sizeof *node->idle);
    assert(node->idle);
    pthread_mutex_init(&node->mutex, NULL);
    pf_condition_init(&node->freed);
    return node;
}

struct node *node_free(struct node *node) {
    if (!node) return NULL;
    for (size_t i = 0; i < node->idle_count; i++) valkeyFree(node->idle[i].context);
    free(node->idle);
    pthread_cond_destroy(&node->freed);
    pthread_mutex_destroy(&node->mutex);
    return NULL;
}

/* A connection in the pool has nothing to say; if it has, the other side closed it. */
static bool is_stale(const struct connection *connection) {
    struct pollfd poll_fd = {.fd = connection->context->fd, .events = POLLIN | POLLRDHUP};
    return poll(&poll_fd, 1, 0) != 0;
}

/* `out_connection` without a context: the caller opens it. */
static enum pf_code reserve_locked(struct node *node, bool waits, struct pf_deadline deadline,
                                   struct connection *out_connection, struct pf_error *err) {
    int max = node->sync->max_connections;
    for (;;) {
        bool may_wait = !waits || node->waiting_count < max - max / 4;
        if (may_wait && (node->idle_count > 0 || node->open_count < max)) break;
        if (pf_deadline_left_ms(deadline) == 0) {
            PF_FAIL(err, PF_THROTTLED, "all %d connections to %.*s are in use; raise --redis-connections", max,
                    PF_STR_ARG(node->label));
        }
        pf_condition_wait_ms(&node->freed, &node->mutex, pf_deadline_left_ms(deadline));
    }
    *out_connection = (struct connection){0};
    if (node->idle_count > 0) {
        *out_connection = node->idle[--node->idle_count];
    } else {
        node->open_count++;
    }
    if (waits) node->waiting_count++;
    return PF_OK;
}

static void release(struct node *node, struct connection connection, bool is_kept) {
    pthread_mutex_lock(&node->mutex);
    if (connection.waits) node->waiting_count--;
    connection.waits = false;
    if (is_kept) {
        node->idle[node->idle_count++] = connection;
    } else {
        node->open_count--;
    }
    pthread_cond_broadcast(&node->freed);
    pthread_mutex_unlock(&node->mutex);
    if (!is_kept) valkeyFree(connection.context);
}

enum pf_code node_take(struct node *node, bool waits, struct pf_deadline deadline, struct connection *out_connection,
                       struct pf_error *err) {
    struct connection connection;
    pthread_mutex_lock(&node->mutex);
    enum pf_code code = reserve_locked(node, waits, deadline, &connection, err);
    pthread_mutex_unlock(&node->mutex);
    PF_TRY(code);
    if (connection.context && is_stale(&connection)) {
        valkeyFree(connection.context);
        connection.context = NULL;
    }
    if (!connection.context) code = open_connection(node, deadline, &connection, err);
    connection.waits = waits;
    if (code != PF_OK) {
        connection.context = NULL;
        release(node, connection, false);
        return code;
    }
    *out_connection = connection;
    return PF_OK;
}

void node_give(struct node *node, struct connection connection) {
    release(node, connection, true);
}

void node_discard(struct node *node, struct connection connection) {
    release(node, connection, false);
    for (;;) {
        struct connection idle = {0};
        pthread_mutex_lock(&node->mutex);
        if (node->idle_count > 0) {
            idle = node->idle[--node->idle_count];
            node->open_count--;
        }
        pthread_mutex_unlock(&node->mutex);
        if (!idle.context) return;
        valkeyFree(idle.context);
    }
}

/* --- calls --- */

bool connection_set_limit(struct connection *connection, int64_t limit_ms) {
    if (connection->limit_ms == limit_ms) return true;
    connection->limit_ms = limit_ms;
    return valkeySetTimeout(connection->context, timeval_from_ms(limit_ms)) == VALKEY_OK;
}

enum pf_code node_ask(struct node *node, const pf_str *words, size_t count, int64_t limit_ms, valkeyReply **out_reply,
                      struct pf_error *err) {
    const char *argv[8];
    size_t lengths[8];
    struct connection connection = {0};
    assert(count <= 8);
    for (size_t i = 0; i < count; i++) argv[i] = words[i].ptr, lengths[i] = words[i].len;
    PF_TRY(node_take(node, false, pf_deadline_in(limit_ms), &connection, err));
    valkeyReply *reply = NULL;
    if (connection_set_limit(&connection, limit_ms)) {
        reply = valkeyCommandArgv(connection.context, (int)count, argv, lengths);
    }
    if (!reply) {
        enum pf_code code = connection_fail(node, connection.context, errno, words[0].ptr, err);
        node_discard(node, connection);
        return code;
    }
    node_give(node, connection);
    atomic_fetch_add(&node->sync->round_trips, 1);
    atomic_fetch_add(&node->sync->commands, 1);
    *out_reply = reply;
    return PF_OK;
}
