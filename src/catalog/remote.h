/* SPDX-License-Identifier: MIT */
/* Another catalog behind Iceberg's REST protocol (reference: its OpenAPI document): what there is and where the metadata
 * of a table is comes from there, data, manifests and statistics are read and written by us.
 *
 * The first call asks for /v1/config; what it overrides holds from then on. Errors name the catalog's URL.
 * PF_REMOTE: it did not answer, or with a status that says nothing about the outcome of a change. */
#ifndef PF_CATALOG_REMOTE_H
#define PF_CATALOG_REMOTE_H

#include "aws/aws.h"
#include "catalog/catalog.h"
#include "net/net.h"

#include <pthread.h>
#include <stdatomic.h>

struct remote {
    struct pf_arena *arena;
    struct pf_http_client *http;
    pf_str url; /* without a slash at the end */
    pf_str warehouse, token_given, credential, scope, oauth_url;
    pf_str signing_service, signing_region; /* empty: requests are not signed */
    struct pf_aws_chain *chain;
    _Atomic int64_t requests, retries;
    pthread_mutex_t config_mutex;
    struct { /* made once under the mutex, then fixed */
        bool is_ready;
        pf_str prefix;     /* "" or "a/b/", as it stands in paths */
        pf_str separator;  /* of the levels of a namespace, as it stands in paths */
        pf_str *endpoints; /* that the catalog says it has; NULL: it says nothing */
        size_t endpoint_count;
    } config;
    struct {
        pthread_mutex_t mutex;
        char *bearer;     /* of OAuth2; malloc */
        int64_t until_ms; /* wall clock; 0: for good */
    } token;
    struct remote_known *known; /* tables seen (remote_known.c) */
};

enum pf_code remote_open(const struct pf_catalog_remote_options *options, struct remote **out_remote,
                         struct pf_error *err) PF_MUST_CHECK;
struct remote *remote_close(struct remote *remote); /* NULL is fine */

/* ---- requests (remote.c) ---- */

struct remote_request {
    const char *method;
    pf_str path; /* behind /v1/{prefix}/, each part encoded */
    const struct pf_http_field *query;
    size_t query_count;
    pf_str body;          /* JSON; empty: none */
    pf_str if_none_match; /* empty: none */
    bool is_change;       /* it is sent again only when it certainly was not carried out */
};
struct remote_reply {
    int status; /* 2xx or 304 */
    pf_str body;
    pf_json *json; /* NULL: no body */
    pf_str etag;
};
/* PF_NOT_FOUND, PF_CONFLICT, PF_DENIED, PF_INVALID, PF_UNSUPPORTED as the catalog says. */
enum pf_code remote_send(struct remote *remote, const struct remote_request *request, struct pf_arena *arena,
                         struct remote_reply *out_reply, struct pf_error *err) PF_MUST_CHECK;
/* A GET that goes on while the answer has a next-page-token; `use` gets each page. */
enum pf_code remote_each_page(struct remote *remote, pf_str path, pf_str parent, struct pf_arena *arena,
                              enum pf_code (*use)(void *context, pf_json *page, struct pf_error *err), void *context,
                              struct pf_error *err) PF_MUST_CHECK;
/* "GET /v1/{prefix}/namespaces/{namespace}/views". True also if the catalog does not list its endpoints, but then only for
 * those that every catalog had before they were listed. */
enum pf_code remote_offers(struct remote *remote, const char *endpoint, bool *out_offers, struct pf_error *err)
    PF_MUST_CHECK;
/* The value of `parent`, which lists what is below a namespace. */
enum pf_code remote_parent_text(struct remote *remote, pf_str space, struct pf_arena *arena, pf_str *out_text,
                                struct pf_error *err) PF_MUST_CHECK;
/* False: Glue and S3 Tables, whose namespaces have one level, and whose tables cannot be made together with their first
 * rows. */
bool remote_is_full(const struct remote *remote);
/* "namespaces/a%1Fb/tables", and "namespaces/a%1Fb/tables/t". `behind` may be NULL. */
enum pf_code remote_space_path(struct remote *remote, pf_str space, const char *behind, struct pf_arena *arena,
                               pf_str *out_path, struct pf_error *err) PF_MUST_CHECK;
enum pf_code remote_object_path(struct remote *remote, struct pf_table_id id, const char *kind, struct pf_arena *arena,
                                pf_str *out_path, struct pf_error *err) PF_MUST_CHECK;

/* ---- who we are (remote_auth.c) ---- */

