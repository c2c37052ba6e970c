/* SPDX-License-Identifier: MIT */
/* The local back end: open, close, and the life of invocations. */
#include "fleet/local.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_WAITING = 10000,
    CHECK_CALLER_MS = 250,
    DEFAULT_MEMORY_BYTES = 1 << 30,
    DEFAULT_IDLE_MS = 60000,
    DEFAULT_INIT_MS = 30000,
    DEFAULT_TIMEOUT_MS = 900000,
};

struct local_function *local_find(struct local_fleet *fleet, pf_str name) {
    if (pf_str_starts_with(name, PF_STR("arn:"))) {
        size_t at = pf_str_find(name, PF_STR(":function:"), 0);
        name = at == SIZE_MAX ? PF_STR_EMPTY : pf_str_slice(name, at + strlen(":function:"), name.len);
    }
    name = pf_str_slice(name, 0, pf_str_find_char(name, ':', 0));
    for (size_t i = 0; i < fleet->function_count; i++) {
        if (pf_str_equal(name, pf_str_from_cstr(fleet->functions[i].options.name))) return &fleet->functions[i];
    }
    return NULL;
}

void local_wake_monitor(struct local_fleet *fleet) {
    uint64_t one = 1;
    ssize_t written = write(fleet->wake_fd, &one, sizeof one);
    (void)written; /* it only fails when the monitor is awake already */
}

pf_str local_error_json(struct pf_arena *arena, const char *type, pf_str message) {
    struct pf_buf json;
    pf_buf_init(&json, 1 << 20);
    pf_buf_put_cstr(&json, "{\"errorMessage\":");
    pf_buf_put_json_str(&json, message);
    pf_buf_put_cstr(&json, ",\"errorType\":");
    pf_buf_put_json_str(&json, pf_str_from_cstr(type));
    pf_buf_put_cstr(&json, "}");
    pf_str text = pf_arena_str(arena, pf_buf_view(&json));
    pf_buf_clear(&json);
    return text;
}

/* --- invocations --- */

static void free_invocation(struct invocation *invocation) {
    free(invocation->answer);
    pthread_cond_destroy(&invocation->changed);
    pf_arena_free(invocation->arena);
}

void local_settle_locked(struct invocation *invocation, pf_str answer, bool has_failed) {
    if (!invocation->has_caller) {
        free_invocation(invocation);
        return;
    }
    invocation->answer = malloc(answer.len + 1);
    invocation->answer_len = invocation->answer ? answer.len : 0;
    if (invocation->answer && answer.len) memcpy(invocation->answer, answer.ptr, answer.len);
    invocation->has_failed = has_failed;
    invocation->is_over = true;
    pthread_cond_signal(&invocation->changed);
}

void local_settle_failed_locked(struct invocation *invocation, const char *type, const char *message) {
    struct pf_arena *arena = pf_arena_new(NULL, "invocation error");
    local_settle_locked(invocation, local_error_json(arena, type, pf_str_from_cstr(message)), true);
    pf_arena_free(arena);
}

struct invocation *local_pop_locked(struct local_function *function) {
    struct invocation *first = function->queue_head;
    if (!first) return NULL;
    function->queue_head = first->next;
    if (!function->queue_head) function->queue_tail = NULL;
    first->next = NULL;
    function->queued--;
    return first;
}

static void push_locked(struct local_function *function, struct invocation *invocation) {
    if (function->queue_tail)
        function->queue_tail->next = invocation;
    else
        function->queue_head = invocation;
    function->queue_tail = invocation;
    function->queued++;
}

static void unlink_locked(struct invocation *invocation) {
    struct local_function *function = invocation->function;
    struct invocation *before = NULL, *at = function->queue_head;
    while (at && at != invocation) before = at, at = at->next;
    if (!at) return;
    if (before)
        before->next = at->next;
    else
        function->queue_head = at->next;
    if (function->queue_tail == at) function->queue_tail = before;
    function->queued--;
}

static bool is_queued_locked(const struct invocation *invocation) {
    for (const struct invocation *at = invocation->function->queue_head; at; at = at->next) {
        if (at == invocation) return true;
    }
    return false;
}

static struct environment *find_idle_locked(struct local_function *function) {
    for (struct environment *at = function->environments; at; at = at->next) {
        if (at->is_waiting && !at->invocation && !at->is_ending) return at;
    }
    return NULL;
}

static struct invocation *make_invocation(struct local_function *function, pf_str event, bool has_caller) {
    struct pf_arena *arena = pf_arena_new(NULL, "invocation");
    struct invocation *invocation = PF_ARENA_NEW(arena, struct invocation);
    invocation->arena = arena;
    invocation->function = function;
    invocation->id = pf_id_uuid(arena);
    invocation->event = pf_arena_str(arena, event);
    invocation->has_caller = has_caller;
    pf_condition_init(&invocation->changed);
    return invocation;
}

