/* SPDX-License-Identifier: MIT */
/* POST and GET /v1/query: starts the query, waits for its first rows, then streams.
 *
 * The status line is sent with the first bytes, so the first chunk is taken before: most failures of a query happen
 * until then and get a status of their own. Later ones are told in the format's own way, or by cutting the connection.
 * At most one chunk of rows and one piece of text (PIECE_BYTES, or one row if that is longer) are held. */
#include "api/api_internal.h"
#include "api/formats.h"
#include "api/read_request.h"

#include "base/id.h"

#include <string.h>

enum { PIECE_BYTES = 256 << 10, MAX_ROW_BYTES = 512 << 20, MAX_CLIENT_BYTES = 64 };

/* In the request's arena, until `end`. */
struct result_stream {
    struct api_call call;
    struct watch_entry watched;
    struct pf_query *query;
    const struct pf_chunk *chunk;
    uint64_t row;
    struct result_writer writer;
    struct pf_buf pending;
    size_t taken; /* of `pending` */
    bool is_over; /* nothing follows `pending` */
};

static void finish(struct result_stream *stream) {
    struct pf_query_stats stats;
    pf_query_get_stats(stream->query, &stats);
    stream->writer.format->end(&stream->writer, &stats, &stream->pending);
    stream->is_over = true;
}

/* The query ends before its last bytes are out: who asks for its record then sees how it ended. */
static enum pf_code fail_late(struct result_stream *stream, const struct pf_error *err) {
    pf_str json = pf_api_error_json(stream->call.request->arena, err, stream->writer.query_id);
    stream->query = pf_query_free(stream->query);
    stream->is_over = true;
    return stream->writer.format->fail(&stream->writer, json, &stream->pending) ? PF_OK : err->code;
}

static enum pf_code check_room(const struct result_stream *stream, struct pf_error *err) {
    if (!stream->pending.failed) return PF_OK;
    PF_FAIL(err, PF_TOO_LARGE, "row %llu is longer than %d bytes as text",
            (unsigned long long)stream->writer.row_count + 1, MAX_ROW_BYTES);
}

/* Text for the rest of the chunk, as far as it fits into a piece. */
static enum pf_code write_rows(struct result_stream *stream, struct pf_error *err) {
    while (stream->row < stream->chunk->row_count && stream->pending.len < PIECE_BYTES) {
        size_t before = stream->pending.len;
        stream->writer.format->row(&stream->writer, stream->chunk, stream->row, &stream->pending);
        enum pf_code code = check_room(stream, err);
        if (code != PF_OK) { /* back to what was whole */
            stream->pending.failed = false;
            stream->pending.len = before;
            return code;
        }
        stream->row++;
        stream->writer.row_count++;
    }
    return PF_OK;
}

static enum pf_code fill(struct result_stream *stream, struct pf_error *err) {
    pf_buf_reset(&stream->pending);
    stream->taken = 0;
    while (stream->pending.len == 0 && !stream->is_over) {
        if (stream->chunk && stream->row == stream->chunk->row_count) {
            PF_TRY(pf_query_next_chunk(stream->query, &stream->chunk, err));
            stream->row = 0;
        }
        if (stream->chunk) {
            PF_TRY(write_rows(stream, err));
        } else {
            finish(stream);
        }
    }
    return PF_OK;
}

static enum pf_code next_bytes(void *context, char *buf, size_t capacity, size_t *out_len, bool *out_end) {
    struct result_stream *stream = context;
    if (stream->taken == stream->pending.len && !stream->is_over) {
        struct pf_error err = {0};
        if (fill(stream, &err) != PF_OK) PF_TRY(fail_late(stream, &err));
    }
    size_t left = stream->pending.len - stream->taken;
    *out_len = left < capacity ? left : capacity;
    if (*out_len) memcpy(buf, stream->pending.ptr + stream->taken, *out_len);
    stream->taken += *out_len;
    *out_end = stream->is_over && stream->taken == stream->pending.len;
    return PF_OK;
}

static void end_stream(void *context, bool is_complete) {
    struct result_stream *stream = context;
    (void)is_complete;
    watch_remove(stream->call.api->watch, &stream->watched);
    stream->query = pf_query_free(stream->query);
    pf_buf_clear(&stream->pending);
}

static int64_t limit_of(int64_t asked_ms, int64_t server_ms) {
    if (!asked_ms || (server_ms && asked_ms > server_ms)) return server_ms;
    return asked_ms;
}

