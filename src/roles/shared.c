/* SPDX-License-Identifier: MIT */
#include "roles/roles_internal.h"

#include "base/process.h"
#include "icecap/icecap.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void store_options_from(const struct pf_config *config, struct pf_store_options *out_options) {
    *out_options = (struct pf_store_options){
        .s3 = {
            .endpoint = pf_config_text(config, PF_CONFIG_S3_ENDPOINT),
            .region = pf_config_text(config, PF_CONFIG_S3_REGION),
            .ca_path = pf_config_text(config, PF_CONFIG_S3_CA_FILE),
            .addressing = (enum pf_s3_addressing)pf_config_number(config, PF_CONFIG_S3_ADDRESSING),
            .checksum = (enum pf_s3_checksum)pf_config_number(config, PF_CONFIG_S3_CHECKSUM),
            .no_hedging = !pf_config_number(config, PF_CONFIG_S3_HEDGING),
            .timeout_ms = pf_config_number(config, PF_CONFIG_S3_TIMEOUT),
        }};
}

static struct pf_catalog_remote_options catalog_options_from(const struct pf_config *config) {
    pf_str catalog = pf_config_text(config, PF_CONFIG_CATALOG);
    pf_str signing = pf_config_text(config, PF_CONFIG_CATALOG_SIGNING);
    size_t colon = pf_str_find_char(signing, ':', 0);
    return (struct pf_catalog_remote_options){
        .url = pf_str_equal(catalog, PF_STR("store")) ? PF_STR_EMPTY : catalog,
        .warehouse = pf_config_text(config, PF_CONFIG_CATALOG_WAREHOUSE),
        .token = pf_config_text(config, PF_CONFIG_CATALOG_TOKEN),
        .credential = pf_config_text(config, PF_CONFIG_CATALOG_CREDENTIAL),
        .scope = pf_config_text(config, PF_CONFIG_CATALOG_SCOPE),
        .oauth_url = pf_config_text(config, PF_CONFIG_CATALOG_OAUTH_URL),
        .signing_service = pf_str_slice(signing, 0, colon),
        .signing_region = colon == SIZE_MAX ? PF_STR_EMPTY : pf_str_slice(signing, colon + 1, SIZE_MAX),
        .ca_path = pf_config_text(config, PF_CONFIG_CATALOG_CA_FILE),
    };
}

void stack_options_from(const struct pf_config *config, struct pf_stack_options *out_options) {
    pf_stack_default_options(out_options);
    out_options->store_url = pf_config_text(config, PF_CONFIG_STORE_URL);
    store_options_from(config, &out_options->store_options);
    out_options->catalog = catalog_options_from(config);
    out_options->catalog_bootstrap = pf_config_text(config, PF_CONFIG_CATALOG_FUNCTION);
    out_options->cache_memory_bytes = pf_config_number(config, PF_CONFIG_CACHE_MEMORY);
    out_options->redis_url = pf_config_text(config, PF_CONFIG_REDIS_URL);
    out_options->redis_ca = pf_config_text(config, PF_CONFIG_REDIS_CA);
    out_options->redis_prefix = pf_config_text(config, PF_CONFIG_REDIS_PREFIX);
    out_options->redis_connections = (int)pf_config_number(config, PF_CONFIG_REDIS_CONNECTIONS);
    out_options->redis_allows_insecure = pf_config_number(config, PF_CONFIG_REDIS_ALLOW_INSECURE) != 0;
    out_options->exchange_path = pf_config_text(config, PF_CONFIG_EXCHANGE_PATH);
    out_options->spreads_files = pf_config_number(config, PF_CONFIG_SPREAD_FILES) != 0;
    out_options->exchange_url = pf_config_text(config, PF_CONFIG_EXCHANGE_URL);
    out_options->exchange_redis = (enum pf_exchange_redis)pf_config_number(config, PF_CONFIG_EXCHANGE_REDIS);
    out_options->run_path = pf_config_text(config, PF_CONFIG_RUN_PATH);
    out_options->worker_count = (int)pf_config_number(config, PF_CONFIG_WORKERS);
    out_options->worker_memory_bytes = pf_config_number(config, PF_CONFIG_WORKER_MEMORY);
    out_options->coordinator_memory_bytes = pf_config_number(config, PF_CONFIG_MEMORY);
    out_options->task_size_bytes = pf_config_number(config, PF_CONFIG_TASK_SIZE);
    out_options->workers_have_own_cores = pf_str_equal(pf_config_text(config, PF_CONFIG_WORKER_CORES), PF_STR("own"));
    out_options->worker_idle_ms = pf_config_number(config, PF_CONFIG_WORKER_IDLE);
    out_options->lease_ms = pf_config_number(config, PF_CONFIG_LEASE);
    pf_str query_log = pf_config_text(config, PF_CONFIG_QUERY_LOG);
    bool is_shared = out_options->redis_url.len > 0;
    out_options->has_query_log =
        pf_str_equal(query_log, PF_STR("on")) || (pf_str_equal(query_log, PF_STR("auto")) && is_shared);
    out_options->log_move_ms = pf_config_number(config, PF_CONFIG_QUERY_LOG_MOVE);
    out_options->statements = pf_icecap();
    out_options->is_read_only = pf_config_number(config, PF_CONFIG_READ_ONLY) != 0;
    out_options->max_running = (int)pf_config_number(config, PF_CONFIG_MAX_RUNNING);
}

