/* SPDX-License-Identifier: MIT */
#include "roles/client.h"

#include "api/api.h"
#include "base/json.h"
#include "net/net.h"

#include <stdlib.h>
#include <string.h>

enum { HEALTH_MS = 5000, LOCAL_HEALTH_MS = 300, PIECE_BYTES = 256 << 10, MAX_BODY_BYTES = 64 << 20 };

/* Either `http` and `url`, or `stack` and `api`. */
struct client {
    struct pf_arena *arena;
    pf_str url;
    struct pf_http_client *http;
    struct pf_stack *stack;
    struct pf_api *api;
};

static struct client *new_client(void) {
    struct client *client = calloc(1, sizeof *client);
    if (!client) abort();
    client->arena = pf_arena_new(NULL, "client");
    return client;
}

struct client *client_close(struct client *client) {
    if (!client) return NULL;
    client->http = pf_http_client_close(client->http);
    client->api = pf_api_free(client->api);
    client->stack = pf_stack_close(client->stack);
    pf_arena_free(client->arena);
    free(client);
    return NULL;
}

pf_str client_name(const struct client *client) {
    return client->http ? client->url : PF_STR("embedded");
}

/* ---- over HTTP ---- */

static enum pf_code ask_health(struct pf_http_client *http, pf_str url, int64_t timeout_ms, struct pf_arena *arena,
                               pf_json **out_health, struct pf_error *err) {
    struct pf_http_reply reply;
    struct pf_http_call call = {.url = pf_arena_printf(arena, "%.*s/healthz", PF_STR_ARG(url)),
                                .connect_ms = timeout_ms,
                                .timeout_ms = timeout_ms};
    PF_TRY(pf_http_send(http, &call, arena, &reply, err));
    if (reply.status != 200 || pf_json_parse(reply.body, arena, "health", out_health, NULL) != PF_OK ||
        !pf_str_equal(pf_json_get_str(*out_health, "service", PF_STR_EMPTY), PF_STR("puffindb"))) {
        PF_FAIL(err, PF_REMOTE, "%.*s answers, but it is no puffindb", PF_STR_ARG(url));
    }
    return PF_OK;
}

enum pf_code client_open_url(pf_str url, struct client **out_client, struct pf_error *err) {
    struct client *client = new_client();
    pf_json *health;
    while (pf_str_ends_with(url, PF_STR("/"))) url.len--;
    client->url = pf_str_find(url, PF_STR("://"), 0) != SIZE_MAX
                      ? pf_arena_str(client->arena, url)
                      : pf_arena_printf(client->arena, "http://%.*s", PF_STR_ARG(url));
    enum pf_code code = pf_http_client_open(NULL, &client->http, err);
    if (code == PF_OK) code = ask_health(client->http, client->url, HEALTH_MS, client->arena, &health, err);
    if (code != PF_OK) {
        client_close(client);
        return code;
    }
    *out_client = client;
    return PF_OK;
}

struct http_sink {
    const struct client_call *call;
};

static enum pf_code take_http_bytes(void *context, int status, pf_str bytes) {
    const struct client_call *call = ((struct http_sink *)context)->call;
    (void)status;
    return call->on_bytes(call->context, bytes);
}

static bool is_http_cancelled(void *context) {
    const struct client_call *call = ((struct http_sink *)context)->call;
    return call->must_stop && atomic_load(call->must_stop);
}

static enum pf_code send_http(struct client *client, const struct client_call *call, struct pf_arena *arena,
                              int *out_status, pf_str *out_body, struct pf_error *err) {
    struct http_sink sink = {call};
    struct pf_http_reply reply;
    struct pf_http_field type = {PF_STR("Content-Type"), PF_STR("application/sql")};
    struct pf_http_call http_call = {
        .method = pf_str_from_cstr(call->method),
        .url = pf_arena_printf(arena, "%.*s%.*s", PF_STR_ARG(client->url), PF_STR_ARG(call->target)),
        .headers = &type,
        .header_count = call->body.len ? 1 : 0,
        .body = call->body,
        .timeout_ms = -1, /* the query has a time limit of its own */
        .on_body = call->on_bytes ? take_http_bytes : NULL,
        .context = &sink,
        .is_cancelled = is_http_cancelled,
    };
    PF_TRY(pf_http_send(client->http, &http_call, arena, &reply, err));
    *out_status = reply.status;
    *out_body = reply.body;
    return PF_OK;
}

/* ---- in this process ---- */

enum pf_code client_open_embedded(const struct pf_stack_options *options, struct client **out_client,
                                  struct pf_error *err) {
    struct client *client = new_client();
    enum pf_code code = pf_stack_open(options, &client->stack, err);
    if (code != PF_OK) {
        client_close(client);
        return code;
    }
    client->api = pf_api_new(&(struct pf_api_options){.stack = client->stack, .store_url = options->store_url});
    *out_client = client;
    return PF_OK;
}

