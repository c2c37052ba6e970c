/* SPDX-License-Identifier: MIT */
#include "store/store_directory.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum pf_code directory_path(const struct pf_store *store, pf_str relative, char path[DIRECTORY_PATH_BYTES],
                            struct pf_error *err) {
    pf_str root = directory_of(store)->root;
    int length = snprintf(path, DIRECTORY_PATH_BYTES, "%.*s/%.*s", PF_STR_ARG(root), PF_STR_ARG(relative));
    if (length < 0 || length >= DIRECTORY_PATH_BYTES) PF_FAIL(err, PF_INVALID, "the path is too long");
    return PF_OK;
}

enum pf_code directory_fail(struct pf_error *err, int errno_value, const char *doing, const char *path) {
    switch (errno_value) {
    case ENOENT: PF_FAIL(err, PF_NOT_FOUND, "no such object");
    case EACCES:
    case EPERM:
        PF_FAIL(err, PF_DENIED, "%s '%s': permission denied for user id %d; check owner and mode of it and its folder",
                doing, path, (int)geteuid());
    case EROFS: PF_FAIL(err, PF_DENIED, "%s '%s': the file system is mounted read-only", doing, path);
    case ENOSPC: PF_FAIL(err, PF_NO_MEMORY, "%s '%s': the disk is full; free space there", doing, path);
    case EDQUOT: PF_FAIL(err, PF_NO_MEMORY, "%s '%s': the disk quota is used up; free space there", doing, path);
    case EFBIG: PF_FAIL(err, PF_TOO_LARGE, "%s '%s': larger than a file may be here (ulimit -f)", doing, path);
    case EMFILE:
    case ENFILE: PF_FAIL(err, PF_NO_MEMORY, "%s '%s': too many open files; raise ulimit -n", doing, path);
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
        PF_FAIL(err, PF_INVALID, "%s '%s': a file stands where a folder must be, or the other way round", doing, path);
    case EXDEV:
        PF_FAIL(err, PF_UNSUPPORTED, "%s '%s': it is on another file system than the rest of the store", doing, path);
    default: PF_FAIL_ERRNO(err, errno_value, "%s '%s'", doing, path);
    }
}

pf_str directory_etag(pf_str bytes, struct pf_arena *arena) {
    XXH128_hash_t hash = XXH3_128bits(bytes.len ? bytes.ptr : "", bytes.len);
    return pf_arena_printf(arena, "%016llx%016llx-%zu", (unsigned long long)hash.high64, (unsigned long long)hash.low64,
                           bytes.len);
}

/* ---- reading ---- */

static enum pf_code open_object(struct pf_store *store, pf_str key, int *out_fd, int64_t *out_size,
                                struct pf_error *err) {
    char path[DIRECTORY_PATH_BYTES];
    PF_TRY(directory_path(store, key, path, err));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return directory_fail(err, errno == ENOTDIR ? ENOENT : errno, "open", path);
    struct stat info;
    if (fstat(fd, &info) != 0) {
        int problem = errno;
        close(fd);
        return directory_fail(err, problem, "stat", path);
    }
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        PF_FAIL(err, PF_NOT_FOUND, "no such object (%s)", S_ISDIR(info.st_mode) ? "a folder" : "not a file");
    }
    *out_fd = fd;
    *out_size = info.st_size;
    return PF_OK;
}

/* The range within an object of `size` bytes. */
static void clamp(struct pf_range range, int64_t size, int64_t *out_offset, int64_t *out_length) {
    int64_t offset = range.offset, length = range.length;
    if (offset < 0) {
        offset = offset < -size ? 0 : size + offset;
        length = -1;
    }
    if (offset > size) offset = size;
    if (length < 0 || length > size - offset) length = size - offset;
    *out_offset = offset;
    *out_length = length;
}

static enum pf_code read_range(int fd, int64_t offset, int64_t length, char *bytes, struct pf_error *err) {
    int64_t done = 0;
    while (done < length) {
        ssize_t got = pread(fd, bytes + done, (size_t)(length - done), offset + done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) PF_FAIL_ERRNO(err, errno, "read %lld bytes at %lld", (long long)length, (long long)offset);
        if (got == 0) PF_FAIL(err, PF_REMOTE, "it was cut short while being read");
        done += got;
    }
    return PF_OK;
}

static enum pf_code directory_get(struct pf_store *store, pf_str key, struct pf_range range, struct pf_arena *arena,
                                  pf_str *out_bytes, struct pf_error *err) {
    int fd = -1;
    int64_t size = 0, offset = 0, length = 0;
    PF_TRY(open_object(store, key, &fd, &size, err));
    clamp(range, size, &offset, &length);
    enum pf_code code = PF_OK;
    char *bytes = NULL;
    if (length > store->options.max_get_bytes) {
        code = pf_error_set(err, PF_TOO_LARGE, __FILE__, __LINE__, "%lld bytes, the limit of one read is %lld",
                            (long long)length, (long long)store->options.max_get_bytes);
    } else {
        bytes = pf_arena_alloc(arena, (size_t)length + 1);
        code = read_range(fd, offset, length, bytes, err);
    }
    close(fd);
    if (code == PF_OK) *out_bytes = (pf_str){bytes, (size_t)length};
    return code;
}

enum pf_code directory_read_whole(struct pf_store *store, pf_str key, struct pf_arena *arena, pf_str *out_bytes,
                                  struct pf_error *err) {
    return directory_get(store, key, PF_RANGE_ALL, arena, out_bytes, err);
}

