/* SPDX-License-Identifier: MIT */
/* Which manifests and files can hold rows that satisfy all predicates.
 *
 * A manifest's partition summary, a file's partition value and a file's column statistics are all seen as a `range`:
 * what values may be inside. Each predicate is tested against each range that says something about its column, after
 * the range's transform was applied to its constants. One "impossible" is enough to skip.
 *
 * Rules that keep a wrong skip from happening (spec, Scan Planning; and what writers in the wild do):
 * R1 What is missing or can't be decoded is unknown: every value is possible.
 * R2 Bounds are outer bounds and leave out nulls and NaN. NaN is the greatest value (DuckDB's order).
 * R3 Bounds that are inverted, or NaN, are ignored.
 * R4 The order of UUIDs differs between writers: their bounds are used only where lower and upper are the same.
 * R5 Upper bounds of text may have been cut without being rounded up: what starts with such a bound counts as below it.
 * R6 Old writers rounded times before 1970 towards zero: a negative partition value may be one too great. */
#include "iceberg/prune.h"
#include "iceberg/transform.h"

#include <string.h>

enum { CUT_BOUND_BYTES = 16 }; /* shorter text bounds were not cut */

/* One spec field that a predicate's column is the source of. */
struct partition_test {
    int spec_id;
    size_t position;
    const struct pf_transform *transform;
    const struct pf_iceberg_type *type; /* of partition values */
    size_t predicate;
    struct cell_value *values; /* the predicate's, transformed */
};

struct pf_pruner {
    struct bound_predicate *predicates;
    size_t predicate_count;
    struct partition_test *tests;
    size_t test_count, test_capacity;
    const struct pf_table_metadata *metadata;
    int *ids;
    size_t id_count, id_capacity;
};

struct range {
    bool may_be_null, may_be_nan, may_be_value; /* value: neither null nor NaN */
    bool has_lower, has_upper;
    struct cell_value lower, upper;
};

static const struct range anything = {.may_be_null = true, .may_be_nan = true, .may_be_value = true};

/* ---- making ranges ---- */

static void set_bounds(const struct pf_iceberg_type *type, pf_str lower, pf_str upper, struct range *range) {
    range->has_lower = cell_decode(type, lower, &range->lower) && !cell_is_nan(&range->lower);
    range->has_upper = cell_decode(type, upper, &range->upper) && !cell_is_nan(&range->upper);
    bool has_both = range->has_lower && range->has_upper;
    int order = has_both ? cell_compare(&range->lower, &range->upper) : 0;
    if ((has_both && order > 0) || (type->kind == PF_ICEBERG_UUID && !(has_both && order == 0))) {
        range->has_lower = range->has_upper = false;
    }
}

static struct range range_of_summary(const struct pf_iceberg_type *type, const struct pf_field_summary *summary) {
    struct range range = anything;
    range.may_be_null = summary->contains_null;
    range.may_be_nan = cell_is_float(type) && (!summary->has_contains_nan || summary->contains_nan);
    set_bounds(type, summary->lower, summary->upper, &range);
    return range;
}

static struct range range_of_cell(const struct pf_iceberg_type *type, pf_str cell) {
    struct range range = {0};
    struct cell_value value;
    if (!cell.ptr) {
        range.may_be_null = true;
        return range;
    }
    if (!cell_decode(type, cell, &value)) return anything;
    range.may_be_nan = cell_is_nan(&value);
    range.may_be_value = !range.may_be_nan;
    range.has_lower = range.has_upper = range.may_be_value;
    range.lower = range.upper = value;
    return range;
}

static struct range range_of_stats(const struct pf_iceberg_type *type, const struct pf_column_stats *stats) {
    struct range range = anything;
    bool is_float = cell_is_float(type);
    range.may_be_null = stats->null_count != 0;
    range.may_be_nan = is_float && stats->nan_count != 0;
    if (stats->value_count > 0 && stats->null_count >= 0) {
        int64_t nan_count = is_float && stats->nan_count > 0 ? stats->nan_count : 0;
        if (stats->null_count >= stats->value_count) {
            range.may_be_value = range.may_be_nan = false;
        } else if (stats->null_count + nan_count >= stats->value_count) {
            range.may_be_value = false;
        }
    }
    set_bounds(type, stats->lower, stats->upper, &range);
    return range;
}

