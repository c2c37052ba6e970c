/* SPDX-License-Identifier: MIT */
/* A result is kept by the hash of
 *
 *   versions | route asked for | the statement as DuckDB parses it | each table: name, URI of its metadata
 *
 * Metadata files are immutable and a commit names another one, so what has that name is right for ever. That holds if
 *  1. the statement gives the same rows on the same tables (engine/judge.c);
 *  2. each of its names is a table of the lake, spelled as the catalog spells it (then no other table can come to have
 *     that name), or one that WITH gives, and was no table when the statement was bound;
 *  3. the views that it was bound to were those of the snapshots in the name. Views are shared by all queries of an
 *     engine, and another query may have moved one since (docs/decisions/0002): definitions are numbered.
 *
 * A statement that is asked again is known by its text: the tables' pointers are read, the hash is made, and nothing is
 * parsed. What is remembered of a text is which tables it reads; with rule 2 that can't change while they exist. */
#include "query/keep_result.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "query/result_cache.h"
#include "query/result_hits.h"

#include <string.h>

enum { MAX_KEY_BYTES = 16 << 20 };

static bool is_wanted(const struct pf_query *query) {
    bool is_shown = query->explain == EXPLAIN_PLAN && query->asked == PF_ROUTE_AUTO;
    return query->stack->results && (is_shown || (query->explain == EXPLAIN_NOT && query->result_format));
}

enum pf_code keep_result_judge(struct pf_query *query, struct pf_session *session, const struct pf_statement *statement,
                               struct pf_error *err) {
    if (!is_wanted(query)) {
        query->result_reason = PF_STR("nobody asked for it");
        return PF_OK;
    }
    return pf_session_judge(session, statement, query->arena, &query->verdict, err);
}

/* ---- names ---- */

static const struct lake_table *find_exact(const struct pf_query *query, const struct pf_table_name *name) {
    pf_str space = name->schema.len ? name->schema : PF_DEFAULT_NAMESPACE;
    for (size_t i = 0; i < query->tables.count; i++) {
        const struct lake_table *lake = &query->tables.items[i];
        bool is_it = pf_str_equal(lake->table->id.space, space) && pf_str_equal(lake->table->id.name, name->name);
        if (is_it && pf_str_equal(lake->view_name, name->name)) return lake;
    }
    return NULL;
}

/* DuckDB's own views can't be told from what WITH names. */
static bool is_engines_own(pf_str name) {
    static const char *const starts[] = {"duckdb_", "pragma_", "sqlite_", "pg_"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        pf_str start = pf_str_from_cstr(starts[i]);
        if (pf_str_equal_nocase(pf_str_slice(name, 0, start.len), start)) return true;
    }
    return false;
}

static bool is_cte(const struct pf_query *query, const struct pf_table_name *name) {
    if (name->schema.len || name->catalog.len || is_engines_own(name->name)) return false;
    for (size_t i = 0; i < query->verdict.cte_count; i++) {
        if (pf_str_equal_nocase(query->verdict.cte_names[i], name->name)) return true;
    }
    return false;
}

static pf_str unkeepable_name(const struct pf_query *query, const struct pf_statement *statement) {
    for (size_t i = 0; i < statement->table_count; i++) {
        const struct pf_table_name *name = &statement->tables[i];
        const struct lake_table *lake = find_exact(query, name);
        const char *why = NULL;
        if (!lake && !is_cte(query, name)) {
            why = "is not a table of the lake, spelled as it is there";
        } else if (lake && (lake->kind.len || lake->tail_sql.len || lake->has_lineage)) {
            why = "is more than the rows of a snapshot";
        } else if (lake && !lake->table->metadata_path.len) {
            why = "is not in the catalog yet";
        }
        if (why) return pf_arena_printf(query->arena, "'%.*s' %s", PF_STR_ARG(name->name), why);
    }
    return PF_STR_EMPTY;
}

/* ---- the hash ---- */

/* Texts have lengths: no two lists of them make one key. */
static void put_counted(struct pf_buf *key, pf_str text) {
    pf_buf_put_i64(key, (int64_t)text.len);
    pf_buf_put_char(key, ' ');
    pf_buf_put_str(key, text);
}

static void begin_key(struct pf_buf *key, enum pf_route asked, pf_str fingerprint) {
    pf_buf_init(key, MAX_KEY_BYTES);
    put_counted(key, PF_STR("puffindb result 1"));
    put_counted(key, PF_STR(PUFFIN_VERSION));
    put_counted(key, pf_str_from_cstr(pf_engine_version()));
    put_counted(key, pf_str_from_cstr(pf_route_name(asked)));
    put_counted(key, fingerprint);
}

