/* SPDX-License-Identifier: MIT */
/* Datasets between stages: writes what a task makes as slices by partition, reads slices of many producers back.
 *
 * Both ends are functions inside DuckDB: COPY ... (FORMAT exchange) writes, exchange_read('name') reads. A producer
 * (one thread of one task) makes one object, now and then several: a string in Redis when it is small, a file in the
 * exchange directory, or an object in the store. Which one is decided in choose_medium.c. The format is described in
 * docs/formats/exchange.md. This module knows neither stages nor Redis: keys come from the caller, and so do the
 * callbacks that move bytes.
 *
 * One task, in order:
 *     pf_exchange_bind_input for each dataset it reads
 *     pf_exchange_begin_output("out", key, ..., &path)
 *     COPY (SELECT part, c0, c1 FROM exchange_read('in0')) TO '<path>'
 *         (FORMAT exchange, OUTPUT 'out', PARTITIONS 16, PER_THREAD_OUTPUT true)
 *     pf_exchange_take_output("out", ..., &output): publish its pf_exchange_output_encode
 *     pf_exchange_unbind_input
 * Without PARTITIONS (or with 1) there is one partition and no partition column. With KEYS '0,2' the output also says
 * which values these columns have (pf_exchange_keys).
 *
 * Threads: an exchange is shared; every call may block. Names of inputs and outputs are unique within an exchange
 * while they are bound. */
#ifndef PF_EXCHANGE_EXCHANGE_H
#define PF_EXCHANGE_EXCHANGE_H

#include "engine/engine.h"

struct pf_exchange;
struct pf_budget;

enum pf_medium {
    PF_MEDIUM_SMALL,     /* one string through put_small */
    PF_MEDIUM_DIRECTORY, /* a file below the exchange directory, mapped by its readers */
    PF_MEDIUM_STORE,     /* an object through store.put */
    PF_MEDIUM_COUNT
};

/* Exactly `size_bytes` bytes of an object from `offset` on. */
struct pf_exchange_read {
    pf_str key;
    uint64_t offset, size_bytes;
    char *to;
};
/* `on_read` is told each read whose bytes are there, once, from the calling thread. `is_cancelled` is asked now and
 * then: true ends the call with PF_CANCELLED. */
struct pf_exchange_watch {
    bool (*is_cancelled)(void *context);
    void (*on_read)(void *context, size_t index);
    void *context;
};
/* How bytes leave and come. The callbacks are called from several threads at once. */
struct pf_exchange_io {
    void *context;
    /* The object is the pieces one behind the other. PF_NO_MEMORY: the medium is full, another one is taken. */
    enum pf_code (*put)(void *context, pf_str key, const pf_str *pieces, size_t count, struct pf_error *err);
    /* All of them, side by side if it can. PF_NOT_FOUND and PF_CORRUPT name the key. */
    enum pf_code (*get)(void *context, const struct pf_exchange_read *reads, size_t count,
                        const struct pf_exchange_watch *watch, struct pf_error *err);
    void (*remove)(void *context, const pf_str *keys, size_t count); /* may be NULL; harmless for unknown keys */
};

/* How blocks are compressed that leave this host; those of files never are: they are mapped. */
enum pf_exchange_codec { PF_CODEC_NONE, PF_CODEC_LZ4, PF_CODEC_ZSTD };

enum { PF_EXCHANGE_MAX_PARTITIONS = 4096, PF_EXCHANGE_MAX_KEY_COLUMNS = 8, PF_EXCHANGE_MAX_KEY_VALUES = 500 };

struct pf_exchange_options {
    pf_str directory;            /* absolute, on tmpfs if there is one; empty: everything goes through callbacks */
    struct pf_exchange_io small; /* put NULL: no small outputs */
    struct pf_exchange_io store; /* put NULL: no store; then there must be a directory */
    /* An object is small up to small_object_bytes and small_slice_bytes for each of its slices with rows, but never
     * above small_max_bytes. */
    int64_t small_object_bytes, small_slice_bytes, small_max_bytes;
    bool small_only;          /* all objects are small: a producer that makes more makes several */
    int64_t object_max_bytes; /* of a store object; a producer that makes more makes several */
    enum pf_exchange_codec codec;
    int64_t memory_bytes;     /* buffers that a sink may hold, and the pool keep; a reader ahead holds a quarter */
    struct pf_budget *budget; /* buffers are reserved from it; may be NULL */
    pf_str scratch_directory; /* where DuckDB may make the (empty) folder of a COPY; empty: `directory` */
};
void pf_exchange_default_options(struct pf_exchange_options *options);

enum pf_code pf_exchange_open(const struct pf_exchange_options *options, struct pf_exchange **out_exchange,
                              struct pf_error *err) PF_MUST_CHECK;
/* NULL is fine. After the engines it is registered in are closed. */
struct pf_exchange *pf_exchange_close(struct pf_exchange *exchange);
/* Adds FORMAT exchange and exchange_read to the engine. */
enum pf_code pf_exchange_register(struct pf_exchange *exchange, struct pf_engine *engine, struct pf_error *err)
    PF_MUST_CHECK;

/* ---- what a task made ---- */

struct pf_exchange_slice {
    uint64_t offset, size_bytes; /* in the object; offset is 0 for PF_MEDIUM_DIRECTORY: its file has an index */
    int64_t rows;
};

