/* SPDX-License-Identifier: MIT */
/* What the files of the HTTP client share: its handles, and one call under way. */
#ifndef PF_NET_HTTP_CLIENT_H
#define PF_NET_HTTP_CLIENT_H

#include "base/buf.h"
#include "net/net.h"

#include <curl/curl.h>
#include <pthread.h>

enum { MAX_IDLE_HANDLES = 64, MAX_IDLE_MULTIS = 16 };

struct pf_http_client {
    struct pf_arena *arena;
    const char *ca_path, *user_agent;
    bool skip_verify;
    struct {
        pthread_mutex_t mutex;
        CURL *idle[MAX_IDLE_HANDLES];
        size_t count;
        CURLM *idle_multis[MAX_IDLE_MULTIS]; /* each with its open connections */
        size_t multi_count;
    } locked;
};

/* One call under way; stays where it is until transfer_clear. */
struct transfer {
    const struct pf_http_call *call;
    struct pf_arena *arena;
    struct pf_http_reply reply;
    struct pf_buf body;
    enum pf_code sink_code;
    bool is_body_stream_over;
    struct curl_slist *headers;
    pf_str label; /* "GET http://host/path" */
    char curl_message[CURL_ERROR_SIZE];
};

CURL *http_client_take_handle(struct pf_http_client *client);
void http_client_give_back(struct pf_http_client *client, CURL *handle);

/* `transfer` has call and arena. On failure there is no handle. */
enum pf_code transfer_begin(struct pf_http_client *client, struct transfer *transfer, CURL **out_handle,
                            struct pf_error *err) PF_MUST_CHECK;
enum pf_code transfer_finish(struct transfer *transfer, CURLcode curl_code, struct pf_http_reply *out_reply,
                             struct pf_error *err) PF_MUST_CHECK;
/* Also after a transfer_begin that failed. */
void transfer_clear(struct transfer *transfer, bool is_complete);

#endif
