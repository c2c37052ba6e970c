/* SPDX-License-Identifier: MIT */
#include "icecap/icecap.h"

#include "support/test.h"

static const char *kind_of(struct pf_arena *arena, const char *sql) {
    pf_str kind;
    struct pf_error err;
    enum pf_code code = pf_icecap_parse(pf_str_from_cstr(sql), arena, &kind, &err);
    return code == PF_OK ? pf_arena_cstr(arena, kind) : pf_arena_cstr(arena, pf_str_from_cstr(err.message));
}

#define CHECK_KIND(sql, kind) CHECK_STR(pf_str_from_cstr(kind_of(test->arena, (sql))), (kind))

TEST(statements_are_told_by_their_first_words) {
    CHECK_KIND("/* a */ INSERT INTO t SELECT 1", "INSERT");
    CHECK_KIND("with a as (select 1) insert into t select * from a;", "INSERT");
    CHECK_KIND("CREATE TABLE t AS SELECT 1", "CREATE TABLE");
    CHECK_KIND("ALTER TABLE a.t RENAME COLUMN x TO y", "ALTER TABLE");
    CHECK_KIND("WITH a AS (SELECT 1) SELECT * FROM a", "not a statement that writes");
    CHECK_KIND("SELECT 'INSERT INTO t'", "not a statement that writes");
}

TEST(errors_say_where_and_what) {
    CHECK_KIND("INSERT t VALUES (1)", "INSERT: 't' at character 8: INTO is expected there");
    CHECK_KIND("DROP TABLE", "DROP TABLE: the statement ends where a name is expected");
    CHECK_KIND("DROP TABLE a b", "DROP TABLE: 'b' at character 14: the end of the statement is expected there");
    CHECK_KIND("ALTER TABLE t SET (a)", "ALTER TABLE: ')' at character 21: '=' is expected there");
}
