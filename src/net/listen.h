/* SPDX-License-Identifier: MIT */
#ifndef PF_NET_LISTEN_H
#define PF_NET_LISTEN_H

#include "base/arena.h"

struct sockaddr;

/* Opens a listening socket. "127.0.0.1:8642", "localhost:0", "[::1]:80", ":80". */
enum pf_code listen_open(pf_str address, int *out_fd, struct pf_error *err) PF_MUST_CHECK;
/* "127.0.0.1:8642", "[::1]:80" */
pf_str listen_format(const struct sockaddr *address, struct pf_arena *arena);
/* Of the local end. */
pf_str listen_address(int fd, struct pf_arena *arena, int *out_port);

#endif
