/* SPDX-License-Identifier: MIT */
#ifndef PF_API_API_INTERNAL_H
#define PF_API_API_INTERNAL_H

#include "api/api.h"
#include "api/watch.h"

struct pf_api {
    struct pf_api_options options;
    struct watch *watch;
};

/* One request on its way through a route. `id` is what stood for {} in the pattern. */
struct api_call {
    struct pf_api *api;
    struct pf_http_request *request;
    struct pf_http_response *response;
    pf_str id;
};

void api_respond_json(const struct api_call *call, int status, pf_str json);
void api_respond_error(const struct api_call *call, const struct pf_error *err, pf_str query_id);

/* Routes; each fills the response or returns what went wrong. */
enum pf_code run_query_from_body(struct api_call *call, struct pf_error *err);
enum pf_code run_query_from_url(struct api_call *call, struct pf_error *err);
enum pf_code send_kept_result(struct api_call *call, struct pf_error *err);
enum pf_code show_query(struct api_call *call, struct pf_error *err);
enum pf_code show_result(struct api_call *call, struct pf_error *err);
enum pf_code cancel_query(struct api_call *call, struct pf_error *err);
enum pf_code list_tables(struct api_call *call, struct pf_error *err);
enum pf_code show_health(struct api_call *call, struct pf_error *err);
enum pf_code show_index(struct api_call *call, struct pf_error *err);

#endif
