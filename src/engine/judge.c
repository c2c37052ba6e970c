/* SPDX-License-Identifier: MIT */
/* Does a statement give the same rows again as long as its tables stay as they are?
 *
 * Read from the parsed statement, in which nothing is bound: so what isn't known to be repeatable is taken for not so.
 * Scalar functions and aggregates are asked for in DuckDB's catalog, whose word (stability) is taken but for a few that
 * it has wrong (LIARS). Macros have none, and a table function may read anything: those that are known are listed. */
#include "engine/engine_internal.h"

#include "base/digest.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FUNCTIONS_BYTES = 1 << 20, MAX_TREE_BYTES = 64 << 20 };

struct judge {
    struct pf_arena *arena;
    pf_str steady_functions;
    struct pf_repeatability *verdict;
    size_t cte_capacity;
};

/* DuckDB 1.5 calls these consistent. The first three ask the clock; the others ask settings, the catalog, and how rows
 * happen to lie in memory. */
static const char *const LIARS[] = {"age",
                                    "current_localtime",
                                    "current_localtimestamp",
                                    "current_setting",
                                    "getvariable",
                                    "json_serialize_plan",
                                    "json_execute_serialized_sql",
                                    "vector_type",
                                    "lake_row_is_live",
                                    "reservoir_quantile"};
static const char *const STEADY_MACROS[] = {"array_append",
                                            "array_pop_back",
                                            "array_pop_front",
                                            "array_prepend",
                                            "array_push_back",
                                            "array_push_front",
                                            "array_reverse",
                                            "array_to_string",
                                            "date_add",
                                            "days_in_month",
                                            "fdiv",
                                            "fmod",
                                            "geomean",
                                            "geometric_mean",
                                            "json",
                                            "list_any_value",
                                            "list_append",
                                            "list_avg",
                                            "list_bit_and",
                                            "list_bit_or",
                                            "list_bit_xor",
                                            "list_bool_and",
                                            "list_bool_or",
                                            "list_count",
                                            "list_first",
                                            "list_last",
                                            "list_max",
                                            "list_median",
                                            "list_min",
                                            "list_mode",
                                            "list_prepend",
                                            "list_product",
                                            "list_reverse",
                                            "list_string_agg",
                                            "list_sum",
                                            "list_stddev_pop",
                                            "list_stddev_samp",
                                            "list_var_pop",
                                            "list_var_samp",
                                            "map_contains_entry",
                                            "map_contains_value",
                                            "md5_number_lower",
                                            "md5_number_upper",
                                            "nullif",
                                            "round_even",
                                            "roundbankers",
                                            "split_part",
                                            "wavg",
                                            "weighted_avg"};
static const char *const STEADY_TABLE_FUNCTIONS[] = {"unnest", "range", "generate_series", "json_each", "json_tree"};
/* Names that become functions where no column has them. */
static const char *const VALUE_NAMES[] = {"current_catalog", "current_date",      "current_role", "current_schema",
                                          "current_time",    "current_timestamp", "current_user", "localtime",
                                          "localtimestamp",  "session_user",      "user"};
static bool is_listed(pf_str name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (pf_str_equal_nocase(name, pf_str_from_cstr(names[i]))) return true;
    }
    return false;
}
#define IS_LISTED(name, names) is_listed((name), (names), sizeof(names) / sizeof *(names))

/* The first reason stays. */
static void refuse(struct judge *judge, const char *what, pf_str name, const char *why) {
    if (judge->verdict->reason.len) return;
    judge->verdict->reason =
        pf_arena_printf(judge->arena, "%s%.*s %s", what, PF_STR_ARG(pf_str_slice(name, 0, 100)), why);
}

