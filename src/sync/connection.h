/* SPDX-License-Identifier: MIT */
/* Commands to Redis: the pool of connections, and batches of commands that share a round trip. Only connection.c
 * knows libvalkey's calls; the others read its replies. */
#ifndef PF_SYNC_CONNECTION_H
#define PF_SYNC_CONNECTION_H

#include "base/buf.h"
#include "sync/redis_url.h"
#include "sync/scripts.h"
#include "sync/sync.h"

#include <pthread.h>
#include <stdatomic.h>
#include <valkey/valkey.h>

enum { MAX_IDLE_CONNECTIONS = 1024, MAX_ID_BYTES = 128 };

struct connection {
    valkeyContext *context;
    int64_t limit_ms; /* what the socket is set to */
};

/* A query that may have work. Only ready.c reads it. */
struct ready_hint {
    char query_id[MAX_ID_BYTES + 1], mark[24]; /* no query: "" */
};

struct pf_sync {
    struct pf_arena *arena;
    struct redis_url url;
    pf_str prefix, turns_key, marks_key, wakes_key, queries_key, alive_key, facts_key;
    int64_t connect_ms, command_ms;
    struct ssl_ctx_st *tls; /* NULL without TLS */
    const struct sync_script_text *scripts;
    pf_str nonce_base; /* what makes nonces of this process unlike others' */
    atomic_llong next_nonce;
    atomic_llong commands, round_trips, connects, failures;
    struct {
        pthread_mutex_t mutex;
        struct ready_hint hint; /* for the next claim, whoever makes it */
        struct connection idle[MAX_IDLE_CONNECTIONS];
        size_t count;
    } locked;
};

/* Commands that are sent together. Life: begin, add…, run, look at replies, clear. */
struct batch {
    struct pf_sync *sync;
    struct pf_arena *arena; /* for keys and arguments */
    struct pf_buf bytes;
    size_t *ends, count, capacity; /* where each command ends in `bytes` */
    valkeyReply **replies;
    bool may_repeat; /* running it twice does no harm: tried again on a new connection if one breaks */
};

void batch_begin(struct batch *batch, struct pf_sync *sync, bool may_repeat);
void batch_clear(struct batch *batch);
void batch_add(struct batch *batch, const pf_str *words, size_t count);
#define BATCH_ADD(batch, ...)                                                                                          \
    batch_add((batch), (const pf_str[]){__VA_ARGS__}, sizeof((const pf_str[]){__VA_ARGS__}) / sizeof(pf_str))
void batch_add_script(struct batch *batch, enum sync_script script, const pf_str *keys, size_t key_count,
                      const pf_str *args, size_t arg_count);
/* For a script with one key. */
#define BATCH_SCRIPT(batch, script, key, ...)                                                                          \
    batch_add_script((batch), (script), (const pf_str[]){key}, 1, (const pf_str[]){__VA_ARGS__},                       \
                     sizeof((const pf_str[]){__VA_ARGS__}) / sizeof(pf_str))
pf_str batch_number(struct batch *batch, int64_t number);
/* "<prefix>:{query}:name" */
pf_str batch_key(struct batch *batch, pf_str query_id, const char *name);

/* `wait_ms` is added to the time limit for commands that wait on the server. Any error reply fails the batch. */
enum pf_code batch_run(struct batch *batch, int64_t wait_ms, const char *what, struct pf_error *err) PF_MUST_CHECK;

/* Of a reply: the text ("" if it isn't one), the number, a copy in `arena`. */
pf_str reply_text(const valkeyReply *reply);
int64_t reply_number(const valkeyReply *reply);
bool reply_is(const valkeyReply *reply, const char *text);
bool reply_is_nil(const valkeyReply *reply);
const valkeyReply *reply_element(const valkeyReply *reply, size_t index); /* NULL if there is none */

/* Most scripts answer with the state of the query: nil, "open" or "cancelled", or "taken" by another coordinator. */
enum pf_code check_state(const valkeyReply *state, pf_str query_id, struct pf_error *err) PF_MUST_CHECK;

/* PF_INVALID for ids that would not make a sane key. */
enum pf_code check_id(pf_str id, const char *what, struct pf_error *err) PF_MUST_CHECK;

#endif
