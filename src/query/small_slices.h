/* SPDX-License-Identifier: MIT */
/* Small outputs of tasks as strings in Redis: the exchange's callbacks over sync. */
#ifndef PF_QUERY_SMALL_SLICES_H
#define PF_QUERY_SMALL_SLICES_H

#include "exchange/exchange.h"

#include <stdatomic.h>

struct pf_sync;

/* Set once the connection is there; before that a put or get says that it isn't. */
struct small_slices {
    _Atomic(struct pf_sync *) sync;
};

/* The callbacks; `slices` outlives the exchange. */
struct pf_exchange_io small_slices_io(struct small_slices *slices);

#endif
