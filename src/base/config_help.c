/* SPDX-License-Identifier: MIT */
/* The table of options as text: help of one command, and the whole table for `puffindb help config`. */
#include "base/config.h"

#include <string.h>

enum { FLAG_COLUMN = 34 };

static const struct {
    unsigned role;
    const char *name;
} roles[] = {{PF_FOR_SQL, "sql"},       {PF_FOR_SERVE, "serve"}, {PF_FOR_FUNCTION, "function"}, {PF_FOR_LOAD, "load"},
             {PF_FOR_DOCTOR, "doctor"}, {PF_FOR_BENCH, "bench"}, {PF_FOR_LOG, "log"},           {PF_FOR_HELP, "help"}};

static void put_flag(const struct pf_option *option, struct pf_buf *out) {
    if (option->letter) pf_buf_printf(out, "-%c, ", option->letter);
    pf_buf_printf(out, "--%s", option->flag);
    if (option->choices[0]) pf_buf_printf(out, " %s", option->type == PF_OPTION_ENUM ? "WORD" : option->choices);
}

static void pad_to(struct pf_buf *out, size_t start, size_t width) {
    do pf_buf_put_char(out, ' ');
    while (!out->failed && out->len - start < width);
}

static void put_help(const struct pf_option *option, struct pf_buf *out) {
    pf_buf_put_cstr(out, option->help);
    if (option->type == PF_OPTION_ENUM) pf_buf_printf(out, ", %s", option->choices);
    if (option->fallback[0] && option->type != PF_OPTION_BOOL) pf_buf_printf(out, " [%s]", option->fallback);
}

void pf_config_print_options(unsigned role, struct pf_buf *out) {
    for (int id = 0; id < PF_CONFIG_COUNT; id++) {
        const struct pf_option *option = &pf_options[id];
        if (!(option->roles & role)) continue;
        size_t start = out->len;
        pf_buf_put_cstr(out, option->letter ? "  " : "      ");
        put_flag(option, out);
        pad_to(out, start, FLAG_COLUMN);
        put_help(option, out);
        pf_buf_put_char(out, '\n');
    }
}

static void put_roles(unsigned used_by, struct pf_buf *out) {
    if (used_by == PF_FOR_ALL) {
        pf_buf_put_cstr(out, "all");
        return;
    }
    const char *separator = "";
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (!(used_by & roles[i].role)) continue;
        pf_buf_printf(out, "%s%s", separator, roles[i].name);
        separator = ", ";
    }
}

/* A vertical bar would end the cell, stars make text slanted. */
static void put_cell(const char *text, struct pf_buf *out) {
    for (; *text; text++) {
        if (*text == '|' || *text == '*') pf_buf_put_char(out, '\\');
        pf_buf_put_char(out, *text);
    }
}

static void put_markdown_row(const struct pf_option *option, struct pf_arena *arena, struct pf_buf *out) {
    pf_buf_put_cstr(out, "| `");
    put_flag(option, out);
    pf_buf_put_cstr(out, "` | ");
    if (!option->is_flag_only) pf_buf_printf(out, "`%s`", pf_option_variable(option, arena).ptr);
    pf_buf_put_cstr(out, " | ");
    if (option->fallback[0]) pf_buf_printf(out, "`%s`", option->fallback);
    pf_buf_put_cstr(out, " | ");
    put_roles(option->roles, out);
    pf_buf_put_cstr(out, " | ");
    put_cell(option->help, out);
    if (option->type == PF_OPTION_ENUM) {
        pf_buf_put_cstr(out, ", ");
        put_cell(option->choices, out);
    }
    pf_buf_put_cstr(out, " |\n");
}

static void put_text_row(const struct pf_option *option, struct pf_arena *arena, struct pf_buf *out) {
    put_flag(option, out);
    pf_buf_put_cstr(out, "\n    ");
    put_help(option, out);
    pf_buf_put_cstr(out, "\n    ");
    if (!option->is_flag_only) pf_buf_printf(out, "%s; ", pf_option_variable(option, arena).ptr);
    pf_buf_put_cstr(out, "used by ");
    put_roles(option->roles, out);
    pf_buf_put_char(out, '\n');
}

void pf_config_print_table(bool is_markdown, struct pf_buf *out) {
    struct pf_arena *arena = pf_arena_new(NULL, "options");
    if (is_markdown) {
        pf_buf_put_cstr(out, "| Option | Variable | Default | Used by | Meaning |\n| --- | --- | --- | --- | --- |\n");
    }
    for (int id = 0; id < PF_CONFIG_COUNT; id++) {
        if (is_markdown) {
            put_markdown_row(&pf_options[id], arena, out);
        } else {
            put_text_row(&pf_options[id], arena, out);
        }
    }
    pf_arena_free(arena);
}
