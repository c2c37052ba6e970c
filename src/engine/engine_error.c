/* SPDX-License-Identifier: MIT */
/* DuckDB's errors become ours here and nowhere else.
 *
 * The C API gives no error type for a prepare, a pending result or a callback, but every message starts with one
 * ("Binder Error: ..."). Errors of our own callbacks travel through DuckDB as text; a mark in front keeps their code
 * and origin. */
#include "engine/engine_internal.h"

#include <stdio.h>
#include <string.h>

/* US: never in a message of DuckDB's. Layout: US code US origin US message. */
#define MARK '\x1f'

static const struct {
    const char *prefix;
    enum pf_code code;
} TYPES[] = {
    {"Binder Error", PF_INVALID},
    {"Parser Error", PF_INVALID},
    {"Syntax Error", PF_INVALID},
    {"Catalog Error", PF_INVALID},
    {"Conversion Error", PF_INVALID},
    {"Constraint Error", PF_INVALID},
    {"Invalid Input Error", PF_INVALID},
    {"Invalid type Error", PF_INVALID},
    {"Invalid Configuration Error", PF_INVALID},
    {"Out of Range Error", PF_INVALID},
    {"Mismatch Type Error", PF_INVALID},
    {"Divide by Zero Error", PF_INVALID},
    {"Decimal Error", PF_INVALID},
    {"Unknown Type Error", PF_INVALID},
    {"Expression Error", PF_INVALID},
    {"Object Size Error", PF_INVALID},
    {"Planner Error", PF_INVALID},
    {"Settings Error", PF_INVALID},
    {"Sequence Error", PF_INVALID},
    {"Dependency Error", PF_INVALID},
    {"Parameter Not Resolved Error", PF_INVALID},
    {"Parameter Not Allowed Error", PF_INVALID},
    {"Extension Autoloading Error", PF_UNSUPPORTED},
    {"Missing Extension Error", PF_UNSUPPORTED},
    {"Not implemented Error", PF_UNSUPPORTED},
    {"Serialization Error", PF_CORRUPT},
    {"Permission Error", PF_DENIED},
    {"Transaction Error", PF_CONFLICT},
    {"TransactionContext Error", PF_CONFLICT},
    {"Out of Memory Error", PF_NO_MEMORY},
    {"INTERRUPT Error", PF_CANCELLED},
    {"Interrupt Error", PF_CANCELLED},
    {"IO Error", PF_REMOTE},
    {"HTTP Error", PF_REMOTE},
    {"Network Error", PF_REMOTE},
    {"Connection Error", PF_REMOTE},
};

static bool has_part(pf_str text, const char *part) {
    return pf_str_find(text, pf_str_from_cstr(part), 0) != SIZE_MAX;
}

/* What reading a broken file says, under several error types. */
static bool tells_of_corrupt_data(pf_str text) {
    static const char *const PARTS[] = {"No magic bytes found",
                                        "too small to be a Parquet file",
                                        "Invalid Parquet",
                                        "corrupt",
                                        "Corrupt",
                                        "Don't know how to convert",
                                        "don't know what type",
                                        "Could not read enough bytes",
                                        "TProtocolException",
                                        "Footer length",
                                        "Thrift",
                                        "Failed to decompress",
                                        "Snappy decompression",
                                        "ZSTD Decompression"};
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        if (has_part(text, PARTS[i])) return true;
    return false;
}

static bool tells_of_missing_file(pf_str text) {
    return has_part(text, "No files found") || has_part(text, "No such file") || has_part(text, "does not exist");
}

static bool tells_of_full_disk(pf_str text) {
    return has_part(text, "No space left") || has_part(text, "File too large") || has_part(text, "Disk quota");
}

static enum pf_code code_of(pf_str text) {
    enum pf_code code = PF_BUG;
    /* Another statement broke this instance: its own error was an internal one. A new instance will do. */
    if (has_part(text, "database has been invalidated because of a previous fatal error")) return PF_REMOTE;
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (pf_str_starts_with(text, pf_str_from_cstr(TYPES[i].prefix))) {
            code = TYPES[i].code;
            break;
        }
    if (code == PF_REMOTE || code == PF_INVALID || code == PF_CORRUPT || code == PF_BUG) {
        bool is_parsed = pf_str_starts_with(text, PF_STR("Parser")) || pf_str_starts_with(text, PF_STR("Binder")) ||
                         pf_str_starts_with(text, PF_STR("Catalog")) || pf_str_starts_with(text, PF_STR("Syntax")) ||
                         pf_str_starts_with(text, PF_STR("Conversion"));
        if (!is_parsed && tells_of_corrupt_data(text)) return PF_CORRUPT;
    }
    if (code == PF_REMOTE && tells_of_missing_file(text)) return PF_NOT_FOUND;
    if (code == PF_REMOTE && tells_of_full_disk(text)) return PF_NO_MEMORY;
    if (code == PF_REMOTE && has_part(text, "allowed_directories")) return PF_DENIED;
    return code;
}

/* Reads "US code US origin US message" wherever it begins; false if there is none. */
static bool read_marked(pf_str text, struct pf_error *err, enum pf_code *out_code) {
    size_t at = pf_str_find_char(text, MARK, 0);
    if (at == SIZE_MAX) return false;
    pf_str rest = pf_str_slice(text, at + 1, text.len), code, origin;
    if (!pf_str_next(&rest, MARK, &code) || !pf_str_next(&rest, MARK, &origin)) return false;
    *out_code = pf_code_from_name(code);
    if (err) {
        err->code = *out_code;
        snprintf(err->message, sizeof err->message, "%.*s", PF_STR_ARG(rest));
        snprintf(err->origin, sizeof err->origin, "%.*s", PF_STR_ARG(origin));
    }
    return true;
}

enum pf_code engine_error_from_text(const char *message, struct pf_error *err) {
    pf_str text = pf_str_from_cstr(message);
    enum pf_code code;
    if (read_marked(text, err, &code)) return code;
    if (!text.len) PF_FAIL(err, PF_BUG, "DuckDB failed without a message");
    PF_FAIL(err, code_of(text), "%.*s", PF_STR_ARG(text));
}

void engine_error_text(const struct pf_error *err, char *text, size_t size_bytes) {
    snprintf(text, size_bytes, "%c%s%c%s%c%s", MARK, pf_code_name(err->code), MARK, err->origin, MARK, err->message);
}
