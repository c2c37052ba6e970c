/* SPDX-License-Identifier: MIT */
#include "roles/roles.h"

#include <locale.h>
#include <signal.h>

extern char **environ;

int main(int argc, char **argv) {
    /* A closed pipe or socket is an error of the write, told where it happens. */
    signal(SIGPIPE, SIG_IGN);
    /* Text is UTF-8 whatever the environment says; numbers stay as in C. */
    if (!setlocale(LC_CTYPE, "C.UTF-8")) setlocale(LC_CTYPE, "");
    return pf_run_role(argc, (const char *const *)argv, (const char *const *)environ);
}
