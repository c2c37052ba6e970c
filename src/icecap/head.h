/* SPDX-License-Identifier: MIT */
/* The head of a statement, word by word. Pure.
 *
 * `token` is the one at hand; take_* moves on if it is what is asked for, need_* fails if it isn't. Errors are
 * PF_INVALID and say at which character, what stands there, and what was expected. */
#ifndef PF_ICECAP_HEAD_H
#define PF_ICECAP_HEAD_H

#include "base/sql_tokens.h"

struct head {
    struct pf_arena *arena;
    pf_str sql;      /* without a semicolon at its end */
    pf_str with_sql; /* "WITH a AS (...)" in front of the verb; empty: none */
    struct pf_sql_scanner scanner;
    struct pf_sql_token token;
};

/* A table as the statement names it. */
struct head_name {
    pf_str space, name; /* space empty: not given; its levels joined with dots */
    pf_str text;        /* as written */
};

void head_begin(struct head *head, pf_str sql, struct pf_arena *arena);
void head_next(struct head *head);
bool head_is(const struct head *head, const char *word);
bool head_is_symbol(const struct head *head, char symbol);
bool head_is_end(const struct head *head);
bool head_take(struct head *head, const char *word);
/* "if not exists": all of the words, or none. */
bool head_take_words(struct head *head, const char *words);
bool head_take_symbol(struct head *head, char symbol);

enum pf_code head_need(struct head *head, const char *words, struct pf_error *err) PF_MUST_CHECK;
enum pf_code head_need_symbol(struct head *head, char symbol, struct pf_error *err) PF_MUST_CHECK;
enum pf_code head_need_name(struct head *head, const char *what, pf_str *out_name, struct pf_error *err) PF_MUST_CHECK;
enum pf_code head_need_table(struct head *head, struct head_name *out_name, struct pf_error *err) PF_MUST_CHECK;
/* a, or a.b.c for a field of a struct. */
enum pf_code head_need_path(struct head *head, pf_str **out_parts, size_t *out_count, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code head_need_text(struct head *head, const char *what, pf_str *out_text, struct pf_error *err) PF_MUST_CHECK;
enum pf_code head_need_number(struct head *head, const char *what, int64_t *out_number, struct pf_error *err)
    PF_MUST_CHECK;
enum pf_code head_need_end(struct head *head, struct pf_error *err) PF_MUST_CHECK;
/* "(a, b)" */
enum pf_code head_need_names(struct head *head, pf_str **out_names, size_t *out_count, struct pf_error *err)
    PF_MUST_CHECK;

/* The text from here to the end. */
pf_str head_rest(const struct head *head);
/* The text up to a ',' or ')' outside of parentheses, one of the words outside of them (a list that ends with NULL; may be
 * NULL), or the end. */
pf_str head_take_until(struct head *head, const char *const *words);
/* Where the token at hand begins. */
size_t head_offset(const struct head *head);
/* Fails about the token at hand: "expected <what>". */
enum pf_code head_fail(const struct head *head, const char *expected, struct pf_error *err);
/* Is one of the words anywhere in the text outside of parentheses? */
bool head_text_has(pf_str text, const char *word);

#endif
