/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include "support/test.h"

#include <stdalign.h>
#include <string.h>

TEST(gives_zeroed_aligned_memory_of_any_size) {
    static const size_t sizes[] = {0, 1, 15, 16, 17, 1000, 5000, 100000, 3u << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *memory = pf_arena_alloc(test->arena, sizes[i]);
        CHECK_UINT((uintptr_t)memory % alignof(max_align_t), 0);
        for (size_t j = 0; j < sizes[i]; j++) {
            if (memory[j]) FAIL("byte %zu of %zu is %d", j, sizes[i], memory[j]);
        }
        memset(memory, 0xff, sizes[i]);
    }
}

TEST(keeps_what_it_gave_when_it_grows) {
    char *first = pf_arena_alloc(test->arena, 8);
    memcpy(first, "first", 6);
    for (int i = 0; i < 10000; i++) memset(pf_arena_alloc(test->arena, 100), 0xee, 100);
    CHECK_STR(pf_str_from_cstr(first), "first");
    CHECK_TRUE(pf_arena_used(test->arena) >= 1000000);
}

TEST(pushes_to_growing_lists) {
    int *items = NULL;
    size_t count = 0, capacity = 0;
    for (int i = 0; i < 1000; i++) PF_ARENA_PUSH(test->arena, items, count, capacity) = i;
    CHECK_UINT(count, 1000);
    for (int i = 0; i < 1000; i++) CHECK_INT(items[i], i);
}

struct trace {
    char text[16];
    size_t length;
};
struct mark {
    struct trace *trace;
    char letter;
};

static void leave_mark(void *what) {
    struct mark *mark = what;
    mark->trace->text[mark->trace->length++] = mark->letter;
}

TEST(frees_children_first_and_cleans_up_last_in_first_out) {
    struct trace trace = {{0}, 0};
    struct mark marks[] = {{&trace, 'a'}, {&trace, 'b'}, {&trace, 'c'}, {&trace, 'd'}};
    struct pf_arena *parent = pf_arena_new(NULL, "parent");
    struct pf_arena *older = pf_arena_new(parent, "older"), *younger = pf_arena_new(parent, "younger");
    pf_arena_defer(parent, leave_mark, &marks[0]);
    pf_arena_defer(parent, leave_mark, &marks[1]);
    pf_arena_defer(older, leave_mark, &marks[2]);
    pf_arena_defer(younger, leave_mark, &marks[3]);
    CHECK_NULL(pf_arena_free(parent));
    CHECK_STR(pf_str_from_cstr(trace.text), "dcba");
    CHECK_NULL(pf_arena_free(NULL));
}

TEST(frees_a_child_alone_without_harming_its_siblings) {
    struct pf_arena *parent = pf_arena_new(NULL, "parent"), *children[5];
    for (int i = 0; i < 5; i++) children[i] = pf_arena_new(parent, "child");
    pf_arena_free(children[2]);
    pf_arena_free(children[4]);
    pf_arena_free(children[0]);
    memset(pf_arena_alloc(children[1], 10), 1, 10);
    pf_arena_free(parent);
}

TEST(copies_and_formats_strings_with_a_zero_byte_behind) {
    pf_str copy = pf_arena_str(test->arena, PF_STR("abc"));
    CHECK_STR(copy, "abc");
    CHECK_INT(copy.ptr[3], 0);
    CHECK_STR(pf_str_from_cstr(pf_arena_cstr(test->arena, PF_STR_EMPTY)), "");
    pf_str text = pf_arena_printf(test->arena, "%d-%s", 42, "x");
    CHECK_STR(text, "42-x");
    CHECK_INT(text.ptr[text.len], 0);
}
