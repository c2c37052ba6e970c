/* SPDX-License-Identifier: MIT */
/* A scan of splits as a relation of SQL, with the deletes that apply to them.
 *
 * Rows of a split live if lake_row_is_live says so (position deletes, deletion vectors) and no equality delete has
 * their key and a greater sequence number, in their scope or in all. The latter is an anti join whose right side has
 * each key once, with its greatest sequence number: so the number of delete files does not multiply the work, and files
 * of all sequence numbers are read together.
 *
 *   SELECT columns FROM (SELECT columns, keys, pf_sequence, pf_scope FROM read_parquet(...) WHERE lake_row_is_live(...)) t
 *   ANTI JOIN (SELECT keys, max(pf_sequence) AS pf_sequence FROM (...) GROUP BY ALL) d0
 *   ON t.pf_k1 IS NOT DISTINCT FROM d0.pf_k1 AND d0.pf_sequence > t.pf_sequence ...
 *
 * Whole files are read together, as long as they can be (task_split.signature), parts of files each in a read_parquet of
 * its own. A split that is held in memory is a table (hot_columns.h); it has no deletes. */
#include "query/render_scan.h"

#include "base/buf.h"
#include "iceberg/iceberg.h"
#include "query/deleted_rows.h"

#include <stdlib.h>

/* Values come from the files; `name=value` in a path means nothing. */
static const char READ_AS_WRITTEN[] = ", hive_partitioning=false";

struct scan {
    struct pf_buf *out;
    const struct stage_input *input;
    const struct task_split *splits;
    size_t count;
    const struct task_deletes *deletes;
    struct pf_arena *arena;
};

static void put_quoted(struct pf_buf *out, pf_str text, char quote) {
    pf_buf_put_char(out, quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == quote) pf_buf_put_char(out, quote);
        pf_buf_put_char(out, text.ptr[i]);
    }
    pf_buf_put_char(out, quote);
}

static void put_column_names(struct pf_buf *out, const struct stage_input *input) {
    for (size_t i = 0; i < input->column_count; i++) {
        if (i) pf_buf_put_cstr(out, ", ");
        put_quoted(out, input->columns[i].name, '"');
    }
    if (input->column_count == 0) pf_buf_put_cstr(out, "pf_row");
}

static void put_no_rows(struct pf_buf *out, const struct stage_input *input) {
    pf_buf_put_cstr(out, "SELECT ");
    for (size_t i = 0; i < input->column_count; i++) {
        const struct task_column *column = &input->columns[i];
        pf_buf_printf(out, "%sCAST(NULL AS %.*s) AS ", i ? ", " : "", PF_STR_ARG(column->type));
        put_quoted(out, column->name, '"');
    }
    pf_buf_put_cstr(out, input->column_count ? " WHERE false" : "1 AS pf_row WHERE false");
}

/* ---- which deletes a split has ---- */

static bool has_deletes(const struct scan *scan, const struct task_split *split, bool by_key) {
    for (size_t i = 0; i < split->delete_count; i++) {
        bool is_by_key = scan->deletes->items[split->deletes[i]].kind == TASK_DELETE_EQUALITY;
        if (is_by_key == by_key) return true;
    }
    return false;
}

static bool is_whole(const struct task_split *split) {
    return split->first_row == 0 && split->last_row < 0;
}

/* ---- one read_parquet ---- */

/* One number a file, by file_index: the same for all, or from a list; negative ones are NULL. */
static void put_number(struct pf_buf *out, int64_t number) {
    if (number < 0) {
        pf_buf_put_cstr(out, "NULL");
    } else {
        pf_buf_printf(out, "%lld", (long long)number);
    }
}

static void put_number_of_file(struct pf_buf *out, const int64_t *numbers, size_t count) {
    bool is_same = true;
    for (size_t i = 1; i < count; i++) is_same = is_same && numbers[i] == numbers[0];
    pf_buf_put_cstr(out, is_same ? "CAST(" : "list_extract(CAST([");
    for (size_t i = 0; i < (is_same ? 1 : count); i++) {
        if (i) pf_buf_put_char(out, ',');
        put_number(out, numbers[i]);
    }
    pf_buf_put_cstr(out, is_same ? " AS BIGINT)" : "] AS BIGINT[]), CAST(file_index AS BIGINT) + 1)");
}

/* What the file has, or else what its place in the table says (spec, Row Lineage). */
static void put_lineage(const struct scan *scan, const struct task_split *const *splits, size_t count, pf_str column,
                        bool is_row_id) {
    int64_t *numbers = PF_ARENA_ARRAY(scan->arena, int64_t, count);
    for (size_t i = 0; i < count; i++) {
        bool is_known = splits[i]->first_row_id >= 0;
        numbers[i] = is_row_id ? splits[i]->first_row_id : is_known ? splits[i]->sequence_number : -1;
    }
    pf_buf_printf(scan->out, "coalesce(%.*s, ", PF_STR_ARG(column));
    put_number_of_file(scan->out, numbers, count);
    pf_buf_put_cstr(scan->out, is_row_id ? " + file_row_number)" : ")");
}

