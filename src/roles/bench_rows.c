/* SPDX-License-Identifier: MIT */
#include "roles/bench_rows.h"

#include "base/buf.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_ROW_BYTES = 1 << 24 };
static const double TOLERANCE = 1e-9;

static bool is_float(const struct pf_vec *vec) {
    return vec->type->id == PF_TYPE_DOUBLE || vec->type->id == PF_TYPE_FLOAT;
}

static double float_at(const struct pf_vec *vec, uint64_t row) {
    return vec->type->id == PF_TYPE_DOUBLE ? ((const double *)vec->data)[row] : (double)((const float *)vec->data)[row];
}

void bench_rows_add(struct bench_rows *rows, const struct pf_chunk *chunk) {
    struct pf_buf text;
    size_t float_count = 0;
    pf_buf_init(&text, MAX_ROW_BYTES);
    for (uint32_t c = 0; c < chunk->column_count; c++) float_count += is_float(&chunk->columns[c]);
    rows->float_count = float_count;
    for (uint64_t r = 0; r < chunk->row_count; r++) {
        struct bench_row row = {.floats = PF_ARENA_ARRAY(rows->arena, double, float_count)};
        size_t at = 0;
        pf_buf_reset(&text);
        for (uint32_t c = 0; c < chunk->column_count; c++) {
            const struct pf_vec *vec = &chunk->columns[c];
            bool is_valid = pf_vec_is_valid(vec, r);
            if (is_float(vec)) row.floats[at++] = is_valid ? float_at(vec, r) : 0;
            if (!is_valid) {
                pf_buf_put_cstr(&text, "NULL");
            } else if (!is_float(vec)) {
                pf_vec_print(vec, r, &text);
            }
            pf_buf_put_char(&text, '\x1f');
        }
        row.exact = pf_arena_str(rows->arena, pf_buf_view(&text));
        PF_ARENA_PUSH(rows->arena, rows->rows, rows->count, rows->capacity) = row;
    }
    pf_buf_clear(&text);
}

static int by_exact_cells(const void *a, const void *b) {
    return pf_str_compare(((const struct bench_row *)a)->exact, ((const struct bench_row *)b)->exact);
}

static bool floats_are_equal(const double *a, const double *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        double scale = fmax(fabs(a[i]), fabs(b[i]));
        if (fabs(a[i] - b[i]) > TOLERANCE * scale) return false;
    }
    return true;
}

/* Rows that differ in floats alone: each takes the first partner that is left. */
static bool group_is_equal(const struct bench_row *expected, struct bench_row *actual, size_t size,
                           size_t float_count) {
    for (size_t i = 0; i < size; i++) {
        size_t j = i;
        while (j < size && !floats_are_equal(expected[i].floats, actual[j].floats, float_count)) j++;
        if (j == size) return false;
        struct bench_row partner = actual[j];
        actual[j] = actual[i];
        actual[i] = partner;
    }
    return true;
}

bool bench_rows_are_equal(struct bench_rows *expected, struct bench_rows *actual, struct pf_arena *arena,
                          pf_str *out_difference) {
    if (expected->count != actual->count) {
        *out_difference = pf_arena_printf(arena, "%zu rows, expected %zu", actual->count, expected->count);
        return false;
    }
    if (expected->count == 0) return true;
    qsort(expected->rows, expected->count, sizeof *expected->rows, by_exact_cells);
    qsort(actual->rows, actual->count, sizeof *actual->rows, by_exact_cells);
    for (size_t start = 0, end; start < expected->count; start = end) {
        end = start;
        while (end < expected->count && pf_str_equal(expected->rows[end].exact, expected->rows[start].exact)) end++;
        bool is_same = true;
        for (size_t i = start; i < end; i++) {
            is_same = is_same && pf_str_equal(expected->rows[i].exact, actual->rows[i].exact);
        }
        if (is_same &&
            group_is_equal(&expected->rows[start], &actual->rows[start], end - start, expected->float_count)) {
            continue;
        }
        *out_difference = pf_arena_printf(arena, "sorted row %zu of %zu differs", start + 1, expected->count);
        return false;
    }
    return true;
}
