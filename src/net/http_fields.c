/* SPDX-License-Identifier: MIT */
#include "net/net.h"

#include <string.h>

void pf_http_fields_add(struct pf_http_fields *fields, struct pf_arena *arena, pf_str name, pf_str value) {
    PF_ARENA_PUSH(arena, fields->items, fields->count, fields->capacity) = (struct pf_http_field){name, value};
}

pf_str pf_http_header(const struct pf_http_fields *headers, const char *name) {
    pf_str wanted = pf_str_from_cstr(name);
    for (size_t i = 0; i < headers->count; i++) {
        if (pf_str_equal_nocase(headers->items[i].name, wanted)) return headers->items[i].value;
    }
    return PF_STR_EMPTY;
}

static const struct pf_http_field *find_parameter(const struct pf_http_fields *parameters, const char *name) {
    pf_str wanted = pf_str_from_cstr(name);
    for (size_t i = 0; i < parameters->count; i++) {
        if (pf_str_equal(parameters->items[i].name, wanted)) return &parameters->items[i];
    }
    return NULL;
}

pf_str pf_http_parameter(const struct pf_http_fields *parameters, const char *name) {
    const struct pf_http_field *found = find_parameter(parameters, name);
    return found ? found->value : PF_STR_EMPTY;
}

bool pf_http_has_parameter(const struct pf_http_fields *parameters, const char *name) {
    return find_parameter(parameters, name) != NULL;
}

bool pf_http_is_gone(const struct pf_http_request *request) {
    return request->is_gone && request->is_gone(request->transport);
}

void pf_http_add_header(struct pf_http_request *request, struct pf_http_response *response, const char *name,
                        pf_str value) {
    pf_http_fields_add(&response->headers, request->arena, pf_str_from_cstr(name), value);
}

void pf_http_respond(struct pf_http_request *request, struct pf_http_response *response, int status,
                     const char *content_type, pf_str body) {
    response->status = status;
    response->body = body;
    if (content_type) pf_http_add_header(request, response, "Content-Type", pf_str_from_cstr(content_type));
}

static const struct {
    int status;
    const char *text;
} status_texts[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {419, "Authentication Timeout"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {507, "Insufficient Storage"},
};

const char *pf_http_status_text(int status) {
    for (size_t i = 0; i < sizeof status_texts / sizeof *status_texts; i++) {
        if (status_texts[i].status == status) return status_texts[i].text;
    }
    return "Unknown";
}

enum pf_code pf_code_from_http_status(int status) {
    if (status >= 100 && status < 400) return PF_OK;
    switch (status) {
    case 401:
    case 403: return PF_DENIED;
    case 404:
    case 410: return PF_NOT_FOUND;
    case 408: return PF_TIMEOUT;
    case 412: return PF_CONFLICT;
    case 503: return PF_REMOTE;
    case 500:
    case 502: return PF_REMOTE;
    default: break;
    }
    for (int code = PF_OK + 1; code < PF_CODE_COUNT; code++) {
        if (pf_code_http_status((enum pf_code)code) == status) return (enum pf_code)code;
    }
    return status >= 500 ? PF_REMOTE : PF_INVALID;
}
