/* SPDX-License-Identifier: MIT */
/* Expressions of Iceberg's REST protocol over columns: which manifests and files may hold rows that satisfy one, and what
 * of it is left to be tested for the rows of a file.
 *
 * `not` is pushed down to the leaves while the expression is read. A leaf has two sets of pruners: rows that satisfy it
 * satisfy all predicates of one of `any_of`; rows that do not, all those of one of `none_of`. So a file is skipped if no
 * pruner of the first set keeps it; and the leaf holds for all its rows if no pruner of the second set keeps its
 * partition.
 *
 * NULL, as Iceberg has it: it satisfies not-eq, not-in, not-nan and not-starts-with, and none of the comparisons. NaN is
 * the greatest value, as everywhere here. */
#include "iceberg/prune.h"

#include "base/json.h"

enum { MAX_DEPTH = 200, MAX_SETS = 3 };

enum filter_kind { FILTER_TRUE, FILTER_FALSE, FILTER_AND, FILTER_OR, FILTER_LEAF };

enum operation {
    OP_IS_NULL,
    OP_NOT_NULL,
    OP_IS_NAN,
    OP_NOT_NAN,
    OP_LT,
    OP_GT_EQ,
    OP_GT,
    OP_LT_EQ,
    OP_EQ,
    OP_NOT_EQ,
    OP_IN,
    OP_NOT_IN,
    OP_STARTS_WITH,
    OP_NOT_STARTS_WITH,
    OP_COUNT
};
/* By operation; each stands beside its opposite. */
static const char *const operation_names[OP_COUNT] = {
    "is-null", "not-null", "is-nan", "not-nan", "lt",     "gt-eq",       "gt",
    "lt-eq",   "eq",       "not-eq", "in",      "not-in", "starts-with", "not-starts-with"};

struct pruners {
    const struct pf_pruner *sets[MAX_SETS];
    size_t count;
};

struct pf_filter {
    enum filter_kind kind;
    const struct pf_filter *left, *right; /* AND, OR */
    /* LEAF */
    enum operation operation;
    pf_json *term, *value; /* value: an array for in and not-in, NULL for operations without */
    bool is_known;         /* false: nothing can be said, so every row may or may not satisfy it */
    struct pruners any_of, none_of;
    /* Of the root: the columns whose statistics it looks at. */
    int *ids;
    size_t id_count;
};

static const struct pf_filter filter_true = {.kind = FILTER_TRUE}, filter_false = {.kind = FILTER_FALSE};

struct parser {
    const struct pf_table_metadata *metadata;
    const struct pf_iceberg_schema *schema;
    bool is_case_sensitive;
    struct pf_arena *arena;
    int *ids;
    size_t id_count, id_capacity;
    int depth;
};

/* ---- leaves ---- */

static const struct pf_iceberg_field *find_in(const struct pf_iceberg_field *fields, size_t count, pf_str name,
                                              bool is_case_sensitive) {
    for (size_t i = 0; i < count; i++) {
        bool is_same =
            is_case_sensitive ? pf_str_equal(fields[i].name, name) : pf_str_equal_nocase(fields[i].name, name);
        if (is_same) return &fields[i];
        pf_str head = pf_str_slice(name, 0, fields[i].name.len), rest = pf_str_slice(name, head.len + 1, name.len);
        bool is_path =
            fields[i].type->kind == PF_ICEBERG_STRUCT && name.len > head.len && name.ptr[head.len] == '.' &&
            (is_case_sensitive ? pf_str_equal(fields[i].name, head) : pf_str_equal_nocase(fields[i].name, head));
        if (!is_path) continue;
        const struct pf_iceberg_field *inner =
            find_in(fields[i].type->fields, fields[i].type->field_count, rest, is_case_sensitive);
        if (inner) return inner;
    }
    return NULL;
}

static void add_set(struct parser *parser, struct pruners *pruners, const struct bound_predicate *predicates,
                    size_t count) {
    pruners->sets[pruners->count++] = prune_new(parser->metadata, predicates, count, parser->arena);
}

static void add_one(struct parser *parser, struct pruners *pruners, const struct pf_iceberg_field *field,
                    enum pf_predicate_kind kind, struct cell_value *values, size_t count) {
    struct bound_predicate predicate = {kind, field, values, count};
    add_set(parser, pruners, &predicate, 1);
}

