/* SPDX-License-Identifier: MIT */
#include "query/task_files.h"

#include <string.h>

/* The paths of a task, each with what it needs of the object behind it. */
struct wanted {
    const struct task_files_options *options;
    struct pf_arena *arena;
    struct pf_cache_need *needs;
    pf_str **paths; /* where the path of need i goes */
    size_t count, need_capacity, path_capacity;
};

static void want(struct wanted *wanted, pf_str *path, struct pf_cache_need need) {
    size_t count = wanted->count;
    if (!pf_store_key_of(wanted->options->store, *path, &need.key)) return;
    PF_ARENA_PUSH(wanted->arena, wanted->needs, count, wanted->need_capacity) = need;
    PF_ARENA_PUSH(wanted->arena, wanted->paths, wanted->count, wanted->path_capacity) = path;
}

/* The columns of the scan, and those that equality deletes look at. */
static struct pf_cache_column *columns_of(const struct stage_input *input, struct pf_arena *arena, size_t *out_count) {
    struct pf_cache_column *columns =
        PF_ARENA_ARRAY(arena, struct pf_cache_column, input->column_count + input->key_count);
    size_t count = 0;
    for (size_t i = 0; i < input->column_count; i++) {
        columns[count++] = (struct pf_cache_column){input->columns[i].name, input->columns[i].field_id};
    }
    for (size_t i = 0; i < input->key_count; i++) {
        columns[count++] = (struct pf_cache_column){input->keys[i].column, input->keys[i].field_id};
    }
    *out_count = count;
    return columns;
}

static void want_splits(struct wanted *wanted, const struct stage_input *input, struct task_split *splits,
                        size_t count) {
    size_t column_count;
    struct pf_cache_column *columns = columns_of(input, wanted->arena, &column_count);
    for (size_t i = 0; i < count; i++) {
        if (splits[i].held_as.len) continue;
        struct pf_cache_need need = {
            .size_bytes = splits[i].size_bytes > 0 ? splits[i].size_bytes : -1,
            /* Files without ids, whose names another table of names translates: any may be meant. */
            .all_columns = input->name_mapping.len > 0,
            .columns = columns,
            .column_count = column_count,
            .first_row = splits[i].first_row,
            .last_row = splits[i].last_row,
        };
        want(wanted, &splits[i].path, need);
    }
}

static void want_deletes(struct wanted *wanted, struct task_deletes *deletes) {
    for (size_t i = 0; i < deletes->count; i++) {
        bool is_vector = deletes->items[i].kind == TASK_DELETE_VECTOR;
        struct pf_cache_need need = {
            .size_bytes = -1, .is_plain = is_vector, .all_columns = !is_vector, .last_row = -1};
        want(wanted, &deletes->items[i].path, need);
    }
}

static struct task_split *copy_splits(const struct task_split *splits, size_t count, struct pf_arena *arena) {
    struct task_split *copy = PF_ARENA_ARRAY(arena, struct task_split, count);
    if (count) memcpy(copy, splits, count * sizeof *copy);
    return copy;
}

static struct task_deletes copy_deletes(const struct task_deletes *deletes, struct pf_arena *arena) {
    struct task_deletes copy = {PF_ARENA_ARRAY(arena, struct task_delete, deletes->count), deletes->count};
    if (copy.count) memcpy(copy.items, deletes->items, copy.count * sizeof *copy.items);
    return copy;
}

/* Copies of both messages, so that paths may be put into them. */
static void copy_messages(const struct stage_message *stage, const struct task_message *task, struct pf_arena *arena,
                          struct task_files *files) {
    files->stage = *stage;
    files->task = *task;
    files->stage.inputs = PF_ARENA_ARRAY(arena, struct stage_input, stage->input_count);
    files->task.inputs = PF_ARENA_ARRAY(arena, struct task_input, task->input_count);
    for (size_t i = 0; i < stage->input_count; i++) {
        struct stage_input *input = &files->stage.inputs[i];
        *input = stage->inputs[i];
        input->splits = copy_splits(input->splits, input->split_count, arena);
        input->deletes = copy_deletes(&input->deletes, arena);
    }
    for (size_t i = 0; i < task->input_count; i++) {
        struct task_input *input = &files->task.inputs[i];
        *input = task->inputs[i];
        input->splits = copy_splits(input->splits, input->split_count, arena);
        input->deletes = copy_deletes(&input->deletes, arena);
    }
}

static void want_all(struct wanted *wanted, struct task_files *files) {
    for (size_t i = 0; i < files->stage.input_count; i++) {
        struct stage_input *input = &files->stage.inputs[i];
        if (input->kind != PF_INPUT_SCAN) continue;
        /* What a task does not read is not fetched for it: see put_input of task.c. */
        if (input->role == PF_ROLE_WHOLE) {
            want_splits(wanted, input, input->splits, input->split_count);
            want_deletes(wanted, &input->deletes);
        } else if (i < files->task.input_count) {
            want_splits(wanted, input, files->task.inputs[i].splits, files->task.inputs[i].split_count);
            want_deletes(wanted, &files->task.inputs[i].deletes);
        }
    }
}

enum pf_code task_files_acquire(const struct task_files_options *options, const struct stage_message *stage,
                                const struct task_message *task, struct pf_arena *arena, struct task_files *out_files,
                                struct pf_error *err) {
    struct task_files files = {0};
    struct wanted wanted = {.options = options, .arena = arena};
    struct pf_store_counters before, after;
    struct pf_cache_counters counters = {0};
    copy_messages(stage, task, arena, &files);
    want_all(&wanted, &files);
    if (wanted.count) {
        pf_store_count(options->store, &before);
        PF_TRY(pf_cache_acquire(options->cache, wanted.needs, wanted.count, options->is_cancelled, options->context,
                                arena, &files.hold, &counters, err));
        pf_store_count(options->store, &after);
        files.reads = (struct task_reads){
            .requests = after.requests - before.requests,
            .received_bytes = after.received_bytes - before.received_bytes,
            .hedges = after.hedges - before.hedges,
            .retries = after.retries - before.retries,
            .kept_bytes = counters.hit_bytes,
        };
    }
    for (size_t i = 0; i < wanted.count; i++) *wanted.paths[i] = wanted.needs[i].path;
    *out_files = files;
    return PF_OK;
}

void task_files_release(struct task_files *files) {
    files->hold = pf_cache_release(files->hold);
}

void task_reads_add(struct task_reads *sum, const struct task_reads *more) {
    sum->requests += more->requests;
    sum->received_bytes += more->received_bytes;
    sum->hedges += more->hedges;
    sum->retries += more->retries;
    sum->kept_bytes += more->kept_bytes;
}
