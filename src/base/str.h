/* SPDX-License-Identifier: MIT */
/* Strings as views: a pointer and a length, passed by value, owned by somebody else.
 *
 * A view need not end with a zero byte. Functions that need one copy into an arena first
 * (pf_arena_cstr). The empty view has length 0; its pointer may be NULL. */
#ifndef PF_BASE_STR_H
#define PF_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pf_str {
    const char *ptr;
    size_t len;
} pf_str;

/* For printf: "%.*s", PF_STR_ARG(s). */
#define PF_STR_ARG(s) (int)(s).len, ((s).len ? (s).ptr : "")
#define PF_STR(literal) ((pf_str){"" literal, sizeof(literal) - 1})
#define PF_STR_EMPTY ((pf_str){NULL, 0})

pf_str pf_str_from(const char *ptr, size_t len);
pf_str pf_str_from_cstr(const char *text); /* NULL gives the empty view */

bool pf_str_equal(pf_str a, pf_str b);
bool pf_str_equal_nocase(pf_str a, pf_str b); /* ASCII only */
int pf_str_compare(pf_str a, pf_str b);       /* unsigned bytes, then length */
bool pf_str_starts_with(pf_str s, pf_str prefix);
bool pf_str_ends_with(pf_str s, pf_str suffix);

/* Position of the first `needle` at or after `from`, or SIZE_MAX. */
size_t pf_str_find(pf_str s, pf_str needle, size_t from);
size_t pf_str_find_char(pf_str s, char c, size_t from);

/* Clamped to the string: never reads outside. */
pf_str pf_str_slice(pf_str s, size_t from, size_t to);
pf_str pf_str_trim(pf_str s); /* ASCII white space at both ends */

/* Cuts `*rest` at the next `separator`; false when nothing is left. "a,,b" gives "a", "", "b". */
bool pf_str_next(pf_str *rest, char separator, pf_str *out_piece);

/* Whole string or nothing: no blanks, no overflow. */
bool pf_str_to_i64(pf_str s, int64_t *out_value);
bool pf_str_to_f64(pf_str s, double *out_value);

/* "64MB", "1.5GiB", "4096": bytes; false if it isn't one. KB, MB, GB, TB are powers of 1000, KiB... of 1024. */
bool pf_str_to_bytes(pf_str s, int64_t *out_bytes);

/* Bytes of the UTF-8 sequence that begins at `at`, or 0 if none does (RFC 3629). */
size_t pf_str_utf8_length(pf_str s, size_t at);
bool pf_str_is_utf8(pf_str s);

uint64_t pf_str_hash(pf_str s); /* FNV-1a; for tables in memory, not for files */

#endif