static void add_none_equal(struct parser *parser, struct pruners *pruners, const struct pf_iceberg_field *field,
                           struct cell_value *values, size_t count) {
    struct bound_predicate *predicates = PF_ARENA_ARRAY(parser->arena, struct bound_predicate, count);
    for (size_t i = 0; i < count; i++) predicates[i] = (struct bound_predicate){PF_PREDICATE_NE, field, &values[i], 1};
    add_set(parser, pruners, predicates, count);
}

/* The least text that is greater than all that start with the prefix; false where that would need care. */
static bool text_behind(pf_str prefix, struct pf_arena *arena, struct cell_value *out_value) {
    if (!prefix.len || (unsigned char)prefix.ptr[prefix.len - 1] >= 0x7f) return false;
    char *text = pf_arena_cstr(arena, prefix);
    text[prefix.len - 1]++;
    *out_value = (struct cell_value){.form = CELL_BYTES, .bytes = pf_str_from(text, prefix.len)};
    return true;
}

static bool bind_prefix(struct parser *parser, const struct pf_iceberg_field *field, struct cell_value *prefix,
                        struct pruners *with, struct pruners *without) {
    struct cell_value *behind = PF_ARENA_NEW(parser->arena, struct cell_value);
    if (field->type->kind != PF_ICEBERG_STRING) return false;
    struct bound_predicate range[] = {{PF_PREDICATE_GE, field, prefix, 1}, {PF_PREDICATE_LT, field, behind, 1}};
    bool has_end = text_behind(prefix->bytes, parser->arena, behind);
    add_set(parser, with, range, has_end ? 2 : 1);
    add_one(parser, without, field, PF_PREDICATE_IS_NULL, NULL, 0);
    add_one(parser, without, field, PF_PREDICATE_LT, prefix, 1);
    if (has_end) {
        add_one(parser, without, field, PF_PREDICATE_GE, behind, 1);
    } else if (prefix->bytes.len) {
        add_one(parser, without, field, PF_PREDICATE_GE, prefix, 1);
    }
    return true;
}

/* The rows that an operation takes, and those that it leaves, nulls among the latter. */
static bool bind_operation(struct parser *parser, enum operation operation, const struct pf_iceberg_field *field,
                           struct cell_value *values, size_t count, struct pruners *with, struct pruners *without) {
    static const enum pf_predicate_kind kinds[OP_COUNT][2] = {
        [OP_LT] = {PF_PREDICATE_LT, PF_PREDICATE_GE}, [OP_GT_EQ] = {PF_PREDICATE_GE, PF_PREDICATE_LT},
        [OP_GT] = {PF_PREDICATE_GT, PF_PREDICATE_LE}, [OP_LT_EQ] = {PF_PREDICATE_LE, PF_PREDICATE_GT},
        [OP_EQ] = {PF_PREDICATE_EQ, PF_PREDICATE_NE},
    };
    switch (operation) {
    case OP_IS_NULL:
        add_one(parser, with, field, PF_PREDICATE_IS_NULL, NULL, 0);
        add_one(parser, without, field, PF_PREDICATE_IS_NOT_NULL, NULL, 0);
        return true;
    case OP_STARTS_WITH: return bind_prefix(parser, field, values, with, without);
    case OP_IN:
        add_one(parser, with, field, PF_PREDICATE_IN, values, count);
        add_one(parser, without, field, PF_PREDICATE_IS_NULL, NULL, 0);
        add_none_equal(parser, without, field, values, count);
        return true;
    default:
        add_one(parser, with, field, kinds[operation][0], values, 1);
        add_one(parser, without, field, PF_PREDICATE_IS_NULL, NULL, 0);
        add_one(parser, without, field, kinds[operation][1], values, 1);
        return true;
    }
}

static bool read_values(struct parser *parser, const struct pf_iceberg_field *field, struct pf_filter *leaf,
                        struct cell_value **out_values, size_t *out_count) {
    bool is_list = yyjson_is_arr(leaf->value);
    size_t count = is_list ? pf_json_count(leaf->value) : 1;
    struct cell_value *values = PF_ARENA_ARRAY(parser->arena, struct cell_value, count + 1);
    if (leaf->operation == OP_IS_NAN || leaf->operation == OP_NOT_NAN) {
        values[0] = (struct cell_value){.form = CELL_FLOAT, .real = __builtin_nan("")};
        if (!cell_is_float(field->type)) return false;
    } else if (is_list) {
        for (struct pf_json_each each = pf_json_each(leaf->value); pf_json_next(&each);) {
            if (!cell_from_json(field->type, each.value, parser->arena, &values[each.index])) return false;
        }
    } else if (leaf->value && !cell_from_json(field->type, leaf->value, parser->arena, values)) {
        return false;
    }
    *out_values = values;
    *out_count = count;
    return true;
}