int report_failure(const char *role, const struct pf_error *err) {
    fprintf(stderr, "puffindb %s: %s\n", role, err->message);
    return err->code == PF_REMOTE || err->code == PF_TIMEOUT ? PF_EXIT_UNREACHABLE : PF_EXIT_FAILED;
}

int report_misuse(const char *role, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "puffindb %s: ", role);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\npuffindb help %s shows how it is used\n", role);
    va_end(args);
    return PF_EXIT_USAGE;
}

pf_str count_text(struct pf_arena *arena, int64_t count) {
    pf_str digits = pf_arena_printf(arena, "%lld", (long long)count);
    char *text = pf_arena_alloc(arena, digits.len * 2 + 1);
    size_t length = 0;
    for (size_t i = 0; i < digits.len; i++) {
        size_t left = digits.len - i;
        if (i > 0 && left % 3 == 0 && text[length - 1] != '-') text[length++] = ',';
        text[length++] = digits.ptr[i];
    }
    return pf_str_from(text, length);
}

pf_str bytes_text(struct pf_arena *arena, int64_t size_bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double size = (double)size_bytes;
    size_t unit = 0;
    while (size >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        size /= 1000;
        unit++;
    }
    return pf_arena_printf(arena, unit > 0 && size < 9.95 ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

pf_str time_text(struct pf_arena *arena, double ms) {
    if (ms < 9.95) return pf_arena_printf(arena, "%.1f ms", ms);
    if (ms < 999.5) return pf_arena_printf(arena, "%.0f ms", ms);
    if (ms < 59950) return pf_arena_printf(arena, "%.1f s", ms / 1000);
    int64_t seconds = (int64_t)(ms / 1000 + 0.5);
    return pf_arena_printf(arena, "%lld min %lld s", (long long)(seconds / 60), (long long)(seconds % 60));
}

pf_str counted(struct pf_arena *arena, int64_t count, const char *one, const char *many) {
    return pf_arena_printf(arena, "%.*s %s", PF_STR_ARG(count_text(arena, count)), count == 1 ? one : many);
}

bool is_terminal(FILE *file) {
    const char *kind = getenv("TERM");
    return isatty(fileno(file)) && !(kind && strcmp(kind, "dumb") == 0);
}

int terminal_width(FILE *file) {
    struct winsize size;
    if (ioctl(fileno(file), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return isatty(fileno(file)) ? 80 : 0;
    return size.ws_col;
}

bool wants_progress(const struct pf_config *config) {
    pf_str word = pf_config_text(config, PF_CONFIG_PROGRESS);
    return pf_str_equal(word, PF_STR("on")) || (pf_str_equal(word, PF_STR("auto")) && is_terminal(stderr));
}

static volatile sig_atomic_t interrupt_count;

static void note_interrupt(int number) {
    if (++interrupt_count > 1) signal(number, SIG_DFL); /* the next one ends us */
}

void catch_interrupts(void) {
    struct sigaction action = {.sa_handler = note_interrupt};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void release_interrupts(void) {
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

bool was_interrupted(void) {
    return interrupt_count > 0;
}

void forget_interrupt(void) {
    interrupt_count = 0;
    catch_interrupts();
}

pf_str program_folder(struct pf_arena *arena) {
    char path[PATH_MAX];
    if (pf_process_self_path(path, sizeof path, NULL) != PF_OK) return PF_STR(".");
    char *slash = strrchr(path, '/');
    return pf_arena_str(arena, pf_str_from(path, slash && slash != path ? (size_t)(slash - path) : 1));
}
