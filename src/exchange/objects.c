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

static const struct pf_exchange_io *io_of(const struct pf_exchange *exchange, enum pf_medium medium) {
    return medium == PF_MEDIUM_SMALL ? &exchange->options.small : &exchange->options.store;
}

enum pf_code pf_exchange_check_object(struct pf_exchange *exchange, const struct pf_exchange_object *object,
                                      struct pf_error *err) {
    struct pf_arena *arena = pf_arena_new(NULL, "exchange check");
    enum pf_code code = PF_OK;
    if (object->medium == PF_MEDIUM_DIRECTORY) {
        code = check_file(exchange, object, arena, err);
    } else if (object->size_bytes > 0) {
        const struct pf_exchange_io *io = io_of(exchange, object->medium);
        pf_str last;
        if (io->get) code = io->get(io->context, object->key, (uint64_t)object->size_bytes - 1, 1, arena, &last, err);
        if (code != PF_OK) code = pf_error_wrap(err, code, "exchange object '%.*s'", PF_STR_ARG(object->key));
    }
    pf_arena_free(arena);
    return code;
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

void pf_exchange_remove_output(struct pf_exchange *exchange, const struct pf_exchange_output *output, bool is_last) {
    struct pf_arena *arena = pf_arena_new(NULL, "exchange remove");
    for (size_t i = 0; i < output->object_count; i++) {
        const struct pf_exchange_object *object = &output->objects[i];
        if (object->medium == PF_MEDIUM_DIRECTORY) {
            unlink(object_path(exchange, object->key, arena).ptr);
            if (is_last) remove_empty_folders(exchange, object->key, arena);
        } else {
            const struct pf_exchange_io *io = io_of(exchange, object->medium);
            if (io->remove) io->remove(io->context, object->key);
        }
    }
    pf_arena_free(arena);
}
