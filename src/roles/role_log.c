/* SPDX-License-Identifier: MIT */
#include "roles/roles_internal.h"

/* The rows of a Redis of our own would be none. */
static int run_log(struct pf_role_call *call) {
    struct pf_error err = {0};
    struct pf_stack *stack = NULL;
    struct pf_stack_options options;
    int64_t rows = 0;
    if (call->config->argument_count) return report_misuse("log", "no arguments expected");
    stack_options_from(call->config, &options);
    options.has_query_log = false;
    if (!options.redis_url.len) return report_misuse("log", "--redis-url is missing: where the rows are");
    enum pf_code code = pf_stack_open(&options, &stack, &err);
    if (code == PF_OK) code = pf_stack_move_log(stack, &rows, &err);
    pf_stack_close(stack);
    if (code != PF_OK) return report_failure("log", &err);
    printf("%.*s moved\n", PF_STR_ARG(counted(call->arena, rows, "row", "rows")));
    return PF_EXIT_OK;
}

const struct pf_role pf_role_log = {
    "log",
    PF_FOR_LOG,
    "move the query log from Redis into tables",
    "log --redis-url URL [OPTIONS]",
    "Moves all rows of the query log into the tables system.queries, system.tasks and system.audit. A server does "
    "that\n"
    "every few minutes (--query-log-move); this is for stacks without one.",
    "  puffindb log --store-url /data/lake --redis-url rediss://user:password@redis.example:6379\n",
    run_log,
};
