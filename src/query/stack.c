/* SPDX-License-Identifier: MIT */
/* The stack: what a process needs to answer queries. Store and catalog are opened at once; engines, Redis and the
 * fleet when they are first needed, so that a small local query starts nothing it doesn't use. */
#include "query/query_internal.h"
#include "query/query_log.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process.h"
#include "fleet/fleet.h"
#include "planner/planner.h"
#include "query/deleted_rows.h"
#include "query/result_cache.h"
#include "query/result_hits.h"
#include "query/resume.h"
#include "query/store_event.h"
#include "query/store_slices.h"
#include "query/write.h"
#include "store/store.h"
#include "sync/sync.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <xxhash.h>

enum { MAX_EVENT_BYTES = 1 << 20, MAX_WORKERS = 1024 };
static const int64_t MIN_TMPFS_BYTES = 256 << 20;

/* Fragments have their joins in the order that planning chose, with all tables known; an engine that sees one fragment
 * alone would order them worse. */
#define FRAGMENT_DISABLED_OPTIMIZERS "join_order"

const char *pf_route_name(enum pf_route route) {
    static const char *const names[] = {"auto", "local", "fleet", "monostore", "athena", "metadata", "cache"};
    return route <= PF_ROUTE_CACHE ? names[route] : "unknown";
}

bool pf_route_from(pf_str name, enum pf_route *out_route) {
    for (int i = 0; i <= PF_ROUTE_METADATA; i++) {
        if (!pf_str_equal(name, pf_str_from_cstr(pf_route_name((enum pf_route)i)))) continue;
        *out_route = (enum pf_route)i;
        return true;
    }
    return false;
}

void pf_stack_default_options(struct pf_stack_options *options) {
    *options = (struct pf_stack_options){.lease_ms = 10000, .worker_idle_ms = 30000, .max_running = 64};
}

/* ---- directories of this process ---- */

/* Folders are named <pid>-<random>, so that those of dead processes can be told and removed. */
static void remove_folders_of_the_dead(const char *parent) {
    DIR *directory = opendir(parent);
    if (!directory) return;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        int64_t pid;
        pf_str rest = pf_str_from_cstr(entry->d_name), piece;
        if (!pf_str_next(&rest, '-', &piece) || !pf_str_to_i64(piece, &pid) || pid <= 0 || rest.len == 0) continue;
        if (kill((pid_t)pid, 0) == 0 || errno != ESRCH) continue;
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/%s", parent, entry->d_name);
        if (length > 0 && (size_t)length < sizeof path && pf_file_remove_tree(path, NULL) == PF_OK) {
            pf_log_text(PF_LOG_INFO, "removed what a dead process left", "path", pf_str_from_cstr(path));
        }
    }
    closedir(directory);
}

static enum pf_code make_own_folder(const char *parent, struct pf_arena *arena, pf_str *out_path,
                                    struct pf_error *err) {
    unsigned char random[4];
    PF_TRY(pf_file_make_directories(parent, err));
    remove_folders_of_the_dead(parent);
    pf_random_bytes(random, sizeof random);
    pf_str path = pf_arena_printf(arena, "%s/%d-%02x%02x%02x%02x", parent, (int)getpid(), random[0], random[1],
                                  random[2], random[3]);
    if (mkdir(path.ptr, 0700) != 0) PF_FAIL_ERRNO(err, errno, "make directory '%s'", path.ptr);
    *out_path = path;
    return PF_OK;
}

static enum pf_code choose_run_path(struct pf_stack *stack, struct pf_error *err) {
    pf_str parent = stack->options.run_path;
    if (parent.len == 0) {
        const char *base = getenv("XDG_RUNTIME_DIR");
        if (!base || access(base, W_OK) != 0) base = "/tmp";
        parent = pf_arena_printf(stack->arena, "%s/puffindb-%d", base, (int)getuid());
    }
    return make_own_folder(parent.ptr, stack->arena, &stack->run_path, err);
}