static void put_table(struct pf_buf *key, struct pf_table_id id, pf_str metadata_path) {
    put_counted(key, id.space);
    put_counted(key, id.name);
    put_counted(key, metadata_path);
}

/* Empty if there are too many tables. */
static pf_str finish_key(struct pf_buf *key, struct pf_arena *arena) {
    pf_str hash = PF_STR_EMPTY;
    if (!key->failed) hash = pf_digest_hex(pf_buf_view(key), pf_arena_alloc(arena, PF_DIGEST_CHARS));
    pf_buf_clear(key);
    return hash;
}

void keep_result_name(struct pf_query *query, const struct pf_statement *statement) {
    struct pf_buf key;
    query->result_hash = PF_STR_EMPTY;
    if (!is_wanted(query)) return;
    query->result_reason = query->verdict.reason;
    if (!query->result_reason.len) query->result_reason = unkeepable_name(query, statement);
    if (query->result_reason.len) return;
    begin_key(&key, query->asked, query->verdict.fingerprint);
    for (size_t i = 0; i < query->tables.count; i++) {
        const struct pf_table *table = query->tables.items[i].table;
        put_table(&key, table->id, table->metadata_path);
    }
    query->result_hash = finish_key(&key, query->arena);
}

/* ---- a query and its result ---- */

static void note_statement(const struct pf_query *query) {
    struct pf_table_id *ids = PF_ARENA_ARRAY(query->arena, struct pf_table_id, query->tables.count);
    for (size_t i = 0; i < query->tables.count; i++) ids[i] = query->tables.items[i].table->id;
    struct known_statement known = {query->verdict.fingerprint, ids, query->tables.count};
    result_cache_note_statement(query->stack->results, query->running.sql, query->asked, &known);
}

static bool fits(const struct pf_result *result, int64_t max_rows) {
    struct pf_result_facts facts;
    pf_result_get_facts(result, &facts);
    return !max_rows || facts.row_count <= max_rows;
}

bool keep_result_take(struct pf_query *query) {
    struct result_cache *cache = query->stack->results;
    if (!query->result_hash.len || query->explain != EXPLAIN_NOT || query->refreshes_result) return false;
    struct pf_result *result = result_cache_find(cache, query->result_hash, query->result_format);
    if (!result) return false;
    if (!fits(result, query->max_rows)) {
        pf_result_release(result);
        return false;
    }
    struct pf_result_facts facts;
    pf_result_get_facts(result, &facts);
    note_statement(query);
    result_cache_count(cache, RESULT_HIT);
    query->kept_result = result;
    query->route = query->stats.route = PF_ROUTE_CACHE;
    query->stats.reason = PF_STR(PF_CACHE_REASON);
    query->stats.rows = query->row_count = facts.row_count;
    return true;
}

struct pf_result *pf_query_take_result(struct pf_query *query) {
    struct pf_result *result = query->kept_result;
    query->kept_result = NULL;
    return result;
}

static bool views_stayed_locked(const struct pf_query *query) {
    const struct pf_stack *stack = query->stack;
    for (size_t i = 0; i < query->tables.count; i++) {
        const struct lake_table *lake = &query->tables.items[i];
        if (local_view_change_locked(stack, lake) != *lake->view_change) return false;
    }
    for (size_t i = 0; i < query->verdict.cte_count; i++) {
        for (size_t v = 0; v < stack->view_count; v++) {
            bool has_name = pf_str_equal_nocase(stack->views[v].name, query->verdict.cte_names[i]);
            bool is_table = false;
            for (size_t t = 0; has_name && t < query->tables.count; t++) {
                is_table |= pf_str_equal(query->tables.items[t].view_name, stack->views[v].name);
            }
            if (has_name && !is_table) return false;
        }
    }
    return true;
}

void keep_result_check_views(struct pf_query *query) {
    struct pf_stack *stack = query->stack;
    if (!query->result_hash.len || query->explain != EXPLAIN_NOT || query->route != PF_ROUTE_LOCAL) return;
    pthread_mutex_lock(&stack->start_mutex);
    bool is_fine = views_stayed_locked(query);
    pthread_mutex_unlock(&stack->start_mutex);
    if (is_fine) return;
    query->result_hash = PF_STR_EMPTY;
    query->result_reason = PF_STR("a table that it reads, or a name of WITH, was changed by another query meanwhile");
}

