/* SPDX-License-Identifier: MIT */
/* POST and GET /v1/query: starts the query, waits for its first rows, then streams.
 *
 * The status line is sent with the first bytes, so the first chunk is taken before: most failures of a query happen
 * until then and get a status of their own. Later ones are told in the format's own way, or by cutting the connection.
 * At most one chunk of rows and one piece of text (PIECE_BYTES, or one row if that is longer) are held; besides a copy of
 * what may go into the result cache. */
#include "api/api_internal.h"
#include "api/formats.h"
#include "api/read_request.h"
#include "api/send_result.h"

#include "base/clock.h"
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
    struct pf_result_draft *draft; /* NULL: the result is not to be kept, or is by now */
    bool wants_redirect;
    struct pf_result *kept; /* for the redirect */
    struct pf_buf pending;
    size_t taken; /* of `pending` */
    bool is_over; /* nothing follows `pending` */
};

/* What `pending` got from there on is part of the body. */
static void add_to_draft(struct result_stream *stream, size_t from) {
    pf_result_add(stream->draft, pf_str_slice(pf_buf_view(&stream->pending), from, SIZE_MAX));
}

static void finish(struct result_stream *stream) {
    struct pf_query_stats stats;
    size_t before = stream->pending.len;
    stream->writer.format->finish(&stream->writer, &stream->pending);
    add_to_draft(stream, before);
    stream->kept = pf_result_keep(stream->draft, (int64_t)stream->writer.row_count);
    stream->draft = NULL;
    if (!stream->wants_redirect) stream->kept = pf_result_release(stream->kept);
    pf_query_get_stats(stream->query, &stats);
    stream->writer.format->tail(&stream->writer, &stats, &stream->pending);
    stream->is_over = true;
}

/* The query ends before its last bytes are out: who asks for its record then sees how it ended. */
static enum pf_code fail_late(struct result_stream *stream, const struct pf_error *err) {
    pf_str json = pf_api_error_json(stream->call.request->arena, err, stream->writer.query_id);
    stream->query = pf_query_free(stream->query);
    stream->draft = pf_result_abandon(stream->draft);
    stream->is_over = true;
    return stream->writer.format->fail(&stream->writer, json, &stream->pending) ? PF_OK : err->code;
}

static enum pf_code check_room(const struct result_stream *stream, struct pf_error *err) {
    if (!stream->pending.failed) return PF_OK;
    PF_FAIL(err, PF_TOO_LARGE, "row %llu is longer than %d bytes as text",
            (unsigned long long)stream->writer.row_count + 1, MAX_ROW_BYTES);
}