static bool is_roomy(const char *path) {
    struct statvfs info;
    if (access(path, W_OK) != 0 || statvfs(path, &info) != 0) return false;
    return (int64_t)info.f_bavail * (int64_t)info.f_frsize >= MIN_TMPFS_BYTES;
}

/* Coordinators that share a Redis share workers, and may take over each other's queries: so they share the folder, or
 * the objects, too. Those with another lake or another place must not see each other: they have other keys. */
static XXH64_hash_t hash_of_sharers(const struct pf_stack *stack) {
    pf_str url = pf_store_url(stack->store), redis = stack->options.redis_url;
    return XXH64(url.ptr, url.len, XXH64(redis.ptr, redis.len, 0));
}

static void set_redis_prefix(struct pf_stack *stack, XXH64_hash_t hash) {
    stack->redis_prefix = pf_arena_printf(stack->arena, "%.*s-%08x", PF_STR_ARG(stack->options.redis_prefix),
                                          (unsigned)(hash & 0xffffffff));
}

static enum pf_code share_exchange_path(struct pf_stack *stack, pf_str parent, struct pf_error *err) {
    XXH64_hash_t hash = hash_of_sharers(stack);
    stack->media.path =
        pf_arena_printf(stack->arena, "%.*s/shared-%016llx", PF_STR_ARG(parent), (unsigned long long)hash);
    set_redis_prefix(stack, XXH64(stack->media.path.ptr, stack->media.path.len, hash));
    PF_TRY(pf_file_make_directories(stack->media.path.ptr, err));
    if (chmod(stack->media.path.ptr, 0700) != 0) {
        PF_FAIL_ERRNO(err, errno, "exchange path '%.*s'", PF_STR_ARG(stack->media.path));
    }
    return PF_OK;
}

/* As asked; else tmpfs where there is room; else the store. */
static enum pf_code choose_exchange_path(struct pf_stack *stack, struct pf_error *err) {
    pf_str parent = stack->options.exchange_path;
    if (parent.len == 0 && is_roomy("/dev/shm")) {
        parent = pf_arena_printf(stack->arena, "/dev/shm/puffindb-%d", (int)getuid());
    }
    /* Workers of this fleet are on this host: any folder will do where the store has none. */
    if (parent.len == 0 && !pf_store_has_files(stack->store)) {
        parent = pf_arena_printf(stack->arena, "%.*s/exchange", PF_STR_ARG(stack->run_path));
    }
    if (parent.len == 0) {
        PF_TRY(pf_store_local_directory(stack->store, PF_STR("temporary"), stack->arena, &parent, err));
    }
    if (parent.ptr[0] != '/') {
        char *absolute = realpath(parent.ptr, NULL);
        if (!absolute && pf_file_make_directories(parent.ptr, err) == PF_OK) absolute = realpath(parent.ptr, NULL);
        if (!absolute) PF_FAIL_ERRNO(err, errno, "exchange path '%s'", parent.ptr);
        parent = pf_arena_str(stack->arena, pf_str_from_cstr(absolute));
        free(absolute);
    }
    if (stack->options.redis_url.len) return share_exchange_path(stack, parent, err);
    PF_TRY(make_own_folder(parent.ptr, stack->arena, &stack->media.path, err));
    stack->owns_exchange_path = true;
    return PF_OK;
}

