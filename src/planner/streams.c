/* SPDX-License-Identifier: MIT */
/* Streams: how a subtree can run, and by what its rows are partitioned. */
#include "planner/streams.h"

bool stream_is_whole(const struct stream *stream) {
    return stream->alternative_count == 1 && !stream->alternatives[0].driving_id &&
           !stream->alternatives[0].aligned_count && !stream->alternatives[0].choice_count;
}

void stream_make_whole(struct cutter *cutter, struct stream *stream) {
    stream->alternatives = PF_ARENA_NEW(cutter->arena, struct alternative);
    stream->alternative_count = 1;
    stream->partition_count = 0;
    stream_drop_keys(stream);
}

bool stream_is_cheap(const struct cutter *cutter, const struct stream *stream) {
    return stream_is_whole(stream) || (stream->scan_bytes <= (double)cutter->options->replicated_scan_max_bytes &&
                                       stream->dataset_bytes <= (double)cutter->options->partition_target_bytes);
}

/* Every task computes it again: light work on a small dataset, or anything over very little. */
bool stream_can_be_read_whole(const struct cutter *cutter, const struct stream *stream) {
    if (stream->is_volatile) return false;
    double scan_limit = (double)cutter->options->replicated_scan_max_bytes;
    double dataset_limit = stream->is_light ? (double)cutter->options->broadcast_max_bytes : scan_limit;
    return stream->scan_bytes <= scan_limit && stream->dataset_bytes <= dataset_limit;
}

void stream_drop_keys(struct stream *stream) {
    stream->key_set_count = 0;
}

void stream_add_keys(struct stream *stream, const struct pf_expr **exprs, uint32_t count) {
    if (stream->key_set_count >= MAX_KEY_SETS || !count) return;
    for (uint32_t s = 0; s < stream->key_set_count; s++) {
        bool is_same = stream->key_sets[s].count == count;
        for (uint32_t i = 0; is_same && i < count; i++) is_same = pf_expr_equal(stream->key_sets[s].exprs[i], exprs[i]);
        if (is_same) return;
    }
    stream->key_sets[stream->key_set_count++] = (struct key_set){exprs, count};
}

bool stream_is_partitioned_by(const struct stream *stream, const struct pf_expr *const *exprs, uint32_t count) {
    for (uint32_t s = 0; s < stream->key_set_count; s++) {
        uint32_t found = 0;
        for (uint32_t k = 0; k < stream->key_sets[s].count; k++)
            for (uint32_t i = 0; i < count; i++)
                if (pf_expr_equal(stream->key_sets[s].exprs[k], exprs[i])) {
                    found++;
                    break;
                }
        if (found == stream->key_sets[s].count) return true;
    }
    return false;
}

void stream_map_keys(struct cutter *cutter, struct stream *stream, const struct pf_expr *const *columns,
                     uint32_t column_count) {
    uint32_t kept = 0;
    for (uint32_t s = 0; s < stream->key_set_count; s++) {
        struct key_set set = stream->key_sets[s];
        const struct pf_expr **exprs = PF_ARENA_ARRAY(cutter->arena, const struct pf_expr *, set.count);
        bool is_complete = true;
        for (uint32_t i = 0; i < set.count && is_complete; i++) {
            exprs[i] = pf_expr_substitute(set.exprs[i], columns, column_count, cutter->arena);
            is_complete = exprs[i] != NULL;
        }
        if (is_complete) stream->key_sets[kept++] = (struct key_set){exprs, set.count};
    }
    stream->key_set_count = kept;
}

void stream_drop_splits(struct cutter *cutter, struct stream *stream) {
    struct alternative *copies = PF_ARENA_ARRAY(cutter->arena, struct alternative, stream->alternative_count);
    for (uint32_t i = 0; i < stream->alternative_count; i++) {
        copies[i] = stream->alternatives[i];
        copies[i].split_count = 0;
    }
    stream->alternatives = copies;
}

struct alternative *new_alternative(struct cutter *cutter, struct stream *stream) {
    struct alternative *grown = PF_ARENA_ARRAY(cutter->arena, struct alternative, stream->alternative_count + 1u);
    for (uint32_t i = 0; i < stream->alternative_count; i++) grown[i] = stream->alternatives[i];
    stream->alternatives = grown;
    return &grown[stream->alternative_count++];
}
