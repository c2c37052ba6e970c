/* SPDX-License-Identifier: MIT */
#include "api/formats.h"

#include "base/json.h"

#include <string.h>

/* ---- JSON: {"query_id","columns":[…],"rows":[[…]],"stats":{…}}, with "error" in place of "stats" after a failure ---- */

static void json_head(struct result_writer *writer, struct pf_buf *out) {
    pf_buf_put_cstr(out, "{\"query_id\":");
    pf_buf_put_json_str(out, writer->query_id);
    pf_buf_put_char(out, ',');
}

static void json_begin(struct result_writer *writer, struct pf_buf *out) {
    struct pf_json_out json;
    pf_buf_put_cstr(out, "\"columns\":");
    pf_json_begin(&json, out);
    pf_json_open_array(&json);
    for (size_t i = 0; i < writer->column_count; i++) {
        pf_json_open_object(&json);
        pf_json_field_str(&json, "name", writer->columns[i].name);
        pf_json_field_str(&json, "type", writer->columns[i].type->sql);
        pf_json_close_object(&json);
    }
    pf_json_close_array(&json);
    pf_buf_put_cstr(out, ",\n\"rows\":[");
}

static void json_row(struct result_writer *writer, const struct pf_chunk *chunk, uint64_t row, struct pf_buf *out) {
    pf_buf_put_cstr(out, writer->row_count ? ",\n[" : "\n[");
    for (size_t i = 0; i < writer->column_count; i++) {
        if (i) pf_buf_put_char(out, ',');
        pf_vec_print_json(&chunk->columns[i], row, out);
    }
    pf_buf_put_char(out, ']');
}

static void put_exchange(struct pf_json_out *json, const struct pf_exchange_use *use) {
    static const char *const names[] = {"redis", "folder", "store"};
    pf_json_key(json, "exchange");
    pf_json_open_object(json);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pf_json_key(json, names[i]);
        pf_json_open_object(json);
        pf_json_field_i64(json, "objects", use->media[i].objects);
        pf_json_field_i64(json, "written_bytes", use->media[i].written_bytes);
        pf_json_field_i64(json, "reads", use->media[i].reads);
        pf_json_field_i64(json, "read_bytes", use->media[i].read_bytes);
        pf_json_close_object(json);
    }
    pf_json_field_f64(json, "dollars", pf_exchange_use_dollars(use));
    pf_json_close_object(json);
}

static void json_finish(struct result_writer *writer, struct pf_buf *out) {
    (void)writer;
    pf_buf_put_cstr(out, "\n]");
}

static void json_tail(struct result_writer *writer, const struct pf_query_stats *stats, struct pf_buf *out) {
    struct pf_json_out json;
    pf_buf_put_cstr(out, ",\n\"stats\":");
    pf_json_begin(&json, out);
    pf_json_open_object(&json);
    pf_json_field_str(&json, "route", pf_str_from_cstr(pf_route_name(stats->route)));
    pf_json_field_str(&json, "reason", stats->reason);
    pf_json_field_i64(&json, "rows", (int64_t)writer->row_count);
    pf_json_field_f64(&json, "elapsed_ms", (double)stats->wall_us / 1000.0);
    pf_json_field_f64(&json, "plan_ms", (double)stats->plan_us / 1000.0);
    pf_json_field_i64(&json, "stages", stats->stage_count);
    pf_json_field_i64(&json, "tasks", stats->task_count);
    pf_json_field_i64(&json, "workers", stats->worker_count);
    pf_json_field_i64(&json, "retries", stats->retry_count);
    pf_json_field_i64(&json, "scanned_bytes", stats->scanned_bytes);
    pf_json_field_i64(&json, "exchanged_bytes", stats->exchanged_bytes);
    put_exchange(&json, &stats->exchange);
    pf_json_field_i64(&json, "store_requests", stats->store_requests);
    pf_json_field_i64(&json, "store_bytes", stats->store_bytes);
    pf_json_field_i64(&json, "store_kept_bytes", stats->store_kept_bytes);
    pf_json_close_object(&json);
    pf_buf_put_cstr(out, "}\n");
}