/* Objects of stores need no folder but an empty one for DuckDB, see pf_exchange_options. */
static enum pf_code choose_exchange(struct pf_stack *stack, struct pf_error *err) {
    struct exchange_media *media = &stack->media;
    PF_TRY(exchange_media_read(stack->options.exchange_url, pf_store_url(stack->store), stack->arena, media, err));
    media->redis = stack->options.exchange_redis;
    if (!media->url_count) return choose_exchange_path(stack, err);
    media->path = pf_arena_printf(stack->arena, "%.*s/exchange", PF_STR_ARG(stack->run_path));
    media->owns_group = stack->options.redis_url.len == 0;
    media->group = store_slices_own_group(stack->arena);
    if (media->owns_group) return pf_file_make_directories(media->path.ptr, err);
    XXH64_hash_t hash = hash_of_sharers(stack);
    for (size_t i = 0; i < media->url_count; i++) hash = XXH64(media->urls[i].ptr, media->urls[i].len, hash);
    media->group = pf_arena_printf(stack->arena, "shared-%016llx", (unsigned long long)hash);
    set_redis_prefix(stack, hash);
    return pf_file_make_directories(media->path.ptr, err);
}

/* ---- open and close ---- */

static int core_count(void) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

static int64_t machine_memory_bytes(void) {
    return (int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE);
}

static struct pf_catalog_remote_options copy_remote(const struct pf_catalog_remote_options *given,
                                                    struct pf_arena *arena) {
    return (struct pf_catalog_remote_options){
        .url = pf_arena_str(arena, given->url),
        .warehouse = pf_arena_str(arena, given->warehouse),
        .token = pf_arena_str(arena, given->token),
        .credential = pf_arena_str(arena, given->credential),
        .scope = pf_arena_str(arena, given->scope),
        .oauth_url = pf_arena_str(arena, given->oauth_url),
        .signing_service = pf_arena_str(arena, given->signing_service),
        .signing_region = pf_arena_str(arena, given->signing_region),
        .ca_path = pf_arena_str(arena, given->ca_path),
    };
}

static enum pf_code fill_in_options(struct pf_stack *stack, const struct pf_stack_options *given,
                                    struct pf_error *err) {
    struct pf_stack_options *options = &stack->options;
    *options = *given;
    options->store_url = pf_arena_str(stack->arena, given->store_url);
    options->exchange_path = pf_arena_str(stack->arena, given->exchange_path);
    options->exchange_url = pf_arena_str(stack->arena, given->exchange_url);
    options->redis_url = pf_arena_str(stack->arena, given->redis_url);
    options->catalog = copy_remote(&given->catalog, stack->arena);
    options->catalog_bootstrap = pf_arena_str(stack->arena, given->catalog_bootstrap);
    options->redis_ca = pf_arena_str(stack->arena, given->redis_ca);
    options->redis_prefix = given->redis_prefix.len ? pf_arena_str(stack->arena, given->redis_prefix) : PF_STR("pf");
    stack->redis_prefix = options->redis_prefix;
    options->run_path = pf_arena_str(stack->arena, given->run_path);
    if (options->worker_count == 0) options->worker_count = core_count();
    if (options->worker_count < 1 || options->worker_count > MAX_WORKERS) {
        PF_FAIL(err, PF_INVALID, "%d workers: must be 1 to %d", options->worker_count, MAX_WORKERS);
    }
    if (options->max_running <= 0) options->max_running = 64;
    if (options->lease_ms <= 0) options->lease_ms = 10000;
    if (options->log_move_ms <= 0) options->log_move_ms = 300 * 1000;
    if (options->worker_idle_ms <= 0) options->worker_idle_ms = 30000;
    /* Four fifths of the machine: half for the engine here, half for all workers together. */
    if (options->coordinator_memory_bytes == 0) options->coordinator_memory_bytes = machine_memory_bytes() * 2 / 5;
    if (options->worker_memory_bytes == 0) {
        options->worker_memory_bytes = machine_memory_bytes() * 2 / 5 / options->worker_count;
    }
    if (options->task_size_bytes <= 0) options->task_size_bytes = USUAL_TASK_BYTES;
    return PF_OK;
}

