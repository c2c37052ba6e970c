/* SPDX-License-Identifier: MIT */
#include "base/config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What a reading knows while it goes through argv and the environment. */
struct reading {
    unsigned role;
    const char *const *environment;
    struct pf_arena *arena;
    struct pf_config *config;
    struct pf_error *err;
};

static pf_str variable_value(const char *const *environment, pf_str name) {
    for (; environment && *environment; environment++) {
        pf_str entry = pf_str_from_cstr(*environment);
        if (entry.len > name.len && entry.ptr[name.len] == '=' && pf_str_starts_with(entry, name)) {
            return pf_str_slice(entry, name.len + 1, entry.len);
        }
    }
    return PF_STR_EMPTY;
}

pf_str pf_option_variable(const struct pf_option *option, struct pf_arena *arena) {
    pf_str name = pf_arena_printf(arena, "PUFFINDB_%s", option->flag);
    char *text = (char *)(uintptr_t)name.ptr; /* ours: just made */
    for (size_t i = 0; i < name.len; i++) text[i] = text[i] == '-' ? '_' : (char)toupper((unsigned char)text[i]);
    return name;
}

bool pf_duration_from(pf_str text, int64_t *out_ms) {
    static const struct {
        const char *suffix;
        double factor;
    } units[] = {{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}, {"", 1e3}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        pf_str suffix = pf_str_from_cstr(units[i].suffix);
        if (!pf_str_ends_with(text, suffix)) continue;
        double value;
        if (!pf_str_to_f64(pf_str_slice(text, 0, text.len - suffix.len), &value)) return false;
        if (!(value >= 0) || value * units[i].factor > 9e15) return false;
        *out_ms = (int64_t)(value * units[i].factor);
        return true;
    }
    return false;
}

static enum pf_code absolute_path(struct reading *reading, pf_str path, pf_str *out_path) {
    if (path.len == 0 || path.ptr[0] == '/' || pf_str_equal(path, PF_STR("-"))) {
        *out_path = pf_arena_str(reading->arena, path);
        return PF_OK;
    }
    pf_str home = variable_value(reading->environment, PF_STR("HOME"));
    if (pf_str_starts_with(path, PF_STR("~/")) && home.len) {
        *out_path =
            pf_arena_printf(reading->arena, "%.*s%.*s", PF_STR_ARG(home), PF_STR_ARG(pf_str_slice(path, 1, path.len)));
        return PF_OK;
    }
    if (pf_str_starts_with(path, PF_STR("~/"))) path = pf_str_slice(path, 2, path.len);
    while (pf_str_starts_with(path, PF_STR("./"))) path = pf_str_slice(path, 2, path.len);
    char folder[4096];
    if (!getcwd(folder, sizeof folder)) PF_FAIL(reading->err, PF_INVALID, "the current folder does not exist");
    bool is_here = path.len == 0 || pf_str_equal(path, PF_STR("."));
    *out_path =
        is_here ? pf_arena_str(reading->arena, pf_str_from_cstr(folder))
                : pf_arena_printf(reading->arena, "%s/%.*s", strcmp(folder, "/") == 0 ? "" : folder, PF_STR_ARG(path));
    return PF_OK;
}

static enum pf_code url_of_path(struct reading *reading, pf_str text, pf_str *out_url) {
    if (pf_str_starts_with(text, PF_STR("file://")) && !pf_str_starts_with(text, PF_STR("file:///"))) {
        PF_FAIL(reading->err, PF_INVALID, "a file URL has an absolute path, as in file:///data/lake");
    }
    if (text.len == 0 || pf_str_find(text, PF_STR("://"), 0) != SIZE_MAX) {
        *out_url = pf_arena_str(reading->arena, text);
        return PF_OK;
    }
    pf_str path;
    PF_TRY(absolute_path(reading, text, &path));
    while (path.len > 1 && path.ptr[path.len - 1] == '/') path.len--;
    *out_url = pf_arena_printf(reading->arena, "file://%.*s", PF_STR_ARG(path));
    return PF_OK;
}

static enum pf_code read_choice(const struct pf_option *option, pf_str text, int64_t *out_position,
                                struct pf_error *err) {
    pf_str rest = pf_str_from_cstr(option->choices), choice;
    for (int64_t i = 0; pf_str_next(&rest, '|', &choice); i++) {
        if (pf_str_equal(choice, text)) {
            *out_position = i;
            return PF_OK;
        }
    }
    PF_FAIL(err, PF_INVALID, "expected one of %s", option->choices);
}

static enum pf_code read_bool(pf_str text, int64_t *out_value, struct pf_error *err) {
    static const char *const yes[] = {"yes", "true", "1", "on"}, *const no[] = {"no", "false", "0", "off", ""};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (pf_str_equal_nocase(text, pf_str_from_cstr(yes[i]))) return *out_value = 1, PF_OK;
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        if (pf_str_equal_nocase(text, pf_str_from_cstr(no[i]))) return *out_value = 0, PF_OK;
    }
    PF_FAIL(err, PF_INVALID, "expected yes or no");
}

