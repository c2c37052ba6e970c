/* SPDX-License-Identifier: MIT */
#include "roles/statements.h"

#include "support/test.h"

/* "first|second|", with '~' behind one that no semicolon ended. */
static pf_str cut(struct pf_test *test, const char *script) {
    pf_str rest = pf_str_from_cstr(script), statement, all = PF_STR_EMPTY;
    bool is_ended;
    while (next_statement(&rest, &statement, &is_ended)) {
        all = pf_arena_printf(test->arena, "%.*s%.*s%s|", PF_STR_ARG(all), PF_STR_ARG(statement), is_ended ? "" : "~");
    }
    return all;
}

TEST(cuts_at_semicolons) {
    CHECK_STR(cut(test, "SELECT 1; SELECT 2;\n SELECT 3"), "SELECT 1|SELECT 2|SELECT 3~|");
    CHECK_STR(cut(test, ";; ; SELECT 1;;"), "SELECT 1|");
    CHECK_STR(cut(test, ""), "");
    CHECK_STR(cut(test, " -- nothing\n /* here */ ;"), "");
}

TEST(finds_no_semicolon_in_quotes_and_comments) {
    CHECK_STR(cut(test, "SELECT ';', 'it''s;', \"a;b\"; x"), "SELECT ';', 'it''s;', \"a;b\"|x~|");
    CHECK_STR(cut(test, "SELECT 1 -- a;b\n + 2; x"), "SELECT 1 -- a;b\n + 2|x~|");
    CHECK_STR(cut(test, "SELECT /* ; /* ; */ ; */ 1; x"), "SELECT /* ; /* ; */ ; */ 1|x~|");
    CHECK_STR(cut(test, "SELECT $$a;b$$, $t$;$$;$t$; x"), "SELECT $$a;b$$, $t$;$$;$t$|x~|");
    CHECK_STR(cut(test, "SELECT $1, a$b; x"), "SELECT $1, a$b|x~|");
    CHECK_STR(cut(test, "SELECT e'\\';'; x"), "SELECT e'\\';'|x~|");
    CHECK_STR(cut(test, "SELECT '\\'; x"), "SELECT '\\'|x~|");
}

TEST(waits_for_the_end_of_what_is_open) {
    CHECK_STR(cut(test, "SELECT 'open; x"), "SELECT 'open; x~|");
    CHECK_STR(cut(test, "SELECT /* open; x"), "SELECT /* open; x~|");
    CHECK_STR(cut(test, "SELECT $$ open; x"), "SELECT $$ open; x~|");
    CHECK_STR(cut(test, "SELECT e'\\"), "SELECT e'\\~|");
}

TEST(finds_the_first_word) {
    CHECK_STR(first_word(PF_STR("EXPLAIN ANALYZE SELECT 1")), "EXPLAIN");
    CHECK_STR(first_word(PF_STR(" /* c */ -- d\n (select 1)")), "select");
    CHECK_STR(first_word(PF_STR("")), "");
}
