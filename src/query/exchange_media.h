/* SPDX-License-Identifier: MIT */
/* Where data between stages goes, in one place: which media there are, and what is small enough for Redis. */
#ifndef PF_QUERY_EXCHANGE_MEDIA_H
#define PF_QUERY_EXCHANGE_MEDIA_H

#include "base/json.h"
#include "exchange/exchange.h"
#include "model/model.h"
#include "query/query.h"

struct small_slices;
struct store_slices;

struct exchange_media {
    pf_str path; /* a folder that all workers share, if there are no URLs; else one of this host, for nothing large */
    pf_str *urls;
    size_t url_count;
    pf_str group; /* see store_slices.h */
    bool owns_group;
    enum pf_exchange_redis redis;
};

/* The option --exchange-url: "auto", "folder", "store" (the lake's own) or URLs with commas between them. */
enum pf_code exchange_media_read(pf_str text, pf_str store_url, struct pf_arena *arena,
                                 struct exchange_media *out_media, struct pf_error *err) PF_MUST_CHECK;
/* For the event of a worker. */
void exchange_media_to_json(const struct exchange_media *media, struct pf_json_out *out);
enum pf_code exchange_media_from_json(pf_json *json, struct pf_arena *arena, struct exchange_media *out_media,
                                      struct pf_error *err) PF_MUST_CHECK;
/* Media and policy of an exchange; what they point to outlives it. `store` is there if there are URLs. */
void exchange_media_options(const struct exchange_media *media, struct small_slices *small, struct store_slices *store,
                            struct pf_exchange_options *out_options);

/* What an output added to the exchange, and what was read from it. */
void exchange_use_add_output(struct pf_exchange_use *use, const struct pf_exchange_output *output);
void exchange_use_add_reads(struct pf_exchange_use *use, const struct pf_exchange_reads *reads);
void exchange_use_add(struct pf_exchange_use *sum, const struct pf_exchange_use *more);

#endif
