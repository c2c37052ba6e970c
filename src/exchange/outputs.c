/* SPDX-License-Identifier: MIT */
/* Outputs by name: announced, filled by the sinks of one COPY, taken. */
#include "exchange/exchange_internal.h"

#include "base/file.h"
#include "exchange/summarize_keys.h"

#include <string.h>
#include <unistd.h>

struct output *output_free(struct output *output) {
    if (!output) return NULL;
    pthread_mutex_destroy(&output->locked.mutex);
    pf_arena_free(output->arena);
    return NULL;
}

static struct output **find_locked(struct pf_exchange *exchange, pf_str name) {
    struct output **link = &exchange->locked.outputs;
    while (*link && !pf_str_equal((*link)->name, name)) link = &(*link)->next;
    return link;
}

struct output *outputs_find(struct pf_exchange *exchange, pf_str name) {
    pthread_mutex_lock(&exchange->locked.mutex);
    struct output *output = *find_locked(exchange, name);
    pthread_mutex_unlock(&exchange->locked.mutex);
    return output;
}

static struct output *unlink_output(struct pf_exchange *exchange, pf_str name) {
    pthread_mutex_lock(&exchange->locked.mutex);
    struct output **link = find_locked(exchange, name), *output = *link;
    if (output) *link = output->next;
    pthread_mutex_unlock(&exchange->locked.mutex);
    return output;
}

void output_add(struct output *output, const struct pf_exchange_object *object) {
    pthread_mutex_lock(&output->locked.mutex);
    struct pf_exchange_object copy = *object;
    size_t count = (size_t)output->bound.partition_count;
    copy.key = pf_arena_str(output->arena, object->key);
    copy.slices = PF_ARENA_ARRAY(output->arena, struct pf_exchange_slice, count);
    memcpy(copy.slices, object->slices, count * sizeof *copy.slices);
    PF_ARENA_PUSH(output->arena, output->locked.objects, output->locked.object_count, output->locked.object_capacity) =
        copy;
    pthread_mutex_unlock(&output->locked.mutex);
}

void output_add_keys(struct output *output, const struct key_summary *keys) {
    size_t count = output->bound.key_count;
    if (!count) return;
    pthread_mutex_lock(&output->locked.mutex);
    if (!output->locked.keys) {
        output->locked.keys = PF_ARENA_ARRAY(output->arena, struct key_summary, count);
        for (size_t i = 0; i < count; i++)
            key_summary_prepare(&output->locked.keys[i], keys[i].keys.column, keys[i].type, output->arena);
    }
    for (size_t i = 0; i < count; i++) key_summary_merge(&output->locked.keys[i], &keys[i].keys);
    pthread_mutex_unlock(&output->locked.mutex);
}

/* Keys become file names below the exchange directory. */
static bool is_good_key(pf_str key) {
    if (!key.len || key.len > 512 || key.ptr[0] == '/' || key.ptr[key.len - 1] == '/') return false;
    pf_str rest = key, part;
    while (pf_str_next(&rest, '/', &part))
        if (!part.len || pf_str_equal(part, PF_STR(".")) || pf_str_equal(part, PF_STR(".."))) return false;
    return memchr(key.ptr, 0, key.len) == NULL;
}

static enum pf_code make_folder(const struct pf_exchange *exchange, pf_str key, struct pf_error *err) {
    if (!exchange->options.directory.len) return PF_OK;
    struct pf_arena *arena = pf_arena_new(NULL, "exchange folder");
    pf_str path = object_path(exchange, key, arena);
    while (path.len && path.ptr[path.len - 1] != '/') path.len--;
    enum pf_code code = pf_file_make_directories(pf_arena_cstr(arena, path), err);
    pf_arena_free(arena);
    return code;
}

