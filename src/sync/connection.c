/* SPDX-License-Identifier: MIT */
#include "sync/connection.h"

#include "base/id.h"
#include "sync/redis_tls.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

enum {
    DEFAULT_CONNECT_MS = 2000,
    DEFAULT_COMMAND_MS = 5000,
    MAX_BATCH_BYTES = 512 << 20,
};

static struct timeval timeval_from_ms(int64_t ms) {
    return (struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

pf_str reply_text(const valkeyReply *reply) {
    bool is_text = reply && (reply->type == VALKEY_REPLY_STRING || reply->type == VALKEY_REPLY_STATUS ||
                             reply->type == VALKEY_REPLY_ERROR);
    return is_text ? pf_str_from(reply->str, reply->len) : PF_STR_EMPTY;
}

int64_t reply_number(const valkeyReply *reply) {
    if (!reply) return 0;
    if (reply->type == VALKEY_REPLY_INTEGER) return reply->integer;
    int64_t number = 0;
    pf_str_to_i64(reply_text(reply), &number);
    return number;
}

bool reply_is(const valkeyReply *reply, const char *text) {
    return pf_str_equal(reply_text(reply), pf_str_from_cstr(text));
}

bool reply_is_nil(const valkeyReply *reply) {
    return !reply || reply->type == VALKEY_REPLY_NIL;
}

const valkeyReply *reply_element(const valkeyReply *reply, size_t index) {
    return reply && index < reply->elements ? reply->element[index] : NULL;
}

enum pf_code check_id(pf_str id, const char *what, struct pf_error *err) {
    bool is_fine = id.len > 0 && id.len <= MAX_ID_BYTES;
    for (size_t i = 0; is_fine && i < id.len; i++) {
        char c = id.ptr[i];
        is_fine = c > ' ' && c < 0x7f && c != '{' && c != '}';
    }
    if (!is_fine) PF_FAIL(err, PF_INVALID, "'%.*s' is not a %s", PF_STR_ARG(pf_str_slice(id, 0, 80)), what);
    return PF_OK;
}

/* --- errors --- */

static enum pf_code code_from_reply(pf_str text) {
    static const struct {
        const char *prefix;
        enum pf_code code;
    } table[] = {
        {"OOM", PF_NO_MEMORY},
        {"NOAUTH", PF_DENIED},
        {"WRONGPASS", PF_DENIED},
        {"NOPERM", PF_DENIED},
        {"LOADING", PF_REMOTE},
        {"CLUSTERDOWN", PF_REMOTE},
        {"TRYAGAIN", PF_REMOTE},
        {"MASTERDOWN", PF_REMOTE},
        {"READONLY", PF_REMOTE},
        {"UNBLOCKED", PF_REMOTE},
        {"BUSY", PF_THROTTLED},
        {"MISCONF", PF_REMOTE},
        {"ERR max number of clients", PF_THROTTLED},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (pf_str_starts_with(text, pf_str_from_cstr(table[i].prefix))) return table[i].code;
    }
    return PF_BUG;
}

static enum pf_code fail_reply(struct pf_sync *sync, pf_str text, const char *what, struct pf_error *err) {
    enum pf_code code = code_from_reply(text);
    const char *mend = code == PF_DENIED      ? "; check user and password in the URL"
                       : code == PF_NO_MEMORY ? "; Redis is at its memory limit"
                                              : "";
    PF_FAIL(err, code, "%s on %.*s: %.*s%s", what, PF_STR_ARG(sync->url.label), PF_STR_ARG(text), mend);
}

static enum pf_code fail_connection(struct pf_sync *sync, const valkeyContext *context, int errno_value,
                                    const char *what, struct pf_error *err) {
    bool is_timeout =
        context && (context->err == VALKEY_ERR_TIMEOUT ||
                    (context->err == VALKEY_ERR_IO && (errno_value == EAGAIN || errno_value == ETIMEDOUT)));
    if (is_timeout)
        PF_FAIL(err, PF_TIMEOUT, "%s on %.*s: Redis did not answer in time", what, PF_STR_ARG(sync->url.label));
    PF_FAIL(err, PF_REMOTE, "%s on %.*s: %s; check that Redis runs there", what, PF_STR_ARG(sync->url.label),
            context ? context->errstr : "no memory for a connection");
}

/* --- connections --- */

static enum pf_code greet(struct pf_sync *sync, valkeyContext *context, struct pf_error *err) {
    pf_str words[3] = {PF_STR("AUTH")};
    size_t count = 1;
    if (sync->url.user) words[count++] = pf_str_from_cstr(sync->url.user);
    if (sync->url.password) words[count++] = pf_str_from_cstr(sync->url.password);
    valkeyReply *reply = NULL;
    if (sync->url.password) {
        const char *argv[3];
        size_t lengths[3];
        for (size_t i = 0; i < count; i++) argv[i] = words[i].ptr, lengths[i] = words[i].len;
        reply = valkeyCommandArgv(context, (int)count, argv, lengths);
        if (!reply) return fail_connection(sync, context, errno, "log in", err);
    }
    enum pf_code code = PF_OK;
    if (reply && reply->type == VALKEY_REPLY_ERROR) code = fail_reply(sync, reply_text(reply), "log in", err);
    freeReplyObject(reply);
    if (code != PF_OK || sync->url.database == 0) return code;
    reply = valkeyCommand(context, "SELECT %d", sync->url.database);
    if (!reply) return fail_connection(sync, context, errno, "select the database", err);
    if (reply->type == VALKEY_REPLY_ERROR) code = fail_reply(sync, reply_text(reply), "select the database", err);
    freeReplyObject(reply);
    return code;
}

static enum pf_code open_connection(struct pf_sync *sync, struct connection *out_connection, struct pf_error *err) {
    struct timeval connect = timeval_from_ms(sync->connect_ms), command = timeval_from_ms(sync->command_ms);
    valkeyOptions options = {.connect_timeout = &connect, .command_timeout = &command};
    if (sync->url.unix_path) {
        VALKEY_OPTIONS_SET_UNIX(&options, sync->url.unix_path);
    } else {
        VALKEY_OPTIONS_SET_TCP(&options, sync->url.host, sync->url.port);
    }
    valkeyContext *context = valkeyConnectWithOptions(&options);
    enum pf_code code = PF_OK;
    if (!context || context->err) code = fail_connection(sync, context, errno, "connect", err);
    if (code == PF_OK && sync->tls && !redis_tls_start(sync->tls, sync->url.host, context)) {
        code = fail_connection(sync, context, 0, "start TLS", err);
    }
    if (code == PF_OK && !sync->url.unix_path) valkeyEnableKeepAlive(context);
    if (code == PF_OK) code = greet(sync, context, err);
    if (code != PF_OK) {
        valkeyFree(context);
        return code;
    }
    atomic_fetch_add(&sync->connects, 1);
    *out_connection = (struct connection){context, sync->command_ms};
    return PF_OK;
}

/* A connection in the pool has nothing to say; if it has, the other side closed it. */
static bool is_stale(const struct connection *connection) {
    struct pollfd poll_fd = {.fd = connection->context->fd, .events = POLLIN | POLLRDHUP};
    return poll(&poll_fd, 1, 0) != 0;
}

static enum pf_code take_connection(struct pf_sync *sync, struct connection *out_connection, struct pf_error *err) {
    for (;;) {
        struct connection connection = {0};
        pthread_mutex_lock(&sync->locked.mutex);
        if (sync->locked.count > 0) connection = sync->locked.idle[--sync->locked.count];
        pthread_mutex_unlock(&sync->locked.mutex);
        if (!connection.context) return open_connection(sync, out_connection, err);
        if (!is_stale(&connection)) {
            *out_connection = connection;
            return PF_OK;
        }
        valkeyFree(connection.context);
    }
}

static void give_connection_back(struct pf_sync *sync, struct connection connection) {
    pthread_mutex_lock(&sync->locked.mutex);
    bool is_kept = sync->locked.count < MAX_IDLE_CONNECTIONS;
    if (is_kept) sync->locked.idle[sync->locked.count++] = connection;
    pthread_mutex_unlock(&sync->locked.mutex);
    if (!is_kept) valkeyFree(connection.context);
}

static void drop_idle_connections(struct pf_sync *sync) {
    struct connection dropped[MAX_IDLE_CONNECTIONS];
    pthread_mutex_lock(&sync->locked.mutex);
    size_t count = sync->locked.count;
    memcpy(dropped, sync->locked.idle, count * sizeof *dropped);
    sync->locked.count = 0;
    pthread_mutex_unlock(&sync->locked.mutex);
    for (size_t i = 0; i < count; i++) valkeyFree(dropped[i].context);
}

/* --- batches --- */

void batch_begin(struct batch *batch, struct pf_sync *sync, bool may_repeat) {
    *batch = (struct batch){.sync = sync, .arena = pf_arena_new(NULL, "redis batch"), .may_repeat = may_repeat};
    pf_buf_init(&batch->bytes, MAX_BATCH_BYTES);
}

static void free_replies(struct batch *batch) {
    for (size_t i = 0; batch->replies && i < batch->count; i++) {
        freeReplyObject(batch->replies[i]);
        batch->replies[i] = NULL;
    }
}

void batch_clear(struct batch *batch) {
    free_replies(batch);
    pf_buf_clear(&batch->bytes);
    pf_arena_free(batch->arena);
}

static void put_word(struct pf_buf *bytes, pf_str word) {
    pf_buf_printf(bytes, "$%zu\r\n", word.len);
    pf_buf_put_str(bytes, word);
    pf_buf_put(bytes, "\r\n", 2);
}

static void end_command(struct batch *batch) {
    PF_ARENA_PUSH(batch->arena, batch->ends, batch->count, batch->capacity) = batch->bytes.len;
}

void batch_add(struct batch *batch, const pf_str *words, size_t count) {
    pf_buf_printf(&batch->bytes, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) put_word(&batch->bytes, words[i]);
    end_command(batch);
}

void batch_add_script(struct batch *batch, enum sync_script script, const pf_str *keys, size_t key_count,
                      const pf_str *args, size_t arg_count) {
    pf_buf_printf(&batch->bytes, "*%zu\r\n$7\r\nEVALSHA\r\n", 3 + key_count + arg_count);
    put_word(&batch->bytes, pf_str_from(batch->sync->scripts[script].sha, 40));
    put_word(&batch->bytes, batch_number(batch, (int64_t)key_count));
    for (size_t i = 0; i < key_count; i++) put_word(&batch->bytes, keys[i]);
    for (size_t i = 0; i < arg_count; i++) put_word(&batch->bytes, args[i]);
    end_command(batch);
}

pf_str batch_number(struct batch *batch, int64_t number) {
    return pf_arena_printf(batch->arena, "%lld", (long long)number);
}

pf_str batch_key(struct batch *batch, pf_str query_id, const char *name) {
    return pf_arena_printf(batch->arena, "%.*s:{%.*s}:%s", PF_STR_ARG(batch->sync->prefix), PF_STR_ARG(query_id), name);
}

static bool set_limit(struct connection *connection, int64_t limit_ms) {
    if (connection->limit_ms == limit_ms) return true;
    connection->limit_ms = limit_ms;
    return valkeySetTimeout(connection->context, timeval_from_ms(limit_ms)) == VALKEY_OK;
}

static bool is_unknown_script(const valkeyReply *reply) {
    return reply->type == VALKEY_REPLY_ERROR && pf_str_starts_with(reply_text(reply), PF_STR("NOSCRIPT"));
}

/* The server does not know our scripts (it is new, or they were flushed): sends them and then command `index` again. */
static bool repeat_with_scripts(struct batch *batch, struct connection *connection, size_t index) {
    valkeyContext *context = connection->context;
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        const char *argv[] = {"SCRIPT", "LOAD", batch->sync->scripts[i].source.ptr};
        size_t lengths[] = {6, 4, batch->sync->scripts[i].source.len};
        if (valkeyAppendCommandArgv(context, 3, argv, lengths) != VALKEY_OK) return false;
    }
    size_t start = index > 0 ? batch->ends[index - 1] : 0;
    valkeyAppendFormattedCommand(context, batch->bytes.ptr + start, batch->ends[index] - start);
    freeReplyObject(batch->replies[index]);
    batch->replies[index] = NULL;
    for (int i = 0; i <= SCRIPT_COUNT; i++) {
        void *reply = NULL;
        if (valkeyGetReply(context, &reply) != VALKEY_OK) return false;
        if (i == SCRIPT_COUNT)
            batch->replies[index] = reply;
        else
            freeReplyObject(reply);
    }
    atomic_fetch_add(&batch->sync->round_trips, 1);
    atomic_fetch_add(&batch->sync->commands, SCRIPT_COUNT + 1);
    return true;
}

static bool exchange(struct batch *batch, struct connection *connection, int64_t limit_ms) {
    valkeyContext *context = connection->context;
    if (!set_limit(connection, limit_ms)) return false;
    if (valkeyAppendFormattedCommand(context, batch->bytes.ptr, batch->bytes.len) != VALKEY_OK) return false;
    for (size_t i = 0; i < batch->count; i++) {
        if (valkeyGetReply(context, (void **)&batch->replies[i]) != VALKEY_OK) return false;
    }
    atomic_fetch_add(&batch->sync->round_trips, 1);
    atomic_fetch_add(&batch->sync->commands, (long long)batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        if (is_unknown_script(batch->replies[i]) && !repeat_with_scripts(batch, connection, i)) return false;
    }
    return true;
}

static enum pf_code check_replies(struct batch *batch, const char *what, struct pf_error *err) {
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->replies[i]->type == VALKEY_REPLY_ERROR) {
            return fail_reply(batch->sync, reply_text(batch->replies[i]), what, err);
        }
    }
    return PF_OK;
}

