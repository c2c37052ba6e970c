/* SPDX-License-Identifier: MIT */
/* A stack and an HTTP server in front of it.
 *
 * SIGTERM and SIGINT are blocked in all threads and taken by sigwait: the first stops the server, which lets queries
 * under way end for DRAIN_MS; the second gets its default action back and ends the process at once (the kernel then
 * ends workers and Redis). */
#include "roles/roles_internal.h"

#include "api/api.h"
#include "base/log.h"

#include <pthread.h>

enum { DRAIN_MS = 20000 };

struct service {
    struct pf_stack *stack;
    struct pf_api *api;
    struct pf_http_server *server;
};

static void block_signals(sigset_t *out_signals) {
    sigemptyset(out_signals);
    sigaddset(out_signals, SIGINT);
    sigaddset(out_signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, out_signals, NULL);
}

static enum pf_code open_service(const struct pf_config *config, struct service *service, struct pf_error *err) {
    struct pf_stack_options options;
    stack_options_from(config, &options);
    options.takes_over = options.redis_url.len > 0;
    options.has_query_log = !pf_str_equal(pf_config_text(config, PF_CONFIG_QUERY_LOG), PF_STR("off"));
    options.result_cache_bytes = pf_config_number(config, PF_CONFIG_RESULT_CACHE);
    options.result_cache_stale_ms = pf_config_number(config, PF_CONFIG_RESULT_CACHE_STALE);
    PF_TRY(pf_stack_open(&options, &service->stack, err));
    service->api = pf_api_new(&(struct pf_api_options){
        .stack = service->stack,
        .store_url = pf_config_text(config, PF_CONFIG_STORE_URL),
        .allow_origin = pf_config_text(config, PF_CONFIG_ALLOW_ORIGIN),
        .timeout_ms = pf_config_number(config, PF_CONFIG_TIMEOUT),
    });
    return pf_http_server_start(
        &(struct pf_http_server_options){
            .address = pf_config_text(config, PF_CONFIG_LISTEN),
            .max_body_bytes = (size_t)pf_config_number(config, PF_CONFIG_MAX_REQUEST),
            .handle = pf_api_handle,
            .context = service->api,
        },
        &service->server, err);
}

static void close_service(struct service *service) {
    if (service->server) service->server = pf_http_server_stop(service->server, DRAIN_MS);
    service->api = pf_api_free(service->api);
    service->stack = pf_stack_close(service->stack);
}

static void announce(const struct service *service, const struct pf_config *config) {
    pf_str address = pf_http_server_address(service->server);
    pf_str store_url = pf_config_text(config, PF_CONFIG_STORE_URL);
    printf("puffindb is ready on http://%.*s, lake %.*s\n"
           "  curl http://%.*s/v1/query -d 'SELECT 42 AS answer'\n",
           PF_STR_ARG(address), PF_STR_ARG(store_url), PF_STR_ARG(address));
    fflush(stdout);
}

/* A taken port is status 3, like a service that can't be reached: somebody else has the address. */
static int report_start_failure(const struct pf_config *config, const struct pf_error *err, bool is_address) {
    int status = report_failure("serve", err);
    if (!is_address) return status;
    if (err->code == PF_INVALID) return PF_EXIT_USAGE;
    if (err->code != PF_CONFLICT) return status;
    fprintf(stderr,
            "  Is another puffindb running there? puffindb doctor tells.\n"
            "  --listen takes another address in place of %.*s; port 0 is a free one.\n",
            PF_STR_ARG(pf_config_text(config, PF_CONFIG_LISTEN)));
    return PF_EXIT_UNREACHABLE;
}

static int run_serve(struct pf_role_call *call) {
    struct service service = {0};
    struct pf_error err = {0};
    sigset_t signals;
    int number = 0;
    if (call->config->argument_count) return report_misuse("serve", "no arguments expected");
    block_signals(&signals);
    if (open_service(call->config, &service, &err) != PF_OK) {
        bool is_address = service.api != NULL;
        close_service(&service);
        return report_start_failure(call->config, &err, is_address);
    }
    announce(&service, call->config);
    sigwait(&signals, &number);
    pf_log_text(PF_LOG_INFO, "stopping", "signal", number == SIGINT ? PF_STR("SIGINT") : PF_STR("SIGTERM"));
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    close_service(&service);
    return PF_EXIT_OK;
}

const struct pf_role pf_role_serve = {
    "serve",
    PF_FOR_SERVE,
    "answer queries over HTTP",
    "serve [OPTIONS]",
    "Serves the HTTP API (docs/api.md) until SIGTERM or SIGINT, which let running queries end; a second one does not.\n"
    "Prints one line with the URL on standard output when it is ready.\n"
    "Exit status 3 if the address is in use or something it needs can't be reached.",
    "  puffindb serve --store-url /data/lake\n"
    "  puffindb serve --listen 127.0.0.1:0 --workers 8 --timeout 2m\n"
    "  curl http://127.0.0.1:8642/v1/query -d 'SELECT 42'\n",
    run_serve,
};
