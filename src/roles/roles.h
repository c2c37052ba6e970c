/* SPDX-License-Identifier: MIT */
/* What `puffindb` can be told to do: one file and one entry a role, wiring only. main.c holds the table. */
#ifndef PF_ROLES_ROLES_H
#define PF_ROLES_ROLES_H

#include "base/config.h"

enum pf_exit { PF_EXIT_OK, PF_EXIT_FAILED, PF_EXIT_USAGE, PF_EXIT_UNREACHABLE };

struct pf_role_call {
    const struct pf_config *config;
    struct pf_arena *arena; /* of the process */
};

struct pf_role {
    const char *name;
    unsigned bit;                          /* PF_FOR_... */
    const char *summary;                   /* for the list of commands */
    const char *usage;                     /* behind "puffindb" */
    const char *text;                      /* what it does, in a few lines */
    const char *examples;                  /* lines */
    int (*run)(struct pf_role_call *call); /* a pf_exit */
};

extern const struct pf_role pf_role_sql, pf_role_serve, pf_role_load, pf_role_doctor, pf_role_bench, pf_role_function,
    pf_role_log, pf_role_help, pf_role_version;
/* All of them, NULL at the end. */
extern const struct pf_role *const pf_roles[];
const struct pf_role *pf_find_role(pf_str name);

/* Reads the options and runs the role that argv names; the whole of main but the process's own set-up. */
int pf_run_role(int argc, const char *const *argv, const char *const *environment);

#endif
