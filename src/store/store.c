/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include "store/store_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { MAX_KEY_BYTES = 1024, MAX_PART_BYTES = 255, DEFAULT_LOCK_WAIT_MS = 30000 };
static const int64_t DEFAULT_MAX_GET_BYTES = (int64_t)1 << 30;
static const int64_t SWEEP_AT_OPEN_MS = (int64_t)24 * 3600 * 1000;

/* ---- keys and URLs ---- */

static enum pf_code check_part(pf_str part, struct pf_error *err) {
    if (!part.len) PF_FAIL(err, PF_INVALID, "it has an empty part (a slash at an end, or two in a row)");
    if (pf_str_equal(part, PF_STR(".")) || pf_str_equal(part, PF_STR(".."))) {
        PF_FAIL(err, PF_INVALID, "it has a part '%.*s'", PF_STR_ARG(part));
    }
    if (part.len > MAX_PART_BYTES) PF_FAIL(err, PF_INVALID, "a part has more than %d bytes", MAX_PART_BYTES);
    if (pf_str_starts_with(part, PF_STR(STORE_RESERVED_PART))) {
        PF_FAIL(err, PF_INVALID, "parts that start with '%s' belong to the store itself", STORE_RESERVED_PART);
    }
    for (size_t i = 0; i < part.len; i++) {
        unsigned char c = (unsigned char)part.ptr[i];
        if (c < 0x20 || c == 0x7f) PF_FAIL(err, PF_INVALID, "it has a control character (0x%02x)", c);
    }
    return PF_OK;
}

static enum pf_code check_parts(pf_str key, struct pf_error *err) {
    if (!key.len) PF_FAIL(err, PF_INVALID, "it is empty");
    if (key.len > MAX_KEY_BYTES) PF_FAIL(err, PF_INVALID, "it has %zu bytes, the limit is %d", key.len, MAX_KEY_BYTES);
    size_t from = 0;
    for (;;) {
        size_t slash = pf_str_find_char(key, '/', from);
        PF_TRY(check_part(pf_str_slice(key, from, slash), err));
        if (slash == SIZE_MAX) return PF_OK;
        from = slash + 1;
    }
}

enum pf_code pf_store_check_key(pf_str key, struct pf_error *err) {
    enum pf_code code = check_parts(key, err);
    if (code == PF_OK) return PF_OK;
    pf_str shown = pf_str_slice(key, 0, 120);
    return pf_error_wrap(err, code, "key '%.*s%s'", PF_STR_ARG(shown), key.len > shown.len ? "..." : "");
}

/* A prefix may end anywhere; what it fixes must be right. */
static enum pf_code check_prefix(pf_str prefix, struct pf_error *err) {
    if (!prefix.len) return PF_OK;
    bool is_folder = prefix.ptr[prefix.len - 1] == '/';
    if (!is_folder && (pf_str_equal(prefix, PF_STR(".")) || pf_str_ends_with(prefix, PF_STR("/.")))) return PF_OK;
    return pf_store_check_key(pf_str_slice(prefix, 0, prefix.len - (is_folder ? 1 : 0)), err);
}

static enum pf_code path_of_url(pf_str url, pf_str *out_path, struct pf_error *err) {
    pf_str path = url;
    size_t scheme_end = pf_str_find(path, PF_STR("://"), 0);
    if (!pf_str_starts_with(path, PF_STR("file:"))) {
        if (scheme_end != SIZE_MAX) {
            PF_FAIL(err, PF_UNSUPPORTED,
                    "open store '%.*s': no back end for '%.*s'; use file:///path or s3://bucket/prefix",
                    PF_STR_ARG(url), (int)scheme_end, path.ptr);
        }
        *out_path = path;
        return PF_OK;
    }
    path = pf_str_slice(path, 5, SIZE_MAX);
    if (pf_str_starts_with(path, PF_STR("//localhost/"))) path = pf_str_slice(path, 11, SIZE_MAX);
    if (pf_str_starts_with(path, PF_STR("///"))) path = pf_str_slice(path, 2, SIZE_MAX);
    if (!path.len || path.ptr[0] != '/' || pf_str_starts_with(path, PF_STR("//"))) {
        PF_FAIL(err, PF_INVALID, "open store '%.*s': a file URL has an absolute path: file:///path", PF_STR_ARG(url));
    }
    *out_path = path;
    return PF_OK;
}

