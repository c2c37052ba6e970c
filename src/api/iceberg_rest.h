/* SPDX-License-Identifier: MIT */
/* Iceberg's REST catalog protocol, served from the native catalog below /iceberg/v1.
 *
 * Source: the protocol's OpenAPI document. Where it leaves room, answers are those of Iceberg's own reference server, since
 * all clients are tested against it. What no client may rely on (OAuth2 tokens, credentials) is not offered.
 */
#ifndef PF_API_ICEBERG_REST_H
#define PF_API_ICEBERG_REST_H

#include "api/api_internal.h"
#include "base/json.h"
#include "catalog/catalog.h"

/* True if the path belongs to the protocol; then the response is filled in, errors too. */
bool iceberg_rest_handle(struct pf_api *api, struct pf_http_request *request, struct pf_http_response *response);

/* One request on its way. */
struct rest_call {
    struct pf_catalog *catalog;
    struct pf_http_request *request;
    struct pf_http_response *response;
    struct pf_arena *arena;
    pf_str space, name;         /* of the path, as the catalog has them */
    pf_json *body;              /* of a POST; NULL if there was none */
    const char *not_found_type; /* of PF_NOT_FOUND; NULL: what the endpoint is about */
    bool is_contradictory; /* a failure is answered with 422: the request makes no sense, though it is well formed */
};

typedef enum pf_code (*rest_handler)(struct rest_call *call, struct pf_error *err);

/* ---- answers (iceberg_rest.c) ---- */

enum pf_code rest_answer(struct rest_call *call, struct pf_buf *json, struct pf_error *err) PF_MUST_CHECK;
enum pf_code rest_answer_nothing(struct rest_call *call); /* 204 */
/* The names [first, end) of a page, after pageToken and pageSize; `*out_next` empty on the last one. */
enum pf_code rest_page(const struct rest_call *call, const pf_str *names, size_t count, size_t *out_first,
                       size_t *out_end, pf_str *out_next, struct pf_error *err) PF_MUST_CHECK;
enum pf_code rest_need_body(const struct rest_call *call, struct pf_error *err) PF_MUST_CHECK;

/* ---- shared by endpoints (iceberg_namespaces.c) ---- */

/* PF_NOT_FOUND, with the protocol's message. */
enum pf_code rest_need_namespace(struct rest_call *call, pf_str space, struct pf_error *err) PF_MUST_CHECK;
/* A page of tables or views of the path's namespace. */
enum pf_code rest_answer_ids(struct rest_call *call, const pf_str *names, size_t count, struct pf_error *err)
    PF_MUST_CHECK;

/* ---- endpoints ---- */

enum pf_code rest_list_namespaces(struct rest_call *call, struct pf_error *err);
enum pf_code rest_create_namespace(struct rest_call *call, struct pf_error *err);
enum pf_code rest_load_namespace(struct rest_call *call, struct pf_error *err);
enum pf_code rest_has_namespace(struct rest_call *call, struct pf_error *err);
enum pf_code rest_drop_namespace(struct rest_call *call, struct pf_error *err);
enum pf_code rest_change_namespace(struct rest_call *call, struct pf_error *err);

enum pf_code rest_list_tables(struct rest_call *call, struct pf_error *err);
enum pf_code rest_create_table(struct rest_call *call, struct pf_error *err);
enum pf_code rest_load_table(struct rest_call *call, struct pf_error *err);
enum pf_code rest_has_table(struct rest_call *call, struct pf_error *err);
enum pf_code rest_change_table(struct rest_call *call, struct pf_error *err);
enum pf_code rest_drop_table(struct rest_call *call, struct pf_error *err);
enum pf_code rest_rename_table(struct rest_call *call, struct pf_error *err);
enum pf_code rest_register_table(struct rest_call *call, struct pf_error *err);
enum pf_code rest_report_metrics(struct rest_call *call, struct pf_error *err);
enum pf_code rest_commit_transaction(struct rest_call *call, struct pf_error *err);

/* Scans planned here (iceberg_scan.c). */
enum pf_code rest_plan_scan(struct rest_call *call, struct pf_error *err);
enum pf_code rest_fetch_scan_tasks(struct rest_call *call, struct pf_error *err);
enum pf_code rest_no_plan(struct rest_call *call, struct pf_error *err);

enum pf_code rest_list_views(struct rest_call *call, struct pf_error *err);
enum pf_code rest_create_view(struct rest_call *call, struct pf_error *err);
enum pf_code rest_load_view(struct rest_call *call, struct pf_error *err);
enum pf_code rest_has_view(struct rest_call *call, struct pf_error *err);
enum pf_code rest_change_view(struct rest_call *call, struct pf_error *err);
enum pf_code rest_drop_view(struct rest_call *call, struct pf_error *err);
enum pf_code rest_rename_view(struct rest_call *call, struct pf_error *err);
enum pf_code rest_register_view(struct rest_call *call, struct pf_error *err);

#endif
