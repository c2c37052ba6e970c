/* SPDX-License-Identifier: MIT */
#include "query/run_task.h"

#include "base/clock.h"
#include "base/json.h"
#include "query/describe_files.h"
#include "query/exchange_media.h"
#include "query/write_json.h"
#include "query/write_task.h"

/* The outputs of one input: all producers, or this task's share of them. */
static enum pf_code decode_outputs(const struct stage_input *input, const struct task_input *share,
                                   struct pf_arena *arena, struct pf_exchange_output **out_outputs, size_t *out_count,
                                   struct pf_error *err) {
    pf_json *root = NULL;
    PF_TRY(pf_json_parse(input->outputs_json, arena, "outputs of a stage", &root, err));
    size_t count = 0, capacity = 0;
    struct pf_exchange_output *outputs = NULL;
    size_t first = share->output_count < 0 ? 0 : (size_t)share->first_output;
    size_t end = share->output_count < 0 ? SIZE_MAX : first + (size_t)share->output_count;
    for (struct pf_json_each each = pf_json_each(root); pf_json_next(&each);) {
        /* One at least is decoded: it knows the columns. */
        if ((each.index < first || each.index >= end) && !(each.index == 0 && first == end)) continue;
        struct pf_exchange_output output;
        pf_str json = pf_json_as_str(each.value, PF_STR_EMPTY);
        PF_TRY(pf_exchange_output_decode(json, arena, &output, err));
        if (first == end) output.object_count = 0;
        PF_ARENA_PUSH(arena, outputs, count, capacity) = output;
    }
    if (count == 0) PF_FAIL(err, PF_BUG, "a dataset has no outputs");
    *out_outputs = outputs;
    *out_count = count;
    return PF_OK;
}

static enum pf_code bind_input(struct pf_exchange *exchange, const struct stage_input *input,
                               const struct task_input *share, pf_str name, struct pf_arena *arena,
                               struct pf_error *err) {
    struct pf_exchange_input bound = {.name = name};
    struct pf_exchange_output *outputs = NULL;
    PF_TRY(decode_outputs(input, share, arena, &outputs, &bound.output_count, err));
    bound.outputs = outputs;
    bound.schema = outputs[0].schema;
    if (input->role == PF_ROLE_ALIGNED) {
        bound.first_partition = share->first_partition;
        bound.partition_count = share->partition_count;
    }
    return pf_exchange_bind_input(exchange, &bound, err);
}

static pf_str input_name(pf_str prefix, size_t index, struct pf_arena *arena) {
    return pf_arena_printf(arena, "%.*s.%zu", PF_STR_ARG(prefix), index);
}

enum pf_code bind_inputs(struct pf_exchange *exchange, const struct stage_message *stage,
                         const struct task_message *task, pf_str prefix, struct pf_arena *arena, struct pf_error *err) {
    for (size_t i = 0; i < stage->input_count; i++) {
        if (stage->inputs[i].kind != PF_INPUT_DATASET) continue;
        enum pf_code code =
            bind_input(exchange, &stage->inputs[i], &task->inputs[i], input_name(prefix, i, arena), arena, err);
        if (code != PF_OK) {
            unbind_inputs(exchange, i, prefix);
            return code;
        }
    }
    return PF_OK;
}

void unbind_inputs(struct pf_exchange *exchange, size_t input_count, pf_str prefix) {
    struct pf_arena *arena = pf_arena_new(NULL, "unbind");
    for (size_t i = 0; i < input_count; i++) pf_exchange_unbind_input(exchange, input_name(prefix, i, arena));
    pf_arena_free(arena);
}

void add_input_reads(struct pf_exchange *exchange, size_t input_count, pf_str prefix, struct pf_exchange_use *sum) {
    struct pf_arena *arena = pf_arena_new(NULL, "input reads");
    struct pf_exchange_reads reads = {0};
    for (size_t i = 0; i < input_count; i++) pf_exchange_add_reads(exchange, input_name(prefix, i, arena), &reads);
    exchange_use_add_reads(sum, &reads);
    pf_arena_free(arena);
}

