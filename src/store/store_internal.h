/* SPDX-License-Identifier: MIT */
/* What a back end of the store is. The front (store.c) checks keys and puts verb, URL and key in front of errors; a
 * back end says only what went wrong. */
#ifndef PF_STORE_STORE_INTERNAL_H
#define PF_STORE_STORE_INTERNAL_H

#include "store/store.h"

struct store_backend {
    const char *scheme;
    void (*close)(struct pf_store *store);
    /* The part of `uri` behind the root, if the URI lies inside. */
    bool (*key_of)(const struct pf_store *store, pf_str uri, pf_str *out_key);
    enum pf_code (*get)(struct pf_store *store, pf_str key, struct pf_range range, struct pf_arena *arena,
                        pf_str *out_bytes, struct pf_error *err);
    /* NULL: one get after the other. */
    enum pf_code (*read_many)(struct pf_store *store, const struct pf_store_read *reads, size_t count,
                              const struct pf_store_watch *watch, struct pf_error *err);
    enum pf_code (*get_versioned)(struct pf_store *store, pf_str key, struct pf_arena *arena, pf_str *out_bytes,
                                  pf_str *out_etag, struct pf_error *err);
    enum pf_code (*stat)(struct pf_store *store, pf_str key, struct pf_store_object *out_object, struct pf_error *err);
    enum pf_code (*list)(struct pf_store *store, const struct pf_store_list_options *options, struct pf_arena *arena,
                         struct pf_store_page *out_page, struct pf_error *err);
    enum pf_code (*put)(struct pf_store *store, pf_str key, pf_str bytes, bool is_temporary, struct pf_error *err);
    /* NULL: joined, then put. */
    enum pf_code (*put_pieces)(struct pf_store *store, pf_str key, const pf_str *pieces, size_t count,
                               struct pf_error *err);
    enum pf_code (*put_if)(struct pf_store *store, pf_str key, pf_str expected_etag, pf_str bytes,
                           struct pf_arena *arena, pf_str *out_etag, struct pf_error *err);
    enum pf_code (*delete)(struct pf_store *store, pf_str key, struct pf_error *err);
    enum pf_code (*delete_if)(struct pf_store *store, pf_str key, pf_str expected_etag, struct pf_error *err);
    /* NULL: one delete after the other. */
    enum pf_code (*delete_many)(struct pf_store *store, const pf_str *keys, size_t count, struct pf_error *err);
    enum pf_code (*delete_prefix)(struct pf_store *store, pf_str prefix, int64_t *out_count, struct pf_error *err);
    enum pf_code (*sweep)(struct pf_store *store, int64_t older_than_ms, int64_t *out_count, struct pf_error *err);
    void (*count)(const struct pf_store *store, struct pf_store_counters *out_counters); /* may be NULL */
    bool sweeps_at_open;                                                                 /* it costs next to nothing */
    /* The three of back ends with files; NULL elsewhere. */
    enum pf_code (*local_path)(struct pf_store *store, pf_str key, struct pf_arena *arena, pf_str *out_path,
                               struct pf_error *err);
    enum pf_code (*local_directory)(struct pf_store *store, pf_str prefix, struct pf_arena *arena, pf_str *out_path,
                                    struct pf_error *err);
    enum pf_code (*sync)(struct pf_store *store, pf_str key, struct pf_error *err);
};

/* First member of a back end's own struct. */
struct pf_store {
    const struct store_backend *backend;
    struct pf_arena *arena;
    pf_str url;
    struct pf_store_options options;
};

/* A part that starts like this is ours: temporary objects and locks. */
#define STORE_RESERVED_PART ".puffindb"

/* All of `bytes` at `offset` of a file. */
enum pf_code store_write_at(int fd, pf_str bytes, int64_t offset, struct pf_error *err) PF_MUST_CHECK;

/* `path` may be relative. */
enum pf_code store_directory_open(pf_str path, const struct pf_store_options *options, struct pf_store **out_store,
                                  struct pf_error *err) PF_MUST_CHECK;
/* "s3://bucket/prefix" */
enum pf_code store_s3_open(pf_str url, const struct pf_store_options *options, struct pf_store **out_store,
                           struct pf_error *err) PF_MUST_CHECK;

#endif
