/* SPDX-License-Identifier: MIT */
/* Looks at everything a stack needs, one entry a check, and says what to do about what is wrong. */
#include "roles/roles_internal.h"

#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "net/net.h"
#include "roles/client.h"
#include "store/store.h"
#include "sync/sync.h"

#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

extern char **environ;

enum verdict { GOOD, POOR, BROKEN };

struct finding {
    enum verdict verdict;
    pf_str text, mend; /* mend: only where something is wrong */
};

struct check {
    const char *name;
    struct finding (*look)(const struct pf_config *config, struct pf_arena *arena);
};

static struct finding good(pf_str text) {
    return (struct finding){GOOD, text, PF_STR_EMPTY};
}

static struct finding broken(struct pf_arena *arena, const struct pf_error *err, const char *mend) {
    return (struct finding){BROKEN, pf_arena_str(arena, pf_str_from_cstr(err->message)), pf_str_from_cstr(mend)};
}

/* ---- the engine ---- */

static struct finding look_at_engine(const struct pf_config *config, struct pf_arena *arena) {
    static const char mend[] = "put libduckdb.so of that version beside the program, in ../lib";
    struct pf_error err = {0};
    struct pf_engine *engine = NULL;
    struct pf_session *session = NULL;
    pf_str version = PF_STR_EMPTY;
    (void)config;
    struct pf_engine_options options = {.threads = 1, .memory_limit_bytes = 256 << 20};
    enum pf_code code = pf_engine_open(&options, &engine, &err);
    if (code == PF_OK) code = pf_session_open(engine, &session, &err);
    if (code == PF_OK) code = pf_session_scalar(session, PF_STR("SELECT version()"), arena, &version, &err);
    pf_session_close(session);
    pf_engine_close(engine);
    if (code != PF_OK) return broken(arena, &err, mend);
    if (!pf_str_equal(version, pf_str_from_cstr(pf_engine_version()))) {
        pf_error_set(&err, PF_BUG, __FILE__, __LINE__, "DuckDB is %.*s, this program was made for %s",
                     PF_STR_ARG(version), pf_engine_version());
        return broken(arena, &err, mend);
    }
    return good(pf_arena_printf(arena, "DuckDB %.*s", PF_STR_ARG(version)));
}

/* ---- Redis ---- */

static struct finding look_at_given_redis(const struct pf_config *config, struct pf_arena *arena) {
    static const enum verdict verdicts[] = {[PF_SYNC_WELL] = GOOD, [PF_SYNC_POOR] = POOR, [PF_SYNC_BROKEN] = BROKEN};
    struct pf_sync_diagnosis diagnosis;
    pf_str ca_path = pf_config_text(config, PF_CONFIG_REDIS_CA);
    struct pf_sync_options options = {
        .url = pf_config_text(config, PF_CONFIG_REDIS_URL),
        .prefix = pf_config_text(config, PF_CONFIG_REDIS_PREFIX),
        .ca_path = ca_path.len ? ca_path.ptr : NULL,
        .allows_insecure = pf_config_number(config, PF_CONFIG_REDIS_ALLOW_INSECURE) != 0,
    };
    pf_sync_diagnose(&options, arena, &diagnosis);
    return (struct finding){verdicts[diagnosis.health], diagnosis.text, diagnosis.mend};
}

static struct finding look_at_redis(const struct pf_config *config, struct pf_arena *arena) {
    pf_str url = pf_config_text(config, PF_CONFIG_REDIS_URL);
    struct pf_error err = {0};
    struct pf_redis *redis = NULL;
    if (url.len) return look_at_given_redis(config, arena);
    pf_str path = pf_arena_printf(arena, "/tmp/puffindb-doctor-%d", (int)getpid());
    enum pf_code code = pf_redis_spawn(&(struct pf_redis_options){.run_path = path.ptr}, &redis, &err);
    pf_redis_stop(redis);
    if (pf_file_remove_tree(path.ptr, NULL) != PF_OK) return broken(arena, &err, "remove the folder");
    if (code == PF_OK) return good(PF_STR("redis-server starts and answers"));
    return broken(arena, &err,
                  "install redis-server 6.2 or later (Debian: apt install redis-server), or valkey-server");
}

/* ---- the store ---- */

static enum pf_code try_store(struct pf_store *store, struct pf_arena *arena, struct pf_error *err) {
    pf_str etag = PF_STR_EMPTY, bytes;
    pf_str key = pf_arena_printf(arena, "doctor/%.*s", PF_STR_ARG(pf_id_ulid(arena)));
    PF_TRY(pf_store_put_if(store, key, PF_STR_EMPTY, PF_STR("1"), arena, &etag, err));
    enum pf_code code = pf_store_put_if(store, key, PF_STR_EMPTY, PF_STR("2"), arena, NULL, NULL);
    if (code != PF_CONFLICT) {
        code = pf_error_set(err, PF_UNSUPPORTED, __FILE__, __LINE__,
                            "conditional writes do not work: two writers of "
                            "one table would lose rows");
    } else {
        code = pf_store_get(store, key, PF_RANGE_ALL, arena, &bytes, err);
    }
    enum pf_code deleted = pf_store_delete(store, key, code == PF_OK ? err : NULL);
    return code != PF_OK ? code : deleted;
}