static void add_id(struct parser *parser, int id) {
    for (size_t i = 0; i < parser->id_count; i++) {
        if (parser->ids[i] == id) return;
    }
    PF_ARENA_PUSH(parser->arena, parser->ids, parser->id_count, parser->id_capacity) = id;
}

/* Leaves what can't be bound unknown. */
static void bind_leaf(struct parser *parser, const struct pf_iceberg_field *field, struct pf_filter *leaf) {
    struct cell_value *values;
    size_t count;
    if (!cell_is_primitive(field->type) || !read_values(parser, field, leaf, &values, &count)) return;
    /* Clients differ in what is less than another UUID. */
    if (field->type->kind == PF_ICEBERG_UUID && leaf->operation >= OP_LT && leaf->operation <= OP_LT_EQ) return;
    bool is_opposite = leaf->operation == OP_NOT_NULL || leaf->operation == OP_NOT_NAN ||
                       leaf->operation == OP_NOT_EQ || leaf->operation == OP_NOT_IN ||
                       leaf->operation == OP_NOT_STARTS_WITH;
    enum operation operation = is_opposite ? leaf->operation - 1 : leaf->operation;
    if (operation == OP_IS_NAN) operation = OP_EQ;
    struct pruners *with = is_opposite ? &leaf->none_of : &leaf->any_of;
    struct pruners *without = is_opposite ? &leaf->any_of : &leaf->none_of;
    leaf->is_known = bind_operation(parser, operation, field, values, count, with, without);
    if (leaf->is_known) add_id(parser, field->id);
}

/* ---- reading ---- */

static bool takes_value(enum operation operation) {
    return operation >= OP_LT;
}

static bool takes_list(enum operation operation) {
    return operation == OP_IN || operation == OP_NOT_IN;
}

static pf_json *first_of(pf_json *json, const char *key, const char *other, const char *third) {
    pf_json *found = pf_json_get(json, key);
    if (!found) found = pf_json_get(json, other);
    return found || !third ? found : pf_json_get(json, third);
}

/* A name, or what names it: {"type": "reference", "term": …}. Transforms give none. */
static pf_str name_of_term(pf_json *term) {
    for (int depth = 0; yyjson_is_obj(term) && depth < MAX_DEPTH; depth++) {
        if (!pf_str_equal(pf_json_get_str(term, "type", PF_STR_EMPTY), PF_STR("reference"))) return PF_STR_EMPTY;
        term = first_of(term, "term", "name", NULL);
    }
    return pf_json_as_str(term, PF_STR_EMPTY);
}

static pf_json *value_in(pf_json *value) {
    bool is_literal =
        yyjson_is_obj(value) && pf_str_equal(pf_json_get_str(value, "type", PF_STR_EMPTY), PF_STR("literal"));
    return is_literal ? first_of(value, "value", "values", NULL) : value;
}

static enum pf_code read_leaf(struct parser *parser, pf_json *json, enum operation operation,
                              const struct pf_filter **out_filter, struct pf_error *err) {
    struct pf_filter *leaf = PF_ARENA_NEW(parser->arena, struct pf_filter);
    *leaf = (struct pf_filter){.kind = FILTER_LEAF, .operation = operation};
    leaf->term = first_of(json, "term", "child", "left");
    if (!yyjson_is_str(leaf->term) && !yyjson_is_obj(leaf->term)) {
        PF_FAIL(err, PF_INVALID, "filter: '%s' has no term", operation_names[operation]);
    }
    if (takes_value(operation))
        leaf->value = value_in(first_of(json, takes_list(operation) ? "values" : "value", "right", NULL));
    if (takes_value(operation) && (!leaf->value || takes_list(operation) != yyjson_is_arr(leaf->value))) {
        PF_FAIL(err, PF_INVALID, "filter: '%s' has no %s", operation_names[operation],
                takes_list(operation) ? "list of values" : "value");
    }
    *out_filter = leaf;
    if (takes_list(operation) && pf_json_count(leaf->value) == 0) {
        *out_filter = operation == OP_IN ? &filter_false : &filter_true;
        return PF_OK;
    }
    pf_str name = name_of_term(leaf->term);
    if (!name.len) return PF_OK; /* a transform */
    const struct pf_iceberg_field *field =
        find_in(parser->schema->fields, parser->schema->field_count, name, parser->is_case_sensitive);
    if (!field) PF_FAIL(err, PF_INVALID, "Cannot find field '%.*s' in the table's schema", PF_STR_ARG(name));
    bind_leaf(parser, field, leaf);
    return PF_OK;
}