/* ---- testing ---- */

static bool is_above_upper(const struct range *range, const struct cell_value *value) {
    if (!range->has_upper || cell_compare(value, &range->upper) <= 0) return false;
    bool may_be_cut = value->form == CELL_BYTES && range->upper.bytes.len >= CUT_BOUND_BYTES;
    return !(may_be_cut && pf_str_starts_with(value->bytes, range->upper.bytes)); /* R5 */
}

static bool is_below_lower(const struct range *range, const struct cell_value *value) {
    return range->has_lower && cell_compare(value, &range->lower) < 0;
}

/* Can a value of the range be `kind` the constant, compared exactly? The range holds values of the column itself. */
static bool can_hold(const struct range *range, enum pf_predicate_kind kind, const struct cell_value *value) {
    if (cell_is_nan(value)) {
        bool others = range->may_be_value;
        switch (kind) {
        case PF_PREDICATE_LT:
        case PF_PREDICATE_NE: return others;
        case PF_PREDICATE_LE: return others || range->may_be_nan;
        case PF_PREDICATE_GT: return false;
        default: return range->may_be_nan;
        }
    }
    bool has_nan_above = range->may_be_nan; /* R2 */
    switch (kind) {
    case PF_PREDICATE_EQ:
    case PF_PREDICATE_IN: return range->may_be_value && !is_below_lower(range, value) && !is_above_upper(range, value);
    case PF_PREDICATE_NE: {
        bool is_only = range->has_lower && range->has_upper && cell_compare(&range->lower, value) == 0 &&
                       cell_compare(&range->upper, value) == 0 &&
                       !(value->form == CELL_BYTES && value->bytes.len >= CUT_BOUND_BYTES);
        return has_nan_above || (range->may_be_value && !is_only);
    }
    case PF_PREDICATE_LT: return range->may_be_value && !(range->has_lower && cell_compare(&range->lower, value) >= 0);
    case PF_PREDICATE_LE: return range->may_be_value && !is_below_lower(range, value);
    case PF_PREDICATE_GT: {
        bool reaches = range->has_upper && cell_compare(&range->upper, value) == 0 && value->form == CELL_BYTES &&
                       value->bytes.len >= CUT_BOUND_BYTES; /* R5: what was cut may be greater */
        bool is_over = range->has_upper && cell_compare(value, &range->upper) >= 0 && !reaches;
        if (is_over && cell_compare(value, &range->upper) > 0) is_over = is_above_upper(range, value);
        return has_nan_above || (range->may_be_value && !is_over);
    }
    case PF_PREDICATE_GE: return has_nan_above || (range->may_be_value && !is_above_upper(range, value));
    default: return true;
    }
}

/* The same for a range of transformed values. Truncation and times keep the order but not equality, so that x < c
 * allows t(x) = t(c); buckets keep only equality. */
static bool can_hold_transformed(const struct range *range, const struct pf_transform *transform,
                                 enum pf_predicate_kind kind, const struct cell_value *value) {
    if (transform->kind == PF_TRANSFORM_IDENTITY) return can_hold(range, kind, value);
    if (!range->may_be_value) return false;
    bool is_bucket = transform->kind == PF_TRANSFORM_BUCKET, is_time = transform->kind >= PF_TRANSFORM_YEAR;
    struct cell_value above = *value;
    if (is_time && value->integer < 0) above.integer++; /* R6 */
    switch (kind) {
    case PF_PREDICATE_EQ:
    case PF_PREDICATE_IN: return !is_below_lower(range, &above) && !is_above_upper(range, value);
    case PF_PREDICATE_LT:
    case PF_PREDICATE_LE: return is_bucket || !is_below_lower(range, &above);
    case PF_PREDICATE_GT:
    case PF_PREDICATE_GE: return is_bucket || !is_above_upper(range, value);
    default: return true;
    }
}