/* A connection of its own: tables are there before the first query needs the queue. */
static enum pf_code open_catalog_sync(struct pf_stack *stack, struct pf_error *err) {
    const struct pf_stack_options *given = &stack->options;
    struct pf_sync_options options = {
        .url = given->redis_url,
        .prefix = stack->redis_prefix,
        .ca_path = given->redis_ca.len ? given->redis_ca.ptr : NULL,
        .max_connections = given->redis_connections,
        .allows_insecure = given->redis_allows_insecure,
    };
    if (!options.url.len) {
        PF_FAIL(err, PF_INVALID,
                "--catalog redis needs --redis-url: tables must not be known only to a Redis that ends with us");
    }
    return pf_sync_open(&options, &stack->catalog_sync, err);
}

static enum pf_code open_parts(struct pf_stack *stack, struct pf_error *err) {
    PF_TRY(pf_store_open(stack->options.store_url, &stack->options.store_options, &stack->store, err));
    struct pf_catalog_options catalog = {.warehouse = PF_STR("warehouse"), .remote = stack->options.catalog};
    stack->deleted_rows = deleted_rows_new();
    PF_TRY(choose_run_path(stack, err));
    if (pf_str_equal(catalog.remote.url, PF_STR("redis"))) {
        PF_TRY(open_catalog_sync(stack, err));
        catalog.remote.url = PF_STR_EMPTY;
        catalog.pointers = stack->catalog_sync;
    }
    if (pf_str_starts_with(catalog.remote.url, PF_STR("function:")))
        PF_TRY(catalog_function_start(stack, &catalog.remote, err));
    PF_TRY(pf_catalog_open(stack->store, &catalog, &stack->catalog, err));
    struct pf_cache_options cache = {
        .budget_bytes = stack->options.coordinator_memory_bytes / 4,
        .link_directory = pf_arena_printf(stack->arena, "%.*s/cache", PF_STR_ARG(stack->run_path)),
    };
    PF_TRY(pf_cache_open(stack->store, &cache, &stack->cache, err));
    PF_TRY(choose_exchange(stack, err));
    if (stack->options.has_query_log) PF_TRY(query_log_open(stack, err));
    if (stack->options.result_cache_bytes > 0) {
        stack->results = result_cache_new(stack->options.result_cache_bytes, stack->options.result_cache_stale_ms);
        stack->hits = result_hits_new();
    }
    return keeper_start(stack, err);
}

enum pf_code pf_stack_open(const struct pf_stack_options *options, struct pf_stack **out_stack, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "stack");
    struct pf_stack *stack = PF_ARENA_NEW(arena, struct pf_stack);
    stack->arena = arena;
    stack->coordinator_id = pf_id_ulid(arena);
    pthread_mutex_init(&stack->start_mutex, NULL);
    pthread_mutex_init(&stack->locked.mutex, NULL);
    pf_condition_init(&stack->changed);
    enum pf_code code = fill_in_options(stack, options, err);
    if (code == PF_OK) code = open_parts(stack, err);
    if (code != PF_OK) {
        pf_stack_close(stack);
        return code;
    }
    *out_stack = stack;
    return PF_OK;
}

/* The callers' queries are theirs to free; they have been told to stop, and get 10 seconds for it. */
static void wait_for_queries(struct pf_stack *stack) {
    for (struct pf_deadline deadline = pf_deadline_in(10000); pf_deadline_left_ms(deadline) > 0;) {
        pthread_mutex_lock(&stack->locked.mutex);
        bool is_empty = stack->locked.first == NULL && stack->locked.resuming_count == 0;
        pthread_mutex_unlock(&stack->locked.mutex);
        if (is_empty) return;
        pf_clock_sleep_ms(10);
    }
}

