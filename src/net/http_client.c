/* SPDX-License-Identifier: MIT */
/* The client: libcurl's easy interface. Each handle keeps its connections; a call takes an idle handle or makes one,
 * so as many calls run at once as there are threads. Several calls from one thread: http_batch.c. */
#include "net/http_client.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#ifndef PUFFIN_VERSION
#define PUFFIN_VERSION "0"
#endif

enum {
    MAX_HEADER_COUNT = 500,
    DEFAULT_CONNECT_MS = 5000,
    DEFAULT_TIMEOUT_MS = 60000,
    DEFAULT_BODY_BYTES = 64 << 20,
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_start_code;

static void start_curl(void) {
    curl_start_code = curl_global_init(CURL_GLOBAL_ALL);
}

enum pf_code pf_http_client_open(const struct pf_http_client_options *options, struct pf_http_client **out_client,
                                 struct pf_error *err) {
    pthread_once(&curl_once, start_curl);
    if (curl_start_code != CURLE_OK) {
        PF_FAIL(err, PF_NO_MEMORY, "start the HTTP client: %s", curl_easy_strerror(curl_start_code));
    }
    struct pf_arena *arena = pf_arena_new(NULL, "http client");
    struct pf_http_client *client = PF_ARENA_NEW(arena, struct pf_http_client);
    client->arena = arena;
    client->user_agent = "puffindb/" PUFFIN_VERSION;
    if (options && options->user_agent) {
        client->user_agent = pf_arena_cstr(arena, pf_str_from_cstr(options->user_agent));
    }
    if (options && options->ca_path) client->ca_path = pf_arena_cstr(arena, pf_str_from_cstr(options->ca_path));
    client->skip_verify = options && options->skip_verify;
    pthread_mutex_init(&client->locked.mutex, NULL);
    *out_client = client;
    return PF_OK;
}

struct pf_http_client *pf_http_client_close(struct pf_http_client *client) {
    if (!client) return NULL;
    for (size_t i = 0; i < client->locked.count; i++) curl_easy_cleanup(client->locked.idle[i]);
    for (size_t i = 0; i < client->locked.multi_count; i++) curl_multi_cleanup(client->locked.idle_multis[i]);
    pthread_mutex_destroy(&client->locked.mutex);
    pf_arena_free(client->arena);
    return NULL;
}

CURL *http_client_take_handle(struct pf_http_client *client) {
    CURL *handle = NULL;
    pthread_mutex_lock(&client->locked.mutex);
    if (client->locked.count > 0) handle = client->locked.idle[--client->locked.count];
    pthread_mutex_unlock(&client->locked.mutex);
    return handle ? handle : curl_easy_init();
}

void http_client_give_back(struct pf_http_client *client, CURL *handle) {
    curl_easy_reset(handle);
    pthread_mutex_lock(&client->locked.mutex);
    bool is_kept = client->locked.count < MAX_IDLE_HANDLES;
    if (is_kept) client->locked.idle[client->locked.count++] = handle;
    pthread_mutex_unlock(&client->locked.mutex);
    if (!is_kept) curl_easy_cleanup(handle);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    pf_str line = pf_str_trim(pf_str_from(bytes, size * count));
    if (pf_str_starts_with(line, PF_STR("HTTP/"))) {
        /* Each answer starts afresh: 100 Continue and redirects come first. */
        transfer->reply.headers = (struct pf_http_fields){0};
        pf_str code = pf_str_slice(line, pf_str_find_char(line, ' ', 0), SIZE_MAX);
        int64_t status = 0;
        pf_str_to_i64(pf_str_slice(code, 1, 4), &status);
        transfer->reply.status = (int)status;
        return size * count;
    }
    size_t colon = pf_str_find_char(line, ':', 0);
    if (colon != SIZE_MAX && transfer->reply.headers.count < MAX_HEADER_COUNT) {
        pf_str name = pf_arena_str(transfer->arena, pf_str_trim(pf_str_slice(line, 0, colon)));
        pf_str value = pf_arena_str(transfer->arena, pf_str_trim(pf_str_slice(line, colon + 1, line.len)));
        pf_http_fields_add(&transfer->reply.headers, transfer->arena, name, value);
    }
    return size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    const struct pf_http_call *call = transfer->call;
    pf_str piece = pf_str_from(bytes, size * count);
    if (call->on_body && transfer->reply.status / 100 == 2) {
        transfer->sink_code = call->on_body(call->context, transfer->reply.status, piece);
        return transfer->sink_code == PF_OK ? piece.len : 0;
    }
    pf_buf_put(&transfer->body, piece.ptr, piece.len);
    return transfer->body.failed ? 0 : piece.len;
}

static size_t pull_body(char *buf, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    const struct pf_http_stream *stream = &transfer->call->body_stream;
    size_t length = 0;
    while (length == 0 && !transfer->is_body_stream_over) {
        transfer->sink_code = stream->next(stream->context, buf, size * count, &length, &transfer->is_body_stream_over);
        if (transfer->sink_code != PF_OK) return CURL_READFUNC_ABORT;
    }
    return length;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    const struct transfer *transfer = context;
    return transfer->call->is_cancelled && transfer->call->is_cancelled(transfer->call->context);
}

static bool has_forbidden_bytes(pf_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\r' || text.ptr[i] == '\n' || text.ptr[i] == 0) return true;
    }
    return false;
}