static enum pf_code run_once(struct batch *batch, int64_t limit_ms, const char *what, struct pf_error *err) {
    struct connection connection = {0};
    PF_TRY(take_connection(batch->sync, &connection, err));
    errno = 0;
    if (exchange(batch, &connection, limit_ms)) {
        give_connection_back(batch->sync, connection);
        return check_replies(batch, what, err);
    }
    enum pf_code code = fail_connection(batch->sync, connection.context, errno, what, err);
    valkeyFree(connection.context);
    free_replies(batch);
    drop_idle_connections(batch->sync);
    atomic_fetch_add(&batch->sync->failures, 1);
    return code;
}

enum pf_code batch_run(struct batch *batch, int64_t wait_ms, const char *what, struct pf_error *err) {
    pf_str all;
    PF_TRY(pf_buf_finish(&batch->bytes, what, &all, err));
    batch->replies = PF_ARENA_ARRAY(batch->arena, valkeyReply *, batch->count);
    int64_t limit_ms = batch->sync->command_ms + wait_ms;
    long long failures = atomic_load(&batch->sync->failures);
    enum pf_code code = run_once(batch, limit_ms, what, err);
    bool is_broken = atomic_load(&batch->sync->failures) != failures;
    if (code == PF_REMOTE && batch->may_repeat && is_broken) code = run_once(batch, limit_ms, what, err);
    return code;
}

