/* SPDX-License-Identifier: MIT */
/* An environment: a process of a function and the port on which it finds its Runtime API. A port for each, because
 * not every runtime client keeps a path that is put in front of the API's own. */
#include "base/clock.h"
#include "base/id.h"
#include "base/process.h"
#include "fleet/local.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    API_BODY_BYTES = 8 << 20,   /* above the 6 MiB that are allowed, so that we, not the server, refuse them */
    API_HEAD_BYTES = 256 << 10, /* runtime clients put stack traces into headers */
    API_IDLE_MS = 3600 * 1000,
    API_CONNECTIONS = 8,
    MAX_ENV = 64,
};

struct env_list {
    struct pf_arena *arena;
    const char *items[MAX_ENV + 1];
    size_t count;
};

static void add_env(struct env_list *list, const char *name, pf_str value) {
    if (list->count == MAX_ENV) return;
    list->items[list->count++] =
        pf_arena_cstr(list->arena, pf_arena_printf(list->arena, "%s=%.*s", name, PF_STR_ARG(value)));
}

static void add_default_env(struct env_list *list, const char *name, const char *value) {
    if (!getenv(name)) add_env(list, name, pf_str_from_cstr(value));
}

/* What Lambda sets: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html */
static void fill_env(struct env_list *list, const struct environment *environment) {
    const struct pf_function *options = &environment->function->options;
    pf_str name = pf_str_from_cstr(options->name);
    time_t now = (time_t)(pf_clock_wall_ms() / 1000);
    struct tm day;
    char date[32];
    gmtime_r(&now, &day);
    strftime(date, sizeof date, "%Y/%m/%d", &day);
    add_env(list, "AWS_LAMBDA_RUNTIME_API", pf_http_server_address(environment->api));
    add_env(list, "AWS_LAMBDA_FUNCTION_NAME", name);
    add_env(list, "AWS_LAMBDA_FUNCTION_VERSION", PF_STR("$LATEST"));
    add_env(list, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            pf_arena_printf(list->arena, "%lld", (long long)(options->memory_bytes >> 20)));
    add_env(list, "AWS_LAMBDA_INITIALIZATION_TYPE", PF_STR("on-demand"));
    add_env(list, "AWS_LAMBDA_LOG_GROUP_NAME", pf_arena_printf(list->arena, "/aws/lambda/%.*s", PF_STR_ARG(name)));
    add_env(list, "AWS_LAMBDA_LOG_STREAM_NAME",
            pf_arena_printf(list->arena, "%s/[$LATEST]%.*s", date, PF_STR_ARG(environment->worker_id)));
    add_env(list, "LAMBDA_TASK_ROOT", pf_str_from_cstr(options->directory ? options->directory : "."));
    if (options->handler) add_env(list, "_HANDLER", pf_str_from_cstr(options->handler));
    add_default_env(list, "AWS_REGION", "us-east-1");
    add_default_env(list, "AWS_DEFAULT_REGION", "us-east-1");
    for (const char *const *entry = options->env; entry && *entry && list->count < MAX_ENV; entry++) {
        list->items[list->count++] = *entry;
    }
}

static enum pf_code start_process(struct environment *environment, struct pf_error *err) {
    const struct pf_function *options = &environment->function->options;
    struct env_list list = {.arena = environment->arena};
    fill_env(&list, environment);
    struct pf_process_options process = {.argv = options->argv,
                                         .env = list.items,
                                         .stderr_path = options->log_path,
                                         .stdout_path = options->log_path,
                                         .directory = options->directory};
    PF_TRY(pf_process_spawn(&process, &environment->pid, err));
    environment->pid_fd = (int)syscall(SYS_pidfd_open, environment->pid, 0);
    return PF_OK;
}

enum pf_code local_environment_start(struct local_function *function, struct local_fleet *fleet,
                                     struct environment **out_environment, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "environment");
    struct environment *environment = PF_ARENA_NEW(arena, struct environment);
    environment->arena = arena;
    environment->fleet = fleet;
    environment->function = function;
    environment->worker_id = pf_id_ulid(arena);
    environment->pid_fd = -1;
    environment->started_ms = pf_clock_mono_ms();
    pf_condition_init(&environment->changed);
    struct pf_http_server_options api = {.address = PF_STR("127.0.0.1:0"),
                                         .max_connections = API_CONNECTIONS,
                                         .idle_ms = API_IDLE_MS,
                                         .max_body_bytes = API_BODY_BYTES,
                                         .max_head_bytes = API_HEAD_BYTES,
                                         .handle = local_handle_runtime,
                                         .context = environment};
    enum pf_code code = pf_http_server_start(&api, &environment->api, err);
    if (code == PF_OK) code = start_process(environment, err);
    if (code != PF_OK) {
        local_environment_free(environment);
        return code;
    }
    *out_environment = environment;
    return PF_OK;
}

void local_environment_free(struct environment *environment) {
    pf_http_server_stop(environment->api, 0);
    if (environment->pid_fd >= 0) close(environment->pid_fd);
    free(environment->init_error);
    pthread_cond_destroy(&environment->changed);
    pf_arena_free(environment->arena);
}
