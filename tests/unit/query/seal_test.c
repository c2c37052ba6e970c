/* SPDX-License-Identifier: MIT */
#include "query/seal.h"

#include "support/test.h"

TEST(a_sealed_message_comes_back) {
    pf_str label = task_label(PF_STR("q-1"), 3, 14, test->arena), text;
    CHECK_STR(label, "q-1/3/14");
    CHECK_OK(unseal_message(label, seal_message(label, PF_STR("{\"a\": 1}"), test->arena), &text, &test->err));
    CHECK_STR(text, "{\"a\": 1}");
    CHECK_OK(unseal_message(label, seal_message(label, PF_STR_EMPTY, test->arena), &text, &test->err));
    CHECK_STR(text, "");
}

TEST(any_flipped_bit_is_noticed) {
    pf_str label = stage_label(PF_STR("q-1"), 3, test->arena), text = PF_STR("untouched");
    pf_str sealed = seal_message(label, PF_STR("SELECT 1"), test->arena);
    for (size_t bit = 0; bit < sealed.len * 8; bit++) {
        pf_str damaged = pf_arena_str(test->arena, sealed);
        ((char *)damaged.ptr)[bit / 8] ^= (char)(1 << bit % 8);
        CHECK_CODE(unseal_message(label, damaged, &text, &test->err), PF_REMOTE);
    }
    for (size_t length = 0; length < sealed.len; length++) {
        CHECK_CODE(unseal_message(label, pf_str_slice(sealed, 0, length), &text, &test->err), PF_REMOTE);
    }
    CHECK_STR(text, "untouched");
}

TEST(a_message_for_somebody_else_is_refused) {
    pf_str sealed = seal_message(task_label(PF_STR("q"), 1, 2, test->arena), PF_STR("x"), test->arena), text;
    CHECK_FAILS(unseal_message(task_label(PF_STR("q"), 1, 3, test->arena), sealed, &text, &test->err), PF_REMOTE,
                "q/1/2 from Redis came in place of q/1/3");
}
