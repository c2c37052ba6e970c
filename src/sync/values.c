/* SPDX-License-Identifier: MIT */
/* Named values: a hash with the texts, a sorted set with the names, and a counter for versions. */
#include "base/id.h"
#include "sync/connection.h"

enum { LIST_PAGE = 1000, WORDS_PER_CHANGE = 4 };

static pf_str value_key(struct batch *batch, pf_str set, const char *name) {
    return pf_arena_printf(batch->arena, "%.*s:{%.*s}:%s", PF_STR_ARG(batch->sync->log_prefix), PF_STR_ARG(set), name);
}

/* "version word text" */
static enum pf_code split(pf_str stored, pf_str name, struct pf_arena *arena, pf_str *out_text, pf_str *out_version,
                          struct pf_error *err) {
    pf_str rest = stored, version, word;
    if (!pf_str_next(&rest, ' ', &version) || !pf_str_next(&rest, ' ', &word) || !version.len) {
        PF_FAIL(err, PF_CORRUPT, "value '%.*s' in Redis is not one of ours", PF_STR_ARG(name));
    }
    *out_text = pf_arena_str(arena, rest);
    *out_version = pf_arena_str(arena, version);
    return PF_OK;
}

enum pf_code pf_sync_value_get(struct pf_sync *sync, pf_str set, pf_str name, struct pf_arena *arena, pf_str *out_text,
                               pf_str *out_version, struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true);
    BATCH_ADD(&batch, PF_STR("HGET"), value_key(&batch, set, "values"), name);
    enum pf_code code = batch_run(&batch, 0, "read a value", err);
    if (code == PF_OK && reply_is_nil(batch.replies[0]))
        code =
            pf_error_set(err, PF_NOT_FOUND, __FILE__, __LINE__, "there is no value '%.*s' in Redis", PF_STR_ARG(name));
    if (code == PF_OK) code = split(reply_text(batch.replies[0]), name, arena, out_text, out_version, err);
    batch_clear(&batch);
    return code;
}

static enum pf_code check_changes(const struct pf_sync_value_change *changes, size_t count, struct pf_error *err) {
    if (!count || count > PF_SYNC_MAX_VALUE_CHANGES) {
        PF_FAIL(err, PF_TOO_LARGE, "%zu values to be changed at once, the limit is %d", count,
                PF_SYNC_MAX_VALUE_CHANGES);
    }
    for (size_t i = 0; i < count; i++) {
        if (changes[i].text.len <= PF_SYNC_MAX_VALUE_BYTES) continue;
        PF_FAIL(err, PF_TOO_LARGE, "value '%.*s' has %zu bytes, the limit is %d", PF_STR_ARG(changes[i].name),
                changes[i].text.len, PF_SYNC_MAX_VALUE_BYTES);
    }
    return PF_OK;
}

static enum pf_code read_outcome(const valkeyReply *reply, struct pf_arena *arena, pf_str *out_version,
                                 struct pf_error *err) {
    const valkeyReply *word = reply_element(reply, 0);
    pf_str what = reply_text(reply_element(reply, 1));
    if (reply_is(word, "gone")) PF_FAIL(err, PF_NOT_FOUND, "there is no value '%.*s' in Redis", PF_STR_ARG(what));
    if (!reply_is(word, "ok")) {
        PF_FAIL(err, PF_CONFLICT, "value '%.*s' in Redis is not what it was", PF_STR_ARG(what));
    }
    if (out_version) *out_version = pf_arena_str(arena, what);
    return PF_OK;
}

enum pf_code pf_sync_values_change(struct pf_sync *sync, pf_str set, const struct pf_sync_value_change *changes,
                                   size_t count, struct pf_arena *arena, pf_str *out_version, struct pf_error *err) {
    PF_TRY(check_changes(changes, count, err));
    struct batch batch;
    batch_begin(&batch, sync, true);
    pf_str keys[] = {value_key(&batch, set, "values"), value_key(&batch, set, "names"),
                     value_key(&batch, set, "version")};
    pf_str *words = PF_ARENA_ARRAY(batch.arena, pf_str, 1 + count * WORDS_PER_CHANGE);
    size_t used = 0;
    words[used++] = pf_id_ulid(batch.arena);
    for (size_t i = 0; i < count; i++) {
        words[used++] = changes[i].name;
        words[used++] = changes[i].expected_version;
        words[used++] = changes[i].is_drop ? PF_STR("drop") : PF_STR("put");
        words[used++] = changes[i].text;
    }
    batch_add_script(&batch, SCRIPT_VALUES_CHANGE, keys, sizeof keys / sizeof *keys, words, used);
    enum pf_code code = batch_run(&batch, 0, "change a value", err);
    if (code == PF_OK) code = read_outcome(batch.replies[0], arena, out_version, err);
    batch_clear(&batch);
    return code;
}

/* One page of names behind `after`. */
static enum pf_code list_page(struct pf_sync *sync, pf_str set, pf_str prefix, pf_str after, struct pf_arena *arena,
                              pf_str names[LIST_PAGE], size_t *out_count, struct pf_error *err) {
    struct batch batch;
    batch_begin(&batch, sync, true);
    pf_str from = after.len ? pf_arena_printf(batch.arena, "(%.*s", PF_STR_ARG(after))
                            : pf_arena_printf(batch.arena, "[%.*s", PF_STR_ARG(prefix));
    /* No name has a byte 0xFF: they are UTF-8. */
    pf_str to = pf_arena_printf(batch.arena, "(%.*s\xff", PF_STR_ARG(prefix));
    BATCH_ADD(&batch, PF_STR("ZRANGEBYLEX"), value_key(&batch, set, "names"), from, to, PF_STR("LIMIT"), PF_STR("0"),
              batch_number(&batch, LIST_PAGE));
    enum pf_code code = batch_run(&batch, 0, "list values", err);
    if (code == PF_OK) {
        const valkeyReply *list = batch.replies[0];
        *out_count = list->elements < LIST_PAGE ? list->elements : LIST_PAGE;
        for (size_t i = 0; i < *out_count; i++) names[i] = pf_arena_str(arena, reply_text(list->element[i]));
    }
    batch_clear(&batch);
    return code;
}

enum pf_code pf_sync_value_names(struct pf_sync *sync, pf_str set, pf_str prefix, struct pf_arena *arena,
                                 pf_str **out_names, size_t *out_count, struct pf_error *err) {
    pf_str *all = NULL, *page = PF_ARENA_ARRAY(arena, pf_str, LIST_PAGE), after = PF_STR_EMPTY;
    size_t count = 0, capacity = 0, found = LIST_PAGE;
    while (found == LIST_PAGE) {
        PF_TRY(list_page(sync, set, prefix, after, arena, page, &found, err));
        for (size_t i = 0; i < found; i++) PF_ARENA_PUSH(arena, all, count, capacity) = page[i];
        if (found) after = page[found - 1];
    }
    *out_names = all;
    *out_count = count;
    return PF_OK;
}