struct pf_stack *pf_stack_close(struct pf_stack *stack) {
    if (!stack) return NULL;
    keeper_stop(stack);
    wait_for_queries(stack);
    query_log_close(stack);
    result_cache_free(stack->results);
    result_hits_free(stack->hits);
    pf_fleet_close(stack->fleet);
    pf_sync_close(stack->sync);
    pf_redis_stop(stack->redis);
    resume_free(stack);
    pf_engine_close(stack->local_engine);
    pf_engine_close(stack->last_engine);
    pf_engine_close(stack->planner_engine);
    for (size_t i = 0; i < stack->broken_count; i++) pf_engine_close(stack->broken_engines[i]);
    deleted_rows_free(stack->deleted_rows);
    pf_exchange_close(stack->exchange);
    store_slices_close(stack->store_slices);
    pf_cache_close(stack->cache);
    pf_catalog_close(stack->catalog);
    pf_sync_close(stack->catalog_sync);
    pf_fleet_close(stack->catalog_fleet);
    pf_store_close(stack->store);
    if (stack->owns_exchange_path) (void)!pf_file_remove_tree(stack->media.path.ptr, NULL);
    if (stack->run_path.len) (void)!pf_file_remove_tree(stack->run_path.ptr, NULL);
    for (size_t i = 0; i < RECORD_KEEP; i++) free(stack->locked.records[i].json);
    pthread_cond_destroy(&stack->changed);
    pthread_mutex_destroy(&stack->locked.mutex);
    pthread_mutex_destroy(&stack->start_mutex);
    pf_arena_free(stack->arena);
    return NULL;
}

struct pf_catalog *pf_stack_catalog(struct pf_stack *stack) {
    return stack->catalog;
}

struct pf_store *pf_stack_store(struct pf_stack *stack) {
    return stack->store;
}

/* ---- parts on demand ---- */

static enum pf_code start_planner_locked(struct pf_stack *stack, struct pf_error *err) {
    struct pf_engine_options options = {
        .threads = 1,
        .is_locked = true,
        .is_planner = true,
        .disabled_optimizers = pf_str_from_cstr(pf_planner_disabled_optimizers()),
    };
    struct pf_engine *engine = NULL;
    PF_TRY(pf_engine_open(&options, &engine, err));
    stack->planner_engine = engine;
    return PF_OK;
}

enum pf_code stack_need_planner(struct pf_stack *stack, struct pf_error *err) {
    pthread_mutex_lock(&stack->start_mutex);
    enum pf_code code = stack->planner_engine ? PF_OK : start_planner_locked(stack, err);
    pthread_mutex_unlock(&stack->start_mutex);
    return code;
}

pf_str stack_write_path(const struct pf_stack *stack, struct pf_arena *arena) {
    return pf_arena_printf(arena, "%.*s/write", PF_STR_ARG(stack->run_path));
}

/* Catalog directories and the exchange: what SQL made by us reads and writes. */
static enum pf_code engine_directories(struct pf_stack *stack, struct pf_arena *arena, pf_str **out_directories,
                                       size_t *out_count, struct pf_error *err) {
    pf_str *directories = NULL;
    size_t count = 0;
    PF_TRY(pf_catalog_directories(stack->catalog, arena, &directories, &count, err));
    pf_str *all = PF_ARENA_ARRAY(arena, pf_str, count + 3);
    if (count) memcpy(all, directories, count * sizeof *all);
    if (stack->media.path.len) all[count++] = pf_arena_printf(arena, "%.*s/", PF_STR_ARG(stack->media.path));
    if (pf_cache_directory(stack->cache).len) all[count++] = pf_cache_directory(stack->cache);
    all[count++] = stack_write_path(stack, arena);
    *out_directories = all;
    *out_count = count;
    return PF_OK;
}