static bool json_fail(struct result_writer *writer, pf_str error_json, struct pf_buf *out) {
    (void)writer;
    pf_buf_put_cstr(out, "\n],\n\"error\":");
    pf_buf_put_str(out, error_json);
    pf_buf_put_cstr(out, "}\n");
    return true;
}

/* ---- NDJSON: one object a row; a failure is a last line {"error":{…}} ---- */

static void ndjson_row(struct result_writer *writer, const struct pf_chunk *chunk, uint64_t row, struct pf_buf *out) {
    for (size_t i = 0; i < writer->column_count; i++) {
        pf_buf_put_char(out, i ? ',' : '{');
        pf_buf_put_json_str(out, writer->keys[i]);
        pf_buf_put_char(out, ':');
        pf_vec_print_json(&chunk->columns[i], row, out);
    }
    pf_buf_put_cstr(out, "}\n");
}

static bool ndjson_fail(struct result_writer *writer, pf_str error_json, struct pf_buf *out) {
    (void)writer;
    pf_buf_printf(out, "{\"error\":%.*s}\n", PF_STR_ARG(error_json));
    return true;
}

/* ---- CSV: RFC 4180 with a header row; NULL is nothing, the empty string is "" ---- */

static void put_csv(pf_str text, struct pf_buf *out) {
    bool is_plain = text.len > 0 && text.ptr[0] != ' ' && text.ptr[text.len - 1] != ' ';
    for (size_t i = 0; is_plain && i < text.len; i++) is_plain = !strchr("\",\r\n", text.ptr[i]) || !text.ptr[i];
    if (is_plain) {
        pf_buf_put_str(out, text);
        return;
    }
    pf_buf_put_char(out, '"');
    for (size_t quote; (quote = pf_str_find_char(text, '"', 0)) != SIZE_MAX;) {
        pf_buf_put_str(out, pf_str_slice(text, 0, quote + 1));
        pf_buf_put_char(out, '"');
        text = pf_str_slice(text, quote + 1, text.len);
    }
    pf_buf_put_str(out, text);
    pf_buf_put_char(out, '"');
}

static void csv_begin(struct result_writer *writer, struct pf_buf *out) {
    for (size_t i = 0; i < writer->column_count; i++) {
        if (i) pf_buf_put_char(out, ',');
        put_csv(writer->columns[i].name, out);
    }
    pf_buf_put_cstr(out, "\r\n");
}

/* Text that needs no quotes, whatever the value. */
static bool is_bare(const struct pf_type *type) {
    return (type->id >= PF_TYPE_BOOLEAN && type->id <= PF_TYPE_DECIMAL) ||
           (type->id >= PF_TYPE_DATE && type->id <= PF_TYPE_TIMESTAMP_TZ) || type->id == PF_TYPE_UUID;
}

static void put_csv_value(const struct pf_vec *vec, uint64_t row, struct pf_buf *out) {
    if (!pf_vec_is_valid(vec, row)) return;
    if (vec->type->id == PF_TYPE_VARCHAR) {
        put_csv(pf_string_view((const union pf_string *)vec->data + row), out);
    } else if (is_bare(vec->type)) {
        pf_vec_print(vec, row, out);
    } else {
        struct pf_buf text;
        pf_buf_init(&text, out->max_bytes);
        pf_vec_print(vec, row, &text);
        put_csv(pf_buf_view(&text), out);
        out->failed = out->failed || text.failed;
        pf_buf_clear(&text);
    }
}

