/* SPDX-License-Identifier: MIT */
/* Heads of statements that write: whatever a client sends. */
#include "icecap/icecap.h"
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    struct pf_error err;
    pf_str kind;
    enum pf_code code = pf_icecap_parse(pf_str_from((const char *)data, size), arena, &kind, &err);
    (void)code;
    pf_arena_free(arena);
    return 0;
}
