/* SPDX-License-Identifier: MIT */
/* Inputs by name, and the blocks of their objects handed to scanning threads. */
#ifndef PF_EXCHANGE_INPUTS_H
#define PF_EXCHANGE_INPUTS_H

#include "exchange/exchange_internal.h"

struct read_ahead; /* read_ahead.h */

/* A producer's object as far as this input needs it. */
struct source {
    const struct pf_exchange_object *object;
    uint64_t offset, size_bytes; /* of the wanted partitions; unused for a file */
    int64_t rows;
    /* a file, once opened under the input's mutex; mapped until the input is freed */
    char *map;
    size_t map_bytes;
    const struct format_entry *entries; /* the wanted ones */
    size_t entry_count;
};

struct input {
    struct input *next;
    struct pf_exchange *exchange;
    struct pf_arena *arena; /* under `mutex` once scans run */
    pf_str name;
    int first_partition, partition_count;
    pf_str schema; /* of the objects */
    const struct pf_column *columns;
    size_t column_count;
    struct source *sources; /* those with rows */
    size_t source_count;
    int64_t row_count, size_bytes;
    atomic_llong ranges[PF_MEDIUM_COUNT], bytes[PF_MEDIUM_COUNT]; /* read so far */
    struct read_ahead *aheads;                                    /* of its scans, under `mutex` */
    pthread_mutex_t mutex;
};

/* NULL if there is none. */
struct input *inputs_find(struct pf_exchange *exchange, pf_str name);

/* What one scan has been given: shared by the threads of one statement. */
struct scan_queue {
    struct input *input;
    struct {
        size_t source, entry;     /* next; under the input's mutex */
        struct read_ahead *ahead; /* from the first portion on, if there are objects in the store */
        bool has_begun;
    } locked;
};
void scan_queue_clear(struct scan_queue *queue);

/* Bytes to read: one block of a mapped file, or all wanted blocks of another object. */
struct portion {
    const struct source *source; /* NULL: nothing is left */
    pf_str bytes;                /* aligned */
    uint64_t offset;             /* in the object */
    struct buffer buffer;        /* holds `bytes` if they were fetched; the caller clears it */
};
/* One portion, or as many small ones as come in one round trip; `*out_count` 0: nothing is left. */
enum { MAX_PORTIONS = 64 };
enum pf_code scan_queue_next(struct scan_queue *queue, struct portion *out_portions, size_t *out_count,
                             struct pf_error *err) PF_MUST_CHECK;

#endif
