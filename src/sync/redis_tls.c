/* SPDX-License-Identifier: MIT */
/* TLS towards Redis. libvalkey's own helper does not check that the certificate is the host's, so we make the SSL
 * object ourselves. */
#include "sync/redis_tls.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <valkey/tls.h>
#include <valkey/valkey.h>

enum pf_code redis_tls_open(const char *ca_path, struct ssl_ctx_st **out_tls, struct pf_error *err) {
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls) PF_FAIL(err, PF_NO_MEMORY, "start TLS: no memory");
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    int is_loaded = ca_path ? SSL_CTX_load_verify_locations(tls, ca_path, NULL) : SSL_CTX_set_default_verify_paths(tls);
    if (is_loaded != 1) {
        SSL_CTX_free(tls);
        PF_FAIL(err, PF_INVALID, "start TLS: no certificates in '%s'", ca_path ? ca_path : "the system's store");
    }
    *out_tls = tls;
    return PF_OK;
}

void redis_tls_close(struct ssl_ctx_st *tls) {
    SSL_CTX_free(tls);
}

bool redis_tls_start(struct ssl_ctx_st *tls, const char *host, struct valkeyContext *context) {
    SSL *ssl = SSL_new(tls);
    if (!ssl) return false;
    X509_VERIFY_PARAM *checks = SSL_get0_param(ssl);
    bool is_address = X509_VERIFY_PARAM_set1_ip_asc(checks, host) == 1;
    bool is_ready = is_address || (SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1);
    if (is_ready && valkeyInitiateTLS(context, ssl) == VALKEY_OK) return true; /* which took the object over */
    SSL_free(ssl);
    return false;
}