static enum pf_code read_filter(struct parser *parser, pf_json *json, bool is_negated,
                                const struct pf_filter **out_filter, struct pf_error *err);

static const struct pf_filter *join(struct parser *parser, bool is_and, const struct pf_filter *left,
                                    const struct pf_filter *right) {
    enum filter_kind neutral = is_and ? FILTER_TRUE : FILTER_FALSE, final = is_and ? FILTER_FALSE : FILTER_TRUE;
    if (left->kind == neutral || right->kind == final) return right;
    if (right->kind == neutral || left->kind == final) return left;
    struct pf_filter *filter = PF_ARENA_NEW(parser->arena, struct pf_filter);
    *filter = (struct pf_filter){.kind = is_and ? FILTER_AND : FILTER_OR, .left = left, .right = right};
    return filter;
}

static enum pf_code read_typed(struct parser *parser, pf_json *json, bool is_negated,
                               const struct pf_filter **out_filter, struct pf_error *err) {
    pf_str type = pf_json_get_str(json, "type", PF_STR_EMPTY);
    bool is_and = pf_str_equal_nocase(type, PF_STR("and")), is_or = pf_str_equal_nocase(type, PF_STR("or"));
    if (is_and || is_or) {
        const struct pf_filter *left, *right;
        PF_TRY(read_filter(parser, pf_json_get(json, "left"), is_negated, &left, err));
        PF_TRY(read_filter(parser, pf_json_get(json, "right"), is_negated, &right, err));
        *out_filter = join(parser, is_and != is_negated, left, right);
        return PF_OK;
    }
    if (pf_str_equal_nocase(type, PF_STR("not"))) {
        return read_filter(parser, pf_json_get(json, "child"), !is_negated, out_filter, err);
    }
    if (pf_str_equal_nocase(type, PF_STR("literal"))) {
        return read_filter(parser, pf_json_get(json, "value"), is_negated, out_filter, err);
    }
    if (pf_str_equal_nocase(type, PF_STR("true")) || pf_str_equal_nocase(type, PF_STR("false"))) {
        *out_filter = pf_str_equal_nocase(type, PF_STR("true")) != is_negated ? &filter_true : &filter_false;
        return PF_OK;
    }
    for (int i = 0; i < OP_COUNT; i++) {
        if (!pf_str_equal_nocase(type, pf_str_from_cstr(operation_names[i]))) continue;
        return read_leaf(parser, json, (enum operation)(is_negated ? i ^ 1 : i), out_filter, err);
    }
    PF_FAIL(err, PF_INVALID, "filter: an expression of unknown type '%.*s'", PF_STR_ARG(pf_str_slice(type, 0, 100)));
}

static enum pf_code read_filter(struct parser *parser, pf_json *json, bool is_negated,
                                const struct pf_filter **out_filter, struct pf_error *err) {
    if (parser->depth == MAX_DEPTH) PF_FAIL(err, PF_INVALID, "filter: nested deeper than %d", MAX_DEPTH);
    if (yyjson_is_bool(json)) {
        *out_filter = yyjson_get_bool(json) != is_negated ? &filter_true : &filter_false;
        return PF_OK;
    }
    if (!yyjson_is_obj(json)) PF_FAIL(err, PF_INVALID, "filter: an expression is missing");
    parser->depth++;
    enum pf_code code = read_typed(parser, json, is_negated, out_filter, err);
    parser->depth--;
    return code;
}

enum pf_code pf_filter_read(pf_json *json, const struct pf_table_metadata *metadata,
                            const struct pf_iceberg_schema *schema, bool is_case_sensitive, struct pf_arena *arena,
                            const struct pf_filter **out_filter, struct pf_error *err) {
    struct parser parser = {
        .metadata = metadata, .schema = schema, .is_case_sensitive = is_case_sensitive, .arena = arena};
    const struct pf_filter *filter = &filter_true;
    if (json && !yyjson_is_null(json)) PF_TRY(read_filter(&parser, json, false, &filter, err));
    struct pf_filter *root = PF_ARENA_NEW(arena, struct pf_filter);
    *root = *filter;
    root->ids = parser.ids;
    root->id_count = parser.id_count;
    *out_filter = root;
    return PF_OK;
}

