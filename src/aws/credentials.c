/* SPDX-License-Identifier: MIT */
/* The chain of providers. The first that is set up gives the keys, now and at each refresh; one that is set up wrongly
 * is an error, so that nobody works under another identity than the one meant. */
#include "aws/credentials.h"

#include "base/clock.h"
#include "base/file.h"

#include <string.h>
#include <unistd.h>

extern char **environ;

/* Refreshed this long before they expire; tried again at this pace while the old ones are still good. */
enum { REFRESH_BEFORE_MS = 5 * 60 * 1000, REFRESH_AGAIN_MS = 10000 };

/* ---- settings ---- */

pf_str credentials_variable(const struct pf_aws_chain *chain, const char *name) {
    pf_str wanted = pf_str_from_cstr(name);
    for (const char *const *entry = chain->environment; *entry; entry++) {
        if (strncmp(*entry, name, wanted.len) != 0 || (*entry)[wanted.len] != '=') continue;
        return pf_str_from_cstr(*entry + wanted.len + 1);
    }
    return PF_STR_EMPTY;
}

bool credentials_profile_value(const struct pf_aws_chain *chain, const char *key, pf_str *out_value) {
    pf_str name = pf_str_from_cstr(key);
    return pf_ini_find(chain->credentials_text, chain->profile, name, out_value) ||
           pf_ini_find(chain->config_text, chain->profile, name, out_value);
}

static pf_str file_path(struct pf_aws_chain *chain, const char *variable, const char *name) {
    pf_str path = credentials_variable(chain, variable), home = credentials_variable(chain, "HOME");
    if (path.len) return pf_arena_str(chain->arena, path);
    return home.len ? pf_arena_printf(chain->arena, "%.*s/.aws/%s", PF_STR_ARG(home), name) : PF_STR_EMPTY;
}

static pf_str file_text(struct pf_aws_chain *chain, pf_str path) {
    pf_str text = PF_STR_EMPTY;
    if (!path.len) return text;
    enum pf_code code = pf_file_read(path.ptr, MAX_CREDENTIALS_FILE_BYTES, chain->arena, &text, NULL);
    return code == PF_OK ? text : PF_STR_EMPTY;
}

enum pf_code pf_aws_chain_open(const struct pf_aws_chain_options *options, struct pf_aws_chain **out_chain,
                               struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "aws credentials");
    struct pf_aws_chain *chain = PF_ARENA_NEW(arena, struct pf_aws_chain);
    chain->arena = arena;
    chain->environment = options && options->environment ? options->environment : (const char *const *)(void *)environ;
    pthread_mutex_init(&chain->locked.mutex, NULL);
    pf_str profile = credentials_variable(chain, "AWS_PROFILE");
    chain->profile = pf_arena_str(arena, profile.len ? profile : PF_STR("default"));
    chain->credentials_path = file_path(chain, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
    chain->config_path = file_path(chain, "AWS_CONFIG_FILE", "config");
    chain->credentials_text = file_text(chain, chain->credentials_path);
    chain->config_text = file_text(chain, chain->config_path);
    struct pf_http_client_options with_ca = {.ca_path = options ? options->ca_path : NULL};
    enum pf_code code = pf_http_client_open(&with_ca, &chain->client, err);
    if (code == PF_OK) code = pf_http_client_open(NULL, &chain->plain_client, err);
    if (code != PF_OK) {
        pf_aws_chain_close(chain);
        return code;
    }
    *out_chain = chain;
    return PF_OK;
}

struct pf_aws_chain *pf_aws_chain_close(struct pf_aws_chain *chain) {
    if (!chain) return NULL;
    pf_http_client_close(chain->client);
    pf_http_client_close(chain->plain_client);
    pthread_mutex_destroy(&chain->locked.mutex);
    pf_arena_free(chain->locked.arena);
    pf_arena_free(chain->arena);
    return NULL;
}

