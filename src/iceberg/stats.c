/* SPDX-License-Identifier: MIT */
/* Column statistics of a file just written, from the text that COPY ... (RETURN_STATS) gives, into a manifest entry. */
#include "iceberg/cell.h"
#include "iceberg/schema.h"

#include <stdlib.h>
#include <string.h>

enum metrics_kind { METRICS_NONE, METRICS_COUNTS, METRICS_TRUNCATE, METRICS_FULL };
struct metrics_mode {
    enum metrics_kind kind;
    size_t width; /* TRUNCATE */
};

/* DuckDB cuts the statistics of longer values without rounding the maximum up. */
enum { DEFAULT_WIDTH = 16, DEFAULT_MAX_COLUMNS = 100, LONGEST_WHOLE_BYTES = 200 };

/* ---- which statistics a column gets (table properties write.metadata.metrics.*) ---- */

static struct metrics_mode parse_mode(pf_str text, struct metrics_mode fallback) {
    int64_t width;
    if (pf_str_equal_nocase(text, PF_STR("none"))) return (struct metrics_mode){METRICS_NONE, 0};
    if (pf_str_equal_nocase(text, PF_STR("counts"))) return (struct metrics_mode){METRICS_COUNTS, 0};
    if (pf_str_equal_nocase(text, PF_STR("full"))) return (struct metrics_mode){METRICS_FULL, 0};
    pf_str prefix = PF_STR("truncate(");
    if (text.len > prefix.len && pf_str_equal_nocase(pf_str_slice(text, 0, prefix.len), prefix) &&
        pf_str_ends_with(text, PF_STR(")")) && pf_str_to_i64(pf_str_slice(text, prefix.len, text.len - 1), &width) &&
        width > 0 && width < INT32_MAX) {
        return (struct metrics_mode){METRICS_TRUNCATE, (size_t)width};
    }
    return fallback;
}

static struct metrics_mode mode_of_column(const struct pf_table_metadata *metadata, pf_str name, size_t position,
                                          struct pf_arena *arena) {
    struct metrics_mode standard = {METRICS_TRUNCATE, DEFAULT_WIDTH};
    int64_t max_columns = DEFAULT_MAX_COLUMNS;
    pf_str all = pf_table_metadata_property(metadata, PF_STR("write.metadata.metrics.default"), PF_STR_EMPTY);
    pf_str max = pf_table_metadata_property(metadata, PF_STR("write.metadata.metrics.max-inferred-column-defaults"),
                                            PF_STR_EMPTY);
    pf_str key = pf_arena_printf(arena, "write.metadata.metrics.column.%.*s", PF_STR_ARG(name));
    if (max.len && !pf_str_to_i64(max, &max_columns)) max_columns = DEFAULT_MAX_COLUMNS;
    if (all.len) {
        standard = parse_mode(all, standard);
    } else if ((int64_t)position >= max_columns) {
        standard = (struct metrics_mode){METRICS_NONE, 0};
    }
    return parse_mode(pf_table_metadata_property(metadata, key, PF_STR_EMPTY), standard);
}

/* ---- finding the column ---- */

struct column_match {
    const struct pf_iceberg_field *field;
    pf_str dotted;    /* "s.a" */
    size_t position;  /* of the top-level column */
    bool is_repeated; /* below a list or map: counts and bounds would mean something else */
};

/* Takes `"name"` and the dot behind it off the front of `path`. */
static bool take_part(pf_str *path, struct pf_arena *arena, pf_str *out_name) {
    if (path->len < 2 || path->ptr[0] != '"') return false;
    char *name = pf_arena_alloc(arena, path->len);
    size_t length = 0, i = 1;
    for (; i < path->len; i++) {
        if (path->ptr[i] == '"') {
            if (i + 1 >= path->len || path->ptr[i + 1] != '"') break;
            i++;
        }
        name[length++] = path->ptr[i];
    }
    if (i >= path->len) return false;
    i++;
    if (i < path->len && path->ptr[i] == '.') i++;
    *path = pf_str_slice(*path, i, path->len);
    *out_name = pf_str_from(name, length);
    return true;
}

static bool find_column(const struct pf_iceberg_schema *schema, pf_str path, struct pf_arena *arena,
                        struct column_match *out_match) {
    const struct pf_iceberg_field *fields = schema->fields;
    size_t count = schema->field_count;
    struct column_match match = {0};
    pf_str name;
    while (path.len) {
        const struct pf_iceberg_field *found = NULL;
        if (!take_part(&path, arena, &name)) return false;
        for (size_t i = 0; i < count && !found; i++) {
            if (!pf_str_equal_nocase(fields[i].name, name)) continue;
            found = &fields[i];
            if (!match.field) match.position = i;
        }
        if (!found) return false;
        match.dotted = match.field
                           ? pf_arena_printf(arena, "%.*s.%.*s", PF_STR_ARG(match.dotted), PF_STR_ARG(found->name))
                           : found->name;
        if (match.field && match.field->type->kind != PF_ICEBERG_STRUCT) match.is_repeated = true;
        match.field = found;
        fields = found->type->fields;
        count = found->type->field_count;
    }
    *out_match = match;
    return match.field && match.field->type->field_count == 0;
}

/* ---- bounds ---- */

static int decode_character(pf_str text, size_t length) {
    const unsigned char *at = (const unsigned char *)text.ptr;
    if (length == 1) return at[0] < 0x80 ? at[0] : -1;
    if (length == 2) return (at[0] & 0x1f) << 6 | (at[1] & 0x3f);
    if (length == 3) return (at[0] & 0x0f) << 12 | (at[1] & 0x3f) << 6 | (at[2] & 0x3f);
    return length == 4 ? (at[0] & 0x07) << 18 | (at[1] & 0x3f) << 12 | (at[2] & 0x3f) << 6 | (at[3] & 0x3f) : -1;
}

