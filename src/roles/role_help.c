/* SPDX-License-Identifier: MIT */
#include "roles/roles_internal.h"

enum { MAX_HELP_BYTES = 1 << 20 };

static void print_buf(const struct pf_buf *buf, FILE *out) {
    fwrite(buf->ptr, 1, buf->len, out);
}

void print_role_help(const struct pf_role *role, FILE *out) {
    struct pf_buf options;
    pf_buf_init(&options, MAX_HELP_BYTES);
    pf_config_print_options(role->bit, &options);
    fprintf(out, "puffindb %s\n\n%s\n\nOptions\n", role->usage, role->text);
    print_buf(&options, out);
    if (role->examples[0]) fprintf(out, "\nExamples\n%s", role->examples);
    pf_buf_clear(&options);
}

static void print_overview(void) {
    printf("puffindb %s: SQL over a lakehouse of Iceberg tables, run by DuckDB in many small functions\n\nCommands\n",
           PUFFIN_VERSION);
    for (const struct pf_role *const *role = pf_roles; *role; role++) {
        printf("  puffindb %-10s %s\n", (*role)->name, (*role)->summary);
    }
    printf("\nFirst steps\n"
           "  puffindb load orders orders.parquet          a table from a file\n"
           "  puffindb sql \"SELECT count(*) FROM orders\"   ask it\n"
           "  puffindb serve                               the same over HTTP\n"
           "  puffindb help sql                            options of one command\n"
           "  puffindb help config                         all options, with their environment variables\n");
}

static int print_config(bool is_markdown) {
    struct pf_buf table;
    pf_buf_init(&table, MAX_HELP_BYTES);
    pf_config_print_table(is_markdown, &table);
    if (!is_markdown) {
        printf("Every option is a flag and, where one is named, an environment variable. The flag wins.\n"
               "Sizes: 64MB, 1.5GiB. Times: 300ms, 30s, 5m, 1h.\n\n");
    }
    print_buf(&table, stdout);
    pf_buf_clear(&table);
    return PF_EXIT_OK;
}

static int run_help(struct pf_role_call *call) {
    const struct pf_config *config = call->config;
    if (config->argument_count == 0) return print_overview(), PF_EXIT_OK;
    pf_str topic = pf_str_from_cstr(config->arguments[0]);
    if (pf_str_equal(topic, PF_STR("config"))) {
        return print_config(pf_str_equal(pf_config_text(config, PF_CONFIG_HELP_FORMAT), PF_STR("markdown")));
    }
    const struct pf_role *role = pf_find_role(topic);
    if (!role) return report_misuse("help", "no such command or topic: %.*s", PF_STR_ARG(topic));
    print_role_help(role, stdout);
    return PF_EXIT_OK;
}

static int run_version(struct pf_role_call *call) {
    (void)call;
    printf("puffindb %s (DuckDB %s)\n", PUFFIN_VERSION, pf_engine_version());
    return PF_EXIT_OK;
}

const struct pf_role pf_role_help = {
    "help",
    PF_FOR_HELP,
    "this list; help COMMAND; help config",
    "help [COMMAND | config]",
    "Shows what a command does and its options; `help config` shows all options.",
    "  puffindb help load\n"
    "  puffindb help config --format markdown\n",
    run_help,
};

const struct pf_role pf_role_version = {
    "version",
    PF_FOR_HELP,
    "versions of this program and its engine",
    "version",
    "Prints the version of puffindb and of the DuckDB library it runs.",
    "",
    run_version,
};
