/* SPDX-License-Identifier: MIT */
/* One statement reads the footers of all files of an input; files with the same columns share their expressions. */
#include "query/describe_files.h"

#include "base/buf.h"
#include "base/json.h"
#include "iceberg/iceberg.h"

#include <string.h>

enum { MAX_SQL_BYTES = 48 << 20 };

/* The elements of one file's schema, in order. */
struct file {
    pf_str path;
    struct pf_parquet_row *rows;
    size_t count, capacity;
};

struct files {
    struct file *items;
    size_t count;
};

/* ---- footers ---- */

static pf_str footers_sql(const struct task_split *splits, size_t count, struct pf_arena *arena) {
    struct pf_buf sql;
    pf_buf_init(&sql, MAX_SQL_BYTES);
    pf_buf_put_cstr(&sql, "SELECT file_name, name, coalesce(field_id, -1)::BIGINT, coalesce(num_children, 0)::BIGINT, "
                          "coalesce(repetition_type, '') = 'REPEATED', coalesce(converted_type, ''), "
                          "coalesce(logical_type, '') FROM parquet_schema([");
    for (size_t i = 0; i < count; i++) {
        if (i && pf_str_equal(splits[i].path, splits[i - 1].path)) continue;
        if (i) pf_buf_put_char(&sql, ',');
        pf_buf_put_str(&sql, pf_sql_quote_text(splits[i].path, arena));
    }
    pf_buf_put_cstr(&sql, "])");
    pf_str text = sql.failed ? PF_STR_EMPTY : pf_arena_str(arena, pf_buf_view(&sql));
    pf_buf_clear(&sql);
    return text;
}

static pf_str text_at(const struct pf_chunk *chunk, int column, uint64_t row, struct pf_arena *arena) {
    return pf_arena_str(arena, pf_string_view((const union pf_string *)chunk->columns[column].data + row));
}

static struct file *find_file(struct files *files, pf_str path) {
    for (size_t i = files->count; i > 0; i--) { /* rows come file by file */
        if (pf_str_equal(files->items[i - 1].path, path)) return &files->items[i - 1];
    }
    return NULL;
}

static void take_row(const struct pf_chunk *chunk, uint64_t row, size_t most, struct files *files,
                     struct pf_arena *arena) {
    pf_str path = pf_string_view((const union pf_string *)chunk->columns[0].data + row);
    struct file *file = find_file(files, path);
    if (!file) {
        if (files->count == most) return;
        file = &files->items[files->count++];
        file->path = pf_arena_str(arena, path);
    }
    PF_ARENA_PUSH(arena, file->rows, file->count, file->capacity) = (struct pf_parquet_row){
        .name = text_at(chunk, 1, row, arena),
        .field_id = (int)((const int64_t *)chunk->columns[2].data)[row],
        .child_count = ((const int64_t *)chunk->columns[3].data)[row],
        .is_repeated = ((const bool *)chunk->columns[4].data)[row],
        .converted_type = text_at(chunk, 5, row, arena),
        .logical_type = text_at(chunk, 6, row, arena),
    };
}

static enum pf_code read_footers(struct pf_session *session, const struct task_split *splits, size_t count,
                                 struct pf_arena *arena, struct files *files, struct pf_error *err) {
    struct pf_rows *rows = NULL;
    const struct pf_chunk *chunk = NULL;
    files->items = PF_ARENA_ARRAY(arena, struct file, count);
    PF_TRY(pf_session_query(session, footers_sql(splits, count, arena), &rows, err));
    enum pf_code code = pf_rows_next(rows, &chunk, err);
    while (code == PF_OK && chunk) {
        for (uint64_t i = 0; i < chunk->row_count; i++) take_row(chunk, i, count, files, arena);
        code = pf_rows_next(rows, &chunk, err);
    }
    pf_rows_close(rows);
    return code;
}

/* ---- expressions ---- */

static enum pf_code read_constants(pf_str json, struct pf_arena *arena, struct pf_partition_constant **out_constants,
                                   size_t *out_count, struct pf_error *err) {
    pf_json *root = NULL;
    *out_count = 0;
    *out_constants = NULL;
    if (!json.len) return PF_OK;
    PF_TRY(pf_json_parse(json, arena, "partition of a split", &root, err));
    struct pf_partition_constant *constants = PF_ARENA_ARRAY(arena, struct pf_partition_constant, pf_json_count(root));
    for (struct pf_json_each each = pf_json_each(root); pf_json_next(&each);) {
        int64_t id = -1;
        if (!pf_str_to_i64(each.key, &id)) continue;
        constants[(*out_count)++] = (struct pf_partition_constant){(int)id, pf_json_as_str(each.value, PF_STR_EMPTY)};
    }
    *out_constants = constants;
    return PF_OK;
}

