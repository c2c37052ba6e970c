/* SPDX-License-Identifier: MIT */
/* Any bytes as a plan: read, print, cut into stages, put datasets in their place, until the end. */
#include "base/buf.h"
#include "planner/planner.h"
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct pf_table_facts FACTS[] = {
        {.scan_name = {"main.t@1", 8}, .row_count = 100000, .size_bytes = 10000000, .file_count = 3},
        {.scan_name = {"main.u@1", 8}, .row_count = 1000, .size_bytes = 100000, .file_count = 1},
        {.scan_name = {"main.w@1", 8}, .row_count = 10, .size_bytes = 1000, .file_count = 1}};
    struct pf_arena *arena = pf_arena_new(NULL, "fuzz");
    struct pf_plan *plan;
    struct pf_error err;
    pf_str json = pf_str_from((const char *)data, size);
    if (pf_planner_read(json, PF_STR_EMPTY, FACTS, 3, arena, &plan, &err) == PF_OK) {
        struct pf_buf buf;
        struct pf_planner_options options;
        pf_planner_default_options(&options);
        options.replicated_scan_max_bytes = 2000;
        options.broadcast_max_bytes = 50000;
        options.partition_target_bytes = 20000;
        options.max_partitions = 4;
        pf_buf_init(&buf, 1 << 24);
        enum pf_code code = pf_planner_explain(plan, &options, &buf, &err);
        /* Not understood is fine, but only reading may say so of bad bytes. */
        if (code == PF_BUG || code == PF_INVALID) __builtin_trap();
        pf_buf_clear(&buf);
    }
    pf_arena_free(arena);
    return 0;
}
