/* SPDX-License-Identifier: MIT */
/* Which node of a Redis cluster has which key: hash slots, the answer to CLUSTER SLOTS, and the redirections in error
 * replies. Pure: bytes of others in, structs out (Redis Cluster Specification). */
#ifndef PF_SYNC_SLOT_MAP_H
#define PF_SYNC_SLOT_MAP_H

#include "base/arena.h"

#include <valkey/valkey.h>

enum { SLOT_COUNT = 16384, NO_SLOT = -1, MAX_HOST_BYTES = 255 };

/* Of the hash tag, if the key has one. */
int slot_of_key(pf_str key);
/* Of the key of a command; NO_SLOT if it has none and any node may run it. */
int slot_of_command(const pf_str *words, size_t count);

struct slot_address {
    pf_str host; /* empty: that of the node which answered */
    int port;
};

struct slot_range {
    int first, last;
    struct slot_address master;
};

struct slot_map {
    struct slot_range *ranges;
    size_t range_count;
    struct slot_address *replicas; /* may repeat */
    size_t replica_count;
};

/* `wants_names`: host names go before addresses, where the server knows both (certificates are for names).
 * PF_REMOTE if the reply makes no sense. */
enum pf_code slot_map_read(const valkeyReply *reply, bool wants_names, struct pf_arena *arena, struct slot_map *out_map,
                           struct pf_error *err) PF_MUST_CHECK;

/* "MOVED 3999 127.0.0.1:6381" and the same with ASK; `out_address.host` is a view of `text`. */
bool slot_redirect_read(pf_str text, bool *out_is_ask, int *out_slot, struct slot_address *out_address);

#endif
