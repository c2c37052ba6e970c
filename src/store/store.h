/* SPDX-License-Identifier: MIT */
/* Objects by key: whole immutable files under a root, whatever keeps them.
 *
 * Back ends: a directory (file:///path or a plain path) and S3 (s3://bucket/prefix). Callers assume no directory: what
 * only a directory can do (pf_store_local_path) answers PF_UNSUPPORTED elsewhere. Files for readers that
 * open them themselves, whatever the back end: pf_cache_acquire.
 * A key is 1 to 1,024 bytes of UTF-8: parts separated by '/', none of them empty, "." or "..", none longer than 255
 * bytes, no byte below 0x20, and none that starts with ".puffindb" (the store's own files). A prefix is any beginning of
 * a key, the empty one included.
 * Errors name the store and the key. A put is seen whole or not at all, whenever a process dies.
 * Not here: tables (catalog/), partitions (exchange/).
 * Threads: a store may be shared; every call may block on the disk or the network. */
#ifndef PF_STORE_STORE_H
#define PF_STORE_STORE_H

#include "base/arena.h"

struct pf_store;

enum pf_s3_addressing { PF_S3_AUTO, PF_S3_PATH, PF_S3_VIRTUAL };
enum pf_s3_checksum { PF_S3_CRC32C, PF_S3_CRC64NVME, PF_S3_SHA256, PF_S3_NO_CHECKSUM };

/* Empty and 0: what the environment and the AWS profile say, else the default. Credentials: aws/aws.h. */
struct pf_s3_options {
    pf_str endpoint; /* "https://host:port"; else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, else AWS's for the region */
    pf_str region;   /* else AWS_REGION, AWS_DEFAULT_REGION, the profile's, "us-east-1" */
    pf_str ca_path;  /* PEM file; else AWS_CA_BUNDLE, else the system's */
    enum pf_s3_addressing addressing; /* auto: the bucket is in the path where an endpoint is given */
    enum pf_s3_checksum checksum;     /* sent with what is written */
    bool no_hedging;                  /* a read that is late is not asked for a second time */
    int in_flight;                    /* requests of one call at once; 0: 16 */
    int64_t part_bytes;               /* of large reads and writes; 0: 8 MiB */
    int64_t timeout_ms;               /* of one request with all its retries; 0: 60 s */
};

struct pf_store_options {
    bool is_volatile;      /* nothing is synced to disk: scratch data, tests */
    bool must_exist;       /* PF_NOT_FOUND instead of making a root that isn't there */
    int64_t max_get_bytes; /* of one pf_store_get; 0: 1 GiB */
    int64_t lock_wait_ms;  /* longest wait for another writer of the same key; 0: 30 s, then PF_TIMEOUT */
    struct pf_s3_options s3;
};

/* `options` may be NULL. PF_UNSUPPORTED for a scheme without back end, PF_INVALID for a root that is no directory,
 * PF_DENIED, ... */
enum pf_code pf_store_open(pf_str url, const struct pf_store_options *options, struct pf_store **out_store,
                           struct pf_error *err) PF_MUST_CHECK;
struct pf_store *pf_store_close(struct pf_store *store); /* NULL is fine */

/* "file:///path", "s3://bucket/prefix", without a slash at the end; lives as long as the store. */
pf_str pf_store_url(const struct pf_store *store);
/* The absolute URI of a key, as Iceberg metadata names files: url + "/" + key, nothing escaped. */
pf_str pf_store_uri(const struct pf_store *store, pf_str key, struct pf_arena *arena);
/* The key of a URI ("file:///...", "file:/...", "s3://...", "s3a://...") or absolute path inside this store; false if it lies elsewhere or
 * is no valid key. `*out_key` is a view into `uri`. */
bool pf_store_key_of(const struct pf_store *store, pf_str uri, pf_str *out_key);
/* PF_INVALID says what is wrong with it. */
enum pf_code pf_store_check_key(pf_str key, struct pf_error *err) PF_MUST_CHECK;

/* ---- reading ---- */

/* `length` bytes from `offset`; length -1: to the end; offset -n: the last n bytes (then length is ignored).
 * What lies behind the end of the object is left out: the answer may be shorter. */
struct pf_range {
    int64_t offset, length;
};
#define PF_RANGE_ALL ((struct pf_range){0, -1})

/* Callers handle PF_NOT_FOUND; PF_TOO_LARGE over max_get_bytes. */
enum pf_code pf_store_get(struct pf_store *store, pf_str key, struct pf_range range, struct pf_arena *arena,
                          pf_str *out_bytes, struct pf_error *err) PF_MUST_CHECK;
