/* SPDX-License-Identifier: MIT */
/* The planner on a command line, for tests that run what it plans (tests/roundtrip/run).
 *
 *   planner_tool optimizers                            what must be switched off when plans are recorded
 *   planner_tool sql PLAN ESTIMATES FACTS              prints the plan as one statement
 *   planner_tool tree PLAN ESTIMATES FACTS             prints the plan as a tree
 *   planner_tool explain PLAN ESTIMATES FACTS [OPTION=N...]   prints all steps, with estimates
 *   planner_tool run PLAN ESTIMATES FACTS [OPTION=N...]       prints one step as a JSON line; for each of its stages
 *       reads a JSON line {"id","partitions","rows","bytes","keys":[{"column","type","min","max","values"}]}; and so on
 *       until the last step
 *
 * FACTS: lines "scan_name rows bytes files". */
#include "base/file.h"
#include "base/json.h"
#include "planner/planner.h"

#include <stdio.h>
#include <string.h>

static int fail(enum pf_code code, const struct pf_error *err) {
    printf("ERROR %s %s (%s)\n", pf_code_name(code), err->message, err->origin);
    return code == PF_UNSUPPORTED ? 3 : 2;
}

static enum pf_code read_facts(const char *path, struct pf_arena *arena, struct pf_table_facts **out, size_t *out_count,
                               struct pf_error *err) {
    pf_str text, line;
    PF_TRY(pf_file_read(path, 1 << 20, arena, &text, err));
    size_t capacity = 0;
    while (pf_str_next(&text, '\n', &line)) {
        pf_str field[4] = {PF_STR_EMPTY, PF_STR_EMPTY, PF_STR_EMPTY, PF_STR_EMPTY};
        for (int i = 0; i < 4 && pf_str_next(&line, ' ', &field[i]);) i++;
        struct pf_table_facts facts = {.scan_name = field[0]};
        int64_t files;
        if (!pf_str_to_i64(field[1], &facts.row_count) || !pf_str_to_i64(field[2], &facts.size_bytes) ||
            !pf_str_to_i64(field[3], &files))
            continue;
        facts.file_count = (int)files;
        PF_ARENA_PUSH(arena, *out, *out_count, capacity) = facts;
    }
    return PF_OK;
}

static void put_input(struct pf_json_out *out, const struct pf_input *input) {
    static const char *const ROLES[] = {"driving", "aligned", "whole"};
    pf_json_open_object(out);
    pf_json_field_str(out, "role", pf_str_from_cstr(ROLES[input->role]));
    if (input->kind == PF_INPUT_SCAN)
        pf_json_field_str(out, "scan", input->scan_name);
    else
        pf_json_field_i64(out, "stage", input->stage_id);
    pf_json_field_bool(out, "may_split", input->may_split);
    if (input->predicate_count) {
        pf_json_key(out, "predicates");
        pf_json_open_array(out);
        for (size_t i = 0; i < input->predicate_count; i++) {
            pf_json_open_array(out);
            pf_json_put_str(out, input->predicates[i].column);
            pf_json_put_i64(out, input->predicates[i].kind);
            for (size_t v = 0; v < input->predicates[i].value_count; v++) {
                pf_json_put_str(out, input->predicates[i].values[v].type);
                pf_json_put_str(out, input->predicates[i].values[v].text);
            }
            pf_json_close_array(out);
        }
        pf_json_close_array(out);
    }
    pf_json_close_object(out);
}

static void put_fragment(struct pf_json_out *out, const struct pf_fragment *fragment) {
    pf_json_field_str(out, "sql", fragment->sql);
    pf_json_field_bool(out, "ordered", fragment->is_ordered);
    pf_json_key(out, "inputs");
    pf_json_open_array(out);
    for (size_t i = 0; i < fragment->input_count; i++) put_input(out, &fragment->inputs[i]);
    pf_json_close_array(out);
}

static void put_step(const struct pf_step *step) {
    static const char *const SPREADS[] = {"one", "splits", "partitions"};
    static const char *const KINDS[] = {"stages", "last", "one_place"};
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, 1 << 28);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_str(&out, "kind", pf_str_from_cstr(KINDS[step->kind]));
    pf_json_field_str(&out, "reason", step->reason.is_natural ? PF_STR_EMPTY : step->reason.why);
    if (step->kind == PF_STEP_LAST) put_fragment(&out, &step->last);
    pf_json_key(&out, "stages");
    pf_json_open_array(&out);
    for (size_t i = 0; i < step->stage_count; i++) {
        const struct pf_stage *stage = &step->stages[i];
        pf_json_open_object(&out);
        pf_json_field_i64(&out, "id", stage->id);
        pf_json_field_str(&out, "spread", pf_str_from_cstr(SPREADS[stage->spread]));
        pf_json_field_i64(&out, "input_partitions", stage->input_partition_count);
        pf_json_field_i64(&out, "partitions", stage->partition_count);
        pf_json_field_str(&out, "title", stage->title);
        pf_json_field_str(&out, "single_reason", stage->single_reason.why);
        pf_json_field_i64(&out, "estimated_rows", stage->estimated_rows);
        pf_json_key(&out, "keys");
        pf_json_open_array(&out);
        for (size_t k = 0; k < stage->key_column_count; k++) pf_json_put_i64(&out, stage->key_columns[k]);
        pf_json_close_array(&out);
        put_fragment(&out, &stage->fragment);
        pf_json_close_object(&out);
    }
    pf_json_close_array(&out);
    pf_json_close_object(&out);
    pf_buf_put_char(&buf, '\n');
    fwrite(buf.ptr, 1, buf.len, stdout);
    fflush(stdout);
    pf_buf_clear(&buf);
}