enum pf_code pf_exchange_begin_output(struct pf_exchange *exchange, pf_str name, pf_str key, struct pf_arena *arena,
                                      pf_str *out_path, struct pf_error *err) {
    if (!is_good_key(key)) PF_FAIL(err, PF_BUG, "exchange key '%.*s'", PF_STR_ARG(key));
    PF_TRY(make_folder(exchange, key, err));
    struct pf_arena *own = pf_arena_new(NULL, "exchange output");
    struct output *output = PF_ARENA_NEW(own, struct output);
    output->arena = own;
    output->name = pf_arena_str(own, name);
    output->key = pf_arena_str(own, key);
    pthread_mutex_init(&output->locked.mutex, NULL);
    pthread_mutex_lock(&exchange->locked.mutex);
    bool is_taken = *find_locked(exchange, name) != NULL;
    if (!is_taken) {
        output->next = exchange->locked.outputs;
        exchange->locked.outputs = output;
    }
    pthread_mutex_unlock(&exchange->locked.mutex);
    if (is_taken) {
        output_free(output);
        PF_FAIL(err, PF_BUG, "exchange output '%.*s' is begun twice", PF_STR_ARG(name));
    }
    *out_path = pf_arena_str(arena, exchange->copy_path);
    return PF_OK;
}

static void copy_keys(const struct pf_exchange_keys *keys, struct pf_arena *arena, struct pf_exchange_keys *out_keys) {
    *out_keys = *keys;
    if (!keys->is_listed) out_keys->value_count = 0;
    size_t count = out_keys->value_count;
    out_keys->numbers = keys->is_text ? NULL : PF_ARENA_ARRAY(arena, int64_t, count);
    out_keys->texts = keys->is_text ? PF_ARENA_ARRAY(arena, pf_str, count) : NULL;
    for (size_t i = 0; i < count; i++) {
        if (keys->is_text)
            out_keys->texts[i] = pf_arena_str(arena, keys->texts[i]);
        else
            out_keys->numbers[i] = keys->numbers[i];
    }
}

static void copy_output(const struct output *output, struct pf_arena *arena, struct pf_exchange_output *out_output) {
    struct pf_exchange_output copy = {
        .schema = pf_arena_str(arena, output->bound.schema),
        .partition_count = output->bound.partition_count,
        .object_count = output->locked.object_count,
    };
    size_t partitions = (size_t)copy.partition_count;
    copy.objects = PF_ARENA_ARRAY(arena, struct pf_exchange_object, copy.object_count);
    for (size_t i = 0; i < copy.object_count; i++) {
        struct pf_exchange_object *object = &copy.objects[i];
        *object = output->locked.objects[i];
        object->key = pf_arena_str(arena, object->key);
        object->slices = PF_ARENA_ARRAY(arena, struct pf_exchange_slice, partitions);
        memcpy(object->slices, output->locked.objects[i].slices, partitions * sizeof *object->slices);
        copy.rows += object->rows;
        copy.size_bytes += object->size_bytes;
        copy.raw_bytes += object->raw_bytes;
    }
    copy.key_count = output->locked.keys ? output->bound.key_count : 0;
    copy.keys = PF_ARENA_ARRAY(arena, struct pf_exchange_keys, copy.key_count);
    for (size_t i = 0; i < copy.key_count; i++) copy_keys(&output->locked.keys[i].keys, arena, &copy.keys[i]);
    *out_output = copy;
}

enum pf_code pf_exchange_take_output(struct pf_exchange *exchange, pf_str name, struct pf_arena *arena,
                                     struct pf_exchange_output *out_output, struct pf_error *err) {
    struct output *output = unlink_output(exchange, name);
    if (!output || !output->bound.is_bound) {
        output_free(output);
        PF_FAIL(err, PF_NOT_FOUND, "exchange output '%.*s' was not written", PF_STR_ARG(name));
    }
    copy_output(output, arena, out_output);
    output_free(output);
    return PF_OK;
}

void pf_exchange_drop_output(struct pf_exchange *exchange, pf_str name) {
    struct output *output = unlink_output(exchange, name);
    if (!output) return;
    objects_remove(exchange, output->locked.objects, output->locked.object_count, false);
    output_free(output);
}

enum pf_code pf_exchange_remove_files(struct pf_exchange *exchange, pf_str prefix, struct pf_error *err) {
    if (!exchange->options.directory.len) return PF_OK;
    if (!is_good_key(prefix)) PF_FAIL(err, PF_BUG, "exchange prefix '%.*s'", PF_STR_ARG(prefix));
    struct pf_arena *arena = pf_arena_new(NULL, "exchange files");
    pf_str path = object_path(exchange, prefix, arena);
    enum pf_code code = pf_file_remove_tree(path.ptr, err);
    pf_arena_free(arena);
    return code;
}
