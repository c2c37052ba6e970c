/* SPDX-License-Identifier: MIT */
/* How an object comes into being in a directory.
 *
 *   write ROOT/.puffindb/tmp/<pid>-<ulid> -> fsync -> rename(2) or link(2) to its place -> fsync its folder
 *
 * 1. A reader sees the old object, the new one or none, never a part: only rename, link and unlink touch places.
 * 2. link(2) fails if there is something already: that makes "create" atomic, also against plain puts.
 * 3. Compare-and-replace and every delete hold the key's lock, so what was compared is what is replaced. The kernel
 *    drops the lock of a process that dies.
 * 4. Folders are made on the way and removed when empty, as keys know no folders; who loses that race makes them
 *    again. */
#include "store/store_directory.h"

#include "base/clock.h"
#include "base/id.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLACE_ATTEMPTS = 100 };

/* ---- syncing ---- */

static enum pf_code sync_path(const char *path, int flags, struct pf_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    if (fd < 0) return directory_fail(err, errno, "open", path);
    int problem = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    /* Some file systems have no fsync for folders. */
    if (problem && !(flags & O_DIRECTORY && (problem == EINVAL || problem == EROFS))) {
        return directory_fail(err, problem, "sync", path);
    }
    return PF_OK;
}

/* The folder of `key`, and those above it up to the root if `all_up`. */
static enum pf_code sync_parents(struct pf_store *store, pf_str key, bool all_up, struct pf_error *err) {
    if (store->options.is_volatile) return PF_OK;
    char path[DIRECTORY_PATH_BYTES];
    PF_TRY(directory_path(store, key, path, err));
    size_t root = directory_of(store)->root.len;
    for (size_t i = strlen(path); i-- > root;) {
        if (path[i] != '/') continue;
        path[i] = 0;
        enum pf_code code = sync_path(path, O_DIRECTORY, err);
        /* Gone again: somebody deleted the object and its empty folder. */
        if (code != PF_OK && code != PF_NOT_FOUND) return code;
        if (!all_up) break;
    }
    return PF_OK;
}

enum pf_code directory_sync(struct pf_store *store, pf_str key, struct pf_error *err) {
    if (store->options.is_volatile) return PF_OK;
    char path[DIRECTORY_PATH_BYTES];
    PF_TRY(directory_path(store, key, path, err));
    PF_TRY(sync_path(path, 0, err));
    return sync_parents(store, key, true, err);
}

/* ---- folders ---- */

/* Makes the folders above `relative`; `*out_made` tells whether there was one to make. They may be gone again when it
 * returns: whoever needs them tries again. */
static enum pf_code make_parents(struct pf_store *store, pf_str relative, bool *out_made, struct pf_error *err) {
    char path[DIRECTORY_PATH_BYTES];
    PF_TRY(directory_path(store, relative, path, err));
    for (char *slash = path + directory_of(store)->root.len; slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int problem = mkdir(path, 0777) == 0 ? 0 : errno;
        if (!problem) *out_made = true;
        if (problem == EEXIST) {
            struct stat info;
            problem = stat(path, &info) != 0 || S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
        }
        /* A folder above was empty and is gone again: the caller tries once more. */
        if (problem == ENOENT) return PF_OK;
        if (problem) return directory_fail(err, problem, "make folder", path);
        *slash = '/';
    }
    return PF_OK;
}

enum pf_code directory_make(struct pf_store *store, pf_str prefix, struct pf_arena *arena, pf_str *out_path,
                            struct pf_error *err) {
    bool made = false;
    pf_str root = directory_of(store)->root;
    pf_str inside = pf_arena_printf(arena, "%.*s/", PF_STR_ARG(prefix));
    for (int attempt = 0; prefix.len && attempt < PLACE_ATTEMPTS; attempt++) {
        char path[DIRECTORY_PATH_BYTES];
        PF_TRY(directory_path(store, prefix, path, err));
        if (access(path, F_OK) == 0) break;
        PF_TRY(make_parents(store, inside, &made, err));
    }
    *out_path = pf_arena_printf(arena, "%.*s%s%.*s", PF_STR_ARG(root), prefix.len ? "/" : "", PF_STR_ARG(prefix));
    return PF_OK;
}

void directory_prune_parents(struct pf_store *store, pf_str key) {
    char path[DIRECTORY_PATH_BYTES];
    if (directory_path(store, key, path, NULL) != PF_OK) return;
    size_t root = directory_of(store)->root.len;
    for (size_t i = strlen(path); i-- > root + 1;) {
        if (path[i] != '/') continue;
        path[i] = 0;
        if (rmdir(path) != 0) return;
    }
}

/* ---- temporary objects ---- */

