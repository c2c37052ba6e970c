/* SPDX-License-Identifier: MIT */
/* A line on stderr that shows how far a query is, and Ctrl-C: a thread beside the one that waits for the answer. */
#ifndef PF_ROLES_PROGRESS_H
#define PF_ROLES_PROGRESS_H

#include "roles/client.h"

struct progress;

/* `must_stop` is set when the user interrupts; the query is then cancelled at the service too. */
struct progress *progress_start(struct client *client, pf_str query_id, bool is_shown, atomic_bool *must_stop);
/* Erases the line, now and for good: before something is printed. Any thread. */
void progress_hide(struct progress *progress);
struct progress *progress_stop(struct progress *progress); /* NULL is fine; returns NULL */

#endif
