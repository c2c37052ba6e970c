/* SPDX-License-Identifier: MIT */
/* The API as its users see it: of a server over HTTP, or of a stack in this process. The shell knows no difference.
 *
 * Threads: a client may be shared; each call blocks its thread. */
#ifndef PF_ROLES_CLIENT_H
#define PF_ROLES_CLIENT_H

#include "query/query.h"
#include "roles/roles.h"

#include <stdatomic.h>

struct client;

/* Asks /healthz at once: PF_REMOTE if there is nothing that answers like a puffindb. */
enum pf_code client_open_url(pf_str url, struct client **out_client, struct pf_error *err) PF_MUST_CHECK;
enum pf_code client_open_embedded(const struct pf_stack_options *options, struct client **out_client,
                                  struct pf_error *err) PF_MUST_CHECK;
struct client *client_close(struct client *client); /* NULL is fine; no call may be under way */
/* The URL, or "embedded". */
pf_str client_name(const struct client *client);

struct client_call {
    const char *method;
    pf_str target; /* "/v1/query?format=json", encoded */
    pf_str body;   /* SQL */
    /* If set, gets the body of an answer with status 200 as it comes. Not PF_OK ends the call with that code. */
    enum pf_code (*on_bytes)(void *context, pf_str bytes);
    void *context;
    const atomic_bool *must_stop; /* may be NULL */
};
/* Any status is PF_OK. `*out_body` is the body if `on_bytes` did not get it. PF_REMOTE: the service can't be reached,
 * or cut the answer. */
enum pf_code client_send(struct client *client, const struct client_call *call, struct pf_arena *arena, int *out_status,
                         pf_str *out_body, struct pf_error *err) PF_MUST_CHECK;
/* GET; an error status becomes the error that the body tells. */
enum pf_code client_get(struct client *client, pf_str target, struct pf_arena *arena, pf_str *out_body,
                        struct pf_error *err) PF_MUST_CHECK;
/* The error in {"error":{…}}; returns its code. `status` helps where the body is something else. */
enum pf_code client_read_error(int status, pf_str body, struct pf_error *err);

/* The URL of a server at --listen with the same lake; empty if there is none. Quick: it asks for at most 300 ms. */
pf_str find_local_server(const struct pf_config *config, struct pf_arena *arena);

#endif
