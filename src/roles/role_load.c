/* SPDX-License-Identifier: MIT */
#include "roles/roles_internal.h"

#include "base/clock.h"
#include "roles/client.h"

enum { BAR_CELLS = 24, DRAW_EVERY_MS = 100 };

struct load_progress {
    struct pf_arena *arena;
    bool is_shown, is_drawn;
    int64_t drawn_ms;
};

static void draw_progress(void *context, double share, int64_t rows) {
    struct load_progress *progress = context;
    int64_t now_ms = pf_clock_mono_ms();
    if (!progress->is_shown || now_ms - progress->drawn_ms < DRAW_EVERY_MS) return;
    struct pf_arena *scratch = pf_arena_new(NULL, "progress");
    int full = share < 0 ? 0 : share > 1 ? BAR_CELLS : (int)(share * BAR_CELLS);
    fprintf(stderr, "\r\x1b[K");
    for (int i = 0; i < BAR_CELLS; i++) fputs(i < full ? "█" : "░", stderr);
    fprintf(stderr, " %3.0f%%  %.*s", share > 0 ? share * 100 : 0.0, PF_STR_ARG(counted(scratch, rows, "row", "rows")));
    fflush(stderr);
    pf_arena_free(scratch);
    progress->drawn_ms = now_ms;
    progress->is_drawn = true;
}

static void erase_progress(const struct load_progress *progress) {
    if (progress->is_drawn) fprintf(stderr, "\r\x1b[K");
}

static pf_str *paths_of(const struct pf_role_call *call, size_t *out_count) {
    size_t count = call->config->argument_count - 1;
    pf_str *paths = PF_ARENA_ARRAY(call->arena, pf_str, count);
    for (size_t i = 0; i < count; i++) paths[i] = pf_str_from_cstr(call->config->arguments[i + 1]);
    *out_count = count;
    return paths;
}

static void print_summary(struct pf_arena *arena, const struct pf_load_options *options,
                          const struct pf_load_result *result, double ms) {
    printf("%.*s: %.*s %s, %.*s, %.*s, snapshot %lld, %.*s\n", PF_STR_ARG(options->table),
           PF_STR_ARG(counted(arena, result->rows, "row", "rows")), options->replace ? "replaced" : "loaded",
           PF_STR_ARG(counted(arena, result->files, "file", "files")), PF_STR_ARG(bytes_text(arena, result->bytes)),
           (long long)result->snapshot_id, PF_STR_ARG(time_text(arena, ms)));
}

/* Commits are atomic, so a server on the same lake is no harm: it sees the new rows with its next query. */
static void mention_server(const struct pf_config *config, struct pf_arena *arena) {
    pf_str url = find_local_server(config, arena);
    if (url.len) fprintf(stderr, "The server at %.*s has the same lake and sees the new rows.\n", PF_STR_ARG(url));
}

static int run_load(struct pf_role_call *call) {
    const struct pf_config *config = call->config;
    struct pf_error err = {0};
    struct pf_stack *stack = NULL;
    struct pf_stack_options stack_options;
    struct pf_load_result result;
    struct load_progress progress = {.arena = call->arena, .is_shown = wants_progress(config)};
    if (config->argument_count < 2) return report_misuse("load", "expected a table name and at least one file");
    struct pf_load_options options = {.table = pf_str_from_cstr(config->arguments[0]),
                                      .replace = pf_config_number(config, PF_CONFIG_REPLACE) != 0,
                                      .on_progress = draw_progress,
                                      .context = &progress};
    options.paths = paths_of(call, &options.path_count);
    pf_str format = pf_config_text(config, PF_CONFIG_LOAD_FORMAT);
    if (!pf_str_equal(format, PF_STR("auto"))) options.format = format;
    stack_options_from(config, &stack_options);
    int64_t before_ns = pf_clock_mono_ns();
    enum pf_code code = pf_stack_open(&stack_options, &stack, &err);
    if (code == PF_OK) code = pf_load(stack, &options, &result, &err);
    double ms = (double)(pf_clock_mono_ns() - before_ns) / 1e6;
    erase_progress(&progress);
    pf_stack_close(stack);
    if (code != PF_OK) return report_failure("load", &err);
    print_summary(call->arena, &options, &result, ms);
    mention_server(config, call->arena);
    return PF_EXIT_OK;
}

const struct pf_role pf_role_load = {
    "load",
    PF_FOR_LOAD,
    "files into a table",
    "load [NAMESPACE.]TABLE FILE… [OPTIONS]",
    "Copies Parquet, CSV or JSON files into an Iceberg table of the lake, as one commit. The table is made if it "
    "isn't\n"
    "there; else the rows are added, and the columns must fit. A FILE may be a pattern: 'data/*.parquet'.\n"
    "A running server needs no restart: it sees the rows with its next query.",
    "  puffindb load orders orders.parquet\n"
    "  puffindb load sales.events 'events/*.csv' --replace\n"
    "  puffindb load logs app.log --format json --store-url /data/lake\n",
    run_load,
};
