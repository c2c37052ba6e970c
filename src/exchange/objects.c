/* SPDX-License-Identifier: MIT */
/* Objects after they were made: are they still there, and away with those that nobody will read. */
#include "exchange/exchange_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum pf_code check_file(const struct pf_exchange *exchange, const struct pf_exchange_object *object,
                               struct pf_arena *arena, struct pf_error *err) {
    struct stat state;
    pf_str path = object_path(exchange, object->key, arena);
    if (stat(path.ptr, &state) != 0) PF_FAIL_ERRNO(err, errno, "exchange object '%.*s'", PF_STR_ARG(path));
    if (state.st_size != object->size_bytes) {
        PF_FAIL(err, PF_CORRUPT, "exchange object '%.*s': %lld bytes instead of %lld", PF_STR_ARG(path),
                (long long)state.st_size, (long long)object->size_bytes);
    }
    return PF_OK;
}

enum pf_code pf_exchange_check_object(struct pf_exchange *exchange, const struct pf_exchange_object *object,
                                      struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "exchange check");
    enum pf_code code = PF_OK;
    if (object->medium == PF_MEDIUM_DIRECTORY) {
        code = check_file(exchange, object, arena, err);
    } else if (object->size_bytes > 0) {
        const struct pf_exchange_io *io = medium_io(exchange, object->medium);
        char last;
        struct pf_exchange_read read = {object->key, (uint64_t)object->size_bytes - 1, 1, &last};
        struct pf_exchange_watch watch = {0};
        if (io->get) code = io->get(io->context, &read, 1, &watch, err);
        if (code != PF_OK) code = pf_error_wrap(err, code, "exchange object '%.*s'", PF_STR_ARG(object->key));
    }
    pf_arena_free(arena);
    return code;
}

int64_t pf_exchange_slice_raw_bytes(const struct pf_exchange_object *object, int partition) {
    double growth = (double)object->raw_bytes / (double)object->size_bytes;
    return (int64_t)((double)object->slices[partition].size_bytes * growth);
}

/* The folders of task and query, if nothing is in them any more. */
static void remove_empty_folders(const struct pf_exchange *exchange, pf_str key, struct pf_arena *arena) {
    for (;;) {
        while (key.len && key.ptr[key.len - 1] != '/') key.len--;
        if (key.len == 0) return;
        key.len--;
        if (rmdir(object_path(exchange, key, arena).ptr) != 0) return;
    }
}

void objects_remove(const struct pf_exchange *exchange, const struct pf_exchange_object *objects, size_t count,
                    bool is_last) {
    struct pf_arena *arena = pf_arena_new(NULL, "exchange remove");
    pf_str *keys[PF_MEDIUM_COUNT];
    size_t key_counts[PF_MEDIUM_COUNT] = {0};
    for (int medium = 0; medium < PF_MEDIUM_COUNT; medium++) keys[medium] = PF_ARENA_ARRAY(arena, pf_str, count);
    for (size_t i = 0; i < count; i++) {
        enum pf_medium medium = objects[i].medium;
        keys[medium][key_counts[medium]++] = objects[i].key;
    }
    for (size_t i = 0; i < key_counts[PF_MEDIUM_DIRECTORY]; i++) {
        pf_str key = keys[PF_MEDIUM_DIRECTORY][i];
        unlink(object_path(exchange, key, arena).ptr);
        if (is_last) remove_empty_folders(exchange, key, arena);
    }
    for (int medium = 0; medium < PF_MEDIUM_COUNT; medium++) {
        if (medium == PF_MEDIUM_DIRECTORY || !key_counts[medium]) continue;
        const struct pf_exchange_io *io = medium_io(exchange, (enum pf_medium)medium);
        if (io->remove) io->remove(io->context, keys[medium], key_counts[medium]);
    }
    pf_arena_free(arena);
}

void pf_exchange_remove_output(struct pf_exchange *exchange, const struct pf_exchange_output *output, bool is_last) {
    objects_remove(exchange, output->objects, output->object_count, is_last);
}