/* Text for the rest of the chunk, as far as it fits into so much. */
static enum pf_code write_rows(struct result_stream *stream, size_t most_bytes, struct pf_error *err) {
    size_t start = stream->pending.len;
    while (stream->row < stream->chunk->row_count && stream->pending.len < most_bytes) {
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
    add_to_draft(stream, start);
    return PF_OK;
}

/* Until so much is there, or nothing follows. */
static enum pf_code produce(struct result_stream *stream, size_t wanted_bytes, struct pf_error *err) {
    size_t most_bytes = wanted_bytes > PIECE_BYTES ? wanted_bytes : PIECE_BYTES;
    while (stream->pending.len < wanted_bytes && !stream->is_over) {
        if (stream->chunk && stream->row == stream->chunk->row_count) {
            PF_TRY(pf_query_next_chunk(stream->query, &stream->chunk, err));
            stream->row = 0;
        }
        if (stream->chunk) {
            PF_TRY(write_rows(stream, most_bytes, err));
        } else {
            finish(stream);
        }
    }
    return PF_OK;
}

static enum pf_code fill(struct result_stream *stream, struct pf_error *err) {
    pf_buf_reset(&stream->pending);
    stream->taken = 0;
    return produce(stream, 1, err);
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
    stream->draft = pf_result_abandon(stream->draft);
    stream->kept = pf_result_release(stream->kept);
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

static struct pf_query_options query_options(const struct api_call *call, const struct query_request *asked) {
    bool by_route = asked->cache == CACHE_BY_ROUTE && asked->route == PF_ROUTE_AUTO;
    bool uses_cache = by_route || asked->cache == CACHE_USE || asked->cache == CACHE_REFRESH;
    return (struct pf_query_options){
        .sql = asked->sql,
        .route = asked->route,
        .timeout_ms = limit_of(asked->timeout_ms, call->api->options.timeout_ms),
        .max_rows = asked->max_rows,
        .id = asked->id,
        .client = client_of(call->request),
        .result_format = uses_cache && !call->id.len ? asked->format->name : NULL,
        .refreshes_result = asked->cache == CACHE_REFRESH,
    };
}

static enum pf_code start(struct result_stream *stream, const struct query_request *asked,
                          const struct pf_query_options *options, struct pf_error *err) {
    struct pf_stack *stack = stream->call.api->options.stack;
    PF_TRY(stream->call.id.len ? pf_query_open_result(stack, stream->call.id, options, &stream->query, err)
                               : pf_query_start(stack, options, &stream->query, err));
    stream->kept = pf_query_take_result(stream->query);
    if (stream->kept) return pf_query_next_chunk(stream->query, &stream->chunk, err);
    size_t column_count = 0;
    const struct pf_column *columns = pf_query_columns(stream->query, &column_count);
    stream->draft = pf_query_draft_result(stream->query);
    begin_result(&stream->writer, asked->format, columns, column_count, asked->id, stream->call.request->arena);
    PF_TRY(pf_query_next_chunk(stream->query, &stream->chunk, err));
    asked->format->head(&stream->writer, &stream->pending);
    size_t head_bytes = stream->pending.len;
    asked->format->begin(&stream->writer, &stream->pending);
    add_to_draft(stream, head_bytes);
    if (!stream->chunk) finish(stream);
    /* All that can be kept is computed before the status is sent. */
    if (stream->wants_redirect && stream->draft) {
        return produce(stream, stream->pending.len + pf_result_room(stream->draft) + 1, err);
    }
    return PF_OK;
}

static void add_headers(const struct result_stream *stream, const struct pf_query_options *options) {
    const struct api_call *call = &stream->call;
    pf_http_add_header(call->request, call->response, "Content-Type",
                       pf_str_from_cstr(stream->writer.format->content_type));
    pf_http_add_header(call->request, call->response, "Cache-Control", PF_STR("no-store"));
    pf_http_add_header(call->request, call->response, "X-Puffin-Query-Id", stream->writer.query_id);
    pf_http_add_header(call->request, call->response, "X-Puffin-Route",
                       pf_str_from_cstr(pf_route_name(pf_query_route(stream->query))));
    bool is_off = !options->result_format || !pf_stack_count_results(call->api->options.stack, NULL);
    bool is_kept = pf_query_result_hash(stream->query, NULL).len > 0;
    pf_http_add_header(call->request, call->response, "X-Puffin-Cache",
                       is_off    ? PF_STR("off")
                       : is_kept ? PF_STR("miss")
                                 : PF_STR("uncacheable"));
}

/* The rows, or where they are kept. */
static void answer_kept(struct api_call *call, const struct query_request *asked, struct pf_result *result,
                        bool was_there, int64_t started_ns) {
    if (asked->wants_redirect) {
        send_result_redirect(call, asked, result, was_there);
    } else {
        send_result_rows(call, asked, result, (pf_clock_mono_ns() - started_ns) / 1000);
    }
}

static enum pf_code run(struct api_call *call, struct query_request *asked) {
    int64_t started_ns = pf_clock_mono_ns();
    struct pf_error err = {0};
    asked->id = asked->id.len ? pf_arena_str(call->request->arena, asked->id) : pf_id_ulid(call->request->arena);
    struct pf_query_options options = query_options(call, asked);
    struct pf_result *found = pf_stack_find_result(call->api->options.stack, &options, call->request->arena);
    if (found) {
        answer_kept(call, asked, found, true, started_ns);
        return PF_OK;
    }
    struct result_stream *stream = PF_ARENA_NEW(call->request->arena, struct result_stream);
    stream->call = *call;
    stream->wants_redirect = asked->wants_redirect;
    pf_buf_init(&stream->pending, MAX_ROW_BYTES);
    stream->watched = (struct watch_entry){.request = call->request, .query_id = asked->id};
    watch_add(call->api->watch, &stream->watched);
    if (start(stream, asked, &options, &err) != PF_OK) {
        end_stream(stream, false);
        api_respond_error(call, &err, asked->id);
        return PF_OK;
    }
    if (stream->kept) {
        bool was_there = pf_query_route(stream->query) == PF_ROUTE_CACHE;
        found = stream->kept;
        stream->kept = NULL;
        end_stream(stream, true);
        answer_kept(call, asked, found, was_there, started_ns);
        return PF_OK;
    }
    add_headers(stream, &options);
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