static bool is_stopped(const void *transport) {
    const struct client_call *call = transport;
    return call->must_stop && atomic_load(call->must_stop);
}

/* What a connection would do with a streamed body. */
static enum pf_code drain(struct pf_http_stream *stream, const struct client_call *call, struct pf_buf *body,
                          struct pf_error *err) {
    char *piece = malloc(PIECE_BYTES);
    if (!piece) abort();
    enum pf_code code = PF_OK;
    bool is_over = false;
    while (code == PF_OK && !is_over) {
        size_t length = 0;
        if (stream->next(stream->context, piece, PIECE_BYTES, &length, &is_over) != PF_OK) {
            code = pf_error_set(err, PF_REMOTE, __FILE__, __LINE__, "the answer was cut");
        } else if (call->on_bytes) {
            if (length) code = call->on_bytes(call->context, pf_str_from(piece, length));
        } else {
            pf_buf_put(body, piece, length);
        }
    }
    if (stream->end) stream->end(stream->context, code == PF_OK);
    free(piece);
    return code;
}

static enum pf_code send_embedded(struct client *client, const struct client_call *call, struct pf_arena *arena,
                                  int *out_status, pf_str *out_body, struct pf_error *err) {
    struct pf_http_request request = {.arena = arena,
                                      .method = pf_str_from_cstr(call->method),
                                      .target = call->target,
                                      .body = call->body,
                                      .peer = PF_STR("embedded"),
                                      .is_gone = is_stopped,
                                      .transport = call};
    struct pf_http_response response = {.status = 200};
    struct pf_buf body;
    PF_TRY(pf_http_parse_target(request.target, arena, &request.path, &request.query, err));
    pf_http_fields_add(&request.headers, arena, PF_STR("Content-Type"), PF_STR("application/sql"));
    pf_api_handle(client->api, &request, &response);
    pf_buf_init(&body, MAX_BODY_BYTES);
    enum pf_code code = response.stream.next ? drain(&response.stream, call, &body, err) : PF_OK;
    pf_str bytes = response.stream.next ? PF_STR_EMPTY : response.body;
    if (code == PF_OK && body.len) code = pf_buf_finish(&body, "answer", &bytes, err);
    if (code == PF_OK) {
        *out_status = response.status;
        *out_body = pf_arena_str(arena, bytes);
    }
    pf_buf_clear(&body);
    return code;
}

/* ---- both ---- */

enum pf_code client_send(struct client *client, const struct client_call *call, struct pf_arena *arena, int *out_status,
                         pf_str *out_body, struct pf_error *err) {
    return client->http ? send_http(client, call, arena, out_status, out_body, err)
                        : send_embedded(client, call, arena, out_status, out_body, err);
}

enum pf_code client_read_error(int status, pf_str body, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "error");
    pf_json *root = NULL;
    enum pf_code code = pf_code_from_http_status(status);
    if (code == PF_OK) code = PF_REMOTE;
    if (body.len && pf_json_parse(body, arena, "error", &root, NULL) == PF_OK) {
        pf_json *error = pf_json_get(root, "error");
        pf_str name = pf_json_get_str(error, "code", PF_STR_EMPTY);
        if (name.len) code = pf_code_from_name(name);
        pf_error_set(err, code, __FILE__, __LINE__, "%.*s",
                     PF_STR_ARG(pf_json_get_str(error, "message", PF_STR("an error without a message"))));
    } else {
        pf_error_set(err, code, __FILE__, __LINE__, "HTTP status %d: %.*s", status,
                     PF_STR_ARG(pf_str_slice(body, 0, 300)));
    }
    pf_arena_free(arena);
    return code;
}

enum pf_code client_get(struct client *client, pf_str target, struct pf_arena *arena, pf_str *out_body,
                        struct pf_error *err) {
    int status = 0;
    pf_str body;
    PF_TRY(client_send(client, &(struct client_call){.method = "GET", .target = target}, arena, &status, &body, err));
    if (status != 200) return client_read_error(status, body, err);
    *out_body = body;
    return PF_OK;
}

pf_str find_local_server(const struct pf_config *config, struct pf_arena *arena) {
    struct pf_http_client *http = NULL;
    pf_json *health;
    pf_str url = pf_arena_printf(arena, "http://%.*s", PF_STR_ARG(pf_config_text(config, PF_CONFIG_LISTEN)));
    if (pf_http_client_open(NULL, &http, NULL) != PF_OK) return PF_STR_EMPTY;
    bool is_ours =
        ask_health(http, url, LOCAL_HEALTH_MS, arena, &health, NULL) == PF_OK &&
        pf_str_equal(pf_json_get_str(health, "store_url", PF_STR_EMPTY), pf_config_text(config, PF_CONFIG_STORE_URL));
    pf_http_client_close(http);
    return is_ours ? url : PF_STR_EMPTY;
}
