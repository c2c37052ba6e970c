/* SPDX-License-Identifier: MIT */
/* What a statement is and which tables it names, from DuckDB's parser (json_serialize_sql).
 *
 * Only SELECTs come as JSON. For the rest DuckDB's parser is asked whether the statement is one, and its words tell
 * the kind; table names are then those behind FROM, JOIN and the like. Too many names do no harm: a name that isn't a
 * table is looked up in vain. */
#include "engine/engine_internal.h"

#include "base/json.h"

#include <assert.h>
#include <string.h>

struct finder {
    struct pf_arena *arena;
    struct pf_statement *statement;
    size_t table_capacity;
    struct pf_buf functions;
};

static void add_table(struct finder *finder, struct pf_table_name table) {
    struct pf_statement *statement = finder->statement;
    if (!table.name.len) return;
    for (size_t i = 0; i < statement->table_count; i++) {
        const struct pf_table_name *known = &statement->tables[i];
        if (pf_str_equal_nocase(known->name, table.name) && pf_str_equal_nocase(known->schema, table.schema) &&
            pf_str_equal_nocase(known->catalog, table.catalog))
            return;
    }
    table.catalog = pf_arena_str(finder->arena, table.catalog);
    table.schema = pf_arena_str(finder->arena, table.schema);
    table.name = pf_arena_str(finder->arena, table.name);
    PF_ARENA_PUSH(finder->arena, statement->tables, statement->table_count, finder->table_capacity) = table;
}