enum pf_code pf_store_open(pf_str url, const struct pf_store_options *options, struct pf_store **out_store,
                           struct pf_error *err) {
    struct pf_store_options filled = options ? *options : (struct pf_store_options){0};
    if (!filled.max_get_bytes) filled.max_get_bytes = DEFAULT_MAX_GET_BYTES;
    if (!filled.lock_wait_ms) filled.lock_wait_ms = DEFAULT_LOCK_WAIT_MS;
    struct pf_store *store = NULL;
    pf_str trimmed = pf_str_trim(url), path = PF_STR_EMPTY;
    if (!trimmed.len) PF_FAIL(err, PF_INVALID, "open store: the URL is empty; give file:///path or s3://bucket/prefix");
    bool is_s3 = pf_str_starts_with(trimmed, PF_STR("s3://"));
    if (!is_s3) PF_TRY(path_of_url(trimmed, &path, err));
    enum pf_code code =
        is_s3 ? store_s3_open(trimmed, &filled, &store, err) : store_directory_open(path, &filled, &store, err);
    if (code != PF_OK) return pf_error_wrap(err, code, "open store '%.*s'", PF_STR_ARG(url));
    /* Only tidiness: a root that can't be written is a store to read. */
    if (store->backend->sweeps_at_open) (void)!store->backend->sweep(store, SWEEP_AT_OPEN_MS, NULL, NULL);
    *out_store = store;
    return PF_OK;
}

struct pf_store *pf_store_close(struct pf_store *store) {
    if (store) store->backend->close(store);
    return NULL;
}

pf_str pf_store_url(const struct pf_store *store) {
    return store->url;
}

pf_str pf_store_uri(const struct pf_store *store, pf_str key, struct pf_arena *arena) {
    return pf_arena_printf(arena, "%.*s/%.*s", PF_STR_ARG(store->url), PF_STR_ARG(key));
}

bool pf_store_key_of(const struct pf_store *store, pf_str uri, pf_str *out_key) {
    pf_str key;
    if (!store->backend->key_of(store, uri, &key) || pf_store_check_key(key, NULL) != PF_OK) return false;
    *out_key = key;
    return true;
}

/* ---- operations ---- */

/* The message becomes: VERB 'URL/KEY': what the back end said. */
static enum pf_code finish(const struct pf_store *store, const char *verb, pf_str key, enum pf_code code,
                           struct pf_error *err) {
    if (code == PF_OK) return PF_OK;
    return pf_error_wrap(err, code, "%s '%.*s/%.*s'", verb, PF_STR_ARG(store->url), PF_STR_ARG(key));
}

enum pf_code pf_store_get(struct pf_store *store, pf_str key, struct pf_range range, struct pf_arena *arena,
                          pf_str *out_bytes, struct pf_error *err) {
    PF_TRY(pf_store_check_key(key, err));
    return finish(store, "get", key, store->backend->get(store, key, range, arena, out_bytes, err), err);
}

static enum pf_code read_one(struct pf_store *store, const struct pf_store_read *read, struct pf_arena *arena,
                             struct pf_error *err) {
    pf_str bytes;
    PF_TRY(store->backend->get(store, read->key, (struct pf_range){read->offset, read->length}, arena, &bytes, err));
    if ((int64_t)bytes.len != read->length) {
        PF_FAIL(err, PF_CORRUPT, "it has no %lld bytes at %lld", (long long)read->length, (long long)read->offset);
    }
    if (read->to) {
        memcpy(read->to, bytes.ptr, bytes.len);
        return PF_OK;
    }
    return store_write_at(read->fd, bytes, read->offset, err);
}