static bool range_may_satisfy(const struct range *range, const struct pf_transform *transform,
                              const struct bound_predicate *predicate, const struct cell_value *values) {
    if (predicate->kind == PF_PREDICATE_IS_NULL) return range->may_be_null;
    if (predicate->kind == PF_PREDICATE_IS_NOT_NULL) return range->may_be_value || range->may_be_nan;
    for (size_t i = 0; i < predicate->value_count; i++) {
        if (can_hold_transformed(range, transform, predicate->kind, &values[i])) return true;
    }
    return false;
}

/* ---- binding ---- */

static bool needs_values(enum pf_predicate_kind kind) {
    return kind != PF_PREDICATE_IS_NULL && kind != PF_PREDICATE_IS_NOT_NULL;
}

static bool bind_predicate(const struct pf_iceberg_schema *schema, const struct pf_predicate *predicate,
                           struct pf_arena *arena, struct bound_predicate *out_bound) {
    struct bound_predicate bound = {.kind = predicate->kind};
    bound.field = pf_iceberg_schema_find(schema, predicate->column);
    if (!bound.field || !cell_is_primitive(bound.field->type)) return false;
    if (needs_values(predicate->kind)) {
        bound.value_count = predicate->kind == PF_PREDICATE_IN ? predicate->value_count : 1;
        if (predicate->value_count < bound.value_count || bound.value_count == 0) return false;
        bound.values = PF_ARENA_ARRAY(arena, struct cell_value, bound.value_count);
        for (size_t i = 0; i < bound.value_count; i++) {
            if (!cell_from_literal(bound.field->type, predicate->values[i], arena, &bound.values[i])) return false;
        }
    }
    *out_bound = bound;
    return true;
}

/* What is less than a whole number is at most the one before it, and that one's partition may be another. */
static struct cell_value inclusive(enum pf_predicate_kind kind, const struct cell_value *value) {
    struct cell_value last = *value;
    int step = kind == PF_PREDICATE_LT ? -1 : kind == PF_PREDICATE_GT ? 1 : 0;
    int64_t integer;
    if (value->form == CELL_INTEGER && !__builtin_add_overflow(value->integer, step, &integer)) last.integer = integer;
    if (value->form == CELL_DECIMAL) last.decimal += step; /* of 38 digits at most: no overflow */
    return last;
}

/* False where the partition field can't help with the predicate. */
static bool bind_partition_test(const struct pf_partition_field *field, const struct bound_predicate *predicate,
                                struct pf_arena *arena, struct partition_test *test) {
    const struct pf_iceberg_type *source = predicate->field->type;
    test->transform = &field->transform;
    test->type = transform_result_type(&field->transform, source);
    if (!test->type) return false;
    bool is_coarse = field->transform.kind != PF_TRANSFORM_IDENTITY;
    if (is_coarse && predicate->kind == PF_PREDICATE_NE) return false;
    test->values = PF_ARENA_ARRAY(arena, struct cell_value, predicate->value_count);
    for (size_t i = 0; i < predicate->value_count; i++) {
        struct cell_value value = is_coarse ? inclusive(predicate->kind, &predicate->values[i]) : predicate->values[i];
        if (!transform_value(&field->transform, source, &value, &test->values[i])) return false;
    }
    return true;
}

static void bind_specs(struct pf_pruner *pruner, size_t index, struct pf_arena *arena) {
    const struct bound_predicate *predicate = &pruner->predicates[index];
    for (size_t i = 0; i < pruner->metadata->spec_count; i++) {
        const struct pf_partition_spec *spec = &pruner->metadata->specs[i];
        for (size_t k = 0; k < spec->field_count; k++) {
            struct partition_test test = {.spec_id = spec->id, .position = k, .predicate = index};
            if (spec->fields[k].source_id != predicate->field->id) continue;
            if (!bind_partition_test(&spec->fields[k], predicate, arena, &test)) continue;
            PF_ARENA_PUSH(arena, pruner->tests, pruner->test_count, pruner->test_capacity) = test;
        }
    }
}

