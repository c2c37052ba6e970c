/* SPDX-License-Identifier: MIT */
#include "query/load.h"

#include "base/buf.h"
#include "query/task.h"

#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *ending;
    enum load_format format;
} ENDINGS[] = {{".parquet", LOAD_PARQUET}, {".parq", LOAD_PARQUET}, {".csv", LOAD_CSV},    {".tsv", LOAD_CSV},
               {".json", LOAD_JSON},       {".jsonl", LOAD_JSON},   {".ndjson", LOAD_JSON}};

static pf_str without_ending(pf_str path, pf_str ending) {
    if (path.len < ending.len) return path;
    pf_str end = pf_str_slice(path, path.len - ending.len, SIZE_MAX);
    return pf_str_equal_nocase(end, ending) ? pf_str_slice(path, 0, path.len - ending.len) : path;
}

static bool format_of_path(pf_str path, enum load_format *out_format) {
    path = without_ending(without_ending(path, PF_STR(".gz")), PF_STR(".zst"));
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        if (without_ending(path, pf_str_from_cstr(ENDINGS[i].ending)).len == path.len) continue;
        *out_format = ENDINGS[i].format;
        return true;
    }
    return false;
}

static bool is_special(char c) {
    return c == '*' || c == '?' || c == '[';
}

static bool is_pattern(pf_str path) {
    for (size_t i = 0; i < path.len; i++) {
        if (is_special(path.ptr[i])) return true;
    }
    return false;
}

/* A file that is there wins over the pattern that its name may be. */
static enum pf_code check_file(pf_str path, struct pf_arena *arena, int64_t *size_bytes, struct pf_error *err) {
    char *text = pf_arena_cstr(arena, path);
    struct stat info;
    if (stat(text, &info) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) PF_FAIL(err, PF_NOT_FOUND, "there is no file '%s'", text);
        PF_FAIL_ERRNO(err, errno, "open '%s'", text);
    }
    if (S_ISDIR(info.st_mode)) {
        PF_FAIL(err, PF_INVALID, "'%s' is a folder; name its files, e.g. '%s/*.parquet'", text, text);
    }
    if (access(text, R_OK) != 0) PF_FAIL_ERRNO(err, errno, "open '%s'", text);
    *size_bytes += info.st_size;
    return PF_OK;
}

/* DuckDB expands patterns itself, and knows '**' too; this one only sums up sizes. */
static int64_t size_of_pattern(pf_str path, struct pf_arena *arena) {
    int64_t size_bytes = 0;
    glob_t found;
    if (glob(pf_arena_cstr(arena, path), GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            struct stat info;
            if (stat(found.gl_pathv[i], &info) == 0 && S_ISREG(info.st_mode)) size_bytes += info.st_size;
        }
        globfree(&found);
    }
    return size_bytes;
}

static enum pf_code check_path(pf_str path, struct pf_arena *arena, int64_t *size_bytes, struct pf_error *err) {
    if (!path.len) PF_FAIL(err, PF_INVALID, "a path is empty");
    if (memchr(path.ptr, 0, path.len)) PF_FAIL(err, PF_INVALID, "a path has a zero byte");
    if (pf_str_find(path, PF_STR("://"), 0) != SIZE_MAX) {
        PF_FAIL(err, PF_UNSUPPORTED, "'%.*s': only local files can be loaded; fetch it before", PF_STR_ARG(path));
    }
    if (!is_pattern(path) || access(pf_arena_cstr(arena, path), F_OK) == 0) {
        return check_file(path, arena, size_bytes, err);
    }
    *size_bytes += size_of_pattern(path, arena);
    return PF_OK;
}

