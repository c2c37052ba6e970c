/* SPDX-License-Identifier: MIT */
/* The servers that we know of, and which of them has which hash slot. Without a cluster there is one. */
#ifndef PF_SYNC_TOPOLOGY_H
#define PF_SYNC_TOPOLOGY_H

#include "sync/node.h"

/* Makes the node of the URL, and asks it whether it is part of a cluster; if so for the others. */
enum pf_code topology_open(struct pf_sync *sync, struct pf_error *err) PF_MUST_CHECK;
void topology_close(struct pf_sync *sync);

/* Who has the slot (NO_SLOT: somebody); NULL: nobody that we know of. */
struct node *topology_find(struct pf_sync *sync, int slot);
/* Who a redirection from `from` names; NULL if there are too many nodes. With `slot`, it has that from now on. */
struct node *topology_learn(struct pf_sync *sync, const struct node *from, struct slot_address address, int slot);
/* Asks the nodes, one after the other until one answers, where the slots are. Not more often than ten times a second,
 * and only one thread at a time: the others go on with what is known. */
void topology_refresh(struct pf_sync *sync);

#endif
