/* SPDX-License-Identifier: MIT */
#include "query/task.h"

#include "base/json.h"
#include "query/render_scan.h"
#include "query/write_json.h"

enum { MAX_MESSAGE_BYTES = 64 << 20, SPLIT_MEMBERS = 9 /* before its deletes */ };

/* ---- encode ---- */

static void put_split(struct pf_json_out *out, const struct task_split *split) {
    pf_json_open_array(out);
    pf_json_put_str(out, split->path);
    pf_json_put_i64(out, split->first_row);
    pf_json_put_i64(out, split->last_row);
    pf_json_put_i64(out, split->size_bytes);
    if (split->data_path.len) {
        pf_json_put_str(out, split->data_path);
        pf_json_put_i64(out, split->sequence_number);
        pf_json_put_i64(out, split->first_row_id);
        pf_json_put_str(out, split->constants_json);
        pf_json_put_i64(out, split->scope);
        for (size_t i = 0; i < split->delete_count; i++) pf_json_put_i64(out, split->deletes[i]);
    }
    pf_json_close_array(out);
}

static void put_delete(struct pf_json_out *out, const struct task_delete *delete) {
    pf_json_open_array(out);
    pf_json_put_i64(out, delete->kind);
    pf_json_put_str(out, delete->path);
    if (delete->kind == TASK_DELETE_VECTOR) {
        pf_json_put_i64(out, delete->offset);
        pf_json_put_i64(out, delete->size_bytes);
        pf_json_put_i64(out, delete->row_count);
    } else if (delete->kind == TASK_DELETE_EQUALITY) {
        pf_json_put_i64(out, delete->sequence_number);
        pf_json_put_i64(out, delete->scope);
        for (size_t i = 0; i < delete->field_id_count; i++) pf_json_put_i64(out, delete->field_ids[i]);
    }
    pf_json_close_array(out);
}

static void put_splits(struct pf_json_out *out, const struct task_split *splits, size_t count,
                       const struct task_deletes *deletes) {
    pf_json_key(out, "splits");
    pf_json_open_array(out);
    for (size_t i = 0; i < count; i++) put_split(out, &splits[i]);
    pf_json_close_array(out);
    if (!deletes->count) return;
    pf_json_key(out, "deletes");
    pf_json_open_array(out);
    for (size_t i = 0; i < deletes->count; i++) put_delete(out, &deletes->items[i]);
    pf_json_close_array(out);
}

static void put_key(struct pf_json_out *out, const struct task_key *key) {
    pf_json_open_array(out);
    pf_json_put_i64(out, key->field_id);
    pf_json_put_str(out, key->column);
    pf_json_put_str(out, key->type);
    pf_json_close_array(out);
}

static void put_stage_input(struct pf_json_out *out, const struct stage_input *input) {
    pf_json_open_object(out);
    pf_json_field_i64(out, "kind", input->kind);
    pf_json_field_i64(out, "role", input->role);
    if (input->kind == PF_INPUT_SCAN) {
        pf_json_field_str(out, "options", input->read_options);
        pf_json_key(out, "columns");
        pf_json_open_array(out);
        for (size_t i = 0; i < input->column_count; i++) {
            pf_json_put_str(out, input->columns[i].name);
            pf_json_put_str(out, input->columns[i].type);
            pf_json_put_i64(out, input->columns[i].field_id);
        }
        pf_json_close_array(out);
        put_splits(out, input->splits, input->split_count, &input->deletes);
        if (input->has_lineage) pf_json_field_bool(out, "lineage", true);
        if (input->schema_json.len) {
            pf_json_field_str(out, "schema", input->schema_json);
            pf_json_field_str(out, "name_mapping", input->name_mapping);
        }
        pf_json_key(out, "keys");
        pf_json_open_array(out);
        for (size_t i = 0; i < input->key_count; i++) put_key(out, &input->keys[i]);
        pf_json_close_array(out);
    } else {
        pf_json_field_i64(out, "partitions", input->partition_count);
        pf_json_field_str(out, "outputs", input->outputs_json);
    }
    pf_json_close_object(out);
}

/* A message that is too large comes out empty; its reader then says that it isn't JSON. */
static pf_str take_text(struct pf_buf *buf, struct pf_arena *arena) {
    pf_str text = buf->failed ? PF_STR_EMPTY : pf_arena_str(arena, pf_buf_view(buf));
    pf_buf_clear(buf);
    return text;
}