static void add_id(struct pf_pruner *pruner, int id, struct pf_arena *arena) {
    for (size_t i = 0; i < pruner->id_count; i++) {
        if (pruner->ids[i] == id) return;
    }
    PF_ARENA_PUSH(arena, pruner->ids, pruner->id_count, pruner->id_capacity) = id;
}

struct pf_pruner *prune_new(const struct pf_table_metadata *metadata, const struct bound_predicate *predicates,
                            size_t count, struct pf_arena *arena) {
    struct pf_pruner *pruner = PF_ARENA_NEW(arena, struct pf_pruner);
    pruner->metadata = metadata;
    pruner->predicates = PF_ARENA_ARRAY(arena, struct bound_predicate, count);
    for (size_t i = 0; i < count; i++) {
        pruner->predicates[pruner->predicate_count++] = predicates[i];
        bind_specs(pruner, i, arena);
        add_id(pruner, predicates[i].field->id, arena);
    }
    return pruner;
}

struct pf_pruner *pf_pruner_new(const struct pf_table_metadata *metadata, const struct pf_iceberg_schema *schema,
                                const struct pf_predicate *predicates, size_t count, struct pf_arena *arena) {
    struct bound_predicate *bound = PF_ARENA_ARRAY(arena, struct bound_predicate, count);
    size_t bound_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (bind_predicate(schema, &predicates[i], arena, &bound[bound_count])) bound_count++;
    }
    return prune_new(metadata, bound, bound_count, arena);
}

struct pf_manifest_columns pf_pruner_field_ids(const struct pf_pruner *pruner) {
    return (struct pf_manifest_columns){.ids = pruner->ids, .count = pruner->id_count};
}

/* ---- asking ---- */

static size_t field_count_of_spec(const struct pf_pruner *pruner, int spec_id) {
    const struct pf_partition_spec *spec = pf_table_metadata_spec(pruner->metadata, spec_id);
    return spec ? spec->field_count : 0;
}

bool pf_pruner_keeps_manifest(const struct pf_pruner *pruner, const struct pf_manifest_file *file) {
    if (file->partition_count == 0 || file->partition_count != field_count_of_spec(pruner, file->spec_id)) return true;
    for (size_t i = 0; i < pruner->test_count; i++) {
        const struct partition_test *test = &pruner->tests[i];
        if (test->spec_id != file->spec_id) continue;
        struct range range = range_of_summary(test->type, &file->partitions[test->position]);
        if (!range_may_satisfy(&range, test->transform, &pruner->predicates[test->predicate], test->values)) {
            return false;
        }
    }
    return true;
}

bool pf_pruner_keeps_partition(const struct pf_pruner *pruner, const struct pf_data_file *file) {
    if (file->partition_count == 0 || file->partition_count != field_count_of_spec(pruner, file->spec_id)) return true;
    for (size_t i = 0; i < pruner->test_count; i++) {
        const struct partition_test *test = &pruner->tests[i];
        if (test->spec_id != file->spec_id) continue;
        struct range range = range_of_cell(test->type, file->partition[test->position]);
        if (!range_may_satisfy(&range, test->transform, &pruner->predicates[test->predicate], test->values)) {
            return false;
        }
    }
    return true;
}

static const struct pf_column_stats *find_stats(const struct pf_data_file *file, int id) {
    size_t low = 0, high = file->column_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (file->columns[middle].field_id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < file->column_count && file->columns[low].field_id == id ? &file->columns[low] : NULL;
}

bool pf_pruner_keeps_file(const struct pf_pruner *pruner, const struct pf_data_file *file) {
    static const struct pf_transform identity = {.kind = PF_TRANSFORM_IDENTITY};
    if (pruner->predicate_count && file->record_count == 0) return false;
    if (!pf_pruner_keeps_partition(pruner, file)) return false;
    for (size_t i = 0; i < pruner->predicate_count; i++) {
        const struct bound_predicate *predicate = &pruner->predicates[i];
        const struct pf_column_stats *stats = find_stats(file, predicate->field->id);
        if (!stats) continue;
        struct range range = range_of_stats(predicate->field->type, stats);
        if (!range_may_satisfy(&range, &identity, predicate, predicate->values)) return false;
    }
    return true;
}
