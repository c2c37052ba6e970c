/* SPDX-License-Identifier: MIT */
/* The server: libmicrohttpd with one thread per connection, so a handler may block.
 *
 * Life of a request: begin_exchange (request line is there) -> on_request, first call (headers: refuse what is too
 * large before its body is read) -> on_request with pieces of the body -> on_request, last call (the handler runs,
 * its response is queued) -> pull_stream as the client takes bytes -> end_exchange.
 *
 * libmicrohttpd closes connections on which nothing moves for a while, and counts the time a handler takes. So the
 * time limit is off while our code runs; switching it off also restarts the clock. */
#include "net/net.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/listen.h"

#include <microhttpd.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DEFAULT_CONNECTIONS = 512,
    DEFAULT_IDLE_MS = 60000,
    DEFAULT_BODY_BYTES = 16 << 20,
    DEFAULT_HEAD_BYTES = 64 << 10,
    DISCARD_BYTES = 8 << 20, /* beyond the limit: a client that sends on before it reads then gets to see our 413 */
    STREAM_BLOCK_BYTES = 64 << 10,
};

struct pf_http_server {
    struct MHD_Daemon *daemon;
    struct pf_arena *arena;
    pf_str address;
    int port;
    unsigned idle_s;
    size_t max_body_bytes;
    pf_http_handler handle;
    void *context;
    atomic_bool is_ending;
    atomic_llong requests, connections, open_connections, running_requests;
};

/* One request and its answer; belongs to the thread of its connection. */
struct exchange {
    struct pf_http_server *server;
    struct MHD_Connection *connection;
    struct pf_http_request request;
    struct pf_http_response response;
    struct pf_buf body;
    size_t discarded_bytes;
    bool has_head, is_too_large, is_stream_over;
};

static void *begin_exchange(void *cls, const char *target, struct MHD_Connection *connection) {
    struct pf_http_server *server = cls;
    struct pf_arena *arena = pf_arena_new(NULL, "http request");
    struct exchange *exchange = PF_ARENA_NEW(arena, struct exchange);
    exchange->server = server;
    exchange->connection = connection;
    exchange->request.arena = arena;
    exchange->request.target = pf_arena_str(arena, pf_str_from_cstr(target));
    pf_buf_init(&exchange->body, server->max_body_bytes);
    atomic_fetch_add(&server->requests, 1);
    atomic_fetch_add(&server->running_requests, 1);
    return exchange;
}

static void end_exchange(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why) {
    (void)connection;
    struct pf_http_server *server = cls;
    struct exchange *exchange = *state;
    if (!exchange) return;
    struct pf_http_stream *stream = &exchange->response.stream;
    if (stream->next && stream->end) {
        stream->end(stream->context, exchange->is_stream_over && why == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    }
    pf_buf_clear(&exchange->body);
    *state = NULL;
    pf_arena_free(exchange->request.arena);
    atomic_fetch_sub(&server->running_requests, 1);
}

static int connection_fd(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

static bool is_client_gone(const void *transport) {
    const struct exchange *exchange = transport;
    if (atomic_load(&exchange->server->is_ending)) return true;
    struct pollfd poll_fd = {.fd = connection_fd(exchange->connection), .events = POLLRDHUP};
    return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static void limit_idle_time(struct exchange *exchange, bool is_on) {
    MHD_set_connection_option(exchange->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                              is_on ? exchange->server->idle_s : 0U);
}

static enum MHD_Result add_request_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                          const char *value, size_t value_len) {
    (void)kind;
    struct pf_http_request *request = cls;
    pf_http_fields_add(&request->headers, request->arena, pf_arena_str(request->arena, pf_str_from(name, name_len)),
                       pf_arena_str(request->arena, pf_str_from(value, value_len)));
    return MHD_YES;
}

static enum pf_code read_head(struct exchange *exchange, const char *method, struct pf_error *err) {
    struct pf_http_request *request = &exchange->request;
    request->is_head = pf_str_equal(pf_str_from_cstr(method), PF_STR("HEAD"));
    request->method = request->is_head ? PF_STR("GET") : pf_arena_str(request->arena, pf_str_from_cstr(method));
    request->transport = exchange;
    request->is_gone = is_client_gone;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info && info->client_addr) request->peer = listen_format(info->client_addr, request->arena);
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, add_request_header, request);
    return pf_http_parse_target(request->target, request->arena, &request->path, &request->query, err);
}

