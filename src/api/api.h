/* SPDX-License-Identifier: MIT */
/* The HTTP API: routes, request options, result formats. docs/api.md is its reference.
 *
 * A handler over net's requests and responses that knows no socket, so it answers the server's connections, Lambda's
 * events and, in the same process, the embedded shell.
 * Not here: planning and running (query/), the wire (net/). */
#ifndef PF_API_API_H
#define PF_API_API_H

#include "net/net.h"
#include "query/query.h"

struct pf_api;

struct pf_api_options {
    struct pf_stack *stack; /* outlives the api */
    pf_str store_url;       /* shown by /healthz: clients tell by it whether this is their lake */
    pf_str allow_origin;    /* CORS: web pages of this origin may call, "*": all; empty: none */
    int64_t timeout_ms;     /* time limit of queries; a request may ask for less; 0: none */
    enum pf_route route;    /* of requests that name none */
};

struct pf_api *pf_api_new(const struct pf_api_options *options);
/* No request may be under way. NULL is fine; returns NULL. */
struct pf_api *pf_api_free(struct pf_api *api);

/* A pf_http_handler; `api` is the struct pf_api. Any number of threads at once. */
void pf_api_handle(void *api, struct pf_http_request *request, struct pf_http_response *response);

/* The same as fields of {"error":{...}}; `query_id` may be empty. */
pf_str pf_api_error_json(struct pf_arena *arena, const struct pf_error *err, pf_str query_id);

#endif
