/* SPDX-License-Identifier: MIT */
/* What a request asks for: SQL and options, from a JSON body, or from a body of SQL and the query string. Pure. */
#ifndef PF_API_READ_REQUEST_H
#define PF_API_READ_REQUEST_H

#include "api/formats.h"
#include "net/net.h"

enum cache_use { CACHE_BY_ROUTE, CACHE_USE, CACHE_REFRESH, CACHE_OFF };

struct query_request {
    enum cache_use cache; /* CACHE_BY_ROUTE: used unless a route was asked for */
    bool wants_redirect;  /* to where the result is kept */
    pf_str sql, id;
    enum pf_route route;
    const struct result_format *format;
    int64_t timeout_ms, max_rows; /* 0: not asked for */
};

/* `request->route` is the default. PF_INVALID names the field or parameter that is wrong. */
enum pf_code read_query_body(const struct pf_http_request *http, struct query_request *request, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code read_query_url(const struct pf_http_request *http, struct query_request *request, struct pf_error *err)
    PF_MUST_CHECK;
/* The same without a statement: for a result that is there already. */
enum pf_code read_result_url(const struct pf_http_request *http, struct query_request *request, struct pf_error *err)
    PF_MUST_CHECK;
/* False: the body is of a kind that we do not read (415). */
bool can_read_body(const struct pf_http_request *http);
/* 1 to 64 letters, digits, '-' and '_'. */
bool is_query_id(pf_str id);

#endif
