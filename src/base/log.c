/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdatomic.h>
#include <unistd.h>

enum { MAX_LINE_BYTES = 16384, MAX_TEXT_BYTES = 2000 };

static const char *log_role = "puffindb";
static atomic_int log_level = PF_LOG_WARN;
static _Thread_local struct pf_log_context log_context;

static const char *const level_names[] = {"error", "warn", "info", "debug", "off"};

void pf_log_setup(const char *role, enum pf_log_level level) {
    log_role = role;
    atomic_store(&log_level, level == PF_LOG_OFF ? -1 : (int)level);
}

bool pf_log_level_from(pf_str name, enum pf_log_level *out_level) {
    for (int i = 0; i <= PF_LOG_OFF; i++) {
        if (pf_str_equal(name, pf_str_from_cstr(level_names[i]))) {
            *out_level = (enum pf_log_level)i;
            return true;
        }
    }
    return false;
}

struct pf_log_context pf_log_set_context(struct pf_log_context context) {
    struct pf_log_context before = log_context;
    log_context = context;
    return before;
}

static void put_id(struct pf_buf *line, const char *key, pf_str value) {
    if (value.len == 0) return;
    pf_buf_printf(line, ",\"%s\":", key);
    pf_buf_put_json_str(line, value);
}

static bool begin_line(struct pf_buf *line, enum pf_log_level level, const char *message) {
    if ((int)level > atomic_load(&log_level)) return false;
    char time_text[PF_CLOCK_TEXT_BYTES];
    pf_buf_init(line, MAX_LINE_BYTES);
    pf_str now = pf_clock_format(pf_clock_wall_ms(), time_text);
    pf_buf_printf(line, "{\"time\":\"%.*s\",\"level\":\"%s\",\"role\":\"%s\",\"pid\":%d", PF_STR_ARG(now),
                  level_names[level], log_role, (int)getpid());
    put_id(line, "worker", log_context.worker);
    put_id(line, "query", log_context.query);
    put_id(line, "stage", log_context.stage);
    put_id(line, "task", log_context.task);
    pf_buf_put_cstr(line, ",\"message\":");
    pf_buf_put_json_str(line, pf_str_from_cstr(message));
    return true;
}

static void end_line(struct pf_buf *line) {
    pf_buf_put_cstr(line, "}\n");
    if (!line->failed) {
        ssize_t written = write(STDERR_FILENO, line->ptr, line->len);
        (void)written; /* a log that can't be written has nobody to tell */
    }
    pf_buf_clear(line);
}

void pf_log(enum pf_log_level level, const char *message, const char *fields, ...) {
    struct pf_buf line;
    if (!begin_line(&line, level, message)) return;
    if (fields) {
        va_list args;
        va_start(args, fields);
        pf_buf_put_char(&line, ',');
        pf_buf_vprintf(&line, fields, args);
        va_end(args);
    }
    end_line(&line);
}

void pf_log_failure(enum pf_log_level level, const char *message, const struct pf_error *err) {
    struct pf_buf line;
    if (!begin_line(&line, level, message)) return;
    put_id(&line, "code", pf_str_from_cstr(pf_code_name(err->code)));
    put_id(&line, "error", pf_str_from_cstr(err->message));
    put_id(&line, "origin", pf_str_from_cstr(err->origin));
    end_line(&line);
}

void pf_log_text(enum pf_log_level level, const char *message, const char *key, pf_str value) {
    struct pf_buf line;
    if (!begin_line(&line, level, message)) return;
    put_id(&line, key, pf_str_slice(value, 0, MAX_TEXT_BYTES));
    end_line(&line);
}
