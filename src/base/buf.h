/* SPDX-License-Identifier: MIT */
/* A growing byte buffer with a maximum.
 *
 * Appending never returns an error: at the maximum the buffer turns `failed`, ignores what follows, and
 * pf_buf_finish says so. So a printer of a thousand lines checks once. */
#ifndef PF_BASE_BUF_H
#define PF_BASE_BUF_H

#include "base/error.h"

#include <stdarg.h>

struct pf_buf {
    char *ptr;
    size_t len, capacity, max_bytes;
    bool failed;
};

void pf_buf_init(struct pf_buf *buf, size_t max_bytes);
void pf_buf_clear(struct pf_buf *buf); /* frees; the buffer is as after init */
void pf_buf_reset(struct pf_buf *buf); /* keeps the memory, length 0, not failed */

/* Room for `extra` more bytes; NULL when over the maximum. The caller adds to `len` what it wrote. */
char *pf_buf_reserve(struct pf_buf *buf, size_t extra);
void pf_buf_put(struct pf_buf *buf, const void *bytes, size_t size_bytes);
void pf_buf_put_str(struct pf_buf *buf, pf_str s);
void pf_buf_put_cstr(struct pf_buf *buf, const char *text);
void pf_buf_put_char(struct pf_buf *buf, char c);
void pf_buf_put_i64(struct pf_buf *buf, int64_t value); /* digits, several times as fast as printf */
void pf_buf_printf(struct pf_buf *buf, const char *format, ...) PF_PRINTF(2, 3);
void pf_buf_vprintf(struct pf_buf *buf, const char *format, va_list args);

/* A JSON string with its quotes (RFC 8259 section 7); bytes that are not UTF-8 become U+FFFD. */
void pf_buf_put_json_str(struct pf_buf *buf, pf_str s);

/* PF_TOO_LARGE, naming `what`, if the maximum was reached; else a view that lives as long as the buffer. */
enum pf_code pf_buf_finish(struct pf_buf *buf, const char *what, pf_str *out_bytes, struct pf_error *err) PF_MUST_CHECK;
pf_str pf_buf_view(const struct pf_buf *buf);

#endif
