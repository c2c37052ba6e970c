/* SPDX-License-Identifier: MIT */
/* Layouts, checksums and the schema text of the exchange format. */
#include "exchange/format.h"

#include "base/json.h"

#include <xxhash.h>

_Static_assert(sizeof(struct format_header) == 48 && sizeof(struct format_block) == 48, "no padding");
_Static_assert(sizeof(struct format_entry) == 24 && sizeof(struct format_tail) == 48, "no padding");
_Static_assert(sizeof(struct format_column) == 16, "no padding");

enum format_layout format_layout_of(const struct pf_type *type) {
    switch (type->id) {
    case PF_TYPE_SQLNULL: return LAYOUT_NONE;
    case PF_TYPE_VARCHAR:
    case PF_TYPE_BLOB:
    case PF_TYPE_BIT:
    case PF_TYPE_BIGNUM:
    case PF_TYPE_GEOMETRY: return LAYOUT_STRING;
    case PF_TYPE_LIST:
    case PF_TYPE_MAP: return LAYOUT_LIST;
    case PF_TYPE_ARRAY: return LAYOUT_ARRAY;
    case PF_TYPE_STRUCT:
    case PF_TYPE_UNION: return LAYOUT_GROUP;
    default: return LAYOUT_FIXED;
    }
}

uint32_t format_child_count(const struct pf_type *type) {
    switch (type->id) {
    case PF_TYPE_LIST:
    case PF_TYPE_MAP:
    case PF_TYPE_ARRAY: return 1;
    case PF_TYPE_STRUCT: return type->child_count;
    case PF_TYPE_UNION: return type->child_count + 1;
    default: return 0;
    }
}

const struct pf_type *format_child_type(const struct pf_type *type, uint32_t i) {
    static const struct pf_type tag = {.id = PF_TYPE_UTINYINT, .value_bytes = 1, .sql = {"UTINYINT", 8}};
    if (type->id == PF_TYPE_MAP) return &type->children[2];
    if (type->id == PF_TYPE_UNION) return i == 0 ? &tag : &type->children[i - 1];
    return &type->children[i];
}

uint64_t format_checksum(const void *head, size_t head_bytes, const void *body, size_t body_bytes) {
    return XXH3_64bits_withSeed(body, body_bytes, XXH3_64bits(head, head_bytes));
}

enum pf_code format_schema_print(const struct pf_column *columns, size_t count, struct pf_arena *arena,
                                 pf_str *out_schema, struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, 64 << 20);
    pf_json_begin(&out, &buf);
    pf_json_open_array(&out);
    for (size_t i = 0; i < count; i++) {
        pf_json_open_array(&out);
        pf_json_put_str(&out, columns[i].name);
        pf_json_put_str(&out, columns[i].type->sql);
        pf_json_close_array(&out);
    }
    pf_json_close_array(&out);
    pf_str view;
    enum pf_code code = pf_buf_finish(&buf, "schema of a dataset", &view, err);
    if (code == PF_OK) *out_schema = pf_arena_str(arena, view);
    pf_buf_clear(&buf);
    return code;
}

enum pf_code format_schema_parse(pf_str schema, struct pf_arena *arena, const struct pf_column **out_columns,
                                 size_t *out_count, struct pf_error *err) {
    pf_json *root;
    PF_TRY(pf_json_parse(schema, arena, "schema of a dataset", &root, err));
    size_t count = pf_json_count(root), done = 0;
    struct pf_column *columns = PF_ARENA_ARRAY(arena, struct pf_column, count);
    for (struct pf_json_each each = pf_json_each(root); !each.is_object && pf_json_next(&each); done++) {
        pf_str parts[2] = {PF_STR_EMPTY, PF_STR_EMPTY};
        for (struct pf_json_each part = pf_json_each(each.value); pf_json_next(&part) && part.index < 2;)
            parts[part.index] = pf_json_as_str(part.value, PF_STR_EMPTY);
        columns[done].name = pf_arena_str(arena, parts[0]);
        PF_TRY(pf_type_parse(parts[1], arena, &columns[done].type, err));
    }
    if (count == 0 || done != count) PF_FAIL(err, PF_CORRUPT, "schema of a dataset: not a list of columns");
    *out_columns = columns;
    *out_count = count;
    return PF_OK;
}
