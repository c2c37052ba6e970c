/* SPDX-License-Identifier: MIT */
#include "roles/roles.h"

#include "base/log.h"
#include "roles/roles_internal.h"

#include <stdio.h>

const struct pf_role *const pf_roles[] = {
    &pf_role_sql,      &pf_role_serve, &pf_role_load, &pf_role_doctor,  &pf_role_bench,
    &pf_role_function, &pf_role_log,   &pf_role_help, &pf_role_version, NULL,
};

const struct pf_role *pf_find_role(pf_str name) {
    for (const struct pf_role *const *role = pf_roles; *role; role++) {
        if (pf_str_equal(name, pf_str_from_cstr((*role)->name))) return *role;
    }
    return NULL;
}

static int fail_unknown_role(const char *name) {
    const char *names[16];
    size_t count = 0;
    for (const struct pf_role *const *role = pf_roles; *role; role++) names[count++] = (*role)->name;
    const char *near = pf_nearest_name(pf_str_from_cstr(name), names, count);
    if (near) {
        fprintf(stderr, "puffindb: unknown command '%s'; did you mean %s?\n", name, near);
    } else {
        fprintf(stderr, "puffindb: unknown command '%s'; puffindb help lists them\n", name);
    }
    return PF_EXIT_USAGE;
}

static void start_log(const struct pf_role *role, const struct pf_config *config) {
    enum pf_log_level level = PF_LOG_WARN;
    if (pf_log_level_from(pf_config_text(config, PF_CONFIG_LOG_LEVEL), &level)) pf_log_setup(role->name, level);
}

static const struct pf_role *role_of_word(const char *word) {
    pf_str name = pf_str_from_cstr(word);
    if (pf_str_equal(name, PF_STR("--help")) || pf_str_equal(name, PF_STR("-h"))) return &pf_role_help;
    if (pf_str_equal(name, PF_STR("--version")) || pf_str_equal(name, PF_STR("-V"))) return &pf_role_version;
    return pf_find_role(name);
}

int pf_run_role(int argc, const char *const *argv, const char *const *environment) {
    struct pf_error err = {0};
    struct pf_config config;
    const struct pf_role *role = argc > 1 ? role_of_word(argv[1]) : &pf_role_help;
    if (!role) return fail_unknown_role(argv[1]);
    struct pf_arena *arena = pf_arena_new(NULL, "process");
    int status = PF_EXIT_USAGE;
    int used = argc > 1 ? 2 : 1;
    if (pf_config_read(role->bit, argc - used, argv + used, environment, arena, &config, &err) != PF_OK) {
        fprintf(stderr, "puffindb %s: %s\n", role->name, err.message);
        fprintf(stderr, "puffindb help %s shows its options\n", role->name);
    } else if (pf_config_number(&config, PF_CONFIG_HELP)) {
        print_role_help(role, stdout);
        status = PF_EXIT_OK;
    } else {
        start_log(role, &config);
        status = role->run(&(struct pf_role_call){&config, arena});
    }
    pf_arena_free(arena);
    return status;
}
