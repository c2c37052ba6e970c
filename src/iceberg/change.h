/* SPDX-License-Identifier: MIT */
/* The next snapshot while it is made: what change.c, change_manifests.c and change_summary.c share. */
#ifndef PF_ICEBERG_CHANGE_H
#define PF_ICEBERG_CHANGE_H

#include "iceberg/manifest.h"

enum { FILES_PER_MANIFEST = 10000 };

struct change_builder {
    const struct pf_change *change;
    const struct pf_table_metadata *base;
    const struct pf_snapshot *parent; /* NULL: none */
    struct pf_arena *arena;
    bool keeps_small_manifests; /* nothing is merged */
    bool drops_all;             /* no manifest of the parent is kept: their live files are all removed */
    pf_str folder;
    int64_t sequence_number, timestamp_ms;
    struct pf_object *objects;
    size_t object_count, object_capacity;
    struct pf_manifest_list list;
    size_t list_capacity;
    int manifest_number;
    int64_t manifests_created, manifests_kept, manifests_replaced;
};

void change_add_object(struct change_builder *builder, pf_str path, pf_str bytes);

/* The manifests of the new snapshot: new files, then the old manifests, without removed files (change_manifests.c). */
enum pf_code change_write_manifests(struct change_builder *builder, struct pf_error *err) PF_MUST_CHECK;

/* Operation and summary (change_summary.c). */
void change_summarise(struct change_builder *builder, struct pf_snapshot *snapshot);

/* Makes the snapshot of a builder whose change, flags and arena are set. */
enum pf_code change_build(struct change_builder *builder, struct pf_commit *out_commit, struct pf_error *err)
    PF_MUST_CHECK;

/* A deletion vector. */
bool change_is_vector(const struct pf_data_file *file);

#endif