pf_str stage_message_encode(const struct stage_message *message, struct pf_arena *arena) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_MESSAGE_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_str(&out, "sql", message->sql);
    pf_json_field_i64(&out, "partitions", message->partition_count);
    pf_json_field_str(&out, "keys", message->keys);
    pf_json_key(&out, "inputs");
    pf_json_open_array(&out);
    for (size_t i = 0; i < message->input_count; i++) put_stage_input(&out, &message->inputs[i]);
    pf_json_close_array(&out);
    if (message->write) {
        pf_json_key(&out, "write");
        write_put(&out, message->write);
    }
    pf_json_close_object(&out);
    return take_text(&buf, arena);
}

pf_str task_message_encode(const struct task_message *message, struct pf_arena *arena) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_MESSAGE_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_array(&out);
    for (size_t i = 0; i < message->input_count; i++) {
        const struct task_input *input = &message->inputs[i];
        pf_json_open_object(&out);
        put_splits(&out, input->splits, input->split_count, &input->deletes);
        pf_json_field_i64(&out, "first_partition", input->first_partition);
        pf_json_field_i64(&out, "partitions", input->partition_count);
        pf_json_field_i64(&out, "first_output", input->first_output);
        pf_json_field_i64(&out, "outputs", input->output_count);
        pf_json_close_object(&out);
    }
    pf_json_close_array(&out);
    return take_text(&buf, arena);
}

/* [ranges, bytes] of each medium */
static void put_exchange_reads(struct pf_json_out *out, const struct pf_exchange_use *use) {
    pf_json_key(out, "exchange");
    pf_json_open_array(out);
    for (size_t i = 0; i < sizeof use->media / sizeof *use->media; i++) {
        pf_json_put_i64(out, use->media[i].reads);
        pf_json_put_i64(out, use->media[i].read_bytes);
    }
    pf_json_close_array(out);
}

pf_str task_result_encode(const struct task_result *result, struct pf_arena *arena) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, MAX_MESSAGE_BYTES);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_str(&out, "output", result->output_json);
    pf_json_field_i64(&out, "rows", result->rows);
    pf_json_field_i64(&out, "bytes", result->bytes);
    pf_json_field_i64(&out, "wall_us", result->wall_us);
    pf_json_field_i64(&out, "reads", result->reads);
    pf_json_field_i64(&out, "warm_reads", result->warm_reads);
    const struct task_reads *store = &result->store_reads;
    if (store->requests || store->kept_bytes) {
        pf_json_key(&out, "store");
        pf_json_open_array(&out);
        pf_json_put_i64(&out, store->requests);
        pf_json_put_i64(&out, store->received_bytes);
        pf_json_put_i64(&out, store->hedges);
        pf_json_put_i64(&out, store->retries);
        pf_json_put_i64(&out, store->kept_bytes);
        pf_json_close_array(&out);
    }
    put_exchange_reads(&out, &result->exchange_reads);
    pf_json_field_str(&out, "worker", result->worker);
    pf_json_close_object(&out);
    return take_text(&buf, arena);
}

/* ---- decode ---- */

static enum pf_code get_split(pf_json *json, size_t delete_count, struct pf_arena *arena, struct task_split *split,
                              struct pf_error *err) {
    struct pf_json_each part = pf_json_each(json);
    if (part.count != 4 && part.count < SPLIT_MEMBERS) {
        PF_FAIL(err, PF_INVALID, "task message: a split has %zu members", part.count);
    }
    split->delete_count = part.count > SPLIT_MEMBERS ? part.count - SPLIT_MEMBERS : 0;
    split->deletes = PF_ARENA_ARRAY(arena, uint32_t, split->delete_count);
    while (pf_json_next(&part)) {
        int64_t number = pf_json_as_i64(part.value, -1);
        switch (part.index) {
        case 0: split->path = pf_json_as_str(part.value, PF_STR_EMPTY); break;
        case 1: split->first_row = number; break;
        case 2: split->last_row = number; break;
        case 3: split->size_bytes = number; break;
        case 4: split->data_path = pf_json_as_str(part.value, PF_STR_EMPTY); break;
        case 5: split->sequence_number = number; break;
        case 6: split->first_row_id = number; break;
        case 7: split->constants_json = pf_json_as_str(part.value, PF_STR_EMPTY); break;
        case 8: split->scope = (int)number; break;
        default:
            if (number < 0 || (uint64_t)number >= delete_count) {
                PF_FAIL(err, PF_INVALID, "task message: a split has delete %lld of %zu", (long long)number,
                        delete_count);
            }
            split->deletes[part.index - SPLIT_MEMBERS] = (uint32_t)number;
        }
    }
    if (split->path.len == 0) PF_FAIL(err, PF_INVALID, "task message: a split has no path");
    return PF_OK;
}