static enum pf_code open_engine_here(struct pf_stack *stack, pf_str disabled_optimizers, struct pf_engine **out_engine,
                                     struct pf_error *err) {
    struct pf_engine_options options = {
        .threads = core_count(),
        .memory_limit_bytes = stack->options.coordinator_memory_bytes,
        .temp_directory = pf_arena_printf(stack->arena, "%.*s/spill", PF_STR_ARG(stack->run_path)),
        .keep_order = true,
        .is_locked = true,
        .disabled_optimizers = disabled_optimizers,
    };
    pf_str *directories;
    PF_TRY(engine_directories(stack, stack->arena, &directories, &options.allowed_directory_count, err));
    options.allowed_directories = directories;
    struct pf_engine *engine = NULL;
    PF_TRY(pf_engine_open(&options, &engine, err));
    enum pf_code code = deleted_rows_register(stack->deleted_rows, engine, err);
    if (code == PF_OK) code = data_files_register(engine, err);
    if (code != PF_OK) {
        pf_engine_close(engine);
        return code;
    }
    *out_engine = engine;
    return PF_OK;
}

static enum pf_code start_local_locked(struct pf_stack *stack, struct pf_error *err) {
    struct pf_engine *engine = NULL;
    PF_TRY(open_engine_here(stack, PF_STR_EMPTY, &engine, err));
    stack->local_engine = engine;
    stack->view_count = 0;
    return PF_OK;
}

enum pf_code stack_need_local(struct pf_stack *stack, struct pf_error *err) {
    pthread_mutex_lock(&stack->start_mutex);
    enum pf_code code = stack->local_engine ? PF_OK : start_local_locked(stack, err);
    pthread_mutex_unlock(&stack->start_mutex);
    return code;
}

static enum pf_code open_store_slices(struct pf_stack *stack, struct pf_error *err) {
    const struct exchange_media *media = &stack->media;
    struct store_slices_options options = {
        .urls = media->urls,
        .url_count = media->url_count,
        .group = media->group,
        .owns_group = media->owns_group,
        .store_options = &stack->options.store_options,
    };
    return media->url_count ? store_slices_open(&options, &stack->store_slices, err) : PF_OK;
}

/* The engine of last fragments, with the exchange they read. */
static enum pf_code start_last_locked(struct pf_stack *stack, struct pf_error *err) {
    struct pf_exchange_options options;
    if (!stack->store_slices) PF_TRY(open_store_slices(stack, err));
    exchange_media_options(&stack->media, &stack->small_slices, stack->store_slices, &options);
    struct pf_exchange *exchange = NULL;
    struct pf_engine *engine = NULL;
    PF_TRY(pf_exchange_open(&options, &exchange, err));
    enum pf_code code = open_engine_here(stack, PF_STR(FRAGMENT_DISABLED_OPTIMIZERS), &engine, err);
    if (code == PF_OK) code = pf_exchange_register(exchange, engine, err);
    if (code != PF_OK) {
        pf_engine_close(engine);
        pf_exchange_close(exchange);
        return code;
    }
    stack->exchange = exchange;
    stack->last_engine = engine;
    return PF_OK;
}

/* The exchange stays: the new engine reads it, too. */
static enum pf_code restart_last_locked(struct pf_stack *stack, struct pf_error *err) {
    struct pf_engine *engine = NULL;
    PF_TRY(open_engine_here(stack, PF_STR(FRAGMENT_DISABLED_OPTIMIZERS), &engine, err));
    enum pf_code code = pf_exchange_register(stack->exchange, engine, err);
    if (code != PF_OK) {
        pf_engine_close(engine);
        return code;
    }
    stack->last_engine = engine;
    return PF_OK;
}

static void replace_locked(struct pf_stack *stack, struct pf_engine *engine,
                           enum pf_code (*start)(struct pf_stack *, struct pf_error *)) {
    struct pf_error err = {0};
    if (!engine || !pf_engine_is_broken(engine)) return;
    if (start(stack, &err) != PF_OK) {
        pf_log_failure(PF_LOG_ERROR, "DuckDB broke, and a new engine can't be opened", &err);
        return;
    }
    PF_ARENA_PUSH(stack->arena, stack->broken_engines, stack->broken_count, stack->broken_capacity) = engine;
    pf_log(PF_LOG_WARN, "DuckDB broke: a new engine takes its place", NULL);
}

