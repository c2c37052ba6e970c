/* SPDX-License-Identifier: MIT */
/* DuckDB's vectors seen through pf_vec and pf_out_vec. The tree of children is made once per result; each chunk only
 * moves its pointers. */
#include "engine/engine_internal.h"

/* How many child vectors, and of which type is the i-th. */
static uint32_t count_children(const struct pf_type *type) {
    switch (type->id) {
    case PF_TYPE_LIST:
    case PF_TYPE_ARRAY:
    case PF_TYPE_MAP: return 1;
    case PF_TYPE_STRUCT: return type->child_count;
    case PF_TYPE_UNION: return type->child_count + 1;
    default: return 0;
    }
}

static const struct pf_type *child_type(const struct pf_type *type, uint32_t i) {
    if (type->id == PF_TYPE_MAP) return &type->children[2];
    if (type->id == PF_TYPE_UNION) return i == 0 ? &type_of_tag : &type->children[i - 1];
    return &type->children[i];
}

static duckdb_vector child_vector(const struct pf_type *type, duckdb_vector vector, uint32_t i) {
    switch (type->id) {
    case PF_TYPE_LIST:
    case PF_TYPE_MAP: return duckdb_list_vector_get_child(vector);
    case PF_TYPE_ARRAY: return duckdb_array_vector_get_child(vector);
    default: return duckdb_struct_vector_get_child(vector, i);
    }
}

void vec_prepare(struct pf_vec *vec, const struct pf_type *type, struct pf_arena *arena) {
    *vec = (struct pf_vec){.type = type, .child_count = count_children(type)};
    if (vec->child_count) vec->children = PF_ARENA_ARRAY(arena, struct pf_vec, vec->child_count);
    for (uint32_t i = 0; i < vec->child_count; i++) vec_prepare(&vec->children[i], child_type(type, i), arena);
}

static bool has_valid_row(const struct pf_vec *vec) {
    if (!vec->validity) return vec->size > 0;
    uint64_t full_words = vec->size / 64, rest = vec->size % 64;
    for (uint64_t i = 0; i < full_words; i++)
        if (vec->validity[i]) return true;
    return rest && vec->validity[full_words] & (((uint64_t)1 << rest) - 1);
}

static void view_nothing(struct pf_vec *vec) {
    vec->data = NULL;
    vec->validity = NULL;
    vec->size = 0;
    for (uint32_t i = 0; i < vec->child_count; i++) view_nothing(&vec->children[i]);
}

void vec_view(struct pf_vec *vec, duckdb_vector vector, uint64_t size) {
    const struct pf_type *type = vec->type;
    vec->size = size;
    vec->validity = duckdb_vector_get_validity(vector);
    vec->data = type->id == PF_TYPE_STRUCT || type->id == PF_TYPE_UNION || type->id == PF_TYPE_ARRAY
                    ? NULL
                    : duckdb_vector_get_data(vector);
    uint64_t child_size = size;
    if (type->id == PF_TYPE_LIST || type->id == PF_TYPE_MAP) {
        /* A constant NULL that DuckDB has flattened may have no buffer of elements, and asking for its size throws. */
        if (!has_valid_row(vec)) {
            view_nothing(&vec->children[0]);
            return;
        }
        child_size = duckdb_list_vector_get_size(vector);
    }
    if (type->id == PF_TYPE_ARRAY) child_size = size * type->value_count;
    for (uint32_t i = 0; i < vec->child_count; i++)
        vec_view(&vec->children[i], child_vector(type, vector, i), child_size);
}

void out_vec_prepare(struct pf_out_vec *vec, const struct pf_type *type, struct pf_arena *arena) {
    *vec = (struct pf_out_vec){.type = type, .child_count = count_children(type)};
    if (vec->child_count) vec->children = PF_ARENA_ARRAY(arena, struct pf_out_vec, vec->child_count);
    for (uint32_t i = 0; i < vec->child_count; i++) out_vec_prepare(&vec->children[i], child_type(type, i), arena);
}

void out_vec_view(struct pf_out_vec *vec, duckdb_vector vector) {
    vec->handle = vector;
    vec->validity = NULL;
    bool is_group = vec->type->id == PF_TYPE_STRUCT || vec->type->id == PF_TYPE_UNION || vec->type->id == PF_TYPE_ARRAY;
    vec->data = is_group ? NULL : duckdb_vector_get_data(vector);
    for (uint32_t i = 0; i < vec->child_count; i++) out_vec_view(&vec->children[i], child_vector(vec->type, vector, i));
}

uint64_t *pf_out_vec_validity(struct pf_out_vec *vec) {
    if (!vec->validity) {
        duckdb_vector_ensure_validity_writable(vec->handle);
        vec->validity = duckdb_vector_get_validity(vec->handle);
    }
    return vec->validity;
}

enum pf_code pf_out_vec_resize_list(struct pf_out_vec *vec, uint64_t size, struct pf_error *err) {
    if (duckdb_list_vector_reserve(vec->handle, size) != DuckDBSuccess ||
        duckdb_list_vector_set_size(vec->handle, size) != DuckDBSuccess)
        PF_FAIL(err, PF_NO_MEMORY, "no room for %llu list elements", (unsigned long long)size);
    /* Reserving may move the child; its validity has to be asked for again. */
    out_vec_view(&vec->children[0], child_vector(vec->type, vec->handle, 0));
    return PF_OK;
}
