/* SPDX-License-Identifier: MIT */
/* Opening and closing the client. */
#include "base/id.h"
#include "sync/redis_tls.h"
#include "sync/topology.h"

#include <signal.h>
#include <string.h>

enum {
    DEFAULT_CONNECT_MS = 2000,
    DEFAULT_COMMAND_MS = 5000,
    DEFAULT_RETRY_MS = 15000,
    DEFAULT_CONNECTIONS = 256,
    MIN_CONNECTIONS = 4,
};

/* "redis_version:7.0.15": at least 6.2? Valkey says which Redis it is compatible with. */
static bool is_recent(pf_str info) {
    size_t at = pf_str_find(info, PF_STR("redis_version:"), 0);
    if (at == SIZE_MAX) return false;
    pf_str rest = pf_str_slice(info, at + strlen("redis_version:"), info.len), major_text, minor_text;
    int64_t major = 0, minor = 0;
    bool is_read = pf_str_next(&rest, '.', &major_text) && pf_str_next(&rest, '.', &minor_text) &&
                   pf_str_to_i64(major_text, &major) && pf_str_to_i64(minor_text, &minor);
    return is_read && (major > 6 || (major == 6 && minor >= 2));
}

static enum pf_code check_server(struct pf_sync *sync, struct pf_error *err) {
    valkeyReply *reply = NULL;
    PF_TRY(node_ask(sync->home, (const pf_str[]){PF_STR("INFO"), PF_STR("server")}, 2, sync->command_ms, &reply, err));
    enum pf_code code = PF_OK;
    if (reply->type == VALKEY_REPLY_ERROR) {
        code = reply_fail(reply_text(reply), sync->url.label, "open", err);
    } else if (!is_recent(reply_text(reply))) {
        code = pf_error_set(err, PF_UNSUPPORTED, __FILE__, __LINE__,
                            "%.*s is older than Redis 6.2, the oldest version that works", PF_STR_ARG(sync->url.label));
    }
    freeReplyObject(reply);
    return code;
}

/* libvalkey writes to sockets without asking for an error instead of the signal. Nobody needs the signal's default,
 * which is to end the process. */
static void ignore_sigpipe(void) {
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) signal(SIGPIPE, SIG_IGN);
}

static void name_keys(struct pf_sync *sync, pf_str prefix) {
    struct pf_arena *arena = sync->arena;
    sync->prefix = pf_arena_str(arena, prefix.len ? prefix : PF_STR("pf"));
    sync->turns_key = pf_arena_printf(arena, "%.*s:{all}:turns", PF_STR_ARG(sync->prefix));
    sync->marks_key = pf_arena_printf(arena, "%.*s:{all}:marks", PF_STR_ARG(sync->prefix));
    sync->wakes_key = pf_arena_printf(arena, "%.*s:{all}:wakes", PF_STR_ARG(sync->prefix));
    sync->queries_key = pf_arena_printf(arena, "%.*s:{all}:queries", PF_STR_ARG(sync->prefix));
    sync->alive_key = pf_arena_printf(arena, "%.*s:{workers}:alive", PF_STR_ARG(sync->prefix));
    sync->facts_key = pf_arena_printf(arena, "%.*s:{workers}:facts", PF_STR_ARG(sync->prefix));
}

static enum pf_code open_parts(struct pf_sync *sync, const struct pf_sync_options *options, struct pf_error *err) {
    PF_TRY(redis_url_parse(options->url, sync->arena, &sync->url, err));
    PF_TRY(redis_url_check_safety(&sync->url, options->allows_insecure, err));
    /* One on a Unix socket dies with all it has: nobody takes its place that would know of us. */
    if (sync->retry_ms == 0 && !sync->url.unix_path) sync->retry_ms = DEFAULT_RETRY_MS;
    if (sync->retry_ms < 0) sync->retry_ms = 0;
    if (sync->url.has_tls) PF_TRY(redis_tls_open(options->ca_path, &sync->tls, err));
    PF_TRY(topology_open(sync, err));
    return check_server(sync, err);
}

enum pf_code pf_sync_open(const struct pf_sync_options *options, struct pf_sync **out_sync, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "sync");
    struct pf_sync *sync = PF_ARENA_NEW(arena, struct pf_sync);
    sync->arena = arena;
    name_keys(sync, options->prefix);
    sync->log_prefix = options->log_prefix.len ? pf_arena_str(arena, options->log_prefix) : sync->prefix;
    sync->connect_ms = options->connect_ms > 0 ? options->connect_ms : DEFAULT_CONNECT_MS;
    sync->command_ms = options->command_ms > 0 ? options->command_ms : DEFAULT_COMMAND_MS;
    sync->retry_ms = options->retry_ms;
    sync->max_connections = options->max_connections > 0 ? options->max_connections : DEFAULT_CONNECTIONS;
    if (sync->max_connections < MIN_CONNECTIONS) sync->max_connections = MIN_CONNECTIONS;
    sync->nonce_base = pf_id_ulid(arena);
    sync->scripts = scripts_build(arena);
    pthread_mutex_init(&sync->locked.mutex, NULL);
    ignore_sigpipe();
    enum pf_code code = open_parts(sync, options, err);
    if (code != PF_OK) {
        pf_sync_close(sync);
        return code;
    }
    *out_sync = sync;
    return PF_OK;
}

struct pf_sync *pf_sync_close(struct pf_sync *sync) {
    if (!sync) return NULL;
    topology_close(sync);
    redis_tls_close(sync->tls);
    pthread_mutex_destroy(&sync->locked.mutex);
    pf_arena_free(sync->arena);
    return NULL;
}

enum pf_code pf_sync_ping(struct pf_sync *sync, struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_ADD(&batch, PF_STR("PING"));
    enum pf_code code = batch_run(&batch, 0, "ping", err);
    batch_clear(&batch);
    return code;
}

void pf_sync_count(struct pf_sync *sync, struct pf_sync_counters *out_counters) {
    out_counters->commands = atomic_load(&sync->commands);
    out_counters->round_trips = atomic_load(&sync->round_trips);
    out_counters->connects = atomic_load(&sync->connects);
    out_counters->failures = atomic_load(&sync->failures);
    out_counters->retries = atomic_load(&sync->retries);
    out_counters->redirections = atomic_load(&sync->redirections);
}