static enum pf_code read_number(const struct pf_option *option, pf_str text, int64_t *out_number,
                                struct pf_error *err) {
    int64_t number;
    switch (option->type) {
    case PF_OPTION_BYTES:
        if (!pf_str_to_bytes(text, &number)) PF_FAIL(err, PF_INVALID, "expected a size, as in 64MB or 1.5GiB");
        break;
    case PF_OPTION_DURATION:
        if (!pf_duration_from(text, &number)) PF_FAIL(err, PF_INVALID, "expected a time, as in 300ms, 30s or 5m");
        break;
    default:
        if (!pf_str_to_i64(text, &number)) PF_FAIL(err, PF_INVALID, "expected a whole number");
    }
    if (number < option->least) PF_FAIL(err, PF_INVALID, "the least is %lld", (long long)option->least);
    if (option->most && number > option->most) PF_FAIL(err, PF_INVALID, "the most is %lld", (long long)option->most);
    *out_number = number;
    return PF_OK;
}

/* The value of one option, wherever it comes from. */
static enum pf_code read_value(struct reading *reading, enum pf_config_id id, pf_str text,
                               enum pf_config_source source) {
    const struct pf_option *option = &pf_options[id];
    int64_t number = 0;
    pf_str kept = PF_STR_EMPTY;
    switch (option->type) {
    case PF_OPTION_TEXT: kept = pf_arena_str(reading->arena, text); break;
    case PF_OPTION_PATH: PF_TRY(absolute_path(reading, text, &kept)); break;
    case PF_OPTION_URL: PF_TRY(url_of_path(reading, text, &kept)); break;
    case PF_OPTION_ENUM: PF_TRY(read_choice(option, text, &number, reading->err)); break;
    case PF_OPTION_BOOL: PF_TRY(read_bool(text, &number, reading->err)); break;
    default: PF_TRY(read_number(option, text, &number, reading->err));
    }
    reading->config->values[id].text = kept.ptr ? kept : pf_arena_str(reading->arena, text);
    reading->config->values[id].number = number;
    reading->config->values[id].source = source;
    return PF_OK;
}

static enum pf_code read_defaults_and_environment(struct reading *reading) {
    for (int id = 0; id < PF_CONFIG_COUNT; id++) {
        const struct pf_option *option = &pf_options[id];
        enum pf_code code =
            read_value(reading, (enum pf_config_id)id, pf_str_from_cstr(option->fallback), PF_FROM_DEFAULT);
        if (code != PF_OK) return pf_error_wrap(reading->err, code, "default of --%s", option->flag);
        if (option->is_flag_only || !(option->roles & reading->role)) continue;
        pf_str name = pf_option_variable(option, reading->arena);
        pf_str value = variable_value(reading->environment, name);
        if (value.len == 0) continue;
        code = read_value(reading, (enum pf_config_id)id, value, PF_FROM_ENVIRONMENT);
        if (code != PF_OK) {
            return pf_error_wrap(reading->err, code, "%.*s='%.*s'", PF_STR_ARG(name), PF_STR_ARG(value));
        }
    }
    return PF_OK;
}

static int find_flag(unsigned role, pf_str flag) {
    for (int id = 0; id < PF_CONFIG_COUNT; id++) {
        if ((pf_options[id].roles & role) && pf_str_equal(flag, pf_str_from_cstr(pf_options[id].flag))) return id;
    }
    return -1;
}

static int find_letter(unsigned role, char letter) {
    for (int id = 0; id < PF_CONFIG_COUNT; id++) {
        if ((pf_options[id].roles & role) && letter && pf_options[id].letter == letter) return id;
    }
    return -1;
}

static enum pf_code fail_unknown(struct reading *reading, pf_str flag) {
    if (find_flag(PF_FOR_ALL, flag) >= 0) {
        PF_FAIL(reading->err, PF_INVALID, "--%.*s is an option of other commands (see: puffindb help config)",
                PF_STR_ARG(flag));
    }
    const char *near = pf_config_nearest_flag(reading->role, flag);
    if (near) {
        PF_FAIL(reading->err, PF_INVALID, "unknown option --%.*s; did you mean --%s?", PF_STR_ARG(flag), near);
    }
    PF_FAIL(reading->err, PF_INVALID, "unknown option --%.*s", PF_STR_ARG(flag));
}

