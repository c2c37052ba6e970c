/* SPDX-License-Identifier: MIT */
#include "query/task.h"
#include "support/test.h"

#include <string.h>

static struct stage_input scan_input(struct pf_arena *arena) {
    struct stage_input input = {.kind = PF_INPUT_SCAN, .role = PF_ROLE_DRIVING};
    input.column_count = 2;
    input.columns = PF_ARENA_ARRAY(arena, struct task_column, 2);
    input.columns[0] = (struct task_column){PF_STR("a"), PF_STR("BIGINT"), 1};
    input.columns[1] = (struct task_column){PF_STR("odd \"name\""), PF_STR("DECIMAL(15,2)"), 2};
    return input;
}

TEST(renders_whole_files_in_one_read_and_parts_in_reads_of_their_own) {
    struct stage_input input = scan_input(test->arena);
    struct stage_message stage = {.sql = PF_STR("SELECT a FROM ${0}"), .inputs = &input, .input_count = 1};
    struct task_split splits[] = {
        {.path = PF_STR("/d/x'1.parquet"), .last_row = -1},
        {.path = PF_STR("/d/2"), .last_row = 99},
        {.path = PF_STR("/d/3"), .last_row = -1},
        {.path = PF_STR("/d/2"), .first_row = 100, .last_row = -1},
    };
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

TEST(renders_what_is_held_as_a_table) {
    struct stage_input input = scan_input(test->arena);
    input.column_count = 1;
    struct stage_message stage = {.sql = PF_STR("FROM ${0}"), .inputs = &input, .input_count = 1};
    struct task_split splits[] = {{.path = PF_STR("/d/1"), .last_row = -1, .held_as = PF_STR("hot.t1")},
                                  {.path = PF_STR("/d/2"), .last_row = -1},
                                  {.path = PF_STR("/d/3"), .first_row = 5, .last_row = 9, .held_as = PF_STR("hot.t2")}};
    struct task_input part = {.splits = splits, .split_count = 3};
    struct task_message task = {.inputs = &part, .input_count = 1};
    pf_str sql;
    CHECK_OK(task_render_sql(&stage, &task, PF_STR("t"), test->arena, &sql, &test->err));
    CHECK_STR(sql, "FROM (SELECT CAST(\"a\" AS BIGINT) AS \"a\" FROM read_parquet(['/d/2'], hive_partitioning=false) "
                   "UNION ALL SELECT CAST(\"a\" AS BIGINT) AS \"a\" FROM hot.t1 "
                   "UNION ALL SELECT CAST(\"a\" AS BIGINT) AS \"a\" FROM hot.t2)");
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

    struct task_split split = {.path = PF_STR("/f"), .first_row = 122880, .last_row = 245759};
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

/* Deleted rows by position, by vector and by key; the third split has none. */
static void add_deletes(struct stage_input *input, struct task_input *part, struct pf_arena *arena) {
    static uint32_t first[] = {0, 1, 2}, second[] = {2, 3};
    static int ids[] = {1}, more_ids[] = {1, 9};
    static const struct task_split splits[] = {
        {.path = PF_STR("/a"),
         .last_row = -1,
         .deletes = first,
         .delete_count = 3,
         .data_path = PF_STR("s3://b/a'"),
         .sequence_number = 1,
         .scope = 2},
        {.path = PF_STR("/b"),
         .first_row = 10,
         .last_row = 19,
         .deletes = second,
         .delete_count = 2,
         .data_path = PF_STR("s3://b/b"),
         .sequence_number = 4,
         .scope = 1},
        {.path = PF_STR("/c"), .last_row = -1},
    };
    static const struct task_delete deletes[] = {
        {.kind = TASK_DELETE_POSITIONS, .path = PF_STR("/p")},
        {.kind = TASK_DELETE_VECTOR, .path = PF_STR("/v"), .offset = 4, .size_bytes = 40, .row_count = 3},
        {.kind = TASK_DELETE_EQUALITY,
         .path = PF_STR("/e"),
         .sequence_number = 5,
         .field_ids = ids,
         .field_id_count = 1},
        {.kind = TASK_DELETE_EQUALITY,
         .path = PF_STR("/f"),
         .sequence_number = 6,
         .scope = 2,
         .field_ids = more_ids,
         .field_id_count = 2},
    };
    static const struct task_key keys[] = {{1, PF_STR("a"), PF_STR("BIGINT")},
                                           {9, PF_STR("pf_dropped_9"), PF_STR("VARCHAR")}};
    input->key_count = 2;
    input->keys = PF_ARENA_ARRAY(arena, struct task_key, 2);
    memcpy(input->keys, keys, sizeof keys);
    input->column_count = 1;
    part->split_count = 3;
    part->splits = PF_ARENA_ARRAY(arena, struct task_split, 3);
    memcpy(part->splits, splits, sizeof splits);
    part->deletes.count = 4;
    part->deletes.items = PF_ARENA_ARRAY(arena, struct task_delete, 4);
    memcpy(part->deletes.items, deletes, sizeof deletes);
}

TEST(deleted_rows_survive_the_way_to_a_worker_and_become_conditions_and_anti_joins) {
    struct stage_input input = scan_input(test->arena);
    struct stage_message stage = {.sql = PF_STR("FROM ${0}"), .inputs = &input, .input_count = 1};
    struct task_input part = {0};
    struct task_message task = {&part, 1}, task_again;
    struct stage_message stage_again;
    pf_str sql, sql_again;
    add_deletes(&input, &part, test->arena);
    CHECK_OK(task_render_sql(&stage, &task, PF_STR("t"), test->arena, &sql, &test->err));
    CHECK_OK(stage_message_decode(stage_message_encode(&stage, test->arena), test->arena, &stage_again, &test->err));
    CHECK_OK(task_message_decode(task_message_encode(&task, test->arena), test->arena, &task_again, &test->err));
    CHECK_OK(task_render_sql(&stage_again, &task_again, PF_STR("t"), test->arena, &sql_again, &test->err));
    CHECK_STR(sql_again, sql.ptr);
    CHECK_CONTAINS(sql,
                   "FROM (SELECT CAST(\"a\" AS BIGINT) AS \"a\" FROM read_parquet(['/c'], hive_partitioning=false)");
    CHECK_CONTAINS(sql, "WHERE lake_row_is_live('[[\"s3://b/a''\",[\"p\",\"/p\"],[\"v\",\"/v\",4,40,3]]]', "
                        "CAST(file_index AS BIGINT), file_row_number)");
    CHECK_CONTAINS(sql,
                   "read_parquet(['/b'], hive_partitioning=false, file_row_number=true) WHERE file_row_number >= 10 "
                   "AND file_row_number <= 19");
    CHECK_CONTAINS(sql, "ANTI JOIN (SELECT pf_k1, pf_scope, max(pf_sequence) AS pf_sequence FROM (SELECT pf_k1, "
                        "CAST(5 AS BIGINT) AS pf_sequence");
    CHECK_CONTAINS(sql, "d1 ON d1.pf_sequence > t.pf_sequence AND t.pf_k1 IS NOT DISTINCT FROM d1.pf_k1 AND t.pf_k9 IS "
                        "NOT DISTINCT FROM d1.pf_k9 AND t.pf_scope = d1.pf_scope)");
}

TEST(a_split_with_a_delete_that_is_not_there_is_refused) {
    struct task_message task;
    CHECK_FAILS(task_message_decode(PF_STR("[{\"splits\":[[\"/a\",0,-1,9,\"x\",1,-1,\"\",0,0]],\"deletes\":[]}]"),
                                    test->arena, &task, &test->err),
                PF_INVALID, "a split has delete 0 of 0");
    CHECK_FAILS(
        task_message_decode(PF_STR("[{\"splits\":[],\"deletes\":[[7,\"/a\"]]}]"), test->arena, &task, &test->err),
        PF_INVALID, "a delete of kind 7");
}
