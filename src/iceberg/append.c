/* SPDX-License-Identifier: MIT */
/* New files of the default spec, or new files instead of all old ones. */
#include "iceberg/change.h"

enum pf_code pf_iceberg_append(const struct pf_append *append, struct pf_arena *arena, struct pf_commit *out_commit,
                               struct pf_error *err) {
    struct pf_data_file *files = PF_ARENA_ARRAY(arena, struct pf_data_file, append->file_count);
    for (size_t i = 0; i < append->file_count; i++) {
        files[i] = append->files[i];
        files[i].content = PF_FILE_DATA;
        files[i].spec_id = append->metadata->default_spec_id;
    }
    struct pf_change change = {
        .metadata = append->metadata,
        .metadata_path = append->metadata_path,
        .manifests = append->manifests,
        .added = files,
        .added_count = append->file_count,
        .removed = append->replaced,
        .removed_count = append->is_replace ? append->replaced_count : 0,
        .snapshot_id = append->snapshot_id,
        .now_ms = append->now_ms,
        .commit_uuid = append->commit_uuid,
        .metadata_uuid = append->metadata_uuid,
        .summary = append->summary,
        .summary_count = append->summary_count,
    };
    struct change_builder builder = {
        .change = &change, .arena = arena, .keeps_small_manifests = true, .drops_all = append->is_replace};
    return change_build(&builder, out_commit, err);
}
