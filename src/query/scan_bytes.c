/* SPDX-License-Identifier: MIT */
/* How much a planned statement will read: files that its predicates leave, and of these the share of its columns. Files
 * don't tell the sizes of their columns here, so each column counts alike. */
#include "query/query_internal.h"

#include "planner/planner.h"

enum pf_code scan_bytes_of(struct pf_query *query, const struct pf_plan *plan, int64_t *out_bytes,
                           struct pf_error *err) {
    struct pf_input *inputs;
    size_t count;
    PF_TRY(pf_planner_scans(plan, query->arena, &inputs, &count, err));
    double bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const struct lake_table *lake = find_lake_table(&query->tables, inputs[i].scan_name);
        if (!lake) continue; /* changed meanwhile: the query will start over */
        struct pf_arena *scratch = pf_arena_new(query->arena, "files");
        struct pf_file_list files;
        enum pf_code code =
            plan_lake_files(query->stack, lake, inputs[i].predicates, inputs[i].predicate_count, scratch, &files, err);
        double columns = lake->column_count ? (double)lake->column_count : 1;
        if (code == PF_OK) bytes += (double)files.size_bytes * (double)inputs[i].column_count / columns;
        pf_arena_free(scratch);
        PF_TRY(code);
    }
    *out_bytes = (int64_t)bytes;
    return PF_OK;
}