static enum pf_code write_all(int fd, pf_str bytes, const char *path, struct pf_error *err) {
    while (bytes.len) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return directory_fail(err, errno, "write", path);
        bytes = pf_str_slice(bytes, (size_t)written, SIZE_MAX);
    }
    return PF_OK;
}

static enum pf_code create_temporary(struct pf_store *store, char path[DIRECTORY_PATH_BYTES], int *out_fd,
                                     struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "temporary name");
    pf_str name =
        pf_arena_printf(scratch, STORE_RESERVED_PART "/tmp/%d-%.*s", (int)getpid(), PF_STR_ARG(pf_id_ulid(scratch)));
    enum pf_code code = directory_path(store, name, path, err);
    int fd = -1;
    for (int attempt = 0; code == PF_OK && fd < 0; attempt++) {
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) break;
        if (errno != ENOENT || attempt >= PLACE_ATTEMPTS) {
            code = directory_fail(err, errno, "create", path);
        } else {
            bool made = false;
            code = make_parents(store, name, &made, err);
        }
    }
    pf_arena_free(scratch);
    if (code == PF_OK) *out_fd = fd;
    return code;
}

static enum pf_code write_temporary(struct pf_store *store, pf_str bytes, bool must_sync,
                                    char path[DIRECTORY_PATH_BYTES], struct pf_error *err) {
    int fd = -1;
    PF_TRY(create_temporary(store, path, &fd, err));
    enum pf_code code = write_all(fd, bytes, path, err);
    if (code == PF_OK && must_sync && fsync(fd) != 0) code = directory_fail(err, errno, "sync", path);
    if (close(fd) != 0 && code == PF_OK) code = directory_fail(err, errno, "close", path);
    if (code != PF_OK) unlink(path);
    return code;
}

/* Puts a temporary object into its place; `is_new`: PF_CONFLICT if there is one. */
static enum pf_code place(struct pf_store *store, const char *temporary, pf_str key, bool is_new, bool must_sync,
                          struct pf_error *err) {
    char path[DIRECTORY_PATH_BYTES];
    PF_TRY(directory_path(store, key, path, err));
    bool made = false;
    for (int attempt = 0;; attempt++) {
        int failed = is_new ? link(temporary, path) : rename(temporary, path);
        if (failed == 0) break;
        int problem = errno;
        if (is_new && problem == EEXIST) PF_FAIL(err, PF_CONFLICT, "it exists already");
        if (problem != ENOENT || attempt >= PLACE_ATTEMPTS) return directory_fail(err, problem, "write", path);
        PF_TRY(make_parents(store, key, &made, err));
    }
    if (is_new) unlink(temporary);
    return must_sync ? sync_parents(store, key, made, err) : PF_OK;
}

enum pf_code directory_put(struct pf_store *store, pf_str key, pf_str bytes, bool is_temporary, struct pf_error *err) {
    bool must_sync = !is_temporary && !store->options.is_volatile;
    char temporary[DIRECTORY_PATH_BYTES];
    PF_TRY(write_temporary(store, bytes, must_sync, temporary, err));
    enum pf_code code = place(store, temporary, key, false, must_sync, err);
    if (code != PF_OK) unlink(temporary);
    return code;
}

/* ---- compare and replace ---- */

/* The lock ends with close(fd). */
static enum pf_code lock_key(struct pf_store *store, pf_str key, int *out_fd, struct pf_error *err) {
    char name[64], path[DIRECTORY_PATH_BYTES];
    snprintf(name, sizeof name, STORE_RESERVED_PART "/locks/%02x", (unsigned)(pf_str_hash(key) & 0xff));
    PF_TRY(directory_path(store, pf_str_from_cstr(name), path, err));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 && errno == ENOENT) {
        bool made = false; /* nobody removes the folder of locks */
        PF_TRY(make_parents(store, pf_str_from_cstr(name), &made, err));
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    }
    if (fd < 0) return directory_fail(err, errno, "open lock", path);
    struct pf_deadline deadline = pf_deadline_in(store->options.lock_wait_ms);
    for (int64_t wait_ms = 1; flock(fd, LOCK_EX | LOCK_NB) != 0; wait_ms = wait_ms < 8 ? wait_ms * 2 : wait_ms) {
        int problem = errno;
        if (problem != EWOULDBLOCK && problem != EINTR) {
            close(fd);
            return directory_fail(err, problem, "lock", path);
        }
        if (!pf_deadline_left_ms(deadline)) {
            close(fd);
            PF_FAIL(err, PF_TIMEOUT, "another process held '%s' for %lld ms", path,
                    (long long)store->options.lock_wait_ms);
        }
        pf_clock_sleep_ms(wait_ms);
    }
    *out_fd = fd;
    return PF_OK;
}