enum pf_code local_submit_locked(struct local_fleet *fleet, struct local_function *function, pf_str event,
                                 bool has_caller, struct invocation **out_invocation, struct pf_error *err) {
    if (fleet->is_closing) PF_FAIL(err, PF_CANCELLED, "call function %s: the fleet ends", function->options.name);
    if (function->queued >= MAX_WAITING) {
        PF_FAIL(err, PF_THROTTLED, "call function %s: %d calls wait already", function->options.name, MAX_WAITING);
    }
    struct invocation *invocation = make_invocation(function, event, has_caller);
    struct environment *idle = find_idle_locked(function);
    function->invoked++;
    if (has_caller) fleet->callers++;
    if (idle) {
        idle->invocation = invocation;
        idle->state = PF_ENVIRONMENT_BUSY;
        invocation->deadline_wall_ms = pf_clock_wall_ms() + function->options.timeout_ms;
        function->running++;
        pthread_cond_signal(&idle->changed);
    } else {
        push_locked(function, invocation);
    }
    local_wake_monitor(fleet);
    if (out_invocation) *out_invocation = invocation;
    return PF_OK;
}

enum pf_code local_submit(struct local_fleet *fleet, struct local_function *function, pf_str event, bool has_caller,
                          struct invocation **out_invocation, struct pf_error *err) {
    pthread_mutex_lock(&fleet->mutex);
    enum pf_code code = local_submit_locked(fleet, function, event, has_caller, out_invocation, err);
    pthread_mutex_unlock(&fleet->mutex);
    return code;
}

enum pf_code local_wait(struct local_fleet *fleet, struct invocation *invocation, int64_t timeout_ms,
                        const struct pf_http_request *request, struct pf_error *err) {
    struct pf_deadline deadline = pf_deadline_in(timeout_ms);
    enum pf_code code = PF_OK;
    pthread_mutex_lock(&fleet->mutex);
    while (code == PF_OK && !invocation->is_over) {
        int64_t left_ms = timeout_ms > 0 ? pf_deadline_left_ms(deadline) : CHECK_CALLER_MS;
        if (left_ms == 0)
            code = PF_TIMEOUT;
        else
            pf_condition_wait_ms(&invocation->changed, &fleet->mutex,
                                 left_ms < CHECK_CALLER_MS ? left_ms : CHECK_CALLER_MS);
        if (code == PF_OK && !invocation->is_over && request && pf_http_is_gone(request)) code = PF_CANCELLED;
    }
    pthread_mutex_unlock(&fleet->mutex);
    if (code == PF_OK) return PF_OK;
    PF_FAIL(err, code, "call function %s: %s", invocation->function->options.name,
            code == PF_TIMEOUT ? "no answer in time" : "the caller went away");
}

void local_release(struct local_fleet *fleet, struct invocation *invocation) {
    pthread_mutex_lock(&fleet->mutex);
    bool is_free = invocation->is_over;
    if (!is_free && is_queued_locked(invocation)) {
        unlink_locked(invocation);
        is_free = true;
    }
    invocation->has_caller = false;
    if (is_free) free_invocation(invocation);
    fleet->callers--;
    if (fleet->callers == 0) pthread_cond_signal(&fleet->quiet);
    pthread_mutex_unlock(&fleet->mutex);
}

/* --- the back end --- */

static struct local_fleet *local_of(struct pf_fleet *fleet) {
    return (struct local_fleet *)fleet;
}

static enum pf_code need_function(struct local_fleet *fleet, const char *name, struct local_function **out_function,
                                  struct pf_error *err) {
    *out_function = local_find(fleet, pf_str_from_cstr(name));
    if (!*out_function) PF_FAIL(err, PF_NOT_FOUND, "there is no function '%s' in this fleet", name);
    return PF_OK;
}

static enum pf_code fail_invocation(const struct invocation *invocation, struct pf_arena *arena, struct pf_error *err) {
    pf_json *root = NULL;
    pf_str type = PF_STR_EMPTY, message = pf_str_from(invocation->answer, invocation->answer_len);
    if (pf_json_parse(message, arena, "error of a function", &root, NULL) == PF_OK) {
        type = pf_json_get_str(root, "errorType", type);
        message = pf_json_get_str(root, "errorMessage", message);
    }
    enum pf_code code = pf_code_from_name(type);
    bool is_ours = code != PF_OK && (code != PF_BUG || pf_str_equal(type, PF_STR("BUG")));
    if (is_ours) PF_FAIL(err, code, "%.*s", PF_STR_ARG(message));
    PF_FAIL(err, PF_REMOTE, "function %s failed: %.*s: %.*s", invocation->function->options.name, PF_STR_ARG(type),
            PF_STR_ARG(message));
}