/* One flag with its value; `*at` is moved over what was used. */
static enum pf_code read_flag(struct reading *reading, int argc, const char *const *argv, int *at) {
    pf_str word = pf_str_from_cstr(argv[(*at)++]), value = PF_STR_EMPTY;
    bool is_long = pf_str_starts_with(word, PF_STR("--")), has_value = false;
    size_t equals = is_long ? pf_str_find_char(word, '=', 0) : SIZE_MAX;
    pf_str flag = pf_str_slice(word, is_long ? 2 : 1, equals);
    int id = is_long ? find_flag(reading->role, flag) : find_letter(reading->role, word.ptr[1]);
    if (is_long && id < 0 && equals == SIZE_MAX && pf_str_starts_with(flag, PF_STR("no-"))) {
        id = find_flag(reading->role, pf_str_slice(flag, 3, flag.len));
        if (id >= 0 && pf_options[id].type != PF_OPTION_BOOL) id = -1;
        value = PF_STR("no");
        has_value = id >= 0;
    }
    if (id < 0 && is_long) return fail_unknown(reading, flag);
    if (id < 0) PF_FAIL(reading->err, PF_INVALID, "unknown option %.*s", PF_STR_ARG(word));
    if (equals != SIZE_MAX) {
        value = pf_str_slice(word, equals + 1, word.len);
        has_value = true;
    } else if (!is_long && word.len > 2) {
        value = pf_str_slice(word, 2, word.len);
        has_value = true;
    }
    if (!has_value && pf_options[id].type == PF_OPTION_BOOL) {
        value = PF_STR("yes");
        has_value = true;
    }
    if (!has_value && *at >= argc) PF_FAIL(reading->err, PF_INVALID, "%.*s needs a value", PF_STR_ARG(word));
    if (!has_value) value = pf_str_from_cstr(argv[(*at)++]);
    enum pf_code code = read_value(reading, (enum pf_config_id)id, value, PF_FROM_FLAG);
    if (code != PF_OK) return pf_error_wrap(reading->err, code, "--%s '%.*s'", pf_options[id].flag, PF_STR_ARG(value));
    return PF_OK;
}

enum pf_code pf_config_read(unsigned role, int argc, const char *const *argv, const char *const *environment,
                            struct pf_arena *arena, struct pf_config *out_config, struct pf_error *err) {
    struct pf_config config = {.argument_count = 0};
    struct reading reading = {role, environment, arena, &config, err};
    PF_TRY(read_defaults_and_environment(&reading));
    size_t capacity = 0;
    bool is_over = false;
    for (int i = 0; i < argc;) {
        const char *word = argv[i];
        if (!is_over && strcmp(word, "--") == 0) {
            is_over = true;
            i++;
        } else if (!is_over && word[0] == '-' && word[1]) {
            PF_TRY(read_flag(&reading, argc, argv, &i));
        } else {
            PF_ARENA_PUSH(arena, config.arguments, config.argument_count, capacity) = word;
            i++;
        }
    }
    *out_config = config;
    return PF_OK;
}

static size_t least_of(size_t a, size_t b, size_t c) {
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein; names longer than the row are far from everything. */
static size_t distance(pf_str a, pf_str b) {
    enum { LONGEST = 63 };
    size_t row[LONGEST + 1];
    if (a.len > LONGEST || b.len > LONGEST) return LONGEST;
    for (size_t j = 0; j <= b.len; j++) row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            row[j] = least_of(above + 1, row[j - 1] + 1, diagonal + (a.ptr[i - 1] != b.ptr[j - 1]));
            diagonal = above;
        }
    }
    return row[b.len];
}

const char *pf_nearest_name(pf_str wrong, const char *const *names, size_t count) {
    const char *nearest = NULL;
    size_t limit = wrong.len / 3 + 2; /* more differences than that are another word */
    for (size_t i = 0; i < count; i++) {
        pf_str name = pf_str_from_cstr(names[i]);
        size_t far = wrong.len > 2 && pf_str_starts_with(name, wrong) ? 1 : distance(wrong, name);
        if (far < limit && far < name.len) {
            limit = far;
            nearest = names[i];
        }
    }
    return nearest;
}

const char *pf_config_nearest_flag(unsigned role, pf_str wrong) {
    const char *flags[PF_CONFIG_COUNT];
    size_t count = 0;
    for (int id = 0; id < PF_CONFIG_COUNT; id++) {
        if (pf_options[id].roles & role) flags[count++] = pf_options[id].flag;
    }
    return pf_nearest_name(wrong, flags, count);
}

const char *pf_config_stray_variable(const char *const *environment, struct pf_arena *arena) {
    for (; environment && *environment; environment++) {
        pf_str entry = pf_str_from_cstr(*environment), name;
        if (!pf_str_starts_with(entry, PF_STR("PUFFINDB_")) || !pf_str_next(&entry, '=', &name)) continue;
        /* Two that only the tests of the fleet set. */
        bool is_known =
            pf_str_equal(name, PF_STR("PUFFINDB_WORKER_LOG")) || pf_str_equal(name, PF_STR("PUFFINDB_WORKER_PROGRAM"));
        for (int id = 0; id < PF_CONFIG_COUNT; id++) {
            if (pf_options[id].is_flag_only) continue;
            if (pf_str_equal(name, pf_option_variable(&pf_options[id], arena))) is_known = true;
        }
        if (!is_known) return pf_arena_cstr(arena, name);
    }
    return NULL;
}
