/* SPDX-License-Identifier: MIT */
/* One Redis server and our connections to it: made when needed, kept, and never more than the maximum. A caller that
 * needs one more waits until another gives its back; those that wait for something on the server (BLPOP, XREAD BLOCK)
 * may hold three of four, so that the others always get on. */
#ifndef PF_SYNC_NODE_H
#define PF_SYNC_NODE_H

#include "base/clock.h"
#include "sync/connection.h"

struct connection {
    valkeyContext *context;
    int64_t limit_ms; /* what the socket is set to */
    bool waits;       /* counted as one that waits on the server */
};

struct node {
    struct pf_sync *sync;
    const char *host; /* NULL: the Unix socket of the URL */
    int port;
    pf_str label; /* for messages */
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    struct connection *idle; /* room for the maximum */
    size_t idle_count;
    int open_count, waiting_count; /* idle ones included; those that wait on the server */
};

struct node *node_new(struct pf_sync *sync, pf_str host, int port);
struct node *node_free(struct node *node); /* nobody has a connection of it any more; NULL is fine */

/* PF_THROTTLED: all are in use until the deadline. Others: as open says. `waits`: for a command that waits. */
enum pf_code node_take(struct node *node, bool waits, struct pf_deadline deadline, struct connection *out_connection,
                       struct pf_error *err) PF_MUST_CHECK;
void node_give(struct node *node, struct connection connection);
/* It is broken, or leads to the wrong place; so may those that are idle: they go as well. */
void node_discard(struct node *node, struct connection connection);

/* How long calls on the connection may take. */
bool connection_set_limit(struct connection *connection, int64_t limit_ms);
/* After a call on the connection failed. */
enum pf_code connection_fail(const struct node *node, const valkeyContext *context, int errno_value, const char *what,
                             struct pf_error *err);

/* One command, outside of batches; the reply may be an error. Free it with freeReplyObject. */
enum pf_code node_ask(struct node *node, const pf_str *words, size_t count, int64_t limit_ms, valkeyReply **out_reply,
                      struct pf_error *err) PF_MUST_CHECK;

#endif
