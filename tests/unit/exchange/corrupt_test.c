/* SPDX-License-Identifier: MIT */
#include "base/budget.h"
#include "base/file.h"
#include "exchange_support.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* Reads everything; the sum of all columns as text. */
static enum pf_code read_all(struct pf_test *test, struct bench *bench, const struct pf_exchange_output *output,
                             pf_str *out_text) {
    struct pf_exchange_input input = {.name = PF_STR("in"), .outputs = output, .output_count = 1};
    PF_TRY(pf_exchange_bind_input(bench->exchange, &input, &test->err));
    enum pf_code code = pf_session_scalar(
        bench->session, PF_STR("SELECT count(*) || ' ' || bit_xor(hash(c0, c1, c2)) FROM exchange_read('in')"),
        test->arena, out_text, &test->err);
    pf_exchange_unbind_input(bench->exchange, PF_STR("in"));
    return code;
}

static const char QUERY[] =
    "SELECT (range % 3)::USMALLINT, range, CASE WHEN range % 2 = 0 THEN NULL ELSE 'a text of ' || range END, "
    "[range, NULL] FROM range(9)";

TEST_WITH_LIMIT(finds_every_flipped_byte_of_a_file, 120) {
    struct bench *bench = bench_open_files(test, 1);
    struct pf_exchange_output output = bench_write(test, bench, QUERY, 3);
    CHECK_INT(output.object_count, 1);
    CHECK_INT(output.objects[0].medium, PF_MEDIUM_DIRECTORY);
    pf_str path = pf_arena_printf(test->arena, "%s/%.*s", pf_test_folder(), PF_STR_ARG(output.objects[0].key));
    pf_str good = PF_STR_EMPTY, text = PF_STR_EMPTY;
    pf_str bytes = pf_test_read_file(path.ptr);
    CHECK_OK(read_all(test, bench, &output, &good));
    char *copy = pf_arena_alloc(test->arena, bytes.len);
    for (size_t i = 0; i < bytes.len; i++) {
        memcpy(copy, bytes.ptr, bytes.len);
        copy[i] = (char)(copy[i] ^ (1 << (i % 8)));
        CHECK_OK(pf_file_write(path.ptr, pf_str_from(copy, bytes.len), &test->err));
        enum pf_code code = read_all(test, bench, &output, &text);
        if (code != PF_CORRUPT) FAIL("byte %zu flipped: %s, %s", i, pf_code_name(code), test->err.message);
        CHECK_CONTAINS(pf_str_from_cstr(test->err.message), "q/1/0.0.0.px");
    }
    CHECK_OK(pf_file_write(path.ptr, bytes, &test->err));
    CHECK_OK(read_all(test, bench, &output, &text));
    CHECK_STR(text, good);
}

TEST_WITH_LIMIT(finds_a_file_cut_off_anywhere, 120) {
    struct bench *bench = bench_open_files(test, 1);
    struct pf_exchange_output output = bench_write(test, bench, QUERY, 3);
    pf_str path = pf_arena_printf(test->arena, "%s/%.*s", pf_test_folder(), PF_STR_ARG(output.objects[0].key)), text;
    pf_str bytes = pf_test_read_file(path.ptr);
    for (size_t i = 0; i < bytes.len; i++) {
        CHECK_OK(pf_file_write(path.ptr, pf_str_slice(bytes, 0, i), &test->err));
        CHECK_CODE(read_all(test, bench, &output, &text), PF_CORRUPT);
        if (i == 0) continue;
        output.objects[0].size_bytes = (int64_t)i; /* so that the size doesn't give it away */
        CHECK_CODE(read_all(test, bench, &output, &text), PF_CORRUPT);
        output.objects[0].size_bytes = (int64_t)bytes.len;
    }
    CHECK_INT(unlink(path.ptr), 0);
    CHECK_FAILS(read_all(test, bench, &output, &text), PF_NOT_FOUND, "q/1/0.0.0.px");
}