static enum pf_code get_delete(pf_json *json, struct pf_arena *arena, struct task_delete *delete,
                               struct pf_error *err) {
    struct pf_json_each part = pf_json_each(json);
    int64_t numbers[5] = {-1, -1, -1, -1, -1};
    size_t count = part.count > 4 ? part.count - 4 : 0;
    delete->field_ids = PF_ARENA_ARRAY(arena, int, count);
    while (pf_json_next(&part)) {
        int64_t number = pf_json_as_i64(part.value, -1);
        if (part.index == 1) delete->path = pf_json_as_str(part.value, PF_STR_EMPTY);
        if (part.index < 5) numbers[part.index] = number;
        if (part.index >= 4) delete->field_ids[part.index - 4] = (int)number;
    }
    if (numbers[0] < 0 || numbers[0] > TASK_DELETE_EQUALITY || delete->path.len == 0) {
        PF_FAIL(err, PF_INVALID, "task message: a delete of kind %lld", (long long)numbers[0]);
    }
    delete->kind = (enum task_delete_kind)numbers[0];
    if (delete->kind == TASK_DELETE_EQUALITY) {
        delete->sequence_number = numbers[2];
        delete->scope = (int)numbers[3];
        delete->field_id_count = count;
    } else {
        delete->offset = numbers[2];
        delete->size_bytes = numbers[3];
        delete->row_count = numbers[4];
    }
    return PF_OK;
}

static enum pf_code get_splits(pf_json *object, struct pf_arena *arena, struct task_split **out_splits,
                               size_t *out_count, struct task_deletes *out_deletes, struct pf_error *err) {
    pf_json *list = pf_json_get(object, "splits"), *deletes = pf_json_get(object, "deletes");
    struct task_split *splits = PF_ARENA_ARRAY(arena, struct task_split, pf_json_count(list));
    out_deletes->count = pf_json_count(deletes);
    out_deletes->items = PF_ARENA_ARRAY(arena, struct task_delete, out_deletes->count);
    for (struct pf_json_each each = pf_json_each(deletes); pf_json_next(&each);) {
        PF_TRY(get_delete(each.value, arena, &out_deletes->items[each.index], err));
    }
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        PF_TRY(get_split(each.value, out_deletes->count, arena, &splits[each.index], err));
    }
    *out_splits = splits;
    *out_count = pf_json_count(list);
    return PF_OK;
}

static void get_keys(pf_json *object, struct pf_arena *arena, struct stage_input *input) {
    pf_json *list = pf_json_get(object, "keys");
    input->key_count = pf_json_count(list);
    input->keys = PF_ARENA_ARRAY(arena, struct task_key, input->key_count);
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        struct task_key *key = &input->keys[each.index];
        for (struct pf_json_each part = pf_json_each(each.value); pf_json_next(&part);) {
            if (part.index == 0) key->field_id = (int)pf_json_as_i64(part.value, -1);
            if (part.index == 1) key->column = pf_json_as_str(part.value, PF_STR_EMPTY);
            if (part.index == 2) key->type = pf_json_as_str(part.value, PF_STR_EMPTY);
        }
    }
}