/* Exactly `length` bytes, to memory or into a file at the same offset. */
struct pf_store_read {
    pf_str key;
    int64_t offset, length;
    char *to; /* NULL: to `fd` */
    int fd;
};
/* Several at once, as many as the back end can bear. PF_CORRUPT if an object ends before. After a failure what was
 * read is unknown. `is_cancelled` (may be NULL) is asked now and then: true ends it with PF_CANCELLED. */
enum pf_code pf_store_read_many(struct pf_store *store, const struct pf_store_read *reads, size_t count,
                                bool (*is_cancelled)(void *context), void *context, struct pf_error *err) PF_MUST_CHECK;
/* The same for a caller who works on what is there already: `on_read` (may be NULL) is told each read that is complete,
 * once, in the order in which they come, by the calling thread. */
struct pf_store_watch {
    bool (*is_cancelled)(void *context);
    void (*on_read)(void *context, size_t index);
    void *context;
};
enum pf_code pf_store_read_each(struct pf_store *store, const struct pf_store_read *reads, size_t count,
                                const struct pf_store_watch *watch, struct pf_error *err) PF_MUST_CHECK;
/* The whole object and the etag that pf_store_put_if and pf_store_delete_if expect: equal etags mean equal bytes. */
enum pf_code pf_store_get_versioned(struct pf_store *store, pf_str key, struct pf_arena *arena, pf_str *out_bytes,
                                    pf_str *out_etag, struct pf_error *err) PF_MUST_CHECK;

struct pf_store_object {
    pf_str key;
    int64_t size_bytes, modified_ms;
};
/* PF_NOT_FOUND if it isn't there. `out_object->key` is `key` itself. */
enum pf_code pf_store_stat(struct pf_store *store, pf_str key, struct pf_store_object *out_object, struct pf_error *err)
    PF_MUST_CHECK;

struct pf_store_list_options {
    pf_str prefix;
    bool is_flat; /* keys with a further '/' after the prefix are folded into `prefixes`, e.g. "main/" */
    pf_str after; /* start behind this key or prefix: next_after of the page before */
    size_t limit; /* objects and prefixes on a page; 0: 1,000 */
};
struct pf_store_page {
    struct pf_store_object *objects; /* by key, unsigned bytes */
    size_t object_count;
    pf_str *prefixes; /* with their '/' */
    size_t prefix_count;
    pf_str next_after; /* empty: that was the last page */
};
/* What is put or deleted meanwhile may or may not be listed; everything else is, once. */
enum pf_code pf_store_list(struct pf_store *store, const struct pf_store_list_options *options, struct pf_arena *arena,
                           struct pf_store_page *out_page, struct pf_error *err) PF_MUST_CHECK;

/* ---- writing ---- */

/* Durable when it returns, unless the store is volatile. Replaces what was there. */
enum pf_code pf_store_put(struct pf_store *store, pf_str key, pf_str bytes, struct pf_error *err) PF_MUST_CHECK;
/* Not synced: for what may be lost with the machine (exchange, results). */
enum pf_code pf_store_put_temporary(struct pf_store *store, pf_str key, pf_str bytes, struct pf_error *err)
    PF_MUST_CHECK;
/* The same, of pieces one behind the other. S3 gets them in one request, without a copy of the whole, whatever the size
 * (at most 5 GB). */
enum pf_code pf_store_put_pieces(struct pf_store *store, pf_str key, const pf_str *pieces, size_t count,
                                 struct pf_error *err) PF_MUST_CHECK;
/* Writes only if the object is still the one with `expected_etag` (empty: if there is none), atomically between
 * processes. PF_CONFLICT: it is not, nothing was written. PF_REMOTE, PF_TIMEOUT: the outcome is unknown, read it
 * again. `out_etag` may be NULL. */
enum pf_code pf_store_put_if(struct pf_store *store, pf_str key, pf_str expected_etag, pf_str bytes,
                             struct pf_arena *arena, pf_str *out_etag, struct pf_error *err) PF_MUST_CHECK;

/* A key that isn't there is fine. */
enum pf_code pf_store_delete(struct pf_store *store, pf_str key, struct pf_error *err) PF_MUST_CHECK;
/* PF_CONFLICT if the object is not the one with `expected_etag` any more; PF_NOT_FOUND if there is none. */
enum pf_code pf_store_delete_if(struct pf_store *store, pf_str key, pf_str expected_etag, struct pf_error *err)
    PF_MUST_CHECK;
/* Each of these keys, a thousand to a request where there are requests. */
enum pf_code pf_store_delete_many(struct pf_store *store, const pf_str *keys, size_t count, struct pf_error *err)
    PF_MUST_CHECK;
