/* SPDX-License-Identifier: MIT */
/* What the files of the exchange share: its state, outputs being written, inputs being read. */
#ifndef PF_EXCHANGE_EXCHANGE_INTERNAL_H
#define PF_EXCHANGE_EXCHANGE_INTERNAL_H

#include "exchange/exchange.h"
#include "exchange/format.h"
#include "exchange/pool.h"

#include <pthread.h>
#include <stdatomic.h>

/* An output from pf_exchange_begin_output to pf_exchange_take_output. `bound` is set by the COPY's bind, before any
 * sink is opened; the sinks add objects. */
struct output {
    struct output *next;
    struct pf_arena *arena; /* under `mutex` once sinks are open */
    pf_str name, key;
    atomic_int next_object;
    struct {
        bool is_bound;
        pf_str schema;
        int partition_count;
        int key_columns[PF_EXCHANGE_MAX_KEY_COLUMNS];
        size_t key_count;
    } bound;
    struct {
        pthread_mutex_t mutex;
        struct pf_exchange_object *objects;
        size_t object_count, object_capacity;
        struct key_summary *keys; /* one a key column, from the first sink that ended */
    } locked;
};

struct input; /* read.c */

struct pf_exchange {
    struct pf_arena *arena; /* options */
    struct pf_exchange_options options;
    pf_str copy_path; /* an empty folder: DuckDB wants one behind TO; nothing is ever put there */
    struct pool *pool;
    atomic_llong written_bytes, read_bytes, written_objects[PF_MEDIUM_COUNT];
    struct {
        pthread_mutex_t mutex;
        struct output *outputs;
        struct input *inputs;
    } locked;
};

/* ---- media (choose_medium.c) ---- */

/* Where an object goes to which nothing will be added, of so many slices with rows. */
enum pf_medium choose_medium(const struct pf_exchange_options *options, int64_t size_bytes, int slice_count);
/* Where an object goes that is too large, or whose end is not in sight. */
enum pf_medium choose_large_medium(const struct pf_exchange_options *options);
const struct pf_exchange_io *medium_io(const struct pf_exchange *exchange, enum pf_medium medium); /* not of files */

/* A file of the exchange directory being written. */
struct object_file {
    int fd; /* -1: none */
    pf_str path;
};
enum pf_code object_file_create(const struct pf_exchange *exchange, pf_str key, struct pf_arena *arena,
                                struct object_file *out_file, struct pf_error *err) PF_MUST_CHECK;
enum pf_code object_file_write(struct object_file *file, const char *bytes, size_t size_bytes, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code object_file_close(struct object_file *file, struct pf_error *err) PF_MUST_CHECK;
void object_file_remove(struct object_file *file); /* closes it, too */
pf_str object_path(const struct pf_exchange *exchange, pf_str key, struct pf_arena *arena);

/* Best effort. `is_last` as of pf_exchange_remove_output (objects.c). */
void objects_remove(const struct pf_exchange *exchange, const struct pf_exchange_object *objects, size_t count,
                    bool is_last);

/* ---- outputs (outputs.c) ---- */

struct output *outputs_find(struct pf_exchange *exchange, pf_str name);
void output_add(struct output *output, const struct pf_exchange_object *object);
struct key_summary; /* summarize_keys.h */
void output_add_keys(struct output *output, const struct key_summary *keys);
struct output *output_free(struct output *output);

/* ---- functions inside DuckDB (write.c, read.c) ---- */

enum pf_code register_writer(struct pf_exchange *exchange, struct pf_engine *engine, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code register_reader(struct pf_exchange *exchange, struct pf_engine *engine, struct pf_error *err)
    PF_MUST_CHECK;
void inputs_free(struct pf_exchange *exchange);

#endif
