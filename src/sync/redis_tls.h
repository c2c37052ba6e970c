/* SPDX-License-Identifier: MIT */
#ifndef PF_SYNC_REDIS_TLS_H
#define PF_SYNC_REDIS_TLS_H

#include "base/arena.h"

struct ssl_ctx_st;
struct valkeyContext;

/* `ca_path` NULL: the system's certificates. */
enum pf_code redis_tls_open(const char *ca_path, struct ssl_ctx_st **out_tls, struct pf_error *err) PF_MUST_CHECK;
void redis_tls_close(struct ssl_ctx_st *tls);
/* Certificate and host name are checked. False: `context` says why. */
bool redis_tls_start(struct ssl_ctx_st *tls, const char *host, struct valkeyContext *context);
/* What is wrong with the certificate of whoever answers on the socket: "certificate of …, issued by …, valid until …:
 * reason". Empty if nothing is. */
pf_str redis_tls_explain(struct ssl_ctx_st *tls, const char *host, int fd, struct pf_arena *arena);

#endif
