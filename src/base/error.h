/* SPDX-License-Identifier: MIT */
/* Failure as a value: every function that can fail returns a pf_code and fills one pf_error.
 *
 * The caller owns the pf_error, usually on its stack; NULL is allowed and means "I only want the code".
 * Outputs are untouched on failure. Three kinds are kept apart: failure of others or of input (these codes),
 * "this can't be distributed" (a reason, see plan/plan.h), and our own broken invariants (assert). */
#ifndef PF_BASE_ERROR_H
#define PF_BASE_ERROR_H

#include "base/str.h"

#define PF_MUST_CHECK __attribute__((warn_unused_result))
#define PF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* name, HTTP status, worth another try, text. The API, the retry policy and the worker protocol read this list. */
#define PF_CODES(X)                                                                                                    \
    X(OK, 200, false, "ok")                                                                                            \
    X(INVALID, 400, false, "invalid input")                                                                            \
    X(DENIED, 403, false, "permission denied")                                                                         \
    X(NOT_FOUND, 404, false, "not found")                                                                              \
    X(CONFLICT, 409, false, "conflict")                                                                                \
    X(TOO_LARGE, 413, false, "over a size limit")                                                                      \
    X(UNSUPPORTED, 501, false, "not supported")                                                                        \
    X(THROTTLED, 429, true, "too many requests")                                                                       \
    X(CANCELLED, 499, false, "cancelled")                                                                              \
    X(BUG, 500, false, "internal error")                                                                               \
    X(CORRUPT, 422, false, "corrupt data")                                                                             \
    X(REMOTE, 503, true, "a service failed")                                                                           \
    X(NO_MEMORY, 507, false, "out of memory or disk")                                                                  \
    X(TIMEOUT, 504, true, "time limit reached")

enum pf_code {
#define X(name, http, retry, text) PF_##name,
    PF_CODES(X)
#undef X
        PF_CODE_COUNT
};

struct pf_error {
    enum pf_code code;
    char message[960]; /* what failed, on which object, and the mend if we know one */
    char origin[48];   /* file:line that raised it */
};

const char *pf_code_name(enum pf_code code); /* "NOT_FOUND" */
const char *pf_code_text(enum pf_code code);
int pf_code_http_status(enum pf_code code);
bool pf_code_is_retryable(enum pf_code code);
/* PF_BUG for a name that isn't one. */
enum pf_code pf_code_from_name(pf_str name);
/* The nearest code for an errno value. */
enum pf_code pf_code_from_errno(int errno_value);

/* Fills `err` (if any) and returns `code`. Use PF_FAIL. */
enum pf_code pf_error_set(struct pf_error *err, enum pf_code code, const char *file, int line, const char *format, ...)
    PF_PRINTF(5, 6);
enum pf_code pf_error_set_errno(struct pf_error *err, int errno_value, const char *file, int line, const char *format,
                                ...) PF_PRINTF(5, 6);

/* Puts "context: " in front of the message; returns `code`. */
enum pf_code pf_error_wrap(struct pf_error *err, enum pf_code code, const char *format, ...) PF_PRINTF(3, 4);

/* The code stands behind the comma so that compilers see that it isn't PF_OK. */
#define PF_FAIL(err, code, ...) return (pf_error_set((err), (code), __FILE__, __LINE__, __VA_ARGS__), (code))
/* The message ends with the text of `errno_value`, the code follows from it. */
#define PF_FAIL_ERRNO(err, errno_value, ...)                                                                           \
    return pf_error_set_errno((err), (errno_value), __FILE__, __LINE__, __VA_ARGS__)
#define PF_TRY(call)                                                                                                   \
    do {                                                                                                               \
        enum pf_code pf_try_code_ = (call);                                                                            \
        if (pf_try_code_ != PF_OK) return pf_try_code_;                                                                \
    } while (0)

#endif
