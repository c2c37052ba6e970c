/* SPDX-License-Identifier: MIT */
/* Which delete files apply to a data file. The rules, from the spec's "Scan Planning":
 *
 * D1 A deletion vector applies to the one file that it references, if the file's sequence number is not greater.
 * D2 A position delete file applies to files of its own partition whose sequence number is not greater, unless the file
 *    has a deletion vector. One that references a single file (or whose path bounds are one path) applies to that.
 * D3 An equality delete file applies to files of a smaller sequence number in its own partition, or, if its spec is
 *    unpartitioned, to all such files.
 *
 * A partition is the spec's id and the tuple: tuples of two specs are never the same partition.
 * Position delete files are found by a list sorted by path, or with the equality deletes by one sorted by partition. */
#include "iceberg/schema.h"
#include "iceberg/transform.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY_BYTES = 1 << 20 };

struct keyed {
    pf_str key; /* of a path or of a partition */
    uint32_t delete_number;
    int scope;
};

struct keyed_list {
    struct keyed *items;
    size_t count, capacity;
};

struct pf_delete_index {
    const struct pf_table_metadata *metadata;
    const struct pf_data_file *const *deletes;
    struct keyed_list by_path, by_partition, global; /* global: equality deletes of unpartitioned specs */
    struct pf_arena *arena;
};

/* ---- partitions as keys ---- */

static bool is_unpartitioned(const struct pf_partition_spec *spec) {
    for (size_t i = 0; i < spec->field_count; i++) {
        if (spec->fields[i].transform.kind != PF_TRANSFORM_VOID) return false;
    }
    return true;
}

/* Values that are equal have the same bytes: promoted widths are widened, NaN is one NaN. */
static void put_cell(const struct pf_table_metadata *metadata, const struct pf_partition_field *field, pf_str cell,
                     struct pf_buf *out) {
    const struct pf_iceberg_type *source = schema_source_type(metadata, field->source_id);
    const struct pf_iceberg_type *type = source ? transform_result_type(&field->transform, source) : NULL;
    struct cell_value value;
    bool is_known = type && cell.ptr && cell_decode(type, cell, &value);
    pf_buf_put_char(out, cell.ptr ? 'v' : 'n');
    if (is_known && value.form == CELL_INTEGER) {
        pf_buf_put(out, &value.integer, sizeof value.integer);
    } else if (is_known && value.form == CELL_FLOAT) {
        double real = isnan(value.real) ? (double)NAN : value.real;
        pf_buf_put(out, &real, sizeof real);
    } else if (is_known && value.form == CELL_DECIMAL) {
        pf_buf_put(out, &value.decimal, sizeof value.decimal);
    } else {
        pf_buf_put(out, &cell.len, sizeof cell.len);
        pf_buf_put_str(out, cell);
    }
}

static enum pf_code partition_key(const struct pf_delete_index *index, const struct pf_data_file *file,
                                  struct pf_arena *arena, pf_str *out_key, struct pf_error *err) {
    const struct pf_partition_spec *spec = pf_table_metadata_spec(index->metadata, file->spec_id);
    if (!spec || file->partition_count != spec->field_count) {
        PF_FAIL(err, PF_CORRUPT, "file '%.*s': its partition is not that of spec %d", PF_STR_ARG(file->path),
                file->spec_id);
    }
    struct pf_buf key;
    pf_buf_init(&key, MAX_KEY_BYTES);
    pf_buf_put(&key, &file->spec_id, sizeof file->spec_id);
    for (size_t i = 0; i < spec->field_count; i++) {
        put_cell(index->metadata, &spec->fields[i], file->partition[i], &key);
    }
    bool failed = key.failed;
    if (!failed) *out_key = pf_arena_str(arena, pf_buf_view(&key));
    pf_buf_clear(&key);
    if (failed) PF_FAIL(err, PF_TOO_LARGE, "file '%.*s': its partition", PF_STR_ARG(file->path));
    return PF_OK;
}

/* ---- making ---- */

static bool is_vector(const struct pf_data_file *file) {
    return pf_str_equal(file->format, PF_STR("PUFFIN"));
}

/* The one data file that a position delete file is about; empty if there may be several. */
static pf_str referenced_file(const struct pf_data_file *file) {
    if (file->referenced_data_file.len) return file->referenced_data_file;
    for (size_t i = 0; i < file->column_count; i++) {
        const struct pf_column_stats *stats = &file->columns[i];
        bool is_one =
            stats->field_id == PF_DELETE_PATH_FIELD && stats->lower.len && pf_str_equal(stats->lower, stats->upper);
        if (is_one) return stats->lower;
    }
    return PF_STR_EMPTY;
}