static enum pf_code compare_locked(struct pf_store *store, pf_str key, pf_str expected_etag, struct pf_error *err) {
    struct pf_arena *scratch = pf_arena_new(NULL, "compare");
    pf_str bytes;
    enum pf_code code = directory_read_whole(store, key, scratch, &bytes, err);
    bool is_same = code == PF_OK && pf_str_equal(directory_etag(bytes, scratch), expected_etag);
    pf_arena_free(scratch);
    if (code != PF_OK) return code;
    if (!is_same) PF_FAIL(err, PF_CONFLICT, "somebody else changed it");
    return PF_OK;
}

enum pf_code directory_put_if(struct pf_store *store, pf_str key, pf_str expected_etag, pf_str bytes,
                              struct pf_arena *arena, pf_str *out_etag, struct pf_error *err) {
    bool must_sync = !store->options.is_volatile, is_new = !expected_etag.len;
    char temporary[DIRECTORY_PATH_BYTES];
    PF_TRY(write_temporary(store, bytes, must_sync, temporary, err));
    enum pf_code code = PF_OK;
    if (is_new) {
        code = place(store, temporary, key, true, must_sync, err);
    } else {
        int lock = -1;
        code = lock_key(store, key, &lock, err);
        if (code == PF_OK) code = compare_locked(store, key, expected_etag, err);
        if (code == PF_NOT_FOUND) code = pf_error_set(err, PF_CONFLICT, __FILE__, __LINE__, "it was deleted");
        if (code == PF_OK) code = place(store, temporary, key, false, must_sync, err);
        if (lock >= 0) close(lock);
    }
    if (code != PF_OK) {
        unlink(temporary);
        return code;
    }
    if (out_etag) *out_etag = directory_etag(bytes, arena);
    return PF_OK;
}

static enum pf_code remove_locked(struct pf_store *store, pf_str key, struct pf_error *err) {
    char path[DIRECTORY_PATH_BYTES];
    PF_TRY(directory_path(store, key, path, err));
    struct stat info;
    if (lstat(path, &info) != 0) return directory_fail(err, errno == ENOTDIR ? ENOENT : errno, "delete", path);
    if (S_ISDIR(info.st_mode)) PF_FAIL(err, PF_NOT_FOUND, "no such object (a folder)");
    if (unlink(path) != 0) return directory_fail(err, errno, "delete", path);
    return PF_OK;
}

static enum pf_code delete_with_lock(struct pf_store *store, pf_str key, pf_str expected_etag, struct pf_error *err) {
    int lock = -1;
    PF_TRY(lock_key(store, key, &lock, err));
    enum pf_code code = expected_etag.len ? compare_locked(store, key, expected_etag, err) : PF_OK;
    if (code == PF_OK) code = remove_locked(store, key, err);
    if (code == PF_OK) code = sync_parents(store, key, false, err);
    close(lock);
    if (code == PF_OK) directory_prune_parents(store, key);
    return code;
}

enum pf_code directory_delete(struct pf_store *store, pf_str key, struct pf_error *err) {
    struct pf_store_object object;
    if (store->backend->stat(store, key, &object, NULL) == PF_NOT_FOUND) return PF_OK;
    enum pf_code code = delete_with_lock(store, key, PF_STR_EMPTY, err);
    return code == PF_NOT_FOUND ? PF_OK : code;
}

enum pf_code directory_delete_if(struct pf_store *store, pf_str key, pf_str expected_etag, struct pf_error *err) {
    return delete_with_lock(store, key, expected_etag, err);
}

/* ---- sweeping ---- */

enum pf_code directory_sweep(struct pf_store *store, int64_t older_than_ms, int64_t *out_count, struct pf_error *err) {
    if (out_count) *out_count = 0;
    char path[DIRECTORY_PATH_BYTES];
    PF_TRY(directory_path(store, PF_STR(STORE_RESERVED_PART "/tmp"), path, err));
    DIR *directory = opendir(path);
    if (!directory && errno == ENOENT) return PF_OK;
    if (!directory) return directory_fail(err, errno, "open", path);
    int64_t now_ms = pf_clock_wall_ms();
    enum pf_code code = PF_OK;
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct stat info;
        if (fstatat(dirfd(directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(info.st_mode))
            continue;
        int64_t modified_ms = (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000;
        if (now_ms - modified_ms < older_than_ms) continue;
        if (unlinkat(dirfd(directory), entry->d_name, 0) == 0) {
            if (out_count) (*out_count)++;
        } else if (errno != ENOENT) {
            code = directory_fail(err, errno, "delete", path);
        }
    }
    closedir(directory);
    return code;
}
