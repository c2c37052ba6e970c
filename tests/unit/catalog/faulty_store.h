/* SPDX-License-Identifier: MIT */
/* A store over another one whose conditional puts fail as told: the reply gets lost, or the request. */
#ifndef PF_TESTS_CATALOG_FAULTY_STORE_H
#define PF_TESTS_CATALOG_FAULTY_STORE_H

#include "store/store.h"

struct faulty_plan {
    int lost_replies;  /* so many conditional puts are done, but answer PF_TIMEOUT */
    int lost_requests; /* then so many are not done and answer PF_REMOTE */
    int repeated; /* then so many are done twice, as a client that retries does: the second answer is PF_CONFLICT */
    bool reads_fail_too; /* after a lost reply nothing can be read any more */
    int failing_puts;    /* before all: the n-th plain put from now fails with PF_NO_MEMORY (0: none) */
    int dying_call;      /* the process ends at the n-th call to the store (0: never), */
    bool dies_after;     /* with the call done, else before it, */
    int death;           /* with this exit code */
};

/* Frees with pf_store_close; `inner` stays. */
struct pf_store *faulty_store_open(struct pf_store *inner, struct faulty_plan *plan);

#endif