static int compare_keyed(const void *a, const void *b) {
    const struct keyed *x = a, *y = b;
    int order = pf_str_compare(x->key, y->key);
    return order ? order : (x->delete_number > y->delete_number) - (x->delete_number < y->delete_number);
}

static enum pf_code add_delete(struct pf_delete_index *index, uint32_t number, struct pf_error *err) {
    const struct pf_data_file *file = index->deletes[number];
    struct keyed keyed = {.delete_number = number};
    struct keyed_list *list = &index->by_path;
    if (file->sequence_number < 0) {
        PF_FAIL(err, PF_CORRUPT, "delete file '%.*s' has no sequence number", PF_STR_ARG(file->path));
    }
    if (file->content == PF_FILE_POSITION_DELETES) keyed.key = referenced_file(file);
    if (is_vector(file) && (!keyed.key.len || file->content_offset < 0 || file->content_size_bytes < 0)) {
        PF_FAIL(err, PF_CORRUPT, "deletion vector in '%.*s' does not say of which file, or where it lies",
                PF_STR_ARG(file->path));
    }
    if (!keyed.key.len) {
        const struct pf_partition_spec *spec = pf_table_metadata_spec(index->metadata, file->spec_id);
        bool is_global = file->content == PF_FILE_EQUALITY_DELETES && spec && is_unpartitioned(spec);
        list = is_global ? &index->global : &index->by_partition;
        if (!is_global) PF_TRY(partition_key(index, file, index->arena, &keyed.key, err));
    }
    PF_ARENA_PUSH(index->arena, list->items, list->count, list->capacity) = keyed;
    return PF_OK;
}

enum pf_code pf_delete_index_new(const struct pf_table_metadata *metadata, const struct pf_data_file *const *deletes,
                                 size_t count, struct pf_arena *arena, struct pf_delete_index **out_index,
                                 struct pf_error *err) {
    struct pf_delete_index *index = PF_ARENA_NEW(arena, struct pf_delete_index);
    *index = (struct pf_delete_index){.metadata = metadata, .deletes = deletes, .arena = arena};
    for (size_t i = 0; i < count; i++) PF_TRY(add_delete(index, (uint32_t)i, err));
    struct keyed_list *partitions = &index->by_partition;
    if (index->by_path.count) {
        qsort(index->by_path.items, index->by_path.count, sizeof(struct keyed), compare_keyed);
    }
    if (partitions->count) qsort(partitions->items, partitions->count, sizeof(struct keyed), compare_keyed);
    for (size_t i = 0, scope = 0; i < partitions->count; i++) {
        if (i == 0 || !pf_str_equal(partitions->items[i - 1].key, partitions->items[i].key)) scope++;
        partitions->items[i].scope = (int)scope;
    }
    *out_index = index;
    return PF_OK;
}

/* ---- asking ---- */

