/* SPDX-License-Identifier: MIT */
/* Statistics of columns nobody asked for are passed over without being stored. */
#include "iceberg/manifest_entry.h"

#include <stdlib.h>
#include <string.h>

static pf_str keep(const struct manifest_decoder *decoder, pf_str bytes) {
    return decoder->layout->codec != CODEC_NULL && bytes.ptr ? pf_arena_str(decoder->arena, bytes) : bytes;
}

static void take_kept_str(struct manifest_decoder *decoder, struct avro_cursor *cursor, const struct avro_type *type,
                          pf_str *out_bytes) {
    if (avro_take_str(cursor, type, out_bytes)) *out_bytes = keep(decoder, *out_bytes);
}

/* ---- column statistics: six maps into one array ---- */

static inline bool is_wanted(const struct manifest_layout *layout, int64_t id) {
    if (id < 0 || id > INT32_MAX) return false;
    if (layout->columns.all) return true;
    for (size_t i = 0; i < layout->columns.count; i++) {
        if (layout->columns.ids[i] == id) return true;
    }
    return false;
}

/* The maps name their columns in the same order, so the next one is nearly always where the hint says. */
static struct pf_column_stats *stats_of(struct manifest_decoder *decoder, int id) {
    if (decoder->stat_hint < decoder->stat_count && decoder->stats[decoder->stat_hint].field_id == id) {
        return &decoder->stats[decoder->stat_hint++];
    }
    for (size_t i = 0; i < decoder->stat_count; i++) {
        if (decoder->stats[i].field_id != id) continue;
        decoder->stat_hint = i + 1;
        return &decoder->stats[i];
    }
    PF_ARENA_PUSH(decoder->scratch, decoder->stats, decoder->stat_count, decoder->stat_capacity) =
        (struct pf_column_stats){
            .field_id = id, .size_bytes = -1, .value_count = -1, .null_count = -1, .nan_count = -1};
    decoder->stat_hint = decoder->stat_count;
    return &decoder->stats[decoder->stat_count - 1];
}

static void store_stat(struct pf_column_stats *stats, int map, int64_t number, pf_str bytes) {
    if (number < 0) number = -1;
    switch (map) {
    case FIELD_COLUMN_SIZES: stats->size_bytes = number; break;
    case FIELD_VALUE_COUNTS: stats->value_count = number; break;
    case FIELD_NULL_COUNTS: stats->null_count = number; break;
    case FIELD_NAN_COUNTS: stats->nan_count = number; break;
    case FIELD_LOWER_BOUNDS: stats->lower = bytes; break;
    default: stats->upper = bytes; break;
    }
}

static inline bool is_bounds_map(int map) {
    return map == FIELD_LOWER_BOUNDS || map == FIELD_UPPER_BOUNDS;
}

/* Passes over pairs of short keys that nobody wants, up to the first that is something else; returns how many. */
static size_t skip_unwanted(const struct manifest_layout *layout, struct avro_cursor *cursor, size_t count,
                            bool is_bytes) {
    const unsigned char *at = cursor->at, *end = cursor->end;
    size_t i = 0;
    for (; i < count && end - at >= 2 && !(at[0] & 0x81); i++) {
        const unsigned char *next = at + 1;
        if (is_wanted(layout, at[0] >> 1)) break;
        if (is_bytes) {
            if ((*next & 0x81) || end - next <= *next >> 1) break;
            next += 1 + (*next >> 1);
        } else {
            while (next < end && (*next & 0x80)) next++;
            if (next == end) break;
            next++;
        }
        at = next;
    }
    cursor->at = at;
    return i;
}

/* True if it was wanted. */
static bool read_pair(struct manifest_decoder *decoder, struct avro_cursor *cursor, const struct avro_type *item,
                      int map) {
    int64_t key, number = -1;
    pf_str bytes = PF_STR_EMPTY;
    if (!avro_take_i64(cursor, item->fields[0].type, &key) || !is_wanted(decoder->layout, key)) {
        avro_skip(cursor, item->fields[1].type);
        return false;
    }
    if (is_bounds_map(map)) {
        take_kept_str(decoder, cursor, item->fields[1].type, &bytes);
    } else if (!avro_take_i64(cursor, item->fields[1].type, &number)) {
        number = -1;
    }
    store_stat(stats_of(decoder, (int)key), map, number, bytes);
    return true;
}

