/* SPDX-License-Identifier: MIT */
/* A hash of ours in SQL, over bytes and numbers: name(BLOB), name(BIGINT), name(HUGEINT) -> INTEGER. */
#include "engine/engine_internal.h"

#include <string.h>

enum { WIDEST_NUMBER = 16 };

/* Little end first, eight bytes. */
static size_t put_bigint(const void *data, uint64_t row, unsigned char *bytes) {
    uint64_t number;
    memcpy(&number, (const char *)data + row * sizeof number, sizeof number);
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(number >> (8 * i));
    return 8;
}

/* Big end first, in as few bytes as hold it with its sign. */
static size_t put_hugeint(const void *data, uint64_t row, unsigned char *bytes) {
    duckdb_hugeint number;
    memcpy(&number, (const char *)data + row * sizeof number, sizeof number);
    unsigned char all[WIDEST_NUMBER];
    for (int i = 0; i < 8; i++) {
        all[i] = (unsigned char)((uint64_t)number.upper >> (56 - 8 * i));
        all[8 + i] = (unsigned char)(number.lower >> (56 - 8 * i));
    }
    size_t first = 0;
    while (first + 1 < WIDEST_NUMBER &&
           ((all[first] == 0 && all[first + 1] < 0x80) || (all[first] == 0xff && all[first + 1] >= 0x80)))
        first++;
    memcpy(bytes, all + first, WIDEST_NUMBER - first);
    return WIDEST_NUMBER - first;
}

static void on_rows(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
    const struct pf_hash_function *function = duckdb_scalar_function_get_extra_info(info);
    duckdb_vector vector = duckdb_data_chunk_get_vector(input, 0);
    duckdb_logical_type type = duckdb_vector_get_column_type(vector);
    duckdb_type kind = duckdb_get_type_id(type);
    duckdb_destroy_logical_type(&type);
    void *data = duckdb_vector_get_data(vector);
    uint64_t *validity = duckdb_vector_get_validity(vector);
    int32_t *results = duckdb_vector_get_data(output);
    idx_t count = duckdb_data_chunk_get_size(input);
    for (idx_t row = 0; row < count; row++) {
        if (validity && !duckdb_validity_row_is_valid(validity, row)) {
            duckdb_vector_ensure_validity_writable(output);
            duckdb_validity_set_row_invalid(duckdb_vector_get_validity(output), row);
            continue;
        }
        unsigned char number[WIDEST_NUMBER];
        pf_str bytes;
        if (kind == DUCKDB_TYPE_BLOB)
            bytes = pf_string_view(&((const union pf_string *)data)[row]);
        else
            bytes = pf_str_from((const char *)number, kind == DUCKDB_TYPE_BIGINT ? put_bigint(data, row, number)
                                                                                 : put_hugeint(data, row, number));
        results[row] = (int32_t)function->hash(bytes);
    }
}

static bool add_overload(duckdb_scalar_function_set set, struct pf_hash_function *function, duckdb_type kind) {
    duckdb_logical_type parameter = duckdb_create_logical_type(kind);
    duckdb_logical_type result = duckdb_create_logical_type(DUCKDB_TYPE_INTEGER);
    duckdb_scalar_function scalar = duckdb_create_scalar_function();
    duckdb_scalar_function_set_name(scalar, function->name);
    duckdb_scalar_function_add_parameter(scalar, parameter);
    duckdb_scalar_function_set_return_type(scalar, result);
    duckdb_scalar_function_set_extra_info(scalar, function, NULL);
    duckdb_scalar_function_set_function(scalar, on_rows);
    duckdb_state state = duckdb_add_scalar_function_to_set(set, scalar);
    duckdb_destroy_scalar_function(&scalar);
    duckdb_destroy_logical_type(&parameter);
    duckdb_destroy_logical_type(&result);
    return state == DuckDBSuccess;
}

enum pf_code pf_engine_register_hash(struct pf_engine *engine, const struct pf_hash_function *function,
                                     struct pf_error *err) {
    static const duckdb_type kinds[] = {DUCKDB_TYPE_BLOB, DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_HUGEINT};
    struct pf_hash_function *copy = PF_ARENA_NEW(engine->arena, struct pf_hash_function);
    *copy = *function;
    duckdb_scalar_function_set set = duckdb_create_scalar_function_set(function->name);
    bool ok = true;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) ok = add_overload(set, copy, kinds[i]) && ok;
    pthread_mutex_lock(&engine->locked.mutex);
    ok = ok && duckdb_register_scalar_function_set(engine->locked.connection, set) == DuckDBSuccess;
    pthread_mutex_unlock(&engine->locked.mutex);
    duckdb_destroy_scalar_function_set(&set);
    if (!ok) PF_FAIL(err, PF_BUG, "register function %s", function->name);
    return PF_OK;
}