enum pf_code store_write_at(int fd, pf_str bytes, int64_t offset, struct pf_error *err) {
    while (bytes.len) {
        ssize_t written = pwrite(fd, bytes.ptr, bytes.len, (off_t)offset);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) PF_FAIL_ERRNO(err, errno, "write %zu bytes to memory", bytes.len);
        bytes = pf_str_slice(bytes, (size_t)written, bytes.len);
        offset += written;
    }
    return PF_OK;
}

enum pf_code pf_store_read_each(struct pf_store *store, const struct pf_store_read *reads, size_t count,
                                const struct pf_store_watch *watch, struct pf_error *err) {
    for (size_t i = 0; i < count; i++) PF_TRY(pf_store_check_key(reads[i].key, err));
    if (store->backend->read_many) return store->backend->read_many(store, reads, count, watch, err);
    for (size_t i = 0; i < count; i++) {
        if (watch->is_cancelled && watch->is_cancelled(watch->context)) {
            PF_FAIL(err, PF_CANCELLED, "reading was cancelled");
        }
        struct pf_arena *scratch = pf_arena_new(NULL, "read");
        enum pf_code code = read_one(store, &reads[i], scratch, err);
        pf_arena_free(scratch);
        if (code != PF_OK) return finish(store, "get", reads[i].key, code, err);
        if (watch->on_read) watch->on_read(watch->context, i);
    }
    return PF_OK;
}

enum pf_code pf_store_read_many(struct pf_store *store, const struct pf_store_read *reads, size_t count,
                                bool (*is_cancelled)(void *context), void *context, struct pf_error *err) {
    struct pf_store_watch watch = {.is_cancelled = is_cancelled, .context = context};
    return pf_store_read_each(store, reads, count, &watch, err);
}

enum pf_code pf_store_get_versioned(struct pf_store *store, pf_str key, struct pf_arena *arena, pf_str *out_bytes,
                                    pf_str *out_etag, struct pf_error *err) {
    PF_TRY(pf_store_check_key(key, err));
    return finish(store, "get", key, store->backend->get_versioned(store, key, arena, out_bytes, out_etag, err), err);
}

enum pf_code pf_store_stat(struct pf_store *store, pf_str key, struct pf_store_object *out_object,
                           struct pf_error *err) {
    PF_TRY(pf_store_check_key(key, err));
    return finish(store, "stat", key, store->backend->stat(store, key, out_object, err), err);
}

enum pf_code pf_store_list(struct pf_store *store, const struct pf_store_list_options *options, struct pf_arena *arena,
                           struct pf_store_page *out_page, struct pf_error *err) {
    PF_TRY(check_prefix(options->prefix, err));
    return finish(store, "list", options->prefix, store->backend->list(store, options, arena, out_page, err), err);
}

enum pf_code pf_store_put(struct pf_store *store, pf_str key, pf_str bytes, struct pf_error *err) {
    PF_TRY(pf_store_check_key(key, err));
    return finish(store, "put", key, store->backend->put(store, key, bytes, false, err), err);
}

enum pf_code pf_store_put_temporary(struct pf_store *store, pf_str key, pf_str bytes, struct pf_error *err) {
    PF_TRY(pf_store_check_key(key, err));
    return finish(store, "put", key, store->backend->put(store, key, bytes, true, err), err);
}

static pf_str join(const pf_str *pieces, size_t count, struct pf_arena *arena) {
    size_t size_bytes = 0, at = 0;
    for (size_t i = 0; i < count; i++) size_bytes += pieces[i].len;
    char *bytes = pf_arena_alloc(arena, size_bytes + 1);
    for (size_t i = 0; i < count; at += pieces[i++].len) {
        if (pieces[i].len) memcpy(bytes + at, pieces[i].ptr, pieces[i].len);
    }
    return pf_str_from(bytes, size_bytes);
}

enum pf_code pf_store_put_pieces(struct pf_store *store, pf_str key, const pf_str *pieces, size_t count,
                                 struct pf_error *err) {
    PF_TRY(pf_store_check_key(key, err));
    if (store->backend->put_pieces) {
        return finish(store, "put", key, store->backend->put_pieces(store, key, pieces, count, err), err);
    }
    struct pf_arena *scratch = pf_arena_new(NULL, "put pieces");
    enum pf_code code = store->backend->put(store, key, join(pieces, count, scratch), true, err);
    pf_arena_free(scratch);
    return finish(store, "put", key, code, err);
}