/* Two files are alike if their schemas and constants are. */
static pf_str signature_of(const struct file *file, pf_str constants, struct pf_arena *arena) {
    struct pf_buf text;
    pf_buf_init(&text, MAX_SQL_BYTES);
    for (size_t i = 0; i < file->count; i++) {
        const struct pf_parquet_row *row = &file->rows[i];
        pf_buf_put_json_str(&text, row->name);
        pf_buf_printf(&text, "%d,%lld,", row->field_id, (long long)row->child_count);
    }
    pf_buf_put_str(&text, constants);
    pf_str signature = pf_arena_str(arena, pf_buf_view(&text));
    pf_buf_clear(&text);
    return signature;
}

static enum pf_code describe_split(const struct stage_input *input, const struct pf_iceberg_schema *schema,
                                   const struct files *files, struct pf_arena *arena, struct task_split *split,
                                   struct pf_error *err) {
    struct pf_partition_constant *constants;
    size_t constant_count;
    struct file *file = find_file((struct files *)(uintptr_t)files, split->path);
    if (!file) PF_FAIL(err, PF_CORRUPT, "file '%.*s': it has no columns", PF_STR_ARG(split->path));
    pf_str *expressions = PF_ARENA_ARRAY(arena, pf_str, schema->field_count);
    PF_TRY(read_constants(split->constants_json, arena, &constants, &constant_count, err));
    enum pf_code code = pf_iceberg_file_columns(schema, input->name_mapping, constants, constant_count, file->rows,
                                                file->count, arena, expressions, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "file '%.*s'", PF_STR_ARG(split->path));
    split->expressions = expressions;
    split->signature = signature_of(file, split->constants_json, arena);
    return PF_OK;
}

static enum pf_code describe_splits(struct pf_session *session, const struct stage_input *input,
                                    struct task_split **splits, size_t count, struct pf_arena *arena,
                                    struct pf_error *err) {
    struct pf_iceberg_schema schema;
    struct files files = {0};
    if (count == 0) return PF_OK;
    struct task_split *copies = PF_ARENA_ARRAY(arena, struct task_split, count);
    memcpy(copies, *splits, count * sizeof *copies);
    PF_TRY(pf_iceberg_schema_parse(input->schema_json, arena, &schema, err));
    PF_TRY(read_footers(session, copies, count, arena, &files, err));
    for (size_t i = 0; i < count; i++) {
        bool is_same = i && pf_str_equal(copies[i].path, copies[i - 1].path);
        if (is_same) {
            copies[i].expressions = copies[i - 1].expressions;
            copies[i].signature = copies[i - 1].signature;
        } else {
            PF_TRY(describe_split(input, &schema, &files, arena, &copies[i], err));
        }
    }
    *splits = copies;
    return PF_OK;
}

enum pf_code describe_files(struct pf_session *session, const struct stage_message *stage,
                            const struct task_message *task, struct pf_arena *arena, struct stage_message *out_stage,
                            struct task_message *out_task, struct pf_error *err) {
    *out_stage = *stage;
    *out_task = *task;
    bool is_asked = false;
    for (size_t i = 0; i < stage->input_count; i++) is_asked = is_asked || stage->inputs[i].schema_json.len;
    if (!is_asked) return PF_OK;
    out_stage->inputs = PF_ARENA_ARRAY(arena, struct stage_input, stage->input_count);
    out_task->inputs = PF_ARENA_ARRAY(arena, struct task_input, task->input_count);
    memcpy(out_stage->inputs, stage->inputs, stage->input_count * sizeof *stage->inputs);
    memcpy(out_task->inputs, task->inputs, task->input_count * sizeof *task->inputs);
    for (size_t i = 0; i < stage->input_count && i < task->input_count; i++) {
        struct stage_input *input = &out_stage->inputs[i];
        struct task_input *share = &out_task->inputs[i];
        if (!input->schema_json.len) continue;
        PF_TRY(describe_splits(session, input, &input->splits, input->split_count, arena, err));
        PF_TRY(describe_splits(session, input, &share->splits, share->split_count, arena, err));
    }
    return PF_OK;
}
