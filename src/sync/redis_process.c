/* SPDX-License-Identifier: MIT */
/* A redis-server of our own: on a Unix socket in a folder that only we may enter, without persistence, and killed by
 * the kernel when this process ends. A lock on the folder keeps two processes from sharing it by accident. */
#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "sync/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { DEFAULT_START_MS = 10000, STOP_MS = 2000 };

struct pf_redis {
    struct pf_arena *arena;
    const char *program, *run_path, *socket_path, *log_path, *url;
    int64_t max_memory_bytes, start_ms;
    int lock_fd;
    atomic_int pid;        /* 0: none */
    pthread_mutex_t mutex; /* one starts or stops it at a time */
};

static enum pf_code lock_folder(struct pf_redis *redis, struct pf_error *err) {
    PF_TRY(pf_file_make_directories(redis->run_path, err));
    if (chmod(redis->run_path, 0700) != 0) PF_FAIL_ERRNO(err, errno, "set the mode of '%s'", redis->run_path);
    char *path = pf_arena_cstr(redis->arena, pf_arena_printf(redis->arena, "%s/redis.lock", redis->run_path));
    redis->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (redis->lock_fd < 0) PF_FAIL_ERRNO(err, errno, "open '%s'", path);
    if (flock(redis->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        PF_FAIL(err, PF_CONFLICT, "another process runs a Redis in '%s'; end it, or use another folder",
                redis->run_path);
    }
    return PF_OK;
}

static enum pf_code spawn_server(struct pf_redis *redis, const char *program, pid_t *out_pid, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "redis");
    const char *argv[32] = {program,
                            "--port",
                            "0",
                            "--unixsocket",
                            redis->socket_path,
                            "--unixsocketperm",
                            "700",
                            "--save",
                            "",
                            "--appendonly",
                            "no",
                            "--daemonize",
                            "no",
                            "--dir",
                            redis->run_path,
                            "--logfile",
                            redis->log_path,
                            "--maxmemory-policy",
                            "noeviction",
                            "--tcp-backlog", /* of the Unix socket, too: thousands may connect at once */
                            "4096"};
    size_t count = 21;
    if (redis->max_memory_bytes > 0) {
        argv[count++] = "--maxmemory";
        argv[count++] = pf_arena_cstr(arena, pf_arena_printf(arena, "%lld", (long long)redis->max_memory_bytes));
    }
    /* What it says before it has read its options goes to the same file. */
    struct pf_process_options options = {
        .argv = argv, .stdout_path = redis->log_path, .stderr_path = redis->log_path, .directory = redis->run_path};
    enum pf_code code = pf_process_spawn(&options, out_pid, err);
    pf_arena_free(arena);
    return code;
}

static enum pf_code start_server(struct pf_redis *redis, pid_t *out_pid, struct pf_error *err) {
    static const char *const programs[] = {"redis-server", "valkey-server"};
    if (redis->program) return spawn_server(redis, redis->program, out_pid, err);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        enum pf_code code = spawn_server(redis, programs[i], out_pid, err);
        if (code != PF_NOT_FOUND) return code;
    }
    PF_FAIL(err, PF_NOT_FOUND,
            "there is no redis-server in PATH: install it (Debian: apt-get install redis-server), or give the URL of a "
            "running Redis");
}

static enum pf_code wait_until_ready(struct pf_redis *redis, pid_t pid, struct pf_error *err) {
    struct pf_deadline deadline = pf_deadline_in(redis->start_ms);
    for (int64_t pause_ms = 1;; pause_ms = pause_ms < 20 ? pause_ms * 2 : 20) {
        struct pf_sync_options options = {.url = pf_str_from_cstr(redis->url), .connect_ms = 200, .command_ms = 1000};
        struct pf_sync *sync = NULL;
        enum pf_code code = pf_sync_open(&options, &sync, err);
        pf_sync_close(sync);
        if (code == PF_OK || code == PF_UNSUPPORTED) return code;
        if (pf_process_wait(pid, 0, NULL)) {
            PF_FAIL(err, PF_REMOTE, "redis-server ended while it started; its log is %s", redis->log_path);
        }
        if (pf_deadline_left_ms(deadline) == 0) {
            return pf_error_wrap(err, PF_TIMEOUT, "redis-server did not answer within %lld ms (its log is %s)",
                                 (long long)redis->start_ms, redis->log_path);
        }
        pf_clock_sleep_ms(pause_ms);
    }
}