static enum pf_code copy_to_exchange(const struct task_run *run, pf_str fragment, pf_str path, struct pf_arena *arena,
                                     struct pf_error *err) {
    pf_str sql = pf_arena_printf(
        arena, "COPY (%.*s) TO %s (FORMAT exchange, OUTPUT %s, PARTITIONS %d%s%s, PER_THREAD_OUTPUT true)",
        PF_STR_ARG(fragment), pf_sql_quote_text(path, arena).ptr, pf_sql_quote_text(run->prefix, arena).ptr,
        run->stage->partition_count, run->stage->keys.len ? ", KEYS " : "",
        run->stage->keys.len ? pf_sql_quote_text(run->stage->keys, arena).ptr : "");
    return pf_session_run(run->session, sql, err);
}

/* Into the exchange at `path`, or to files. */
static enum pf_code run_fragment(const struct task_run *run, pf_str path, struct data_files *written,
                                 struct pf_arena *arena, struct task_reads *out_reads, struct pf_error *err) {
    pf_str fragment = PF_STR_EMPTY;
    struct task_files files;
    struct stage_message stage;
    struct task_message task;
    PF_TRY(task_files_acquire(&run->files, run->stage, run->task, arena, &files, err));
    enum pf_code code = describe_files(run->session, &files.stage, &files.task, arena, &stage, &task, err);
    if (code == PF_OK) code = task_render_sql(&stage, &task, run->prefix, arena, &fragment, err);
    if (code == PF_OK) {
        code = run->stage->write ? write_task_files(run, fragment, written, arena, err)
                                 : copy_to_exchange(run, fragment, path, arena, err);
    }
    if (code != PF_OK) pf_cache_name_objects(files.hold, err);
    *out_reads = files.reads;
    task_files_release(&files);
    return code;
}

/* The output is in the exchange. */
static enum pf_code run_to_exchange(const struct task_run *run, struct pf_arena *arena, struct task_result *result,
                                    struct pf_error *err) {
    pf_str path;
    struct pf_exchange_output output;
    PF_TRY(pf_exchange_begin_output(run->exchange, run->prefix, run->key, arena, &path, err));
    enum pf_code code = run_fragment(run, path, NULL, arena, &result->store_reads, err);
    if (code == PF_OK) code = pf_exchange_take_output(run->exchange, run->prefix, arena, &output, err);
    if (code != PF_OK) {
        pf_exchange_drop_output(run->exchange, run->prefix);
        return code;
    }
    result->rows = output.rows;
    result->bytes = output.size_bytes;
    return pf_exchange_output_encode(&output, arena, &result->output_json, err);
}

static enum pf_code run_to_files(const struct task_run *run, struct pf_arena *arena, struct task_result *result,
                                 struct pf_error *err) {
    struct data_files written = {0};
    PF_TRY(run_fragment(run, PF_STR_EMPTY, &written, arena, &result->store_reads, err));
    for (size_t i = 0; i < written.count; i++) {
        result->rows += written.items[i].row_count;
        result->bytes += written.items[i].size_bytes;
    }
    result->output_json = written_encode(&written, arena);
    return PF_OK;
}

enum pf_code run_task(const struct task_run *run, struct pf_arena *arena, struct task_result *out_result,
                      struct pf_error *err) {
    int64_t started_ns = pf_clock_mono_ns();
    struct task_result result = {0};
    PF_TRY(bind_inputs(run->exchange, run->stage, run->task, run->prefix, arena, err));
    enum pf_code code =
        run->stage->write ? run_to_files(run, arena, &result, err) : run_to_exchange(run, arena, &result, err);
    add_input_reads(run->exchange, run->stage->input_count, run->prefix, &result.exchange_reads);
    unbind_inputs(run->exchange, run->stage->input_count, run->prefix);
    PF_TRY(code);
    result.wall_us = (pf_clock_mono_ns() - started_ns) / 1000;
    *out_result = result;
    return PF_OK;
}