static size_t first_of(const struct keyed_list *list, pf_str key) {
    size_t from = 0, to = list->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (pf_str_compare(list->items[middle].key, key) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

static bool may_name(const struct pf_data_file *deletes, pf_str path) {
    for (size_t i = 0; i < deletes->column_count; i++) {
        const struct pf_column_stats *stats = &deletes->columns[i];
        if (stats->field_id != PF_DELETE_PATH_FIELD) continue;
        if (stats->lower.ptr && pf_str_compare(path, stats->lower) < 0) return false;
        bool is_above = stats->upper.ptr && pf_str_compare(path, stats->upper) > 0;
        if (is_above && !pf_str_starts_with(path, stats->upper)) return false;
    }
    return true;
}

struct finding {
    const struct pf_delete_index *index;
    const struct pf_data_file *file;
    pf_str partition; /* made when it is needed */
    struct pf_arena *arena;
    uint32_t *found;
    size_t count, capacity;
};

static void add_found(struct finding *finding, uint32_t number) {
    PF_ARENA_PUSH(finding->arena, finding->found, finding->count, finding->capacity) = number;
}

static enum pf_code need_partition(struct finding *finding, struct pf_error *err) {
    if (finding->partition.len) return PF_OK;
    return partition_key(finding->index, finding->file, finding->arena, &finding->partition, err);
}

static enum pf_code check_partition(struct finding *finding, const struct pf_data_file *deletes, struct pf_error *err) {
    pf_str key;
    PF_TRY(need_partition(finding, err));
    PF_TRY(partition_key(finding->index, deletes, finding->arena, &key, err));
    if (pf_str_equal(key, finding->partition)) return PF_OK;
    PF_FAIL(err, PF_CORRUPT, "delete file '%.*s' references data file '%.*s' of another partition",
            PF_STR_ARG(deletes->path), PF_STR_ARG(finding->file->path));
}

/* D1, and of D2 what references the file; `*out_has_vector`: nothing else by position applies. */
static enum pf_code find_by_path(struct finding *finding, bool *out_has_vector, struct pf_error *err) {
    const struct pf_delete_index *index = finding->index;
    const struct pf_data_file *file = finding->file;
    size_t first = first_of(&index->by_path, file->path), vector = SIZE_MAX;
    for (size_t i = first; i < index->by_path.count; i++) {
        const struct keyed *keyed = &index->by_path.items[i];
        const struct pf_data_file *deletes = index->deletes[keyed->delete_number];
        if (!pf_str_equal(keyed->key, file->path)) break;
        if (deletes->sequence_number < file->sequence_number) continue;
        PF_TRY(check_partition(finding, deletes, err));
        if (!is_vector(deletes)) continue;
        if (vector != SIZE_MAX) {
            PF_FAIL(err, PF_CORRUPT, "data file '%.*s' has two deletion vectors", PF_STR_ARG(file->path));
        }
        vector = i;
    }
    *out_has_vector = vector != SIZE_MAX;
    if (*out_has_vector) {
        add_found(finding, index->by_path.items[vector].delete_number);
        return PF_OK;
    }
    for (size_t i = first; i < index->by_path.count; i++) {
        const struct keyed *keyed = &index->by_path.items[i];
        if (!pf_str_equal(keyed->key, file->path)) break;
        const struct pf_data_file *deletes = index->deletes[keyed->delete_number];
        if (deletes->sequence_number >= file->sequence_number) add_found(finding, keyed->delete_number);
    }
    return PF_OK;
}

static enum pf_code find_by_partition(struct finding *finding, bool has_vector, struct pf_error *err) {
    const struct pf_delete_index *index = finding->index;
    if (!index->by_partition.count) return PF_OK;
    PF_TRY(need_partition(finding, err));
    for (size_t i = first_of(&index->by_partition, finding->partition); i < index->by_partition.count; i++) {
        const struct keyed *keyed = &index->by_partition.items[i];
        const struct pf_data_file *deletes = index->deletes[keyed->delete_number];
        if (!pf_str_equal(keyed->key, finding->partition)) break;
        if (deletes->content == PF_FILE_EQUALITY_DELETES) {
            if (deletes->sequence_number > finding->file->sequence_number) add_found(finding, keyed->delete_number);
        } else if (!has_vector && deletes->sequence_number >= finding->file->sequence_number &&
                   may_name(deletes, finding->file->path)) {
            add_found(finding, keyed->delete_number);
        }
    }
    return PF_OK;
}

static int compare_numbers(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

enum pf_code pf_delete_index_find(const struct pf_delete_index *index, const struct pf_data_file *file,
                                  struct pf_arena *arena, const uint32_t **out_found, size_t *out_count,
                                  struct pf_error *err) {
    struct finding finding = {.index = index, .file = file, .arena = arena};
    bool has_vector = false;
    if (file->sequence_number < 0) {
        PF_FAIL(err, PF_CORRUPT, "data file '%.*s' has no sequence number", PF_STR_ARG(file->path));
    }
    PF_TRY(find_by_path(&finding, &has_vector, err));
    PF_TRY(find_by_partition(&finding, has_vector, err));
    for (size_t i = 0; i < index->global.count; i++) {
        uint32_t number = index->global.items[i].delete_number;
        if (index->deletes[number]->sequence_number > file->sequence_number) add_found(&finding, number);
    }
    if (finding.count) qsort(finding.found, finding.count, sizeof *finding.found, compare_numbers);
    *out_found = finding.found;
    *out_count = finding.count;
    return PF_OK;
}

int pf_delete_index_scope(const struct pf_delete_index *index, const struct pf_data_file *file) {
    struct pf_arena *scratch = pf_arena_new(NULL, "partition");
    const struct pf_partition_spec *spec = pf_table_metadata_spec(index->metadata, file->spec_id);
    bool is_global = file->content == PF_FILE_EQUALITY_DELETES && spec && is_unpartitioned(spec);
    pf_str key;
    int scope = 0;
    if (index->by_partition.count && !is_global && partition_key(index, file, scratch, &key, NULL) == PF_OK) {
        size_t at = first_of(&index->by_partition, key);
        bool is_there = at < index->by_partition.count && pf_str_equal(index->by_partition.items[at].key, key);
        if (is_there) scope = index->by_partition.items[at].scope;
    }
    pf_arena_free(scratch);
    return scope;
}
