/* SPDX-License-Identifier: MIT */
/* How many tasks: enough that workers finish at about the same time, few enough that a task is worth its overhead (a
 * few milliseconds). Files are cut at multiples of DuckDB's row group, since a range inside a row group is decoded whole. */
#include "query/make_tasks.h"

#include "base/buf.h"
#include "query/scan_splits.h"

#include <string.h>

enum { TASKS_PER_WORKER = 2, ROW_GROUP_ROWS = 122880, MAX_OUTPUTS_BYTES = 48 << 20 };

/* ---- inputs ---- */

static enum pf_code set_scan_columns(const struct lake_table *lake, const struct pf_input *input,
                                     struct pf_arena *arena, struct stage_input *stage_input, struct pf_error *err) {
    stage_input->columns = PF_ARENA_ARRAY(arena, struct task_column, input->column_count);
    for (size_t i = 0; i < input->column_count; i++) {
        size_t at = 0;
        while (at < lake->column_count && !pf_str_equal(lake->column_names[at], input->columns[i])) at++;
        if (at == lake->column_count) {
            PF_FAIL(err, PF_BUG, "plan reads column '%.*s', table %.*s has none", PF_STR_ARG(input->columns[i]),
                    PF_STR_ARG(lake->table->full_name));
        }
        stage_input->columns[i] = lake_column(lake, at);
    }
    stage_input->column_count = input->column_count;
    return PF_OK;
}

pf_str join_outputs(const struct stage_output *output, struct pf_arena *arena) {
    struct pf_buf buf;
    pf_buf_init(&buf, MAX_OUTPUTS_BYTES);
    pf_buf_put_char(&buf, '[');
    for (size_t i = 0; i < output->count; i++) {
        if (i) pf_buf_put_char(&buf, ',');
        pf_buf_put_json_str(&buf, output->outputs_json[i]);
    }
    pf_buf_put_char(&buf, ']');
    pf_str joined = buf.failed ? PF_STR_EMPTY : pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return joined;
}

static const struct stage_output *find_output(const struct stage_outputs *outputs, int stage_id) {
    for (size_t i = 0; i < outputs->count; i++) {
        if (outputs->items[i].stage_id == stage_id) return &outputs->items[i];
    }
    return NULL;
}

struct input_state {
    struct pf_file_list files; /* scan */
    struct split_source source;
    const struct stage_output *output; /* dataset */
};

static enum pf_code make_input(struct pf_stack *stack, const struct lake_tables *tables,
                               const struct stage_outputs *outputs, const struct pf_input *input,
                               struct pf_arena *arena, struct stage_input *out_input, struct input_state *out_state,
                               struct pf_error *err) {
    out_input->kind = input->kind;
    out_input->role = input->role;
    if (input->kind == PF_INPUT_DATASET) {
        out_state->output = find_output(outputs, input->stage_id);
        if (!out_state->output) PF_FAIL(err, PF_BUG, "fragment reads stage %d, which has not run", input->stage_id);
        out_input->outputs_json = join_outputs(out_state->output, arena);
        out_input->partition_count = out_state->output->count ? out_state->output->outputs[0].partition_count : 1;
        return PF_OK;
    }
    const struct lake_table *lake = find_lake_table(tables, input->scan_name);
    if (!lake) {
        PF_FAIL(err, PF_CONFLICT, "table %.*s changed while the query was planned: try again",
                PF_STR_ARG(input->scan_name));
    }
    PF_TRY(set_scan_columns(lake, input, arena, out_input, err));
    PF_TRY(plan_lake_files(stack, lake, input->predicates, input->predicate_count, arena, &out_state->files, err));
    PF_TRY(scan_source_open(lake, &out_state->files, arena, out_input, &out_state->source, err));
    if (input->role == PF_ROLE_WHOLE) {
        scan_take_all(&out_state->source, arena, &out_input->splits, &out_input->split_count, &out_input->deletes);
    }
    return PF_OK;
}

/* ---- splits ---- */

struct split_builder {
    struct pf_arena *arena;
    const struct split_source *source;
    struct task_message *tasks;
    size_t input_count, driving, task_count, task_capacity;
    struct task_split *splits;
    size_t split_count, split_capacity;
    int64_t rows, target_rows;
};

static struct task_message empty_task(struct pf_arena *arena, size_t input_count) {
    struct task_message task = {PF_ARENA_ARRAY(arena, struct task_input, input_count), input_count};
    for (size_t i = 0; i < input_count; i++) {
        task.inputs[i] = (struct task_input){.partition_count = 0, .output_count = -1};
    }
    return task;
}

