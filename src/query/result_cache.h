/* SPDX-License-Identifier: MIT */
/* Whole answers in memory, and what is known of statements that were answered: one budget, the longest unused go first.
 *
 *   statement (the text as it came, the route asked for) -> fingerprint, tables          may be out of date: no harm
 *   hash (of the fingerprint and the state of each table now), format -> the bytes       never out of date
 *
 * Threads: safe. Entries are immutable; what is acquired stays until it is released, in the cache or not. */
#ifndef PF_QUERY_RESULT_CACHE_H
#define PF_QUERY_RESULT_CACHE_H

#include "base/arena.h"
#include "base/digest.h"
#include "catalog/catalog.h"
#include "query/query.h"

struct result_cache;

/* `limit_bytes` is over all entries; a quarter as much again may be in drafts. One result has an eighth at most.
 * `stale_ms`: pf_stack_options. */
struct result_cache *result_cache_new(int64_t limit_bytes, int64_t stale_ms);
/* NULL is fine. Nothing may be acquired any more. Returns NULL. */
struct result_cache *result_cache_free(struct result_cache *cache);

/* ---- statements ---- */

struct known_statement {
    pf_str fingerprint;
    const struct pf_table_id *tables;
    size_t table_count;
};
/* Acquired; NULL: not known. */
const struct known_statement *result_cache_find_statement(struct result_cache *cache, pf_str text, enum pf_route route);
void result_cache_release_statement(struct result_cache *cache, const struct known_statement *statement);
void result_cache_note_statement(struct result_cache *cache, pf_str text, enum pf_route route,
                                 const struct known_statement *statement);

/* ---- states of tables, if the cache may be stale ---- */

/* Where the table's metadata was within the last `stale_ms`; false: nobody looked. */
bool result_cache_find_state(struct result_cache *cache, struct pf_table_id id, struct pf_arena *arena,
                             pf_str *out_path);
void result_cache_note_state(struct result_cache *cache, struct pf_table_id id, pf_str path);

/* ---- results ---- */

/* Acquired; NULL: not there. */
struct pf_result *result_cache_find(struct result_cache *cache, pf_str hash, const char *format);
struct result_draft_options {
    pf_str hash;
    const char *format; /* a literal */
};
struct pf_result_draft *result_cache_draft(struct result_cache *cache, const struct result_draft_options *options);

/* Counted here, but noticed by the callers. */
enum result_event { RESULT_HIT, RESULT_MISS, RESULT_UNKEEPABLE };
void result_cache_count(struct result_cache *cache, enum result_event event);
void result_cache_get_counters(struct result_cache *cache, struct pf_result_counters *out_counters);

#endif
