/* SPDX-License-Identifier: MIT */
/* HTTP: a server that calls one handler, and a client.
 *
 * Requests and responses know no socket: the same handler answers a connection of the server and the event of a
 * Lambda function (fleet/fleet.h). Not here: routes, authentication, formats (api/), signatures (aws/). */
#ifndef PF_NET_NET_H
#define PF_NET_NET_H

#include "base/arena.h"

/* A header, or one parameter of a query string. */
struct pf_http_field {
    pf_str name, value;
};

struct pf_http_fields {
    struct pf_http_field *items;
    size_t count, capacity;
};

void pf_http_fields_add(struct pf_http_fields *fields, struct pf_arena *arena, pf_str name, pf_str value);
/* The first with that name, else the empty string. Header names: any case; parameters: exact. */
pf_str pf_http_header(const struct pf_http_fields *headers, const char *name);
pf_str pf_http_parameter(const struct pf_http_fields *parameters, const char *name);
bool pf_http_has_parameter(const struct pf_http_fields *parameters, const char *name);

/* --- what a handler sees --- */

/* Everything in it lives until the response is out, so does what the handler puts into `arena`. */
struct pf_http_request {
    struct pf_arena *arena;
    pf_str method; /* "GET"; HEAD arrives as GET with is_head, the transport leaves the body away */
    bool is_head;
    pf_str target;               /* as sent: "/r/a%20b?x=1" */
    pf_str path;                 /* decoded, without query: "/r/a b"; always starts with '/' (or is "*") */
    struct pf_http_fields query; /* decoded: "+" is a blank */
    struct pf_http_fields headers;
    pf_str body;
    pf_str peer;                            /* "127.0.0.1:51234"; for the log */
    bool (*is_gone)(const void *transport); /* see pf_http_is_gone */
    const void *transport;
};

/* True once nobody waits for the answer: the client went away or the server must end. A handler that runs for long
 * asks now and then and gives up. */
bool pf_http_is_gone(const struct pf_http_request *request);

/* Splits and decodes a request target into `path` and `query`. Pure. PF_INVALID for bad escapes, control bytes and
 * encoded zero bytes. */
enum pf_code pf_http_parse_target(pf_str target, struct pf_arena *arena, pf_str *out_path,
                                  struct pf_http_fields *out_query, struct pf_error *err) PF_MUST_CHECK;
/* "a=1&b=2", decoded. */
enum pf_code pf_http_parse_query(pf_str text, struct pf_arena *arena, struct pf_http_fields *out_query,
                                 struct pf_error *err) PF_MUST_CHECK;
/* Percent-encodes all but the unreserved characters of RFC 3986 (and '/', if told to keep it). */
pf_str pf_http_encode(struct pf_arena *arena, pf_str text, bool keep_slash);
const char *pf_http_status_text(int status); /* "Not Found" */

/* A body that is pulled, piece by piece, when the other side has room: a slow reader slows the producer.
 * `next` writes at most `capacity` bytes and may block; `*out_end` true: these were the last bytes. A failure cuts the
 * connection, so that the reader does not take what came for the whole.
 * `end` is called exactly once if `next` is set, also when `next` never ran; `is_complete`: all bytes were taken. */
struct pf_http_stream {
    enum pf_code (*next)(void *context, char *buf, size_t capacity, size_t *out_len, bool *out_end);
    void (*end)(void *context, bool is_complete);
    void *context;
    int64_t size_bytes; /* 0: unknown, sent chunked */
};

struct pf_http_response {
    int status; /* 200 unless the handler sets it */
    struct pf_http_fields headers;
    pf_str body;                  /* in the request's arena, or for ever */
    struct pf_http_stream stream; /* instead of the body, if `next` is set */
};

void pf_http_respond(struct pf_http_request *request, struct pf_http_response *response, int status,
                     const char *content_type, pf_str body);
void pf_http_add_header(struct pf_http_request *request, struct pf_http_response *response, const char *name,
                        pf_str value);

/* --- server --- */

struct pf_http_server;

/* Runs on the thread of the connection and may block. */
typedef void (*pf_http_handler)(void *context, struct pf_http_request *request, struct pf_http_response *response);

struct pf_http_server_options {
    pf_str address;        /* "127.0.0.1:8642", "[::1]:0", ":80" (all interfaces); port 0 lets the system choose */
    int max_connections;   /* 0: 512; more wait in the kernel's line */
    int64_t idle_ms;       /* a connection that neither sends nor takes bytes for that long is closed; 0: 60 s.
                               The handler's own time does not count. */
    size_t max_body_bytes; /* 0: 16 MiB; more is answered with 413, at once if it is much more */
    size_t max_head_bytes; /* request line and headers; 0: 64 KiB; more is answered with 431 or 414 */
    pf_http_handler handle;
    void *context;
};

/* PF_CONFLICT if the port is taken, PF_INVALID for an address that makes no sense, PF_DENIED for a privileged port. */
enum pf_code pf_http_server_start(const struct pf_http_server_options *options, struct pf_http_server **out_server,
                                  struct pf_error *err) PF_MUST_CHECK;