static bool says(const struct pf_error *err, const char *part) {
    return pf_str_find(pf_str_from_cstr(err->message), pf_str_from_cstr(part), 0) != SIZE_MAX;
}

/* The message says what is wrong; this, what to type. */
static const char *mend_of_s3(const struct pf_error *err) {
    if (says(err, "can't be resolved")) return "mend --s3-endpoint or --s3-region, or the network's name service";
    if (says(err, "nothing answers")) return "start the server, or mend --s3-endpoint";
    if (says(err, "TLS")) return "name the certificate of your authority with --s3-ca-file";
    if (says(err, "clock")) return "set this machine's clock, e.g. with timedatectl set-ntp true";
    if (says(err, "no AWS credentials")) return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE";
    if (says(err, "no such bucket")) return "make the bucket, or mend --store-url";
    if (says(err, "region")) return "name the bucket's region with --s3-region";
    if (says(err, "may not do that")) {
        return "allow s3:GetObject, PutObject, DeleteObject and ListBucket on that bucket and prefix";
    }
    return "docs/store.md lists what S3 may say and the mends";
}

static struct finding look_at_store(const struct pf_config *config, struct pf_arena *arena) {
    struct pf_error err = {0};
    struct pf_store *store = NULL;
    pf_str url = pf_config_text(config, PF_CONFIG_STORE_URL);
    struct pf_store_options options;
    store_options_from(config, &options);
    enum pf_code code = pf_store_open(url, &options, &store, &err);
    if (code == PF_OK) code = try_store(store, arena, &err);
    pf_store_close(store);
    if (code == PF_OK) return good(pf_arena_printf(arena, "%.*s: read, write, conditional write", PF_STR_ARG(url)));
    if (pf_str_starts_with(url, PF_STR("s3://"))) return broken(arena, &err, mend_of_s3(&err));
    return broken(arena, &err, "give yourself the right to write there, or name another place with --store-url");
}

/* ---- the machine ---- */

static struct finding look_at_exchange(const struct pf_config *config, struct pf_arena *arena) {
    pf_str asked = pf_config_text(config, PF_CONFIG_EXCHANGE_PATH);
    const char *path = asked.len ? asked.ptr : "/dev/shm";
    struct statvfs info;
    struct pf_error err = {0};
    if (asked.len && pf_file_make_directories(path, &err) != PF_OK) {
        return broken(arena, &err, "name a folder that can be written with --exchange-path");
    }
    if (statvfs(path, &info) != 0 || access(path, W_OK) != 0) {
        if (!asked.len) {
            return (struct finding){POOR,
                                    PF_STR("no /dev/shm that can be written: data between stages goes to the lake"),
                                    PF_STR("mount a tmpfs, or name a fast folder with --exchange-path")};
        }
        pf_error_set(&err, PF_DENIED, __FILE__, __LINE__, "'%s' can't be written", path);
        return broken(arena, &err, "name a folder that can be written with --exchange-path");
    }
    int64_t free_bytes = (int64_t)info.f_bavail * (int64_t)info.f_frsize;
    pf_str text = pf_arena_printf(arena, "%s: %.*s free", path, PF_STR_ARG(bytes_text(arena, free_bytes)));
    if (free_bytes >= 1 << 30) return good(text);
    return (struct finding){POOR, text,
                            PF_STR("large joins need room there: give it more (docker: --shm-size=4g), or "
                                   "name another folder with --exchange-path")};
}

static struct finding look_at_machine(const struct pf_config *config, struct pf_arena *arena) {
    int64_t cores = (int64_t)sysconf(_SC_NPROCESSORS_ONLN);
    int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE);
    int64_t workers = pf_config_number(config, PF_CONFIG_WORKERS) ? pf_config_number(config, PF_CONFIG_WORKERS) : cores;
    int64_t asked =
        pf_config_number(config, PF_CONFIG_WORKER_MEMORY) * workers + pf_config_number(config, PF_CONFIG_MEMORY);
    pf_str text =
        pf_arena_printf(arena, "%.*s, %.*s of memory, %.*s", PF_STR_ARG(counted(arena, cores, "core", "cores")),
                        PF_STR_ARG(bytes_text(arena, bytes)), PF_STR_ARG(counted(arena, workers, "worker", "workers")));
    if (asked > bytes) {
        return (struct finding){POOR, text,
                                PF_STR("--worker-memory times --workers plus --memory is more than there is")};
    }
    if (bytes / workers < 256 << 20) {
        return (struct finding){POOR, text, PF_STR("less than 256 MB a worker: take fewer with --workers")};
    }
    return good(text);
}

