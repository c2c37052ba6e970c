/* SPDX-License-Identifier: MIT */
/* The local fleet as a program: fleet_tool NAME ENVIRONMENTS LOG DIRECTORY COMMAND… [-- NAME …]
 * Prints the address of its Invoke side, "url <name> <address>" for the function URL of each, then "lost <worker>" for
 * each environment that died, until its input ends. */
#include "fleet/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FUNCTIONS = 8 };

static void print_lost(void *context, pf_str worker_id) {
    (void)context;
    printf("lost %.*s\n", PF_STR_ARG(worker_id));
    fflush(stdout);
}

int main(int argc, char **argv) {
    struct pf_function functions[MAX_FUNCTIONS] = {0};
    size_t count = 0;
    for (int i = 1; i + 4 < argc && count < MAX_FUNCTIONS; count++) {
        functions[count] = (struct pf_function){.name = argv[i],
                                                .max_environments = (int)strtol(argv[i + 1], NULL, 10),
                                                .log_path = argv[i + 2],
                                                .directory = argv[i + 3],
                                                .argv = (const char *const *)&argv[i + 4],
                                                .timeout_ms = 8000,
                                                .url_address = "127.0.0.1:0"};
        for (i += 4; i < argc && strcmp(argv[i], "--") != 0; i++) {
        }
        if (i < argc) argv[i++] = NULL;
    }
    struct pf_local_fleet_options options = {
        .functions = functions, .function_count = count, .on_worker_lost = print_lost};
    struct pf_fleet *fleet = NULL;
    struct pf_error err;
    if (pf_fleet_open_local(&options, &fleet, &err) != PF_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("%.*s\n", PF_STR_ARG(pf_fleet_local_address(fleet)));
    for (size_t i = 0; i < count; i++) {
        printf("url %s %.*s\n", functions[i].name, PF_STR_ARG(pf_fleet_local_url_address(fleet, functions[i].name)));
    }
    fflush(stdout);
    for (char byte; read(STDIN_FILENO, &byte, 1) > 0;) {
    }
    pf_fleet_close(fleet);
    return 0;
}