/* --- open and close --- */

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
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_ADD(&batch, PF_STR("INFO"), PF_STR("server"));
    enum pf_code code = batch_run(&batch, 0, "open", err);
    if (code == PF_OK && !is_recent(reply_text(batch.replies[0]))) {
        code = pf_error_set(err, PF_UNSUPPORTED, __FILE__, __LINE__,
                            "%.*s is older than Redis 6.2, the oldest version that works", PF_STR_ARG(sync->url.label));
    }
    batch_clear(&batch);
    return code;
}

/* libvalkey writes to sockets without asking for an error instead of the signal. Nobody needs the signal's default,
 * which is to end the process. */
static void ignore_sigpipe(void) {
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) signal(SIGPIPE, SIG_IGN);
}

enum pf_code pf_sync_open(const struct pf_sync_options *options, struct pf_sync **out_sync, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "sync");
    struct pf_sync *sync = PF_ARENA_NEW(arena, struct pf_sync);
    pf_str prefix = options->prefix.len ? options->prefix : PF_STR("pf");
    sync->arena = arena;
    sync->prefix = pf_arena_str(arena, prefix);
    sync->turns_key = pf_arena_printf(arena, "%.*s:{all}:turns", PF_STR_ARG(prefix));
    sync->marks_key = pf_arena_printf(arena, "%.*s:{all}:marks", PF_STR_ARG(prefix));
    sync->wakes_key = pf_arena_printf(arena, "%.*s:{all}:wakes", PF_STR_ARG(prefix));
    sync->queries_key = pf_arena_printf(arena, "%.*s:{all}:queries", PF_STR_ARG(prefix));
    sync->alive_key = pf_arena_printf(arena, "%.*s:{workers}:alive", PF_STR_ARG(prefix));
    sync->facts_key = pf_arena_printf(arena, "%.*s:{workers}:facts", PF_STR_ARG(prefix));
    sync->connect_ms = options->connect_ms > 0 ? options->connect_ms : DEFAULT_CONNECT_MS;
    sync->command_ms = options->command_ms > 0 ? options->command_ms : DEFAULT_COMMAND_MS;
    sync->nonce_base = pf_id_ulid(arena);
    sync->scripts = scripts_build(arena);
    pthread_mutex_init(&sync->locked.mutex, NULL);
    ignore_sigpipe();
    enum pf_code code = redis_url_parse(options->url, arena, &sync->url, err);
    if (code == PF_OK && sync->url.has_tls) code = redis_tls_open(options->ca_path, &sync->tls, err);
    if (code == PF_OK) code = check_server(sync, err);
    if (code != PF_OK) {
        pf_sync_close(sync);
        return code;
    }
    *out_sync = sync;
    return PF_OK;
}

struct pf_sync *pf_sync_close(struct pf_sync *sync) {
    if (!sync) return NULL;
    drop_idle_connections(sync);
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
}
