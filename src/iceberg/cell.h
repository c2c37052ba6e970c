/* SPDX-License-Identifier: MIT */
/* Values of primitive types: from cells (single-value serialisation, Appendix D of the spec) and from text, compared,
 * and back to cells. */
#ifndef PF_ICEBERG_CELL_H
#define PF_ICEBERG_CELL_H

#include "base/json.h"
#include "iceberg/iceberg.h"

__extension__ typedef __int128 cell_i128;
__extension__ typedef unsigned __int128 cell_u128;

enum cell_form {
    CELL_INTEGER, /* boolean, int, long, date (days), time and timestamps (µs), timestamp_ns (ns) */
    CELL_FLOAT,
    CELL_DECIMAL, /* unscaled */
    CELL_BYTES    /* string, uuid (16 bytes big-endian), fixed, binary */
};

struct cell_value {
    enum cell_form form;
    int64_t integer;
    double real;
    cell_i128 decimal;
    pf_str bytes;
};

bool cell_is_primitive(const struct pf_iceberg_type *type);
bool cell_is_float(const struct pf_iceberg_type *type);
enum cell_form cell_form_of(const struct pf_iceberg_type *type);

/* Reads promoted widths too (a long of 4 bytes, a timestamp that was a date). False: not a value of the type. */
bool cell_decode(const struct pf_iceberg_type *type, pf_str cell, struct cell_value *out_value);
/* For BYTES the cell is the value's own view; other cells are made in the arena. */
pf_str cell_encode(const struct pf_iceberg_type *type, const struct cell_value *value, struct pf_arena *arena);
/* Minimal two's complement, big-endian; returns the length, 1 to 16. */
size_t cell_put_decimal(cell_i128 unscaled, unsigned char bytes[16]);

/* NaN is the greatest and equal to itself, -0.0 equals 0.0, bytes compare unsigned: DuckDB's order. */
int cell_compare(const struct cell_value *a, const struct cell_value *b);
bool cell_is_nan(const struct cell_value *value);

/* A constant as DuckDB prints it. False where it isn't exactly a value of the column's type or where a comparison
 * would depend on settings (TIMESTAMP against timestamptz): then it must not be used. */
bool cell_from_literal(const struct pf_iceberg_type *type, struct pf_literal literal, struct pf_arena *arena,
                       struct cell_value *out_value);
/* A minimum or maximum of RETURN_STATS. */
bool cell_from_stats(const struct pf_iceberg_type *type, pf_str text, struct pf_arena *arena,
                     struct cell_value *out_value);

/* For people: as DuckDB prints it, bytes as hexadecimal digits (partition_text.c). */
pf_str cell_print(const struct pf_iceberg_type *type, const struct cell_value *value, struct pf_arena *arena);

/* JSON single values (spec, Appendix D; cell_json.c). Reading also takes what clients send before they know the column's
 * type: days, microseconds and the like as numbers. False: not exactly a value of the type. */
bool cell_from_json(const struct pf_iceberg_type *type, pf_json *json, struct pf_arena *arena,
                    struct cell_value *out_value);
/* null for a cell that is null or can't be decoded. */
void cell_put_json(const struct pf_iceberg_type *type, pf_str cell, struct pf_json_out *out, struct pf_arena *arena);

/* Floor division and the number of days since 1970-01-01, proleptic Gregorian. */
int64_t cell_floor_div(int64_t a, int64_t b);
int64_t cell_days_from_date(int64_t year, int month, int day);
void cell_date_from_days(int64_t days, int64_t *out_year, int *out_month);

/* Bytes of the first `count` characters of UTF-8 text; stray bytes count as one each. */
size_t cell_utf8_prefix(pf_str text, size_t count);

#endif