static void read_stat_map(struct manifest_decoder *decoder, struct avro_cursor *cursor, const struct avro_type *type,
                          int map) {
    bool is_bytes;
    type = avro_take_branch(cursor, type);
    if (!type) return;
    const struct avro_type *item = type->kind == AVRO_ARRAY ? type->fields[0].type : NULL;
    if (!item || item->kind != AVRO_RECORD || item->field_count != 2) {
        avro_fail(cursor, "column statistics are no list of keys and values");
        return;
    }
    bool can_skip = !decoder->layout->columns.all && avro_is_pair(item, &is_bytes);
    size_t left = can_skip ? decoder->layout->columns.count : SIZE_MAX;
    decoder->stat_hint = 0;
    for (size_t n = avro_take_block(cursor); n > 0; n = avro_take_block(cursor)) {
        for (size_t i = 0; i < n && !cursor->failed; i++) {
            if (left == 0) {
                avro_skip_pairs(cursor, n - i, is_bytes);
                break;
            }
            if (can_skip) i += skip_unwanted(decoder->layout, cursor, n - i, is_bytes);
            if (i < n && read_pair(decoder, cursor, item, map)) left--;
        }
    }
}

static int compare_stats(const void *a, const void *b) {
    int x = ((const struct pf_column_stats *)a)->field_id, y = ((const struct pf_column_stats *)b)->field_id;
    return (x > y) - (x < y);
}

static void keep_stats(struct manifest_decoder *decoder, struct pf_data_file *file) {
    if (decoder->stat_count == 0) return;
    for (size_t i = 1; i < decoder->stat_count; i++) {
        if (decoder->stats[i - 1].field_id < decoder->stats[i].field_id) continue;
        qsort(decoder->stats, decoder->stat_count, sizeof *decoder->stats, compare_stats);
        break;
    }
    struct pf_column_stats *kept = PF_ARENA_ARRAY(decoder->arena, struct pf_column_stats, decoder->stat_count);
    memcpy(kept, decoder->stats, decoder->stat_count * sizeof *kept);
    file->columns = kept;
    file->column_count = decoder->stat_count;
}

/* ---- partition tuples ---- */

static pf_str cell_of_number(struct manifest_decoder *decoder, int64_t number, size_t width) {
    char *bytes = pf_arena_alloc(decoder->arena, width);
    for (size_t i = 0; i < width; i++) bytes[i] = (char)((uint64_t)number >> (8 * i));
    return pf_str_from(bytes, width);
}

/* Avro's encodings of bytes, floats and fixed are those of cells; only numbers differ. */
static pf_str read_cell(struct manifest_decoder *decoder, struct avro_cursor *cursor, const struct avro_type *type) {
    type = avro_take_branch(cursor, type);
    if (!type) return PF_STR_EMPTY;
    const unsigned char *start = cursor->at;
    pf_str bytes;
    switch (type->kind) {
    case AVRO_INT:
    case AVRO_LONG: {
        int64_t number = avro_take_long(cursor);
        return cell_of_number(decoder, number, type->kind == AVRO_INT ? 4 : 8);
    }
    case AVRO_BYTES:
    case AVRO_STRING: return keep(decoder, avro_take_bytes(cursor));
    case AVRO_BOOLEAN:
    case AVRO_FLOAT:
    case AVRO_DOUBLE:
    case AVRO_FIXED:
        avro_skip(cursor, type);
        bytes = pf_str_from((const char *)start, (size_t)(cursor->at - start));
        return cursor->failed ? PF_STR_EMPTY : keep(decoder, bytes);
    default: avro_fail(cursor, "a partition value of a nested type"); return PF_STR_EMPTY;
    }
}