/* Who asks, so that clients take turns when many queries wait: by address, until there are keys. */
static pf_str client_of(const struct pf_http_request *request) {
    size_t colon = request->peer.len;
    while (colon > 0 && request->peer.ptr[colon - 1] != ':') colon--;
    pf_str named = pf_http_header(&request->headers, "X-Puffin-Client");
    return named.len ? pf_str_slice(named, 0, MAX_CLIENT_BYTES) : pf_str_slice(request->peer, 0, colon ? colon - 1 : 0);
}

static enum pf_code start(struct result_stream *stream, const struct query_request *asked, struct pf_error *err) {
    struct pf_query_options options = {
        .sql = asked->sql,
        .route = asked->route,
        .timeout_ms = limit_of(asked->timeout_ms, stream->call.api->options.timeout_ms),
        .max_rows = asked->max_rows,
        .id = asked->id,
        .client = client_of(stream->call.request),
    };
    struct pf_stack *stack = stream->call.api->options.stack;
    PF_TRY(stream->call.id.len ? pf_query_open_result(stack, stream->call.id, &options, &stream->query, err)
                               : pf_query_start(stack, &options, &stream->query, err));
    size_t column_count = 0;
    const struct pf_column *columns = pf_query_columns(stream->query, &column_count);
    begin_result(&stream->writer, asked->format, columns, column_count, asked->id, stream->call.request->arena);
    return pf_query_next_chunk(stream->query, &stream->chunk, err);
}

static void add_headers(const struct result_stream *stream) {
    const struct api_call *call = &stream->call;
    pf_http_add_header(call->request, call->response, "Content-Type",
                       pf_str_from_cstr(stream->writer.format->content_type));
    pf_http_add_header(call->request, call->response, "Cache-Control", PF_STR("no-store"));
    pf_http_add_header(call->request, call->response, "X-Puffin-Query-Id", stream->writer.query_id);
    pf_http_add_header(call->request, call->response, "X-Puffin-Route",
                       pf_str_from_cstr(pf_route_name(pf_query_route(stream->query))));
}

static enum pf_code run(struct api_call *call, struct query_request *asked) {
    struct result_stream *stream = PF_ARENA_NEW(call->request->arena, struct result_stream);
    struct pf_error err = {0};
    asked->id = asked->id.len ? pf_arena_str(call->request->arena, asked->id) : pf_id_ulid(call->request->arena);
    stream->call = *call;
    pf_buf_init(&stream->pending, MAX_ROW_BYTES);
    stream->watched = (struct watch_entry){.request = call->request, .query_id = asked->id};
    watch_add(call->api->watch, &stream->watched);
    if (start(stream, asked, &err) != PF_OK) {
        end_stream(stream, false);
        api_respond_error(call, &err, asked->id);
        return PF_OK;
    }
    add_headers(stream);
    stream->writer.format->begin(&stream->writer, &stream->pending);
    if (!stream->chunk) finish(stream);
    call->response->status = 200;
    call->response->stream = (struct pf_http_stream){.next = next_bytes, .end = end_stream, .context = stream};
    return PF_OK;
}

enum pf_code run_query_from_body(struct api_call *call, struct pf_error *err) {
    struct query_request asked = {.route = call->api->options.route};
    if (!can_read_body(call->request)) {
        struct pf_error failure = {.code = PF_INVALID,
                                   .message = "Content-Type must be text/plain, application/sql or application/json"};
        api_respond_error(call, &failure, PF_STR_EMPTY);
        call->response->status = 415;
        return PF_OK;
    }
    PF_TRY(read_query_body(call->request, &asked, err));
    return run(call, &asked);
}

static enum pf_code no_bytes(void *context, char *buf, size_t capacity, size_t *out_len, bool *out_end) {
    (void)context;
    (void)buf;
    (void)capacity;
    *out_len = 0;
    *out_end = true;
    return PF_OK;
}

/* DuckDB's httpfs asks HEAD first. Without a length it then asks for everything once; the query does not run twice. */
enum pf_code run_query_from_url(struct api_call *call, struct pf_error *err) {
    struct query_request asked = {.route = call->api->options.route};
    PF_TRY(read_query_url(call->request, &asked, err));
    if (!call->request->is_head) return run(call, &asked);
    pf_http_add_header(call->request, call->response, "Content-Type", pf_str_from_cstr(asked.format->content_type));
    call->response->status = 200;
    call->response->stream = (struct pf_http_stream){.next = no_bytes};
    return PF_OK;
}

enum pf_code show_result(struct api_call *call, struct pf_error *err) {
    struct query_request asked = {0};
    if (!is_query_id(call->id)) PF_FAIL(err, PF_INVALID, "that is no query id");
    PF_TRY(read_result_url(call->request, &asked, err));
    return run(call, &asked);
}