void stack_replace_broken_engines(struct pf_stack *stack) {
    pthread_mutex_lock(&stack->start_mutex);
    replace_locked(stack, stack->planner_engine, start_planner_locked);
    replace_locked(stack, stack->local_engine, start_local_locked);
    replace_locked(stack, stack->last_engine, restart_last_locked);
    pthread_mutex_unlock(&stack->start_mutex);
}

/* ---- Redis and workers ---- */

/* The log belongs to the lake: it is the same for all its servers, and after a restart. */
static pf_str log_prefix(struct pf_stack *stack) {
    pf_str url = pf_store_url(stack->store);
    return pf_arena_printf(stack->arena, "%.*s-log-%08x", PF_STR_ARG(stack->options.redis_prefix),
                           (unsigned)(XXH64(url.ptr, url.len, 0) & 0xffffffff));
}

static enum pf_code start_sync_locked(struct pf_stack *stack, struct pf_error *err) {
    const struct pf_stack_options *given = &stack->options;
    struct pf_sync_options options = {
        .url = given->redis_url,
        .prefix = stack->redis_prefix,
        .log_prefix = log_prefix(stack),
        .ca_path = given->redis_ca.len ? given->redis_ca.ptr : NULL,
        .max_connections = given->redis_connections,
        .allows_insecure = given->redis_allows_insecure,
    };
    if (options.url.len == 0) {
        struct pf_redis_options redis = {.run_path = stack->run_path.ptr};
        if (!stack->redis) PF_TRY(pf_redis_spawn(&redis, &stack->redis, err));
        options.url = pf_str_from_cstr(pf_redis_url(stack->redis));
    }
    struct pf_sync *sync = NULL;
    PF_TRY(pf_sync_open(&options, &sync, err));
    stack->sync = sync;
    atomic_store(&stack->small_slices.sync, sync);
    pthread_mutex_lock(&stack->locked.mutex);
    stack->locked.sync = sync;
    pthread_mutex_unlock(&stack->locked.mutex);
    return PF_OK;
}

/* Only where files have to be fetched. */
static int64_t worker_cache_bytes(const struct pf_stack *stack) {
    if (pf_store_has_files(stack->store)) return 0;
    int64_t asked = stack->options.cache_memory_bytes, most = stack->options.worker_memory_bytes / 2;
    if (!asked) asked = stack->options.worker_memory_bytes / 4;
    return asked < most ? asked : most;
}

static enum pf_code make_worker_event(struct pf_stack *stack, struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "worker event");
    pf_str *directories = NULL;
    size_t count = 0;
    enum pf_code code = engine_directories(stack, arena, &directories, &count, err);
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_EVENT_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_str(&out, "redis_url",
                      stack->redis ? pf_str_from_cstr(pf_redis_url(stack->redis)) : stack->options.redis_url);
    pf_json_field_str(&out, "redis_ca", stack->options.redis_ca);
    pf_json_field_str(&out, "redis_prefix", stack->redis_prefix);
    pf_json_field_i64(&out, "redis_connections", stack->options.redis_connections);
    pf_json_field_bool(&out, "redis_allows_insecure", stack->options.redis_allows_insecure);
    pf_json_key(&out, "exchange");
    exchange_media_to_json(&stack->media, &out);
    pf_json_field_str(&out, "store_url", pf_store_url(stack->store));
    pf_json_key(&out, "store");
    store_options_to_json(&stack->options.store_options, &out);
    int64_t cache_bytes = worker_cache_bytes(stack);
    pf_json_field_i64(&out, "cache_bytes", cache_bytes);
    pf_json_field_str(&out, "run_path", stack->run_path);
    pf_json_field_str(&out, "disabled_optimizers", PF_STR(FRAGMENT_DISABLED_OPTIMIZERS));
    pf_json_field_i64(&out, "threads", 1);
    pf_json_field_i64(&out, "memory_bytes", stack->options.worker_memory_bytes - cache_bytes);
    pf_json_field_i64(&out, "lease_ms", stack->options.lease_ms);
    pf_json_field_i64(&out, "idle_ms", stack->options.worker_idle_ms);
    pf_json_key(&out, "directories");
    pf_json_open_array(&out);
    for (size_t i = 0; i < count; i++) pf_json_put_str(&out, directories[i]);
    pf_json_close_array(&out);
    pf_json_close_object(&out);
    if (code == PF_OK) stack->worker_event = pf_arena_str(stack->arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    pf_arena_free(arena);
    return code;
}

