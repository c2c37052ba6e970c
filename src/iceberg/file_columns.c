/* SPDX-License-Identifier: MIT */
/* How the columns of one Parquet file become columns of a schema, as SQL expressions: for what `schema :=` of
 * read_parquet can't do (see read_mapping.c), which is to look inside nested columns, and to read files without field ids.
 *
 * A field is found among the file's columns by id, where the file has none by the table's name mapping; else it is the
 * partition's constant, its initial default, or NULL, in this order (spec, Column Projection). A nested column whose
 * file looks like the schema is taken as it is, others are taken apart and put together again. */
#include "iceberg/schema.h"

#include <string.h>

enum { MAX_EXPRESSION_BYTES = 16 << 20, MAX_DEPTH = 64 };

/* A column of the file; lists and maps without the repeated level that Parquet puts between. */
struct node {
    pf_str name;
    int id; /* -1: none */
    enum { NODE_PLAIN, NODE_STRUCT, NODE_LIST, NODE_MAP } kind;
    struct node *children; /* STRUCT: fields; LIST: element; MAP: key, value */
    size_t child_count;
};

struct context {
    struct pf_arena *arena;
    struct pf_buf *out;
    const struct pf_partition_constant *constants;
    size_t constant_count;
    int depth;
    struct pf_error *err;
};

/* ---- the file's columns as a tree ---- */

struct rows {
    const struct pf_parquet_row *items;
    size_t count, at;
    struct pf_arena *arena;
    int depth;
};

static bool read_node(struct rows *rows, struct node *node);

static bool read_children(struct rows *rows, const struct pf_parquet_row *row, struct node *node) {
    if (row->child_count < 0 || (uint64_t)row->child_count > rows->count - rows->at) return false;
    node->child_count = (size_t)row->child_count;
    node->children = PF_ARENA_ARRAY(rows->arena, struct node, node->child_count);
    for (size_t i = 0; i < node->child_count; i++) {
        if (!read_node(rows, &node->children[i])) return false;
    }
    return true;
}

static bool is_annotated(const struct pf_parquet_row *row, const char *converted, const char *logical) {
    return pf_str_equal(row->converted_type, pf_str_from_cstr(converted)) ||
           pf_str_starts_with(row->logical_type, pf_str_from_cstr(logical));
}

/* The repeated group below a list is the element itself in files of old writers (Parquet, Backward-compatibility rules). */
static void take_list(struct rows *rows, const struct pf_parquet_row *repeated, struct node *node) {
    struct node *inner = &node->children[0];
    bool is_element = inner->child_count != 1 || pf_str_equal(repeated->name, PF_STR("array")) ||
                      pf_str_ends_with(repeated->name, PF_STR("_tuple"));
    node->kind = NODE_LIST;
    if (is_element) return;
    struct node *element = PF_ARENA_NEW(rows->arena, struct node);
    *element = inner->children[0];
    node->children = element;
}

static bool read_node(struct rows *rows, struct node *node) {
    if (rows->at >= rows->count || rows->depth >= MAX_DEPTH) return false;
    const struct pf_parquet_row *row = &rows->items[rows->at++];
    *node = (struct node){.name = row->name, .id = row->field_id, .kind = NODE_PLAIN};
    if (row->child_count <= 0) return true;
    const struct pf_parquet_row *below = rows->at < rows->count ? &rows->items[rows->at] : NULL;
    rows->depth++;
    bool ok = read_children(rows, row, node);
    rows->depth--;
    node->kind = NODE_STRUCT;
    if (!ok || !below || !below->is_repeated || node->child_count != 1) return ok;
    if (is_annotated(row, "LIST", "ListType")) {
        take_list(rows, below, node);
    } else if (is_annotated(row, "MAP", "MapType") || is_annotated(row, "MAP_KEY_VALUE", "MapType")) {
        struct node *entries = &node->children[0];
        if (entries->child_count != 2) return false;
        node->kind = NODE_MAP;
        node->child_count = 2;
        node->children = entries->children;
    }
    return true;
}

/* ---- name mapping ---- */

static pf_json *mapping_of_name(pf_json *mapping, pf_str name) {
    for (struct pf_json_each each = pf_json_each(mapping); pf_json_next(&each);) {
        for (struct pf_json_each names = pf_json_each(pf_json_get(each.value, "names")); pf_json_next(&names);) {
            if (pf_str_equal(pf_json_as_str(names.value, PF_STR_EMPTY), name)) return each.value;
        }
    }
    return NULL;
}

/* Gives ids to what has none. What is below a list or a map is called element, key and value in mappings, whatever the
 * file calls it. */