static enum pf_code get_stage_input(pf_json *object, struct pf_arena *arena, struct stage_input *input,
                                    struct pf_error *err) {
    int64_t kind, role;
    PF_TRY(pf_json_need_i64(object, "kind", "stage message", &kind, err));
    PF_TRY(pf_json_need_i64(object, "role", "stage message", &role, err));
    if (kind < 0 || kind > PF_INPUT_DATASET || role < 0 || role > PF_ROLE_WHOLE) {
        PF_FAIL(err, PF_INVALID, "stage message: input kind %lld with role %lld", (long long)kind, (long long)role);
    }
    input->kind = (enum pf_input_kind)kind;
    input->role = (enum pf_input_role)role;
    input->read_options = pf_json_get_str(object, "options", PF_STR_EMPTY);
    input->outputs_json = pf_json_get_str(object, "outputs", PF_STR_EMPTY);
    input->partition_count = (int)pf_json_get_i64(object, "partitions", 1);
    input->has_lineage = pf_json_get_bool(object, "lineage", false);
    input->schema_json = pf_json_get_str(object, "schema", PF_STR_EMPTY);
    input->name_mapping = pf_json_get_str(object, "name_mapping", PF_STR_EMPTY);
    pf_json *columns = pf_json_get(object, "columns");
    input->column_count = pf_json_count(columns) / 3;
    input->columns = PF_ARENA_ARRAY(arena, struct task_column, input->column_count);
    for (struct pf_json_each each = pf_json_each(columns); pf_json_next(&each);) {
        if (each.index / 3 >= input->column_count) break;
        pf_str text = pf_json_as_str(each.value, PF_STR_EMPTY);
        struct task_column *column = &input->columns[each.index / 3];
        switch (each.index % 3) {
        case 0: column->name = text; break;
        case 1: column->type = text; break;
        default: column->field_id = (int)pf_json_as_i64(each.value, -1);
        }
    }
    get_keys(object, arena, input);
    return get_splits(object, arena, &input->splits, &input->split_count, &input->deletes, err);
}

enum pf_code stage_message_decode(pf_str json, struct pf_arena *arena, struct stage_message *out_message,
                                  struct pf_error *err) {
    struct stage_message message = {0};
    pf_json *root = NULL;
    PF_TRY(pf_json_parse(json, arena, "stage message", &root, err));
    PF_TRY(pf_json_need_str(root, "sql", "stage message", &message.sql, err));
    message.partition_count = (int)pf_json_get_i64(root, "partitions", 1);
    message.keys = pf_json_get_str(root, "keys", PF_STR_EMPTY);
    pf_json *inputs = pf_json_get(root, "inputs");
    message.input_count = pf_json_count(inputs);
    message.inputs = PF_ARENA_ARRAY(arena, struct stage_input, message.input_count);
    for (struct pf_json_each each = pf_json_each(inputs); pf_json_next(&each);) {
        PF_TRY(get_stage_input(each.value, arena, &message.inputs[each.index], err));
    }
    PF_TRY(write_get(pf_json_get(root, "write"), arena, &message.write, err));
    *out_message = message;
    return PF_OK;
}

enum pf_code task_message_decode(pf_str json, struct pf_arena *arena, struct task_message *out_message,
                                 struct pf_error *err) {
    struct task_message message = {0};
    pf_json *root = NULL;
    PF_TRY(pf_json_parse(json, arena, "task message", &root, err));
    message.input_count = pf_json_count(root);
    message.inputs = PF_ARENA_ARRAY(arena, struct task_input, message.input_count);
    for (struct pf_json_each each = pf_json_each(root); pf_json_next(&each);) {
        struct task_input *input = &message.inputs[each.index];
        PF_TRY(get_splits(each.value, arena, &input->splits, &input->split_count, &input->deletes, err));
        input->first_partition = (int)pf_json_get_i64(each.value, "first_partition", 0);
        input->partition_count = (int)pf_json_get_i64(each.value, "partitions", 1);
        input->first_output = (int)pf_json_get_i64(each.value, "first_output", 0);
        input->output_count = (int)pf_json_get_i64(each.value, "outputs", -1);
    }
    *out_message = message;
    return PF_OK;
}