/* The list has names between commas, with one in front and one behind. */
static bool is_steady(const struct judge *judge, pf_str name) {
    char wanted[130];
    size_t length = 0;
    if (name.len > 120) return false;
    wanted[length++] = ',';
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        wanted[length++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    wanted[length++] = ',';
    return pf_str_find(judge->steady_functions, pf_str_from(wanted, length), 0) != SIZE_MAX;
}

static void judge_function(struct judge *judge, pf_str name) {
    bool is_fine = IS_LISTED(name, STEADY_MACROS) || (!IS_LISTED(name, LIARS) && is_steady(judge, name));
    if (!is_fine) refuse(judge, "function ", name, "may give another value each time");
}

static void judge_table_function(struct judge *judge, pf_json *function) {
    pf_str name = pf_json_get_str(function, "function_name", PF_STR_EMPTY);
    if (!IS_LISTED(name, STEADY_TABLE_FUNCTIONS)) {
        refuse(judge, "table function ", name, "may read what changes by itself");
    }
}

static void judge_column(struct judge *judge, pf_json *names) {
    struct pf_json_each each = pf_json_each(names);
    if (pf_json_count(names) != 1 || !pf_json_next(&each)) return;
    pf_str name = pf_json_as_str(each.value, PF_STR_EMPTY);
    if (IS_LISTED(name, VALUE_NAMES)) refuse(judge, "", name, "may give another value each time");
}

static void note_ctes(struct judge *judge, pf_json *map) {
    struct pf_repeatability *verdict = judge->verdict;
    for (struct pf_json_each each = pf_json_each(pf_json_get(map, "map")); pf_json_next(&each);) {
        PF_ARENA_PUSH(judge->arena, verdict->cte_names, verdict->cte_count, judge->cte_capacity) =
            pf_arena_str(judge->arena, pf_json_get_str(each.value, "key", PF_STR_EMPTY));
    }
}

static void walk(struct judge *judge, pf_json *value) {
    pf_str type = pf_json_get_str(value, "type", PF_STR_EMPTY);
    bool is_table_function = pf_str_equal(type, PF_STR("TABLE_FUNCTION"));
    if (pf_str_equal(type, PF_STR("SHOW_REF")))
        refuse(judge, "", PF_STR("DESCRIBE"), "and the like are not looked into");
    if (pf_str_equal(type, PF_STR("COLUMN_REF"))) judge_column(judge, pf_json_get(value, "column_names"));
    if (is_table_function) judge_table_function(judge, pf_json_get(value, "function"));
    for (struct pf_json_each each = pf_json_each(value); pf_json_next(&each);) {
        if (each.is_object && pf_str_equal(each.key, PF_STR("sample")) && !yyjson_is_null(each.value)) {
            refuse(judge, "", PF_STR("SAMPLE"), "picks other rows each time");
        }
        if (each.is_object && pf_str_equal(each.key, PF_STR("at_clause")) && !yyjson_is_null(each.value)) {
            refuse(judge, "", PF_STR("AT"), "may mean another snapshot each time");
        }
        if (each.is_object && pf_str_equal(each.key, PF_STR("cte_map"))) note_ctes(judge, each.value);
        if (is_table_function && each.is_object && pf_str_equal(each.key, PF_STR("function"))) {
            walk(judge, pf_json_get(each.value, "children"));
            continue;
        }
        if (each.is_object && pf_str_equal(each.key, PF_STR("function_name"))) {
            judge_function(judge, pf_json_as_str(each.value, PF_STR_EMPTY));
        }
        walk(judge, each.value);
    }
}

/* Where things stand in the text is left out: so blanks and comments make no difference. No text of the statement can
 * look like that key, since its quotes are escaped. */
static enum pf_code take_fingerprint(pf_str tree, struct pf_arena *arena, pf_str *out_fingerprint,
                                     struct pf_error *err) {
    static const char key[] = "\"query_location\":";
    struct pf_buf text;
    size_t at = 0;
    pf_buf_init(&text, MAX_TREE_BYTES);
    for (size_t found; (found = pf_str_find(tree, PF_STR("\"query_location\":"), at)) != SIZE_MAX;) {
        pf_buf_put_str(&text, pf_str_slice(tree, at, found));
        at = found + sizeof key - 1;
        while (at < tree.len && tree.ptr[at] >= '0' && tree.ptr[at] <= '9') at++;
    }
    pf_buf_put_str(&text, pf_str_slice(tree, at, tree.len));
    pf_str bytes;
    enum pf_code code = pf_buf_finish(&text, "statement", &bytes, err);
    if (code == PF_OK) *out_fingerprint = pf_digest_hex(bytes, pf_arena_alloc(arena, PF_DIGEST_CHARS));
    pf_buf_clear(&text);
    return code;
}

/* Scalar functions and aggregates whose every overload is consistent and which no macro has the name of. Once an
 * engine. */
static enum pf_code steady_functions(struct pf_engine *engine, pf_str *out_names, struct pf_error *err) {
    static const char sql[] =
        "SELECT $1::VARCHAR || string_agg(lower(function_name), ',') || ',' FROM (SELECT function_name "
        "FROM duckdb_functions() WHERE function_type NOT IN ('table', 'table_macro', 'pragma') GROUP BY function_name "
        "HAVING bool_and(coalesce(stability, '') = 'CONSISTENT'))";
    enum pf_code code = PF_OK;
    pthread_mutex_lock(&engine->locked.mutex);
    if (!engine->locked.steady_functions.len) {
        code = connection_ask(engine->locked.connection, sql, PF_STR(","), engine->arena,
                              &engine->locked.steady_functions, err);
    }
    *out_names = engine->locked.steady_functions;
    pthread_mutex_unlock(&engine->locked.mutex);
    return code;
}

enum pf_code pf_session_judge(struct pf_session *session, const struct pf_statement *statement, struct pf_arena *arena,
                              struct pf_repeatability *out_verdict, struct pf_error *err) {
    struct pf_repeatability verdict = {0};
    struct judge judge = {.arena = arena, .verdict = &verdict};
    pf_json *root;
    if (statement->kind != PF_STATEMENT_SELECT || !statement->tree_json.len) {
        refuse(&judge, "", statement->kind_text, "statements of that kind are not looked into");
        *out_verdict = verdict;
        return PF_OK;
    }
    if (statement->functions_text.len) PF_TRY(steady_functions(session->engine, &judge.steady_functions, err));
    PF_TRY(pf_json_parse(statement->tree_json, arena, "statement", &root, err));
    walk(&judge, root);
    PF_TRY(take_fingerprint(statement->tree_json, arena, &verdict.fingerprint, err));
    *out_verdict = verdict;
    return PF_OK;
}
