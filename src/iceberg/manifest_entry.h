/* SPDX-License-Identifier: MIT */
/* One entry of a manifest: the writer's Avro schema is walked and its field ids say where a value goes. */
#ifndef PF_ICEBERG_MANIFEST_ENTRY_H
#define PF_ICEBERG_MANIFEST_ENTRY_H

#include "iceberg/manifest.h"

/* What is the same for all entries of a manifest; threads may share it. */
struct manifest_layout {
    const struct pf_manifest_file *file;
    struct pf_manifest_columns columns;
    const struct pf_partition_spec *spec;
    int *partition_positions; /* of the Avro record's fields in the spec; -1: not in it */
    size_t partition_matches;
    const struct avro_type *schema; /* of an entry */
    enum codec codec;
};

/* One thread's reading of entries. */
struct manifest_decoder {
    const struct manifest_layout *layout;
    struct pf_arena *arena, *scratch;
    struct pf_column_stats *stats; /* of the entry being read; the array is used again for the next */
    size_t stat_count, stat_capacity, stat_hint;
};

/* What is kept of it is copied into the decoder's arena, unless the file isn't compressed. The cursor fails if the entry
 * is not what it should be. */
void manifest_read_entry(struct manifest_decoder *decoder, struct avro_cursor *cursor, struct pf_data_file *out_file);

#endif
