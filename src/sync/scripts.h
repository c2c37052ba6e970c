/* SPDX-License-Identifier: MIT */
/* The Lua side of the queue. Each script is atomic on the server. */
#ifndef PF_SYNC_SCRIPTS_H
#define PF_SYNC_SCRIPTS_H

#include "base/arena.h"

/* First those of a query, then those of the list of queries with work, then those of workers, of logs and of named
 * values. */
#define SYNC_SCRIPTS(X)                                                                                                \
    X(BEGIN)                                                                                                           \
    X(STAGE)                                                                                                           \
    X(PUSH)                                                                                                            \
    X(SPECULATE)                                                                                                       \
    X(CLAIM)                                                                                                           \
    X(HEARTBEAT)                                                                                                       \
    X(PUBLISH)                                                                                                         \
    X(FAIL)                                                                                                            \
    X(EXPIRE)                                                                                                          \
    X(CANCEL)                                                                                                          \
    X(END)                                                                                                             \
    X(COORDINATE)                                                                                                      \
    X(RUNNING)                                                                                                         \
    X(SMALL)                                                                                                           \
    X(LAPSED)                                                                                                          \
    X(SWEEP)                                                                                                           \
    X(READY_ADD)                                                                                                       \
    X(READY_NEXT)                                                                                                      \
    X(READY_FORGET)                                                                                                    \
    X(WORKER_PUT)                                                                                                      \
    X(WORKER_LIST)                                                                                                     \
    X(WORKER_COUNT)                                                                                                    \
    X(LOG_APPEND)                                                                                                      \
    X(VALUES_CHANGE)

enum sync_script {
#define X(name) SCRIPT_##name,
    SYNC_SCRIPTS(X)
#undef X
        SCRIPT_COUNT
};

/* The keys of a query that its scripts use besides q: "<prefix>:{query}:" and one of these. */
enum { SCRIPT_OTHER_KEYS = 15 };
extern const char *const script_other_keys[SCRIPT_OTHER_KEYS];
bool script_is_of_query(enum sync_script script);

struct sync_script_text {
    pf_str source;
    char sha[41]; /* how EVALSHA calls it */
};

/* All of them, in `arena`, in the order of the enum. */
struct sync_script_text *scripts_build(struct pf_arena *arena);

#endif