pf_str pf_aws_chain_setting(struct pf_aws_chain *chain, const char *variable, const char *profile_key,
                            struct pf_arena *arena) {
    pf_str value = credentials_variable(chain, variable);
    if (!value.len && profile_key && !credentials_profile_value(chain, profile_key, &value)) value = PF_STR_EMPTY;
    return value.len ? pf_arena_str(arena, value) : PF_STR_EMPTY;
}

pf_str pf_aws_chain_region(struct pf_aws_chain *chain, struct pf_arena *arena) {
    pf_str region = credentials_variable(chain, "AWS_REGION");
    if (region.len) return pf_arena_str(arena, region);
    return pf_aws_chain_setting(chain, "AWS_DEFAULT_REGION", "region", arena);
}

/* ---- providers without network ---- */

static enum pf_code from_environment(struct pf_aws_chain *chain, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                                     struct pf_error *err) {
    pf_str id = credentials_variable(chain, "AWS_ACCESS_KEY_ID");
    pf_str secret = credentials_variable(chain, "AWS_SECRET_ACCESS_KEY");
    if (!id.len && !secret.len) PF_FAIL(err, PF_NOT_FOUND, "AWS_ACCESS_KEY_ID is not set");
    if (!id.len || !secret.len) {
        PF_FAIL(err, PF_DENIED, "%s is set, but %s is not", id.len ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                id.len ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    }
    *out_keys = (struct pf_aws_keys){
        .access_key_id = pf_arena_str(arena, id),
        .secret_access_key = pf_arena_str(arena, secret),
        .session_token = pf_arena_str(arena, credentials_variable(chain, "AWS_SESSION_TOKEN")),
    };
    return PF_OK;
}

/* Ways to keys that are not followed: better a word than silence. */
static enum pf_code refuse_other_ways(const struct pf_aws_chain *chain, struct pf_error *err) {
    static const char *const others[] = {"source_profile", "credential_source", "credential_process", "sso_session",
                                         "sso_start_url"};
    pf_str value;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (!credentials_profile_value(chain, others[i], &value)) continue;
        PF_FAIL(err, PF_DENIED,
                "profile '%.*s' has %s, which is not supported: put keys into the environment with "
                "'aws configure export-credentials --format env'",
                PF_STR_ARG(chain->profile), others[i]);
    }
    return PF_OK;
}

static enum pf_code from_profile(struct pf_aws_chain *chain, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                                 struct pf_error *err) {
    pf_str id, secret, token = PF_STR_EMPTY;
    bool is_chosen = credentials_variable(chain, "AWS_PROFILE").len > 0;
    bool has_section = pf_ini_has_section(chain->credentials_text, chain->profile) ||
                       pf_ini_has_section(chain->config_text, chain->profile);
    if (!has_section) {
        PF_FAIL(err, is_chosen ? PF_DENIED : PF_NOT_FOUND, "there is no profile '%.*s' in '%.*s' or '%.*s'",
                PF_STR_ARG(chain->profile), PF_STR_ARG(chain->credentials_path), PF_STR_ARG(chain->config_path));
    }
    if (credentials_profile_value(chain, "web_identity_token_file", &id)) {
        return credentials_from_web_identity(chain, arena, out_keys, err);
    }
    if (!credentials_profile_value(chain, "aws_access_key_id", &id)) {
        PF_TRY(refuse_other_ways(chain, err));
        PF_FAIL(err, is_chosen ? PF_DENIED : PF_NOT_FOUND, "profile '%.*s' has no aws_access_key_id",
                PF_STR_ARG(chain->profile));
    }
    if (!credentials_profile_value(chain, "aws_secret_access_key", &secret)) {
        PF_FAIL(err, PF_DENIED, "profile '%.*s' has aws_access_key_id, but no aws_secret_access_key",
                PF_STR_ARG(chain->profile));
    }
    if (!credentials_profile_value(chain, "aws_session_token", &token)) token = PF_STR_EMPTY;
    *out_keys = (struct pf_aws_keys){.access_key_id = pf_arena_str(arena, id),
                                     .secret_access_key = pf_arena_str(arena, secret),
                                     .session_token = pf_arena_str(arena, token)};
    return PF_OK;
}