struct pf_exchange_object {
    enum pf_medium medium;
    pf_str key;
    int64_t size_bytes, rows;
    int64_t raw_bytes;                /* before compression */
    struct pf_exchange_slice *slices; /* one a partition */
};
/* What a slice takes where it is read: its share of the object's bytes before compression. */
int64_t pf_exchange_slice_raw_bytes(const struct pf_exchange_object *object, int partition);

/* The values of one column, without its NULLs: numbers are the bits of a vector widened to 64. */
struct pf_exchange_keys {
    int column; /* the partition number left out */
    bool is_known, is_text;
    bool is_listed;   /* all distinct values are below; otherwise there were too many */
    int64_t min, max; /* numbers; min above max: no value at all */
    int64_t *numbers;
    pf_str *texts;
    size_t value_count;
};

struct pf_exchange_output {
    pf_str schema; /* JSON: [["name","SQL type"],...] without the partition column */
    int partition_count;
    struct pf_exchange_object *objects; /* those with rows; none for an empty output */
    size_t object_count;
    int64_t rows, size_bytes, raw_bytes;
    struct pf_exchange_keys *keys; /* of the columns that were asked for */
    size_t key_count;
};

/* Announces an output. Objects are named `<key>.<n>.px`; a good key is `<query>/<stage>/<task>.<attempt>`.
 * `*out_path` is what the COPY names behind TO. */
enum pf_code pf_exchange_begin_output(struct pf_exchange *exchange, pf_str name, pf_str key, struct pf_arena *arena,
                                      pf_str *out_path, struct pf_error *err) PF_MUST_CHECK;
/* After the COPY: what it made; the name is free again. PF_NOT_FOUND if the COPY has not been bound. */
enum pf_code pf_exchange_take_output(struct pf_exchange *exchange, pf_str name, struct pf_arena *arena,
                                     struct pf_exchange_output *out_output, struct pf_error *err) PF_MUST_CHECK;
/* After a COPY that failed: forgets the output and removes its files. Harmless for an unknown name. */
void pf_exchange_drop_output(struct pf_exchange *exchange, pf_str name);
/* Removes the files whose keys start with `prefix` (a folder: "<query>") from the exchange directory. */
enum pf_code pf_exchange_remove_files(struct pf_exchange *exchange, pf_str prefix, struct pf_error *err) PF_MUST_CHECK;

/* Is an object of an output still there, as large as it was? PF_NOT_FOUND and PF_CORRUPT name it. One small read at
 * most: what is in it is checked by its readers. */
enum pf_code pf_exchange_check_object(struct pf_exchange *exchange, const struct pf_exchange_object *object,
                                      struct pf_error *err) PF_MUST_CHECK;
/* Removes an output that nobody will read: another attempt was first. `is_last`: nothing more is written for that
 * query, so its folders may go, too, if they are empty. */
void pf_exchange_remove_output(struct pf_exchange *exchange, const struct pf_exchange_output *output, bool is_last);

/* Compact JSON, for the task's result. Decode checks every number; PF_CORRUPT for anything else. */
enum pf_code pf_exchange_output_encode(const struct pf_exchange_output *output, struct pf_arena *arena,
                                       pf_str *out_json, struct pf_error *err) PF_MUST_CHECK;
enum pf_code pf_exchange_output_decode(pf_str json, struct pf_arena *arena, struct pf_exchange_output *out_output,
                                       struct pf_error *err) PF_MUST_CHECK;

/* The values of a column over several outputs, as text that casts back to `type`. */
struct pf_exchange_key_texts {
    int column;
    pf_str type;
    pf_str min, max; /* empty for VARCHAR, and if there is no value */
    bool is_listed;
    pf_str *values;
    size_t value_count;
};
/* False if nothing is known. */
bool pf_exchange_merge_keys(const struct pf_exchange_output *outputs, size_t output_count, int column,
                            struct pf_arena *arena, struct pf_exchange_key_texts *out_texts);

/* ---- what a task reads ---- */

struct pf_exchange_input {
    pf_str name;                              /* in exchange_read('name') */
    const struct pf_exchange_output *outputs; /* of the producers, in any order; copied */
    size_t output_count;
    int first_partition, partition_count; /* partition_count 0: all from first_partition on */
    pf_str schema;                        /* names and types; empty: as the outputs say */
};
/* PF_INVALID if the outputs differ in types from each other or from `schema`. Bytes are fetched when the statement
 * reads: PF_NOT_FOUND and PF_CORRUPT then name the object. */
enum pf_code pf_exchange_bind_input(struct pf_exchange *exchange, const struct pf_exchange_input *input,
                                    struct pf_error *err) PF_MUST_CHECK;
/* When no statement uses it any more. Harmless for an unknown name. */
void pf_exchange_unbind_input(struct pf_exchange *exchange, pf_str name);

/* What was read: ranges (of files: files opened) and their bytes, by medium. */
struct pf_exchange_reads {
    int64_t ranges[PF_MEDIUM_COUNT], bytes[PF_MEDIUM_COUNT];
};
/* Adds what statements have read of an input since it was bound; nothing for an unknown name. */
void pf_exchange_add_reads(struct pf_exchange *exchange, pf_str name, struct pf_exchange_reads *sum);

/* Since open: for metrics and the bench. */
struct pf_exchange_stats {
    int64_t written_bytes, read_bytes, written_objects[PF_MEDIUM_COUNT];
    int64_t pool_bytes;
};
void pf_exchange_get_stats(struct pf_exchange *exchange, struct pf_exchange_stats *out_stats);

#endif
