/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum pf_code read_all(int fd, const char *path, size_t size, char *bytes, size_t *out_length,
                             struct pf_error *err) {
    size_t length = 0;
    while (length < size) {
        ssize_t got = read(fd, bytes + length, size - length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) PF_FAIL_ERRNO(err, errno, "read '%s'", path);
        if (got == 0) break;
        length += (size_t)got;
    }
    *out_length = length;
    return PF_OK;
}

enum pf_code pf_file_read(const char *path, size_t max_bytes, struct pf_arena *arena, pf_str *out_bytes,
                          struct pf_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) PF_FAIL_ERRNO(err, errno, "open '%s'", path);
    struct stat info;
    enum pf_code code = PF_OK;
    size_t length = 0;
    char *bytes = NULL;
    if (fstat(fd, &info) != 0) {
        code = pf_error_set_errno(err, errno, __FILE__, __LINE__, "stat '%s'", path);
    } else if (S_ISDIR(info.st_mode)) {
        code = pf_error_set(err, PF_INVALID, __FILE__, __LINE__, "'%s' is a directory", path);
    } else if ((size_t)info.st_size > max_bytes) {
        code = pf_error_set(err, PF_TOO_LARGE, __FILE__, __LINE__, "'%s' has %lld bytes, the limit is %zu", path,
                            (long long)info.st_size, max_bytes);
    } else {
        /* Files of /proc say 0 bytes: those are read up to one page. */
        size_t size = info.st_size > 0 ? (size_t)info.st_size : 4096;
        bytes = pf_arena_alloc(arena, size + 1);
        code = read_all(fd, path, size, bytes, &length, err);
    }
    close(fd);
    if (code == PF_OK) *out_bytes = (pf_str){bytes, length};
    return code;
}

static enum pf_code write_all(int fd, const char *path, pf_str bytes, struct pf_error *err) {
    while (bytes.len) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) PF_FAIL_ERRNO(err, errno, "write '%s'", path);
        bytes = (pf_str){bytes.ptr + written, bytes.len - (size_t)written};
    }
    return PF_OK;
}

enum pf_code pf_file_map(const char *path, struct pf_mapped_file *out_file, struct pf_error *err) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) PF_FAIL_ERRNO(err, errno, "open '%s'", path);
    void *bytes = NULL;
    enum pf_code code = PF_OK;
    if (fstat(fd, &info) != 0) {
        code = pf_error_set_errno(err, errno, __FILE__, __LINE__, "look at '%s'", path);
    } else if (info.st_size > 0) {
        bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED) code = pf_error_set_errno(err, errno, __FILE__, __LINE__, "map '%s'", path);
    }
    close(fd);
    PF_TRY(code);
    out_file->bytes = bytes ? pf_str_from(bytes, (size_t)info.st_size) : PF_STR_EMPTY;
    return PF_OK;
}

void pf_file_unmap(struct pf_mapped_file *file) {
    if (file->bytes.len) munmap((void *)(uintptr_t)file->bytes.ptr, file->bytes.len);
    file->bytes = PF_STR_EMPTY;
}

enum pf_code pf_file_write(const char *path, pf_str bytes, struct pf_error *err) {
    char temporary[4096];
    int length = snprintf(temporary, sizeof temporary, "%s.%d.tmp", path, (int)getpid());
    if (length < 0 || (size_t)length >= sizeof temporary) PF_FAIL(err, PF_INVALID, "path too long: '%.200s...'", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) PF_FAIL_ERRNO(err, errno, "create '%s'", temporary);
    enum pf_code code = write_all(fd, temporary, bytes, err);
    if (close(fd) != 0 && code == PF_OK) {
        code = pf_error_set_errno(err, errno, __FILE__, __LINE__, "close '%s'", temporary);
    }
    if (code == PF_OK && rename(temporary, path) != 0) {
        code = pf_error_set_errno(err, errno, __FILE__, __LINE__, "rename to '%s'", path);
    }
    if (code != PF_OK) unlink(temporary);
    return code;
}

enum pf_code pf_file_make_directories(const char *path, struct pf_error *err) {
    char part[4096];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part) PF_FAIL(err, PF_INVALID, "directory path empty or too long");
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != 0) continue;
        char kept = part[i];
        part[i] = 0;
        if (mkdir(part, 0755) != 0 && errno != EEXIST) PF_FAIL_ERRNO(err, errno, "make directory '%s'", part);
        part[i] = kept;
    }
    struct stat info;
    if (stat(path, &info) != 0) PF_FAIL_ERRNO(err, errno, "make directory '%s'", path);
    if (!S_ISDIR(info.st_mode)) PF_FAIL(err, PF_CONFLICT, "make directory '%s': a file of that name is there", path);
    return PF_OK;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

enum pf_code pf_file_remove_tree(const char *path, struct pf_error *err) {
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
        PF_FAIL_ERRNO(err, errno, "remove '%s'", path);
    }
    return PF_OK;
}