static ssize_t pull_stream(void *cls, uint64_t position, char *buf, size_t capacity) {
    (void)position;
    struct exchange *exchange = cls;
    struct pf_http_stream *stream = &exchange->response.stream;
    size_t length = 0;
    enum pf_code code = PF_OK;
    limit_idle_time(exchange, false);
    while (code == PF_OK && length == 0 && !exchange->is_stream_over) {
        code = atomic_load(&exchange->server->is_ending)
                   ? PF_CANCELLED
                   : stream->next(stream->context, buf, capacity, &length, &exchange->is_stream_over);
    }
    limit_idle_time(exchange, true);
    if (code != PF_OK) return MHD_CONTENT_READER_END_WITH_ERROR;
    return length > 0 ? (ssize_t)length : MHD_CONTENT_READER_END_OF_STREAM;
}

static enum MHD_Result send_response(struct exchange *exchange) {
    struct pf_http_response *response = &exchange->response;
    struct MHD_Response *reply = NULL;
    if (response->stream.next) {
        uint64_t size_bytes =
            response->stream.size_bytes > 0 ? (uint64_t)response->stream.size_bytes : MHD_SIZE_UNKNOWN;
        reply = MHD_create_response_from_callback(size_bytes, STREAM_BLOCK_BYTES, pull_stream, exchange, NULL);
    } else {
        void *bytes = response->body.len ? (void *)(uintptr_t)response->body.ptr : (void *)(uintptr_t) "";
        reply = MHD_create_response_from_buffer(response->body.len, bytes, MHD_RESPMEM_PERSISTENT);
    }
    if (!reply) return MHD_NO;
    for (size_t i = 0; i < response->headers.count; i++) {
        const struct pf_http_field *field = &response->headers.items[i];
        if (MHD_add_response_header(reply, pf_arena_cstr(exchange->request.arena, field->name),
                                    pf_arena_cstr(exchange->request.arena, field->value)) != MHD_YES) {
            pf_log_text(PF_LOG_DEBUG, "left out a response header with forbidden bytes", "name", field->name);
        }
    }
    enum MHD_Result result = MHD_queue_response(exchange->connection, (unsigned)response->status, reply);
    MHD_destroy_response(reply);
    return result;
}

static enum MHD_Result send_failure(struct exchange *exchange, enum pf_code code, const char *message) {
    struct pf_buf json;
    pf_buf_init(&json, 8192);
    pf_buf_printf(&json, "{\"error\":{\"code\":\"%s\",\"message\":", pf_code_name(code));
    pf_buf_put_json_str(&json, pf_str_from_cstr(message));
    pf_buf_printf(&json, ",\"retryable\":%s}}\n", pf_code_is_retryable(code) ? "true" : "false");
    pf_str body = pf_arena_str(exchange->request.arena, pf_buf_view(&json));
    pf_buf_clear(&json);
    pf_http_respond(&exchange->request, &exchange->response, pf_code_http_status(code), "application/json", body);
    pf_http_add_header(&exchange->request, &exchange->response, "Connection", PF_STR("close"));
    return send_response(exchange);
}

static enum MHD_Result send_too_large(struct exchange *exchange) {
    char message[96];
    snprintf(message, sizeof message, "the request body is larger than the limit of %zu bytes",
             exchange->server->max_body_bytes);
    return send_failure(exchange, PF_TOO_LARGE, message);
}

static enum MHD_Result take_head(struct exchange *exchange, const char *method) {
    struct pf_error err;
    exchange->has_head = true;
    enum pf_code code = read_head(exchange, method, &err);
    if (code != PF_OK) return send_failure(exchange, code, err.message);
    int64_t length = 0;
    pf_str text = pf_http_header(&exchange->request.headers, "Content-Length");
    bool is_number = text.len == 0 || pf_str_to_i64(text, &length);
    exchange->is_too_large = !is_number || (uint64_t)length > exchange->server->max_body_bytes;
    bool waits_for_us = pf_http_header(&exchange->request.headers, "Expect").len > 0;
    bool is_hopeless = !is_number || (uint64_t)length > exchange->server->max_body_bytes + DISCARD_BYTES;
    return exchange->is_too_large && (waits_for_us || is_hopeless) ? send_too_large(exchange) : MHD_YES;
}

