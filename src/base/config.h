/* SPDX-License-Identifier: MIT */
/* Configuration: one table of options, read from the command line and the environment.
 *
 * Every option is a flag (--store-url) and, unless it only makes sense for one run, an environment variable of the
 * same name (PUFFINDB_STORE_URL). The flag wins over the variable, the variable over the default.
 * Help, documentation and completion are printed from the table. */
#ifndef PF_BASE_CONFIG_H
#define PF_BASE_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"

/* Who reads an option: bits. */
enum {
    PF_FOR_SQL = 1,
    PF_FOR_SERVE = 2,
    PF_FOR_FUNCTION = 4,
    PF_FOR_LOAD = 8,
    PF_FOR_DOCTOR = 16,
    PF_FOR_BENCH = 32,
    PF_FOR_HELP = 64,
    PF_FOR_LOG = 128,
    PF_FOR_STACK = PF_FOR_SQL | PF_FOR_SERVE | PF_FOR_LOAD | PF_FOR_DOCTOR | PF_FOR_BENCH | PF_FOR_LOG,
    PF_FOR_ALL = 255
};

enum pf_option_type {
    PF_OPTION_TEXT,
    PF_OPTION_PATH,     /* a leading ~/ is the home folder */
    PF_OPTION_URL,      /* a path stands for file://<absolute path> */
    PF_OPTION_BYTES,    /* 64MB, 1.5GiB */
    PF_OPTION_DURATION, /* 300ms, 30s, 5m, 1h; a bare number is seconds */
    PF_OPTION_INT,
    PF_OPTION_BOOL, /* --name, --no-name, --name=false */
    PF_OPTION_ENUM  /* one of `choices` */
};

/* One entry a name: identifiers are PF_CONFIG_<name>, entries are in config_table.c in the same order.
 * A flag may occur twice when the roles differ (--format of sql and of load). */
#define PF_CONFIG_NAMES(X)                                                                                             \
    X(STORE_URL)                                                                                                       \
    X(S3_ENDPOINT)                                                                                                     \
    X(S3_REGION)                                                                                                       \
    X(S3_ADDRESSING)                                                                                                   \
    X(S3_CA_FILE)                                                                                                      \
    X(S3_CHECKSUM)                                                                                                     \
    X(S3_HEDGING)                                                                                                      \
    X(S3_TIMEOUT)                                                                                                      \
    X(SPREAD_FILES)                                                                                                    \
    X(CACHE_MEMORY)                                                                                                    \
    X(CATALOG)                                                                                                         \
    X(CATALOG_WAREHOUSE)                                                                                               \
    X(CATALOG_TOKEN)                                                                                                   \
    X(CATALOG_CREDENTIAL)                                                                                              \
    X(CATALOG_SCOPE)                                                                                                   \
    X(CATALOG_OAUTH_URL)                                                                                               \
    X(CATALOG_SIGNING)                                                                                                 \
    X(CATALOG_CA_FILE)                                                                                                 \
    X(CATALOG_FUNCTION)                                                                                                \
    X(LISTEN)                                                                                                          \
    X(URL)                                                                                                             \
    X(EMBEDDED)                                                                                                        \
    X(REDIS_URL)                                                                                                       \
    X(REDIS_CA)                                                                                                        \
    X(REDIS_PREFIX)                                                                                                    \
    X(REDIS_CONNECTIONS)                                                                                               \
    X(REDIS_ALLOW_INSECURE)                                                                                            \
    X(QUERY_LOG)                                                                                                       \
    X(QUERY_LOG_MOVE)                                                                                                  \
    X(WORKERS)                                                                                                         \
    X(WORKER_MEMORY)                                                                                                   \
    X(MEMORY)                                                                                                          \
    X(TASK_SIZE)                                                                                                       \
    X(WORKER_CORES)                                                                                                    \
    X(WORKER_IDLE)                                                                                                     \
    X(LEASE)                                                                                                           \
    X(EXCHANGE_PATH)                                                                                                   \
    X(EXCHANGE_URL)                                                                                                    \
    X(EXCHANGE_REDIS)                                                                                                  \
    X(RUN_PATH)                                                                                                        \
    X(MAX_RUNNING)                                                                                                     \
    X(READ_ONLY)                                                                                                       \
    X(RESULT_CACHE)                                                                                                    \
    X(RESULT_CACHE_STALE)                                                                                              \
    X(MAX_REQUEST)                                                                                                     \
    X(ALLOW_ORIGIN)                                                                                                    \
    X(TIMEOUT)                                                                                                         \
    X(MAX_ROWS)                                                                                                        \
    X(ROUTE)                                                                                                           \
    X(FORMAT)                                                                                                          \
    X(PROGRESS)                                                                                                        \
    X(HISTORY)                                                                                                         \
    X(LOG_LEVEL)                                                                                                       \
    X(COMMAND)                                                                                                         \
    X(FILE)                                                                                                            \
    X(LOAD_FORMAT)                                                                                                     \
    X(REPLACE)                                                                                                         \
    X(SF)                                                                                                              \
    X(QUERIES)                                                                                                         \
    X(RUNS)                                                                                                            \
    X(DATA)                                                                                                            \
    X(QUERY_DIR)                                                                                                       \
    X(BENCH_FORMAT)                                                                                                    \
    X(TASKS)                                                                                                           \
    X(PRETENDED_WORKERS)                                                                                               \
    X(TASK_TIME)                                                                                                       \
    X(FUNCTIONS)                                                                                                       \
    X(FUNCTION_MEMORY)                                                                                                 \
    X(COLD)                                                                                                            \
    X(MEDIUM)                                                                                                          \
    X(JSON)                                                                                                            \
    X(HELP_FORMAT)                                                                                                     \
    X(HELP)