static enum pf_code directory_get_versioned(struct pf_store *store, pf_str key, struct pf_arena *arena,
                                            pf_str *out_bytes, pf_str *out_etag, struct pf_error *err) {
    pf_str bytes;
    PF_TRY(directory_read_whole(store, key, arena, &bytes, err));
    *out_bytes = bytes;
    *out_etag = directory_etag(bytes, arena);
    return PF_OK;
}

static enum pf_code directory_stat(struct pf_store *store, pf_str key, struct pf_store_object *out_object,
                                   struct pf_error *err) {
    char path[DIRECTORY_PATH_BYTES];
    PF_TRY(directory_path(store, key, path, err));
    struct stat info;
    if (stat(path, &info) != 0) return directory_fail(err, errno == ENOTDIR ? ENOENT : errno, "stat", path);
    if (!S_ISREG(info.st_mode)) PF_FAIL(err, PF_NOT_FOUND, "no such object (not a file)");
    *out_object = (struct pf_store_object){
        .key = key,
        .size_bytes = info.st_size,
        .modified_ms = (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000,
    };
    return PF_OK;
}

static enum pf_code directory_local_path(struct pf_store *store, pf_str key, struct pf_arena *arena, pf_str *out_path,
                                         struct pf_error *err) {
    (void)err;
    *out_path = pf_arena_printf(arena, "%.*s/%.*s", PF_STR_ARG(directory_of(store)->root), PF_STR_ARG(key));
    return PF_OK;
}

/* ---- opening ---- */

static bool cut_root(pf_str path, pf_str root, pf_str *out_key) {
    if (!root.len || !pf_str_starts_with(path, root) || path.len <= root.len || path.ptr[root.len] != '/') return false;
    *out_key = pf_str_slice(path, root.len + 1, SIZE_MAX);
    return true;
}

static bool directory_key_of(const struct pf_store *store, pf_str uri, pf_str *out_key) {
    pf_str path = uri;
    if (pf_str_starts_with(path, PF_STR("file:///"))) {
        path = pf_str_slice(path, 7, SIZE_MAX);
    } else if (pf_str_starts_with(path, PF_STR("file:/"))) {
        path = pf_str_slice(path, 5, SIZE_MAX);
    }
    const struct directory_store *directory = directory_of(store);
    return cut_root(path, directory->root, out_key) || cut_root(path, directory->alias, out_key);
}

static void directory_close(struct pf_store *store) {
    pf_arena_free(store->arena);
}

static const struct store_backend directory_backend = {
    .scheme = "file",
    .close = directory_close,
    .key_of = directory_key_of,
    .get = directory_get,
    .get_versioned = directory_get_versioned,
    .stat = directory_stat,
    .list = directory_list,
    .put = directory_put,
    .put_if = directory_put_if,
    .delete = directory_delete,
    .delete_if = directory_delete_if,
    .delete_prefix = directory_delete_prefix,
    .sweep = directory_sweep,
    .sweeps_at_open = true,
    .local_path = directory_local_path,
    .local_directory = directory_make,
    .sync = directory_sync,
};

/* `real` and `alias` get no slash at the end. */
static enum pf_code find_root(pf_str path, bool must_exist, char real[PATH_MAX], char alias[PATH_MAX],
                              struct pf_error *err) {
    char working[PATH_MAX] = "";
    if (path.ptr[0] != '/' && !getcwd(working, sizeof working)) PF_FAIL_ERRNO(err, errno, "find the working directory");
    while (path.len > 1 && path.ptr[path.len - 1] == '/') path.len--;
    int length = snprintf(alias, PATH_MAX, "%s%s%.*s", working, working[0] ? "/" : "", PF_STR_ARG(path));
    if (length < 0 || length >= DIRECTORY_PATH_BYTES - 1200) PF_FAIL(err, PF_INVALID, "the path is too long");
    if (memchr(path.ptr, 0, path.len)) PF_FAIL(err, PF_INVALID, "the path has a zero byte");
    struct stat info;
    if (stat(alias, &info) != 0) {
        if (errno != ENOENT) return directory_fail(err, errno, "open", alias);
        if (must_exist) PF_FAIL(err, PF_NOT_FOUND, "there is no directory '%s'", alias);
        enum pf_code code = pf_file_make_directories(alias, err);
        if (code != PF_OK) return code;
    } else if (!S_ISDIR(info.st_mode)) {
        PF_FAIL(err, PF_INVALID, "'%s' is not a directory", alias);
    }
    if (!realpath(alias, real)) return directory_fail(err, errno, "open", alias);
    if (strcmp(real, "/") == 0) PF_FAIL(err, PF_INVALID, "the root of the system is no store; give a folder");
    if (access(real, R_OK | X_OK) != 0) return directory_fail(err, errno, "open", real);
    return PF_OK;
}

enum pf_code store_directory_open(pf_str path, const struct pf_store_options *options, struct pf_store **out_store,
                                  struct pf_error *err) {
    char real[PATH_MAX], alias[PATH_MAX];
    PF_TRY(find_root(path, options->must_exist, real, alias, err));
    struct pf_arena *arena = pf_arena_new(NULL, "store");
    struct directory_store *directory = PF_ARENA_NEW(arena, struct directory_store);
    directory->root = pf_arena_str(arena, pf_str_from_cstr(real));
    directory->alias = pf_arena_str(arena, pf_str_from_cstr(alias));
    directory->store = (struct pf_store){
        .backend = &directory_backend,
        .arena = arena,
        .url = pf_arena_printf(arena, "file://%s", real),
        .options = *options,
    };
    *out_store = &directory->store;
    return PF_OK;
}