static void add_header(struct transfer *transfer, const char *line) {
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);
    if (longer) transfer->headers = longer;
}

static enum pf_code build_headers(struct transfer *transfer, struct pf_error *err) {
    bool has_content_type = false;
    for (size_t i = 0; i < transfer->call->header_count; i++) {
        const struct pf_http_field *field = &transfer->call->headers[i];
        if (has_forbidden_bytes(field->name) || has_forbidden_bytes(field->value)) {
            PF_FAIL(err, PF_INVALID, "%.*s: forbidden bytes in header %.*s", PF_STR_ARG(transfer->label),
                    PF_STR_ARG(field->name));
        }
        has_content_type |= pf_str_equal_nocase(field->name, PF_STR("content-type"));
        /* libcurl: "Name;" is a header without a value, "Name:" would remove it. */
        pf_str line = field->value.len ? pf_arena_printf(transfer->arena, "%.*s: %.*s", PF_STR_ARG(field->name),
                                                         PF_STR_ARG(field->value))
                                       : pf_arena_printf(transfer->arena, "%.*s;", PF_STR_ARG(field->name));
        add_header(transfer, pf_arena_cstr(transfer->arena, line));
    }
    add_header(transfer, "Expect:");
    if (!has_content_type) add_header(transfer, "Content-Type:");
    return PF_OK;
}

static void set_method(struct transfer *transfer, CURL *handle) {
    const struct pf_http_call *call = transfer->call;
    pf_str method = call->method.len ? call->method : PF_STR("GET");
    if (call->body_stream.next) {
        curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(handle, CURLOPT_READFUNCTION, pull_body);
        curl_easy_setopt(handle, CURLOPT_READDATA, transfer);
        curl_off_t size_bytes = call->body_stream.size_bytes > 0 ? call->body_stream.size_bytes : -1;
        curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, size_bytes);
    } else if (pf_str_equal(method, PF_STR("HEAD"))) {
        curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
        return;
    } else if (call->body.len || pf_str_equal(method, PF_STR("POST")) || pf_str_equal(method, PF_STR("PUT"))) {
        curl_easy_setopt(handle, CURLOPT_POST, 1L);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDS, call->body.len ? call->body.ptr : "");
        curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
    } else {
        curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, pf_arena_cstr(transfer->arena, method));
}

static void set_limits(struct transfer *transfer, CURL *handle) {
    const struct pf_http_call *call = transfer->call;
    int64_t connect_ms = call->connect_ms > 0 ? call->connect_ms : DEFAULT_CONNECT_MS;
    int64_t timeout_ms = call->timeout_ms < 0 ? 0 : call->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : call->timeout_ms;
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    if (call->stall_ms > 0) {
        curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (long)((call->stall_ms + 999) / 1000));
    }
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, call->max_redirects > 0 ? 1L : 0L);
    curl_easy_setopt(handle, CURLOPT_MAXREDIRS, (long)call->max_redirects);
    pf_buf_init(&transfer->body, call->max_body_bytes ? call->max_body_bytes : (size_t)DEFAULT_BODY_BYTES);
}

static void set_options(struct pf_http_client *client, struct transfer *transfer, CURL *handle) {
    const struct pf_http_call *call = transfer->call;
    curl_easy_setopt(handle, CURLOPT_URL, pf_arena_cstr(transfer->arena, call->url));
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, client->user_agent);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, transfer->curl_message);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, transfer);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, call->is_cancelled ? 0L : 1L);
    if (client->ca_path) curl_easy_setopt(handle, CURLOPT_CAINFO, client->ca_path);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, client->skip_verify ? 0L : 1L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, client->skip_verify ? 0L : 2L);
    if (call->unix_path.len) {
        curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, pf_arena_cstr(transfer->arena, call->unix_path));
    }
    set_method(transfer, handle);
    set_limits(transfer, handle);
}