/* Where a row is, for who wants to change it. */
static void put_place(const struct scan *scan, const struct task_split *const *splits, size_t count, bool is_file) {
    int64_t *numbers = PF_ARENA_ARRAY(scan->arena, int64_t, count);
    for (size_t i = 0; i < count; i++) numbers[i] = pf_iceberg_file_number(splits[i]->data_path);
    if (is_file) {
        put_number_of_file(scan->out, numbers, count);
    } else {
        pf_buf_put_cstr(scan->out, "file_row_number");
    }
}

/* How column or key `index` is called where these files are read. */
static pf_str column_of(const struct scan *scan, const struct task_split *split, size_t index) {
    const struct stage_input *input = scan->input;
    if (split->expressions) return split->expressions[index];
    bool is_key = index >= input->column_count;
    return pf_sql_quote_name(is_key ? input->keys[index - input->column_count].column : input->columns[index].name,
                             scan->arena);
}

/* The explicit casts cost nothing where the file has the type already, and make every file look alike. */
static void put_columns(const struct scan *scan, const struct task_split *const *splits, size_t count) {
    const struct stage_input *input = scan->input;
    for (size_t i = 0; i < input->column_count; i++) {
        const struct task_column *column = &input->columns[i];
        pf_str text = column_of(scan, splits[0], i);
        bool is_row_id = input->has_lineage && pf_str_equal(column->name, PF_ROW_ID_COLUMN);
        bool is_sequence = input->has_lineage && pf_str_equal(column->name, PF_ROW_SEQUENCE_COLUMN);
        bool is_file = input->has_lineage && pf_str_equal(column->name, PF_FILE_COLUMN);
        bool is_position = input->has_lineage && pf_str_equal(column->name, PF_POSITION_COLUMN);
        pf_buf_put_cstr(scan->out, i ? ", CAST(" : "CAST(");
        if (is_row_id || is_sequence) {
            put_lineage(scan, splits, count, text, is_row_id);
        } else if (is_file || is_position) {
            put_place(scan, splits, count, is_file);
        } else {
            pf_buf_put_str(scan->out, text);
        }
        pf_buf_printf(scan->out, " AS %.*s) AS ", PF_STR_ARG(column->type));
        put_quoted(scan->out, column->name, '"');
    }
    if (input->column_count == 0) pf_buf_put_cstr(scan->out, "1 AS pf_row");
}

static void put_keys(const struct scan *scan, const struct task_split *const *splits, size_t count) {
    const struct stage_input *input = scan->input;
    int64_t *numbers = PF_ARENA_ARRAY(scan->arena, int64_t, count);
    for (size_t i = 0; i < input->key_count; i++) {
        const struct task_key *key = &input->keys[i];
        pf_str text = column_of(scan, splits[0], input->column_count + i);
        pf_buf_printf(scan->out, ", CAST(%.*s AS %.*s) AS pf_k%d", PF_STR_ARG(text), PF_STR_ARG(key->type),
                      key->field_id);
    }
    for (size_t i = 0; i < count; i++) numbers[i] = splits[i]->sequence_number;
    pf_buf_put_cstr(scan->out, ", ");
    put_number_of_file(scan->out, numbers, count);
    for (size_t i = 0; i < count; i++) numbers[i] = splits[i]->scope;
    pf_buf_put_cstr(scan->out, " AS pf_sequence, ");
    put_number_of_file(scan->out, numbers, count);
    pf_buf_put_cstr(scan->out, " AS pf_scope");
}

static void put_live_condition(const struct scan *scan, const struct task_split *const *splits, size_t count) {
    struct deleted_rows_file *files = PF_ARENA_ARRAY(scan->arena, struct deleted_rows_file, count);
    struct pf_buf parameter;
    for (size_t i = 0; i < count; i++) files[i] = (struct deleted_rows_file){splits[i], scan->deletes->items};
    pf_buf_init(&parameter, scan->out->max_bytes);
    deleted_rows_put_parameter(&parameter, files, count);
    if (parameter.failed) scan->out->failed = true;
    pf_buf_put_cstr(scan->out, "lake_row_is_live(");
    put_quoted(scan->out, pf_buf_view(&parameter), '\'');
    pf_buf_put_cstr(scan->out, ", CAST(file_index AS BIGINT), file_row_number)");
    pf_buf_clear(&parameter);
}

