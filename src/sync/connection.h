/* SPDX-License-Identifier: MIT */
/* What the files of this module share: the client, batches of commands that share a round trip, and their replies.
 *
 *   batch.c       a batch: commands in, replies out; sends each command to its node, follows redirections, tries again
 *   topology.c    the nodes, and which of them has which hash slot (one node, all slots, if there is no cluster)
 *   node.c        one node: its pool of connections; the only file that connects
 *   slot_map.c    what nodes say about slots
 *   reply.c       what replies mean */
#ifndef PF_SYNC_CONNECTION_H
#define PF_SYNC_CONNECTION_H

#include "base/buf.h"
#include "sync/redis_url.h"
#include "sync/scripts.h"
#include "sync/slot_map.h"
#include "sync/sync.h"

#include <pthread.h>
#include <stdatomic.h>
#include <valkey/valkey.h>

enum { MAX_NODES = 1024, MAX_ID_BYTES = 128 };

struct node;

/* A query that may have work. Only ready.c reads it. */
struct ready_hint {
    char query_id[MAX_ID_BYTES + 1], mark[24]; /* no query: "" */
};

struct pf_sync {
    struct pf_arena *arena;
    struct redis_url url;
    pf_str log_prefix, prefix, turns_key, marks_key, wakes_key, queries_key, alive_key, facts_key;
    int64_t connect_ms, command_ms, retry_ms;
    int max_connections;    /* to one node */
    struct ssl_ctx_st *tls; /* NULL without TLS */
    const struct sync_script_text *scripts;
    pf_str nonce_base; /* what makes nonces of this process unlike others' */
    atomic_llong next_nonce;
    atomic_llong commands, round_trips, connects, failures, retries, redirections;
    bool is_cluster;   /* after open: does not change */
    struct node *home; /* what the URL names */
    struct {
        pthread_mutex_t mutex;
        struct ready_hint hint;        /* for the next claim, whoever makes it */
        struct node *nodes[MAX_NODES]; /* grows only; nodes live until the end */
        size_t node_count;
        struct node *owners[SLOT_COUNT]; /* NULL: nobody that we know of */
        int64_t refreshed_ms;
        bool is_refreshing;
    } locked;
};

struct command {
    size_t end;       /* where it ends in `bytes` */
    int slot, step;   /* see batch_then */
    struct node *ask; /* once: ask this node for it, whoever has the slot */
    bool is_done;
};

/* Commands that are sent together. Life: begin, add…, run, look at replies, clear. */
struct batch {
    struct pf_sync *sync;
    struct pf_arena *arena; /* for keys and arguments */
    struct pf_buf bytes;
    struct command *commands;
    size_t count, capacity;
    int step;
    valkeyReply **replies;
    bool may_repeat; /* running it twice does no harm: tried again on a new connection if one breaks */
};

void batch_begin(struct batch *batch, struct pf_sync *sync, bool may_repeat);
void batch_clear(struct batch *batch);
/* What is added from now on runs after what was added before. Without it the order is open, if a cluster has the keys
 * on different nodes. Costs nothing if they are on the same. */
void batch_then(struct batch *batch);
void batch_add(struct batch *batch, const pf_str *words, size_t count);
#define BATCH_ADD(batch, ...)                                                                                          \
    batch_add((batch), (const pf_str[]){__VA_ARGS__}, sizeof((const pf_str[]){__VA_ARGS__}) / sizeof(pf_str))
/* All keys must be of one hash slot. */
void batch_add_script(struct batch *batch, enum sync_script script, const pf_str *keys, size_t key_count,
                      const pf_str *args, size_t arg_count);
/* For a script of a query: its other keys are added by themselves. */
#define BATCH_SCRIPT(batch, script, key, ...)                                                                          \
    batch_add_script((batch), (script), (const pf_str[]){key}, 1, (const pf_str[]){__VA_ARGS__},                       \
                     sizeof((const pf_str[]){__VA_ARGS__}) / sizeof(pf_str))
pf_str batch_number(struct batch *batch, int64_t number);
/* "<prefix>:{query}:name" */
pf_str batch_key(struct batch *batch, pf_str query_id, const char *name);

/* `wait_ms` is added to the time limit for commands that wait on the server. Any error reply fails the batch. */
enum pf_code batch_run(struct batch *batch, int64_t wait_ms, const char *what, struct pf_error *err) PF_MUST_CHECK;

/* --- replies --- */

/* Of a reply: the text ("" if it isn't one), the number. */
pf_str reply_text(const valkeyReply *reply);
int64_t reply_number(const valkeyReply *reply);
bool reply_is(const valkeyReply *reply, const char *text);
bool reply_is_nil(const valkeyReply *reply);
const valkeyReply *reply_element(const valkeyReply *reply, size_t index); /* NULL if there is none */

/* Most scripts answer with the state of the query: nil, "open" or "cancelled", or "taken" by another coordinator. */
enum pf_code check_state(const valkeyReply *state, pf_str query_id, struct pf_error *err) PF_MUST_CHECK;

/* What a reply asks of us. */
enum reply_fate {
    REPLY_IS_FINAL,
    REPLY_NEEDS_SCRIPTS, /* the server does not know ours */
    REPLY_IS_REDIRECT,   /* ask another node: slot_redirect_read */
    REPLY_IS_NOT_YET,    /* nothing was done, try again later */
    REPLY_IS_NOT_HERE,   /* the same, and this connection leads to the wrong server now */
};
enum reply_fate reply_fate(const valkeyReply *reply);
/* From the text of an error reply of the node `label`. */
enum pf_code reply_fail(pf_str text, pf_str label, const char *what, struct pf_error *err);

/* PF_INVALID for ids that would not make a sane key. */
enum pf_code check_id(pf_str id, const char *what, struct pf_error *err) PF_MUST_CHECK;

#endif
