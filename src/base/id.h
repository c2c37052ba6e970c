/* SPDX-License-Identifier: MIT */
/* Identifiers: ULIDs for queries and workers (sortable by time), UUIDs and 63-bit numbers for Iceberg. */
#ifndef PF_BASE_ID_H
#define PF_BASE_ID_H

#include "base/arena.h"

void pf_random_bytes(void *bytes, size_t size_bytes); /* from the kernel; aborts if there are none */
/* 26 characters of Crockford's base 32, lower case: 48 bits of milliseconds, 80 random bits. */
pf_str pf_id_ulid(struct pf_arena *arena);
/* Version 4, RFC 9562. */
pf_str pf_id_uuid(struct pf_arena *arena);
/* Positive and random, never 0: Iceberg snapshot ids. */
int64_t pf_id_random_i63(void);

#endif