struct pf_manifest_columns pf_filter_field_ids(const struct pf_filter *filter) {
    return (struct pf_manifest_columns){.ids = filter->ids, .count = filter->id_count};
}

/* ---- asking ---- */

static bool is_manifest_kept(const struct pf_pruner *pruner, const void *manifest) {
    return pf_pruner_keeps_manifest(pruner, manifest);
}

static bool is_file_kept(const struct pf_pruner *pruner, const void *file) {
    return pf_pruner_keeps_file(pruner, file);
}

static bool is_partition_kept(const struct pf_pruner *pruner, const void *file) {
    return pf_pruner_keeps_partition(pruner, file);
}

typedef bool (*asking)(const struct pf_pruner *pruner, const void *what);

static bool some_keeps(const struct pruners *pruners, asking keeps, const void *what) {
    for (size_t i = 0; i < pruners->count; i++) {
        if (keeps(pruners->sets[i], what)) return true;
    }
    return false;
}

static bool may_hold(const struct pf_filter *filter, asking keeps, const void *what) {
    switch (filter->kind) {
    case FILTER_TRUE: return true;
    case FILTER_FALSE: return false;
    case FILTER_AND: return may_hold(filter->left, keeps, what) && may_hold(filter->right, keeps, what);
    case FILTER_OR: return may_hold(filter->left, keeps, what) || may_hold(filter->right, keeps, what);
    case FILTER_LEAF: return !filter->is_known || some_keeps(&filter->any_of, keeps, what);
    }
    return true;
}

bool pf_filter_keeps_manifest(const struct pf_filter *filter, const struct pf_manifest_file *file) {
    return may_hold(filter, is_manifest_kept, file);
}

bool pf_filter_keeps_file(const struct pf_filter *filter, const struct pf_data_file *file) {
    return may_hold(filter, is_file_kept, file);
}

bool pf_filter_keeps_partition(const struct pf_filter *filter, const struct pf_data_file *file) {
    return may_hold(filter, is_partition_kept, file);
}

/* ---- what is left ---- */

/* Of the filter, for rows of a file's partition: NULL is nothing, all satisfy it. */
static const struct pf_filter *residual_of(const struct pf_filter *filter, const struct pf_data_file *file,
                                           struct parser *parser) {
    switch (filter->kind) {
    case FILTER_TRUE:
    case FILTER_FALSE: return filter;
    case FILTER_AND:
    case FILTER_OR:
        return join(parser, filter->kind == FILTER_AND, residual_of(filter->left, file, parser),
                    residual_of(filter->right, file, parser));
    case FILTER_LEAF: break;
    }
    if (!filter->is_known) return filter;
    if (!some_keeps(&filter->any_of, is_partition_kept, file)) return &filter_false;
    return some_keeps(&filter->none_of, is_partition_kept, file) ? filter : &filter_true;
}

static void put_filter(const struct pf_filter *filter, struct pf_json_out *out) {
    if (filter->kind == FILTER_TRUE || filter->kind == FILTER_FALSE) {
        pf_json_put_bool(out, filter->kind == FILTER_TRUE);
        return;
    }
    pf_json_open_object(out);
    if (filter->kind == FILTER_LEAF) {
        pf_json_field_str(out, "type", pf_str_from_cstr(operation_names[filter->operation]));
        pf_json_key(out, "term");
        pf_json_put_value(out, filter->term);
        if (filter->value) {
            pf_json_key(out, takes_list(filter->operation) ? "values" : "value");
            pf_json_put_value(out, filter->value);
        }
    } else {
        pf_json_field_str(out, "type", filter->kind == FILTER_AND ? PF_STR("and") : PF_STR("or"));
        pf_json_key(out, "left");
        put_filter(filter->left, out);
        pf_json_key(out, "right");
        put_filter(filter->right, out);
    }
    pf_json_close_object(out);
}

void pf_filter_put_residual(const struct pf_filter *filter, const struct pf_data_file *file, struct pf_json_out *out,
                            struct pf_arena *arena) {
    struct parser parser = {.arena = arena};
    put_filter(residual_of(filter, file, &parser), out);
}
