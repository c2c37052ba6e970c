/* SPDX-License-Identifier: MIT */
/* Outputs as compact JSON, for a task's result:
 *
 *   {"v":1,"s":"schema","p":16,"o":[{"m":0,"k":"key","b":bytes,"r":bytes before compression,"f":first offset,
 *    "s":[[partition,rows,bytes],...]}],
 *    "k":[{"c":column,"t":is text,"n":min,"x":max,"l":[value,...]}]}
 *
 * Slices without rows are left out; the others lie side by side from `f` on, but for files, whose index says where.
 * Columns of which nothing is known are not among "k"; without "l" there were too many values. */
#include "exchange/exchange_internal.h"

#include "base/json.h"

static void put_object(struct pf_json_out *out, const struct pf_exchange_object *object, int partition_count) {
    uint64_t first = 0;
    for (int p = partition_count; p-- > 0;)
        if (object->slices[p].rows) first = object->slices[p].offset;
    pf_json_open_object(out);
    pf_json_field_i64(out, "m", (int64_t)object->medium);
    pf_json_field_str(out, "k", object->key);
    pf_json_field_i64(out, "b", object->size_bytes);
    if (object->raw_bytes != object->size_bytes) pf_json_field_i64(out, "r", object->raw_bytes);
    pf_json_field_i64(out, "f", (int64_t)first);
    pf_json_key(out, "s");
    pf_json_open_array(out);
    for (int p = 0; p < partition_count; p++) {
        if (!object->slices[p].rows) continue;
        pf_json_open_array(out);
        pf_json_put_i64(out, p);
        pf_json_put_i64(out, object->slices[p].rows);
        pf_json_put_i64(out, (int64_t)object->slices[p].size_bytes);
        pf_json_close_array(out);
    }
    pf_json_close_array(out);
    pf_json_close_object(out);
}

static void put_keys(struct pf_json_out *out, const struct pf_exchange_keys *keys) {
    pf_json_open_object(out);
    pf_json_field_i64(out, "c", keys->column);
    pf_json_field_bool(out, "t", keys->is_text);
    pf_json_field_i64(out, "n", keys->min);
    pf_json_field_i64(out, "x", keys->max);
    if (keys->is_listed) {
        pf_json_key(out, "l");
        pf_json_open_array(out);
        for (size_t i = 0; i < keys->value_count; i++) {
            if (keys->is_text)
                pf_json_put_str(out, keys->texts[i]);
            else
                pf_json_put_i64(out, keys->numbers[i]);
        }
        pf_json_close_array(out);
    }
    pf_json_close_object(out);
}

enum pf_code pf_exchange_output_encode(const struct pf_exchange_output *output, struct pf_arena *arena,
                                       pf_str *out_json, struct pf_error *err) {
    struct pf_buf buf;
    struct pf_json_out out;
    pf_buf_init(&buf, 256 << 20);
    pf_json_begin(&out, &buf);
    pf_json_open_object(&out);
    pf_json_field_i64(&out, "v", 1);
    pf_json_field_str(&out, "s", output->schema);
    pf_json_field_i64(&out, "p", output->partition_count);
    pf_json_key(&out, "o");
    pf_json_open_array(&out);
    for (size_t i = 0; i < output->object_count; i++) put_object(&out, &output->objects[i], output->partition_count);
    pf_json_close_array(&out);
    if (output->key_count) {
        pf_json_key(&out, "k");
        pf_json_open_array(&out);
        for (size_t i = 0; i < output->key_count; i++)
            if (output->keys[i].is_known) put_keys(&out, &output->keys[i]);
        pf_json_close_array(&out);
    }
    pf_json_close_object(&out);
    pf_str view;
    enum pf_code code = pf_buf_finish(&buf, "output of a task", &view, err);
    if (code == PF_OK) *out_json = pf_arena_str(arena, view);
    pf_buf_clear(&buf);
    return code;
}

static enum pf_code bad(const char *what, struct pf_error *err) {
    PF_FAIL(err, PF_CORRUPT, "output of a task: %s", what);
}

static enum pf_code read_slices(pf_json *list, int partition_count, uint64_t offset, struct pf_exchange_object *object,
                                struct pf_error *err) {
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        int64_t parts[3] = {-1, -1, -1};
        for (struct pf_json_each part = pf_json_each(each.value); pf_json_next(&part) && part.index < 3;)
            parts[part.index] = pf_json_as_i64(part.value, -1);
        bool is_good = parts[0] >= 0 && parts[0] < partition_count && parts[1] > 0 && parts[2] > 0 &&
                       parts[2] <= object->size_bytes && parts[2] % FORMAT_ALIGNMENT == 0 &&
                       parts[1] <= INT64_MAX - object->rows;
        if (!is_good || object->slices[parts[0]].rows) return bad("a slice is wrong", err);
        object->slices[parts[0]] = (struct pf_exchange_slice){offset, (uint64_t)parts[2], parts[1]};
        object->rows += parts[1];
        if (object->medium == PF_MEDIUM_DIRECTORY) continue;
        offset += (uint64_t)parts[2];
        if (offset > (uint64_t)object->size_bytes) return bad("a slice is not in its object", err);
    }
    return PF_OK;
}

