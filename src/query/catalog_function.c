/* SPDX-License-Identifier: MIT */
/* The catalog function (functions/catalog), run by us on the local stand-in for Lambda: Java behind a function URL. */
#include "query/query_internal.h"

#include "base/file.h"
#include "base/process.h"
#include "fleet/fleet.h"
#include "store/store.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* A JVM starts slowly on a busy machine. One environment serves one request after the other. */
enum { LEVELS_UP = 4, INIT_MS = 120000, IDLE_MS = 3600 * 1000, ENVIRONMENTS = 2 };

/* functions/catalog/bootstrap beside the program, or in a folder above it: an installation, or a working copy. */
static enum pf_code find_bootstrap(struct pf_stack *stack, pf_str *out_path, struct pf_error *err) {
    char program[PATH_MAX];
    if (stack->options.catalog_bootstrap.len) {
        *out_path = stack->options.catalog_bootstrap;
        if (access(out_path->ptr, X_OK) == 0) return PF_OK;
        PF_FAIL(err, PF_NOT_FOUND, "catalog function: '%.*s' is no program (--catalog-function)",
                PF_STR_ARG(*out_path));
    }
    PF_TRY(pf_process_self_path(program, sizeof program, err));
    pf_str folder = pf_str_from_cstr(program);
    for (int level = 0; level < LEVELS_UP && folder.len; level++) {
        while (folder.len && folder.ptr[folder.len - 1] != '/') folder.len--;
        if (folder.len) folder.len--;
        *out_path = pf_arena_printf(stack->arena, "%.*s/functions/catalog/bootstrap", PF_STR_ARG(folder));
        if (access(out_path->ptr, X_OK) == 0) return PF_OK;
    }
    PF_FAIL(err, PF_NOT_FOUND,
            "catalog function: there is no functions/catalog/bootstrap near '%s'; say where it is with "
            "--catalog-function",
            program);
}

/* Tables belong into the lake, unless somebody says otherwise. */
static pf_str warehouse_setting(struct pf_stack *stack) {
    return pf_arena_printf(stack->arena, "CATALOG_WAREHOUSE=%.*s/warehouse", PF_STR_ARG(pf_store_url(stack->store)));
}

enum pf_code catalog_function_start(struct pf_stack *stack, struct pf_catalog_remote_options *options,
                                    struct pf_error *err) {
    pf_str bootstrap, folder = PF_STR_EMPTY;
    pf_str name = pf_str_slice(options->url, sizeof "function:" - 1, SIZE_MAX);
    if (!name.len) PF_FAIL(err, PF_INVALID, "--catalog function: the name is missing: function:catalog");
    PF_TRY(find_bootstrap(stack, &bootstrap, err));
    enum pf_code code = pf_store_local_directory(stack->store, PF_STR_EMPTY, stack->arena, &folder, err);
    if (code != PF_OK && code != PF_UNSUPPORTED) return code;
    const char *env[3] = {0};
    size_t count = 0;
    if (!getenv("CATALOG_WAREHOUSE")) env[count++] = warehouse_setting(stack).ptr;
    if (folder.len)
        env[count++] = pf_arena_printf(stack->arena, "PUFFINDB_CATALOG_FOLDER=%.*s", PF_STR_ARG(folder)).ptr;
    const char *argv[] = {bootstrap.ptr, NULL};
    pf_str log_path = pf_arena_printf(stack->arena, "%.*s/catalog.log", PF_STR_ARG(stack->run_path));
    struct pf_function function = {
        .name = pf_arena_cstr(stack->arena, name),
        .argv = argv,
        .env = env,
        .log_path = log_path.ptr,
        .handler = "puffindb.catalog.CatalogFunction",
        .max_environments = ENVIRONMENTS,
        .idle_ms = IDLE_MS,
        .init_ms = INIT_MS,
        .url_address = "127.0.0.1:0",
    };
    struct pf_local_fleet_options fleet = {.functions = &function, .function_count = 1};
    PF_TRY(pf_fleet_open_local(&fleet, &stack->catalog_fleet, err));
    options->url = pf_arena_printf(stack->arena, "http://%.*s",
                                   PF_STR_ARG(pf_fleet_local_url_address(stack->catalog_fleet, function.name)));
    return PF_OK;
}