static const struct credentials_provider PROVIDERS[] = {
    {"environment", from_environment},
    {"profile files", from_profile},
    {"web identity", credentials_from_web_identity},
    {"container", credentials_from_container},
    {"EC2 instance", credentials_from_instance},
};

/* ---- the chain ---- */

static enum pf_code fetch(struct pf_aws_chain *chain, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                          const struct credentials_provider **out_provider, struct pf_error *err) {
    pf_str tried = PF_STR_EMPTY;
    for (size_t i = 0; i < sizeof PROVIDERS / sizeof *PROVIDERS; i++) {
        const struct credentials_provider *provider = &PROVIDERS[i];
        struct pf_error why = {0};
        enum pf_code code = provider->get(chain, arena, out_keys, &why);
        if (code == PF_OK) {
            out_keys->source = provider->name;
            *out_provider = provider;
            return PF_OK;
        }
        if (code != PF_NOT_FOUND) PF_FAIL(err, code, "AWS credentials from %s: %s", provider->name, why.message);
        tried = pf_arena_printf(arena, "%.*s%s%s: %s", PF_STR_ARG(tried), tried.len ? "; " : "", provider->name,
                                why.message);
    }
    PF_FAIL(err, PF_DENIED, "no AWS credentials (%.*s)", PF_STR_ARG(tried));
}

static bool are_fresh(const struct pf_aws_keys *keys, int64_t margin_ms) {
    return !keys->expires_ms || keys->expires_ms - pf_clock_wall_ms() > margin_ms;
}

static enum pf_code refresh_locked(struct pf_aws_chain *chain, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "aws keys");
    struct pf_aws_keys keys = {0};
    const struct credentials_provider *provider = chain->locked.provider;
    enum pf_code code;
    if (provider) {
        code = provider->get(chain, arena, &keys, err);
        keys.source = provider->name;
        if (code != PF_OK) code = pf_error_wrap(err, code, "refresh AWS credentials from %s", provider->name);
    } else {
        code = fetch(chain, arena, &keys, &provider, err);
    }
    if (code != PF_OK) {
        pf_arena_free(arena);
        chain->locked.retry_ms = pf_clock_mono_ms() + REFRESH_AGAIN_MS;
        return code;
    }
    pf_arena_free(chain->locked.arena);
    chain->locked.arena = arena;
    chain->locked.keys = keys;
    chain->locked.provider = provider;
    chain->locked.has_keys = true;
    return PF_OK;
}

enum pf_code pf_aws_chain_get(struct pf_aws_chain *chain, struct pf_arena *arena, struct pf_aws_keys *out_keys,
                              struct pf_error *err) {
    enum pf_code code = PF_OK;
    pthread_mutex_lock(&chain->locked.mutex);
    const struct pf_aws_keys *held = &chain->locked.keys;
    bool is_good = chain->locked.has_keys && are_fresh(held, 0);
    bool is_due = !is_good || (!are_fresh(held, REFRESH_BEFORE_MS) && pf_clock_mono_ms() >= chain->locked.retry_ms);
    if (is_due) code = refresh_locked(chain, err);
    if (code == PF_OK || is_good) { /* an early refresh that failed is tried again later */
        code = PF_OK;
        *out_keys = (struct pf_aws_keys){
            .access_key_id = pf_arena_str(arena, held->access_key_id),
            .secret_access_key = pf_arena_str(arena, held->secret_access_key),
            .session_token = pf_arena_str(arena, held->session_token),
            .expires_ms = held->expires_ms,
            .source = held->source,
        };
    }
    pthread_mutex_unlock(&chain->locked.mutex);
    return code;
}

void pf_aws_chain_drop(struct pf_aws_chain *chain, pf_str access_key_id) {
    pthread_mutex_lock(&chain->locked.mutex);
    if (chain->locked.has_keys && pf_str_equal(chain->locked.keys.access_key_id, access_key_id)) {
        chain->locked.has_keys = false;
    }
    pthread_mutex_unlock(&chain->locked.mutex);
}
