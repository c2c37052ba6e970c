/* SPDX-License-Identifier: MIT */
/* Tokens of SQL as DuckDB cuts them: enough to see the first words of a statement and where its parts begin. Not a
 * parser: DuckDB's decides what a statement means. */
#ifndef PF_BASE_SQL_TOKENS_H
#define PF_BASE_SQL_TOKENS_H

#include "base/arena.h"

enum pf_sql_token_kind {
    PF_SQL_END,
    PF_SQL_WORD,
    PF_SQL_QUOTED_NAME,
    PF_SQL_STRING, /* '...', E'...', $tag$...$tag$ */
    PF_SQL_NUMBER,
    PF_SQL_SYMBOL /* one byte */
};
struct pf_sql_token {
    enum pf_sql_token_kind kind;
    pf_str text; /* with its quotes: a view into the statement */
};
struct pf_sql_scanner {
    pf_str rest;
};
/* Skips blanks and comments. Never fails: what it doesn't know is a symbol of one byte. */
struct pf_sql_token pf_sql_scan_next(struct pf_sql_scanner *scanner);
bool pf_sql_token_is(const struct pf_sql_token *token, const char *word); /* a word, any case */
/* The name a word or quoted name stands for. */
pf_str pf_sql_token_name(const struct pf_sql_token *token, struct pf_arena *arena);
/* "name" and 'text', with the quotes in them doubled. */
pf_str pf_sql_quote_name(pf_str name, struct pf_arena *arena);
pf_str pf_sql_quote_text(pf_str text, struct pf_arena *arena);

#endif