static void add_function(struct finder *finder, pf_str name) {
    pf_str rest = pf_buf_view(&finder->functions), known;
    char lower[128];
    size_t len = name.len < sizeof lower ? name.len : sizeof lower;
    for (size_t i = 0; i < len; i++) {
        char c = name.ptr[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    name = pf_str_from(lower, len);
    if (!len) return;
    while (pf_str_next(&rest, ',', &known))
        if (pf_str_equal(known, name)) return;
    if (finder->functions.len) pf_buf_put_char(&finder->functions, ',');
    pf_buf_put_str(&finder->functions, name);
}

/* Everything below a node: subqueries, CTEs and what DuckDB may add. */
static void walk(struct finder *finder, pf_json *value) {
    pf_str type = pf_json_get_str(value, "type", PF_STR_EMPTY);
    bool is_show = pf_str_equal(type, PF_STR("SHOW_REF"));
    if (pf_str_equal(type, PF_STR("BASE_TABLE")) || is_show) {
        pf_str name = pf_json_get_str(value, "table_name", PF_STR_EMPTY);
        bool is_quoted = name.len > 1 && name.ptr[0] == '"'; /* SHOW TABLES has the name "tables", quotes included */
        if (!is_quoted)
            add_table(finder, (struct pf_table_name){pf_json_get_str(value, "catalog_name", PF_STR_EMPTY),
                                                     pf_json_get_str(value, "schema_name", PF_STR_EMPTY), name});
    }
    for (struct pf_json_each each = pf_json_each(value); pf_json_next(&each);) {
        if (each.is_object && pf_str_equal(each.key, PF_STR("function_name")))
            add_function(finder, pf_json_as_str(each.value, PF_STR_EMPTY));
        walk(finder, each.value);
    }
}

/* ---- by words ---- */

static const char *const STARTS_TABLE[] = {"from",   "join",  "pivot", "unpivot", "into",
                                           "update", "using", "table", "describe"};
static const char *const WRITES[] = {"insert", "update", "delete", "merge"};

static bool is_one_of(const struct pf_sql_token *token, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (pf_sql_token_is(token, words[i])) return true;
    return false;
}
#define IS_ONE_OF(token, words) is_one_of((token), (words), sizeof(words) / sizeof *(words))

static bool is_symbol(const struct pf_sql_token *token, char c) {
    return token->kind == PF_SQL_SYMBOL && token->text.ptr[0] == c;
}

/* a, a.b or a.b.c; leaves the token behind it in `*token`. */
static void take_name(struct finder *finder, struct pf_sql_scanner *scanner, struct pf_sql_token *token) {
    pf_str parts[3];
    size_t count = 0;
    while (token->kind == PF_SQL_WORD || token->kind == PF_SQL_QUOTED_NAME) {
        if (count < 3) parts[count++] = pf_sql_token_name(token, finder->arena);
        *token = pf_sql_scan_next(scanner);
        if (!is_symbol(token, '.')) break;
        *token = pf_sql_scan_next(scanner);
    }
    if (is_symbol(token, '(') && count) { /* a function */
        add_function(finder, parts[count - 1]);
        return;
    }
    struct pf_table_name name = {0};
    if (count == 3) name.catalog = parts[0];
    if (count >= 2) name.schema = parts[count - 2];
    if (count >= 1) name.name = parts[count - 1];
    add_table(finder, name);
}

static void find_by_words(struct finder *finder, pf_str sql) {
    struct pf_sql_scanner scanner = {sql};
    bool in_from = false;
    for (struct pf_sql_token token = pf_sql_scan_next(&scanner); token.kind != PF_SQL_END;) {
        bool is_next = IS_ONE_OF(&token, STARTS_TABLE);
        if (is_next)
            in_from = true;
        else if (token.kind == PF_SQL_WORD && (pf_sql_token_is(&token, "where") || pf_sql_token_is(&token, "select")))
            in_from = false;
        if (is_next || (in_from && is_symbol(&token, ','))) {
            token = pf_sql_scan_next(&scanner);
            take_name(finder, &scanner, &token);
            continue;
        }
        struct pf_sql_token next = pf_sql_scan_next(&scanner);
        static const char *const NOT_FUNCTIONS[] = {"as",     "in",     "on",     "and",   "or",   "not",
                                                    "values", "select", "from",   "where", "when", "then",
                                                    "else",   "set",    "exists", "over",  "by"};
        bool is_name = token.kind == PF_SQL_WORD || token.kind == PF_SQL_QUOTED_NAME;
        if (is_symbol(&next, '(') && is_name && !IS_ONE_OF(&token, NOT_FUNCTIONS))
            add_function(finder, pf_sql_token_name(&token, finder->arena));
        token = next;
    }
}

/* The word that says what a statement does: the first one, or the one behind a WITH's list. */
static pf_str leading_word(pf_str sql) {
    struct pf_sql_scanner scanner = {sql};
    struct pf_sql_token token = pf_sql_scan_next(&scanner);
    while (is_symbol(&token, '(')) token = pf_sql_scan_next(&scanner);
    if (!pf_sql_token_is(&token, "with")) return token.kind == PF_SQL_WORD ? token.text : PF_STR_EMPTY;
    int depth = 0;
    for (; token.kind != PF_SQL_END; token = pf_sql_scan_next(&scanner)) {
        if (is_symbol(&token, '(')) depth++;
        if (is_symbol(&token, ')')) depth--;
        if (depth == 0 &&
            (IS_ONE_OF(&token, WRITES) || pf_sql_token_is(&token, "pivot") || pf_sql_token_is(&token, "unpivot")))
            return token.text;
    }
    return PF_STR("select");
}

static pf_str upper(struct pf_arena *arena, pf_str word) {
    char *text = pf_arena_cstr(arena, word);
    for (size_t i = 0; i < word.len; i++)
        if (text[i] >= 'a' && text[i] <= 'z') text[i] = (char)(text[i] - 'a' + 'A');
    return pf_str_from(text, word.len);
}

/* Behind EXPLAIN [ANALYZE] [(option, ...)]; sets `*is_analyze`. */
static pf_str skip_explain(pf_str sql, bool *is_analyze) {
    struct pf_sql_scanner scanner = {sql};
    (void)pf_sql_scan_next(&scanner);
    struct pf_sql_scanner before = scanner;
    struct pf_sql_token token = pf_sql_scan_next(&scanner);
    *is_analyze = pf_sql_token_is(&token, "analyze");
    if (*is_analyze) {
        before = scanner;
        token = pf_sql_scan_next(&scanner);
    }
    if (!is_symbol(&token, '(')) return before.rest;
    struct pf_sql_scanner inside = scanner;
    struct pf_sql_token first = pf_sql_scan_next(&inside);
    static const char *const STATEMENTS[] = {"select", "with", "from", "values"};
    if (IS_ONE_OF(&first, STATEMENTS) || is_symbol(&first, '(')) return before.rest;
    for (; token.kind != PF_SQL_END && !is_symbol(&token, ')'); token = pf_sql_scan_next(&scanner))
        if (pf_sql_token_is(&token, "analyze")) *is_analyze = true;
    return scanner.rest;
}

/* ---- answers of json_serialize_sql ---- */

enum pf_code engine_json_read_error(pf_str json, struct pf_arena *arena, struct engine_json_error *out_error,
                                    struct pf_error *err) {
    static const struct {
        const char *type;
        enum pf_code code;
    } TYPES[] = {{"parser", PF_INVALID},
                 {"syntax", PF_INVALID},
                 {"binder", PF_INVALID},
                 {"catalog", PF_INVALID},
                 {"conversion", PF_INVALID},
                 {"invalid input", PF_INVALID},
                 {"out of range", PF_INVALID},
                 {"planner", PF_INVALID},
                 {"expression", PF_INVALID},
                 {"constraint", PF_INVALID},
                 {"mismatch type", PF_INVALID},
                 {"invalid type", PF_INVALID},
                 {"parameter not resolved", PF_INVALID},
                 {"parameter not allowed", PF_INVALID},
                 {"not implemented", PF_UNSUPPORTED},
                 {"serialization", PF_UNSUPPORTED},
                 {"interrupt", PF_CANCELLED},
                 {"out of memory", PF_NO_MEMORY},
                 {"permission", PF_DENIED},
                 {"io", PF_REMOTE}};
    pf_json *root;
    PF_TRY(pf_json_parse(json, arena, "DuckDB's answer", &root, err));
    struct engine_json_error error = {.code = PF_BUG};
    error.type = pf_json_get_str(root, "error_type", PF_STR_EMPTY);
    error.message = pf_json_get_str(root, "error_message", PF_STR_EMPTY);
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (pf_str_equal_nocase(error.type, pf_str_from_cstr(TYPES[i].type))) error.code = TYPES[i].code;
    struct pf_error marked;
    if (pf_str_find_char(error.message, '\x1f', 0) != SIZE_MAX) { /* raised by a callback of ours */
        error.code = engine_error_from_text(pf_arena_cstr(arena, error.message), &marked);
        error.message = pf_arena_str(arena, pf_str_from_cstr(marked.message));
    }
    int64_t position = pf_json_get_i64(root, "position", -1);
    if (position >= 0 && (pf_str_equal(error.type, PF_STR("parser")) || pf_str_equal(error.type, PF_STR("syntax"))))
        error.message =
            pf_arena_printf(arena, "%.*s (at character %lld)", PF_STR_ARG(error.message), (long long)position + 1);
    *out_error = error;
    return PF_OK;
}

static bool is_show(pf_json *root) {
    pf_json *statements = pf_json_get(root, "statements");
    struct pf_json_each each = pf_json_each(statements);
    if (!pf_json_next(&each)) return false;
    pf_json *from = pf_json_get(pf_json_get(each.value, "node"), "from_table");
    return pf_str_equal(pf_json_get_str(from, "type", PF_STR_EMPTY), PF_STR("SHOW_REF"));
}

/* Not a SELECT that JSON can carry: is it a statement, and which? */
static enum pf_code read_other(struct finder *finder, struct pf_session *session, pf_str sql, struct pf_error *err) {
    duckdb_extracted_statements extracted = NULL;
    enum pf_code code = PF_OK;
    idx_t count = duckdb_extract_statements(session->connection, pf_arena_cstr(finder->arena, sql), &extracted);
    const char *message = count ? NULL : duckdb_extract_statements_error(extracted);
    if (message && *message)
        code = engine_error_from_text(message, err);
    else if (!count)
        code = pf_error_set(err, PF_INVALID, __FILE__, __LINE__, "the statement is empty");
    duckdb_destroy_extracted(&extracted);
    PF_TRY(code);
    static const char *const SELECTS[] = {"select", "with", "from", "values", "pivot", "unpivot", "table"};
    static const char *const SHOWS[] = {"show", "describe", "desc", "summarize"};
    struct pf_statement *statement = finder->statement;
    pf_str word = leading_word(sql);
    struct pf_sql_token token = {PF_SQL_WORD, word};
    statement->kind = PF_STATEMENT_OTHER;
    if (IS_ONE_OF(&token, SELECTS)) statement->kind = PF_STATEMENT_SELECT;
    if (IS_ONE_OF(&token, SHOWS)) statement->kind = PF_STATEMENT_SHOW;
    statement->kind_text = upper(finder->arena, word);
    find_by_words(finder, sql);
    return PF_OK;
}

static enum pf_code parse_statement(struct finder *finder, struct pf_session *session, pf_str sql,
                                    struct pf_error *err) {
    pf_str answer;
    PF_TRY(connection_ask(session->connection, "SELECT json_serialize_sql($1::VARCHAR)::VARCHAR", sql, finder->arena,
                          &answer, err));
    if (pf_str_starts_with(answer, PF_STR("{\"error\":true"))) {
        struct engine_json_error failure;
        PF_TRY(engine_json_read_error(answer, finder->arena, &failure, err));
        if (failure.code != PF_UNSUPPORTED) PF_FAIL(err, failure.code, "%.*s", PF_STR_ARG(failure.message));
        return read_other(finder, session, sql, err);
    }
    pf_json *root;
    if (pf_json_parse(answer, finder->arena, "statement", &root, err) != PF_OK) /* too deep for us */
        return read_other(finder, session, sql, err);
    finder->statement->tree_json = answer;
    finder->statement->kind = is_show(root) ? PF_STATEMENT_SHOW : PF_STATEMENT_SELECT;
    finder->statement->kind_text = upper(finder->arena, leading_word(sql));
    walk(finder, root);
    return PF_OK;
}

enum pf_code pf_session_parse(struct pf_session *session, pf_str sql, struct pf_arena *arena,
                              struct pf_statement *out_statement, struct pf_error *err) {
    assert(!session->rows);
    int count = sql_count_statements(sql);
    if (count == 0) PF_FAIL(err, PF_INVALID, "the statement is empty");
    if (count > 1) PF_FAIL(err, PF_UNSUPPORTED, "%d statements at once: send them one by one", count);
    struct pf_statement statement = {0};
    struct finder finder = {.arena = arena, .statement = &statement};
    pf_buf_init(&finder.functions, 1 << 20);
    bool is_explain = pf_str_equal_nocase(leading_word(sql), PF_STR("explain")), is_analyze = false;
    pf_str inner = is_explain ? skip_explain(sql, &is_analyze) : sql;
    enum pf_code code = parse_statement(&finder, session, inner, err);
    if (is_explain) {
        statement.kind = PF_STATEMENT_EXPLAIN;
        statement.kind_text = is_analyze ? PF_STR("EXPLAIN ANALYZE") : PF_STR("EXPLAIN");
    }
    statement.functions_text = pf_arena_str(arena, pf_buf_view(&finder.functions));
    pf_buf_clear(&finder.functions);
    if (code == PF_OK) *out_statement = statement;
    return code;
}