int pf_http_server_port(const struct pf_http_server *server);
pf_str pf_http_server_address(const struct pf_http_server *server); /* "127.0.0.1:8642", with the real port */
/* Takes no new connections, waits up to `drain_ms` for the requests under way, then tells their handlers through
 * pf_http_is_gone, closes their connections, and returns when the last handler has. Returns NULL. */
struct pf_http_server *pf_http_server_stop(struct pf_http_server *server, int64_t drain_ms);

struct pf_http_server_counters {
    int64_t requests, connections, open_connections, running_requests;
};
void pf_http_server_count(const struct pf_http_server *server, struct pf_http_server_counters *out_counters);

/* --- client --- */

/* Keeps connections open between calls. Threads: safe; each call under way uses a connection of its own.
 * Goes where the URL says and nowhere else: no proxy from the environment, no redirects unless asked. */
struct pf_http_client;

struct pf_http_client_options {
    const char *ca_path;    /* certificates to trust; NULL: the system's */
    const char *user_agent; /* NULL: "puffindb/<version>" */
    bool skip_verify;       /* TLS without checks: for tests */
};

/* `options` may be NULL. */
enum pf_code pf_http_client_open(const struct pf_http_client_options *options, struct pf_http_client **out_client,
                                 struct pf_error *err) PF_MUST_CHECK;
struct pf_http_client *pf_http_client_close(struct pf_http_client *client); /* NULL is fine; no call may be under way */

struct pf_http_call {
    pf_str method;    /* empty: GET */
    pf_str url;       /* http:// or https:// */
    pf_str unix_path; /* connect to this socket instead of the URL's host */
    const struct pf_http_field *headers;
    size_t header_count;
    pf_str body;
    struct pf_http_stream body_stream; /* instead of `body`, if `next` is set; sent chunked unless the size is given */
    int64_t connect_ms;                /* 0: 5 s */
    int64_t timeout_ms;                /* of the whole call; 0: 60 s; -1: none */
    int64_t stall_ms;                  /* give up when nothing moves for that long (whole seconds); 0: no such limit */
    size_t max_body_bytes;             /* PF_TOO_LARGE above; 0: 64 MiB. Not applied with on_body. */
    int max_redirects;                 /* 0: a redirect is an answer like others */
    /* If set, gets a body with status 2xx as it comes, any other body is collected; not PF_OK ends the call with that
     * code. `status` is the answer's. */
    enum pf_code (*on_body)(void *context, int status, pf_str bytes);
    void *context;
    bool (*is_cancelled)(void *context); /* asked about once a second and while data flows; true: PF_CANCELLED */
};

struct pf_http_reply {
    int status;
    struct pf_http_fields headers;
    pf_str body;
};

/* Any status is PF_OK: the caller knows which ones are fine. PF_REMOTE: no connection or broken off; PF_TIMEOUT;
 * PF_INVALID: the URL. Messages name method and URL (without query, which may hold a signature). */
enum pf_code pf_http_send(struct pf_http_client *client, const struct pf_http_call *call, struct pf_arena *arena,
                          struct pf_http_reply *out_reply, struct pf_error *err) PF_MUST_CHECK;

/* Several calls at once from one thread, which drives them all while it waits. Connections stay open from one batch to
 * the next. A batch belongs to one thread; batches of one client may run side by side. */
struct pf_http_batch;

enum pf_http_fault {
    PF_HTTP_NO_FAULT,
    PF_HTTP_RESOLVE, /* the name of the host is unknown */
    PF_HTTP_CONNECT,
    PF_HTTP_TLS,
    PF_HTTP_TIMED_OUT,
    PF_HTTP_BROKEN /* cut off, reset, not HTTP, ended on our side */
};

struct pf_http_ended {
    void *tag;
    enum pf_code code; /* as pf_http_send */
    int status;        /* of the answer, even if its body broke off; 0: there was none */
    enum pf_http_fault fault;
    struct pf_http_reply reply; /* if code is PF_OK */
    struct pf_error err;
    int64_t first_byte_us; /* from the start of the call, connecting included */
};

enum pf_code pf_http_batch_open(struct pf_http_client *client, struct pf_arena *arena, struct pf_http_batch **out_batch,
                                struct pf_error *err) PF_MUST_CHECK;
/* What `call` points to, and `arena`, live until the call has ended or was stopped. */
enum pf_code pf_http_batch_start(struct pf_http_batch *batch, const struct pf_http_call *call, bool on_new_connection,
                                 void *tag, struct pf_arena *arena, struct pf_error *err) PF_MUST_CHECK;
/* One call that has ended; false if none has within `wait_ms`, or none is under way. */
bool pf_http_batch_wait(struct pf_http_batch *batch, int64_t wait_ms, struct pf_http_ended *out_ended);
/* Breaks off every call with this tag: they are not reported. */
void pf_http_batch_stop(struct pf_http_batch *batch, const void *tag);
/* Stops what is under way. Returns NULL; NULL is fine. */
struct pf_http_batch *pf_http_batch_close(struct pf_http_batch *batch);

/* The nearest code for an HTTP status: PF_OK for 2xx and 3xx. */
enum pf_code pf_code_from_http_status(int status);

#endif