static enum pf_code read_object(pf_json *json, int partition_count, struct pf_arena *arena,
                                struct pf_exchange_object *object, struct pf_error *err) {
    int64_t medium = pf_json_get_i64(json, "m", -1), first = pf_json_get_i64(json, "f", -1);
    if (medium < PF_MEDIUM_SMALL || medium > PF_MEDIUM_STORE) return bad("an unknown medium", err);
    object->medium = (enum pf_medium)medium;
    object->key = pf_arena_str(arena, pf_json_get_str(json, "k", PF_STR_EMPTY));
    object->size_bytes = pf_json_get_i64(json, "b", -1);
    object->raw_bytes = pf_json_get_i64(json, "r", object->size_bytes);
    bool is_aligned = first >= 0 && first % FORMAT_ALIGNMENT == 0;
    if (!object->key.len || object->size_bytes <= 0 || object->raw_bytes <= 0 || !is_aligned ||
        first > object->size_bytes)
        return bad("an object is wrong", err);
    if (pf_str_find(object->key, PF_STR(".."), 0) != SIZE_MAX || object->key.ptr[0] == '/')
        return bad("an object's key leaves the folder", err);
    object->slices = PF_ARENA_ARRAY(arena, struct pf_exchange_slice, (size_t)partition_count);
    return read_slices(pf_json_get(json, "s"), partition_count, (uint64_t)first, object, err);
}

static enum pf_code read_keys(pf_json *json, struct pf_arena *arena, struct pf_exchange_keys *keys,
                              struct pf_error *err) {
    pf_json *list = pf_json_get(json, "l");
    *keys = (struct pf_exchange_keys){
        .column = (int)pf_json_get_i64(json, "c", -1),
        .is_known = true,
        .is_text = pf_json_get_bool(json, "t", false),
        .is_listed = list != NULL,
        .min = pf_json_get_i64(json, "n", INT64_MAX),
        .max = pf_json_get_i64(json, "x", INT64_MIN),
        .value_count = pf_json_count(list),
    };
    if (keys->column < 0 || keys->value_count > PF_EXCHANGE_MAX_KEY_VALUES) return bad("keys are wrong", err);
    keys->numbers = PF_ARENA_ARRAY(arena, int64_t, keys->value_count);
    keys->texts = PF_ARENA_ARRAY(arena, pf_str, keys->value_count);
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        if (keys->is_text)
            keys->texts[each.index] = pf_arena_str(arena, pf_json_as_str(each.value, PF_STR_EMPTY));
        else
            keys->numbers[each.index] = pf_json_as_i64(each.value, 0);
        if (!keys->is_text && pf_json_as_i64(each.value, 1) != keys->numbers[each.index])
            return bad("a key is no number", err);
    }
    return PF_OK;
}

enum pf_code pf_exchange_output_decode(pf_str json, struct pf_arena *arena, struct pf_exchange_output *out_output,
                                       struct pf_error *err) {
    pf_json *root;
    enum pf_code code = pf_json_parse(json, arena, "output of a task", &root, err);
    if (code != PF_OK) return code == PF_INVALID && err ? (err->code = PF_CORRUPT) : PF_CORRUPT;
    int64_t partitions = pf_json_get_i64(root, "p", 0);
    if (pf_json_get_i64(root, "v", 0) != 1) return bad("an unknown version", err);
    if (partitions < 1 || partitions > PF_EXCHANGE_MAX_PARTITIONS) return bad("the number of partitions is wrong", err);
    pf_json *list = pf_json_get(root, "o");
    struct pf_exchange_output output = {.partition_count = (int)partitions};
    output.schema = pf_arena_str(arena, pf_json_get_str(root, "s", PF_STR_EMPTY));
    output.objects = PF_ARENA_ARRAY(arena, struct pf_exchange_object, pf_json_count(list));
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);) {
        struct pf_exchange_object *object = &output.objects[output.object_count++];
        PF_TRY(read_object(each.value, output.partition_count, arena, object, err));
        if (object->rows > INT64_MAX - output.rows || object->size_bytes > INT64_MAX - output.size_bytes ||
            object->raw_bytes > INT64_MAX - output.raw_bytes)
            return bad("the sums are too large", err);
        output.rows += object->rows;
        output.size_bytes += object->size_bytes;
        output.raw_bytes += object->raw_bytes;
    }
    list = pf_json_get(root, "k");
    output.keys = PF_ARENA_ARRAY(arena, struct pf_exchange_keys, pf_json_count(list));
    for (struct pf_json_each each = pf_json_each(list); pf_json_next(&each);)
        PF_TRY(read_keys(each.value, arena, &output.keys[output.key_count++], err));
    *out_output = output;
    return PF_OK;
}
