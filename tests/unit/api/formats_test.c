/* SPDX-License-Identifier: MIT */
#include "api/formats.h"

#include "base/json.h"
#include "support/test.h"

/* The whole result of a statement as text. */
static pf_str written(struct pf_test *test, const char *format, const char *sql) {
    struct pf_engine *engine = NULL;
    struct pf_session *session = NULL;
    struct pf_rows *rows = NULL;
    struct result_writer writer;
    const struct pf_chunk *chunk = NULL;
    struct pf_query_stats stats = {.route = PF_ROUTE_LOCAL, .reason = PF_STR("test")};
    struct pf_buf out;
    size_t count;
    pf_buf_init(&out, 1 << 24);
    CHECK_OK(pf_engine_open(&(struct pf_engine_options){.threads = 1, .keep_order = true}, &engine, &test->err));
    CHECK_OK(pf_session_open(engine, &session, &test->err));
    CHECK_OK(pf_session_query(session, pf_str_from_cstr(sql), &rows, &test->err));
    const struct pf_column *columns = pf_rows_columns(rows, &count);
    begin_result(&writer, find_format(pf_str_from_cstr(format)), columns, count, PF_STR("q1"), test->arena);
    writer.format->head(&writer, &out);
    writer.format->begin(&writer, &out);
    for (;;) {
        CHECK_OK(pf_rows_next(rows, &chunk, &test->err));
        if (!chunk) break;
        for (uint64_t row = 0; row < chunk->row_count; row++) {
            writer.format->row(&writer, chunk, row, &out);
            writer.row_count++;
        }
    }
    writer.format->finish(&writer, &out);
    writer.format->tail(&writer, &stats, &out);
    pf_str text = pf_arena_str(test->arena, pf_buf_view(&out));
    pf_buf_clear(&out);
    pf_rows_close(rows);
    pf_session_close(session);
    pf_engine_close(engine);
    return text;
}

TEST(quotes_csv_as_rfc_4180_does) {
    CHECK_STR(
        written(test, "csv", "SELECT 'plain' AS a, 'with,comma' AS \"b,c\", 'with\"quote' AS d, e'two\\nlines' AS e"),
        "a,\"b,c\",d,e\r\nplain,\"with,comma\",\"with\"\"quote\",\"two\nlines\"\r\n");
    CHECK_STR(written(test, "csv", "SELECT NULL::VARCHAR AS a, '' AS b, ' x ' AS c, '\"' AS d, 'x' AS e"),
              "a,b,c,d,e\r\n,\"\",\" x \",\"\"\"\",x\r\n");
    CHECK_STR(written(test, "csv", "SELECT NULL AS a"), "a\r\n\"\"\r\n");
    CHECK_STR(written(test, "csv", "SELECT 1 AS a WHERE false"), "a\r\n");
    CHECK_STR(written(test, "csv", "SELECT [1, 2] AS list, {'a': 'x'} AS s, 1.50::DECIMAL(9,2) AS d"),
              "list,s,d\r\n\"[1, 2]\",{'a': x},1.50\r\n");
}

TEST(writes_every_type_as_json_that_parses) {
    pf_str text = written(
        test, "json",
        "SELECT true AS b, (-128)::TINYINT AS t, 255::UTINYINT AS ut, 9223372036854775807 AS big, "
        "170141183460469231731687303715884105727::HUGEINT AS huge, 1.5::FLOAT AS f, 0.1::DOUBLE AS d, "
        "'nan'::DOUBLE AS nan, '-inf'::DOUBLE AS inf, 123456789012345678.90::DECIMAL(38,2) AS dec, "
        "'\"\\é🐧' || chr(1) AS s, '\\x00\\xFF'::BLOB AS blob, '10101'::BIT AS bit, DATE '2024-02-29' AS date, "
        "TIME '12:34:56.789' AS time, TIMESTAMP '2024-01-02 03:04:05.678901' AS ts, INTERVAL '1 month 2 days' AS i, "
        "'5c0d2b9e-0f7a-4d5b-9c55-0a1b2c3d4e5f'::UUID AS uuid, 'b'::ENUM('a', 'b') AS e, [1, NULL, 3] AS l, "
        "[1, 2]::INTEGER[2] AS a, {'x': 1, 'y': {'z': NULL}} AS st, MAP {'k': [1]} AS m, NULL AS n, "
        "'0044-03-15 (BC)'::DATE AS bc, 'infinity'::DATE AS never");
    pf_json *root;
    CHECK_OK(pf_json_parse(text, test->arena, "answer", &root, &test->err));
    CHECK_STR(pf_json_get_str(root, "query_id", PF_STR_EMPTY), "q1");
    CHECK_UINT(pf_json_count(pf_json_get(root, "columns")), 26);
    CHECK_UINT(pf_json_count(pf_json_get(root, "rows")), 1);
    CHECK_INT(pf_json_get_i64(pf_json_get(root, "stats"), "rows", 0), 1);
    CHECK_CONTAINS(text, "170141183460469231731687303715884105727");
    CHECK_CONTAINS(text, "123456789012345678.90");
    CHECK_CONTAINS(text, "\"2024-02-29\"");
    CHECK_CONTAINS(text, "{\"x\":1,\"y\":{\"z\":null}}");
    CHECK_CONTAINS(text, "[1,null,3]");
}

TEST(writes_an_object_a_row_with_unique_keys) {
    CHECK_STR(written(test, "ndjson", "SELECT 1 AS a, 'x' AS a, NULL AS \"a_1\" UNION ALL SELECT 2, 'y', NULL"),
              "{\"a\":1,\"a_1\":\"x\",\"a_1_1\":null}\n{\"a\":2,\"a_1\":\"y\",\"a_1_1\":null}\n");
    CHECK_STR(written(test, "ndjson", "SELECT 1 WHERE false"), "");
}

TEST(keeps_json_valid_with_no_rows_and_with_a_late_error) {
    pf_json *root;
    CHECK_OK(
        pf_json_parse(written(test, "json", "SELECT 1 AS a WHERE false"), test->arena, "empty", &root, &test->err));
    CHECK_UINT(pf_json_count(pf_json_get(root, "rows")), 0);

    struct result_writer writer;
    struct pf_buf out;
    pf_buf_init(&out, 1 << 16);
    begin_result(&writer, find_format(PF_STR("json")), NULL, 0, PF_STR("q1"), test->arena);
    writer.format->head(&writer, &out);
    writer.format->begin(&writer, &out);
    CHECK_TRUE(writer.format->fail(&writer, PF_STR("{\"code\":\"REMOTE\"}"), &out));
    CHECK_OK(pf_json_parse(pf_buf_view(&out), test->arena, "failed", &root, &test->err));
    CHECK_STR(pf_json_get_str(pf_json_get(root, "error"), "code", PF_STR_EMPTY), "REMOTE");
    pf_buf_reset(&out);
    begin_result(&writer, find_format(PF_STR("ndjson")), NULL, 0, PF_STR("q1"), test->arena);
    CHECK_TRUE(writer.format->fail(&writer, PF_STR("{\"code\":\"REMOTE\"}"), &out));
    CHECK_STR(pf_buf_view(&out), "{\"error\":{\"code\":\"REMOTE\"}}\n");
    begin_result(&writer, find_format(PF_STR("csv")), NULL, 0, PF_STR("q1"), test->arena);
    CHECK_FALSE(writer.format->fail(&writer, PF_STR("{}"), &out));
    pf_buf_clear(&out);
}