struct pf_result_draft *pf_query_draft_result(struct pf_query *query) {
    struct result_cache *cache = query->stack->results;
    if (!cache || !query->result_format || query->explain != EXPLAIN_NOT) return NULL;
    result_cache_count(cache, query->result_hash.len ? RESULT_MISS : RESULT_UNKEEPABLE);
    if (!query->result_hash.len) return NULL;
    note_statement(query);
    return result_cache_draft(cache, &(struct result_draft_options){query->result_hash, query->result_format});
}

pf_str pf_query_result_hash(const struct pf_query *query, pf_str *out_reason) {
    bool is_answer = query->explain == EXPLAIN_NOT;
    if (out_reason) *out_reason = is_answer ? query->result_reason : PF_STR("EXPLAIN is answered anew each time");
    return is_answer ? query->result_hash : PF_STR_EMPTY;
}

void keep_result_explain(const struct pf_query *query, bool is_first, struct pf_buf *out) {
    static const char *const formats[] = PF_RESULT_FORMATS;
    pf_str names = PF_STR_EMPTY;
    if (!is_wanted(query)) return;
    for (size_t i = 0; query->result_hash.len && i < sizeof formats / sizeof *formats; i++) {
        struct pf_result *result = result_cache_find(query->stack->results, query->result_hash, formats[i]);
        if (result)
            names = pf_arena_printf(query->arena, "%.*s%s%s", PF_STR_ARG(names), names.len ? ", " : "", formats[i]);
        pf_result_release(result);
    }
    if (names.len && is_first) {
        pf_buf_printf(out, "route cache: " PF_CACHE_REASON " (%.*s); without it:\n", PF_STR_ARG(names));
    } else if (!names.len && !is_first && query->result_hash.len) {
        pf_buf_put_cstr(out, "result cache: the answer can be kept\n");
    } else if (!names.len && !is_first) {
        pf_buf_printf(out, "result cache: the answer is not kept: %.*s\n", PF_STR_ARG(query->result_reason));
    }
}

/* ---- without a query ---- */

/* False if a table is not to be found: the query will say why. */
static bool put_states(struct pf_stack *stack, const struct known_statement *known, struct pf_arena *arena,
                       struct pf_buf *key) {
    for (size_t i = 0; i < known->table_count; i++) {
        struct pf_table_id id = known->tables[i];
        pf_str path;
        if (!result_cache_find_state(stack->results, id, arena, &path)) {
            if (pf_catalog_find_metadata(stack->catalog, id, arena, &path, NULL) != PF_OK) return false;
            result_cache_note_state(stack->results, id, path);
        }
        put_table(key, id, path);
    }
    return true;
}

static struct pf_result *find(struct pf_stack *stack, const struct pf_query_options *options, struct pf_arena *arena) {
    const struct known_statement *known = result_cache_find_statement(stack->results, options->sql, options->route);
    struct pf_buf key;
    if (!known) return NULL;
    begin_key(&key, options->route, known->fingerprint);
    bool is_fine = put_states(stack, known, arena, &key);
    result_cache_release_statement(stack->results, known);
    pf_str hash = finish_key(&key, arena);
    return is_fine && hash.len ? result_cache_find(stack->results, hash, options->result_format) : NULL;
}

struct pf_result *pf_stack_find_result(struct pf_stack *stack, const struct pf_query_options *options,
                                       struct pf_arena *arena) {
    int64_t started_ns = pf_clock_mono_ns();
    if (!stack->results || !options->result_format || options->refreshes_result) return NULL;
    struct pf_result *result = find(stack, options, arena);
    if (result && !fits(result, options->max_rows)) result = pf_result_release(result);
    if (!result) return NULL;
    struct pf_result_facts facts;
    pf_result_get_facts(result, &facts);
    result_cache_count(stack->results, RESULT_HIT);
    result_hits_note(stack, &(struct result_hit){options->id, options->sql, options->client, options->user,
                                                 facts.row_count, pf_clock_mono_ns() - started_ns});
    return result;
}

struct pf_result *pf_stack_result_at(struct pf_stack *stack, pf_str hash, const char *format) {
    if (!stack->results || !pf_digest_is_hex(hash)) return NULL;
    return result_cache_find(stack->results, hash, format);
}

bool pf_stack_count_results(struct pf_stack *stack, struct pf_result_counters *out_counters) {
    if (!stack->results || !out_counters) return stack->results != NULL;
    result_cache_get_counters(stack->results, out_counters);
    out_counters->unlogged = result_hits_unlogged(stack->hits);
    return true;
}
