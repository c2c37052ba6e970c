/* SPDX-License-Identifier: MIT */
/* One JSON line per event on stderr: time, level, role, query, stage, task, message, fields.
 *
 * The identifiers come from a context that is set once per unit of work and thread. Below `query` modules log at
 * debug only and return errors; `query` and `roles` log an error once, where it is decided what happens next.
 * Threads: all calls are safe; a line is written with one write(2). */
#ifndef PF_BASE_LOG_H
#define PF_BASE_LOG_H

#include "base/error.h"

enum pf_log_level { PF_LOG_ERROR, PF_LOG_WARN, PF_LOG_INFO, PF_LOG_DEBUG, PF_LOG_OFF };

/* Views must outlive the unit of work. Empty ones are left out. */
struct pf_log_context {
    pf_str query, stage, task, worker;
};

/* Once, from main. `role` is a literal. A line is written if its level is not above `level`. */
void pf_log_setup(const char *role, enum pf_log_level level);
bool pf_log_level_from(pf_str name, enum pf_log_level *out_level); /* "error", "warn", "info", "debug", "off" */

/* For the calling thread. Returns the one before, to be put back. */
struct pf_log_context pf_log_set_context(struct pf_log_context context);

/* `fields` is a printf format that makes the inside of a JSON object, e.g. "\"rows\":%lld"; NULL for none.
 * Text in it must be escaped: use pf_log_text_field for strings. */
void pf_log(enum pf_log_level level, const char *message, const char *fields, ...) PF_PRINTF(3, 4);
/* With the error's code, message and origin. */
void pf_log_failure(enum pf_log_level level, const char *message, const struct pf_error *err);
/* One string field, escaped and cut at 2,000 bytes. */
void pf_log_text(enum pf_log_level level, const char *message, const char *key, pf_str value);

#endif