static void read_partition(struct manifest_decoder *decoder, struct avro_cursor *cursor, const struct avro_type *type,
                           struct pf_data_file *file) {
    type = avro_take_branch(cursor, type);
    if (!type) return;
    if (type->kind != AVRO_RECORD) {
        avro_fail(cursor, "the partition is no record");
        return;
    }
    size_t count = decoder->layout->spec->field_count;
    pf_str *cells = PF_ARENA_ARRAY(decoder->arena, pf_str, count);
    for (size_t i = 0; i < type->field_count && !cursor->failed; i++) {
        int position = decoder->layout->partition_positions ? decoder->layout->partition_positions[i] : -1;
        if (position < 0) {
            avro_skip(cursor, type->fields[i].type);
        } else {
            cells[position] = read_cell(decoder, cursor, type->fields[i].type);
        }
    }
    /* A tuple with holes says nothing about what is missing: then it isn't used at all. */
    if (decoder->layout->partition_matches < count) return;
    file->partition = cells;
    file->partition_count = count;
}

/* ---- entries ---- */

static void read_numbers(struct manifest_decoder *decoder, struct avro_cursor *cursor, const struct avro_type *type,
                         bool is_ids, struct pf_data_file *file) {
    int64_t *numbers = NULL;
    size_t count = 0, capacity = 0;
    type = avro_take_branch(cursor, type);
    if (!type) return;
    if (type->kind != AVRO_ARRAY) {
        avro_fail(cursor, "a list is no array");
        return;
    }
    for (size_t n = avro_take_block(cursor); n > 0; n = avro_take_block(cursor)) {
        for (size_t i = 0; i < n && !cursor->failed; i++) {
            int64_t number;
            avro_take_i64(cursor, type->fields[0].type, &number);
            PF_ARENA_PUSH(decoder->arena, numbers, count, capacity) = number;
        }
    }
    if (!is_ids) {
        file->split_offsets = numbers;
        file->split_offset_count = count;
        return;
    }
    int *ids = PF_ARENA_ARRAY(decoder->arena, int, count);
    for (size_t i = 0; i < count; i++) ids[i] = (int)numbers[i];
    file->equality_ids = ids;
    file->equality_id_count = count;
}

static int64_t take_or(struct avro_cursor *cursor, const struct avro_type *type, int64_t fallback) {
    int64_t number;
    return avro_take_i64(cursor, type, &number) ? number : fallback;
}

static int64_t take_count(struct avro_cursor *cursor, const struct avro_type *type, const char *what) {
    int64_t count = take_or(cursor, type, -1);
    if (count < 0) avro_fail(cursor, what);
    return count;
}

static pf_str upper_case(struct manifest_decoder *decoder, pf_str text) {
    if (pf_str_equal_nocase(text, PF_STR("parquet"))) return PF_STR("PARQUET");
    char *copy = pf_arena_cstr(decoder->arena, text);
    for (size_t i = 0; i < text.len; i++) {
        if (copy[i] >= 'a' && copy[i] <= 'z') copy[i] = (char)(copy[i] - 'a' + 'A');
    }
    return pf_str_from(copy, text.len);
}

static void read_file_field(struct manifest_decoder *decoder, struct avro_cursor *cursor,
                            const struct avro_field *field, struct pf_data_file *file) {
    const struct avro_type *type = field->type;
    int64_t number;
    switch (field->id) {
    case FIELD_CONTENT:
        number = take_or(cursor, type, 0);
        if (number < 0 || number > 2) avro_fail(cursor, "a file of unknown content");
        file->content = (enum pf_file_content)number;
        break;
    case FIELD_FILE_PATH: take_kept_str(decoder, cursor, type, &file->path); break;
    case FIELD_FILE_FORMAT:
        avro_take_str(cursor, type, &file->format);
        file->format = upper_case(decoder, file->format);
        break;
    case FIELD_PARTITION: read_partition(decoder, cursor, type, file); break;
    case FIELD_RECORD_COUNT: file->record_count = take_count(cursor, type, "no record count"); break;
    case FIELD_FILE_SIZE: file->size_bytes = take_count(cursor, type, "no file size"); break;
    case FIELD_COLUMN_SIZES:
        if (!decoder->layout->columns.all) {
            avro_skip(cursor, type);
            break;
        }
        read_stat_map(decoder, cursor, type, field->id);
        break;
    case FIELD_VALUE_COUNTS:
    case FIELD_NULL_COUNTS:
    case FIELD_NAN_COUNTS:
    case FIELD_LOWER_BOUNDS:
    case FIELD_UPPER_BOUNDS:
        if (decoder->layout->columns.all || decoder->layout->columns.count) {
            read_stat_map(decoder, cursor, type, field->id);
        } else {
            avro_skip(cursor, type);
        }
        break;
    case FIELD_KEY_METADATA: take_kept_str(decoder, cursor, type, &file->key_metadata); break;
    case FIELD_SPLIT_OFFSETS: read_numbers(decoder, cursor, type, false, file); break;
    case FIELD_EQUALITY_IDS: read_numbers(decoder, cursor, type, true, file); break;
    case FIELD_SORT_ORDER_ID:
        number = take_or(cursor, type, -1);
        file->sort_order_id = number >= 0 && number <= INT32_MAX ? (int)number : -1;
        break;
    case FIELD_FIRST_ROW_ID: file->first_row_id = take_or(cursor, type, -1); break;
    case FIELD_REFERENCED_DATA_FILE: take_kept_str(decoder, cursor, type, &file->referenced_data_file); break;
    case FIELD_CONTENT_OFFSET: file->content_offset = take_or(cursor, type, -1); break;
    case FIELD_CONTENT_SIZE: file->content_size_bytes = take_or(cursor, type, -1); break;
    default: avro_skip(cursor, type);
    }
}