static enum pf_code code_from_curl(CURLcode code) {
    switch (code) {
    case CURLE_OK: return PF_OK;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return PF_INVALID;
    case CURLE_OPERATION_TIMEDOUT: return PF_TIMEOUT;
    case CURLE_ABORTED_BY_CALLBACK: return PF_CANCELLED;
    case CURLE_OUT_OF_MEMORY: return PF_NO_MEMORY;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE: return PF_DENIED;
    default: return PF_REMOTE;
    }
}

/* Neither the query (signatures) nor the user part (passwords) may appear in messages. */
static pf_str label_call(const struct pf_http_call *call, struct pf_arena *arena) {
    size_t host = pf_str_find(call->url, PF_STR("://"), 0);
    host = host == SIZE_MAX ? 0 : host + 3;
    size_t end = pf_str_find_char(call->url, '?', 0);
    pf_str rest = pf_str_slice(call->url, host, end);
    size_t slash = pf_str_find_char(rest, '/', 0);
    size_t at = pf_str_find_char(pf_str_slice(rest, 0, slash), '@', 0);
    if (at != SIZE_MAX) rest = pf_str_slice(rest, at + 1, rest.len);
    pf_str method = call->method.len ? call->method : PF_STR("GET");
    return pf_arena_printf(arena, "%.*s %.*s%.*s", PF_STR_ARG(method), PF_STR_ARG(pf_str_slice(call->url, 0, host)),
                           PF_STR_ARG(pf_str_slice(rest, 0, 300)));
}

enum pf_code transfer_begin(struct pf_http_client *client, struct transfer *transfer, CURL **out_handle,
                            struct pf_error *err) {
    transfer->label = label_call(transfer->call, transfer->arena);
    if (has_forbidden_bytes(transfer->call->url)) {
        PF_FAIL(err, PF_INVALID, "%.*s: control bytes in the URL", PF_STR_ARG(transfer->label));
    }
    PF_TRY(build_headers(transfer, err));
    CURL *handle = http_client_take_handle(client);
    if (!handle) PF_FAIL(err, PF_NO_MEMORY, "%.*s: no memory for a connection", PF_STR_ARG(transfer->label));
    set_options(client, transfer, handle);
    *out_handle = handle;
    return PF_OK;
}

enum pf_code transfer_finish(struct transfer *transfer, CURLcode curl_code, struct pf_http_reply *out_reply,
                             struct pf_error *err) {
    if (transfer->body.failed) {
        PF_FAIL(err, PF_TOO_LARGE, "%.*s: the answer is larger than the limit of %zu bytes",
                PF_STR_ARG(transfer->label), transfer->body.max_bytes);
    }
    if (transfer->sink_code != PF_OK) {
        PF_FAIL(err, transfer->sink_code, "%.*s: ended on our side: %s", PF_STR_ARG(transfer->label),
                pf_code_text(transfer->sink_code));
    }
    if (curl_code != CURLE_OK) {
        const char *message = *transfer->curl_message ? transfer->curl_message : curl_easy_strerror(curl_code);
        PF_FAIL(err, code_from_curl(curl_code), "%.*s: %s", PF_STR_ARG(transfer->label), message);
    }
    transfer->reply.body = pf_arena_str(transfer->arena, pf_buf_view(&transfer->body));
    *out_reply = transfer->reply;
    return PF_OK;
}

void transfer_clear(struct transfer *transfer, bool is_complete) {
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    pf_buf_clear(&transfer->body);
    const struct pf_http_stream *stream = &transfer->call->body_stream;
    if (stream->next && stream->end) stream->end(stream->context, is_complete && transfer->is_body_stream_over);
}

enum pf_code pf_http_send(struct pf_http_client *client, const struct pf_http_call *call, struct pf_arena *arena,
                          struct pf_http_reply *out_reply, struct pf_error *err) {
    struct transfer transfer = {.call = call, .arena = arena};
    CURL *handle = NULL;
    enum pf_code code = transfer_begin(client, &transfer, &handle, err);
    if (code == PF_OK) {
        CURLcode curl_code = curl_easy_perform(handle);
        http_client_give_back(client, handle);
        code = transfer_finish(&transfer, curl_code, out_reply, err);
    }
    transfer_clear(&transfer, code == PF_OK);
    return code;
}
