/* SPDX-License-Identifier: MIT */
/* Numbers as DuckDB casts them to VARCHAR. */
#include "engine/engine_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 40 };

static size_t put_digits(char digits[DIGITS], unsigned __int128 value) {
    size_t at = DIGITS;
    do {
        digits[--at] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value);
    return at;
}

void print_uhugeint(unsigned __int128 value, struct pf_buf *out) {
    char digits[DIGITS];
    size_t at = put_digits(digits, value);
    pf_buf_put(out, digits + at, DIGITS - at);
}

static unsigned __int128 magnitude(__int128 value) {
    return value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
}

void print_hugeint(__int128 value, struct pf_buf *out) {
    if (value < 0) pf_buf_put_char(out, '-');
    print_uhugeint(magnitude(value), out);
}

void print_decimal(__int128 value, int scale, struct pf_buf *out) {
    char digits[DIGITS];
    if (value < 0) pf_buf_put_char(out, '-');
    size_t at = put_digits(digits, magnitude(value)), count = DIGITS - at;
    size_t fraction = (size_t)scale;
    if (count <= fraction) {
        pf_buf_put_cstr(out, "0.");
        for (size_t i = count; i < fraction; i++) pf_buf_put_char(out, '0');
        pf_buf_put(out, digits + at, count);
        return;
    }
    pf_buf_put(out, digits + at, count - fraction);
    if (!fraction) return;
    pf_buf_put_char(out, '.');
    pf_buf_put(out, digits + DIGITS - fraction, fraction);
}

/* The shortest digits that read back as the same value, "d.ddde[+-]xx". (For one float in some hundreds DuckDB prints
 * more, those of the double next to it.) Decimals of up to 15 (6) digits survive a
 * double (float), so the first try is nearly always the shortest; subnormal values have fewer and start at 1. */
static void shortest(double value, bool is_float, char *text, size_t size_bytes) {
    double size = fabs(value);
    bool is_subnormal = size < (is_float ? 1.17549435e-38 : 2.2250738585072014e-308);
    int digits = is_subnormal ? 1 : is_float ? 6 : 15, most = is_float ? 9 : 17;
    for (; digits <= most; digits++) {
        snprintf(text, size_bytes, "%.*e", digits - 1, value);
        if (is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value) return;
    }
}

void print_f64(double value, bool is_float, struct pf_buf *out) {
    if (isnan(value)) {
        pf_buf_put_cstr(out, signbit(value) ? "-nan" : "nan");
        return;
    }
    if (isinf(value)) {
        pf_buf_put_cstr(out, value < 0 ? "-inf" : "inf");
        return;
    }
    if (fabs(value) < 1e15 && value == (double)(int64_t)value && !(value == 0 && signbit(value)) && !is_float) {
        pf_buf_printf(out, "%lld.0", (long long)value);
        return;
    }
    char text[64];
    shortest(value, is_float, text, sizeof text);
    pf_str all = pf_str_from_cstr(text);
    if (all.ptr[0] == '-') {
        pf_buf_put_char(out, '-');
        all = pf_str_slice(all, 1, all.len);
    }
    size_t e = pf_str_find_char(all, 'e', 0);
    int exponent = (int)strtol(all.ptr + e + 1, NULL, 10);
    char digits[32] = {0};
    size_t count = 0;
    for (size_t i = 0; i < e && count < sizeof digits; i++)
        if (all.ptr[i] != '.') digits[count++] = all.ptr[i];
    while (count > 1 && digits[count - 1] == '0') count--;
    if (exponent < -4 || exponent >= 16) {
        pf_buf_put_char(out, digits[0]);
        if (count > 1) pf_buf_put_char(out, '.');
        pf_buf_put(out, digits + 1, count - 1);
        pf_buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (exponent < 0) {
        pf_buf_put_cstr(out, "0.");
        for (int i = -1; i > exponent; i--) pf_buf_put_char(out, '0');
        pf_buf_put(out, digits, count);
        return;
    }
    size_t whole = (size_t)exponent + 1;
    for (size_t i = 0; i < whole; i++) pf_buf_put_char(out, i < count ? digits[i] : '0');
    pf_buf_put_char(out, '.');
    if (count > whole)
        pf_buf_put(out, digits + whole, count - whole);
    else
        pf_buf_put_char(out, '0');
}

/* Three bytes of header (top bit: not negative), then the magnitude, highest byte first; all inverted if negative. */
void print_bignum(pf_str bytes, struct pf_buf *out) {
    enum { HEADER_BYTES = 3, LIMB = 1000000000 };
    if (bytes.len <= HEADER_BYTES) {
        pf_buf_put_char(out, '0');
        return;
    }
    bool is_negative = !((unsigned char)bytes.ptr[0] & 0x80);
    size_t count = bytes.len - HEADER_BYTES, limb_count = 1, capacity = count / 3 + 2;
    uint32_t *limbs = calloc(capacity, sizeof *limbs); /* base 10^9, lowest first */
    if (!limbs) return;
    for (size_t i = 0; i < count; i++) {
        unsigned char byte = (unsigned char)bytes.ptr[HEADER_BYTES + i];
        uint64_t carry = is_negative ? (unsigned char)~byte : byte;
        for (size_t k = 0; k < limb_count; k++) {
            carry += (uint64_t)limbs[k] << 8;
            limbs[k] = (uint32_t)(carry % LIMB);
            carry /= LIMB;
        }
        if (carry && limb_count < capacity) limbs[limb_count++] = (uint32_t)carry;
    }
    if (is_negative) pf_buf_put_char(out, '-');
    pf_buf_printf(out, "%u", limbs[limb_count - 1]);
    for (size_t k = limb_count - 1; k-- > 0;) pf_buf_printf(out, "%09u", limbs[k]);
    free(limbs);
}
