/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include "support/test.h"

#include <math.h>
#include <string.h>

static pf_json *parse(struct pf_test *test, const char *text) {
    pf_json *root = NULL;
    CHECK_OK(pf_json_parse(pf_str_from_cstr(text), test->arena, "test", &root, &test->err));
    return root;
}

TEST(reads_fields_and_falls_back) {
    pf_json *root = parse(test, "{\"s\":\"x\",\"i\":-5,\"d\":\"42\",\"f\":1.5,\"b\":true,\"n\":null,\"o\":{\"k\":1}}");
    CHECK_STR(pf_json_get_str(root, "s", PF_STR("?")), "x");
    CHECK_STR(pf_json_get_str(root, "i", PF_STR("?")), "?");
    CHECK_INT(pf_json_get_i64(root, "i", 0), -5);
    CHECK_INT(pf_json_get_i64(root, "d", 0), 42);
    CHECK_INT(pf_json_get_i64(root, "s", 7), 7);
    CHECK_INT(pf_json_get_i64(root, "n", 7), 7);
    CHECK_F64(pf_json_get_f64(root, "f", 0), 1.5, 0);
    CHECK_F64(pf_json_get_f64(root, "s", 2), 2, 0);
    CHECK_TRUE(pf_json_get_bool(root, "b", false));
    CHECK_TRUE(pf_json_get_bool(root, "missing", true));
    CHECK_INT(pf_json_get_i64(pf_json_get(root, "o"), "k", 0), 1);
    CHECK_NULL(pf_json_get(NULL, "k"));
    CHECK_INT(pf_json_get_i64(pf_json_get(root, "missing"), "k", 9), 9);
}

TEST(names_required_fields_that_are_missing) {
    pf_json *root = parse(test, "{\"s\":5,\"i\":\"x\"}");
    pf_str text;
    int64_t number = 3;
    CHECK_FAILS(pf_json_need_str(root, "s", "manifest", &text, &test->err), PF_INVALID, "manifest: field 's'");
    CHECK_FAILS(pf_json_need_i64(root, "i", "manifest", &number, &test->err), PF_INVALID, "field 'i'");
    CHECK_FAILS(pf_json_need_i64(root, "gone", "manifest", &number, &test->err), PF_INVALID, "field 'gone'");
    CHECK_INT(number, 3);
    CHECK_OK(pf_json_need_i64(root, "s", "manifest", &number, &test->err));
    CHECK_INT(number, 5);
}

TEST(walks_arrays_and_objects) {
    pf_json *root = parse(test, "{\"list\":[1,2,3],\"map\":{\"a\":1,\"b\":2},\"empty\":[]}");
    int64_t sum = 0;
    size_t keys = 0;
    for (struct pf_json_each each = pf_json_each(pf_json_get(root, "list")); pf_json_next(&each);) {
        sum = sum * 10 + pf_json_as_i64(each.value, 0);
    }
    CHECK_INT(sum, 123);
    for (struct pf_json_each each = pf_json_each(pf_json_get(root, "map")); pf_json_next(&each);) {
        CHECK_INT(pf_json_as_i64(each.value, 0), each.key.ptr[0] - 'a' + 1);
        keys++;
    }
    CHECK_UINT(keys, 2);
    for (struct pf_json_each each = pf_json_each(pf_json_get(root, "empty")); pf_json_next(&each);) FAIL("not empty");
    for (struct pf_json_each each = pf_json_each(NULL); pf_json_next(&each);) FAIL("not empty");
    CHECK_UINT(pf_json_count(pf_json_get(root, "list")), 3);
    CHECK_UINT(pf_json_count(NULL), 0);
}

TEST(says_where_bad_json_is_bad) {
    pf_json *root;
    CHECK_FAILS(pf_json_parse(PF_STR("{\"a\":1,}"), test->arena, "body", &root, &test->err), PF_INVALID, "at byte 6");
    CHECK_FAILS(pf_json_parse(PF_STR(""), test->arena, "body", &root, &test->err), PF_INVALID, "body: empty");
    CHECK_FAILS(pf_json_parse(PF_STR("{} x"), test->arena, "body", &root, &test->err), PF_INVALID, "body: not JSON");
    CHECK_FAILS(pf_json_parse(PF_STR("[1, NaN]"), test->arena, "body", &root, &test->err), PF_INVALID, "not JSON");
}

TEST(refuses_documents_that_are_too_deep) {
    enum { DEPTH = 513 };
    char text[2 * DEPTH];
    pf_json *root;
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    CHECK_FAILS(pf_json_parse(pf_str_from(text, sizeof text), test->arena, "body", &root, &test->err), PF_INVALID,
                "deeper than 512");
    CHECK_OK(pf_json_parse(pf_str_from(text + 1, sizeof text - 2), test->arena, "body", &root, &test->err));
    CHECK_OK(pf_json_parse(PF_STR("[\"[[[[\\\"[[[\"]"), test->arena, "body", &root, &test->err));
}

TEST(writes_json_with_its_commas) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, 4096);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_str(&out, "s", PF_STR("a\"b"));
    pf_json_field_i64(&out, "i", INT64_MIN);
    pf_json_field_f64(&out, "f", 0.1);
    pf_json_field_f64(&out, "nan", (double)NAN);
    pf_json_field_f64(&out, "inf", -(double)INFINITY);
    pf_json_field_bool(&out, "b", false);
    pf_json_key(&out, "list");
    pf_json_open_array(&out);
    pf_json_put_null(&out);
    pf_json_open_object(&out);
    pf_json_close_object(&out);
    pf_json_put_raw(&out, PF_STR("[1]"));
    pf_json_close_array(&out);
    pf_json_key(&out, "copy");
    pf_json_put_value(&out, parse(test, "{\"x\":[1,\"2\"]}"));
    pf_json_close_object(&out);
    CHECK_STR(pf_buf_view(&buf),
              "{\"s\":\"a\\\"b\",\"i\":-9223372036854775808,\"f\":0.1,\"nan\":\"NaN\","
              "\"inf\":\"-Infinity\",\"b\":false,\"list\":[null,{},[1]],\"copy\":{\"x\":[1,\"2\"]}}");
    pf_buf_clear(&buf);
}
