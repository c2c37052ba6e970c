/* SPDX-License-Identifier: MIT */
/* Cancels queries whose client went away while their thread is busy elsewhere: one thread looks at all of them. */
#ifndef PF_API_WATCH_H
#define PF_API_WATCH_H

#include "net/net.h"
#include "query/query.h"

struct watch;

struct watch *watch_new(struct pf_stack *stack);
struct watch *watch_free(struct watch *watch);

/* Lives where its owner wants it; linked from add to remove. */
struct watch_entry {
    const struct pf_http_request *request;
    pf_str query_id;
    bool is_cancelled;
    struct watch_entry *next, *previous;
};
void watch_add(struct watch *watch, struct watch_entry *entry);
void watch_remove(struct watch *watch, struct watch_entry *entry);

#endif
