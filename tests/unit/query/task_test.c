/* SPDX-License-Identifier: MIT */
#include "query/task.h"
#include "support/test.h"

static struct stage_input scan_input(struct pf_arena *arena) {
    struct stage_input input = {.kind = PF_INPUT_SCAN, .role = PF_ROLE_DRIVING};
    input.column_count = 2;
    input.columns = PF_ARENA_ARRAY(arena, struct task_column, 2);
    input.columns[0] = (struct task_column){PF_STR("a"), PF_STR("BIGINT")};
    input.columns[1] = (struct task_column){PF_STR("odd \"name\""), PF_STR("DECIMAL(15,2)")};
    return input;
}

TEST(renders_whole_files_in_one_read_and_parts_in_reads_of_their_own) {
    struct stage_input input = scan_input(test->arena);
    struct stage_message stage = {.sql = PF_STR("SELECT a FROM ${0}"), .inputs = &input, .input_count = 1};
    struct task_split splits[] = {
        {PF_STR("/d/x'1.parquet"), 0, -1}, {PF_STR("/d/2"), 0, 99}, {PF_STR("/d/3"), 0, -1}, {PF_STR("/d/2"), 100, -1}};
    struct task_input part = {.splits = splits, .split_count = 4};
    struct task_message task = {&part, 1};
    pf_str sql;
    CHECK_OK(task_render_sql(&stage, &task, PF_STR("t"), test->arena, &sql, &test->err));
    CHECK_STR(sql,
              "SELECT a FROM (SELECT CAST(\"a\" AS BIGINT) AS \"a\", CAST(\"odd \"\"name\"\"\" AS DECIMAL(15,2)) AS "
              "\"odd \"\"name\"\"\" FROM read_parquet(['/d/x''1.parquet','/d/3'], hive_partitioning=false) UNION ALL "
              "SELECT CAST(\"a\" AS "
              "BIGINT) AS \"a\", CAST(\"odd \"\"name\"\"\" AS DECIMAL(15,2)) AS \"odd \"\"name\"\"\" FROM "
              "read_parquet(['/d/2'], hive_partitioning=false, file_row_number=true) WHERE file_row_number >= 0 AND "
              "file_row_number <= 99 "
              "UNION ALL SELECT CAST(\"a\" AS BIGINT) AS \"a\", CAST(\"odd \"\"name\"\"\" AS DECIMAL(15,2)) AS "
              "\"odd \"\"name\"\"\" FROM read_parquet(['/d/2'], hive_partitioning=false, file_row_number=true) WHERE "
              "file_row_number >= "
              "100)");
}

TEST(renders_a_scan_without_files_as_typed_nothing) {
    struct stage_input input = scan_input(test->arena);
    input.column_count = 1;
    struct stage_message stage = {.sql = PF_STR("FROM ${0}"), .inputs = &input, .input_count = 1};
    struct task_input part = {0};
    struct task_message task = {&part, 1};
    pf_str sql;
    CHECK_OK(task_render_sql(&stage, &task, PF_STR("t"), test->arena, &sql, &test->err));
    CHECK_STR(sql, "FROM (SELECT CAST(NULL AS BIGINT) AS \"a\" WHERE false)");
}

TEST(leaves_places_inside_quotes_alone) {
    struct stage_input input = {.kind = PF_INPUT_DATASET, .role = PF_ROLE_ALIGNED};
    struct stage_message stage = {
        .sql = PF_STR("SELECT '${0}', 'it''s ${0}', \"${0}\", $1, '$' FROM ${0}"), .inputs = &input, .input_count = 1};
    struct task_input part = {0};
    struct task_message task = {&part, 1};
    pf_str sql;
    CHECK_OK(task_render_sql(&stage, &task, PF_STR("t7"), test->arena, &sql, &test->err));
    CHECK_STR(sql, "SELECT '${0}', 'it''s ${0}', \"${0}\", $1, '$' FROM exchange_read('t7.0')");
}

TEST(refuses_a_place_without_input) {
    struct stage_message stage = {.sql = PF_STR("SELECT * FROM ${3}")};
    struct task_message task = {0};
    pf_str sql;
    CHECK_CODE(task_render_sql(&stage, &task, PF_STR("t"), test->arena, &sql, &test->err), PF_BUG);
}

TEST(stage_and_task_survive_encoding) {
    struct stage_input inputs[2] = {scan_input(test->arena), {.kind = PF_INPUT_DATASET, .role = PF_ROLE_ALIGNED}};
    inputs[0].read_options = PF_STR(", schema := MAP{1: {name: 'a'}}");
    inputs[1].outputs_json = PF_STR("[\"{}\"]");
    inputs[1].partition_count = 16;
    struct stage_message stage = {
        .sql = PF_STR("SELECT '\"\\'"), .partition_count = 4, .inputs = inputs, .input_count = 2};
    struct stage_message read;
    CHECK_OK(stage_message_decode(stage_message_encode(&stage, test->arena), test->arena, &read, &test->err));
    CHECK_STR(read.sql, "SELECT '\"\\'");
    CHECK_INT(read.partition_count, 4);
    CHECK_INT(read.input_count, 2);
    CHECK_STR(read.inputs[0].read_options, ", schema := MAP{1: {name: 'a'}}");
    CHECK_STR(read.inputs[0].columns[1].name, "odd \"name\"");
    CHECK_STR(read.inputs[1].outputs_json, "[\"{}\"]");
    CHECK_INT(read.inputs[1].partition_count, 16);

    struct task_split split = {PF_STR("/f"), 122880, 245759};
    struct task_input parts[2] = {{.splits = &split, .split_count = 1, .output_count = -1},
                                  {.first_partition = 3, .partition_count = 2, .first_output = 1, .output_count = 5}};
    struct task_message task = {parts, 2}, task_read;
    CHECK_OK(task_message_decode(task_message_encode(&task, test->arena), test->arena, &task_read, &test->err));
    CHECK_INT(task_read.inputs[0].splits[0].first_row, 122880);
    CHECK_INT(task_read.inputs[0].splits[0].last_row, 245759);
    CHECK_INT(task_read.inputs[0].output_count, -1);
    CHECK_INT(task_read.inputs[1].first_partition, 3);
    CHECK_INT(task_read.inputs[1].partition_count, 2);
    CHECK_INT(task_read.inputs[1].output_count, 5);
}

TEST(refuses_messages_that_are_not_ours) {
    struct stage_message stage;
    struct task_message task;
    CHECK_CODE(stage_message_decode(PF_STR("{}"), test->arena, &stage, &test->err), PF_INVALID);
    CHECK_CODE(stage_message_decode(PF_STR("{\"sql\":\"x\",\"inputs\":[{\"kind\":9,\"role\":0}]}"), test->arena, &stage,
                                    &test->err),
               PF_INVALID);
    CHECK_CODE(task_message_decode(PF_STR("[{\"splits\":[[1]]}]"), test->arena, &task, &test->err), PF_INVALID);
    CHECK_CODE(task_message_decode(PF_STR(""), test->arena, &task, &test->err), PF_INVALID);
}
