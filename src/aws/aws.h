/* SPDX-License-Identifier: MIT */
/* What every AWS service asks of its callers: credentials, and signatures (SigV4) over requests.
 *
 * Signing is pure: requests and keys in, headers and a request target out. Not here: the requests of a service
 * (store/ for S3).
 * Sources: "AWS Signature Version 4", "Authenticating Requests: Using the Authorization Header (S3)", and the SDKs'
 * "standardized credential providers". */
#ifndef PF_AWS_AWS_H
#define PF_AWS_AWS_H

#include "base/buf.h"
#include "net/net.h"

/* ---- keys ---- */

struct pf_aws_keys {
    pf_str access_key_id, secret_access_key;
    pf_str session_token; /* empty: long-lived keys */
    int64_t expires_ms;   /* wall clock; 0: never */
    const char *source;   /* "environment": who gave them */
};

/* The chain of providers, the first that has keys wins and stays: environment, profile files, web identity, container,
 * EC2 instance. Keys are kept until shortly before they expire.
 * Threads: safe; one of them fetches, the others wait. */
struct pf_aws_chain;

struct pf_aws_chain_options {
    const char *const *environment; /* like environ(7); NULL: this process's */
    const char *ca_path;            /* for HTTPS endpoints; NULL: the system's */
};

enum pf_code pf_aws_chain_open(const struct pf_aws_chain_options *options, struct pf_aws_chain **out_chain,
                               struct pf_error *err) PF_MUST_CHECK;
struct pf_aws_chain *pf_aws_chain_close(struct pf_aws_chain *chain); /* NULL is fine */

/* PF_DENIED names every provider that was tried and what it lacked. */
enum pf_code pf_aws_chain_get(struct pf_aws_chain *chain, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                              struct pf_error *err) PF_MUST_CHECK;
/* A service said that these keys are over: the next get fetches new ones. Nothing happens if others are held by now. */
void pf_aws_chain_drop(struct pf_aws_chain *chain, pf_str access_key_id);
/* AWS_REGION, AWS_DEFAULT_REGION, the profile's; empty if none says. */
pf_str pf_aws_chain_region(struct pf_aws_chain *chain, struct pf_arena *arena);
/* A setting of the environment, or of the profile: "AWS_ENDPOINT_URL_S3" and "endpoint_url". Empty if there is none. */
pf_str pf_aws_chain_setting(struct pf_aws_chain *chain, const char *variable, const char *profile_key,
                            struct pf_arena *arena);

/* ---- signing ---- */

#define PF_AWS_UNSIGNED_PAYLOAD PF_STR("UNSIGNED-PAYLOAD")
#define PF_AWS_STREAMING_PAYLOAD PF_STR("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")

enum { PF_AWS_SIGNATURE_BYTES = 64 }; /* in hexadecimal */

/* A derived key is good for a day, a region and a service; kept here from one signature to the next. Starts as {0}. */
struct pf_aws_signing_key {
    char scope[128], secret[160];
    unsigned char key[32];
};

struct pf_aws_signing {
    const struct pf_aws_keys *keys;
    pf_str region, service; /* "us-east-1", "s3" */
    int64_t time_ms;        /* wall clock */
    pf_str method;
    pf_str path; /* not escaped; starts with '/' */
    const struct pf_http_field *query;
    size_t query_count;
    const struct pf_http_field *headers; /* all that are signed: Host at least */
    size_t header_count;
    pf_str payload_hash;            /* SHA-256 in hexadecimal, or one of the words above */
    bool is_s3;                     /* the path stands as it is, the payload's hash is a header */
    bool is_path_encoded_twice;     /* what services other than S3 expect of paths with special characters */
    const char *token_header;       /* NULL: "X-Amz-Security-Token" */
    struct pf_aws_signing_key *key; /* NULL: derived anew */
};

struct pf_aws_signed {
    pf_str target;                 /* path and query, escaped: what follows the host in the URL */
    struct pf_http_fields headers; /* to be sent besides those that were given */
    char signature[PF_AWS_SIGNATURE_BYTES + 1];
};

/* With an Authorization header. */
void pf_aws_sign(const struct pf_aws_signing *signing, struct pf_arena *arena, struct pf_aws_signed *out_signed);
/* With the signature in the query: the URL alone is good for `valid_s` seconds. */
void pf_aws_presign(const struct pf_aws_signing *signing, int64_t valid_s, struct pf_arena *arena,
                    struct pf_aws_signed *out_signed);
/* One chunk of a body sent with PF_AWS_STREAMING_PAYLOAD: `previous` is the signature of the chunk before, or of the
 * request. The last chunk is empty. */
void pf_aws_sign_chunk(const struct pf_aws_signing *signing, const char previous[PF_AWS_SIGNATURE_BYTES], pf_str chunk,
                       char out_signature[PF_AWS_SIGNATURE_BYTES + 1]);

/* SHA-256 in hexadecimal. */
pf_str pf_aws_hash(pf_str bytes, struct pf_arena *arena);

/* ---- small parsers ---- */

/* The text inside the first <tag> of `xml`, markup and entities as they stand; false if there is none. `*at`, if given,
 * is where to look from and is moved behind the element, so that a loop finds one after the other. */
bool pf_xml_find(pf_str xml, const char *tag, size_t *at, pf_str *out_inner);
/* The same with the entities of XML replaced; empty if there is none. */
pf_str pf_xml_text(pf_str xml, const char *tag, struct pf_arena *arena);
void pf_xml_put_text(struct pf_buf *out, pf_str text); /* escaped */

/* One key of a section of an ini file, as the profile files are: "[name]" or "[profile name]", "key = value", lines
 * that start with '#' or ';' or are indented (nested values) are passed over. The last one wins. */
bool pf_ini_find(pf_str text, pf_str section, pf_str key, pf_str *out_value);
bool pf_ini_has_section(pf_str text, pf_str section);

/* "2026-01-31T12:34:56Z", with or without fractions and offset: milliseconds since 1970. */
bool pf_aws_time_from(pf_str text, int64_t *out_ms);
/* "Sun, 22 Nov 2026 21:00:00 GMT", the Date header. */
bool pf_http_date_from(pf_str text, int64_t *out_ms);

#endif
