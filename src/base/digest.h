/* SPDX-License-Identifier: MIT */
/* SHA-256, for names of things by their content: nobody can make two contents with one name. */
#ifndef PF_BASE_DIGEST_H
#define PF_BASE_DIGEST_H

#include "base/str.h"

enum { PF_DIGEST_CHARS = 64 };

/* 64 lower-case hexadecimal digits into `text`, no zero byte behind them; the view is of `text`. */
pf_str pf_digest_hex(pf_str bytes, char text[PF_DIGEST_CHARS]);
/* Could pf_digest_hex have written that? */
bool pf_digest_is_hex(pf_str text);

#endif
