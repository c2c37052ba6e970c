/* SPDX-License-Identifier: MIT */
#include "roles/result_table.h"

#include "support/test.h"

#include <locale.h>

static pf_str print(struct pf_test *test, struct result_table *table, int width, const char *footer) {
    struct pf_buf out;
    pf_buf_init(&out, 1 << 20);
    setlocale(LC_CTYPE, "C.UTF-8");
    result_table_print(table, width, pf_str_from_cstr(footer), &out);
    pf_str text = pf_arena_str(test->arena, pf_buf_view(&out));
    pf_buf_clear(&out);
    result_table_free(table);
    return text;
}

static struct result_table *table_with(struct pf_test *test, size_t max_rows, const char *columns) {
    struct result_table *table = result_table_new(max_rows);
    CHECK_OK(result_table_set_columns(table, pf_str_from_cstr(columns), &test->err));
    return table;
}

TEST(draws_a_box_with_names_types_and_rows) {
    struct result_table *table =
        table_with(test, 40, "[{\"name\":\"id\",\"type\":\"INTEGER\"},{\"name\":\"name\",\"type\":\"VARCHAR\"}]");
    result_table_add(table, PF_STR("[1,\"Ada\"]"));
    result_table_add(table, PF_STR("[42,null]"));
    CHECK_STR(print(test, table, 0, "2 rows"), "┌─────────┬─────────┐\n"
                                               "│   id    │  name   │\n"
                                               "│ INTEGER │ VARCHAR │\n"
                                               "├─────────┼─────────┤\n"
                                               "│       1 │ Ada     │\n"
                                               "│      42 │ NULL    │\n"
                                               "└─────────┴─────────┘\n"
                                               "2 rows\n");
}

TEST(measures_wide_and_combining_characters) {
    setlocale(LC_CTYPE, "C.UTF-8");
    CHECK_UINT(text_width(PF_STR("abc")), 3);
    CHECK_UINT(text_width(PF_STR("日本")), 4);
    CHECK_UINT(text_width(PF_STR("e\xcc\x81")), 1);
    CHECK_UINT(text_width(PF_STR("\xff\xfe")), 2);
}

TEST(shows_control_characters_instead_of_sending_them) {
    struct result_table *table = table_with(test, 40, "[{\"name\":\"a\",\"type\":\"VARCHAR\"}]");
    result_table_add(table, PF_STR("[\"x\\n\\u001b[2J\"]"));
    pf_str text = print(test, table, 0, "");
    CHECK_CONTAINS(text, "x\\n\\x1b[2J");
    CHECK_UINT(pf_str_find_char(text, '\x1b', 0), SIZE_MAX);
}

TEST(keeps_the_first_and_the_last_rows) {
    struct result_table *table = table_with(test, 4, "[{\"name\":\"n\",\"type\":\"INTEGER\"}]");
    for (int i = 1; i <= 101; i++) result_table_add(table, pf_arena_printf(test->arena, "[%d]", i));
    CHECK_INT(result_table_row_count(table), 101);
    CHECK_STR(print(test, table, 0, ""), "┌─────────┐\n"
                                         "│    n    │\n"
                                         "│ INTEGER │\n"
                                         "├─────────┤\n"
                                         "│       1 │\n"
                                         "│       2 │\n"
                                         "│    ·    │\n"
                                         "│     100 │\n"
                                         "│     101 │\n"
                                         "└─────────┘\n");
}

TEST(shows_all_rows_up_to_the_limit_in_order) {
    for (int count = 0; count <= 4; count++) {
        struct result_table *table = table_with(test, 4, "[{\"name\":\"n\",\"type\":\"X\"}]");
        for (int i = 1; i <= count; i++) result_table_add(table, pf_arena_printf(test->arena, "[\"r%d\"]", i));
        pf_str text = print(test, table, 0, "");
        size_t at = 0;
        for (int i = 1; i <= count; i++) {
            size_t found = pf_str_find(text, pf_arena_printf(test->arena, "r%d", i), at);
            CHECK_TRUE(found != SIZE_MAX);
            at = found;
        }
        CHECK_UINT(pf_str_find(text, PF_STR("·"), 0), SIZE_MAX);
    }
}

static size_t widest_line(pf_str text) {
    size_t widest = 0;
    pf_str line;
    while (pf_str_next(&text, '\n', &line)) {
        if (text_width(line) > widest) widest = text_width(line);
    }
    return widest;
}

TEST(fits_the_screen_by_cutting_values_then_columns) {
    struct result_table *table =
        table_with(test, 40, "[{\"name\":\"id\",\"type\":\"INTEGER\"},{\"name\":\"text\",\"type\":\"VARCHAR\"}]");
    result_table_add(table, PF_STR("[1,\"a long text that does not fit on the screen at all, not by far\"]"));
    pf_str text = print(test, table, 40, "");
    CHECK_UINT(widest_line(text), 40);
    CHECK_CONTAINS(text, "…");

    struct pf_buf columns;
    pf_buf_init(&columns, 1 << 16);
    for (int i = 0; i < 30; i++)
        pf_buf_printf(&columns, "%s{\"name\":\"measure_%d\",\"type\":\"INTEGER\"}", i ? "," : "[", i);
    pf_buf_put_str(&columns, PF_STR("]"));
    table = table_with(test, 40, pf_arena_cstr(test->arena, pf_buf_view(&columns)));
    pf_buf_clear(&columns);
    text = print(test, table, 80, "");
    CHECK_TRUE(widest_line(text) <= 80);
    CHECK_CONTAINS(text, " … ");
    CHECK_CONTAINS(text, "measu…");
}

TEST(prints_lines_of_an_explanation_as_they_are) {
    struct result_table *table =
        table_with(test, 40, "[{\"name\":\"k\",\"type\":\"VARCHAR\"},{\"name\":\"v\",\"type\":\"VARCHAR\"}]");
    struct pf_buf out;
    pf_buf_init(&out, 1000);
    result_table_add(table, PF_STR("[\"plan\",\"a\\n  b\"]"));
    result_table_print_lines(table, &out);
    CHECK_STR(pf_buf_view(&out), "a\n  b\n");
    pf_buf_clear(&out);
    result_table_free(table);
}