enum pf_code pf_store_put_if(struct pf_store *store, pf_str key, pf_str expected_etag, pf_str bytes,
                             struct pf_arena *arena, pf_str *out_etag, struct pf_error *err) {
    PF_TRY(pf_store_check_key(key, err));
    enum pf_code code = store->backend->put_if(store, key, expected_etag, bytes, arena, out_etag, err);
    return finish(store, expected_etag.len ? "replace" : "create", key, code, err);
}

enum pf_code pf_store_delete(struct pf_store *store, pf_str key, struct pf_error *err) {
    PF_TRY(pf_store_check_key(key, err));
    return finish(store, "delete", key, store->backend->delete (store, key, err), err);
}

enum pf_code pf_store_delete_if(struct pf_store *store, pf_str key, pf_str expected_etag, struct pf_error *err) {
    PF_TRY(pf_store_check_key(key, err));
    return finish(store, "delete", key, store->backend->delete_if(store, key, expected_etag, err), err);
}

enum pf_code pf_store_delete_many(struct pf_store *store, const pf_str *keys, size_t count, struct pf_error *err) {
    for (size_t i = 0; i < count; i++) PF_TRY(pf_store_check_key(keys[i], err));
    if (store->backend->delete_many) {
        enum pf_code code = store->backend->delete_many(store, keys, count, err);
        return finish(store, "delete", count ? keys[0] : PF_STR_EMPTY, code, err);
    }
    for (size_t i = 0; i < count; i++) PF_TRY(pf_store_delete(store, keys[i], err));
    return PF_OK;
}

enum pf_code pf_store_delete_prefix(struct pf_store *store, pf_str prefix, int64_t *out_count, struct pf_error *err) {
    if (!prefix.len) PF_FAIL(err, PF_INVALID, "delete all of '%.*s': give a prefix", PF_STR_ARG(store->url));
    PF_TRY(check_prefix(prefix, err));
    return finish(store, "delete all of", prefix, store->backend->delete_prefix(store, prefix, out_count, err), err);
}

enum pf_code pf_store_sweep(struct pf_store *store, int64_t older_than_ms, int64_t *out_count, struct pf_error *err) {
    return finish(store, "sweep", PF_STR_EMPTY, store->backend->sweep(store, older_than_ms, out_count, err), err);
}

void pf_store_count(const struct pf_store *store, struct pf_store_counters *out_counters) {
    *out_counters = (struct pf_store_counters){0};
    if (store->backend->count) store->backend->count(store, out_counters);
}

bool pf_store_has_files(const struct pf_store *store) {
    return store->backend->local_path != NULL;
}

enum pf_code pf_store_local_path(struct pf_store *store, pf_str key, struct pf_arena *arena, pf_str *out_path,
                                 struct pf_error *err) {
    PF_TRY(pf_store_check_key(key, err));
    if (!store->backend->local_path) PF_FAIL(err, PF_UNSUPPORTED, "'%.*s' has no local files", PF_STR_ARG(store->url));
    return finish(store, "path of", key, store->backend->local_path(store, key, arena, out_path, err), err);
}

enum pf_code pf_store_local_directory(struct pf_store *store, pf_str prefix, struct pf_arena *arena, pf_str *out_path,
                                      struct pf_error *err) {
    if (prefix.len) PF_TRY(pf_store_check_key(prefix, err));
    if (!store->backend->local_directory) {
        PF_FAIL(err, PF_UNSUPPORTED, "'%.*s' has no local files", PF_STR_ARG(store->url));
    }
    enum pf_code code = store->backend->local_directory(store, prefix, arena, out_path, err);
    return finish(store, "make directory", prefix, code, err);
}

enum pf_code pf_store_sync(struct pf_store *store, pf_str key, struct pf_error *err) {
    PF_TRY(pf_store_check_key(key, err));
    if (!store->backend->sync) return PF_OK;
    return finish(store, "sync", key, store->backend->sync(store, key, err), err);
}