static enum pf_code local_invoke(struct pf_fleet *base, const char *name, pf_str event, int64_t timeout_ms,
                                 struct pf_arena *arena, pf_str *out_answer, struct pf_error *err) {
    struct local_fleet *fleet = local_of(base);
    struct local_function *function;
    struct invocation *invocation;
    PF_TRY(need_function(fleet, name, &function, err));
    PF_TRY(local_submit(fleet, function, event, true, &invocation, err));
    enum pf_code code = local_wait(fleet, invocation, timeout_ms, NULL, err);
    if (code == PF_OK && invocation->has_failed)
        code = fail_invocation(invocation, arena, err);
    else if (code == PF_OK)
        *out_answer = pf_arena_str(arena, pf_str_from(invocation->answer, invocation->answer_len));
    local_release(fleet, invocation);
    return code;
}

static enum pf_code local_ensure(struct pf_fleet *base, const char *name, int worker_count, pf_str event,
                                 struct pf_error *err) {
    struct local_fleet *fleet = local_of(base);
    struct local_function *function;
    PF_TRY(need_function(fleet, name, &function, err));
    int wanted = worker_count < function->options.max_environments ? worker_count : function->options.max_environments;
    enum pf_code code = PF_OK;
    pthread_mutex_lock(&fleet->mutex);
    while (code == PF_OK && function->queued + function->running < wanted) {
        code = local_submit_locked(fleet, function, event, false, NULL, err);
    }
    pthread_mutex_unlock(&fleet->mutex);
    return code;
}

static void local_get_status(struct pf_fleet *base, const char *name, struct pf_fleet_status *out_status) {
    struct local_fleet *fleet = local_of(base);
    struct pf_fleet_status status = {0};
    pthread_mutex_lock(&fleet->mutex);
    struct local_function *function = local_find(fleet, pf_str_from_cstr(name));
    for (struct environment *at = function ? function->environments : NULL; at; at = at->next) {
        if (at->is_ending) continue;
        status.starting += at->state == PF_ENVIRONMENT_STARTING;
        status.idle += at->state == PF_ENVIRONMENT_IDLE;
        status.busy += at->state == PF_ENVIRONMENT_BUSY;
    }
    if (function) {
        status.waiting = function->queued;
        status.started = function->started;
        status.lost = function->lost;
        status.invoked = function->invoked;
    }
    pthread_mutex_unlock(&fleet->mutex);
    *out_status = status;
}

static void local_list(struct pf_fleet *base, const char *name, struct pf_arena *arena,
                       struct pf_fleet_environment **out_environments, size_t *out_count) {
    struct local_fleet *fleet = local_of(base);
    struct pf_fleet_environment *list = NULL;
    size_t count = 0, capacity = 0;
    pthread_mutex_lock(&fleet->mutex);
    struct local_function *function = local_find(fleet, pf_str_from_cstr(name));
    for (struct environment *at = function ? function->environments : NULL; at; at = at->next) {
        if (at->is_ending) continue;
        PF_ARENA_PUSH(arena, list, count, capacity) =
            (struct pf_fleet_environment){.worker_id = pf_arena_str(arena, at->worker_id),
                                          .pid = at->pid,
                                          .state = at->state,
                                          .age_ms = pf_clock_mono_ms() - at->started_ms};
    }
    pthread_mutex_unlock(&fleet->mutex);
    *out_environments = list;
    *out_count = count;
}

static void stop_urls(struct local_fleet *fleet, int64_t drain_ms) {
    for (size_t i = 0; i < fleet->function_count; i++) {
        struct local_function *function = &fleet->functions[i];
        if (function->url) function->url = pf_http_server_stop(function->url, drain_ms);
    }
}

static enum pf_code start_urls(struct local_fleet *fleet, struct pf_error *err) {
    for (size_t i = 0; i < fleet->function_count; i++) {
        struct local_function *function = &fleet->functions[i];
        if (!function->options.url_address) continue;
        struct pf_http_server_options server = {.address = pf_str_from_cstr(function->options.url_address),
                                                .max_body_bytes = PF_FLEET_MAX_EVENT_BYTES,
                                                .handle = local_handle_url,
                                                .context = function};
        PF_TRY(pf_http_server_start(&server, &function->url, err));
    }
    return PF_OK;
}

static void free_fleet(struct local_fleet *fleet) {
    if (fleet->wake_fd >= 0) close(fleet->wake_fd);
    pthread_cond_destroy(&fleet->quiet);
    pthread_mutex_destroy(&fleet->mutex);
    pf_arena_free(fleet->arena);
}