static void apply_mapping(struct node *nodes, size_t count, pf_json *mapping, int kind) {
    static const char *const map_names[] = {"key", "value"};
    for (size_t i = 0; i < count; i++) {
        pf_str name = nodes[i].name;
        if (kind == NODE_LIST) name = PF_STR("element");
        if (kind == NODE_MAP && i < 2) name = pf_str_from_cstr(map_names[i]);
        pf_json *found = mapping_of_name(mapping, name);
        if (nodes[i].id < 0 && found) nodes[i].id = (int)pf_json_get_i64(found, "field-id", -1);
        apply_mapping(nodes[i].children, nodes[i].child_count, pf_json_get(found, "fields"), (int)nodes[i].kind);
    }
}

static bool has_ids(const struct node *nodes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (nodes[i].id >= 0 || has_ids(nodes[i].children, nodes[i].child_count)) return true;
    }
    return false;
}

/* ---- expressions ---- */

static void put_text(struct pf_buf *out, pf_str text, char quote) {
    pf_buf_put_char(out, quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == quote) pf_buf_put_char(out, quote);
        pf_buf_put_char(out, text.ptr[i]);
    }
    pf_buf_put_char(out, quote);
}

static const struct node *find_node(const struct node *nodes, size_t count, int id) {
    for (size_t i = 0; i < count; i++) {
        if (nodes[i].id == id) return &nodes[i];
    }
    return NULL;
}

/* Nothing inside has to be renamed, moved, filled in or left out. Types may differ: the cast sees to them. */
static bool looks_alike(const struct pf_iceberg_type *type, const struct node *node) {
    if (type->kind == PF_ICEBERG_STRUCT) {
        if (node->kind != NODE_STRUCT || node->child_count != type->field_count) return false;
        for (size_t i = 0; i < type->field_count; i++) {
            const struct node *child = &node->children[i];
            if (child->id != type->fields[i].id || !pf_str_equal(child->name, type->fields[i].name)) return false;
            if (!looks_alike(type->fields[i].type, child)) return false;
        }
        return true;
    }
    if (type->field_count == 0) return true;
    bool is_list = type->kind == PF_ICEBERG_LIST;
    if (node->kind != (is_list ? NODE_LIST : NODE_MAP) || node->child_count != type->field_count) return false;
    for (size_t i = 0; i < type->field_count; i++) {
        if (!looks_alike(type->fields[i].type, &node->children[i])) return false;
    }
    return true;
}

static enum pf_code put_value(struct context *context, const struct pf_iceberg_type *type, const struct node *node,
                              pf_str base);

static enum pf_code put_default(struct context *context, const struct pf_iceberg_field *field) {
    pf_str sql;
    PF_TRY(pf_iceberg_type_sql(field->type, context->arena, &sql, context->err));
    pf_str text = PF_STR("NULL");
    if (field->initial_default.len && !pf_str_equal(field->initial_default, PF_STR("null"))) {
        PF_TRY(schema_default_text(field, context->arena, &text, context->err));
    }
    pf_buf_printf(context->out, "CAST(%.*s AS %.*s)", PF_STR_ARG(text), PF_STR_ARG(sql));
    return PF_OK;
}

static enum pf_code put_struct(struct context *context, const struct pf_iceberg_type *type, const struct node *node,
                               pf_str base) {
    pf_buf_printf(context->out, "CASE WHEN %.*s IS NULL THEN NULL ELSE struct_pack(", PF_STR_ARG(base));
    for (size_t i = 0; i < type->field_count; i++) {
        const struct pf_iceberg_field *field = &type->fields[i];
        const struct node *child = find_node(node->children, node->child_count, field->id);
        if (i) pf_buf_put_cstr(context->out, ", ");
        put_text(context->out, field->name, '"');
        pf_buf_put_cstr(context->out, " := ");
        if (!child) {
            PF_TRY(put_default(context, field));
            continue;
        }
        struct pf_buf inner;
        pf_buf_init(&inner, MAX_EXPRESSION_BYTES);
        pf_buf_printf(&inner, "struct_extract(%.*s, ", PF_STR_ARG(base));
        put_text(&inner, child->name, '\'');
        pf_buf_put_char(&inner, ')');
        pf_str text = pf_arena_str(context->arena, pf_buf_view(&inner));
        pf_buf_clear(&inner);
        PF_TRY(put_value(context, field->type, child, text));
    }
    pf_buf_put_cstr(context->out, ") END");
    return PF_OK;
}

