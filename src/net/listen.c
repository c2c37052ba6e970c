/* SPDX-License-Identifier: MIT */
#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static enum pf_code split_address(pf_str address, pf_str *out_host, int64_t *out_port, struct pf_error *err) {
    size_t colon = SIZE_MAX;
    for (size_t i = 0; i < address.len; i++) {
        if (address.ptr[i] == ':') colon = i;
    }
    pf_str host = pf_str_slice(address, 0, colon);
    int64_t port = -1;
    bool is_fine = colon != SIZE_MAX && pf_str_to_i64(pf_str_slice(address, colon + 1, address.len), &port) &&
                   port >= 0 && port <= 65535;
    if (is_fine && host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = pf_str_slice(host, 1, host.len - 1);
    } else if (pf_str_find_char(host, ':', 0) != SIZE_MAX) {
        is_fine = false;
    }
    if (!is_fine) {
        PF_FAIL(err, PF_INVALID, "listen on '%.*s': write HOST:PORT, for example 127.0.0.1:8642 or [::1]:8642",
                PF_STR_ARG(address));
    }
    *out_host = host;
    *out_port = port;
    return PF_OK;
}

static int open_socket(const struct addrinfo *info, int *out_fd) {
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int errno_value = errno;
        close(fd);
        return errno_value;
    }
    *out_fd = fd;
    return 0;
}

static enum pf_code listen_error(struct pf_error *err, pf_str address, int errno_value) {
    switch (errno_value) {
    case EADDRINUSE:
        PF_FAIL(err, PF_CONFLICT,
                "listen on %.*s: the port is in use by another program; end that one, or choose another port (0 lets "
                "the system choose)",
                PF_STR_ARG(address));
    case EACCES:
        PF_FAIL(err, PF_DENIED, "listen on %.*s: no permission for this port; choose one above 1023",
                PF_STR_ARG(address));
    case EADDRNOTAVAIL:
        PF_FAIL(err, PF_INVALID, "listen on %.*s: this machine does not have that address", PF_STR_ARG(address));
    default: PF_FAIL_ERRNO(err, errno_value, "listen on %.*s", PF_STR_ARG(address));
    }
}

enum pf_code listen_open(pf_str address, int *out_fd, struct pf_error *err) {
    pf_str host;
    int64_t port = 0;
    PF_TRY(split_address(address, &host, &port, err));
    struct pf_arena *arena = pf_arena_new(NULL, "listen");
    char *host_text = host.len ? pf_arena_cstr(arena, host) : NULL;
    char *port_text = pf_arena_cstr(arena, pf_arena_printf(arena, "%d", (int)port));
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int status = getaddrinfo(host_text, port_text, &hints, &found);
    pf_arena_free(arena);
    if (status != 0) {
        PF_FAIL(err, PF_INVALID, "listen on %.*s: %s", PF_STR_ARG(address), gai_strerror(status));
    }
    /* All interfaces: a socket for IPv6 serves both. */
    int errno_value = EADDRNOTAVAIL;
    for (int pass = 0; pass < 2 && errno_value != 0; pass++) {
        for (struct addrinfo *info = found; info && errno_value != 0; info = info->ai_next) {
            bool is_first_choice = host_text || info->ai_family == AF_INET6;
            if ((pass == 0) == is_first_choice) errno_value = open_socket(info, out_fd);
        }
    }
    freeaddrinfo(found);
    return errno_value == 0 ? PF_OK : listen_error(err, address, errno_value);
}

pf_str listen_format(const struct sockaddr *address, struct pf_arena *arena) {
    char text[INET6_ADDRSTRLEN] = "?";
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
        return pf_arena_printf(arena, "%s:%d", text, ntohs(in.sin_port));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof in);
        inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
        return pf_arena_printf(arena, "[%s]:%d", text, ntohs(in.sin6_port));
    }
    return PF_STR("?");
}

pf_str listen_address(int fd, struct pf_arena *arena, int *out_port) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    *out_port = 0;
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) return PF_STR("?");
    if (address.ss_family == AF_INET) *out_port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6) *out_port = ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return listen_format((struct sockaddr *)&address, arena);
}
