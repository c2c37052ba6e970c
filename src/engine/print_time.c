/* SPDX-License-Identifier: MIT */
/* Dates and times as DuckDB casts them to VARCHAR. */
#include "engine/engine_internal.h"

#include <stdlib.h>

enum { SECONDS_PER_DAY = 86400, MAX_ZONE_OFFSET_S = 16 * 60 * 60 - 1 };

/* Days since 1970-01-01 to the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date
 * algorithms"). */
static void split_date(int64_t days, int64_t *out_year, int *out_month, int *out_day) {
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    *out_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    *out_month = (int)(month < 10 ? month + 3 : month - 9);
    *out_year = year_of_era + era * 400 + (*out_month <= 2);
}

static void put_date(int64_t days, struct pf_buf *out) {
    int64_t year;
    int month, day;
    split_date(days, &year, &month, &day);
    bool is_bc = year <= 0;
    if (is_bc) year = 1 - year;
    pf_buf_printf(out, "%04lld-%02d-%02d%s", (long long)year, month, day, is_bc ? " (BC)" : "");
}

void print_date(int32_t days, struct pf_buf *out) {
    if (days == INT32_MAX)
        pf_buf_put_cstr(out, "infinity");
    else if (days == -INT32_MAX)
        pf_buf_put_cstr(out, "-infinity");
    else
        put_date(days, out);
}

/* Trailing zeros are not printed. */
static void put_fraction(int64_t units, int64_t units_per_second, struct pf_buf *out) {
    if (units == 0) return;
    pf_buf_put_char(out, '.');
    for (int64_t scale = units_per_second / 10; units != 0; scale /= 10) {
        pf_buf_put_char(out, (char)('0' + (int)(units / scale)));
        units %= scale;
    }
}

void print_time(int64_t units, int64_t units_per_second, struct pf_buf *out) {
    int64_t seconds = units / units_per_second;
    pf_buf_printf(out, "%02lld:%02lld:%02lld", (long long)(seconds / 3600), (long long)(seconds / 60 % 60),
                  (long long)(seconds % 60));
    put_fraction(units % units_per_second, units_per_second, out);
}

void print_time_tz(uint64_t bits, struct pf_buf *out) {
    print_time((int64_t)(bits >> 24), 1000000, out);
    int offset = MAX_ZONE_OFFSET_S - (int)(bits & 0xffffff), size = abs(offset);
    pf_buf_printf(out, "%c%02d", offset < 0 ? '-' : '+', size / 3600);
    if (size % 3600) pf_buf_printf(out, ":%02d", size / 60 % 60);
    if (size % 60) pf_buf_printf(out, ":%02d", size % 60);
}

void print_timestamp(int64_t value, int64_t units_per_second, const char *zone, struct pf_buf *out) {
    if (value == INT64_MAX || value == -INT64_MAX) {
        pf_buf_put_cstr(out, value < 0 ? "-infinity" : "infinity");
        return;
    }
    int64_t per_day = units_per_second * SECONDS_PER_DAY;
    int64_t days = value / per_day, rest = value % per_day;
    if (rest < 0) {
        days--;
        rest += per_day;
    }
    put_date(days, out);
    pf_buf_put_char(out, ' ');
    print_time(rest, units_per_second, out);
    pf_buf_put_cstr(out, zone);
}

static void put_part(int value, const char *unit, bool *is_first, struct pf_buf *out) {
    if (value == 0) return;
    pf_buf_printf(out, "%s%d %s%s", *is_first ? "" : " ", value, unit, value == 1 || value == -1 ? "" : "s");
    *is_first = false;
}

void print_interval(int32_t months, int32_t days, int64_t micros, struct pf_buf *out) {
    bool is_first = true;
    put_part(months / 12, "year", &is_first, out);
    put_part(months % 12, "month", &is_first, out);
    put_part(days, "day", &is_first, out);
    if (micros == 0) {
        if (is_first) pf_buf_put_cstr(out, "00:00:00");
        return;
    }
    if (!is_first) pf_buf_put_char(out, ' ');
    if (micros < 0) pf_buf_put_char(out, '-');
    uint64_t size = micros < 0 ? -(uint64_t)micros : (uint64_t)micros;
    uint64_t seconds = size / 1000000;
    pf_buf_printf(out, "%02llu:%02llu:%02llu", (unsigned long long)(seconds / 3600),
                  (unsigned long long)(seconds / 60 % 60), (unsigned long long)(seconds % 60));
    put_fraction((int64_t)(size % 1000000), 1000000, out);
}
