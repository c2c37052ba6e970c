/* SPDX-License-Identifier: MIT */
/* The test harness: a test is a function with a sentence for a name.
 *
 *     #include "store/store.h"
 *     #include "support/test.h"
 *
 *     TEST(retries_a_throttled_get) {
 *         pf_str bytes;
 *         CHECK_OK(pf_store_get(store, PF_STR("k"), test->arena, &bytes, &test->err));
 *         CHECK_STR(bytes, "hello");
 *     }
 *
 * Each test runs in its own process group with a time limit; its output is shown if it fails; what it left running is
 * killed; its temporary folder is removed; with AddressSanitizer a leak fails it. The first failed check ends it.
 * Checks take the actual value first, evaluate each argument once, print both sides, and work in helper functions too.
 *
 * Command line of a test program: [--list] [--verbose] [--no-fork] [SUBSTRING of file:name …] */
#ifndef PF_TESTS_SUPPORT_TEST_H
#define PF_TESTS_SUPPORT_TEST_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

struct pf_test {
    struct pf_arena *arena; /* freed after the test */
    struct pf_error err;    /* hand it to the calls under test: failed checks print its message */
    const char *name;
};

struct pf_test_entry {
    const char *name, *file;
    int limit_s;
    void (*run)(struct pf_test *test);
    struct pf_test_entry *next;
};

#define TEST(name) TEST_WITH_LIMIT(name, 20)
/* For the few that need longer. PF_TEST_LIMIT_S in the environment overrides all limits. */
#define TEST_WITH_LIMIT(test_name, seconds)                                                                            \
    static void test_name(struct pf_test *test);                                                                       \
    __attribute__((constructor)) static void register_##test_name(void) {                                              \
        static struct pf_test_entry entry = {#test_name, __FILE__, (seconds), test_name, NULL};                        \
        pf_test_register(&entry);                                                                                      \
    }                                                                                                                  \
    static void test_name(__attribute__((unused)) struct pf_test *test)

/* A file below tests/, for vectors and corpora: TEST_DATA("wire/sigv4/get.txt"). */
#define TEST_DATA(path) PF_TEST_SOURCE_DIR "/tests/" path

/* A new empty folder for the running test, removed after it. */
const char *pf_test_folder(void);
/* The whole file, in the test's arena; fails the test if it can't be read. */
pf_str pf_test_read_file(const char *path);

#define CHECK_TRUE(condition) pf_test_check_true((condition), true, #condition, __FILE__, __LINE__)
#define CHECK_FALSE(condition) pf_test_check_true((condition), false, #condition, __FILE__, __LINE__)
#define CHECK_INT(actual, expected)                                                                                    \
    pf_test_check_int((int64_t)(actual), (int64_t)(expected), #actual, __FILE__, __LINE__)
#define CHECK_UINT(actual, expected)                                                                                   \
    pf_test_check_uint((uint64_t)(actual), (uint64_t)(expected), #actual, __FILE__, __LINE__)
#define CHECK_F64(actual, expected, tolerance)                                                                         \
    pf_test_check_f64((actual), (expected), (tolerance), #actual, __FILE__, __LINE__)
/* Both sides: pf_str or C string. */
#define CHECK_STR(actual, expected)                                                                                    \
    pf_test_check_str(PF_TEST_STR(actual), PF_TEST_STR(expected), #actual, __FILE__, __LINE__)
#define CHECK_CONTAINS(text, part)                                                                                     \
    pf_test_check_contains(PF_TEST_STR(text), PF_TEST_STR(part), #text, __FILE__, __LINE__)
#define CHECK_NULL(pointer) pf_test_check_null((pointer), true, #pointer, __FILE__, __LINE__)
#define CHECK_NOT_NULL(pointer) pf_test_check_null((pointer), false, #pointer, __FILE__, __LINE__)
#define CHECK_CODE(call, expected) pf_test_check_code((call), (expected), NULL, #call, __FILE__, __LINE__)
#define CHECK_OK(call) CHECK_CODE(call, PF_OK)
/* The call fails with this code, and test->err.message contains `part`. */
#define CHECK_FAILS(call, expected, part) pf_test_check_code((call), (expected), (part), #call, __FILE__, __LINE__)
/* Ends the test as failed: FAIL("no worker after %d ms", waited_ms). */
#define FAIL(...) pf_test_fail(__FILE__, __LINE__, __VA_ARGS__)

/* Behind the macros. */
#define PF_TEST_STR(x)                                                                                                 \
    _Generic((x), pf_str : pf_test_str, char * : pf_str_from_cstr, const char * : pf_str_from_cstr)(x)
static inline pf_str pf_test_str(pf_str s) {
    return s;
}

void pf_test_register(struct pf_test_entry *entry);
void pf_test_check_true(bool actual, bool expected, const char *what, const char *file, int line);
void pf_test_check_int(int64_t actual, int64_t expected, const char *what, const char *file, int line);
void pf_test_check_uint(uint64_t actual, uint64_t expected, const char *what, const char *file, int line);
void pf_test_check_f64(double actual, double expected, double tolerance, const char *what, const char *file, int line);
void pf_test_check_str(pf_str actual, pf_str expected, const char *what, const char *file, int line);
void pf_test_check_contains(pf_str text, pf_str part, const char *what, const char *file, int line);
void pf_test_check_null(const void *pointer, bool expected, const char *what, const char *file, int line);
void pf_test_check_code(enum pf_code actual, enum pf_code expected, const char *part, const char *what,
                        const char *file, int line);
_Noreturn void pf_test_fail(const char *file, int line, const char *format, ...) PF_PRINTF(3, 4);

#endif
