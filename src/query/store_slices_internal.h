/* SPDX-License-Identifier: MIT */
/* What store_slices.c and sweep_slices.c share. */
#ifndef PF_QUERY_STORE_SLICES_INTERNAL_H
#define PF_QUERY_STORE_SLICES_INTERNAL_H

#include "query/store_slices.h"

#include <pthread.h>

#define SLICES_ROOT "temporary"
enum { SLICES_DIGITS = 16 };

struct removal; /* store_slices.c */

struct store_slices {
    struct pf_arena *arena;
    struct pf_store **stores;
    size_t store_count;
    pf_str group;
    bool owns_group;
    bool (*is_cancelled)(void *context);
    void *context;
    pthread_t remover;
    pthread_cond_t changed;
    struct {
        pthread_mutex_t mutex;
        struct removal *first, **last;
        bool has_remover, is_closing;
        bool is_suspect; /* something may be left behind */
    } locked;
};

#endif