/* The headers that prove it, for this request. `is_refused`: the last ones were, so new ones are fetched. */
enum pf_code remote_authorize(struct remote *remote, const struct remote_request *request, pf_str url, bool is_refused,
                              struct pf_arena *arena, struct pf_http_fields *headers, struct pf_error *err)
    PF_MUST_CHECK;

/* ---- tables seen (remote_known.c) ---- */

/* Which metadata a table had when it was last loaded, and the ETag of that answer: so that an unchanged table is not sent
 * again. Bounded; forgets the one that was seen the longest ago. */
struct remote_known *remote_known_new(void);
struct remote_known *remote_known_free(struct remote_known *known); /* NULL is fine */
void remote_known_put(struct remote_known *known, pf_str name, pf_str etag, pf_str metadata_location);
bool remote_known_get(struct remote_known *known, pf_str name, struct pf_arena *arena, pf_str *out_etag,
                      pf_str *out_metadata_location);

/* ---- namespaces (remote_namespaces.c): as their namesakes of catalog.h ---- */

enum pf_code remote_list_namespaces(struct remote *remote, struct pf_arena *arena, pf_str **out_names,
                                    size_t *out_count, struct pf_error *err) PF_MUST_CHECK;
enum pf_code remote_namespace_exists(struct remote *remote, pf_str space, bool *out_exists, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code remote_create_namespace(struct remote *remote, pf_str space, const struct pf_property *properties,
                                     size_t count, struct pf_error *err) PF_MUST_CHECK;
enum pf_code remote_drop_namespace(struct remote *remote, pf_str space, struct pf_error *err) PF_MUST_CHECK;
enum pf_code remote_get_properties(struct remote *remote, pf_str space, struct pf_arena *arena,
                                   struct pf_property **out_properties, size_t *out_count, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code remote_change_properties(struct remote *remote, pf_str space, const struct pf_property_change *change,
                                      bool *out_removed, struct pf_error *err) PF_MUST_CHECK;

/* ---- tables (remote_tables.c) ---- */

/* Tables or views of a namespace. */
enum pf_code remote_list(struct remote *remote, pf_str space, const char *kind, struct pf_arena *arena,
                         pf_str **out_names, size_t *out_count, struct pf_error *err) PF_MUST_CHECK;
enum pf_code remote_exists(struct remote *remote, struct pf_table_id id, const char *kind, bool *out_exists,
                           struct pf_error *err) PF_MUST_CHECK;
/* Where the table's metadata is, and the metadata as the catalog sent it; empty: as it was the last time. */
struct remote_table {
    pf_str metadata_location;
    pf_str metadata_json;
};
enum pf_code remote_load(struct remote *remote, struct pf_table_id id, bool is_fresh, struct pf_arena *arena,
                         struct remote_table *out_table, struct pf_error *err) PF_MUST_CHECK;
/* From a CreateTableRequest. Staged tables have no metadata_location. */
enum pf_code remote_create(struct remote *remote, pf_str space, pf_str request_json, struct pf_arena *arena,
                           struct remote_table *out_table, struct pf_error *err) PF_MUST_CHECK;
/* `requirements` and `updates`: JSON lists. */
enum pf_code remote_commit(struct remote *remote, struct pf_table_id id, pf_str requirements, pf_str updates,
                           struct pf_error *err) PF_MUST_CHECK;
enum pf_code remote_commit_all(struct remote *remote, const struct pf_table_change *changes, size_t count,
                               struct pf_error *err) PF_MUST_CHECK;
enum pf_code remote_drop(struct remote *remote, struct pf_table_id id, const char *kind, bool purge,
                         struct pf_error *err) PF_MUST_CHECK;
enum pf_code remote_rename(struct remote *remote, const char *kind, struct pf_table_id from, struct pf_table_id to,
                           struct pf_error *err) PF_MUST_CHECK;
enum pf_code remote_register(struct remote *remote, struct pf_table_id id, pf_str metadata_location, bool is_update,
                             struct pf_error *err) PF_MUST_CHECK;

/* ---- views (remote_views.c) ---- */

enum pf_code remote_load_view(struct remote *remote, struct pf_table_id id, struct pf_arena *arena,
                              struct pf_view **out_view, struct pf_error *err) PF_MUST_CHECK;
/* From a CreateViewRequest. */
enum pf_code remote_create_view(struct remote *remote, struct pf_table_id id, pf_json *request, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code remote_change_view(struct remote *remote, const struct pf_table_change *change, struct pf_error *err)
    PF_MUST_CHECK;

#endif
