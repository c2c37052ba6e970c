/* SPDX-License-Identifier: MIT */
#include "roles/result_reader.h"

#include "support/test.h"

struct seen {
    struct pf_arena *arena;
    pf_str text;
};

static void see_member(void *context, pf_str key, pf_str text) {
    struct seen *seen = context;
    seen->text =
        pf_arena_printf(seen->arena, "%.*s%.*s=%.*s;", PF_STR_ARG(seen->text), PF_STR_ARG(key), PF_STR_ARG(text));
}

static void see_row(void *context, pf_str text) {
    struct seen *seen = context;
    seen->text = pf_arena_printf(seen->arena, "%.*srow %.*s;", PF_STR_ARG(seen->text), PF_STR_ARG(text));
}

/* Fed in pieces of `step` bytes. */
static pf_str read_all(struct pf_test *test, const char *json, size_t step, bool *out_is_over) {
    struct result_reader reader;
    struct seen seen = {test->arena, PF_STR_EMPTY};
    pf_str text = pf_str_from_cstr(json);
    result_reader_init(&reader, 1000);
    reader.on_member = see_member;
    reader.on_row = see_row;
    reader.context = &seen;
    for (size_t at = 0; at < text.len; at += step) {
        CHECK_OK(result_reader_feed(&reader, pf_str_slice(text, at, at + step), &test->err));
    }
    *out_is_over = result_reader_is_over(&reader);
    result_reader_clear(&reader);
    return seen.text;
}

TEST(hands_on_members_and_rows_however_the_bytes_come) {
    static const char json[] = "{\"query_id\":\"q,1\",\"columns\":[{\"name\":\"a]\"}],\n\"rows\":[\n[1,\"x,]}\"],\n"
                               "[null,{\"rows\":[1]}]\n],\n\"stats\":{\"a\":[1,2],\"b\":\"\\\"\"},\"n\": 5 }\n";
    for (size_t step = 1; step < sizeof json; step += 7) {
        bool is_over;
        CHECK_STR(read_all(test, json, step, &is_over),
                  "query_id=\"q,1\";columns=[{\"name\":\"a]\"}];row [1,\"x,]}\"];row [null,{\"rows\":[1]}];"
                  "stats={\"a\":[1,2],\"b\":\"\\\"\"};n=5;");
        CHECK_TRUE(is_over);
    }
}

TEST(knows_that_an_answer_was_cut) {
    bool is_over;
    CHECK_STR(read_all(test, "{\"rows\":[],\"stats\":{}}", 3, &is_over), "stats={};");
    CHECK_TRUE(is_over);
    CHECK_STR(read_all(test, "{\"rows\":[[1],[2", 3, &is_over), "row [1];");
    CHECK_FALSE(is_over);
}

TEST(refuses_rows_over_the_maximum) {
    struct result_reader reader;
    struct seen seen = {test->arena, PF_STR_EMPTY};
    result_reader_init(&reader, 10);
    reader.on_member = see_member;
    reader.on_row = see_row;
    reader.context = &seen;
    CHECK_FAILS(result_reader_feed(&reader, PF_STR("{\"rows\":[[1,2,3,4,5,6,7]]}"), &test->err), PF_TOO_LARGE, "row");
    result_reader_clear(&reader);
}

TEST(splits_arrays_at_their_own_commas) {
    pf_str *cells;
    CHECK_UINT(split_json_array(PF_STR("[1, \"a,b\\\"]\" ,[2,3],{\"x\":[4,5]},null]"), test->arena, &cells), 5);
    CHECK_STR(cells[1], "\"a,b\\\"]\"");
    CHECK_STR(cells[3], "{\"x\":[4,5]}");
    CHECK_UINT(split_json_array(PF_STR("[]"), test->arena, &cells), 0);
}