static enum pf_code put_container(struct context *context, const struct pf_iceberg_type *type, const struct node *node,
                                  pf_str base) {
    pf_str item = pf_arena_printf(context->arena, "pf_e%d", context->depth);
    if (type->kind == PF_ICEBERG_LIST) {
        pf_buf_printf(context->out, "list_transform(%.*s, lambda %.*s: ", PF_STR_ARG(base), PF_STR_ARG(item));
        PF_TRY(put_value(context, type->fields[0].type, &node->children[0], item));
        pf_buf_put_char(context->out, ')');
        return PF_OK;
    }
    pf_buf_printf(context->out,
                  "CASE WHEN %.*s IS NULL THEN NULL ELSE map_from_entries(list_transform(map_entries(%.*s), lambda "
                  "%.*s: struct_pack(k := ",
                  PF_STR_ARG(base), PF_STR_ARG(base), PF_STR_ARG(item));
    pf_str key = pf_arena_printf(context->arena, "struct_extract(%.*s, 'key')", PF_STR_ARG(item));
    pf_str value = pf_arena_printf(context->arena, "struct_extract(%.*s, 'value')", PF_STR_ARG(item));
    PF_TRY(put_value(context, type->fields[0].type, &node->children[0], key));
    pf_buf_put_cstr(context->out, ", v := ");
    PF_TRY(put_value(context, type->fields[1].type, &node->children[1], value));
    pf_buf_put_cstr(context->out, "))) END");
    return PF_OK;
}

/* `base` is an expression for the value as the file has it. */
static enum pf_code put_value(struct context *context, const struct pf_iceberg_type *type, const struct node *node,
                              pf_str base) {
    int expected = type->kind == PF_ICEBERG_STRUCT ? NODE_STRUCT
                   : type->kind == PF_ICEBERG_LIST ? NODE_LIST
                   : type->kind == PF_ICEBERG_MAP  ? NODE_MAP
                                                   : NODE_PLAIN;
    if ((int)node->kind != expected) {
        PF_FAIL(context->err, PF_CORRUPT, "column '%.*s' of the file is of another kind than the table's",
                PF_STR_ARG(node->name));
    }
    if (looks_alike(type, node)) {
        pf_buf_put_str(context->out, base);
        return PF_OK;
    }
    if (context->depth >= MAX_DEPTH) PF_FAIL(context->err, PF_TOO_LARGE, "columns nested deeper than %d", MAX_DEPTH);
    context->depth++;
    enum pf_code code =
        expected == NODE_STRUCT ? put_struct(context, type, node, base) : put_container(context, type, node, base);
    context->depth--;
    return code;
}

static enum pf_code put_column(struct context *context, const struct pf_iceberg_field *field, const struct node *nodes,
                               size_t count) {
    const struct node *node = find_node(nodes, count, field->id);
    if (node) {
        struct pf_buf name;
        pf_buf_init(&name, MAX_EXPRESSION_BYTES);
        put_text(&name, node->name, '"');
        pf_str base = pf_arena_str(context->arena, pf_buf_view(&name));
        pf_buf_clear(&name);
        return put_value(context, field->type, node, base);
    }
    for (size_t i = 0; i < context->constant_count; i++) {
        if (context->constants[i].field_id != field->id) continue;
        if (!context->constants[i].text.ptr) return put_default(context, field);
        put_text(context->out, context->constants[i].text, '\'');
        return PF_OK;
    }
    return put_default(context, field);
}

/* ---- a file ---- */

static enum pf_code read_tree(const struct pf_parquet_row *rows, size_t count, pf_str name_mapping,
                              struct pf_arena *arena, struct node *out_root, struct pf_error *err) {
    struct rows reader = {rows, count, 0, arena, 0};
    pf_json *mapping = NULL;
    *out_root = (struct node){0};
    if (count == 0 || !read_node(&reader, out_root) || reader.at != count) {
        PF_FAIL(err, PF_CORRUPT, "its schema is no tree of columns");
    }
    if (name_mapping.len) {
        PF_TRY(pf_json_parse(name_mapping, arena, "schema.name-mapping.default", &mapping, err));
        apply_mapping(out_root->children, out_root->child_count, mapping, NODE_STRUCT);
    }
    if (out_root->child_count && !name_mapping.len && !has_ids(out_root->children, out_root->child_count)) {
        PF_FAIL(err, PF_UNSUPPORTED,
                "it has no field ids, and the table no name mapping: set the table property "
                "schema.name-mapping.default");
    }
    return PF_OK;
}

enum pf_code pf_iceberg_file_columns(const struct pf_iceberg_schema *schema, pf_str name_mapping,
                                     const struct pf_partition_constant *constants, size_t constant_count,
                                     const struct pf_parquet_row *rows, size_t row_count, struct pf_arena *arena,
                                     pf_str *out_expressions, struct pf_error *err) {
    struct node root;
    PF_TRY(read_tree(rows, row_count, name_mapping, arena, &root, err));
    struct pf_buf out;
    pf_buf_init(&out, MAX_EXPRESSION_BYTES);
    struct context context = {arena, &out, constants, constant_count, 0, err};
    enum pf_code code = PF_OK;
    for (size_t i = 0; i < schema->field_count && code == PF_OK; i++) {
        pf_str text;
        pf_buf_reset(&out);
        code = put_column(&context, &schema->fields[i], root.children, root.child_count);
        if (code == PF_OK) code = pf_buf_finish(&out, "column", &text, err);
        if (code == PF_OK) out_expressions[i] = pf_arena_str(arena, text);
    }
    pf_buf_clear(&out);
    return code;
}
