/* SPDX-License-Identifier: MIT */
/* What the files of the credentials chain share. */
#ifndef PF_AWS_CREDENTIALS_H
#define PF_AWS_CREDENTIALS_H

#include "aws/aws.h"

#include <pthread.h>

enum { MAX_CREDENTIALS_FILE_BYTES = 1 << 20, MAX_CREDENTIALS_REPLY_BYTES = 256 << 10 };

struct pf_aws_chain {
    struct pf_arena *arena; /* settings */
    const char *const *environment;
    struct pf_http_client *client, *plain_client;  /* STS: certificates are checked against the option's */
    pf_str profile, credentials_text, config_text; /* the two files; empty: not there */
    pf_str credentials_path, config_path;
    struct {
        pthread_mutex_t mutex;
        struct pf_arena *arena; /* of `keys` */
        struct pf_aws_keys keys;
        bool has_keys;
        const struct credentials_provider *provider; /* the one that gave them */
        int64_t retry_ms;                            /* monotonic: not before this is an early refresh tried again */
    } locked;
};

/* PF_NOT_FOUND: this provider is not set up, the next one is asked; the message says what it lacks. Any other failure
 * ends the chain: it is set up, and wrongly. */
struct credentials_provider {
    const char *name;
    enum pf_code (*get)(struct pf_aws_chain *chain, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                        struct pf_error *err);
};

/* Empty if it is not set. */
pf_str credentials_variable(const struct pf_aws_chain *chain, const char *name);
/* From the credentials file, else from the configuration file. */
bool credentials_profile_value(const struct pf_aws_chain *chain, const char *key, pf_str *out_value);

/* credentials_http.c */
enum pf_code credentials_from_web_identity(struct pf_aws_chain *chain, struct pf_arena *arena,
                                           struct pf_aws_keys *out_keys, struct pf_error *err);
enum pf_code credentials_from_container(struct pf_aws_chain *chain, struct pf_arena *arena,
                                        struct pf_aws_keys *out_keys, struct pf_error *err);
enum pf_code credentials_from_instance(struct pf_aws_chain *chain, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                                       struct pf_error *err);
/* The JSON of containers and instances: AccessKeyId, SecretAccessKey, Token, Expiration. */
enum pf_code credentials_from_json(pf_str json, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                                   struct pf_error *err) PF_MUST_CHECK;
/* The XML of STS. */
enum pf_code credentials_from_xml(pf_str xml, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                                  struct pf_error *err) PF_MUST_CHECK;

#endif