static void csv_row(struct result_writer *writer, const struct pf_chunk *chunk, uint64_t row, struct pf_buf *out) {
    size_t start = out->len;
    for (size_t i = 0; i < writer->column_count; i++) {
        if (i) pf_buf_put_char(out, ',');
        put_csv_value(&chunk->columns[i], row, out);
    }
    /* A row of one NULL would be an empty line, which readers skip; DuckDB's reader takes "" there for NULL too. */
    if (out->len == start) pf_buf_put_cstr(out, "\"\"");
    pf_buf_put_cstr(out, "\r\n");
}

/* ---- the table ---- */

static void nothing(struct result_writer *writer, struct pf_buf *out) {
    (void)writer;
    (void)out;
}

static void no_tail(struct result_writer *writer, const struct pf_query_stats *stats, struct pf_buf *out) {
    (void)writer;
    (void)stats;
    (void)out;
}

static bool cannot_say(struct result_writer *writer, pf_str error_json, struct pf_buf *out) {
    (void)writer;
    (void)error_json;
    (void)out;
    return false;
}

static const struct result_format formats[] = {
    {"json", "application/json", "application/json", "{", "}\n", json_head, json_begin, json_row, json_finish,
     json_tail, json_fail},
    {"ndjson", "application/x-ndjson", "application/x-ndjson", "", "", nothing, nothing, ndjson_row, nothing, no_tail,
     ndjson_fail},
    {"csv", "text/csv; charset=utf-8; header=present", "text/csv", "", "", nothing, csv_begin, csv_row, nothing,
     no_tail, cannot_say},
};
enum { FORMAT_COUNT = sizeof formats / sizeof *formats };

const struct result_format *find_format(pf_str name) {
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (pf_str_equal(name, pf_str_from_cstr(formats[i].name))) return &formats[i];
    }
    return NULL;
}

static const struct result_format *find_media_type(pf_str type) {
    if (pf_str_equal_nocase(type, PF_STR("application/jsonl")) ||
        pf_str_equal_nocase(type, PF_STR("application/ndjson"))) {
        return find_format(PF_STR("ndjson"));
    }
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (pf_str_equal_nocase(type, pf_str_from_cstr(formats[i].media_type))) return &formats[i];
    }
    return NULL;
}

const struct result_format *choose_format(pf_str accept) {
    const struct result_format *best = NULL;
    double best_quality = 0;
    pf_str range;
    while (pf_str_next(&accept, ',', &range)) {
        pf_str type = PF_STR_EMPTY, parameter;
        if (!pf_str_next(&range, ';', &type)) continue;
        double quality = 1;
        while (pf_str_next(&range, ';', &parameter)) {
            parameter = pf_str_trim(parameter);
            if (!pf_str_starts_with(parameter, PF_STR("q="))) continue;
            if (!pf_str_to_f64(pf_str_slice(parameter, 2, parameter.len), &quality)) quality = 0;
        }
        const struct result_format *format = find_media_type(pf_str_trim(type));
        if (format && quality > best_quality) {
            best = format;
            best_quality = quality;
        }
    }
    return best;
}

static bool is_among(pf_str name, const pf_str *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (pf_str_equal(name, names[i])) return true;
    }
    return false;
}

/* "a", "a" become "a", "a_1". */
static const pf_str *unique_names(const struct pf_column *columns, size_t count, struct pf_arena *arena) {
    pf_str *names = PF_ARENA_ARRAY(arena, pf_str, count);
    for (size_t i = 0; i < count; i++) {
        names[i] = columns[i].name;
        for (int again = 1; is_among(names[i], names, i); again++) {
            names[i] = pf_arena_printf(arena, "%.*s_%d", PF_STR_ARG(columns[i].name), again);
        }
    }
    return names;
}

void begin_result(struct result_writer *writer, const struct result_format *format, const struct pf_column *columns,
                  size_t column_count, pf_str query_id, struct pf_arena *arena) {
    *writer = (struct result_writer){.format = format,
                                     .columns = columns,
                                     .column_count = column_count,
                                     .keys = unique_names(columns, column_count, arena),
                                     .query_id = query_id};
}