static enum MHD_Result take_body(struct exchange *exchange, const char *bytes, size_t *size_bytes) {
    exchange->is_too_large |= exchange->body.len + *size_bytes > exchange->server->max_body_bytes;
    if (exchange->is_too_large) {
        exchange->discarded_bytes += *size_bytes;
        if (exchange->discarded_bytes > exchange->server->max_body_bytes + DISCARD_BYTES) return MHD_NO;
    } else {
        pf_buf_put(&exchange->body, bytes, *size_bytes);
    }
    *size_bytes = 0;
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_bytes, void **state) {
    (void)connection, (void)url, (void)version;
    struct pf_http_server *server = cls;
    struct exchange *exchange = *state;
    if (!exchange) return MHD_NO;
    if (!exchange->has_head) return take_head(exchange, method);
    if (*upload_bytes > 0) return take_body(exchange, upload, upload_bytes);
    if (exchange->is_too_large) return send_too_large(exchange);
    exchange->request.body = pf_buf_view(&exchange->body);
    exchange->response.status = 200;
    limit_idle_time(exchange, false);
    server->handle(server->context, &exchange->request, &exchange->response);
    limit_idle_time(exchange, true);
    return send_response(exchange);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode what) {
    (void)connection, (void)socket_context;
    struct pf_http_server *server = cls;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        atomic_fetch_add(&server->connections, 1);
        atomic_fetch_add(&server->open_connections, 1);
    } else {
        atomic_fetch_sub(&server->open_connections, 1);
    }
}

/* Escapes are decoded by http_target.c, from the target as it was sent. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text) {
    (void)cls, (void)connection;
    return strlen(text);
}

static void log_message(void *cls, const char *format, va_list args) {
    (void)cls;
    char text[300];
    vsnprintf(text, sizeof text, format, args);
    pf_log_text(PF_LOG_DEBUG, "http server", "detail", pf_str_trim(pf_str_from_cstr(text)));
}

static struct MHD_Daemon *start_daemon(struct pf_http_server *server, const struct pf_http_server_options *options,
                                       int fd) {
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC |
                     MHD_USE_ERROR_LOG;
    int connections = options->max_connections > 0 ? options->max_connections : DEFAULT_CONNECTIONS;
    size_t head_bytes = options->max_head_bytes ? options->max_head_bytes : (size_t)DEFAULT_HEAD_BYTES;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, log_message, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)connections, MHD_OPTION_CONNECTION_TIMEOUT,
        server->idle_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, head_bytes, MHD_OPTION_URI_LOG_CALLBACK, begin_exchange,
        server, MHD_OPTION_NOTIFY_COMPLETED, end_exchange, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

enum pf_code pf_http_server_start(const struct pf_http_server_options *options, struct pf_http_server **out_server,
                                  struct pf_error *err) {
    int fd = -1;
    PF_TRY(listen_open(options->address, &fd, err));
    struct pf_arena *arena = pf_arena_new(NULL, "http server");
    struct pf_http_server *server = PF_ARENA_NEW(arena, struct pf_http_server);
    server->arena = arena;
    server->address = listen_address(fd, arena, &server->port);
    server->idle_s = (unsigned)(((options->idle_ms > 0 ? options->idle_ms : DEFAULT_IDLE_MS) + 999) / 1000);
    server->max_body_bytes = options->max_body_bytes ? options->max_body_bytes : (size_t)DEFAULT_BODY_BYTES;
    server->handle = options->handle;
    server->context = options->context;
    server->daemon = start_daemon(server, options, fd);
    if (!server->daemon) {
        close(fd);
        pf_arena_free(arena);
        PF_FAIL(err, PF_NO_MEMORY, "start the HTTP server on %.*s: no thread or memory for it",
                PF_STR_ARG(options->address));
    }
    *out_server = server;
    return PF_OK;
}

int pf_http_server_port(const struct pf_http_server *server) {
    return server->port;
}

pf_str pf_http_server_address(const struct pf_http_server *server) {
    return server->address;
}

void pf_http_server_count(const struct pf_http_server *server, struct pf_http_server_counters *out_counters) {
    out_counters->requests = atomic_load(&server->requests);
    out_counters->connections = atomic_load(&server->connections);
    out_counters->open_connections = atomic_load(&server->open_connections);
    out_counters->running_requests = atomic_load(&server->running_requests);
}

struct pf_http_server *pf_http_server_stop(struct pf_http_server *server, int64_t drain_ms) {
    if (!server) return NULL;
    int fd = MHD_quiesce_daemon(server->daemon);
    struct pf_deadline deadline = pf_deadline_in(drain_ms);
    while (atomic_load(&server->running_requests) > 0 && pf_deadline_left_ms(deadline) > 0) pf_clock_sleep_ms(2);
    atomic_store(&server->is_ending, true);
    MHD_stop_daemon(server->daemon);
    if (fd >= 0) close(fd);
    pf_arena_free(server->arena);
    return NULL;
}