static void read_keys(pf_json *list, struct pf_arena *arena, struct pf_dataset *dataset) {
    struct pf_key_values *keys = PF_ARENA_ARRAY(arena, struct pf_key_values, pf_json_count(list));
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        struct pf_key_values *one = &keys[dataset->key_count++];
        pf_json *values = pf_json_get(each.value, "values");
        *one = (struct pf_key_values){.column = (int)pf_json_get_i64(each.value, "column", -1),
                                      .type = pf_json_get_str(each.value, "type", PF_STR_EMPTY),
                                      .min = pf_json_get_str(each.value, "min", PF_STR_EMPTY),
                                      .max = pf_json_get_str(each.value, "max", PF_STR_EMPTY),
                                      .is_listed = values != NULL};
        one->values = PF_ARENA_ARRAY(arena, pf_str, pf_json_count(values));
        for (struct pf_json_each value = pf_json_each(values); pf_json_next(&value);)
            one->values[one->value_count++] = pf_json_as_str(value.value, PF_STR_EMPTY);
    }
    dataset->keys = keys;
}

static bool read_dataset(struct pf_arena *arena, int *out_stage_id, struct pf_dataset *out_dataset) {
    static char line[1 << 20];
    pf_json *json;
    struct pf_error err;
    if (!fgets(line, sizeof line, stdin) ||
        pf_json_parse(pf_arena_str(arena, pf_str_from_cstr(line)), arena, "dataset", &json, &err) != PF_OK)
        return false;
    *out_stage_id = (int)pf_json_get_i64(json, "id", 0);
    *out_dataset = (struct pf_dataset){.stage_id = *out_stage_id,
                                       .partition_count = (int)pf_json_get_i64(json, "partitions", 1),
                                       .row_count = pf_json_get_i64(json, "rows", 0),
                                       .size_bytes = pf_json_get_i64(json, "bytes", 0)};
    read_keys(pf_json_get(json, "keys"), arena, out_dataset);
    return true;
}

static int run_steps(const struct pf_plan *plan, const struct pf_planner_options *options, struct pf_arena *arena) {
    struct pf_error err;
    int next_stage = 1;
    for (int round = 0; round < 1000; round++) {
        struct pf_step step;
        enum pf_code code = pf_planner_next(plan, options, next_stage, arena, &step, &err);
        if (code != PF_OK) return fail(code, &err);
        put_step(&step);
        if (step.kind != PF_STEP_STAGES) return 0;
        for (size_t i = 0; i < step.stage_count; i++) {
            int id;
            struct pf_dataset dataset;
            if (!read_dataset(arena, &id, &dataset)) return 1;
            for (size_t s = 0; s < step.stage_count; s++)
                if (step.stages[s].id == id) plan = pf_planner_replace(plan, &step.stages[s], &dataset, arena);
        }
        next_stage += (int)step.stage_count;
    }
    printf("ERROR the plan never ends\n");
    return 1;
}

static void read_option(struct pf_planner_options *options, const char *text) {
    pf_str rest = pf_str_from_cstr(text), name;
    int64_t value;
    if (!pf_str_next(&rest, '=', &name) || !pf_str_to_i64(rest, &value)) return;
    if (pf_str_equal(name, PF_STR("workers"))) options->worker_count = (int)value;
    if (pf_str_equal(name, PF_STR("target"))) options->partition_target_bytes = value;
    if (pf_str_equal(name, PF_STR("broadcast"))) options->broadcast_max_bytes = value;
    if (pf_str_equal(name, PF_STR("replicate"))) options->replicated_scan_max_bytes = value;
    if (pf_str_equal(name, PF_STR("keys"))) options->key_filter_min_bytes = value;
    if (pf_str_equal(name, PF_STR("partitions"))) options->max_partitions = (int)value;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "optimizers") == 0) return fputs(pf_planner_disabled_optimizers(), stdout) < 0;
    if (argc < 5) return 2;
    struct pf_arena *arena = pf_arena_new(NULL, "planner_tool");
    struct pf_error err;
    struct pf_table_facts *facts = NULL;
    size_t fact_count = 0;
    pf_str plan_json, estimates = PF_STR_EMPTY;
    enum pf_code code = pf_file_read(argv[2], 1 << 28, arena, &plan_json, &err);
    if (code == PF_OK && pf_file_read(argv[3], 1 << 28, arena, &estimates, &err) != PF_OK) estimates = PF_STR_EMPTY;
    if (code == PF_OK) code = read_facts(argv[4], arena, &facts, &fact_count, &err);
    struct pf_plan *plan = NULL;
    if (code == PF_OK) code = pf_planner_read(plan_json, estimates, facts, fact_count, arena, &plan, &err);
    struct pf_planner_options options;
    pf_planner_default_options(&options);
    for (int i = 5; i < argc; i++) read_option(&options, argv[i]);
    int status = 0;
    if (code == PF_OK && strcmp(argv[1], "run") == 0)
        status = run_steps(plan, &options, arena);
    else if (code == PF_OK) {
        struct pf_buf buf;
        pf_buf_init(&buf, 1 << 28);
        pf_str text = PF_STR_EMPTY;
        if (strcmp(argv[1], "sql") == 0)
            code = pf_planner_print_sql(plan, arena, &text, &err);
        else if (strcmp(argv[1], "tree") == 0)
            pf_op_print(plan->root, &buf);
        else
            code = pf_planner_explain(plan, &options, &buf, &err);
        if (!text.len) text = pf_buf_view(&buf);
        if (code == PF_OK) fwrite(text.ptr, 1, text.len, stdout);
        pf_buf_clear(&buf);
    }
    if (code != PF_OK) status = fail(code, &err);
    pf_arena_free(arena);
    return status;
}
