/* SPDX-License-Identifier: MIT */
#include "engine_support.h"

static pf_str parsed(struct pf_test *test, const char *sql) {
    const struct pf_type *type;
    CHECK_OK(pf_type_parse(pf_str_from_cstr(sql), test->arena, &type, &test->err));
    return type->sql;
}

TEST(reads_types_and_prints_them_alike) {
    static const char *const SAME[] = {"INTEGER",
                                       "DECIMAL(15,2)",
                                       "VARCHAR[]",
                                       "INTEGER[3]",
                                       "DECIMAL(38,0)[][2]",
                                       "JSON",
                                       "TIMESTAMPTZ",
                                       "\"NULL\"",
                                       "STRUCT(\"a\" INTEGER, \"b c\" VARCHAR[])",
                                       "MAP(VARCHAR, STRUCT(\"x\" DOUBLE))",
                                       "UNION(\"num\" INTEGER, \"str\" VARCHAR)",
                                       "ENUM('a', 'b''c')",
                                       "GEOMETRY",
                                       "BIGNUM",
                                       "TIME_NS"};
    for (size_t i = 0; i < sizeof SAME / sizeof *SAME; i++) CHECK_STR(parsed(test, SAME[i]), SAME[i]);
    CHECK_STR(parsed(test, "int"), "INTEGER");
    CHECK_STR(parsed(test, "timestamp with time zone"), "TIMESTAMPTZ");
    CHECK_STR(parsed(test, "numeric(10)"), "DECIMAL(10,0)");
    CHECK_STR(parsed(test, "struct(a int)"), "STRUCT(\"a\" INTEGER)");
    CHECK_STR(parsed(test, "VARCHAR(20)"), "VARCHAR");
}

TEST(refuses_what_is_not_a_type) {
    static const char *const BAD[] = {"",
                                      "INTEGERS",
                                      "DECIMAL(39,1)",
                                      "DECIMAL(4,5)",
                                      "INTEGER[",
                                      "STRUCT()",
                                      "MAP(INTEGER)",
                                      "ENUM(a)",
                                      "INTEGER INTEGER",
                                      "LIST",
                                      "INTEGER); DROP TABLE x",
                                      "INTEGER[0]"};
    const struct pf_type *type;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        CHECK_FAILS(pf_type_parse(pf_str_from_cstr(BAD[i]), test->arena, &type, &test->err), PF_INVALID, "not a type");
    struct pf_buf deep;
    pf_buf_init(&deep, 1 << 20);
    for (int i = 0; i < 10000; i++) pf_buf_put_cstr(&deep, "STRUCT(a ");
    CHECK_FAILS(pf_type_parse(pf_buf_view(&deep), test->arena, &type, &test->err), PF_INVALID, "not a type");
    pf_buf_clear(&deep);
}

TEST(reads_the_types_of_all_columns_back) {
    struct bench *bench = bench_open_plain(test);
    const struct pf_column *columns;
    size_t count;
    CHECK_OK(pf_session_result_columns(bench->session, PF_STR("SELECT * FROM test_all_types()"), test->arena, &columns,
                                       &count, &test->err));
    CHECK_TRUE(count >= 54);
    for (size_t i = 0; i < count; i++) {
        const struct pf_type *again;
        CHECK_OK(pf_type_parse(columns[i].type->sql, test->arena, &again, &test->err));
        CHECK_TRUE(pf_type_equal(again, columns[i].type));
        CHECK_INT(again->id, columns[i].type->id);
        CHECK_INT(again->value_bytes, columns[i].type->value_bytes);
    }
    CHECK_STR(columns[0].name, "bool");
}

TEST(names_the_column_whose_type_cannot_cross) {
    struct bench *bench = bench_open_plain(test);
    struct pf_rows *rows;
    CHECK_FAILS(pf_session_query(bench->session, PF_STR("SELECT 1 AS a, 42::VARIANT AS v"), &rows, &test->err),
                PF_UNSUPPORTED, "column 'v'");
}