static size_t encode_character(int c, char bytes[4]) {
    if (c < 0x80) {
        bytes[0] = (char)c;
        return 1;
    }
    size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const int leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; i > 1; i--) {
        bytes[i - 1] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    bytes[0] = (char)(leads[length] | c);
    return length;
}

/* The smallest text above all that start with `prefix`: its last character that can be incremented is, what follows
 * goes. False if there is none. */
static bool round_text_up(pf_str prefix, struct pf_arena *arena, pf_str *out_text) {
    while (prefix.len) {
        size_t last = prefix.len - 1;
        while (last > 0 && ((unsigned char)prefix.ptr[last] & 0xc0) == 0x80) last--;
        int c = decode_character(pf_str_slice(prefix, last, prefix.len), prefix.len - last);
        int next = c + 1 == 0xd800 ? 0xe000 : c + 1; /* surrogates are no characters */
        prefix.len = last;
        if (c < 0 || next > 0x10ffff) continue;
        char *text = pf_arena_alloc(arena, last + 4);
        if (last) memcpy(text, prefix.ptr, last);
        *out_text = pf_str_from(text, last + encode_character(next, text + last));
        return true;
    }
    return false;
}

static bool round_bytes_up(pf_str prefix, struct pf_arena *arena, pf_str *out_bytes) {
    while (prefix.len && (unsigned char)prefix.ptr[prefix.len - 1] == 0xff) prefix.len--;
    if (prefix.len == 0) return false;
    char *bytes = pf_arena_cstr(arena, prefix);
    bytes[prefix.len - 1]++;
    *out_bytes = pf_str_from(bytes, prefix.len);
    return true;
}

/* False: no bound. */
static bool make_bound(const struct pf_iceberg_type *type, pf_str text, struct metrics_mode mode, bool is_upper,
                       struct pf_arena *arena, pf_str *out_cell) {
    struct cell_value value;
    if (!text.ptr || !cell_from_stats(type, text, arena, &value)) return false;
    bool is_text = type->kind == PF_ICEBERG_STRING;
    if (is_text || type->kind == PF_ICEBERG_BINARY) {
        size_t width = mode.kind == METRICS_FULL ? SIZE_MAX : mode.width;
        if (value.bytes.len >= LONGEST_WHOLE_BYTES && width > LONGEST_WHOLE_BYTES / 4) width = LONGEST_WHOLE_BYTES / 4;
        size_t kept = is_text                   ? cell_utf8_prefix(value.bytes, width)
                      : width < value.bytes.len ? width
                                                : value.bytes.len;
        bool is_cut = kept < value.bytes.len;
        value.bytes.len = kept;
        if (is_cut && is_upper) {
            return is_text ? round_text_up(value.bytes, arena, out_cell) : round_bytes_up(value.bytes, arena, out_cell);
        }
    }
    /* Zeros have two signs and only one order: bounds must hold both (spec, Appendix D). */
    if (value.form == CELL_FLOAT && value.real == 0) value.real = is_upper ? 0.0 : -0.0;
    *out_cell = cell_encode(type, &value, arena);
    return true;
}

static struct pf_column_stats make_stats(const struct pf_stats_text *text, const struct column_match *match,
                                         struct metrics_mode mode, struct pf_arena *arena) {
    const struct pf_iceberg_type *type = match->field->type;
    struct pf_column_stats stats = {.field_id = match->field->id,
                                    .size_bytes = text->size_bytes,
                                    .value_count = -1,
                                    .null_count = -1,
                                    .nan_count = -1};
    if (mode.kind == METRICS_NONE || match->is_repeated) return stats;
    stats.value_count = text->value_count;
    stats.null_count = text->null_count;
    if (cell_is_float(type) && text->has_has_nan && !text->has_nan) stats.nan_count = 0;
    if (mode.kind == METRICS_COUNTS || !cell_is_primitive(type)) return stats;
    if (!make_bound(type, text->min, mode, false, arena, &stats.lower)) stats.lower = PF_STR_EMPTY;
    if (!make_bound(type, text->max, mode, true, arena, &stats.upper)) stats.upper = PF_STR_EMPTY;
    return stats;
}

static int compare_stats(const void *a, const void *b) {
    int x = ((const struct pf_column_stats *)a)->field_id, y = ((const struct pf_column_stats *)b)->field_id;
    return (x > y) - (x < y);
}

enum pf_code pf_data_file_set_stats(struct pf_data_file *file, const struct pf_table_metadata *metadata,
                                    const struct pf_stats_text *stats, size_t count, struct pf_arena *arena,
                                    struct pf_error *err) {
    const struct pf_iceberg_schema *schema = pf_table_metadata_current_schema(metadata);
    struct pf_column_stats *columns = PF_ARENA_ARRAY(arena, struct pf_column_stats, count);
    size_t used = 0;
    if (!schema) PF_FAIL(err, PF_INVALID, "the table has no current schema");
    for (size_t i = 0; i < count; i++) {
        struct column_match match;
        if (!find_column(schema, stats[i].path, arena, &match)) {
            PF_FAIL(err, PF_INVALID, "file '%.*s': column %.*s is not in the table at %.*s", PF_STR_ARG(file->path),
                    PF_STR_ARG(stats[i].path), PF_STR_ARG(metadata->location));
        }
        struct metrics_mode mode = mode_of_column(metadata, match.dotted, match.position, arena);
        columns[used++] = make_stats(&stats[i], &match, mode, arena);
    }
    qsort(columns, used, sizeof *columns, compare_stats);
    file->columns = columns;
    file->column_count = used;
    return PF_OK;
}