static void finish_task(struct split_builder *builder) {
    struct task_message task = empty_task(builder->arena, builder->input_count);
    task.inputs[builder->driving].deletes =
        scan_take_deletes(builder->source, builder->splits, builder->split_count, builder->arena);
    task.inputs[builder->driving].splits = builder->splits;
    task.inputs[builder->driving].split_count = builder->split_count;
    PF_ARENA_PUSH(builder->arena, builder->tasks, builder->task_count, builder->task_capacity) = task;
    builder->splits = NULL;
    builder->split_count = builder->split_capacity = 0;
    builder->rows = 0;
}

static void add_split(struct split_builder *builder, struct task_split split, int64_t rows) {
    /* A split that would overfill the task by more than half of it starts the next one. */
    if (builder->split_count && builder->rows + rows / 2 > builder->target_rows) finish_task(builder);
    PF_ARENA_PUSH(builder->arena, builder->splits, builder->split_count, builder->split_capacity) = split;
    builder->rows += rows;
}

static void add_file(struct split_builder *builder, const struct pf_scan_file *file) {
    int64_t parts = (file->row_count + builder->target_rows / 2) / builder->target_rows;
    int64_t groups = (file->row_count + ROW_GROUP_ROWS - 1) / ROW_GROUP_ROWS;
    if (parts > groups) parts = groups;
    if (parts <= 1) {
        add_split(builder, scan_split(builder->source, file, 0, -1), file->row_count);
        return;
    }
    for (int64_t part = 0; part < parts; part++) {
        int64_t first = groups * part / parts * ROW_GROUP_ROWS;
        int64_t end = groups * (part + 1) / parts * ROW_GROUP_ROWS;
        bool is_last = part == parts - 1;
        add_split(builder, scan_split(builder->source, file, first, is_last ? -1 : end - 1),
                  is_last ? file->row_count - first : end - first);
    }
}

static void spread_over_splits(const struct pf_stack *stack, const struct split_source *source, size_t driving,
                               struct pf_arena *arena, struct task_list *list) {
    const struct pf_file_list *files = source->files;
    int64_t wanted = (int64_t)stack->options.worker_count * TASKS_PER_WORKER;
    int64_t worth = files->size_bytes / stack->options.task_size_bytes;
    if (wanted > worth) wanted = worth > 0 ? worth : 1;
    struct split_builder builder = {
        .arena = arena, .source = source, .input_count = list->message.input_count, .driving = driving};
    builder.target_rows = files->row_count / wanted + 1;
    for (size_t i = 0; i < files->count; i++) add_file(&builder, &files->files[i]);
    if (builder.split_count || builder.task_count == 0) finish_task(&builder);
    list->tasks = builder.tasks;
    list->count = builder.task_count;
}

static void spread_over_producers(const struct pf_stack *stack, const struct stage_output *output, size_t driving,
                                  struct pf_arena *arena, struct task_list *list) {
    size_t count = output->count < (size_t)stack->options.worker_count * TASKS_PER_WORKER
                       ? output->count
                       : (size_t)stack->options.worker_count * TASKS_PER_WORKER;
    if (count == 0) count = 1;
    list->tasks = PF_ARENA_ARRAY(arena, struct task_message, count);
    list->count = count;
    for (size_t i = 0; i < count; i++) {
        size_t first = output->count * i / count, end = output->count * (i + 1) / count;
        list->tasks[i] = empty_task(arena, list->message.input_count);
        list->tasks[i].inputs[driving].first_output = (int)first;
        list->tasks[i].inputs[driving].output_count = (int)(end - first);
    }
}

/* ---- partitions ---- */

static int64_t slice_bytes(const struct pf_exchange_output *output, int partition) {
    int64_t bytes = 0;
    if (partition >= output->partition_count) return 0;
    for (size_t k = 0; k < output->object_count; k++) {
        bytes += pf_exchange_slice_raw_bytes(&output->objects[k], partition);
    }
    return bytes;
}

static int64_t input_bytes(const struct stage_output *output, int partition) {
    int64_t bytes = 0;
    for (size_t j = 0; j < output->count; j++) bytes += slice_bytes(&output->outputs[j], partition);
    return bytes;
}

static int64_t partition_bytes(const struct pf_stage *stage, const struct input_state *states, int partition) {
    int64_t bytes = 0;
    for (size_t i = 0; i < stage->fragment.input_count; i++) {
        if (stage->fragment.inputs[i].role == PF_ROLE_ALIGNED && states[i].output)
            bytes += input_bytes(states[i].output, partition);
    }
    return bytes;
}

static struct task_message task_of_partitions(const struct pf_stage *stage, int first, int end,
                                              struct pf_arena *arena) {
    struct task_message task = empty_task(arena, stage->fragment.input_count);
    for (size_t i = 0; i < stage->fragment.input_count; i++) {
        if (stage->fragment.inputs[i].role != PF_ROLE_ALIGNED) continue;
        task.inputs[i].first_partition = first;
        task.inputs[i].partition_count = end - first;
    }
    return task;
}