static enum pf_code find_format(const struct pf_load_options *options, enum load_format *out_format,
                                struct pf_error *err) {
    static const char *const NAMES[] = {"parquet", "csv", "json"};
    for (int i = 0; options->format.len && i < 3; i++) {
        if (!pf_str_equal_nocase(options->format, pf_str_from_cstr(NAMES[i]))) continue;
        *out_format = (enum load_format)i;
        return PF_OK;
    }
    if (options->format.len) {
        PF_FAIL(err, PF_INVALID, "unknown format '%.*s': parquet, csv or json", PF_STR_ARG(options->format));
    }
    for (size_t i = 0; i < options->path_count; i++) {
        enum load_format format;
        if (!format_of_path(options->paths[i], &format)) {
            PF_FAIL(err, PF_INVALID, "'%.*s': the ending doesn't tell the format; say parquet, csv or json",
                    PF_STR_ARG(options->paths[i]));
        }
        if (i && format != *out_format) {
            PF_FAIL(err, PF_INVALID, "'%.*s' and '%.*s' have different formats; load them one after the other",
                    PF_STR_ARG(options->paths[0]), PF_STR_ARG(options->paths[i]));
        }
        *out_format = format;
    }
    return PF_OK;
}

enum pf_code load_read_input(const struct pf_load_options *options, struct pf_arena *arena,
                             struct load_input *out_input, struct pf_error *err) {
    struct load_input input = {.paths = options->paths, .path_count = options->path_count};
    if (!options->path_count) PF_FAIL(err, PF_INVALID, "there is no file to load");
    PF_TRY(find_format(options, &input.format, err));
    for (size_t i = 0; i < options->path_count; i++) {
        PF_TRY(check_path(options->paths[i], arena, &input.size_bytes, err));
    }
    *out_input = input;
    return PF_OK;
}

/* ---- SQL ---- */

/* A path is a pattern to DuckDB: where it is a file's name, its special characters are put into brackets. */
static pf_str literal_path(pf_str path, struct pf_arena *arena) {
    if (!is_pattern(path) || access(pf_arena_cstr(arena, path), F_OK) != 0) return path;
    struct pf_buf buf;
    pf_buf_init(&buf, 1 << 16);
    for (size_t i = 0; i < path.len; i++) {
        if (is_special(path.ptr[i])) {
            pf_buf_printf(&buf, "[%c]", path.ptr[i]);
        } else {
            pf_buf_put_char(&buf, path.ptr[i]);
        }
    }
    pf_str text = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return text;
}

static void put_columns(struct pf_buf *buf, const char *option, const struct pf_sql_column *columns, size_t count,
                        struct pf_arena *arena) {
    if (!count) return;
    pf_buf_printf(buf, ", %s={", option);
    for (size_t i = 0; i < count; i++) {
        pf_str name = pf_sql_quote_text(columns[i].name, arena), type = pf_sql_quote_text(columns[i].type, arena);
        pf_buf_printf(buf, "%s%.*s: %.*s", i ? ", " : "", PF_STR_ARG(name), PF_STR_ARG(type));
    }
    pf_buf_put_char(buf, '}');
}

pf_str load_reader_sql(const struct load_input *input, const struct pf_sql_column *columns, size_t column_count,
                       struct pf_arena *arena) {
    static const char *const FUNCTIONS[] = {"read_parquet", "read_csv", "read_json"};
    struct pf_buf buf;
    pf_buf_init(&buf, SIZE_MAX / 2);
    pf_buf_printf(&buf, "%s([", FUNCTIONS[input->format]);
    for (size_t i = 0; i < input->path_count; i++) {
        pf_str path = pf_sql_quote_text(literal_path(input->paths[i], arena), arena);
        pf_buf_printf(&buf, "%s%.*s", i ? ", " : "", PF_STR_ARG(path));
    }
    pf_buf_put_char(&buf, ']');
    /* Files may differ in columns: without this DuckDB takes the first file's and drops the others in silence. */
    bool is_one = input->path_count == 1 &&
                  (!is_pattern(input->paths[0]) || access(pf_arena_cstr(arena, input->paths[0]), F_OK) == 0);
    if (!is_one) pf_buf_put_cstr(&buf, ", union_by_name=true");
    if (input->format == LOAD_CSV) put_columns(&buf, "types", columns, column_count, arena);
    if (input->format == LOAD_JSON) put_columns(&buf, "columns", columns, column_count, arena);
    pf_buf_put_char(&buf, ')');
    pf_str text = pf_arena_str(arena, pf_buf_view(&buf));
    pf_buf_clear(&buf);
    return text;
}
