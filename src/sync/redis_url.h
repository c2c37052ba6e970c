/* SPDX-License-Identifier: MIT */
#ifndef PF_SYNC_REDIS_URL_H
#define PF_SYNC_REDIS_URL_H

#include "base/arena.h"

struct redis_url {
    pf_str label;                             /* the URL without its password: for messages */
    char *host, *unix_path, *user, *password; /* NULL if not given */
    int port, database;
    bool has_tls;
};

enum pf_code redis_url_parse(pf_str url, struct pf_arena *arena, struct redis_url *out_url, struct pf_error *err)
    PF_MUST_CHECK;

/* PF_DENIED for another host without TLS and password, unless that is allowed. */
enum pf_code redis_url_check_safety(const struct redis_url *url, bool is_allowed, struct pf_error *err) PF_MUST_CHECK;

#endif
