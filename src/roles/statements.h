/* SPDX-License-Identifier: MIT */
/* Cuts a script into statements at its semicolons, as DuckDB reads them. Pure. */
#ifndef PF_ROLES_STATEMENTS_H
#define PF_ROLES_STATEMENTS_H

#include "base/str.h"

/* Takes the next statement from `*rest`: false if only blanks, comments and semicolons are left.
 * `*out_is_ended`: a semicolon ended it. Quotes, dollar quotes and comments may hide semicolons. */
bool next_statement(pf_str *rest, pf_str *out_statement, bool *out_is_ended);

/* Its first word, comments skipped: "select". */
pf_str first_word(pf_str statement);

#endif