static void end_server(struct pf_redis *redis) {
    int pid = atomic_exchange(&redis->pid, 0);
    if (pid > 0) pf_process_stop(pid, STOP_MS);
    unlink(redis->socket_path);
}

static enum pf_code respawn_server(struct pf_redis *redis, struct pf_error *err) {
    end_server(redis);
    pid_t pid = 0;
    PF_TRY(start_server(redis, &pid, err));
    enum pf_code code = wait_until_ready(redis, pid, err);
    if (code == PF_OK) {
        atomic_store(&redis->pid, pid);
    } else {
        pf_process_stop(pid, STOP_MS);
    }
    return code;
}

enum pf_code pf_redis_respawn(struct pf_redis *redis, struct pf_error *err) {
    pthread_mutex_lock(&redis->mutex);
    enum pf_code code = respawn_server(redis, err);
    pthread_mutex_unlock(&redis->mutex);
    return code;
}

static enum pf_code check_path_length(const struct pf_redis *redis, struct pf_error *err) {
    struct sockaddr_un address;
    if (strlen(redis->socket_path) >= sizeof address.sun_path) {
        PF_FAIL(err, PF_INVALID, "the folder '%s' has too long a path for a socket: at most %zu bytes", redis->run_path,
                sizeof address.sun_path - sizeof "/redis.sock");
    }
    return PF_OK;
}

enum pf_code pf_redis_spawn(const struct pf_redis_options *options, struct pf_redis **out_redis, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "redis");
    struct pf_redis *redis = PF_ARENA_NEW(arena, struct pf_redis);
    /* A socket's path in a URL must be absolute. */
    char *folder = options->run_path[0] == '/' ? NULL : getcwd(NULL, 0);
    redis->arena = arena;
    redis->run_path = pf_arena_cstr(
        arena, pf_arena_printf(arena, "%s%s%s", folder ? folder : "", folder ? "/" : "", options->run_path));
    free(folder);
    redis->socket_path = pf_arena_cstr(arena, pf_arena_printf(arena, "%s/redis.sock", redis->run_path));
    redis->log_path = pf_arena_cstr(arena, pf_arena_printf(arena, "%s/redis.log", redis->run_path));
    redis->url = pf_arena_cstr(arena, pf_arena_printf(arena, "unix://%s", redis->socket_path));
    redis->program = options->program ? pf_arena_cstr(arena, pf_str_from_cstr(options->program)) : NULL;
    redis->max_memory_bytes = options->max_memory_bytes;
    redis->start_ms = options->start_ms > 0 ? options->start_ms : DEFAULT_START_MS;
    redis->lock_fd = -1;
    pthread_mutex_init(&redis->mutex, NULL);
    enum pf_code code = check_path_length(redis, err);
    if (code == PF_OK) code = lock_folder(redis, err);
    if (code == PF_OK) code = pf_redis_respawn(redis, err);
    if (code != PF_OK) {
        if (redis->lock_fd >= 0) close(redis->lock_fd);
        pthread_mutex_destroy(&redis->mutex);
        pf_arena_free(arena);
        return code;
    }
    *out_redis = redis;
    return PF_OK;
}

const char *pf_redis_url(const struct pf_redis *redis) {
    return redis->url;
}

int pf_redis_pid(const struct pf_redis *redis) {
    return atomic_load(&redis->pid);
}

bool pf_redis_is_alive(struct pf_redis *redis) {
    pthread_mutex_lock(&redis->mutex);
    int pid = atomic_load(&redis->pid);
    bool is_alive = pid > 0 && !pf_process_wait(pid, 0, NULL);
    if (!is_alive) atomic_store(&redis->pid, 0);
    pthread_mutex_unlock(&redis->mutex);
    return is_alive;
}

struct pf_redis *pf_redis_stop(struct pf_redis *redis) {
    if (!redis) return NULL;
    pthread_mutex_lock(&redis->mutex);
    end_server(redis);
    pthread_mutex_unlock(&redis->mutex);
    close(redis->lock_fd);
    pthread_mutex_destroy(&redis->mutex);
    pf_arena_free(redis->arena);
    return NULL;
}
