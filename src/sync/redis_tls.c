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

static bool set_name(SSL *ssl, const char *host) {
    X509_VERIFY_PARAM *checks = SSL_get0_param(ssl);
    bool is_address = X509_VERIFY_PARAM_set1_ip_asc(checks, host) == 1;
    return is_address || (SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1);
}

bool redis_tls_start(struct ssl_ctx_st *tls, const char *host, struct valkeyContext *context) {
    SSL *ssl = SSL_new(tls);
    if (!ssl) return false;
    if (set_name(ssl, host) && valkeyInitiateTLS(context, ssl) == VALKEY_OK)
        return true; /* which took the object over */
    SSL_free(ssl);
    return false;
}

static pf_str describe(X509 *certificate, const char *reason, struct pf_arena *arena) {
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL;
    BIO_puts(out, "certificate of ");
    X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
    BIO_puts(out, ", issued by ");
    X509_NAME_print_ex(out, X509_get_issuer_name(certificate), 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
    BIO_puts(out, ", valid until ");
    ASN1_TIME_print(out, X509_get0_notAfter(certificate));
    BIO_printf(out, ": %s", reason);
    long length = BIO_get_mem_data(out, &text);
    pf_str copy = pf_arena_str(arena, pf_str_from(text, (size_t)length));
    BIO_free(out);
    return copy;
}

pf_str redis_tls_explain(struct ssl_ctx_st *tls, const char *host, int fd, struct pf_arena *arena) {
    SSL *ssl = SSL_new(tls);
    pf_str text = PF_STR_EMPTY;
    if (!ssl) return PF_STR("no memory");
    SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL); /* to see the certificate all the same */
    if (!set_name(ssl, host) || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) {
        text = PF_STR("the other side does not speak TLS, or none that we do");
    } else if (SSL_get_verify_result(ssl) != X509_V_OK) {
        X509 *certificate = SSL_get1_peer_certificate(ssl);
        const char *reason = X509_verify_cert_error_string(SSL_get_verify_result(ssl));
        text = certificate ? describe(certificate, reason, arena) : pf_arena_str(arena, pf_str_from_cstr(reason));
        X509_free(certificate);
    }
    SSL_free(ssl);
    return text;
}
