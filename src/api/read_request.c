/* SPDX-License-Identifier: MIT */
#include "api/read_request.h"

#include "base/json.h"

#include <ctype.h>

/* One option of a request: the same names in JSON and in the query string. */
struct field {
    const char *name;
    enum pf_code (*read)(pf_str text, struct query_request *request, struct pf_error *err);
    bool is_number; /* in JSON */
};

static enum pf_code read_sql(pf_str text, struct query_request *request, struct pf_error *err) {
    (void)err;
    request->sql = text;
    return PF_OK;
}

static enum pf_code read_route(pf_str text, struct query_request *request, struct pf_error *err) {
    if (pf_route_from(text, &request->route)) return PF_OK;
    PF_FAIL(err, PF_INVALID, "route '%.*s' is none of auto, local, fleet, monostore, athena", PF_STR_ARG(text));
}

static enum pf_code read_format(pf_str text, struct query_request *request, struct pf_error *err) {
    request->format = find_format(text);
    if (request->format) return PF_OK;
    PF_FAIL(err, PF_INVALID, "format '%.*s' is none of json, ndjson, csv", PF_STR_ARG(text));
}

static enum pf_code read_count(const char *name, pf_str text, int64_t *out_count, struct pf_error *err) {
    int64_t count;
    if (!pf_str_to_i64(text, &count) || count < 0) {
        PF_FAIL(err, PF_INVALID, "%s '%.*s' is not a whole number of 0 or more", name, PF_STR_ARG(text));
    }
    *out_count = count;
    return PF_OK;
}

static enum pf_code read_timeout(pf_str text, struct query_request *request, struct pf_error *err) {
    return read_count("timeout_ms", text, &request->timeout_ms, err);
}

static enum pf_code read_max_rows(pf_str text, struct query_request *request, struct pf_error *err) {
    return read_count("max_rows", text, &request->max_rows, err);
}

static enum pf_code read_cache(pf_str text, struct query_request *request, struct pf_error *err) {
    static const char *const names[] = {[CACHE_USE] = "use", [CACHE_REFRESH] = "refresh", [CACHE_OFF] = "off"};
    for (int i = CACHE_USE; i <= CACHE_OFF; i++) {
        if (!pf_str_equal(text, pf_str_from_cstr(names[i]))) continue;
        request->cache = (enum cache_use)i;
        return PF_OK;
    }
    PF_FAIL(err, PF_INVALID, "cache '%.*s' is none of use, refresh, off", PF_STR_ARG(text));
}

static enum pf_code read_answer(pf_str text, struct query_request *request, struct pf_error *err) {
    request->wants_redirect = pf_str_equal(text, PF_STR("redirect"));
    if (request->wants_redirect || pf_str_equal(text, PF_STR("rows"))) return PF_OK;
    PF_FAIL(err, PF_INVALID, "answer '%.*s' is none of rows, redirect", PF_STR_ARG(text));
}

static enum pf_code read_id(pf_str text, struct query_request *request, struct pf_error *err) {
    if (!is_query_id(text)) PF_FAIL(err, PF_INVALID, "id has 1 to 64 letters, digits, '-' and '_'");
    request->id = text;
    return PF_OK;
}

static const struct field fields[] = {
    {"sql", read_sql, false},           {"route", read_route, false},      {"format", read_format, false},
    {"timeout_ms", read_timeout, true}, {"max_rows", read_max_rows, true}, {"id", read_id, false},
    {"cache", read_cache, false},       {"answer", read_answer, false},
};
enum { FIELD_COUNT = sizeof fields / sizeof *fields };
#define FIELD_NAMES "sql, route, format, timeout_ms, max_rows, id, cache, answer"

bool is_query_id(pf_str id) {
    for (size_t i = 0; i < id.len; i++) {
        if (!isalnum((unsigned char)id.ptr[i]) && id.ptr[i] != '-' && id.ptr[i] != '_') return false;
    }
    return id.len > 0 && id.len <= 64;
}

static const struct field *find_field(pf_str name) {
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (pf_str_equal(name, pf_str_from_cstr(fields[i].name))) return &fields[i];
    }
    return NULL;
}

static pf_str content_type(const struct pf_http_request *http) {
    pf_str header = pf_http_header(&http->headers, "Content-Type"), type = PF_STR_EMPTY;
    return pf_str_next(&header, ';', &type) ? pf_str_trim(type) : PF_STR_EMPTY;
}

static bool is_json(const struct pf_http_request *http) {
    return pf_str_equal_nocase(content_type(http), PF_STR("application/json"));
}

