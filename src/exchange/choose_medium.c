/* SPDX-License-Identifier: MIT */
/* Which medium an object goes to, and files in the exchange directory.
 *
 * The policy is one function; its figures come from the caller, who knows prices. Small objects cost less as a string
 * than as a file or object of their own, and reach a reader in one round trip; large ones go to the directory if the
 * readers are on this host, else to the store. */
#include "exchange/exchange_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum pf_medium choose_large_medium(const struct pf_exchange_options *options) {
    if (options->small_only && options->small.put) return PF_MEDIUM_SMALL;
    return options->directory.len ? PF_MEDIUM_DIRECTORY : PF_MEDIUM_STORE;
}

enum pf_medium choose_medium(const struct pf_exchange_options *options, int64_t size_bytes, int slice_count) {
    int64_t most = options->small_object_bytes + options->small_slice_bytes * slice_count;
    if (most > options->small_max_bytes) most = options->small_max_bytes;
    return options->small.put && size_bytes <= most ? PF_MEDIUM_SMALL : choose_large_medium(options);
}

const struct pf_exchange_io *medium_io(const struct pf_exchange *exchange, enum pf_medium medium) {
    return medium == PF_MEDIUM_SMALL ? &exchange->options.small : &exchange->options.store;
}

pf_str object_path(const struct pf_exchange *exchange, pf_str key, struct pf_arena *arena) {
    return pf_arena_printf(arena, "%.*s/%.*s", PF_STR_ARG(exchange->options.directory), PF_STR_ARG(key));
}

static enum pf_code fail_with(int errno_value, const struct object_file *file, const char *what, struct pf_error *err) {
    if (errno_value == ENOSPC || errno_value == EDQUOT || errno_value == EFBIG)
        PF_FAIL(err, PF_NO_MEMORY, "%s '%.*s': the exchange folder is full; make room there or choose another folder",
                what, PF_STR_ARG(file->path));
    PF_FAIL_ERRNO(err, errno_value, "%s '%.*s'", what, PF_STR_ARG(file->path));
}

enum pf_code object_file_create(const struct pf_exchange *exchange, pf_str key, struct pf_arena *arena,
                                struct object_file *out_file, struct pf_error *err) {
    struct object_file file = {.path = object_path(exchange, key, arena)};
    file.fd = open(file.path.ptr, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (file.fd < 0) return fail_with(errno, &file, "create", err);
    *out_file = file;
    return PF_OK;
}

enum pf_code object_file_write(struct object_file *file, const char *bytes, size_t size_bytes, struct pf_error *err) {
    while (size_bytes > 0) {
        ssize_t written = write(file->fd, bytes, size_bytes);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail_with(errno, file, "write", err);
        bytes += written;
        size_bytes -= (size_t)written;
    }
    return PF_OK;
}

enum pf_code object_file_close(struct object_file *file, struct pf_error *err) {
    int fd = file->fd;
    file->fd = -1;
    if (fd < 0 || close(fd) == 0) return PF_OK;
    int errno_value = errno;
    unlink(file->path.ptr);
    return fail_with(errno_value, file, "close", err);
}

void object_file_remove(struct object_file *file) {
    if (file->fd >= 0) close(file->fd);
    file->fd = -1;
    if (file->path.len) unlink(file->path.ptr);
    file->path = PF_STR_EMPTY;
}