static void local_close(struct pf_fleet *base) {
    struct local_fleet *fleet = local_of(base);
    pthread_mutex_lock(&fleet->mutex);
    fleet->is_closing = true;
    pthread_mutex_unlock(&fleet->mutex);
    local_wake_monitor(fleet);
    pthread_join(fleet->monitor, NULL); /* it ends all environments and fails all invocations first */
    pthread_mutex_lock(&fleet->mutex);
    while (fleet->callers > 0) pthread_cond_wait(&fleet->quiet, &fleet->mutex);
    pthread_mutex_unlock(&fleet->mutex);
    stop_urls(fleet, 500);
    pf_http_server_stop(fleet->server, 500);
    free_fleet(fleet);
}

static const struct fleet_backend local_backend = {.name = "local",
                                                   .invoke = local_invoke,
                                                   .ensure = local_ensure,
                                                   .get_status = local_get_status,
                                                   .list = local_list,
                                                   .close = local_close};

static const char *copy_text(struct pf_arena *arena, const char *text) {
    return text ? pf_arena_cstr(arena, pf_str_from_cstr(text)) : NULL;
}

static const char *const *copy_list(struct pf_arena *arena, const char *const *list) {
    size_t count = 0, capacity = 0;
    const char **copy = NULL;
    for (; list && *list; list++) PF_ARENA_PUSH(arena, copy, count, capacity) = copy_text(arena, *list);
    PF_ARENA_PUSH(arena, copy, count, capacity) = NULL;
    return copy;
}

static int64_t or_default(int64_t value, int64_t fallback) {
    return value > 0 ? value : fallback;
}

static void copy_function(struct pf_arena *arena, const struct pf_function *from, struct local_function *to) {
    to->options = *from;
    struct pf_function *options = &to->options;
    options->name = copy_text(arena, from->name);
    options->argv = copy_list(arena, from->argv);
    options->env = copy_list(arena, from->env);
    options->directory = copy_text(arena, from->directory);
    options->log_path = copy_text(arena, from->log_path);
    options->handler = copy_text(arena, from->handler);
    options->url_address = copy_text(arena, from->url_address);
    options->max_environments = from->max_environments > 0 ? from->max_environments : 1;
    options->memory_bytes = or_default(from->memory_bytes, DEFAULT_MEMORY_BYTES);
    options->idle_ms = or_default(from->idle_ms, DEFAULT_IDLE_MS);
    options->init_ms = or_default(from->init_ms, DEFAULT_INIT_MS);
    options->timeout_ms = or_default(from->timeout_ms, DEFAULT_TIMEOUT_MS);
    to->arn = pf_arena_printf(arena, "arn:aws:lambda:local:000000000000:function:%s", options->name);
}

enum pf_code pf_fleet_open_local(const struct pf_local_fleet_options *options, struct pf_fleet **out_fleet,
                                 struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "fleet");
    struct local_fleet *fleet = PF_ARENA_NEW(arena, struct local_fleet);
    fleet->base.backend = &local_backend;
    fleet->arena = arena;
    fleet->functions = PF_ARENA_ARRAY(arena, struct local_function, options->function_count);
    fleet->function_count = options->function_count;
    for (size_t i = 0; i < options->function_count; i++) {
        copy_function(arena, &options->functions[i], &fleet->functions[i]);
        fleet->functions[i].fleet = fleet;
    }
    fleet->on_worker_lost = options->on_worker_lost;
    fleet->context = options->context;
    fleet->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&fleet->mutex, NULL);
    pf_condition_init(&fleet->quiet);
    struct pf_http_server_options server = {
        .address = options->address.len ? options->address : PF_STR("127.0.0.1:0"),
        .max_body_bytes = PF_FLEET_MAX_EVENT_BYTES,
        .handle = local_handle_invoke,
        .context = fleet,
    };
    enum pf_code code = pf_http_server_start(&server, &fleet->server, err);
    int status = code == PF_OK ? pthread_create(&fleet->monitor, NULL, local_run_monitor, fleet) : 0;
    if (code == PF_OK && status != 0) {
        pf_http_server_stop(fleet->server, 0);
        code = pf_error_set_errno(err, status, __FILE__, __LINE__, "start the fleet");
    }
    if (code != PF_OK) {
        free_fleet(fleet);
        return code;
    }
    code = start_urls(fleet, err);
    if (code != PF_OK) {
        local_close(&fleet->base);
        return code;
    }
    *out_fleet = &fleet->base;
    return PF_OK;
}

pf_str pf_fleet_local_url_address(struct pf_fleet *fleet, const char *function) {
    assert(fleet->backend == &local_backend);
    const struct local_function *found = local_find(local_of(fleet), pf_str_from_cstr(function));
    return found && found->url ? pf_http_server_address(found->url) : PF_STR_EMPTY;
}

pf_str pf_fleet_local_address(const struct pf_fleet *fleet) {
    assert(fleet->backend == &local_backend);
    return pf_http_server_address(((const struct local_fleet *)fleet)->server);
}