enum pf_code task_result_decode(pf_str json, struct pf_arena *arena, struct task_result *out_result,
                                struct pf_error *err) {
    pf_json *root = NULL;
    struct task_result result = {0};
    PF_TRY(pf_json_parse(json, arena, "task result", &root, err));
    PF_TRY(pf_json_need_str(root, "output", "task result", &result.output_json, err));
    result.rows = pf_json_get_i64(root, "rows", 0);
    result.bytes = pf_json_get_i64(root, "bytes", 0);
    result.wall_us = pf_json_get_i64(root, "wall_us", 0);
    result.reads = (int)pf_json_get_i64(root, "reads", 0);
    result.warm_reads = (int)pf_json_get_i64(root, "warm_reads", 0);
    int64_t *store[] = {&result.store_reads.requests, &result.store_reads.received_bytes, &result.store_reads.hedges,
                        &result.store_reads.retries, &result.store_reads.kept_bytes};
    for (struct pf_json_each each = pf_json_each(pf_json_get(root, "store")); pf_json_next(&each);) {
        if (each.index < sizeof store / sizeof *store) *store[each.index] = pf_json_as_i64(each.value, 0);
    }
    struct pf_medium_use *media = result.exchange_reads.media;
    for (struct pf_json_each each = pf_json_each(pf_json_get(root, "exchange")); pf_json_next(&each);) {
        if (each.index / 2 >= sizeof result.exchange_reads.media / sizeof *media) break;
        int64_t *to = each.index % 2 ? &media[each.index / 2].read_bytes : &media[each.index / 2].reads;
        *to = pf_json_as_i64(each.value, 0);
    }
    result.worker = pf_json_get_str(root, "worker", PF_STR_EMPTY);
    *out_result = result;
    return PF_OK;
}

/* ---- render ---- */

static void put_input(struct pf_buf *out, const struct stage_message *stage, const struct task_message *task,
                      size_t index, pf_str input_prefix) {
    const struct stage_input *input = &stage->inputs[index];
    if (input->kind == PF_INPUT_DATASET) {
        pf_buf_printf(out, "exchange_read('%.*s.%zu')", PF_STR_ARG(input_prefix), index);
    } else if (input->role == PF_ROLE_WHOLE) {
        render_scan(out, input, input->splits, input->split_count, &input->deletes);
    } else {
        render_scan(out, input, task->inputs[index].splits, task->inputs[index].split_count,
                    &task->inputs[index].deletes);
    }
}

/* "${12}" at `at`: its number and where it ends. Text in quotes holds no places: see skip_quoted. */
static bool read_place(pf_str sql, size_t at, size_t *out_index, size_t *out_end) {
    size_t close = pf_str_find_char(sql, '}', at);
    int64_t number;
    if (at + 2 >= sql.len || sql.ptr[at] != '$' || sql.ptr[at + 1] != '{' || close == SIZE_MAX) return false;
    if (!pf_str_to_i64(pf_str_slice(sql, at + 2, close), &number) || number < 0) return false;
    *out_index = (size_t)number;
    *out_end = close + 1;
    return true;
}

/* The end of the quoted text or name that starts at `at`; doubled quotes are two quoted texts in a row. */
static size_t skip_quoted(pf_str sql, size_t at) {
    size_t close = pf_str_find_char(sql, sql.ptr[at], at + 1);
    return close == SIZE_MAX ? sql.len : close + 1;
}

enum pf_code task_render_sql(const struct stage_message *stage, const struct task_message *task, pf_str input_prefix,
                             struct pf_arena *arena, pf_str *out_sql, struct pf_error *err) {
    struct pf_buf out;
    if (task->input_count != stage->input_count) {
        PF_FAIL(err, PF_BUG, "task has %zu inputs, its stage %zu", task->input_count, stage->input_count);
    }
    pf_buf_init(&out, MAX_MESSAGE_BYTES);
    for (size_t at = 0; at < stage->sql.len;) {
        size_t index, end;
        char c = stage->sql.ptr[at];
        if (c == '\'' || c == '"') {
            end = skip_quoted(stage->sql, at);
            pf_buf_put_str(&out, pf_str_slice(stage->sql, at, end));
        } else if (c == '$' && read_place(stage->sql, at, &index, &end)) {
            if (index >= stage->input_count) {
                pf_buf_clear(&out);
                PF_FAIL(err, PF_BUG, "fragment names input %zu, there are %zu", index, stage->input_count);
            }
            put_input(&out, stage, task, index, input_prefix);
        } else {
            end = at + 1;
            pf_buf_put_char(&out, c);
        }
        at = end;
    }
    if (out.failed) {
        pf_buf_clear(&out);
        PF_FAIL(err, PF_TOO_LARGE, "fragment is over %d bytes with its inputs", MAX_MESSAGE_BYTES);
    }
    *out_sql = take_text(&out, arena);
    return PF_OK;
}