TEST_WITH_LIMIT(finds_every_flipped_byte_of_strings_and_store_objects, 120) {
    for (int kind = 0; kind < 4; kind++) { /* small or in the store, with either codec */
        bool is_store = kind % 2;
        struct pf_exchange_options options;
        struct memory *memory = memory_new(test);
        pf_exchange_default_options(&options);
        options.scratch_directory = pf_str_from_cstr(pf_test_folder());
        options.store = memory_io(memory);
        options.codec = kind < 2 ? PF_CODEC_LZ4 : PF_CODEC_ZSTD;
        if (!is_store) options.small = options.store;
        struct bench *bench = bench_open(test, &options, 1);
        struct pf_exchange_output output = bench_write(test, bench, QUERY, 3);
        CHECK_INT(output.objects[0].medium, is_store ? PF_MEDIUM_STORE : PF_MEDIUM_SMALL);
        const struct pf_exchange_slice *slices = output.objects[0].slices;
        pf_str text;
        char *bytes = (char *)(uintptr_t)memory->items[0].value.ptr;
        for (uint64_t i = slices[0].offset; i < slices[2].offset + slices[2].size_bytes; i++) {
            bytes[i] = (char)(bytes[i] ^ 4);
            enum pf_code code = read_all(test, bench, &output, &text);
            if (code != PF_CORRUPT) FAIL("byte %llu flipped: %s", (unsigned long long)i, pf_code_name(code));
            CHECK_CONTAINS(pf_str_from_cstr(test->err.message), "at byte");
            bytes[i] = (char)(bytes[i] ^ 4);
        }
        CHECK_OK(read_all(test, bench, &output, &text));
        memory->items[0].value.len = slices[2].offset + 8;
        CHECK_FAILS(read_all(test, bench, &output, &text), PF_CORRUPT, "q/1/0.0.0.px");
        memory->count = 0;
        CHECK_FAILS(read_all(test, bench, &output, &text), PF_NOT_FOUND, "q/1/0.0.0.px");
    }
}

TEST(says_that_the_folder_is_full_and_cleans_up) {
    struct bench *bench = bench_open_files(test, 1);
    struct pf_exchange_output output;
    struct rlimit limit = {1 << 20, 1 << 20};
    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_CODE(try_write(test, bench, "SELECT (range % 4)::USMALLINT, hash(range) FROM range(2000000)", 4, &output),
               PF_NO_MEMORY);
    CHECK_CONTAINS(pf_str_from_cstr(test->err.message), "the exchange folder is full");
    CHECK_CONTAINS(pf_str_from_cstr(test->err.message), pf_test_folder());
    CHECK_INT(access(pf_arena_printf(test->arena, "%s/q/1/0.0.0.px", pf_test_folder()).ptr, F_OK), -1);
    bench_write(test, bench, QUERY, 3); /* and goes on */
}

static const char LISTS[] = "SELECT (range % 64)::USMALLINT, hash(range), CASE WHEN range % 3 = 0 THEN NULL ELSE "
                            "repeat('x', (range % 200)::INT) END, [range, NULL, range + 1][1:(range % 4)::INT] "
                            "FROM range(100000)";

/* The same rows, written with a budget of `budget_bytes`: as a digest. */
static pf_str write_with_budget(struct pf_test *test, int64_t budget_bytes, bool to_store) {
    struct pf_exchange_options options;
    struct pf_budget *budget = pf_budget_new("test", budget_bytes);
    pf_exchange_default_options(&options);
    options.directory = to_store ? PF_STR_EMPTY : pf_str_from_cstr(pf_test_folder());
    options.scratch_directory = pf_str_from_cstr(pf_test_folder());
    options.budget = budget;
    options.memory_bytes = 1 << 20;
    options.codec = PF_CODEC_ZSTD;
    if (to_store) options.store = memory_io(memory_new(test));
    struct bench *bench = bench_open(test, &options, 2);
    struct pf_exchange_output output = bench_write(test, bench, LISTS, 64);
    CHECK_INT(output.rows, 100000);
    bench_bind(test, bench, &output, 0, 0);
    pf_str digest = bench_ask(test, bench, "SELECT sum(hash(c0, c1, c2)::HUGEINT) FROM exchange_read('in')");
    pf_exchange_unbind_input(bench->exchange, PF_STR("in"));
    CHECK_TRUE(pf_budget_peak(budget) <= budget_bytes);
    bench_close(bench);
    *bench = (struct bench){0};
    CHECK_INT(pf_budget_used(budget), 0);
    pf_budget_free(budget);
    return digest;
}

TEST_WITH_LIMIT(flushes_when_its_budget_is_used_up, 120) {
    pf_str digest = write_with_budget(test, 256 << 20, false);
    CHECK_STR(write_with_budget(test, 4 << 20, false), digest);
    CHECK_STR(write_with_budget(test, 8 << 20, true), digest);
}

