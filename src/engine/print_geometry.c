/* SPDX-License-Identifier: MIT */
/* Geometries as well-known text. DuckDB 1.5 holds them as well-known binary (OGC 06-103r4, little endian). */
#include "engine/engine_internal.h"

#include <string.h>

enum { MAX_DEPTH = 32 };

struct reader {
    const char *at, *end;
    bool is_bad;
};

static uint32_t read_u32(struct reader *reader) {
    uint32_t value = 0;
    if (reader->end - reader->at < 4)
        reader->is_bad = true;
    else
        memcpy(&value, reader->at, 4), reader->at += 4;
    return value;
}

static double read_f64(struct reader *reader) {
    double value = 0;
    if (reader->end - reader->at < 8)
        reader->is_bad = true;
    else
        memcpy(&value, reader->at, 8), reader->at += 8;
    return value;
}

static void put_number(double value, struct pf_buf *out) {
    size_t start = out->len;
    print_f64(value, false, out);
    if (!out->failed && out->len - start > 2 && memcmp(out->ptr + out->len - 2, ".0", 2) == 0) out->len -= 2;
}

static void put_point(struct reader *reader, int dimensions, struct pf_buf *out) {
    for (int i = 0; i < dimensions; i++) {
        if (i) pf_buf_put_char(out, ' ');
        put_number(read_f64(reader), out);
    }
}

static void put_points(struct reader *reader, int dimensions, struct pf_buf *out) {
    uint32_t count = read_u32(reader);
    pf_buf_put_char(out, '(');
    for (uint32_t i = 0; i < count && !reader->is_bad; i++) {
        if (i) pf_buf_put_cstr(out, ", ");
        put_point(reader, dimensions, out);
    }
    pf_buf_put_char(out, ')');
}

static bool is_empty_point(const struct reader *reader) {
    double x;
    if (reader->end - reader->at < 8) return true;
    memcpy(&x, reader->at, 8);
    return x != x;
}

static uint32_t peek_u32(const struct reader *reader) {
    struct reader copy = *reader;
    return read_u32(&copy);
}

static void put_geometry(struct reader *reader, bool has_name, int depth, struct pf_buf *out) {
    static const char *const NAMES[] = {"",           "POINT",           "LINESTRING",   "POLYGON",
                                        "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"};
    static const char *const FLAGS[] = {"", " Z", " M", " ZM"};
    if (reader->at == reader->end || *reader->at++ != 1 || depth > MAX_DEPTH) {
        reader->is_bad = true;
        return;
    }
    uint32_t code = read_u32(reader), kind = code % 1000, flags = code / 1000;
    if (kind == 0 || kind > 7 || flags > 3) {
        reader->is_bad = true;
        return;
    }
    int dimensions = 2 + (flags & 1 ? 1 : 0) + (flags & 2 ? 1 : 0);
    if (has_name) pf_buf_printf(out, "%s%s ", NAMES[kind], FLAGS[flags]);
    if (kind == 1 ? is_empty_point(reader) : peek_u32(reader) == 0) {
        pf_buf_put_cstr(out, "EMPTY");
        if (kind == 1)
            reader->at += dimensions * 8 <= reader->end - reader->at ? dimensions * 8 : 0;
        else
            read_u32(reader);
        return;
    }
    if (kind == 1) {
        pf_buf_put_char(out, '(');
        put_point(reader, dimensions, out);
        pf_buf_put_char(out, ')');
        return;
    }
    if (kind == 2) {
        put_points(reader, dimensions, out);
        return;
    }
    uint32_t count = read_u32(reader);
    pf_buf_put_char(out, '(');
    for (uint32_t i = 0; i < count && !reader->is_bad; i++) {
        if (i) pf_buf_put_cstr(out, ", ");
        if (kind == 3)
            put_points(reader, dimensions, out);
        else if (kind == 4) { /* points without parentheses of their own */
            reader->at += reader->end - reader->at >= 5 ? 5 : 0;
            if (is_empty_point(reader)) {
                pf_buf_put_cstr(out, "EMPTY");
                reader->at += dimensions * 8 <= reader->end - reader->at ? dimensions * 8 : 0;
            } else
                put_point(reader, dimensions, out);
        } else
            put_geometry(reader, kind == 7, depth + 1, out);
    }
    pf_buf_put_char(out, ')');
}

void print_geometry(pf_str bytes, struct pf_buf *out) {
    struct reader reader = {bytes.ptr, bytes.ptr + bytes.len, false};
    put_geometry(&reader, true, 0, out);
}
