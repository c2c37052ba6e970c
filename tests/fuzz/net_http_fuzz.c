/* SPDX-License-Identifier: MIT */
/* Request targets and query strings; what was decoded survives encoding and decoding again. */
#include "net/net.h"
#include "support/fuzz.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    struct pf_http_fields query;
    pf_str path, again;
    if (pf_http_parse_target(pf_str_from((const char *)data, size), arena, &path, &query, NULL) == PF_OK) {
        struct pf_http_fields none;
        enum pf_code code = pf_http_parse_target(pf_http_encode(arena, path, true), arena, &again, &none, NULL);
        assert(pf_str_equal(path, PF_STR("*")) || (code == PF_OK && pf_str_equal(path, again) && none.count == 0));
        for (size_t i = 0; i < query.count; i++) {
            pf_str pair =
                pf_arena_printf(arena, "%.*s=%.*s", PF_STR_ARG(pf_http_encode(arena, query.items[i].name, false)),
                                PF_STR_ARG(pf_http_encode(arena, query.items[i].value, false)));
            struct pf_http_fields one;
            assert(pf_http_parse_query(pair, arena, &one, NULL) == PF_OK && one.count == 1);
            assert(pf_str_equal(one.items[0].value, query.items[i].value));
        }
    }
    pf_arena_free(arena);
    return 0;
}