TEST_WITH_LIMIT(says_so_when_the_budget_is_too_small_for_anything, 60) {
    struct pf_exchange_options options;
    struct pf_budget *budget = pf_budget_new("test", 16 << 10);
    pf_exchange_default_options(&options);
    options.directory = pf_str_from_cstr(pf_test_folder());
    options.budget = budget;
    options.memory_bytes = 1 << 20;
    struct bench *bench = bench_open(test, &options, 1);
    struct pf_exchange_output output = {0};
    CHECK_CODE(try_write(test, bench, "SELECT (range % 64)::USMALLINT, hash(range) FROM range(300000)", 64, &output),
               PF_NO_MEMORY);
    bench_close(bench);
    *bench = (struct bench){0};
    CHECK_INT(pf_budget_used(budget), 0);
    pf_budget_free(budget);
}

TEST(refuses_wrong_statements) {
    struct bench *bench = bench_open_files(test, 1);
    struct pf_exchange_output output;
    CHECK_FAILS(try_write(test, bench, "SELECT 1, 2", 4, &output), PF_INVALID, "USMALLINT");
    CHECK_FAILS(try_write(test, bench, "SELECT 1::USMALLINT", 4, &output), PF_INVALID, "no columns");
    CHECK_FAILS(try_write(test, bench, "SELECT 4::USMALLINT, 1", 4, &output), PF_BUG, "partition number 4 of 4");
    CHECK_FAILS(try_write(test, bench, "SELECT NULL::USMALLINT, 1", 4, &output), PF_BUG, "partition number");
    CHECK_FAILS(try_write(test, bench, "SELECT 1", 100000, &output), PF_INVALID, "partitions");
    CHECK_FAILS(pf_session_run(bench->session, PF_STR("FROM exchange_read('nothing')"), &test->err), PF_NOT_FOUND,
                "nothing");
    CHECK_FAILS(pf_session_run(bench->session,
                               pf_arena_printf(
                                   test->arena,
                                   "COPY (SELECT 1) TO '%s/copy' (FORMAT exchange, OUTPUT 'x', PER_THREAD_OUTPUT true)",
                                   pf_test_folder()),
                               &test->err),
                PF_NOT_FOUND, "not begun");
    pf_str path;
    static const char *const KEYS[] = {"", "/a", "a/../b", "a//b", "..", "a/"};
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
        CHECK_CODE(pf_exchange_begin_output(bench->exchange, PF_STR("o"), pf_str_from_cstr(KEYS[i]), test->arena, &path,
                                            &test->err),
                   PF_BUG);
    CHECK_CODE(pf_exchange_take_output(bench->exchange, PF_STR("o"), test->arena, &output, &test->err), PF_NOT_FOUND);
}

TEST(checks_outputs_that_come_as_json) {
    static const char *const BAD[] = {
        "",
        "{}",
        "[]",
        "{\"v\":2,\"p\":1}",
        "{\"v\":1,\"p\":0}",
        "{\"v\":1,\"p\":99999}",
        "{\"v\":1,\"s\":\"\",\"p\":2,\"o\":[{\"m\":9,\"k\":\"x\",\"b\":80,\"f\":0,\"s\":[]}]}",
        "{\"v\":1,\"s\":\"\",\"p\":2,\"o\":[{\"m\":1,\"k\":\"../x\",\"b\":80,\"f\":0,\"s\":[]}]}",
        "{\"v\":1,\"s\":\"\",\"p\":2,\"o\":[{\"m\":1,\"k\":\"x\",\"b\":-1,\"f\":0,\"s\":[]}]}",
        "{\"v\":1,\"s\":\"\",\"p\":2,\"o\":[{\"m\":1,\"k\":\"x\",\"b\":80,\"r\":-1,\"f\":0,\"s\":[]}]}",
        "{\"v\":1,\"s\":\"\",\"p\":2,\"o\":[{\"m\":1,\"k\":\"x\",\"b\":80,\"f\":0,\"s\":[[2,1,8]]}]}",
        "{\"v\":1,\"s\":\"\",\"p\":2,\"o\":[{\"m\":1,\"k\":\"x\",\"b\":80,\"f\":0,\"s\":[[0,1,88]]}]}",
        "{\"v\":1,\"s\":\"\",\"p\":2,\"o\":[{\"m\":0,\"k\":\"x\",\"b\":80,\"f\":48,\"s\":[[0,1,40]]}]}",
        "{\"v\":1,\"s\":\"\",\"p\":2,\"o\":[{\"m\":1,\"k\":\"x\",\"b\":80,\"f\":0,\"s\":[[0,1,8],[0,1,8]]}]}"};
    struct pf_exchange_output output;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        CHECK_CODE(pf_exchange_output_decode(pf_str_from_cstr(BAD[i]), test->arena, &output, &test->err), PF_CORRUPT);
}