/* Splits of whole files, or one split of a part. */
static void put_read(const struct scan *scan, const struct task_split *const *splits, size_t count, bool with_keys,
                     bool with_positions) {
    struct pf_buf *out = scan->out;
    const char *separator = " WHERE ";
    pf_buf_put_cstr(out, "SELECT ");
    put_columns(scan, splits, count);
    if (with_keys) put_keys(scan, splits, count);
    pf_buf_put_cstr(out, " FROM read_parquet([");
    for (size_t i = 0; i < count; i++) {
        if (i) pf_buf_put_char(out, ',');
        put_quoted(out, splits[i]->path, '\'');
    }
    bool needs_number = with_positions || scan->input->has_lineage || !is_whole(splits[0]);
    pf_buf_printf(out, "]%.*s%s%s)", PF_STR_ARG(scan->input->read_options), READ_AS_WRITTEN,
                  needs_number ? ", file_row_number=true" : "");
    if (!is_whole(splits[0])) {
        pf_buf_printf(out, " WHERE file_row_number >= %lld", (long long)splits[0]->first_row);
        if (splits[0]->last_row >= 0)
            pf_buf_printf(out, " AND file_row_number <= %lld", (long long)splits[0]->last_row);
        separator = " AND ";
    }
    if (with_positions) {
        pf_buf_put_cstr(out, separator);
        put_live_condition(scan, splits, count);
    }
}

/* Whole files among the chosen, each group of one signature in a read of its own. */
static size_t put_groups(const struct scan *scan, const struct task_split **chosen, size_t count, bool with_keys,
                         bool with_positions, size_t printed) {
    const struct task_split **group = PF_ARENA_ARRAY(scan->arena, const struct task_split *, count);
    for (size_t i = 0; i < count; i++) {
        size_t group_count = 0;
        if (!chosen[i]) continue;
        pf_str signature = chosen[i]->signature;
        for (size_t k = i; k < count; k++) {
            if (!chosen[k] || !pf_str_equal(chosen[k]->signature, signature)) continue;
            group[group_count++] = chosen[k];
            chosen[k] = NULL;
        }
        if (printed++) pf_buf_put_cstr(scan->out, " UNION ALL ");
        put_read(scan, group, group_count, with_keys, with_positions);
    }
    return printed;
}

/* All splits that have, or have not, equality deletes: UNION ALL of reads. Gives how many. */
static size_t put_reads(const struct scan *scan, bool with_keys) {
    const struct task_split **chosen = PF_ARENA_ARRAY(scan->arena, const struct task_split *, scan->count);
    size_t printed = 0;
    for (int with_positions = 0; with_positions < 2; with_positions++) {
        size_t whole_count = 0;
        for (size_t i = 0; i < scan->count; i++) {
            const struct task_split *split = &scan->splits[i];
            bool is_chosen = is_whole(split) && !split->held_as.len && has_deletes(scan, split, true) == with_keys &&
                             has_deletes(scan, split, false) == (with_positions != 0);
            if (is_chosen) chosen[whole_count++] = split;
        }
        printed = put_groups(scan, chosen, whole_count, with_keys, with_positions != 0, printed);
    }
    for (size_t i = 0; i < scan->count; i++) {
        const struct task_split *split = &scan->splits[i];
        if (is_whole(split) || split->held_as.len || has_deletes(scan, split, true) != with_keys) continue;
        if (printed++) pf_buf_put_cstr(scan->out, " UNION ALL ");
        put_read(scan, &split, 1, with_keys, has_deletes(scan, split, false));
    }
    for (size_t i = 0; i < scan->count && !with_keys; i++) {
        if (!scan->splits[i].held_as.len) continue;
        const struct task_split *split = &scan->splits[i];
        pf_buf_put_cstr(scan->out, printed++ ? " UNION ALL SELECT " : "SELECT ");
        put_columns(scan, &split, 1);
        pf_buf_printf(scan->out, " FROM %.*s", PF_STR_ARG(split->held_as));
    }
    return printed;
}

/* ---- equality deletes ---- */

static bool have_same_keys(const struct task_delete *a, const struct task_delete *b) {
    if (a->field_id_count != b->field_id_count || (a->scope == 0) != (b->scope == 0)) return false;
    for (size_t i = 0; i < a->field_id_count; i++) {
        if (a->field_ids[i] != b->field_ids[i]) return false; /* both are ascending */
    }
    return true;
}

static const struct task_key *find_key(const struct stage_input *input, int field_id) {
    for (size_t i = 0; i < input->key_count; i++) {
        if (input->keys[i].field_id == field_id) return &input->keys[i];
    }
    return NULL;
}

