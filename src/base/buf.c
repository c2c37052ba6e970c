/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pf_buf_init(struct pf_buf *buf, size_t max_bytes) {
    *buf = (struct pf_buf){.max_bytes = max_bytes};
}

void pf_buf_clear(struct pf_buf *buf) {
    free(buf->ptr);
    *buf = (struct pf_buf){.max_bytes = buf->max_bytes};
}

void pf_buf_reset(struct pf_buf *buf) {
    buf->len = 0;
    buf->failed = false;
}

char *pf_buf_reserve(struct pf_buf *buf, size_t extra) {
    if (buf->failed) return NULL;
    if (extra > buf->max_bytes || buf->len > buf->max_bytes - extra) {
        buf->failed = true;
        return NULL;
    }
    if (buf->len + extra > buf->capacity) {
        size_t capacity = buf->capacity ? buf->capacity * 2 : 256;
        if (capacity < buf->len + extra) capacity = buf->len + extra;
        if (capacity > buf->max_bytes) capacity = buf->max_bytes;
        char *larger = realloc(buf->ptr, capacity);
        if (!larger) {
            buf->failed = true;
            return NULL;
        }
        buf->ptr = larger;
        buf->capacity = capacity;
    }
    return buf->ptr + buf->len;
}

void pf_buf_put(struct pf_buf *buf, const void *bytes, size_t size_bytes) {
    if (size_bytes == 0) return;
    char *room = pf_buf_reserve(buf, size_bytes);
    if (!room) return;
    memcpy(room, bytes, size_bytes);
    buf->len += size_bytes;
}

void pf_buf_put_str(struct pf_buf *buf, pf_str s) {
    pf_buf_put(buf, s.ptr, s.len);
}

void pf_buf_put_cstr(struct pf_buf *buf, const char *text) {
    pf_buf_put(buf, text, strlen(text));
}

void pf_buf_put_char(struct pf_buf *buf, char c) {
    pf_buf_put(buf, &c, 1);
}

void pf_buf_vprintf(struct pf_buf *buf, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length > 0) {
        /* One byte more for the zero that vsnprintf writes. */
        char *room = pf_buf_reserve(buf, (size_t)length + 1);
        if (room) {
            vsnprintf(room, (size_t)length + 1, format, again);
            buf->len += (size_t)length;
        }
    }
    va_end(again);
}

void pf_buf_put_i64(struct pf_buf *buf, int64_t value) {
    char digits[20]; /* as many as INT64_MIN has, with its sign */
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0) digits[--at] = '-';
    pf_buf_put(buf, digits + at, sizeof digits - at);
}

void pf_buf_printf(struct pf_buf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    pf_buf_vprintf(buf, format, args);
    va_end(args);
}

static void put_json_escape(struct pf_buf *buf, unsigned char c) {
    switch (c) {
    case '"': pf_buf_put(buf, "\\\"", 2); break;
    case '\\': pf_buf_put(buf, "\\\\", 2); break;
    case '\n': pf_buf_put(buf, "\\n", 2); break;
    case '\r': pf_buf_put(buf, "\\r", 2); break;
    case '\t': pf_buf_put(buf, "\\t", 2); break;
    default: pf_buf_printf(buf, "\\u%04x", c);
    }
}

void pf_buf_put_json_str(struct pf_buf *buf, pf_str s) {
    const unsigned char *text = (const unsigned char *)s.ptr;
    size_t start = 0;
    pf_buf_put_char(buf, '"');
    for (size_t i = 0; i < s.len;) {
        unsigned char c = text[i];
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            i++;
            continue;
        }
        size_t length = c < 0x80 ? 1 : pf_str_utf8_length(s, i);
        if (length > 1) {
            i += length;
            continue;
        }
        pf_buf_put(buf, text + start, i - start);
        if (length == 1) {
            put_json_escape(buf, c);
        } else {
            pf_buf_put(buf, "\xef\xbf\xbd", 3);
        }
        start = ++i;
    }
    if (start < s.len) pf_buf_put(buf, text + start, s.len - start);
    pf_buf_put_char(buf, '"');
}

pf_str pf_buf_view(const struct pf_buf *buf) {
    return (pf_str){buf->ptr, buf->len};
}

enum pf_code pf_buf_finish(struct pf_buf *buf, const char *what, pf_str *out_bytes, struct pf_error *err) {
    if (buf->failed) PF_FAIL(err, PF_TOO_LARGE, "%s is over its limit of %zu bytes", what, buf->max_bytes);
    *out_bytes = pf_buf_view(buf);
    return PF_OK;
}