/* All keys that start with `prefix`, which must not be empty. `out_count` may be NULL. */
enum pf_code pf_store_delete_prefix(struct pf_store *store, pf_str prefix, int64_t *out_count, struct pf_error *err)
    PF_MUST_CHECK;

/* Removes what writers that died left behind and that is older; pf_store_open does it for more than a day. */
enum pf_code pf_store_sweep(struct pf_store *store, int64_t older_than_ms, int64_t *out_count, struct pf_error *err)
    PF_MUST_CHECK;

/* Since open. All 0 where nothing goes over a network. */
struct pf_store_counters {
    int64_t requests;                   /* sent, with retries and hedges */
    int64_t received_bytes, sent_bytes; /* of bodies */
    int64_t retries, throttled, hedges, hedges_won;
};
void pf_store_count(const struct pf_store *store, struct pf_store_counters *out_counters);

/* ---- back ends with files ---- */

/* False: pf_store_local_path says PF_UNSUPPORTED for every key. */
bool pf_store_has_files(const struct pf_store *store);

/* The path of an object for readers that open files themselves (DuckDB), no matter whether it exists.
 * PF_UNSUPPORTED where there is none. */
enum pf_code pf_store_local_path(struct pf_store *store, pf_str key, struct pf_arena *arena, pf_str *out_path,
                                 struct pf_error *err) PF_MUST_CHECK;
/* The directory of all keys that start with `prefix` + '/', made if missing: others may write files there, which are
 * objects from then on. The empty prefix gives the root. */
enum pf_code pf_store_local_directory(struct pf_store *store, pf_str prefix, struct pf_arena *arena, pf_str *out_path,
                                      struct pf_error *err) PF_MUST_CHECK;
/* Makes an object durable that was written through its path. */
enum pf_code pf_store_sync(struct pf_store *store, pf_str key, struct pf_error *err) PF_MUST_CHECK;

/* ---- files for readers, whatever the back end ---- */

/* Memory in front of the store. A Parquet file becomes a path at which just the parts that a statement needs are
 * filled in: DuckDB's own reader opens it. Where the store has files, the path is the file's own and nothing is copied.
 * What was fetched is kept up to a budget; objects never change, so nothing is asked again.
 * Threads: safe. How it works: cache.c. */
struct pf_cache;
struct pf_cache_options {
    int64_t budget_bytes;  /* of what is kept; what is in use comes on top, up to three times as much */
    pf_str link_directory; /* of this process alone, where the paths lie; made here, removed at close */
};
enum pf_code pf_cache_open(struct pf_store *store, const struct pf_cache_options *options, struct pf_cache **out_cache,
                           struct pf_error *err) PF_MUST_CHECK;
struct pf_cache *pf_cache_close(struct pf_cache *cache); /* NULL is fine; everything must have been released */
/* The directory that readers must be allowed to open; empty where the store has files. */
pf_str pf_cache_directory(const struct pf_cache *cache);

struct pf_cache_column {
    pf_str name;
    int field_id; /* also found under another name by this; -1: there is none */
};
struct pf_cache_need {
    pf_str key;
    int64_t size_bytes; /* of the object; -1: unknown */
    bool is_plain;      /* no Parquet file: all of it; what follows says nothing */
    bool all_columns;
    const struct pf_cache_column *columns; /* those at the top, with all that is nested in them */
    size_t column_count;
    int64_t first_row, last_row; /* the row groups with these; last_row -1: to the end */
    pf_str path;                 /* out: good until the hold is released */
};
struct pf_cache_counters {
    int64_t hit_bytes, fetched_bytes; /* asked for and there; asked for and fetched (without what lies between) */
    int64_t kept_bytes, evicted_bytes, entries;
};
struct pf_cache_hold;
/* Reading anything else at the paths is an error for the reader. PF_CORRUPT names the object that is no Parquet file;
 * PF_NO_MEMORY if it is more than may be in use. `is_cancelled` as in pf_store_read_many. `out_counters` (may be NULL)
 * are those of this call. */
enum pf_code pf_cache_acquire(struct pf_cache *cache, struct pf_cache_need *needs, size_t count,
                              bool (*is_cancelled)(void *context), void *context, struct pf_arena *arena,
                              struct pf_cache_hold **out_hold, struct pf_cache_counters *out_counters,
                              struct pf_error *err) PF_MUST_CHECK;
struct pf_cache_hold *pf_cache_release(struct pf_cache_hold *hold); /* NULL is fine */
/* Names objects by their URIs where a reader's message has their paths. */
void pf_cache_name_objects(const struct pf_cache_hold *hold, struct pf_error *err);
void pf_cache_count(struct pf_cache *cache, struct pf_cache_counters *out_counters);

#endif