static void read_data_file(struct manifest_decoder *decoder, struct avro_cursor *cursor, const struct avro_type *type,
                           struct pf_data_file *file) {
    type = avro_take_branch(cursor, type);
    if (!type || type->kind != AVRO_RECORD) {
        avro_fail(cursor, "an entry without a data file");
        return;
    }
    for (size_t i = 0; i < type->field_count && !cursor->failed; i++) {
        read_file_field(decoder, cursor, &type->fields[i], file);
    }
}

/* Sequence numbers are inherited by added files, and by all files of v1 manifests (their number is 0); snapshot ids by
 * all (spec, Sequence Number Inheritance). */
static void inherit(const struct pf_manifest_file *manifest, struct pf_data_file *file) {
    bool inherits = file->status == PF_ENTRY_ADDED || manifest->sequence_number == 0;
    if (file->snapshot_id < 0) file->snapshot_id = manifest->added_snapshot_id;
    if (file->sequence_number < 0 && inherits) file->sequence_number = manifest->sequence_number;
    if (file->file_sequence_number < 0 && inherits) file->file_sequence_number = manifest->sequence_number;
}

void manifest_read_entry(struct manifest_decoder *decoder, struct avro_cursor *cursor, struct pf_data_file *file) {
    const struct avro_type *root = decoder->layout->schema;
    int64_t status = -1;
    *file = (struct pf_data_file){.spec_id = decoder->layout->spec->id,
                                  .record_count = -1,
                                  .size_bytes = -1,
                                  .sort_order_id = -1,
                                  .snapshot_id = -1,
                                  .sequence_number = -1,
                                  .file_sequence_number = -1,
                                  .content_offset = -1,
                                  .content_size_bytes = -1,
                                  .first_row_id = -1};
    decoder->stat_count = 0;
    for (size_t i = 0; i < root->field_count && !cursor->failed; i++) {
        const struct avro_type *type = root->fields[i].type;
        switch (root->fields[i].id) {
        case FIELD_STATUS: status = take_or(cursor, type, -1); break;
        case FIELD_SNAPSHOT_ID: file->snapshot_id = take_or(cursor, type, -1); break;
        case FIELD_SEQUENCE_NUMBER: file->sequence_number = take_or(cursor, type, -1); break;
        case FIELD_FILE_SEQUENCE_NUMBER: file->file_sequence_number = take_or(cursor, type, -1); break;
        case FIELD_DATA_FILE: read_data_file(decoder, cursor, type, file); break;
        default: avro_skip(cursor, type);
        }
    }
    if (status < 0 || status > 2) avro_fail(cursor, "an entry of unknown status");
    if (file->path.len == 0) avro_fail(cursor, "a file without a path");
    if (file->record_count < 0 || file->size_bytes < 0) avro_fail(cursor, "a file without its counts");
    if (cursor->failed) return;
    file->status = (enum pf_entry_status)status;
    if (file->format.len == 0) file->format = PF_STR("PARQUET");
    inherit(decoder->layout->file, file);
    keep_stats(decoder, file);
}