/* A partition much larger than a task's worth (a key that very many rows have): the largest input that allows it is
 * shared out by its producers, each task reads all of the others. False if there is none, or no gain in it. */
static bool split_partition(const struct pf_stage *stage, const struct input_state *states, int partition,
                            int64_t target, struct pf_arena *arena, struct task_list *list, size_t *capacity) {
    size_t widest = SIZE_MAX;
    int64_t widest_bytes = 0, others = partition_bytes(stage, states, partition);
    for (size_t i = 0; i < stage->fragment.input_count; i++) {
        const struct pf_input *input = &stage->fragment.inputs[i];
        if (!input->may_split || input->role != PF_ROLE_ALIGNED || !states[i].output) continue;
        int64_t bytes = input_bytes(states[i].output, partition);
        if (bytes <= widest_bytes) continue;
        widest = i;
        widest_bytes = bytes;
    }
    if (widest == SIZE_MAX || widest_bytes < 2 * target || others - widest_bytes > widest_bytes) return false;
    const struct stage_output *output = states[widest].output;
    int64_t pieces = (widest_bytes + target - 1) / target, share = widest_bytes / pieces + 1;
    size_t before = list->count;
    for (size_t first = 0; first < output->count;) {
        int64_t taken = slice_bytes(&output->outputs[first], partition);
        size_t end = first + 1;
        while (end < output->count) {
            int64_t next = slice_bytes(&output->outputs[end], partition);
            if (taken && taken + next / 2 > share) break;
            taken += next;
            end++;
        }
        struct task_message task = task_of_partitions(stage, partition, partition + 1, arena);
        task.inputs[widest].first_output = (int)first;
        task.inputs[widest].output_count = (int)(end - first);
        PF_ARENA_PUSH(arena, list->tasks, list->count, *capacity) = task;
        first = end;
    }
    return list->count > before;
}

/* Adjacent small partitions share a task; a very large one is shared by several. */
static void spread_over_partitions(const struct pf_stack *stack, const struct pf_stage *stage,
                                   const struct input_state *states, struct pf_arena *arena, struct task_list *list) {
    int partition_count = stage->input_partition_count > 0 ? stage->input_partition_count : 1;
    int64_t *bytes = PF_ARENA_ARRAY(arena, int64_t, (size_t)partition_count), total = 0;
    for (int p = 0; p < partition_count; p++) total += bytes[p] = partition_bytes(stage, states, p);
    int64_t target = total / ((int64_t)stack->options.worker_count * TASKS_PER_WORKER);
    /* Rows between stages are not compressed as data files are, but nothing has to be decoded either. */
    if (target < stack->options.task_size_bytes / 4) target = stack->options.task_size_bytes / 4;
    size_t capacity = 0;
    for (int first = 0; first < partition_count;) {
        int end = first + 1;
        int64_t taken = bytes[first];
        while (end < partition_count && taken + bytes[end] <= target) taken += bytes[end++];
        if (end > first + 1 || !split_partition(stage, states, first, target, arena, list, &capacity))
            PF_ARENA_PUSH(arena, list->tasks, list->count, capacity) = task_of_partitions(stage, first, end, arena);
        first = end;
    }
}

/* ---- whole ---- */

static enum pf_code make_inputs(struct pf_stack *stack, const struct lake_tables *tables,
                                const struct stage_outputs *outputs, const struct pf_fragment *fragment,
                                struct pf_arena *arena, struct task_list *list, struct input_state **out_states,
                                struct pf_error *err) {
    struct input_state *states = PF_ARENA_ARRAY(arena, struct input_state, fragment->input_count);
    list->message.sql = fragment->sql;
    list->message.input_count = fragment->input_count;
    list->message.inputs = PF_ARENA_ARRAY(arena, struct stage_input, fragment->input_count);
    for (size_t i = 0; i < fragment->input_count; i++) {
        PF_TRY(
            make_input(stack, tables, outputs, &fragment->inputs[i], arena, &list->message.inputs[i], &states[i], err));
        list->scan_bytes += states[i].files.size_bytes;
        if (fragment->inputs[i].kind != PF_INPUT_SCAN) continue;
        const struct lake_table *lake = find_lake_table(tables, fragment->inputs[i].scan_name);
        list->scan_files += (int64_t)states[i].files.count;
        list->skipped_files += lake->totals.file_count - (int64_t)states[i].files.count;
        list->skipped_rows += lake->totals.row_count - states[i].files.row_count;
    }
    *out_states = states;
    return PF_OK;
}

