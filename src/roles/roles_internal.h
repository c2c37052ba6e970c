/* SPDX-License-Identifier: MIT */
/* What several roles share. */
#ifndef PF_ROLES_ROLES_INTERNAL_H
#define PF_ROLES_ROLES_INTERNAL_H

#include "query/query.h"
#include "roles/roles.h"

#include <signal.h>
#include <stdio.h>

void print_role_help(const struct pf_role *role, FILE *out);

void store_options_from(const struct pf_config *config, struct pf_store_options *out_options);
void stack_options_from(const struct pf_config *config, struct pf_stack_options *out_options);

/* "puffindb ROLE: message" on stderr; the exit status that goes with the code. */
int report_failure(const char *role, const struct pf_error *err);
/* The same for words that make no sense: PF_EXIT_USAGE. */
int report_misuse(const char *role, const char *format, ...) PF_PRINTF(2, 3);

/* "12", "1,234,567"; "640 B", "1.2 MB"; "12 ms", "3.4 s", "2 min 5 s". Each into the arena. */
pf_str count_text(struct pf_arena *arena, int64_t count);
pf_str bytes_text(struct pf_arena *arena, int64_t size_bytes);
pf_str time_text(struct pf_arena *arena, double ms);
/* "1 row", "2 rows" */
pf_str counted(struct pf_arena *arena, int64_t count, const char *one, const char *many);

bool is_terminal(FILE *file);
int terminal_width(FILE *file); /* 0: no terminal */
bool wants_progress(const struct pf_config *config);

/* SIGINT and SIGTERM raise a flag instead of ending the process; a second SIGINT ends it. */
void catch_interrupts(void);
void release_interrupts(void);
bool was_interrupted(void);
void forget_interrupt(void);

/* The folder of the running program, without a slash at the end. */
pf_str program_folder(struct pf_arena *arena);

#endif
