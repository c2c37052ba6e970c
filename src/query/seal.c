/* SPDX-License-Identifier: MIT */
#include "query/seal.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum { SUM_BYTES = 16 };

static void print_sum(pf_str text, char sum[SUM_BYTES + 1]) {
    snprintf(sum, SUM_BYTES + 1, "%016llx", (unsigned long long)XXH64(text.ptr, text.len, 0));
}

pf_str seal_message(pf_str label, pf_str text, struct pf_arena *arena) {
    char sum[SUM_BYTES + 1];
    size_t head = SUM_BYTES + 1 + label.len + 1, size = head + text.len;
    char *sealed = pf_arena_alloc(arena, size + 1);
    memcpy(sealed + SUM_BYTES + 1, label.ptr, label.len);
    sealed[SUM_BYTES] = sealed[head - 1] = ' ';
    if (text.len) memcpy(sealed + head, text.ptr, text.len);
    sealed[size] = 0;
    print_sum(pf_str_from(sealed + SUM_BYTES + 1, size - SUM_BYTES - 1), sum);
    memcpy(sealed, sum, SUM_BYTES);
    return pf_str_from(sealed, size);
}

enum pf_code unseal_message(pf_str label, pf_str sealed, pf_str *out_text, struct pf_error *err) {
    char sum[SUM_BYTES + 1];
    pf_str rest = pf_str_slice(sealed, SUM_BYTES + 1, sealed.len), found;
    print_sum(rest, sum);
    if (sealed.len <= SUM_BYTES || sealed.ptr[SUM_BYTES] != ' ' ||
        !pf_str_equal(pf_str_slice(sealed, 0, SUM_BYTES), pf_str_from(sum, SUM_BYTES))) {
        PF_FAIL(err, PF_REMOTE, "the message %.*s from Redis is damaged", PF_STR_ARG(label));
    }
    pf_str_next(&rest, ' ', &found);
    if (!pf_str_equal(found, label)) {
        PF_FAIL(err, PF_REMOTE, "the message %.*s from Redis came in place of %.*s", PF_STR_ARG(found),
                PF_STR_ARG(label));
    }
    *out_text = rest;
    return PF_OK;
}

pf_str stage_label(pf_str query_id, int stage_id, struct pf_arena *arena) {
    return pf_arena_printf(arena, "%.*s/%d", PF_STR_ARG(query_id), stage_id);
}

pf_str task_label(pf_str query_id, int stage_id, int task_id, struct pf_arena *arena) {
    return pf_arena_printf(arena, "%.*s/%d/%d", PF_STR_ARG(query_id), stage_id, task_id);
}
