/* SPDX-License-Identifier: MIT */
/* The routes that only look (and cancel): index, health, tables, the record of a query. */
#include "api/api_internal.h"
#include "api/read_request.h"

#include "base/json.h"

enum pf_code show_query(struct api_call *call, struct pf_error *err) {
    pf_str json;
    if (!is_query_id(call->id)) PF_FAIL(err, PF_INVALID, "that is no query id");
    PF_TRY(pf_stack_query_record(call->api->options.stack, call->id, call->request->arena, &json, err));
    api_respond_json(call, 200, json);
    return PF_OK;
}

enum pf_code cancel_query(struct api_call *call, struct pf_error *err) {
    pf_str json;
    if (!is_query_id(call->id)) PF_FAIL(err, PF_INVALID, "that is no query id");
    PF_TRY(pf_stack_cancel(call->api->options.stack, call->id, err));
    PF_TRY(pf_stack_query_record(call->api->options.stack, call->id, call->request->arena, &json, err));
    api_respond_json(call, 200, json);
    return PF_OK;
}

enum pf_code list_tables(struct api_call *call, struct pf_error *err) {
    pf_str json;
    PF_TRY(pf_stack_tables_json(call->api->options.stack, call->request->arena, &json, err));
    api_respond_json(call, 200, json);
    return PF_OK;
}

static void put_result_cache(struct pf_stack *stack, struct pf_json_out *out) {
    struct pf_result_counters counters;
    if (!stack || !pf_stack_count_results(stack, &counters)) return;
    pf_json_key(out, "result_cache");
    pf_json_open_object(out);
    pf_json_field_i64(out, "limit_bytes", counters.limit_bytes);
    pf_json_field_i64(out, "bytes", counters.size_bytes);
    pf_json_field_i64(out, "results", counters.results);
    pf_json_field_i64(out, "hits", counters.hits);
    pf_json_field_i64(out, "misses", counters.misses);
    pf_json_field_i64(out, "uncacheable", counters.unkeepable);
    pf_json_field_i64(out, "kept", counters.kept);
    pf_json_field_i64(out, "evicted", counters.evicted);
    pf_json_field_i64(out, "too_large", counters.too_large);
    pf_json_field_i64(out, "hits_not_logged", counters.unlogged);
    pf_json_close_object(out);
}

static void respond_buf(struct api_call *call, struct pf_buf *buf) {
    api_respond_json(call, 200, pf_arena_str(call->request->arena, pf_buf_view(buf)));
    pf_buf_clear(buf);
}

enum pf_code show_health(struct api_call *call, struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    (void)err;
    pf_buf_init(&buf, 64 << 10);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_str(&out, "status", PF_STR("ok"));
    pf_json_field_str(&out, "service", PF_STR("puffindb"));
    pf_json_field_str(&out, "version", PF_STR(PUFFIN_VERSION));
    pf_json_field_str(&out, "engine", pf_str_from_cstr(pf_engine_version()));
    pf_json_field_str(&out, "store_url", call->api->options.store_url);
    put_result_cache(call->api->options.stack, &out);
    pf_json_close_object(&out);
    respond_buf(call, &buf);
    return PF_OK;
}

enum pf_code show_index(struct api_call *call, struct pf_error *err) {
    static const struct {
        const char *route, *what;
    } lines[] = {
        {"POST /v1/query", "run SQL: the body is the statement, or JSON with sql, route, format, timeout_ms, max_rows, "
                           "id, cache, answer"},
        {"GET /v1/query?sql=…", "the same with parameters; format=json|ndjson|csv"},
        {"GET /v1/query/{id}", "state of a query"},
        {"GET /v1/query/{id}/result", "result of a query that this server took over from another one"},
        {"DELETE /v1/query/{id}", "cancel a query"},
        {"GET /r/{hash}.{format}", "a result that is kept; answer=redirect leads there"},
        {"GET /v1/tables", "tables with their columns and sizes"},
        {"GET /healthz", "is it up"},
    };
    struct pf_buf buf;
    struct pf_json_out out;
    (void)err;
    pf_buf_init(&buf, 64 << 10);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_str(&out, "service", PF_STR("puffindb"));
    pf_json_field_str(&out, "version", PF_STR(PUFFIN_VERSION));
    pf_json_key(&out, "routes");
    pf_json_open_object(&out);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        pf_json_field_str(&out, lines[i].route, pf_str_from_cstr(lines[i].what));
    }
    pf_json_close_object(&out);
    pf_json_close_object(&out);
    respond_buf(call, &buf);
    return PF_OK;
}