/* The deletes [0, count) have the same keys, and all or none of them a scope. */
static void put_delete_files(const struct scan *scan, const struct task_delete *const *deletes, size_t count) {
    struct pf_buf *out = scan->out;
    int64_t *numbers = PF_ARENA_ARRAY(scan->arena, int64_t, count);
    pf_buf_put_cstr(out, "SELECT ");
    for (size_t i = 0; i < deletes[0]->field_id_count; i++) {
        pf_buf_printf(out, "%spf_k%d", i ? ", " : "", deletes[0]->field_ids[i]);
    }
    for (size_t i = 0; i < count; i++) numbers[i] = deletes[i]->sequence_number;
    pf_buf_put_cstr(out, ", ");
    put_number_of_file(out, numbers, count);
    for (size_t i = 0; i < count; i++) numbers[i] = deletes[i]->scope;
    pf_buf_put_cstr(out, " AS pf_sequence, ");
    put_number_of_file(out, numbers, count);
    pf_buf_put_cstr(out, " AS pf_scope FROM read_parquet([");
    for (size_t i = 0; i < count; i++) {
        if (i) pf_buf_put_char(out, ',');
        put_quoted(out, deletes[i]->path, '\'');
    }
    pf_buf_put_cstr(out, "], schema := MAP{");
    for (size_t i = 0; i < deletes[0]->field_id_count; i++) {
        const struct task_key *key = find_key(scan->input, deletes[0]->field_ids[i]);
        if (!key) continue; /* task_deletes_check refused it */
        pf_buf_printf(out, "%s%d: {name: 'pf_k%d', type: ", i ? ", " : "", key->field_id, key->field_id);
        put_quoted(out, key->type, '\'');
        pf_buf_put_cstr(out, ", default_value: NULL::VARCHAR}");
    }
    pf_buf_printf(out, "}%s)", READ_AS_WRITTEN);
}

static void put_anti_join(const struct scan *scan, const struct task_delete *const *deletes, size_t count, int number) {
    struct pf_buf *out = scan->out;
    const struct task_delete *first = deletes[0];
    pf_buf_put_cstr(out, " ANTI JOIN (SELECT ");
    for (size_t i = 0; i < first->field_id_count; i++) pf_buf_printf(out, "pf_k%d, ", first->field_ids[i]);
    pf_buf_put_cstr(out, "pf_scope, max(pf_sequence) AS pf_sequence FROM (");
    put_delete_files(scan, deletes, count);
    pf_buf_printf(out, ") GROUP BY ALL) d%d ON d%d.pf_sequence > t.pf_sequence", number, number);
    for (size_t i = 0; i < first->field_id_count; i++) {
        pf_buf_printf(out, " AND t.pf_k%d IS NOT DISTINCT FROM d%d.pf_k%d", first->field_ids[i], number,
                      first->field_ids[i]);
    }
    if (first->scope) pf_buf_printf(out, " AND t.pf_scope = d%d.pf_scope", number);
}

/* Of all equality deletes that some split has. */
static void put_anti_joins(const struct scan *scan) {
    const struct task_deletes *deletes = scan->deletes;
    bool *is_wanted = PF_ARENA_ARRAY(scan->arena, bool, deletes->count);
    const struct task_delete **group = PF_ARENA_ARRAY(scan->arena, const struct task_delete *, deletes->count);
    int number = 0;
    for (size_t i = 0; i < scan->count; i++) {
        for (size_t k = 0; k < scan->splits[i].delete_count; k++) is_wanted[scan->splits[i].deletes[k]] = true;
    }
    for (size_t i = 0; i < deletes->count; i++) {
        size_t count = 0;
        if (!is_wanted[i] || deletes->items[i].kind != TASK_DELETE_EQUALITY) continue;
        for (size_t k = i; k < deletes->count; k++) {
            bool is_same = is_wanted[k] && deletes->items[k].kind == TASK_DELETE_EQUALITY &&
                           have_same_keys(&deletes->items[i], &deletes->items[k]);
            if (!is_same) continue;
            group[count++] = &deletes->items[k];
            is_wanted[k] = false;
        }
        put_anti_join(scan, group, count, number++);
    }
}

void render_scan(struct pf_buf *out, const struct stage_input *input, const struct task_split *splits, size_t count,
                 const struct task_deletes *deletes) {
    struct scan scan = {out, input, splits, count, deletes, pf_arena_new(NULL, "render scan")};
    bool has_keys = false;
    for (size_t i = 0; i < count; i++) has_keys = has_keys || has_deletes(&scan, &splits[i], true);
    pf_buf_put_char(out, '(');
    size_t printed = put_reads(&scan, false);
    if (has_keys) {
        pf_buf_put_cstr(out, printed ? " UNION ALL SELECT " : "SELECT ");
        put_column_names(out, input);
        pf_buf_put_cstr(out, " FROM (");
        put_reads(&scan, true);
        pf_buf_put_cstr(out, ") t");
        put_anti_joins(&scan);
    }
    if (count == 0) put_no_rows(out, input);
    pf_buf_put_char(out, ')');
    pf_arena_free(scan.arena);
}