static void make_one(const struct pf_fragment *fragment, const struct input_state *states, struct pf_arena *arena,
                     struct task_list *list) {
    list->tasks = PF_ARENA_ARRAY(arena, struct task_message, 1);
    list->tasks[0] = empty_task(arena, fragment->input_count);
    list->count = 1;
    for (size_t i = 0; i < fragment->input_count; i++) {
        if (fragment->inputs[i].kind != PF_INPUT_SCAN || fragment->inputs[i].role == PF_ROLE_WHOLE) continue;
        struct task_input *all = &list->tasks[0].inputs[i];
        scan_take_all(&states[i].source, arena, &all->splits, &all->split_count, &all->deletes);
    }
}

enum pf_code make_tasks(struct pf_stack *stack, const struct lake_tables *tables, const struct stage_outputs *outputs,
                        const struct pf_stage *stage, struct pf_arena *arena, struct task_list *out_list,
                        struct pf_error *err) {
    struct task_list list = {0};
    struct input_state *states = NULL;
    PF_TRY(make_inputs(stack, tables, outputs, &stage->fragment, arena, &list, &states, err));
    list.message.partition_count = stage->partition_count;
    for (size_t i = 0; i < stage->key_column_count; i++)
        list.message.keys =
            pf_arena_printf(arena, "%.*s%s%d", PF_STR_ARG(list.message.keys), i ? "," : "", stage->key_columns[i]);
    size_t driving = 0;
    while (driving < stage->fragment.input_count && stage->fragment.inputs[driving].role != PF_ROLE_DRIVING) driving++;
    bool has_driving = driving < stage->fragment.input_count;
    if (stage->spread == PF_SPREAD_PARTITIONS) {
        spread_over_partitions(stack, stage, states, arena, &list);
    } else if (stage->spread == PF_SPREAD_ONE || !has_driving) {
        make_one(&stage->fragment, states, arena, &list);
    } else if (stage->fragment.inputs[driving].kind == PF_INPUT_SCAN) {
        spread_over_splits(stack, &states[driving].source, driving, arena, &list);
    } else {
        spread_over_producers(stack, states[driving].output, driving, arena, &list);
    }
    *out_list = list;
    return PF_OK;
}

enum pf_code make_single_task(struct pf_stack *stack, const struct lake_tables *tables,
                              const struct stage_outputs *outputs, const struct pf_fragment *fragment,
                              struct pf_arena *arena, struct task_list *out_list, struct pf_error *err) {
    struct task_list list = {0};
    struct input_state *states = NULL;
    PF_TRY(make_inputs(stack, tables, outputs, fragment, arena, &list, &states, err));
    list.message.partition_count = 1;
    make_one(fragment, states, arena, &list);
    *out_list = list;
    return PF_OK;
}

static void set_keys(const struct stage_output *output, const struct pf_stage *stage, struct pf_arena *arena,
                     struct pf_dataset *dataset) {
    struct pf_key_values *keys = PF_ARENA_ARRAY(arena, struct pf_key_values, stage->key_column_count);
    for (size_t i = 0; i < stage->key_column_count; i++) {
        struct pf_exchange_key_texts texts;
        if (!pf_exchange_merge_keys(output->outputs, output->count, stage->key_columns[i], arena, &texts)) continue;
        keys[dataset->key_count++] = (struct pf_key_values){.column = texts.column,
                                                            .type = texts.type,
                                                            .min = texts.min,
                                                            .max = texts.max,
                                                            .is_listed = texts.is_listed,
                                                            .values = texts.values,
                                                            .value_count = texts.value_count};
    }
    dataset->keys = keys;
}

struct pf_dataset dataset_of(const struct stage_output *output, const struct pf_stage *stage, struct pf_arena *arena) {
    int partition_count = stage->partition_count;
    struct pf_dataset dataset = {.stage_id = output->stage_id, .partition_count = partition_count};
    int64_t *rows = PF_ARENA_ARRAY(arena, int64_t, (size_t)partition_count);
    int64_t *bytes = PF_ARENA_ARRAY(arena, int64_t, (size_t)partition_count);
    for (size_t i = 0; i < output->count; i++) {
        const struct pf_exchange_output *one = &output->outputs[i];
        dataset.row_count += one->rows;
        dataset.size_bytes += one->raw_bytes;
        for (size_t k = 0; k < one->object_count; k++) {
            for (int p = 0; p < partition_count && p < one->partition_count; p++) {
                rows[p] += one->objects[k].slices[p].rows;
                bytes[p] += pf_exchange_slice_raw_bytes(&one->objects[k], p);
            }
        }
    }
    dataset.partition_rows = rows;
    dataset.partition_bytes = bytes;
    set_keys(output, stage, arena, &dataset);
    return dataset;
}