/* ---- the network ---- */

static void answer_nothing(void *context, struct pf_http_request *request, struct pf_http_response *response) {
    (void)context;
    pf_http_respond(request, response, 503, "text/plain", PF_STR("doctor\n"));
}

static struct finding look_at_port(const struct pf_config *config, struct pf_arena *arena) {
    struct pf_error err = {0};
    struct client *client = NULL;
    struct pf_http_server *server = NULL;
    pf_str address = pf_config_text(config, PF_CONFIG_LISTEN);
    struct pf_http_server_options options = {.address = address, .handle = answer_nothing};
    enum pf_code code = pf_http_server_start(&options, &server, &err);
    pf_http_server_stop(server, 0);
    if (code == PF_OK) return good(pf_arena_printf(arena, "%.*s is free", PF_STR_ARG(address)));
    if (code == PF_CONFLICT && client_open_url(address, &client, NULL) == PF_OK) {
        client_close(client);
        return good(pf_arena_printf(arena, "a puffindb answers at %.*s", PF_STR_ARG(address)));
    }
    return broken(arena, &err, "another program has the port: take another with --listen");
}

static struct finding look_at_url(const struct pf_config *config, struct pf_arena *arena) {
    pf_str url = pf_config_text(config, PF_CONFIG_URL);
    struct pf_error err = {0};
    struct client *client = NULL;
    if (url.len == 0) return good(PF_STR("no --url: a server at --listen is used if it has this lake"));
    if (client_open_url(url, &client, &err) != PF_OK) return broken(arena, &err, "start it, or mend --url");
    client_close(client);
    return good(pf_arena_printf(arena, "a puffindb answers at %.*s", PF_STR_ARG(url)));
}

static struct finding look_at_environment(const struct pf_config *config, struct pf_arena *arena) {
    const char *stray = pf_config_stray_variable((const char *const *)environ, arena);
    (void)config;
    if (!stray) return good(PF_STR("every PUFFINDB_ variable is an option"));
    return (struct finding){POOR, pf_arena_printf(arena, "%s is no option: nobody reads it", stray),
                            PF_STR("puffindb help config lists the variables")};
}

static const struct check checks[] = {
    {"engine", look_at_engine},   {"redis", look_at_redis},
    {"store", look_at_store},     {"exchange", look_at_exchange},
    {"machine", look_at_machine}, {"listen", look_at_port},
    {"url", look_at_url},         {"environment", look_at_environment},
};

static void print_finding(const char *name, const struct finding *finding) {
    static const char *const signs[] = {"✓", "!", "✗"};
    printf("%s %-12s %.*s\n", signs[finding->verdict], name, PF_STR_ARG(finding->text));
    if (finding->mend.len) printf("  %-12s mend: %.*s\n", "", PF_STR_ARG(finding->mend));
    fflush(stdout);
}

static void put_finding(struct pf_json_out *json, const char *name, const struct finding *finding) {
    static const char *const words[] = {"ok", "warning", "broken"};
    pf_json_open_object(json);
    pf_json_field_str(json, "check", pf_str_from_cstr(name));
    pf_json_field_str(json, "state", pf_str_from_cstr(words[finding->verdict]));
    pf_json_field_str(json, "text", finding->text);
    if (finding->mend.len) pf_json_field_str(json, "mend", finding->mend);
    pf_json_close_object(json);
}

static int run_doctor(struct pf_role_call *call) {
    bool is_json = pf_config_number(call->config, PF_CONFIG_JSON) != 0, is_well = true;
    struct pf_buf buf;
    struct pf_json_out json;
    if (call->config->argument_count) return report_misuse("doctor", "no arguments expected");
    pf_buf_init(&buf, 1 << 20);
    pf_json_begin(&json, &buf);
    pf_json_open_object(&json);
    pf_json_key(&json, "checks");
    pf_json_open_array(&json);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        struct finding finding = checks[i].look(call->config, call->arena);
        if (!is_json) print_finding(checks[i].name, &finding);
        put_finding(&json, checks[i].name, &finding);
        is_well = is_well && finding.verdict != BROKEN;
    }
    pf_json_close_array(&json);
    pf_json_field_bool(&json, "ok", is_well);
    pf_json_close_object(&json);
    if (is_json) printf("%.*s\n", PF_STR_ARG(pf_buf_view(&buf)));
    pf_buf_clear(&buf);
    return is_well ? PF_EXIT_OK : PF_EXIT_FAILED;
}

const struct pf_role pf_role_doctor = {
    "doctor",
    PF_FOR_DOCTOR,
    "say what is missing or misconfigured",
    "doctor [OPTIONS]",
    "Tries everything a stack needs with the options it would run with: ✓ is fine, ! works but could be better,\n"
    "✗ is broken. Exit status 1 if something is broken.",
    "  puffindb doctor\n"
    "  puffindb doctor --store-url /data/lake --json\n",
    run_doctor,
};
