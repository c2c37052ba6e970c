/* SPDX-License-Identifier: MIT */
/* S3 as a store: shared by the files that send, judge, read, write and list.
 *
 *   operation (read, write, list) -> s3_request, one or many -> s3_run: attempts, hedges, retries -> batch of net/
 *                                        ^                          |
 *                                        +---- s3_judge: done, again, or what went wrong ----+
 *
 * s3_run is the one place that sends. An operation says what to ask and reads the answers. */
#ifndef PF_STORE_STORE_S3_H
#define PF_STORE_STORE_S3_H

#include "aws/aws.h"
#include "store/checksum.h"
#include "store/store_internal.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    S3_MAX_FIELDS = 6,
    S3_MAX_XML_BYTES = 8 << 20,
    S3_MAX_PAGE = 1000,         /* keys in one list or one DeleteObjects */
    S3_MAX_PARTS = 10000,       /* of one upload */
    S3_MIN_PART_BYTES = 5 << 20 /* of all parts but the last */
};

/* What is learnt from answers: when a read counts as late, and how much trying again is left. */
struct s3_pace {
    double first_byte_ms, bytes_per_ms; /* an upper quantile; a mean */
    double hedge_tokens, retry_tokens;
};

struct s3_store {
    struct pf_store store;
    struct pf_s3_options options; /* filled in */
    struct pf_aws_chain *chain;
    struct pf_http_client *client;
    pf_str bucket, prefix; /* prefix: empty or with a slash at the end */
    pf_str base_url, host; /* "https://host:port", "host:port" */
    pf_str base_path;      /* "" or "/bucket" */
    bool is_tls, is_express;
    atomic_llong requests, received_bytes, sent_bytes, retries, throttled, hedges, hedges_won;
    struct {
        pthread_mutex_t mutex;
        struct pf_aws_signing_key key;
        struct s3_pace pace;
        struct pf_arena *session_arena; /* S3 Express: keys of CreateSession */
        struct pf_aws_keys session;
    } locked;
};

static inline struct s3_store *s3_of(const struct pf_store *store) {
    return (struct s3_store *)(uintptr_t)store;
}

/* Where the bytes of a ranged read go, see pf_store_read. */
struct s3_target {
    char *to;
    int fd;
};

struct s3_request {
    const char *method;
    pf_str key;     /* in the store; empty: the bucket itself */
    bool is_bucket; /* `key` is ignored */
    struct pf_http_field query[S3_MAX_FIELDS], headers[S3_MAX_FIELDS];
    size_t query_count, header_count;
    pf_str body;
    /* Or a body in pieces, with their SHA-256 in hexadecimal unless that goes unsigned; see store_s3_write.c. */
    const pf_str *pieces;
    size_t piece_count;
    int64_t piece_bytes; /* of all */
    pf_str piece_hash;
    /* A read of exactly this range goes to `target`; else the answer's body goes to reply.body. */
    bool has_target;
    int64_t offset, length;
    struct s3_target target;
    size_t max_body_bytes; /* of reply.body; 0: S3_MAX_XML_BYTES */
    bool may_hedge;        /* a read: asking twice does no harm */
    bool is_conditional;   /* a broken connection leaves open whether it was done: that is not tried again */
    bool is_session_call;  /* CreateSession itself */
    void (*on_done)(struct s3_request *request); /* may be NULL: the answer is there and good */
    void *context;
    /* the answer */
    struct pf_http_reply reply;
};

void s3_add_query(struct s3_request *request, const char *name, pf_str value);
void s3_add_header(struct s3_request *request, const char *name, pf_str value);

struct s3_cancel {
    bool (*is_cancelled)(void *context);
    void *context;
};

/* Runs all of them to their ends. The first failure stops the others; `*out_failed`, if given, is its position.
 * PF_CONFLICT for 412, PF_NOT_FOUND for a missing key, and status 416 is an answer like others (the range lies behind
 * the end). Replies live in `arena`. */
enum pf_code s3_run(struct s3_store *s3, struct s3_request *requests, size_t count, const struct s3_cancel *cancel,
                    struct pf_arena *arena, size_t *out_failed, struct pf_error *err) PF_MUST_CHECK;

/* ---- store_s3_sign.c ---- */

/* Signed with the keys of the moment, as a call to be sent. */
enum pf_code s3_sign(struct s3_store *s3, const struct s3_request *request, struct pf_arena *arena,
                     struct pf_http_call *out_call, struct pf_error *err) PF_MUST_CHECK;
/* The keys were refused as expired. */
void s3_drop_keys(struct s3_store *s3);

/* ---- store_s3_judge.c ---- */

enum s3_verdict {
    S3_DONE,
    S3_AGAIN,      /* after a short wait */
    S3_AGAIN_SLOW, /* throttled: after a longer one */
    S3_AGAIN_KEYS, /* the keys are over: once more with new ones */
    S3_FAILED
};
/* Fills `err` unless the verdict is S3_DONE, always with what a user should do about it if that is known. */
enum s3_verdict s3_judge(const struct s3_store *s3, const struct s3_request *request, const struct pf_http_ended *ended,
                         struct pf_arena *arena, struct pf_error *err);
/* "bytes 0-99/1234": the last number, -1 if there is none. */
int64_t s3_total_of(const struct pf_http_reply *reply);

/* ---- operations: store_s3_read.c, store_s3_write.c, store_s3_list.c ---- */

enum pf_code s3_get(struct pf_store *store, pf_str key, struct pf_range range, struct pf_arena *arena,
                    pf_str *out_bytes, struct pf_error *err);
enum pf_code s3_get_versioned(struct pf_store *store, pf_str key, struct pf_arena *arena, pf_str *out_bytes,
                              pf_str *out_etag, struct pf_error *err);
enum pf_code s3_read_many(struct pf_store *store, const struct pf_store_read *reads, size_t count,
                          const struct pf_store_watch *watch, struct pf_error *err);
enum pf_code s3_stat(struct pf_store *store, pf_str key, struct pf_store_object *out_object, struct pf_error *err);

enum pf_code s3_put(struct pf_store *store, pf_str key, pf_str bytes, bool is_temporary, struct pf_error *err);
enum pf_code s3_put_pieces(struct pf_store *store, pf_str key, const pf_str *pieces, size_t count,
                           struct pf_error *err);
enum pf_code s3_put_if(struct pf_store *store, pf_str key, pf_str expected_etag, pf_str bytes, struct pf_arena *arena,
                       pf_str *out_etag, struct pf_error *err);
enum pf_code s3_delete(struct pf_store *store, pf_str key, struct pf_error *err);
enum pf_code s3_delete_if(struct pf_store *store, pf_str key, pf_str expected_etag, struct pf_error *err);

enum pf_code s3_list(struct pf_store *store, const struct pf_store_list_options *options, struct pf_arena *arena,
                     struct pf_store_page *out_page, struct pf_error *err);
enum pf_code s3_delete_many(struct pf_store *store, const pf_str *keys, size_t count, struct pf_error *err);
enum pf_code s3_delete_prefix(struct pf_store *store, pf_str prefix, int64_t *out_count, struct pf_error *err);
/* Uploads that were never completed. */
enum pf_code s3_sweep(struct pf_store *store, int64_t older_than_ms, int64_t *out_count, struct pf_error *err);

#endif