enum pf_config_id {
#define X(name) PF_CONFIG_##name,
    PF_CONFIG_NAMES(X)
#undef X
        PF_CONFIG_COUNT
};

struct pf_option {
    const char *flag; /* "store-url" */
    char letter;      /* 'c' for -c, 0 for none */
    enum pf_option_type type;
    const char *fallback; /* the default, as a user would write it */
    const char *choices;  /* ENUM: "json|csv"; else how the value is named in help: "URL" */
    unsigned roles;       /* PF_FOR_... */
    bool is_flag_only;    /* no environment variable */
    int64_t least, most;  /* of INT, BYTES and DURATION (ms); both 0: any that is not negative */
    const char *help;     /* one line, no full stop */
};
extern const struct pf_option pf_options[PF_CONFIG_COUNT];

enum pf_config_source { PF_FROM_DEFAULT, PF_FROM_ENVIRONMENT, PF_FROM_FLAG };

struct pf_config {
    struct {
        pf_str text;    /* ends with a zero byte; paths and URLs made absolute */
        int64_t number; /* BYTES, DURATION (ms), INT, BOOL; ENUM: position in `choices` */
        enum pf_config_source source;
    } values[PF_CONFIG_COUNT];
    const char **arguments; /* what was no option, in order */
    size_t argument_count;
};

/* Reads `argv` (behind the role's name) and the environment for one role (a single PF_FOR_ bit). PF_INVALID names
 * the flag or variable, what is wrong with it and, for an unknown flag, the nearest one.
 * `environment` is like environ(7). */
enum pf_code pf_config_read(unsigned role, int argc, const char *const *argv, const char *const *environment,
                            struct pf_arena *arena, struct pf_config *out_config, struct pf_error *err) PF_MUST_CHECK;

static inline pf_str pf_config_text(const struct pf_config *config, enum pf_config_id id) {
    return config->values[id].text;
}
static inline int64_t pf_config_number(const struct pf_config *config, enum pf_config_id id) {
    return config->values[id].number;
}
static inline bool pf_config_is_given(const struct pf_config *config, enum pf_config_id id) {
    return config->values[id].source != PF_FROM_DEFAULT;
}

/* "PUFFINDB_STORE_URL" */
pf_str pf_option_variable(const struct pf_option *option, struct pf_arena *arena);
/* "300ms", "30s", "5m", "1h", "45": milliseconds; false if it isn't one. */
bool pf_duration_from(pf_str text, int64_t *out_ms);
/* The nearest of `names` for a mistyped one; NULL if none is near. */
const char *pf_nearest_name(pf_str wrong, const char *const *names, size_t count);
/* The nearest flag of a role, NULL if none is near. */
const char *pf_config_nearest_flag(unsigned role, pf_str wrong);
/* A variable PUFFINDB_... that no option reads, e.g. a misspelt one; NULL if there is none. */
const char *pf_config_stray_variable(const char *const *environment, struct pf_arena *arena);

/* The options of a role as lines of help. */
void pf_config_print_options(unsigned role, struct pf_buf *out);
/* The whole table, for people or as Markdown. */
void pf_config_print_table(bool is_markdown, struct pf_buf *out);

#endif
