/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http_status;
    bool is_retryable;
    const char *text;
} codes[] = {
#define X(name, http, retry, text) {#name, http, retry, text},
    PF_CODES(X)
#undef X
};

const char *pf_code_name(enum pf_code code) {
    return code < PF_CODE_COUNT ? codes[code].name : "BUG";
}

const char *pf_code_text(enum pf_code code) {
    return code < PF_CODE_COUNT ? codes[code].text : codes[PF_BUG].text;
}

int pf_code_http_status(enum pf_code code) {
    return code < PF_CODE_COUNT ? codes[code].http_status : codes[PF_BUG].http_status;
}

bool pf_code_is_retryable(enum pf_code code) {
    return code < PF_CODE_COUNT && codes[code].is_retryable;
}

enum pf_code pf_code_from_name(pf_str name) {
    for (int i = 0; i < PF_CODE_COUNT; i++) {
        if (pf_str_equal(name, pf_str_from_cstr(codes[i].name))) return (enum pf_code)i;
    }
    return PF_BUG;
}

enum pf_code pf_code_from_errno(int errno_value) {
    switch (errno_value) {
    case 0: return PF_OK;
    case ENOENT:
    case ENOTDIR: return PF_NOT_FOUND;
    case EEXIST: return PF_CONFLICT;
    case EACCES:
    case EPERM:
    case EROFS: return PF_DENIED;
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE: return PF_NO_MEMORY;
    case ETIMEDOUT: return PF_TIMEOUT;
    case EINVAL:
    case ENAMETOOLONG: return PF_INVALID;
    default: return PF_REMOTE;
    }
}

static void fill(struct pf_error *err, enum pf_code code, const char *file, int line, const char *format,
                 va_list args) {
    const char *name = strrchr(file, '/');
    err->code = code;
    snprintf(err->origin, sizeof err->origin, "%s:%d", name ? name + 1 : file, line);
    vsnprintf(err->message, sizeof err->message, format, args);
}

enum pf_code pf_error_set(struct pf_error *err, enum pf_code code, const char *file, int line, const char *format,
                          ...) {
    if (!err) return code;
    va_list args;
    va_start(args, format);
    fill(err, code, file, line, format, args);
    va_end(args);
    return code;
}

enum pf_code pf_error_set_errno(struct pf_error *err, int errno_value, const char *file, int line, const char *format,
                                ...) {
    enum pf_code code = pf_code_from_errno(errno_value);
    if (!err) return code;
    va_list args;
    va_start(args, format);
    fill(err, code, file, line, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    char text[128];
    snprintf(err->message + used, sizeof err->message - used, ": %s", strerror_r(errno_value, text, sizeof text));
    return code;
}

enum pf_code pf_error_wrap(struct pf_error *err, enum pf_code code, const char *format, ...) {
    if (!err) return code;
    char context[sizeof err->message];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(context, sizeof context, format, args);
    va_end(args);
    if (length < 0) return code;
    size_t used = (size_t)length < sizeof context - 1 ? (size_t)length : sizeof context - 1;
    snprintf(context + used, sizeof context - used, ": %s", err->message);
    memcpy(err->message, context, sizeof context);
    err->message[sizeof err->message - 1] = 0;
    err->code = code;
    return code;
}
