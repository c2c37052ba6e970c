/* SPDX-License-Identifier: MIT */
/* Several calls at once from one thread: libcurl's multi interface, driven by whoever waits.
 *
 * A multi handle keeps the connections; a batch that ends gives it back to the client, and the next batch finds them
 * open. Easy handles come from the client too, so that nothing is allocated twice. */
#include "net/http_client.h"

#include "base/clock.h"

#include <assert.h>
#include <string.h>

enum { MAX_KEPT_CONNECTIONS = 64, RECEIVE_BYTES = 128 << 10, MAX_WAIT_MS = 1000 };

struct batched {
    struct batched *next;
    struct transfer transfer;
    struct pf_http_call call;
    CURL *handle;
    void *tag;
    bool is_over;
    CURLcode curl_code;
};

struct pf_http_batch {
    struct pf_http_client *client;
    CURLM *multi;
    struct batched *first;
    size_t count;
};

enum pf_code pf_http_batch_open(struct pf_http_client *client, struct pf_arena *arena, struct pf_http_batch **out_batch,
                                struct pf_error *err) {
    CURLM *multi = NULL;
    pthread_mutex_lock(&client->locked.mutex);
    if (client->locked.multi_count > 0) multi = client->locked.idle_multis[--client->locked.multi_count];
    pthread_mutex_unlock(&client->locked.mutex);
    if (!multi) {
        multi = curl_multi_init();
        if (!multi) PF_FAIL(err, PF_NO_MEMORY, "no memory for connections");
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)MAX_KEPT_CONNECTIONS);
        curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    }
    struct pf_http_batch *batch = PF_ARENA_NEW(arena, struct pf_http_batch);
    *batch = (struct pf_http_batch){.client = client, .multi = multi};
    *out_batch = batch;
    return PF_OK;
}

enum pf_code pf_http_batch_start(struct pf_http_batch *batch, const struct pf_http_call *call, bool on_new_connection,
                                 void *tag, struct pf_arena *arena, struct pf_error *err) {
    struct batched *batched = PF_ARENA_NEW(arena, struct batched);
    batched->call = *call;
    batched->tag = tag;
    batched->transfer = (struct transfer){.call = &batched->call, .arena = arena};
    enum pf_code code = transfer_begin(batch->client, &batched->transfer, &batched->handle, err);
    if (code != PF_OK) {
        transfer_clear(&batched->transfer, false);
        return code;
    }
    curl_easy_setopt(batched->handle, CURLOPT_PRIVATE, batched);
    curl_easy_setopt(batched->handle, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
    if (on_new_connection) curl_easy_setopt(batched->handle, CURLOPT_FRESH_CONNECT, 1L);
    CURLMcode added = curl_multi_add_handle(batch->multi, batched->handle);
    if (added != CURLM_OK) {
        http_client_give_back(batch->client, batched->handle);
        transfer_clear(&batched->transfer, false);
        PF_FAIL(err, PF_NO_MEMORY, "%.*s: %s", PF_STR_ARG(batched->transfer.label), curl_multi_strerror(added));
    }
    batched->next = batch->first;
    batch->first = batched;
    batch->count++;
    return PF_OK;
}

static void take_out(struct pf_http_batch *batch, struct batched *batched) {
    struct batched **link = &batch->first;
    while (*link != batched) link = &(*link)->next;
    *link = batched->next;
    batch->count--;
    curl_multi_remove_handle(batch->multi, batched->handle);
}

static void note_ends(struct pf_http_batch *batch) {
    int left;
    for (CURLMsg *message = curl_multi_info_read(batch->multi, &left); message;
         message = curl_multi_info_read(batch->multi, &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        char *private = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct batched *batched = (struct batched *)(void *)private;
        batched->is_over = true;
        batched->curl_code = message->data.result;
    }
}

static enum pf_http_fault fault_of(CURLcode code) {
    switch (code) {
    case CURLE_OK: return PF_HTTP_NO_FAULT;
    case CURLE_COULDNT_RESOLVE_HOST: return PF_HTTP_RESOLVE;
    case CURLE_COULDNT_CONNECT: return PF_HTTP_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION: return PF_HTTP_TLS;
    case CURLE_OPERATION_TIMEDOUT: return PF_HTTP_TIMED_OUT;
    default: return PF_HTTP_BROKEN;
    }
}

/* The oldest that is over, for fairness. */
static struct batched *find_over(const struct pf_http_batch *batch) {
    struct batched *found = NULL;
    for (struct batched *each = batch->first; each; each = each->next) {
        if (each->is_over) found = each;
    }
    return found;
}

static void end_call(struct pf_http_batch *batch, struct batched *batched, struct pf_http_ended *out_ended) {
    curl_off_t first_byte_us = 0;
    curl_easy_getinfo(batched->handle, CURLINFO_STARTTRANSFER_TIME_T, &first_byte_us);
    *out_ended = (struct pf_http_ended){
        .tag = batched->tag, .fault = fault_of(batched->curl_code), .first_byte_us = (int64_t)first_byte_us};
    take_out(batch, batched);
    out_ended->code = transfer_finish(&batched->transfer, batched->curl_code, &out_ended->reply, &out_ended->err);
    out_ended->status = batched->transfer.reply.status;
    http_client_give_back(batch->client, batched->handle);
    transfer_clear(&batched->transfer, out_ended->code == PF_OK);
}

bool pf_http_batch_wait(struct pf_http_batch *batch, int64_t wait_ms, struct pf_http_ended *out_ended) {
    struct pf_deadline deadline = pf_deadline_in(wait_ms);
    for (;;) {
        int running = 0;
        curl_multi_perform(batch->multi, &running);
        note_ends(batch);
        struct batched *over = find_over(batch);
        if (over) {
            end_call(batch, over, out_ended);
            return true;
        }
        int64_t left_ms = pf_deadline_left_ms(deadline);
        if (left_ms <= 0 || !batch->count) return false;
        curl_multi_poll(batch->multi, NULL, 0, (int)(left_ms < MAX_WAIT_MS ? left_ms : MAX_WAIT_MS), NULL);
    }
}

static void stop_call(struct pf_http_batch *batch, struct batched *batched) {
    take_out(batch, batched);
    http_client_give_back(batch->client, batched->handle);
    transfer_clear(&batched->transfer, false);
}

void pf_http_batch_stop(struct pf_http_batch *batch, const void *tag) {
    for (struct batched *each = batch->first, *next; each; each = next) {
        next = each->next;
        if (each->tag == tag) stop_call(batch, each);
    }
}

struct pf_http_batch *pf_http_batch_close(struct pf_http_batch *batch) {
    if (!batch) return NULL;
    while (batch->first) stop_call(batch, batch->first);
    struct pf_http_client *client = batch->client;
    pthread_mutex_lock(&client->locked.mutex);
    bool is_kept = client->locked.multi_count < MAX_IDLE_MULTIS;
    if (is_kept) client->locked.idle_multis[client->locked.multi_count++] = batch->multi;
    pthread_mutex_unlock(&client->locked.mutex);
    if (!is_kept) curl_multi_cleanup(batch->multi);
    return NULL;
}