bool can_read_body(const struct pf_http_request *http) {
    /* The last is what curl -d says of any body. */
    static const char *const kinds[] = {"", "text/plain", "application/sql", "application/x-www-form-urlencoded"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (pf_str_equal_nocase(content_type(http), pf_str_from_cstr(kinds[i]))) return true;
    }
    return is_json(http);
}

static enum pf_code read_headers(const struct pf_http_request *http, struct query_request *request,
                                 struct pf_error *err) {
    request->format = choose_format(pf_http_header(&http->headers, "Accept"));
    if (!request->format) request->format = find_format(PF_STR("json"));
    pf_str id = pf_http_header(&http->headers, "X-Puffin-Query-Id");
    return id.len ? read_id(id, request, err) : PF_OK;
}

static enum pf_code read_parameters(const struct pf_http_request *http, struct query_request *request,
                                    struct pf_error *err) {
    for (size_t i = 0; i < http->query.count; i++) {
        const struct pf_http_field *parameter = &http->query.items[i];
        const struct field *field = find_field(parameter->name);
        if (!field) {
            PF_FAIL(err, PF_INVALID, "unknown parameter '%.*s'; known: " FIELD_NAMES,
                    PF_STR_ARG(pf_str_slice(parameter->name, 0, 100)));
        }
        PF_TRY(field->read(parameter->value, request, err));
    }
    return PF_OK;
}

static enum pf_code read_json_field(pf_str name, pf_json *value, const struct pf_http_request *http,
                                    struct query_request *request, struct pf_error *err) {
    const struct field *field = find_field(name);
    if (!field) {
        PF_FAIL(err, PF_INVALID, "unknown field '%.*s'; known: " FIELD_NAMES, PF_STR_ARG(pf_str_slice(name, 0, 100)));
    }
    if (yyjson_is_null(value)) return PF_OK;
    if (field->is_number ? !yyjson_is_int(value) : !yyjson_is_str(value)) {
        PF_FAIL(err, PF_INVALID, "field '%s' must be a %s", field->name, field->is_number ? "whole number" : "string");
    }
    pf_str text = field->is_number ? pf_arena_printf(http->arena, "%lld", (long long)pf_json_as_i64(value, INT64_MAX))
                                   : pf_json_as_str(value, PF_STR_EMPTY);
    return field->read(text, request, err);
}

static enum pf_code read_json(const struct pf_http_request *http, struct query_request *request, struct pf_error *err) {
    pf_json *root;
    PF_TRY(pf_json_parse(http->body, http->arena, "request body", &root, err));
    if (!yyjson_is_obj(root)) PF_FAIL(err, PF_INVALID, "request body: expected a JSON object with the field 'sql'");
    for (struct pf_json_each each = pf_json_each(root); pf_json_next(&each);) {
        PF_TRY(read_json_field(each.key, each.value, http, request, err));
    }
    return PF_OK;
}

static enum pf_code check_sql(const struct query_request *request, const char *mend, struct pf_error *err) {
    if (pf_str_trim(request->sql).len == 0) PF_FAIL(err, PF_INVALID, "no SQL: %s", mend);
    if (pf_str_find_char(request->sql, '\0', 0) != SIZE_MAX) PF_FAIL(err, PF_INVALID, "the SQL contains a zero byte");
    if (!pf_str_is_utf8(request->sql)) PF_FAIL(err, PF_INVALID, "the SQL is not UTF-8");
    return PF_OK;
}

enum pf_code read_query_body(const struct pf_http_request *http, struct query_request *request, struct pf_error *err) {
    PF_TRY(read_headers(http, request, err));
    if (!is_json(http)) request->sql = http->body;
    if (!is_json(http) && pf_http_has_parameter(&http->query, "sql")) {
        PF_FAIL(err, PF_INVALID, "parameter 'sql' is for GET; POST has the SQL in its body");
    }
    PF_TRY(read_parameters(http, request, err));
    if (is_json(http)) PF_TRY(read_json(http, request, err));
    return check_sql(request, "send it as the body, or as field 'sql' of a JSON body", err);
}

enum pf_code read_query_url(const struct pf_http_request *http, struct query_request *request, struct pf_error *err) {
    PF_TRY(read_headers(http, request, err));
    PF_TRY(read_parameters(http, request, err));
    return check_sql(request, "send it as parameter 'sql': /v1/query?sql=SELECT%201", err);
}

enum pf_code read_result_url(const struct pf_http_request *http, struct query_request *request, struct pf_error *err) {
    PF_TRY(read_headers(http, request, err));
    PF_TRY(read_parameters(http, request, err));
    if (request->sql.len) PF_FAIL(err, PF_INVALID, "the result of a query takes no 'sql'");
    return PF_OK;
}