static void on_worker_lost(void *context, pf_str worker_id) {
    struct pf_stack *stack = context;
    struct pf_error err;
    int count = 0;
    pthread_mutex_lock(&stack->locked.mutex);
    struct pf_sync *sync = stack->locked.is_closing ? NULL : stack->locked.sync;
    pthread_mutex_unlock(&stack->locked.mutex);
    if (!sync) return;
    if (pf_sync_release_worker(sync, worker_id, &count, &err) != PF_OK) {
        pf_log_failure(PF_LOG_WARN, "a worker died; its tasks go back when their lease ends", &err);
        return;
    }
    pf_log(PF_LOG_WARN, "a worker died; its tasks go to others", "\"lost_worker\":\"%.*s\",\"tasks\":%d",
           PF_STR_ARG(worker_id), count);
}

static enum pf_code start_fleet_locked(struct pf_stack *stack, struct pf_error *err) {
    char program[PATH_MAX];
    PF_TRY(pf_process_self_path(program, sizeof program, err));
    PF_TRY(make_worker_event(stack, err));
    pf_str log_path = pf_arena_printf(stack->arena, "%.*s/workers.log", PF_STR_ARG(stack->run_path));
    const char *override = getenv("PUFFINDB_WORKER_PROGRAM");
    const char *argv[] = {override ? override : program, "function", NULL};
    struct pf_function function = {
        .name = "engine",
        .argv = argv,
        .log_path = getenv("PUFFINDB_WORKER_LOG") ? getenv("PUFFINDB_WORKER_LOG") : log_path.ptr,
        .max_environments = stack->options.worker_count,
        .memory_bytes = stack->options.worker_memory_bytes,
        .idle_ms = stack->options.worker_idle_ms,
    };
    struct pf_local_fleet_options options = {
        .functions = &function, .function_count = 1, .on_worker_lost = on_worker_lost, .context = stack};
    PF_TRY(pf_fleet_open_local(&options, &stack->fleet, err));
    pthread_mutex_lock(&stack->locked.mutex);
    stack->locked.fleet = stack->fleet;
    pthread_mutex_unlock(&stack->locked.mutex);
    return PF_OK;
}

enum pf_code stack_need_sync(struct pf_stack *stack, struct pf_error *err) {
    pthread_mutex_lock(&stack->start_mutex);
    enum pf_code code = stack->sync ? PF_OK : start_sync_locked(stack, err);
    pthread_mutex_unlock(&stack->start_mutex);
    return code;
}

enum pf_code stack_need_fleet(struct pf_stack *stack, struct pf_error *err) {
    pthread_mutex_lock(&stack->start_mutex);
    enum pf_code code = stack->last_engine ? PF_OK : start_last_locked(stack, err);
    if (code == PF_OK && !stack->sync) code = start_sync_locked(stack, err);
    if (code == PF_OK && !stack->fleet) code = start_fleet_locked(stack, err);
    pthread_mutex_unlock(&stack->start_mutex);
    return code;
}

enum pf_code stack_wake_workers(struct pf_stack *stack, int count, struct pf_error *err) {
    if (!stack->fleet) return PF_OK; /* they are simulated */
    if (count > stack->options.worker_count) count = stack->options.worker_count;
    return pf_fleet_ensure(stack->fleet, "engine", count, stack->worker_event, err);
}
