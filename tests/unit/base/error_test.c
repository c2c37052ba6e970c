/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include "support/test.h"

#include <errno.h>
#include <string.h>

static enum pf_code fail(struct pf_error *err) {
    PF_FAIL(err, PF_NOT_FOUND, "get '%s'", "t/1.parquet");
}

static enum pf_code pass_on(struct pf_error *err) {
    PF_TRY(fail(err));
    return PF_OK;
}

TEST(carries_message_code_and_origin) {
    struct pf_error err = {0};
    CHECK_CODE(pass_on(&err), PF_NOT_FOUND);
    CHECK_INT(err.code, PF_NOT_FOUND);
    CHECK_STR(pf_str_from_cstr(err.message), "get 't/1.parquet'");
    CHECK_CONTAINS(pf_str_from_cstr(err.origin), "error_test.c:");
    CHECK_CODE(pass_on(NULL), PF_NOT_FOUND);
}

TEST(puts_context_in_front) {
    struct pf_error err = {0};
    CHECK_CODE(pf_error_wrap(&err, fail(&err), "load manifest of %s", "orders"), PF_NOT_FOUND);
    CHECK_STR(pf_str_from_cstr(err.message), "load manifest of orders: get 't/1.parquet'");
    CHECK_CODE(pf_error_wrap(NULL, PF_REMOTE, "x"), PF_REMOTE);
}

TEST(cuts_messages_that_are_too_long) {
    struct pf_error err = {0};
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    pf_error_set(&err, PF_INVALID, "f.c", 1, "%s", text);
    CHECK_UINT(strlen(err.message), sizeof err.message - 1);
    pf_error_wrap(&err, PF_INVALID, "context");
    CHECK_TRUE(pf_str_starts_with(pf_str_from_cstr(err.message), PF_STR("context: xxx")));
    CHECK_UINT(strlen(err.message), sizeof err.message - 1);
    pf_error_wrap(&err, PF_INVALID, "%s", text);
    CHECK_UINT(strlen(err.message), sizeof err.message - 1);
}

TEST(keeps_one_table_of_codes) {
    for (int i = 0; i < PF_CODE_COUNT; i++) {
        const char *name = pf_code_name((enum pf_code)i);
        CHECK_INT(pf_code_from_name(pf_str_from_cstr(name)), i);
        CHECK_TRUE(pf_code_text((enum pf_code)i)[0] != 0);
        CHECK_TRUE(pf_code_http_status((enum pf_code)i) >= 200);
    }
    CHECK_INT(pf_code_from_name(PF_STR("NONSENSE")), PF_BUG);
    CHECK_INT(pf_code_http_status(PF_NOT_FOUND), 404);
    CHECK_TRUE(pf_code_is_retryable(PF_THROTTLED));
    CHECK_FALSE(pf_code_is_retryable(PF_INVALID));
}

TEST(turns_errno_into_codes) {
    CHECK_INT(pf_code_from_errno(0), PF_OK);
    CHECK_INT(pf_code_from_errno(ENOENT), PF_NOT_FOUND);
    CHECK_INT(pf_code_from_errno(EACCES), PF_DENIED);
    CHECK_INT(pf_code_from_errno(ENOSPC), PF_NO_MEMORY);
    CHECK_INT(pf_code_from_errno(EIO), PF_REMOTE);
    struct pf_error err = {0};
    CHECK_CODE(pf_error_set_errno(&err, EACCES, "f.c", 1, "open '%s'", "x"), PF_DENIED);
    CHECK_STR(pf_str_from_cstr(err.message), "open 'x': Permission denied");
}
